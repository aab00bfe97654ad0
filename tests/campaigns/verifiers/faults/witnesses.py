"""Faults of co-signatures and quorum."""

from __future__ import annotations

import random
from collections.abc import Callable

from ledger.core.log.checkpoints import Checkpoint
from ledger.core.log.merkle import Hash
from ledger.core.log.notes import NoteSignature, SeedSigner, SignatureType
from tests.campaigns.verifiers import changes
from tests.campaigns.verifiers.changes import with_note
from tests.campaigns.verifiers.faults.naming import Mutated, comes_to, fault, simple, text_of
from tests.campaigns.verifiers.worlds import Base
from tests.testkit.builders import START
from tests.testkit.bundles import ORIGIN, WITNESSES


def witnessed(name: str, change: Callable[[Base, list[NoteSignature]], list[NoteSignature]], *steps: int) -> None:
    """Change the co-signatures, where there are any; the first line is the log's."""
    simple(
        name,
        lambda base: (
            with_note(base.tree, changes.lines_changed(lambda signed: change(base, signed)))
            if base.world.witnesses
            else None
        ),
        *steps,
    )


def edited(line: NoteSignature, change: Callable[[bytes], bytes]) -> NoteSignature:
    return NoteSignature(line.name, line.key_id, change(line.signature))


witnessed(
    "co-signature edited",
    lambda b, signed: [*signed[:-1], edited(signed[-1], lambda s: s[:-1] + bytes([s[-1] ^ 1]))],
    7,
)

witnessed(
    "co-signature at another time",
    lambda b, signed: [*signed[:-1], edited(signed[-1], lambda s: bytes(7) + b"\1" + s[8:])],
    7,
)

witnessed("co-signature at 2^63", lambda b, signed: [*signed[:-1], late(signed[-1], b)], 7)

witnessed("co-signature cut", lambda b, signed: [*signed[:-1], edited(signed[-1], lambda s: s[:-1])], 7)

witnessed("co-signature twice", lambda b, signed: [*signed, signed[-1]], 7)

witnessed("co-signature of another tree", lambda b, signed: [*signed[:-1], of_other_tree(b, signed[-1])], 7)

witnessed("co-signature that is a plain signature", lambda b, signed: [*signed[:-1], plain(b, signed[-1])], 7)


def signer_of(line: NoteSignature) -> SeedSigner:
    return next(signer for signer in WITNESSES if signer.verifying_key.name == line.name)


def late(line: NoteSignature, base: Base) -> NoteSignature:
    message = f"cosignature/v1\ntime {2**63}\n{text_of(base)}".encode()
    return NoteSignature(line.name, line.key_id, (2**63).to_bytes(8, "big") + signer_of(line).sign(message))


def of_other_tree(base: Base, line: NoteSignature) -> NoteSignature:
    text = Checkpoint(ORIGIN, 3, Hash(bytes([7]) * 32)).text()
    message = f"cosignature/v1\ntime {START}\n{text}".encode()
    return NoteSignature(line.name, line.key_id, START.to_bytes(8, "big") + signer_of(line).sign(message))


def plain(base: Base, line: NoteSignature) -> NoteSignature:
    return NoteSignature(
        line.name, line.key_id, START.to_bytes(8, "big") + signer_of(line).sign(text_of(base).encode())
    )


@fault("one co-signature short of the quorum")
def _short(base: Base, chance: random.Random) -> Mutated | None:
    """All but the first co-signature are there."""
    policy = base.world.trust.policy
    if not policy.asks_for_witnesses or base.world.name == "all and any":
        return None
    shown = with_note(base.tree, changes.lines_changed(lambda signed: [signed[0], *signed[2:]]))
    return comes_to(shown, "unverifiable")


@fault("quorum reached by an unknown witness")
def _unknown_witness(base: Base, chance: random.Random) -> Mutated | None:
    """Let a stranger sign by a known witness's name and another key, which counts for nothing."""
    if not base.world.trust.policy.asks_for_witnesses or base.world.name == "all and any":
        return None

    def swapped(signed: list[NoteSignature]) -> list[NoteSignature]:
        name = signed[1].name
        key = SeedSigner.from_seed(name, bytes([99]) * 32, SignatureType.COSIGNATURE_V1).verifying_key
        return [signed[0], NoteSignature(name, key.key_id, signed[1].signature), *signed[2:]]

    return comes_to(with_note(base.tree, changes.lines_changed(swapped)), "unverifiable")
