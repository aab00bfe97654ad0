"""The languages of a paper, spoken at once: each text once for each, and once for all where they say the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Literal

from ledger.core.custody import CaseState
from ledger.core.events import Payload
from ledger.i18n import Labels
from ledger.interchange.papers.sheet import UNSAID, Cell, Words
from ledger.timeline import Narrator
from ledger.timeline.sentences import Names
from ledger.timeline.sentences import Words as EventWords

PaperLanguage = Literal["zh-CN", "en", "both"]
SPOKEN: dict[PaperLanguage, tuple[str, ...]] = {"zh-CN": ("zh-CN",), "en": ("en",), "both": ("zh-CN", "en")}


def spoken_in(language: str) -> PaperLanguage:
    """The paper's language for a reader whose labels are in ``language``."""
    return "zh-CN" if language == "zh-CN" else "en"


class Voice:
    """``names`` gives the name of an agency by its id, in the language of labels."""

    def __init__(self, language: PaperLanguage, names: Callable[[Labels], Names]):
        self.languages = SPOKEN[language]
        self._labels = [Labels(one) for one in self.languages]
        self._names = [names(labels) for labels in self._labels]

    def each(self, say: Callable[[Labels], str]) -> Words:
        """What ``say`` makes of the labels of each language."""
        return merged(say(labels) for labels in self._labels)

    def of(self, vocabulary: str, word: str) -> Words:
        """A word of a vocabulary."""
        return self.each(lambda labels: labels.of(vocabulary, word))

    def paper(self, word: str, **values: str | Words) -> Words:
        """A text of papers, with values in its slots."""
        said = []
        for place, labels in enumerate(self._labels):
            given = {name: _at(value, place) for name, value in values.items()}
            said.append(labels.of("paper", word).format_map(given))
        return merged(said)

    def field(self, name: str) -> Words:
        """What a field is called: as papers call it, else as everywhere."""
        return self.each(lambda labels: labels.find("paper_field", name) or labels.of("field", name))

    def agency(self, agency_id: str) -> Words:
        """The name of an agency."""
        return merged(name(agency_id) for name in self._names)

    def flag(self, name: str) -> Words:
        """What the rules say that a flag means."""
        return self.each(lambda labels: labels.of_flag(name))

    def detail(self, text: str) -> Words:
        """What a flag says beside its name."""
        return merged(
            Narrator(labels, names).detail(text) for labels, names in zip(self._labels, self._names, strict=True)
        )

    def article(self, article: str) -> Words:
        """What an article is called."""
        return self.each(lambda labels: labels.of_article(article))

    def moment(self, instant: str) -> Words:
        """A time in Beijing's, of an RFC 3339 text."""
        return self.each(lambda labels: labels.moment(datetime.fromisoformat(instant)))

    def of_event(self, payload: Payload, after: CaseState | None) -> EventVoice:
        """Tells values of one event."""
        return EventVoice(
            tuple(
                (Narrator(labels, names).words(payload, after), labels.of("telling", "separator"))
                for labels, names in zip(self._labels, self._names, strict=True)
            )
        )

    def tell(self, before: CaseState | None, payload: Payload, after: CaseState | None) -> Words:
        """The event in sentences."""
        return merged(
            Narrator(labels, names).tell(before, payload, after)
            for labels, names in zip(self._labels, self._names, strict=True)
        )


class EventVoice:
    """The values of one event in several languages: words, and what stands between the parts of a list."""

    def __init__(self, words: tuple[tuple[EventWords, str], ...]):
        self._words = words

    def said(self, field: str, value: Any) -> Words:
        """A field's value; nothing where it is not stated. A list is told whole."""
        if value in (None, ()):
            return UNSAID
        parts = value if isinstance(value, tuple) else (value,)
        return merged(separator.join(words.said(field, part) for part in parts) for words, separator in self._words)


def merged(texts: Iterable[str]) -> Words:
    """One text for all languages where they say the same."""
    said = tuple(texts)
    return said[:1] if len(set(said)) == 1 else said


def cell(*lines: Words) -> Cell:
    """Those of the lines that say something."""
    return tuple(line for line in lines if line)


def _at(text: str | Words, place: int) -> str:
    if isinstance(text, str):
        return text
    return text[min(place, len(text) - 1)] if text else ""
