"""What is kept, by the command line on a running service: holds, times of retention, and what is due."""

from __future__ import annotations

from ledger.cli.errors import Exit
from tests.unit.cli.world import World, open_case

ORDER = ("--authority", "court order=12/2026")


def test_a_hold_is_placed_listed_and_released(world: World) -> None:
    """While it stands a disposal is refused, with the hold, its number and what to do."""
    case_id = open_case(world, items=1)
    item_id = f"{case_id}-i1"
    placing = ("hold", "place", case_id, "legal_hold", "--scope", "items", "--item", item_id, "--ground", "retrial")
    placing += ("--number", "H-7", "--hold-id", "hold-1", "--review-on", "2040-01-01")
    assert world.run(*placing, profile="chief").status == Exit.USAGE
    world.ok(*placing, *ORDER, profile="chief")
    (line,) = world.ok("hold", "list", "--case", case_id)
    assert (line["hold_id"], line["number"], line["scope"], line["review_on"]) == (
        "hold-1",
        "H-7",
        "items",
        "2040-01-01",
    )
    disposing = ("item", "propose-disposal", case_id, "destroyed", item_id, "--ground", "over")
    world.refuses(Exit.REFUSED, "H-7", *disposing)
    world.ok(*disposing, "--despite-hold", "hold-1")
    world.ok("hold", "release", case_id, "hold-1", "--ground", "refused", *ORDER, profile="chief")
    assert world.ok("hold", "list", "--case", case_id) == []
    assert [hold["released_at"] is None for hold in world.ok("hold", "list", "--case", case_id, "--all")] == [False]


def test_two_erase_early_on_a_ground_and_print_it(world: World) -> None:
    """In a closed case: without the ground it would be flagged; the paper of it is a PDF."""
    case_id = open_case(world)
    note = world.folder / "note.txt"
    note.write_text("who he is", encoding="utf-8")
    registered = world.ok("item", "register", case_id, "a letter", "--section", f"narrative.text=@{note}")
    world.ok("case", "close", case_id, "--ground", "over")
    proposing = ("section", "propose-erasure", case_id, registered["event_id"], "narrative", "--ground", "his right")
    proposal = world.ok(*proposing)["event_id"]
    erasing = ("section", "erase", case_id, proposal, "--for")
    world.refuses(Exit.REFUSED, "court_order", *erasing, "a_whim", *ORDER, profile="chief")
    erased = world.ok(*erasing, "court_order", *ORDER, profile="chief")
    assert erased["flags"] == []
    paper = world.folder / "erased.pdf"
    world.ok("paper", erased["event_id"], "--both", "-o", str(paper))
    assert paper.read_bytes().startswith(b"%PDF")


def test_a_time_is_set_and_what_is_due_is_listed(world: World) -> None:
    """In so many days, with what it is due for; people are told what stands in the way."""
    case_id = open_case(world, items=1)
    item_id = f"{case_id}-i1"
    world.ok("retention", "set", case_id, "2040-06-30", "--item", item_id, "--ground", "claim", *ORDER, profile="chief")
    hold = ("hold", "place", case_id, "legal_hold", "--scope", "case", "--number", "H-8", "--ground", "retrial")
    world.ok(*hold, *ORDER, profile="chief")
    assert [line for line in world.ok("retention", "due") if line["case_id"] == case_id] == []
    (line,) = [line for line in world.ok("retention", "due", "--within", "9000") if line["case_id"] == case_id]
    assert (line["subject"], line["last_day"], line["then"]) == (item_id, "2040-06-30", "review")
    out = world.run("retention", "due", "--within", "9000", "--lang", "zh-CN").out
    assert "留存" in out
    assert "复核" in out
