"""Faults of a bundle: of the entry, the log and the key, of a whole case and a model package, and of the bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from msgspec.structs import replace

from ledger.core.events import Body, Stream, registry
from ledger.core.log.notes import SeedSigner, parse_note
from ledger.core.verification.bundle_format import Bundle
from scripts.docs import example
from scripts.docs.example import (
    CASE,
    CASE_ENTRIES,
    COSIGNATURES,
    COSIGNED_AT,
    PUBLISHED,
    REGISTERED,
    SEALED,
    SIGNED_AT,
    WITNESSES,
)
from scripts.docs.vector import (
    OTHER,
    Fails,
    Patch,
    Vector,
    at,
    copied,
    distrusted,
    failing,
    inserted,
    ledger,
    plain,
    policy,
    put,
    refused,
    spoiled_line,
    untrusted,
    unverifiable,
    whole,
    without,
)

NoteChange = Callable[[str], str]

UNKNOWN_SIGNATURE = "— stranger.example/s AAAAAAA=\n"  # five bytes: a key id and one more
PROOFS = ("/proof", "/authority/agency/proof", "/authority/grant/proof")
FUTURE = COSIGNED_AT + 6 + 301  # later by one second than the last witness allows
OWN = (12,)  # of an entry of the ledger itself this is not checked


def entry_vectors() -> list[Vector]:
    """Return faults that one entry shows: steps 1 to 9, and the time of step 13."""
    return [*_as_it_is(), *_form(), *_log(), *_witnesses(), *_sections(), *_authority()]


def _as_it_is() -> list[Vector]:
    return [
        Vector("as it is"),
        Vector("as it is: key revoked later", of="revoked"),
        Vector("as it is: section erased", unchecked=(8,), of="erased"),
        Vector("as it is: mirror of the registry", unchecked=OWN, of="mirror"),
        Vector("as it is: reads sealed", unchecked=OWN, of="sealed"),
        Vector("what is not signed may be empty", put("/erased", [])),
        unverifiable("payload withheld", without("/payload"), unchecked=(4, 8)),
        unverifiable("payload and sections withheld", without("/payload", "/sections"), unchecked=(4, 8)),
        Vector("sections withheld", without("/sections"), unchecked=(8,)),
        unverifiable("authority left out", without("/authority"), unchecked=(9, 12)),
        unverifiable("payload withheld of a mirror", without("/payload"), unchecked=(4, 8, 12), of="mirror"),
    ]


def _form() -> list[Vector]:
    lines = example.bundle().proof.splitlines(keepends=True)
    body = "/payload/body"

    def extra(count: int) -> tuple[Patch]:
        return put("/proof", lines[0] + "extra AA==\n" * count + "".join(lines[1:]))

    return [
        Fails.payload("a text that is not in form C", put(f"{body}/description", "e\u0301")),
        Fails.payload("a text with NUL", put(f"{body}/description", "a\0b")),
        Fails.payload("an empty list that section 2 leaves out", put(f"{body}/digests", [])),
        Fails.payload("a number with a fraction", put("/payload/sequence", 1.5)),
        Fails.section_form("a section without fields", put("/sections/narrative/fields", {})),
        failing(1, unchecked=(5, 6, 7, 9, 11, 12, 13))("two extra lines", extra(2)),
        Vector("an extra line", extra(1)),
        refused("a label that is none", put("/sections/Narrative", {})),
    ]


def _log() -> list[Vector]:
    proof, signature = example.bundle().proof, ledger().entries[REGISTERED].envelope.signature
    lines = proof.splitlines(keepends=True)

    def signed_by_nobody(note: str) -> str:
        return note + UNKNOWN_SIGNATURE

    return [
        failing(2)("another ledger", put("/log_id", OTHER)),
        failing(3, 6, unchecked=(9, 12, 13))(
            "another signature", put("/envelope/signature", f"{signature[:10]}00{signature[12:]}")
        ),
        Fails.digest("another text", put("/payload/body/description", "another telephone")),
        Fails.digest("another officer", put("/payload/officer", "p-0999")),
        Fails.checkpoint("the note without its last newline", put("/proof", proof[:-1])),
        Fails.checkpoint("F: the log's signature twice", put("/proof", proof.replace(lines[-3], lines[-3] * 2))),
        Vector("a signature of nobody known, in the entry's note alone", put("/proof", proof + UNKNOWN_SIGNATURE)),
        Vector("a signature of nobody known, in the notes of the evidence alone", _notes(signed_by_nobody, PROOFS[1:])),
        Vector(
            "evidence without the co-signatures",
            _notes(lambda note: "".join(note.splitlines(keepends=True)[:-2]), PROOFS[1:]),
        ),
        Fails.authority(
            "evidence under a smaller tree head",
            _notes(lambda note: note.replace(f"\n{ledger().checkpoint.size}\n", "\n11\n"), PROOFS[2:]),
        ),
        Vector("a signature of nobody known, in every note", _notes(signed_by_nobody)),
        Fails.inclusion("another index", put("/proof", proof.replace(f"index {REGISTERED}", "index 2"))),
        Fails.inclusion("a hash too few", put("/proof", "".join(lines[:2] + lines[3:]))),
        Fails.inclusion("a hash too many", put("/proof", "".join(lines[:3] + lines[2:]))),
    ]


def _notes(change: NoteChange, paths: tuple[str, ...] = PROOFS) -> tuple[Patch, ...]:
    """Put these proofs of the bundle under a note that is changed alike."""
    grant = ledger().index_of(registry.KeyGranted, example.key_id(example.OFFICER_KEY))
    assert grant is not None
    patches: list[Patch] = []
    for path, index in zip(PROOFS, (REGISTERED, 0, grant), strict=True):
        if path in paths:
            head, _, note = ledger().proof(index).partition("\n\n")
            patches += put(path, f"{head}\n\n{change(note)}")
    return tuple(patches)


def _lines(*numbers: int) -> NoteChange:
    """Return the note with these of its lines: 0 the log's, 1 and 2 co-signatures."""
    signed = parse_note(ledger().note)
    return lambda _: str(type(signed)(signed.text, tuple(signed.signatures[number] for number in numbers)))


