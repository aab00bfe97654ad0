"""A ledger with full data: the twelve stories and a store room, and what else a ledger comes to hold."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import msgspec

from api.services.parts import Parts
from ledger.audit import Basis, audit_log, left_out, read_basis
from ledger.core.custody import kept_state
from ledger.core.encoding import canonical
from ledger.core.events.record import AccessSealed
from ledger.core.log.checkpoints import cosign_checkpoint, stated_checkpoint
from ledger.core.log.notes import SeedSigner, SignatureType
from ledger.deadlines.upkeep import warn
from ledger.procedures import shipped_procedures, shipped_rulebook
from ledger.samples import load
from ledger.samples.town import BY_PROFILE
from ledger.store import audit, checkpoints, log, webhooks
from ledger.store.access import Read
from ledger.store.audit import KeptAudit
from ledger.store.chain_journal import DatabaseJournal
from ledger.store.webhooks import DeliveryProgress, Webhook
from tests.campaigns.manipulations import store_room
from tests.campaigns.manipulations.store_room import storage_of
from tests.testkit.sample_town import founded

kept_state.KEPT_FROM = 8  # events: the cases of the stories are short, and some are to have kept states

QUARTER_MS = 90 * 24 * 3600 * 1000  # milliseconds ahead at which warnings are told
BASIS = "basis.json"  # beside the data directory
RESTS_WITHIN_S = 120  # seconds in which everything is anchored, proven and sealed
READS = ("case", "timeline of the case", "items of the case")


def found_ledger(folder: Path) -> Path:
    """Return the data directory in ``folder``, with the ledger that is there or one that is made now."""
    data, basis = folder / "ledger", folder / BASIS
    if not ((data / "complete").exists() and basis.exists()):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with founded(folder, evidence_store=storage_of(folder).as_uri()) as town:

            def add_before_the_last(progress: load.Progress) -> None:
                if progress.done == len(load.PARTS) - 1:
                    # Reads between a seal and its anchor wait for the next seal: at rest there is no such gap,
                    # and the seal before the anchor of the last part covers all that is added here.
                    store_room.play(town, folder)
                    _await_rest(town.parts)
                    basis.write_bytes(canonical.encode(_add(town.parts)))

            load.load(town.where, town.ledger, add_before_the_last)
            _await_rest(town.parts)
            _require_sealed(town.parts)
            town.parts.supervisor.views.refresh()
        store_room.bring_back(folder)
        (data / "complete").touch()
    return data


def kept_basis(folder: Path) -> Basis:
    """Return what an audit of the ledger in ``folder`` kept before its last part."""
    return read_basis((folder / BASIS).read_bytes())


def _add(parts: Parts) -> Basis:
    """Add what no event causes: warnings, webhooks, kept audits, co-signatures and reads.

    Returns what the audit kept.
    """
    database, now = parts.database, parts.clock()
    warn(database, now + QUARTER_MS, shipped_rulebook().zone)
    authority = parts.authority()
    for number, profile in enumerate(("police-chief", "court-chief")):
        person = BY_PROFILE[profile]
        key_id = next(key for key, grant in authority.grants.items() if grant.officer == person.officer)
        webhook = Webhook(
            webhook_id=f"webhook-{number:016}",
            agency=person.agency,
            officer=person.officer,
            key_id=key_id,
            url=f"https://receiver.example/{number}",
            created_at=now + number,
            events_after="-1",
            next_try_at=now + QUARTER_MS,
        )
        webhooks.add(database, webhook)
        claimed = webhooks.claim(database, webhook, now + QUARTER_MS + 1)
        assert claimed is not None
        webhooks.settle_delivered(database, claimed, DeliveryProgress("3", 0), now + QUARTER_MS + 2)
    auditor = BY_PROFILE["auditor"]
    report = audit_log(database, parts.trust.trust, shipped_procedures(), look=left_out, processes=1)
    for number in range(2):
        kept = KeptAudit(
            audit_id=f"audit-{number:010}",
            case_id=None,
            agency=auditor.agency,
            officer=auditor.officer,
            started_at=now + number,
            ended_at=now + number + 10,
            verdict=report.verdict,
            failure=None,
            report=msgspec.json.encode(report),
        )
        with database.write() as connection:
            audit.keep(connection, kept)
    with database.read() as connection:
        published = checkpoints.last_published(connection)
        cases = [entry.stream_id for entry in log.entries(connection, 0, published.size if published else 0)]
    assert published is not None
    for name in ("one", "two"):
        witness = SeedSigner.from_seed(f"witness.example/{name}", name.ljust(32).encode(), SignatureType.COSIGNATURE_V1)
        line = cosign_checkpoint(stated_checkpoint(published.note), witness, now // 1000).line()
        vkey = witness.verifying_key.vkey()
        checkpoints.store_cosignature(database, published.size, vkey, line, is_enough=lambda _keys: False)
    key_id = next(key for key, grant in authority.grants.items() if grant.officer == auditor.officer)
    reads = [Read(auditor.agency, auditor.officer, key_id, subject, now, case_id=cases[-1]) for subject in READS]
    parts.access.append(*reads)
    assert report.basis is not None, "nothing was found"
    return report.basis


def _await_rest(parts: Parts) -> None:
    """Wait until all is anchored for good, has its proofs, and nothing follows."""
    journal, deadline = DatabaseJournal(parts.database), time.monotonic() + RESTS_WITHIN_S
    size, quiet_since = -1, time.monotonic()
    while time.monotonic() - quiet_since < 4:
        if time.monotonic() > deadline:
            raise RuntimeError("the ledger does not come to rest")
        with parts.database.read() as connection:
            now = log.tree(connection).size
        last = journal.last_anchor()
        anchored = last is not None and last.anchored is not None and last.anchored.size == now
        if now != size or not anchored or journal.unproven_anchors(1) or journal.unsettled():
            size, quiet_since = now, time.monotonic()
        time.sleep(0.2)


def _require_sealed(parts: Parts) -> None:
    """Raise RuntimeError if a read is not sealed: nobody could name its removal."""
    with parts.database.read() as connection:
        seal = log.last_system_entry(connection, "access.sealed")
    body = log.event_of(seal).body if seal else None
    if not isinstance(body, AccessSealed) or body.count != parts.access.head().count:
        raise RuntimeError("the reads of the ledger are not all sealed")
