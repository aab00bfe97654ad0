"""``verification.bundle``, step 12: a key that the registry revoked, against what the bundle shows of it."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.core.verification.bundle_format import Bundle
from ledger.core.verification.contract_storage import anchor_slots
from ledger.core.verification.report import ProofReport
from tests.testkit.anchored_bundles import anchored, held, verdict_of
from tests.testkit.builders import POLICE, PROCURATORATE, clerk
from tests.testkit.bundles import ANCHORED_AT, founded, log_with, naming, tree, trust
from tests.testkit.changed_bundles import CASE, REGISTERED, faults, results

KEY = clerk(POLICE).key_id


def revoked(moment: int, *, mirrored: bool, **changes: Any) -> Bundle:
    """The registry says that the clerk's key was revoked then; the log has it or not."""
    log = log_with(CASE, POLICE, PROCURATORATE)
    if mirrored:
        log.registry.revoke(clerk(POLICE))
        log.mirror()
    state = log.state(revoked_at={KEY: moment})
    state.anchor |= changes.pop("slots", {})
    return anchored(log, REGISTERED, state, **changes)


def verdict_and_result(report: ProofReport) -> tuple[str, str]:
    return report.verdict, results(report)["revocation"]


def test_revocation_that_is_hidden() -> None:
    """A key that the registry revoked before the anchor, without the entry that says so: the bundle hides it."""
    report = verdict_of(revoked(ANCHORED_AT - 1, mirrored=False))
    assert (report.verdict, faults(report)) == ("tampered", ["revocation"])
    assert "is not shown" in report.faults[0].detail


def test_revocation_in_the_second_of_the_anchor() -> None:
    """Whether it came before or after the anchor cannot be told: unverifiable, and no fault."""
    assert verdict_and_result(verdict_of(revoked(ANCHORED_AT, mirrored=False))) == ("unverifiable", "not_checked")


def test_revocation_after_the_anchor() -> None:
    """What was anchored before was signed with a good key; the log need not have the entry yet."""
    assert verdict_and_result(verdict_of(revoked(ANCHORED_AT + 1, mirrored=False))) == ("intact", "checked")


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


def test_revocation_that_both_have() -> None:
    """Log and registry agree."""
    assert verdict_and_result(verdict_of(revoked(ANCHORED_AT - 1, mirrored=True))) == ("intact", "checked")


def below(moment: int) -> Bundle:
    """The log has the key's revocation below the entry; the registry says that it was revoked then."""
    log = founded(POLICE, PROCURATORATE)
    log.registry.revoke(clerk(POLICE))
    log.mirror()
    log.add(*CASE.events)
    return anchored(log, len(log.events) - len(CASE.events) + 1, log.state(revoked_at={KEY: moment}))


@pytest.mark.parametrize("moment", [0, ANCHORED_AT + 1])
@pytest.mark.parametrize("where", ["above", "below"])
def test_revocation_that_the_registry_did_not_have(moment: int, where: str) -> None:
    """The slot decides: a mirror entry of what had not happened is told of, and showing it is no worse than hiding."""
    bundle = below(moment) if where == "below" else revoked(moment, mirrored=True)
    report = verdict_of(bundle)
    assert verdict_and_result(report) == ("intact", "checked")
    assert "mirrors a revocation that the registry did not have by then: tell the witnesses" in report.steps[11].detail
    hidden = tree(bundle)
    del hidden["authority"]["revocation"]
    assert verdict_of(hidden, using=naming(bundle)).verdict == report.verdict


@pytest.mark.parametrize("moment", [ANCHORED_AT - 1, ANCHORED_AT])
def test_revocation_below_the_entry(moment: int) -> None:
    """Both have it, and the log below the entry: the key was not good any more."""
    report = verdict_of(below(moment))
    assert (report.verdict, faults(report)) == ("tampered", ["revocation"])


def test_revocation_below_the_entry_in_no_trusted_block() -> None:
    """No slot decides: the log's own entry is believed. Leaving it out makes no verdict intact."""
    bundle = below(0)
    assert verdict_and_result(verdict_of(bundle, using=trust())) == ("tampered", "failed")
    hidden = tree(bundle)
    del hidden["authority"]["revocation"]
    assert verdict_and_result(verdict_of(hidden, using=trust())) == ("not_yet_anchored", "not_checked")


@pytest.mark.parametrize("place", [1, 2, 3])
def test_grant_that_is_another(place: int) -> None:
    """Agency, officer and terms of the registry's grant are those of the mirror entry."""
    assert faults(verdict_of(held(**{f"registry_{place}": 77}))) == ["revocation"]


def test_key_slots_left_out() -> None:
    """Page 12, C: the key's slots are mandatory, so that leaving them out hides no revocation."""
    bundle = revoked(ANCHORED_AT - 1, mirrored=False)
    bad = tree(bundle)
    del bad["anchor"]["registry"]["storage_proof"][1:]
    assert verdict_and_result(verdict_of(bad, using=naming(bundle))) == ("unverifiable", "not_checked")


def test_revocation_left_out() -> None:
    """Page 12, C: without the entry the registry's slot still says that the key was revoked before the anchor."""
    bundle = revoked(ANCHORED_AT - 1, mirrored=True)
    bad = tree(bundle)
    del bad["authority"]["revocation"]
    assert verdict_and_result(verdict_of(bad, using=naming(bundle))) == ("tampered", "failed")


@pytest.mark.parametrize("part", [None, {}, [1], "text", {"envelope": 1, "payload": 2, "proof": "3"}])
def test_revocation_that_does_not_hold_counts_as_left_out(part: object) -> None:
    """It is optional evidence: that it does not hold is told, and the registry's slot decides."""
    bundle = revoked(ANCHORED_AT + 1, mirrored=True)
    bad = tree(bundle)
    bad["authority"]["revocation"] = part
    report = verdict_of(bad, using=naming(bundle))
    assert verdict_and_result(report) == ("intact", "checked")
    assert "the entry of a revocation is shown that does not hold" in report.steps[11].detail


def test_without_a_trusted_block_nothing_is_said() -> None:
    """Page 12, B: of a state that nobody vouches for no slot is looked at, neither to believe it nor to blame it."""
    for moment in (0, ANCHORED_AT - 1):
        report = verdict_of(revoked(moment, mirrored=False), using=trust())
        assert verdict_and_result(report) == ("not_yet_anchored", "not_checked")


def test_record_that_does_not_hold() -> None:
    """Without a record of step 11 the time of a revocation is compared with nothing; an unrevoked key stays good."""
    other = {anchor_slots(1)[1]: 77}
    for moment, result in ((0, "checked"), (ANCHORED_AT - 1, "not_checked")):
        report = verdict_of(revoked(moment, mirrored=False, slots=other))
        assert (faults(report), results(report)["revocation"]) == (["anchor"], result)
