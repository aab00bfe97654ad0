"""The audit of one case."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ledger.audit.chain import ContractView, Look, read_ground, read_mirror
from ledger.audit.claims import claim_of, on_chain, within
from ledger.audit.entries import check_entry
from ledger.audit.findings import AuditFinding, AuditFindings, AuditReport, finding, finding_of
from ledger.audit.streams import Faulty, Rules, check_part
from ledger.audit.tree import Claimant, RootClaim
from ledger.audit.whole import MISTYPED, check_types
from ledger.audit.workers import Judging, Snapshot
from ledger.chain.contract_clients import AnchorRecord
from ledger.chain.journal import WriteState
from ledger.core.errors import NotFound, TallystickError
from ledger.core.log import merkle
from ledger.core.log.checkpoints import verify_checkpoint
from ledger.core.log.merkle import Hash, NodeReader, leaf_hash
from ledger.core.log.tiles import TileNodes
from ledger.core.messages import Message
from ledger.core.procedure.adoption import Procedures
from ledger.core.trust.trust_file import Trust
from ledger.store import audit as rows
from ledger.store import checkpoints, log
from ledger.store.audit import StreamRange
from ledger.store.chain_journal import DatabaseJournal
from ledger.store.database import Connection, Database
from ledger.store.log import StoredEntry


def audit_case(database: Database, trust: Trust, procedures: Procedures, case_id: str, *, look: Look) -> AuditReport:
    """Audit one case: its entries, their place in the tree and in what is anchored, its stream, rules, read models.

    ``procedures`` are in force before the log adopts any. What only a whole log shows is not checked. Raises NotFound
    if there is no such case.
    """
    findings = AuditFindings()
    if mistyped := list(check_types(database, case_id)):
        findings.add(*mistyped)
        findings.stop(MISTYPED)
        return findings.report(scope=f"case {case_id}", trust=trust, size=0, root=b"")
    with database.read() as connection:
        tree = log.tree(connection)
        mirror = read_mirror(connection, trust, procedures)
        ground = read_ground(connection, mirror)
        part = StreamRange("case", tree.size, only=frozenset({case_id}))
        entries = list(rows.by_stream(connection, part))
        if not entries:
            raise NotFound("no case {case_id}", case_id=case_id, field="case_id")
        nodes = TileNodes(tree.size, log.tile_reader(connection))
        stored = RootClaim(tree.size, tree.root, "tree", Claimant("stored_root"))
        entry_findings: list[AuditFinding] = []
        for entry in entries:
            entry_findings += check_entry(entry, log.sections(connection, entry.log_index), ground)
            entry_findings += _place(entry, stored, nodes)
        faulty = frozenset(entry_finding.index for entry_finding in entry_findings if entry_finding.index is not None)
        findings.add(*entry_findings)
        rules = Rules(Judging(ground, mirror.procedures).states(Snapshot(connection)), None, rows.splitting(connection))
        findings.add(*check_part(connection, part, Faulty(faulty), rules))
        _checkpoint(connection, trust, nodes, findings)
        sound = [entry for entry in entries if entry.log_index not in faulty]
        journal = DatabaseJournal(database)
        write = journal.last_anchor(WriteState.CONFIRMED)
        head = write.anchored if write is not None else None
        findings.anchored(head.size if head else 0, [entry.log_index for entry in entries])
        # The last anchor as the journal has it, and as the contract has it.
        claims = [claim_of(write, head)] if write is not None and head is not None else []
        claims += on_chain(look, mirror, journal, findings, lambda contracts: _last_of(contracts, tree.size))
        for claim in within(tree.size, database, claims):
            findings.add(*_met(claim, tree.size, sound, nodes))
        mirror.tell(findings, faulty)
    count, tell = len(entries), findings.checked
    tell("entries", Message("{count} entries, each canonical and filed as its envelope says", count=count))
    tell("payloads", Message("{count} payloads with the digests that were signed, and their sections", count=count))
    tell("signatures", Message("{count} signatures", count=count))
    tell("streams", Message("each event stands on the one before"))
    tell("custody", Message("each act was possible, its flags are those of the rules"))
    tell("models", Message("what lists show is what the events come to"))
    tell("tree", Message("each entry is in the tree of size {tree.size}", tree=tree))
    for step in ("access", "supervision", "bindings", "schema", "maps"):
        findings.not_checked(step, Message("shown by the audit of the whole log"))
    return findings.report(scope=f"case {case_id}", trust=trust, size=tree.size, root=tree.root)


def _last_of(contracts: ContractView, size: int) -> Iterable[AnchorRecord]:
    """Return the contract's last record, or all if it is of a tree to which the log has grown since."""
    head = contracts.head()
    return [head] if head.size <= size else contracts.records()


def _met(claim: RootClaim, size: int, entries: Sequence[StoredEntry], nodes: NodeReader) -> Iterator[AuditFinding]:
    """Yield a finding unless the tree had the claimed root, and each of the entries of that time was in it."""
    try:
        root = merkle.frontier_at(claim.size, nodes).root() if claim.size <= size else None
    except TallystickError as error:
        yield finding_of(claim.step, None, error)
        return
    if root != claim.root:
        actual = root.hex() if root else "the log is smaller"
        yield finding(claim.step, None, "root_at", claim.root.hex(), actual, size=claim.size, **claim.by.slots)
        return
    for entry in entries:
        if entry.log_index < claim.size:
            yield from _place(entry, claim, nodes)


def _place(entry: StoredEntry, claim: RootClaim, nodes: NodeReader) -> Iterator[AuditFinding]:
    """Yield a finding unless the entry is in the tree of this root."""
    index = entry.log_index
    try:
        proof = merkle.inclusion_proof(index, claim.size, nodes)
        merkle.verify_inclusion(leaf_hash(entry.envelope), index, claim.size, proof, Hash(claim.root))
    except TallystickError as error:
        yield finding_of(claim.step, index, error)


def _checkpoint(connection: Connection, trust: Trust, nodes: NodeReader, findings: AuditFindings) -> None:
    """Check that the tiles lead to the root of the last published checkpoint."""
    published = checkpoints.last_published(connection)
    if published is None:
        findings.not_checked("checkpoints", Message("none is published yet"))
        return
    by = Claimant("checkpoint", published.size)
    try:
        checkpoint = verify_checkpoint(published.note, trust.log_key_of(published.note))
        root = merkle.frontier_at(checkpoint.size, nodes).root()
    except TallystickError as error:
        findings.add(finding_of("checkpoints", None, error, "refused_by", **by.slots))
        return
    if root != checkpoint.root:
        findings.add(
            finding("checkpoints", None, "root_at", checkpoint.root.hex(), root.hex(), size=checkpoint.size, **by.slots)
        )
    findings.checked("checkpoints", Message("the last one, of size {checkpoint.size}", checkpoint=checkpoint))
