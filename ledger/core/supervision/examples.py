"""Examples of a procedure package, played by the rules: what acts come to, against what is expected of them.

An example says acts in their order, of a case or of recommendations, and of each which flags it raises or why it is
refused; of clocks it says their last days. Times without a zone are those of the procedure. ``@li`` stands for a person
of this name, ``@3`` for the event of act 3 (from 1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple, get_args

import msgspec

from ledger.core.custody.due_dates import Deadline, deadlines
from ledger.core.custody.flags import Flag
from ledger.core.custody.fold import fold
from ledger.core.custody.state import Act, CaseState
from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import convert
from ledger.core.encoding.digests import blake3_text
from ledger.core.encoding.instants import instant_text, spelled, unix_seconds
from ledger.core.errors import MalformedInput, RuleRefused
from ledger.core.events import NO_KEY, Body, Event, Payload, Stream, make_event, unsigned_envelope
from ledger.core.events.catalogue import EVENT_TYPES, EventType
from ledger.core.events.registry import AgencyProfile
from ledger.core.events.terms import Trait
from ledger.core.messages import Message
from ledger.core.procedure.faults import Fault
from ledger.core.procedure.rulebook import ExampleAct, ExampleCase, ExpectedDeadline, Rulebook
from ledger.core.procedure.zones import Zone
from ledger.core.signing.authority import Agency
from ledger.core.supervision.fold import advance
from ledger.core.supervision.recommendations import STREAM
from ledger.core.supervision.state import RecommendationState, SupervisionAct

CASE_ID = "example"
_OF_PERSON = re.compile(r"/@([a-z0-9-]+)/")  # in the id of a deadline
_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}")
# What an act need not say where it does not matter.
_USUAL: Mapping[str, Any] = {
    **dict.fromkeys(("ground", "explanation", "description", "case_type", "method"), "as in the example"),
    **dict.fromkeys(("problem", "advice", "answer"), "as in the example"),
    **dict.fromkeys(("number", "case_number", "article", "document_number"), "1"),
    "rest_as_listed": True,
}
_TIMES = (
    *("decided_at", "sent_at", "received_at", "started_at", "served_at", "ended_at", "disposed_at"),
    *("suspended_at", "resumed_at", "unfrozen_at"),
)


class _Stage(NamedTuple):
    """How far an example has come: case and recommendations, and the events of its acts, as they are cited."""

    state: CaseState | None
    recommendations: Mapping[str, RecommendationState]  # by their streams
    cited: tuple[dict[str, str], ...] = ()

    def at(self, stream: Stream) -> CaseState | RecommendationState | None:
        """Return what stands in a stream, None if nothing does."""
        return self.state if stream.kind == "case" else self.recommendations.get(stream.id)

    def deadlines(self, book: Rulebook, as_of: datetime) -> Iterator[Deadline]:
        """Yield the deadlines of the case and of the recommendations at a moment."""
        for state in (self.state, *(each.timing for each in self.recommendations.values())):
            yield from () if state is None else deadlines(state, book, as_of)


def faults_of_examples(book: Rulebook) -> Iterator[Fault]:
    """Yield where an example comes out otherwise than it says, or cannot be played."""
    if not book.examples:
        yield ("examples",), Message("there are no examples: write one at least, with what it comes to")
    for number, example in enumerate(book.examples):
        yield from ((("examples", number, *path), fault) for path, fault in _faults_of_example(example, book))


def _faults_of_example(example: ExampleCase, book: Rulebook) -> Iterator[Fault]:
    stage = _Stage(None, {})
    for number, act in enumerate(example.acts):
        after, faults = _after_act(act, stage, example, book)
        for fault in faults:
            yield ("acts", number), Message("act {act}: {fault}", act=number + 1, fault=fault)
        if after is None:
            return
        stage = after
    for number, expected in enumerate(example.deadlines):
        try:
            wrong = _fault_of_deadline(expected, stage, book)
        except MalformedInput as error:
            wrong = error.text
        if wrong is not None:
            yield ("deadlines", number), Message("deadline {number}: {fault}", number=number + 1, fault=wrong)


def _after_act(
    act: ExampleAct, stage: _Stage, example: ExampleCase, book: Rulebook
) -> tuple[_Stage | None, list[Message]]:
    """Return how far the example has come after an act, None if it cannot go on, and what is otherwise than it says."""
    try:
        event = _event_of(act, stage, book)
        after, raised = _played(stage, event, example, book)
    except MalformedInput as error:
        return None, [Message("{error.field}: {error}", error=error)]
    except RuleRefused as refusal:
        if refusal.code == act.refused:
            return stage, []
        return None, [Message("refused as {code} ({reason})", code=refusal.code, reason=refusal)]
    faults = [] if act.refused is None else [Message("it is not refused")]
    flags = tuple(flag.name for flag in raised)
    if sorted(flags) != sorted(act.flags):
        text = Message("flagged as {flags}, expected {expected}", flags=_listed(flags), expected=_listed(act.flags))
        faults.append(text)
    entered = None if after.state is None else after.state.stage
    if act.stage not in (None, entered):
        faults.append(Message("the stage is {stage}, expected {expected}", stage=entered or "-", expected=act.stage))
    cited = {"event_id": event.event_id, "payload_digest": event.payload_digest}
    return after._replace(cited=(*stage.cited, cited)), faults


def _played(stage: _Stage, event: Event, example: ExampleCase, book: Rulebook) -> tuple[_Stage, tuple[Flag, ...]]:
    """Return how far the example has come by an act, and the flags that it raises. Raises RuleRefused."""
    if event.stream.kind == "case":
        act = Act(event, book, kinds=example.agencies)
        outcome = fold(stage.state, act)
        return stage._replace(state=outcome.state), outcome.flags
    stream_id = event.stream.id
    step = advance(stage.recommendations.get(stream_id), SupervisionAct(event, _agencies_of(example, book), (book,)))
    assert isinstance(step.after, RecommendationState), "no other supervision stream has this id"
    return stage._replace(recommendations={**stage.recommendations, stream_id: step.after}), step.flags


def _agencies_of(example: ExampleCase, book: Rulebook) -> Mapping[str, Agency]:
    """Return who acts, as if admitted; of an agency whose kind is not stated nothing is judged by it."""
    every: frozenset[Trait] = frozenset(get_args(Trait))
    profile = AgencyProfile("example", dict.fromkeys(book.procedure.languages, CASE_ID))
    named = dict.fromkeys((*example.agencies, *(name for act in example.acts for name in _named(act))))
    return {
        name: Agency(name, example.agencies.get(name, ""), profile, "", -1, traits=traits)
        for name, traits in ((name, book.traits.get(example.agencies.get(name, ""), every)) for name in named)
    }


def _named(act: ExampleAct) -> Iterator[str]:
    """Yield the agency that acts, and those to which something goes."""
    yield act.by
    for field in ("to_agency", "copies_to"):
        value = act.body.get(field, [])
        yield from [value] if isinstance(value, str) else value


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(words) or "-"


def _fault_of_deadline(expected: ExpectedDeadline, stage: _Stage, book: Rulebook) -> Message | None:
    subject = _person_id(expected.subject[1:]) if expected.subject.startswith("@") else expected.subject
    as_of = datetime.fromisoformat(_instant(expected.as_of, book.zone, "as_of"))
    started = [*stage.deadlines(book, as_of)]
    fitting = [deadline for deadline in started if (deadline.clock, deadline.subject) == (expected.clock, subject)]
    if not fitting:
        return Message(
            "no clock {clock} of {subject}; it has: {clocks}",
            clock=expected.clock,
            subject=expected.subject,
            clocks=_listed(tuple(deadline.deadline_id for deadline in started)),
        )
    latest = fitting[-1]
    last_day = None if latest.last_day is None else latest.last_day.isoformat()
    due_at = None if latest.due_at is None else instant_text(int(latest.due_at.timestamp()))
    actual = {"status": latest.status, "last_day": last_day, "due_at": due_at}
    for name, value in actual.items():
        wanted = getattr(expected, name)
        wanted = _instant(wanted, book.zone, name) if name == "due_at" and wanted is not None else wanted
        if wanted not in (None, value):
            return Message(
                "{clock}: {name} is {actual}, expected {expected}",
                clock=expected.clock,
                name=name,
                actual=value,
                expected=wanted,
            )
    return None


def _event_of(act: ExampleAct, stage: _Stage, book: Rulebook) -> Event:
    """Build the event of an act. Raises MalformedInput."""
    if act.event not in EVENT_TYPES:
        raise MalformedInput("there is no event {event}", event=act.event, field="event")
    event_type = EVENT_TYPES[act.event]
    at = _instant(act.at, book.zone, "at")
    body = _body_of(act, event_type.body, at, stage, book)
    stream = _stream_of(act, event_type, body)
    state = stage.at(stream)
    sequence = 0 if state is None else state.sequence + 1
    payload = Payload(officer=act.officer or f"{act.by}-1"[:31], occurred_at=at, salt=f"{sequence:032x}", body=body)
    envelope = unsigned_envelope(
        payload,
        event_id=f"00000000-0000-7000-8000-{len(stage.cited):012d}",
        stream=stream,
        sequence=sequence,
        previous=None if state is None else state.head,
        agency=act.by,
        key_id=NO_KEY,
        signed_at=unix_seconds(at),
    )
    return make_event(envelope, payload, canonical.encode(envelope))


def _stream_of(act: ExampleAct, event_type: EventType, body: Body) -> Stream:
    """Return the stream of an act: that of its recommendation, or the case. Raises MalformedInput."""
    recommendation_id = getattr(body, "recommendation_id", None) or act.recommendation
    if recommendation_id is not None and "supervision" in event_type.streams:
        return Stream(kind="supervision", id=STREAM + recommendation_id)
    if "case" not in event_type.streams:
        raise MalformedInput("{event} names its recommendation", event=act.event, field="recommendation")
    return Stream(kind="case", id=CASE_ID)


def _body_of(act: ExampleAct, kind: type[Body], at: str, stage: _Stage, book: Rulebook) -> Body:
    usual = {**_USUAL, **dict.fromkeys(_TIMES, at), "business_line": next(iter(book.lines))}
    usual |= {"stage": next(iter(book.stages)), "procedure": book.procedure.id}
    usual["quantity"] = {"value": "1", "unit": next(iter(book.units), "unit")}
    required = [field.name for field in msgspec.structs.fields(kind) if field.required]
    fields = {name: usual[name] for name in required if name in usual} | act.body
    stated = _resolved(fields, stage, book.zone, "body")
    try:
        body: Body = convert(stated, kind)
    except msgspec.ValidationError as error:
        raise canonical.refusal_of(str(error), stated, kind, act.event) from error
    return body


def _resolved(value: Any, stage: _Stage, zone: Zone, field: str) -> Any:
    """Return the value of a field with persons, cited events and local times in the place of what stands for them."""
    if isinstance(value, dict):
        return {key: _resolved(part, stage, zone, f"{field}.{key}") for key, part in value.items()}
    if isinstance(value, list):
        return [_resolved(part, stage, zone, f"{field}[{number}]") for number, part in enumerate(value)]
    if not isinstance(value, str):
        return value
    if value.startswith("@"):
        name = value[1:]
        if not name.isdecimal():
            return _person_id(name)
        # Python reads no number of thousands of digits.
        return stage.cited[int(name) - 1] if len(name) < 9 and 0 < int(name) <= len(stage.cited) else value
    return _instant(_OF_PERSON.sub(lambda match: f"/{_person_id(match[1])}/", value), zone, field)


def _instant(text: str, zone: Zone, field: str) -> str:
    """Return the instant of a time of the zone; any other text is returned as it is. Raises MalformedInput."""
    if not _LOCAL.fullmatch(text):
        return text
    try:
        shown = datetime.fromisoformat(text)
    except ValueError as error:
        raise MalformedInput("{text} is no time", text=text, field=field) from error
    return spelled(zone.moment(shown, field=field))


def _person_id(name: str) -> str:
    return blake3_text(name.encode()).removeprefix("blake3:")[:32]
