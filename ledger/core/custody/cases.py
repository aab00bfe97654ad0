"""Rules for the case itself, its persons, changes of custody, decisions and the record."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec import Struct
from msgspec.structs import replace

from ledger.core.custody import clocks, holds
from ledger.core.custody.letters import with_answer
from ledger.core.custody.measures import (
    measure_of,
    require_can_be_locked_up,
    require_measure,
    with_keeping,
    with_measures,
)
from ledger.core.custody.particulars import require_particulars
from ledger.core.custody.references import look_up, require_distinct, require_known, require_new
from ledger.core.custody.state import (
    CLOSED,
    Act,
    Assignment,
    CaseState,
    CustodyChange,
    Handover,
    Item,
    Person,
    Split,
    refuse_gone,
    rule,
)
from ledger.core.custody.triggers import in_custody
from ledger.core.encoding.instants import instant_text
from ledger.core.errors import refuse
from ledger.core.events import Body, case, record
from ledger.core.events.terms import EventRef, Stage
from ledger.core.messages import Message


def begun(act: Act, body: case.CaseOpened | case.CaseTakenOver) -> CaseState:
    """Return the state at sequence 0."""
    return opened(act, body) if isinstance(body, case.CaseOpened) else taken_over(act, body)


def opened(act: Act, body: case.CaseOpened) -> CaseState:
    """Return the state at sequence 0. Items and persons of a cited split are taken in with their history."""
    state = _first_state(act, body)
    return state if body.split_from is None else _take_in(state, act, body.split_from, field="split_from")


def _first_state(act: Act, body: case.CaseOpened | case.CaseTakenOver) -> CaseState:
    _require_not_closed(body.stage)
    return CaseState(
        case_id=act.event.stream.id,
        procedure=body.procedure,
        judged_by=act.book.digest,
        case_type=body.case_type,
        business_line=body.business_line,
        opened_by=act.agency,
        opened_at=act.event.occurred_at,
        responsible=act.agency,
        stage=body.stage,
        trial=next(reversed(act.book.trials), None),
        head=act.event.leaf_hash,
        sequence=0,
        last_occurred_at=act.event.occurred_at,
        agencies=frozenset((act.agency,)),
        numbers={act.agency: body.case_number},
        stated_in=act.words_source(),
        numbered_in={act.agency: act.event.event_id},
    )


def taken_over(act: Act, body: case.CaseTakenOver) -> CaseState:
    """Return the state at sequence 0 of a case that was under way elsewhere, as its source states it."""
    state = _first_state(act, body)
    others = {line.agency: line.case_number for line in body.numbers}
    state = replace(
        state,
        opened_at=body.opened_at or state.opened_at,
        trial=body.trial or state.trial,
        numbers=others | state.numbers,
        taken_over_as_of=body.as_of or act.event.occurred_at,
        taken_over_at=instant_text(act.event.signed_at),
    )
    require_distinct([line.person_id for line in body.persons], "person", field="persons")
    require_distinct([line.measure_id for line in body.measures], "measure", field="measures")
    require_distinct([line.handover_id for line in body.handovers], "handover", field="handovers")
    for line in body.persons:
        role = act.book.persons[line.role]
        stage, trial = line.stage or state.stage, line.trial or state.trial
        person = Person(line.person_id, line.role, act.agency, stage, trial, role.accused, line.kept_for, role.is_unit)
        state = state.with_persons(person)
    for number, stated in enumerate(body.measures):
        state.person(stated.person_id, field=f"measures[{number}].person_id")
        clocks.require_not_before(
            stated.ended_at or stated.started_at, stated.started_at, f"measures[{number}].ended_at"
        )
        require_can_be_locked_up(state, act, stated.person_id, stated.measure, f"measures[{number}].measure")
        state = with_measures(state, measure_of(act, stated.measure_id, stated.person_id, stated, stated.ended_at))
    for line in body.persons:
        state = with_keeping(state, act, line.person_id)
    for number, earlier in enumerate(body.handovers):
        require_known(state.persons, earlier.person_ids, "person", field=f"handovers[{number}].person_ids")
        state = state.with_handover(_accepted_before(state, act, earlier))
    return clocks.stated(state, act, body)


def _accepted_before(state: CaseState, act: Act, stated: case.HandoverTakenOver) -> Handover:
    """Return a handover of before the ledger: by whom it was offered is not known."""
    stage = stated.stage or state.stage
    moves_responsibility = act.book.purposes[stated.purpose].moves == "responsibility"
    return Handover(
        handover_id=stated.handover_id,
        from_agency=stated.from_agency,
        to_agency=stated.to_agency,
        purpose=stated.purpose,
        stage=stage,
        offered_by="",
        offered_at=stated.received_at,
        items={},
        person_ids=stated.person_ids,
        moves_case=moves_responsibility,
        moves_responsibility=moves_responsibility,
        stages=dict.fromkeys(stated.person_ids, stage),
        status="accepted",
        answered_at=stated.received_at,
        received_at=stated.received_at,
    )


def _require_not_closed(stage: Stage) -> None:
    if stage == CLOSED:
        refuse("not_a_closing", "a case is closed by case.closed only", field="body.stage", hint="Sign case.closed.")


@rule(case.CaseOpened, case.CaseTakenOver)
def begun_twice(state: CaseState, act: Act, body: Body) -> CaseState:
    """Refuse (already_opened) opening or taking over a case that the ledger has."""
    refuse("already_opened", "case {state.case_id} is open already", state=state, field="sequence")


@rule(case.CaseNumbered)
def numbered(state: CaseState, act: Act, body: case.CaseNumbered) -> CaseState:
    """Record the signing agency's own number of the case."""
    return replace(
        state,
        numbers=state.numbers | {act.agency: body.case_number},
        numbered_in=state.numbered_in | {act.agency: act.event.event_id},
    )


