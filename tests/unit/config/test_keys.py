"""Key files: what they hold, who may read them, what opens them."""

from __future__ import annotations

import base64
import json
import re
import stat
import subprocess
from pathlib import Path
from typing import Literal

import pytest
from dilithium_py.ml_dsa import ML_DSA_44
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from ledger.config import keys
from ledger.config.keys import (
    KeyDirectory,
    KeyRefused,
    LocalSigner,
    change_passphrase,
    create_keystore,
    create_note_key,
    keystore_key_id,
    note_key,
    open_keystore,
    open_note_key,
    opens,
)
from ledger.config.secret_files import SecretRefused, write_secret
from ledger.core.errors import MalformedInput, SignatureRefused
from ledger.core.log.notes import SignatureType
from ledger.core.signing.signatures import CURVE_ORDER, recover
from tests.testkit.builders import refused_at

PRIVATE_KEY = bytes(31) + b"\x01"
KEY_ID = "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"  # of the private key 1


@pytest.fixture
def keystore(tmp_path: Path) -> Path:
    """Return a keystore with the private key 1 under the passphrase "tally"."""
    path = tmp_path / "officer.json"
    create_keystore(path, "tally", private_key=PRIVATE_KEY, light=True)
    return path


@pytest.fixture
def log_key(tmp_path: Path) -> Path:
    """Return the log key of the protocol's worked example under the passphrase "tally"."""
    path = tmp_path / "log.pem"
    create_note_key(path, "ledger.example/handovers", "tally", seed=b"\x01" * 32, light=True)
    return path


@given(
    private_key=st.integers(1, CURVE_ORDER - 1).map(lambda number: number.to_bytes(32, "big")),
    digest=st.binary(min_size=32, max_size=32),
)
def test_signatures_are_those_of_the_key(private_key: bytes, digest: bytes) -> None:
    """65 bytes that recover to the key id under the strict rules (low s, v 27 or 28), for every key and digest."""
    signer = LocalSigner.from_private_key(private_key)
    assert recover(digest, signer.sign(digest)) == signer.key_id


@pytest.mark.parametrize("private_key", [bytes(32), CURVE_ORDER.to_bytes(32, "big")])
def test_no_key_outside_the_order_of_the_curve(private_key: bytes) -> None:
    """Zero and the order itself are no private keys."""
    with pytest.raises(ValueError, match="Secret scalar"):
        LocalSigner.from_private_key(private_key)


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_only_digests_are_signed(length: int) -> None:
    """Anything but 32 bytes is refused: a signer hashes nothing."""
    with pytest.raises(ValueError, match="a digest has 32 bytes"):
        LocalSigner.from_private_key(PRIVATE_KEY).sign(bytes(length))


def test_signer_does_not_print_its_key() -> None:
    """A signer shows its key id, the Ethereum address in lower case, and nothing of the private key."""
    assert repr(LocalSigner.from_private_key(PRIVATE_KEY)) == f"LocalSigner(key_id='{KEY_ID}')"


def test_keystore_is_readable_by_wallets(keystore: Path) -> None:
    """The file is a Web3 keystore of version 3 that eth-account opens, and so do we; it names its key id."""
    parsed = json.loads(keystore.read_bytes())
    assert (parsed["version"], bytes(Account.decrypt(parsed, "tally"))) == (3, PRIVATE_KEY)
    assert open_keystore(keystore, "tally").key_id == KEY_ID == keystore_key_id(keystore)


@pytest.mark.parametrize("kdf", ["scrypt", "pbkdf2"])
def test_keystore_of_a_wallet_opens(tmp_path: Path, kdf: Literal["scrypt", "pbkdf2"]) -> None:
    """What eth-account encrypts, by either derivation of the format and with a passphrase in any script, opens; old
    ones of geth begin a name with a capital."""
    path = tmp_path / "officer.json"
    keystore = Account.encrypt(PRIVATE_KEY, "侦查 tally", kdf=kdf, iterations=4096)
    for name in ("crypto", "Crypto"):
        keystore[name] = keystore.pop("crypto")
        write_secret(path, json.dumps(keystore).encode(), field="key", replace=True)
        assert open_keystore(path, "侦查 tally").key_id == KEY_ID


