"""Typesetting: texts of others are data, whatever they hold, and the same sheet gives the same bytes."""

from __future__ import annotations

import io
import subprocess
import sys
from contextlib import closing
from hashlib import sha256

import pytest
import typst
import zxingcpp
from msgspec.structs import replace
from pypdf import PdfReader

from ledger.core.errors import MalformedInput, Unavailable
from ledger.interchange.papers.paper_text import cell
from ledger.interchange.papers.sheet import FactsBlock, LabelledValue, ProseBlock, Sheet, Stamp, StampsBlock, TableBlock
from ledger.interchange.papers.typeset import _spell_missing, legible, missing_fonts, require_fonts, typeset
from tests.testkit.camera import pages_of

NASTY = {
    "markup": '#panic("x") *bold* _it_ $x^2$ @label <l> [#eval("1")] \\ // /* ` ```',
    "json": '"}]},{"type":"prose"} \\u0041 {slot} {0} %s',
    "controls": "a\x00b\x07c\x1b[31m d\x7fe\x85f",
    "directions": "\u202edetrever\u202c \u2066x\u2069 \u200f",
    "scripts": "ئۇيغۇر تىلى עברית ᠮᠣᠩᠭᠣᠯ",
    "tibetan": "བོད་སྐད་",
    "emoji": "😀👨\u200d👩\u200d👧 🇨🇳",
    "rare": "𠮷𡈽 \ue863 \ufffe \U000e0041",
    "combining": "e\u0301\u0301\u0301\u0301 Z\u0351\u036b\u0343",
    "unbroken": "x" * 4000 + " " + "7" * 200 + " " + "涉案" * 2000,
    "lines": "one\ntwo\n\n\nthree\tfour",
}


def sheet(*texts: str, layout: str = "form") -> Sheet:
    """Return a paper with these texts in every kind of place."""
    lines = tuple((text,) for text in texts)
    return Sheet(
        layout=layout,  # type: ignore[arg-type]
        languages=("zh-CN", "en"),
        title=(texts[0][:60],),
        issuer=("东区公安局", "Police"),
        number=("1",),
        date=1772413200,
        link="https://ledger.test/verify#of=1",
        link_text=("扫码核验",),
        blocks=(
            FactsBlock(("标题",), tuple(LabelledValue(line[:1], line) for line in lines)),
            TableBlock((), (("甲",), ("乙",)), (1, 3), tuple(((line,), (line, ("x",))) for line in lines)),
            ProseBlock(("叙述",), lines),
            StampsBlock(
                (Stamp((texts[0][:200].replace("\n", " "),), ("章",), (("日期",),)),) * 2
            ),  # names have one line
        ),
        footer=("页脚",),
        reference="1",
    )


def text_of(pdf: bytes) -> str:
    """Return the text of all pages, as PDFium reads it, in the order in which it was set."""
    from pypdfium2 import PdfDocument

    with closing(PdfDocument(pdf)) as document:
        texts = [page.get_textpage().get_text_bounded() for page in document]
    return "\n".join(texts).replace("\r\n", "\n").replace("\u200b", "")


@pytest.mark.parametrize("kind", NASTY)
def test_any_text_is_set_as_it_is_or_spelled_out(kind: str) -> None:
    """No text is read as markup, breaks the page or stops the printing; the file stays PDF/A."""
    pdf = typeset(sheet(NASTY[kind]))
    assert b"pdfaid:part" in pdf
    if kind == "markup":
        assert '#panic("x") *bold*' in text_of(pdf)


def test_what_follows_a_right_to_left_name_stays_behind_it() -> None:
    """An arrow, a number, the next name: each in its place from left to right, as the text has them."""
    from pypdfium2 import PdfDocument

    text = "from \u05d0\u05d1 \u2192 \u05d2\u05d3 12, 5 pieces"
    lone_text = replace(sheet("x"), blocks=(ProseBlock(("x",), ((text,),)),))
    with closing(PdfDocument(typeset(lone_text))) as document:
        page = document[0].get_textpage()
        left = {page.get_text_range(at, 1): page.get_charbox(at)[0] for at in range(page.count_chars())}
    order = ("\u05d1", "\u05d0", "\u2192", "\u05d3", "\u05d2", ",", "5")
    places = [left[character] for character in order]
    assert places == sorted(places)


