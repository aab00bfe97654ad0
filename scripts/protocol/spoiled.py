"""The example's bundle and trust file, spoiled one place at a time, and what a verifier must say of each.

Written by hand from docs/protocol.md, not out of the code: tests/test_protocol.py holds both verifiers against it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ledger.core.note import SeedSigner, SignatureType
from scripts.protocol import example

NO_BUNDLE = "no bundle"
NO_TRUST_FILE = "no trust file"
WITNESS_LINE = f"witness w1 {example.WITNESS.verifying_key.vkey()}"
SECOND = SeedSigner.from_seed("witness.example/w2", b"\x03" * 32, SignatureType.COSIGNATURE_V1).verifying_key.vkey()
UNKNOWN_SIGNATURE = "— stranger.example/s AAAAAAA=\n"  # five bytes: a key id and one more
OTHER = "0x" + "00" * 32  # bytes that stand for none of the ledger's

Patch = dict[str, Any]  # an operation of RFC 6902


@dataclass(frozen=True)
class Spoiled:
    """Patches of the two files, the verdict, and the numbers of the steps that fail."""

    name: str
    verdict: str
    failing: tuple[int, ...] = ()
    bundle: tuple[Patch, ...] = ()
    trust: tuple[Patch, ...] = ()


def put(path: str, value: Any) -> tuple[Patch]:
    """One place with another value; a place that was not there is made ("add" of RFC 6902 does both in an object)."""
    return ({"op": "add", "path": path, "value": value},)


def without(path: str) -> tuple[Patch]:
    return ({"op": "remove", "path": path},)


def policy(text: str) -> tuple[Patch]:
    return put("/witness_policy", text)


def cases() -> list[Spoiled]:
    """Each case, in the order of the steps that it spoils."""
    return [*_of_the_form(), *_of_the_log(), *_of_authority_and_anchor(), *_of_the_trust_file()]


def _of_the_form() -> list[Spoiled]:
    """What is left out or spelled otherwise (step 1)."""
    lines = example.bundle().proof.splitlines(keepends=True)
    return [
        Spoiled("as it is", "intact"),
        Spoiled("what is not signed may be empty", "intact", bundle=put("/erased", [])),
        Spoiled("no anchor", "not_yet_anchored", bundle=without("/anchors")),
        Spoiled("an empty list of anchors", "not_yet_anchored", bundle=put("/anchors", [])),
        Spoiled("payload withheld", "unverifiable", bundle=without("/payload")),
        Spoiled("sections withheld", "intact", bundle=without("/sections")),
        Spoiled("authority left out", "unverifiable", bundle=without("/authority")),
        Spoiled("a field that is not listed", NO_BUNDLE, bundle=put("/remark", "x")),
        Spoiled("a field of the envelope that is not listed", NO_BUNDLE, bundle=put("/envelope/remark", "x")),
        Spoiled("half a surrogate pair", NO_BUNDLE, bundle=put("/payload/body/description", "\ud800")),
        Spoiled("a payload that is null", "tampered", (1,), bundle=put("/payload", None)),
        Spoiled("a text that is not in form C", "tampered", (1,), bundle=put("/payload/body/description", "e\u0301")),
        Spoiled("an empty list that section 2 leaves out", "tampered", (1,), bundle=put("/payload/body/digests", [])),
        Spoiled(
            "two extra lines",
            "tampered",
            (1,),
            bundle=put("/proof", lines[0] + "extra AA==\n" * 2 + "".join(lines[1:])),
        ),
    ]


def _of_the_log() -> list[Spoiled]:
    """Ledger, signature, payload, checkpoint, inclusion, witnesses and sections (steps 2 to 8)."""
    proof, signature = example.bundle().proof, example.entries()[-1].envelope.signature
    lines = proof.splitlines(keepends=True)
    return [
        Spoiled("another ledger", "tampered", (2,), bundle=put("/log_id", OTHER)),
        Spoiled(
            "another signature",
            "tampered",
            (3, 6),
            bundle=put("/envelope/signature", f"{signature[:10]}00{signature[12:]}"),
        ),
        Spoiled("another text", "tampered", (4,), bundle=put("/payload/body/description", "another telephone")),
        Spoiled("the note without its last newline", "tampered", (5,), bundle=put("/proof", proof[:-1])),
        Spoiled("a signature of nobody known", "tampered", (9,), bundle=put("/proof", proof + UNKNOWN_SIGNATURE)),
        Spoiled("another index", "tampered", (6,), bundle=put("/proof", proof.replace("index 3", "index 2"))),
        Spoiled("a hash too few", "tampered", (6,), bundle=put("/proof", "".join(lines[:2] + lines[3:]))),
        Spoiled("the co-signature twice", "tampered", (7, 9), bundle=put("/proof", proof + lines[-1])),
        Spoiled("another section", "tampered", (8,), bundle=put("/sections/narrative/fields/text", "x")),
        Spoiled(
            "a section that nobody committed to",
            "tampered",
            (8,),
            bundle=put("/sections/other", {"fields": {"text": "x"}, "salt": "00" * 16}),
        ),
    ]


def _of_authority_and_anchor() -> list[Spoiled]:
    """Grants, anchors and the state of the contracts (steps 9 to 12)."""
    return [
        Spoiled(
            "the grant in place of the admission",
            "tampered",
            (9,),
            bundle=({"op": "copy", "from": "/authority/grant", "path": "/authority/agency"},),
        ),
        Spoiled(
            "a revocation that is none",
            "tampered",
            (10,),
            bundle=({"op": "copy", "from": "/authority/grant", "path": "/authority/revocation"},),
        ),
        Spoiled("an anchor of another size", "tampered", (11,), bundle=put("/anchors/0/size", 5)),
        Spoiled(
            "a contract that the trust file does not name",
            "unverifiable",
            bundle=put("/anchors/0/contract", "0x" + "e3" * 20),
        ),
        Spoiled("an anchor in upper case", "tampered", (11,), bundle=put("/anchors/0/root", OTHER.replace("00", "AA"))),
        Spoiled(
            "another hash of a transaction, which enters no step",
            "intact",
            bundle=put("/anchors/0/anchored_in/transaction_hash", OTHER),
        ),
        Spoiled("the state left out", "intact", bundle=without("/anchors/0/proven_at")),
        Spoiled(
            "another value of a slot",
            "tampered",
            (12,),
            bundle=put("/anchors/0/proven_at/anchor/storage_proof/1/value", OTHER),
        ),
        Spoiled(
            "another block time",
            "tampered",
            (12,),
            bundle=put("/anchors/0/anchored_in/timestamp", example.ANCHORED_AT - 1),
        ),
    ]


def _of_the_trust_file() -> list[Spoiled]:
    """What the verifier trusts is another, or cannot be read."""
    return [
        Spoiled("contracts of other code", "tampered", (12,), trust=put("/chains/0/anchor_code_hash", OTHER)),
        Spoiled(
            "another hash of the trusted block", "tampered", (13,), trust=put("/chains/0/trusted_blocks/0/hash", OTHER)
        ),
        Spoiled("no trusted block", "intact", trust=without("/chains/0/trusted_blocks")),
        Spoiled("a trust file of another ledger", "tampered", (2, 3, 9), trust=put("/log_id", OTHER)),
        Spoiled(
            "no witness asked for by a production ledger", NO_TRUST_FILE, trust=policy(f"{WITNESS_LINE}\nquorum none\n")
        ),
        Spoiled(
            "a witness that did not sign",
            "unverifiable",
            trust=policy(f"{WITNESS_LINE}\nwitness w2 {SECOND}\ngroup g all w1 w2\nquorum g\n"),
        ),
        Spoiled(
            "a key in two lines",
            NO_TRUST_FILE,
            trust=policy(f"{WITNESS_LINE}\n{WITNESS_LINE.replace('w1', 'w2', 1)}\nquorum w1\n"),
        ),
        Spoiled(
            "a member of two groups",
            NO_TRUST_FILE,
            trust=policy(f"{WITNESS_LINE}\ngroup a any w1\ngroup b any w1\nquorum a\n"),
        ),
        Spoiled("a name used above its line", NO_TRUST_FILE, trust=policy(f"quorum w1\n{WITNESS_LINE}\n")),
        Spoiled("a carriage return in the policy", NO_TRUST_FILE, trust=policy(f"{WITNESS_LINE}\r\nquorum w1\r\n")),
        Spoiled(
            "a comment, tabs and blanks",
            "intact",
            trust=policy("# whom we trust\n\n  " + f"{WITNESS_LINE}\nquorum\tw1\n"),
        ),
    ]


def file() -> bytes:
    """The cases as JSON, what is empty left out."""
    told = [
        {"name": one.name, "verdict": one.verdict, "failing": list(one.failing)}
        | ({"bundle": list(one.bundle)} if one.bundle else {})
        | ({"trust": list(one.trust)} if one.trust else {})
        for one in cases()
    ]
    return (json.dumps(told, indent=1) + "\n").encode()
