"""Spellings of signatures, notes and keys that a verifier must take, or must not: docs/protocol/log.md, signature.md.

Which odd signatures hold is made here by the arithmetic of the pages, not by the code that is tested.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from hashlib import sha512

from msgspec.structs import replace as with_fields
from nacl.bindings import (
    crypto_core_ed25519_add,
    crypto_core_ed25519_scalar_add,
    crypto_core_ed25519_scalar_mul,
    crypto_core_ed25519_scalar_reduce,
    crypto_scalarmult_ed25519_base_noclamp,
)

from ledger.core.log.merkle import EMPTY_TREE
from ledger.core.log.notes import NoteSignature, SeedSigner, SignatureType, VerifyingKey, parse_note
from scripts.docs import example
from scripts.docs.example import LOG, REGISTERED, WITNESS
from scripts.docs.vector import (
    Edit,
    Fails,
    Patch,
    Vector,
    by_no_key_of_the_log,
    distrusted,
    failing,
    ledger,
    on_page,
    put,
    repeated,
    whole,
)

ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
IDENTITY = bytes([1]) + bytes(31)
OF_ORDER_EIGHT = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
LOG_SEED = b"\x01" * 32
NEXT_LOG = SeedSigner.from_seed(LOG.verifying_key.name, b"\x0d" * 32)  # the key after the example's

BETWEEN = SeedSigner.from_seed(LOG.verifying_key.name, b"\x0e" * 32)  # another one before that


def signature_vectors() -> list[Vector]:
    """Return odd spellings of signatures, of the lines that hold them, and keys of the log that were replaced."""
    of_notes = [*_ed25519(), *_lines(), *_checkpoints(), _empty(), *_replaced_keys()]
    return [*on_page("log", of_notes), *on_page("signature", _secp256k1()), *on_page("trust-file", _faulty_log_keys())]


# -- Ed25519 -----------------------------------------------------------------------------------------------------------


def second_spelling(signature: bytes) -> bytes:
    """Return the same Ed25519 signature with S + L."""
    s = int.from_bytes(signature[32:], "little") + ED25519_ORDER
    return signature[:32] + s.to_bytes(32, "little")


def with_commitment(text: str, more: bytes | None = None, seed: bytes = LOG_SEED) -> bytes:
    """Sign with this point added to R; with None R is the identity, as of a nonce of zero."""
    expanded = sha512(seed).digest()
    clamped = bytes([expanded[0] & 248]) + expanded[1:31] + bytes([expanded[31] & 127 | 64])
    secret = crypto_core_ed25519_scalar_reduce(clamped + bytes(32))
    nonce = crypto_core_ed25519_scalar_reduce(sha512(expanded[32:] + text.encode()).digest()) if more else bytes(32)
    commitment = crypto_core_ed25519_add(crypto_scalarmult_ed25519_base_noclamp(nonce), more) if more else IDENTITY
    key = SeedSigner.from_seed("x", seed).verifying_key.public_key
    challenge = crypto_core_ed25519_scalar_reduce(sha512(commitment + key + text.encode()).digest())
    return commitment + crypto_core_ed25519_scalar_add(nonce, crypto_core_ed25519_scalar_mul(challenge, secret))


def _by_log(signature: bytes, key: VerifyingKey = LOG.verifying_key) -> tuple[Patch]:
    """Put the note with this signature of the log."""
    parsed = parse_note(ledger().note)
    line = NoteSignature(key.name, key.key_id, signature)
    return put("/note", str(with_fields(parsed, signatures=(line, *parsed.signatures[1:]))))


def _ed25519() -> list[Vector]:
    text = parse_note(ledger().note).text
    good = LOG.sign(text.encode())
    by_witness = f"cosignature/v1\ntime {example.COSIGNED_AT}\n{text}"
    of_witness = example.COSIGNED_AT.to_bytes(8) + with_commitment(by_witness, seed=b"\x02" * 32)
    # Of a key that is the identity every R = S*B is a signature of every text.
    anybody = VerifyingKey(LOG.verifying_key.name, SignatureType.ED25519, IDENTITY)
    ones = crypto_core_ed25519_scalar_reduce(bytes([1]) + bytes(63))
    signatures = {
        "with S + L": second_spelling(good),
        "whose R is of small order": with_commitment(text),
        "whose R has a part of small order": with_commitment(text, OF_ORDER_EIGHT),
        "of 63 bytes": good[:63],
        "of 65 bytes": good + b"\0",
    }
    of_time = example.COSIGNED_AT.to_bytes(8)
    lengths = {"a byte more": of_time + WITNESS.sign(by_witness.encode()) + b"\0", "its time alone": of_time}
    return [
        *(
            Fails.witnesses(f"a witness's signature of {name}", _with_line(_line_of(WITNESS, signature), 0, 2))
            for name, signature in lengths.items()
        ),
        *(Fails.checkpoint(f"log's signature {name}", _by_log(signature)) for name, signature in signatures.items()),
        Fails.checkpoint(
            "log's signature by a key of small order",
            _by_log(crypto_scalarmult_ed25519_base_noclamp(ones) + ones, anybody),
            trust=put("/log_key", anybody.vkey()),
        ),
        Fails.witnesses(
            "a witness's signature whose R is of small order", _with_line(_line_of(WITNESS, of_witness), 0, 2)
        ),
    ]


def _line_of(signer: SeedSigner, signature: bytes) -> str:
    return NoteSignature(signer.verifying_key.name, signer.verifying_key.key_id, signature).line()


def _with_line(line: str, *kept: int) -> tuple[Patch]:
    """Put the note with this line behind those of its lines that are kept: 0 the log's, 1 and 2 co-signatures."""
    parsed = parse_note(ledger().note)
    lines = (parsed.signatures[number] for number in kept or range(3))
    return put("/note", str(with_fields(parsed, signatures=tuple(lines))) + line)


