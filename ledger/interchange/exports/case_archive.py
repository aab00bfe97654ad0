"""A case as one archive: a BagIt bag (RFC 8493) in a ZIP, which is written from beginning to end and never held whole.

Its files have names that people read, and stand in ``manifest-sha256.txt``, so that any tool for bags, or
``sha256sum --check``, finds what was changed. ``contents.csv`` says what each file is.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import islice
from typing import IO, Final

from msgspec import Struct

from ledger.core.encoding.digests import Algorithm, Digest, digest_by
from ledger.core.errors import IntegrityBroken
from ledger.evidence.bag import DECLARATION, DECLARED, INFO, PAYLOAD, manifest, manifest_line, tag_manifest
from ledger.evidence.names import collation_key
from ledger.interchange.exports.csv_output import CsvWriter

CONTENTS: Final = "contents.csv"
HEADINGS: Final = ("file", "what", "event_id", "sha256", "bytes")
PIECE: Final = 1024 * 1024  # bytes that are held of a file that is read
MOST_IN_A_NAME: Final = 150  # bytes: systems allow 255, and a number or an ending is added
# What no system takes in a name, what ends a line or steers it, and what could lead out of the folder.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff<>:"/\\|?*%]+')
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)


class ArchivedFile(Struct, frozen=True):
    """A file of an archive: the ``folder`` and ``name`` that people read, and its bytes in pieces.

    ``what`` says what it is, ``event_id`` of which event. Folder and name may be any text: ``readable_name`` makes them
    safe.
    """

    folder: str
    name: str
    pieces: Iterable[bytes]
    what: str
    event_id: str | None = None
    ending: str = ""


def readable_name(text: str, ending: str = "") -> str:
    """Return the text as the name of a file or folder that every system takes, and that stays where it is put."""
    encodable = text.encode("utf-8", "replace").decode()
    name = _UNSAFE.sub("_", unicodedata.normalize("NFC", encodable)).strip(" .")
    while len(name.encode()) > MOST_IN_A_NAME:
        name = name[:-1].rstrip(" .")
    return f"_{name}{ending}" if not name or _DEVICE.fullmatch(name) else f"{name}{ending}"


def case_archive(
    case_id: str, files: Iterable[ArchivedFile], *, log_id: str, date: str, software: str
) -> Iterator[bytes]:
    """Yield the bytes of the archive of these files, each of which is asked for when those before it are written.

    ``date`` (RFC 3339) is that of every member, so that the same files give the same archive.
    """
    sink = _Sink()
    moment = tuple(int(part) for part in re.findall(r"\d+", date)[:6])
    root = readable_name(case_id)
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        writer = _Members(archive, root, moment)
        yield from writer.write(DECLARATION, [DECLARED], sink)
        taken = {collation_key(f"{PAYLOAD}/{CONTENTS}")}
        listed: list[tuple[str, ArchivedFile, Digest, int]] = []
        for file in files:
            path = _free(taken, f"{PAYLOAD}/{readable_name(file.folder)}/", file.name, file.ending)
            yield from writer.write(path, file.pieces, sink)
            listed.append((path, file, *writer.last))
        yield from writer.write(f"{PAYLOAD}/{CONTENTS}", [_contents(listed)], sink)
        paths = [(path, digest) for path, _, digest, _ in listed] + [(f"{PAYLOAD}/{CONTENTS}", writer.last[0])]
        size = sum(size for *_, size in listed) + writer.last[1]
        info = {
            "Bag-Group-Identifier": case_id,
            "Bag-Software-Agent": software,
            "Bagging-Date": date[:10],
            "Payload-Oxum": f"{size}.{len(paths)}",
            "Tallystick-Log-Id": log_id,
        }
        tags = {
            INFO: "".join(f"{name}: {value}\n" for name, value in info.items()).encode(),
            manifest(Algorithm.SHA256): "".join(manifest_line(digest, path) for path, digest in paths).encode(),
        }
        for name, data in tags.items():
            yield from writer.write(name, [data], sink)
        lines = (
            manifest_line(digest_by(Algorithm.SHA256, data), name)
            for name, data in {DECLARATION: DECLARED, **tags}.items()
        )
        yield from writer.write(tag_manifest(Algorithm.SHA256), ["".join(lines).encode()], sink)
    yield sink.take()


def with_files(received: zipfile.ZipFile, added: Iterable[ArchivedFile]) -> Iterator[bytes]:
    """Yield an archive that has the files of another one and more.

    Raises IntegrityBroken if a file of the other one is not as it lists it.
    """
    members = {member.filename.partition("/")[2]: member for member in received.infolist()}
    info = dict(line.split(": ", 1) for line in received.read(members[INFO]).decode().splitlines())
    rows = csv.reader(io.StringIO(received.read(members[f"{PAYLOAD}/{CONTENTS}"]).decode("utf-8-sig"), newline=""))
    date = "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z".format(*received.infolist()[0].date_time)

    def files() -> Iterator[ArchivedFile]:
        lines = received.read(members[manifest(Algorithm.SHA256)]).decode().splitlines()
        for line, (_, description, event_id, *_) in zip(
            lines, islice(rows, 1, None), strict=False
        ):  # the last is of the rows
            digest, path = line.split("  ", 1)
            _, folder, name = path.split("/")
            stem, dot, ending = name.rpartition(".")
            pieces = _checked(received, members[path], digest)
            yield ArchivedFile(folder, stem, pieces, description.removeprefix("'"), event_id or None, dot + ending)
        yield from added

    return case_archive(
        info["Bag-Group-Identifier"],
        files(),
        log_id=info["Tallystick-Log-Id"],
        date=date,
        software=info["Bag-Software-Agent"],
    )


def _checked(received: zipfile.ZipFile, member: zipfile.ZipInfo, digest: str) -> Iterator[bytes]:
    hashed = sha256()
    with received.open(member) as opened:
        for piece in pieces_of(opened):
            hashed.update(piece)
            yield piece
    if hashed.hexdigest() != digest:
        raise IntegrityBroken("{file} is not as the archive lists it", file=member.filename, field="sha256")


class _Members:
    """Writes members below ``root``, and keeps digest and size of the last one."""

    def __init__(self, archive: zipfile.ZipFile, root: str, moment: tuple[int, ...]):
        self._archive = archive
        self._root = root
        self._moment = moment
        self.last: tuple[Digest, int]

    def write(self, path: str, pieces: Iterable[bytes], sink: _Sink) -> Iterator[bytes]:
        """Write a member, and yield what the archive has got by each piece of it."""
        member = zipfile.ZipInfo(f"{self._root}/{path}", self._moment)  # type: ignore[arg-type]
        member.compress_type, member.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
        hashed, size = sha256(), 0
        with self._archive.open(member, "w", force_zip64=True) as opened:
            for piece in pieces:
                hashed.update(piece)
                size += len(piece)
                opened.write(piece)
                yield sink.take()
        self.last = Digest(Algorithm.SHA256, hashed.digest()), size
        yield sink.take()


class _Sink(io.RawIOBase):
    """What an archive is written to that is sent on at once; nobody can seek in it."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._written.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        """Return what was written since it was last taken."""
        taken, self._written = b"".join(self._written), []
        return taken


def pieces_of(file: IO[bytes]) -> Iterator[bytes]:
    """Yield what is left of an open file, a piece at a time."""
    while piece := file.read(PIECE):
        yield piece


def _free(taken: set[bytes], folder: str, name: str, ending: str) -> str:
    """Return a path that no file has yet, on systems that do not tell upper from lower case either."""
    number, path = 1, folder + readable_name(name, ending)
    while collation_key(path) in taken:
        number += 1
        path = folder + readable_name(name, f" ({number}){ending}")
    taken.add(collation_key(path))
    return path


def _contents(listed: Iterable[tuple[str, ArchivedFile, Digest, int]]) -> bytes:
    text = io.StringIO(newline="")
    rows = CsvWriter(text)
    rows.row(HEADINGS)
    for path, file, digest, size in listed:
        rows.row((path, file.what, file.event_id, digest.value.hex(), str(size)))
    return text.getvalue().encode("utf-8-sig")
