"""Attacks by the thousand: each against a client with its own memory, over real HTTP; none may be accepted."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import stamina

from ledger.cli.errors import Exit
from tests.campaigns.malicious_log.attacks import ATTACKS, serve_spoiled
from tests.campaigns.malicious_log.ground import Ground, Words
from tests.campaigns.malicious_log.service import Hostile
from tests.campaigns.verifiers.compare import samples
from tests.testkit.bundles import Log
from tests.unit.cli.faulty_service import Answer, Asked, faulty_service
from tests.unit.cli.tally import Tally


@dataclass
class Outcome:
    """How often each attack was tried; ``accepted`` are those that a client believed or broke on."""

    tried: Counter[str] = field(default_factory=Counter)
    accepted: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        return self.tried.total()


class Campaign:
    """A client's machine in ``folder``, and a service that is whatever the present ground makes of it."""

    def __init__(self, folder: Path, seed: int):
        self.tally = Tally(folder)
        self.chance = random.Random(seed)
        self._hostile: Ground | None = None

    def answer(self, asked: Asked) -> Answer:
        hostile = self._hostile.hostile if self._hostile else Hostile(Log(), 0)
        return hostile(asked)

    def run(self, count: int) -> Outcome:
        """Make ``count`` attacks: rounds of each named one, and as many bundles that must not be believed."""
        outcome = Outcome()
        spoiled = (
            sample
            for sample in samples(self.chance.randrange(2**31))
            if sample.expected.verdict in ("tampered", "refused")
        )
        with faulty_service(self.answer) as service, stamina.set_testing(True, attempts=1):
            while outcome.count < count:
                for name, attack in ATTACKS.items():
                    ground = self._hostile = Ground(self.tally, self.chance, service.url)
                    self._judge(outcome, name, ground, attack(ground))
                    sample = next(spoiled)
                    ground = self._hostile = Ground(self.tally, self.chance, service.url)
                    self._judge(outcome, f"bundle: {sample.fault}", ground, serve_spoiled(ground, sample))
                    if outcome.count >= count:
                        break
        return outcome

    def _judge(self, outcome: Outcome, name: str, ground: Ground, words: Words) -> None:
        status = ground.run(words)
        outcome.tried[name] += 1
        if status not in (Exit.REFUSED, Exit.USAGE, Exit.UNREACHABLE):
            outcome.accepted.append(f"{name}: exit code {status} of tally {' '.join(map(str, words))}")
