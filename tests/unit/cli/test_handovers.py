"""Handovers by the command line, on a running service: offered, taken whole or in part, refused, returned."""

from __future__ import annotations

import time
from pathlib import Path

from ledger.cli.errors import Exit
from ledger.cli.output import when
from ledger.core.encoding.instants import instant_text
from tests.unit.cli.world import THEN, World, accept, holder, offer, open_case, register

DAY = 86_400


def test_custody_moves_with_the_acceptance(world: World) -> None:
    """An offer moves nothing; the acceptance moves what is accepted, and the receiver answers for the case."""
    case_id = open_case(world, items=2)
    handover_id = offer(world, case_id, "--item", f"{case_id}-i1", "--item", f"{case_id}-i2")
    assert holder(world, f"{case_id}-i1") == "police-east"
    inbox = world.ok("handover", "inbox", "--status", "offered", profile="prosecutor")
    assert (case_id, handover_id) in [(line["case_id"], line["handover_id"]) for line in inbox]
    accept(world, case_id, handover_id, "--all-as-listed")
    assert holder(world, f"{case_id}-i1") == "procuratorate-east"
    case = world.ok("case", "show", case_id, profile="prosecutor")
    assert (case["responsible"], case["stage"]) == ("procuratorate-east", "prosecution_review")
    outbox = world.ok("handover", "outbox", "--status", "accepted")
    assert (case_id, handover_id) in [(line["case_id"], line["handover_id"]) for line in outbox]


def test_short_delivery(world: World) -> None:
    """Accepted all but one, whose count differs: it stays with the sender, and both sides resolve the discrepancy."""
    case_id = open_case(world, items=1)
    register(world, case_id, "pry bars", "--item-id", f"{case_id}-bars", "--quantity", "10")
    handover_id = offer(world, case_id, "--item", f"{case_id}-i1", "--item", f"{case_id}-bars")
    short = ("--except", f"{case_id}-bars=items_differ:nine of ten", "--found", f"{case_id}-bars:quantity=9")
    accept(world, case_id, handover_id, "--all-as-listed", *short)
    shown = world.ok("handover", "show", case_id, handover_id, profile="prosecutor")
    assert (shown["status"], shown["accepted_items"]) == ("partially_accepted", [f"{case_id}-i1"])
    shown = world.run("handover", "show", case_id, handover_id, "--lang", "zh-CN", profile="prosecutor")
    lines = shown.out.splitlines()
    assert lines[lines.index("物品") + 1].split() == ["物品", "描述", "接收情况"]
    assert ["pry", "bars", "否"] in [line.split()[1:] for line in lines]
    assert holder(world, f"{case_id}-bars") == "police-east"
    (difference,) = world.ok("case", "show", case_id)["discrepancies"]
    assert (difference["expected"], difference["found"]) == ("10 piece", "9 piece")
    refused = world.run("case", "close", case_id, "--ground", "done", profile="prosecutor")
    assert refused.status == Exit.REFUSED
    words = ("--resolution", "counted again: ten")
    for profile in ("police", "prosecutor"):
        world.ok("discrepancy", "resolve", case_id, difference["discrepancy_id"], *words, profile=profile)
    world.ok("case", "close", case_id, "--ground", "done", profile="prosecutor")
    assert world.ok("case", "show", case_id, profile="prosecutor")["closed"] is True


def test_a_receipt_that_cannot_be_or_does_not_fit_is_told_before_it_is_signed(world: World) -> None:
    """Next year, and a day before the offer, are refused; a minute and a half before it is warned of, and flagged."""
    case_id = open_case(world, items=1)
    handover_id = offer(world, case_id, "--item", f"{case_id}-i1")
    now = int(time.time())
    for received, rule in ((now + 400 * DAY, "in_future"), (now - DAY - 120, "before_its_start")):
        options = ("--received-at", instant_text(received), "--all-as-listed")
        done = world.run("handover", "accept", case_id, handover_id, *options, profile="prosecutor")
        assert (done.status, f"({rule})" in done.err) == (Exit.REFUSED, True), done.err
        assert done.err.count("+08:00") >= 2, "the times of one answer are in one zone"
        assert "Z" not in done.err.splitlines()[-1].split("(")[0]
    options = ("--received-at", instant_text(now - 90), "--all-as-listed")
    done = world.run("handover", "accept", case_id, handover_id, *options, profile="prosecutor")
    assert (done.status, done.err.count("claimed times that contradict each other")) == (Exit.OK, 2), done.err
    assert done.err.startswith(f"received at: {when(now - 90)}")


