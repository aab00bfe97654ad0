"""Kept states: a long case is folded on from one after a start, and nobody without the service's key can make one."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.core.custody import kept_state
from ledger.core.custody.kept_state import encode_state
from ledger.recording import case_states
from ledger.store import kept_states
from ledger.store.kept_states import state_key_of
from tests.testkit.builders import POLICE, PROCURATORATE, clerk
from tests.testkit.casework import Case
from tests.testkit.ledgers import Ledger, open_founded, open_ledger, sqlite_url
from tests.unit.audit.stand import OFFICERS, Stand, found


class Folds:
    """Counts the events that are folded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self._fold = case_states.fold
        monkeypatch.setattr(case_states, "fold", self)

    def __call__(self, *args: object) -> object:
        self.count += 1
        return self._fold(*args)  # type: ignore[arg-type]


@pytest.fixture
def long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Stand, Case]]:
    """Return a ledger with two cases of thirteen events, of which the states at twelve are kept."""
    monkeypatch.setattr(kept_state, "KEPT_FROM", 8)
    with open_founded(sqlite_url(tmp_path), *OFFICERS) as ledger:
        for case_id in ("case-1", "case-2"):
            case = Case(case_id).open().register(*(f"item-{number}" for number in range(10)))
            ledger.post_all(case.offer("item-1", to=PROCURATORATE).accept().events)
        yield Stand(ledger), case


def started(ledger: Ledger, folds: Folds, case: Case) -> int:
    """Count what is folded until another process has the state of the case, which must be the right one."""
    folds.count = 0
    with open_ledger(ledger.database.url, clock=ledger.clock) as restarted:
        assert restarted.validator.states.of_case("case-2") == case.state
        following = case.draft(Case().open().register("x").last.payload.body, clerk(POLICE))
        restarted.validator.validate(following.submission, ledger.clock.seconds + 60)
    return folds.count


def test_a_long_case_is_folded_on_from_its_kept_state(
    long: tuple[Stand, Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What follows the state is folded, and nothing if it is the last; the audit finds all as it must be."""
    stand, case = long
    folds = Folds(monkeypatch)
    assert started(stand.ledger, folds, case) == 1
    while not kept_state.is_kept(case.state):
        stand.ledger.post(case.register(f"late-{case.state.sequence}").last)
    assert started(stand.ledger, folds, case) == 0
    assert not found(stand.audit())


OTHER = "SELECT state, mac FROM kept_states WHERE case_id = 'case-1'"
STRAY = "SELECT 'case-x', sequence, format, state, mac FROM kept_states LIMIT 1"
CASE_2 = "WHERE case_id = 'case-2'"
STATE = "UPDATE kept_states SET state = :packed"
CHANGES = {
    "a state that somebody made": f"{STATE} {CASE_2}",
    "that of another case": f"UPDATE kept_states SET (state, mac) = ({OTHER}) {CASE_2}",
    "no packed bytes": f"UPDATE kept_states SET state = x'00' {CASE_2}",
    "a text": f"UPDATE kept_states SET state = 'x' {CASE_2}",
    "bytes that go on": f"UPDATE kept_states SET state = CAST(state || x'00' AS BLOB) {CASE_2}",
    "cut bytes": f"UPDATE kept_states SET state = substr(state, 1, 100) {CASE_2}",
    "another place": f"UPDATE kept_states SET sequence = 10 {CASE_2}",
    "one of a case that is not there": f"INSERT INTO kept_states {STRAY}",
}
HARMLESS = {
    "another code": f"UPDATE kept_states SET mac = x'00' {CASE_2}",
    "another form": f"UPDATE kept_states SET format = '0' {CASE_2}",
    "none": "DELETE FROM kept_states",
}


@pytest.mark.parametrize("change", [*CHANGES, *HARMLESS])
def test_nothing_is_judged_on_a_state_that_was_changed(
    change: str, long: tuple[Stand, Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The case is folded from its stream, or from what is its state; an audit names what does not follow from it."""
    stand, case = long
    statement = (CHANGES | HARMLESS)[change]
    forged = encode_state(case.state).replace(b'"responsible":"police-east"', b'"responsible":"court-east"')
    values = {"packed": zlib.compress(forged)} if ":packed" in statement else {}
    stand.change(statement, **values)
    started(stand.ledger, Folds(monkeypatch), case)
    assert bool(found(stand.audit())) == (change in CHANGES)


def test_states_of_another_key_are_not_used(long: tuple[Stand, Case], monkeypatch: pytest.MonkeyPatch) -> None:
    """A service whose key was replaced folds anew."""
    stand, case = long
    stand.ledger.validator.states.state_key = state_key_of(b"\x01" * 32)
    stand.ledger.validator.states._cache = case_states.CachedStates()
    folds = Folds(monkeypatch)
    assert stand.ledger.validator.states.of_case("case-2") == case.state
    assert folds.count == len(case.events)


def test_what_an_older_rule_came_to_is_not_used(long: tuple[Stand, Case], monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of the same number with other sources folds the case from its first event, and audits no such state."""
    stand, case = long
    folds = Folds(monkeypatch)
    assert started(stand.ledger, folds, case) == 1
    monkeypatch.setattr(kept_states, "kept_format", lambda: f"0.1.0+{0:012} {kept_state.state_format()}")
    assert started(stand.ledger, folds, case) > 10
    assert not found(stand.audit())
