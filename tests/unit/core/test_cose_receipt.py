"""COSE receipts: the worked example byte by byte, one encoding, and receipts that show something else."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import cbor2
import pytest
import scitt_cose
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.core.errors import MalformedInput, ProofRefused, SignatureRefused
from ledger.core.log.checkpoints import Checkpoint
from ledger.core.log.cose_receipts import MAX_RECEIPT_LENGTH, CoseReceipt, parse_receipt, sign_receipt, thumbprint
from ledger.core.log.merkle import EMPTY_TREE, Hash, grow, leaf_hash
from ledger.core.log.notes import SeedSigner, SignatureType, VerifyingKey
from tests.testkit.builders import refused_at
from tests.testkit.casework import Case

LOG = SeedSigner.from_seed("ledger.example/handovers", b"\x01" * 32)
KEY = LOG.verifying_key
ENTRIES = [Case(f"case-{number}").open().last.entry for number in range(7)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
REFUSED = (MalformedInput, ProofRefused, SignatureRefused)  # which of them a change meets depends on where it is


def tree(size: int) -> tuple[Checkpoint, list[tuple[Hash, ...]]]:
    """Return the tree head at a size, and the inclusion proof of each entry."""
    grown = grow(EMPTY_TREE, LEAVES[:size])
    return Checkpoint(KEY.name, size, grown.root()), grown.inclusion_proofs()


def receipt(index: int, size: int) -> CoseReceipt:
    checkpoint, proofs = tree(size)
    return sign_receipt(ENTRIES[index], index, checkpoint, proofs[index], LOG)


RECEIPT = receipt(4, 7)
DATA = RECEIPT.encode()


def foreign(data: bytes, entry: bytes, key: VerifyingKey = KEY) -> scitt_cose.receipt.ReceiptResult:
    """Verify with scitt-cose."""
    public = Ed25519PublicKey.from_public_bytes(key.public_key)
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return scitt_cose.verify_receipt(data, leaf_entry_hex=entry.hex(), log_public_key_pem=pem)


def test_every_byte_is_as_the_rfcs_say() -> None:
    """The receipt put together by hand out of RFC 9052, 9597, 9679 and 9942, without a CBOR library."""
    _, proofs = tree(7)
    origin, subject = KEY.name.encode(), b"case/case-4"
    cose_key = bytes.fromhex("a3 01 01 20 06 21 5820") + KEY.public_key
    protected = (
        bytes.fromhex("a5 01 27 04 5820")  # alg: -8, kid
        + sha256(cose_key).digest()
        + bytes.fromhex("0f a2 01 78")  # CWT claims: iss
        + bytes([len(origin)])
        + origin
        + bytes([0x02, 0x60 | len(subject)])  # sub
        + subject
        + bytes.fromhex("19 018b 01")  # vds: RFC9162_SHA256
        + bytes.fromhex("3a 000112fa 07")  # -70395: the size
    )
    proof = bytes.fromhex("83 07 04 83") + b"".join(b"\x58\x20" + node for node in proofs[4])
    signed = b"\x84\x6aSignature1\x58" + bytes([len(protected)]) + protected + b"\x40\x58\x20" + tree(7)[0].root
    assert (
        b"\xd2\x84\x58"
        + bytes([len(protected)])
        + protected
        + bytes.fromhex("a1 19018c a1 20 81 58")  # vdp: inclusion proofs
        + bytes([len(proof)])
        + proof
        + b"\xf6\x58\x40"  # no payload
        + LOG.sign(signed)
    ) == DATA


@pytest.mark.parametrize("size", range(1, 8))
def test_every_entry_has_a_receipt(size: int) -> None:
    """At every size, ours and the foreign verifier accept the receipt of each entry, and of no other."""
    checkpoint, _ = tree(size)
    for index in range(size):
        signed = receipt(index, size)
        assert parse_receipt(signed.encode()) == signed
        assert signed.verify(ENTRIES[index], KEY) == checkpoint
        result = foreign(signed.encode(), ENTRIES[index])
        assert result.ok, result.errors
        assert (result.root, result.tree_size, result.leaf_index) == (checkpoint.root.hex(), size, index)
        assert (result.issuer, result.subject) == (KEY.name, f"case/case-{index}")
        assert result.protected_header_ext == {4: thumbprint(KEY), -70395: size}
        foreign_entry = ENTRIES[index - 1] if size > 1 else ENTRIES[6]
        assert not foreign(signed.encode(), foreign_entry).ok
        with pytest.raises(ProofRefused):
            signed.verify(foreign_entry, KEY)


@pytest.mark.parametrize("at", range(len(DATA)))
def test_no_byte_can_be_changed(at: int) -> None:
    """Each bit counts: the receipt is malformed then, or shows nothing."""
    for bit in range(8):
        changed = DATA[:at] + bytes([DATA[at] ^ 1 << bit]) + DATA[at + 1 :]
        with pytest.raises(REFUSED):
            parse_receipt(changed).verify(ENTRIES[4], KEY)


@given(st.integers(0, len(DATA)), st.integers(0, 40), st.binary(max_size=40))
def test_no_part_can_be_exchanged(at: int, cut: int, put: bytes) -> None:
    """Bytes that are cut out and put in leave nothing that is accepted."""
    changed = DATA[:at] + put + DATA[at + cut :]
    if changed != DATA:
        with pytest.raises(REFUSED):
            parse_receipt(changed).verify(ENTRIES[4], KEY)


def decoded() -> tuple[dict[Any, Any], dict[Any, Any], list[Any]]:
    """Return the protected header, the unprotected one, and the proof of the receipt, to be changed."""
    protected, unprotected, _, _ = cbor2.loads(DATA).value
    header = dict(cbor2.loads(protected))
    return header | {15: dict(header[15])}, {396: dict(unprotected[396])}, list(cbor2.loads(unprotected[396][-1][0]))


def encoded(header: Any, unprotected: Any, payload: Any = None, signature: Any = None, tag: int = 18) -> bytes:
    """Encode a COSE_Sign1 that the log's key has signed over the root of the tree."""
    protected = header if isinstance(header, bytes) else cbor2.dumps(header, canonical=True)
    message = cbor2.dumps(["Signature1", protected, b"", tree(7)[0].root])
    parts = [protected, unprotected, payload, LOG.sign(message) if signature is None else signature]
    return cbor2.dumps(cbor2.CBORTag(tag, parts), canonical=True)


