"""Pseudonyms of persons that are the same for all agencies of a jurisdiction, by blinded evaluation (RFC 9497).

The supervising agency has the key and sees no number; who asks has the numbers and learns no key. Either can work out
the pseudonym of a number that it has: who asks by asking again, the holder of the key by itself.

A request may travel as a file: it has blinded elements alone. Its secret, 32 bytes, stays with who asks, and makes its
blinds again when the answer comes.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Annotated

from blake3 import blake3
from msgspec import Meta, Struct

from ledger.core.encoding import canonical
from ledger.core.errors import MalformedInput

BATCH = 1000  # elements under one proof
MAX_ELEMENTS = 1_000_000  # of a request
PSEUDONYM = 32  # hex digits, as those of a person's id
_INFO = b"tallystick pseudonyms v1"

Element = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Proof = Annotated[str, Meta(pattern=r"^[0-9a-f]{128}\Z")]


class PseudonymRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Blinded persons, from which nobody can tell who they are."""

    elements: Annotated[tuple[Element, ...], Meta(min_length=1, max_length=MAX_ELEMENTS)]


class PseudonymAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """The evaluations under the key with this public key, in the order of the request, with a proof of each batch."""

    public_key: Element
    elements: Annotated[tuple[Element, ...], Meta(min_length=1, max_length=MAX_ELEMENTS)]
    proofs: Annotated[tuple[Proof, ...], Meta(min_length=1)]


class PseudonymKey:
    """The key of a supervising agency: 32 secret bytes, from which the scalar is derived."""

    def __init__(self, seed: bytes):
        from ledger.interchange.imports import oprf

        self._key = oprf.derive_key(seed, _INFO)

    @property
    def public(self) -> str:
        """Return the public key in hex, which others compare answers with."""
        from ledger.interchange.imports import oprf

        return oprf.public_key(self._key).hex()

    def answer(self, request: PseudonymRequest) -> PseudonymAnswer:
        """Evaluate a request. Raises MalformedInput for what is no element of the group."""
        from ledger.interchange.imports import oprf

        elements, proofs = list[str](), list[str]()
        for batch in _batches(tuple(map(bytes.fromhex, request.elements))):
            evaluated, proof = oprf.evaluate(self._key, batch)
            elements += [element.hex() for element in evaluated]
            proofs.append(proof.hex())
        return PseudonymAnswer(self.public, tuple(elements), tuple(proofs))

    def pseudonym(self, identity: Sequence[str]) -> str:
        """Return the pseudonym of a person whose number the holder of the key has itself."""
        from ledger.interchange.imports import oprf

        return oprf.output_of(self._key, person_input(identity)).hex()[:PSEUDONYM]


def person_input(identity: Sequence[str]) -> bytes:
    """Spell the number of a person so that all agencies spell it alike: width, capitals and spaces do not matter."""
    plain = ("".join(unicodedata.normalize("NFKC", part).split()).upper() for part in identity)
    return canonical.encode(["person", *plain])


def request_of(persons: Sequence[Sequence[str]], secret: bytes) -> PseudonymRequest:
    """Blind the numbers of different persons under a secret of 32 bytes that is used for no other request."""
    from ledger.interchange.imports import oprf

    elements = (
        oprf.blind_input(person_input(identity), _blind(secret, index)).hex() for index, identity in enumerate(persons)
    )
    return PseudonymRequest(tuple(elements))


def pseudonyms(
    persons: Sequence[Sequence[str]], secret: bytes, answer: PseudonymAnswer, *, public_key: str
) -> list[str]:
    """Return the pseudonyms of the persons of a request, in their order.

    Raises MalformedInput if the answer is not to this request, or not of the key with this public key: another key
    would mark who asked.
    """
    from ledger.interchange.imports import oprf

    if answer.public_key != public_key:
        message = "expected an answer of the key {public_key}, not of {answer.public_key}"
        raise MalformedInput(message, public_key=public_key, answer=answer, field="public_key")
    if len(answer.elements) != len(persons) or len(answer.proofs) != -(-len(persons) // BATCH):
        message = "expected {count} elements, each batch with its proof, not {given}"
        raise MalformedInput(message, count=len(persons), given=len(answer.elements), field="elements")
    inputs = [person_input(identity) for identity in persons]
    blinds = [_blind(secret, index) for index in range(len(persons))]
    evaluated = [bytes.fromhex(element) for element in answer.elements]
    outputs = list[bytes]()
    of_batches = zip(_batches(inputs), _batches(blinds), _batches(evaluated), answer.proofs, strict=True)
    for some_inputs, some_blinds, some_evaluated, proof in of_batches:
        outputs += oprf.finalize(
            some_inputs, some_blinds, some_evaluated, bytes.fromhex(proof), bytes.fromhex(public_key)
        )
    return [output.hex()[:PSEUDONYM] for output in outputs]


def _blind(secret: bytes, index: int) -> bytes:
    from ledger.interchange.imports import oprf

    return oprf.reduced(blake3(index.to_bytes(8, "big"), key=secret).digest(length=64))


def _batches(values: Sequence[bytes]) -> Iterable[Sequence[bytes]]:
    return (values[first : first + BATCH] for first in range(0, len(values), BATCH))
