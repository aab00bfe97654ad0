"""AgencyRegistry: what the constructor founds, and what it refuses."""

from __future__ import annotations

import pytest
from web3 import Web3
from web3.contract import Contract

import contracts
from tests.unit.contracts.ledger import (
    COURT,
    LOG_ID,
    NOBODY,
    PARTIES,
    POLICE,
    STRANGER,
    SUBMITTER,
    Ledger,
    admission,
    chained,
    contract_at,
    deploy,
    founding,
    refused,
    slug,
)


@pytest.fixture
def abi(web3: Web3) -> Contract:
    """The contract's errors, for a deployment that leaves no contract to ask."""
    return contract_at(web3, None, contracts.artifact("AgencyRegistry")["abi"])


def test_founding_is_the_first_changes_of_the_chain(web3: Web3) -> None:
    """The constructor's changes are numbered from 1, emitted in order, and chained from the log id."""
    changes = founding(quorum=3)
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


def test_founding_sets_what_the_views_say(web3: Web3) -> None:
    """Agencies, admins, witnesses, submitter, quorum and log id are as founded; the deployer is nobody."""
    registry = Ledger(web3, founding(witnesses=[POLICE, COURT], quorum=1), development=False).registry.functions

    assert registry.logId().call() == LOG_ID
    assert registry.development().call() is False
    assert registry.quorum().call() == 1
    assert registry.agencyCount().call() == len(PARTIES)
    assert registry.witnessCount().call() == 2
    for party in PARTIES:
        witness = party.witness.address if party in (POLICE, COURT) else NOBODY
        assert registry.agency(party.id).call() == (1, party.admin.address, NOBODY, witness)
        assert registry.adminAgency(party.admin.address).call() == party.id
    assert registry.witnessAgency(POLICE.witness.address).call() == POLICE.id
    assert registry.isSubmitter(SUBMITTER.address).call() is True
    assert registry.adminAgency(STRANGER.address).call() == bytes(32)
    assert registry.isSubmitter(STRANGER.address).call() is False
    assert registry.agency(slug("unknown")).call() == (0, NOBODY, NOBODY, NOBODY)


def test_quorum_zero_stands_only_in_development(web3: Web3, abi: Contract) -> None:
    """Without the development flag a founding that leaves the quorum at 0 is refused, said or unsaid."""
    assert Ledger(web3, founding(quorum=0)).registry.functions.development().call() is True
    for changes in (founding(quorum=0), founding()[:-1]):
        with refused(abi, "QuorumZero"):
            deploy(web3, "AgencyRegistry", LOG_ID, changes, False)


def test_impossible_founding_is_refused(web3: Web3, abi: Contract) -> None:
    """A ledger has an identity and at least one agency that can decide; what a majority could not decide
    (test_impossible_decision_is_refused) cannot be founded either."""
    with refused(abi, "LogIdZero"):
        deploy(web3, "AgencyRegistry", bytes(32), founding(), True)
    with refused(abi, "NoFoundingAgency"):
        deploy(web3, "AgencyRegistry", LOG_ID, [], True)
    with refused(abi, "AgencyTaken", POLICE.id):
        deploy(web3, "AgencyRegistry", LOG_ID, [admission(POLICE), admission(POLICE)], True)
    with refused(abi, "QuorumAboveWitnesses", 2, 3):
        deploy(web3, "AgencyRegistry", LOG_ID, founding(witnesses=[POLICE, COURT], quorum=3), False)


def test_profile_of_the_full_length_is_taken(web3: Web3) -> None:
    """1,024 bytes are within the bound."""
    Ledger(web3, [admission(POLICE) | {"profile": "x" * 1024}])


@pytest.mark.parametrize(
    "agency",
    [
        b"",
        b"Police",
        b"police_1",
        b"-police",
        b"police-",
        b"-",
        b"police\0court",
        b"\0police",
        "police\u00e9".encode(),
        b"a" * 32,
        b"police" + bytes(25) + b"x",
    ],
)
def test_agency_id_that_is_no_slug_is_refused(web3: Web3, abi: Contract, agency: bytes) -> None:
    """Empty, upper case, other characters, outer hyphens, zeros inside or before, and 32 characters are no slugs."""
    agency = agency.ljust(32, b"\0")
    with refused(abi, "SlugMalformed", agency):
        deploy(web3, "AgencyRegistry", LOG_ID, [admission(POLICE) | {"agency": agency}], True)


@pytest.mark.parametrize("agency", ["a", "0", "a-z0-9", "a--0", "a" * 31])
def test_slug_of_up_to_31_characters_is_taken(web3: Web3, agency: str) -> None:
    """The ends of each range of characters, and both ends of the length."""
    registry = Ledger(web3, [admission(POLICE) | {"agency": slug(agency)}]).registry
    assert registry.functions.adminAgency(POLICE.admin.address).call() == slug(agency)
