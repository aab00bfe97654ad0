"""What a case asks of the reader's agency now: its tasks, each with the page of its form, and what waits for others.

All follow from the case's state: open offers, differences, changes of custody, letters, disposals and running clocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from api.console.shared import clock_views
from api.console.shared.access import Visit
from api.console.shared.act_fields import subject_of
from api.console.shared.clock_views import ClockView
from ledger.core.custody import CaseState, CustodyChange, Discrepancy, Handover, Item, OpenSplit
from ledger.core.custody.due_dates import Deadline
from ledger.core.custody.erasures import may_erase
from ledger.core.encoding.instants import spelled
from ledger.core.events import EVENT_TYPES, NAME_OF
from ledger.core.events.item import ItemDisposed
from ledger.core.events.record import SectionErased
from ledger.core.procedure.clock_periods import Clock
from ledger.store import cases
from ledger.timeline.sentences import sides_by_field

BAR_CLOSING = ("yours_to_answer", "not_answered", "discrepancy")
# The act that is the fact by which a clock stops; that of a word, such as a kind of decision, is asked for with it.
_ACTS_OF_FACTS = {
    "measure": "measure.imposed",
    "measure_ended": "measure.lifted",
    "released": "measure.lifted",
    "decided": "decision.recorded",
    "served": "decision.recorded",
    "letter_sent": "letter.sent",
    "letter_received": "letter.filed",
    "frozen": "item.frozen",
    "freeze_renewed": "item.freeze_renewed",
    "unfrozen": "item.unfrozen",
    "checked_out": "item.checked_out",
    "checked_in": "item.checked_in",
    "disposed": "item.disposal_proposed",
}
_OFFERS = ("offered", "returned", "given_back", "lent", "remedy_met")
_ANSWERS = ("offer_answered", "accepted", "refused", "received", "delivered")


class CaseBlock(NamedTuple):
    """The kind of block, and the values in its sentence.

    ``act`` is the act of the reader's agency that removes it, done to ``of``; None if another agency must act.
    """

    kind: str
    values: dict[str, Any]
    act: str | None = None
    of: str | None = None

    @property
    def path(self) -> str | None:
        """Return the page, below the case's, on which the reader's agency removes it."""
        if self.kind == "yours_to_answer":
            return f"handovers/{self.values['handover_id']}"
        return None if self.act is None else f"acts/{self.act}?of={self.of}"


def blocks(state: CaseState, agency: str, officer: str) -> Iterator[CaseBlock]:
    """Yield what blocks the agency, with the act by which its officer removes it, if he may."""
    if state.closed:
        return
    for handover in state.handovers.values():
        if handover.is_open:
            kind = "yours_to_answer" if handover.to_agency == agency else "not_answered"
            values = {"handover_id": handover.handover_id, "agency": handover.to_agency, "since": handover.offered_at}
            yield CaseBlock(kind, values | {"sender": handover.from_agency, "purpose": handover.purpose})
    for difference in state.discrepancies.values():
        if not difference.is_resolved:
            # Both may be one agency, of which another officer signs.
            missing = [party for party in dict.fromkeys(difference.parties) if party not in difference.resolutions]
            claimed_by = difference.claimed_by  # whose signature alone ends it
            own = {"item_id": difference.item_id, "agency": ", ".join(missing), "claimed_by": claimed_by}
            act = "resolve" if may_resolve(difference, agency, officer) else None
            yield CaseBlock("discrepancy", own | sides_by_field(difference), act, difference.discrepancy_id)
    for change in state.custody_changes.values():
        if change.served_at is None:
            values = {"agency": change.keeper, "person_id": change.person_id}
            act = "serve-custody" if change.keeper == agency else None
            yield CaseBlock("custody_change", values, act, change.custody_change_id)
    for clock in changes_due(state, agency):
        yield CaseBlock("custody_change_due", {"person_id": clock.subject}, "request-custody", clock.subject)
    if state.responsible == agency and not free_items(state, agency):
        yield CaseBlock("nothing_held", {})


def may_resolve(difference: Discrepancy, agency: str, officer: str) -> bool:
    """Return whether the officer's agency may sign next: it has not signed, or the two have signed different words.

    What one agency claims alone, no other one's signature ends.
    """
    if agency not in difference.parties or difference.is_resolved or not difference.may_be_resolved_by(officer):
        return False
    if difference.claimed_by is not None:
        return difference.claimed_by == agency
    return agency not in difference.resolutions or len(difference.resolutions) == len(difference.parties)


def changes_due(state: CaseState, agency: str) -> list[Clock]:
    """Return the clocks of the detained persons whose change of custody the agency has yet to request."""
    return [
        clock
        for clock in state.clocks.marked("running")
        if (clock.name, clock.agency) == ("custody_change", agency)
        and not any(
            change.requested_by == agency for change in state.custody_changes.marked(f"unserved/{clock.subject}")
        )
    ]


def changes_to_serve(state: CaseState, agency: str) -> list[CustodyChange]:
    """Return the changes of custody that wait for the agency, a keeper."""
    return [change for change in state.custody_changes.values() if change.served_at is None and change.keeper == agency]


def free_items(state: CaseState, agency: str) -> list[Item]:
    """Return the items that the agency could offer now: it holds them, they are in store and not offered."""
    return [item for item in state.items.values() if (item.holder, item.status, item.offer) == (agency, "held", None)]


class CaseTask(NamedTuple):
    """What the reader's agency has to do, the values in its sentence, and the page of its form below the case's.

    ``clock`` runs against it, if one does. One that ``comes_later`` has more than a week.
    """

    kind: str
    values: dict[str, Any]
    path: str
    clock: ClockView | None = None
    comes_later: bool = False

    @property
    def order(self) -> tuple[bool, str]:
        """Return by what tasks are put in order: what is overdue, what has no time, and then by what ends first."""
        if self.clock is None or self.clock.due_at is None:
            return True, ""
        return self.clock.colour != "bad", spelled(self.clock.due_at)


class CaseAgenda(NamedTuple):
    """What is to be done in a case now, what is due in more than a week, and what waits for other agencies."""

    now: list[CaseTask]
    later: list[CaseTask]
    for_others: list[CaseBlock]


def agenda(visit: Visit, state: CaseState, *, looks_on: bool) -> CaseAgenda:
    """Return what the case asks for: of a closed one only to take over what was split off, and nothing of a reader who
    only ``looks_on``."""
    own, states = visit.reading.agency, visit.service.parts.validator.states
    blocking = list(blocks(state, own, visit.reading.session.grant.officer))
    for_others = [block for block in blocking if block.path is None]
    due = clock_views.of_case(visit, states.shown(state))
    splits = [] if looks_on else states.splits_to_take_over(state.case_id, own)
    # Whoever split it off takes it over, also of a case that is closed or another agency's by now.
    of_splits = [_of_split(visit, state, split, due) for split in splits]
    if state.splits:
        with visit.service.parts.database.read() as connection:
            others = [split for split in cases.open_splits(connection, [state.case_id]) if split not in splits]
        for_others += [CaseBlock("open_split", {"split": split}) for split in others]
    if state.closed or looks_on:
        return CaseAgenda(of_splits, [], for_others)
    tasks = {block.path: CaseTask(block.kind, block.values, block.path) for block in blocking if block.path}
    for task in (*_of_handovers(visit, state), *_of_letters(state, own), *_of_items(visit, state)):
        tasks.setdefault(task.path, task)
    if splits:
        tasks.pop("acts/close", None)
    of_clocks = []
    for deadline in due:
        clock = state.clocks.get(deadline.deadline_id)
        if clock is None:  # of somebody who is split off: nothing stops it before he is taken over
            continue
        ends_without_lateness = clock.rule.at_end is not None or clock.rule.retains
        if deadline.agency != own or deadline.status not in ("running", "overdue") or ends_without_lateness:
            continue
        path, view = _path_of(visit, state, clock), clock_views.view_of(deadline, visit.labels)
        if path in tasks and tasks[path].clock is None:
            tasks[path] = tasks[path]._replace(clock=view)
        else:
            of_clocks.append(CaseTask("clock", {}, path, view, _comes_later(deadline)))
    ordered = sorted((*of_splits, *tasks.values(), *of_clocks), key=lambda task: task.order)
    now = [task for task in ordered if not task.comes_later]
    return CaseAgenda(now, [task for task in ordered if task.comes_later], for_others)


def _of_split(visit: Visit, state: CaseState, split: OpenSplit, due: list[Deadline]) -> CaseTask:
    """Return the task to take over what was split off, with the clock of it that ends first."""
    given_up = {clock.deadline_id for clock in state.splits[split.event_id].clocks}
    first = next((each for each in due if each.deadline_id in given_up and each.due_at is not None), None)
    view = None if first is None else clock_views.view_of(first, visit.labels)
    return CaseTask("open_split", {"split": split}, f"events/{split.event_id}", view)


def _comes_later(deadline: Deadline) -> bool:
    return deadline.days_left is not None and deadline.days_left > clock_views.NEAR


def _of_handovers(visit: Visit, state: CaseState) -> Iterator[CaseTask]:
    """Yield the agency's own offers that expired unanswered, and what came back to it to be mended or completed."""
    own, now = visit.reading.agency, visit.reading.reader.now
    resumed = {handover.follows for handover in state.handovers.values() if handover.follows}
    for handover in state.handovers.values():
        of_it = {"handover_id": handover.handover_id, "purpose": handover.purpose}
        if handover.is_open and handover.from_agency == own and handover.is_over(now):
            values = of_it | {"agency": handover.to_agency, "at": handover.expires_at or ""}
            yield CaseTask("expired", values, f"handovers/{handover.handover_id}")
        is_refused = handover.status == "refused" and handover.from_agency == own
        is_returned = handover.is_accepted and handover.to_agency == own and _can_be_completed(state, handover)
        if (is_refused or is_returned) and handover.handover_id not in resumed:
            sender = handover.to_agency if is_refused else handover.from_agency
            answer = {"reason_code": handover.reason_code or "", "remedy": handover.remedy or ""}
            values = of_it | answer | {"agency": sender, "due_at": handover.due_at or ""}
            kind = "refused" if is_refused else "returned"
            yield CaseTask(kind, values, f"offer?follows={handover.handover_id}")


