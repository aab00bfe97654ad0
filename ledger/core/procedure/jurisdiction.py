"""What agencies may do by the traits of their kind, and by their place in the tree of jurisdictions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ledger.core.signing.authority import Agency


def may_supervise(agency: Agency) -> bool:
    """Return whether the agency is of a kind that supervises."""
    return "supervises" in agency.traits


def keeps_persons(agency: Agency) -> bool:
    """Return whether the agency is of a kind that keeps persons in custody for others."""
    return "keeps_persons" in agency.traits


def lies_within(jurisdiction: str, outer: str) -> bool:
    """Return whether the jurisdiction is ``outer`` or one below it."""
    return f"{jurisdiction}/".startswith(f"{outer}/")


def is_within(inner: Agency, outer: Agency) -> bool:
    """Return whether ``inner`` has the jurisdiction of ``outer`` or one below it."""
    return lies_within(inner.profile.jurisdiction, outer.profile.jurisdiction)


def supervises(supervisor: Agency, agency: Agency) -> bool:
    """Return whether the first may supervise, and the second lies in its jurisdiction."""
    return may_supervise(supervisor) and is_within(agency, supervisor)


def supervised_by(agency_id: str, agencies: Mapping[str, Agency]) -> frozenset[str]:
    """Return the ids of the agencies that this one supervises: none unless it is admitted and may supervise."""
    own = agencies.get(agency_id)
    if own is None or not may_supervise(own):
        return frozenset()
    return frozenset(agency.agency_id for agency in agencies.values() if is_within(agency, own))


def supervises_any(agency_id: str, others: Iterable[str], agencies: Mapping[str, Agency]) -> bool:
    """Return whether the agency supervises one of the others."""
    return not supervised_by(agency_id, agencies).isdisjoint(others)


def in_line(first: Agency, second: Agency) -> bool:
    """Return whether one of the two agencies is above the other, or both have the same jurisdiction."""
    return is_within(first, second) or is_within(second, first)
