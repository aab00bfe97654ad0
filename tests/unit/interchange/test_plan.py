"""From rows to plans by a mapping, and from plans to what a case lacks; what is wrong in a mapping is told."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ledger.core.errors import IntegrityBroken, MalformedInput
from ledger.core.events.case import CaseTakenOver
from ledger.core.events.item import Collection, Dossier, ItemRegistered, Seizure
from ledger.core.events.record import ImportRecorded
from ledger.core.events.terms import Money
from ledger.i18n import zone_in_use
from ledger.interchange.imports.case_events import CaseEvent, RowFault, missing_events, recorded_fields
from ledger.interchange.imports.identity import IdentityKey
from ledger.interchange.imports.importing import DryRun, PlannedRow
from ledger.interchange.imports.joined_files import JoinedSource
from ledger.interchange.imports.mapping import parse_mapping, read_mapping
from ledger.interchange.imports.plan import Plan, Planner
from ledger.interchange.imports.source_file import Layout, SourceFile, Survey, format_of, layout_of
from ledger.procedures import books_that_ship
from tests.testkit.builders import POLICE, clerk
from tests.testkit.casework import Case
from tests.testkit.machine import REPOSITORY
from tests.unit.interchange.files import csv_file

BOOKS = books_that_ship()
KEY = IdentityKey(POLICE, b"\x01" * 32)
MAPPING = """
name = "small"
source_system = "cases"
key = ["number"]
required = ["about"]
[case]
case_number = "number"
case_type = "about"
business_line = { value = "criminal" }
procedure = { value = "cn-criminal" }
stage = { value = "investigation" }
[case.confidential]
summary = "summary"
[[persons]]
name = "suspect"
role = { value = "suspect" }
identity = ["id"]
[[measures]]
measure = { column = "measure", words = { "拘留" = "detention", "逮捕" = "arrest" } }
started_at = "from"
ground = { column = "why", default = "as the paper says" }
key = ["measure"]
[[items]]
item_kind = { value = "exhibit" }
description = "thing"
quantity = { column = "count", default = "1" }
unit = { column = "unit", words = { "部" = "piece" }, default = "piece" }
"""
COLUMNS = "number,about,summary,suspect,id,measure,from,why,thing,count,unit"
FULL = "A-1,theft,in a shop,Zhang,3101,拘留,2026-03-01,caught,a phone,2,部"


@dataclass
class Tried:
    """What came of the rows of one file."""

    outcomes: list[PlannedRow | RowFault]
    plans: list[Plan]

    @property
    def faults(self) -> list[tuple[int, str | None, str]]:
        return [(each.row, each.column, each.reason) for each in self.outcomes if isinstance(each, RowFault)]


@contextmanager
def surveyed(file: Path, planner: Planner | None = None) -> Iterator[tuple[SourceFile, Survey]]:
    """Open a file and read it once, by the planner of the small mapping unless another is given."""
    planner = planner or Planner(parse_mapping(MAPPING.encode(), "m.toml", BOOKS), KEY, BOOKS)
    with SourceFile(file, layout_of(file, planner.mapping)) as source:
        yield source, source.survey(planner.mapping.columns(), planner.fingerprint, lambda _: None)


def tried(folder: Path, *rows: str, mapping: str = MAPPING, key: IdentityKey = KEY) -> Tried:
    """Rows under the small mapping's headings."""
    planner = Planner(parse_mapping(mapping.encode(), "m.toml", BOOKS), key, BOOKS)
    with surveyed(csv_file(folder, "\n".join([COLUMNS, *rows]) + "\n"), planner) as (source, survey):
        trial = DryRun(planner, survey, BOOKS)
        table = list(source.table().rows())
        outcomes = [trial.take(row) for row in table]
        good = [row for row, outcome in zip(table, outcomes, strict=True) if isinstance(outcome, PlannedRow)]
        return Tried(outcomes, [planner.plan(row, survey) for row in good])


def plan_of(folder: Path, row: str, **options: Any) -> Plan:
    (plan,) = tried(folder, row, **options).plans
    return plan


def test_a_full_row_comes_to_its_events(tmp_path: Path) -> None:
    """Case, person, measure and item, with ids that follow from key, system and row."""
    plan = plan_of(tmp_path, FULL)
    opened, named, imposed, registered = [event.body for event in plan.events]
    assert [type(body) for body in (opened, registered)] == [CaseTakenOver, ItemRegistered]
    assert (imposed.person_id, imposed.measure) == (named.person_id, "detention")
    assert plan.events[0].sections == {"narrative": {"summary": "in a shop"}}
    assert plan.events[1].sections == {"person:1": {"name": "Zhang"}}
    assert plan == plan_of(tmp_path, FULL)


def test_ids_of_one_agency_tell_nothing_to_another(tmp_path: Path) -> None:
    """Neither case nor person nor thing has the same id under another key, nor the row the same digest."""
    ours, theirs = plan_of(tmp_path, FULL), plan_of(tmp_path, FULL, key=IdentityKey(POLICE, b"\x02" * 32))
    assert ours.case_id != theirs.case_id
    assert ours.row_digest != theirs.row_digest
    assert {event.key for event in ours.events} & {event.key for event in theirs.events} == {("case",)}


