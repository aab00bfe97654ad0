"""``tally import`` and ``tally dataset`` against a service that runs: once, whole, with origins, whatever happens."""

from __future__ import annotations

import csv
import hashlib
import json
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import stamina

from ledger.cli.errors import Exit
from ledger.cli.session import Session
from ledger.client.profiles import Profiles
from ledger.core.events import decode_envelope
from tests.testkit.machine import REPOSITORY, free_port
from tests.testkit.tally import TALLY, Done, Tally
from tests.unit.cli.world import PEOPLE, World

WHOLE = ["case.taken_over", "person.named", "item.registered", "import.recorded"]  # what a full row comes to
MAPPING = """
name = "small"
source_system = "{system}"
encoding = "utf-8"
key = ["number"]

[case]
case_number = "number"
case_type = "about"
business_line = {{ value = "criminal" }}
procedure = {{ value = "cn-criminal" }}
stage = {{ value = "investigation" }}
opened_at = "opened"

[[persons]]
name = "suspect"
role = {{ value = "suspect" }}
identity = ["id"]

[[items]]
item_kind = {{ value = "exhibit" }}
description = "thing"
quantity = "count"
"""
COLUMNS = ("number", "about", "opened", "suspect", "id", "thing", "count")


ALL = ("--same-number",)  # tests have cases of the same numbers


class Desk:
    """One officer who imports; each test has a source system of its own."""

    def __init__(self, world: World, folder: Path, system: str, profile: str = "police"):
        self.world = world
        self.folder = folder
        self.system = system
        self.profile = profile
        self.mapping = folder / "mapping.toml"
        self.mapping.write_text(MAPPING.format(system=system), encoding="utf-8")
        self.key = folder / "identity.key"
        self.ok("key", "--identity-key", self.key)

    def ok(self, *words: str | Path) -> Any:
        return self.world.tally.ok("import", *words, profile=self.profile)

    def write(self, *rows: tuple[str, ...], name: str = "cases.csv") -> Path:
        """Write a file of these rows under the headings of the small mapping."""
        path = self.folder / name
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *rows])
        return path

    def run(self, file: Path, mapping: Path | None = None) -> Done:
        """``tally import run``, with its report in the test's folder."""
        words = (
            "--mapping",
            mapping or self.mapping,
            "--identity-key",
            self.key,
            *ALL,
            "--replace",
            "--report",
            self.report,
        )
        return self.world.tally("--json", "import", "run", file, *words, profile=self.profile)

    @property
    def report(self) -> Path:
        return self.folder / "report.json"

    def rows(self, file: Path, mapping: Path | None = None) -> dict[str, int]:
        """Count what became of the rows of a run that refuses none."""
        done = self.run(file, mapping)
        assert done.status == 0, done.err or done.out
        return done.json()["rows"]

    def status(self, file: Path) -> dict[str, int]:
        words = ("--mapping", self.mapping, "--identity-key", self.key, *ALL)
        return self.ok("status", file, *words)["rows"]

    def imports(self) -> list[dict[str, Any]]:
        """List what the service has of this system."""
        session = Session()
        session.profile_name, session.profiles = self.profile, Profiles(self.world.tally.config)
        query = {"source_system": self.system, "limit": 1000}
        return list(session.service.pages("/api/v1/imports", "imports", **query))

    def case_of(self, key: str) -> str:
        (case_id,) = [row["case_id"] for row in self.imports() if row["source_key"] == key]
        return str(case_id)

    def events(self, case_id: str) -> list[dict[str, Any]]:
        return self.world.ok("event", "list", case_id, profile=self.profile)

    def types(self, case_id: str) -> list[str]:
        return [event["event_type"] for event in self.events(case_id)]

    def command(self, file: Path, report: str) -> list[str | Path]:
        """``tally import run`` as a process of its own."""
        words = [
            "--mapping",
            self.mapping,
            "--identity-key",
            self.key,
            *ALL,
            "--replace",
            "--report",
            self.folder / report,
        ]
        return [TALLY, "--json", "--yes", "--profile", self.profile, "import", "run", file, *words]


EXAMPLES = REPOSITORY / "examples" / "import"


@pytest.fixture
def desk(world: World, tmp_path: Path, request: pytest.FixtureRequest) -> Desk:
    """Import for the police; each test out of a system of its own."""
    return Desk(world, tmp_path, request.node.name[:100])


