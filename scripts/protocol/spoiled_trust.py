"""What the verifier trusts is another, or cannot be read."""

from __future__ import annotations

from ledger.core.log.notes import SeedSigner, SignatureType
from scripts.protocol import example
from scripts.protocol.example import WITNESS_LINES
from scripts.protocol.vector import NO_TRUST_FILE, Vector, plain, policy, put, without

ONE = WITNESS_LINES.splitlines()[0]
HIMSELF = SeedSigner.from_seed("himself.example", b"\x01" * 32, SignatureType.COSIGNATURE_V1)
OWN_LINE = f"witness w4 {HIMSELF.verifying_key.vkey()}\n"
NONE = policy(f"{WITNESS_LINES}quorum none\n")


def vectors() -> list[Vector]:
    refused = {
        "no witness asked for by a production ledger": NONE,
        "K: the log's key as a witness's": policy(f"{WITNESS_LINES}{OWN_LINE}group g 2 w1 w4\nquorum g\n"),
        "K: a witness's key in two lines": policy(f"{ONE}\n{ONE.replace('w1', 'w2', 1)}\nquorum w1\n"),
        "K: one address as anchor and registry": put("/chains/0/anchor", example.CHAIN.registry),
        "K: the ledger's own key as a contract": put("/service_key_id", example.CHAIN.anchor),
        "one chain twice, with the same anchor": put("/chains/-", plain(example.CHAIN)),
        "a threshold that is no word of a policy": policy(f"{WITNESS_LINES}group g constructor w1 w2 w3\nquorum g\n"),
        "a threshold of a name that objects inherit": policy(f"{WITNESS_LINES}group g __proto__ w1 w2 w3\nquorum g\n"),
        "a member of two groups": policy(f"{ONE}\ngroup a any w1\ngroup b any w1\nquorum a\n"),
        "a name used above its line": policy(f"quorum w1\n{ONE}\n"),
        "a carriage return in the policy": policy(f"{ONE}\r\nquorum w1\r\n"),
        "no quorum line": policy(f"{ONE}\n"),
        "a policy of another log": policy(
            f"log {SeedSigner.from_seed('x.example', b'9' * 32).verifying_key.vkey()}\n{ONE}\nquorum w1\n"
        ),
        "another origin": put("/origin", "another.example"),
        "no chains": without("/chains"),
        "development as a number": put("/development", 1),
    }
    return [
        *(Vector(name, NO_TRUST_FILE, trust=change) for name, change in refused.items()),
        Vector("an empty list of trusted blocks", "intact", trust=put("/chains/0/trusted_blocks", [])),
        Vector(
            "a comment, tabs and blanks",
            "intact",
            trust=policy("# whom we trust\n\n  " + WITNESS_LINES + "group two\t2 w1  w2 w3\nquorum\ttwo\n"),
        ),
        Vector(
            "no witness asked for by a development ledger",
            "not_yet_anchored",
            unchecked=(7, 10, 11, 12, 13),
            trust=(*NONE, *put("/development", True)),
        ),
    ]
