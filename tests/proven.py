"""Bundles whose anchor the contracts' storage proves, so that a test reads like sentences::

verdict_of(GOOD)                                       # of a chain that the trust file names a block of
verdict_of(held(anchor_1=77), using=trust())           # of a chain whose slots hold something else
"""

from __future__ import annotations

import json
from typing import Any

from msgspec.structs import replace

from ledger.core.bundle import Bundle, raw
from ledger.core.contract_state import anchor_slots, registry_slots
from ledger.core.report import Report
from ledger.core.trust import Trust, TrustedBlock
from ledger.core.verify import verify_bundle
from ledger.core.verify_chain import SeenBlock
from tests.builders import POLICE, START, clerk
from tests.bundles import CHAIN, Log, anchor_of, encode_bundle, tree, trust
from tests.states import State
from tests.verifying import LOG, NOTE, REGISTERED, Tree

ANCHORED_AT = START + 4000  # the block time of ``anchor_of``
BLOCK = 12  # whose state proves the anchor; the anchor's is 9


def state_of(log: Log, *, number: int = 1, revoked_at: dict[str, int] | None = None, fields: int = 20) -> State:
    """The contracts three blocks after they took the present tree head as record ``number``."""
    made = State(CHAIN, BLOCK, ANCHORED_AT + 36, fields=fields)
    if number > 1:
        made.record(number - 1, bytes([5]) * 32, 5, 7, ANCHORED_AT - 24)
    checkpoint = log.checkpoint()
    made.record(number, checkpoint.root, checkpoint.size, 9, ANCHORED_AT)
    authority = log.registry.authority
    return made.has(authority.registry_hash, *authority.grants.values(), revoked_at=revoked_at)


def anchored(log: Log, index: int, made: State, *, number: int = 1, note: str | None = None, **said: Any) -> Bundle:
    """The bundle of an entry whose anchor the state proves."""
    envelope = log.events[index].envelope
    key_id = envelope.key_id if envelope.stream.kind != "system" else None
    proven = made.proven(number, key_id)
    anchor = anchor_of(log.checkpoint(), log.registry.authority.registry_hash, number=number, proven_at=proven)
    return log.bundle(index, note, anchors=raw([replace(anchor, **said)]))


def replace_state(number: int) -> State:
    """The same contracts by the header of another block."""
    made = state_of(LOG, number=2)
    made.number = number
    return made


def held(**slots: int) -> Bundle:
    """The good bundle of a chain whose slots hold other words, by their place in the proof."""
    made = state_of(LOG, number=2)
    for name, word in slots.items():
        contract, _, place = name.partition("_")
        keys = anchor_slots(2) if contract == "anchor" else registry_slots(clerk(POLICE).key_id)
        (made.anchor if contract == "anchor" else made.registry)[keys[int(place)]] = word
    return anchored(LOG, REGISTERED, made, number=2, note=NOTE)


GOOD = anchored(LOG, REGISTERED, state_of(LOG, number=2), number=2, note=NOTE)
PROVEN = tree(GOOD)["anchors"][0]["proven_at"]
NAMED = TrustedBlock(PROVEN["block_number"], PROVEN["block_hash"])


def trusting(*blocks: TrustedBlock) -> Trust:
    return trust(chains=(replace(CHAIN, trusted_blocks=blocks),))


def verdict_of(bundle: Bundle | Tree, *seen: SeenBlock, using: Trust | None = None) -> Report:
    data = json.dumps(bundle).encode() if isinstance(bundle, dict) else encode_bundle(bundle)
    return verify_bundle(data, using or trusting(NAMED), seen=seen)


def on_chain(**changes: Any) -> SeenBlock:
    return replace(SeenBlock(CHAIN.identity, NAMED.number, NAMED.hash, is_final=True), **changes)


def of(bundle: Tree, *path: str | int) -> Any:
    """A part of a bundle's proof."""
    found = bundle["anchors"][0]["proven_at"]
    for key in path:
        found = found[key]
    return found
