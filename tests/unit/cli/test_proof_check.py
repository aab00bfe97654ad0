"""`tally proof check`: steps, verdicts and exit codes, offline."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from ledger.cli.errors import Exit
from ledger.config.secret_files import write_secret
from ledger.core.encoding import canonical
from ledger.core.events.handover import HandoverRecalled
from ledger.core.log.tiles import encode_entry_bundle
from ledger.core.verification.bundle import encode_bundle
from tests.testkit import bundles
from tests.testkit.builders import POLICE, PROCURATORATE, START, Writer, clerk
from tests.testkit.casework import Case, late_arrest
from tests.testkit.machine import REPOSITORY
from tests.testkit.published_vectors import EXAMPLES
from tests.testkit.tally import Tally, write_bundle, write_trust


@pytest.fixture
def log() -> bundles.Log:
    """Build a log with a case that was opened and got an item."""
    return bundles.log_with(Case().open().register("item-1"))


def check(tally: Tally, bundle: Path, *more: str | Path, trust_file: Path | None = None) -> tuple[int, str]:
    """Exit code and output of a check against the builders' trust file."""
    options = ("--procedure", "cn-criminal", "--trust", trust_file or write_trust(tally.folder))
    done = tally("proof", "check", bundle, *options, *more)
    assert done.err == ""
    return done.status, done.out


def test_intact(tally: Tally, log: bundles.Log) -> None:
    """All steps are numbered, the verdict is told with what stands beside it, in both languages, and the code is 0.
    Without an anchor it is 4, and a withheld payload is no fault and no proof: 3."""
    last = len(log.events) - 1
    status, shown = check(tally, write_bundle(tally.folder, log, last))
    assert (status, "\x1b" in shown) == (Exit.OK, False)
    assert [line.split()[0] for line in shown.splitlines()[:12]] == [str(number) for number in range(1, 13)]
    assert "verdict: intact" in shown
    assert "conformity: not checked: the custody rules judge a case, not one event" in shown
    assert "completeness: not checked: one event says nothing of those after it" in shown
    assert "development ledger" in shown
    _, chinese = check(tally, write_bundle(tally.folder, log, last), "--lang", "zh-CN")
    for words in ("收录证明", "结论: 未经改动", "未核验: 保管规则评判的是整个案件，不是单个事件"):
        assert words in chinese
    status, shown = check(tally, write_bundle(tally.folder, log, last, payload=None))
    assert (status, "verdict: unverifiable" in shown) == (Exit.UNVERIFIABLE, True)
    status, shown = check(tally, write_bundle(tally.folder, log, last, anchored=False))
    assert (status, "verdict: not yet anchored" in shown) == (Exit.NOT_YET_ANCHORED, True)


def test_tampered(tally: Tally, log: bundles.Log) -> None:
    """A changed payload fails step 7, which says what differs; the code is 1."""
    path = write_bundle(tally.folder, log, len(log.events) - 1)
    bundle = json.loads(path.read_bytes())
    bundle["entries"][-1]["payload"]["body"]["description"] = "another thing"
    path.write_bytes(canonical.encode(bundle))
    status, shown = check(tally, path)
    assert status == Exit.REFUSED
    assert re.search("^ 7 .*failed.*digest", shown, re.MULTILINE)
    assert "verdict: tampered" in shown


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b'{"format":"tallystick/bundle@v1"}'])
def test_file_that_is_no_bundle_is_bad_usage(tally: Tally, data: bytes) -> None:
    """What is no bundle at all gets no verdict: one line, and the code 2."""
    path = tally.folder / "bundle.json"
    path.write_bytes(data)
    done = tally("proof", "check", path, "--trust", write_trust(tally.folder))
    assert (done.status, done.out) == (Exit.USAGE, "")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"%PDF-1.7\n[[", "not a PDF. A certificate has its bundle attached"),
        (b"PK\x03\x04[[", "not a ZIP archive. Unpack it"),
        (
            b'{"format":"tallystick/bundle@v2"}',
            "of a newer release, whose format is tallystick/bundle@v2. Take a newer",
        ),
    ],
)
def test_file_that_people_have_instead_is_named(tally: Tally, data: bytes, words: str) -> None:
    """A certificate and an archive are said to hold the bundle; one of a later release is not called broken."""
    path, trust = tally.folder / "file", write_trust(tally.folder)
    path.write_bytes(data)
    tally.refuses(Exit.USAGE, words, "proof", "check", path, "--trust", trust)
    if b"v2" not in data:  # no trust file is in there
        assert "attached" not in tally("proof", "check", trust, "--trust", path).err
    node = ["node", REPOSITORY / "scripts" / "verify" / "check.js"]
    for options in ((path, "--trust", trust), (trust, "--trust", path), (tally.folder, "--trust", trust)):
        done = subprocess.run([*node, *options], capture_output=True, text=True)
        assert done.returncode == Exit.USAGE
        assert str(tally.folder if options[0] == tally.folder else path) in done.stderr
        assert b"v2" not in data or options[0] == tally.folder or "of a newer release" in done.stderr


