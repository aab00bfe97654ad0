"""Retention: how long a case and its things are kept, counted like any clock, and what stands in the way then."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ledger.core.custody.due_dates import deadline, end_of_clock
from ledger.core.custody.holds import Obstacle
from ledger.core.custody.retention import obstacles_to_end
from ledger.core.encoding.instants import spelled, unix_seconds
from ledger.core.errors import MalformedInput, RuleRefused
from ledger.core.events import case, hold, item, retention
from ledger.core.procedure.clock_periods import Clock
from ledger.core.procedure.rulebook import Rulebook
from ledger.procedures import shipped_rulebook
from tests.testkit.builders import LAB, POLICE, clerk, refused, section, supervisor
from tests.testkit.casework import Case, Refusal, Refusals, dispose, each_refusal, holding, proposed, require_refusal
from tests.unit.core.test_package import procedure_of

KEPT = """
[[clocks]]
name = "keep"
article = "file rules"
valid_from = "2000-01-01"
label = { en = "keep it", zh = "保管" }
days_off = "never"
"""
OF_CASE = f"""{KEPT}per = "case"
starts = ["case_closed", "retention_set"]
stops = ["case_reopened"]
bases = [{{ period = "5 y" }}]
then = "review"
"""
OF_ITEM = f"""{KEPT.replace("keep", "keep_item")}per = "item"
starts = ["case_closed", "retention_set"]
stops = ["disposed"]
bases = [{{ period = "1 y" }}]
starts_if = {{ item_kind = ["exhibit"] }}
then = "destroyed"
waits_for = ["appeal"]
[[clocks]]
name = "appeal"
article = "CPL 230"
valid_from = "2000-01-01"
label = {{ en = "appeal", zh = "上诉" }}
per = "case"
starts = ["decided.judgment"]
stops = ["decided.other"]
bases = [{{ period = "10 y" }}]
"""
SHORTENED = """
[[flags]]
name = "retention_shortened"
article = "file rules"
valid_from = "2000-01-01"
label = { en = "shorter", zh = "缩短" }
"""


def book(*rows: str) -> Rulebook:
    return procedure_of("".join(rows) if SHORTENED in rows else "flags = []\n" + "".join(rows))


def last_day(written: Case, clock: Clock) -> str:
    end = end_of_clock(written.state, clock, written.book).counted
    return "" if end is None or end.last_day is None else end.last_day.isoformat()


def close(written: Case) -> Case:
    return written.say(case.CaseClosed, ground="over")


def keep_until(written: Case, day: str, *item_ids: str) -> Case:
    return written.say(retention.RetentionSet, supervisor(POLICE), until=day, item_ids=item_ids)


def test_a_closed_case_is_kept_for_the_time_of_the_rules() -> None:
    """It counts from the closing, and closing does not end it; its end is no lateness."""
    written = close(Case(book=book(OF_CASE)).open())
    clock = written.clock("keep")
    assert (last_day(written, clock), clock.is_running) == ("2031-03-02", True)
    ends = end_of_clock(written.state, clock, written.book)
    assert ends.at_end(clock.rule) == "due"
    assert ends.counted is not None
    assert deadline(written.state, clock, written.book, ends.counted.due_at).status == "ended"
    assert spelled(ends.counted.due_at) == "2031-03-02T16:00:00Z"


def test_a_case_that_is_open_again_is_not_due() -> None:
    """Its time begins anew when it is closed again."""
    written = close(Case(book=book(OF_CASE)).open())
    first = written.clock("keep")
    written.say(case.CaseStageEntered, stage="investigation")
    assert not written.state.clocks[first.deadline_id].is_running
    assert close(written).clock("keep").is_running


def test_things_of_a_kind_are_kept_for_a_time_of_their_own() -> None:
    """Of the things that somebody still holds when the case is closed, those of the kind."""
    written = Case(book=book(OF_ITEM)).open().register("knife", "cup").register("cash", kind="property")
    close(written)
    assert [(clock.subject, last_day(written, clock)) for clock in written.state.clocks.values()] == [
        ("knife", "2027-03-02"),
        ("cup", "2027-03-02"),
    ]


def test_an_act_sets_the_time_in_the_place_of_the_rules() -> None:
    """Longer or shorter, of the case or of the items that it names; the clock before it ends."""
    written = close(Case(book=book(OF_CASE, OF_ITEM)).open().register("knife", "cup"))
    keep_until(written, "2040-12-31")
    assert last_day(written, written.clock("keep")) == "2040-12-31"
    keep_until(written, "2026-12-31", "knife")
    running = [clock for clock in written.state.clocks.values() if clock.is_running]
    days = {(clock.name, clock.subject): last_day(written, clock) for clock in running}
    assert days == {
        ("keep", "case"): "2040-12-31",
        ("keep_item", "knife"): "2026-12-31",
        ("keep_item", "cup"): "2027-03-02",
    }


@pytest.mark.parametrize(("day", "flags"), [("2031-03-02", []), ("2031-03-01", ["retention_shortened"])])
def test_a_shorter_time_is_flagged(day: str, flags: list[str]) -> None:
    """It is recorded: whoever orders it answers for it."""
    written = close(Case(book=book(SHORTENED, OF_CASE)).open())
    assert keep_until(written, day).flag_names() == flags
    assert keep_until(Case(book=book(SHORTENED, OF_CASE)).open(), day).flag_names() == []


@pytest.mark.parametrize("then", ["close", "reopen"])
def test_a_day_that_an_act_has_set_stays(then: str) -> None:
    """Neither the closing nor a reopening of the case takes its place: that takes another act."""
    written = keep_until(Case(book=book(OF_CASE, OF_ITEM)).open().register("knife"), "2060-12-31")
    keep_until(written, "2059-12-31", "knife")
    close(written)
    if then == "reopen":
        written.say(case.CaseStageEntered, stage="investigation")
        close(written)
    running = [clock for clock in written.state.clocks.values() if clock.is_running]
    assert {(clock.name, last_day(written, clock)) for clock in running} == {
        ("keep", "2060-12-31"),
        ("keep_item", "2059-12-31"),
    }


def test_a_day_that_has_passed_makes_way_for_the_time_of_the_rules() -> None:
    """What was to be kept until yesterday, and is closed today, is kept from today on."""
    written = close(keep_until(Case(book=book(OF_CASE)).open(), "2026-02-27"))
    assert last_day(written, written.clock("keep")) == "2031-03-02"


EARLY = """
[[flags]]
name = "destroyed_before_due"
article = "file rules"
valid_from = "2000-01-01"
label = { en = "early", zh = "提前" }
"""


def destroyed(written: Case, day: str, *item_ids: str) -> dict[str, str]:
    """Destroy the items on a day; return the flags of it."""
    written.say(item.ItemDisposalProposed, clerk(POLICE), item_ids=item_ids, disposal="destroyed")
    return {flag.name: flag.detail for flag in dispose(written, disposed_at=f"{day}T02:00:00Z").flags}


@pytest.mark.parametrize(("day", "early"), [("2026-04-01", True), ("2026-04-02", False)])
def test_what_is_destroyed_before_its_day_is_flagged(day: str, early: bool) -> None:
    """It has happened, so that it is recorded; on the day after the last one it is in order."""
    written = Case(book=book(SHORTENED, EARLY, OF_ITEM)).open().register("knife", "cup")
    keep_until(written, "2026-04-01", "knife")
    kept = written.clock("keep_item").deadline_id
    written.now = unix_seconds(f"{day}T03:00:00Z")
    assert destroyed(written, day, "cup", "knife") == ({"destroyed_before_due": kept} if early else {})


def test_what_is_destroyed_while_a_time_that_it_waits_for_runs_is_flagged() -> None:
    """The time of the thing itself is over, that for an appeal not."""
    written = Case(book=book(SHORTENED, EARLY, OF_ITEM)).open().register("knife", "cup")
    keep_until(written, "2026-02-27", "knife", "cup")
    written.decide("judgment")
    appeal = written.clock("appeal").deadline_id
    assert destroyed(written, "2026-03-02", "knife") == {"destroyed_before_due": appeal}
    written.decide("other")
    assert destroyed(written, "2026-03-02", "cup") == {}


def test_what_is_erased_before_the_day_of_its_case_is_flagged() -> None:
    """The confidential sections of a case are kept as long as the case is."""
    written = Case(book=book(SHORTENED, EARLY, OF_CASE)).open().register("knife")
    for number in (1, 2):
        secret = {"item_id": "knife", "sections": {"narrative": section()}}
        event = written.say(item.ItemExamined, clerk(POLICE), **secret).last.event
        names = written.erase(event.ref, "narrative", supervisor(POLICE)).flag_names()
        assert names == ([] if number == 1 else ["destroyed_before_due"])
        if number == 1:
            close(written)


GROUNDS = """
[erasures]
court_order = { label = { en = "order of a court", zh = "裁判" } }
other_right = { label = { en = "another right", zh = "其他权利" } }
"""


def erased_after_closing(written: Case, erased_for: str | None) -> list[str]:
    """Close the case, and erase a section of it on the ground; return the flags."""
    event = written.say(item.ItemExamined, clerk(POLICE), item_id="knife", sections={"narrative": section()}).last.event
    close(written)
    return written.erase(event.ref, "narrative", supervisor(POLICE), erased_for=erased_for).flag_names()


@pytest.mark.parametrize(("erased_for", "early"), [(None, True), ("other_right", True), ("court_order", False)])
def test_a_time_of_the_rules_gives_way_to_the_grounds_that_its_row_names(erased_for: str | None, early: bool) -> None:
    """An erasure on such a ground is lawful before the time is over; on another one, or none, it is flagged."""
    rows = (SHORTENED, EARLY, OF_CASE + 'gives_way_to = ["court_order"]\n', GROUNDS)
    written = Case(book=book(*rows)).open().register("knife")
    assert erased_after_closing(written, erased_for) == (["destroyed_before_due"] if early else [])


def test_a_day_that_was_set_gives_way_to_nothing() -> None:
    """Who set it for this case has decided on this case: what is erased before is flagged, on whichever ground."""
    rows = (SHORTENED, EARLY, OF_CASE + 'gives_way_to = ["court_order"]\n', GROUNDS)
    written = keep_until(Case(book=book(*rows)).open().register("knife"), "2040-12-31")
    assert erased_after_closing(written, "court_order") == ["destroyed_before_due"]


def test_a_ground_that_the_procedure_does_not_have_is_refused() -> None:
    """It is a word of the procedure of the case."""
    written = Case(book=book(SHORTENED, EARLY, OF_CASE, GROUNDS)).open().register("knife")
    with refused("unknown_word", field="payload.body.erased_for"):
        erased_after_closing(written, "a_whim")


@pytest.mark.parametrize(
    ("kind", "ordered", "early"),
    [
        ("other", "destroyed", False),
        ("other", "archived", True),
        ("other", None, True),
        ("judgment", "destroyed", True),
        (None, None, True),
    ],
)
def test_a_time_of_the_rules_gives_way_to_a_decision_that_orders_the_disposal(
    kind: str | None, ordered: str | None, early: bool
) -> None:
    """Of a kind that the row names, on this thing, and for this end; else the early destruction is flagged."""
    of_item = OF_ITEM.replace("waits_for", 'gives_way_to = ["other"]\nwaits_for', 1)
    written = Case(book=book(SHORTENED, EARLY, of_item)).open().register("knife")
    if kind is not None:
        lines = (case.ItemDecision(item_id="knife", disposal=ordered),)
        written.say(case.DecisionRecorded, decision_id="d-1", kind=kind, items=lines)
        written.decide("other")
    close(written)
    proposal = {"item_ids": ("knife",), "disposal": "destroyed", "decision_id": "d-1" if kind else None}
    written.say(item.ItemDisposalProposed, clerk(POLICE), **proposal)
    assert ("destroyed_before_due" in dispose(written).flag_names()) is early


NOTHING = procedure_of("flags = []\n")
REFUSALS: Refusals = {
    "an item twice": Refusal(
        "duplicate_id body.item_ids", holding("knife"), lambda c: keep_until(c, "2030-01-01", "knife", "knife")
    ),
    "an item of another case": Refusal(
        "unknown_item body.item_ids", holding(), lambda c: keep_until(c, "2030-01-01", "knife")
    ),
    "what is gone": Refusal(
        "item_gone body.item_ids", dispose(proposed("car")), lambda c: keep_until(c, "2030-01-01", "car")
    ),
    "where the procedure has no time for cases": Refusal(
        "no_retention body.item_ids", Case(book=NOTHING).open(), lambda c: keep_until(c, "2030-01-01")
    ),
    "where it has one for cases alone": Refusal(
        "no_retention body.item_ids",
        Case(book=book(OF_CASE)).open().register("knife"),
        lambda c: keep_until(c, "2030-01-01", "knife"),
    ),
}


@each_refusal(REFUSALS)
def test_what_cannot_be_kept_is_refused(refusal: Refusal) -> None:
    """What is gone, and what the procedure has no time of retention for."""
    require_refusal(refusal)


def test_who_would_keep_what_has_left_learns_where_it_went() -> None:
    """The refusal names the case for which it was split off, or says what became of it."""
    left = Case(book=book(OF_ITEM)).open().register("knife", "cup")
    left.say(case.CaseSplit, new_case_id="case-2", item_ids=("knife",))
    for written, item_id, went in ((left, "knife", "case-2"), (dispose(proposed("car")), "car", "disposed of")):
        with pytest.raises(RuleRefused) as refusal:
            keep_until(written, "2030-01-01", item_id)
        assert refusal.value.code == "item_gone"
        assert went in str(refusal.value.hint)


def test_what_stands_in_the_way_of_an_end_is_told() -> None:
    """Holds, open offers, and the clocks that the row waits for; of a case all of its holds and offers."""
    written = Case(book=book(OF_CASE, OF_ITEM)).open().register("knife", "cup")
    written.decide("judgment")
    order = {"hold_id": "hold-1", "kind": "legal_hold", "number": "H-1", "scope": "items", "item_ids": ("knife",)}
    written.book = replace(written.book, holds=shipped_rulebook().holds)
    written.say(hold.HoldPlaced, supervisor(POLICE), **order)
    keep_until(written, "2026-04-01", "knife", "cup")
    keep_until(written, "2026-04-01")
    of_item = {clock.subject: clock for clock in written.state.clocks.values() if clock.name == "keep_item"}
    waiting = Obstacle("deadline", written.clock("appeal").deadline_id, POLICE)
    held = Obstacle("hold", "hold-1", POLICE, "H-1")
    assert obstacles_to_end(written.state, of_item["knife"]) == (held, waiting)
    assert obstacles_to_end(written.state, of_item["cup"]) == (waiting,)
    written.offer("cup", to=LAB, purpose="forensic_examination")
    offer = Obstacle("handover", "handover-1", LAB)
    assert obstacles_to_end(written.state, written.clock("keep")) == (held, offer)
    written.decide("other")
    assert obstacles_to_end(written.state, of_item["cup"]) == (offer,)


@pytest.mark.parametrize(
    ("fault", "row"),
    [
        ("clocks[0].then", OF_CASE.replace('"review"', '"destroyed"')),
        ("clocks[0].then", OF_CASE.replace('"review"', '"burnt"')),
        (
            "clocks[0].then",
            OF_CASE.replace('"case"', '"handover"').replace('"case_closed", "retention_set"', '"remedy_set"'),
        ),
        ("clocks[0].then", OF_CASE.replace('days_off = "never"\n', "")),
        ("clocks[0].waits_for", OF_ITEM.replace('["appeal"]', '["nothing"]')),
        ("clocks[0].waits_for", OF_ITEM.replace('then = "destroyed"\n', "")),
        ("clocks[0].gives_way_to", OF_CASE + 'gives_way_to = ["nothing"]\n'),
        ("clocks[0].gives_way_to", OF_ITEM.replace("waits_for", 'gives_way_to = ["nothing"]\nwaits_for', 1)),
        ("clocks[0].gives_way_to", OF_CASE.replace('then = "review"', 'gives_way_to = ["court_order"]') + GROUNDS),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(fault: str, row: str) -> None:
    """A case is not destroyed, a thing is not erased, and what waits for a clock names one."""
    with pytest.raises(MalformedInput) as caught:
        book(row)
    assert (caught.value.field or "").endswith(fault)


def test_a_disposal_ends_the_time_of_the_thing() -> None:
    """What is destroyed is kept no longer."""
    written = Case(book=book(OF_ITEM)).open().register("knife")
    keep_until(written, "2026-04-01", "knife")
    written.say(item.ItemDisposalProposed, clerk(POLICE), item_ids=("knife",), disposal="destroyed")
    assert not dispose(written).clock("keep_item").is_running
