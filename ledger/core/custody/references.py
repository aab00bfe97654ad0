"""References: ids that a body names, which a case must have, must not have yet, or which stand once in a list."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from ledger.core.errors import refuse
from ledger.core.messages import Term

T = TypeVar("T")


def look_up(entries: Mapping[str, T], key: str, noun: str, *, field: str | None = None) -> T:
    """Return the entry of a case that ``field`` of the body names, ``<noun>_id`` unless given.
    Raises RuleRefused (unknown_<noun>).
    """
    entry = entries.get(key)
    if entry is None:
        rule = "unknown_" + noun.replace(" ", "_")
        refuse(rule, "the case has no {noun} {key}", noun=Term("noun", noun), key=key, field=_field_of(noun, field))
    return entry


def require_known(entries: Mapping[str, object], ids: Iterable[str | None], noun: str, *, field: str) -> None:
    """Refuse (unknown_<noun>) ids that ``field`` of the body names and the case does not have; None names nothing."""
    for key in ids:
        if key is not None:
            look_up(entries, key, noun, field=field)


def require_new(entries: Collection[str], key: str, noun: str, *, field: str | None = None) -> None:
    """Refuse (duplicate_id) an id that is taken; ``field`` of the body has it, ``<noun>_id`` unless given."""
    if key in entries:
        refuse(
            "duplicate_id",
            "the {noun} {key} stands here already",
            noun=Term("noun", noun),
            key=key,
            field=_field_of(noun, field),
        )


def _field_of(noun: str, field: str | None) -> str:
    return f"body.{field or noun.replace(' ', '_') + '_id'}"


def require_distinct(ids: Iterable[str], noun: str, *, field: str) -> None:
    """Refuse (duplicate_id) a list that names one id twice."""
    distinct: set[str] = set()
    for key in ids:
        require_new(distinct, key, noun, field=field)
        distinct.add(key)
