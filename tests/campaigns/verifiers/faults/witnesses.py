"""Faults of co-signatures and quorum."""

from __future__ import annotations

from collections.abc import Callable

from ledger.core.log.checkpoints import Checkpoint
from ledger.core.log.merkle import Hash
from ledger.core.log.notes import NoteSignature, SeedSigner, SignatureType
from tests.campaigns.verifiers import changes
from tests.campaigns.verifiers.changes import with_note
from tests.campaigns.verifiers.faults.naming import harmless, simple, text_of
from tests.campaigns.verifiers.worlds import Base
from tests.testkit.builders import START
from tests.testkit.bundles import ORIGIN, WITNESSES

COSIGNED = "cosignature/v1\ntime {}\n{}"
NOT_SEEN = Checkpoint(ORIGIN, 3, Hash(bytes([7]) * 32)).text()


def last_line(name: str, change: Callable[[Base, bytes, SeedSigner], bytes]) -> None:
    """Change what the last witness signed, where there is any: time and signature."""

    def of(base: Base, signed: list[NoteSignature]) -> list[NoteSignature]:
        *others, last = signed
        signer = next(signer for signer in WITNESSES if signer.verifying_key.name == last.name)
        return [*others, NoteSignature(last.name, last.key_id, change(base, last.signature, signer))]

    simple(
        f"co-signature {name}",
        lambda base: with_note(base.tree, changes.lines_changed(lambda signed: of(base, signed))),
        7,
        of=lambda base: base.world.witnesses,
    )


def at(time: int, signer: SeedSigner, message: str) -> bytes:
    return time.to_bytes(8, "big") + signer.sign(message.encode())


last_line("at another time", lambda b, s, _: bytes(7) + b"\1" + s[8:])
last_line("at 2^63", lambda b, _, signer: at(2**63, signer, COSIGNED.format(2**63, text_of(b))))
last_line("cut", lambda b, s, _: s[:-1])
last_line("of another tree", lambda b, _, signer: at(START, signer, COSIGNED.format(START, NOT_SEEN)))
last_line("that is a plain signature", lambda b, _, signer: at(START, signer, text_of(b)))


def quorum_missed(name: str, change: Callable[[list[NoteSignature]], list[NoteSignature]]) -> None:
    harmless(
        name,
        lambda base: with_note(base.tree, changes.lines_changed(change)),
        "unverifiable",
        of=lambda base: base.world.trust.policy.asks_for_witnesses and base.world.name != "all and any",
    )


def strangers_key(signed: list[NoteSignature]) -> list[NoteSignature]:
    """Let a stranger sign by a known witness's name and another key, which counts for nothing."""
    name = signed[1].name
    key = SeedSigner.from_seed(name, bytes([99]) * 32, SignatureType.COSIGNATURE_V1).verifying_key
    return [signed[0], NoteSignature(name, key.key_id, signed[1].signature), *signed[2:]]


quorum_missed("one co-signature short of the quorum", lambda signed: [signed[0], *signed[2:]])
quorum_missed("quorum reached by an unknown witness", strangers_key)
