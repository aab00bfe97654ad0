"""The order of a stream: each event has the next sequence, and names the leaf hash of the event before it."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from ledger.core.errors import Conflict
from ledger.core.events.payload import Event
from ledger.core.messages import Message

OTHER_ID = Message("Choose another id.")


class StreamHead(Struct, frozen=True):
    """The last event of a stream; ``head`` is the leaf hash of its entry."""

    sequence: int
    head: str


class FoldedStream(Protocol):
    """What was folded from a stream, or its head alone: both have the number and leaf hash of its last event."""

    @property
    def sequence(self) -> int: ...

    @property
    def head(self) -> str: ...


def place_after(stream: FoldedStream | None) -> tuple[int, str | None]:
    """Return sequence and ``previous`` of the event that comes next in a stream, which is None if it is empty."""
    return (0, None) if stream is None else (stream.sequence + 1, stream.head)


def require_next(stream: FoldedStream | None, event: Event) -> None:
    """Accept the event that comes next in a stream, which is None if it is empty.

    Raises Conflict (not_on_head), which tells the place that is next.
    """
    sequence, previous = place_after(stream)
    if (event.sequence, event.previous) == (sequence, previous):
        return
    hint = Message("Look at what happened since, then sign again on this head.")
    if previous is None:
        hint = Message("There is nothing of this id yet: look at the id.")
    elif event.sequence == 0 and event.stream.kind != "agency":  # which nobody begins anew by an id of his own
        hint = OTHER_ID
    raise Conflict(
        "expected sequence {next_sequence} on {leaf_hash}",
        next_sequence=sequence,
        leaf_hash=previous or "null",
        head=previous,
        sequence=sequence,
        field="envelope.sequence" if event.previous == previous else "envelope.previous",
        code="not_on_head",
        hint=hint,
    )
