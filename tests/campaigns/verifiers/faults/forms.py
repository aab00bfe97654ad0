"""Faults of the forms: the file, envelope, payload, sections; what is sound; mutations by chance."""

from __future__ import annotations

import json
import random
from typing import Any

from msgspec import to_builtins

from tests.campaigns.verifiers.changes import at, paths, put, with_note, without, written
from tests.campaigns.verifiers.faults.naming import (
    OTHER,
    REFUSED,
    SAID_TWICE,
    Expected,
    Mutated,
    called,
    comes_to,
    edited,
    evidence,
    fault,
    flip,
    forms,
    harmless,
    has,
    other_tree_head,
    refused,
    signed_by_stranger,
    simple,
)
from tests.campaigns.verifiers.worlds import Base, Tree
from tests.testkit.builders import COURT, clerk

# -- files -------------------------------------------------------------------------------------------------------------

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
    "an integer of 5,000 digits below zero": b"-" + b"9" * 5000,
}


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


# -- envelopes ---------------------------------------------------------------------------------------------------------

for _field, _value in {**SAID_TWICE, "event_type": "case.joined", "agency": "somewhere"}.items():
    edited(f"envelope.{_field} edited", ("envelope", _field), to_builtins(_value), 3, 4, 6)
edited("envelope.signed_at edited", ("envelope", "signed_at"), lambda at: at + 1, 3, 6)
edited("envelope.key_id edited", ("envelope", "key_id"), clerk(COURT, 9).key_id, 3, 6)
edited("signature edited", ("envelope", "signature"), lambda s: s[:9] + flip(s[9:]), 3, 6)


def cut(text: str) -> str:
    return text[:-2]


def in_capitals(text: str) -> str:
    return "0x" + text[2:].upper()


def with_newline(text: str) -> str:
    return text + "\n"


def named_sha256(digest: str) -> str:
    return digest.replace("blake3", "sha256")


ENVELOPE_FORMS: dict[str, tuple[Any, ...]] = {
    "version": (2, "1", True),
    "sequence": (1.5, -1, 2**53, 2**64),
    "payload_digest": (named_sha256, cut),
    "signature": (cut, in_capitals, ""),
    "event_id": ("01940000-0000-4000-8000-00000000ffff",),
    "agency": (with_newline, "ｐｏｌｉｃｅ"),
    "stream": ({"kind": "person", "id": "case-1"},),
    "key_id": (cut,),
    "signed_at": (None,),
}
for _named, _path, _value in forms("envelope", ENVELOPE_FORMS):
    refused(_named, lambda base, p=_path, v=_value: put(base.tree, p, v))
for _field in (*SAID_TWICE, "event_type", "agency", "version", "key_id", "signature", "signed_at"):
    refused(f"envelope without {_field}", lambda base, f=_field: without(base.tree, ("envelope", f)))

# -- payloads ----------------------------------------------------------------------------------------------------------

PAYLOAD_FORMS: dict[str, tuple[Any, ...]] = {
    "event_type": ("item.stolen", "to_string.constructor"),
    "version": (2,),
    "confidential": ({}, {"narrative": "sha256:" + "00" * 32}),
    "occurred_at": (
        *("2026-02-29T01:00:00Z", "2026-06-30T23:59:60Z", "2026-03-01T24:00:00Z", "2026-03-01T23:00:00.0Z"),
        *("2026-03-01t23:00:00z", "0999-03-01T23:00:00Z", "3000-03-01T23:00:00Z"),
    ),
    "salt": ("00" * 15,),
    "sequence": (True, -0.0, 1.0),
    "body": ([], None),
    "stream": ({"id": "case-1"},),
}
for _named, _path, _value in forms("payload", PAYLOAD_FORMS):
    edited(_named, _path, _value, 1)
for _other in ([], "text", 7):
    edited(f"payload that is {_other!r}", ("payload",), _other, 1)
for _field in ("event_id", "body", "salt", "stream", "previous", "officer"):
    simple(f"payload without {_field}", lambda base, f=_field: without(base.tree, ("payload", f)), 1)

