"""Examples made from the record: the rows that a finding rests on, without anything that leads to a case or a person.

A model is read by every agency, and so are its examples. Words of procedures, numbers, days and times stay as they are;
every other text is replaced by a made-up one, the same by the same, so that rows still belong together.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import asdict, replace

from ledger.core.errors import MalformedInput
from ledger.supervision.models.conditions import EVIDENCE
from ledger.supervision.models.definition import Cel, Example, Model, text_of
from ledger.supervision.models.model_file import run_examples
from ledger.supervision.models.procedure_words import ProcedureWords
from ledger.supervision.runs.export_runs import Export, exported_session
from ledger.supervision.runs.query_session import Limits, QuerySession, quoted
from ledger.supervision.view_catalogue import view_columns

ROWS_AT_MOST: Final = 20  # of a case in a view: more would not fit into a model's file
MAX_NAME: Final = 200  # characters
_WORDS: Final = frozenset(  # the columns of the views whose texts are words, not of a case or a person
    (
        *("business_line", "case_type", "clock", "condition", "corrects_type", "currency", "disposal", "event_type"),
        *("kind", "kinds", "match_result", "measure", "outcome", "procedure", "purpose", "qualifying_ground"),
        *("reason_code", "relation", "remedy", "result", "role", "seal_state", "severity", "stage", "status"),
        *("trial", "unit"),
    )
)


class _Aliases:
    """Made-up texts in the place of the record's own: ``item1``, ``item2`` ..."""

    def __init__(self) -> None:
        self._aliases: dict[str, str] = {}
        self._counts: Counter[str] = Counter()

    def of(self, column: str, value: Any) -> Any:
        """Return what stands in the place of a value of this column; numbers, days and words are themselves."""
        if isinstance(value, list):
            return [self.of(column, part) for part in value]
        if not isinstance(value, str) or column in _WORDS:
            return value if isinstance(value, str | bool | int | Decimal) else text_of(value)
        if value not in self._aliases:
            name = re.sub(r"_ids?$|s$", "", column)
            self._counts[name] += 1
            self._aliases[value] = f"{name}{self._counts[name]}"
        return self._aliases[value]

    def in_key(self, text: str) -> str:
        """Return what stands in the place of a text of a finding's key."""
        return self._aliases.get(text, text)


class ExampleSource(Struct, frozen=True):
    """The finding that an example is made of, by its key, and the cases whose rows show it.

    ``raises`` says whether the model must find it.
    """

    key: dict[str, str]
    case_ids: tuple[str, ...]
    as_of: datetime
    raises: bool


def example_in_export(
    export: Export, model: Model, source: ExampleSource, limits: Limits, words: ProcedureWords
) -> dict[str, Any]:
    """Make an example from the rows of the finding's cases, as a model's file states it.

    What the model must not find, it finds in these rows as yet: its condition is to be changed.

    Raises MalformedInput if the rows of these cases alone do not show it: a model may compare it with others.
    """
    aliases = _Aliases()
    with exported_session(export, limits, model.procedures) as session:
        rows = {view: [*_rows(view, model, session, source, aliases)] for view in view_columns()}
    own = {name: aliases.in_key(text) for name, text in source.key.items()}
    example = Example(
        name=f"{'+' if source.raises else '-'} {' '.join(own.values())}"[:MAX_NAME],
        as_of=text_of(source.as_of),
        rows={view: of_view for view, of_view in rows.items() if of_view},
        raises=[],
    )
    (result,) = run_examples(replace(model, examples=(example,)), words)
    if own not in result.found:
        raise MalformedInput(
            "the rows of this case alone do not show it: write the example in the file", field="examples"
        )
    return asdict(replace(example, raises=[dict(key) for key in result.found if source.raises or key != own]))


def _rows(
    view: str, model: Model, session: QuerySession, source: ExampleSource, aliases: _Aliases
) -> Iterator[dict[str, Any]]:
    """Yield the rows of these cases in a view that the model reads: the columns that it names, in made-up texts."""
    condition = model.condition
    named = {*re.findall(r"[a-z_]+", model.query.sql), *model.lead.key, model.lead.supervised}
    if isinstance(condition, Cel):
        named |= {condition.view, *re.findall(r"[a-z_]+", condition.expression)}
    if view not in named or "case_id" not in view_columns()[view]:
        return
    asked = f"SELECT * FROM {quoted(view)} WHERE case_id = $case_id ORDER BY ALL LIMIT {ROWS_AT_MOST}"  # noqa: S608
    for case_id in sorted(source.case_ids):
        for row in session.rows(asked, {"case_id": case_id}, source.as_of):
            own = {name: value for name, value in row.items() if name in named and value is not None}
            yield {name: aliases.of(name, value) for name, value in own.items() if name != EVIDENCE}
