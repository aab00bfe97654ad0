"""``verification.timestamps``: an RFC 3161 authority is believed under a trusted root, of the text it stamped."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import CertificateBuilder, Name, NameAttribute, load_der_x509_certificate
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rfc3161_client import HashAlgorithm

from ledger.core.errors import MalformedInput, ProofRefused, SignatureRefused, TallystickError
from ledger.core.verification.timestamps import MAX_RESPONSE_LENGTH, verify_timestamp
from tests.testkit.timestamping import Authority, new_authority

TEXT = "ledger.example/handovers\n3\nPbZ2Ze6owm3jQWaMHTGZ9h3kt4CoKFaaiYzkjCjZMfM=\n"
REJECTION = bytes.fromhex(
    "3030302e02010230250c23426164207265717565737420666f726d6174206f722073797374656d206572726f722e03020204"
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority under a root that the verifier trusts."""
    return new_authority(tmp_path_factory.mktemp("authority") / "tsa")


@pytest.fixture(scope="module")
def second_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Another one, under another root."""
    return new_authority(tmp_path_factory.mktemp("other") / "tsa", name="Other")


@pytest.fixture(scope="module")
def response(authority: Authority) -> bytes:
    """A timestamp of the text."""
    return authority.stamp(TEXT.encode())


def test_a_timestamp_tells_time_and_authority(
    authority: Authority, second_authority: Authority, response: bytes
) -> None:
    """Under one trusted root among several; the time is the second after the token's and its accuracy of one second."""
    timestamp = verify_timestamp(response, TEXT, (second_authority.root, authority.root))
    assert timestamp is not None
    assert timestamp.authority == "CN=Test Timestamping"
    assert -60 < timestamp.time - time.time() <= 3


@pytest.mark.parametrize("cut", [1, 3, 200])
def test_what_is_cut_is_no_timestamp(authority: Authority, response: bytes, cut: int) -> None:
    """Nor is one whose certificates end beyond their list."""
    certificate = authority.certificate("tsa")
    assert certificate in response
    longer = response.replace(certificate[:4], certificate[:2] + b"\x7f\xff")
    for spoiled in (response[:cut], response[:-cut], longer):
        with pytest.raises(MalformedInput):
            verify_timestamp(spoiled, TEXT, ())


@pytest.mark.parametrize(("accuracy", "late"), [("secs:2", 2), ("secs:2, millisecs:1", 3), ("microsecs:1", 1)])
def test_the_time_is_the_later_end_of_the_accuracy(tmp_path: Path, accuracy: str, late: int) -> None:
    """What is said to be proven is no earlier than the authority vouches for."""
    authority = new_authority(tmp_path / "tsa", accuracy=accuracy)
    before = int(time.time())
    timestamp = verify_timestamp(authority.stamp(TEXT.encode()), TEXT, (authority.root,))
    assert timestamp is not None
    assert before + 1 + late <= timestamp.time <= int(time.time()) + 1 + late


def test_an_authority_may_say_nothing_of_its_accuracy(tmp_path: Path) -> None:
    """Then only the second's fraction is added."""
    authority = new_authority(tmp_path / "tsa")
    configuration = authority.folder / "tsa.cnf"
    configuration.write_text(configuration.read_text().replace("accuracy = secs:1\n", ""))
    before = int(time.time())
    timestamp = verify_timestamp(authority.stamp(TEXT.encode()), TEXT, (authority.root,))
    assert timestamp is not None
    assert before < timestamp.time <= int(time.time()) + 1


def test_another_digest_is_refused(authority: Authority) -> None:
    """The protocol stamps SHA-256 and lets no proof choose."""
    with pytest.raises(ProofRefused):
        verify_timestamp(authority.stamp(TEXT.encode(), HashAlgorithm.SHA512), TEXT, (authority.root,))


def test_a_root_of_the_same_name_is_another_root(tmp_path: Path, authority: Authority, response: bytes) -> None:
    """Whoever calls himself like a trusted authority has to have its key."""
    forger = new_authority(tmp_path / "tsa")
    with pytest.raises(SignatureRefused, match="does not hold"):
        verify_timestamp(forger.stamp(TEXT.encode()), TEXT, (authority.root,))
    both = verify_timestamp(forger.stamp(TEXT.encode()), TEXT, (authority.root, forger.root))
    assert both is not None


