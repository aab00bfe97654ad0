"""Judging a submission: pure verdicts on posted bytes, by the registry and the states that the log has."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.core.custody import CaseState
from ledger.core.errors import Conflict, IntegrityBroken, MalformedInput, RuleRefused, SignatureRefused, Unauthorized
from ledger.core.events import Authority, registry
from ledger.core.events import case as acts
from ledger.core.events.case import CustodyChangeRequested, CustodyPeriodNotified
from ledger.core.events.handover import HandoverOffered
from ledger.core.events.item import ItemDisposed
from ledger.core.events.record import SectionErased
from ledger.core.events.terms import EventRef
from ledger.recording import case_states
from ledger.recording.validation import Duplicate
from ledger.store import log
from ledger.store.append import ValidatedSubmission
from ledger.store.tables import ENTRIES
from tests.testkit import machine
from tests.testkit.builders import (
    COURT,
    DETENTION,
    POLICE,
    PROCURATORATE,
    START,
    Event,
    Officer,
    Writer,
    clerk,
    event_id,
    event_of,
    instant,
    refused,
    section,
    supervisor,
)
from tests.testkit.casework import Case, detained, person_id
from tests.testkit.ledgers import Ledger, open_ledger, sqlite_url

OFFICERS = (clerk(POLICE), clerk(PROCURATORATE), supervisor(POLICE))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A founded ledger on SQLite: police and procuratorate have a clerk each, the police a supervisor."""
    with open_ledger(sqlite_url(tmp_path)) as opened:
        yield opened.found(*OFFICERS)


OPENED = acts.CaseOpened(case_number="1", case_type="theft", business_line="criminal", stage="investigation")


def opening(case_id: str = "case-1", **fields: Any) -> Event:
    """The first event of a case, by a clerk of the police."""
    return Writer("case", case_id).write(OPENED, clerk(POLICE), **fields)


def size_of(ledger: Ledger) -> int:
    with ledger.database.read() as connection:
        return log.tree(connection).size


def test_a_possible_event_is_judged_and_nothing_is_changed(ledger: Ledger) -> None:
    """The verdict carries the state before and after; the log is as it was."""
    before = size_of(ledger)
    case = Case().open()
    verdict = ledger.validator.validate(case.last.submission, ledger.clock.seconds)
    assert isinstance(verdict, ValidatedSubmission)
    assert verdict.before is None
    assert verdict.after == case.state
    assert size_of(ledger) == before


@pytest.mark.parametrize("seconds", [-24 * 3600, 0, 5 * 60])
def test_a_signature_of_the_last_day_is_in_its_window(ledger: Ledger, seconds: int) -> None:
    """From 24 hours before to 5 minutes after now, both included."""
    signed_at = ledger.clock.seconds + seconds
    event = opening(signed_at=signed_at, occurred_at=instant(signed_at))
    assert isinstance(ledger.validator.validate(event.submission, ledger.clock.seconds), ValidatedSubmission)


@pytest.mark.parametrize("seconds", [-24 * 3600 - 1, 5 * 60 + 1])
def test_a_signature_outside_its_window_is_refused(ledger: Ledger, seconds: int) -> None:
    """One second further out is refused, naming the field."""
    event = opening(signed_at=ledger.clock.seconds + seconds)
    with refused("signed_at_out_of_window", field="envelope.signed_at", error=SignatureRefused):
        ledger.validator.validate(event.submission, ledger.clock.seconds)


def test_bytes_that_are_no_submission_are_malformed(ledger: Ledger) -> None:
    """Anything but the one spelling of a submission is refused before anything else is looked at."""
    data = Case().open().last.submission
    for spoiled in (b"", b"{}", b"[]", data + b" ", data.replace(b'"theft"', b'"th\\u0065ft"')):
        with pytest.raises(MalformedInput):
            ledger.validator.validate(spoiled, ledger.clock.seconds)


def test_a_signature_for_another_ledger_is_refused(ledger: Ledger) -> None:
    """The same key and the same words, signed for another log id, say nothing here."""
    event = Case(log_id=b"\x07" * 32).open().last
    with refused("signature_refused", field="envelope.signature", error=SignatureRefused):
        ledger.validator.validate(event.submission, ledger.clock.seconds)


def test_a_key_that_nobody_granted_is_refused(ledger: Ledger) -> None:
    """A right signature of a stranger's key is no right to write."""
    with refused("key_unknown", field="envelope.key_id", error=Unauthorized):
        ledger.validator.validate(Case().open(clerk(COURT)).last.submission, ledger.clock.seconds)


