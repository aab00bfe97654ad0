"""A vector: one of the example's files, spoiled in one place, and what a verifier must say of it, step by step."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from functools import cache, partial
from typing import Any

import msgspec

from ledger.core.encoding import canonical
from ledger.core.log.notes import NoteSignature, SignedNote, parse_note
from ledger.core.verification.bundle import Bundle, encode_bundle
from scripts.docs import example

NO_BUNDLE = "no bundle"
NO_TRUST_FILE = "no trust file"
OTHER = "0x" + "00" * 32  # bytes that stand for none of the ledger's
STEPS = {"case": 9, "package": 9, "system": 9, "whole": 9, "absent": 7}  # of the others 12
BY_DEFAULT = {  # conformity and completeness
    "case": ("shown", "not_checked"),
    "package": ("shown", "not_checked"),
    "whole": ("shown", "shown"),
    "absent": ("not_checked", "shown"),
}

Patch = dict[str, Any]  # an operation of RFC 6902; the result is written as canonical JSON
# ``put`` or ``put_hex``, so many ``times``, at byte ``at`` of the file as it is published, in place of ``cut`` bytes.
Edit = dict[str, Any]


@dataclass(frozen=True)
class Vector:
    """Changes of a file and of the trust file, the verdict, and the numbers of the steps that are not checked or fail.

    ``of`` is a file of docs/examples. ``with_log``: the verifier is given the entries of log.jsonl besides. ``time`` is
    that of step 12 (unix seconds), for a verifier that checks timestamps. ``page`` is the one of docs/protocol that
    says what is wrong.
    """

    name: str
    file: tuple[Patch, ...] = ()
    verdict: str = "intact"
    failed: tuple[int, ...] = ()
    unchecked: tuple[int, ...] = ()
    of: str = "bundle"
    edits: tuple[Edit, ...] = ()
    trust: tuple[Patch, ...] = ()
    trust_edits: tuple[Edit, ...] = ()
    conformity: str = ""
    completeness: str = ""
    with_log: bool = False
    time: int = 0
    page: str = "bundle"

    @property
    def steps(self) -> list[str]:
        """Return the status of each step, in order."""
        if self.verdict in (NO_BUNDLE, NO_TRUST_FILE):
            return []
        named = dict.fromkeys(self.failed, "failed") | dict.fromkeys(self.unchecked, "not_checked")
        return [named.get(number, "checked") for number in range(1, STEPS.get(self.of, 12) + 1)]

    def as_json(self, files: Mapping[str, bytes]) -> dict[str, Any]:
        """Return the vector as it is published, what is empty left out. ``files`` are published, by name."""
        conformity, completeness = BY_DEFAULT.get(self.of, ("not_checked", "not_checked"))
        answers = {"conformity": self.conformity or conformity, "completeness": self.completeness or completeness}
        changes = {name: getattr(self, name) for name in ("file", "edits", "trust", "trust_edits", "with_log", "time")}
        if self.file and isinstance(self.file[0].get("value"), dict):
            first, *rest = self.file
            # Of a part that another operation leaves out, as "/anchor", no difference need be published.
            gone = tuple(
                f"{patch['path']}/" for patch in rest if patch["op"] == "remove" and patch["path"].count("/") == 1
            )
            differing = _briefly(first, json.loads(files[f"{self.of}.json"]))
            changes["file"] = (*(patch for patch in differing if not patch["path"].startswith(gone)), *rest)
        return (
            {"name": self.name, "page": self.page, "of": f"{self.of}.json", "verdict": self.verdict}
            | ({"steps": self.steps} | answers if self.steps else {})
            | {name: change for name, change in changes.items() if change}
        )


def on_page(page: str, vectors: Iterable[Vector]) -> list[Vector]:
    """Return the vectors as those of a page."""
    return [replace(vector, page=page) for vector in vectors]


def failing(*steps: int, unchecked: tuple[int, ...] = (), **more: Any) -> partial[Vector]:
    """Make vectors in which exactly these steps fail."""
    return partial(Vector, verdict="tampered", failed=steps, unchecked=unchecked, **more)


refused = partial(Vector, verdict=NO_BUNDLE)
distrusted = partial(Vector, verdict=NO_TRUST_FILE)
of_another = partial(Vector, verdict="other_ledger", failed=(1,), unchecked=(2, 3, 4, 5, 8, 10, 11, 12))
unverifiable = partial(Vector, verdict="unverifiable")
by_no_key_of_the_log = partial(Vector, verdict="unverifiable", unchecked=(2, 3, 5, 8, 10, 11, 12))
untrusted = partial(Vector, verdict="not_yet_anchored", unchecked=(4, 5, 11))
quorum_of_none = partial(Vector, verdict="not_yet_anchored", unchecked=(3, 4, 5, 11, 12))


class Fails:
    """Makers of vectors in which one step fails, and those after it that need what it shows are not checked."""

    ledger = failing(1, 6, unchecked=(2, 3, 4, 5, 8, 10, 11, 12))
    checkpoint = failing(2, unchecked=(3, 5, 8, 10, 11, 12))
    witnesses = failing(3)
    block = failing(4, unchecked=(5, 11))
    anchor = failing(5)
    signature = failing(6)
    digest = failing(7, unchecked=(9,))
    inclusion = failing(8, unchecked=(10, 11, 12))
    sections = failing(9)
    authority = failing(10, unchecked=(11,))
    registry, time = failing(11), failing(12)


def put(path: str, value: Any) -> tuple[Patch]:
    """Put another value in one place; a place that was not there is made ("add" of RFC 6902 does both in an object)."""
    return ({"op": "add", "path": path, "value": value},)


def without(*paths: str) -> tuple[Patch, ...]:
    return tuple({"op": "remove", "path": path} for path in paths)


def copied(source: str, path: str) -> tuple[Patch]:
    return ({"op": "copy", "from": source, "path": path},)


def whole(part: Any) -> tuple[Patch]:
    """Another file altogether; published are its differences."""
    return put("", plain(part))


def _briefly(patch: Patch, file: Any) -> list[Patch]:
    """Return operations that do the same to a file, where it has an object in that place already."""
    for step in patch["path"].split("/")[1:]:
        file = file.get(step) if isinstance(file, dict) else None
    return differences(file, patch["value"], patch["path"]) if isinstance(file, dict) else [patch]


def differences(before: Any, after: Any, path: str = "") -> list[Patch]:
    """Return the operations that make one value of JSON out of another."""
    if isinstance(before, dict) and isinstance(after, dict):
        names = {name: f"{path}/{name.replace('~', '~0').replace('/', '~1')}" for name in sorted({*before, *after})}
        gone = [patch for name in names if name not in after for patch in without(names[name])]
        new = [patch for name in names if name not in before for patch in put(names[name], after[name])]
        kept = (
            differences(before[name], after[name], names[name]) for name in names if name in before and name in after
        )
        return [*gone, *new, *(patch for patches in kept for patch in patches)]
    if isinstance(before, list) and isinstance(after, list):
        return _differences_of_lists(before, after, path)
    return [] if json.dumps(before) == json.dumps(after) else [{"op": "replace", "path": path, "value": after}]


def _differences_of_lists(before: list[Any], after: list[Any], path: str) -> list[Patch]:
    """Do the same for lists, from the last place to the first, so that no operation moves the place of the next."""
    spelled = [[json.dumps(value, sort_keys=True) for value in values] for values in (before, after)]
    patches: list[Patch] = []
    matched = SequenceMatcher(None, spelled[0], spelled[1], autojunk=False)
    for kind, start, end, first, last in reversed(matched.get_opcodes()):
        if kind == "equal":
            continue
        both = min(end - start, last - first)
        gone = [f"{path}/{place}" for place in reversed(range(start + both, end))]
        new = [put(f"{path}/{start + both}", after[place])[0] for place in reversed(range(first + both, last))]
        pairs = (
            differences(before[start + step], after[first + step], f"{path}/{start + step}") for step in range(both)
        )
        patches += [*without(*gone), *new, *(patch for pair in pairs for patch in pair)]
    return patches


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


def at(place: int, more: str | bytes) -> tuple[Edit]:
    """Something more at this byte of a file."""
    return ({"at": place, "cut": 0} | ({"put_hex": more.hex()} if isinstance(more, bytes) else {"put": more}),)


def repeated(more: str, times: int, behind: str, cut: int = 0, file: Bundle | None = None) -> Edit:
    """So many times the same behind a text that bundle.json or another file has, in place of ``cut`` bytes."""
    place = encode_bundle(file or example.bundle()).rindex(behind.encode()) + len(behind.encode())
    return {"at": place, "cut": cut, "put": more, "times": times}


@cache
def ledger() -> example.Ledger:
    """Return the ledger of the published files."""
    return example.Ledger(example.entries())
