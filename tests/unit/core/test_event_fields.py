"""Fields of bodies, derived from their types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import Struct, to_builtins

from ledger.core.errors import MalformedInput
from ledger.core.events import EVENT_TYPES, handover
from ledger.core.events.case import CaseOpened, MeasureImposed, PersonNamed
from ledger.core.events.fields import ABSENT, Field, ValueType, field_of, fields_of, value_at
from ledger.core.events.item import ItemPart, ItemRegistered, ItemSplit
from ledger.core.events.record import IncidentRecorded
from ledger.core.events.registry import AgencyAdmitted
from ledger.core.events.terms import CLOSED, TABLE_OF, Quantity
from tests.testkit.builders import sample_body


def of(struct: type[Struct], name: str) -> Field:
    field = field_of(struct, name)
    assert field is not None
    return field


@pytest.mark.parametrize(
    ("body", "name", "expected"),
    [
        (CaseOpened, "case_number", ValueType("line", longest=100)),
        (CaseOpened, "stage", ValueType("word", vocabulary="stage")),
        (CaseOpened, "procedure", ValueType("id", names="procedure")),
        (MeasureImposed, "started_at", ValueType("moment")),
        (MeasureImposed, "until", ValueType("day")),
        (MeasureImposed, "ground", ValueType("text", longest=4000)),
        (PersonNamed, "particulars", ValueType("texts")),
        (ItemRegistered, "quantity", ValueType("quantity", part=Quantity)),
        (ItemRegistered, "fungible", ValueType("yes_no")),
        (ItemRegistered, "digests", ValueType("digest")),
        (AgencyAdmitted, "kind", ValueType("line", vocabulary="agency_kind")),
        (AgencyAdmitted, "number", ValueType("whole")),
    ],
)
def test_the_type_of_a_field_says_what_its_value_is(body: type[Struct], name: str, expected: ValueType) -> None:
    """A kind of text, an id with what it names, a word with its vocabulary: each follows from the annotation alone."""
    assert of(body, name).type == expected


def test_a_choice_has_its_words_and_the_name_of_their_labels() -> None:
    """A closed vocabulary that fields share has a name; one of a single type has none. Another type's field is none."""
    kind = of(handover.DiscrepancyRaised, "kind").type
    assert (kind.kind, kind.vocabulary) == ("choice", "discrepancy_kind")
    assert "quantity" in kind.words
    assert of(IncidentRecorded, "kind").type.vocabulary is None
    assert field_of(CaseOpened, "seal_number") is None


def test_a_list_has_its_limits_and_parts_have_fields_of_their_own() -> None:
    """A split has at least two parts, and a part's fields are read like those of a body."""
    parts = of(ItemSplit, "parts")
    assert (parts.is_list, parts.least, parts.most, parts.type.part) == (True, 2, 1000, ItemPart)
    assert of(ItemPart, "quantity").is_required
    assert not of(ItemPart, "money").is_required


def test_every_field_of_every_event_type_has_a_kind() -> None:
    """No body has a field that a form could not ask for, and each word's vocabulary is in the procedures."""
    for row in EVENT_TYPES.values():
        waiting = [row.body]
        for struct in waiting:
            for field in fields_of(struct):
                if field.type.kind == "word":
                    assert field.type.vocabulary in TABLE_OF
                if field.type.kind == "choice" and field.type.vocabulary is not None:
                    assert field.type.vocabulary in CLOSED
                if field.type.kind == "part":
                    assert field.type.part is not None
                    waiting.append(field.type.part)


def test_a_type_that_no_form_could_ask_for_is_refused() -> None:
    """A body with a field of another type is a mistake of whoever writes it, shown where it is looked at."""

    class Odd(Struct):
        number: float

    with pytest.raises(AssertionError, match="no field of a body"):
        fields_of(Odd)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path and the text of each single value within a body, as a correction has them."""
    match value:
        case dict():
            for name, inner in value.items():
                yield from leaves(inner, f"{path}.{name}" if path else name)
        case list() | tuple():
            for place, inner in enumerate(value):
                yield from leaves(inner, f"{path}[{place}]")
        case bool():
            yield path, str(value).lower()
        case _:
            yield path, str(value)


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_each_value_that_a_body_has_is_one_that_its_field_can_have(event_type: str) -> None:
    """At its own path, whatever it is part of; one that may be left out may be corrected to nothing."""
    body = sample_body(event_type, full=True)
    for path, text in leaves(to_builtins(body)):
        value = value_at(type(body), path)
        assert value is not None, path
        value.require(text, where=path)


def test_what_is_no_single_value_has_no_type() -> None:
    """Neither lists, parts and named texts, nor what a body or a part has not."""
    paths = ("quantity", "digests", "particulars", "digests[x]", "digests.0", "description.first", "amount", "")
    assert [value_at(ItemRegistered, path) for path in paths] == [None] * len(paths)


@pytest.mark.parametrize(
    ("path", "text"),
    [("quantity.value", "two"), ("fungible", "yes"), ("dossier.pages", "-1"), ("quantity.value", ABSENT)],
)
def test_a_text_of_another_type_is_refused(path: str, text: str) -> None:
    """A decimal, a truth, a whole number and a value that must be there, each by the field that is at fault."""
    value = value_at(ItemRegistered, path)
    assert value is not None
    with pytest.raises(MalformedInput) as refusal:
        value.require(text, where="correct")
    assert refusal.value.field == "correct"
    lacking = value_at(ItemRegistered, "seal_number")
    assert lacking is not None
    lacking.require(ABSENT, where="correct")
