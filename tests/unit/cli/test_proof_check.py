"""`tally proof check`: steps, verdicts and exit codes, offline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec import UNSET

from ledger.cli.errors import Exit
from ledger.config.secret_files import write_secret
from ledger.core.events.handover import HandoverRecalled
from ledger.core.log.tiles import encode_bundle as encode_entries
from ledger.core.verification.bundle_format import encode_bundle
from tests.testkit import bundles
from tests.testkit.builders import POLICE, Writer, clerk
from tests.testkit.casework import Case
from tests.testkit.tally import Tally, write_bundle, write_trust


@pytest.fixture
def log() -> bundles.Log:
    """Build a log with a case that was opened and got an item."""
    case = Case()
    case.open()
    case.register("item-1")
    return bundles.log_with(case)


def check(tally: Tally, bundle: Path, *more: str | Path) -> tuple[int, str]:
    """Exit code and output of a check against the builders' trust file."""
    done = tally("proof", "check", bundle, "--trust", write_trust(tally.folder), *more)
    assert done.err == ""
    return done.status, done.out


def test_intact(tally: Tally, log: bundles.Log) -> None:
    """All steps are numbered, the verdict is told with what stands beside it, and the code is 0."""
    status, shown = check(tally, write_bundle(tally.folder, log, len(log.events) - 1))
    assert status == Exit.OK
    assert [line.split()[0] for line in shown.splitlines()[:13]] == [str(number) for number in range(1, 14)]
    assert "verdict: intact" in shown
    assert "conformity: not checked: the custody rules judge a case, not one event" in shown
    assert "completeness: not checked: one event says nothing of those after it" in shown
    assert "development ledger" in shown


def test_tampered(tally: Tally, log: bundles.Log) -> None:
    """A changed payload fails step 4, which says what differs; the code is 1."""
    path = write_bundle(tally.folder, log, len(log.events) - 1)
    bundle = json.loads(path.read_bytes())
    bundle["payload"]["body"]["description"] = "another thing"
    path.write_text(json.dumps(bundle))
    status, shown = check(tally, path)
    assert status == Exit.REFUSED
    step = next(line for line in shown.splitlines() if line.startswith(" 4"))
    assert "failed" in step
    assert "digest" in step
    assert "verdict: tampered" in shown


def test_unverifiable(tally: Tally, log: bundles.Log) -> None:
    """A withheld payload is no fault and no proof: the code is 3."""
    status, shown = check(tally, write_bundle(tally.folder, log, len(log.events) - 1, payload=UNSET))
    assert (status, "verdict: unverifiable" in shown) == (Exit.UNVERIFIABLE, True)


def test_not_yet_anchored(tally: Tally, log: bundles.Log) -> None:
    """Without an anchor the verdict says just that: the code is 4."""
    status, shown = check(tally, write_bundle(tally.folder, log, len(log.events) - 1, anchored=False))
    assert (status, "verdict: not yet anchored" in shown) == (Exit.NOT_YET_ANCHORED, True)


def test_report_as_json(tally: Tally, log: bundles.Log) -> None:
    """--json gives the verifier's report: verdict, the statements beside it, development, subject, numbered steps."""
    path = write_bundle(tally.folder, log, len(log.events) - 1)
    report = tally.ok("proof", "check", path, "--trust", write_trust(tally.folder))
    assert (report["verdict"], report["development"], report["subject"]["agency"]) == ("intact", True, POLICE)
    assert report["conformity"] == {
        "result": "not_checked",
        "detail": "the custody rules judge a case, not one event",
    }
    assert report["completeness"]["result"] == "not_checked"
    assert [step["number"] for step in report["steps"]] == list(range(1, 14))


def test_report_in_chinese(tally: Tally, log: bundles.Log) -> None:
    """Step names, results and the verdict are labelled in the language that was asked for."""
    _, shown = check(tally, write_bundle(tally.folder, log, len(log.events) - 1), "--lang", "zh-CN")
    assert "收录证明" in shown
    assert "结论: 完整未改" in shown
    assert "合规（保管规则）: 未核验: 保管规则评判的是整个案件，不是单个事件" in shown


def test_colours_only_on_a_terminal(tally: Tally, log: bundles.Log) -> None:
    """Output that is no terminal has no escape sequences."""
    _, shown = check(tally, write_bundle(tally.folder, log, 0))
    assert "\x1b" not in shown


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b'{"format":"tallystick/bundle@v2"}'])
def test_file_that_is_no_bundle_is_bad_usage(tally: Tally, data: bytes) -> None:
    """What is no bundle at all gets no verdict: one line, and the code 2."""
    path = tally.folder / "bundle.json"
    path.write_bytes(data)
    done = tally("proof", "check", path, "--trust", write_trust(tally.folder))
    assert (done.status, done.out) == (Exit.USAGE, "")
    assert done.err.count("\n") == 1


def test_trust_is_brought_by_the_verifier(tally: Tally, log: bundles.Log) -> None:
    """Without a trust file nothing is checked, and the bundle itself is never asked for one."""
    path = write_bundle(tally.folder, log, 0)
    done = tally("proof", "check", path)
    assert (done.status, "--trust" in done.err) == (Exit.USAGE, True)


