"""The format of a sealed folder: a BagIt bag (RFC 8493) that names its item, with manifests in BLAKE3 and SHA-256.

``docs/evidence.md`` describes its content and defines the digest of a bag.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import msgspec
from msgspec import Struct

from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import convert
from ledger.core.encoding.digests import Algorithm, Digest
from ledger.core.errors import IntegrityBroken, MalformedInput
from ledger.core.events.terms import Bytes32, CaseId, ItemId
from ledger.evidence.folder import Folder
from ledger.evidence.hashing import hash_open
from ledger.evidence.names import MAX_PATH_LENGTH, printable, read_spelling, require_inside, spell

DECLARATION = "bagit.txt"
INFO = "bag-info.txt"
PAYLOAD = "data"
DECLARED = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
MAX_INFO_LENGTH = 1024 * 1024  # bytes
MAX_LINE_LENGTH = 3 * MAX_PATH_LENGTH + 80  # bytes: a path may be escaped throughout

_DECLARATION = re.compile(rb"BagIt-Version: (?:0\.97|1\.0)\r?\nTag-File-Character-Encoding: UTF-8\s*")
_LINE = re.compile(r"([0-9a-fA-F]{64})[ \t]+\*?(?:\./)?(.+)")


class BagBinding(Struct, frozen=True):
    """The item that the bag belongs to, the case that it was sealed for, and the ledger."""

    case_id: CaseId
    item_id: ItemId
    log_id: Bytes32


def binding(**ids: str | None) -> BagBinding:
    """Return the binding of these ids. Raises MalformedInput, naming the id, for one of another form."""
    try:
        return convert(ids, BagBinding)
    except msgspec.ValidationError as error:
        raise canonical.refusal_of(str(error), ids, BagBinding, "") from error


class Listed(Struct, frozen=True):
    """A line of a manifest: a path, and the digest that is listed for it."""

    path: str
    digest: Digest


FileFault = Literal["missing", "extra", "changed", "no_file", "not_listed", "listed_twice", "unreadable"]


class FileFinding(Struct, frozen=True):
    """A file that is not as listed; ``path`` within the bag, in printable form."""

    fault: FileFault
    path: str
    detail: str = ""


ReportFinding = Callable[[FileFinding], object]


def manifest(algorithm: Algorithm) -> str:
    """Return the name of the file that lists the payload."""
    return f"manifest-{algorithm}.txt"


def tag_manifest(algorithm: Algorithm) -> str:
    """Return the name of the file that lists everything else; its own digest is the bag's."""
    return f"tag{manifest(algorithm)}"


def manifest_line(digest: Digest, path: str) -> str:
    """Return the line that lists a file."""
    return f"{digest.value.hex()}  {spell(path)}\n"


def info_text(binding: BagBinding, *, date: str, software: str, size: int, files: int) -> str:
    """Return the content of ``bag-info.txt``."""
    fields = {
        "Bag-Group-Identifier": binding.case_id,
        "Bag-Software-Agent": software,
        "Bagging-Date": date,
        "External-Identifier": binding.item_id,
        "Payload-Oxum": f"{size}.{files}",
        "Tallystick-Log-Id": binding.log_id,
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items())


def algorithms_of(folder: Folder) -> tuple[Algorithm, ...]:
    """Return the known algorithms by which the bag lists its payload. Raises MalformedInput for what is no bag."""
    try:
        declared = folder.read(DECLARATION, MAX_INFO_LENGTH)
    except MalformedInput as error:
        raise MalformedInput(
            "{folder} is no sealed folder: it has no {declaration}",
            folder=printable(str(folder.path)),
            declaration=DECLARATION,
            field="PATH",
        ) from error
    if _DECLARATION.fullmatch(declared) is None:
        raise MalformedInput("expected BagIt version 1.0 or 0.97, in UTF-8", field=DECLARATION)
    return tuple(algorithm for algorithm in Algorithm if folder.has(manifest(algorithm)))


def binding_of(folder: Folder) -> BagBinding | None:
    """Return the item that ``bag-info.txt`` names, or None. Raises MalformedInput."""
    try:
        lines = folder.read(INFO, MAX_INFO_LENGTH).decode().splitlines()
    except UnicodeDecodeError as error:
        raise MalformedInput("expected UTF-8", field=INFO) from error
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon and not line[0].isspace():  # else it continues the line before
            # A field that occurs twice is ambiguous: it has no value.
            fields[name.strip()] = "" if name.strip() in fields else value.strip()
    try:
        return binding(
            case_id=fields.get("Bag-Group-Identifier"),
            item_id=fields.get("External-Identifier"),
            log_id=fields.get("Tallystick-Log-Id"),
        )
    except MalformedInput:
        return None


def read_manifest(folder: Folder, name: str, algorithm: Algorithm, *, inside: str) -> Iterator[Listed]:
    """Yield the lines of a manifest, whose paths must begin with ``inside``.

    Raises IntegrityBroken, naming the line, and MalformedInput if the file cannot be read.
    """
    with folder.opened(name) as descriptor, os.fdopen(descriptor, "rb", closefd=False) as file:
        for number, line in enumerate(iter(lambda: file.readline(MAX_LINE_LENGTH), b""), 1):
            try:
                match = _LINE.fullmatch(line.decode().rstrip("\r\n"))
                if match is None:
                    raise IntegrityBroken("expected a digest of 64 hex digits and a path")
                path = read_spelling(match[2])
                require_inside(path)
                if not path.startswith(inside):
                    raise IntegrityBroken(
                        "expected a path that begins with {inside}, not {path}", inside=inside, path=printable(path)
                    )
                yield Listed(path, Digest(algorithm, bytes.fromhex(match[1])))
            except (IntegrityBroken, UnicodeDecodeError) as error:
                raise IntegrityBroken("line {number}: {error}", number=number, error=error, field=name) from error


def bag_digests(folder: Folder, algorithms: Iterable[Algorithm]) -> tuple[Digest, ...]:
    """Return the digests of the bag: of each algorithm's tag manifest. Raises MalformedInput if one is missing."""
    digests: list[Digest] = []
    for algorithm in algorithms:
        with folder.opened(tag_manifest(algorithm)) as descriptor:
            digests.extend(hash_open(descriptor, tag_manifest(algorithm), (algorithm,)).digests)
    return tuple(digests)
