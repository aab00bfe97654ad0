"""Events: the catalogue, and round trips of every type."""

from __future__ import annotations

import pytest

from ledger.core.custody.state import RULES
from ledger.core.encoding import canonical
from ledger.core.events import (
    EVENT_TYPES,
    MAX_ENTRY_BYTES,
    NAME_OF,
    catalogue,
    decode_again,
    decode_envelope,
    decode_payload,
    decode_section,
    decode_submission,
)
from tests.testkit.builders import POLICE, clerk, event_of, refused_at, sample_body, sample_event

# The table as the design has it: kinds of stream and roles. No roles: the service's own key.


# -- the catalogue -----------------------------------------------------------------------------------------------------


def test_names_and_bodies_are_one_to_one() -> None:
    """Every body has one name and every name one body."""
    assert {name: body for body, name in NAME_OF.items()} == {row.name: row.body for row in EVENT_TYPES.values()}


def test_each_type_of_a_case_has_a_custody_rule() -> None:
    """No event that may stand in a case's stream is without a rule, and no other has one."""
    assert set(RULES) == {row.body for row in EVENT_TYPES.values() if "case" in row.streams}


def test_a_name_is_entered_once() -> None:
    """A second body under a name that is taken is a mistake of the program."""

    class Again(catalogue.Body, frozen=True):
        pass

    with pytest.raises(AssertionError, match=r"case\.opened"):
        catalogue.event("case.opened")(Again)


# -- round trips -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("full", [False, True], ids=["minimal", "full"])
@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_every_type_comes_back_from_its_bytes(event_type: str, full: bool) -> None:
    """A submission of every type, with the least and with all fields, decodes to what was said, and so do its parts."""
    event = sample_event(event_type, full=full)
    submitted = decode_submission(event.submission)
    assert (submitted.payload, submitted.envelope) == (event.payload, event.envelope)
    assert (submitted.payload_bytes, submitted.envelope_bytes) == (event.payload_bytes, event.entry)
    assert submitted.section_bytes == {label: canonical.encode(part) for label, part in event.sections.items()}
    assert submitted.payload.event_type == event_type
    assert decode_payload(event.payload_bytes) == decode_again(event.payload_bytes, event_type) == event.payload
    assert decode_envelope(event.entry) == event.envelope
    for label, part in event.sections.items():
        assert decode_section(canonical.encode(part), label) == part


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_an_unknown_field_is_refused_in_every_body(event_type: str) -> None:
    """No body carries a field that its type has not."""
    data = sample_event(event_type, full=False).payload_bytes.replace(b'"body":{', b'"body":{"zz":1,', 1)
    with refused_at("payload.body.zz"):
        decode_payload(data.replace(b"1,}", b"1}"))


def test_absent_optionals_are_left_out() -> None:
    """A minimal payload shows only what was said; previous alone is null."""
    event = event_of(sample_body("case.numbered", full=False), clerk(POLICE))
    assert b"null" in event.payload_bytes
    assert event.payload_bytes.count(b"null") == 1
    assert b"authority" not in event.payload_bytes
    assert b"confidential" not in event.payload_bytes


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b"[" * 100_000, "payload"),
        (b'{"body":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "payload.body"),
        (b'{"event_type":"\xff"}', "payload.event_type"),
        (b'{"event_type":"case.lost"}', "payload.event_type"),
        (b'{"event_type":"case.numbered"}', "payload.version"),
        (b"7", "payload"),
    ],
    ids=["array", "deep", "not UTF-8", "unknown type", "nothing but its type", "number"],
)
def test_what_is_no_payload_is_refused(data: bytes, field: str) -> None:
    """A payload out of a proof file is anybody's bytes: it is refused by its field, whatever it is."""
    with refused_at(field):
        decode_payload(data)


@pytest.mark.parametrize("expected", ["case.opened", "case.numbered", "case.lost", None])
def test_a_payload_says_itself_what_it_is(expected: str | None) -> None:
    """The type that a reader expects makes it faster to read a payload, and no other one."""
    event = sample_event("case.opened", full=False)
    assert decode_payload(event.payload_bytes, expected) == event.payload
    with refused_at("payload.event_type"):
        decode_payload(b'{"event_type":"case.lost"}', expected)


def test_an_entry_has_a_limit() -> None:
    """An entry longer than the length prefix of a bundle can say is refused before it is read."""
    with refused_at("envelope", match="at most 65535 bytes"):
        decode_envelope(b" " * (MAX_ENTRY_BYTES + 1))
