"""Who stands above whom: the jurisdictions of agencies as paths in the tree province/city/county."""

from __future__ import annotations

from ledger.core.authority import Agency


def is_within(inner: Agency, outer: Agency) -> bool:
    """Whether ``inner`` has the jurisdiction of ``outer`` or one below it."""
    return f"{inner.profile.jurisdiction}/".startswith(f"{outer.profile.jurisdiction}/")


def supervises(procuratorate: Agency, agency: Agency) -> bool:
    """Whether the first is a procuratorate in whose jurisdiction the second lies."""
    return procuratorate.kind == "procuratorate" and is_within(agency, procuratorate)


def in_line(one: Agency, other: Agency) -> bool:
    """Whether one of the two stands above the other, or both have one jurisdiction."""
    return is_within(one, other) or is_within(other, one)
