"""``verification.bundle``: by what a key was good, whether it was revoked, and by what a section is gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from ledger.core.events import Authority, record
from ledger.core.verification.bundle_format import raw
from ledger.core.verification.report import ProofReport
from tests.testkit.builders import (
    POLICE,
    PROCURATORATE,
    SERVICE,
    START,
    ServiceKeyHolder,
    Writer,
    auditor,
    clerk,
    event_of,
    supervisor,
)
from tests.testkit.bundles import Log, founded, tree
from tests.testkit.casework import Case
from tests.testkit.changed_bundles import CASE, EVIDENCE, GOOD, LOG, NOTE, REGISTERED, Tree, faults, results, verdict_of


def authority(**changes: Any) -> ProofReport:
    """The verdict with other evidence: entries of LOG by index."""
    parts = {name: LOG.evidence(index, NOTE) for name, index in changes.items()}
    return verdict_of(replace(GOOD, authority=raw(replace(EVIDENCE, **parts))))


@pytest.mark.parametrize(
    "changes",
    [
        {"grant": 2},
        {"grant": 4},
        {"agency": 3},
        {"grant": 4, "agency": 3},
        {"grant": 0},
        {"agency": 1},
        {"agency": REGISTERED},
        {"grant": REGISTERED},
    ],
)
def test_evidence_swapped(changes: dict[str, int]) -> None:
    """Only the grant of this very key, of this agency, proves the right to sign."""
    report = authority(**changes)
    assert (report.verdict, faults(report)) == ("tampered", ["authority"])


EVIDENCE_FAULTS: dict[str, Callable[[Tree], None]] = {
    "body changed": lambda e: e["payload"]["body"].update(officer="somebody-else"),
    "envelope changed": lambda e: e["envelope"].update(signed_at=1),
    "payload of the other entry": lambda e: e.update(payload=tree(GOOD)["authority"]["agency"]["payload"]),
    "proof of the other entry": lambda e: e.update(proof=tree(GOOD)["authority"]["agency"]["proof"]),
    "proof under another checkpoint": lambda e: e.update(proof=LOG.proof(1, LOG.note(9))),
    "proof that is none": lambda e: e.update(proof=""),
    "envelope that is none": lambda e: e.update(envelope=[]),
    "payload that is none": lambda e: e.update(payload=None),
}


@pytest.mark.parametrize("name", EVIDENCE_FAULTS)
def test_evidence_changed(name: str) -> None:
    """Evidence is verified like the entry itself: signature, digest, inclusion in the same tree head."""
    bad = tree(GOOD)
    EVIDENCE_FAULTS[name](bad["authority"]["grant"])
    report = verdict_of(bad)
    assert faults(report) == ["authority"]
    assert report.faults[0].detail.startswith("authority.grant: ")


def test_mirror_entry_that_the_service_did_not_sign() -> None:
    """A grant that an officer wrote himself is none, though it stands in the log."""
    log = Log()
    log.registry.admit(POLICE)
    log.mirror()
    log.registry.grant(clerk(POLICE))
    log.mirror(by=clerk(POLICE))
    index = log.add(*Case().open().events)
    assert faults(verdict_of(log.bundle(index))) == ["authority"]


def test_mirror_entry_in_the_name_of_an_officer() -> None:
    """The ledger's own key signs the mirror as the officer ``service``, or the entry is no mirror of anything."""
    somebody = ServiceKeyHolder("p-0001", SERVICE.agency)
    log = Log()
    log.registry.admit(POLICE).grant(clerk(POLICE))
    log.mirror(by=somebody)
    index = log.add(*Case().open().events)
    report = verdict_of(log.bundle(index))
    assert faults(report) == ["authority"]
    assert "expected service" in report.faults[0].detail

    log = founded(POLICE)
    index = log.add(*Case().open().events)
    log.registry.revoke(clerk(POLICE))
    log.mirror(by=somebody)
    assert faults(verdict_of(log.bundle(index))) == ["revocation"]


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


