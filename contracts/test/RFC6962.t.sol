// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {RFC6962Harness} from "./RFC6962Harness.sol";
import {MerkleReference} from "./MerkleReference.sol";

contract RFC6962Test {
    uint256 private constant LIMIT = 200;

    RFC6962Harness private immutable _library = new RFC6962Harness();

    function testFuzz_inclusion_acceptsEveryLeaf(uint256 seed, uint256 size, uint256 index) external view {
        size = 1 + size % LIMIT;
        index %= size;
        bytes32[] memory proof = MerkleReference.inclusion(seed, index, size);
        bytes32 root = MerkleReference.root(seed, 0, size);
        assert(_includes(MerkleReference.leaf(seed, index), index, size, proof, root));
    }

    function testFuzz_inclusion_refusesAnotherIndex(uint256 seed, uint256 size, uint256 index, uint64 other)
        external
        view
    {
        size = 1 + size % LIMIT;
        index %= size;
        if (other == index) return;
        bytes32[] memory proof = MerkleReference.inclusion(seed, index, size);
        bytes32 root = MerkleReference.root(seed, 0, size);
        assert(!_includes(MerkleReference.leaf(seed, index), other, size, proof, root));
    }

    function testFuzz_inclusion_refusesAnyOtherProof(
        uint256 seed,
        uint256 size,
        uint256 index,
        bytes32[] calldata proof
    ) external view {
        size = 1 + size % LIMIT;
        index %= size;
        bytes32[] memory honest = MerkleReference.inclusion(seed, index, size);
        if (keccak256(abi.encode(proof)) == keccak256(abi.encode(honest))) return;
        bytes32 root = MerkleReference.root(seed, 0, size);
        assert(!_includes(MerkleReference.leaf(seed, index), index, size, proof, root));
    }

    function testFuzz_inclusion_refusesOneChangedHash(
        uint256 seed,
        uint256 size,
        uint256 index,
        uint256 place,
        bytes32 mask
    ) external view {
        size = 2 + size % LIMIT;
        index %= size;
        bytes32[] memory proof = MerkleReference.inclusion(seed, index, size);
        bytes32 root = MerkleReference.root(seed, 0, size);
        if (mask == 0) return;
        proof[place % proof.length] ^= mask;
        assert(!_includes(MerkleReference.leaf(seed, index), index, size, proof, root));
    }

    function testFuzz_consistency_acceptsEveryGrowth(uint256 seed, uint256 size1, uint256 size2) external view {
        size2 = 1 + size2 % LIMIT;
        size1 = 1 + size1 % size2;
        bytes32[] memory proof = MerkleReference.consistency(seed, size1, size2);
        bytes32 root1 = MerkleReference.root(seed, 0, size1);
        assert(_continues(size1, root1, size2, MerkleReference.root(seed, 0, size2), proof));
    }

    function testFuzz_consistency_refusesAnotherLog(uint256 seed, uint256 other, uint256 size1, uint256 size2)
        external
        view
    {
        size2 = 1 + size2 % LIMIT;
        size1 = 1 + size1 % size2;
        if (seed == other) return;
        bytes32 root1 = MerkleReference.root(seed, 0, size1);
        bytes32 root2 = MerkleReference.root(other, 0, size2);
        assert(!_continues(size1, root1, size2, root2, MerkleReference.consistency(other, size1, size2)));
        assert(!_continues(size1, root1, size2, root2, MerkleReference.consistency(seed, size1, size2)));
    }

    function testFuzz_consistency_refusesOneChangedHash(
        uint256 seed,
        uint256 size1,
        uint256 size2,
        uint256 place,
        bytes32 mask
    ) external view {
        size2 = 2 + size2 % LIMIT;
        size1 = 1 + size1 % (size2 - 1);
        if (mask == 0) return;
        bytes32[] memory proof = MerkleReference.consistency(seed, size1, size2);
        bytes32 root1 = MerkleReference.root(seed, 0, size1);
        proof[place % proof.length] ^= mask;
        assert(!_continues(size1, root1, size2, MerkleReference.root(seed, 0, size2), proof));
    }

    function testFuzz_arbitraryInput_neverRevertsNorVerifies(
        bytes32 leaf,
        uint64 a,
        uint64 b,
        bytes32[] calldata proof,
        bytes32 root
    ) external view {
        assert(!_library.verifyInclusion(leaf, a, b, proof, root) || leaf == root);
        assert(!_library.verifyConsistency(a, leaf, b, root, proof) || leaf == root);
    }

    function _includes(bytes32 leaf, uint256 index, uint256 size, bytes32[] memory proof, bytes32 root)
        private
        view
        returns (bool)
    {
        return _library.verifyInclusion(leaf, uint64(index), uint64(size), proof, root);
    }

    function _continues(uint256 size1, bytes32 root1, uint256 size2, bytes32 root2, bytes32[] memory proof)
        private
        view
        returns (bool)
    {
        return _library.verifyConsistency(uint64(size1), root1, uint64(size2), root2, proof);
    }
}
