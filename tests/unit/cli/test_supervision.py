"""Models, leads, recommendations and reports: each side does its step, and everybody sees his part."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from blake3 import blake3

from ledger.cli.errors import EXIT_OF_VERDICT, Exit
from ledger.config.installation import DataDirectory, load
from ledger.config.keys import open_keystore
from ledger.core.events import EVENT_TYPES, Stream
from ledger.core.events.supervision import LeadRaised
from ledger.core.signing.authority import SERVICE_AGENCY, SERVICE_OFFICER
from ledger.recording.event_signing import Actor, StreamPosition, sign_event
from ledger.supervision.models.model_file import parse_model, shipped_model
from tests.testkit.machine import REPOSITORY
from tests.testkit.supervision import raised
from tests.testkit.tally import PASSPHRASE
from tests.unit.cli.world import World, open_case
from tests.unit.supervision.modelling import SOUND, with_sql

MODEL = "item-not-handed-over"
PAGE = (REPOSITORY / "docs" / "supervision.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def place(world: World) -> World:
    """Give the world, with an analyst of the procuratorate and the shipped model published."""
    world.with_analyst()
    file = world.tally.folder / f"{MODEL}.yaml"
    file.write_text(shipped_model(MODEL), encoding="utf-8")
    return world


def publish(world: World) -> None:
    """Publish the model, if no test has published it yet."""
    if world.run("model", "show", MODEL).status != Exit.OK:
        world.ok("model", "publish", world.tally.folder / f"{MODEL}.yaml", profile="analyst")


def raise_lead(world: World, key: Mapping[str, str], **fields: Any) -> LeadRaised:
    """Do what the service does when a model has found something: signed by its own key, posted like every event."""
    where = DataDirectory(world.data)
    signer = open_keystore(where.keys.keystore("service"), PASSPHRASE)
    body = raised(key, **fields)
    stream = Stream(kind="supervision", id=body.lead_id)
    log_id = bytes.fromhex(load(where).log_id.removeprefix("0x"))
    signed = sign_event(body, StreamPosition(stream), Actor(SERVICE_AGENCY, SERVICE_OFFICER, signer), log_id)
    headers = {"content-type": "application/json"}
    answer = httpx.post(f"{world.url}/api/v1/events", content=signed.submission, headers=headers, timeout=30)
    assert answer.status_code in (200, 201), answer.text
    return body


def status(world: World, lead_id: str, profile: str = "prosecutor") -> str:
    return world.ok("lead", "show", lead_id, profile=profile)["status"]


def test_every_step_of_the_page_is_one_that_there_is() -> None:
    """What the page names as an event type is one, and no type of supervision is left out."""
    named = set(re.findall(r"`((?:model|lead|recommendation)\.[a-z]+)`", PAGE))
    assert named == {name for name in EVENT_TYPES if name.partition(".")[0] in ("model", "lead", "recommendation")}


def test_a_model_is_checked_by_the_procedures_in_force(place: World) -> None:
    """A word of a package that ships and is not in force here is sound without the ledger, and named with it."""
    file = place.tally.folder / "presented.yaml"
    condition = SOUND[SOUND.index("condition:") : SOUND.index("lead:")]
    cel = 'condition:\n  view: handovers\n  cel: row.purpose == "presentation"\n'
    text = SOUND.replace(condition, cel).replace(" 超过 {days} 日", "").replace(", {days} days", "")
    file.write_text(text, encoding="utf-8")
    assert place.tally("model", "check", file).status == Exit.OK
    place.refuses(Exit.USAGE, "handovers.purpose: ", "model", "check", "--ledger", file)
    file.write_text(SOUND.replace("version: 1\n", "version: 1\nprocedures: [eg-penal]\n", 1), encoding="utf-8")
    place.refuses(Exit.USAGE, "no version of the procedure eg-penal is in force", "model", "check", "--ledger", file)


def test_a_lead_is_dismissed_and_closed(place: World) -> None:
    """By the procuratorate, with the reason; the lists tell how far it has come, in the reader's language."""
    body = raise_lead(place, {"case_id": "theft-22", "item_id": "knife"})
    tally, lead_id = place.tally, body.lead_id
    assert "not_found" in tally("lead", "show", lead_id, profile="police").err
    tally.ok("lead", "assign", lead_id, "j-0021", profile="auditor")
    reason = ("--reason", "explained", "--ground", "It went back to its owner.")
    tally.ok("lead", "dismiss", lead_id, *reason, profile="prosecutor")
    closed = tally.ok(
        "lead", "close", lead_id, "--outcome", "no_further_action", "--summary", "-", profile="prosecutor"
    )
    assert closed["lead_id"] == lead_id
    assert status(place, lead_id, "police") == "closed"
    out = tally("--lang", "zh-CN", "lead", "show", lead_id, profile="prosecutor").out
    assert "已办结" in out
    assert "已作合理说明" in out
    assert "办结线索" in out
    assert "账本系统" in out, "the service, which found it"
    listed = tally("--lang", "zh-CN", "lead", "list", "--case", "theft-22", profile="police").out
    assert "Item phone was seized and not handed over（中文）" in listed


