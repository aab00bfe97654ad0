"""Block times: when the block of a chain write was made, in unix seconds."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from ledger.chain.journal import ChainWrite
from ledger.core.errors import Unavailable
from ledger.follow import Follower
from ledger.settings import EMBEDDED, Settings


def block_times(settings: Settings, follower: Follower) -> Callable[[ChainWrite], int]:
    """On the embedded chain the journal says it, else the node, which may be away: Unavailable."""
    if settings.chain == EMBEDDED:
        return lambda write: write.timestamp

    @lru_cache(maxsize=1024)
    def of_block(block_hash: bytes) -> int:
        block = follower.link.chain.eth.block(block_hash)
        if block is None:
            raise Unavailable("the chain node does not know the anchor's block", code="chain_unavailable")
        return block.timestamp

    return lambda write: of_block(write.block_hash or b"")