def _dated(*times: tuple[int, int]) -> tuple[Patch, ...]:
    """Put all proofs under the note co-signed by these witnesses at these times."""
    cosignatures = [(WITNESSES[number - 1], time) for number, time in times]
    return _notes(lambda _: example.cosigned(ledger().checkpoint, cosignatures))


def _witnesses() -> list[Vector]:
    lines = example.WITNESS_LINES
    proof, long_before, after = example.bundle().proof, (1, SIGNED_AT - 1000), (3, SIGNED_AT + 50)
    return [
        Fails.witnesses("F: a witness's line that does not hold, besides", _notes(spoiled_line)),
        Fails.witnesses("F: the same line twice", _notes(_lines(0, 1, 2, 2))),
        Fails.witnesses(
            "F: the co-signature twice, in the entry's note alone",
            put("/proof", proof + proof.splitlines(keepends=True)[-1]),
        ),
        Vector("the lines in another order", _notes(_lines(2, 0, 1))),
        unverifiable("one witness short of the quorum", _notes(_lines(0, 1)), unchecked=(7,)),
        unverifiable("no witness", _notes(_lines(0)), unchecked=(7,)),
        Vector("G: one witness dates the entry to 1970", _dated((1, 1), (2, COSIGNED_AT), (3, COSIGNED_AT))),
        Vector("G: as many as the quorum date it to 1970, and one does not", _dated((1, 1), (2, 2), (3, COSIGNED_AT))),
        Fails.time("G: all date it to 1970", _dated((1, 1), (2, 2), (3, 3))),
        Vector("H: signed after two witnesses and before the third", _dated(long_before, (2, SIGNED_AT - 900), after)),
        Vector("H: signed after two witnesses and before the third, and a line left out", _dated(long_before, after)),
        Fails.time("H: signed after all witnesses shown", _dated(long_before, (2, SIGNED_AT - 301))),
        Vector("H: as late after the last witness as the tolerance allows", _dated(long_before, (2, SIGNED_AT - 300))),
        unverifiable(
            "a quorum of a witness that did not sign",
            unchecked=(7, 10, 11, 12, 13),
            trust=policy(f"{lines}quorum w2\n"),
        ),
        failing(7, unchecked=(10, 11, 12, 13))(
            "no witness asked for, a line of one that does not hold",
            _notes(spoiled_line),
            trust=(*policy(f"{lines}quorum none\n"), *put("/development", True)),
        ),
    ]


