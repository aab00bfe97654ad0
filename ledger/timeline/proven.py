"""How far an event is proven: from its signature to a final block, step by step."""

from __future__ import annotations

from typing import Literal, Protocol

from msgspec import Struct

from ledger.store import checkpoints
from ledger.store.database import Connection
from ledger.timeline.anchored import Anchored

StageName = Literal["signed", "logged", "cosigned", "anchored", "final"]


class Stage(Struct, frozen=True):
    """``at`` is in unix seconds: the signer's claim of ``signed``, our clock's of ``logged``, the block's of ``final``.

    ``size`` is the tree size that witnesses co-signed, ``witnesses`` are they.
    """

    name: StageName
    is_reached: bool
    at: int | None = None
    size: int | None = None
    witnesses: tuple[str, ...] = ()


class Entered(Protocol):
    """An event that is in the log: ``recorded_at`` in unix milliseconds, the other times in seconds."""

    @property
    def index(self) -> int: ...
    @property
    def signed_at(self) -> int: ...
    @property
    def recorded_at(self) -> int: ...
    @property
    def state(self) -> Anchored: ...
    @property
    def proven_at(self) -> int | None: ...


def stages(connection: Connection, step: Entered) -> tuple[Stage, ...]:
    """Of an event that is in the log."""
    witnessed = checkpoints.last_witnessed(connection)
    cosigned = Stage("cosigned", is_reached=False)
    if witnessed is not None and step.index < witnessed.size:
        names = tuple(key.partition("+")[0] for key in checkpoints.cosigners(connection, witnessed.size))
        cosigned = Stage("cosigned", is_reached=True, size=witnessed.size, witnesses=names)
    return (
        Stage("signed", is_reached=True, at=step.signed_at),
        Stage("logged", is_reached=True, at=step.recorded_at // 1000),
        cosigned,
        Stage("anchored", is_reached=step.state in ("mined", "confirmed")),
        Stage("final", is_reached=step.state == "confirmed", at=step.proven_at),
    )
