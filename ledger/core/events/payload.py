"""Payload, envelope, section and submission: the one definition of an event for request, signature and storage.

submission  {envelope, payload, sections}       what a client posts
envelope    the signed fields with their signature; its canonical bytes are the log entry
payload     the content, salted; canonical bytes, digested with BLAKE3; never in the log
section     a confidential part with a salt of its own, committed to in ``payload.confidential``

Envelope and payload say nothing twice: the envelope has the event's place and the digest of the payload. ``Event`` is
what both say, as the rules and the views read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from types import GenericAlias
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta, Raw

from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.encoding.digests import blake3_text, leaf_hash
from ledger.core.errors import MalformedInput
from ledger.core.events import terms
from ledger.core.events.case import PersonNamed
from ledger.core.events.catalogue import EVENT_TYPES, NAME_OF, Body, EventType

B = TypeVar("B")

SUITE_SECP256K1_EIP712 = 1
SYSTEM_STREAM_ID = "ledger"
MAX_ENTRY_BYTES = 65_535  # C2SP tlog-tiles: entry bundles prefix each entry with a u16 length
EVENTS_KEPT, KEPT_LENGTH = 512, 4096  # events remembered, and the bytes of the longest payload among them
UNSIGNED = "0x" + "00" * 65  # in place of a signature: of an event that nobody has signed yet
NO_KEY = "0x" + "00" * 20  # in place of a key id: of an event that nobody is to sign


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


class Payload(terms.Value, Generic[B], frozen=True, kw_only=True):
    """The content of an event; ``body`` has the fields of the event type that the envelope names.

    ``occurred_at`` is the signer's claim. ``confidential`` maps a section's label to the digest of its canonical bytes.
    """

    officer: terms.OfficerId
    occurred_at: terms.Instant
    salt: terms.Salt
    body: B
    authority: Authority | None = None
    confidential: Annotated[dict[terms.SectionLabel, terms.Blake3], Meta(max_length=64)] = msgspec.field(
        default_factory=dict
    )


class Envelope(terms.Value, frozen=True):
    """The log entry: only what the signer signed, and the signature.

    ``previous`` is the leaf hash of the stream's previous entry, null at sequence 0; ``signed_at`` is in unix seconds;
    ``suite`` says what the key signs, and how ``signature`` is made.
    """

    suite: terms.Suite
    event_id: terms.EventId
    event_type: terms.EventTypeName
    stream: Stream
    sequence: terms.SafeInt
    previous: terms.LeafHash | None
    agency: terms.AgencyId
    payload_digest: terms.Blake3
    signed_at: terms.UnixSeconds
    key_id: terms.KeyId
    signature: terms.EnvelopeSignature


class CheckedEnvelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An envelope that was checked before: its texts are not compared with patterns again.

    That takes as long as all the rest of decoding it.
    """

    suite: terms.Suite
    event_id: str
    event_type: str
    stream: Stream
    sequence: terms.SafeInt
    previous: str | None
    agency: str
    payload_digest: str
    signed_at: terms.UnixSeconds
    key_id: str
    signature: str


class Event(msgspec.Struct, frozen=True):
    """An event in memory: what its envelope and its payload say. ``leaf_hash`` is that of its envelope."""

    event_id: str
    event_type: str
    stream: Stream
    sequence: int
    previous: str | None
    agency: str
    payload_digest: str
    signed_at: int
    leaf_hash: str
    officer: str
    occurred_at: str
    body: Body
    authority: Authority | None
    confidential: dict[str, str]

    @property
    def ref(self) -> terms.EventRef:
        """Return the citation of this event."""
        return terms.EventRef(event_id=self.event_id, payload_digest=self.payload_digest)


