"""AgencyRegistry: what is founded, what a strict majority of the admins decides, and what each does alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import ANY

import pytest
from eth_abi.abi import encode
from eth_account.signers.local import LocalAccount
from web3 import Web3

from tests.unit.contracts.ledger import (
    ADMIN_CHANGED,
    CHANGE_FIELDS,
    COURT,
    DECISION,
    JUDICIAL,
    KEY_GRANTED,
    KEY_REVOKED,
    KIND,
    LOG_ID,
    MAJORITY,
    NEWCOMER,
    NOBODY,
    PARTIES,
    POLICE,
    PROCEDURE,
    PROFILE,
    QUORUM_SET,
    STRANGER,
    SUBMITTER,
    WITNESS_SET,
    Change,
    Ledger,
    admission,
    chained,
    change,
    deploy,
    founding,
    person,
    refused,
    signed,
    slug,
    submitting,
    with_high_s,
    witnessing,
)

REMOVAL = change(WITNESS_SET, agency=COURT.id)
ADOPTION = change(PROCEDURE, procedure=bytes.fromhex("5f" * 32))


@pytest.mark.parametrize(
    "proposal",
    [
        admission(NEWCOMER),
        witnessing(COURT) | {"account": person("second witness").address},
        REMOVAL,
        change(QUORUM_SET, quorum=4),
        submitting(STRANGER),
        submitting(SUBMITTER, allowed=False),
        ADOPTION,
    ],
    ids=["admit", "replace witness", "remove witness", "quorum", "submitter", "no submitter", "procedure"],
)
def test_majority_makes_a_change_that_is_chained(ledger: Ledger, proposal: Change) -> None:
    """Three of four admins decide; a stranger may send it; it is one numbered change and one decision."""
    before = ledger.registry.functions.registryHash().call()
    number = ledger.registry.functions.changeCount().call()

    event = ledger.changed(ledger.decide(proposal, *MAJORITY))

    assert dict(event["change"]) == proposal
    assert event["number"] == number + 1
    assert event["registryHash"] == chained(before, proposal) == ledger.registry.functions.registryHash().call()
    assert ledger.registry.functions.decisionCount().call() == 1


def test_views_follow_the_decisions(ledger: Ledger) -> None:
    """Each decision shows in what the registry answers afterwards."""
    calls = ledger.registry.functions
    replacement = person("second witness")
    ledger.decide(admission(NEWCOMER), *MAJORITY)
    assert calls.agency(NEWCOMER.id).call() == (KIND, NEWCOMER.admin.address, NOBODY, NOBODY)
    assert calls.agencyCount().call() == len(PARTIES) + 1
    ledger.decide(witnessing(COURT) | {"account": replacement.address}, *MAJORITY)
    assert calls.witnessAgency(replacement.address).call() == COURT.id
    assert calls.witnessAgency(COURT.witness.address).call() == bytes(32)
    assert calls.witnessCount().call() == len(PARTIES)
    ledger.decide(REMOVAL, *MAJORITY)
    assert calls.witnessAgency(replacement.address).call() == bytes(32)
    assert calls.agency(COURT.id).call()[3] == NOBODY
    assert calls.witnessCount().call() == len(PARTIES) - 1
    ledger.decide(change(QUORUM_SET, quorum=3), *MAJORITY)
    assert calls.quorum().call() == 3
    ledger.decide(submitting(STRANGER), *MAJORITY)
    ledger.decide(submitting(SUBMITTER, allowed=False), *MAJORITY)
    assert calls.isSubmitter(STRANGER.address).call() is True
    assert calls.isSubmitter(SUBMITTER.address).call() is False


def test_admitted_agency_grants_keys_and_counts(ledger: Ledger) -> None:
    """A newcomer's admin grants keys at once, and raises the majority from 3 of 4 to 3 of 5."""
    ledger.decide(admission(NEWCOMER), *MAJORITY)
    ledger.grant(NEWCOMER, person("newcomer key"))
    ledger.decide(submitting(STRANGER), NEWCOMER.admin, POLICE.admin, COURT.admin)
    with refused("MajorityMissing", 5, 2):
        ledger.decide(submitting(STRANGER), NEWCOMER.admin, POLICE.admin)


