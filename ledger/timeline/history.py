"""The chain of custody: of a whole case, of one item or of one person, with the events that made it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from threading import Lock

from msgspec import Struct

from ledger.core.custody import CaseState
from ledger.core.custody.spans import Span, Subject, custody_spans
from ledger.core.events import record
from ledger.core.events.case import CaseJoined, CaseOpened
from ledger.recording.case_states import CaseStates
from ledger.store import log
from ledger.store.database import Connection
from ledger.timeline.steps import Teller, TimelineStep, Walked, walk_on


class History(Struct, frozen=True):
    """Who held it, when, in what condition, on what authority and whether in time: ``spans`` tells how it stood
    between events, ``steps`` the events.

    ``came_from`` names the cases that it came out of by a split: what was before stands there.
    """

    subject: Subject
    subject_id: str
    case_id: str
    came_from: tuple[str, ...]
    spans: tuple[Span, ...]
    steps: tuple[TimelineStep, ...]


class Chronicle(Struct, frozen=True):
    """A whole case: as it stands, how it stood, and every step."""

    state: CaseState
    spans: tuple[Span, ...]
    steps: tuple[TimelineStep, ...]


def spans(connection: Connection, teller: Teller, case_id: str) -> tuple[Span, ...]:
    """How it stood between events with the case and everything in it."""
    return _spans(teller.walks.of(connection, case_id))


def chronicle(connection: Connection, teller: Teller, case_id: str) -> Chronicle:
    """Requires that there is such a case."""
    walked = teller.walks.of(connection, case_id)
    return Chronicle(walked[-1].after, _spans(walked), tuple(teller.steps(connection, case_id, walked)))


def history(connection: Connection, teller: Teller, case_id: str, subject: Subject, subject_id: str) -> History:
    """Of one item or person of the case. Requires that there is such a case; one that is not in it has no steps."""
    walked = teller.walks.of(connection, case_id)
    own = _about(walked, subject, subject_id)
    return History(
        subject=subject,
        subject_id=subject_id,
        case_id=case_id,
        came_from=tuple(_came_from(teller, own)),
        spans=tuple(one for one in _spans(walked) if (one.subject, one.subject_id) == (subject, subject_id)),
        steps=tuple(teller.steps(connection, case_id, own)),
    )


def _spans(walked: Sequence[Walked]) -> tuple[Span, ...]:
    return custody_spans((step.payload, step.after) for step in walked)


def _about(walked: Sequence[Walked], subject: Subject, subject_id: str) -> list[Walked]:
    """The events about it, and those that correct or explain one of them."""
    found: list[Walked] = []
    known: set[str] = set()
    for step in walked:
        about = step.concerned.item_ids if subject == "item" else step.concerned.person_ids
        if subject_id in about or _cited(step) in known:
            found.append(step)
            known.add(step.entry.event_id)
    return found


def _cited(step: Walked) -> str | None:
    match step.payload.body:
        case record.RecordCorrected(corrects=cited) | record.SectionErased(concerns=cited):
            return cited.event_id
        case record.RecordLate(concerns=concerns):
            return None if concerns is None else concerns.event_id
    return None


def _came_from(teller: Teller, steps: list[Walked]) -> Iterator[str]:
    """The cases whose splits these events cite."""
    for step in steps:
        match step.payload.body:
            case CaseJoined(other_case_id=other):
                yield other
            case CaseOpened(split_from=cited) if cited is not None:
                source = teller.states.after(cited.payload_digest)
                assert source is not None, "an opening that cites no split is not in the log"
                yield source.case_id


EVENTS_KEPT = 20_000  # of all cases together; the case that was read last is kept whatever it has


class Walks:
    """The events of cases with the states around them. Safe to use from several threads."""

    def __init__(self, states: CaseStates):
        self._states = states
        self._kept: OrderedDict[str, tuple[Walked, ...]] = OrderedDict()
        self._lock = Lock()

    def of(self, connection: Connection, case_id: str) -> tuple[Walked, ...]:
        """All events of the case that ``connection`` sees, in their order; none where there is no such case."""
        with self._lock:
            known = self._kept.get(case_id, ())
        last = known[-1] if known else None
        later = tuple(walk_on(connection, self._states, case_id, last))
        found = known + later
        if later:
            self._states.keep(later[-1].after)
        if not later and found:
            head = log.heads(connection, [("case", case_id)])["case", case_id]
            found = found[: head.sequence + 1]
        self._keep(case_id, known + later)
        return found

    def state(self, connection: Connection, case_id: str) -> CaseState:
        """The case as ``connection`` sees it. Requires that there is such a case.

        One that nobody has in memory is walked: who looks at it asks for its events next, and they are read once.
        """
        return self._states.kept_of(connection, case_id) or self.of(connection, case_id)[-1].after

    def _keep(self, case_id: str, walked: tuple[Walked, ...]) -> None:
        with self._lock:
            if len(walked) >= len(self._kept.get(case_id, ())):
                self._kept[case_id] = walked
            self._kept.move_to_end(case_id)
            while len(self._kept) > 1 and sum(map(len, self._kept.values())) > EVENTS_KEPT:
                self._kept.popitem(last=False)