@rule(case.CaseLinked)
def linked(state: CaseState, act: Act, body: case.CaseLinked) -> CaseState:
    """Link the case to another one. Refuses (same_case) a link to itself."""
    # A link to itself would say nothing, and make every walk along links a circle.
    if body.other_case_id == state.case_id:
        refuse("same_case", "a case is not linked to itself", field="body.other_case_id")
    return replace(state, links=state.links | {body.other_case_id: body.relation})


@rule(case.CaseSplit)
def split(state: CaseState, act: Act, body: case.CaseSplit) -> CaseState:
    """Let items and persons leave for a new case, persons with their measures and clocks. Custody does not change.

    Refuses what is on an open offer.
    """
    require_responsible(state, act)
    if body.new_case_id == state.case_id:
        refuse("same_case", "a case is not split into itself", field="body.new_case_id")
    # An id that stands twice would be taken over twice by the other case.
    require_distinct(body.item_ids, "item", field="item_ids")
    require_distinct(body.person_ids, "person", field="person_ids")
    items: list[Item] = []
    for item_id in body.item_ids:
        items.append(require_free(state, item_id, field="item_ids"))
        require_responsible_for(items[-1], item_id, act, field="item_ids")
    # The events that stated and corrected their words stay in this case: the other one has the words as they are now.
    going = tuple(replace(item, stated_in=None, corrected_in=None) for item in items)
    persons = tuple(_require_not_offered(state, person_id) for person_id in body.person_ids)
    leaving = body.person_ids
    # Measures and running clocks go along, so that no time that has run is lost by a split.
    measures = [measure for person_id in leaving for measure in state.measures.marked(f"person/{person_id}")]
    ticking = [clock for subject in (*leaving, *body.item_ids) for clock in clocks.running(state, subject)]
    given_up = Split(
        event=act.event.ref,
        occurred_at=act.event.occurred_at,
        agency=act.agency,
        new_case_id=body.new_case_id,
        items=going,
        persons=persons,
        measures=tuple(measures),
        clocks=tuple(ticking),
        holds=holds.held_along(state, items),
    )
    return replace(
        state.with_items(*(replace(item, status="left", left_for=body.new_case_id) for item in items)),
        persons=state.persons.without(leaving),
        measures=state.measures.without(measure.measure_id for measure in measures),
        clocks=state.clocks.without(clock.deadline_id for clock in ticking),
        splits=state.splits | {given_up.event.event_id: given_up},
    )