def test_refused_with_reason_and_remedy(world: World) -> None:
    """A refusal keeps everything with the sender and says what can be done until when."""
    case_id = open_case(world, items=1)
    handover_id = offer(world, case_id, "--item", f"{case_id}-i1")
    why = ("--reason", "binding_defective", "--remedy", "rebind", "--explanation", "loose", "--due-at", THEN)
    world.ok("handover", "refuse", case_id, handover_id, *why, profile="prosecutor")
    shown = world.ok("handover", "show", case_id, handover_id)
    assert (shown["status"], shown["remedy"], shown["due_at"]) == ("refused", "rebind", THEN)
    assert holder(world, f"{case_id}-i1") == "police-east"
    again = offer(world, case_id, "--item", f"{case_id}-i1", "--follows", handover_id)
    world.ok("handover", "recall", case_id, again, "--ground", "not ready")
    assert world.ok("handover", "show", case_id, again)["status"] == "recalled"


def test_returned_for_supplementary_investigation(world: World, tmp_path: Path) -> None:
    """A return is an offer the other way that names what it returns, with its outline; it moves when it is accepted."""
    case_id = open_case(world, items=1)
    first = offer(world, case_id, "--item", f"{case_id}-i1")
    aspects = ("jurisdiction", "dossier_complete", "property_matches_list", "person_and_measure", "within_time")
    checks = [word for name in aspects for word in ("--aspect", f"{name}=passed")]
    world.ok("handover", "check", case_id, first, *checks, profile="prosecutor")
    accept(world, case_id, first, "--received", f"{case_id}-i1")
    purpose = ("--purpose", "supplementary_investigation")
    points = tmp_path / "outline.txt"
    points.write_text(f"hear the buyer\n\n{case_id}-i1=examine it\n")
    why = (*purpose, "--reason", "evidence_insufficient", "--explanation", "buyer not heard", "--outline", f"@{points}")
    back = world.ok("handover", "return", case_id, first, *why, "--item", f"{case_id}-i1", profile="prosecutor")[
        "handover_id"
    ]
    assert holder(world, f"{case_id}-i1") == "procuratorate-east"
    accept(world, case_id, back, "--all-as-listed", profile="police")
    case = world.ok("case", "show", case_id)
    assert (case["responsible"], case["stage"]) == ("police-east", "supplementary_investigation")
    outline = world.ok("handover", "show", case_id, back)["outline"]
    assert outline == [{"text": "hear the buyer"}, {"text": "examine it", "item_id": f"{case_id}-i1"}]
    answers = ("--outline-answer", "1=heard", "--outline-answer", "2=examined")
    offer(world, case_id, "--item", f"{case_id}-i1", "--follows", back, *answers)


def test_all_as_listed_except(world: World, tmp_path: Path) -> None:
    """Everything that is in store is offered in one act, and accepted in one act but for what is named."""
    case_id = open_case(world, items=3)
    image = tmp_path / "disk.img"
    image.write_bytes(b"image")
    collected = ("--collector", "p-1", "--collector", "p-2", "--tool", "imager", "--method", "bit copy")
    data = ("--kind", "electronic_data", "--file", image, "--item-id", f"{case_id}-data", *collected)
    register(world, case_id, "an image", *data)
    out = ("item", "check-out", case_id, f"{case_id}-i3", "--to-officer", "p-0422", "--ground", "hearing")
    world.ok(*out)
    sent = offer(world, case_id, "--all-items", "--listed", f"{case_id}-i1:condition=scratched")
    shown = world.ok("handover", "show", case_id, sent)
    assert [line["item_id"] for line in shown["items"]] == [f"{case_id}-i1", f"{case_id}-i2", f"{case_id}-data"]
    image.write_bytes(b"another image")
    taken = ("--except", f"{case_id}-i2=seal_broken:torn", "--file", f"{case_id}-data={image}")
    receipt = accept(world, case_id, sent, *taken)
    assert [flag["name"] for flag in receipt["flags"]] == ["receipt_differs"]
    case = world.ok("case", "show", case_id)
    assert [(discrepancy["item_id"], discrepancy["kinds"]) for discrepancy in case["discrepancies"]] == [
        (f"{case_id}-data", ["digest"]),
        (f"{case_id}-i2", ["seal"]),
    ]
    assert [item["holder"][:3] for item in case["items"]] == ["pro", "pol", "pol", "pro"]
    later = ("--kind", "condition", "--expected", "whole", "--found", "wheel bent")
    world.ok("discrepancy", "raise", case_id, sent, f"{case_id}-i1", *later, profile="prosecutor")
    assert world.ok("case", "show", case_id)["discrepancies"][-1]["found"] == "wheel bent"
