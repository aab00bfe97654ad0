"""Faults of the forms: the file, envelope, payload, sections; what is sound; mutations by chance."""

from __future__ import annotations

import json
import random
from typing import Any

from tests.campaigns.verifiers.changes import at, paths, put, with_note, without, written
from tests.campaigns.verifiers.faults.naming import (
    OTHER,
    REFUSED,
    Expected,
    Mutated,
    called,
    comes_to,
    edited,
    evidence,
    fault,
    flip,
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


# -- envelopes ---------------------------------------------------------------------------------------------------------

ENVELOPE: dict[str, Any] = {
    "event_id": "01940000-0000-7000-8000-00000000ffff",
    "event_type": "case.joined",
    "stream": {"kind": "case", "id": "case-77"},
    "sequence": 8,
    "previous": OTHER,
    "agency": "somewhere",
    "payload_digest": OTHER,
}
for _field, _value in ENVELOPE.items():
    edited(f"envelope.{_field} edited", ("envelope", _field), _value, 3, 4, 6)
edited("envelope.signed_at edited", ("envelope", "signed_at"), lambda at: at + 1, 3, 6)
edited("envelope.key_id edited", ("envelope", "key_id"), clerk(COURT, 9).key_id, 3, 6)
edited("signature edited", ("envelope", "signature"), lambda s: s[:9] + flip(s[9:]), 3, 6)

ENVELOPE_FORMS: dict[str, tuple[str, Any]] = {
    "version 2": ("version", 2),
    "version as text": ("version", "1"),
    "version true": ("version", True),
    "sequence as a float": ("sequence", 1.5),
    "sequence below zero": ("sequence", -1),
    "sequence 2^53": ("sequence", 2**53),
    "sequence 2^64": ("sequence", 2**64),
    "digest labelled SHA-256": ("payload_digest", lambda d: d.replace("blake3", "sha256")),
    "digest cut": ("payload_digest", lambda d: d[:-2]),
    "signature of 64 bytes": ("signature", lambda s: s[:-2]),
    "signature in upper case": ("signature", lambda s: "0x" + s[2:].upper()),
    "signature empty": ("signature", ""),
    "event_id of version 4": ("event_id", "01940000-0000-4000-8000-00000000ffff"),
    "agency with a final newline": ("agency", lambda a: a + "\n"),
    "agency in full width": ("agency", "ｐｏｌｉｃｅ"),
    "stream kind unknown": ("stream", {"kind": "person", "id": "case-1"}),
    "key_id cut": ("key_id", lambda k: k[:-1]),
    "signed_at null": ("signed_at", None),
}
for _name, (_field, _value) in ENVELOPE_FORMS.items():
    refused(f"envelope with {_name}", lambda base, f=_field, v=_value: put(base.tree, ("envelope", f), v))
for _field in (*ENVELOPE, "version", "key_id", "signature", "signed_at"):
    refused(f"envelope without {_field}", lambda base, f=_field: without(base.tree, ("envelope", f)))


# -- payloads ----------------------------------------------------------------------------------------------------------

PAYLOAD: dict[str, Any] = {
    "event_id": "01940000-0000-7000-8000-00000000ffff",
    "stream": {"kind": "case", "id": "case-77"},
    "sequence": 8,
    "previous": OTHER,
    "agency": "somewhere",
    "officer": "somebody-else",
    "occurred_at": "2026-03-02T01:00:59Z",
    "salt": "00" * 16,
    "authority": {"authorization_type": "warrant", "authorization_identifier": "1"},
    "confidential": {"narrative": OTHER},
}
for _field, _value in PAYLOAD.items():
    edited(f"payload.{_field} edited", ("payload", _field), _value, 4)

PAYLOAD_FORMS: dict[str, tuple[str, Any]] = {
    "type that does not exist": ("event_type", "item.stolen"),
    "type named toString": ("event_type", "to_string.constructor"),
    "version 2": ("version", 2),
    "confidential empty": ("confidential", {}),
    "confidential with SHA-256": ("confidential", {"narrative": "sha256:" + "00" * 32}),
    "date that is none": ("occurred_at", "2026-02-29T01:00:00Z"),
    "leap second": ("occurred_at", "2026-06-30T23:59:60Z"),
    "hour 24": ("occurred_at", "2026-03-01T24:00:00Z"),
    "time with fraction": ("occurred_at", "2026-03-01T23:00:00.0Z"),
    "time in lower case": ("occurred_at", "2026-03-01t23:00:00z"),
    "year 999": ("occurred_at", "0999-03-01T23:00:00Z"),
    "year 3000": ("occurred_at", "3000-03-01T23:00:00Z"),
    "salt of 15 bytes": ("salt", "00" * 15),
    "sequence true": ("sequence", True),
    "sequence -0": ("sequence", -0.0),
    "sequence 1.0": ("sequence", 1.0),
    "body a list": ("body", []),
    "body null": ("body", None),
    "stream without kind": ("stream", {"id": "case-1"}),
}
for _name, (_field, _value) in PAYLOAD_FORMS.items():
    edited(f"payload with {_name}", ("payload", _field), _value, 1)
for _name, _value in {"a list": [], "text": "text", "a number": 7}.items():
    edited(f"payload that is {_name}", ("payload",), _value, 1)
for _field in ("event_id", "body", "salt", "stream", "previous", "officer"):
    simple(f"payload without {_field}", lambda base, f=_field: without(base.tree, ("payload", f)), 1)

TEXTS = {
    "with a bidirectional override": ("a\u202eb", 1),
    "with a left-to-right mark": ("a\u200eb", 1),
    "empty": ("", 1),
    "of 4001 characters": ("x" * 4001, 1),
    "of 4000 characters outside the plane": ("\U00020000" * 4000, 4),
    "with a joiner": ("a\u200db", 4),
}
for _name, (_text, _step) in TEXTS.items():
    edited(f"description {_name}", ("payload", "body", "description"), _text, _step, of=called("registered"))
for _name, _text in {"with a newline": "a\nb", "with a line separator": "a\u2028b", "of 101": "x" * 101}.items():
    edited(f"case number {_name}", ("payload", "body", "case_number"), _text, 1, of=called("opened"))
for _text in ("1.50", "01", "1.", ".5", "-1", "1e3", "0x1", "1,5", " 1", "1\n", "१"):
    edited(f"quantity {_text!r}", ("payload", "body", "quantity", "value"), _text, 1, of=called("registered"))

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
