"""Building of proof bundles from the store; each is verified before it is handed out.

A bundle is made at the largest anchored size that is final, if that covers what it is about; else at the largest size
that a quorum of witnesses has co-signed; else at the present size.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, Protocol

from msgspec import Raw, Struct

from ledger.chain.journal import ChainWrite
from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import (
    Conflict,
    IntegrityBroken,
    MalformedInput,
    NotFound,
    ProofRefused,
    SignatureRefused,
    Unavailable,
)
from ledger.core.ethereum.block_headers import read_header
from ledger.core.events import NAME_OF, Payload, Stream, decode_envelope, record
from ledger.core.events.record import HeadsMapped
from ledger.core.events.supervision import LeadRaised
from ledger.core.events.terms import EventRef
from ledger.core.log import merkle
from ledger.core.log.checkpoints import verify_checkpoint
from ledger.core.log.head_map import MAPPED, PageChanged, map_key, state_in
from ledger.core.log.merkle import Hash, NodeReader
from ledger.core.log.tiles import TileNodes
from ledger.core.procedure.adoption import Procedures
from ledger.core.signing.authority import AuthorityState
from ledger.core.supervision.model_package import verify_package
from ledger.core.trust.trust_file import Trust, TrustedChain
from ledger.core.verification.bundle import (
    FORMAT,
    MAX_BUNDLE_LENGTH,
    Anchor,
    Bundle,
    BundleEntry,
    MapLeaf,
    MapProof,
    TreeStamp,
    encode_bundle,
    nodes_of,
)
from ledger.core.verification.case import receivers_of, verify_case
from ledger.core.verification.chain import ObservedBlock
from ledger.core.verification.heads import verify_absence
from ledger.core.verification.report import CheckedStep, Report
from ledger.core.verification.verify import verify_event
from ledger.recording.publisher import Publisher
from ledger.recording.registry_view import Registry
from ledger.store import checkpoints, head_map, log
from ledger.store.chain_journal import DatabaseJournal
from ledger.store.database import CHANGED, Connection, Database
from ledger.store.head_map import MapState
from ledger.store.log import StoredEntry, TreeState
from ledger.workers.pool import TooCostly

Withheld = Literal["payload", "sections"]  # a payload is withheld with its sections


class RecordedHead(Struct, frozen=True):
    """A tree head that is final on the chain: record ``number`` of the contracts' LogAnchor, made by ``write``."""

    write: ChainWrite
    contracts: TrustedChain
    number: int
    size: int
    root: bytes


