"""Validation of submissions, outside the writer's lock: form, signature, rights, and the rules of the stream.

The verdict is a pure function of the submission, of the case's state at ``previous`` and of the registry. The
sequencer checks only that these have not changed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, TypeVar

from msgspec import Struct
from msgspec.structs import asdict

from ledger.core.custody import Act, CaseState, Flag, Outcome, fold
from ledger.core.custody.claimed_times import require_consistent
from ledger.core.custody.discrepancies import require_fit_lines
from ledger.core.custody.erasures import proposal_of, require_proposed
from ledger.core.custody.references import require_new
from ledger.core.custody.state import ErasureProposal
from ledger.core.errors import Conflict, RuleRefused, TallystickError, Unauthorized, Unavailable
from ledger.core.events import Body, Envelope, Event, Submitted, decode_submission
from ledger.core.events.case import CustodyChangeRequested, CustodyPeriodNotified
from ledger.core.events.fields import ValueAt, value_at
from ledger.core.events.handover import HandoverOffered
from ledger.core.events.hold import HoldPlaced
from ledger.core.events.letter import LetterSent
from ledger.core.events.record import (
    IN_NEW_SECTION,
    IN_SECTION,
    DisclosureMade,
    ErasureProposed,
    RecordCorrected,
    RecordLate,
    SectionErased,
)
from ledger.core.events.stocktake import StocktakeRecorded
from ledger.core.events.supervision import RecommendationRechecked
from ledger.core.events.terms import EventRef, Instant
from ledger.core.messages import Message, Term
from ledger.core.procedure.adoption import NOT_YET, Procedures
from ledger.core.procedure.jurisdiction import keeps_persons
from ledger.core.procedure.rulebook import Rulebook
from ledger.core.signing import authority as authorities
from ledger.core.signing import signatures
from ledger.core.signing.authority import Agency, AuthorityState
from ledger.core.supervision import (
    RecommendationState,
    SupervisionAct,
    SupervisionState,
    SupervisionStep,
    advance,
)
from ledger.core.supervision.state import refuse_unknown_agency
from ledger.core.visibility import visible_flags
from ledger.recording import supervision_streams
from ledger.recording.case_states import CaseStates, NoDatabase
from ledger.recording.clock import seconds_behind
from ledger.recording.registry_view import ReadAccess, Registry
from ledger.recording.supervision_streams import Definitions
from ledger.store import clock_lines, log, stocktakes
from ledger.store.append import ValidatedSubmission, rows_of
from ledger.store.cases import split_cited
from ledger.store.clock_lines import ClockLine
from ledger.store.database import Connection
from ledger.store.log import StoredEntry


class Duplicate(Struct, frozen=True):
    """The same event by the same signer is in the log already."""

    entry: StoredEntry


R = TypeVar("R")


def _attempted_each(step: Callable[[Any], R], inputs: Iterable[Any]) -> list[R | Exception]:
    """Return what the step makes of each, or its error, whatever it is; what failed before is returned as it is."""
    outcomes: list[R | Exception] = []
    for submission in inputs:
        try:
            outcomes.append(submission if isinstance(submission, Exception) else step(submission))
        except TallystickError as refusal:
            # Its traceback would hold all of these submissions as long as the refusal of one of them is held.
            refusal.__traceback__ = refusal.__cause__ = refusal.__context__ = None
            outcomes.append(refusal)
        except StopIteration as error:  # which no future takes
            outcomes.append(RuntimeError(f"a step ended with {error!r}"))
        except Exception as error:  # noqa: BLE001 - of one submission: the others have nothing to do with it
            outcomes.append(error)
    return outcomes


class _Checked(NamedTuple):
    """A submission that is valid, with what its rows are made of.

    ``before`` and ``after`` are the states of its case, ``act`` is what was judged; ``step`` is that of a supervision
    stream.
    """

    submitted: Submitted
    registry_changes: int
    adopted: int | None = None
    flags: tuple[Flag, ...] = ()
    before: CaseState | None = None
    after: CaseState | None = None
    act: Act | None = None
    step: SupervisionStep | None = None


class Validator:
    """Validates submissions, and computes the deadlines that they change. Safe to call from several threads.

    Supervision streams need the ``definitions`` of models; states of long cases are kept under ``state_key``.
    """

    def __init__(
        self,
        database: ReadAccess,
        registry: Registry,
        definitions: Definitions | None = None,
        *,
        states: CaseStates | None = None,
        state_key: bytes | None = None,
    ):
        self._database = database
        self._registry = registry
        self.procedures: Callable[[], Procedures] = registry.procedures
        self._definitions = definitions
        self.states = states or CaseStates(database, registry.procedures, registry.kinds, state_key=state_key)

    def book_of(self, state: CaseState) -> Rulebook:
        """Return the version of the case's procedure that is in force now."""
        return self.procedures().current[state.procedure]

    def procedures_in_force(self) -> Collection[Rulebook]:
        """Return the versions of all procedures that are in force now."""
        return self.procedures().current.values()

    def supervision_state(
        self, connection: Connection, stream_id: str, agencies: Mapping[str, Agency] | None = None
    ) -> SupervisionState | None:
        """Return the state of a supervision stream, with its clocks; among the agencies of the registry by now."""
        among = self._registry.authority.agencies if agencies is None else agencies
        return supervision_streams.supervision_state(connection, stream_id, among, self.procedures())

    def steps_of(self, entries: Iterable[StoredEntry]) -> Iterator[tuple[StoredEntry, SupervisionStep]]:
        """Yield the entries of one supervision stream, each with the step that it made."""
        before: SupervisionState | None = None
        for entry, after in supervision_streams.follow(entries, self._registry.authority.agencies, self.procedures()):
            yield entry, SupervisionStep(before, after)
            before = after

    def in_memory(self) -> Validator:
        """Return a validator that never reads the database.

        It never waits, and raises NeedsDatabase where the cache cannot answer.
        """
        return Validator(NoDatabase(), self._registry, self._definitions, states=self.states.in_memory())

    def validate(self, data: bytes, now: int) -> ValidatedSubmission | Duplicate:
        """Validate a posted submission at ``now`` (unix seconds).

        An event that is in the log already is a Duplicate whatever has happened since, if the same signer signed the
        same payload. Nothing is changed.

        Raises:
            MalformedInput, SignatureRefused, Unauthorized, Conflict, RuleRefused: the submission is refused.
        """
        return self.check_rules(self.verify_signature(data), now)

    def validate_each(
        self, submissions: Iterable[bytes], now: int
    ) -> list[ValidatedSubmission | Duplicate | Exception]:
        """Validate posted submissions as ``validate`` does, in order; return what came of each, or its error.

        A later one may stand on an earlier one. States that are lacking are read together.
        """
        verified = self.verify_signatures(submissions)
        with suppress(Exception):  # each submission meets it again by itself
            submitted = [outcome for outcome in verified if isinstance(outcome, Submitted)]
            self.states.prefetch(accepted.event for accepted in submitted if self.lacks_state(accepted))
        return self.check_rules_of_each(verified, now)

    def verify_signatures(self, submissions: Iterable[bytes]) -> list[Submitted | Exception]:
        """Decode posted submissions as ``verify_signature`` does; return each, or its error."""
        return _attempted_each(self._verify_envelope, _attempted_each(decode_submission, submissions))

    def check_rules_of_each(
        self, verified: Iterable[Submitted | Exception], now: int
    ) -> list[ValidatedSubmission | Duplicate | Exception]:
        """Check verified submissions as ``check_rules`` does, in order; return what came of each, or its error.

        First all are checked, then the rows of all are made: what a step needs is still in the processor's caches when
        it comes again. To take all steps with one submission before the next one takes a fourth longer.
        """
        return _attempted_each(self._with_rows, _attempted_each(partial(self._check, now=now), verified))

    def verify_signature(self, data: bytes) -> Submitted:
        """Decode a posted submission whose signature holds. Raises MalformedInput, SignatureRefused."""
        return self._verify_envelope(decode_submission(data))

    def _verify_envelope(self, submitted: Submitted) -> Submitted:
        signatures.verify_envelope(submitted.envelope, self._registry.authority.log_id)
        return submitted

    def lacks_state(self, submitted: Submitted) -> bool:
        """Return whether a case's state must be read for a submission, whose key may sign it by what is known here."""
        if not self.states.lacks(submitted.event):
            return False
        try:
            authorities.require_key(self._registry.authority, submitted.envelope, NOT_YET)
        except Unauthorized:
            return False
        return True

    def check_rules(self, submitted: Submitted, now: int) -> ValidatedSubmission | Duplicate:
        """Validate, as ``validate`` does, a submission whose signature is verified."""
        return self._with_rows(self._check(submitted, now))

    def _check(self, submitted: Submitted, now: int) -> _Checked | Duplicate:
        envelope = submitted.envelope
        # A duplicate is looked for only after a refusal: most submissions are new, and the look-up costs a query.
        try:
            signatures.require_window(envelope, now)
            return self._check_by_newest_registry(submitted)
        except TallystickError as refusal:
            with self._database.read() as connection:
                stored = log.entries_by_event_id(connection, [envelope.event_id]).get(envelope.event_id)
                behind_s = seconds_behind(log.tree(connection).recorded_at, now * 1000)
            if stored is None:
                if refusal.code == "signed_at_out_of_window" and behind_s and envelope.signed_at > now:
                    raise _clock_behind(behind_s) from refusal  # whoever signed has the time of the log
                raise
            require_same_event(stored, submitted)
            return Duplicate(stored)

    def _with_rows(self, checked: _Checked | Duplicate) -> ValidatedSubmission | Duplicate:
        if isinstance(checked, Duplicate):
            return checked
        submitted, changes, adopted, flags, before, after, act, step = checked
        lines: tuple[ClockLine, ...] = ()
        if after is not None and act is not None:
            lines = clock_lines.changes(before, after, act.book)
            if act.source is not None and (cited := split_cited(submitted.event)) is not None:
                lines += clock_lines.of_taken_over(act.source, cited.event_id, act.book)
        elif step is not None:
            lines = clock_lines.changes_of_step(step, self.procedures().current)
        rows = rows_of(submitted.event, before, after, lines, step)
        if after is not None:
            rows += self.states.row_to_keep(after)
        event = submitted.event
        # As the stored receipt has them (``publisher``).
        sees_case = after is None or submitted.envelope.agency in after.agencies
        return ValidatedSubmission(
            **asdict(submitted),
            registry_changes=changes,
            adopted=adopted,
            flags=flags,
            receipt_flags=visible_flags(type(event.body), flags, sees_case=sees_case),
            rows=rows,
        )

    def foresee(self, event: Event, before: CaseState | None = None) -> tuple[CaseState | None, Outcome]:
        """Return the state that an unsigned event of a case would follow, and its outcome.

        ``before`` is that state if it is one that was itself foreseen; else the event follows its stream's head.
        Raises what validation would raise, except for the signature and the rights of the key. Nothing is cached.
        """
        authority = self._newest_authority()
        before = before or self.states.at_head(event)
        outcome = fold(before, self.states.act(before, event, registered=authority.agencies))
        # Of another case, so that the fold of this one cannot know it.
        self.states.require_by_splits(event)
        self.states.require_by_open_cases(event, outcome.state)
        self._require_references(authority, event)
        return before, outcome

    def foresee_supervision(self, event: Event) -> SupervisionStep:
        """Return the step that an unsigned event of a model, a lead or a recommendation would make."""
        return self._step(event, self._newest_authority())

    def _check_by_newest_registry(self, submitted: Submitted) -> _Checked:
        """Check by the cached registry; if that refuses, again if the log has a newer one."""
        authority = self._registry.authority
        try:
            return self._check_by(authority, submitted)
        except (Unauthorized, RuleRefused):
            # Reading the registry for each submission would cost a query; only a refusal makes it worth one.
            newest = self._newest_authority()
            if newest.changes == authority.changes:
                raise
            return self._check_by(newest, submitted)

    def _newest_authority(self) -> AuthorityState:
        with self._database.read() as connection:
            return self._registry.at(connection, log.tree(connection).registry_changes)

    def _check_by(self, authority: AuthorityState, submitted: Submitted) -> _Checked:
        envelope, event = submitted.envelope, submitted.event
        grant = authorities.require_key(authority, envelope, NOT_YET)
        authorities.require_officer(grant, event.officer)
        if event.stream.kind != "case":  # of a case its rules say so
            require_consistent(event)
        if event.stream.kind == "supervision":
            adopted = self.procedures().last_index
            step = self._step(event, authority)
            return _Checked(submitted, authority.changes, adopted, step.flags, step=step)
        if event.stream.kind != "case":
            self._require_references(authority, event)
            return _Checked(submitted, authority.changes)
        before = self.states.at_head(event)
        # Before the act is judged: if another adoption comes in between, the sequencer turns the event away.
        adopted = self.procedures().last_index
        act = self.states.act(before, event, registered=authority.agencies)
        outcome = fold(before, act)
        self.states.require_by_open_cases(event, outcome.state)
        self._require_references(authority, event)
        # States are keyed by digest, so that one which is never committed does no harm in the cache.
        self.states.add_to_cache(outcome.state, adopted)
        return _Checked(submitted, authority.changes, adopted, outcome.flags, before, outcome.state, act)

    def _step(self, event: Event, authority: AuthorityState) -> SupervisionStep:
        """Return the step that an event of supervision makes; nothing is read for the first one of its stream."""
        before: SupervisionState | None = None
        if event.previous is not None:
            with self._database.read() as connection:
                before = self.supervision_state(connection, event.stream.id, authority.agencies)
        in_force = self.procedures_in_force()
        step = advance(before, SupervisionAct(event, authority.agencies, in_force))
        self._require_references(authority, event)
        assert self._definitions is not None, "supervision streams are judged with definitions"
        supervision_streams.require_runnable(event, step, self._definitions, in_force)
        if isinstance(before, RecommendationState) and isinstance(event.body, RecommendationRechecked):
            with self._database.read() as connection:
                supervision_streams.require_counted(connection, event, before, in_force)
        return step

    def _require_references(self, authority: AuthorityState, event: Event) -> None:
        """Require that what an event cites outside its state exists, and that a stocktake fits and its id is free.

        This is checked last, only for an event that the stream accepts from this signer: the answer reveals other
        events.
        """
        body = event.body
        if isinstance(body, HandoverOffered | LetterSent) and body.to_agency is not None:
            _require_admitted(authority, body.to_agency, "to_agency")
        if isinstance(body, CustodyChangeRequested | CustodyPeriodNotified):
            house = _require_admitted(authority, body.keeper, "keeper")
            if not keeps_persons(house):
                raise RuleRefused(
                    "{house.agency_id} keeps no persons, its kind is {house.kind}",
                    house=house,
                    code="not_a_keeper",
                    field="payload.body.keeper",
                    hint="The agencies and their kinds are listed at /api/v1/agencies.",
                )
        if isinstance(body, SectionErased | ErasureProposed):
            with self._database.read() as connection:
                entry = _cited_entry(
                    log.entries_by_event_id(connection, [body.concerns.event_id]), event, body.concerns
                )
                if entry is None or body.label not in log.sections(connection, entry.log_index):
                    raise RuleRefused(
                        "this stream has no section {body.label} of that event",
                        body=body,
                        code="unknown_section",
                        field="payload.body",
                        hint="An event is cited by its id and its payload's digest, both of the same event.",
                    )
                # Of a case its rules say so.
                if isinstance(body, SectionErased) and event.stream.kind != "case":
                    require_proposed(_erasure_cited(connection, event, body), event, body)
        if isinstance(body, StocktakeRecorded):
            require_fit_lines(body)
            key = (event.agency, body.stocktake_id)
            with self._database.read() as connection:
                taken = stocktakes.recorded_among(connection, [key])
            require_new([stocktake_id for _, stocktake_id in taken], body.stocktake_id, "stocktake")
        if cites(body):
            with self._database.read() as connection:
                require_cited(connection, event)
        if supervision_streams.cites_other_streams(event):
            with self._database.read() as connection:
                supervision_streams.require_cited_elsewhere(connection, event, authority)


