"""The public log as anybody may keep it: checkpoint and entries, fetched, checked, and read back from a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from ledger.cli.session import Session
from ledger.core.checkpoint import Checkpoint, parse_checkpoint, verify_checkpoint
from ledger.core.errors import IntegrityBroken, MalformedInput, TallystickError
from ledger.core.event import decode_envelope
from ledger.core.merkle import EMPTY_TREE, leaf_hash
from ledger.core.note import parse_note
from ledger.core.tiles import TILE_WIDTH, BundleName, decode_bundle
from ledger.core.trust import parse_trust

CHECKPOINT = "checkpoint"


def fetch_checkpoint(session: Session) -> tuple[str, Checkpoint]:
    """The newest checkpoint, as text and read. Raises SignatureRefused where the trusted log did not sign it."""
    note = session.service.fetch("/checkpoint").decode()
    return note, verified_checkpoint(session, note)


def verified_checkpoint(session: Session, note: str) -> Checkpoint:
    """The checkpoint that a note says; without a trust file its signature is not checked, and that is said."""
    if has_trust(session):
        trusted = session.profiles.trust(session.profile).read_bytes()
        return verify_checkpoint(note, parse_trust(trusted).log_key)
    session.output.warn("the checkpoint's signature is not checked: no trust file (tally log trust --pin)")
    return parse_checkpoint(parse_note(note).text)


def has_trust(session: Session) -> bool:
    """Whether the profile has a trust file."""
    return session.profiles.trust(session.profile).exists()


def decoded_entries(session: Session, first: int, count: int) -> list[dict[str, Any]]:
    """Up to ``count`` entries from index ``first`` on."""
    _, checkpoint = fetch_checkpoint(session)
    last = min(first + count, checkpoint.size)
    told = []
    for name in _bundles(checkpoint.size, first // TILE_WIDTH, last):
        bundle = decode_bundle(session.service.fetch(f"/{name.path()}"), name.width)
        for index, entry in enumerate(bundle, name.index * TILE_WIDTH):
            if first <= index < last:
                told.append({"index": index} | msgspec.to_builtins(decode_envelope(entry)))
    return told


def save_log(session: Session, folder: Path) -> int:
    """Copies checkpoint and entries into ``folder``, fetching only what is not there; gives the size.

    Raises IntegrityBroken, and keeps the checkpoint of before, where the entries do not give the signed root.
    """
    note, checkpoint = fetch_checkpoint(session)
    for name in _bundles(checkpoint.size, 0, checkpoint.size):
        file = folder / name.path()
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(session.service.fetch(f"/{name.path()}"))
    _require_root(folder, checkpoint)
    (folder / CHECKPOINT).write_text(note, encoding="utf-8")
    return checkpoint.size


def entries(folder: Path) -> Iterator[bytes]:
    """The entries of a copy, up to its checkpoint. Raises MalformedInput where it is not whole."""
    try:
        size = parse_checkpoint(parse_note((folder / CHECKPOINT).read_text(encoding="utf-8")).text).size
    except (OSError, UnicodeDecodeError, TallystickError) as error:
        raise MalformedInput(f"{folder} is no copy of a log: {error}", field="--log") from error
    for name in _bundles(size, 0, size):
        if not (folder / name.path()).is_file():
            raise MalformedInput(f"{folder} is not whole: {name.path()} is missing", field="--log")
    return _stored(folder, size)


def _stored(folder: Path, size: int) -> Iterator[bytes]:
    for name in _bundles(size, 0, size):
        yield from decode_bundle((folder / name.path()).read_bytes(), name.width)


def _require_root(folder: Path, checkpoint: Checkpoint) -> None:
    tree = EMPTY_TREE
    stored = _stored(folder, checkpoint.size)
    while batch := [leaf_hash(entry) for entry, _ in zip(stored, range(4096), strict=False)]:
        tree = tree.append(batch)
    if tree.root() != checkpoint.root:
        raise IntegrityBroken(
            f"the entries give the root {tree.root().hex()}, the checkpoint says {checkpoint.root.hex()}", field="root"
        )


def _bundles(size: int, first: int, last: int) -> Iterator[BundleName]:
    """The bundles from number ``first`` on that hold entries below ``last``, in a log of ``size`` entries."""
    for index in range(first, -(-last // TILE_WIDTH)):
        yield BundleName(index, min(TILE_WIDTH, size - index * TILE_WIDTH))