def _sections() -> list[Vector]:
    other_entry = put("/erased/0/entry", plain(ledger().evidence(SEALED)))
    withheld = partial(Vector, unchecked=(8,), of="erased")
    return [
        Fails.sections("another section", put("/sections/narrative/fields/text", "x")),
        Fails.sections(
            "a section that nobody committed to", put("/sections/other", {"fields": {"text": "x"}, "salt": "00" * 16})
        ),
        withheld("C: an erasure of another label", put("/erased/0/label", "other")),
        withheld("C: an erasure by an entry of another kind", other_entry),
        withheld("C: an erasure that was edited", put("/erased/0/entry/payload/body/ground", "another")),
        withheld("erasure left out", without("/erased")),
    ]


def _other(**changes: Any) -> tuple[Patch]:
    """Return the bundle of the registration in another log."""
    return whole(example.Ledger(example.entries(**changes)).bundle(REGISTERED))


def _authority() -> list[Vector]:
    body, other_key = "/authority/grant/payload/body", put("/service_key_id", "0x" + "77" * 20)
    return [
        Fails.authority("the grant in place of the admission", copied("/authority/grant", "/authority/agency")),
        Fails.authority("the admission in place of the grant", copied("/authority/agency", "/authority/grant")),
        Fails.authority("a grant that was edited", put(f"{body}/valid_until", 1_900_000_000)),
        Fails.authority("a grant of a colleague", put("/authority/grant", plain(ledger().evidence(2)))),
        Fails.authority("no grant", without("/authority/grant")),
        Fails.authority("a grant that has ended", _other(valid_until=example.SIGNED_AT)),
        Fails.authority("a mirror in the name of an officer", _other(mirrored_by="p-0417")),
        Fails.authority("a grant for another role", _other(roles=("auditor",))),
        Fails.authority("another key of the ledger", trust=other_key),
        Fails.authority("another key of the ledger, of a mirror", of="mirror", trust=other_key),
        Vector(
            "C: authority of an entry of the ledger itself", put("/authority", {"x": 1}), unchecked=OWN, of="sealed"
        ),
        failing(2, 3, 9, unchecked=(10, 11, 12))("a trust file of another ledger", trust=put("/log_id", OTHER)),
        # The time of step 13.
        Fails.time("H: signed in the future", _other(signed_at=FUTURE)),
        Vector("signed as late as the tolerance allows", _other(signed_at=FUTURE - 1)),
        Fails.authority("signed a year before", _other(signed_at=example.VALID_FROM - 1)),
    ]


# -- whole cases and packages ------------------------------------------------------------------------------------------

# Of a case: what comes after its last event is not shown without the log.
case = partial(Vector, unchecked=(5,), of="case")
with_log = partial(Vector, of="case", with_log=True)
impossible_case = failing(3, 4, unchecked=(5,), of="case", conformity="contradicted")
other_case = failing(1, unchecked=(5,), of="case")
package = partial(Vector, of="package")
wrong_versions = failing(3, of="package")


def stream_vectors() -> list[Vector]:
    """Return faults that several entries show together."""
    return [*_case(), *_package()]


def _swapped(list_of: str, first: int, second: int) -> tuple[Patch]:
    return ({"op": "move", "from": f"/{list_of}/{second}", "path": f"/{list_of}/{first}"},)


def _replaced(path: str, bundle: Bundle) -> tuple[Patch, ...]:
    return (*without(path), *put(path, plain(bundle)))


def _log_of(*last: example.Entry, signed: Sequence[tuple[Body, Stream, str]] = (), size: int = -1) -> example.Ledger:
    """Return a log of the first ``size`` entries of the example, of what was ``signed`` then, and of ``last`` ones."""
    writer = example.Writer(example.entries()[:size])
    for body, stream, officer in signed:
        writer.write(body, stream, officer)
    return example.Ledger([*writer.entries, *last])


