"""A word that a vocabulary does not have is refused with those that it has."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, Struct

from ledger.core.encoding import canonical
from ledger.core.encoding.canonical import words_at
from ledger.core.errors import MalformedInput

Colour = Literal["red", "green"]
Size = Literal["small", "large"]


class Cup(Struct, tag="cup", tag_field="of"):
    kind: Colour
    handle: Size | None = None


class Bowl(Struct, tag="bowl", tag_field="of"):
    kind: Size
    depth: Annotated[int, Meta(ge=0)] = 0


class Shelf(Struct):
    things: tuple[Cup | Bowl, ...] = ()
    by_colour: dict[Colour, Size] = {}
    best: Annotated[Colour, Meta(description="the one in front")] | None = None
    pair: tuple[Size, Size] | None = None


@pytest.mark.parametrize(
    ("data", "path", "words"),
    [
        ({"best": "blue"}, ".best", ("red", "green")),
        ({"things": [{"of": "cup", "kind": "blue"}]}, ".things[0].kind", ("red", "green")),
        ({"things": [{"of": "cup", "handle": "blue"}]}, ".things[0].handle", ("small", "large")),
        ({"things": [{"of": "cup"}, {"of": "bowl", "kind": "blue"}]}, ".things[1].kind", ("small", "large")),
        ({"by_colour": {"red": "blue"}}, ".by_colour[...]", ("small", "large")),
        ({"pair": ["small", "blue"]}, ".pair[1]", ("small", "large")),
        (None, ".things[0].kind", ("red", "green", "small", "large")),
        ({"things": []}, ".things[0].kind", ("red", "green", "small", "large")),
        ({"things": []}, ".things[3].kind", ("red", "green", "small", "large")),
        ({}, ".things[0].depth", ()),
        ({}, ".no_such_field", ()),
        ({}, ".best.deeper", ()),
    ],
)
def test_the_words_are_those_of_the_type_at_the_path(data: Any, path: str, words: tuple[str, ...]) -> None:
    """Unions are told apart by the tag that was given; without one, the words of all are those to choose from."""
    assert words_at(Shelf, data, path) == words


@pytest.mark.parametrize(
    ("text", "field", "message"),
    [
        (b'{"best":"blue"}', "shelf.best", "Expected one of red, green, not 'blue'"),
        (b'{"best":"blue","rest":', "shelf.best", "Expected one of red, green, not 'blue'"),
        (b'{"things":[{"of":"bowl","kind":"red"}]}', "shelf.things[0].kind", "Expected one of small, large, not 'red'"),
    ],
)
def test_a_refusal_lists_the_words(text: bytes, field: str, message: str) -> None:
    """The refusal names the field, the words and the one that was given, though the rest be no JSON."""
    with pytest.raises(MalformedInput) as refusal:
        canonical.parse(text, msgspec.json.Decoder(Shelf), where="shelf")
    assert (refusal.value.field, refusal.value.message) == (field, message)
