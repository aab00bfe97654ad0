"""Texts that must not stand on a command line: every user of the machine sees those, and shells keep them.

``@FILE`` is read from a file, ``@-`` from standard input. What is confidential is taken from there or asked for, and
nowhere else; other texts in words may be.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

import click
from click.core import ParameterSource

from ledger.core.errors import MalformedInput

VISIBLE_HINT = (
    "Others see what stands on a command line, and it is kept: give @FILE or @-, or leave the text out to be asked."
)


class Words(click.ParamType[str]):
    """A text that anybody who may see the event reads; a long one, or one that names persons, comes from a file."""

    name = "TEXT|@FILE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:  # noqa: ARG002
        return _read(value, param.opts[0] if param else "") if str(value).startswith("@") else str(value)


def confidential(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Take an option's text from its prompt, from a file or from standard input. Raises MalformedInput for another."""
    typed = ctx.get_parameter_source(parameter.name or "") is not ParameterSource.COMMANDLINE
    return value if typed or value is None else _kept_off(value, parameter.opts[0])


def fields_of(texts: Iterable[str], *, option: str) -> Mapping[str, str]:
    """Read the fields of ``FIELD=@FILE`` or ``FIELD=@-``; ask for that of ``FIELD`` alone. Raises MalformedInput."""
    fields: dict[str, str] = {}
    for spec in texts:
        field, given, source = spec.partition("=")
        fields[field] = _kept_off(source, option) if given else _asked(field, option)
    return fields


def _kept_off(source: str, option: str) -> str:
    if not source.startswith("@"):
        raise MalformedInput("expected @FILE or @-, not the text itself", field=option, hint=VISIBLE_HINT)
    return _read(source, option)


def _read(source: str, option: str) -> str:
    from pathlib import Path

    try:
        text = sys.stdin.read() if source == "@-" else Path(source[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MalformedInput(f"{source[1:]} cannot be read as text: {error}", field=option) from error
    return text.strip()


def _asked(field: str, option: str) -> str:
    if not sys.stdin.isatty():
        raise MalformedInput(
            f"{field} is not given, and there is no terminal to ask at", field=option, hint=VISIBLE_HINT
        )
    answer: str = click.prompt(field, err=True)
    return answer
