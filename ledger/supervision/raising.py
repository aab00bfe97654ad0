"""Raising: the lead of a finding, and whose it is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from ledger.core.authority import Agency
from ledger.core.event.supervision import CitedDataset, LeadRaised
from ledger.core.event.terms import EventRef
from ledger.core.instant import spelled
from ledger.core.jurisdiction import supervises
from ledger.supervision.finding import Finding
from ledger.supervision.model.saying import said
from ledger.supervision.model.spelling import text_of
from ledger.supervision.model.values import Model


def procuratorate_for(agencies: Mapping[str, Agency], supervised: str) -> str | None:
    """The nearest procuratorate that supervises the agency; for a procuratorate the one above it, if any."""
    agency = agencies.get(supervised)
    if agency is None:
        return None
    holding = [one for one in agencies.values() if supervises(one, agency)]
    others = [one for one in holding if one.agency_id != supervised] or holding
    nearest = sorted(others, key=lambda one: (-one.profile.jurisdiction.count("/"), one.agency_id))
    return nearest[0].agency_id if nearest else None


def lead_of(
    finding: Finding,
    model: Model,
    parameters: Mapping[str, object],
    *,
    procuratorate: str,
    size: int,
    as_of: datetime,
    events: tuple[EventRef, ...],
    datasets: tuple[CitedDataset, ...] = (),
) -> LeadRaised:
    """What the service signs. ``events`` are the first of the finding's evidence in the order of the log."""
    values = model.parameters_of(parameters)
    return LeadRaised(
        lead_id=finding.lead_id,
        model_id=model.model_id,
        model_version=model.version,
        model_digest=model.digest,
        parameters={name: text_of(value) for name, value in values.items()},
        tree_size=size,
        as_of=spelled(as_of),
        key=dict(finding.key),
        finding=finding.digest,
        case_id=finding.case_id,
        supervised=finding.supervised,
        procuratorate=procuratorate,
        severity=model.severity,
        says=said(model.lead.says, finding.values, values),
        checks=model.checks,
        events=events,
        cited_count=len(finding.evidence),
        datasets=datasets,
        values=dict(finding.values),
    )
