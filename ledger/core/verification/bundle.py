"""Proof bundles: one file that proves one event, or a stream of events from its first on.

It may also prove, by a head map, that this is the whole stream, or that there is no such stream.

A ``tallystick/bundle@v1`` is canonical JSON. All of it stands under one tree head: ``entries`` of the log by their
index, and under them the ``nodes`` of the tree that lead from each to the root. What one entry says of another - that
its key was granted, or a section of it erased - is shown by carrying that entry too.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import MalformedInput
from ledger.core.ethereum.block_headers import MAX_HEADER_LENGTH
from ledger.core.ethereum.trie import MAX_NODE_LENGTH
from ledger.core.events import Envelope, Event, Payload, Section, Stream, decode_event
from ledger.core.events.payload import decode_envelope
from ledger.core.events.terms import Bytes32, KeyId, SafeInt, SectionLabel
from ledger.core.log.checkpoints import parse_checkpoint
from ledger.core.log.head_map import MAX_DEPTH
from ledger.core.log.merkle import Hash, leaf_hash, path_nodes
from ledger.core.log.notes import MAX_NOTE_LENGTH, decode_base64, parse_note
from ledger.core.log.tlog_proofs import TlogProof
from ledger.core.messages import Message
from ledger.core.trust.trust_file import ChainHistory

FORMAT: Literal["tallystick/bundle@v1"] = "tallystick/bundle@v1"
MAX_BUNDLE_LENGTH = 64 * 1024 * 1024  # bytes
MAX_STAMPS = 16
_HEX = r"^0x(?:[0-9a-f]{2})*$(?!\n)"
_NODE = r"^(?:0|[1-9][0-9]?)/(?:0|[1-9][0-9]{0,15})$(?!\n)"
_HASH = r"^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$(?!\n)"
canonical.MEANINGS[_HEX] = Message("bytes in lower-case hex, for example 0x00ff")
canonical.MEANINGS[_NODE] = Message("level and index of a node, for example 3/17")
canonical.MEANINGS[_HASH] = Message("32 bytes in base64")

HINT = (
    "Ask for the bundle again ('tally proof get', or GET /api/v1/events/{event_id}/proof), and keep the file as given."
)

# The lengths are bounds of what is read before anything is verified: a file may be of a stranger.
HeaderHex = Annotated[str, Meta(pattern=_HEX, max_length=2 + 2 * MAX_HEADER_LENGTH)]
NodeHex = Annotated[str, Meta(pattern=_HEX, max_length=2 + 2 * MAX_NODE_LENGTH)]
RecordNumber = Annotated[int, Meta(ge=1, le=2**53 - 1)]
Note = Annotated[str, Meta(max_length=MAX_NOTE_LENGTH)]
NodeName = Annotated[str, Meta(pattern=_NODE)]
NodeHash = Annotated[str, Meta(pattern=_HASH)]


class BundlePart(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a bundle: immutable, strict, absent optional fields left out."""


class BundleEntry(BundlePart, frozen=True, kw_only=True):
    """An entry of the log. ``payload`` unset: withheld.

    ``sections`` are those shown, of an entry that the bundle is about, beside its payload.
    """

    index: SafeInt
    envelope: Envelope
    payload: Payload[Raw] | UnsetType = UNSET
    sections: dict[SectionLabel, Section] = msgspec.field(default_factory=dict)


class Anchor(BundlePart, frozen=True, kw_only=True):
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
    block_note: Note | UnsetType = UNSET
    revocations: dict[KeyId, RecordNumber] = msgspec.field(default_factory=dict)


class MapLeaf(BundlePart, frozen=True, kw_only=True):
    """The state of the stream with this key in a head map."""

    key: Bytes32
    count: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    head: Bytes32


class MapProof(BundlePart, frozen=True, kw_only=True):
    """The place of the bundle's stream in the head map to which the entry ``index`` commits (``log.head_map``).

    ``siblings`` are those on the way to the root, the deepest first. ``leaf`` is the only stream below them, unset if
    there is none.
    """

    index: SafeInt
    siblings: Annotated[tuple[NodeHash, ...], Meta(max_length=MAX_DEPTH)] = ()
    leaf: MapLeaf | UnsetType = UNSET


