"""Acts four to seven: proofs go out and are checked offline; the operator and others cheat, and each is found out."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from ledger.chain.errors import CallReverted
from ledger.chain.eth import Eth
from ledger.chain.rpc import JsonRpc
from ledger.core.encoding import canonical
from ledger.samples.operator import Operator
from ledger.samples.theft_case import CASE
from ledger.samples.town import admin_of
from scripts.demonstration.cases import raised_lead
from scripts.demonstration.founding import LEAVER, QUORUM, DemoWitness
from scripts.demonstration.stage import READY_WITHIN, Stage, StepFailed, wait_for

TAMPERED, UNVERIFIABLE = 1, 3  # exit codes
OLDER_COPY, KEPT_CHECKPOINT = "older-copy", "kept-checkpoint.txt"
DATABASES = ("tallystick.db", "tallystick-access.db")


def export(stage: Stage) -> None:
    """Fetch every event's bundle, the bundle of the case, and the trust file."""
    stage.act("Anchors and proofs")
    size = stage.wait_until("the log answers", "/api/v1/log", bool)["size"]
    log = stage.wait_until("everything is anchored", "/api/v1/log", lambda log: log["anchored"]["confirmed"] >= size)
    stage.held("everything is anchored and final", f"{size} entries, anchored up to {log['anchored']['confirmed']}")
    stage.exports.mkdir(exist_ok=True)
    events = stage.tally("case", "timeline", CASE, profile="auditor")
    block = _export(stage, "case.json", "--case", CASE)
    stage.held("the witnesses vouch for the block that the proofs end in", block)
    for event in events:
        _export(stage, f"{event['sequence']:03}-{event['event_type']}.json", event["event_id"])
    stage.held("proof bundles exported", f"{len(events)} events, one case bundle")
    stage.tally("log", "trust", "--output", str(stage.exports / "trust.json"), profile="auditor")
    report = stage.tally("audit", profile="auditor")
    if report["verdict"] != "intact":
        raise StepFailed(f"the audit should say intact, not {report['verdict']}")
    tail = f"{report['entries_since']} entries since the last anchor"
    stage.held("the auditor's audit compares log and chain and finds nothing", f"intact; {tail}")


def _export(stage: Stage, name: str, *of: str) -> str:
    """Fetch a bundle once witnesses vouch for its block; return the line of the block note that names the block."""
    target = stage.exports / name

    def block_line() -> str:
        target.unlink(missing_ok=True)
        stage.tally("proof", "get", *of, "--output", str(target), profile="auditor")
        note: str | None = json.loads(target.read_bytes()).get("anchor", {}).get("block_note")
        return note.split("\n")[5] if note else ""

    return wait_for("the witnesses vouch for the block that the proofs end in", block_line, within=READY_WITHIN)


def verify_lead(stage: Stage) -> None:
    """Find the lead again in the events that it cites, as the auditor, and save what proves it."""
    stage.tally("log", "trust", "--pin", profile="auditor")
    lead_id = raised_lead(stage)["lead_id"]
    verify = ("lead", "verify", lead_id)

    def is_intact(report: Any) -> bool:  # witnesses vouch for the block of an anchor some moments after it
        return bool(report["verdict"] == "intact")

    wait_for(
        "the lead is found again", lambda: stage.tally(*verify, profile="auditor", expect=None), is_intact, every=1
    )
    stage.held("the lead is found again from the events that it cites, by the model that it names", "intact")
    stage.tally("lead", "get", lead_id, "--output", str(stage.exports / "lead.json"), profile="auditor")
    stage.tally("log", "save", str(stage.exports / "log"), profile="auditor")