# -- lines and checkpoints ---------------------------------------------------------------------------------------------


def _lines() -> list[Vector]:
    """Return lines that nobody asks about: their form counts all the same."""
    spoiled = {
        "of 4 bytes": "— stranger.example/s AAAAAA==",
        "in base64 with bits to spare": "— stranger.example/s AAAAAAB=",
        "in base64 for URLs": "— stranger.example/s ______8=",
        "whose name has a plus": "— stranger+s AAAAAAA=",
        "whose name has a no-break space": "— stranger\u00a0s AAAAAAA=",
        "whose name has a space of Japanese": "— stranger\u3000s AAAAAAA=",
        "without a name": "—  AAAAAAA=",
        "with a word more": "— stranger.example/s AAAAAAA= x",
        "with a hyphen for a dash": "- stranger.example/s AAAAAAA=",
        "that is empty": "",
        "with a tab for a space": "— stranger.example/s\tAAAAAAA=",
    }
    return [
        *(Fails.checkpoint(f"a stranger's line {name}", _with_line(f"{line}\n")) for name, line in spoiled.items()),
        Vector("a note of 262144 bytes", edits=_stranger(0)),
        Fails.checkpoint("a note of more bytes, and of fewer characters", edits=_stranger(1)),
        Vector("a stranger's line whose name is not ASCII", _with_line("— 见证\u200b AAAAAAA=\n")),
        Vector("a stranger's line whose name has DEL", _with_line("— stranger\x7fs AAAAAAA=\n")),
        Vector("a line by the log's name and another key", _with_line(f"— {LOG.verifying_key.name} AAAAAAA=\n")),
    ]


def _stranger(more: int) -> tuple[Edit, ...]:
    """Lengthen the note by a stranger's line to as many bytes as it may have, by the characters of a name, and more."""
    begin, rest = "\\n— ", " AAAAAAA=\\n"
    times, left = divmod(262_144 - len(f"{ledger().note}— {rest[:-1]}".encode()), 4)
    end = repeated(rest, 1, '\\n"}')
    place = end["at"] - len('"}')
    return (
        {"at": place - 2, "cut": 1, "put": begin + "x" * left, "times": 1},
        {"at": place - 1, "cut": 1, "put": "\U0001f600", "times": times + more},
        end | {"at": place},
    )


