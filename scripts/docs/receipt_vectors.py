"""Vectors of COSE receipts: that of the example's item as it is and spoiled, and what a verifier must say of each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import cbor2
from msgspec.structs import replace

from ledger.core.log.cose_receipts import CoseReceipt, sign_receipt, thumbprint
from ledger.core.log.merkle import Hash
from ledger.core.log.notes import SeedSigner
from scripts.docs import example
from scripts.docs.example import LOG, REGISTERED, WITNESS

SHOWN = ["checked"] * 3
LEFT_OUT = ["not_checked"] * 4  # steps 4 to 7, of any receipt


class ReceiptVector(NamedTuple):
    """A receipt, the line of log.jsonl (from 0) that it is given with as its entry, and the status of each step."""

    name: str
    receipt: bytes
    steps: list[str]
    entry: int = REGISTERED

    def as_json(self) -> dict[str, Any]:
        verdict = "tampered" if "failed" in self.steps else "unverifiable"
        vector = {"name": self.name, "receipt": self.receipt.hex(), "entry": self.entry}
        return vector | {"verdict": verdict, "steps": self.steps + LEFT_OUT}


def receipt() -> CoseReceipt:
    """Return the receipt of the item's registration."""
    ledger = example.Ledger(example.entries())
    entry, path = ledger.entries[REGISTERED].data, ledger.paths[REGISTERED]
    return sign_receipt(entry, REGISTERED, ledger.checkpoint, path, LOG)


def vectors() -> list[ReceiptVector]:
    """Return all vectors: first what holds, then what fails in step 3, then what has another form."""
    return [*_of_this_form(), *_of_another_form()]


def encoded() -> bytes:
    """Encode the vectors as JSON, one a line."""
    lines = ",\n".join(json.dumps(vector.as_json()) for vector in vectors())
    return f"[\n{lines}\n]\n".encode()


def _of_this_form() -> Iterator[ReceiptVector]:
    good, root = receipt(), example.Ledger(example.entries()).checkpoint.root
    not_included, by_another_key = ["checked", "checked", "failed"], ["checked", "checked", "not_checked"]

    def failing(name: str, signer: SeedSigner | None = LOG, **changes: Any) -> ReceiptVector:
        """Change parts and sign again, or with no signer keep the signature."""
        changed = replace(good, **changes)
        if signer is not None:
            changed = replace(changed, signature=signer.sign(changed.signed_message(root)))
        return ReceiptVector(name, changed.encode(), not_included)

    yield ReceiptVector("as it is", good.encode(), SHOWN)
    yield ReceiptVector("with another entry", good.encode(), not_included, REGISTERED - 1)
    yield failing("another index", index=good.index - 1)
    yield failing("an index beyond the tree", index=good.size)
    yield failing("another size, not signed", None, size=good.size - 1)
    yield failing("a hash too few", hashes=good.hashes[:-1])
    yield failing("a hash too many", hashes=(*good.hashes, good.hashes[0]))
    yield failing("another hash", hashes=(Hash(bytes(32)), *good.hashes[1:]))
    yield failing("another stream as subject", subject="case/case-0000")
    yield failing("another origin as issuer", issuer="other.example/log")
    yield failing("another key id", key_id=bytes(32))._replace(steps=by_another_key)
    yield failing("signed by a witness", WITNESS)
    by_witness = failing("by a witness's key", WITNESS, key_id=thumbprint(WITNESS.verifying_key))
    yield by_witness._replace(steps=by_another_key)
    yield failing("a bit of the signature", None, signature=good.signature[:-1] + bytes([good.signature[-1] ^ 1]))
    checkpoint = example.Ledger(example.entries()).checkpoint
    yield failing("the log's signature of the checkpoint", None, signature=LOG.sign(checkpoint.text().encode()))


def _of_another_form() -> Iterator[ReceiptVector]:
    good, root = receipt().encode(), example.Ledger(example.entries()).checkpoint.root
    protected, unprotected, _, signature = cbor2.loads(good).value
    header, proof = dict(cbor2.loads(protected)), unprotected[396][-1][0]

    def malformed(name: str, data: bytes) -> ReceiptVector:
        return ReceiptVector(name, data, ["failed", "checked", "not_checked"])

    def signed(head: dict[int, Any] | bytes, proofs: Any = unprotected, payload: Any = None) -> bytes:
        encoded_head = head if isinstance(head, bytes) else cbor2.dumps(head, canonical=True)
        over_root = LOG.sign(cbor2.dumps(["Signature1", encoded_head, b"", root]))
        return cbor2.dumps(cbor2.CBORTag(18, [encoded_head, proofs, payload, over_root]), canonical=True)

    yield malformed("no tag", cbor2.dumps([protected, unprotected, None, signature], canonical=True))
    yield malformed("an attached payload", signed(header, payload=root))
    yield malformed("the algorithm Ed25519 of RFC 9864", signed(header | {1: -19}))
    yield malformed("another data structure", signed(header | {395: 2}))
    yield malformed("no tree size in the protected header", signed({key: header[key] for key in (1, 4, 15, 395)}))
    yield malformed("another tree size than in the proof", signed(header | {-70395: 11}))
    yield malformed("another protected header", signed(header | {16: "x"}))
    yield malformed("another claim", signed(header | {15: dict(header[15]) | {6: 1_767_225_600}}))
    yield malformed("no subject", signed(header | {15: {1: header[15][1]}}))
    yield malformed("headers in another order", signed(cbor2.dumps(dict(reversed(header.items())))))
    yield malformed("another unprotected header", signed(header, {**unprotected, 4: b"x"}))
    yield malformed("the proof twice", signed(header, {396: {-1: [proof, proof]}}))
    yield malformed("no proof", signed(header, {396: {-1: []}}))
    yield malformed("a list of indefinite length", good[:1] + b"\x9f" + good[2:] + b"\xff")
    yield malformed("a byte after it", good + b"\x00")
    yield malformed("cut off", good[:-1])
