"""Proof bundles: one file that proves one event, or a stream of events from its first on.

It may also prove, by a head map, that this is the whole stream, or that there is no such stream.

A ``tallystick/bundle@v1`` is canonical JSON. All of it stands under one tree head: ``entries`` of the log by their
index, and under them the ``nodes`` of the tree that lead from each to the root. What one entry says of another - that
its key was granted, or a section of it erased - is shown by carrying that entry too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, lru_cache
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw

from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import MalformedInput, ProofRefused
from ledger.core.ethereum.block_headers import MAX_HEADER_LENGTH
from ledger.core.ethereum.trie import MAX_NODE_LENGTH
from ledger.core.events import Envelope, Event, Payload, Section, Stream, require_digest
from ledger.core.events.payload import event_of, require_length, require_place
from ledger.core.events.terms import Bytes32, KeyId, SafeInt, SectionLabel, Value, text
from ledger.core.log.checkpoints import stated_checkpoint
from ledger.core.log.head_map import MAX_DEPTH, HeadProof, MapKey, MappedHead
from ledger.core.log.merkle import HASH_LENGTH, Hash, leaf_hash, path_nodes
from ledger.core.log.notes import MAX_NOTE_LENGTH
from ledger.core.log.tlog_proofs import TlogProof
from ledger.core.trust.trust_file import ChainHistory
from ledger.core.verification.report import NotChecked

FORMAT: Literal["tallystick/bundle@v1"] = "tallystick/bundle@v1"
MAX_BUNDLE_LENGTH = 64 * 1024 * 1024  # bytes
MAX_STAMPS = 16
ENTRIES_KEPT, KEPT_LENGTH = 512, 4096  # entries remembered, and the bytes of the longest among them
_OF_LEDGER = b'"stream":{"id":"ledger","kind":"system"}'  # in an entry of the ledger's own stream
HINT = (
    "Ask for the bundle again ('tally proof get', or GET /api/v1/events/{event_id}/proof), and keep the file as given."
)

# The lengths are bounds of what is read before anything is verified: a file may be of a stranger.
# By runs of 64 digits, which are read faster than pairs.
_HEX = text(r"0x(?:[0-9a-f]{64})*(?:[0-9a-f]{2}){0,31}", "bytes in lower-case hex", "0x00ff")
HeaderHex = Annotated[str, _HEX, Meta(max_length=2 + 2 * MAX_HEADER_LENGTH)]
NodeHex = Annotated[str, _HEX, Meta(max_length=2 + 2 * MAX_NODE_LENGTH)]
RecordNumber = Annotated[int, Meta(ge=1, le=2**53 - 1)]
Note = Annotated[str, Meta(max_length=MAX_NOTE_LENGTH)]
NodeName = Annotated[str, text(r"(?:0|[1-9][0-9]?)/(?:0|[1-9][0-9]{0,15})", "level and index of a node", "3/17")]
NodeHash = Annotated[Hash, Meta(min_length=HASH_LENGTH, max_length=HASH_LENGTH)]  # base64 in the file


class BundleEntry(Value, frozen=True, kw_only=True, dict=True):
    """An entry of the log. Without ``payload`` that is withheld.

    ``sections`` are those shown, of an entry that the bundle is about, beside its payload. What the body of the payload
    says is not known: only its bytes were read.
    """

    index: SafeInt
    envelope: Envelope
    payload: Payload[Raw] | None = None
    sections: dict[SectionLabel, Section] = msgspec.field(default_factory=dict)

    @cached_property
    def data(self) -> bytes:
        """Return the bytes of the envelope, which are the entry."""
        return canonical.encode(self.envelope)

    @cached_property
    def leaf(self) -> Hash:
        """Return its hash in the tree."""
        return leaf_hash(self.data)

    @cached_property
    def payload_bytes(self) -> bytes:
        """Return the bytes of the payload. They have no digest that is signed if it is withheld."""
        return canonical.encode(self.payload)

    def require_payload(self) -> None:
        """Accept the payload whose digest the envelope signs. Raises MalformedInput."""
        if self.event is None:  # an event has that digest
            require_digest(self.envelope, self.payload_bytes)

    def require_event(self) -> Event:
        """Return the event. Raises MalformedInput if it is withheld, or not as its event type demands."""
        return event_of(self.envelope, self.data, self.payload_bytes)

    @cached_property
    def event(self) -> Event | None:
        """Return the event, None if ``require_event`` refuses it."""
        try:
            return self.require_event()
        except MalformedInput:
            return None


class Anchor(Value, frozen=True, kw_only=True):
    """A record of a LogAnchor contract: what both contracts stored after one final block, and who vouches for it.

    The block is that of the record or a later one; its number and hash follow from the header. ``state`` holds nodes of
    the tries of its state (RLP), in any order: a reader finds each by its hash. ``block_note`` is a block note.
    ``revocations`` names for keys that were revoked before record ``number - 1`` the first record after that.
    """

    chain: ChainHistory
    contract: KeyId
    number: RecordNumber
    header: HeaderHex
    state: tuple[NodeHex, ...]
    block_note: Note | None = None
    revocations: dict[KeyId, RecordNumber] = msgspec.field(default_factory=dict)


class MapLeaf(Value, frozen=True, kw_only=True):
    """The state of the stream with this key in a head map."""

    key: Bytes32
    count: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    head: Bytes32


class MapProof(Value, frozen=True, kw_only=True):
    """The place of the bundle's stream in the head map to which the entry ``index`` commits (``log.head_map``).

    ``siblings`` are those on the way to the root, the deepest first. ``leaf`` is the only stream below them, None if
    there is none.
    """

    index: SafeInt
    siblings: Annotated[tuple[NodeHash, ...], Meta(max_length=MAX_DEPTH)] = ()
    leaf: MapLeaf | None = None

    @property
    def head_proof(self) -> HeadProof:
        """Return the place as the map's own proof has it."""
        if self.leaf is None:
            return HeadProof(self.siblings)
        key, head = (bytes.fromhex(digits[2:]) for digits in (self.leaf.key, self.leaf.head))
        return HeadProof(self.siblings, (MapKey(key), MappedHead(self.leaf.count, Hash(head))))


