"""Transactions: built, signed through the Signer protocol, and decoded from their raw bytes.

There are two forms, each one RLP list: EIP-1559 (type 2, with no access list), and legacy with EIP-155 for chains
without a base fee.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import rlp
from msgspec import Struct
from rlp.sedes import Binary, List, big_endian_int, binary

from ledger.core.encoding.digests import keccak256
from ledger.core.errors import MalformedInput, SignatureRefused
from ledger.core.signing.signatures import TransactionSigner, recover

DYNAMIC_FEE_TYPE = b"\x02"  # EIP-1559
MAX_RAW = 128 * 1024  # bytes; what the pools of common nodes take

_ADDRESS = Binary.fixed_length(20, allow_empty=True)
_GAS_TO_DATA = [big_endian_int, _ADDRESS, big_endian_int, binary]  # gas, to, value, data
# nonce, gas price, gas to data, v, r, s
_LEGACY = List([*[big_endian_int] * 2, *_GAS_TO_DATA, *[big_endian_int] * 3])
# chain id, nonce, priority fee, max fee, gas to data, an access list that is empty, parity, r, s
_DYNAMIC_FEE = List([*[big_endian_int] * 4, *_GAS_TO_DATA, List([]), *[big_endian_int] * 3])


class Fees(Struct, frozen=True):
    """Fees in wei per gas. If ``priority_fee`` is None the chain has no base fee, and ``max_fee`` is the gas price."""

    max_fee: int
    priority_fee: int | None


class PreparedTransaction(Struct, frozen=True):
    """A transaction to be signed by its sender. Fees are in wei per gas."""

    chain_id: int
    nonce: int
    to: str
    data: str
    gas: int
    max_fee: int
    priority_fee: int | None


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction; with ``to`` None it creates a contract, and ``data`` is the initcode."""

    chain_id: int
    nonce: int
    to: str | None
    data: bytes
    gas: int
    fees: Fees
    value: int = 0  # wei

    def digest(self) -> bytes:
        """Return the 32 bytes that are signed."""
        if self.fees.priority_fee is None:
            return keccak256(rlp.encode([*self._fields(), self.chain_id, 0, 0]))
        return keccak256(DYNAMIC_FEE_TYPE + rlp.encode(self._fields()))

    def encode(self, signature: bytes) -> bytes:
        """Return the raw transaction. Requires 65 bytes r || s || v, v 27 or 28."""
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
        parity = signature[64] - 27
        if self.fees.priority_fee is None:
            encoded: bytes = rlp.encode([*self._fields(), 35 + 2 * self.chain_id + parity, r, s])
            return encoded
        return DYNAMIC_FEE_TYPE + bytes(rlp.encode([*self._fields(), parity, r, s]))

    def _fields(self) -> list[Any]:
        """Return the fields that are signed, in their order."""
        fees, to = self.fees, bytes.fromhex(self.to[2:]) if self.to else b""
        rest = [fees.max_fee, self.gas, to, self.value, self.data]
        if fees.priority_fee is None:
            return [self.nonce, *rest]
        return [self.chain_id, self.nonce, fees.priority_fee, *rest, []]


class SignedTransaction(Struct, frozen=True):
    transaction: Transaction
    sender: str
    raw: bytes

    @property
    def hash(self) -> bytes:
        return keccak256(self.raw)


def sign(transaction: Transaction, signer: TransactionSigner) -> SignedTransaction:
    """Sign the transaction. Raises SignatureRefused if the signature is of another key."""
    signature = signer.sign(transaction.digest())
    sender = recover(transaction.digest(), signature, field="signature")
    # A remote signer may hold another key than it says.
    if sender != signer.key_id:
        raise SignatureRefused(
            "expected a signature of {signer.key_id}, not of {sender}", signer=signer, sender=sender, field="signature"
        )
    return SignedTransaction(transaction, sender, transaction.encode(signature))


def decode(raw: bytes) -> SignedTransaction:
    """Decode a raw transaction and recover its signer.

    Raises MalformedInput for anything but one of the two forms in its one encoding, SignatureRefused for a signature
    that no node would take.
    """
    if len(raw) > MAX_RAW:
        raise MalformedInput(
            "a transaction has at most {limit} bytes, not {count}", limit=MAX_RAW, count=len(raw), field="raw"
        )
    try:
        transaction, signature = _decoded(raw)
        same = transaction.encode(signature) == raw
    except (rlp.DecodingError, rlp.DeserializationError, ValueError, OverflowError) as error:
        raise MalformedInput("not a signed transaction: {error}", error=error, field="raw") from error
    # Bytes that are spelled otherwise would be another hash for the same transaction.
    if not same:
        raise MalformedInput("not a signed transaction in its one encoding", field="raw")
    return SignedTransaction(transaction, recover(transaction.digest(), signature, field="raw"), raw)


def _decoded(raw: bytes) -> tuple[Transaction, bytes]:
    if raw[:1] == DYNAMIC_FEE_TYPE:
        fields = rlp.decode(raw[1:], sedes=_DYNAMIC_FEE)
        chain_id, nonce, priority_fee, max_fee, gas, to, value, data, _, parity, r, s = fields
        fees = Fees(max_fee, priority_fee)
    else:
        nonce, gas_price, gas, to, value, data, v, r, s = rlp.decode(raw, sedes=_LEGACY)
        chain_id, parity = divmod(v - 35, 2)
        fees = Fees(gas_price, None)
        if chain_id < 1:
            raise ValueError("it names no chain (EIP-155)")
    transaction = Transaction(chain_id, nonce, "0x" + to.hex() if to else None, data, gas, fees, value)
    return transaction, r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([27 + parity])
