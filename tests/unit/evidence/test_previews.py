"""``evidence.previews``: pixels and plain text, nothing else of a file; what is hostile ends with a refusal."""

from __future__ import annotations

import zlib
from io import BytesIO

import pytest
from PIL import Image

from ledger.core.errors import MalformedInput
from ledger.evidence.previews import LONGEST_SIDE, TEXT_BYTES, Preview, preview_of
from ledger.workers.pool import TooCostly, WorkerPool, WorkLimits


def picture(kind: str, size: tuple[int, int] = (40, 30), mode: str = "RGB", **options: object) -> bytes:
    target = BytesIO()
    Image.new(mode, size, "red").save(target, kind, **options)  # type: ignore[arg-type]
    return target.getvalue()


def shown(data: bytes) -> Preview:
    return preview_of(data, len(data))


@pytest.mark.parametrize("kind", ["BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP"])
def test_a_picture_is_made_anew(kind: str) -> None:
    """As a PNG of its pixels, small enough for a page."""
    preview = shown(picture(kind, (3200, 1600)))
    assert preview.png is not None
    with Image.open(BytesIO(preview.png)) as opened:
        assert (opened.format, opened.size) == ("PNG", (LONGEST_SIDE, LONGEST_SIDE // 2))
        red, green, _ = opened.convert("RGB").getpixel((5, 5))  # type: ignore[misc]
        assert (red > 200, green < 60) == (True, True)


def test_nothing_but_pixels_comes_along() -> None:
    """No comment, no place where it was taken, and nothing behind the picture's end."""
    exif = Image.Exif()
    exif[0x9286] = "taken at the station"
    preview = shown(picture("JPEG", exif=exif, comment=b"<script>") + b"<script>alert(1)</script>")
    assert preview.png is not None
    assert b"script" not in preview.png
    assert b"station" not in preview.png


def test_a_bomb_is_refused_by_its_header() -> None:
    """Before a pixel is decoded: a few bytes may stand for gigabytes."""
    bomb = bytearray(picture("PNG"))
    bomb[16:24] = (100_000).to_bytes(4) + (100_000).to_bytes(4)
    bomb[29:33] = zlib.crc32(bytes(bomb[12:29])).to_bytes(4)
    with pytest.raises(MalformedInput) as refused:
        shown(bytes(bomb))
    assert refused.value.code == "too_large_to_show"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"plain text", "plain text"),
        ("证据 exhibit".encode(), "证据 exhibit"),
        ("证据".encode("gb18030"), "证据"),
        (b"<script>alert(1)</script>", "<script>alert(1)</script>"),
        (b"", ""),
    ],
)
def test_a_text_is_shown_as_it_is(data: bytes, text: str) -> None:
    """In UTF-8 or GB 18030; the page escapes it."""
    assert shown(data) == Preview(text=text)


def test_a_long_text_is_shown_from_its_beginning() -> None:
    """Cut between two characters, also of a file of which only the beginning was read."""
    text = "证据" * TEXT_BYTES
    preview = preview_of(text.encode()[: 2 * TEXT_BYTES], len(text.encode()))
    assert preview.text is not None
    assert text.startswith(preview.text)
    assert len(preview.text.encode()) > TEXT_BYTES - 4
    assert not preview.is_whole


@pytest.mark.parametrize("data", [b"\x00\x01\x02", b"\x7fELF\x00", b"%PDF-1.7\n\xff\xfe\x00", b"\xff\xff\xff\xff"])
def test_of_anything_else_nothing_is_shown(data: bytes) -> None:
    """Bytes that are neither a picture nor a text."""
    assert shown(data) == Preview()


def test_a_cut_picture_is_no_picture() -> None:
    """What does not decode to its end is not shown in part."""
    assert shown(picture("PNG", (300, 300))[:100]) == Preview()


def test_work_beyond_its_limits_ends_in_its_own_process() -> None:
    """Whatever a picture asks for: the service goes on."""
    pool = WorkerPool(1, modules=("ledger.evidence.previews",))
    data = picture("PNG", (7000, 7000), "RGBA")
    try:
        with pytest.raises(TooCostly):
            pool.run(preview_of, data, len(data), agency="east", limits=WorkLimits(memory_mb=64))
        assert pool.run(preview_of, b"text", 4, agency="east") == Preview(text="text")
    finally:
        pool.close()


def pdf(*sizes: tuple[int, int]) -> bytes:
    """Return a PDF whose pages are red pictures of these sizes in points."""
    target, (first, *others) = BytesIO(), [Image.new("RGB", size, "red") for size in sizes]
    first.save(target, "PDF", save_all=True, append_images=others, title="written by somebody")
    return target.getvalue()


def test_the_first_page_of_a_pdf_is_shown_in_a_worker() -> None:
    """As pixels alone, within the limits of the process in which it is drawn; a small page is not blown up."""
    pool = WorkerPool(1, WorkLimits(memory_mb=256, cpu_s=4), modules=("ledger.evidence.previews",))
    try:
        for data, size, pages in ((pdf((3000, 1500), (10, 10)), (1600, 800), 2), (pdf((100, 50)), (300, 150), 1)):
            preview = pool.run(preview_of, data, len(data), agency="police-east")
            assert preview.png is not None
            assert preview.pages == pages
            with Image.open(BytesIO(preview.png)) as opened:
                assert (opened.format, opened.size) == ("PNG", size)
                red, green, _ = opened.convert("RGB").getpixel((5, 5))  # type: ignore[misc]
                assert (red > 200, green < 60) == (True, True)
            assert b"somebody" not in preview.png
    finally:
        pool.close()


@pytest.mark.parametrize("data", [b"%PDF-1.7 nothing", pdf((9, 9))[:200], b"%PDF-" + bytes(5000)])
def test_what_is_no_whole_pdf_is_not_shown(data: bytes) -> None:
    """Neither as a page nor as a text; one that is too large to be drawn is not begun."""
    assert shown(data) == Preview()
    assert preview_of(pdf((9, 9)), 10**9) == Preview()
