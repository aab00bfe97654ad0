"""Spoil a whole case and a model package, where several entries together show the fault, and then its files."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from msgspec.structs import replace

from ledger.core.events import Body, Stream
from ledger.core.verification.bundle_format import Bundle
from scripts.docs import example
from scripts.docs.example import CASE, CASE_ENTRIES, COSIGNATURES, COSIGNED_AT, WITNESSES
from scripts.docs.vector import (
    OTHER,
    Patch,
    Vector,
    distrusted,
    failing,
    fails_authority,
    fails_block,
    fails_digest,
    fails_payload,
    fails_registry,
    fails_section_form,
    inserted,
    ledger,
    plain,
    put,
    refused,
    untrusted,
    unverifiable,
    whole,
    without,
)

# Of a case: what comes after its last event is not shown without the log.
case = partial(Vector, unchecked=(5,), of="case")
with_log = partial(Vector, of="case", with_log=True)
impossible_case = failing(3, 4, unchecked=(5,), of="case", conformity="contradicted")
other_case = failing(1, unchecked=(5,), of="case")
package = partial(Vector, of="package")
wrong_versions = failing(3, of="package")


def vectors() -> list[Vector]:
    return [*_case(), *_package()]


def _swapped(list_of: str, first: int, second: int) -> tuple[Patch]:
    return ({"op": "move", "from": f"/{list_of}/{second}", "path": f"/{list_of}/{first}"},)


def _replaced(path: str, bundle: Bundle) -> tuple[Patch, ...]:
    return (*without(path), *put(path, plain(bundle)))


def _log(*last: example.Entry, signed: Sequence[tuple[Body, Stream, str]] = (), size: int = -1) -> example.Ledger:
    """Return a log of the first ``size`` entries of the example, of what was ``signed`` then, and of ``last`` ones."""
    writer = example.Writer(example.entries()[:size])
    for body, stream, officer in signed:
        writer.write(body, stream, officer)
    return example.Ledger([*writer.entries, *last])


def _case() -> list[Vector]:
    # Other co-signatures of the same tree head; another last entry; the id of a registration, taken already.
    again = example.Ledger(
        example.entries(), note=example.cosigned(ledger().checkpoint, [*COSIGNATURES, (WITNESSES[1], COSIGNED_AT)])
    )
    fork = _forked()
    broken = _log(ledger().entries[-1], signed=[(example.registration(1), CASE, "")])
    indices = [index for index, entry in enumerate(broken.entries) if entry.payload.stream == CASE]
    another_log = example.Ledger(example.entries(example.SIGNED_AT - 1)).case_bundle()
    fork_last = put("/events/-", plain(fork.bundle(len(fork.entries) - 1)))
    return [
        case("a case as it is"),
        with_log("a case as it is, with the log", completeness="shown"),
        case("D: the last event left out", without("/events/3")),
        with_log(
            "D: the last event left out, with the log", without("/events/3"), failed=(5,), completeness="contradicted"
        ),
        case("D: a copy of another log", whole(another_log), with_log=True),
        impossible_case("an event left out in the middle", without("/events/2")),
        impossible_case("the first event left out", without("/events/0")),
        impossible_case("two events swapped", _swapped("events", 0, 1)),
        impossible_case("an event twice", put("/events/-", plain(ledger().bundle(CASE_ENTRIES[3])))),
        failing(1, 3, 4, unchecked=(5,), of="case", conformity="contradicted")(
            "an event of another stream", put("/events/3", plain(ledger().bundle(9)))
        ),
        other_case("a case of another ledger", put("/log_id", OTHER)),
        other_case("a case of another name", put("/case_id", "case-7f3b")),
        unverifiable(
            "a payload withheld",
            without("/events/1/payload"),
            unchecked=(2, 4, 5),
            of="case",
            conformity="not_checked",
        ),
        failing(2, unchecked=(4, 5), of="case", conformity="not_checked")(
            "a payload edited", put("/events/1/payload/body/description", "another")
        ),
        case("a section withheld", without("/events/1/sections")),
        case("an anchor left out", without("/events/1/anchor"), verdict="not_yet_anchored", unchecked=(2, 5)),
        failing(1, 2, unchecked=(3, 5), of="case")("no proof of an index", put("/events/1/proof", "x")),
        refused("no events", put("/events", []), of="case"),
        refused("an event that is no bundle", put("/events/1", {}), of="case"),
        refused("a field of a case bundle that is not listed", put("/remark", 1), of="case"),
        case(
            "an event under another note of the same tree head",
            _replaced("/events/3", again.bundle(CASE_ENTRIES[3])),
        ),
        other_case("I: events of two forks", (*_replaced("/events/3", fork.bundle(CASE_ENTRIES[3])), *fork_last)),
        case(
            "E: an act that the custody rules do not allow",
            whole(broken.case_bundle(indices)),
            failed=(4,),
            conformity="contradicted",
        ),
    ]


def _forked() -> example.Ledger:
    """Return a log of the same beginning and another last entry."""
    return _log(signed=[(example.registration(9), CASE, "")])


def _package() -> list[Vector]:
    again = example.Ledger(
        example.entries(), note=example.cosigned(ledger().checkpoint, [(witness, COSIGNED_AT) for witness in WITNESSES])
    )
    first, second, third = map(example.model_version, (1, 2, 3))
    misdigested = replace(first, definition="id: another\n")
    body = "/publications/0/payload/body"
    return [
        package("a package as it is"),
        package("D: a package without its last version", (*without("/publications/1"), *put("/version", 1))),
        wrong_versions("a package of another last version", put("/version", 3)),
        wrong_versions("a package with a gap", (*_published(first, third), *put("/version", 3))),
        wrong_versions("publications swapped", _swapped("publications", 0, 1)),
        failing(1, 3, of="package")("another model", put("/model_id", "another-model")),
        failing(1, of="package")("a package of another ledger", put("/log_id", OTHER)),
        failing(2, unchecked=(3, 4), of="package")(
            "a definition that was edited", put(f"{body}/definition", "id: x\n")
        ),
        unverifiable("a publication withheld", without("/publications/0/payload"), unchecked=(2, 3, 4), of="package"),
        failing(4, of="package")("a definition with another digest, well signed", _published(misdigested, second)),
        package(
            "a publication under another note of the same tree head", _replaced("/publications/0", again.bundle(9))
        ),
        failing(1, of="package")("I: publications of two forks", _replaced("/publications/0", _forked().bundle(9))),
        refused("no publication", put("/publications", []), of="package"),
    ]


def _published(*bodies: Body) -> tuple[Patch]:
    """Put a package of another log, in which these were published."""
    signed = [(body, example.MODEL, "p-0555") for body in bodies]
    return whole(_log(ledger().entries[-1], signed=signed, size=9).package())


HALF = "\ud800"
BEYOND = "9007199254740992"  # 2^53
LONG = "9" * 5000

# By path of an object: what an unlisted field in it makes of the bundle.
Levels = dict[str, partial[Vector]]
LEVELS: Levels = {
    "": refused,
    "/envelope": refused,
    "/envelope/stream": refused,
    "/payload": fails_payload,
    "/payload/authority": fails_payload,
    "/payload/body": fails_payload,
    "/payload/body/quantity": fails_payload,
    "/payload/confidential": fails_payload,
    "/payload/stream": fails_payload,
    "/sections/narrative": fails_section_form,
    "/authority": fails_authority,
    "/authority/agency": fails_authority,
    "/authority/agency/envelope": fails_authority,
    "/authority/agency/payload": fails_authority,
    "/authority/agency/payload/body/profile": fails_authority,
    "/authority/grant": fails_authority,
    "/authority/grant/payload/body": fails_authority,
    "/anchor": fails_block,
    "/anchor/chain": fails_block,
    "/anchor/anchor": fails_block,
    "/anchor/registry": fails_block,
    "/anchor/registry/storage_proof/0": fails_block,
}
withheld = partial(Vector, unchecked=(8,))
# Optional evidence that is not of its form is told, and spoils nothing.
IN_ERASED: Levels = {
    "/erased/0": refused,
    "/erased/0/entry": refused,
    "/erased/0/entry/envelope": withheld,
    "/erased/0/entry/payload/body": withheld,
}
# The registry says that the key is revoked, and no entry that holds says when.
IN_REVOKED: Levels = {
    "/authority/revocation": fails_registry,
    "/authority/revocation/payload/body": fails_registry,
}
NULL: Levels = {
    "/payload": fails_payload,
    "/payload/authority": fails_payload,
    "/sections": refused,
    "/sections/narrative": fails_section_form,
    "/erased": refused,
    "/authority": fails_authority,
    "/authority/revocation": partial(Vector),
    "/anchor": fails_block,
    "/anchor/block_note": untrusted,
    "/timestamps": partial(Vector),
}


def level_vectors(files: dict[str, bytes]) -> list[Vector]:
    """``files`` are the published ones, in which bytes are put."""
    return [*_of_the_file(files["bundle.json"]), *_unlisted(), *_twice(files), *_null(), *_everywhere(files)]


def _of_the_file(data: bytes) -> list[Vector]:
    end = len(data)

    def at(place: int, **text: str) -> tuple[dict[str, Any]]:
        return ({"at": place, "cut": 0, **text},)

    return [
        refused("a byte order mark", edits=at(0, put_hex="efbbbf")),
        refused("something behind the value", edits=at(end, put="{}")),
        Vector("spaces before and behind", edits=(*at(end, put=" \n"), *at(0, put="\t"))),
        refused("a comment", edits=at(end, put="// x")),
        refused("33 levels", edits=inserted(data, "", f'"timestamps": {"[" * 32}{"]" * 32},')),
        Vector("32 levels", edits=inserted(data, "", f'"timestamps": {"[" * 31}{"]" * 31},')),
    ]


OF_FILES = (("bundle", LEVELS), ("erased", IN_ERASED), ("revoked", IN_REVOKED))


def _unlisted() -> list[Vector]:
    return [
        *(
            comes(f"a field that is not listed: {path or 'the file'}", put(f"{path}/remark", "x"), of=of)
            for of, levels in OF_FILES
            for path, comes in levels.items()
        ),
        *(
            distrusted(f"a field that is not listed: trust file{path}", trust=put(f"{path}/remark", "x"))
            for path in ("", "/chains/0")
        ),
    ]


def _twice(files: dict[str, bytes]) -> list[Vector]:
    return [
        *(
            comes(
                f"a key twice: {path or 'the file'}",
                of=of,
                edits=inserted(files[f"{of}.json"], path, '"remark": 1, "remark": 1,'),
            )
            for of, levels in OF_FILES
            for path, comes in levels.items()
        ),
        *(
            comes(
                f"a key twice: {path}/timestamps",
                edits=inserted(files[f"{comes.keywords['of']}.json"], path, '"timestamps": [{"a": 1, "a": 1}],'),
            )
            for path, comes in {"/events/0": case, "/publications/0": package}.items()
        ),
    ]


def _null() -> list[Vector]:
    return [
        *(comes(f"null: {path}", put(path, None)) for path, comes in NULL.items()),
        fails_digest("null: /payload/previous, at sequence 1", put("/payload/previous", None)),
        *(refused(f"null: {path}", put(path, None)) for path in ("/envelope", "/proof")),
        *(refused(f"nothing: {path}", without(path)) for path in ("/envelope", "/proof")),
    ]


def _everywhere(files: dict[str, bytes]) -> list[Vector]:
    """Half of a surrogate pair, or an integer beyond 2^53, makes the whole file no bundle, wherever it stands."""
    data = files["bundle.json"]
    levels = [*LEVELS, "/sections", "/authority/grant/envelope"]
    vectors = []
    for path in levels:
        at = path or "the file"
        vectors.append(refused(f"half a surrogate pair: {at}", put(f"{path}/remark", HALF)))
        vectors.append(refused(f"an integer of 2^53: {at}", edits=inserted(data, path, f'"remark": {BEYOND},')))
    raw = {
        "half a surrogate pair in UTF-8": {"hexed": b'"timestamps": ["'.hex() + "eda080" + b'"],'.hex()},
        "a byte that is no UTF-8": {"hexed": b'"timestamps": ["'.hex() + "ff" + b'"],'.hex()},
        "an integer of -2^53": {"text": f'"timestamps": [-{BEYOND}],'},
        "an integer of 5,000 digits": {"text": f'"timestamps": [{LONG}],'},
        "half a surrogate pair, escaped": {"text": '"timestamps": ["\\udc00"],'},
    }
    for name, change in raw.items():
        vectors.append(refused(f"{name}: where nobody looks", edits=inserted(data, "", **change)))
    fine = '"timestamps": [9007199254740991, -9007199254740991, "\\ud834\\udd1e", "\\\\ud800", "99999999999999999999"],'
    vectors.append(Vector("the largest integers, and a pair: where nobody looks", edits=inserted(data, "", fine)))
    vectors.append(distrusted("half a surrogate pair: trust file", trust=put("/origin", f"x{HALF}")))
    return vectors
