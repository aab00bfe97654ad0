"""VOPRF(ristretto255, SHA-512) of RFC 9497, over the group of libsodium (docs/decisions/0038).

Whoever holds a key evaluates an input that it does not see, and proves that it used the key which it published:

    blinded = blind_input(data, scalar)            # who has the input
    evaluated, proof = evaluate(key, [blinded])    # who has the key
    (output,) = finalize([data], [scalar], evaluated, proof, public)

All values are bytes: scalars and elements of the group have 32, proofs and outputs 64.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha512

import rbcl

from ledger.core.errors import MalformedInput

ELEMENT = SCALAR = 32  # bytes
PROOF = 64
_CONTEXT = b"OPRFV1-\x01-ristretto255-SHA512"  # mode 1: verifiable
_BLOCK, _DIGEST = 128, 64  # bytes that SHA-512 takes in at once, and gives
_ZERO = bytes(SCALAR)


def derive_key(seed: bytes, info: bytes) -> bytes:
    """Derive a key from 32 secret random bytes (DeriveKeyPair)."""
    for counter in range(256):
        derive_input = seed + _framed(info) + bytes([counter])
        if (key := _hash_to_scalar(derive_input, b"DeriveKeyPair" + _CONTEXT)) != _ZERO:
            return key
    raise MalformedInput("no key can be derived from this seed", field="key")


def public_key(key: bytes) -> bytes:
    """Return the key that evaluations under ``key`` are verified with."""
    return bytes(rbcl.crypto_scalarmult_ristretto255_base(key))


def random_scalar() -> bytes:
    """Return a scalar that nobody can guess and that is not zero."""
    return bytes(rbcl.crypto_core_ristretto255_scalar_random())


def reduced(uniform: bytes) -> bytes:
    """Return 64 uniform bytes as a scalar."""
    return bytes(rbcl.crypto_core_ristretto255_scalar_reduce(uniform))


def blind_input(data: bytes, blind: bytes) -> bytes:
    """Return the element that the holder of the key is shown of the input (Blind)."""
    return bytes(rbcl.crypto_scalarmult_ristretto255(blind, _hash_to_group(data)))


def evaluate(key: bytes, blinded: Sequence[bytes], *, chosen: bytes | None = None) -> tuple[list[bytes], bytes]:
    """Evaluate the blinded inputs, and prove that the key was this one (BlindEvaluate).

    ``chosen`` is the random scalar of the proof, for test vectors alone: the key can be computed from two proofs with
    the same. Raises MalformedInput for what is no element.
    """
    for element in blinded:
        require_element(element)
    evaluated = [bytes(rbcl.crypto_scalarmult_ristretto255(key, element)) for element in blinded]
    public, scalar = public_key(key), chosen or random_scalar()
    combined, _ = _composites(public, blinded, evaluated)
    combined_evaluated = bytes(rbcl.crypto_scalarmult_ristretto255(key, combined))
    committed = bytes(rbcl.crypto_scalarmult_ristretto255_base(scalar))
    committed_combined = bytes(rbcl.crypto_scalarmult_ristretto255(scalar, combined))
    challenge = _challenge(public, combined, combined_evaluated, committed, committed_combined)
    response = rbcl.crypto_core_ristretto255_scalar_sub(
        scalar, rbcl.crypto_core_ristretto255_scalar_mul(challenge, key)
    )
    return evaluated, challenge + bytes(response)


def finalize(
    inputs: Sequence[bytes],
    blinds: Sequence[bytes],
    evaluated: Sequence[bytes],
    proof: bytes,
    public: bytes,
) -> list[bytes]:
    """Return the outputs of inputs that were blinded, in their order (Finalize).

    Raises MalformedInput if the evaluations are not those of all inputs under the key with this public key.
    """
    for element in (public, *evaluated):
        require_element(element)
    blinded = [blind_input(data, blind) for data, blind in zip(inputs, blinds, strict=True)]
    if len(evaluated) != len(blinded) or len(proof) != PROOF or not _is_proven(public, blinded, evaluated, proof):
        raise MalformedInput("these are no evaluations under the key {key}", key=public.hex(), field="proof")
    outputs = []
    for data, blind, element in zip(inputs, blinds, evaluated, strict=True):
        inverse = rbcl.crypto_core_ristretto255_scalar_invert(blind)
        outputs.append(_output(data, bytes(rbcl.crypto_scalarmult_ristretto255(inverse, element))))
    return outputs


def output_of(key: bytes, data: bytes) -> bytes:
    """Return the output of an input that the holder of the key has itself (Evaluate)."""
    return _output(data, bytes(rbcl.crypto_scalarmult_ristretto255(key, _hash_to_group(data))))


def require_element(element: bytes) -> None:
    """Raise MalformedInput for bytes that are no element of the group, or its identity."""
    if (
        len(element) != ELEMENT
        or element == bytes(ELEMENT)
        or not rbcl.crypto_core_ristretto255_is_valid_point(element)
    ):
        raise MalformedInput("{element} is no element of ristretto255", element=element.hex()[:64], field="elements")


def _output(data: bytes, element: bytes) -> bytes:
    return sha512(_framed(data) + _framed(element) + b"Finalize").digest()


def _is_proven(public: bytes, blinded: Sequence[bytes], evaluated: Sequence[bytes], proof: bytes) -> bool:
    challenge, response = proof[:SCALAR], proof[SCALAR:]
    if reduced(challenge + _ZERO) != challenge or reduced(response + _ZERO) != response:
        return False
    combined, combined_evaluated = _composites(public, blinded, evaluated)
    base = rbcl.crypto_scalarmult_ristretto255_base_allow_scalar_zero(response)
    committed = rbcl.crypto_core_ristretto255_add(base, _times(challenge, public))
    committed_combined = rbcl.crypto_core_ristretto255_add(
        _times(response, combined), _times(challenge, combined_evaluated)
    )
    return challenge == _challenge(public, combined, combined_evaluated, bytes(committed), bytes(committed_combined))


def _times(scalar: bytes, element: bytes) -> bytes:
    return bytes(rbcl.crypto_scalarmult_ristretto255_allow_scalar_zero(scalar, element))


def _composites(public: bytes, blinded: Sequence[bytes], evaluated: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Return one element for all blinded inputs, and one for all evaluations, so that one proof is of all."""
    seed = sha512(_framed(public) + _framed(b"Seed-" + _CONTEXT)).digest()
    combined = combined_evaluated = bytes(ELEMENT)  # the identity
    for index, (element, evaluation) in enumerate(zip(blinded, evaluated, strict=True)):
        transcript = _framed(seed) + index.to_bytes(2, "big") + _framed(element) + _framed(evaluation) + b"Composite"
        weight = _hash_to_scalar(transcript)
        combined = rbcl.crypto_core_ristretto255_add(combined, _times(weight, element))
        combined_evaluated = rbcl.crypto_core_ristretto255_add(combined_evaluated, _times(weight, evaluation))
    return bytes(combined), bytes(combined_evaluated)


def _challenge(*elements: bytes) -> bytes:
    return _hash_to_scalar(b"".join(map(_framed, elements)) + b"Challenge")


def _hash_to_group(data: bytes) -> bytes:
    uniform = _expand(data, b"HashToGroup-" + _CONTEXT)
    return bytes(rbcl.crypto_core_ristretto255_from_hash(uniform))


def _hash_to_scalar(data: bytes, tag: bytes = b"HashToScalar-" + _CONTEXT) -> bytes:
    return reduced(_expand(data, tag))


def _expand(data: bytes, tag: bytes) -> bytes:
    """Return 64 uniform bytes: expand_message_xmd of RFC 9380 with SHA-512, whose digest is as long."""
    ending = tag + bytes([len(tag)])
    first = sha512(bytes(_BLOCK) + data + _DIGEST.to_bytes(2, "big") + b"\x00" + ending).digest()
    return sha512(first + b"\x01" + ending).digest()


def _framed(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data
