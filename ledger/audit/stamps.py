"""Timestamps that are kept, each held against the checkpoint that it is filed under."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ledger.audit.findings import Finding, finding, finding_of
from ledger.audit.tree import Claimant
from ledger.core.errors import TallystickError
from ledger.core.note import parse_note
from ledger.core.timestamp import verify_timestamp
from ledger.core.trust import Trust
from ledger.store import timestamps
from ledger.store.database import Connection
from ledger.store.timestamps import Stamp


# 10
def check_stamps(connection: Connection, notes: Mapping[int, str], trust: Trust) -> Iterator[Finding]:
    """Faults of the timestamps of checkpoints whose verified ``notes``, by size, are given.

    One of an authority that is under none of the trust file's roots is held against its checkpoint alone: it may be
    older than the roots of today.
    """
    for stamp in timestamps.all_kept(connection):
        by = Claimant("timestamp", stamp.size)
        if (note := notes.get(stamp.size)) is None:
            yield finding("checkpoints", None, "no_checkpoint", **by.slots)
            continue
        try:
            yield from _differing(stamp, by, parse_note(note).text, trust)
        except TallystickError as error:
            yield finding_of("checkpoints", None, error, "refused_by", **by.slots)


def _differing(stamp: Stamp, by: Claimant, text: str, trust: Trust) -> Iterator[Finding]:
    said = verify_timestamp(stamp.response, text, trust.timestamp_roots)
    if said is not None and said.time != stamp.time:
        yield finding("checkpoints", None, "stamp_time", said.time, stamp.time, **by.slots)
