"""The states of the supervision streams: models, leads, recommendations."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal, NoReturn

import msgspec
from msgspec import Struct

from ledger.core.custody.flags import Flag
from ledger.core.custody.state import CaseState
from ledger.core.errors import refuse
from ledger.core.events import Event, supervision
from ledger.core.messages import Term
from ledger.core.procedure.adoption import require_in_force
from ledger.core.procedure.clock_periods import Clock
from ledger.core.procedure.event_words import require_words
from ledger.core.procedure.jurisdiction import may_supervise, supervises
from ledger.core.procedure.rulebook import Rulebook, rows_of
from ledger.core.signing.authority import Agency

LeadStatus = Literal["raised", "assigned", "answered", "confirmed", "dismissed", "closed"]
OPEN: tuple[LeadStatus, ...] = ("raised", "assigned", "answered")  # leads that are not decided
RecommendationStatus = Literal["issued", "received", "objected", "answered", "rechecked", "withdrawn"]


class SupervisionAct(Struct, frozen=True):
    """An event with what is needed to judge it: the agencies that the log has admitted.

    ``books`` are the procedures in force for it: words of a lead are those of any of them, for it has no procedure of
    its own. They are None where the procedures are unknown; the words of what the log has were judged when it was
    recorded. Only agencies admitted at an index below ``index`` count; with None, all.
    """

    event: Event
    agencies: Mapping[str, Agency]
    books: Collection[Rulebook] | None
    index: int | None = None

    @property
    def agency(self) -> str:
        """Return the agency that signed the event."""
        return self.event.agency

    def book_of(self, procedure_id: str) -> Rulebook | None:
        """Return the version of a procedure that is in force for the event; None where the procedures are unknown.

        Refuses (unknown_procedure) where none of it is in force.
        """
        if self.books is None:
            return None
        return require_in_force({book.procedure.id: book for book in self.books}, procedure_id, field="body.procedure")

    def admitted(self, agency_id: str, *, field: str) -> Agency:
        """Return the agency that ``field`` of the payload names. Raises RuleRefused (unknown_agency)."""
        agency = self.agencies.get(agency_id)
        if agency is None or (self.index is not None and agency.index >= self.index):
            refuse_unknown_agency(agency_id, field=field)
        return agency

    def supervising_agency(self, *, hint: str | None = None) -> Agency:
        """Return the signing agency; refuse (not_a_supervising_agency) one that may not supervise."""
        own = self.admitted(self.agency, field="agency")
        if not may_supervise(own):
            refuse(
                "not_a_supervising_agency", "{own.agency_id} is of kind {own.kind}", own=own, field="agency", hint=hint
            )
        return own

    def require_words(self) -> None:
        """Refuse (unknown_word) words that none of the procedures in force has."""
        if self.books is not None:
            require_words(self.event.body, *self.books)

    def row(self, table: str, word: str) -> Any:
        """Return the row that a word of the event has in ``table``, or None for an event that the log has."""
        if self.books is None:
            return None
        return rows_of(self.books, table)[word]

    def require_stream(self, stream_id: str) -> None:
        """Refuse (wrong_stream) an event in another stream."""
        if self.event.stream.id != stream_id:
            refuse("wrong_stream", "expected the stream {stream_id}", stream_id=stream_id, field="stream.id")

    def refuse_foreign(self) -> NoReturn:
        """Refuse (wrong_stream) an event that is none of this stream."""
        event_type = Term("event_type", self.event.event_type)
        refuse("wrong_stream", "{event_type} is no event of this stream", event_type=event_type, field="event_type")


def refuse_unknown_agency(agency_id: str, *, field: str) -> NoReturn:
    """Refuse (unknown_agency) an agency that ``field`` of the payload names and the log has not admitted."""
    refuse(
        "unknown_agency",
        "no agency {agency_id} is admitted to this ledger",
        agency_id=agency_id,
        field=field,
        hint="The agencies are listed at /api/v1/agencies.",
    )


def require_supervised(agency: Agency, supervisor: Agency, *, field: str) -> None:
    """Refuse (outside_jurisdiction) an agency that the other does not supervise."""
    if not supervises(supervisor, agency):
        refuse(
            "outside_jurisdiction",
            "{supervisor.agency_id} does not supervise {agency.agency_id}",
            agency=agency,
            supervisor=supervisor,
            field=field,
        )


class ModelVersion(Struct, frozen=True):
    """A published version; ``published_at`` is the signer's claim, ``event_id`` the event that published it."""

    body: supervision.ModelPublished
    officer: str
    published_at: str
    event_id: str


class Adoption(Struct, frozen=True):
    """An agency's decision to run a version, with its own parameters."""

    version: int
    parameters: dict[str, str]
    adopted_at: str
    officer: str
    note: str | None = None


class ModelState(Struct, frozen=True):
    """A model with its versions, from 1 on; ``adoptions`` has the last one of each agency.

    ``retired`` is why it is no longer run, until another version is published.
    """

    model_id: str
    publisher: str
    head: str
    sequence: int
    versions: tuple[ModelVersion, ...]
    retired: str | None = None
    adoptions: dict[str, Adoption] = msgspec.field(default_factory=dict)

    @property
    def newest(self) -> ModelVersion:
        """Return the last published version."""
        return self.versions[-1]


