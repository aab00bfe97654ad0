"""A ledger whose case has a disk of which the evidence store keeps a file, and what hashes it again."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, Table

from ledger.audit import audit_case, left_out
from ledger.core.encoding.digests import Algorithm, digest_by
from ledger.core.events import Authority
from ledger.core.events.item import ItemDisposalProposed
from ledger.core.events.record import IncidentRecorded
from ledger.evidence.kept_evidence import KeptEvidence
from ledger.evidence.rehashing import Rehasher
from ledger.store import bindings, evidence_files
from ledger.store.evidence_files import FileCheck
from tests.testkit.casework import Case, dispose
from tests.testkit.ledgers import Ledger
from tests.unit.audit.stand import PROCEDURES, TRUST
from tests.unit.evidence.test_kept_evidence import give

ORDER = Authority("court_order", "O-1")


DATA = os.urandom(1000)


DIGEST = str(digest_by(Algorithm.SHA256, DATA))


@dataclass
class Stand:
    """A ledger whose case has a disk of which a file is kept."""

    ledger: Ledger
    store: KeptEvidence
    folder: Path
    incidents: list[IncidentRecorded] = field(default_factory=list)
    recorded: int = 0

    @property
    def rehasher(self) -> Rehasher:
        return Rehasher(self.store, self.ledger.validator.states.of_case, self.is_sound, self.incidents.append)

    def is_sound(self, case_id: str) -> bool:
        return not audit_case(self.ledger.database, TRUST, PROCEDURES, case_id, look=left_out).findings

    def record(self, case: Case) -> Case:
        """Record what the case has that is not recorded yet."""
        self.ledger.post_all(case.events[self.recorded :])
        self.recorded = len(case.events)
        return case

    def checks(self, item: str = "disk") -> list[FileCheck]:
        with self.ledger.database.read() as connection:
            return evidence_files.checks_of(connection, "case-1", item)


def held(stand: Stand) -> Case:
    """Record a case with a disk and a phone; a file of the disk is kept, given by its SHA-256."""
    case = Case(start=stand.ledger.clock.seconds - 600).open()
    stand.record(case.register("disk", "phone", digests=(DIGEST,)))
    give(stand.store, DATA)
    return case


def held_as_property(stand: Stand) -> Case:
    """Record a case with a disk, which may be destroyed, and keep a file of it."""
    case = Case(start=stand.ledger.clock.seconds - 600).open().register("disk", kind="property", digests=(DIGEST,))
    stand.record(case)
    give(stand.store, DATA)
    return case


def destroy_disk(stand: Stand, case: Case) -> None:
    """Record what makes the disk's files go: one officer proposes that it is destroyed, another one does it."""
    case.say(ItemDisposalProposed, item_ids=("disk",), disposal="destroyed", ground="court order")
    stand.record(dispose(case, disposed_at=case.moment))


def bind_all(connection: Connection, table: Table) -> None:
    """Bind the rows of a table as they are by now, as whoever can write to the database can."""
    rows = bindings.digests(connection, table.name)
    gone = {key: None for key in bindings.unlike(connection, table) if key not in rows}
    bindings.bind(connection, table.name, rows | gone)
