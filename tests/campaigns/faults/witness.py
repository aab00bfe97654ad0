"""Races at a witness: many clients at once, killed with SIGKILL and started again, and never taken back.

python -m tests.campaigns.faults.witness [--clients 64] [--requests 10000] [--kills 10] [--seed N]

A witness of its own runs as its operator runs it, beside a chain and a log that grows with what is submitted. Every
answer counts as an oath: whoever asks after it must be told at least that size and that time, no size is stepped from
twice, and what the database holds in the end is no less than anybody was told. Exit status 0 if all of it held.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import httpx

from ledger.core.errors import TallystickError
from ledger.core.log.checkpoints import verify_cosignatures
from ledger.core.log.notes import VerifyingKey, parse_vkey
from ledger.core.log.witness_protocol import ADD_CHECKPOINT, AddCheckpoint
from ledger.store.witness import WitnessStore
from scripts.bench.figures import command_line
from tests.testkit.ledger_with_chain import linked_ledger
from tests.unit.witness.racing import Ask, Oath, Signed, Told, Wishes, race
from tests.unit.witness.running import running, settle
from tests.unit.witness.stand import CLERK, Stand, standing

ANSWER_WITHIN_S = 30.0
SHORTEST_LIFE_S = 0.5  # of a witness, after its start
LONGEST_LIFE_S = 4.0
ENTRIES = 6000


class Kept:
    """A witness that is killed again and again while others ask it. ``up`` while there is one."""

    def __init__(self, stand: Stand, folder: Path, kills: int, chance: random.Random):
        self._stand = stand
        self._folder = folder
        self._kills = kills
        self._chance = chance
        self._over = Event()
        self.up = Event()
        self.url = ""
        self.killed = 0
        self._thread = Thread(target=self._run)

    def __enter__(self) -> Kept:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            with running(self._stand, self._folder, LOOK_INTERVAL_S=1, MAX_REQUESTS_PER_S=100_000) as witness:
                self.url = witness.url
                self.up.set()
                last = self.killed >= self._kills
                self._over.wait(None if last else self._chance.uniform(SHORTEST_LIFE_S, LONGEST_LIFE_S))
                self.up.clear()
            self.killed += not last


def asking(kept: Kept, client: httpx.Client, vkey: VerifyingKey, odd: list[str]) -> Ask:
    """Ask by HTTP; an answer that no honest request gets is put down in ``odd``."""

    def ask(asked: AddCheckpoint) -> Signed | Told | None:
        kept.up.wait(ANSWER_WITHIN_S)
        try:
            answer = client.post(f"{kept.url}{ADD_CHECKPOINT}", content=asked.body())
        except httpx.HTTPError:
            return None
        if answer.status_code == 200:
            (cosigned,) = verify_cosignatures(asked.note + answer.text, [vkey])
            return Signed(cosigned.timestamp)
        if answer.status_code == 409:
            return Told(int(answer.text))
        if answer.status_code != 503:
            odd.append(f"{answer.status_code} {answer.text[:200]}")
        return None

    return ask


def campaign(folder: Path, options: argparse.Namespace) -> tuple[Oath, list[str], int]:
    """Run the race; return it, what else was odd, and how often the witness was killed."""
    odd: list[str] = []
    chance = random.Random(options.seed)
    with linked_ledger(folder) as linked:
        linked.grant(CLERK)
        with standing(linked, folder) as stand:
            settle(stand, folder)
            first = len(stand.log.events)
            stand.open_cases(ENTRIES, CLERK)
            stand.log.published = first
            vkey = parse_vkey((folder / "witness/keys/note.pem").read_text().partition("\n")[0])
            limits = httpx.Limits(max_connections=options.clients)
            with (
                httpx.Client(timeout=ANSWER_WITHIN_S, trust_env=False, limits=limits) as client,
                Kept(stand, folder, options.kills, chance) as kept,
            ):
                kept.up.wait()
                ask = asking(kept, client, vkey, odd)
                oath = race(
                    ask, Wishes(stand.log), clients=options.clients, requests=options.requests, seed=options.seed
                )
                killed = kept.killed
            odd += _left(stand, folder, oath)
    return oath, odd, killed


def _left(stand: Stand, folder: Path, oath: Oath) -> list[str]:
    """List what the database holds against the oath, and alarms that an honest log gave no reason for."""
    with closing(WitnessStore.open(folder / "witness" / "witness.db", stand.trust)) as store:
        latest = store.latest()
        halts = [f"alarm {alarm.kind}: {alarm.message}" for alarm in store.alarms(standing=False) if alarm.halts]
        return halts + ([f"{latest.size} is kept, {oath.size} was told"] if latest.size < oath.size else [])


def main() -> int:
    options = command_line(__doc__, clients=64, requests=10_000, kills=10, seed=1).parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tallystick-witness-") as folder:
        try:
            oath, odd, killed = campaign(Path(folder), options)
        except TallystickError as error:
            print(error.for_operator)
            return 1
    faults = [*oath.faults, *odd]
    print(
        f"{'FAILED' if faults else 'held'}: {oath.signed} co-signed, {oath.refused} refused for their old size, "
        f"{oath.unanswered} not answered, {killed} kills, up to size {oath.size}, {len(oath.faults)} rollbacks, "
        f"{time.monotonic() - began:.0f} s"
    )
    for fault in faults:
        print(f"  {fault}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
