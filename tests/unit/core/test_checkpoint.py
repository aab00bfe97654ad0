"""Checkpoints and co-signatures: the worked example byte for byte, the published log, and what is refused."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from dilithium_py.ml_dsa import ML_DSA_44
from hypothesis import given
from hypothesis import strategies as st

from ledger.config.keys import MlDsaSigner
from ledger.core.errors import MalformedInput, SignatureRefused
from ledger.core.log import checkpoints, notes
from ledger.core.log.merkle import EMPTY_ROOT, Hash, leaf_hash, root_of
from tests.testkit.builders import refused_at

ORIGIN = "ledger.example/handovers"
COSIGNED_AT = 1_767_225_600
WORKED_EXAMPLE = """\
ledger.example/handovers
3
PbZ2Ze6owm3jQWaMHTGZ9h3kt4CoKFaaiYzkjCjZMfM=

— ledger.example/handovers sfn64dM7MyEdRHYW0zSaa6l1+0fbd9vbM6XOEQh8l3UEm1phmSdNnNtXqWcRzfc0suvJOLzB+hPCWRufPnmY0sIrcwU=
— witness.example/w1 3xwKNQAAAABpVbkA2Gi0Wg5tZ4bMHvHIPonGuKPwQy0KmSCw8LUE0debSoLWtxK8bnIuHYJR7Vc6NYSfo0UP+SeP0XKSiILW17TVAA==
"""  # noqa: E501
LOG = notes.SeedSigner.from_seed(ORIGIN, b"\x01" * 32)
WITNESS = notes.SeedSigner.from_seed("witness.example/w1", b"\x02" * 32, notes.SignatureType.COSIGNATURE_V1)
SECOND_WITNESS = notes.SeedSigner.from_seed("witness.example/w2", b"\x03" * 32, notes.SignatureType.COSIGNATURE_V1)
LATTICE = MlDsaSigner.from_seed("witness.example/w1", b"\x0c" * 32)  # the other key of the first witness
CHECKPOINT = checkpoints.Checkpoint(ORIGIN, 3, root_of([leaf_hash(b'{"seq":%d}' % seq) for seq in range(3)]))
PUBLISHED_LOG_KEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"


def subtree_message(timestamp: int, *, start: int = 0, origin: str = ORIGIN) -> bytes:
    """The ``cosigned_message`` of C2SP tlog-cosignature, field by field, for the tree of the worked example."""
    name = LATTICE.verifying_key.name.encode()
    numbers = [number.to_bytes(8, "big") for number in (timestamp, start, CHECKPOINT.size)]
    label, log_origin = b"subtree/v1\n\0", bytes([len(origin)]) + origin.encode()
    return label + bytes([len(name)]) + name + numbers[0] + log_origin + numbers[1] + numbers[2] + CHECKPOINT.root


def signed(text: str, signer: notes.SeedSigner = LOG) -> str:
    """Any text as a note of the log: what a log with a fault, or a thief of its key, may publish."""
    return str(notes.sign_note(text, signer))


def cosigned(*lines: notes.NoteSignature) -> str:
    return str(notes.parse_note(checkpoints.sign_checkpoint(CHECKPOINT, LOG)).with_signatures(lines))


class TestWorkedExample:
    def test_it_is_made_byte_for_byte(self) -> None:
        """Seeds, leaves and time of the worked example give its note, which is read under the two keys."""
        assert cosigned(checkpoints.cosign_checkpoint(CHECKPOINT, WITNESS, COSIGNED_AT)) == WORKED_EXAMPLE
        assert checkpoints.verify_checkpoint(WORKED_EXAMPLE, LOG.verifying_key) == CHECKPOINT
        assert checkpoints.verify_cosignatures(WORKED_EXAMPLE, [WITNESS.verifying_key]) == (
            checkpoints.Cosignature(WITNESS.verifying_key, COSIGNED_AT),
        )


class TestPublishedLog:
    @pytest.mark.parametrize("size", range(16))
    def test_checkpoint_of_every_size(self, vectors: Path, size: int) -> None:
        """Each published checkpoint is verified under the log's key and is made of the text that was signed."""
        note = (vectors / "tessera-log" / f"checkpoint.{size}").read_text()
        checkpoint = checkpoints.verify_checkpoint(note, notes.parse_vkey(PUBLISHED_LOG_KEY))
        assert (checkpoint.origin, checkpoint.size) == ("example.com/log/testdata", size)
        assert checkpoint.text() == notes.parse_note(note).text


