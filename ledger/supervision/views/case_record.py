"""A case record: the steps of a case, each with the state before and after it and what its event mentions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from copy import copy
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property, lru_cache
from operator import attrgetter
from typing import Any, Literal, NamedTuple, Protocol

from msgspec import Struct

from ledger.core.custody import Act, CaseState, Flag, fold
from ledger.core.custody.spans import SpanCourse
from ledger.core.events import Body, Event
from ledger.core.procedure.adoption import Procedures
from ledger.core.procedure.rulebook import Rulebook
from ledger.supervision.view_catalogue import kept_kinds

Row = tuple[Any, ...]  # the values of a view's columns, in their order
Noun = Literal["item", "person", "handover", "measure", "custody_change", "discrepancy"]

# The nouns of fields; what they hold is one id, a list of ids, or a mapping by id.
_FIELDS: dict[str, Noun] = {
    "item_id": "item",
    "item_ids": "item",
    "person_id": "person",
    "person_ids": "person",
    "absent_person_ids": "person",
    "handover_id": "handover",
    "returns": "handover",
    "measure_id": "measure",
    "new_measure_id": "measure",
    "custody_change_id": "custody_change",
    "discrepancy_id": "discrepancy",
}


def mentions(body: Body) -> dict[Noun, tuple[str, ...]]:
    """Return everything that ``body`` names, wherever in it that stands: ids by noun, in its order, each once."""
    names_by_noun: dict[Noun, dict[str, None]] = {}
    for noun, name in _named(body):
        names_by_noun.setdefault(noun, {})[name] = None
    return {noun: tuple(names) for noun, names in names_by_noun.items()}


def _named(value: Struct) -> Iterator[tuple[Noun, str]]:
    for field in value.__struct_fields__:
        inner = getattr(value, field)
        noun = _FIELDS.get(field)
        for part in inner if isinstance(inner, tuple) else (inner,):
            if isinstance(part, Struct):
                yield from _named(part)
            elif noun is not None and isinstance(part, str):
                yield noun, part


class SourceEvent(Struct, frozen=True):
    """An event of the log, with its index."""

    log_index: int
    event: Event

    @property
    def body(self) -> Body:
        return self.event.body


class CaseStep(Struct, frozen=True):
    """An event with the case before and after it."""

    log_index: int
    event: Event
    before: CaseState | None
    after: CaseState
    flags: tuple[Flag, ...]
    named: Mapping[Noun, tuple[str, ...]]

    def first(self, noun: Noun) -> str | None:
        """Return the first id of this kind that the event names."""
        return next(iter(self.named.get(noun, ())), None)

    @property
    def body(self) -> Body:
        return self.event.body

    @property
    def digest(self) -> str:
        return self.event.payload_digest


class Acts(Protocol):
    """Make an act of an event, with the state that it cites of another case, and show a case with those whom it split
    off until another takes them over (as ``case_states.CaseStates`` does)."""

    @property
    def procedures(self) -> Callable[[], Procedures]:
        """Return what returns the procedures that the acts are judged by."""
        ...

    def act(self, before: CaseState | None, event: Event, *, index: int) -> Act: ...

    def shown(self, state: CaseState, below: int) -> CaseState: ...


class CaseRecord:
    """All steps of one case, and how it stands. Requires at least one event."""

    def __init__(self, steps: tuple[CaseStep, ...], state: CaseState, book: Rulebook, course: SpanCourse | None = None):
        """Make the record; ``state`` is that after the last step, as it is shown, and ``course`` that of some of the
        first steps, if it is known."""
        self.steps = steps
        self._known_course = course
        self.state = state
        self.case_id = self.state.case_id
        self.book = book
        self._steps_by_name: dict[tuple[Noun, str], list[CaseStep]] = defaultdict(list)
        for step in steps:
            for noun, names in step.named.items():
                for name in names:
                    self._steps_by_name[noun, name].append(step)

    @cached_property
    def course(self) -> SpanCourse:
        """Return the course of custody over all steps."""
        course = SpanCourse() if self._known_course is None else self._known_course.copy()
        for step in self.steps[course.events :]:
            course.add(step.event, step.before, step.after)
        return course

    def after(self, steps: int) -> CaseRecord:
        """Return the same case with those of its steps alone that follow the first ``steps``."""
        later = copy(self)
        later.steps = self.steps[steps:]
        return later

    def steps_naming(self, noun: Noun, name: str, *bodies: type[Body]) -> list[CaseStep]:
        """Return the steps whose events name it, only those of these types if some are given."""
        steps = self._steps_by_name.get((noun, name), [])
        return [step for step in steps if isinstance(step.body, bodies)] if bodies else steps


def read_case(events: Iterable[SourceEvent], acts: Acts, size: int, earlier: CaseRecord | None = None) -> CaseRecord:
    """Fold the events of one stream, or those that follow the steps of ``earlier``.

    Days off are those of what is in force at ``size``. Raises as the fold does.
    """
    steps = [] if earlier is None else [*earlier.steps]
    for event in events:
        before = steps[-1].after if steps else None
        after, flags = fold(before, acts.act(before, event.event, index=event.log_index))
        steps.append(CaseStep(event.log_index, event.event, before, after, flags, mentions(event.body)))
    in_force = acts.procedures().at(size)
    course = None if earlier is None else earlier.course
    state = acts.shown(steps[-1].after, size)
    return CaseRecord(tuple(steps), state, in_force[state.procedure], course)


# -- values of columns -------------------------------------------------------------------------------------------------


@lru_cache(maxsize=8192)  # a moment is in rows of several views, and in those of a case that is made again
def _moment(text: str) -> datetime:
    """Return a moment as columns have it: in UTC, without a zone."""
    return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)


_CONVERTERS: Mapping[str, Callable[[Any], Any]] = {
    "TIMESTAMP": _moment,
    "DATE": date.fromisoformat,
    "DECIMAL(33,18)": lambda quantity: Decimal(quantity.value),
    "VARCHAR[]": list,
}


def row_of(view: str, *sources: object, **columns: Any) -> Row:
    """Return the row of a view: columns as they are given, the others from the first source with a field of that name.

    Moments are given in RFC 3339, days in ISO 8601, amounts as quantities.
    """
    key = view, tuple(columns), tuple(map(type, sources))
    form = _FORMS.get(key) or _FORMS.setdefault(key, _form_of(view, columns, sources))
    values = [*columns.values()]
    for place, read in form.readers:
        values += read(sources[place])
    row = [*map(values.__getitem__, form.order)]
    for position, convert in form.converters:
        if (value := row[position]) is not None:
            row[position] = convert(value)
    return tuple(row)


class _Form(NamedTuple):
    """How rows are made of sources of certain types: what is read of which of them, behind the columns that are given;
    where each column stands among these values; and what converts those that are not taken as they are."""

    readers: tuple[tuple[int, Callable[[object], tuple[Any, ...]]], ...]
    order: tuple[int, ...]
    converters: tuple[tuple[int, Callable[[Any], Any]], ...]


_FORMS: dict[tuple[str, tuple[str, ...], tuple[type, ...]], _Form] = {}  # sources of one type have the same fields


def _form_of(view: str, columns: Collection[str], sources: tuple[object, ...]) -> _Form:
    kinds = kept_kinds(view)
    assert not (unknown := {*columns} - kinds.keys()), f"{view} has no {unknown}"
    names, readers = [*columns], []
    for place, source in enumerate(sources):
        own = [name for name in kinds if name not in names and hasattr(source, name)]
        if own:
            # One name alone is read twice: of one, attrgetter returns the value instead of a tuple.
            readers.append((place, attrgetter(*own, own[-1])))
            names += [*own, ""]
    converters = ((position, _CONVERTERS.get(kind)) for position, kind in enumerate(kinds.values()))
    return _Form(
        tuple(readers),
        tuple(map(names.index, kinds)),
        tuple((position, convert) for position, convert in converters if convert is not None),
    )


def evidence(steps: Iterable[CaseStep | None]) -> list[str]:
    """Return the digests of the steps' events in the order of the log, each once."""
    digests = {step.log_index: step.digest for step in steps if step is not None}
    return [digests[index] for index in sorted(digests)]
