"""Checkpoints and co-signatures: the worked example byte for byte, the published log, and what is refused."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.errors import MalformedInput, SignatureRefused
from ledger.core.log.checkpoints import (
    Checkpoint,
    Cosignature,
    cosign_checkpoint,
    parse_checkpoint,
    parse_size,
    sign_checkpoint,
    verify_checkpoint,
    verify_cosignatures,
)
from ledger.core.log.merkle import EMPTY_ROOT, Hash, leaf_hash, root_of
from ledger.core.log.notes import (
    NoteSignature,
    SeedSigner,
    SignatureType,
    VerifyingKey,
    parse_note,
    parse_vkey,
    sign_note,
)

ORIGIN = "ledger.example/handovers"
COSIGNED_AT = 1_767_225_600
WORKED_EXAMPLE = """\
ledger.example/handovers
3
PbZ2Ze6owm3jQWaMHTGZ9h3kt4CoKFaaiYzkjCjZMfM=

— ledger.example/handovers sfn64dM7MyEdRHYW0zSaa6l1+0fbd9vbM6XOEQh8l3UEm1phmSdNnNtXqWcRzfc0suvJOLzB+hPCWRufPnmY0sIrcwU=
— witness.example/w1 3xwKNQAAAABpVbkA2Gi0Wg5tZ4bMHvHIPonGuKPwQy0KmSCw8LUE0debSoLWtxK8bnIuHYJR7Vc6NYSfo0UP+SeP0XKSiILW17TVAA==
"""  # noqa: E501
LOG = SeedSigner.from_seed(ORIGIN, b"\x01" * 32)
WITNESS = SeedSigner.from_seed("witness.example/w1", b"\x02" * 32, SignatureType.COSIGNATURE_V1)
SECOND_WITNESS = SeedSigner.from_seed("witness.example/w2", b"\x03" * 32, SignatureType.COSIGNATURE_V1)
CHECKPOINT = Checkpoint(ORIGIN, 3, root_of([leaf_hash(b'{"seq":%d}' % seq) for seq in range(3)]))
PUBLISHED_LOG_KEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"


def signed(text: str, signer: SeedSigner = LOG) -> str:
    """Any text as a note of the log: what a log with a fault, or a thief of its key, may publish."""
    return str(sign_note(text, signer))


def cosigned(*lines: NoteSignature) -> str:
    return str(parse_note(sign_checkpoint(CHECKPOINT, LOG)).with_signatures(lines))


class TestWorkedExample:
    def test_it_is_made_byte_for_byte(self) -> None:
        """Seeds, leaves and time of the worked example give its note."""
        assert cosigned(cosign_checkpoint(CHECKPOINT, WITNESS, COSIGNED_AT)) == WORKED_EXAMPLE

    def test_it_is_verified(self) -> None:
        """Its checkpoint and its co-signature are read under the two keys."""
        assert verify_checkpoint(WORKED_EXAMPLE, LOG.verifying_key) == CHECKPOINT
        assert verify_cosignatures(WORKED_EXAMPLE, [WITNESS.verifying_key]) == (
            Cosignature(WITNESS.verifying_key, COSIGNED_AT),
        )


class TestPublishedLog:
    @pytest.mark.parametrize("size", range(16))
    def test_checkpoint_of_every_size(self, vectors: Path, size: int) -> None:
        """Each published checkpoint is verified under the log's key and is made of the text that was signed."""
        note = (vectors / "tessera-log" / f"checkpoint.{size}").read_text()
        checkpoint = verify_checkpoint(note, parse_vkey(PUBLISHED_LOG_KEY))
        assert (checkpoint.origin, checkpoint.size) == ("example.com/log/testdata", size)
        assert checkpoint.text() == parse_note(note).text

    def test_another_log_does_not_vouch_for_it(self, vectors: Path) -> None:
        """The key of another log refuses it."""
        with pytest.raises(SignatureRefused, match="no signature is by"):
            verify_checkpoint((vectors / "tessera-log" / "checkpoint.7").read_text(), LOG.verifying_key)


