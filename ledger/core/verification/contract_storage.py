"""Storage of the two contracts at one block, by its header and EIP-1186 proofs: the ``anchor`` of a bundle.

Slots are those of docs/contracts.md, "Storage that proofs read". A word is 32 bytes; packed numbers fill it from the
low bits.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from ledger.core.encoding.digests import keccak256
from ledger.core.errors import MalformedInput, ProofRefused
from ledger.core.ethereum import trie
from ledger.core.ethereum.block_headers import BlockHeader
from ledger.core.ethereum.trie import verify_path
from ledger.core.verification.bundle_format import PARTS_KEPT, Anchor, ContractProof, SlotProof
from ledger.core.verification.trust import TrustedChain

WORD = 32  # bytes
LAST_RECORD = bytes(WORD)  # slot 0 of LogAnchor
REGISTRY_HASH = bytes(WORD)  # slot 0 of AgencyRegistry

_RECORDS, _GRANTS = 1, 2  # slots of the mappings
_WHERE = "anchor"


class RecordState(NamedTuple):
    """A record of LogAnchor; ``timestamp`` is that of its block, in unix seconds."""

    root: bytes
    size: int
    block_number: int
    timestamp: int


class GrantState(NamedTuple):
    """A grant of AgencyRegistry, ids as words; ``revoked_at`` in unix seconds, 0 while it is not revoked."""

    agency: bytes
    officer: bytes
    roles: int
    suite: int
    valid_from: int
    valid_until: int
    revoked_at: int


class AnchorState(NamedTuple):
    """The LogAnchor after the block: a record, the one before it, and the number and size of the last."""

    last_number: int
    last_size: int
    record: RecordState
    previous: RecordState


def anchor_slots(number: int) -> tuple[bytes, ...]:
    """Return the slots of LogAnchor that prove record ``number``, in the order of a proof. Requires number >= 1."""
    return (LAST_RECORD, *_from(_word(number), _RECORDS, 2), *_from(_word(number - 1), _RECORDS, 2))


def registry_slots(key_id: str | None) -> tuple[bytes, ...]:
    """Return the slots of AgencyRegistry that prove its hash, and the grant of a key if one is named."""
    return (REGISTRY_HASH, *(_from(_word(int(key_id, 16)), _GRANTS, 3) if key_id else ()))


@lru_cache(maxsize=PARTS_KEPT)
def read_anchor_state(anchor: Anchor, header: BlockHeader, chain: TrustedChain) -> AnchorState:
    """Return what the LogAnchor of ``chain`` holds about the record that ``anchor`` names, if the header is trusted.

    Raises ProofRefused or MalformedInput, which name the part.
    """
    last, *records = _words(
        anchor.anchor, "anchor", header, (chain.anchor, chain.anchor_code_hash), anchor_slots(anchor.number)
    )
    last_number, last_size = _unpacked(last, (64, 64))
    return AnchorState(last_number, last_size, record=_record(*records[:2]), previous=_record(*records[2:]))


@lru_cache(maxsize=PARTS_KEPT)
def read_grant_state(anchor: Anchor, header: BlockHeader, chain: TrustedChain, key_id: str) -> GrantState | None:
    """Return what the AgencyRegistry of ``chain`` holds about a key; None if the proof leaves out the key's slots.

    Raises ProofRefused or MalformedInput, which name the part.
    """
    slots = registry_slots(key_id if len(anchor.registry.storage_proof) > 1 else None)
    _, *grant = _words(anchor.registry, "registry", header, (chain.registry, chain.registry_code_hash), slots)
    return GrantState(grant[0], grant[1], *_unpacked(grant[2], (32, 8, 64, 64, 64))) if grant else None


def _words(
    proof: ContractProof, part: str, header: BlockHeader, account: tuple[str, str], slots: tuple[bytes, ...]
) -> list[bytes]:
    """Return the words in the slots of a contract, which is given by its address and code hash."""
    where = f"{_WHERE}.{part}"
    storage_root = _storage_root(proof, header.state_root, account, where)
    keys = [bytes.fromhex(slot.key[2:]) for slot in proof.storage_proof]
    # Exactly these slots in this order: a proof cannot add or leave out any.
    if tuple(keys) != slots:
        raise ProofRefused("expected the slots {slots}", slots=_listed(slots), field=f"{where}.storage_proof")
    return [
        _slot_word(storage_root, slot, f"{where}.storage_proof[{number}]")
        for number, slot in enumerate(proof.storage_proof)
    ]


def _storage_root(proof: ContractProof, state_root: bytes, account: tuple[str, str], where: str) -> bytes:
    address, code_hash = account
    where = f"{where}.account_proof"
    fields = _proven(state_root, bytes.fromhex(address[2:]), proof.account_proof, where)
    if fields is None:
        raise ProofRefused("the block has no account {address}", address=address, field=where)
    if not isinstance(fields, tuple) or len(fields) != 4:
        raise MalformedInput("expected an account of four fields", field=where)
    _, _, storage_root, deployed = fields
    if not isinstance(storage_root, bytes) or not isinstance(deployed, bytes):
        raise MalformedInput("expected the hashes of an account's storage and code", field=where)
    # Slots mean something only in a contract whose code is known.
    if "0x" + deployed.hex() != code_hash:
        raise ProofRefused("{address} has not the code {code_hash}", address=address, code_hash=code_hash, field=where)
    return storage_root


def _slot_word(storage_root: bytes, slot: SlotProof, where: str) -> bytes:
    number = _proven(storage_root, bytes.fromhex(slot.key[2:]), slot.proof, where)
    if number is None:
        number = b""
    elif not isinstance(number, bytes) or not 0 < len(number) <= WORD or number[0] == 0:
        raise MalformedInput("expected a number of at most 32 bytes in the slot", field=where)
    # RLP drops leading zeros, and an absent slot holds zero.
    word = number.rjust(WORD, b"\0")
    if "0x" + word.hex() != slot.value:
        raise ProofRefused("expected the word {slot.value}", slot=slot, field=where)
    return word


def _proven(root: bytes, key: bytes, proof: tuple[str, ...], where: str) -> trie.Item | None:
    """Return what a trie has under the key: an account in the state, a number in storage."""
    try:
        value = verify_path(root, key, [bytes.fromhex(node[2:]) for node in proof])
        return None if value is None else trie.decode_rlp(value)
    except (MalformedInput, ProofRefused) as error:
        raise ProofRefused(error.text, field=where) from error


def _record(root: bytes, packed: bytes) -> RecordState:
    return RecordState(root, *_unpacked(packed, (64, 64, 64)))


def _unpacked(word: bytes, widths: tuple[int, ...]) -> list[int]:
    """Split a word into numbers of these widths in bits, from the low bits up.

    Higher bits are not looked at: the code hash proves that the contract stores nothing there.
    """
    rest, numbers = int.from_bytes(word, "big"), []
    for width in widths:
        numbers.append(rest & ((1 << width) - 1))
        rest >>= width
    return numbers


def _from(key: bytes, mapping: int, count: int) -> tuple[bytes, ...]:
    """Return the first slots of a struct in a mapping."""
    first = int.from_bytes(keccak256(key + _word(mapping)), "big")
    return tuple(_word((first + offset) % 2 ** (8 * WORD)) for offset in range(count))


def _word(number: int) -> bytes:
    return number.to_bytes(WORD, "big")


def _listed(slots: list[bytes] | tuple[bytes, ...]) -> str:
    return ", ".join(f"0x{slot.hex()}" for slot in slots) or "none"
