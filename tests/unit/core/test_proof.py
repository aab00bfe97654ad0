"""The tlog-proof text: the worked example, one spelling, and proofs that prove something else."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.errors import MalformedInput, ProofRefused, SignatureRefused
from ledger.core.log.checkpoints import Checkpoint, sign_checkpoint
from ledger.core.log.merkle import EMPTY_TREE, Hash, grow, leaf_hash
from ledger.core.log.notes import SeedSigner
from ledger.core.log.tlog_proofs import MAX_TLOG_PROOF_LENGTH, TlogProof, parse_tlog_proof
from tests.testkit.builders import refused_at

LOG = SeedSigner.from_seed("ledger.example/handovers", b"\x01" * 32)
LEAVES = [leaf_hash(b'{"seq":%d}' % seq) for seq in range(3)]
GROWTH = grow(EMPTY_TREE, LEAVES)
CHECKPOINT = Checkpoint("ledger.example/handovers", 3, GROWTH.root())
NOTE = sign_checkpoint(CHECKPOINT, LOG)
PROOF = TlogProof(2, GROWTH.inclusion_proofs()[2], NOTE)
TEXT = f"""\
c2sp.org/tlog-proof@v1
index 2
/FLXGjaKeY/Zbsflt+5fj5/dEMf/mrFGxOrB5qChsQo=

{NOTE}"""
HASH_LINE = TEXT.split("\n")[2]


def test_worked_example() -> None:
    """The inclusion proof of the worked example, as text and back, is verified under the log's key."""
    assert PROOF.to_text() == TEXT
    assert parse_tlog_proof(TEXT) == PROOF
    assert PROOF.verify(LEAVES[2], LOG.verifying_key) == CHECKPOINT


@given(
    st.integers(0, 2**63 - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63),
    st.none() | st.binary(min_size=1, max_size=200),
)
def test_every_proof_goes_both_ways(index: int, hashes: list[bytes], extra: bytes | None) -> None:
    """Any index, up to 63 hashes and extra data are kept, the checkpoint verbatim."""
    proof = TlogProof(index, tuple(map(Hash, hashes)), NOTE, extra)
    assert parse_tlog_proof(proof.to_text()) == proof


def test_extra_line() -> None:
    """Extra data stands on the second line, and an empty one is left out."""
    assert TlogProof(2, PROOF.hashes, NOTE, b"more").to_text() == TEXT.replace("index", "extra bW9yZQ==\nindex")
    assert TlogProof(2, PROOF.hashes, NOTE, b"").to_text() == TEXT


BODY = TEXT.split("\n\n", maxsplit=1)[0]
NO_INDEXES = ("", ":2", "  2", " 02", " +2", " 2_0", " -1", " 2 ", " \u0662", f" {2**63}", f" {2**64}")
OTHERS = {
    "@v1": ["@v2"],
    "c2sp.org": ["C2SP.org", " c2sp.org"],
    "\n": ["\r\n"],
    "@v1\n": ["@v1\n\n"],
    "index 2\n": ["", "index 2\nindex 2\n", "index 2\nextra bW9yZQ==\n"],
    "index 2": ["Index 2", *(f"index{rest}" for rest in NO_INDEXES)],
    "index": [f"extra{rest}\nindex" for rest in (" ", "", " bW9yZQ", " bW9yZR==", " bW9yZQ==\nextra bW9yZQ==")],
    HASH_LINE: [HASH_LINE + " ", HASH_LINE[:-2] + "p=", base64.b64encode(bytes(33)).decode(), bytes(32).hex()],
}


@pytest.mark.parametrize(
    "text",
    [
        "",
        BODY,
        BODY + "\n\n",
        *(TEXT.replace(part, replacement) for part, others in OTHERS.items() for replacement in others),
    ],
)
def test_any_other_text_is_refused(text: str) -> None:
    """Each line has its place and its one spelling."""
    with pytest.raises(MalformedInput) as refused:
        parse_tlog_proof(text)
    assert refused.value.field in ("proof", "index", "extra")


def test_hashes_and_length_are_bounded() -> None:
    """63 hashes and a text of exactly the limit are read; one more of either is refused before any is hashed."""
    text = TEXT.replace(HASH_LINE, "\n".join([HASH_LINE] * 63))
    assert len(parse_tlog_proof(text).hashes) == 63
    with refused_at("proof", match="at most 63 hashes"):
        parse_tlog_proof(text.replace("index 2", f"index 2\n{HASH_LINE}"))
    fitting = TEXT + "." * (MAX_TLOG_PROOF_LENGTH - len(TEXT))
    assert parse_tlog_proof(fitting).index == 2
    with refused_at("proof", match="characters long"):
        parse_tlog_proof(fitting + ".")


@pytest.mark.parametrize(
    ("leaf", "proof", "log", "error"),
    [
        (LEAVES[1], PROOF, LOG, ProofRefused),
        (LEAVES[2], TlogProof(1, PROOF.hashes, NOTE), LOG, ProofRefused),
        (LEAVES[2], TlogProof(2, (), NOTE), LOG, ProofRefused),
        (LEAVES[2], PROOF, SeedSigner.from_seed("other.example/log", b"\x09" * 32), SignatureRefused),
        (LEAVES[2], TlogProof(2, PROOF.hashes, NOTE.replace("\n3\n", "\n4\n")), LOG, SignatureRefused),
        (LEAVES[2], TlogProof(2, PROOF.hashes, ""), LOG, MalformedInput),
    ],
    ids=["another leaf", "another index", "no hashes", "another log", "a changed checkpoint", "no checkpoint"],
)
def test_proof_of_something_else_is_refused(
    leaf: Hash, proof: TlogProof, log: SeedSigner, error: type[Exception]
) -> None:
    """A proof proves one leaf at one index, by a checkpoint of its log."""
    with pytest.raises(error):
        proof.verify(leaf, log.verifying_key)
