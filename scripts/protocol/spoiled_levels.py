"""What no file may have, at each level of nesting: a field that is not listed, a key twice, null, half of a pair."""

from __future__ import annotations

from typing import Any

from scripts.protocol.vector import NO_BUNDLE, NO_TRUST_FILE, Vector, inserted, put, without

HALF = "\ud800"
BEYOND = "9007199254740992"  # 2^53
LONG = "9" * 5000

# By path of an object: what an unlisted field in it makes of the bundle, the steps that fail, and those not checked.
Comes = tuple[str, tuple[int, ...], tuple[int, ...]]
REFUSED: Comes = (NO_BUNDLE, (), ())
PAYLOAD: Comes = ("tampered", (1,), (4, 8))
SECTION: Comes = ("tampered", (1,), (8,))
AUTHORITY: Comes = ("tampered", (9,), (12,))
ANCHOR: Comes = ("tampered", (10,), (11, 12))
LEVELS: dict[str, Comes] = {
    "": REFUSED,
    "/envelope": REFUSED,
    "/envelope/stream": REFUSED,
    "/payload": PAYLOAD,
    "/payload/authority": PAYLOAD,
    "/payload/body": PAYLOAD,
    "/payload/body/quantity": PAYLOAD,
    "/payload/confidential": PAYLOAD,
    "/payload/stream": PAYLOAD,
    "/sections/narrative": SECTION,
    "/authority": AUTHORITY,
    "/authority/agency": AUTHORITY,
    "/authority/agency/envelope": AUTHORITY,
    "/authority/agency/payload": AUTHORITY,
    "/authority/agency/payload/body/profile": AUTHORITY,
    "/authority/grant": AUTHORITY,
    "/authority/grant/payload/body": AUTHORITY,
    "/anchor": ANCHOR,
    "/anchor/chain": ANCHOR,
    "/anchor/anchor": ANCHOR,
    "/anchor/registry": ANCHOR,
    "/anchor/registry/storage_proof/0": ANCHOR,
}
# Optional evidence that is not of its form is told, and spoils nothing.
IN_ERASED: dict[str, Comes] = {
    "/erased/0": REFUSED,
    "/erased/0/entry": REFUSED,
    "/erased/0/entry/envelope": ("intact", (), (8,)),
    "/erased/0/entry/payload/body": ("intact", (), (8,)),
}
# The registry says that the key is revoked, and no entry that holds says when.
IN_REVOKED: dict[str, Comes] = {
    "/authority/revocation": ("tampered", (12,), ()),
    "/authority/revocation/payload/body": ("tampered", (12,), ()),
}
NULL: dict[str, Comes] = {
    "/payload": PAYLOAD,
    "/payload/authority": PAYLOAD,
    "/sections": REFUSED,
    "/sections/narrative": SECTION,
    "/erased": REFUSED,
    "/authority": AUTHORITY,
    "/authority/revocation": ("intact", (), ()),
    "/anchor": ANCHOR,
    "/anchor/block_note": ("not_yet_anchored", (), (10, 11, 12)),
    "/timestamps": ("intact", (), ()),
}
IN_TRUST = ("", "/chains/0")


def vectors(files: dict[str, bytes]) -> list[Vector]:
    """``files`` are the published ones, in which bytes are put."""
    return [*_of_the_file(files["bundle.json"]), *_unlisted(), *_twice(files), *_null(), *_everywhere(files)]


def _of_the_file(data: bytes) -> list[Vector]:
    end = len(data)

    def at(place: int, **text: str) -> tuple[dict[str, Any]]:
        return ({"at": place, "cut": 0, **text},)

    return [
        Vector("a byte order mark", NO_BUNDLE, edits=at(0, put_hex="efbbbf")),
        Vector("something behind the value", NO_BUNDLE, edits=at(end, put="{}")),
        Vector("spaces before and behind", "intact", edits=(*at(end, put=" \n"), *at(0, put="\t"))),
        Vector("a comment", NO_BUNDLE, edits=at(end, put="// x")),
        Vector("33 levels", NO_BUNDLE, edits=inserted(data, "", f'"timestamps": {"[" * 32}{"]" * 32},')),
        Vector("32 levels", "intact", edits=inserted(data, "", f'"timestamps": {"[" * 31}{"]" * 31},')),
    ]


