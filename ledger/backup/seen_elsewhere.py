"""What the world has seen of a log that was restored: by it one knows how many entries the backup lacks.

Nothing is written. Each witness is asked to co-sign the newest checkpoint of the restored log, which it has co-signed
already or refuses with the size that it has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import httpx
from msgspec import Struct
from msgspec.structs import replace

from ledger.core.errors import TallystickError
from ledger.core.log.policy import Policy
from ledger.core.log.witness_protocol import AddCheckpoint
from ledger.core.messages import Message
from ledger.store import checkpoints
from ledger.store.checkpoints import PublishedCheckpoint
from ledger.store.database import Database
from ledger.witness.gathering.collector import log_signed
from ledger.witness.gathering.witnesses import OtherHistory, OtherSize, Witness, add_checkpoint, new_client


class SeenBy(Struct, frozen=True):
    """What somebody says of the log: the size that he has seen, None if he does not say, and what is wrong.

    ``contradicts`` marks one who has seen another history.
    """

    name: str
    size: int | None
    fault: Message | None = None
    contradicts: bool = False


class SeenElsewhere(Struct, frozen=True):
    """What witnesses and chain say of the log; ``enough`` if a quorum of the witnesses or the chain has answered."""

    answers: tuple[SeenBy, ...]
    enough: bool

    def and_by(self, more: SeenBy) -> SeenElsewhere:
        """Return the same with one more answer, which is no witness's."""
        return replace(self, answers=(*self.answers, more))

    def lacking(self, size: int) -> int | None:
        """Return how many entries somebody has seen beyond a log of this size, None if too few say what they saw."""
        most = max((each.size for each in self.answers if each.size is not None), default=0)
        return most - size if most > size else 0 if self.enough else None

    @property
    def contradicts(self) -> bool:
        """Tell whether anybody has seen another history."""
        return any(each.contradicts for each in self.answers)


def is_quorum(witnesses: Sequence[Witness], answers: Sequence[SeenBy], policy: Policy) -> bool:
    """Tell whether those of the witnesses who answered are enough, and at least one; answers are in their order."""
    pairs = zip(witnesses, answers, strict=True)
    answering = [key for witness, answer in pairs if answer.size is not None for key in witness.keys]
    return bool(answering) and policy.is_met_by(answering)


def seen_by_witnesses(database: Database, witnesses: Sequence[Witness]) -> list[SeenBy]:
    """Ask each witness what it has seen of the log."""
    with database.read() as connection:
        published = checkpoints.last_published(connection)
    if published is None or published.size == 0:
        return [SeenBy(each.name, None, Message("the backup has no checkpoint to ask with")) for each in witnesses]
    return asyncio.run(_ask_all(published, witnesses))


async def _ask_all(published: PublishedCheckpoint, witnesses: Sequence[Witness]) -> list[SeenBy]:
    async with new_client() as client:
        return [*await asyncio.gather(*(_ask(client, published, witness) for witness in witnesses))]


async def _ask(client: httpx.AsyncClient, published: PublishedCheckpoint, witness: Witness) -> SeenBy:
    try:
        asked = AddCheckpoint(published.size, (), log_signed(published.note))
        await add_checkpoint(client, witness.url, asked)
    except OtherSize as error:
        return SeenBy(witness.name, error.size)
    except OtherHistory:
        return SeenBy(witness.name, published.size, Message("it has seen another history"), contradicts=True)
    except TallystickError as error:
        return SeenBy(witness.name, None, Message("{error}", error=error))
    return SeenBy(witness.name, published.size)
