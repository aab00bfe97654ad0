"""Judging a submission: pure verdicts on posted bytes, by the registry, the states and what other events say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import event as engine_events

from ledger.core.custody import CaseState, kept_state
from ledger.core.errors import (
    Conflict,
    IntegrityBroken,
    MalformedInput,
    RuleRefused,
    SignatureRefused,
    TallystickError,
    Unauthorized,
)
from ledger.core.events import Authority, registry
from ledger.core.events import case as acts
from ledger.core.events.case import CustodyChangeRequested, CustodyPeriodNotified, PersonNamed
from ledger.core.events.handover import HandoverOffered
from ledger.core.events.record import (
    IN_NEW_SECTION,
    IN_SECTION,
    Correction,
    DisclosureMade,
    ErasureProposed,
    RecordCorrected,
    RecordLate,
)
from ledger.core.events.terms import EventRef
from ledger.recording import case_states, registry_view
from ledger.recording.validation import Duplicate
from ledger.store import clock_lines, log
from ledger.store.append import ValidatedSubmission, rows_of
from ledger.store.tables import ENTRIES
from tests.testkit.builders import (
    COURT,
    DETENTION,
    KINDS,
    POLICE,
    PROCURATORATE,
    SERVICE,
    START,
    Officer,
    Registry,
    SignedEvent,
    Writer,
    clerk,
    event_id,
    event_of,
    instant,
    refused,
    section,
    supervisor,
)
from tests.testkit.casework import Case, detained, person_id, registration, second_of
from tests.testkit.ledgers import Ledger, open_ledger, sqlite_url
from tests.unit.recording.stand import OPENED, resigned

OFFICERS = (clerk(POLICE), clerk(PROCURATORATE), supervisor(POLICE))


def opening(case_id: str = "case-1", **fields: Any) -> SignedEvent:
    """The first event of a case, by a clerk of the police."""
    return Writer("case", case_id).write(OPENED, clerk(POLICE), **fields)


def size_of(ledger: Ledger) -> int:
    with ledger.database.read() as connection:
        return log.tree(connection).size


def validate(ledger: Ledger, event: SignedEvent) -> object:
    return ledger.validator.validate(event.submission, ledger.clock.seconds)


def test_a_possible_event_is_judged_and_nothing_is_changed(ledger: Ledger) -> None:
    """The verdict carries the rows that the event makes, and the state after it is kept; the log is as it was."""
    before = size_of(ledger)
    case = Case().open()
    verdict = validate(ledger, case.last)
    assert isinstance(verdict, ValidatedSubmission)
    book = ledger.validator.book_of(case.state)
    assert verdict.rows == rows_of(case.last.event, None, case.state, clock_lines.changes(None, case.state, book))
    following = case.draft(registration("phone"), clerk(POLICE)).event
    assert ledger.validator.states.at_head(following) == case.state
    assert size_of(ledger) == before


class Forged(Officer):
    """Signs with the key of a clerk of the police."""

    label = clerk(POLICE).label


QUORUM = Registry().add(registry.QuorumSet, quorum=1)
MIRRORED = Writer("system", "ledger").draft(QUORUM, clerk(POLICE), event_id=event_id("forged"))
REFUSED: dict[str, tuple[SignedEvent, type[TallystickError], str]] = {
    "signed_at_out_of_window": (opening(signed_at=START - 24 * 3600), SignatureRefused, "envelope.signed_at"),
    "signature_refused": (Case(log_id=b"\x07" * 32).open().last, SignatureRefused, "envelope.signature"),
    "key_unknown": (Case().open(clerk(COURT)).last, Unauthorized, "envelope.key_id"),
    "wrong_officer": (event_of(OPENED, Forged("else", POLICE, ("clerk",))), Unauthorized, "payload.officer"),
    "service_only": (MIRRORED, Unauthorized, "envelope.key_id"),
    "not_opened": (
        Writer("case", "fresh").draft(acts.CaseNumbered(case_number="1"), clerk(POLICE)),
        RuleRefused,
        "envelope.event_type",
    ),
}


def test_what_the_core_refuses_is_refused(ledger: Ledger) -> None:
    """Time, signature, key, agency, officer and rule, each by its name and field; tests/unit/core has each of them."""
    for code, (event, error, field) in REFUSED.items():
        with refused(code, field=field, error=error):
            validate(ledger, event)


def test_bytes_that_are_no_submission_are_malformed(ledger: Ledger) -> None:
    """Anything but the one spelling of a submission is refused before anything else is looked at."""
    for spoiled in (b"{}", Case().open().last.submission + b" "):
        with pytest.raises(MalformedInput):
            ledger.validator.validate(spoiled, ledger.clock.seconds)


def test_what_another_process_mirrored_counts_here(ledger: Ledger, tmp_path: Path) -> None:
    """A second process that sequences nothing itself knows the keys and agencies that the first one mirrored."""
    with open_ledger(sqlite_url(tmp_path), clock=ledger.clock) as second_ledger:
        assert isinstance(validate(second_ledger, Case("warm").open().last), ValidatedSubmission)
        ledger.mirror(ledger.changes.admit(COURT).bodies[-1])
        ledger.mirror(ledger.changes.grant(clerk(COURT)).bodies[-1])
        by_court = Case("case-court").open(clerk(COURT)).last
        assert isinstance(validate(second_ledger, by_court), ValidatedSubmission)
        to_court = Case("case-police").open().offer(to=COURT, purpose="public_prosecution")
        second_ledger.post(to_court.events[0])
        assert isinstance(validate(second_ledger, to_court.last), ValidatedSubmission)


def test_a_handover_goes_to_an_admitted_agency_only(ledger: Ledger) -> None:
    """An offer to an agency that the ledger does not know is refused; the same agency admitted, it is not."""
    case = Case().open()
    ledger.post(case.last)
    offer = case.draft(HandoverOffered(handover_id="h1", to_agency=COURT, purpose="public_prosecution"), clerk(POLICE))
    with refused("unknown_agency", field="payload.body.to_agency"):
        validate(ledger, offer)
    ledger.mirror(ledger.changes.admit(COURT).bodies[-1])
    assert isinstance(validate(ledger, offer), ValidatedSubmission)


def test_a_person_is_kept_by_an_admitted_detention_house_only(ledger: Ledger) -> None:
    """A change of custody is asked of a detention house that the ledger knows, and a notice goes to one."""
    case = detained("li").offer(to=PROCURATORATE, persons=("li",)).accept()
    ledger.post_all(case.events)
    asked = {"custody_change_id": "custody-1", "handover_id": "handover-1", "person_id": person_id("li"), "number": "1"}
    fields = {"measure_id": "detention-li", "until": "2026-05-02", "number": "2", "article": "CPL 172"}

    def ask(house: str) -> None:
        for body in (
            CustodyChangeRequested(keeper=house, **asked),
            CustodyPeriodNotified(keeper=house, **fields),
        ):
            validate(ledger, case.draft(body, clerk(PROCURATORATE)))

    with refused("not_a_keeper", field="payload.body.keeper"):
        ask(POLICE)
    with refused("unknown_agency", field="payload.body.keeper"):
        ask(DETENTION)
    ledger.mirror(ledger.changes.admit(DETENTION).bodies[-1])
    ask(DETENTION)


def test_an_event_on_an_old_head_is_told_the_new_one(ledger: Ledger) -> None:
    """The 409 carries what the client needs to sign again: the head's leaf hash and the next sequence. On the head of
    another case an event is off its own stream's; the other one does not judge it."""
    case = Case().open().register("phone")
    ledger.post_all(case.events)
    late = case.draft(acts.CaseNumbered(case_number="2"), clerk(POLICE), previous="sha256:" + "ab" * 32)
    with pytest.raises(Conflict) as lost:
        validate(ledger, late)
    assert (lost.value.code, lost.value.head, lost.value.sequence) == ("not_on_head", case.last.event.leaf_hash, 2)
    first, two = Case("case-one").open(), Case("case-two").open()
    ledger.post_all([*first.events, *two.events])
    astray = two.draft(acts.CaseNumbered(case_number="2"), clerk(POLICE), previous=first.last.event.leaf_hash)
    with pytest.raises(Conflict) as lost:
        validate(ledger, astray)
    assert (lost.value.head, lost.value.sequence) == (two.last.event.leaf_hash, 1)


