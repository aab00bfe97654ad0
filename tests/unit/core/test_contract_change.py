"""Changes of the registry in the contract's words: the rolling hash over them, and the way back into bodies."""

from __future__ import annotations

from typing import Any

import pytest
import rfc8785
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from ledger.core.errors import MalformedInput
from ledger.core.ethereum import contract_changes
from ledger.core.ethereum.contract_changes import ContractChange
from ledger.core.events import registry
from ledger.core.events.registry import RegistryChange
from ledger.core.events.terms import Role
from tests.testkit.builders import (
    LOG_ID,
    POLICE,
    PROCURATORATE,
    Registry,
    changed_in_every_way,
    clerk,
    location,
    profile,
)

CLERK = clerk(POLICE)
NOBODY = "0x" + "00" * 20
CHANGE_TYPES = ["uint8", "bytes32", "uint8", "address", "bytes32", "uint32", "uint8", "uint64", "uint64", "uint16"]
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


def independent_hash(previous: bytes, change: RegistryChange) -> bytes:
    """The contract's formula through eth_abi, from the body's fields and tables written down again."""
    fields = asdict(change)
    fields.setdefault("agency", "")
    bits = {"clerk": 1, "supervisor": 2, "auditor": 4, "analyst": 8, "witness": 16}
    kinds = [
        *("public_security", "procuratorate", "court", "judicial_administration", "detention_house"),
        *("supervision_commission", "administrative_agency", "property_custodian", "forensic_lab"),
    ]
    number = {
        "AgencyAdmitted": 1,
        "AdminChanged": 2,
        "KeyGranted": 3,
        "KeyRevoked": 4,
        "WitnessSet": 5,
        "QuorumSet": 6,
        "SubmitterSet": 7,
    }[type(change).__name__]
    account = next((fields[name] for name in ("admin", "key_id", "witness", "submitter") if fields.get(name)), NOBODY)
    granted = sum(bits[role] for role in fields.get("roles", ())) or int(fields.get("allowed", False))
    profile_text = b""
    if number == 1:
        name = fields["profile"].name
        profile_text = rfc8785.dumps(
            {"jurisdiction": fields["profile"].jurisdiction, "name": {"en": name.en, "zh": name.zh}}
        )
    words: list[Any] = [
        number,
        fields["agency"].encode().ljust(32, b"\0"),
        kinds.index(fields["kind"]) + 1 if number == 1 else 0,
        account,
        fields.get("officer", "").encode().ljust(32, b"\0"),
        granted,
        fields.get("suite", 0),
        fields.get("valid_from", 0),
        fields.get("valid_until", 0),
        fields.get("quorum", 0),
    ]
    return keccak(encode(["bytes32", *CHANGE_TYPES, "bytes32"], [previous, *words, keccak(profile_text)]))


@given(st.binary(min_size=32, max_size=32), changes)
def test_the_rolling_hash_is_the_contracts(previous: bytes, change: RegistryChange) -> None:
    """keccak256(abi.encode(previous, the change's fields)), computed apart through eth_abi."""
    assert contract_changes.registry_hash(previous, change) == independent_hash(previous, change)


def test_the_hash_starts_at_the_ledgers_id() -> None:
    """Before the first change the rolling hash is the ledger's id, so that no two ledgers chain alike."""
    mirror = Registry().admit(POLICE, PROCURATORATE)
    first, second = mirror.bodies
    assert first.registry_hash == "0x" + independent_hash(LOG_ID, first).hex()
    assert second.registry_hash == "0x" + independent_hash(bytes.fromhex(first.registry_hash[2:]), second).hex()
    assert mirror.authority.registry_hash == bytes.fromhex(second.registry_hash[2:])


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
    with pytest.raises(MalformedInput) as caught:
        contract_changes.registry_body(change, number=1, registry_hash=bytes(32), location=location(1))
    assert caught.value.field == field