def _erasure_cited(connection: Connection, event: Event, body: SectionErased) -> ErasureProposal | None:
    """Return the proposal of an erasure that the event cites, in its own stream; None if it cites nothing such."""
    entry = _cited_entry(log.entries_by_event_id(connection, [body.cites.event_id]), event, body.cites)
    proposed = None if entry is None else log.event_of(entry)
    if proposed is None or not isinstance(proposed.body, ErasureProposed):
        return None
    return proposal_of(proposed, proposed.body)


def _require_admitted(authority: AuthorityState, agency_id: str, field: str) -> Agency:
    agency = authority.agencies.get(agency_id)
    if agency is None:
        refuse_unknown_agency(agency_id, field=f"body.{field}")
    return agency


def is_same_event(stored: StoredEntry | Envelope, submitted: Submitted) -> bool:
    """Return whether both, of one event id, have the same payload and signer."""
    envelope = submitted.envelope
    return (stored.payload_digest, stored.key_id) == (envelope.payload_digest, envelope.key_id)


def require_same_event(stored: StoredEntry | Envelope, submitted: Submitted) -> None:
    """Raise Conflict unless both, of one event id, have the same payload and signer."""
    if not is_same_event(stored, submitted):
        raise Conflict(
            "the event id {envelope.event_id} stands in the log with another payload or signer",
            envelope=submitted.envelope,
            field="envelope.event_id",
            code="event_id_taken",
            hint="Mint a new event id for a new event.",
        )


