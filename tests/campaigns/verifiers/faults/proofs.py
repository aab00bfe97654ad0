"""Faults of the inclusion proof, the tree head, its co-signatures and their quorum."""

from __future__ import annotations

import random
from base64 import b64encode
from collections.abc import Callable

from ledger.core.log.checkpoints import Checkpoint
from ledger.core.log.merkle import EMPTY_ROOT, Hash, leaf_hash, node_hash
from ledger.core.log.notes import NoteSignature, SeedSigner, SignatureType
from ledger.core.log.tlog_proofs import parse_tlog_proof
from tests.campaigns.verifiers import changes
from tests.campaigns.verifiers.changes import lines_changed, resigned, with_note, with_proof
from tests.campaigns.verifiers.faults.naming import (
    OTHER_KEY,
    OTHER_ORIGIN,
    Mutated,
    anchored,
    edited,
    fails,
    fault,
    harmless,
    original,
    simple,
    strangers_line,
    text_of,
)
from tests.campaigns.verifiers.worlds import Base, cosigned
from tests.testkit.builders import START
from tests.testkit.bundles import LOG_SIGNER, ORIGIN, WITNESSES, Log, tree

# -- proofs ------------------------------------------------------------------------------------------------------------

INDICES: dict[str, tuple[Callable[[int, int], int], int]] = {
    "at the size": (lambda index, size: size, 6),
    "2^62": (lambda index, size: 2**62 + index, 6),
    "2^63": (lambda index, size: 2**63, 1),
    "2^64": (lambda index, size: 2**64, 1),
    "2^64 more": (lambda index, size: 2**64 + index, 1),
}
for _name, (_index, _step) in INDICES.items():
    simple(
        f"index {_name}",
        lambda b, index=_index: with_proof(b.tree, index=index(b.index, changes.head_of(b.world).size)),
        _step,
    )

Hashes = tuple[Hash, ...]
HASHES: dict[str, tuple[Callable[[Hashes], Hashes], int]] = {
    "without hashes": (lambda h: (), 6),
    "with hashes swapped": (lambda h: (h[1], h[0], *h[2:]), 6),
    "with a cut hash": (lambda h: (Hash(h[0][:31]), *h[1:]), 1),
    "with a long hash": (lambda h: (Hash(h[0] + b"\0"), *h[1:]), 1),
    "with an empty hash": (lambda h: (*h[:-1], Hash(b"")), 5),
    "of 63 hashes": (lambda h: (h * 63)[:63], 6),
    "of 64 hashes": (lambda h: (h * 64)[:64], 1),
}
for _name, (_hashes, _step) in HASHES.items():
    simple(
        f"proof {_name}",
        lambda base, change=_hashes: with_proof(base.tree, hashes=change),
        _step,
        of=lambda base: len(parse_tlog_proof(base.tree["proof"]).hashes) > 1,
    )


def second_base64(text: str) -> str:
    """Return the first hash with other bits where base64 has bits to spare."""
    head, equal, rest = text.partition("=\n")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return head[:-1] + alphabet[alphabet.index(head[-1]) ^ 1] + equal + rest


INDEX_LINES = {
    "an index with a zero before": "\nindex 0",
    "an index with a plus": "\nindex +",
    "an index with a space": "\nindex  ",
    "an index in other digits": "\nindex \u0661",
    "no index": "\nIndex ",
    "an empty extra line": "\nextra \nindex ",
    "an extra line that is not base64": "\nextra ?\nindex ",
    "an empty line before the hashes": "\n\nindex ",
    "an algorithm of its own": "\nalgorithm none\nindex ",
}
PROOF_TEXTS: dict[str, tuple[Callable[[str], str], int]] = {
    **{name: (lambda p, line=line: p.replace("\nindex ", line, 1), 1) for name, line in INDEX_LINES.items()},
    "another first line": (lambda p: p.replace("@v1", "@v2", 1), 1),
    "carriage returns": (lambda p: p.replace("\n", "\r\n"), 1),
    "base64 in a second spelling": (second_base64, 1),
    "base64 for URLs": (lambda p: p.replace("=\n", "\n", 1), 1),
    "no note": (lambda p: p.partition("\n\n")[0] + "\n\n", 1),
    "no empty line": (lambda p: p.replace("\n\n", "\n"), 1),
    "a newline after the note": (lambda p: p + "\n", 5),
    "a tab in the note": (lambda p: p[:-1] + "\t\n", 5),
    "a note of 128 KiB and more": (lambda p: p + strangers_line() * 1500, 5),
    "256 Ki characters and more": (lambda p: p + strangers_line() * 3000, 1),
}
for _name, (_change, _step) in PROOF_TEXTS.items():
    edited(f"proof with {_name}", ("proof",), _change, _step)


@fault("internal node as leaf")
def _node_as_leaf(base: Base, chance: random.Random) -> Mutated | None:
    """Prove a node in the place of an entry: its two hashes are no envelope, and the prefix differs."""
    return None if base.index > 1 else fails(with_proof(base.tree, hashes=lambda h: h[1:], index=0), 6)


