"""The faults that are tried: those of cosmic-ray that say something here, and one of our own kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import parso
from cosmic_ray.operators.provider import OperatorProvider

_BOUNDARY = ("Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt")
_OPPOSITE = ("Eq_NotEq", "NotEq_Eq", "Lt_GtE", "LtE_Gt", "Gt_LtE", "GtE_Lt", "Is_IsNot", "IsNot_Is")
# Not `|` and `*`: cosmic-ray takes the union of two types and the mark before keyword-only parameters for them.
_ARITHMETIC = (
    *("Add_Sub", "Sub_Add", "Mod_FloorDiv", "FloorDiv_Mul"),
    *("LShift_RShift", "RShift_LShift", "BitAnd_BitOr", "BitXor_BitAnd"),
)
_CHOSEN = (
    "AddNot",
    "ExceptionReplacer",
    "NumberReplacer",
    "RemoveDecorator",
    "ReplaceAndWithOr",
    "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak",
    "ReplaceFalseWithTrue",
    "ReplaceOrWithAnd",
    "ReplaceTrueWithFalse",
    "ReplaceUnaryOperator_Delete_Not",
    "ReplaceUnaryOperator_Delete_USub",
    "ZeroIterationForLoop",
    *(f"ReplaceBinaryOperator_{change}" for change in _ARITHMETIC),
    *(f"ReplaceComparisonOperator_{change}" for change in _BOUNDARY + _OPPOSITE),
)


class LeaveOut:
    """Leaves out a statement that only calls or raises: the guards of the core are such."""

    @classmethod
    def arguments(cls) -> tuple[()]:
        return ()

    def mutation_positions(self, node: Any) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        if node.type == "simple_stmt" and _calls_or_raises(node.children[0]):
            yield node.children[0].start_pos, node.children[0].end_pos

    def mutate(self, node: Any, _index: int) -> Any:
        node.children[0] = parso.parse(node.children[0].get_first_leaf().prefix + "pass")
        return node


class Operators:
    """A provider of operators as cosmic-ray wants it: names, and a class by its name."""

    def __init__(self) -> None:
        self._others = OperatorProvider()

    def __iter__(self) -> Iterator[str]:
        return iter((LeaveOut.__name__, *_CHOSEN))

    def __getitem__(self, name: str) -> Any:
        return LeaveOut if name == LeaveOut.__name__ else self._others[name]


def _calls_or_raises(statement: Any) -> bool:
    if statement.type in ("atom_expr", "power"):
        return bool(statement.children[-1].children[0] == "(")
    return bool(statement.get_first_leaf() == "raise")
