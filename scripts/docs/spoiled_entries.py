"""Faults of the entry, the log and the key: steps 1 to 9, and the time of step 13."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger.core.events import registry
from ledger.core.log.notes import NoteSignature, parse_note
from scripts.docs import example
from scripts.docs.example import COSIGNED_AT, REGISTERED, SEALED, SIGNED_AT, WITNESSES
from scripts.docs.vector import NO_BUNDLE, OTHER, Patch, Vector, copied, ledger, plain, policy, put, whole, without

NoteChange = Callable[[str], str]

UNKNOWN_SIGNATURE = "— stranger.example/s AAAAAAA=\n"  # five bytes: a key id and one more
PROOFS = ("/proof", "/authority/agency/proof", "/authority/grant/proof")
FUTURE = COSIGNED_AT + 6 + 301  # later by one second than the last witness allows
OWN = (12,)  # of an entry of the ledger itself this is not checked


def vectors() -> list[Vector]:
    return [*_whole(), *_form(), *_log(), *_witnesses(), *_sections(), *_authority(), *_time()]


def _whole() -> list[Vector]:
    return [
        Vector("as it is", "intact"),
        Vector("as it is: key revoked later", "intact", of="revoked"),
        Vector("as it is: section erased", "intact", unchecked=(8,), of="erased"),
        Vector("as it is: mirror of the registry", "intact", unchecked=OWN, of="mirror"),
        Vector("as it is: reads sealed", "intact", unchecked=OWN, of="sealed"),
        Vector("what is not signed may be empty", "intact", file=put("/erased", [])),
        Vector("payload withheld", "unverifiable", unchecked=(4, 8), file=without("/payload")),
        Vector(
            "payload and sections withheld",
            "unverifiable",
            unchecked=(4, 8),
            file=(*without("/payload"), *without("/sections")),
        ),
        Vector("sections withheld", "intact", unchecked=(8,), file=without("/sections")),
        Vector("authority left out", "unverifiable", unchecked=(9, 12), file=without("/authority")),
        Vector(
            "payload withheld of a mirror", "unverifiable", unchecked=(4, 8, 12), of="mirror", file=without("/payload")
        ),
    ]


def _form() -> list[Vector]:
    lines = example.bundle().proof.splitlines(keepends=True)
    body = "/payload/body"
    return [
        Vector("a text that is not in form C", "tampered", (1,), (4, 8), file=put(f"{body}/description", "e\u0301")),
        Vector("a text with NUL", "tampered", (1,), (4, 8), file=put(f"{body}/description", "a\0b")),
        Vector("an empty list that section 2 leaves out", "tampered", (1,), (4, 8), file=put(f"{body}/digests", [])),
        Vector("a number with a fraction", "tampered", (1,), (4, 8), file=put("/payload/sequence", 1.5)),
        Vector("a section without fields", "tampered", (1,), (8,), file=put("/sections/narrative/fields", {})),
        Vector(
            "two extra lines",
            "tampered",
            (1,),
            (5, 6, 7, 9, 11, 12, 13),
            file=put("/proof", lines[0] + "extra AA==\n" * 2 + "".join(lines[1:])),
        ),
        Vector("an extra line", "intact", file=put("/proof", lines[0] + "extra AA==\n" + "".join(lines[1:]))),
        Vector("a label that is none", NO_BUNDLE, file=put("/sections/Narrative", {})),
    ]


def _log() -> list[Vector]:
    proof, signature = example.bundle().proof, ledger().entries[REGISTERED].envelope.signature
    lines = proof.splitlines(keepends=True)
    no_index = (9, 12, 13)
    return [
        Vector("another ledger", "tampered", (2,), file=put("/log_id", OTHER)),
        Vector(
            "another signature",
            "tampered",
            (3, 6),
            no_index,
            file=put("/envelope/signature", f"{signature[:10]}00{signature[12:]}"),
        ),
        Vector("another text", "tampered", (4,), (8,), file=put("/payload/body/description", "another telephone")),
        Vector("another officer", "tampered", (4,), (8,), file=put("/payload/officer", "p-0999")),
        Vector(
            "the note without its last newline",
            "tampered",
            (5,),
            (6, 7, 9, 11, 12, 13),
            file=put("/proof", proof[:-1]),
        ),
        Vector(
            "F: the log's signature twice",
            "tampered",
            (5,),
            (6, 7, 9, 11, 12, 13),
            file=put("/proof", proof.replace(lines[-3], lines[-3] * 2)),
        ),
        Vector(
            "a signature of nobody known, in the entry's note alone",
            "intact",
            file=put("/proof", proof + UNKNOWN_SIGNATURE),
        ),
        Vector(
            "a signature of nobody known, in the notes of the evidence alone",
            "intact",
            file=tuple(
                patch
                for path, shown in zip(PROOFS[1:], _proofs()[1:], strict=True)
                for patch in put(path, shown + UNKNOWN_SIGNATURE)
            ),
        ),
        Vector(
            "evidence without the co-signatures",
            "intact",
            file=tuple(
                patch
                for path, shown in zip(PROOFS[1:], _proofs()[1:], strict=True)
                for patch in put(path, "".join(shown.splitlines(keepends=True)[:-2]))
            ),
        ),
        Vector(
            "evidence under a smaller tree head",
            "tampered",
            (9,),
            (12,),
            file=put(PROOFS[2], _proofs()[2].replace(f"\n{ledger().checkpoint.size}\n", "\n11\n")),
        ),
        Vector(
            "a signature of nobody known, in every note", "intact", file=_notes(lambda note: note + UNKNOWN_SIGNATURE)
        ),
        Vector(
            "another index",
            "tampered",
            (6,),
            no_index,
            file=put("/proof", proof.replace(f"index {REGISTERED}", "index 2")),
        ),
        Vector("a hash too few", "tampered", (6,), no_index, file=put("/proof", "".join(lines[:2] + lines[3:]))),
        Vector("a hash too many", "tampered", (6,), no_index, file=put("/proof", "".join(lines[:3] + lines[2:]))),
    ]


def _notes(change: NoteChange) -> tuple[Patch, ...]:
    """Put all proofs of the bundle under a note that is changed alike."""
    patches: list[Patch] = []
    for path, proof in zip(PROOFS, _proofs(), strict=True):
        head, _, note = proof.partition("\n\n")
        patches += put(path, f"{head}\n\n{change(note)}")
    return tuple(patches)


def _proofs() -> tuple[str, ...]:
    """Return the proofs that stand at PROOFS."""
    grant = ledger().index_of(registry.KeyGranted, example.key_id(example.OFFICER_KEY))
    assert grant is not None
    return ledger().bundle(REGISTERED).proof, ledger().proof(0), ledger().proof(grant)


def _lines(*numbers: int) -> NoteChange:
    """Return the note with these of its lines: 0 the log's, 1 and 2 co-signatures."""
    signed = parse_note(ledger().note)
    return lambda _: str(type(signed)(signed.text, tuple(signed.signatures[number] for number in numbers)))


