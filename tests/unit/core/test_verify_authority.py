"""``verification.verify``: by what a key was good, whether it was revoked, and by what a section is gone."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw
from msgspec.structs import replace

from ledger.core.events import Authority, record
from ledger.core.events.registry import AgencyAdmitted, KeyGranted
from ledger.core.verification.report import ProofReport
from tests.testkit.builders import (
    COURT,
    POLICE,
    PROCURATORATE,
    SERVICE,
    START,
    Writer,
    auditor,
    clerk,
    event_of,
    supervisor,
)
from tests.testkit.bundles import Log, founded
from tests.testkit.casework import Case
from tests.testkit.changed_bundles import (
    CASE,
    FOUNDING,
    GOOD,
    LOG,
    REGISTERED,
    TRUST,
    Tree,
    faults,
    results,
    verdict_of,
)


def test_grant_at_a_higher_index() -> None:
    """A key that is granted only after the entry was not good for it."""
    log = founded(PROCURATORATE)
    log.registry.admit(POLICE)
    log.mirror()
    index = log.add(*Case().open().events)
    log.registry.grant(clerk(POLICE))
    log.mirror()
    assert faults(verdict_of(log.bundle(index))) == ["authority"]


def test_agency_admitted_after_the_grant() -> None:
    """An admission that does not come before the grant is none for it."""
    log = Log()
    log.registry.admit(POLICE).grant(clerk(POLICE))
    log.mirror()
    log.events.reverse()
    index = log.add(*Case().open().events)
    report = verdict_of(log.bundle(index))
    assert (report.verdict, results(report)["authority"]) == ("unverifiable", "not_checked")


def test_grant_between_that_holds() -> None:
    """One grant that holds is enough, whatever lacks its admission before or after it."""
    log = Log()
    log.registry.admit(POLICE).grant(clerk(POLICE))
    log.mirror()
    admitted, granted = log.events
    log.events[:] = [granted, admitted, granted]
    index = log.add(*Case().open().events)
    assert results(verdict_of(log.bundle(index)))["authority"] == "checked"


def test_grant_by_another_agency() -> None:
    """It gives no right to act for this one; the published vectors have what else a grant may lack."""
    log = Log()
    log.registry.admit(POLICE, PROCURATORATE).grant(clerk(POLICE), agency=PROCURATORATE)
    log.mirror()
    assert faults(verdict_of(log.bundle(log.add(*Case().open().events)))) == ["authority"]


def test_role_counts_also_without_the_payload() -> None:
    """A withheld payload hides officer and body, not the agency, the time or the role, which is of conformity."""
    log = Log()
    log.registry.admit(POLICE).grant(auditor(POLICE))
    log.mirror()
    report = verdict_of(log.bundle(log.add(*Case().open(auditor(POLICE)).events), payload=None))
    assert (report.verdict, report.conformity.result) == ("unverifiable", "contradicted")
    assert "with the role" in report.conformity.detail


def test_service_key_signs_for_no_agency() -> None:
    """The ledger's own key opens no case, and an officer's key writes no mirror entry: neither conforms to its type."""
    log = founded(POLICE)
    opened = log.add(event_of(CASE.events[0].payload.body, SERVICE))
    log.registry.admit(COURT)
    mirror = log.mirror(by=clerk(POLICE))
    for index in (opened, mirror):
        report = verdict_of(log.bundle(index))
        assert (report.faults, report.conformity.result) == ((), "contradicted")


def test_grant_whose_payload_is_withheld() -> None:
    """Its envelope alone grants nothing, and is no fault either."""
    log = founded(POLICE)
    index = log.add(*Case().open().events)
    (grant,) = log.find(KeyGranted, key_id=clerk(POLICE).key_id)
    bundle = log.bundle(index)
    withheld = [replace(entry, payload=None) if entry.index == grant else entry for entry in bundle.entries]
    report = verdict_of(replace(bundle, entries=tuple(withheld)))
    assert (faults(report), results(report)["authority"]) == ([], "not_checked")


def test_revocation_without_grant() -> None:
    """Where the grant is refused the revocation is not looked at."""
    log = founded(POLICE)
    log.registry.revoke(clerk(POLICE))
    log.mirror()
    index = log.add(*Case().open().events)
    (grant,) = log.find(KeyGranted, key_id=clerk(POLICE).key_id)
    bundle = log.bundle(index)
    report = verdict_of(replace(bundle, entries=tuple(entry for entry in bundle.entries if entry.index != grant)))
    assert (report.verdict, results(report)["authority"]) == ("unverifiable", "not_checked")
    assert (faults(report), results(report)["revocation"]) == ([], "not_checked")


# -- erasure -----------------------------------------------------------------------------------------------------------


def erased_log(**concerns: Any) -> tuple[Log, int]:
    """LOG with an erasure of the registered item's narrative, or of what ``concerns`` says."""
    log = Log(list(LOG.events), registry=LOG.registry)
    of_it = {"concerns": CASE.events[1].ref, "label": "narrative", "ground": "court order 12"}
    body = record.SectionErased(cites=CASE.events[0].ref, **of_it)
    writer = Writer("case", concerns.pop("case_id", "case-1"), start=START + 900)
    order = Authority(authorization_type="court order", authorization_identifier="12")
    return log, log.add(writer.write(replace(body, **concerns), supervisor(POLICE), authority=order))


