"""Read from a file what is stated of a case that was under way elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from ledger.cli.event_recorder import make_body
from ledger.core.encoding.decoding import decode_json, decode_toml
from ledger.core.encoding.digests import Algorithm, digest_of
from ledger.core.errors import MalformedInput
from ledger.core.events.case import CaseTakenOver


def read_taken_over(file: Path) -> CaseTakenOver:
    """Return the taking over that a TOML or JSON file states, with the file's digest unless it states another.

    Raises MalformedInput with the file and the field.
    """
    data = file.read_bytes()
    content = {"file_digest": str(digest_of(Algorithm.SHA256, data)), **_fields(data, file)}
    try:
        return make_body(CaseTakenOver, **content)
    except MalformedInput as error:
        field = (error.field or "").lstrip("-")
        raise MalformedInput(error.text, field=f"{file}: {field}", hint=error.hint) from error


def _fields(data: bytes, file: Path) -> dict[str, Any]:
    if file.suffix.lower() != ".json":
        return decode_toml(data, field=str(file))
    try:
        return decode_json(data, dict[str, Any])
    except msgspec.DecodeError as error:
        raise MalformedInput("this is no JSON object: {error}", error=error, field=str(file)) from error
