"""Changes of the registry in the contract's words: the rolling hash over them, and the way back into bodies."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode

from ledger.core.encoding.digests import keccak256
from ledger.core.ethereum import contract_changes
from ledger.core.ethereum.contract_changes import ContractChange
from ledger.core.events import registry
from tests.testkit.builders import COURT, POLICE, Officer, Registry, changed_in_every_way, clerk, location, refused_at

CLERK = clerk(POLICE)
# As contracts/src/AgencyRegistry.sol encodes a change.
ENCODED = (
    *("uint8", "bytes32", "bytes32", "address", "bytes32", "uint32", "uint8", "uint64", "uint64", "uint16"),
    *("bytes32", "bytes32"),
)


def test_every_kind_of_change_reads_back() -> None:
    """What each change of a registry is on the chain gives its body again, under its number, hash and place."""
    mirror = changed_in_every_way().revoke(CLERK).grant(clerk(COURT), suite=255, valid_until=2**53 - 1)
    mirror.add(registry.WitnessSet, agency=COURT, witness=None)
    assert {type(body) for body in mirror.bodies} == set(contract_changes.CHANGE_KINDS)
    for body in mirror.bodies:
        change, chained = contract_changes.contract_change(body), bytes.fromhex(body.registry_hash[2:])
        read = contract_changes.registry_body(change, number=body.number, registry_hash=chained, location=body.location)
        assert read == body


def test_a_change_is_hashed_as_the_contract_encodes_it() -> None:
    """The rolling hash is over the ABI encoding of the change: roles are bits, and what the change lacks is zero."""
    officer = Officer("li.wei", POLICE, ("supervisor", "witness"))
    mirror = Registry().admit(POLICE).grant(officer, valid_until=2**53 - 1)
    granted, quorum = mirror.bodies[-1], mirror.add(registry.QuorumSet, quorum=2)
    assert isinstance(granted, registry.KeyGranted)
    who, terms = officer.officer_id.encode(), (granted.suite, granted.valid_from, granted.valid_until)
    nobody, no_profile = "0x" + 40 * "0", keccak256(b"")
    for body, encoded in (
        (granted, (3, POLICE.encode(), b"", granted.key_id, who, 2 | 16, *terms, 0, b"", no_profile)),
        (quorum, (6, b"", b"", nobody, b"", 0, 0, 0, 0, 2, b"", no_profile)),
    ):
        previous = bytes(range(32))
        assert contract_changes.registry_hash(previous, body) == keccak256(previous + encode(ENCODED, encoded))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (ContractChange(0), "kind"),
        (ContractChange(9), "kind"),
        (ContractChange(1, "psb", agency_kind="court", profile=b"{}"), "profile.jurisdiction"),
        (ContractChange(1, "psb", agency_kind="court", profile=b"\xff"), "profile"),
    ],
    ids=["no change", "a kind of a later version", "no profile", "no text"],
)
def test_a_change_without_words_here_is_refused(change: ContractChange, field: str) -> None:
    """What the chain says and this version cannot is refused by its field, not guessed."""
    with refused_at(field):
        contract_changes.registry_body(change, number=1, registry_hash=bytes(32), location=location(1))
