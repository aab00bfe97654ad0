"""What the API answers with: one type for each thing, made from stored rows and case states."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Raw, Struct, UnsetType

from ledger.core.custody import CaseState, CustodyChange, Discrepancy, Flag, Handover, Item, MeasureState, Person
from ledger.core.encoding.decoding import convert
from ledger.core.events.case import DecisionRecorded
from ledger.core.events.handover import OfferedItem
from ledger.core.events.item import Collection, Dossier, Seizure
from ledger.core.events.registry import Name
from ledger.core.events.terms import Money, Quantity
from ledger.core.signing.authority import Agency, Grant
from ledger.core.visibility import Sight
from ledger.store.log import StoredEntry


class AgencyView(Struct, frozen=True):
    """An agency of the registry; ``index`` is the log entry of its admission."""

    agency_id: str
    kind: str
    name: Name
    jurisdiction: str
    admin: str
    witness: str | None
    index: int


class KeyView(Struct, frozen=True):
    """A key of an agency; ``granted`` and ``revoked`` are log indices, the validity is in unix seconds."""

    key_id: str
    officer: str
    roles: tuple[str, ...]
    suite: int
    valid_from: int
    valid_until: int
    granted: int
    revoked: int | None


class EventView(Struct, frozen=True):
    """A stored event: the signed bytes of envelope and payload as they are, and what the service says of them.

    ``recorded_at`` is in unix milliseconds. ``sections`` are there for whoever may read them; null is erased.
    """

    index: int
    event_id: str
    event_type: str
    recorded_at: int
    flags: tuple[Flag, ...]
    envelope: Raw
    payload: Raw
    sections: dict[str, Raw | None] | UnsetType = UNSET


class RegistryEntryView(Struct, frozen=True):
    """A mirrored change of the registry: public in full."""

    index: int
    envelope: Raw
    payload: Raw


class CaseHeading(Struct, frozen=True):
    """What every view of a case begins with."""

    case_id: str
    case_number: str
    case_type: str
    business_line: str
    opened_by: str
    opened_at: str
    responsible: str
    stage: str


class CaseLine(CaseHeading, frozen=True):
    """A case in a list."""

    closed: bool


class ItemLine(Struct, frozen=True):
    """An item in a list."""

    item_id: str
    case_id: str
    item_kind: str
    description: str
    quantity: Quantity
    holder: str
    responsible: str
    status: str
    seal_number: str | None


class ItemView(ItemLine, frozen=True):
    """An item as it stands.

    ``recorded_from`` is when its registration was signed, ``unrecorded_seconds`` the time from its seizure until then,
    of which nothing is proven. ``lent_by`` lent it until ``lent_until``; checked out, it is due back at ``due_at``.
    ``left_for`` is the case that it was split off for.
    """

    condition: str | None
    storage_location: str | None
    digests: tuple[str, ...]
    money: Money | None
    fungible: bool
    person_id: str | None
    parents: tuple[str, ...]
    offer: str | None
    checked_out_to: str | None
    frozen_until: str | None
    disposal: str | None
    exhibit_number: str | None
    account: str | None
    seal_state: str | None
    dossier: Dossier | None
    seizure: Seizure | None
    collection: Collection | None
    recorded_from: str | None
    unrecorded_seconds: int | None
    lent_by: str | None
    lent_until: str | None
    due_at: str | None
    left_for: str | None


class HandoverLine(Struct, frozen=True):
    """A handover in a list; ``items`` counts the lines of its list, ``updated_index`` is its latest entry."""

    case_id: str
    handover_id: str
    from_agency: str
    to_agency: str
    purpose: str
    status: str
    offered_at: str
    answered_at: str | None
    expires_at: str | None
    due_at: str | None
    items: int
    updated_index: int


class HandoverView(Struct, frozen=True):
    """A handover as it stands, with the sender's list."""

    case_id: str
    handover_id: str
    from_agency: str
    to_agency: str
    purpose: str
    status: str
    moves_case: bool
    offered_by: str
    offered_at: str
    expires_at: str | None
    answered_at: str | None
    received_at: str | None
    returns: str | None
    follows: str | None
    items: tuple[OfferedItem, ...]
    accepted_items: tuple[str, ...]
    person_ids: tuple[str, ...]
    reason_code: str | None
    remedy: str | None
    due_at: str | None


class AssignmentView(Struct, frozen=True):
    """Who handles the case in an agency."""

    agency: str
    department: str
    handler: str


