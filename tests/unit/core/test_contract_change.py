"""Changes of the registry in the contract's words: the rolling hash over them, and the way back into bodies."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger.core.ethereum import contract_changes
from ledger.core.ethereum.contract_changes import ContractChange
from ledger.core.events import registry
from ledger.core.events.registry import RegistryChange
from ledger.core.events.terms import Role
from tests.testkit.builders import POLICE, changed_in_every_way, clerk, location, profile, refused_at

CLERK = clerk(POLICE)
NOBODY = "0x" + "00" * 20
slugs = st.text(st.sampled_from("abz09-"), min_size=1, max_size=31)
addresses = st.integers(0, 2**160 - 1).map(lambda number: f"0x{number:040x}")
roles: st.SearchStrategy[tuple[Role, ...]] = st.lists(
    st.sampled_from(["clerk", "supervisor", "auditor", "analyst", "witness"]), min_size=1, unique=True
).map(lambda drawn: tuple(role for role in contract_changes.ROLE_BITS if role in drawn))  # type: ignore[misc]
seconds = st.integers(0, 2**53 - 1)
profiles = st.builds(
    registry.Profile,
    jurisdiction=st.just("31/01/05"),
    name=st.builds(registry.Name, en=st.text("Agency of the east", min_size=1), zh=st.text("公安检察法院", min_size=1)),
)
changes: st.SearchStrategy[RegistryChange] = st.one_of(
    st.builds(
        registry.AgencyAdmitted,
        agency=slugs,
        kind=st.sampled_from(sorted(contract_changes.KIND_NUMBERS)),
        admin=addresses,
        profile=profiles,
    ),
    st.builds(registry.AdminChanged, agency=slugs, admin=addresses),
    st.builds(
        registry.KeyGranted,
        agency=slugs,
        key_id=addresses,
        officer=slugs,
        roles=roles,
        suite=st.integers(1, 255),
        valid_from=seconds,
        valid_until=seconds,
    ),
    st.builds(registry.KeyRevoked, agency=slugs, key_id=addresses),
    st.builds(registry.WitnessSet, agency=slugs, witness=st.none() | addresses.filter(lambda a: a != NOBODY)),
    st.builds(registry.QuorumSet, quorum=st.integers(0, 65535)),
    st.builds(registry.SubmitterSet, submitter=addresses, allowed=st.booleans()),
).map(lambda change: replace(change, number=1, registry_hash="0x" + "00" * 32, location=location(1)))


@settings(max_examples=50)
@given(changes, seconds)
def test_a_change_on_the_chain_reads_back_into_its_body(change: RegistryChange, number: int) -> None:
    """The body that mirrors a change of the contract is the one that hashes to it."""
    body = contract_changes.registry_body(
        contract_changes.contract_change(change), number=number, registry_hash=bytes(32), location=location(1)
    )
    assert body == replace(change, number=number)


def test_every_kind_of_change_reads_back() -> None:
    """What each change of a registry is on the chain gives its body again, under its number, hash and place."""
    mirror = changed_in_every_way().revoke(CLERK)
    assert {type(body) for body in mirror.bodies} == set(contract_changes.CHANGE_KINDS)
    for body in mirror.bodies:
        change, chained = contract_changes.contract_change(body), bytes.fromhex(body.registry_hash[2:])
        read = contract_changes.registry_body(change, number=body.number, registry_hash=chained, location=body.location)
        assert read == body


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (ContractChange(0), "kind"),
        (ContractChange(8), "kind"),
        (
            ContractChange(1, "psb", agency_kind=10, profile=contract_changes.profile_bytes(profile(POLICE))),
            "agency_kind",
        ),
        (ContractChange(1, "psb", agency_kind=1, profile=b"{}"), "profile.jurisdiction"),
        (ContractChange(1, "psb", agency_kind=1, profile=b"\xff"), "profile"),
    ],
    ids=["no change", "a kind of a later version", "an agency of a kind unknown", "no profile", "no text"],
)
def test_a_change_without_words_here_is_refused(change: ContractChange, field: str) -> None:
    """What the chain says and this version cannot is refused by its field, not guessed."""
    with refused_at(field):
        contract_changes.registry_body(change, number=1, registry_hash=bytes(32), location=location(1))