def with_split_off(state: CaseState, event_ids: Collection[str]) -> CaseState:
    """Return the case with the persons, measures and clocks that these of its splits gave up, as they were then.

    Until another case has taken them over, they are shown here, and their time runs here.
    """
    for split in state.splits.values():
        if split.event.event_id in event_ids:
            left_for = split.new_case_id
            persons = {p.person_id: replace(p, left_for=left_for) for p in split.persons}
            measures = {m.measure_id: replace(m, left_for=left_for) for m in split.measures}
            # What has one of these ids by now is shown as it is now.
            state = replace(
                state,
                persons=state.persons | {key: persons[key] for key in persons if key not in state.persons},
                measures=state.measures | {key: measures[key] for key in measures if key not in state.measures},
                clocks=state.clocks | {clock.deadline_id: clock for clock in split.clocks},
            )
    return state


def _require_not_offered(state: CaseState, person_id: str) -> Person:
    person = state.person(person_id, field="person_ids")
    for handover in state.handovers.marked("open"):
        if person_id in handover.person_ids or (handover.moves_case and person in state.persons_going(handover)):
            refuse(
                "already_offered",
                "person {person_id} stands in the open handover {handover.handover_id}",
                person_id=person_id,
                handover=handover,
                field="body.person_ids",
            )
    return person


class OpenSplit(Struct, frozen=True):
    """Persons and items, as many as these, that a case gave up for another one, which has not taken them over.

    ``event_id`` is the split's, which ``agency`` signed.
    """

    event_id: str
    case_id: str
    new_case_id: str
    agency: str
    persons: int
    items: int

    @property
    def next_step(self) -> Message:
        """Return what the agency that signed the split does next."""
        return Message(
            "Until it is taken over, its clocks run on in case {split.case_id}, and nothing about it is recorded. "
            "Who split it off takes it over: tally case open --case-id {split.new_case_id} "
            "--split-from {split.event_id}; or, if that case is open, "
            "tally case join {split.new_case_id} {split.case_id} --cites {split.event_id}.",
            split=self,
        )


@rule(case.CaseJoined)
def joined(state: CaseState, act: Act, body: case.CaseJoined) -> CaseState:
    """Take over what another case's split gave up; refuse all but the responsible agency."""
    require_responsible(state, act)
    return _take_in(state, act, body.cites, field="cites", other_case_id=body.other_case_id)


def _take_in(state: CaseState, act: Act, cited: EventRef, *, field: str, other_case_id: str | None = None) -> CaseState:
    """Take over the items, persons, measures and clocks that the cited split gave up.

    ``act.source`` is the other case as of that event. Only the agency that signed the split may cite it. A foreign
    split gets the same refusal as an event that does not exist, so that the refusal reveals nothing.
    """
    source = act.source
    split = source.splits.get(cited.event_id) if source else None
    if (
        source is None
        or split is None
        or other_case_id not in (None, source.case_id)
        or (split.event, split.agency, split.new_case_id) != (cited, act.agency, state.case_id)
    ):
        refuse(
            "no_such_split",
            "id and digest cited are of no split by your agency for this case",
            field=f"body.{field}",
            hint="The agency that signed case.split opens the new case, or joins it to one that it answers for.",
        )
    # Cited a second time, a split would bring back things that have gone on their way since.
    if cited.event_id in state.joined_splits:
        refuse("already_taken_over", "what the split cited gave up stands in this case already", field=f"body.{field}")
    require_can_take_over(state, source, split, field=field)
    # Who holds a thing of the case is a party of it, and may act on that thing here too.
    holders = frozenset(agency for item in split.items for agency in (item.holder, item.responsible))
    return replace(
        holds.with_holds(state, split.holds).with_items(*split.items),
        agencies=state.agencies | holders,
        persons=state.persons | {person.person_id: person for person in split.persons},
        measures=state.measures | {measure.measure_id: measure for measure in split.measures},
        clocks=state.clocks | {clock.deadline_id: clock for clock in clocks.transferred(split.clocks, act)},
        joined_splits=state.joined_splits | {cited.event_id},
    )