@pytest.mark.parametrize(("approving", "counted"), [([], 0), ([0], 1), ([0, 2], 2), ([0, 2, 0, 0], 2)])
def test_half_of_the_admins_is_no_majority(ledger: Ledger, approving: list[int], counted: int) -> None:
    """Of four, two are not enough, and who signs twice counts once."""
    with refused("MajorityMissing", 4, counted):
        ledger.decide(admission(NEWCOMER), *(MAJORITY[number] for number in approving))


@pytest.mark.parametrize("outsider", [STRANGER, SUBMITTER, POLICE.witness])
def test_approval_by_no_admin_is_refused(ledger: Ledger, outsider: LocalAccount) -> None:
    """Who administers no agency has no voice, even beside a majority."""
    with refused("NotAdmin", outsider.address):
        ledger.decide(admission(NEWCOMER), *MAJORITY, outsider)


def test_decision_cannot_be_replayed(ledger: Ledger) -> None:
    """Approvals are for one decision number: sent again, they recover to somebody else."""
    removal = submitting(SUBMITTER, allowed=False)
    approvals = [ledger.approval(admin, removal) for admin in MAJORITY]
    ledger.send(STRANGER, ledger.registry.functions.decide(removal, approvals))
    ledger.decide(submitting(SUBMITTER), *MAJORITY)

    with refused("ApprovalRefused", 3, POLICE.admin.address, ANY):
        ledger.send(STRANGER, ledger.registry.functions.decide(removal, approvals))

    assert ledger.registry.functions.isSubmitter(SUBMITTER.address).call() is True


def test_keys_may_be_managed_while_approvals_are_gathered(ledger: Ledger) -> None:
    """A grant is no decision: it does not void what the others have signed."""
    approvals = [ledger.approval(admin, admission(NEWCOMER)) for admin in MAJORITY]
    ledger.grant(JUDICIAL, person("officer key"))
    ledger.send(STRANGER, ledger.registry.functions.decide(admission(NEWCOMER), approvals))
    assert ledger.registry.functions.agencyCount().call() == len(PARTIES) + 1


@pytest.mark.parametrize("field", [*DECISION, "registry", "admin"])
def test_approval_is_by_its_admin_for_this_decision_of_this_registry(
    ledger: Ledger, witnessed: Ledger, field: str
) -> None:
    """A signature over a decision that differs in one field, for another contract, or by another admin, is none."""
    proposal, signer, registry = admission(NEWCOMER), POLICE.admin, ledger.registry
    values = {"number": 1, **proposal}
    if field == "registry":
        registry = witnessed.registry
    elif field == "admin":
        signer = COURT.admin
    else:
        filled = {"bytes32": slug("other"), "address": STRANGER.address, "string": PROFILE + " "}
        values[field] = filled.get(DECISION[field], 2)
    signature = signed(signer, registry, "Decision", DECISION, **values)
    with refused("ApprovalRefused", 1, POLICE.admin.address, ANY):
        ledger.send(STRANGER, ledger.registry.functions.decide(proposal, [(POLICE.admin.address, signature)]))


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda signature: signature[:64], ("ECDSAInvalidSignatureLength", 64)),
        (with_high_s, ("ECDSAInvalidSignatureS", ANY)),
        (lambda signature: signature[:64] + b"\0", ("ECDSAInvalidSignature",)),
        (lambda signature: bytes(64) + b"\x1b", ("ECDSAInvalidSignature",)),
    ],
    ids=["64 bytes", "high s", "v 0", "zero"],
)
def test_malformed_signature_is_refused(
    ledger: Ledger, spoil: Callable[[bytes], bytes], error: tuple[Any, ...]
) -> None:
    """One form of a signature is taken: 65 bytes, low s, v 27 or 28."""
    admin, signature = ledger.approval(POLICE.admin, admission(NEWCOMER))
    with refused(*error):
        ledger.send(STRANGER, ledger.registry.functions.decide(admission(NEWCOMER), [(admin, spoil(signature))]))


