"""Another ledger, and faults of the trust file."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from ledger.core.log.notes import SeedSigner, SignatureType
from ledger.core.trust.trust_file import encode_trust
from scripts.docs.spoiled_signatures import LOG_SEED
from tests.campaigns.verifiers.changes import put, without
from tests.campaigns.verifiers.faults.naming import OTHER_KEY, REFUSED, Expected, Mutated, fails, fault
from tests.campaigns.verifiers.worlds import Base, Tree
from tests.testkit.bundles import LOG_SIGNER, WITNESSES
from tests.testkit.changed_bundles import written


@fault("trust in another key of the log")
def _log_key(base: Base, chance: random.Random) -> Mutated:
    trust = replace(base.world.trust, log_vkey=OTHER_KEY.verifying_key.vkey())
    return fails(base.tree, 2, trust=encode_trust(trust))


VKEY, WVKEY = LOG_SIGNER.verifying_key.vkey(), WITNESSES[0].verifying_key.vkey()
OWN_WITNESS = SeedSigner.from_seed("himself.example", LOG_SEED, SignatureType.COSIGNATURE_V1)
OWN = OWN_WITNESS.verifying_key.vkey()
A = f"witness a {WVKEY}\n"

POLICIES = {
    "two quorum lines": "quorum none\nquorum none\n",
    "a quorum of nobody known": "quorum w9\n",
    "a name twice": f"{A}group a 1 a\nquorum a\n",
    "a threshold of none": f"{A}group b 0 a\nquorum b\n",
    "a threshold too high": f"{A}group b 2 a\nquorum b\n",
    "a witness with the log's public key": f"witness a {OWN}\nquorum a\n",
    "a witness with the public key of a log of the policy": f"witness a {OWN}\nlog {VKEY}\nquorum a\n",
    "more than 256 Ki characters": "#" * 262_144 + "\nquorum none\n",
    "half a surrogate pair": "# \ud800\nquorum none\n",
    "a log's key as a witness's": f"witness a {VKEY}\nquorum a\n",
    "an unknown line": "trust everybody\nquorum none\n",
}
TRUST_FAULTS: dict[str, Callable[[Tree], Any]] = {
    "another format": lambda t: t | {"format": "tallystick/trust@v2"},
    "a witness's key as the log's": lambda t: t | {"log_key": WVKEY},
    "a key whose id is not its own": lambda t: t | {"log_key": VKEY.replace("+", "+0", 1)[:-1]},
    "a key without its type": lambda t: t | {"log_key": VKEY[:-4]},
    "development left out": lambda t: without(t, ("development",)),
    "a chain without its code": lambda t: without(t, ("chains", 0, "anchor_code_hash")),
    "a chain without its finality": lambda t: without(t, ("chains", 0, "finality")),
    "a finality by another tag": lambda t: put(t, ("chains", 0, "finality"), "latest"),
    "a finality below 0": lambda t: put(t, ("chains", 0, "finality"), -1),
    "a finality that is true": lambda t: put(t, ("chains", 0, "finality"), True),
    "chains null": lambda t: t | {"chains": None},
    "65 chains": lambda t: t | {"chains": t["chains"] * 65},
    "a log_id too long": lambda t: t | {"log_id": t["log_id"] + "00"},
    **{f"a policy of {name}": lambda t, text=text: t | {"witness_policy": text} for name, text in POLICIES.items()},
}
for _name, _change in TRUST_FAULTS.items():

    @fault(f"trust file with {_name}")
    def _distrust(base: Base, chance: random.Random, change: Callable[[Tree], Any] = _change) -> Mutated:
        trust = written(change(json.loads(base.world.trust_bytes)))
        return Mutated(written(base.tree), Expected(REFUSED), trust)


@fault("trust file with a key twice")
def _trust_twice(base: Base, chance: random.Random) -> Mutated:
    trust = base.world.trust_bytes[:-1] + b',"development":true}'
    return Mutated(written(base.tree), Expected(REFUSED), trust)