class TestParse:
    @given(st.integers(1, 2**63 - 1), st.binary(min_size=32, max_size=32))
    def test_every_checkpoint_goes_both_ways(self, size: int, root: bytes) -> None:
        """A signed checkpoint of any size verifies to itself."""
        checkpoint = checkpoints.Checkpoint(ORIGIN, size, Hash(root))
        assert checkpoints.parse_checkpoint(checkpoint.text()) == checkpoint
        assert (
            checkpoints.verify_checkpoint(checkpoints.sign_checkpoint(checkpoint, LOG), LOG.verifying_key) == checkpoint
        )

    def test_empty_log(self) -> None:
        """The checkpoint of an empty log has size 0 and the root SHA-256 of nothing."""
        empty = checkpoints.Checkpoint(ORIGIN, 0, EMPTY_ROOT)
        assert empty.text() == f"{ORIGIN}\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
        assert checkpoints.parse_checkpoint(empty.text()) == empty

    @pytest.mark.parametrize(
        "size", ["", "03", "+3", "-3", "3_0", " 3", "3 ", "3.0", "3e0", "0x3", "00", "٣", "９", str(2**63), "9" * 5000]
    )
    def test_size_in_another_spelling_is_refused(self, size: str) -> None:
        """A size is plain ASCII decimal below 2^63, though the log has signed it."""
        with pytest.raises(MalformedInput, match="is not a plain decimal") as refused:
            checkpoints.verify_checkpoint(signed(CHECKPOINT.text().replace("\n3\n", f"\n{size}\n")), LOG.verifying_key)
        assert refused.value.field == "size"
        assert len(str(refused.value)) < 200

    def test_sizes_and_indexes_are_read_alike(self) -> None:
        """``parse_size`` names the field that it was told."""
        assert [checkpoints.parse_size(text) for text in ("0", "7", "10", str(2**63 - 1))] == [0, 7, 10, 2**63 - 1]
        with refused_at("index"):
            checkpoints.parse_size("07", "index")

    @pytest.mark.parametrize(
        "root",
        [
            "",
            "PbZ2Ze6owm3jQWaMHTGZ9h3kt4CoKFaaiYzkjCjZMfM",
            "PbZ2Ze6owm3jQWaMHTGZ9h3kt4CoKFaaiYzkjCjZMfN=",
            "PbZ2Ze6owm3jQWaMHTGZ9h3kt4CoKFaaiYzkjCjZMQ==",
        ],
    )
    def test_root_in_another_spelling_is_refused(self, root: str) -> None:
        """A root is 32 bytes in canonical base64, though the log has signed it."""
        text = CHECKPOINT.text().replace(CHECKPOINT.text().split("\n")[2], root)
        with refused_at("root"):
            checkpoints.verify_checkpoint(signed(text), LOG.verifying_key)

    @pytest.mark.parametrize(
        "text",
        [
            CHECKPOINT.text() + "extension\n",
            CHECKPOINT.text() + "\n",
            CHECKPOINT.text()[:-1],
            "\n" + CHECKPOINT.text(),
            f"{ORIGIN}\n3\n",
            "",
        ],
    )
    def test_more_or_fewer_lines_are_refused(self, text: str) -> None:
        """There are three lines: no extension line, no empty one."""
        with refused_at("checkpoint", match="three lines"):
            checkpoints.parse_checkpoint(text)

    @pytest.mark.parametrize(
        ("field", "origin", "size", "root"),
        [
            *(("origin", origin, 3, CHECKPOINT.root) for origin in ("", "a\nb", "a\0", "a\x1f", "\ud800")),
            *(("size", ORIGIN, size, CHECKPOINT.root) for size in (-1, 2**63, 2**64)),
            *(("root", ORIGIN, 3, root) for root in (EMPTY_ROOT, b"", bytes(33))),
            ("root", ORIGIN, 0, CHECKPOINT.root),
        ],
    )
    def test_what_no_checkpoint_says(self, field: str, origin: str, size: int, root: Hash) -> None:
        """An origin is one line, 0 <= size < 2**63, and the root of no leaves is that of size 0 and of no other."""
        with refused_at(field):
            checkpoints.Checkpoint(origin, size, root)


