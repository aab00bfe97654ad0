"""A vector: one of the example's files, spoiled in one place, and what a verifier must say of it, step by step."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import msgspec

from ledger.core.encoding import canonical
from ledger.core.log.notes import NoteSignature, SignedNote, parse_note
from scripts.docs import example

NO_BUNDLE = "no bundle"
NO_TRUST_FILE = "no trust file"
OTHER = "0x" + "00" * 32  # bytes that stand for none of the ledger's
STEPS = {"case": 5, "package": 4}  # of the others 13
BY_DEFAULT = {"case": ("shown", "not_checked")}  # conformity and completeness

Patch = dict[str, Any]  # an operation of RFC 6902
Edit = dict[str, Any]  # ``put`` or ``put_hex`` at byte ``at`` of the file as it is published, in place of ``cut`` bytes


@dataclass(frozen=True)
class Vector:
    """Changes of a file and of the trust file, the verdict, and the numbers of the steps that are not checked or fail.

    ``of`` is a file of docs/examples. ``with_log``: the verifier is given the entries of log.jsonl besides. ``time`` is
    that of step 13 (unix seconds), for a verifier that checks timestamps.
    """

    name: str
    file: tuple[Patch, ...] = ()
    verdict: str = "intact"
    failed: tuple[int, ...] = ()
    unchecked: tuple[int, ...] = ()
    of: str = "bundle"
    edits: tuple[Edit, ...] = ()
    trust: tuple[Patch, ...] = ()
    conformity: str = ""
    completeness: str = ""
    with_log: bool = False
    time: int = 0

    @property
    def steps(self) -> list[str]:
        """Return the status of each step, in order."""
        if self.verdict in (NO_BUNDLE, NO_TRUST_FILE):
            return []
        named = dict.fromkeys(self.failed, "failed") | dict.fromkeys(self.unchecked, "not_checked")
        return [named.get(number, "checked") for number in range(1, STEPS.get(self.of, 13) + 1)]

    def as_json(self) -> dict[str, Any]:
        """Return the vector as it is published, what is empty left out."""
        conformity, completeness = BY_DEFAULT.get(self.of, ("not_checked", "not_checked"))
        answers = {"conformity": self.conformity or conformity, "completeness": self.completeness or completeness}
        changes = {name: getattr(self, name) for name in ("file", "edits", "trust", "with_log", "time")}
        return (
            {"name": self.name, "of": f"{self.of}.json", "verdict": self.verdict}
            | ({"steps": self.steps} | answers if self.steps else {})
            | {name: change for name, change in changes.items() if change}
        )


def failing(*steps: int, unchecked: tuple[int, ...] = (), **more: Any) -> partial[Vector]:
    """Make vectors in which exactly these steps fail."""
    return partial(Vector, verdict="tampered", failed=steps, unchecked=unchecked, **more)


refused = partial(Vector, verdict=NO_BUNDLE)
distrusted = partial(Vector, verdict=NO_TRUST_FILE)
unverifiable = partial(Vector, verdict="unverifiable")
untrusted = partial(Vector, verdict="not_yet_anchored", unchecked=(10, 11, 12))
quorum_of_none = partial(Vector, verdict="not_yet_anchored", unchecked=(7, 10, 11, 12, 13))


class Fails:
    """Makers of vectors in which one step fails, and those after it that need what it shows are not checked."""

    payload = failing(1, unchecked=(4, 8))
    section_form = failing(1, unchecked=(8,))
    digest = failing(4, unchecked=(8,))
    checkpoint = failing(5, unchecked=(6, 7, 9, 11, 12, 13))
    inclusion = failing(6, unchecked=(9, 12, 13))
    witnesses, sections = failing(7), failing(8)
    authority = failing(9, unchecked=(12,))
    block = failing(10, unchecked=(11, 12))
    anchor, registry, time = failing(11), failing(12), failing(13)


def put(path: str, value: Any) -> tuple[Patch]:
    """Put another value in one place; a place that was not there is made ("add" of RFC 6902 does both in an object)."""
    return ({"op": "add", "path": path, "value": value},)


def without(*paths: str) -> tuple[Patch, ...]:
    return tuple({"op": "remove", "path": path} for path in paths)


def copied(source: str, path: str) -> tuple[Patch]:
    return ({"op": "copy", "from": source, "path": path},)


def whole(part: Any) -> tuple[Patch]:
    """Another file altogether."""
    return put("", plain(part))


def plain(part: Any) -> Any:
    """Return a struct as JSON has it."""
    return msgspec.json.decode(canonical.encode(part))


def spoiled_line(note: str, number: int = -1) -> str:
    """Return the note with a bit of this signature line flipped."""
    signed = parse_note(note)
    lines = list(signed.signatures)
    flipped = lines[number].signature[:-1] + bytes([lines[number].signature[-1] ^ 1])
    lines[number] = NoteSignature(lines[number].name, lines[number].key_id, flipped)
    return str(SignedNote(signed.text, tuple(lines)))


def policy(text: str) -> tuple[Patch]:
    return put("/witness_policy", text)


def inserted(data: bytes, path: str, more: str | bytes) -> tuple[Edit]:
    """Something more at the beginning of the object or list at a path of a file; bytes need be no text."""
    return at(openings(data)[path], more)


def at(place: int, more: str | bytes) -> tuple[Edit]:
    """Something more at this byte of a file."""
    return ({"at": place, "cut": 0} | ({"put_hex": more.hex()} if isinstance(more, bytes) else {"put": more}),)


@cache
def openings(data: bytes) -> dict[str, int]:
    """Find where each object and list of an indented file begins: the byte after its bracket, by path (RFC 6901)."""
    places: dict[str, int] = {}
    above: list[tuple[str, int]] = []  # path of what is open, and how many of its items have begun
    at = 0
    for line in data.splitlines(keepends=True):
        text = line.decode().strip().rstrip(",")
        if text[:1] in ("}", "]"):
            above.pop()
        else:
            path = ""
            if above:
                parent, number = above[-1]
                above[-1] = (parent, number + 1)
                key = json.loads(text.split(": ")[0]) if text.startswith('"') and '": ' in text else str(number)
                path = f"{parent}/{key}"
            if text.endswith(("{", "[")):
                places[path] = at + len(line.decode().rstrip("\n").encode())
                above.append((path, 0))
        at += len(line)
    return places


@cache
def ledger() -> example.Ledger:
    """Return the ledger of the published files."""
    return example.Ledger(example.entries())
