"""Noticing: follows the log and the warnings, and stores a notice for each agency or officer that something is new for.

How far it has come is stored with the notices in one transaction, so a service that was killed goes on where it was,
and of several processes none stores a notice twice. Submissions never wait for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ledger.core.custody import CaseState, Handover
from ledger.core.custody.references import look_up
from ledger.core.errors import TallystickError, Unavailable
from ledger.core.events import NAME_OF, Event
from ledger.core.events.case import CaseAssigned
from ledger.core.events.handover import (
    DiscrepancyRaised,
    DiscrepancyResolved,
    HandoverAccepted,
    HandoverOffered,
    HandoverRecalled,
    HandoverRefused,
    HandoverReturned,
)
from ledger.core.events.letter import LetterSent
from ledger.core.events.supervision import LeadAnswered, LeadAssigned, LeadTransferred, RecommendationEscalated
from ledger.core.supervision import LeadState, RecommendationState
from ledger.loggers import get_logger
from ledger.notices.wording import TOPIC_OF
from ledger.recording.validation import Validator
from ledger.store import log, notices
from ledger.store.database import Connection, Database
from ledger.store.log import StoredEntry
from ledger.store.notice_tables import Notice
from ledger.store.notices import NoticePosition

AT_ONCE = 500  # most entries, and most warnings, of one transaction
KEPT_MS = 90 * 24 * 3600 * 1000  # milliseconds after which a notice is forgotten
_NEW_TO_SOMEBODY = frozenset(TOPIC_OF) & frozenset(NAME_OF.values())  # event types

logger = get_logger(__name__)


def notice(database: Database, validator: Validator, now_ms: int) -> int:
    """Store the notices of everything recorded by now (``now_ms``, unix milliseconds) and return how many.

    Those that have become too old are forgotten.
    """
    stored = 0
    while (step := _step(database, validator)) is not None:
        stored += step
    if stored:
        notices.forget_before(database, now_ms - KEPT_MS)
    return stored


def _step(database: Database, validator: Validator) -> int | None:
    """Store a part of what is new and return how many notices; None once there is nothing more to look at."""
    with database.read() as connection:
        before = notices.position(connection)
        last = log.tree(connection).size - 1
        entries = log.entries_behind(connection, before.log_index, _NEW_TO_SOMEBODY, AT_ONCE)
        warned = notices.of_warnings(connection, before.warning, AT_ONCE)
        # A page that is not full has looked at everything that this snapshot has.
        end = entries[-1].log_index if len(entries) == AT_ONCE else last
        after = NoticePosition(end, warned[-1][0] if warned else before.warning)
        if (after.log_index, after.warning) == (before.log_index, before.warning):
            return None
        new = [each for entry in entries for each in _of_entry(connection, validator, entry)]
    new += [each for _, each in warned]
    # Where another process was faster, the next step goes on from where that one came to.
    return len(new) if notices.store(database, before, new, after) else 0


def _of_entry(connection: Connection, validator: Validator, entry: StoredEntry) -> Iterator[Notice]:
    """Yield the notices of an entry."""
    try:
        event = log.event_of(entry)
        if entry.stream_kind == "case":
            state = validator.states.of_listed_case(entry.stream_id)
            happened = _of_case(state, event)
        else:
            happened = _of_supervision(connection, validator, entry, event)
        own = {"made_at": entry.recorded_at, "by_agency": entry.agency}
        for kind, fields in happened:
            yield Notice(**{"topic": TOPIC_OF[kind], "kind": kind, **own, **fields})
    except Unavailable:  # the database does not answer now: the entry is looked at again
        raise
    except TallystickError as error:  # an audit reports what is wrong with the stream, and so does the next act in it
        logger.warning("no notice of an entry", index=entry.log_index, reason=error.for_operator)
    except (AssertionError, AttributeError, LookupError, TypeError, ValueError):  # none of these is of the database
        logger.exception("no notice of an entry for a reason that nobody foresaw", index=entry.log_index)


COUNTED = "discrepancy.counted"  # one that a stocktake raises
CLAIMED = "discrepancy.claimed"  # one that a stocktake raises, and that whoever counted resolves alone
NO_HANDOVER = ""  # in the place of a handover's id: of a difference that a stocktake raises
Happenings = Iterator[tuple[str, dict[str, Any]]]  # what happened, and the fields of the notice of it


def _of_case(state: CaseState, event: Event) -> Happenings:
    """Yield whom the event of a case is new for. ``state`` is the case as it is by now."""
    for kind, fields in _in_case(state, event):
        yield kind, fields | {"case_id": state.case_id}


def _in_case(state: CaseState, event: Event) -> Happenings:
    kind = event.event_type
    match event.body:
        case HandoverOffered() | HandoverReturned() | HandoverRecalled() as body:
            handover = state.handover(body.handover_id)
            yield kind, _of_handover(handover, handover.to_agency) | {"until": handover.expires_at}
        case HandoverRefused() as body:
            handover = state.handover(body.handover_id)
            yield kind, _of_handover(handover, handover.from_agency) | {"until": handover.due_at}
        case HandoverAccepted() as body:
            handover = state.handover(body.handover_id)
            yield kind, _of_handover(handover, handover.from_agency)
            # What its lines state is opened by the acceptance itself.
            stated = (f"{body.handover_id}/{item_id}" for item_id in handover.items)
            if any(difference in state.discrepancies for difference in stated):
                yield NAME_OF[DiscrepancyRaised], _of_handover(handover, handover.from_agency)
        case DiscrepancyRaised() | DiscrepancyResolved() as body:
            difference = look_up(state.discrepancies, body.discrepancy_id, "discrepancy")
            # The other side is asked for its signature; if it has signed the same, it is told that this is over.
            # Of a stocktake both sides may be one agency: then another officer of it signs.
            for agency in set(difference.parties) - {event.agency} or set(difference.parties):
                of_kind = kind
                if difference.stocktake_id is not None and isinstance(body, DiscrepancyRaised):
                    of_kind = COUNTED if difference.claimed_by in (None, agency) else CLAIMED
                yield of_kind, {"agency": agency, "subject": difference.handover_id or NO_HANDOVER}
        case LetterSent(to_agency=str() as agency) as body:
            which = kind if body.answers is None else "letter.answered"
            yield which, {"agency": agency, "subject": body.letter_id, "word": body.kind, "until": body.due_at}
        case CaseAssigned(handler=handler) if handler != event.officer:
            yield kind, {"agency": event.agency, "officer": handler, "subject": state.case_id}


def _of_handover(handover: Handover, agency: str) -> dict[str, Any]:
    return {"agency": agency, "subject": handover.handover_id, "word": handover.purpose}


def _of_supervision(connection: Connection, validator: Validator, entry: StoredEntry, event: Event) -> Happenings:
    """Yield whom the event about a lead or a recommendation is new for."""
    kind, state = event.event_type, validator.supervision_state(connection, entry.stream_id)
    if isinstance(state, RecommendationState):
        subject = {"subject": state.issued.recommendation_id, "word": state.issued.kind}
        others = {state.supervising, state.issued.to_agency}
        if isinstance(event.body, RecommendationEscalated):
            others.add(event.body.to_agency)
        for agency in others - {event.agency, None}:
            yield kind, {"agency": agency, **subject}
    if not isinstance(state, LeadState):
        return
    subject = {"subject": state.lead_id}
    match event.body:
        case LeadAssigned(handler=handler):
            if handler != event.officer:
                yield kind, {"agency": event.agency, "officer": handler, **subject}
            first = log.stream(connection, "supervision", entry.stream_id, event_type=kind, limit=1)
            if first[0].log_index == entry.log_index:
                yield "lead.notified", {"agency": state.raised.supervised, **subject}
        case LeadTransferred(to_agency=agency):
            yield kind, {"agency": agency, **subject}
        case LeadAnswered():
            yield kind, {"agency": state.supervising, "officer": state.handler, **subject}
