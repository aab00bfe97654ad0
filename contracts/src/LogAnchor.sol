// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IAgencyRegistry} from "./IAgencyRegistry.sol";
import {ILogAnchor} from "./ILogAnchor.sol";
import {RFC6962} from "./RFC6962.sol";
import {Signers} from "./Signers.sol";

/// @title LogAnchor
/// @notice See ILogAnchor.
contract LogAnchor is ILogAnchor {
    bytes32 private constant CHECKPOINT_TYPEHASH =
        keccak256("Checkpoint(uint64 size,bytes32 root,bytes32 registryHash)");
    bytes32 private constant SUCCESSION_TYPEHASH =
        keccak256("Succession(uint256 chainId,address anchor,uint64 size,bytes32 root)");

    /// @inheritdoc ILogAnchor
    IAgencyRegistry public immutable registry;
    /// @inheritdoc ILogAnchor
    bytes32 public immutable logId;
    uint256 private immutable _predecessorChainId;
    address private immutable _predecessorAnchor;

    /// @inheritdoc ILogAnchor
    uint256 public recordCount;
    /// @dev Slot 1 is part of the protocol: storage proofs of a record start from it.
    mapping(uint256 => Record) private _records;

    /// @param registry_ The registry of the same ledger on this chain
    /// @param predecessor_ The contract to continue, or all zero
    /// @param cosignatures Witnesses' EIP-712 `Succession(uint256 chainId,address anchor,uint64 size,bytes32 root)` in
    /// the domain of the registry (this contract's address depends on them); the quorum where there is a predecessor
    constructor(IAgencyRegistry registry_, Predecessor memory predecessor_, bytes[] memory cosignatures) {
        registry = registry_;
        logId = registry_.logId();
        _predecessorChainId = predecessor_.chainId;
        _predecessorAnchor = predecessor_.anchor;

        bool given = predecessor_.size != 0;
        if (
            (predecessor_.chainId != 0) != given || (predecessor_.anchor != address(0)) != given
                || (predecessor_.root != 0) != given
        ) revert PredecessorIncomplete();
        if (given) {
            bytes32 structHash = keccak256(abi.encode(SUCCESSION_TYPEHASH, predecessor_));
            _requireQuorum(registry_, registry_.domainSeparator(), structHash, cosignatures);
        }
        _store(0, predecessor_.size, given ? predecessor_.root : RFC6962.EMPTY_ROOT);
    }

    /// @inheritdoc ILogAnchor
    function anchor(
        uint64 previousSize,
        bytes32 previousRoot,
        uint64 size,
        bytes32 root,
        bytes32 registryHash,
        bytes32[] calldata proof,
        bytes[] calldata cosignatures
    ) external {
        if (!registry.isSubmitter(msg.sender)) revert NotSubmitter(msg.sender);
        uint256 number = recordCount + 1;
        Record storage last = _records[number - 1];
        if (previousSize != last.size || previousRoot != last.root) {
            revert HeadMoved(last.size, last.root, previousSize, previousRoot);
        }
        if (size <= previousSize) revert SizeNotGreater(previousSize, size);
        if (root == 0) revert RootZero();
        bytes32 current = registry.registryHash();
        if (registryHash != current) revert RegistryHashStale(current, registryHash);
        if (!RFC6962.verifyConsistency(previousSize, previousRoot, size, root, proof)) {
            revert Inconsistent(previousSize, previousRoot, size, root);
        }
        bytes32 structHash = keccak256(abi.encode(CHECKPOINT_TYPEHASH, size, root, registryHash));
        _requireQuorum(registry, domainSeparator(), structHash, cosignatures);

        recordCount = number;
        _store(number, size, root);
        emit Anchored(number, size, root, registryHash);
    }

    /// @inheritdoc ILogAnchor
    function predecessor() external view returns (Predecessor memory) {
        if (_predecessorAnchor == address(0)) return Predecessor(0, address(0), 0, 0);
        return Predecessor(_predecessorChainId, _predecessorAnchor, _records[0].size, _records[0].root);
    }

    /// @inheritdoc ILogAnchor
    function head() external view returns (Record memory) {
        return _records[recordCount];
    }

    /// @inheritdoc ILogAnchor
    function record(uint256 number) external view returns (Record memory) {
        return _record(number);
    }

    /// @inheritdoc ILogAnchor
    function verifyInclusion(bytes32 leafHash, uint64 index, bytes32[] calldata proof, uint256 number)
        external
        view
        returns (bool)
    {
        Record storage proven = _record(number);
        return RFC6962.verifyInclusion(leafHash, index, proven.size, proof, proven.root);
    }

    /// @inheritdoc ILogAnchor
    function domainSeparator() public view returns (bytes32) {
        return Signers.domainSeparator(logId, address(this));
    }

    function _store(uint256 number, uint64 size, bytes32 root) private {
        _records[number] = Record(root, size, uint64(block.number), uint64(block.timestamp));
    }

    function _record(uint256 number) private view returns (Record storage) {
        if (number > recordCount) revert RecordUnknown(recordCount, number);
        return _records[number];
    }

    /// @dev Reverts unless witnesses of at least the registry's quorum of agencies signed `structHash`.
    function _requireQuorum(
        IAgencyRegistry registry_,
        bytes32 separator,
        bytes32 structHash,
        bytes[] memory cosignatures
    ) private view {
        bytes32[] memory cosigning = new bytes32[](cosignatures.length);
        uint256 count = 0;
        for (uint256 i = 0; i < cosignatures.length; ++i) {
            address witness = Signers.recover(separator, structHash, cosignatures[i]);
            bytes32 agency = registry_.witnessAgency(witness);
            if (agency == 0) revert NotWitness(witness);
            count = Signers.addOnce(cosigning, count, agency);
        }
        uint16 quorum = registry_.quorum();
        if (count < quorum) revert QuorumMissing(quorum, count);
    }
}
