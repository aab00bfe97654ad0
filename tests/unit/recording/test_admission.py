"""Admission under the lock: one winner for a head, and the registry as the log has it by then."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from ledger.core.errors import Conflict, RuleRefused, Unauthorized
from ledger.core.events import case
from ledger.core.visibility import Reader
from ledger.store import cases
from ledger.store.cases import Page
from tests.testkit.builders import COURT, LAB, POLICE, PROCURATORATE, SERVICE, clerk, instant, refused
from tests.testkit.casework import Case, person_id, registration
from tests.testkit.ledgers import Ledger, open_ledger, verified
from tests.unit.recording.stand import OFFICERS, OPENED, entries_of, refusal


def test_of_two_rivals_for_one_head_one_wins(each_database_url: str) -> None:
    """The loser gets head and next sequence; signed again on them it goes through. The batch survives it."""
    with open_ledger(each_database_url) as ledger:
        ledger.found(*OFFICERS)
        opened = ledger.post(Case("case-1").open().last)
        assert opened.index > 0
    with open_ledger(each_database_url, start=False) as ledger:
        mine, yours, second_case = Case("case-1").open(), Case("case-1").open(), Case("case-2").open()
        mine.register("phone")
        yours.act(
            registration("knife"), clerk(POLICE, 2), event_id=second_case.draft(OPENED, clerk(POLICE)).envelope.event_id
        )
        futures = [ledger.submit(event) for event in (mine.last, yours.last, second_case.last)]
        ledger.sequencer.start()
        verified(ledger.receipt(futures[0]), mine.last)
        verified(ledger.receipt(futures[2]), second_case.last)
        lost = refusal(futures[1])
        assert isinstance(lost, Conflict)
        assert (lost.code, lost.head, lost.sequence) == ("not_on_head", mine.last.event.leaf_hash, 2)
        rebased = mine.register("knife", by=clerk(POLICE, 2))
        verified(ledger.post(rebased.last), rebased.last)


def test_an_item_id_is_the_case_s_own(ledger: Ledger) -> None:
    """Whether another case has one of the same id is told to nobody: both are recorded, and each is shown its own."""
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
def test_a_case_that_another_agency_split_off_is_not_opened_first(gathering: Ledger, in_one_batch: bool) -> None:
    """Whoever has read a split neither opens the case that it is for, nor names it in a split of its own, nor is told
    otherwise before it signs; the splitting agency does both."""
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
    before = [gathering.submit(event) for event in (*mine.events[:-1], *theirs.events)]
    if not in_one_batch:
        gathering.sequencer.start()
        for future in before:
            gathering.receipt(future)
    futures = [gathering.submit(event) for event in (opening, rival, mine.last, own)]
    if in_one_batch:
        gathering.sequencer.start()
    errors = [refusal(future) for future in futures[:2]]
    assert [(error.code, error.field) for error in errors if isinstance(error, RuleRefused)] == [
        ("split_for_another", "envelope.stream.id"),
        ("split_for_another", "payload.body.new_case_id"),
    ]
    for future in (*before, *futures[2:]):
        gathering.receipt(future)


def test_who_drafts_an_opening_is_told_that_the_case_is_another_agencys(ledger: Ledger) -> None:
    """A form refuses before the signature what would be refused after it."""
    mine = Case("case-1").open().register("phone")
    mine.say(case.CaseSplit, new_case_id="case-2", ground="two offences", item_ids=("phone",))
    ledger.post_all(mine.events)
    for by, code in ((clerk(PROCURATORATE), "split_for_another"), (clerk(POLICE), None)):
        event = Case("case-2").open(by).last.event
        with refused(code, field="envelope.stream.id") if code else nullcontext():
            ledger.validator.foresee(event)


@pytest.mark.parametrize("in_one_batch", [True, False])
def test_a_case_is_not_closed_over_what_was_split_off(gathering: Ledger, in_one_batch: bool) -> None:
    """Until another case has it: it would be in no list, and no clock of it would run. A split of nothing is none."""
    old = Case("case-1").open().name("li")
    old.say(case.CaseSplit, new_case_id="case-2", ground="two offences", person_ids=(person_id("li"),))
    split, given_up = old.last, old.state
    old.say(case.CaseSplit, new_case_id="case-4", ground="nothing")
    closing = old.draft(case.CaseClosed(ground="over"), clerk(POLICE))
    before = [gathering.submit(event) for event in old.events]
    if in_one_batch:
        early = gathering.submit(closing)
        gathering.sequencer.start()
        error = refusal(early)
        assert isinstance(error, RuleRefused)
    else:
        gathering.sequencer.start()
        for future in before:
            gathering.receipt(future)
        with refused("split_not_taken_over", field="payload.event_type"):
            gathering.validator.foresee(closing.event)
        with pytest.raises(RuleRefused) as caught:
            gathering.submit(closing)
        error = caught.value
    assert (error.code, error.field) == ("split_not_taken_over", "payload.event_type")
    assert f"tally case open --case-id case-2 --split-from {split.event.event_id}" in str(error.hint)
    with gathering.database.read() as connection:
        assert [split.new_case_id for split in cases.open_splits(connection, agency=POLICE)] == ["case-2"]
    new = Case("case-2").open(source=given_up, split_from=split.ref)
    gathering.post(new.last)
    verified(gathering.post(closing), closing)


def test_nothing_is_split_off_for_an_open_case_that_cannot_take_it_over(ledger: Ledger) -> None:
    """It would be in no case for ever: the open one is another agency's, or has another item of the id."""
    mine, second_case = Case("case-1").open().register("phone", "knife"), Case("case-3").open().register("phone")
    theirs = Case("case-2").open(clerk(PROCURATORATE))
    ledger.post_all([*mine.events, *second_case.events, *theirs.events])
    for new_case_id, code in (("case-2", "not_responsible"), ("case-3", "duplicate_id")):
        body = case.CaseSplit(new_case_id=new_case_id, ground="another deed", item_ids=("phone",))
        split = mine.draft(body, clerk(POLICE))
        for attempt in (
            lambda split=split: ledger.validator.foresee(split.event),
            lambda split=split: ledger.post(split),
        ):
            with refused(code, field="payload.body.new_case_id"):
                attempt()
    mine.say(case.CaseSplit, new_case_id="case-3", ground="another deed", item_ids=("knife",))
    verified(ledger.post(mine.last), mine.last)


