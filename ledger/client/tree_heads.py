"""Remember the tree heads of a log, so that it cannot be rolled back or forked unnoticed.

profiles/<name>/log/seen.checkpoint   the largest published tree head
profiles/<name>/log/receipts/         tree heads of receipts, until a published one continues them
profiles/<name>/log/refused/          tree heads that the log signed and that contradict each other: evidence

Only profiles with a trust file remember tree heads: what the trusted log did not sign proves nothing against it.
"""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
from msgspec import Struct

from ledger.client.service import ServiceClient
from ledger.config.secret_files import write_secret
from ledger.core.encoding.decoding import convert
from ledger.core.errors import IntegrityBroken, MalformedInput, NotFound, ProofRefused
from ledger.core.log.checkpoints import Checkpoint, verify_checkpoint
from ledger.core.log.merkle import Hash, verify_consistency
from ledger.core.messages import Message
from ledger.core.trust.trust_file import Trust

PUBLISHED, RECEIPTS = "seen.checkpoint", "receipts"
FRESH_S = 10  # a checkpoint fetched within these seconds is not fetched again before a submission
MOST_PENDING = 16  # receipts' tree heads that wait to be published


class SignedTreeHead(Struct, frozen=True):
    """A tree head that the log signed, and the note with the signature."""

    note: str
    head: Checkpoint


class RememberedTreeHeads:
    """The tree heads of one log that one profile has got, kept in ``folder``."""

    def __init__(self, folder: Path, service: ServiceClient, trust: Trust):
        self.trust = trust
        self._folder = folder
        self._service = service

    def refresh(self) -> None:
        """Fetch the published checkpoint unless that was done just now. Raises as ``fetch_published``."""
        file = self._folder / PUBLISHED
        if not file.exists() or time.time() - file.stat().st_mtime > FRESH_S:
            self.fetch_published()

    def fetch_published(self) -> SignedTreeHead:
        """Fetch the newest checkpoint, check that it continues all remembered ones, and remember it.

        Raises SignatureRefused if the log did not sign it, IntegrityBroken if the log was rolled back or forked.
        """
        previous, pending = self._read(self._folder / PUBLISHED), self._pending()
        note = self._service.fetch("/checkpoint").decode("utf-8", "replace")
        new = SignedTreeHead(note, verify_checkpoint(note, self.trust.log_key_of(note)))
        if previous:
            self._require_one_log(previous, new)
        for file, old in pending:
            if old.head.size <= new.head.size:  # a larger one waits until the log publishes as much
                self._require_one_log(old, new)
                file.unlink(missing_ok=True)
        self._write(self._folder / PUBLISHED, new)
        return new

    def add(self, new: SignedTreeHead) -> None:
        """Remember the verified tree head of a receipt. Raises IntegrityBroken if it contradicts a remembered one.

        One that is larger than the published checkpoint is compared once a larger checkpoint is published: until then
        the log has no consistency proof for it.
        """
        published = self._read(self._folder / PUBLISHED)
        if published and new.head.size <= published.head.size:
            return self._require_one_log(new, published)
        pending = self._pending()
        for _, old in pending:
            if old.head.size == new.head.size:
                self._require_one_log(old, new)
        if len(pending) >= MOST_PENDING:
            pending[-1][0].unlink(missing_ok=True)
        return self._write(self._folder / RECEIPTS / _name(new), new)

    def _require_one_log(self, old: SignedTreeHead, new: SignedTreeHead) -> None:
        """Check that the second tree head continues the first. If not, keep both as evidence and raise."""
        try:
            if new.head.size < old.head.size:
                raise IntegrityBroken(
                    "the log ends at {new.head.size}, and was at {old.head.size}", new=new, old=old, field="size"
                )
            require_continued(self._service, old.head, new.head)
        except IntegrityBroken as error:
            evidence = [self._folder / "refused" / _name(tree_head) for tree_head in (old, new)]
            for file, tree_head in zip(evidence, (old, new), strict=True):
                self._write(file, tree_head)
            hint = Message(
                "The log was rolled back or forked. Both tree heads are signed, show them: {older} {newer}",
                older=evidence[0],
                newer=evidence[1],
            )
            raise error.amended(hint=hint) from error

    def _pending(self) -> list[tuple[Path, SignedTreeHead]]:
        """Return the receipts' tree heads that no published one continues yet, the smallest first."""
        files = (self._folder / RECEIPTS).glob("*.checkpoint")
        pending = [(file, tree_head) for file in files if (tree_head := self._read(file))]
        return sorted(pending, key=lambda pair: pair[1].head.size)

    def _read(self, file: Path) -> SignedTreeHead | None:
        try:
            note = file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        return SignedTreeHead(note, verify_checkpoint(note, self.trust.log_key_of(note)))

    @staticmethod
    def _write(file: Path, tree_head: SignedTreeHead) -> None:
        write_secret(file, tree_head.note.encode(), field="log", replace=True)


def _name(tree_head: SignedTreeHead) -> str:
    return f"{tree_head.head.size}-{tree_head.head.root.hex()[:16]}.checkpoint"


class _ConsistencyProof(Struct, frozen=True):
    hashes: tuple[str, ...]


def require_continued(service: ServiceClient, old: Checkpoint, new: Checkpoint) -> None:
    """Check that the tree of ``new`` begins with that of ``old``, by the consistency proof (RFC 6962) of the service.

    Requires old.size <= new.size. Raises IntegrityBroken, also if the service has no such proof.
    """
    hashes: list[Hash] = []
    try:
        if old.size not in (0, new.size):
            answer = service.get("/api/v1/log/consistency", first=old.size, second=new.size)
            texts = convert(answer, _ConsistencyProof).hashes
            hashes = [Hash(bytes.fromhex(text.removeprefix("sha256:"))) for text in texts]
        verify_consistency(old.size, old.root, new.size, new.root, hashes)
    except (msgspec.ValidationError, ValueError, MalformedInput, NotFound, ProofRefused) as error:
        raise IntegrityBroken(
            "the log of {new} is not shown to continue that of {old}: {error}",
            new=new.size,
            old=old.size,
            error=error,
            field="root",
        ) from error
