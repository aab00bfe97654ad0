"""Put one fault at a time into a copy of the core and run the tests of its module: one of them must notice.

scripts/programs mutation python -m scripts.campaigns.mutation            every module, about half an hour
scripts/programs mutation python -m scripts.campaigns.mutation custody    only this one

cosmic-ray puts the faults in: those of its operators that say something here, and one operator of our own. Each core of
the machine works in a copy of its own.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import cosmic_ray.plugins
import parso
from cosmic_ray.commands import init
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.operators.provider import OperatorProvider
from cosmic_ray.work_db import use_db
from cosmic_ray.work_item import TestOutcome, WorkerOutcome
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

_BOUNDARY = ("Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt")
_OPPOSITE = ("Eq_NotEq", "NotEq_Eq", "Lt_GtE", "LtE_Gt", "Gt_LtE", "GtE_Lt", "Is_IsNot", "IsNot_Is")
# Not `|` and `*`: cosmic-ray takes the union of two types and the mark before keyword-only parameters for them.
_ARITHMETIC = (
    *("Add_Sub", "Sub_Add", "Mod_FloorDiv", "FloorDiv_Mul"),
    *("LShift_RShift", "RShift_LShift", "BitAnd_BitOr", "BitXor_BitAnd"),
)
_CHOSEN = (
    *("AddNot", "ExceptionReplacer", "NumberReplacer", "RemoveDecorator", "ZeroIterationForLoop"),
    *("ReplaceAndWithOr", "ReplaceOrWithAnd", "ReplaceFalseWithTrue", "ReplaceTrueWithFalse"),
    *("ReplaceBreakWithContinue", "ReplaceContinueWithBreak"),
    *("ReplaceUnaryOperator_Delete_Not", "ReplaceUnaryOperator_Delete_USub"),
    *(f"ReplaceBinaryOperator_{change}" for change in _ARITHMETIC),
    *(f"ReplaceComparisonOperator_{change}" for change in _BOUNDARY + _OPPOSITE),
)


class LeaveOut:
    """Leaves out a statement that only calls or raises: the guards of the core are such."""

    @classmethod
    def arguments(cls) -> tuple[()]:
        return ()

    def mutation_positions(self, node: Any) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        statement = node.children[0] if node.type == "simple_stmt" else None
        if statement is None:
            return
        is_call = statement.type in ("atom_expr", "power") and statement.children[-1].children[0] == "("
        if is_call or statement.get_first_leaf() == "raise":
            yield statement.start_pos, statement.end_pos

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


ROOT = Path(__file__).resolve().parents[2]
COPIED = ("ledger", "scripts", "tests", "pyproject.toml")
LEAST = 90  # per cent of the mutants of a module
# The sources of a module, and the tests of the core that are to notice.
MODULES = {
    "merkle": (["ledger/core/log/merkle.py"], ["test_merkle*.py"]),
    "canonical": (["ledger/core/encoding/canonical.py"], ["test_canonical.py", "test_vocabulary.py"]),
    "signature": (["ledger/core/signing/signatures.py"], ["test_signature.py"]),
    "authority": (
        ["ledger/core/signing/authority.py", "ledger/core/ethereum/contract_changes.py"],
        ["test_authority.py", "test_contract_change.py"],
    ),
    "custody": (
        ["ledger/core/custody/*.py"],
        [
            *("test_custody_*.py", "test_clock_*.py", "test_due.py", "test_particulars.py", "test_worked_deadlines.py"),
            *("test_units.py", "test_adoption.py", "test_shipped_clocks.py", "test_supervision_recommendations.py"),
        ],
    ),
}
PYTEST = (
    str(ROOT / ".venv" / "bin" / "python"),
    *("-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"),
    *("-p", "pytest_timeout", "-p", "_hypothesis_pytestplugin", "--hypothesis-profile", "few"),
)

Score = Counter[TestOutcome]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("module", nargs="*", help=", ".join(MODULES))
    modules = parser.parse_args().module or list(MODULES)
    unknown = [module for module in modules if module not in MODULES]
    if unknown:
        parser.error(f"no such module: {', '.join(unknown)}; there are {', '.join(MODULES)}")
    cosmic_ray.plugins.OPERATOR_PROVIDERS = {"tried": Operators()}
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # starting pytest is most of a run
    with (
        tempfile.TemporaryDirectory(prefix="mutation-") as folder,
        ProcessPoolExecutor(initializer=enter_copy_of_the_checkout, initargs=(folder,)) as pool,
        Progress() as progress,
    ):
        scores = {module: measure(module, pool, progress) for module in modules}
    Console().print(table(scores))
    return 0 if all(per_cent(score) >= LEAST for score in scores.values()) else 1


def enter_copy_of_the_checkout(folder: str) -> None:
    """Go to a copy of what the tests need: nobody else sees a mutant."""
    copy = tempfile.mkdtemp(dir=folder)
    for name in COPIED:
        subprocess.run(["cp", "-r", ROOT / name, copy], check=True)
    os.chdir(copy)


def measure(module: str, pool: ProcessPoolExecutor, progress: Progress) -> Score:
    sources, tests = MODULES[module]
    score = Score()
    commands = {source: command_of(source, tests) for pattern in sources for source in sorted(Path().glob(pattern))}
    seconds = pool.map(seconds_unmutated, commands.values())
    tried = [
        (mutant, pool.submit(mutate_and_test, mutant.mutations, command, 5 * unmutated))
        for (source, command), unmutated in zip(commands.items(), list(seconds), strict=True)
        for mutant in mutants(source)
    ]
    for mutant, future in progress.track(tried, description=module):
        result = future.result()
        if result.worker_outcome is not WorkerOutcome.NORMAL:
            continue  # cosmic-ray makes no mutant of an exception with a dotted name
        score[result.test_outcome] += 1
        if result.test_outcome is not TestOutcome.KILLED:
            progress.console.print(described(mutant, result), style="yellow", highlight=False, soft_wrap=True)
    return score


def mutants(source: Path) -> list[Any]:
    with tempfile.TemporaryDirectory() as folder, use_db(f"{folder}/session") as session:
        init([source], session, {})
        return list(session.work_items)


def command_of(source: Path, patterns: list[str]) -> str:
    """Return the command that runs first the tests named after the source, with which most mutants end, then others."""
    files = sorted(path for pattern in patterns for path in Path("tests/unit/core").glob(pattern))
    named = [file for file in files if source.stem in file.stem]
    others = [file for file in files if file not in named]
    runs = [shlex.join([*PYTEST, *map(str, group)]) for group in (named, others) if group]
    return shlex.join(["sh", "-c", " && ".join(runs)])


def seconds_unmutated(command: str) -> float:
    began = time.monotonic()
    subprocess.run(shlex.split(command), check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def described(mutant: Any, result: Any) -> str:
    """Tell where a mutant that no test noticed was put, and the lines that it changed."""
    fault = mutant.mutations[0]
    operator, outcome = fault.operator_name.partition("/")[2], result.test_outcome.value
    changes = [line for line in result.diff.splitlines() if line[:1] in "-+" and line[:3] not in ("---", "+++")]
    return escape("\n".join([f"{fault.module_path}:{fault.start_pos[0]} {operator} {outcome}", *changes]))


def table(scores: dict[str, Score]) -> Table:
    shown = Table("module", "killed", "survived", "score")
    for module, score in scores.items():
        killed, style = score[TestOutcome.KILLED], "green" if per_cent(score) >= LEAST else "red"
        shown.add_row(module, str(killed), str(score.total() - killed), f"{per_cent(score):.1f} %", style=style)
    return shown


def per_cent(score: Score) -> float:
    return 100 * score[TestOutcome.KILLED] / score.total()


if __name__ == "__main__":
    sys.exit(main())
