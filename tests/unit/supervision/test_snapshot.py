"""Snapshots: the rows of each view are what the events say; grown step by step they are those made at once."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from datetime import UTC, datetime
from decimal import Decimal
from itertools import zip_longest
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from msgspec.structs import replace
from structlog.testing import capture_logs

from ledger.core.events import case as acts
from ledger.core.events import handover, item, record
from ledger.core.events.terms import EventRef, Quantity
from ledger.core.procedure.adoption import Procedures
from ledger.procedures import shipped_procedures, shipped_rulebook
from ledger.supervision.view_catalogue import views
from ledger.supervision.views import case_cache
from ledger.supervision.views.case_record import Row, SourceEvent, read_case
from ledger.supervision.views.snapshot import LeftDigest, Views
from ledger.supervision.views.sources import BundleActs, BundleViewSource
from ledger.supervision.views.view_rows import EXTENDED_VIEWS, OF_A_CASE, OF_A_STEP
from tests.testkit.builders import POLICE, PROCURATORATE, SignedEvent, clerk
from tests.testkit.casework import Case, detained, person_id
from tests.unit.core.test_custody_machine import Custody

AS_OF = datetime(2026, 6, 1, tzinfo=UTC)
ACTS = BundleActs({}, shipped_procedures(), {PROCURATORATE: "procuratorate"})
AGENCIES: list[Row] = [
    (POLICE, "public_security", "东城公安", "Police East", "31/01"),
    (PROCURATORATE, "procuratorate", "东城检察院", "Procuratorate East", "31/01"),
]


def log_of(
    events: Iterable[SignedEvent],
    anchors: Iterable[Row] = (),
    procedures: Procedures | None = None,
    agencies: Iterable[Row] = AGENCIES,
) -> BundleViewSource:
    """Return a log of these events in this order."""
    logged = [SourceEvent(index, event.event) for index, event in enumerate(events)]
    return BundleViewSource(logged, procedures or shipped_procedures(), agencies=agencies, anchors=anchors)


def made(log: BundleViewSource, path: Path | None = None, left_with: LeftDigest | None = None) -> Views:
    return Views(path, log, left_with=left_with)


def ask(views_of: Views, sql: str, cases: Iterable[str] | None = None, as_of: datetime = AS_OF) -> list[dict[str, Any]]:
    with views_of.session(cases) as session:
        return session.rows(sql, {}, as_of)


def of(*cases: Case, anchors: Iterable[Row] = ()) -> Views:
    views_of = made(log_of([event for case in cases for event in case.events], anchors))
    views_of.refresh()
    return views_of


def whole(views_of: Views) -> dict[str, list[tuple[str, ...]]]:
    """Return all rows of all views of cases, in an order of their own."""
    return {view: sorted(tuple(map(repr, row.values())) for row in ask(views_of, f"FROM {view}")) for view in OF_A_CASE}


def columns(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


def digests(case: Case, *sequences: int) -> list[str]:
    return [case.events[sequence].digest for sequence in sequences]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=None)


@pytest.fixture(scope="module")
def handed_over() -> Case:
    """Two things seized and offered; of the knives one is missing, and the phone's seal is broken: it stays."""
    case = Case("case-1").open().name("li")
    case.register("phone", seal_number="S-1", digests=("sha256:" + "11" * 32,))
    case.register("knives", quantity="10")
    case.offer("phone", "knives", to=PROCURATORATE, persons=("li",))
    short = handover.ReceivedItem(item_id="knives", match_result="mismatch", quantity=Quantity(value="9", unit="piece"))
    left = handover.NotAcceptedItem(item_id="phone", reason_code="seal_broken", seal_state="broken")
    return case.accept(received=(short,), not_accepted=(left,))


