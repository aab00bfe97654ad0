"""An audit that goes on from an earlier one: what it reads and proves by that, and what it says it did not read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from ledger.audit import AuditReport, Basis, audit_log, basis, continuing, left_out, read_basis
from ledger.audit.basis import with_digest
from ledger.core.encoding import canonical
from ledger.core.errors import IntegrityBroken, MalformedInput
from ledger.core.events import case
from ledger.store import audit as rows
from ledger.store.access import AccessLog
from ledger.store.audit import StreamRange
from tests.testkit.builders import PROCURATORATE
from tests.testkit.casework import Case
from tests.unit.audit.conftest import copied
from tests.unit.audit.stand import PROCEDURES, TRUST, Stand, Template, contracts, found


def kept(report: AuditReport) -> Basis:
    """What the audit kept, as it comes out of a file."""
    assert (report.findings, report.basis is None) == ((), False)
    return read_basis(canonical.encode(report.basis))


@pytest.fixture(scope="module")
def since(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Basis:
    """What an audit of the small ledger kept, as it was before anybody edited it."""
    with copied(template, tmp_path_factory.mktemp("small")) as stand:
        return kept(stand.audit())


@pytest.fixture(scope="module")
def since_large(large_template: Template, tmp_path_factory: pytest.TempPathFactory) -> Basis:
    """The same of the large one."""
    with copied(large_template, tmp_path_factory.mktemp("large")) as stand, pytest.MonkeyPatch.context() as patched:
        patched.setattr("ledger.audit.whole.RANGE", 256)
        return kept(stand.audit())


def record(stand: Stand, case_id: str = "case-99") -> None:
    stand.ledger.post_all(Case(case_id).open().register("phone").offer("phone", to=PROCURATORATE).events)
    stand.publish()


def go_on(stand: Stand, since: Basis, share: int = 0, **options: Any) -> AuditReport:
    """Go on, with this share of the streams read again."""
    return stand.audit(since=since, draw=lambda _unread: share, **options)


def share_of(stand: Stand, since: Basis, case_id: str) -> int:
    """The share that a case belongs to."""
    return sum(bound <= case_id for bound in since.bounds["case"])


def other_share(stand: Stand, since: Basis, *case_ids: str) -> int:
    """A share that none of these cases belongs to."""
    return next(number for number in since.unread if number not in {share_of(stand, since, c) for c in case_ids})


def test_goes_on_where_nothing_is_new(large: Stand) -> None:
    """What it did not read is counted, and its verdict is that of no whole audit, though it found nothing."""
    whole = large.audit(look=contracts(large))
    assert (whole.verdict, whole.since) == ("intact", None)
    report = go_on(large, since := kept(whole), look=contracts(large))
    assert (report.findings, report.verdict, report.root) == ((), "continued", whole.root)
    assert report.since is not None
    assert (report.since.size, report.since.digest) == (551, since.digest)
    assert report.since.entries_again + report.since.entries_unread == 551
    assert report.since.entries_unread > 300
    partial = {step.name for step in report.steps if step.result == "not_checked"}
    assert partial == {*("entries", "payloads", "signatures", "authority", "streams", "custody"), *REST_OF_ROWS}
    assert "not read again" in report.steps[1].detail


REST_OF_ROWS = ("models", "tree", "supervision", "maps")


def test_goes_on_after_new_entries(large: Stand, since_large: Basis) -> None:
    """New entries are read, and the streams that they continue from their first entry on."""
    record(large)
    report = go_on(large, since_large, share=other_share(large, since_large, "case-99"))
    assert (report.findings, report.size) == ((), 554)
    large.change("UPDATE entries SET payload = x'7b7d' WHERE log_index = 552")
    assert {finding.index for finding in go_on(large, since_large).findings} == {552}


def test_verdict_rises_by_nothing(stand: Stand, since: Basis) -> None:
    """What was unverifiable for another reason is so still, and the rest is not told as read."""
    report = go_on(stand, since)
    assert (report.verdict, report.since is None) == ("unverifiable", False)


def test_same_in_several_processes(large: Stand, since_large: Basis) -> None:
    """Workers share what is read again, too."""
    large.change("UPDATE entries SET payload = x'7b7d' WHERE log_index = 100")
    at = share_of(large, since_large, "bulk-0")
    assert {finding.index for finding in go_on(large, since_large, at, processes=2).findings} == {100}


EDITS = (
    "UPDATE entries SET payload = x'7b7d' WHERE log_index = 100",
    "UPDATE entries SET envelope = x'7b7d' WHERE log_index = 100",
    "UPDATE items SET holder = 'court' WHERE item_id = 'item-0-7'",
    "DELETE FROM items WHERE item_id = 'item-0-7'",
    "UPDATE streams SET head = 'x' WHERE id = 'bulk-0'",
)


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_within_what_is_read_again_is_named_as_by_a_whole_audit(
    large: Stand, since_large: Basis, edit: str
) -> None:
    """And one outside of it is not: its share has its turn in the same round."""
    large.change(edit)
    whole = large.audit()
    assert whole.findings
    assert whole.basis is None, "from a log with findings nothing goes on"
    at, unread_share = share_of(large, since_large, "bulk-0"), other_share(large, since_large, "bulk-0")
    assert found(go_on(large, since_large, at)) == found(whole)
    missed = go_on(large, since_large, unread_share)
    assert (missed.findings, missed.verdict != "intact") == ((), True)


def test_every_edit_is_found_within_a_round(large: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each audit draws a share that none has read in this round, and keeps what is left."""
    monkeypatch.setattr(continuing, "SHARES", 4)
    since = kept(large.audit())
    assert since.unread == (0, 1, 2, 3)
    large.change(EDITS[0])
    for turn in range(4):
        report = large.audit(since=since)
        if report.findings:
            break
        since = kept(report)
        assert len(since.unread) == 3 - turn
    assert found(report) == {("payloads", 100)}


