"""Story 7, money and a car: sums to the fen, a thing that stays while its case goes on, an early sale, a freeze."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ledger.cli.errors import Exit
from ledger.core.events import item
from ledger.samples.stories import JUDGMENT_LEAD, MONEY_AND_A_CAR, goods
from tests.e2e.stories.town import Town, TownCase

CASH, CAR, ACCOUNT, PROCEEDS = map(goods, ("cash", "car", "account", "proceeds"))
NOTES = (goods("notes-1"), goods("notes-2"))
FREEZE = f"freeze {ACCOUNT}"
SEIZED = "2025-04-01"  # the account is frozen until 15 August


def test_from_seizure_to_a_judgment_that_forgets_the_car(town: Town) -> None:
    """Cash is split exactly; responsibility for the car moves while it stays; it is sold by two officers on a decision;
    its proceeds are a child item; the freeze is listed seven days before; the judgment is silent, closing is flagged;
    rule 7 raises a lead on what was forgotten, and on nothing else of the case.
    """
    town.publish("judgment-silent")
    points = town.story(MONEY_AND_A_CAR, SEIZED)
    _, case = next(points)
    split_cash(town, points)
    watch_the_freeze(case)
    pass_on(case, points)
    sell(case, points)
    judge_and_close(case, points)
    ask_about_the_car(town)


def split_cash(town: Town, points: Iterator[Any]) -> None:
    """Split the cash: one fen too few is refused; what adds up is recorded, with its lineage."""
    words = ("item", "split", MONEY_AND_A_CAR.case_id, CASH, "--part", f"{NOTES[0]}=3@300.00", "--part")
    refused = town.at_the_terminal("police", *words, f"{NOTES[1]}=5@499.99")
    assert (refused.status, "sum_differs" in refused.err) == (Exit.REFUSED, True)
    next(points)
    shown = {name: town.read(f"/api/v1/items/{name}", "police") for name in (CASH, *NOTES)}
    assert [part["status"] for part in shown.values()] == ["split", "held", "held"]
    assert sum(shown[name]["money"]["amount"] for name in NOTES) == 80000
    assert [shown[name]["parents"] for name in NOTES] == [[CASH], [CASH]]


def watch_the_freeze(case: TownCase) -> None:
    """Check that the freeze is among the deadlines of a week from seven days before its end on."""
    for day, listed in (("2025-08-07", False), ("2025-08-08", True)):
        soon = case.deadlines("police", as_of=f"{day}T04:00:00Z", within_days=7)
        assert (FREEZE in soon) == listed, day
    assert (soon[FREEZE]["last_day"], soon[FREEZE]["days_left"]) == ("2025-08-15", 7)


def pass_on(case: TownCase, points: Iterator[Any]) -> None:
    """Check that the procuratorate answers for car and account, which stay, and has the notes in hand."""
    next(points)
    assert case.flagged() == []
    held = {line["item_id"]: (line["holder"], line["responsible"]) for line in case.seen_by("depot")["items"]}
    assert held[CAR] == ("depot-east", "procuratorate-east")
    assert held[ACCOUNT] == ("psb-east", "procuratorate-east")
    assert [held[name] for name in NOTES] == [("procuratorate-east", "procuratorate-east")] * 2
    case.say(item.ItemFreezeRenewed, "prosecutor", item_id=ACCOUNT, frozen_until="2025-10-31")


def sell(case: TownCase, points: Iterator[Any]) -> None:
    """Sell the car: decided by who answers for it, done by two officers of who holds it."""
    next(points)
    assert case.flagged() == []
    shown = {line["item_id"]: line for line in case.seen_by("police")["items"]}
    assert (shown[CAR]["status"], shown[CAR]["disposal"]) == ("disposed", "sold_early")
    child = shown[PROCEEDS]
    assert (child["parents"], child["holder"], child["responsible"]) == ([CAR], "depot-east", "procuratorate-east")
    assert child["money"] == {"amount": 5_200_000, "currency": "CNY"}


def judge_and_close(case: TownCase, points: Iterator[Any]) -> None:
    """Check that closing tells what the judgment forgets: what the car brought, not notes and account."""
    next(points)
    assert [(flag["name"], flag["detail"]) for flag in case.flagged()] == [("decision_silent", PROCEEDS)]
    case.close("court", decision_id="judgment")
    (flag,) = [flag for flag in case.receipt["flags"] if flag["name"] == "property_undisposed"]
    assert (flag["article"], PROCEEDS in flag["detail"]) == ("CPL 245", True)
    decisions = {decision["decision_id"]: decision for decision in case.seen_by("court")["decisions"]}
    assert CAR not in {decision["item_id"] for decision in decisions["judgment"]["items"]}


def ask_about_the_car(town: Town) -> None:
    """Work on the lead: the court answers for its judgment, and is to supplement it."""
    shown = town.work(JUDGMENT_LEAD)
    of_the_case = [
        key for key in town.findings("judgment-silent", "prosecutor") if key["item_id"].startswith(goods(""))
    ]
    assert of_the_case == [JUDGMENT_LEAD.key]
    assert shown["raised"]["supervised"] == "court-east"
    assert shown["closed"]["outcome"] == "rectification_notice"
