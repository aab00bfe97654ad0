"""Spoil a whole case and a model package, where several entries together show the fault, and then its files."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from scripts.docs import example
from scripts.docs.example import CASE, CASE_ENTRIES, COSIGNATURES, COSIGNED_AT, WITNESSES
from scripts.docs.vector import (
    NO_BUNDLE,
    NO_TRUST_FILE,
    OTHER,
    Patch,
    Vector,
    inserted,
    ledger,
    plain,
    put,
    whole,
    without,
)

OPEN_END = (5,)


def vectors() -> list[Vector]:
    return [*_case(), *_fork(), *_custody(), *_package()]


def _swapped(list_of: str, first: int, second: int) -> tuple[Patch, ...]:
    moved = {"op": "move", "from": f"/{list_of}/{second}", "path": f"/{list_of}/{first}"}
    return (moved,)


def case(
    name: str, verdict: str, failed: tuple[int, ...] = (), unchecked: tuple[int, ...] = OPEN_END, **more: Any
) -> Vector:
    return Vector(name, verdict, failed, unchecked, of="case", **more)


def _case() -> list[Vector]:
    impossible: dict[str, Any] = {"conformity": "contradicted"}
    return [
        case("a case as it is", "intact"),
        case("a case as it is, with the log", "intact", unchecked=(), completeness="shown", with_log=True),
        case("D: the last event left out", "intact", file=without("/events/3")),
        case(
            "D: the last event left out, with the log",
            "intact",
            (5,),
            (),
            file=without("/events/3"),
            completeness="contradicted",
            with_log=True,
        ),
        case("D: a copy of another log", "intact", file=whole(_of_another_log()), with_log=True),
        case("an event left out in the middle", "tampered", (3, 4), file=without("/events/2"), **impossible),
        case("the first event left out", "tampered", (3, 4), file=without("/events/0"), **impossible),
        case("two events swapped", "tampered", (3, 4), file=_swapped("events", 0, 1), **impossible),
        case(
            "an event twice",
            "tampered",
            (3, 4),
            file=put("/events/-", plain(ledger().bundle(CASE_ENTRIES[3]))),
            **impossible,
        ),
        case(
            "an event of another stream",
            "tampered",
            (1, 3, 4),
            file=put("/events/3", plain(ledger().bundle(9))),
            **impossible,
        ),
        case("a case of another ledger", "tampered", (1,), file=put("/log_id", OTHER)),
        case("a case of another name", "tampered", (1,), file=put("/case_id", "case-7f3b")),
        case(
            "a payload withheld",
            "unverifiable",
            (),
            (2, 4, 5),
            file=without("/events/1/payload"),
            conformity="not_checked",
        ),
        case(
            "a payload edited",
            "tampered",
            (2,),
            (4, 5),
            file=put("/events/1/payload/body/description", "another"),
            conformity="not_checked",
        ),
        case("a section withheld", "intact", file=without("/events/1/sections")),
        case("an anchor left out", "not_yet_anchored", (), (2, 5), file=without("/events/1/anchor")),
        case("no proof of an index", "tampered", (1, 2), (3, 5), file=put("/events/1/proof", "x")),
        case("no events", NO_BUNDLE, file=put("/events", [])),
        case("an event that is no bundle", NO_BUNDLE, file=put("/events/1", {})),
        case("a field of a case bundle that is not listed", NO_BUNDLE, file=put("/remark", 1)),
    ]


def _of_another_log() -> Any:
    """Return the case of a log that has as many entries as the published one, and other ones."""
    return example.Ledger(example.entries(example.SIGNED_AT - 1)).case_bundle()


def _fork() -> list[Vector]:
    """Two notes of one log: of one tree head with other co-signatures, and of two logs that share their beginning."""
    again = example.Ledger(
        example.entries(), note=example.cosigned(ledger().checkpoint, [*COSIGNATURES, (WITNESSES[1], COSIGNED_AT)])
    )
    fork = _forked()
    last = len(fork.entries) - 1
    replaced = (*without("/events/3"), *put("/events/3", plain(fork.bundle(CASE_ENTRIES[3]))))
    return [
        case(
            "an event under another note of the same tree head",
            "intact",
            file=(*without("/events/3"), *put("/events/3", plain(again.bundle(CASE_ENTRIES[3])))),
        ),
        case("I: events of two forks", "tampered", (1,), file=(*replaced, *put("/events/-", plain(fork.bundle(last))))),
    ]


def _forked() -> example.Ledger:
    """Return a log of the same beginning and another last entry."""
    writer = example.Writer(example.entries()[:-1])
    writer.write(example.registration(9), CASE)
    return example.Ledger(writer.entries)


def _custody() -> list[Vector]:
    """Acts that the rules do not allow, well signed and in the log."""
    entries = example.entries()
    writer = example.Writer(entries[:-1])
    writer.write(example.registration(1), CASE)  # the id is taken
    writer.entries.append(entries[-1])
    broken = example.Ledger(writer.entries)
    indices = [index for index, entry in enumerate(broken.entries) if entry.payload.stream == CASE]
    return [
        case(
            "E: an act that the custody rules do not allow",
            "intact",
            (4,),
            file=whole(broken.case_bundle(indices)),
            conformity="contradicted",
        )
    ]


def _package() -> list[Vector]:
    def package(
        name: str, verdict: str, failed: tuple[int, ...] = (), unchecked: tuple[int, ...] = (), **more: Any
    ) -> Vector:
        return Vector(name, verdict, failed, unchecked, of="package", **more)

    again = example.Ledger(
        example.entries(), note=example.cosigned(ledger().checkpoint, [(witness, COSIGNED_AT) for witness in WITNESSES])
    )
    gap = _versions(1, 3)
    body = "/publications/0/payload/body"
    return [
        package("a package as it is", "intact"),
        package(
            "D: a package without its last version", "intact", file=(*without("/publications/1"), *put("/version", 1))
        ),
        package("a package of another last version", "tampered", (3,), file=put("/version", 3)),
        package("a package with a gap", "tampered", (3,), file=(*whole(gap), *put("/version", 3))),
        package("publications swapped", "tampered", (3,), file=_swapped("publications", 0, 1)),
        package("another model", "tampered", (1, 3), file=put("/model_id", "another-model")),
        package("a package of another ledger", "tampered", (1,), file=put("/log_id", OTHER)),
        package("a definition that was edited", "tampered", (2,), (3, 4), file=put(f"{body}/definition", "id: x\n")),
        package("a publication withheld", "unverifiable", (), (2, 3, 4), file=without("/publications/0/payload")),
        package("a definition with another digest, well signed", "tampered", (4,), file=whole(_misdigested())),
        package(
            "a publication under another note of the same tree head",
            "intact",
            file=(*without("/publications/0"), *put("/publications/0", plain(again.bundle(9)))),
        ),
        package(
            "I: publications of two forks",
            "tampered",
            (1,),
            file=(*without("/publications/0"), *put("/publications/0", plain(_forked().bundle(9)))),
        ),
        package("no publication", NO_BUNDLE, file=put("/publications", [])),
    ]


def _versions(*numbers: int) -> Any:
    return _published(*(example.model_version(number) for number in numbers))


def _misdigested() -> Any:
    first = example.model_version(1)
    return _published(replace(first, definition="id: another\n"), example.model_version(2))


def _published(*bodies: Any) -> Any:
    """Return a package of another log, in which these were published."""
    entries = example.entries()
    writer = example.Writer(entries[:9])
    for body in bodies:
        writer.write(body, example.MODEL, "p-0555")
    writer.entries.append(entries[-1])
    return example.Ledger(writer.entries).package()


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


def level_vectors(files: dict[str, bytes]) -> list[Vector]:
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
    vectors = [
        Vector(f"a field that is not listed: {path or 'the file'}", *comes, of=of, file=put(f"{path}/remark", "x"))
        for of, levels in (("bundle", LEVELS), ("erased", IN_ERASED), ("revoked", IN_REVOKED))
        for path, comes in levels.items()
    ]
    return vectors + [
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
    vectors = []
    for path in levels:
        at = path or "the file"
        vectors.append(Vector(f"half a surrogate pair: {at}", NO_BUNDLE, file=put(f"{path}/remark", HALF)))
        vectors.append(
            Vector(f"an integer of 2^53: {at}", NO_BUNDLE, edits=inserted(data, path, f'"remark": {BEYOND},'))
        )
    raw = {
        "half a surrogate pair in UTF-8": {"hexed": b'"timestamps": ["'.hex() + "eda080" + b'"],'.hex()},
        "a byte that is no UTF-8": {"hexed": b'"timestamps": ["'.hex() + "ff" + b'"],'.hex()},
        "an integer of -2^53": {"text": f'"timestamps": [-{BEYOND}],'},
        "an integer of 5,000 digits": {"text": f'"timestamps": [{LONG}],'},
        "half a surrogate pair, escaped": {"text": '"timestamps": ["\\udc00"],'},
    }
    for name, change in raw.items():
        vectors.append(Vector(f"{name}: where nobody looks", NO_BUNDLE, edits=inserted(data, "", **change)))
    fine = '"timestamps": [9007199254740991, -9007199254740991, "\\ud834\\udd1e", "\\\\ud800", "99999999999999999999"],'
    vectors.append(
        Vector("the largest integers, and a pair: where nobody looks", "intact", edits=inserted(data, "", fine))
    )
    vectors.append(Vector("half a surrogate pair: trust file", NO_TRUST_FILE, trust=put("/origin", f"x{HALF}")))
    return vectors
