"""A key is revoked in mid-flight: by its agency's admin at a terminal, while its officer keeps on signing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ledger.samples.town import SamplePerson
from tests.e2e.stories.town import Town, TownCase
from tests.testkit.service import Refused

THIEF = SamplePerson("thief", "psb-east", "p-0499", "clerk")


def sign_until_refused(case: TownCase) -> Refused:
    """Register one thing after the other until the officer's key is good no longer."""
    for number in range(500):
        try:
            case.register(f"{case.stream.id}-{number}", by="thief")
        except Refused as refused:
            return refused
    raise AssertionError("the key is still good")


def revocation(town: Town, person: SamplePerson) -> int | None:
    """Return the index of the mirror entry that revokes somebody's key, once the log has it."""
    keys = town.get(f"/api/v1/agencies/{person.agency}/keys")["keys"]
    return next((key["revoked"] for key in keys if key["key_id"] == town.keys.key_id(person.profile)), None)


def check(town: Town, receipt: dict[str, Any], folder: Path) -> Any:
    """Return the report on the bundle of a receipt's event."""
    file = folder / "bundle.json"
    town.ok("auditor", "proof", "get", receipt["event_id"], "--replace", "--output", file)
    return town.at_the_terminal("auditor", "proof", "check", file, "--trust", town.trusting(file)).json()


def test_events_below_the_revocation_stay_good_and_none_is_taken_above_it(town: Town, tmp_path: Path) -> None:
    """The index of the mirror entry decides: whatever was recorded before it is proven for good, and anchoring, which
    waits for that entry, goes on."""
    town.grant(THIEF)
    case = town.case("mid-flight").open(by="thief")

    town.ok("admin-psb-east", "key", "revoke", town.keys.key_id("thief"))
    refused = sign_until_refused(case)
    assert (refused.status, refused.code) == (403, "key_revoked")
    revoked = revocation(town, THIEF)
    assert revoked is not None
    assert str(revoked) in refused.problem["detail"]
    assert all(receipt["index"] < revoked for receipt in case.receipts)

    case.register("mid-flight-last", by="police").offer("mid-flight-last", to="procuratorate-east").accept()
    assert town.anchored() > revoked
    for receipt in (case.receipts[0], case.receipts[-4]):
        report = check(town, receipt, tmp_path)
        assert report["verdict"] == "intact", report
        assert report["subject"]["index"] == receipt["index"] < revoked
        assert {step["name"]: step["result"] for step in report["steps"]}["revocation"] == "checked"
    done = town.at_the_terminal("auditor", "audit", "mid-flight")
    assert (done.status, done.json()["verdict"]) == (0, "intact"), done.out