def test_what_was_seen_is_shown_in_the_readers_words(place: World) -> None:
    """Words of the law, units and truths among the values of a lead; programs get them as they are signed."""
    values = {"case_id": "theft-23", "item_id": "phone", "kind": "exhibit", "unit": "piece", "seized": "true"}
    lead_id = raise_lead(place, {"case_id": "theft-23", "item_id": "phone"}, values=values).lead_id
    out = place.tally("--lang", "zh-CN", "lead", "show", lead_id, profile="prosecutor").out
    shown = re.search("所见数据 +(.*(?:\n +.*)*)", out)
    assert shown is not None
    assert not re.search("exhibit|piece|true", shown[1])
    assert place.ok("lead", "show", lead_id, profile="prosecutor")["raised"]["values"] == values


def test_a_lead_is_saved_and_checked_without_the_service(place: World, tmp_path: Path) -> None:
    """By whoever has the file and a trust file, and no account: this one says that it rests on entries after its own.
    Another file of ours is refused with the command that takes it."""
    lead_id = raise_lead(place, {"case_id": "theft-24", "item_id": "phone"}, tree_size=2**40).lead_id
    publish(place)
    file, trust, bundle = (tmp_path / name for name in ("lead.json", "trust.json", "bundle.json"))
    saved = place.ok("lead", "get", lead_id, "--output", file, profile="prosecutor")
    assert (saved, json.loads(file.read_bytes())["format"]) == ({"file": str(file)}, "tallystick/lead@v1")
    place.ok("log", "trust", "--output", trust)
    first = place.ok("lead", "show", lead_id, profile="prosecutor")["events"][0]["event_id"]
    place.ok("proof", "get", first, "--output", bundle, profile="prosecutor")
    check = ("lead", "verify", file, "--trust", trust)
    done = place.tally("--json", *check)
    report = json.loads(done.out)
    assert (report["verdict"], report["steps"][0]["result"]) == ("tampered", "failed")
    assert "the lead's own index" in report["steps"][0]["detail"]
    assert done.status == EXIT_OF_VERDICT["tampered"]
    place.refuses(Exit.USAGE, "tally proof check", "lead", "verify", bundle, "--trust", trust)
    place.refuses(Exit.USAGE, "tally lead verify", "proof", "check", file, "--trust", trust)
    place.refuses(Exit.REFUSED, "not_found", "lead", "get", lead_id, "--output", tmp_path / "x.json", profile="police")
    assert not (tmp_path / "x.json").exists()


def test_a_model_that_does_not_run_here_is_published_only_on_purpose(place: World) -> None:
    """Its examples come out, and the record makes its query fail: that is asked about beside the signature."""
    open_case(place)
    text = with_sql("SELECT *, CAST(case_id AS BIGINT) AS number FROM cases", key=["case_id"], supervised="responsible")
    text = text.replace("model: unanswered", "model: failing").replace("case_id: a", "case_id: '1'")
    text = text.replace("rows: {}, raises: [{", "rows: {cases: [{case_id: '1', responsible: b}]}, raises: [{")
    file = place.tally.folder / "failing.yaml"
    file.write_text(text, encoding="utf-8")
    words = ("model", "publish", file)
    done = place.refuses(Exit.USAGE, "--not-running", *words, profile="analyst")
    assert "This model itself does not run over the record as it is now: " in done.err
    place.refuses(Exit.REFUSED, "not_found", "model", "show", "failing", profile="analyst")
    place.ok(*words, "--not-running", profile="analyst")
    assert place.ok("model", "show", "failing", profile="analyst")["version"] == 1


