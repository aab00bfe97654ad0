"""Faults of a bundle: of the entry, the log and the key, of a whole case and a model package, and of the bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from msgspec.structs import replace

from ledger.core.events import Body, Stream
from ledger.core.log.notes import parse_note
from ledger.core.verification.bundle import BundleFile
from scripts.docs import example
from scripts.docs.example import (
    BY_COLLEAGUE,
    CASE,
    COSIGNED_AT,
    ERASURE,
    PUBLISHED,
    REGISTERED,
    REVOCATION,
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
    distrusted,
    failing,
    ledger,
    on_page,
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
# Where entries stand in bundle.json and erased.json: the agency's admission, the grant, the registration, its erasure.
ADMISSION, GRANT, SHOWN, ERASED = (f"/entries/{place}" for place in range(4))
NEXT = REGISTERED ^ 1  # beside which the registration stands in the tree
FUTURE = COSIGNED_AT + 6 + 301  # later by one second than the last witness allows
OWN = (11,)  # of an entry of the ledger itself this is not checked
no_grant = partial(unverifiable, unchecked=(10, 11))

UNFIT_SUITES = {"none": [], "not in order": [2, 1], "twice the same": [1, 1], "beyond a byte": [256]}


def entry_vectors() -> list[Vector]:
    """Return faults that one entry shows, but for those of the anchor."""
    return [
        *_as_it_is(),
        *_log(),
        *on_page("log", _witnesses()),
        *on_page("event", _sections()),
        *on_page("registry", _authority()),
        *on_page("event-types", _conformity()),
    ]


def _as_it_is() -> list[Vector]:
    withheld = partial(unverifiable, unchecked=(7, 9))
    return [
        Vector("as it is"),
        Vector("as it is: key revoked later", of="revoked"),
        Vector("as it is: section erased", unchecked=(9,), of="erased"),
        Vector("as it is: mirror of the registry", unchecked=OWN, of="mirror"),
        Vector("as it is: reads sealed", unchecked=OWN, of="sealed"),
        withheld("payload and sections withheld", without(f"{SHOWN}/payload", f"{SHOWN}/sections")),
        refused("payload withheld, and its section shown", without(f"{SHOWN}/payload")),
        Vector("sections withheld", without(f"{SHOWN}/sections"), unchecked=(9,)),
        no_grant("grant left out", without(GRANT)),
        no_grant("admission left out", without(ADMISSION)),
        *_inherited_names(),
        unverifiable("payload withheld of a mirror", without("/entries/0/payload"), unchecked=(7, 9, 11), of="mirror"),
    ]


def _inherited_names() -> list[Vector]:
    """Labels that are no fields of their own, and yet every object of some languages answers to them."""
    label, places = "constructor", ("/nodes", "/anchor", SHOWN, f"{SHOWN}/payload", f"{SHOWN}/sections")
    writer = example.Writer(example.entries()[:-1])
    writer.write(example.registration(3), example.CASE, sections={label: example.NARRATIVE})
    log = example.Ledger(writer.entries)
    bundle = log.bundle(len(log.entries) - 1)
    withheld = replace(bundle, entries=tuple(replace(entry, sections={}) for entry in bundle.entries))
    return [
        Vector("a section of a name that objects inherit", whole(bundle)),
        Vector("a section of a name that objects inherit, withheld", whole(withheld), unchecked=(9,)),
        Fails.sections(
            "a section of a name that objects inherit, which nobody committed to",
            put(f"{SHOWN}/sections/{label}", plain(example.NARRATIVE)),
        ),
        refused("a field whose name holds NUL", put(f"{SHOWN}/payload/body/\0", 1)),
        *(refused(f"a field of a name that objects inherit: {path}", put(f"{path}/__proto__", {})) for path in places),
    ]


def _log() -> list[Vector]:
    signature, note = ledger().entries[REGISTERED].envelope.signature, ledger().note
    lines = note.splitlines(keepends=True)
    node, size = f"/nodes/0~1{NEXT}", ledger().checkpoint.size
    envelope = f"{SHOWN}/envelope"
    return [
        Fails.ledger("another ledger", put("/log_id", OTHER)),
        failing(6, 8, unchecked=(10, 11, 12))(
            "another signature", put(f"{envelope}/signature", f"{signature[:10]}00{signature[12:]}")
        ),
        failing(8, unchecked=(6, 10, 11, 12))("a suite that nobody has", put(f"{envelope}/suite", 2)),
        failing(6, 8, unchecked=(10, 11, 12))("another agency", put(f"{envelope}/agency", "psb-west")),
        Fails.digest("another text", put(f"{SHOWN}/payload/body/description", "another telephone")),
        Fails.digest("another officer", put(f"{SHOWN}/payload/officer", "p-0999")),
        Fails.digest("another text, in a body of another form", put(f"{SHOWN}/payload/body", {"remark": "x"})),
        Fails.checkpoint("the note without its last newline", put("/note", note[:-1])),
        Fails.checkpoint("a note that is empty", put("/note", "")),
        Fails.checkpoint("F: the log's signature twice", put("/note", note.replace(lines[-3], lines[-3] * 2))),
        Vector("a signature of nobody known", put("/note", note + UNKNOWN_SIGNATURE)),
        Fails.inclusion("another node of the tree", put(node, "A" * 43 + "=")),
        unverifiable("a node of the tree left out", without(node), unchecked=(8, 10, 11, 12)),
        unverifiable("no node of the tree", without("/nodes"), unchecked=(8, 10, 11, 12)),
        Vector("a node of the tree that is not needed", put("/nodes/0~199", "A" * 43 + "=")),
        Fails.inclusion(
            "another index",
            (*put(f"{SHOWN}/index", NEXT), *put("/event", NEXT), *put(f"/nodes/0~1{REGISTERED}", "A" * 43 + "=")),
        ),
        Fails.inclusion("an index beyond the tree", (*put(f"{SHOWN}/index", size), *put("/event", size))),
        Fails.inclusion(
            "an index beyond the tree, and no nodes",
            (*put(f"{SHOWN}/index", size), *put("/event", size), *without("/nodes")),
        ),
        Fails.inclusion("the largest index", (*put(f"{SHOWN}/index", BEYOND - 1), *put("/event", BEYOND - 1))),
    ]


def _note(change: NoteChange) -> tuple[Patch]:
    return put("/note", change(ledger().note))


def _lines(*numbers: int) -> NoteChange:
    """Return the note with these of its lines: 0 the log's, 1 and 2 co-signatures."""
    signed = parse_note(ledger().note)
    return lambda _: str(type(signed)(signed.text, tuple(signed.signatures[number] for number in numbers)))


