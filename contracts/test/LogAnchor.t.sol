// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AgencyRegistry} from "../src/AgencyRegistry.sol";
import {ILogAnchor} from "../src/ILogAnchor.sol";
import {LogAnchor} from "../src/LogAnchor.sol";
import {RFC6962} from "../src/RFC6962.sol";
import {Fixture} from "./Fixture.sol";
import {MerkleReference} from "./MerkleReference.sol";
import {vm} from "./Vm.sol";

/// @notice Anchors a growing log honestly and otherwise, and keeps what the records must be.
contract AnchorHandler is Fixture {
    bytes32 private constant CHECKPOINT_TYPEHASH =
        keccak256("Checkpoint(uint64 size,bytes32 root,bytes32 registryHash)");
    uint256 public constant SEED = 1;

    AgencyRegistry public immutable registry = _found(2);
    LogAnchor public immutable anchor = new LogAnchor(registry, ILogAnchor.Predecessor(0, address(0), 0, 0), "");
    ILogAnchor.Record[] private _expected;

    constructor() {
        _expected.push(anchor.record(0));
    }

    function anchorHonestly(uint64 growth) external {
        uint64 size = _grown(growth);
        assert(_anchored(SUBMITTER_KEY, SEED, size, 2));
        _expected.push(
            ILogAnchor.Record(MerkleReference.root(SEED, 0, size), size, uint64(block.number), uint64(block.timestamp))
        );
    }

    function anchorAnotherLog(uint64 growth, uint256 seed) external {
        if (seed == SEED || anchor.recordCount() == 0) return; // any root continues the empty log
        assert(!_anchored(SUBMITTER_KEY, seed, _grown(growth), 2));
    }

    function anchorAsAnother(uint64 growth, uint256 key) external {
        key = 1 + key % 299;
        assert(!_anchored(key, SEED, _grown(growth), 2));
    }

    function anchorWithoutQuorum(uint64 growth, bool one) external {
        assert(!_anchored(SUBMITTER_KEY, SEED, _grown(growth), one ? 1 : 0));
    }

    function anchorBackwards(uint64 size) external {
        uint64 head = anchor.head().size;
        if (head == 0) return;
        assert(!_anchored(SUBMITTER_KEY, SEED, 1 + size % head, 2));
    }

    function grantKey(uint256 n, uint256 key) external {
        address account = vm.addr(1000 + key % 1e18);
        if (registry.grant(account).agency != 0) return;
        bytes memory proof = _request(registry, 1000 + key % 1e18, _id(n % AGENCIES), "officer-1");
        vm.prank(_admin(n % AGENCIES));
        registry.grantKey(account, "officer-1", 1, 1, 1, 2, proof);
    }

    function expected(uint256 number) external view returns (ILogAnchor.Record memory) {
        return _expected[number];
    }

    function expectedCount() external view returns (uint256) {
        return _expected.length - 1;
    }

    function _grown(uint64 growth) private view returns (uint64) {
        return anchor.head().size + 1 + growth % 40;
    }

    /// @dev Whether the contract took the log of `seed` at `size` from `senderKey` with this many witnesses.
    function _anchored(uint256 senderKey, uint256 seed, uint64 size, uint256 witnesses) private returns (bool) {
        ILogAnchor.Record memory head = anchor.head();
        bytes32 root = MerkleReference.root(seed, 0, size);
        bytes32 registryHash = registry.registryHash();
        bytes32[] memory proof =
            head.size == 0 || size < head.size ? new bytes32[](0) : MerkleReference.consistency(seed, head.size, size);
        bytes memory cosignatures = "";
        for (uint256 n = 0; n < witnesses; ++n) {
            bytes32 structHash = keccak256(abi.encode(CHECKPOINT_TYPEHASH, size, root, registryHash));
            cosignatures = bytes.concat(cosignatures, _sign(200 + n, anchor.domainSeparator(), structHash));
        }
        vm.prank(vm.addr(senderKey));
        try anchor.anchor(head.size, head.root, size, root, registryHash, proof, cosignatures) {
            return true;
        } catch {
            return false;
        }
    }
}

contract LogAnchorInvariants {
    AnchorHandler private immutable _handler = new AnchorHandler();
    LogAnchor private immutable _anchor = _handler.anchor();

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    function invariant_recordsAreThoseOfTheHonestLogForEver() external view {
        assert(_anchor.recordCount() == _handler.expectedCount());
        for (uint256 n = 0; n <= _anchor.recordCount(); ++n) {
            assert(keccak256(abi.encode(_anchor.record(n))) == keccak256(abi.encode(_handler.expected(n))));
        }
    }

    function invariant_sizesGrow() external view {
        for (uint256 n = 1; n <= _anchor.recordCount(); ++n) {
            assert(_anchor.record(n).size > _anchor.record(n - 1).size);
        }
    }

    function invariant_everyLeafOfTheHeadIsProvable() external view {
        uint64 size = _anchor.head().size;
        if (size == 0) return;
        uint256 seed = _handler.SEED();
        bytes32[] memory proof = MerkleReference.inclusion(seed, size - 1, size);
        assert(_anchor.verifyInclusion(MerkleReference.leaf(seed, size - 1), size - 1, proof, _anchor.recordCount()));
    }
}

contract LogAnchorTest is Fixture {
    AgencyRegistry private immutable _registry = _found(0);
    LogAnchor private immutable _anchor = new LogAnchor(_registry, ILogAnchor.Predecessor(0, address(0), 0, 0), "");

    function testFuzz_anchor_refusesAnotherHead(uint64 previousSize, bytes32 previousRoot) external {
        if (previousSize == 0 && previousRoot == RFC6962.EMPTY_ROOT) return;
        _expectRefusal(
            abi.encodeWithSelector(ILogAnchor.HeadMoved.selector, 0, RFC6962.EMPTY_ROOT, previousSize, previousRoot)
        );
        _anchor.anchor(previousSize, previousRoot, 1, "root", bytes32(0), new bytes32[](0), "");
    }

    function testFuzz_anchor_refusesAnotherRegistryHash(bytes32 registryHash) external {
        bytes32 current = _registry.registryHash();
        if (registryHash == current) return;
        _expectRefusal(abi.encodeWithSelector(ILogAnchor.RegistryHashStale.selector, current, registryHash));
        _anchor.anchor(0, RFC6962.EMPTY_ROOT, 1, "root", registryHash, new bytes32[](0), "");
    }

    function _expectRefusal(bytes memory refusal) private {
        vm.expectRevert(refusal);
        vm.prank(vm.addr(SUBMITTER_KEY));
    }
}
