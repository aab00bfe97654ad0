"""A ledger that is backed up into a folder, in ranges of few rows, and what the tests do with its backups."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select

from ledger.audit import AuditReport, audit_log, left_out
from ledger.backup.chunks import Vault, new_identity, public_of, vault_of_machine
from ledger.backup.creating import Created, create, newest_of
from ledger.backup.generations import numbers_at, read_generation, read_manifest
from ledger.backup.restoring import restore
from ledger.backup.verifying import OpenBackup, Verified, verify
from ledger.core.events import Authority
from ledger.procedures import shipped_procedures
from ledger.storage.objects import FolderObjects, Objects, StoredObject
from ledger.store import backup as rows
from ledger.store.database import Database
from ledger.store.migrating import metadata
from ledger.store.opening import open_database
from ledger.store.tables import KEPT_STATES, MAP_PAGES, NAME_PARTS, WORD_PARTS
from tests.api.service import name_confidentially
from tests.testkit.builders import LOG_ID, POLICE, PROCURATORATE, SignedEvent, clerk, supervisor
from tests.testkit.bundles import trust
from tests.testkit.casework import Case
from tests.testkit.ledgers import LOG_SIGNER, Ledger

OFFICERS = (clerk(POLICE), supervisor(POLICE), clerk(PROCURATORATE))
TRUST = trust(log_key=LOG_SIGNER.verifying_key, chains=())
NOW = 1_800_000_000  # unix seconds
MADE_LATER = (KEPT_STATES, MAP_PAGES, WORD_PARTS, NAME_PARTS)  # by the service once it runs, or never


def folder_at(folder: Path) -> FolderObjects:
    """Return a place of backups, which is made for the first object."""
    return FolderObjects(folder, is_made=True)


def listed(place: Objects, folder: str) -> dict[str, StoredObject]:
    """Return what a place lists, by name."""
    return {each.name: each for each in place.list(folder)}


@dataclass
class Stand:
    """The ledger and the place of its backups. ``secret`` opens them; the machine's own key opens manifests."""

    ledger: Ledger
    folder: Path
    place: Objects = field(init=False)
    secret: str = field(default_factory=lambda: new_identity()[0])
    machine: str = field(default_factory=lambda: new_identity()[0])
    files: Mapping[str, Path] = field(default_factory=dict)
    now: Callable[[], int] = lambda: int(time.time())  # as files are dated

    def __post_init__(self) -> None:
        self.place = folder_at(self.folder / "place")

    @property
    def vault(self) -> Vault:
        return vault_of_machine([public_of(self.secret)], self.machine)

    def create(self, place: Objects | None = None, database: Database | None = None) -> Created:
        """Back the ledger up as the command does."""
        place = place or self.place
        return create(
            database or self.ledger.database,
            place,
            self.vault,
            LOG_SIGNER,
            before=newest_of(place, TRUST, [self.machine], None),
            files=lambda: self.files,
            log_id=LOG_ID,
            now=self.now,
        )

    def opened(self, number: int | None = None) -> OpenBackup:
        """Open the newest generation, or the one of this number, as who has the secret key does."""
        generation = read_generation(self.place, number or numbers_at(self.place)[-1], TRUST)
        manifest = read_manifest(self.place, generation, [self.secret])
        return OpenBackup(self.place, generation, manifest, (self.secret,))

    def verified(self, number: int | None = None) -> Verified:
        return verify(self.opened(number), TRUST)

    def restored(self, name: str = "restored", url: str | None = None, number: int | None = None) -> Database:
        """Restore into a new directory, and open the database."""
        target = self.folder / name
        done = restore(self.opened(number), target, url, TRUST, procedures=shipped_procedures())
        assert done.findings == ()
        return open_database(url or f"sqlite:///{target}/tallystick.db")

    def copied(self, name: str) -> Stand:
        """Return a stand over a copy of the place, for a test that damages it."""
        copy = Stand(self.ledger, self.folder, self.secret, self.machine)
        copy.place = folder_at(self.folder / name)
        shutil.copytree(self.folder / "place", self.folder / name)
        return copy

    def publish(self) -> None:
        self.ledger.clock.forward(2)
        self.ledger.publisher.publish(self.ledger.database, self.ledger.clock.ms)

    def record(self, *cases: Case) -> None:
        """Record what the cases have, and publish a checkpoint."""
        for case in cases:
            self.ledger.post_all(case.events)
        self.publish()


def handed_over(name: str) -> Case:
    """Return a case with a confidential name, whose items were handed over."""
    case = name_confidentially(Case(name).open()).register("phone", "knife")
    return case.offer("phone", "knife", to=PROCURATORATE).accept()


def erasing(case: Case) -> list[SignedEvent]:
    """Add the erasure of the section of the case's second event; return its two events, by two officers."""
    order = Authority("court_order", "12/2026")
    case.erase(case.events[1].ref, "person:1", supervisor(POLICE), authority=order)
    return case.events[-2:]


def audit(database: Database) -> AuditReport:
    """Audit all but the chain."""
    return audit_log(database, TRUST, shipped_procedures(), look=left_out, processes=1)


def derived(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows of the tables that a restore makes again, by table."""
    tables = [table for table in metadata("log").sorted_tables if table in rows.DERIVED and table not in MADE_LATER]
    return rows_of(database, tables)


def kept(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows of the tables that a backup has."""
    numbered = [table for series in (rows.LOG, rows.BOUND) for table in series.tables]
    return rows_of(database, [*rows.whole_tables(), *numbered])


def rows_of(database: Database, tables: Iterable[rows.Table]) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of tables in the order of their keys, as values that compare alike whatever the database."""
    with database.read() as connection:
        return {
            str(table.name): [
                tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns))
            ]
            for table in tables
        }
