"""Deadlines at the terminal: what a clerk sees of them, and what he records about them."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.cli.errors import Exit
from tests.testkit.machine import REPOSITORY
from tests.unit.cli.world import World, open_case

PERSON = "5f" * 16


def hours_ago(hours: int) -> str:
    return (datetime.now(UTC) - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


def detained(world: World, *, hours: int = 1) -> str:
    """Open a case whose suspect was detained so many hours ago; p-0417 handles it."""
    case_id = open_case(world)
    world.ok("case", "assign", case_id, "--department", "squad 2", "--handler", "p-0417")
    who = ("--person-id", PERSON, "--name", world.tally.off_the_line("x"))
    world.ok("person", "name", case_id, "--role", "suspect", *who)
    options = ("--started-at", hours_ago(hours), "--ground", "caught in the act", "--measure-id", "m-1")
    world.ok("measure", "impose", case_id, PERSON, "detention", *options)
    return case_id


def listed(world: World, *options: str, profile: str = "police") -> list[dict[str, Any]]:
    return world.ok("deadline", "list", *options, profile=profile)


def shown(world: World, case_id: str, deadline: str = "arrest_request") -> dict[str, Any]:
    return world.ok("deadline", "show", case_id, deadline)


def test_deadlines_of_a_case_are_listed(world: World) -> None:
    """All of the case, only those that are overdue, within so many days, mine, or as of another time."""
    case_id = detained(world, hours=30)
    of_case = ("--case", case_id)
    late = {"detention_house_admission", "family_notice", "first_interrogation"}
    assert {deadline["clock"] for deadline in listed(world, *of_case)} == {"arrest_request"} | late
    overdue = listed(world, *of_case, "--overdue")
    assert {deadline["clock"] for deadline in overdue} == late
    assert listed(world, *of_case, "--status", "overdue") == overdue
    assert len(listed(world, *of_case, "--within", "0")) == 3
    assert len(listed(world, *of_case, "--mine")) == 4
    assert listed(world, *of_case, "--mine", profile="chief") == []
    assert listed(world, *of_case, "--as-of", hours_ago(31)) == []
    assert len(listed(world, "--seen", "--overdue", profile="auditor")) >= 3


def test_the_list_is_coloured_by_urgency(world: World) -> None:
    """Red is overdue, yellow has three days or fewer, what has longer is plain; without colours the words say it."""
    case_id = detained(world, hours=30)
    options = ("--started-at", hours_ago(1), "--ground", "unfit for custody")
    world.ok("measure", "impose", case_id, PERSON, "residential_surveillance", *options)
    plain = world.run("deadline", "list", "--case", case_id).out
    assert "overdue" in plain
    assert "request arrest of the detained person" in plain
    assert "\x1b[" not in plain
    command = ("--profile", "police", "deadline", "list", "--case", case_id)
    lines = world.tally.at_terminal(*command).err.splitlines()

    def colours(word: str) -> set[str]:
        matching = [line for line in lines if word in line]
        assert matching
        return {code for line in matching for code in re.findall(r"\x1b\[(3[0-9])m", line)}

    assert colours("overdue") == {"31"}
    assert colours("arrest_request") == {"33"}
    assert colours("surveillance_limit") == set()


def test_a_deadline_is_shown_with_its_arithmetic(world: World) -> None:
    """By its id or by its clock's name; in English and in Chinese, with the events behind it."""
    case_id = detained(world)
    deadline = shown(world, case_id)
    clock, person, sequence = deadline["deadline_id"].split("/")
    short = f"{clock}/{person[:8]}…/{sequence}"
    assert [shown(world, case_id, name) for name in (deadline["deadline_id"], short)] == [deadline] * 2
    assert short in world.run("deadline", "list", "--case", case_id).out
    assert deadline["arithmetic"][0].endswith("does not count.")
    assert len(deadline["events"]) == 1
    out = world.run("deadline", "show", case_id, "arrest_request").out
    assert "CPL 91" in out
    assert all(line in out for line in deadline["arithmetic"])
    chinese = world.run("--lang", "zh-CN", "deadline", "show", case_id, "arrest_request").out
    assert "提请批准逮捕" in chinese
    assert "期满" in chinese
    done = world.run("deadline", "show", case_id, "bail_limit")
    assert (done.status, "DEADLINE_ID" in done.err, "arrest_request/" in done.err) == (Exit.REFUSED, True, True)


