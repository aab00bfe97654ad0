"""Events: the catalogue, round trips of every type, and how envelope, payload and sections belong together."""

from __future__ import annotations

from contextlib import nullcontext
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from ledger.core.custody.state import RULES
from ledger.core.encoding import canonical
from ledger.core.errors import MalformedInput
from ledger.core.events import (
    EVENT_TYPES,
    MAX_ENTRY_BYTES,
    NAME_OF,
    Authority,
    Envelope,
    Payload,
    Section,
    Stream,
    case,
    catalogue,
    decode_again,
    decode_checked,
    decode_envelope,
    decode_event,
    decode_payload,
    decode_section,
    decode_submission,
    encode_submission,
    entry_hash,
    item,
    record,
)
from ledger.core.events.registry import names_of
from tests.testkit.builders import (
    COURT,
    POLICE,
    SERVICE,
    Officer,
    clerk,
    envelope_of,
    event_of,
    payload_of,
    refused_at,
    sample_body,
    sample_event,
    section,
    signed,
    signer_of,
)

# The table of docs/protocol/event-types.md: kinds of stream and roles. No roles: the service's own key.


# -- the catalogue -----------------------------------------------------------------------------------------------------


def test_names_and_bodies_are_one_to_one() -> None:
    """Every body has one name and every name one body; each that may stand in a case's stream has a custody rule."""
    assert {name: body for body, name in NAME_OF.items()} == {row.name: row.body for row in EVENT_TYPES.values()}
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
    sample = sample_event(event_type, full=full)
    submitted = decode_submission(sample.submission)
    assert (submitted.event, submitted.envelope) == (sample.event, sample.envelope)
    assert (submitted.payload_bytes, submitted.envelope_bytes) == (sample.payload_bytes, sample.entry)
    assert submitted.section_bytes == {label: canonical.encode(part) for label, part in sample.sections.items()}
    assert (sample.event.event_type, sample.event.body) == (event_type, sample_body(event_type, full=full))
    assert decode_payload(sample.payload_bytes, event_type) == sample.payload
    parts = sample.entry, sample.payload_bytes
    assert decode_event(*parts) == decode_again(*parts) == decode_checked(*parts) == sample.event
    assert decode_envelope(sample.entry) == sample.envelope
    for label, part in sample.sections.items():
        assert decode_section(canonical.encode(part), label) == part


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_an_unknown_field_is_refused_in_every_body(event_type: str) -> None:
    """No body carries a field that its type has not."""
    data = sample_event(event_type, full=False).payload_bytes.replace(b'"body":{', b'"body":{"zz":1,', 1)
    with refused_at("payload.body.zz"):
        decode_payload(data.replace(b"1,}", b"1}"), event_type)


@pytest.mark.parametrize("edit", [("event_id", "<script>"), ("sequence", -5), ("suite", 0), ("zz", 1)])
def test_an_accepted_envelope_that_was_changed_is_refused(edit: tuple[str, object]) -> None:
    """It is decoded again by its type; one that an audit has checked without the patterns of its texts."""
    sample = sample_event("case.opened", full=False)
    name, value = edit
    entry = canonical.encode(msgspec.json.decode(sample.entry) | {name: value})
    with refused_at(f"envelope.{name}"):
        decode_again(entry, sample.payload_bytes)
    if isinstance(value, str):
        assert decode_checked(entry, sample.payload_bytes).event_id == value
    else:
        with refused_at(f"envelope.{name}"):
            decode_checked(entry, sample.payload_bytes)


def test_absent_optionals_are_left_out() -> None:
    """A minimal payload has the required fields alone, and nothing that is null."""
    event = event_of(sample_body("case.numbered", full=False), clerk(POLICE))
    assert list(msgspec.json.decode(event.payload_bytes)) == ["body", "occurred_at", "officer", "salt"]


def test_envelope_and_payload_say_nothing_twice() -> None:
    """No field of a payload is one of its envelope's."""
    assert not {*Payload.__struct_fields__} & {*Envelope.__struct_fields__}


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b"[" * 100_000, "payload"),
        (b'{"body":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "payload.body"),
        (b'{"officer":"\xff"}', "payload.officer"),
        (b'{"event_type":"case.numbered"}', "payload.event_type"),
        (b"{}", "payload.officer"),
        (b"7", "payload"),
    ],
    ids=["array", "deep", "not UTF-8", "a field of the envelope", "nothing", "number"],
)
def test_what_is_no_payload_is_refused(data: bytes, field: str) -> None:
    """A payload out of a proof file is anybody's bytes: it is refused by its field, whatever it is."""
    with refused_at(field):
        decode_payload(data, "case.numbered")


