"""Story 7, money and a car: sums to the fen, a thing that stays while its case goes on, an early sale, a freeze."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from ledger.cli.errors import Exit
from ledger.core.events import case as acts
from ledger.core.events import item
from ledger.core.events.terms import Money
from ledger.core.procedure.legal_days import legal_day
from tests.e2e.stories.prosecution import WorkedLead, publish
from tests.e2e.stories.town import Town, TownCase
from tests.testkit.builders import COURT, DEPOT, POLICE, PROCURATORATE, Officer, clerk, supervisor
from tests.testkit.casework import part, stays

CASH, CAR, ACCOUNT, PROCEEDS = "goods-cash", "goods-car", "goods-account", "goods-proceeds"
NOTES = ("goods-notes-1", "goods-notes-2")
FREEZE = f"freeze {ACCOUNT}"


def seize(town: Town) -> TownCase:
    """Eight hundred yuan, a car that the depot takes in, and an account that is frozen until 30 September."""
    case = town.case("goods").on("2025-04-01T02:00:00Z").open()
    case.register(CASH, kind="property", quantity=8, fungible=True, money=Money(fen=80000, currency="CNY"))
    case.register(CAR, kind="property", condition="roadworthy")
    case.register(ACCOUNT, kind="property", account="6222-0417")
    case.say(item.ItemFrozen, item_id=ACCOUNT, frozen_until="2025-09-30")
    case.on("2025-04-02T02:00:00Z").offer(CAR, to=DEPOT, purpose="property_transfer").accept()
    return case


def named(receipt: dict[str, Any]) -> list[tuple[str, str]]:
    """Flags but for that of the story's past, which is recorded late."""
    return [(one["name"], one["detail"]) for one in receipt["flags"] if one["name"] not in ("late_entry", "backdated")]


def decide(case: TownCase, decision_id: str, kind: str, by: str, *, at: str, **disposals: str) -> dict[str, Any]:
    lines = tuple(
        acts.ItemDecision(item_id=f"goods-{name}", disposal=disposal)  # type: ignore[arg-type]
        for name, disposal in disposals.items()
    )
    paper: dict[str, Any] = {"decision_id": decision_id, "kind": kind, "number": "2025-7", "items": lines}
    case.say(acts.DecisionRecorded, clerk(by), **paper, decided_at=at)
    return case.receipt


def test_from_seizure_to_a_judgment_that_forgets_the_car(town: Town) -> None:
    """Cash is split exactly; responsibility for the car moves while it stays; it is sold by two officers on a decision;
    its proceeds are a child item; the freeze is listed seven days before; the judgment is silent, closing is flagged;
    rule 7 raises a lead on what was forgotten, and on nothing else of the case.
    """
    publish(town, "judgment-silent")
    case = seize(town)
    split_cash(town, case)
    watch_the_freeze(case)
    pass_on(case)
    sell(case)
    judge_and_close(case)
    ask_about_the_car(town)


def split_cash(town: Town, case: TownCase) -> None:
    """One fen too few is refused; what adds up is recorded, with its lineage."""
    words = ("item", "split", "goods", CASH, "--part", f"{NOTES[0]}=3@300.00", "--part")
    refused = town.at_the_terminal(clerk(POLICE), *words, f"{NOTES[1]}=5@499.99")
    assert (refused.status, "sum_differs" in refused.err) == (Exit.REFUSED, True)
    case.say(item.ItemSplit, item_id=CASH, parts=(part(NOTES[0], 3, fen=30000), part(NOTES[1], 5, fen=50000)))
    shown = {name: town.read(f"/api/v1/items/{name}", clerk(POLICE)) for name in (CASH, *NOTES)}
    assert [one["status"] for one in shown.values()] == ["split", "held", "held"]
    assert sum(shown[name]["money"]["fen"] for name in NOTES) == 80000
    assert [shown[name]["parents"] for name in NOTES] == [[CASH], [CASH]]


def watch_the_freeze(case: TownCase) -> None:
    """Eight days before its end the freeze is not among those of a week, seven days before it is."""
    for day, listed in (("2025-09-22", False), ("2025-09-23", True)):
        soon = case.deadlines(clerk(POLICE), as_of=f"{day}T04:00:00Z", within_days=7)
        assert (FREEZE in soon) == listed, day
    assert (soon[FREEZE]["last_day"], soon[FREEZE]["days_left"]) == ("2025-09-30", 7)


def pass_on(case: TownCase) -> None:
    """The procuratorate answers for car and account, which stay where they are; it has the notes in hand."""
    case.on("2025-05-06T02:00:00Z")
    case.offer(*NOTES, stays(CAR), stays(ACCOUNT), to=PROCURATORATE).accept(received_at="2025-05-06T02:00:00Z")
    assert named(case.receipt) == []
    seen = {one["item_id"]: (one["holder"], one["responsible"]) for one in case.seen_by(clerk(DEPOT))["items"]}
    assert seen[CAR] == (DEPOT, PROCURATORATE)
    assert seen[ACCOUNT] == (POLICE, PROCURATORATE)
    assert [seen[name] for name in NOTES] == [(PROCURATORATE, PROCURATORATE)] * 2
    case.say(item.ItemFreezeRenewed, clerk(PROCURATORATE), item_id=ACCOUNT, frozen_until="2025-10-31")


