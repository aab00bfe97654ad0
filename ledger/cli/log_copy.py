"""The public log as anybody may keep it: checkpoint and entries, fetched, checked, and read back from a folder."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from ledger.cli.seen_log import seen_by
from ledger.cli.session import Session
from ledger.core.encoding.decoding import convert
from ledger.core.errors import IntegrityBroken, MalformedInput, NotFound, TallystickError, Unavailable
from ledger.core.events import decode_envelope
from ledger.core.log.checkpoints import Checkpoint, parse_checkpoint, verify_checkpoint
from ledger.core.log.merkle import EMPTY_TREE, Hash, leaf_hash
from ledger.core.log.notes import parse_note
from ledger.core.log.tiles import TILE_WIDTH, BundleName, decode_bundle
from ledger.core.log.tlog_proofs import parse_tlog_proof
from ledger.core.verification.trust import parse_trust

CHECKPOINT = "checkpoint"
BATCH = 4096  # leaf hashes

_FORKED = "If the copy was whole, the log was rolled back or forked: keep it, and the checkpoint of now."


def fetch_checkpoint(session: Session) -> tuple[str, Checkpoint]:
    """The newest checkpoint, as text and read.

    Raises SignatureRefused where the trusted log did not sign it, IntegrityBroken where it does not continue what the
    profile has seen of that log.
    """
    if seen := seen_by(session):
        newest = seen.published()
        return newest.note, newest.head
    note = session.service.fetch("/checkpoint").decode("utf-8", "replace")
    return note, verified_checkpoint(session, note)


def verified_checkpoint(session: Session, note: str) -> Checkpoint:
    """The checkpoint that a note says; without a trust file its signature is not checked, and that is said."""
    if has_trust(session):
        trusted = session.profiles.trust(session.profile).read_bytes()
        return verify_checkpoint(note, parse_trust(trusted).log_key_of(note))
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


class ToldInclusion(Struct, frozen=True):
    """What the service says of an entry: the hash of its leaf, and the tlog-proof that has it."""

    leaf_hash: str
    proof: str


def told_inclusion(session: Session, index: int) -> ToldInclusion:
    """The proof of the entry at ``index``. Raises IntegrityBroken where it does not hold."""
    try:
        told = convert(session.service.get(f"/api/v1/log/inclusion/{index}"), ToldInclusion)
        proof = parse_tlog_proof(told.proof)
        if proof.index != index:
            raise MalformedInput(f"expected entry {index}, not {proof.index}", field="index")
        leaf = Hash(bytes.fromhex(told.leaf_hash.removeprefix("sha256:")))
        proof.verify_inclusion(leaf, verified_checkpoint(session, proof.checkpoint))
    except (NotFound, Unavailable):
        raise
    except (msgspec.ValidationError, ValueError) as error:
        raise IntegrityBroken(f"this is no proof of entry {index}: {error}", field="proof") from error
    return told


def save_log(session: Session, folder: Path) -> int:
    """Copies checkpoint and entries into ``folder``, fetching only what is not there; gives the size.

    Raises IntegrityBroken, and keeps the copy of before, where the entries do not give the signed root, or not that of
    before.
    """
    before = _checkpoint_of(folder)
    note, checkpoint = fetch_checkpoint(session)
    if checkpoint.size < before.size:
        raise IntegrityBroken(
            f"the log ends at {checkpoint.size}, the copy at {before.size}", field="size", hint=_FORKED
        )
    fetched: list[Path] = []
    try:
        for name in _bundles(checkpoint.size, 0, checkpoint.size):
            file = folder / name.path()
            if not file.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                fetched.append(file)
                file.write_bytes(session.service.fetch(f"/{name.path()}"))
        _require_roots(folder, before, checkpoint)
    except TallystickError:
        for file in fetched:  # or the next attempt would take them for entries of the log
            file.unlink(missing_ok=True)
        raise
    (folder / CHECKPOINT).write_text(note, encoding="utf-8")
    return checkpoint.size


def fetched_entries(session: Session, size: int) -> Iterator[bytes]:
    """So many first entries of the service's log, fetched as they are asked for; who reads them checks their root."""
    from ledger.cli.importing import bar

    names = list(_bundles(size, 0, size))
    with bar(session, "fetching", len(names)) as progress:
        for name in names:
            yield from decode_bundle(session.service.fetch(f"/{name.path()}"), name.width)
            progress.step()


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


def _checkpoint_of(folder: Path) -> Checkpoint:
    """The checkpoint of a copy that was made before; of nothing where there is none."""
    file = folder / CHECKPOINT
    if not file.exists():
        return Checkpoint("none", 0, EMPTY_TREE.root())
    return parse_checkpoint(parse_note(file.read_text(encoding="utf-8")).text)


def _require_roots(folder: Path, before: Checkpoint, checkpoint: Checkpoint) -> None:
    """That the entries give both roots: the copy of before is then the beginning of the new one."""
    tree = EMPTY_TREE
    stored = _stored(folder, checkpoint.size)
    for head in (before, checkpoint):
        while batch := [leaf_hash(entry) for entry in islice(stored, min(BATCH, head.size - tree.size))]:
            tree = tree.append(batch)
        if tree.root() != head.root:
            raise IntegrityBroken(
                f"the first {head.size} entries give the root {tree.root().hex()}, the checkpoint says "
                f"{head.root.hex()}",
                field="root",
                hint=_FORKED,
            )


def _bundles(size: int, first: int, last: int) -> Iterator[BundleName]:
    """The bundles from number ``first`` on that hold entries below ``last``, in a log of ``size`` entries."""
    for index in range(first, -(-last // TILE_WIDTH)):
        yield BundleName(index, min(TILE_WIDTH, size - index * TILE_WIDTH))
