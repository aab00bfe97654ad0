"""What faults are made with: notes signed anew, logs that hold a false entry, signatures in other forms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

from msgspec.structs import replace

from ledger.core.encoding import canonical
from ledger.core.encoding.digests import blake3_text
from ledger.core.events import Envelope, Payload
from ledger.core.log.checkpoints import Checkpoint, stated_checkpoint
from ledger.core.log.notes import NoteSignature, SeedSigner, parse_note, sign_note
from tests.campaigns.verifiers.worlds import Base, Tree, World
from tests.testkit.builders import START, Officer, SignedEvent, clerk, signed, supervisor
from tests.testkit.bundles import LOG_SIGNER, WITNESSES, Log

AGENCIES = ("police-east", "procuratorate-east", "court-east")


def at(tree: Any, path: tuple[Any, ...]) -> Any:
    """Return the value at a path."""
    for key in path:
        tree = tree[key]
    return tree


def put(tree: Tree, path: tuple[Any, ...], value: Any) -> Tree:
    """Copy the tree with another value at a path; a function is given the old one."""
    changed = deepcopy(tree)
    holder = at(changed, path[:-1])
    holder[path[-1]] = value(holder[path[-1]]) if callable(value) else value
    return changed


def without(tree: Tree, path: tuple[Any, ...]) -> Tree:
    changed = deepcopy(tree)
    del at(changed, path[:-1])[path[-1]]
    return changed


def paths(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield every place of a tree, its root first."""
    yield above
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in inner:
        yield from paths(child, (*above, key))


# -- proofs and notes --------------------------------------------------------------------------------------------------


def with_note(tree: Tree, change: Callable[[str], str]) -> Tree:
    """Return the bundle with another note."""
    return tree | {"note": change(tree["note"])}


def resigned(world: World, text: str, signer: SeedSigner = LOG_SIGNER) -> str:
    """Sign a note of this text by the log, and by the world's witnesses, whatever it says."""
    lines = []
    for number in world.witnesses:
        witness, time = WITNESSES[number - 1], START + 4000 + 60 * number
        signature = witness.sign(f"cosignature/v1\ntime {time}\n{text}".encode())
        key = witness.verifying_key
        lines.append(NoteSignature(key.name, key.key_id, time.to_bytes(8, "big") + signature))
    return str(sign_note(text, signer).with_signatures(lines))


def lines_changed(change: Callable[[list[NoteSignature]], list[NoteSignature]]) -> Callable[[str], str]:
    """Return a change of a note's signature lines; the first is the log's."""

    def of(note: str) -> str:
        parsed = parse_note(note)
        return str(replace(parsed, signatures=tuple(change(list(parsed.signatures)))))

    return of


def head_of(world: World) -> Checkpoint:
    return stated_checkpoint(world.note)


# -- entries that the log itself holds ---------------------------------------------------------------------------------


def officer_of(event: SignedEvent) -> Officer:
    """Return who signed it."""
    officers = [officer for agency in AGENCIES for officer in (clerk(agency), supervisor(agency))]
    return next(officer for officer in officers if officer.key_id == event.envelope.key_id)


def relogged(base: Base, event: SignedEvent) -> tuple[Tree, bytes]:
    """Return the bundle where log and chain hold ``event`` in place of the base's entry, and the trust file for it."""
    events = list(base.world.log.events)
    events[base.index] = event
    world = base.world.holding(Log(events, registry=base.world.log.registry))
    return world.bundle(base.index), world.trust_bytes


def resaid(base: Base, **fields: Any) -> SignedEvent:
    """Return the base's event with another payload, well signed by its officer."""
    event = base.world.log.events[base.index]
    return resealed(event, replace(event.payload, **fields))


def resealed(event: SignedEvent, payload: Payload, **envelope: Any) -> SignedEvent:
    """Return ``payload`` under a true signature of the same officer; ``envelope`` are other values of its fields."""
    digest = blake3_text(canonical.encode(payload))
    changed = replace(event.envelope, **({"payload_digest": digest} | envelope))
    return SignedEvent(signed(changed, officer_of(event)), payload, event.sections)


def resigned_as(event: SignedEvent, change: Callable[[bytes], bytes]) -> Envelope:
    """Return the envelope with its 65 signature bytes changed."""
    signature = change(bytes.fromhex(event.envelope.signature[2:]))
    return replace(event.envelope, signature="0x" + signature.hex())
