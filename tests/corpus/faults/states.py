"""Faults of what a chain's state proves: header, paths, slots, the block, and the registry's grant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from ledger.core.contract_state import anchor_slots, registry_slots
from ledger.core.merkle import EMPTY_ROOT
from ledger.core.trust import Trust, TrustedBlock
from tests.builders import POLICE, PROCURATORATE, START, clerk
from tests.bundles import CHAIN
from tests.corpus import changes
from tests.corpus.changes import put, without
from tests.corpus.faults.naming import (
    Expected,
    Mutated,
    fault,
    has,
    simple,
    trusting,
    worse,
    written,
)
from tests.corpus.worlds import ANCHORED_AT, Base, Tree, World
from tests.states import State

PROVEN = ("anchors", 0, "proven_at")
NUMBER = 2  # of the record that the worlds prove


def proven(name: str, change: Callable[[Base], Tree | None], *steps: int) -> None:
    simple(name, lambda base: change(base) if has(base, *PROVEN) else None, *steps)


def still(name: str, change: Callable[[Base], Tree | None], verdict: str = "intact") -> None:
    """A change after which no step fails."""

    @fault(name)
    def of(base: Base, chance: Any) -> Mutated | None:
        changed = change(base) if has(base, *PROVEN) else None
        return None if changed is None else Mutated(written(changed), Expected(worse(verdict, base.verdict)))


def edited(name: str, at: tuple[Any, ...], value: Any, step: int) -> None:
    proven(name, lambda base: put(base.tree, (*PROVEN, *at), value), step)


# -- forms -------------------------------------------------------------------------------------------------------------

edited("state null", (), None, 11)
edited("state with an unknown field", ("more",), 1, 11)
edited("state of a block below zero", ("block_number",), -1, 11)
edited("header in upper case", ("header_rlp",), lambda text: "0x" + text[2:].upper(), 11)
edited("header of half a byte more", ("header_rlp",), lambda text: text + "0", 11)
edited("header without 0x", ("header_rlp",), lambda text: text[2:], 11)
edited("slot value cut", ("anchor", "storage_proof", 0, "value"), lambda text: text[:-2], 11)
edited("66 nodes", ("anchor", "account_proof"), lambda nodes: (nodes * 66)[:66], 11)
edited("17 slots", ("anchor", "storage_proof"), lambda slots: (slots * 17)[:17], 11)
proven("state without the registry", lambda base: without(base.tree, (*PROVEN, "registry")), 11)
still("state left out", lambda base: without(base.tree, PROVEN))

# -- header and paths --------------------------------------------------------------------------------------------------

edited("state of the block after", ("block_number",), lambda number: number + 1, 12)
edited("state of a block of another hash", ("block_hash",), "0x" + "ab" * 32, 12)
edited("header empty", ("header_rlp",), "0x", 12)
edited("header edited", ("header_rlp",), lambda text: text[:-1] + ("0" if text[-1] != "0" else "1"), 12)
edited("header with a byte more", ("header_rlp",), lambda text: text + "00", 12)
for _contract in ("anchor", "registry"):
    for _where in (("account_proof",), ("storage_proof", 0, "proof")):
        _name = f"{'account' if len(_where) == 1 else 'slot'} of the {_contract} proven"
        edited(f"{_name} without the last node", (_contract, *_where), lambda nodes: nodes[:-1], 12)
        edited(f"{_name} without the root", (_contract, *_where), lambda nodes: nodes[1:], 12)
        edited(f"{_name} by nothing", (_contract, *_where), [], 12)
        edited(f"{_name} with a node more", (_contract, *_where), lambda nodes: [*nodes, nodes[-1]], 12)
        edited(f"{_name} with an empty node", (_contract, *_where), lambda nodes: [*nodes[:-1], "0x"], 12)
        edited(f"{_name} by the empty trie", (_contract, *_where), ["0x80"], 12)
        edited(f"{_name} with an edited node", (_contract, *_where), lambda nodes: [*nodes[:-1], nodes[-1] + "00"], 12)
edited("accounts swapped", ("anchor", "account_proof"), ["0xc0"], 12)
proven(
    "contracts swapped",
    lambda base: put(
        put(base.tree, (*PROVEN, "anchor"), changes.at(base.tree, (*PROVEN, "registry"))),
        (*PROVEN, "registry"),
        changes.at(base.tree, (*PROVEN, "anchor")),
    ),
    12,
)
edited("slot value edited", ("anchor", "storage_proof", 1, "value"), "0x" + "ab" * 32, 12)
edited("slot of another key", ("anchor", "storage_proof", 1, "key"), "0x" + "ab" * 32, 12)
edited("slots in another order", ("anchor", "storage_proof"), lambda slots: [slots[1], slots[0], *slots[2:]], 12)
edited("a slot left out", ("anchor", "storage_proof"), lambda slots: slots[:-1], 12)
edited("a slot twice", ("anchor", "storage_proof"), lambda slots: [*slots, slots[-1]], 12)
edited("no slots of the registry", ("registry", "storage_proof"), [], 12)
edited("a slot of the registry twice", ("registry", "storage_proof"), lambda slots: [slots[0], *slots], 12)


# -- states that are true, of contracts that hold something else -----------------------------------------------------


def restated(base: Base, change: Callable[[State], State | None], number: int = NUMBER, **said: Any) -> Tree:
    """The bundle with a state of its own: contents changed, and proven."""
    state = base.world.state()
    state = change(state) or state
    proof = state.proven(number, base.world.key_of(base.index))
    return put(base.tree, ("anchors", 0), base.world.anchor(proof, number=number, **said))


def stated(name: str, change: Callable[[State], Any], *steps: int, **terms: Any) -> None:
    """The block is then not the trusted one: step 13 fails too where the trust file names that."""

    @fault(name)
    def of(base: Base, chance: Any) -> Mutated | None:
        if not has(base, *PROVEN):
            return None
        changed = restated(base, lambda state: change(state) and None, **terms)
        return Mutated(written(changed), Expected("tampered", frozenset(steps)), untold(base.world))


def held(slot: int, value: Callable[[int], int] | int) -> Callable[[State], None]:
    """One of the slots of the anchor contract holds something else."""

    def of(state: State) -> None:
        key = anchor_slots(NUMBER)[slot]
        state.anchor[key] = value(state.anchor[key]) if callable(value) else value

    return of


def untold(world: World) -> bytes:
    """Trust that names no block."""
    return trusting(replace(world.trust, chains=(CHAIN,)))


stated("record of another root", held(1, 7), 12)
stated("record of another size", held(2, lambda word: word + 1), 12)
stated("record of another block", held(2, lambda word: word + (1 << 64)), 12)
stated("record of another time", held(2, lambda word: word + (1 << 128)), 12)
stated("record that is not there", held(1, 0), 12)
stated("record before of the same size", held(4, lambda word: (word >> 64 << 64) + (1 << 60)), 12)
stated("record before of a later block", held(4, lambda word: word + (100 << 64)), 12)
stated("record before of a later time", held(4, lambda word: word + (100_000 << 128)), 12)
stated("record before that is the start", held(3, int.from_bytes(EMPTY_ROOT, "big")), 12)
stated("last record below", held(0, lambda word: word - 1), 12)
stated("last record of another size", held(0, lambda word: word + (1 << 64)), 12)
stated("last record above of the same size", held(0, lambda word: word + 1), 12)
stated("state from before the record", lambda state: setattr(state, "number", 8), 12)
stated(
    "anchor contract of other code",
    lambda s: setattr(s, "chain", replace(s.chain, anchor_code_hash=CHAIN.registry_code_hash)),
    12,
)
stated(
    "registry of other code",
    lambda s: setattr(s, "chain", replace(s.chain, registry_code_hash=CHAIN.anchor_code_hash)),
    12,
)


@fault("packed word with more in it")
def _more_in_word(base: Base, chance: Any) -> Mutated | None:
    """What stands above the packed numbers does not count."""
    if not has(base, *PROVEN):
        return None
    changed = restated(base, held(2, lambda word: word + (1 << 192)))
    return Mutated(written(changed), Expected(base.verdict), untold(base.world))


@fault("header of every hard fork")
def _fork(base: Base, chance: Any) -> Mutated | None:
    if not has(base, *PROVEN):
        return None
    fields = chance.choice((15, 16, 17, 20, 21))
    changed = restated(base, lambda state: setattr(state, "fields", fields))
    return Mutated(written(changed), Expected(base.verdict), untold(base.world))


@fault("header of no hard fork")
def _no_fork(base: Base, chance: Any) -> Mutated | None:
    if not has(base, *PROVEN):
        return None
    fields = chance.choice((14, 18, 19))
    changed = restated(base, lambda state: setattr(state, "fields", fields))
    return Mutated(written(changed), Expected("tampered", frozenset({12})), untold(base.world))


# -- the block ---------------------------------------------------------------------------------------------------------


def believing(name: str, blocks: Callable[[TrustedBlock], tuple[TrustedBlock, ...]], *steps: int) -> None:
    @fault(name)
    def of(base: Base, chance: Any) -> Mutated | None:
        if not has(base, *PROVEN):
            return None
        proof = changes.at(base.tree, PROVEN)
        named = blocks(TrustedBlock(proof["block_number"], proof["block_hash"]))
        trust: Trust = replace(base.world.trust, chains=(replace(CHAIN, trusted_blocks=named),))
        expected = Expected("tampered" if steps else base.verdict, frozenset(steps))
        return Mutated(written(base.tree), expected, trusting(trust))


believing("block trusted", lambda block: (block,))
believing("block of another number trusted", lambda block: (replace(block, number=block.number + 1),))
believing("block of another hash trusted", lambda block: (replace(block, hash="0x" + "ab" * 32),), 13)
believing("block trusted with two hashes", lambda block: (block, replace(block, hash="0x" + "ab" * 32)), 13)
believing("many blocks trusted", lambda block: tuple(replace(block, number=number) for number in range(1024)))


@fault("block of the anchor with another hash")
def _anchor_block(base: Base, chance: Any) -> Mutated | None:
    """The state is that of the anchor's own block, which is said to have another hash."""
    if not has(base, *PROVEN):
        return None
    changed = restated(base, lambda state: setattr(state, "number", 9))
    return Mutated(written(changed), Expected("tampered", frozenset({12})), untold(base.world))


