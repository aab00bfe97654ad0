"""Changes after which nothing is wrong."""

from __future__ import annotations

import random
from typing import Any

from tests.campaigns.verifiers.changes import put, with_note, without, written
from tests.campaigns.verifiers.faults.naming import Mutated, comes_to, extra_line, fault, harmless, has, strangers_line
from tests.campaigns.verifiers.worlds import Base

harmless("as it is", lambda base: base.tree)

harmless("anchor left out", lambda base: {k: v for k, v in base.tree.items() if k != "anchor"}, "not_yet_anchored")

harmless("payload withheld", lambda base: without(base.tree, ("payload",)), "unverifiable")

harmless(
    "authority left out",
    lambda base: without(base.tree, ("authority",)) if has(base, "authority") else None,
    "unverifiable",
)

harmless("sections left out", lambda base: without(base.tree, ("sections",)) if has(base, "sections") else None)

harmless("timestamps where no authority is trusted", lambda base: base.tree | {"timestamps": [{"proof": 7}, None]})

harmless(
    "timestamps with a key twice", lambda base: written(base.tree)[:-1] + b',"timestamps":[{"proof":1,"proof":2}]}'
)

harmless("extra line in the proof", lambda base: put(base.tree, ("proof",), extra_line))

harmless("signature of a stranger on the note", lambda base: with_note(base.tree, lambda note: note + strangers_line()))


@fault("written otherwise: indented, escaped, in another order")
def _spelled(base: Base, chance: random.Random) -> Mutated:
    import json

    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            items = list(value.items())
            chance.shuffle(items)
            return {key: shuffled(inner) for key, inner in items}
        return [shuffled(inner) for inner in value] if isinstance(value, list) else value

    text = json.dumps(shuffled(base.tree), indent=chance.choice([None, 1, "\t"]), ensure_ascii=True)
    return comes_to(text.encode(), base.verdict)