def _at(*times: tuple[int, int]) -> NoteChange:
    """Return the note co-signed by these witnesses at these times."""
    return lambda _: example.cosigned(ledger().checkpoint, [(WITNESSES[number - 1], time) for number, time in times])


def _spoiled_line(note: str) -> str:
    signed = parse_note(note)
    last = signed.signatures[-1]
    line = NoteSignature(last.name, last.key_id, last.signature[:-1] + bytes([last.signature[-1] ^ 1]))
    return str(type(signed)(signed.text, (*signed.signatures[:-1], line)))


def _witnesses() -> list[Vector]:
    lines = example.WITNESS_LINES
    proof = example.bundle().proof
    return [
        Vector("F: a witness's line that does not hold, besides", "tampered", (7,), file=_notes(_spoiled_line)),
        Vector("F: the same line twice", "tampered", (7,), file=_notes(_lines(0, 1, 2, 2))),
        Vector(
            "F: the co-signature twice, in the entry's note alone",
            "tampered",
            (7,),
            file=put("/proof", proof + proof.splitlines(keepends=True)[-1]),
        ),
        Vector("the lines in another order", "intact", file=_notes(_lines(2, 0, 1))),
        Vector("one witness short of the quorum", "unverifiable", unchecked=(7,), file=_notes(_lines(0, 1))),
        Vector("no witness", "unverifiable", unchecked=(7,), file=_notes(_lines(0))),
        Vector(
            "G: one witness dates the entry to 1970",
            "intact",
            file=_notes(_at((1, 1), (2, COSIGNED_AT), (3, COSIGNED_AT))),
        ),
        Vector(
            "G: as many as the quorum date it to 1970, and one does not",
            "intact",
            file=_notes(_at((1, 1), (2, 2), (3, COSIGNED_AT))),
        ),
        Vector("G: all date it to 1970", "tampered", (13,), file=_notes(_at((1, 1), (2, 2), (3, 3)))),
        Vector(
            "H: signed after two witnesses and before the third",
            "intact",
            file=_notes(_at((1, SIGNED_AT - 1000), (2, SIGNED_AT - 900), (3, SIGNED_AT + 50))),
        ),
        Vector(
            "H: signed after two witnesses and before the third, and a line left out",
            "intact",
            file=_notes(_at((1, SIGNED_AT - 1000), (3, SIGNED_AT + 50))),
        ),
        Vector(
            "H: signed after all witnesses shown",
            "tampered",
            (13,),
            file=_notes(_at((1, SIGNED_AT - 1000), (2, SIGNED_AT - 301))),
        ),
        Vector(
            "H: as late after the last witness as the tolerance allows",
            "intact",
            file=_notes(_at((1, SIGNED_AT - 1000), (2, SIGNED_AT - 300))),
        ),
        Vector(
            "a quorum of a witness that did not sign",
            "unverifiable",
            unchecked=(7, 10, 11, 12, 13),
            trust=policy(f"{lines}quorum w2\n"),
        ),
        Vector(
            "no witness asked for, a line of one that does not hold",
            "tampered",
            (7,),
            (10, 11, 12, 13),
            file=_notes(_spoiled_line),
            trust=(*policy(f"{lines}quorum none\n"), *put("/development", True)),
        ),
    ]


