"""The verdict over a log that went through faults, from its stored bytes and what its clients were told.

Kept apart from the product's own code as far as can be: the tree is hashed from RFC 6962, 2.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256

from ledger.core.errors import TallystickError
from ledger.core.log.checkpoints import Checkpoint, verify_checkpoint
from ledger.core.log.merkle import as_hash
from ledger.core.log.notes import VerifyingKey
from ledger.core.log.tlog_proofs import parse_tlog_proof
from ledger.store import checkpoints, log
from ledger.store.database import attach
from scripts.campaigns.books import entry_faults, roots_of
from tests.campaigns.failover.ledger import Acknowledged


@dataclass
class Verdict:
    """What is wrong, in one sentence each, by the promise that it breaks; ``entries`` is the size of the log."""

    entries: int = 0
    lost: list[str] = field(default_factory=list)  # acknowledged, and not in the log
    forks: list[str] = field(default_factory=list)  # checkpoints that somebody was shown, of another log than this
    unverified: list[str] = field(default_factory=list)  # receipts that do not verify
    doubled: list[str] = field(default_factory=list)  # events recorded twice, and entries that do not follow

    @property
    def faults(self) -> list[str]:
        return [*self.lost, *self.forks, *self.unverified, *self.doubled]


class Checker:
    """Checks a log again and again as it grows: a receipt's signature and proof are verified once."""

    def __init__(self, log_key: VerifyingKey):
        self._log_key = log_key
        self._verified: dict[str, Checkpoint | str] = {}  # by the receipt's proof; what is wrong with one that is not

    def check(self, database_url: str, acknowledged: Sequence[Acknowledged], shown: Iterable[str]) -> Verdict:
        """Compare the log at this URL with every receipt and checkpoint so far."""
        with closing(attach(database_url)) as database, database.read() as connection:
            tree = log.tree(connection)
            entries = list(log.entries(connection, 0, log.count_entries(connection)))
            published = [kept.note for kept in checkpoints.all_published(connection)]
        leaves = [sha256(b"\0" + entry.envelope).digest() for entry in entries]
        roots = roots_of(leaves)
        verdict = Verdict(len(entries), doubled=list(entry_faults(entries)))
        if (tree.size, tree.root) != (len(entries), roots(len(entries))):
            verdict.forks.append(
                f"the tree says {tree.size} entries under {tree.root.hex()}, stored are {len(entries)}"
            )
        for _, event_id, receipt in acknowledged:
            index = receipt.index
            stored = entries[index] if index < len(entries) else None
            if stored is None or stored.event_id != event_id or receipt.leaf_hash != f"sha256:{leaves[index].hex()}":
                instead = "the log ends before it" if stored is None else f"there is {stored.event_id}"
                verdict.lost.append(f"the event {event_id} was acknowledged at {index}: {instead}")
            checkpoint = self._checkpoint_of(receipt.proof, receipt.leaf_hash)
            if isinstance(checkpoint, str):
                verdict.unverified.append(f"the receipt of {event_id} does not verify: {checkpoint}")
            elif checkpoint.size > len(entries) or checkpoint.root != roots(checkpoint.size):
                verdict.forks.append(f"the receipt of {event_id} signs another tree of size {checkpoint.size}")
        for note in [*shown, *published]:
            checkpoint = verify_checkpoint(note, self._log_key)
            if checkpoint.size > len(entries) or checkpoint.root != roots(checkpoint.size):
                verdict.forks.append(f"the checkpoint of size {checkpoint.size} that was shown is of another log")
        return verdict

    def _checkpoint_of(self, proof: str, leaf: str) -> Checkpoint | str:
        """Return what the receipt proves its leaf against, or what is wrong with it."""
        if proof not in self._verified:
            try:
                leaf_hash = as_hash(bytes.fromhex(leaf.removeprefix("sha256:")), "leaf_hash")
                self._verified[proof] = parse_tlog_proof(proof).verify(leaf_hash, self._log_key)
            except (TallystickError, ValueError) as error:
                self._verified[proof] = str(error)
        return self._verified[proof]
