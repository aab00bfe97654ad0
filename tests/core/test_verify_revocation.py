"""``ledger.core.verify``, step 10: a key that the registry revoked, against what the bundle shows of it."""

from __future__ import annotations

import pytest

from ledger.core.report import Report
from tests.builders import POLICE, PROCURATORATE, clerk
from tests.bundles import log_with, trust
from tests.proven import ANCHORED_AT, anchored, held, state_of, verdict_of
from tests.verifying import CASE, REGISTERED, faults, results


def revoked(moment: int, *, mirrored: bool) -> Report:
    """The registry says that the clerk's key was revoked then; the log has it or not."""
    log = log_with(CASE, POLICE, PROCURATORATE)
    if mirrored:
        log.registry.revoke(clerk(POLICE))
        log.mirror()
    made = state_of(log, revoked_at={clerk(POLICE).key_id: moment})
    return verdict_of(anchored(log, REGISTERED, made), using=trust())


def test_revocation_that_is_hidden() -> None:
    """A key that the registry revoked before the anchor, without the entry that says so: the bundle hides it."""
    report = revoked(ANCHORED_AT - 1, mirrored=False)
    assert (report.verdict, faults(report)) == ("tampered", ["revocation"])
    assert "is not shown" in report.faults[0].detail


def test_revocation_in_the_block_of_the_anchor() -> None:
    """Whether it came before or after the anchor cannot be told: unverifiable, and no fault."""
    report = revoked(ANCHORED_AT, mirrored=False)
    assert (report.verdict, results(report)["revocation"]) == ("unverifiable", "not_checked")


def test_revocation_after_the_anchor() -> None:
    """What was anchored before was signed with a good key; the log need not have the entry yet."""
    report = revoked(ANCHORED_AT + 1, mirrored=False)
    assert (report.verdict, results(report)["revocation"]) == ("intact", "checked")


def test_revocation_that_both_have() -> None:
    """Log and registry agree."""
    report = revoked(ANCHORED_AT - 1, mirrored=True)
    assert (report.verdict, results(report)["revocation"]) == ("intact", "checked")


def test_revocation_that_the_registry_does_not_have() -> None:
    """A mirror entry of what never happened."""
    report = revoked(0, mirrored=True)
    assert (report.verdict, faults(report)) == ("tampered", ["revocation"])


@pytest.mark.parametrize("place", [1, 2, 3])
def test_grant_that_is_another(place: int) -> None:
    """Agency, officer and terms of the registry's grant are those of the mirror entry."""
    assert faults(verdict_of(held(**{f"registry_{place}": 77}), using=trust())) == ["revocation"]
