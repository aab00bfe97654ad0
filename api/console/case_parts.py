"""Long lists of a case in parts: the case's page has the first rows of each, and the others are requested."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

from fastapi import Depends, Query

from api.auth.reading import Reading
from api.console import clock_views
from api.dependencies import Service
from ledger.core.custody import CaseState
from ledger.i18n import Labels

ROWS = 50
Kind = Literal["items", "handovers", "clocks"]
FirstQuery = Annotated[int, Query(ge=0, le=1_000_000)]
AllQuery = Annotated[bool, Query()]


class ListPart(NamedTuple):
    """Some rows of a list. ``following`` is where the next part begins, None at the end."""

    rows: list[Any]
    total: int
    following: int | None


def make_part(rows: list[Any], total: int, first: int) -> ListPart:
    """Return the part with these rows of the list, of which the first has the index ``first``."""
    following = first + len(rows)
    return ListPart(rows, total, following if following < total else None)


class PartRequest(NamedTuple):
    """The requested part of a list: some rows from ``first`` on, or ``all`` of them."""

    first: int = 0
    all: bool = False

    def of(self, rows: list[Any]) -> ListPart:
        """Return the part of these rows."""
        return make_part(
            rows[self.first :] if self.all else rows[self.first : self.first + ROWS], len(rows), self.first
        )


def part_requested(first: FirstQuery = 0, all: AllQuery = False) -> PartRequest:  # noqa: A002 - the address has them
    """Return the part that the address asks for."""
    return PartRequest(first, all)


PartRequested = Annotated[PartRequest, Depends(part_requested)]


def list_part(
    kind: Kind, service: Service, reading: Reading, state: CaseState, labels: Labels, *, first: int = 0
) -> ListPart:
    """Return items in the order of registration, handovers newest first, or clocks by what runs out first."""
    if kind == "clocks":
        views, total = clock_views.of_case(service, reading, state, labels, first=first, limit=ROWS)
        return make_part(views, total, first)
    rows = list(state.items.values()) if kind == "items" else list(state.handovers.values())[::-1]
    return make_part(rows[first : first + ROWS], len(rows), first)
