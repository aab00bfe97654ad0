"""Faults of form, each of which makes a file no bundle or no trust file, and values that just have their form."""

from __future__ import annotations

from typing import Any

from scripts.docs.vector import (
    Edit,
    Fails,
    Vector,
    at,
    copied,
    distrusted,
    failing,
    on_page,
    put,
    refused,
    untrusted,
    without,
)

UNFIT_SUITES = {"none": [], "not in order": [2, 1], "twice the same": [1, 1], "beyond a byte": [256]}
GRANT, SHOWN = "/entries/1", "/entries/2"  # in bundle.json
HALF = "\ud800"
BEYOND = 2**53
# Objects of bundle.json in which no field may stand that is not listed.
LEVELS = (
    "",
    SHOWN,
    f"{SHOWN}/envelope",
    f"{SHOWN}/envelope/stream",
    f"{SHOWN}/payload",
    f"{SHOWN}/payload/authority",
    f"{SHOWN}/sections/narrative",
    "/anchor",
    "/anchor/chain",
)
NULLS = ("/event", "/note", "/nodes", "/anchor", "/timestamps", SHOWN, f"{SHOWN}/payload", f"{SHOWN}/sections")
NEEDED = ("/format", "/log_id", "/note", "/entries", f"{SHOWN}/index", f"{SHOWN}/envelope")


def form_vectors(files: dict[str, bytes]) -> list[Vector]:
    """Return faults of form: each makes the file no bundle, wherever it stands. ``files`` are published."""
    data = files["bundle.json"]
    of_bundles = [
        refused("an entry that is not the event's", put("/event", 3)),
        refused("two entries of one index", copied(SHOWN, SHOWN)),
        refused("a node by another name", put("/nodes/00~10", "A" * 43 + "=")),
        refused("a node of 31 bytes", put("/nodes/0~10", "A" * 42 + "==")),
        refused("a node of a level of three digits", put("/nodes/100~10", "A" * 43 + "=")),
        refused("an older format", put("/format", "tallystick/bundle@v0")),
        untrusted("no anchor", without("/anchor")),
        *_limits(data),
    ]
    of_trust_files = [
        distrusted("a field that is not listed: trust file", trust=put("/remark", "x")),
        *(distrusted(f"suites that are {name}", trust=put("/suites", suites)) for name, suites in UNFIT_SUITES.items()),
        distrusted("a field that is not listed: a chain of the trust file", trust=put("/chains/0/remark", "x")),
    ]
    return [*on_page("event", _forms(data)), *of_bundles, *on_page("trust-file", of_trust_files)]


def _forms(data: bytes) -> list[Vector]:
    body = f"{SHOWN}/payload/body"
    return [
        refused("a byte order mark", edits=at(0, b"\xef\xbb\xbf")),
        refused("something behind the value", edits=at(len(data), "{}")),
        refused("a newline behind the value", edits=at(len(data), "\n")),
        refused("a space before the value", edits=at(0, " ")),
        refused("a comment", edits=at(len(data), "// x")),
        refused("a key twice", edits=at(1, '"remark":1,"remark":1,')),
        refused("a byte that is no UTF-8", edits=at(data.index(b"a mobile phone"), b"\xff")),
        refused("a fraction", put(f"{SHOWN}/payload/body/quantity/value", 1.5)),
        refused("a body that is no object", put(body, [])),
        refused("33 levels", put("/timestamps", _nested(32))),
        *(refused(f"a field that is not listed: {path or 'the file'}", put(f"{path}/remark", "x")) for path in LEVELS),
        *(refused(f"null: {path}", put(path, None)) for path in NULLS),
        *(refused(f"nothing: {path}", without(path)) for path in NEEDED),
        *(refused(f"half a surrogate pair: {path}", put(path, HALF)) for path in (f"{body}/description", "/note")),
        *(refused(f"an integer of 2^53: {path}", put(path, BEYOND)) for path in ("/event", "/anchor/number")),
        *(refused(f"what may be left out, and is empty: {path}", put(path, value)) for path, value in EMPTY.items()),
        refused("a text with NUL", put(f"{body}/description", "a\0b")),
        refused("signed in the year 3000", put(f"{SHOWN}/envelope/signed_at", 32_503_680_000)),
        refused("an event type of another form", put(f"{SHOWN}/envelope/event_type", "item")),
        refused("a payload with a field of the envelope", put(f"{SHOWN}/payload/sequence", 1)),
        refused("null: previous, at sequence 1", put(f"{SHOWN}/envelope/previous", None)),
        refused("previous, at sequence 0", put(f"{SHOWN}/envelope/sequence", 0)),
        refused("another system stream", put(f"{GRANT}/envelope/stream/id", "other")),
        refused("a key that is not ASCII", put(f"{body}/é", "x")),
        refused("a section without fields", put(f"{SHOWN}/sections/narrative/fields", {})),
        refused("a label that is none", put(f"{SHOWN}/sections/Narrative", {})),
        *_canonical(data),
        *_values(),
        distrusted("half a surrogate pair: trust file", trust=put("/origin", f"x{HALF}")),
    ]