class TreeStamp(BundlePart, frozen=True, kw_only=True):
    """An RFC 3161 timestamp of the tree head {``size``, ``root``}, which the bundle's own tree is consistent with.

    ``response`` is the TimeStampResp (DER, base64).
    """

    size: SafeInt
    root: NodeHash
    consistency: Annotated[tuple[NodeHash, ...], Meta(max_length=64)] = ()
    response: str


class BundleFile(BundlePart, frozen=True, kw_only=True):
    """The proof of the entry ``event``, of all entries of ``stream``, or that the log has no stream ``absent``.

    One of the three is set. ``map`` has the place of the stream; with ``absent`` it is set, with ``event`` it is not.
    ``note`` is the signed checkpoint, ``entries`` rise by index. ``nodes`` are hashes of the tree by level and index.
    """

    format: Literal["tallystick/bundle@v1"]
    log_id: Bytes32
    event: SafeInt | UnsetType = UNSET
    stream: Stream | UnsetType = UNSET
    absent: Stream | UnsetType = UNSET
    note: Note
    entries: Annotated[tuple[BundleEntry, ...], Meta(min_length=1)]
    nodes: dict[NodeName, NodeHash] = msgspec.field(default_factory=dict)
    map: MapProof | UnsetType = UNSET
    anchor: Anchor | UnsetType = UNSET
    timestamps: Annotated[tuple[TreeStamp, ...], Meta(max_length=MAX_STAMPS)] = ()


class ShownEntry(Struct, frozen=True, dict=True):
    """An entry of a bundle as it was read; ``data`` are the bytes of the envelope, ``sections`` canonical bytes.

    What the body of its payload says is not known: only its bytes were read.
    """

    index: int
    envelope: Envelope
    data: bytes
    payload: Payload[Raw] | None
    payload_bytes: bytes
    sections: dict[str, bytes]

    @property
    def leaf(self) -> Hash:
        """Return its hash in the tree."""
        return leaf_hash(self.data)

    def require_event(self) -> Event:
        """Return the event. Raises MalformedInput if it is withheld, or not as its event type demands."""
        return decode_event(self.data, self.payload_bytes)

    @cached_property
    def event(self) -> Event | None:
        """Return the event, None if ``require_event`` refuses it."""
        with suppress(MalformedInput):
            return self.require_event()
        return None


class Bundle(Struct, frozen=True):
    """A bundle as it was read; nothing of it is verified. ``entries`` are by their index, which rises."""

    parts: BundleFile
    entries: dict[int, ShownEntry]

    @property
    def subjects(self) -> tuple[ShownEntry, ...]:
        """Return the entries that the bundle is about."""
        if self.parts.event is not UNSET:
            return (self.entries[self.parts.event],)
        return tuple(entry for entry in self.entries.values() if entry.envelope.stream == self.parts.stream)

    def require_event(self) -> ShownEntry:
        """Return the one entry that the bundle is about. Raises MalformedInput if it is about a stream."""
        if self.parts.event is UNSET:
            raise MalformedInput("this bundle is about a stream, not one event", field="bundle.event", hint=HINT)
        return self.subjects[0]

    def require_absent(self) -> Stream:
        """Return the stream that the log does not have. Raises MalformedInput if the bundle is about another thing."""
        if self.parts.absent is UNSET:
            raise MalformedInput("this bundle is not about an absent stream", field="bundle.absent", hint=HINT)
        return self.parts.absent

    def require_stream(self, kind: str) -> str:
        """Return the id of the stream that the bundle is about. Raises MalformedInput if it is about another thing."""
        if self.parts.stream is UNSET or self.parts.stream.kind != kind:
            raise MalformedInput("expected a bundle of a stream of the kind {kind}", kind=kind, field="bundle.stream")
        return self.parts.stream.id


