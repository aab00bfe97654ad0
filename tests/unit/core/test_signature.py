"""EIP-712 signatures over envelopes: held against eth-account, and every other signature refused."""

from __future__ import annotations

from typing import Any

import pytest
from coincurve import PrivateKey
from coincurve.utils import GROUP_ORDER_INT as N
from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.core.errors import SignatureRefused
from ledger.core.events import EVENT_TYPES, Envelope, Stream, case
from ledger.core.events.terms import StreamKind, choices
from ledger.core.signing import signatures
from tests.testkit.builders import (
    LOG_ID,
    POLICE,
    START,
    clerk,
    envelope_of,
    event_of,
    key_id,
    payload_of,
    refused_at,
    secret_key,
)
from tests.testkit.builders import signature_of as signed_bytes

OTHER_LOG = bytes(range(32))

letters = st.sampled_from("abcxyz0189")
digests = st.binary(min_size=32, max_size=32).map(lambda value: f"blake3:{value.hex()}")
secrets = st.integers(1, N - 1).map(PrivateKey.from_int)
log_ids = st.binary(min_size=32, max_size=32)
envelopes = st.builds(
    Envelope,
    suite=st.just(1),
    event_id=st.uuids(version=4).map(str),
    event_type=st.sampled_from(sorted(EVENT_TYPES)),
    stream=st.builds(Stream, kind=st.sampled_from(choices(StreamKind)), id=st.text(letters, min_size=1, max_size=64)),
    sequence=st.integers(0, 2**53 - 1),
    previous=st.none() | digests,
    agency=st.text(letters, min_size=1, max_size=31),
    payload_digest=digests,
    signed_at=st.integers(0, 2**53 - 1),
    key_id=st.just("0x" + "00" * 20),
    signature=st.just("0x" + "00" * 65),
)


def envelope() -> Envelope:
    """An envelope well signed by a clerk of the police."""
    return event_of(case.CaseNumbered(case_number="7"), clerk(POLICE)).envelope


def with_signature(raw: bytes) -> Envelope:
    return replace(envelope(), signature="0x" + raw.hex())


def good() -> tuple[int, int, int]:
    """r, s and v of the good envelope."""
    raw = bytes.fromhex(envelope().signature[2:])
    return int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:64], "big"), raw[64]


def rsv(r: int, s: int, v: int) -> bytes:
    return r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes((v,))


# -- against eth-account -----------------------------------------------------------------------------------------------


@given(envelopes, secrets, log_ids)
def test_eth_account_recovers_our_signer(drawn: Envelope, secret: PrivateKey, log_id: bytes) -> None:
    """A wallet's library computes the same hash from the typed data and recovers the signer from our signature."""
    signer = signatures.address_of(secret.public_key)
    drawn = replace(drawn, key_id=signer)
    raw = signed_bytes(signatures.signing_hash(drawn, log_id), secret)
    message = encode_typed_data(full_message=wallet_document(drawn, log_id))
    assert Account.recover_message(message, signature=raw).lower() == signer


@given(st.text(), secrets)
def test_eth_account_recovers_who_signed_a_message(text: str, secret: PrivateKey) -> None:
    """The digest of a message is the one that a wallet's personal_sign signs."""
    raw = signed_bytes(signatures.personal_digest(text), secret)
    signer = Account.recover_message(encode_defunct(text=text), signature=raw).lower()
    assert signer == signatures.address_of(secret.public_key)


@given(envelopes, secrets, log_ids)
def test_we_accept_what_eth_account_signs(drawn: Envelope, secret: PrivateKey, log_id: bytes) -> None:
    """A signature that a wallet makes of the typed data verifies."""
    account = Account.from_key(secret.secret)
    drawn = replace(drawn, key_id=account.address.lower())
    signed = Account.sign_typed_data(account.key, full_message=wallet_document(drawn, log_id))
    signatures.verify_envelope(replace(drawn, signature="0x" + bytes(signed.signature).hex()), log_id)


def wallet_document(drawn: Envelope, log_id: bytes) -> dict[str, Any]:
    return dict(signatures.typed_data(drawn, log_id))


