// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title The agencies of a ledger, their keys, witnesses and anchoring rules
/// @notice The source of all authority in a ledger. Each change is numbered, emitted as one `Changed` event and chained
/// into `registryHash`; the ledger mirrors each into one log entry.
///
/// Agency and officer ids are ASCII slugs of 1 to 31 characters of [a-z0-9-] with no hyphen at either end,
/// left-aligned and zero-padded. Kinds of agencies are such slugs with underscores in place of hyphens; which kinds there
/// are is the ledger's procedure to say, not this contract's.
/// Times are unix seconds.
interface IAgencyRegistry {
    /// @notice What a change does. The numbers are constants of the protocol.
    enum ChangeKind {
        None,
        AgencyAdmitted,
        AdminChanged,
        KeyGranted,
        KeyRevoked,
        WitnessSet,
        QuorumSet,
        SubmitterSet,
        ProcedureAdopted
    }

    /// @notice One change of the registry. A field that a kind does not name is zero or empty:
    ///
    /// | kind               | fields                                                                  |
    /// |--------------------|-------------------------------------------------------------------------|
    /// | AgencyAdmitted 1   | agency, agencyKind, account (its admin), profile (1 to 1,024 bytes)     |
    /// | AdminChanged 2     | agency, account (the new admin)                                         |
    /// | KeyGranted 3       | agency, account (the key), officer, roles, suite, validFrom, validUntil |
    /// | KeyRevoked 4       | agency, account (the key)                                               |
    /// | WitnessSet 5       | agency, account (its only witness; 0 removes it)                        |
    /// | QuorumSet 6        | quorum                                                                  |
    /// | SubmitterSet 7     | account, roles (1 = may anchor, 0 = may no longer)                      |
    /// | ProcedureAdopted 8 | procedure (not 0)                                                       |
    /// @param kind What the change does
    /// @param agency Id of the agency concerned
    /// @param agencyKind The agency's kind
    /// @param account Admin, key, witness or submitter, by kind
    /// @param officer Id of the officer within the agency
    /// @param roles Bit set: clerk 1, supervisor 2, auditor 4, analyst 8, witness 16
    /// @param suite Signature suite of the key; 1 = secp256k1 with EIP-712
    /// @param validFrom First second at which the key may sign
    /// @param validUntil Second from which it may sign no longer
    /// @param quorum Number of agencies whose witnesses must co-sign an anchor
    /// @param procedure BLAKE3-256 digest of the canonical form of the procedure package that is adopted
    /// @param profile Canonical JSON text {"jurisdiction", "name"}, not parsed here
    struct Change {
        ChangeKind kind;
        bytes32 agency;
        bytes32 agencyKind;
        address account;
        bytes32 officer;
        uint32 roles;
        uint8 suite;
        uint64 validFrom;
        uint64 validUntil;
        uint16 quorum;
        bytes32 procedure;
        string profile;
    }

    /// @notice An agency as it stands.
    /// @param kind The agency's kind; 0 = not admitted
    /// @param admin The account that manages the agency's keys
    /// @param proposedAdmin The account that may become the admin by accepting; 0 = none
    /// @param witness The account that co-signs anchors for the agency; 0 = none
    struct Agency {
        bytes32 kind;
        address admin;
        address proposedAdmin;
        address witness;
    }

    /// @notice The one grant of a key. Storage proofs read it: three slots from keccak256(key . 2), the third packed
    /// from the low bits as roles (32), suite (8), validFrom (64), validUntil (64), revokedAt (64).
    /// @param agency Id of the granting agency; 0 = never granted
    /// @param officer Id of the officer who holds the key
    /// @param roles Bit set, as in `Change`
    /// @param suite Signature suite, as in `Change`
    /// @param validFrom First second at which the key may sign
    /// @param validUntil Second from which it may sign no longer
    /// @param revokedAt Block time of the revocation; 0 = not revoked
    struct Grant {
        bytes32 agency;
        bytes32 officer;
        uint32 roles;
        uint8 suite;
        uint64 validFrom;
        uint64 validUntil;
        uint64 revokedAt;
    }

    /// @notice An admin's EIP-712 signature of a `Decision`.
    /// @param admin The account that signed
    /// @param signature 65 bytes r || s || v, low s, v 27 or 28
    struct Approval {
        address admin;
        bytes signature;
    }

