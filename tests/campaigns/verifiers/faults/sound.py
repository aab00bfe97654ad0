"""Changes after which nothing is wrong."""

from __future__ import annotations

import json
import random
from typing import Any

from tests.campaigns.verifiers.changes import with_note, without
from tests.campaigns.verifiers.faults.naming import Mutated, comes_to, fault, harmless, has, signed_by_stranger
from tests.campaigns.verifiers.worlds import Base

harmless("as it is", lambda base: base.tree)
harmless("signature of a stranger on the note", lambda base: with_note(base.tree, signed_by_stranger))
harmless("timestamps where no authority is trusted", lambda base: base.tree | {"timestamps": [{"proof": 7}, None]})
for _part, _verdict in {"anchor": "not_yet_anchored", "payload": "unverifiable", "authority": "unverifiable"}.items():
    harmless(
        f"{_part} left out",
        lambda base, part=_part: without(base.tree, (part,)),
        _verdict,
        of=lambda base, part=_part: has(base, part),
    )


@fault("written otherwise: indented, escaped, in another order")
def _spelled(base: Base, chance: random.Random) -> Mutated:
    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            items = list(value.items())
            chance.shuffle(items)
            return {key: shuffled(inner) for key, inner in items}
        return [shuffled(inner) for inner in value] if isinstance(value, list) else value

    text = json.dumps(shuffled(base.tree), indent=chance.choice([None, 1, "\t"]), ensure_ascii=True)
    return comes_to(text.encode(), base.verdict)
