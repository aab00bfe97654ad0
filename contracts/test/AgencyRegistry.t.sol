// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AgencyRegistry} from "../src/AgencyRegistry.sol";
import {IAgencyRegistry} from "../src/IAgencyRegistry.sol";
import {Fixture} from "./Fixture.sol";
import {vm} from "./Vm.sol";

/// @notice Acts on a registry as its parties and strangers would, and keeps what must be true of it.
contract RegistryHandler is Fixture {
    uint256 private constant KEYS = 16;

    AgencyRegistry public immutable registry = _found(2);
    uint256 public agencies = AGENCIES;
    uint256 public changes = registry.changeCount();
    mapping(address => IAgencyRegistry.Grant) private _granted;

    /// @dev The key asks for the agency `asked`, or signs as another key if `forged`; any admin may pass that on.
    function grantKey(uint256 sender, uint256 key, uint256 asked, bool forged, uint32 roles, uint64 from, uint64 until)
        external
    {
        address account = _key(key);
        bytes memory proof =
            _request(registry, 1000 + (forged ? key % KEYS + 1 : key) % KEYS, _id(asked % 5), "officer-1");
        vm.prank(_sender(sender));
        try registry.grantKey(account, "officer-1", roles % 40, 1, from, until, proof) {
            assert(!forged);
            _noteGrant(account, sender);
            assert(_granted[account].agency == _id(asked % 5));
        } catch {}
    }

    /// @dev A key of a suite that the contract cannot verify, whose id commits to the agency `asked`.
    function grantLaterKey(uint256 sender, uint256 key, uint256 asked, uint8 suite, uint64 until) external {
        address account = _laterKey(key, asked, suite);
        vm.prank(_sender(sender));
        try registry.grantKey(account, "officer-1", 1, suite, 1, until, abi.encode(key % KEYS)) {
            assert(suite > 1);
            _noteGrant(account, sender);
            assert(_granted[account].agency == _id(asked % 5));
        } catch {}
    }

    function revokeKey(uint256 sender, uint256 key) external {
        address account = _key(key);
        vm.prank(_sender(sender));
        try registry.revokeKey(account) {
            assert(_granted[account].agency == registry.adminAgency(_sender(sender)));
            assert(_granted[account].revokedAt == 0);
            _granted[account].revokedAt = uint64(block.timestamp);
            ++changes;
        } catch {}
    }

    function proposeAdmin(uint256 sender, uint256 heir) external {
        bytes32 id = registry.adminAgency(_sender(sender));
        vm.prank(_sender(sender));
        try registry.proposeAdmin(_sender(heir)) {
            assert(id != 0);
        } catch {}
    }

    function acceptAdmin(uint256 n, uint256 heir) external {
        bytes32 id = _id(n % 10);
        address proposed = registry.agency(id).proposedAdmin;
        vm.prank(_sender(heir));
        try registry.acceptAdmin(id) {
            assert(_sender(heir) == proposed);
            ++changes;
        } catch {}
    }

    function admit(uint256 n, uint256 admin, uint8 approving) external {
        if (_decided(_admission(_id(n % 10), _sender(admin)), approving)) ++agencies;
    }

    function setWitness(uint256 n, uint256 witness, uint8 approving) external {
        _decided(_witnessing(_id(n % 5), witness % 3 == 0 ? address(0) : _witness(witness % 6)), approving);
    }

    function setQuorum(uint16 quorum, uint8 approving) external {
        _decided(_quorum(quorum % 6), approving);
    }

    function setSubmitter(uint256 account, bool allowed, uint8 approving) external {
        _decided(_submitting(_sender(account), allowed), approving);
    }

    function adoptProcedure(bytes32 procedure, uint8 approving) external {
        if (_decided(_adoption(procedure), approving)) assert(procedure != 0);
    }

    /// @notice The grant of key `n` as it must be.
    function granted(uint256 n) external view returns (address account, IAgencyRegistry.Grant memory) {
        account = _key(n);
        return (account, _granted[account]);
    }

    function _noteGrant(address account, uint256 sender) private {
        assert(_granted[account].agency == 0);
        _granted[account] = registry.grant(account);
        assert(_granted[account].agency == registry.adminAgency(_sender(sender)));
        ++changes;
    }

    function _laterKey(uint256 key, uint256 asked, uint8 suite) private pure returns (address) {
        return
            address(uint160(uint256(keccak256(abi.encode(suite, _id(asked % 5), keccak256(abi.encode(key % KEYS)))))));
    }

    /// @dev Every account signs if `approving` is even, else those with a bit set; only a strict majority of agencies
    /// may get through.
    function _decided(IAgencyRegistry.Change memory change, uint8 approving) private returns (bool) {
        uint256 count = 0;
        IAgencyRegistry.Approval[] memory approvals = new IAgencyRegistry.Approval[](10);
        for (uint256 n = 0; n < 10; ++n) {
            bool signs = approving % 2 == 0 || approving >> n & 1 == 1;
            if (signs && registry.adminAgency(_admin(n)) != 0) {
                approvals[count++] = _approval(registry, change, 100 + n);
            }
        }
        assembly ("memory-safe") {
            mstore(approvals, count)
        }
        uint256 number = registry.decisionCount() + 1;
        try registry.decide(change, approvals) {
            assert(count * 2 > agencies);
            assert(registry.decisionCount() == number);
            ++changes;
            return true;
        } catch {
            return false;
        }
    }

    /// @dev Mostly admins of the founding, some accounts that may become admins, some that never do.
    function _sender(uint256 n) private pure returns (address) {
        return _admin(n % 10);
    }

    function _key(uint256 n) private pure returns (address) {
        return vm.addr(1000 + n % KEYS);
    }
}

