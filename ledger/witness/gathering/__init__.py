"""Cosign: what is published goes to the witnesses, and what they sign comes back.

Each witness is asked by itself: one that is slow or away holds up no other, and submissions wait for none. What a
witness signs is verified against its known key before it is stored. For the chain the contract's own witnesses sign a
second time, when an anchor is due: size, root and registry hash, as the contract counts them. For whoever checks proofs
they vouch for the block by whose state the newest anchor is proven.
"""

from ledger.witness.gathering.configuration import Witness, WitnessFile
from ledger.witness.gathering.courier import Courier, WitnessAhead, WitnessState
from ledger.witness.gathering.quorum import Gathered, Gatherer, Seen
from ledger.witness.gathering.vouching import Voucher

__all__ = [
    "Courier",
    "Gathered",
    "Gatherer",
    "Seen",
    "Voucher",
    "Witness",
    "WitnessAhead",
    "WitnessFile",
    "WitnessState",
]
