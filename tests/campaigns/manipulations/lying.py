"""Lies in what is kept so that work is not done again: states of cases, kept audits, and what an audit goes on from;
and rows about files that are hidden.

Whoever tells one has more than the database. The states have the code of the service's key, which lies in the data
directory; what an audit goes on from has the digest of what it says. For the rows the database is enough: they are
bound as deleted.
"""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from ledger.audit import Basis
from ledger.audit.basis import SHARES, with_digest
from ledger.config.installation import DataDirectory, read_token_key
from ledger.core.custody import CaseState
from ledger.core.custody.kept_state import decode_state
from ledger.core.errors import MalformedInput
from ledger.procedures import shipped_procedures
from ledger.store.access import AccessHead
from ledger.store.bindings import BOUND_TABLES, BindingHead, record_of
from ledger.store.kept_states import row_of_state, state_key_of
from tests.campaigns.manipulations.spoiling import Manipulation, Row, Statement, rows_of, statements

DATABASE = "tallystick.db"
TRIES = 50  # to find another value of a field with which it is still a state
NEXT_CENTURY = 4_102_444_800  # unix seconds

Place = tuple[int, ...]  # of a value within lists: field, entry of a register, and so on


def lying_states(folder: Path, rows: Sequence[Row], chance: random.Random) -> Iterator[Manipulation]:
    """For each field of a case's state a kept one that has another value there, then the state of another case.

    ``rows`` are those of kept states in the data directory ``folder``. What is no state is left out: no service would
    use it.
    """
    key = state_key_of(read_token_key(DataDirectory(folder)))
    states = {str(row["case_id"]): zlib.decompress(_bytes(row["state"])) for row in rows}
    places = [(case_id, *leaf) for case_id, state in states.items() for leaf in _leaves(json.loads(state))]
    for number, name in enumerate(CaseState.__struct_fields__):
        of_field = [place for place in places if place[1][0] == number]
        for case_id, place, value in chance.sample(of_field, min(TRIES, len(of_field))):
            alike = [
                candidate for _, where, candidate in of_field if _kind(where) == _kind(place) and candidate != value
            ]
            lie = _state(_with(json.loads(states[case_id]), place, chance.choice(alike) if alike else _other(value)))
            if lie is not None:
                yield statements("lie", f"kept_states.{name}", DATABASE, _in_place_of(case_id, lie, key))
                break
    first, second = chance.sample(sorted(states), 2)
    lie = _state(_with(json.loads(states[second]), (CaseState.__struct_fields__.index("case_id"),), first))
    assert lie is not None, "only its id is another"
    yield statements("lie", "kept_states of another case", DATABASE, _in_place_of(first, lie, key))


def lying_audits(rows: Sequence[Row]) -> Iterator[Manipulation]:
    """Return kept audits that claim what they did not read: a better verdict, and that more was read."""

    def read_all(report: dict[str, Any]) -> None:
        report["verdict"], report["since"] = "intact", None
        report["steps"] = [step | {"result": "checked", "verdict": "intact"} for step in report["steps"]]

    def read_lately(report: dict[str, Any]) -> None:
        basis = msgspec.convert(report["basis"], Basis)
        lie = replace(basis, audited_at=NEXT_CENTURY, whole_at=NEXT_CENTURY, unread=basis.unread[:1])
        report["basis"] = msgspec.to_builtins(with_digest(lie))

    lies: dict[str, tuple[str, Callable[[dict[str, Any]], None]]] = {
        "that everything was read": ("intact", read_all),
        "that it was read lately": (str(rows[0]["verdict"]), read_lately),
    }
    for name, (verdict, claim) in lies.items():
        report = json.loads(_bytes(rows[0]["report"]))
        claim(report)
        values: list[Any] = [verdict, msgspec.json.encode(report), rows[0]["audit_id"]]
        statement = ("UPDATE audits SET verdict = ?, report = ? WHERE audit_id = ?", values)
        yield statements("lie", f"audits {name}", DATABASE, statement)


HIDDEN = ("item_files", "evidence_files", "file_checks")  # tables of which the service deletes few rows, or none


def hidden_rows(folder: Path) -> Iterator[Manipulation]:
    """Delete each row about files and bind it as deleted; then all checks that are due, with the events they are of.

    ``folder`` is the data directory.
    """
    for table in HIDDEN:
        for number, row in enumerate(rows_of(folder, table)):
            yield Manipulation("hide", f"{table} {number}", _hiding(table, row))
    size = rows_of(folder, "tree")[0]["size"]
    assert isinstance(size, int), "the log has entries"
    forward: Statement = ("UPDATE meta SET value = ? WHERE name = 'file_checks_up_to'", [str(size - 1)])
    unlooked: Statement = ("DELETE FROM file_checks WHERE checked_at IS NULL", [])
    gone = [row for row in rows_of(folder, "file_checks") if row["checked_at"] is None]
    yield Manipulation("hide", "file_checks that are due", _doing(forward, unlooked, table="file_checks", rows=gone))