def test_what_no_font_has_is_shown_by_its_code_point() -> None:
    """So that nothing vanishes. Controls, changes of direction and tags are, too; a tab keeps words apart."""
    text = text_of(typeset(sheet(NASTY["tibetan"] + " 涉案")))
    assert "[U+0F56]" in text
    assert "涉案" in text
    assert legible("a\u202eb\x00\n\t.\r\n\r") == "a[U+202E]b[U+0000]\n .\n[U+000D]"
    assert legible("ئۇيغۇر 涉案") == "ئۇيغۇر 涉案"


def test_long_texts_go_over_pages_and_nothing_is_lost() -> None:
    """The end of a description of the greatest length is there, on a later page."""
    text = "涉案" * 1998 + "到此"
    reader = PdfReader(io.BytesIO(typeset(sheet(text))))
    assert len(reader.pages) > 2
    assert any("到此" in page.extract_text().replace("\n", "") for page in reader.pages[1:])


@pytest.mark.parametrize("text", ["x" * 900, "涉案" * 2000, "行\n" * 900, "a\n" * 25 + "b" * 200])
def test_a_text_never_runs_out_of_its_page(text: str) -> None:
    """What has no place to break is broken, what is longer than a page goes on: the page's edges stay white."""
    for page in pages_of(typeset(sheet(text)), dots_per_inch=50):
        picture = page.convert("L")
        width, height = picture.size
        edge = width // 40  # half a centimetre
        for strip in ((width - edge, 0, width, height), (0, height - edge, width, height)):
            assert picture.crop(strip).getextrema() == (255, 255)


def test_the_same_sheet_gives_the_same_bytes_in_another_process() -> None:
    """Nothing of time, place or chance goes into a file."""
    here = sha256(typeset(sheet("涉案", NASTY["emoji"]))).hexdigest()
    program = (
        "from hashlib import sha256; from tests.unit.interchange.test_typeset import *; "
        "print(sha256(typeset(sheet('涉案', NASTY['emoji']))).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == here


def test_a_machine_without_the_fonts_says_what_mends_it() -> None:
    """Paper is not set in what happens to be there: Chinese would be boxes."""
    none = typst.Fonts(include_system_fonts=False)
    assert missing_fonts(none) == ["Noto Serif CJK SC", "Noto Sans CJK SC"]
    with pytest.raises(Unavailable) as caught:
        require_fonts(none)
    assert "apt-get install fonts-noto-cjk" in str(caught.value.hint)
    assert missing_fonts() == []


def test_the_code_leads_where_the_sheet_says() -> None:
    """A reader of QR codes reads it off the page as it is set, with a link as long as they come; what is too long is
    named."""
    link = "https://ledger.district-court.example.gov.test/verify#log=0x" + "5a" * 32 + "&of=" + "c" * 64 + "&digest=1"
    (page, *_) = pages_of(typeset(replace(sheet("涉案"), link=link)), dots_per_inch=200)
    assert [code.text for code in zxingcpp.read_barcodes(page)] == [link]
    with pytest.raises(MalformedInput) as caught:
        typeset(replace(sheet("涉案"), link="https://ledger.test/" + "a" * 3000))
    assert caught.value.field == "verify_url"


def test_no_text_writes_another_line_of_its_cell() -> None:
    """Below a description stands the id of the thing: a line break in the description is a code point."""
    assert cell(("telephone\nitem-7",), (), ("item-1",)) == (("telephone[U+000A]item-7",), ("item-1",))
    assert cell(("two\nlines",)) == (("two\nlines",),)


def test_only_what_no_font_has_is_set_again() -> None:
    """Any other error of the template is a defect, and shows."""
    with pytest.raises(typst.TypstError) as caught:
        typst.compile(b"#panic()")
    with pytest.raises(typst.TypstError, match="panicked"):
        _spell_missing({"text": "x"}, caught.value)