def test_a_key_serves_its_agency_its_officer_and_its_roles_only(ledger: Ledger) -> None:
    """The key of a police clerk signs for no other agency, in no other name, and nothing that takes a supervisor."""
    mine = clerk(POLICE)
    other_agency = event_of(OPENED, Forged(mine, agency=PROCURATORATE))
    other_officer = event_of(OPENED, Forged(mine, officer_id="somebody-else"))
    with refused("wrong_agency", field="envelope.agency", error=Unauthorized):
        ledger.validator.validate(other_agency.submission, ledger.clock.seconds)
    with refused("wrong_officer", field="payload.officer", error=Unauthorized):
        ledger.validator.validate(other_officer.submission, ledger.clock.seconds)
    case = Case().open()
    ledger.post(case.last)
    disposal = case.draft(ItemDisposed(cites=case.last.ref, disposed_at="2026-03-02T01:00:00Z"), mine)
    with refused("role_missing", field="envelope.key_id", error=Unauthorized):
        ledger.validator.validate(disposal.submission, ledger.clock.seconds)


class Forged(Officer):
    """Signs with the key of a real officer in another name or for another agency."""

    def __init__(self, real: Officer, *, officer_id: str | None = None, agency: str | None = None) -> None:
        super().__init__(officer_id or real.officer_id, agency or real.agency, real.roles)
        object.__setattr__(self, "_label", real.label)

    @property
    def label(self) -> str:
        return str(self._label)  # type: ignore[attr-defined]


def test_a_key_counts_as_soon_as_its_grant_stands_in_the_log(ledger: Ledger) -> None:
    """The first submission after the grant is judged by it, though nothing was sequenced since."""
    ledger.mirror(ledger.changes.admit(COURT).bodies[-1])
    ledger.mirror(ledger.changes.grant(clerk(COURT)).bodies[-1])
    assert ledger.post(Case("case-court").open(clerk(COURT)).last).index == size_of(ledger) - 1


def test_what_another_process_mirrored_counts_here(ledger: Ledger, tmp_path: Path) -> None:
    """A second process that sequences nothing itself knows the keys and agencies that the first one mirrored."""
    with open_ledger(sqlite_url(tmp_path), clock=ledger.clock) as other:
        assert isinstance(
            other.validator.validate(Case("warm").open().last.submission, ledger.clock.seconds), ValidatedSubmission
        )
        ledger.mirror(ledger.changes.admit(COURT).bodies[-1])
        ledger.mirror(ledger.changes.grant(clerk(COURT)).bodies[-1])
        by_court = Case("case-court").open(clerk(COURT)).last
        assert isinstance(other.validator.validate(by_court.submission, ledger.clock.seconds), ValidatedSubmission)
        to_court = Case("case-police").open().offer(to=COURT, purpose="public_prosecution")
        other.post(to_court.events[0])
        assert isinstance(other.validator.validate(to_court.last.submission, ledger.clock.seconds), ValidatedSubmission)


def test_a_handover_goes_to_an_admitted_agency_only(ledger: Ledger) -> None:
    """An offer to an agency that the ledger does not know is refused; the same agency admitted, it is not."""
    case = Case().open()
    ledger.post(case.last)
    offer = case.draft(HandoverOffered(handover_id="h1", to_agency=COURT, purpose="public_prosecution"), clerk(POLICE))
    with refused("unknown_agency", field="payload.body.to_agency"):
        ledger.validator.validate(offer.submission, ledger.clock.seconds)
    ledger.mirror(ledger.changes.admit(COURT).bodies[-1])
    assert isinstance(ledger.validator.validate(offer.submission, ledger.clock.seconds), ValidatedSubmission)


def test_a_person_is_kept_by_an_admitted_detention_house_only(ledger: Ledger) -> None:
    """A change of custody is asked of a detention house that the ledger knows, and a notice goes to one."""
    case = detained("li").offer(to=PROCURATORATE, persons=("li",)).accept()
    ledger.post_all(case.events)
    asked = {"custody_change_id": "custody-1", "handover_id": "handover-1", "person_id": person_id("li"), "number": "1"}
    fields = {"measure_id": "detention-li", "until": "2026-05-02", "number": "2", "article": "CPL 172"}

    def judge(house: str) -> None:
        for body in (
            CustodyChangeRequested(detention_house=house, **asked),
            CustodyPeriodNotified(detention_house=house, **fields),
        ):
            ledger.validator.validate(case.draft(body, clerk(PROCURATORATE)).submission, ledger.clock.seconds)

    with refused("not_a_detention_house", field="payload.body.detention_house"):
        judge(POLICE)
    with refused("unknown_agency", field="payload.body.detention_house"):
        judge(DETENTION)
    ledger.mirror(ledger.changes.admit(DETENTION).bodies[-1])
    judge(DETENTION)


