"""Faults of the anchor as a part of the file, and of whoever vouches for its block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from ledger.core.log.notes import NoteSignature, SeedSigner, SignatureType, parse_note
from ledger.core.verification.trust import Trust, TrustedBlock
from tests.campaigns.verifiers import changes
from tests.campaigns.verifiers.changes import put, without
from tests.campaigns.verifiers.faults.naming import (
    Changed,
    Mutated,
    comes_to,
    fails,
    fault,
    harmless,
    has,
    of_case,
    simple,
    trusting,
)
from tests.campaigns.verifiers.worlds import Base, Tree, World
from tests.testkit.bundles import CHAIN, WITNESSES

ANCHOR = ("anchor",)
NOTE = (*ANCHOR, "block_note")
ELSEWHERE = "0x" + "ab" * 32


def formed(name: str, path: tuple[Any, ...], value: Any) -> None:
    simple(f"anchor {name}", lambda base: put(base.tree, (*ANCHOR, *path), value) if has(base, "anchor") else None, 10)


formed("null", (), None)
formed("that is a list", (), lambda anchor: [anchor])
formed("with an unknown field", ("more",), 1)
formed("without a number", ("number",), 0)
formed("with a number as text", ("number",), "2")
formed("with a number as a float", ("number",), 2.0)
formed("with a chain id below zero", ("chain", "chain_id"), -1)
formed("with a block too many", ("chain", "more"), 1)
formed("with an address in upper case", ("contract",), lambda text: "0x" + text[2:].upper())
formed("with a header in upper case", ("header_rlp",), lambda text: "0x" + text[2:].upper())
formed("with half a byte more in the header", ("header_rlp",), lambda text: text + "0")
formed("with a header without 0x", ("header_rlp",), lambda text: text[2:])
formed("with a cut value of a slot", ("anchor", "storage_proof", 0, "value"), lambda text: text[:-2])
formed("with 66 nodes", ("anchor", "account_proof"), lambda nodes: (nodes * 66)[:66])
formed("with 17 slots", ("registry", "storage_proof"), lambda slots: (slots * 17)[:17])
formed("with an empty header", ("header_rlp",), "0x")
formed("with a byte more in the header", ("header_rlp",), lambda text: text + "00")
for _part in ("chain", "contract", "number", "header_rlp", "anchor", "registry"):
    simple(
        f"anchor without {_part}",
        lambda base, p=_part: without(base.tree, (*ANCHOR, p)) if has(base, "anchor") else None,
        10,
    )
simple("anchor with a key twice", lambda base: doubled(base) if has(base, "anchor") else None, 10)


def doubled(base: Base) -> bytes:
    text = changes.written(base.tree)
    return text.replace(b'"anchor": {"', b'"anchor": {"number": 2, "', 1)


for _path, _value in {
    ("contract",): CHAIN.registry,
    ("chain", "chain_id"): 1,
    ("chain", "deployment_block_number"): 4,
    ("chain", "deployment_block_hash"): ELSEWHERE,
}.items():
    harmless(
        f"anchor with another {_path[-1]}",
        lambda base, p=_path, v=_value: put(base.tree, (*ANCHOR, *p), v) if has(base, "anchor") else None,
        "not_yet_anchored",
    )


# -- who vouches for the block -----------------------------------------------------------------------------------------


def unnamed(world: World) -> bytes:
    """Return the world's trust, which names no block."""
    return trusting(replace(world.trust, chains=(CHAIN,)))


def note(name: str, change: Callable[[Base, str], Any], verdict: str = "not_yet_anchored") -> None:
    """Give another block note, where no trust file names the block: one that does not count never fails a step."""

    def of(base: Base) -> Changed:
        if not has(base, *NOTE) or not base.world.trust.policy.asks_for_witnesses:
            return None
        changed = change(base, base.tree["anchor"]["block_note"])
        shown_tree = without(base.tree, NOTE) if changed is None else put(base.tree, NOTE, changed)
        return shown_tree, unnamed(base.world)

    harmless(f"block note {name}", of, verdict)


def restated(**terms: Any) -> Callable[[Base, str], str]:
    """Let the witnesses sign another statement."""
    return lambda base, _: base.world.block_note(base.tree["anchor"]["header_rlp"], **terms)


def lines(change: Callable[[list[NoteSignature]], list[NoteSignature]]) -> Callable[[Base, str], str]:
    return lambda _, text: changes.lines_changed(change)(text)


def spoiled(line: NoteSignature) -> NoteSignature:
    return NoteSignature(line.name, line.key_id, line.signature[:-1] + bytes([line.signature[-1] ^ 1]))


STRANGER = SeedSigner.from_seed("stranger.example", bytes([99]) * 32, SignatureType.COSIGNATURE_V1)

