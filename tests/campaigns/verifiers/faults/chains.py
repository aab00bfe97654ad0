"""Faults of the anchor: its form, who vouches for its block, what the state proves, tries that no chain makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rlp
from msgspec.structs import replace

from ledger.core.encoding.digests import keccak256
from ledger.core.log.notes import NoteSignature, SeedSigner, SignatureType, parse_note
from ledger.core.trust.trust_file import encode_trust
from ledger.core.verification.contract_storage import anchor_slots
from scripts.docs.chain_states import State, storage_trie
from tests.campaigns.verifiers import changes
from tests.campaigns.verifiers.changes import put, without
from tests.campaigns.verifiers.faults.naming import (
    Changed,
    Fits,
    Mutated,
    anchored,
    anchored_case,
    comes_to,
    edited,
    fails,
    fault,
    harmless,
    has,
    refused,
    simple,
    witnessed,
)
from tests.campaigns.verifiers.worlds import NUMBER, Base
from tests.testkit.builders import POLICE, clerk
from tests.testkit.bundles import CHAIN, WITNESSES

# -- anchors -----------------------------------------------------------------------------------------------------------

NOTE = ("anchor", "block_note")
ELSEWHERE = "0x" + "ab" * 32

FORMS: dict[str, tuple[tuple[Any, ...], Any]] = {
    "that is a list": ((), lambda anchor: [anchor]),
    "with a number as text": (("number",), "2"),
    "with a number as a float": (("number",), 2.5),
    "with a chain id below zero": (("chain", "chain_id"), -1),
    "with a header without 0x": (("header",), lambda text: text[2:]),
    "with a node that is no text": (("state",), lambda nodes: [*nodes, 7]),
}
for _name, (_path, _value) in FORMS.items():
    refused(f"anchor {_name}", lambda base, p=_path, v=_value: put(base.tree, ("anchor", *p), v), anchored)
edited("anchor with an empty header", ("anchor", "header"), "0x", 4, of=anchored)
for _part in ("chain", "contract", "number", "header", "state"):
    refused(f"anchor without {_part}", lambda base, p=_part: without(base.tree, ("anchor", p)), anchored)
for _field, _value in {"chain_id": 1, "deployment_block_number": 4}.items():
    harmless(
        f"anchor with another {_field}",
        lambda base, f=_field, v=_value: put(base.tree, ("anchor", "chain", f), v),
        "not_yet_anchored",
        of=anchored,
    )


# -- who vouches for the block -----------------------------------------------------------------------------------------


def note(name: str, change: Callable[[Base, str], Any], verdict: str = "not_yet_anchored") -> None:
    """Give another block note, where no trust file names the block: one that does not count never fails a step."""

    def of(base: Base) -> Changed:
        shown = put(base.tree, NOTE, lambda text: change(base, text))
        return shown, encode_trust(replace(base.world.trust, chains=(CHAIN,)))

    harmless(f"block note {name}", of, verdict, of=lambda base: has(base, *NOTE) and witnessed(base))


def lines(change: Callable[[list[NoteSignature]], list[NoteSignature]]) -> Callable[[Base, str], str]:
    return lambda _, text: changes.lines_changed(change)(text)


STRANGER = SeedSigner.from_seed("stranger.example", bytes([99]) * 32, SignatureType.COSIGNATURE_V1).verifying_key


def by_stranger(line: NoteSignature) -> NoteSignature:
    return NoteSignature(STRANGER.name, STRANGER.key_id, line.signature)


def of_the_checkpoint(base: Base, text: str) -> str:
    """Put co-signatures of the tree head under the statement: they are of another text."""
    witnesses = {signer.verifying_key.name for signer in WITNESSES}
    theirs = tuple(line for line in parse_note(base.world.note).signatures if line.name in witnesses)
    return str(replace(parse_note(text), signatures=theirs))


note("as it is", lambda base, text: text, "intact")
note("with other line ends", lambda base, text: text.replace("\n", "\r\n"))
note("without its last newline", lambda base, text: text[:-1])
note("without a line", lines(lambda signed: []))
note("with a stranger's line besides", lines(lambda signed: [*signed, by_stranger(signed[0])]), "intact")
note("with a stranger's line alone", lines(lambda signed: [by_stranger(signed[0])]))
note("with the lines of the checkpoint's witnesses", of_the_checkpoint)


def with_two_hashes(base: Base) -> Changed:
    block = base.world.state().block()
    chain = replace(CHAIN, trusted_blocks=(block, replace(block, hash=ELSEWHERE)))
    return base.tree, encode_trust(replace(base.world.trust, chains=(chain,)))


simple("block trusted with two hashes", with_two_hashes, 4, of=anchored)

# -- header and nodes --------------------------------------------------------------------------------------------------


def root_of(base: Base, *, of_anchor: bool) -> bytes:
    """Return the root of a contract's storage in the state."""
    state = base.world.state()
    return bytes(storage_trie(state.anchor if of_anchor else state.registry).root_hash)


