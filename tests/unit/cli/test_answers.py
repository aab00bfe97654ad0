"""What a receiver says of items, read from options."""

from __future__ import annotations

import pytest

from ledger.cli.acceptance import Acceptance, transfer_list
from ledger.core.errors import MalformedInput


def answer(
    *, received: tuple[str, ...] = (), differing: tuple[str, ...] = (), kept: tuple[str, ...] = ()
) -> Acceptance:
    """Build an answer where every item is counted in grams."""
    return Acceptance(received, differing, kept, unit_of=lambda _item_id: "gram")


def test_as_listed_matches() -> None:
    """An item received as listed is a match."""
    assert answer(received=("item-1",)).received == [{"item_id": "item-1", "match_result": "match"}]


def test_differences_of_one_item_come_together() -> None:
    """What was found of an item is one line; it is a mismatch unless it is said to match."""
    differing = ("item-1:quantity=9", "item-1:condition=wet, torn", "item-2:match_result=match", "item-2:remark=a=b")
    assert answer(differing=differing).received == [
        {
            "item_id": "item-1",
            "match_result": "mismatch",
            "quantity": {"value": "9", "unit": "gram"},
            "condition": "wet, torn",
        },
        {"item_id": "item-2", "match_result": "match", "remark": "a=b"},
    ]


def test_quantity_names_its_unit_or_has_that_of_the_record() -> None:
    """A unit that is given is taken; the record is asked only where none is."""
    lines = Acceptance((), ("item-1:quantity=12.5:litre",), (), unit_of=lambda _item_id: pytest.fail("not to be asked"))
    assert lines.received[0]["quantity"] == {"value": "12.5", "unit": "litre"}


def test_several_digests() -> None:
    """Digests of an item are listed in their order."""
    lines = answer(differing=("item-1:digest=blake3:00", "item-1:digest=sha256:11")).received
    assert lines[0]["digests"] == ["blake3:00", "sha256:11"]


@pytest.mark.parametrize(
    ("recorded", "match_result"),
    [(("sha256:11",), "match"), (("sha256:22",), "mismatch"), ((), "match")],
)
def test_files_are_held_against_the_record(recorded: tuple[str, ...], match_result: str) -> None:
    """The digests of an item's file are stated, and match where the record does not contradict them."""
    files = {"item-1": ("sha256:11", "blake3:00")}
    acceptance = Acceptance((), (), (), unit_of=str, files=files, recorded=lambda _item_id: recorded)
    assert acceptance.received == [
        {"item_id": "item-1", "match_result": match_result, "digests": ["sha256:11", "blake3:00"]}
    ]


def test_a_file_is_one_more_thing_that_is_said_of_an_item() -> None:
    """What is found otherwise stays a mismatch, however the file is."""
    acceptance = Acceptance((), ("item-1:condition=wet",), (), unit_of=str, files={"item-1": ("sha256:11",)})
    line = {"item_id": "item-1", "match_result": "mismatch", "condition": "wet", "digests": ["sha256:11"]}
    assert acceptance.received == [line]


def test_a_list_says_what_it_names_and_what_stays() -> None:
    """Each item is one line, in the order in which it was named."""
    listed = ("house:condition=empty", "item-1:quantity=9")
    assert transfer_list(("item-1", "item-2"), ("house",), listed, unit_of=lambda _item_id: "gram") == [
        {"item_id": "item-1", "quantity": {"value": "9", "unit": "gram"}},
        {"item_id": "item-2"},
        {"item_id": "house", "stays": True, "condition": "empty"},
    ]


def test_not_accepted_with_what_was_found() -> None:
    """An item that stays has its reason, a text where one is given, and what was found of it."""
    lines = answer(kept=("item-1=items_differ:nine of ten", "item-2=seal_broken"), differing=("item-1:quantity=9",))
    assert lines.received == []
    assert lines.not_accepted == [
        {
            "item_id": "item-1",
            "reason_code": "items_differ",
            "explanation": "nine of ten",
            "quantity": {"value": "9", "unit": "gram"},
        },
        {"item_id": "item-2", "reason_code": "seal_broken"},
    ]


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"differing": ("item-1",)}, "--found"),
        ({"differing": ("item-1:quantity",)}, "--found"),
        ({"differing": ("item-1:quantity=many",)}, "--found"),
        ({"differing": ("item-1:colour=red",)}, "--found"),
        ({"differing": (":quantity=9",)}, "--found"),
        ({"kept": ("item-1",)}, "--except"),
        ({"kept": ("item-1=no_such_reason",)}, "--except"),
        ({"kept": ("item-1=other",), "differing": ("item-1:condition=wet",)}, "--found"),
    ],
)
def test_other_forms_are_refused_under_their_option(given: dict[str, tuple[str, ...]], option: str) -> None:
    """What cannot be read is told under the option that it was given with."""
    with pytest.raises(MalformedInput) as refused:
        answer(**given)
    assert refused.value.field == option
