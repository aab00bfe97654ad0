// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Merkle proofs of an RFC 6962 log, by the SHA-256 precompile
/// @notice The verification algorithms of RFC 9162 2.1.3.2 and 2.1.4.2, which hold for the trees of RFC 6962 2.1.
/// Sizes and indexes count leaves. Every node is a 32-byte word by its type, and a proof must have exactly the
/// length that its sizes call for. Take root and size from one trusted place.
library RFC6962 {
    /// @notice The root of the empty tree, SHA-256("").
    bytes32 internal constant EMPTY_ROOT = 0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855;

    /// @notice SHA-256(0x00 || `entry`), the hash of a leaf.
    function leafHash(bytes memory entry) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(hex"00", entry));
    }

    /// @notice Whether `proof` leads from the leaf hash `leaf` at `index` to the `root` of a tree of `size` leaves.
    /// @dev False unless index < size.
    function verifyInclusion(bytes32 leaf, uint64 index, uint64 size, bytes32[] calldata proof, bytes32 root)
        internal
        view
        returns (bool)
    {
        if (index >= size) return false;
        uint256 node = index;
        uint256 last = uint256(size) - 1;
        bytes32 hash = leaf;
        assembly ("memory-safe") {
            let input := mload(0x40)
            mstore8(input, 1)
            let left := add(input, 1)
            let right := add(input, 33)

            let end := add(proof.offset, shl(5, proof.length))
            for { let cursor := proof.offset } lt(cursor, end) { cursor := add(cursor, 32) } {
                if iszero(last) {
                    last := 1 // too long
                    break
                }
                switch or(and(node, 1), eq(node, last))
                case 0 {
                    mstore(left, hash)
                    mstore(right, calldataload(cursor))
                }
                default {
                    // On the right edge, levels at which the node has no sibling are skipped; node is not 0 here.
                    for {} iszero(and(node, 1)) {} {
                        node := shr(1, node)
                        last := shr(1, last)
                    }
                    mstore(left, calldataload(cursor))
                    mstore(right, hash)
                }
                if iszero(staticcall(gas(), 2, input, 65, 0, 32)) { revert(0, 0) }
                hash := mload(0)
                node := shr(1, node)
                last := shr(1, last)
            }
        }
        return last == 0 && hash == root;
    }

    /// @notice Whether `proof` shows that the tree of (`size2`, `root2`) continues the tree of (`size1`, `root1`).
    /// @dev False if size1 > size2. A tree of size 0 has the root `EMPTY_ROOT`; from it and between equal sizes the
    /// proof is empty, and equal sizes have equal roots.
    function verifyConsistency(uint64 size1, bytes32 root1, uint64 size2, bytes32 root2, bytes32[] calldata proof)
        internal
        view
        returns (bool)
    {
        if (size1 == 0) return proof.length == 0 && root1 == EMPTY_ROOT && (size2 != 0 || root2 == EMPTY_ROOT);
        if (size1 == size2) return proof.length == 0 && root1 == root2;
        if (size1 > size2) return false;

        uint256 node = uint256(size1) - 1;
        uint256 last = uint256(size2) - 1;
        while (node & 1 == 1) {
            node >>= 1;
            last >>= 1;
        }
        // The walk starts at the last complete subtree of the old tree: the old root itself if size1 is a power of
        // two (then no bit of node is left), else the first hash of the proof.
        bytes32 oldHash = root1;
        if (node != 0) {
            if (proof.length == 0) return false;
            oldHash = proof[0];
            proof = proof[1:];
        }
        bytes32 newHash = oldHash;
        assembly ("memory-safe") {
            let input := mload(0x40)
            mstore8(input, 1)
            let left := add(input, 1)
            let right := add(input, 33)

            let end := add(proof.offset, shl(5, proof.length))
            for { let cursor := proof.offset } lt(cursor, end) { cursor := add(cursor, 32) } {
                if iszero(last) {
                    last := 1 // too long
                    break
                }
                switch or(and(node, 1), eq(node, last))
                case 0 {
                    mstore(left, newHash)
                    mstore(right, calldataload(cursor))
                }
                default {
                    for {} iszero(and(node, 1)) {} {
                        node := shr(1, node)
                        last := shr(1, last)
                    }
                    mstore(left, calldataload(cursor))
                    mstore(right, oldHash)
                    if iszero(staticcall(gas(), 2, input, 65, 0, 32)) { revert(0, 0) }
                    oldHash := mload(0)
                    mstore(right, newHash)
                }
                if iszero(staticcall(gas(), 2, input, 65, 0, 32)) { revert(0, 0) }
                newHash := mload(0)
                node := shr(1, node)
                last := shr(1, last)
            }
        }
        return last == 0 && oldHash == root1 && newHash == root2;
    }
}
