"""Pseudonyms across agencies: who asks gets the same for a person as every other agency, and shows no number."""

from __future__ import annotations

import json

import msgspec
import pytest

from ledger.core.errors import MalformedInput
from ledger.interchange.imports import blinded
from ledger.interchange.imports.blinded import PseudonymAnswer, PseudonymKey, PseudonymRequest, pseudonyms, request_of

KEY = PseudonymKey(b"\x07" * 32)
PERSONS = [("11010519491231002X",), ("440524188001010014",), ("P 123",)]
SECRET = b"\x01" * 32


def test_two_agencies_come_to_the_same_pseudonyms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever they draw, in batches of any size, and however they write capitals, width and spaces; the holder of the
    key comes to the same by itself."""
    monkeypatch.setattr(blinded, "BATCH", 2)
    first = request_of(PERSONS, SECRET)
    written = [("11010519491231002x",), ("440524188001010014",), ("P\u3000123 ",)]
    second = request_of(written, b"\x02" * 32)
    assert not set(first.elements) & set(second.elements)
    ours, theirs = (
        pseudonyms(persons, secret, KEY.answer(asked), public_key=KEY.public)
        for persons, secret, asked in ((PERSONS, SECRET, first), (written, b"\x02" * 32, second))
    )
    assert ours == theirs == [KEY.pseudonym(identity) for identity in PERSONS]
    assert all(len(pseudonym) == 32 for pseudonym in ours)
    assert len(set(ours)) == 3


def test_a_request_has_nothing_of_a_number() -> None:
    """It is the elements alone, which differ with the secret."""
    text = msgspec.json.encode(request_of(PERSONS, SECRET))
    assert json.loads(text).keys() == {"elements"}
    assert not any(identity[0].encode() in text for identity in PERSONS)
    assert msgspec.json.decode(text, type=PseudonymRequest) == request_of(PERSONS, SECRET)


def test_an_answer_that_is_not_to_this_request_is_refused() -> None:
    """Of another key, although it proves itself; to fewer persons; to other persons; with the key's name alone."""
    answer, foreign_key = KEY.answer(request_of(PERSONS, SECRET)), PseudonymKey(b"\x08" * 32)
    tries: list[tuple[PseudonymAnswer, str]] = [
        (foreign_key.answer(request_of(PERSONS, SECRET)), "expected an answer of the key"),
        (KEY.answer(request_of(PERSONS[:2], SECRET)), "expected 3 elements"),
        (KEY.answer(request_of(PERSONS[::-1], SECRET)), "no evaluations under the key"),
        (
            msgspec.structs.replace(foreign_key.answer(request_of(PERSONS, SECRET)), public_key=KEY.public),
            "no evaluations",
        ),
        (msgspec.structs.replace(answer, proofs=answer.proofs * 2), "each batch with its proof"),
    ]
    for wrong, message in tries:
        with pytest.raises(MalformedInput, match=message):
            pseudonyms(PERSONS, SECRET, wrong, public_key=KEY.public)
