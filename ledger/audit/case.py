"""The audit of one case."""

from __future__ import annotations

from collections.abc import Iterator

from ledger.audit.entries import check_entry
from ledger.audit.findings import AuditReport, Finding, Findings, finding_of
from ledger.audit.mirror import read_ground, read_mirror
from ledger.audit.streams import Faulty, Part, check_part
from ledger.core import merkle
from ledger.core.checkpoint import verify_checkpoint
from ledger.core.errors import NotFound, TallystickError
from ledger.core.merkle import Hash, NodeReader, leaf_hash
from ledger.core.rulebook import Rulebook
from ledger.core.tiles import TileNodes
from ledger.core.trust import Trust
from ledger.record import States
from ledger.store import audit as rows
from ledger.store import checkpoints, log
from ledger.store.database import Connection, Database
from ledger.store.log import StoredEntry, TreeState


def audit_case(database: Database, trust: Trust, book: Rulebook, case_id: str) -> AuditReport:
    """Audits one case: its entries, their place in the stored tree, its stream, rules and read models.

    What only a whole log shows is not checked. Raises NotFound where there is no such case.
    """
    with database.read() as connection:
        tree, findings = log.tree(connection), Findings()
        mirror = read_mirror(connection, trust)
        ground = read_ground(connection, mirror)
        part = Part("case", tree.size, case_id, case_id + "\0")
        entries = list(rows.by_stream(connection, part.kind, part.first, part.last, size=part.size))
        if not entries:
            raise NotFound(f"no case {case_id}", field="case_id")
        nodes = TileNodes(tree.size, log.tile_reader(connection))
        found: list[Finding] = []
        for entry in entries:
            found += check_entry(entry, log.sections(connection, entry.log_index), ground)
            found += _place(entry, tree, nodes)
        faulty = frozenset(finding.index for finding in found if finding.index is not None)
        findings.add(*found, *check_part(connection, part, Faulty(faulty), States(database, book)))
        _checkpoint(connection, trust, nodes, findings)
        mirror.tell(findings, faulty)
    _tell(findings, case_id, len(entries), tree)
    return findings.report(scope=f"case {case_id}", development=trust.development, size=tree.size, root=tree.root)


def _place(entry: StoredEntry, tree: TreeState, nodes: NodeReader) -> Iterator[Finding]:
    """That the entry is in the stored tree."""
    index = entry.log_index
    try:
        proof = merkle.inclusion_proof(index, tree.size, nodes)
        merkle.verify_inclusion(leaf_hash(entry.envelope), index, tree.size, proof, Hash(tree.root))
    except TallystickError as error:
        yield finding_of("tree", index, error)


def _checkpoint(connection: Connection, trust: Trust, nodes: NodeReader, findings: Findings) -> None:
    """That the tiles give the root of the last published checkpoint."""
    published = checkpoints.last_published(connection)
    if published is None:
        findings.not_checked("checkpoints", "none is published yet")
        return
    what = f"checkpoint of size {published.size}"
    try:
        said = verify_checkpoint(published.note, trust.log_key)
        root = merkle.frontier_at(said.size, nodes).root()
    except TallystickError as error:
        findings.add(Finding("checkpoints", None, f"{what}: {error.message}"))
        return
    if root != said.root:
        findings.add(Finding("checkpoints", None, f"{what}: root", said.root.hex(), root.hex()))
    findings.checked("checkpoints", f"the last one, of size {said.size}")


def _tell(findings: Findings, case_id: str, count: int, tree: TreeState) -> None:
    tell = findings.checked
    tell("entries", f"{count} entries of case {case_id}, each canonical and filed as its envelope says")
    tell("payloads", f"{count} payloads with the digests that were signed, and their sections")
    tell("signatures", f"{count} signatures")
    tell("streams", "each event stands on the one before")
    tell("custody", "each act was possible, its flags are those of the rules")
    tell("models", "what lists show is what the events come to")
    tell("tree", f"each entry is in the tree of size {tree.size}")
    for step in ("anchors", "chain", "access"):
        findings.not_checked(step, "shown by the audit of the whole log")
