"""From rows to plans by a mapping: ids, words, particulars, handovers, deadlines; and the samples."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ledger.core.errors import MalformedInput
from ledger.core.events.case import CaseTakenOver
from ledger.core.events.item import Collection, Dossier, ItemRegistered, Seizure
from ledger.core.events.record import ImportRecorded
from ledger.core.events.terms import Money
from ledger.i18n import zone_in_use
from ledger.interchange.imports.case_events import RowFault, missing_events
from ledger.interchange.imports.identity import IdentityKey
from ledger.interchange.imports.importing import DryRun, PlannedRow
from ledger.interchange.imports.mapping import parse_mapping
from ledger.interchange.imports.plan import Plan, Planner
from tests.testkit.builders import POLICE, clerk
from tests.testkit.casework import Case
from tests.unit.interchange.files import csv_file
from tests.unit.interchange.planning import (
    BOOKS,
    COLUMNS,
    FULL,
    KEY,
    MAPPING,
    SMALL,
    Tried,
    bodies,
    plan_of,
    sample,
    surveyed,
    tried,
)


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


def test_two_names_under_one_number_are_refused_in_every_row(tmp_path: Path) -> None:
    """Whose number it is nobody knows; how a name is spaced and written makes no other name of it."""
    rows = [f"A-{place},theft,,{name},{number},,,,,," for place, (name, number) in enumerate(SAME_NUMBERS, 1)]
    faults = tried(tmp_path, *rows).faults
    assert [(row, column, reason.rpartition(" ")[2]) for row, column, reason in faults] == [
        (2, "id", "3"),
        (3, "id", "2"),
        (6, "id", "2"),
    ]


SAME_NUMBERS = (("Zhang", "3101"), ("Li", "3101"), ("Wang", "3102"), ("WANG\u3000", "3102"), ("Li", "3101"))


@pytest.mark.parametrize("cell", ["3.10101E+17", '"3,10101E+17"', "3.10101E17", "3.10101e+17", "3.1E+017", "3E+05"])
def test_a_number_that_a_spreadsheet_cut_off_is_nobodys(tmp_path: Path, cell: str) -> None:
    """Many people have the digits that are left, whichever program has written them."""
    ((_, column, reason),) = tried(tmp_path, FULL.replace("3101", cell)).faults
    assert (column, "digits" in reason) == ("id", True)


def test_only_a_long_number_is_taken_for_cut_off_where_nobody_is_known_by_it(tmp_path: Path) -> None:
    """A text may look like a short one; a phone number is spoiled wherever it stands."""
    assert tried(tmp_path, FULL.replace("a phone", "1E+05")).faults == []
    assert tried(tmp_path, FULL.replace("3101", "3E12")).faults == []
    ((_, column, _),) = tried(tmp_path, FULL.replace("in a shop", "1.38E+10")).faults
    assert column == "summary"


def test_words_that_the_mapping_counts_as_absent_are_blank_cells(tmp_path: Path) -> None:
    """Of two people without a number none is the other, and nothing is recorded of what is not there."""
    mapping = 'absent = ["不详", "-"]\n' + MAPPING
    rows = ("A-1,theft,-,Zhang, 不详,,,,-,,", "A-2,theft,-,Li,不详,,,,-,,")
    plans = tried(tmp_path, *rows, mapping=mapping).plans
    assert [[event.key[0] for event in plan.events] for plan in plans] == [["case", "person"]] * 2
    assert len({plan.events[1].key for plan in plans}) == 2
    assert not plans[0].events[0].sections


@pytest.mark.parametrize("cell", ['="不详"', "不详\u200b", "\ufeff 不详", "\u2003不详"])
def test_an_absent_word_is_one_however_it_is_written(tmp_path: Path, cell: str) -> None:
    """With whatever another cell may have around it: two unknown people would else be one, for good."""
    mapping = 'absent = ["不详"]\n' + MAPPING
    plans = tried(tmp_path, *(f"A-{n},theft,,Zhang,{cell},,,,,," for n in (1, 2)), mapping=mapping).plans
    assert len({plan.events[1].key for plan in plans}) == 2


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


def test_a_digest_that_is_none_is_refused_at_its_column(tmp_path: Path) -> None:
    """With the cell, as every other one."""
    mapping = MAPPING.replace('description = "thing"', 'description = "thing"\ndigests = { sha256 = "summary" }')
    (fault,) = (each for each in tried(tmp_path, FULL, mapping=mapping).outcomes if isinstance(each, RowFault))
    assert (fault.column, fault.value) == ("summary", "in a shop")


def test_a_key_that_stands_twice_is_refused_in_every_row(tmp_path: Path) -> None:
    """Which is right is not decided by their order; a row of another key is none of it, and two long ones stay two."""
    result = tried(tmp_path, FULL, "A-2,arson,,,,,,,,,", FULL.replace("theft", "fraud"))
    assert [(row, reason) for row, _, reason in result.faults] == [
        (2, "the key 'A-1' stands in row 4 too"),
        (4, "the key 'A-1' stands in row 2 too"),
    ]
    mapping = MAPPING.replace('case_number = "number"', 'case_number = { value = "x" }')
    rows = [f"{'k' * 250}{number},theft,,,,,,,,," for number in (1, 2)]
    keys = {plan_of(tmp_path, row, mapping=mapping).source_key for row in rows}
    assert len(keys) == 2
    assert all(key.startswith("sha256:") for key in keys)


def test_a_case_number_that_stands_twice_is_refused_in_every_row(tmp_path: Path) -> None:
    """Whatever the keys and the brackets: each row names the other, at its column, before anything is signed."""
    mapping = MAPPING.replace('key = ["number"]', 'key = ["summary"]')
    numbers = (("〔2026〕1号", "k1"), ("(2026)1号", "k2"))
    rows = [FULL.replace("A-1", number).replace("in a shop", key) for number, key in numbers]
    result = tried(tmp_path, *rows, FULL, mapping=mapping)
    assert [(row, column) for row, column, _ in result.faults] == [(2, "number"), (3, "number")]
    assert "this case number stands in row 3 too" in result.faults[0][2]


def test_the_rules_are_tried_before_anything_is_sent(tmp_path: Path) -> None:
    """Electronic data without digests is refused in the dry run, as the service would refuse it."""
    mapping = MAPPING.replace('value = "exhibit"', 'value = "electronic_data"')
    ((_, _, reason),) = tried(tmp_path, FULL, mapping=mapping).faults
    assert "digest" in reason


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


def with_particulars(folder: Path, cells: str, stated: str = STATED) -> Tried:
    planner = Planner(parse_mapping((MAPPING + stated).encode(), "m.toml", BOOKS), KEY, BOOKS)
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


@pytest.mark.parametrize("number", ["0", "9", "9" * 5000, "nobody"])
def test_a_number_of_no_person_is_refused_at_its_column(tmp_path: Path, number: str) -> None:
    """Also one of more digits than Python reads."""
    stated = STATED.replace('lawyer_present = { value = "1" }', 'lawyer_present = "accepted"')
    stated = stated.replace('{ column = "accepted", words = { "是" = "yes", "否" = "no" } }', '{ value = "yes" }')
    ((_, column, reason),) = with_particulars(tmp_path, f"Works,1,P-1,2026-03-05,theft,{number}", stated).faults
    assert (column, reason) == ("accepted", "the row has no such person or item")


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