class StateSource(Protocol):
    """Returns proofs of contract state."""

    def anchor(self, recorded: RecordedHead, key_ids: Collection[str]) -> Anchor | None:
        """Return the proof of the record and the keys' grants in a final block's state; None if it cannot be had.

        A key that cannot be proven is left out.
        """


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
    heads: Iterator[_ProofHead]


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
            file = self._file(connection, [entry], entry.log_index, withheld, agencies=_agencies_of_lead(entry))
        encoded = encode_bundle(file)
        with _readable(entry.log_index):
            report = verify_event(encoded, self._trust(), observed=blocks_of(file)).report
        return _proven(encoded, report, [(entry, report)])

    def case_bundle(self, case_id: str, withheld: Withheld | None = None) -> bytes:
        """Return the bundle of a case with all its events.

        Raises as ``bundle``, and TooCostly if it were larger than a bundle may be.
        """
        with self._database.read() as connection:
            entries = log.stream(connection, "case", case_id)
            if not entries:
                raise NotFound("no case {case_id}", case_id=case_id, field="case_id")
            # Payloads and sections stand in it as they are stored: of a case that is far too large nothing is built.
            payloads = 0 if withheld == "payload" else sum(len(entry.payload) for entry in entries)
            sections = 0 if withheld else sum(log.lengths_of_sections(connection, entries).values())
            _require_length(payloads + sections)
            stream = Stream(kind="case", id=case_id)
            others = self._of_procedure(connection, entries)
            agencies = {agency for entry in entries for agency in receivers_of(log.event_of(entry).body)}
            file = self._file(connection, entries, stream, withheld, others=others, agencies=agencies)
        encoded = encode_bundle(file)
        _require_length(len(encoded))
        with _readable(entries[0].log_index):
            report = verify_case(encoded, self._trust(), self._initial_procedures(), observed=blocks_of(file))
        return _proven(encoded, report, zip(entries, report.events, strict=True))

    def absence(self, stream: Stream) -> bytes:
        """Return the bundle that shows that the log has no such stream.

        Raises Conflict if it has, and Unavailable before the first head map is in a tree that can be proven.
        """
        with self._database.read() as connection:
            if log.head(connection, stream.kind, stream.id):
                raise Conflict(
                    "the log has {stream.kind} {stream.id}",
                    stream=stream,
                    code="stream_exists",
                    hint="Fetch the proofs of its events instead ('tally proof get').",
                )
            view = self._view(connection)
            places = ((head, _place_in_map(view, head, stream, ())) for head in view.heads)
            head, place = next(((head, place) for head, place in places if place is not None), (None, None))
            if head is None or place is None:
                raise Unavailable("no head map is in the log yet", code="no_head_map", retry_after=60)
            commitment = log.entry(connection, place.index)
            shown = {place.index: _entry(view, commitment, "payload")}
            file = self._under(view, head, shown, absent=stream, map=place)
        encoded = encode_bundle(file)
        with _readable(place.index):
            report = verify_absence(encoded, self._trust(), observed=blocks_of(file))
        return _proven(encoded, report, [(commitment, report)])

    def cose_receipt(self, index: int, note: str) -> bytes:
        """Return the COSE receipt of the entry at ``index``, in the tree of a checkpoint's note that this log signed.

        Requires an index below the size of that tree. Raises IntegrityBroken if the store does not prove the entry.
        """
        with _readable(index), self._database.read() as connection:
            head = verify_checkpoint(note, self._trust().log_key_of(note))
            entry = log.entry(connection, index)
            nodes = TileNodes(head.size, log.tile_reader(connection))
            return self._publisher.cose_receipt(entry.envelope, index, head, nodes)

    def _initial_procedures(self) -> Procedures:
        """Return the procedures that are in force without an adoption in the log."""
        return Procedures(tuple(version for version in self._procedures().versions if version.index < 0))

    def _of_procedure(self, connection: Connection, entries: Sequence[StoredEntry]) -> list[StoredEntry]:
        """Return all adoptions before a case's last event, and the texts of its own procedure, in the log's order."""
        procedure_id = getattr(log.event_of(entries[0]).body, "procedure", None)
        adopted = [version for version in self._procedures().versions if 0 <= version.index < entries[-1].log_index]
        own = [version for version in adopted if version.book and version.book.procedure.id == procedure_id]
        texts = log.publications(connection, {version.digest for version in own})
        indices = {*(version.index for version in adopted), *(entry.log_index for entry in texts.values())}
        return [log.entry(connection, index) for index in sorted(indices)]

    def package(self, event_id: str) -> bytes:
        """Return the package of a model: its stream up to the publication of a version. Raises as ``bundle``."""
        with self._database.read() as connection:
            last = log.entry_by_event_id(connection, event_id)
            stream = Stream(kind="supervision", id=last.stream_id)
            entries = log.stream(connection, stream.kind, stream.id, limit=last.sequence + 1)
            file = self._file(connection, entries, stream, "sections")
        encoded = encode_bundle(file)
        with _readable(entries[-1].log_index):
            report = verify_package(encoded, self._trust(), observed=blocks_of(file))
        return _proven(encoded, report, zip(entries, report.events, strict=True))

    def latest_anchor(self) -> RecordedHead | None:
        """Return the last proven anchor; None also if the trust file does not name its chain yet."""
        write = self._journal.last_proven_anchor()
        chains = {chain.chain_id: chain for chain in self._trust().chains}
        if write is None or write.anchored is None or write.chain_id not in chains:
            return None
        # Only this service anchors, so the n-th confirmed anchor is record n.
        number = self._journal.count_confirmed_anchors(write)
        return RecordedHead(write, chains[write.chain_id], number, write.anchored.size, write.anchored.root)

    def _view(self, connection: Connection) -> _View:
        tree = log.tree(connection)
        self._publisher.require_newest_keys(tree)
        nodes = TileNodes(tree.size, log.tile_reader(connection))
        authority = self._registry.at(connection, tree.registry_changes)
        return _View(connection, nodes, authority, self._heads(connection, tree, nodes))

    def _heads(self, connection: Connection, tree: TreeState, nodes: NodeReader) -> Iterator[_ProofHead]:
        """Yield the tree heads to prove at; a later one costs nothing where an earlier one does."""
        recorded = self.latest_anchor()
        # The best first: the chain's record outweighs the witnesses, and they the service's own word.
        if recorded is not None and recorded.size <= tree.size:
            note = self._note(connection, recorded.size, recorded.root, nodes)
            yield _ProofHead(recorded.size, note, recorded)
        witnessed = checkpoints.last_witnessed(connection)
        if witnessed is not None and witnessed.size <= tree.size:
            yield _ProofHead(witnessed.size, witnessed.note)
        yield _ProofHead(tree.size, self._note(connection, tree.size, tree.root, nodes))

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
        self._publisher.require_durable(self._database, size, stored)
        return self._publisher.checkpoint(size, root)

    def _file(
        self,
        connection: Connection,
        subjects: Sequence[StoredEntry],
        about: int | Stream,
        withheld: Withheld | None,
        *,
        others: Iterable[StoredEntry] = (),
        agencies: Collection[str] = (),
    ) -> Bundle:
        """Return the bundle of these entries under the best tree head that has the last of them.

        ``others`` go with them, below the last one, and the admissions of ``agencies``.
        """
        view = self._view(connection)
        head = next(head for head in view.heads if subjects[-1].log_index < head.size)
        shown = {entry.log_index: _entry(view, entry, withheld) for entry in subjects}
        for entry in subjects:
            for erasure in _erasures(view, entry, head) if withheld is None else ():
                shown.setdefault(erasure.log_index, _entry(view, erasure, "sections"))
        shown = {entry.log_index: _entry(view, entry, "sections") for entry in others} | shown
        keys = sorted({entry.key_id for entry in subjects} & view.authority.grants.keys())
        for index in _mirror_of(view.authority, keys, agencies, head):
            shown.setdefault(index, _entry(view, log.entry(connection, index), "sections"))
        parts: dict[str, Any] = {"timestamps": _timestamps(view, subjects, head.size)}
        if isinstance(about, int):
            parts["event"] = about
        else:
            parts["stream"] = about
            place = _place_in_map(view, head, about, subjects)
            if place is not None:
                shown.setdefault(place.index, _entry(view, log.entry(connection, place.index), "payload"))
                parts["map"] = place
        return self._under(view, head, shown, keys, **parts)

    def _under(
        self, view: _View, head: _ProofHead, shown: Mapping[int, BundleEntry], keys: Collection[str] = (), **parts: Any
    ) -> Bundle:
        """Return the bundle of these entries under a tree head; the anchor proves the grants of ``keys`` too."""
        if head.recorded is not None and self._states is not None:
            anchor = self._states.anchor(head.recorded, keys)
            parts["anchor"] = anchor
        return Bundle(
            format=FORMAT,
            log_id=self._trust().log_id_text,
            note=head.note,
            entries=tuple(shown[index] for index in sorted(shown)),
            nodes=nodes_of(shown, head.size, lambda index: merkle.inclusion_proof(index, head.size, view.nodes)),
            **parts,
        )