def test_a_round_ends(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """After it the streams are divided anew, and the last whole audit is still the one that is named."""
    monkeypatch.setattr(continuing, "SHARES", 2)
    first = since = kept(stand.audit())
    drawn: list[Sequence[int]] = []

    def draw(unread: Sequence[int]) -> int:
        drawn.append(unread)
        return unread[0]

    for _ in range(3):
        stand.ledger.clock.forward(60)
        since = kept(stand.audit(since=since, draw=draw))
    assert drawn == [(0, 1), (1,), (0, 1)]
    assert (since.whole_at, since.audited_at) == (first.audited_at, first.audited_at + 180)


@pytest.mark.parametrize("index", [30, 255, 400])
def test_any_row_that_is_missing_is_named(large: Stand, since_large: Basis, index: int) -> None:
    """That each entry is stored, and when it was committed, is read of all."""
    large.change(f"DELETE FROM entries WHERE log_index = {index}")
    assert ("entries", index) in found(go_on(large, since_large))


def test_tiles_and_times_are_read_of_all(large: Stand, since_large: Basis) -> None:
    """The root is made again from every leaf hash, so the tree is the one that the earlier audit had."""
    tile: bytes = large.value("SELECT hashes FROM tiles WHERE level = 0 AND tile_index = 0")
    large.change("UPDATE tiles SET hashes = :value WHERE level = 0 AND tile_index = 0", value=bytes(32) + tile[32:])
    assert {step for step, _ in found(go_on(large, since_large, other_share(large, since_large)))} >= {"tree"}
    large.change("UPDATE tiles SET hashes = :value WHERE level = 0 AND tile_index = 0", value=tile)
    # Within a batch of several: another time of a batch of one may fall into the next one's, which is then named too.
    together = "SELECT max(log_index) FROM entries WHERE stream_id = 'bulk-0' GROUP BY committed_size"
    index: int = large.value(f"{together} ORDER BY count(*) DESC LIMIT 1")
    large.change(f"UPDATE entries SET recorded_at = recorded_at + 5 WHERE log_index = {index}")
    assert found(go_on(large, since_large, other_share(large, since_large, "bulk-0"))) == {("entries", index)}


def test_a_log_that_the_earlier_audit_did_not_read_is_named(large: Stand, since_large: Basis) -> None:
    """Its tree is not the beginning of this one; one that was put back is smaller, contradicts it, is read whole."""
    forked = with_digest(replace(since_large, root="11" * 32))
    assert [finding.slots["by"] for finding in go_on(large, forked).findings] == ["earlier_audit"]
    report = large.audit(since=with_digest(replace(since_large, size=600)))
    assert [(finding.step, finding.found) for finding in report.findings] == [("tree", "the log is smaller")]
    assert (report.verdict, report.since) == ("tampered", None)


def test_history_of_bindings_and_reads_made_anew_is_named(stand: Stand, since: Basis) -> None:
    """Neither chain has a key; the earlier audit has kept how far each had come."""
    record(stand)
    bound = with_digest(replace(since, bindings=replace(since.bindings, digest="blake3:" + "11" * 32)))
    assert found(go_on(stand, bound)) == {("bindings", None)}
    AccessLog(stand.database).append(stand.read(4))
    read = with_digest(replace(since, reads=replace(since.reads, digest="blake3:" + "11" * 32)))
    assert found(go_on(stand, read)) == {("access", None)}


def test_an_edited_registry_change_is_named(large: Stand, since_large: Basis) -> None:
    """What all keys are judged by is read again each time."""
    large.change("UPDATE entries SET payload = x'7b7d' WHERE log_index = 2")
    assert {index for _, index in found(go_on(large, since_large, other_share(large, since_large)))} == {2}


def test_what_others_are_judged_by_is_read_again(stand: Stand, since: Basis) -> None:
    """An erasure wherever it is, and with a case those that it came out of."""
    with stand.database.read() as connection:
        (index,) = rows.indices_of_erasures(connection, below=stand.size)
        again = continuing.plan(connection, since, stand.size, other_share(stand, since, "case-1"), 100)
    assert index in again.indices
    with stand.database.read() as connection:
        again = continuing.plan(connection, since, stand.size, share_of(stand, since, "case-3"), 100)
    assert {13, 14, 15, 16, 17, 18} <= {*again.indices}


def test_a_case_is_read_again_with_those_that_it_took_over_from(stand: Stand) -> None:
    """What joins it is judged by the split that it cites, in a case that got no entry since and has another turn."""
    giving = Case("case-a").open().register("phone", "knife")
    taking = Case("case-b").open().register("car")
    giving.say(case.CaseSplit, new_case_id="case-b", item_ids=("phone",))
    taking.say(case.CaseJoined, other_case_id="case-a", cites=giving.last.ref, source=giving.state)
    stand.ledger.post_all(giving.events)
    stand.ledger.post_all(taking.events)
    stand.publish()
    since = kept(stand.audit())
    since = with_digest(replace(since, bounds=since.bounds | {"case": ("case-b",)}, unread=(0, 1)))
    with stand.database.read() as connection:
        again = continuing.plan(connection, since, stand.size, 1, 100)
        of_giving = rows.indices(connection, StreamRange("case", stand.size, "case-a", "case-b"), below=stand.size)
    assert len(of_giving) == len(giving.events)
    assert {*of_giving} <= {*again.indices}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"format": "another 1"}, "this is not what an audit of this version keeps"),
        ({"size": -1, "no_such": 1}, "this is not what an audit of this version keeps"),
        *(
            (changed, "this is not what an audit of this version keeps")
            for changed in (
                *({"size": -1}, {"whole_at": 10**17}, {"root": "x"}, {"bounds": {"case": ["\0"]}}),
                *({"unread": []}, {"unread": [basis.SHARES]}, {"reads": {"count": 2**63, "digest": ""}}),
            )
        ),
    ],
)
def test_another_format_is_refused(since: Basis, changed: dict[str, Any], says: str) -> None:
    """So is a value with which no audit could go on, whatever its digest; the error says what to do."""
    fields = to_builtins(since) | changed
    with pytest.raises(MalformedInput, match=says) as raised:
        read_basis(json.dumps(fields).encode())
    assert raised.value.hint == str(basis.AUDIT_WHOLE)


def test_a_changed_file_is_refused(since: Basis) -> None:
    """Its digest, which stands in the report, is another."""
    changed = replace(since, size=1)
    with pytest.raises(IntegrityBroken, match="its digest is another"):
        read_basis(canonical.encode(changed))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"log_id": "11" * 32}, "is of the log 0x11"),
        ({"rules": "0.0.1"}, "judged by version 0.0.1"),
        ({"adopted": 3}, "procedures were adopted"),
    ],
)
def test_a_basis_that_does_not_fit_is_refused(stand: Stand, since: Basis, changed: dict[str, Any], says: str) -> None:
    """Of another log, of other rules, or of other procedures."""
    since = with_digest(replace(since, **changed))
    with pytest.raises(MalformedInput, match=says) as raised:
        audit_log(stand.database, TRUST, PROCEDURES, look=left_out, since=since)
    assert raised.value.hint
