"""The history of one item or person, and who had custody of it on a day or at a moment, by what is recorded now.

Times are as claimed: custody passes when a thing was received, which may be before the act that says so.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from datetime import date, datetime
from typing import Literal, NamedTuple

from msgspec import Struct

from ledger.core.custody import Flag
from ledger.core.custody.claimed_times import Break
from ledger.core.custody.spans import CustodyStanding, Key, Span, Subject, history_ends_of
from ledger.core.encoding.instants import spelled
from ledger.core.errors import MalformedInput, RuleRefused
from ledger.core.events import case, handover, item, record
from ledger.core.events.fields import field_of
from ledger.core.messages import Message, Term
from ledger.core.procedure.legal_days import YEARS
from ledger.core.procedure.rulebook import Level
from ledger.core.procedure.zones import Zone
from ledger.store import log
from ledger.store.database import Connection
from ledger.timeline.case_history import EndedDeadline, HistoryEvent, TimelineBuilder, TimelineStep, break_note
from ledger.timeline.sentences import EventWords

# Flags by which an act, or its record, came after its time.
LATE = frozenset(("late_entry", "loan_overdue", "remedy_overdue", "resubmission_overdue"))
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_IDS = re.compile(r"[\w-]+")  # what may be one in a text


# -- what is asked -----------------------------------------------------------------------------------------------------


class AskedTime(NamedTuple):
    """A day, from its first instant ``since`` to the first one after it ``until``; or a moment, which is both."""

    since: str
    until: str

    def has(self, begins: str, ends: str | None) -> bool:
        """Tell whether what lasts from ``begins`` until ``ends``, None if it still does, lasts at this time."""
        if ends is not None and ends <= begins:  # claims that contradict each other leave no time between them
            return False
        return (begins < self.until or begins == self.since) and (ends is None or ends > self.since)


def asked_time(on: str, zone: Zone, now: str) -> AskedTime:
    """Return the time that is asked for: a day (``2026-03-02``) of the zone, or an instant of RFC 3339.

    Raises MalformedInput, naming the field ``on``, for what is neither; RuleRefused for what is still to come
    (in_future), and for a year that has no days of the record (out_of_range).
    """
    try:
        if _DAY.fullmatch(on):
            day = date.fromisoformat(on)
            since, until = spelled(zone.start_of(day)), spelled(zone.end_of(day))
        else:
            day = datetime.fromisoformat(on).date()
            since = until = spelled(datetime.fromisoformat(on)) if "T" in on and on.endswith("Z") else ""
    except (ValueError, OverflowError):
        day, since, until = date.min, "", ""
    if not since:
        raise MalformedInput(
            "expected a day such as 2026-03-02, or a time such as 2026-03-02T09:30:00Z, not {text!r}",
            text=on[:40],
            field="on",
        )
    if day.year < YEARS[0]:
        raise RuleRefused("expected a day of {year} or later", year=YEARS[0], code="out_of_range", field="on")
    if since > now:
        raise RuleRefused(
            "expected {now} or earlier: nobody can say yet who will have custody at {since}",
            now=now,
            since=since,
            code="in_future",
            field="on",
        )
    return AskedTime(since, until)


# -- what is answered --------------------------------------------------------------------------------------------------


class StatedGround(Struct, frozen=True):
    """What an act rests on, in words, and the event that states it: an authority, a decision, or a paper's number."""

    kind: Literal["authority", "decision", "paper"]
    text: str
    event_id: str


class Holding(Struct, frozen=True):
    """A time in which one agency held it and one answered for it, from ``since`` until ``until``, None while it lasts.

    ``act`` is the event by which it began, ``ended_by`` the id of the one by which it ended. ``grounds`` are what the
    act rests on. ``in_time``: neither the act nor its record came late, by its ``flags`` and by the ``deadlines`` that
    it ended. ``standings`` are its states at the time that was asked for, in their order. ``subject_id`` is the subject
    itself, or the item that became it by a split or merge: then it was held as that.
    """

    subject_id: str
    responsible: str | None
    holder: str | None
    kept_for: str | None
    since: str
    until: str | None
    act: TimelineStep
    ended_by: str | None
    grounds: tuple[StatedGround, ...]
    in_time: bool
    flags: tuple[Flag, ...]
    deadlines: tuple[EndedDeadline, ...]
    standings: tuple[CustodyStanding, ...]


