"""A sheet of paper before it is set: its blocks in order, in the words of its languages."""

from __future__ import annotations

from typing import Final, Literal
from urllib.parse import urlencode

from msgspec import Struct

Words = tuple[str, ...]  # one text for each language of the paper, or one for all if they are equal
Cell = tuple[Words, ...]  # one place of a list, line by line
Layout = Literal["form", "certificate"]

BLANK: Final[Words] = ()  # a place that is filled in by hand


class LabelledValue(Struct, frozen=True):
    """A label and its value; ``exact`` for digests and ids, which are set character by character to be compared."""

    label: Words
    value: Words = BLANK
    exact: bool = False


class FactsBlock(Struct, frozen=True, tag="facts"):
    """Labels and values side by side; ``together`` on one page, if they are known to be short."""

    heading: Words
    facts: tuple[LabelledValue, ...]
    together: bool = False


class TableBlock(Struct, frozen=True, tag="table"):
    """A list under column heads.

    ``widths`` are shares of the page's width; the cells of the ``exact`` columns are set as ``exact`` values are.
    """

    heading: Words
    columns: tuple[Words, ...]
    widths: tuple[float, ...]
    rows: tuple[tuple[Cell, ...], ...]
    exact: tuple[int, ...] = ()


class ProseBlock(Struct, frozen=True, tag="prose"):
    """Paragraphs, numbered if they are ``points``."""

    heading: Words
    paragraphs: tuple[Words, ...]
    points: bool = False


class ChecksBlock(Struct, frozen=True, tag="checks"):
    """The steps of a verification. None has failed: what was tampered with is not certified."""

    heading: Words
    steps: tuple[CheckLine, ...]


class CheckLine(Struct, frozen=True):
    """One step: its ``result`` as a word of the protocol and in words, its meaning, and what was compared."""

    number: int
    name: Words
    result: Literal["checked", "failed", "not_checked"]
    result_text: Words
    meaning: Words
    detail: Words


class Stamp(Struct, frozen=True):
    """Room for one seal or signature of a ``party``: what goes ``here``, and the lines that are filled in by hand."""

    party: Words
    here: Words
    lines: tuple[Words, ...]


class StampsBlock(Struct, frozen=True, tag="stamps"):
    """The seals of a paper, side by side."""

    stamps: tuple[Stamp, ...]


class PartBlock(Struct, frozen=True, tag="part"):
    """One of several sheets of a paper, such as its counterfoil: a page of its own, under the paper's head."""

    label: Words
    is_first: bool
    blocks: tuple[FactsBlock | TableBlock | ProseBlock | StampsBlock, ...]


SheetBlock = FactsBlock | TableBlock | ProseBlock | ChecksBlock | StampsBlock | PartBlock


class Attachment(Struct, frozen=True):
    """A file within the PDF."""

    name: str
    description: str


class Sheet(Struct, frozen=True):
    """``date`` (unix seconds) is the event's own, so that the same event gives the same file.

    A ``verdict`` is set large, the lines ``beside`` it below it. ``link`` goes into the QR code, if
    there is one, ``footer`` and ``reference`` under every page.
    """

    layout: Layout
    languages: tuple[str, ...]
    title: Words
    issuer: Words
    number: Words
    date: int
    link: str
    link_text: Words
    blocks: tuple[SheetBlock, ...]
    footer: Words
    reference: str
    verdict: Words = BLANK
    beside: tuple[Words, ...] = ()
    attachment: Attachment | None = None


def link(verify_url: str | None, log_id: str, name: str, digest: str) -> str:
    """Return the link to check a proof of the event, or case, of this name; empty if no verify page is known.

    What is asked for stays in the browser.
    """
    if verify_url is None:
        return ""
    return f"{verify_url}#{urlencode({'log': log_id, 'of': name, 'digest': digest}, safe=':')}"
