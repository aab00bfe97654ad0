"""Texts in the reader's language: one gettext catalogue a language, ``locale/*/LC_MESSAGES/tallystick.po``.

A message is looked up by its English (``ledger.core.messages``); the label of a protocol word by its vocabulary, which
is the context of its entry, and the word. The words themselves never change. ``scripts/setup`` compiles the catalogues.
"""

from __future__ import annotations

import gettext
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from datetime import datetime
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Protocol

from ledger.core.events.terms import TABLE_OF
from ledger.core.messages import Message, filled, plain
from ledger.core.procedure.zones import UNIVERSAL, Zone
from ledger.procedures import tables_that_ship

if TYPE_CHECKING:
    from ledger.core.procedure.deadlines import Period
    from ledger.core.procedure.rulebook import Level, Rulebook

LANGUAGES = ("en", "zh-CN")
_DOMAIN = "tallystick"
_SPELLED = re.compile(r"(?<![\d-])\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z| ?[+-]\d\d:\d\d)(?!\d)")
_LOCALES = f"{__path__[0]}/locale"


def language_of(tag: str | None) -> str:
    """Return the language for a tag such as ``zh_CN.UTF-8``: Chinese for any Chinese, else English."""
    return "zh-CN" if (tag or "").lower().startswith("zh") else "en"


_RANGE = re.compile(r"\s*(en|zh)(?:[-_][\w-]*)?\s*(?:;\s*q=([01](?:\.\d*)?)\s*)?", re.IGNORECASE)


def language_accepted(header: str | None) -> str:
    """Return the language that an Accept-Language prefers (RFC 9110, section 12.5.4), English if it has neither."""
    ranges = filter(None, map(_RANGE.fullmatch, (header or "").split(",")))
    weights = [(float(match[2] or 1), language_of(match[1])) for match in ranges]
    weight, language = max(weights, key=itemgetter(0), default=(0.0, "en"))
    return language if weight else "en"


def translate(text: str, language: str, show: Callable[[str, Any], str] | None = None) -> str:
    """Return a message, or a text without slots, in the language; English where the catalogue lacks it.

    ``show`` renders the value of a slot, given its name; else it stands in the message as in English.
    """
    if not text or (language == "en" and show is None):
        return str(text)
    catalogue = _catalogue(language)
    if not isinstance(text, Message):
        return catalogue.gettext(text)
    if text.context is None:
        translation = catalogue.gettext(text.msgid)
    else:
        # A word of a vocabulary may be a procedure's own, which has its label.
        translation = Labels(language).find(text.context, text.msgid) or text.msgid
    if not text.params or (translation == text.msgid and show is None):
        return str(text) if translation == text.msgid else translation
    slots = {
        name: translate(value, language, show) if isinstance(value, Message) else show(name, value) if show else value
        for name, value in text.params.items()
    }
    try:
        return filled(translation, slots)
    except (LookupError, TypeError, ValueError):  # of another release, which has other slots
        return str(text)


# The language of whoever waits for the answer that is being made: of one request, in a service.
READERS_LANGUAGE: ContextVar[str] = ContextVar("readers_language", default="en")
# The procedures whose labels are looked up before those that ship, of the case that is shown first: of one request.
PROCEDURES_IN_USE: ContextVar[tuple[Rulebook, ...]] = ContextVar("procedures_in_use", default=())


# The tables whose labels are looked up after those: of all packages that ship; in a command those of its ledger first.
TABLES_IN_USE: ContextVar[Callable[[], Iterable[Mapping[str, Any]]]] = ContextVar(
    "tables_in_use", default=tables_that_ship
)


# The time zone of what is shown and typed: of one request in a service, of one command. Called when a time is shown.
ZONE_IN_USE: ContextVar[Callable[[], Zone]] = ContextVar("zone_in_use", default=lambda: UNIVERSAL)


def zone_in_use() -> Zone:
    """Return the zone of the case that is shown first, else the ledger's own."""
    return ZONE_IN_USE.get()()


def words_in_use(vocabulary: str) -> tuple[str, ...]:
    """Return the words of a vocabulary of all procedures in force."""
    books = PROCEDURES_IN_USE.get()
    return tuple(dict.fromkeys(word for book in books for word in book.vocabularies[vocabulary]))


def label_first_by(book: Rulebook) -> None:
    """Look labels up in this procedure first, and show times in its zone, for the rest of the request."""
    others = (in_force for in_force in PROCEDURES_IN_USE.get() if in_force.digest != book.digest)
    PROCEDURES_IN_USE.set((book, *others))
    ZONE_IN_USE.set(lambda: book.zone)


