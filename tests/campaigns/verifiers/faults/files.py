"""Faults of the file: what is no bundle at all."""

from __future__ import annotations

import random

from tests.campaigns.verifiers.changes import at, paths, put, without, written
from tests.campaigns.verifiers.faults.naming import Mutated, comes_to, fault, is_refused, refused
from tests.campaigns.verifiers.worlds import Base

refused("byte order mark", lambda base: b"\xef\xbb\xbf" + written(base.tree))

refused("UTF-16", lambda base: written(base.tree).decode().encode("utf-16"))

refused("trailing bytes", lambda base: written(base.tree) + b"{}")

refused("trailing NUL", lambda base: written(base.tree) + b"\0")

refused("cut at the end", lambda base: written(base.tree)[:-1])

refused("nothing", lambda base: b"")

refused("a list", lambda base: written([base.tree]))  # type: ignore[arg-type]

refused("a comment", lambda base: written(base.tree) + b"//")

refused("comma before the end", lambda base: written(base.tree)[:-1] + b",}")

refused("invalid UTF-8 in the frame", lambda base: written(base.tree).replace(b"tlog-proof", b"tlog-\xc3proof", 1))

refused("unknown field", lambda base: base.tree | {"more": 1})

refused("unknown field __proto__", lambda base: base.tree | {"__proto__": {}})

refused("another format", lambda base: base.tree | {"format": "tallystick/bundle@v2"})

refused("key twice in the frame", lambda base: written(base.tree)[:-1] + b',"proof":"x"}')

refused("key twice by an escape", lambda base: written(base.tree)[:-1] + b',"\\u0070roof":"x"}')

refused("log_id in upper case", lambda base: put(base.tree, ("log_id",), lambda text: "0x" + text[2:].upper()))

refused("log_id too short", lambda base: put(base.tree, ("log_id",), lambda text: text[:-2]))

refused("sections that are null", lambda base: base.tree | {"sections": None})

refused("erased that is null", lambda base: base.tree | {"erased": None})

refused("label in another alphabet", lambda base: base.tree | {"sections": {"narr\u0430tive": {}}})

refused("label person:0", lambda base: base.tree | {"sections": {"person:0": {}}})

refused("proof that is no text", lambda base: base.tree | {"proof": 7})

refused("proof with half a surrogate", lambda base: written(base.tree).replace(b"tlog-proof", b"\\ud800", 1))

refused("nested 40 deep", lambda base: written(base.tree)[:-1] + b',"payload":' + b"[" * 40 + b"]" * 40 + b"}")

refused("nested 100,000 deep", lambda base: b"[" * 100_000)

for _field in ("format", "log_id", "envelope", "proof"):
    refused(f"{_field} left out", lambda base, field=_field: without(base.tree, (field,)))


def everywhere(name: str, value: bytes) -> None:
    """Put what makes the whole file no bundle anywhere: at any level, also where nobody looks."""

    @fault(f"{name} anywhere")
    def of(base: Base, chance: random.Random) -> Mutated:
        places = [path for path in paths(base.tree) if isinstance(at(base.tree, path), dict)]
        path = chance.choice(places)
        data = written(put(base.tree, path, lambda part: part | {"MARK": 0}) if path else base.tree | {"MARK": 0})
        return is_refused(data.replace(b'"MARK": 0', b'"more": ' + value, 1))

    refused(
        f"{name} in a timestamp that is not looked at",
        lambda base: written(base.tree)[:-1] + b',"timestamps":[' + value + b"]}",
    )


everywhere("an escaped half of a surrogate pair", b'"\\ud800"')
everywhere("a second half of a surrogate pair", b'"a\\udfff"')
everywhere("two halves in the wrong order", b'"\\udc00\\ud800"')
everywhere("half a surrogate pair in UTF-8", b'"\xed\xa0\x80"')
everywhere("half a surrogate pair in a key", b'{"\\ud834": 1}')
everywhere("an integer of 2^53", b"9007199254740992")
everywhere("an integer of -2^53", b"-9007199254740992")
everywhere("an integer of 5,000 digits", b"9" * 5000)
everywhere("an integer of 5,000 digits below zero", b"-" + b"9" * 5000)


@fault("numbers and escapes that are no such thing")
def _no_such_thing(base: Base, chance: random.Random) -> Mutated:
    """Put the largest integers, long fractions and pairs, within strings and not, where nobody looks."""
    value = chance.choice(
        [
            b"9007199254740991",
            b"-9007199254740991",
            b'"\\ud834\\udd1e"',
            b'"\\\\ud800"',
            b'"99999999999999999999"',
            b'"\\"99999999999999999999"',
            b"0.99999999999999999999",
            b"1e-9999999999999999999",
            b"12345678901234567890.5",
            b"12345678901234567890e1",
        ]
    )
    return comes_to(written(base.tree)[:-1] + b',"timestamps":[' + value + b"]}", base.verdict)
