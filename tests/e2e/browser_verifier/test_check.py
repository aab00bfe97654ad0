"""``scripts/verify``: the command of a stranger has our exit codes, and its core asks for nothing but a browser has."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.core.encoding import canonical
from ledger.core.events.registry import AgencyAdmitted, AgencyProfile
from ledger.core.trust.trust_file import Trust, encode_trust
from ledger.core.trust.trust_renewal import trust_digest, uncovered_blocks
from ledger.core.verification.bundle import MAX_BUNDLE_LENGTH, encode_bundle
from ledger.core.verification.verify import verify_event
from tests.campaigns.verifiers.compare import Sample, compared
from tests.campaigns.verifiers.faults import Expected
from tests.testkit.builders import KINDS, POLICE, changed_in_every_way, clerk, key_id
from tests.testkit.bundles import TWO_OF_THREE, WITNESSES, Log, founded, naming, tree
from tests.testkit.casework import Case
from tests.testkit.changed_bundles import GOOD, TRUST, Tree
from tests.testkit.machine import REPOSITORY
from tests.unit.core.test_rotated_keys import FILE, REFUSED, ROTATED

FOLDER = REPOSITORY / "scripts" / "verify"
EXAMPLES = REPOSITORY / "docs" / "examples"


def check(bundle: Path, trusted: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["node", FOLDER / "check.js", bundle, "--trust", trusted, *options], capture_output=True, text=True
    )


def checked(folder: Path, bundle: Tree | bytes, trust: Trust = TRUST) -> tuple[int, dict[str, Any]]:
    """Exit code and what ``--json`` says."""
    data = bundle if isinstance(bundle, bytes) else canonical.encode(bundle)
    (folder / "bundle.json").write_bytes(data)
    (folder / "trust.json").write_bytes(encode_trust(trust))
    done = check(folder / "bundle.json", folder / "trust.json", "--json")
    return done.returncode, json.loads(done.stdout or "{}")


VERDICTS: dict[str, tuple[Callable[[Tree], Any], int]] = {
    "intact": (lambda b: None, 0),
    "tampered": (lambda b: b["entries"][-1]["payload"].update(salt="00" * 16), 1),
    "unverifiable": (lambda b: [b["entries"][-1].pop(part) for part in ("payload", "sections")], 3),
    "not_yet_anchored": (lambda b: b.pop("anchor"), 4),
}


@pytest.mark.parametrize("verdict", VERDICTS)
def test_exit_codes(verdict: str, tmp_path: Path) -> None:
    """Each verdict has the exit code of ``tally proof check``, and each step its status."""
    change, code = VERDICTS[verdict]
    shown = tree(GOOD)
    change(shown)
    report = verify_event(canonical.encode(shown), TRUST).report
    status, answer = checked(tmp_path, shown)
    assert (status, answer["verdict"], report.verdict) == (code, verdict, verdict)
    assert [step["status"] for step in answer["steps"]] == [step.result for step in report.steps]
    assert answer["development"] is True
    assert answer["trusted_blocks"] == list(uncovered_blocks(TRUST))
    assert trust_digest(TRUST) == answer["trust_digest"]


def test_a_bundle_of_another_ledger_is_not_called_tampered(tmp_path: Path) -> None:
    """It has a verdict and an exit code of its own, as of ``tally proof check``; made to name that ledger it is."""
    foreign_trust = replace(TRUST, log_id_text="0x" + "ab" * 32)
    status, answer = checked(tmp_path, tree(GOOD), foreign_trust)
    report = verify_event(encode_bundle(GOOD), foreign_trust).report
    assert (status, answer["verdict"], report.verdict) == (8, "other_ledger", "other_ledger")
    assert [step["status"] for step in answer["steps"]] == [step.result for step in report.steps]
    status, answer = checked(tmp_path, tree(GOOD) | {"log_id": "0x" + "ab" * 32})
    assert (status, answer["verdict"]) == (1, "tampered")


def test_case_whose_last_event_is_cut_off(tmp_path: Path) -> None:
    """Its verdict stays; the exit code is that of ``tally proof check`` for what is contradicted beside it."""
    cut = json.loads((EXAMPLES / "whole.json").read_bytes())
    cut["entries"] = [entry for entry in cut["entries"] if entry["index"] != 9]
    (tmp_path / "cut.json").write_bytes(canonical.encode(cut))
    done = check(tmp_path / "cut.json", EXAMPLES / "trust.json", "--json")
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["verdict"], answer["completeness"]["result"]) == (6, "intact", "contradicted")


def test_keys_of_before_count_for_their_time(tmp_path: Path) -> None:
    """Both verifiers say the same of each step by a trust file that names keys of before, and refuse the same files."""
    by_either = Expected(("intact", "tampered", "not_yet_anchored", "unverifiable", "refused"), None)
    example = (EXAMPLES / "bundle.json").read_bytes()
    samples = [
        Sample(name, "", encode_bundle(bundle), encode_trust(trusted), by_either)
        for name, (bundle, trusted, _) in ROTATED.items()
    ]
    for name, (changes, _) in REFUSED.items():
        samples.append(Sample(name, "", example, canonical.encode(FILE | changes), Expected("refused")))
    assert compared(samples, tmp_path / "samples.jsonl") == []


def test_signing_after_the_quorum_is_reported(tmp_path: Path) -> None:
    """One witness that dates late keeps it from failing: both say so at step 12, and at step 3 who co-signed."""
    log = founded(POLICE)
    log.add(*Case().open().events)
    signed_at = log.events[-1].envelope.signed_at
    times = (signed_at - 1000, signed_at - 900, signed_at + 10)
    note = log.note(witnesses=zip(WITNESSES, times, strict=True))
    bundle = log.bundle(len(log.events) - 1, note, anchored=False)
    using = naming(bundle, policy=TWO_OF_THREE, development=False)
    _, answer = checked(tmp_path, tree(bundle), using)
    report = verify_event(encode_bundle(bundle), using).report
    for quorum, time in (
        [report.steps[at].detail for at in (2, 11)],
        [answer["steps"][at]["detail"] for at in (2, 11)],
    ):
        assert "it says to be signed after the quorum of witnesses" in time
        assert all(witness.verifying_key.name in quorum for witness in WITNESSES)


def test_mirror_of_each_kind_of_change_is_intact(tmp_path: Path) -> None:
    """Also of the adoption of a procedure: neither verifier needs the package to say that the log has it unchanged."""
    log = Log(registry=changed_in_every_way())
    log.mirror()
    bundles = {event.envelope.event_type: log.bundle(index) for index, event in enumerate(log.events)}
    assert "registry.procedure_adopted" in bundles
    samples = [
        Sample(name, "", encode_bundle(bundle), encode_trust(naming(bundle)), Expected("intact"))
        for name, bundle in bundles.items()
    ]
    assert compared(samples, tmp_path / "samples.jsonl") == []


def test_who_is_named_in_one_script_of_a_language_signs_as_others_do(tmp_path: Path) -> None:
    """Both verifiers read the admission of such an agency, on which the right of its keys stands."""
    log = Log()
    named = AgencyProfile(jurisdiction="31/01", name={"sr-Latn": "Policija", "pt-BR": "Polícia"})
    log.registry.add(AgencyAdmitted, agency=POLICE, kind=KINDS[POLICE], admin=key_id("admin"), profile=named)
    log.registry.grant(clerk(POLICE))
    log.mirror()
    log.add(*Case().open().events)
    bundle = log.bundle(len(log.events) - 1)
    sample = Sample("named", "", encode_bundle(bundle), encode_trust(naming(bundle)), Expected("intact"))
    assert compared([sample], tmp_path / "samples.jsonl") == []


def test_what_is_no_bundle(tmp_path: Path) -> None:
    """Another file, no file and wrong usage are exit code 2, told in a line."""
    assert checked(tmp_path, b"{}")[0] == 2
    (tmp_path / "trust.json").write_bytes(b"[]")
    for bundle in (tmp_path / "bundle.json", tmp_path / "none.json"):
        done = check(bundle, tmp_path / "trust.json")
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
        assert "trust.json: " in done.stderr
    (tmp_path / "trust.json").write_bytes(encode_trust(TRUST))
    assert "bundle.json: " in check(tmp_path / "bundle.json", tmp_path / "trust.json").stderr
    usage = subprocess.run(["node", FOLDER / "check.js"], capture_output=True, text=True)
    assert (usage.returncode, usage.stderr.startswith("usage: ")) == (2, True)
    asked = subprocess.run(["node", FOLDER / "check.js", "--help"], capture_output=True, text=True)
    assert (asked.returncode, asked.stdout) == (0, usage.stderr)


def test_the_examples_of_the_document() -> None:
    """The command tells the twelve steps by their names, the verdict, and the two statements beside it."""
    done = check(EXAMPLES / "bundle.json", EXAMPLES / "trust.json")
    lines = done.stdout.splitlines()
    *_, verdict, conformity, completeness = lines
    assert (done.returncode, done.stderr, verdict) == (0, "", "verdict: intact")
    why = "this verifier does not check whether the event fits its type and the role of its key"
    assert conformity == f"conformity: not_checked ({why})"
    assert completeness == "completeness: not_checked (one event says nothing of those after it)"
    assert [line.split()[1] for line in lines[:12]] == [
        step.name for step in verify_event((EXAMPLES / "bundle.json").read_bytes(), TRUST).report.steps
    ]


def test_file_that_is_too_large(tmp_path: Path) -> None:
    """Nobody reads on forever: what is over the limit is no bundle, whatever is in it."""
    assert checked(tmp_path, b" " * (MAX_BUNDLE_LENGTH + 1))[0] == 2


def test_core_runs_with_what_a_page_has() -> None:
    """Without Node's globals and modules, with the globals that the web has, the example comes to its verdict."""
    done = subprocess.run(
        ["node", "--experimental-vm-modules", "--no-warnings", Path(__file__).with_name("page.mjs"), REPOSITORY],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "intact"), done.stderr