def _hiding(table: str, row: Row) -> Callable[[Path], None]:
    names = BOUND_TABLES[table].primary_key.columns.keys()
    where = " AND ".join(f'"{name}" = ?' for name in names)
    delete: Statement = (f'DELETE FROM "{table}" WHERE {where}', [row[name] for name in names])
    return _doing(delete, table=table, rows=[row])


def _doing(*changes: Statement, table: str, rows: Sequence[Row]) -> Callable[[Path], None]:
    """Return what makes the changes and binds the rows as deleted."""
    names = BOUND_TABLES[table].primary_key.columns.keys()
    keys = [" ".join(str(row[name]) for name in names) for row in rows]

    def apply(folder: Path) -> None:
        last = rows_of(folder, "bindings")[-1]
        behind = BindingHead(int(str(last["number"])) + 1, str(last["digest"]))
        record = record_of(behind, table, dict.fromkeys(keys))
        columns, marks = ", ".join(f'"{name}"' for name in record), ", ".join("?" for _ in record)
        bind: Statement = (f"INSERT INTO bindings ({columns}) VALUES ({marks})", [*record.values()])
        statements("hide", table, DATABASE, *changes, bind).apply(folder)

    return apply


def lying_bases(true: Basis) -> dict[str, Basis]:
    """Return what an audit could be made to go on from, each with the digest of what it says."""
    changes: dict[str, dict[str, Any]] = {
        "format": {"format": "tallystick audit basis 0"},
        "rules": {"rules": "0"},
        "log_id": {"log_id": "11" * 32},
        "audited later": {"audited_at": NEXT_CENTURY},
        "audited never": {"audited_at": 10**17},
        "audited before": {"audited_at": -1},
        "whole later": {"whole_at": NEXT_CENTURY, "whole_size": true.size + 1},
        "larger": {"size": true.size + 1},
        "smaller": {"size": true.size - 1},
        "negative": {"size": -1},
        "larger than any": {"size": 2**53 - 1},
        "beyond numbers": {"size": 2**63},
        "nothing": {"size": 0, "root": "00" * 32},
        "root": {"root": "11" * 32},
        "no root": {"root": "x"},
        "adopted": {"adopted": true.adopted + 1},
        "divided nowhere": {"bounds": {}},
        "divided backwards": {"bounds": {kind: ids[::-1] for kind, ids in true.bounds.items()}},
        "divided where nothing is": {"bounds": dict.fromkeys(true.bounds, ("\x00", "~", "~~"))},
        "of other kinds": {"bounds": {"kind": ("a",)}},
        "nothing unread": {"unread": ()},
        "an unread share": {"unread": (SHARES - 1,)},
        "no such share": {"unread": (SHARES,)},
        "shares backwards": {"unread": (-1,)},
    }
    for name in ("bindings", "reads"):
        head: Any = getattr(true, name)
        for text, count in (("more", head.count + 1), ("fewer", head.count - 1), ("beyond", 2**63), ("negative", -1)):
            changes[f"{name}, {text}"] = {name: replace(head, count=count)}
        changes[f"{name}, another digest"] = {name: replace(head, digest=f"blake3:{'11' * 32}")}
    changes["reads of none"] = {"reads": AccessHead(0, "")}
    return {name: with_digest(replace(true, **change)) for name, change in changes.items()}


def _in_place_of(case_id: str, lie: CaseState, key: bytes) -> Statement:
    _, row = row_of_state(lie, key)
    names = [name for name in row if name != "case_id"]
    changed = ", ".join(f'"{name}" = ?' for name in names)
    return f"UPDATE kept_states SET {changed} WHERE case_id = ?", [*(row[name] for name in names), case_id]


def _leaves(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Yield the texts and numbers within lists, each with its place."""
    if isinstance(value, list):
        for number, entry in enumerate(value):
            yield from _leaves(entry, (*place, number))
    elif isinstance(value, str | int):
        yield place, value


def _kind(place: Place) -> tuple[int | None, ...]:
    """Return the place without the number of the entry: values of one kind can stand for each other."""
    return (*place[:1], None, *place[2:])


def _with(value: Any, place: Place, replacement: Any) -> Any:
    within = value
    for number in place[:-1]:
        within = within[number]
    within[place[-1]] = replacement
    return value


def _other(value: str | int) -> str | int:
    return not value if isinstance(value, bool) else value + 1 if isinstance(value, int) else f"{value}x"


def _state(fields: list[Any]) -> CaseState | None:
    try:
        return decode_state(msgspec.json.encode(fields), shipped_procedures())
    except MalformedInput:
        return None


def _bytes(value: object) -> bytes:
    assert isinstance(value, bytes), "what is kept are bytes"
    return value
