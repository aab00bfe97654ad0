"""Figures: what was measured, what it is held against, one table for people and one JSON for whoever compares."""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct, to_builtins
from rich.console import Console
from rich.table import Table


class Figure(Struct, frozen=True):
    """``ours`` and ``reference`` in ``unit``; the target is on their ratio, such as ``<= 8`` or ``>= 0.4``."""

    what: str
    ours: float
    reference_name: str
    reference: float
    unit: str
    target: str

    @property
    def ratio(self) -> float:
        """Ours over the reference."""
        return self.ours / self.reference

    @property
    def is_met(self) -> bool:
        """Return whether the ratio is within the target."""
        return self.met_by(self.ratio)

    def met_by(self, ratio: float) -> bool:
        """Return whether this ratio, such as the median of several runs, is within the target."""
        sign, bound = self.target.split()
        return ratio <= float(bound) if sign == "<=" else ratio >= float(bound)


def options(document: str | None, **defaults: Any) -> argparse.Namespace:
    """Read the command line of a measurement: ``--json FILE``, and an option of each name and kind of ``defaults``.

    What it starts keeps compiled modules, as where it is installed: else each start would compile them anew.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    parser = command_line(document, **defaults)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def command_line(document: str | None, **defaults: Any) -> argparse.ArgumentParser:
    """Return a parser with an option of each name and kind of ``defaults``.

    Where the default is a list, the option takes several values.
    """
    parser = argparse.ArgumentParser(description=document, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in defaults.items():
        first, several = (default[0], "+") if isinstance(default, list) else (default, None)
        parser.add_argument(f"--{name}", type=type(first), default=default, nargs=several)
    return parser


def show(title: str, figures: list[Figure], file: Path | None) -> None:
    """Print the table, and write the JSON where a file is named."""
    table = Table(title=title)
    for heading in ("figure", "ours", "reference", "ratio", "target"):
        table.add_column(heading, justify="left" if heading in ("figure", "target") else "right")
    for figure in figures:
        colour = "green" if figure.is_met else "red"
        table.add_row(
            figure.what,
            f"{figure.ours:,.6g} {figure.unit}",
            f"{figure.reference_name} {figure.reference:,.6g} {figure.unit}",
            f"[{colour}]{figure.ratio:.3g}[/{colour}]",
            figure.target,
        )
    Console(width=140).print(table)
    if file is not None:
        rows = [to_builtins(figure) | {"ratio": figure.ratio} for figure in figures]
        file.write_text(json.dumps(rows, indent=2) + "\n")


def in_turn(rounds: int, *actions: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> list[float]:
    """Median seconds of each action, run in turn so that a machine that slows down slows all of them.

    ``clock`` may count CPU time, which others on the machine change less: ``time.process_time``, ``children_cpu``.
    """
    seconds: list[list[float]] = [[] for _ in actions]
    for _ in range(rounds):
        for taken, action in zip(seconds, actions, strict=True):
            began = clock()
            action()
            taken.append(clock() - began)
    return [statistics.median(taken) for taken in seconds]


def children_cpu() -> float:
    """CPU seconds of the processes that this one started and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def cpu_seconds(action: Callable[[], object]) -> float:
    """Return the CPU seconds of this process, all threads together."""
    began = time.process_time()
    action()
    return time.process_time() - began