ROWS = (
    ("A-1", "theft", "2026-03-01", "Zhang", "310101", "a phone", "1"),
    ("A-2", "fraud", "2026年3月2日", "Wang", "310102", "a ledger", "2"),
    ("A-3", "arson", "2026/3/3", "", "", "", ""),
)


@pytest.mark.parametrize(
    ("name", "suffix", "profile", "rows", "system"),
    [
        ("police-case", "csv", "police", 4, "警综平台"),
        ("procuratorate-card", "xlsx", "prosecutor", 3, "检察业务应用系统"),
        ("court-filing", "json", "prosecutor", 2, "法院立案系统"),
    ],
)
def test_the_shipped_mappings_import_their_samples(
    world: World, tmp_path: Path, name: str, suffix: str, profile: str, rows: int, system: str
) -> None:
    """Each sample comes in whole, with its origin; the same file once more changes nothing."""
    desk = Desk(world, tmp_path, system, profile)
    file, mapping = EXAMPLES / f"{name}.{suffix}", EXAMPLES / f"{name}.toml"
    assert desk.rows(file, mapping) == {"imported": rows}
    assert desk.rows(file, mapping) == {"unchanged": rows}
    imports = desk.imports()
    assert len(imports) == rows
    for row in imports:
        types = desk.types(row["case_id"])
        assert (types[0], types[-1]) == ("case.taken_over", "import.recorded")
        assert types.count("import.recorded") == 1


def test_a_row_becomes_the_events_of_its_case(desk: Desk) -> None:
    """The opening at its day, persons, items, and where it came from: system, key, file digest and row."""
    file = desk.write(*ROWS)
    done = desk.run(file).json()
    assert (done["rows"], done["rejects"], list(desk.folder.glob("*.rejects.csv"))) == ({"imported": 3}, None, [])
    opened, named, registered, origin = [event["payload"] for event in desk.events(desk.case_of("A-2"))]
    assert (opened["body"]["case_type"], opened["body"]["opened_at"]) == ("fraud", "2026-03-01T16:00:00Z")
    assert named["body"]["role"] == "suspect"
    assert registered["body"]["quantity"] == {"value": "2", "unit": "piece"}
    digest = json.loads(desk.report.read_bytes())["file_digest"]
    assert origin["body"]["source_key"] == "A-2"
    assert (origin["body"]["row"], origin["body"]["file_digest"]) == (3, digest)