def _can_be_completed(state: CaseState, handover: Handover) -> bool:
    """Tell whether the handover returns something that can be offered again; a loan that came back is at its end."""
    if handover.returns is None:
        return False
    lent = state.handovers[handover.returns]
    if lent.due_at is not None and not lent.moves_responsibility:
        return False
    things = (state.items[item_id] for item_id in handover.items)
    return handover.moves_case or bool(handover.person_ids) or any(item.is_live for item in things)


def _of_letters(state: CaseState, own: str) -> Iterator[CaseTask]:
    """Yield the letters that wait for the agency's receipt, or for the answer that they ask for."""
    for letter in state.letters.values():
        is_due = letter.due_at is not None and letter.answered_at is None
        if letter.to_agency == own and (letter.received_at is None or is_due):
            values = {"kind": letter.kind, "number": letter.number or "", "due_at": letter.due_at or ""}
            kind = "letter_to_receive" if letter.received_at is None else "letter_to_answer"
            yield CaseTask(kind, values, f"letters/{letter.letter_id}")


def _of_items(visit: Visit, state: CaseState) -> Iterator[CaseTask]:
    """Yield what waits for a second signature, what is out too long, and what begins and ends a case."""
    own, now, session = visit.reading.agency, visit.reading.reader.now, visit.reading.session
    may_sign_second = session.has_role(*EVENT_TYPES[NAME_OF[ItemDisposed]].roles)
    for proposal in state.proposals.values():
        is_for_us = proposal.agency == own and proposal.officer != session.grant.officer
        if is_for_us and may_sign_second and any(state.items[item_id].is_live for item_id in proposal.item_ids):
            values = {"item_id": proposal.item_ids[0], "disposal": proposal.disposal, "officer": proposal.officer}
            yield CaseTask("disposal", values, f"acts/item.disposed?of={proposal.event.event_id}")
    signs_second = session.has_role(*EVENT_TYPES[NAME_OF[SectionErased]].roles)
    for erasure in state.erasures.values():
        concerns = erasure.concerns.event_id
        is_for_us = erasure.agency == own and erasure.officer != session.grant.officer
        if is_for_us and signs_second and may_erase(state, concerns, own):
            values = {"concerns": concerns, "label": erasure.label, "officer": erasure.officer}
            yield CaseTask("erasure", values, f"acts/section.erased?of={erasure.event.event_id}")
    for item in state.items.values():
        if item.holder == own and item.checked_out_to and item.due_at and item.due_at < now:
            values = {"item_id": item.item_id, "officer": item.checked_out_to, "at": item.due_at}
            yield CaseTask("checked_out", values, f"acts/item.checked_in?of={item.item_id}")
    if state.responsible != own:
        return
    if not state.items:
        yield CaseTask("first_item", {}, "items/new")
    elif not any(item.is_live for item in state.items.values()) and not any(state.clocks.marked("running")):
        yield CaseTask("close", {}, "acts/close")


