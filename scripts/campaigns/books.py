"""Keep books of what was acknowledged under load, and check after a fault that the log still has it.

The check is kept apart from the product's own code as far as can be: the tree is hashed here from RFC 6962, 2.1.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256

import msgspec

from ledger.core.encoding.digests import blake3_text
from ledger.core.log.checkpoints import verify_checkpoint
from ledger.core.log.notes import VerifyingKey
from ledger.core.log.tlog_proofs import parse_tlog_proof
from ledger.recording.event_signing import Signed
from ledger.recording.publisher import Receipt
from ledger.store import checkpoints, log
from ledger.store.database import Database
from ledger.store.log import StoredEntry
from ledger.store.opening import open_database
from scripts.campaigns.casework import Casework
from scripts.campaigns.targets import Failed, Lost, Refused, Target


@dataclass
class Books:
    """Submissions with their receipts, and what went wrong, over all rounds."""

    acknowledged: list[tuple[Signed, Receipt]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    resolved: int = 0  # submissions whose outcome was unknown, sent again and acknowledged


@dataclass
class Client:
    """Writes one case after another; an event without an answer is sent again before anything else."""

    casework: Casework
    books: Books
    pending: Signed | None = None
    told: str = ""  # why the last event was not acknowledged

    def run(self, target: Target, stop: threading.Event) -> None:
        """Post until ``stop`` is set or the target does not answer."""
        while not stop.is_set() and self.step(target):
            continue

    def step(self, target: Target) -> bool:
        """Post one event; return whether it was answered."""
        again = self.pending is not None
        signed = self.pending or self.casework.next(int(time.time()))
        self.pending = signed
        answer = target.post(signed.submission)
        self.told = answer.reason if isinstance(answer, Lost | Failed) else ""
        if isinstance(answer, Failed):
            self.books.faults.append(f"{signed.envelope.event_id}: {answer.reason}")
        if isinstance(answer, Lost | Failed):
            return False
        self.pending = None
        if isinstance(answer, Refused):
            self.books.faults.append(f"{signed.envelope.event_id} was refused: {answer.code}")
            return False
        self.books.resolved += again
        self.books.acknowledged.append((signed, answer))
        self.casework.acknowledged(signed)
        return True


class Load:
    """Clients at work at once, each in a thread of its own."""

    def __init__(self, clients: int, log_id: bytes, run: str):
        self.books = Books()
        self._clients = [Client(Casework(f"{run}-{number}", log_id), self.books) for number in range(clients)]
        self._threads: list[threading.Thread] = []
        self._stop = threading.Event()

    def start(self, target: Target) -> None:
        self._stop.clear()
        self._threads = [
            threading.Thread(target=client.run, args=(target, self._stop), daemon=True) for client in self._clients
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop the clients, and return once every one is idle."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def settle(self, target: Target) -> None:
        """Send again what is owed an answer: each must be answered now."""
        for client in self._clients:
            if client.pending is not None and not client.step(target) and not self.books.faults:
                self.books.faults.append("an event without an outcome got none either when it was sent again")


def look(target: Target, books: Books) -> tuple[int, list[str]]:
    """Return how many entries the target's log has, and what is wrong in it, or was in the answers."""
    with closing(open_database(target.database_url)) as database:
        count, faults = check(database, target.log_key, books.acknowledged)
    return count, [*faults, *books.faults]


def check(
    database: Database, log_key: VerifyingKey, acknowledged: Sequence[tuple[Signed, Receipt]]
) -> tuple[int, list[str]]:
    """Return how many entries there are, and what is wrong, in one sentence each."""
    with database.read() as connection:
        tree = log.tree(connection)
        count = log.count_entries(connection)
        entries = list(log.entries(connection, 0, count))
        published = checkpoints.all_published(connection)
    roots = roots_of([sha256(b"\0" + entry.envelope).digest() for entry in entries])
    faults = [*entry_faults(entries), *_of_receipts(entries, roots, log_key, acknowledged)]
    if (tree.size, tree.root) != (count, roots(count)):
        faults.append(f"the tree says {tree.size} entries under {tree.root.hex()}, stored are {count}")
    for kept in published:
        checkpoint = verify_checkpoint(kept.note, log_key)
        if checkpoint.size > count or checkpoint.root != roots(checkpoint.size):
            faults.append(f"the published checkpoint of size {kept.size} is not of this log")
    return count, faults


def entry_faults(entries: Sequence[StoredEntry]) -> Iterator[str]:
    """Yield, in one sentence each, what is wrong with all entries of a log, in order."""
    heads: dict[tuple[str, str], tuple[int, str]] = {}
    event_ids: set[str] = set()
    for index, entry in enumerate(entries):
        envelope = msgspec.json.decode(entry.envelope)
        stream = (envelope["stream"]["kind"], envelope["stream"]["id"])
        if entry.log_index != index:
            yield f"expected entry {index}, found {entry.log_index}"
        if envelope["event_id"] in event_ids:
            yield f"entry {index} repeats the event {envelope['event_id']}"
        if blake3_text(entry.payload) != envelope["payload_digest"]:
            yield f"entry {index} has another payload than it signs"
        if (envelope["sequence"], envelope["previous"]) != heads.get(stream, (0, None)):
            yield f"entry {index} does not follow its stream"
        event_ids.add(envelope["event_id"])
        heads[stream] = (envelope["sequence"] + 1, "sha256:" + sha256(b"\0" + entry.envelope).hexdigest())


def _of_receipts(
    entries: Sequence[StoredEntry],
    roots: Callable[[int], bytes],
    log_key: VerifyingKey,
    acknowledged: Sequence[tuple[Signed, Receipt]],
) -> Iterator[str]:
    for signed, receipt in acknowledged:
        name = signed.envelope.event_id
        stored = entries[receipt.index] if receipt.index < len(entries) else None
        if stored is None or stored.event_id != name:
            yield f"the event {name} was acknowledged at {receipt.index} and is not there"
            continue
        leaf = sha256(b"\0" + stored.envelope).digest()
        checkpoint = _verified(parse_tlog_proof(receipt.proof).checkpoint, log_key)
        if receipt.leaf_hash != f"sha256:{leaf.hex()}":
            yield f"the receipt of {name} is of another entry than the one stored"
        if checkpoint.size > len(entries) or checkpoint.root != roots(checkpoint.size):
            yield f"the receipt of {name} signs another tree of size {checkpoint.size} than the one stored"


_verified = cache(verify_checkpoint)  # receipts of one batch share a note, and all are looked at after every fault


def roots_of(leaves: Sequence[bytes]) -> Callable[[int], bytes]:
    """Return what computes the tree's root at any size up to that of the log, from leaf hashes (RFC 6962, 2.1)."""

    @cache
    def root(start: int, end: int) -> bytes:
        if end - start <= 1:
            return leaves[start] if end > start else sha256(b"").digest()
        split = start + (1 << (end - start - 1).bit_length() - 1)
        return sha256(b"\1" + root(start, split) + root(split, end)).digest()

    return lambda size: root(0, size)
