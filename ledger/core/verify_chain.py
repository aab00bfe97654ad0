"""What a chain's state says of a tree head and of a key: steps 10, 12 and 13 of ``ledger.core.verify``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

from msgspec import Struct

from ledger.core.authority import Grant
from ledger.core.block_header import BlockHeader
from ledger.core.bundle import Anchor
from ledger.core.checkpoint import Checkpoint
from ledger.core.contract_change import ROLE_BITS
from ledger.core.contract_state import ContractState, GrantState
from ledger.core.errors import IntegrityBroken, ProofRefused, Unauthorized
from ledger.core.merkle import EMPTY_TREE
from ledger.core.report import NotChecked, Outcome
from ledger.core.trust import ChainIdentity, TrustedChain

YEAR_10000 = 253_402_300_800  # unix seconds; datetime ends before it


class SeenBlock(Struct, frozen=True):
    """The block that a chain has at ``number`` now, as somebody found who asked a node; ``is_final`` by its rule."""

    chain: ChainIdentity
    number: int
    hash: str
    is_final: bool


def require_record(state: ContractState, anchor: Anchor, checkpoint: Checkpoint) -> Outcome:
    """That the contract's storage has this tree head as the record that the anchor names. Raises ProofRefused."""
    record, previous, header = state.record, state.previous, state.header
    _require_equal("root", record.root.hex(), checkpoint.root.hex())
    _require_equal("size", record.size, checkpoint.size)
    _require_equal("block number", record.block_number, anchor.anchored_in.block_number)
    _require_equal("block time", record.timestamp, anchor.anchored_in.timestamp)
    if header.number == record.block_number:
        _require_equal("block hash", "0x" + header.hash.hex(), anchor.anchored_in.block_hash)
    is_start = anchor.number == 1 and previous.size == 0
    if is_start != (previous.root == EMPTY_TREE.root()):
        raise ProofRefused(f"record {anchor.number - 1} is not where the log started", field="anchors.proven_at")
    in_order = previous.size < record.size and previous.block_number <= record.block_number <= header.number
    if not in_order or previous.timestamp > record.timestamp:
        raise ProofRefused(f"record {anchor.number - 1} does not come before", field="anchors.proven_at")
    is_last = state.last_number == anchor.number
    if state.last_number < anchor.number or (state.last_size == record.size) != is_last:
        raise ProofRefused(f"the contract ends at record {state.last_number}", field="anchors.proven_at")
    changed = state.registry_hash.hex() != anchor.registry_hash[2:]
    since = "the registry has changed since" if changed else "the registry is as it was then"
    return (
        f"record {anchor.number} of {state.last_number} is this tree head, after record {anchor.number - 1} of size "
        f"{previous.size}; {since}; by the state of block {header.number}"
    )


def require_trusted(header: BlockHeader, chain: TrustedChain, seen: Sequence[SeenBlock]) -> Outcome:
    """That the verifier trusts the block: by his trust file, or because the chain has it now and will keep it.

    Raises ProofRefused where he knows another block of this number.
    """
    block = f"block {header.number} with the hash 0x{header.hash.hex()}"
    found = [one for one in seen if (one.chain, one.number) == (chain.identity, header.number)]
    named = [one for one in chain.trusted_blocks if one.number == header.number]
    for known in (*(one.hash for one in found), *(one.hash for one in named)):
        if known != "0x" + header.hash.hex():
            raise ProofRefused(f"expected block {header.number} with the hash {known}, not {block}", field="block")
    told = [
        name for name, is_there in (("the trust file names it", named), ("the chain has it now", found)) if is_there
    ]
    if named or any(one.is_final for one in found):
        return f"{block}, of {when(header.timestamp)}: {' and '.join(told)}"
    why = "the chain has it now, but not for good" if found else "no trusted block hash"
    return NotChecked(f"{why}: what steps 10 and 12 say holds if the chain has {block}", "intact")


def require_not_revoked(
    grant: Grant, slot: GrantState, state: ContractState, revoked: int | None, index: int
) -> Outcome:
    """What the registry's slot says of the key that signed entry ``index``, which lies below the anchored size.

    ``revoked`` is the entry by which the log revoked it. Raises IntegrityBroken where slot and log contradict each
    other, Unauthorized where the log's revocation is not shown.
    """
    if slot[:-1] != _slot_of(grant):
        raise IntegrityBroken("the registry has another grant of the key than the log mirrors", field="authority.grant")
    if slot.revoked_at == 0:
        if revoked is not None:
            raise IntegrityBroken(
                f"entry {revoked} revokes a key that the registry has not revoked up to block {state.header.number}",
                field="authority.revocation",
            )
        return f"not revoked up to block {state.header.number}, by the registry's key slot"
    said = f"revoked at {when(slot.revoked_at)}"
    if revoked is not None:
        return f"{said}, mirrored at entry {revoked}, above entry {index}: the key was good then"
    anchored = state.record.timestamp
    if slot.revoked_at < anchored:
        raise Unauthorized(
            f"{said}, before the anchor, and the entry that says so is not shown", field="authority.revocation"
        )
    if slot.revoked_at == anchored:
        return NotChecked(f"{said}, in the block of the anchor: before or after it, ask for a newer proof")
    return f"{said}, after entry {index} was anchored: the key was good then"


def _slot_of(grant: Grant) -> tuple[bytes | int, ...]:
    """The grant as the registry would have it."""
    roles = sum(ROLE_BITS[role] for role in set(grant.roles))
    ids = (grant.agency_id.encode().ljust(32, b"\0"), grant.officer.encode().ljust(32, b"\0"))
    return (*ids, roles, grant.suite, grant.valid_from, grant.valid_until)


def _require_equal(what: str, proven: object, said: object) -> None:
    if proven != said:
        raise ProofRefused(f"the contract has the {what} {proven}, not {said}", field="anchors.proven_at")


@lru_cache(maxsize=512)
def when(timestamp: int) -> str:
    """Unix seconds as RFC 3339, as far as the calendar goes."""
    if timestamp >= YEAR_10000:
        return f"{timestamp} (unix seconds)"
    return datetime.fromtimestamp(timestamp, UTC).isoformat()
