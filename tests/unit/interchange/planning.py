"""A small mapping, and what its rows and those of the samples come to, for the tests of imports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.interchange.imports.case_events import RowFault
from ledger.interchange.imports.identity import IdentityKey
from ledger.interchange.imports.importing import DryRun, PlannedRow
from ledger.interchange.imports.mapping import parse_mapping, read_mapping
from ledger.interchange.imports.plan import Plan, Planner
from ledger.interchange.imports.source_file import SourceFile, Survey, layout_of
from ledger.procedures import books_that_ship
from tests.testkit.builders import POLICE
from tests.testkit.machine import REPOSITORY
from tests.unit.interchange.files import csv_file

BOOKS = books_that_ship()
KEY = IdentityKey(POLICE, b"\x01" * 32)
MAPPING = """
name = "small"
source_system = "cases"
key = ["number"]
required = ["about"]
[case]
case_number = "number"
case_type = "about"
business_line = { value = "criminal" }
procedure = { value = "cn-criminal" }
stage = { value = "investigation" }
[case.confidential]
summary = "summary"
[[persons]]
name = "suspect"
role = { value = "suspect" }
identity = ["id"]
[[measures]]
measure = { column = "measure", words = { "拘留" = "detention", "逮捕" = "arrest" } }
started_at = "from"
ground = { column = "why", default = "as the paper says" }
key = ["measure"]
[[items]]
item_kind = { value = "exhibit" }
description = "thing"
quantity = { column = "count", default = "1" }
unit = { column = "unit", words = { "部" = "piece" }, default = "piece" }
"""
SMALL = """
name = "small"
source_system = "cases"
key = ["number"]
[case]
case_number = "number"
case_type = "about"
business_line = { value = "criminal" }
procedure = { value = "cn-criminal" }
stage = { column = "stage", words = { "立案" = "investigation" } }
"""
COLUMNS = "number,about,summary,suspect,id,measure,from,why,thing,count,unit"
FULL = "A-1,theft,in a shop,Zhang,3101,拘留,2026-03-01,caught,a phone,2,部"


@dataclass
class Tried:
    """What came of the rows of one file."""

    outcomes: list[PlannedRow | RowFault]
    plans: list[Plan]

    @property
    def faults(self) -> list[tuple[int, str | None, str]]:
        return [(each.row, each.column, each.reason) for each in self.outcomes if isinstance(each, RowFault)]


@contextmanager
def surveyed(file: Path, planner: Planner | None = None) -> Iterator[tuple[SourceFile, Survey]]:
    """Open a file and read it once, by the planner of the small mapping unless another is given."""
    planner = planner or Planner(parse_mapping(MAPPING.encode(), "m.toml", BOOKS), KEY, BOOKS)
    with SourceFile(file, layout_of(file, planner.mapping)) as source:
        yield (
            source,
            source.survey(
                planner.mapping.columns(), planner.fingerprint, lambda _: None, planner.persons, planner.number
            ),
        )


def tried(folder: Path, *rows: str, mapping: str = MAPPING, key: IdentityKey = KEY) -> Tried:
    """Rows under the small mapping's headings."""
    planner = Planner(parse_mapping(mapping.encode(), "m.toml", BOOKS), key, BOOKS)
    with surveyed(csv_file(folder, "\n".join([COLUMNS, *rows]) + "\n"), planner) as (source, survey):
        trial = DryRun(planner, survey, BOOKS)
        table = list(source.table().rows())
        outcomes = [trial.take(row) for row in table]
        good = [row for row, outcome in zip(table, outcomes, strict=True) if isinstance(outcome, PlannedRow)]
        return Tried(outcomes, [planner.plan(row, survey) for row in good])


def plan_of(folder: Path, row: str, **options: Any) -> Plan:
    (plan,) = tried(folder, row, **options).plans
    return plan


def sample(name: str, suffix: str) -> list[Plan]:
    """Return the plans of a shipped sample's rows."""
    folder = REPOSITORY / "examples" / "import"
    planner = Planner(read_mapping(folder / f"{name}.toml", BOOKS), KEY, BOOKS)
    with surveyed(folder / f"{name}.{suffix}", planner) as (source, survey):
        return [planner.plan(row, survey) for row in source.table().rows()]


def bodies(plan: Plan) -> dict[str, Any]:
    """Return the bodies of the plan's events by what they are about; of several the last."""
    return {event.key[0]: event.body for event in plan.events}