def test_a_quantity_keeps_its_last_decimal() -> None:
    """As fine, and as large, as an event may state it; sums of such quantities are exact too."""
    values = ("999999999999999.999999999999999999", "0.000000000000000001")
    case = Case("case-1").open()
    for number, value in enumerate(values):
        case.register(f"coins-{number}", kind="virtual_currency", quantity=Quantity(value=value, unit="eth"))
    asked = of(case.offer("coins-0", "coins-1", to=PROCURATORATE))
    listed = columns(ask(asked, "FROM handover_items ORDER BY item_id"), "listed_quantity")
    assert listed == [(Decimal(value),) for value in values]
    total = ask(asked, "SELECT sum(listed_quantity) AS total FROM handover_items")
    assert columns(total, "total") == [(Decimal(10**15),)]


def test_a_case_and_its_handover_are_told(handed_over: Case) -> None:
    """Each view has what the events say, and cites them."""

    def cited(*sequences: int) -> list[str]:
        return digests(handed_over, *sequences)

    asked = of(handed_over)
    knives, phone = "handover-1/knives", "handover-1/phone"
    for view, names, expected in (
        ("cases", "case_id responsible stage", [("case-1", PROCURATORATE, "prosecution_review")]),
        ("cases", "events evidence", [(6, cited(0))]),
        ("handovers", "from_agency to_agency status", [(POLICE, PROCURATORATE, "partially_accepted")]),
        ("handovers", "items accepted persons evidence", [(2, 1, [person_id("li")], cited(4, 5))]),
        ("handover_items", "item_id status", [("knives", "accepted"), ("phone", "not_accepted")]),
        ("handover_items", "listed_quantity received_quantity", [(Decimal(10), Decimal(9)), (Decimal(1), None)]),
        ("handover_items", "match_result reason_code", [("mismatch", None), (None, "seal_broken")]),
        ("handover_items", "discrepancy_id listed_seal seal_state", [(knives, None, None), (phone, "S-1", "broken")]),
        ("discrepancies", "item_id resolved evidence", [("knives", False, cited(5)), ("phone", False, cited(5))]),
        ("items", "item_id holder registered_by", [("knives", PROCURATORATE, POLICE), ("phone", POLICE, POLICE)]),
        ("items", "item_id evidence", [("knives", cited(3)), ("phone", cited(2))]),
        ("seals", "item_id seal_number", [("phone", "S-1")]),
        ("item_digests", "item_id digest", [("phone", "sha256:" + "11" * 32)]),
        ("officers", "agency acts offered answered", [(POLICE, 5, 1, 0), (PROCURATORATE, 1, 0, 1)]),
        ("stages", "stage agency", [("investigation", POLICE), ("prosecution_review", PROCURATORATE)]),
        ("stages", "stage evidence", [("investigation", cited(0, 5)), ("prosecution_review", cited(5))]),
    ):
        assert columns(ask(asked, f"FROM {view} ORDER BY ALL"), *names.split()) == expected, view
    spans = ask(asked, "FROM custody_spans WHERE subject = 'item' AND subject_id = 'knives' ORDER BY since_sequence")
    assert columns(spans, "holder", "since_sequence", "until_sequence") == [(POLICE, 3, 5), (PROCURATORATE, 5, None)]


def test_what_was_received_is_told_with_its_corrections(handed_over: Case) -> None:
    """Those of count, seal, digest and result of the very item, with the event; not of other parts of the half."""
    half = EventRef(event_id=handed_over.events[5].envelope.event_id, payload_digest=handed_over.events[5].digest)
    corrections = (
        record.Correction(field="received[0].quantity.value", recorded="9", correct="8"),
        record.Correction(field="received_at", recorded="2026-03-01T00:00:00Z", correct="2026-03-02T00:00:00Z"),
        record.Correction(field="not_accepted[0].explanation", recorded="a", correct="b"),
        record.Correction(field="received[7].quantity.value", recorded="1", correct="2"),
    )
    case = deepcopy(handed_over)
    case.say(record.RecordCorrected, clerk(PROCURATORATE), corrects=half, corrections=corrections, ground="counted")
    lines = ask(of(case), "FROM handover_items ORDER BY item_id")
    assert columns(lines, "item_id", "receipt_corrected", "evidence") == [
        ("knives", "9 -> 8", digests(case, 4, 5, 6)),
        ("phone", None, digests(handed_over, 4, 5)),
    ]


