"""The history that several tests look at."""

from __future__ import annotations

from functools import cache

from scripts.histories.history import GeneratedHistory, generate

CASES = 150


@cache
def history() -> GeneratedHistory:
    """A small history: one case for each plant among plain ones."""
    return generate(7, CASES)
