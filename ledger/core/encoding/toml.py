"""TOML files written by people: their tables, or one refusal that names the file."""

from __future__ import annotations

import tomllib
from typing import Any

from ledger.core.errors import MalformedInput


def decode_toml(data: bytes | str, *, field: str, hint: str | None = None) -> dict[str, Any]:
    """Return the tables of a TOML file (UTF-8 if it is bytes); ``field`` is the name that a refusal gives it.

    Raises MalformedInput for everything that is not TOML. ``tomllib`` refuses a number of more than 4,300 digits with a
    plain ValueError, and nesting is limited only by the depth of Python's stack.
    """
    try:
        return tomllib.loads(data.decode("utf-8") if isinstance(data, bytes) else data)
    except (ValueError, RecursionError) as error:
        raise MalformedInput(f"not TOML in UTF-8: {error}", field=field, hint=hint) from error
