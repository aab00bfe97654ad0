"""Visibility: which agency sees a case, a lead, a recommendation, a model, an event. No other module decides this.

========================  =======================================================================================
case                      its parties; an agency to which it is offered, until the offer ends; the officer to whom
                          somebody else assigned a lead that cites it, until the lead is dismissed, closed or somebody
                          else's, if his agency supervises one of the first two; its auditors and analysts
lead                      the agency that has it; the supervised agency once it was notified; the agency to which it
                          was passed on; those who supervise the agency that has it
recommendation            the agency that issued it, its addressee, and the agencies that got a copy or to which it
                          went on; those who supervise the first
model                     everybody
an event of a stream      whoever sees the subject of the stream, the agency that signed the event, the agency to which
                          the event offers something, and the sender and the addressee of the letter that it sends or
                          whose receipt it records; in the stream of an agency, that agency; in the system stream,
                          everybody
who a person is           in a case, who holds it or a thing of it; an agency to which the person comes by an open
                          offer: whom the offer names, and the accused where it offers the case
a file of evidence        who holds the case or a thing of it; its other parties, on a ground that they state
a letter of a case        whoever sees the case; its sender and its addressee, who also see how the stream of the case
                          goes on, so that they can sign its receipt and the answer, and the time that an answer has;
                          of the flags of what is signed of it, these two see those that rest on nothing else
reports, correlation      auditors, analysts and supervisors of an agency that supervises: these look at every case
                          that its auditors see, also for a supervisor, who opens none of them by jurisdiction
runs of a model           the same, and clerks of such an agency; nobody opens a case by what a run finds in it
========================  =======================================================================================

Lists of many rows are filtered by SQL (``ledger.store.cases``, ``ledger.store.supervision``) or by views
(``ledger.supervision.views.snapshot_tables``); tests compare each of them with ``can_see`` over all relations.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, Literal

from msgspec import Struct

from ledger.core.custody import CaseState, Flag
from ledger.core.events import Body
from ledger.core.events.letter import LetterReceived, LetterSent
from ledger.core.events.terms import Role
from ledger.core.procedure.jurisdiction import may_supervise, supervised_by
from ledger.core.signing.authority import Agency
from ledger.core.supervision import LeadState, RecommendationState, SupervisionState

Sight = Literal["party", "offered", "assigned", "jurisdiction"]  # strongest reason first
SUPERVISORS: Final[tuple[Role, ...]] = ("auditor", "analyst")  # whose agency's jurisdiction counts
GOVERNING: Final[tuple[Role, ...]] = (*SUPERVISORS, "supervisor")  # who may have all of it searched
# Flags of a letter's events that rest on the event and its procedure alone. Others tell of what else happened in the
# case: even without their words, drafts at many times would show when.
OF_LETTER_ALONE: Final = frozenset({"particulars_missing"})
MODELLING: Final[tuple[Role, ...]] = (*GOVERNING, "clerk")  # who may run models over it


class Reader(Struct, frozen=True):
    """A reading agency and the agencies whose cases it sees by jurisdiction. ``now`` is RFC 3339 in UTC.

    ``officer`` is who reads, as the agency's leads name him; None if nobody in particular. ``jurisdiction`` are the
    agencies whose cases the agency's auditors see by jurisdiction, whatever the role of who reads: a lead opens no
    others.
    """

    agency: str
    supervised: frozenset[str]
    now: str
    officer: str | None = None
    jurisdiction: frozenset[str] = frozenset()


class Offer(Struct, frozen=True):
    """An unanswered offer; ``expires_at`` (RFC 3339) is its last moment, if it has one."""

    to_agency: str
    expires_at: str | None = None


class AssignedLead(Struct, frozen=True):
    """A lead at work: the agency that has it, and the officer to whom it is assigned."""

    lead_id: str
    agency: str
    officer: str


class Sides(Struct, frozen=True):
    """The agencies that stand in a relation to a case, a lead, a recommendation or a model.

    Of a case: its ``parties``, its open ``offers``, and the ``leads`` at work that cite it. What has a ``holder``, the
    agency that has a lead or issued a recommendation, is seen by those who supervise that agency alone; else by those
    who supervise a party, or one to which an offer is open. What ``is_public`` is seen by everybody.
    """

    parties: frozenset[str]
    offers: tuple[Offer, ...] = ()
    leads: tuple[AssignedLead, ...] = ()
    holder: str | None = None
    is_public: bool = False


def sides_of_lead(supervising: str, supervised: str, *, notified: bool, passed_to: str | None = None) -> Sides:
    """Return the agencies of a lead; it was ``notified`` to the supervised agency once that was told of it."""
    parties = {supervising, supervised if notified else None, passed_to}
    return Sides(frozenset(agency for agency in parties if agency is not None), holder=supervising)


def sides_of_recommendation(supervising: str, to_agency: str | None, copied_to: frozenset[str]) -> Sides:
    """Return the agency that issued a recommendation, its addressee if that is one, and those that got a copy."""
    addressee = frozenset[str]() if to_agency is None else frozenset((to_agency,))
    return Sides(copied_to | addressee | {supervising}, holder=supervising)


def reader_of(
    agency_id: str, roles: Collection[str], agencies: Mapping[str, Agency], *, now: str, officer: str | None = None
) -> Reader:
    """Return the reader for an officer of the agency; jurisdiction counts if one of the officer's roles supervises."""
    supervises = not set(SUPERVISORS).isdisjoint(roles)
    jurisdiction = supervised_by(agency_id, agencies)
    return Reader(agency_id, jurisdiction if supervises else frozenset(), now, officer, jurisdiction)