_OCCURRED_AT = ValueAt(Instant, may_lack=False)
_SECTION = "confidential."


def cites(body: Body) -> tuple[tuple[str, EventRef], ...]:
    """Return the events of its own stream that a body cites, each with its field."""
    match body:
        case RecordCorrected(corrects=ref):
            return (("corrects", ref),)
        case RecordLate(concerns=ref) if ref is not None:
            return (("concerns", ref),)
        case DisclosureMade(events=refs):
            return tuple((f"events[{place}]", ref) for place, ref in enumerate(refs))
        case HoldPlaced(concerns=refs):
            return tuple((f"concerns[{place}]", ref) for place, ref in enumerate(refs))
    return ()


def require_cited(connection: Connection, event: Event) -> None:
    """Raise RuleRefused for a citation that does not hold.

    ``unknown_event``: the stream has no such event. ``unknown_field``: a correction names a field that the corrected
    event does not have. ``confidential_in_clear``: it states what a section says. Raises MalformedInput for a corrected
    value that the field cannot have.
    """
    cited = cites(event.body)
    stored = log.entries_by_event_id(connection, [ref.event_id for _, ref in cited])
    for field, ref in cited:
        if _cited_entry(stored, event, ref) is None:
            raise RuleRefused(
                "this stream has no event {ref.event_id} with the digest that is cited",
                ref=ref,
                code="unknown_event",
                field=f"payload.body.{field}",
                hint="An event is cited by its id and its payload's digest, once it is recorded.",
            )
    if isinstance(event.body, RecordCorrected):
        corrected = log.event_of(stored[event.body.corrects.event_id])
        fields = (*corrected.body.__struct_fields__, "occurred_at")
        labels = corrected.confidential.keys() | event.confidential.keys()
        for place, correction in enumerate(event.body.corrections):
            field, where = correction.field, f"payload.body.corrections[{place}]"
            label = field.removeprefix(_SECTION)
            if label in labels and field.startswith(_SECTION):
                fixed = IN_SECTION.format(label), IN_NEW_SECTION.format(label)
                if label not in event.confidential or (correction.recorded, correction.correct) != fixed:
                    # What stands in a payload is shown to all who see the case, and never erased.
                    raise RuleRefused(
                        "what section {label} says is corrected in a section of the correction, not in clear",
                        label=label,
                        code="confidential_in_clear",
                        field=where,
                        hint=Message(
                            "Sign a section {label}, and here the words “{recorded}” and “{correct}”; a name that was "
                            "misspelt: tally person name --person-id",
                            label=label,
                            recorded=fixed[0],
                            correct=fixed[1],
                        ),
                    )
                continue
            value = _OCCURRED_AT if field == "occurred_at" else value_at(type(corrected.body), field)
            if value is None:
                raise RuleRefused(
                    "{event_type} does not say {name}",
                    event_type=Term("event_type", corrected.event_type),
                    name=field,
                    code="unknown_field",
                    field=f"{where}.field",
                    hint=Message(
                        "Its fields are {fields}; parts are named as in quantity.value.", fields=", ".join(fields)
                    ),
                )
            value.require(correction.correct, where=f"{where}.correct")


def _cited_entry(stored: Mapping[str, StoredEntry], event: Event, ref: EventRef) -> StoredEntry | None:
    """Return the cited entry, or None unless it has the cited digest and is in the stream of the event that cites."""
    entry = stored.get(ref.event_id)
    cited = (ref.payload_digest, event.stream.kind, event.stream.id)
    if entry is None or (entry.payload_digest, entry.stream_kind, entry.stream_id) != cited:
        return None
    return entry


def _clock_behind(seconds: int) -> Unavailable:
    return Unavailable(
        "the clock of the service's machine is {seconds} s behind the log's last entry",
        seconds=seconds,
        code="clock_behind",
        hint="If this computer's clock is right, ask the operator to put that one right; then send the same again.",
    )
