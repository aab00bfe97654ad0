"""Raw transactions against an independent implementation, and raw bytes that are none."""

from __future__ import annotations

from dataclasses import replace

import pytest
import rlp
from eth_account import Account
from eth_utils.address import to_checksum_address

from ledger.chain.transaction import Fees, Transaction, decode, sign
from ledger.core.errors import MalformedInput, SignatureRefused
from ledger.core.signing.signatures import CURVE_ORDER
from tests.testkit.builders import secret_key
from tests.unit.chain.builders import Key

KEY = Key("signer")
TO = "0x" + "ab" * 20
DYNAMIC = Transaction(31337, 3, TO, b"\x01\x02", 21_000, Fees(2_000_000_000, 1), value=5)
LEGACY = replace(DYNAMIC, fees=Fees(7, None))
CREATION = replace(DYNAMIC, to=None, nonce=0, value=0, fees=Fees(0, 0))


def as_eth_account_signs_it(transaction: Transaction) -> bytes:
    fees = transaction.fees
    fields = {
        "chainId": transaction.chain_id,
        "nonce": transaction.nonce,
        "gas": transaction.gas,
        "value": transaction.value,
        "data": transaction.data,
    }
    if transaction.to:
        fields["to"] = to_checksum_address(transaction.to)
    if fees.priority_fee is None:
        fields["gasPrice"] = fees.max_fee
    else:
        fields |= {"maxFeePerGas": fees.max_fee, "maxPriorityFeePerGas": fees.priority_fee, "type": 2}
    return bytes(Account.sign_transaction(fields, secret_key(KEY.name).secret).raw_transaction)


@pytest.mark.parametrize("transaction", [DYNAMIC, LEGACY, CREATION, replace(LEGACY, chain_id=10**9, to=None)])
def test_the_bytes_are_those_of_eth_account(transaction: Transaction) -> None:
    """Both forms, with and without a receiver, are byte for byte what eth-account signs; and are read back."""
    signed = sign(transaction, KEY)
    assert signed.raw == as_eth_account_signs_it(transaction)
    assert decode(signed.raw) == signed
    assert signed.sender == KEY.key_id


def test_a_signer_that_signs_as_another_is_refused() -> None:
    """The signature is checked before anything is kept."""

    class Impostor(Key):
        @property
        def key_id(self) -> str:
            return "0x" + "00" * 20

    with pytest.raises(SignatureRefused, match="expected a signature of"):
        sign(DYNAMIC, Impostor("signer"))


def twin(raw: bytes) -> bytes:
    """The same transaction with the high-s twin of its signature."""
    fields = rlp.decode(raw[1:])
    fields[-1] = (CURVE_ORDER - int.from_bytes(fields[-1], "big")).to_bytes(32, "big")
    fields[-3] = b"" if fields[-3] else b"\x01"
    return raw[:1] + bytes(rlp.encode(fields))


def test_the_high_s_twin_is_refused() -> None:
    """A second spelling of the same signature is no second transaction."""
    with pytest.raises(SignatureRefused, match="upper half"):
        decode(twin(sign(DYNAMIC, KEY).raw))


RAW = sign(DYNAMIC, KEY).raw
FIELDS = rlp.decode(RAW[1:])
UNPROTECTED = [b"", b"\x07", b"\x52\x08", bytes(20), b"", b"", b"\x1b", b"\x01" * 32, b"\x01" * 32]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x02",
        b"\x12\x34",
        RAW[:-1],
        RAW + b"\x00",
        b"\x01" + RAW[1:],
        b"\x02" + rlp.encode(FIELDS[:-1]),
        b"\x02" + rlp.encode([b"\x00\x01", *FIELDS[1:]]),
        b"\x02" + rlp.encode([*FIELDS[:5], bytes(19), *FIELDS[6:]]),
        b"\x02" + rlp.encode([*FIELDS[:8], [[bytes(20), []]], *FIELDS[9:]]),
        b"\x02" + rlp.encode([*FIELDS[:9], b"\x02", *FIELDS[10:]]),
        b"\x02" + rlp.encode([*FIELDS[:9], b"\xff" * 40, *FIELDS[10:]]),
        b"\x02" + rlp.encode([*FIELDS[:7], [b"data"], *FIELDS[8:]]),
        b"\x02" + rlp.encode([*FIELDS[:10], b"\x01" * 33, FIELDS[11]]),
        rlp.encode(UNPROTECTED),
        bytes(200_000),
    ],
)
def test_other_bytes_are_malformed(raw: bytes) -> None:
    """Cut, padded, other types, missing fields, zeros in front, access lists, no chain: never half understood."""
    with pytest.raises((MalformedInput, SignatureRefused)):
        decode(raw)