@fault("duplicated last leaf")
def _duplicated_leaf(base: Base, chance: random.Random) -> Mutated:
    """Make a root that pairs the last of three leaves with itself, as another ledger's trees do."""
    leaf, other = leaf_hash(original(base).entry), Hash(bytes(32))
    root = node_hash(node_hash(other, other), node_hash(leaf, leaf))
    note = changes.resigned(base.world, Checkpoint(ORIGIN, 3, root).text())
    shown = with_proof(base.tree, index=2, hashes=(leaf, node_hash(other, other)), checkpoint=note)
    return fails(shown, 6, *((11,) if anchored(base) else ()))


# -- tree heads --------------------------------------------------------------------------------------------------------


def note(name: str, change: Callable[[Base, str], str]) -> None:
    """Change the note, in all proofs of the bundle alike."""
    simple(name, lambda base: with_note(base.tree, lambda text: change(base, text)), 5)


def line_set(number: int, line: str) -> Callable[[str], str]:
    def of(text: str) -> str:
        parts = text.split("\n")
        parts[number] = line
        return "\n".join(parts)

    return of


SIGNED_ANEW: dict[str, Callable[[str], str]] = {
    "tree head of another origin under our key": lambda t: t.replace(ORIGIN, "other.example"),
    "size with a zero before": lambda t: t.replace("\n", "\n0", 1),
    "size with a plus": lambda t: t.replace("\n", "\n+", 1),
    "size with an underscore": lambda t: t.replace("\n", "\n1_", 1),
    "size 2^63": line_set(1, str(2**63)),
    "size 2^64": line_set(1, str(2**64)),
    "size 0 with a root": line_set(1, "0"),
    "root of nothing with a size": line_set(2, b64encode(EMPTY_ROOT).decode()),
    "root that is cut": line_set(2, b64encode(bytes(31)).decode()),
    "root that is empty": line_set(2, ""),
    "extension line": lambda t: t + "more\n",
}
SIGNATURES: dict[str, Callable[[bytes, str], bytes]] = {
    "cut": lambda true, _: true[:63],
    "with a byte more": lambda true, _: true + b"\0",
    "with S + L": lambda true, _: changes.second_spelling(true),
    "with a part of small order": lambda _, text: changes.with_torsion(text),
    "of zeros": lambda *_: bytes(64),
    "with R of order one": lambda *_: bytes([1]) + bytes(63),
}


def log_line(base: Base, note: str, data: Callable[[bytes, str], bytes]) -> str:
    """Put these bytes in place of the log's signature."""
    signature = data(LOG_SIGNER.sign(text_of(base).encode()), text_of(base))
    return lines_changed(lambda signed: [NoteSignature(signed[0].name, signed[0].key_id, signature), *signed[1:]])(note)


for _name, _change in SIGNED_ANEW.items():
    note(_name, lambda base, _, change=_change: resigned(base.world, change(text_of(base))))
for _name, _data in SIGNATURES.items():
    note(f"log's signature {_name}", lambda base, n, data=_data: log_line(base, n, data))
note(
    "tree head of another origin",
    lambda b, _: resigned(b.world, text_of(b).replace(ORIGIN, "other.example"), OTHER_ORIGIN),
)
note("tree head signed with another key", lambda b, _: resigned(b.world, text_of(b), OTHER_KEY))
note("size edited", lambda _, text: text.replace("\n", "\n1", 1))
note("no signatures", lambda _, text: lines_changed(lambda signed: [])(text))
note("log's signature left out", lambda base, _: text_of(base) + "\n" + strangers_line())


@fault("tree head of a smaller tree")
def _smaller(base: Base, chance: random.Random) -> Mutated | None:
    """Prove the entry in a tree that ends below it."""
    if base.index < 1:
        return None
    log = Log(base.world.log.events[: base.index], registry=base.world.log.registry)
    shown = with_proof(base.tree, checkpoint=cosigned(log, base.world.witnesses))
    return fails(shown, 6, *((11,) if anchored(base) else ()))


@fault("proof of another log")
def _other_log(base: Base, chance: random.Random) -> Mutated:
    """Prove the same entries in a log of another name."""
    world = base.world
    log = Log(world.log.events, log_signer=OTHER_ORIGIN, registry=world.log.registry)
    return fails(tree(log.bundle(base.index, cosigned(log, world.witnesses), anchored=False)), 5)


# -- witnesses ---------------------------------------------------------------------------------------------------------

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


def strangers_key(signed: list[NoteSignature]) -> list[NoteSignature]:
    """Let a stranger sign by a known witness's name and another key, which counts for nothing."""
    name = signed[1].name
    key = SeedSigner.from_seed(name, bytes([99]) * 32, SignatureType.COSIGNATURE_V1).verifying_key
    return [signed[0], NoteSignature(name, key.key_id, signed[1].signature), *signed[2:]]


harmless(
    "quorum reached by an unknown witness",
    lambda base: with_note(base.tree, lines_changed(strangers_key)),
    "unverifiable",
    of=lambda base: base.world.trust.policy.asks_for_witnesses and base.world.name != "all and any",
)
