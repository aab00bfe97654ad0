"""The page of an item: what it is, where it is, who held it on a day, its history, whether in time, and its papers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response

from api.console.cases.case_acts import acts_in_case
from api.console.cases.case_pages import VisibleCase, book_of, read_case, with_split_off
from api.console.cases.evidence_pages import files_on_page
from api.console.shared import clock_views
from api.console.shared.access import Visit, VisitOf, page_router
from api.console.shared.act_fields import subject_of
from api.console.shared.rendering import narrator_of
from api.dependencies import SlugPath
from api.services.case_reading import timeline_builder
from api.services.documents import OfferedPaper, offered_papers
from api.services.evidence_files import item_of
from ledger.core.custody import Item
from ledger.core.events import NAME_OF
from ledger.core.events.item import ItemRegistered
from ledger.core.messages import Message
from ledger.i18n import zone_in_use
from ledger.interchange.papers.events_to_print import events_of
from ledger.timeline.custody_history import CustodyHistory, asked_time, custody_history, own_flags
from ledger.timeline.event_fields import EventField
from ledger.timeline.sentences import EventWords

router = page_router()
# What is stated of the item itself, of its dossier, and of its seizure, each under the field's own label.
_OF_ITEM = (
    *("item_kind", "quantity", "exhibit_number", "seal_number", "seal_state", "condition", "features"),
    *("obtained_from", "account", "money", "particulars", "parent_items"),
)
_OF_DOSSIER = ("volumes", "pages")
_OF_SEIZURE = ("document_number", "seized_at", "officers", "place", "no_witness")
_OTHER_NAMES = {"item_kind": "kind", "parent_items": "parents"}  # what the state calls them

OnField = Annotated[str, Query(max_length=40)]  # what a browser's field for a day has; it may be empty


@router.get("/cases/{case_id}/items/{item_id}")
def item_page(visit: VisitOf, case_id: SlugPath, item_id: SlugPath, on: OnField = "") -> Response:
    """Show the item with its history, and with ``on`` who held it on that day."""
    read_as = Message("item {item_id}", item_id=item_id)
    visible = with_split_off(visit, read_case(visit, case_id, read_as, whole=True))
    item = item_of(visible.state, item_id)
    history = _history(visit, visible, item_id, on)
    clocks = [clock for clock in clock_views.of_case(visit, visible.state) if clock.subject == item_id]
    own_ids = {item_id, *history.came_from_items}
    others = {*visible.state.items, *visible.state.persons} - own_ids
    own = visit.reading.agency
    signs = visible.sight == "party" and not visible.state.closed and own in (item.holder, item.responsible)
    words = narrator_of(visit.service, visit.labels, visible.person_names).words_of(
        NAME_OF[ItemRegistered], visible.state
    )
    return visit.page(
        "cases/item.html",
        **visible._asdict(),
        item=item,
        fields=list(_fields(item, words)),
        steps=history.steps[::-1],
        flags={step.event_id: own_flags(step.flags, own_ids, others) for step in history.steps},
        came_from=history.came_from,
        came_from_items=history.came_from_items,
        answer=history.answer,
        on=on,
        clocks=[clock_views.view_of(clock, visit.labels) for clock in clocks],
        files=files_on_page(visit, visible, item),
        papers=list(_papers(visit, case_id, history)),
        acts=[link for link in acts_in_case(visit) if subject_of(link.act) == "item"] if signs and item.is_live else [],
    )


@router.get("/cases/{case_id}/items/{item_id}/custody")
def item_custody(visit: VisitOf, case_id: SlugPath, item_id: SlugPath, on: OnField) -> Response:
    """Return a part of the item's page: who held it on the day or at the time ``on``."""
    visible = read_case(visit, case_id, Message("custody of item {item_id}", item_id=item_id), whole=True)
    item = item_of(visible.state, item_id)
    history = _history(visit, visible, item_id, on)
    return visit.page("cases/item_custody.html", **visible._asdict(), item=item, answer=history.answer)


def _history(visit: Visit, visible: VisibleCase, item_id: str, on: str) -> CustodyHistory:
    book_of(visit, visible.state)  # a day is one of the zone of its procedure, in which the page shows times
    time = asked_time(on, zone_in_use(), visit.reading.reader.now) if on else None
    timelines = timeline_builder(visit.service, visit.reading, visit.labels, visible.person_names)
    with visit.service.parts.database.read() as connection:
        return custody_history(timelines, connection, visible.state.case_id, ("item", item_id), time)


def _fields(item: Item, words: EventWords) -> Iterator[EventField]:
    """Yield what is stated of the item, in words."""
    parts: tuple[tuple[Any, tuple[str, ...]], ...] = (
        (item, _OF_ITEM),
        (item.dossier, _OF_DOSSIER),
        (item.seizure, _OF_SEIZURE),
    )
    for part, names in parts:
        for name in names:
            value = getattr(part, _OTHER_NAMES.get(name, name), None)
            if value not in (None, (), {}, False):
                yield EventField(words.label(name), words.value(name, value))


def _papers(visit: Visit, case_id: str, history: CustodyHistory) -> Iterator[OfferedPaper]:
    """Yield the papers that the events about the item print."""
    own = {step.event_id for step in history.steps}
    with visit.service.parts.database.read() as connection:
        events = visit.service.histories.of(connection, case_id)
    for printed in events_of(visit.service.parts.validator.states, events, visit.reading.authority.kinds):
        if printed.event.event_id in own:
            yield from offered_papers(printed, visit.labels)
