"""Files of procedures and models are parsed once in a process: tests read those that ship again and again."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from ledger.core.encoding.decoding import decode_toml
from ledger.core.procedure import package

if TYPE_CHECKING:
    from ruamel.yaml.events import Event

    from ledger.supervision.models.definition import Query

MOST_KEPT = 500  # texts of either kind


def parse_packages_once() -> None:
    """Let packages read the tables and the lines of a file of the same bytes from what was parsed before."""
    package.decode_toml = _tables  # type: ignore[assignment]
    positions = lru_cache(MOST_KEPT)(package.positions)
    package.positions = lambda text: dict(positions(text))


def parse_models_once() -> None:
    """Let models read the parts of a file from what was parsed of the same text before, and ask its query once."""
    from ledger.supervision.models import conditions, yaml_document

    parse = yaml_document._events
    if hasattr(parse, "parses_once"):
        return
    parsed: dict[str, tuple[Event, ...]] = {}

    def events(text: str) -> Iterator[Event]:
        if text in parsed:
            yield from parsed[text]
            return
        read = []
        # As the reader asks for them: what it refuses is not read further, and not kept.
        for event in parse(text):
            read.append(event)
            yield event
        if len(parsed) < MOST_KEPT:
            parsed[text] = tuple(read)

    events.parses_once = True  # type: ignore[attr-defined]
    yaml_document._events = events
    ask, asked = conditions._columns_of_sql, dict[str, dict[str, str]]()

    def columns(query: Query, values: Mapping[str, Any]) -> dict[str, str]:
        key = repr((query, sorted(values.items(), key=itemgetter(0))))
        if key not in asked and len(asked) < MOST_KEPT:
            asked[key] = ask(query, values)  # what it refuses is not kept
        return asked[key] if key in asked else ask(query, values)

    conditions._columns_of_sql = columns


def _tables(data: bytes, *, field: str) -> dict[str, Any]:
    """Give tables of the caller's own. Raises MalformedInput."""
    tables: dict[str, Any] = pickle.loads(_pickled(data, field))
    return tables


@lru_cache(MOST_KEPT)
def _pickled(data: bytes, field: str) -> bytes:
    return pickle.dumps(decode_toml(data, field=field))