def _spoiled_alone(note: str) -> str:
    return spoiled_line(_lines(0, 1)(note))


def _dated(*times: tuple[int, int]) -> tuple[Patch]:
    """Put the note co-signed by these witnesses at these times."""
    cosignatures = [(WITNESSES[number - 1], time) for number, time in times]
    return _note(lambda _: example.cosigned(ledger().checkpoint, cosignatures))


def _witnesses() -> list[Vector]:
    lines = example.WITNESS_LINES
    long_before, after = (1, SIGNED_AT - 1000), (3, SIGNED_AT + 50)
    return [
        Fails.witnesses("F: a witness's line that does not hold, besides", _note(spoiled_line)),
        Fails.witnesses("F: the same line twice", _note(_lines(0, 1, 2, 2))),
        Vector("the lines in another order", _note(_lines(2, 0, 1))),
        unverifiable("one witness short of the quorum", _note(_lines(0, 1)), unchecked=(3,)),
        Fails.witnesses("one witness short of the quorum, by a line that does not hold", _note(_spoiled_alone)),
        Vector("co-signed in the first second and in the last one", _dated((1, 1), (3, 2**63 - 1))),
        Fails.time("co-signed twice in the first second", _dated((1, 1), (3, 1))),
        unverifiable("no witness", _note(_lines(0)), unchecked=(3,)),
        Vector("G: one witness dates the entry to 1970", _dated((1, 1), (2, COSIGNED_AT), (3, COSIGNED_AT))),
        Vector("G: as many as the quorum date it to 1970, and one does not", _dated((1, 1), (2, 2), (3, COSIGNED_AT))),
        Fails.time("G: all date it to 1970", _dated((1, 1), (2, 2), (3, 3))),
        Vector("H: signed after two witnesses and before the third", _dated(long_before, (2, SIGNED_AT - 900), after)),
        Vector("H: signed after two witnesses and before the third, and a line left out", _dated(long_before, after)),
        Fails.time("H: signed after all witnesses shown", _dated(long_before, (2, SIGNED_AT - 301))),
        Vector("H: as late after the last witness as the tolerance allows", _dated(long_before, (2, SIGNED_AT - 300))),
        unverifiable(
            "a quorum of a witness that did not sign",
            unchecked=(3, 4, 5, 11, 12),
            trust=policy(f"{lines}quorum w2\n"),
        ),
        failing(3, unchecked=(4, 5, 11, 12))(
            "no witness asked for, a line of one that does not hold",
            _note(spoiled_line),
            trust=(*policy(f"{lines}quorum none\n"), *put("/development", True)),
        ),
    ]


