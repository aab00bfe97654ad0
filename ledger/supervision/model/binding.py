"""Values of a model's file on their way into a query: bound by name, never spelled out in its text."""

from __future__ import annotations

from typing import Any

from ledger.supervision.model.columns import typed

PREFIX = "with_"  # what the names of bound values begin with; parameters of models have other names


class Bindings:
    """The values that a query binds. A value ``$name`` is the parameter of that name, which is bound when it runs."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def name(self, value: Any, kind: str) -> str:
        """How the query refers to a value of the DuckDB type."""
        if isinstance(value, str) and value.startswith("$"):
            return f"CAST({value} AS {kind})"
        name = f"{PREFIX}{len(self.values) + 1}"
        self.values[name] = typed(value, kind)
        return f"CAST(${name} AS {kind})"
