"""Who may import what outside the product: the contracts of pyproject.toml say it of ``ledger`` and ``api``."""

from __future__ import annotations

import ast
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]


def test_nothing_outside_the_tests_imports_them() -> None:
    """A command that needs the tests' builders lies in tests/campaigns, and is run by ``python -m``."""
    files = [
        file for folder in ("ledger", "api", "scripts", "contracts") for file in (REPOSITORY / folder).rglob("*.py")
    ]
    assert len(files) > 300
    assert [str(file) for file in files if any(name.split(".")[0] == "tests" for name in imported(file))] == []


def imported(file: Path) -> list[str]:
    """Return the dotted names of the modules that a file imports, wherever in it."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    named = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return named + [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
