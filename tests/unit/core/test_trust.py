"""The trust file is read strictly, and is renewed only by the log key and quorum of the old one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.core.encoding import canonical
from ledger.core.errors import MalformedInput, ProofRefused, SignatureRefused
from ledger.core.log.checkpoints import Cosignature, parse_checkpoint
from ledger.core.log.notes import SeedSigner
from ledger.core.log.policy import parse_policy
from ledger.core.trust import trust_renewal
from ledger.core.trust.trust_file import MAX_TRUST_LENGTH, Trust, TrustedBlock, encode_trust, parse_trust
from tests.testkit.builders import refused_at
from tests.testkit.bundles import CHAIN, LOG_SIGNER, ORIGIN, TWO_OF_THREE, WITNESS_LINES, WITNESSES, trust

FILE: dict[str, Any] = json.loads(encode_trust(trust()))
OTHER_LOG = SeedSigner.from_seed("other.example", bytes([9]) * 32).verifying_key.vkey()


def spelled(**changes: Any) -> bytes:
    return canonical.encode(FILE | changes)


@pytest.mark.parametrize("policy", ["quorum none\n", TWO_OF_THREE])
def test_round_trip(policy: str) -> None:
    """What is written is read as the same trust."""
    trust_file = trust(policy)
    assert parse_trust(encode_trust(trust_file)) == trust_file


def test_there_is_one_spelling() -> None:
    """So that a trust file has one digest, which can be published; the origin is the log key's name."""
    assert parse_trust(spelled()).origin == ORIGIN
    with pytest.raises(MalformedInput, match="canonical"):
        parse_trust(json.dumps(FILE, indent=2).encode())


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
    second_chain = replace(CHAIN, chain_id=1)
    first, second = TrustedBlock(9, "0x" + "11" * 32), TrustedBlock(4, "0x" + "22" * 32)
    named = trust(chains=(CHAIN, second_chain)).naming(CHAIN, [first, second])
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


def test_a_file_that_is_too_long_is_not_read() -> None:
    """It may be of a stranger."""
    with refused_at("trust", match="at most 16777216 bytes"):
        parse_trust(b" " * (MAX_TRUST_LENGTH + 1))


@pytest.mark.parametrize("missing", FILE)
def test_every_field_is_needed(missing: str) -> None:
    """No field of a trust file has a default."""
    with pytest.raises(MalformedInput):
        parse_trust(canonical.encode({key: value for key, value in FILE.items() if key != missing}))


def test_duplicate_key() -> None:
    """A key that stands twice would be read differently by others."""
    twice = spelled().replace(b'"development":true', b'"development":true,"development":true')
    with refused_at("trust.development"):
        parse_trust(twice)


# -- renewal -----------------------------------------------------------------------------------------------------------


SIGNED_AT = 1_767_225_600
NEW_LOG = SeedSigner.from_seed(ORIGIN, bytes([42]) * 32)
FIRST, SECOND, THIRD = WITNESSES
OLD = trust(TWO_OF_THREE, development=False)
NEW = replace(OLD, log_vkey=NEW_LOG.verifying_key.vkey())
NEWER = replace(NEW, service_key_id="0x" + "12" * 20)
RENEWAL = trust_renewal.renew(OLD, NEW)
BLOCK = TrustedBlock(9, "0x" + "11" * 32)


def signed(
    *witnesses: SeedSigner, by_log: SeedSigner | None = LOG_SIGNER, old: Trust = OLD, new: Trust = NEW
) -> trust_renewal.Renewal:
    renewal = trust_renewal.renew(old, new)
    if by_log:
        renewal = trust_renewal.sign_renewal(renewal, by_log)
    for number, witness in enumerate(witnesses):
        renewal = trust_renewal.cosign_renewal(renewal, witness, SIGNED_AT + number)
    return renewal


def test_text_is_the_documents() -> None:
    """Four lines, each ended by a newline; nobody takes it for a tree head."""
    text = trust_renewal.renew(OLD, NEW).text()
    assert text == (
        f"tallystick/trust-renewal@v1\n0x{OLD.log_id.hex()}\nfrom {trust_renewal.trust_digest(OLD)}\n"
        f"to {trust_renewal.trust_digest(NEW)}\n"
    )
    with pytest.raises(MalformedInput):
        parse_checkpoint(text)