def may_search_jurisdiction(agency: Agency, roles: Collection[str]) -> bool:
    """Return whether an officer of the agency may run models, reports and correlation over its whole jurisdiction."""
    return may_supervise(agency) and not set(GOVERNING).isdisjoint(roles)


def may_run_models(agency: Agency, roles: Collection[str]) -> bool:
    """Return whether an officer of the agency may write models and run them over its whole jurisdiction."""
    return may_supervise(agency) and not set(MODELLING).isdisjoint(roles)


def sides_of(subject: CaseState | SupervisionState, leads: Collection[LeadState] = ()) -> Sides:
    """Return the agencies that stand in a relation to this case or subject of supervision.

    Of ``leads``, those count that cite the case and are assigned.
    """
    if isinstance(subject, CaseState):
        offers = (Offer(offer.to_agency, offer.expires_at) for offer in subject.handovers.marked("open"))
        at_work = (
            AssignedLead(lead.lead_id, lead.supervising, lead.assignee)
            for lead in leads
            if lead.assignee is not None and subject.case_id in lead.raised.cases
        )
        return Sides(subject.agencies, tuple(offers), tuple(at_work))
    if isinstance(subject, LeadState):
        supervised, passed_to = subject.raised.supervised, subject.passed_to
        return sides_of_lead(subject.supervising, supervised, notified=subject.notified, passed_to=passed_to)
    if isinstance(subject, RecommendationState):
        return sides_of_recommendation(subject.supervising, subject.issued.to_agency, subject.copied_to)
    # Models are published to be adopted: nothing in them is of a case.
    return Sides(frozenset((subject.publisher, *subject.adoptions)), is_public=True)


def can_see(reader: Reader, sides: Sides) -> Sight | None:
    """Return the strongest reason for which the reader sees the subject, or None if there is none."""
    if sides.is_public or reader.agency in sides.parties:
        return "party"
    # The order is that of `Sight`: a party that also supervises sees the case as a party.
    if reader.agency in _offered(sides, reader.now):
        return "offered"
    if assigned_lead(reader, sides) is not None:
        return "assigned"
    return None if reader.supervised.isdisjoint(_supervised(sides, reader.now)) else "jurisdiction"


def assigned_lead(reader: Reader, sides: Sides) -> str | None:
    """Return the first of the leads that cite the case and are assigned to the reader, or None.

    A lead may cite cases beyond the jurisdiction of the agency that has it: another's model found them, or it was
    transferred. These it does not open.
    """
    if reader.jurisdiction.isdisjoint(_supervised(sides, reader.now)):
        return None
    own = (lead.lead_id for lead in sides.leads if (lead.agency, lead.officer) == (reader.agency, reader.officer))
    return min(own, default=None)


def can_see_event(
    reader: Reader,
    stream_kind: str,
    stream_id: str,
    *,
    signer: str,
    addressed_to: Collection[str] = (),
    sides: Sides | None = None,
) -> Sight | None:
    """Return the strongest reason for which the reader sees one event of a stream, or None if there is none.

    ``sides`` are those of the stream's subject, if it exists. ``signer`` is the agency that signed the event,
    ``addressed_to`` are those to which it offers something or recalls an offer, and the two of a letter that it sends
    or whose receipt it records: all have the event already, so they see it in every later state of the case.
    """
    if stream_kind == "system" or (stream_kind == "agency" and stream_id == reader.agency):
        return "party"
    sight = None if sides is None else can_see(reader, sides)
    # They hold the event already, even if the case is closed to them now.
    if sight is None and reader.agency in (signer, *addressed_to):
        return "offered"
    return sight


def arriving(reader: Reader, state: CaseState) -> frozenset[str]:
    """Return the persons who come to the reader's agency by open offers, and of whom it may read who they are.

    They are those whom an offer names, and the accused where it offers the case. Who signs the offer agrees to that.
    Others who go along, such as victims and witnesses, become known with the acceptance.
    """
    persons: set[str] = set()
    for offer in state.handovers.marked("open"):
        if offer.to_agency == reader.agency and not offer.is_over(reader.now):
            along = state.persons_going(offer) if offer.moves_case else ()
            persons.update(offer.person_ids, (person.person_id for person in along if person.accused))
    return frozenset(persons)


def can_see_letter(reader: Reader, sides: Sides, agencies: Collection[str]) -> bool:
    """Return whether the reader sees a letter of the case that is between these agencies.

    With it comes the head of the case's stream, which anybody reads in the public log, and nothing else of the case.
    """
    return reader.agency in agencies or can_see(reader, sides) is not None


def visible_flags(body: type[Body], flags: tuple[Flag, ...], *, sees_case: bool) -> tuple[Flag, ...]:
    """Return the flags of an event of a case that a reader sees who may see the event.

    Of what is signed of a letter, its two agencies may see no more of the case than that. Whoever signs anything else
    saw the case, and whoever reads it has seen it.
    """
    if sees_case or body not in (LetterSent, LetterReceived):
        return flags
    return tuple(flag for flag in flags if flag.name in OF_LETTER_ALONE)


def concerned(sides: Sides) -> frozenset[str]:
    """Return the agencies that are notified of each event.

    Those are all that see it other than by jurisdiction or by a lead; of a model, its users. An offer counts even if it
    has expired: expiry is decided when the agency reads.
    """
    return sides.parties.union(offer.to_agency for offer in sides.offers)


def _supervised(sides: Sides, now: str) -> frozenset[str]:
    """Return the agencies whose supervisors see the subject."""
    return sides.parties | _offered(sides, now) if sides.holder is None else frozenset((sides.holder,))


def _offered(sides: Sides, now: str) -> frozenset[str]:
    """Return the agencies whose offers have not expired ``now``."""
    return frozenset(offer.to_agency for offer in sides.offers if offer.expires_at is None or offer.expires_at >= now)
