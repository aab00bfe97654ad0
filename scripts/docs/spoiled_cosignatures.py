"""Co-signatures with ML-DSA-44 keys, beside Ed25519 or alone, and what a verifier must not take for one.

The messages that are signed are put together here from docs/protocol/log.md, not by the code that is tested.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256

from ledger.core.log.notes import NoteSignature, NoteSigner, SignatureType, VerifyingKey, parse_note
from scripts.docs import example
from scripts.docs.chain_states import hexed
from scripts.docs.example import COSIGNED_AT, WITNESS
from scripts.docs.example import ML_DSA_WITNESS as LATTICE
from scripts.docs.vector import (
    Fails,
    Patch,
    Vector,
    distrusted,
    ledger,
    policy,
    put,
    spoiled_line,
    untrusted,
    unverifiable,
)

ED25519_LINE = f"witness ed25519 {WITNESS.verifying_key.vkey()}\n"
ML_DSA_LINE = f"witness ml-dsa {LATTICE.verifying_key.vkey()}\n"
LINES = ED25519_LINE + ML_DSA_LINE
BOTH = policy(f"{LINES}group both all ed25519 ml-dsa\nquorum both\n")
EITHER = policy(f"{LINES}group one any ed25519 ml-dsa\nquorum one\n")
ONE_BY_ML_DSA, TWO = (LATTICE,), (WITNESS, LATTICE)


def cosignature_vectors() -> list[Vector]:
    """Return vectors of step 3, of block notes, and of the policy."""
    head = ledger().checkpoint.text()
    spoiled = {
        "a line that does not hold": spoiled_line(_note(ONE_BY_ML_DSA)),
        "a line of time 0, well signed": _claimed(0),
        "a line of time 2^63, well signed": _claimed(1 << 63),
        "a line of another time than the signed one": _forged(tree_message(time=COSIGNED_AT + 1)),
        "a line of a tree from leaf 1 on": _forged(tree_message(start=1)),
        "a line of one leaf fewer": _forged(tree_message(end=ledger().checkpoint.size - 1)),
        "a line of another origin": _forged(tree_message(origin="ledger.example/elsewhere")),
        "a line that another name signs": _forged(tree_message(name="witness.example/w2")),
        "a line that signs the note's text as a statement": _forged(statement_message(head)),
        "a line that signs what Ed25519 would": _forged(text_message(head)),
        "a line of 64 bytes": _with(_line(COSIGNED_AT, bytes(64))),
    }
    ed25519_at_zero = _with(_line(0, WITNESS.sign(text_message(head, 0)), WITNESS.verifying_key))
    header = hexed(ledger().state_with().header())
    block_text = parse_note(example.vouched(header)).text
    block_notes = {
        "signed as Ed25519 would": _line(COSIGNED_AT, LATTICE.sign(text_message(block_text))),
        "of time 0": _line(0, LATTICE.sign(statement_message(block_text, 0))),
    }
    return [
        Vector("ML-DSA-44: both keys of a witness asked for, and both there", _bundle(TWO), trust=BOTH),
        Vector("ML-DSA-44: either key asked for, and it is there alone", _bundle(ONE_BY_ML_DSA), trust=EITHER),
        Vector("ML-DSA-44: a key that nobody knows", _bundle(TWO), trust=policy(f"{ED25519_LINE}quorum ed25519\n")),
        unverifiable(
            "ML-DSA-44: both keys asked for, and one there",
            (*_bundle(TWO), *put("/note", _note(ONE_BY_ML_DSA))),
            unchecked=(3,),
            trust=BOTH,
        ),
        *(Fails.witnesses(f"ML-DSA-44: {name}", _spoiled(note), trust=EITHER) for name, note in spoiled.items()),
        Fails.witnesses("a line of time 0, well signed", _spoiled(ed25519_at_zero), trust=EITHER),
        *(
            untrusted(
                f"ML-DSA-44: a block note {name}",
                (*_bundle(ONE_BY_ML_DSA), *put("/anchor/block_note", f"{block_text}\n{line.line()}")),
                trust=EITHER,
            )
            for name, line in block_notes.items()
        ),
        *(distrusted(f"ML-DSA-44: {name}", trust=change) for name, change in _faulty_policies().items()),
        Vector(
            "ML-DSA-44: a log's key in the policy, beside this log's",
            trust=policy(f"log {example.LOG.verifying_key.vkey()}\nlog {_vkey('x.example')}\n{example.POLICY}"),
        ),
    ]


def _faulty_policies() -> dict[str, tuple[Patch, ...]]:
    key = LATTICE.verifying_key
    renamed = VerifyingKey("other.example", key.signature_type, key.public_key).vkey()
    return {
        "a witness's key of 1311 bytes": policy(f"witness w {_vkey('x.example', 1311)}\nquorum w\n"),
        "a witness's name of 256 bytes": policy(f"witness w {_vkey('x' * 256)}\nquorum w\n"),
        "one key under two names": policy(f"{ML_DSA_LINE}witness w2 {renamed}\nquorum w2\n"),
        "a key as the log's": (*put("/log_key", key.vkey()), *put("/origin", key.name)),
    }


def tree_message(
    *,
    time: int = COSIGNED_AT,
    start: int = 0,
    end: int | None = None,
    name: str = LATTICE.verifying_key.name,
    origin: str = example.LOG.verifying_key.name,
    root: bytes = b"",
) -> bytes:
    """Return the ``cosigned_message`` of C2SP tlog-cosignature, of the example's tree head unless something differs."""
    head = ledger().checkpoint
    end = head.size if end is None else end
    named = counted(name) + time.to_bytes(8) + counted(origin)
    return b"subtree/v1\n\0" + named + start.to_bytes(8) + end.to_bytes(8) + (root or head.root)


