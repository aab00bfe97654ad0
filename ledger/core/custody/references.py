"""References: ids that a body names, which a case must have, must not have yet, or which stand once in a list."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TypeVar

from ledger.core.errors import refuse
from ledger.core.messages import Message, Term

T = TypeVar("T")


def look_up(
    entries: Mapping[str, T],
    key: str,
    noun: str,
    *,
    field: str | None = None,
    hint: Callable[[str], Message | None] = lambda _: None,
) -> T:
    """Return the entry of a case that ``field`` of the body names, ``<noun>_id`` unless given.
    Raises RuleRefused (unknown_<noun>), with what ``hint`` returns of the id.
    """
    entry = entries.get(key)
    if entry is None:
        rule, field = "unknown_" + noun.replace(" ", "_"), _field_of(noun, field)
        refuse(rule, "the case has no {noun} {key}", noun=Term("noun", noun), key=key, field=field, hint=hint(key))
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