def test_an_older_list_of_rejected_rows_stays(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the new run rejects rows or none: it is replaced on request alone, and no name by default leads to it."""
    file, rejects = desk.write(*ROWS), desk.folder / "report.rejects.csv"
    words = ("import", "run", file, "--mapping", desk.mapping, "--identity-key", desk.key, *ALL)
    own = desk.folder / "cases.csv.import.rejects.csv"
    for older in (rejects, own):
        older.write_bytes(b"with notes of an officer")
    desk.world.refuses(Exit.USAGE, "report.rejects.csv is there already", *words, "--report", desk.report)
    monkeypatch.chdir(desk.folder)
    assert desk.world.ok(*words)["rows"] == {"imported": 3}
    assert [older.read_bytes() for older in (rejects, own)] == [b"with notes of an officer"] * 2
    assert not desk.report.exists()
    assert [report.name for report in desk.folder.glob("*.import*.json")] == ["cases.csv.import-2.json"]


def test_a_changed_row_becomes_a_correction(desk: Desk) -> None:
    """Each changed field is named with what was recorded and what is correct, time and section included."""
    desk.rows(desk.write(*ROWS))
    changed = ("A-1", "robbery", "2026-03-02", "Zhang San", "310101", "a phone", "3")
    assert desk.rows(desk.write(changed, *ROWS[1:], name="newer.csv")) == {"corrected": 1, "unchanged": 2}
    case_id = desk.case_of("A-1")
    events = desk.events(case_id)
    assert [event["event_type"] for event in events[4:]] == [*["record.corrected"] * 3, "import.recorded"]
    corrections = [correction for event in events[4:7] for correction in event["payload"]["body"]["corrections"]]
    by_field = {part["field"]: (part["recorded"], part["correct"]) for part in corrections}
    del by_field["confidential.person:1"]
    days = ("2026-02-28T16:00:00Z", "2026-03-01T16:00:00Z")
    assert by_field == {"case_type": ("theft", "robbery"), "opened_at": days, "quantity.value": ("1", "3")}
    assert events[5]["sections"]["person:1"]["fields"] == {"name": "Zhang San"}
    assert "Zhang" not in json.dumps([event["payload"] for event in events])
    assert events[4]["payload"]["body"]["corrects"]["event_id"] == events[0]["event_id"]


def test_the_same_register_under_another_name_makes_no_doubles(desk: Desk) -> None:
    """A row whose case number a case of the agency has is refused before anything of it is signed, and names that case
    and its row; on request it becomes another case."""
    rows = [(f"D-{number}-{desk.folder.name}", *ROWS[0][1:]) for number in (1, 2)]
    desk.rows(desk.write(rows[0]))
    (desk.folder / "again").mkdir()
    again = Desk(desk.world, desk.folder / "again", f"{desk.system} under another name")
    words = (desk.write(*rows, name="again.csv"), "--mapping", again.mapping, "--identity-key", again.key)
    looked = desk.ok("status", *words)
    (fault,) = looked["faults"]
    assert (looked["rows"], fault["row"]) == ({"refused": 1, "absent": 1}, 2)
    before = (
        f"case {desk.case_of(rows[0][0])} has the number {rows[0][0]} already, imported from row 2 of {desk.system}"
    )
    assert fault["reason"].startswith(before)
    done = desk.world.tally("import", "run", *words, "--replace", "--report", desk.report, profile="police")
    assert done.status == Exit.REFUSED
    assert json.loads(desk.report.read_bytes())["rows"] == {"refused": 1, "imported": 1}
    assert before in desk.report.with_name("report.rejects.csv").read_text(encoding="utf-8-sig")
    assert again.rows(words[0]) == {"imported": 1, "unchanged": 1}


def test_a_person_who_was_named_by_mistake_is_put_right_in_the_ledger(desk: Desk) -> None:
    """As docs/import.md says: by a correction, the end of his own way through the case, and the erasure of his name by
    two officers. The row, which still names him, brings nothing back."""
    file = desk.write(ROWS[0])
    desk.rows(file)
    case_id, world = desk.case_of("A-1"), desk.world
    named = next(event for event in desk.events(case_id) if event["event_type"] == "person.named")
    person_id, event_id = named["payload"]["body"]["person_id"], named["event_id"]
    change = ("--change", "role", "suspect", "witness", "--ground", "named by mistake")
    world.ok("record", "correct", case_id, event_id, *change)
    world.ok("case", "stage", case_id, "closed", "--person", person_id)
    proposing = ("section", "propose-erasure", case_id, event_id, "person:1", "--ground", "named by mistake")
    proposal = world.ok(*proposing)["event_id"]
    order = ("--for", "court_order", "--authority", "court order=2026-9")
    world.ok("section", "erase", case_id, proposal, *order, profile="chief")
    (person,) = world.ok("case", "show", case_id)["persons"]
    assert (person["person_id"], person["stage"]) == (person_id, "closed")
    assert world.ok("event", "show", event_id)["sections"] == {"person:1": None}
    assert desk.rows(file) == {"unchanged": 1}


def test_status_shows_in_what_a_changed_row_differs(desk: Desk) -> None:
    """Field by field: as it is recorded and as the row has it, and what the row adds; nothing is sent."""
    desk.rows(desk.write(ROWS[0], ROWS[2]))
    changed = desk.write(("A-1", "robbery", *ROWS[0][2:]), (*ROWS[2][:3], "Li", "310103", "", ""), name="newer.csv")
    answer = desk.ok("status", changed, "--mapping", desk.mapping, "--identity-key", desk.key)
    differences = [tuple(row.values()) for row in answer["differences"]]
    assert differences[0] == (2, "A-1", "case.taken_over", "case_type", "theft", "robbery")
    added = {
        field: correct
        for row, _, kind, field, recorded, correct in differences[1:]
        if (row, kind) == (3, "person.named")
    }
    assert (added["role"], "Li" in str(differences)) == ("suspect", False)
    shown = desk.world.tally(
        "import", "status", changed, "--mapping", desk.mapping, "--identity-key", desk.key, profile="police"
    )
    assert ("robbery" in shown.out, "theft" in shown.out) == (True, True)
    assert desk.status(changed) == {"changed": 2}


def test_rows_with_faults_are_listed_and_stop_nothing(desk: Desk) -> None:
    """Exit code 1, the others are in; the list names row, column and reason, and calculates nothing."""
    bad = (("B-1", "theft", "2026-02-30", "", "", "", ""), ("=cmd|' /C calc'!A0", "theft", "=1+1", "", "", "", ""))
    done = desk.run(desk.write(ROWS[0], *bad, ROWS[1]))
    assert done.status == 1
    answer = done.json()
    assert answer["rows"] == {"imported": 2, "refused": 2}
    with Path(answer["rejects"]).open(encoding="utf-8-sig", newline="") as file:
        listed = list(csv.DictReader(file))
    assert [(row["row"], row["column"]) for row in listed] == [("3", "opened"), ("4", "opened")]
    assert "no such day" in listed[0]["reason"]
    assert listed[1]["value"] == "'=1+1"
    assert listed[1]["source_key"].startswith("'=cmd")
    assert Path(answer["rejects"]).stat().st_mode & 0o077 == 0


def test_what_the_rules_refuse_is_refused_before_anything_is_sent(desk: Desk) -> None:
    """Electronic data needs its digests: the case is not opened with half of its row."""
    desk.mapping.write_text(
        MAPPING.format(system=desk.system).replace('value = "exhibit"', 'value = "electronic_data"'), encoding="utf-8"
    )
    done = desk.run(desk.write(ROWS[0]))
    assert (done.status, done.json()["rows"], done.json()["events"]) == (1, {"refused": 1}, 0)
    assert desk.imports() == []


def test_two_runs_at_once_double_nothing(desk: Desk) -> None:
    """Both end well, and every case has its events once."""
    file = desk.write(*((f"C-{number}", "theft", "2026-03-01", "Zhang", "310101", "x", "1") for number in range(120)))
    runs = [
        subprocess.Popen(desk.command(file, report), stdout=subprocess.PIPE, env=desk.world.tally.environment())
        for report in ("one.json", "two.json")
    ]
    answers = [json.loads(run.communicate(timeout=120)[0]) for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    imports = desk.imports()
    assert len(imports) == 120
    counted: Counter[str] = Counter()
    for answer in answers:
        counted.update(answer["rows"])
    assert counted.total() == 240
    assert sum(answer["events"] for answer in answers) == 120 * len(WHOLE)


def test_a_service_that_is_away_is_told_by_the_exit_code(desk: Desk) -> None:
    """5, no report says that anything is in, and the same command works once the service is back."""
    file = desk.write(*ROWS)
    agency, officer, _ = PEOPLE["police"]
    desk.world.tally.add_profile("lost", f"http://127.0.0.1:{free_port()}", agency, officer, "police")
    desk.profile = "lost"
    with stamina.set_testing(True, attempts=1):
        assert desk.run(file).status == 5
    assert not desk.report.exists()
    desk.profile = "police"
    assert desk.rows(file) == {"imported": 3}


def test_check_needs_no_service(desk: Desk, tally: Tally) -> None:
    """A dry run shows rows and faults without a profile, and sends nothing: the events that are then in the ledger."""
    file, mapping = EXAMPLES / "police-case.csv", EXAMPLES / "police-case.toml"
    answer = tally.ok("import", "check", file, "--mapping", mapping)
    assert answer["rows"] == {"good": 4, "refused": 0}
    assert answer["planned"][0]["events"]["person.named"] == 2
    assert "在办案件接续" in tally("import", "check", file, "--mapping", mapping, "--lang", "zh-CN").out
    unreadable, rejects = desk.write(("B-1", "theft", "2026-02-30", "", "", "", "")), desk.folder / "rejects.csv"
    words = ("--mapping", desk.mapping, "--rejects", rejects, "--lang", "zh-CN")
    assert "日历中没有这一天" in tally("import", "check", unreadable, *words).out
    assert "日历中没有这一天" in rejects.read_text(encoding="utf-8")
    file = desk.write(*ROWS)
    planned = tally.ok("import", "check", file, "--mapping", desk.mapping)["events"]
    desk.rows(file)
    assert planned == dict(Counter(kind for row in desk.imports() for kind in desk.types(row["case_id"])))


def test_status_tells_rows_apart_and_sends_nothing(desk: Desk) -> None:
    """Imported, changed, absent and faulty ones."""
    desk.rows(desk.write(*ROWS[:2]))
    newer = desk.write(ROWS[0], ("A-2", "theft", *ROWS[1][2:]), ROWS[2], ("A-4", "", "", "", "", "", ""), name="n.csv")
    assert desk.status(newer) == {"imported": 1, "changed": 1, "absent": 1, "refused": 1}
    second_list = desk.write(("A-1", "theft", "2026-03-01", "Zhang", "310109", "a phone", "1"), name="other.csv")
    words = (second_list, "--mapping", desk.mapping, "--identity-key", desk.key)
    listed = {"row": 2, "source_key": "A-1", "persons": 1, "items": 0, "no_longer_named": 1}
    assert desk.ok("status", *words)["adding"] == [listed]
    shown = desk.world.tally("import", "status", *words, "--lang", "zh-CN", profile=desk.profile)
    assert "不再列出" in shown.out
    assert "--add" in desk.run(second_list).err + Path(desk.run(second_list).json()["rejects"]).read_text(
        encoding="utf-8-sig"
    )
    assert len(desk.imports()) == 2


def test_another_identity_key_doubles_nothing(desk: Desk, tmp_path: Path) -> None:
    """Rows that are in already are refused under another key, with the case that they are."""
    file = desk.write(*ROWS)
    desk.rows(file)
    desk.key = tmp_path / "another.key"
    done = desk.run(file)
    assert (done.status, "tally import key" in done.err) == (2, True), "none is made in passing"
    desk.ok("key", "--identity-key", desk.key)
    done = desk.run(file)
    assert (done.status, done.json()["rows"]) == (1, {"refused": 3})
    assert "another identity key" in Path(done.json()["rejects"]).read_text(encoding="utf-8-sig")
    assert len(desk.imports()) == 3


# -- data sets ---------------------------------------------------------------------------------------------------------


def register(desk: Desk, file: Path, *more: str) -> Done:
    words = ("--source", "social security bureau", "--legal-basis", "agreement 2026-3")
    period = ("--from", "2026-01-01", "--until", "2026-06-30", "--compare", "number")
    return desk.world.run("--json", "dataset", "register", file, *words, *period, *more)


def test_a_data_set_is_registered_and_listed(desk: Desk) -> None:
    """Rows are counted, the digest is that of the file; the same file is not registered twice."""
    file = desk.write(*ROWS, ("only here", desk.system, "", "", "", "", ""), name="pensions.csv")
    wrong = register(desk, file, "--until", "June")
    assert (wrong.status, "--until" in wrong.err) == (2, True)
    misspelled = register(desk, file, "--compare", "nummer")
    assert (misspelled.status, "--compare" in misspelled.err, "number" in misspelled.err) == (2, True, True)
    receipt = register(desk, file).json()
    listed = desk.world.ok("dataset", "list")
    (line,) = [data_set for data_set in listed if data_set["dataset_id"] == receipt["dataset_id"]]
    assert line["rows"] == 4
    assert line["digest"] == f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
    assert (line["period_from"], line["legal_basis"]) == ("2026-01-01", "agreement 2026-3")
    again = register(desk, file)
    assert again.status == 1
    assert receipt["dataset_id"] in again.err
    assert receipt["dataset_id"] not in json.dumps(desk.world.ok("dataset", "list", profile="prosecutor"))


def test_a_file_that_was_registered_with_a_wrong_layout_is_registered_again(desk: Desk) -> None:
    """Under its id, from then on as it is read now; in the same way it is refused again."""
    file = desk.write(*ROWS, ("again", desk.system, "", "", "", "", ""), name="again.csv")
    first = register(desk, file, "--readable").json()
    second = register(desk, file)
    assert second.status == 0, second.err
    assert second.json()["dataset_id"] == first["dataset_id"]
    assert register(desk, file).status == 1


def test_a_file_takes_the_place_of_a_later_list_only_by_its_name(desk: Desk) -> None:
    """What was registered in the place of the file is kept unless the officer names it: the file has an id of its own
    then. Under the id of the later list it is taken as it was, too."""
    files = [desk.write((month, desk.system, "", "", "", "", ""), name=f"{month}.csv") for month in ("jan", "feb")]
    for file in files:
        assert register(desk, file, "--dataset-id", "monthly").status == 0
    later_list = register(desk, files[0], "--readable")
    assert (later_list.status, later_list.json()["dataset_id"].startswith("dataset-")) == (0, True), later_list.err
    by_name = register(desk, files[0], "--dataset-id", "monthly")
    assert (by_name.status, by_name.json()["dataset_id"]) == (0, "monthly"), by_name.err
    assert register(desk, files[0]).status == 1


def test_the_file_of_a_data_set_is_given_as_it_was_registered(desk: Desk) -> None:
    """Read by the layout that was signed; from then on it is listed as kept. Another file is refused."""
    file = desk.write(*ROWS, ("given", desk.system, "", "", "", "", ""), name="given.csv")
    text = file.read_text(encoding="utf-8").replace(",", ";")
    file.write_text(text, encoding="gb18030")
    layout = ("--encoding", "gb18030", "--delimiter", ";", "--dataset-id", "given-2026")
    assert register(desk, file, *layout).status == 0
    dataset = desk.world.ok("dataset", "give", "given-2026", file)
    assert (dataset["view"], dataset["rows"], dataset["columns"][0]) == ("dataset_given_2026", 4, "number")
    kept = {line["dataset_id"]: line["kept"] for line in desk.world.ok("dataset", "list")}
    assert kept["given-2026"]
    file.write_bytes(file.read_bytes() + b"x")
    assert desk.world.run("dataset", "give", "given-2026", file).status != 0


def test_two_data_sets_stand_in_one_stream(desk: Desk) -> None:
    """The second one is signed on the head that the agency's stream has by then; a later list keeps its id."""
    for number, dataset_id in enumerate(("set-1", "set-2", "set-1")):
        file = desk.write((str(number), desk.system, "", "", "", "", ""), name=f"set-{number}.csv")
        assert register(desk, file, "--dataset-id", dataset_id).status == 0
    assert desk.world.ok("dataset", "give", "set-1", file)["rows"] == 1


@pytest.mark.extended
def test_a_killed_import_is_resumed_to_the_same_cases(world: World, tmp_path: Path) -> None:
    """Killed twice in the middle and run to its end: every row has one case, every case its events once, in order."""
    desk, count = Desk(world, tmp_path, "killed"), 600
    file = desk.write(
        *((f"K-{number}", "theft", "2026-03-01", "Zhang", f"3101{number}", "a phone", "1") for number in range(count))
    )
    before, cases_before = world.size(), size_of_cases(world)
    for share in (0.2, 0.6):
        kill_at(desk, file, before + int(share * count * len(WHOLE)))
    assert size_of_cases(world) - cases_before < count * len(WHOLE), "the runs were killed before their end"
    last = subprocess.run(desk.command(file, "last.json"), env=desk.world.tally.environment(), capture_output=True)
    assert last.returncode == 0, last.stderr
    rows = json.loads(last.stdout)["rows"]
    assert sum(rows.values()) == count
    assert rows["unchanged"] > 0
    assert size_of_cases(world) - cases_before == count * len(WHOLE)
    imports = desk.imports()
    assert sorted(row["source_key"] for row in imports) == sorted(f"K-{number}" for number in range(count))
    assert len({row["case_id"] for row in imports}) == count
    for row in imports[:: count // 20]:
        assert desk.types(row["case_id"]) == WHOLE


def kill_at(desk: Desk, file: Path, entries: int) -> None:
    """Start a run and kill it once the log has as many entries."""
    with subprocess.Popen(
        desk.command(file, "killed.json"), env=desk.world.tally.environment(), stdout=subprocess.DEVNULL
    ) as run:
        while desk.world.size() < entries:
            assert run.poll() is None, "the run came to its end before it was killed"
            time.sleep(0.01)
        run.send_signal(signal.SIGKILL)


def size_of_cases(world: World) -> int:
    """How many entries of cases there are: the service adds seals of the reads of its own."""
    size = world.size()
    entries = world.until("all is published", lambda: entries if len(entries := world.entries()) >= size else [])
    return sum(decode_envelope(entry).stream.kind == "case" for entry in entries)