class LeadState(Struct, frozen=True):
    """A lead: the finding, the supervising agency that has it, and what came of it.

    ``notified``: it was assigned at least once, and from then on the supervised agency sees it.
    """

    raised: supervision.LeadRaised
    raised_at: str
    supervising: str
    head: str
    sequence: int
    status: LeadStatus = "raised"
    notified: bool = False
    handler: str | None = None
    assigned_by: str | None = None  # the officer who signed the assignment to the handler
    department: str | None = None
    business_line: str | None = None  # that took it up, if another than its model's
    answers: tuple[supervision.LeadAnswered, ...] = ()
    confirmed: supervision.LeadConfirmed | None = None
    dismissed: supervision.LeadDismissed | None = None
    closed: supervision.LeadClosed | None = None

    @property
    def lead_id(self) -> str:
        """Return the id of the lead, which is also that of its stream."""
        return self.raised.lead_id

    @property
    def assignee(self) -> str | None:
        """Return the officer to whom somebody else assigned it, until it is dismissed, closed or transferred.

        To this officer the lead opens its cases, so it takes two: nobody opens them to himself.
        """
        is_over = self.status in ("dismissed", "closed")
        return None if is_over or self.handler == self.assigned_by else self.handler

    @property
    def passed_to(self) -> str | None:
        """Return the agency to which it was passed on when it was closed."""
        return None if self.closed is None else self.closed.to_agency

    @property
    def came_to(self) -> str | None:
        """Return what came of it once it is closed: ``dismissed``, or the outcome of a confirmed lead."""
        if self.closed is None:
            return None
        return "dismissed" if self.dismissed else self.closed.outcome


class RecommendationState(Struct, frozen=True):
    """A recommendation; ``answered_at`` is the claimed time of its first answer.

    ``open_objection``: somebody objects, and the issuer has not decided on it yet. ``timing`` is a case without things
    and persons in which its clocks run, so that they are counted like all others; it has no id. It is None where the
    procedures are unknown.
    """

    issued: supervision.RecommendationIssued
    supervising: str
    issued_at: str
    head: str
    sequence: int
    received_at: str | None = None
    answered_at: str | None = None
    open_objection: bool = False
    answers: tuple[supervision.RecommendationAnswered, ...] = ()
    objections: tuple[supervision.RecommendationObjected, ...] = ()
    reviews: tuple[supervision.RecommendationReviewed, ...] = ()
    escalations: tuple[supervision.RecommendationEscalated, ...] = ()
    rechecks: tuple[supervision.RecommendationRechecked, ...] = ()
    timing: CaseState | None = None

    @property
    def recommendation_id(self) -> str:
        """Return the id of the recommendation."""
        return self.issued.recommendation_id

    @property
    def status(self) -> RecommendationStatus:
        """Return how far it has come."""
        reached: tuple[tuple[RecommendationStatus, object], ...] = (
            ("withdrawn", self.is_withdrawn),
            ("objected", self.open_objection),
            ("rechecked", self.rechecks),
            ("answered", self.answers),
            ("received", self.received_at),
            ("issued", True),
        )
        return next(status for status, holds in reached if holds)

    @property
    def is_withdrawn(self) -> bool:
        """Return whether the issuer has taken it back."""
        return any(review.result == "withdrawn" for review in self.reviews)

    @property
    def addressee(self) -> str:
        """Return the agency that acts for whom it goes to: of somebody outside, who signs nothing, the issuer."""
        return self.issued.to_agency or self.supervising

    @property
    def steps(self) -> tuple[str, ...]:
        """Return what has become of it so far, in the words that conditions ask for."""
        reached: tuple[tuple[str, object], ...] = (
            ("received", self.received_at),
            ("objected", self.objections),
            *((review.result, True) for review in self.reviews),
            ("answered", self.answers),
            ("escalated", self.escalations),
        )
        return tuple(step for step, holds in reached if holds)

    @property
    def reply_clock(self) -> Clock | None:
        """Return the latest clock that a reply stops; None if there is none, or if it was withdrawn."""
        if self.timing is None or self.is_withdrawn:
            return None
        stop = f"recommendation_answered.{self.issued.kind}"
        replies = (clock for clock in self.timing.clocks.values() if stop in clock.rule.stops)
        # The last that an event started, whenever that was claimed to be.
        return max(replies, key=lambda clock: int(clock.deadline_id.rpartition("/")[2]), default=None)

    @property
    def copied_to(self) -> frozenset[str]:
        """Return the agencies that got it beside its addressee: a copy, or because it went on to them."""
        further = (escalation.to_agency for escalation in self.escalations)
        return frozenset((*self.issued.copies_to, *(agency for agency in further if agency is not None)))


SupervisionState = ModelState | LeadState | RecommendationState


class SupervisionStep(Struct, frozen=True):
    """The change of a stream's state by one event, and the flags that it raised; ``before`` is None for the first."""

    before: SupervisionState | None
    after: SupervisionState
    flags: tuple[Flag, ...] = ()