contract AgencyRegistryInvariants is Fixture {
    RegistryHandler private immutable _handler = new RegistryHandler();
    AgencyRegistry private immutable _registry = _handler.registry();

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    function invariant_everyChangeIsNumbered() external view {
        assert(_registry.changeCount() == _handler.changes());
    }

    function invariant_quorumCanBeReached() external view {
        assert(_registry.quorum() > 0);
        assert(_registry.quorum() <= _registry.witnessCount());
    }

    function invariant_everyAgencyHasOneAdminAndAtMostOneWitness() external view {
        uint256 admitted = 0;
        uint256 witnesses = 0;
        for (uint256 n = 0; n < 10; ++n) {
            IAgencyRegistry.Agency memory agency = _registry.agency(_id(n));
            if (agency.kind == 0) continue;
            ++admitted;
            assert(_registry.adminAgency(agency.admin) == _id(n));
            if (agency.witness == address(0)) continue;
            ++witnesses;
            assert(_registry.witnessAgency(agency.witness) == _id(n));
        }
        assert(admitted == _registry.agencyCount());
        assert(admitted == _handler.agencies());
        assert(witnesses == _registry.witnessCount());
    }

    function invariant_nobodyServesAnAgencyThatDoesNotNameThem() external view {
        for (uint256 n = 0; n < 10; ++n) {
            bytes32 administered = _registry.adminAgency(_admin(n));
            assert(administered == 0 || _registry.agency(administered).admin == _admin(n));
            bytes32 witnessed = _registry.witnessAgency(_witness(n));
            assert(witnessed == 0 || _registry.agency(witnessed).witness == _witness(n));
        }
    }

    function invariant_grantsNeverChangeButForOneRevocation() external view {
        for (uint256 n = 0; n < 16; ++n) {
            (address account, IAgencyRegistry.Grant memory expected) = _handler.granted(n);
            assert(keccak256(abi.encode(_registry.grant(account))) == keccak256(abi.encode(expected)));
        }
    }
}