def test_an_impossible_act_is_refused_by_its_rule(ledger: Ledger) -> None:
    """What the custody rules refuse is refused here, under the rule's name."""
    case = Case().open().register("phone")
    ledger.post_all(case.events)
    theirs = case.draft(acts.CaseClosed(ground="done"), clerk(PROCURATORATE))
    with refused("not_a_party", field="payload.agency"):
        ledger.validator.validate(theirs.submission, ledger.clock.seconds)


def test_an_event_on_an_old_head_is_told_the_new_one(ledger: Ledger) -> None:
    """The 409 carries what the client needs to sign again: the head's digest and the next sequence."""
    case = Case().open().register("phone")
    ledger.post_all(case.events)
    late = case.draft(acts.CaseNumbered(case_number="2"), clerk(POLICE), previous="blake3:" + "ab" * 32)
    with pytest.raises(Conflict) as lost:
        ledger.validator.validate(late.submission, ledger.clock.seconds)
    assert (lost.value.code, lost.value.head, lost.value.sequence) == ("not_on_head", case.last.digest, 2)


def test_an_event_cannot_stand_on_another_case(ledger: Ledger) -> None:
    """An event of one case on the head of another is off its own stream's head; the other case does not judge it."""
    first, two = Case("case-one").open(), Case("case-two").open()
    ledger.post_all([*first.events, *two.events])
    astray = two.draft(acts.CaseNumbered(case_number="2"), clerk(POLICE), previous=first.last.digest)
    with pytest.raises(Conflict) as lost:
        ledger.validator.validate(astray.submission, ledger.clock.seconds)
    assert (lost.value.head, lost.value.sequence) == (two.last.digest, 1)


def test_a_recorded_event_is_a_duplicate_whatever_has_happened_since(ledger: Ledger) -> None:
    """The stream moved on, the window closed, the key was revoked: the same event by the same signer is known."""
    case = Case().open().register("phone")
    ledger.post_all(case.events)
    first = case.events[0]
    ledger.mirror(ledger.changes.revoke(clerk(POLICE)).bodies[-1])
    ledger.clock.forward(48 * 3600)
    assert isinstance(ledger.validator.validate(first.submission, ledger.clock.seconds), Duplicate)


def test_an_event_id_is_taken_once(ledger: Ledger) -> None:
    """The id of a recorded event with another payload is refused, whatever else is wrong with it."""
    case = Case().open()
    ledger.post(case.last)
    again = opening("case-2", event_id=case.last.envelope.event_id)
    with refused("event_id_taken", field="envelope.event_id", error=Conflict):
        ledger.post(again)
    ledger.clock.forward(48 * 3600)
    with refused("event_id_taken", field="envelope.event_id", error=Conflict):
        ledger.post(again)


