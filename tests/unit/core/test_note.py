"""Signed notes: the worked example's keys, one spelling of everything, and what a verifier must refuse."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.core.errors import MalformedInput, SignatureRefused
from ledger.core.log import notes
from tests.testkit.builders import refused_at

LOG_VKEY = "ledger.example/handovers+b1f9fae1+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c"
WITNESS_VKEY = "witness.example/w1+df1c0a35+BIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU"
SIGNER = notes.SeedSigner.from_seed("ledger.example/handovers", b"\x01" * 32)
KEY = SIGNER.verifying_key
TEXT = "a line\n\nand another\n"
SIGNED = str(notes.sign_note(TEXT, SIGNER))
FOREIGN = notes.NoteSignature("elsewhere.example", b"\0\0\0\0", b"anything")


class TestKeys:
    def test_worked_example(self) -> None:
        """Both keys of the worked example follow from their seeds, and their vkeys parse to the same keys."""
        witness = notes.SeedSigner.from_seed("witness.example/w1", b"\x02" * 32, notes.SignatureType.COSIGNATURE_V1)
        assert (KEY.vkey(), witness.verifying_key.vkey()) == (LOG_VKEY, WITNESS_VKEY)
        assert (notes.parse_vkey(LOG_VKEY), notes.parse_vkey(WITNESS_VKEY)) == (KEY, witness.verifying_key)

    def test_type_is_part_of_the_key_id(self) -> None:
        """One public key under one name has another id as a witness than as a log."""
        as_witness = notes.VerifyingKey(KEY.name, notes.SignatureType.COSIGNATURE_V1, KEY.public_key)
        assert as_witness.key_id != KEY.key_id
        assert len(KEY.key_id) == 4

    def test_signer_signs_as_rfc_8032_says(self) -> None:
        """The signature is bare Ed25519 over the message, and the verifying key accepts it."""
        signature = SIGNER.sign(b"message")
        assert signature == Ed25519PrivateKey.from_private_bytes(b"\x01" * 32).sign(b"message")
        KEY.verify(b"message", signature)

    def test_signer_does_not_show_its_key(self) -> None:
        """What is printed of a signer is its public half."""
        assert "private" not in repr(SIGNER)
        assert (b"\x01" * 32).hex() not in repr(SIGNER)

    @pytest.mark.parametrize("length", [0, 31, 33])
    def test_key_of_another_length_is_refused(self, length: int) -> None:
        """Seeds and public keys have 32 bytes."""
        with pytest.raises(MalformedInput) as refused:
            notes.SeedSigner.from_seed("name", bytes(length))
        assert refused.value.field == "seed"
        with refused_at("public_key"):
            notes.VerifyingKey("name", notes.SignatureType.ED25519, bytes(length))
        with refused_at("public_key", match="expected 1312 bytes"):
            notes.VerifyingKey("name", notes.SignatureType.SUBTREE_V1, bytes(length))

    @pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u3000b", "a\u00a0b", "a\n", "a\0", "a\x1f", "\ud800"])
    def test_name_with_spaces_or_plus_is_refused(self, name: str) -> None:
        """A key name is one word in every alphabet, without a plus, a control character or half a character."""
        with refused_at("name", match="is not a key name"):
            notes.VerifyingKey(name, notes.SignatureType.ED25519, bytes(32))

    @pytest.mark.parametrize(
        "signature",
        [b"", bytes(64), SIGNER.sign(b"message")[:63], SIGNER.sign(b"message") + b"\0", SIGNER.sign(b"massage")],
    )
    def test_signature_that_does_not_hold(self, signature: bytes) -> None:
        """Another message, another length or nothing at all is refused."""
        with refused_at("signature", match=r"ledger\.example/handovers does not hold", error=SignatureRefused):
            KEY.verify(b"message", signature)

    def test_second_form_of_a_signature_is_refused(self) -> None:
        """Adding the group order to s gives no second signature (RFC 8032 5.1.7)."""
        order = 2**252 + 27742317777372353535851937790883648493
        signature = SIGNER.sign(b"message")
        s = int.from_bytes(signature[32:], "little") + order
        with pytest.raises(SignatureRefused):
            KEY.verify(b"message", signature[:32] + s.to_bytes(32, "little"))

    def test_a_part_of_the_message_is_no_part_of_a_signature(self) -> None:
        """Where the signature ends is not to be shifted: its last bytes at the head of the message do not count."""
        signature = SIGNER.sign(b"message")
        with pytest.raises(SignatureRefused):
            KEY.verify(signature[60:] + b"message", signature[:60])

    @pytest.mark.parametrize(
        ("part", "replacement"),
        [
            *(("b1f9fae1", wrong_id) for wrong_id in ("B1F9FAE1", "b1f9fae0")),
            *((LOG_VKEY, wrong_key) for wrong_key in ("", LOG_VKEY + "\n", LOG_VKEY[:-1], LOG_VKEY[:-1] + "=")),
            *(("ledger", "lodger"), ("+b1f9fae1", ""), ("/VLb", "_VLb")),
            *((LOG_VKEY[-44:], wrong_key) for wrong_key in ("=", "AQ==")),
            (LOG_VKEY, "name+00000000+" + base64.b64encode(b"\x02" + bytes(32)).decode()),
        ],
    )
    def test_any_other_vkey_is_refused(self, part: str, replacement: str) -> None:
        """A changed name, id, type, length or spelling is no key."""
        with pytest.raises(MalformedInput) as refused:
            notes.parse_vkey(LOG_VKEY.replace(part, replacement))
        assert refused.value.field in ("vkey", "public_key")


class TestParse:
    def test_parts_of_a_note(self) -> None:
        """The text is all up to the last empty line, its own empty lines included."""
        note = notes.parse_note(SIGNED)
        assert note.text == TEXT
        assert note.signatures == (notes.NoteSignature(KEY.name, KEY.key_id, SIGNER.sign(TEXT.encode())),)
        assert str(note) == SIGNED

    @settings(max_examples=40)
    @given(
        st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n"), min_size=1),
        st.lists(st.tuples(st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=80)), min_size=1),
    )
    def test_every_note_goes_both_ways(self, text: str, signatures: list[tuple[bytes, bytes]]) -> None:
        """A note of any text and any signatures parses to itself."""
        lines = tuple(notes.NoteSignature("name.example/é", key_id, signature) for key_id, signature in signatures)
        note = notes.SignedNote(text.rstrip("\n") + ".\n", lines)
        assert notes.parse_note(str(note)) == note

    def test_shortest_text_is_a_newline(self) -> None:
        """C2SP signed-note: a text ending in newline, which may be all of it."""
        note = str(notes.sign_note("\n", SIGNER))
        assert note.startswith("\n\n\u2014 ")
        notes.verify_note(notes.parse_note(note), KEY)

    def test_sixteen_large_signatures_are_accepted(self) -> None:
        """The 16 signatures that every verifier must accept may be post-quantum ones of 5 kB."""
        note = notes.sign_note(TEXT, SIGNER).with_signatures([notes.NoteSignature("n", b"\0\0\0\0", bytes(5000))] * 15)
        notes.verify_note(notes.parse_note(str(note)), KEY)

    @pytest.mark.parametrize(
        "note",
        [
            *("", "\n\n", TEXT, "\n" + SIGNED.rsplit("\n\n", maxsplit=1)[-1]),
            *(SIGNED[:-1], SIGNED[:-2] + "\n", SIGNED + "\n", SIGNED + "x\n"),
            *(SIGNED.replace("\n", "\r\n"), SIGNED.replace("\n\n—", "\n—")),
            *(SIGNED.replace("— ", dash) for dash in ("—", "- ")),
            SIGNED.replace("ledger.example/handovers ", "ledger.example/handovers  "),
            *(SIGNED.replace("ledger.example/", f"ledger{sign}example/") for sign in ("+", "\u2003")),
            *(SIGNED.replace("a line", f"a{sign}line") for sign in ("\t", "\0", " \ud83d ")),
            *(f"{TEXT}\n— name {signature}\n" for signature in ("AAAAAA==", "AAAA", "", "AAAAAAB=")),
        ],
    )
    def test_any_other_form_is_refused(self, note: str) -> None:
        """Missing parts, other line ends, controls, half characters and other base64 are no note."""
        with pytest.raises(MalformedInput) as refused:
            notes.parse_note(note)
        assert refused.value.field in ("note", "signature")

    def test_size_is_bounded(self) -> None:
        """A note of exactly the limit in bytes is read, one byte more is refused."""
        fitting = "é" * ((notes.MAX_NOTE_LENGTH - len(("\n" + SIGNED).encode())) // 2) + "\n" + SIGNED
        fitting = "." * (notes.MAX_NOTE_LENGTH - len(fitting.encode())) + fitting
        assert len(fitting.encode()) == notes.MAX_NOTE_LENGTH
        assert notes.parse_note(fitting).text.endswith(TEXT)
        with pytest.raises(MalformedInput, match="expected at most 262144 bytes") as refused:
            notes.parse_note("." + fitting)
        assert refused.value.field == "note"

    def test_signature_lines_alone(self) -> None:
        """The lines that a witness answers with are read as they stand in a note."""
        lines = FOREIGN.line() + notes.sign_note(TEXT, SIGNER).signatures[0].line()
        assert notes.parse_signature_lines(lines) == (FOREIGN, *notes.sign_note(TEXT, SIGNER).signatures)
        for wrong in ("", lines[:-1], "\n" + lines, lines + "\n"):
            with pytest.raises(MalformedInput):
                notes.parse_signature_lines(wrong)

    @pytest.mark.parametrize("text", ["A", "AA", "AA=", "AB==", "AA==\n", " AA==", "AA==AA==", "A-==", "====", "AA==="])
    def test_base64_has_one_spelling(self, text: str) -> None:
        """Wrong padding, bits behind the last byte, spaces and the URL alphabet are refused by name of the field."""
        assert notes.decode_base64("AA==", "part") == b"\0"
        with refused_at("part", match="part is not"):
            notes.decode_base64(text, "part")


class TestVerify:
    def test_signed_text_is_accepted(self) -> None:
        """Signatures of unknown keys beside the known one are ignored."""
        notes.verify_note(notes.parse_note(SIGNED), KEY)
        notes.verify_note(notes.SignedNote(TEXT, (FOREIGN, *notes.parse_note(SIGNED).signatures, FOREIGN)), KEY)

    def test_changed_text_is_refused(self) -> None:
        """One character more and the signature does not hold."""
        with pytest.raises(SignatureRefused, match="does not hold"):
            notes.verify_note(notes.parse_note("." + SIGNED), KEY)

    def test_note_of_unknown_keys_is_refused(self) -> None:
        """A line that shares only the name, or only the id, with the known key is another key's."""
        signature = SIGNER.sign(TEXT.encode())
        for line in (
            notes.NoteSignature(KEY.name, b"\0\0\0\0", signature),
            notes.NoteSignature("other", KEY.key_id, signature),
        ):
            note = notes.SignedNote(TEXT, (line,))
            assert note.signature_by(KEY) is None
            with pytest.raises(SignatureRefused, match="no signature is by") as refused:
                notes.verify_note(note, KEY)
            assert LOG_VKEY in str(refused.value)
            assert refused.value.field == "signatures"
            assert refused.value.hint

    def test_two_lines_of_one_key_are_refused(self) -> None:
        """Even where both hold: one key speaks once."""
        [line] = notes.parse_note(SIGNED).signatures
        with refused_at("signatures", match="more than one signature is by the key", error=SignatureRefused):
            notes.verify_note(notes.SignedNote(TEXT, (line, line)), KEY)

    def test_key_of_another_type_is_refused(self) -> None:
        """A witness's key neither signs nor verifies a log's note."""
        witness = notes.SeedSigner.from_seed("witness.example/w1", b"\x02" * 32, notes.SignatureType.COSIGNATURE_V1)
        with refused_at("key", match="no key for ED25519", error=SignatureRefused):
            notes.sign_note(TEXT, witness)
        with pytest.raises(SignatureRefused, match="no key for ED25519"):
            notes.verify_note(notes.parse_note(SIGNED), witness.verifying_key)
