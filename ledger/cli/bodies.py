"""Make the body of an event from options; errors name the option that a wrong field came from."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import MalformedInput, TallystickError
from ledger.core.events import Body

B = TypeVar("B", bound=Body)


def make_body(body: type[B], **fields: Any) -> B:
    """Make a body from fields. None and empty ones are left out, text is brought to Unicode normal form C.

    Raises MalformedInput, naming the option whose parameter has the field's name.
    """
    content = {name: _normal(value) for name, value in fields.items() if value not in (None, (), [], {})}
    try:
        return canonical.parse(canonical.encode(content), decoder_of(body))
    except MalformedInput as error:
        given = content.get((error.field or "").partition(".")[0].partition("[")[0])
        message = f"{error.message}, not {given!r}" if isinstance(given, str | int) else error.message
        raise MalformedInput(message, field=option_of(error.field), hint=error.hint) from error


# What surrounds a body, by the parameter that it comes from.
PARAMETER_OF = {
    "stream": "case_id",
    "occurred_at": "occurred_at",
    "authority": "authority",
    "confidential": "section",
}


@contextmanager
def errors_by_option() -> Iterator[None]:
    """Give errors that name a part of the event the name of the option that the part came from."""
    try:
        yield
    except TallystickError as error:
        error.field = _option_of_part(error.field)
        raise


def _option_of_part(field: str | None) -> str | None:
    part, _, rest = (field or "").partition(".")
    if part == "sections":
        return option_of(PARAMETER_OF["confidential"])
    name = rest.partition(".")[0]
    if part == "payload" and name == "body":
        return option_of(rest.removeprefix("body.")) if rest != "body" else None
    return option_of(PARAMETER_OF[name]) if part in ("payload", "envelope") and name in PARAMETER_OF else field


def option_of(field: str | None) -> str | None:
    """Return the option (or argument) of the running command that a field comes from, or the field if there is none."""
    context = click.get_current_context(silent=True)
    name = (field or "").partition(".")[0].partition("[")[0]
    for parameter in context.command.params if context else ():
        if parameter.name == name:
            return parameter.opts[0] if isinstance(parameter, click.Option) else parameter.human_readable_name
    return field


def _normal(value: Any) -> Any:
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, dict):
        return {key: _normal(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_normal(part) for part in value]
    return value
