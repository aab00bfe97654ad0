"""Bundles whose anchor is record 2 of its contract, so that a test reads like sentences::

verdict_of(GOOD)                                       # of a chain that the trust file names a block of
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from ledger.core.encoding import canonical
from ledger.core.trust.trust_file import Trust, TrustedBlock
from ledger.core.verification.bundle import Bundle
from ledger.core.verification.chain import ObservedBlock
from ledger.core.verification.report import ProofReport
from ledger.core.verification.verify import verify_event
from scripts.docs.chain_states import State
from tests.testkit.bundles import CHAIN, Log, encode_bundle, naming, trust
from tests.testkit.changed_bundles import LOG, NOTE, REGISTERED, Tree


def anchored(log: Log, index: int, state: State, *, number: int = 1, note: str | None = None) -> Bundle:
    """Return the bundle of an entry whose anchor the state proves."""
    return log.bundle(index, note, anchor=state.proving(number, *log.keys_of(log.events[index])))


GOOD = anchored(LOG, REGISTERED, LOG.state(number=2), number=2, note=NOTE)
NAMED = LOG.state(number=2).block()


def trusting(*blocks: TrustedBlock) -> Trust:
    return trust(chains=(replace(CHAIN, trusted_blocks=blocks),))


def verdict_of(bundle: Bundle | Tree, *observed: ObservedBlock, using: Trust | None = None) -> ProofReport:
    """Under a trust file that names the block of a bundle's anchor; that of the good one for a bundle as a tree."""
    data = canonical.encode(bundle) if isinstance(bundle, dict) else encode_bundle(bundle)
    default = trusting(NAMED) if isinstance(bundle, dict) else naming(bundle)
    return verify_event(data, using or default, observed=observed).report


def on_chain(**changes: Any) -> ObservedBlock:
    return replace(ObservedBlock(CHAIN.identity, NAMED.number, NAMED.hash, is_final=True), **changes)


def of(bundle: Tree, *path: str | int) -> Any:
    """Return a part of a bundle's anchor."""
    part = bundle["anchor"]
    for key in path:
        part = part[key]
    return part
