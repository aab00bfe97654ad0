// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IAgencyRegistry} from "./IAgencyRegistry.sol";

/// @title The anchored roots of a ledger's log, append-only by consensus
/// @notice Keeps (size, root) pairs of an RFC 6962 log, each proven to continue the one before. Nothing can be changed,
/// paused or deleted. Sizes and indexes count leaves.
interface ILogAnchor {
    /// @notice An anchored state of the log, in two slots: root, then (from the low bits) size, blockNumber, timestamp.
    /// Record n lies at keccak256(n . 1) and the slot after it.
    /// @param root RFC 6962 root
    /// @param size Number of leaves
    /// @param blockNumber The block that recorded it
    /// @param timestamp That block's time in unix seconds
    struct Record {
        bytes32 root;
        uint64 size;
        uint64 blockNumber;
        uint64 timestamp;
    }

    /// @notice The anchor contract that this one continues, and its last record; all zero for a new log.
    /// @param chainId Chain of the old contract
    /// @param anchor Address of the old contract
    /// @param size Size of its last record, > 0
    /// @param root Root of its last record
    struct Predecessor {
        uint256 chainId;
        address anchor;
        uint64 size;
        bytes32 root;
    }

    /// @notice Record `number` (the first is 1) was made, under the registry hash then current.
    event Anchored(uint256 indexed number, uint64 size, bytes32 root, bytes32 registryHash);

    /// @notice `account` is not a submitter of the registry.
    error NotSubmitter(address account);
    /// @notice The caller builds on another head than the last record.
    error HeadMoved(uint64 expectedSize, bytes32 expectedRoot, uint64 actualSize, bytes32 actualRoot);
    /// @notice `size` is not greater than the head's `headSize`.
    error SizeNotGreater(uint64 headSize, uint64 size);
    /// @notice The root is zero.
    error RootZero();
    /// @notice The registry has moved on to `expected`: the log must mirror its changes first.
    error RegistryHashStale(bytes32 expected, bytes32 actual);
    /// @notice The proof does not show that (size, root) continues the head (headSize, headRoot).
    error Inconsistent(uint64 headSize, bytes32 headRoot, uint64 size, bytes32 root);
    /// @notice `cosigned` agencies co-signed where the quorum is `quorum`.
    error QuorumMissing(uint16 quorum, uint256 cosigned);
    /// @notice No record `number`; the last is `recordCount`.
    error RecordUnknown(uint256 recordCount, uint256 number);
    /// @notice A predecessor's fields are neither all zero nor all given.
    error PredecessorIncomplete();

    /// @notice Records (size, root) as the log's state. Only a submitter of the registry.
    ///
    /// Witnesses sign EIP-712 `Checkpoint(uint64 size,bytes32 root,bytes32 registryHash)` in the domain
    /// {name "Tallystick", version "1", chainId, this contract, salt logId}; each agency counts once. A co-signature by
    /// anybody else, or over anything else, is refused as the registry's `anchoring` refuses it.
    /// @param previousSize Size of the head
    /// @param previousRoot Root of the head; SHA-256("") at size 0
    /// @param size > previousSize
    /// @param root Not zero
    /// @param registryHash The registry's current hash
    /// @param proof RFC 6962 consistency proof from previousSize to size; empty from size 0
    /// @param cosignatures 65 bytes r || s || v each, low s, v 27 or 28, one after the other in any order, from the
    /// quorum or more
    function anchor(
        uint64 previousSize,
        bytes32 previousRoot,
        uint64 size,
        bytes32 root,
        bytes32 registryHash,
        bytes32[] calldata proof,
        bytes calldata cosignatures
    ) external;

    /// @notice The registry that says who may anchor, who witnesses, and how many must.
    function registry() external view returns (IAgencyRegistry);

    /// @notice Identity of the ledger, as the registry has it.
    function logId() external view returns (bytes32);

    /// @notice The contract that this one continues; its size and root are record 0.
    function predecessor() external view returns (Predecessor memory);

    /// @notice Number of the last record. Record 0 is where this contract started: the predecessor's last record, or
    /// the empty log.
    function recordCount() external view returns (uint256);

    /// @notice The last record.
    function head() external view returns (Record memory);

    /// @notice Record `number`. Reverts with `RecordUnknown` above `recordCount`.
    function record(uint256 number) external view returns (Record memory);

    /// @notice Whether the leaf hash `leafHash` (SHA-256(0x00 || entry)) is at `index` of the log of record `number`.
    /// @param leafHash SHA-256(0x00 || entry)
    /// @param index Position of the leaf, from 0
    /// @param proof RFC 6962 inclusion proof at the record's size
    /// @param number Number of the record; reverts with `RecordUnknown` above `recordCount`
    function verifyInclusion(bytes32 leafHash, uint64 index, bytes32[] calldata proof, uint256 number)
        external
        view
        returns (bool);

    /// @notice EIP-712 domain separator {name "Tallystick", version "1", chainId, this contract, salt logId}.
    function domainSeparator() external view returns (bytes32);
}