def require_can_take_over(state: CaseState, source: CaseState, split: Split, *, field: str) -> None:
    """Refuse that the case takes over what a split of another one, the ``source``, gave up.

    It is so if another agency answers for it, it is of another procedure, or has other things of the same ids.
    """
    if state.responsible != split.agency:
        refuse(
            "not_responsible",
            "{split.agency} does not answer for case {state.case_id}, and could take over nothing in it",
            split=split,
            state=state,
            field=f"body.{field}",
            hint="Take a new id for a new case.",
        )
    # What comes here has the words of its procedure, which another one need not have.
    if source.procedure != state.procedure:
        refuse(
            "other_procedure",
            "case {source.case_id} is of the procedure {source.procedure}",
            source=source,
            field=f"body.{field}",
            hint="What is split off goes into a case of the same procedure.",
        )
    for item in split.items:
        existing = state.items.get(item.item_id)
        # An item that left this case by a split may come back to it.
        if existing is not None and existing.status != "left":
            require_new(state.items, item.item_id, "item", field=field)
    for measure in split.measures:
        require_new(state.measures, measure.measure_id, "measure", field=field)


def opened_by(source: CaseState, *splits: Split) -> CaseState:
    """Return the case that these splits of the ``source`` open, as far as ``require_can_take_over`` asks.

    They are for one case, and by one agency.
    """
    items = {item.item_id: item for split in splits for item in split.items}
    measures = {measure.measure_id: measure for split in splits for measure in split.measures}
    return replace(
        source,
        case_id=splits[0].new_case_id,
        responsible=splits[0].agency,
        items=source.items.without(source.items) | items,
        measures=source.measures.without(source.measures) | measures,
    )


@rule(case.CaseAssigned)
def assigned(state: CaseState, act: Act, body: case.CaseAssigned) -> CaseState:
    """Record the signing agency's assignment; each agency assigns the case to its own officers."""
    assignment = Assignment(body.department, body.handler)
    return replace(state, assignments=state.assignments | {act.agency: assignment})


@rule(case.CaseStageEntered)
def stage_entered(state: CaseState, act: Act, body: case.CaseStageEntered) -> CaseState:
    """Let the case and who goes with it enter a stage, or only the persons named; a closed case is open again."""
    if body.person_ids:
        require_distinct(body.person_ids, "person", field="person_ids")
        named = [state.person(person_id, field="person_ids") for person_id in body.person_ids]
        for person in named:
            require_responsible_for(person, person.person_id, act, field="person_ids")
        return _with_stage(state, named, body)
    require_responsible(state, act)
    _require_not_closed(body.stage)
    after = replace(state, stage=body.stage, closed=False, trial=body.trial or state.trial)
    return _with_stage(after, state.persons_along(), body)


def _with_stage(state: CaseState, persons: Iterable[Person], body: case.CaseStageEntered) -> CaseState:
    return state.with_persons(*(replace(p, stage=body.stage, trial=body.trial or p.trial) for p in persons))


@rule(case.CaseClosed)
def closed(state: CaseState, act: Act, body: case.CaseClosed) -> CaseState:
    """Close the case for all for whom its agency answers; who is elsewhere goes on.

    Refuses while an offer is unanswered or a discrepancy is not resolved.
    """
    require_responsible(state, act)
    require_known(state.decisions, (body.decision_id,), "decision", field="decision_id")
    # What is still to be decided between two agencies must not be closed over by one of them.
    for handover in state.handovers.marked("open"):
        refuse(
            "open_offer",
            "handover {handover.handover_id} is not answered",
            handover=handover,
            field="event_type",
            hint=Message("{handover.to_agency} answers it, or {handover.from_agency} recalls it.", handover=handover),
        )
    for discrepancy in state.discrepancies.values():
        if not discrepancy.is_resolved:
            hint = Message("Both sides sign discrepancy.resolved with the same words.")
            if discrepancy.claimed_by is not None:
                hint = Message(
                    "{discrepancy.claimed_by} counted it as surplus, and signs discrepancy.resolved alone.",
                    discrepancy=discrepancy,
                )
            refuse(
                "open_discrepancy",
                "discrepancy {discrepancy.discrepancy_id} is not resolved",
                discrepancy=discrepancy,
                field="event_type",
                hint=hint,
            )
    over = [replace(person, stage=CLOSED) for person in state.persons_along()]
    return replace(state, closed=True, stage=CLOSED).with_persons(*over)