def test_trust_file_of_the_bundles_ledger_is_chosen(tally: Tally, log: bundles.Log) -> None:
    """Of several trust files that of the bundle's ledger counts; where none is, the bundle fails against the first.
    Without any nothing is checked; that of a profile is used where none is named, and its key is not needed."""
    path = write_bundle(tally.folder, log, len(log.events) - 1)
    own = write_trust(tally.folder)
    second_folder = tally.folder / "other"
    second_folder.mkdir()
    foreign = write_trust(second_folder, log_id_text="0x" + "00" * 32)
    assert tally.ok("proof", "check", path, "--trust", foreign, "--trust", own)["verdict"] == "intact"
    done = tally("--json", "proof", "check", path, "--trust", foreign)
    assert (done.status, done.json()["steps"][0]["result"]) == (Exit.OTHER_LEDGER, "failed")
    for language, words in (("en", "of another ledger: ledger: the bundle is of"), ("zh-CN", "属于另一账本")):
        _, shown = check(tally, path, "--lang", language, trust_file=foreign)
        assert words in shown
    certificate = ("proof", "certificate", path, "--trust", foreign, "-o", tally.folder / "certificate.pdf")
    assert tally(*certificate).status == Exit.OTHER_LEDGER
    assert "也不表示无人改动" in tally("--lang", "zh-CN", *certificate).err
    tally.refuses(Exit.USAGE, "--trust", "proof", "check", path)
    key = tally.new_key("clerk")
    who = ("--agency", POLICE, "--officer", "p-1", "--key", "clerk", "--trust", own)
    tally.ok("profile", "add", "clerk", "--url", "http://127.0.0.1:1", *who)
    write_secret(tally.config / "keys" / "clerk.json", b"broken", field=key, replace=True)
    assert tally.ok("proof", "check", path)["verdict"] == "intact"


def case_file(folder: Path, log: bundles.Log) -> Path:
    """Write the bundle of the log's case."""
    path = folder / "case.json"
    path.write_bytes(encode_bundle(log.case_bundle()))
    return path


def copy_of(folder: Path, log: bundles.Log) -> Path:
    """Save a copy of the log, as `tally log save` lays it down."""
    copy = folder / "copy"
    (copy / "tile" / "entries").mkdir(parents=True)
    (copy / "checkpoint").write_text(log.note(), encoding="utf-8")
    (copy / "tile" / "entries" / "000.p").mkdir()
    entries = log.entries()
    (copy / "tile" / "entries" / "000.p" / str(len(entries))).write_bytes(encode_entry_bundle(entries))
    return copy


def test_case_bundle(tally: Tally, log: bundles.Log) -> None:
    """All events of a case are checked together; only a copy of the log shows that nothing came after the last
    one, and only if a quorum has co-signed its tree."""
    path = case_file(tally.folder, log)
    status, shown = check(tally, path)
    assert status == Exit.OK
    assert "2 events, each of them intact" in shown
    assert "not checked" in shown.splitlines()[8]
    copy = copy_of(tally.folder, log)
    _, shown = check(tally, path, "--log", copy)
    assert "completeness: not checked: no quorum of witnesses has co-signed the tree" in shown
    note = log.note(witnesses=[(witness, START + 5000) for witness in bundles.WITNESSES])
    path.write_bytes(encode_bundle(log.case_bundle(note=note)))
    by_quorum = write_trust(tally.folder, policy=bundles.TWO_OF_THREE)
    status, shown = check(tally, path, "--log", copy, trust_file=by_quorum)
    assert (status, "not checked" in shown.splitlines()[8]) == (Exit.OK, False)
    assert "completeness: shown: none of the" in shown


def test_time_limits_that_were_not_kept_are_named(tally: Tally) -> None:
    """Each in a line, and their number after the statements, in both languages; it changes no verdict."""
    late = bundles.log_with(late_arrest(), POLICE, PROCURATORATE)
    path = tally.folder / "late.json"
    path.write_bytes(encode_bundle(late.case_bundle(anchored=False)))
    status, shown = check(tally, path)
    assert status == Exit.NOT_YET_ANCHORED
    assert re.search("^time limit not kept: request arrest of .* and ended at", shown, re.MULTILINE)
    assert re.search("^time limit not kept: notify the family.* and was open at", shown, re.MULTILINE)
    assert "time limits that were not kept: 4, as named above" in shown
    _, chinese = check(tally, path, "--lang", "zh-CN")
    assert re.search("^期限未遵守：提请批准逮捕，", chinese, re.MULTILINE)
    assert "未遵守的期限 4 项" in chinese
    limits = json.loads(check(tally, path, "--json")[1])["time_limits"]
    assert len(limits["late"]) == 4


