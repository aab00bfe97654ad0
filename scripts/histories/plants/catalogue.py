"""The table of plants: for each rule of supervision and each part of it, a course that breaks just that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from msgspec.structs import replace

from scripts.histories.plan import Plan
from scripts.histories.sentence import Criminal

C = TypeVar("C", bound=type[Criminal])


class Plant(NamedTuple):
    """``course`` breaks ``part`` of ``rule`` in a life that begins at least ``days`` before the history ends.

    ``needs`` are what its plan has to be like; ``twins`` break it together with the life after them.
    """

    rule: int
    part: str
    course: type[Criminal]
    days: int
    needs: dict[str, Any]
    twins: bool

    def fitted(self, plan: Plan) -> Plan:
        """The plan as the course needs it: a plain criminal case that is tried, unless it says otherwise."""
        plain = {"kind": "criminal", "route": "judgment", "appeal": "none", "custody": "a_week", "at_large": False}
        return replace(plan, **(plain | self.needs))


PLANTS: list[Plant] = []


def plant(rule: int, part: str, *, days: int = 700, twins: bool = False, **needs: Any) -> Callable[[C], C]:
    """Enters the decorated course."""

    def enter(course: C) -> C:
        PLANTS.append(Plant(rule, part, course, days, needs, twins))
        return course

    return enter
