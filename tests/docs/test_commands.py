"""Every command that a page of the documents types is one that there is, with its options and all that it needs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import takewhile

import click

from ledger.cli.main import tally
from tests.testkit.machine import REPOSITORY, blocks

PAGES = (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md")))
ENDS = {"|", "||", "&&", ">", ">>", "<", ";", "&", "2>", "2>&1"}


def typed_in(page: str) -> Iterator[list[str]]:
    """Yield the words of each command of ``tally`` in the page's shell blocks."""
    for block in (*blocks(page, "bash"), *blocks(page, "console")):
        for line in block.replace("\\\n", " ").splitlines():
            for command in re.findall(r"(?:^|\$\(|\$ |; |&& |until )tally ([^)]*)", line):
                try:
                    words = shlex.split(command, comments=True)
                except ValueError:  # a quotation that goes on in the next line
                    continue
                yield [*takewhile(lambda word: word not in ENDS and not word.endswith(";"), words)]


def parsed(words: list[str]) -> None:
    """Parse a command down to its options. Raises click.UsageError for an unknown one or one that lacks."""
    command: click.Command = tally
    context = click.Context(tally)
    while isinstance(command, click.Group):
        while words and words[0].startswith("--"):  # of any command, such as --profile police
            option = next(each for each in tally.get_params(context) if words[0] in each.opts)
            words = words[1 if getattr(option, "is_flag", False) else 2 :]
        following = command.get_command(context, words[0]) if words else None
        if following is None:
            raise click.UsageError(f"no command {words[:1]}")
        command, words = following, words[1:]
        context = click.Context(command, parent=context, info_name=command.name)
    values, rest, _ = command.make_parser(context).parse_args(list(words))
    assert not [word for word in rest if not word.startswith("$")], rest  # a variable of the page may hold options
    lacking = [each.name for each in command.params if each.required and not values.get(str(each.name))]
    if lacking:
        raise click.UsageError(f"lacks {lacking}")


def test_each_command_of_a_page_can_be_typed() -> None:
    """Its words are commands, its options are theirs, and none that it needs is missing."""
    faults = []
    for page in PAGES:
        for words in typed_in(page.read_text(encoding="utf-8")):
            try:
                parsed(words)
            except (click.UsageError, StopIteration) as error:
                faults.append((page, " ".join(words), str(error)))
    assert faults == []
