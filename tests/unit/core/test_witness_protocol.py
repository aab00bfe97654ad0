"""What is asked of witnesses, in its one form."""

from __future__ import annotations

from base64 import b64encode

import pytest

from ledger.core.encoding import canonical
from ledger.core.errors import MalformedInput
from ledger.core.log.merkle import Hash
from ledger.core.log.witness_protocol import (
    AddCheckpoint,
    AddEntries,
    CosignAnchor,
    parse_add_checkpoint,
    parse_add_entries,
    parse_request,
)
from tests.testkit.builders import refused_at

HASH = Hash(b"\x05" * 32)
LINE = b64encode(HASH).decode()
NOTE = "ledger.example/log\n3\nroot\n\n\u2014 ledger.example/log sig\n"
ANCHOR = CosignAnchor(31337, "0x" + "ab" * 20, 7, "0x" + "01" * 32, "0x" + "02" * 32)


@pytest.mark.parametrize("proof", [(), (HASH,), (HASH,) * 63])
def test_a_wish_comes_back_from_its_body(proof: tuple[Hash, ...]) -> None:
    """Old size, lines of proof, an empty line, the note as it was."""
    asked = AddCheckpoint(2, proof, NOTE)
    assert parse_add_checkpoint(asked.body()) == asked


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("", "old"),
        ("old 2\n" + NOTE, "proof"),
        ("new 2\n\n" + NOTE, "old"),
        ("old 02\n\n" + NOTE, "old"),
        ("old 9223372036854775808\n\n" + NOTE, "old"),
        (f"old 2\n{LINE[:-1]}\n\n{NOTE}", "proof"),
        (f"old 2\n{b64encode(HASH[:31]).decode()}\n\n{NOTE}", "proof"),
        ("old 2\n" + f"{LINE}\n" * 64 + f"\n{NOTE}", "proof"),
    ],
)
def test_another_body_is_malformed(body: str, field: str) -> None:
    """Sizes in one spelling, hashes of 32 bytes in canonical base64, at most 63 of them."""
    with refused_at(field):
        parse_add_checkpoint(body.encode())


@pytest.mark.parametrize("ticket", [b"", b"ticket"])
def test_a_request_to_a_mirror_comes_back_from_its_body(ticket: bytes) -> None:
    """C2SP tlog-mirror, request body: origin, two numbers and a ticket, big-endian; packages may follow. It is not
    whole before its last byte."""
    asked = AddEntries("ledger.example/é", 1, 2**64 - 1, ticket)
    body = asked.body()
    assert body.hex().startswith("0011" + "ledger.example/é".encode().hex() + "0000000000000001" + "ff" * 8)
    assert parse_add_entries(body + b"packages") == asked
    assert [parse_add_entries(body[:length]) for length in range(len(body))] == [None] * len(body)


def test_requests_that_cannot_be() -> None:
    """``upload_start`` MUST be less or equal to ``upload_end``; an origin is text, and so is a checkpoint."""
    with refused_at("upload_start"):
        parse_add_entries(AddEntries("a", 2, 1).body())
    with refused_at("log_origin"):
        parse_add_entries(b"\x00\x01\xff" + AddEntries("", 1, 1).body()[2:])
    with pytest.raises(MalformedInput):
        parse_add_checkpoint(b"old 2\n\n\xff")


def test_an_anchor_to_sign_is_strict_json() -> None:
    """Every field once, in its form, and no other."""
    body = canonical.encode(ANCHOR)
    assert parse_request(body, CosignAnchor) == ANCHOR
    for wrong, field in (
        (body.replace(b'"size":7', b'"size":"7"'), "size"),
        (body.replace(b'"size":7', b'"size":-7'), "size"),
        (body.replace(b"0xab", b"0xAB"), "anchor"),
        (body.replace(b'"root":"0x01', b'"root":"0x'), "root"),
        (body.replace(b'"size":7', b'"size":7,"size":8'), None),
        (body.replace(b'"size":7', b'"size":7,"more":8'), "more"),
        (b"[]", None),
    ):
        with pytest.raises(MalformedInput) as refused:
            parse_request(wrong, CosignAnchor)
        assert field is None or refused.value.field == field
