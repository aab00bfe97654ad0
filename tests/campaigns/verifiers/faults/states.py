"""Faults of what a chain's state proves: header, paths, slots, and the registry's grant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from ledger.core.verification.contract_storage import anchor_slots, registry_slots
from ledger.core.verification.trust import encode_trust
from scripts.docs.chain_states import State
from tests.campaigns.verifiers.changes import put, without
from tests.campaigns.verifiers.faults.naming import (
    Changed,
    Mutated,
    anchored,
    anchored_case,
    called,
    comes_to,
    edited,
    fails,
    fault,
    harmless,
    simple,
)
from tests.campaigns.verifiers.worlds import NUMBER, Base
from tests.testkit.builders import POLICE, PROCURATORATE, clerk
from tests.testkit.bundles import ANCHORED_AT, CHAIN

SPOILED = "0x" + "ab" * 32

# -- header and paths --------------------------------------------------------------------------------------------------

PROVEN: dict[str, Any] = {
    "without the root": lambda nodes: nodes[1:],
    "with an empty node": lambda nodes: [*nodes[:-1], "0x"],
    "by the empty trie": ["0x80"],
    "with an edited node": lambda nodes: [*nodes[:-1], nodes[-1] + "00"],
}
# Of an entry of the ledger itself the registry's part is not looked at.
for _contract, _step, _of in (("anchor", 11, anchored), ("registry", 12, anchored_case)):
    _slots, _account = ("anchor", _contract, "storage_proof"), ("anchor", _contract, "account_proof")
    for _how, _value in PROVEN.items():
        edited(f"account of the {_contract} proven {_how}", _account, _value, _step, of=_of)
        edited(f"slot of the {_contract} proven {_how}", (*_slots, 0, "proof"), _value, _step, of=_of)
    edited(f"account of the {_contract} that is none", _account, ["0xc0"], _step, of=_of)
    edited(f"slot of the {_contract} of another key", (*_slots, 0, "key"), SPOILED, _step, of=_of)
    edited(f"slots of the {_contract} in another order", _slots, lambda s: [s[1], s[0], *s[2:]], _step, of=_of)
    edited(f"a slot of the {_contract} twice", _slots, lambda slots: [*slots, slots[-1]], _step, of=_of)


@fault("contracts swapped")
def _swapped(base: Base, chance: Any) -> Mutated | None:
    if not anchored(base):
        return None
    anchor = base.tree["anchor"]
    changed = base.tree | {"anchor": anchor | {"anchor": anchor["registry"], "registry": anchor["anchor"]}}
    return fails(changed, 11, *((12,) if anchored_case(base) else ()))


# -- states that are true, of contracts that hold something else -----------------------------------------------------


def restated(base: Base, change: Callable[[State], Any], number: int = NUMBER) -> tuple[Any, bytes]:
    """Return the bundle with a state of its own, which the world vouches for: contents changed, and proven."""
    state = base.world.state()
    change(state)
    changed = put(base.tree, ("anchor",), base.world.anchor(base.index, state, number))
    return changed, encode_trust(base.world.trusting(state))


def stated(name: str, change: Callable[[State], Any], *steps: int, number: int = NUMBER) -> None:
    def of(base: Base) -> Changed:
        return restated(base, change, number)

    if steps:
        simple(name, of, *steps, of=anchored_case)
    else:
        harmless(name, of, of=anchored_case)


def held(slot: int, value: Callable[[int], int]) -> Callable[[State], None]:
    """One of the slots of the anchor contract holds something else."""

    def of(state: State) -> None:
        key = anchor_slots(NUMBER)[slot]
        state.anchor[key] = value(state.anchor[key])

    return of


def code(**hashes: str) -> Callable[[State], None]:
    return lambda state: setattr(state, "chain", replace(state.chain, **hashes))


stated("record of another number", lambda state: None, 11, number=1)
stated("record of a number above the last", lambda state: None, 11, number=3)
stated("record before of the same size", held(4, lambda word: (word >> 64 << 64) + (1 << 60)), 11)
stated("record before of a later block", held(4, lambda word: word + (100 << 64)), 11)
stated("last record above of the same size", held(0, lambda word: word + 1), 11)
stated("state from before the record", lambda state: setattr(state, "number", 8), 11)
stated("anchor contract of other code", code(anchor_code_hash=CHAIN.registry_code_hash), 11)
stated("registry of other code", code(registry_code_hash=CHAIN.anchor_code_hash), 12)
stated("record of an earlier block", held(2, lambda word: word - (1 << 64)))
stated("state of the record's own block", lambda state: setattr(state, "number", 9))


@fault("header of every hard fork")
def _fork(base: Base, chance: Any) -> Mutated | None:
    if not anchored(base):
        return None
    changed, trust = restated(base, lambda state: setattr(state, "fields", chance.choice((16, 17, 20))))
    return comes_to(changed, base.verdict, trust)


@fault("header of no hard fork")
def _no_fork(base: Base, chance: Any) -> Mutated | None:
    """Its world's witnesses would not sign it: they know the form."""
    if not anchored(base):
        return None
    state = base.world.state()
    state.fields = chance.choice((14, 18, 19))
    return fails(put(base.tree, ("anchor", "header_rlp"), "0x" + state.header().hex()), 10)


