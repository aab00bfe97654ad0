"""What a camera sees: the pages of a PDF, and a film of barcodes that Chromium shows in the place of its camera's."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import segno
from PIL.Image import Image

from tests.testkit.machine import REPOSITORY

WIDTH, HEIGHT = 320, 240  # pixels
RATE, SHOWN, BETWEEN = 10, 8, 3  # frames: a second, of each code, and of nothing after it
BLACK, WHITE = 16, 235  # luma of ITU-R BT.601
SEEING = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--use-file-for-fake-video-capture=")
BARRED = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream=deny")
_BARS = """
const { readFileSync } = require("node:fs");
const { prepareZXingModule, writeBarcode } = require("zxing-wasm/writer");
prepareZXingModule({ overrides: { wasmBinary: readFileSync(require.resolve("zxing-wasm/writer/zxing_writer.wasm")) } });
const { text, format } = JSON.parse(process.argv[1]);
writeBarcode(text, { format, addQuietZones: false }).then(({ symbol: { data, width } }) => {
  console.log(JSON.stringify([...data.slice(0, width)].map((value) => value === 0)));
});
"""


def pages_of(pdf: bytes, *, dots_per_inch: float = 144) -> list[Image]:
    """Draw each page of a PDF."""
    from pypdfium2 import PdfDocument

    with closing(PdfDocument(pdf)) as document:
        return [page.render(scale=dots_per_inch / 72).to_pil() for page in document]


Rows = list[list[bool]]  # of modules, from above; True is dark


def qr(text: str) -> Rows:
    """Return the modules of a QR code."""
    return [list(map(bool, row)) for row in segno.make(text, micro=False).matrix]


def code_128(text: str) -> Rows:
    """Return the bars of a Code 128, as the writer of another library draws them."""
    asked = json.dumps({"text": text, "format": "Code128"})
    drawn = subprocess.run(["node", "-e", _BARS, asked], cwd=REPOSITORY, check=True, capture_output=True, text=True)
    bars: list[bool] = json.loads(drawn.stdout)
    return [bars] * (len(bars) // 3)


def film(path: Path, codes: Iterable[Rows]) -> Path:
    """Write a film (YUV4MPEG2) that shows these codes one after the other, again and again; return its path."""
    chroma = bytes([128]) * (WIDTH * HEIGHT // 2)
    nothing = bytes([WHITE]) * (WIDTH * HEIGHT)
    pictures = [(frame, count) for code in codes for frame, count in ((_picture(code), SHOWN), (nothing, BETWEEN))]
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{RATE}:1 Ip A1:1 C420\n".encode())
        for luma, count in pictures:
            file.write((b"FRAME\n" + luma + chroma) * count)
    return path


def _picture(rows: Rows) -> bytes:
    """Return the luma of a picture with the code in its middle."""
    scale = min((WIDTH - 40) // len(rows[0]), (HEIGHT - 40) // len(rows))
    left, top = (WIDTH - scale * len(rows[0])) // 2, (HEIGHT - scale * len(rows)) // 2
    picture = bytearray([WHITE]) * (WIDTH * HEIGHT)
    for y in range(scale * len(rows)):
        bars = b"".join(bytes([BLACK if dark else WHITE]) * scale for dark in rows[y // scale])
        start = (top + y) * WIDTH + left
        picture[start : start + len(bars)] = bars
    return bytes(picture)
