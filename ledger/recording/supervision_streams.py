"""Supervision streams: models, leads and recommendations, folded from their short streams.

Validates what is added to them, and that what such an event cites in other streams exists or belongs to the signer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date
from typing import Protocol

from msgspec.structs import replace

from ledger.core.encoding.instants import spelled
from ledger.core.errors import RuleRefused
from ledger.core.events import Event
from ledger.core.events.case import CaseOpened, CaseTakenOver
from ledger.core.events.supervision import (
    LeadClosed,
    ModelAdopted,
    ModelPublished,
    PeriodCount,
    RecommendationIssued,
    RecommendationRechecked,
)
from ledger.core.messages import Message
from ledger.core.procedure.adoption import Procedures
from ledger.core.procedure.jurisdiction import supervises
from ledger.core.procedure.legal_days import DAY
from ledger.core.procedure.rulebook import Rulebook
from ledger.core.procedure.zones import Zone
from ledger.core.signing.authority import Agency, AuthorityState
from ledger.core.supervision import (
    ModelState,
    RecommendationState,
    SupervisionAct,
    SupervisionState,
    SupervisionStep,
    fold,
)
from ledger.core.supervision.anonymity import Trace, known_traces, traces, words
from ledger.core.supervision.recommendations import STREAM as RECOMMENDATION_STREAM
from ledger.core.visibility import SUPERVISORS, Reader, reader_of
from ledger.store import log, search, supervision
from ledger.store.database import Connection
from ledger.store.log import StoredEntry

Agencies = Mapping[str, Agency]


def supervision_state(
    connection: Connection, stream_id: str, agencies: Agencies, procedures: Procedures | None = None
) -> SupervisionState | None:
    """Return the state of a supervision stream, or None if there is no such stream.

    Without the ``procedures`` that the log has adopted a recommendation has no clocks.
    """
    return fold_stream(log.stream(connection, "supervision", stream_id), agencies, procedures)


def fold_stream(
    entries: Iterable[StoredEntry], agencies: Agencies, procedures: Procedures | None = None
) -> SupervisionState | None:
    """Return the state after these entries of one stream, None for none."""
    states = [state for _, state in follow(entries, agencies, procedures)]
    return states[-1] if states else None


def follow(
    entries: Iterable[StoredEntry], agencies: Agencies, procedures: Procedures | None
) -> Iterator[tuple[StoredEntry, SupervisionState]]:
    """Yield each entry of one stream with the state after it."""
    state: SupervisionState | None = None
    for entry in entries:
        books = None if procedures is None else procedures.at(entry.log_index).values()
        state = fold(state, SupervisionAct(log.event_of(entry), agencies, books))
        yield entry, state


class Definitions(Protocol):
    """Reads the definitions of models, which the core takes as text."""

    def require_publishable(self, body: ModelPublished, agency: str, in_force: Collection[Rulebook]) -> None:
        """Raise RuleRefused unless the model can be read and its examples yield what they promise.

        ``agency`` signed it; ``in_force`` are the procedures whose words it may speak.
        """
        ...

    def require_adoptable(self, definition: str, parameters: Mapping[str, str], agency: str) -> None:
        """Raise RuleRefused for parameters outside the definition's bounds."""
        ...


def require_runnable(
    event: Event, step: SupervisionStep, definitions: Definitions, in_force: Collection[Rulebook]
) -> None:
    """Raise RuleRefused unless what the event publishes or adopts can be run, under the procedures in force."""
    body = event.body
    if isinstance(body, ModelPublished):
        definitions.require_publishable(body, event.agency, in_force)
    if isinstance(body, ModelAdopted) and isinstance(step.after, ModelState):
        adopted = next(version.body for version in step.after.versions if version.body.version == body.version)
        definitions.require_adoptable(adopted.definition, body.parameters, event.agency)


def cites_other_streams(event: Event) -> bool:
    """Return whether the event cites something that only other streams show."""
    return isinstance(event.body, RecommendationIssued | LeadClosed | ModelPublished)


def require_cited_elsewhere(connection: Connection, event: Event, authority: AuthorityState) -> None:
    """Raise RuleRefused: unknown_lead, unknown_recommendation, another_procedure, not_anonymous."""
    body, agencies = event.body, authority.agencies
    if isinstance(body, ModelPublished):
        _require_anonymous(connection, body, authority, event)
    if isinstance(body, RecommendationIssued):
        _require_leads(connection, body, agencies[event.agency], agencies)
        _require_procedure(connection, body)
    if isinstance(body, LeadClosed) and body.recommendation_id is not None:
        _require_issued(connection, body.recommendation_id, event)


def counted_periods(
    connection: Connection, state: RecommendationState, today: date, zone: Zone
) -> tuple[PeriodCount, PeriodCount] | None:
    """Count the leads that the recommendation's model raised about its addressee, before it and after.

    After it are the days that follow the day of issue, up to ``today``, before it as many up to the day of issue: what
    was raised on that day led to the recommendation, which can help from the next day on. None without a model or an
    agency, or if no day has passed since the issue.
    """
    issued, model_id, agency = zone.day_of_text(state.issued_at), state.issued.model_id, state.issued.to_agency
    if model_id is None or agency is None or today <= issued:
        return None
    border, size = issued + DAY, log.tree(connection).size

    def counted(first: date, until: date) -> PeriodCount:
        since, end = (spelled(zone.start_of(day)) for day in (first, until))
        count = supervision.count_raised(connection, model_id, agency, since, end)
        return PeriodCount(count, first.isoformat(), until.isoformat(), size)

    return counted(border - (today - issued), border), counted(border, today + DAY)


