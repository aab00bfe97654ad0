"""Manipulations of a ledger with the data of twelve stories: each that changes what anybody is shown must be named.

python -m tests.campaigns.manipulations [--seed N] [--quick] [--ledger DIRECTORY]

The ledger has cases, leads, an anchored log, reads, co-signatures of witnesses, webhooks, warnings and kept audits.
Every table and column, the schema, the views and the kept files are manipulated in copies of it, as
``spoiling`` makes them up. A copy is audited, with its chain made anew from the journal; a start that refuses it
 names it as well. Of each that neither names, all pages and answers of one officer of every role in every
agency are compared with those of before.

--quick asks as one officer of each role, and --ledger keeps the ledger, or takes one that was kept.

Exit code 1 where a manipulation changed a page or an answer and was not named.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb

from ledger.audit import AuditReport, audit_log, left_out, replaying
from ledger.config.installation import DataDirectory
from ledger.config.settings import read_settings
from ledger.core.errors import TallystickError
from ledger.core.trust.trust_file import parse_trust
from ledger.procedures import shipped_procedures
from ledger.store.database import open_database
from ledger.supervision.runs.datasets import DatasetFiles
from scripts.bench.figures import command_line
from tests.campaigns.manipulations.shown import Shown, differing, look
from tests.campaigns.manipulations.spoiling import Manipulation, manipulations
from tests.campaigns.manipulations.storied import found_ledger


@dataclass(frozen=True)
class Outcome:
    """What became of one: who named it, or what it changed for whom."""

    manipulation: Manipulation
    named: str | None
    changed: tuple[str, ...] = ()

    is_made: bool = True

    @property
    def passed(self) -> bool:
        return self.named is None and bool(self.changed)


def run(folder: Path, chosen: list[Manipulation], before: Shown) -> list[Outcome]:
    """Make each in a copy of the ledger in ``folder``."""
    outcomes: list[Outcome] = []
    for number, manipulation in enumerate(chosen, 1):
        with tempfile.TemporaryDirectory(prefix="tallystick-manipulated-") as folder_name:
            outcome = _try(folder, Path(folder_name) / "data", manipulation, before)
        outcomes.append(outcome)
        print(f"{number}/{len(chosen)} {_told(outcome)}", flush=True)
    return outcomes


def _try(folder: Path, copy: Path, manipulation: Manipulation, before: Shown) -> Outcome:
    shutil.copytree(folder, copy)
    try:
        manipulation.apply(copy)
    except (sqlite3.Error, duckdb.Error) as error:  # the database itself refuses some
        return Outcome(manipulation, f"refused by the database: {error}", is_made=False)
    named = _named(copy)
    if named is not None:
        return Outcome(manipulation, named)
    try:
        after = look(copy, before)
    except TallystickError as error:
        return Outcome(manipulation, f"the start: {error}")
    return Outcome(manipulation, None, differing(before, after))


def _named(copy: Path) -> str | None:
    """Name it by the audit of the database, else by the one that makes the chain anew."""
    for with_chain in (False, True):
        try:
            report = audit(copy, with_chain=with_chain)
        except TallystickError as error:
            return f"the audit: {error}"
        if report.findings:
            first = report.findings[0]
            return f"{first.step}: {first.what}"
    return None


def audit(folder: Path, *, with_chain: bool) -> AuditReport:
    """Audit as ``tally audit --data-dir`` does."""
    where = DataDirectory(folder)
    if not where.trust.exists():
        raise TallystickError("there is no trust file", code="no_trust")
    trust = parse_trust(where.trust.read_bytes())
    with closing(open_database(f"sqlite:///{where.database}", for_audit=True)) as database:
        chain = replaying(database, trust.log_id, read_settings(folder).anvil) if with_chain else left_out
        files = DatasetFiles(where.datasets).digests
        return audit_log(database, trust, shipped_procedures(), look=chain, processes=1, files=files)


def _told(outcome: Outcome) -> str:
    changed = f" [{len(outcome.changed)} answers differ: {', '.join(outcome.changed[:3])}]" if outcome.changed else ""
    if outcome.passed:
        return f"PASSED {outcome.manipulation}{changed}"
    return f"{outcome.manipulation}: {outcome.named or 'changes nothing that is shown'}{changed}"


def main() -> int:
    parser = command_line(__doc__, seed=1)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--ledger", type=Path)
    parser.add_argument("--only", default="", help="those whose name has this text")
    options = parser.parse_args()
    chance, began = random.Random(options.seed), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tallystick-manipulations-") as folder_name:
        folder = options.ledger or Path(folder_name)
        data = found_ledger(folder)
        report = audit(data, with_chain=True)
        if report.verdict != "intact":
            raise RuntimeError(f"the ledger is not sound to begin with: {report.verdict}, {report.findings[:3]}")
        before = _steady(data, quick=options.quick)
        chosen = [manipulation for manipulation in manipulations(data, chance) if options.only in str(manipulation)]
        outcomes = run(data, chosen, before)
    return _summed_up(outcomes, before, time.monotonic() - began)


def _steady(data: Path, *, quick: bool) -> Shown:
    """Return what is shown of the ledger, without what differs from one start to the next by itself."""
    with tempfile.TemporaryDirectory(prefix="tallystick-steady-") as folder_name:
        looks = []
        for number in range(2):
            shutil.copytree(data, copy := Path(folder_name) / str(number))
            looks.append(look(copy, quick=quick))
    print(f"{len(looks[0].answers)} answers of {len(looks[0].readers)} readers", flush=True)
    return looks[0].without(differing(*looks))


def _summed_up(outcomes: list[Outcome], before: Shown, seconds: float) -> int:
    passed = [outcome for outcome in outcomes if outcome.passed]
    kinds = Counter(outcome.manipulation.kind for outcome in outcomes)
    refused = sum(not outcome.is_made for outcome in outcomes)
    unseen = sum(outcome.named is None and not outcome.changed for outcome in outcomes)
    named = len(outcomes) - refused - unseen - len(passed)
    print(f"{len(outcomes)} manipulations ({dict(kinds)}) against {len(before.answers)} answers, {seconds:.0f} s:")
    print(f"{named} named, {refused} refused by the database, {unseen} change nothing shown, {len(passed)} passed")
    for outcome in passed:
        print(f"  {_told(outcome)}")
    return 1 if passed else 0


if __name__ == "__main__":
    sys.exit(main())
