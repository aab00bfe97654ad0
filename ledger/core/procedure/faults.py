"""The contradictions of a procedure whose parts have their types: words that it lacks, rows that cannot hold together.

Each fault has its path in the package, from which ``package`` finds file and line.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date
from typing import Any, get_args
from unicodedata import normalize

from ledger.core.events import terms
from ledger.core.messages import UNSEEN, Message, Term
from ledger.core.procedure.deadlines import SATURDAY, parse_periods
from ledger.core.procedure.facts import (
    AWAITED,
    KEYS_OF_FACTS,
    KEYS_OF_ITEMS,
    KEYS_OF_PERSONS,
    PARTICIPANT,
    STEP,
    STEPS,
    VOCABULARY_OF,
    Condition,
)
from ledger.core.procedure.legal_days import stands_alone
from ledger.core.procedure.rows import Label
from ledger.core.procedure.rulebook import RAISED_BY_NUMBER, RETENTION_ENDS, TOLERATING, ClockRule, FlagRule, Rulebook

Path = tuple[str | int, ...]
SECTION_LABEL_CHARS = 32  # the name of a confidential field is the label of its section
LABEL_CHARS = 200  # of a label, which stands in sentences
# These change the shape of the letters beside them, if anything.
_ONLY_SHAPES = re.compile("[\u034f\u180b-\u180d\u200c\u200d\ufe00-\ufe0f\U000e0100-\U000e01ef]")
Fault = tuple[Path, Message]  # where it is, and what
# Words that the core itself gives a meaning to; what they are called is the procedure's.
CORE_WORDS: Mapping[str, tuple[str, ...]] = {"stage": ("closed",), "purpose": ("return",), "reason_code": ("other",)}
# What the core itself calls so, in any procedure: states, roles, fields of events. Packages use the same words for
# things of their own; besides these and those above, no word of a package stands in the core (a test compares them).
CORE_NAMES = frozenset(
    (
        *("account", "answer", "authority", "correct", "custody_change", "dossier", "head", "holder", "jurisdiction"),
        *("left", "money", "not_accepted", "note", "open", "person", "quantity_differs", "reasons", "recommendation"),
        *("recommendation_received", "recording", "remedy", "summary", "urgent", "witness"),
    )
)


def faults_of(book: Rulebook) -> Iterator[Fault]:
    """Yield what is wrong with a procedure whose parts have their types, each with its path."""
    for vocabulary, words in CORE_WORDS.items():
        for word in words:
            if word not in book.vocabularies[vocabulary]:
                message = Message(
                    "every procedure has the {vocabulary} {word}", vocabulary=Term("vocabulary", vocabulary), word=word
                )
                yield (terms.TABLE_OF[vocabulary],), message
    yield from _faults_of_references(book)
    yield from _faults_of_fields(book)
    yield from _faults_of_labels(book)
    yield from _faults_of_alike(book)
    yield from _faults_of_days_off(book)
    label, until, last = book.zone.label, book.zone.until, max(book.zone.offsets)
    if label and label.keys() != {*book.procedure.languages}:
        yield ("zone", "label"), _label_in(book)
    if until is not None and until <= last[: len(until)]:
        yield ("zone", "until"), Message("expected a day after the last offset, that of {last}", last=last)
    yield from _faults_of_flags(book)
    yield from _faults_of_clocks(book)
    for path, row in rows_with_articles(book):
        law = book.law_of(row.article)
        if isinstance(row, (ClockRule, FlagRule)) and law is not None and (law.valid_from or "") > row.valid_from:
            message = Message("its law holds from {day} on, and it cannot hold before", day=law.valid_from or "")
            yield (*path, "valid_from"), message


def _faults_of_days_off(book: Rulebook) -> Iterator[Fault]:
    """Yield the days that are of another year, that are worked anyway, or that are both worked and off."""
    for year, days in book.days_off.items():
        unsure = (days.unsure_from,) if days.unsure_from else ()
        for key, listed in (("holidays", days.holidays), ("make_up_days", days.make_up_days), ("unsure_from", unsure)):
            if any(not day.startswith(year) for day in listed):
                yield ("days_off", year, key), Message("expected days of {year}", year=year)
        for day in days.make_up_days:
            if day in days.holidays:
                message = Message("{day} is among `holidays` too: strike it from one of the two", day=day)
                yield ("days_off", year, "make_up_days"), message
            elif date.fromisoformat(day).weekday() < SATURDAY:
                message = Message("{day} is no Saturday or Sunday: it is worked anyway", day=day)
                yield ("days_off", year, "make_up_days"), message


def _faults_of_flags(book: Rulebook) -> Iterator[Fault]:
    """Yield the rows of flags that are in force together, lack their limit or have one for nothing."""
    # Two rows in force on one day would give one act two articles.
    for number, flag in enumerate(book.flags):
        if not stands_alone(flag, book.flags):
            yield ("flags", number), _not_alone(flag)
        if flag.limit is None and flag.name in RAISED_BY_NUMBER:
            yield ("flags", number, "limit"), Message("expected a number: by it the flag is raised")
        elif flag.limit is not None and flag.name not in RAISED_BY_NUMBER | TOLERATING:
            yield ("flags", number, "limit"), Message("this flag has no limit: leave it out")


def rows_with_articles(book: Rulebook) -> Iterator[tuple[Path, Any]]:
    """Yield each row that can rest on an article, with its path in the package."""
    for table in ("clocks", "flags", "papers"):
        for number, row in enumerate(getattr(book, table)):
            yield (table, number), row
            for place, extension in enumerate(getattr(row, "extensions", ())):
                yield (table, number, "extensions", place), extension
    for table in ("purposes", "decisions", "reasons", "holds", "erasures", "items", "persons"):
        for word, row in getattr(book, table).items():
            if hasattr(row, "article"):
                yield (table, word), row
            yield from (((table, word, "fields", name), use) for name, use in getattr(row, "fields", {}).items())


def lacks_source(row: Any, book: Rulebook) -> bool:
    """Tell whether nothing says where the text of a row's article stands: no source of its own or of its law."""
    law = book.law_of(row.article)
    return bool(row.article) and not getattr(row, "source", "") and (law is None or not (law.source or law.practice))


