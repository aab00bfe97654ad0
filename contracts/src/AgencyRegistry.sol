// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IAgencyRegistry} from "./IAgencyRegistry.sol";
import {Signers} from "./Signers.sol";

/// @title AgencyRegistry
/// @notice See IAgencyRegistry. The deployer has no role: what it founds is in the constructor's arguments.
contract AgencyRegistry is IAgencyRegistry {
    bytes32 private constant DECISION_TYPEHASH = keccak256(
        "Decision(uint64 number,uint8 kind,bytes32 agency,bytes32 agencyKind,address account,bytes32 officer,uint32 roles,"
        "uint8 suite,uint64 validFrom,uint64 validUntil,uint16 quorum,bytes32 procedure,string profile)"
    );
    bytes32 private constant KEY_REQUEST_TYPEHASH =
        keccak256("KeyRequest(bytes32 agency,bytes32 officer,address account)");
    uint8 private constant SUITE_SECP256K1 = 1;
    uint32 private constant KNOWN_ROLES = 1 | 2 | 4 | 8 | 16;
    uint256 private constant PROFILE_LIMIT = 1024; // bytes
    uint256 private constant SIGNATURE_LENGTH = 65; // bytes
    uint64 private constant TIME_LIMIT = 1 << 53; // what the ledger cannot write down would stop its mirror

    /// @inheritdoc IAgencyRegistry
    bytes32 public immutable logId;
    /// @inheritdoc IAgencyRegistry
    bool public immutable development;

    /// @inheritdoc IAgencyRegistry
    bytes32 public registryHash;
    /// @inheritdoc IAgencyRegistry
    uint64 public changeCount;
    /// @inheritdoc IAgencyRegistry
    uint64 public decisionCount;
    /// @inheritdoc IAgencyRegistry
    uint16 public agencyCount;
    /// @inheritdoc IAgencyRegistry
    uint16 public witnessCount;
    /// @inheritdoc IAgencyRegistry
    uint16 public quorum;

    /// @dev Slot 2 is part of the protocol: storage proofs of a key start from it.
    mapping(address => Grant) private _grants;
    mapping(bytes32 => Agency) private _agencies;
    /// @inheritdoc IAgencyRegistry
    mapping(address => bytes32) public adminAgency;
    /// @inheritdoc IAgencyRegistry
    mapping(address => bytes32) public witnessAgency;
    /// @inheritdoc IAgencyRegistry
    mapping(address => bool) public isSubmitter;

    /// @param logId_ Identity of the ledger, 32 random bytes
    /// @param founding The first changes in their order, of the kinds that `decide` takes; at least one agency
    /// @param development_ Whether a quorum of 0 is allowed
    constructor(bytes32 logId_, Change[] memory founding, bool development_) {
        if (logId_ == 0) revert LogIdZero();
        logId = logId_;
        development = development_;
        registryHash = logId_;
        for (uint256 i = 0; i < founding.length; ++i) {
            _apply(founding[i]);
        }
        if (agencyCount == 0) revert NoFoundingAgency();
        if (quorum == 0 && !development_) revert QuorumZero();
    }

    /// @inheritdoc IAgencyRegistry
    function grantKey(
        address account,
        bytes32 officer,
        uint32 roles,
        uint8 suite,
        uint64 validFrom,
        uint64 validUntil,
        bytes calldata proof
    ) external {
        bytes32 id = _callersAgency();
        if (account == address(0)) revert AccountRefused(account, id);
        if (_grants[account].agency != 0) revert KeyTaken(account, _grants[account].agency);
        _requireSlug(officer, "-");
        if (roles == 0 || roles & ~KNOWN_ROLES != 0) revert RolesRefused(KNOWN_ROLES, roles);
        if (suite == 0) revert SuiteRefused();
        if (validFrom >= validUntil || validUntil >= TIME_LIMIT) revert PeriodRefused(validFrom, validUntil);
        address proven = _provenKey(id, officer, account, suite, proof);
        if (proven != account) revert KeyUnproven(account, proven);

        _grants[account] = Grant(id, officer, roles, suite, validFrom, validUntil, 0);
        Change memory change = _change(ChangeKind.KeyGranted, id, account);
        change.officer = officer;
        change.roles = roles;
        change.suite = suite;
        change.validFrom = validFrom;
        change.validUntil = validUntil;
        _record(change);
    }

    /// @inheritdoc IAgencyRegistry
    function revokeKey(address account) external {
        bytes32 id = _callersAgency();
        Grant storage granted = _grants[account];
        if (granted.agency != id) revert NotYourKey(account, granted.agency, id);
        if (granted.revokedAt != 0) revert KeyRevokedBefore(account, granted.revokedAt);

        granted.revokedAt = uint64(block.timestamp);
        _record(_change(ChangeKind.KeyRevoked, id, account));
    }

    /// @inheritdoc IAgencyRegistry
    function proposeAdmin(address account) external {
        bytes32 id = _callersAgency();
        _agencies[id].proposedAdmin = account;
        emit AdminProposed(id, account);
    }

    /// @inheritdoc IAgencyRegistry
    function acceptAdmin(bytes32 id) external {
        Agency storage accepted = _agencies[id];
        address proposed = accepted.proposedAdmin;
        if (msg.sender != proposed) revert NotProposedAdmin(id, proposed, msg.sender);

        delete adminAgency[accepted.admin];
        delete accepted.proposedAdmin;
        _setAdmin(id, accepted, msg.sender);
        _record(_change(ChangeKind.AdminChanged, id, msg.sender));
    }

    /// @inheritdoc IAgencyRegistry
    function decide(Change calldata change, Approval[] calldata approvals) external {
        uint64 number = decisionCount + 1;
        uint256 approving = _countApprovals(number, change, approvals);
        if (approving * 2 <= agencyCount) revert MajorityMissing(agencyCount, approving);
        decisionCount = number;
        _apply(change);
    }

    /// @inheritdoc IAgencyRegistry
    function agency(bytes32 id) external view returns (Agency memory) {
        return _agencies[id];
    }

    /// @inheritdoc IAgencyRegistry
    function grant(address account) external view returns (Grant memory) {
        return _grants[account];
    }

    /// @inheritdoc IAgencyRegistry
    function anchoring(address submitter, bytes32 digest, bytes calldata cosignatures)
        external
        view
        returns (bool allowed, bytes32 current, uint16 needed, uint256 cosigned)
    {
        return (isSubmitter[submitter], registryHash, quorum, _countWitnesses(digest, cosignatures));
    }

    /// @inheritdoc IAgencyRegistry
    function domainSeparator() public view returns (bytes32) {
        return Signers.domainSeparator(logId, address(this));
    }

    /// @dev Makes a change of the founding or of a majority.
    function _apply(Change memory change) private {
        if (change.kind == ChangeKind.AgencyAdmitted) _admitAgency(change);
        else if (change.kind == ChangeKind.WitnessSet) _setWitness(change);
        else if (change.kind == ChangeKind.QuorumSet) _setQuorum(change);
        else if (change.kind == ChangeKind.SubmitterSet) _setSubmitter(change);
        else if (change.kind == ChangeKind.ProcedureAdopted) _requireProcedure(change);
        else revert NotDecidable(change.kind);
        _record(change);
    }

    function _admitAgency(Change memory change) private {
        _requireUnused(change, change.roles == 0 && change.quorum == 0 && change.procedure == 0);
        _requireSlug(change.agency, "-");
        _requireSlug(change.agencyKind, "_");
        uint256 length = bytes(change.profile).length;
        if (length == 0 || length > PROFILE_LIMIT) revert ProfileLengthRefused(PROFILE_LIMIT, length);
        Agency storage admitted = _agencies[change.agency];
        if (admitted.kind != 0) revert AgencyTaken(change.agency);

        admitted.kind = change.agencyKind;
        _setAdmin(change.agency, admitted, change.account);
        ++agencyCount;
    }

    function _setAdmin(bytes32 id, Agency storage administered, address account) private {
        if (account == address(0) || adminAgency[account] != 0) revert AccountRefused(account, adminAgency[account]);
        administered.admin = account;
        adminAgency[account] = id;
    }

    function _setWitness(Change memory change) private {
        _requireUnused(
            change,
            change.agencyKind == 0 && change.roles == 0 && change.quorum == 0 && change.procedure == 0
                && bytes(change.profile).length == 0
        );
        Agency storage witnessing = _agencies[change.agency];
        if (witnessing.kind == 0) revert AgencyUnknown(change.agency);
        address account = change.account;
        if (witnessAgency[account] != 0) revert AccountRefused(account, witnessAgency[account]);

        address previous = witnessing.witness;
        if (previous != address(0)) {
            delete witnessAgency[previous];
            --witnessCount;
        }
        if (account != address(0)) {
            witnessAgency[account] = change.agency;
            ++witnessCount;
        } else if (previous == address(0)) {
            revert WitnessUnknown(change.agency);
        }
        if (witnessCount < quorum) revert QuorumAboveWitnesses(witnessCount, quorum);
        witnessing.witness = account;
    }

    function _setQuorum(Change memory change) private {
        _requireUnused(
            change,
            change.agency == 0 && change.agencyKind == 0 && change.account == address(0) && change.roles == 0
                && change.procedure == 0 && bytes(change.profile).length == 0
        );
        if (change.quorum > witnessCount) revert QuorumAboveWitnesses(witnessCount, change.quorum);
        if (change.quorum == 0 && !development) revert QuorumZero();
        quorum = change.quorum;
    }

    function _setSubmitter(Change memory change) private {
        _requireUnused(
            change,
            change.agency == 0 && change.agencyKind == 0 && change.quorum == 0 && change.procedure == 0
                && bytes(change.profile).length == 0
        );
        if (change.account == address(0)) revert AccountRefused(change.account, 0);
        if (change.roles > 1) revert RolesRefused(1, change.roles);
        isSubmitter[change.account] = change.roles == 1;
    }

    /// @dev The registry keeps nothing of a procedure: the change alone says that it is adopted, and in what order.
    function _requireProcedure(Change memory change) private pure {
        _requireUnused(
            change,
            change.agency == 0 && change.agencyKind == 0 && change.account == address(0) && change.roles == 0
                && change.quorum == 0 && bytes(change.profile).length == 0
        );
        if (change.procedure == 0) revert ProcedureZero();
    }

    /// @dev The single door of every change: numbers it, chains it, emits it.
    function _record(Change memory change) private {
        uint64 number = ++changeCount;
        bytes32 chained = keccak256(bytes.concat(registryHash, _encode(change)));
        registryHash = chained;
        emit Changed(number, change, chained);
    }

    /// @dev The fields of `change` as ABI words, the profile by its hash.
    function _encode(Change memory change) private pure returns (bytes memory) {
        return abi.encode(
            change.kind,
            change.agency,
            change.agencyKind,
            change.account,
            change.officer,
            change.roles,
            change.suite,
            change.validFrom,
            change.validUntil,
            change.quorum,
            change.procedure,
            keccak256(bytes(change.profile))
        );
    }

    function _change(ChangeKind kind, bytes32 id, address account) private pure returns (Change memory change) {
        change.kind = kind;
        change.agency = id;
        change.account = account;
    }

    function _callersAgency() private view returns (bytes32 id) {
        id = adminAgency[msg.sender];
        if (id == 0) revert NotAdmin(msg.sender);
    }

    /// @dev The key that `proof` stands for, which is `account` if the proof holds: without it an admin could take a key
    /// of another agency for good, since a key is granted once.
    function _provenKey(bytes32 id, bytes32 officer, address account, uint8 suite, bytes calldata proof)
        private
        view
        returns (address)
    {
        if (suite != SUITE_SECP256K1) {
            return address(uint160(uint256(keccak256(abi.encode(suite, id, keccak256(proof))))));
        }
        bytes32 structHash = keccak256(abi.encode(KEY_REQUEST_TYPEHASH, id, officer, account));
        return Signers.recover(Signers.digest(domainSeparator(), structHash), proof);
    }

    /// @dev The number of agencies whose admins signed `change` as decision `number`.
    function _countApprovals(uint64 number, Change memory change, Approval[] calldata approvals)
        private
        view
        returns (uint256 count)
    {
        bytes32 structHash = keccak256(bytes.concat(DECISION_TYPEHASH, abi.encode(number), _encode(change)));
        bytes32 digest = Signers.digest(domainSeparator(), structHash);
        bytes32[] memory approving = new bytes32[](approvals.length);
        for (uint256 i = 0; i < approvals.length; ++i) {
            address admin = approvals[i].admin;
            bytes32 id = adminAgency[admin];
            if (id == 0) revert NotAdmin(admin);
            address signer = Signers.recover(digest, approvals[i].signature);
            if (signer != admin) revert ApprovalRefused(number, admin, signer);
            count = Signers.addOnce(approving, count, id);
        }
    }

    /// @dev The number of agencies whose witnesses signed `digest`.
    function _countWitnesses(bytes32 digest, bytes calldata cosignatures) private view returns (uint256 count) {
        uint256 length = cosignatures.length;
        if (length % SIGNATURE_LENGTH != 0) revert CosignaturesCut(length);
        bytes32[] memory cosigning = new bytes32[](length / SIGNATURE_LENGTH);
        for (uint256 start = 0; start < length; start += SIGNATURE_LENGTH) {
            address witness = Signers.recover(digest, cosignatures[start:start + SIGNATURE_LENGTH]);
            bytes32 id = witnessAgency[witness];
            if (id == 0) revert NotWitness(witness);
            count = Signers.addOnce(cosigning, count, id);
        }
    }

    /// @dev No kind of decision names officer, suite or period; `othersUnused` says the same of the kind's own.
    function _requireUnused(Change memory change, bool othersUnused) private pure {
        bool unused = change.officer == 0 && change.suite == 0 && change.validFrom == 0 && change.validUntil == 0;
        if (!unused || !othersUnused) revert FieldUnused(change.kind);
    }

    /// @dev Reverts unless `id` is a slug: letters, digits and `separator` first, no separator at either end of them,
    /// then zeros to the end, the last byte always zero.
    function _requireSlug(bytes32 id, bytes1 separator) private pure {
        uint256 length = 0;
        while (length < 31 && _isSlugCharacter(id[length], separator)) ++length;
        if (length == 0 || uint256(id) << (length * 8) != 0 || id[0] == separator || id[length - 1] == separator) {
            revert SlugMalformed(id);
        }
    }

    function _isSlugCharacter(bytes1 c, bytes1 separator) private pure returns (bool) {
        return (c >= "a" && c <= "z") || (c >= "0" && c <= "9") || c == separator;
    }
}