def test_what_a_case_does_not_show_is_named(tally: Tally, tmp_path: Path) -> None:
    """Sections that somebody left out, by their events; and when its events are proven to have existed."""
    bundle, (case, trust) = tmp_path / "case.json", (EXAMPLES / name for name in ("case.json", "trust.json"))
    _, whole = check(tally, case, trust_file=trust)
    changed = json.loads(case.read_bytes())
    left_out = [entry.pop("sections") and entry["envelope"] for entry in changed["entries"] if "sections" in entry]
    bundle.write_bytes(canonical.encode(changed))
    line = f"sections: events {left_out[0]['sequence']}: narrative erased by entry 9\n"
    status, shown = check(tally, bundle, trust_file=trust)
    assert (status, line in shown, "sections: " in whole) == (Exit.OK, True, False)
    assert "existed, as proven: 2026-01-01 08:00:06 +08:00\n" in shown
    node = ["node", REPOSITORY / "scripts" / "verify" / "check.js", bundle, "--trust", trust]
    by_other = subprocess.run(node, capture_output=True, text=True, check=True).stdout
    assert f"sections of event {left_out[0]['sequence']}: narrative erased\n" in by_other
    node[2] = EXAMPLES / "bundle.json"
    assert "known to exist at 2026-" in subprocess.run(node, capture_output=True, text=True, check=True).stdout
    digest = re.search(r"trusted blocks\): (sha256:\S+)\n", by_other)
    assert digest is not None
    assert digest[1] in shown


def test_a_case_without_its_procedure_is_not_judged(tally: Tally, log: bundles.Log) -> None:
    """What this program ships is not taken for what the agencies adopted: conformity is not checked, never passed."""
    path = case_file(tally.folder, log)
    done = tally("proof", "check", path, "--trust", write_trust(tally.folder))
    assert "acts possible under the rules: not checked: no version of the procedure cn-criminal is here" in done.out


def test_case_bundle_that_leaves_out_the_last_event(tally: Tally, log: bundles.Log) -> None:
    """Without the newest event a case is intact, and a copy of the log contradicts that it is complete."""
    path = case_file(tally.folder, log)
    bundle = json.loads(path.read_bytes())
    del bundle["entries"][-1]
    path.write_bytes(canonical.encode(bundle))
    status, shown = check(tally, path)
    assert (status, "completeness: not checked: that nothing came after event 0" in shown) == (Exit.OK, True)
    status, shown = check(tally, path, "--log", copy_of(tally.folder, log))
    assert (status, "verdict: intact" in shown) == (Exit.CONTRADICTED, True)
    assert "completeness: contradicted: events: the log has 2 events of the stream, not these 1" in shown


def test_case_against_the_rules(tally: Tally) -> None:
    """What was signed and logged against the custody rules is intact, and the rules contradict it."""
    writer = Writer("case", "case-1")
    writer.write(Case().open().last.payload.body, clerk(POLICE))
    writer.write(HandoverRecalled(handover_id="handover-1", ground="none"), clerk(POLICE))
    log = bundles.founded(POLICE)
    log.add(*writer.events)
    status, shown = check(tally, case_file(tally.folder, log))
    assert (status, "verdict: intact" in shown) == (Exit.CONTRADICTED, True)
    assert "acts possible under the rules: contradicted: events[1]: impossible (unknown_handover)" in shown


def test_copy_that_is_not_whole_is_bad_usage(tally: Tally, log: bundles.Log) -> None:
    """A folder that is no copy of a log, or lacks a part, is refused under --log."""
    path = case_file(tally.folder, log)
    copy = copy_of(tally.folder, log)
    for missing in (copy / "tile" / "entries" / "000.p" / str(len(log.entries())), copy / "checkpoint"):
        missing.unlink()
        tally.refuses(Exit.USAGE, "--log", "proof", "check", path, "--trust", write_trust(tally.folder), "--log", copy)


def test_flags_of_a_case_are_told(tally: Tally) -> None:
    """What the rules flag is printed with its article, and changes no verdict."""
    log = bundles.log_with(Case().open().register("item-1", kind="property").close())
    status, shown = check(tally, case_file(tally.folder, log))
    assert status == Exit.OK
    assert "item-1 (CPL 245" in shown