class TestParse:
    @given(st.integers(1, 2**63 - 1), st.binary(min_size=32, max_size=32))
    def test_every_checkpoint_goes_both_ways(self, size: int, root: bytes) -> None:
        """A signed checkpoint of any size verifies to itself."""
        checkpoint = Checkpoint(ORIGIN, size, Hash(root))
        assert parse_checkpoint(checkpoint.text()) == checkpoint
        assert verify_checkpoint(sign_checkpoint(checkpoint, LOG), LOG.verifying_key) == checkpoint

    def test_empty_log(self) -> None:
        """The checkpoint of an empty log has size 0 and the root SHA-256 of nothing."""
        empty = Checkpoint(ORIGIN, 0, EMPTY_ROOT)
        assert empty.text() == f"{ORIGIN}\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
        assert parse_checkpoint(empty.text()) == empty

    @pytest.mark.parametrize(
        "size",
        [
            "",
            "03",
            "+3",
            "-3",
            "3_0",
            " 3",
            "3 ",
            "3.0",
            "3e0",
            "0x3",
            "00",
            "٣",
            "９",
            str(2**63),
            str(2**64),
            "9" * 5000,
        ],
    )
    def test_size_in_another_spelling_is_refused(self, size: str) -> None:
        """A size is plain ASCII decimal below 2^63, though the log has signed it."""
        with pytest.raises(MalformedInput, match="is not a plain decimal") as refused:
            verify_checkpoint(signed(CHECKPOINT.text().replace("\n3\n", f"\n{size}\n")), LOG.verifying_key)
        assert refused.value.field == "size"
        assert len(str(refused.value)) < 200

    def test_sizes_and_indexes_are_read_alike(self) -> None:
        """``parse_size`` names the field that it was told."""
        assert [parse_size(text) for text in ("0", "7", "10", str(2**63 - 1))] == [0, 7, 10, 2**63 - 1]
        with pytest.raises(MalformedInput) as refused:
            parse_size("07", "index")
        assert refused.value.field == "index"

    @pytest.mark.parametrize(
        "root",
        [
            "",
            "PbZ2Ze6owm3jQWaMHTGZ9h3kt4CoKFaaiYzkjCjZMfM",
            "PbZ2Ze6owm3jQWaMHTGZ9h3kt4CoKFaaiYzkjCjZMfN=",
            "PbZ2Ze6owm3jQWaMHTGZ9h3kt4CoKFaaiYzkjCjZMQ==",
            "PbZ2Ze6owm3jQWaMHTGZ9h3kt4CoKFaaiYzkjCjZMfPz",
            "PbZ2Ze6owm3jQWaMHTGZ9h3kt4CoKFaaiYzkjCjZMfM= ",
            "PbZ2Ze6owm3jQWaMHTGZ9h3kt4CoKFaaiYzkjCjZMf-=",
            "3db67665eea8c26de341668c1d3199f61de4b780a828569a898ce48c28d931f3",
        ],
    )
    def test_root_in_another_spelling_is_refused(self, root: str) -> None:
        """A root is 32 bytes in canonical base64, though the log has signed it."""
        text = CHECKPOINT.text().replace(CHECKPOINT.text().split("\n")[2], root)
        with pytest.raises(MalformedInput) as refused:
            verify_checkpoint(signed(text), LOG.verifying_key)
        assert refused.value.field == "root"

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
        with pytest.raises(MalformedInput, match="three lines") as refused:
            parse_checkpoint(text)
        assert refused.value.field == "checkpoint"

    @pytest.mark.parametrize("origin", ["", "a\nb", "a\0", "a\x1f", "\ud800"])
    def test_origin_is_one_line(self, origin: str) -> None:
        """An origin is never empty and cannot smuggle in a line."""
        with pytest.raises(MalformedInput) as refused:
            Checkpoint(origin, 3, CHECKPOINT.root)
        assert refused.value.field == "origin"
        with pytest.raises(MalformedInput):
            parse_checkpoint(CHECKPOINT.text().replace(ORIGIN, ""))

    @pytest.mark.parametrize("size", [-1, 2**63, 2**64])
    def test_size_out_of_bounds(self, size: int) -> None:
        """0 <= size < 2**63."""
        with pytest.raises(MalformedInput) as refused:
            Checkpoint(ORIGIN, size, CHECKPOINT.root)
        assert refused.value.field == "size"

    def test_size_zero_with_a_root(self) -> None:
        """No leaves have no other root, and leaves never have the empty one."""
        for size, root in ((0, CHECKPOINT.root), (3, EMPTY_ROOT), (3, Hash(b"")), (3, Hash(bytes(33)))):
            with pytest.raises(MalformedInput) as refused:
                Checkpoint(ORIGIN, size, root)
            assert refused.value.field == "root"


