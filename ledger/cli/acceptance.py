"""Read the lists of a handover from options: what is sent, and what the receiver accepts or finds different."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NoReturn, get_args

from ledger.cli.params import quantity, split_once
from ledger.core.custody.discrepancies import digests_conflict
from ledger.core.errors import MalformedInput
from ledger.core.events.terms import ReasonCode

LISTED = ("quantity", "condition", "seal_number")
FOUND = ("quantity", "condition", "seal_number", "seal_state", "digest", "remark", "match_result")
OF_NOT_ACCEPTED = frozenset({"quantity", "seal_state"})


def transfer_list(
    items: Iterable[str], stays: Iterable[str], listed: Iterable[str], *, unit_of: Callable[[str], str]
) -> list[dict[str, Any]]:
    """Return the lines of an offer: items that go, items that stay, and their ``ITEM:FIELD=VALUE`` options."""
    lines: dict[str, dict[str, Any]] = {item_id: {} for item_id in items}
    lines |= {item_id: {"stays": True} for item_id in stays}
    for item_id, fields in _fields_by_item("--listed", listed, LISTED, unit_of).items():
        lines[item_id] = lines.get(item_id, {}) | fields
    return [{"item_id": item_id} | line for item_id, line in lines.items()]


def acceptance(
    as_listed: Iterable[str],
    differing: Iterable[str],
    not_accepted: Iterable[str],
    *,
    unit_of: Callable[[str], str],
    files: Mapping[str, Sequence[str]] | None = None,
    recorded: Callable[[str], Sequence[str]] = lambda _item_id: (),
) -> dict[str, list[dict[str, Any]]]:
    """Return the lists ``received`` and ``not_accepted`` of an acceptance.

    ``unit_of`` tells the unit in which an item is counted, for a quantity that names none. ``files`` are items with the
    digests of their files now, ``recorded`` tells those of the record: they match or are a difference.
    """
    differences = _fields_by_item("--found", differing, FOUND, unit_of)
    for item_id, digests in (files or {}).items():
        entry: dict[str, Any] = {"digests": list(digests)}
        if not digests_conflict(recorded(item_id), digests) and item_id not in differences:
            entry["match_result"] = "match"
        differences[item_id] = differences.get(item_id, {}) | entry
    refused = []
    for text in not_accepted:
        item_id, reason_text = split_once(text, "=", "--except", "ITEM=REASON")
        reason, _, explanation = reason_text.partition(":")
        if reason not in get_args(ReasonCode):
            _refuse("--except", f"one of {', '.join(get_args(ReasonCode))}", reason)
        fields = differences.pop(item_id, {})
        for field in fields.keys() - OF_NOT_ACCEPTED:
            _refuse("--found", f"{' or '.join(sorted(OF_NOT_ACCEPTED))} for {item_id}, which is not accepted", field)
        explained = {"explanation": explanation} if explanation else {}
        refused.append({"item_id": item_id, "reason_code": reason} | explained | fields)
    received: list[dict[str, Any]] = [{"item_id": item_id, "match_result": "match"} for item_id in as_listed]
    received += [{"item_id": item_id, "match_result": "mismatch"} | fields for item_id, fields in differences.items()]
    return {"received": received, "not_accepted": refused}


def _fields_by_item(
    option: str, texts: Iterable[str], allowed: Sequence[str], unit_of: Callable[[str], str]
) -> dict[str, dict[str, Any]]:
    """Parse ``ITEM:FIELD=VALUE`` options into the fields of each item's line."""
    lines: dict[str, dict[str, Any]] = {}
    for text in texts:
        item_id, assignment = split_once(text, ":", option, "ITEM:FIELD=VALUE")
        field, value = split_once(assignment, "=", option, "ITEM:FIELD=VALUE")
        if field not in allowed:
            _refuse(option, f"one of {', '.join(allowed)}", field)
        fields = lines.setdefault(item_id, {})
        if field == "quantity":
            expected, unit = "quantity=9 or quantity=12.5:gram", None if ":" in value else unit_of(item_id)
            fields[field] = quantity(value, unit, partial(_refuse, option, expected, value))
        elif field == "digest":
            fields.setdefault("digests", []).append(value)
        else:
            fields[field] = value
    return lines


def _refuse(option: str, expected: str, given: str) -> NoReturn:
    raise MalformedInput(f"expected {expected}, not {given!r}", field=option)
