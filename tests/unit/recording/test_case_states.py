"""States of cases that another process wrote to: read for all who wait at once, and never taken for granted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from ledger.core.errors import Conflict
from ledger.store.append import ValidatedSubmission
from tests.testkit.builders import POLICE, PROCURATORATE, clerk
from tests.testkit.casework import Case, registration
from tests.testkit.ledgers import Ledger, open_ledger
from tests.unit.recording.stand import OFFICERS


@pytest.fixture
def two(each_database_url: str) -> Iterator[tuple[Ledger, Ledger]]:
    """Return two processes' ledgers over one database."""
    with open_ledger(each_database_url) as first:
        first.found(*OFFICERS)
        with open_ledger(each_database_url) as second:
            second.recording.authority()
            yield first, second


def test_states_of_several_cases(two: tuple[Ledger, Ledger]) -> None:
    """After it, events that follow what another process wrote are judged from memory; those that follow what is
    nowhere are not, and do no harm."""
    first, second = two
    shared, unknown = Case("case-1").open(), Case("case-2").open().register("coat")
    first.post_all(shared.events)
    second.post_all([])
    shared.register("phone")
    second.post(shared.last)  # whose state the other has from here on
    first.post_all([*unknown.events, shared.register("knife").last])
    nowhere = Case("case-3").open().register("hat").last
    following = [shared.register("gold").last, unknown.offer("coat", to=PROCURATORATE).last, nowhere]
    submissions = [second.validator.verify_signature(event.submission) for event in following]
    assert all(map(second.validator.lacks_state, submissions))
    second.validator.states.prefetch(submission.event for submission in submissions)
    assert [second.validator.lacks_state(submission) for submission in submissions] == [False, False, True]
    quick = second.validator.in_memory()
    for submission, event in zip(submissions[:2], following, strict=False):
        quick.check_rules(submission, max(second.clock.seconds, event.envelope.signed_at))
    with pytest.raises(Conflict):
        second.post(nowhere)
    second.post_all(following[:2])


def test_a_state_that_never_came_into_the_log(two: tuple[Ledger, Ledger]) -> None:
    """What a process accepted in vain leads nowhere: the events that took its place are read all the same."""
    first, second = two
    case = Case("case-1").open()
    first.post_all(case.events)
    in_vain = case.draft(registration("knife"), clerk(POLICE))
    second.validator.validate(in_vain.submission, max(second.clock.seconds, in_vain.envelope.signed_at))
    first.post_all(case.register("phone").register("coat").events[-2:])
    following = case.register("gold").last
    second.validator.states.prefetch([second.validator.verify_signature(following.submission).event])
    assert second.post(following).index == first.post(case.register("hat").last).index - 1


def test_a_signer_without_a_key_reads_nothing(two: tuple[Ledger, Ledger]) -> None:
    """Nothing is read for who may not sign."""
    _, second = two
    stranger = Case("case-1").open().draft(registration("knife"), clerk("nobody"))
    assert not second.validator.lacks_state(second.validator.verify_signature(stranger.submission))


def test_what_somebody_edited_is_not_learnt(two: tuple[Ledger, Ledger]) -> None:
    """A state does not come from an entry whose payload is not the one that was signed, and the others do."""
    first, second = two
    edited, sound = Case("case-1").open(), Case("case-2").open()
    index = first.post(edited.last).index
    first.post(sound.last)
    with first.database.write() as connection:
        connection.execute(text("UPDATE entries SET payload = :no WHERE log_index = :at"), {"no": b"{}", "at": index})
    submissions = [
        second.validator.verify_signature(case.register("phone").last.submission) for case in (edited, sound)
    ]
    second.validator.states.prefetch(submission.event for submission in submissions)
    assert [second.validator.lacks_state(submission) for submission in submissions] == [True, False]


def test_each_is_judged_where_reading_for_all_fails(
    two: tuple[Ledger, Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that nobody foresaw, in what is read for several at once, is no answer to any of them."""
    first, second = two
    case = Case("case-1").open().register("phone")
    first.post_all(case.events[:1])

    def failing(_events: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(second.validator.states, "prefetch", failing)
    now = max(second.clock.seconds, case.last.envelope.signed_at)
    (outcome,) = second.validator.validate_each([case.last.submission], now)
    assert isinstance(outcome, ValidatedSubmission)