def test_a_person_without_a_number_is_of_this_case_only(tmp_path: Path) -> None:
    """Two of one name are not taken for one person; with the same number they are."""
    persons = {}
    for number, identity in (("A-1", ""), ("A-2", ""), ("A-3", "3101"), ("A-4", "3101")):
        plan = plan_of(tmp_path, f"{number},theft,,Zhang,{identity},,,,,,")
        persons[number] = plan.events[1].key
    assert len(set(persons.values())) == 3
    assert persons["A-3"] == persons["A-4"]


def test_parts_that_the_row_does_not_have_are_left_out(tmp_path: Path) -> None:
    """A blank name is no person, a blank thing no item."""
    assert [event.key[0] for event in plan_of(tmp_path, "A-1,theft,,,,,,,,,").events] == ["case"]


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        (",theft,,,,,,,,,", "number", "blank"),
        ("A-1,,,,,,,,,,", "about", "requires"),
        ("A-1,theft,,,,拘留,2026-03-01,,,,", "suspect", "this person"),
        ("A-1,theft,,Zhang,1,监视,2026-03-01,,,,", "measure", "拘留, 逮捕"),
        ("A-1,theft,,Zhang,1,拘留,soon,,,,", "from", "expected a day"),
        ("A-1,theft,,Zhang,1,拘留,,,,,", "from", "blank"),
        ("A-1,theft,,,,,,,a phone,some,", "count", "number"),
        ("A-1,theft,,,,,,,a phone,1,箱", "unit", "部"),
        ("A-1,theft\x00,,,,,,,,,", "about", "U+0000"),
        (f"A-1,{'x' * 201},,,,,,,,,", "about", "200"),
        ("A-1,theft,x", None, "expected 11 cells"),
    ],
)
def test_a_fault_names_column_and_reason(tmp_path: Path, row: str, column: str | None, reason: str) -> None:
    """In the words of whoever has to mend the file."""
    ((number, named, message),) = tried(tmp_path, row).faults
    assert (number, named) == (2, column)
    assert reason in message


def test_a_key_that_stands_twice_is_refused_in_every_row(tmp_path: Path) -> None:
    """Which of them is right is not decided by their order; a row of another key is none of it."""
    result = tried(tmp_path, FULL, "A-2,arson,,,,,,,,,", FULL.replace("theft", "fraud"))
    assert [(row, "more than one row" in reason) for row, _, reason in result.faults] == [(2, True), (4, True)]


def test_a_key_longer_than_a_line_is_kept_by_its_digest(tmp_path: Path) -> None:
    """Two of them stay two."""
    mapping = MAPPING.replace('case_number = "number"', 'case_number = { value = "x" }')
    rows = [f"{'k' * 250}{number},theft,,,,,,,,," for number in (1, 2)]
    keys = {plan_of(tmp_path, row, mapping=mapping).source_key for row in rows}
    assert len(keys) == 2
    assert all(key.startswith("sha256:") for key in keys)


def test_the_rules_are_tried_before_anything_is_sent(tmp_path: Path) -> None:
    """Electronic data without digests is refused in the dry run, as the service would refuse it."""
    mapping = MAPPING.replace('value = "exhibit"', 'value = "electronic_data"')
    ((_, _, reason),) = tried(tmp_path, FULL, mapping=mapping).faults
    assert "digest" in reason


def sample(name: str, suffix: str) -> list[Plan]:
    """Return the plans of a shipped sample's rows."""
    folder = REPOSITORY / "examples" / "import"
    planner = Planner(read_mapping(folder / f"{name}.toml", BOOKS), KEY, BOOKS)
    with surveyed(folder / f"{name}.{suffix}", planner) as (source, survey):
        return [planner.plan(row, survey) for row in source.table().rows()]


def bodies(plan: Plan) -> dict[str, Any]:
    """Return the bodies of the plan's events by what they are about; of several the last."""
    return {event.key[0]: event.body for event in plan.events}


def test_the_police_sample_comes_to_what_its_cells_say() -> None:
    """Chinese moments, a seizure by two officers, cash in fen, an identity number kept from a spreadsheet by a tab."""
    first, second, *_ = sample("police-case", "csv")
    content = bodies(first)
    assert content["case"].opened_at == "2026-02-28T16:00:00Z"
    assert content["measure"].started_at == "2026-03-02T01:30:00Z"
    assert content["item"].money == Money(amount=120050, currency="CNY")
    phone = next(event.body for event in first.events if event.key[0] == "item")
    assert phone.seizure.officers == ("012345", "012346")  # type: ignore[attr-defined]
    assert phone.seizure.no_witness == "夜间无适格见证人，已全程录像"  # type: ignore[attr-defined]
    assert first.events[1].sections == {
        "person:1": {"name": "张某", "id_number": "31010119900307001X", "sex": "男", "birth_date": "19900307"}
    }
    assert bodies(second)["measure"].until == "2027-03-05"
    (watcher,) = (event for event in second.events if getattr(event.body, "role", None) == "attesting_witness")
    assert watcher.sections["residence"] == {"value": "城东路12号"}, "a confidential field of the procedure"
    assert watcher.body.particulars == {}  # type: ignore[attr-defined]
    knife = bodies(second)["item"]
    assert (knife.seizure.witness, knife.seizure.no_witness) == (watcher.body.person_id, None)  # type: ignore[attr-defined]


