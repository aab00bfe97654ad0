"""Manipulations of a ledger with stories and a store room: each that changes what anybody is shown must be named.

python -m tests.campaigns.manipulations [--seed N] [--quick] [--ledger DIRECTORY]

The ledger has cases, leads, an anchored log, reads, co-signatures of witnesses, webhooks, warnings, kept audits, files
of evidence, holds and stocktakes. Every table and column, the schema, the views and the kept files are manipulated in
copies of it, as ``spoiling`` makes them up. A copy is audited, with its chain made anew from the journal; a start that
refuses it names it as well. Of each that neither names, all pages and answers of one officer of every role in every
agency are compared with those of before.

Each that an audit of everything names must be named by audits that go on from one of the ledger as it was before its
last part: by the first, or by a later one of a round, of which those before said that they had not read all.

Kept states and kept audits lie as well (``lying``), well formed and with the codes that they need; rows about files are
deleted and bound as deleted. And audits go on from what lies about the earlier one: each must be refused, name
something, or say by its digest what it went on from, and that it did not read everything.

--quick asks as one officer of each role, and --ledger keeps the ledger, or takes one that was kept.

Exit code 1 where a manipulation changed a page or an answer and was not named, or by no audit of a round.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb
from msgspec.structs import replace

from ledger.audit import AuditReport, Basis, audit_log, left_out, read_basis, replaying
from ledger.audit.basis import with_digest
from ledger.config.installation import DataDirectory
from ledger.config.settings import read_settings
from ledger.core.encoding import canonical
from ledger.core.errors import TallystickError
from ledger.core.trust.trust_file import parse_trust
from ledger.procedures import shipped_procedures
from ledger.store.opening import open_database
from scripts.bench.figures import command_line
from tests.campaigns.manipulations.lying import hidden_rows, lying_audits, lying_bases, lying_states
from tests.campaigns.manipulations.shown import Shown, differing, look, look_again
from tests.campaigns.manipulations.spoiling import Manipulation, manipulations, rows_of
from tests.campaigns.manipulations.store_room import storage_of
from tests.campaigns.manipulations.storied import found_ledger, kept_basis

SHARES = 3  # of the streams, in the audits that go on here


@dataclass(frozen=True)
class ManipulationResult:
    """What became of one: who named it, or what it changed for whom.

    ``turn`` is the number of the audit of a round that named it, if one of everything did; 0 if none did.
    """

    manipulation: Manipulation
    named: str | None
    changed: tuple[str, ...] = ()

    is_made: bool = True
    turn: int | None = None

    @property
    def passed(self) -> bool:
        return self.turn == 0 or (self.named is None and bool(self.changed))


def run(folder: Path, chosen: list[Manipulation], before: Shown, since: Basis) -> list[ManipulationResult]:
    """Make each in a copy of the ledger in ``folder``."""
    outcomes: list[ManipulationResult] = []
    for number, manipulation in enumerate(chosen, 1):
        with tempfile.TemporaryDirectory(prefix="tallystick-manipulated-") as folder_name:
            outcome = _try(folder, Path(folder_name) / "data", manipulation, before, since)
        outcomes.append(outcome)
        print(f"{number}/{len(chosen)} {_told(outcome)}", flush=True)
    return outcomes


def _try(folder: Path, copy: Path, manipulation: Manipulation, before: Shown, since: Basis) -> ManipulationResult:
    shutil.copytree(folder, copy)
    try:
        manipulation.apply(copy)
    except (sqlite3.Error, duckdb.Error) as error:  # the database itself refuses some
        return ManipulationResult(manipulation, f"refused by the database: {error}", is_made=False)
    for with_chain in (False, True):
        named = _named(copy, with_chain=with_chain)
        if named is not None:
            return ManipulationResult(manipulation, named, turn=_turn(copy, since, with_chain=with_chain))
    try:
        after = look_again(copy, before)
    except TallystickError as error:
        return ManipulationResult(manipulation, f"the start: {error}")
    return ManipulationResult(manipulation, None, differing(before, after))


def _named(copy: Path, *, with_chain: bool) -> str | None:
    """Name it by the audit of the database, or by the one that makes the chain anew."""
    try:
        report = audit(copy, with_chain=with_chain)
    except TallystickError as error:
        return f"the audit: {error}"
    return next((f"{finding.step}: {finding.what}" for finding in report.findings), None)


def _turn(copy: Path, since: Basis, *, with_chain: bool) -> int:
    """Return which audit of a round names it, from 1 on; 0 if none does.

    Whichever does not must say that it has not read all.
    """
    for turn in range(1, SHARES + 1):
        try:
            report = audit(copy, with_chain=with_chain, since=since)
        except TallystickError:
            return turn
        if report.findings:
            return turn
        if report.verdict == "intact" or report.since is None or not report.since.streams_unread:
            return 0
        assert report.basis is not None, "nothing was found"
        since = report.basis
    return 0


def gone_on_from_lies(data: Path, true: Basis) -> Iterator[ManipulationResult]:
    """Go on from what lies about the audit that has kept ``true``, in a ledger of which nothing is changed."""
    for name, lie in lying_bases(true).items():
        yield ManipulationResult(Manipulation("basis", name, lambda _folder: None), *_gone_on_from(data, lie, true))


def _gone_on_from(data: Path, lie: Basis, true: Basis) -> tuple[str | None, tuple[str, ...]]:
    """Return what names the lie, or else what the audit said wrongly."""
    try:
        report = audit(data, with_chain=False, since=read_basis(canonical.encode(lie)))
    except TallystickError as error:
        return f"refused: {error}", ()
    except Exception as error:  # noqa: BLE001 - no file is to end an audit otherwise
        return None, (f"ended by {error!r}",)
    if report.findings:
        return f"{report.findings[0].step}: {report.findings[0].what}", ()
    since = report.since
    if report.verdict == "intact" or since is None or since.digest in ("", true.digest):
        return None, (f"{report.verdict} since {since}",)
    if bool(since.streams_unread) != bool(since.entries_unread):
        return None, (f"it has read again what it has not: {since}",)
    return f"goes on from {since.digest}, {since.streams_unread} streams unread", ()


def in_few_shares(basis: Basis) -> Basis:
    """Return the basis with streams divided into ``SHARES`` parts of about one size, so that a round is short."""
    bounds = {kind: ids[:: -(-(len(ids) + 1) // SHARES)][1:SHARES] for kind, ids in basis.bounds.items()}
    return with_digest(replace(basis, bounds=bounds, unread=tuple(range(SHARES))))


def audit(folder: Path, *, with_chain: bool, since: Basis | None = None) -> AuditReport:
    """Audit as ``tally audit --data-dir`` does."""
    where = DataDirectory(folder)
    if not where.trust.exists():
        raise TallystickError("there is no trust file", code="no_trust")
    trust = parse_trust(where.trust.read_bytes())
    with closing(open_database(f"sqlite:///{where.database}", for_audit=True)) as database:
        chain = replaying(database, trust.log_id, read_settings(folder).anvil) if with_chain else left_out
        return audit_log(database, trust, shipped_procedures(), look=chain, processes=1, since=since)


def _told(outcome: ManipulationResult) -> str:
    changed = f" [{len(outcome.changed)} answers differ: {', '.join(outcome.changed[:3])}]" if outcome.changed else ""
    if outcome.turn == 0:
        return f"PASSED {outcome.manipulation}: {outcome.named}, but by no audit that goes on"
    if outcome.passed:
        return f"PASSED {outcome.manipulation}{changed}"
    return f"{outcome.manipulation}: {outcome.named or 'changes nothing that is shown'}{changed}"


def main() -> int:
    parser = command_line(__doc__, seed=1)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--ledger", type=Path)
    parser.add_argument("--only", default="", help="those whose name has this text, or one of several with commas")
    options = parser.parse_args()
    chance, began = random.Random(options.seed), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tallystick-manipulations-") as folder_name:
        folder = options.ledger or Path(folder_name)
        data = found_ledger(folder)
        report = audit(data, with_chain=True)
        if report.verdict != "intact":
            raise RuntimeError(f"the ledger is not sound to begin with: {report.verdict}, {report.findings[:3]}")
        since = in_few_shares(kept_basis(folder))
        if audit(data, with_chain=True, since=since).verdict != "continued":
            raise RuntimeError("an audit does not go on from what one kept before the last part")
        before = _steady(data, storage_of(folder), quick=options.quick)
        possible = [
            *lying_states(data, rows_of(data, "kept_states"), chance),
            *lying_audits(rows_of(data, "audits")),
            *hidden_rows(data),
            *manipulations(data, chance),
        ]
        only = options.only.split(",")
        chosen = [manipulation for manipulation in possible if any(text in str(manipulation) for text in only)]
        outcomes = [*gone_on_from_lies(data, since), *run(data, chosen, before, since)]
    return _summed_up(outcomes, before, time.monotonic() - began)


def _steady(data: Path, storage: Path, *, quick: bool) -> Shown:
    """Return what is shown of the ledger, without what differs from one start to the next by itself."""
    with tempfile.TemporaryDirectory(prefix="tallystick-steady-") as folder_name:
        copies = [shutil.copytree(data, Path(folder_name) / str(number)) for number in range(2)]
        first = look(copies[0], storage, quick=quick)
        again = look(copies[1], storage, quick=quick)
    print(f"{len(first.answers)} answers of {len(first.readers)} readers", flush=True)
    return first.without(differing(first, again))


def _summed_up(outcomes: list[ManipulationResult], before: Shown, seconds: float) -> int:
    passed = [outcome for outcome in outcomes if outcome.passed]
    kinds = Counter(outcome.manipulation.kind for outcome in outcomes)
    refused = sum(not outcome.is_made for outcome in outcomes)
    unseen = sum(outcome.named is None and not outcome.changed for outcome in outcomes)
    named = len(outcomes) - refused - unseen - len(passed)
    print(f"{len(outcomes)} manipulations ({dict(kinds)}) against {len(before.answers)} answers, {seconds:.0f} s:")
    print(f"{named} named, {refused} refused by the database, {unseen} change nothing shown, {len(passed)} passed")
    turns = Counter(outcome.turn for outcome in outcomes if outcome.turn)
    print(f"by the audits of a round of {SHARES} that go on: {dict(sorted(turns.items()))}")
    for outcome in passed:
        print(f"  {_told(outcome)}")
    return 1 if passed else 0


if __name__ == "__main__":
    sys.exit(main())
