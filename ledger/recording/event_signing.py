"""Signing: a body becomes a submission, on the machine of the officer who signs it.

Nothing is sent and no file is read here. Time and randomness come from ``Sources``.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace
from uuid_utils import uuid7

from ledger.core.custody.claimed_times import require_consistent
from ledger.core.encoding import canonical
from ledger.core.encoding.digests import blake3_text
from ledger.core.encoding.instants import instant_text
from ledger.core.events import (
    Authority,
    Body,
    Envelope,
    Event,
    Payload,
    Section,
    Stream,
    decode_submission,
    encode_submission,
    entry_hash,
    make_event,
    unsigned_envelope,
)
from ledger.core.events.streams import FoldedStream, place_after
from ledger.core.signing.signatures import TransactionSigner, signing_hash

MAX_ACTS = 100  # events that one consent is asked for: more than anybody reads at once


class Sources(Struct, frozen=True):
    """Where the time (unix seconds), event ids (UUIDv7) and salts (16 bytes in hex) come from."""

    now: Callable[[], int] = lambda: int(time.time())
    event_id: Callable[[], str] = lambda: str(uuid7())
    salt: Callable[[], str] = lambda: secrets.token_hex(16)


class StreamPosition(Struct, frozen=True):
    """The position of a stream's next event: ``head`` is the leaf hash that it follows, None at sequence 0."""

    stream: Stream
    sequence: int = 0
    head: str | None = None

    @classmethod
    def after(cls, stream: Stream, folded: FoldedStream | None) -> StreamPosition:
        """Return the position behind the stream's last event, as far as ``folded``; None stands for an empty stream."""
        return cls(stream, *place_after(folded))


class Actor(Struct, frozen=True):
    """The officer who acts, the agency that he acts for, and his key."""

    agency: str
    officer: str
    signer: TransactionSigner


class Claims(Struct, frozen=True):
    """What the officer states beside the body of an event: time, authority, confidential sections.

    ``occurred_at`` (RFC 3339 UTC, whole seconds) is now by default. ``sections``: label -> field -> text.
    """

    occurred_at: str | None = None
    authority: Authority | None = None
    sections: Mapping[str, Mapping[str, str]] = {}

    def with_section(self, label: str, fields: Mapping[str, str]) -> Claims:
        """Return the same claims with one more confidential section."""
        return replace(self, sections={**self.sections, label: fields})


class UnsignedEvent(Struct, frozen=True):
    """An event before it is signed, with its confidential sections by their labels."""

    envelope: Envelope
    payload: Payload[Body]
    sections: dict[str, Section]

    @property
    def event(self) -> Event:
        """Return it as the rules read it."""
        return make_event(self.envelope, self.payload, canonical.encode(self.envelope))

    @property
    def submission(self) -> bytes:
        """Return the canonical bytes to post, once the envelope has the signature."""
        return encode_submission(self.envelope, self.payload, self.sections)


class Signed(Struct, frozen=True):
    """A signed event. ``submission`` is what the service takes; the same bytes may be sent any number of times."""

    event: Event
    envelope: Envelope
    submission: bytes

    @property
    def following(self) -> StreamPosition:
        """Return the position of the event that is signed on this one."""
        return StreamPosition(self.event.stream, self.event.sequence + 1, self.event.leaf_hash)


SYSTEM_SOURCES = Sources()
NOTHING_ELSE = Claims()


def unsigned_event(
    body: Body,
    place: StreamPosition,
    agency: str,
    officer: str,
    key_id: str,
    *,
    now: int,
    claims: Claims = NOTHING_ELSE,
    sources: Sources = SYSTEM_SOURCES,
) -> UnsignedEvent:
    """Return ``body`` as the event at ``place``, which the officer's key is to sign ``now`` (unix seconds).

    Raises MalformedInput, naming the field, for what no service would accept.
    """
    kept_apart = {label: Section(salt=sources.salt(), fields=dict(fields)) for label, fields in claims.sections.items()}
    payload = Payload(
        officer=officer,
        occurred_at=claims.occurred_at or instant_text(now),
        salt=sources.salt(),
        body=body,
        authority=claims.authority,
        confidential={label: blake3_text(canonical.encode(section)) for label, section in kept_apart.items()},
    )
    envelope = unsigned_envelope(
        payload,
        event_id=sources.event_id(),
        stream=place.stream,
        sequence=place.sequence,
        previous=place.head,
        agency=agency,
        key_id=key_id,
        signed_at=now,
    )
    unsigned = UnsignedEvent(envelope, payload, kept_apart)
    decode_submission(unsigned.submission)  # so that what is checked is what the service will read
    return unsigned


def sign_event(
    body: Body,
    place: StreamPosition,
    actor: Actor,
    log_id: bytes,
    claims: Claims = NOTHING_ELSE,
    *,
    sources: Sources = SYSTEM_SOURCES,
) -> Signed:
    """Sign ``body`` as the event at ``place``, by ``actor``, for the ledger ``log_id`` (32 bytes).

    Each confidential section of ``claims`` gets a salt of its own.

    Raises:
        MalformedInput: no service would accept the event; the error names the field.
        RuleRefused: ``occurred_at`` lies in the future (in_future). Nothing is signed.
    """
    unsigned = unsigned_event(
        body,
        place,
        actor.agency,
        actor.officer,
        actor.signer.key_id,
        now=sources.now(),
        claims=claims,
        sources=sources,
    )
    require_consistent(unsigned.event)
    signed = replace(unsigned, envelope=sign_envelope(unsigned.envelope, actor.signer, log_id))
    return Signed(signed.event, signed.envelope, signed.submission)


def sign_envelope(envelope: Envelope, signer: TransactionSigner, log_id: bytes) -> Envelope:
    """Return the envelope under the signature of its key."""
    return replace(envelope, signature="0x" + signer.sign(signing_hash(envelope, log_id)).hex())


def sign_envelopes(envelopes: Sequence[Envelope], signer: TransactionSigner, log_id: bytes) -> list[Envelope]:
    """Return the envelopes under the signature of their key, to be recorded in this order.

    One that comes after another of its stream follows it as it was signed, whatever it says of ``previous``.
    """
    signed: list[Envelope] = []
    heads: dict[Stream, str] = {}
    for envelope in envelopes:
        placed = replace(envelope, previous=heads.get(envelope.stream, envelope.previous))
        signed.append(sign_envelope(placed, signer, log_id))
        heads[envelope.stream] = entry_hash(canonical.encode(signed[-1]))
    return signed


def new_id(noun: str) -> str:
    """Return a fresh id such as ``case-5f3a90c1d2``."""
    return f"{noun}-{secrets.token_hex(5)}"
