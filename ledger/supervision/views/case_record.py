"""A case record: the steps of a case, each with the state before and after it and what its event mentions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Literal, Protocol

from msgspec import Struct

from ledger.core.custody import Act, CaseState, Flag, fold
from ledger.core.events import Body, Payload
from ledger.core.events.terms import Quantity
from ledger.core.procedure.deadlines import WorkCalendar
from ledger.core.procedure.rulebook import Rulebook

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


class Mentions(Struct, frozen=True):
    """Ids by noun, in the order in which the body has them, each once."""

    ids: dict[Noun, tuple[str, ...]]

    def of(self, noun: Noun) -> tuple[str, ...]:
        return self.ids.get(noun, ())

    def first(self, noun: Noun) -> str | None:
        return next(iter(self.of(noun)), None)


def mentions(body: Body) -> Mentions:
    """Return everything that ``body`` names, wherever in it that stands."""
    names_by_noun: dict[Noun, dict[str, None]] = {}
    for noun, name in _named(body):
        names_by_noun.setdefault(noun, {})[name] = None
    return Mentions({noun: tuple(names) for noun, names in names_by_noun.items()})


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
    """An event of the log: its index, the digest of its payload, when it was signed (unix seconds)."""

    log_index: int
    digest: str
    signed_at: int
    payload: Payload

    @property
    def body(self) -> Body:
        return self.payload.body


class CaseStep(Struct, frozen=True):
    """An event with the case before and after it."""

    event: SourceEvent
    before: CaseState | None
    after: CaseState
    flags: tuple[Flag, ...]
    named: Mentions

    @property
    def body(self) -> Body:
        return self.event.payload.body

    @property
    def payload(self) -> Payload:
        return self.event.payload

    @property
    def digest(self) -> str:
        return self.event.digest


class Acts(Protocol):
    """Make an act of an event, with the state that it cites of another case (as ``case_states.CaseStates`` does)."""

    def act(self, payload: Payload, digest: str, signed_at: int) -> Act: ...


class CaseRecord:
    """All steps of one case, and how it stands. Requires at least one event."""

    def __init__(self, steps: tuple[CaseStep, ...], book: Rulebook, calendar: WorkCalendar):
        self.steps = steps
        self.state = steps[-1].after
        self.case_id = self.state.case_id
        self.book = book
        self.calendar = calendar

    @cached_property
    def _steps_by_name(self) -> Mapping[tuple[Noun, str], tuple[CaseStep, ...]]:
        steps_by_name: dict[tuple[Noun, str], list[CaseStep]] = {}
        for step in self.steps:
            for noun, ids in step.named.ids.items():
                for name in ids:
                    steps_by_name.setdefault((noun, name), []).append(step)
        return {key: tuple(steps) for key, steps in steps_by_name.items()}

    def steps_naming(self, noun: Noun, name: str, *bodies: type[Body]) -> tuple[CaseStep, ...]:
        """Return the steps whose events name it, only those of these types if some are given."""
        steps = self._steps_by_name.get((noun, name), ())
        return tuple(step for step in steps if isinstance(step.body, bodies)) if bodies else steps

    def at(self, sequence: int) -> CaseStep:
        """Return the step of the event at ``sequence``."""
        return self.steps[sequence]


def read_case(events: Iterable[SourceEvent], acts: Acts, book: Rulebook, calendar: WorkCalendar) -> CaseRecord:
    """Fold the events of one stream. Raises what the fold raises."""
    steps: list[CaseStep] = []
    for event in events:
        before = steps[-1].after if steps else None
        after, flags = fold(before, acts.act(event.payload, event.digest, event.signed_at))
        steps.append(CaseStep(event, before, after, flags, mentions(event.payload.body)))
    return CaseRecord(tuple(steps), book, calendar)


# -- values of columns -------------------------------------------------------------------------------------------------


def moment(text: str | None) -> datetime | None:
    """Convert RFC 3339 to a TIMESTAMP: UTC, without a zone."""
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)


def day(text: str | None) -> date | None:
    """Convert to a DATE."""
    return None if text is None else date.fromisoformat(text)


def amount(quantity: Quantity | None) -> Decimal | None:
    """Convert a quantity's value to a DECIMAL."""
    return None if quantity is None else Decimal(quantity.value)


def evidence(steps: Iterable[CaseStep | None]) -> list[str]:
    """Return the digests of the steps' events in the order of the log, each once."""
    digests = {step.event.log_index: step.digest for step in steps if step is not None}
    return [digests[index] for index in sorted(digests)]
