"""Options that several commands share, and which of them a field of a request comes from."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

import click

READING_GROUND = click.option(
    "--ground", help="Why you read what is confidential in a case that you do not hold now; it is recorded."
)


TRUST = click.option(
    "--trust",
    "trust_files",
    type=click.File("rb"),
    multiple=True,
    help="The ledger's trust file [that of the profile]; may be given several times, one for each ledger.",
)

LOG_COPY = "Copy of the log, as 'tally log save' makes it: shows that no event of a case is left out, nor came after."

COSE = click.option(
    "--cose", is_flag=True, help="Instead, a COSE receipt (RFC 9942) and, beside it, the entry that it is of."
)


class Node(NamedTuple):
    """A chain node: its URL, and after how many confirmations its blocks are final (None: as the trust file says)."""

    url: str
    confirmations: int | None


def takes_node(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give the command a ``node``, which is None if the user names none."""

    @click.option(
        "--rpc",
        metavar="URL",
        help="URL of a node of the chain, best one of your agency: which blocks are final is asked there.",
    )
    @click.option(
        "--confirmations",
        type=click.IntRange(min=0),
        help="Blocks above one that is final at --rpc [as the trust file says].",
    )
    @wraps(command)
    def with_node(*arguments: Any, rpc: str | None, confirmations: int | None, **options: Any) -> Any:
        return command(*arguments, node=Node(rpc, confirmations) if rpc else None, **options)

    return with_node


# The parameter of a command by the service's name of it, where that is another one.
PARAMETER_OF_QUERY = {"q": "text", "from": "node"}


def option_of(field: str | None) -> str | None:
    """Return the option (or argument) of the running command that a field comes from, or the field if there is none."""
    context = click.get_current_context(silent=True)
    name = (field or "").partition(".")[0].partition("[")[0]
    name = PARAMETER_OF_QUERY.get(name, name)
    for parameter in context.command.params if context else ():
        if parameter.name == name:
            return parameter.opts[0] if isinstance(parameter, click.Option) else parameter.human_readable_name
    return field