    /// @notice Change `number` (the first is 1) was made.
    /// @param number Number of the change
    /// @param change The change
    /// @param registryHash The registry hash after it
    event Changed(uint64 indexed number, Change change, bytes32 registryHash);

    /// @notice The admin of `agency` proposed `account` as its successor (0 withdraws). Authority has not changed yet:
    /// the change is recorded when the account accepts.
    event AdminProposed(bytes32 indexed agency, address indexed account);

    /// @notice `account` administers no agency.
    error NotAdmin(address account);
    /// @notice `actual` called in place of the proposed admin `expected` of `agency`.
    error NotProposedAdmin(bytes32 agency, address expected, address actual);
    /// @notice `id` is not a slug of 1 to 31 characters, left-aligned and zero-padded: of [a-z0-9-] with no hyphen at
    /// either end; of [a-z0-9_] with no underscore at either end where it is a kind of agency.
    error SlugMalformed(bytes32 id);
    /// @notice No agency `agency` is admitted.
    error AgencyUnknown(bytes32 agency);
    /// @notice `agency` is admitted already.
    error AgencyTaken(bytes32 agency);
    /// @notice `account` is zero, or already serves `agency` in this part.
    error AccountRefused(address account, bytes32 agency);
    /// @notice The key `account` was granted by `agency` before; a key is granted once in its life.
    error KeyTaken(address account, bytes32 agency);
    /// @notice The proof given for the key `account` stands for the key `actual`: signed by another key, or for another
    /// agency, officer, registry or chain; or, from suite 2 on, of another agency's key id.
    error KeyUnproven(address account, address actual);
    /// @notice The key `account` belongs to `expected`, not to the caller's agency `actual`.
    error NotYourKey(address account, bytes32 expected, bytes32 actual);
    /// @notice The key `account` was revoked at `revokedAt`.
    error KeyRevokedBefore(address account, uint64 revokedAt);
    /// @notice `roles` is empty or has bits outside `known`.
    error RolesRefused(uint32 known, uint32 roles);
    /// @notice The suite is 0.
    error SuiteRefused();
    /// @notice validFrom < validUntil < 2^53 does not hold.
    error PeriodRefused(uint64 validFrom, uint64 validUntil);
    /// @notice The profile has not 1 to `limit` bytes.
    error ProfileLengthRefused(uint256 limit, uint256 length);
    /// @notice `agency` has no witness to remove.
    error WitnessUnknown(bytes32 agency);
    /// @notice A quorum of `quorum` asks for more than the `witnesses` agencies that have a witness.
    error QuorumAboveWitnesses(uint16 witnesses, uint16 quorum);
    /// @notice A quorum of 0 outside a development ledger.
    error QuorumZero();
    /// @notice The digest of the procedure is 0.
    error ProcedureZero();
    /// @notice A change of this kind is not a majority's to decide.
    error NotDecidable(ChangeKind kind);
    /// @notice A field that changes of this kind do not name is not zero or empty.
    error FieldUnused(ChangeKind kind);
    /// @notice The signature given for `expected` recovers to `actual`: signed by another, or over another change,
    /// or for another decision than `number`.
    error ApprovalRefused(uint64 number, address expected, address actual);
    /// @notice `approvals` agencies approved where more than half of `agencies` must.
    error MajorityMissing(uint256 agencies, uint256 approvals);
    /// @notice A co-signature recovers to `account`, which is no agency's witness: signed by another, or over anything
    /// else than was to be signed.
    error NotWitness(address account);
    /// @notice `length` bytes are not co-signatures of 65 bytes each.
    error CosignaturesCut(uint256 length);
    /// @notice The ledger id is zero.
    error LogIdZero();
    /// @notice The founding admits no agency.
    error NoFoundingAgency();

    /// @notice Grants the caller's agency's officer `officer` the key `account`. Only an agency's admin, and only with a
    /// proof that the key is this agency's: nobody takes a key of another agency, which could never be granted again.
    ///
    /// Suite 1: the key's signature of EIP-712 `KeyRequest(bytes32 agency,bytes32 officer,address account)` in the domain
    /// of `domainSeparator`, 65 bytes r || s || v, low s, v 27 or 28. Its holder agrees to agency and officer; roles and
    /// period are the admin's.
    /// Suites from 2 on, which this contract cannot verify: the public key, in the suite's encoding. The key id commits to
    /// its agency: the last 20 bytes of keccak256(abi.encode(uint8 suite, bytes32 agency, keccak256(public key))).
    /// @param account The key; never granted before
    /// @param officer Id of the officer
    /// @param roles Non-empty bit set, as in `Change`
    /// @param suite Not 0, as in `Change`
    /// @param validFrom Unix seconds; validFrom < validUntil < 2^53
    /// @param validUntil Unix seconds
    /// @param proof By suite, see above
    function grantKey(
        address account,
        bytes32 officer,
        uint32 roles,
        uint8 suite,
        uint64 validFrom,
        uint64 validUntil,
        bytes calldata proof
    ) external;

