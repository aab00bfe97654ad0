"""Faults of what a chain's state proves: header, paths, slots, and the registry's grant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from ledger.core.log.merkle import EMPTY_ROOT
from ledger.core.verification.contract_storage import anchor_slots, registry_slots
from ledger.core.verification.trust import encode_trust
from scripts.docs.chain_states import State
from tests.campaigns.verifiers.changes import put, without
from tests.campaigns.verifiers.faults.naming import (
    Changed,
    Expected,
    Mutated,
    fault,
    harmless,
    has,
    of_case,
    simple,
    written,
)
from tests.campaigns.verifiers.worlds import NUMBER, Base
from tests.testkit.builders import POLICE, PROCURATORATE, START, clerk
from tests.testkit.bundles import ANCHORED_AT, CHAIN

ANCHOR = ("anchor",)
SPOILED = "0x" + "ab" * 32


def edited(name: str, at: tuple[Any, ...], value: Any, step: int) -> None:
    """Change a part of the anchor. Of an entry of the ledger itself the registry's part is not looked at."""

    def of(base: Base) -> Changed:
        if not has(base, "anchor") or (step == 12 and not of_case(base)):
            return None
        return put(base.tree, (*ANCHOR, *at), value)

    simple(name, of, step)


# -- header and paths --------------------------------------------------------------------------------------------------

for _contract, _step in {"anchor": 11, "registry": 12}.items():
    for _where in (("account_proof",), ("storage_proof", 0, "proof")):
        _name = f"{'account' if len(_where) == 1 else 'slot'} of the {_contract} proven"
        edited(f"{_name} without the last node", (_contract, *_where), lambda nodes: nodes[:-1], _step)
        edited(f"{_name} without the root", (_contract, *_where), lambda nodes: nodes[1:], _step)
        edited(f"{_name} by nothing", (_contract, *_where), [], _step)
        edited(f"{_name} with a node more", (_contract, *_where), lambda nodes: [*nodes, nodes[-1]], _step)
        edited(f"{_name} with an empty node", (_contract, *_where), lambda nodes: [*nodes[:-1], "0x"], _step)
        edited(f"{_name} by the empty trie", (_contract, *_where), ["0x80"], _step)
        edited(
            f"{_name} with an edited node", (_contract, *_where), lambda nodes: [*nodes[:-1], nodes[-1] + "00"], _step
        )
    edited(f"account of the {_contract} that is none", (_contract, "account_proof"), ["0xc0"], _step)
    edited(f"slot value of the {_contract} edited", (_contract, "storage_proof", 0, "value"), SPOILED, _step)
    edited(f"slot of the {_contract} of another key", (_contract, "storage_proof", 0, "key"), SPOILED, _step)
    edited(
        f"slots of the {_contract} in another order",
        (_contract, "storage_proof"),
        lambda slots: [slots[1], slots[0], *slots[2:]],
        _step,
    )
    edited(f"a slot of the {_contract} left out", (_contract, "storage_proof"), lambda slots: slots[:-1], _step)
    edited(f"a slot of the {_contract} twice", (_contract, "storage_proof"), lambda slots: [*slots, slots[-1]], _step)
    edited(f"no slots of the {_contract}", (_contract, "storage_proof"), [], _step)


@fault("registry's part of an entry of the ledger itself")
def _own(base: Base, chance: Any) -> Mutated | None:
    """No step looks at it: the service's key is not the registry's."""
    if of_case(base) or not has(base, "anchor"):
        return None
    changed = put(base.tree, (*ANCHOR, "registry", "storage_proof"), [])
    return Mutated(written(changed), Expected(base.verdict))


harmless(
    "key's slots left out",
    lambda base: (
        put(base.tree, (*ANCHOR, "registry", "storage_proof"), lambda slots: slots[:1])
        if has(base, "anchor") and of_case(base)
        else None
    ),
    "unverifiable",
)


@fault("contracts swapped")
def _swapped(base: Base, chance: Any) -> Mutated | None:
    if not has(base, "anchor"):
        return None
    anchor = base.tree["anchor"]
    changed = base.tree | {"anchor": anchor | {"anchor": anchor["registry"], "registry": anchor["anchor"]}}
    return Mutated(written(changed), Expected("tampered", frozenset({11, 12} if of_case(base) else {11})))


