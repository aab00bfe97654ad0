"""Finality: the rule of a chain by which a block cannot change any more.

A chain whose validators finalise each block at once (QBFT, IBFT) has ``Confirmations(0)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ledger.chain.eth import BlockRef, Eth
from ledger.core.errors import MalformedInput, NotFound
from ledger.core.verification.trust import FinalityRule

LATEST_FINAL = "latest-final"

_HINT = "Wait for it. Where confirmations are counted, fewer of them make it final sooner, and less certainly."


@dataclass(frozen=True, slots=True)
class Confirmations:
    """A block is final once ``count`` blocks are on top of it."""

    count: int

    def __str__(self) -> str:
        return f"a block is final under {self.count} blocks on top of it"


@dataclass(frozen=True, slots=True)
class FinalTag:
    """A block is final once the node gives it this tag."""

    tag: Literal["safe", "finalized"]

    def __str__(self) -> str:
        return f"a block is final once the node calls it {self.tag}"


Finality = Confirmations | FinalTag


def finality_of(rule: FinalityRule) -> Finality:
    """Return the rule that a trust file or the settings spell as ``rule``."""
    return Confirmations(rule) if isinstance(rule, int) else FinalTag(rule)


def final_block_of(eth: Eth, final: BlockRef | None, which: str) -> BlockRef:
    """Return the newest final block for ``latest-final``, or the final block of a number.

    Raises NotFound if no such block is final, MalformedInput for another word.
    """
    if which == LATEST_FINAL:
        chosen = final
    elif which.isascii() and which.isdigit() and len(which) < 16:
        block = eth.block(int(which)) if final is not None and int(which) <= final.number else None
        chosen = block.ref if block else None
    else:
        raise MalformedInput(f"expected {LATEST_FINAL} or the number of a block, not {which}", field="block")
    if chosen is None:
        raise NotFound(f"block {which} is not final on this chain", field="block", hint=_HINT)
    return chosen


def final_block(eth: Eth, finality: Finality) -> BlockRef | None:
    """Return the newest final block, or None."""
    if isinstance(finality, FinalTag):
        block = eth.block(finality.tag)
    else:
        number = eth.head().number - finality.count
        block = eth.block(number) if number >= 0 else None
    return block.ref if block else None