def _agencies_of_lead(entry: StoredEntry) -> set[str]:
    """Return the agencies that a lead names, none of another event: who finds it again asks for their jurisdictions."""
    body = log.event_of(entry).body if entry.event_type == NAME_OF[LeadRaised] else None
    return {body.supervised, body.supervising} if isinstance(body, LeadRaised) else set()


def blocks_of(file: Bundle) -> tuple[ObservedBlock, ...]:
    """Return the block of the anchor in a bundle of this service, whose own node said that it is final."""
    if file.anchor is None:
        return ()
    header = read_header(bytes.fromhex(file.anchor.header[2:]))
    return (ObservedBlock(file.anchor.chain, header.number, "0x" + header.hash.hex(), is_final=True),)


def _entry(view: _View, entry: StoredEntry, withheld: Withheld | None) -> BundleEntry:
    sections = log.decoded_sections(view.connection, entry) if withheld is None else {}
    with _readable(entry.log_index):
        envelope = decode_envelope(entry.envelope)
        payload = canonical.parse(entry.payload, decoder_of(Payload[Raw]), where="payload")
    return BundleEntry(
        index=entry.log_index,
        envelope=envelope,
        payload=None if withheld == "payload" else payload,
        sections={label: section for label, section in sections.items() if section is not None},
    )


