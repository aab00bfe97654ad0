"""The read model of imports: written with the log."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from ledger.audit import audit_log, left_out
from ledger.core.events.record import ImportRecorded
from ledger.core.log.policy import parse_policy
from ledger.core.verification.trust import Trust
from ledger.procedures import shipped_rulebook
from ledger.store import imports
from ledger.store.cases import Page
from tests.testkit.builders import LOG_ID, POLICE, SERVICE, clerk
from tests.testkit.casework import Case
from tests.testkit.ledgers import LOG_SIGNER, Ledger, open_ledger, sqlite_url

DIGEST = "sha256:" + "11" * 32
TRUST = Trust(LOG_ID, LOG_SIGNER.verifying_key, SERVICE.key_id, parse_policy("quorum none\n"), True, ())


def record(ledger: Ledger) -> list[imports.CaseImport]:
    """Two cases from one system; gives what the read model has of them."""
    ledger.found(clerk(POLICE))
    for number in (1, 2):
        case = Case(f"case-{number}", start=ledger.clock.seconds - 60).open()
        case.act(ImportRecorded(source_system="cases", source_key=f"A-{number}", file_digest=DIGEST, row=number))
        ledger.post_all(case.events)
    return listed(ledger)


def listed(ledger: Ledger) -> list[imports.CaseImport]:
    with ledger.database.read() as connection:
        return imports.listed(connection, POLICE, Page())


@pytest.mark.parametrize(
    "change",
    ["UPDATE imports SET source_key = 'B-1' WHERE source_key = 'A-1'", "DELETE FROM imports WHERE source_key = 'A-1'"],
)
def test_an_audit_holds_the_read_model_against_the_log(tmp_path: Path, change: str) -> None:
    """What somebody changed behind the service is a finding; untouched, there is none."""
    with open_ledger(sqlite_url(tmp_path)) as ledger:
        record(ledger)
        assert audit_log(ledger.database, TRUST, shipped_rulebook(), look=left_out).findings == ()
        with ledger.database.write() as connection:
            connection.execute(text(change))
        findings = audit_log(ledger.database, TRUST, shipped_rulebook(), look=left_out).findings
        assert {finding.step for finding in findings} == {"models"}
