"""Faults of the inclusion proof, the tree head, its co-signatures and their quorum."""

from __future__ import annotations

import random
from base64 import b64encode
from collections.abc import Callable
from typing import Any

from ledger.core.log.checkpoints import Checkpoint
from ledger.core.log.merkle import Hash, leaf_hash, node_hash, path_nodes
from ledger.core.log.notes import NoteSignature, SeedSigner, SignatureType
from ledger.core.verification.bundle import node_name
from tests.campaigns.verifiers import changes
from tests.campaigns.verifiers.changes import lines_changed, put, resigned, with_note, without
from tests.campaigns.verifiers.faults.naming import (
    OTHER_KEY,
    OTHER_ORIGIN,
    Mutated,
    anchored,
    comes_to,
    fails,
    fault,
    harmless,
    original,
    refused,
    simple,
    strangers_line,
    text_of,
)
from tests.campaigns.verifiers.worlds import Base, Tree, cosigned
from tests.testkit.builders import START
from tests.testkit.bundles import ORIGIN, WITNESSES, Log, tree

# -- nodes of the tree -------------------------------------------------------------------------------------------------


def sibling(base: Base) -> str:
    """Return the name of the lowest node that leads from the entry to the root."""
    return node_name(*next(path_nodes(base.index, changes.head_of(base.world).size)))


def moved(base: Base, index: int) -> Tree:
    """Return the bundle with its entry at another index, alone."""
    entry = base.tree["entries"][base.place_of(base.index)] | {"index": index}
    return base.tree | {"event": index, "entries": [entry]}


simple("node edited", lambda b: put(b.tree, ("nodes", sibling(b)), "A" * 43 + "="), 8)
# The only node is left out with the field: none is no value of it.
harmless("node left out", lambda b: without(b.tree, ("nodes", sibling(b))[: len(b.tree["nodes"])]), "unverifiable")
harmless("nodes that lead nowhere", lambda b: put(b.tree, ("nodes", "40/7"), "A" * 43 + "="))
harmless("no node", lambda b: without(b.tree, ("nodes",)), "unverifiable")
simple("index at the size", lambda b: moved(b, changes.head_of(b.world).size), 8)
simple("index 2^53 - 1", lambda b: moved(b, 2**53 - 1), 8)
NODE_FORMS: dict[str, tuple[str, Any]] = {
    "of a level with a zero before": ("01/0", "A" * 43 + "="),
    "of an index with a plus": ("1/+1", "A" * 43 + "="),
    "without an index": ("1/", "A" * 43 + "="),
    "in base64 for URLs": ("40/7", "-" * 43 + "="),
    "that is a number": ("40/7", 7),
}
for _name, (_node, _hash) in NODE_FORMS.items():
    refused(f"node {_name}", lambda base, n=_node, v=_hash: put(base.tree, ("nodes", n), v))
for _index in (2**53, 1.5):
    refused(f"index {_index!r}", lambda base, v=_index: put(base.tree, base.place("index"), v))


@fault("duplicated last leaf")
def _duplicated_leaf(base: Base, chance: random.Random) -> Mutated:
    """Make a root that pairs the last of three leaves with itself, as another ledger's trees do."""
    leaf, unrelated = leaf_hash(original(base).entry), Hash(bytes(32))
    pair = node_hash(unrelated, unrelated)
    note = changes.resigned(base.world, Checkpoint(ORIGIN, 3, node_hash(pair, node_hash(leaf, leaf))).text())
    nodes = {"0/3": b64encode(leaf).decode(), "1/0": b64encode(pair).decode()}
    shown = moved(base, 2) | {"note": note, "nodes": nodes}
    return fails(shown, 8, *((5,) if anchored(base) else ()))


# -- tree heads --------------------------------------------------------------------------------------------------------


def note(name: str, change: Callable[[Base, str], str]) -> None:
    """Change the note, in all proofs of the bundle alike."""
    simple(name, lambda base: with_note(base.tree, lambda text: change(base, text)), 2)


def line_set(number: int, line: str) -> Callable[[str], str]:
    def of(text: str) -> str:
        parts = text.split("\n")
        parts[number] = line
        return "\n".join(parts)

    return of


SIGNED_ANEW: dict[str, Callable[[str], str]] = {
    "size with an underscore": lambda t: t.replace("\n", "\n1_", 1),
    "size 2^64": line_set(1, str(2**64)),
    "root that is empty": line_set(2, ""),
}


