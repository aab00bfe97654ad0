"""Claims about the tree's root: published checkpoints, the journal's anchors, the contract's records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ledger.audit.chain import ContractView, Look, Mirror
from ledger.audit.findings import AuditFinding, AuditFindings, differences, finding, finding_of
from ledger.audit.tree import Claimant, RootClaim
from ledger.chain.contract_clients import AnchorRecord
from ledger.chain.journal import AnchoredHead, ChainWrite, WriteState
from ledger.core.encoding.digests import keccak256
from ledger.core.errors import IntegrityBroken, NotFound, TallystickError, Unavailable
from ledger.core.events.registry import RegistryChange
from ledger.core.log.checkpoints import verify_checkpoint, verify_cosignatures
from ledger.core.log.notes import parse_note
from ledger.core.messages import Message
from ledger.core.signing.signatures import LATEST
from ledger.core.trust.trust_file import Trust
from ledger.core.verification.timestamps import verify_timestamp
from ledger.store import checkpoints, log
from ledger.store.chain_journal import DatabaseJournal
from ledger.store.database import Connection, Database


# 10
def published(connection: Connection, trust: Trust, findings: AuditFindings) -> list[RootClaim]:
    """Return the roots of published checkpoints; check each checkpoint and its timestamp."""
    claims: list[RootClaim] = []
    sound: dict[int, str] = {}
    last = 0
    for row in checkpoints.all_published(connection):
        by = Claimant("checkpoint", row.size)
        try:
            checkpoint = verify_checkpoint(row.note, trust.log_key_of(row.note))
            verify_cosignatures(row.note, trust.policy.witnesses.values())
            if checkpoint.size != row.size:
                raise IntegrityBroken("its note is of size {checkpoint.size}", checkpoint=checkpoint)
        except TallystickError as error:
            findings.add(finding_of("checkpoints", None, error, "refused_by", **by.slots))
            continue
        if row.published_at < last:
            findings.add(finding("checkpoints", None, "published_before", last, row.published_at, **by.slots))
        last = max(last, row.published_at)
        sound[checkpoint.size] = row.note
        claims.append(RootClaim(checkpoint.size, checkpoint.root, "checkpoints", by, row.published_at))
    findings.add(*check_stamps(connection, sound, trust))
    findings.checked(
        "checkpoints", Message("{count} published, signed by {trust.origin}", count=len(claims), trust=trust)
    )
    return claims


def of_kept_checkpoints(notes: Iterable[str], trust: Trust) -> list[RootClaim]:
    """Return the roots of checkpoints that were stored out of reach of whoever can write to this database.

    Raises SignatureRefused or MalformedInput for a checkpoint of another log.
    """
    heads = [verify_checkpoint(note, trust.log_key_of(note)) for note in notes]
    return [RootClaim(head.size, head.root, "checkpoints", Claimant("kept_checkpoint", head.size)) for head in heads]


# 11
def anchored(journal: DatabaseJournal, size: int, findings: AuditFindings) -> list[RootClaim]:
    """Return the roots that the journal says were anchored, of a log of ``size`` entries."""
    try:
        findings.add(*_journal_faults(journal))
        heads = [(write, write.anchored) for write in journal.anchors() if write.anchored is not None]
        confirmed = [head.size for write, head in heads if write.state is WriteState.CONFIRMED]
        findings.anchored(max(confirmed, default=0), range(size))
        return [claim_of(write, head) for write, head in heads]
    except IntegrityBroken as error:
        findings.anchored(0, range(size))
        findings.add(finding_of("anchors", None, error))
        return []


def within(size: int, database: Database, claims: Sequence[RootClaim]) -> list[RootClaim]:
    """Return the claims without those of trees to which the log has grown since ``size``, when the audit began.

    The service goes on meanwhile: what it has anchored since then is held against the log as it is now, by its tiles.
    """
    beyond = [claim for claim in claims if claim.size > size]
    if not beyond:
        return [*claims]
    with database.read() as connection:
        later = [claim for claim in beyond if _is_root(connection, claim)]
    return [claim for claim in claims if claim not in later]


def _is_root(connection: Connection, claim: RootClaim) -> bool:
    try:
        return log.root_at(connection, claim.size) == claim.root
    except TallystickError:
        return False


def claim_of(write: ChainWrite, head: AnchoredHead) -> RootClaim:
    """Return the claim of one anchor in the journal."""
    return RootClaim(head.size, head.root, "anchors", Claimant("journal", write.number), _until(write.block_time))


def _journal_faults(journal: DatabaseJournal) -> Iterator[AuditFinding]:
    """Yield writes whose transaction has another hash, and anchors whose numbers do not count from 1."""
    for write in journal.writes():
        calculated, stored = keccak256(write.raw_transaction), write.transaction_hash
        if calculated != stored:
            yield finding("anchors", None, "transaction_hash", calculated.hex(), stored.hex(), number=write.number)
    for expected, anchor in enumerate(journal.confirmed(), 1):
        if anchor.number != expected:
            yield finding("anchors", None, "anchor_number", expected, anchor.number, size=anchor.size)
    for number, counted in journal.misnumbered():
        yield from differences("anchors", None, f"chain_writes {number}", [("anchor_number", None, counted)])


# 12
def on_chain(
    look: Look,
    mirror: Mirror,
    journal: DatabaseJournal,
    findings: AuditFindings,
    choose: Callable[[ContractView], Iterable[AnchorRecord]],
) -> list[RootClaim]:
    """Return the roots of the contract's chosen records; check the mirror and the journal's block times.

    The mirrored registry may lag, but not differ. The first mirrored change that differs from the contract's, or has
    another place in the chain, or is above the contract's last, is reported with its index.
    """
    try:
        with look() as contracts:
            records = list(choose(contracts))
            changes, registry_hash = contracts.registry()
            on_chain: Sequence[RegistryChange] = ()
            if mirror.changes:
                first_block = mirror.changes[0].change.location.block_number
                on_chain = [*contracts.changes(after=0, registry_hash=mirror.log_id, first_block=first_block)]
    except (Unavailable, NotFound) as error:
        hint = error.hint or Message("Look after the chain, then audit again: tally doctor.")
        findings.not_checked("chain", Message("{error}. {hint}", error=error, hint=hint), "unverifiable")
        return []
    except TallystickError as error:
        findings.add(finding_of("chain", None, error))
        return []
    differs = [*_mirror_differs(mirror, on_chain, changes, registry_hash)]
    findings.add(*differs[:1], *_times_differ(journal, records))
    findings.checked(
        "chain", Message("{count} records, {changes} changes of the registry", count=len(records), changes=changes)
    )
    return [RootClaim(r.size, r.root, "chain", Claimant("contract", r.number), _until(r.timestamp)) for r in records]


def _until(block_time: int | None) -> int | None:
    """Return the latest time, in unix milliseconds, at which an anchor's entries were recorded.

    It is the time of the anchor's block, with the tolerance of a signing time.
    """
    return None if block_time is None else (block_time + LATEST + 1) * 1000


def _times_differ(journal: DatabaseJournal, records: Iterable[AnchorRecord]) -> Iterator[AuditFinding]:
    times = {record.size: record.timestamp for record in records}
    for anchor in journal.confirmed():
        expected = times.get(anchor.size, anchor.block_time)
        if anchor.block_time is not None and anchor.block_time != expected:
            yield finding("anchors", None, "block_time", expected, anchor.block_time, size=anchor.size)


def _mirror_differs(
    mirror: Mirror, on_chain: Sequence[RegistryChange], changes: int, registry_hash: bytes
) -> Iterator[AuditFinding]:
    """Yield where the mirror differs: in a change or its place in the chain, then as a whole."""
    for ours, theirs in zip(mirror.changes, on_chain, strict=False):
        if ours.change != theirs:
            yield finding("chain", ours.index, "registry_differs", _spelled(theirs), _spelled(ours.change))
    # The mirror may lag behind, but the contract's registry must not lag behind the mirror.
    now = mirror.authority
    if now is not None and changes <= now.changes and (changes, registry_hash) != (now.changes, now.registry_hash):
        expected, mirrored = f"{changes} / {registry_hash.hex()}", f"{now.changes} / {now.registry_hash.hex()}"
        index = mirror.changes[changes].index if changes < now.changes else None
        yield finding("chain", index, "registry_differs", expected, mirrored)


def _spelled(change: RegistryChange) -> str:
    place = change.location
    return f"{change.number} / {change.registry_hash[2:]} / {place.block_number} {place.block_hash[2:]}"


# 10
def check_stamps(connection: Connection, notes: Mapping[int, str], trust: Trust) -> Iterator[AuditFinding]:
    """Yield faults of the timestamps of checkpoints; ``notes`` are the verified ones, by size.

    A timestamp of an authority under none of the trust file's roots is compared with its checkpoint only: it may be
    older than today's roots.
    """
    for stamp in checkpoints.all_timestamps(connection):
        by = Claimant("timestamp", stamp.size)
        if (note := notes.get(stamp.size)) is None:
            yield finding("checkpoints", None, "no_checkpoint", **by.slots)
            continue
        try:
            timestamp = verify_timestamp(stamp.response, parse_note(note).text, trust.timestamp_roots)
        except TallystickError as error:
            yield finding_of("checkpoints", None, error, "refused_by", **by.slots)
            continue
        if timestamp is not None and timestamp.time != stamp.time:
            yield finding("checkpoints", None, "stamp_time", timestamp.time, stamp.time, **by.slots)
