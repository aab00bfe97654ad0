"""What a receiver says of items, read from options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pytest

from ledger.cli.commands.handover import acceptance, transfer_list
from ledger.core.errors import MalformedInput


def item(_item_id: str, **fields: Any) -> dict[str, Any]:
    """Return an item that is counted in grams."""
    return {"quantity": {"value": "10", "unit": "gram"}, "money": None, "digests": ()} | fields


def received(
    *differing: str, files: Mapping[str, Sequence[str]] | None = None, **recorded: Any
) -> list[dict[str, Any]]:
    """What is received where these differ and every item is as recorded."""
    return acceptance((), differing, (), item_of=partial(item, **recorded), files=files)["received"]


def test_differences_of_one_item_come_together() -> None:
    """What was found of an item is one line; it is a mismatch unless it is said to match. As listed is a match."""
    differing = ("item-1:quantity=9", "item-1:condition=wet, torn", "item-2:match_result=match", "item-2:remark=a=b")
    differing = (*differing, "item-3:digest=blake3:00", "item-3:digest=sha256:11")
    assert acceptance(("item-4",), differing, (), item_of=item)["received"] == [
        {"item_id": "item-4", "match_result": "match"},
        {
            "item_id": "item-1",
            "match_result": "mismatch",
            "quantity": {"value": "9", "unit": "gram"},
            "condition": "wet, torn",
        },
        {"item_id": "item-2", "match_result": "match", "remark": "a=b"},
        {"item_id": "item-3", "match_result": "mismatch", "digests": ["blake3:00", "sha256:11"]},
    ]


def test_a_sum_names_its_currency_or_has_that_of_the_record() -> None:
    """As amounts are written elsewhere, in the main unit."""
    lines = received("item-1:money=2900.50", "item-2:money=80:USD", money={"amount": 1, "currency": "CNY"})
    assert [line["money"] for line in lines] == [
        {"amount": 290_050, "currency": "CNY"},
        {"amount": 8000, "currency": "USD"},
    ]


def test_quantity_names_its_unit_or_has_that_of_the_record() -> None:
    """A unit that is given is taken; the record is asked only where none is."""
    lines = acceptance((), ("item-1:quantity=12.5:litre",), (), item_of=lambda _item_id: pytest.fail("not to be asked"))
    assert lines["received"][0]["quantity"] == {"value": "12.5", "unit": "litre"}


@pytest.mark.parametrize(
    ("recorded", "match_result"), [(("sha256:11",), "match"), (("sha256:22",), "mismatch"), ((), "match")]
)
def test_files_are_held_against_the_record(recorded: tuple[str, ...], match_result: str) -> None:
    """The digests of an item's file are stated, and match where the record does not contradict them.

    What is found otherwise stays a mismatch, however the file is.
    """
    files = {"item-1": ("sha256:11", "blake3:00")}
    line = {"item_id": "item-1", "match_result": match_result, "digests": ["sha256:11", "blake3:00"]}
    assert received(files=files, digests=recorded) == [line]
    wet = line | {"match_result": "mismatch", "condition": "wet"}
    assert received("item-1:condition=wet", files=files, digests=recorded) == [wet]


def test_a_list_says_what_it_names_and_what_stays() -> None:
    """Each item is one line, in the order in which it was named."""
    listed = ("house:condition=empty", "item-1:quantity=9")
    assert transfer_list(("item-1", "item-2"), ("house",), listed, item_of=item) == [
        {"item_id": "item-1", "quantity": {"value": "9", "unit": "gram"}},
        {"item_id": "item-2"},
        {"item_id": "house", "stays": True, "condition": "empty"},
    ]


def test_not_accepted_with_what_was_found() -> None:
    """An item that stays has its reason, a text where one is given, and what was found of it."""
    kept = ("item-1=items_differ:nine of ten", "item-2=seal_broken")
    nine = {"reason_code": "items_differ", "explanation": "nine of ten", "quantity": {"value": "9", "unit": "gram"}}
    assert acceptance((), ("item-1:quantity=9",), kept, item_of=item) == {
        "received": [],
        "not_accepted": [{"item_id": "item-1"} | nine, {"item_id": "item-2", "reason_code": "seal_broken"}],
    }


def test_photographs_show_what_differs() -> None:
    """Each picture's digests stand with its item, which differs or is not accepted; a pictured item is no match."""
    photographs = [
        ("item-1", ("sha256:11",)),
        ("item-1", ("sha256:22",)),
        ("item-2", ("sha256:33",)),
        ("item-3", ("sha256:44",)),
    ]
    assert acceptance((), ("item-1:remark=wet",), ("item-3=seal_broken",), item_of=item, photographs=photographs) == {
        "received": [
            {
                "item_id": "item-1",
                "match_result": "mismatch",
                "remark": "wet",
                "photographs": ["sha256:11", "sha256:22"],
            },
            {"item_id": "item-2", "match_result": "mismatch", "photographs": ["sha256:33"]},
        ],
        "not_accepted": [{"item_id": "item-3", "reason_code": "seal_broken", "photographs": ["sha256:44"]}],
    }


@pytest.mark.parametrize(
    ("differing", "kept", "option"),
    [
        ("item-1", "", "--found"),
        ("item-1:quantity", "", "--found"),
        ("item-1:quantity=many", "", "--found"),
        ("item-1:colour=red", "", "--found"),
        (":quantity=9", "", "--found"),
        ("", "item-1", "--except"),
        ("item-1:condition=wet", "item-1=other", "--found"),
    ],
)
def test_other_forms_are_refused_under_their_option(differing: str, kept: str, option: str) -> None:
    """What cannot be read is told under the option that it was given with."""
    specs = ((text,) if text else () for text in (differing, kept))
    with pytest.raises(MalformedInput) as refused:
        acceptance((), *specs, item_of=item)
    assert refused.value.field == option