def _path_of(visit: Visit, state: CaseState, clock: Clock) -> str:
    """Return the page of the act that stops the clock: of the first fact of its row that there is a page for."""
    for stop in clock.rule.stops:
        fact, _, word = stop.partition(".")
        if (act := _ACTS_OF_FACTS.get(fact)) is not None:
            return f"acts/{act}" + _asked(_subject(state, clock, act), word if fact != "measure_ended" else "")
        if fact == "custody_changed":
            return f"acts/request-custody?of={clock.subject}"
        if fact in _OFFERS:
            follows = clock.handover_id if fact == "remedy_met" else None
            return f"offer?follows={follows}" if follows else f"offer?purpose={word}" if word else "offer"
        if fact in _ANSWERS:
            open_offers = state.handovers.marked("open")
            to_us = [offer for offer in open_offers if offer.to_agency == visit.reading.agency]
            if to_us:
                return f"handovers/{to_us[0].handover_id}"
    return "acts"


def _subject(state: CaseState, clock: Clock, act: str) -> str | None:
    """Return the id of what the act is about, if the clock's subject says which: the person, item or measure."""
    match subject_of(act):
        case "person" if clock.subject in state.persons:
            return clock.subject
        case "item" if clock.subject in state.items:
            return clock.subject
        case "measure":
            held = state.measures.marked(f"person/{clock.subject}")
            return next((measure.measure_id for measure in held if measure.ended_at is None), None)
    return None


def _asked(of: str | None, kind: str) -> str:
    """Return the query of a form that is about ``of``, and of this ``kind``."""
    parts = [f"{name}={value}" for name, value in (("of", of), ("kind", kind)) if value]
    return f"?{'&'.join(parts)}" if parts else ""
