"""Building of proof bundles from the store; each is verified before it is handed out.

An entry is proven at the largest anchored size that is final, if that covers it; else at the largest size that a
quorum of witnesses has co-signed; else at the present size. All parts of a bundle are proven at the same size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Literal, Protocol

from msgspec import UNSET, Raw, Struct, UnsetType

from ledger.chain.journal import ChainWrite
from ledger.core.errors import IntegrityBroken, MalformedInput, NotFound, ProofRefused, SignatureRefused
from ledger.core.ethereum.block_headers import read_header
from ledger.core.events import decode_payload, record
from ledger.core.events.terms import EventRef
from ledger.core.log import merkle
from ledger.core.log.checkpoints import verify_checkpoint
from ledger.core.log.merkle import Hash, NodeReader
from ledger.core.log.tiles import TileNodes
from ledger.core.log.tlog_proofs import TlogProof
from ledger.core.procedure.adoption import Procedures
from ledger.core.signing.authority import AuthorityState
from ledger.core.supervision.model_package import (
    MAX_VERSIONS,
    ModelPackage,
    PackageReport,
    encode_package,
    verify_package,
)
from ledger.core.verification.bundle import verify_bundle
from ledger.core.verification.bundle_format import (
    Anchor,
    AuthorityEvidence,
    Bundle,
    CaseBundle,
    Erasure,
    Evidence,
    StampedProof,
    encode_bundle,
    raw,
    read_anchor,
)
from ledger.core.verification.case import CaseReport, receivers_of, verify_case
from ledger.core.verification.chain import ObservedBlock
from ledger.core.verification.evidence import encode_response
from ledger.core.verification.report import ProofReport
from ledger.core.verification.trust import Trust, TrustedChain
from ledger.recording.publisher import Publisher
from ledger.recording.registry_view import Registry
from ledger.store import checkpoints, log
from ledger.store.chain_journal import DatabaseJournal
from ledger.store.database import CHANGED, Connection, Database
from ledger.store.log import StoredEntry

Withheld = Literal["payload", "sections"]  # a payload is withheld with its sections


class RecordedHead(Struct, frozen=True):
    """A tree head that is final on the chain: record ``number`` of the contracts' LogAnchor, made by ``write``."""

    write: ChainWrite
    contracts: TrustedChain
    number: int
    size: int
    root: bytes


class StateSource(Protocol):
    """Returns state proofs of records."""

    def anchor(self, recorded: RecordedHead, key_id: str | None) -> Anchor | None:
        """Return the proof of the record and the key's grant in a final block's state; None if it cannot be had."""


class _ProofHead(Struct, frozen=True):
    """A tree head to prove at, with the chain's record of it."""

    size: int
    note: str
    recorded: RecordedHead | None = None


class _View(Struct, frozen=True):
    """A snapshot of the log with the tree heads to prove at, the best first and the present one last."""

    connection: Connection
    nodes: NodeReader
    authority: AuthorityState
    heads: tuple[_ProofHead, ...]
    anchor: Callable[[RecordedHead, str | None], Anchor | None]