def test_leads_are_worked_on_together(place: World, tmp_path: Path) -> None:
    """All that are named and those of a file, by one consent; the first refusal refuses all. A paper has number, day
    and digest, and what is passed on goes to somebody."""
    ids = [raise_lead(place, {"case_id": "theft-31", "item_id": f"knife-{number}"}).lead_id for number in range(4)]
    listed, paper = tmp_path / "leads.txt", tmp_path / "letter.pdf"
    listed.write_text(f"{ids[2]}\n{ids[1]}\n")
    paper.write_bytes(b"to the court")
    done = place.ok("lead", "assign", *ids[:2], "j-0021", "--line", "criminal", "--from", listed, profile="auditor")
    assert [receipt["lead_id"] for receipt in done] == ids[:3]
    assert place.ok("lead", "show", ids[0], profile="auditor")["business_line"] == "criminal"
    ground = ("--reason", "explained", "--ground", "It came the next day.")
    place.refuses(Exit.REFUSED, "not_assigned", "lead", "dismiss", *ids[2:], *ground, profile="prosecutor")
    assert [status(place, lead_id) for lead_id in ids] == ["assigned"] * 3 + ["raised"]
    place.ok("lead", "dismiss", *ids[1:3], *ground, profile="prosecutor")
    place.refuses(Exit.USAGE, "1 to 100 leads", "lead", "dismiss", *ground, profile="prosecutor")
    place.ok("lead", "confirm", ids[0], "--finding", "seen", "--material", paper, profile="prosecutor")
    words = ("--outcome", "clue_to_police", "--summary", "Not ours.", "--document", "7")
    outcome = ("lead", "close", ids[0], *words)
    place.refuses(Exit.REFUSED, "document_missing", *outcome, profile="prosecutor")
    paper_of = ("--dated", "2026-03-01", "--material", paper)
    place.refuses(Exit.REFUSED, "one_correspondent", *outcome, *paper_of, profile="prosecutor")
    place.ok(*outcome, *paper_of, "--to", "police-east", profile="prosecutor")
    closed = place.ok("lead", "show", ids[0])["closed"]
    assert (closed["to_agency"], closed["document_date"]) == ("police-east", "2026-03-01")


def test_a_report_calls_a_model_by_its_title(place: World) -> None:
    """In the reader's language, with the id beside it that other commands take."""
    publish(place)
    raise_lead(place, {"case_id": "theft-27", "item_id": "knife"})
    period = ("--from", "2020-01-01", "--until", "2099-12-31")
    title = parse_model(shipped_model(MODEL)).title
    for language, text in (("en", title.en), ("zh-CN", title.zh)):
        shown = place.run("--lang", language, "report", *period, profile="auditor").out
        assert f"{text} ({MODEL})" in shown


def test_a_model_whose_data_set_is_missing_is_published_with_a_warning(place: World) -> None:
    """Others may have the list, so it is no refusal; what is to be done is told, to whoever adopts it as well."""
    assert "did you mean freeze-lapsed" in place.run("model", "publish", "freze-lapsed", profile="analyst").err
    model = "pension-in-execution"
    place.refuses(Exit.OK, "数据集 pensions", "--lang", "zh-CN", "model", "publish", model, profile="analyst")
    adopted = place.run("model", "adopt", model, "--set", "dataset=other-list", profile="analyst")
    assert "data set other-list" in adopted.err


def test_leads_are_watched_as_they_come(place: World) -> None:
    """What there is, as JSON one to a line; then what comes between two looks, each once, and again as it moves on."""
    listed = place.ok("lead", "list", profile="auditor")
    lines = place.run("--json", "lead", "watch", "--once", profile="auditor").out.splitlines()
    assert [json.loads(line)["lead_id"] for line in lines] == [lead["lead_id"] for lead in listed]
    shown = place.run("lead", "watch", "--once", profile="auditor").out.splitlines(keepends=True)
    command = [sys.executable, "-m", "ledger.cli.main", "--profile", "auditor", "lead", "watch", "--every", "0.1"]
    with subprocess.Popen(
        command, env={**os.environ, **place.tally.environment()}, stdout=subprocess.PIPE, text=True
    ) as watching:
        assert watching.stdout is not None
        try:
            assert [watching.stdout.readline() for _ in shown] == shown
            for number in range(2):
                lead_id = raise_lead(place, {"case_id": "theft-26", "item_id": f"knife-{number}"}).lead_id
                assert watching.stdout.readline().startswith(f"{lead_id}  raised  ")
            place.ok("lead", "assign", lead_id, "j-0021", profile="auditor")
            assert watching.stdout.readline().startswith(f"{lead_id}  assigned  ")
        finally:
            watching.terminate()