def _sections() -> list[Vector]:
    other_entry = put("/erased/0/entry", _plain_evidence(SEALED))
    return [
        Vector("another section", "tampered", (8,), file=put("/sections/narrative/fields/text", "x")),
        Vector(
            "a section that nobody committed to",
            "tampered",
            (8,),
            file=put("/sections/other", {"fields": {"text": "x"}, "salt": "00" * 16}),
        ),
        Vector(
            "C: an erasure of another label",
            "intact",
            unchecked=(8,),
            of="erased",
            file=put("/erased/0/label", "other"),
        ),
        Vector("C: an erasure by an entry of another kind", "intact", unchecked=(8,), of="erased", file=other_entry),
        Vector(
            "C: an erasure that was edited",
            "intact",
            unchecked=(8,),
            of="erased",
            file=put("/erased/0/entry/payload/body/ground", "another"),
        ),
        Vector("erasure left out", "intact", unchecked=(8,), of="erased", file=without("/erased")),
    ]


def _plain_evidence(index: int) -> Any:
    return plain(ledger().evidence(index))


def _other(**changes: Any) -> tuple[Patch]:
    """Return the bundle of the registration in another log."""
    return whole(example.Ledger(example.entries(**changes)).bundle(REGISTERED))


def _authority() -> list[Vector]:
    body = "/authority/grant/payload/body"
    return [
        Vector(
            "the grant in place of the admission",
            "tampered",
            (9,),
            (12,),
            file=copied("/authority/grant", "/authority/agency"),
        ),
        Vector(
            "the admission in place of the grant",
            "tampered",
            (9,),
            (12,),
            file=copied("/authority/agency", "/authority/grant"),
        ),
        Vector("a grant that was edited", "tampered", (9,), (12,), file=put(f"{body}/valid_until", 1_900_000_000)),
        Vector("a grant of a colleague", "tampered", (9,), (12,), file=put("/authority/grant", _plain_evidence(2))),
        Vector("no grant", "tampered", (9,), (12,), file=without("/authority/grant")),
        Vector("a grant that has ended", "tampered", (9,), (12,), file=_other(valid_until=example.SIGNED_AT)),
        Vector("a mirror in the name of an officer", "tampered", (9,), (12,), file=_other(mirrored_by="p-0417")),
        Vector("a grant for another role", "tampered", (9,), (12,), file=_other(roles=("auditor",))),
        Vector("another key of the ledger", "tampered", (9,), (12,), trust=put("/service_key_id", "0x" + "77" * 20)),
        Vector(
            "another key of the ledger, of a mirror",
            "tampered",
            (9,),
            OWN,
            of="mirror",
            trust=put("/service_key_id", "0x" + "77" * 20),
        ),
        Vector(
            "C: authority of an entry of the ledger itself",
            "intact",
            unchecked=OWN,
            of="sealed",
            file=put("/authority", {"x": 1}),
        ),
        Vector("a trust file of another ledger", "tampered", (2, 3, 9), (10, 11, 12), trust=put("/log_id", OTHER)),
    ]


def _time() -> list[Vector]:
    return [
        Vector("H: signed in the future", "tampered", (13,), file=_other(signed_at=FUTURE)),
        Vector("signed as late as the tolerance allows", "intact", file=_other(signed_at=FUTURE - 1)),
        Vector("signed a year before", "tampered", (9,), (12,), file=_other(signed_at=example.VALID_FROM - 1)),
    ]
