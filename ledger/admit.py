"""Admit: whether a judged event still stands, by what the log says once the writer has the lock."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.core import authority as authorities
from ledger.core.authority import Authority
from ledger.core.errors import Conflict
from ledger.core.event.registry import RegistryChange
from ledger.record import Judged
from ledger.states import off_head
from ledger.store import log
from ledger.store.database import Connection
from ledger.store.log import Head, StoredEntry


class LogView:
    """What the log says under the lock, moved on by each event that is admitted."""

    def __init__(
        self,
        stored: dict[str, StoredEntry],
        heads: dict[tuple[str, str], Head],
        authority: Authority,
    ):
        self.stored = stored
        self.heads = heads
        self.authority = authority

    @classmethod
    def read(cls, connection: Connection, batch: Sequence[Judged], authority: Authority) -> LogView:
        envelopes = [judged.submitted.envelope for judged in batch]
        return cls(
            log.identities(connection, [envelope.event_id for envelope in envelopes]),
            log.heads(connection, [(envelope.stream.kind, envelope.stream.id) for envelope in envelopes]),
            authority,
        )

    def admit(self, judged: Judged, index: int) -> None:
        """Raises Conflict, RuleRefused or Unauthorized; else the event has the index."""
        envelope, payload = judged.submitted.envelope, judged.submitted.payload
        stream = (envelope.stream.kind, envelope.stream.id)
        self._require_head(envelope.sequence, envelope.previous, self.heads.get(stream))
        if judged.registry_changes != self.authority.changes:
            grant = authorities.require_key(self.authority, envelope, index)
            authorities.require_officer(grant, payload)
        if isinstance(payload.body, RegistryChange):
            self._require_next_change(payload.body)
            self.authority = authorities.fold(self.authority, payload.body, index)
        self.heads[stream] = Head(envelope.sequence, envelope.payload_digest)

    @staticmethod
    def _require_head(sequence: int, previous: str | None, head: Head | None) -> None:
        expected = (0, None) if head is None else (head.sequence + 1, head.digest)
        if (sequence, previous) != expected:
            raise off_head(head.sequence if head else None, head.digest if head else None)

    def _require_next_change(self, change: RegistryChange) -> None:
        if change.number <= self.authority.changes:
            raise Conflict(
                f"the log has {self.authority.changes} changes of the registry, number {change.number} among them",
                field="payload.body.number",
                code="already_mirrored",
            )
