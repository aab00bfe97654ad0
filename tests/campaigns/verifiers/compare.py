"""Samples out of a seed, what each verifier says of them, and where the two or the protocol differ."""

from __future__ import annotations

import json
import random
import subprocess
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ledger.core.errors import MalformedInput
from ledger.core.trust.trust_file import Trust, parse_trust
from ledger.core.verification.verify import verify_event
from tests.campaigns.verifiers.faults import FAULTS, REFUSED, Expected
from tests.campaigns.verifiers.worlds import bases, worlds
from tests.testkit.machine import REPOSITORY

BATCH = REPOSITORY / "scripts" / "verify" / "batch.js"

Answer = list[str]  # the verdict, then the status of each step; or REFUSED alone


@dataclass(frozen=True)
class Sample:
    """A file and a trust file, the fault by which it was made, and what the protocol says of it."""

    fault: str
    base: str
    data: bytes
    trust: bytes
    expected: Expected
    event_id: str = ""  # of the event that the base is of

    @property
    def line(self) -> str:
        return json.dumps({"trust": b64encode(self.trust).decode(), "bundle": b64encode(self.data).decode()})

    def line_with(self, answer: Answer) -> str:
        """Return the line for whoever tries another verifier: with the name of the fault and what must be answered."""
        return json.dumps(json.loads(self.line) | {"fault": self.fault, "answer": answer})


def samples(seed: int) -> Iterator[Sample]:
    """Yield samples without end: in each round every fault once, of a base that it fits, by chance."""
    chance = random.Random(seed)
    all_bases = [base for world in worlds() for base in bases(world)]
    while True:
        for name, fault in FAULTS.items():
            for base in chance.sample(all_bases, len(all_bases)):
                if mutated := fault(base, chance):
                    trust = mutated.trust or base.world.trust_bytes
                    named = f"{base.world.name}: {base.name}"
                    event_id = base.world.log.events[base.index].envelope.event_id
                    yield Sample(name, named, mutated.data, trust, mutated.expected, event_id)
                    break
            else:
                raise AssertionError(f"no base fits the fault {name}")


def compared(corpus: Sequence[Sample], file: Path) -> list[str]:
    """Write a sentence for each sample on which the verifiers, or one of them and the protocol, differ."""
    file.write_text("".join(f"{sample.line}\n" for sample in corpus))
    theirs = strangers_answers(file)
    return [
        f"{sample.fault} ({sample.base}): {sentence}"
        for sample, their in zip(corpus, theirs, strict=True)
        if (sentence := difference(sample.expected, our_answer(sample), their))
    ]


def difference(expected: Expected, ours: Answer, theirs: Answer) -> str:
    if ours != theirs:
        return f"Python says {summary(ours)}, JavaScript {summary(theirs)}"
    verdicts = (expected.verdict,) if isinstance(expected.verdict, str) else expected.verdict
    failing = frozenset(number for number, status in enumerate(ours[1:], 1) if status == "failed")
    if ours[0] not in verdicts or (expected.failing is not None and failing != expected.failing):
        return f"expected {expected.verdict} {sorted(expected.failing or ())}, both say {summary(ours)}"
    return ""


def summary(answer: Answer) -> str:
    marks = {"checked": "+", "failed": "F", "not_checked": "-"}
    return f"{answer[0]} {''.join(marks[status] for status in answer[1:])}"


def our_answer(sample: Sample) -> Answer:
    try:
        report = verify_event(sample.data, _trust(sample.trust)).report
    except MalformedInput:
        return [REFUSED]
    return [report.verdict, *(step.result for step in report.steps)]


@lru_cache(maxsize=64)
def _trust(data: bytes) -> Trust:
    return parse_trust(data)


def strangers_answers(file: Path) -> Iterator[Answer]:
    done = subprocess.run(["node", BATCH, file], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return map(json.loads, done.stdout.splitlines())