TAKEN = """
[[persons]]
name = "seen_by"
role = { value = "witness" }
[[items]]
item_kind = { value = "electronic_data" }
description = "data"
digests = { sha256 = "sha256" }
[items.collection]
collectors = ["by", "and_by"]
tool = "tool"
method = "how"
medium = 1
medium_not_taken = "left"
network_time_at = "net"
witness = 2
no_witness = "unseen"
recording = { sm3 = "video" }
[[items]]
item_kind = { value = "exhibit" }
description = "seized"
features = "marks"
[items.seizure]
document_number = "list"
seized_at = "at"
officers = ["by", "and_by"]
holder = 1
witness = 2
no_witness = "unseen"
place = "where"
"""
TAKEN_COLUMNS = "seen_by,data,sha256,by,and_by,tool,how,left,net,unseen,video,seized,marks,list,at,where"


def taken(folder: Path, cells: str) -> tuple[Plan, list[ItemRegistered]]:
    """Return the plan of a row with these cells beside the full one, and the items that are taken in it."""
    mapping = MAPPING + TAKEN
    planner = Planner(parse_mapping(mapping.encode(), "m.toml", BOOKS), KEY, BOOKS)
    with surveyed(csv_file(folder, f"{COLUMNS},{TAKEN_COLUMNS}\n{FULL},{cells}\n"), planner) as (source, survey):
        (row,) = source.table().rows()
        plan = planner.plan(row, survey)
        assert isinstance(DryRun(planner, survey, BOOKS).take(row), PlannedRow)
    return plan, [event.body for event in plan.events if isinstance(event.body, ItemRegistered)]


def test_what_was_taken_says_by_whom_and_before_whom(tmp_path: Path) -> None:
    """Data with its collection, medium and digests, a thing with its seizure; the witness is a person of the row."""
    digest = "AB" * 32
    cells = (
        f"Wang,chat,{digest},p-1,p-2,reader 3,export,,2026-03-01 10:00,,{digest},ring,with a stone,L-7,2026-03-01,shop"
    )
    plan, (phone, chat, ring) = taken(tmp_path, cells)
    suspect, witness = (event.body.person_id for event in plan.events[1:3])  # type: ignore[attr-defined]
    assert (chat.digests, ring.features) == ((f"sha256:{digest.lower()}",), "with a stone")
    assert chat.collection == Collection(
        collectors=("p-1", "p-2"),
        tool="reader 3",
        method="export",
        medium_item_id=phone.item_id,
        recording=(f"sm3:{digest.lower()}",),
        network_time_at="2026-03-01T02:00:00Z",
        witness=witness,
    )
    assert ring.seizure == Seizure(
        document_number="L-7",
        seized_at="2026-02-28T16:00:00Z",
        officers=("p-1", "p-2"),
        holder=suspect,
        witness=witness,
        place="shop",
    )


def test_without_a_witness_the_row_says_why(tmp_path: Path) -> None:
    """The reason stands only where nobody witnessed it, and where no medium was taken; a blank officer is none."""
    digest = "ab" * 32
    cells = f",chat,{digest},p-1,,reader 3,export,at the provider,,at night,,ring,,L-7,2026-03-01,"
    _, (_, chat, ring) = taken(tmp_path, cells)
    assert chat.collection is not None
    assert ring.seizure is not None
    assert [(part.witness, part.no_witness) for part in (chat.collection, ring.seizure)] == [(None, "at night")] * 2
    assert (chat.collection.collectors, chat.collection.medium_item_id) == (
        ("p-1",),
        taken(tmp_path, cells)[1][0].item_id,
    )
    _, (_, ring) = taken(tmp_path, ",,,,,,,,,at night,,ring,,,,")
    assert (ring.collection, ring.seizure) == (None, None)


STATED = """
[[persons]]
name = "firm"
role = { value = "suspect_unit" }
particulars = { registration_number = "number_of_firm" }
[[decisions]]
kind = { value = "plea_statement" }
number = "paper"
decided_at = "day"
[decisions.particulars]
charge = "charge"
sentence_accepted = { column = "accepted", words = { "是" = "yes", "否" = "no" } }
lawyer_present = { value = "1" }
"""


def with_particulars(folder: Path, cells: str) -> Tried:
    planner = Planner(parse_mapping((MAPPING + STATED).encode(), "m.toml", BOOKS), KEY, BOOKS)
    columns = "firm,number_of_firm,paper,day,charge,accepted"
    with surveyed(csv_file(folder, f"{COLUMNS},{columns}\n{FULL},{cells}\n"), planner) as (source, survey):
        (row,) = source.table().rows()
        outcome = DryRun(planner, survey, BOOKS).take(row)
        return Tried([outcome], [planner.plan(row, survey)] if isinstance(outcome, PlannedRow) else [])


def test_particulars_are_read_as_their_fields_are(tmp_path: Path) -> None:
    """Yes and no by their words, a person by the number in the mapping, and text; a blank one is not stated."""
    (plan,) = with_particulars(tmp_path, "Works,913100007,P-1,2026-03-05,theft,是").plans
    content = bodies(plan)
    assert content["person"].particulars == {"registration_number": "913100007"}
    suspect = plan.events[1].body.person_id  # type: ignore[attr-defined]
    shown = {"charge": "theft", "sentence_accepted": "yes", "lawyer_present": suspect}
    assert content["decision"].particulars == shown
    (plan,) = with_particulars(tmp_path, "Works,,P-1,2026-03-05,theft,").plans
    assert bodies(plan)["person"].particulars == {}
    assert "sentence_accepted" not in bodies(plan)["decision"].particulars


