"""What a lead says: the text of its model, with columns and parameters in their places."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from ledger.core.events.supervision import BilingualText
from ledger.core.procedure.legal_days import SHANGHAI
from ledger.supervision.models.refused import unknown
from ledger.supervision.models.values import text_of
from ledger.supervision.wording import Wording

NOTHING = "—"  # in the place of a column that is empty
MAX_TEXT = 4000  # characters: what a lead carries
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
_PLACE = re.compile(r"\{([^{}]*)\}")


def said(text: BilingualText, values: Mapping[str, str], parameters: Mapping[str, Any]) -> BilingualText:
    """The text of a finding with these ``values``, under these values of the parameters; times are Beijing time."""
    told = {name: text_of(value) for name, value in parameters.items()} | dict(values)
    return BilingualText(zh=_filled(text.zh, told, ""), en=_filled(text.en, told, " (UTC+8)"))


def faults_of_saying(text: str, columns: Iterable[str], parameters: Iterable[str]) -> Iterator[Wording]:
    """What is wrong with the places of a text: no such column or parameter, or a bracket without its other half."""
    known = {*columns, *parameters}
    for name in _PLACE.findall(text):
        if name not in known:
            yield unknown("column", name, known)
    if "{" in (rest := _PLACE.sub("", text)) or "}" in rest:
        yield Wording("lone_bracket")


def _filled(text: str, told: Mapping[str, str], zone: str) -> str:
    filled = _PLACE.sub(lambda place: _shown(told.get(place[1], NOTHING), zone), text)
    return filled if len(filled) <= MAX_TEXT else f"{filled[: MAX_TEXT - 1]}…"


def _shown(value: str, zone: str) -> str:
    if not _TIME.fullmatch(value):
        return value
    try:
        moment = datetime.fromisoformat(value).astimezone(SHANGHAI)
    except (ValueError, OverflowError):  # no day of the calendar, or one that is past its end in Beijing
        return value
    return f"{moment:%Y-%m-%d %H:%M}{zone}"
