"""Mutations by chance: nothing is accepted that says something else, and both verifiers agree on all of them."""

from __future__ import annotations

import random
from typing import Any

from tests.campaigns.verifiers import changes
from tests.campaigns.verifiers.changes import put, without, written
from tests.campaigns.verifiers.faults.naming import OTHER, REFUSED, Expected, Mutated, fault
from tests.campaigns.verifiers.worlds import Base

WORSE = Expected(("tampered", REFUSED), None)

ANY = Expected((REFUSED, "tampered", "unverifiable", "not_yet_anchored", "intact"), None)

VALUES = (
    None,
    True,
    False,
    0,
    1,
    -1,
    2**53 - 1,
    1.5,
    "",
    "0",
    "case-1",
    [],
    {},
    [{}],
    "0x" + "00" * 32,
    OTHER,
)


@fault("by chance: a value replaced")
def _replaced(base: Base, chance: random.Random) -> Mutated:
    path = chance.choice(list(changes.paths(base.tree))[1:])
    changed = put(base.tree, path, chance.choice(VALUES))
    return Mutated(written(changed), WORSE if signed_part(path) and changed != base.tree else ANY)


@fault("by chance: a value of elsewhere")
def _elsewhere(base: Base, chance: random.Random) -> Mutated:
    places = list(changes.paths(base.tree))[1:]
    path, donor = chance.choice(places), chance.choice(places)
    changed = put(base.tree, path, changes.at(base.tree, donor))
    return Mutated(written(changed), WORSE if signed_part(path) and changed != base.tree else ANY)


@fault("by chance: a value left out")
def _left_out(base: Base, chance: random.Random) -> Mutated:
    path = chance.choice([path for path in changes.paths(base.tree) if len(path) > 1])
    return Mutated(written(without(base.tree, path)), WORSE if signed_part(path) else ANY)


@fault("by chance: a text edited")
def _text_edited(base: Base, chance: random.Random) -> Mutated:
    texts = [path for path in changes.paths(base.tree) if path and isinstance(changes.at(base.tree, path), str)]
    path = chance.choice(texts)
    text = changes.at(base.tree, path)
    at = chance.randrange(len(text))
    put_in = chance.choice(["", "0", "a", "A", " ", "\n", "é", "\0", "\u202e", "=", "\ufeff", "\x7f"])
    changed = put(base.tree, path, text[:at] + put_in + text[at + chance.randrange(2) :])
    return Mutated(written(changed), WORSE if signed_part(path) and changed != base.tree else ANY)


def signed_part(path: tuple[Any, ...]) -> bool:
    """Tell whether every change there is a change of what is signed, and shown to be looked at."""
    return path[0] in ("envelope", "payload", "log_id") and path != ("payload",)


@fault("by chance: a bit flipped")
def _bit(base: Base, chance: random.Random) -> Mutated:
    data = bytearray(written(base.tree))
    at = chance.randrange(len(data))
    data[at] ^= 1 << chance.randrange(8)
    return Mutated(bytes(data), ANY)


@fault("by chance: bytes cut or put in")
def _bytes(base: Base, chance: random.Random) -> Mutated:
    data = written(base.tree)
    at = chance.randrange(len(data))
    put_in = chance.choice(
        [b"", b'"', b"{", b"}", b"[", b"null", b"0", b"-", b",", b"\\", b"\\n", b"\\u0000", b" ", b"\xff"]
    )
    return Mutated(data[:at] + put_in + data[at + chance.randrange(4) :], ANY)
