"""What a profile has seen of its log, kept so that the log cannot be rolled back or forked behind its back.

profiles/<name>/log/seen.checkpoint   the largest published tree head
profiles/<name>/log/receipts/         those of receipts, until a published one continues them
profiles/<name>/log/refused/          tree heads that the log signed and that contradict each other: evidence

Kept by profiles with a trust file: only what the trusted log has signed is compared.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from ledger.config.secret_files import write_secret
from ledger.core.encoding.decoding import convert
from ledger.core.errors import IntegrityBroken, MalformedInput, NotFound, TallystickError
from ledger.core.log.checkpoints import Checkpoint, verify_checkpoint
from ledger.core.log.merkle import Hash, verify_consistency
from ledger.core.verification.trust import Trust, parse_trust

if TYPE_CHECKING:
    from ledger.cli.client import Service
    from ledger.cli.session import Session

PUBLISHED, RECEIPTS = "seen.checkpoint", "receipts"
LOOK_AGAIN_S = 10
MOST_PENDING = 16


class Seen(Struct, frozen=True):
    """A tree head that the log signed, and its note."""

    note: str
    head: Checkpoint


def seen_by(session: Session) -> SeenLog | None:
    """The memory of the session's profile; None where it has no trust file."""
    file = session.profiles.trust(session.profile)
    if not file.exists():
        return None
    folder = session.profiles.folder(session.profile.name) / "log"
    return SeenLog(folder, session.service, parse_trust(file.read_bytes()))


class SeenLog:
    """One log as one profile has seen it."""

    def __init__(self, folder: Path, service: Service, trust: Trust):
        self.trust = trust
        self._folder = folder
        self._service = service

    def look(self) -> None:
        """Asks for the published checkpoint where that was not done just now. Raises as ``published``."""
        file = self._folder / PUBLISHED
        if not file.exists() or time.time() - file.stat().st_mtime > LOOK_AGAIN_S:
            self.published()

    def published(self) -> Seen:
        """The newest checkpoint, which continues all that was seen before.

        Raises SignatureRefused where the log did not sign it, IntegrityBroken where the log was rolled back or forked.
        """
        before, pending = self._kept(self._folder / PUBLISHED), self._pending()
        note = self._service.fetch("/checkpoint").decode("utf-8", "replace")
        new = Seen(note, verify_checkpoint(note, self.trust.log_key_of(note)))
        if before:
            self._require_one_log(before, new)
        for file, old in pending:
            if old.head.size <= new.head.size:  # a larger one waits until the log publishes as much
                self._require_one_log(old, new)
                file.unlink(missing_ok=True)
        self._write(self._folder / PUBLISHED, new)
        return new

    def receipt(self, note: str, head: Checkpoint) -> None:
        """Takes the verified tree head of a receipt. Raises IntegrityBroken where it contradicts what was seen.

        A larger one is compared with what is published later: until then the log has no proof for it.
        """
        new, published = Seen(note, head), self._kept(self._folder / PUBLISHED)
        if published and head.size <= published.head.size:
            return self._require_one_log(new, published)
        pending = self._pending()
        for _, old in pending:
            if old.head.size == head.size:
                self._require_one_log(old, new)
        if len(pending) >= MOST_PENDING:
            pending[-1][0].unlink(missing_ok=True)
        return self._write(self._folder / RECEIPTS / _name(new), new)

    def _require_one_log(self, old: Seen, new: Seen) -> None:
        """That the second tree head continues the first."""
        try:
            if new.head.size < old.head.size:
                raise IntegrityBroken(f"the log ends at {new.head.size}, and was at {old.head.size}", field="size")
            require_continued(self._service, old.head, new.head)
        except IntegrityBroken as error:
            kept = [self._folder / "refused" / _name(one) for one in (old, new)]
            for file, one in zip(kept, (old, new), strict=True):
                self._write(file, one)
            error.hint = (
                f"The log was rolled back or forked. Both tree heads are signed, show them: {kept[0]} {kept[1]}"
            )
            raise

    def _pending(self) -> list[tuple[Path, Seen]]:
        """Tree heads of receipts that no published one continues yet, the smallest first."""
        files = (self._folder / RECEIPTS).glob("*.checkpoint")
        found = [(file, seen) for file in files if (seen := self._kept(file))]
        return sorted(found, key=lambda one: one[1].head.size)

    def _kept(self, file: Path) -> Seen | None:
        try:
            note = file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        return Seen(note, verify_checkpoint(note, self.trust.log_key_of(note)))

    @staticmethod
    def _write(file: Path, seen: Seen) -> None:
        write_secret(file, seen.note.encode(), field="log", replace=True)


def _name(seen: Seen) -> str:
    return f"{seen.head.size}-{seen.head.root.hex()[:16]}.checkpoint"


class _Growth(Struct, frozen=True):
    hashes: tuple[str, ...]


def require_continued(service: Service, old: Checkpoint, new: Checkpoint) -> None:
    """That the tree of ``new`` begins with that of ``old``, by the proof that the service gives.

    Requires old.size <= new.size. Raises IntegrityBroken, also where the service has no such proof.
    """
    hashes = [] if old.size in (0, new.size) else _growth(service, old.size, new.size)
    try:
        verify_consistency(old.size, old.root, new.size, new.root, hashes)
    except TallystickError as error:
        raise IntegrityBroken(
            f"the log of {new.size} entries does not continue that of {old.size}: {error.message}", field="root"
        ) from error


def _growth(service: Service, old: int, new: int) -> list[Hash]:
    try:
        answer: Any = service.get("/api/v1/log/consistency", first=old, second=new)
        told = convert(answer, _Growth)
        return [Hash(bytes.fromhex(text.removeprefix("sha256:"))) for text in told.hashes]
    except (msgspec.ValidationError, ValueError) as error:
        if isinstance(error, TallystickError) and not isinstance(error, (MalformedInput, NotFound)):
            raise
        raise IntegrityBroken(
            f"the service has no proof that the log of {new} entries continues that of {old}: {error}", field="root"
        ) from error