# -- states that are true, of contracts that hold something else -----------------------------------------------------


def restated(base: Base, change: Callable[[State], Any], number: int = NUMBER) -> tuple[Any, bytes]:
    """Return the bundle with a state of its own, which the world vouches for: contents changed, and proven."""
    state = base.world.state()
    change(state)
    return put(base.tree, ANCHOR, base.world.anchor(base.index, state, number)), encode_trust(
        base.world.trusting(state)
    )


def stated(name: str, change: Callable[[State], Any], *steps: int, number: int = NUMBER) -> None:
    simple(name, lambda base: restated(base, change, number) if has(base, "anchor") and of_case(base) else None, *steps)


def held(slot: int, value: Callable[[int], int] | int) -> Callable[[State], None]:
    """One of the slots of the anchor contract holds something else."""

    def of(state: State) -> None:
        key = anchor_slots(NUMBER)[slot]
        state.anchor[key] = value(state.anchor[key]) if callable(value) else value

    return of


stated("record of another root", held(1, 7), 11)
stated("record of another size", held(2, lambda word: word + 1), 11)
stated("record of a block above the state's", held(2, lambda word: word + (100 << 64)), 11)
stated("record that is not there", held(1, 0), 11)
stated("record of another number", lambda state: None, 11, number=1)
stated("record of a number above the last", lambda state: None, 11, number=3)
stated("record before of the same size", held(4, lambda word: (word >> 64 << 64) + (1 << 60)), 11)
stated("record before of a later block", held(4, lambda word: word + (100 << 64)), 11)
stated("record before of a later time", held(4, lambda word: word + (100_000 << 128)), 11)
stated("record before that is the start", held(3, int.from_bytes(EMPTY_ROOT, "big")), 11)
stated("last record below", held(0, lambda word: word - 1), 11)
stated("last record of another size", held(0, lambda word: word + (1 << 64)), 11)
stated("last record above of the same size", held(0, lambda word: word + 1), 11)
stated("state from before the record", lambda state: setattr(state, "number", 8), 11)
stated(
    "anchor contract of other code",
    lambda s: setattr(s, "chain", replace(s.chain, anchor_code_hash=CHAIN.registry_code_hash)),
    11,
)
stated(
    "registry of other code",
    lambda s: setattr(s, "chain", replace(s.chain, registry_code_hash=CHAIN.anchor_code_hash)),
    12,
)


def sound(name: str, change: Callable[[State], Any], by: str = "", verdict: str | None = None) -> None:
    """Name a state after which no step fails."""
    harmless(
        name,
        lambda base: (
            restated(base, change) if has(base, "anchor") and of_case(base) and base.name.startswith(by) else None
        ),
        verdict,
    )


sound("packed word with more in it", held(2, lambda word: word + (1 << 192)))
sound("record of an earlier block", held(2, lambda word: word - (1 << 64)))
sound("state of the record's own block", lambda state: setattr(state, "number", 9))


@fault("header of every hard fork")
def _fork(base: Base, chance: Any) -> Mutated | None:
    return _with_fields(base, chance.choice((15, 16, 17, 20, 21)), Expected(base.verdict))


@fault("header of no hard fork")
def _no_fork(base: Base, chance: Any) -> Mutated | None:
    """Its world's witnesses would not sign it: they know the form."""
    if not has(base, "anchor"):
        return None
    state = base.world.state()
    state.fields = chance.choice((14, 18, 19))
    shown_tree = put(base.tree, (*ANCHOR, "header_rlp"), "0x" + state.header().hex())
    return Mutated(written(shown_tree), Expected("tampered", frozenset({10})))


def _with_fields(base: Base, fields: int, expected: Expected) -> Mutated | None:
    if not has(base, "anchor"):
        return None
    changed, trust = restated(base, lambda state: setattr(state, "fields", fields))
    return Mutated(written(changed), expected, trust)


