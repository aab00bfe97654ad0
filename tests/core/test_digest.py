"""Digests against hashlib, the published BLAKE3 vectors, and every second spelling."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.digest import Algorithm, Digest, MultiHasher, blake3_text, digest_of, new_hasher, parse_digest
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
        pieces = MultiHasher([Algorithm.BLAKE3])
        for start in range(0, len(data), 1000):
            pieces.update(data[start : start + 1000])
        assert str(pieces.digests()[Algorithm.BLAKE3]) == expected


def test_payload_digest_is_the_text_of_its_blake3() -> None:
    """The short way to text gives what the digest spells; BLAKE3 of nothing is the published constant."""
    assert blake3_text(b"payload") == str(digest_of(Algorithm.BLAKE3, b"payload"))
    assert blake3_text(b"") == "blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"


def test_sm3_is_that_of_the_standard() -> None:
    """The standard's own example."""
    assert str(digest_of(Algorithm.SM3, b"abc")) == f"sm3:{SM3_OF_ABC}"


@given(st.lists(st.binary(max_size=3000), max_size=5))
def test_one_pass_gives_the_digests_of_hashlib(chunks: list[bytes]) -> None:
    """Several algorithms over the same chunks each give what they give alone, in the order asked for."""
    hasher = MultiHasher([Algorithm.SHA256, Algorithm.BLAKE3, Algorithm.SM3])
    for chunk in chunks:
        hasher.update(memoryview(chunk))
    data = b"".join(chunks)
    digests = hasher.digests()
    assert list(digests) == [Algorithm.SHA256, Algorithm.BLAKE3, Algorithm.SM3]
    assert digests[Algorithm.SHA256] == Digest(Algorithm.SHA256, hashlib.sha256(data).digest())
    assert digests[Algorithm.BLAKE3] == Digest(Algorithm.BLAKE3, blake3(data).digest())
    assert digests[Algorithm.SM3] == Digest(Algorithm.SM3, hashlib.new("sm3", data).digest())


def test_digests_can_be_taken_on_the_way() -> None:
    """Asking for the digests does not end the pass."""
    hasher = MultiHasher([Algorithm.SHA256])
    hasher.update(b"ab")
    assert hasher.digests()[Algorithm.SHA256] == digest_of(Algorithm.SHA256, b"ab")
    hasher.update(b"c")
    assert hasher.digests()[Algorithm.SHA256] == digest_of(Algorithm.SHA256, b"abc")


@pytest.mark.parametrize("algorithm", Algorithm)
def test_every_algorithm_gives_32_bytes(algorithm: Algorithm) -> None:
    """All digests have one length, and a new hasher starts from nothing."""
    used = new_hasher(algorithm)
    used.update(b"something")
    assert len(used.digest()) == 32
    assert new_hasher(algorithm).digest() == digest_of(algorithm, b"").value


@pytest.mark.parametrize("algorithm", ["blake3", "sha256", "sm3"])
def test_text_goes_both_ways(algorithm: str) -> None:
    """A digest's text parses to the same digest and spells the same."""
    parsed = parse_digest(f"{algorithm}:{HEX}")
    assert parsed == Digest(Algorithm(algorithm), bytes.fromhex(HEX))
    assert str(parsed) == f"{algorithm}:{HEX}"


def test_same_bytes_under_another_algorithm_are_another_digest() -> None:
    """A BLAKE3 digest labelled SHA-256 equals nothing."""
    assert parse_digest(f"blake3:{HEX}") != parse_digest(f"sha256:{HEX}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEX,
        f":{HEX}",
        f"md5:{HEX}",
        f"BLAKE3:{HEX}",
        f"blake3:{HEX.upper()}",
        f"blake3:{HEX[:-1]}",
        f"blake3:{HEX[:-2]}",
        f"blake3:{HEX}0",
        f"blake3:{HEX}\n",
        f" blake3:{HEX}",
        f"blake3: {HEX}",
        f"blake3:0x{HEX[2:]}",
        f"blake3-{HEX}",
        f"blake3:{HEX[:-1]}g",
        f"blake3:{HEX[:-1]}\uff10",
        f"sha256:{HEX[:32]} {HEX[:31]}",
    ],
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
