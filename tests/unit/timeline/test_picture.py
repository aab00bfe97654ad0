"""Pictures and lineages: what is told of a case without words, and that a kept walk is as good as a new one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.i18n import Labels
from ledger.recording.case_states import CaseStates
from ledger.store.chain_journal import DatabaseJournal
from ledger.store.database import Connection
from ledger.timeline.anchored_sizes import AnchoredSizes
from ledger.timeline.case_history import Histories, TimelineBuilder, read_history
from ledger.timeline.diagrams import Picture, Pictures, lineage
from ledger.timeline.sentences import Narrator
from tests.testkit.builders import LAB, POLICE, PROCURATORATE, START, clerk, supervisor
from tests.testkit.casework import Case, person_id
from tests.testkit.ledgers import Ledger, open_ledger, sqlite_url
from tests.testkit.timeline_cases import HOUR, eventful, kindred

AGENCIES = (POLICE, PROCURATORATE, LAB)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with open_ledger(sqlite_url(tmp_path)) as opened:
        yield opened.found(*(role(agency) for agency in AGENCIES for role in (clerk, supervisor)))


def pictured(ledger: Ledger, case: Case) -> Picture:
    """Record the case and return its picture."""
    ledger.post_all(case.events)
    histories = Histories(ledger.validator.states)
    with ledger.database.read() as connection:
        return Pictures().of(connection, timelines(ledger, histories), histories.of(connection, case.state.case_id))


def timelines(ledger: Ledger, histories: Histories) -> TimelineBuilder:
    return TimelineBuilder(
        ledger.validator, histories, AnchoredSizes(DatabaseJournal(ledger.database)), Narrator(Labels("en"))
    )


def test_bars_tell_who_held_what(ledger: Ledger) -> None:
    """From when until when, things and persons that went together in one, the case by who answered for it."""
    bars = {(bar.subject, bar.ids, bar.agency): (bar.since, bar.until) for bar in pictured(ledger, eventful()).bars}
    accepted = START + 123 * HOUR
    assert bars["case", ("case-1",), POLICE][1] == accepted
    assert bars["case", ("case-1",), PROCURATORATE] == (accepted, None)
    assert bars["item", ("coins", "phone"), PROCURATORATE] == (accepted, None)
    assert bars["item", ("phone",), POLICE][1] == accepted
    assert bars["item", ("volume",), POLICE][1] is None
    assert bars["person", (person_id("li"),), PROCURATORATE] == (accepted, None)


def test_arrows_marks_and_stretches_tell_what_went_wrong(ledger: Ledger) -> None:
    """What was refused, what differed and was late, and the day in which nobody had what was under way."""
    whole = pictured(ledger, eventful())
    assert [(each.to_agency, each.status) for each in whole.arrows] == [(PROCURATORATE, "accepted"), (LAB, "refused")]
    assert [(each.kind, each.agency, each.until - each.since) for each in whole.stretches] == [
        ("gap", PROCURATORATE, 22 * HOUR)
    ]
    kinds = {mark.event_type: mark.kinds for mark in whole.marks}
    assert {"differs", "break"} <= set(kinds["handover.accepted"])
    assert kinds["case.opened"] == ("plain",)
    assert [mark.sequence for mark in whole.marks] == list(range(len(whole.marks)))
    assert whole.agencies == (POLICE, PROCURATORATE, LAB)


def test_lineage_tells_what_came_of_what(ledger: Ledger) -> None:
    """Splits, merges, proceeds and what was taken out, each with its event; loans; and what stands alone."""
    case = kindred()
    ledger.post_all(case.events)
    with ledger.database.read() as connection:
        family = lineage(Histories(ledger.validator.states).of(connection, "case-3"))
    assert {(each.parent, each.child, each.relation) for each in family.descents} == {
        ("cash", "cash-1", "split"),
        ("cash", "cash-2", "split"),
        ("cash-1", "cash-3", "split"),
        ("cash-1", "cash-4", "split"),
        ("cash-2", "cash-5", "merged"),
        ("cash-4", "cash-5", "merged"),
        ("handset", "card", "taken_from"),
        ("car", "price", "proceeds"),
    }
    assert [(each.item_id, each.by_agency, each.to_agency, each.returned_at) for each in family.loans] == [
        ("knife", POLICE, LAB, None)
    ]
    assert family.alone == ("knife",)


def test_a_kept_walk_goes_on_where_it_was(ledger: Ledger) -> None:
    """With each event it is what a walk from the beginning gives, and no more than a connection sees."""
    case = kindred()
    histories = Histories(ledger.validator.states)
    for event in case.events[:4]:
        ledger.post(event)
        with ledger.database.read() as connection:
            assert_same(connection, ledger, histories)
    with ledger.database.read() as before:
        assert len(histories.of(before, "case-3")) == 4
        ledger.post_all(case.events[4:])
        with ledger.database.read() as after:
            assert_same(after, ledger, histories)
        assert len(histories.of(before, "case-3")) == 4
    with ledger.database.read() as connection:
        assert histories.of(connection, "nothing") == ()


def test_a_walk_and_a_state_are_folded_once(ledger: Ledger) -> None:
    """A case that nobody has in memory is walked for its state, which whoever acts in it then stands on; one that
    somebody has is not walked."""
    ledger.post_all(kindred().events)
    cold = CaseStates(ledger.database, ledger.validator.procedures, ledger.registry.kinds)
    histories = Histories(cold)
    with ledger.database.read() as connection:
        state = histories.state(connection, "case-3")
        assert state is histories.of(connection, "case-3")[-1].after
        assert state is cold.of_case("case-3")
        state_in_memory = ledger.validator.states.of_case("case-3")
        assert Histories(ledger.validator.states).state(connection, "case-3") is state_in_memory
        assert state == state_in_memory


def assert_same(connection: Connection, ledger: Ledger, histories: Histories) -> None:
    fresh = list(read_history(connection, ledger.validator.states, "case-3"))
    kept = histories.of(connection, "case-3")
    assert [(each.entry, each.after) for each in kept] == [(each.entry, each.after) for each in fresh]
    assert fresh