def test_old_key_and_quorum_renew() -> None:
    """What the log's old key and two of three witnesses signed is accepted, and says who signed when."""
    consent = trust_renewal.verify_renewal(signed(FIRST, SECOND), OLD)
    times = (Cosignature(FIRST.verifying_key, SIGNED_AT), Cosignature(SECOND.verifying_key, SIGNED_AT + 1))
    assert consent == trust_renewal.Consent(by_log=True, witnesses=times)


@pytest.mark.parametrize(
    ("renewal", "why"),
    {
        "one of two witnesses": (signed(FIRST), "is not reached by"),
        "no witness": (signed(), "not reached by no witness"),
        "not the log": (signed(FIRST, SECOND, by_log=None), "has not signed"),
        "the new key only": (signed(FIRST, SECOND, by_log=NEW_LOG), "has not signed"),
        "a stranger for a witness": (
            signed(FIRST, SeedSigner.from_seed("x", bytes(32), FIRST.verifying_key.signature_type)),
            "quorum",
        ),
        "a witness twice": (trust_renewal.cosign_renewal(signed(FIRST, SECOND), FIRST, SIGNED_AT + 9), "by the key"),
        "signatures of another renewal": (
            replace(signed(FIRST, SECOND), trust=replace(NEW, service_key_id="0x" + "12" * 20)),
            "does not hold",
        ),
    }.values(),
)
def test_less_than_the_old_file_asks_for_is_refused(renewal: trust_renewal.Renewal, why: str) -> None:
    """Without the log's old key, below quorum, or over another file nothing is renewed."""
    with pytest.raises(SignatureRefused, match=why):
        trust_renewal.verify_renewal(renewal, OLD)


def test_lost_log_key_is_replaced_by_the_quorum_alone() -> None:
    """Where the verifier says that the log's key is lost, its signature may be missing; the quorum may not."""
    assert trust_renewal.verify_renewal(signed(FIRST, SECOND, by_log=None), OLD, log_key_lost=True).by_log is False
    assert trust_renewal.verify_renewal(signed(FIRST, SECOND), OLD, log_key_lost=True).by_log is True
    for too_few in (signed(FIRST, by_log=None), signed(by_log=None)):
        with pytest.raises(SignatureRefused, match="quorum"):
            trust_renewal.verify_renewal(too_few, OLD, log_key_lost=True)


def test_development_ledger_is_renewed_by_its_log_alone() -> None:
    """Where the policy asks for no witness the log's key is enough, and nothing stands in for it."""
    old = trust()
    renewal = signed(old=old, new=replace(old, log_vkey=NEW_LOG.verifying_key.vkey()))
    assert trust_renewal.verify_renewal(renewal, old) == trust_renewal.Consent(by_log=True, witnesses=())
    unsigned = signed(by_log=None, old=old, new=NEW)
    with pytest.raises(SignatureRefused, match="has not signed"):
        trust_renewal.verify_renewal(unsigned, old, log_key_lost=True)


def test_renewals_are_accepted_in_their_order() -> None:
    """A renewal of another file than the verifier's is refused, and told so."""
    renewal = signed(FIRST, SECOND, by_log=NEW_LOG, old=NEW, new=NEWER)
    with pytest.raises(ProofRefused, match="renews another trust file"):
        trust_renewal.verify_renewal(renewal, OLD)
    assert trust_renewal.verify_renewal(renewal, NEW).by_log
    with pytest.raises(ProofRefused) as caught:
        trust_renewal.verify_renewal(renewal, NEWER)
    assert caught.value.hint == "It was accepted already."


@pytest.mark.parametrize(
    ("new", "field"),
    [
        (OLD, "renewal.trust"),
        (replace(NEW, log_id_text="0x" + "00" * 32), "renewal.trust.log_id"),
        (replace(NEW, development=True), "renewal.trust.development"),
    ],
)
def test_some_files_succeed_no_other(new: Trust, field: str) -> None:
    """The same file, that of another ledger, and one for development in the place of one that is not."""
    with refused_at(field):
        trust_renewal.renew(OLD, new)
    with pytest.raises(MalformedInput):
        trust_renewal.verify_renewal(replace(RENEWAL, trust=new), OLD)


