"""Drawing: where the shapes of a case's picture and the boxes of its items are placed. Lengths are in pixels."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from graphlib import TopologicalSorter
from typing import Generic, NamedTuple, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from ledger.core.custody.due_dates import Deadline
from ledger.core.encoding.instants import unix_seconds
from ledger.i18n import zone_in_use
from ledger.timeline.diagrams import (
    MARK_KINDS,
    CustodyBar,
    Descent,
    EventMark,
    HandoverArrow,
    MarkKind,
    OpenStretch,
    Picture,
)

WIDTH, LEFT, RIGHT = 1200, 190, 1180
HEAD, FOOT = 34, 12  # room for the axis above, and below all
SIGNS, ROW, GAP = 34, 22, 8  # of a lane: the line of its marks, a row of bars, the room below
MOST_ROWS = 6  # of bars in a lane; the table has all
MOST_CLOCKS = 8
NEAR = 18  # marks that lie nearer become one
LEAST = 4  # a bar is at least as wide
TICKS = 9  # at most
SHORTEST_S = 600  # seconds that a window has at least
TEXTS_KEPT = 1024  # that were fitted
_HOUR, _DAY = 3600, 86_400
_STEPS_S = (
    *(60, 300, 900, _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR, _DAY, 2 * _DAY, 7 * _DAY, 14 * _DAY),
    *(30 * _DAY, 91 * _DAY, 182 * _DAY, 365 * _DAY, 1826 * _DAY),
)
_URGENCY = {"overdue": 0, "missed": 1, "running": 2, "suspended": 3}

T = TypeVar("T")


class Window(NamedTuple):
    """The time span that is shown, in unix seconds."""

    since: int
    until: int

    @property
    def seconds(self) -> int:
        return self.until - self.since

    def has(self, since: int, until: int | None = None) -> bool:
        """Return whether any of that time lies in the window."""
        return since <= self.until and (until is None or until >= self.since)

    def x(self, at: int) -> float:
        """Return the position of a moment, or the nearer edge if it lies outside."""
        since, until = self  # thousands of shapes are placed for one picture
        within = since if at < since else min(at, until)
        return round(LEFT + (within - since) / (until - since) * (RIGHT - LEFT), 1)

    def ends(self, span: Window) -> tuple[float, float]:
        """Return the positions of the beginning and the end of a time."""
        return self.x(span.since), self.x(span.until)

    def around(self, share: float, shift: float = 0.0) -> Window:
        """Return a window with the same middle and ``share`` times the length, moved by ``shift`` lengths."""
        half = max(int(self.seconds * share), SHORTEST_S) // 2
        middle = (self.since + self.until) // 2 + int(shift * self.seconds)
        return Window(middle - half, middle + half)


class Places(dict[int, float]):
    """The positions of moments in a window. What one event ends, others begin with: each is computed once."""

    def __init__(self, window: Window):
        super().__init__()
        self.window = window

    def __missing__(self, at: int) -> float:
        self[at] = x = self.window.x(at)
        return x


class Tick(NamedTuple):
    x: float
    label: str


class Lane(NamedTuple):
    """An agency's band. Its marks are on ``line``; ``left_out`` bars had no room."""

    agency: str
    y: int
    height: int
    line: int
    left_out: int


class Cluster(NamedTuple):
    """Marks that are in the same place. ``kind`` is the most important kind among them."""

    x: float
    y: int
    kind: MarkKind
    marks: tuple[EventMark, ...]

    @property
    def window(self) -> Window:
        """Return the window that shows the marks apart."""
        first, last = self.marks[0].at, self.marks[-1].at
        return Window(first, last).around(1.4)

    @property
    def is_one_moment(self) -> bool:
        """Return whether no window shows the marks apart."""
        return self.marks[-1].at - self.marks[0].at < SHORTEST_S // 10


