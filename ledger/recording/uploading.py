"""Uploading: a published checkpoint goes to the public store behind all tiles and entry bundles that it covers.

Recording, receipts, co-signing and anchoring do not wait for the store. While it is away its checkpoint stays behind,
and the first upload that succeeds goes on from there.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import KW_ONLY, dataclass, field
from itertools import islice
from math import inf
from threading import Event

from msgspec import Struct

from ledger.core.errors import Conflict, IntegrityBroken, TallystickError
from ledger.core.log.checkpoints import Checkpoint, verify_checkpoint
from ledger.core.log.tiles import (
    TILE_HEIGHT,
    TILE_WIDTH,
    BundleName,
    TileName,
    changed_tiles,
    completed_tiles,
    encode_entry_bundle,
    width_at,
)
from ledger.core.messages import Message
from ledger.core.trust.trust_file import Trust
from ledger.loggers import get_logger
from ledger.recording.public_store import KeptCheckpoint, PublicStore
from ledger.store import checkpoints, log
from ledger.store.activity import failure_of
from ledger.store.checkpoints import PublishedCheckpoint
from ledger.store.database import Connection, Database

LOOK_EVERY_S = 0.25  # seconds between checks whether a checkpoint is to be uploaded
ASK_EVERY_S = 60.0  # seconds between looks at the store and at some tiles in it: readers are sent there
FIRST_PAUSE_S = 1.0  # after a failure, doubled by each that follows
LONGEST_PAUSE_S = 60.0
LOOKED_FOR = 8  # full tiles of each level, drawn by chance at each such look
NAMES_AT_ONCE = 64  # tiles that are read and sent together; a bundle beside each of level 0 is 130 kB on average

logger = get_logger(__name__)


class StoreRefused(IntegrityBroken):
    """The store has another log's checkpoint, or another history of this one: nothing is written over it."""

    code = "store_refused"


class UploadState(Struct, frozen=True):
    """The size of the checkpoint that the store has, as far as it is known, and why no newer one gets there.

    ``fault`` says in one sentence what is wrong, ``hint`` what to do about it.
    """

    size: int = 0
    fault: str | None = None
    hint: str | None = None