class TreeStamp(Value, frozen=True, kw_only=True):
    """An RFC 3161 timestamp of the tree head {``size``, ``root``}, which the bundle's own tree is consistent with.

    ``response`` is the TimeStampResp (DER, base64).
    """

    size: SafeInt
    root: NodeHash
    consistency: Annotated[tuple[NodeHash, ...], Meta(max_length=64)] = ()
    response: str


class _BesideEntries(Value, frozen=True, kw_only=True, dict=True):
    """The fields of a bundle but its entries."""

    format: Literal["tallystick/bundle@v1"]
    log_id: Bytes32
    event: SafeInt | None = None
    stream: Stream | None = None
    absent: Stream | None = None
    note: Note
    nodes: dict[NodeName, NodeHash] = msgspec.field(default_factory=dict)
    map: MapProof | None = None
    anchor: Anchor | None = None
    timestamps: Annotated[tuple[TreeStamp, ...], Meta(max_length=MAX_STAMPS)] = ()


class _UnreadBundle(_BesideEntries, frozen=True, kw_only=True):
    """A bundle of which the entries are bytes yet."""

    entries: Annotated[tuple[Raw, ...], Meta(min_length=1)]


class Bundle(_BesideEntries, frozen=True, kw_only=True):
    """The proof of the entry ``event``, of all entries of ``stream``, or that the log has no stream ``absent``.

    One of the three is set. ``map`` has the place of the stream; with ``absent`` it is set, with ``event`` it is not.
    ``note`` is the signed checkpoint, ``entries`` rise by index. ``nodes`` are hashes of the tree by level and index.
    Nothing of it is verified.
    """

    entries: Annotated[tuple[BundleEntry, ...], Meta(min_length=1)]

    @cached_property
    def subjects(self) -> tuple[BundleEntry, ...]:
        """Return the entries that the bundle is about."""
        return tuple(
            entry for entry in self.entries if entry.index == self.event or entry.envelope.stream == self.stream
        )

    def require_event(self) -> BundleEntry:
        """Return the one entry that the bundle is about. Raises MalformedInput if it is about a stream."""
        if self.event is None:
            raise MalformedInput("this bundle is about a stream, not one event", field="bundle.event", hint=HINT)
        return self.subjects[0]

    def require_absent(self) -> Stream:
        """Return the stream that the log does not have. Raises MalformedInput if the bundle is about another thing."""
        if self.absent is None:
            raise MalformedInput("this bundle is not about an absent stream", field="bundle.absent", hint=HINT)
        return self.absent

    def require_stream(self, kind: str | None = None) -> Stream:
        """Return the stream that the bundle is about. Raises MalformedInput if it is about another thing, or kind."""
        if self.stream is None:
            raise MalformedInput("this bundle is not about a stream", field="bundle.stream", hint=HINT)
        if kind is not None and self.stream.kind != kind:
            raise MalformedInput("expected a bundle of a stream of the kind {kind}", kind=kind, field="bundle.stream")
        return self.stream

    def inclusion_proof(self, index: int, size: int) -> tuple[Hash, ...]:
        """Return the inclusion proof of an entry in a tree of this size.

        Raises ProofRefused if there is no such leaf, NotChecked if a node is missing.
        """
        if index >= size:
            raise ProofRefused(
                "index {index} is not within a tree of {size} leaves", index=index, size=size, field="index"
            )
        names = [node_name(*node) for node in path_nodes(index, size)]
        for name in names:
            if name not in self.nodes:
                raise NotChecked("the bundle lacks the node {name} of the tree", name=name)
        return tuple(self.nodes[name] for name in names)