def _faults_of_references(book: Rulebook) -> Iterator[Fault]:
    """Yield the words that the rows of words name, and that there are not."""
    possible: dict[str, Collection[str]] = {**book.vocabularies, PARTICIPANT: {*book.kinds, *get_args(terms.Trait)}}
    for path, vocabulary, words in _references(book):
        yield from ((path, _no_word(vocabulary, word)) for word in words if word not in possible[vocabulary])


def _references(book: Rulebook) -> Iterator[tuple[Path, str, Iterable[str]]]:
    """Yield the words that rows of words name: the place, the vocabulary, and the words."""
    for measure, row in book.measures.items():
        yield ("measures", measure, "after"), "measure", row.after
    for disposal, ending in book.disposals.items():
        yield ("disposals", disposal, "proceeds"), "item_kind", _stated(ending.proceeds)
    for decision, kind_of_decision in book.decisions.items():
        stages = (*kind_of_decision.enters.keys(), *kind_of_decision.enters.values())
        yield ("decisions", decision, "enters"), "stage", stages
        yield ("decisions", decision, "by"), PARTICIPANT, kind_of_decision.by
    for reason, ground in book.reasons.items():
        yield ("reasons", reason, "for"), "purpose", ground.returns_for
    for name, purpose in book.purposes.items():
        yield ("purposes", name, "stage"), "stage", _stated(purpose.stage)
        yield ("purposes", name, "from"), PARTICIPANT, purpose.senders
        yield ("purposes", name, "to"), PARTICIPANT, purpose.receivers
    for hold, order in book.holds.items():
        yield ("holds", hold, "by"), PARTICIPANT, order.by
        yield ("holds", hold, "released_by"), PARTICIPANT, order.released_by
    for number, example in enumerate(book.examples):
        for agency, kind in example.agencies.items():
            yield ("examples", number, "agencies", agency), "agency_kind", (kind,)


