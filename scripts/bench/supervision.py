"""The shipped models against histories in which it is known what is broken: what they find, miss, and find beyond that.

python -m scripts.bench.supervision [--cases N] [--seed N] [--rate R]

Each lead that nobody planted is listed with its reason: what follows from something else that was planted in the case,
what came about by chance, and what is false.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from rich.console import Console
from rich.table import Table

from scripts.histories.history import RATE, generate
from scripts.histories.measure import ModelResult, measure
from scripts.histories.reference import USUAL


def main() -> int:
    """Measures and shows; 1 where something planted was not found, or a lead has no reason."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=RATE, help="share of the cases that each plant breaks")
    options = parser.parse_args()
    console = Console(width=140)
    began = time.perf_counter()
    history = generate(options.seed, options.cases, rate=options.rate)
    events, taken = len(history.events), time.perf_counter() - began
    console.print(f"{options.cases:,} cases, {events:,} events, generated in {taken:.1f} s")
    began = time.perf_counter()
    measured = measure(history, USUAL)
    console.print(f"reference, views and models in {time.perf_counter() - began:.1f} s")
    console.print(_table(measured))
    for line in _reasons(measured):
        console.print(line, soft_wrap=True)
    return int(any(model.missed or model.false for model in measured))


def _table(measured: list[ModelResult]) -> Table:
    table = Table(title="What the shipped models find")
    for heading in ("model", "planted", "found", "leads", "beyond", "false", "precision", "recall", "seconds"):
        table.add_column(heading, justify="left" if heading == "model" else "right")
    for model in measured:
        planted, further = len(model.planted), len(model.further)
        counts = (planted, planted - len(model.missed), model.expected + further, further, len(model.false))
        shares = f"{model.precision:.3f}", f"{model.recall:.3f}", f"{model.seconds:.2f}"
        table.add_row(model.model_id, *map(str, counts), *shares)
    return table


def _reasons(measured: list[ModelResult]) -> list[str]:
    """List the reasons of leads beyond the planted, and each planted fault that was missed and each false lead."""
    lines = []
    for model in measured:
        counted = Counter(lead.reason for lead in model.further if lead.reason is not None)
        lines += [
            f"{model.model_id}: {count} beyond the planted: {reason}" for reason, count in sorted(counted.items())
        ]
        lines += [f"{model.model_id}: missed {planted}" for planted in model.missed]
        lines += [f"{model.model_id}: false {dict(lead.finding.key)}" for lead in model.false]
    return lines


if __name__ == "__main__":
    sys.exit(main())
