"""Events signed as files, proofs, exports and the public log on the command line."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from ledger.cli.errors import Exit
from ledger.core.encoding import canonical
from ledger.core.events import entry_hash
from ledger.core.log.cose_receipts import parse_receipt
from ledger.core.log.merkle import leaf_hash
from ledger.core.log.policy import parse_policy
from ledger.core.log.tlog_proofs import parse_tlog_proof
from ledger.core.verification.bundle import decode_bundle
from tests.testkit.published_vectors import EXAMPLES
from tests.unit.cli.world import THEN, World, accept, offer, open_case, register
from tests.unit.interchange.test_typeset import text_of


def test_event_signed_as_a_file_and_sent_later(world: World, tmp_path: Path) -> None:
    """Any event can be written as JSON, signed offline into a file, and sent twice to count once."""
    case_id = open_case(world)
    head = world.ok("event", "list", case_id)[-1]
    draft = {
        "event_type": "record.late",
        "stream": {"kind": "case", "id": case_id},
        "sequence": 1,
        "previous": entry_hash(canonical.encode(head["envelope"])),
        "body": {"happened_at": THEN, "ground": "the line was down"},
        "authority": {"authorization_type": "order", "authorization_identifier": "O-1"},
        "sections": {"narrative": {"text": "what happened"}},
    }
    file = tmp_path / "draft.json"
    file.write_text(json.dumps(draft), encoding="utf-8")
    signed = tmp_path / "signed.json"
    answer = world.ok("event", "sign", file, "-o", signed)
    copy = tmp_path / "copy.json"
    copy.write_bytes(signed.read_bytes())
    first, second = (world.ok("event", "submit", path) for path in (signed, copy))
    assert first["event_id"] == second["event_id"] == answer["event_id"]
    assert first["index"] == second["index"]


def test_draft_opens_a_case(world: World, tmp_path: Path) -> None:
    """A case that is not there yet has no place to ask for: its opening is signed as its first event."""
    case_id = f"case-{secrets.token_hex(4)}"
    body = {
        "case_number": "A-9",
        "case_type": "theft",
        "business_line": "criminal",
        "stage": "investigation",
        "procedure": "cn-criminal",
    }
    draft = {"event_type": "case.opened", "stream": {"kind": "case", "id": case_id}, "body": body}
    file, signed = tmp_path / "draft.json", tmp_path / "signed.json"
    file.write_text(json.dumps(draft), encoding="utf-8")
    world.ok("event", "sign", file, "-o", signed)
    assert json.loads(signed.read_bytes())["envelope"]["sequence"] == 0
    world.ok("event", "submit", signed)
    assert world.ok("case", "show", case_id)["case_number"] == "A-9"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"event_type": "record.lost"}, "record.lost"),
        ({"stream": {"kind": "case"}}, "stream.id"),
        ({"body": {"ground": "x"}}, "happened_at"),
        ({"stream": {"kind": "agency", "id": "police-east"}}, "sequence"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_draft_that_cannot_be_is_not_signed(
    world: World, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    """What is wrong in a draft is named, and no file is written."""
    draft = {
        "event_type": "record.late",
        "stream": {"kind": "case", "id": "case-1"},
        "body": {"happened_at": THEN, "ground": "x"},
    }
    file = tmp_path / "draft.json"
    file.write_text(json.dumps(draft | changes), encoding="utf-8")
    done = world.run("event", "sign", file, "-o", tmp_path / "signed.json")
    assert done.status == Exit.USAGE
    assert message in done.err
    assert not (tmp_path / "signed.json").exists()


def test_proof_goes_out_and_is_checked(world: World, tmp_path: Path) -> None:
    """Event and case bundle, anchored, are intact against the trust file and a copy of the log."""
    case_id = open_case(world, items=1)
    accept(world, case_id, offer(world, case_id, "--item", f"{case_id}-i1"), "--all-as-listed")
    world.anchored()
    trust = tmp_path / "trust.json"
    world.run("log", "trust", "-o", trust)
    event_id = world.ok("event", "list", case_id)[-1]["event_id"]
    bundle, case = tmp_path / "event.json", tmp_path / "case.json"
    world.ok("proof", "get", event_id, "-o", bundle)
    world.ok("proof", "get", "--case", case_id, "-o", case)
    ends = ("--block-of", bundle, "--block-of", case, "--block", "latest-final")
    world.run("log", "trust", *ends, "--replace", "-o", trust)
    event_report = world.tally.ok("proof", "check", bundle, "--trust", trust)
    assert {step["name"] for step in event_report["steps"] if step["result"] != "checked"} == {"witnesses"}
    assert event_report["block"]["trusted"]
    saved = world.ok("log", "save", tmp_path / "copy")
    report = world.tally.ok("proof", "check", case, "--trust", trust, "--log", tmp_path / "copy")
    assert report["verdict"] == "intact"
    assert {step["name"] for step in report["steps"] if step["result"] != "checked"} == {"witnesses", "end"}
    assert saved["size"] >= report["events"][-1]["subject"]["size"]
    withheld = tmp_path / "withheld.json"
    world.ok("proof", "get", event_id, "--withhold", "payload", "-o", withheld)
    assert world.tally("proof", "check", withheld, "--trust", trust).status == Exit.UNVERIFIABLE


def test_absence_goes_out_and_is_checked(world: World, tmp_path: Path) -> None:
    """A case that nobody opened is shown not to be there; one that is there is refused, and one kind is asked for."""
    case_id = open_case(world)
    world.anchored()
    trust, file = tmp_path / "trust.json", tmp_path / "absence.json"
    world.run("log", "trust", "-o", trust)
    world.ok("proof", "absence", "--case", "case-of-nobody", "-o", file)
    world.run("log", "trust", "--block-of", file, "--replace", "-o", trust)
    report = world.tally.ok("proof", "check", file, "--trust", trust)
    assert (report["verdict"], report["stream"]["id"]) == ("intact", "case-of-nobody")
    assert "own word" in report["completeness"]["detail"]  # a development ledger has no witnesses
    assert report["completeness"]["result"] == report["steps"][-1]["result"] == "not_checked"
    world.refuses(Exit.REFUSED, f"the log has case {case_id}", "proof", "absence", "--case", case_id)
    world.refuses(Exit.USAGE, "expected one of the three", "proof", "absence")
    world.refuses(Exit.USAGE, "expected one of the three", "proof", "absence", "--case", "a", "--lead", "b")


def test_examples_of_head_maps_are_checked(world: World) -> None:
    """Whole and absent, by witnesses; in words, and by the exit code where an event was left out."""
    trust = ("--trust", EXAMPLES / "trust.json")
    report = world.tally.ok("proof", "check", EXAMPLES / "whole.json", *trust)
    assert report["completeness"]["result"] == "shown"
    shown = world.tally("proof", "check", EXAMPLES / "absent.json", *trust)
    assert (shown.status, "none of the first 14 entries is an event of case case-0b5d" in shown.out) == (Exit.OK, True)


def test_stream_of_the_ledger_itself_is_checked(world: World) -> None:
    """A bundle of any stream is verified; there are rules for cases and models alone."""
    report = world.tally.ok("proof", "check", EXAMPLES / "system.json", "--trust", EXAMPLES / "trust.json")
    assert (report["verdict"], report["conformity"]["result"]) == ("intact", "not_checked")


def test_proofs_go_out_in_the_formats_of_others(world: World, tmp_path: Path) -> None:
    """The tlog-proof of an event, with and without signing in, under the tlog-policy of the trust file."""
    case_id = open_case(world, items=1)
    world.anchored()
    event = world.ok("event", "list", case_id)[0]
    policy, bundle = tmp_path / "policy", tmp_path / "bundle.json"
    private, public = tmp_path / "a.tlog-proof", tmp_path / "b.tlog-proof"
    world.ok("log", "trust", "--policy", "-o", policy)
    world.ok("proof", "get", event["event_id"], "-o", bundle)
    world.ok("proof", "get", event["event_id"], "--tlog-proof", "-o", private)
    (log_key,) = parse_policy(policy.read_text()).logs
    assert world.ok("log", "trust", "--policy") == {"policy": policy.read_text()}
    assert world.run("log", "trust", "--policy").out == policy.read_text()
    leaf = leaf_hash(canonical.encode(json.loads(bundle.read_bytes())["entries"][-1]["envelope"]))
    index = parse_tlog_proof(private.read_text(encoding="utf-8")).index
    assert parse_tlog_proof(private.read_text(encoding="utf-8")).verify(leaf, log_key).size > index
    unnamed = world.tally("log", "proof", str(index))
    assert (unnamed.status, "--profile" in unnamed.err) == (Exit.USAGE, True), "no word of a broken ledger"
    answer = world.ok("log", "proof", str(index), "-o", public)
    assert answer["leaf_hash"] == f"sha256:{leaf.hex()}"
    assert parse_tlog_proof(public.read_text(encoding="utf-8")).verify(leaf, log_key).size > index
    refused = world.run("proof", "get", "--case", case_id, "--tlog-proof")
    assert refused.status == Exit.USAGE


def test_receipt_goes_out_and_is_checked(world: World, tmp_path: Path) -> None:
    """A COSE receipt is written beside its entry, with and without signing in, and checked offline with both."""
    case_id = open_case(world, items=1)
    world.anchored()
    trust, bundle = tmp_path / "trust.json", tmp_path / "bundle.json"
    world.run("log", "trust", "-o", trust)
    event_id = world.ok("event", "list", case_id)[-1]["event_id"]
    world.ok("proof", "get", event_id, "-o", bundle)
    written = world.ok("proof", "get", event_id, "--cose", "-o", tmp_path / "a.cose")
    receipt, entry = tmp_path / "a.cose", tmp_path / "a.entry.json"
    assert written == {"file": str(receipt), "entry": str(entry)}
    assert entry.read_bytes() == canonical.encode(decode_bundle(bundle.read_bytes()).require_event().envelope)
    index = parse_receipt(receipt.read_bytes()).index
    public = tmp_path / "b.cose"
    world.ok("log", "proof", str(index), "--cose", "-o", public)
    assert public.with_suffix(".entry.json").read_bytes() == entry.read_bytes()

    for file in (receipt, public):
        done = world.tally("--json", "proof", "check", file, "--entry", entry, "--trust", trust)
        report = json.loads(done.out)
        assert (done.status, report["verdict"]) == (Exit.UNVERIFIABLE, "unverifiable")
        assert [step["result"] for step in report["steps"]] == ["checked"] * 3 + ["not_checked"] * 4
        assert (report["subject"]["envelope"]["event_id"], report["subject"]["index"]) == (event_id, index)
    shown = world.tally("proof", "check", receipt, "--entry", entry, "--trust", trust).out
    assert "a receipt has no anchor" in shown
    spoiled = tmp_path / "c.cose"
    good = receipt.read_bytes()
    for bad in (good[:-1] + bytes([good[-1] ^ 1]), good[:-1], good[1:], bytes([good[0] ^ 1]) + good[1:]):
        spoiled.write_bytes(bad)
        assert world.tally("proof", "check", spoiled, "--entry", entry, "--trust", trust).status == Exit.REFUSED


def test_receipt_that_is_asked_for_wrongly(world: World, tmp_path: Path) -> None:
    """A receipt is of one event, is checked with its entry and nothing else, and no bundle is checked with an entry."""
    case_id = open_case(world)
    world.anchored()
    trust, bundle, receipt = tmp_path / "trust.json", tmp_path / "bundle.json", tmp_path / "a.cose"
    entry = tmp_path / "a.entry.json"
    world.run("log", "trust", "-o", trust)
    event_id = world.ok("event", "list", case_id)[0]["event_id"]
    world.ok("proof", "get", event_id, "-o", bundle)
    world.ok("proof", "get", event_id, "--cose", "-o", receipt)
    world.refuses(Exit.USAGE, "of one event", "proof", "get", "--case", case_id, "--cose")
    world.refuses(Exit.USAGE, "one of the two", "proof", "get", event_id, "--cose", "--tlog-proof")
    check = ("proof", "check")
    world.refuses(Exit.USAGE, "tally proof get --cose", *check, receipt, "--trust", trust)
    world.refuses(Exit.USAGE, "its entry alone", *check, receipt, "--entry", entry, "--trust", trust, "--log", tmp_path)
    world.refuses(Exit.USAGE, "expected a COSE receipt", *check, bundle, "--entry", entry, "--trust", trust)
    world.refuses(Exit.USAGE, "--entry:", *check, receipt, "--entry", trust, "--trust", trust)
    world.refuses(Exit.REFUSED, "not published", "log", "proof", "999999", "--cose", "-o", tmp_path / "b.cose")
    assert not (tmp_path / "b.cose").exists()


def test_log_is_public_and_grows(world: World, tmp_path: Path) -> None:
    """A reader without a key lists entries, checks checkpoints, and sees that today's log extends yesterday's."""
    profile = "reader"
    if profile not in [row["name"] for row in world.tally.ok("profile", "list")]:
        world.tally.ok("profile", "add", profile, "--url", world.url)
    world.ok("log", "save", tmp_path / "copy", profile=profile)
    done = world.run("log", "checkpoint", profile=profile)
    assert "not checked" in done.err
    assert world.run("log", "trust", "--pin", profile=profile).status == 0
    before = world.ok("log", "checkpoint", profile=profile)
    assert before["signature"] == "checked"
    case_id = open_case(world)
    world.anchored()
    grown = world.ok("log", "consistency", tmp_path / "copy" / "checkpoint", profile=profile)
    assert grown["second"] > grown["first"]
    newer = world.ok("log", "entries", "--from", str(before["size"]), profile=profile)
    assert case_id in [entry["stream"]["id"] for entry in newer]
    assert world.run("case", "open", "--number", "A", "--type", "x", profile=profile).status == Exit.USAGE
    assert world.run("case", "list", profile=profile).status == Exit.REFUSED


def test_anchors_are_listed(world: World) -> None:
    """Anchors with their sizes in rising order; the status tells how far the log is anchored."""
    open_case(world)
    world.anchored()
    anchors = world.ok("anchor", "list")
    sizes = [anchor["size"] for anchor in anchors]
    assert sizes == sorted(set(sizes))
    status = world.ok("anchor", "status")
    assert (status["anchored"]["confirmed"], status.keys()) == (sizes[-1], world.get("/api/v1/log").keys())
    assert status["log_id"] in world.run("anchor", "status").out


def test_audit_finds_nothing(world: World, tmp_path: Path) -> None:
    """An auditor audits a case, and takes the report as a paper; a clerk may not.

    The tutorial audits the whole log (tests/docs/test_readme.py).
    """
    case_id = open_case(world, items=1)
    world.anchored()
    assert world.ok("audit", case_id, profile="auditor")["verdict"] == "intact"
    paper = tmp_path / "audit.pdf"
    audited = world.ok("audit", case_id, "--pdf", paper, profile="auditor")
    assert audited["root"] in text_of(paper.read_bytes())
    world.refuses(Exit.USAGE, f"--pdf: {paper} is there already", "audit", case_id, "--pdf", paper, profile="auditor")
    recorded = world.ok("audit", case_id, "--record", "--number", "2026-3", profile="auditor")["recorded"]
    event = world.ok("event", "show", recorded["event_id"], profile="auditor")
    assert (event["event_type"], event["payload"]["body"]["verdict"]) == ("audit.recorded", "intact")
    assert event["payload"]["body"]["document_number"] == "2026-3"
    assert world.run("audit", case_id, "--number", "2026-3", profile="auditor").status == Exit.USAGE
    assert world.run("audit").status == Exit.REFUSED
    shown = world.run("audit", case_id, "--lang", "zh-CN", profile="auditor").out
    assert "结论: 未经改动" in shown


def test_a_paper_that_cannot_be_written_hides_no_verdict(world: World, tmp_path: Path) -> None:
    """An audit that found something ends with its verdict's exit code, whatever becomes of the files beside it; so
    does its report for programs. One that found nothing ends with the error."""
    case_id, nowhere = open_case(world), ("--pdf", "/proc/self/audit.pdf")
    world.anchored()
    assert world.run("audit", case_id, *nowhere, profile="auditor").status == Exit.USAGE
    offline = ("audit", "--data-dir", world.data, "--database-only", *nowhere)
    by_others = tmp_path / "trust.json"  # by which the service's own entries are signed by somebody else
    by_others.write_bytes(
        canonical.encode(json.loads((world.data / "trust.json").read_bytes()) | {"service_key_id": "0x" + "11" * 20})
    )
    done = world.run("--json", *offline, "--trust", by_others)
    assert json.loads(done.out)["verdict"] == "tampered", done.err
    assert (done.status, "audit.pdf" in done.err) == (Exit.REFUSED, True)


def test_an_audit_goes_on_from_the_file_of_an_earlier_one(world: World, tmp_path: Path) -> None:
    """What was not read again is told in each language; a file that was changed is refused, and so is one of a case."""
    case_id = open_case(world, items=1)
    kept, changed = tmp_path / "kept.json", tmp_path / "changed.json"
    offline = ("audit", "--data-dir", world.data, "--database-only")
    assert "whose digest is blake3:" in world.run(*offline, "--keep", kept).err
    changed.write_bytes(kept.read_bytes().replace(b'"size":', b'"size":1'))
    world.refuses(Exit.REFUSED, "its digest is another", *offline, "--since", changed)
    done = world.run(*offline, "--since", kept, "--json")
    assert done.status == Exit.UNVERIFIABLE
    since = json.loads(done.out)["since"]
    assert since["digest"] == json.loads(kept.read_bytes())["digest"]
    for language, words in (("en", r"entries not read again: \d+"), ("zh-CN", r"未重新读取的条目: \d+")):
        # Which of the earlier entries are read again is drawn anew each time.
        assert re.search(words, world.run("--lang", language, *offline, "--since", kept).out)
    for words in (("--since", kept), ("--data-dir", world.data, case_id, "--keep", tmp_path / "of-a-case")):
        assert world.run("audit", *words, profile="auditor").status == Exit.USAGE


def test_an_audit_is_by_the_trust_file_of_the_auditor(world: World, tmp_path: Path) -> None:
    """Not by the one that lies beside the database; both are named by their digests, as the agencies compare them."""
    case_id = open_case(world)
    offline = ("audit", "--data-dir", world.data, case_id, "--database-only")
    own, of_examples, blocks = tmp_path / "own.json", EXAMPLES / "trust.json", ("--block", "latest-final")
    world.ok("log", "trust", "-o", own, *blocks)
    pinned = world.tally.ok("log", "trust", "--pin", profile="police")["digest"]
    beside = world.data / "trust.json"
    whole = beside.read_bytes()
    changed = canonical.encode(json.loads(whole) | {"suites": [1, 2]})
    try:
        beside.write_bytes(changed)
        assert json.loads(world.run(*offline, "--json").out)["trust_digest"] != pinned
        shown = world.run(*offline, "--trust", own).out
    finally:
        beside.write_bytes(whole)
    assert pinned in shown
    assert f"log id: {json.loads(whole)['log_id']}" in shown
    world.refuses(Exit.OTHER_LEDGER, "--trust: the trust file is of ledger", *offline, "--trust", of_examples)
    assert world.run("audit", "--trust", own, profile="auditor").status == Exit.USAGE
    bundle = tmp_path / "bundle.json"
    world.ok("proof", "get", "--case", case_id, "-o", bundle)
    named = world.run("proof", "check", bundle, "--trust", own, "--trust", of_examples).out
    assert pinned in named
    # The digest does not cover blocks, which whoever passes a trust file on can add: each is shown beside it.
    (block,) = json.loads(own.read_bytes())["chains"][0]["trusted_blocks"]
    assert f"{block['number']} {block['hash']}" in named.partition(pinned)[2].partition("ends in block")[0]
    without = json.loads(world.run("proof", "check", bundle, "--json").out)
    assert (without["trust_digest"], without.get("trusted_blocks")) == (pinned, None)
    world.refuses(Exit.USAGE, "of one ledger", "proof", "check", bundle, "--trust", own, "--trust", beside)


def test_an_audit_judges_no_database_of_another_version(world: World, tmp_path: Path) -> None:
    """Its tables differ as those of one that somebody changed do: it is told before anything is compared."""
    copy = tmp_path / "ledger"
    copy.mkdir()
    for name in ("installation.json", "trust.json"):
        shutil.copy(world.data / name, copy)
    with closing(sqlite3.connect(world.data / "tallystick.db")) as original:
        original.execute("VACUUM INTO ?", (str(copy / "tallystick.db"),))
    with closing(sqlite3.connect(copy / "tallystick.db")) as database, database:
        database.execute("ALTER TABLE cases ADD COLUMN later TEXT")
        database.execute("UPDATE alembic_version_log SET version_num = '0019'")
    done = world.run("--json", "audit", "--data-dir", copy, "--database-only")
    problem = json.loads(done.err)["error"]
    assert (done.status, problem["code"]) == (Exit.UNVERIFIABLE, "other_schema")
    assert "0019, not " in problem["message"]
    assert "tally serve" in problem["hint"]


def test_files_of_an_audit_are_looked_at_before_it(world: World, tmp_path: Path) -> None:
    """One that cannot be written takes no verdict's place, and one that is no checkpoint is named with its option."""
    offline = ("audit", "--data-dir", world.data, "--database-only")
    (tmp_path / "kept").touch()
    world.refuses(Exit.USAGE, f"--keep: {tmp_path}/kept is there already", *offline, "--keep", tmp_path / "kept")
    world.refuses(Exit.USAGE, f"--pdf: there is no folder {tmp_path}/no", *offline, "--pdf", tmp_path / "no" / "a.pdf")
    (tmp_path / "binary").write_bytes(b"%PDF-1.7\n\xe2")
    (tmp_path / "text").write_text("no note")
    for name in ("binary", "text"):
        words = f"{tmp_path}/{name} is no checkpoint: "
        world.refuses(Exit.USAGE, f"--checkpoint: {words}", *offline, "--checkpoint", tmp_path / name)
        world.refuses(Exit.USAGE, f"FIRST: {words}", "log", "consistency", tmp_path / name)