def in_readers_language(value: object) -> str:
    """Return a message in the language of the request: the ``enc_hook`` of answers. Messages alone can be encoded."""
    return translate(value, READERS_LANGUAGE.get()) if isinstance(value, Message) else plain(value)


def speak(language: str) -> None:
    """Let libraries that use gettext, as click does, speak the language from now on, in this whole process."""
    os.environ["LANGUAGE"] = language.replace("-", "_")
    gettext.bindtextdomain(_DOMAIN, _LOCALES)
    gettext.textdomain("messages" if language == "en" else _DOMAIN)


def spoken(text: str) -> str:
    """Return a message in the language that this process speaks: for what click takes as finished text."""
    return translate(text, language_of(os.environ.get("LANGUAGE")))


class Bilingual(Protocol):
    """A text in both languages."""

    @property
    def en(self) -> str: ...

    @property
    def zh(self) -> str: ...


class Labels:
    """The labels of one language, by vocabulary and word; ``suffix`` ends the names of fields in this language."""

    def __init__(self, language: str):
        self.language = language
        self.suffix = "zh" if language == "zh-CN" else "en"
        self._catalogue = _catalogue(language)
        self._hour = self.of("moment", "hour")

    def of(self, vocabulary: str, word: str) -> str:
        """Return the label of ``word``, or the word itself with spaces if the catalogue has none."""
        return self.find(vocabulary, word) or word.replace("_", " ")

    def find(self, vocabulary: str, word: str) -> str | None:
        """Return the label that a procedure has of a word of its own, else that of the catalogue, or None."""
        table = TABLE_OF.get(vocabulary)
        own = None if table is None else self._of_procedure_word(table, word)
        return own or self._catalogue.pgettext(vocabulary, word) or None

    def _of_procedure_word(self, table: str, word: str) -> str | None:
        tables, row = _row(table, word)
        return None if row is None else self._in(row["label"], tables)

    def quantity(self, value: str, unit: str) -> str:
        """Return a quantity in words: with the label of the unit that goes with the number in this language."""
        return f"{value} {(None if value == '1' else self._many(unit)) or self.of('quantity_unit', unit)}"

    def _many(self, unit: str) -> str | None:
        many: Mapping[str, str] = (_row("units", unit)[1] or {}).get("many", {})
        return many.get(self.suffix)

    def all(self, vocabulary: str) -> dict[str, str]:
        """Return every word with its label, of a vocabulary that the protocol decides and no procedure."""
        prefix = f"{vocabulary}\x04"
        entries = self._catalogue._catalog.items()  # type: ignore[attr-defined]  # noqa: SLF001
        return {key.removeprefix(prefix): text for key, text in entries if str(key).startswith(prefix)}

    def translate(self, text: str) -> str:
        """Return a message, or a text without slots, in this language; English where the catalogue lacks it."""
        return translate(text, self.language)

    def in_language(self, both: Bilingual | Mapping[str, str]) -> str:
        """Return the text in this language; of a name that lacks it, in the first one that it has."""
        if isinstance(both, Mapping):
            return both.get(self.suffix) or next(iter(both.values()))
        return both.zh if self.suffix == "zh" else both.en

    def moment(self, at: datetime) -> str:
        """Format a time in the zone in use, to the minute."""
        return self.moment_at(int(at.timestamp()))

    def moment_at(self, unix_s: int) -> str:
        """Format a time in the zone in use, to the minute."""
        return zone_in_use().shown(self._hour, unix_s)

    def with_moments(self, text: str) -> str:
        """Replace each time that a text spells with its offset, such as that of a lead, as ``moment`` formats it."""

        def shown(match: re.Match[str]) -> str:
            try:
                return self.moment(datetime.fromisoformat(match[0].replace(" +", "+").replace(" -", "-")))
            except (ValueError, OverflowError):  # no day of the calendar
                return match[0]

        return _SPELLED.sub(shown, text)

    def of_zone(self, zone: Zone) -> str:
        """Return what people call a time zone, or its name."""
        return zone.label.get(self.suffix) or next(iter(zone.label.values()), zone.name)

    def of_periods(self, *parts: Period) -> str:
        """Return a time in words, such as ``2 months``; one of several parts is as long as all of them."""
        units = ((part.unit if part.amount == 1 else f"{part.unit}s", part.amount) for part in parts)
        return " ".join(self.of("unit", unit).format(amount) for unit, amount in units)

    def of_flag(self, name: str) -> str:
        """Return the rules' name of a flag."""
        return self._of_rule("flags", name) or name.replace("_", " ")

    def level_of_flag(self, name: str) -> Level:
        """Return how much the rules' flag matters; it deserves a look where no procedure has it."""
        rows = _rows("flags", name)[1]
        level: Level = rows[-1].get("level", "look") if rows else "look"
        return level

    def of_clock(self, name: str) -> str:
        """Return the rules' name of a clock."""
        return self._of_rule("clocks", name) or name.replace("_", " ")

    def of_extension(self, clock: str, name: str) -> str:
        """Return the rules' name of an extension of a clock."""
        return self._of_rule("clocks", clock, name) or name.replace("_", " ")

    def of_particular(self, name: str, value: str) -> str:
        """Return the value of a field of the procedure: the label of a choice, yes or no in words, else the value."""
        tables, row = _row("fields", name)
        if row is not None and row.get("type") == "choice" and value in row["choices"]:
            return self._in(row["choices"][value], tables)
        return self.of("telling", value) if row is not None and row.get("type") == "yes_no" else value

    def of_procedure(self, procedure_id: str) -> str:
        """Return the title of a procedure, or its id where no package has it."""
        of_id = (tables for tables in _all_tables() if tables["procedure"]["id"] == procedure_id)
        tables = next(of_id, None)
        return procedure_id if tables is None else self._in(tables["procedure"]["title"], tables)

    def of_relation(self, word: str) -> str:
        """Return the label of an edge of a correlation: a relation, a person's role, or a link of two cases."""
        candidates = (self.find(vocabulary, word) for vocabulary in ("relation", "person_role", "case_relation"))
        return next(filter(None, candidates), word.replace("_", " "))

    def of_article(self, article: str) -> str:
        """Return the name of a law or rule with the number of the article, such as ``CPL 175``.

        An unknown article is returned unchanged.
        """
        law, _, number = article.rpartition(" ")
        if (whole := self._law(article)) is not None and "{" not in whole:  # a law that is named without articles
            return whole
        name = self._law(law)
        return article if name is None else name.format(number)  # what a signer wrote is no template

    def _law(self, law: str) -> str | None:
        """Return how a law is called in this language, or None where it is called as in an article."""
        names: Mapping[str, str] = (_row("laws", law)[1] or {}).get("names", {})
        return names.get(self.suffix)

    def _of_rule(self, kind: str, name: str, extension: str | None = None) -> str | None:
        """Return the label of a flag or clock, or of an extension of it, or None where no procedure has it."""
        tables, rows = _rows(kind, name, extension)
        return self._in(rows[-1]["label"], tables) if rows else None

    def _in(self, label: Mapping[str, str], tables: Mapping[str, Any]) -> str:
        """Return a label in this language, else in the first one of its procedure."""
        return label.get(self.suffix) or label[tables["procedure"]["languages"][0]]