class OpenCustody(Struct, frozen=True):
    """A time in which custody is not accounted for or disputed, in words, and the event by which that is known.

    What is usual, such as being in transit for some minutes, has the level ``noted``.
    """

    event_id: str
    since: str
    until: str
    text: str
    level: Level


class CustodyAnswer(Struct, frozen=True):
    """Who had custody from ``since`` until ``until``, the ends of a day, or at a moment, which is both.

    ``sentence`` tells the rest in words. Several may have held it on one day. With no holding, the record has nobody.
    """

    since: str
    until: str
    sentence: str
    holdings: tuple[Holding, ...]
    open: tuple[OpenCustody, ...]


class CustodyHistory(Struct, frozen=True):
    """The chain of custody of an item or a person: who held it, when, in what condition, on what authority.

    ``spans`` tells who held it between events, ``steps`` the events. ``came_from`` names the cases that it came out of
    by a split: what was before is in their history. ``came_from_items`` are the items of this case that became it by
    splits and merges: spans and steps have theirs up to then. ``answer`` is for the time that was asked for, null if
    none was.
    """

    subject: Subject
    subject_id: str
    case_id: str
    came_from: tuple[str, ...]
    came_from_items: tuple[str, ...]
    spans: tuple[Span, ...]
    steps: tuple[TimelineStep, ...]
    answer: CustodyAnswer | None = None


def custody_history(
    timelines: TimelineBuilder,
    connection: Connection,
    case_id: str,
    of: Key,
    time: AskedTime | None,
) -> CustodyHistory:
    """Return the history of one item or person; without steps if it is not in the case. Requires the case."""
    subject, subject_id = of
    events = timelines.histories.of(connection, case_id)
    last = {subject_id: len(events)}
    if subject == "item":
        last = history_ends_of(subject_id, [event.event for event in events])
    own = _events_about(events, subject, last)
    spans = tuple(
        sorted(
            (
                span
                for span in timelines.spans(connection, case_id)
                if span.subject == subject and span.since.sequence < last.get(span.subject_id, -1)
            ),
            key=lambda span: span.since.sequence,
        )
    )
    came_from = tuple(_earlier_cases(connection, own))
    steps = tuple(timelines.steps(connection, case_id, own))
    answer = None
    if time is not None:
        holdings = tuple(_holdings(timelines, connection, events, spans, time))
        words = timelines.words(events[-1].after)
        gaps = tuple(_open_at(steps, subject, last, words, time))
        sentences = _sentences(holdings, of, came_from, words)
        answer = CustodyAnswer(
            time.since, time.until, words.joined([*sentences, *(gap.text for gap in gaps)]), holdings, gaps
        )
    before = tuple(sorted(last.keys() - {subject_id}))
    return CustodyHistory(subject, subject_id, case_id, came_from, before, spans, steps, answer)


def _events_about(events: Sequence[HistoryEvent], subject: Subject, last: Mapping[str, int]) -> list[HistoryEvent]:
    """Return the events about the ids, each up to the event ``last``, and those that correct or explain one of them."""
    own: list[HistoryEvent] = []
    own_ids: set[str] = set()  # a correction of a correction belongs to the history too
    for event in events:
        about = event.concerned.item_ids if subject == "item" else event.concerned.person_ids
        match event.event.body:
            case (
                record.RecordCorrected(corrects=cited)
                | record.SectionErased(concerns=cited)
                | record.ErasureProposed(concerns=cited)
                | record.RecordLate(concerns=cited)
            ):
                cited_id = None if cited is None else cited.event_id
            case _:
                cited_id = None
        if cited_id in own_ids or any(event.event.sequence <= last.get(name, -1) for name in about):
            own.append(event)
            own_ids.add(event.entry.event_id)
    return own


def _earlier_cases(connection: Connection, events: Sequence[HistoryEvent]) -> Iterator[str]:
    """Yield the cases whose splits these events cite."""
    for event in events:
        match event.event.body:
            case case.CaseJoined(other_case_id=other_id):
                yield other_id
            case case.CaseOpened(split_from=cited) if cited is not None:
                yield log.entries_by_event_id(connection, [cited.event_id])[cited.event_id].stream_id


# -- holdings ----------------------------------------------------------------------------------------------------------