def with_erasure(log: Log, erasure: int) -> ProofReport:
    shown = {name: part for name, part in LOG.events[REGISTERED].sections.items() if name != "narrative"}
    return verdict_of(log.bundle(REGISTERED, sections=shown, others=[erasure]))


@pytest.mark.parametrize("concerns", [{"concerns": CASE.events[0].ref}, {"case_id": "case-2"}])
def test_erasure_of_something_else(concerns: Tree) -> None:
    """An erasure of another event or case proves nothing here: the section counts as withheld."""
    report = with_erasure(*erased_log(**concerns))
    assert (report.verdict, results(report)["sections"]) == ("intact", "not_checked")
    assert report.steps[8].detail == "narrative withheld"


def test_erasure() -> None:
    """The entry that erased a section is named, where it holds; an edited one counts as left out."""
    log, erasure = erased_log()
    report = with_erasure(log, erasure)
    assert (report.verdict, report.steps[8].detail) == ("intact", f"narrative erased by entry {erasure}")
    bundle = log.bundle(REGISTERED, sections={}, others=[erasure])
    edited = [replace(entry, payload=Raw(log.events[FOUNDING].payload_bytes)) for entry in bundle.entries[-1:]]
    report = verdict_of(replace(bundle, entries=(*bundle.entries[:-1], *edited)))
    assert (report.verdict, "narrative withheld" in report.steps[8].detail) == ("intact", True)


def test_erasure_without_a_tree_head() -> None:
    """What no checkpoint has is not looked at."""
    log, erasure = erased_log()
    bad = log.bundle(REGISTERED, sections={}, others=[erasure])
    assert "narrative withheld" in verdict_of(replace(bad, note="none")).steps[8].detail


# -- several grants and revocations ------------------------------------------------------------------------------------


def test_grant_that_does_not_hold_counts_as_left_out() -> None:
    """The step says why, and the verdict is the one without it."""
    (grant,) = LOG.find(KeyGranted, key_id=clerk(POLICE).key_id)
    spoiled = [
        replace(entry, payload=Raw(LOG.events[0].payload_bytes)) if entry.index == grant else entry
        for entry in GOOD.entries
    ]
    report = verdict_of(replace(GOOD, entries=tuple(spoiled)), TRUST)
    assert (report.verdict, faults(report)) == ("unverifiable", [])
    assert report.steps[9].detail.startswith(f"entry {grant} does not hold")


def test_grant_without_admission() -> None:
    """A grant that no admission comes before shows no right: of an agency that is not here nothing is known."""
    (admission,) = LOG.find(AgencyAdmitted, agency=POLICE)
    shown = tuple(entry for entry in GOOD.entries if entry.index != admission)
    report = verdict_of(replace(GOOD, entries=shown), TRUST)
    assert (report.verdict, results(report)["authority"]) == ("unverifiable", "not_checked")
    assert "admission" in report.steps[9].detail


def test_node_that_is_missing() -> None:
    """Without a node of the tree nothing is in it, and nothing is refused."""
    report = verdict_of(replace(GOOD, nodes={}), TRUST)
    assert (report.verdict, faults(report)) == ("unverifiable", [])
    assert "lacks the node" in report.steps[7].detail