@pytest.mark.parametrize(
    "terms",
    [{"roles": ("auditor",)}, {"officer": "somebody-else"}, {"valid_until": START + 30}, {"agency": PROCURATORATE}],
)
def test_grant_that_does_not_cover_the_act(terms: Tree) -> None:
    """Role, officer, suite, time and agency of the grant must cover what was signed."""
    log = Log()
    log.registry.admit(POLICE, PROCURATORATE).grant(clerk(POLICE), **terms)
    log.mirror()
    index = log.add(*Case().open().events)
    assert faults(verdict_of(log.bundle(index))) == ["authority"]


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


def test_service_entry_needs_no_grant() -> None:
    """Evidence where none belongs is not looked at: leaving it out would change nothing."""
    report = verdict_of(LOG.bundle(0, NOTE, authority=GOOD.authority))
    assert (report.verdict, results(report)["authority"]) == ("intact", "checked")
    assert "is not looked at" in report.steps[8].detail


# -- revocation --------------------------------------------------------------------------------------------------------


def revoked_log(*, before: bool) -> tuple[Log, int]:
    log = founded(POLICE)
    if before:
        log.registry.revoke(clerk(POLICE))
        log.mirror()
    index = log.add(*Case().open().events)
    if not before:
        log.registry.revoke(clerk(POLICE))
        log.mirror()
    return log, index


def test_revocation_of_another_key() -> None:
    """It says nothing of this one: that is told, and it counts as left out."""
    log = founded(POLICE)
    index = log.add(*Case().open().events)
    log.registry.revoke(supervisor(POLICE))
    revocation = log.mirror()
    note = log.note()
    evidence = log.authority(log.events[index], note)
    assert evidence is not None
    other = raw(replace(evidence, revocation=raw(log.evidence(revocation, note))))
    report = verdict_of(log.bundle(index, note, anchor=log.bundle(index, note).anchor, authority=other))
    assert (report.verdict, results(report)["revocation"]) == ("intact", "checked")
    assert "not this grant" in report.steps[11].detail


def test_revocation_without_grant() -> None:
    """Where the grant is refused the revocation is not looked at."""
    log, index = revoked_log(before=True)
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


def with_erasure(log: Log, erasure: int, label: str = "narrative") -> ProofReport:
    note = log.note()
    shown = {name: part for name, part in GOOD.sections.items() if name != "narrative"}
    bundle = log.bundle(REGISTERED, note, sections=shown, erased=(log.erasure(label, erasure, note),))
    return verdict_of(bundle)


def test_erased_section() -> None:
    """An erased section leaves the verdict intact; the step names the entry that erased it."""
    log, erasure = erased_log()
    report = with_erasure(log, erasure)
    assert report.verdict == "intact"
    assert (report.steps[7].result, report.steps[7].detail) == ("not_checked", f"narrative erased by entry {erasure}")


@pytest.mark.parametrize(
    "concerns", [{"label": "description"}, {"concerns": CASE.events[0].ref}, {"case_id": "case-2"}]
)
def test_erasure_of_something_else(concerns: Tree) -> None:
    """An erasure of another label, event or case proves nothing here: the section counts as withheld."""
    log, erasure = erased_log(**concerns)
    require_not_erased(with_erasure(log, erasure))


def test_erasure_that_is_none() -> None:
    """Another entry is no erasure, and one that is not in the log is none either."""
    log, erasure = erased_log()
    require_not_erased(with_erasure(log, REGISTERED))
    report = with_erasure(log, erasure, label="description")
    assert (report.verdict, report.steps[7].detail.partition(";")[0]) == ("intact", "narrative withheld")


def require_not_erased(report: ProofReport) -> None:
    assert (report.verdict, results(report)["sections"]) == ("intact", "not_checked")
    assert report.steps[7].detail.startswith(
        "narrative withheld; an erasure of narrative is claimed that does not hold"
    )


def test_erasure_without_a_tree_head() -> None:
    """What no checkpoint has is not looked at."""
    log, erasure = erased_log()
    note = log.note()
    bad = log.bundle(REGISTERED, note, erased=(log.erasure("narrative", erasure, note),), sections={}, proof="none")
    detail = verdict_of(bad).steps[7].detail
    assert "narrative withheld; an erasure of narrative is not looked at" in detail
