"""Faults of the tree head."""

from __future__ import annotations

import random
from base64 import b64encode
from collections.abc import Callable

from ledger.core.log.merkle import EMPTY_ROOT
from ledger.core.log.notes import NoteSignature
from tests.campaigns.verifiers import changes
from tests.campaigns.verifiers.changes import lines_changed, resigned, with_note, with_proof
from tests.campaigns.verifiers.faults.naming import (
    OTHER_KEY,
    OTHER_ORIGIN,
    Mutated,
    anchored,
    fails,
    fault,
    simple,
    strangers_line,
    text_of,
)
from tests.campaigns.verifiers.worlds import Base, cosigned
from tests.testkit.bundles import LOG_SIGNER, ORIGIN, Log, tree


def note(name: str, change: Callable[[Base, str], str]) -> None:
    """Change the note, in all proofs of the bundle alike."""
    simple(name, lambda base: with_note(base.tree, lambda text: change(base, text)), 5)


def line_set(number: int, line: str) -> Callable[[str], str]:
    def of(text: str) -> str:
        parts = text.split("\n")
        parts[number] = line
        return "\n".join(parts)

    return of


EDITED: dict[str, Callable[[str], str]] = {
    "size edited": lambda t: t.replace("\n", "\n1", 1),
    "root edited": lambda t: t[:-6] + ("A" if t[-6] != "A" else "B") + t[-5:],
}
SIGNED_ANEW: dict[str, Callable[[str], str]] = {
    "tree head of another origin under our key": lambda t: t.replace(ORIGIN, "other.example"),
    "size with a zero before": lambda t: t.replace("\n", "\n0", 1),
    "size with a plus": lambda t: t.replace("\n", "\n+", 1),
    "size with an underscore": lambda t: t.replace("\n", "\n1_", 1),
    "size 2^63": line_set(1, str(2**63)),
    "size 2^64": line_set(1, str(2**64)),
    "size 0 with a root": line_set(1, "0"),
    "root of nothing with a size": line_set(2, b64encode(EMPTY_ROOT).decode()),
    "root that is cut": line_set(2, b64encode(bytes(31)).decode()),
    "root that is empty": line_set(2, ""),
    "extension line": lambda t: t + "more\n",
}
SIGNATURES: dict[str, Callable[[bytes, str], bytes]] = {
    "cut": lambda true, _: true[:63],
    "with a byte more": lambda true, _: true + b"\0",
    "with S + L": lambda true, _: changes.second_spelling(true),
    "with a part of small order": lambda _, text: changes.with_torsion(text),
    "of zeros": lambda *_: bytes(64),
    "with R of order one": lambda *_: bytes([1]) + bytes(63),
}


def log_line(base: Base, note: str, data: Callable[[bytes, str], bytes]) -> str:
    """Put these bytes in place of the log's signature."""
    signature = data(LOG_SIGNER.sign(text_of(base).encode()), text_of(base))
    return lines_changed(lambda signed: [NoteSignature(signed[0].name, signed[0].key_id, signature), *signed[1:]])(note)


for _name, _change in EDITED.items():
    note(_name, lambda base, n, change=_change: change(text_of(base)) + n[len(text_of(base)) :])
for _name, _change in SIGNED_ANEW.items():
    note(_name, lambda base, _, change=_change: resigned(base.world, change(text_of(base))))
for _name, _data in SIGNATURES.items():
    note(f"log's signature {_name}", lambda base, n, data=_data: log_line(base, n, data))
note(
    "tree head of another origin",
    lambda b, _: resigned(b.world, text_of(b).replace(ORIGIN, "other.example"), OTHER_ORIGIN),
)
note("tree head signed with another key", lambda b, _: resigned(b.world, text_of(b), OTHER_KEY))
note("no signatures", lambda _, text: lines_changed(lambda signed: [])(text))
note("log's signature left out", lambda base, _: text_of(base) + "\n" + strangers_line())


@fault("tree head of a smaller tree")
def _smaller(base: Base, chance: random.Random) -> Mutated | None:
    """Prove the entry in a tree that ends below it."""
    if base.index < 1:
        return None
    log = Log(base.world.log.events[: base.index], registry=base.world.log.registry)
    shown = with_proof(base.tree, checkpoint=cosigned(log, base.world.witnesses))
    return fails(shown, 6, *((11,) if anchored(base) else ()))


@fault("proof of another log")
def _other_log(base: Base, chance: random.Random) -> Mutated:
    """Prove the same entries in a log of another name."""
    world = base.world
    log = Log(world.log.events, log_signer=OTHER_ORIGIN, registry=world.log.registry)
    return fails(tree(log.bundle(base.index, cosigned(log, world.witnesses), anchored=False)), 5)
