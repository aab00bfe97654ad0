"""Bodies of events about the record itself."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from ledger.core.events import terms
from ledger.core.events.catalogue import NAME_OF, SERVICE, Body, event

IncidentKind = Literal[
    "chain_rebuilt",
    "chain_edited",
    "database_rolled_back",
    "anchor_lost",
    "witness_alarm",
    "file_damaged",
    "other",
]


# What a correction states of a section, which its own section of the same label corrects: nothing of either in clear.
IN_SECTION = "in the confidential section {} of the event that is corrected"
IN_NEW_SECTION = "in the confidential section {} of this event"


class Correction(terms.Value, frozen=True):
    """``field`` is a JSON path into the corrected payload's body, or ``occurred_at`` of the payload itself, or
    ``confidential.<label>``: what a section says is corrected in a section of the correction, and in fixed words here.
    """

    field: terms.Line
    recorded: terms.Line
    correct: terms.Line


@event("record.corrected", streams=("case", "agency"))
class RecordCorrected(Body, frozen=True):
    """Points at the event it corrects; the old one stays as it is."""

    corrects: terms.EventRef
    corrections: Annotated[tuple[Correction, ...], Meta(min_length=1, max_length=100)]
    ground: terms.Text


@event("record.late", streams=("case", "agency"))
class RecordLate(Body, frozen=True):
    """Why something was not recorded when it happened; ``concerns`` names the late entry where there is one."""

    happened_at: terms.Instant
    ground: terms.Text
    concerns: terms.EventRef | None = None


@event("section.erasure_proposed", streams=("case", "agency"))
class ErasureProposed(Body, frozen=True):
    """The first of the two signatures by which a confidential section is erased."""

    concerns: terms.EventRef
    label: terms.SectionLabel
    ground: terms.Text


@event("section.erased", streams=("case", "agency"), roles=("supervisor",), on_authority=True)
class SectionErased(Body, frozen=True):
    """One confidential section is no longer kept; the payload that commits to it stays.

    It is the second signature, by another officer; ``cites`` is the proposal. ``erased_for`` names the ground of
    the procedure on which a section may be erased before its case has been kept long enough.
    """

    cites: terms.EventRef
    concerns: terms.EventRef
    label: terms.SectionLabel
    ground: terms.Text
    erased_for: terms.ErasureGround | None = None


@event("import.recorded", streams=("case", "agency"))
class ImportRecorded(Body, frozen=True):
    """Where imported facts come from: one row of one file of one system.

    ``row_digest`` is keyed by the agency: equal ones show that the row is unchanged, and reveal nothing without the
    key.
    """

    source_system: terms.Line
    source_key: terms.Line
    file_digest: terms.Digest
    row: terms.SafeInt
    row_digest: terms.Digest | None = None


class TableLayout(terms.Value, frozen=True):
    """How a file's rows are read: ``delimiter`` is a CSV file's, ``sheet`` a workbook's, its first unless named."""

    format: Literal["csv", "xlsx", "json"]
    encoding: Literal["utf-8", "gb18030"] = "utf-8"
    delimiter: terms.Delimiter = ","
    sheet: terms.Line | None = None


@event("dataset.registered", streams=("agency",), roles=("clerk", "supervisor", "analyst"))
class DatasetRegistered(Body, frozen=True):
    """A data set that models may use: its source, legal basis, period, number of rows, and digest.

    ``readable`` lets what models find show its cells. Of another data set models learn only which rows have a value of
    a case, or of a list, in one of the columns ``compared``, given by their headings.
    """

    dataset_id: terms.DatasetId
    source: terms.Line
    legal_basis: terms.Text
    period_from: terms.Date
    period_until: terms.Date
    rows: terms.SafeInt
    digest: terms.Digest
    layout: TableLayout | None = None
    readable: bool = False
    compared: Annotated[tuple[terms.Line, ...], Meta(max_length=100)] = ()


@event("disclosure.made")
class DisclosureMade(Body, frozen=True):
    """What defence counsel received: events, items, and the digests of the copies."""

    recipient: terms.Line
    events: Annotated[tuple[terms.EventRef, ...], Meta(max_length=1000)] = ()
    item_ids: tuple[terms.ItemId, ...] = ()
    digests: Annotated[tuple[terms.Digest, ...], Meta(max_length=1000)] = ()
    withheld: tuple[terms.SectionLabel, ...] = ()


@event("audit.recorded", streams=("case", "agency"), roles=("auditor",))
class AuditRecorded(Body, frozen=True):
    """``size`` is the tree size that was audited."""

    scope: terms.Line
    size: terms.SafeInt
    verdict: terms.AuditVerdict
    findings: Annotated[tuple[terms.Text, ...], Meta(max_length=1000)] = ()
    document_number: terms.Number | None = None


@event("access.sealed", streams=("system",), roles=SERVICE)
class AccessSealed(Body, frozen=True):
    """The hash-chained log of reads, sealed up to ``count`` records."""

    count: terms.SafeInt
    head: terms.Digest


@event("heads.mapped", streams=("system",), roles=SERVICE)
class HeadsMapped(Body, frozen=True):
    """The root of the head map over all entries below this one: for each stream how many events it has, and the last.

    Nothing in this payload is secret or free, so that whoever has computed the root knows all of it: the salt is zero,
    and it occurred when it was signed.
    """

    root: terms.Bytes32


# Entries that follow from others, or from reads: they alone call for no anchor, so an idle ledger stays idle.
HOUSEKEEPING = (NAME_OF[AccessSealed], NAME_OF[HeadsMapped])


@event("incident.recorded", streams=("system",), roles=SERVICE)
class IncidentRecorded(Body, frozen=True):
    """An incident in the running of the ledger, recorded by the service itself."""

    kind: IncidentKind
    description: terms.Text
    block_hash: terms.Bytes32 | None = None
