"""A ledger to be audited, with cases, sections, flags, an erasure, a split, checkpoints, anchors and reads.

Tests edit its database with plain SQL: what was changed behind the service's back is named by the index of its entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from ledger.audit import AuditReport, Look, audit_log, left_out
from ledger.audit.findings import AuditFinding
from ledger.chain.contract_clients import AnchorRecord
from ledger.core.events import Authority, case, record
from ledger.core.events.registry import RegistryChange
from ledger.core.trust.trust_file import Trust
from ledger.procedures import shipped_procedures
from ledger.store import log as stored_log
from ledger.store.access import AccessLog, Read
from ledger.store.chain_journal import DatabaseJournal
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, SERVICE, START, clerk, section, supervisor
from tests.testkit.bundles import trust
from tests.testkit.casework import Case, registration
from tests.testkit.journals import anchor_present
from tests.testkit.ledgers import LOG_SIGNER, Ledger

OFFICERS = (clerk(POLICE), supervisor(POLICE), clerk(PROCURATORATE), clerk(COURT))
FOUNDING = 7  # entries
PROCEDURES = shipped_procedures()
TRUST: Trust = trust(log_key=LOG_SIGNER.verifying_key)


def theft() -> Case:
    """Sections, an erasure, a flag, a handover that is accepted."""
    case = Case("case-1").open()
    case.act(registration("phone"), sections={"narrative": section(), "description": section("other")})
    case.act(registration("knife"), occurred_at="2026-02-27T01:00:00Z")
    case.offer("phone", "knife", to=PROCURATORATE).accept()
    order = Authority(authorization_type="court order", authorization_identifier="12")
    concerns, ground = case.events[1].ref, "court order 12"
    return case.erase(concerns, "narrative", supervisor(POLICE), ground=ground, authority=order)


def fraud() -> tuple[Case, Case]:
    """A case that gives an item up to another one."""
    old = Case("case-2").open().register("ledger-book", "cash-box")
    old.act(case.CaseSplit(new_case_id="case-3", ground="two offences", item_ids=("cash-box",)))
    new = Case("case-3", start=old.now).open(source=old.state, split_from=old.last.ref)
    return old, new.register("till")


class Stand:
    """The ledger, with what it takes to write on in it."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.database = ledger.database
        self.theft = theft()

    def fill(self) -> None:
        """Entry 0 to 6 found the ledger, 7 to 13 are case-1, 14 to 17 case-2, 18 and 19 case-3, 20 seals the reads."""
        ledger = self.ledger.found(*OFFICERS)
        ledger.post_all(self.theft.events[:-2])
        for event in self.theft.events[-2:]:  # what is erased is in the log before
            ledger.post(event)
        self.publish()
        self.anchor()
        old, new = fraud()
        for event in (*old.events, *new.events):  # each in a batch of its own
            ledger.post(event)
        self.publish()
        head = AccessLog(self.database).append(*(self.read(number) for number in range(3)))
        ledger.post(ledger.system_writer.write(record.AccessSealed(count=head.count, head=head.digest), SERVICE))
        AccessLog(self.database).append(self.read(3))

    @property
    def size(self) -> int:
        with self.database.read() as connection:
            return stored_log.tree(connection).size

    def read(self, number: int) -> Read:
        return Read(POLICE, "officer-1", clerk(POLICE).key_id, "case", START * 1000 + number, case_id="case-1")

    def publish(self) -> None:
        self.ledger.clock.forward(10)
        assert self.ledger.publisher.publish(self.database, self.ledger.clock())

    def claim(self, size: int, root: bytes) -> None:
        """Put in a note that the log has signed of a tree that it has not, published after all others."""
        note, columns = self.ledger.publisher.checkpoint(size, root), "size, note, published_at, witnessed, shown"
        at = self.ledger.clock() + 1
        self.change(f"INSERT INTO checkpoints ({columns}) VALUES ({size}, :note, :at, FALSE, FALSE)", note=note, at=at)

    def anchor(self) -> None:
        anchor_present(self.ledger)

    def change(self, statement: str, **values: Any) -> None:
        """What somebody does behind the service's back."""
        engine = self.database.access if "access_log" in statement else self.database.log
        with engine.begin() as connection:
            assert connection.execute(text(statement), values).rowcount, "the edit must hit something"

    def value(self, query: str) -> Any:
        with self.database.log.connect() as connection:
            return connection.execute(text(query)).scalar_one()

    def audit(self, **options: Any) -> AuditReport:
        """Of the database only, unless a look at the chain is among the options."""
        return audit_log(
            self.database, TRUST, PROCEDURES, **{"look": left_out, "now": lambda: self.ledger.clock.seconds} | options
        )


@dataclass
class Template:
    """The files of a filled ledger, and its writers as they were left."""

    folder: Path
    ledger: Ledger


def found(report: AuditReport) -> set[tuple[str, int | None]]:
    return {(finding.step, finding.index) for finding in report.findings}


def in_full(*values: Any) -> list[Any]:
    """Mark what a full run tries beside."""
    return [
        pytest.param(*(value if isinstance(value, tuple) else (value,)), marks=pytest.mark.extended) for value in values
    ]


class Contracts:
    """A chain as an honest or another node tells it."""

    def __init__(self, records: Sequence[AnchorRecord], changes: int, registry_hash: bytes) -> None:
        self._records = records
        self._registry = (changes, registry_hash)

    def records(self) -> Sequence[AnchorRecord]:
        return self._records

    def head(self) -> AnchorRecord:
        return self._records[-1]

    def registry(self) -> tuple[int, bytes]:
        return self._registry

    def changes(self, **_place: object) -> tuple[RegistryChange, ...]:
        """Nothing to compare one by one: tests/unit/audit/test_chain.py asks a real chain."""
        return ()


def contracts(stand: Stand, **changes: Any) -> Look:
    """A look at the chain that the journal tells of, but for the ``changes``."""
    anchored = DatabaseJournal(stand.database).anchors()[0].anchored
    assert anchored is not None
    authority = stand.ledger.changes.authority
    size, root = changes.get("size", anchored.size), changes.get("root", anchored.root)
    only = AnchorRecord(1, root, size, 6, changes.get("timestamp", START + 4001))
    count, rolled = changes.get("changes", authority.changes), changes.get("registry_hash", authority.registry_hash)
    return lambda: nullcontext(Contracts([only], count, rolled))


def findings_of(ledger: Ledger) -> tuple[AuditFinding, ...]:
    """What an audit of the database alone finds."""
    return audit_log(ledger.database, TRUST, PROCEDURES, look=left_out).findings