def test_a_payload_is_of_the_type_that_its_envelope_names() -> None:
    """Its bytes do not say what they are: under another type's name they are refused, and under one that is none."""
    sample = sample_event("case.opened", full=False)
    for event_type, field in (("case.numbered", "payload.body"), ("case.lost", "envelope.event_type")):
        envelope = signed(replace(sample.envelope, event_type=event_type), clerk(POLICE))
        refusals = (
            lambda: decode_event(canonical.encode(envelope), sample.payload_bytes),  # noqa: B023
            lambda: decode_submission(encode_submission(envelope, sample.payload, {})),  # noqa: B023
        )
        for refusal in refusals:
            with pytest.raises(MalformedInput) as refused:
                refusal()
            assert str(refused.value.field).startswith(field)


def test_an_event_is_named_by_the_leaf_hash_of_its_envelope() -> None:
    """The next event of the stream names it so: RFC 6962 2.1 of the canonical bytes, with the signature."""
    sample = sample_event("case.opened", full=False)
    expected = "sha256:" + sha256(b"\0" + sample.entry).hexdigest()
    assert entry_hash(sample.entry) == sample.event.leaf_hash == expected


def test_an_entry_has_a_limit() -> None:
    """An entry longer than the length prefix of a bundle can say is refused before it is read."""
    with refused_at("envelope", match="at most 65535 bytes"):
        decode_envelope(b" " * (MAX_ENTRY_BYTES + 1))


# -- agreement ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suite", [0, 256])
def test_a_suite_is_a_byte(suite: int) -> None:
    """And never 0, which the registry's contract takes for none."""
    event = event_of(sample_body("case.opened", full=False), clerk(POLICE))
    with refused_at("envelope.suite", match="Expected `int`"):
        decode_submission(encode_submission(replace(event.envelope, suite=suite), event.payload, {}))


def test_the_envelope_names_the_payloads_digest() -> None:
    """An envelope over another payload is refused, with the digest that was expected."""
    event = event_of(sample_body("case.opened", full=False), clerk(POLICE))
    envelope = envelope_of(event.payload, clerk(POLICE), payload_digest="blake3:" + "00" * 32)
    with refused_at("envelope.payload_digest", match=event.digest):
        decode_submission(encode_submission(envelope, event.payload, {}))


def test_sections_are_those_committed_to() -> None:
    """None is left out, added, of other words or under another salt: it would be stored without a signature. Each has
    fields."""
    event = sample_event("case.opened", full=True)
    with refused_at("sections.person:1", match="not here"):
        decode_submission(encode_submission(event.envelope, event.payload, {"narrative": event.sections["narrative"]}))
    for wrong_section in (
        section("narrative", text="other words"),
        replace(event.sections["narrative"], salt="00" * 16),
    ):
        with refused_at("payload.confidential.narrative", match="that of the section"):
            decode_submission(
                encode_submission(event.envelope, event.payload, event.sections | {"narrative": wrong_section})
            )
    bare = event_of(sample_body("case.opened", full=False), clerk(POLICE))
    with refused_at("sections.narrative", match="commits to no section"):
        decode_submission(encode_submission(bare.envelope, bare.payload, {"narrative": section()}))
    with refused_at("sections.person:1.fields"):
        decode_section(b'{"fields":{},"salt":"%s"}' % (b"00" * 16), "person:1")


@pytest.mark.parametrize(
    ("sections", "field"),
    [
        ({}, "payload.body.section"),
        ({"person:9": section(name="Li Ming")}, "payload.body.section"),
        ({"person:1": section(birth_date="1990-01-01")}, "sections.person:1.fields"),
    ],
)
def test_a_name_is_in_the_section_that_is_named_for_it(sections: dict[str, Section], field: str) -> None:
    """A person is refused whose section is not there or has no name: papers and searches would name nobody."""
    body = case.PersonNamed(person_id="5f" * 16, role="suspect", section="person:1")
    with refused_at(field):
        decode_submission(event_of(body, clerk(POLICE), sections=sections).submission)


# -- shape -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_a_type_stands_only_in_its_kinds_of_stream(event_type: str) -> None:
    """Each type is accepted in the kinds of stream of its row and refused in the others."""
    body, by = sample_body(event_type, full=False), signer_of(event_type)
    ids = {"case": "case-1", "agency": by.agency, "supervision": "model-1", "system": "ledger"}
    authority = Authority(authorization_type="order", authorization_identifier="7")
    for kind, stream_id in ids.items():
        stream = Stream(kind=kind, id=stream_id)  # type: ignore[arg-type]
        event = event_of(body, by, stream=stream, authority=authority)
        with nullcontext() if kind in EVENT_TYPES[event_type].streams else refused_at("envelope.stream.kind"):
            decode_event(event.entry, event.payload_bytes)


