"""Record: one case as its stream has it, step by step, which is what rows of views are made from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Protocol

from msgspec import Struct

from ledger.core.custody import Act, CaseState, Flag, fold
from ledger.core.deadlines import WorkCalendar
from ledger.core.event import Body, Payload
from ledger.core.event.terms import Quantity
from ledger.core.rulebook import Rulebook
from ledger.supervision.snapshot.mentions import Mentions, Noun, mentions


class Logged(Struct, frozen=True):
    """An event of the log: its index, the digest of its payload, when it was signed (unix seconds)."""

    log_index: int
    digest: str
    signed_at: int
    payload: Payload

    @property
    def body(self) -> Body:
        return self.payload.body


class Step(Struct, frozen=True):
    """An event with the case before and after it."""

    event: Logged
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
    """Makes an act of an event, with the state that it cites of another case (``ledger.states.States``)."""

    def act(self, payload: Payload, digest: str, signed_at: int) -> Act: ...


class CaseRecord:
    """All steps of one case, and how it stands. Requires at least one event."""

    def __init__(self, steps: tuple[Step, ...], book: Rulebook, calendar: WorkCalendar):
        self.steps = steps
        self.state = steps[-1].after
        self.case_id = self.state.case_id
        self.book = book
        self.calendar = calendar

    @cached_property
    def _naming(self) -> Mapping[tuple[Noun, str], tuple[Step, ...]]:
        found: dict[tuple[Noun, str], list[Step]] = {}
        for step in self.steps:
            for noun, ids in step.named.ids.items():
                for one in ids:
                    found.setdefault((noun, one), []).append(step)
        return {key: tuple(steps) for key, steps in found.items()}

    def naming(self, noun: Noun, name: str, *bodies: type[Body]) -> tuple[Step, ...]:
        """The steps whose events name it, of these types where some are given."""
        steps = self._naming.get((noun, name), ())
        return tuple(step for step in steps if isinstance(step.body, bodies)) if bodies else steps

    def at(self, sequence: int) -> Step:
        """The step of the event at ``sequence``."""
        return self.steps[sequence]


def read_case(events: Iterable[Logged], acts: Acts, book: Rulebook, calendar: WorkCalendar) -> CaseRecord:
    """Folds the events of one stream. Raises what the fold raises."""
    return CaseRecord(tuple(_steps(events, acts)), book, calendar)


def _steps(events: Iterable[Logged], acts: Acts) -> Iterator[Step]:
    before: CaseState | None = None
    for event in events:
        after, flags = fold(before, acts.act(event.payload, event.digest, event.signed_at))
        yield Step(event, before, after, flags, mentions(event.payload.body))
        before = after


# -- values of columns -------------------------------------------------------------------------------------------------


def moment(text: str | None) -> datetime | None:
    """A TIMESTAMP of RFC 3339: UTC, without a zone."""
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)


def day(text: str | None) -> date | None:
    """A DATE."""
    return None if text is None else date.fromisoformat(text)


def amount(quantity: Quantity | None) -> Decimal | None:
    """A DECIMAL of a quantity's value."""
    return None if quantity is None else Decimal(quantity.value)


def evidence(steps: Iterable[Step | None]) -> list[str]:
    """The digests of the steps' events in the order of the log, each once."""
    found = {step.event.log_index: step.digest for step in steps if step is not None}
    return [found[index] for index in sorted(found)]
