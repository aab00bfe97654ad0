"""docs/examples/spoiled.json, which strangers hold their verifiers against: both of ours give its answers."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any, NamedTuple

import pytest

from ledger.core.errors import MalformedInput
from ledger.core.supervision.model_package import verify_package
from ledger.core.verification.bundle import verify_bundle
from ledger.core.verification.case import verify_case
from ledger.core.verification.trust import parse_trust
from ledger.procedures import shipped_rulebook
from scripts.docs.vector import NO_BUNDLE, NO_TRUST_FILE
from tests.campaigns.verifiers.changes import written
from tests.campaigns.verifiers.compare import Sample, strangers_answers
from tests.campaigns.verifiers.faults import Expected
from tests.testkit.machine import REPOSITORY

EXAMPLES = REPOSITORY / "docs" / "examples"
VECTORS: list[dict[str, Any]] = json.loads((EXAMPLES / "spoiled.json").read_bytes())
LOG = (EXAMPLES / "log.jsonl").read_bytes().splitlines()
ROWS = "ABCDEFGHIJK"  # of the faults that the verdict was mended for
CUSTODY = 4  # the step that asks for rules which the stranger does not have


class Answer(NamedTuple):
    """The verdict, or why there is none; the status of each step; conformity and completeness."""

    verdict: str
    steps: list[str]
    conformity: str = ""
    completeness: str = ""


def patched(data: bytes, operations: list[dict[str, Any]]) -> bytes:
    """A file after patches of RFC 6902, of the operations add, copy, move and remove."""
    root = {"": json.loads(data)}

    def place(path: str) -> tuple[Any, Any]:
        holder: Any = root
        *above, last = path.split("/")
        for step in above:
            holder = holder[int(step) if isinstance(holder, list) else step]
        return holder, len(holder) if last == "-" else int(last) if isinstance(holder, list) else last

    for operation in operations:
        value = deepcopy(operation.get("value"))
        if operation["op"] in ("copy", "move"):
            source, at = place(operation["from"])
            value = deepcopy(source[at])
            if operation["op"] == "move":
                del source[at]
        holder, key = place(operation["path"])
        if operation["op"] == "remove":
            del holder[key]
        elif isinstance(holder, list):
            holder.insert(key, value)
        else:
            holder[key] = value
    return written(root[""]) if operations else data


def edited(data: bytes, edits: list[dict[str, Any]]) -> bytes:
    """The bytes of a file as it is published, from the last edit to the first."""
    for edit in sorted(edits, key=lambda edit: -edit["at"]):
        at = edit["at"]
        put = bytes.fromhex(edit["put_hex"]) if "put_hex" in edit else edit["put"].encode()
        data = data[:at] + put + data[at + edit["cut"] :]
    return data


def files(vector: dict[str, Any]) -> tuple[bytes, bytes]:
    """The file and the trust file of a vector."""
    data = (EXAMPLES / vector["of"]).read_bytes()
    trust = (EXAMPLES / "trust.json").read_bytes()
    return edited(patched(data, vector.get("file", [])), vector.get("edits", [])), patched(
        trust, vector.get("trust", [])
    )


def expected(vector: dict[str, Any]) -> Answer:
    return Answer(
        vector["verdict"], vector.get("steps", []), vector.get("conformity", ""), vector.get("completeness", "")
    )


def our_answer(vector: dict[str, Any]) -> Answer:
    data, trust_file = files(vector)
    try:
        trust = parse_trust(trust_file)
    except MalformedInput:
        return Answer(NO_TRUST_FILE, [])
    try:
        if vector["of"] == "case.json":
            entries = LOG if vector.get("with_log") else None
            report: Any = verify_case(data, trust, shipped_rulebook(), entries=entries)
        else:
            report = (verify_package if vector["of"] == "package.json" else verify_bundle)(data, trust)
    except MalformedInput:
        return Answer(NO_BUNDLE, [])
    assert "time" not in vector or report.proven_time == vector["time"]
    statuses = [step.result for step in report.steps]
    return Answer(report.verdict, statuses, report.conformity.result, report.completeness.result)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_our_verifier_answers_as_the_published_vectors_say(vector: dict[str, Any]) -> None:
    """Of each the verdict, the status of every step, and what is said of conformity and completeness."""
    assert our_answer(vector) == expected(vector)


@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.extended)])
def test_the_stranger_answers_as_the_published_vectors_say(tmp_path: Any, step: int) -> None:
    """The same of the verifier that was written from the document alone, which folds no case and reads no log.

    A third of them in every run, beside the faults of ``tests/campaigns/verifiers``.
    """
    vectors = [vector for vector in VECTORS if not vector.get("with_log")][::step]
    lines = tmp_path / "vectors.jsonl"
    samples = [Sample(vector["name"], "example", *files(vector), Expected(vector["verdict"])) for vector in vectors]
    lines.write_text("".join(f"{sample.line}\n" for sample in samples), encoding="utf-8")
    answers = {vector["name"]: answer for vector, answer in zip(vectors, strangers_answers(lines), strict=True)}
    assert answers == {vector["name"]: of_a_stranger(vector) for vector in vectors}


def of_a_stranger(vector: dict[str, Any]) -> list[str]:
    if "steps" not in vector:
        return ["refused"]
    steps = list(vector["steps"])
    if vector["of"] == "case.json":
        steps[CUSTODY - 1] = "not_checked"
    return [vector["verdict"], *steps]


def test_the_vectors_cover_what_a_verifier_can_get_wrong() -> None:
    """Each row of the faults, each status of each step, each verdict; no vector stands twice."""
    assert len({vector["name"] for vector in VECTORS}) == len(VECTORS)
    assert {name[0] for name in (vector["name"] for vector in VECTORS) if name[1:3] == ": "} == set(ROWS)
    verdicts = {"intact", "tampered", "unverifiable", "not_yet_anchored", NO_BUNDLE, NO_TRUST_FILE}
    assert {vector["verdict"] for vector in VECTORS} == verdicts
    never = {(1, "not_checked"), (2, "not_checked"), (3, "not_checked")}
    of_bundles = {
        (number, status)
        for vector in VECTORS
        if len(vector.get("steps", ())) == 13
        for number, status in enumerate(vector["steps"], 1)
    }
    assert (
        of_bundles
        == {(number, status) for number in range(1, 14) for status in ("checked", "failed", "not_checked")} - never
    )
    for field, results in {"conformity": {"shown", "contradicted"}, "completeness": {"shown", "contradicted"}}.items():
        assert {vector.get(field, "not_checked") for vector in VECTORS} == results | {"not_checked"}
