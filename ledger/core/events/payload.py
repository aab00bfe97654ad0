"""Payload, envelope, section and submission: the one definition of an event for request, signature and storage.

submission  {envelope, payload, sections}       what a client posts
payload     the content, salted; canonical bytes, digested with BLAKE3; never in the log
section     a confidential part with a salt of its own, committed to in ``payload.confidential``
envelope    the signed fields with their signature; its canonical bytes are the log entry
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from operator import attrgetter
from typing import Annotated, Any, Union, cast

import msgspec
from msgspec import Meta

from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import MalformedInput
from ledger.core.events import catalogue, terms
from ledger.core.events.catalogue import EVENT_TYPES, Body

VERSION = 1
SYSTEM_STREAM_ID = "ledger"
MAX_ENTRY_BYTES = 65_535  # C2SP tlog-tiles: entry bundles prefix each entry with a u16 length
Version = Annotated[int, Meta(ge=VERSION, le=VERSION)]


class Stream(terms.Value, frozen=True):
    """A stream of events. Each event belongs to exactly one, in which ``sequence`` counts from 0."""

    kind: terms.StreamKind
    id: terms.StreamId


class Authority(terms.Value, frozen=True):
    """The authority for an act: the kind of paper or provision, and its number or article."""

    authorization_type: terms.Line
    authorization_identifier: terms.Line


class Section(terms.Value, frozen=True):
    """A confidential part of a payload, kept apart and committed to by its own salted digest."""

    salt: terms.Salt
    fields: Annotated[dict[terms.SectionField, terms.Text], Meta(min_length=1)]


class Payload(terms.Value, frozen=True, tag_field="event_type", kw_only=True):
    """The fields that all payloads share; those of the event type are in ``body``.

    ``previous`` is the digest of the stream's previous payload, null at sequence 0. ``occurred_at`` is the signer's
    claim. ``confidential`` maps a section's label to the digest of its canonical bytes.
    """

    version: Version
    event_id: terms.EventId
    stream: Stream
    sequence: terms.SafeInt
    previous: terms.Blake3 | None
    agency: terms.AgencyId
    officer: terms.OfficerId
    occurred_at: terms.Instant
    salt: terms.Salt
    body: Body
    authority: Authority | None = None
    confidential: Annotated[dict[terms.SectionLabel, terms.Blake3], Meta(max_length=64)] = msgspec.field(
        default_factory=dict
    )

    @property
    def event_type(self) -> str:
        """Return the type's name, ``subject.verb``: the tag of the payload."""
        return str(self.__struct_config__.tag)


class Envelope(terms.Value, frozen=True):
    """The log entry: only what the signer signed, and the signature.

    Fields that stand in payload and envelope are equal; ``signed_at`` is in unix seconds; ``signature`` is r, s, v.
    """

    version: Version
    event_id: terms.EventId
    event_type: terms.EventTypeName
    stream: Stream
    sequence: terms.SafeInt
    previous: terms.Blake3 | None
    agency: terms.AgencyId
    payload_digest: terms.Blake3
    signed_at: terms.SafeInt
    key_id: terms.KeyId
    signature: terms.SignatureText


def _payload_type(name: str, body: type[Body]) -> type[Payload]:
    label = "".join(part.capitalize() for part in name.replace(".", "_").split("_"))
    payload_type = msgspec.defstruct(
        f"{label}Payload", [("body", body)], bases=(Payload,), tag=name, module=__name__, frozen=True, kw_only=True
    )
    return cast(type[Payload], payload_type)


PAYLOAD_TYPES = {row.body: _payload_type(name, row.body) for name, row in EVENT_TYPES.items()}
AnyPayload: Any = Union[tuple(PAYLOAD_TYPES.values())]  # noqa: UP007 - built from the table