def test_a_recorded_event_is_a_duplicate_whatever_has_happened_since(ledger: Ledger) -> None:
    """The stream moved on, the window closed, the key was revoked: the same event by the same signer is known."""
    case = Case().open().register("phone")
    ledger.post_all(case.events)
    first = case.events[0]
    ledger.mirror(ledger.changes.revoke(clerk(POLICE)).bodies[-1])
    ledger.clock.forward(48 * 3600)
    assert isinstance(validate(ledger, first), Duplicate)


def test_an_event_id_is_taken_once(ledger: Ledger) -> None:
    """The id of a recorded event with another payload or signer is refused, whatever else is wrong with it."""
    case = Case().open()
    ledger.post(case.last)
    again = opening("case-2", event_id=case.last.envelope.event_id)
    by_another = resigned(case.last, supervisor(POLICE), key_id=supervisor(POLICE).key_id)
    for event, hours in ((again, 0), (by_another, 0), (again, 48)):
        ledger.clock.forward(hours * 3600)
        with refused("event_id_taken", field="envelope.event_id", error=Conflict):
            ledger.post(event)


def test_states_are_folded_again_where_they_are_not_remembered(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new process, and one that remembers a single state, judge as one that remembers all."""
    case = long_history()
    ledger.post_all(case.events)
    with open_ledger(sqlite_url(tmp_path), clock=ledger.clock) as cold:
        assert cold.validator.states.of_case("case-1") == case.state
        monkeypatch.setattr(case_states, "STATES_CACHED", 1)
        second_case = Case("case-2").open().register("other-item")
        for event in (*second_case.events, case.register("late-item").last, second_case.register("last-item").last):
            cold.post(event)
        assert cold.validator.states.of_case("case-1") == case.state
        assert cold.validator.states.of_case("case-2") == second_case.state


def test_a_case_is_folded_on_from_an_earlier_state(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what is new is folded; a state that never came into the log, or of another adoption, leads nowhere."""
    case = long_history()
    ledger.post_all(case.events)
    with open_ledger(sqlite_url(tmp_path), clock=ledger.clock) as second_ledger:
        states = second_ledger.validator.states
        assert states.of_case("case-1") == case.state
        folded = counted(monkeypatch)
        ledger.post(case.register("late-item").last)
        assert states.of_case("case-1") == case.state
        assert len(folded) == 1
        assert isinstance(
            validate(second_ledger, case.draft(registration("lost-item"), clerk(POLICE))), ValidatedSubmission
        )
        ledger.post(case.register("last-item").last)
        assert states.of_case("case-1") == case.state
        assert len(folded) == 1 + len(case.events)


def long_history() -> Case:
    """Offers taken, refused, recalled, given back; items split: every kind of state."""
    case = Case().open().name("suspect").register("phone", "knife").register("cash", kind="property", quantity=10)
    case.offer("phone", to=PROCURATORATE).refuse().offer("phone", "knife", to=PROCURATORATE).recall()
    case.offer("phone", "knife", to=PROCURATORATE, persons=("suspect",)).accept()
    return case.give_back("knife").accept()


def test_a_case_is_not_there_until_it_is_opened(ledger: Ledger) -> None:
    """No state, no error: there is no such case."""
    assert ledger.validator.states.of_case("nowhere") is None


def test_nothing_is_folded_for_a_citation_of_what_is_no_split_for_the_case(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has a key may cite any event: what it costs to refuse it does not grow with the case cited."""
    first = Case().open().register("phone", "knife")
    first.act(acts.CaseSplit(new_case_id="case-new", ground="another suspect", item_ids=("phone",)))
    ledger.post_all(first.events)
    monkeypatch.setattr(ledger.validator, "states", states_of(ledger))
    folded = counted(monkeypatch)
    split, earlier = first.last.ref, first.events[-2].ref
    cited = {
        "an event of another agency": (split, "case-new", clerk(PROCURATORATE)),
        "a split for another case": (split, "case-other", clerk(POLICE)),
        "no split": (earlier, "case-new", clerk(POLICE)),
        "another payload": (replace(split, payload_digest=earlier.payload_digest), "case-new", clerk(POLICE)),
        "no event": (replace(split, event_id=Case("case-3").open().last.event.event_id), "case-new", clerk(POLICE)),
    }
    for fault, (ref, case_id, signer) in cited.items():
        with refused("no_such_split", field="payload.body.split_from"):
            validate(ledger, Case(case_id).draft(replace(OPENED, split_from=ref), signer))
        assert not folded, fault


def test_a_case_that_a_race_was_lost_in_is_folded_on_from_the_kept_state(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state of an event that never came into the log stands in the way of no earlier one that did."""
    case = Case().open()
    for number in range(kept_state.KEPT_FROM):
        case.register(f"item-{number}")
    ledger.post_all(case.events)
    with open_ledger(sqlite_url(tmp_path), clock=ledger.clock) as second_ledger:
        lost = case.draft(registration("lost-item"), clerk(POLICE))
        second_ledger.validator.validate(lost.submission, lost.envelope.signed_at)
        ledger.post(case.register("won-item").last)
        folded = counted(monkeypatch)
        assert second_ledger.validator.states.of_case("case-1") == case.state
        assert 0 < len(folded) < kept_state.KEPT_FROM / 2


def test_cached_states_are_bounded_by_the_events_of_their_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    """The case that was not used for the longest time goes first, and one case alone stays however long it is."""
    monkeypatch.setattr(case_states, "EVENTS_CACHED", 6)
    cached = case_states.CachedStates()
    first, second, third = (Case(f"case-{number}").open().register("phone", "knife") for number in range(3))
    for case in (first, second):
        cached.add((0, case.state.head), case.state)
    assert cached.get((0, first.state.head)) is first.state
    cached.add((0, third.state.head), third.state)
    assert cached.furthest_of("case-1", 0) is None
    assert {case.state.case_id for case in (first, third) if cached.get((0, case.state.head))} == {"case-0", "case-2"}
    for number in range(5):
        cached.add((0, third.register(f"item-{number}").state.head), third.state)
    assert cached.furthest_of("case-0", 0) is None
    assert cached.furthest_of("case-2", 0) is third.state


def test_a_state_that_was_folded_apart_counts_by_all_of_its_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """An earlier state that comes behind one that goes further was folded by itself, and shares nothing with that."""
    monkeypatch.setattr(case_states, "EVENTS_CACHED", 9)
    cached, case = case_states.CachedStates(), Case().open()
    states = [case.state, *(case.register(f"item-{number}").state for number in range(4))]
    for state in (states[-1], states[1], states[2]):
        cached.add((0, state.head), state)
    assert cached.get((0, states[-1].head)) is None
    assert cached.get((0, states[2].head)) is states[2]


def test_an_earlier_state_does_not_take_the_place_of_one_that_goes_further() -> None:
    """A case that is asked for as it was is folded on from where it is."""
    cached, case = case_states.CachedStates(), Case().open()
    opened = case.state
    later = case.register("phone").state
    cached.add((0, later.head), later)
    cached.add((0, opened.head), opened)
    assert cached.furthest_of("case-1", 0) is later
    cached.add((1, opened.head), opened)
    assert cached.furthest_of("case-1", 0) is None
    assert cached.furthest_of("case-1", 1) is opened


def states_of(ledger: Ledger) -> case_states.CaseStates:
    """Return states that remember nothing yet."""
    return case_states.CaseStates(ledger.database, ledger.validator.procedures, ledger.registry.kinds)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return what is folded to make states from now on."""
    folded: list[object] = []
    fold = case_states.fold
    monkeypatch.setattr(case_states, "fold", lambda *args: folded.append(args) or fold(*args))
    return folded


def test_what_a_split_gives_up_is_taken_over_by_the_case_that_cites_it(ledger: Ledger) -> None:
    """The items of a split are read from the other case's stream, once the split is in the log."""
    first = Case("case-one").open().register("phone", "knife")
    ledger.post_all(first.events)
    first.act(acts.CaseSplit(new_case_id="case-two", ground="another suspect", item_ids=("phone",)))
    two = Case("case-two").open(source=first.state, split_from=first.last.ref)
    with refused("no_such_split", field="payload.body.split_from"):
        validate(ledger, two.last)
    ledger.post(first.last)
    ledger.post(two.last)
    state = ledger.validator.states.of_case("case-two")
    assert isinstance(state, CaseState)
    assert set(state.items) == {"phone"}


def line_of_splits(ledger: Ledger, name: str, length: int) -> Case:
    """Post so many cases, each opened by a split of the one before; return the last one."""
    case = Case(f"{name}-0").open().register(f"phone-{name}")
    for number in range(1, length):
        split = acts.CaseSplit(new_case_id=f"{name}-{number}", ground="another suspect", item_ids=(f"phone-{name}",))
        following = Case(f"{name}-{number}").open(source=case.act(split).state, split_from=case.last.ref)
        ledger.post_all(case.events)
        case = following
    ledger.post_all(case.events)
    return case


@pytest.mark.parametrize("at_once", [1, 5, case_states.SPLITS_AT_ONCE])
def test_a_long_line_of_splits_takes_one_connection(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """Each case was opened by a split of the one before: a new process folds the last one by one connection, and as
    many within one another as the stack has room for, also where two such lines join.
    """
    monkeypatch.setattr(case_states, "SPLITS_AT_ONCE", at_once)
    case, shorter_line = line_of_splits(ledger, "case", 36), line_of_splits(ledger, "other", 24)
    line = case.state
    shorter_line.act(acts.CaseSplit(new_case_id=case.state.case_id, ground="one offence", item_ids=("phone-other",)))
    ledger.post(shorter_line.last)
    joined = acts.CaseJoined(
        other_case_id=shorter_line.state.case_id, cites=shorter_line.last.ref, ground="one offence"
    )
    ledger.post(case.act(joined, source=shorter_line.state).last)
    assert {*case.state.items} == {"phone-case", "phone-other"} > {*line.items}
    with open_ledger(sqlite_url(tmp_path), clock=ledger.clock) as cold:
        taken: list[int] = []
        pool = cold.database.log.pool
        engine_events.listen(pool, "checkout", lambda *_: taken.append(pool.checkedout()))  # type: ignore[attr-defined]
        assert cold.validator.states.of_case(case.state.case_id) == case.state
        assert max(taken) <= 2


def test_a_section_is_erased_from_its_own_stream_only(ledger: Ledger) -> None:
    """An agency cannot erase a case's section from its own stream, nor one case that of another."""
    case = Case("case-one").act(OPENED, clerk(POLICE), sections={"narrative": section()})
    second_case = Case("case-two").open()
    ledger.post_all([*case.events, *second_case.events])
    erasure = ErasureProposed(concerns=case.last.ref, label="narrative", ground="on request")
    of_two = replace(erasure, concerns=replace(case.last.ref, event_id=second_case.last.envelope.event_id))
    law = Authority("statute", "Personal Information Protection Law 47")
    tries = [(writer, erasure) for writer in (Writer("agency", POLICE), second_case)]
    for writer, body in (*tries, (case, of_two), (case, replace(erasure, label="description"))):
        with refused("unknown_section", field="payload.body"):
            validate(ledger, writer.draft(body, supervisor(POLICE), authority=law))
    case.erase(erasure.concerns, erasure.label, supervisor(POLICE), authority=law)
    ledger.post(case.events[-2])
    assert isinstance(validate(ledger, case.last), ValidatedSubmission)


def test_an_agency_erases_in_its_own_stream_by_two(ledger: Ledger) -> None:
    """There, too, another officer proposes it, of this section; an event that proposes nothing is no proposal."""
    own = Writer("agency", POLICE)
    late = RecordLate(happened_at="2026-03-01T00:00:00Z", ground="the network was down")
    late_entry = own.write(late, clerk(POLICE), sections={"narrative": section(), "note": section("note")})
    proposal = ErasureProposed(concerns=late_entry.ref, label="narrative", ground="on request")
    by_himself = second_of(own.write(proposal, supervisor(POLICE)), proposal)
    by_another = second_of(own.write(proposal, clerk(POLICE)), proposal)
    for event in own.events:
        ledger.post(event)
    law = Authority("statute", "Personal Information Protection Law 47")
    for body in (replace(by_another, cites=late_entry.ref), replace(by_another, label="note")):
        with refused("unknown_proposal", field="payload.body.cites"):
            validate(ledger, own.draft(body, supervisor(POLICE), authority=law))
    with refused("one_signature", field="payload.officer"):
        validate(ledger, own.draft(by_himself, supervisor(POLICE), authority=law))
    assert isinstance(validate(ledger, own.draft(by_another, supervisor(POLICE), authority=law)), ValidatedSubmission)


def test_nothing_is_judged_on_a_payload_that_was_edited(ledger: Ledger) -> None:
    """A case whose stored payload is not the signed one is not folded: the refusal names the entry."""
    story = Case().open().register("phone")
    ledger.post_all(story.events)
    ledger.validator.states = states_of(ledger)
    with ledger.database.write() as connection:
        edited = ENTRIES.update().where(ENTRIES.c.event_type == "case.opened")
        connection.execute(edited.values(payload=story.events[0].payload_bytes.replace(b"theft", b"fraud")))
    with pytest.raises(IntegrityBroken, match="is not the one that was signed"):
        ledger.validator.states.of_case("case-1")


def test_no_event_is_read_off_an_envelope_that_can_be_none(ledger: Ledger) -> None:
    """Whoever asks for the event of an entry gets none with texts that no envelope has: the refusal names the entry."""
    receipt = ledger.post(Case().open().last)
    with ledger.database.read() as connection:
        entry = log.entry(connection, receipt.index)
    assert log.event_of(entry).event_id == entry.event_id
    for signed, stored in (
        (b'"event_id":"', b'"event_id":"<script>'),
        (b'"sequence":0', b'"sequence":-5'),
        (b'"suite":1', b'"suite":1,"zz":1'),
    ):
        assert signed in entry.envelope
        with pytest.raises(IntegrityBroken, match=f"entry {receipt.index}"):
            log.event_of(replace(entry, envelope=entry.envelope.replace(signed, stored)))


def test_an_act_knows_the_kinds_of_the_agencies_of_the_log(ledger: Ledger) -> None:
    """Conditions ask for them, however late the event is judged: a registry that is behind reads on."""
    story = Case().open()
    ledger.post_all(story.events)
    behind = registry_view.Registry(ledger.registry.authority.log_id, SERVICE.key_id, {})
    states = case_states.CaseStates(ledger.database, ledger.validator.procedures, behind.kinds)
    act = states.act(None, story.last.event)
    assert act.kinds[POLICE] == KINDS[POLICE]
    assert states.in_memory().act(None, story.last.event).kinds is act.kinds


def test_what_would_come_of_a_draft_is_foreseen(ledger: Ledger) -> None:
    """The outcome is that of the signed event, refusals are those of judging it, and nothing is kept of it."""
    case = Case().open()
    ledger.post(case.last)
    drafted = case.register("phone").last.event
    before, outcome = ledger.validator.foresee(drafted)
    assert before is not None
    assert (before.sequence, outcome.state.head) == (0, case.state.head)
    offer = case.offer("phone", to="nobody-there").last.event
    with refused("not_on_head", field="envelope.previous", error=Conflict):
        ledger.validator.foresee(case.recall().last.event)
    ledger.post(case.events[1])
    with refused("unknown_agency", field="payload.body.to_agency"):
        ledger.validator.foresee(offer)


# -- what an event says of others --------------------------------------------------------------------------------------


@pytest.fixture
def case(ledger: Ledger) -> Case:
    """A recorded case: a phone, and a suspect whose name is in a section."""
    named = {"sections": {"person:1": section(name="li")}, "section": "person:1"}
    written = Case().open().register("phone", exhibit_number="E-1")
    written.say(PersonNamed, person_id=person_id("li"), role="suspect", **named)
    ledger.post_all(written.events)
    return written


def correction(ref: EventRef, *fields: str, correct: str = "E-2") -> RecordCorrected:
    changes = tuple(Correction(field=field, recorded="E-1", correct=correct) for field in fields)
    return RecordCorrected(corrects=ref, corrections=changes, ground="misread")


def test_what_an_event_can_say_is_corrected(ledger: Ledger, case: Case) -> None:
    """Fields of its body and their parts, its time, sections that it has or that the correction brings."""
    for place, field, correct, sections in (
        (1, "exhibit_number", "E-2", {}),
        (1, "quantity.value", "2", {}),
        (1, "occurred_at", instant(case.now), {}),
        (1, "digests[0]", f"blake3:{'00' * 32}", {}),
        (1, "fungible", "true", {}),
        (1, "exhibit_number", "null", {}),
        (2, "role", "victim", {}),
    ):
        body = correction(case.events[place].ref, field, correct=correct)
        event = case.draft(body, clerk(POLICE), sections=sections)
        assert isinstance(validate(ledger, event), ValidatedSubmission), field


def test_what_a_section_says_is_corrected_in_a_section_alone(ledger: Ledger, case: Case) -> None:
    """The correction names the section in fixed words: a name in clear could be erased by nobody."""
    label, brought = "person:1", {"person:1": section(name="Li Si")}
    fixed = IN_SECTION.format(label), IN_NEW_SECTION.format(label)

    def corrected(recorded: str, correct: str, sections: Any) -> SignedEvent:
        line = Correction(field=f"confidential.{label}", recorded=recorded, correct=correct)
        body = RecordCorrected(corrects=case.events[2].ref, corrections=(line,), ground="misspelt")
        return case.draft(body, clerk(POLICE), sections=sections)

    assert isinstance(validate(ledger, corrected(*fixed, brought)), ValidatedSubmission)
    for stated in ((*fixed, {}), (fixed[0], "Li Si", brought), ("Li Sy", fixed[1], brought)):
        with refused("confidential_in_clear", field="payload.body.corrections[0]"):
            validate(ledger, corrected(*stated))


def test_what_an_event_cannot_say_is_not_corrected(ledger: Ledger, case: Case) -> None:
    """A value of another type than the field's is refused by the place of the correction, with what it has to be. A
    field that its type has not is a slip of the pen: which one it is and what there is, is told."""
    for field, correct, expected in (
        ("quantity.value", "about three or four", "decimal in its shortest spelling"),
        ("quantity.value", "null", "decimal in its shortest spelling"),
        ("occurred_at", "yesterday", "RFC 3339 in UTC"),
        ("seizure.seized_at", "yesterday", "RFC 3339 in UTC"),
        ("fungible", "maybe", "true or false"),
        ("dossier.pages", "many", "a whole number"),
    ):
        body = correction(case.events[1].ref, field, correct=correct)
        with pytest.raises(MalformedInput, match=expected) as malformed:
            validate(ledger, case.draft(body, clerk(POLICE)))
        assert malformed.value.field == "payload.body.corrections[0].correct"
    for field in (
        "body.exhibit_number",
        "exhibit",
        "confidential.person:2",
        "?",
        "agency",
        "quantity",
        "digests",
        "quantity.amount",
        "quantity[0]",
    ):
        body = correction(case.events[1].ref, "exhibit_number", field)
        with pytest.raises(RuleRefused, match=re.escape(field)) as refusal:
            validate(ledger, case.draft(body, clerk(POLICE)))
        error = refusal.value
        assert (error.code, error.field) == ("unknown_field", "payload.body.corrections[1].field")
        assert "exhibit_number" in (error.hint or "")


def test_events_that_the_stream_has_not_are_not_cited(ledger: Ledger, case: Case) -> None:
    """Neither another case's, nor one of another digest, nor one that nobody recorded; its own events are, or none."""
    second_case = Case("case-2").open()
    ledger.post_all(second_case.events)
    own = case.events[1].ref
    unrecorded = Case("case-3").open().last.ref
    for ref in (second_case.last.ref, replace(own, payload_digest="blake3:" + "00" * 32), unrecorded):
        for body, field in (
            (correction(ref, "exhibit_number"), "corrects"),
            (RecordLate(happened_at=instant(case.now), ground="the line was down", concerns=ref), "concerns"),
            (DisclosureMade(recipient="counsel", events=(own, ref)), "events[1]"),
        ):
            with refused("unknown_event", field=f"payload.body.{field}"):
                validate(ledger, case.draft(body, clerk(POLICE)))
    for body in (
        RecordLate(happened_at=instant(case.now), ground="the line was down", concerns=own),
        RecordLate(happened_at=instant(case.now), ground="the line was down"),
        DisclosureMade(recipient="counsel", events=(own, case.events[2].ref)),
    ):
        assert isinstance(validate(ledger, case.draft(body, clerk(POLICE))), ValidatedSubmission)
