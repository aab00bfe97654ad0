"""Words of events: which fields of a body are words of a vocabulary, and that some procedure in force has them."""

from __future__ import annotations

from functools import cache

from msgspec import Struct

from ledger.core.errors import refuse
from ledger.core.events import terms
from ledger.core.events.fields import fields_of
from ledger.core.messages import Message, Term
from ledger.core.procedure.rulebook import Rulebook


def require_words(body: Struct, *books: Rulebook, path: str = "body") -> None:
    """Refuse (unknown_word) a word of an event that none of the procedures has; ``path`` names the event's body."""
    for name, vocabulary, is_deep in _word_fields(type(body)):
        value = getattr(body, name)
        if value is None:
            continue
        parts = value if isinstance(value, tuple) else (value,)
        for word in parts:
            if vocabulary is not None and not _is_word(vocabulary, word, books):
                possible = dict.fromkeys(each for book in books for each in book.vocabularies[vocabulary])
                refuse(
                    "unknown_word",
                    "the procedure has no {vocabulary} {word}",
                    vocabulary=Term("vocabulary", vocabulary),
                    word=word,
                    field=f"{path}.{name}",
                    hint=Message("It has: {words}", words=", ".join(possible)),
                )
        for number, part in enumerate(parts if is_deep else ()):
            place = f"{path}.{name}[{number}]" if isinstance(value, tuple) else f"{path}.{name}"
            require_words(part, *books, path=place)
    if isinstance(body, terms.Quantity):
        _require_decimals(body, books, path)


def _is_word(vocabulary: str, word: str, books: tuple[Rulebook, ...]) -> bool:
    for book in books:
        if word in book.vocabularies[vocabulary]:
            return True
    # Units are open in a procedure that has no table of them.
    return vocabulary == "quantity_unit" and not any(book.units for book in books)


def _require_decimals(quantity: terms.Quantity, books: tuple[Rulebook, ...], path: str) -> None:
    """Refuse (too_many_decimals) a quantity that is finer than its unit."""
    row = next((book.units[quantity.unit] for book in books if quantity.unit in book.units), None)
    if row is not None and len(quantity.value.partition(".")[2]) > row.decimals:
        refuse(
            "too_many_decimals",
            "in {unit}, a quantity has at most {decimals} digits after the point, not {value}",
            unit=Term("quantity_unit", quantity.unit),
            decimals=row.decimals,
            value=quantity.value,
            field=f"{path}.value",
        )


@cache
def _word_fields(kind: type[Struct]) -> tuple[tuple[str, str | None, bool], ...]:
    """Return the fields that are words, with their vocabulary, and those that hold parts with such fields."""
    fields = []
    for field in fields_of(kind):
        vocabulary = field.type.vocabulary if field.type.kind == "word" else None
        is_deep = field.type.part is not None and bool(_word_fields(field.type.part))
        if vocabulary is not None or is_deep:
            fields.append((field.name, vocabulary, is_deep))
    return tuple(fields)