def _sections() -> list[Vector]:
    section = {"fields": {"text": "x"}, "salt": "00" * 16}
    withheld = partial(Vector, unchecked=(9,), of="erased")
    return [
        Fails.sections("another section", put(f"{SHOWN}/sections/narrative/fields/text", "x")),
        refused("a section of an entry that the bundle is not about", put(f"{GRANT}/sections", {"narrative": section})),
        Fails.sections("a section that nobody committed to", put(f"{SHOWN}/sections/other", section)),
        Fails.sections(
            "a section that nobody committed to, and one withheld", put(f"{SHOWN}/sections", {"other": section})
        ),
        Fails.sections("a section under another label", put(f"{SHOWN}/sections", {"other": plain(example.NARRATIVE)})),
        withheld("C: an erasure by an entry of another kind", _replaced(ERASED, SEALED)),
        withheld("C: an erasure that was edited", put(f"{ERASED}/payload/body/ground", "another")),
        withheld("erasure left out", without(ERASED)),
    ]


def _replaced(path: str, index: int) -> tuple[Patch, ...]:
    """Put another entry of the log in the place of one."""
    return (*without(path), *put(path, plain(ledger().entry(index))))


def _other(**changes: Any) -> tuple[Patch]:
    """Return the bundle of the registration in another log."""
    return whole(example.Ledger(example.entries(**changes)).bundle(REGISTERED))


def _authority() -> list[Vector]:
    other_key = put("/service_key_id", "0x" + "77" * 20)
    misshapen = _rewritten(1, {"remark": "x"})
    return [
        no_grant("a grant that was edited", put(f"{GRANT}/payload/body/valid_until", 1_900_000_000)),
        no_grant("a grant of a colleague", _replaced(GRANT, 2)),
        Vector("a grant of a colleague besides", put(SHOWN, plain(ledger().entry(2)))),
        Fails.authority("a grant that has ended", _other(valid_until=example.SIGNED_AT)),
        no_grant("a mirror in the name of an officer", _other(mirrored_by="p-0417")),
        Vector("a grant for another role", _other(roles=("auditor",)), conformity="contradicted"),
        no_grant("a grant of another form", whole(misshapen.file([REGISTERED], [1], event=REGISTERED))),
        no_grant("another key of the ledger", trust=other_key),
        no_grant("a ledger that takes another suite alone", trust=put("/suites", [2])),
        Fails.authority("a ledger that takes another suite alone, of a mirror", of="mirror", trust=put("/suites", [2])),
        Fails.authority("another key of the ledger, of a mirror", of="mirror", trust=other_key),
        *_by_suite_2(),
        failing(1, 6, unchecked=(4, 5, 10, 11))("a trust file of another ledger", trust=put("/log_id", OTHER)),
        # The time of step 12.
        Fails.time("H: signed in the future", _other(signed_at=FUTURE)),
        Vector("signed as late as the tolerance allows", _other(signed_at=FUTURE - 1)),
        Fails.authority("signed a year before", _other(signed_at=example.VALID_FROM - 1)),
    ]