class TestVerify:
    def test_log_signs_for_its_own_origin_only(self) -> None:
        """A key whose name is not the origin neither signs nor vouches for a checkpoint."""
        other = SeedSigner.from_seed("other.example/log", b"\x04" * 32)
        with pytest.raises(SignatureRefused, match=r"of ledger\.example/handovers, the key of other") as refused:
            sign_checkpoint(CHECKPOINT, other)
        assert refused.value.field == "origin"
        with pytest.raises(SignatureRefused, match=r"of ledger\.example/handovers, the key of other"):
            verify_checkpoint(signed(CHECKPOINT.text(), other), other.verifying_key)

    def test_every_changed_character_is_refused(self) -> None:
        """No character of the text can be another."""
        note = sign_checkpoint(CHECKPOINT, LOG)
        for at in range(len(CHECKPOINT.text())):
            changed = note[:at] + ("4" if note[at] != "4" else "5") + note[at + 1 :]
            with pytest.raises((SignatureRefused, MalformedInput)):
                verify_checkpoint(changed, LOG.verifying_key)

    def test_text_is_not_read_before_its_signature_holds(self) -> None:
        """An unsigned text is refused for its signature, whatever it says."""
        note = sign_checkpoint(CHECKPOINT, LOG).replace("\n3\n", "\nnonsense\n")
        with pytest.raises(SignatureRefused, match="does not hold"):
            verify_checkpoint(note, LOG.verifying_key)

    def test_witness_key_is_no_log_key(self) -> None:
        """A co-signature is never taken for the log's signature."""
        as_witness = SeedSigner.from_seed(ORIGIN, b"\x01" * 32, SignatureType.COSIGNATURE_V1)
        with pytest.raises(SignatureRefused, match="not for ED25519"):
            verify_checkpoint(WORKED_EXAMPLE, as_witness.verifying_key)
        with pytest.raises(SignatureRefused, match="not for ED25519"):
            sign_checkpoint(CHECKPOINT, as_witness)