class TestVerify:
    def test_log_signs_for_its_own_origin_only(self) -> None:
        """A key whose name is not the origin neither signs nor vouches for a checkpoint."""
        foreign_signer = notes.SeedSigner.from_seed("other.example/log", b"\x04" * 32)
        with refused_at("origin", match=r"of ledger\.example/handovers", error=SignatureRefused):
            checkpoints.sign_checkpoint(CHECKPOINT, foreign_signer)
        with pytest.raises(SignatureRefused, match=r"of ledger\.example/handovers"):
            checkpoints.verify_checkpoint(signed(CHECKPOINT.text(), foreign_signer), foreign_signer.verifying_key)

    def test_text_is_not_read_before_its_signature_holds(self) -> None:
        """An unsigned text is refused for its signature, whatever it says."""
        note = checkpoints.sign_checkpoint(CHECKPOINT, LOG).replace("\n3\n", "\nnonsense\n")
        with pytest.raises(SignatureRefused, match="does not hold"):
            checkpoints.verify_checkpoint(note, LOG.verifying_key)


class TestCosign:
    @given(st.integers(1, 2**63 - 1))
    def test_any_time_goes_both_ways(self, timestamp: int) -> None:
        """The time that was signed is the time that is read."""
        note = cosigned(checkpoints.cosign_checkpoint(CHECKPOINT, WITNESS, timestamp))
        [cosignature] = checkpoints.verify_cosignatures(note, [WITNESS.verifying_key])
        assert cosignature == checkpoints.Cosignature(WITNESS.verifying_key, timestamp)

    @pytest.mark.parametrize("witness", [WITNESS, LATTICE], ids=["Ed25519", "ML-DSA-44"])
    @pytest.mark.parametrize("timestamp", [-1, 0, 2**63, 2**64])
    def test_time_out_of_bounds_is_not_signed(self, timestamp: int, witness: notes.NoteSigner) -> None:
        """C2SP tlog-cosignature: it MUST NOT exceed 2^63 - 1; tlog-witness: it MUST NOT be zero."""
        with refused_at("timestamp"):
            checkpoints.cosign_checkpoint(CHECKPOINT, witness, timestamp)

    def test_witnesses_are_found_in_the_order_of_the_keys(self) -> None:
        """Absent witnesses are left out, unknown ones ignored, a key that is named twice counts once."""
        note = cosigned(
            checkpoints.cosign_checkpoint(CHECKPOINT, SECOND_WITNESS, 20),
            notes.NoteSignature("unknown.example", b"\0\0\0\0", b"anything"),
            checkpoints.cosign_checkpoint(CHECKPOINT, WITNESS, 10),
        )
        absent = notes.SeedSigner.from_seed("witness.example/w3", b"\x05" * 32, notes.SignatureType.COSIGNATURE_V1)
        keys = [signer.verifying_key for signer in (WITNESS, absent, SECOND_WITNESS, WITNESS)]
        cosignatures = checkpoints.verify_cosignatures(note, keys)
        signed = [(item.witness.name, item.timestamp) for item in cosignatures]
        assert signed == [("witness.example/w1", 10), ("witness.example/w2", 20)]
        assert checkpoints.verify_cosignatures(note, []) == ()
        assert checkpoints.verify_cosignatures(note, [absent.verifying_key]) == ()

    def test_changed_time_is_refused(self) -> None:
        """The time is signed: a witness said when it saw the tree."""
        line = checkpoints.cosign_checkpoint(CHECKPOINT, WITNESS, COSIGNED_AT)
        changed = notes.NoteSignature(line.name, line.key_id, (COSIGNED_AT - 1).to_bytes(8, "big") + line.signature[8:])
        with pytest.raises(SignatureRefused, match="does not hold"):
            checkpoints.verify_cosignatures(cosigned(changed), [WITNESS.verifying_key])

    @pytest.mark.parametrize("length", [1, 7, 8, 64, 71, 73])
    def test_another_length_is_refused(self, length: int) -> None:
        """A v1 co-signature is 8 bytes of time and 64 of signature."""
        line = notes.NoteSignature(WITNESS.verifying_key.name, WITNESS.verifying_key.key_id, bytes(length))
        with refused_at("signature", match="is no time and 64 bytes", error=SignatureRefused):
            checkpoints.verify_cosignatures(cosigned(line), [WITNESS.verifying_key])

    @pytest.mark.parametrize("witness", [WITNESS, LATTICE], ids=["Ed25519", "ML-DSA-44"])
    @pytest.mark.parametrize("timestamp", [0, 2**63])
    def test_no_time_is_refused(self, timestamp: int, witness: notes.NoteSigner) -> None:
        """Though the witness signed it: 0 is the time of who does not say when (C2SP tlog-cosignature)."""
        text = f"cosignature/v1\ntime {timestamp}\n{CHECKPOINT.text()}".encode()
        key = witness.verifying_key
        signature = witness.sign(subtree_message(timestamp) if key.is_ml_dsa_44 else text)
        line = notes.NoteSignature(key.name, key.key_id, timestamp.to_bytes(8, "big") + signature)
        with pytest.raises(SignatureRefused, match="is no time"):
            checkpoints.verify_cosignatures(cosigned(line), [key])

    def test_log_key_is_no_witness_key_nor_the_reverse(self) -> None:
        """Only keys for co-signatures co-sign, and a co-signature is never taken for the log's signature."""
        as_witness = notes.SeedSigner.from_seed(ORIGIN, b"\x01" * 32, notes.SignatureType.COSIGNATURE_V1)
        with pytest.raises(SignatureRefused, match="no key for ED25519"):
            checkpoints.verify_checkpoint(WORKED_EXAMPLE, as_witness.verifying_key)
        with pytest.raises(SignatureRefused, match="no key for ED25519"):
            checkpoints.sign_checkpoint(CHECKPOINT, as_witness)
        with pytest.raises(SignatureRefused, match="no key for COSIGNATURE_V1 or SUBTREE_V1"):
            checkpoints.cosign_checkpoint(CHECKPOINT, LOG, COSIGNED_AT)
        with pytest.raises(SignatureRefused, match="no key for COSIGNATURE_V1 or SUBTREE_V1"):
            checkpoints.verify_cosignatures(WORKED_EXAMPLE, [LOG.verifying_key])

    def test_log_and_witness_may_share_a_name_and_a_public_key(self) -> None:
        """The key id tells their lines apart (C2SP signed-note)."""
        namesake = notes.SeedSigner.from_seed(ORIGIN, b"\x01" * 32, notes.SignatureType.COSIGNATURE_V1)
        note = cosigned(checkpoints.cosign_checkpoint(CHECKPOINT, namesake, 5))
        assert checkpoints.verify_checkpoint(note, LOG.verifying_key) == CHECKPOINT
        assert checkpoints.verify_cosignatures(note, [namesake.verifying_key]) == (
            checkpoints.Cosignature(namesake.verifying_key, 5),
        )


