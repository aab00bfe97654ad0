"""The witness as a mirror (C2SP tlog-mirror): it serves every entry that it has followed, and says so by a signature.

The mirror is a cosigner of its own, with its own key and name. The log's clients upload nothing: the witness fetches
entries itself, and co-signs a checkpoint, which is the mirror's pending one, only once it has all of them. So every
entry below a pending checkpoint is stored already when a client asks for the mirror's signature, which the protocol
calls to upload none.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from ledger.core.errors import Conflict, NotFound, ProofRefused, Unavailable
from ledger.core.log.checkpoints import cosign_checkpoint, stated_checkpoint
from ledger.core.log.merkle import SIZE_LIMIT
from ledger.core.log.notes import NoteSigner
from ledger.core.log.tiles import TILE_WIDTH, BundleName, TileName, encode_entry_bundle, width_at
from ledger.core.log.witness_protocol import AddEntries
from ledger.store import mirror
from ledger.store.mirror import MirrorCheckpoint
from ledger.witness.watch import Watch


class NothingToUpload(Conflict):
    """The request is not for a pending checkpoint, or uploads entries; the mirror has all below ``size``."""

    code = "nothing_to_upload"

    def __init__(self, size: int):
        super().__init__("the mirror has every entry below {size}", size=size, field="upload_end")
        self.size = size

    def info(self) -> str:
        """Return the answer ``text/x.tlog.mirror-info``: a pending size, the next entry, and an empty ticket."""
        return f"{self.size}\n{self.size}\n\n"


@dataclass(eq=False, repr=False)
class LogMirror:
    """Serves the log's copy of a witness, and signs for it."""

    watch: Watch
    signer: NoteSigner

    def __post_init__(self) -> None:
        self.trust, self.store, self.clock = self.watch.trust, self.watch.store, self.watch.clock

    def add_entries(self, asked: AddEntries) -> str:
        """Move the mirror's checkpoint to a pending one, and return the line of the mirror's co-signature.

        1. The log is this one: NotFound. It has submitted a checkpoint: ProofRefused.
        2. ``end`` is the size of a pending checkpoint or of the mirror's, and not below the mirror's, and nothing is
           uploaded: NothingToUpload.
        3. No alarm is open: Halted. Every entry is stored: Unavailable.
        4. The checkpoint is signed at a time that is not before the last, and stored with the signature.
        """
        if asked.origin != self.trust.origin:  # 1
            raise NotFound("this mirror has the log {origin} only", origin=self.trust.origin, field="log_origin")
        with self.store.writing() as connection:
            pending = self.store.pending(connection, min(asked.end, SIZE_LIMIT - 1))  # the protocol has larger numbers
            if not pending.size:
                raise ProofRefused("the log has submitted no checkpoint to this mirror yet", field="log_origin")
            before = mirror.checkpoint(connection)
            note = before.note if asked.end == before.size else pending.note
            if not note or asked.end < before.size or asked.start < asked.end:  # 2
                raise NothingToUpload(pending.size)
            self.store.require_free_within(connection)  # 3
            if mirror.count(connection) < asked.end:
                raise Unavailable("the mirror has not every entry yet", code="still_following")
            at = max(self.clock() // 1000, before.cosigned_at)  # 4
            lines = cosign_checkpoint(stated_checkpoint(note), self.signer, at).line()
            mirror.replace_checkpoint(connection, MirrorCheckpoint(asked.end, note, lines, at))
        return lines

    def checkpoint(self, origin_hash: str) -> str:
        """Return the mirror's checkpoint, with the log's signature and its own. Raises NotFound before the first."""
        self._require_log(origin_hash)
        with self.store.reading() as connection:
            own = mirror.checkpoint(connection)
        if not own.size:
            raise NotFound("the mirror has no checkpoint yet", field="origin")
        return own.note + own.lines

    def contents(self, origin_hash: str, name: TileName | BundleName) -> bytes:
        """Return a tile, or a bundle of entries, up to the mirror's checkpoint. Raises NotFound."""
        self._require_log(origin_hash)
        level = name.level if isinstance(name, TileName) else 0
        with self.store.reading() as connection:
            size = mirror.checkpoint(connection).size
            if name.width > width_at(size, level, name.index):
                raise NotFound("{path} is not mirrored: up to {size}", path=name.path(), size=size, field="name")
            if isinstance(name, TileName):
                return mirror.tile_reader(connection)(name.level, name.index, name.width)
            first = name.index * TILE_WIDTH
            return encode_entry_bundle(mirror.entries(connection, first, first + name.width))

    def _require_log(self, origin_hash: str) -> None:
        if origin_hash != sha256(self.trust.origin.encode()).hexdigest():
            raise NotFound("this mirror has no such log", field="origin")