@pytest.mark.parametrize(
    "change",
    [
        {"cipher": "aes-256-ctr"},
        {"kdf": "argon2"},
        {"kdfparams": {"n": 3, "r": 8, "p": 1, "dklen": 32, "salt": "00"}},
        {"kdfparams": {"n": 2**80, "r": 8, "p": 1, "dklen": 32, "salt": "00"}},
        {"kdfparams": {"n": 2**60, "r": 8, "p": 1, "dklen": 32, "salt": "00"}},
        {"kdfparams": {}},
        {"mac": "00" * 32},
        {"ciphertext": "zz"},
        {"cipherparams": {"iv": "00"}},
    ],
)
def test_keystore_that_is_damaged_is_refused(keystore: Path, change: dict[str, object]) -> None:
    """An algorithm that we do not have, senseless or immense work, another text: each is refused and names the file."""
    parsed = json.loads(keystore.read_bytes())
    parsed["crypto"] |= change
    keystore.write_text(json.dumps(parsed))
    with pytest.raises(KeyRefused, match=r"officer\.json does not open"):
        open_keystore(keystore, "tally")


def test_wrong_passphrase_opens_nothing(keystore: Path, log_key: Path) -> None:
    """A wrong passphrase is refused and blamed on the passphrase, for both kinds of key."""
    for open_key, path in ((open_keystore, keystore), (open_note_key, log_key)):
        with pytest.raises(KeyRefused) as refused:
            open_key(path, "talli")
        assert refused.value.field == "passphrase"


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_key_that_others_may_read_is_refused(keystore: Path, log_key: Path, mode: int) -> None:
    """A key file open to group or others is not read; the hint says the command that mends it."""
    for open_key, path in ((open_keystore, keystore), (open_note_key, log_key)):
        path.chmod(mode)
        with pytest.raises(SecretRefused) as refused:
            open_key(path, "tally")
        assert f"chmod 600 {path}" in str(refused.value.hint)


def test_key_is_never_overwritten(keystore: Path, log_key: Path) -> None:
    """Making a key under a name that is taken is refused and leaves the old one as it was."""
    before = keystore.read_bytes(), log_key.read_bytes()
    with pytest.raises(SecretRefused):
        create_keystore(keystore, "other", light=True)
    with pytest.raises(SecretRefused):
        create_note_key(log_key, "other", "other", light=True)
    assert (keystore.read_bytes(), log_key.read_bytes()) == before


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b'{"version": 4}', b'{"version": 3}', b'{"version": 3, "address": "0x12"}', b"\xff"]
)
def test_file_that_is_no_keystore_is_refused(tmp_path: Path, content: bytes) -> None:
    """Anything but a whole keystore is refused as a key, not as a crash."""
    path = tmp_path / "officer.json"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyRefused):
        open_keystore(path, "tally")
    with pytest.raises(KeyRefused):
        keystore_key_id(path)


def test_keystore_of_another_address_is_refused(keystore: Path) -> None:
    """A keystore whose address is not that of its key does not open under that address."""
    parsed = json.loads(keystore.read_bytes()) | {"address": "11" * 20}
    keystore.write_text(json.dumps(parsed))
    with pytest.raises(KeyRefused, match="0x1111"):
        open_keystore(keystore, "tally")


def test_log_key_is_that_of_the_worked_example(log_key: Path) -> None:
    """The seed of the protocol's example gives its vkey, from the open and from the closed file."""
    vkey = "ledger.example/handovers+b1f9fae1+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c"
    assert note_key(log_key).vkey() == vkey
    signer = open_note_key(log_key, "tally")
    signer.verifying_key.verify(b"text", signer.sign(b"text"))


