"""Copies of the public log: fetch and check its checkpoint, entries and trust file, keep them, read them back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from ledger.client.service import ServiceClient
from ledger.client.session import ClientSession
from ledger.config.secret_files import replace_file
from ledger.core.encoding.decoding import convert
from ledger.core.errors import IntegrityBroken, MalformedInput, NotFound, TallystickError
from ledger.core.events import decode_envelope
from ledger.core.log.checkpoints import Checkpoint, stated_checkpoint, verify_checkpoint
from ledger.core.log.merkle import EMPTY_TREE, Hash, leaf_hash
from ledger.core.log.tiles import TILE_WIDTH, BundleName, decode_entry_bundle
from ledger.core.log.tlog_proofs import parse_tlog_proof
from ledger.core.messages import Message
from ledger.core.trust.trust_file import Trust, parse_trust

CHECKPOINT = "checkpoint"
BATCH = 4096  # leaf hashes

_FORKED = "If the copy was whole, the log was rolled back or forked: keep it, and the checkpoint of now."


def fetch_checkpoint(session: ClientSession) -> tuple[str, Checkpoint]:
    """Fetch the newest checkpoint, as text and parsed.

    Raises SignatureRefused if the trusted log did not sign it, IntegrityBroken if it does not continue the tree heads
    that the profile remembers.
    """
    if tree_heads := session.tree_heads():
        newest = tree_heads.fetch_published()
        return newest.note, newest.head
    note = session.service.fetch("/checkpoint").decode("utf-8", "replace")
    return note, verified_checkpoint(session, note)


def verified_checkpoint(session: ClientSession, note: str) -> Checkpoint:
    """Parse a checkpoint and verify its signature; without a trust file, warn that it is not verified."""
    if trust := session.trust():
        return verify_checkpoint(note, trust.log_key_of(note))
    session.warn(Message("the checkpoint's signature is not checked: no trust file (tally log trust --pin)"))
    return stated_checkpoint(note)


def fetch_trust(session: ClientSession, blocks: Sequence[str] = ()) -> Trust:
    """Fetch the trust file, in which the service names these blocks as final: by number, or ``latest-final``.

    Raises IntegrityBroken if it names others. Their hashes are in no digest of the file, so nobody would notice them.
    """
    trust = parse_trust(session.service.fetch("/api/v1/log/trust", block=list(blocks) or None))
    numbers = {int(block) for block in blocks if block.isdecimal()}
    served = (block for chain in trust.chains for block in chain.trusted_blocks)
    if sum(block.number not in numbers for block in served) > ("latest-final" in blocks):
        raise IntegrityBroken(
            "the service names blocks as final that nobody asked it for",
            field="trust.chains",
            hint="Do not use this trust file, and tell the agencies: proofs that end in such a block prove nothing.",
        )
    return trust


def decoded_entries(session: ClientSession, first: int, count: int) -> list[dict[str, Any]]:
    """Fetch up to ``count`` envelopes from index ``first`` on, each with its index, as JSON values."""
    _, checkpoint = fetch_checkpoint(session)
    last = min(first + count, checkpoint.size)
    rows = []
    for name in _bundles(checkpoint.size, first // TILE_WIDTH, last):
        bundle = decode_entry_bundle(session.service.fetch(f"/{name.path()}"), name.width)
        for index, entry in enumerate(bundle, name.index * TILE_WIDTH):
            if first <= index < last:
                rows.append({"index": index} | msgspec.to_builtins(decode_envelope(entry)))
    return rows


class EntryProof(Struct, frozen=True):
    """The proof that an entry is in the log: its leaf hash (sha256:hex), and the C2SP tlog-proof."""

    leaf_hash: str
    proof: str


def fetch_entry_proof(session: ClientSession, index: int) -> EntryProof:
    """Fetch the proof of the entry at ``index`` and verify it. Raises IntegrityBroken if it does not hold."""
    answer = session.service.get(f"/api/v1/log/inclusion/{index}")
    try:
        entry_proof = convert(answer, EntryProof)
        proof = parse_tlog_proof(entry_proof.proof)
        if proof.index != index:
            raise MalformedInput("expected entry {index}, not {proof.index}", index=index, proof=proof, field="index")
        leaf = Hash(bytes.fromhex(entry_proof.leaf_hash.removeprefix("sha256:")))
        proof.verify_inclusion(leaf, verified_checkpoint(session, proof.checkpoint))
    except (msgspec.ValidationError, ValueError, TallystickError) as error:
        raise IntegrityBroken("no proof of entry {index}: {error}", index=index, error=error, field="proof") from error
    return entry_proof


def fetch_receipt(session: ClientSession, index: int, entry: bytes) -> bytes:
    """Fetch the COSE receipt of ``entry``, which is the one at ``index``, and verify it with the profile's trust file.

    Without a trust file, warn that it is not verified. Raises IntegrityBroken if it does not hold.
    """
    from ledger.core.log.cose_receipts import parse_receipt
    from ledger.core.verification.receipts import log_key_of

    data = session.service.fetch(f"/api/v1/log/receipt/{index}")
    try:
        receipt = parse_receipt(data)
        if receipt.index != index:
            raise MalformedInput("expected entry {index}, not {actual}", index=index, actual=receipt.index)
        if trust := session.trust():
            receipt.verify(entry, log_key_of(receipt, trust))
        else:
            session.warn(Message("the receipt's signature is not checked: no trust file (tally log trust --pin)"))
    except TallystickError as error:
        raise IntegrityBroken(
            "no receipt of entry {index}: {error}", index=index, error=error, field="receipt"
        ) from error
    return data


def fetch_entry(session: ClientSession, index: int) -> bytes:
    """Fetch the public entry at ``index``. Raises NotFound if it is not published."""
    _, checkpoint = fetch_checkpoint(session)
    if index >= checkpoint.size:
        raise NotFound(
            "entry {at} is not published: the log stands at {head_size}",
            at=index,
            head_size=checkpoint.size,
            field="index",
        )
    name = next(iter(_bundles(checkpoint.size, index // TILE_WIDTH, index + 1)))
    return decode_entry_bundle(session.service.fetch(f"/{name.path()}"), name.width)[index % TILE_WIDTH]


def save_log(session: ClientSession, folder: Path) -> int:
    """Copy checkpoint and entries into ``folder``, fetching only what is missing, and return the size of the log.

    Raises IntegrityBroken and leaves the previous copy as it was if the entries do not give the signed root, or do not
    begin with the entries of the previous copy.
    """
    previous = Checkpoint("none", 0, EMPTY_TREE.root())
    if (folder / CHECKPOINT).exists():
        previous = stated_checkpoint((folder / CHECKPOINT).read_text(encoding="utf-8"))
    note, checkpoint = fetch_checkpoint(session)
    if checkpoint.size < previous.size:
        raise IntegrityBroken("the log ends at {checkpoint.size}", checkpoint=checkpoint, field="size", hint=_FORKED)
    fetched: list[Path] = []
    try:
        for name in _bundles(checkpoint.size, 0, checkpoint.size):
            file = folder / name.path()
            if not file.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                fetched.append(file)
                replace_file(file, session.service.fetch(f"/{name.path()}"))
        # If the entries give both roots, the new copy begins with the previous one.
        tree = EMPTY_TREE
        stored = _read_entries(folder, checkpoint.size)
        for head in (previous, checkpoint):
            while batch := [leaf_hash(entry) for entry in islice(stored, min(BATCH, head.size - tree.size))]:
                tree = tree.append(batch)
            if tree.root() != head.root:
                raise IntegrityBroken("{head.size} entries have another root", head=head, field="root", hint=_FORKED)
    except TallystickError:
        for file in fetched:  # otherwise the next attempt would take them for entries of the log
            file.unlink(missing_ok=True)
        raise
    replace_file(folder / CHECKPOINT, note.encode())
    return checkpoint.size


def fetch_bundles(service: ServiceClient, size: int) -> Iterator[list[bytes]]:
    """Fetch the first ``size`` entries of the service's log, a bundle at a time. The caller has to check their root."""
    for name in _bundles(size, 0, size):
        yield decode_entry_bundle(service.fetch(f"/{name.path()}"), name.width)


def stored_entries(folder: Path) -> Iterator[bytes]:
    """Read the entries of a copy, up to its checkpoint. Raises MalformedInput if it is incomplete."""
    try:
        size = stated_checkpoint((folder / CHECKPOINT).read_text(encoding="utf-8")).size
    except (OSError, UnicodeDecodeError, TallystickError) as error:
        raise MalformedInput(
            "{folder} is no copy of a log: {error}", folder=folder, error=error, field="--log"
        ) from error
    for name in _bundles(size, 0, size):
        if not (folder / name.path()).is_file():
            raise MalformedInput(
                "{folder} is not whole: {path} is missing", folder=folder, path=name.path(), field="--log"
            )
    return _read_entries(folder, size)


def _read_entries(folder: Path, size: int) -> Iterator[bytes]:
    for name in _bundles(size, 0, size):
        yield from decode_entry_bundle((folder / name.path()).read_bytes(), name.width)


def _bundles(size: int, first: int, last: int) -> Iterator[BundleName]:
    """Yield the bundles from number ``first`` on that hold entries below ``last``, in a log of ``size`` entries."""
    for index in range(first, -(-last // TILE_WIDTH)):
        yield BundleName(index, min(TILE_WIDTH, size - index * TILE_WIDTH))