def test_a_case_is_taken_away_in_one_archive(world: World, tmp_path: Path) -> None:
    """With papers, proofs and the files that its items state, under names that people read; it checks as a bag."""
    photo = tmp_path / "IMG_0001.jpg"
    photo.write_bytes(b"a photograph")
    (tmp_path / "other.jpg").write_bytes(b"of another case")
    case_id = open_case(world)
    register(world, case_id, "a ../lock: forced", "--item-id", f"{case_id}-lock", "--file", photo)
    offer(world, case_id, "--item", f"{case_id}-lock")
    target = tmp_path / "case.zip"
    done = world.ok("case", "archive", case_id, "--lang", "zh-CN", "--files", tmp_path, "-o", target)
    assert done["files"] == 1
    with ZipFile(target) as archive:
        assert archive.testzip() is None
        assert all(".." not in name.split("/") for name in archive.namelist())
        archive.extractall(tmp_path / "out")
    bag = tmp_path / "out" / case_id
    names = {str(path.relative_to(bag / "data")) for path in bag.rglob("data/*/*")}
    assert f"附件/{case_id}-lock a .._lock_ forced.jpg" in names
    assert {f"存证/{case_id}.bundle.json", "时间线/时间线.csv"} <= names
    assert any(name.startswith("文书/0002 ") and name.endswith(".pdf") for name in names), names
    checked = subprocess.run(["sha256sum", "--check", "--strict", "manifest-sha256.txt"], cwd=bag, capture_output=True)
    assert checked.returncode == 0, checked.stderr
    bundle = decode_bundle((bag / f"data/存证/{case_id}.bundle.json").read_bytes())
    assert bundle.subjects
    assert world.run("case", "archive", case_id, "-o", target).status == Exit.USAGE
    world.refuses(Exit.REFUSED, "", "case", "archive", "case-nowhere", "-o", tmp_path / "none.zip")
    assert not (tmp_path / "none.zip").exists()
