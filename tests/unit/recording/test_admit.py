"""Admission under the lock: one winner for a head, and the registry as the log has it by then."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from ledger.core.errors import Conflict, RuleRefused, Unauthorized
from ledger.core.events import case
from ledger.core.events.item import ItemPart, ItemSplit
from ledger.core.visibility import Reader
from ledger.store import cases
from ledger.store.cases import Page
from tests.testkit.builders import COURT, LAB, POLICE, PROCURATORATE, SERVICE, clerk, instant, refused
from tests.testkit.casework import Case, pieces, registration
from tests.testkit.ledgers import Ledger, open_ledger, verified
from tests.unit.recording.stand import OFFICERS, OPENED, entries_of, refusal, size_of


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


def test_an_item_id_is_the_case_s_own(founded: str) -> None:
    """Whether another case has one of the same id is told to nobody: both are recorded, and each is shown its own."""
    with open_ledger(founded) as ledger:
        holder = Case("case-1").open().register("phone")
        two = Case("case-2").open(clerk(PROCURATORATE)).register("phone", by=clerk(PROCURATORATE), quantity=2)
        ledger.post_all([*holder.events, *two.events])
        shown = {}
        with ledger.database.read() as connection:
            for agency in (POLICE, PROCURATORATE, LAB):
                reader = Reader(agency, frozenset(), instant(ledger.clock.seconds))
                case_id = cases.case_of_item(connection, "phone", reader)
                rows = cases.list_items(connection, reader, Page())
                shown[agency] = (case_id, [(row["case_id"], row["quantity"]) for row in rows])
            both = Reader(LAB, frozenset((POLICE, PROCURATORATE)), instant(ledger.clock.seconds))
            first = cases.list_items(connection, both, Page(1))
            place = cases.place_of_item(first[0]["item_id"], first[0]["case_id"])
            rest = cases.list_items(connection, both, Page(1, place))
        assert shown == {
            POLICE: ("case-1", [("case-1", "1")]),
            PROCURATORATE: ("case-2", [("case-2", "2")]),
            LAB: (None, []),
        }
        assert [row["case_id"] for row in (*first, *rest)] == ["case-1", "case-2"]


@pytest.mark.parametrize("in_one_batch", [True, False])
def test_a_case_that_another_agency_split_off_is_not_opened_first(founded: str, in_one_batch: bool) -> None:
    """Whoever has read a split neither opens the case that it is for, nor names it in a split of its own, nor is told
    otherwise before it signs; the splitting agency does both, and once the case is open splits may name it."""
    mine = Case("case-1").open().register("phone", "knife")
    mine.say(case.CaseSplit, new_case_id="case-2", ground="two offences", item_ids=("phone",))
    split = mine.last
    theirs = Case("case-9").open(clerk(PROCURATORATE)).register("file", by=clerk(PROCURATORATE))
    opening = Case("case-2").open(clerk(PROCURATORATE)).last
    naming = {"new_case_id": "case-2", "ground": "mine", "item_ids": ("file",)}
    rival = theirs.draft(case.CaseSplit(**naming), clerk(PROCURATORATE))
    joining = {} if in_one_batch else {"source": mine.state, "split_from": split.ref}  # cited once it is recorded
    own = Case("case-2").open(**joining).last
    mine.say(case.CaseSplit, new_case_id="case-2", ground="it too", item_ids=("knife",))
    with open_ledger(founded, start=False) as ledger:
        before = [ledger.submit(event) for event in (*mine.events[:-1], *theirs.events)]
        if not in_one_batch:
            ledger.sequencer.start()
            for future in before:
                ledger.receipt(future)
        futures = [ledger.submit(event) for event in (opening, rival, mine.last, own)]
        if in_one_batch:
            ledger.sequencer.start()
        errors = [refusal(future) for future in futures[:2]]
        assert [(error.code, error.field) for error in errors if isinstance(error, RuleRefused)] == [
            ("split_for_another", "payload.stream.id"),
            ("split_for_another", "payload.body.new_case_id"),
        ]
        for future in (*before, *futures[2:]):
            ledger.receipt(future)
        verified(ledger.post(rival), rival)


def test_who_drafts_an_opening_is_told_that_the_case_is_another_agencys(founded: str) -> None:
    """A form refuses before the signature what would be refused after it."""
    mine = Case("case-1").open().register("phone")
    mine.say(case.CaseSplit, new_case_id="case-2", ground="two offences", item_ids=("phone",))
    with open_ledger(founded) as ledger:
        ledger.post_all(mine.events)
        for by, code in ((clerk(PROCURATORATE), "split_for_another"), (clerk(POLICE), None)):
            payload = Case("case-2").open(by).last.payload
            with refused(code, field="payload.stream.id") if code else nullcontext():
                ledger.validator.foresee(payload, ledger.clock.seconds)


def test_a_batch_may_name_more_items_than_a_statement_takes(founded: str) -> None:
    """Forty splits of a thousand parts each are one batch like any other."""
    with open_ledger(founded, start=False) as ledger:
        futures = []
        for number in range(40):
            sacks = Case(f"case-{number}").open().register(f"sack-{number}", quantity=1000)
            parts = tuple(ItemPart(item_id=f"grain-{number}-{part}", quantity=pieces(1)) for part in range(1000))
            sacks.act(ItemSplit(item_id=f"sack-{number}", parts=parts))
            futures += [ledger.submit(event) for event in sacks.events]
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
