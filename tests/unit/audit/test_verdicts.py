"""What an audit says where nothing is wrong, but not everything could be shown."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from ledger.audit import Look, NodeContracts, asking, audit_log, left_out, replaying
from ledger.chain.errors import ChainUnavailable
from ledger.chain.eth import Eth
from ledger.chain.rpc import JsonRpc
from ledger.core.errors import NotFound
from tests.testkit.builders import LOG_ID
from tests.testkit.ledgers import open_ledger, sqlite_url
from tests.unit.audit.stand import BOOK, FOUNDING, OFFICERS, TRUST, Contracts, Stand, contracts, found


def node() -> NodeContracts:
    raise ChainUnavailable("nobody answers at http://127.0.0.1:1", hint="Start the node.")


def test_tail(stand: Stand) -> None:
    """The verdict is on what is anchored; how many entries came since then is told."""
    report = stand.audit(look=contracts(stand))
    assert (report.verdict, report.anchored_up_to, report.entries_since) == ("intact", FOUNDING + 6, 7)
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


def test_journal_that_no_chain_comes_out_of(stand: Stand, anvil_binary: Path) -> None:
    """A journal is mined again; one whose transactions are none is named by its write and block."""
    report = stand.audit(look=replaying(stand.database, LOG_ID, lambda: anvil_binary))
    assert found(report) == {("chain", None)}
    assert report.findings[0].what.startswith("block 6 cannot be made from write 1")


def test_without_anvil(stand: Stand) -> None:
    """Where there is no Anvil to replay in, the report says where to get it."""

    def nowhere() -> Path:
        raise NotFound("there is no Anvil to run the embedded chain", hint="Run scripts/setup.")

    report = stand.audit(look=replaying(stand.database, LOG_ID, nowhere))
    assert report.verdict == "unverifiable"
    assert report.steps[11].detail == "there is no Anvil to run the embedded chain. Run scripts/setup."


def test_chain_before_the_first_deployment(tmp_path: Path, anvil_binary: Path) -> None:
    """A ledger that was never served has an empty journal, and a chain without contracts."""
    with open_ledger(sqlite_url(tmp_path)) as ledger:
        look = replaying(ledger.database, LOG_ID, lambda: anvil_binary)
        report = audit_log(ledger.database, TRUST, BOOK, look=look)
        assert (report.verdict, report.steps[11].result) == ("not_yet_anchored", "checked")
        ledger.found(*OFFICERS)
        assert found(audit_log(ledger.database, TRUST, BOOK, look=look)) == {("chain", 0)}
