"""What an audit of the whole log tells, the same however the work is shared, and where not all could be shown."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from ledger.audit import Look, NodeContracts, asking, audit_case, audit_log, findings, left_out, replaying
from ledger.audit.chain import ContractView, NoContracts
from ledger.audit.streams import divided
from ledger.audit.workers import START_S
from ledger.chain.errors import ChainUnavailable
from ledger.chain.eth import Eth
from ledger.chain.rpc import JsonRpc
from ledger.core.errors import NotFound, Unavailable
from ledger.core.events.record import IncidentRecorded
from ledger.store import audit as rows
from ledger.store import log as stored_log
from ledger.store.audit import StreamRange
from ledger.store.chain_journal import DatabaseJournal
from ledger.store.database import Connection
from tests.testkit.builders import LOG_ID, PROCURATORATE
from tests.testkit.casework import Case
from tests.testkit.ledgers import open_ledger, sqlite_url
from tests.unit.audit.stand import FOUNDING, OFFICERS, PROCEDURES, TRUST, Contracts, Stand, contracts, found, in_full
from tests.unit.store.plans import noted, plan


def test_sound_ledger(stand: Stand) -> None:
    """Nothing is found where nothing was changed; the report says of each step what it compared."""
    report = stand.audit(look=contracts(stand))
    assert report.findings == ()
    assert report.verdict == "intact"
    assert [step.number for step in report.steps] == list(range(1, 18))
    assert {step.result for step in report.steps} == {"checked"}
    assert (report.scope, report.size, report.development) == ("log", stand.size, True)
    with stand.database.read() as connection:
        assert report.root == stored_log.tree(connection).root.hex()


def test_new_ledger(tmp_path: Path) -> None:
    """An empty log is sound, and nothing of it is anchored."""
    with open_ledger(sqlite_url(tmp_path)) as ledger:
        report = audit_log(ledger.database, TRUST, PROCEDURES, look=lambda: nullcontext(NoContracts(LOG_ID)))
    assert (report.findings, report.verdict, report.size) == ((), "not_yet_anchored", 0)


def test_postgresql(postgres_url: str) -> None:
    """The same on PostgreSQL, sound and edited, of the whole log and of one case."""
    with open_ledger(postgres_url) as ledger:
        stand = Stand(ledger)
        stand.fill()
        assert stand.audit().findings == ()
        assert audit_case(stand.database, TRUST, PROCEDURES, "case-1", look=left_out).findings == ()
        stand.change("UPDATE entries SET signed_at = signed_at + 1 WHERE log_index = 9")
        assert found(stand.audit()) == {("entries", 9)}
        assert found(audit_case(stand.database, TRUST, PROCEDURES, "case-1", look=left_out)) == {("entries", 9)}


@pytest.mark.usefixtures("forked_workers")
def test_several_processes(stand: Stand) -> None:
    """Processes that share the work find what one finds."""
    stand.change("DELETE FROM entries WHERE log_index = 10")
    assert stand.audit(processes=2) == stand.audit(processes=1)


@pytest.mark.parametrize("kind", ["case", "agency", "supervision"])
def test_a_part_of_the_streams_is_found_by_indexes(stand: Stand, kind: str) -> None:
    """What a part of the streams is compared with is found without going through a table of events: an audit has many
    parts, and would go through it for each of them.
    """
    of_events = re.compile("SCAN (entries|feed|flags|streams|cases|clocks|words|items|handovers)")
    part = StreamRange(kind, stand.size, "case-1", "case-2")
    with stand.database.read() as connection, noted(connection) as statements:
        rows.heads(connection, part)
        rows.flags(connection, part)
        rows.stored_models(connection, part)
        [*rows.by_stream(connection, part)]
    with stand.database.read() as connection:
        steps = plan(connection, statements)
    assert len(statements) >= 4
    assert [step for step in steps if of_events.match(step)] == []


@pytest.mark.usefixtures("forked_workers")
@pytest.mark.parametrize("processes", [1, 2])
def test_what_is_recorded_meanwhile_is_no_fault(stand: Stand, processes: int) -> None:
    """The service goes on while it is audited: streams that grow, cases that begin and later trees that are anchored
    change nothing of what the audit saw, in however many processes."""

    @contextmanager
    def growing() -> Iterator[ContractView]:
        stand.ledger.post_all(Case("case-99").open().register("phone").offer("phone", to=PROCURATORATE).events)
        stand.ledger.system.append(IncidentRecorded(kind="other", description="the disk was full"))
        stand.publish()
        stand.anchor()
        with stand.database.read() as connection:
            tree = stored_log.tree(connection)
        anchored_at = DatabaseJournal(stand.database).anchors()[-1].block_time
        with contracts(stand, size=tree.size, root=tree.root, timestamp=anchored_at)() as view:
            yield view

    size = stand.size
    report = stand.audit(look=growing, processes=processes)
    assert (report.findings, report.verdict, report.size) == ((), "intact", size)
    assert stand.size > size


@pytest.mark.usefixtures("forked_workers")
def test_an_audit_that_gets_no_moment_without_writers_says_so_at_once(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its processes end with it: they do not wait on for a snapshot that nobody takes."""

    @contextmanager
    def occupied() -> Iterator[Connection]:
        raise Unavailable("somebody else writes")
        yield

    monkeypatch.setattr(stand.database, "write", occupied)
    begun = time.monotonic()
    with pytest.raises(Unavailable, match="somebody else writes"):
        stand.audit(processes=2)
    assert time.monotonic() - begun < START_S / 2


def test_progress(stand: Stand) -> None:
    """Progress is told in entries, each counted twice, and ends at the whole."""
    steps: list[tuple[int, int]] = []
    stand.audit(progress=lambda done, total: steps.append((done, total)))
    assert steps == sorted(steps)
    assert steps[-1] == (2 * stand.size, 2 * stand.size)


