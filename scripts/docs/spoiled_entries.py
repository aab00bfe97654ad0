"""Faults of the entry, the log and the key: steps 1 to 9, and the time of step 13."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ledger.core.events import registry
from ledger.core.log.notes import parse_note
from scripts.docs import example
from scripts.docs.example import COSIGNED_AT, REGISTERED, SEALED, SIGNED_AT, WITNESSES
from scripts.docs.vector import (
    OTHER,
    Patch,
    Vector,
    copied,
    failing,
    fails_authority,
    fails_checkpoint,
    fails_digest,
    fails_inclusion,
    fails_payload,
    fails_section_form,
    fails_sections,
    fails_time,
    fails_witnesses,
    ledger,
    plain,
    policy,
    put,
    refused,
    spoiled_line,
    unverifiable,
    whole,
    without,
)

NoteChange = Callable[[str], str]

UNKNOWN_SIGNATURE = "— stranger.example/s AAAAAAA=\n"  # five bytes: a key id and one more
PROOFS = ("/proof", "/authority/agency/proof", "/authority/grant/proof")
FUTURE = COSIGNED_AT + 6 + 301  # later by one second than the last witness allows
OWN = (12,)  # of an entry of the ledger itself this is not checked


def vectors() -> list[Vector]:
    return [*_whole(), *_form(), *_log(), *_witnesses(), *_sections(), *_authority()]


def _whole() -> list[Vector]:
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
        fails_payload("a text that is not in form C", put(f"{body}/description", "e\u0301")),
        fails_payload("a text with NUL", put(f"{body}/description", "a\0b")),
        fails_payload("an empty list that section 2 leaves out", put(f"{body}/digests", [])),
        fails_payload("a number with a fraction", put("/payload/sequence", 1.5)),
        fails_section_form("a section without fields", put("/sections/narrative/fields", {})),
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
        fails_digest("another text", put("/payload/body/description", "another telephone")),
        fails_digest("another officer", put("/payload/officer", "p-0999")),
        fails_checkpoint("the note without its last newline", put("/proof", proof[:-1])),
        fails_checkpoint("F: the log's signature twice", put("/proof", proof.replace(lines[-3], lines[-3] * 2))),
        Vector("a signature of nobody known, in the entry's note alone", put("/proof", proof + UNKNOWN_SIGNATURE)),
        Vector("a signature of nobody known, in the notes of the evidence alone", _notes(signed_by_nobody, PROOFS[1:])),
        Vector(
            "evidence without the co-signatures",
            _notes(lambda note: "".join(note.splitlines(keepends=True)[:-2]), PROOFS[1:]),
        ),
        fails_authority(
            "evidence under a smaller tree head",
            _notes(lambda note: note.replace(f"\n{ledger().checkpoint.size}\n", "\n11\n"), PROOFS[2:]),
        ),
        Vector("a signature of nobody known, in every note", _notes(signed_by_nobody)),
        fails_inclusion("another index", put("/proof", proof.replace(f"index {REGISTERED}", "index 2"))),
        fails_inclusion("a hash too few", put("/proof", "".join(lines[:2] + lines[3:]))),
        fails_inclusion("a hash too many", put("/proof", "".join(lines[:3] + lines[2:]))),
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
        fails_witnesses("F: a witness's line that does not hold, besides", _notes(spoiled_line)),
        fails_witnesses("F: the same line twice", _notes(_lines(0, 1, 2, 2))),
        fails_witnesses(
            "F: the co-signature twice, in the entry's note alone",
            put("/proof", proof + proof.splitlines(keepends=True)[-1]),
        ),
        Vector("the lines in another order", _notes(_lines(2, 0, 1))),
        unverifiable("one witness short of the quorum", _notes(_lines(0, 1)), unchecked=(7,)),
        unverifiable("no witness", _notes(_lines(0)), unchecked=(7,)),
        Vector("G: one witness dates the entry to 1970", _dated((1, 1), (2, COSIGNED_AT), (3, COSIGNED_AT))),
        Vector("G: as many as the quorum date it to 1970, and one does not", _dated((1, 1), (2, 2), (3, COSIGNED_AT))),
        fails_time("G: all date it to 1970", _dated((1, 1), (2, 2), (3, 3))),
        Vector("H: signed after two witnesses and before the third", _dated(long_before, (2, SIGNED_AT - 900), after)),
        Vector("H: signed after two witnesses and before the third, and a line left out", _dated(long_before, after)),
        fails_time("H: signed after all witnesses shown", _dated(long_before, (2, SIGNED_AT - 301))),
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
        fails_sections("another section", put("/sections/narrative/fields/text", "x")),
        fails_sections(
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
        fails_authority("the grant in place of the admission", copied("/authority/grant", "/authority/agency")),
        fails_authority("the admission in place of the grant", copied("/authority/agency", "/authority/grant")),
        fails_authority("a grant that was edited", put(f"{body}/valid_until", 1_900_000_000)),
        fails_authority("a grant of a colleague", put("/authority/grant", plain(ledger().evidence(2)))),
        fails_authority("no grant", without("/authority/grant")),
        fails_authority("a grant that has ended", _other(valid_until=example.SIGNED_AT)),
        fails_authority("a mirror in the name of an officer", _other(mirrored_by="p-0417")),
        fails_authority("a grant for another role", _other(roles=("auditor",))),
        fails_authority("another key of the ledger", trust=other_key),
        fails_authority("another key of the ledger, of a mirror", of="mirror", trust=other_key),
        Vector(
            "C: authority of an entry of the ledger itself", put("/authority", {"x": 1}), unchecked=OWN, of="sealed"
        ),
        failing(2, 3, 9, unchecked=(10, 11, 12))("a trust file of another ledger", trust=put("/log_id", OTHER)),
        # The time of step 13.
        fails_time("H: signed in the future", _other(signed_at=FUTURE)),
        Vector("signed as late as the tolerance allows", _other(signed_at=FUTURE - 1)),
        fails_authority("signed a year before", _other(signed_at=example.VALID_FROM - 1)),
    ]
