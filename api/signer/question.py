"""Questions: what a page asks the key to sign, checked and put into words. What has no words is refused.

Only two things are signed: an event of this officer for this ledger, whose payload is disclosed and matches the digest
in the typed data (EIP-712); and the text that signs in at this console (EIP-4361).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from msgspec import Struct

from api.auth.sessions import sign_in_text
from ledger.client.acts_in_words import ActInWords, ActsReader
from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import convert, decoder_of
from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import MalformedInput, SignatureRefused, Unauthorized
from ledger.core.events import SUITE_SECP256K1_EIP712, UNSIGNED, Envelope, Event, Section, Stream, decode_event
from ledger.core.events.payload import decode_section
from ledger.core.signing.signatures import TransactionSigner, personal_digest, require_window, typed_data
from ledger.recording.event_signing import MAX_ACTS, sign_envelopes
from ledger.timeline.event_fields import EventField

_ZERO = "0x" + "00" * 32
_MOMENT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"
_VARYING = re.compile(
    r"Chain ID: (?P<chain_id>[0-9]{1,16})\nNonce: (?P<nonce>[0-9a-f]{32})\n"
    rf"Issued At: (?P<issued>{_MOMENT})\nExpiration Time: (?P<expires>{_MOMENT})\n"
)


class KeyHolder(Struct, frozen=True):
    """The owner of the key, and where it may sign: ``url`` is the console's, ``log_id`` (32 bytes) the ledger's."""

    key_id: str
    agency: str
    officer: str
    log_id: bytes
    url: str


class SigningQuestion(Struct, frozen=True):
    """A question to the officer, with the acts that one consent is for. ``signatures`` signs them, and nothing else."""

    kind: str
    acts: tuple[ActInWords, ...]
    signatures: Callable[[TransactionSigner], list[str]]


class _Disclosed(Struct, frozen=True, forbid_unknown_fields=True):
    """What accompanies the typed data: the canonical texts of the payload and of its confidential sections."""

    payload: str
    sections: dict[str, str] = {}


class QuestionBuilder:
    """Makes the questions to one holder, as ``reader`` puts acts into words. ``now`` returns unix seconds."""

    def __init__(self, holder: KeyHolder, reader: ActsReader, now: Callable[[], int]):
        self.holder = holder
        self._reader = reader
        self._labels = reader.labels
        self._now = now

    def events(self, address: Any, documents: Any) -> SigningQuestion:
        """Return the question for a list of events that are signed by one consent, in their order.

        Each is the typed data, as a document or its JSON, with what it discloses. An event that comes after another of
        its stream is signed to follow that one. Raises the refusal.
        """
        self._require_own(address)
        if not isinstance(documents, list) or not 0 < len(documents) <= MAX_ACTS:
            raise MalformedInput("expected a list of 1 to {limit} events", limit=MAX_ACTS, field="params")
        last: dict[Stream, int] = {}
        envelopes: list[Envelope] = []
        acts: list[tuple[Event, dict[str, Section]]] = []
        for document in documents:
            data, beside = convert(document, tuple[Any, Any])
            envelope = self._envelope(data)
            if envelope.sequence != last.get(envelope.stream, envelope.sequence - 1) + 1:
                raise MalformedInput("the events of a stream must follow each other", field="params")
            last[envelope.stream] = envelope.sequence
            envelopes.append(envelope)
            acts.append(self._disclosed(envelope, beside))
        log_id = self.holder.log_id
        return SigningQuestion(
            "event",
            self._reader.read(acts),
            lambda signer: [envelope.signature for envelope in sign_envelopes(envelopes, signer, log_id)],
        )

    def _disclosed(self, envelope: Envelope, beside: Any) -> tuple[Event, dict[str, Section]]:
        """Return the event and its sections, if the holder may sign it and sees all of it. Raises the refusal."""
        require_window(envelope, self._now())
        disclosed = convert(beside, _Disclosed)
        event = decode_event(canonical.encode(envelope), disclosed.payload.encode())
        if (event.agency, event.officer) != (self.holder.agency, self.holder.officer):
            raise Unauthorized(
                "this key signs for {officer} of {agency} alone", officer=self.holder.officer, agency=self.holder.agency
            )
        # All sections that the payload commits to, each verified.
        if event.confidential.keys() != disclosed.sections.keys():
            raise MalformedInput("each confidential section must be shown before it is signed", field="params")
        for label, text in disclosed.sections.items():
            if blake3_text(text.encode()) != event.confidential[label]:
                raise MalformedInput("the section {label} is not the one that is signed", label=label, field="params")
        return event, {label: decode_section(text.encode(), label) for label, text in disclosed.sections.items()}

    def sign_in(self, data: Any, address: Any) -> SigningQuestion:
        """Return the question of ``personal_sign``; ``data`` is the text or its bytes in hex. Raises the refusal."""
        self._require_own(address)
        if not isinstance(data, str):
            raise MalformedInput("expected a text", field="params")
        try:
            text = bytes.fromhex(data[2:]).decode() if data.startswith("0x") else data
        except ValueError as error:
            raise MalformedInput("expected a text, or its bytes in hex", field="params") from error
        match, holder = _VARYING.search(text), self.holder
        foreign = SignatureRefused(
            "only the text that signs in at this console is signed", field="params", code="foreign_sign_in"
        )
        # The whole text is made again from the parts that vary from text to text, which can say nothing else.
        if match is None or text != sign_in_text(
            holder.url, holder.key_id, f"0x{holder.log_id.hex()}", **match.groupdict()
        ):
            raise foreign
        now = self._now()
        try:
            issued, expires = (datetime.fromisoformat(match[name]).timestamp() for name in ("issued", "expires"))
        except ValueError as error:  # no calendar has it
            raise foreign from error
        if not issued - 300 <= now < expires:
            raise SignatureRefused(
                "the text to sign in with is of another time", field="params", code="sign_in_expired"
            )
        sentence = self._labels.of("message", "asked_to_sign_in").format(self.holder.url)
        facts = (
            EventField(self._labels.of("field", "officer"), self.holder.officer),
            EventField(self._labels.of("field", "key_id"), self.holder.key_id),
        )
        digest = personal_digest(text)
        return SigningQuestion(
            "sign_in", (ActInWords(sentence, facts),), lambda signer: ["0x" + signer.sign(digest).hex()]
        )

    def _envelope(self, data: Any) -> Envelope:
        """Return the envelope in the typed data, which must contain nothing else."""
        document: Any = (
            canonical.parse(data.encode(), decoder_of(Any), where="params") if isinstance(data, str) else data
        )
        try:
            message = document["message"]
            envelope = convert(
                {
                    "suite": SUITE_SECP256K1_EIP712,
                    "event_id": message["eventId"],
                    "event_type": message["eventType"],
                    "stream": {"kind": message["streamKind"], "id": message["streamId"]},
                    "sequence": message["sequence"],
                    "previous": None if message["previous"] == _ZERO else "sha256:" + message["previous"][2:],
                    "agency": message["agency"],
                    "payload_digest": "blake3:" + message["payloadBlake3"][2:],
                    "signed_at": message["signedAt"],
                    "key_id": self.holder.key_id,
                    "signature": UNSIGNED,
                },
                Envelope,
            )
        except (KeyError, TypeError) as error:
            raise MalformedInput("this is no typed data of an event", field="params") from error
        if canonical.encode(document) != canonical.encode(typed_data(envelope, self.holder.log_id)):
            raise MalformedInput(
                "the typed data is not that of an event of this ledger, signed with this key", field="params"
            )
        return envelope

    def _require_own(self, address: Any) -> None:
        if not isinstance(address, str) or address.lower() != self.holder.key_id:
            raise Unauthorized("this signer holds {key_id} alone", key_id=self.holder.key_id, field="params")