def _faults_of_fields(book: Rulebook) -> Iterator[Fault]:
    """Yield what is wrong with the fields that kinds of decisions, items and letters and roles of persons have."""
    for name, field in book.fields.items():
        if bool(field.choices) != (field.type == "choice"):
            yield ("fields", name, "choices"), Message("expected choices of a field of type choice, and of no other")
        if field.confidential and (field.type != "text" or len(name) > SECTION_LABEL_CHARS):
            yield (
                ("fields", name, "confidential"),
                Message("expected type text, and a name of at most {most} characters", most=SECTION_LABEL_CHARS),
            )
    uses = [
        ((table, word, "fields", name), name, use)
        for table in ("decisions", "items", "letters", "persons")
        for word, kind in getattr(book, table).items()
        for name, use in kind.fields.items()
    ]
    for path, name, use in uses:
        yield from ((path, fault) for fault in unknown_words("particular", (name, *use.unless), book))
        if use.missing == "flagged" and not use.article:
            yield path, Message("what is flagged where it lacks names its article")


def _stated(word: str | None) -> tuple[str, ...]:
    return () if word is None else (word,)


def _faults_of_labels(book: Rulebook) -> Iterator[Fault]:
    """Yield the rows without a label, or a note, in each language of the procedure, and in no other."""
    rows: list[tuple[Path, Any]] = [
        ((table, word), row) for table in terms.TABLE_OF.values() for word, row in getattr(book, table).items()
    ]
    rows += [((table, number), row) for table in ("flags", "clocks") for number, row in enumerate(getattr(book, table))]
    for path, row in rows:
        labels: list[tuple[Path, Label]] = [((*path, "label"), row.label)]
        if (at_end := getattr(row, "at_end", None)) is not None:
            labels.append(((*path, "at_end"), at_end))
        labels += [((*path, "choices", word), label) for word, label in getattr(row, "choices", {}).items()]
        labels += [
            ((*path, "extensions", number, "label"), extension.label)
            for number, extension in enumerate(getattr(row, "extensions", ()))
        ]
        for place, label in labels:
            yield from faults_of_label(book, place, label)
            if any(UNSEEN.search(text) or len(text) > LABEL_CHARS for text in label.values()):
                message = Message("expected one line of at most {most} characters that a reader sees", most=LABEL_CHARS)
                yield place, message
    for unit, row in book.units.items():
        if not row.many.keys() <= {*book.procedure.languages} or not all(map(str.strip, row.many.values())):
            languages = ", ".join(book.procedure.languages)
            message = Message("expected a text in one or more of these languages: {languages}", languages=languages)
            yield ("units", unit, "many"), message
    for name, law in book.laws.items():
        for language, called in law.names.items():
            if not called.strip() or called.count("{}") > 1 or {"{", "}"} & {*called.replace("{}", "")}:
                example = "Art. {} CPP"
                message = Message("expected {slot} at most once, for the number: {example}", slot="{}", example=example)
                yield ("laws", name, "names", language), message
    for path, row in rows_with_articles(book):
        if unconfirmed := getattr(row, "unconfirmed", {}):
            yield from faults_of_label(book, (*path, "unconfirmed"), unconfirmed)


def faults_of_label(book: Rulebook, place: Path, label: Label) -> Iterator[Fault]:
    """Yield a fault of a label that is empty, is not in each language of the procedure, or is in another one."""
    if label.keys() != {*book.procedure.languages} or not all(map(str.strip, label.values())):
        yield place, _label_in(book)


