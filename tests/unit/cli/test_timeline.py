"""The handling chain and its exports from the command line, with a real service and its chain."""

from __future__ import annotations

import json
from pathlib import Path

from ledger.cli.errors import Exit
from ledger.procedures import shipped_rulebook
from tests.unit.cli.world import World, accept, offer, open_case, register


def handed_over(world: World) -> tuple[str, str, str]:
    """Open a case whose item the procuratorate accepted: case, item and person."""
    case_id = open_case(world)
    item_id, person_id = f"{case_id}-phone", "5f" * 16
    person = ("--role", "suspect", "--name", world.tally.off_the_line("Zhang"), "--person-id", person_id)
    world.ok("person", "name", case_id, *person)
    register(world, case_id, "a phone", "--item-id", item_id, "--condition", "whole")
    handover_id = offer(world, case_id, "--item", item_id, "--person", person_id)
    accept(world, case_id, handover_id, "--all-as-listed")
    return case_id, item_id, person_id


def test_a_timeline_is_told_in_sentences_with_proven_times(world: World) -> None:
    """Each event in the reader's words, by when the chain proves it; agencies by their names."""
    case_id, _, _ = handed_over(world)
    world.anchored()
    steps = world.ok("case", "timeline", case_id, profile="auditor")
    for step in steps:
        assert step["state"] == "confirmed"
        assert step["proven_at"] >= step["recorded_at"] // 1000 - 1
    out = world.run("case", "timeline", case_id, profile="auditor").out
    assert "procuratorate-east accepts from police-east for prosecution review: a phone" in out
    assert "From here on procuratorate-east answers for the case." in out
    assert "existed, as proven" in out
    chinese = world.run("case", "timeline", case_id, "--lang", "zh-CN", profile="auditor").out
    assert "procuratorate-east机关接收police-east机关移送（移送审查起诉）的a phone" in chinese
    assert "已证明时间" in chinese


def test_histories_answer_who_held_what_when(world: World) -> None:
    """Of an item and of a person: the events, then the table of how it stood between them."""
    case_id, item_id, person_id = handed_over(world)
    out = world.run("item", "history", item_id, profile="prosecutor").out
    assert "registers a phone" in out
    assert "chain of custody" in out
    assert "whole" in out.partition("chain of custody")[2]
    history = world.ok("item", "history", item_id, profile="prosecutor")
    assert [span["standing"]["holder"] for span in history["spans"]] == ["police-east", "procuratorate-east"]
    of_person = world.ok("person", "history", case_id, person_id, profile="prosecutor")
    assert of_person["steps"][0]["event_type"] == "person.named"
    spans = world.ok("case", "spans", case_id, profile="prosecutor")
    assert {span["subject"] for span in spans} == {"case", "item", "person"}
    assert "保管链" in world.run("case", "spans", case_id, "--lang", "zh-CN", profile="prosecutor").out


def test_who_had_custody_on_a_day_is_answered_in_a_sentence_and_a_table(world: World) -> None:
    """Of an item and of a person, in both languages, as data; a day that is none is refused."""
    case_id, item_id, person_id = handed_over(world)
    (step, *_) = world.ok("item", "history", item_id, profile="prosecutor")["steps"]
    # A day of the ledger's zone, which begins hours before that of UTC.
    on = ("--on", shipped_rulebook().zone.day_of_text(step["occurred_at"]).isoformat())
    answer = world.ok("item", "history", item_id, *on, profile="prosecutor")
    assert [held["holder"] for held in answer["holdings"]][-1] == "procuratorate-east"
    out = world.run("item", "history", item_id, *on, profile="prosecutor").out
    assert "procuratorate-east held it and answered for it, since" in out
    assert "handover accepted" in out
    chinese = world.run("item", "history", item_id, *on, "--lang", "zh-CN", profile="prosecutor").out
    assert "procuratorate-east机关保管并负责" in chinese
    of_person = world.ok("person", "history", case_id, person_id, *on, profile="prosecutor")
    assert of_person["holdings"][-1]["responsible"] == "procuratorate-east"
    refused = world.run("item", "history", item_id, "--on", "2026-02-30", profile="prosecutor")
    assert (refused.status, "2026-02-30" in refused.err) == (Exit.USAGE, True)


def test_exports_are_written(world: World, tmp_path: Path) -> None:
    """In each format there is one, of as many bytes as the command says, with a mark for spreadsheets on request."""
    case_id, _, _ = handed_over(world)
    for file_format in ("csv", "json", "ocel", "case-uco"):
        file = tmp_path / f"case.{file_format}"
        done = world.ok("case", "export", case_id, "--format", file_format, "-o", file)
        assert done == {"file": str(file), "bytes": file.stat().st_size}
    assert (tmp_path / "case.csv").read_text().startswith('"sequence",')
    marked = tmp_path / "excel.csv"
    world.ok("case", "export", case_id, "--format", "csv", "--bom", "-o", marked)
    assert marked.read_bytes().startswith(b"\xef\xbb\xbf")


def test_all_cases_come_into_one_log(world: World, tmp_path: Path) -> None:
    """Those that the reader sees; one case or all is to be said, and only a log holds several."""
    own = {handed_over(world)[0] for _ in range(2)}
    file = tmp_path / "all.json"
    world.ok("case", "export", "--all", "--format", "ocel", "-o", file, profile="prosecutor")
    objects = json.loads(file.read_bytes())["objects"]
    assert own <= {entry["id"].removeprefix("case:") for entry in objects if entry["type"] == "case"}
    for words in (("--format", "ocel"), ("some-case", "--all", "--format", "ocel"), ("--all", "--format", "csv")):
        done = world.run("case", "export", *words, "-o", tmp_path / "none")
        assert done.status == Exit.USAGE
    assert not (tmp_path / "none").exists()
