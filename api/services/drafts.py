"""Drafts: the next event of a stream before it is signed, in words, and what the ledger would make of it.

Pages and routes draft alike. What makes an act impossible is reported here, before anybody signs.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from api.auth.reading import Reading
from api.services.case_reading import known_persons
from api.services.parts import Parts
from api.services.service import Service
from ledger.acts import ACTS, MADE_IN_PARTS
from ledger.core.custody import CaseState, Flag
from ledger.core.custody.claimed_times import require_consistent
from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import Conflict, RuleRefused, Unauthorized
from ledger.core.events import EVENT_TYPES, NAME_OF, Body, Stream
from ledger.core.events.case import CaseNumbered, CaseOpened, CaseTakenOver, PersonNamed
from ledger.core.events.fields import field_of, fields_of
from ledger.core.events.handover import HandoverOffered, HandoverReturned
from ledger.core.events.item import ItemRegistered
from ledger.core.events.streams import OTHER_ID
from ledger.core.messages import Message, Term, joined
from ledger.core.visibility import Reader, arriving, visible_flags
from ledger.i18n import Labels
from ledger.recording.event_signing import Claims, StreamPosition, UnsignedEvent, new_id, unsigned_event
from ledger.store import cases, log
from ledger.store.database import Connection
from ledger.timeline.case_history import cited_events
from ledger.timeline.event_fields import EventField, event_fields
from ledger.timeline.sentences import Narrator, names_by_id


class CaseAtHand(NamedTuple):
    """A case as whoever drafts an event of it sees it; ``state`` is None if the event is to open it.

    ``person_names`` are the names that the reader may know. ``is_visible`` is False for whoever sees only a letter.
    """

    case_id: str
    state: CaseState | None = None
    person_names: Mapping[str, str] = MappingProxyType({})
    is_visible: bool = True


SAME_NUMBER = Message("There is a case of this number already: {case_id}. Go on only if this is another one.")
NAMELESS = Message(
    "No name goes with {person_id}: `section` of the body is none of the sections. Give the label there."
)


class ForeseenEvent(NamedTuple):
    """An event that the ledger would accept, in words, and each flag that it will raise with its detail.

    ``warnings`` tell in the reader's language of what may not be meant, ``discloses`` of whom the receiver of an offer
    may read from then on who they are. ``model_runs`` tells whether a model that is to be published runs over the
    record as it is now; None of any other act, and if that could not be tried.
    """

    unsigned: UnsignedEvent
    sentence: str
    particulars: list[EventField]
    flags: list[tuple[Flag, str]]
    warnings: list[str]
    discloses: str | None = None
    model_runs: bool | None = None


def require_role(reading: Reading, body: type[Body]) -> None:
    """Raise Unauthorized if the reader's role may not sign such an event."""
    row = EVENT_TYPES[NAME_OF[body]]
    if not reading.session.has_role(*row.roles):
        raise Unauthorized(
            "{row} takes the role {roles}",
            row=Term("event_type", row.name),
            roles=joined([Term("role", role) for role in row.roles], by=" or "),
            code="role_missing",
        )


def case_at_hand(service: Service, reading: Reading, case_id: str, *, by_letter: bool = False) -> CaseAtHand:
    """Return the case, of which an act ``by_letter`` takes no more than to see a letter.

    Raises NotFound alike if it is missing and if it may not be seen.
    """
    with service.parts.database.read() as connection:
        # Whoever gets a letter signs for that without seeing its case.
        require = reading.require_letter if by_letter else reading.require_case
        require(connection, case_id)
        is_visible = cases.sight(connection, case_id, reading.reader) is not None
        person_names = known_persons(connection, reading, case_id)
    return CaseAtHand(case_id, service.parts.validator.states.of_listed_case(case_id), person_names, is_visible)


