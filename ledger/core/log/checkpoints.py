"""Signed tree heads (C2SP tlog-checkpoint) and the co-signatures of witnesses on them (C2SP tlog-cosignature, v1).

A checkpoint of this ledger has exactly three lines: origin, size, root. Whether a tree is consistent with an earlier
one (``merkle``), and how many witnesses are enough (``policy``), is decided elsewhere.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from functools import lru_cache

from msgspec import Struct

from ledger.core.errors import MalformedInput, SignatureRefused
from ledger.core.log import notes
from ledger.core.log.merkle import EMPTY_ROOT, SIZE_LIMIT, Hash, as_hash
from ledger.core.log.policy import Policy
from ledger.core.messages import Message

TIMESTAMP_LENGTH = 8  # bytes
TIMESTAMP_LIMIT = 1 << 63  # unix seconds; every timestamp is below it
NOTES_KEPT = 32  # verified notes in the cache: many bundles are under the same few checkpoints

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")
_ORIGIN = re.compile(r"[^\x00-\x1f\ud800-\udfff]+")

# The code of a refusal: an empty tree has another root than its own, or a tree with leaves has the empty one.
ROOT_OF_ANOTHER_SIZE = "root_of_another_size"


class Checkpoint(Struct, frozen=True):
    """The tree of one log at one size: 0 <= size < 2**63, and the root is SHA-256 of nothing only if size is 0."""

    origin: str
    size: int
    root: Hash

    def __post_init__(self) -> None:
        if not _ORIGIN.fullmatch(self.origin):
            raise MalformedInput("an origin is one line of text", field="origin")
        if not 0 <= self.size < SIZE_LIMIT:
            raise MalformedInput("{size} is not a tree size", size=self.size, field="size")
        as_hash(self.root, "root")
        if (self.size == 0) != (self.root == EMPTY_ROOT):
            text = Message("no tree of {size} leaves has this root", size=self.size)
            raise MalformedInput(text, field="root", code=ROOT_OF_ANOTHER_SIZE)

    def text(self) -> str:
        """Return the note text that log and witnesses sign."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


class Cosignature(Struct, frozen=True):
    """A witness's verified statement that at ``timestamp`` (unix seconds) this was the largest tree it had seen."""

    witness: notes.VerifyingKey
    timestamp: int


def parse_size(text: str, field: str = "size") -> int:
    """Parse a tree size or index: ASCII decimal below 2**63 without sign or leading zero. Raises MalformedInput."""
    if not _DECIMAL.fullmatch(text) or int(text) >= SIZE_LIMIT:
        raise MalformedInput("{text!r} is not a plain decimal below 2^63", text=text[:40], field=field)
    return int(text)


def parse_checkpoint(text: str) -> Checkpoint:
    """Parse a note text as a checkpoint. Raises MalformedInput, also for extension lines."""
    lines = text.split("\n")
    # No extension lines: what this ledger does not write it need not understand.
    if len(lines) != 4 or lines[3]:
        raise MalformedInput("a checkpoint is the three lines origin, size and root", field="checkpoint")
    return Checkpoint(lines[0], parse_size(lines[1]), as_hash(notes.decode_base64(lines[2], "root"), "root"))


def sign_checkpoint(checkpoint: Checkpoint, signer: notes.NoteSigner) -> str:
    """Sign a checkpoint as a note. Requires a signer of type ED25519 whose name is the origin."""
    _require_origin(checkpoint, signer.verifying_key)
    return str(notes.sign_note(checkpoint.text(), signer))


@lru_cache(maxsize=NOTES_KEPT)
def verify_checkpoint(note_text: str, log_key: notes.VerifyingKey) -> Checkpoint:
    """Return the checkpoint of a note that the log signed; co-signatures are left to ``verify_cosignatures``.

    Raises MalformedInput for another form, and SignatureRefused if the log's signature is missing, repeated or false,
    or if the origin is not the name of the key.
    """
    note = notes.parse_note(note_text)
    notes.verify_note(note, log_key)
    checkpoint = parse_checkpoint(note.text)
    _require_origin(checkpoint, log_key)
    return checkpoint