@pytest.mark.parametrize(
    ("data", "digest"),
    [
        (b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        (b"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
        (b"Transfer(address,address,uint256)", "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"),
    ],
)
def test_keccak_is_ethereums(data: bytes, digest: str) -> None:
    """keccak256 is the original Keccak with published values, not SHA3-256."""
    assert signatures.keccak256(data).hex() == digest


@given(secrets)
def test_a_key_id_is_the_lower_case_address(secret: PrivateKey) -> None:
    """The key id is the account's address without its checksum capitals."""
    assert signatures.address_of(secret.public_key) == Account.from_key(secret.secret).address.lower()


# -- what is signed ----------------------------------------------------------------------------------------------------

CHANGES: dict[str, Any] = {
    "event_id": "01940000-0000-7000-8000-000000000000",
    "event_type": "case.opened",
    "stream": Stream(kind="case", id="case-2"),
    "sequence": 4,
    "previous": "blake3:" + "11" * 32,
    "agency": "court-east",
    "payload_digest": "blake3:" + "22" * 32,
    "signed_at": START + 31,
    "key_id": key_id("somebody else"),
}


@pytest.mark.parametrize(
    ("field", "value"), [*CHANGES.items(), ("stream", Stream(kind="supervision", id="case-1"))], ids=str
)
def test_every_field_is_signed(field: str, value: Any) -> None:
    """An envelope of which any field, or the kind of its stream, was changed after signing is refused."""
    with refused_at("envelope.signature", error=SignatureRefused):
        signatures.verify_envelope(replace(envelope(), **{field: value}), LOG_ID)


def test_every_field_of_an_envelope_is_tried() -> None:
    """These are all that an envelope has, but for the signature and its suite, which the domain states."""
    assert set(CHANGES) == set(Envelope.__struct_fields__) - {"suite", "signature"}


def test_a_null_previous_is_32_zero_bytes() -> None:
    """The first event of a stream signs zeros for the digest that it has none of."""
    first = envelope()
    assert first.previous is None
    zeros = replace(first, previous="blake3:" + "00" * 32)
    assert signatures.signing_hash(first, LOG_ID) == signatures.signing_hash(zeros, LOG_ID)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_log_id_has_32_bytes(length: int) -> None:
    """No domain is made of an id of another length."""
    with pytest.raises(ValueError, match=f"32 bytes, not {length}"):
        signatures.domain_separator(bytes(length))


def test_a_summary_has_at_most_200_bytes() -> None:
    """For the longest type, kind of stream, ids and number, and it is ASCII. It tells nothing but what the envelope
    shows."""
    stream = Stream(kind=max(choices(StreamKind), key=len), id="x" * 64)
    longest = replace(envelope(), event_type=max(EVENT_TYPES, key=len), stream=stream, sequence=2**53 - 1)
    assert len(signatures.summary(replace(longest, agency="y" * 31)).encode("ascii")) <= 200
    assert signatures.summary(envelope()) == "case.numbered as entry 0 of case case-1 for police-east"


def test_the_suite_has_the_number_of_the_protocol() -> None:
    """secp256k1 with EIP-712 is suite 1, on the chain too."""
    assert signatures.SUITE_SECP256K1_EIP712 == 1


# -- bad signatures ----------------------------------------------------------------------------------------------------

R, S, V = good()
OF_65_BYTES, IN_RANGE, IN_LOWER_HALF = "65 bytes, not", "between 1 and the order", "upper half"
V_27_OR_28, OF_THE_SIGNER = "v is 27 or 28, not", "recovers to|no point of the curve"
BAD_SIGNATURES = {
    "empty": (b"", OF_65_BYTES),
    "64-byte EIP-2098": (rsv(R, S | (V - 27) << 255, 0)[:64], OF_65_BYTES),
    "high-s twin": (rsv(R, N - S, 55 - V), IN_LOWER_HALF),
    "s just above half": (rsv(R, N // 2 + 1, V), IN_LOWER_HALF),
    "v 0": (rsv(R, S, 0), V_27_OR_28),
    "v 26": (rsv(R, S, 26), V_27_OR_28),
    "r zero": (rsv(0, S, V), IN_RANGE),
    "r = n": (rsv(N, S, V), IN_RANGE),
    "s zero": (rsv(R, 0, V), IN_RANGE),
    "s = n": (rsv(R, N, V), IN_RANGE),
    "r is no point": (rsv(5, S, V), "no point of the curve"),
    "the other v": (rsv(R, S, 55 - V), OF_THE_SIGNER),
    "s changed": (rsv(R, S ^ 1, V), OF_THE_SIGNER),
}


@pytest.mark.parametrize(("raw", "expected"), BAD_SIGNATURES.values(), ids=BAD_SIGNATURES)
def test_a_bad_signature_is_refused(raw: bytes, expected: str) -> None:
    """Every second form and every false value is refused by the field, and says what was expected."""
    with refused_at("envelope.signature", match=expected, error=SignatureRefused):
        signatures.verify_envelope(with_signature(raw), LOG_ID)


@pytest.mark.parametrize(("r", "s"), [(1, S), (N - 2, S), (R, 1), (R, N // 2)])
def test_r_is_taken_up_to_the_order_and_s_up_to_its_half(r: int, s: int) -> None:
    """Where a point of the curve has such an r, the signature recovers to some key."""
    assert signatures.recover(bytes(32), rsv(r, s, V)).startswith("0x")


def test_a_signature_for_another_ledger_is_refused() -> None:
    """What was signed for one ledger does not replay on another; nor is a good one by a key that the envelope does not
    name."""
    by = clerk(POLICE)
    foreign = envelope_of(payload_of(case.CaseNumbered(case_number="7"), by), by, log_id=OTHER_LOG)
    signatures.verify_envelope(foreign, OTHER_LOG)
    with pytest.raises(SignatureRefused, match="for this ledger"):
        signatures.verify_envelope(foreign, LOG_ID)
    raw = signed_bytes(signatures.signing_hash(envelope(), LOG_ID), secret_key("somebody else"))
    with pytest.raises(SignatureRefused, match=key_id("somebody else")):
        signatures.verify_envelope(with_signature(raw), LOG_ID)


# -- the window of signed_at -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [-86_401, 301])
def test_a_time_outside_the_window_is_refused(offset: int) -> None:
    """24 hours back and 5 minutes ahead, both ends included; one second beyond is refused, naming the field."""
    for within in (-86_400, 0, 300):
        signatures.require_window(replace(envelope(), signed_at=START + within), START)
    bounds = f"between {START - 86_400} and {START + 300} "
    with pytest.raises(SignatureRefused, match=bounds) as caught:
        signatures.require_window(replace(envelope(), signed_at=START + offset), START)
    assert (caught.value.code, caught.value.field) == ("signed_at_out_of_window", "envelope.signed_at")
