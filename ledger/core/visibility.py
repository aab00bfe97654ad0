"""Visibility: who sees a case, a matter of supervision, an event. This is the one rule; nothing else decides it.

========================  =======================================================================================
case                      its parties; whoever is being offered it, until the offer ends; auditors and analysts of
                          an agency that supervises one of these
lead                      the agency that has it; the supervised agency once it was told; those who supervise the
                          agency that has it
recommendation            the agency that issued it and the one that got it; those who supervise the first
model                     everybody
an event of a stream      whoever sees what the stream is of, who signed the event, and who was offered something by
                          it; in the stream of an agency, that agency; in that of the system, everybody
========================  =======================================================================================

Lists that many rows are chosen for decide by SQL (``ledger.store.cases``, ``ledger.store.supervision``) or in the views
(``ledger.supervision.views.tables``); tests hold each of them against ``can_see`` over all relations.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, Literal

from msgspec import Struct

from ledger.core.custody import CaseState
from ledger.core.events.terms import Role
from ledger.core.procedure.jurisdiction import supervised_by
from ledger.core.signing.authority import Agency
from ledger.core.supervision import LeadState, Matter, RecommendationState

Sight = Literal["party", "offered", "jurisdiction"]  # strongest first
SUPERVISORS: Final[tuple[Role, ...]] = ("auditor", "analyst")  # whose agency's jurisdiction counts


class Reader(Struct, frozen=True):
    """Who reads: an agency, and the agencies whose cases it sees by jurisdiction. ``now`` is RFC 3339 in UTC."""

    agency: str
    supervised: frozenset[str]
    now: str


class Offer(Struct, frozen=True):
    """An offer that nobody has answered; ``expires_at`` (RFC 3339) is its last moment, if it has one."""

    to_agency: str
    expires_at: str | None = None


class CaseSides(Struct, frozen=True):
    """Who stands how to a case."""

    parties: frozenset[str]
    offers: tuple[Offer, ...] = ()


class LeadSides(Struct, frozen=True):
    """Who stands how to a lead; ``told`` says that the supervised agency was told of it."""

    procuratorate: str
    supervised: str
    told: bool


class RecommendationSides(Struct, frozen=True):
    """Who stands how to a recommendation."""

    procuratorate: str
    to_agency: str


class ModelSides(Struct, frozen=True):
    """A model, which is published to everybody; ``users`` published or adopted it."""

    users: frozenset[str]


Sides = CaseSides | LeadSides | RecommendationSides | ModelSides


def reader_of(agency_id: str, roles: Collection[str], agencies: Mapping[str, Agency], *, now: str) -> Reader:
    """Return what an officer of the agency reads by: its jurisdiction too if a role of his supervises."""
    supervises = not set(SUPERVISORS).isdisjoint(roles)
    return Reader(agency_id, supervised_by(agency_id, agencies) if supervises else frozenset(), now)


def sides_of(thing: CaseState | Matter) -> Sides:
    """Return who stands how to a case or matter of this state."""
    if isinstance(thing, CaseState):
        offers = (Offer(offer.to_agency, offer.expires_at) for offer in thing.handovers.marked("open"))
        return CaseSides(thing.agencies, tuple(offers))
    if isinstance(thing, LeadState):
        return LeadSides(thing.procuratorate, thing.raised.supervised, thing.told)
    if isinstance(thing, RecommendationState):
        return RecommendationSides(thing.procuratorate, thing.issued.to_agency)
    return ModelSides(frozenset((thing.publisher, *thing.adoptions)))


def can_see(reader: Reader, sides: Sides) -> Sight | None:
    """Return by what the reader sees it, the strongest reason first; None if by nothing."""
    if isinstance(sides, ModelSides):
        return "party"
    if reader.agency in _parties(sides):
        return "party"
    if isinstance(sides, CaseSides) and reader.agency in _offered(sides, reader.now):
        return "offered"
    return None if reader.supervised.isdisjoint(_supervised(sides, reader.now)) else "jurisdiction"


def can_see_event(
    reader: Reader,
    stream_kind: str,
    stream_id: str,
    *,
    signer: str,
    offered_to: str | None = None,
    sides: Sides | None = None,
) -> Sight | None:
    """Return by what the reader sees one event of a stream; ``sides`` are of what the stream is of, if it is there.

    ``signer`` is the agency that signed it, ``offered_to`` the one that it offers something to or recalls an offer to:
    both have it in hand, whatever became of the case.
    """
    if stream_kind == "system" or (stream_kind == "agency" and stream_id == reader.agency):
        return "party"
    sight = None if sides is None else can_see(reader, sides)
    if sight is None and reader.agency in (signer, offered_to):
        return "offered"
    return sight


def concerned(sides: Sides) -> frozenset[str]:
    """Return the agencies that are told of each event: all that see it but by jurisdiction, and of a model its users.

    Whether an offer has expired is judged when they read.
    """
    if isinstance(sides, CaseSides):
        return sides.parties.union(offer.to_agency for offer in sides.offers)
    return sides.users if isinstance(sides, ModelSides) else _parties(sides)


def _parties(sides: CaseSides | LeadSides | RecommendationSides) -> frozenset[str]:
    if isinstance(sides, CaseSides):
        return sides.parties
    if isinstance(sides, LeadSides):
        return frozenset((sides.procuratorate, *((sides.supervised,) if sides.told else ())))
    return frozenset((sides.procuratorate, sides.to_agency))


def _supervised(sides: CaseSides | LeadSides | RecommendationSides, now: str) -> frozenset[str]:
    """Return the agencies whose supervisors see it."""
    if isinstance(sides, CaseSides):
        return sides.parties | _offered(sides, now)
    return frozenset((sides.procuratorate,))


def _offered(sides: CaseSides, now: str) -> frozenset[str]:
    return frozenset(one.to_agency for one in sides.offers if one.expires_at is None or one.expires_at >= now)