def with_generated_ids(body: type[Body], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields with the ids of what the act brings in: they are made up unless they are given."""
    act, filled = ACTS.get(NAME_OF[body]), dict(fields)
    own = field_of(body, act.makes) if act and act.makes else None
    if own is not None and not filled.get(own.name):
        noun = own.type.names or ""
        filled[own.name] = secrets.token_hex(16) if noun == "person" else new_id(noun.replace("_", "-"))
    for field in fields_of(body):
        part_id = MADE_IN_PARTS.get(field.type.part) if field.type.part else None
        if part_id is not None and isinstance(rows := filled.get(field.name), list):
            filled[field.name] = [{part_id: new_id("item")} | row if isinstance(row, dict) else row for row in rows]
    return filled


def body_from(body: type[Body], fields: Mapping[str, Any], *, where: str = "") -> Body:
    """Return the body with those fields that are not empty. Raises MalformedInput, naming the field below ``where``."""
    filled = {name: value for name, value in fields.items() if value not in (None, (), [], {})}
    return canonical.parse(canonical.encode(filled), decoder_of(body), where=where)


def require_free_id(connection: Connection, stream: Stream) -> None:
    """Raise Conflict (duplicate_id) if there is such a stream, before anybody signs the first event of another one.

    The public log shows that the id is taken, so this gives nothing away.
    """
    if log.head(connection, stream.kind, stream.id):
        raise Conflict(
            "the id {stream.id} is taken already", stream=stream, code="duplicate_id", field="stream.id", hint=OTHER_ID
        )


def unsigned(
    parts: Parts,
    reading: Reading,
    *,
    place: StreamPosition,
    body: Body,
    claims: Claims,
) -> UnsignedEvent:
    """Return an event for this place, unsigned, in the reader's name.

    Raises MalformedInput for what no service would accept, naming the field; and, except in a case, whose rules say so,
    RuleRefused for an impossible time.
    """
    now, grant = parts.clock() // 1000, reading.session.grant
    drafted = unsigned_event(body, place, reading.agency, grant.officer, grant.key_id, now=now, claims=claims)
    if place.stream.kind != "case":
        require_consistent(drafted.event)
    return drafted


def draft_in_case(
    service: Service, reading: Reading, labels: Labels, *, drafted_case: CaseAtHand, body: Body, claims: Claims
) -> ForeseenEvent:
    """Return the draft of an event of the case, and record that it was made.

    Raises what the ledger would refuse of the signed event.
    """
    return drafts_in_case(service, reading, labels, drafted_case=drafted_case, acts=[(body, claims)])[0]


def drafts_in_case(
    service: Service, reading: Reading, labels: Labels, *, drafted_case: CaseAtHand, acts: Sequence[tuple[Body, Claims]]
) -> list[ForeseenEvent]:
    """Return the drafts of events of the case that follow each other, each judged on the state after those before it.

    Raises what the ledger would refuse of the first that it would refuse.
    """
    parts, stream = service.parts, Stream(kind="case", id=drafted_case.case_id)
    drafts: list[ForeseenEvent] = []
    state = drafted_case.state
    persons = {**drafted_case.person_names}  # and those whom the acts bring in
    for body, claims in acts:
        drafted = unsigned(parts, reading, place=StreamPosition.after(stream, state), body=body, claims=claims)
        event = drafted.event
        before, outcome = parts.validator.foresee(event, state)
        with parts.database.read() as connection:
            if before is None:
                require_free_id(connection, stream)
            twins = _of_same_number(connection, reading, drafted_case.case_id, body)
        reading.record(
            Message("draft of {event_type}", event_type=Term("event_type", event.event_type)),
            *(() if drafted_case.state is None else (drafted_case.case_id,)),
            *twins,
        )
        if isinstance(body, PersonNamed) and body.section in drafted.sections:
            persons[body.person_id] = drafted.sections[body.section].fields.get("name", body.person_id)
        names = names_by_id(reading.authority.names, labels)
        narrator = Narrator(labels, names, persons, cited_events(parts.database))
        words = narrator.words(event, outcome.state if drafted_case.is_visible else None)
        sentence = narrator.tell(before, event, outcome.state) if drafted_case.is_visible else narrator.alone(event)
        of_flags = narrator.words_of("", outcome.state if drafted_case.is_visible else None)
        visible = visible_flags(type(body), outcome.flags, sees_case=drafted_case.is_visible)
        flags = [(flag, of_flags.value("detail", flag.detail)) for flag in visible]
        warnings = [labels.translate(Message(SAME_NUMBER, case_id=case_id)) for case_id in twins]
        if before is not None and drafted_case.is_visible:
            warnings += [of_flags.value("detail", repeated) for repeated in _repeated_numbers(before, body)]
        if isinstance(body, PersonNamed) and drafted.sections and body.section not in drafted.sections:
            warnings.append(labels.translate(Message(NAMELESS, person_id=body.person_id)))
        particulars = event_fields(event, drafted.sections, words, labels)
        discloses = _disclosed(body, outcome.state, reading.reader.now)
        in_words = None if discloses is None else words.value("detail", discloses)
        drafts.append(ForeseenEvent(drafted, sentence, particulars, flags, warnings, in_words))
        state = outcome.state
    return drafts


def _disclosed(body: Body, after: CaseState, now: str) -> Message | None:
    """Return what an offer lets its receiver read of the persons whom it brings; None if it brings nobody."""
    if not isinstance(body, HandoverOffered | HandoverReturned):
        return None
    receiver = after.handovers[body.handover_id].to_agency
    persons = arriving(Reader(receiver, frozenset(), now), after)
    if not persons:
        return None
    return Message(
        "While the offer is open, {to_agency} reads who is meant: {person_ids}",
        to_agency=receiver,
        person_ids=tuple(person_id for person_id in after.persons if person_id in persons),
    )


def refusals_in_case(
    service: Service, reading: Reading, *, drafted_case: CaseAtHand, acts: Sequence[tuple[Body, Claims]]
) -> dict[int, RuleRefused]:
    """Return what the ledger would refuse of acts that follow each other, by their places; the others follow on."""
    stream, state = Stream(kind="case", id=drafted_case.case_id), drafted_case.state
    refusals: dict[int, RuleRefused] = {}
    for place, (body, claims) in enumerate(acts):
        try:
            following = StreamPosition.after(stream, state)
            drafted = unsigned(service.parts, reading, place=following, body=body, claims=claims)
            _, outcome = service.parts.validator.foresee(drafted.event, state)
        except RuleRefused as error:
            refusals[place] = error
        else:
            state = outcome.state
    return refusals


def _repeated_numbers(before: CaseState, body: Body) -> Iterator[Message]:
    """Yield what an item would have the same as one that is in the case: a list that was sent twice, say."""
    if not isinstance(body, ItemRegistered):
        return
    for item_id, item in before.items.items():
        if body.exhibit_number and body.exhibit_number == item.exhibit_number:
            yield Message("There is an item of this exhibit number already: {item_id}", item_id=item_id)
        elif body.seal_number and body.seal_number == item.seal_number:
            yield Message("There is an item of this seal number already: {item_id}", item_id=item_id)


def _of_same_number(connection: Connection, reading: Reading, case_id: str, body: Body) -> list[str]:
    """Return the other cases that have the number already which the body gives this one, as far as the reader sees."""
    if not isinstance(body, CaseOpened | CaseTakenOver | CaseNumbered):
        return []
    others = set(cases.with_number(connection, body.case_number)) - {case_id}
    return sorted(cases.numbers_of(connection, others, reading.reader))
