"""The quick starts of ``examples/quick-start``: each signs in, offers, accepts and verifies at a served ledger."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ledger.core.signing.signatures import typed_data
from tests.api.service import Served, listening_for
from tests.testkit.builders import LOG_ID, POLICE, PROCURATORATE, Officer, clerk
from tests.testkit.casework import Case
from tests.testkit.machine import REPOSITORY, environment

FOLDER = REPOSITORY / "examples" / "quick-start"
STUBS = REPOSITORY / "tests" / "stubs"
LONGEST = 30  # lines that are not empty
WITHIN_S = 120
SIGNER = f"{sys.executable} sign.py"  # of the environment that has its packages
COMMANDS = {
    "quick_start.py": [sys.executable, "quick_start.py"],
    "quick_start.mjs": ["node", "quick_start.mjs"],
    "quick_start.sh": ["bash", "quick_start.sh"],
}


def secret(officer: Officer) -> str:
    return "0x" + officer.key.to_hex()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_quick_start_offers_accepts_and_verifies(served: Served, name: str) -> None:
    """The item is the receiver's afterwards, by two events that the officers' keys signed."""
    case = served.record(Case().open().register("phone"))
    # Programs of others go by the machine's clock, and so does this ledger.
    with served.ledger.clock.not_before(int(time.time()) + 60), listening_for(served) as port:
        done = subprocess.run(
            [*COMMANDS[name], f"http://127.0.0.1:{port}", case.stream.id, "phone", PROCURATORATE],
            cwd=FOLDER,
            env=environment(
                PYTHONPATH=str(STUBS),
                SENDER_KEY=secret(clerk(POLICE)),
                RECEIVER_KEY=secret(clerk(PROCURATORATE)),
                SIGNER=SIGNER,
            ),
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    state = served.parts.validator.states.of_listed_case("case-1")
    assert state.items["phone"].holder == PROCURATORATE
    assert len(done.stdout.splitlines()) == 2


def in_shell(envelope: object, receipt: object) -> subprocess.CompletedProcess[str]:
    """Check the receipt by the functions for bash."""
    submission = json.dumps({"envelope": envelope}, separators=(",", ":"))
    words = ["bash", "-c", 'source ./verify.sh; require_logged "$1" "$2"', "bash", submission, json.dumps(receipt)]
    return subprocess.run(words, cwd=FOLDER, capture_output=True, text=True)


def test_the_check_of_a_receipt_notices_another_entry(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another receipt's proof leads to another root; another key is not the envelope's."""
    monkeypatch.syspath_prepend(FOLDER)
    require_logged = importlib.import_module("verify").require_logged
    case = Case().open().register("phone", "knife")
    receipts = [served.submit(event).json() for event in case.events]
    envelopes = [json.loads(event.entry) for event in case.events]
    documents = [typed_data(event.envelope, LOG_ID) for event in case.events]
    for checked in zip(envelopes, receipts, documents, strict=True):
        require_logged(*checked)
        assert in_shell(*checked[:2]).returncode == 0
    assert "another entry" in in_shell(envelopes[1], receipts[2]).stderr
    with pytest.raises(AssertionError, match="another entry"):
        require_logged(envelopes[1], receipts[2], documents[1])
    with pytest.raises(AssertionError, match="another key"):
        require_logged(envelopes[1], receipts[1], documents[2])


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.*")), ids=lambda path: path.name)
def test_a_quick_start_is_short(path: Path) -> None:
    """Of what is written in each file there are few lines."""
    lines = path.read_text(encoding="utf-8").splitlines()
    assert sum(1 for line in lines if line.strip()) <= LONGEST