def test_measures_and_decisions_are_told() -> None:
    """A detention extended on a ground and then changed; a decision with its paper."""
    at, li = "2026-03-02T01:00:00Z", person_id("li")
    case = Case("case-1").open().name("li")
    first = {"measure_id": "m1", "person_id": li, "measure": "detention", "started_at": at, "ground": "caught"}
    case.say(acts.MeasureImposed, **first, until="2026-03-05")
    extension = {"until": "2026-04-01", "ground": "gang", "article": "CPL 91", "qualifying_ground": "gang"}
    case.say(acts.MeasureExtended, measure_id="m1", **extension)
    changed = {"measure_id": "m1", "new_measure_id": "m2", "measure": "bail", "ground": "ill"}
    case.say(acts.MeasureChanged, **changed, started_at="2026-03-20T01:00:00Z")
    paper = {"decision_id": "d1", "kind": "case_withdrawn", "number": "7", "decided_at": "2026-03-21T01:00:00Z"}
    case.say(acts.DecisionRecorded, **paper)
    stated = {"charge": "theft", "main_punishment": "control"}
    case.say(
        acts.DecisionRecorded, **(paper | {"decision_id": "d2", "kind": "sentence_recommendation"}), particulars=stated
    )
    case.say(
        acts.PersonNamed, person_id=person_id("works"), role="suspect_unit", particulars={"registration_number": "9"}
    )
    asked = of(case)
    measures = ask(asked, "FROM measures ORDER BY measure_id")
    assert columns(measures, "measure", "extensions", "qualifying_ground", "ended_by", "evidence") == [
        ("detention", 1, "gang", "changed", digests(case, 2, 3, 4)),
        ("bail", 0, None, None, digests(case, 4)),
    ]
    assert [str(row["last_until"]) for row in measures] == ["2026-03-05", "None"]
    particulars = ask(asked, "FROM particulars ORDER BY subject, name")
    assert columns(particulars, "subject_id", "kind", "name", "value", "evidence") == [
        ("d2", "sentence_recommendation", "charge", "theft", digests(case, 6)),
        ("d2", "sentence_recommendation", "main_punishment", "control", digests(case, 6)),
        (person_id("works"), "suspect_unit", "registration_number", "9", digests(case, 7)),
    ]
    assert columns(ask(asked, "FROM persons WHERE is_unit"), "role") == [("suspect_unit",)]
    decisions = ask(asked, "FROM decisions WHERE decision_id = 'd1'")
    assert columns(decisions, "kind", "has_document", "evidence") == [("case_withdrawn", False, digests(case, 5))]


def test_returns_are_counted_by_stage_and_corrections_name_what_they_correct() -> None:
    """The second return is number 2; a recalled one has no number."""
    case = Case("case-1").open().register("file", kind="dossier")
    for number in range(2):
        case.offer("file", to=PROCURATORATE, **({"follows": f"handover-{2 * number}"} if number else {})).accept()
        case.give_back("file").accept()
    numbers = ask(of(case), "FROM handovers WHERE return_number IS NOT NULL ORDER BY offered_at")
    assert columns(numbers, "handover_id", "return_number", "returns", "outline_points") == [
        ("handover-2", 1, "handover-1", 1),
        ("handover-4", 2, "handover-3", 1),
    ]