def decode_bundle(data: bytes) -> Bundle:
    """Decode the bytes of a bundle. Raises MalformedInput, which names the field.

    All of it must have its form, with every payload and section: a file of which a part cannot be read proves nothing.
    Bodies of payloads may be any objects: what their event types demand is a matter of conformity.
    """
    # Before it is read: the file may be of a stranger.
    if len(data) > MAX_BUNDLE_LENGTH:
        raise MalformedInput("expected at most {limit} bytes", limit=MAX_BUNDLE_LENGTH, field="bundle", hint=HINT)
    try:
        bundle = _decoded(data)
        if (bundle.event, bundle.stream, bundle.absent).count(None) != 2:
            raise MalformedInput("expected one of event, stream and absent", field="bundle")
        # One event says nothing of a stream, and only a map says that there is none.
        if (bundle.map and bundle.event is not None) or (bundle.absent and not bundle.map):
            raise MalformedInput("expected a map with absent, and none with event", field="bundle.map")
        if bundle.map and all(entry.index != bundle.map.index for entry in bundle.entries):
            raise MalformedInput("expected the index of one of the entries", field="bundle.map.index")
        subjects, last = {entry.index for entry in bundle.subjects}, -1
        if not subjects and not bundle.absent:
            raise MalformedInput("none of the entries is what the bundle is about", field="bundle.entries")
        for number, entry in enumerate(bundle.entries):
            if entry.index <= last:
                raise MalformedInput(
                    "expected an index above {last}", last=last, field=f"bundle.entries[{number}].index"
                )
            if entry.envelope.stream == bundle.absent:
                raise MalformedInput(
                    "this entry is of the stream that is absent", field=f"bundle.entries[{number}].envelope.stream"
                )
            # No step compares them with what was committed to.
            if entry.sections and (entry.payload is None or entry.index not in subjects):
                raise MalformedInput(
                    "expected sections only beside the payload of a subject", field=f"bundle.entries[{number}].sections"
                )
            last = entry.index
    except MalformedInput as error:
        error.hint = HINT
        raise
    return bundle


def _decoded(data: bytes) -> Bundle:
    """Decode a bundle, each entry by itself: those of the ledger's own stream stand in every bundle, and are kept."""
    unread = canonical.decode(data, decoder_of(_UnreadBundle), where="bundle")
    entries = list[BundleEntry]()
    for number, raw in enumerate(map(bytes, unread.entries)):
        try:
            entries.append((kept_entry if _OF_LEDGER in raw and len(raw) <= KEPT_LENGTH else _entry)(raw))
        except MalformedInput as error:
            # A refusal says where in the whole file the fault is.
            canonical.decode(data, decoder_of(Bundle), where="bundle")
            error.field = f"bundle.entries[{number}].{error.field}"
            raise
    shared = {name: getattr(unread, name) for name in unread.__struct_fields__}
    return Bundle(**shared | {"entries": tuple(entries)})


def _entry(data: bytes) -> BundleEntry:
    """Decode an entry that is no longer than one may be, with a body that is an object, whatever is in it."""
    entry = canonical.parse(data, decoder_of(BundleEntry))
    canonical.require_same(data, canonical.encode(entry))
    require_length(entry.data)
    require_place(entry.envelope)
    # What is read as an event is canonical. A file with another body in a second spelling is none all the same.
    if entry.payload and entry.event is None:
        canonical.require_canonical(bytes(entry.payload.body), where="payload.body")
        if not bytes(entry.payload.body).startswith(b"{"):
            raise MalformedInput("expected an object", field="payload.body")
    return entry


kept_entry = lru_cache(maxsize=ENTRIES_KEPT)(_entry)


def tlog_proof_of(bundle: Bundle) -> str:
    """Return the C2SP tlog-proof of the one entry that a bundle is about, as its nodes give it.

    Raises MalformedInput if it is about a stream, or lacks a node; ProofRefused if the tree does not have the entry.
    """
    index, size = bundle.require_event().index, stated_checkpoint(bundle.note).size
    try:
        return TlogProof(index, bundle.inclusion_proof(index, size), bundle.note).to_text()
    except NotChecked as gap:
        raise MalformedInput(gap.why, field="bundle.nodes", hint=HINT) from gap


def encode_bundle(bundle: Bundle) -> bytes:
    """Encode a bundle. Requires payloads that are canonical."""
    return canonical.encode(bundle)


def node_name(level: int, index: int) -> str:
    """Return the name of a node of the tree in a bundle."""
    return f"{level}/{index}"


def nodes_of(indices: Iterable[int], size: int, proof_of: Callable[[int], Sequence[bytes]]) -> dict[NodeName, NodeHash]:
    """Return the nodes that lead from these entries to the root of the tree; ``proof_of`` is an inclusion proof."""
    return {
        node_name(*node): Hash(value)
        for index in indices
        for node, value in zip(path_nodes(index, size), proof_of(index), strict=True)
    }
