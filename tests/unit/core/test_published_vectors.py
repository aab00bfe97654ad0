"""The published vectors: what our verifier says of each bundle, case and package that was spoiled in one way.

They stand in ``docs/examples/spoiled.json``, each with its verdict and the status of every step.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from ledger.core.encoding import canonical
from ledger.core.errors import MalformedInput
from ledger.core.procedure.adoption import Procedures
from ledger.core.supervision.model_package import verify_package
from ledger.core.trust.trust_file import parse_trust
from ledger.core.verification.case import verify_case
from ledger.core.verification.heads import verify_absence
from ledger.core.verification.stream import verify_stream
from ledger.core.verification.verify import verify_event
from scripts.docs.vector import NO_BUNDLE, NO_TRUST_FILE
from tests.testkit.published_vectors import EXAMPLES, VECTORS, files

LOG = (EXAMPLES / "log.jsonl").read_bytes().splitlines()


class Answer(NamedTuple):
    """The verdict, or why there is none; the status of each step; conformity and completeness."""

    verdict: str
    steps: list[str]
    conformity: str = ""
    completeness: str = ""


def expected(vector: dict[str, Any]) -> Answer:
    return Answer(
        vector["verdict"], vector.get("steps", []), vector.get("conformity", ""), vector.get("completeness", "")
    )


def our_answer(vector: dict[str, Any], data: bytes, trust_file: bytes) -> Answer:
    try:
        trust = parse_trust(trust_file)
    except MalformedInput:
        return Answer(NO_TRUST_FILE, [])
    try:
        if vector["of"] == "absent.json":
            report: Any = verify_absence(data, trust)
        elif vector["of"] in ("case.json", "whole.json"):
            entries = LOG if vector.get("with_log") else None
            report = verify_case(data, trust, Procedures(), entries=entries)
        elif vector["of"] == "system.json":
            report = verify_stream(data, trust)
        else:
            of_package = vector["of"] == "package.json"
            report = verify_package(data, trust) if of_package else verify_event(data, trust).report
    except MalformedInput:
        return Answer(NO_BUNDLE, [])
    assert "time" not in vector or report.proven_time == vector["time"]
    statuses = [step.result for step in report.steps]
    return Answer(report.verdict, statuses, report.conformity.result, report.completeness.result)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_our_verifier_answers_as_the_published_vectors_say(vector: dict[str, Any]) -> None:
    """Of each the verdict, the status of every step, and what is said of conformity and completeness."""
    assert our_answer(vector, *files(vector)) == expected(vector)


def test_leaving_out_the_lines_of_the_log_makes_nothing_better_than_unverifiable() -> None:
    """Whatever else is wrong: a forged line that was taken out of a note proves as little as one that is in it."""
    verdicts = set()
    for vector in (vector for vector in VECTORS if vector["verdict"] not in (NO_BUNDLE, NO_TRUST_FILE)):
        data, trust_file = files(vector)
        tree = json.loads(data)
        text, between, lines = tree["note"].rpartition("\n\n")
        kept = [
            line for line in lines.splitlines(keepends=True) if f"— {json.loads(trust_file)['origin']} " not in line
        ]
        stripped = canonical.encode(tree | {"note": text + between + "".join(kept or ["— stranger AAAAAAA=\n"])})
        verdicts.add(our_answer({"of": vector["of"]}, stripped, trust_file).verdict)
    assert verdicts == {"unverifiable", "tampered", "other_ledger"}