@pytest.mark.parametrize("kind", [0, ADMIN_CHANGED, KEY_GRANTED, KEY_REVOKED])
def test_majority_cannot_take_over_an_agency(ledger: Ledger, kind: int) -> None:
    """An agency's keys and its admin are its own: no majority grants, revokes or replaces them."""
    with refused("NotDecidable", kind):
        ledger.decide(change(kind, agency=COURT.id, account=STRANGER.address), *MAJORITY)


@pytest.mark.parametrize(
    ("proposal", "named"),
    [
        (admission(NEWCOMER), {"agency", "agencyKind", "account", "profile"}),
        (REMOVAL, {"agency", "account"}),
        (change(QUORUM_SET, quorum=1), {"quorum"}),
        (submitting(STRANGER), {"account", "roles"}),
        (ADOPTION, {"procedure"}),
    ],
    ids=["admission", "witness", "quorum", "submitter", "procedure"],
)
def test_field_that_a_kind_does_not_name_must_be_empty(ledger: Ledger, proposal: Change, named: set[str]) -> None:
    """Nothing can be smuggled into the registry hash in a field that the mirror does not read."""
    filled = {"bytes32": slug("a"), "address": STRANGER.address, "string": "a"}
    for field, (kind, _) in CHANGE_FIELDS.items():
        if field not in named | {"kind"}:
            with refused("FieldUnused", proposal["kind"]):
                ledger.decide(proposal | {field: filled.get(kind, 1)}, *MAJORITY)


