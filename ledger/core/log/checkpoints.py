"""Signed tree heads (C2SP tlog-checkpoint) and the co-signatures of witnesses on them (C2SP tlog-cosignature).

A checkpoint of this ledger has exactly three lines: origin, size, root. Whether a tree is consistent with an earlier
one (``merkle``), and how many witnesses are enough (``policy``), is decided elsewhere.

Witnesses co-sign other texts too: which block is final, and which trust file follows. Of such a *statement* an Ed25519
key signs the text as it would a checkpoint's. What an ML-DSA-44 key signs of a checkpoint is no text, so a statement
has a message of its own, whose first bytes tell the two apart.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from msgspec import Struct

from ledger.core.errors import MalformedInput, SignatureRefused
from ledger.core.log import notes
from ledger.core.log.merkle import EMPTY_ROOT, SIZE_LIMIT, Hash, as_hash
from ledger.core.log.policy import Policy
from ledger.core.messages import Message

TIMESTAMP_LENGTH = 8  # bytes
TIMESTAMP_LIMIT = 1 << 63  # unix seconds; every timestamp is below it
MAX_ORIGIN_LENGTH = 255  # bytes: C2SP tlog-cosignature counts them in one
SUBTREE_LABEL = b"subtree/v1\n\0"
STATEMENT_LABEL = b"tallystick/statement@v1\n\0"
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
        if not _ORIGIN.fullmatch(self.origin) or len(self.origin.encode()) > MAX_ORIGIN_LENGTH:
            raise MalformedInput("an origin is one line of text of at most 255 bytes", field="origin")
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


def stated_checkpoint(note_text: str) -> Checkpoint:
    """Return the checkpoint that a note states, whoever signed it. Raises MalformedInput for another form."""
    return parse_checkpoint(notes.parse_note(note_text).text)


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
    """Make a witness's signature line.

    Requires a signer of type COSIGNATURE_V1 or SUBTREE_V1, and 0 < timestamp < 2**63 (unix seconds).
    """
    return _cosign(_checkpoint_message, checkpoint.text(), signer, timestamp)


def cosign_statement(text: str, signer: notes.NoteSigner, timestamp: int) -> notes.NoteSignature:
    """Make a witness's signature line over a note text that is no checkpoint, as ``cosign_checkpoint`` over one."""
    return _cosign(_statement_message, text, signer, timestamp)


def verify_cosignatures(note_text: str, witness_keys: Iterable[notes.VerifyingKey]) -> tuple[Cosignature, ...]:
    """Return the co-signatures that the given witnesses have on a checkpoint's note, in the order of the keys.

    All other signatures are ignored. Raises SignatureRefused if one of these keys has two, or one that does not verify
    or has no time, and MalformedInput if an ML-DSA-44 key has signed a note of another form.
    """
    return _cosignatures(_checkpoint_message, note_text, tuple(dict.fromkeys(witness_keys)))


def verify_statement(note_text: str, witness_keys: Iterable[notes.VerifyingKey]) -> tuple[Cosignature, ...]:
    """Return the co-signatures on a note that is no checkpoint's, as ``verify_cosignatures`` does on one that is."""
    return _cosignatures(_statement_message, note_text, tuple(dict.fromkeys(witness_keys)))


def names_of(cosignatures: Iterable[Cosignature]) -> str:
    """Return the names of the witnesses that co-signed, for a message."""
    names = dict.fromkeys(cosignature.witness.name for cosignature in cosignatures)  # of two keys, one name
    return ", ".join(names) or Message("no witness")


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


_Message = Callable[[notes.VerifyingKey, str, int], bytes]


def _cosign(message: _Message, text: str, signer: notes.NoteSigner, timestamp: int) -> notes.NoteSignature:
    key = signer.verifying_key
    notes.require_type(key, *notes.COSIGNING)
    if not 0 < timestamp < TIMESTAMP_LIMIT:
        raise MalformedInput("{timestamp} is no unix time below 2^63", timestamp=timestamp, field="timestamp")
    signature = signer.sign(message(key, text, timestamp))
    return notes.NoteSignature(key.name, key.key_id, _uint64(timestamp) + signature)


@lru_cache(maxsize=NOTES_KEPT)
def _cosignatures(
    message: _Message, note_text: str, witness_keys: tuple[notes.VerifyingKey, ...]
) -> tuple[Cosignature, ...]:
    note = notes.parse_note(note_text)
    cosignatures: list[Cosignature] = []
    for key in witness_keys:
        notes.require_type(key, *notes.COSIGNING)
        signature = note.signature_by(key)
        if signature is None:
            continue
        # C2SP tlog-cosignature: 8 bytes of timestamp, then the signature, which covers the timestamp too. Zero is the
        # time of a witness that does not say when, nor that it has seen no larger tree: that is no co-signature here.
        timestamp = int.from_bytes(signature[:TIMESTAMP_LENGTH], "big")
        if len(signature) != TIMESTAMP_LENGTH + key.signature_length or not 0 < timestamp < TIMESTAMP_LIMIT:
            raise SignatureRefused(
                "the co-signature of {key.name} is no time and {key.signature_length} bytes", key=key, field="signature"
            )
        key.verify(message(key, note.text, timestamp), signature[TIMESTAMP_LENGTH:])
        cosignatures.append(Cosignature(key, timestamp))
    return tuple(cosignatures)


def _checkpoint_message(key: notes.VerifyingKey, text: str, timestamp: int) -> bytes:
    """Return what a co-signature of a checkpoint signs (C2SP tlog-cosignature)."""
    if not key.is_ml_dsa_44:
        return _text_message(text, timestamp)
    checkpoint = parse_checkpoint(text)
    named = _length_and_bytes(key.name) + _uint64(timestamp) + _length_and_bytes(checkpoint.origin)
    # The subtree of the leaves from 0 to the size, that is, the whole tree.
    return SUBTREE_LABEL + named + _uint64(0) + _uint64(checkpoint.size) + checkpoint.root


def _statement_message(key: notes.VerifyingKey, text: str, timestamp: int) -> bytes:
    if not key.is_ml_dsa_44:
        return _text_message(text, timestamp)
    return STATEMENT_LABEL + _length_and_bytes(key.name) + _uint64(timestamp) + text.encode()


def _text_message(text: str, timestamp: int) -> bytes:
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()


def _length_and_bytes(text: str) -> bytes:
    encoded = text.encode()
    return bytes([len(encoded)]) + encoded


def _uint64(number: int) -> bytes:
    return number.to_bytes(TIMESTAMP_LENGTH, "big")


def _require_origin(checkpoint: Checkpoint, log_key: notes.VerifyingKey) -> None:
    if checkpoint.origin != log_key.name:
        raise SignatureRefused("the checkpoint is of {checkpoint.origin}", checkpoint=checkpoint, field="origin")