def _all_tables() -> Iterator[Mapping[str, Any]]:
    """Yield the tables of the procedures in use, then those of ``TABLES_IN_USE``."""
    yield from (book.tables for book in PROCEDURES_IN_USE.get())
    yield from TABLES_IN_USE.get()()


def _row(table: str, word: str) -> tuple[Mapping[str, Any], Mapping[str, Any] | None]:
    """Return the first tables that have the word in ``table``, with its row."""
    return next(
        ((tables, tables[table][word]) for tables in _all_tables() if word in tables.get(table, ())), ({}, None)
    )


def _rows(table: str, name: str, extension: str | None = None) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
    """Return the first tables that have rows of this name in the array ``table``, or an extension of them, with these.

    An amended row may lack an extension that the one before it has.
    """
    for tables in _all_tables():
        rows = [row for row in tables.get(table, ()) if row["name"] == name]
        if extension is not None:
            rows = [part for row in rows for part in row.get("extensions", ()) if part["name"] == extension]
        if rows:
            return tables, rows
    return {}, []


class _Missing(gettext.NullTranslations):
    """What a catalogue lacks: a message is its id, a label is empty."""

    def pgettext(self, context: str, message: str) -> str:  # noqa: ARG002 - of gettext
        return ""


@cache
def _catalogue(language: str) -> gettext.NullTranslations:
    try:
        catalogue = gettext.translation(_DOMAIN, _LOCALES, [language.replace("-", "_")])
    except FileNotFoundError as error:
        raise RuntimeError("scripts/setup compiles the catalogues: run it once, and when texts have changed") from error
    catalogue.add_fallback(_Missing())
    return catalogue