def test_particulars_that_are_none_are_refused_at_their_column(tmp_path: Path) -> None:
    """A word that the mapping does not know, and a field that the rules require."""
    assert [fault[:2] for fault in with_particulars(tmp_path, "Works,1,P-1,2026-03-05,theft,maybe").faults] == [
        (2, "accepted")
    ]
    ((_, _, reason),) = with_particulars(tmp_path, "Works,1,P-1,2026-03-05,,是").faults
    assert "charge" in reason


TWO_LANDS = """
name = "two lands"
source_system = "cases"
key = ["number"]
[case]
case_number = "number"
case_type = "about"
business_line = { value = "criminal" }
stage = { value = "investigation" }
procedure = { column = "law", words = { "cn" = "cn-criminal", "ew" = "ew-criminal" } }
opened_at = "from"
[[items]]
item_kind = { value = "exhibit" }
description = "thing"
money = "money"
"""


def test_times_and_money_are_of_the_procedure_of_the_row(tmp_path: Path) -> None:
    """The same cells come to another moment and currency, whatever zone the ledger has, and nothing is left of it."""
    planner = Planner(parse_mapping(TWO_LANDS.encode(), "m.toml", BOOKS), KEY, BOOKS)
    rows = (
        "number,about,law,from,thing,money\nA,theft,cn,2026-07-01 10:00,cash,10\nB,theft,ew,2026-07-01 10:00,cash,10\n"
    )
    zone = zone_in_use()
    with surveyed(csv_file(tmp_path, rows), planner) as (source, survey):
        plans = [planner.plan(row, survey) for row in source.table().rows()]
    assert zone_in_use() is zone
    content = [bodies(plan) for plan in plans]
    assert [each["case"].opened_at for each in content] == ["2026-07-01T02:00:00Z", "2026-07-01T09:00:00Z"]
    assert [each["item"].money.currency for each in content] == ["CNY", "GBP"]


def test_words_are_those_of_the_procedures_that_the_mapping_names(tmp_path: Path) -> None:
    """A word of another one that is in force is refused, with the nearest; so is a procedure that is not in force."""
    evidence = SMALL.replace('"cn-criminal"', '"evidence"')
    with pytest.raises(MalformedInput) as caught:
        parse_mapping(evidence.encode(), "m.toml", BOOKS)
    assert (caught.value.field, "evidence" in caught.value.message) == ("m.toml: case.business_line.value", True)
    with pytest.raises(MalformedInput) as caught:
        parse_mapping(SMALL.encode(), "m.toml", {"evidence": BOOKS["evidence"], "cn-crminal": BOOKS["evidence"]})
    assert (caught.value.field, "cn-crminal" in str(caught.value.hint)) == ("m.toml: case.procedure.value", True)
    with pytest.raises(MalformedInput) as caught:
        parse_mapping((MAPPING + STATED).replace("charge =", "chagre =").encode(), "m.toml", BOOKS)
    assert (caught.value.field, "charge" in str(caught.value.hint)) == (
        "m.toml: decisions[0].particulars.chagre",
        True,
    )
    with pytest.raises(MalformedInput) as caught:
        parse_mapping((MAPPING + STATED).replace('= "no" }', '= "never" }').encode(), "m.toml", BOOKS)
    assert caught.value.field == "m.toml: decisions[0].particulars.sentence_accepted.words.否"
    column = SMALL.replace('{ value = "cn-criminal" }', '"law"')
    planner = Planner(parse_mapping(column.encode(), "m.toml", BOOKS), KEY, BOOKS)
    rows = "number,about,stage,law\nA,theft,x,no-such\nB,theft,x,\n"
    with surveyed(csv_file(tmp_path, rows), planner) as (source, survey):
        faults = [DryRun(planner, survey, BOOKS).take(row) for row in source.table().rows()]
    assert [(each.column, each.reason.partition(" ")[0]) for each in faults if isinstance(each, RowFault)] == [
        ("law", "no"),
        ("law", "blank,"),
    ]


def test_the_card_sample_comes_to_what_its_cells_say() -> None:
    """Days of a workbook, a dossier of volumes and pages, a decision with its service."""
    first, *_ = sample("procuratorate-card", "xlsx")
    content = bodies(first)
    assert content["case"].stage == "arrest_review"
    assert content["item"].dossier == Dossier(volumes=2, pages=184)
    assert (content["decision"].kind, content["decision"].served_at) == ("arrest_approved", "2026-03-15T08:00:00Z")
    assert content["decision"].person_ids == (content["person"].person_id,)


def test_the_samples_of_police_and_court_speak_of_one_person() -> None:
    """Under one key the number of a paper gives one id, whatever system it comes from."""
    police, court = sample("police-case", "csv")[0], sample("court-filing", "json")[0]
    assert bodies(court)["person"].person_id in {event.key[1] for event in police.events if event.key[0] == "person"}


# -- comparison --------------------------------------------------------------------------------------------------------


class Recording:
    """A case as the ledger has it, made of the missing_events that plans came to."""

    def __init__(self) -> None:
        self.seen: list[CaseEvent] = []
        self._case = Case("case")

    def add(self, plan: Plan) -> list[Any]:
        """Record what the case lacks of the plan; return the bodies, without the record of the import."""
        origin = ImportRecorded(
            source_system="cases", source_key=plan.source_key, file_digest="sha256:" + "00" * 32, row=2
        )
        missing = list(missing_events(plan, recorded_fields(self.seen, POLICE), origin))
        for step in missing:
            fields: dict[str, Any] = {"occurred_at": step.occurred_at} if step.occurred_at else {}
            self._case.act(step.body, clerk(POLICE), **fields)
            event = self._case.last
            self.seen.append(CaseEvent(event.event, dict(step.sections)))
        return [step.body for step in missing[:-1]]


