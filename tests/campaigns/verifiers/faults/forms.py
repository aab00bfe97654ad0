"""Faults of the forms: the file, envelope, payload, sections; what is sound; mutations by chance."""

from __future__ import annotations

import json
import random
from typing import Any

from msgspec import to_builtins

from tests.campaigns.verifiers.changes import at, paths, put, with_note, without
from tests.campaigns.verifiers.faults.naming import (
    OTHER,
    OTHERWISE,
    REFUSED,
    Expected,
    Mutated,
    called,
    edited,
    fault,
    flip,
    forms,
    harmless,
    has,
    later,
    refused,
    signed_by_stranger,
    simple,
)
from tests.campaigns.verifiers.worlds import Base, Tree
from tests.testkit.builders import COURT, clerk
from tests.testkit.changed_bundles import written

# -- files -------------------------------------------------------------------------------------------------------------

refused("UTF-16", lambda base: written(base.tree).decode().encode("utf-16"))
refused("trailing NUL", lambda base: written(base.tree) + b"\0")
refused("cut at the end", lambda base: written(base.tree)[:-1])
refused("nothing", lambda base: b"")
refused("a list", lambda base: b"[" + written(base.tree) + b"]")
refused("comma before the end", lambda base: written(base.tree)[:-1] + b",}")
refused("invalid UTF-8 in the frame", lambda base: written(base.tree).replace(b"tallystick", b"tally\xc3stick", 1))
refused("unknown field __proto__", lambda base: base.tree | {"__proto__": {}})
refused("another format", lambda base: base.tree | {"format": "tallystick/bundle@v2"})
refused("key twice by an escape", lambda base: written(base.tree)[:-1] + b',"\\u006eote":"x"}')
refused(
    "label with a letter of Cyrillic",
    lambda base: put(base.tree, base.place("sections"), {"narr\u0430tive": {}}),
    called("registered"),
)
refused("note that is no text", lambda base: base.tree | {"note": 7})
refused("nested 100,000 deep", lambda base: b"[" * 100_000)
refused("indented", lambda base: json.dumps(base.tree, indent=1).encode())
refused(
    "entries in another order",
    lambda base: put(base.tree, ("entries",), lambda entries: [*reversed(entries)]),
    lambda base: len(base.tree["entries"]) > 1,
)
refused("an entry twice", lambda base: put(base.tree, ("entries",), lambda entries: [*entries, entries[-1]]))

# -- envelopes ---------------------------------------------------------------------------------------------------------

for _field, _value in {**OTHERWISE, "agency": "somewhere"}.items():
    edited(f"envelope.{_field} edited", ("envelope", _field), to_builtins(_value), 6, 8, of=later)
edited("envelope.payload_digest edited", ("envelope", "payload_digest"), OTHER, 6, 7, 8)
edited("envelope.signed_at edited", ("envelope", "signed_at"), lambda at: at + 1, 6, 8)
edited("envelope.key_id edited", ("envelope", "key_id"), clerk(COURT, 9).key_id, 6, 8)
edited("envelope.suite edited", ("envelope", "suite"), 2, 8)
edited("signature cut", ("envelope", "signature"), lambda s: s[:-2], 6, 8)
edited("signature edited", ("envelope", "signature"), lambda s: s[:9] + flip(s[9:]), 6, 8)


def with_newline(text: str) -> str:
    return text + "\n"


ENVELOPE_FORMS: dict[str, tuple[Any, ...]] = {
    "suite": (True,),
    "event_type": ("item",),
    "sequence": (1.5, 2**64, True, -0.0),
    "previous": ("sha256:" + "7E" * 32,),
    "signature": ("",),
    "agency": (with_newline, "ｐｏｌｉｃｅ"),
    "signed_at": (None,),
}
for _named, _path, _value in forms("envelope", ENVELOPE_FORMS):
    refused(_named, lambda base, p=_path, v=_value: put(base.tree, base.place(*p), v))
for _field in (*OTHERWISE, "payload_digest", "agency", "suite", "key_id", "signature", "signed_at"):
    refused(f"envelope without {_field}", lambda base, f=_field: without(base.tree, base.place("envelope", f)))

# -- payloads ----------------------------------------------------------------------------------------------------------

PAYLOAD_FORMS: dict[str, tuple[Any, ...]] = {
    "authority": ({"authorization_type": "order"},),
    "confidential": ({}, {"narrative": "sha256:" + "00" * 32}),
    "occurred_at": ("2026-03-01t23:00:00z",),
    "body": (None,),
}
for _named, _path, _value in forms("payload", PAYLOAD_FORMS):
    refused(_named, lambda base, p=_path, v=_value: put(base.tree, base.place(*p), v))
