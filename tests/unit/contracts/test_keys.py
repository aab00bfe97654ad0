"""AgencyRegistry: what an agency's admin does alone, with its keys and its own succession."""

from __future__ import annotations

from typing import Any
from unittest.mock import ANY

import pytest
from eth_abi.abi import encode
from web3 import Web3

from tests.unit.contracts.ledger import (
    ADMIN_CHANGED,
    COURT,
    KEY_GRANTED,
    KEY_REVOKED,
    NOBODY,
    POLICE,
    STRANGER,
    SUBMITTER,
    Ledger,
    chained,
    change,
    founding,
    person,
    refused,
    slug,
    with_high_s,
)

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
    """No key has it."""
    with refused("AccountRefused", NOBODY, POLICE.id):
        ledger.send(POLICE.admin, granting(ledger, NOBODY, b""))


def granting(ledger: Ledger, key: str, proof: bytes, *, suite: int = 1) -> Any:
    """The call that grants `key` to the officer li-ming with this proof."""
    return ledger.registry.functions.grantKey(key, slug("li-ming"), 1, suite, 100, 200, proof)


def test_no_agency_takes_the_key_of_another(ledger: Ledger) -> None:
    """The attack of issue 11, 2.7: the court's admin grants the police's key before the police do. Neither without a
    signature of that key, nor with the request it made to the police, copied from the police's pending transaction.
    Afterwards the police grant it as ever."""
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
    "other", [{"agency": COURT.id}, {"officer": slug("wang-fang")}, {"account": STRANGER.address}, "registry", "high s"]
)
def test_request_is_for_one_agency_officer_key_and_registry(ledger: Ledger, other: Any) -> None:
    """A key's signature over other terms, for another registry, or in its other form, grants nothing."""
    changes = other if isinstance(other, dict) else {}
    signer = Ledger(ledger.web3, founding()) if other == "registry" else ledger
    proof = signer.key_request(POLICE, KEY, slug("li-ming"), **changes)
    error: tuple[Any, ...] = ("KeyUnproven", KEY.address, ANY)
    if other == "high s":
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
    assert calls.agency(POLICE.id).call() == (1, HEIR.address, NOBODY, POLICE.witness.address)
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
