"""Examples of a procedure package, played by the rules of custody: what acts come to, against what is expected of them.

An example says acts in their order, and of each which flags it raises or why it is refused; of clocks it says their
last days. Times without a zone are those of the procedure. ``@li`` stands for a person of this name, ``@3`` for the
event of act 3 (from 1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from ledger.core.custody.due_dates import deadlines
from ledger.core.custody.fold import fold
from ledger.core.custody.state import Act, CaseState
from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import convert
from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import MalformedInput, RuleRefused
from ledger.core.events import Body, Payload, Stream
from ledger.core.events.catalogue import EVENT_TYPES
from ledger.core.events.payload import PAYLOAD_TYPES
from ledger.core.messages import Message
from ledger.core.procedure.faults import Fault
from ledger.core.procedure.legal_days import instant_text, spelled, unix_seconds
from ledger.core.procedure.rulebook import ExampleAct, ExampleCase, ExpectedDeadline, Rulebook
from ledger.core.procedure.zones import Zone

CASE_ID = "example"
_OF_PERSON = re.compile(r"/@([a-z0-9-]+)/")  # in the id of a deadline
_LOCAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}")
# What an act need not say where it does not matter.
_USUAL: Mapping[str, Any] = {
    **dict.fromkeys(("ground", "explanation", "description", "case_type", "method"), "as in the example"),
    **dict.fromkeys(("number", "case_number", "article"), "1"),
    "rest_as_listed": True,
}
_TIMES = (
    *("decided_at", "sent_at", "received_at", "started_at", "served_at", "ended_at", "disposed_at"),
    *("suspended_at", "resumed_at", "unfrozen_at"),
)


class _Stage(NamedTuple):
    """How far an example has come: the case, and the events of its acts, as they are cited."""

    state: CaseState | None
    cited: tuple[dict[str, str], ...] = ()


def faults_of_examples(book: Rulebook) -> Iterator[Fault]:
    """Yield where an example comes out otherwise than it says, or cannot be played."""
    if not book.examples:
        yield ("examples",), Message("there are no examples: write one at least, with what it comes to")
    for number, example in enumerate(book.examples):
        yield from ((("examples", number, *path), fault) for path, fault in _faults_of_example(example, book))


def _faults_of_example(example: ExampleCase, book: Rulebook) -> Iterator[Fault]:
    stage = _Stage(None)
    for number, act in enumerate(example.acts):
        path = ("acts", number)
        try:
            payload = _payload_of(act, stage, book)
        except MalformedInput as error:
            yield path, Message("act {act}: {field}: {fault}", act=number + 1, field=error.field, fault=error.text)
            return
        digest = blake3_text(canonical.encode(payload))
        try:
            act_of_example = Act(payload, digest, unix_seconds(payload.occurred_at), book, kinds=example.agencies)
            outcome = fold(stage.state, act_of_example)
        except RuleRefused as refusal:
            if refusal.code != act.refused:
                yield (
                    path,
                    Message(
                        "act {act}: refused as {code} ({reason})",
                        act=number + 1,
                        code=refusal.code,
                        reason=refusal,
                    ),
                )
                return
            continue
        flags = tuple(flag.name for flag in outcome.flags)
        if act.refused is not None:
            yield path, Message("act {act}: it is not refused", act=number + 1)
        if sorted(flags) != sorted(act.flags):
            yield (
                path,
                Message(
                    "act {act}: flagged as {flags}, expected {expected}",
                    act=number + 1,
                    flags=_listed(flags),
                    expected=_listed(act.flags),
                ),
            )
        if act.stage not in (None, outcome.state.stage):
            yield (
                path,
                Message(
                    "act {act}: the stage is {stage}, expected {expected}",
                    act=number + 1,
                    stage=outcome.state.stage,
                    expected=act.stage,
                ),
            )
        cited = {"event_id": payload.event_id, "payload_digest": digest}
        stage = _Stage(outcome.state, (*stage.cited, cited))
    for number, expected in enumerate(example.deadlines):
        try:
            fault = _fault_of_deadline(expected, stage.state, book)
        except MalformedInput as error:
            fault = error.text
        if fault is not None:
            yield ("deadlines", number), Message("deadline {number}: {fault}", number=number + 1, fault=fault)


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(words) or "-"


def _fault_of_deadline(expected: ExpectedDeadline, state: CaseState | None, book: Rulebook) -> Message | None:
    subject = _person_id(expected.subject[1:]) if expected.subject.startswith("@") else expected.subject
    as_of = datetime.fromisoformat(_instant(expected.as_of, book.zone))
    started = () if state is None else deadlines(state, book, as_of)
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
        wanted = _instant(wanted, book.zone) if name == "due_at" and wanted is not None else wanted
        if wanted not in (None, value):
            return Message(
                "{clock}: {name} is {actual}, expected {expected}",
                clock=expected.clock,
                name=name,
                actual=value,
                expected=wanted,
            )
    return None


def _payload_of(act: ExampleAct, stage: _Stage, book: Rulebook) -> Payload:
    """Build the event of an act. Raises MalformedInput."""
    if act.event not in EVENT_TYPES:
        raise MalformedInput("there is no event {event}", event=act.event, field="event")
    body_type = EVENT_TYPES[act.event].body
    at = _instant(act.at, book.zone)
    sequence = 0 if stage.state is None else stage.state.sequence + 1
    payload: Payload = PAYLOAD_TYPES[body_type](
        version=1,
        event_id=f"00000000-0000-7000-8000-{sequence:012d}",
        stream=Stream(kind="case", id=CASE_ID),
        sequence=sequence,
        previous=None if stage.state is None else stage.state.head,
        agency=act.by,
        officer=act.officer or f"{act.by}-1"[:31],
        occurred_at=at,
        salt=f"{sequence:032x}",
        body=_body_of(act, body_type, at, stage, book),
    )
    return payload


def _body_of(act: ExampleAct, kind: type[Body], at: str, stage: _Stage, book: Rulebook) -> Body:
    usual = {**_USUAL, **dict.fromkeys(_TIMES, at), "business_line": next(iter(book.lines))}
    usual |= {"stage": next(iter(book.stages)), "procedure": book.procedure.id}
    usual["quantity"] = {"value": "1", "unit": next(iter(book.units), "unit")}
    required = [field.name for field in msgspec.structs.fields(kind) if field.required]
    fields = {name: usual[name] for name in required if name in usual} | act.body
    stated = _resolved(fields, stage, book.zone)
    try:
        body: Body = convert(stated, kind)
    except msgspec.ValidationError as error:
        raise canonical.refusal_of(str(error), stated, kind, act.event) from error
    return body


def _resolved(value: Any, stage: _Stage, zone: Zone) -> Any:
    """Return a value with persons, cited events and local times in the place of what stands for them."""
    if isinstance(value, dict):
        return {key: _resolved(part, stage, zone) for key, part in value.items()}
    if isinstance(value, list):
        return [_resolved(part, stage, zone) for part in value]
    if not isinstance(value, str):
        return value
    if value.startswith("@"):
        name = value[1:]
        if not name.isdecimal():
            return _person_id(name)
        return stage.cited[int(name) - 1] if 0 < int(name) <= len(stage.cited) else value
    return _instant(_OF_PERSON.sub(lambda match: f"/{_person_id(match[1])}/", value), zone)


def _instant(text: str, zone: Zone) -> str:
    """Return the instant of a time of the zone; any other text is returned as it is. Raises MalformedInput."""
    if not _LOCAL.fullmatch(text):
        return text
    try:
        shown = datetime.fromisoformat(text)
    except ValueError as error:
        raise MalformedInput("{text} is no time", text=text, field="at") from error
    return spelled(zone.moment(shown, field="at"))


def _person_id(name: str) -> str:
    return blake3_text(name.encode()).removeprefix("blake3:")[:32]