def _limits(data: bytes) -> list[Vector]:
    """Return lists and texts that are as long as they may be, or longer by one. ``data`` are those of bundle.json."""
    labels = {f"a{number}": "blake3:" + "00" * 32 for number in range(65)}
    stamp: dict[str, Any] = {"size": 1, "root": "A" * 43 + "=", "response": ""}
    as_many, too_many = (
        {
            "sections committed to": put(f"{SHOWN}/payload/confidential", dict([*labels.items()][: 64 + more])),
            "hashes of a timestamp": put("/timestamps", [stamp | {"consistency": [stamp["root"]] * (64 + more)}]),
            "timestamps": put("/timestamps", [stamp] * (16 + more)),
        }
        for more in (0, 1)
    )
    note = data.index(b'"note":"') + len(b'"note":"')
    in_note = data.index(b'"', note) - note

    def of_note(length: int) -> tuple[Edit]:
        return ({"at": note, "cut": in_note, "put": "é", "times": length},)

    def of_signature(length: int) -> tuple[Edit]:
        place = data.rindex(b'"signature":"0x') + len(b'"signature":"0x')
        return ({"at": place, "cut": 130, "put": "00", "times": length},)

    long = {"sections committed to": Fails.digest}
    return [
        *(long.get(name, Vector)(f"as many {name} as may be", change) for name, change in as_many.items()),
        *(refused(f"more {name} than may be", change) for name, change in too_many.items()),
        Fails.checkpoint("a note of 262144 characters", edits=of_note(262_144)),
        refused("a note of 262145 characters", edits=of_note(262_145)),
        failing(6, 8, unchecked=(10, 11, 12))("a signature of 16384 bytes", edits=of_signature(16_384)),
        refused("a signature of 16385 bytes", edits=of_signature(16_385)),
    ]


EMPTY: dict[str, Any] = {f"{SHOWN}/payload/authority": {}, "/timestamps": [], f"{GRANT}/sections": {}}
EMPTY |= {f"{SHOWN}/sections": {}, "/nodes": {}, "/anchor/revocations": {}}


def _nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value


BODY = f"{SHOWN}/payload/body"
edited = Fails.digest  # a payload of good form that is not the signed one


def _canonical(data: bytes) -> list[Vector]:
    """Return spellings of the file that are none, and texts that may stand in it. ``data`` are those of bundle.json."""
    text = data.index(b"a mobile phone")
    body = data.index(b'"body":{"description"') + len(b'"body":{')
    spelled = {
        "with a slash escaped": at(text, "\\/"),
        "with a letter escaped": at(text, "\\u0061"),
        "with U+000B escaped in upper case": at(text, "\\u000B"),
        "with a line feed escaped by its number": at(text, "\\u000a"),
        "with DEL escaped": at(text, "\\u007f"),
        "with U+2028 escaped": at(text, "\\u2028"),
        "with a control character that is not escaped": at(text, b"\x01"),
        "with an escaped half of a surrogate pair": at(text, "\\ud800"),
        "with bytes for half of a surrogate pair": at(text, b"\xed\xa0\x80"),
        "with a slash in two bytes of UTF-8": at(text, b"\xc0\xaf"),
    }
    numbers = ("-0", "01", "1.0", "1e3", "+1", "9007199254740992", "-9007199254740992", "NaN")
    texts = {
        "U+0001, escaped": "\x01",
        "DEL": "\x7f",
        "U+2028": "\u2028",
        "a combining character": "e\u0301",
        "an emoji": "\U0001f600",
        "U+200D": "\u200d",
        "U+202F": "\u202f",
        "U+2065 and U+206A": "\u2065\u206a",
        "U+FFFE": "\ufffe",
    }
    controls = (0x61C, 0x200E, 0x200F, 0x202A, 0x202E, 0x2066, 0x2069)
    return [
        *(refused(f"a text {name}", edits=edits) for name, edits in spelled.items()),
        *(refused(f"a number spelled {number}", edits=at(body, f'"a":{number},')) for number in numbers),
        *(edited(f"a text with {name}", put(f"{BODY}/description", text)) for name, text in texts.items()),
        *(refused(f"a text with U+{char:04X}", put(f"{BODY}/description", f"a{chr(char)}")) for char in controls),
        refused("a key with a bidirectional control", put(f"{BODY}/\u200e", 1)),
        edited(
            "keys that ASCII orders otherwise than a dictionary", put(BODY, {"B": 1, "a": 2, "_": 3, "~": 4, " ": 5})
        ),
        refused("keys out of order", edits=at(body, '"x":1,')),
        refused("a space behind a colon", edits=at(body - 1, " ")),
        refused("a comma too many", edits=at(body, ",")),
        edited("a body with null, false, and nothing in a list", put(BODY, {"a": [], "b": {}, "c": None, "d": False})),
        edited("the largest numbers in a body", put(BODY, {"a": BEYOND - 1, "b": 1 - BEYOND})),
        edited("a body 32 levels deep", put(BODY, {"a": _nested(27)})),
        refused("a body 33 levels deep", put(BODY, {"a": _nested(28)})),
    ]