def zeros_for_the_logs(lines: list[NoteSignature]) -> list[NoteSignature]:
    return [NoteSignature(lines[0].name, lines[0].key_id, bytes(64)), *lines[1:]]


for _name, _change in SIGNED_ANEW.items():
    note(_name, lambda base, _, change=_change: resigned(base.world, change(text_of(base))))
note("log's signature of zeros", lambda _, text: lines_changed(zeros_for_the_logs)(text))
UNSIGNED: dict[str, Callable[[Base, str], str]] = {
    "tree head of another origin": lambda b, _: resigned(
        b.world, text_of(b).replace(ORIGIN, "other.example"), OTHER_ORIGIN
    ),
    "tree head signed with another key": lambda b, _: resigned(b.world, text_of(b), OTHER_KEY),
    "log's signature left out": lambda b, _: text_of(b) + "\n" + strangers_line(),
}
for _name, _change in UNSIGNED.items():
    harmless(
        _name,
        lambda base, change=_change: with_note(base.tree, lambda text: change(base, text)),
        "unverifiable",
    )
note("size edited", lambda _, text: text.replace("\n", "\n1", 1))
note("no signatures", lambda _, text: lines_changed(lambda signed: [])(text))


@fault("tree head of a smaller tree")
def _smaller(base: Base, chance: random.Random) -> Mutated | None:
    """Prove the entry in a tree that ends below it."""
    if base.index < 1:
        return None
    log = Log(base.world.log.events[: base.index], registry=base.world.log.registry)
    shown = base.tree | {"note": cosigned(log, base.world.witnesses)}
    return fails(shown, 8, *((5,) if anchored(base) else ()))


@fault("proof of another log")
def _other_log(base: Base, chance: random.Random) -> Mutated:
    """Prove the same entries in a log of another name."""
    world = base.world
    log = Log(world.log.events, log_signer=OTHER_ORIGIN, registry=world.log.registry)
    return comes_to(tree(log.bundle(base.index, cosigned(log, world.witnesses), anchored=False)), "unverifiable")


# -- witnesses ---------------------------------------------------------------------------------------------------------

COSIGNED = "cosignature/v1\ntime {}\n{}"
NOT_SEEN = Checkpoint(ORIGIN, 3, Hash(bytes([7]) * 32)).text()


def last_line(name: str, change: Callable[[Base, bytes, SeedSigner], bytes]) -> None:
    """Change what the last witness signed, where there is any: time and signature."""

    def of(base: Base, signed: list[NoteSignature]) -> list[NoteSignature]:
        *others, last = signed
        signer = next(signer for signer in WITNESSES if signer.verifying_key.name == last.name)
        return [*others, NoteSignature(last.name, last.key_id, change(base, last.signature, signer))]

    simple(
        f"co-signature {name}",
        lambda base: with_note(base.tree, changes.lines_changed(lambda signed: of(base, signed))),
        3,
        of=lambda base: base.world.witnesses,
    )


def at(time: int, signer: SeedSigner, message: str) -> bytes:
    return time.to_bytes(8, "big") + signer.sign(message.encode())


last_line("at another time", lambda b, s, _: bytes(7) + b"\1" + s[8:])
last_line("at 2^63", lambda b, _, signer: at(2**63, signer, COSIGNED.format(2**63, text_of(b))))
last_line("cut", lambda b, s, _: s[:-1])
last_line("of another tree", lambda b, _, signer: at(START, signer, COSIGNED.format(START, NOT_SEEN)))
last_line("that is a plain signature", lambda b, _, signer: at(START, signer, text_of(b)))


def strangers_key(signed: list[NoteSignature]) -> list[NoteSignature]:
    """Let a stranger sign by a known witness's name and another key, which counts for nothing."""
    name = signed[1].name
    key = SeedSigner.from_seed(name, bytes([99]) * 32, SignatureType.COSIGNATURE_V1).verifying_key
    return [signed[0], NoteSignature(name, key.key_id, signed[1].signature), *signed[2:]]


harmless(
    "quorum reached by an unknown witness",
    lambda base: with_note(base.tree, lines_changed(strangers_key)),
    "unverifiable",
    of=lambda base: base.world.trust.policy.asks_for_witnesses and base.world.name != "all and any",
)