class Shape(NamedTuple, Generic[T]):
    """Something drawn from ``x`` to ``x2`` in a row at ``y``; an arrow ends at ``y2``.

    It represents ``many`` of its kind, of which ``of`` is the first; ``closer`` is the window that shows them apart.
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
    """A clock from its start to its end. ``late_x`` is where it becomes late, None if it does not."""

    of: Deadline
    x: float
    x2: float
    y: int
    late_x: float | None


class CaseDrawing(Struct, frozen=True):
    """All shapes with their places. ``now_x`` is None if the present lies outside the window."""

    height: int
    lanes: tuple[Lane, ...]
    ticks: tuple[Tick, ...]
    bars: tuple[Shape[CustodyBar], ...]
    arrows: tuple[Shape[HandoverArrow], ...]
    stretches: tuple[tuple[Shape[OpenStretch], Lane], ...]
    clusters: tuple[Cluster, ...]
    clocks: tuple[LateClock, ...]
    clocks_y: int
    clocks_left_out: int
    now_x: float | None


def draw(picture: Picture, clocks: Sequence[Deadline], window: Window, now: int) -> CaseDrawing:
    """Return the drawing of the picture within the window. Expired clocks come first."""
    bars: list[Shape[CustodyBar]] = []
    lanes: dict[str, Lane] = {}
    y = HEAD
    held: dict[str, list[CustodyBar]] = defaultdict(list)
    for bar in picture.bars:
        held[bar.agency].append(bar)
    places = Places(window)
    for agency in picture.agencies:
        rows, left_out = _rows(held[agency], places)
        bars += (Shape(bar, x, x2, y + SIGNS + row * ROW) for bar, x, x2, row in rows)
        height = SIGNS + max((row + 1 for *_, row in rows), default=0) * ROW + GAP
        lanes[agency] = Lane(agency, y, height, y + SIGNS // 2, left_out)
        y += height
    visible_clocks = [clock for clock in clocks if window.has(unix_seconds(clock.started_at), _clock_end(clock, now))]
    visible_clocks.sort(
        key=lambda clock: (
            _URGENCY.get(clock.status, len(_URGENCY)),
            "9999" if clock.due_at is None else clock.due_at.isoformat(),
        )
    )
    return CaseDrawing(
        height=y + (SIGNS + min(len(visible_clocks), MOST_CLOCKS) * ROW if visible_clocks else 0) + FOOT,
        lanes=tuple(lanes.values()),
        ticks=tuple(_ticks(window)),
        bars=tuple(bars),
        arrows=tuple(_arrows(picture.arrows, lanes, places, now)),
        stretches=tuple(_stretches(picture.stretches, lanes, places)),
        clusters=tuple(_clusters(picture.marks, lanes, places)),
        clocks=tuple(_clocks(visible_clocks[:MOST_CLOCKS], window, y + SIGNS, now)),
        clocks_y=y,
        clocks_left_out=max(0, len(visible_clocks) - MOST_CLOCKS),
        now_x=window.x(now) if window.since <= now <= window.until else None,
    )


@lru_cache(maxsize=TEXTS_KEPT)
def fitted(text: str, room: float) -> str:
    """Return as much of the text as fits into ``room`` pixels; no text rather than a letter or two."""
    taken, kept = 0.0, ""
    for letter in text:
        taken += 13 if unicodedata.east_asian_width(letter) in "WF" else 7.2
        if taken > room - 10:
            return f"{kept[:-1]}…" if len(kept) > 3 else ""
        kept += letter
    return kept


def _alike(
    things: Iterable[T],
    places: Places,
    key: Callable[[T], Hashable],
    span: Callable[[T], tuple[int, int]],
    near: int = NEAR,
) -> Iterable[list[T]]:
    """Return the things within the window, those of one key together that would cover each other."""
    alike: dict[Hashable, list[T]] = defaultdict(list)
    first, last = places.window  # a long case has thousands of things, of which most lie outside
    for thing in things:
        since, until = span(thing)
        if since <= last and until >= first:
            alike[key(thing), int(places[since] / near), int(places[until] / near)].append(thing)
    return alike.values()


def _rows(bars: Iterable[CustodyBar], places: Places) -> tuple[list[tuple[CustodyBar, float, float, int]], int]:
    """Return each bar with the first row that has room for it, and the number of bars without a row.

    Bars of one kind that would look the same are merged. Those of the case come first.
    """

    def span(bar: CustodyBar) -> tuple[int, int]:
        return bar.since, end if bar.until is None else bar.until

    end = places.window.until
    merged = []
    for alike in _alike(bars, places, lambda bar: bar.subject, span):
        ids = tuple(item_id for bar in alike for item_id in bar.ids)
        ends = [bar.until for bar in alike if bar.until is not None]
        until = max(ends) if len(ends) == len(alike) else None
        merged.append(replace(min(alike, key=lambda bar: bar.since), ids=ids, until=until))
    row_ends: list[float] = []
    placed: list[tuple[CustodyBar, float, float, int]] = []
    for bar in sorted(merged, key=lambda bar: (bar.subject != "case", bar.since)):
        since, until = span(bar)
        x, x2 = places[since], places[until]
        row = next((number for number, end in enumerate(row_ends) if end + 2 <= x), len(row_ends))
        if row < MOST_ROWS:
            row_ends[row : row + 1] = [max(x2, x + LEAST)]
            placed.append((bar, x, x2, row))
    return placed, len(merged) - len(placed)


def _arrows(
    arrows: Iterable[HandoverArrow], lanes: dict[str, Lane], places: Places, now: int
) -> Iterator[Shape[HandoverArrow]]:
    """Yield the arrows, merging those between the same agencies that would cover each other."""

    def span(arrow: HandoverArrow) -> tuple[int, int]:
        return arrow.since, max(now, arrow.since) if arrow.until is None else arrow.until

    for alike in _alike(arrows, places, lambda arrow: (arrow.from_agency, arrow.to_agency, arrow.status), span):
        first = alike[0]
        whole = Window(first.since, max(span(arrow)[1] for arrow in alike))
        ends = lanes[first.from_agency].line, lanes[first.to_agency].line
        x, x2 = (places[at] for at in span(first))
        yield Shape(first, x, x2, *ends, len(alike), whole.around(1.4))


def _stretches(
    stretches: Iterable[OpenStretch], lanes: dict[str, Lane], places: Places
) -> Iterator[tuple[Shape[OpenStretch], Lane]]:
    """Yield the stretches, merging those of one agency that would cover each other."""

    def span(stretch: OpenStretch) -> tuple[int, int]:
        return stretch.since, stretch.until

    for alike in _alike(stretches, places, lambda stretch: (stretch.agency, stretch.kind), span, LEAST):
        lane = lanes[alike[0].agency]
        whole = Window(min(stretch.since for stretch in alike), max(stretch.until for stretch in alike))
        yield Shape(alike[0], *places.window.ends(whole), lane.y, 0, len(alike), whole.around(1.4)), lane


def _clusters(marks: Iterable[EventMark], lanes: dict[str, Lane], places: Places) -> Iterator[Cluster]:
    by_agency: dict[str, list[list[EventMark]]] = defaultdict(list)
    first, last = places.window
    visible = (mark for mark in marks if first <= mark.at <= last)
    begins: dict[str, float] = {}  # of the last cluster of each agency
    for mark in sorted(visible, key=lambda candidate: (candidate.at, candidate.sequence)):
        x, lane_clusters = places[mark.at], by_agency[mark.agency]
        if lane_clusters and x - begins[mark.agency] < NEAR:
            lane_clusters[-1].append(mark)
        else:
            lane_clusters.append([mark])
            begins[mark.agency] = x
    for agency, clusters in by_agency.items():
        for near_marks in clusters:
            kind = min({kind for mark in near_marks for kind in mark.kinds}, key=MARK_KINDS.index)
            x = (places[near_marks[0].at] + places[near_marks[-1].at]) / 2
            yield Cluster(round(x, 1), lanes[agency].line, kind, tuple(near_marks))


def _clocks(clocks: Iterable[Deadline], window: Window, y: int, now: int) -> Iterator[LateClock]:
    for number, clock in enumerate(clocks):
        started, end = unix_seconds(clock.started_at), _clock_end(clock, now)
        is_late = clock.status in ("overdue", "missed") and clock.due_at is not None
        late_x = window.x(int(clock.due_at.timestamp())) if is_late and clock.due_at else None
        yield LateClock(clock, window.x(started), window.x(end), y + number * ROW, late_x)


def _clock_end(clock: Deadline, now: int) -> int:
    if clock.stopped_at is not None:
        return unix_seconds(clock.stopped_at)
    due = now if clock.due_at is None else int(clock.due_at.timestamp())
    return max(due, now) if clock.status == "overdue" else due


def _ticks(window: Window) -> Iterator[Tick]:
    """Yield ticks at round times of the zone in use."""
    step = next((step for step in _STEPS_S if window.seconds / step <= TICKS), _STEPS_S[-1])
    months = step // (30 * _DAY)
    zone = zone_in_use()
    first, last = (
        zone.local(datetime.fromtimestamp(end, UTC)).replace(tzinfo=None) for end in (window.since, window.until)
    )
    at = first.replace(hour=0, minute=0, second=0)
    form = "%m-%d %H:%M" if step < _DAY else "%Y-%m" if months else "%Y-%m-%d"
    if months:
        of_year = min(months, 12)
        at = at.replace(day=1, month=(at.month - 1) // of_year * of_year + 1)
    while at <= last:
        # What clocks skip has no place, and what they show twice has its first.
        for moment in zone.moments(at)[:1] if at >= first else ():
            yield Tick(window.x(int(moment.timestamp())), at.strftime(form))
        if months:
            years, month = divmod(at.month - 1 + months, 12)
            at = at.replace(year=at.year + years, month=month + 1)
        else:
            at += timedelta(seconds=step)


BOX, TALL = 210, 58  # of an item
ACROSS, DOWN = 110, 18  # between boxes
EDGE = 12
MOST = 120  # items that are drawn


class Box(NamedTuple):
    item_id: str
    x: int
    y: int


class GraphLine(NamedTuple):
    """A line from the right side of the parent to the left side of the child."""

    of: Descent
    path: str
    label_x: int
    label_y: int


class Graph(Struct, frozen=True):
    """Boxes and lines of a graph. ``left_out`` items had no room."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    lines: tuple[GraphLine, ...]
    left_out: int


