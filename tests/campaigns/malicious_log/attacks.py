"""Attacks of a log service on its client, each named; what the client is told to do must end in a refusal.

An attack prepares its ground and gives the words of the command. Nothing that it shows is signed by nobody: a hostile
operator has the log's key, and signs two histories with it.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from ledger.core.events import Stream, case, item
from ledger.core.log.checkpoints import Checkpoint
from ledger.core.log.merkle import EMPTY_ROOT, Hash
from ledger.core.log.notes import SeedSigner, sign_note
from ledger.core.log.tiles import encode_entry_bundle
from ledger.core.verification.bundle import encode_bundle as encode_proof
from tests.campaigns.malicious_log.ground import Ground, Words
from tests.campaigns.malicious_log.service import Hostile, filler, receipt
from tests.campaigns.verifiers.compare import Sample
from tests.testkit.builders import POLICE, clerk
from tests.testkit.bundles import ORIGIN, Log
from tests.testkit.changed_bundles import written
from tests.testkit.faulty_service import Asked

Attack = Callable[[Ground], Words]
ATTACKS: dict[str, Attack] = {}
OTHER_KEY = SeedSigner.from_seed(ORIGIN, bytes([77]) * 32)
OTHER = "0x" + "07" * 32
OTHER_ORIGIN = SeedSigner.from_seed("other.example", bytes([1]) * 32)


def attack(name: str) -> Callable[[Attack], Attack]:
    def enter(function: Attack) -> Attack:
        assert name not in ATTACKS, name
        ATTACKS[name] = function
        return function

    return enter


# -- histories ---------------------------------------------------------------------------------------------------------
# Each is tried on every command that looks at the log's tree head.


def smaller(ground: Ground) -> None:
    ground.forks(ground.chance.randint(9, ground.size))
    ground.hostile.size = min(ground.hostile.size, max(9, ground.size - 1))


def rolled_back(ground: Ground) -> None:
    ground.hostile.size = ground.chance.randint(1, ground.size - 1)


def root_edited(ground: Ground, note: bytes) -> bytes:
    lines = note.split(b"\n")
    return b"\n".join([*lines[:2], b64encode(ground.chance.randbytes(32)), *lines[3:]])


def signed_by(signer: SeedSigner, text: str) -> bytes:
    return str(sign_note(text, signer)).encode()


def head_text(note: bytes) -> str:
    return note.decode().partition("\n\n")[0] + "\n"


NOTES: dict[str, Callable[[Ground, bytes], bytes]] = {
    "rollback to nothing": lambda g, _: signed_by(g.log.log_signer, Checkpoint(ORIGIN, 0, Hash(EMPTY_ROOT)).text()),
    "tree head without a signature": lambda _, note: note.split(b"\n\n")[0] + b"\n\n",
    "tree head of another key": lambda _, note: signed_by(OTHER_KEY, head_text(note)),
    "tree head of another origin": lambda _, note: signed_by(
        OTHER_ORIGIN, head_text(note).replace(ORIGIN, "other.example")
    ),
    "size edited": lambda _, note: note.replace(b"\n", b"\n1", 1),
    "root edited": root_edited,
    "a page in place of the tree head": lambda *_: b"<html>please log in</html>",
    "noise in place of the tree head": lambda ground, note: ground.chance.randbytes(len(note)),
    "nothing in place of the tree head": lambda *_: b"",
}


def spoiling(change: Callable[[Ground, bytes], bytes]) -> Callable[[Ground], None]:
    return lambda ground: ground.spoil_bytes("checkpoint", lambda note: change(ground, note))


HISTORIES: dict[str, Callable[[Ground], Any]] = {
    "fork to a larger tree": lambda ground: ground.forks(ground.size + ground.chance.randint(1, 20)),
    "fork to another tree of the same size": lambda ground: ground.forks(ground.size),
    "fork to a smaller tree": smaller,
    "rollback": rolled_back,
    **{name: spoiling(change) for name, change in NOTES.items()},
}
PROOFS: dict[str, Callable[[Ground, Any], Any]] = {
    "its own proof": lambda ground, answer: answer,
    "no hashes": lambda ground, answer: answer | {"hashes": []},
    "a hash short": lambda ground, answer: answer | {"hashes": answer["hashes"][:-1]},
    "a hash long": lambda ground, answer: answer | {"hashes": [*answer["hashes"], "sha256:" + "00" * 32]},
    "noise": lambda ground, answer: (
        answer | {"hashes": ["sha256:" + ground.chance.randbytes(32).hex() for _ in range(5)]}
    ),
    "cut hashes": lambda ground, answer: answer | {"hashes": [text[:-2] for text in answer["hashes"]]},
    "hashes that are none": lambda ground, answer: answer | {"hashes": ["zz", 7]},
    "64 hashes": lambda ground, answer: answer | {"hashes": ["sha256:" + "11" * 32] * 64},
    "another form": lambda ground, answer: {"first": 1},
    "a list": lambda ground, answer: [],
}


def looks(ground: Ground) -> Words:
    ground.has_seen()
    return ["log", "checkpoint"]


def compares(ground: Ground) -> Words:
    file = ground.folder / "old.checkpoint"
    file.write_text(ground.log.note(ground.size), encoding="utf-8")
    return ["log", "consistency", file]


def saves(ground: Ground) -> Words:
    return ["log", "save", ground.has_copy()]


def lists(ground: Ground) -> Words:
    ground.has_seen()
    return ["log", "entries"]


def writes(ground: Ground) -> Words:
    ground.has_seen()
    return ["event", "submit", ground.submission()]


def watched(act: Attack, history: str, proof: str) -> None:
    @attack(f"{act.__name__}: {history}, {proof}")
    def of(ground: Ground) -> Words:
        words = act(ground)
        HISTORIES[history](ground)
        ground.spoil("consistency", lambda answer: PROOFS[proof](ground, answer))
        return words


for _act in (looks, compares, saves, lists, writes):
    for _history in HISTORIES:
        for _proof in PROOFS if _history.startswith("fork") else ("its own proof",):
            watched(_act, _history, _proof)

# -- the copy ----------------------------------------------------------------------------------------------------------


def copies(name: str, change: Callable[[Ground, bytes], bytes]) -> None:
    @attack(f"copy: {name}")
    def of(ground: Ground) -> Words:
        ground.spoil_bytes("entries", lambda body: change(ground, body))
        return ["log", "save", ground.folder / "copy"]


def entries(name: str, change: Callable[[Ground, list[bytes]], list[bytes]]) -> None:
    copies(name, lambda ground, _: encode_entry_bundle(change(ground, ground.log.entries())))


def replaced(ground: Ground, served: list[bytes]) -> list[bytes]:
    served[ground.chance.randrange(len(served))] = ground.log.events[0].entry.replace(b"case", b"cast") + b" "
    return served


def swapped(ground: Ground, served: list[bytes]) -> list[bytes]:
    a, b = ground.chance.sample(range(len(served)), 2)
    served[a], served[b] = served[b], served[a]
    return served


entries("an entry replaced", replaced)
entries("two entries swapped", swapped)
entries("the last entry withheld", lambda ground, served: served[:-1])
entries("the first entry withheld", lambda ground, served: served[1:])
entries("an entry more", lambda ground, served: [*served, served[-1]])
entries("no entries", lambda ground, served: [])
entries("an entry twice", lambda ground, served: [*served[:-1], served[0]])
copies("noise", lambda ground, body: ground.chance.randbytes(len(body)))
copies("cut", lambda ground, body: body[: ground.chance.randrange(len(body))])


# -- receipts ----------------------------------------------------------------------------------------------------------


def receipts(name: str, change: Callable[[Ground, dict[str, Any]], Any]) -> None:
    @attack(f"receipt: {name}")
    def of(ground: Ground) -> Words:
        ground.spoil("submission", lambda answer: change(ground, answer))
        return ["event", "submit", ground.submission()]


def another(ground: Ground) -> dict[str, Any]:
    return receipt(ground.log, ground.chance.randrange(len(ground.log.events) - 1))


def with_note(answer: dict[str, Any], note: str) -> dict[str, Any]:
    return answer | {"proof": answer["proof"].partition("\n\n")[0] + "\n\n" + note}


def forged_root(ground: Ground, answer: dict[str, Any]) -> dict[str, Any]:
    text = Checkpoint(ORIGIN, len(ground.log.events), Hash(ground.chance.randbytes(32))).text()
    return with_note(answer, str(sign_note(text, ground.log.log_signer)))


def text_of(answer: dict[str, Any]) -> str:
    return str(answer["proof"].split("\n\n")[1]) + "\n"


# Of an answer with a proof, whatever it is of.
PROVEN: dict[str, Callable[[Ground, dict[str, Any]], Any]] = {
    "without a signature": lambda g, answer: with_note(answer, text_of(answer) + "\n"),
    "signed by another key": lambda g, answer: with_note(answer, str(sign_note(text_of(answer), OTHER_KEY))),
    "under a root that it does not lead to": forged_root,
    "with a proof cut": lambda g, t: t | {"proof": t["proof"][: g.chance.randrange(len(t["proof"]))]},
    "that is empty": lambda g, answer: {},
    "that is a list": lambda g, answer: [answer],
}
receipts("of another event", lambda ground, answer: another(ground))
receipts("of another event under this one's id", lambda g, answer: another(g) | {"event_id": answer["event_id"]})
receipts("with the proof of another event", lambda g, answer: answer | {"proof": another(g)["proof"]})
receipts(
    "with the place and proof of another",
    lambda g, answer: another(g) | {k: answer[k] for k in ("event_id", "leaf_hash")},
)
receipts("with the hash of another", lambda g, answer: answer | {"leaf_hash": another(g)["leaf_hash"]})
receipts("at another place", lambda g, answer: answer | {"index": answer["index"] - 1})
receipts("of another name", lambda g, answer: answer | {"event_id": "01940000-0000-7000-8000-00000000ffff"})
receipts(
    "of another origin",
    lambda g, t: with_note(t, str(sign_note(text_of(t).replace(ORIGIN, "other.example"), OTHER_ORIGIN))),
)
receipts("under a tree without it", lambda g, answer: with_note(answer, g.log.note(len(g.log.events) - 1)))
receipts("without a proof", lambda g, answer: {k: v for k, v in answer.items() if k != "proof"})
receipts("with a proof of null", lambda g, answer: answer | {"proof": None})
receipts("with an index as text", lambda g, answer: answer | {"index": str(answer["index"])})
receipts("that is null", lambda g, answer: None)
receipts("that says it was refused", lambda g, answer: {"status": 422, "code": "no"})


def forked_receipt(ground: Ground, more: int) -> Words:
    """Put the event into another history, with ``more`` entries between it and what both histories have."""
    ground.has_seen(len(ground.log.events))
    file = ground.submission()

    def lie(answer: Any, asked: Asked) -> bytes:
        fork = filler(Log(list(ground.log.events[:8]), registry=ground.log.registry), more, "mine")
        fork.add(ground.log.events[-1])
        return written(receipt(fork, len(fork.events) - 1))

    ground.hostile.spoiled["submission"] = lie
    return ["event", "submit", file]


@attack("receipt: under a forked tree head, below what was seen")
def _forked_receipt(ground: Ground) -> Words:
    return forked_receipt(ground, 0)


@attack("receipt: under a tree head that is not published, then another history")
def _split_view(ground: Ground) -> Words:
    """Nobody can tell a lie of a receipt before more is published; the next look at the log does."""
    assert ground.run(forked_receipt(ground, len(ground.log.events))) == 0
    filler(ground.log, len(ground.log.events), "published")
    ground.hostile.size = len(ground.log.events)
    return ["log", "checkpoint"]


# -- proofs of entries and bundles -------------------------------------------------------------------------------------


def inclusion(name: str, change: Callable[[Ground, dict[str, Any]], Any]) -> None:
    @attack(f"inclusion: {name}")
    def of(ground: Ground) -> Words:
        ground.spoil("inclusion", lambda answer: change(ground, answer))
        return ["log", "proof", "3", "--replace", "--output", ground.folder / "3.tlog-proof"]


def of_other(ground: Ground) -> dict[str, Any]:
    answer = receipt(ground.log, 4)
    return {"leaf_hash": answer["leaf_hash"], "proof": answer["proof"]}


inclusion("of another entry", lambda g, answer: of_other(g))
inclusion("with the hash of another", lambda g, answer: answer | {"leaf_hash": of_other(g)["leaf_hash"]})
inclusion("with the proof of another", lambda g, answer: answer | {"proof": of_other(g)["proof"]})
inclusion("with a cut hash", lambda g, answer: answer | {"leaf_hash": answer["leaf_hash"][:-2]})
for _name, _change in PROVEN.items():
    receipts(_name, _change)
    inclusion(_name, _change)


def cose_receipt(name: str, change: Callable[[Ground, bytes], bytes]) -> None:
    @attack(f"COSE receipt: {name}")
    def of(ground: Ground) -> Words:
        ground.spoil_bytes("receipt", lambda answer: change(ground, answer))
        return ["log", "proof", "3", "--cose", "--replace", "--output", ground.folder / "3.cose"]

    @attack(f"COSE receipt of an event: {name}")
    def of_event(ground: Ground) -> Words:
        ground.spoil_bytes("receipt", lambda answer: change(ground, answer))
        event_id = ground.log.events[3].envelope.event_id
        return ["proof", "get", event_id, "--cose", "--replace", "--output", ground.folder / "3.cose"]


def with_bit_flipped(ground: Ground, receipt: bytes) -> bytes:
    at = ground.chance.randrange(len(receipt))
    return receipt[:at] + bytes([receipt[at] ^ 1 << ground.chance.randrange(8)]) + receipt[at + 1 :]


def by_other_key(ground: Ground, _: bytes) -> bytes:
    second_log = Log(ground.log.events, log_signer=OTHER_KEY, registry=ground.log.registry)
    return Hostile(second_log, len(second_log.events)).receipt_of(3) or b""


cose_receipt("of another entry", lambda ground, _: ground.hostile.receipt_of(4) or b"")
cose_receipt("by another key", by_other_key)
cose_receipt("with a bit flipped", with_bit_flipped)
cose_receipt("cut off", lambda ground, receipt: receipt[: ground.chance.randrange(len(receipt))])
cose_receipt("with noise after it", lambda ground, receipt: receipt + ground.chance.randbytes(4))
cose_receipt("noise in its place", lambda ground, receipt: ground.chance.randbytes(len(receipt)))
cose_receipt("a page in its place", lambda *_: b"<html>please log in</html>")


@attack("bundle: of another event")
def _other_bundle(ground: Ground) -> Words:
    event_id = ground.log.events[7].envelope.event_id
    honest = ground.hostile.bundle_of(event_id)
    assert honest is not None
    ground.spoil_bytes("event proof", lambda _: honest)
    return [
        "proof",
        "get",
        ground.log.events[6].envelope.event_id,
        "--replace",
        "--output",
        ground.folder / "bundle.json",
    ]


@attack("bundle: of another case")
def _other_case(ground: Ground) -> Words:
    name = f"filler-{ground.chance.randrange(3)}"
    bundle = encode_proof(ground.log.case_bundle(name, ground.log.note()))
    ground.spoil_bytes("case proof", lambda _: bundle)
    return ["proof", "get", "--case", "case-1", "--replace", "--output", ground.folder / "bundle.json"]


@attack("bundle: the last event of a case left out under another name")
def _renamed_case(ground: Ground) -> Words:
    ground.spoil("case proof", lambda answer: answer | {"case_id": "case-1", "events": answer["events"][1:]})
    return ["proof", "get", "--case", "case-1", "--replace", "--output", ground.folder / "bundle.json"]


# -- head maps ---------------------------------------------------------------------------------------------------------
# Of what only the log has signed they are its own word; what contradicts itself is refused all the same.


def mapped(ground: Ground, root: bytes | None = None, **fields: Any) -> int:
    """Let the log commit to a map, and publish it; return the index."""
    index = ground.log.map_heads(root, **fields)
    ground.hostile.size = len(ground.log.events)
    return index


def absence(name: str, prepare: Callable[[Ground], Any], case_id: str = "case-none") -> None:
    @attack(f"absence: {name}")
    def of(ground: Ground) -> Words:
        mapped(ground)
        prepare(ground)
        return ["proof", "absence", "--case", case_id, "--replace", "--output", ground.folder / "absence.json"]


def spoiled_map(change: Callable[[Ground, dict[str, Any]], Any]) -> Callable[[Ground], None]:
    return lambda ground: ground.spoil("absence", lambda answer: answer | {"map": change(ground, answer["map"])})


def noise(ground: Ground) -> str:
    return b64encode(ground.chance.randbytes(32)).decode()


def of_the_tree_before(ground: Ground) -> None:
    """An honest proof, of a map that the log has not committed to in this entry."""
    index, stream = len(ground.log.events) - 1, Stream(kind="case", id="case-none")
    filler(ground.log, 3, "since")
    later = mapped(ground)
    old = ground.log.map_proof(stream, index)
    spoiled = ground.log.absence(stream, later, ground.log.note(), anchored=False, map=replace(old, index=later))
    ground.spoil_bytes("absence", lambda _: encode_proof(spoiled))


absence("of a case that is there", lambda ground: None, "case-1")
absence(
    "of another case",
    lambda ground: ground.spoil("absence", lambda answer: answer | {"absent": {"id": "case-2", "kind": "case"}}),
)
absence("with a leaf more", spoiled_map(lambda g, m: m | {"leaf": {"count": 1, "head": OTHER, "key": OTHER}}))
absence("without its siblings", spoiled_map(lambda g, m: {k: v for k, v in m.items() if k != "siblings"}))
absence("with other siblings", spoiled_map(lambda g, m: m | {"siblings": [noise(g) for _ in m["siblings"]]}))
absence("with a sibling more", spoiled_map(lambda g, m: m | {"siblings": [noise(g), *m["siblings"]]}))
absence("by an entry that is no map", spoiled_map(lambda g, m: m | {"index": 0}))
absence("by an old map", of_the_tree_before)
absence("by a map with a salt of its own", lambda ground: mapped(ground, salt="ab" * 16))
absence("by a map of nothing", lambda ground: mapped(ground, bytes(32)))
absence("by a map under another key", lambda ground: mapped(ground, by=clerk(POLICE)))


def partial_case(name: str, left_out: int) -> None:
    @attack(f"map: {name}")
    def of(ground: Ground) -> Words:
        index = mapped(ground)
        shown = ground.log.find(case.CaseOpened) + ground.log.find(item.ItemRegistered)
        indices = [at for at in shown if ground.log.events[at].envelope.stream.id == "case-1"]
        del indices[left_out]
        stream = Stream(kind="case", id="case-1")
        place = {"map": ground.log.map_proof(stream, index), "others": {index}, "stream": stream}
        file = encode_proof(ground.log.file(indices, ground.log.note(), anchored=False, **place))
        ground.spoil_bytes("case proof", lambda _: file)
        return ["proof", "get", "--case", "case-1", "--replace", "--output", ground.folder / "bundle.json"]


partial_case("the last event of a case left out", -1)
partial_case("the first event of a case left out", 0)


def serve_spoiled(ground: Ground, sample: Sample) -> Words:
    """Serve a spoiled bundle of the corpus in answer to the request for the event that it was made of."""
    (ground.profile / "trust.json").write_bytes(sample.trust)
    ground.hostile.bundle_of = lambda _: sample.data
    return ["proof", "get", sample.event_id, "--replace", "--output", ground.folder / "bundle.json"]