def require_counted(
    connection: Connection, event: Event, state: RecommendationState, in_force: Collection[Rulebook]
) -> None:
    """Refuse a re-check that counts in more entries than the log has, or has numbers of the service's that are not.

    Raises RuleRefused (beyond_log, not_counted_so).
    """
    body, size = event.body, log.tree(connection).size
    assert isinstance(body, RecommendationRechecked), "it is asked of a re-check"
    for name, period in (("before", body.before), ("after", body.after)):
        if period.tree_size > size:
            raise RuleRefused(
                "the log has {size} entries, not {period.tree_size}",
                size=size,
                period=period,
                code="beyond_log",
                field=f"payload.body.{name}.tree_size",
            )
    if body.counted_by == "officer":
        return
    zone = {book.procedure.id: book for book in in_force}[state.issued.procedure].zone
    days = date.fromisoformat(body.after.period_until) - date.fromisoformat(body.after.period_from)
    counted = counted_periods(connection, state, zone.day_of_text(state.issued_at) + days, zone)
    claimed = tuple(replace(period, tree_size=size) for period in (body.before, body.after))
    if counted != claimed or body.model_id != state.issued.model_id:
        raise RuleRefused(
            "the service does not count so",
            code="not_counted_so",
            field="payload.body.counted_by",
            hint="Let it count again, or state that the numbers are yours.",
        )


def identified(connection: Connection, text: str, authority: AuthorityState, reader: Reader) -> tuple[Trace, ...]:
    """Return what in the text identifies a case, an item or a person, by its form or as an id that the reader sees.

    Ids of cases that the reader may not see are not looked up: the answer would reveal that they exist.
    """
    text_words = words(text)
    officers = text_words & {grant.officer for grant in authority.grants.values()}
    identifiers = dict.fromkeys(officers, "officer") | search.identifiers_in(connection, text_words, reader)
    return tuple(sorted({*traces(text), *known_traces(text, identifiers)}))


def _require_anonymous(connection: Connection, body: ModelPublished, authority: AuthorityState, event: Event) -> None:
    """Raise RuleRefused if the case study identifies somebody or something.

    Ids are looked up as far as an analyst of the publisher may see them: whoever may sign such an event may run models
    over all of these cases.
    """
    study = body.case_study
    reader = reader_of(event.agency, SUPERVISORS, authority.agencies, now=event.occurred_at)
    for language in ("zh", "en") if study is not None else ():
        text = getattr(study, language)
        for trace in identified(connection, text, authority, reader):
            raise RuleRefused(
                "{found!r} in the case study is of a kind that leads to somebody or something: {trace.kind}",
                found=trace.shown_in(text),
                trace=trace,
                code="not_anonymous",
                field=f"payload.body.case_study.{language}",
                hint=Message(
                    "Tell the case so that nobody finds it again; instead of this {trace.instead}.", trace=trace
                ),
            )


def _require_issued(connection: Connection, recommendation_id: str, event: Event) -> None:
    """Refuse to close a lead by a recommendation that its supervising agency has not issued on it.

    Who closes the lead is told the same whether another agency issued one of this id, or nobody.
    """
    lead_id, issuer = event.stream.id, event.agency
    entries = log.stream(connection, "supervision", RECOMMENDATION_STREAM + recommendation_id, limit=1)
    issued = log.event_of(entries[0]) if entries else None
    if (
        issued is None
        or issued.agency != issuer
        or not isinstance(issued.body, RecommendationIssued)
        or not (lead_id in issued.body.leads or supervision.is_of(connection, lead_id, issued.body))
    ):
        raise RuleRefused(
            "there is no such recommendation by {issuer} on the lead",
            issuer=issuer,
            code="unknown_recommendation",
            field="payload.body.recommendation_id",
            hint="Issue the recommendation first, naming the lead: tally recommendation issue --lead",
        )


def _require_leads(connection: Connection, body: RecommendationIssued, issuer: Agency, agencies: Agencies) -> None:
    """Raise RuleRefused unless each lead belongs to the issuer or to a supervising agency below it."""
    having = supervision.standing(connection, frozenset(body.leads))
    for place, lead_id in enumerate(body.leads):
        agency = agencies.get(having.get(lead_id, ""))
        if agency is None or not supervises(issuer, agency):
            raise RuleRefused(
                "{issuer.agency_id} has no lead {lead_id}",
                issuer=issuer,
                lead_id=lead_id,
                code="unknown_lead",
                field=f"payload.body.leads[{place}]",
                hint="The leads that you may see are listed at /api/v1/leads.",
            )


def _require_procedure(connection: Connection, body: RecommendationIssued) -> None:
    """Refuse (another_procedure) a recommendation on cases that are all of other procedures than it names."""
    procedures = set[str]()
    for case_id in supervision.cases_of(connection, body.leads):
        (opened,) = log.stream(connection, "case", case_id, limit=1)
        opening = log.event_of(opened).body
        assert isinstance(opening, CaseOpened | CaseTakenOver), "a case begins with one of them"
        procedures.add(opening.procedure)
    if procedures and body.procedure not in procedures:
        raise RuleRefused(
            "the cases of its leads are of {procedures}",
            procedures=", ".join(sorted(procedures)),
            code="another_procedure",
            field="payload.body.procedure",
            hint="A recommendation on leads is of the procedure of one of their cases.",
        )
