// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @notice RFC 6962 2.1 as the recursive definitions it gives, over the leaf hashes seed-0, seed-1, ...
library MerkleReference {
    function leaf(uint256 seed, uint256 index) internal pure returns (bytes32) {
        return keccak256(abi.encode(seed, index));
    }

    /// @notice MTH of the leaves [from, to); requires from < to.
    function root(uint256 seed, uint256 from, uint256 to) internal pure returns (bytes32) {
        if (to - from == 1) return leaf(seed, from);
        uint256 middle = from + split(to - from);
        return sha256(abi.encodePacked(hex"01", root(seed, from, middle), root(seed, middle, to)));
    }

    /// @notice PATH(index) in the tree of the leaves [0, size).
    function inclusion(uint256 seed, uint256 index, uint256 size) internal pure returns (bytes32[] memory) {
        return _path(seed, index, 0, size);
    }

    /// @notice PROOF(size1) in the tree of the leaves [0, size2).
    function consistency(uint256 seed, uint256 size1, uint256 size2) internal pure returns (bytes32[] memory) {
        return _subproof(seed, size1, 0, size2, true);
    }

    /// @notice The largest power of two below `size`; requires size > 1.
    function split(uint256 size) internal pure returns (uint256 k) {
        k = 1;
        while (k * 2 < size) k *= 2;
    }

    function _path(uint256 seed, uint256 index, uint256 from, uint256 to) private pure returns (bytes32[] memory) {
        if (to - from == 1) return new bytes32[](0);
        uint256 middle = from + split(to - from);
        return index < middle
            ? _append(_path(seed, index, from, middle), root(seed, middle, to))
            : _append(_path(seed, index, middle, to), root(seed, from, middle));
    }

    function _subproof(uint256 seed, uint256 size1, uint256 from, uint256 to, bool whole)
        private
        pure
        returns (bytes32[] memory)
    {
        if (size1 == to) return whole ? new bytes32[](0) : _append(new bytes32[](0), root(seed, from, to));
        uint256 middle = from + split(to - from);
        return size1 <= middle
            ? _append(_subproof(seed, size1, from, middle, whole), root(seed, middle, to))
            : _append(_subproof(seed, size1, middle, to, false), root(seed, from, middle));
    }

    function _append(bytes32[] memory proof, bytes32 hash) private pure returns (bytes32[] memory longer) {
        longer = new bytes32[](proof.length + 1);
        for (uint256 i = 0; i < proof.length; ++i) {
            longer[i] = proof[i];
        }
        longer[proof.length] = hash;
    }
}