class TestCosign:
    @given(st.integers(0, 2**63 - 1))
    def test_any_time_goes_both_ways(self, timestamp: int) -> None:
        """The time that was signed is the time that is read."""
        note = cosigned(cosign_checkpoint(CHECKPOINT, WITNESS, timestamp))
        [cosignature] = verify_cosignatures(note, [WITNESS.verifying_key])
        assert cosignature == Cosignature(WITNESS.verifying_key, timestamp)

    @pytest.mark.parametrize("timestamp", [-1, 2**63, 2**64])
    def test_time_out_of_bounds_is_not_signed(self, timestamp: int) -> None:
        """0 <= timestamp < 2**63 (C2SP tlog-cosignature)."""
        with pytest.raises(MalformedInput) as refused:
            cosign_checkpoint(CHECKPOINT, WITNESS, timestamp)
        assert refused.value.field == "timestamp"

    def test_signed_message_is_that_of_the_specification(self) -> None:
        """Header line, time line, then the whole text of the checkpoint."""
        line = cosign_checkpoint(CHECKPOINT, WITNESS, COSIGNED_AT)
        assert line.signature[:8] == COSIGNED_AT.to_bytes(8, "big")
        message = f"cosignature/v1\ntime 1767225600\n{CHECKPOINT.text()}".encode()
        WITNESS.verifying_key.verify(message, line.signature[8:])

    def test_witnesses_are_found_in_the_order_of_the_keys(self) -> None:
        """Absent witnesses are left out, unknown ones ignored, a key that is named twice counts once."""
        note = cosigned(
            cosign_checkpoint(CHECKPOINT, SECOND_WITNESS, 20),
            NoteSignature("unknown.example", b"\0\0\0\0", b"anything"),
            cosign_checkpoint(CHECKPOINT, WITNESS, 10),
        )
        absent = SeedSigner.from_seed("witness.example/w3", b"\x05" * 32, SignatureType.COSIGNATURE_V1)
        keys = [signer.verifying_key for signer in (WITNESS, absent, SECOND_WITNESS, WITNESS)]
        cosignatures = verify_cosignatures(note, keys)
        assert [(item.witness.name, item.timestamp) for item in cosignatures] == [
            ("witness.example/w1", 10),
            ("witness.example/w2", 20),
        ]
        assert verify_cosignatures(note, []) == ()
        assert verify_cosignatures(note, [absent.verifying_key]) == ()

    def test_changed_time_is_refused(self) -> None:
        """The time is signed: a witness said when it saw the tree."""
        line = cosign_checkpoint(CHECKPOINT, WITNESS, COSIGNED_AT)
        changed = NoteSignature(line.name, line.key_id, (COSIGNED_AT - 1).to_bytes(8, "big") + line.signature[8:])
        with pytest.raises(SignatureRefused, match="does not hold"):
            verify_cosignatures(cosigned(changed), [WITNESS.verifying_key])

    def test_cosignature_of_another_checkpoint_is_refused(self) -> None:
        """A witness's word for one tree is none for another."""
        other = Checkpoint(ORIGIN, 4, CHECKPOINT.root)
        with pytest.raises(SignatureRefused, match="does not hold"):
            verify_cosignatures(cosigned(cosign_checkpoint(other, WITNESS, COSIGNED_AT)), [WITNESS.verifying_key])

    def test_one_bad_known_signature_refuses_the_note(self) -> None:
        """A known witness whose line does not hold is not passed over, though another's does."""
        bad = NoteSignature(SECOND_WITNESS.verifying_key.name, SECOND_WITNESS.verifying_key.key_id, bytes(72))
        note = cosigned(cosign_checkpoint(CHECKPOINT, WITNESS, COSIGNED_AT), bad)
        with pytest.raises(SignatureRefused, match="w2 does not hold"):
            verify_cosignatures(note, [WITNESS.verifying_key, SECOND_WITNESS.verifying_key])

    @pytest.mark.parametrize("length", [1, 7, 8, 64, 71, 73])
    def test_another_length_is_refused(self, length: int) -> None:
        """A v1 co-signature is 8 bytes of time and 64 of signature."""
        line = NoteSignature(WITNESS.verifying_key.name, WITNESS.verifying_key.key_id, bytes(length))
        with pytest.raises(SignatureRefused, match="is not a timestamp and 64 bytes") as refused:
            verify_cosignatures(cosigned(line), [WITNESS.verifying_key])
        assert refused.value.field == "signature"

    def test_time_from_two_to_the_63_on_is_refused(self) -> None:
        """Though the witness signed it."""
        message = f"cosignature/v1\ntime {2**63}\n{CHECKPOINT.text()}".encode()
        key = WITNESS.verifying_key
        line = NoteSignature(key.name, key.key_id, (2**63).to_bytes(8, "big") + WITNESS.sign(message))
        with pytest.raises(SignatureRefused, match="is not a timestamp"):
            verify_cosignatures(cosigned(line), [key])

    def test_two_lines_of_one_witness_are_refused(self) -> None:
        """Even where both hold: one witness speaks once."""
        lines = [cosign_checkpoint(CHECKPOINT, WITNESS, timestamp) for timestamp in (10, 20)]
        with pytest.raises(SignatureRefused, match="2 signature lines"):
            verify_cosignatures(cosigned(*lines), [WITNESS.verifying_key])

    def test_log_key_is_no_witness_key(self) -> None:
        """Only keys for co-signatures co-sign."""
        with pytest.raises(SignatureRefused, match="not for COSIGNATURE_V1"):
            cosign_checkpoint(CHECKPOINT, LOG, COSIGNED_AT)
        with pytest.raises(SignatureRefused, match="not for COSIGNATURE_V1"):
            verify_cosignatures(WORKED_EXAMPLE, [LOG.verifying_key])

    def test_log_and_witness_may_share_a_name_and_a_public_key(self) -> None:
        """The key id tells their lines apart (C2SP signed-note)."""
        namesake = SeedSigner.from_seed(ORIGIN, b"\x01" * 32, SignatureType.COSIGNATURE_V1)
        note = cosigned(cosign_checkpoint(CHECKPOINT, namesake, 5))
        assert verify_checkpoint(note, LOG.verifying_key) == CHECKPOINT
        assert verify_cosignatures(note, [namesake.verifying_key]) == (Cosignature(namesake.verifying_key, 5),)


def test_key_types_are_told_apart_by_vkey() -> None:
    """A vkey says what its key signs."""
    material = base64.b64decode(WITNESS.verifying_key.vkey().rsplit("+", 1)[1])
    assert material[0] == 4
    assert parse_vkey(WITNESS.verifying_key.vkey()) == VerifyingKey(
        "witness.example/w1", SignatureType.COSIGNATURE_V1, material[1:]
    )
