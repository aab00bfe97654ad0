"""Fail over, again and again: a ledger on a cluster of PostgreSQL that is killed, paused, cut apart and misled.

python -m tests.campaigns.failover [--histories 20] [--seed 1] [--seconds 20] [--fault NAME ...]

Three machines, each in namespaces of its own with etcd, Patroni (synchronous, strict) and PostgreSQL, behind HAProxy;
``tally serve`` with its embedded chain; clients that keep every receipt. In each history faults are drawn from the seed
while clients submit; then the cluster is healed, the service must acknowledge again, and the log is compared with
every receipt and every checkpoint of all histories so far. Exit status 1 if anything acknowledged is lost, recorded
twice, or of another log, if a receipt does not verify, if the audit finds anything, or if nothing is acknowledged any
more; the folder with logs and books is kept then. Needs Linux, root, and ``scripts/setup --failover``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, NoReturn

from rich.console import Console
from rich.progress import Progress

from scripts.campaigns.targets import ROOT
from tests.campaigns.failover.checker import Checker, Verdict
from tests.campaigns.failover.cluster import Cluster, ClusterFailed, found, missing
from tests.campaigns.failover.ledger import Acknowledged, Books, Ledger, Load
from tests.campaigns.failover.nemesis import FAULTS, Ground, Planned, afflict, plan

QUIET = 2.0  # seconds of load before the faults and after the healing
AGAIN_WITHIN = (
    40  # seconds after the healing until something is acknowledged; after half of it the service is restarted
)
AUDITED_EVERY = 5  # histories
SHOWN = 12  # faults of one history
NAMESPACES = ("--net", "--mount", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc")


class HistoryResult(NamedTuple):
    """One history; ``silence`` is the longest time in seconds without an acknowledgement, ``verdict`` that of all."""

    acknowledged: int
    unknown: int
    refused: int
    silence: float
    verdict: Verdict
    others: list[str]

    def __str__(self) -> str:
        verdict = self.verdict
        return (
            f"{self.acknowledged} acknowledged, {self.unknown} unknown, {self.refused} refused, "
            f"{len(verdict.lost)} lost, {len(verdict.forks)} forks, {len(verdict.unverified)} unverified, "
            f"{len(verdict.doubled)} doubled, {self.silence:.1f} s without"
        )

    @property
    def faults(self) -> list[str]:
        return [*self.verdict.faults, *self.others]


@dataclass
class Campaign:
    """The cluster and the ledger on it, through all histories."""

    folder: Path
    seed: int
    seconds: float
    only: tuple[str, ...]

    def __post_init__(self) -> None:
        self.by_hand = 0  # restarts of a service that did not go on by itself
        self.cluster = Cluster(self.folder)
        self.ledger = Ledger(self.folder)
        self.books = Books(self.folder / "books.jsonl")
        self.load = Load(self.ledger, self.books, random.Random(self.seed))
        self.checker = Checker(self.ledger.log_key)

    def history(self, planned: Sequence[Planned], *, audited: bool) -> HistoryResult:
        """Play one history, heal, and judge."""
        books, began = self.books, time.monotonic()
        acknowledged, unknown, refused = len(books.acknowledged), books.untold.total(), books.refused.total()
        self.load.start()
        time.sleep(QUIET)
        afflict(Ground(self.cluster, self.ledger), books, list(planned), self.seconds)
        try:
            others = self._heal()
        except ClusterFailed as failure:
            others = [f"the cluster does not heal: {failure}"]
        self.load.stop()
        others += books.broken
        verdict = self.checker.check(self.cluster.primary_url(), books.acknowledged, books.shown)
        if audited and not verdict.faults:
            others += self._audit()
        return HistoryResult(
            len(books.acknowledged) - acknowledged,
            books.untold.total() - unknown,
            books.refused.total() - refused,
            longest_silence(began, books.acknowledged[acknowledged:]),
            verdict,
            others,
        )

    def summary(self, outcomes: Sequence[HistoryResult]) -> str:
        """Say what the histories came to, all of which held."""
        codes = (self.books.untold + self.books.refused).most_common()
        return (
            f"{sum(outcome.acknowledged for outcome in outcomes)} acknowledged, "
            f"without an outcome or refused: {', '.join(f'{code} {count}' for code, count in codes) or 'none'}; "
            f"{self.ledger.restarts} restarts of the service, {self.by_hand} of them by hand; "
            f"{len(self.books.shown)} checkpoints shown; at most {max(outcome.silence for outcome in outcomes):.1f} s "
            "without an acknowledgement; 0 lost, 0 forks, 0 unverified, 0 doubled, the audit is clean"
        )

    def _heal(self) -> list[str]:
        """Undo what was done; return what is wrong if the service acknowledges nothing then."""
        self.ledger.set_clock(0)
        self.ledger.signal(signal.SIGCONT)
        self.cluster.heal()
        if self._acknowledges(AGAIN_WITHIN / 2):
            return []
        self.books.note_fault("restarted by hand")
        self.by_hand += 1
        self.ledger.end_and_start()
        if self._acknowledges(AGAIN_WITHIN):
            return []
        return ["nothing is acknowledged any more, though the cluster is whole and the service was restarted"]

    def _acknowledges(self, within: float) -> bool:
        """Return whether something new is acknowledged, and go on a little."""
        before, deadline = len(self.books.acknowledged), time.monotonic() + within
        while time.monotonic() < deadline:
            if len(self.books.acknowledged) > before:
                time.sleep(QUIET)
                return True
            time.sleep(0.1)
        return False

    def _audit(self) -> list[str]:
        """Return what the project's own audit finds, with the chain made again from its journal."""
        report = self.ledger.tally("audit", "--data-dir", str(self.ledger.data), expect=None)
        if report is not None and report["verdict"] == "intact":
            return []
        return [
            f"the audit: {json.dumps(finding, ensure_ascii=False)}" for finding in (report or {}).get("findings", [])
        ] or [f"the audit: {report}"]


