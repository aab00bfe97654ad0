"""The words of a paper: values of its event, labels of its row, in the languages that it is printed in."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from ledger.core.procedure.deadlines import parse_periods
from ledger.core.procedure.papers import VALUES, NamedValue, PaperRow, ValueRow, slots_of_text
from ledger.core.procedure.rows import Label
from ledger.interchange.papers.paper_text import PaperText
from ledger.interchange.papers.printed_event import PrintedEvent
from ledger.interchange.papers.sheet import BLANK, LabelledValue, Words

OPEN: Final = "＿＿＿＿"  # a value in a sentence that is filled in by hand
# Values that are said as another field of events is.
_SAID_AS: Final = {
    "returned_purpose": "purpose",
    "measure_until": "until",
    "former_measure": "measure",
    "frozen_until": "until",
    "persons": "person_ids",
    "addressee": "to_person",
}


class PaperWriter(NamedTuple):
    """An event, the row that it is printed by, and the text of its languages."""

    printed: PrintedEvent
    row: PaperRow
    text: PaperText

    def words(self, field: str, value: Any) -> Words:
        """Return a value in words, as of this field of the event."""
        return self.text.of_event(self.printed.event, self.printed.after).value(field, value)

    def label(self, label: Label) -> Words:
        """Return a text of the row in each language of the paper that the procedure has, else in its first one."""
        first = self.printed.book.procedure.languages[0]
        return self.text.each(lambda labels: label.get(labels.suffix) or label[first])

    def label_of(self, value: ValueRow) -> Words:
        """Return the label of a value: its own, or that of the procedure's words of papers, or of the field."""
        if isinstance(value, NamedValue):
            return self.label(value.label)
        book = self.printed.book
        return self.label(book.paper_words.get(value) or book.fields[value].label)

    def value(self, name: str) -> Words:
        """Return a value of the event in words, blank if it is not stated."""
        if name == "basis":
            return self.text.article(self.row.article) if self.row.article else BLANK
        value = self.printed.values.get(name)
        if value in (None, (), "", {}):
            return BLANK
        match name:
            case _ if name not in VALUES:
                return self.text.of_event(self.printed.event, self.printed.after).particular(name, value)
            case "case_numbers":
                return tuple(", ".join(value.values()) for _ in (0,))
            case "item_id":  # in full, as a number of the paper
                return (value,)
            case "decision":
                return self._named("decision_kind", self.printed.case.decisions.get(value))
            case "answered_letter":
                return self._named("letter_kind", value)
            case "reply_within":
                return self.text.each(lambda labels: labels.of_periods(*parse_periods(value)))
            case "addressee" if isinstance(value, str) and not self._is_person(value):
                return self.text.agency(value)
            case _ if VALUES[name].is_agency:
                return self.text.agency(value)
        return self.words(_SAID_AS.get(name, name), value)

    def _is_person(self, name: str) -> bool:
        return self.printed.after is not None and name in self.printed.after.persons

    def fact(self, value: ValueRow) -> list[LabelledValue]:
        """Return a value under its label; of the numbers of a case, one of each agency."""
        name = value.value if isinstance(value, NamedValue) else value
        if name == "case_numbers":
            numbers = self.printed.case.numbers
            labels = ((agency, self.text.paper("number_of", agency=self.text.agency(agency))) for agency in numbers)
            return [LabelledValue(label, (numbers[agency],)) for agency, label in labels]
        return [LabelledValue(self.label_of(value), self.value(name), exact=name == "section_digest")]

    def paragraphs(self, text: Label) -> tuple[Words, ...]:
        """Return the paragraphs of a text, with values in its slots; what is not stated is left open."""
        languages = self.label(text)
        filled = []
        for place, template in enumerate(languages):
            slots = {name: self.value(name) for name in slots_of_text(template)}
            values = {name: words[min(place, len(words) - 1)] if words else OPEN for name, words in slots.items()}
            filled.append(template.format_map(values).split("\n"))
        return tuple(tuple(paragraphs) for paragraphs in zip(*filled, strict=True))

    def _named(self, vocabulary: str, paper: Any) -> Words:
        """Return kind and number of a decision or letter."""
        if paper is None:
            return BLANK
        kind = self.text.of(vocabulary, paper.kind)
        return self.text.paper("kind_and_number", kind=kind, number=paper.number) if paper.number else kind