@pytest.fixture
def recording() -> Recording:
    """Return a case with nothing in it."""
    return Recording()


def test_an_unchanged_row_lacks_nothing(tmp_path: Path, recording: Recording) -> None:
    """Only the record of the import itself would be written."""
    plan = plan_of(tmp_path, FULL)
    assert len(recording.add(plan)) == 3
    assert recording.add(plan) == []


def test_each_changed_field_is_named_once(tmp_path: Path, recording: Recording) -> None:
    """Recorded and correct value, at the path in the event that said it; what is as it was first is corrected back."""
    recording.add(plan_of(tmp_path, FULL))
    (corrected,) = recording.add(plan_of(tmp_path, FULL.replace(",2,部", ",3,部").replace("a phone", "two phones")))
    assert [(each.field, each.recorded, each.correct) for each in corrected.corrections] == [
        ("description", "a phone", "two phones"),
        ("quantity.value", "2", "3"),
    ]
    (back,) = recording.add(plan_of(tmp_path, FULL))
    assert [(each.recorded, each.correct) for each in back.corrections] == [("two phones", "a phone"), ("3", "2")]
    assert recording.add(plan_of(tmp_path, FULL)) == []


def test_another_measure_is_another_event(tmp_path: Path, recording: Recording) -> None:
    """Where the mapping keys measures by their kind, an arrest after a detention corrects nothing."""
    recording.add(plan_of(tmp_path, FULL))
    (imposed,) = recording.add(plan_of(tmp_path, FULL.replace("拘留", "逮捕")))
    assert imposed.measure == "arrest"


ENDS = MAPPING.replace('key = ["measure"]', 'key = ["measure"]\nended_at = "summary"')


def test_a_measure_that_has_ended_since_is_lifted(tmp_path: Path, recording: Recording) -> None:
    """The case was taken over with the measure running; what a newer file says of its end is an event, and once."""
    row = FULL.replace("in a shop", "")
    recording.add(plan_of(tmp_path, row, mapping=ENDS))
    ended = row.replace("theft,,", "theft,2026-03-09,")
    (section, lifted) = recording.add(plan_of(tmp_path, ended, mapping=ENDS))
    assert (lifted.ended_at, section.corrections[0].field) == ("2026-03-08T16:00:00Z", "confidential.narrative")
    assert recording.add(plan_of(tmp_path, ended, mapping=ENDS)) == []


def test_a_measure_that_had_ended_is_stated_as_ended(tmp_path: Path, recording: Recording) -> None:
    """Taken over with its end, which a newer file may correct."""
    row = FULL.replace("in a shop", "2026-03-09")
    first, *_ = recording.add(plan_of(tmp_path, row, mapping=ENDS))
    assert first.measures[0].ended_at == "2026-03-08T16:00:00Z"
    corrected = recording.add(plan_of(tmp_path, row.replace("03-09", "03-10"), mapping=ENDS))
    fields = [each.field for body in corrected for each in body.corrections]
    assert sorted(fields) == ["confidential.narrative", "measures[0].ended_at"]


def test_the_samples_have_the_clocks_that_their_state_implies() -> None:
    """What was due before the import is no clock, and what was decided has ended."""
    clocks = {
        name: [open_clocks(plan) for plan in sample(name, suffix)]
        for name, suffix in (("police-case", "csv"), ("procuratorate-card", "xlsx"), ("court-filing", "json"))
    }
    assert clocks == {
        "police-case": [["arrest_request"], ["bail_limit"], ["investigation_custody"], []],
        "procuratorate-card": [[], ["bail_limit", "prosecution_review"], []],
        "court-filing": [["first_instance"], ["first_instance", "first_instance"]],
    }


def open_clocks(plan: Plan) -> list[str]:
    """Take the plan's case over on the first of May, and return the clocks that run."""
    written = Case("case", start=int(datetime(2026, 5, 1, tzinfo=UTC).timestamp()))
    origin = ImportRecorded(source_system="x", source_key="x", file_digest="sha256:" + "00" * 32, row=2)
    for step in missing_events(plan, {}, origin):
        written.act(step.body, clerk(POLICE))
    return sorted(clock.name for clock in written.state.clocks.values() if clock.is_running)


CARDS = """
[[handovers]]
from_agency = { value = "police-west" }
to_agency = { value = "procuratorate-east" }
purpose = { column = "why", words = { "送审" = "prosecution_review", "无" = "", "caught" = "" } }
received_at = "from"
persons = [1]
[[deadlines]]
clock = { column = "measure", words = { "拘留" = "", "逮捕" = "prosecution_review" } }
started_at = "from"
person = 1
only_if = { "about" = "theft" }
[[deadlines]]
clock = { value = "bail_limit" }
started_at = "summary"
"""
REVIEWED = FULL.replace("拘留", "逮捕").replace("in a shop", "").replace("caught", "送审")


def stated(folder: Path, row: str) -> tuple[list[str], list[str]]:
    """The purposes of the handovers and the clocks that the row's case is taken over with."""
    body = plan_of(folder, row, mapping=MAPPING + CARDS).events[0].body
    assert isinstance(body, CaseTakenOver)
    return [line.purpose for line in body.handovers], [line.clock for line in body.deadlines]