def _unlisted() -> list[Vector]:
    made = [
        Vector(f"a field that is not listed: {path or 'the file'}", *comes, of=of, file=put(f"{path}/remark", "x"))
        for of, levels in (("bundle", LEVELS), ("erased", IN_ERASED), ("revoked", IN_REVOKED))
        for path, comes in levels.items()
    ]
    return made + [
        Vector(f"a field that is not listed: trust file{path}", NO_TRUST_FILE, trust=put(f"{path}/remark", "x"))
        for path in IN_TRUST
    ]


def _twice(files: dict[str, bytes]) -> list[Vector]:
    return [
        Vector(
            f"a key twice: {path or 'the file'}",
            *comes,
            of=of,
            edits=inserted(files[f"{of}.json"], path, '"remark": 1, "remark": 1,'),
        )
        for of, levels in (("bundle", LEVELS), ("erased", IN_ERASED), ("revoked", IN_REVOKED))
        for path, comes in levels.items()
    ] + [
        Vector(
            f"a key twice: /{where}/0/timestamps",
            "intact",
            of=of,
            unchecked=open_end,
            edits=inserted(files[f"{of}.json"], f"/{where}/0", '"timestamps": [{"a": 1, "a": 1}],'),
        )
        for of, where, open_end in (("case", "events", (5,)), ("package", "publications", ()))
    ]


def _null() -> list[Vector]:
    return [Vector(f"null: {path}", *comes, file=put(path, None)) for path, comes in NULL.items()] + [
        Vector("null: /payload/previous, at sequence 1", "tampered", (4,), (8,), file=put("/payload/previous", None)),
        Vector("null: /envelope", NO_BUNDLE, file=put("/envelope", None)),
        Vector("null: /proof", NO_BUNDLE, file=put("/proof", None)),
        Vector("nothing: /envelope", NO_BUNDLE, file=without("/envelope")),
        Vector("nothing: /proof", NO_BUNDLE, file=without("/proof")),
    ]


def _everywhere(files: dict[str, bytes]) -> list[Vector]:
    """Half of a surrogate pair, or an integer beyond 2^53, makes the whole file no bundle, wherever it stands."""
    data = files["bundle.json"]
    levels = [*LEVELS, "/sections", "/authority/grant/envelope"]
    made = []
    for path in levels:
        at = path or "the file"
        made.append(Vector(f"half a surrogate pair: {at}", NO_BUNDLE, file=put(f"{path}/remark", HALF)))
        made.append(Vector(f"an integer of 2^53: {at}", NO_BUNDLE, edits=inserted(data, path, f'"remark": {BEYOND},')))
    raw = {
        "half a surrogate pair in UTF-8": {"hexed": b'"timestamps": ["'.hex() + "eda080" + b'"],'.hex()},
        "a byte that is no UTF-8": {"hexed": b'"timestamps": ["'.hex() + "ff" + b'"],'.hex()},
        "an integer of -2^53": {"text": f'"timestamps": [-{BEYOND}],'},
        "an integer of 5,000 digits": {"text": f'"timestamps": [{LONG}],'},
        "half a surrogate pair, escaped": {"text": '"timestamps": ["\\udc00"],'},
    }
    for name, change in raw.items():
        made.append(Vector(f"{name}: where nobody looks", NO_BUNDLE, edits=inserted(data, "", **change)))
    fine = '"timestamps": [9007199254740991, -9007199254740991, "\\ud834\\udd1e", "\\\\ud800", "99999999999999999999"],'
    made.append(
        Vector("the largest integers, and a pair: where nobody looks", "intact", edits=inserted(data, "", fine))
    )
    made.append(Vector("half a surrogate pair: trust file", NO_TRUST_FILE, trust=put("/origin", f"x{HALF}")))
    return made