def check_offline(stage: Stage) -> None:
    """Check each bundle with the trust file alone; the service is off."""
    stage.act("Offline")
    bundles = sorted(stage.exports.glob("[0-9]*.json"))
    for bundle in [*bundles, stage.exports / "case.json"]:
        report = _check(stage, bundle)
        if report["verdict"] != "intact" or report["development"]:
            raise StepFailed(f"{bundle.name}: {report['verdict']}, expected intact, and not for development")
    steps = {step["name"]: step for step in _check(stage, bundles[0])["steps"]}
    witnesses, block = steps["witnesses"]["detail"], steps["block"]
    if block["result"] != "checked":
        raise StepFailed(f"the proof should end in a block that the witnesses vouch for: {block['detail']}")
    count = f"{len(bundles)} event bundles and the case bundle"
    stage.held("service stopped; every bundle is intact", f"{count}; {witnesses}")
    stage.held("each proof ends in the hash of a block", block["detail"])
    lead = _check(stage, stage.exports / "lead.json", "--log", str(stage.exports / "log"), by="lead verify")
    finding = next(step["detail"] for step in lead["steps"] if step["name"] == "finding")
    stage.held("the lead is found again from one file, by the trust file alone", f"{lead['verdict']}: {finding}")
    report = stage.tally("audit", "--data-dir", str(stage.data))
    chain = next(step for step in report["steps"] if step["name"] == "chain")
    stage.held(
        "the operator's audit without the service looks at the chain, too", f"{report['verdict']}: {chain['detail']}"
    )


def _check(stage: Stage, file: Path, *options: str, by: str = "proof check", expect: int = 0) -> Any:
    """Return the verifier's report on a bundle, or on a lead file."""
    trust = str(stage.exports / "trust.json")
    return stage.tally(*by.split(), str(file), "--trust", trust, *options, expect=expect)


# -- the operator ------------------------------------------------------------------------------------------------------