def others() -> dict[str, bytes]:
    """Return receipts of other forms, each signed by the log's key."""
    header, unprotected, proof = decoded()
    good = cbor2.loads(DATA).value

    def headed(**changes: Any) -> bytes:
        labels = {"alg": 1, "kid": 4, "claims": 15, "vds": 395, "size": -70395, "crit": 2, "typ": 16}
        return encoded(header | {labels[name]: value for name, value in changes.items()}, unprotected)

    def proving(*values: Any) -> bytes:
        return encoded(
            header, {396: {-1: [value if isinstance(value, bytes) else cbor2.dumps(value) for value in values]}}
        )

    return {
        "nothing": b"",
        "text": b"{}",
        "another tag": encoded(header, unprotected, tag=17),
        "no tag": cbor2.dumps(good),
        "three parts": cbor2.dumps(cbor2.CBORTag(18, good[:3])),
        "a payload": encoded(header, unprotected, payload=tree(7)[0].root),
        "an empty payload": encoded(header, unprotected, payload=b""),
        "a signature that is text": encoded(header, unprotected, signature="x"),
        "another algorithm": headed(alg=-19),
        "no algorithm": encoded({label: value for label, value in header.items() if label != 1}, unprotected),
        "another structure": headed(vds=2),
        "a structure that is true": headed(vds=True),
        "another header": headed(typ="x"),
        "a critical header": headed(crit=[395]),
        "no size": encoded({label: value for label, value in header.items() if label != -70395}, unprotected),
        "another size": headed(size=6),
        "a key id that is text": headed(kid="x"),
        "claims that are a list": headed(claims=[]),
        "no subject": headed(claims={1: KEY.name}),
        "a number as subject": headed(claims={1: KEY.name, 2: 3}),
        "another claim": headed(claims=header[15] | {6: 1}),
        "a header that is a list": encoded([1], unprotected),
        "no protected header": encoded(b"", unprotected),
        "no CBOR in the header": encoded(b"\xff", unprotected),
        "headers in another order": encoded(cbor2.dumps(dict(reversed(header.items()))), unprotected),
        "an unprotected header besides": encoded(header, unprotected | {4: b"x"}),
        "no proofs": encoded(header, {}),
        "a proof of consistency besides": encoded(header, {396: {**unprotected[396], -2: [b""]}}),
        "no proof": proving(),
        "two proofs": proving(proof, proof),
        "a proof that is no text": encoded(header, {396: {-1: [proof]}}),
        "a size that is a boolean": proving([True, proof[1], proof[2]]),
        "an index that is a float": proving([7, 4.0, proof[2]]),
        "a path that is bytes": proving([7, 4, b"x"]),
        "a node that is a number": proving([7, 4, [1, *proof[2][1:]]]),
        "a node of 31 bytes": proving([7, 4, [bytes(31), *proof[2][1:]]]),
        "an index that is negative": proving([7, -1, proof[2]]),
        "an index of 4,401 digits": proving([7, 10**4400, []]),
        "a negative size": encoded(header | {-70395: -7}, {396: {-1: [cbor2.dumps([-7, 4, proof[2]])]}}),
        "a size that no tree has": encoded(header | {-70395: 2**63}, {396: {-1: [cbor2.dumps([2**63, 4, proof[2]])]}}),
        "a proof of four parts": proving([7, 4, proof[2], 1]),
        "a proof of indefinite length": proving(b"\x9f" + cbor2.dumps([7, 4, proof[2]])[1:] + b"\xff"),
        "a longer spelling of a number": proving(b"\x83\x18\x07" + cbor2.dumps([7, 4, proof[2]])[2:]),
        "a byte after it": DATA + b"\0",
        "cut off": DATA[:-1],
        "too deep": b"\xd2" + b"\x81" * 3000 + b"\0",
        "too long": encoded(header | {15: header[15] | {2: "x" * MAX_RECEIPT_LENGTH}}, unprotected),
    }


