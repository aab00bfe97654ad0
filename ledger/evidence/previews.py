"""Previews of evidence files: a picture made anew, a first page, or the beginning of a text; never what was written.

What others wrote may attack whatever reads it, so a preview is made in a worker process with limits
(``ledger.workers``).
"""

from __future__ import annotations

from io import BytesIO
from typing import Final

from msgspec import Struct

from ledger.core.errors import MalformedInput

MOST_BYTES: Final = 32 * 1024 * 1024  # of a file of which a picture is made
MOST_PIXELS: Final = 50_000_000
LONGEST_SIDE: Final = 1600  # pixels of a preview
TEXT_BYTES: Final = 16 * 1024  # of a text that is shown
# Each is one picture in one file, read by Pillow itself without another program.
FORMATS: Final = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
_PDF, _PDF_WITHIN = b"%PDF-", 1024  # its beginning, after whatever stands before it
_MOST_SCALE: Final = 3.0  # pixels of a preview for a point of a page: a small page is not blown up
_CODES: Final = ("utf-8-sig", "gb18030")
# Where PDFium looks for fonts that a document names and does not contain.
_FONTS: Final = (
    "/usr/share/fonts",
    "/usr/share/X11/fonts/Type1",
    "/usr/share/X11/fonts/TTF",
    "/usr/local/share/fonts",
)


class Preview(Struct, frozen=True):
    """What is shown of a file: a PNG of a picture or of the first page, or the beginning of a text; else nothing.

    ``is_whole`` says whether the text is all of it. ``pages`` says how many a PDF has, 0 for what is none.
    """

    png: bytes | None = None
    text: str | None = None
    is_whole: bool = True
    pages: int = 0


def make_ready() -> list[str]:
    """Return the folders of fonts that a preview is made with."""
    return [*_FONTS]


def preview_of(beginning: bytes, size: int) -> Preview:
    """Return the preview of a file of ``size`` bytes, given its first ones, all of them up to ``MOST_BYTES``.

    Raises MalformedInput for a picture of too many pixels.
    """
    if _PDF in beginning[:_PDF_WITHIN]:
        return _first_page(beginning) if len(beginning) == size else Preview()
    if len(beginning) == size:
        png = _picture(beginning)
        if png is not None:
            return Preview(png=png)
    text = _text(beginning[:TEXT_BYTES], is_whole=size <= TEXT_BYTES)
    return Preview() if text is None else Preview(text=text, is_whole=size <= TEXT_BYTES)


def _first_page(data: bytes) -> Preview:
    """Return a PNG of the first page of a PDF, nothing if it has none or is locked. No script in it runs."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(data)
        page = document[0]
        scale = min(_MOST_SCALE, LONGEST_SIDE / max(*page.get_size(), 1))
        picture = page.render(scale=scale).to_pil()
    except (pypdfium2.PdfiumError, IndexError, ValueError):
        return Preview()
    target = BytesIO()
    picture.save(target, "PNG")
    return Preview(png=target.getvalue(), pages=len(document))


def _picture(data: bytes) -> bytes | None:
    """Return a PNG of the picture's pixels alone, None if this is no picture that can be read."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(BytesIO(data), formats=FORMATS) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise Image.DecompressionBombError
            opened.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
            turned = ImageOps.exif_transpose(opened)
            turned.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
            pixels = turned.convert("RGBA" if turned.has_transparency_data else "RGB")
            # A new picture: nothing but pixels comes along, no place or comment of the file.
            copy = Image.new(pixels.mode, pixels.size)
            copy.paste(pixels)
            target = BytesIO()
            copy.save(target, "PNG")
    except Image.DecompressionBombError as error:
        raise MalformedInput(
            "a preview is made of pictures up to {limit} pixels: this one has more",
            limit=MOST_PIXELS,
            field="file",
            code="too_large_to_show",
            hint="Download it and look at it with a program of your own.",
        ) from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, TypeError):  # of a malformed JPEG
        return None
    return target.getvalue()


def _text(data: bytes, *, is_whole: bool) -> str | None:
    """Return the bytes as text if they are one, None if not. The last character may be cut."""
    if b"\x00" in data:
        return None
    for code in _CODES:
        for cut in range(1 if is_whole else 4):
            try:
                return data[: len(data) - cut].decode(code)
            except UnicodeDecodeError:
                continue
    return None
