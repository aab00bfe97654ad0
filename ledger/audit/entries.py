"""Checks of one entry by itself: bytes, columns, event, sections, signature and authority."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter

from msgspec import Struct

from ledger.audit.findings import AuditFinding, differences, finding, finding_of
from ledger.audit.maps import MapPart, MapParts
from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import MalformedInput, TallystickError
from ledger.core.events import Body, Envelope, Payload, decode_envelope, decode_payload, require_digest, require_kind
from ledger.core.log.merkle import leaf_hash
from ledger.core.signing import authority as authorities
from ledger.core.signing import signatures
from ledger.core.signing.authority import AuthorityState
from ledger.store import audit as rows
from ledger.store.database import Connection
from ledger.store.log import StoredEntry

MISSING = "entry_missing"
UNREADABLE = "entry_unreadable"
ERASED = "erased"
NO_LEAF = bytes(32)
COLUMNS = StoredEntry.__struct_fields__[1:10]  # event_id to signed_at: what the envelope says, too
_columns_of = attrgetter(*COLUMNS)

Sections = Mapping[str, bytes | None]


class Ground(Struct, frozen=True):
    """What entries are judged by.

    ``authority`` is the newest, whose keys know the indices at which they were valid; None if the mirror itself is
    broken. ``erased`` has (event id, payload digest, label).
    """

    log_id: bytes
    authority: AuthorityState | None
    erased: frozenset[tuple[str, str, str]]


class RangeResult(Struct, frozen=True):
    """The check of the entries at rising ``indices``, with zeros for a missing one.

    ``leaves`` are their leaf hashes one after the other; ``commits`` has for each the size and time of its commit,
    ``maps`` what they change in the head map.
    """

    indices: Sequence[int]
    leaves: bytes
    commits: array[int]
    findings: list[AuditFinding]
    maps: list[MapPart]


def check_range(connection: Connection, ground: Ground, indices: Sequence[int]) -> RangeResult:
    """Check each of the entries at rising indices by itself, and that none is missing."""
    leaves: list[bytes] = []
    commits = array("q")
    findings: list[AuditFinding] = []
    maps = MapParts()
    sections = rows.sections(connection, indices)

    def miss(until: int) -> None:
        while len(leaves) < len(indices) and indices[len(leaves)] < until:
            skip(indices[len(leaves)], MISSING)

    def skip(index: int, why: str) -> None:
        findings.append(finding("entries", index, why))
        leaves.append(NO_LEAF)
        commits.extend((0, 0))

    for row in rows.entries(connection, indices):
        if isinstance(row, int):
            miss(row)
            skip(row, UNREADABLE)
            continue
        miss(row.log_index)
        findings += check_entry(row, sections.get(row.log_index, {}), ground)
        leaf = leaf_hash(row.envelope)
        leaves.append(leaf)
        maps.add(row, leaf)
        commits.extend((row.committed_size, row.recorded_at))
    if indices:
        miss(indices[-1] + 1)
    return RangeResult(indices, b"".join(leaves), commits, findings, maps.parts)


def check_entry(row: StoredEntry, sections: Sections, ground: Ground) -> list[AuditFinding]:
    """Return the faults that one entry shows by itself."""
    try:
        envelope = decode_envelope(row.envelope)
    except MalformedInput as error:
        return [finding_of("entries", row.log_index, error)]
    findings = list(_columns(row, envelope))
    if row.recorded_at < (envelope.signed_at - signatures.LATEST) * 1000:
        signed = (envelope.signed_at - signatures.LATEST) * 1000
        findings.append(finding("entries", row.log_index, "recorded_unsigned", signed, row.recorded_at))
    try:
        signatures.verify_envelope(envelope, ground.log_id)
    except TallystickError as error:
        findings.append(finding_of("signatures", row.log_index, error))
    try:
        require_digest(envelope, row.payload)
        require_kind(envelope)
        payload = decode_payload(row.payload, envelope.event_type)
    except MalformedInput as error:
        return [*findings, finding_of("payloads", row.log_index, error)]
    if ground.authority is not None:
        try:
            authorities.require_officer(
                authorities.require_key(ground.authority, envelope, row.log_index), payload.officer
            )
        except TallystickError as error:
            findings.append(finding_of("authority", row.log_index, error))
    return [*findings, *_sections(row, payload, sections, ground)]


def _columns(row: StoredEntry, envelope: Envelope) -> list[AuditFinding]:
    stream = envelope.stream
    expected = (
        *(envelope.event_id, envelope.event_type, stream.kind, stream.id, envelope.sequence),
        *(envelope.agency, envelope.key_id, envelope.payload_digest, envelope.signed_at),
    )
    stored = _columns_of(row)
    if expected == stored:
        return []
    return differences("entries", row.log_index, "entries", zip(COLUMNS, expected, stored, strict=True))


def _sections(row: StoredEntry, payload: Payload[Body], sections: Sections, ground: Ground) -> Iterator[AuditFinding]:
    committed = payload.confidential
    if not committed and not sections:
        return
    for label in sorted(committed.keys() | sections.keys()):
        if label not in sections:
            yield finding("payloads", row.log_index, "section", committed[label], "no such section", label=label)
            continue
        data, erased = sections[label], (row.event_id, row.payload_digest, label) in ground.erased
        actual = ERASED if data is None else blake3_text(data)
        expected = ERASED if erased else committed.get(label, "no such section")
        if actual != expected:
            yield finding("payloads", row.log_index, "section", expected, actual, label=label)


def of_an_erasure(fault: AuditFinding) -> bool:
    """Return whether a section is gone without an erasure.

    The erasing entry may itself be faulty or missing; the caller looks for one at a higher index.
    """
    return fault.step == "payloads" and fault.found == ERASED
