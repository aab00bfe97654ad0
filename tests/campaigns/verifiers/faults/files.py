"""Faults of the file: what is no bundle at all."""

from __future__ import annotations

import random

from tests.campaigns.verifiers.changes import at, paths, put, without, written
from tests.campaigns.verifiers.faults.naming import REFUSED, Expected, Mutated, comes_to, fault, refused
from tests.campaigns.verifiers.worlds import Base

refused("UTF-16", lambda base: written(base.tree).decode().encode("utf-16"))
refused("trailing NUL", lambda base: written(base.tree) + b"\0")
refused("cut at the end", lambda base: written(base.tree)[:-1])
refused("nothing", lambda base: b"")
refused("a list", lambda base: b"[" + written(base.tree) + b"]")
refused("comma before the end", lambda base: written(base.tree)[:-1] + b",}")
refused("invalid UTF-8 in the frame", lambda base: written(base.tree).replace(b"tlog-proof", b"tlog-\xc3proof", 1))
refused("unknown field __proto__", lambda base: base.tree | {"__proto__": {}})
refused("another format", lambda base: base.tree | {"format": "tallystick/bundle@v2"})
refused("key twice by an escape", lambda base: written(base.tree)[:-1] + b',"\\u0070roof":"x"}')
refused("log_id in upper case", lambda base: put(base.tree, ("log_id",), lambda text: "0x" + text[2:].upper()))
refused("log_id too short", lambda base: put(base.tree, ("log_id",), lambda text: text[:-2]))
refused("label in another alphabet", lambda base: base.tree | {"sections": {"narr\u0430tive": {}}})
refused("label person:0", lambda base: base.tree | {"sections": {"person:0": {}}})
refused("proof that is no text", lambda base: base.tree | {"proof": 7})
refused("proof with half a surrogate", lambda base: written(base.tree).replace(b"tlog-proof", b"\\ud800", 1))
refused("nested 100,000 deep", lambda base: b"[" * 100_000)
for _field in ("format", "log_id"):
    refused(f"{_field} left out", lambda base, field=_field: without(base.tree, (field,)))

EVERYWHERE = {
    "a second half of a surrogate pair": b'"a\\udfff"',
    "two halves in the wrong order": b'"\\udc00\\ud800"',
    "half a surrogate pair in a key": b'{"\\ud834": 1}',
    "an integer of -2^53": b"-9007199254740992",
    "an integer of 5,000 digits below zero": b"-" + b"9" * 5000,
}


@fault("what makes the whole file no bundle, anywhere")
def _everywhere(base: Base, chance: random.Random) -> Mutated:
    """Put it at any level, also where nobody looks."""
    places = [path for path in paths(base.tree) if isinstance(at(base.tree, path), dict)]
    path, value = chance.choice(places), chance.choice([*EVERYWHERE.values()])
    data = written(put(base.tree, path, lambda part: part | {"MARK": 0}) if path else base.tree | {"MARK": 0})
    return Mutated(data.replace(b'"MARK": 0', b'"more": ' + value, 1), Expected(REFUSED))


for _name, _value in EVERYWHERE.items():
    refused(
        f"{_name} in a timestamp that is not looked at",
        lambda base, value=_value: written(base.tree)[:-1] + b',"timestamps":[' + value + b"]}",
    )


@fault("numbers and escapes that are no such thing")
def _no_such_thing(base: Base, chance: random.Random) -> Mutated:
    """Put long fractions and exponents, within strings and not, where nobody looks."""
    value = chance.choice(
        [
            b'"\\"99999999999999999999"',
            b"0.99999999999999999999",
            b"1e-9999999999999999999",
            b"12345678901234567890.5",
            b"12345678901234567890e1",
        ]
    )
    return comes_to(written(base.tree)[:-1] + b',"timestamps":[' + value + b"]}", base.verdict)
