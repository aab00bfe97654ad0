"""Messages: sentences for people that stay translatable after they are written; and how far long work has come."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from string import Formatter
from typing import Any, Literal, NamedTuple, Self

TEMPLATES_KEPT = 1024  # templates whose parts are remembered
LONGEST_FORM = 4  # characters of the form of a slot, such as ",": it pads no text to more than 9999
MOST_ADDED = 2000  # characters by forms and by slots named again, which would double another's text over and over

# What a terminal obeys, what changes the direction of writing, and what takes no room and joins no letters. The set is
# fixed: a verdict does not depend on the version of Unicode that a program knows.
UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f]"
)

# Receives how much of some long work is done, and how much there is in all; what does the work says what it counts.
Progress = Callable[[int, int], None]


def spelled_out(text: str) -> str:
    """Return the text in one line, with every character written as its code that a reader would not see."""
    return UNSEEN.sub(lambda unseen: ascii(unseen[0])[1:-1], text)


class Message(str):
    """An English sentence that keeps its message id and the values of its slots.

    It is the rendered English, so that whatever prints, records or compares text needs to know nothing of it;
    ``ledger.i18n.translate`` renders it for a reader of another language. The id has slots of Python's format syntax,
    which may name an attribute: ``Message("case {case.id} is closed", case=case)``. A slot may hold another message.
    Any operation on the text (concatenation, slicing) gives a plain ``str``, which is not translated any more: join
    messages by a message.
    """

    __slots__ = ("context", "msgid", "params")
    msgid: str
    params: dict[str, Any]
    context: str | None

    def __new__(cls, msgid: str, /, **values: Any) -> Message:
        """Render the message in English. An error in a slot stands for its message, an unfilled one for its id."""
        msgid = str(msgid)
        if not values:
            return cls._rendered(msgid, msgid, {})
        template = _template(msgid)
        slots = {name: _value(values[root], attribute) for name, root, attribute in template.slots}
        return cls._rendered(template.text.format(*slots.values()) if slots else msgid, msgid, slots)

    @classmethod
    def _rendered(cls, english: str, msgid: str, params: dict[str, Any], context: str | None = None) -> Self:
        message = super().__new__(cls, english)
        message.msgid, message.params, message.context = msgid, params, context
        return message

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what a copy or an unpickled message is made from."""
        return Message._rendered, (str(self), self.msgid, self.params, self.context)

    def packed(self) -> dict[str, Any]:
        """Return the message as values of JSON, for ``unpacked``."""
        slots = {name: _packed(value) for name, value in self.params.items()}
        packed = {"id": self.msgid, "slots": slots}
        return packed if self.context is None else packed | {"context": self.context}

    @classmethod
    def unpacked(cls, packed: Mapping[str, Any]) -> Message:
        """Return the message that ``packed`` stored. What does not fit the slots of its id stays unfilled."""
        msgid, context = str(packed["id"]), packed.get("context")
        slots = {
            name: cls.unpacked(value) if isinstance(value, Mapping) else value
            for name, value in packed["slots"].items()
        }
        try:
            english = filled(msgid, slots) if slots else msgid
        except (LookupError, ValueError):
            english = msgid
        return cls._rendered(english, msgid, slots, context)


def _packed(value: Any) -> Any:
    if isinstance(value, Message):
        return value.packed()
    return value if isinstance(value, str | int | float | None) else str(value)


def Term(vocabulary: str, word: str) -> Message:  # noqa: N802 - stands for a message
    """Return a word of a vocabulary for the slot of a message: other languages have its label there."""
    return Message._rendered(word, word, {}, vocabulary)  # noqa: SLF001


def slot_names(msgid: str) -> list[str]:
    """Return the names of the slots of a message, each once, in their order."""
    return [slot.name for slot in _template(msgid).slots]


def filled(template: str, slots: Mapping[str, Any], most: int | None = None) -> str:
    """Fill the slots of a template by their whole names. Raises LookupError or ValueError if they do not fit.

    They do not fit either if the text has more than ``most`` characters: without it, ``MOST_ADDED`` more than the
    template and each value once. No more is made of it than those and one slot.
    """
    parts = _template(template)
    # A slot's name as it stands: no template of a catalogue reaches into values.
    values = [slots[slot.name] for slot in parts.slots]
    if most is None:
        lengths = (len(value if isinstance(value, str) else str(value)) for value in values)
        most = MOST_ADDED + len(template) + sum(lengths)
    pieces = list[str]()
    for form, number in parts.pieces:
        pieces.append(form if number is None else form.format(values[number]))
        most -= len(pieces[-1])
        if most < 0:
            raise ValueError("the text is too long")
    return "".join(pieces)


class _Slot(NamedTuple):
    """A slot's name, which is that of a value or, with ``attribute``, of what it reads from the value ``root``."""

    name: str
    root: str
    attribute: Callable[[Any], Any] | None


class _Template(NamedTuple):
    """A template with the numbers of its ``slots`` in place of their names: ``{0}`` for ``{case.id}``.

    ``pieces`` are words, or the form of a slot with its number.
    """

    slots: tuple[_Slot, ...]
    pieces: tuple[tuple[str, int | None], ...]
    text: str


@lru_cache(maxsize=TEMPLATES_KEPT)
def _template(template: str) -> _Template:
    numbers, pieces, text = dict[str, int](), list[tuple[str, int | None]](), list[str]()
    for literal, name, spec, conversion in Formatter().parse(template):
        pieces.append((literal, None))
        text.append(literal.replace("{", "{{").replace("}", "}}"))
        if name is not None:
            # It would reach into the values, or ask for a text of any length: a template may be another's.
            if "{" in (spec or "") or len(spec or "") > LONGEST_FORM:
                raise ValueError("the form of a slot has slots of its own, or is too long")
            number = numbers.setdefault(name, len(numbers))
            form = f"{f'!{conversion}' if conversion else ''}:{spec}}}"
            pieces.append((f"{{0{form}", number))
            text.append(f"{{{number}{form}")
    slots = ((name, *name.partition(".")[::2]) for name in numbers)
    return _Template(
        tuple(_Slot(name, root, attrgetter(path) if path else None) for name, root, path in slots),
        tuple(pieces),
        "".join(text),
    )


def _value(value: Any, attribute: Callable[[Any], Any] | None) -> Any:
    if attribute is not None:
        value = attribute(value)
    if isinstance(value, BaseException):
        text = getattr(value, "text", None)
        return text if isinstance(text, Message) else str(value)
    return value


def joined(parts: Sequence[str], *, by: Literal["; ", ", ", " and ", " or "] = "; ") -> str:
    """Join sentences or words in the way of the reader's language; none are an empty text."""
    if len(parts) < 2:
        return parts[0] if parts else ""
    half = len(parts) // 2  # in halves, so that the messages of many words do not lie deep in each other
    return JOINTS[by](joined(parts[:half], by=by), joined(parts[half:], by=by))


# Each is a message of its own, for the catalogues.
JOINTS: Mapping[str, Callable[[str, str], str]] = {
    "; ": lambda first, second: Message("{first}; {second}", first=first, second=second),
    ", ": lambda first, second: Message("{first}, {second}", first=first, second=second),
    " and ": lambda first, second: Message("{first} and {second}", first=first, second=second),
    " or ": lambda first, second: Message("{first} or {second}", first=first, second=second),
}


def plain(value: object) -> str:
    """Return a message as the ``str`` that it is: the ``enc_hook`` of msgspec, which encodes no subclass of ``str``."""
    if isinstance(value, Message):
        return str(value)
    raise NotImplementedError(f"no encoding of {type(value)}")