def _holdings(
    timelines: TimelineBuilder,
    connection: Connection,
    events: Sequence[HistoryEvent],
    spans: Sequence[Span],
    time: AskedTime,
) -> Iterator[Holding]:
    """Yield the holdings of the time, in the order of the record."""
    case_id = events[-1].after.case_id
    for held in _by_holders(spans):
        first, end = held[0], held[-1].until
        began = events[first.since.sequence]
        since = _in_effect_at(began)
        until = None if end is None else _in_effect_at(events[end.sequence])
        if not time.has(since, until):
            continue
        (act,) = timelines.steps(connection, case_id, [began])
        others = {*began.after.items, *began.after.persons} - {first.subject_id}
        deadlines = tuple(ended for ended in act.deadlines if ended.subject not in others)
        flags = own_flags(act.flags, {first.subject_id}, others)
        shown = [
            span.standing
            for span in held
            if time.has(span.since.occurred_at, None if span.until is None else span.until.occurred_at)
        ]
        is_late = any(flag.name in LATE for flag in flags) or any(each.status == "missed" for each in deadlines)
        yield Holding(
            subject_id=first.subject_id,
            responsible=first.standing.responsible,
            holder=first.standing.holder,
            kept_for=first.standing.kept_for,
            since=since,
            until=until,
            act=act,
            ended_by=None if end is None else end.event_id,
            grounds=tuple(_grounds(events[: first.since.sequence + 1], timelines.words(began.after))),
            in_time=not is_late,
            flags=flags,
            deadlines=deadlines,
            standings=tuple(shown or [first.standing]),
        )


def own_flags(flags: Iterable[Flag], own_ids: Set[str], others: Collection[str]) -> tuple[Flag, ...]:
    """Return the flags of an act that may be about one of its own: not those whose detail names others alone."""
    ids = {*own_ids, *others}
    named = [(flag, ids.intersection(_IDS.findall(flag.detail))) for flag in flags]
    return tuple(flag for flag, things in named if not things or own_ids & things)


def _by_holders(spans: Sequence[Span]) -> list[list[Span]]:
    """Return the spans in groups that follow each other, each of one thing and of the same agencies."""
    groups: list[list[Span]] = []
    latest: dict[str, list[Span]] = {}  # of each thing: the sources of a merge were held side by side
    for span in spans:
        group = latest.get(span.subject_id)
        if group is None or group[-1].until != span.since or _agencies(group[-1]) != _agencies(span):
            group = latest[span.subject_id] = []
            groups.append(group)
        group.append(span)
    return groups


def _agencies(span: Span) -> tuple[str | None, ...]:
    return span.standing.responsible, span.standing.holder, span.standing.kept_for


def _in_effect_at(event: HistoryEvent) -> str:
    """Return when custody passed by the event, as it claims."""
    match event.event.body:
        case (
            handover.HandoverAccepted(received_at=at)
            | case.CustodyChangeServed(served_at=at)
            | case.MeasureImposed(started_at=at)
            | case.MeasureLifted(ended_at=at)
            | item.ItemDisposed(disposed_at=at)
        ):
            return at
    return event.event.occurred_at


def _grounds(events: Sequence[HistoryEvent], words: EventWords) -> Iterator[StatedGround]:
    """Yield what the last of the events rests on: as it states itself, and as what it answers states."""
    last = events[-1]
    for event in (*_answered(events), last):
        body, event_id = event.event.body, event.entry.event_id
        if event.event.authority is not None:
            yield StatedGround("authority", words.value("authority", event.event.authority), event_id)
        for number in _numbers(body):
            yield StatedGround("paper", number, event_id)
        decision = last.after.decisions.get(_decision_of(event) or "")
        if decision is not None:
            kind = Term("decision_kind", decision.kind)
            rests_on = Message("{kind} {number}", kind=kind, number=decision.number)
            yield StatedGround("decision", words.value("", rests_on), event_id)


def _answered(events: Sequence[HistoryEvent]) -> Iterator[HistoryEvent]:
    """Yield the offer, request or proposal that the last of the events answers."""
    for field in ("handover_id", "custody_change_id"):
        answered_id = getattr(events[-1].event.body, field, None)
        opening = (each for each in events[:-1] if getattr(each.event.body, field, None) == answered_id)
        if answered_id is not None and (first := next(opening, None)) is not None:
            yield first
    match events[-1].event.body:
        case item.ItemDisposed(cites=cited):
            yield from (each for each in events if each.entry.event_id == cited.event_id)


