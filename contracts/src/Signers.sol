// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title Who signed an EIP-712 struct, and counting each once
/// @notice The domain is {name: "Tallystick", version: "1", chainId, verifyingContract, salt: logId}. The separator is
/// computed at each use, so that a chain that changes its id leaves no stale one behind.
library Signers {
    bytes32 internal constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)");

    /// @notice The domain separator of `verifyingContract` on this chain for the ledger `logId`.
    function domainSeparator(bytes32 logId, address verifyingContract) internal view returns (bytes32) {
        return keccak256(
            abi.encode(
                DOMAIN_TYPEHASH, keccak256("Tallystick"), keccak256("1"), block.chainid, verifyingContract, logId
            )
        );
    }

    /// @notice What a signature is over: `structHash` under the domain `separator`.
    function digest(bytes32 separator, bytes32 structHash) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", separator, structHash));
    }

    /// @notice The account that signed `digest_`.
    /// @dev 65 bytes r || s || v with low s and v 27 or 28; reverts with the errors of ECDSA otherwise.
    function recover(bytes32 digest_, bytes calldata signature) internal pure returns (address) {
        return ECDSA.recoverCalldata(digest_, signature);
    }

    /// @notice Puts `agency` into the first `count` places of `agencies` if it is not there; gives the new count.
    /// @dev Requires count < agencies.length.
    function addOnce(bytes32[] memory agencies, uint256 count, bytes32 agency) internal pure returns (uint256) {
        for (uint256 i = 0; i < count; ++i) {
            if (agencies[i] == agency) return count;
        }
        agencies[count] = agency;
        return count + 1;
    }
}
