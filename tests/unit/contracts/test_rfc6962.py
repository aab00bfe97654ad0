"""RFC6962: the on-chain verification against the recursive reference, against forgeries, against public vectors."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.abi import function_abi_to_4byte_selector
from web3 import Web3
from web3.exceptions import MismatchedABI
from web3.types import RPCEndpoint

from tests.oracles.merkle_reference import consistency_proof, inclusion_proof, leaf_hash, mth
from tests.unit.contracts.ledger import EMPTY_ROOT, deploy_harness

ENTRIES = [b"entry %d" % i for i in range(300)]
Proof = list[bytes]


@pytest.fixture(scope="module")
def harness(web3: Web3) -> Any:
    """The calls of the library, opened to the outside."""
    return deploy_harness(web3).functions


@pytest.fixture(scope="module")
def includes(web3: Web3, harness: Any) -> Callable[..., bool]:
    return answers_of(web3, harness.verifyInclusion)


@pytest.fixture(scope="module")
def continues(web3: Web3, harness: Any) -> Callable[..., bool]:
    return answers_of(web3, harness.verifyConsistency)


def answers_of(web3: Web3, function: Any) -> Callable[..., bool]:
    """Give a call that asks the node directly: what Web3 does besides takes longer than all else here."""
    types = [each["type"] for each in function.abi["inputs"]]
    selector = function_abi_to_4byte_selector(function.abi)

    def ask(*arguments: object) -> bool:
        call = {"to": function.address, "data": f"0x{(selector + encode(types, arguments)).hex()}"}
        answer = web3.provider.make_request(RPCEndpoint("eth_call"), [call, "latest"])
        return bool(int(answer["result"], 16))

    return ask


@pytest.mark.parametrize("entry", [b"", b"\0", b"entry", b"x" * 200])
def test_leaf_hash_is_that_of_the_reference(harness: Any, entry: bytes) -> None:
    """SHA-256(0x00 || entry), of any length."""
    assert harness.leafHash(entry).call() == leaf_hash(entry)


def test_inclusion_is_that_of_the_reference(includes: Callable[..., bool]) -> None:
    """All (index, size) up to 7 leaves and some of large trees verify, and none with a neighbour's index, a size at
    which it ends, or any one change of proof, leaf or root."""
    small = [(index, size) for size in range(1, 8) for index in range(size)]
    for index, size in [*small, (171, 300), (299, 300)]:
        leaf, root, proof = leaf_hash(ENTRIES[index]), mth(ENTRIES[:size]), inclusion_proof(index, ENTRIES[:size])
        assert includes(leaf, index, size, proof, root)
        assert not includes(leaf, index, index, proof, root)
        assert not includes(leaf, index ^ 1, size, proof, root) or size == 1
        assert not includes(flipped(leaf), index, size, proof, root)
        assert not includes(leaf, index, size, proof, flipped(root))
        for spoiled_proof in spoiled(proof):
            assert not includes(leaf, index, size, spoiled_proof, root), (index, size, spoiled_proof)


def test_consistency_is_that_of_the_reference(continues: Callable[..., bool]) -> None:
    """All (size1, size2) up to 7 leaves and some of large trees verify, and none the other way round or with any one
    change of proof or roots."""
    small = [(size1, size2) for size2 in range(1, 8) for size1 in range(1, size2 + 1)]
    for size1, size2 in [*small, (171, 300), (256, 300)]:
        root1, root2, proof = mth(ENTRIES[:size1]), mth(ENTRIES[:size2]), consistency_proof(size1, ENTRIES[:size2])
        assert continues(size1, root1, size2, root2, proof)
        assert size1 == size2 or not continues(size2, root2, size1, root1, proof)
        assert not continues(size1, flipped(root1), size2, root2, proof)
        assert not continues(size1, root1, size2, flipped(root2), proof)
        for spoiled_proof in spoiled(proof):
            assert not continues(size1, root1, size2, root2, spoiled_proof), (size1, size2, spoiled_proof)


def flipped(value: bytes) -> bytes:
    return value[:-1] + bytes([value[-1] ^ 1])


def spoiled(proof: Sequence[bytes]) -> Iterator[Proof]:
    """Yield `proof` with one hash put in at each place, and with each left out, changed, or moved."""
    for at in range(len(proof) + 1):
        before, behind = [*proof[:at]], [*proof[at:]]
        yield [*before, bytes(31) + b"\1", *behind]
        if behind:
            yield [*before, *behind[1:]]
            yield [*before, flipped(behind[0]), *behind[1:]]
        if behind[1:]:
            yield [*before, behind[1], behind[0], *behind[2:]]


def test_proof_longer_than_any_tree_is_refused(includes: Callable[..., bool], continues: Callable[..., bool]) -> None:
    """More hashes than a tree of 2^64 leaves has levels end in a refusal, at every place of such a tree."""
    long = [bytes([i]) * 32 for i in range(1, 80)]
    for size in (2, 2**63, 2**64 - 1):
        for index in (0, 1, size - 1):
            assert not includes(bytes(32), index, size, long, bytes(32))
        for size1 in (1, size // 2, size - 1):
            assert not continues(size1, bytes(32), size, bytes(32), long)


def test_largest_tree_is_verified(includes: Callable[..., bool], continues: Callable[..., bool]) -> None:
    """The last leaf of 2^64 - 1 has 63 hashes; the tree of 2^63 leaves is consistent with it by 63."""
    proof = [bytes([i]) * 32 for i in range(1, 64)]
    last = complete = leaf_hash(b"entry")
    for sibling in proof:
        last = sha256(b"\x01" + sibling + last).digest()
    assert includes(complete, 2**64 - 2, 2**64 - 1, proof, last)
    assert not includes(complete, 2**64 - 3, 2**64 - 1, proof, last)
    rest = proof[0]
    assert continues(2**63, complete, 2**63 + 1, sha256(b"\x01" + complete + rest).digest(), [rest])


def test_index_must_be_below_the_size(includes: Callable[..., bool]) -> None:
    """At the size, beyond it, and in the empty tree nothing is included."""
    leaf = leaf_hash(ENTRIES[0])
    assert includes(leaf, 0, 1, [], leaf)
    for index, size in ((1, 1), (2, 1), (2**64 - 1, 1), (0, 0)):
        assert not includes(leaf, index, size, [], leaf)


def test_empty_tree_has_one_root_and_no_proof(continues: Callable[..., bool]) -> None:
    """Everything continues the empty tree, but only without a proof and from its only root."""
    root = mth(ENTRIES[:1])
    assert continues(0, EMPTY_ROOT, 1, root, [])
    assert continues(0, EMPTY_ROOT, 0, EMPTY_ROOT, [])
    assert not continues(0, EMPTY_ROOT, 1, root, [root])
    assert not continues(0, root, 1, root, [])
    assert not continues(0, bytes(32), 1, root, [])
    assert not continues(0, root, 0, root, [])
    assert not continues(0, EMPTY_ROOT, 0, root, [])
    assert not continues(1, root, 0, EMPTY_ROOT, [])


def test_growth_needs_a_proof(continues: Callable[..., bool]) -> None:
    """Without one, neither from a power of two nor from another size."""
    for size in (1, 2, 3, 4, 5):
        root = mth(ENTRIES[:size])
        assert not continues(size, root, size + 1, mth(ENTRIES[: size + 1]), [])
        assert not continues(size, root, size + 1, root, [])


def test_public_vectors(harness: Any, vectors: Path) -> None:
    """Each inclusion vector has the verdict that it states; hashes that are not 32 bytes cannot even be sent."""
    files = sorted((vectors / "rfc6962-inclusion").rglob("*.json"))
    assert files
    for file in files:
        vector = json.loads(file.read_text("utf-8"))
        assert verdict(harness, vector) is not vector["wantErr"], file


def verdict(harness: Any, vector: dict[str, Any]) -> bool:
    """Whether the harness verifies a vector; False for what its types refuse (web3 would pad short hashes)."""
    leaf, root = base64.b64decode(vector["leafHash"] or ""), base64.b64decode(vector["root"] or "")
    proof = [base64.b64decode(sibling) for sibling in vector["proof"] or []]
    if any(len(value) != 32 for value in (leaf, root, *proof)):
        return False
    try:
        return bool(harness.verifyInclusion(leaf, vector["leafIdx"], vector["treeSize"], proof, root).call())
    except MismatchedABI:
        return False
