"""From which block on nothing changes any more: a rule per chain.

A chain whose validators seal each block for good (QBFT, IBFT) has ``Confirmations(0)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ledger.chain.eth import BlockRef, Eth


@dataclass(frozen=True, slots=True)
class Confirmations:
    """A block is final under ``count`` blocks."""

    count: int


@dataclass(frozen=True, slots=True)
class FinalTag:
    """What the node calls final."""

    tag: Literal["safe", "finalized"]


Finality = Confirmations | FinalTag


def finality_of(tag: Literal["safe", "finalized"] | None, confirmations: int) -> Finality:
    """The rule that a tag names, else so many confirmations."""
    return FinalTag(tag) if tag else Confirmations(confirmations)


def final_block(eth: Eth, finality: Finality) -> BlockRef | None:
    """The newest final block; None while there is none."""
    if isinstance(finality, FinalTag):
        block = eth.block(finality.tag)
    else:
        number = eth.head().number - finality.count
        block = eth.block(number) if number >= 0 else None
    return block.ref if block else None
