"""Which part of what an earlier audit has read is read again by one that goes on from it.

Read again are the streams that have got an entry since, from their first one on, with the cases that they came out of
or took something over from; what other entries are judged by: the service's own stream and every erasure; and one share
of all streams, which nobody can know before. In ``SHARES`` audits in a row each share has its turn, so no row stays
unread for longer than two such rounds.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from ledger.audit.basis import FORMAT, SHARES, Basis, ContinuedFrom, with_digest
from ledger.audit.streams import divided
from ledger.store import audit as rows
from ledger.store import bindings
from ledger.store.access import AccessHead
from ledger.store.audit import StreamRange
from ledger.store.database import Connection
from ledger.store.log import TreeState
from ledger.store.program_version import program_version

STREAMS_EACH = 1_000  # of a part, at most


class Again(NamedTuple):
    """What is read again of the entries below ``start``, which the audit that kept ``since`` has read.

    ``parts`` are the streams to be judged, ``indices`` their entries below ``start``, in order.
    """

    since: Basis
    share: int
    parts: list[StreamRange]
    indices: list[int]
    streams_unread: int

    @property
    def start(self) -> int:
        """Return the index of the first entry that is new."""
        return self.since.size

    @property
    def continued_from(self) -> ContinuedFrom:
        """Return what the report says of it."""
        since = self.since
        return ContinuedFrom(
            audited_at=since.audited_at,
            size=since.size,
            root=since.root,
            digest=since.digest,
            whole_at=since.whole_at,
            whole_size=since.whole_size,
            share=self.share + 1,
            shares=SHARES,
            entries_again=len(self.indices),
            entries_unread=self.start - len(self.indices),
            streams_unread=self.streams_unread,
        )


def plan(connection: Connection, since: Basis, size: int, share: int, entries_each: int) -> Again:
    """Choose what is read again in a log of ``size`` entries, in parts of about ``entries_each`` entries."""
    start = since.size
    parts: list[StreamRange] = []
    unread = 0
    for kind in rows.stream_kinds(connection):
        whole = StreamRange(kind, size)
        shares = [StreamRange(kind, size, *bounds) for bounds in pairwise([None, *since.bounds.get(kind, ()), None])]
        inside: set[str] = set()
        for chosen in [whole] if kind == "system" else shares[share : share + 1]:
            inside |= rows.stream_ids(connection, chosen)
            parts += divided(connection, chosen, entries_each)
        wanted = rows.streams_since(connection, kind, start)
        if kind == "case":
            wanted = rows.with_sources(connection, wanted | inside)
        unread += len(rows.stream_ids(connection, whole) - inside - wanted)
        others = sorted(wanted - inside)
        some = (others[first : first + STREAMS_EACH] for first in range(0, len(others), STREAMS_EACH))
        parts += (StreamRange(kind, size, only=frozenset(ids)) for ids in some)
    indices = {index for part in parts for index in rows.indices(connection, part, below=start)}
    indices.update(rows.indices_of_erasures(connection, below=start))
    return Again(since, share, parts, sorted(indices), unread)


def basis_after(
    connection: Connection,
    tree: TreeState,
    reads: AccessHead,
    *,
    adopted: int,
    now: int,
    again: Again | None,
) -> Basis:
    """Return what an audit keeps that has found nothing in this ``tree``.

    ``again`` is what it read again of what an earlier one had read; None if it read everything. After a round the
    streams are divided anew, as they are then.
    """
    before = again.since if again else None
    unread = tuple(number for number in again.since.unread if number != again.share) if again else ()
    return with_digest(
        Basis(
            format=FORMAT,
            rules=program_version(),
            log_id=tree.log_id.hex(),
            audited_at=now,
            size=tree.size,
            root=tree.root.hex(),
            whole_at=before.whole_at if before else now,
            whole_size=before.whole_size if before else tree.size,
            adopted=adopted,
            bindings=bindings.head(connection),
            reads=reads,
            bounds=before.bounds if before and unread else _divided(connection, tree.size),
            unread=unread or tuple(range(SHARES)),
        )
    )


def _divided(connection: Connection, size: int) -> dict[str, tuple[str, ...]]:
    """Return by kind the ids that divide its streams into at most ``SHARES`` parts."""
    bounds: dict[str, tuple[str, ...]] = {}
    for kind in rows.stream_kinds(connection):
        count = rows.count_of_kind(connection, kind, below=size)
        each = max(1, -(-count // SHARES))
        bounds[kind] = tuple(rows.stream_bounds(connection, StreamRange(kind, size), each)[: SHARES - 1])
    return bounds