def test_handovers_and_deadlines_are_those_that_the_row_has(tmp_path: Path) -> None:
    """A word may be none, a part may be for some rows only, and a blank start is no clock."""
    assert stated(tmp_path, REVIEWED) == (["prosecution_review"], ["prosecution_review"])
    assert stated(tmp_path, REVIEWED.replace("送审", "无")) == ([], ["prosecution_review"])
    assert stated(tmp_path, REVIEWED.replace("theft", "fraud")) == (["prosecution_review"], [])
    assert stated(tmp_path, REVIEWED.replace("逮捕", "拘留")) == (["prosecution_review"], [])
    assert stated(tmp_path, REVIEWED.replace("theft,,", "theft,2026-03-02,"))[1][-1] == "bail_limit"


def test_a_deadline_without_a_start_is_a_fault_of_its_column(tmp_path: Path) -> None:
    """The clock is said to run, and not since when."""
    mapping = MAPPING + '[[deadlines]]\nclock = { column = "measure", words = { "拘留" = "arrest_request" } }\n'
    mapping += 'started_at = "summary"\n'
    ((_, column, reason),) = tried(tmp_path, FULL.replace("in a shop", ""), mapping=mapping).faults
    assert (column, "blank" in reason) == ("summary", True)


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ('[[deadlines]]\nclock = { value = "patience" }\nstarted_at = "from"', "deadlines[0].clock.value"),
        ('[[deadlines]]\nclock = "measure"\nstarted_at = "from"', "deadlines[0].clock"),
        ('[[deadlines]]\nclock = { value = "bail_limit" }\nstarted_at = "from"\nperson = 2', "deadlines[0].person"),
        (
            '[items.seizure]\ndocument_number = "a"\nseized_at = "b"\nofficers = ["c"]\nwitness = 2',
            "items[0].seizure.witness",
        ),
        (
            '[items.collection]\ncollectors = ["a"]\ntool = "b"\nmethod = "c"\nmedium = 2',
            "items[0].collection.medium",
        ),
        ('[[files]]\nname = "others"\nkey = ["a", "b"]', "files[0]"),
        ('[[files]]\nname = "a"\nkey = ["a"]\n[[files]]\nname = "a"\nkey = ["b"]', "files[1]"),
    ],
)
def test_a_part_that_cannot_be_is_refused_by_its_key(part: str, field: str) -> None:
    """Before any row is read."""
    with pytest.raises(MalformedInput) as caught:
        parse_mapping((MAPPING + part).encode(), "m.toml", BOOKS)
    assert caught.value.field == f"m.toml: {field}"


# -- several files -----------------------------------------------------------------------------------------------------

JOINED = """
name = "joined"
source_system = "cases"
key = ["number"]
[case]
case_number = "number"
case_type = "about"
business_line = { value = "criminal" }
stage = { value = "investigation" }
procedure = { value = "cn-criminal" }
[[persons]]
name = "suspects.0.name"
role = { value = "suspect" }
[[persons]]
name = "suspects.1.name"
role = { value = "suspect" }
[[files]]
name = "suspects"
key = ["case"]
"""


def joined(folder: Path, suspects: str, *, names: tuple[str, ...] = ("suspects",)) -> list[PlannedRow | RowFault]:
    """What comes of two cases with these rows of suspects."""
    mapping = parse_mapping(JOINED.encode(), "m.toml", BOOKS)
    planner = Planner(mapping, KEY, BOOKS)
    first = csv_file(folder, "number,about\nA-1,theft\nA-2,fraud\n")
    second = csv_file(folder, suspects, name="suspects.csv")
    with JoinedSource(first, mapping, dict.fromkeys(names, second)) as source:
        survey = source.survey(mapping.columns(), planner.fingerprint, lambda _: None)
        source.require_same(survey.digest)
        trial = DryRun(planner, survey, BOOKS)
        return [trial.take(row) for rows in source.batches(10) for row in rows]


def test_several_files_make_one_case(tmp_path: Path) -> None:
    """The rows of the second file belong to the case of their key, in their order."""
    first, second = joined(tmp_path, "case,name\nA-2,Li\nA-1,Zhang\nA-2,Wang\n")
    assert isinstance(first, PlannedRow)
    assert isinstance(second, PlannedRow)
    assert (first.events["person.named"], second.events["person.named"]) == (1, 2)


def test_rows_that_the_mapping_does_not_read_are_no_loss_unnoticed(tmp_path: Path) -> None:
    """Three suspects where it reads two, one of no case, one that cannot be read."""
    _, fault = joined(tmp_path, "case,name\nA-2,Li\nA-2,Wang\nA-2,Zhao\n")
    assert isinstance(fault, RowFault)
    assert "3" in fault.reason
    with pytest.raises(MalformedInput, match="no row of the first file"):
        joined(tmp_path, "case,name\nA-3,Li\n")
    with pytest.raises(MalformedInput, match="suspects"):
        joined(tmp_path, f"case,name\nA-1,{'x' * 40_000}\n")


@pytest.mark.parametrize("names", [(), ("suspects", "others")])
def test_the_files_are_those_that_the_mapping_joins(tmp_path: Path, names: tuple[str, ...]) -> None:
    """One that is missing, and one too many."""
    with pytest.raises(MalformedInput) as caught:
        joined(tmp_path, "case,name\n", names=names)
    assert caught.value.field == "--with"