def test_a_case_that_is_not_opened_gets_no_two_things_of_one_id(ledger: Ledger) -> None:
    """It could take over only one of the splits, and the time of who is in the other would run on for ever."""
    first, second = (Case(case_id).open().name(person) for case_id, person in (("case-1", "li"), ("case-3", "wang")))
    for each, person in ((first, "li"), (second, "wang")):
        each.register("phone", "knife").impose(person, "detention", measure_id="detention-1")
    first.say(case.CaseSplit, new_case_id="case-2", item_ids=("phone",), person_ids=(person_id("li"),))
    ledger.post_all([*first.events, *second.events])
    for going in ({"item_ids": ("phone",)}, {"person_ids": (person_id("wang"),)}):
        split = second.draft(case.CaseSplit(new_case_id="case-2", ground="it too", **going), clerk(POLICE))
        for attempt in (
            lambda split=split: ledger.validator.foresee(split.event),
            lambda split=split: ledger.post(split),
        ):
            with refused("duplicate_id", field="payload.body.new_case_id"):
                attempt()
    second.say(case.CaseSplit, new_case_id="case-2", item_ids=("knife",))
    split, given_up = second.last, second.state
    second.say(case.CaseSplit, new_case_id="case-4", item_ids=("phone",), person_ids=(person_id("wang"),))
    ledger.post_all(second.events[-2:])
    new = Case("case-2").open(source=first.state, split_from=first.last.ref)
    ledger.post_all(new.say(case.CaseJoined, other_case_id="case-3", cites=split.ref, source=given_up).events)


def test_a_case_is_closed_over_what_nobody_can_take_over_any_more(ledger: Ledger) -> None:
    """Not while the open case can: only once that is another agency's. The splitting agency still sees what it did."""
    mine, second_case = Case("case-1").open().register("phone"), Case("case-2").open()
    mine.say(case.CaseSplit, new_case_id="case-2", ground="another deed", item_ids=("phone",))
    closing = mine.draft(case.CaseClosed(ground="over"), clerk(POLICE))
    ledger.post_all([*mine.events, *second_case.events])
    for attempt in (lambda: ledger.validator.foresee(closing.event), lambda: ledger.post(closing)):
        with refused("split_not_taken_over", field="payload.event_type"):
            attempt()
    before = len(second_case.events)
    second_case.register("file").offer("file", to=PROCURATORATE).accept()
    ledger.post_all(second_case.events[before:])
    verified(ledger.post(closing), closing)
    with ledger.database.read() as connection:
        assert [split.new_case_id for split in cases.open_splits(connection, agency=POLICE)] == ["case-2"]


def test_an_agency_closes_a_case_from_which_an_earlier_one_split_something_off(ledger: Ledger) -> None:
    """It cannot take that over, and what the earlier one leaves undone does not bind it; the other one still can."""
    old = Case("case-1").open().register("phone", "file")
    old.say(case.CaseSplit, new_case_id="case-2", ground="another deed", item_ids=("phone",))
    split, given_up = old.last, old.state
    old.offer("file", to=PROCURATORATE).accept().say(case.CaseClosed, clerk(PROCURATORATE), ground="over")
    ledger.post_all(old.events)
    new = Case("case-2").open(source=given_up, split_from=split.ref)
    verified(ledger.post(new.last), new.last)


def test_a_key_revoked_between_judging_and_committing_is_refused_at_its_index(gathering: Ledger) -> None:
    """What stands before the revocation in the log is good, what would stand after it is not."""
    before, after = Case("case-before").open(), Case("case-after").open()
    revocation = gathering.system_writer.write(gathering.changes.revoke(clerk(POLICE)).bodies[-1], SERVICE)
    futures = [gathering.submit(event) for event in (before.last, revocation, after.last)]
    gathering.sequencer.start()
    verified(gathering.receipt(futures[0]), before.last)
    revoked_at = gathering.receipt(futures[1]).index
    refused = refusal(futures[2])
    assert isinstance(refused, Unauthorized)
    assert refused.code == "key_revoked"
    assert str(revoked_at) in str(refused)
    assert before.last.entry in entries_of(gathering)
    assert after.last.entry not in entries_of(gathering)


def test_a_verdict_by_an_old_registry_is_looked_at_again(gathering: Ledger) -> None:
    """A revocation that another process committed counts here, though the event was judged before it."""
    with open_ledger(gathering.database.url) as second_ledger:
        future = gathering.submit(Case().open().last)
        second_ledger.system_writer = gathering.system_writer
        second_ledger.mirror(gathering.changes.revoke(clerk(POLICE)).bodies[-1])
        gathering.sequencer.start()
        assert refusal(future).code == "key_revoked"


def test_a_change_of_the_registry_is_mirrored_once(ledger: Ledger) -> None:
    """The same change signed anew, by another process that mirrors too, is a conflict and not a broken log."""
    body = ledger.changes.admit(COURT).bodies[-1]
    ledger.mirror(body)
    with refused("already_mirrored", field="payload.body.number", error=Conflict):
        ledger.mirror(body)
    assert ledger.sequencer.failure is None