@pytest.mark.parametrize(("sequence", "previous"), [(0, "sha256:" + "00" * 32), (1, None)])
def test_previous_is_null_at_sequence_0_and_nowhere_else(sequence: int, previous: str | None) -> None:
    """The first event of a stream has nothing before it, every other one has."""
    event = event_of(sample_body("case.opened", full=False), clerk(POLICE), sequence=sequence, previous=previous)
    with refused_at("envelope.previous", match="expected null at sequence 0"):
        decode_envelope(event.entry)


@pytest.mark.parametrize(
    ("body", "by", "kind", "stream_id"),
    [
        (record.RecordLate(happened_at="2026-03-01T00:00:00Z", ground="no network"), clerk(POLICE), "agency", COURT),
        (sample_body("registry.quorum_set", full=False), SERVICE, "system", "shadow"),
    ],
    ids=["another agency's", "a second system stream"],
)
def test_a_stream_that_is_not_the_signers_is_refused(body: Any, by: Officer, kind: str, stream_id: str) -> None:
    """An agency writes in its own stream, the service in the one system stream."""
    event = event_of(body, by, stream=Stream(kind=kind, id=stream_id))  # type: ignore[arg-type]
    with refused_at("envelope.stream.id", match="the one stream of this kind"):
        decode_envelope(event.entry)


def test_an_erasure_names_its_authority() -> None:
    """A section is not erased without the authority that orders it."""
    event = event_of(sample_body("section.erased", full=False), clerk(POLICE))
    with refused_at("payload.authority", match="names the authority"):
        decode_payload(event.payload_bytes, "section.erased")


NO_DAYS = ("2025-02-29", "1900-02-29", "2026-04-31", "2026-13-01")


# -- words -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "path"),
    [
        *((item.ItemMoved(word, "room 1"), "item_id") for word in ("Phone", "-phone", "phone-", "p" * 65, "")),
        *((item.ItemMoved("phone", word), "storage_location") for word in ("", "x" * 201, "room\u2028one")),
        *((item.ItemFrozen("phone", day), "frozen_until") for day in NO_DAYS),
        (case.PersonNamed(person_id="Li Ming", role="suspect"), "person_id"),
        (case.PersonNamed(person_id="5f" * 16, role="A Culprit"), "role"),
    ],
)
def test_a_word_outside_its_form_is_refused(body: Any, path: str) -> None:
    """Ids, days, lines and closed vocabularies refuse what is not of their form, by the field."""
    payload = payload_of(body, clerk(POLICE))
    with refused_at(f"payload.body.{path}"):
        decode_payload(canonical.encode(payload), NAME_OF[type(body)])


@pytest.mark.parametrize("day", ["2024-02-29", "2000-02-29", "1996-02-29", "2026-12-31", "2026-04-30"])
def test_days_of_the_calendar_are_accepted(day: str) -> None:
    """Leap days of leap years and the last days of months are days."""
    payload = payload_of(item.ItemFrozen(item_id="phone", frozen_until=day), clerk(POLICE))
    assert decode_payload(canonical.encode(payload), "item.frozen") == payload


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        *((good, True) for good in ("0", "12.5", "0." + "0" * 17 + "1", "9" * 15)),
        *(
            (bad, False)
            for bad in ("01", "1.0", "1.50", ".5", "-1", "1e3", "1,000", "9" * 16, "0." + "0" * 18 + "1", "")
        ),
    ],
)
def test_a_decimal_has_one_spelling(value: str, accepted: bool) -> None:
    """Amounts are decimals without leading or trailing zeros, signs or exponents."""
    decoder = msgspec.json.Decoder(item.ItemPart)
    text = b'{"item_id":"a","quantity":{"unit":"gram","value":"%s"}}' % value.encode()
    if accepted:
        assert canonical.decode(text, decoder).quantity.value == value
        return
    with refused_at("quantity.value"):
        canonical.decode(text, decoder)


def test_a_name_that_a_language_lacks_is_in_the_first_one() -> None:
    """In Chinese and in English, as rows for models have it."""
    assert names_of({"en": "Court", "zh": "法院"}) == ("法院", "Court")
    assert names_of({"fr": "Tribunal", "nl": "Rechtbank"}) == ("Tribunal", "Tribunal")