class Prover:
    """Builds bundles. Safe to call from several threads."""

    def __init__(
        self,
        database: Database,
        registry: Registry,
        publisher: Publisher,
        *,
        states: StateSource | None = None,
        trust: Callable[[], Trust],
        procedures: Callable[[], Procedures],
    ):
        self._database = database
        self._registry = registry
        self._publisher = publisher
        self._journal = DatabaseJournal(database)
        self._states = states
        self._trust = trust
        self._procedures = procedures

    def bundle(self, event_id: str, withheld: Withheld | None = None) -> bytes:
        """Return the bundle of one event. Raises NotFound, and IntegrityBroken if the store does not prove it."""
        with self._database.read() as connection:
            entry = log.entry_by_event_id(connection, event_id)
            bundles = self._bundles(connection, [entry], withheld)
        encoded = encode_bundle(bundles[0])
        with _readable(entry.log_index):
            report = verify_bundle(encoded, self._trust(), observed=blocks_of(*bundles))
        return _proven(encoded, report, [(entry, report)], entry.log_index)

    def case_bundle(self, case_id: str, withheld: Withheld | None = None) -> bytes:
        """Return the bundle of a case with all its events, under one tree head. Raises as ``bundle``."""
        with self._database.read() as connection:
            entries = log.stream(connection, "case", case_id)
            if not entries:
                raise NotFound("no case {case_id}", case_id=case_id, field="case_id")
            view, head = self._best(connection, entries)
            bundles = [self._bundle(view, entry, head, withheld) for entry in entries]
            # Under the tree head of the events, which has all that came before the last of them.
            rules = [*self._of_procedure(connection, entries), *_admissions(view, entries)]
            rules.sort(key=lambda entry: entry.log_index)
            carried = [self._bundle(view, entry, head, None) for entry in rules]
        events = tuple(Raw(encode_bundle(bundle)) for bundle in bundles)
        case = CaseBundle(
            format="tallystick/case-bundle@v1",
            log_id=self._log_id(),
            case_id=case_id,
            events=events,
            procedures=tuple(Raw(encode_bundle(bundle)) for bundle in carried),
        )
        encoded = encode_bundle(case)
        with _readable(entries[0].log_index):
            report = verify_case(encoded, self._trust(), self._given(), observed=blocks_of(*bundles, *carried))
        return _proven(encoded, report, zip(entries, report.events, strict=True), entries[0].log_index)

    def cose_receipt(self, index: int, note: str) -> bytes:
        """Return the COSE receipt of the entry at ``index``, in the tree of a checkpoint's note that this log signed.

        Requires an index below the size of that tree. Raises IntegrityBroken if the store does not prove the entry.
        """
        with _readable(index), self._database.read() as connection:
            head = verify_checkpoint(note, self._trust().log_key_of(note))
            entry = log.entry(connection, index)
            nodes = TileNodes(head.size, log.tile_reader(connection))
            return self._publisher.cose_receipt(entry.envelope, index, head, nodes)

    def _given(self) -> Procedures:
        """Return the procedures that are in force without an adoption in the log."""
        return Procedures(tuple(version for version in self._procedures().versions if version.index < 0))

    def _of_procedure(self, connection: Connection, entries: Sequence[StoredEntry]) -> list[StoredEntry]:
        """Return all adoptions before a case's last event, and the texts of its own procedure, in the log's order."""
        procedure_id = getattr(log.payload_of(entries[0]).body, "procedure", None)
        adopted = [version for version in self._procedures().versions if 0 <= version.index < entries[-1].log_index]
        own = [version for version in adopted if version.book and version.book.procedure.id == procedure_id]
        texts = log.publications(connection, {version.digest for version in own})
        indices = {*(version.index for version in adopted), *(entry.log_index for entry in texts.values())}
        return [log.entry(connection, index) for index in sorted(indices)]

    def package(self, model_id: str, version: int, event_ids: Sequence[str]) -> bytes:
        """Return the package of a model: these publications, ``version`` last. Raises as ``bundle``."""
        with self._database.read() as connection:
            entries = [log.entry_by_event_id(connection, event_id) for event_id in event_ids[-MAX_VERSIONS:]]
            bundles = self._bundles(connection, entries, "sections")
        package = ModelPackage(
            format="tallystick/model-package@v1",
            log_id=self._log_id(),
            model_id=model_id,
            version=version,
            publications=tuple(Raw(encode_bundle(bundle)) for bundle in bundles),
        )
        encoded = encode_package(package)
        with _readable(entries[-1].log_index):
            report = verify_package(encoded, self._trust(), observed=blocks_of(*bundles))
        return _proven(encoded, report, zip(entries, report.events, strict=True), entries[-1].log_index)

    def _bundles(
        self, connection: Connection, entries: Sequence[StoredEntry], withheld: Withheld | None
    ) -> list[Bundle]:
        """Return a bundle of each entry, all under the best tree head that has the last one."""
        view, head = self._best(connection, entries)
        return [self._bundle(view, entry, head, withheld) for entry in entries]

    def _best(self, connection: Connection, entries: Sequence[StoredEntry]) -> tuple[_View, _ProofHead]:
        """Return the best tree head that has the last of the entries, and the view that it is in."""
        view = self._view(connection)
        return view, next(head for head in view.heads if entries[-1].log_index < head.size)

    def latest_anchor(self) -> RecordedHead | None:
        """Return the last proven anchor; None also if the trust file does not name its chain yet."""
        write = self._journal.last_proven_anchor()
        chains = {chain.chain_id: chain for chain in self._trust().chains}
        if write is None or write.anchored is None or write.chain_id not in chains:
            return None
        # Only this service anchors, so the n-th confirmed anchor is record n.
        number = self._journal.count_confirmed_anchors(write)
        return RecordedHead(write, chains[write.chain_id], number, write.anchored.size, write.anchored.root)

    def _log_id(self) -> str:
        return "0x" + self._trust().log_id.hex()

    def _view(self, connection: Connection) -> _View:
        tree = log.tree(connection)
        nodes = TileNodes(tree.size, log.tile_reader(connection))
        recorded = self.latest_anchor()
        # The best first: the chain's record outweighs the witnesses, and they the service's own word.
        heads: list[_ProofHead] = []
        if recorded is not None and recorded.size <= tree.size:
            note = self._note(connection, recorded.size, recorded.root, nodes)
            heads.append(_ProofHead(recorded.size, note, recorded))
        witnessed = checkpoints.last_witnessed(connection)
        if witnessed is not None and witnessed.size <= tree.size:
            heads.append(_ProofHead(witnessed.size, witnessed.note))
        heads.append(_ProofHead(tree.size, self._note(connection, tree.size, tree.root, nodes)))
        authority = self._registry.at(connection, tree.registry_changes)
        # The events of a case share few keys: each proof is asked for once.
        anchor = lru_cache(self._states.anchor) if self._states is not None else lambda _recorded, _key_id: None
        return _View(connection, nodes, authority, tuple(heads), anchor)

    def _note(self, connection: Connection, size: int, root: bytes, nodes: NodeReader) -> str:
        """Return the published checkpoint of this size with its co-signatures, else one signed now.

        Raises IntegrityBroken if the tiles lead to another root: that root is not signed.
        """
        published = checkpoints.published_at_size(connection, size)
        if published is not None:
            return published.note
        stored = merkle.frontier_at(size, nodes).root()
        if stored != root:
            raise IntegrityBroken(
                "the tiles at size {size} do not lead to the root {root}", size=size, root=root.hex(), hint=CHANGED
            )
        return self._publisher.checkpoint(size, root)

    def _bundle(self, view: _View, entry: StoredEntry, head: _ProofHead, withheld: Withheld | None) -> Bundle:
        sections = log.sections(view.connection, entry.log_index) if withheld is None else {}
        key_id = entry.key_id if entry.key_id in view.authority.grants else None
        anchor = None if head.recorded is None else view.anchor(head.recorded, key_id)
        return Bundle(
            format="tallystick/bundle@v1",
            log_id=self._log_id(),
            envelope=Raw(entry.envelope),
            payload=UNSET if withheld == "payload" else Raw(entry.payload),
            sections={label: Raw(data) for label, data in sections.items() if data is not None},
            erased=_erasures(view, entry, [label for label, data in sections.items() if data is None], head),
            authority=_authority(view, entry, head),
            proof=_proof(view, entry.log_index, head.size, head.note),
            anchor=UNSET if anchor is None else raw(anchor),
            timestamps=_timestamps(view, entry.log_index),
        )