@fault("record of a time before the entry was signed")
def _signed_later(base: Base, chance: Any) -> Mutated | None:
    """By more than the tolerance: the key signed in its future, whoever dates the block."""
    if not has(base, "anchor") or not of_case(base):
        return None
    signed_at = base.tree["envelope"]["signed_at"]
    late = chance.choice((300, 301))
    state = base.world.state()
    words = anchor_slots(NUMBER)
    for slot, time in ((words[2], signed_at - late), (words[4], signed_at - late - 12)):
        state.anchor[slot] = (state.anchor[slot] & (1 << 128) - 1) | time << 128
    changed = put(base.tree, ANCHOR, base.world.anchor(base.index, state))
    failing = {13} if late > 300 else set()
    if base.world.key_of(base.index) == clerk(POLICE).key_id:
        return None  # its key is revoked, before or after such an anchor
    expected = Expected("tampered" if failing else base.verdict, frozenset(failing))
    return Mutated(written(changed), expected, encode_trust(base.world.trusting(state)))


# -- the registry's grant ----------------------------------------------------------------------------------------------


def key_slot(slot: int, change: Callable[[int], int], agency: str = PROCURATORATE) -> Callable[[State], None]:
    """Let the registry hold something else of the clerk's key; slots are agency, officer, terms."""

    def of(state: State) -> None:
        key = registry_slots(clerk(agency).key_id)[1 + slot]
        state.registry[key] = change(state.registry[key])

    return of


def registered(
    name: str,
    change: Callable[[State], Any],
    verdict: str,
    *steps: int,
    by: str = "accepted",
    hide: bool = False,
) -> None:
    @fault(name)
    def of(base: Base, chance: Any) -> Mutated | None:
        if base.name != by:
            return None
        changed, trust = restated(base, change)
        if hide:
            changed = without(changed, ("authority", "revocation"))
        return Mutated(written(changed), Expected(verdict, frozenset(steps)), trust)


def in_terms(shift: int, amount: int = 1) -> Callable[[int], int]:
    return lambda word: word ^ (amount << shift)


def no_grant(state: State) -> None:
    for key in registry_slots(clerk(PROCURATORATE).key_id)[1:]:
        state.registry.pop(key)


REVOKED = 168  # bits below the time of revocation
FIRST = "opened"  # by the clerk of POLICE, whose key the log has revoked


def revoked(time: int) -> Callable[[int], int]:
    return lambda word: (word & (1 << REVOKED) - 1) | time << REVOKED


registered("registry: another agency", key_slot(0, lambda word: word + 1), "tampered", 12)
registered("registry: another officer", key_slot(1, lambda word: word + 1), "tampered", 12)
registered("registry: other roles", key_slot(2, in_terms(3)), "tampered", 12)
registered("registry: another suite", key_slot(2, in_terms(32, 3)), "tampered", 12)
registered("registry: another beginning", key_slot(2, in_terms(40)), "tampered", 12)
registered("registry: another end", key_slot(2, in_terms(104)), "tampered", 12)
registered("registry: a mirror entry that no chain has", no_grant, "tampered", 12)
registered("registry: revoked before the anchor, and hidden", key_slot(2, revoked(START)), "tampered", 12)
registered("registry: revoked in the anchor's second", key_slot(2, revoked(ANCHORED_AT)), "unverifiable")
registered("registry: revoked after the anchor", key_slot(2, revoked(ANCHORED_AT + 1)), "intact")
registered("registry: revocation hidden", lambda state: None, "tampered", 12, by=FIRST, hide=True)
registered(
    "registry: revocation hidden that came after the anchor",
    key_slot(2, revoked(ANCHORED_AT + 1), POLICE),
    "intact",
    by=FIRST,
    hide=True,
)
registered(
    "registry: revocation shown that it does not have",
    key_slot(2, revoked(0), POLICE),
    "intact",
    by=FIRST,
)
registered(
    "registry: revocation shown that came after the anchor",
    key_slot(2, revoked(ANCHORED_AT + 1), POLICE),
    "intact",
    by=FIRST,
)
registered("registry: empty", lambda state: setattr(state, "registry", {}), "tampered", 12)
registered("registry: has gone on", lambda s: s.has(bytes([7]) * 32), "intact")
