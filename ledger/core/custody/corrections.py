"""Corrections: what an item or a case is called, as the agency that called it so has corrected it.

The event that stated the words stays as it is, and so does custody. What is counted, sealed or stored is put right
while the agency still has the thing and no other event has changed that field; else, as for all other fields, the
correction only marks the item. A correction by another agency than the one that stated the words stands beside the
event alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from ledger.core.custody.particulars import require_value
from ledger.core.custody.state import CHANGING, Act, CaseState, Item, WordsSource, rule
from ledger.core.encoding.decoding import convert
from ledger.core.errors import refuse
from ledger.core.events import record
from ledger.core.events.fields import ABSENT, value_at
from ledger.core.events.item import Dossier, ItemRegistered
from ledger.core.events.terms import Money, Quantity
from ledger.core.messages import Term
from ledger.core.procedure.event_words import require_words

# What an item is called and told apart by. No other event changes these.
WORDS_OF_ITEM = ("description", "features", "obtained_from", "exhibit_number", "account")
_AMOUNTS: Mapping[str, type[Quantity | Money | Dossier]] = {"quantity": Quantity, "money": Money, "dossier": Dossier}
_WHOLE = ("amount", "volumes", "pages")


@rule(record.RecordCorrected)
def corrected(state: CaseState, act: Act, body: record.RecordCorrected) -> CaseState:
    """Put right what the corrected event calls the case or items of it, and what it counts, seals or stores.

    Refuses (particular_unfit) a particular, or an amount, that is no value of its field.
    """
    source = WordsSource(body.corrects.event_id, act.agency)
    for place, correction in enumerate(body.corrections):
        state = _with_words_of_case(state, act, source, correction)
        items = list(_corrected_items(state, act, source, correction, f"corrections[{place}].correct"))
        state = state.with_corrected(*items) if items else state
    parts = ((item, _part_of(item, source)) for item in state.items.values())
    stated = [(item, _values(item, part, act, body.corrections)) for item, part in parts if part is not None]
    return state.with_corrected(*(replace(item, **values) for item, values in stated if values))


def _part_of(item: Item, source: WordsSource) -> str | None:
    """Return the part of the event that states the item, None if the agency did not state it there."""
    own = item.stated_in
    return own.part if own is not None and replace(own, part="") == source else None


def _values(item: Item, part: str, act: Act, corrections: tuple[record.Correction, ...]) -> dict[str, Any]:
    """Return what is corrected of the item in the fields that no later event has changed.

    It is empty unless the agency has the item and does not offer it. No amount of a part is among it: with the others
    it adds up to the whole. Raises MalformedInput for what is no amount.
    """
    values: dict[str, Any] = {}
    if not item.is_live or item.holder != act.agency or item.offer is not None:
        return values
    for place, correction in enumerate(corrections):
        name, _, inner = correction.field.removeprefix(part).partition(".")
        correct = None if correction.correct == ABSENT else correction.correct
        if name not in CHANGING or name in item.changed or not correction.field.startswith(part):
            continue
        # A seal comes off only by being broken, which says on what ground: then the thing is opened.
        if name == "seal_number" and correct is None:
            continue
        if name not in _AMOUNTS:
            values[name] = correct
        elif not part and (value := value_at(ItemRegistered, correction.field)) is not None:
            value.require(correction.correct, where=f"payload.body.corrections[{place}].correct")
            amount = values.setdefault(name, msgspec.to_builtins(getattr(item, name)) or {})
            amount[inner] = int(correct) if inner in _WHOLE and correct else correct
    values |= {name: _amount(values[name], name, act) for name in _AMOUNTS if name in values}
    if "seal_number" in values:
        values["seal_state"] = item.seal_state or "intact"
    return values


def _amount(amount: dict[str, Any], name: str, act: Act) -> Quantity | Money | Dossier | None:
    """Return the amount, None if nothing is left of it. Refuses (particular_unfit) one that is not whole."""
    stated = {inner: value for inner, value in amount.items() if value is not None}
    if not stated:
        return None
    try:
        whole = convert(stated, _AMOUNTS[name])
    except msgspec.ValidationError:
        part = Term("field", name)
        refuse("particular_unfit", "expected all parts of {name}, or none", name=part, field="body.corrections")
    require_words(whole, act.book, path="body.corrections")
    return whole


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
        part = _part_of(item, source)
        if part is None or not correction.field.startswith(part):
            continue
        name = correction.field.removeprefix(part)
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