def test_a_refusal_names_the_option(place: World) -> None:
    """A confirmation without material is refused under its rule; the lead stays as it was."""
    lead_id = raise_lead(place, {"case_id": "theft-23", "item_id": "knife"}).lead_id
    place.ok("lead", "assign", lead_id, "j-0021", profile="auditor")
    done = place.run("lead", "confirm", lead_id, "--finding", "seen", profile="prosecutor")
    assert (done.status, "material_missing" in done.err, "--digest" in done.err) == (Exit.REFUSED, True, True)
    done = place.run("lead", "answer", lead_id, "--answer", "ours", profile="prosecutor")
    assert (done.status, "not_the_supervised" in done.err) == (Exit.REFUSED, True)
    assert status(place, lead_id) == "assigned"


def test_material_is_digested_here(place: World, tmp_path: Path) -> None:
    """By both algorithms, beside what was digested elsewhere; the file stays where it is."""
    lead_id = raise_lead(place, {"case_id": "theft-24", "item_id": "knife"}).lead_id
    place.ok("lead", "assign", lead_id, "j-0021", profile="auditor")
    file, digest = tmp_path / "book.txt", "sha256:" + "11" * 32
    file.write_bytes(b"page 12")
    options = ("--answer", "ours", "--material", file, "--digest", digest)
    place.ok("lead", "answer", lead_id, *options)
    (answer,) = place.ok("lead", "show", lead_id)["answers"]
    expected = {digest, f"blake3:{blake3(b'page 12').hexdigest()}", f"sha256:{sha256(b'page 12').hexdigest()}"}
    assert set(answer["digests"]) == expected


def test_a_model_is_adopted_within_its_bounds_and_retired(place: World) -> None:
    """Parameters are checked before anything is signed; the text that is shown is the one that was signed."""
    publish(place)
    tally = place.tally
    tally.refuses(Exit.REFUSED, "0 to 30", "model", "adopt", MODEL, "--set", "grace_days=99", profile="analyst")
    tally.ok("model", "adopt", MODEL, "--set", "grace_days=5", "--note", "for the county", profile="analyst")
    shown = tally.ok("model", "show", MODEL, "--version", "1", profile="police")
    assert [adoption["parameters"] for adoption in shown["adoptions"]] == [{"grace_days": "5"}]
    assert tally("model", "show", MODEL, "--definition", profile="police").out == shipped_model(MODEL)
    assert "for the county" in tally("model", "show", MODEL, profile="police").out
    own = "own-model"
    file = tally.folder / "own.yaml"
    file.write_text(shipped_model(MODEL).replace(f"model: {MODEL}", f"model: {own}"), encoding="utf-8")
    study = place.tally.folder / "study.yaml"
    study.write_text("en: A phone waited two weeks at a county, and was accepted then.\n", encoding="utf-8")
    beside = ("--case-study", study)
    assert tally.ok("model", "publish", file, *beside, profile="analyst")["model_id"] == own
    again = tally("model", "publish", file, profile="analyst")
    assert again.status == Exit.REFUSED
    tally.ok("model", "retire", own, "--ground", "only a trial", profile="analyst")
    in_use = [model["model_id"] for model in tally.ok("library", "list", "--in-use", profile="police")]
    assert (MODEL in in_use, own in in_use) == (True, False)
    assert own in tally("library", "list", profile="police").out


def test_a_recheck_by_hand_takes_both_numbers(place: World) -> None:
    """A recommendation without a model counts nothing by itself; the numbers are recorded as the officer gives them."""
    tally, before, after = place.tally, ("7", "2026-01-01", "2026-02-01", "5"), ("2", "2026-02-01", "2026-03-01", "9")
    papers = ("--kind", "other", "--number", "2026-9", "--problem", "Late.", "--advice", "Sooner.")
    tally.ok("recommendation", "issue", "police-east", *papers, "--recommendation-id", "by-hand", profile="auditor")
    again = ("recommendation", "recheck", "by-hand", "--result", "fell")
    for options, field in (((), "--before"), (("--before", *before), "--after"), (("--after", *after), "--before")):
        done = tally(*again, *options, profile="auditor")
        assert (done.status, done.err.startswith(f"{field}: expected the numbers")) == (Exit.USAGE, True), done.err
    done = tally("--lang", "zh-CN", *again, "--before", *before, "--after", *after, profile="auditor")
    assert (done.status, "数字由承办人填写" in done.err) == (Exit.OK, True)
    (recheck,) = tally.ok("recommendation", "show", "by-hand", profile="police")["rechecks"]
    for command in (("list",), ("show", "by-hand")):
        out = tally("--lang", "zh-CN", "recommendation", *command, profile="police").out
        assert [word for word in ("被建议单位", "police-east机关") if word not in out] == [], command
    counted = recheck["before"]["count"], recheck["after"]["period_from"], recheck["counted_by"]
    assert counted == (7, "2026-02-01", "officer")
    assert "the officer who signed" in tally("recommendation", "show", "by-hand", profile="police").out


