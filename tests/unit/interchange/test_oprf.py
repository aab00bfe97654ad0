"""VOPRF(ristretto255, SHA-512): the vectors of RFC 9497, appendix A.1.2; no element, evaluation or proof of others."""

from __future__ import annotations

import pytest
import rbcl

from ledger.core.errors import MalformedInput
from ledger.interchange.imports import oprf

SEED, INFO = b"\xa3" * 32, b"test key"
KEY = "e6f73f344b79b379f1a0dd37e07ff62e38d9f71345ce62ae3a9bc60b04ccd909"
PUBLIC = "c803e2cc6b05fc15064549b5920659ca4a77b2cca6f04f6b357009335476ad4e"
BLINDS = (
    "64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706",
    "222a5e897cf59db8145db8d16e597e8facb80ae7d4e26d9881aa6f61d645fc0e",
)
OUTPUTS = (
    "b58cfbe118e0cb94d79b5fd6a6dafb98764dff49c14e1770b566e42402da1a7d"
    "a4d8527693914139caee5bd03903af43a491351d23b430948dd50cde10d32b3c",
    "8a9a2f3c7f085b65933594309041fc1898d42d0858e59f90814ae90571a6df60"
    "356f4610bf816f27afdd84f47719e480906d27ecd994985890e5f539e7ea74b6",
)
# Inputs, blinds, blinded and evaluated elements, proof, the proof's scalar, outputs.
VECTORS = (
    (
        ["00"],
        BLINDS[:1],
        ["863f330cc1a1259ed5a5998a23acfd37fb4351a793a5b3c090b642ddc439b945"],
        ["aa8fa048764d5623868679402ff6108d2521884fa138cd7f9c7669a9a014267e"],
        "ddef93772692e535d1a53903db24367355cc2cc78de93b3be5a8ffcc6985dd06"
        "6d4346421d17bf5117a2a1ff0fcb2a759f58a539dfbe857a40bce4cf49ec600d",
        BLINDS[1],
        OUTPUTS[:1],
    ),
    (
        ["5a" * 17],
        BLINDS[:1],
        ["cc0b2a350101881d8a4cba4c80241d74fb7dcbfde4a61fde2f91443c2bf9ef0c"],
        ["60a59a57208d48aca71e9e850d22674b611f752bed48b36f7a91b372bd7ad468"],
        "401a0da6264f8cf45bb2f5264bc31e109155600babb3cd4e5af7d181a2c9dc0a"
        "67154fabf031fd936051dec80b0b6ae29c9503493dde7393b722eafdf5a50b02",
        BLINDS[1],
        OUTPUTS[1:],
    ),
    (
        ["00", "5a" * 17],
        BLINDS,
        [
            "863f330cc1a1259ed5a5998a23acfd37fb4351a793a5b3c090b642ddc439b945",
            "90a0145ea9da29254c3a56be4fe185465ebb3bf2a1801f7124bbbadac751e654",
        ],
        [
            "aa8fa048764d5623868679402ff6108d2521884fa138cd7f9c7669a9a014267e",
            "cc5ac221950a49ceaa73c8db41b82c20372a4c8d63e5dded2db920b7eee36a2a",
        ],
        "cc203910175d786927eeb44ea847328047892ddf8590e723c37205cb74600b0a"
        "5ab5337c8eb4ceae0494c2cf89529dcf94572ed267473d567aeed6ab873dee08",
        "419c4f4f5052c53c45f3da494d2b67b220d02118e0857cdbcf037f9ea84bbe0c",
        OUTPUTS,
    ),
)


def hexed(values: list[bytes]) -> list[str]:
    return [value.hex() for value in values]


@pytest.mark.parametrize(("inputs", "blinds", "blinded", "evaluated", "proof", "scalar", "outputs"), VECTORS)
def test_the_vectors_of_the_standard(
    inputs: list[str],
    blinds: list[str],
    blinded: list[str],
    evaluated: list[str],
    proof: str,
    scalar: str,
    outputs: list[str],
) -> None:
    """Key, blinded element, evaluation, proof and output are those of the RFC, byte for byte."""
    key = oprf.derive_key(SEED, INFO)
    assert (key.hex(), oprf.public_key(key).hex()) == (KEY, PUBLIC)
    data, scalars = [list(map(bytes.fromhex, values)) for values in (inputs, blinds)]
    asked = [oprf.blind_input(*pair) for pair in zip(data, scalars, strict=True)]
    assert hexed(asked) == blinded
    answered, proven = oprf.evaluate(key, asked, chosen=bytes.fromhex(scalar))
    assert (hexed(answered), proven.hex()) == (evaluated, proof)
    assert hexed(oprf.finalize(data, scalars, answered, proven, bytes.fromhex(PUBLIC))) == list(outputs)
    assert hexed([oprf.output_of(key, value) for value in data]) == list(outputs)


def test_another_key_or_answer_is_not_taken() -> None:
    """Neither another key's, nor evaluations in another order, nor too few, nor a proof that was changed anywhere."""
    key, foreign_key = oprf.derive_key(SEED, INFO), oprf.derive_key(SEED, b"other")
    data, scalars = [b"a", b"b"], [oprf.random_scalar(), oprf.random_scalar()]
    asked = [oprf.blind_input(*pair) for pair in zip(data, scalars, strict=True)]
    answered, proof = oprf.evaluate(key, asked)
    public = oprf.public_key(key)
    assert oprf.finalize(data, scalars, answered, proof, public) == [oprf.output_of(key, value) for value in data]
    wrong = oprf.evaluate(foreign_key, asked)
    changed = [proof[:at] + bytes([proof[at] ^ 1]) + proof[at + 1 :] for at in (0, 33, 63)]
    tries = [
        (answered, proof, oprf.public_key(foreign_key)),
        (*wrong, public),
        (answered[::-1], proof, public),
        (answered[:1], proof, public),
        (answered, proof[:-1], public),
        (answered, b"\xff" * 64, public),
        *((answered, each, public) for each in changed),
    ]
    for evaluated, proven, under in tries:
        with pytest.raises(MalformedInput, match="no evaluations under the key"):
            oprf.finalize(data, scalars, evaluated, proven, under)


@pytest.mark.parametrize("element", [bytes(32), b"\xff" * 32, b"\x01" * 31, b""])
def test_what_is_no_element_is_not_evaluated(element: bytes) -> None:
    """The identity would give the same for all, and other bytes are no point of the group."""
    with pytest.raises(MalformedInput, match="no element of ristretto255"):
        oprf.evaluate(oprf.derive_key(SEED, INFO), [element])


def test_blinds_hide_and_differ() -> None:
    """The same input is another element each time, and the key's holder sees nothing else."""
    once, again = (oprf.blind_input(b"a", oprf.random_scalar()) for _ in range(2))
    assert once != again
    assert rbcl.crypto_core_ristretto255_is_valid_point(once)
