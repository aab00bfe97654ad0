"""What a receiver says of the items of a handover, read from options: as listed, found otherwise, not accepted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NoReturn, get_args

from ledger.cli.params import quantity, split_once
from ledger.core.errors import MalformedInput
from ledger.core.event.terms import ReasonCode

FOUND = ("quantity", "condition", "seal_number", "seal_state", "digest", "remark", "match_result")
OF_NOT_ACCEPTED = frozenset({"quantity", "seal_state"})


class Answer:
    """``unit_of`` tells the unit in which an item is counted, for a quantity that names none."""

    def __init__(
        self,
        as_listed: Iterable[str],
        found: Iterable[str],
        not_accepted: Iterable[str],
        *,
        unit_of: Callable[[str], str],
    ):
        self._unit_of = unit_of
        differences = self._differences(found)
        refused = [self._refused(text) for text in not_accepted]
        for line in refused:
            line.update(self._as_kept(line["item_id"], differences.pop(line["item_id"], {})))
        self.received: list[dict[str, Any]] = [
            *({"item_id": item_id, "match_result": "match"} for item_id in as_listed),
            *({"item_id": item_id, "match_result": "mismatch"} | fields for item_id, fields in differences.items()),
        ]
        self.not_accepted: list[dict[str, Any]] = refused

    def _differences(self, found: Iterable[str]) -> dict[str, dict[str, Any]]:
        differences: dict[str, dict[str, Any]] = {}
        for text in found:
            item_id, said = split_once(text, ":", "--found", "ITEM:FIELD=VALUE")
            field, value = split_once(said, "=", "--found", "ITEM:FIELD=VALUE")
            if field not in FOUND:
                _refuse("--found", f"one of {', '.join(FOUND)}", field)
            fields = differences.setdefault(item_id, {})
            if field == "quantity":
                fields[field] = self._quantity(item_id, value)
            elif field == "digest":
                fields.setdefault("digests", []).append(value)
            else:
                fields[field] = value
        return differences

    def _quantity(self, item_id: str, value: str) -> dict[str, str]:
        unit = None if ":" in value else self._unit_of(item_id)
        return quantity(value, unit, lambda: _refuse("--found", "quantity=9 or quantity=12.5:gram", value))

    @staticmethod
    def _refused(text: str) -> dict[str, Any]:
        item_id, said = split_once(text, "=", "--except", "ITEM=REASON")
        reason, _, explanation = said.partition(":")
        if reason not in get_args(ReasonCode):
            _refuse("--except", f"one of {', '.join(get_args(ReasonCode))}", reason)
        line = {"item_id": item_id, "reason_code": reason}
        return line | ({"explanation": explanation} if explanation else {})

    @staticmethod
    def _as_kept(item_id: str, fields: dict[str, Any]) -> dict[str, Any]:
        for field in fields.keys() - OF_NOT_ACCEPTED:
            _refuse("--found", f"{' or '.join(sorted(OF_NOT_ACCEPTED))} for {item_id}, which is not accepted", field)
        return fields


def _refuse(option: str, expected: str, given: str) -> NoReturn:
    raise MalformedInput(f"expected {expected}, not {given!r}", field=option)