def test_each_of_several_files_is_a_part_of_the_digest(tmp_path: Path) -> None:
    """Another second file is another import, and one that changes while it is read stops it."""
    mapping = parse_mapping(JOINED.encode(), "m.toml", BOOKS)
    first = csv_file(tmp_path, "number,about\nA-1,theft\n")
    digests = set()
    for name in ("Li", "Wang"):
        second = csv_file(tmp_path, f"case,name\nA-1,{name}\n", name="suspects.csv")
        with JoinedSource(first, mapping, {"suspects": second}) as source:
            digests.add(source.digest())
            second.write_text("case,name\n")
            with pytest.raises(IntegrityBroken):
                source.require_unchanged()
    assert len(digests) == 2


def test_long_texts_are_compared_by_their_digest(tmp_path: Path, recording: Recording) -> None:
    """A correction holds lines of 200 characters: what is longer is shown in part and told apart in full."""
    long = "x" * 300
    recording.add(plan_of(tmp_path, FULL.replace("caught", long)))
    (corrected,) = recording.add(plan_of(tmp_path, FULL.replace("caught", long + "y")))
    (each,) = corrected.corrections
    assert each.field == "measures[0].ground"
    assert each.recorded != each.correct
    assert max(len(each.recorded), len(each.correct)) <= 200
    assert recording.add(plan_of(tmp_path, FULL.replace("caught", long + "y"))) == []


def test_a_changed_section_is_corrected_without_being_told(tmp_path: Path, recording: Recording) -> None:
    """The payload says that it changed, the section of the correction how."""
    recording.add(plan_of(tmp_path, FULL))
    (corrected,) = recording.add(plan_of(tmp_path, FULL.replace("Zhang", "Wang")))
    assert [each.field for each in corrected.corrections] == ["confidential.person:1"]
    assert "Wang" not in str(corrected)
    assert recording.seen[-2].sections == {"person:1": {"name": "Wang"}}
    assert recording.add(plan_of(tmp_path, FULL.replace("Zhang", "Wang"))) == []


def test_a_section_that_was_erased_or_is_not_shown_is_left_alone(tmp_path: Path, recording: Recording) -> None:
    """What was erased on authority does not come back with the next import."""
    recording.add(plan_of(tmp_path, FULL))
    changed = plan_of(tmp_path, FULL.replace("Zhang", "Wang"))
    for sections in ({"person:1": None, "narrative": None}, None):
        recording.seen = [CaseEvent(each.event, sections) for each in recording.seen]
        assert list(recording.add(changed)) == []


def test_what_other_agencies_recorded_is_not_corrected(tmp_path: Path, recording: Recording) -> None:
    """Only the agency's own events count as the import's."""
    recording.add(plan_of(tmp_path, FULL))
    assert recorded_fields(recording.seen, "court-east") == {}


# -- the file ----------------------------------------------------------------------------------------------------------


def test_a_file_that_changes_while_it_is_read_stops_the_import(tmp_path: Path) -> None:
    """Rows are handed on only as long as the file is the one that was surveyed."""
    file = csv_file(tmp_path, COLUMNS + "\n" + "\n".join(f"A-{number},theft,,,,,,,,," for number in range(1500)) + "\n")
    with surveyed(file) as (source, _):
        parts = source.batches(100)
        next(parts)
        with file.open("r+b") as written:
            written.seek(30_000)
            written.write(b"X")
        with pytest.raises(IntegrityBroken, match="changed"):
            list(parts)


def test_a_link_that_is_turned_to_another_file_changes_nothing(tmp_path: Path) -> None:
    """The file that was opened is read to its end, whatever its name stands for by then."""
    first = csv_file(tmp_path, f"{COLUMNS}\n{FULL}\n", name="first.csv")
    second = csv_file(tmp_path, f"{COLUMNS}\n", name="second.csv")
    link = tmp_path / "link.csv"
    link.symlink_to(first)
    with surveyed(link) as (source, survey):
        link.unlink()
        link.symlink_to(second)
        assert sum(len(part) for part in source.batches(100)) == 1
        source.require_same(survey.digest)


def test_what_cannot_be_read_twice_is_refused(tmp_path: Path) -> None:
    """A pipe, a folder, or nothing at all."""
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path / "pipe.csv", tmp_path, tmp_path / "none.csv"):
        with pytest.raises(MalformedInput):
            SourceFile(path, Layout("csv"))


def test_a_change_with_its_time_set_back_is_found_at_the_end(tmp_path: Path) -> None:
    """The digest of the whole is looked at once more."""
    file = csv_file(tmp_path, f"{COLUMNS}\n{FULL}\n")
    with surveyed(file) as (source, survey):
        before = file.stat()
        file.write_bytes(file.read_bytes().replace(b"theft", b"fraud"))
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        with pytest.raises(IntegrityBroken):
            source.require_same(survey.digest)


# -- mappings ----------------------------------------------------------------------------------------------------------


SMALL = """
name = "small"
source_system = "cases"
key = ["number"]
[case]
case_number = "number"
case_type = "about"
business_line = { value = "criminal" }
procedure = { value = "cn-criminal" }
stage = { column = "stage", words = { "立案" = "investigation" } }
"""
PERSON = '[[persons]]\nname = "suspect"\nrole = { value = "suspect" }\n'
MEASURE = '[[measures]]\nmeasure = { value = "arrest" }\nstarted_at = "from"\nground = "why"\n'


