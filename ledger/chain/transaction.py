"""Transactions: built, signed through the Signer protocol, and decoded from their raw bytes.

There are two forms: EIP-1559 (type 2, with no access list), and legacy with EIP-155 for chains without a base fee.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import rlp
from rlp.sedes import big_endian_int

from ledger.core.encoding.digests import keccak256
from ledger.core.errors import MalformedInput, SignatureRefused
from ledger.core.signing.signatures import recover

DYNAMIC_FEE_TYPE = b"\x02"
MAX_RAW = 128 * 1024  # bytes; what the pools of common nodes take


class Signer(Protocol):
    """A secp256k1 key, possibly remote: a keystore file, a KMS, a token."""

    @property
    def key_id(self) -> str:
        """Return the key's address, 0x and lower-case hex."""

    def sign(self, digest: bytes, /) -> bytes:
        """Sign the 32 bytes: r || s || v, 65 bytes, low s, v 27 or 28."""


@dataclass(frozen=True, slots=True)
class Fees:
    """Fees in wei per gas. If ``priority_fee`` is None the chain has no base fee, and ``max_fee`` is the gas price."""

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
            return keccak256(rlp.encode([*self._legacy_fields(), self.chain_id, 0, 0]))
        return keccak256(DYNAMIC_FEE_TYPE + rlp.encode(self._dynamic_fee_fields()))

    def encode(self, signature: bytes) -> bytes:
        """Return the raw transaction. Requires 65 bytes r || s || v, v 27 or 28."""
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
        parity = signature[64] - 27
        if self.fees.priority_fee is None:
            encoded: bytes = rlp.encode([*self._legacy_fields(), 35 + 2 * self.chain_id + parity, r, s])
            return encoded
        return DYNAMIC_FEE_TYPE + bytes(rlp.encode([*self._dynamic_fee_fields(), parity, r, s]))

    def _legacy_fields(self) -> list[Any]:
        return [self.nonce, self.fees.max_fee, self.gas, _address_bytes(self.to), self.value, self.data]

    def _dynamic_fee_fields(self) -> list[Any]:
        fees = [self.fees.priority_fee, self.fees.max_fee]
        to = _address_bytes(self.to)
        return [self.chain_id, self.nonce, *fees, self.gas, to, self.value, self.data, []]


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    transaction: Transaction
    sender: str
    raw: bytes

    @property
    def hash(self) -> bytes:
        return keccak256(self.raw)


def sign(transaction: Transaction, signer: Signer) -> SignedTransaction:
    """Sign the transaction. Raises SignatureRefused if the signature is of another key."""
    signature = signer.sign(transaction.digest())
    sender = recover(transaction.digest(), signature, field="signature")
    if sender != signer.key_id:
        raise SignatureRefused(f"expected a signature of {signer.key_id}, not of {sender}", field="signature")
    return SignedTransaction(transaction, sender, transaction.encode(signature))


def decode(raw: bytes) -> SignedTransaction:
    """Decode a raw transaction and recover its signer.

    Raises MalformedInput for anything but one of the two forms in its one encoding, SignatureRefused for a signature
    that no node would take.
    """
    if len(raw) > MAX_RAW:
        raise MalformedInput(f"a transaction has at most {MAX_RAW} bytes, not {len(raw)}", field="raw")
    try:
        transaction, signature = _decode_dynamic_fee(raw) if raw[:1] == DYNAMIC_FEE_TYPE else _decode_legacy(raw)
        same = transaction.encode(signature) == raw
    except (rlp.DecodingError, rlp.DeserializationError, ValueError, OverflowError, TypeError) as error:
        raise MalformedInput(f"not a signed transaction: {error}", field="raw") from error
    if not same:
        raise MalformedInput("not a signed transaction in its one encoding", field="raw")
    return SignedTransaction(transaction, recover(transaction.digest(), signature, field="raw"), raw)


def _decode_dynamic_fee(raw: bytes) -> tuple[Transaction, bytes]:
    chain_id, nonce, priority_fee, max_fee, gas, to, value, data, access_list, parity, r, s = _fields(raw[1:], 12)
    if access_list:
        raise ValueError("it has an access list")
    fees = Fees(_int(max_fee), _int(priority_fee))
    transaction = Transaction(_int(chain_id), _int(nonce), _address(to), _bytes(data), _int(gas), fees, _int(value))
    return transaction, _signature(r, s, _int(parity))


def _decode_legacy(raw: bytes) -> tuple[Transaction, bytes]:
    nonce, gas_price, gas, to, value, data, v, r, s = _fields(raw, 9)
    chain_id, parity = divmod(_int(v) - 35, 2)
    if chain_id < 1:
        raise ValueError("it names no chain (EIP-155)")
    fees = Fees(_int(gas_price), None)
    transaction = Transaction(chain_id, _int(nonce), _address(to), _bytes(data), _int(gas), fees, _int(value))
    return transaction, _signature(r, s, parity)


def _fields(encoded: bytes, count: int) -> list[Any]:
    fields = rlp.decode(encoded)
    if not isinstance(fields, list) or len(fields) != count:
        raise ValueError(f"it has not {count} fields")
    return fields


def _int(field: Any) -> int:
    value: int = big_endian_int.deserialize(field)
    return value


def _bytes(field: Any) -> bytes:
    if not isinstance(field, bytes):
        raise TypeError("a list stands where bytes should")
    return field


def _signature(r: bytes, s: bytes, parity: int) -> bytes:
    return _int(r).to_bytes(32, "big") + _int(s).to_bytes(32, "big") + bytes([27 + parity])


def _address(field: Any) -> str | None:
    if not isinstance(field, bytes) or len(field) not in {0, 20}:
        raise ValueError("its receiver is no address")
    return "0x" + field.hex() if field else None


def _address_bytes(address: str | None) -> bytes:
    return bytes.fromhex(address[2:]) if address else b""
