"""Runs of models, reports and what cases have in common, by the command line of a procuratorate's auditor."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ledger.cli.errors import Exit
from tests.unit.cli.world import World

SEAL = "S-4711"


@pytest.fixture(scope="module")
def sealed(world: World) -> World:
    """Two cases, in each of which a thing has the same seal."""
    for number in (1, 2):
        case = f"governed-{number}"
        world.ok("case", "open", "--number", f"G-{number}", "--case-id", case, "--type", "theft")
        thing = ("--item-id", f"governed-thing-{number}", "--seal-number", SEAL)
        world.ok("item", "register", case, "a thing", *thing)
    return world


def test_a_model_is_run_over_the_ledger_as_it_is(sealed: World) -> None:
    """The shipped model on seals finds the pair; a parameter that there is not is refused; nothing was raised."""
    run = sealed.ok("model", "run", "same-seal", profile="auditor")
    pair = {"seal_number": SEAL, "case_id": "governed-2", "other_case_id": "governed-1"}
    assert pair in [line["key"] for line in run["findings"]]
    done = sealed.run("model", "run", "same-seal", profile="auditor")
    assert SEAL in done.out
    assert sealed.run("model", "run", "same-seal", "--set", "speed=1", profile="auditor").status == Exit.USAGE
    assert sealed.run("model", "run", "same-seal", "--set", "speed", profile="auditor").status == Exit.USAGE
    assert sealed.run("model", "run", "same-seal").status == Exit.REFUSED
    assert sealed.ok("lead", "list", "--model", "same-seal", profile="auditor") == []


def test_a_report_is_shown_and_saved(sealed: World, tmp_path: Path) -> None:
    """On the terminal, as a page, as a document; no file is overwritten, another ending is refused."""
    period = ("--from", "2020-01-01", "--until", "2099-12-31")
    report = sealed.ok("report", *period, profile="auditor")
    assert report["scope"]["jurisdiction"] == "31/01"
    assert "治理分析报告" in sealed.run("--lang", "zh-CN", "report", *period, profile="auditor").out
    for name, begins in (("a.html", b"<!doctype html>"), ("a.pdf", b"%PDF-"), ("a.json", b"{")):
        path = tmp_path / name
        assert sealed.run("report", *period, "-o", path, profile="auditor").status == Exit.OK
        assert path.read_bytes().startswith(begins)
        assert sealed.run("report", *period, "-o", path, profile="auditor").status == Exit.REFUSED
    assert sealed.run("report", *period, "-o", tmp_path / "a.doc", profile="auditor").status == Exit.USAGE
    elsewhere = sealed.run("report", *period, "--jurisdiction", "32", profile="auditor")
    assert elsewhere.status == Exit.REFUSED
    assert "31/01" in elsewhere.err


def test_what_cases_have_in_common_is_shown(sealed: World, tmp_path: Path) -> None:
    """As a tree, as the way to the other case, as a graph for other programs."""
    tree = sealed.run("correlate", "case:governed-1", profile="auditor").out
    assert f"seal {SEAL}" in tree
    assert "case governed-2" in tree
    way = sealed.run("correlate", "case:governed-1", "--to", "case:governed-2", profile="auditor").out
    assert len(way.splitlines()) in (2, 4), "by the seal or by the officer who opened both"
    named = [sealed.run("correlate", name, profile="auditor").out for name in ("governed-1", "G-1")]
    assert named == [tree, tree], "a case by its id or its number alone"
    chinese = sealed.run("--lang", "zh-CN", "correlate", "G-1", "--to", f"seal:{SEAL}", profile="auditor").out
    assert [word for word in ("案件 governed-1", "含有物品", "加封", f"封签 {SEAL}") if word not in chinese] == []
    graph = tmp_path / "graph.graphml"
    saved = sealed.ok("correlate", f"seal:{SEAL}", "--depth", "2", "--graphml", graph, profile="auditor")
    assert saved["nodes"] == 5
    assert "governed-thing-2" in graph.read_text(encoding="utf-8")
    assert sealed.run("correlate", "seal:none", profile="auditor").status == Exit.REFUSED
    assert sealed.run("correlate", "name:li", profile="auditor").status == Exit.USAGE


def test_leads_are_watched(sealed: World) -> None:
    """What there is, a line each; as JSON one to a line."""
    listed = sealed.ok("lead", "list", profile="auditor")
    lines = sealed.run("--json", "lead", "watch", "--once", profile="auditor").out.splitlines()
    assert [json.loads(line)["lead_id"] for line in lines] == [lead["lead_id"] for lead in listed]
