"""Proof bundles: one JSON file with everything about an event that a verifier does not have already.

A ``tallystick/bundle@v1`` holds one event, a ``tallystick/case-bundle@v1`` all events of a case. Signed parts travel as
JSON objects and count by their canonical bytes, so a file may be indented; a key that occurs twice is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import MalformedInput
from ledger.core.events.terms import Bytes32, CaseId, KeyId, SectionLabel
from ledger.core.messages import Message
from ledger.core.verification.trust import ChainHistory

T = TypeVar("T")

MAX_BUNDLE_LENGTH = 4 * 1024 * 1024  # bytes
MAX_CARRIED = 256  # entries about procedures in a case bundle
PARTS_KEPT = 512  # decoded parts in the cache: many bundles share them
_HEX = r"^0x(?:[0-9a-f]{2})*$(?!\n)"
canonical.MEANINGS[_HEX] = Message("bytes in lower-case hex, for example 0x00ff")

HINT = (
    "Ask for the bundle again ('tally proof get', or GET /api/v1/events/{event_id}/proof), and keep the file as given."
)

HexBytes = Annotated[str, Meta(pattern=_HEX)]
RecordNumber = Annotated[int, Meta(ge=1, le=2**53 - 1)]
Nodes = Annotated[tuple[HexBytes, ...], Meta(max_length=65)]  # of a trie, from its root down


class BundlePart(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A part of a bundle: immutable, strict, absent optional fields left out."""


class Evidence(BundlePart, frozen=True):
    """Another entry of the same log, whole: envelope, payload and the tlog-proof that includes it."""

    envelope: Raw
    payload: Raw
    proof: str


class AuthorityEvidence(BundlePart, frozen=True):
    """The mirror entries that make the key the agency's; ``revocation`` (an Evidence) if it was revoked since.

    The revocation is Raw because it is optional: the step on revocation reads it, so a bad one spoils no other step.
    """

    agency: Evidence
    grant: Evidence
    revocation: Raw | UnsetType = UNSET


class Erasure(BundlePart, frozen=True):
    """The ``section.erased`` event by which the section ``label`` is no longer kept."""

    label: SectionLabel
    entry: Evidence


class SlotProof(BundlePart, frozen=True):
    """An EIP-1186 proof of one slot; ``proof`` holds RLP nodes from the root of the contract's storage down."""

    key: Bytes32
    value: Bytes32
    proof: Nodes


class ContractProof(BundlePart, frozen=True):
    """A contract's account and slots in one state (EIP-1186); ``account_proof`` starts at the state's root."""

    account_proof: Nodes
    storage_proof: Annotated[tuple[SlotProof, ...], Meta(max_length=16)]


class Anchor(BundlePart, frozen=True):
    """A record of a LogAnchor contract: what both contracts stored after one final block, and who vouches for it.

    The block is that of the record or a later one; its number and hash follow from the header. ``block_note`` is the
    text of a block note. It is Raw because it is optional: one that is not a text counts for nothing, and spoils
    nothing.
    """

    chain: ChainHistory
    contract: KeyId
    number: RecordNumber
    header_rlp: HexBytes
    anchor: ContractProof
    registry: ContractProof
    block_note: Raw | UnsetType = UNSET


class StampedProof(BundlePart, frozen=True):
    """An RFC 3161 timestamp of a checkpoint: a tlog-proof under it, and the TimeStampResp (DER, base64)."""

    proof: str
    response: str


class Bundle(BundlePart, frozen=True):
    """The proof of one event. ``payload`` unset: withheld; ``sections`` are those shown.

    Raw are the signed parts, and those that many bundles share: ``authority`` (an AuthorityEvidence), ``anchor`` (an
    Anchor), ``timestamps`` (a list of StampedProof). The verifier reads them in their steps.
    """

    format: Literal["tallystick/bundle@v1"]
    log_id: Bytes32
    envelope: Raw
    proof: str
    payload: Raw | UnsetType = UNSET
    sections: dict[SectionLabel, Raw] = msgspec.field(default_factory=dict)
    erased: Annotated[tuple[Erasure, ...], Meta(max_length=64)] = ()
    authority: Raw | UnsetType = UNSET
    anchor: Raw | UnsetType = UNSET
    timestamps: Raw | UnsetType = UNSET


class CaseBundle(BundlePart, frozen=True):
    """The bundles of all events of one case, in the order of their sequence.

    ``procedures`` are bundles of the entries by which the versions of its procedure were published and adopted. They
    are for the statement on conformity alone: one that is spoiled spoils nothing else.
    """

    format: Literal["tallystick/case-bundle@v1"]
    log_id: Bytes32
    case_id: CaseId
    events: Annotated[tuple[Raw, ...], Meta(min_length=1)]
    procedures: Annotated[tuple[Raw, ...], Meta(max_length=MAX_CARRIED)] = ()