def test_an_examination_is_held_against_the_record() -> None:
    """Another digest of the same algorithm differs; the same one does not; both cite what the record said before."""
    case = Case("case-1").open().register("disk", digests=("sha256:" + "11" * 32,))
    for value in ("11", "22"):
        read = {"item_id": "disk", "method": "read", "match_result": "match"}
        case.say(item.ItemExamined, **read, digests=(f"sha256:{value * 32}",))
    examination = ask(of(case), "FROM examinations ORDER BY examined_at")
    assert columns(examination, "differs", "evidence") == [(False, digests(case, 1, 2)), (True, digests(case, 2, 3))]


def test_clocks_stand_as_of_the_moment(handed_over: Case) -> None:
    """The review runs, is overdue a day after its last, and was not there before it began."""
    asked = of(handed_over)
    sql = "SELECT status FROM deadlines WHERE clock = 'prosecution_review'"
    due = ask(asked, "SELECT due_at FROM deadlines WHERE clock = 'prosecution_review'")[0]["due_at"].replace(tzinfo=UTC)
    before = datetime(2026, 3, 1, tzinfo=UTC)
    rows = [ask(asked, sql, as_of=at) for at in (before, due.replace(second=0) - (due - due), due)]
    assert rows[0] == []
    assert rows[2] == [{"status": "overdue"}]
    assert ask(asked, sql, as_of=due.replace(day=due.day - 1)) == [{"status": "running"}]


def test_an_event_is_anchored_by_the_first_anchor_over_it(handed_over: Case) -> None:
    """Anchors at size 2 and 5: entries 0 and 1 by the first, 2 to 4 by the second, 5 by none yet."""
    first, second = moment("2026-03-02T02:00:00Z"), moment("2026-03-02T03:00:00Z")
    asked = of(handed_over, anchors=[(2, first), (5, second)])
    anchored = columns(ask(asked, "FROM events ORDER BY log_index"), "log_index", "anchored_at")
    assert anchored == [(0, first), (1, first), (2, second), (3, second), (4, second), (5, None)]


def test_a_session_over_some_cases_sees_no_others(handed_over: Case) -> None:
    """What a model that looks at one case at a time is run on."""
    second_case = Case("case-2").open()
    asked = of(handed_over, second_case)
    assert columns(ask(asked, "FROM cases", ["case-2"]), "case_id") == [("case-2",)]
    assert ask(asked, "FROM items", ["case-2"]) == []
    assert len(ask(asked, "FROM events")) == len(handed_over.events) + 1


def test_a_session_keeps_its_tree_size_while_the_log_grows(handed_over: Case) -> None:
    """What is written meanwhile is seen by the next one."""
    log = log_of(handed_over.events)
    events, log.events = log.events, log.events[:4]
    asked = made(log)
    asked.refresh()
    with asked.session() as session:
        before = session.rows("FROM events", {}, AS_OF)
        log.events = events
        assert asked.refresh() == log.head()
        assert session.rows("FROM events", {}, AS_OF) == before
    assert len(ask(asked, "FROM events")) == len(events)


def require_same_as_at_once(events: list[SignedEvent], *, step: int, agencies: Iterable[Row] = AGENCIES) -> None:
    """Grown by ``step`` events at a time the views are those made of all events at once."""
    log = log_of(events, agencies=agencies)
    everything = log.events
    grown, at_once = made(log), made(log_of(events, agencies=agencies))
    for size in range(0, len(everything) + step, step):
        log.events = everything[:size]
        grown.refresh()
    at_once.refresh()
    assert whole(grown) == whole(at_once)


class Snapshots(Custody):
    """Random lawful and unlawful cases."""

    def teardown(self) -> None:
        """Whatever came out of the acts is told the same way at once and step by step."""
        if hasattr(self, "case"):
            # Acts were judged without kinds of agencies, and are read so: who may release a hold depends on them.
            require_same_as_at_once(self.case.events, step=5, agencies=())


@pytest.mark.extended
def test_grown_views_are_those_made_at_once() -> None:
    """On random histories: each case's rows depend on its events alone, not on how they came in."""
    few = settings(max_examples=8, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Snapshots, settings=few)


