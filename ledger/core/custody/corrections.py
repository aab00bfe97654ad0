"""Corrections: what an item or a case is called, as the agency that called it so has corrected it.

The event that stated the words stays as it is, and so does custody. Only words are put right here: what is counted,
sealed, stored or timed may have been changed by later events, so its correction only marks the item. A correction by
another agency than the one that stated the words stands beside the event alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from ledger.core.custody.particulars import require_value
from ledger.core.custody.state import Act, CaseState, Item, WordsSource, rule
from ledger.core.events import record
from ledger.core.events.fields import ABSENT

# What an item is called and told apart by. No other event changes these.
WORDS_OF_ITEM = ("description", "features", "obtained_from", "exhibit_number", "account")


@rule(record.RecordCorrected)
def corrected(state: CaseState, act: Act, body: record.RecordCorrected) -> CaseState:
    """Put right what the corrected event calls the case or items of it.

    Refuses (particular_unfit) a particular that is no value of its field.
    """
    source = WordsSource(body.corrects.event_id, act.agency)
    for place, correction in enumerate(body.corrections):
        state = _with_words_of_case(state, act, source, correction)
        items = list(_corrected_items(state, act, source, correction, f"corrections[{place}].correct"))
        state = state.with_items(*items) if items else state
    return state


def _with_words_of_case(state: CaseState, act: Act, source: WordsSource, correction: record.Correction) -> CaseState:
    if correction.field == "case_number" and state.numbered_in.get(source.agency) == source.event_id:
        numbers = state.numbers | {source.agency: correction.correct}
        return replace(state, numbers=numbers, corrected_in=act.event.event_id)
    if correction.field == "case_type" and state.stated_in == source:
        return replace(state, case_type=correction.correct, corrected_in=act.event.event_id)
    return state


def _corrected_items(
    state: CaseState, act: Act, source: WordsSource, correction: record.Correction, field: str
) -> Iterator[Item]:
    """Yield the items that the corrected field is of, called as it says; ``field`` of the body has the correct value.

    One of which it says nothing that it is called by is marked as corrected, and stays as it is.
    """
    for item in state.items.values():
        own = item.stated_in
        if own is None or (own.event_id, own.agency) != (source.event_id, source.agency):
            continue
        if not correction.field.startswith(own.part):
            continue
        name = correction.field.removeprefix(own.part)
        particular = name.removeprefix("particulars.")
        words: dict[str, Any] = {}
        correct = None if correction.correct == ABSENT and name != "description" else correction.correct
        if name in WORDS_OF_ITEM:
            words = {name: correct}
        elif (
            particular != name
            and particular in item.particulars
            and (row := act.book.fields.get(particular)) is not None
        ):
            stated = {name: text for name, text in item.particulars.items() if name != particular}
            if correct is not None:
                require_value(state, row, correct, field=field)
                stated[particular] = correct
            words = {"particulars": stated}
        yield replace(item, corrected_in=act.event.event_id, **words)