OTHERS = others()


@pytest.mark.parametrize("name", OTHERS)
def test_a_receipt_has_one_form(name: str) -> None:
    """Whatever else CBOR, COSE or RFC 9942 allow, a receipt of this log is not spelled that way."""
    with refused_at("receipt"):
        parse_receipt(OTHERS[name])


def test_the_longest_path_is_read() -> None:
    """A receipt of the largest tree is below the limit, with an origin of 1,000 characters too."""
    longest = replace(RECEIPT, issuer="x" * 1000, size=2**63 - 1, hashes=(Hash(bytes(32)),) * 63)
    assert parse_receipt(longest.encode()) == longest


def test_index_and_size_are_bound() -> None:
    """RFC 9942 signs the root alone: entry 5 of 6 passes as entry 6 of 7 there, and not here.

    By the size that is signed besides, no receipt holds at another index or size.
    """
    signed = receipt(5, 6)
    passed_off = replace(signed, index=6, size=7)
    with pytest.raises(SignatureRefused, match="did not sign"):
        passed_off.verify(ENTRIES[5], KEY)
    # Without our header, the foreign verifier sees no difference.
    header = {1: -8, 395: 1}
    message = cbor2.dumps(["Signature1", cbor2.dumps(header), b"", tree(6)[0].root])
    for size, index in ((6, 5), (7, 6)):
        vdp = {396: {-1: [cbor2.dumps([size, index, list(signed.hashes)])]}}
        bare = cbor2.dumps(cbor2.CBORTag(18, [cbor2.dumps(header), vdp, None, LOG.sign(message)]))
        assert foreign(bare, ENTRIES[5]).ok
    for size in range(1, 8):
        for index in range(size):
            for wrong_index in range(size):
                if wrong_index != index:
                    with pytest.raises((ProofRefused, SignatureRefused)):
                        replace(receipt(index, size), index=wrong_index).verify(ENTRIES[index], KEY)


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"issuer": "other.example/log"}, SignatureRefused, "other.example/log"),
        ({"key_id": bytes(32)}, SignatureRefused, "is not by"),
        ({"subject": "case/case-5"}, ProofRefused, "case/case-5"),
        ({"index": 7}, ProofRefused, "not within"),
        ({"index": -1}, ProofRefused, "not within"),
        ({"hashes": RECEIPT.hashes[:-1]}, ProofRefused, "expected 3 hashes"),
        ({"hashes": (*RECEIPT.hashes[:-1], Hash(bytes(32)))}, SignatureRefused, "did not sign"),
        ({"signature": RECEIPT.signature[:-1]}, SignatureRefused, "did not sign"),
        ({"signature": b""}, SignatureRefused, "did not sign"),
    ],
)
def test_a_receipt_of_something_else_is_refused(changes: dict[str, Any], error: type[Exception], says: str) -> None:
    """By another log or key, of another stream or place, with another path or signature."""
    with pytest.raises(error, match=says):
        replace(RECEIPT, **changes).verify(ENTRIES[4], KEY)


def test_another_key_of_the_same_name_is_refused() -> None:
    """What counts is the key of the trust file, not the name; and a witness's key is none of a log."""
    foreign_key = SeedSigner.from_seed(KEY.name, b"\x02" * 32).verifying_key
    with pytest.raises(SignatureRefused, match="is not by"):
        RECEIPT.verify(ENTRIES[4], foreign_key)
    assert not foreign(DATA, ENTRIES[4], foreign_key).ok
    witness = VerifyingKey(KEY.name, SignatureType.COSIGNATURE_V1, KEY.public_key)
    with pytest.raises(SignatureRefused, match="no key for"):
        RECEIPT.verify(ENTRIES[4], witness)


def test_only_an_envelope_is_an_entry() -> None:
    """The subject follows from the entry."""
    with pytest.raises(MalformedInput):
        RECEIPT.verify(b"{}", KEY)


def test_nothing_is_signed_that_is_not_proven() -> None:
    """A path that does not lead to the root, and a key for co-signatures, give no receipt."""
    checkpoint, proofs = tree(7)
    with pytest.raises(ProofRefused):
        sign_receipt(ENTRIES[3], 4, checkpoint, proofs[4], LOG)
    witness = SeedSigner.from_seed(KEY.name, b"\x01" * 32, SignatureType.COSIGNATURE_V1)
    with pytest.raises(SignatureRefused):
        sign_receipt(ENTRIES[4], 4, checkpoint, proofs[4], witness)


def test_no_receipt_is_a_note() -> None:
    """The log's key signs notes, which are UTF-8, and receipts, which no UTF-8 can begin like."""
    message = RECEIPT.signed_message(tree(7)[0].root)
    assert message[0] == 0x84
    with pytest.raises(UnicodeDecodeError, match="invalid start byte"):
        message.decode()
