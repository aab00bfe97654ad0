"""Cases that are worth a picture: with a difference, a gap, a refusal, a late clock; with items that came of others."""

from __future__ import annotations

from ledger.core.events import item
from tests.testkit.builders import LAB, POLICE, PROCURATORATE, START, clerk, instant, supervisor
from tests.testkit.casework import Case, detained, got, part, pieces

HOUR = 3600


def eventful() -> Case:
    """Li, detained; two of three items pass a day late with a count that differs; the laboratory refuses the third."""
    case = detained("li").register("phone", seal_number="S-0417", condition="whole").register("coins", quantity=10)
    case.register("volume")
    sent, come = instant(START + 100 * HOUR), instant(START + 122 * HOUR)
    case.offer("phone", "coins", to=PROCURATORATE, persons=("li",), occurred_at=sent)
    nine = got("coins", "mismatch", quantity=pieces(9))
    case.accept(received_at=come, occurred_at=instant(START + 123 * HOUR), received=(nine,))
    by = {"by": clerk(POLICE)}
    case.offer("volume", to=LAB, purpose="forensic_examination", occurred_at=instant(START + 130 * HOUR), **by)
    return case.refuse(by=clerk(LAB), received_at=instant(START + 139 * HOUR), occurred_at=instant(START + 140 * HOUR))


def long_case(events: int) -> Case:
    """As many events, two hours apart: things are registered, sent to the laboratory, and every third comes back."""
    case, hours = Case("case-2", step=1).open(case_number="2026-1000"), 0

    def then(**fields: object) -> dict[str, object]:
        nonlocal hours
        hours += 2
        return {"occurred_at": instant(START + hours * HOUR), **fields}

    number = 0
    while len(case.events) < events:
        case.register(f"thing-{number}", **then())
        case.offer(f"thing-{number}", to=LAB, purpose="forensic_examination", **then(by=clerk(POLICE)))
        case.accept(by=clerk(LAB), **_received(then()))
        if number % 3 == 0:
            case.give_back(f"thing-{number}", purpose="return", **then(by=clerk(LAB)))
            case.accept(by=clerk(POLICE), **_received(then()))
        number += 1
    return case


def kindred() -> Case:
    """Cash is split, split again and merged; a car is sold; a card comes out of a phone; a knife is lent."""
    case = (
        Case("case-3", step=60)
        .open(case_number="2026-9")
        .register("cash", kind="property", quantity=100, fungible=True)
    )
    case.register("car", kind="property").register("handset").register("knife")
    case.say(item.ItemSplit, clerk(POLICE), item_id="cash", parts=(part("cash-1", 60), part("cash-2", 40)))
    case.say(item.ItemSplit, clerk(POLICE), item_id="cash-1", parts=(part("cash-3", 30), part("cash-4", 30)))
    case.say(item.ItemMerged, clerk(POLICE), item_ids=("cash-2", "cash-4"), whole=part("cash-5", 70))
    case.register("card", parent_items=("handset",))
    case.offer("knife", to=LAB, purpose="loan", by=clerk(POLICE), due_at=instant(START + 480 * HOUR))
    case.accept(by=clerk(LAB))
    proposal = {"item_ids": ("car",), "disposal": "sold_early", "ground": "loses value"}
    case.say(item.ItemDisposalProposed, clerk(POLICE), **proposal)
    sold = {"cites": case.last.ref, "disposed_at": instant(START), "proceeds": part("price", 1, amount=4_000_000)}
    return case.say(item.ItemDisposed, supervisor(POLICE), **sold)


def _received(fields: dict[str, object]) -> dict[str, object]:
    return {"received_at": fields["occurred_at"], **fields}
