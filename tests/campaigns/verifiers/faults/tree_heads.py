"""Faults of the tree head."""

from __future__ import annotations

import random
from base64 import b64encode
from collections.abc import Callable

from ledger.core.log.merkle import EMPTY_ROOT
from ledger.core.log.notes import NoteSignature
from tests.campaigns.verifiers import changes
from tests.campaigns.verifiers.changes import with_note, with_proof
from tests.campaigns.verifiers.faults.naming import (
    OTHER_KEY,
    OTHER_ORIGIN,
    Mutated,
    fails,
    fault,
    has,
    head_signed,
    simple,
    strangers_line,
    text_of,
)
from tests.campaigns.verifiers.worlds import Base, cosigned
from tests.testkit.bundles import LOG_SIGNER, ORIGIN, Log, tree


def note(name: str, change: Callable[[Base, str], str], *steps: int) -> None:
    """Change the note, in all proofs of the bundle alike."""
    simple(name, lambda base: with_note(base.tree, lambda text: change(base, text)), *steps)


def head_edited(change: Callable[[str], str]) -> Callable[[Base, str], str]:
    """Edit the tree head under its signatures."""
    return lambda base, text: change(text_of(base)) + text[len(text_of(base)) :]


def lines(change: Callable[[list[NoteSignature]], list[NoteSignature]]) -> Callable[[Base, str], str]:
    return lambda base, text: changes.lines_changed(change)(text)


def log_line(data: Callable[[Base], bytes]) -> Callable[[Base, str], str]:
    """Put these bytes in place of the log's signature."""
    return lambda base, text: changes.lines_changed(
        lambda signed: [NoteSignature(signed[0].name, signed[0].key_id, data(base)), *signed[1:]]
    )(text)


def true_signature(base: Base) -> bytes:
    return LOG_SIGNER.sign(text_of(base).encode())


def only_stranger(base: Base, text: str) -> str:
    return text_of(base) + "\n" + strangers_line()


note(
    "tree head of another origin",
    lambda b, n: changes.resigned(b.world, text_of(b).replace(ORIGIN, "other.example"), OTHER_ORIGIN),
    5,
)

note("tree head of another origin under our key", head_signed(lambda t: t.replace(ORIGIN, "other.example")), 5)

note("tree head signed with another key", lambda b, n: changes.resigned(b.world, text_of(b), OTHER_KEY), 5)

note("size edited", head_edited(lambda t: t.replace("\n", "\n1", 1)), 5)

note("root edited", head_edited(lambda t: t[:-6] + ("A" if t[-6] != "A" else "B") + t[-5:]), 5)

note("size with a zero before", head_signed(lambda t: t.replace("\n", "\n0", 1)), 5)

note("size with a plus", head_signed(lambda t: t.replace("\n", "\n+", 1)), 5)

note("size with an underscore", head_signed(lambda t: t.replace("\n", "\n1_", 1)), 5)

note("size 2^63", head_signed(lambda t: line_set(t, 1, str(2**63))), 5)

note("size 2^64", head_signed(lambda t: line_set(t, 1, str(2**64))), 5)

note("size 0 with a root", head_signed(lambda t: line_set(t, 1, "0")), 5)

note("root of nothing with a size", head_signed(lambda t: line_set(t, 2, b64encode(EMPTY_ROOT).decode())), 5)

note("root that is cut", head_signed(lambda t: line_set(t, 2, b64encode(bytes(31)).decode())), 5)

note("root that is empty", head_signed(lambda t: line_set(t, 2, "")), 5)

note("extension line", head_signed(lambda t: t + "more\n"), 5)

note("no signatures", lines(lambda signed: [*signed, *signed][:0]), 5)

note("log's signature left out", only_stranger, 5)

note("log signs twice", lines(lambda signed: [signed[0], *signed]), 5)

note("log's signature cut", log_line(lambda base: true_signature(base)[:63]), 5)

note("log's signature with a byte more", log_line(lambda base: true_signature(base) + b"\0"), 5)

note("log's signature with S + L", log_line(lambda base: changes.second_spelling(true_signature(base))), 5)

note("log's signature with a part of small order", log_line(lambda base: changes.with_torsion(text_of(base))), 5)

note("log's signature of zeros", log_line(lambda base: bytes(64)), 5)

note("log's signature with R of order one", log_line(lambda base: bytes([1]) + bytes(63)), 5)


def line_set(text: str, number: int, line: str) -> str:
    parts = text.split("\n")
    parts[number] = line
    return "\n".join(parts)


@fault("tree head of a smaller tree")
def _smaller(base: Base, chance: random.Random) -> Mutated | None:
    """Prove the entry in a tree that ends below it."""
    if base.index < 1:
        return None
    log = Log(base.world.log.events[: base.index], registry=base.world.log.registry)
    shown = with_proof(base.tree, checkpoint=cosigned(log, base.world.witnesses))
    return fails(shown, 6, *((11,) if has(base, "anchor") else ()))


@fault("proof of another log")
def _other_log(base: Base, chance: random.Random) -> Mutated:
    """Prove the same entries in a log of another name."""
    world = base.world
    log = Log(world.log.events, log_signer=OTHER_ORIGIN, registry=world.log.registry)
    return fails(tree(log.bundle(base.index, cosigned(log, world.witnesses), anchored=False)), 5)
