"""Admission under the lock: one winner for a head, one case for an item, and the registry as the log has it by then."""

from __future__ import annotations

import pytest

from ledger.core.errors import Conflict, RuleRefused, Unauthorized
from ledger.core.event.item import ItemPart, ItemSplit
from tests.builders import COURT, POLICE, SERVICE, clerk
from tests.casework import Case, pieces, registration
from tests.ledgers import Ledger, open_ledger, verified
from tests.sequence.stand import OFFICERS, OPENED, entries_of, refusal, size_of


def test_of_two_rivals_for_one_head_one_wins(each_database_url: str) -> None:
    """The loser gets head and next sequence; signed again on them it goes through. The batch survives it."""
    with open_ledger(each_database_url) as ledger:
        ledger.found(*OFFICERS)
        opened = ledger.post(Case("case-1").open().last)
        assert opened.index > 0
    with open_ledger(each_database_url, start=False) as ledger:
        mine, yours, other = Case("case-1").open(), Case("case-1").open(), Case("case-2").open()
        mine.register("phone")
        yours.act(
            registration("knife"), clerk(POLICE, 2), event_id=other.draft(OPENED, clerk(POLICE)).envelope.event_id
        )
        futures = [ledger.submit(event) for event in (mine.last, yours.last, other.last)]
        ledger.sequencer.start()
        verified(ledger.receipt(futures[0]), mine.last)
        verified(ledger.receipt(futures[2]), other.last)
        lost = refusal(futures[1])
        assert isinstance(lost, Conflict)
        assert (lost.code, lost.head, lost.sequence) == ("not_on_head", mine.last.digest, 2)
        rebased = mine.register("knife", by=clerk(POLICE, 2))
        verified(ledger.post(rebased.last), rebased.last)


def test_an_item_belongs_to_one_case(founded: str) -> None:
    """An id that another case has is refused under the lock: recorded before, and in the same batch."""
    with open_ledger(founded, start=False) as ledger:
        one, two, three = (Case(name).open().register("phone") for name in ("case-1", "case-2", "case-3"))
        futures = [ledger.submit(event) for event in (*one.events, *two.events)]
        ledger.sequencer.start()
        assert refusal(futures[3]).code == "foreign_item"
        with pytest.raises(RuleRefused) as refused:
            ledger.post_all(three.events)
        assert (refused.value.code, refused.value.field) == ("foreign_item", "payload.body.item_id")
        assert [ledger.receipt(future).index for future in futures[:3]]


def test_a_batch_may_name_more_items_than_a_statement_takes(founded: str) -> None:
    """Forty splits of a thousand parts each are one batch like any other."""
    with open_ledger(founded, start=False) as ledger:
        futures = []
        for number in range(40):
            case = Case(f"case-{number}").open().register(f"sack-{number}", quantity=1000)
            parts = tuple(ItemPart(item_id=f"grain-{number}-{part}", quantity=pieces(1)) for part in range(1000))
            case.act(ItemSplit(item_id=f"sack-{number}", parts=parts))
            futures += [ledger.submit(event) for event in case.events]
        ledger.sequencer.start()
        assert len({size_of(ledger.receipt(future)) for future in futures}) == 1


def test_a_key_revoked_between_judging_and_committing_is_refused_at_its_index(founded: str) -> None:
    """What stands before the revocation in the log is good, what would stand after it is not."""
    with open_ledger(founded, start=False) as ledger:
        continue_registry(ledger)
        before, after = Case("case-before").open(), Case("case-after").open()
        revocation = ledger.system_writer.write(ledger.changes.revoke(clerk(POLICE)).bodies[-1], SERVICE)
        futures = [ledger.submit(event) for event in (before.last, revocation, after.last)]
        ledger.sequencer.start()
        verified(ledger.receipt(futures[0]), before.last)
        revoked_at = ledger.receipt(futures[1]).index
        refused = refusal(futures[2])
        assert isinstance(refused, Unauthorized)
        assert refused.code == "key_revoked"
        assert str(revoked_at) in str(refused)
        assert before.last.entry in entries_of(ledger)
        assert after.last.entry not in entries_of(ledger)


def test_a_verdict_by_an_old_registry_is_looked_at_again(founded: str) -> None:
    """A revocation that another process committed counts here, though the event was judged before it."""
    with open_ledger(founded, start=False) as ledger, open_ledger(founded) as other:
        continue_registry(other)
        case = Case().open()
        future = ledger.submit(case.last)
        other.mirror(other.changes.revoke(clerk(POLICE)).bodies[-1])
        ledger.sequencer.start()
        assert refusal(future).code == "key_revoked"


def test_a_change_of_the_registry_is_mirrored_once(founded: str) -> None:
    """The same change signed anew, by another process that mirrors too, is a conflict and not a broken log."""
    with open_ledger(founded) as ledger:
        continue_registry(ledger)
        body = ledger.changes.admit(COURT).bodies[-1]
        ledger.mirror(body)
        with pytest.raises(Conflict) as lost:
            ledger.mirror(body)
        assert lost.value.code == "already_mirrored"
        assert ledger.sequencer.failure is None


def continue_registry(ledger: Ledger) -> None:
    """Brings the test's own copy of the registry and of the system stream to where ``founded`` left them."""
    ledger.changes.admit(*dict.fromkeys(officer.agency for officer in OFFICERS)).grant(*OFFICERS)
    for body in ledger.changes.bodies:
        ledger.system_writer.write(body, SERVICE)
