"""docs/examples/spoiled.json, which strangers hold their verifiers against: the stranger's gives its answers.

Ours is held against it by ``tests/unit/core/test_published_vectors.py``.
"""

from __future__ import annotations

from typing import Any

import pytest

from scripts.docs.vector import NO_BUNDLE, NO_TRUST_FILE
from tests.campaigns.verifiers.compare import Sample, strangers_answers
from tests.campaigns.verifiers.faults import Expected
from tests.testkit.published_vectors import VECTORS, files

# The pages of docs/protocol that say what is wrong with a file.
PAGES = {"anchor", "bundle", "case-bundle", "event", "event-types", "head-map", "log", "package", "registry"}
PAGES |= {"signature", "timestamp", "trust-file"}
CUSTODY = 8  # the step that asks for rules which the stranger does not have
QUORUM, ANCHOR, TIME = 3, 5, 12  # where the first two prove no time, the stranger has none: it reads no timestamps


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
    if vector["of"] in ("case.json", "package.json", "whole.json"):
        steps[CUSTODY - 1] = "not_checked"
    if "time" in vector and "checked" not in (steps[QUORUM - 1], steps[ANCHOR - 1]):
        steps[TIME - 1] = "not_checked"
    return [vector["verdict"], *steps]


def test_the_vectors_cover_what_a_verifier_can_get_wrong() -> None:
    """Each page of the protocol, each status of each step, each verdict; no vector stands twice."""
    assert len({vector["name"] for vector in VECTORS}) == len(VECTORS)
    assert {vector["page"] for vector in VECTORS} == PAGES
    verdicts = {"intact", "tampered", "other_ledger", "unverifiable", "not_yet_anchored", NO_BUNDLE, NO_TRUST_FILE}
    assert {vector["verdict"] for vector in VECTORS} == verdicts
    never = {(1, "not_checked")}
    of_bundles = {
        (number, status)
        for vector in VECTORS
        if len(vector.get("steps", ())) == 12
        for number, status in enumerate(vector["steps"], 1)
    }
    assert (
        of_bundles
        == {(number, status) for number in range(1, 13) for status in ("checked", "failed", "not_checked")} - never
    )
    for field, results in {"conformity": {"shown", "contradicted"}, "completeness": {"shown", "contradicted"}}.items():
        assert {vector.get(field, "not_checked") for vector in VECTORS} == results | {"not_checked"}