def test_the_page_is_not_misled_by_what_was_signed() -> None:
    """A file is of the kind of its own format, whatever a text in it says; a code on paper leads to the event that it
    names in its ledger, and to no other one with the same payload."""
    log, digest, event = "0x" + "ab" * 32, "blake3:" + "cd" * 32, "01a23167-2cd8-7000-8000-000000000001"
    trust, bundle = ("tallystick/trust@v1", "tallystick/bundle@v1")
    files = [
        json.dumps({"entries": [{"sections": {"note": {"fields": {"format": trust}}}}], "format": bundle}),
        json.dumps({"entries": [{"format": bundle}], "format": trust}),
        json.dumps({"entries": [{"format": trust}]}),
        json.dumps({"entries": [{"format": trust}], "format": bundle})[:-1],
        "null",
        "%PDF-",
        f'%PDF-1.7 {{"format":"{bundle}"}}',
    ]

    def code(of: str, event_id: str = event, stream: str = "case-1", verdict: str = "intact", ledger: str = log) -> Any:
        envelope = {"event_id": event_id, "payload_digest": digest, "stream": {"kind": "case", "id": stream}}
        events = [{"envelope": envelope, "verdict": verdict}]
        return {"hash": f"#log={log}&of={of}&digest={digest}", "events": events, "log": ledger}

    codes = [
        code(event),
        code("case-1"),
        code(event, verdict="tampered"),
        code(event, event_id=event.replace("1", "2")),
        code("case-1", stream="case-2"),
        code(event, ledger="0x" + "00" * 32),
        code(event) | {"events": []},
    ]
    done = subprocess.run(
        ["node", "--no-warnings", Path(__file__).with_name("dropped.mjs")],
        input=json.dumps({"root": str(REPOSITORY), "files": files, "codes": codes}),
        capture_output=True,
        text=True,
    )
    outcome = json.loads(done.stdout or done.stderr)
    assert outcome["kinds"] == ["bundle", "trust", "file", "bundle", "file", "file", "file"]
    assert [each["text"] for each in outcome["outcomes"]] == [
        *("found", "found", "found_failed", "found_other", "found_other", "found_other", "not_found")
    ]
    assert [each["isFound"] for each in outcome["outcomes"]] == [True, True, *(False,) * 5]