def cheat(stage: Stage, witnesses: list[DemoWitness]) -> None:
    """Try, with the operator's keys, an anchor alone, a forked history, and one that hides a revocation."""
    stage.act("The operator cheats, and the contract refuses")
    submitter = json.loads((stage.data / "installation.json").read_bytes())["submitter"]
    with httpx.Client(base_url=stage.url, timeout=30, trust_env=False) as service:
        operator = Operator(service, Eth(JsonRpc(stage.rpc_url)), submitter)
        true, registry_hash = operator.entries(), operator.registry_hash()
        further = [*true, b"an entry that no witness has followed"]
        _require_refusal(stage, "QuorumMissing", "the operator alone", operator.anchor(further))
        reasons = {_ask(operator, witness, further, registry_hash) for witness in witnesses}
        needed = f"no witness signs for it; {QUORUM} of {len(witnesses)} would be needed"
        stage.held(needed, "; ".join(sorted(reasons)))
        forked = [*true[: len(true) // 2], *(b"another history %d" % number for number in range(len(true)))]
        _require_refusal(stage, "Inconsistent", "a forked history", operator.anchor(forked))

        key = stage.tally("key", "show", LEAVER.profile)["key_id"]
        stage.tally("key", "revoke", key, profile=admin_of(LEAVER.agency))
        refused = operator.anchor(further, registry_hash=registry_hash)
        _require_refusal(stage, "RegistryHashStale", "a history that hides a revocation", refused)
        size = len(true)
        stage.wait_until(
            "the revocation is anchored", "/api/v1/log", lambda log: log["anchored"]["confirmed"] >= log["size"] > size
        )
        _require_refusal(stage, "Inconsistent", "the same under the new registry hash", operator.anchor(forked))
        reason = _ask(operator, witnesses[0], forked, operator.registry_hash())
        stage.held("the witnesses do not sign for it either", reason)


def _ask(operator: Operator, witness: DemoWitness, entries: list[bytes], registry_hash: bytes) -> str:
    """Return why a witness does not co-sign this history. Raises StepFailed if it does."""
    answer = operator.ask(witness.url, entries, registry_hash)
    if answer.is_success:
        raise StepFailed(f"the witness of {witness.agency} co-signs a history that it never followed")
    reason: str = answer.json()["detail"]
    return reason


def _require_refusal(stage: Stage, error: str, attempt: str, refused: CallReverted | None) -> None:
    """Show the contract's own words, hashes cut. Raises StepFailed for another refusal, and for none."""
    if refused is None or refused.error != error:
        raise StepFailed(f"{attempt}: expected {error}, not {refused.message if refused else 'an anchor'}")
    words = re.sub(r"0x([0-9a-f]{8})[0-9a-f]{56}", r"0x\1…", refused.message)
    stage.held(f"{attempt} is refused by the contract", f"{words} {refused.hint or ''}".strip())


# -- files and databases -----------------------------------------------------------------------------------------------


def tamper(stage: Stage) -> None:
    """Change one bundle and one row of the database."""
    stage.act("Two cheats")
    bundle = next(stage.exports.glob("*handover.accepted.json"))
    forged, changed = stage.directory / "forged.json", json.loads(bundle.read_text())
    (body,) = (entry["payload"]["body"] for entry in changed["entries"] if entry["index"] == changed["event"])
    body["received_at"] = "2025" + body["received_at"][4:]
    forged.write_bytes(canonical.encode(changed))
    report = _check(stage, forged, expect=TAMPERED)
    fault = next(step for step in report["steps"] if step["result"] == "failed")
    stage.held("a changed bundle is caught", f"step {fault['number']} {fault['name']}: {fault['detail']}")
    index = _edit_row(stage.data / "tallystick.db")
    report = stage.tally("audit", "--data-dir", str(stage.data), expect=TAMPERED)
    named = [finding["index"] for finding in report["findings"]]
    if named[:1] != [index]:
        raise StepFailed(f"the audit names {named[:3]}, expected entry {index} first")
    stage.held("an edited row of the database is caught", f"entry {index}: {report['findings'][0]['what']}")


def _edit_row(database: Path) -> int:
    """Change the quantity in a stored payload, as somebody with the database could; return its log index."""
    with closing(sqlite3.connect(database)) as connection, connection:
        query = "SELECT log_index, payload FROM entries WHERE event_type = 'item.registered' ORDER BY log_index LIMIT 1"
        index, payload = connection.execute(query).fetchone()
        changed = bytes(payload).replace(b'"value":"1"', b'"value":"2"')
        connection.execute("UPDATE entries SET payload = ? WHERE log_index = ?", (changed, index))
        return int(index)


def keep_copy(stage: Stage) -> None:
    """Copy both databases as they now are, as a database administrator may any day."""
    folder = stage.directory / OLDER_COPY
    folder.mkdir()
    for name in DATABASES:
        with closing(sqlite3.connect(stage.data / name)) as live, closing(sqlite3.connect(folder / name)) as copy:
            live.backup(copy)


def keep_checkpoint(stage: Stage) -> None:
    """Keep the log's newest tree head, as anybody can."""
    (stage.directory / KEPT_CHECKPOINT).write_text(
        httpx.get(f"{stage.url}/checkpoint", timeout=30, trust_env=False).text
    )


def put_back(stage: Stage) -> None:
    """Put the older copy in the place of the databases, without any key; only a kept checkpoint shows it."""
    stage.act("An older copy is put back")
    data = stage.directory / "put-back"
    shutil.copytree(stage.data, data, ignore=shutil.ignore_patterns("*.db*", "*.lock"))
    for name in DATABASES:
        shutil.copyfile(stage.directory / OLDER_COPY / name, data / name)
    audit = ("audit", "--data-dir", str(data), "--database-only")
    report = stage.tally(*audit, expect=UNVERIFIABLE)
    if report["findings"]:
        raise StepFailed(f"the copy should be sound in itself: {report['findings'][:3]}")
    stage.held("the database alone contradicts nothing", f"{report['size']} entries, and no key was needed")
    report = stage.tally(*audit, "--checkpoint", str(stage.directory / KEPT_CHECKPOINT), expect=TAMPERED)
    finding = report["findings"][0]
    stage.held("a checkpoint that was kept elsewhere shows it", f"{finding['what']}: {finding['found']}")
