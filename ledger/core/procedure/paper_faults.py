"""The contradictions of a procedure's papers: values that events do not have, and missing words and labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ledger.core.events.catalogue import EVENT_TYPES
from ledger.core.messages import Message
from ledger.core.procedure.facts import VOCABULARY_OF
from ledger.core.procedure.faults import Fault, faults_of_label, unknown_words
from ledger.core.procedure.papers import (
    ANSWERED_BY,
    LISTS,
    OWN_NUMBER,
    STATED,
    VALUES,
    ListRow,
    NamedValue,
    PaperPart,
    PaperRow,
    PaperValue,
    ValueRow,
    slots_of_text,
)
from ledger.core.procedure.rows import Label
from ledger.core.procedure.rulebook import Rulebook

_PRINTED_OF = ("case", "supervision")  # streams whose events print
_VOCABULARY_OF = {
    **VOCABULARY_OF,
    "returned": "purpose",
    "former_measure": "measure",
    "purpose": "purpose",
    "reason_code": "reason_code",
    "disposal": "disposal",
}
Place = tuple[str | int, ...]


def faults_of_papers(book: Rulebook) -> Iterator[Fault]:
    """Yield what is wrong with the papers of a procedure, each with its path."""
    for word, label in book.paper_words.items():
        yield from faults_of_label(book, ("paper_words", word), label)
    names = {row.name for row in book.papers}
    for number, row in enumerate(book.papers):
        path: Place = ("papers", number)
        event = EVENT_TYPES.get(row.event)
        if event is None or not {*event.streams} & {*_PRINTED_OF}:
            yield (*path, "event"), Message("no event that prints is called {event}", event=row.event)
            continue
        yield from faults_of_label(book, (*path, "title"), row.title)
        for replaced in row.replaces:
            if replaced not in names:
                yield (*path, "replaces"), Message("no paper is called {name}", name=replaced)
        if row.number != OWN_NUMBER:  # what has none has room for one
            yield from _unknown_value(row.number, row, (*path, "number"), _values_of(book))
        yield from _unknown_agency(row.issuer, row, (*path, "issuer"))
        yield from _faults_of_condition(row, book, path)
        yield from _faults_of_sheet(row.own_sheet, row, book, path)
        for place, part in enumerate(row.parts):
            yield from faults_of_label(book, (*path, "parts", place, "title"), part.title)
            yield from _faults_of_sheet(part, row, book, (*path, "parts", place))


def _values_of(book: Rulebook) -> Mapping[str, PaperValue]:
    """Return the values that papers of the procedure can have: those of all, and the fields of its kinds."""
    return dict.fromkeys(book.fields, STATED) | VALUES


def _unknown_value(name: str, row: PaperRow, path: Place, of: Mapping[str, Any] = VALUES) -> Iterator[Fault]:
    value = of.get(name)
    if name not in of:
        yield path, Message("no value is called {name}", name=name)
    elif isinstance(value, PaperValue) and not value.is_known_in(row.event):
        yield path, Message("{event} has no {name}", event=row.event, name=name)


def _unknown_agency(name: str, row: PaperRow, path: Place) -> Iterator[Fault]:
    if name in VALUES and not VALUES[name].is_agency:
        yield path, Message("{name} is no agency", name=name)
    else:
        yield from _unknown_value(name, row, path)


def _faults_of_condition(row: PaperRow, book: Rulebook, path: Place) -> Iterator[Fault]:
    """Yield the keys of conditions that the event does not answer, and the words that there are not."""
    for condition in () if row.condition is None else row.condition.parts:
        for key, words in condition.asked:
            place = (*path, "if", key)
            if not _is_answered(key, row):
                yield place, Message("nothing answers {key} here", key=key)
            elif key == "has":
                for name in words:
                    yield from () if name in LISTS else _unknown_value(name, row, place, _values_of(book))
            else:
                vocabulary = _vocabulary_of_kind(row) if key == "kind" else _VOCABULARY_OF.get(key, "")
                yield from ((place, fault) for fault in unknown_words(vocabulary, words, book))


def _is_answered(key: str, row: PaperRow) -> bool:
    fields = ANSWERED_BY.get(key)
    if fields is None:
        return "case" in EVENT_TYPES[row.event].streams
    return not fields or not {*fields}.isdisjoint(EVENT_TYPES[row.event].body.__struct_fields__)


def _vocabulary_of_kind(row: PaperRow) -> str:
    subject = row.event.partition(".")[0]
    return {"letter": "letter_kind", "recommendation": "recommendation_kind"}.get(subject, "decision_kind")


def _faults_of_sheet(sheet: PaperPart, row: PaperRow, book: Rulebook, path: Place) -> Iterator[Fault]:
    """Yield what is wrong with what stands on a paper, or on a part of it."""
    if sheet.text is not None:
        yield from faults_of_label(book, (*path, "text"), sheet.text)
        yield from _faults_of_text(sheet.text, row, book, (*path, "text"))
    yield from _faults_of_named(sheet.fields or (), row, book, (*path, "fields"), _values_of(book))
    for number, listed in enumerate(sheet.lists or ()):
        yield from _faults_of_list(listed, row, book, (*path, "lists", number))
    for key, words in (("blanks", sheet.blanks), ("signs", sheet.signs)):
        for word in words or ():
            yield from _without_label(word, book, (*path, key))
    for name in sheet.seals or ():
        yield from _unknown_agency(name, row, (*path, "seals"))


def _faults_of_text(text: Label, row: PaperRow, book: Rulebook, path: Place) -> Iterator[Fault]:
    for language, paragraphs in text.items():
        try:
            slots = slots_of_text(paragraphs)
        except ValueError:
            yield (
                (*path, language),
                Message("expected the name of a value in braces, such as {example}", example="{agency}"),
            )
            continue
        for name in slots:
            yield from _unknown_value(name, row, (*path, language), _values_of(book))


def _faults_of_list(listed: ListRow, row: PaperRow, book: Rulebook, path: Place) -> Iterator[Fault]:
    yield from faults_of_label(book, (*path, "title"), listed.title)
    kind = LISTS.get(listed.of)
    if kind is None or not {*kind.fields} & {*EVENT_TYPES[row.event].body.__struct_fields__}:
        yield (*path, "of"), Message("{event} has no list {name}", event=row.event, name=listed.of)
        return
    if kind.columns and not listed.columns:
        yield path, Message("expected columns, such as {columns}", columns=", ".join(kind.columns))
    yield from _faults_of_named(listed.columns, row, book, (*path, "columns"), dict.fromkeys(kind.columns))
    yield from ((path, fault) for fault in unknown_words("item_kind", listed.kinds, book))


def _faults_of_named(
    named: Iterable[ValueRow], row: PaperRow, book: Rulebook, path: Place, of: Mapping[str, Any]
) -> Iterator[Fault]:
    """Yield the values, or columns, that there are not, and those without a label."""
    for value in named:
        if isinstance(value, NamedValue):
            yield from _unknown_value(value.value, row, path, of)
            yield from faults_of_label(book, path, value.label)
        else:
            yield from _unknown_value(value, row, path, of)
            if value not in book.fields:
                yield from _without_label(value, book, path)


def _without_label(word: str, book: Rulebook, path: Place) -> Iterator[Fault]:
    if word not in book.paper_words:
        yield path, Message("`paper_words` has no label of {word}", word=word)