class Submission(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a client posts. ``sections`` carries the confidential parts, each under its label."""

    envelope: Envelope
    payload: Raw
    sections: Annotated[dict[terms.SectionLabel, Section], Meta(max_length=64)]


class Submitted(msgspec.Struct, frozen=True):
    """A submission that is canonical and consistent in itself, with the bytes to store."""

    event: Event
    envelope: Envelope
    envelope_bytes: bytes
    payload_bytes: bytes
    section_bytes: dict[str, bytes]


def make_event(envelope: Envelope | CheckedEnvelope, payload: Payload[Body], entry: bytes) -> Event:
    """Return the event of an envelope and its payload; ``entry`` are the envelope's canonical bytes."""
    return Event(
        envelope.event_id,
        envelope.event_type,
        envelope.stream,
        envelope.sequence,
        envelope.previous,
        envelope.agency,
        envelope.payload_digest,
        envelope.signed_at,
        entry_hash(entry),
        payload.officer,
        payload.occurred_at,
        payload.body,
        payload.authority,
        payload.confidential,
    )


def unsigned_envelope(payload: Payload[Any], **fields: Any) -> Envelope:
    """Return the envelope of a payload before it is signed, with ``UNSIGNED`` as its signature.

    ``fields`` are ``event_id``, ``stream``, ``sequence``, ``previous``, ``agency``, ``key_id`` and ``signed_at``.
    """
    event_type, digest = NAME_OF[type(payload.body)], blake3_text(canonical.encode(payload))
    return Envelope(
        suite=SUITE_SECP256K1_EIP712, event_type=event_type, payload_digest=digest, signature=UNSIGNED, **fields
    )


def entry_hash(entry: bytes) -> str:
    """Compute ``sha256:<hex>``, the leaf hash of an entry (RFC 6962 2.1), by which the next of its stream names it."""
    return "sha256:" + leaf_hash(entry).hex()


@cache
def _payload_decoder(event_type: str) -> msgspec.json.Decoder[Payload[Body]]:
    # A type at a time: making the decoders of all takes longer than checking a proof, which needs a few of them.
    return decoder_of(GenericAlias(Payload, type_of(event_type).body))


def type_of(event_type: str) -> EventType:
    """Return the row of an event type. Raises MalformedInput."""
    row = EVENT_TYPES.get(event_type)
    if row is None:
        raise MalformedInput("there is no event type {event_type}", event_type=event_type, field="envelope.event_type")
    return row


def decode_payload(data: bytes, event_type: str) -> Payload[Body]:
    """Decode the canonical bytes of a payload by the event type that its envelope names. Raises MalformedInput."""
    payload = canonical.decode(data, _payload_decoder(event_type), where="payload")
    _require_authority(payload, event_type)
    return payload


def decode_envelope(data: bytes) -> Envelope:
    """Decode an envelope from canonical bytes, at most ``MAX_ENTRY_BYTES``. Raises MalformedInput."""
    require_length(data)  # before it is read
    envelope = canonical.decode(data, decoder_of(Envelope), where="envelope")
    require_place(envelope)
    return envelope


def decode_section(data: bytes, label: str) -> Section:
    """Decode a section from canonical bytes. Raises MalformedInput."""
    return canonical.decode(data, decoder_of(Section), where=f"sections.{label}")


def decode_event(entry: bytes, payload: bytes) -> Event:
    """Decode an event from the canonical bytes of its envelope and its payload. Raises MalformedInput.

    Accepts only the payload that the envelope signs; whose signature it is, is checked elsewhere.
    """
    return event_of(decode_envelope(entry), entry, payload)


def event_of(envelope: Envelope, entry: bytes, payload: bytes) -> Event:
    """Decode the event of an envelope, whose canonical bytes are ``entry``, as ``decode_event`` does.

    Short ones of the ledger's own stream are remembered: every bundle shows those that its events rest on.
    """
    is_kept = envelope.stream.kind == "system" and len(payload) <= KEPT_LENGTH
    return (kept_event if is_kept else _event)(envelope, entry, payload)


def _event(envelope: Envelope, entry: bytes, payload: bytes) -> Event:
    require_digest(envelope, payload)
    require_kind(envelope)
    return make_event(envelope, decode_payload(payload, envelope.event_type), entry)


kept_event = lru_cache(maxsize=EVENTS_KEPT)(_event)


def decode_again(entry: bytes, payload: bytes) -> Event:
    """Decode an event from bytes that were accepted before, without checking spelling and digest again.

    Raises MalformedInput if they are of another type by now.
    """
    return _again(canonical.parse(entry, decoder_of(Envelope), where="envelope"), entry, payload)


def decode_checked(entry: bytes, payload: bytes) -> Event:
    """Decode an event as ``decode_again`` does, with texts of any form in its envelope, in three fifths of the time.

    For audits, which check each envelope in full in a pass of its own, and for restores, in which the envelopes lead to
    the root that the backup signs. Raises MalformedInput.
    """
    return _again(canonical.parse(entry, decoder_of(CheckedEnvelope), where="envelope"), entry, payload)


def _again(envelope: Envelope | CheckedEnvelope, entry: bytes, payload: bytes) -> Event:
    return make_event(envelope, canonical.parse(payload, _payload_decoder(envelope.event_type), where="payload"), entry)


def decode_submission(data: bytes) -> Submitted:
    """Decode a posted submission. Raises MalformedInput, which names the field.

    Accepts only the canonical spelling, with strings in NFC, and a payload that is of the envelope's event type, has
    the digest that the envelope signs, and commits to exactly the sections given; a person's name is in the section
    that its body names. Signature, authority and custody are checked elsewhere.
    """
    submission = canonical.parse(data, decoder_of(Submission))
    envelope = submission.envelope
    require_kind(envelope)
    payload = canonical.parse(bytes(submission.payload), _payload_decoder(envelope.event_type), where="payload")
    envelope_bytes = canonical.encode(envelope)
    payload_bytes = canonical.encode(payload)
    section_bytes = {label: canonical.encode(section) for label, section in submission.sections.items()}
    # The parts are encoded once, and their bytes are both compared here and stored.
    sections = b",".join(b'"%s":%s' % (label.encode(), section_bytes[label]) for label in sorted(section_bytes))
    joined = b'{"envelope":%s,"payload":%s,"sections":{%s}}' % (envelope_bytes, payload_bytes, sections)
    canonical.require_same(data, joined)
    canonical.require_profile(data)
    canonical.require_nfc(data)
    require_place(envelope)
    require_digest(envelope, payload_bytes)
    _require_authority(payload, envelope.event_type)
    for label in payload.confidential.keys() - section_bytes.keys():
        raise MalformedInput("the payload commits to this section, but it is not here", field=f"sections.{label}")
    for label, section in section_bytes.items():
        committed = payload.confidential.get(label)
        if committed is None:
            raise MalformedInput("the payload commits to no section of this label", field=f"sections.{label}")
        if committed != blake3_text(section):
            raise MalformedInput(
                "expected {digest}, that of the section",
                digest=blake3_text(section),
                field=f"payload.confidential.{label}",
            )
    _require_name(payload.body, submission.sections)
    event = make_event(envelope, payload, envelope_bytes)
    return Submitted(event, envelope, envelope_bytes, payload_bytes, section_bytes)


def encode_submission(envelope: Envelope, payload: Payload[Any], sections: dict[str, Section]) -> bytes:
    """Encode a submission as the canonical bytes to post."""
    return canonical.encode({"envelope": envelope, "payload": payload, "sections": sections})


def require_length(entry: bytes) -> None:
    """Accept an entry that can be served in a bundle of the log, which is no longer. Raises MalformedInput."""
    if len(entry) > MAX_ENTRY_BYTES:
        raise MalformedInput("expected at most {limit} bytes", limit=MAX_ENTRY_BYTES, field="envelope")


def require_digest(envelope: Envelope, payload: bytes) -> None:
    """Accept the payload whose digest the envelope signs. Raises MalformedInput."""
    calculated = blake3_text(payload)
    if envelope.payload_digest != calculated:
        raise MalformedInput("expected {digest}, the payload's", digest=calculated, field="envelope.payload_digest")


def require_place(envelope: Envelope) -> None:
    """Accept an envelope whose place is possible, whatever its event type. Raises MalformedInput.

    ``previous`` is null at sequence 0 and only there, an agency writes in its own stream only, and there is one system
    stream.
    """
    # Else a stream could begin twice.
    if (envelope.previous is None) != (envelope.sequence == 0):
        raise MalformedInput("expected null at sequence 0, and a digest after it", field="envelope.previous")
    # An agency cannot write in another agency's stream.
    stream = envelope.stream
    only = {"agency": envelope.agency, "system": SYSTEM_STREAM_ID}.get(stream.kind, stream.id)
    if stream.id != only:
        raise MalformedInput("expected {only}, the one stream of this kind", only=only, field="envelope.stream.id")


def require_kind(envelope: Envelope) -> None:
    """Accept an envelope of a known event type, in a stream of a kind that it belongs to. Raises MalformedInput."""
    row = type_of(envelope.event_type)
    if envelope.stream.kind not in row.streams:
        raise MalformedInput(
            "expected a stream of kind {streams}", streams=" or ".join(row.streams), field="envelope.stream.kind"
        )


def _require_authority(payload: Payload[Body], event_type: str) -> None:
    if payload.authority is None and EVENT_TYPES[event_type].on_authority:
        raise MalformedInput("this names the authority it is done on", field="payload.authority")


def _require_name(body: Body, sections: Mapping[str, Section]) -> None:
    # Papers and searches look there, and would name nobody.
    if not isinstance(body, PersonNamed) or body.section is None:
        return
    if body.section not in sections:
        raise MalformedInput(
            "there is no section {body.section} here, with the name", body=body, field="payload.body.section"
        )
    if terms.NAME_FIELD not in sections[body.section].fields:
        raise MalformedInput(
            "expected the name of the person in the field {name}",
            name=terms.NAME_FIELD,
            field=f"sections.{body.section}.fields",
        )