def test_profile_has_a_trust_file(tally: Tally, log: bundles.Log) -> None:
    """The trust file that a profile was given is used where none is named."""
    path = write_bundle(tally.folder, log, len(log.events) - 1)
    tally.ok("profile", "add", "auditor", "--url", "http://127.0.0.1:1", "--trust", write_trust(tally.folder))
    assert tally.ok("proof", "check", path)["verdict"] == "intact"


def test_trust_file_of_the_bundles_ledger_is_chosen(tally: Tally, log: bundles.Log) -> None:
    """Of several trust files that of the bundle's ledger counts; where none is, the bundle fails against the first."""
    path = write_bundle(tally.folder, log, len(log.events) - 1)
    own = write_trust(tally.folder)
    other = tally.folder / "other"
    other.mkdir()
    foreign = write_trust(other, log_id=bytes(32))
    assert tally.ok("proof", "check", path, "--trust", foreign, "--trust", own)["verdict"] == "intact"
    done = tally("--json", "proof", "check", path, "--trust", foreign)
    assert done.status == Exit.REFUSED
    assert done.json()["steps"][1]["result"] == "failed"


def case_file(folder: Path, log: bundles.Log) -> Path:
    """Write the bundle of the log's case."""
    path = folder / "case.json"
    path.write_bytes(encode_bundle(log.case_bundle()))
    return path


def copy_of(folder: Path, log: bundles.Log) -> Path:
    """Save a copy of the log, as `tally log save` lays it down."""
    copy = folder / "copy"
    (copy / "tile" / "entries").mkdir(parents=True)
    (copy / "checkpoint").write_text(log.note(), encoding="utf-8")
    (copy / "tile" / "entries" / "000.p").mkdir()
    entries = log.entries()
    (copy / "tile" / "entries" / "000.p" / str(len(entries))).write_bytes(encode_entries(entries))
    return copy


def test_case_bundle(tally: Tally, log: bundles.Log) -> None:
    """All events of a case are checked together; that nothing came after is not checked without the log."""
    status, shown = check(tally, case_file(tally.folder, log))
    assert status == Exit.OK
    assert "2 events, each of them intact" in shown
    assert "not checked" in shown.splitlines()[4]


def test_case_bundle_against_a_copy_of_the_log(tally: Tally, log: bundles.Log) -> None:
    """With a copy of the log it is shown that nothing came after the last event."""
    status, shown = check(tally, case_file(tally.folder, log), "--log", copy_of(tally.folder, log))
    assert (status, "not checked" in shown) == (Exit.OK, False)
    assert "completeness: shown: none of the" in shown


def test_case_bundle_that_leaves_out_the_last_event(tally: Tally, log: bundles.Log) -> None:
    """Page 12, D: without the newest event a case is intact, and a copy of the log contradicts that it is complete."""
    path = case_file(tally.folder, log)
    bundle = json.loads(path.read_bytes())
    del bundle["events"][-1]
    path.write_text(json.dumps(bundle))
    status, shown = check(tally, path)
    assert (status, "completeness: not checked: that nothing came after event 0" in shown) == (Exit.OK, True)
    status, shown = check(tally, path, "--log", copy_of(tally.folder, log))
    assert (status, "verdict: intact" in shown) == (Exit.CONTRADICTED, True)
    assert "completeness: contradicted: events: the log has 2 events of the case" in shown


def test_case_against_the_rules(tally: Tally) -> None:
    """Page 12, E: what was signed and logged against the custody rules is intact, and the rules contradict it."""
    writer = Writer("case", "case-1")
    writer.write(Case().open().events[0].payload.body, clerk(POLICE))
    writer.write(HandoverRecalled(handover_id="handover-1", ground="none"), clerk(POLICE))
    log = bundles.founded(POLICE)
    log.add(*writer.events)
    status, shown = check(tally, case_file(tally.folder, log))
    assert (status, "verdict: intact" in shown) == (Exit.CONTRADICTED, True)
    assert "conformity: contradicted: events[1]: impossible (unknown_handover)" in shown


def test_copy_that_is_not_whole_is_bad_usage(tally: Tally, log: bundles.Log) -> None:
    """A folder that is no copy of a log, or lacks a part, is refused under --log."""
    path = case_file(tally.folder, log)
    copy = copy_of(tally.folder, log)
    for missing in (copy / "tile" / "entries" / "000.p" / str(len(log.entries())), copy / "checkpoint"):
        missing.unlink()
        done = tally("proof", "check", path, "--trust", write_trust(tally.folder), "--log", copy)
        assert (done.status, "--log" in done.err) == (Exit.USAGE, True)


def test_flags_of_a_case_are_told(tally: Tally) -> None:
    """What the rules flag is printed with its article, and changes no verdict."""
    case = Case()
    case.open()
    case.register("item-1", kind="property")
    case.close()
    log = bundles.log_with(case)
    status, shown = check(tally, case_file(tally.folder, log))
    assert status == Exit.OK
    assert "item-1 (CPL 245" in shown


def test_secret_of_a_profile_is_not_needed(tally: Tally, log: bundles.Log) -> None:
    """A check with a named trust file opens no key: it works with a key file that is broken."""
    tally.new_key(clerk(POLICE).officer_id)
    tally.add_profile("police", "http://127.0.0.1:1", POLICE, clerk(POLICE).officer_id, clerk(POLICE).officer_id)
    write_secret(tally.config / "keys" / f"{clerk(POLICE).officer_id}.json", b"broken", field="key", replace=True)
    assert check(tally, write_bundle(tally.folder, log, len(log.events) - 1))[0] == Exit.OK
