"""Transactions: built, signed through the Signer protocol, and decoded from their raw bytes.

There are two forms: EIP-1559 (type 2, with no access list), coded by eth-account, and legacy with EIP-155 for chains
without a base fee, whose coding eth-account keeps to itself: it is one RLP list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import rlp
from hexbytes import HexBytes
from rlp.sedes import Binary, List, big_endian_int, binary

from ledger.chain.recursion_limit import kept_recursion_limit
from ledger.core.encoding.digests import keccak256
from ledger.core.errors import MalformedInput, SignatureRefused
from ledger.core.signing.signatures import recover

with kept_recursion_limit():
    from eth_account.typed_transactions.typed_transaction import TypedTransaction

DYNAMIC_FEE_TYPE = 2  # EIP-1559
MAX_RAW = 128 * 1024  # bytes; what the pools of common nodes take

_ADDRESS = Binary.fixed_length(20, allow_empty=True)
# nonce, gas price, gas, to, value, data, v, r, s
_LEGACY = List([*[big_endian_int] * 3, _ADDRESS, big_endian_int, binary, *[big_endian_int] * 3])


class TransactionSigner(Protocol):
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
        return TypedTransaction.from_dict(self._dynamic_fee_fields()).hash()

    def encode(self, signature: bytes) -> bytes:
        """Return the raw transaction. Requires 65 bytes r || s || v, v 27 or 28."""
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
        parity = signature[64] - 27
        if self.fees.priority_fee is None:
            encoded: bytes = rlp.encode([*self._legacy_fields(), 35 + 2 * self.chain_id + parity, r, s])
            return encoded
        return TypedTransaction.from_dict(self._dynamic_fee_fields() | {"v": parity, "r": r, "s": s}).encode()

    def _legacy_fields(self) -> list[Any]:
        to = bytes.fromhex(self.to[2:]) if self.to else b""
        return [self.nonce, self.fees.max_fee, self.gas, to, self.value, self.data]

    def _dynamic_fee_fields(self) -> dict[str, Any]:
        return {
            "type": DYNAMIC_FEE_TYPE,
            "chainId": self.chain_id,
            "nonce": self.nonce,
            "maxPriorityFeePerGas": self.fees.priority_fee,
            "maxFeePerGas": self.fees.max_fee,
            "gas": self.gas,
            "to": bytes.fromhex(self.to[2:]) if self.to else b"",
            "value": self.value,
            "data": self.data,
        }


@dataclass(frozen=True, slots=True)
class SignedTransaction:
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
        transaction, signature = _decode_dynamic_fee(raw) if raw[:1] == b"\x02" else _decode_legacy(raw)
        same = transaction.encode(signature) == raw
    except (rlp.DecodingError, rlp.DeserializationError, ValueError, OverflowError, TypeError) as error:
        raise MalformedInput(f"not a signed transaction: {error}", field="raw") from error
    # Bytes that are spelled otherwise would be another hash for the same transaction.
    if not same:
        raise MalformedInput("not a signed transaction in its one encoding", field="raw")
    return SignedTransaction(transaction, recover(transaction.digest(), signature, field="raw"), raw)


def _decode_dynamic_fee(raw: bytes) -> tuple[Transaction, bytes]:
    fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
    if fields["accessList"]:
        raise ValueError("it has an access list")
    transaction = Transaction(
        fields["chainId"],
        fields["nonce"],
        _address(fields["to"]),
        bytes(fields["data"]),
        fields["gas"],
        Fees(fields["maxFeePerGas"], fields["maxPriorityFeePerGas"]),
        fields["value"],
    )
    return transaction, _signature(fields["r"], fields["s"], fields["v"])


def _decode_legacy(raw: bytes) -> tuple[Transaction, bytes]:
    nonce, gas_price, gas, to, value, data, v, r, s = rlp.decode(raw, sedes=_LEGACY)
    chain_id, parity = divmod(v - 35, 2)
    if chain_id < 1:
        raise ValueError("it names no chain (EIP-155)")
    transaction = Transaction(chain_id, nonce, _address(to), data, gas, Fees(gas_price, None), value)
    return transaction, _signature(r, s, parity)


def _address(field: bytes) -> str | None:
    return "0x" + bytes(field).hex() if field else None


def _signature(r: int, s: int, parity: int) -> bytes:
    return r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([27 + parity])
