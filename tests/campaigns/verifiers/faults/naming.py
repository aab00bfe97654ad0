"""How a fault is named, and what the protocol says of it (docs/protocol.md, 11).

A fault is a function of a base and a chance; it gives the file, and what must come of it: the verdict and exactly the
steps that fail. It gives None where the base has nothing of the kind.
"""

from __future__ import annotations

import random
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ledger.core.log.notes import NoteSignature, SeedSigner
from ledger.core.verification.trust import Trust
from tests.campaigns.verifiers import changes
from tests.campaigns.verifiers.changes import written
from tests.campaigns.verifiers.worlds import Base, Tree
from tests.testkit.bundles import ORIGIN

REFUSED = "refused"


@dataclass(frozen=True)
class Expected:
    """The verdict, ``refused`` for no bundle at all; ``failing`` are the steps that fail, None where any may."""

    verdict: str | tuple[str, ...]
    failing: frozenset[int] | None = frozenset()


@dataclass(frozen=True)
class Mutated:
    data: bytes
    expected: Expected
    trust: bytes | None = None  # in place of the base's


Fault = Callable[[Base, random.Random], Mutated | None]

FAULTS: dict[str, Fault] = {}

OTHER = "blake3:" + "7e" * 32


def fault(name: str) -> Callable[[Fault], Fault]:
    def enter(function: Fault) -> Fault:
        assert name not in FAULTS, name
        FAULTS[name] = function
        return function

    return enter


def fails(data: Tree | bytes, *steps: int) -> Mutated:
    """Expect that these steps fail and no other."""
    return Mutated(data if isinstance(data, bytes) else written(data), Expected("tampered", frozenset(steps)))


def comes_to(data: Tree | bytes, verdict: str) -> Mutated:
    """Expect that no step fails, and the verdict is this."""
    return Mutated(data if isinstance(data, bytes) else written(data), Expected(verdict))


def is_refused(data: Tree | bytes) -> Mutated:
    return Mutated(data if isinstance(data, bytes) else written(data), Expected(REFUSED))


Changed = Tree | bytes | tuple[Tree, bytes] | None  # a file, or a file and the trust file; None where nothing fits


def simple(name: str, change: Callable[[Base], Changed], *steps: int) -> None:
    """Name a fault without chance after which exactly these steps fail."""

    def of(base: Base, chance: random.Random) -> Mutated | None:
        changed = change(base)
        return None if changed is None else with_trust(changed, lambda data: fails(data, *steps))

    fault(name)(of)


def harmless(name: str, change: Callable[[Base], Changed], verdict: str | None = None) -> None:
    """Name a change after which no step fails: the verdict is the base's, or this one."""

    def of(base: Base, chance: random.Random) -> Mutated | None:
        changed, expected = change(base), worse(verdict or base.verdict, base.verdict)
        return None if changed is None else with_trust(changed, lambda data: comes_to(data, expected))

    fault(name)(of)


def with_trust(changed: Tree | bytes | tuple[Tree, bytes], judge: Callable[[Tree | bytes], Mutated]) -> Mutated:
    if isinstance(changed, tuple):
        data, trust = changed
        return replace(judge(data), trust=trust)
    return judge(changed)


def refused(name: str, change: Callable[[Base], Tree | bytes | None]) -> None:
    def of(base: Base, chance: random.Random) -> Mutated | None:
        changed = change(base)
        return None if changed is None else is_refused(changed)

    fault(name)(of)


def worse(first: str, other: str) -> str:
    order = ("tampered", "unverifiable", "not_yet_anchored", "intact")
    return min(first, other, key=order.index)


def of_case(base: Base) -> bool:
    return not base.name.endswith(("admission", "revocation"))


def has(base: Base, *path: Any) -> bool:
    value: Any = base.tree
    for key in path:
        if not isinstance(value, (dict, list)) or (isinstance(value, dict) and key not in value):
            return False
        value = value[key]
    return True


def extra_line(proof: str) -> str:
    return proof.replace("\nindex ", f"\nextra {b64encode(b'anything').decode()}\nindex ", 1)


def other_tree_head(proof: str) -> str:
    """Put the proof under a tree head that the log did not sign."""
    head, _, note = proof.partition("\n\n")
    origin, size, rest = note.split("\n", 2)
    return f"{head}\n\n{origin}\n{int(size) + 1}\n{rest}"


def strangers_line() -> str:
    key = SeedSigner.from_seed("nobody.example", bytes([9]) * 32).verifying_key
    return NoteSignature(key.name, key.key_id, bytes(64)).line()


def twice(base: Base, part: str) -> bytes:
    """Return the file with a key of the part standing twice, with the same value."""
    import json

    text = json.dumps(base.tree[part], ensure_ascii=False)
    key = "version" if "version" in base.tree[part] else next(iter(base.tree[part]))
    doubled = text[:-1] + f', "{key}": {json.dumps(base.tree[part][key], ensure_ascii=False)}}}'
    rest = {name: value for name, value in base.tree.items() if name != part}
    return written(rest)[:-1] + f', "{part}": {doubled}}}'.encode()


def flip(text: str) -> str:
    return ("1" if text[0] != "1" else "2") + text[1:]


def original(base: Base) -> Any:
    return base.world.log.events[base.index]


def evidence(base: Base, index: int) -> Tree:
    import json

    from ledger.core.encoding import canonical

    return dict(json.loads(canonical.encode(base.world.log.evidence(index, base.world.note))))


def size(base: Base) -> int:
    return changes.head_of(base.world).size


OTHER_ORIGIN = SeedSigner.from_seed("other.example", bytes([1]) * 32)

OTHER_KEY = SeedSigner.from_seed(ORIGIN, bytes([77]) * 32)


def text_of(base: Base) -> str:
    return changes.head_of(base.world).text()


def head_signed(change: Callable[[str], str]) -> Callable[[Base, str], str]:
    """Sign the same anew by the log and its witnesses."""
    return lambda base, text: changes.resigned(base.world, change(text_of(base)))


def trusting(trust: Trust) -> bytes:
    from ledger.core.verification.trust import encode_trust

    return encode_trust(trust)
