"""Long lists of a case in parts: the first rows of each stand on the case's page, the others are asked for."""

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


class Part(NamedTuple):
    """Rows of a list from one on; ``following`` is where the next part begins, None where there is none."""

    rows: list[Any]
    total: int
    following: int | None


def part_of(rows: list[Any], total: int, first: int) -> Part:
    """These rows of the list, the first of them its row ``first``."""
    following = first + len(rows)
    return Part(rows, total, following if following < total else None)


class Rest(NamedTuple):
    """What is asked for of a list: a part of it from ``first`` on, or ``all`` that comes from there."""

    first: int = 0
    all: bool = False

    def of(self, rows: list[Any]) -> Part:
        """That of these rows."""
        return part_of(rows[self.first :] if self.all else rows[self.first : self.first + ROWS], len(rows), self.first)


def rest_of(first: FirstQuery = 0, all: AllQuery = False) -> Rest:  # noqa: A002 - the address has them
    """As the address says."""
    return Rest(first, all)


RestOf = Annotated[Rest, Depends(rest_of)]


def part(kind: Kind, service: Service, reading: Reading, state: CaseState, labels: Labels, *, first: int = 0) -> Part:
    """Items as they were registered, handovers with the newest first, clocks with what runs out first at the top."""
    if kind == "clocks":
        views, total = clock_views.of_case(service, reading, state, labels, first=first, limit=ROWS)
        return part_of(views, total, first)
    rows = list(state.items.values()) if kind == "items" else list(state.handovers.values())[::-1]
    return part_of(rows[first : first + ROWS], len(rows), first)