@fault("record of a time before the entry was signed")
def _signed_later(base: Base, chance: Any) -> Mutated | None:
    """By more than the tolerance: the key signed in its future, whoever dates the block."""
    if not anchored_case(base) or base.world.log.key_of(base.index) == clerk(POLICE).key_id:
        return None  # the clerk's key is revoked, before or after such an anchor
    signed_at = base.tree["envelope"]["signed_at"]
    late = chance.choice((300, 301))
    words = anchor_slots(NUMBER)

    def change(state: State) -> None:
        for slot, time in ((words[2], signed_at - late), (words[4], signed_at - late - 12)):
            state.anchor[slot] = (state.anchor[slot] & (1 << 128) - 1) | time << 128

    changed, trust = restated(base, change)
    return fails(changed, 13, trust=trust) if late > 300 else comes_to(changed, base.verdict, trust)


# -- the registry's grant ----------------------------------------------------------------------------------------------


def terms(change: Callable[[int], int], agency: str = PROCURATORATE) -> Callable[[State], None]:
    """Let the registry hold other terms of the clerk's key."""

    def of(state: State) -> None:
        key = registry_slots(clerk(agency).key_id)[3]
        state.registry[key] = change(state.registry[key])

    return of


def registered(
    name: str, change: Callable[[State], Any], verdict: str, *steps: int, by: str = "accepted", hide: bool = False
) -> None:
    @fault(f"registry: {name}")
    def of(base: Base, chance: Any) -> Mutated | None:
        if not called(by)(base):
            return None
        changed, trust = restated(base, change)
        shown = without(changed, ("authority", "revocation")) if hide else changed
        return fails(shown, *steps, trust=trust) if steps else comes_to(shown, verdict, trust)


REVOKED = 168  # bits below the time of revocation
FIRST = "opened"  # by the clerk of POLICE, whose key the log has revoked


def revoked(time: int) -> Callable[[int], int]:
    return lambda word: (word & (1 << REVOKED) - 1) | time << REVOKED


registered("another suite", terms(lambda word: word ^ 3 << 32), "tampered", 12)
registered("another beginning", terms(lambda word: word ^ 1 << 40), "tampered", 12)
registered("revoked in the anchor's second", terms(revoked(ANCHORED_AT)), "unverifiable")
registered("revoked after the anchor", terms(revoked(ANCHORED_AT + 1)), "intact")
registered("revocation hidden", lambda state: None, "tampered", 12, by=FIRST, hide=True)
for _hide in (True, False):
    _name = f"revocation {'hidden' if _hide else 'shown'} that came after the anchor"
    registered(_name, terms(revoked(ANCHORED_AT + 1), POLICE), "intact", by=FIRST, hide=_hide)
registered("empty", lambda state: setattr(state, "registry", {}), "tampered", 12)
registered("has gone on", lambda s: s.has(bytes([7]) * 32), "intact")
