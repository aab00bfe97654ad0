"""The committed artifacts are complete. scripts/test holds them against the sources by compile_contracts.py."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import contracts
from scripts import compile_contracts
from tests.testkit.machine import REPOSITORY
from tests.unit.contracts.gas_table import table

NAMES = ("AgencyRegistry", "LogAnchor")


def test_stale_artifact_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """--check exits 1 and names an artifact that is not that of its source, and writes nothing."""
    artifacts = tmp_path / "artifacts"
    artifacts.mkdir()
    (artifacts / "LogAnchor.json").write_text("{}", "utf-8")
    monkeypatch.setattr(compile_contracts, "ROOT", tmp_path)
    monkeypatch.setattr(compile_contracts, "build", lambda: {artifacts / "LogAnchor.json": "{}\n"})
    monkeypatch.setattr(sys, "argv", ["compile_contracts.py", "--check"])
    assert compile_contracts.main() == 1
    assert (artifacts / "LogAnchor.json").read_text("utf-8") == "{}"
    monkeypatch.setattr(sys, "argv", ["compile_contracts.py"])
    assert compile_contracts.main() == 0
    assert (artifacts / "LogAnchor.json").read_text("utf-8") == "{}\n"


@pytest.mark.parametrize("name", NAMES)
def test_artifact_has_what_a_verifier_needs(name: str) -> None:
    """Code to deploy, code to compare with the chain but for its immutables, and where storage lies."""
    artifact = contracts.artifact(name)
    assert artifact["contractName"] == name
    code = bytes.fromhex(artifact["deployedBytecode"]["object"][2:])
    assert len(code) <= 24_576  # the limit of EIP-170
    for places in artifact["deployedBytecode"]["immutableReferences"].values():
        assert all(code[place["start"] :][: place["length"]] == bytes(place["length"]) for place in places)
    assert artifact["settings"]["evmVersion"] == "london"
    assert artifact["compiler"].startswith("0.8.37+commit.")


def test_storage_lies_where_the_protocol_says() -> None:
    """The slots that storage proofs start from are constants of the protocol."""
    slots = {
        name: {entry["label"]: (int(entry["slot"]), entry["offset"]) for entry in layout["storage"]}
        for name, layout in ((name, contracts.artifact(name)["storageLayout"]) for name in NAMES)
    }
    assert slots["AgencyRegistry"] == {
        "registryHash": (0, 0),
        "changeCount": (1, 0),
        "decisionCount": (1, 8),
        "agencyCount": (1, 16),
        "witnessCount": (1, 18),
        "quorum": (1, 20),
        "_grants": (2, 0),
        "_agencies": (3, 0),
        "adminAgency": (4, 0),
        "witnessAgency": (5, 0),
        "isSubmitter": (6, 0),
    }
    assert slots["LogAnchor"] == {"_head": (0, 0), "_records": (1, 0)}


@pytest.mark.parametrize("name", NAMES)
def test_every_refusal_is_provoked_by_a_test(name: str, repository: Path) -> None:
    """Each custom error of the ABI is named by a test that expects it."""
    tests = "".join(path.read_text("utf-8") for path in (repository / "tests" / "unit" / "contracts").glob("test_*.py"))
    errors = {entry["name"] for entry in contracts.artifact(name)["abi"] if entry["type"] == "error"}
    assert errors
    assert {error for error in errors if f'"{error}"' not in tests} == set()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_changes_state_beyond_the_protocol(name: str) -> None:
    """No upgrade, no pause, no delete, no payment: these are all the calls that write."""
    writing = {
        entry["name"]
        for entry in contracts.artifact(name)["abi"]
        if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure")
    }
    kinds = {entry["type"] for entry in contracts.artifact(name)["abi"]}
    assert kinds == {"constructor", "function", "event", "error"}
    of_registry = {"grantKey", "revokeKey", "proposeAdmin", "acceptAdmin", "decide"}
    assert writing == {"AgencyRegistry": of_registry, "LogAnchor": {"anchor"}}[name]
    assert "payable" not in json.dumps(contracts.artifact(name)["abi"]).replace("nonpayable", "")


@pytest.mark.extended
def test_gas_table_is_that_of_the_contracts() -> None:
    """docs/gas.md says what a fresh node charges; after a change, make it again by the command that it names."""
    assert (REPOSITORY / "docs" / "gas.md").read_text("utf-8") == table()