# -- the registry's grant ----------------------------------------------------------------------------------------------


def key_slot(slot: int, change: Callable[[int], int], agency: str = PROCURATORATE) -> Callable[[State], None]:
    """The registry holds something else of the clerk's key; slots are agency, officer, terms."""

    def of(state: State) -> None:
        key = registry_slots(clerk(agency).key_id)[1 + slot]
        state.registry[key] = change(state.registry[key])

    return of


def registered(
    name: str,
    change: Callable[[State], None],
    verdict: str,
    *steps: int,
    by: str = "proven, accepted",
    hide: bool = False,
) -> None:
    @fault(name)
    def of(base: Base, chance: Any) -> Mutated | None:
        if base.name != by:
            return None
        changed = restated(base, change)
        if hide:
            changed = without(changed, ("authority", "revocation"))
        return Mutated(written(changed), Expected(verdict, frozenset(steps)), untold(base.world))


def in_terms(shift: int, amount: int = 1) -> Callable[[int], int]:
    return lambda word: word ^ (amount << shift)


REVOKED = 168  # bits below the time of revocation
FIRST = "proven, opened"  # by the clerk of POLICE, whose key the log has revoked

registered("registry: another agency", key_slot(0, lambda word: word + 1), "tampered", 10)
registered("registry: another officer", key_slot(1, lambda word: word + 1), "tampered", 10)
registered("registry: other roles", key_slot(2, in_terms(3)), "tampered", 10)
registered("registry: another suite", key_slot(2, in_terms(32, 3)), "tampered", 10)
registered("registry: another beginning", key_slot(2, in_terms(40)), "tampered", 10)
registered("registry: another end", key_slot(2, in_terms(104)), "tampered", 10)
registered(
    "registry: a key that it does not know",
    lambda s: [s.registry.pop(k) for k in registry_slots(clerk(PROCURATORATE).key_id)[1:]] and None,
    "tampered",
    10,
)
registered("registry: revoked before the anchor, and hidden", key_slot(2, in_terms(REVOKED, START)), "tampered", 10)
registered("registry: revoked in the anchor's block", key_slot(2, in_terms(REVOKED, ANCHORED_AT)), "unverifiable")
registered("registry: revoked after the anchor", key_slot(2, in_terms(REVOKED, ANCHORED_AT + 1)), "intact")
registered("registry: revocation hidden", lambda state: None, "tampered", 10, by=FIRST, hide=True)
registered(
    "registry: revocation shown that it does not have",
    key_slot(2, lambda word: word & (1 << REVOKED) - 1, POLICE),
    "tampered",
    10,
    by=FIRST,
)
registered("registry: empty", lambda state: setattr(state, "registry", {}), "tampered", 10)
registered("registry: has gone on", lambda s: s.has(bytes([7]) * 32) and None, "intact")