def _by_suite_2() -> list[Vector]:
    """Evidence that only a verifier with suite 2 can judge, of a ledger that takes it."""
    taken = put("/suites", [1, 2])
    ended = example.entries(valid_until=example.SIGNED_AT)
    good = replace(ended[1].payload.body, valid_until=example.VALID_UNTIL)
    renewed, same = (
        whole(example.Ledger([*ended[:2], example.resigned(ended[2], body, suite=2), *ended[3:]]).bundle(REGISTERED))
        for body in (good, ended[1].payload.body)
    )
    revoked = whole(_rewritten(REVOCATION, suite=2).bundle(BY_COLLEAGUE))
    of_erased = whole(_rewritten(ERASURE, suite=2).file([REGISTERED], [ERASURE], event=REGISTERED))
    erased = (*of_erased, *without(f"{SHOWN}/sections"))
    of_colleague = partial(Vector, of="revoked")
    by_nobody = partial(no_grant, trust=taken)
    return [
        by_nobody("a grant by a suite that nobody has", whole(_rewritten(1, suite=2).bundle(REGISTERED))),
        by_nobody("an admission by a suite that nobody has", whole(_rewritten(0, suite=2).bundle(REGISTERED))),
        by_nobody("a grant that has ended, and another by a suite that nobody has", renewed),
        Fails.authority("a grant that has ended, and the same by a suite that nobody has", same, trust=taken),
        Fails.authority("a grant that has ended, and another by a suite that the ledger does not take", renewed),
        of_colleague("a revocation by a suite that nobody has", revoked, "unverifiable", unchecked=(11,), trust=taken),
        of_colleague("a revocation by a suite that the ledger does not take", revoked, "tampered", failed=(11,)),
        Vector("an erasure by a suite that nobody has", erased, unchecked=(9,), of="erased", trust=taken),
    ]


def _rewritten(index: int, body: Any = None, **envelope: Any) -> example.Ledger:
    """Return a log in which this entry has another body, or other fields of the envelope, as its signer wanted it."""
    entries = example.entries()
    entries[index] = example.resigned(entries[index], body, **envelope)
    return example.Ledger(entries)


def _conformity() -> list[Vector]:
    """Return events that their event types do not allow, which says nothing of their integrity."""
    contradicted = partial(Vector, conformity="contradicted")
    agency = Stream(kind="agency", id="psb-east")
    return [
        contradicted("a body that its event type does not have", whole(_registered({"remark": "x"}))),
        contradicted("a body of another event type", whole(_registered(event_type="item.sealed"))),
        contradicted("a stream that its event type does not belong to", whole(_registered(stream=agency))),
        contradicted("an event that the ledger itself signs", whole(_registered(event_type="access.sealed"))),
        Vector("an event type that is none", whole(_registered(event_type="item.lost"))),
    ]


def _described(text: str) -> Body:
    body: Body = replace(example.entries()[REGISTERED].payload.body, description=text)
    return body


def _registered(body: Any = None, **envelope: Any) -> BundleFile:
    return _rewritten(REGISTERED, body, **envelope).bundle(REGISTERED)


# -- whole cases and packages ------------------------------------------------------------------------------------------

# Where entries stand in case.json: three of the registry, a procedure and its adoption, the four of the case.
TEXT, ADOPTION, FIRST, SECOND, THIRD, FOURTH = (f"/entries/{place}" for place in range(3, 9))
case = partial(Vector, unchecked=(9,), of="case")  # what comes after its last event is not shown without the log
with_log = partial(Vector, of="case", with_log=True)
impossible_case = failing(7, 8, unchecked=(9,), of="case", conformity="contradicted")
package = partial(Vector, unchecked=(9,), of="package")
wrong_versions = partial(package, failed=(8,), conformity="contradicted")


def stream_vectors() -> list[Vector]:
    """Return faults that several entries show together."""
    of_cases = on_page("case-bundle", [*_case(), *_of_another_kind()])
    return [*of_cases, *on_page("package", _package())]


def _log_of(*last: example.Entry, signed: Sequence[tuple[Body, Stream, str]] = (), size: int = -1) -> example.Ledger:
    """Return a log of the first ``size`` entries of the example, of what was ``signed`` then, and of ``last`` ones."""
    writer = example.Writer(example.entries()[:size])
    for body, stream, officer in signed:
        writer.write(body, stream, officer)
    return example.Ledger([*writer.entries, *last])