def _signed(text: str) -> tuple[Patch]:
    """Put a note of this text, which the log has signed."""
    key = LOG.verifying_key
    line = NoteSignature(key.name, key.key_id, LOG.sign(text.encode())).line()
    return put("/note", f"{text}\n{line}")


def _checkpoints() -> list[Vector]:
    """Return texts that are no checkpoint, well signed by the log."""
    true, name = ledger().checkpoint, LOG.verifying_key.name
    root = b64encode(true.root).decode()
    texts = {
        "an extension line": f"{name}\n{true.size}\n{root}\nmore\n",
        "two lines": f"{name}\n{true.size}\n",
        "a size with a zero before": f"{name}\n0{true.size}\n{root}\n",
        "a size with a letter behind": f"{name}\n{true.size}x\n{root}\n",
        "a size with a plus": f"{name}\n+{true.size}\n{root}\n",
        "a size of 2^63": f"{name}\n{2**63}\n{root}\n",
        "a size of 0 and a root": f"{name}\n0\n{root}\n",
        "a root of nothing and a size": f"{name}\n{true.size}\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
        "a root of 31 bytes": f"{name}\n{true.size}\n{b64encode(true.root[:31]).decode()}\n",
        "another origin": f"{name}/x\n{true.size}\n{root}\n",
    }
    return [Fails.checkpoint(f"a checkpoint with {fault}", _signed(text)) for fault, text in texts.items()]


# -- keys of the log that were replaced --------------------------------------------------------------------------------


def _empty() -> Vector:
    """Return the tree head of an empty log, which no witness has co-signed."""
    root = b64encode(EMPTY_TREE.root()).decode()
    return failing(5, 8, unchecked=(3, 10, 11, 12))(
        "a checkpoint of nothing", _signed(f"{LOG.verifying_key.name}\n0\n{root}\n")
    )


def _replaced(*ends: tuple[SeedSigner, int]) -> tuple[Patch, ...]:
    """Trust the next key of the log, and these earlier ones up to a size."""
    earlier = [{"key": signer.verifying_key.vkey(), "until": until} for signer, until in ends]
    return (*put("/log_key", NEXT_LOG.verifying_key.vkey()), *put("/earlier_log_keys", earlier))


def _replaced_keys() -> list[Vector]:
    """Return notes by the example's key, in the eyes of somebody who knows that another one has replaced it."""
    size, text, between = ledger().checkpoint.size, parse_note(ledger().note).text, BETWEEN
    good, bad = _line_of(NEXT_LOG, NEXT_LOG.sign(text.encode())), _line_of(NEXT_LOG, bytes(64))
    spoiled, another = _line_of(LOG, bytes(64)), NEXT_LOG.verifying_key.vkey()
    cosigned = "".join(line.line() for line in parse_note(ledger().note).signatures[1:])

    until_here = _replaced((LOG, size))
    return [
        Vector("an earlier key of the log, until this size", trust=until_here),
        by_no_key_of_the_log("an earlier key of the log, until one entry fewer", trust=_replaced((LOG, size - 1))),
        by_no_key_of_the_log("a trust file of another key of the log", trust=put("/log_key", another)),
        by_no_key_of_the_log(
            "a trust file of another key of the log, and a case",
            of="whole",
            unchecked=(2, 3, 5, 6, 7, 8, 9),
            conformity="not_checked",
            completeness="not_checked",
            trust=put("/log_key", another),
        ),
        by_no_key_of_the_log(
            "a trust file of another key of the log, and an absence",
            of="absent",
            unchecked=(2, 3, 5, 6, 7),
            completeness="not_checked",
            trust=put("/log_key", another),
        ),
        by_no_key_of_the_log("a note without the log's line", put("/note", f"{text}\n{cosigned}")),
        by_no_key_of_the_log("a note of another origin, without the log's line", put("/note", f"x{text}\n{cosigned}")),
        Fails.checkpoint("a note without the log's line, of four lines", put("/note", f"{text}more\n\n{cosigned}")),
        Vector("an earlier key of the log, behind another one", trust=_replaced((between, size), (LOG, size))),
        Vector("lines of an earlier key and of the log's key", _with_line(good), trust=until_here),
        Fails.checkpoint(
            "lines of an earlier key and of the log's key, which does not hold", _with_line(bad), trust=until_here
        ),
        Vector(
            "lines of the log's key and of an earlier one, which does not hold",
            _with_line(good + spoiled, 1, 2),
            trust=until_here,
        ),
        Fails.checkpoint(
            "lines of two earlier keys, of which the first does not hold",
            _with_line(_line_of(between, bytes(64))),
            trust=_replaced((between, size), (LOG, size)),
        ),
        Vector(
            "lines of two earlier keys, of which the first does not hold, nor count for this size",
            _with_line(_line_of(between, bytes(64))),
            trust=_replaced((between, size - 1), (LOG, size)),
        ),
    ]


