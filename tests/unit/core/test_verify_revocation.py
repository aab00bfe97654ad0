"""``verification.verify``, step 11: a key that the registry revoked, against what the bundle shows of it."""

from __future__ import annotations

import pytest

from ledger.core.verification.bundle import Bundle
from ledger.core.verification.contract_storage import anchor_slots
from tests.testkit.anchored_bundles import anchored, verdict_of
from tests.testkit.builders import POLICE, PROCURATORATE, clerk
from tests.testkit.bundles import ANCHORED_AT, log_with
from tests.testkit.changed_bundles import CASE, REGISTERED, faults, results

KEY = clerk(POLICE).key_id


def revoked(moment: int, slots: dict[int, int] | None = None) -> Bundle:
    """The registry says that the clerk's key was revoked then; the log does not have it."""
    log = log_with(CASE, POLICE, PROCURATORATE)
    state = log.state(revoked_at={KEY: moment})
    state.anchor |= slots or {}
    return anchored(log, REGISTERED, state)


@pytest.mark.parametrize(("moment", "size", "verdict"), [(-1, -1, "tampered"), (-1, 0, "intact"), (0, -1, "intact")])
def test_second_mirror_does_not_stand_in_for_the_first(moment: int, size: int, verdict: str) -> None:
    """A revocation from before record n-1 was mirrored below its size: an entry at or above it is another one."""
    log = log_with(CASE, POLICE, PROCURATORATE)
    log.registry.revoke(clerk(POLICE))
    entry = log.mirror()
    log.registry.grant(clerk(PROCURATORATE, 2))
    log.mirror()
    before = ANCHORED_AT - 60
    state = log.state(number=2, revoked_at={KEY: before + moment})
    state.record(1, bytes(32), entry + 1 + size, 1, before)
    state.record(2, log.checkpoint().root, len(log.events), 2, ANCHORED_AT)
    report = verdict_of(anchored(log, REGISTERED, state, number=2))
    assert (report.verdict, faults(report)) == (verdict, ["revocation"] if verdict == "tampered" else [])


def test_record_that_does_not_hold() -> None:
    """Without a record of step 5 the time of a revocation is compared with nothing; an unrevoked key stays good."""
    other = {anchor_slots(1)[1]: 77}
    for moment, result in ((0, "checked"), (ANCHORED_AT - 1, "not_checked")):
        report = verdict_of(revoked(moment, other))
        assert (faults(report), results(report)["revocation"]) == (["anchor"], result)