def statement_message(text: str, time: int = COSIGNED_AT) -> bytes:
    return b"tallystick/statement@v1\n\0" + counted(LATTICE.verifying_key.name) + time.to_bytes(8) + text.encode()


def text_message(text: str, time: int = COSIGNED_AT) -> bytes:
    return f"cosignature/v1\ntime {time}\n{text}".encode()


def counted(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def _line(time: int, signature: bytes, key: VerifyingKey = LATTICE.verifying_key) -> NoteSignature:
    return NoteSignature(key.name, key.key_id, time.to_bytes(8) + signature)


def _claimed(time: int) -> str:
    return _with(_line(time, LATTICE.sign(tree_message(time=time))))


def _forged(message: bytes) -> str:
    """Return a note whose line says the example's time and is over another message."""
    return _with(_line(COSIGNED_AT, LATTICE.sign(message)))


def _with(line: NoteSignature) -> str:
    """Return the tree head's note with the log's line and this one."""
    signed = parse_note(ledger().note)
    return str(type(signed)(signed.text, (signed.signatures[0], line)))


def _note(signers: Sequence[NoteSigner]) -> str:
    return example.cosigned(ledger().checkpoint, [(signer, COSIGNED_AT) for signer in signers])


def _bundle(signers: Sequence[NoteSigner]) -> tuple[Patch, ...]:
    """Put the tree head and the block note of the bundle under the lines of these witnesses."""
    header = hexed(ledger().state_with().header())
    return (*put("/note", _note(signers)), *put("/anchor/block_note", example.vouched(header, signers)))


def _spoiled(note: str) -> tuple[Patch, ...]:
    """Put the tree head under a note that is spoiled, and the block note under a sound one."""
    return (*_bundle((WITNESS,)), *put("/note", note))


def _vkey(name: str, length: int = 1312) -> str:
    """Return a verifier key of this name, of a public key of zeros."""
    material = bytes([SignatureType.SUBTREE_V1]) + bytes(length)
    key_id = sha256(name.encode() + b"\n" + material).digest()[:4]
    return f"{name}+{key_id.hex()}+{b64encode(material).decode()}"
