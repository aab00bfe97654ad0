#!/usr/bin/env python3
"""Compile contracts/src into contracts/artifacts, byte for byte the same on every machine.

    python scripts/compile_contracts.py            writes the artifacts
    python scripts/compile_contracts.py --check    exits 1 if the committed ones differ from the sources

The compiler is pinned. py-solc-x drives a native solc of that version where it has one installed, else the npm
package of the same version behind scripts/solc; both give the same bytes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import solcx
from solcx.exceptions import SolcNotInstalled

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS = ROOT / "contracts"
ARTIFACTS = CONTRACTS / "artifacts"
DEPLOYED = ("AgencyRegistry", "LogAnchor")
IMPORTED = ("@openzeppelin/contracts/utils/cryptography/ECDSA.sol",)
SOLC_VERSION = "0.8.37"
SETTINGS: dict[str, Any] = {
    "optimizer": {"enabled": True, "runs": 10_000},
    "viaIR": True,
    "evmVersion": "london",  # consortium chains may lack PUSH0 (shanghai) and MCOPY (cancun)
    "metadata": {"bytecodeHash": "none"},
}


def compiler() -> Path:
    """Return the executable of the pinned solc: native where py-solc-x has it, else the npm package's wrapper."""
    try:
        return Path(solcx.install.get_executable(SOLC_VERSION))
    except SolcNotInstalled:
        return ROOT / "scripts" / "solc"


def compile_sources(files: list[Path], names: Sequence[str]) -> dict[str, Any]:
    """Standard-JSON output for the contracts `names` in `files` (below contracts/), keyed by path and contract name."""
    outputs = ["abi", "metadata", "evm.bytecode", "evm.deployedBytecode", "storageLayout"]
    sources = {path.relative_to(CONTRACTS).as_posix(): path for path in files}
    sources |= {name: ROOT / "node_modules" / name for name in IMPORTED}
    request = {
        "language": "Solidity",
        "sources": {name: {"content": path.read_text("utf-8")} for name, path in sorted(sources.items())},
        "settings": SETTINGS | {"outputSelection": {"*": dict.fromkeys(names, outputs)}},
    }
    output: dict[str, Any] = solcx.compile_standard(request, solc_binary=compiler())
    if warnings := [error["formattedMessage"] for error in output.get("errors", [])]:
        raise SystemExit("\n".join(warnings))
    contracts: dict[str, Any] = output["contracts"]
    return contracts


def artifact(name: str, compiled: dict[str, Any]) -> dict[str, Any]:
    """Select what is committed of the contract `name`."""
    evm = compiled["evm"]
    version = json.loads(compiled["metadata"])["compiler"]["version"]
    if not version.startswith(f"{SOLC_VERSION}+"):
        raise SystemExit(f"solc {SOLC_VERSION} is pinned, {compiler()} is {version}: run scripts/setup")
    return {
        "contractName": name,
        "abi": compiled["abi"],
        "bytecode": "0x" + evm["bytecode"]["object"],
        "deployedBytecode": {
            "object": "0x" + evm["deployedBytecode"]["object"],
            "immutableReferences": evm["deployedBytecode"]["immutableReferences"],
        },
        "compiler": version,
        "settings": SETTINGS,
        "storageLayout": compiled["storageLayout"],
    }


def build() -> dict[Path, str]:
    """Compile, and return the text of every artifact file."""
    compiled = compile_sources(sorted((CONTRACTS / "src").glob("*.sol")), DEPLOYED)
    artifacts = {name: artifact(name, compiled[f"src/{name}.sol"][name]) for name in DEPLOYED}
    return {
        ARTIFACTS / f"{name}.json": json.dumps(content, indent=2, sort_keys=True) + "\n"
        for name, content in artifacts.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Compile contracts/src into contracts/artifacts.")
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 on a difference")
    check = parser.parse_args().check
    stale = {path: text for path, text in build().items() if not path.exists() or path.read_text("utf-8") != text}
    for path, text in stale.items():
        print(f"{path.relative_to(ROOT)}: {'differs from its source' if check else 'written'}")
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