def test_a_timestamp_without_its_certificate_is_refused(authority: Authority) -> None:
    """Nobody else has the certificate to hold it against."""
    with pytest.raises(SignatureRefused):
        verify_timestamp(authority.stamp(TEXT.encode(), certificate=False), TEXT, (authority.root,))


def test_no_other_certificate_can_pass_for_the_signers(tmp_path: Path) -> None:
    """Nothing signs the certificates beside a timestamp: one of the signer's issuer and number must not name it."""
    authority = new_authority(tmp_path / "tsa")
    signer, key = load_der_x509_certificate(authority.certificate("tsa")), generate_private_key(SECP256R1())
    forged = CertificateBuilder(
        subject_name=Name([NameAttribute(NameOID.COMMON_NAME, "National Time Service")]),
        issuer_name=signer.issuer,
        serial_number=signer.serial_number,
        public_key=key.public_key(),
        not_valid_before=signer.not_valid_before_utc,
        not_valid_after=signer.not_valid_after_utc,
    ).sign(key, SHA256())
    (authority.folder / "more.pem").write_bytes(forged.public_bytes(Encoding.PEM))
    with (authority.folder / "tsa.cnf").open("a") as configuration:
        configuration.write("certs = more.pem\n")
    with pytest.raises(MalformedInput):
        verify_timestamp(authority.stamp(TEXT.encode()), TEXT, (authority.root,))
    (authority.folder / "more.pem").write_bytes((authority.folder / "tsa.pem").read_bytes())
    repeated = verify_timestamp(authority.stamp(TEXT.encode()), TEXT, (authority.root,))
    assert repeated is not None, "the same certificate twice can only be the signer's"


@pytest.mark.parametrize(
    "data", [b"", b"\x30\x00", b"no timestamp", REJECTION, b"\x30" * 100, b"0" * (MAX_RESPONSE_LENGTH + 1)]
)
def test_what_is_no_timestamp_is_refused(authority: Authority, data: bytes) -> None:
    """Garbage, a rejection, too much."""
    with pytest.raises(MalformedInput):
        verify_timestamp(data, TEXT, (authority.root,))


def test_a_name_of_an_unknown_kind_of_text_is_refused(authority: Authority, response: bytes) -> None:
    """Wherever it stands: as the signer's issuer, or in a certificate."""
    names = [load_der_x509_certificate(der).subject for der in (authority.root, authority.certificate("tsa"))]
    texts = [str(part.value).encode() for name in names for part in name]
    strings = [b"\x0c" + bytes((len(text),)) + text for text in texts]  # 12 is the tag of a UTF8String
    places = [at for at in range(len(response)) if response.startswith(tuple(strings), at)]
    assert len(places) > len(texts)
    for at in places:
        with pytest.raises((MalformedInput, SignatureRefused)):
            verify_timestamp(response[:at] + b"\x30" + response[at + 1 :], TEXT, (authority.root,))


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)
@given(data=st.data())
def test_a_changed_timestamp_never_tells_another_time(
    authority: Authority, response: bytes, data: st.DataObject
) -> None:
    """Any change is refused, or touches what nothing rests on; nothing but our own errors comes out."""
    timestamp = verify_timestamp(response, TEXT, (authority.root,))
    changed = bytearray(response)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(response) - 1))] = data.draw(st.integers(0, 255))
    with suppress(TallystickError):
        assert verify_timestamp(bytes(changed), TEXT, (authority.root,)) in (timestamp, None)


def test_a_root_that_is_no_certificate_vouches_for_nothing(authority: Authority, response: bytes) -> None:
    """Nor does it stand in the way of another one, also if only its name cannot be read."""
    (name,) = load_der_x509_certificate(authority.root).subject
    spelled = str(name.value).encode()
    for root in (b"\x30\x03abc", authority.root.replace(spelled, b"\xff" + spelled[1:])):
        assert verify_timestamp(response, TEXT, (root,)) is None
        assert verify_timestamp(response, TEXT, (root, authority.root)) is not None
