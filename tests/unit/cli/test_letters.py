"""Letters by the command line: whoever has no part in the case finds, reads, receives and answers what goes to it."""

from __future__ import annotations

from pathlib import Path

from ledger.cli.errors import Exit
from tests.unit.cli.world import THEN, World, open_case


def test_a_letter_to_an_agency_outside_the_case(world: World, tmp_path: Path) -> None:
    """It is listed and shown, its receipt and its answer are recorded; the case stays closed to its addressee."""
    case_id = open_case(world, items=1)
    secret = tmp_path / "secret.txt"
    secret.write_text("in confidence")
    sent = ("--number", "No. 7", "--sent-at", THEN, "--content", "explain", "--section", f"letter.text=@{secret}")
    to = ("--agency", "procuratorate-east", "--letter-id", "question")
    world.ok("letter", "send", case_id, "refusal_reasons_required", *sent, *to)
    waiting = world.ok("letter", "list", "--box", "inbox", "--waiting", profile="prosecutor")
    assert (case_id, "question") in [(line["case_id"], line["letter_id"]) for line in waiting]
    shown = world.run("letter", "show", case_id, "question", profile="prosecutor").out
    assert "explain" in shown
    assert "in confidence" in shown
    chinese = world.run("letter", "list", "--lang", "zh-CN", profile="prosecutor").out
    assert "要求说明" in chinese
    world.ok("letter", "receive", case_id, "question", "--received-at", THEN, profile="prosecutor")
    answer = ("--number", "No. 9", "--sent-at", THEN, "--answers", "question", "--letter-id", "answer")
    world.ok("letter", "send", case_id, "reasons", *answer, "--agency", "police-east", profile="prosecutor")
    assert world.ok("letter", "show", case_id, "question")["answered_at"] is not None
    assert [line["letter_id"] for line in world.ok("letter", "list", "--box", "inbox")][-1:] == ["answer"]
    world.refuses(Exit.REFUSED, "that you may see", "case", "show", case_id, profile="prosecutor")
    about = ("--number", "1", "--sent-at", THEN, "--answers", "question", "--item", f"{case_id}-i1")
    refusal = ("letter", "send", case_id, "reasons", *about, "--agency", "police-east")
    world.refuses(Exit.REFUSED, "with what that names alone", *refusal, profile="prosecutor")
