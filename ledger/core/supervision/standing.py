"""Who stands above whom: the jurisdictions of agencies as paths in the tree province/city/county."""

from __future__ import annotations

from ledger.core.authority import Agency


def is_procuratorate(agency: Agency) -> bool:
    """Whether the agency is one of those that supervise."""
    return agency.kind == "procuratorate"


def lies_within(jurisdiction: str, outer: str) -> bool:
    """Whether the jurisdiction is ``outer`` or one below it."""
    return f"{jurisdiction}/".startswith(f"{outer}/")


def is_within(inner: Agency, outer: Agency) -> bool:
    """Whether ``inner`` has the jurisdiction of ``outer`` or one below it."""
    return lies_within(inner.profile.jurisdiction, outer.profile.jurisdiction)


def supervises(procuratorate: Agency, agency: Agency) -> bool:
    """Whether the first is a procuratorate in whose jurisdiction the second lies."""
    return is_procuratorate(procuratorate) and is_within(agency, procuratorate)


def in_line(one: Agency, other: Agency) -> bool:
    """Whether one of the two stands above the other, or both have one jurisdiction."""
    return is_within(one, other) or is_within(other, one)
