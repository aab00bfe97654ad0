"""Requests of logs to witnesses, and their answers.

C2SP tlog-witness for notes; JSON of our own for the contract, which C2SP does not cover.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TypeVar

from msgspec import Struct

from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import MalformedInput
from ledger.core.events.terms import Bytes32, KeyId, SafeInt, SignatureText
from ledger.core.log.checkpoints import parse_size
from ledger.core.log.merkle import MAX_PROOF_LENGTH, Hash, as_hash
from ledger.core.log.notes import MAX_NOTE_LENGTH, decode_base64

ADD_CHECKPOINT = "/add-checkpoint"
COSIGN_ANCHOR = "/cosign-anchor"
COSIGN_BLOCK = "/cosign-block"
ADD_ENTRIES = "/add-entries"
MIRROR = "/mirror"  # the prefix of what a mirror serves
SIZE_MEDIA_TYPE = "text/x.tlog.size"
MIRROR_INFO_MEDIA_TYPE = "text/x.tlog.mirror-info"
MAX_ADD_CHECKPOINT = MAX_NOTE_LENGTH + 4096  # bytes: the note, the old size and 63 lines of proof
_OLD = "old "


class AddCheckpoint(Struct, frozen=True):
    """A log's request that a witness advance from its tree of size ``old`` to that of the signed ``note``."""

    old: int
    proof: tuple[Hash, ...]
    note: str

    def body(self) -> bytes:
        """Return the body of the request."""
        lines = [f"{_OLD}{self.old}", *(b64encode(sibling).decode() for sibling in self.proof), "", self.note]
        return "\n".join(lines).encode()


class AddEntries(Struct, frozen=True):
    """A request to a mirror to serve the tree of size ``end``, without the entry packages that may follow it.

    They are of the entries from ``start`` on; there are none if it is ``end``.
    """

    origin: str
    start: int
    end: int
    ticket: bytes = b""

    def body(self) -> bytes:
        """Return the body of the request, without packages."""
        origin = self.origin.encode()
        numbers = self.start.to_bytes(8, "big") + self.end.to_bytes(8, "big")
        return _counted(origin) + numbers + _counted(self.ticket)


class CosignAnchor(Struct, frozen=True, forbid_unknown_fields=True):
    """A log's request for a co-signature that the contract ``anchor`` of a chain accepts."""

    chain_id: SafeInt
    anchor: KeyId
    size: SafeInt
    root: Bytes32
    registry_hash: Bytes32


class AnchorCosignature(Struct, frozen=True, forbid_unknown_fields=True):
    """The ``signature`` (r || s || v) of ``account`` over the contract's EIP-712 ``Checkpoint``."""

    account: KeyId
    signature: SignatureText


class CosignBlock(Struct, frozen=True, forbid_unknown_fields=True):
    """A log's request that a witness vouch for a block of the chain that holds the contract ``anchor``."""

    chain_id: SafeInt
    anchor: KeyId
    block_number: SafeInt
    block_hash: Bytes32


R = TypeVar("R", CosignAnchor, CosignBlock)


def parse_add_checkpoint(body: bytes) -> AddCheckpoint:
    """Parse a request's body, but not the note in it. Raises MalformedInput."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise MalformedInput("expected text in UTF-8", field="body") from error
    head, separator, note = text.partition("\n\n")
    first, *lines = head.split("\n")
    if not separator or not first.startswith(_OLD):
        raise MalformedInput("expected 'old <size>', lines of proof, an empty line, a signed checkpoint", field="old")
    # Before any is decoded: no tree has a longer proof.
    if len(lines) > MAX_PROOF_LENGTH:
        raise MalformedInput("expected at most {limit} lines of proof", limit=MAX_PROOF_LENGTH, field="proof")
    proof = tuple(as_hash(decode_base64(line, "proof"), "proof") for line in lines)
    return AddCheckpoint(parse_size(first.removeprefix(_OLD), "old"), proof, note)


def parse_add_entries(data: bytes) -> AddEntries | None:
    """Parse how a request to a mirror begins; return None while it is not whole. Raises MalformedInput."""
    origin_end = 2 + int.from_bytes(data[:2], "big")
    ticket_start = origin_end + 18
    ticket_end = ticket_start + int.from_bytes(data[ticket_start - 2 : ticket_start], "big")
    if len(data) < max(ticket_start, ticket_end):
        return None
    try:
        origin = data[2:origin_end].decode()
    except UnicodeDecodeError as error:
        raise MalformedInput("expected text in UTF-8", field="log_origin") from error
    start, end = (int.from_bytes(data[at : at + 8], "big") for at in (origin_end, origin_end + 8))
    if start > end:
        raise MalformedInput("expected at most {end}, not {start}", end=end, start=start, field="upload_start")
    return AddEntries(origin, start, end, data[ticket_start:ticket_end])


def parse_request(body: bytes, kind: type[R]) -> R:
    """Parse the body of a request of this kind. Raises MalformedInput, which names the field."""
    request = canonical.parse(body, decoder_of(kind))
    canonical.require_distinct_keys(body)
    return request


def _counted(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data
