"""The page that says how fast the ledger is (docs/performance.md), out of what was measured (docs/performance.json).

``scripts.bench.table`` measures; ``scripts.docs.protocol_examples`` writes the page.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median

from scripts.bench.figures import Figure
from scripts.bench.table import BenchmarkRuns, read

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "performance.md"
FIGURES = ROOT / "docs" / "performance.json"

HEAD = """# How fast it is

After reading this page you know what a submission, an audit, a proof and a page cost, what they were compared with, and
how to measure them on a machine of yours. How large a ledger may grow is on [What a ledger needs](capacity.md).

`python -m scripts.docs.protocol_examples` writes this page out of `docs/performance.json`, which
`python -m scripts.bench.table --json docs/performance.json` measures.
Measured here on {machine}.

Machines differ, and the speed of one that is shared changes within minutes. So each figure stands beside a reference
that was measured in the same run, and what counts is the ratio: the median of the runs, and in brackets the least and
the most. Each target is on the ratio too; the table says where it is not met.
"""

TITLES = {
    "submissions": (
        "Submissions over HTTP",
        "Each is signed, judged by the rules of its case, and durable before it is answered with a proof of inclusion. "
        "The naive design (FastAPI, rfc8785, eth_account, a transaction each) records events in the plainest way, with "
        "no rules; the echo answers that it was asked. Client and servers share the processors.",
    ),
    "submissions-beside": (
        "Submissions over HTTP, with a process that validates beside the service",
        "As above with `validator_processes = 1`.",
    ),
    "first-version": (
        "Submissions to the first version",
        "Commit `52e16ba`, in turn with the two above. One process of today takes a few more submissions than one of "
        "it, though it keeps and checks more; with a process that validates, half as many again.",
    ),
    "flatness": (
        "As cases and the log grow",
        "One more submission to a busy case of so many events, and to a log of so many entries.",
    ),
    "audit": (
        "A whole audit",
        "Every signature, rule and row is checked again; recovery of as many signatures is the least it could take.",
    ),
    "proofs": ("Proofs", "What a stranger with a bundle and a trust file needs to check it, without a service."),
    "evidence": ("Hashing of evidence", "`tally` beside the programs of Debian that do nothing else."),
    "views": ("Views and models", "The tables that models ask, as the log grows, and one more event in a case."),
    "at-rest": (
        "The service at rest",
        "All processes of `tally serve` but the chain's node, as `tally init` leaves it, over a minute in which nobody "
        "does anything.",
    ),
    "pages": ("Pages of the console", "Processor time on a case of a thousand events."),
}

PARTS = """
## Where a submission's time goes

The processor time of a submission in process, without HTTP (`python -m {command}`): {whole}. Of it:

"""


def page() -> str:
    """Return the text of the page."""
    table = read(FIGURES)
    sections = [HEAD.format(machine=table.machine)]
    for name, (title, text) in TITLES.items():
        if name in table.benchmarks:
            sections.append(f"\n## {title}\n\n{text}\n\n" + "\n".join(lines(table.benchmarks[name])) + "\n")
    if "in-process" in table.benchmarks:
        sections.append(parts(table.benchmarks["in-process"]))
    return "".join(sections)


def lines(measured: BenchmarkRuns) -> Iterator[str]:
    """Yield the lines of a table, with the command that measures it."""
    yield f"`python -m {measured.command}`"
    yield ""
    yield "| figure | measured | beside | ratio | target |"
    yield "|---|---|---|---|---|"
    for figures in zip(*measured.runs, strict=True):
        first = figures[0]
        ours = f"{_number(median(figure.ours for figure in figures))} {first.unit}"
        reference = f"{first.reference_name}: {_number(median(figure.reference for figure in figures))}"
        target = (
            first.target if first.met_by(median(figure.ratio for figure in figures)) else f"{first.target}, not met"
        )
        yield f"| {first.what} | {ours} | {reference} | {ratio(figures)} | {target} |"


def parts(measured: BenchmarkRuns) -> str:
    """Return the section on the parts of a submission, which are the figures behind the first."""
    whole, *each = zip(*measured.runs, strict=True)
    spent = sorted(((median(f.ratio for f in part), part[0].what) for part in each), reverse=True)
    listed = "\n".join(f"- {100 * share:.0f} %: {label}" for share, label in spent)
    first = whole[0]
    text = f"{_number(median(f.ours for f in whole))} {first.unit}, {ratio(whole)} times the {first.reference_name}"
    return PARTS.format(command=measured.command, whole=text) + listed + "\n"


def ratio(figures: tuple[Figure, ...]) -> str:
    """Return the median of the ratios, the least and the most."""
    ratios = sorted(figure.ratio for figure in figures)
    spread = f" ({_number(ratios[0])} to {_number(ratios[-1])})" if len(ratios) > 1 else ""
    return f"{_number(median(ratios))}{spread}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