def _faulty_log_keys() -> list[Vector]:
    size, key = ledger().checkpoint.size, LOG.verifying_key
    of_witness = VerifyingKey(key.name, SignatureType.COSIGNATURE_V1, key.public_key).vkey()
    return [
        distrusted("earlier keys of the log out of order", trust=_replaced((BETWEEN, size + 1), (LOG, size))),
        distrusted("an earlier key of the log that is its key", trust=_replaced((NEXT_LOG, size))),
        distrusted("an earlier key of the log twice", trust=_replaced((LOG, size), (LOG, size))),
        distrusted("a witness's type of key as the log's", trust=put("/log_key", of_witness)),
        distrusted("another key id than the log's key has", trust=put("/log_key", key.vkey().replace("+", "+0", 1))),
        distrusted(
            "a witness's type of key as an earlier one of the log",
            trust=put("/earlier_log_keys", [{"key": of_witness, "until": size}]),
        ),
        distrusted(
            "an earlier key of the log by another name",
            trust=put("/earlier_log_keys", [{"key": _named("another.example"), "until": size}]),
        ),
        distrusted(
            "an earlier key of the log that is a witness's",
            trust=put(
                "/earlier_log_keys", [{"key": _named(key.name, WITNESS.verifying_key.public_key), "until": size}]
            ),
        ),
    ]


def _named(name: str, public_key: bytes = BETWEEN.verifying_key.public_key) -> str:
    return VerifyingKey(name, SignatureType.ED25519, public_key).vkey()


# -- secp256k1 ---------------------------------------------------------------------------------------------------------


def _secp256k1() -> list[Vector]:
    """Return entries that the log has with another spelling of their signature."""
    true = bytes.fromhex(ledger().entries[REGISTERED].envelope.signature[2:])
    r, s, v = true[:32], int.from_bytes(true[32:64]), true[64]
    twin = r + (SECP256K1_ORDER - s).to_bytes(32)
    signatures = {
        "with n - s": twin + bytes([55 - v]),
        "with v of 0 or 1": true[:64] + bytes([v - 27]),
        "with the other v": true[:64] + bytes([55 - v]),
        "with v of EIP-155": true[:64] + bytes([v + 10]),
        "of 64 bytes": true[:64],
        "of 66 bytes": true + b"\0",
        "of 1 byte": b"\x1b",
        "with r of 0": bytes(32) + true[32:],
        "with r of n": SECP256K1_ORDER.to_bytes(32) + true[32:],
        "with s of 0": r + bytes(32) + bytes([v]),
        "with s of n": r + SECP256K1_ORDER.to_bytes(32) + bytes([v]),
    }
    return [Fails.signature(f"a signature {name}", _entry_signed(signature)) for name, signature in signatures.items()]


def _entry_signed(signature: bytes) -> tuple[Patch]:
    entries = example.entries()
    shown = entries[REGISTERED]
    entries[REGISTERED] = replace(shown, envelope=with_fields(shown.envelope, signature="0x" + signature.hex()))
    return whole(example.Ledger(entries).bundle(REGISTERED))
