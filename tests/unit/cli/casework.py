"""Clerks' acts on the command line, for tests that need a case."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ledger.core.procedure.legal_days import instant_text
from tests.unit.cli.world import World

THEN = "2026-03-01T08:30:00Z"


def open_case(world: World, *more: str, items: int = 0) -> str:
    """Return a new case of the police with some bicycles, ``<case>-i1`` and so on."""
    case_id: str = world.tally.ok("case", "open", "--number", "A-1", "--type", "theft", *more, profile="police")[
        "case_id"
    ]
    for number in range(1, items + 1):
        register(world, case_id, "a bicycle", "--item-id", f"{case_id}-i{number}")
    return case_id


def register(world: World, case_id: str, *words: str | Path, profile: str = "police") -> Any:
    """Register an item; return the receipt."""
    return world.tally.ok("item", "register", case_id, *words, profile=profile)


def offer(world: World, case_id: str, *words: str, to: str = "procuratorate-east", profile: str = "police") -> str:
    """Offer for review; return the handover's id."""
    given = ("--purpose", "prosecution_review", *words)
    handover_id: str = world.tally.ok("handover", "offer", case_id, to, *given, profile=profile)["handover_id"]
    return handover_id


def accept(world: World, case_id: str, handover_id: str, *words: str, profile: str = "prosecutor") -> Any:
    """Accept an offer, as its receiver."""
    return world.tally.ok(
        "handover",
        "accept",
        case_id,
        handover_id,
        "--received-at",
        instant_text(int(time.time())),
        *words,
        profile=profile,
    )


def holder(world: World, item_id: str, profile: str = "police") -> str:
    """Return the agency that has custody of the item."""
    agency: str = world.tally.ok("item", "show", item_id, profile=profile)["holder"]
    return agency
