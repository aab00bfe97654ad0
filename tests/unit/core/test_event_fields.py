"""Fields of bodies, derived from their types."""

from __future__ import annotations

import pytest
from msgspec import Struct

from ledger.core.events import EVENT_TYPES, handover
from ledger.core.events.case import CaseOpened, MeasureImposed, PersonNamed
from ledger.core.events.fields import Field, ValueType, field_of, fields_of
from ledger.core.events.item import ItemPart, ItemRegistered, ItemSplit
from ledger.core.events.record import IncidentRecorded
from ledger.core.events.registry import AgencyAdmitted
from ledger.core.events.terms import CLOSED, TABLE_OF, Quantity


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
    """A closed vocabulary that fields share has a name; one of a single event type has none."""
    kind = of(handover.DiscrepancyRaised, "kind").type
    assert (kind.kind, kind.vocabulary) == ("choice", "discrepancy_kind")
    assert "quantity" in kind.words
    assert of(IncidentRecorded, "kind").type.vocabulary is None


def test_a_list_has_its_limits_and_parts_have_fields_of_their_own() -> None:
    """A split has at least two parts, and a part's fields are read like those of a body."""
    parts = of(ItemSplit, "parts")
    assert (parts.is_list, parts.least, parts.most, parts.type.part) == (True, 2, 1000, ItemPart)
    assert of(ItemPart, "quantity").is_required
    assert not of(ItemPart, "money").is_required


def test_a_field_that_is_not_there_is_none() -> None:
    """Whoever asks for the field of another event type gets none."""
    assert field_of(CaseOpened, "seal_number") is None


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
