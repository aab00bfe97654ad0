"""Proofs in one text that an entry is in the log (C2SP tlog-proof): index, inclusion proof, signed checkpoint."""

from __future__ import annotations

from base64 import b64encode
from binascii import b2a_base64

from msgspec import Struct

from ledger.core.errors import MalformedInput
from ledger.core.log.checkpoints import Checkpoint, parse_size, verify_checkpoint
from ledger.core.log.merkle import MAX_PROOF_LENGTH, Hash, as_hash, verify_inclusion
from ledger.core.log.notes import MAX_NOTE_LENGTH, VerifyingKey, decode_base64

MAX_TLOG_PROOF_LENGTH = 2 * MAX_NOTE_LENGTH  # characters

_FIRST_LINE = "c2sp.org/tlog-proof@v1"


class TlogProof(Struct, frozen=True):
    """The parts of a tlog-proof.

    ``checkpoint`` is the signed note verbatim. ``extra`` is not authenticated: do not rely on it.
    """

    index: int
    hashes: tuple[Hash, ...]
    checkpoint: str
    extra: bytes | None = None

    def to_text(self) -> str:
        """Return the contents of a ``.tlog-proof`` file."""
        extra = f"extra {b64encode(self.extra).decode()}\n" if self.extra else ""
        hashes = b"".join(map(b2a_base64, self.hashes)).decode()  # each with its newline
        return f"{_FIRST_LINE}\n{extra}index {self.index}\n{hashes}\n{self.checkpoint}"

    def verify_inclusion(self, leaf: Hash, checkpoint: Checkpoint) -> None:
        """Accept that ``leaf`` is in the tree. Requires ``checkpoint`` to be the verified one of ``self.checkpoint``.

        Raises ProofRefused.
        """
        verify_inclusion(leaf, self.index, checkpoint.size, self.hashes, checkpoint.root)

    def verify(self, leaf: Hash, log_key: VerifyingKey) -> Checkpoint:
        """Accept that the log has ``leaf`` at ``index``; return the checkpoint that proves it.

        Raises MalformedInput, SignatureRefused or ProofRefused.
        """
        checkpoint = verify_checkpoint(self.checkpoint, log_key)
        self.verify_inclusion(leaf, checkpoint)
        return checkpoint


def parse_tlog_proof(text: str) -> TlogProof:
    """Parse a tlog-proof; its checkpoint is neither parsed nor verified. Raises MalformedInput."""
    if len(text) > MAX_TLOG_PROOF_LENGTH:
        raise MalformedInput("the proof is over {limit} characters long", limit=MAX_TLOG_PROOF_LENGTH, field="proof")
    head, _, checkpoint = text.partition("\n\n")
    first, *lines = head.split("\n")
    if first != _FIRST_LINE or not checkpoint:
        raise MalformedInput("a proof begins with {line} and ends with a checkpoint", line=_FIRST_LINE, field="proof")
    extra = decode_base64(lines.pop(0)[6:], "extra") if lines and lines[0].startswith("extra ") else None
    if extra == b"" or not lines or not lines[0].startswith("index "):
        raise MalformedInput("the index line is missing, or the extra line before it is empty", field="index")
    index = parse_size(lines.pop(0)[6:], "index")
    # Before any is decoded: no tree has a longer path.
    if len(lines) > MAX_PROOF_LENGTH:
        raise MalformedInput("expected at most {limit} hashes", limit=MAX_PROOF_LENGTH, field="proof")
    hashes = tuple(as_hash(decode_base64(line, "proof"), "proof") for line in lines)
    return TlogProof(index, hashes, checkpoint, extra)
