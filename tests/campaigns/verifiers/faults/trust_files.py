"""Another ledger, and faults of the trust file."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from ledger.core.log.notes import SeedSigner, SignatureType
from tests.campaigns.verifiers import changes
from tests.campaigns.verifiers.changes import put, written
from tests.campaigns.verifiers.faults.naming import OTHER_KEY, REFUSED, Expected, Mutated, fault, has, simple, trusting
from tests.campaigns.verifiers.worlds import Base, Tree
from tests.testkit.builders import COURT, clerk
from tests.testkit.bundles import LOG_SIGNER, WITNESSES

simple("bundle of another ledger", lambda base: base.tree | {"log_id": "0x" + "01" * 32}, 2)


@fault("trust in another ledger")
def _other_ledger(base: Base, chance: random.Random) -> Mutated:
    """Trust the same log and keys under another log_id: no signature is for it."""
    from msgspec.structs import replace

    trust = replace(base.world.trust, log_id=bytes(32))
    failing = {2, 3} | ({9} if has(base, "authority") else set())
    return Mutated(written(base.tree), Expected("tampered", frozenset(failing)), trusting(trust))


@fault("trust in another key of the ledger")
def _other_service(base: Base, chance: random.Random) -> Mutated:
    from msgspec.structs import replace

    trust = replace(base.world.trust, service_key_id=clerk(COURT, 5).key_id)
    return Mutated(written(base.tree), Expected("tampered", frozenset({9})), trusting(trust))


@fault("trust in another log's key")
def _other_log_key(base: Base, chance: random.Random) -> Mutated:
    from msgspec.structs import replace

    trust = replace(base.world.trust, log_key=OTHER_KEY.verifying_key)
    return Mutated(written(base.tree), Expected("tampered", frozenset({5})), trusting(trust))


VKEY = LOG_SIGNER.verifying_key.vkey()

WVKEY = WITNESSES[0].verifying_key.vkey()

OWN_WITNESS = SeedSigner.from_seed(
    "himself.example", changes.LOG_SEED, SignatureType.COSIGNATURE_V1
).verifying_key.vkey()

TRUST_FAULTS: dict[str, Callable[[Tree], Any]] = {
    "an unknown field": lambda t: t | {"more": 1},
    "another format": lambda t: t | {"format": "tallystick/trust@v2"},
    "another origin than the key's": lambda t: t | {"origin": "other.example"},
    "a witness's key as the log's": lambda t: t | {"log_key": WVKEY},
    "a key whose id is not its own": lambda t: t | {"log_key": VKEY.replace("+", "+0", 1)[:-1]},
    "a key without its type": lambda t: t | {"log_key": VKEY[:-4]},
    "no quorum line": lambda t: t | {"witness_policy": ""},
    "two quorum lines": lambda t: t | {"witness_policy": "quorum none\nquorum none\n"},
    "a quorum of nobody known": lambda t: t | {"witness_policy": "quorum w9\n"},
    "a quorum above the witness": lambda t: t | {"witness_policy": f"quorum w1\nwitness w1 {WVKEY}\n"},
    "a witness twice": lambda t: t | {"witness_policy": f"witness a {WVKEY}\nwitness b {WVKEY}\nquorum a\n"},
    "a name twice": lambda t: t | {"witness_policy": f"witness a {WVKEY}\ngroup a 1 a\nquorum a\n"},
    "a member of two groups": lambda t: (
        t | {"witness_policy": f"witness a {WVKEY}\ngroup b 1 a\ngroup c 1 a\nquorum b\n"}
    ),
    "a threshold of none": lambda t: t | {"witness_policy": f"witness a {WVKEY}\ngroup b 0 a\nquorum b\n"},
    "a threshold too high": lambda t: t | {"witness_policy": f"witness a {WVKEY}\ngroup b 2 a\nquorum b\n"},
    "a witness with the log's public key": lambda t: t | {"witness_policy": f"witness a {OWN_WITNESS}\nquorum a\n"},
    "a witness with the public key of a log of the policy": lambda t: (
        t | {"witness_policy": f"witness a {OWN_WITNESS}\nlog {VKEY}\nquorum a\n"}
    ),
    "a contract that is the registry too": lambda t: put(t, ("chains", 0), lambda c: c | {"registry": c["anchor"]}),
    "a contract at the address of the ledger's own key": lambda t: put(
        t, ("chains", 0), lambda c: c | {"anchor": t["service_key_id"]}
    ),
    "a policy of more than 64 Ki characters": lambda t: t | {"witness_policy": "#" * 65_536 + "\nquorum none\n"},
    "half a surrogate pair": lambda t: t | {"witness_policy": "# \ud800\nquorum none\n"},
    "a log's key as a witness's": lambda t: t | {"witness_policy": f"witness a {VKEY}\nquorum a\n"},
    "another log only": lambda t: t | {"witness_policy": f"log {OTHER_KEY.verifying_key.vkey()}\nquorum none\n"},
    "an unknown line": lambda t: t | {"witness_policy": "trust everybody\nquorum none\n"},
    "a carriage return": lambda t: t | {"witness_policy": "quorum none\r\n"},
    "no quorum outside development": lambda t: t | {"witness_policy": "quorum none\n", "development": False},
    "development as a number": lambda t: t | {"development": 1},
    "development left out": lambda t: {k: v for k, v in t.items() if k != "development"},
    "a chain without its code": lambda t: put(
        t, ("chains", 0), lambda c: {k: v for k, v in c.items() if k != "anchor_code_hash"}
    ),
    "a chain without its finality": lambda t: put(
        t, ("chains", 0), lambda c: {k: v for k, v in c.items() if k != "finality"}
    ),
    "a finality by another tag": lambda t: put(t, ("chains", 0, "finality"), lambda _: "latest"),
    "a finality below 0": lambda t: put(t, ("chains", 0, "finality"), lambda _: -1),
    "a finality that is true": lambda t: put(t, ("chains", 0, "finality"), lambda _: True),
    "chains null": lambda t: t | {"chains": None},
    "65 chains": lambda t: t | {"chains": t["chains"] * 65},
    "a log_id too long": lambda t: t | {"log_id": t["log_id"] + "00"},
}

for _name, _change in TRUST_FAULTS.items():

    def _distrust(base: Base, chance: random.Random, change: Callable[[Tree], Any] = _change) -> Mutated:
        import json

        trust = written(change(json.loads(base.world.trust_bytes)))
        return Mutated(written(base.tree), Expected(REFUSED), trust)

    fault(f"trust file with {_name}")(_distrust)


@fault("trust file with a key twice")
def _trust_twice(base: Base, chance: random.Random) -> Mutated:
    trust = base.world.trust_bytes[:-1] + b',"development":true}'
    return Mutated(written(base.tree), Expected(REFUSED), trust)
