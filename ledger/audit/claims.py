"""Who says what root the tree had: published checkpoints, the journal's anchors, the contract's records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from msgspec import Struct

from ledger.audit.findings import Finding, Findings
from ledger.audit.mirror import Mirror
from ledger.audit.tree import RootClaim
from ledger.chain.journal import ChainWrite, WriteState
from ledger.core.authority import Authority
from ledger.core.checkpoint import Checkpoint, verify_checkpoint, verify_cosignatures
from ledger.core.errors import IntegrityBroken, TallystickError
from ledger.core.signature import keccak256
from ledger.core.trust import Trust
from ledger.store import checkpoints
from ledger.store.checkpoints import Published
from ledger.store.database import Connection
from ledger.store.journal import DatabaseJournal


class ChainRecord(Struct, frozen=True):
    """A record of the LogAnchor contract."""

    number: int
    size: int
    root: bytes


class ContractView(Protocol):
    """The contracts at one final block."""

    def records(self) -> Iterable[ChainRecord]:
        """All records of the anchor contract but the one it started with, in their order."""

    def registry(self) -> tuple[int, bytes]:
        """The number of the registry's changes, and its hash after them."""


# 10
def published(connection: Connection, trust: Trust, findings: Findings) -> list[RootClaim]:
    """The checkpoints that were published, each verified."""
    claims: list[RootClaim] = []
    last = 0
    for row in checkpoints.all_published(connection):
        by = f"checkpoint of size {row.size}"
        try:
            said = _verified(row, trust)
        except TallystickError as error:
            findings.add(Finding("checkpoints", None, f"{by}: {error.message}"))
            continue
        if row.published_at < last:
            findings.add(Finding("checkpoints", None, f"{by}: published_at", f"{last} or later", str(row.published_at)))
        last = max(last, row.published_at)
        claims.append(RootClaim(said.size, said.root, "checkpoints", by))
    findings.checked("checkpoints", f"{len(claims)} published, signed by {trust.origin}")
    return claims


def _verified(row: Published, trust: Trust) -> Checkpoint:
    said = verify_checkpoint(row.note, trust.log_key)
    verify_cosignatures(row.note, trust.policy.witnesses.values())
    if said.size != row.size:
        raise IntegrityBroken(f"its note is of size {said.size}")
    return said


# 11
def anchored(journal: DatabaseJournal, size: int, findings: Findings) -> list[RootClaim]:
    """What the journal says was anchored, of a log of ``size`` entries."""
    findings.add(*(finding for write in journal.writes() for finding in _check_write(write)))
    heads = [(write, write.anchored) for write in journal.anchors() if write.anchored is not None]
    confirmed = [head.size for write, head in heads if write.state is WriteState.CONFIRMED]
    if confirmed:
        findings.checked("anchors", f"{len(confirmed)} confirmed, up to size {max(confirmed)} of {size}")
    else:
        findings.not_checked("anchors", "nothing is anchored for good yet", "not_yet_anchored")
    return [RootClaim(h.size, h.root, "anchors", f"anchor in write {w.number} of the journal") for w, h in heads]


def _check_write(write: ChainWrite) -> Iterator[Finding]:
    found = keccak256(write.raw_transaction)
    if found != write.transaction_hash:
        what = f"chain_writes {write.number}: transaction_hash"
        yield Finding("anchors", None, what, found.hex(), write.transaction_hash.hex())


# 12
def on_chain(contracts: ContractView | None, mirror: Mirror, findings: Findings) -> list[RootClaim]:
    """What the contracts say. The registry as the log mirrors it may lag, it may not differ; a change that the log has
    above the contract's last one is named by its index."""
    if contracts is None:
        findings.not_checked("chain", "no chain was asked")
        return []
    records = list(contracts.records())
    changes, registry_hash = contracts.registry()
    ours = mirror.authority
    if ours is not None and not _continues(ours, changes, registry_hash):
        expected, found = f"{changes} changes, {registry_hash.hex()}", f"{ours.changes}, {ours.registry_hash.hex()}"
        index = mirror.indices[changes] if changes < ours.changes else None
        findings.add(Finding("chain", index, "the registry that the log mirrors", expected, found))
    findings.checked("chain", f"{len(records)} records, {changes} changes of the registry")
    return [RootClaim(r.size, r.root, "chain", f"record {r.number} of the contract") for r in records]


def _continues(ours: Authority, changes: int, registry_hash: bytes) -> bool:
    """Whether the contract may have come to this from what the log mirrors."""
    return changes > ours.changes or (changes, registry_hash) == (ours.changes, ours.registry_hash)
