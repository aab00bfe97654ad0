"""Registers hold what a case has of one kind, whatever its number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.custody.register import Register, RegisterChange

MANY = 2_000


def parity(value: int) -> tuple[str, ...]:
    """Marks of a number."""
    return ("even", "number") if value % 2 == 0 else ("number",)


def numbered(count: int) -> Register[int]:
    """A register of the numbers below ``count``."""
    return Register(parity) | {f"key-{number}": number for number in range(count)}


@pytest.mark.parametrize("count", [0, 1, 32, 33, MANY])
def test_entries_are_found_in_the_order_in_which_they_came(count: int) -> None:
    """By id, by mark and all of them, however many there are."""
    register = numbered(count)
    assert len(register) == count
    assert [*register.values()] == [*range(count)]
    assert register.marked("even") == [*range(0, count, 2)]
    assert [register[f"key-{number}"] for number in range(count)] == [*range(count)]
    assert [register.get(f"key-{number}") for number in range(count)] == [*range(count)]
    assert (register.get(f"key-{count}"), register.get(f"key-{count}", -1)) == (None, -1)
    assert f"key-{count}" not in register
    assert count not in register


def test_a_version_does_not_change() -> None:
    """What is entered or taken out stands in the new version alone."""
    register = numbered(MANY)
    added, less = register | {"new": 8}, register.without(["key-0", "key-8"])
    assert (len(register), len(added), len(less)) == (MANY, MANY + 1, MANY - 2)
    assert "new" not in register
    assert "key-8" in register
    assert register.marked("even")[4] == 8


@pytest.mark.parametrize("count", [4, 32, MANY])
def test_changes_are_told_between_any_two_versions(count: int) -> None:
    """With both sides, in order; nothing where there are none."""
    before = numbered(count)
    after = before.without(["key-1"]) | {"new": 5, "key-3": -3}
    assert after.changes(before) == [
        RegisterChange("key-1", 1, None),
        RegisterChange("key-3", 3, -3),
        RegisterChange("new", None, 5),
    ]
    assert after.changes(after) == []
    assert [change.after for change in before.changes(None)] == [*range(count)]


def test_a_key_that_is_not_there_is_told() -> None:
    """Looking a missing key up and removing it raise KeyError, as with a dict."""
    with pytest.raises(KeyError, match="nothing"):
        numbered(3)["nothing"]
    with pytest.raises(KeyError, match="nothing"):
        numbered(3).without(["nothing"])


def test_a_register_shows_its_entries() -> None:
    """For whoever reads a failed test."""
    assert repr(numbered(1)) == "Register({'key-0': 0})"


class Alike(str):
    """A key whose hash many share."""

    __slots__ = ()

    def __hash__(self) -> int:
        return -7


def test_keys_with_one_hash_are_kept_apart() -> None:
    """More of them than a leaf holds."""
    keys = [Alike(f"key-{number}") for number in range(60)]
    register = Register(parity) | {key: number for number, key in enumerate(keys)}
    assert [register[key] for key in keys] == [*range(60)]
    assert [*register.without(keys[:59])] == [keys[59]]


batches = st.dictionaries(st.integers(0, 80).map("key-{}".format), st.integers() | st.none(), max_size=6)


@given(st.lists(batches, max_size=60))
def test_a_register_is_a_dict(steps: list[dict[str, int | None]]) -> None:
    """Entering and taking out, several at once, lead where a dict would be, and to the marks of what is there."""
    register, expected = Register(parity), dict[str, int]()
    for step in steps:
        entered = {key: value for key, value in step.items() if value is not None}
        gone = [key for key, value in step.items() if value is None and key in expected]
        register, expected = register.without(gone) | entered, expected | entered
        expected = {key: value for key, value in expected.items() if key not in gone}
    assert [*register.items()] == [*expected.items()]
    for mark in ("even", "number"):
        marked = [value for value in expected.values() if mark in parity(value)]
        assert register.marked(mark) == marked
        assert register.is_marked(mark) or not marked
