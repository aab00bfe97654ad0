"""What an event says of others: only of what its stream has, and of what they say."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from ledger.core.errors import RuleRefused
from ledger.core.events.case import PersonNamed
from ledger.core.events.record import Correction, DisclosureMade, RecordCorrected, RecordLate
from ledger.core.events.terms import EventRef
from ledger.store.append import ValidatedSubmission
from tests.testkit.builders import POLICE, Event, clerk, instant, refused, section
from tests.testkit.casework import Case, person_id
from tests.testkit.ledgers import Ledger

OFFICERS = (clerk(POLICE),)


@pytest.fixture
def case(ledger: Ledger) -> Case:
    """A recorded case: a phone, and a suspect whose name is in a section."""
    named = {"sections": {"person:1": section(name="li")}, "section": "person:1"}
    written = Case().open().register("phone", exhibit_number="E-1")
    written.say(PersonNamed, person_id=person_id("li"), role="suspect", **named)
    ledger.post_all(written.events)
    return written


def correction(ref: EventRef, *fields: str) -> RecordCorrected:
    changes = tuple(Correction(field=field, recorded="E-1", correct="E-2") for field in fields)
    return RecordCorrected(corrects=ref, corrections=changes, ground="misread")


def judge(ledger: Ledger, event: Event) -> object:
    return ledger.validator.validate(event.submission, ledger.clock.seconds)


def test_what_an_event_can_say_is_corrected(ledger: Ledger, case: Case) -> None:
    """Fields of its body and their parts, its time, sections that it has or that the correction brings."""
    for place, fields, sections in (
        (1, ("exhibit_number", "quantity.value", "occurred_at", "digests[0]"), {}),
        (1, ("confidential.narrative",), {"narrative": section(text="seen")}),
        (2, ("confidential.person:1", "role"), {}),
    ):
        event = case.draft(correction(case.events[place].ref, *fields), clerk(POLICE), sections=sections)
        assert isinstance(judge(ledger, event), ValidatedSubmission), fields


def test_what_an_event_cannot_say_is_not_corrected(ledger: Ledger, case: Case) -> None:
    """A field that its type has not is a slip of the pen: which one it is and what there is, is told."""
    for field in ("body.exhibit_number", "exhibit", "confidential.person:2", "?", "agency"):
        body = correction(case.events[1].ref, "exhibit_number", field)
        with pytest.raises(RuleRefused, match=re.escape(field)) as refusal:
            judge(ledger, case.draft(body, clerk(POLICE)))
        error = refusal.value
        assert (error.code, error.field) == ("unknown_field", "payload.body.corrections[1].field")
        assert "exhibit_number" in (error.hint or "")


def test_events_that_the_stream_has_not_are_not_cited(ledger: Ledger, case: Case) -> None:
    """Neither another case's, nor one of another digest, nor one that nobody recorded."""
    other = Case("case-2").open()
    ledger.post_all(other.events)
    own = case.events[1].ref
    unrecorded = Case("case-3").open().last.ref
    for ref in (other.last.ref, replace(own, payload_digest="blake3:" + "00" * 32), unrecorded):
        for body, field in (
            (correction(ref, "exhibit_number"), "corrects"),
            (RecordLate(happened_at=instant(case.now), ground="the line was down", concerns=ref), "concerns"),
            (DisclosureMade(recipient="counsel", events=(own, ref)), "events[1]"),
        ):
            with refused("unknown_event", field=f"payload.body.{field}"):
                judge(ledger, case.draft(body, clerk(POLICE)))


def test_what_is_cited_rightly_or_not_at_all_is_recorded(ledger: Ledger, case: Case) -> None:
    """A late record of an event and of none, a disclosure of events."""
    own = case.events[1].ref
    for body in (
        RecordLate(happened_at=instant(case.now), ground="the line was down", concerns=own),
        RecordLate(happened_at=instant(case.now), ground="the line was down"),
        DisclosureMade(recipient="counsel", events=(own, case.events[2].ref)),
    ):
        assert isinstance(judge(ledger, case.draft(body, clerk(POLICE))), ValidatedSubmission)
