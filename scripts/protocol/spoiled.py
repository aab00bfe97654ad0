"""The example's files, spoiled one place at a time, and what a verifier must say of each: docs/examples/spoiled.json.

The verdicts and the steps are written by hand from docs/protocol.md, not out of the code: tests/e2e/browser_verifier
holds both verifiers against them.
"""

from __future__ import annotations

import json

from scripts.protocol import (
    spoiled_chains,
    spoiled_entries,
    spoiled_levels,
    spoiled_stamps,
    spoiled_streams,
    spoiled_trust,
)
from scripts.protocol.vector import Vector


def vectors(files: dict[str, bytes]) -> list[Vector]:
    """Each vector, in the order of the steps that it spoils. ``files`` are the published ones."""
    return [
        *spoiled_entries.vectors(),
        *spoiled_chains.vectors(),
        *spoiled_stamps.vectors(),
        *spoiled_streams.vectors(),
        *spoiled_trust.vectors(),
        *spoiled_levels.vectors(files),
    ]


def file(files: dict[str, bytes]) -> bytes:
    """The vectors as JSON, one a line."""
    lines = ",\n".join(json.dumps(vector.as_json()) for vector in vectors(files))
    return f"[\n{lines}\n]\n".encode()
