"""Help in the user's language. It is written in English at the commands; the catalogues have the translations."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import click

from ledger.cli.printable import columns_of, padded
from ledger.cli.session import Session
from ledger.i18n import help_in

NARROWEST = 20  # columns that a text gets beside its term
_VERBATIM = "\b\n"
# Lines are not broken within these: words, with the punctuation that must not begin a line.
_TOKENS = re.compile(r"(?: |[\[（]?(?:[!-~]+|[^\x00-\x7f]))[，。；：、）\]]*")
# What click adds behind the help of an option, or puts in its place.
_BEHIND = re.compile(r"(?:^|(?<=  ))\[.*\]$")
_WORDS = re.compile(r'(?:--[a-z-]+ (?!-))?(?:"[^"]*"|[^ "])+')  # an option stays with its value
_GOES_ON = " \\"
_SAID_BEHIND = re.compile(r"\b(required|default)\b")


class Formatter(click.HelpFormatter):
    """Lays out help of ``texts`` by their English; what is not there stays as it is.

    Lines are measured in columns of a terminal, of which a Chinese character takes two.
    """

    def __init__(self, texts: dict[str, str], **sizes: Any):
        super().__init__(**sizes)
        self._texts = texts

    def translated(self, text: str) -> str:
        """Return the text in the reader's language; of an option's help, also the part in brackets behind it."""
        if text in self._texts:
            return self._texts[text]
        behind = _BEHIND.search(text)
        if behind is None:
            return text
        own_text = text[: behind.start()].rstrip()
        bracketed = _SAID_BEHIND.sub(lambda word: self._texts.get(word[0], word[0]), behind[0])
        return f"{self._texts.get(own_text, own_text)}  {bracketed}" if own_text else bracketed

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, prefix or self.translated("Usage: "))

    def write_heading(self, heading: str) -> None:
        super().write_heading(self.translated(heading))

    def write_text(self, text: str) -> None:
        text = self.translated(text)
        if text.isascii():
            return super().write_text(text)
        for number, paragraph in enumerate(text.split("\n\n")):
            lines = paragraph.removeprefix(_VERBATIM).splitlines()
            if not paragraph.startswith(_VERBATIM):
                lines = wrap(paragraph, self.width - self.current_indent)
            self._write_lines(["", *lines] if number else lines)
        return None

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        rows = [(term, self.translated(text)) for term, text in rows]
        if all(text.isascii() for _, text in rows):
            return super().write_dl(rows, col_max, col_spacing)
        first = min(max(columns_of(term) for term, _ in rows), col_max) + col_spacing
        room = max(self.width - self.current_indent - first, NARROWEST)
        for term, text in rows:
            beside, *below = wrap(text, room)
            fits = columns_of(term) + col_spacing <= first
            head = [padded(term, first) + beside] if fits else [term, " " * first + beside]
            self._write_lines(head + [" " * first + line for line in below])
        return None

    def _write_lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(f"{'':{self.current_indent}}{line}".rstrip(" ") + "\n")


class Context(click.Context):
    """A context with help in the session's language."""

    def make_formatter(self) -> click.HelpFormatter:
        session = self.find_object(Session) or Session()
        return Formatter(help_in(session.language), width=self.terminal_width, max_width=self.max_content_width)


def shell_lines(command: str, width: int) -> list[str]:
    """Split a command into lines of at most ``width`` characters; each but the last ends with a backslash."""
    lines = [""]
    for word in _WORDS.findall(command):
        if lines[-1].strip() and len(lines[-1]) + len(word) + len(_GOES_ON) > width:
            lines.append("   ")
        lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return [f"{line}{_GOES_ON}" for line in lines[:-1]] + lines[-1:]


def wrap(text: str, width: int) -> list[str]:
    """Wrap a text at ``width`` columns, without breaking words. At least one line is returned."""
    lines = [""]
    for token in _TOKENS.findall(text.replace("\n", " ")):
        if lines[-1] and columns_of(lines[-1] + token.rstrip()) > width:
            lines.append("")
        lines[-1] = (lines[-1] + token).lstrip()
    return [line.rstrip() for line in lines]
