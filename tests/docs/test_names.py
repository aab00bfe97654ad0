"""One name, one thing; and a variable is named for what it holds."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

from tests.testkit.machine import REPOSITORY

SOURCES = ("ledger", "api")
TREES = ("ledger", "api", "scripts", "tests")

# A module is named for its subject. Modules share a name only where their package says the rest: what the tables, the
# commands, the routes, the pages, the events, the states and the checks of a subject are called.
QUALIFYING = (
    "api/console",
    "api/routes",
    "api/services",
    "ledger/audit",
    "ledger/cli",
    "ledger/client",
    "ledger/core/custody",
    "ledger/core/events",
    "ledger/core/supervision",
    "ledger/core/trust",
    "ledger/core/verification",
    "ledger/store",
)
SHARED_MODULES = frozenset(("app", "errors"))  # what serves a package, and what it raises

# Words that name a variable after how it was come by, not after what it holds; so does ``made_`` before another word.
RIDDLES = frozenset(
    ("told", "said", "found", "one", "known", "seen", "there", "what", "made", "given", "other", "they")
)
TIMES = frozenset(("made_at", "made_until"))  # when something was made


# Where such a word may be bound: to parse each module would take ten times as long as to look for these.
WORD = rf"_*(?:{'|'.join(RIDDLES)}|made_\w+)"
BINDING = re.compile(
    rf"(?:^|[(,\[*{{:;=]|\b(?:for|as|lambda))\s*{WORD}\s*(?:$|[=:,)\]]|in\b)|\b{WORD}\s*:=", re.MULTILINE
)


def is_riddle(name: str) -> bool:
    return name in RIDDLES or (name.lstrip("_").startswith("made_") and name not in TIMES)


@cache
def sources(tree: str) -> tuple[tuple[Path, str], ...]:
    """The texts of one tree's modules by their path, relative to the repository."""
    files = sorted((REPOSITORY / tree).rglob("*.py"))
    kept = [file for file in files if not {"node_modules", "__pycache__"} & set(file.parts)]
    return tuple((file.relative_to(REPOSITORY), file.read_text(encoding="utf-8")) for file in kept)


def shared(named: Iterable[tuple[str, Path]]) -> dict[str, list[str]]:
    """The names that stand in several modules, with these; migrations are named for their order."""
    places: dict[str, list[str]] = defaultdict(list)
    for name, path in named:
        if "migrations" not in path.parts:
            places[name].append(path.as_posix())
    return {name: paths for name, paths in places.items() if len(paths) > 1}


def test_a_class_name_stands_for_one_class() -> None:
    """No two public classes of ledger and api have one name, so that a traceback or an import tells which is meant."""
    texts = [each for tree in SOURCES for each in sources(tree)]
    classes = ((name, path) for path, text in texts for name in re.findall(r"^class (\w+)", text, re.MULTILINE))
    assert [(name, paths) for name, paths in shared(classes).items() if name[0] != "_"] == []


def test_a_module_name_stands_for_one_module() -> None:
    """No two modules of ledger and api have one name, except where their package says what of the subject they are.

    None is named for how its subject was come by.
    """
    paths = (path for tree in SOURCES for path, _ in sources(tree) if not path.as_posix().startswith(QUALIFYING))
    modules = [(path.stem, path) for path in paths if not path.name.startswith("__")]
    assert [name for name, _ in modules if is_riddle(name)] == []
    assert [(name, paths) for name, paths in shared(modules).items() if name not in SHARED_MODULES] == []


def names_bound(module: ast.Module) -> list[tuple[str, int]]:
    """The names that assignments, loops, handlers, patterns and parameters bind, each with its line."""
    names: list[tuple[str, int]] = []
    functions = [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef)]
    compared = {argument for function in functions if function.name == "__eq__" for argument in function.args.args}
    for node in ast.walk(module):
        if node in compared:
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.append((node.id, node.lineno))
        elif isinstance(node, ast.arg):
            names.append((node.arg, node.lineno))
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs) and node.name:
            names.append((node.name, node.lineno))
    return names


def struct_fields(module: ast.Module) -> frozenset[int]:
    """The lines of annotated fields of classes: fields of wire formats and rows keep their names."""
    classes = [node for node in ast.walk(module) if isinstance(node, ast.ClassDef)]
    return frozenset(field.lineno for node in classes for field in node.body if isinstance(field, ast.AnnAssign))


@pytest.mark.parametrize("tree", TREES)
def test_a_variable_is_named_for_what_it_holds(tree: str) -> None:
    """No variable or parameter is called told, said, found, one, known, seen, there, what, made, given, they or made_x.

    Nor other, but in ``__eq__``: there it is whatever the value is compared with.
    """
    riddles = [
        f"{path.as_posix()}:{line}: {name}"
        for path, text in sources(tree)
        if BINDING.search(text)
        for module in [ast.parse(text)]
        for name, line in names_bound(module)
        if is_riddle(name) and line not in struct_fields(module)
    ]
    assert riddles == []


@pytest.mark.parametrize("tree", SOURCES)
def test_a_variable_of_a_template_is_named_for_what_it_holds(tree: str) -> None:
    """No name that a template binds or reads is such a word, nor that of a macro."""
    environment = Environment(autoescape=True)
    riddles = [
        f"{file.relative_to(REPOSITORY).as_posix()}:{node.lineno}: {node.name}"
        for file in sorted((REPOSITORY / tree).rglob("*.html"))
        for node in environment.parse(file.read_text(encoding="utf-8")).find_all((nodes.Name, nodes.Macro))
        if is_riddle(node.name)
    ]
    assert riddles == []


def test_a_name_of_a_script_is_for_what_it_holds() -> None:
    """No script of a page has such a name, but as a property: what it reads is named where that is written."""
    beside = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*')  # strings and comments
    riddle = re.compile(rf"(?<![.\w$-])(?:{'|'.join(RIDDLES)}|made[A-Z]\w*)\b(?!\s*:)")
    scripts = [*(REPOSITORY / "api").rglob("*.js"), *(REPOSITORY / "scripts/verify").glob("*.js")]
    own = [file for file in scripts if "vendor" not in file.parts]
    riddles = [
        f"{file.relative_to(REPOSITORY).as_posix()}: {name}"
        for file in sorted(own)
        for name in riddle.findall(beside.sub("", file.read_text(encoding="utf-8")))
    ]
    assert own
    assert riddles == []


@pytest.mark.parametrize("tree", SOURCES)
def test_a_function_or_class_is_named_for_what_it_gives(tree: str) -> None:
    """No function, method or class of ledger and api is called by such a word alone, or begins with made_."""
    definition = re.compile(r"^ *(?:class|(?:async )?def) _*(\w+?)_*\b", re.MULTILINE)
    riddles = [
        f"{path.as_posix()}: {name}"
        for path, text in sources(tree)
        for name in definition.findall(text)
        if is_riddle(name.lower())
    ]
    assert riddles == []