QUANTITIES = ("1.50", "01", "1.", ".5", "-1", "1e3", "0x1", "1,5", " 1", "1\n", "१")
# The steps that fail by a text: step 1 by its form, else step 4.
TEXTS: dict[int, tuple[str, ...]] = {
    1: ("a\u202eb", "a\u200eb", "", "x" * 4001),
    4: ("\U00020000" * 4000, "a\u200db"),
}
for _step, _texts in TEXTS.items():
    for _named, _path, _value in forms("payload", {"body": _texts}):
        edited(f"{_named} as description", (*_path, "description"), _value, _step, of=called("registered"))
for _named, _path, _value in forms("payload", {"body": ("a\nb", "a\u2028b", "x" * 101)}):
    edited(f"{_named} as case number", (*_path, "case_number"), _value, 1, of=called("opened"))
for _named, _path, _value in forms("payload", {"body": QUANTITIES}):
    edited(f"{_named} as quantity", (*_path, "quantity", "value"), _value, 1, of=called("registered"))
refused(
    "half a surrogate in the payload",
    lambda base: written(put(base.tree, ("payload", "salt"), "MARK")).replace(b"MARK", b"\\ud800"),
)
simple(
    "payload of another event",
    lambda base: base.tree | {"payload": base.world.bundle(base.world.index_of(4))["payload"]},
    4,
    of=lambda base: base.name != "numbered",
)

# -- sections ----------------------------------------------------------------------------------------------------------

REGISTERED, ERASED = called("registered"), called("section erased")
NARRATIVE, ENTRY = ("sections", "narrative"), ("erased", 0, "entry")

edited("section salt edited", (*NARRATIVE, "salt"), "00" * 16, 8, of=REGISTERED)
edited("section with one field more said", (*NARRATIVE, "fields", "more"), "x", 8, of=REGISTERED)
edited("section in NFD", (*NARRATIVE, "fields", "text"), "e\u0301", 1, of=REGISTERED)
edited("section with a number", (*NARRATIVE, "fields", "text"), 7, 1, of=REGISTERED)
simple("sections swapped", lambda b: put(b.tree, NARRATIVE, b.tree["sections"]["description"]), 8, of=REGISTERED)

# A spoiled erasure is told, and the section counts as withheld.
SPOILED: dict[str, tuple[tuple[Any, ...], Any]] = {
    "by a payload of no form": (("payload",), {}),
    "signed by nobody": (("envelope", "signature"), lambda s: s[:9] + flip(s[9:])),
    "at another place": (("proof",), lambda p: p.replace("\nindex ", "\nindex 1", 1)),
    "under another tree head": (("proof",), other_tree_head),
    "with a stranger's line": (("proof",), signed_by_stranger),
}
for _name, (_path, _value) in SPOILED.items():
    harmless(f"erasure {_name}", lambda b, p=_path, v=_value: put(b.tree, (*ENTRY, *p), v), of=ERASED)
harmless("erasure by an act", lambda b: put(b.tree, ENTRY, evidence(b, b.world.index_of(4))), of=ERASED)
refused("erasure without a proof", lambda b: without(b.tree, (*ENTRY, "proof")), ERASED)
refused("erasure without a label", lambda b: without(b.tree, ("erased", 0, "label")), ERASED)


# -- sound -------------------------------------------------------------------------------------------------------------

harmless("as it is", lambda base: base.tree)
harmless("signature of a stranger on the note", lambda base: with_note(base.tree, signed_by_stranger))
harmless("timestamps where no authority is trusted", lambda base: base.tree | {"timestamps": [{"proof": 7}, None]})
for _part, _verdict in {"anchor": "not_yet_anchored", "payload": "unverifiable", "authority": "unverifiable"}.items():
    harmless(
        f"{_part} left out",
        lambda base, part=_part: without(base.tree, (part,)),
        _verdict,
        of=lambda base, part=_part: has(base, part),
    )


@fault("written otherwise: indented, escaped, in another order")
def _spelled(base: Base, chance: random.Random) -> Mutated:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            items = list(value.items())
            chance.shuffle(items)
            return {key: shuffled(inner) for key, inner in items}
        return [shuffled(inner) for inner in value] if isinstance(value, list) else value

    text = json.dumps(shuffled(base.tree), indent=chance.choice([None, 1, "\t"]), ensure_ascii=True)
    return comes_to(text.encode(), base.verdict)


# -- chance ------------------------------------------------------------------------------------------------------------

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