def test_what_is_decided_about_a_deadline_is_recorded(world: World) -> None:
    """Extended, suspended, resumed, reset: the deadline follows; an extension without its ground is flagged."""
    case_id = detained(world)
    before = shown(world, case_id)
    act = (case_id, before["deadline_id"])
    because = ("--article", "CPL 91", "--ground", "approved by the head")
    world.ok("deadline", "extend", *act, "special_circumstances", *because)
    longer = shown(world, case_id)
    assert longer["days_left"] - before["days_left"] == 4
    receipt = world.ok("deadline", "extend", *act, "roaming_repeated_gang", *because)
    assert "extension_without_ground" in [flag["name"] for flag in receipt["flags"]]
    resting = ("--suspended-at", hours_ago(0), "--for", "psychiatric_assessment", "--article", "CPL 149")
    world.ok("deadline", "suspend", *act, *resting, "--ground", "assessment ordered")
    assert shown(world, case_id)["status"] == "suspended"
    world.ok("deadline", "resume", case_id, "arrest_request", "--resumed-at", hours_ago(0))
    assert shown(world, case_id)["status"] == "running"
    anew = ("--reset-at", hours_ago(0), "--article", "CPL 160", "--ground", "identity learnt")
    world.ok("deadline", "reset", *act, *anew)
    deadline = shown(world, case_id)
    assert (deadline["extensions"], deadline["days_left"]) == ([], 3)
    assert len(deadline["events"]) == 6


def test_custody_is_changed_at_a_detention_house_alone(world: World) -> None:
    """An agency of another kind keeps nobody: the argument is named. The case shows for whom a person is kept."""
    case_id = detained(world)
    until = ("--until", "2099-01-01", "--number", "N-1", "--article", "CPL 156")
    done = world.run("custody", "notify", case_id, "m-1", "procuratorate-east", *until)
    assert (done.status, "KEEPER" in done.err) == (Exit.REFUSED, True)
    assert "not_a_keeper" in done.err
    out = world.run("case", "show", case_id).out
    assert "kept for" in out


def test_a_case_without_deadlines_says_so(world: World) -> None:
    """Whoever asks for one is not sent to choose among none."""
    world.refuses(Exit.REFUSED, "the case has no deadlines", "deadline", "show", open_case(world), "arrest_request")


def test_warnings_reach_their_handler(world: World) -> None:
    """What has passed is warned of by itself within seconds, to the handler; a watch says it in lines as it comes."""
    before = world.ok("deadline", "warnings")
    after = str(max((warning["number"] for warning in before), default=0))
    program = (
        "from ledger.cli.commands import deadline as d; d.WATCH_EVERY_S = 0.2; from ledger.cli.main import run; run()"
    )
    command = [sys.executable, "-c", program, "--json", "--profile", "police"]
    environment = {**world.tally.environment(), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(
        [*command, "deadline", "warnings", "--mine", "--watch", "--after", after],
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    ) as watching:
        try:
            case_id = detained(world, hours=30)
            assert watching.stdout is not None
            arriving = map(json.loads, watching.stdout)  # of cases of other tests too, as their turn comes
            first = next(warning for warning in arriving if warning["case_id"] == case_id)
        finally:
            watching.terminate()
    overdue = {(clock, 0) for clock in ("family_notice", "first_interrogation", "detention_house_admission")}
    assert (first["clock"], first["days"]) in overdue | {("arrest_request", 1), ("arrest_request", 3)}
    assert first["handler"] == "p-0417"
    warnings = world.ok("deadline", "warnings", "--mine", "--after", after)
    assert first["number"] in [warning["number"] for warning in warnings]
    output = world.run("deadline", "warnings").out
    assert "notify the family of the detention" in output
    assert world.ok("deadline", "warnings", "--mine", profile="chief") == []


def test_the_example_of_the_clerks_page_is_so(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command of the page's example succeeds, and the last one says what the page says."""
    (tmp_path / "name.txt").write_text("a name\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    page = (REPOSITORY / "docs" / "deadlines.md").read_text(encoding="utf-8")
    commands, output = (re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL)[0] for kind in ("bash", "text"))
    done = [world.tally(*shlex.split(line)[1:]) for line in commands.splitlines()]
    assert [run.status for run in done] == [Exit.OK] * len(done), [run.err for run in done]
    assert all(line in done[-1].out for line in output.splitlines())