for _other in ([], "text", 7):
    refused(f"payload that is {_other!r}", lambda base, v=_other: put(base.tree, base.place("payload"), v))
for _field in ("body", "salt", "occurred_at", "officer"):
    refused(f"payload without {_field}", lambda base, f=_field: without(base.tree, base.place("payload", f)))

DESCRIPTION = ("payload", "body", "description")
# The form that an event type gives its body is no matter of integrity: this is another payload than was signed.
for _text in ("\U00020000" * 4001, "a\u200db", "e\u0301", "", None, True, [], {"a": {}}):
    edited(f"{str(_text)[:9]!r} as description", DESCRIPTION, _text, 7, of=called("registered"))
simple(
    "payload of another event",
    lambda base: put(
        base.tree, base.place("payload"), json.loads(base.world.log.events[base.world.index_of(4)].payload_bytes)
    ),
    7,
    of=lambda base: base.name != "numbered",
)

# -- sections ----------------------------------------------------------------------------------------------------------

REGISTERED, ERASED = called("registered"), called("section erased")
NARRATIVE = ("sections", "narrative")

edited("section with one field more said", (*NARRATIVE, "fields", "more"), "x", 9, of=REGISTERED)
refused("section with a number", lambda base: put(base.tree, base.place(*NARRATIVE, "fields", "text"), 7), REGISTERED)
simple(
    "sections swapped",
    lambda b: put(b.tree, b.place(*NARRATIVE), at(b.tree, b.place("sections", "description"))),
    9,
    of=REGISTERED,
)

# An erasure that does not hold counts as left out: the section is withheld.
SPOILED: dict[str, tuple[tuple[Any, ...], Any]] = {
    "of another payload": (("payload", "salt"), "00" * 16),
    "signed by nobody": (("envelope", "signature"), lambda s: s[:9] + flip(s[9:])),
}
for _name, (_path, _value) in SPOILED.items():
    harmless(
        f"erasure {_name}",
        lambda b, p=_path, v=_value: put(b.tree, ("entries", b.place_of(b.world.erasure), *p), v),
        of=ERASED,
    )
harmless("erasure left out", lambda b: b.without(b.world.erasure), of=ERASED)


# -- sound -------------------------------------------------------------------------------------------------------------

harmless("as it is", lambda base: base.tree)
harmless("signature of a stranger on the note", lambda base: with_note(base.tree, signed_by_stranger))
refused("timestamps of no form", lambda base: base.tree | {"timestamps": [{"proof": 7}]})
STAMP = {"size": 1, "root": "A" * 43 + "=", "response": "AAAA"}
harmless("a timestamp where no authority is trusted", lambda base: base.tree | {"timestamps": [STAMP]})
harmless(
    "anchor left out", lambda base: without(base.tree, ("anchor",)), "not_yet_anchored", of=lambda b: has(b, "anchor")
)
harmless(
    "payload left out",
    lambda base: without(base.tree, base.place("payload")),
    "unverifiable",
    of=lambda base: not has(base, "sections"),
)
refused(
    "payload left out, its sections not",
    lambda base: without(base.tree, base.place("payload")),
    lambda base: has(base, "sections"),
)
harmless(
    "all else left out",
    lambda base: base.tree | {"entries": [base.tree["entries"][base.place_of(base.index)]]},
    "unverifiable",
    of=lambda base: len(base.tree["entries"]) > 1 and base.name != "section erased",
)

# -- chance ------------------------------------------------------------------------------------------------------------

WORSE = Expected(("tampered", REFUSED), None)
ANY = Expected((REFUSED, "tampered", "other_ledger", "unverifiable", "not_yet_anchored", "intact"), None)
VALUES: tuple[Any, ...] = (None, True, False, 0, 1, -1, 2**53 - 1, 1.5, "", "0", "case-1", [], {}, [{}], OTHER)
CHARACTERS = ("", "0", "a", "A", " ", "\n", "é", "\0", "\u202e", "=", "\ufeff", "\x7f")
BYTES = (b"", b'"', b"{", b"}", b"[", b"null", b"0", b"-", b",", b"\\", b"\\n", b"\\u0000", b" ", b"\xff")


def judged(base: Base, path: tuple[Any, ...], changed: Tree) -> Mutated:
    """Expect worse of every change of what is signed, and shown to be looked at."""
    signed = [base.place("envelope"), base.place("payload")]
    is_signed = path == ("log_id",) or any(
        path[:3] == part and (len(path) > 3 or part[-1] == "envelope") for part in signed
    )
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
