"""How a fault is named, and what the protocol says of it (docs/protocol/bundle.md).

A fault is a function of a base and a chance; it gives the file, and what must come of it: the verdict and exactly the
steps that fail. It gives None where the base has nothing of the kind. Faults that docs/examples/spoiled.json publishes,
for one log, are not made again here: tests/unit/core/test_published_vectors.py and tests/e2e/browser_verifier/
test_spoiled.py hold our verifier and the stranger's against those.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ledger.core.encoding import canonical
from ledger.core.events import Stream
from ledger.core.log.notes import NoteSignature, SeedSigner
from tests.campaigns.verifiers import changes
from tests.campaigns.verifiers.changes import put
from tests.campaigns.verifiers.worlds import Base, Tree
from tests.testkit.bundles import ORIGIN
from tests.testkit.changed_bundles import written

REFUSED = "refused"
OTHER = "blake3:" + "7e" * 32
OTHER_ENTRY = "sha256:" + "7e" * 32
# Other values of what an envelope says of an event that is not the first of its stream.
OTHERWISE: dict[str, Any] = {
    "event_id": "01940000-0000-7000-8000-00000000ffff",
    "event_type": "case.joined",
    "stream": Stream(kind="case", id="case-77"),
    "sequence": 77,
    "previous": OTHER_ENTRY,
}
OTHER_ORIGIN = SeedSigner.from_seed("other.example", bytes([1]) * 32)
OTHER_KEY = SeedSigner.from_seed(ORIGIN, bytes([77]) * 32)


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
Fits = Callable[[Base], object]
Changed = Tree | bytes | tuple[Tree, bytes] | None  # a file, or a file and the trust file; None where nothing fits

FAULTS: dict[str, Fault] = {}


def fault(name: str) -> Callable[[Fault], Fault]:
    def enter(function: Fault) -> Fault:
        assert name not in FAULTS, name
        FAULTS[name] = function
        return function

    return enter


def fails(data: Tree | bytes, *steps: int, trust: bytes | None = None) -> Mutated:
    """Expect that these steps fail and no other."""
    return Mutated(data if isinstance(data, bytes) else written(data), Expected("tampered", frozenset(steps)), trust)


def comes_to(data: Tree | bytes, verdict: str, trust: bytes | None = None) -> Mutated:
    """Expect that no step fails, and the verdict is this."""
    return Mutated(data if isinstance(data, bytes) else written(data), Expected(verdict), trust)


def _enter(name: str, change: Callable[[Base], Changed], fits: Fits, expected: Callable[[Base], Expected]) -> None:
    @fault(name)
    def of(base: Base, chance: random.Random) -> Mutated | None:
        changed = change(base) if fits(base) else None
        if changed is None:
            return None
        data, trust = changed if isinstance(changed, tuple) else (changed, None)
        return Mutated(data if isinstance(data, bytes) else written(data), expected(base), trust)


def anything(base: Base) -> bool:
    return True


def simple(name: str, change: Callable[[Base], Changed], *steps: int, of: Fits = anything) -> None:
    """Name a fault without chance after which exactly these steps fail."""
    _enter(name, change, of, lambda base: Expected("tampered", frozenset(steps)))


def edited(name: str, path: tuple[Any, ...], value: Any, *steps: int, of: Fits = anything) -> None:
    """Name a fault of one place, by another value or a function of the old one."""
    simple(name, lambda base: put(base.tree, base.place(*path), value), *steps, of=of)


def harmless(name: str, change: Callable[[Base], Changed], verdict: str = "", *, of: Fits = anything) -> None:
    """Name a change after which no step fails: the verdict is the base's, or this one."""
    _enter(name, change, of, lambda base: Expected(worse(verdict or base.verdict, base.verdict)))


def refused(name: str, change: Callable[[Base], Tree | bytes], of: Fits = anything) -> None:
    """Name a change after which there is no bundle at all."""
    _enter(name, change, of, lambda base: Expected(REFUSED))


def forms(part: str, table: dict[str, tuple[Any, ...]]) -> Iterator[tuple[str, tuple[str, str], Any]]:
    """Yield a fault's name, path and value for each value of each field of the part."""
    for field, values in table.items():
        for value in values:
            spelled = value.__name__ if callable(value) else repr(value)[:50]
            yield f"{part}.{field} {spelled}", (part, field), value


def worse(first: str, second: str) -> str:
    order = ("tampered", "other_ledger", "unverifiable", "not_yet_anchored", "intact")
    return min(first, second, key=order.index)


# -- bases that a fault fits -------------------------------------------------------------------------------------------


def later(base: Base) -> bool:
    """Tell whether the event is not the first of its stream, which is of a case."""
    envelope = original(base).envelope
    return envelope.stream.kind == "case" and envelope.sequence > 0


def of_case(base: Base) -> bool:
    return not base.name.endswith(("admission", "revocation"))


def has(base: Base, *path: Any) -> bool:
    value: Any = base.tree
    for key in base.place(*path):
        if not isinstance(value, (dict, list)) or (isinstance(value, dict) and key not in value):
            return False
        value = value[key]
    return True


def anchored(base: Base) -> bool:
    return has(base, "anchor")


def anchored_case(base: Base) -> bool:
    return anchored(base) and of_case(base)


def called(*names: str) -> Fits:
    return lambda base: base.name in names


def witnessed(base: Base) -> bool:
    """Whether its policy asks for witnesses, so that one that is missing counts."""
    return base.world.trust.policy.asks_for_witnesses


# -- parts that faults are made of -------------------------------------------------------------------------------------


def strangers_line() -> str:
    key = SeedSigner.from_seed("nobody.example", bytes([9]) * 32).verifying_key
    return NoteSignature(key.name, key.key_id, bytes(64)).line()


def signed_by_stranger(text: str) -> str:
    return text + strangers_line()


def flip(text: str) -> str:
    return ("1" if text[0] != "1" else "2") + text[1:]


def original(base: Base) -> Any:
    return base.world.log.events[base.index]


def entry(base: Base, index: int) -> Tree:
    """Return an entry of the base's log as a bundle has it."""
    return dict(json.loads(canonical.encode(base.world.log.entry(index, sections={}))))


def text_of(base: Base) -> str:
    return changes.head_of(base.world).text()