def _values() -> list[Vector]:
    """Return values that have the form of their field, and others that have not."""
    payload, envelope = f"{SHOWN}/payload", f"{SHOWN}/envelope"
    line = f"{payload}/authority/authorization_type"
    signed = failing(6, 8, unchecked=(10, 11, 12))  # an envelope of good form that is not the signed one
    good: dict[str, tuple[str, ...]] = {
        f"{payload}/occurred_at": ("2024-02-29T23:59:59Z", "1000-01-01T00:00:00Z", "2999-12-31T00:00:00Z"),
        f"{payload}/officer": ("a", "0" * 31),
        line: ("x" * 200, "\U0001f600" * 200),
    }
    bad: dict[str, tuple[Any, ...]] = {
        f"{payload}/occurred_at": (
            "2026-02-30T00:00:00Z",
            "2025-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T23:60:00Z",
            "2026-01-01T23:59:60Z",
            "2026-01-01T00:00:00+00:00",
            "2026-01-01T00:00:00.0Z",
            "2026-01-01T00:00Z",
            "x2026-01-01T00:00:00Z",
            "2026-01-01T00:00:00Zx",
            "0999-12-31T00:00:00Z",
            "3000-01-01T00:00:00Z",
        ),
        f"{payload}/officer": ("", "0" * 32, "p-", "-p", "P-0417", "p_0417"),
        f"{payload}/salt": ("0" * 31, "0" * 33, "F" * 32),
        line: ("", "x" * 201, "a\nb", "a\x7f", "a\x85", "a\u2028", "a\u2029"),
        f"{GRANT}/index": (-1, "1"),
        f"{envelope}/agency": ("", "a" * 32, "Psb"),
        f"{envelope}/event_id": (
            "01940000-0000-6000-8000-000000000007",
            "01940000-0000-7000-7000-000000000007",
            "x01940000-0000-7000-8000-000000000007",
        ),
        f"{envelope}/event_type": ("item.", "a" * 25 + ".b", "a." + "b" * 25, "item.sealed.x", "Item.sealed"),
        f"{envelope}/key_id": ("0x" + "00" * 19, "0x" + "AB" * 20, "00" * 20),
        f"{envelope}/payload_digest": ("sha256:" + "00" * 32, "blake3:" + "00" * 31, "blake3:" + "AB" * 32),
        f"{envelope}/previous": ("blake3:" + "00" * 32, "sha256:" + "00" * 31, "sha256:" + "00" * 32 + "0"),
        f"{envelope}/sequence": (-1, "1", BEYOND),
        f"{envelope}/signed_at": (-1, BEYOND),
        f"{envelope}/suite": (0, 256, "1"),
        f"{envelope}/signature": ("0x", "0x0", "0xAB", "00", "00x00"),
        f"{envelope}/stream/id": ("", "a" * 65, "Case"),
        f"{envelope}/stream/kind": ("agency", "system", "lead"),
        "/log_id": ("0x" + "00" * 31, "0x" + "AB" * 32),
    }
    streams = {
        "an agency's": ("agency", "psb-east"),
        "a long id's": ("case", "a" * 64),
        "a model's": ("supervision", "a"),
    }
    return [
        *(
            edited(f"a value of its form: {path} {_briefly(value)}", put(path, value))
            for path in good
            for value in good[path]
        ),
        *(
            refused(f"a value of another form: {path} {_briefly(value)!r}", put(path, value))
            for path in bad
            for value in bad[path]
        ),
        *(
            signed(
                f"another stream, {name}",
                put(f"{envelope}/stream", {"id": id_, "kind": kind}),
                conformity="" if kind == "case" else "contradicted",
            )
            for name, (kind, id_) in streams.items()
        ),
        signed("another event type, as long as one may be", put(f"{envelope}/event_type", f"{'a' * 24}.{'_' * 24}")),
        signed("another event type, as short as one may be", put(f"{envelope}/event_type", "_._")),
        signed(
            "another event id, of the last variant", put(f"{envelope}/event_id", "00000000-0000-7999-9999-999999999999")
        ),
        Vector("a node far beyond the tree", put("/nodes/99~19007199254740993", "A" * 43 + "=")),
        refused("a node of an index of 17 digits", put("/nodes/0~112345678901234567", "A" * 43 + "=")),
        refused("a node of 35 bytes", put("/nodes/0~199", "A" * 47 + "=")),
        refused("a node with bits to spare", put("/nodes/0~199", "A" * 42 + "B=")),
        signed("another event id", put(f"{envelope}/event_id", "abcdefab-cdef-7abc-babc-abcdefabcdef")),
        signed("a signature of one byte", put(f"{envelope}/signature", "0x00")),
        failing(8, unchecked=(6, 10, 11, 12))("another suite, the last one", put(f"{envelope}/suite", 255)),
    ]


def _briefly(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:30]}... of {len(text)} characters"