    /// @notice Revokes the key `account` for good. Only the admin of the agency that granted it.
    function revokeKey(address account) external;

    /// @notice Proposes `account` as the next admin of the caller's agency; 0 withdraws. Only an agency's admin.
    function proposeAdmin(address account) external;

    /// @notice Makes the caller admin of the agency `id`. Only the proposed one, and only if it administers no agency.
    function acceptAdmin(bytes32 id) external;

    /// @notice Makes a change that a strict majority of the agencies' admins has signed. Anybody may send it.
    ///
    /// Each signs EIP-712 `Decision(uint64 number,uint8 kind,bytes32 agency,bytes32 agencyKind,address account,
    /// bytes32 officer,uint32 roles,uint8 suite,uint64 validFrom,uint64 validUntil,uint16 quorum,bytes32 procedure,
    /// string profile)`
    /// in the domain of `domainSeparator`, number = decisionCount + 1. Decisions have a number of their own, so that
    /// an agency that manages its keys does not void what the others have signed.
    /// @param change AgencyAdmitted, WitnessSet, QuorumSet, SubmitterSet or ProcedureAdopted
    /// @param approvals The admins' signatures in any order; an admin named twice counts once
    function decide(Change calldata change, Approval[] calldata approvals) external;

    /// @notice Identity of the ledger; the registry hash before the first change.
    function logId() external view returns (bytes32);

    /// @notice Whether the ledger may stand on a quorum of 0.
    function development() external view returns (bool);

    /// @notice keccak256(abi.encode(previous registry hash, uint8 kind, agency, agencyKind, account, officer, roles,
    /// suite, validFrom, validUntil, quorum, procedure, keccak256(profile))) of the latest change.
    function registryHash() external view returns (bytes32);

    /// @notice Number of changes made, the founding ones among them.
    function changeCount() external view returns (uint64);

    /// @notice Number of decisions made by majority, not counting the founding.
    function decisionCount() external view returns (uint64);

    /// @notice Number of agencies admitted.
    function agencyCount() external view returns (uint16);

    /// @notice Number of agencies that have a witness.
    function witnessCount() external view returns (uint16);

    /// @notice Number of agencies whose witnesses must co-sign an anchor.
    function quorum() external view returns (uint16);

    /// @notice The agency `id`; all zero where none is admitted.
    function agency(bytes32 id) external view returns (Agency memory);

    /// @notice The grant of the key `account`; all zero where it was never granted.
    function grant(address account) external view returns (Grant memory);

    /// @notice The agency that `account` administers, or 0.
    function adminAgency(address account) external view returns (bytes32);

    /// @notice The agency that `account` is the witness of, or 0.
    function witnessAgency(address account) external view returns (bytes32);

    /// @notice Whether `account` may anchor.
    function isSubmitter(address account) external view returns (bool);

    /// @notice All that an anchor asks of the registry, in one call because each costs gas. Reverts with `NotWitness`,
    /// `CosignaturesCut` or the errors of ECDSA at a co-signature that is none.
    /// @param submitter The account that anchors
    /// @param digest The EIP-712 digest that was co-signed
    /// @param cosignatures 65 bytes r || s || v each, low s, v 27 or 28, one after the other in any order
    /// @return allowed Whether the submitter may anchor
    /// @return current The registry hash
    /// @return needed The quorum
    /// @return cosigned Number of agencies whose witnesses signed; each counts once
    function anchoring(address submitter, bytes32 digest, bytes calldata cosignatures)
        external
        view
        returns (bool allowed, bytes32 current, uint16 needed, uint256 cosigned);

    /// @notice EIP-712 domain separator {name "Tallystick", version "1", chainId, this contract, salt logId}.
    function domainSeparator() external view returns (bytes32);
}
