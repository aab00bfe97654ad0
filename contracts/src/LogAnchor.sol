// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IAgencyRegistry} from "./IAgencyRegistry.sol";
import {ILogAnchor} from "./ILogAnchor.sol";
import {RFC6962} from "./RFC6962.sol";
import {Signers} from "./Signers.sol";

/// @title LogAnchor
/// @notice See ILogAnchor.
contract LogAnchor is ILogAnchor {
    /// @dev The last record's number, and its size once more: an anchor reads one slot less.
    struct Head {
        uint64 number;
        uint64 size;
    }

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

    Head private _head;
    /// @dev Slot 1 is part of the protocol: storage proofs of a record start from it.
    mapping(uint256 => Record) private _records;

    /// @param registry_ The registry of the same ledger on this chain
    /// @param predecessor_ The contract to continue, or all zero
    /// @param cosignatures Witnesses' EIP-712 `Succession(uint256 chainId,address anchor,uint64 size,bytes32 root)` in
    /// the domain of the registry (this contract's address depends on them), in the form that `anchor` takes; from the
    /// quorum where there is a predecessor
    constructor(IAgencyRegistry registry_, Predecessor memory predecessor_, bytes memory cosignatures) {
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
            bytes32 digest = Signers.digest(registry_.domainSeparator(), structHash);
            // slither-disable-next-line unused-return -- who deploys needs no right, and nothing is anchored yet
            (,, uint16 quorum, uint256 cosigned) = registry_.anchoring(address(0), digest, cosignatures);
            if (cosigned < quorum) revert QuorumMissing(quorum, cosigned);
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
        bytes calldata cosignatures
    ) external {
        bytes32 structHash = keccak256(abi.encode(CHECKPOINT_TYPEHASH, size, root, registryHash));
        (bool allowed, bytes32 current, uint16 quorum, uint256 cosigned) =
            registry.anchoring(msg.sender, Signers.digest(domainSeparator(), structHash), cosignatures);
        if (!allowed) revert NotSubmitter(msg.sender);
        Head memory last = _head;
        bytes32 lastRoot = _records[last.number].root;
        if (previousSize != last.size || previousRoot != lastRoot) {
            revert HeadMoved(last.size, lastRoot, previousSize, previousRoot);
        }
        if (size <= previousSize) revert SizeNotGreater(previousSize, size);
        if (root == 0) revert RootZero();
        if (registryHash != current) revert RegistryHashStale(current, registryHash);
        if (!RFC6962.verifyConsistency(previousSize, previousRoot, size, root, proof)) {
            revert Inconsistent(previousSize, previousRoot, size, root);
        }
        if (cosigned < quorum) revert QuorumMissing(quorum, cosigned);

        _store(last.number + 1, size, root);
        emit Anchored(last.number + 1, size, root, registryHash);
    }

    /// @inheritdoc ILogAnchor
    function predecessor() external view returns (Predecessor memory) {
        if (_predecessorAnchor == address(0)) return Predecessor(0, address(0), 0, 0);
        return Predecessor(_predecessorChainId, _predecessorAnchor, _records[0].size, _records[0].root);
    }

    /// @inheritdoc ILogAnchor
    function recordCount() external view returns (uint256) {
        return _head.number;
    }

    /// @inheritdoc ILogAnchor
    function head() external view returns (Record memory) {
        return _records[_head.number];
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

    function _store(uint64 number, uint64 size, bytes32 root) private {
        _head = Head(number, size);
        _records[number] = Record(root, size, uint64(block.number), uint64(block.timestamp));
    }

    function _record(uint256 number) private view returns (Record storage) {
        if (number > _head.number) revert RecordUnknown(_head.number, number);
        return _records[number];
    }
}
