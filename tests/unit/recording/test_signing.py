"""Signing: from a body to a submission that the service's own reader takes."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from ledger.config.keys import LocalSigner
from ledger.core.errors import MalformedInput
from ledger.core.events import Authority, Body, Stream, case, decode_section, decode_submission
from ledger.core.signing.signatures import verify_envelope
from ledger.recording.event_signing import Actor, Claims, Signed, Sources, StreamPosition, sign_event
from tests.testkit.builders import LOG_ID, START, event_id, instant, salt

PRIVATE_KEY = bytes(31) + b"\x07"
CLERK = Actor("police-east", "police-east-c1", LocalSigner.from_private_key(PRIVATE_KEY))
CASE = Stream(kind="case", id="case-1")
HEAD = "sha256:" + "ab" * 32
OPENED = case.CaseOpened(
    case_number="A-1", case_type="theft", business_line="criminal", stage="investigation", procedure="cn-criminal"
)
NUMBERED = case.CaseNumbered(case_number="A-2")


def sign(body: Body = OPENED, place: StreamPosition | None = None, **options: Any) -> Signed:
    """Signs by a clock that stands still, and salts that count."""
    salts = iter(range(100))
    sources = Sources(now=lambda: START, event_id=lambda: event_id("one"), salt=lambda: salt(str(next(salts))))
    return sign_event(body, place or StreamPosition(CASE), CLERK, LOG_ID, Claims(**options), sources=sources)


def salt_of(data: bytes) -> str:
    """Return the salt in a payload, or in a submission without sections."""
    return data.partition(b'"salt":"')[2][:32].decode()


def test_submission_is_canonical_and_signed() -> None:
    """The strict reader takes the bytes, and the signature is the clerk's for this ledger."""
    signed = sign()
    assert signed == sign()  # by the same time and chance; nothing else enters
    submitted = decode_submission(signed.submission)
    assert (submitted.envelope, submitted.event) == (signed.envelope, signed.event)
    assert submitted.event.body == OPENED
    verify_envelope(submitted.envelope, LOG_ID)


def test_event_stands_where_it_is_placed() -> None:
    """Stream, sequence and head are those of the place; agency and officer those of the actor; on what authority.
    occurred_at is the signer's claim; signed_at is the clock's whatever is claimed."""
    paper = Authority(authorization_type="warrant", authorization_identifier="W-7")
    event = sign(NUMBERED, StreamPosition(CASE, 4, HEAD), authority=paper).event
    assert event.authority == paper
    assert (event.stream, event.sequence, event.previous) == (CASE, 4, HEAD)
    assert (event.agency, event.officer) == ("police-east", "police-east-c1")
    signed, untold = sign(occurred_at="2026-02-28T10:00:00Z"), sign()
    assert (signed.event.occurred_at, signed.envelope.signed_at) == ("2026-02-28T10:00:00Z", START)
    assert (untold.event.occurred_at, untold.envelope.signed_at) == (instant(START), START)


def test_sections_are_kept_apart_under_their_own_salts() -> None:
    """A section's text stands in the section alone, and no two salts of an event are equal."""
    parts = {"person:1": {"name": "withheld name"}, "narrative": {"text": "what happened"}}
    submitted = decode_submission(sign(sections=parts).submission)
    kept = {label: decode_section(data, label) for label, data in submitted.section_bytes.items()}
    assert {label: section.fields for label, section in kept.items()} == parts
    assert b"withheld name" not in submitted.payload_bytes
    assert len({section.salt for section in kept.values()} | {salt_of(submitted.payload_bytes)}) == 3


@pytest.mark.parametrize(
    ("place", "changes", "field"),
    [
        (StreamPosition(CASE, 0, HEAD), {}, "envelope.previous"),
        (StreamPosition(CASE, 3), {}, "envelope.previous"),
        (StreamPosition(Stream(kind="agency", id="police-east")), {}, "envelope.stream.kind"),
        (StreamPosition(Stream(kind="case", id="Case 1")), {}, "envelope.stream.id"),
        (StreamPosition(CASE), {"occurred_at": "2026-02-30T10:00:00Z"}, "payload.occurred_at"),
        (StreamPosition(CASE), {"sections": {"Person": {"name": "x"}}}, "sections"),
        (StreamPosition(CASE), {"sections": {"narrative": {"text": ""}}}, "sections"),
    ],
)
def test_what_no_service_would_take_is_not_signed(place: StreamPosition, changes: dict[str, str], field: str) -> None:
    """A malformed event is refused at the border where it is made, under the field's name."""
    with pytest.raises(MalformedInput) as refused:
        sign(OPENED, place, **changes)
    assert str(refused.value.field).startswith(field)


def test_system_sources_are_new_each_time() -> None:
    """Without given sources the clock is this machine's, ids are UUIDv7 of now and salts never repeat."""
    before = int(time.time())
    first, two = (sign_event(OPENED, StreamPosition(CASE), CLERK, LOG_ID) for _ in range(2))
    assert before <= first.envelope.signed_at <= int(time.time())
    minted = int(first.envelope.event_id.replace("-", "")[:12], 16) // 1000
    assert abs(datetime.fromtimestamp(minted, UTC).timestamp() - before) < 60
    assert first.envelope.event_id != two.envelope.event_id
    assert salt_of(first.submission) != salt_of(two.submission)