def sell(case: TownCase) -> None:
    """Decided by who answers for the car, done by two officers of who holds it."""
    case.on("2025-06-02T02:00:00Z")
    decide(case, "sale", "other", PROCURATORATE, at="2025-06-02T02:00:00Z", car="sold_early")
    proposal: dict[str, Any] = {"item_ids": (CAR,), "disposal": "sold_early", "ground": "loses its value"}
    case.say(item.ItemDisposalProposed, clerk(DEPOT), **proposal, decision_id="sale")
    second: dict[str, Any] = {"cites": case.last.ref, "disposed_at": "2025-06-02T02:00:00Z"}
    case.say(item.ItemDisposed, supervisor(DEPOT), **second, proceeds=part(PROCEEDS, 1, fen=5_200_000))
    assert named(case.receipt) == []
    shown = {line["item_id"]: line for line in case.seen_by(clerk(POLICE))["items"]}
    assert (shown[CAR]["status"], shown[CAR]["disposal"]) == ("disposed", "sold_early")
    child = shown[PROCEEDS]
    assert (child["parents"], child["holder"], child["responsible"]) == ([CAR], DEPOT, PROCURATORATE)
    assert child["money"] == {"fen": 5_200_000, "currency": "CNY"}


def judge_and_close(case: TownCase) -> None:
    """The judgment orders what becomes of notes and account and forgets what the car brought; closing tells it."""
    case.on("2025-07-01T02:00:00Z")
    case.offer(*NOTES, stays(ACCOUNT), stays(PROCEEDS), to=COURT, purpose="public_prosecution").accept(
        received_at="2025-07-01T02:00:00Z"
    )
    judged = "2025-08-01T02:00:00Z"
    case.on(judged)
    told = {"account": "forfeited", "notes-1": "returned_to_victim", "notes-2": "returned_to_victim"}
    assert named(decide(case, "judgment", "judgment", COURT, at=judged, **told)) == [("judgment_silent", PROCEEDS)]
    case.close(by=clerk(COURT), decision_id="judgment")
    (flag,) = [one for one in case.receipt["flags"] if one["name"] == "property_undisposed"]
    assert (flag["article"], PROCEEDS in flag["detail"]) == ("CPL 245", True)
    decisions = {one["decision_id"]: one for one in case.seen_by(clerk(COURT))["decisions"]}
    assert CAR not in {one["item_id"] for one in decisions["judgment"]["items"]}


def ask_about_the_car(town: Town) -> None:
    """The court answers for its judgment, the procuratorate confirms by it; the court is to supplement it."""
    lead = WorkedLead(town, "judgment-silent", case_id="goods", item_id=PROCEEDS)
    items = [one["raised"]["key"]["item_id"] for one in lead.listed(clerk(PROCURATORATE))]
    assert [item_id for item_id in items if item_id.startswith("goods-")] == [PROCEEDS]
    assert lead.shown["raised"]["supervised"] == COURT
    lead.assign()
    lead.answer(COURT, "the annex of the judgment leaves it out")
    lead.confirm("neither the judgment nor a ruling speaks of it")
    lead.close("rectification_notice", "the court supplements its judgment", "--document", "2025-7")
    assert lead.shown["closed"]["outcome"] == "rectification_notice"


def test_a_freeze_warns_its_handler_seven_days_before(town: Town) -> None:
    """The service tells it by itself, to the officer who handles the case; nobody else's list has it."""
    last = legal_day(datetime.now(UTC)) + timedelta(days=7)
    case = town.case("soon").open().register("soon-account", kind="property", account="6222-0418")
    case.say(acts.CaseAssigned, department="squad 2", handler=clerk(POLICE).officer_id)
    case.say(item.ItemFrozen, item_id="soon-account", frozen_until=last.isoformat())

    def warned(by: Officer) -> list[dict[str, Any]]:
        told = town.read("/api/v1/warnings", by, mine=True, limit=1000)["warnings"]
        return [one for one in told if one["subject"] == "soon-account"]

    town.until("the handler is warned", lambda: bool(warned(clerk(POLICE))))
    (warning,) = warned(clerk(POLICE))
    assert (warning["clock"], warning["days"], warning["handler"]) == ("freeze", 7, clerk(POLICE).officer_id)
    assert warned(clerk(PROCURATORATE)) == []
    seen = town.at_the_terminal(clerk(POLICE), "deadline", "warnings", "--mine")
    assert warning["deadline_id"] in [one["deadline_id"] for one in json.loads(seen.out)]
