"""Bodies of events about the record itself."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from ledger.core.events.catalogue import SERVICE, Body, event
from ledger.core.events.terms import (
    Bytes32,
    DatasetId,
    Date,
    Delimiter,
    Digest,
    EventRef,
    Instant,
    ItemId,
    Line,
    Number,
    SafeInt,
    SectionLabel,
    Text,
    Value,
    Verdict,
)

IncidentKind = Literal["chain_rebuilt", "chain_edited", "database_rolled_back", "anchor_lost", "witness_alarm", "other"]


class Correction(Value, frozen=True):
    """``field`` is a JSON path into the corrected payload's body, or ``occurred_at`` of the payload itself, or
    ``confidential.<label>``: what a section says is corrected in a section of the correction."""

    field: Line
    recorded: Line
    correct: Line


@event("record.corrected", streams=("case", "agency"))
class RecordCorrected(Body, frozen=True):
    """Points at the event it corrects; the old one stays as it is."""

    corrects: EventRef
    corrections: Annotated[tuple[Correction, ...], Meta(min_length=1, max_length=100)]
    ground: Text


@event("record.late", streams=("case", "agency"))
class RecordLate(Body, frozen=True):
    """Why something was not recorded when it happened; ``concerns`` names the late entry where there is one."""

    happened_at: Instant
    ground: Text
    concerns: EventRef | None = None


@event("section.erased", streams=("case", "agency"), roles=("supervisor",), on_authority=True)
class SectionErased(Body, frozen=True):
    """One confidential section is no longer kept; the payload that commits to it stays."""

    concerns: EventRef
    label: SectionLabel
    ground: Text


@event("import.recorded", streams=("case", "agency"))
class ImportRecorded(Body, frozen=True):
    """Where imported facts come from: one row of one file of one system.

    ``row_digest`` is keyed by the agency: equal ones show that the row is unchanged, and reveal nothing without the
    key.
    """

    source_system: Line
    source_key: Line
    file_digest: Digest
    row: SafeInt
    row_digest: Digest | None = None


class TableLayout(Value, frozen=True):
    """How a file's rows are read: ``delimiter`` is a CSV file's, ``sheet`` a workbook's, its first unless named."""

    format: Literal["csv", "xlsx", "json"]
    encoding: Literal["utf-8", "gb18030"] = "utf-8"
    delimiter: Delimiter = ","
    sheet: Line | None = None


@event("dataset.registered", streams=("agency",), roles=("clerk", "supervisor", "analyst"))
class DatasetRegistered(Body, frozen=True):
    """A data set that models may use: its source, legal basis, period, number of rows, and digest."""

    dataset_id: DatasetId
    source: Line
    legal_basis: Text
    period_from: Date
    period_until: Date
    rows: SafeInt
    digest: Digest
    layout: TableLayout | None = None


@event("disclosure.made")
class DisclosureMade(Body, frozen=True):
    """What defence counsel received: events, items, and the digests of the copies."""

    recipient: Line
    events: Annotated[tuple[EventRef, ...], Meta(max_length=1000)] = ()
    item_ids: tuple[ItemId, ...] = ()
    digests: Annotated[tuple[Digest, ...], Meta(max_length=1000)] = ()
    withheld: tuple[SectionLabel, ...] = ()


@event("audit.recorded", streams=("case", "agency"), roles=("auditor",))
class AuditRecorded(Body, frozen=True):
    """``size`` is the tree size that was audited."""

    scope: Line
    size: SafeInt
    verdict: Verdict
    findings: Annotated[tuple[Text, ...], Meta(max_length=1000)] = ()
    document_number: Number | None = None


@event("access.sealed", streams=("system",), roles=SERVICE)
class AccessSealed(Body, frozen=True):
    """The hash-chained log of reads, sealed up to ``count`` records."""

    count: SafeInt
    head: Digest


@event("incident.recorded", streams=("system",), roles=SERVICE)
class IncidentRecorded(Body, frozen=True):
    """An incident in the running of the ledger, recorded by the service itself."""

    kind: IncidentKind
    description: Text
    block_hash: Bytes32 | None = None