def cosign_checkpoint(checkpoint: Checkpoint, signer: notes.NoteSigner, timestamp: int) -> notes.NoteSignature:
    """Make a witness's signature line. Requires a signer of type COSIGNATURE_V1 and 0 <= timestamp < 2**63."""
    return cosign_text(checkpoint.text(), signer, timestamp)


def cosign_text(text: str, signer: notes.NoteSigner, timestamp: int) -> notes.NoteSignature:
    """Make a witness's signature line over any note text, as ``cosign_checkpoint`` does over a checkpoint."""
    key = signer.verifying_key
    notes.require_type(key, notes.SignatureType.COSIGNATURE_V1)
    if not 0 <= timestamp < TIMESTAMP_LIMIT:
        raise MalformedInput("{timestamp} is no unix time below 2^63", timestamp=timestamp, field="timestamp")
    signature = signer.sign(_cosigned_message(text, timestamp))
    return notes.NoteSignature(key.name, key.key_id, timestamp.to_bytes(TIMESTAMP_LENGTH, "big") + signature)


def verify_cosignatures(note_text: str, witness_keys: Iterable[notes.VerifyingKey]) -> tuple[Cosignature, ...]:
    """Return the co-signatures that the given witnesses have on a note, in the order of the keys.

    All other signatures are ignored. Raises SignatureRefused if one of these witnesses has two, or one that does not
    verify.
    """
    return _cosignatures(note_text, tuple(dict.fromkeys(witness_keys)))


@lru_cache(maxsize=NOTES_KEPT)
def _cosignatures(note_text: str, witness_keys: tuple[notes.VerifyingKey, ...]) -> tuple[Cosignature, ...]:
    note = notes.parse_note(note_text)
    cosignatures: list[Cosignature] = []
    for key in witness_keys:
        notes.require_type(key, notes.SignatureType.COSIGNATURE_V1)
        signature = note.signature_by(key)
        if signature is None:
            continue
        # C2SP tlog-cosignature: 8 bytes of timestamp, then the Ed25519 signature, which covers the timestamp too.
        timestamp = int.from_bytes(signature[:TIMESTAMP_LENGTH], "big")
        if len(signature) != TIMESTAMP_LENGTH + notes.ED25519_SIGNATURE_LENGTH or timestamp >= TIMESTAMP_LIMIT:
            raise SignatureRefused("the co-signature of {key.name} is no time and 64 bytes", key=key, field="signature")
        key.verify(_cosigned_message(note.text, timestamp), signature[TIMESTAMP_LENGTH:])
        cosignatures.append(Cosignature(key, timestamp))
    return tuple(cosignatures)


def names_of(cosignatures: Iterable[Cosignature]) -> str:
    """Return the names of the witnesses that co-signed, for a message."""
    return ", ".join(cosignature.witness.name for cosignature in cosignatures) or Message("no witness")


def require_quorum(policy: Policy, cosignatures: Sequence[Cosignature], *, field: str, hint: str | None = None) -> None:
    """Accept co-signatures of enough witnesses. Raises SignatureRefused."""
    if not policy.is_met_by(cosignature.witness for cosignature in cosignatures):
        raise SignatureRefused(
            "the quorum {policy.quorum} is not reached by {names}",
            policy=policy,
            names=names_of(cosignatures),
            field=field,
            hint=hint,
        )


def _cosigned_message(text: str, timestamp: int) -> bytes:
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()


def _require_origin(checkpoint: Checkpoint, log_key: notes.VerifyingKey) -> None:
    if checkpoint.origin != log_key.name:
        raise SignatureRefused("the checkpoint is of {checkpoint.origin}", checkpoint=checkpoint, field="origin")
