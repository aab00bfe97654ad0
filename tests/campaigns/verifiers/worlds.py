"""Logs, and bundles of their entries that hold: what the corpus mutates.

Each world has its own witnesses, quorum and size, an officer whose key is revoked at the end, and an erased section.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import msgspec

from ledger.core.encoding import canonical
from ledger.core.events import Authority, case, registry
from ledger.core.trust.trust_file import Trust, encode_trust
from scripts.docs.chain_states import State
from scripts.docs.example import vouched
from tests.testkit.builders import COURT, LOG_ID, POLICE, PROCURATORATE, START, Writer, clerk, section, supervisor
from tests.testkit.bundles import ANCHORED_AT, CHAIN, TWO_OF_THREE, WITNESS_LINES, WITNESSES, Log, founded, tree, trust
from tests.testkit.casework import Case, registration

Tree = dict[str, Any]
NUMBER = 2  # of the record that the worlds prove; that of a small log is the first

# By name: the policy, the witnesses that co-sign, and whether the trust file names the block.
POLICIES: dict[str, tuple[str, tuple[int, ...], bool]] = {
    "nobody": ("quorum none\n", (), True),
    "asked for none": (f"{WITNESS_LINES}quorum none\n", (1,), True),
    "one": (f"{WITNESS_LINES}quorum w2\n", (2,), True),
    "two of three": (TWO_OF_THREE, (1, 3), False),
    "all and any": (f"{WITNESS_LINES}group a all w1 w2\ngroup b any a w3\nquorum b\n", (1, 2, 3), False),
}
AGENCIES = (POLICE, PROCURATORATE, COURT)


@dataclass(frozen=True)
class World:
    """A log, its chain, and who vouches for both."""

    name: str
    log: Log
    policy: str
    witnesses: tuple[int, ...]
    names_block: bool  # the trust file does; else the witnesses alone vouch for it
    case: Case = field(default_factory=Case)
    erasure: int = 0  # index of the section.erased for the narrative of the registered item
    revocation: int = 0  # index of the revocation of the clerk of POLICE

    @cached_property
    def note(self) -> str:
        return cosigned(self.log, self.witnesses)

    @cached_property
    def trust(self) -> Trust:
        return self.trusting(self.state())

    def trusting(self, state: State) -> Trust:
        """Return a trust file that names the block of a state, where this world's does."""
        blocks = (state.block(),) if self.names_block else ()
        return trust(self.policy, chains=(msgspec.structs.replace(CHAIN, trusted_blocks=blocks),))

    @property
    def trust_bytes(self) -> bytes:
        return encode_trust(self.trust)

    def state(self) -> State:
        """Return both contracts three blocks after they took the tree head as record 2."""
        revoked = self.log.find(registry.KeyRevoked, key_id=clerk(POLICE).key_id)
        return self.log.state(
            number=self.number, revoked_at={clerk(POLICE).key_id: ANCHORED_AT - 12} if revoked else {}
        )

    @property
    def number(self) -> int:
        return NUMBER if len(self.log.events) > len(AGENCIES) * 3 else 1

    def anchor(self, index: int, state: State, number: int | None = None) -> Tree:
        """Return what a state proves of a record and of the entry's key, with the note of its block."""
        proven = state.proving(number or self.number, *self.log.keys_of(self.log.events[index]))
        if self.witnesses:
            proven = msgspec.structs.replace(proven, block_note=self.block_note(proven.header))
        return dict(msgspec.json.decode(canonical.encode(proven)))

    def block_note(self, header: str) -> str:
        """Return what the world's witnesses sign of a block."""
        signers = [WITNESSES[number - 1] for number in self.witnesses]
        return vouched(header, signers, log_id=LOG_ID, contracts=CHAIN)

    @cached_property
    def _anchors(self) -> dict[tuple[str, ...], Tree]:
        """By the key whose slots they prove."""
        return {}

    def bundle(self, index: int, *, anchored: bool = True, **changes: Any) -> Tree:
        """Return the bundle of an entry, complete, as plain values."""
        shown = tree(self.log.bundle(index, self.note, anchored=False, **changes))
        key = self.log.keys_of(self.log.events[index])
        if anchored and key not in self._anchors:
            self._anchors[key] = self.anchor(index, self.state())
        return shown | ({"anchor": self._anchors[key]} if anchored else {})

    def index_of(self, sequence: int) -> int:
        return self.log.events.index(self.case.events[sequence])

    def holding(self, log: Log) -> World:
        """Return the same witnesses and chain, of another log."""
        return replace(self, log=log)


