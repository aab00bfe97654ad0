"""Signing: a body becomes a submission, on the machine of the officer who signs it.

Nothing is sent and no file is read here. Time and randomness come from ``Sources``.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping

from msgspec import Struct
from msgspec.structs import replace
from uuid_utils import uuid7

from ledger.chain.transaction import TransactionSigner
from ledger.core.custody.claimed_times import require_consistent
from ledger.core.encoding import canonical
from ledger.core.events import (
    VERSION,
    Authority,
    Body,
    Envelope,
    Payload,
    Section,
    Stream,
    decode_payload,
    decode_submission,
    digest_of,
    encode_submission,
    make_payload,
)
from ledger.core.procedure.legal_days import instant_text
from ledger.core.signing.signatures import signing_hash


class Sources(Struct, frozen=True):
    """Where the time (unix seconds), event ids (UUIDv7) and salts (16 bytes in hex) come from."""

    now: Callable[[], int] = lambda: int(time.time())
    event_id: Callable[[], str] = lambda: str(uuid7())
    salt: Callable[[], str] = lambda: secrets.token_hex(16)


class StreamPosition(Struct, frozen=True):
    """The position of a stream's next event: ``head`` is the digest that it follows, None at sequence 0."""

    stream: Stream
    sequence: int = 0
    head: str | None = None


class Actor(Struct, frozen=True):
    """The officer who acts, the agency that he acts for, and his key."""

    agency: str
    officer: str
    signer: TransactionSigner


class Signed(Struct, frozen=True):
    """A signed event. ``submission`` is what the service takes; the same bytes may be sent any number of times."""

    envelope: Envelope
    payload: Payload
    submission: bytes


SYSTEM_SOURCES = Sources()


def sign_event(
    body: Body,
    place: StreamPosition,
    actor: Actor,
    log_id: bytes,
    *,
    occurred_at: str | None = None,
    authority: Authority | None = None,
    sections: Mapping[str, Mapping[str, str]] | None = None,
    sources: Sources = SYSTEM_SOURCES,
) -> Signed:
    """Sign ``body`` as the event at ``place``, by ``actor``, for the ledger ``log_id`` (32 bytes).

    ``occurred_at`` (RFC 3339 UTC, whole seconds) is now by default. ``sections`` are confidential: label -> field ->
    text, each under a salt of its own.

    Raises:
        MalformedInput: no service would accept the event; the error names the field.
        RuleRefused: ``occurred_at`` lies in the future (in_future). Nothing is signed.
    """
    now = sources.now()
    parts = (sections or {}).items()
    kept_apart = {label: Section(salt=sources.salt(), fields=dict(fields)) for label, fields in parts}
    payload = make_payload(
        body=body,
        version=VERSION,
        event_id=sources.event_id(),
        stream=place.stream,
        sequence=place.sequence,
        previous=place.head,
        agency=actor.agency,
        officer=actor.officer,
        occurred_at=occurred_at or instant_text(now),
        salt=sources.salt(),
        authority=authority,
        confidential={label: digest_of(canonical.encode(section)) for label, section in kept_apart.items()},
    )
    # Decoded again, so that what is checked is what the service will read.
    require_consistent(decode_payload(canonical.encode(payload)), now)
    envelope = sign_payload(payload, actor.signer, log_id, signed_at=now)
    submission = encode_submission(envelope, payload, kept_apart)
    # The service's own decoder refuses here what it would refuse there, before anything is sent.
    decode_submission(submission)
    return Signed(envelope, payload, submission)


def sign_payload(payload: Payload, signer: TransactionSigner, log_id: bytes, *, signed_at: int) -> Envelope:
    """Return the signed envelope of ``payload``. ``signed_at`` is in unix seconds."""
    unsigned = envelope_of(payload, digest_of(canonical.encode(payload)), key_id=signer.key_id, signed_at=signed_at)
    return replace(unsigned, signature="0x" + signer.sign(signing_hash(unsigned, log_id)).hex())


def envelope_of(payload: Payload, digest: str, *, key_id: str, signed_at: int, signature: str = "") -> Envelope:
    """Return the envelope of a payload with this digest: the fields that it repeats, and the key that signs."""
    return Envelope(
        version=payload.version,
        event_id=payload.event_id,
        event_type=payload.event_type,
        stream=payload.stream,
        sequence=payload.sequence,
        previous=payload.previous,
        agency=payload.agency,
        payload_digest=digest,
        signed_at=signed_at,
        key_id=key_id,
        signature=signature,
    )


def new_id(noun: str) -> str:
    """Return a fresh id such as ``case-5f3a90c1d2``."""
    return f"{noun}-{secrets.token_hex(5)}"
