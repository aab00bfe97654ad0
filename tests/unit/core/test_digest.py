"""Digests against hashlib, the published BLAKE3 vectors, and every second spelling."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.encoding.digests import Algorithm, Digest, blake3_text, digest_by, new_hasher, parse_digest
from ledger.core.errors import MalformedInput

HEX = "0123456789abcdef" * 4
# GB/T 32905-2016, appendix A.1
SM3_OF_ABC = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"


def test_published_blake3_vectors(vectors: Path) -> None:
    """Every published input gives the published first 32 bytes, at once and in pieces."""
    cases = json.loads((vectors / "blake3" / "test_vectors.json").read_bytes())["cases"]
    assert len(cases) > 30
    for case in cases:
        data = bytes(position % 251 for position in range(case["input_len"]))
        expected = "blake3:" + case["hash"][:64]
        assert blake3_text(data) == expected
        pieces = new_hasher(Algorithm.BLAKE3)
        for start in range(0, len(data), 1000):
            pieces.update(data[start : start + 1000])
        assert str(Digest(Algorithm.BLAKE3, pieces.digest())) == expected


def test_payload_digest_is_the_text_of_its_blake3() -> None:
    """The short way to text gives what the digest spells; BLAKE3 of nothing is the published constant."""
    assert blake3_text(b"payload") == str(digest_by(Algorithm.BLAKE3, b"payload"))
    assert blake3_text(b"") == "blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"


def test_sm3_is_that_of_the_standard() -> None:
    """The digest of the standard's own example is the one printed there."""
    assert str(digest_by(Algorithm.SM3, b"abc")) == f"sm3:{SM3_OF_ABC}"


@given(st.lists(st.binary(max_size=3000), max_size=5))
def test_chunks_give_the_digests_of_hashlib(chunks: list[bytes]) -> None:
    """Each algorithm over the chunks gives what it gives of the whole at once."""
    data = b"".join(chunks)
    expected = {
        Algorithm.SHA256: hashlib.sha256(data).digest(),
        Algorithm.BLAKE3: blake3(data).digest(),
        Algorithm.SM3: hashlib.new("sm3", data).digest(),
    }
    for algorithm, digest in expected.items():
        hasher = new_hasher(algorithm)
        for chunk in chunks:
            hasher.update(memoryview(chunk))
        assert hasher.digest() == digest


@pytest.mark.parametrize("algorithm", ["blake3", "sha256", "sm3"])
def test_text_goes_both_ways(algorithm: str) -> None:
    """A digest's text parses to the same digest and spells the same."""
    parsed = parse_digest(f"{algorithm}:{HEX}")
    assert parsed == Digest(Algorithm(algorithm), bytes.fromhex(HEX))
    assert str(parsed) == f"{algorithm}:{HEX}"


DIGESTS = [HEX.upper(), HEX[:-1], HEX + "0", HEX + "\n", "0x" + HEX[2:], HEX[:-1] + "\uff10"]


@pytest.mark.parametrize(
    "text", ["", *(f"{name}{HEX}" for name in ("", "md5:", "BLAKE3:", "blake3-")), *(f"blake3:{d}" for d in DIGESTS)]
)
def test_any_other_spelling_is_refused(text: str) -> None:
    """There is one spelling of each digest."""
    with pytest.raises(MalformedInput, match="is not a digest") as refused:
        parse_digest(text)
    assert refused.value.field == "digest"
    assert refused.value.hint


def test_refusal_quotes_no_more_than_a_line() -> None:
    """A huge text is not repeated in the message."""
    with pytest.raises(MalformedInput) as refused:
        parse_digest("x" * 10_000_000)
    assert len(str(refused.value)) < 200