def blocks_of(*bundles: Bundle) -> tuple[ObservedBlock, ...]:
    """Return the blocks of the anchors in bundles of this service, whose own node said that they are final."""
    blocks = []
    for data in {bytes(bundle.anchor) for bundle in bundles if bundle.anchor is not UNSET}:
        anchor = read_anchor(data)
        header = read_header(bytes.fromhex(anchor.header_rlp[2:]))
        blocks.append(ObservedBlock(anchor.chain, header.number, "0x" + header.hash.hex(), is_final=True))
    return tuple(blocks)


def _proof(view: _View, index: int, size: int, note: str) -> str:
    hashes = merkle.inclusion_proof(index, size, view.nodes)
    return TlogProof(index, tuple(Hash(sibling) for sibling in hashes), note).to_text()


def _timestamps(view: _View, index: int) -> Raw | UnsetType:
    """Return the timestamp of the smallest timestamped tree that has the entry, or unset.

    It has a proof of its own, so that the time stays the earliest if the rest is proven at a later tree head.
    """
    stamp = checkpoints.first_timestamp_covering(view.connection, index)
    published = checkpoints.published_at_size(view.connection, stamp.size) if stamp else None
    if stamp is None or published is None:
        return UNSET
    proof = _proof(view, index, stamp.size, published.note)
    return raw([StampedProof(proof=proof, response=encode_response(stamp.response))])