@rule(case.PersonNamed)
def named(state: CaseState, act: Act, body: case.PersonNamed) -> CaseState:
    """Name a person, who is where the case is: at its stage, and its agency is responsible, not the signer."""
    person = state.persons.get(body.person_id) or Person(
        body.person_id, body.role, state.responsible, state.stage, state.trial
    )
    role = act.book.persons[body.role]
    if role.is_unit and in_custody(state, body.person_id):
        refuse(
            "nobody_to_lock_up", "{person.person_id} is in custody: that is no unit", person=person, field="body.role"
        )
    earlier = {name: value for name, value in person.particulars.items() if name in role.fields}
    particulars = earlier | body.particulars
    require_particulars(state, act, particulars, role.fields)
    return state.with_persons(
        replace(person, role=body.role, accused=role.accused, is_unit=role.is_unit, particulars=particulars)
    )


@rule(case.DecisionRecorded)
def decided(state: CaseState, act: Act, body: case.DecisionRecorded) -> CaseState:
    """Record a decision. Refuses persons and items that the case does not have."""
    require_new(state.decisions, body.decision_id, "decision")
    require_known(state.decisions, (body.about,), "decision", field="about")
    require_known(state.letters, (body.answers,), "letter", field="answers")
    require_known(state.persons, body.person_ids, "person", field="person_ids")
    require_known(state.items, (line.item_id for line in body.items), "item", field="items")
    require_particulars(state, act, body.particulars, act.book.decisions[body.kind].fields)
    after = with_answer(state, act, body.answers, body.decided_at)
    after = replace(after, decisions=after.decisions | {body.decision_id: body})
    return _with_stage_of_decision(after, act, body)


def _with_stage_of_decision(state: CaseState, act: Act, body: case.DecisionRecorded) -> CaseState:
    """Return the case, and the persons whom the decision is about, at the stages that they enter by it.

    A decision moves only what its agency answers for.
    """
    enters = act.book.decisions[body.kind].enters
    named = [state.person(person_id) for person_id in body.person_ids] or state.persons_along()
    moved = [person for person in named if person.responsible == act.agency and person.stage in enters]
    if act.agency == state.responsible:
        state = replace(state, stage=enters.get(state.stage, state.stage))
    return state.with_persons(*(replace(person, stage=enters[person.stage]) for person in moved)) if moved else state


@rule(record.DisclosureMade)
def disclosed(state: CaseState, act: Act, body: record.DisclosureMade) -> CaseState:
    """Leave the state as it is. Refuses items that the case does not have."""
    require_known(state.items, body.item_ids, "item", field="item_ids")
    return state


@rule(record.RecordLate, record.ImportRecorded, record.AuditRecorded)
def recorded(state: CaseState, act: Act, body: Body) -> CaseState:
    """Return the state unchanged: events about the record change no custody."""
    return state


def require_responsible(state: CaseState, act: Act, *, hint: str | None = None) -> None:
    """Refuse (not_responsible) a signer whose agency is not responsible for the case."""
    if act.agency != state.responsible:
        refuse(
            "not_responsible",
            "{state.responsible} is responsible for case {state.case_id}",
            state=state,
            field="agency",
            hint=hint,
        )


def require_responsible_for(entry: Item | Person, entry_id: str, act: Act, *, field: str) -> None:
    """Refuse (not_responsible) a signer whose agency is not responsible for the item or person."""
    if entry.responsible != act.agency:
        refuse(
            "not_responsible",
            "{entry.responsible} is responsible for {entry_id}",
            entry=entry,
            entry_id=entry_id,
            field=f"body.{field}",
        )


def require_accepted(state: CaseState, act: Act, handover_id: str, *, field: str = "handover_id") -> Handover:
    """Return a handover that the signer's agency accepted; refuse unknown_handover, not_accepted_by_you."""
    handover = state.handover(handover_id, field=field)
    if not handover.is_accepted or handover.to_agency != act.agency:
        refuse(
            "not_accepted_by_you",
            "your agency accepted no handover {handover.handover_id}",
            handover=handover,
            field=f"body.{field}",
            hint="An offer that is still open is answered first.",
        )
    return handover


