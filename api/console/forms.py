"""Forms as browsers post them: read whole under a limit, each field text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request

from api.dependencies import ServiceOf
from api.middleware.bodies import read_body
from ledger.core.errors import MalformedInput

FORM = "application/x-www-form-urlencoded"
_WHOLE = re.compile(r"[0-9]{1,15}")
MOST_FIELDS = 20_000


class Form:
    """The fields of a form: text in Unicode normal form C without white space around it, lines ended as on Unix;
    empty ones are not there."""

    def __init__(self, pairs: list[tuple[str, str]]):
        self._pairs = [(name, unicodedata.normalize("NFC", text).replace("\r\n", "\n").strip()) for name, text in pairs]

    def get(self, name: str) -> str | None:
        """The field's text, None where it is empty or missing."""
        return next((text for field, text in self._pairs if field == name and text), None)

    def raw(self, name: str) -> str | None:
        """The field's text, empty where it was left empty; None where the form has no such field."""
        return next((text for field, text in self._pairs if field == name), None)

    def all(self, name: str) -> tuple[str, ...]:
        """The texts of every field of that name."""
        return tuple(text for field, text in self._pairs if field == name and text)

    def fields(self, *names: str) -> Mapping[str, str]:
        """Those of the fields that are filled in."""
        return {name: text for name in names if (text := self.get(name)) is not None}


def whole_number(text: str | None) -> int | None:
    """What the text spells in at most 15 digits; None where it does not."""
    return int(text) if text is not None and _WHOLE.fullmatch(text) else None


async def read_form(request: Request, service: ServiceOf) -> Form:
    """The posted form. Raises Refused or MalformedInput."""
    settings = service.parts.settings
    limits = {"limit": settings.max_body_bytes, "timeout_s": settings.request_timeout_s}
    body = await read_body(request.scope, request.receive, FORM, **limits)
    try:
        return Form(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError as error:
        raise MalformedInput("this is no form that a page of this console posts") from error


FormOf = Annotated[Form, Depends(read_form)]