def test_a_case_that_grows_is_written_as_if_it_were_new(handed_over: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """With each event, whether the case as it was before is still in memory or not; and in turn with another case."""
    second_case = Case("case-2").open().name("wang").register("car", kind="property")
    second_case.act(acts.CaseLinked(other_case_id="case-1", relation="related"), clerk(POLICE))
    in_turn = [
        event for pair in zip_longest(handed_over.events, second_case.events) for event in pair if event is not None
    ]
    for kept in (case_cache.EVENTS_KEPT, 3, 0):
        monkeypatch.setattr(case_cache, "EVENTS_KEPT", kept)
        require_same_as_at_once(in_turn, step=1)


def test_whom_a_case_split_off_is_in_it_until_another_takes_him_over() -> None:
    """With his measure and clocks: no limit is out of sight between the two events, and none is there twice. Rows of a
    case without a new event change as well."""
    old = detained("li")
    old.say(acts.CaseSplit, new_case_id="case-2", person_ids=(person_id("li"),))
    new = Case("case-2", start=old.now).open(source=old.state, split_from=old.last.ref)
    log = log_of([*old.events, *new.events])
    everything = log.events
    log.events = everything[:-1]
    grown = made(log)
    before = grown.refresh()
    limit = "SELECT case_id, started_at, due_at, agency FROM deadlines WHERE clock = 'arrest_request'"
    (between,) = ask(grown, limit)
    assert between["case_id"] == "case-1"
    assert (
        ask(grown, "SELECT case_id FROM measures")
        == ask(grown, "SELECT case_id FROM persons")
        == [{"case_id": "case-1"}]
    )
    log.events = everything
    assert grown.touched(before, grown.refresh()) == {"case-1", "case-2"}
    assert ask(grown, limit) == [between | {"case_id": "case-2"}]
    assert (
        ask(grown, "SELECT case_id FROM measures")
        == ask(grown, "SELECT case_id FROM persons")
        == [{"case_id": "case-2"}]
    )
    assert whole(grown) == whole(of(old, new))


def test_what_could_not_be_written_is_made_anew(handed_over: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failure nothing of memory is taken for what the tables have."""
    log = log_of(handed_over.events)
    everything = log.events
    log.events = everything[:4]
    grown = made(log)
    grown.refresh()
    log.events = everything
    with monkeypatch.context() as failing:
        failing.setattr(log, "datasets", lambda _end: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            grown.refresh()
    assert ask(grown, "SELECT events FROM cases") == [{"events": 4}]
    grown.refresh()
    assert whole(grown) == whole(of(handed_over))


def test_rows_that_change_are_replaced_and_others_left(handed_over: Case) -> None:
    """An event writes what it adds; only where it changes a row are those of the case written again."""
    before = case_cache.build_rows(read_case(log_of(handed_over.events[:4]).events, ACTS, 4))
    record = read_case(log_of(handed_over.events).events[4:], ACTS, len(handed_over.events), before.record)
    after = case_cache.build_rows(record, before)
    assert (
        after.rows == case_cache.build_rows(read_case(log_of(handed_over.events).events, ACTS, len(record.steps))).rows
    )
    assert {*OF_A_STEP} < {
        table for table, rows in after.rows.items() if rows[: len(before.rows[table])] == before.rows[table]
    }
    assert after.rows["cases"] != before.rows["cases"]


def test_rows_of_what_stays_are_not_made_again(handed_over: Case) -> None:
    """Where a thing moves, every clock and every span but its own has the row that it had."""
    first = len(handed_over.events)
    moved = handed_over.say(item.ItemMoved, clerk(PROCURATORATE), item_id="knives", storage_location="room 4")
    events = log_of(moved.events).events
    before = case_cache.build_rows(read_case(events[:first], ACTS, first))
    after = case_cache.build_rows(read_case(events[first:], ACTS, len(events), before.record), before)
    new = {view: {*map(id, after.rows[view])} - {*map(id, before.rows[view])} for view in EXTENDED_VIEWS}
    assert {view: len(rows) for view, rows in new.items()} == {"custody_spans": 2, "deadlines": 0}
    assert after.rows["deadlines"]


def test_what_is_kept_is_made_again_where_it_is_of_no_use(handed_over: Case, tmp_path: Path) -> None:
    """A damaged file, other rules, a log that was rolled back or replaced: the views are those of the log as it is."""
    path = tmp_path / "supervision" / "views.duckdb"
    log, size = log_of(handed_over.events), len(handed_over.events)
    expected = whole(of(handed_over))
    other_rules = Procedures.of(replace(shipped_rulebook(), digest="blake3:of other rules"))

    def opened(log: BundleViewSource) -> tuple[int | None, dict[str, list[tuple[str, ...]]]]:
        """Return the size that was kept, and what the views are after they were brought up to the log."""
        views_of = made(log, path)
        kept = views_of.size()
        assert views_of.refresh() == views_of.refresh() == log.head()
        rows = whole(views_of)
        views_of.close()
        return kept, rows

    assert opened(log) == (0, expected)
    assert opened(log) == (size, expected), "what was kept is of use"
    path.write_bytes(b"not a database" * 1000)
    assert opened(log) == (0, expected)
    assert opened(log_of(handed_over.events, procedures=other_rules)) == (0, expected)
    assert len(opened(log_of(handed_over.events[:3], procedures=other_rules))[1]["events"]) == 3
    new_case = Case("case-9").open().name("a", "b", "c")
    assert opened(log_of(new_case.events, procedures=other_rules))[1] == whole(of(new_case))


@pytest.mark.parametrize("name", [None, "views.duckdb"])
def test_new_views_are_made_without_a_warning(handed_over: Case, tmp_path: Path, name: str | None) -> None:
    """In memory or in a new file there is nothing to compare with: standard output is for what a command answers."""
    views_of = made(log_of(handed_over.events), tmp_path / name if name else None)
    with capture_logs() as logged:
        views_of.refresh()
        views_of.close()
    assert logged == []


class Remembered:
    """A digest out of reach of whoever writes to the file."""

    digest: str | None = None

    def last(self) -> str | None:
        return self.digest

    def keep(self, digest: str) -> None:
        self.digest = digest


@pytest.mark.parametrize("statement", ["DELETE FROM kept.handovers", "UPDATE kept.cases SET case_type = 'other'"])
def test_a_file_that_somebody_changed_is_made_anew(handed_over: Case, tmp_path: Path, statement: str) -> None:
    """A file is used as it was left; after an edit, and after an end that nobody closed, it is that of the log."""
    path, remembered, log = tmp_path / "views.duckdb", Remembered(), log_of(handed_over.events)
    first = made(log, path, left_with=remembered)
    first.refresh()
    expected, size = whole(first), first.size()
    first.close()
    again = made(log, path, left_with=remembered)
    assert again.size() == size, "as it was left"
    again.close()
    with duckdb.connect(str(path)) as connection:
        connection.execute(statement)
    edited = made(log, path, left_with=remembered)
    assert edited.size() == 0
    edited.refresh()
    assert whole(edited) == expected
    edited.close()


def test_every_view_has_the_columns_that_are_promised(handed_over: Case) -> None:
    """In a session over a log as over given rows: the same names in the same order."""
    asked = of(handed_over)
    for view in views().values():
        with asked.session() as session:
            session.rows(f"SELECT count(*) AS rows FROM {view.name}", {}, AS_OF)  # a view is made when it is asked
            sql = f"SELECT column_name FROM (DESCRIBE {view.name})"
            described = session._connection.execute(sql).fetchall()
        assert [name for (name,) in described] == list(view.columns)
