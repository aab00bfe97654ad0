"""Drawing: where in the picture of a case its bars, arrows and marks come to lie. Lengths are in its pixels."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Generic, NamedTuple, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from ledger.core.custody.due_dates import Deadline
from ledger.core.encoding.instants import unix_seconds
from ledger.core.procedure.legal_days import SHANGHAI
from ledger.timeline.picture import MARK_KINDS, Arrow, Bar, Mark, MarkKind, Picture, Stretch

WIDTH, LEFT, RIGHT = 1200, 190, 1180
HEAD, FOOT = 34, 12  # room for the axis above, and below all
SIGNS, ROW, GAP = 34, 22, 8  # of a lane: the line of its marks, a row of bars, the room below
MOST_ROWS = 6  # of bars in a lane; the table has all
MOST_CLOCKS = 8
NEAR = 18  # marks that lie nearer become one
LEAST = 4  # a bar is at least as wide
TICKS = 9  # at most
SHORTEST_S = 600  # seconds that a window has at least
_HOUR, _DAY = 3600, 86_400
_STEPS_S = (
    *(60, 300, 900, _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR, _DAY, 2 * _DAY, 7 * _DAY, 14 * _DAY),
    *(30 * _DAY, 91 * _DAY, 182 * _DAY, 365 * _DAY, 1826 * _DAY),
)

T = TypeVar("T")


class Window(NamedTuple):
    """The time that is shown, in unix seconds."""

    since: int
    until: int

    @property
    def seconds(self) -> int:
        return self.until - self.since

    def has(self, since: int, until: int | None = None) -> bool:
        """Whether any of that time lies in it."""
        return since <= self.until and (until is None or until >= self.since)

    def x(self, at: int) -> float:
        """Where the moment lies; the edge for what lies beyond."""
        share = (min(max(at, self.since), self.until) - self.since) / self.seconds
        return round(LEFT + share * (RIGHT - LEFT), 1)

    def around(self, share: float, shift: float = 0.0) -> Window:
        """One of ``share`` times its length, ``shift`` of its lengths later."""
        half = max(int(self.seconds * share), SHORTEST_S) // 2
        middle = (self.since + self.until) // 2 + int(shift * self.seconds)
        return Window(middle - half, middle + half)


class Tick(NamedTuple):
    x: float
    label: str


class Lane(NamedTuple):
    """An agency's band; its marks stand on ``line``. ``left_out`` bars had no room."""

    agency: str
    y: int
    height: int
    line: int
    left_out: int


class Cluster(NamedTuple):
    """Marks that lie in one place; ``kind`` is what weighs most of them."""

    x: float
    y: int
    kind: MarkKind
    marks: tuple[Mark, ...]

    @property
    def window(self) -> Window:
        """The time that shows them apart."""
        first, last = self.marks[0].at, self.marks[-1].at
        return Window(first, last).around(1.4)

    @property
    def is_one_moment(self) -> bool:
        """Whether no window shows them apart."""
        return self.marks[-1].at - self.marks[0].at < SHORTEST_S // 10


class Placed(NamedTuple, Generic[T]):
    """Something from ``x`` to ``x2``, in a row at ``y``; ``y2`` is where an arrow ends.

    It stands for ``many`` of its kind, of which it is the first; ``closer`` is the time that shows them apart.
    """

    of: T
    x: float
    x2: float
    y: int
    y2: int = 0
    many: int = 1
    closer: Window | None = None

    @property
    def width(self) -> float:
        return max(LEAST, round(self.x2 - self.x, 1))


class LateClock(NamedTuple):
    """A clock from its start to its end; ``late_x`` is where what is too late begins, None where nothing is."""

    of: Deadline
    x: float
    x2: float
    y: int
    late_x: float | None


class Drawing(Struct, frozen=True):
    """Everything, placed. ``now_x`` is None where the present lies outside."""

    height: int
    lanes: tuple[Lane, ...]
    ticks: tuple[Tick, ...]
    bars: tuple[Placed[Bar], ...]
    arrows: tuple[Placed[Arrow], ...]
    stretches: tuple[tuple[Placed[Stretch], Lane], ...]
    clusters: tuple[Cluster, ...]
    clocks: tuple[LateClock, ...]
    clocks_y: int
    clocks_left_out: int
    now_x: float | None


