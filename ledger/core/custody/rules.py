"""The table of rules: which function answers for which body. Each takes the state before and gives the state after."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ledger.core.custody.state import Act, CaseState
from ledger.core.event import Body

B = TypeVar("B", bound=Body)
Rule = Callable[[CaseState, Act, B], CaseState]

RULES: dict[type[Body], Rule[Any]] = {}


def rule(body: type[B]) -> Callable[[Rule[B]], Rule[B]]:
    """Enters the decorated function as the rule for ``body``."""

    def enter(function: Rule[B]) -> Rule[B]:
        RULES[body] = function
        return function

    return enter
