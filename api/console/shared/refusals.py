"""Refusals in the words of the form that was posted: things by what it calls them, fields by their labels.

The rules and the decoder name things by their ids and fields by their paths, for programs. A request that came from a
form tells by ``RefusalWords`` what these stand for; the page's script replaces the label of a field by the one that the
form itself has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from ledger.core.encoding.canonical import MISSING, OTHER_LENGTH
from ledger.core.errors import MalformedInput
from ledger.core.events.terms import SLUG
from ledger.core.messages import Message
from ledger.i18n import Labels, translate, zone_in_use
from ledger.timeline.sentences import EventWords, Names, naming

_OF_FIELDS = ("name", "part")  # slots that hold the name of a field
_OUTER = re.compile(r"(?:(?:payload|envelope|body)\.)*")
_LINE = re.compile(r"([a-z_]+)\[([0-9]+)\]")
_STEP = re.compile(r"([a-z_]+)(?:\[([0-9]+)\])?")


# What the decoder says of a value's type, as people say it of a field.
_LENGTHS = {
    ("str", "<="): Message("expected at most {count} characters"),
    ("str", ">="): Message("expected at least {count} characters"),
    ("array", "<="): Message("expected at most {count} entries"),
    ("array", ">="): Message("expected at least {count} entries"),
}


def _for_people(text: str) -> str:
    """Return what was refused without the words of programs."""
    if not isinstance(text, Message):
        return text
    if text.msgid == MISSING.msgid:
        return Message("{name} is missing", **text.params)
    if text.msgid == OTHER_LENGTH.msgid:
        sign, _, count = str(text.params["value"]).partition(" ")
        length = _LENGTHS.get((text.params["kind"], sign))
        return text if length is None else Message(length, count=count)
    pattern = text.params.get("pattern")
    if isinstance(pattern, Message) and pattern.msgid == SLUG.msgid:
        is_id = Message("expected an id of at most {longest} characters: a-z, 0-9 and hyphens between them")
        return Message(is_id, **pattern.params)
    if isinstance(problem := text.params.get("problem"), Message):  # of a line
        return Message(text.msgid, **text.params | {"problem": _for_people(problem)})
    return text


class LineRefused(MalformedInput):
    """One of several lines of a form is refused: the one about ``thing``, an item of the case."""

    def __init__(self, error: MalformedInput, thing: str):
        text = Message("{thing}: {problem}", thing=thing, problem=error.text)
        super().__init__(text, field=error.field, hint=error.hint, code=error.code)
        self.thing = thing


def of_line(error: MalformedInput, fields: Mapping[str, Any]) -> MalformedInput:
    """Return the refusal of a body's fields with the thing that its line is about, where it is of a line."""
    line = _LINE.match(error.field or "")
    lines = fields.get(line[1], ()) if line else ()
    row = lines[int(line[2])] if line and int(line[2]) < len(lines) else None
    thing = row.get("item_id") if isinstance(row, Mapping) else None
    return error if thing is None else LineRefused(error, thing)


class RefusalWords:
    """What a reader calls things and fields. ``things`` gives what a form calls what it is about, by ids.

    ``words`` are those of the event that the form asks for; None where it asks for none.
    """

    def __init__(
        self,
        labels: Labels,
        names: Names,
        words: EventWords | None = None,
        things: Callable[[], Mapping[str, str]] = dict,
    ):
        self._labels = labels
        self._names = names
        self._words = words
        self._load_things = things

    @cached_property
    def _things(self) -> Mapping[str, str]:
        return self._load_things()

    def translated(self, text: str) -> str:
        """Return what was refused, in the reader's language and with times in the zone in use."""
        return zone_in_use().with_readable_times(translate(_for_people(text), self._labels.language, self._shown))

    def field(self, path: str) -> str:
        """Return the label of the field of this path."""
        steps = _STEP.findall(_OUTER.sub("", path, count=1))
        if not steps:
            return self._labels.of("field", path)
        if len(steps) > 1 and steps[-2][0] == "particulars":
            return self._name(steps[-1][0])
        inner = steps[-2] if steps[-1][0] == "value" and len(steps) > 1 else steps[-1]  # the value of a quantity
        label = self._words.label(inner[0]) if self._words else self._labels.of("field", inner[0])
        numbers = [number for _, number in steps if number]
        return f"{label} {int(numbers[0]) + 1}" if numbers else label

    def _name(self, name: str) -> str:
        """Return the label of a field of an event, or of one that the procedure gives a kind."""
        return self._labels.find("particular", name) or (
            self._words.label(name) if self._words else self._labels.of("field", name)
        )

    def _shown(self, slot: str, value: Any) -> Any:
        """Return the value of a slot as the reader knows it."""
        if not isinstance(value, str):
            return value
        name = slot.rpartition(".")[2]
        if name in _OF_FIELDS and value.isidentifier():
            return self._name(value)
        if (called := self._things.get(value)) is not None:
            return called
        named = naming(self._names, self._labels)(slot, value)
        if named != value or self._words is None:
            return named
        return self._words.value(name, value)
