"""Stocktakes by the command line, on a running service: opened, scanned from arguments and a file, and recorded."""

from __future__ import annotations

from pathlib import Path

from ledger.cli.errors import Exit
from tests.unit.cli.world import World, open_case, register


def test_a_room_is_counted(world: World, tmp_path: Path) -> None:
    """One in place, one missing, one unknown: told at once, recorded together, and shown afterwards."""
    case_id = open_case(world, items=0)
    room = f"Store of {case_id}"
    for name in ("knife", "coat"):
        register(world, case_id, name, "--item-id", f"{case_id}-{name}", "--storage-location", f"{room}, shelf 1")
    opened = world.ok("stocktake", "open", room)
    stocktake_id = opened["stocktake_id"]
    (scanned,) = world.ok("stocktake", "scan", stocktake_id, f"{case_id}-KNIFE", "--seal-number", "S-9")
    assert (scanned["result"], scanned["differences"][0]["kind"]) == ("present", "seal")
    codes = tmp_path / "codes.txt"
    codes.write_text(f"{case_id}-knife\n\nx-17\tS-1\n")
    shown = world.run("stocktake", "scan", stocktake_id, "--file", str(codes))
    assert "scanned before" in shown.out
    assert "#3 x-17: unknown\n" in shown.out
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8")
    photo = ("--file", tmp_path / "photo.jpg")
    world.refuses(Exit.USAGE, f"--file: {photo[1]} is no text", "stocktake", "scan", stocktake_id, *photo)
    assert world.run("stocktake", "scan", stocktake_id).status == Exit.USAGE
    assert world.run("stocktake", "scan", stocktake_id, "a", "b", "--seal-number", "S").status == Exit.USAGE
    assert stocktake_id in [row["stocktake_id"] for row in world.ok("stocktake", "list")]
    view = world.ok("stocktake", "show", stocktake_id)
    assert view["comparison"]["unknown_codes"] == ["x-17"]
    (wrong,) = world.ok("stocktake", "scan", stocktake_id, "x-18")
    taken_back = world.ok("stocktake", "take-back", stocktake_id, str(wrong["number"]))
    assert (taken_back["scan"]["code"], taken_back["counts"]["unknown"]) == ("x-18", 1)
    assert world.run("stocktake", "take-back", stocktake_id, "99").status == Exit.REFUSED
    register(world, case_id, "hat", "--item-id", f"{case_id}-hat", "--storage-location", room)
    assert f"{case_id}-hat" in world.run("stocktake", "show", stocktake_id).out
    shown = world.run("stocktake", "show", stocktake_id).out
    assert f"{case_id}-coat" in shown
    (line,) = (line for line in shown.splitlines() if f"{case_id}-coat" in line)
    assert not line.lstrip().startswith(case_id), "its name stands first"
    stated = ("--remark", "dark", "--counter", "p-0099", "--missing", f"{case_id}/{case_id}-hat")
    receipts = world.ok("stocktake", "close", stocktake_id, *stated)
    assert len(receipts) == 4
    kinds = [each["kinds"] for each in world.ok("case", "show", case_id)["discrepancies"]]
    assert sorted(kinds) == [["missing"], ["missing"], ["seal"]]
    answer = world.ok("stocktake", "show", stocktake_id, "--recorded")
    recorded = answer["stocktake"]
    assert answer["nonexistent"] == []
    assert (recorded["remark"], len(recorded["differences"])) == ("dark", 3)
    shown = world.run("stocktake", "show", stocktake_id, "--recorded").out
    assert "not there" in shown
    assert {each["description"] for each in answer["descriptions"]} >= {"hat"}
    (line,) = (line for line in shown.splitlines() if f"{case_id}-hat" in line)
    assert line.lstrip().startswith("hat")
    assert stocktake_id in [row["stocktake_id"] for row in world.ok("stocktake", "list", "--recorded")]
    paper = tmp_path / "room.pdf"
    assert world.ok("stocktake", "paper", stocktake_id, "--both", "-o", str(paper)) == {"file": str(paper)}
    assert paper.read_bytes().startswith(b"%PDF")
    second_count = world.ok("stocktake", "open", room)["stocktake_id"]
    world.ok("stocktake", "abandon", second_count)
    assert world.run("stocktake", "show", second_count).status != Exit.OK