def laid_out(descents: Sequence[Descent]) -> Graph:
    """Return the graph of items that came from others or became others, each right of all that it came from."""
    parents: dict[str, set[str]] = {}
    for descent in descents:
        parents.setdefault(descent.parent, set())
        parents.setdefault(descent.child, set()).add(descent.parent)
    boxes: dict[str, Box] = {}
    for number, layer in enumerate(_layers(parents)):
        for row, item_id in enumerate(sorted(layer, key=lambda child: _height(parents[child], boxes, child))):
            if len(boxes) < MOST:
                boxes[item_id] = Box(item_id, EDGE + number * (BOX + ACROSS), EDGE + row * (TALL + DOWN))
    lines = tuple(_line(descent, boxes) for descent in descents if descent.parent in boxes and descent.child in boxes)
    return Graph(
        width=max((box.x for box in boxes.values()), default=0) + BOX + EDGE,
        height=max((box.y for box in boxes.values()), default=0) + TALL + EDGE,
        boxes=tuple(boxes.values()),
        lines=lines,
        left_out=len(parents) - len(boxes),
    )


def _layers(parents: Mapping[str, set[str]]) -> Iterator[tuple[str, ...]]:
    """Yield the items whose parents are all in earlier layers, until none is left."""
    order = TopologicalSorter(parents)
    order.prepare()
    while order.is_active():
        layer = order.get_ready()
        yield layer
        order.done(*layer)


def _height(parents: Iterable[str], boxes: Mapping[str, Box], item_id: str) -> tuple[float, str]:
    """Return a sort key that puts an item beside its parents, so that few lines cross."""
    rows = [boxes[parent].y for parent in parents if parent in boxes]
    return (sum(rows) / len(rows) if rows else 0.0), item_id


def _line(descent: Descent, boxes: dict[str, Box]) -> GraphLine:
    parent, child = boxes[descent.parent], boxes[descent.child]
    x, y = parent.x + BOX, parent.y + TALL // 2
    x2, y2 = child.x, child.y + TALL // 2
    bend = ACROSS // 2
    path = f"M{x} {y}C{x + bend} {y} {x2 - bend} {y2} {x2 - 2} {y2}"
    return GraphLine(descent, path, (x + x2) // 2, (y + y2) // 2 - 4)
