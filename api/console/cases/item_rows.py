"""The table in which items are registered: its columns, and what its rows state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from api.console.shared.access import Visit
from api.console.shared.forms import PostedForm
from api.console.shared.rendering import PATH
from api.services.drafts import body_from
from ledger.core.custody import CaseState
from ledger.core.errors import MalformedInput, RuleRefused
from ledger.core.events.item import ItemRegistered
from ledger.core.procedure.rulebook import Rulebook
from ledger.interchange.imports.item_table import KIND, QUANTITY, UNIT, CellFault, ItemColumn, item_columns, item_fields
from ledger.recording.event_signing import MAX_ACTS, new_id

_STATED = (KIND, QUANTITY, UNIT)  # by a row that nobody has filled in


class FormTable(NamedTuple):
    """The table of a form, and how many rows of it are signed at once, beside other acts.

    ``address`` is that of the page on which it goes on with further rows, and of its files, with ``query`` behind it.
    """

    columns: tuple[ItemColumn, ...]
    most: int
    address: str
    query: str


def form_table(
    visit: Visit,
    book: Rulebook,
    state: CaseState | None,
    person_names: Mapping[str, str],
    *,
    case_id: str | None = None,
    beside: int = 0,
) -> FormTable:
    """Return the table of a form with at most so many acts ``beside`` the rows; ``case_id`` is that of a new case."""
    own_id = case_id if state is None else state.case_id
    address = f"{PATH}/cases/{own_id}/items/new"
    query = f"?procedure={book.procedure.id}" if state is None else ""
    columns = columns_of_case(visit, book, state, person_names)
    return FormTable(columns, MAX_ACTS - beside, address, query)


def columns_of_case(
    visit: Visit, book: Rulebook, state: CaseState | None, person_names: Mapping[str, str]
) -> tuple[ItemColumn, ...]:
    """Return the columns of a procedure, with the persons and items of a case to choose from."""
    if state is None:
        return item_columns(book, visit.labels)
    persons = {
        person.person_id: f"{visit.labels.of('person_role', person.role)} "
        f"{person_names.get(person.person_id) or person.person_id[:12]}"
        for person in state.persons.values()
    }
    items = {item.item_id: item.description for item in state.items.values()}
    return item_columns(book, visit.labels, {"person": persons, "item": items})


class FaultyCell(NamedTuple):
    """What is wrong with a row, counted from 1, in a column."""

    row: int
    path: str
    column: str
    reason: str


class RowsRefused(MalformedInput):
    """Rows that are no items yet, with all of their faults."""

    def __init__(self, faults: Sequence[FaultyCell]):
        super().__init__("{count} cells of the table are to be mended", count=len(faults), field="items")
        self.faults = faults


class ItemRows:
    """The rows of a posted table that somebody has filled in."""

    def __init__(self, visit: Visit, columns: Sequence[ItemColumn], form: PostedForm):
        self._visit = visit
        self._columns = {column.path: column for column in columns}
        parts = enumerate((part.below("") for part in form.parts("new")), 1)
        self._cells = {row: cells for row, cells in parts if any(path not in _STATED for path in cells)}
        self.count = len(self._cells)
        self.faults: list[FaultyCell] = []
        self._rows: list[int] = []  # of the bodies

    def bodies(self, book: Rulebook) -> list[ItemRegistered]:
        """Return the registrations of the rows without a fault; the other rows are in ``faults`` from then on."""
        bodies: list[ItemRegistered] = []
        for row, cells in self._cells.items():
            fields, wrong = item_fields(cells, tuple(self._columns.values()), book)
            self.faults += (self._fault(row, fault) for fault in wrong)
            if not wrong:
                body = body_from(ItemRegistered, {"item_id": new_id("item")} | fields)
                assert isinstance(body, ItemRegistered), "it is read as such"
                bodies.append(body)
                self._rows.append(row)
        return bodies

    def require_none(self, refusals: Mapping[int, RuleRefused]) -> None:
        """Raise RowsRefused for all faults: ``refusals`` are what the ledger would refuse of the bodies, by place."""
        refused = [
            self._fault(self._rows[place], CellFault(self._path(error.field), error.text))
            for place, error in refusals.items()
        ]
        if faults := sorted([*self.faults, *refused], key=lambda fault: fault.row):
            raise RowsRefused(faults)

    def _path(self, field: str | None) -> str:
        """Return the column that a refusal names, such as of ``body.quantity.unit``, or that of the kind."""
        parts = (field or "").split(".")
        likely = (*(".".join(pair) for pair in pairwise(parts)), *parts)
        return next((path for path in likely if path in self._columns), KIND)

    def _fault(self, row: int, fault: CellFault) -> FaultyCell:
        return FaultyCell(
            row, fault.path, self._columns[fault.path].label, self._visit.refusal_words.translated(fault.reason)
        )
