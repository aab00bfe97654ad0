"""Corrections: what an item or a case is called, as the agency that called it so has corrected it.

The event that stated the words stays as it is, and so does custody. What is counted, sealed or stored is put right
while the agency still has the thing and no other event has changed that field; else, as for all other fields, the
correction only marks the item. A correction by another agency than the one that stated the words stands beside the
event alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
    for correction in body.corrections:
        state = _with_words_of_case(state, act, source, correction)
    stated = [item for item in state.items.values() if item.stated_in and replace(item.stated_in, part="") == source]
    return state.with_corrected(*(_corrected(state, act, item, body.corrections) for item in stated))


def _corrected(state: CaseState, act: Act, item: Item, corrections: tuple[record.Correction, ...]) -> Item:
    """Return the item as corrected, in what it is called by and in what is counted, sealed or stored.

    One of which the corrections say nothing that it is called by is marked as corrected, and stays as it is.
    """
    assert item.stated_in is not None, "it is stated in the corrected event"
    part = item.stated_in.part
    own = [
        (f"corrections[{place}].correct", each.field.removeprefix(part), each.correct)
        for place, each in enumerate(corrections)
        if each.field.startswith(part)
    ]
    if not own:
        return item
    particulars = item.particulars
    for field, name, stated in own:
        particular = name.removeprefix("particulars.")
        if particular != name and particular in particulars and (row := act.book.fields.get(particular)) is not None:
            if stated != ABSENT:
                require_value(state, row, stated, field=field)
            left = {name: text for name, text in particulars.items() if name != particular}
            particulars = left if stated == ABSENT else left | {particular: stated}
    words: dict[str, Any] = corrected_words(part, corrections)
    values = _values(item, act, own, is_part=part != "")
    return replace(item, corrected_in=act.event.event_id, particulars=particulars, **words, **values)


def corrected_words(part: str, corrections: Iterable[record.Correction]) -> dict[str, str | None]:
    """Return what of the words of an item is put right, None for one that it lacks; ``part`` begins their paths."""
    return {
        name: None if each.correct == ABSENT and name != "description" else each.correct
        for each in corrections
        if (name := each.field[len(part) :]) in WORDS_OF_ITEM and each.field.startswith(part)
    }


def _values(item: Item, act: Act, own: list[tuple[str, str, str]], *, is_part: bool) -> dict[str, Any]:
    """Return what is corrected of the item in the fields that no later event has changed.

    ``own`` are the corrections of the item: the place of each in the body, the field and what is correct. It is empty
    unless the agency has the item and does not offer it. No amount of a part is among it: with the others it adds up to
    the whole. Raises MalformedInput for what is no amount.
    """
    values: dict[str, Any] = {}
    if not item.is_live or item.holder != act.agency or item.offer is not None:
        return values
    for place, path, stated in own:
        name, _, inner = path.partition(".")
        correct = None if stated == ABSENT else stated
        # A seal comes off only by being broken, which says on what ground: then the thing is opened. None comes back
        # either: what was found without its seal since, or open, bears none whatever it bore before.
        no_seal = name == "seal_number" and (correct is None or item.seal_state in ("missing", "unsealed"))
        if name not in CHANGING or name in item.changed or no_seal:
            continue
        if name not in _AMOUNTS:
            values[name] = correct
        elif not is_part and (value := value_at(ItemRegistered, path)) is not None:
            value.require(stated, where=f"payload.body.{place}")
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
