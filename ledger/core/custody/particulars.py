"""Particulars: what a decision or an item states in the fields that the procedure gives its kind."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal

import msgspec

from ledger.core.custody.state import Act, CaseState
from ledger.core.encoding.decoding import convert
from ledger.core.errors import refuse
from ledger.core.events import terms
from ledger.core.messages import Message, joined
from ledger.core.procedure.rulebook import FieldRule, FieldUse, Missing, Rulebook

# What a value has to be, by the type of its field; the persons and items of the case are looked up.
_SHAPES: dict[str, tuple[Any, Message]] = {
    "text": (terms.Text, Message("text")),
    "number": (terms.DecimalText, Message("a number such as 12 or 0.5")),
    "date": (terms.Date, Message("a day such as 2026-03-01")),
    "yes_no": (Literal["yes", "no"], Message("yes or no")),
}


def require_particulars(state: CaseState, act: Act, stated: Mapping[str, str], uses: Mapping[str, FieldUse]) -> None:
    """Refuse particulars that the kind does not have, or that are no value of their field, and a lack of required ones.

    ``uses`` are the fields that the kind has. One that is confidential is refused here: it stands in a section.
    """
    for name, value in stated.items():
        if name not in uses:
            refuse(
                "unknown_particular",
                "its kind has no field {name}",
                name=name,
                field=f"body.particulars.{name}",
                hint=Message("It has: {words}", words=", ".join(uses)) if uses else None,
            )
        if act.book.fields[name].confidential:
            refuse(
                "confidential_particular",
                "{name} is confidential",
                name=name,
                field=f"body.particulars.{name}",
                hint=Message("State it in a confidential section: --section {name}.value=TEXT", name=name),
            )
        require_value(state, act.book.fields[name], value, field=f"particulars.{name}")
    for name in lacking(act, stated, uses, "refused"):
        refuse(
            "particular_missing",
            "its kind has to state {name}",
            name=name,
            field=f"body.particulars.{name}",
        )


def lacking(act: Act, stated: Mapping[str, str], uses: Mapping[str, FieldUse], missing: Missing) -> list[str]:
    """Return the fields that are not stated, and whose lack is ``missing``: refused or flagged.

    That a confidential one is stated, its section tells; what it says, the rules do not look at.
    """
    names = {*stated, *(label for label in act.event.confidential if is_confidential(label, act.book))}
    return [
        name
        for name, use in uses.items()
        if use.missing == missing and name not in names and names.isdisjoint(use.unless)
    ]


def is_confidential(name: str, book: Rulebook) -> bool:
    """Tell whether it is the name of a confidential field of the procedure, and so the label of its section."""
    return name in book.fields and book.fields[name].confidential


def require_value(state: CaseState, row: FieldRule, value: str, *, field: str) -> None:
    """Refuse a value, in this field of the body, that is none of the type of the procedure's field."""
    if row.type == "person":
        state.person(value, field=field)
        return
    if row.type == "item":
        state.item(value, field=field)
        return
    if row.type == "choice":
        if value in row.choices:
            return
        expected = joined(tuple(row.choices), by=", ")
    else:
        shape, expected = _SHAPES[row.type]
        with suppress(msgspec.ValidationError):
            convert(value, shape)
            return
    refuse(
        "particular_unfit",
        "expected {expected}, not {value!r}",
        expected=expected,
        value=value[:100],
        field=f"body.{field}",
    )
