"""What a node says to a transaction that is sent to it, in the words of each client.

There is no standard for these answers: Anvil, Hardhat, geth, Besu, Nethermind and Erigon are told apart by their
messages. An answer that is not known here is a refusal, and a refusal is no proof that the transaction is not there.
"""

from __future__ import annotations

import re
from enum import Enum


class SendOutcome(Enum):
    ACCEPTED = "accepted"
    ALREADY_KNOWN = "already known"  # as good as accepted
    NONCE_TOO_LOW = "nonce too low"  # this very transaction is in a block, or another of its nonce is
    UNDERPRICED = "underpriced"  # below what the node or the next block asks, or what replacing another takes


_WORDS = {
    SendOutcome.ALREADY_KNOWN: r"already ?(known|imported|exists)|known transaction|already in (mem)?pool",
    SendOutcome.NONCE_TOO_LOW: r"nonce (is )?too low|old ?nonce|nonce .*already used",
    SendOutcome.UNDERPRICED: (
        r"underpriced|fee ?too ?low|less than block base fee|below configured minimum|gas ?price (is )?too low"
        r"|fee ?per ?gas.* is too low|below base fee"
    ),
}
_PATTERNS = {outcome: re.compile(words, re.IGNORECASE) for outcome, words in _WORDS.items()}


def outcome_of_refusal(message: str) -> SendOutcome | None:
    """What the message of an error of ``eth_sendRawTransaction`` means; None for anything else."""
    for outcome, pattern in _PATTERNS.items():
        if pattern.search(message):
            return outcome
    return None
