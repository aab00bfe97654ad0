"""Acts three and five: anchors are awaited and proofs go out; they are checked offline, and two cheats are caught."""

from __future__ import annotations

import json
import sqlite3
import time
from pathlib import Path
from typing import Any

from scripts.demonstration.stage import READY_WITHIN, Stage, StepFailed
from scripts.demonstration.story import CASE

TAMPERED = 1  # exit code


def export(stage: Stage) -> None:
    """Every event's bundle, the bundle of the case, and the trust file."""
    stage.act("Anchors and proofs")
    size = stage.wait_until("the log answers", "/api/v1/log", bool)["size"]
    log = stage.wait_until("everything is anchored", "/api/v1/log", lambda log: log["anchored"]["confirmed"] >= size)
    stage.held("everything is anchored and final", f"{size} entries, anchored up to {log['anchored']['confirmed']}")
    stage.exports.mkdir(exist_ok=True)
    events = stage.tally("case", "timeline", CASE, profile="auditor")
    stage.held("the witnesses vouch for the block that the proofs end in", vouched(stage, events[-1]["event_id"]))
    for event in events:
        target = stage.exports / f"{event['sequence']:03}-{event['event_type']}.json"
        stage.tally("proof", "get", event["event_id"], "--output", str(target), profile="auditor")
    stage.tally("proof", "get", "--case", CASE, "--output", str(stage.exports / "case.json"), profile="auditor")
    stage.held("proof bundles exported", f"{len(events)} events, one case bundle")
    stage.tally("log", "trust", "--output", str(stage.exports / "trust.json"), profile="auditor")
    report = stage.tally("audit", profile="auditor")
    if report["verdict"] != "intact":
        raise StepFailed(f"the audit should say intact, not {report['verdict']}")
    tail = f"{report['entries_since']} entries since the last anchor"
    stage.held("the auditor's audit compares log and chain and finds nothing", f"intact; {tail}")


def vouched(stage: Stage, event_id: str) -> str:
    """Waits for the block note of the newest proof; gives the line that names the block."""
    target = stage.directory / "vouched.json"
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline:
        target.unlink(missing_ok=True)
        stage.tally("proof", "get", event_id, "--output", str(target), profile="auditor")
        note = json.loads(target.read_bytes()).get("anchor", {}).get("block_note")
        if note is not None:
            lines: list[str] = note.split("\n")
            return lines[5]
        time.sleep(0.5)
    raise StepFailed("the witnesses should vouch for the block that the proofs end in")


def check_offline(stage: Stage) -> None:
    """The service is off: each bundle is checked with the trust file alone."""
    stage.act("Offline")
    bundles = sorted(stage.exports.glob("[0-9]*.json"))
    for bundle in [*bundles, stage.exports / "case.json"]:
        report = check(stage, bundle)
        if report["verdict"] != "intact" or report["development"]:
            raise StepFailed(f"{bundle.name}: {report['verdict']}, expected intact, and not for development")
    steps = {step["name"]: step for step in check(stage, bundles[0])["steps"]}
    told, block = steps["witnesses"]["detail"], steps["block"]
    if block["result"] != "checked":
        raise StepFailed(f"the proof should end in a block that the witnesses vouch for: {block['detail']}")
    stage.held("service stopped; every bundle is intact", f"{len(bundles)} event bundles and the case bundle; {told}")
    stage.held("each proof ends in the hash of a block", block["detail"])
    report = stage.tally("audit", "--data-dir", str(stage.data))
    chain = next(step for step in report["steps"] if step["name"] == "chain")
    stage.held(
        "the operator's audit without the service looks at the chain, too", f"{report['verdict']}: {chain['detail']}"
    )


def tamper(stage: Stage) -> None:
    """One bundle and one row of the database are changed."""
    stage.act("Two cheats")
    bundle = next(stage.exports.glob("*handover.accepted.json"))
    forged = stage.directory / "forged.json"
    forged.write_text(forge(json.loads(bundle.read_text())))
    report = check(stage, forged, expect=TAMPERED)
    fault = next(step for step in report["steps"] if step["result"] == "failed")
    stage.held("a changed bundle is caught", f"step {fault['number']} {fault['name']}: {fault['detail']}")
    index = edit_row(stage.data / "tallystick.db")
    report = stage.tally("audit", "--data-dir", str(stage.data), expect=TAMPERED)
    found = [finding["index"] for finding in report["findings"]]
    if found[:1] != [index]:
        raise StepFailed(f"the audit names {found[:3]}, expected entry {index} first")
    stage.held("an edited row of the database is caught", f"entry {index}: {report['findings'][0]['what']}")


def check(stage: Stage, bundle: Path, *, expect: int = 0) -> Any:
    """The verifier's report."""
    return stage.tally("proof", "check", str(bundle), "--trust", str(stage.exports / "trust.json"), expect=expect)


def forge(bundle: dict[str, Any]) -> str:
    """The receiver never had it a day later."""
    received: str = bundle["payload"]["body"]["received_at"]
    bundle["payload"]["body"]["received_at"] = received.replace("2026", "2025")
    return json.dumps(bundle, ensure_ascii=False)


def edit_row(database: Path) -> int:
    """Changes the quantity in a stored payload, as somebody with the database could; gives its log index."""
    with sqlite3.connect(database) as connection:
        query = "SELECT log_index, payload FROM entries WHERE event_type = 'item.registered' ORDER BY log_index LIMIT 1"
        index, payload = connection.execute(query).fetchone()
        changed = bytes(payload).replace(b'"value":"1"', b'"value":"2"')
        connection.execute("UPDATE entries SET payload = ? WHERE log_index = ?", (changed, index))
        return int(index)