note("as it is", lambda base, text: text, "intact")
note("left out", lambda base, text: None)
note("empty", lambda base, text: "")
note("that is no text", lambda base, text: 7)
note("that is null", lambda base, text: {"note": None})
note("that is the checkpoint", lambda base, text: base.world.note)
note("of another ledger", restated(log_id=bytes(32)))
note("of another chain", restated(contracts=msgspec.structs.replace(CHAIN, chain_id=1)))
note("of another code", restated(contracts=msgspec.structs.replace(CHAIN, anchor_code_hash=ELSEWHERE)))
note("of another registry", restated(contracts=msgspec.structs.replace(CHAIN, registry=CHAIN.anchor)))
note("of another block", restated(block=TrustedBlock(12, ELSEWHERE)))
note("with a line more", lambda base, text: text.replace("\n\n", "\nmore\n\n", 1))
note("with other line ends", lambda base, text: text.replace("\n", "\r\n"))
note("without its last newline", lambda base, text: text[:-1])
note("without a line", lines(lambda signed: signed[:0]))
note("with a spoiled line", lines(lambda signed: [spoiled(signed[0]), *signed[1:]]))
note("with a line twice", lines(lambda signed: [*signed, signed[0]]))
note(
    "with a stranger's line besides",
    lines(lambda signed: [*signed, by_stranger(signed[0])]),
    "intact",
)
note("with a stranger's line alone", lines(lambda signed: [by_stranger(signed[0])]))


def by_stranger(line: NoteSignature) -> NoteSignature:
    return NoteSignature(STRANGER.verifying_key.name, STRANGER.verifying_key.key_id, line.signature)


@fault("block note one short of the quorum")
def _short(base: Base, chance: Any) -> Mutated | None:
    if not has(base, *NOTE) or base.world.name != "two of three":
        return None
    short = changes.lines_changed(lambda signed: signed[:1])(base.tree["anchor"]["block_note"])
    return comes_to(put(base.tree, NOTE, short), "not_yet_anchored")


@fault("block note as an extra line of the checkpoint's witnesses")
def _of_the_checkpoint(base: Base, chance: Any) -> Mutated | None:
    """Co-signatures of the tree head stand under the statement: they are of another text."""
    if not has(base, *NOTE) or not base.world.trust.policy.asks_for_witnesses:
        return None
    signed = parse_note(base.tree["anchor"]["block_note"])
    witnesses = {signer.verifying_key.name for signer in WITNESSES}
    theirs = tuple(line for line in parse_note(base.world.note).signatures if line.name in witnesses)
    shown_tree = put(base.tree, NOTE, str(replace(signed, signatures=theirs)))
    return Mutated(changes.written(shown_tree), comes_to(shown_tree, "not_yet_anchored").expected, unnamed(base.world))


def believing(
    name: str, blocks: Callable[[TrustedBlock], tuple[TrustedBlock, ...]], *steps: int, alone: str = ""
) -> None:
    """Let the trust file name blocks; ``alone`` is the verdict where no witness vouches."""

    @fault(name)
    def of(base: Base, chance: Any) -> Mutated | None:
        if not has(base, "anchor"):
            return None
        named = blocks(base.world.state().block())
        trust: Trust = replace(base.world.trust, chains=(replace(CHAIN, trusted_blocks=named),))
        counts = has(base, *NOTE) and base.world.trust.policy.asks_for_witnesses
        mutated = (
            fails(base.tree, *steps) if steps else comes_to(base.tree, alone if alone and not counts else base.verdict)
        )
        return Mutated(mutated.data, mutated.expected, trusting(trust))


believing("block trusted", lambda block: (block,))
believing(
    "block of another number trusted",
    lambda block: (replace(block, number=block.number + 1),),
    alone="not_yet_anchored",
)
believing("block of another hash trusted", lambda block: (replace(block, hash=ELSEWHERE),), 10)
believing("block trusted with two hashes", lambda block: (block, replace(block, hash=ELSEWHERE)), 10)
believing("many blocks trusted", lambda block: tuple(replace(block, number=number) for number in range(1024)))
believing("no block trusted", lambda block: (), alone="not_yet_anchored")


@fault("trust file with an empty list of blocks")
def _no_blocks(base: Base, chance: Any) -> Mutated:
    """Empty what is not signed, which it may be."""
    import json

    given = json.loads(base.world.trust_bytes)
    for chain in given["chains"]:
        chain.setdefault("trusted_blocks", [])
    return Mutated(changes.written(base.tree), comes_to(base.tree, base.verdict).expected, changes.written(given))


@fault("header of another block, which nobody vouches for")
def _forged(base: Base, chance: Any) -> Mutated | None:
    """Whoever holds a bundle builds a chain of his own: nothing of it is looked at."""
    if not has(base, "anchor") or not of_case(base):
        return None
    state = base.world.state()
    state.number = 77
    state.record(2, bytes([chance.randrange(256)]) * 32, 99, 9, 1)
    shown_tree: Tree = put(base.tree, ANCHOR, base.world.anchor(base.index, state))
    shown_tree["anchor"].pop("block_note", None)
    return comes_to(shown_tree, "not_yet_anchored")
