"""The page that says what a ledger needs (docs/capacity.md), computed from what was measured (docs/capacity.json).

python -m scripts.docs.capacity [--inhabitants MILLIONS] [--cases N] [--events N] [--years N] [--peak N]

prints what a land of so many inhabitants needs, with so many cases a year for a thousand of them, so many events a
case, and so many times the mean of working hours at the peak. ``docs/capacity.json`` holds the stages that
``scripts.bench.growth --json`` writes, and the rates that ``scripts.bench.submissions`` and ``scripts.bench.audit``
print, of one machine.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from math import log10
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

from scripts.bench.growth import Cost, Stage

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "capacity.md"
CURVES = ROOT / "docs" / "capacity.svg"
FIGURES = ROOT / "docs" / "capacity.json"
WORKING_S = 250 * 8 * 3600  # seconds of a year's working hours


class Measured(Struct, frozen=True):
    """What was measured: on which machine, the stages of growth, submissions a second, and an audit's time.

    ``one_each`` and ``in_bulk`` are durable events a second of one service, ``audit_us`` microseconds of processor time
    for each entry, ``envelope`` the mean bytes of one.
    """

    machine: str
    growth: list[Stage]
    one_each: float
    in_bulk: float
    audit_us: float
    envelope: float


class Land(NamedTuple):
    """Whom a ledger serves, and how much happens there."""

    name: str
    inhabitants: float  # millions
    cases: float = 1.0  # a year, for a thousand inhabitants
    events: int = 55  # a case
    years: int = 10
    peak: float = 10  # times the mean of working hours

    @property
    def entries(self) -> float:
        """Return the entries of a year."""
        return self.inhabitants * 1000 * self.cases * self.events

    @property
    def at_peak(self) -> float:
        """Return the submissions a second at the peak."""
        return self.entries / WORKING_S * self.peak


LANDS = (
    Land("a county", 0.5),
    Land("a city", 5),
    Land("a province", 60),
    Land("the whole land", 1400),
)

HEAD = """# What a ledger needs

`python -m scripts.docs.protocol_examples` writes this page out of `docs/capacity.json`, which holds what was measured:
{machine}.

## As it grows

One SQLite ledger was filled step by step. Nearly all its entries are copies of a few thousand that were recorded, with
ids of their own. At each size the same submissions went to it and to a ledger of {small:,} entries, in turn
(`python -m scripts.bench.growth`). The curves and the numbers in brackets are the ratio to that small ledger in the
same minutes: a machine that others use is slower at one time than at another.

![cost at each size, as a multiple of the small ledger's](capacity.svg)
"""

NEEDS = """
The reader's agency is a party to every case of this log: deadlines and what a search finds are looked up by indexes
([decision 51](decisions/0051-lists-and-searches-that-do-not-grow-with-the-log.md)) and not put in order first. The last
size was measured when nothing else ran, those before while the machine was busy. Its file is larger than the machine's
memory: a proof of inclusion reads tiles of its own stretch of the log and a page of the feed rows of its own, and what
takes longer there is what had to come from the disk.

## For whom

Whom a ledger has to serve is an assumption, and yours may differ: {cases:g} case a year for a thousand inhabitants,
{events} events a case (the mean of the generated histories with which the models are tested), {years} years, and at the
peak {peak:g} times the mean of working hours.

`python -m scripts.docs.capacity --inhabitants 60 --cases 1 --events 55 --years 10 --peak 10` computes other ones.
"""

RULES = """
How it is computed:

- **Disk**: entries times the bytes an entry of the largest size above, read models and indexes included. Evidence files
  are not in the ledger. A backup takes as much again; PostgreSQL was not measured here.
- **Writer**: submissions at the peak over those that one service with one process that validates beside it committed
  a second, one each over HTTP ({one_each:,.0f}/s; {in_bulk:,.0f}/s in requests of a hundred), while the load was made
  on the same two cores. Above one half, give it more cores and processes ([operations.md](operations.md)).
- **Audit**: {audit_us:,.0f} µs of one processor for each entry; it is shared among processors. An audit that goes on
  from an earlier one still looks through every table, and takes a share of a whole one that
  [How fast it is](performance.md) names.
- **Copy of the log**: {envelope:,.0f} bytes an entry, the mean of an envelope: what witnesses and monitors read.
"""


def main() -> None:
    """Prints what one land needs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("inhabitants", 60.0), ("cases", 1.0), ("events", 55), ("years", 10), ("peak", 10.0)):
        parser.add_argument(f"--{name}", type=type(default), default=default)
    args = parser.parse_args()
    land = Land(f"{args.inhabitants:g} million inhabitants", **vars(args))
    for head, cell in NEEDED.items():
        print(f"{head:>32}  {cell(land, measured())}")


def measured() -> Measured:
    """Return what was measured."""
    return msgspec.json.decode(FIGURES.read_bytes(), type=Measured)