def draw(of: Picture, clocks: Sequence[Deadline], window: Window, now: int) -> Drawing:
    """The picture within the window. Clocks that ran out stand first."""
    bars: list[Placed[Bar]] = []
    lanes: list[Lane] = []
    y = HEAD
    for agency in of.agencies:
        own = (bar for bar in of.bars if bar.agency == agency and window.has(bar.since, bar.until))
        rows, left_out = _rows(own, window)
        bars += (Placed(bar, x, x2, y + SIGNS + row * ROW) for bar, x, x2, row in rows)
        height = SIGNS + max((row + 1 for *_, row in rows), default=0) * ROW + GAP
        lanes.append(Lane(agency, y, height, y + SIGNS // 2, left_out))
        y += height
    by_agency = {lane.agency: lane for lane in lanes}
    shown = [
        one for one in sorted(clocks, key=_urgency) if window.has(unix_seconds(one.started_at), _clock_end(one, now))
    ]
    return Drawing(
        height=y + (SIGNS + min(len(shown), MOST_CLOCKS) * ROW if shown else 0) + FOOT,
        lanes=tuple(lanes),
        ticks=tuple(_ticks(window)),
        bars=tuple(bars),
        arrows=tuple(_arrows(of.arrows, by_agency, window, now)),
        stretches=tuple(_stretches(of.stretches, by_agency, window)),
        clusters=tuple(_clusters(of.marks, by_agency, window)),
        clocks=tuple(_clocks(shown[:MOST_CLOCKS], window, y + SIGNS, now)),
        clocks_y=y,
        clocks_left_out=max(0, len(shown) - MOST_CLOCKS),
        now_x=window.x(now) if window.since <= now <= window.until else None,
    )


def fitted(text: str, room: float) -> str:
    """As much of the text as has room, in letters of the picture's size; nothing rather than a letter or two."""
    taken, kept = 0.0, ""
    for letter in text:
        taken += 13 if unicodedata.east_asian_width(letter) in "WF" else 7.2
        if taken > room - 10:
            return f"{kept[:-1]}…" if len(kept) > 3 else ""
        kept += letter
    return kept


def _rows(bars: Iterable[Bar], window: Window) -> tuple[list[tuple[Bar, float, float, int]], int]:
    """Each bar in the first row that has room for it, and how many found none."""
    ends: list[float] = []
    placed: list[tuple[Bar, float, float, int]] = []
    left_out = 0
    for bar in _merged(bars, window):
        x, x2 = window.x(bar.since), window.x(window.until if bar.until is None else bar.until)
        row = next((number for number, end in enumerate(ends) if end + 2 <= x), len(ends))
        if row == MOST_ROWS:
            left_out += 1
            continue
        ends[row : row + 1] = [max(x2, x + LEAST)]
        placed.append((bar, x, x2, row))
    return placed, left_out


def _merged(bars: Iterable[Bar], window: Window) -> list[Bar]:
    """Bars of one kind that would look the same become one, the case's first."""
    alike: dict[tuple[str, int, int], list[Bar]] = defaultdict(list)
    for bar in bars:
        until = window.until if bar.until is None else bar.until
        alike[bar.subject, int(window.x(bar.since) / NEAR), int(window.x(until) / NEAR)].append(bar)
    found = [_one(some) for some in alike.values()]
    return sorted(found, key=lambda one: (one.subject != "case", one.since))


def _one(bars: Sequence[Bar]) -> Bar:
    first = min(bars, key=lambda one: one.since)
    ends = [bar.until for bar in bars if bar.until is not None]
    until = max(ends) if len(ends) == len(bars) else None
    return replace(first, ids=tuple(item_id for bar in bars for item_id in bar.ids), until=until)


def _arrows(arrows: Iterable[Arrow], lanes: dict[str, Lane], window: Window, now: int) -> Iterator[Placed[Arrow]]:
    """Those between the same agencies that would cover each other become one."""
    alike: dict[tuple[str, str, str, int, int], list[Arrow]] = defaultdict(list)
    for one in arrows:
        until = _arrow_end(one, now)
        if window.has(one.since, until):
            places = int(window.x(one.since) / NEAR), int(window.x(until) / NEAR)
            alike[one.from_agency, one.to_agency, one.status, *places].append(one)
    for some in alike.values():
        first, until = some[0], _arrow_end(some[0], now)
        ends = lanes[first.from_agency].line, lanes[first.to_agency].line
        span = some[0].since, max(_arrow_end(one, now) for one in some)
        yield Placed(first, window.x(first.since), window.x(until), *ends, len(some), Window(*span).around(1.4))


def _arrow_end(one: Arrow, now: int) -> int:
    return one.until if one.until is not None else max(now, one.since)


def _stretches(
    stretches: Iterable[Stretch], lanes: dict[str, Lane], window: Window
) -> Iterator[tuple[Placed[Stretch], Lane]]:
    """Those of an agency that would cover each other become one."""
    alike: dict[tuple[str, str, int, int], list[Stretch]] = defaultdict(list)
    for one in stretches:
        if window.has(one.since, one.until):
            places = int(window.x(one.since) / LEAST), int(window.x(one.until) / LEAST)
            alike[one.agency, one.kind, *places].append(one)
    for (agency, *_), some in alike.items():
        lane, first = lanes[agency], some[0]
        since, until = min(one.since for one in some), max(one.until for one in some)
        closer = Window(since, until).around(1.4)
        yield Placed(first, window.x(since), window.x(until), lane.y, 0, len(some), closer), lane


def _clusters(marks: Iterable[Mark], lanes: dict[str, Lane], window: Window) -> Iterator[Cluster]:
    by_agency: dict[str, list[list[Mark]]] = defaultdict(list)
    for mark in sorted(marks, key=lambda one: (one.at, one.sequence)):
        if window.has(mark.at, mark.at):
            known = by_agency[mark.agency]
            if known and window.x(mark.at) - window.x(known[-1][0].at) < NEAR:
                known[-1].append(mark)
            else:
                known.append([mark])
    for agency, clusters in by_agency.items():
        for some in clusters:
            kind = min((kind for mark in some for kind in mark.kinds), key=MARK_KINDS.index)
            x = (window.x(some[0].at) + window.x(some[-1].at)) / 2
            yield Cluster(round(x, 1), lanes[agency].line, kind, tuple(some))


def _clocks(clocks: Iterable[Deadline], window: Window, y: int, now: int) -> Iterator[LateClock]:
    for number, one in enumerate(clocks):
        end = _clock_end(one, now)
        due = None if one.due_at is None else int(one.due_at.timestamp())
        is_late = one.status in ("overdue", "missed") and due is not None
        late = window.x(due) if is_late and due is not None else None
        yield LateClock(one, window.x(unix_seconds(one.started_at)), window.x(end), y + number * ROW, late)


def _clock_end(one: Deadline, now: int) -> int:
    if one.stopped_at is not None:
        return unix_seconds(one.stopped_at)
    due = now if one.due_at is None else int(one.due_at.timestamp())
    return max(due, now) if one.status == "overdue" else due


def _urgency(one: Deadline) -> tuple[int, str]:
    order = {"overdue": 0, "missed": 1, "running": 2, "suspended": 3}.get(one.status, 4)
    return order, "9999" if one.due_at is None else one.due_at.isoformat()


def _ticks(window: Window) -> Iterator[Tick]:
    """Round times of Beijing's clock."""
    step = next((step for step in _STEPS_S if window.seconds / step <= TICKS), _STEPS_S[-1])
    first = datetime.fromtimestamp(window.since, SHANGHAI).replace(hour=0, minute=0, second=0)
    if step >= 30 * _DAY:
        months = min(step // (30 * _DAY), 12)
        first = first.replace(day=1, month=(first.month - 1) // months * months + 1)
    at = first
    while at.timestamp() <= window.until:
        if at.timestamp() >= window.since:
            yield Tick(window.x(int(at.timestamp())), _tick_label(at, step))
        at = at + timedelta(seconds=step) if step < 30 * _DAY else _months_later(at, step // (30 * _DAY))


def _tick_label(at: datetime, step: int) -> str:
    return f"{at:%m-%d %H:%M}" if step < _DAY else f"{at:%Y-%m-%d}" if step < 30 * _DAY else f"{at:%Y-%m}"


def _months_later(at: datetime, months: int) -> datetime:
    years, month = divmod(at.month - 1 + months, 12)
    return at.replace(year=at.year + years, month=month + 1)
