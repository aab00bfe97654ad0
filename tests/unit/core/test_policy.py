"""``ledger.core.log.policy`` against C2SP tlog-policy."""

from __future__ import annotations

import pytest

from ledger.config.keys import MlDsaSigner
from ledger.core.errors import SignatureRefused
from ledger.core.log.notes import SeedSigner, SignatureType, VerifyingKey
from ledger.core.log.policy import MAX_POLICY_LENGTH, parse_policy, parse_witness_keys
from tests.testkit.builders import refused_at
from tests.testkit.bundles import LOG_SIGNER, TWO_OF_THREE, WITNESS_LINES, WITNESSES

KEYS = [witness.verifying_key for witness in WITNESSES]
W1 = KEYS[0].vkey()
LOG = LOG_SIGNER.verifying_key.vkey()
LOG_AS_WITNESS = VerifyingKey("w", SignatureType.COSIGNATURE_V1, LOG_SIGNER.verifying_key.public_key).vkey()
ML_DSA = MlDsaSigner.from_seed("w", b"\x0c" * 32).verifying_key.vkey()

GROUPS = ("w1 any w2", "g any", "g 0 w1", "g 2 w1", "g any w9", "g 2 w1 w1", "g any g")


def test_the_smallest_quorums() -> None:
    """``quorum none`` asks for no witness; one witness meets its own quorum, and no other one does."""
    policy = parse_policy("quorum none\n")
    assert not policy.asks_for_witnesses
    assert policy.is_met_by([])
    policy = parse_policy(f"{WITNESS_LINES}quorum w2")
    assert policy.asks_for_witnesses
    assert policy.is_met_by([KEYS[1]])
    assert not policy.is_met_by([KEYS[0], KEYS[2]])


@pytest.mark.parametrize(
    ("threshold", "enough", "too_few"), [("2", 2, 1), ("any", 1, 0), ("all", 3, 2), ("1", 1, 0), ("3", 3, 2)]
)
def test_thresholds(threshold: str, enough: int, too_few: int) -> None:
    """A group witnesses where its threshold is reached, and not with one fewer; a witness counts once."""
    policy = parse_policy(f"{WITNESS_LINES}group g {threshold} w1 w2 w3\nquorum g\n")
    assert policy.is_met_by(KEYS[:enough])
    assert not policy.is_met_by(KEYS[:too_few] * 3)


def test_groups_of_groups() -> None:
    """Groups may be members of groups: all of (any of w1, w2) and w3."""
    policy = parse_policy(f"{WITNESS_LINES}group x any w1 w2\ngroup both all x w3\nquorum both\n")
    assert policy.is_met_by([KEYS[1], KEYS[2]])
    assert not policy.is_met_by(KEYS[:2])


@pytest.mark.parametrize(("threshold", "one_is_enough"), [("any", True), ("all", False)])
def test_both_keys_of_one_witness(threshold: str, *, one_is_enough: bool) -> None:
    """Each key is a witness to the policy; a group asks for either or for both of somebody's."""
    keys = [KEYS[0], MlDsaSigner.from_seed(KEYS[0].name, b"\x0c" * 32).verifying_key]
    lines = "".join(f"witness k{number} {key.vkey()}\n" for number, key in enumerate(keys))
    policy = parse_policy(f"{lines}group w1 {threshold} k0 k1\nquorum w1\n")
    assert policy.is_met_by(keys)
    assert [policy.is_met_by([key]) for key in keys] == [one_is_enough] * 2


def test_the_keys_of_one_witness() -> None:
    """One, or one of each kind under one name; a log's key is none."""
    both = [W1, MlDsaSigner.from_seed(KEYS[0].name, b"\x0c" * 32).verifying_key.vkey()]
    assert [key.vkey() for key in parse_witness_keys(both)] == both
    assert [parse_witness_keys([vkey])[0].vkey() for vkey in both] == both
    for vkeys in ([], [W1, W1], [W1, KEYS[1].vkey()]):
        with refused_at("vkey", match="one of each kind"):
            parse_witness_keys(vkeys)
    with refused_at("vkey", match="expected one name"):
        parse_witness_keys([W1, ML_DSA])
    with refused_at("key", match="is no key for", error=SignatureRefused):
        parse_witness_keys([LOG])