def _faults_of_alike(book: Rulebook) -> Iterator[Fault]:
    """Yield each label of a vocabulary that in some language reads as another word's: what is signed is the word."""
    vocabularies: dict[Path, Mapping[str, Label]] = {
        (table,): {word: row.label for word, row in getattr(book, table).items()} for table in terms.TABLE_OF.values()
    }
    vocabularies |= {("fields", name, "choices"): field.choices for name, field in book.fields.items()}
    for place, labels in vocabularies.items():
        earlier: dict[tuple[str, str], str] = {}
        for word, language, text in ((word, *each) for word, label in labels.items() for each in label.items()):
            read = _ONLY_SHAPES.sub("", normalize("NFKC", text)).casefold()
            earlier_word = earlier.setdefault((language, " ".join(read.split())), word)
            if earlier_word != word:
                yield (*place, word), Message("{other} is called {label!r} as well", other=earlier_word, label=text)


def _label_in(book: Rulebook) -> Message:
    languages = ", ".join(book.procedure.languages)
    return Message("expected a label in each of these languages: {languages}", languages=languages)


def _faults_of_clocks(book: Rulebook) -> Iterator[Fault]:
    """Yield what contradicts itself in the rows of clocks."""
    names = {row.name for row in book.clocks}
    for number, row in enumerate(book.clocks):
        path = ("clocks", number)
        yield from (((*path, *inner), fault) for inner, fault in _unknown_in_clock(row, book))
        if row.counts_back and not _can_count_back(row, book):
            yield (
                (*path, "counts_back"),
                Message(
                    "what counts back starts with decided.*, or with clock_started.* and period_changed.* of clocks "
                    "`per` {per}, has bases of days, and no extensions",
                    per=row.per,
                ),
            )
        for key in _keys_that_do_nothing(row):
            message = Message("{key} moves no end of what counts back, or counts hours: leave it out", key=key)
            yield (*path, key), message
        if row.prompt and row.bases:
            yield (*path, "prompt"), Message("what is due promptly has no last day: leave out `bases` or `prompt`")
        if len({kind for text in _periods_of(row) for kind in _kinds_of(text)}) > 1:
            yield (*path, "bases"), Message("expected only hours, only working days, or neither of them in one clock")
        if row.bases and row.bases[-1].condition is not None:
            yield (*path, "bases"), Message("the last base holds under every circumstance: leave out its `if`")
        yield from (((*path, *inner), fault) for inner, fault in _faults_of_extensions(row))
        if (row.rests is None) != (row.rests_for is None) or row.rests not in {None, *names}:
            yield path, Message("expected both a clock in `rests` and why in `rests_for`, or neither")
        if row.rests_at_most is not None and (row.rests is None or _kinds_of(row.rests_at_most) != {"day"}):
            yield (*path, "rests_at_most"), Message("expected days, months or years, and a clock in `rests`")
        yield from (((*path, *inner), fault) for inner, fault in _faults_of_retention(row, book))
        if not stands_alone(row, book.clocks):
            yield path, _not_alone(row)


def _keys_that_do_nothing(row: ClockRule) -> Iterator[str]:
    """Yield the keys that a row sets and that its way of counting passes over."""
    counts_hours = any(_kinds_of(text) == {"hour"} for text in _periods_of(row))
    if row.days_off in ("later", "earlier") and (row.counts_back or counts_hours):
        yield "days_off"
    if row.counts_back:
        set_keys = {
            "start_counts": row.start_counts,
            "month_end": row.month_end != "same_day",
            "most": row.most is not None,
        }
        yield from (key for key, is_set in set_keys.items() if is_set)


