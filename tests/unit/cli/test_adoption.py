"""``tally procedure impact|adopt``: what another version would change is shown, then a majority adopts it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.cli.errors import Exit
from ledger.core.encoding.digests import blake3_text
from ledger.core.verification.bundle import encode_bundle
from ledger.procedures import shipped_package, shipped_rulebook
from tests.testkit.builders import POLICE
from tests.testkit.bundles import log_with
from tests.testkit.casework import detained
from tests.testkit.tally import Tally
from tests.unit.cli.world import World, open_case, running_world


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the next version of cn-criminal, whose arrest requests have five days."""
    where = tmp_path / "mine"
    where.mkdir()
    for name, data in shipped_package().items():
        if "/" not in name and not name.startswith("examples"):  # they have the days of version 1
            text = data.decode().replace("version = 1\n", "version = 2\n")
            text = text.replace('bases = [{ period = "3 d" }]', 'bases = [{ period = "5 d" }]', 1)
            (where / name).write_text(text, encoding="utf-8")
    (where / "examples.toml").write_text(EXAMPLE, encoding="utf-8")
    return where


EXAMPLE = """[[examples]]
name = "a case is opened"
[[examples.acts]]
event = "case.opened"
by = "police"
at = "2026-03-02 09:00"
stage = "investigation"
"""


def test_the_impact_on_a_bundle_is_shown_without_a_ledger(tally: Tally, folder: Path, tmp_path: Path) -> None:
    """The days that change are listed, case by case; what a bundle is compared with is named."""
    bundle = tmp_path / "case.json"
    bundle.write_bytes(encode_bundle(log_with(detained("li"), POLICE).case_bundle()))
    (row,) = tally.ok("procedure", "impact", folder, bundle, "--against", "cn-criminal")
    assert (row["case_id"], row["part"]) == ("case-1", "deadline")
    assert row["concerns"].startswith("arrest_request/")
    assert (row["before"].split()[-1], row["after"].split()[-1]) == ("2026-03-05", "2026-03-07")
    assert tally.ok("procedure", "impact", "cn-criminal", bundle, "--against", "cn-criminal") == []
    assert tally.ok("procedure", "impact", "evidence", bundle, "--against", "evidence") == []
    tally.refuses(Exit.USAGE, "--against", "procedure", "impact", folder, bundle)


def test_a_majority_adopts_a_version(tmp_path: Path, folder: Path) -> None:
    """It is published, proposed, approved and in force; who may not publish is refused."""
    with running_world(tmp_path / "world") as world:
        first = shipped_rulebook().digest
        (listed,) = world.ok("procedure", "list", "--ledger")
        assert (listed["digest"], listed["in_force"], listed["fault"]) == (first, True, None)
        case_id = open_case(world)
        assert world.ok("procedure", "impact", folder) == []
        for old, new, fault in (('"investigation"', '"execution"', "stage"), (EXAMPLE, "", "example")):
            (folder / "examples.toml").write_text(EXAMPLE.replace(old, new), encoding="utf-8")
            world.refuses(Exit.USAGE, fault, "procedure", "adopt", folder, profile="chief")
        (folder / "examples.toml").write_text(EXAMPLE, encoding="utf-8")
        _adopt(world, folder, tmp_path)
        done = world.run("procedure", "impact", "cn-criminal")
        assert "version 2 is in force, and this is version 1" in done.err
        world.refuses(Exit.USAGE, "version 2 is in force", "procedure", "adopt", "cn-criminal", profile="chief")
        world.refuses(Exit.USAGE, "version 2 is in force", "procedure", "adopt", first, profile="chief")
        rows = world.ok("procedure", "list", "--ledger")
        assert [(row["version"], row["in_force"]) for row in rows] == [(1, False), (2, True)]
        assert world.ok("case", "show", case_id)["stage"] == "investigation"
        assert open_case(world) != case_id
        bundle = tmp_path / "bundle.json"
        world.run("proof", "get", case_id, "--output", bundle)
        world.refuses(Exit.USAGE, "blake3", "procedure", "adopt", "blake3:12")
        world.refuses(Exit.REFUSED, "no procedure", "procedure", "adopt", "blake3:" + "00" * 32, profile="chief")
        text = world.get(f"/api/v1/procedures/{rows[1]['digest']}")["text"]
        assert blake3_text(text.encode()) == rows[1]["digest"]


def _adopt(world: World, folder: Path, tmp_path: Path) -> None:
    """Publish by an officer who may, and adopt by both admins."""
    proposal = tmp_path / "proposal.json"
    world.refuses(Exit.REFUSED, "role_missing", "procedure", "adopt", folder)
    done = world.run("procedure", "adopt", folder, "-o", proposal, profile="chief")
    assert done.status == Exit.OK, done.err
    approvals: list[str | Path] = []
    for agency in ("police-east", "procuratorate-east"):
        approval = tmp_path / f"{agency}.json"
        signed = world.run("registry", "approve", proposal, "--yes", "-o", approval, profile=f"admin-{agency}")
        assert "It is version 2 of cn-criminal" in signed.err + signed.out
        approvals += ["--approval", approval]
    world.ok("registry", "send", proposal, *approvals, profile="admin-police-east")
    world.wait("/api/v1/procedures", lambda answer: answer["procedures"][-1]["in_force"])
