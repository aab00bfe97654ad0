"""``ledger.core.verification.trust``: the trust file is read strictly, and its parts belong together."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.core.errors import MalformedInput
from ledger.core.log.notes import SeedSigner
from ledger.core.log.policy import parse_policy
from ledger.core.verification.trust import TrustedBlock, encode_trust, parse_trust
from tests.testkit.builders import refused_at
from tests.testkit.bundles import CHAIN, LOG_SIGNER, ORIGIN, TWO_OF_THREE, WITNESSES, trust

FILE: dict[str, Any] = json.loads(encode_trust(trust()))
OTHER_LOG = SeedSigner.from_seed("other.example", bytes([9]) * 32).verifying_key.vkey()


def spelled(**changes: Any) -> bytes:
    return json.dumps(FILE | changes, indent=2).encode()


@pytest.mark.parametrize("policy", ["quorum none\n", TWO_OF_THREE])
def test_round_trip(policy: str) -> None:
    """What is written is read as the same trust."""
    trust_file = trust(policy)
    assert parse_trust(encode_trust(trust_file)) == trust_file


def test_spelling_is_free() -> None:
    """A file that a person indented reads as the same trust; the origin is the log key's name."""
    read = parse_trust(spelled())
    assert read == trust()
    assert read.origin == ORIGIN


@pytest.mark.parametrize("named", [False, True])
def test_other_programs_get_a_policy_that_names_the_log(named: bool) -> None:
    """The tlog-policy has the log's key once, whether the trust file's own policy names it or not."""
    line = f"log {LOG_SIGNER.verifying_key.vkey()}\n"
    policy = parse_policy(trust((line if named else "") + TWO_OF_THREE).tlog_policy)
    assert policy.text == line + TWO_OF_THREE
    assert policy.logs == (LOG_SIGNER.verifying_key,)


def test_chain_is_found_by_all_of_its_identity() -> None:
    """Neither another history of the same chain id nor another contract is trusted."""
    trust_file = trust()
    assert trust_file.chain(CHAIN.identity, CHAIN.anchor) == CHAIN
    assert trust_file.chain(CHAIN.identity, CHAIN.registry) is None
    assert trust_file.chain(replace(CHAIN.identity, deployment_block_hash="0x" + "00" * 32), CHAIN.anchor) is None


def test_blocks_are_named_by_chain() -> None:
    """A trusted block joins those of its chain in the place of another of its number; other chains stay as they are."""
    other = replace(CHAIN, chain_id=1)
    first, second = TrustedBlock(9, "0x" + "11" * 32), TrustedBlock(4, "0x" + "22" * 32)
    named = trust(chains=(CHAIN, other)).naming(CHAIN, [first, second])
    assert [chain.trusted_blocks for chain in named.chains] == [(second, first), ()]
    assert parse_trust(encode_trust(named)) == named
    instead = TrustedBlock(9, "0x" + "33" * 32)
    assert named.naming(named.chains[0], [instead]).chains[0].trusted_blocks == (second, instead)
    assert b"trusted_blocks" not in encode_trust(trust())


def test_production_trust_with_witnesses() -> None:
    """With a quorum the trust file need not be of a development ledger, and may name its log in the policy."""
    policy = f"log {LOG_SIGNER.verifying_key.vkey()}\n{TWO_OF_THREE}"
    assert not parse_trust(spelled(witness_policy=policy, development=False)).development


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"format": "tallystick/trust@v2"}, "trust.format"),
        ({"log_id": FILE["log_id"][:-2]}, "trust.log_id"),
        ({"origin": "other.example"}, "trust.log_key"),
        ({"log_key": OTHER_LOG}, "trust.log_key"),
        ({"log_key": WITNESSES[0].verifying_key.vkey()}, "trust.log_key"),
        ({"service_key_id": "0x00"}, "trust.service_key_id"),
        ({"witness_policy": "quorum w1\n"}, "trust.witness_policy"),
        ({"development": False}, "trust.witness_policy"),
        ({"service_key_id": FILE["chains"][0]["anchor"]}, "trust.chains[0]"),
        ({"chains": FILE["chains"] * 2}, "trust.chains[1]"),
        ({"chains": [FILE["chains"][0] | {"anchor": "0x12"}]}, "trust.chains[0].anchor"),
        ({"chains": [FILE["chains"][0] | {"finality": "latest"}]}, "trust.chains[0].finality"),
        ({"chains": [FILE["chains"][0] | {"finality": 10_001}]}, "trust.chains[0].finality"),
        ({"chains": [FILE["chains"][0] | {"more": 1}]}, "trust.chains[0].more"),
        ({"more": 1}, "trust.more"),
    ],
)
def test_refused(changes: dict[str, Any], field: str) -> None:
    """Each fault is malformed and names its field."""
    with refused_at(field):
        parse_trust(spelled(**changes))


@pytest.mark.parametrize("missing", FILE)
def test_every_field_is_needed(missing: str) -> None:
    """No field of a trust file has a default."""
    with pytest.raises(MalformedInput):
        parse_trust(json.dumps({key: value for key, value in FILE.items() if key != missing}).encode())


def test_duplicate_key() -> None:
    """A key that stands twice would be read differently by others."""
    twice = spelled()[:-1] + b', "development": true}'
    with refused_at("trust.development"):
        parse_trust(twice)
