"""The vectors of docs/examples/spoiled.json, and the files that they are about."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from tests.testkit.changed_bundles import written
from tests.testkit.machine import REPOSITORY

EXAMPLES = REPOSITORY / "docs" / "examples"
VECTORS: list[dict[str, Any]] = json.loads((EXAMPLES / "spoiled.json").read_bytes())


def patched(data: bytes, operations: list[dict[str, Any]]) -> bytes:
    """A file after patches of RFC 6902, of the operations add, copy, move, remove and replace."""
    root = {"": json.loads(data)}

    def place(path: str) -> tuple[Any, Any]:
        holder: Any = root
        *above, last = (step.replace("~1", "/").replace("~0", "~") for step in path.split("/"))
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
        elif isinstance(holder, list) and operation["op"] != "replace":
            holder.insert(key, value)
        else:
            holder[key] = value
    return written(root[""]) if operations else data


def edited(data: bytes, edits: list[dict[str, Any]]) -> bytes:
    """The bytes of a file as it is published, from the last edit to the first."""
    for edit in sorted(edits, key=lambda edit: -edit["at"]):
        at = edit["at"]
        put = bytes.fromhex(edit["put_hex"]) if "put_hex" in edit else edit["put"].encode()
        data = data[:at] + put * edit.get("times", 1) + data[at + edit["cut"] :]
    return data


def files(vector: dict[str, Any]) -> tuple[bytes, bytes]:
    """The file and the trust file of a vector."""
    data = (EXAMPLES / vector["of"]).read_bytes()
    trust = (EXAMPLES / "trust.json").read_bytes()
    return (
        edited(patched(data, vector.get("file", [])), vector.get("edits", [])),
        edited(patched(trust, vector.get("trust", [])), vector.get("trust_edits", [])),
    )