def test_limits_leave_room_for_what_the_specification_recommends() -> None:
    """tlog-policy: at least 32 logs, 32 witnesses and 32 groups, here with the largest keys."""
    names = [f"{'x' * 250}{number:02}" for number in range(64)]
    vkeys = [VerifyingKey(name, SignatureType.SUBTREE_V1, name.encode() * 5 + bytes(52)).vkey() for name in names]
    logs = "".join(
        f"log {vkey} https://log.example/{name}\n" for name, vkey in zip(names[:32], vkeys[:32], strict=True)
    )
    witnesses = "".join(f"witness {n} {v} https://w.example/\n" for n, v in zip(names[32:], vkeys[32:], strict=True))
    groups = "".join(f"group g{number} any {name}\n" for number, name in enumerate(names[32:]))
    policy = parse_policy(f"{logs}{witnesses}{groups}quorum g31\n")
    assert (len(policy.logs), len(policy.witnesses), len(policy.groups)) == (32, 32, 32)


def test_same_name_with_another_key_does_not_count() -> None:
    """A cosigner counts by its key, not by its name."""
    stranger = SeedSigner.from_seed(KEYS[0].name, bytes([99]) * 32, KEYS[0].signature_type).verifying_key
    assert not parse_policy(f"witness w1 {W1}\nquorum w1").is_met_by([stranger])


def test_comments_blanks_tabs_and_urls() -> None:
    """White space is spaces and tabs; empty lines and comments count for nothing; URLs are not used. The text is kept
    as it is."""
    policy = parse_policy(
        f"\n  # of the tests\n\tlog\t{LOG}  https://ledger.example/\n \t\n witness w1 {W1} https://w/ \nquorum\tw1"
    )
    assert policy.logs == (LOG_SIGNER.verifying_key,)
    assert policy.witnesses == {"w1": KEYS[0]}
    assert parse_policy(TWO_OF_THREE).text == TWO_OF_THREE


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", None),
        (f"witness w1 {W1}\n", None),
        ("quorum none\nquorum none\n", 2),
        ("quorum w1\n", 1),
        ("quorum\n", 1),
        ("trust me\n", 1),
        (f"log {LOG} a b\n", 1),
        (f"log {W1}\nquorum none\n", 1),
        (f"log {LOG}\nlog {LOG}\nquorum none", 2),
        (f"witness w1 {W1} url more\n", 1),
        (f"witness w1 {LOG}\n", 1),
        (f"witness w1 {ML_DSA}\nwitness w2 {ML_DSA}\n", 2),
        (f"log {ML_DSA}\nwitness w1 {ML_DSA}\n", 2),
        (f"witness w1 {W1}\nwitness w2 {W1}\n", 2),
        (f"{WITNESS_LINES}witness w1 {W1}\n", 4),
        (f"log {LOG}\nwitness w1 {LOG_AS_WITNESS}\n", 2),
        (f"witness w1 {LOG_AS_WITNESS}\nlog {LOG}\n", 2),
        (f"witness none {W1}\n", 1),
        (f"{WITNESS_LINES}group g any w1\ngroup h any w1\n", 5),
        *((f"{WITNESS_LINES}group {group}\n", 4) for group in GROUPS),
        ("quorum none\r\n", None),
        ("#" * (MAX_POLICY_LENGTH + 1), None),
    ],
)
def test_refused(text: str, line: int | None) -> None:
    """Whatever tlog-policy does not allow is malformed, and the line is named where one is at fault."""
    with refused_at(f"policy line {line}" if line else "policy"):
        parse_policy(text)
