// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {RFC6962} from "../src/RFC6962.sol";

/// @notice Opens the library RFC6962 to tests; the `...Gas` calls give the gas that the library's work alone takes.
contract RFC6962Harness {
    function leafHash(bytes calldata entry) external pure returns (bytes32) {
        return RFC6962.leafHash(entry);
    }

    function verifyInclusion(bytes32 leaf, uint64 index, uint64 size, bytes32[] calldata proof, bytes32 root)
        public
        view
        returns (bool)
    {
        return RFC6962.verifyInclusion(leaf, index, size, proof, root);
    }

    function verifyConsistency(uint64 size1, bytes32 root1, uint64 size2, bytes32 root2, bytes32[] calldata proof)
        public
        view
        returns (bool)
    {
        return RFC6962.verifyConsistency(size1, root1, size2, root2, proof);
    }

    function inclusionGas(bytes32 leaf, uint64 index, uint64 size, bytes32[] calldata proof, bytes32 root)
        external
        view
        returns (uint256)
    {
        uint256 before = gasleft();
        require(verifyInclusion(leaf, index, size, proof, root), "invalid");
        return before - gasleft();
    }

    function consistencyGas(uint64 size1, bytes32 root1, uint64 size2, bytes32 root2, bytes32[] calldata proof)
        external
        view
        returns (uint256)
    {
        uint256 before = gasleft();
        require(verifyConsistency(size1, root1, size2, root2, proof), "invalid");
        return before - gasleft();
    }
}