def _case() -> list[Vector]:
    # Another last entry; the id of a registration, taken already.
    broken = _log_of(ledger().entries[-1], signed=[(example.registration(1), CASE, "")])
    indices = [index for index, entry in enumerate(broken.entries) if entry.envelope.stream == CASE]
    another_log = example.Ledger(example.entries(example.SIGNED_AT - 1)).case_bundle()
    fork = _log_of(signed=[(example.registration(9), CASE, "")], size=example.CASE_ENTRIES[-1])
    on_the_fork = plain(fork.case_bundle().entries[-1])
    not_judged = partial(Vector, of="case", conformity="not_checked")
    edited_adoption = put(f"{ADOPTION}/payload/salt", "00" * 16)
    misplaced = plain(ledger().entry(example.PROCEDURE_ENTRIES[1])) | {"index": SEALED}
    return [
        case("a case as it is"),
        with_log("a case as it is, with the log", completeness="shown"),
        case("D: the last event left out", without(FOURTH)),
        with_log("D: the last event left out, with the log", without(FOURTH), failed=(9,), completeness="contradicted"),
        case("D: a copy of another log", whole(another_log), with_log=True),
        impossible_case("an event left out in the middle", without(THIRD)),
        impossible_case("the first event left out", without(FIRST)),
        failing(1, 6, unchecked=(8, 9), of="case", conformity="not_checked")(
            "a case of another ledger", put("/log_id", OTHER)
        ),
        refused("a case of another name", put("/stream/id", "case-7f3b"), of="case"),
        not_judged(
            "a payload withheld",
            without(f"{SECOND}/payload", f"{SECOND}/sections"),
            "unverifiable",
            unchecked=(6, 8, 9),
        ),
        not_judged(
            "a payload edited",
            put(f"{SECOND}/payload/body/description", "another"),
            "tampered",
            failed=(6,),
            unchecked=(8, 9),
        ),
        case(
            "I: events of two forks",
            (*without(FOURTH), *put(FOURTH, on_the_fork)),
            "tampered",
            failed=(6,),
            unchecked=(7, 9),
        ),
        case("a section withheld", without(f"{SECOND}/sections")),
        case("an anchor left out", without("/anchor"), verdict="not_yet_anchored", unchecked=(4, 5, 6, 9)),
        unverifiable("an event that no node leads from", without(f"/nodes/0~1{NEXT}"), unchecked=(6, 7, 9), of="case"),
        # The first event that is out of order, or has no index, decides.
        case(
            "an event that no node leads from, and a gap behind it",
            (*without(f"/nodes/0~1{NEXT}"), *without(THIRD)),
            "unverifiable",
            failed=(8,),
            unchecked=(6, 7, 9),
            conformity="contradicted",
        ),
        failing(7, 8, unchecked=(6, 9), of="case", conformity="contradicted")(
            "an event behind a gap that no node leads from",
            (*without(f"/nodes/0~1{example.ERASURE}"), *without(SECOND)),
        ),
        failing(6, 7, 8, unchecked=(9,), of="case", conformity="contradicted")(
            "an event of another sequence", put(f"{FOURTH}/envelope/sequence", 4)
        ),
        refused("both an event and a stream", put("/event", REGISTERED), of="case"),
        refused("neither an event nor a stream", without("/stream"), of="case"),
        refused("no entry", put("/entries", []), of="case"),
        refused("two entries swapped", ({"op": "move", "from": SECOND, "path": FIRST},), of="case"),
        unverifiable("the admission of an agency left out", without("/entries/0"), unchecked=(6, 9), of="case"),
        not_judged("the adoption of its procedure left out", without(ADOPTION), unchecked=(8, 9)),
        not_judged("the adoption of its procedure edited", edited_adoption, unchecked=(8, 9)),
        case("an adoption besides that is not in the tree", put("/entries/9", misplaced)),
        not_judged("the text of its procedure edited", put(f"{TEXT}/payload/body/version", 2), unchecked=(8, 9)),
        case(
            "E: an act that the custody rules do not allow",
            whole(broken.case_bundle(indices)),
            failed=(8,),
            conformity="contradicted",
        ),
    ]


