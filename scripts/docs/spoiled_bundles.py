"""Faults of a bundle: of the entry, the log and the key, of a whole case and a model package."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from msgspec.structs import replace

from ledger.core.events import Body, Stream
from ledger.core.log.notes import parse_note
from ledger.core.verification.bundle import Bundle
from scripts.docs import example
from scripts.docs.example import (
    BY_COLLEAGUE,
    CASE,
    COSIGNED_AT,
    ERASURE,
    PROCEDURE_ENTRIES,
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
    failing,
    ledger,
    of_another,
    on_page,
    plain,
    policy,
    put,
    refused,
    repeated,
    spoiled_line,
    unverifiable,
    whole,
    without,
)

NoteChange = Callable[[str], str]

TEXT_OF_SECTION = example.NARRATIVE.fields["text"].encode()
UNKNOWN_SIGNATURE = "— stranger.example/s AAAAAAA=\n"  # five bytes: a key id and one more
# Where entries stand in bundle.json and erased.json: the agency's admission, the grant, the registration, its erasure.
ADMISSION, GRANT, SHOWN, ERASED = (f"/entries/{place}" for place in range(4))
NEXT = REGISTERED ^ 1  # beside which the registration stands in the tree
FUTURE = COSIGNED_AT + 6 + 301  # later by one second than the last witness allows
OWN = (11,)  # of an entry of the ledger itself this is not checked
no_grant = partial(unverifiable, unchecked=(10, 11))


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
        Fails.ledger("made to name another ledger", put("/log_id", OTHER)),
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
        Fails.checkpoint("the log's signature twice", put("/note", note.replace(lines[-3], lines[-3] * 2))),
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
        Fails.inclusion("the largest index", (*put(f"{SHOWN}/index", 2**53 - 1), *put("/event", 2**53 - 1))),
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
        Fails.witnesses("a witness's line that does not hold, besides", _note(spoiled_line)),
        Fails.witnesses("the same line twice", _note(_lines(0, 1, 2, 2))),
        Vector("the lines in another order", _note(_lines(2, 0, 1))),
        unverifiable("one witness short of the quorum", _note(_lines(0, 1)), unchecked=(3,)),
        Fails.witnesses("one witness short of the quorum, by a line that does not hold", _note(_spoiled_alone)),
        Vector("as late as the first of the policy's witnesses allows", _dated((1, SIGNED_AT - 300), (2, 1))),
        Vector("co-signed in the first second and in the last one", _dated((1, 1), (3, 2**63 - 1))),
        Fails.time("co-signed twice in the first second", _dated((1, 1), (3, 1))),
        unverifiable("no witness", _note(_lines(0)), unchecked=(3,)),
        Vector("one witness dates the entry to 1970", _dated((1, 1), (2, COSIGNED_AT), (3, COSIGNED_AT))),
        Vector("as many as the quorum date it to 1970, and one does not", _dated((1, 1), (2, 2), (3, COSIGNED_AT))),
        Fails.time("all date it to 1970", _dated((1, 1), (2, 2), (3, 3))),
        Vector("signed after two witnesses and before the third", _dated(long_before, (2, SIGNED_AT - 900), after)),
        Vector("signed after two witnesses and before the third, and a line left out", _dated(long_before, after)),
        Fails.time("signed after all witnesses shown", _dated(long_before, (2, SIGNED_AT - 301))),
        Vector("as late after the last witness as the tolerance allows", _dated(long_before, (2, SIGNED_AT - 300))),
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
        withheld("an erasure by an entry of another kind", _replaced(ERASED, SEALED)),
        withheld("an erasure that was edited", put(f"{ERASED}/payload/body/ground", "another")),
        withheld("erasure left out", without(ERASED)),
        Vector("a text that is not in form C", whole(_registered(_described("e\u0301")))),
        withheld("an erasure whose payload is withheld", without(f"{ERASED}/payload")),
        *_of_one_section(),
    ]


def _of_one_section() -> list[Vector]:
    """Return forms of a section that has other fields than the one that was signed."""
    section, text = f"{SHOWN}/sections/narrative", '"fields":{"text":"'
    return [
        *(
            Fails.sections(f"a section with a field {name}", put(f"{section}/fields/{name}", "x"))
            for name in ("a", "a1_", "z" * 32)
        ),
        *(
            refused(f"a section with a field {name!r}", put(f"{section}/fields/{name}", "x"))
            for name in ("", "A", "1a", "_a", "z" * 33)
        ),
        Fails.sections("a section of 4000 characters", edits=(repeated("😀", 4000, text, cut=len(TEXT_OF_SECTION)),)),
        refused("a section of 4001 characters", edits=(repeated("x", 4001, text, cut=len(TEXT_OF_SECTION)),)),
        refused("a section of an empty text", put(f"{section}/fields/text", "")),
        refused("a section of another salt", put(f"{section}/salt", "F" * 32)),
        refused("a section without salt", without(f"{section}/salt")),
        *(
            Fails.sections(
                f"a section under the label {label}", put(f"{SHOWN}/sections/{label}", plain(example.NARRATIVE))
            )
            for label in ("a", "a:1", "a_1:9999", "z" * 32)
        ),
        *(
            refused(f"a section under the label {label!r}", put(f"{SHOWN}/sections/{label}", plain(example.NARRATIVE)))
            for label in ("a:0", "a:", "a:10000", "1a", "z" * 33)
        ),
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
        of_another("a trust file of another ledger", trust=put("/log_id", OTHER)),
        of_another("a mirror, and a trust file of another ledger", of="mirror", trust=put("/log_id", OTHER)),
        # The time of step 12.
        Fails.time("signed in the future", _other(signed_at=FUTURE)),
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
        Vector(
            "a procedure adopted by a suite that nobody has",
            whole(_rewritten(PROCEDURE_ENTRIES[1], suite=2).case_bundle()),
            unchecked=(8, 9),
            of="case",
            conformity="not_checked",
            trust=taken,
        ),
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


def _registered(body: Any = None, **envelope: Any) -> Bundle:
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
    alone = put("/note", example.cosigned(ledger().checkpoint, ()))
    misplaced_last = example.entries()
    misplaced_last[example.ERASURE] = example.resigned(misplaced_last[example.ERASURE], previous="sha256:" + "00" * 32)
    misplaced = plain(ledger().entry(example.PROCEDURE_ENTRIES[1])) | {"index": SEALED}
    return [
        case("a case as it is"),
        with_log("a case as it is, with the log", completeness="shown"),
        case("the last event left out", without(FOURTH)),
        with_log("the last event left out, with the log", without(FOURTH), failed=(9,), completeness="contradicted"),
        with_log(
            "a case with the log, under a tree head that no quorum has co-signed",
            alone,
            "unverifiable",
            unchecked=(3, 6, 9),
        ),
        with_log(
            "the last event left out, with the log, under a tree head that no quorum has co-signed",
            (*without(FOURTH), *alone),
            "unverifiable",
            failed=(9,),
            unchecked=(3, 6),
            completeness="contradicted",
        ),
        case("a copy of another log", whole(another_log), with_log=True),
        impossible_case("an event left out in the middle", without(THIRD)),
        impossible_case("the first event left out", without(FIRST)),
        failing(1, 6, unchecked=(2, 3, 4, 5, 7, 8, 9), of="case", conformity="not_checked")(
            "a case that was made to name another ledger", put("/log_id", OTHER)
        ),
        case(
            "a case, and a trust file of another ledger",
            trust=put("/log_id", OTHER),
            verdict="other_ledger",
            failed=(1, 6),
            unchecked=(2, 3, 4, 5, 7, 8, 9),
            conformity="not_checked",
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
            "events of two forks",
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
        failing(7, 8, unchecked=(9,), of="case", conformity="contradicted")(
            "an event that names another as the one before, well signed",
            whole(example.Ledger(misplaced_last).case_bundle()),
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
            "an act that the custody rules do not allow",
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
        package("a package without its last version", without("/entries/3")),
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