@dataclass(eq=False, repr=False)
class TileUploader:
    """Uploads to ``store``, which readers reach at ``public_url``, if that is known.

    Several processes may upload the same log: each begins where the store's checkpoint stands, and none puts it back.
    """

    database: Database
    store: PublicStore
    _: KW_ONLY
    trust: Callable[[], Trust]
    public_url: str | None = None
    state: UploadState = field(default_factory=UploadState, init=False)
    _uploaded: str = field(default="", init=False)  # the note that was written or found last
    _asked_at: float = field(default=0.0, init=False)  # by the monotonic clock
    _continued: bytes = field(default=b"", init=False)  # the note of which this log was shown to be a continuation
    _sent: int = field(default=0, init=False)  # entries whose full tiles of level 0 and bundles were there once
    _looked_at: float = field(default=-inf, init=False)  # when some tiles were looked for, by the monotonic clock
    _is_whole: bool = field(default=True, init=False)  # False from when a tile was missing until all are there
    _partial_at: set[int] = field(default_factory=set, init=False)  # sizes whose partial tiles may be there

    def run(self, stop: Event) -> None:
        """Take steps until ``stop`` is set; after each failure wait longer."""
        repeat = self.database.activity.repeat
        repeat(stop, self.try_step, LOOK_EVERY_S, first_s=FIRST_PAUSE_S, longest_s=LONGEST_PAUSE_S)

    def try_step(self) -> bool:
        """Take one step, keep a failure in ``state``, and return whether it succeeded."""
        failure = failure_of(self.step, "checkpoints cannot be uploaded")
        if failure is not None:
            self.state = UploadState(self.state.size, *failure)
        return failure is None

    def step(self) -> bool:
        """Upload the newest checkpoint for everybody if the store lacks it, and return whether that was done.

        Raises Unavailable if the store does not answer, and StoreRefused if it has another log.
        """
        served = self._served()
        now = time.monotonic()
        if served is None:
            return False
        is_there = served.note == self._uploaded and self.state.fault is None
        if is_there and now - self._asked_at < ASK_EVERY_S:
            return False
        before, self._asked_at = self.store.checkpoint(), now
        size = self._size_of(before)
        self._sent = max(self._sent, size)
        if now - self._looked_at >= ASK_EVERY_S:
            self._looked_at = now
            self._is_whole = self._is_whole and not self._lacks(_some_tiles(size))
        if not self._is_whole:
            self._refill(size)
        # Read behind the store: what another process has uploaded meanwhile is in this database as well.
        served = self._served() or served
        is_new = served.size > size or (served.size == size and (before is None or before.note != served.note.encode()))
        if is_new:
            self._upload(size, served.size)
            try:
                self.store.replace_checkpoint(served.note.encode(), before)
            except Conflict:
                return False  # another process was faster; the next step begins where it left the store
            self._continued, size = served.note.encode(), served.size
        if self.state.fault is not None:
            logger.info("checkpoints are uploaded again", size=size)
        self._uploaded, self.state = served.note, UploadState(size)
        self._tidy(size)
        return is_new

    def redirect(self, name: TileName | BundleName) -> str | None:
        """Return the URL at which a reader finds this tile or bundle, or None if the service has to serve it.

        Partial ones are left to the service: the store has few of them, and deletes them once they are full.
        """
        state, level = self.state, name.level if isinstance(name, TileName) else 0
        is_there = name.width == TILE_WIDTH == width_at(state.size, level, name.index) and state.fault is None
        return f"{self.public_url}/{name.path()}" if is_there and self.public_url is not None else None

    def _served(self) -> PublishedCheckpoint | None:
        with self.database.read() as connection:
            return checkpoints.last_served(connection, asks_for_witnesses=self.trust().policy.asks_for_witnesses)

    def _size_of(self, kept: KeptCheckpoint | None) -> int:
        """Return the size of the store's checkpoint, of which this log must be a continuation. Raises StoreRefused."""
        if kept is None:  # nothing was uploaded, or it was emptied: until it is filled again nobody is sent there
            self._continued, self._is_whole, self.state = b"", True, UploadState(0)
            return 0
        try:
            note = kept.note.decode("utf-8", "replace")
            checkpoint = verify_checkpoint(note, self.trust().log_key_of(note))
        except TallystickError as error:
            raise StoreRefused(
                "the public store has a checkpoint that is not this log's: {error}",
                error=error,
                field="tile_store",
                hint="Name another folder, bucket or prefix in tile_store; what is there is left as it is.",
            ) from error
        if kept.note != self._continued:
            self._require_continued(checkpoint)
            self._continued = kept.note
        return checkpoint.size

    def _require_continued(self, kept: Checkpoint) -> None:
        with self.database.read() as connection:
            if log.root_at(connection, kept.size) == kept.root:
                return
            size = log.tree(connection).size
        text = (
            Message("the public store has {kept} entries of this log, its database {size}", kept=kept.size, size=size)
            if kept.size > size
            else Message("the public store has another history of this log, up to entry {kept}", kept=kept.size)
        )
        raise StoreRefused(
            text,
            field="tile_store",
            hint="The database was rolled back or the log forked. Run: tally audit --checkpoint, with the store's own.",
        )

    def _lacks(self, tiles: Iterable[TileName]) -> set[str]:
        """Return the paths of these tiles and their bundles that are not in the store."""
        missing = self.store.lacks(path for tile in tiles for path in _paths(tile))
        # Another process may have deleted a partial one since, because the full one is there.
        full_of = {path: path.partition(".p/")[0] for path in missing if ".p/" in path}
        gone = self.store.lacks({*full_of.values()}) if full_of else set()
        return {path for path in missing if path not in full_of or full_of[path] in gone}

    def _refill(self, size: int) -> None:
        """Write again what somebody has deleted of the tiles under the store's checkpoint, and send nobody there."""
        logger.warning("the public store has lost tiles: what is missing is uploaded again", size=size)
        self.state = UploadState(
            size,
            Message("somebody deleted tiles of the public store: they are uploaded again"),
            Message("Find out who can write to the storage."),
        )
        self._upload(0, size)
        self._is_whole = True

    def _upload(self, old: int, new: int) -> None:
        """Write what a tree of ``new`` leaves has more than one of ``old``, but for full tiles that are still there.

        Requires that the store has the tiles of ``old`` leaves.
        """
        self._partial_at |= {old, new}
        names = changed_tiles(old, new)
        while some := list(islice(names, NAMES_AT_ONCE)):
            sent = [tile for tile in some if tile.level == 0 and (tile.index + 1) * TILE_WIDTH <= self._sent]
            missing = self._lacks(sent) if sent else set()
            passed = {tile for tile in sent if missing.isdisjoint(_paths(tile))}
            with self.database.read() as connection:
                objects = dict(named for tile in some if tile not in passed for named in _objects(connection, tile))
            self.store.put(objects)
            # Tiles come by level, so that of level 0 those before the last full one are there.
            full = [tile.index + 1 for tile in some if tile.level == 0 and tile.width == TILE_WIDTH]
            self._sent = max(self._sent, TILE_WIDTH * max(full, default=0))

    def _tidy(self, size: int) -> None:
        """Delete the partial tiles whose full ones are covered by the store's checkpoint."""
        full = {tile for old in self._partial_at for tile in completed_tiles(old, size)}
        replaced = [tile.path() for tile in full] + [BundleName(tile.index).path() for tile in full if tile.level == 0]
        if replaced:
            self.store.forget(f"{path}.p" for path in sorted(replaced))
        self._partial_at = {size}


def _some_tiles(size: int) -> Iterator[TileName]:
    """Yield tiles of a tree of ``size`` leaves: of each level the last one, and full ones by chance."""
    level = 0
    while count := size >> TILE_HEIGHT * level:
        last, full = (count - 1) // TILE_WIDTH, count // TILE_WIDTH
        yield TileName(level, last, width_at(size, level, last))
        yield from {TileName(level, secrets.randbelow(full)) for _ in range(LOOKED_FOR if full else 0)}
        level += 1


def _paths(tile: TileName) -> list[str]:
    return [tile.path(), *([BundleName(tile.index, tile.width).path()] if tile.level == 0 else [])]


def _objects(connection: Connection, tile: TileName) -> Iterator[tuple[str, bytes]]:
    """Yield a tile and, at level 0, the bundle of its entries, which are public, by their names."""
    yield tile.path(), log.tile_reader(connection)(tile.level, tile.index, tile.width)
    if tile.level == 0:
        first = tile.index * TILE_WIDTH
        yield (
            BundleName(tile.index, tile.width).path(),
            encode_entry_bundle(log.envelopes(connection, first, first + tile.width)),
        )