def _cosigned(*cosignatures: tuple[SeedSigner, int]) -> example.Ledger:
    """Return the example's log with other co-signatures of the same tree head."""
    return example.Ledger(example.entries(), note=example.cosigned(ledger().checkpoint, cosignatures))


def _case() -> list[Vector]:
    unjudged: dict[str, Any] = {"unchecked": (4, 5), "conformity": "not_checked"}
    # Another last entry; the id of a registration, taken already.
    again = _cosigned(*COSIGNATURES, (WITNESSES[1], COSIGNED_AT))
    fork = _forked()
    broken = _log_of(ledger().entries[-1], signed=[(example.registration(1), CASE, "")])
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
            "an event of another stream", put("/events/3", plain(ledger().bundle(PUBLISHED[0])))
        ),
        other_case("a case of another ledger", put("/log_id", OTHER)),
        other_case("a case of another name", put("/case_id", "case-7f3b")),
        unverifiable(
            "a payload withheld", without("/events/1/payload"), unchecked=(2, 4, 5), of="case", conformity="not_checked"
        ),
        failing(2, unchecked=(4, 5), of="case", conformity="not_checked")(
            "a payload edited", put("/events/1/payload/body/description", "another")
        ),
        case("a section withheld", without("/events/1/sections")),
        case("the adoption of its procedure left out", without("/procedures/1"), **unjudged),
        case("the text of its procedure edited", put("/procedures/0/payload/body/version", 2), **unjudged),
        case("an anchor left out", without("/events/1/anchor"), verdict="not_yet_anchored", unchecked=(2, 5)),
        failing(1, 2, unchecked=(3, 5), of="case")("no proof of an index", put("/events/1/proof", "x")),
        refused("no events", put("/events", []), of="case"),
        refused("an event that is no bundle", put("/events/1", {}), of="case"),
        refused("a field of a case bundle that is not listed", put("/remark", 1), of="case"),
        case(
            "an event under another note of the same tree head", _replaced("/events/3", again.bundle(CASE_ENTRIES[3]))
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
    return _log_of(signed=[(example.registration(9), CASE, "")])


def _package() -> list[Vector]:
    again = _cosigned(*((witness, COSIGNED_AT) for witness in WITNESSES))
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
            "a publication under another note of the same tree head",
            _replaced("/publications/0", again.bundle(PUBLISHED[0])),
        ),
        failing(1, of="package")(
            "I: publications of two forks", _replaced("/publications/0", _forked().bundle(PUBLISHED[0]))
        ),
        refused("no publication", put("/publications", []), of="package"),
    ]


def _published(*bodies: Body) -> tuple[Patch]:
    """Put a package of another log, in which these were published."""
    signed = [(body, example.MODEL, "p-0555") for body in bodies]
    return whole(_log_of(ledger().entries[-1], signed=signed, size=PUBLISHED[0]).package())


HALF = "\ud800"
BEYOND = "9007199254740992"  # 2^53
LONG = "9" * 5000

withheld = partial(Vector, unchecked=(8,))
# By file, what an unlisted field in an object makes of the bundle, and the paths of these objects.
LEVELS: tuple[tuple[str, partial[Vector], tuple[str, ...]], ...] = (
    ("bundle", refused, ("", "/envelope", "/envelope/stream")),
    ("bundle", Fails.payload, ("/payload", "/payload/authority", "/payload/body", "/payload/body/quantity")),
    ("bundle", Fails.payload, ("/payload/confidential", "/payload/stream")),
    ("bundle", Fails.section_form, ("/sections/narrative",)),
    ("bundle", Fails.authority, ("/authority", "/authority/agency", "/authority/agency/envelope")),
    ("bundle", Fails.authority, ("/authority/agency/payload", "/authority/agency/payload/body/profile")),
    ("bundle", Fails.authority, ("/authority/grant", "/authority/grant/payload/body")),
    ("bundle", Fails.block, ("/anchor", "/anchor/chain", "/anchor/anchor", "/anchor/registry")),
    ("bundle", Fails.block, ("/anchor/registry/storage_proof/0",)),
    # Optional evidence that is not of its form is told, and spoils nothing.
    ("erased", refused, ("/erased/0", "/erased/0/entry")),
    ("erased", withheld, ("/erased/0/entry/envelope", "/erased/0/entry/payload/body")),
    # The registry says that the key is revoked, and no entry that holds says when.
    ("revoked", Fails.registry, ("/authority/revocation", "/authority/revocation/payload/body")),
)
NULL: dict[str, Callable[..., Vector]] = {
    "/payload": Fails.payload,
    "/payload/authority": Fails.payload,
    "/sections": refused,
    "/sections/narrative": Fails.section_form,
    "/erased": refused,
    "/authority": Fails.authority,
    "/authority/revocation": Vector,
    "/anchor": Fails.block,
    "/anchor/block_note": untrusted,
    "/timestamps": Vector,
}


