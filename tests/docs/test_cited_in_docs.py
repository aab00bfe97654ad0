"""What README and docs point at is there: links, headings, commands of `tally` and their options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from ledger.cli.main import tally
from tests.testkit.machine import REPOSITORY

PAGES = (
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted((REPOSITORY / "docs").rglob("*.md")),
)
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
COMMAND = re.compile(r"^(?:\$ )?(tally .*)$", re.MULTILINE)


def prose(page: Path) -> str:
    return CODE.sub("", FENCE.sub("", page.read_text(encoding="utf-8")))


def headings(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    titles = HEADING.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}


def commands(page: Path) -> Iterator[list[str]]:
    """The words of each `tally` command that a page names, up to a pipe, a comment or another shell word."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = "\n".join(FENCE.findall(text))
    for line in (*COMMAND.findall(blocks), *re.findall(r"`(tally [^`\n]+)`", FENCE.sub("", text))):
        yield shlex.split(re.sub(r"[\[\]]|\"?\$\(.*?\)\"?|['…]", " ", line), comments=True)[1:]


def misnamed(words: list[str]) -> str:
    """The command or option that `tally` has not, "" if it has all."""
    command: click.Command = tally
    options = {option for parameter in tally.params for option in parameter.opts}
    for word, before in zip(words, ["", *words], strict=False):
        if word in ("|", ">", "&&", ";"):
            break
        if word.startswith("--"):
            own = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
            if word.partition("=")[0].rstrip(",") not in options | own | {"--help"}:
                return word
        elif isinstance(command, click.Group) and before not in ("--profile", "--lang"):
            inner = command.get_command(click.Context(command), word)
            if inner is None:
                return "" if not word.islower() else word
            command = inner
    return ""


def test_every_link_leads_somewhere() -> None:
    """A link within the repository names a file, and a heading that this file has."""
    for page in PAGES:
        for file, heading in LINK.findall(prose(page)):
            target = (page.parent / file).resolve() if file else page
            assert target.exists(), (page, file)
            assert not heading or target.suffix != ".md" or heading in headings(target), f"{page}: {file}#{heading}"


def test_every_command_and_option_is_one_of_tally() -> None:
    """Each `tally` command that a page names exists, with the options that it is given."""
    named = ((page, words) for page in PAGES for words in commands(page))
    assert [(page, words, wrong) for page, words in named if (wrong := misnamed(words))] == []
