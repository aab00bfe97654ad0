"""The text of a paper in its languages: each text once for each language, or once for all if they are equal."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Literal

from ledger.core.custody import CaseState
from ledger.core.events import Event
from ledger.i18n import Labels, zone_in_use
from ledger.interchange.papers.sheet import BLANK, Cell, LabelledValue, TableBlock, Words
from ledger.timeline.sentences import CitedEvents, EventWords, Names, Narrator

PaperLanguage = Literal["zh-CN", "en", "both"]
LANGUAGES: dict[PaperLanguage, tuple[str, ...]] = {"zh-CN": ("zh-CN",), "en": ("en",), "both": ("zh-CN", "en")}


def language_for(reader_language: str) -> PaperLanguage:
    """Return the paper's language for a reader whose labels are in this language."""
    return "zh-CN" if reader_language == "zh-CN" else "en"


class PaperText:
    """``names`` gives the name of an agency by its id, in the language of labels; ``persons`` those of persons.

    ``cited`` gives the events that others cite.
    """

    def __init__(
        self,
        language: PaperLanguage,
        names: Callable[[Labels], Names],
        persons: Callable[[Labels], Mapping[str, str]] = lambda _: {},
        cited: CitedEvents = lambda _event_ids, _case_id: {},
    ):
        self.languages = LANGUAGES[language]
        self._labels = [Labels(each) for each in self.languages]
        self._names = [names(labels) for labels in self._labels]
        self._narrators = [
            Narrator(labels, names, persons(labels), cited)
            for labels, names in zip(self._labels, self._names, strict=True)
        ]

    def each(self, render: Callable[[Labels], str]) -> Words:
        """Return what ``render`` makes of the labels of each language."""
        return _once_if_equal(render(labels) for labels in self._labels)

    def of(self, vocabulary: str, word: str) -> Words:
        """Return a word of a vocabulary."""
        return self.each(lambda labels: labels.of(vocabulary, word))

    def paper(self, word: str, **values: str | Words) -> Words:
        """Return a text of papers, with values in its slots."""

        def in_language(value: str | Words, position: int) -> str:
            if isinstance(value, str):
                return value
            return value[min(position, len(value) - 1)] if value else ""

        return _once_if_equal(
            labels.of("paper", word).format_map({name: in_language(value, at) for name, value in values.items()})
            for at, labels in enumerate(self._labels)
        )

    def field(self, name: str) -> Words:
        """Return the label of a field: that of papers, else the general one."""
        return self.each(lambda labels: labels.find("paper_field", name) or labels.of("field", name))

    def labelled(self, field: str, value: Words) -> Words:
        """Return ``label: value``, blank if the value is."""
        return self.paper("labelled", label=self.field(field), value=value) if value else BLANK

    def fact(self, field: str, value: Words, *, exact: bool = False) -> LabelledValue:
        """Return a value under the label of its field."""
        return LabelledValue(self.field(field), value, exact)

    def case_facts(self, state: CaseState) -> list[LabelledValue]:
        """Return what the case is, and each agency's number of it."""
        facts = [self.fact("case_id", (state.case_id,)), self.fact("case_type", (state.case_type,))]
        for agency in sorted(state.numbers):
            label = self.paper("number_of", agency=self.agency(agency))
            facts.append(LabelledValue(label, (state.numbers[agency],)))
        return facts

    def table(
        self,
        heading: str,
        columns: Mapping[str, float],
        rows: Iterable[tuple[Cell, ...]],
        *,
        exact: tuple[int, ...] = (),
        times: Collection[str] = (),
    ) -> Iterator[TableBlock]:
        """Yield a list under the labels of fields, given with their widths; nothing if there is no row.

        ``times`` are those whose values are times in the zone in use, which their heads name.
        """
        cells = tuple(rows)
        if cells:
            heads = tuple(
                self.paper("in_zone", label=self.field(name), zone=self.zone()) if name in times else self.field(name)
                for name in columns
            )
            yield TableBlock(self.paper(f"list.{heading}"), heads, tuple(columns.values()), cells, exact)

    def agency(self, agency_id: str) -> Words:
        """Return the name of an agency."""
        return _once_if_equal(name(agency_id) for name in self._names)

    def flag(self, name: str) -> Words:
        """Return what a flag means."""
        return self.each(lambda labels: labels.of_flag(name))

    def clock(self, name: str) -> Words:
        """Return what a clock is called."""
        return self.each(lambda labels: labels.of_clock(name))

    def detail(self, text: str) -> Words:
        """Return the detail that a flag has beside its name."""
        return _once_if_equal(narrator.detail(text) for narrator in self._narrators)

    def verifier(self, detail: str) -> Words:
        """Return what the verifier compared, or why it could not; its times are in the zone in use."""
        return self.each(lambda labels: zone_in_use().with_readable_times(labels.translate(detail)))

    def steps(self, steps: Iterable[tuple[int, str]]) -> Words:
        """Return a list of steps of a report, by their numbers and names."""
        listed = list(steps)
        return self.each(
            lambda labels: labels.of("telling", "separator").join(
                f"{number} {labels.of('step', name)}" for number, name in listed
            )
        )

    def article(self, article: str) -> Words:
        """Return the name of an article."""
        return self.each(lambda labels: labels.of_article(article))

    def zone(self) -> Words:
        """Return what the zone of the times is called."""
        return self.each(lambda labels: labels.of_zone(zone_in_use()))

    def moment(self, instant: str) -> Words:
        """Return a time (RFC 3339) in the zone in use."""
        return self.each(lambda labels: labels.moment(datetime.fromisoformat(instant)))

    def of_event(self, event: Event, after: CaseState | None) -> EventText:
        """Return the text of one event's values."""
        separators = (labels.of("telling", "separator") for labels in self._labels)
        words = (narrator.words(event, after) for narrator in self._narrators)
        return EventText(tuple(zip(words, separators, strict=True)))

    def sentences(self, before: CaseState | None, event: Event, after: CaseState | None) -> Words:
        """Return the event in sentences."""
        return _once_if_equal(narrator.tell(before, event, after) for narrator in self._narrators)


class EventText:
    """The values of one event in several languages: words, and the separator of the parts of a list."""

    def __init__(self, words: tuple[tuple[EventWords, str], ...]):
        self._words = words

    def particular(self, name: str, value: str) -> Words:
        """Return what is stated in a field that the procedure gives a kind."""
        return _once_if_equal(words.particular(name, value) for words, _ in self._words)

    def value(self, field: str, value: Any) -> Words:
        """Return a field's value, blank if it is not stated. A list is given whole."""
        if value in (None, ()):
            return BLANK
        if not isinstance(value, tuple) or len(value) == 1:
            (stated,) = value if isinstance(value, tuple) else (value,)
            return _once_if_equal(words.value(field, stated) for words, _ in self._words)
        return _once_if_equal(
            separator.join(words.part(field, part) for part in value) for words, separator in self._words
        )


def _once_if_equal(texts: Iterable[str]) -> Words:
    in_languages = tuple(texts)
    return in_languages[:1] if len(set(in_languages)) == 1 else in_languages


def cell(*lines: Words) -> Cell:
    """Return the cell of these lines, without the blank ones.

    A line break in one of several is a code point: else a text would write the next line, such as another thing's id.
    """
    shown = tuple(line for line in lines if line)
    return shown if len(shown) < 2 else tuple(tuple(text.replace("\n", "[U+000A]") for text in line) for line in shown)