def page() -> str:
    """Return the text of the page."""
    figures = measured()
    small, land = figures.growth[0].small, LANDS[0]
    head = HEAD.format(machine=figures.machine, small=round(small.entries, -3))
    needs = NEEDS.format(cases=land.cases, events=land.events, years=land.years, peak=land.peak)
    rates = {name: getattr(figures, name) for name in ("one_each", "in_bulk", "audit_us", "envelope")}
    rules = RULES.format(**rates)
    rows = [["", *(land.name for land in LANDS)]]
    rows += [[head, *(cell(land, figures) for land in LANDS)] for head, cell in NEEDED.items()]
    return (
        head
        + "\n"
        + "\n".join(table(growth_rows(figures.growth)))
        + "\n"
        + needs
        + "\n"
        + "\n".join(table(rows))
        + "\n"
        + rules
    )


def table(rows: list[list[str]]) -> Iterator[str]:
    """Yield the lines of a table, of which the first row is the head."""
    for number, row in enumerate(rows):
        yield f"| {' | '.join(row)} |"
        if not number:
            yield f"|{'---|' * len(row)}"


Part = Callable[[Cost], float]
# What grows with the log or does not, its unit, and how many digits of it mean something.
PARTS: dict[str, tuple[Part, str]] = {
    "a submission, processor": (lambda cost: cost.cpu, "ms"),
    "a submission, until it is durable": (lambda cost: cost.wall, "ms"),
    "memory of the service": (lambda cost: cost.resident, "MiB"),
    "disk an entry": (lambda cost: cost.disk / cost.entries, "B"),
}


def growth_rows(stages: list[Stage]) -> list[list[str]]:
    """Return the rows of the first table: each part and each read at each size, with its ratio."""
    rows = [["", *(f"{round(stage.grown.entries, -3):,} entries" for stage in stages)]]
    for name, (part, unit) in PARTS.items():
        rows.append([name, *(_cell(part(stage.grown), part(stage.small), unit) for stage in stages)])
    return rows + [
        [name, *(_cell(stage.grown.reads[name], stage.small.reads[name], "ms") for stage in stages)]
        for name in stages[0].grown.reads
    ]


def _cell(own: float, beside: float, unit: str) -> str:
    return f"{own:,.{0 if own >= 100 else 1}f} {unit} ({own / beside:.2f})"


def _disk(land: Land, figures: Measured) -> str:
    largest = figures.growth[-1].grown
    return _bytes(land.entries * land.years * largest.disk / largest.entries)


def _bytes(count: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count / 1e6:,.0f} MB"


NEEDED: dict[str, Callable[[Land, Measured], str]] = {
    "inhabitants": lambda land, _: f"{land.inhabitants:,g} million",
    "entries a year": lambda land, _: f"{land.entries:,.0f}",
    "submissions at the peak": lambda land, _: f"{land.at_peak:,.2f}/s",
    "share of one service": lambda land, figures: f"{100 * land.at_peak / figures.one_each:,.2f} %",
    "disk after the years": _disk,
    "copy of the log": lambda land, figures: _bytes(land.entries * land.years * figures.envelope),
    "processor time of a whole audit": lambda land, figures: (
        f"{land.entries * land.years * figures.audit_us / 3.6e9:,.1f} hours"
    ),
}

WIDTH, HEIGHT, LEFT, RIGHT, BOTTOM = 720, 300, 50, 260, 40
COLOURS = ("#1f5fa8", "#b3541e", "#2f7d4f", "#7a4fa3", "#8a6d00")
MOST = 2.0  # the ratio at the upper edge


def curves() -> str:
    """Return the curves of the parts as a picture: the size on a scale of powers, the ratio to the small ledger."""
    stages = measured().growth
    first, last = log10(stages[0].grown.entries), log10(stages[-1].grown.entries)

    def x(entries: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (log10(entries) - first) / (last - first or 1)

    def y(ratio: float) -> float:
        return (HEIGHT - BOTTOM) * (1 - min(ratio, MOST) / MOST) + 10

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT + 10}" font-family="sans-serif" '
        'font-size="12" role="img"><rect width="100%" height="100%" fill="#fff"/>'
    ]
    for ratio in (0, 0.5, 1, 1.5, 2):
        parts.append(f'<path d="M{LEFT} {y(ratio):.1f}H{WIDTH - RIGHT}" stroke="#ccc"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(ratio) + 4:.1f}" text-anchor="end">{ratio:g}</text>')
    for stage in stages:
        entries = round(stage.grown.entries, -3)
        parts.append(f'<text x="{x(entries):.1f}" y="{HEIGHT - 8}" text-anchor="middle">{_short(entries)}</text>')
    for number, (name, (part, _)) in enumerate(PARTS.items()):
        points = [(x(stage.grown.entries), y(part(stage.grown) / part(stage.small))) for stage in stages]
        line = " ".join(f"{across:.1f},{down:.1f}" for across, down in points)
        colour, down = COLOURS[number], 30 + 22 * number
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<path d="M{WIDTH - RIGHT + 30} {down}h20" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{WIDTH - RIGHT + 58}" y="{down + 4}">{name}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _short(entries: int) -> str:
    return f"{entries / 1e6:.2g} M" if entries >= 1e6 else f"{entries // 1000} k"


if __name__ == "__main__":
    main()