@pytest.mark.parametrize(
    ("proposal", "error"),
    [
        (admission(COURT), ("AgencyTaken", COURT.id)),
        (admission(NEWCOMER) | {"account": COURT.admin.address}, ("AccountRefused", COURT.admin.address, COURT.id)),
        (admission(NEWCOMER) | {"account": NOBODY}, ("AccountRefused", NOBODY, bytes(32))),
        (admission(NEWCOMER) | {"agencyKind": bytes(32)}, ("SlugMalformed", bytes(32))),
        (admission(NEWCOMER) | {"profile": ""}, ("ProfileLengthRefused", 1024, 0)),
        (admission(NEWCOMER) | {"profile": "x" * 1025}, ("ProfileLengthRefused", 1024, 1025)),
        (witnessing(NEWCOMER), ("AgencyUnknown", NEWCOMER.id)),
        (witnessing(COURT), ("AccountRefused", COURT.witness.address, COURT.id)),
        (witnessing(POLICE) | {"account": COURT.witness.address}, ("AccountRefused", COURT.witness.address, COURT.id)),
        (change(QUORUM_SET, quorum=5), ("QuorumAboveWitnesses", 4, 5)),
        (submitting(STRANGER) | {"roles": 2}, ("RolesRefused", 1, 2)),
        (submitting(STRANGER) | {"account": NOBODY}, ("AccountRefused", NOBODY, bytes(32))),
        (change(PROCEDURE), ("ProcedureZero",)),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_impossible_decision_is_refused(ledger: Ledger, proposal: Change, error: tuple[Any, ...]) -> None:
    """A majority cannot make what contradicts the registry; nothing of it stays behind."""
    before = ledger.registry.functions.registryHash().call()
    with refused(*error):
        ledger.decide(proposal, *MAJORITY)
    assert ledger.registry.functions.registryHash().call() == before
    assert ledger.registry.functions.decisionCount().call() == 0


def test_procedure_may_be_adopted_again(ledger: Ledger) -> None:
    """Each adoption is a change of its own: so the agencies return to a version that they had before."""
    second_change = change(PROCEDURE, procedure=bytes.fromhex("6a" * 32))
    for adopted in (ADOPTION, second_change, ADOPTION):
        before = ledger.registry.functions.registryHash().call()
        event = ledger.changed(ledger.decide(adopted, *MAJORITY))
        assert (dict(event["change"]), event["registryHash"]) == (adopted, chained(before, adopted))


def test_witness_below_the_quorum_cannot_be_removed(web3: Web3) -> None:
    """With two witnesses and a quorum of two neither can go; replacing one is fine."""
    ledger = Ledger(web3, founding(witnesses=[POLICE, COURT], quorum=2), development=False)
    with refused("QuorumAboveWitnesses", 1, 2):
        ledger.decide(REMOVAL, *MAJORITY)
    ledger.decide(witnessing(COURT) | {"account": person("second witness").address}, *MAJORITY)
    assert ledger.registry.functions.witnessCount().call() == 2


def test_witness_that_is_not_there_cannot_be_removed(ledger: Ledger) -> None:
    """Removing the same witness a second time is refused."""
    ledger.decide(REMOVAL, *MAJORITY)
    with refused("WitnessUnknown", COURT.id):
        ledger.decide(REMOVAL, *MAJORITY)


def test_quorum_returns_to_zero_only_in_development(ledger: Ledger, witnessed: Ledger) -> None:
    """The development flag is for life."""
    ledger.decide(change(QUORUM_SET, quorum=0), *MAJORITY)
    with refused("QuorumZero"):
        witnessed.decide(change(QUORUM_SET, quorum=0), *MAJORITY)


# -- what the constructor founds ---------------------------------------------------------------------------------------


def test_founding_is_the_first_changes_of_the_chain(web3: Web3) -> None:
    """The constructor's changes are numbered from 1, emitted in order, and chained from the log id."""
    changes = [*founding(quorum=3), ADOPTION]
    registry = Ledger(web3, changes, development=False).registry

    events = registry.events.Changed().get_logs(from_block=0)

    expected_hash: bytes = LOG_ID
    for number, (event, expected) in enumerate(zip(events, changes, strict=True), start=1):
        expected_hash = chained(expected_hash, expected)
        assert event["args"]["number"] == number
        assert dict(event["args"]["change"]) == expected
        assert event["args"]["registryHash"] == expected_hash
    assert registry.functions.registryHash().call() == expected_hash
    assert registry.functions.changeCount().call() == len(changes)
    assert registry.functions.decisionCount().call() == 0


def test_quorum_zero_stands_only_in_development(web3: Web3) -> None:
    """Without the development flag a founding that leaves the quorum at 0 is refused, said or unsaid."""
    assert Ledger(web3, founding(quorum=0)).registry.functions.development().call() is True
    for changes in (founding(quorum=0), founding()[:-1]):
        with refused("QuorumZero"):
            deploy(web3, "AgencyRegistry", LOG_ID, changes, False)


def test_impossible_founding_is_refused(web3: Web3) -> None:
    """A ledger has an identity and at least one agency that can decide; what a majority could not decide
    (test_impossible_decision_is_refused) cannot be founded either."""
    with refused("LogIdZero"):
        deploy(web3, "AgencyRegistry", bytes(32), founding(), True)
    with refused("NoFoundingAgency"):
        deploy(web3, "AgencyRegistry", LOG_ID, [], True)
    with refused("ProcedureZero"):
        deploy(web3, "AgencyRegistry", LOG_ID, [*founding(), change(PROCEDURE)], True)
    with refused("AgencyTaken", POLICE.id):
        deploy(web3, "AgencyRegistry", LOG_ID, [admission(POLICE), admission(POLICE)], True)
    with refused("QuorumAboveWitnesses", 2, 3):
        deploy(web3, "AgencyRegistry", LOG_ID, founding(witnesses=[POLICE, COURT], quorum=3), False)


def test_profile_of_the_full_length_is_taken(web3: Web3) -> None:
    """1,024 bytes are within the bound."""
    Ledger(web3, [admission(POLICE) | {"profile": "x" * 1024}])


NO_SLUGS = (b"", b"Police", b"police_1", b"-police", b"police-", b"-", b"police\0court", b"\0police", b"police\xc3\xa9")


@pytest.mark.parametrize("agency", [*NO_SLUGS, b"a" * 32, b"police" + bytes(25) + b"x"])
def test_agency_id_that_is_no_slug_is_refused(web3: Web3, agency: bytes) -> None:
    """Empty, upper case, other characters, outer hyphens, zeros inside or before, and 32 characters are no slugs."""
    agency = agency.ljust(32, b"\0")
    with refused("SlugMalformed", agency):
        deploy(web3, "AgencyRegistry", LOG_ID, [admission(POLICE) | {"agency": agency}], True)


@pytest.mark.parametrize("agency", ["a", "0", "a-z0-9", "a--0", "a" * 31])
def test_slug_of_up_to_31_characters_is_taken(web3: Web3, agency: str) -> None:
    """The ends of each range of characters, and both ends of the length."""
    registry = Ledger(web3, [admission(POLICE) | {"agency": slug(agency)}]).registry
    assert registry.functions.adminAgency(POLICE.admin.address).call() == slug(agency)


@pytest.mark.parametrize("kind", [b"Court", b"people-s_court", b"_court", b"court_", b"_", b"court\0east", b"c" * 32])
def test_kind_of_agency_that_the_log_could_not_write_is_refused(web3: Web3, kind: bytes) -> None:
    """Upper case, a hyphen, outer underscores, zeros inside, and 32 characters."""
    kind = kind.ljust(32, b"\0")
    with refused("SlugMalformed", kind):
        deploy(web3, "AgencyRegistry", LOG_ID, [admission(POLICE) | {"agencyKind": kind}], True)


@pytest.mark.parametrize("kind", ["a", "0", "police_of_9_rivers", "a__0", "a" * 31])
def test_any_kind_of_agency_is_taken(web3: Web3, kind: str) -> None:
    """The contract knows no procedure: a kind is a slug with underscores, and stands as it was given."""
    registry = Ledger(web3, [admission(POLICE) | {"agencyKind": slug(kind)}]).registry
    assert registry.functions.agency(POLICE.id).call()[0] == slug(kind)


# -- what an agency's admin does alone ---------------------------------------------------------------------------------


KEY = person("officer key")
HEIR = person("next admin")
GRANT_SLOT = 2  # of the mapping, a constant of the protocol


def test_grant_is_stored_emitted_and_chained(ledger: Ledger) -> None:
    """An admin's grant stands under the key, for the admin's own agency, and is one numbered change."""
    before = ledger.registry.functions.registryHash().call()

    event = ledger.changed(ledger.grant(POLICE, KEY, roles=1 | 2, validFrom=10, validUntil=2**53 - 1))

    expected = change(
        KEY_GRANTED,
        agency=POLICE.id,
        account=KEY.address,
        officer=slug("li-ming"),
        roles=3,
        suite=1,
        validFrom=10,
        validUntil=2**53 - 1,
    )
    assert dict(event["change"]) == expected
    assert event["number"] == ledger.registry.functions.changeCount().call()
    assert event["registryHash"] == chained(before, expected) == ledger.registry.functions.registryHash().call()
    granted = ledger.registry.functions.grant(KEY.address).call()
    assert granted == (POLICE.id, slug("li-ming"), 3, 1, 10, 2**53 - 1, 0)


def test_grant_lies_in_the_slots_that_storage_proofs_read(ledger: Ledger) -> None:
    """Agency, officer, then roles, suite, period and revocation packed from the low bits, from keccak(key . 2)."""
    ledger.grant(POLICE, KEY, roles=5, suite=1, validFrom=10, validUntil=20)
    receipt = ledger.send(POLICE.admin, ledger.registry.functions.revokeKey(KEY.address))
    revoked_at = ledger.web3.eth.get_block(receipt["blockNumber"])["timestamp"]

    base = int.from_bytes(Web3.keccak(encode(["address", "uint256"], [KEY.address, GRANT_SLOT])), "big")
    agency, officer, packed = (ledger.web3.eth.get_storage_at(ledger.registry.address, base + i) for i in range(3))

    assert (agency, officer) == (POLICE.id, slug("li-ming"))
    assert int.from_bytes(packed, "big") == 5 | 1 << 32 | 10 << 40 | 20 << 104 | revoked_at << 168


def test_only_an_admin_grants_revokes_and_proposes(ledger: Ledger) -> None:
    """A stranger, a submitter, a witness and an officer administer nothing."""
    ledger.grant(POLICE, KEY, roles=31)
    calls = ledger.registry.functions
    for outsider in (STRANGER, SUBMITTER, POLICE.witness, KEY):
        for call in (
            calls.grantKey(STRANGER.address, slug("a"), 1, 1, 1, 2, b""),
            calls.revokeKey(KEY.address),
            calls.proposeAdmin(STRANGER.address),
        ):
            with refused("NotAdmin", outsider.address):
                ledger.send(outsider, call)


@pytest.mark.parametrize(
    ("terms", "error"),
    [
        *(
            ({"officer": officer}, ("SlugMalformed", officer))
            for officer in (bytes(32), *map(slug, ("Li-Ming", "-p-1", "p-1-", "-")))
        ),
        ({"roles": 0}, ("RolesRefused", 31, 0)),
        ({"roles": 32}, ("RolesRefused", 31, 32)),
        ({"roles": 1 | 1 << 31}, ("RolesRefused", 31, 1 | 1 << 31)),
        ({"suite": 0}, ("SuiteRefused",)),
        ({"validFrom": 200, "validUntil": 200}, ("PeriodRefused", 200, 200)),
        ({"validFrom": 201, "validUntil": 200}, ("PeriodRefused", 201, 200)),
        ({"validUntil": 2**53}, ("PeriodRefused", 100, 2**53)),
        ({"validUntil": 2**64 - 1}, ("PeriodRefused", 100, 2**64 - 1)),
    ],
)
def test_grant_of_impossible_terms_is_refused(ledger: Ledger, terms: dict[str, object], error: tuple[Any, ...]) -> None:
    """An officer has a slug, a key has known roles, a suite, and a period that is not empty and can be mirrored."""
    with refused(*error):
        ledger.grant(POLICE, KEY, **terms)


def test_key_is_no_zero_address(ledger: Ledger) -> None:
    """A grant to the zero address is refused: no key has it."""
    with refused("AccountRefused", NOBODY, POLICE.id):
        ledger.send(POLICE.admin, granting(ledger, NOBODY, b""))


def granting(ledger: Ledger, key: str, proof: bytes, *, suite: int = 1) -> Any:
    """The call that grants `key` to the officer li-ming with this proof."""
    return ledger.registry.functions.grantKey(key, slug("li-ming"), 1, suite, 100, 200, proof)


def test_no_agency_takes_the_key_of_another(ledger: Ledger) -> None:
    """The court's admin tries to grant the police's key before the police do. Neither without a signature of that key,
    nor with the request it made to the police, copied from the police's pending transaction. Afterwards the police
    grant it as ever."""
    request = ledger.key_request(POLICE, KEY, slug("li-ming"))
    forged = ledger.key_request(COURT, STRANGER, slug("li-ming"), account=KEY.address)
    with refused("KeyUnproven", KEY.address, STRANGER.address):
        ledger.send(COURT.admin, granting(ledger, KEY.address, forged))
    with refused("ECDSAInvalidSignatureLength", 0):
        ledger.send(COURT.admin, granting(ledger, KEY.address, b""))
    with refused("KeyUnproven", KEY.address, ANY):
        ledger.send(COURT.admin, granting(ledger, KEY.address, request))
    assert ledger.registry.functions.grant(KEY.address).call()[0] == bytes(32)

    ledger.send(POLICE.admin, granting(ledger, KEY.address, request))
    assert ledger.registry.functions.grant(KEY.address).call()[0] == POLICE.id


@pytest.mark.parametrize(
    "differing",
    [{"agency": COURT.id}, {"officer": slug("wang-fang")}, {"account": STRANGER.address}, "registry", "high s"],
)
def test_request_is_for_one_agency_officer_key_and_registry(ledger: Ledger, differing: Any) -> None:
    """A key's signature over other terms, for another registry, or in its other form, grants nothing."""
    changes = differing if isinstance(differing, dict) else {}
    signer = Ledger(ledger.web3, founding()) if differing == "registry" else ledger
    proof = signer.key_request(POLICE, KEY, slug("li-ming"), **changes)
    error: tuple[Any, ...] = ("KeyUnproven", KEY.address, ANY)
    if differing == "high s":
        proof, error = with_high_s(proof), ("ECDSAInvalidSignatureS", ANY)
    with refused(*error):
        ledger.send(POLICE.admin, granting(ledger, KEY.address, proof))


@pytest.mark.parametrize("suite", [2, 255])
def test_key_id_of_a_later_suite_commits_to_its_agency(ledger: Ledger, suite: int) -> None:
    """What the contract cannot verify it takes by its public key, of which each agency has another key id."""
    public_key = b"a public key of a later suite, of whatever length it has"
    values = [suite, POLICE.id, Web3.keccak(public_key)]
    key = Web3.to_checksum_address(Web3.keccak(encode(["uint8", "bytes32", "bytes32"], values))[12:])
    for admin, shown in ((COURT.admin, public_key), (POLICE.admin, public_key + b"."), (POLICE.admin, b"")):
        with refused("KeyUnproven", key, ANY):
            ledger.send(admin, granting(ledger, key, shown, suite=suite))
    ledger.send(POLICE.admin, granting(ledger, key, public_key, suite=suite))
    assert ledger.registry.functions.grant(key).call()[:4] == (POLICE.id, slug("li-ming"), 1, suite)


def test_key_is_granted_once_in_its_life(ledger: Ledger) -> None:
    """Neither the same agency nor another one grants a key again, before its revocation or after."""
    ledger.grant(POLICE, KEY)
    for _ in range(2):
        for party in (POLICE, COURT):
            with refused("KeyTaken", KEY.address, POLICE.id):
                ledger.grant(party, KEY)
        if ledger.registry.functions.grant(KEY.address).call()[-1] == 0:
            ledger.send(POLICE.admin, ledger.registry.functions.revokeKey(KEY.address))


def test_revocation_keeps_the_grant_and_its_time(ledger: Ledger) -> None:
    """A revoked key's grant stays readable with the block time of its revocation; the change names agency and key."""
    ledger.grant(POLICE, KEY)
    before = ledger.registry.functions.registryHash().call()

    receipt = ledger.send(POLICE.admin, ledger.registry.functions.revokeKey(KEY.address))

    expected = change(KEY_REVOKED, agency=POLICE.id, account=KEY.address)
    assert dict(ledger.changed(receipt)["change"]) == expected
    assert ledger.registry.functions.registryHash().call() == chained(before, expected)
    *terms, revoked_at = ledger.registry.functions.grant(KEY.address).call()
    assert terms == [POLICE.id, slug("li-ming"), 1, 1, 100, 200]
    assert revoked_at == ledger.web3.eth.get_block(receipt["blockNumber"])["timestamp"]


def test_only_the_granting_agency_revokes_and_only_once(ledger: Ledger) -> None:
    """Another agency's admin cannot touch a key, an unknown key is nobody's, and a revocation is final."""
    ledger.grant(POLICE, KEY)
    calls = ledger.registry.functions
    with refused("NotYourKey", KEY.address, POLICE.id, COURT.id):
        ledger.send(COURT.admin, calls.revokeKey(KEY.address))
    with refused("NotYourKey", STRANGER.address, bytes(32), COURT.id):
        ledger.send(COURT.admin, calls.revokeKey(STRANGER.address))
    ledger.send(POLICE.admin, calls.revokeKey(KEY.address))
    revoked_at = calls.grant(KEY.address).call()[-1]
    with refused("KeyRevokedBefore", KEY.address, revoked_at):
        ledger.send(POLICE.admin, calls.revokeKey(KEY.address))


def test_admin_changes_when_the_new_one_accepts(ledger: Ledger) -> None:
    """A proposal alone changes no authority; the acceptance moves all of it and is one numbered change."""
    calls = ledger.registry.functions
    before = calls.registryHash().call()

    proposal = ledger.send(POLICE.admin, calls.proposeAdmin(HEIR.address))
    (proposed,) = ledger.registry.events.AdminProposed().process_receipt(proposal)
    assert dict(proposed["args"]) == {"agency": POLICE.id, "account": HEIR.address}
    assert calls.registryHash().call() == before
    with refused("NotAdmin", HEIR.address):
        ledger.send(HEIR, calls.revokeKey(KEY.address))
    ledger.grant(POLICE, KEY)

    before = calls.registryHash().call()
    accepted = ledger.changed(ledger.send(HEIR, calls.acceptAdmin(POLICE.id)))

    expected = change(ADMIN_CHANGED, agency=POLICE.id, account=HEIR.address)
    assert dict(accepted["change"]) == expected
    assert calls.registryHash().call() == chained(before, expected)
    assert calls.agency(POLICE.id).call() == (KIND, HEIR.address, NOBODY, POLICE.witness.address)
    with refused("NotAdmin", POLICE.admin.address):
        ledger.send(POLICE.admin, calls.revokeKey(KEY.address))
    ledger.send(HEIR, calls.revokeKey(KEY.address))


def test_only_the_proposed_admin_accepts(ledger: Ledger) -> None:
    """Nobody else can accept, a withdrawn or an accepted proposal is gone, and each is for its agency alone."""
    calls = ledger.registry.functions
    ledger.send(POLICE.admin, calls.proposeAdmin(HEIR.address))
    with refused("NotProposedAdmin", POLICE.id, HEIR.address, STRANGER.address):
        ledger.send(STRANGER, calls.acceptAdmin(POLICE.id))
    with refused("NotProposedAdmin", COURT.id, NOBODY, HEIR.address):
        ledger.send(HEIR, calls.acceptAdmin(COURT.id))
    ledger.send(POLICE.admin, calls.proposeAdmin(NOBODY))
    with refused("NotProposedAdmin", POLICE.id, NOBODY, HEIR.address):
        ledger.send(HEIR, calls.acceptAdmin(POLICE.id))
    ledger.send(POLICE.admin, calls.proposeAdmin(HEIR.address))
    ledger.send(HEIR, calls.acceptAdmin(POLICE.id))
    with refused("NotProposedAdmin", POLICE.id, NOBODY, HEIR.address):
        ledger.send(HEIR, calls.acceptAdmin(POLICE.id))


def test_one_account_administers_one_agency(ledger: Ledger) -> None:
    """An account that administers an agency cannot accept a second one."""
    calls = ledger.registry.functions
    ledger.send(POLICE.admin, calls.proposeAdmin(COURT.admin.address))
    with refused("AccountRefused", COURT.admin.address, COURT.id):
        ledger.send(COURT.admin, calls.acceptAdmin(POLICE.id))
    assert calls.agency(POLICE.id).call()[1] == POLICE.admin.address