class Submission(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a client posts. ``sections`` carries the confidential parts, each under its label."""

    envelope: Envelope
    payload: AnyPayload
    sections: Annotated[dict[terms.SectionLabel, Section], Meta(max_length=64)]


class _Tag(msgspec.Struct, frozen=True):
    event_type: str


@cache
def _payload_decoder(event_type: str | None) -> msgspec.json.Decoder[Payload]:
    """Return the decoder of one event type, or of all if the type is None or unknown.

    Making the decoder of all types takes longer than checking a proof, which needs only a few of them.
    """
    row = EVENT_TYPES.get(event_type or "")
    return decoder_of(PAYLOAD_TYPES[row.body] if row else AnyPayload)


class Submitted(msgspec.Struct, frozen=True):
    """A submission that is canonical and consistent in itself, with the bytes to store."""

    envelope: Envelope
    payload: Payload
    envelope_bytes: bytes
    payload_bytes: bytes
    section_bytes: dict[str, bytes]


def make_payload(*, body: Body, **common: Any) -> Payload:
    """Make the payload of ``body``'s event type."""
    return PAYLOAD_TYPES[type(body)](body=body, **common)


def digest_of(data: bytes) -> str:
    """Compute ``blake3:<hex>`` of canonical bytes: the identity of a payload or section."""
    return blake3_text(data)


def decode_payload(data: bytes, event_type: str | None = None) -> Payload:
    """Decode the canonical bytes of a payload. Raises MalformedInput.

    ``event_type`` is the type that the caller expects, which makes decoding faster; the payload may be of another type.
    """
    if event_type in EVENT_TYPES:
        # The decoder of one type is quick to make; its refusal says nothing if the payload is of another type.
        with suppress(MalformedInput):
            return canonical.decode(data, _payload_decoder(event_type), where="payload")
    try:
        event_type = canonical.parse(data, decoder_of(_Tag)).event_type
    except MalformedInput:
        event_type = None  # the decoder of all types says what is wrong
    return canonical.decode(data, _payload_decoder(event_type if event_type in EVENT_TYPES else None), where="payload")


def decode_again(data: bytes, event_type: str) -> Payload:
    """Decode bytes that ``decode_payload`` accepted before, without checking their spelling again."""
    return _payload_decoder(event_type).decode(data)


def decode_envelope(data: bytes) -> Envelope:
    """Decode an envelope from canonical bytes, at most ``MAX_ENTRY_BYTES``. Raises MalformedInput."""
    # Before it is read: a longer entry could not be served in a bundle of the log.
    if len(data) > MAX_ENTRY_BYTES:
        raise MalformedInput("expected at most {limit} bytes", limit=MAX_ENTRY_BYTES, field="envelope")
    return canonical.decode(data, decoder_of(Envelope), where="envelope")


def decode_section(data: bytes, label: str) -> Section:
    """Decode a section from canonical bytes. Raises MalformedInput."""
    return canonical.decode(data, decoder_of(Section), where=f"sections.{label}")


def decode_submission(data: bytes) -> Submitted:
    """Decode a posted submission. Raises MalformedInput, which names the field.

    Accepts only the canonical spelling, and a payload that agrees with the envelope, has the digest that the envelope
    signs, and commits to exactly the sections given. Signature, authority and custody are checked elsewhere.
    """
    submission = canonical.parse(data, decoder_of(Submission))
    envelope_bytes = canonical.encode(submission.envelope)
    payload_bytes = canonical.encode(submission.payload)
    section_bytes = {label: canonical.encode(section) for label, section in submission.sections.items()}
    # The parts are encoded once, and their bytes are both compared here and stored.
    sections = b",".join(b'"%s":%s' % (label.encode(), section_bytes[label]) for label in sorted(section_bytes))
    joined = b'{"envelope":%s,"payload":%s,"sections":{%s}}' % (envelope_bytes, payload_bytes, sections)
    canonical.require_same(data, joined)
    canonical.require_profile(data)
    submitted = Submitted(submission.envelope, submission.payload, envelope_bytes, payload_bytes, section_bytes)
    require_agreement(submitted.envelope, submitted.payload, payload_bytes)
    confidential = submission.payload.confidential
    for label in confidential.keys() - section_bytes.keys():
        raise MalformedInput("the payload commits to this section, but it is not here", field=f"sections.{label}")
    for label, section in section_bytes.items():
        committed = confidential.get(label)
        if committed is None:
            raise MalformedInput("the payload commits to no section of this label", field=f"sections.{label}")
        if committed != digest_of(section):
            raise MalformedInput(
                "expected {digest}, that of the section",
                digest=digest_of(section),
                field=f"payload.confidential.{label}",
            )
    return submitted


def encode_submission(envelope: Envelope, payload: Payload, sections: dict[str, Section]) -> bytes:
    """Encode a submission as the canonical bytes to post."""
    return canonical.encode({"envelope": envelope, "payload": payload, "sections": sections})


_SHARED = ("version", "event_id", "event_type", "stream", "sequence", "previous", "agency")
_shared = attrgetter(*_SHARED)


def require_agreement(envelope: Envelope, payload: Payload, payload_bytes: bytes) -> None:
    """Accept an envelope whose fields and digest are those of this payload. Raises MalformedInput."""
    # Compared as tuples first: this runs for every entry of a log, and differences are rare.
    if _shared(envelope) != _shared(payload):
        differing = zip(_SHARED, _shared(envelope), _shared(payload), strict=True)
        field, _, stated = next(values for values in differing if values[1] != values[2])
        raise MalformedInput("the payload says {stated}", stated=_plain(stated), field=f"envelope.{field}")
    calculated = digest_of(payload_bytes)
    if envelope.payload_digest != calculated:
        raise MalformedInput("expected {digest}, the payload's", digest=calculated, field="envelope.payload_digest")
    require_shape(payload)


def require_shape(payload: Payload) -> None:
    """Accept a payload that keeps the rules which its type cannot express. Raises MalformedInput.

    These are its place (``require_place``), and an authority if its event type requires one.
    """
    require_place(payload, where="payload")
    row = catalogue.EVENT_TYPES[payload.event_type]
    if row.on_authority and payload.authority is None:
        raise MalformedInput("this names the authority it is done on", field="payload.authority")


def require_place(event: Envelope | Payload, *, where: str) -> None:
    """Accept an event of a known type whose place is possible. Raises MalformedInput.

    The stream is of a kind that the event type belongs to, ``previous`` is null at sequence 0 and only there, an agency
    writes in its own stream only, and there is one system stream.
    """
    row = catalogue.EVENT_TYPES[event.event_type]
    if event.stream.kind not in row.streams:
        raise MalformedInput(
            "expected a stream of kind {streams}", streams=" or ".join(row.streams), field=f"{where}.stream.kind"
        )
    # Else a stream could begin twice.
    if (event.previous is None) != (event.sequence == 0):
        raise MalformedInput("expected null at sequence 0, and a digest after it", field=f"{where}.previous")
    # An agency cannot write in another agency's stream.
    only = {"agency": event.agency, "system": SYSTEM_STREAM_ID}.get(event.stream.kind, event.stream.id)
    if event.stream.id != only:
        raise MalformedInput("expected {only}, the one stream of this kind", only=only, field=f"{where}.stream.id")


def _plain(value: object) -> str:
    return canonical.encode(value).decode()