def without_node(base: Base, name: bytes) -> Any:
    return put(
        base.tree, ("anchor", "state"), lambda nodes: [n for n in nodes if keccak256(bytes.fromhex(n[2:])) != name]
    )


harmless(
    "storage of the anchor left out", lambda b: without_node(b, root_of(b, of_anchor=True)), "unverifiable", of=anchored
)
harmless(
    "storage of the registry left out",
    lambda b: without_node(b, root_of(b, of_anchor=False)),
    "unverifiable",
    of=anchored_case,
)
harmless("nodes twice", lambda b: put(b.tree, ("anchor", "state"), lambda nodes: nodes * 2), of=anchored)
harmless(
    "nodes of nothing", lambda b: put(b.tree, ("anchor", "state"), lambda n: [*n, "0x80", "0x", "0xc0"]), of=anchored
)
harmless("nodes in another order", lambda b: put(b.tree, ("anchor", "state"), lambda n: [*reversed(n)]), of=anchored)
harmless(
    "every node edited",
    lambda b: put(b.tree, ("anchor", "state"), lambda nodes: [f"{node}00" for node in nodes]),
    "unverifiable",
    of=anchored,
)


# -- states that are true, of contracts that hold something else -----------------------------------------------------


def restated(base: Base, change: Callable[[State], Any], number: int = NUMBER) -> tuple[Any, bytes]:
    """Return the bundle with a state of its own, which the world vouches for: contents changed, and proven."""
    state = base.world.state()
    change(state)
    changed = put(base.tree, ("anchor",), base.world.anchor(base.index, state, number))
    return changed, encode_trust(base.world.trusting(state))


def stated(
    name: str, change: Callable[[State], Any], *steps: int, number: int = NUMBER, of: Fits = anchored_case
) -> None:
    if steps:
        simple(name, lambda base: restated(base, change, number), *steps, of=of)
    else:
        harmless(name, lambda base: restated(base, change, number), of=of)


def held(slot: int, value: Callable[[int], int]) -> Callable[[State], None]:
    """One of the slots of the anchor contract holds something else."""

    def of(state: State) -> None:
        key = anchor_slots(NUMBER)[slot]
        state.anchor[key] = value(state.anchor[key])

    return of


stated("record of another number", lambda state: None, 5, number=1)
stated("record of a number above the last", lambda state: None, 5, number=3)
stated("state from before the record", lambda state: setattr(state, "number", 8), 5)
stated("record of an earlier block", held(2, lambda word: word - (1 << 64)))
stated("state of the record's own block", lambda state: setattr(state, "number", 9))


@fault("header of every hard fork")
def _fork(base: Base, chance: Any) -> Mutated | None:
    if not anchored(base):
        return None
    changed, trust = restated(base, lambda state: setattr(state, "fields", chance.choice((16, 17, 20))))
    return comes_to(changed, base.verdict, trust)


@fault("header without its last fields")
def _cut(base: Base, chance: Any) -> Mutated | None:
    if not anchored(base):
        return None
    fields = rlp.decode(base.world.state().header())[: chance.choice((0, 3, 8, 11))]
    return fails(put(base.tree, ("anchor", "header"), "0x" + rlp.encode(fields).hex()), 4)


@fault("record of a time before the entry was signed")
def _signed_later(base: Base, chance: Any) -> Mutated | None:
    """By more than the tolerance: the key signed in its future, whoever dates the block."""
    if not anchored_case(base) or base.world.log.events[base.index].envelope.key_id == clerk(POLICE).key_id:
        return None  # the clerk's key is revoked, before or after such an anchor
    signed_at = base.world.log.events[base.index].envelope.signed_at
    late = chance.choice((300, 301))
    words = anchor_slots(NUMBER)

    def change(state: State) -> None:
        for slot, time in ((words[2], signed_at - late), (words[4], signed_at - late - 12)):
            state.anchor[slot] = (state.anchor[slot] & (1 << 128) - 1) | time << 128

    changed, trust = restated(base, change)
    return fails(changed, 12, trust=trust) if late > 300 else comes_to(changed, base.verdict, trust)
