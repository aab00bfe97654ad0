"""RFC 3161 timestamps, good and not: optional evidence, so that no step but the time of step 13 tells them apart."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from scripts.protocol import example
from scripts.protocol.example import COSIGNED_AT, REGISTERED, SIGNED_AT
from scripts.protocol.stamping import Authority
from scripts.protocol.vector import Patch, Vector, ledger, put

TRUSTED, STRANGER = Authority("Example", 1000), Authority("Stranger", 2000)
STAMPED_AT = SIGNED_AT + 10
BY_STAMP = STAMPED_AT + 2  # the second after, and one of accuracy
BY_QUORUM = COSIGNED_AT + 6


def vectors() -> list[Vector]:
    text, proof = ledger().checkpoint.text(), example.bundle().proof
    good = TRUSTED.stamp(text, STAMPED_AT)
    longer = example.Ledger([*ledger().entries, *ledger().entries[-1:]])

    def stamped(response: bytes, of: str = proof) -> tuple[Patch]:
        return put("/timestamps", [{"proof": of, "response": b64encode(response).decode()}])

    def vector(
        name: str, file: tuple[Patch, ...], time: int = BY_QUORUM, root: x509.Certificate | None = None
    ) -> Vector:
        trusted = b64encode((root or TRUSTED.root).public_bytes(Encoding.DER)).decode()
        return Vector(f"timestamp: {name}", "intact", file=file, trust=put("/timestamp_roots", [trusted]), time=time)

    spoiled = good[:-1] + bytes([good[-1] ^ 1])
    nothing: list[Any] = [7]
    return [
        vector("of a known authority", stamped(good), BY_STAMP),
        vector("its certificates in another order", stamped(TRUSTED.stamp(text, STAMPED_AT, in_order=False)), BY_STAMP),
        vector("of a smaller tree", stamped(*_of_a_smaller_tree()), BY_STAMP),
        vector("later than the quorum", stamped(TRUSTED.stamp(text, COSIGNED_AT + 60))),
        vector(
            "earlier than the entry was signed, which is told",
            stamped(TRUSTED.stamp(text, SIGNED_AT - 400)),
            SIGNED_AT - 398,
        ),
        vector("of an authority that the trust file does not name", stamped(STRANGER.stamp(text, STAMPED_AT))),
        vector("of a root that signs something else", stamped(good), root=STRANGER.root),
        vector("C: a signature that does not hold", stamped(spoiled)),
        vector("C: of another text", stamped(TRUSTED.stamp(longer.checkpoint.text(), STAMPED_AT))),
        vector("C: of another log's checkpoint", stamped(good, longer.proof(REGISTERED))),
        vector("C: of nothing", stamped(b"")),
        vector("C: of no form", put("/timestamps", nothing)),
        Vector("timestamp: where no root is trusted", "intact", file=stamped(good), time=BY_QUORUM),
    ]


def _of_a_smaller_tree() -> tuple[bytes, str]:
    """The time that was proven first stays with the entry."""
    smaller = example.Ledger(ledger().entries[: REGISTERED + 1])
    return TRUSTED.stamp(smaller.checkpoint.text(), STAMPED_AT), smaller.proof(REGISTERED)
