"""Whatever is done to a table, a column or the schema is named by the audit, but for the few that show nothing."""

from __future__ import annotations

import random
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from shutil import copytree

import pytest

from ledger.audit import audit_log, left_out
from ledger.core.errors import TallystickError
from ledger.core.log.checkpoints import cosign_checkpoint, parse_checkpoint
from ledger.core.log.notes import SeedSigner, SignatureType, parse_note
from ledger.deadlines.upkeep import Warner
from ledger.recording.system_stream import AccessLogSealer
from ledger.store import audit, chain_journal, checkpoints, webhooks
from ledger.store.access import AccessLog
from ledger.store.audit import KeptAudit
from ledger.store.chain_journal import DatabaseJournal
from ledger.store.database import open_database
from ledger.store.webhooks import Webhook
from tests.campaigns.manipulations.spoiling import Manipulation, manipulations
from tests.testkit.builders import POLICE, clerk
from tests.testkit.ledgers import Clock, open_ledger, sqlite_url
from tests.unit.audit.stand import BOOK, TRUST, Stand, found

DATABASES = ("ledger.db", "ledger-access.db")
SEED = 1
OF_EACH = 2  # manipulations of each table
CENTURY_MS = 100 * 365 * 24 * 3600 * 1000
# What nobody is shown: texts that wait to be signed, the claim of who is sending, and notes that something is to be
# counted anew or overwritten.
SHOWS_NOTHING = ("challenges", "meta", "alembic_version")


def fill(stand: Stand) -> None:
    """What no event causes, and a seal over all of it."""
    database, now = stand.database, stand.ledger.clock()
    Warner(database).step(now + CENTURY_MS)
    hook = Webhook(
        "webhook-1", POLICE, "o-1", clerk(POLICE).key_id, "https://a.example/", now, "-1", 0, None, 0, None, 0
    )
    webhooks.add(database, hook)
    claimed = webhooks.claim(database, hook, now + 1)
    assert claimed is not None
    webhooks.settle_failed(database, claimed, "no answer", now + 2)
    for number in range(2):
        with database.write() as connection:
            audit.keep(connection, KeptAudit(f"audit-{number}", None, POLICE, "o-1", now, now, "intact", None, b"{}"))
    with database.read() as connection:
        published = checkpoints.last_published(connection)
    assert published is not None
    witness = SeedSigner.from_seed("witness.example/w", bytes(32), SignatureType.COSIGNATURE_V1)
    line = cosign_checkpoint(parse_checkpoint(parse_note(published.note).text), witness, now // 1000).line()
    vkey = witness.verifying_key.vkey()
    checkpoints.store_cosignature(database, published.size, vkey, line, is_enough=lambda _keys: True)
    nodes = {bytes([number]) * 32: b"node" for number in (1, 2)}
    chain_journal.keep_state_proof(database, DatabaseJournal(database).anchors()[0], b"header", nodes)
    AccessLogSealer(database, AccessLog(database), stand.ledger.system).before_anchor(stand.size)


@pytest.fixture
def filled(stand: Stand, tmp_path: Path) -> Path:
    """The folder of a ledger with a row in every table that a service fills."""
    fill(stand)
    assert found(stand.audit()) == set()
    stand.database.close()
    return tmp_path


def chosen(folder: Path, seed: int) -> Iterator[Manipulation]:
    """Some of each table by chance, and all of the schema that are no index."""
    chance = random.Random(seed)
    by_table: dict[str, list[Manipulation]] = defaultdict(list)
    for manipulation in manipulations(folder, chance, DATABASES):
        by_table[manipulation.name.partition(".")[0]].append(manipulation)
    for some in by_table.values():
        yield from chance.sample(some, min(OF_EACH, len(some)))


def named(copy: Path) -> str | None:
    """What an audit of the database finds first, or why it is refused."""
    try:
        with closing(open_database(sqlite_url(copy), for_audit=True)) as database:
            findings = audit_log(database, TRUST, BOOK, look=left_out).findings
    except TallystickError as error:
        return str(error)
    return findings[0].what if findings else None


@pytest.mark.extended
@pytest.mark.timeout(300)
def test_each_manipulation_is_named(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Changes, deletions, insertions and exchanges in every table, and other things in the schema."""
    unnamed, tables = [], set()
    for number, manipulation in enumerate(chosen(filled, SEED)):
        copy = tmp_path_factory.mktemp("manipulated") / str(number)
        copytree(filled, copy)
        try:
            manipulation.apply(copy)
        except sqlite3.Error:  # the database itself refuses some
            continue
        tables.add(manipulation.name.partition(".")[0])
        if not manipulation.name.startswith(SHOWS_NOTHING) and named(copy) is None:
            unnamed.append(str(manipulation))
    assert unnamed == []
    assert len(tables) > 30


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER quiet AFTER INSERT ON cases BEGIN DELETE FROM cases; END",
        "CREATE VIEW other AS SELECT * FROM cases",
        "DROP INDEX ix_bindings_of",
    ],
)
def test_schema_that_is_not_ours_is_refused_at_the_start(filled: Path, statement: str) -> None:
    """Nothing is read or written through what somebody put between; the audit still says what it is."""
    with closing(sqlite3.connect(filled / DATABASES[0])) as connection:
        connection.execute(statement)
        connection.commit()
    with pytest.raises(TallystickError, match="schema was changed"), open_ledger(sqlite_url(filled), clock=Clock(0)):
        pass
    assert named(filled) is not None


def test_webhook_is_not_sent_to_an_address_that_no_officer_gave(stand: Stand) -> None:
    """Whoever sends compares the row with what was written: another address is refused before anything leaves."""
    fill(stand)
    stand.change("UPDATE webhooks SET url = 'https://other.example/'")
    with stand.database.read() as connection:
        (hook,) = webhooks.listed(connection, POLICE)
    with pytest.raises(TallystickError, match="not what was written"):
        webhooks.claim(stand.database, hook, 10**15)
    assert found(stand.audit()) == {("bindings", None)}


def test_records_of_bindings_are_chained_and_sealed(stand: Stand) -> None:
    """One that was changed is named; a chain that was made anew is another than the log of reads knows of."""
    fill(stand)
    stand.change("UPDATE bindings SET digest = 'blake3:00' WHERE number = 5")
    assert [finding.what for finding in stand.audit().findings] == ["record 5 of the bindings"]
    last = stand.value("SELECT max(number) FROM bindings")
    stand.change(f"DELETE FROM bindings WHERE number >= {min(5, last)}")
    assert "as the log of reads has it" in " ".join(finding.what for finding in stand.audit().findings)


def test_checkpoint_that_was_kept_elsewhere(stand: Stand) -> None:
    """A database that was put back contradicts nothing that it holds, but a tree head that is out of its reach."""
    with stand.database.read() as connection:
        notes = [row.note for row in checkpoints.all_published(connection)]
    whole = audit_log(stand.database, TRUST, BOOK, look=left_out, checkpoints=notes)
    assert whole.findings == ()
    larger = stand.ledger.publisher.checkpoint(stand.size + 3, bytes(32))
    report = audit_log(stand.database, TRUST, BOOK, look=left_out, checkpoints=[larger])
    assert [(finding.step, finding.found) for finding in report.findings] == [("checkpoints", "the log is smaller")]
