"""Timeline: what happened in a case, step by step, as people read it.

Beside what was claimed stands what is known: when the entry was recorded, and whether the chain has it. Nothing here
is proof: that is what bundles are for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec
from msgspec import Raw, Struct

from ledger.chain.journal import ChainWrite, WriteState
from ledger.core.custody import CaseState, Flag, fold
from ledger.core.event import Authority, decode_payload
from ledger.record import States
from ledger.store import log
from ledger.store.database import Connection
from ledger.store.log import StoredEntry

Anchored = Literal["unanchored", "submitted", "mined", "confirmed"]

_STRENGTH: dict[WriteState, Anchored] = {
    WriteState.CONFIRMED: "confirmed",
    WriteState.MINED: "mined",
    WriteState.SUBMITTED: "submitted",
    WriteState.SIGNED: "submitted",
}


class Change(Struct, frozen=True):
    """One thing that the event moved: ``what`` is ``holder of <item>``, ``responsible`` or ``stage``."""

    what: str
    before: str | None
    after: str | None


class TimelineStep(Struct, frozen=True):
    """One event, and how far it is anchored (``state``).

    ``occurred_at`` (RFC 3339) and ``signed_at`` (unix seconds) are claimed, ``recorded_at`` is our own clock (unix
    milliseconds). ``confidential`` lists the labels of its sections.
    """

    sequence: int
    index: int
    event_id: str
    event_type: str
    agency: str
    officer: str
    key_id: str
    occurred_at: str
    signed_at: int
    recorded_at: int
    state: Anchored
    payload_digest: str
    body: Raw
    authority: Authority | None
    confidential: tuple[str, ...]
    flags: tuple[Flag, ...]
    changes: tuple[Change, ...]


class AnchoredSizes:
    """How much of the log the chain has, by the journal's anchors."""

    def __init__(self, anchors: Iterable[ChainWrite]):
        self._sizes: dict[Anchored, int] = {}
        for anchor in anchors:
            strength = _STRENGTH.get(anchor.state)
            if strength is not None and anchor.anchored is not None:
                self._sizes[strength] = max(self._sizes.get(strength, 0), anchor.anchored.size)

    def size(self, state: Anchored) -> int:
        """The tree size that was brought this far; 0 where none was."""
        return self._sizes.get(state, 0)

    def of(self, log_index: int) -> Anchored:
        """How far the entry was brought."""
        states: tuple[Anchored, ...] = ("confirmed", "mined", "submitted")
        return next((state for state in states if log_index < self.size(state)), "unanchored")


def timeline(
    connection: Connection, states: States, anchored: AnchoredSizes, case_id: str, *, after: int, limit: int
) -> list[TimelineStep]:
    """At most ``limit`` steps of a sequence above ``after``, in their order."""
    steps: list[TimelineStep] = []
    before: CaseState | None = None
    for entry in log.stream(connection, "case", case_id, limit=after + 1 + limit):
        payload = decode_payload(entry.payload)
        state = fold(before, states.act(payload, entry.payload_digest, entry.signed_at)).state
        if entry.sequence > after:
            steps.append(_step(connection, entry, anchored, tuple(_changes(before, state))))
        before = state
    return steps


def _step(
    connection: Connection, entry: StoredEntry, anchored: AnchoredSizes, changes: tuple[Change, ...]
) -> TimelineStep:
    payload = decode_payload(entry.payload)
    return TimelineStep(
        sequence=entry.sequence,
        index=entry.log_index,
        event_id=entry.event_id,
        event_type=entry.event_type,
        agency=entry.agency,
        officer=payload.officer,
        key_id=entry.key_id,
        occurred_at=payload.occurred_at,
        signed_at=entry.signed_at,
        recorded_at=entry.recorded_at,
        state=anchored.of(entry.log_index),
        payload_digest=entry.payload_digest,
        body=Raw(msgspec.json.encode(payload.body)),
        authority=payload.authority,
        confidential=tuple(sorted(payload.confidential)),
        flags=log.flags(connection, entry.log_index),
        changes=changes,
    )


def _changes(before: CaseState | None, after: CaseState) -> Iterator[Change]:
    if before is None or before.responsible != after.responsible:
        yield Change("responsible", before.responsible if before else None, after.responsible)
    if before is None or before.stage != after.stage:
        yield Change("stage", before.stage if before else None, after.stage)
    known = before.items if before else {}
    for item_id, item in after.items.items():
        holder = known[item_id].holder if item_id in known else None
        if item.holder != holder:
            yield Change(f"holder of {item_id}", holder, item.holder)