def test_witness_key_is_one_for_cosignatures(tmp_path: Path) -> None:
    """A cosigner's key has the type of cosignature/v1, as in the protocol's example."""
    public = create_note_key(
        tmp_path / "w.pem",
        "witness.example/w1",
        "tally",
        SignatureType.COSIGNATURE_V1,
        seed=b"\x02" * 32,
        light=True,
    )
    assert public.vkey() == "witness.example/w1+df1c0a35+BIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU"
    assert open_note_key(tmp_path / "w.pem", "tally").verifying_key.signature_type is SignatureType.COSIGNATURE_V1


def test_ml_dsa_44_key_is_kept_as_its_seed(tmp_path: Path) -> None:
    """It signs co-signatures of trees (C2SP tlog-cosignature) as `dilithium-py` does with its seed, under any
    passphrase, and its file is of the same form as that of Ed25519."""
    path = tmp_path / "w.pem"
    public = create_note_key(
        path, "witness.example/w1", "tally", SignatureType.SUBTREE_V1, seed=b"\x0c" * 32, light=True
    )
    public_key, _ = ML_DSA_44.key_derive(b"\x0c" * 32)
    assert (public.public_key, public.signature_type) == (public_key, SignatureType.SUBTREE_V1)
    change_passphrase([path], "tally", "next", light=True)
    signer = open_note_key(path, "next")
    assert (signer.verifying_key, note_key(path)) == (public, public)
    assert ML_DSA_44.verify(public_key, b"message", signer.sign(b"message"))
    assert (b"\x0c" * 32).hex() not in repr(signer)
    with refused_at("signature", error=SignatureRefused):
        public.verify(b"massage", signer.sign(b"message"))


def test_key_of_another_algorithm_than_its_vkey_is_refused(tmp_path: Path, log_key: Path) -> None:
    """The first line says ML-DSA-44, the PEM below holds Ed25519."""
    witness_file = tmp_path / "w.pem"
    create_note_key(witness_file, "w", "tally", SignatureType.SUBTREE_V1, light=True)
    witness_file.write_bytes(
        witness_file.read_bytes().partition(b"\n")[0] + b"\n" + log_key.read_bytes().partition(b"\n")[2]
    )
    with pytest.raises(KeyRefused, match="holds no ML-DSA-44 key"):
        open_note_key(witness_file, "tally")


@pytest.fixture
def some_work(monkeypatch: pytest.MonkeyPatch) -> int:
    """Let keys take less than the full work, which takes a second, and more than light ones."""
    assert keys.FULL_WORK == 262_144
    monkeypatch.setattr(keys, "FULL_WORK", 32_768)
    return keys.FULL_WORK


@pytest.mark.parametrize("light", [False, True])
def test_both_kinds_of_keys_are_under_the_same_scrypt(tmp_path: Path, light: bool, some_work: int) -> None:
    """A seed is no easier to guess than a keystore: N, r and p stand in both files, and are the same."""
    work = 4096 if light else some_work
    create_keystore(tmp_path / "key.json", "tally", light=light)
    create_note_key(tmp_path / "key.pem", "log", "tally", light=light)
    parameters = json.loads((tmp_path / "key.json").read_bytes())["crypto"]["kdfparams"]
    assert {name: parameters[name] for name in "nrp"} == {"n": work, "r": 8, "p": 1}
    der = base64.b64decode(b"".join((tmp_path / "key.pem").read_bytes().splitlines()[2:-1]))
    scrypt, n, r_and_p = "06092b06010401da47040b", "02021000" if light else f"0203{work:06x}", "020108020101"
    before, after = re.escape(bytes.fromhex(scrypt)), re.escape(bytes.fromhex(n + r_and_p))
    assert re.search(before + b"..\x04\x10.{16}" + after, der, re.DOTALL)
    assert open_note_key(tmp_path / "key.pem", "tally").verifying_key == note_key(tmp_path / "key.pem")