def level_vectors(files: dict[str, bytes]) -> list[Vector]:
    """Return faults of a file's bytes, and of fields at each level. ``files`` are published, and bytes are put in."""
    data = files["bundle.json"]
    end = len(data)
    levels = [(of, comes, path) for of, comes, paths in LEVELS for path in paths]
    return [
        refused("a byte order mark", edits=at(0, b"\xef\xbb\xbf")),
        refused("something behind the value", edits=at(end, "{}")),
        Vector("spaces before and behind", edits=(*at(end, " \n"), *at(0, "\t"))),
        refused("a comment", edits=at(end, "// x")),
        refused("33 levels", edits=inserted(data, "", f'"timestamps": {"[" * 32}{"]" * 32},')),
        Vector("32 levels", edits=inserted(data, "", f'"timestamps": {"[" * 31}{"]" * 31},')),
        *(
            comes(f"a field that is not listed: {path or 'the file'}", put(f"{path}/remark", "x"), of=of)
            for of, comes, path in levels
        ),
        *(
            distrusted(f"a field that is not listed: trust file{path}", trust=put(f"{path}/remark", "x"))
            for path in ("", "/chains/0")
        ),
        *(
            comes(
                f"a key twice: {path or 'the file'}",
                of=of,
                edits=inserted(files[f"{of}.json"], path, '"remark": 1, "remark": 1,'),
            )
            for of, comes, path in levels
        ),
        *(
            comes(
                f"a key twice: {path}/timestamps",
                edits=inserted(files[f"{comes.keywords['of']}.json"], path, '"timestamps": [{"a": 1, "a": 1}],'),
            )
            for path, comes in {"/events/0": case, "/publications/0": package}.items()
        ),
        *(comes(f"null: {path}", put(path, None)) for path, comes in NULL.items()),
        Fails.digest("null: /payload/previous, at sequence 1", put("/payload/previous", None)),
        *(refused(f"null: {path}", put(path, None)) for path in ("/envelope", "/proof")),
        *(refused(f"nothing: {path}", without(path)) for path in ("/envelope", "/proof")),
        *_everywhere(data, [path for of, _, path in levels if of == "bundle"]),
    ]


def _everywhere(data: bytes, levels: list[str]) -> Iterator[Vector]:
    """Half of a surrogate pair, or an integer beyond 2^53, makes the whole file no bundle, wherever it stands."""
    for path in (*levels, "/sections", "/authority/grant/envelope"):
        level = path or "the file"
        yield refused(f"half a surrogate pair: {level}", put(f"{path}/remark", HALF))
        yield refused(f"an integer of 2^53: {level}", edits=inserted(data, path, f'"remark": {BEYOND},'))
    unseen: dict[str, str | bytes] = {
        "half a surrogate pair in UTF-8": b'"timestamps": ["\xed\xa0\x80"],',
        "a byte that is no UTF-8": b'"timestamps": ["\xff"],',
        "an integer of -2^53": f'"timestamps": [-{BEYOND}],',
        "an integer of 5,000 digits": f'"timestamps": [{LONG}],',
        "half a surrogate pair, escaped": '"timestamps": ["\\udc00"],',
    }
    for name, more in unseen.items():
        yield refused(f"{name}: where nobody looks", edits=inserted(data, "", more))
    fine = '"timestamps": [9007199254740991, -9007199254740991, "\\ud834\\udd1e", "\\\\ud800", "99999999999999999999"],'
    yield Vector("the largest integers, and a pair: where nobody looks", edits=inserted(data, "", fine))
    yield distrusted("half a surrogate pair: trust file", trust=put("/origin", f"x{HALF}"))
