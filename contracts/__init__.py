"""The ledger's contracts as compiled: what is deployed, and how it is called."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any


def artifact(name: str) -> dict[str, Any]:
    """The committed artifact of the contract `name`, "AgencyRegistry" or "LogAnchor".

    Keys: contractName, abi, bytecode (hex), deployedBytecode {object (hex), immutableReferences}, compiler, settings,
    storageLayout. Raises FileNotFoundError for another name.
    """
    content: dict[str, Any] = json.loads((files(__name__) / "artifacts" / f"{name}.json").read_text("utf-8"))
    return content