contract AgencyRegistryTest is Fixture {
    AgencyRegistry private immutable _registry = _found(0);

    function testFuzz_grantKey_refusesAnybodyButAnAdmin(address sender, address key) external {
        if (_registry.adminAgency(sender) != 0) return;
        vm.expectRevert(abi.encodeWithSelector(IAgencyRegistry.NotAdmin.selector, sender));
        vm.prank(sender);
        _registry.grantKey(key, "officer-1", 1, 1, 1, 2, "");
    }

    function testFuzz_grantKey_refusesAKeyThatAskedForAnotherAgency(uint256 key, bytes32 asked, bytes32 officer)
        external
    {
        if (asked == _id(0) && officer == "officer-1") return;
        key = 1000 + key % 1e18;
        bytes memory proof = _request(_registry, key, asked, officer);
        vm.prank(_admin(0));
        try _registry.grantKey(vm.addr(key), "officer-1", 1, 1, 1, 2, proof) {
            assert(false);
        } catch (bytes memory reason) {
            assert(bytes4(reason) == IAgencyRegistry.KeyUnproven.selector);
        }
        proof = _request(_registry, key, _id(1), "officer-1");
        vm.prank(_admin(1));
        _registry.grantKey(vm.addr(key), "officer-1", 1, 1, 1, 2, proof);
    }

    function testFuzz_grantKey_refusesALaterKeyOfAnotherAgency(bytes calldata publicKey, uint8 suite) external {
        if (suite < 2) return;
        address account = address(uint160(uint256(keccak256(abi.encode(suite, _id(1), keccak256(publicKey))))));
        vm.prank(_admin(0));
        try _registry.grantKey(account, "officer-1", 1, suite, 1, 2, publicKey) {
            assert(false);
        } catch (bytes memory reason) {
            assert(bytes4(reason) == IAgencyRegistry.KeyUnproven.selector);
        }
        vm.prank(_admin(1));
        _registry.grantKey(account, "officer-1", 1, suite, 1, 2, publicKey);
    }

    function testFuzz_acceptAdmin_refusesAnybodyButTheProposed(address sender, address proposed) external {
        if (sender == proposed) return;
        vm.prank(_admin(0));
        _registry.proposeAdmin(proposed);
        vm.expectRevert(abi.encodeWithSelector(IAgencyRegistry.NotProposedAdmin.selector, _id(0), proposed, sender));
        vm.prank(sender);
        _registry.acceptAdmin(_id(0));
    }

    function testFuzz_decide_refusesAnySignatureOfAnotherKey(uint256 key, uint16 quorum) external {
        key = 1000 + key % 1e18;
        IAgencyRegistry.Change memory change = _quorum(quorum);
        IAgencyRegistry.Approval[] memory approvals = new IAgencyRegistry.Approval[](3);
        for (uint256 n = 0; n < 3; ++n) {
            approvals[n] = _approval(_registry, change, 100 + n);
        }
        approvals[2] = IAgencyRegistry.Approval(_admin(3), _approval(_registry, change, key).signature);
        vm.expectRevert(abi.encodeWithSelector(IAgencyRegistry.ApprovalRefused.selector, 1, _admin(3), vm.addr(key)));
        _registry.decide(change, approvals);
    }

    function testFuzz_admission_takesExactlyTheSlugs(bytes32 id) external {
        IAgencyRegistry.Change[] memory changes = new IAgencyRegistry.Change[](1);
        changes[0] = _admission(id, _admin(0));
        if (!_isSlug(id)) vm.expectRevert(abi.encodeWithSelector(IAgencyRegistry.SlugMalformed.selector, id));
        new AgencyRegistry(LOG_ID, changes, true);
    }

    function _isSlug(bytes32 id) private pure returns (bool) {
        bool ended = false;
        uint256 last = 0;
        for (uint256 i = 0; i < 32; ++i) {
            uint8 c = uint8(id[i]);
            if (c == 0) ended = true;
            else if (ended || !(c == 45 || (c >= 48 && c <= 57) || (c >= 97 && c <= 122))) return false;
            else last = i;
        }
        return id[0] != 0 && id[31] == 0 && id[0] != "-" && id[last] != "-";
    }
}
