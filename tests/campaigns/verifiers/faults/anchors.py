"""Faults of the anchor as a part of the file, and of whoever vouches for its block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from ledger.core.log.notes import NoteSignature, SeedSigner, SignatureType, parse_note
from ledger.core.verification.trust import TrustedBlock, encode_trust
from tests.campaigns.verifiers import changes
from tests.campaigns.verifiers.changes import put, without
from tests.campaigns.verifiers.faults.naming import (
    Changed,
    Mutated,
    anchored,
    comes_to,
    edited,
    fails,
    fault,
    harmless,
    has,
    simple,
    witnessed,
)
from tests.campaigns.verifiers.worlds import Base
from tests.testkit.bundles import CHAIN, WITNESSES

NOTE = ("anchor", "block_note")
ELSEWHERE = "0x" + "ab" * 32

FORMS: dict[str, tuple[tuple[Any, ...], Any]] = {
    "that is a list": ((), lambda anchor: [anchor]),
    "with a number as text": (("number",), "2"),
    "with a number as a float": (("number",), 2.0),
    "with a chain id below zero": (("chain", "chain_id"), -1),
    "with a header in upper case": (("header_rlp",), lambda text: "0x" + text[2:].upper()),
    "with half a byte more in the header": (("header_rlp",), lambda text: text + "0"),
    "with a header without 0x": (("header_rlp",), lambda text: text[2:]),
    "with an empty header": (("header_rlp",), "0x"),
    "with a cut value of a slot": (("anchor", "storage_proof", 0, "value"), lambda text: text[:-2]),
    "with 17 slots": (("registry", "storage_proof"), lambda slots: (slots * 17)[:17]),
}
for _name, (_path, _value) in FORMS.items():
    edited(f"anchor {_name}", ("anchor", *_path), _value, 10, of=anchored)
for _part in ("chain", "contract", "number", "header_rlp", "anchor", "registry"):
    simple(f"anchor without {_part}", lambda base, p=_part: without(base.tree, ("anchor", p)), 10, of=anchored)
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


def believing(
    name: str, blocks: Callable[[TrustedBlock], tuple[TrustedBlock, ...]], *steps: int, alone: str = ""
) -> None:
    """Let the trust file name blocks; ``alone`` is the verdict where no witness vouches."""

    @fault(name)
    def of(base: Base, chance: Any) -> Mutated | None:
        if not anchored(base):
            return None
        chain = replace(CHAIN, trusted_blocks=blocks(base.world.state().block()))
        trust = encode_trust(replace(base.world.trust, chains=(chain,)))
        if steps:
            return fails(base.tree, *steps, trust=trust)
        counts = has(base, *NOTE) and witnessed(base)
        return comes_to(base.tree, alone if alone and not counts else base.verdict, trust)


believing("block trusted", lambda block: (block,))
believing("block of another hash trusted", lambda block: (replace(block, hash=ELSEWHERE),), 10)
believing("block trusted with two hashes", lambda block: (block, replace(block, hash=ELSEWHERE)), 10)
believing("many blocks trusted", lambda block: tuple(replace(block, number=number) for number in range(1024)))
believing("no block trusted", lambda block: (), alone="not_yet_anchored")