def test_sound_large_log(large: Stand) -> None:
    """Several ranges, several tiles, an upper tile: a hash above the leaves is named by the first entry below it."""
    assert (large.size, large.audit().findings) == (551, ())
    tile: bytes = large.value("SELECT hashes FROM tiles WHERE level = 1")
    large.change("UPDATE tiles SET hashes = :value WHERE level = 1", value=tile[:32] + bytes(32))
    report = large.audit()
    assert found(report) == {("tree", 256)}
    assert report.findings[0].what == "tile/1/000.p/2: hash of tile/0/001"


@pytest.mark.parametrize("index", [256, *in_full(0, 255, 400, 549)])
def test_large_log_edited(large: Stand, index: int) -> None:
    """The index of a fault is the log's, not the range's."""
    large.change(f"UPDATE entries SET payload = x'7b7d' WHERE log_index = {index}")
    assert {finding.index for finding in large.audit().findings} == {index}


@pytest.mark.parametrize(("start", "end"), [(100, 300), *in_full((255, 257), (256, 551))])
def test_many_rows_deleted(large: Stand, start: int, end: int) -> None:
    """Each missing entry is named, also where whole ranges are."""
    large.change(f"DELETE FROM entries WHERE log_index >= {start} AND log_index < {end}")
    assert {finding.index for finding in large.audit().findings} == set(range(start, end))


def test_findings_are_counted_above_a_limit(large: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """An audit of a ruined log stays small: findings above the limit are counted."""
    monkeypatch.setattr(findings, "MAX_FINDINGS", 10)
    large.change("UPDATE entries SET signed_at = 0")
    report = large.audit()
    assert (len(report.findings), report.left_out) == (10, 541)


@pytest.mark.parametrize("each", [1, 100, *in_full(2, 1000)])
def test_parts_cover_all_streams_once(large: Stand, each: int) -> None:
    """However the streams are cut into parts, each entry is in one of them."""
    with large.database.read() as connection:
        parts = [
            entry.log_index
            for part in divided(connection, StreamRange("case", large.size), each)
            for entry in rows.by_stream(connection, part)
        ]
    cases = large.value("SELECT count(*) FROM entries WHERE stream_kind = 'case'")
    assert (len(parts), len(set(parts))) == (cases, cases)


# -- verdicts ----------------------------------------------------------------------------------------------------------


def node() -> NodeContracts:
    raise ChainUnavailable("nobody answers at http://127.0.0.1:1", hint="Start the node.")


def test_tail(stand: Stand) -> None:
    """The verdict is on what is anchored; how many entries came since then is told."""
    report = stand.audit(look=contracts(stand))
    assert (report.verdict, report.anchored_up_to, report.entries_since) == ("intact", FOUNDING + 7, 7)
    assert report.steps[10].detail == "all entries but 7, which came since the anchor"


def test_nothing_anchored(tmp_path: Path) -> None:
    """A journal without anchors, and a chain that answers and has none either."""
    with open_ledger(sqlite_url(tmp_path)) as ledger:
        stand = Stand(ledger.found(*OFFICERS))
        authority = ledger.changes.authority
        report = stand.audit(look=lambda: nullcontext(Contracts([], authority.changes, authority.registry_hash)))
        assert (report.findings, report.verdict, report.anchored_up_to) == ((), "not_yet_anchored", 0)
        assert report.entries_since == stand.size


@pytest.mark.parametrize(
    ("look", "detail"),
    [
        (left_out, "database only, as asked: nothing was compared with the chain. Audit without --database-only."),
        (asking(node), "nobody answers at http://127.0.0.1:1. Start the node."),
        (
            asking(lambda: NodeContracts(Eth(JsonRpc("http://127.0.0.1:1")), None, None)),
            "the ledger has no contracts yet. Start it, so that it deploys them: ",
        ),
    ],
    ids=["left out", "no answer", "no contracts"],
)
def test_chain_that_was_not_looked_at(stand: Stand, look: Look, detail: str) -> None:
    """Anchors that only the journal tells of are no proof: the verdict says what is missing and what to do."""
    report = stand.audit(look=look)
    assert (report.findings, report.verdict) == ((), "unverifiable")
    assert (report.steps[11].name, report.steps[11].result) == ("chain", "not_checked")
    assert report.steps[11].detail.startswith(detail)


def test_journal_that_cannot_be_replayed(stand: Stand, anvil_binary: Path) -> None:
    """One whose transactions are none is named by its write and block; without Anvil is said where to get it."""
    report = stand.audit(look=replaying(stand.database, LOG_ID, lambda: anvil_binary))
    assert found(report) == {("chain", None)}
    assert report.findings[0].what.startswith("block 6 cannot be made from write 1")

    def nowhere() -> Path:
        raise NotFound("there is no Anvil to run the embedded chain", hint="Run scripts/setup.")

    report = stand.audit(look=replaying(stand.database, LOG_ID, nowhere))
    assert report.verdict == "unverifiable"
    assert report.steps[11].detail == "there is no Anvil to run the embedded chain. Run scripts/setup."


def test_chain_before_the_first_deployment(tmp_path: Path, anvil_binary: Path) -> None:
    """A ledger that was never served has an empty journal, and a chain without contracts."""
    with open_ledger(sqlite_url(tmp_path)) as ledger:
        look = replaying(ledger.database, LOG_ID, lambda: anvil_binary)
        report = audit_log(ledger.database, TRUST, PROCEDURES, look=look)
        assert (report.verdict, report.steps[11].result) == ("not_yet_anchored", "checked")
        ledger.found(*OFFICERS)
        assert found(audit_log(ledger.database, TRUST, PROCEDURES, look=look)) == {("chain", 0)}
