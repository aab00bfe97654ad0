"""A sheet of paper before it is set: what stands on it, in order, in the words of its languages."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

Words = tuple[str, ...]  # one text for each language of the paper, or one for all where they say the same
Cell = tuple[Words, ...]  # what stands in one place of a list, line by line
Layout = Literal["form", "certificate"]

UNSAID: Final[Words] = ()  # a place that is filled in by hand


class Fact(Struct, frozen=True):
    """A label and what is said under it; ``exact`` for digests and ids, which are set as they are compared."""

    label: Words
    value: Words = UNSAID
    exact: bool = False


class Facts(Struct, frozen=True, tag="facts"):
    """Labels and values side by side; ``together`` on one page, where they are known to be short."""

    heading: Words
    facts: tuple[Fact, ...]
    together: bool = False


class Table(Struct, frozen=True, tag="table"):
    """A list under column heads. ``widths`` are shares of the page's width; the cells of the ``exact`` columns are set
    as they are compared."""

    heading: Words
    columns: tuple[Words, ...]
    widths: tuple[float, ...]
    rows: tuple[tuple[Cell, ...], ...]
    exact: tuple[int, ...] = ()


class Prose(Struct, frozen=True, tag="prose"):
    """Paragraphs, numbered where they are ``points``."""

    heading: Words
    paragraphs: tuple[Words, ...]
    points: bool = False


class Checks(Struct, frozen=True, tag="checks"):
    """The steps of a verification: number, name, result as a word of the protocol and in words, meaning, details.

    None has failed: what was tampered with is not certified.
    """

    heading: Words
    steps: tuple[CheckLine, ...]


class CheckLine(Struct, frozen=True):
    """One step: what was checked, what contradicts it, or what was not checked and is therefore not shown."""

    number: int
    name: Words
    result: Literal["checked", "failed", "not_checked"]
    told: Words
    meaning: Words
    detail: str


class Stamp(Struct, frozen=True):
    """Room for one seal or signature: whose, what goes ``here``, and the lines that are filled in by hand."""

    party: Words
    here: Words
    lines: tuple[Words, ...]


class Stamps(Struct, frozen=True, tag="stamps"):
    """The seals of a paper, side by side."""

    stamps: tuple[Stamp, ...]


Block = Facts | Table | Prose | Checks | Stamps


class Attachment(Struct, frozen=True):
    """A file within the PDF."""

    name: str
    description: str


class Sheet(Struct, frozen=True):
    """``date`` (unix seconds) is the event's own, so that the same event gives the same file.

    ``verdict`` is set large where there is one, ``unchecked`` below it. ``link`` goes into the QR code, ``footer`` and
    ``reference`` under every page.
    """

    layout: Layout
    languages: tuple[str, ...]
    title: Words
    issuer: Words
    number: Words
    date: int
    link: str
    link_told: Words
    blocks: tuple[Block, ...]
    footer: Words
    reference: str
    verdict: Words = UNSAID
    unchecked: Words = UNSAID
    attachment: Attachment | None = None
