// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AgencyRegistry} from "../src/AgencyRegistry.sol";
import {IAgencyRegistry} from "../src/IAgencyRegistry.sol";
import {vm} from "./Vm.sol";

/// @notice Parties with known keys, and the founding and decisions they make.
/// Agency n has the id "agency-n", the admin key 100 + n and the witness key 200 + n.
abstract contract Fixture {
    bytes32 internal constant LOG_ID = keccak256("log id");
    uint256 internal constant AGENCIES = 4;
    uint256 internal constant SUBMITTER_KEY = 300;
    bytes32 private constant DECISION_TYPEHASH = keccak256(
        "Decision(uint64 number,uint8 kind,bytes32 agency,bytes32 agencyKind,address account,bytes32 officer,uint32 roles,"
        "uint8 suite,uint64 validFrom,uint64 validUntil,uint16 quorum,bytes32 procedure,string profile)"
    );

    bytes32 private constant KEY_REQUEST_TYPEHASH =
        keccak256("KeyRequest(bytes32 agency,bytes32 officer,address account)");

    function _id(uint256 n) internal pure returns (bytes32) {
        return bytes32(abi.encodePacked("agency-", bytes1(uint8(48 + n))));
    }

    function _admin(uint256 n) internal pure returns (address) {
        return vm.addr(100 + n);
    }

    function _witness(uint256 n) internal pure returns (address) {
        return vm.addr(200 + n);
    }

    function _found(uint16 quorum) internal returns (AgencyRegistry) {
        IAgencyRegistry.Change[] memory changes = new IAgencyRegistry.Change[](AGENCIES * 2 + 2);
        for (uint256 n = 0; n < AGENCIES; ++n) {
            changes[n] = _admission(_id(n), _admin(n));
            changes[AGENCIES + n] = _witnessing(_id(n), _witness(n));
        }
        changes[AGENCIES * 2] = _quorum(quorum);
        changes[AGENCIES * 2 + 1] = _submitting(vm.addr(SUBMITTER_KEY), true);
        return new AgencyRegistry(LOG_ID, changes, quorum == 0);
    }

    function _admission(bytes32 id, address admin) internal pure returns (IAgencyRegistry.Change memory change) {
        change.kind = IAgencyRegistry.ChangeKind.AgencyAdmitted;
        change.agency = id;
        change.agencyKind = "court";
        change.account = admin;
        change.profile = "{}";
    }

    function _witnessing(bytes32 id, address witness) internal pure returns (IAgencyRegistry.Change memory change) {
        change.kind = IAgencyRegistry.ChangeKind.WitnessSet;
        change.agency = id;
        change.account = witness;
    }

    function _quorum(uint16 quorum) internal pure returns (IAgencyRegistry.Change memory change) {
        change.kind = IAgencyRegistry.ChangeKind.QuorumSet;
        change.quorum = quorum;
    }

    function _submitting(address account, bool allowed) internal pure returns (IAgencyRegistry.Change memory change) {
        change.kind = IAgencyRegistry.ChangeKind.SubmitterSet;
        change.account = account;
        change.roles = allowed ? 1 : 0;
    }

    function _adoption(bytes32 procedure) internal pure returns (IAgencyRegistry.Change memory change) {
        change.kind = IAgencyRegistry.ChangeKind.ProcedureAdopted;
        change.procedure = procedure;
    }

    function _approval(AgencyRegistry registry, IAgencyRegistry.Change memory change, uint256 key)
        internal
        view
        returns (IAgencyRegistry.Approval memory)
    {
        bytes memory head = abi.encode(
            DECISION_TYPEHASH,
            registry.decisionCount() + 1,
            change.kind,
            change.agency,
            change.agencyKind,
            change.account,
            change.officer
        );
        bytes memory tail = abi.encode(
            change.roles,
            change.suite,
            change.validFrom,
            change.validUntil,
            change.quorum,
            change.procedure,
            keccak256(bytes(change.profile))
        );
        bytes32 structHash = keccak256(bytes.concat(head, tail));
        return IAgencyRegistry.Approval(vm.addr(key), _sign(key, registry.domainSeparator(), structHash));
    }

    /// @dev The request of `key` to be granted to `officer` of `agency`.
    function _request(AgencyRegistry registry, uint256 key, bytes32 agency, bytes32 officer)
        internal
        view
        returns (bytes memory)
    {
        bytes32 structHash = keccak256(abi.encode(KEY_REQUEST_TYPEHASH, agency, officer, vm.addr(key)));
        return _sign(key, registry.domainSeparator(), structHash);
    }

    function _sign(uint256 key, bytes32 separator, bytes32 structHash) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, keccak256(abi.encodePacked(hex"1901", separator, structHash)));
        return abi.encodePacked(r, s, v);
    }
}