def _decision_of(event: HistoryEvent) -> str | None:
    """Return the decision that the body names, by whatever field."""
    for field in ("decision_id", "about"):
        row = field_of(type(event.event.body), field)
        if row is not None and row.type.names == "decision":
            decision_id: str | None = getattr(event.event.body, field)
            return decision_id
    return None


def _numbers(body: Struct) -> Iterator[str]:
    """Yield the numbers of the papers that the body names: its own, that of the seizure or of the collection."""
    papers = (body, getattr(body, "seizure", None), getattr(body, "collection", None))
    for paper, field in zip(papers, ("number", "document_number", "record_number"), strict=True):
        number = getattr(paper, field, None)
        if number is not None:
            yield str(number)


# -- words -------------------------------------------------------------------------------------------------------------


def _open_at(
    steps: Sequence[TimelineStep], subject: Subject, ids: Collection[str], words: EventWords, time: AskedTime
) -> Iterator[OpenCustody]:
    """Yield where the chain of custody of the ids is open at the time."""
    for step in steps:
        for gap in step.breaks:
            if time.has(gap.since, gap.until) and _concerns(gap, subject, ids):
                note = break_note(gap, words)
                yield OpenCustody(step.event_id, gap.since, gap.until, note.text, gap.level)


def _concerns(gap: Break, subject: Subject, ids: Collection[str]) -> bool:
    """Tell whether the break is one of the things; one that names nothing is of all that its event is about."""
    about = gap.item_ids if subject == "item" else gap.person_ids
    return any(name in ids for name in about) or not (gap.item_ids or gap.person_ids)


def _sentences(holdings: Sequence[Holding], of: Key, came_from: Sequence[str], words: EventWords) -> Iterator[str]:
    """Yield the sentences of an answer."""
    subject, subject_id = of
    if not holdings:
        yield words.value("", Message("By this record nobody held it then"))
        for case_id in came_from:
            came = Message("It came from case {case_id}, whose record has the time before", case_id=case_id)
            yield words.value("", came)
    for holding in holdings:
        who = _whose(holding, subject)
        span = Message("{who}, since {since_at}", who=who, since_at=holding.since)
        if holding.until is not None:
            span = Message(
                "{who}, from {since_at} until {until_at}", who=who, since_at=holding.since, until_at=holding.until
            )
        if holding.subject_id != subject_id:
            span = Message("As {item_id}: {holding}", item_id=holding.subject_id, holding=span)
        yield words.value("", span)
        rests_on = words.value("", tuple(ground.text for ground in holding.grounds))
        yield words.value(
            "",
            Message("It rests on {rests_on}", rests_on=rests_on)
            if holding.grounds
            else Message("No authority or paper is stated for it"),
        )
        late = tuple(words.of_flag(flag.name) for flag in holding.flags if flag.name in LATE)
        late += tuple(words.value("clock", each.clock) for each in holding.deadlines if each.status == "missed")
        yield words.value(
            "",
            Message("Done and recorded in time")
            if holding.in_time
            else Message("Not in time: {lateness}", lateness=words.value("", late)),
        )


def _whose(holding: Holding, subject: Subject) -> Message:
    """Return who held it and who answered for it; agencies are put into the slots that stand for agencies."""
    agency, keeper, kept_for = holding.responsible, holding.holder, holding.kept_for
    if agency is None:
        status = Term("status", str(holding.standings[-1].status))
        return Message("Nobody in this case held it any more: {status}", status=status)
    if subject == "item":
        if agency == keeper:
            return Message("{agency} held it and answered for it", agency=agency)
        return Message("{keeper} held it, {agency} answered for it", keeper=keeper, agency=agency)
    if kept_for is None:
        return Message("{agency} answered for the person, who was not in custody", agency=agency)
    if keeper is None:
        return Message(
            "{agency} answered for the person, kept in custody for {requested_by} where the record does not say",
            agency=agency,
            requested_by=kept_for,
        )
    return Message(
        "{keeper} kept the person in custody for {requested_by}, {agency} answered for the person",
        keeper=keeper,
        requested_by=kept_for,
        agency=agency,
    )