class CaseView(CaseHeading, frozen=True):
    """A case as it stands. ``sight`` tells by what the reader sees it, ``agencies`` each party's number of it,
    ``links`` how it belongs to other cases.
    """

    procedure: str
    closed: bool
    sight: Sight
    agencies: dict[str, str | None]
    assignments: tuple[AssignmentView, ...]
    head: str
    sequence: int
    items: tuple[ItemView, ...]
    persons: tuple[Person, ...]
    measures: tuple[MeasureState, ...]
    handovers: tuple[HandoverView, ...]
    discrepancies: tuple[Discrepancy, ...]
    custody_changes: tuple[CustodyChange, ...]
    decisions: tuple[DecisionRecorded, ...]
    links: dict[str, str]


class HeadView(Struct, frozen=True):
    """What the next event of a stream stands on: ``sequence`` is its own number, ``head`` its ``previous``."""

    case_id: str
    sequence: int
    head: str


def agency_view(agency: Agency) -> AgencyView:
    """An agency of the registry."""
    profile = agency.profile
    return AgencyView(
        agency.agency_id,
        agency.kind,
        profile.name,
        profile.jurisdiction,
        agency.admin,
        agency.witness,
        agency.index,
    )


def key_view(grant: Grant) -> KeyView:
    """A grant of the registry."""
    return KeyView(
        grant.key_id,
        grant.officer,
        grant.roles,
        grant.suite,
        grant.valid_from,
        grant.valid_until,
        grant.granted,
        grant.revoked,
    )


def event_view(entry: StoredEntry, flags: tuple[Flag, ...], sections: dict[str, bytes | None] | None) -> EventView:
    """``sections`` None are not shown."""
    shown: dict[str, Raw | None] | UnsetType = UNSET
    if sections is not None:
        shown = {label: None if data is None else Raw(data) for label, data in sections.items()}
    return EventView(
        entry.log_index,
        entry.event_id,
        entry.event_type,
        entry.recorded_at,
        flags,
        Raw(entry.envelope),
        Raw(entry.payload),
        shown,
    )


def registry_entry_view(entry: StoredEntry) -> RegistryEntryView:
    """A mirrored change as it is stored."""
    return RegistryEntryView(entry.log_index, Raw(entry.envelope), Raw(entry.payload))


def case_line(row: dict[str, Any]) -> CaseLine:
    """A row of the read model."""
    return convert(row, CaseLine)


def item_line(row: dict[str, Any]) -> ItemLine:
    """A row of the read model."""
    quantity = {"value": row["quantity"], "unit": row["unit"]}
    return convert({**row, "quantity": quantity, "item_kind": row["kind"]}, ItemLine)


def handover_line(row: dict[str, Any]) -> HandoverLine:
    """A row of the read model."""
    return convert(row, HandoverLine)


def item_view(case_id: str, item: Item) -> ItemView:
    """An item of the case's state."""
    fields = {name: getattr(item, name) for name in ItemView.__struct_fields__ if name not in ("case_id", "item_kind")}
    return ItemView(case_id=case_id, item_kind=item.kind, **fields)


def handover_view(case_id: str, handover: Handover) -> HandoverView:
    """A handover of the case's state."""
    names = [name for name in HandoverView.__struct_fields__ if name not in ("case_id", "items")]
    fields = {name: getattr(handover, name) for name in names}
    return HandoverView(case_id=case_id, items=tuple(handover.items.values()), **fields)


def case_view(row: dict[str, Any], state: CaseState, sight: Sight) -> CaseView:
    """``row`` is the read model's, ``state`` the case at its head."""
    line = case_line(row)
    fields = {name: getattr(line, name) for name in CaseLine.__struct_fields__}
    return CaseView(
        **fields,
        sight=sight,
        procedure=state.procedure,
        agencies=row["agencies"],
        assignments=tuple(AssignmentView(agency, a.department, a.handler) for agency, a in state.assignments.items()),
        head=state.head,
        sequence=state.sequence,
        items=tuple(item_view(state.case_id, item) for item in state.items.values()),
        persons=tuple(state.persons.values()),
        measures=tuple(state.measures.values()),
        handovers=tuple(handover_view(state.case_id, handover) for handover in state.handovers.values()),
        discrepancies=tuple(state.discrepancies.values()),
        custody_changes=tuple(state.custody_changes.values()),
        decisions=tuple(state.decisions.values()),
        links=dict(state.links),
    )