def test_a_recommendation_to_somebody_outside_is_worked_on_by_its_issuer(place: World) -> None:
    """From the issue with a copy to what is done further; the agency of the copy sees it all."""
    tally, outside = place.tally, ("--outside", "bank", "East Bank", "--place", "East Road")
    papers = ("--number", "2026-11", "--problem", "Late.", "--advice", "Sooner.", "--recommendation-id", "to-bank")
    more = ("--copy", "police-east", "--copy-outside", "company", "East Trade", "--urgent", "--service", "by_post")
    words = ("issue", "--kind", "public_interest", *papers, *outside, *more, "--reply-within", "5")

    def act(*words: str) -> None:
        tally.ok("recommendation", *words, profile="auditor")

    act(*words)
    act("receive", "to-bank", "--service", "by_post")
    act("object", "to-bank", "--ground", "Not ours.")
    act("review", "to-bank", "--result", "upheld", "--ground", "It is.", "--document", "2026-12")
    act("answer", "to-bank", "--answer", "We do.", "--measure", "a list")
    act("escalate", "to-bank", "superior_notified", "--ground", "Too late.", "--outside", "authority", "East Office")
    shown = tally.ok("recommendation", "show", "to-bank", profile="police")
    assert (shown["to_agency"], shown["status"]) == (None, "answered")
    assert shown["article"] == "public interest interpretation 21"
    assert shown["issued"]["to_outside"] == {"kind": "bank", "name": "East Bank", "place": "East Road"}
    assert [shown[part][0]["ground"] for part in ("objections", "reviews", "escalations")] == [
        *("Not ours.", "It is.", "Too late.")
    ]
    out = tally("--lang", "zh-CN", "recommendation", "show", "to-bank", profile="police").out
    assert [word for word in ("公益诉讼检察建议", "East Bank", "维持", "通报上级机关") if word not in out] == []
    done = tally("recommendation", "answer", "to-bank", "--answer", "-", profile="police")
    assert (done.status, "has to answer this" in done.err) == (Exit.REFUSED, True), done.err


def test_a_draft_of_supervision_is_signed_on_its_head(place: World) -> None:
    """`tally event sign` asks where the stream of a lead stands, too; of other streams it says that it cannot."""
    lead_id = raise_lead(place, {"case_id": "theft-25", "item_id": "knife"}).lead_id
    file = place.tally.folder / "draft.json"
    draft = '{"event_type": "lead.assigned", "stream": {"kind": "supervision", "id": "%s"}, "body": {"handler": "j-1"}}'
    file.write_text(draft % lead_id, encoding="utf-8")
    signed = place.ok("event", "sign", file, "-o", place.tally.folder / "signed.json", profile="auditor")
    place.ok("event", "submit", signed["file"], profile="auditor")
    assert status(place, lead_id) == "assigned"
    file.write_text(draft % "pensions", encoding="utf-8")
    assert place.run("event", "sign", file, profile="auditor").status == Exit.USAGE


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
    """On the terminal, as a page, as a document; another ending is refused."""
    period = ("--from", "2020-01-01", "--until", "2099-12-31")
    report = sealed.ok("report", *period, profile="auditor")
    assert report["scope"]["jurisdiction"] == "31/01"
    assert "治理分析报告" in sealed.run("--lang", "zh-CN", "report", *period, profile="auditor").out
    for name, begins in (("a.html", b"<!doctype html>"), ("a.pdf", b"%PDF-"), ("a.json", b"{")):
        path = tmp_path / name
        assert sealed.run("report", *period, "-o", path, profile="auditor").status == Exit.OK
        assert path.read_bytes().startswith(begins)
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
    assert [word for word in ("案件 governed-1", "含有物品", "封条为", f"封条 {SEAL}") if word not in chinese] == []
    graph = tmp_path / "graph.graphml"
    saved = sealed.ok("correlate", f"seal:{SEAL}", "--depth", "2", "--graphml", graph, profile="auditor")
    assert saved["nodes"] == 5
    assert "governed-thing-2" in graph.read_text(encoding="utf-8")
    assert sealed.run("correlate", "seal:none", profile="auditor").status == Exit.REFUSED
    assert sealed.run("correlate", "name:li", profile="auditor").status == Exit.USAGE