@dataclass(frozen=True)
class Base:
    """A bundle of a world that holds."""

    name: str
    world: World
    index: int
    tree: Tree
    verdict: str = "intact"

    def place(self, *path: Any) -> tuple[Any, ...]:
        """Return where a part stands: that of the entry which the bundle is about, or of the file."""
        if path[:1] and path[0] in ("envelope", "payload", "sections", "index"):
            return ("entries", self.place_of(self.index), *path)
        return path

    def place_of(self, index: int) -> int:
        """Return the number of an entry within the bundle."""
        return [entry["index"] for entry in self.tree["entries"]].index(index)

    def without(self, *indices: int) -> Tree:
        """Return the bundle without these entries."""
        return self.tree | {"entries": [entry for entry in self.tree["entries"] if entry["index"] not in indices]}

    def with_entry(self, entry: Tree) -> Tree:
        """Return the bundle with an entry, in its place and in that of one of the same index."""
        others = self.without(entry["index"])["entries"]
        return self.tree | {"entries": sorted([*others, entry], key=lambda shown: shown["index"])}


def cosigned(log: Log, witnesses: tuple[int, ...]) -> str:
    return log.note(witnesses=[(WITNESSES[number - 1], START + 4000 + 60 * number) for number in witnesses])


def world(name: str, policy: str, witnesses: tuple[int, ...], names_block: bool, more: int) -> World:
    """Make a log of a case, its erasure, ``more`` entries of other cases and a revocation."""
    log = founded(*AGENCIES)
    narrative, description = section(text="问：姓名？答：张某"), section("description", text="a scar, left hand")
    written = (
        Case()
        .open()
        .act(registration("phone"), sections={"narrative": narrative, "description": description})
        .offer("phone", to=PROCURATORATE)
        .accept()
        .say(case.CaseNumbered, supervisor(PROCURATORATE), case_number="检-2026-88")
    )
    log.add(*written.events)
    order = Authority(authorization_type="court order", authorization_identifier="12")
    concerns, ground = written.events[1].ref, "court order 12"
    written.erase(concerns, "narrative", supervisor(PROCURATORATE), ground=ground, authority=order)
    log.add(written.events[-2])
    erasure = log.add(written.events[-1])
    for number in range(more):
        log.add(Writer("case", f"other-{number}").write(case.CaseNumbered(case_number=f"A-{number}"), clerk(COURT)))
    log.registry.revoke(clerk(POLICE))
    revocation = log.mirror()
    return World(name, log, policy, witnesses, names_block, written, erasure, revocation)


def worlds() -> Iterator[World]:
    """Make one of each policy, at sizes whose trees have every shape of right edge."""
    for (name, (policy, witnesses, names_block)), more in zip(POLICIES.items(), (0, 1, 15, 16, 53), strict=True):
        yield world(name, policy, witnesses, names_block, more)


def bases(of: World) -> Iterator[Base]:
    """Yield the bundles of a world that hold: whole, with parts withheld or erased, of the service, not anchored."""
    opened, registered, _, accepted, numbered = (of.index_of(sequence) for sequence in range(5))
    whole = {
        "registered": registered,
        "opened": opened,
        "accepted": accepted,
        "numbered": numbered,
        "erasure": of.erasure,
        "admission": 0,
        "revocation": of.revocation,
    }
    for name, index in whole.items():
        yield Base(name, of, index, of.bundle(index))
    yield Base("not anchored", of, registered, of.bundle(registered, anchored=False), "not_yet_anchored")
    sections = {label: part for label, part in of.log.events[registered].sections.items() if label != "narrative"}
    yield Base("section withheld", of, registered, of.bundle(registered, sections=sections))
    erased = of.bundle(registered, sections=sections, others=[of.erasure])
    yield Base("section erased", of, registered, erased)