def _package() -> list[Vector]:
    first, second, third = map(example.model_version, (1, 2, 3))
    misdigested = replace(first, definition="id: another\n")
    published = "/entries/2/payload"
    not_judged = partial(Vector, of="package", conformity="not_checked")
    return [
        package("a package as it is"),
        package("D: a package without its last version", without("/entries/3")),
        wrong_versions("a package with a gap", _published(first, third)),
        refused("another model", put("/stream/id", "model-another"), of="package"),
        not_judged(
            "a definition that was edited", put(f"{published}/body/definition", "x"), "tampered", (6,), unchecked=(8, 9)
        ),
        not_judged("a publication withheld", without(published), "unverifiable", unchecked=(6, 8, 9)),
        wrong_versions("a definition with another digest, well signed", _published(misdigested, second)),
    ]


def _of_another_kind() -> list[Vector]:
    """Return bundles of the ledger's own stream, for which there are no rules."""
    system = partial(Vector, of="system", unchecked=(8, 9))
    return [
        system("a stream that is neither a case nor a model"),
        system("a stream that is neither, without its last event", without("/entries/7")),
        failing(7, of="system", unchecked=(8, 9))("a stream that is neither, with a gap", without("/entries/4")),
    ]


def _published(*bodies: Body) -> tuple[Patch]:
    """Put a package of another log, in which these were published."""
    signed = [(body, example.MODEL, "p-0555") for body in bodies]
    return whole(_log_of(ledger().entries[-1], signed=signed, size=PUBLISHED[0]).package())


# -- what is no bundle -------------------------------------------------------------------------------------------------

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
        Vector("a text that is not in form C", whole(_registered(_described("e\u0301")))),
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
        refused("an entry that is not the event's", put("/event", 3)),
        refused("a node by another name", put("/nodes/00~10", "A" * 43 + "=")),
        refused("a node of 31 bytes", put("/nodes/0~10", "A" * 42 + "==")),
        refused("an older format", put("/format", "tallystick/bundle@v0")),
        distrusted("a field that is not listed: trust file", trust=put("/remark", "x")),
        *(distrusted(f"suites that are {name}", trust=put("/suites", suites)) for name, suites in UNFIT_SUITES.items()),
        distrusted("a field that is not listed: a chain of the trust file", trust=put("/chains/0/remark", "x")),
        distrusted("half a surrogate pair: trust file", trust=put("/origin", f"x{HALF}")),
        untrusted("no anchor", without("/anchor")),
    ]


EMPTY: dict[str, Any] = {f"{SHOWN}/payload/authority": {}, "/timestamps": [], f"{GRANT}/sections": {}}


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
            "0999-12-31T00:00:00Z",
            "3000-01-01T00:00:00Z",
        ),
        f"{payload}/officer": ("", "0" * 32, "p-", "-p", "P-0417", "p_0417"),
        f"{payload}/salt": ("0" * 31, "0" * 33, "F" * 32),
        line: ("", "x" * 201, "a\nb", "a\x7f", "a\x85", "a\u2028"),
        f"{envelope}/agency": ("", "a" * 32, "Psb"),
        f"{envelope}/event_id": ("01940000-0000-6000-8000-000000000007", "01940000-0000-7000-7000-000000000007"),
        f"{envelope}/event_type": ("item.", "a" * 25 + ".b", "a." + "b" * 25, "item.sealed.x", "Item.sealed"),
        f"{envelope}/key_id": ("0x" + "00" * 19, "0x" + "AB" * 20, "00" * 20),
        f"{envelope}/payload_digest": ("sha256:" + "00" * 32, "blake3:" + "00" * 31, "blake3:" + "AB" * 32),
        f"{envelope}/previous": ("blake3:" + "00" * 32, "sha256:" + "00" * 31),
        f"{envelope}/sequence": (-1, "1", BEYOND),
        f"{envelope}/signed_at": (-1, BEYOND),
        f"{envelope}/suite": (0, 256, "1"),
        f"{envelope}/signature": ("0x", "0x0", "0xAB", "00"),
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
            edited(f"a value of its form: {path} {value[:40]}", put(path, value))
            for path in good
            for value in good[path]
        ),
        *(
            refused(f"a value of another form: {path} {str(value)[:40]!r}", put(path, value))
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
        signed("a signature of one byte", put(f"{envelope}/signature", "0x00")),
        failing(8, unchecked=(6, 10, 11, 12))("another suite, the last one", put(f"{envelope}/suite", 255)),
    ]