def _evidence(view: _View, index: int, head: _ProofHead) -> Evidence:
    entry = log.entry(view.connection, index)
    return Evidence(
        envelope=Raw(entry.envelope), payload=Raw(entry.payload), proof=_proof(view, index, head.size, head.note)
    )


def _authority(view: _View, entry: StoredEntry, head: _ProofHead) -> Raw | UnsetType:
    """Return the entries that prove the key's rights; unset for the ledger's own keys."""
    grant = view.authority.grants.get(entry.key_id)
    if grant is None:
        return UNSET
    revoked = grant.revoked is not None and grant.revoked < head.size
    return raw(
        AuthorityEvidence(
            agency=_evidence(view, view.authority.agencies[grant.agency_id].index, head),
            grant=_evidence(view, grant.granted, head),
            revocation=raw(_evidence(view, grant.revoked, head)) if revoked and grant.revoked is not None else UNSET,
        )
    )


def _admissions(view: _View, entries: Sequence[StoredEntry]) -> list[StoredEntry]:
    """Return the admissions of agencies that the events send something to and that have signed none of them."""
    agencies, signers = view.authority.agencies, {entry.agency for entry in entries}
    receivers = {agency for entry in entries for agency in receivers_of(log.payload_of(entry).body)} - signers
    indices = {agencies[agency].index for agency in receivers & agencies.keys()}
    return [log.entry(view.connection, index) for index in indices]


def _erasures(view: _View, entry: StoredEntry, labels: list[str], head: _ProofHead) -> tuple[Erasure, ...]:
    """Return the entries below the head that erased these sections."""
    if not labels:
        return ()
    event = EventRef(event_id=entry.event_id, payload_digest=entry.payload_digest)
    later = log.stream(view.connection, entry.stream_kind, entry.stream_id, after=entry.sequence)
    erased_at: dict[str, int] = {}
    for other in later:
        body = decode_payload(other.payload).body if other.event_type == "section.erased" else None
        # At this head a later erasure cannot be proven: the section is then only missing.
        if isinstance(body, record.SectionErased) and body.concerns == event and other.log_index < head.size:
            erased_at.setdefault(body.label, other.log_index)
    return tuple(
        Erasure(label=label, entry=_evidence(view, erased_at[label], head)) for label in labels if label in erased_at
    )


@contextmanager
def _readable(index: int) -> Iterator[None]:
    """Turn the refusal of what we built ourselves into what it is here: a broken store."""
    try:
        yield
    except (MalformedInput, ProofRefused, SignatureRefused) as error:
        raise IntegrityBroken(
            "entry {index} or what it rests on is not stored as it was signed: {error}",
            index=index,
            error=error,
            hint=CHANGED,
        ) from error


def _proven(
    encoded: bytes,
    report: ProofReport | CaseReport | PackageReport,
    events: Iterable[tuple[StoredEntry, ProofReport]],
    index: int,
) -> bytes:
    """Return the bytes, or raise IntegrityBroken for the first fault of an event, else of all at ``index``."""
    parts = [*((entry.log_index, event.faults) for entry, event in events), (index, report.faults)]
    for at, fault in ((at, fault) for at, faults in parts for fault in faults):
        raise IntegrityBroken(
            "entry {index} is not proven by what is stored: step {fault.number} ({fault.name}): {fault.detail}",
            index=at,
            fault=fault,
            hint=CHANGED,
        )
    return encoded