def _faults_of_retention(row: ClockRule, book: Rulebook) -> Iterator[Fault]:
    """Yield what contradicts itself in a time of retention."""
    if row.waits_for and not row.retains:
        yield ("waits_for",), Message("nothing is due at its end: say so in `then`")
    for name in row.waits_for:
        if name not in {each.name for each in book.clocks}:
            yield ("waits_for",), Message("no clock is called {name}", name=name)
    if row.gives_way_to and not row.retains:
        yield ("gives_way_to",), Message("nothing is due at its end: say so in `then`")
    # Who erases a section states a ground, who disposes of a thing cites a decision.
    earlier = "erasure_ground" if row.per == "case" else "decision_kind"
    yield from ((("gives_way_to",), fault) for fault in unknown_words(earlier, row.gives_way_to, book))
    if row.then is None:
        return
    ends = {"case": RETENTION_ENDS, "item": ("review", *book.disposals)}
    if row.then not in ends.get(row.per, ()):
        yield (
            ("then",),
            Message("a case is due for `review` or `erasure`, an item for `review` or a word of `disposals`"),
        )
    if row.days_off != "never" or row.prompt or row.counts_back or row.at_end is not None:
        yield (
            ("then",),
            Message('a time of retention has `days_off = "never"`, and no `prompt`, `counts_back` or `at_end`'),
        )


def _faults_of_extensions(row: ClockRule) -> Iterator[Fault]:
    """Yield what contradicts itself in the extensions of a clock."""
    for place, extension in enumerate(row.extensions):
        # Which of the two holds would depend on the reader.
        if extension.adds is not None and extension.to is not None:
            yield ("extensions", place), Message("expected adds or to, not both")
        if extension.of is not None and extension.of not in {base.period for base in row.bases}:
            yield ("extensions", place, "of"), Message("no base is of {period}", period=extension.of)
        if extension.to is not None and extension.counts != "together":
            yield ("extensions", place, "counts"), Message("a time in all counts from the start")
        if extension.within_last is not None and not _is_of_days(extension.within_last):
            yield ("extensions", place, "within_last"), Message("expected days, as in '5 d'")
        if extension.requires is not None and extension.requires not in {each.name for each in row.extensions}:
            fault = Message("no extension of the clock is called {name}", name=extension.requires)
            yield ("extensions", place, "requires"), fault


def _periods_of(row: ClockRule) -> Iterator[str]:
    """Yield the periods that may be counted together or compared in a clock of the row."""
    yield from (base.period for base in row.bases)
    for extension in row.extensions:
        yield from (text for text in (extension.adds, extension.to) if text is not None)
    yield from (text for text in (row.most, row.least) if text is not None)


def _kinds_of(text: str) -> set[str]:
    """Return what is counted in a period: hours, working days, or days, which months and years are of too."""
    return {period.unit if period.unit in ("hour", "working_day") else "day" for period in parse_periods(text)}


def _is_of_days(text: str) -> bool:
    return [period.unit for period in parse_periods(text)] == ["day"]


def _can_count_back(row: ClockRule, book: Rulebook) -> bool:
    facts = {trigger.partition(".")[0] for trigger in row.all_starts}
    days = bool(row.bases) and all(_is_of_days(base.period) for base in row.bases)
    if row.counts_back_from:
        # The subject of both is the same: else there would be several ends.
        of_clocks = {clock.per for clock in book.clocks if clock.name in row.counts_back_from} == {row.per}
        starts = of_clocks and facts <= {"clock_started", "period_changed"}
    else:
        starts = facts == {"decided"}
    return starts and days and not row.extensions


# Whose clocks start only by facts that name them; of persons, those who are accused have one if nobody is named.
_NAMED_SUBJECTS = ("item", "handover", "letter", "recommendation")


def _no_trigger(trigger: str, book: Rulebook) -> Message:
    from difflib import get_close_matches  # noqa: PLC0415 - most packages have no fault, and are read at every start

    if near := get_close_matches(trigger, sorted(book.triggers)):
        return Message("no event triggers {trigger!r}: did you mean {near}?", trigger=trigger, near=", ".join(near))
    return Message("no event triggers {trigger!r}", trigger=trigger)


