"""docs/examples/spoiled.json, which strangers hold their verifiers against: both of ours give its answers."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

from scripts.protocol.spoiled import NO_BUNDLE, NO_TRUST_FILE
from tests.corpus.compare import Answer, Sample, our_answer, strangers_answers
from tests.corpus.faults import REFUSED, Expected
from tests.machine import REPOSITORY

EXAMPLES = REPOSITORY / "docs" / "examples"
CASES: list[dict[str, Any]] = json.loads((EXAMPLES / "spoiled.json").read_bytes())


def patched(file: str, operations: list[dict[str, Any]]) -> bytes:
    """One of the example's files by patches of RFC 6902, of the operations add, copy and remove."""
    tree = json.loads((EXAMPLES / file).read_bytes())

    def place(path: str) -> tuple[Any, Any]:
        *above, last = path.split("/")[1:]
        holder = tree
        for step in above:
            holder = holder[int(step) if isinstance(holder, list) else step]
        return holder, int(last) if isinstance(holder, list) else last

    for operation in operations:
        holder, key = place(operation["path"])
        if operation["op"] == "remove":
            del holder[key]
        else:
            source, at = place(operation["from"]) if operation["op"] == "copy" else (operation, "value")
            holder[key] = deepcopy(source[at])
    return json.dumps(tree).encode()


def sample(case: dict[str, Any]) -> Sample:
    data, trust = patched("bundle.json", case.get("bundle", [])), patched("trust.json", case.get("trust", []))
    return Sample(case["name"], "example", data, trust, Expected(case["verdict"]))


def expected(case: dict[str, Any]) -> tuple[str, list[int]]:
    refused = case["verdict"] in (NO_BUNDLE, NO_TRUST_FILE)
    return REFUSED if refused else case["verdict"], case["failing"]


def told(answer: Answer) -> tuple[str, list[int]]:
    return answer[0], [number for number, status in enumerate(answer[1:], 1) if status == "failed"]


def test_both_verifiers_answer_as_the_published_cases_say(tmp_path: Path) -> None:
    """Of each case the verdict and the failing steps are those of the file, by our verifier and by the stranger's."""
    made = [sample(case) for case in CASES]
    lines = tmp_path / "cases.jsonl"
    lines.write_text("".join(f"{one.line}\n" for one in made), encoding="utf-8")
    told_of = {case["name"]: expected(case) for case in CASES}
    assert {one.fault: told(our_answer(one)) for one in made} == told_of
    assert dict(zip(told_of, map(told, strangers_answers(lines)), strict=True)) == told_of


def test_the_published_cases_fail_each_step_and_come_to_each_verdict() -> None:
    """No step, verdict or refusal is without a case, and no case stands twice."""
    assert {number for case in CASES for number in case["failing"]} == set(range(1, 14))
    verdicts = {"intact", "tampered", "unverifiable", "not_yet_anchored", NO_BUNDLE, NO_TRUST_FILE}
    assert {case["verdict"] for case in CASES} == verdicts
    assert len({case["name"] for case in CASES}) == len(CASES)
