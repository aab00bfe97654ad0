"""``verification.bundle``: by what a key was good, whether it was revoked, and by what a section is gone."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from ledger.core.events import Authority, record
from ledger.core.verification.bundle_format import raw
from ledger.core.verification.report import ProofReport
from tests.testkit.builders import POLICE, PROCURATORATE, SERVICE, START, Writer, auditor, clerk, event_of, supervisor
from tests.testkit.bundles import Log, founded
from tests.testkit.casework import Case
from tests.testkit.changed_bundles import CASE, GOOD, LOG, REGISTERED, Tree, faults, results, verdict_of


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
    """Admission comes before the grant."""
    log = Log()
    log.registry.admit(POLICE).grant(clerk(POLICE))
    log.mirror()
    log.events.reverse()
    index = log.add(*Case().open().events)
    assert faults(verdict_of(log.bundle(index))) == ["authority"]


def test_grant_by_another_agency() -> None:
    """It gives no right to act for this one; the published vectors have what else a grant may lack."""
    log = Log()
    log.registry.admit(POLICE, PROCURATORATE).grant(clerk(POLICE), agency=PROCURATORATE)
    log.mirror()
    assert faults(verdict_of(log.bundle(log.add(*Case().open().events)))) == ["authority"]


def test_role_counts_also_without_the_payload() -> None:
    """A withheld payload hides the officer, not the agency, the role or the time."""
    log = Log()
    log.registry.admit(POLICE).grant(auditor(POLICE))
    log.mirror()
    index = log.add(*Case().open(auditor(POLICE)).events)
    assert faults(verdict_of(log.bundle(index, payload=UNSET))) == ["authority"]


def test_service_key_signs_for_no_agency() -> None:
    """The ledger's own key opens no case, and an officer's key writes no mirror entry."""
    log = founded(POLICE)
    case = log.add(event_of(CASE.events[0].payload.body, SERVICE))
    report = verdict_of(log.bundle(case, authority=GOOD.authority))
    assert "authority" in faults(report)
    system = Log()
    system.registry.admit(POLICE)
    mirror = system.mirror(by=clerk(POLICE))
    assert faults(verdict_of(system.bundle(mirror, authority=UNSET))) == ["authority"]


def test_revocation_without_grant() -> None:
    """Where the grant is refused the revocation is not looked at."""
    log = founded(POLICE)
    log.registry.revoke(clerk(POLICE))
    log.mirror()
    index = log.add(*Case().open().events)
    note = log.note()
    evidence = log.authority(log.events[index], note)
    assert evidence is not None
    report = verdict_of(log.bundle(index, note, authority=raw(replace(evidence, grant=evidence.agency))))
    assert (faults(report), results(report)["revocation"]) == (["authority"], "not_checked")


# -- erasure -----------------------------------------------------------------------------------------------------------


def erased_log(**concerns: Any) -> tuple[Log, int]:
    """LOG with an erasure of the registered item's narrative, or of what ``concerns`` says."""
    log = Log(list(LOG.events), registry=LOG.registry)
    body = record.SectionErased(concerns=CASE.events[1].ref, label="narrative", ground="court order 12")
    writer = Writer("case", concerns.pop("case_id", "case-1"), start=START + 900)
    order = Authority(authorization_type="court order", authorization_identifier="12")
    return log, log.add(writer.write(replace(body, **concerns), supervisor(POLICE), authority=order))


def with_erasure(log: Log, erasure: int) -> ProofReport:
    note = log.note()
    shown = {name: part for name, part in GOOD.sections.items() if name != "narrative"}
    bundle = log.bundle(REGISTERED, note, sections=shown, erased=(log.erasure("narrative", erasure, note),))
    return verdict_of(bundle)


@pytest.mark.parametrize("concerns", [{"concerns": CASE.events[0].ref}, {"case_id": "case-2"}])
def test_erasure_of_something_else(concerns: Tree) -> None:
    """An erasure of another event or case proves nothing here: the section counts as withheld."""
    report = with_erasure(*erased_log(**concerns))
    assert (report.verdict, results(report)["sections"]) == ("intact", "not_checked")
    assert report.steps[7].detail.startswith("narrative withheld; erasure of narrative does not hold")


def test_erasure_without_a_tree_head() -> None:
    """What no checkpoint has is not looked at."""
    log, erasure = erased_log()
    note = log.note()
    bad = log.bundle(REGISTERED, note, erased=(log.erasure("narrative", erasure, note),), sections={}, proof="none")
    detail = verdict_of(bad).steps[7].detail
    assert "narrative withheld; erasure of narrative not looked at" in detail