@pytest.mark.parametrize(
    ("text", "field", "message", "hint"),
    [
        ("name = ", "m.toml", "not TOML", None),
        (SMALL.replace("case_type", "case_typ"), "m.toml: case", "unknown field `case_typ`", "case_type"),
        (SMALL.replace("key =", "keys ="), "m.toml", "unknown field `keys`", "key"),
        (SMALL.replace('key = ["number"]', "key = []"), "m.toml: key", "length >= 1", None),
        (SMALL + "encoding = 1", "m.toml: case", "unknown field `encoding`", None),
        ('encoding = "latin-1"\n' + SMALL, "m.toml: encoding", "latin-1", None),
        (SMALL.replace('"criminal"', '"crimnal"'), "m.toml: case.business_line.value", "expected one of", "criminal"),
        (
            SMALL.replace('"investigation"', '"first_instanc"'),
            "m.toml: case.stage.words.立案",
            "expected one of",
            "first_instance",
        ),
        (SMALL.replace('"investigation"', '"closed"'), "m.toml: case.stage.words.立案", "expected one of", None),
        (SMALL.replace('{ value = "criminal" }', '"line"'), "m.toml: case.business_line", "expected words", "criminal"),
        (
            SMALL.replace('{ value = "criminal" }', '{ value = "criminal", column = "x" }'),
            "m.toml: case.business_line",
            "either a column or a value",
            None,
        ),
        (SMALL.replace('"about"', "{ }"), "m.toml: case.case_type", "either a column or a value", None),
        (SMALL + MEASURE, "m.toml: measures[0].person", "no person of number 1", None),
        (SMALL + PERSON + MEASURE + "person = 2", "m.toml: measures[0].person", "no person of number 2", None),
        (
            SMALL + PERSON.replace('"suspect" }', '"susect" }'),
            "m.toml: persons[0].role.value",
            "expected one of",
            "suspect",
        ),
        (SMALL + PERSON + '[persons.detail]\nx = "y"', "m.toml: persons[0]", "unknown field `detail`", "details"),
    ],
)
def test_a_mapping_that_is_wrong_is_told_at_its_key(text: str, field: str, message: str, hint: str | None) -> None:
    """With the file, the path in it, what was expected, and the nearest word that there is."""
    with pytest.raises(MalformedInput) as refusal:
        parse_mapping(text.encode(), "m.toml", BOOKS)
    assert refusal.value.field == field
    assert message in refusal.value.message
    assert hint is None or hint in str(refusal.value.hint)


@pytest.mark.parametrize("name", ["police-case", "procuratorate-card", "court-filing"])
def test_the_shipped_mappings_are_sound(name: str) -> None:
    """They are read, and their samples have every column that they ask for."""
    mapping = read_mapping(REPOSITORY / "examples" / "import" / f"{name}.toml", BOOKS)
    (file,) = [path for path in (REPOSITORY / "examples" / "import").glob(f"{name}.*") if path.suffix != ".toml"]
    with SourceFile(file, layout_of(file, mapping)) as source:
        assert source.survey(mapping.columns(), lambda row: row.number, lambda _: None).rows > 1


@pytest.mark.parametrize("name", ["file.csv", "file.json"])
def test_a_column_that_is_not_there_is_told_with_the_nearest(tmp_path: Path, name: str) -> None:
    """By the key of the mapping that asks for it."""
    mapping = parse_mapping(SMALL.encode(), "m.toml", BOOKS)
    text = "number,abuot,stage\n1,2,3\n" if name.endswith("csv") else '[{"number": 1, "stage": 2}]'
    file = csv_file(tmp_path, text, name=name)
    with (
        SourceFile(file, layout_of(file, mapping)) as source,
        pytest.raises(MalformedInput, match="no column 'about'") as refusal,
    ):
        source.survey(mapping.columns(), lambda row: row.number, lambda _: None)
    assert refusal.value.field == "case.case_type"
    assert not name.endswith("csv") or "abuot" in str(refusal.value.hint)


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    """Which of them is meant is not guessed; one that nobody asks for may be there as often as it likes."""
    mapping = parse_mapping(SMALL.encode(), "m.toml", BOOKS)
    twice = pytest.raises(MalformedInput, match="is there twice")
    for headings, outcome in (("number,about,stage,x,x", nullcontext()), ("number,about,stage,about", twice)):
        file = csv_file(tmp_path, f"{headings}\n")
        with SourceFile(file, layout_of(file, mapping)) as source, outcome:  # type: ignore[attr-defined]
            source.survey(mapping.columns(), lambda row: row.number, lambda _: None)


def test_the_format_is_told_by_the_name_or_by_the_mapping(tmp_path: Path) -> None:
    """A name that tells none needs a mapping that does."""
    mapping = parse_mapping(('format = "json"\n' + SMALL).encode(), "m.toml", BOOKS)
    assert layout_of(tmp_path / "export.dat", mapping).format == "json"
    with pytest.raises(MalformedInput, match="format"):
        format_of(tmp_path / "export.dat")


def test_a_mapping_that_cannot_be_read_is_told_under_the_option(tmp_path: Path) -> None:
    """No file, or one that is far too long."""
    for path in (tmp_path / "none.toml", csv_file(tmp_path, "#" * 2_000_000, name="long.toml")):
        with pytest.raises(MalformedInput) as refusal:
            read_mapping(path, BOOKS)
        assert refusal.value.field == "--mapping"