def _place_in_map(view: _View, head: _ProofHead, stream: Stream, entries: Sequence[StoredEntry]) -> MapProof | None:
    """Return the place of a stream in the last head map below a tree head.

    None if there is no such map, if its pages are not kept, or if it has other events than these: of a stream of which
    a part is shown, it would say no more than that.
    """
    commitment = log.last_system_entry(view.connection, MAPPED, below=head.size)
    body = None if commitment is None else log.event_of(commitment).body
    if commitment is None or not isinstance(body, HeadsMapped):
        return None
    size = commitment.log_index
    if head_map.state(view.connection).size < size:
        return None  # the map is being made
    key = map_key(stream)
    try:
        proof = head_map.map_at(view.connection, MapState(size, Hash(bytes.fromhex(body.root[2:])))).prove(key)
    except PageChanged:  # the next commitment makes the map anew
        return None
    state = state_in(key, proof)
    if (state.count if state else 0) != sum(entry.log_index < size for entry in entries):
        return None
    leaf: MapLeaf | None = None
    if proof.leaf is not None:
        leaf_key, at_leaf = proof.leaf
        leaf = MapLeaf(key="0x" + leaf_key.hex(), count=at_leaf.count, head="0x" + at_leaf.head.hex())
    return MapProof(index=size, siblings=proof.siblings, leaf=leaf)


def _mirror_of(
    authority: AuthorityState, keys: Iterable[str], agencies: Collection[str], head: _ProofHead
) -> Iterator[int]:
    """Yield the indices of the entries that mirror grants and revocations of keys, and admissions of agencies."""
    grants = [authority.grants[key_id] for key_id in keys]
    for agency_id in {*agencies, *(grant.agency_id for grant in grants)} & authority.agencies.keys():
        if authority.agencies[agency_id].index < head.size:
            yield authority.agencies[agency_id].index
    for grant in grants:
        yield grant.granted
        if grant.revoked is not None and grant.revoked < head.size:
            yield grant.revoked


def _timestamps(view: _View, subjects: Sequence[StoredEntry], size: int) -> tuple[TreeStamp, ...]:
    """Return the timestamps of the smallest timestamped trees that have the first and the last of the entries."""
    stamps: dict[int, TreeStamp] = {}
    for index in (subjects[0].log_index, subjects[-1].log_index):
        stamp = checkpoints.first_timestamp_covering(view.connection, index)
        # A later tree than that of the bundle cannot be shown to begin with it.
        if stamp is not None and stamp.size <= size:
            path = merkle.consistency_proof(stamp.size, size, view.nodes)
            stamps[stamp.size] = TreeStamp(
                size=stamp.size,
                root=merkle.frontier_at(stamp.size, view.nodes).root(),
                consistency=path,
                response=b64encode(stamp.response).decode(),
            )
    return tuple(stamps[size] for size in sorted(stamps))


def _erasures(view: _View, entry: StoredEntry, head: _ProofHead) -> Iterator[StoredEntry]:
    """Yield the entries below the head that erased sections of an entry."""
    sections = log.sections(view.connection, entry.log_index)
    erased = {label for label, data in sections.items() if data is None}
    if not erased:
        return
    event = EventRef(event_id=entry.event_id, payload_digest=entry.payload_digest)
    for later in log.stream(view.connection, entry.stream_kind, entry.stream_id, after=entry.sequence):
        body = log.event_of(later).body if later.event_type == "section.erased" else None
        # At this head a later erasure cannot be proven: the section is then only missing.
        if not isinstance(body, record.SectionErased) or body.concerns != event or later.log_index >= head.size:
            continue
        if body.label in erased:
            erased.remove(body.label)
            yield later


def _require_length(length: int) -> None:
    if length > MAX_BUNDLE_LENGTH:
        raise TooCostly(
            "the bundle of all events would have more than {limit} bytes",
            limit=MAX_BUNDLE_LENGTH,
            code="bundle_too_large",
            field="withhold",
            hint="Leave the sections out (withhold=sections, --withhold sections), and fetch the bundle of each event "
            "whose sections you need.",
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


def _proven(encoded: bytes, report: Report, events: Iterable[tuple[StoredEntry, Report]]) -> bytes:
    """Return the bytes, or raise IntegrityBroken for the first fault of an event, else of all at the last one."""
    index = 0
    faults = list[tuple[int, CheckedStep]]()
    for entry, event in events:
        index = entry.log_index
        faults += ((index, fault) for fault in event.refusals)
    for at, fault in (*faults, *((index, fault) for fault in report.refusals)):
        raise IntegrityBroken(
            "entry {index} is not proven by what is stored: step {fault.number} ({fault.name}): {fault.detail}",
            index=at,
            fault=fault,
            hint=CHANGED,
        )
    return encoded