def test_states_are_folded_again_where_they_are_not_remembered(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new process, and one that remembers a single state, judge as one that remembers all."""
    case = long_history()
    ledger.post_all(case.events)
    with open_ledger(sqlite_url(tmp_path), clock=ledger.clock) as cold:
        assert cold.validator.states.of_case("case-1") == case.state
        monkeypatch.setattr(case_states, "STATES_KEPT", 1)
        other = Case("case-2").open().register("other-item")
        for event in (*other.events, case.register("late-item").last, other.register("last-item").last):
            cold.post(event)
        assert cold.validator.states.of_case("case-1") == case.state
        assert cold.validator.states.of_case("case-2") == other.state


def long_history() -> Case:
    """Offers taken, refused, recalled, given back; items split: every kind of state."""
    case = Case().open().name("suspect").register("phone", "knife").register("cash", kind="property", quantity=10)
    case.offer("phone", to=PROCURATORATE).refuse().offer("phone", "knife", to=PROCURATORATE).recall()
    case.offer("phone", "knife", to=PROCURATORATE, persons=("suspect",)).accept()
    return case.give_back("knife").accept()


def test_a_case_is_not_there_until_it_is_opened(ledger: Ledger) -> None:
    """No state, no error: there is no such case."""
    assert ledger.validator.states.of_case("nowhere") is None
    assert ledger.validator.states.after("blake3:" + "00" * 32) is None


def test_what_a_split_gives_up_is_taken_over_by_the_case_that_cites_it(ledger: Ledger) -> None:
    """The items of a split are read from the other case's stream, once the split is in the log."""
    first = Case("case-one").open().register("phone", "knife")
    ledger.post_all(first.events)
    first.act(acts.CaseSplit(new_case_id="case-two", ground="another suspect", item_ids=("phone",)))
    cited = EventRef(event_id=first.last.envelope.event_id, payload_digest=first.last.digest)
    two = Case("case-two").open(source=first.state, split_from=cited)
    with refused("no_such_split", field="payload.body.split_from"):
        ledger.validator.validate(two.last.submission, ledger.clock.seconds)
    ledger.post(first.last)
    ledger.post(two.last)
    state = ledger.validator.states.of_case("case-two")
    assert isinstance(state, CaseState)
    assert set(state.items) == {"phone"}


def test_a_section_is_erased_from_its_own_stream_only(ledger: Ledger) -> None:
    """An agency cannot erase a case's section from its own stream, nor one case that of another."""
    case = Case("case-one").act(OPENED, clerk(POLICE), sections={"narrative": section()})
    other = Case("case-two").open()
    ledger.post_all([*case.events, *other.events])
    erasure = SectionErased(concerns=case.last.ref, label="narrative", ground="on request")
    on = {"authority": Authority("statute", "Personal Information Protection Law 47")}
    from_agency = Writer("agency", POLICE).draft(erasure, supervisor(POLICE), **on)
    from_case = other.draft(erasure, supervisor(POLICE), **on)
    for event in (from_agency, from_case):
        with refused("unknown_section", field="payload.body"):
            ledger.validator.validate(event.submission, ledger.clock.seconds)
    of_two = replace(erasure, concerns=replace(case.last.ref, event_id=other.last.envelope.event_id))
    with refused("unknown_section", field="payload.body"):
        ledger.validator.validate(case.draft(of_two, supervisor(POLICE), **on).submission, ledger.clock.seconds)
    wrong_label = case.draft(replace(erasure, label="description"), supervisor(POLICE), **on)
    with refused("unknown_section", field="payload.body"):
        ledger.validator.validate(wrong_label.submission, ledger.clock.seconds)
    assert isinstance(
        ledger.validator.validate(case.draft(erasure, supervisor(POLICE), **on).submission, START + 3600),
        ValidatedSubmission,
    )


def test_only_the_service_mirrors_the_registry(ledger: Ledger) -> None:
    """An officer cannot admit an agency by signing a registry entry himself."""
    change = ledger.changes.add(registry.QuorumSet, quorum=1)
    forged = Writer("system", "ledger").draft(change, clerk(POLICE), event_id=event_id("forged"))
    with refused("service_only", field="envelope.key_id", error=Unauthorized):
        ledger.validator.validate(forged.submission, ledger.clock.seconds)


def test_refusals_are_told_by_their_kind(ledger: Ledger) -> None:
    """A rule's refusal is no conflict: opening a case by another event than case.opened is against a rule."""
    with pytest.raises(RuleRefused) as refusal:
        ledger.validator.validate(
            Writer("case", "fresh").draft(acts.CaseNumbered(case_number="1"), clerk(POLICE)).submission,
            ledger.clock.seconds,
        )
    assert refusal.value.code == "not_opened"


def test_the_first_submissions_may_come_all_at_once() -> None:
    """A process that has decoded nothing yet takes its first submissions in many threads without breaking down."""
    program = (
        "import sys; from threading import Barrier, Thread; from ledger.core.events import decode_submission;"
        "data = sys.stdin.buffer.read(); start = Barrier(16);"
        "run = lambda: (start.wait(), [decode_submission(data) for _ in range(20)]);"
        "threads = [Thread(target=run) for _ in range(16)];"
        "[thread.start() for thread in threads]; [thread.join() for thread in threads]"
    )
    data = Case().open().last.submission
    for _ in range(3):
        subprocess.run([sys.executable, "-c", program], input=data, cwd=machine.REPOSITORY, check=True)


def test_nothing_is_judged_on_a_payload_that_was_edited(ledger: Ledger) -> None:
    """A case whose stored payload is not the signed one is not folded: the refusal names the entry."""
    story = Case().open().register("phone")
    ledger.post_all(story.events)
    ledger.validator.states = case_states.CaseStates(ledger.database, story.book)
    with ledger.database.write() as connection:
        edited = ENTRIES.update().where(ENTRIES.c.event_type == "case.opened")
        connection.execute(edited.values(payload=story.events[0].payload_bytes.replace(b"theft", b"fraud")))
    with pytest.raises(IntegrityBroken, match="is not the one that was signed"):
        ledger.validator.states.of_case("case-1")


def test_what_would_come_of_a_draft_is_foreseen(ledger: Ledger) -> None:
    """The outcome is that of the signed event, refusals are those of judging it, and nothing is kept of it."""
    case = Case().open()
    ledger.post(case.last)
    drafted = case.register("phone").last.payload
    before, outcome = ledger.validator.foresee(drafted, ledger.clock.seconds)
    assert before is not None
    assert (before.sequence, outcome.state.head) == (0, case.state.head)
    offer = case.offer("phone", to="nobody-there").last.payload
    with refused("not_on_head", field="payload.previous", error=Conflict):
        ledger.validator.foresee(case.recall().last.payload, ledger.clock.seconds)
    ledger.post(case.events[1])
    with refused("unknown_agency", field="payload.body.to_agency"):
        ledger.validator.foresee(offer, ledger.clock.seconds)
