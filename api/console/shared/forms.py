"""Forms as browsers post them: read under a limit, each field as text."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request

from api.dependencies import service_of
from api.middleware.request_limits import read_body, require_text
from ledger.core.errors import MalformedInput

FORM = "application/x-www-form-urlencoded"
_WHOLE = re.compile(r"[0-9]{1,15}")
MOST_FIELDS = 20_000


class PostedForm:
    """The fields of a form, without the empty ones.

    Text is in Unicode normal form C, without white space around it, with line ends as on Unix.
    """

    def __init__(self, pairs: list[tuple[str, str]]):
        self._pairs = [(name, unicodedata.normalize("NFC", text).replace("\r\n", "\n").strip()) for name, text in pairs]
        self._texts: defaultdict[str, list[str]] = defaultdict(list)
        for name, text in self._pairs:
            self._texts[name].append(text)

    def get(self, name: str) -> str | None:
        """Return the field's text, or None if it is empty or missing."""
        return next(iter(self.all(name)), None)

    def raw(self, name: str) -> str | None:
        """Return the field's text, empty if it was left empty, or None if the form has no such field."""
        return next(iter(self._texts.get(name, ())), None)

    def all(self, name: str) -> tuple[str, ...]:
        """Return the texts of every field of that name."""
        return tuple(filter(None, self._texts.get(name, ())))

    def fields(self, *names: str) -> Mapping[str, str]:
        """Return the named fields that are filled in."""
        return {name: text for name in names if (text := self.get(name)) is not None}

    def below(self, prefix: str) -> Mapping[str, str]:
        """Return the fields whose names begin with the prefix and that are filled in, by the rest of their names."""
        return {name.removeprefix(prefix): text for name, text in self._pairs if name.startswith(prefix) and text}

    def parts(self, name: str) -> list[PostedForm]:
        """Return the forms within the form, in their order: the fields ``name:1:field`` and so on, as ``field``."""
        parts: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        for field, text in self._pairs:
            whole, _, rest = field.partition(":")
            number, colon, inner = rest.partition(":")
            if whole == name and colon:
                parts[number].append((inner, text))
        return list(map(PostedForm, parts.values()))

    def extended(self, name: str, values: Iterable[str]) -> PostedForm:
        """Return the form with further fields of that name."""
        return PostedForm([*self._pairs, *((name, value) for value in values)])


def whole_number(text: str | None) -> int | None:
    """Return the number that the text spells in at most 15 digits, or None."""
    return int(text) if text is not None and _WHOLE.fullmatch(text) else None


async def read_form(request: Request) -> PostedForm:
    """Return the posted form. Raises Refused or MalformedInput."""
    settings = service_of(request).parts.settings
    limits = {"limit": settings.max_body_bytes, "timeout_s": settings.request_timeout_s}
    body = await read_body(request.scope, request.receive, FORM, **limits)
    require_text(body)
    try:
        return PostedForm(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError as error:
        raise MalformedInput("this is no form that a page of this console posts") from error


FormOf = Annotated[PostedForm, Depends(read_form)]
