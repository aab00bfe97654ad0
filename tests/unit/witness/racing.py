"""Many clients of one witness at once, and what it has sworn to each of them: it never goes back.

Whoever was answered knows a size and a time. Every request that begins after that answer must be told at least as much,
whatever happens in between: other requests, a kill, a restart. And no size is stepped from twice.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from threading import Lock, Thread

from ledger.core.log.checkpoints import Checkpoint, sign_checkpoint
from ledger.core.log.merkle import Hash, consistency_proof, frontier_at, node_hash
from ledger.core.log.witness_protocol import AddCheckpoint
from tests.unit.witness.cheating import CheatingLog

LONGEST_STEP = 4  # entries


@dataclass(frozen=True)
class Signed:
    """200: a co-signature of this time."""

    at: int


@dataclass(frozen=True)
class Told:
    """409: the size that it stands at."""

    size: int


Ask = Callable[[AddCheckpoint], Signed | Told | None]  # None: no answer came, or a refusal for now


class Wishes:
    """What a growing log submits, quickly: nodes of its tree are hashed once. Everything below is published."""

    def __init__(self, log: CheatingLog):
        self._log = log
        self._leaves = log.leaves(len(log.events))
        self.node = cache(self._node)

    def __call__(self, old: int, new: int) -> AddCheckpoint:
        self._log.published = max(self._log.published, new)
        return AddCheckpoint(old, consistency_proof(old, new, self.node), self._note(new))

    @property
    def size(self) -> int:
        return len(self._leaves)

    def _note(self, size: int) -> str:
        checkpoint = Checkpoint(self._log.signer.verifying_key.name, size, frontier_at(size, self.node).root())
        return sign_checkpoint(checkpoint, self._log.signer)

    def _node(self, level: int, index: int) -> Hash:
        if level == 0:
            return self._leaves[index]
        return node_hash(self.node(level - 1, 2 * index), self.node(level - 1, 2 * index + 1))


@dataclass
class Oath:
    """What was answered so far, and every answer that contradicts it."""

    size: int = 0
    at: int = 0
    signed: int = 0
    refused: int = 0
    unanswered: int = 0
    steps: dict[int, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def begin(self) -> tuple[int, int]:
        """What whoever asks now may rely on."""
        with self._lock:
            return self.size, self.at

    def take(self, began: tuple[int, int], asked: AddCheckpoint, new: int, answer: Signed | Told | None) -> None:
        """An answer to a request that began with ``began``."""
        with self._lock:
            if answer is None:
                self.unanswered += 1
            elif isinstance(answer, Told):
                self.refused += 1
                self._grow(began, answer.size, began[1])
            else:
                self.signed += 1
                self._grow(began, new, answer.at)
                if new > asked.old and self.steps.setdefault(asked.old, new) != new:
                    self.faults.append(f"from {asked.old} it stepped to {self.steps[asked.old]} and to {new}")

    def _grow(self, began: tuple[int, int], size: int, at: int) -> None:
        if size < began[0]:
            self.faults.append(f"rolled back from {began[0]} to {size}")
        if at < began[1]:
            self.faults.append(f"time ran back from {began[1]} to {at}")
        self.size, self.at = max(self.size, size), max(self.at, at)


def race(ask: Ask, wishes: Wishes, *, clients: int, requests: int, seed: int) -> Oath:
    """So many requests from so many clients, each starting from what it was told last."""
    oath, left = Oath(), iter(range(requests))
    turn = Lock()

    def client(chance: random.Random) -> None:
        size = 0
        while True:
            with turn:
                if next(left, None) is None:
                    return
            began = oath.begin()
            size = max(size, began[0]) if chance.random() < 0.7 else size
            new = min(wishes.size, max(1, size + chance.randint(0, LONGEST_STEP)))
            asked = wishes(size, new)
            answer = ask(asked)
            oath.take(began, asked, new, answer)
            if isinstance(answer, Told):
                size = answer.size
            elif answer is not None:
                size = new

    threads = [Thread(target=client, args=(random.Random(seed + number),)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return oath