def decode_bundle(data: bytes) -> Bundle:
    """Decode the bytes of a bundle. Raises MalformedInput, which names the field.

    All of it must have its form, with every payload and section: a file of which a part cannot be read proves nothing.
    Bodies of payloads may be any objects: what their event types demand is a matter of conformity.
    """
    # Before it is read: the file may be of a stranger.
    if len(data) > MAX_BUNDLE_LENGTH:
        raise MalformedInput("expected at most {limit} bytes", limit=MAX_BUNDLE_LENGTH, field="bundle", hint=HINT)
    try:
        parts = canonical.decode(data, decoder_of(BundleFile), where="bundle")
        if (parts.event, parts.stream, parts.absent).count(UNSET) != 2:
            raise MalformedInput("expected one of event, stream and absent", field="bundle")
        # One event says nothing of a stream, and only a map says that there is none.
        if (parts.event is not UNSET and parts.map is not UNSET) or (parts.absent is not UNSET and parts.map is UNSET):
            raise MalformedInput("expected a map with absent, and none with event", field="bundle.map")
        entries = dict[int, ShownEntry]()
        last = -1
        for number, entry in enumerate(parts.entries):
            where = f"bundle.entries[{number}]"
            if entry.index <= last:
                raise MalformedInput("expected an index above {last}", last=last, field=f"{where}.index")
            entries[entry.index], last = _shown(entry, where), entry.index
        bundle = Bundle(parts, entries)
        if parts.event is not UNSET and parts.event not in entries:
            raise MalformedInput("expected the index of one of the entries", field="bundle.event")
        subjects = {entry.index for entry in bundle.subjects}
        if parts.absent is UNSET and not subjects:
            raise MalformedInput("none of the entries is of this stream", field="bundle.stream")
        if any(entry.envelope.stream == parts.absent for entry in entries.values()):
            raise MalformedInput("one of the entries is of this stream", field="bundle.absent")
        if parts.map is not UNSET and parts.map.index not in entries:
            raise MalformedInput("expected the index of one of the entries", field="bundle.map.index")
        for number, shown in enumerate(entries.values()):
            # No step compares them with what was committed to.
            if shown.sections and (shown.payload is None or shown.index not in subjects):
                where = f"bundle.entries[{number}].sections"
                raise MalformedInput("expected sections only beside the payload of a subject", field=where)
    except MalformedInput as error:
        error.hint = HINT
        raise
    return bundle


def _shown(entry: BundleEntry, where: str) -> ShownEntry:
    try:
        envelope_bytes = canonical.encode(entry.envelope)
        decode_envelope(envelope_bytes)  # which knows how long an entry may be
        payload, payload_bytes = None, b""
        if entry.payload is not UNSET:
            payload, payload_bytes = entry.payload, canonical.encode(entry.payload)
            body = bytes(payload.body)
            # Read as an event when somebody asks for it: a file with a body in a second spelling is none all the same.
            canonical.require_canonical(body, where="payload.body")
            if not body.startswith(b"{"):
                raise MalformedInput("expected an object", field="payload.body")
    except MalformedInput as error:
        error.field = f"{where}.{error.field}"
        raise
    sections = {label: canonical.encode(section) for label, section in entry.sections.items()}
    return ShownEntry(entry.index, entry.envelope, envelope_bytes, payload, payload_bytes, sections)


def tlog_proof_of(bundle: Bundle) -> str:
    """Return the C2SP tlog-proof of the one entry that a bundle is about, as its nodes give it.

    Raises MalformedInput if it is about a stream, or lacks a node.
    """
    index = bundle.require_event().index
    size = parse_checkpoint(parse_note(bundle.parts.note).text).size
    names = [node_name(*node) for node in path_nodes(index, size)] if index < size else []
    if index >= size or not bundle.parts.nodes.keys() >= set(names):
        raise MalformedInput("the bundle lacks a node of the tree", field="bundle.nodes", hint=HINT)
    hashes = decode_hashes(bundle.parts.nodes[name] for name in names)
    return TlogProof(index, hashes, bundle.parts.note).to_text()


def encode_bundle(file: BundleFile) -> bytes:
    """Encode a bundle. Requires payloads that are canonical."""
    return canonical.encode(file)


def node_name(level: int, index: int) -> str:
    """Return the name of a node of the tree in a bundle."""
    return f"{level}/{index}"


def nodes_of(indices: Iterable[int], size: int, proof_of: Callable[[int], Sequence[bytes]]) -> dict[NodeName, NodeHash]:
    """Return the nodes that lead from these entries to the root of the tree; ``proof_of`` is an inclusion proof."""
    nodes: dict[str, str] = {}
    for index in indices:
        for node, value in zip(path_nodes(index, size), proof_of(index), strict=True):
            nodes[node_name(*node)] = encode_hash(value)
    return nodes


def encode_hash(value: bytes) -> str:
    """Encode 32 bytes as a bundle holds them."""
    return b64encode(value).decode()


def decode_hashes(hashes: Iterable[str]) -> tuple[Hash, ...]:
    """Decode hashes of a bundle that was read."""
    return tuple(Hash(decode_base64(text, "nodes")) for text in hashes)
