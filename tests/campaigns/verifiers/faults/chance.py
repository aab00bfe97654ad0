"""Mutations by chance: nothing is accepted that says something else, and both verifiers agree on all of them."""

from __future__ import annotations

import random
from typing import Any

from tests.campaigns.verifiers.changes import at, paths, put, without, written
from tests.campaigns.verifiers.faults.naming import OTHER, REFUSED, Expected, Mutated, fault
from tests.campaigns.verifiers.worlds import Base, Tree

WORSE = Expected(("tampered", REFUSED), None)
ANY = Expected((REFUSED, "tampered", "unverifiable", "not_yet_anchored", "intact"), None)
VALUES: tuple[Any, ...] = (None, True, False, 0, 1, -1, 2**53 - 1, 1.5, "", "0", "case-1", [], {}, [{}], OTHER)
CHARACTERS = ("", "0", "a", "A", " ", "\n", "é", "\0", "\u202e", "=", "\ufeff", "\x7f")
BYTES = (b"", b'"', b"{", b"}", b"[", b"null", b"0", b"-", b",", b"\\", b"\\n", b"\\u0000", b" ", b"\xff")


def judged(base: Base, path: tuple[Any, ...], changed: Tree) -> Mutated:
    """Expect worse of every change of what is signed, and shown to be looked at."""
    is_signed = path[0] in ("envelope", "payload", "log_id") and path != ("payload",)
    return Mutated(written(changed), WORSE if is_signed and changed != base.tree else ANY)


@fault("by chance: a value replaced")
def _replaced(base: Base, chance: random.Random) -> Mutated:
    path = chance.choice(list(paths(base.tree))[1:])
    return judged(base, path, put(base.tree, path, chance.choice(VALUES)))


@fault("by chance: a value of elsewhere")
def _elsewhere(base: Base, chance: random.Random) -> Mutated:
    path, donor = chance.choices(list(paths(base.tree))[1:], k=2)
    return judged(base, path, put(base.tree, path, at(base.tree, donor)))


@fault("by chance: a value left out")
def _left_out(base: Base, chance: random.Random) -> Mutated:
    path = chance.choice([path for path in paths(base.tree) if len(path) > 1])
    return judged(base, path, without(base.tree, path))


@fault("by chance: a text edited")
def _text_edited(base: Base, chance: random.Random) -> Mutated:
    path = chance.choice([path for path in paths(base.tree) if path and isinstance(at(base.tree, path), str)])
    text = at(base.tree, path)
    place = chance.randrange(len(text))
    text = text[:place] + chance.choice(CHARACTERS) + text[place + chance.randrange(2) :]
    return judged(base, path, put(base.tree, path, text))


@fault("by chance: a bit flipped")
def _bit(base: Base, chance: random.Random) -> Mutated:
    data = bytearray(written(base.tree))
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return Mutated(bytes(data), ANY)


@fault("by chance: bytes cut or put in")
def _bytes(base: Base, chance: random.Random) -> Mutated:
    data = written(base.tree)
    place = chance.randrange(len(data))
    return Mutated(data[:place] + chance.choice(BYTES) + data[place + chance.randrange(4) :], ANY)