_timestamps_decoder = decoder_of(Annotated[tuple[StampedProof, ...], Meta(max_length=16)])
# Paths of parts that their own step reads and refuses: a bundle with a spoiled payload is still a bundle.
_DEFERRED = re.compile(
    r"\.(?:(?:(?:erased\[\d+\]\.entry|agency|grant)\.)?(?:envelope|payload)"
    r"|authority|revocation|anchor|block_note|timestamps|sections\.[^.[]+|(?:events|publications|procedures)\[\d+\])[.[]"
)
_tree_decoder: msgspec.json.Decoder[object] = msgspec.json.Decoder()


def decode_bundle(data: bytes) -> Bundle:
    """Decode the bytes of a bundle file, except its signed parts. Raises MalformedInput, which names the field.

    All of the file must be I-JSON, including the parts that steps read later.
    """
    require_length(data, MAX_BUNDLE_LENGTH, "bundle")
    try:
        canonical.require_i_json(data, where="bundle")
    except MalformedInput as error:
        error.hint = HINT
        raise
    return read_file(data, decoder_of(Bundle), "bundle")


def decode_case_bundle(data: bytes) -> CaseBundle:
    """Decode the bytes of a case bundle, except its events. Raises MalformedInput, which names the field."""
    return read_file(data, decoder_of(CaseBundle), "case_bundle")


def require_length(data: bytes, limit: int, where: str, hint: str = HINT) -> None:
    """Accept a file of at most ``limit`` bytes. Raises MalformedInput."""
    if len(data) > limit:
        raise MalformedInput("expected at most {limit} bytes", limit=limit, field=where, hint=hint)


def read_file(data: bytes, decoder: msgspec.json.Decoder[T], where: str, hint: str = HINT) -> T:
    """Decode a file, except the parts that steps read later. Raises MalformedInput, which names the field."""
    try:
        value = canonical.parse(data, decoder, where=where)
        # A canonical text has no key twice, so only another spelling is searched for one.
        if canonical.encode(value) != data:
            canonical.require_distinct_keys(data, where=where, apart=_DEFERRED)
    except MalformedInput as error:
        error.hint = error.hint or hint
        raise
    return value


def encode_bundle(bundle: Bundle | CaseBundle) -> bytes:
    """Encode a bundle as canonical bytes. Requires raw parts that are canonical."""
    return canonical.encode(bundle)


def raw(part: BundlePart | Sequence[BundlePart] | str) -> Raw:
    """Encode a part as a bundle holds it."""
    return Raw(canonical.encode(part))


@lru_cache(maxsize=PARTS_KEPT)
def read_authority(data: bytes) -> AuthorityEvidence:
    """Decode the evidence of a key's grant. Raises MalformedInput, which names the field."""
    return read_file(data, decoder_of(AuthorityEvidence), "authority")


@lru_cache(maxsize=PARTS_KEPT)
def read_revocation(data: bytes) -> Evidence:
    """Decode the evidence that a key was revoked. Raises MalformedInput, which names the field."""
    return read_file(data, decoder_of(Evidence), "authority.revocation")


@lru_cache(maxsize=PARTS_KEPT)
def read_anchor(data: bytes) -> Anchor:
    """Decode the anchor of a tree head. Raises MalformedInput, which names the field."""
    return read_file(data, decoder_of(Anchor), "anchor")


@lru_cache(maxsize=PARTS_KEPT)
def read_block_note(data: bytes) -> str:
    """Decode the text of a block note. Raises MalformedInput, which names the field."""
    return read_file(data, decoder_of(str), "anchor.block_note")


@lru_cache(maxsize=PARTS_KEPT)
def read_timestamps(data: bytes) -> tuple[StampedProof, ...]:
    """Decode the timestamps of an entry. Raises MalformedInput, which names the field."""
    return read_file(data, _timestamps_decoder, "timestamps")


def read_part(part: bytes | Raw, decode: Callable[[bytes], T], where: str) -> tuple[T, bytes]:
    """Decode a signed part in whatever spelling the file has; return it with its canonical bytes.

    ``decode`` accepts canonical bytes only. Raises MalformedInput.
    """
    data = bytes(part)
    try:
        return decode(data), data
    except MalformedInput:
        canonical.require_distinct_keys(data, where=where)
        canonical_bytes = canonical.encode(canonical.parse(data, _tree_decoder, where=where))
        return decode(canonical_bytes), canonical_bytes