class TestMlDsa44:
    """C2SP tlog-cosignature, ML-DSA-44 signed message; ``dilithium-py`` is the other implementation of FIPS 204."""

    def test_signed_message_is_that_of_the_specification(self) -> None:
        """The signature MUST be over a ``cosigned_message``: another ML-DSA-44 accepts ours over it, and we its own."""
        line = checkpoints.cosign_checkpoint(CHECKPOINT, LATTICE, COSIGNED_AT)
        key, message = LATTICE.verifying_key, subtree_message(COSIGNED_AT)
        assert line.signature[:8] == COSIGNED_AT.to_bytes(8, "big")
        assert ML_DSA_44.verify(key.public_key, message, line.signature[8:])
        public_key, secret_key = ML_DSA_44.key_derive(b"\x0c" * 32)
        assert public_key == key.public_key
        signature = notes.NoteSignature(key.name, key.key_id, line.signature[:8] + ML_DSA_44.sign(secret_key, message))
        for each in (line, signature):
            assert checkpoints.verify_cosignatures(cosigned(each), [key]) == (
                checkpoints.Cosignature(key, COSIGNED_AT),
            )

    def test_key_id_and_vkey_are_those_of_the_specification(self) -> None:
        """The key id MUST be SHA-256(name, newline, 0x06, public key)[:4]; a vkey holds 0x06 and 1312 bytes."""
        key = LATTICE.verifying_key
        assert key.key_id == sha256(key.name.encode() + b"\n\x06" + key.public_key).digest()[:4]
        assert notes.parse_vkey(key.vkey()) == key
        assert key.vkey().startswith("witness.example/w1+1cd78a80+B")

    @pytest.mark.parametrize(
        "message",
        [
            subtree_message(COSIGNED_AT - 1),
            subtree_message(COSIGNED_AT, start=1),
            subtree_message(COSIGNED_AT, origin="ledger.example/another"),
            f"cosignature/v1\ntime {COSIGNED_AT}\n{CHECKPOINT.text()}".encode(),
            b"tallystick/statement@v1\n\0\x12witness.example/w1"
            + COSIGNED_AT.to_bytes(8, "big")
            + CHECKPOINT.text().encode(),
        ],
        ids=["time", "start", "origin", "text", "statement"],
    )
    def test_another_message_is_refused(self, message: bytes) -> None:
        """Nothing but the whole tree of this log at this time is a co-signature of its checkpoint."""
        key = LATTICE.verifying_key
        line = notes.NoteSignature(key.name, key.key_id, COSIGNED_AT.to_bytes(8, "big") + LATTICE.sign(message))
        with pytest.raises(SignatureRefused, match="does not hold"):
            checkpoints.verify_cosignatures(cosigned(line), [key])

    @pytest.mark.parametrize("length", [1, 8, 72, 2427, 2429])
    def test_another_length_is_refused(self, length: int) -> None:
        """The signature MUST be a ``timestamped_signature``: 8 bytes of time and 2420."""
        key = LATTICE.verifying_key
        line = notes.NoteSignature(key.name, key.key_id, b"\1" * length)
        with refused_at("signature", match="is no time and 2420 bytes", error=SignatureRefused):
            checkpoints.verify_cosignatures(cosigned(line), [key])

    def test_both_keys_of_a_witness_sign_one_note(self) -> None:
        """They share the name; each is found by its own id, and one name is named once."""
        lines = [checkpoints.cosign_checkpoint(CHECKPOINT, signer, COSIGNED_AT) for signer in (WITNESS, LATTICE)]
        keys = [WITNESS.verifying_key, LATTICE.verifying_key]
        cosignatures = checkpoints.verify_cosignatures(cosigned(*lines), keys)
        assert [cosignature.witness for cosignature in cosignatures] == keys
        assert checkpoints.names_of(cosignatures) == "witness.example/w1"

    def test_statement_has_a_message_of_its_own(self) -> None:
        """Of a note that is no checkpoint the text is signed, and no checkpoint is signed by that."""
        line = checkpoints.cosign_statement("a statement\n", LATTICE, COSIGNED_AT)
        key, note = LATTICE.verifying_key, str(notes.SignedNote("a statement\n", (line,)))
        assert checkpoints.verify_statement(note, [key]) == (checkpoints.Cosignature(key, COSIGNED_AT),)
        with pytest.raises(MalformedInput, match="three lines"):
            checkpoints.verify_cosignatures(note, [key])
        as_checkpoint = checkpoints.cosign_checkpoint(CHECKPOINT, LATTICE, COSIGNED_AT)
        with pytest.raises(SignatureRefused, match="does not hold"):
            checkpoints.verify_statement(cosigned(as_checkpoint), [key])

    def test_name_and_origin_fit_into_the_message(self) -> None:
        """``cosigner_name`` and ``log_origin`` have 1 to 255 bytes, of UTF-8."""
        public_key = LATTICE.verifying_key.public_key
        longest = notes.VerifyingKey("é" * 127 + "x", notes.SignatureType.SUBTREE_V1, public_key)
        assert len(longest.name.encode()) == 255
        with refused_at("name", match="at most 255 bytes"):
            notes.VerifyingKey("é" * 128, notes.SignatureType.SUBTREE_V1, public_key)
        assert checkpoints.Checkpoint("é" * 127 + "x", 3, CHECKPOINT.root)
        with refused_at("origin", match="at most 255 bytes"):
            checkpoints.Checkpoint("é" * 128, 3, CHECKPOINT.root)