def longest_silence(began: float, acknowledged: Sequence[Acknowledged]) -> float:
    """Return the longest time in seconds without an acknowledgement, from ``began`` to the last one."""
    moments = [began, *(each.at for each in acknowledged)]
    return max((later - earlier for earlier, later in itertools.pairwise(sorted(moments))), default=0.0)


def play(options: argparse.Namespace, folder: Path) -> int:
    """Play all histories in namespaces that are made for it; return the exit status."""
    console = Console(width=220, highlight=False, markup=False)
    campaign = Campaign(folder, options.seed, options.seconds, tuple(options.fault))
    outcomes: list[HistoryResult] = []
    with campaign.cluster.running():
        try:
            campaign.ledger.start()
            with Progress(console=console, transient=True) as progress:
                for number in progress.track(range(options.histories), description="histories"):
                    seed = f"{options.seed}/{number + options.first}"
                    planned = plan(random.Random(seed), options.seconds, campaign.only)
                    is_last = number == options.histories - 1
                    outcome = campaign.history(planned, audited=is_last or (number + 1) % AUDITED_EVERY == 0)
                    outcomes.append(outcome)
                    progress.console.print(f"{seed}: {' '.join(map(str, planned))}; {outcome}")
                    if outcome.faults:
                        progress.console.print(*(f"  {fault}" for fault in outcome.faults[:SHOWN]), sep="\n")
                        return 1
        finally:
            campaign.ledger.stop_service()
    console.print(f"{len(outcomes)} histories held: {campaign.summary(outcomes)}")
    return 0


def inside(options: argparse.Namespace) -> int:
    """Play, as the first process of the namespaces; they and all that runs in them end with it."""
    threading.Thread(target=_end_with_whoever_started, daemon=True).start()
    try:
        return play(options, options.inside)
    except KeyboardInterrupt:
        return 130
    except ClusterFailed as failure:
        print(f"failed: {failure}", flush=True)
        return 1


def _end_with_whoever_started() -> NoReturn:
    os.read(0, 1)  # nothing is ever written: it ends when the other end does
    os._exit(1)


def main() -> int:
    options = parse_arguments()
    if options.inside is not None:
        return inside(options)
    if lacking := missing():
        print(f"missing: {' '.join(lacking)}; run scripts/setup --failover")
        return 2
    if os.geteuid() != 0:
        print("this makes network namespaces: run it as root, or in a container or virtual machine where you are")
        return 2
    folder = Path(tempfile.mkdtemp(prefix="tallystick-failover-"))
    command = [sys.executable, "-m", "tests.campaigns.failover", *sys.argv[1:], "--inside", str(folder)]
    status = 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    process = subprocess.Popen([found("unshare") or "unshare", *NAMESPACES, *command], cwd=ROOT, stdin=subprocess.PIPE)
    try:
        status = process.wait()
    except KeyboardInterrupt:
        status = 130
    finally:
        process.kill()  # and with it all that runs in its namespaces
        process.wait()
        if status == 1:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return status


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--histories", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first history, to play it again")
    parser.add_argument("--seconds", type=float, default=20, help="of each history, in which faults are")
    parser.add_argument("--fault", action="append", default=[], choices=sorted(FAULTS), help="only faults of this kind")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
