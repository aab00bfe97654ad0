"""The types that the API answers with, made from stored rows and case states."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from msgspec import UNSET, Raw, Struct, UnsetType

from ledger.core.custody import (
    CaseState,
    CustodyChange,
    Discrepancy,
    Flag,
    Handover,
    Hold,
    Item,
    Letter,
    MeasureState,
    OpenSplit,
    Person,
)
from ledger.core.custody.holds import ObstacleKind
from ledger.core.encoding.decoding import convert
from ledger.core.events.case import DecisionRecorded
from ledger.core.events.handover import OfferedItem, OutlinePoint
from ledger.core.events.item import Collection, Dossier, Seizure
from ledger.core.events.registry import Name
from ledger.core.events.terms import HoldScope, Money, Quantity
from ledger.core.signing.authority import Agency
from ledger.core.visibility import Sight
from ledger.i18n import zone_in_use
from ledger.store.log import StoredEntry, signed_payload


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
    """A stored event: the signed bytes of envelope and payload, and the service's notes on them.

    ``recorded_at`` is in unix milliseconds. ``sections`` are present for readers who may see them; null means erased.
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
    """The fields that every view of a case begins with. The event ``corrected_in`` last corrected its words, if any."""

    case_id: str
    case_number: str
    case_type: str
    business_line: str
    opened_by: str
    opened_at: str
    responsible: str
    stage: str
    corrected_in: str | None


class CaseLine(CaseHeading, frozen=True):
    """A case in a list."""

    closed: bool


class ItemLine(Struct, frozen=True):
    """An item in a list. The event ``corrected_in`` last corrected its words, if any did."""

    item_id: str
    case_id: str
    item_kind: str
    description: str
    quantity: Quantity
    holder: str
    responsible: str
    status: str
    seal_number: str | None
    corrected_in: str | None


class ItemView(ItemLine, frozen=True):
    """An item in its present state.

    ``recorded_from`` is when its registration was signed; ``unrecorded_seconds`` is the time from its seizure until
    then, of which nothing is proven. ``lent_by`` lent it until ``lent_until``; checked out, it is due back at
    ``due_at``. ``left_for`` is the case for which it was split off.
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
    features: str | None
    obtained_from: str | None


class HandoverHeading(Struct, frozen=True):
    """The fields that every view of a handover begins with."""

    case_id: str
    handover_id: str
    from_agency: str
    to_agency: str
    purpose: str
    status: str


class HandoverLine(HandoverHeading, frozen=True):
    """A handover in a list. ``items`` counts the lines of its list; ``updated_index`` is its latest entry."""

    offered_at: str
    answered_at: str | None
    expires_at: str | None
    due_at: str | None
    items: int
    updated_index: int


class HandoverView(HandoverHeading, frozen=True):
    """A handover in its present state, with the sender's list."""

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
    outline: tuple[OutlinePoint, ...]


class LetterLine(Struct, frozen=True):
    """A letter in a list. ``due_at`` is until when an answer is asked for, ``answered_at`` when it was answered.

    An agency is null where that side is a person or somebody outside; ``updated_index`` is the latest entry.
    """

    case_id: str
    letter_id: str
    kind: str
    number: str | None
    from_agency: str | None
    to_agency: str | None
    sent_at: str | None
    received_at: str | None
    due_at: str | None
    answered_at: str | None
    answers: str | None
    updated_index: int


class HoldLine(Struct, frozen=True):
    """A legal hold in a list; it stands while ``released_at`` is null. ``items`` counts the items that it names.

    ``officer`` of ``agency`` placed it. It has stood for so many ``days``, those of the calendar.
    """

    case_id: str
    hold_id: str
    kind: str
    scope: HoldScope
    agency: str
    officer: str
    number: str
    ground: str
    days: int
    placed_at: str
    review_on: str | None
    released_at: str | None
    items: int
    updated_index: int


class ObstacleView(Struct, frozen=True):
    """What stands in the way: a hold, an open handover, an officer or a deadline, and the agency that can remove it."""

    kind: ObstacleKind
    subject: str
    agency: str
    number: str | None


class DueLine(Struct, frozen=True):
    """What is kept until ``last_day``: the case, or the item that is the ``subject``, and what it is due for ``then``.

    ``agency`` has to do it. ``label`` and ``then_label`` are in the requested language. ``obstacles`` stand in the way.
    """

    case_id: str
    deadline_id: str
    subject: str
    clock: str
    label: str
    article: str
    then: str
    then_label: str
    agency: str
    last_day: str
    is_due: bool
    obstacles: tuple[ObstacleView, ...]


