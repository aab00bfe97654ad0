"""Logs, and bundles of their entries that hold: what the corpus mutates.

Each world has its own witnesses, quorum and size, an officer whose key is revoked at the end, and an erased section.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from ledger.core import canonical
from ledger.core.bundle import ProvenAt
from ledger.core.event import Authority, case, record
from ledger.core.trust import Trust, TrustedBlock, encode_trust
from tests.builders import COURT, POLICE, PROCURATORATE, START, Writer, clerk, section, supervisor
from tests.bundles import CHAIN, TWO_OF_THREE, WITNESS_LINES, WITNESSES, Log, anchor_of, founded, tree, trust
from tests.casework import Case, registration
from tests.states import State

Tree = dict[str, Any]
ANCHORED_AT = START + 4000  # block time of the anchor

POLICIES: dict[str, tuple[str, tuple[int, ...]]] = {  # policy and the witnesses that co-sign
    "nobody": ("quorum none\n", ()),
    "asked for none": (f"{WITNESS_LINES}quorum none\n", (1,)),
    "one": (f"{WITNESS_LINES}quorum w2\n", (2,)),
    "two of three": (TWO_OF_THREE, (1, 3)),
    "all and any": (f"{WITNESS_LINES}group a all w1 w2\ngroup b any a w3\nquorum b\n", (1, 2, 3)),
}
FOUNDING = 9  # entries: three agencies, two officers of each


@dataclass(frozen=True)
class World:
    """A log, its note, and who trusts it."""

    name: str
    log: Log
    note: str
    trust: Trust
    case: Case
    witnesses: tuple[int, ...]
    erasure: int  # index of the section.erased for the narrative of the registered item
    revocation: int  # index of the revocation of the clerk of POLICE

    def key_of(self, index: int) -> str | None:
        """The key whose slots prove an entry, None for those of the ledger itself."""
        envelope = self.log.events[index].envelope
        return None if envelope.stream.kind == "system" else envelope.key_id

    def state(self) -> State:
        """Both contracts three blocks after they took the tree head as record 2."""
        made = State(CHAIN, 12, ANCHORED_AT + 36)
        made.record(1, bytes([5]) * 32, 5, 7, ANCHORED_AT - 24)
        checkpoint = self.log.checkpoint()
        made.record(2, checkpoint.root, checkpoint.size, 9, ANCHORED_AT)
        authority = self.log.registry.authority
        revoked = {clerk(POLICE).key_id: ANCHORED_AT - 600}
        return made.has(authority.registry_hash, *authority.grants.values(), revoked_at=revoked)

    def anchor(self, proof: ProvenAt, **changes: Any) -> Tree:
        """The anchor that such a state proves."""
        registry_hash = self.log.registry.authority.registry_hash
        said = {"number": 2, "proven_at": proof} | changes
        return dict(json.loads(canonical.encode(anchor_of(self.log.checkpoint(), registry_hash, **said))))

    def proven(self, index: int) -> Tree:
        """The bundle of an entry, complete."""
        anchor = self.anchor(self.state().proven(2, self.key_of(index)))
        return self.bundle(index) | {"anchors": [anchor]}

    @property
    def trust_bytes(self) -> bytes:
        return encode_trust(self.trust)

    def index_of(self, sequence: int) -> int:
        return self.log.events.index(self.case.events[sequence])

    def bundle(self, index: int, **changes: Any) -> Tree:
        """The bundle of an entry, as plain values."""
        return tree(self.log.bundle(index, self.note, **changes))


@dataclass(frozen=True)
class Base:
    """A bundle of a world that holds."""

    name: str
    world: World
    index: int
    tree: Tree
    verdict: str = "intact"


def cosigned(log: Log, witnesses: tuple[int, ...]) -> str:
    return log.note(witnesses=[(WITNESSES[number - 1], START + 4000 + 60 * number) for number in witnesses])


def world(name: str, policy: str, witnesses: tuple[int, ...], more: int) -> World:
    """A log of a case, its erasure, ``more`` entries of other cases and a revocation."""
    log = founded(POLICE, PROCURATORATE, COURT)
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
    body = record.SectionErased(concerns=written.events[1].ref, label="narrative", ground="court order 12")
    written.act(body, supervisor(PROCURATORATE), authority=order)
    erasure = log.add(written.events[-1])
    for number in range(more):
        log.add(Writer("case", f"other-{number}").write(case.CaseNumbered(case_number=f"A-{number}"), clerk(COURT)))
    log.registry.revoke(clerk(POLICE))
    revocation = log.mirror()
    made = World(name, log, cosigned(log, witnesses), trust(policy), written, witnesses, erasure, revocation)
    if more == 0:
        return made  # this one trusts no block
    block = made.state().proven(2)
    named = TrustedBlock(block.block_number, block.block_hash)
    return replace(made, trust=trust(policy, chains=(msgspec.structs.replace(CHAIN, trusted_blocks=(named,)),)))


def worlds() -> Iterator[World]:
    """Of each policy one, at sizes whose trees have every shape of right edge."""
    for (name, (policy, witnesses)), more in zip(POLICIES.items(), (0, 1, 15, 16, 53), strict=True):
        yield world(name, policy, witnesses, more)


def bases(of: World) -> Iterator[Base]:
    """The bundles of a world that hold: whole, with parts withheld or erased, of the service, not anchored."""
    registered = of.index_of(1)
    yield Base("registered", of, registered, of.bundle(registered))
    yield Base("opened", of, of.index_of(0), of.bundle(of.index_of(0)))
    yield Base("accepted", of, of.index_of(3), of.bundle(of.index_of(3)))
    yield Base("numbered", of, of.index_of(4), of.bundle(of.index_of(4)))
    yield Base("erasure", of, of.erasure, of.bundle(of.erasure))
    yield Base("admission", of, 0, of.bundle(0))
    yield Base("revocation", of, of.revocation, of.bundle(of.revocation))
    yield Base("not anchored", of, registered, of.bundle(registered, anchored=False), "not_yet_anchored")
    shown = of.bundle(registered)
    del shown["sections"]["narrative"]
    yield Base("section withheld", of, registered, shown)
    erased = tree(of.log.bundle(registered, of.note, erased=(of.log.erasure("narrative", of.erasure, of.note),)))
    del erased["sections"]["narrative"]
    yield Base("section erased", of, registered, erased)
    yield Base("proven, opened", of, of.index_of(0), of.proven(of.index_of(0)))
    yield Base("proven, accepted", of, of.index_of(3), of.proven(of.index_of(3)))
    yield Base("proven, admission", of, 0, of.proven(0))
