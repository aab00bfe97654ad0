"""Another ledger, and faults of the trust file that docs/examples/spoiled.json does not publish."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from ledger.core.trust.trust_file import encode_trust
from tests.campaigns.verifiers.changes import put, without
from tests.campaigns.verifiers.faults.naming import OTHER_KEY, REFUSED, Expected, Mutated, comes_to, fault
from tests.campaigns.verifiers.worlds import Base, Tree
from tests.testkit.bundles import LOG_SIGNER
from tests.testkit.changed_bundles import written


@fault("trust in another key of the log")
def _log_key(base: Base, chance: random.Random) -> Mutated:
    trust = replace(base.world.trust, log_vkey=OTHER_KEY.verifying_key.vkey())
    return comes_to(base.tree, "unverifiable", encode_trust(trust))


VKEY = LOG_SIGNER.verifying_key.vkey()

TRUST_FAULTS: dict[str, Callable[[Tree], Any]] = {
    "a key without its type": lambda t: t | {"log_key": VKEY[:-4]},
    "development left out": lambda t: without(t, ("development",)),
    "a chain without its code": lambda t: without(t, ("chains", 0, "anchor_code_hash")),
    "a chain without its finality": lambda t: without(t, ("chains", 0, "finality")),
    "a finality that is true": lambda t: put(t, ("chains", 0, "finality"), True),
    "chains null": lambda t: t | {"chains": None},
    "65 chains": lambda t: t | {"chains": t["chains"] * 65},
    "a log_id too long": lambda t: t | {"log_id": t["log_id"] + "00"},
    "half a surrogate pair in its policy": lambda t: t | {"witness_policy": "# \ud800\nquorum none\n"},
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