def test_trusted_blocks_are_the_verifiers_own() -> None:
    """They enter no digest, which is told of each, and those of contracts that stay are kept."""
    mine = OLD.naming(CHAIN, [BLOCK])
    assert trust_renewal.trust_digest(mine) == trust_renewal.trust_digest(OLD)
    assert trust_renewal.uncovered_blocks(mine) == (f"{CHAIN.chain_id} {BLOCK.number} {BLOCK.hash}",)
    assert trust_renewal.uncovered_blocks(OLD) == ()
    renewal = signed(FIRST, SECOND)
    trust_renewal.verify_renewal(renewal, mine)
    assert trust_renewal.accepted(renewal, mine) == NEW.naming(CHAIN, [BLOCK])
    moved = replace(NEW, chains=(replace(CHAIN, anchor="0x" + "77" * 20),))
    assert trust_renewal.accepted(replace(RENEWAL, trust=moved), mine) == moved


def test_a_renewal_names_no_trusted_blocks() -> None:
    """No signature covers them: whoever passes a signed renewal on must not name one of his own as final."""
    assert trust_renewal.renew(OLD, NEW.naming(CHAIN, [BLOCK])) == trust_renewal.renew(OLD, NEW)
    passed_on = replace(signed(FIRST, SECOND), trust=NEW.naming(CHAIN, [BLOCK]))
    assert passed_on.text() == signed(FIRST, SECOND).text()
    with refused_at("renewal.trust.chains"):
        trust_renewal.verify_renewal(passed_on, OLD)


def test_copies_are_joined() -> None:
    """Witnesses sign copies of one file; together they are the quorum, and each line counts once."""
    copies = [signed(FIRST), signed(SECOND, by_log=None), signed(FIRST)]
    together = trust_renewal.joined(copies)
    assert len(together.signatures) == 3
    assert trust_renewal.verify_renewal(together, OLD).by_log
    renewed = trust_renewal.renew(OLD, NEWER)
    with pytest.raises(MalformedInput, match="two"):
        trust_renewal.joined([copies[0], renewed])


def test_changes_are_told() -> None:
    """Whoever signs or accepts reads what is other than before, roots that were none before too."""
    assert trust_renewal.changes(NEW, OLD) == (
        ("log_key", LOG_SIGNER.verifying_key.vkey(), NEW_LOG.verifying_key.vkey()),
    )
    fewer = replace(OLD, policy_text=WITNESS_LINES + "quorum w1\n", chains=())
    changed = [name for name, _, _ in trust_renewal.changes(fewer, OLD)]
    assert changed == ["chains", "witness_policy"]


def test_renewal_round_trip() -> None:
    """What is written is read as the same renewal, signed or not."""
    for renewal in (trust_renewal.renew(OLD, NEW), signed(FIRST, SECOND)):
        assert trust_renewal.parse_renewal(trust_renewal.encode_renewal(renewal)) == renewal


SPOILED: dict[str, Callable[[dict[str, Any]], object]] = {
    "another format": lambda file: file.update(format="tallystick/trust@v1"),
    "a field too many": lambda file: file.update(note=""),
    "no trust": lambda file: file.pop("trust"),
    "another digest": lambda file: file.update(renews="sha256:00"),
    "no signature line": lambda file: file.update(signatures=["none\n"]),
    "a trust file with a fault": lambda file: file["trust"].update(log_id="0x00"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_another_form_is_refused(name: str) -> None:
    """What is not of this form is no renewal."""
    file = json.loads(trust_renewal.encode_renewal(signed(FIRST)))
    SPOILED[name](file)
    with pytest.raises(MalformedInput):
        trust_renewal.parse_renewal(canonical.encode(file))


def test_field_that_stands_twice_is_refused() -> None:
    """Two readers must not read two files."""
    data = trust_renewal.encode_renewal(signed(FIRST))
    with pytest.raises(MalformedInput):
        trust_renewal.parse_renewal(data[:-1] + b',"renews":"sha256:' + b"0" * 64 + b'"}')