class LetterView(Letter, frozen=True, kw_only=True):
    """A letter in its present state, with the procedure that has its words, and the ``event`` that recorded it."""

    case_id: str
    procedure: str
    event: EventView


class AssignmentView(Struct, frozen=True):
    """The department and officer that handle the case in an agency."""

    agency: str
    department: str
    handler: str


class CaseView(CaseHeading, frozen=True):
    """A case in its present state. ``sight`` is how the reader sees it, ``agencies`` has each party's number of it.

    ``procedure`` is the id of the one that judges its acts, ``links`` relates it to other cases. ``open_splits`` gave
    up what no case has taken over yet: its ``persons`` and ``measures`` are among those of this case until then.
    """

    procedure: str
    trial: str | None
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
    letters: tuple[Letter, ...]
    holds: tuple[Hold, ...]
    decisions: tuple[DecisionRecorded, ...]
    links: dict[str, str]
    open_splits: tuple[OpenSplit, ...]


class HeadView(Struct, frozen=True):
    """The position of the next event of a stream: ``sequence`` is its own number, ``head`` its ``previous``."""

    case_id: str
    sequence: int
    head: str


V = TypeVar("V", bound=Struct)


def view_of(kind: type[V], source: object, **fields: Any) -> V:
    """Return a view with these fields, and all others from the attributes of the same names of ``source``."""
    others = {name: getattr(source, name) for name in kind.__struct_fields__ if name not in fields}
    return kind(**others, **fields)


def agency_view(agency: Agency) -> AgencyView:
    """Return the view of an agency."""
    return view_of(AgencyView, agency, name=agency.profile.name, jurisdiction=agency.profile.jurisdiction)


def event_view(entry: StoredEntry, flags: tuple[Flag, ...], sections: dict[str, bytes | None] | None) -> EventView:
    """Return the view of a stored event. ``sections`` None leaves them out.

    Raises IntegrityBroken if the stored payload is not the one that was signed.
    """
    raw_sections: dict[str, Raw | None] | UnsetType = UNSET
    if sections is not None:
        raw_sections = {label: None if data is None else Raw(data) for label, data in sections.items()}
    envelope, payload = Raw(entry.envelope), Raw(signed_payload(entry))
    return view_of(
        EventView, entry, index=entry.log_index, flags=flags, envelope=envelope, payload=payload, sections=raw_sections
    )


def item_line(row: dict[str, Any]) -> ItemLine:
    """Return the line of an item from its row of the read model."""
    quantity = {"value": row["quantity"], "unit": row["unit"]}
    return convert({**row, "quantity": quantity, "item_kind": row["kind"]}, ItemLine)


def hold_line(row: dict[str, Any], now: str) -> HoldLine:
    """Return the line of a hold from its row of the read model, as it is at the instant ``now`` (RFC 3339)."""
    first, last = (zone_in_use().day_of_text(at) for at in (row["placed_at"], row["released_at"] or now))
    return convert(row | {"days": (last - first).days}, HoldLine)


def item_view(case_id: str, item: Item) -> ItemView:
    """Return the view of an item of the case."""
    return view_of(ItemView, item, case_id=case_id, item_kind=item.kind)


def handover_view(case_id: str, handover: Handover) -> HandoverView:
    """Return the view of a handover of the case."""
    return view_of(HandoverView, handover, case_id=case_id, items=tuple(handover.items.values()))


def letter_view(case_id: str, letter: Letter, *, procedure: str, event: EventView) -> LetterView:
    """Return the view of a letter of the case."""
    return view_of(LetterView, letter, case_id=case_id, procedure=procedure, event=event)


def case_view(row: dict[str, Any], state: CaseState, sight: Sight, open_splits: Iterable[OpenSplit]) -> CaseView:
    """Return the view of a case from its row of the read model, its latest state and its splits that are open."""
    heading = {name: row[name] for name in CaseHeading.__struct_fields__}
    lists = ("persons", "measures", "discrepancies", "custody_changes", "letters", "holds", "decisions")
    return view_of(
        CaseView,
        state,
        **heading,
        **{name: tuple(getattr(state, name).values()) for name in lists},
        closed=row["closed"],
        sight=sight,
        agencies=row["agencies"],
        assignments=tuple(AssignmentView(agency, a.department, a.handler) for agency, a in state.assignments.items()),
        items=tuple(item_view(state.case_id, item) for item in state.items.values()),
        handovers=tuple(handover_view(state.case_id, handover) for handover in state.handovers.values()),
        links=dict(state.links),
        open_splits=tuple(open_splits),
    )
