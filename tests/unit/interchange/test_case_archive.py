"""The archive of a case: safe names, a bag that checks, and nothing held whole."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from hashlib import sha256

import pytest

from ledger.core.errors import IntegrityBroken
from ledger.interchange.exports.case_archive import ArchivedFile, case_archive, readable_name, with_files

MADE = {"log_id": "0x" + "ab" * 32, "date": "2026-03-01T08:30:00Z", "software": "tallystick 1"}


def archive_of(*files: ArchivedFile) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(b"".join(case_archive("case-1", files, **MADE))))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("起诉意见书 2026/7", "起诉意见书 2026_7"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("a\u202egpj.exe\n", "a_gpj.exe_"),
        ("con", "_con"),
        (" .", "_"),
        ("e\u0301\ud800", "é_"),
        ("长" * 90, "长" * 50),
    ],
)
def test_names_are_read_by_people_and_lead_nowhere(text: str, name: str) -> None:
    """No separator, control or turn of direction is left, and no device's name; names end where systems end them."""
    assert readable_name(text, ".pdf") == f"{name}.pdf"


def test_it_is_a_bag_whose_manifest_has_every_file() -> None:
    """Names that differ in case alone are told apart; what each file is stands beside it."""
    files = [ArchivedFile("Papers", name, [name.encode()], name, "event", ".txt") for name in ("List", "list", "=1+1")]
    with archive_of(*files) as archive:
        names = [name.removeprefix("case-1/") for name in archive.namelist()]
        listed = archive.read("case-1/manifest-sha256.txt").decode().splitlines()
        payload = [name for name in names if name.startswith("data/")]
        assert payload == [
            "data/Papers/List.txt",
            "data/Papers/list (2).txt",
            "data/Papers/=1+1.txt",
            "data/contents.csv",
        ]
        assert [line.split("  ", 1)[1] for line in listed] == payload
        for line in listed:
            digest, path = line.split("  ", 1)
            assert sha256(archive.read(f"case-1/{path}")).hexdigest() == digest
        tags = archive.read("case-1/tagmanifest-sha256.txt").decode()
        assert sha256(archive.read("case-1/manifest-sha256.txt")).hexdigest() in tags
        assert b'"\'=1+1"' in archive.read("case-1/data/contents.csv")
        assert b"Payload-Oxum: " in archive.read("case-1/bag-info.txt")


def test_a_piece_is_sent_before_the_next_is_asked_for() -> None:
    """Of a file of 64 MB no more than a piece or two are held."""
    asked = 0

    def pieces() -> Iterator[bytes]:
        nonlocal asked
        for number in range(64):
            asked = number
            yield sha256(bytes([number])).digest() * 32768

    large = [ArchivedFile("f", "large", pieces(), "large")]
    sent = [(asked, len(piece)) for piece in case_archive("case-1", large, **MADE)]
    assert max(size for _, size in sent) < 3 * 1024 * 1024
    assert len({number for number, _ in sent}) == 64


def test_files_are_added_to_an_archive_that_is_whole_and_to_no_other() -> None:
    """What was there stays, with what it is; a changed file is found."""
    paper = ArchivedFile("Papers", "List; =x", [b"paper"], "list", "event-1", ".pdf")
    added = ArchivedFile("Files", "photo", [b"photo"], "photo", ending=".jpg")
    with archive_of(paper) as received:
        together = zipfile.ZipFile(io.BytesIO(b"".join(with_files(received, [added]))))
        assert together.read("case-1/data/Papers/List; =x.pdf") == b"paper"
        assert together.read("case-1/data/Files/photo.jpg") == b"photo"
        assert b"event-1" in together.read("case-1/data/contents.csv")
        spoiled = io.BytesIO()
        with zipfile.ZipFile(spoiled, "w") as altered:
            for member in received.infolist():
                data = received.read(member)
                altered.writestr(member, b"other" if member.filename.endswith(".pdf") else data)
    with zipfile.ZipFile(spoiled) as changed, pytest.raises(IntegrityBroken):
        list(with_files(changed, []))