def _unknown_in_clock(row: ClockRule, book: Rulebook) -> Iterator[Fault]:
    """Yield the triggers and words that a row of a clock names, and that there are not."""
    for key in ("starts", "stops", "provisional", "renewals"):
        for trigger in getattr(row, key):
            if trigger not in book.triggers:
                yield (key,), _no_trigger(trigger, book)
            elif key != "starts" and trigger.partition(".")[0] in AWAITED:
                yield (key,), Message("{trigger!r} starts clocks only: it is no event", trigger=trigger)
            elif key != "stops" and row.per in _NAMED_SUBJECTS and row.per not in book.fact_of(trigger).names:
                yield (
                    (key,),
                    Message("{trigger!r} names no `{per}`: the clock would never start", trigger=trigger, per=row.per),
                )
    words: list[tuple[tuple[str], str, tuple[str, ...]]]
    words = [(("rests_for",), "exclusion_ground", () if row.rests_for is None else (row.rests_for,))]
    words += [(("exclusions",), "exclusion_ground", row.exclusions or ())]
    words += [(("extensions",), "qualifying_ground", extension.grounds) for extension in row.extensions]
    for path, vocabulary, values in words:
        yield from ((path, fault) for fault in unknown_words(vocabulary, values, book))
    yield from _faults_of_conditions(row, book)


def _faults_of_conditions(row: ClockRule, book: Rulebook) -> Iterator[Fault]:
    """Yield the words that conditions of a row name and that there are not, and the keys that nothing answers there."""
    answers = [frozenset(book.fact_of(trigger).answers) for trigger in row.all_starts if trigger in book.triggers]
    of_start = frozenset.intersection(*answers) if answers else frozenset[str]()
    conditions: list[tuple[Path, Condition | None, Collection[str]]]
    of_start |= {"fact"}
    conditions = [(("starts_if",), row.starts_if, of_start)]
    conditions += [(("bases", number, "if"), base.condition, of_start) for number, base in enumerate(row.bases)]
    # Of an extension, the act is the decision on it.
    conditions += [
        (("extensions", number, "if"), each.condition, ("by",)) for number, each in enumerate(row.extensions)
    ]
    for path, whole, of_fact in conditions:
        for condition in () if whole is None else whole.parts:
            for key, words in condition.asked:
                if not _is_answered(key, row, of_fact):
                    yield path, Message("nothing answers {key} here", key=key)
                yield from (((*path, key), fault) for fault in unknown_words(VOCABULARY_OF.get(key, ""), words, book))
                if key == "fact" and not {*words} <= {*row.all_starts}:
                    yield (
                        (*path, key),
                        Message("expected facts that start the clock: {starts}", starts=", ".join(row.all_starts)),
                    )
    if any(base.asks("trial") for base in row.bases) and any(base.asks(*KEYS_OF_FACTS) for base in row.bases):
        # When another kind of trial is chosen, the fact that started the clock is not looked at again.
        yield ("bases",), Message("bases ask about the kind of trial or about the starting act, not both")


def unknown_words(vocabulary: str, words: tuple[str | bool, ...], book: Rulebook) -> Iterator[Message]:
    """Yield a fault of each word that the vocabulary lacks, if it is one of the procedure."""
    possible = book.vocabularies.get(vocabulary)
    if vocabulary == PARTICIPANT:
        possible = {*book.kinds, *get_args(terms.Trait), *book.outsiders, *book.persons}
    if vocabulary == STEP:
        possible = STEPS
    for word in words:
        if isinstance(word, str) and possible is not None and word not in possible:
            yield _no_word(vocabulary, word)


def _is_answered(key: str, row: ClockRule, of_fact: Collection[str]) -> bool:
    if key in KEYS_OF_FACTS:
        return key in of_fact
    if row.per == "recommendation":  # it is of no case
        return False
    if key in KEYS_OF_PERSONS:
        return row.per in ("person", "recipient")
    return row.per == "item" or key not in KEYS_OF_ITEMS


def _no_word(vocabulary: str, word: str) -> Message:
    return Message("no {vocabulary} is called {word}", vocabulary=Term("vocabulary", vocabulary), word=word)


def _not_alone(row: ClockRule | FlagRule) -> Message:
    return Message("two rows of {row.name} are in force on {row.valid_from}, or one ends before it begins", row=row)