def require_in_hand(state: CaseState, act: Act, item_id: str, *, field: str = "item_id") -> Item:
    """Return an item that the signer's agency holds and has not offered; refuse as ``require_free``, and not_held."""
    item = state.item(item_id, field=field)
    if item.is_live and item.holder != act.agency:
        refuse("not_held", "item {item.item_id} is held by {item.holder}", item=item, field=f"body.{field}")
    return require_free(state, item_id, field=field)


def require_present(state: CaseState, act: Act, item_id: str, *, field: str) -> Item:
    """Return an item in hand that is not checked out; refuse as ``require_in_hand``, and checked_out."""
    item = require_in_hand(state, act, item_id, field=field)
    if item.status == "checked_out":
        refuse(
            "checked_out",
            "item {item.item_id} is checked out to {item.checked_out_to}",
            item=item,
            field=f"body.{field}",
            hint="Check it in first.",
        )
    return item


def require_free(state: CaseState, item_id: str, *, field: str = "item_id") -> Item:
    """Return an item that is held and not on offer; refuse unknown_item, item_gone, already_offered."""
    item = state.item(item_id, field=field)
    if not item.is_live:
        refuse_gone(item, field=field)
    if item.offer is not None:
        refuse(
            "already_offered",
            "item {item.item_id} stands in the open handover {item.offer}",
            item=item,
            field=f"body.{field}",
            hint="Wait for the answer, or recall the offer first.",
        )
    return item


@rule(case.CustodyChangeRequested)
def requested(state: CaseState, act: Act, body: case.CustodyChangeRequested) -> CaseState:
    """Record the request of a custody change by the receiver of an accepted handover, for a person in custody.

    The keeper becomes a party of the case.
    """
    require_new(state.custody_changes, body.custody_change_id, "custody change")
    require_accepted(state, act, body.handover_id)
    state.person(body.person_id)
    _require_in_custody(state, body.person_id)
    # Two open requests of one organ would leave open which of them the house has served.
    for unserved in state.custody_changes.marked(f"unserved/{body.person_id}"):
        if unserved.requested_by == act.agency:
            refuse(
                "already_requested",
                "custody change {other.custody_change_id} of this person is not served yet",
                other=unserved,
                field="body.person_id",
                hint=Message("{other.keeper} signs custody_change.served.", other=unserved),
            )
    change = CustodyChange(
        custody_change_id=body.custody_change_id,
        handover_id=body.handover_id,
        person_id=body.person_id,
        requested_by=act.agency,
        keeper=body.keeper,
        requested_at=act.event.occurred_at,
        number=body.number,
        period_from=body.period_from,
        until=body.until,
        article=body.article,
    )
    return replace(
        state,
        agencies=state.agencies | {body.keeper},
        custody_changes=state.custody_changes | {body.custody_change_id: change},
    )


@rule(case.CustodyChangeServed)
def served(state: CaseState, act: Act, body: case.CustodyChangeServed) -> CaseState:
    """Record that the keeper keeps the person for the requesting organ from now on.

    A person who was released in the meantime is kept for nobody.
    """
    change = look_up(state.custody_changes, body.custody_change_id, "custody change")
    # Only the house that keeps the person can say for whom it does.
    if change.keeper != act.agency:
        refuse("not_the_keeper", "{change.keeper} serves this", change=change, field="agency")
    if change.served_at is not None:
        refuse("already_served", "it was served at {change.served_at}", change=change, field="body.custody_change_id")
    person = state.person(change.person_id)
    # The service may be recorded after a release.
    kept_for = change.requested_by if in_custody(state, person.person_id) else None
    return replace(
        state.with_persons(replace(person, kept_for=kept_for)),
        custody_changes=state.custody_changes | {change.custody_change_id: replace(change, served_at=body.served_at)},
    )


@rule(case.CustodyPeriodNotified)
def period_notified(state: CaseState, act: Act, body: case.CustodyPeriodNotified) -> CaseState:
    """Record a notice to the keeper; the decision on the measure itself extends the period."""
    measure = require_measure(state, body.measure_id)
    _require_in_custody(state, measure.person_id)
    return replace(state, agencies=state.agencies | {body.keeper})


def _require_in_custody(state: CaseState, person_id: str) -> None:
    if not in_custody(state, person_id):
        refuse("not_in_custody", "no running measure locks person {person_id} up", person_id=person_id, field="body")