def test_seed_opens_without_this_project(tmp_path: Path) -> None:
    """OpenSSL reads the key, encrypted PKCS #8, for whoever has nothing but the file and the passphrase."""
    create_note_key(tmp_path / "log.pem", "log", "tally", seed=b"\x01" * 32, light=True)
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in (tmp_path / "log.pem").read_bytes()
    command = ["openssl", "pkey", "-in", str(tmp_path / "log.pem"), "-passin", "pass:tally", "-outform", "DER"]
    assert subprocess.run(command, capture_output=True, check=True).stdout.endswith(b"\x01" * 32)


def test_passphrases_are_changed_together_or_not_at_all(keystore: Path, log_key: Path) -> None:
    """Each key is the same under the new passphrase; where one does not open, none is written."""
    before = keystore.read_bytes(), log_key.read_bytes(), note_key(log_key)
    witness_key = log_key.with_name("other") / "w.pem"
    create_note_key(witness_key, "witness", "another passphrase", light=True)
    with pytest.raises(KeyRefused, match=r"w\.pem"):
        change_passphrase([keystore, log_key, witness_key], "tally", "next", light=True)
    with pytest.raises(KeyRefused, match=r"officer\.json"):
        change_passphrase([keystore, log_key], "wrong", "next", light=True)
    assert (keystore.read_bytes(), log_key.read_bytes()) == before[:2]
    change_passphrase([keystore, log_key], "tally", "next", light=True)
    assert (open_keystore(keystore, "next").key_id, open_note_key(log_key, "next").verifying_key) == (KEY_ID, before[2])
    assert not any(opens(path, "tally") for path in (keystore, log_key))
    assert {stat.S_IMODE(path.stat().st_mode) for path in (keystore, log_key)} == {0o600}


def test_a_change_that_was_cut_short_goes_on(keystore: Path, log_key: Path) -> None:
    """Keys that are under the new passphrase already stay as they are, to the byte."""
    change_passphrase([keystore], "tally", "next", light=True)
    before = keystore.read_bytes()
    change_passphrase([keystore, log_key], "tally", "next", light=True)
    assert keystore.read_bytes() == before
    assert opens(log_key, "next")


def test_a_changed_passphrase_takes_full_work(keystore: Path, some_work: int) -> None:
    """A key that was made with little work is made hard to guess by a new passphrase."""
    change_passphrase([keystore], "tally", "next")
    assert json.loads(keystore.read_bytes())["crypto"]["kdfparams"]["n"] == some_work


def test_note_key_under_a_foreign_vkey_is_refused(log_key: Path, tmp_path: Path) -> None:
    """A PEM that is not the key of the line above it does not open."""
    create_note_key(tmp_path / "other.pem", "ledger.example/handovers", "tally", seed=b"\x03" * 32, light=True)
    other_vkey = (tmp_path / "other.pem").read_bytes().partition(b"\n")[0]
    pem = log_key.read_bytes().partition(b"\n")[2]
    log_key.write_bytes(other_vkey + b"\n" + pem)
    with pytest.raises(KeyRefused, match="but holds the key"):
        open_note_key(log_key, "tally")


@pytest.mark.parametrize("content", [b"", b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n", b"\xff\n"])
def test_file_that_is_no_note_key_is_refused(log_key: Path, content: bytes) -> None:
    """A file without a vkey in its first line is refused as a key."""
    log_key.write_bytes(content)
    with pytest.raises(KeyRefused):
        note_key(log_key)


def test_names_stay_inside_the_directory(tmp_path: Path) -> None:
    """Names are plain file names: nothing climbs out of the directory or hides in it."""
    folder = KeyDirectory(tmp_path)
    assert folder.keystore("psb-clerk.1") == tmp_path / "psb-clerk.1.json"
    for name in ("", "..", "../x", "a/b", "/etc/x", ".hidden", "A", "a\0", "a\n", "a" * 65):
        with pytest.raises(MalformedInput):
            folder.note_key(name)


def test_directory_lists_its_keys(tmp_path: Path, keystore: Path, log_key: Path) -> None:
    """Keystores and note keys are listed by name, other files are not."""
    (tmp_path / "README").write_text("not a key")
    assert list(KeyDirectory(tmp_path).files()) == [log_key, keystore]
