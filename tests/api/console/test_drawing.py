"""Where things come to lie in a picture: within it, apart from each other, on the clock of Beijing."""

from __future__ import annotations

from itertools import pairwise

import pytest

from api.console.cases.drawing import (
    BOX,
    LEFT,
    MOST_ROWS,
    NEAR,
    RIGHT,
    TALL,
    TICKS,
    CaseDrawing,
    Window,
    draw,
    fitted,
    laid_out,
)
from ledger.timeline.diagrams import CustodyBar, Descent, EventMark, Picture

DAY = 86_400
START = 1_772_380_800  # 2026-03-02T00:00 in Beijing


def pictured(count: int, seconds: int, bars: tuple[CustodyBar, ...] = ()) -> Picture:
    """Return so many events of two agencies, evenly over the time."""
    marks = tuple(
        EventMark(
            number,
            f"event-{number}",
            "item.moved",
            f"agency-{number % 2}",
            START + number * seconds // count,
            ("plain",),
        )
        for number in range(count)
    )
    return Picture(("agency-0", "agency-1"), marks, bars, (), (), START, START + seconds)


def drawn(whole: Picture, window: Window | None = None) -> CaseDrawing:
    return draw(whole, (), window or Window(whole.begin, whole.end), whole.end + DAY)


@pytest.mark.parametrize("count", [1, 10, 1000])
def test_marks_are_all_there_and_none_covers_another(count: int) -> None:
    """Those that would are one, with their number; its window shows them apart."""
    drawing = drawn(pictured(count, 60 * DAY))
    assert sorted(mark.sequence for cluster in drawing.clusters for mark in cluster.marks) == list(range(count))
    for lane in drawing.lanes:
        places = sorted(cluster.x for cluster in drawing.clusters if cluster.y == lane.line)
        assert all(b - a >= NEAR / 2 for a, b in pairwise(places))
        assert all(LEFT <= x <= RIGHT for x in places)
    for cluster in drawing.clusters:
        closer = drawn(pictured(count, 60 * DAY), cluster.window)
        assert {mark.sequence for mark in cluster.marks} <= {
            mark.sequence for part in closer.clusters for mark in part.marks
        }
        assert len(cluster.marks) == 1 or len(closer.clusters) > 1


def test_bars_have_rows_of_their_own_and_the_rest_is_counted() -> None:
    """Bars that look the same become one; those that overlap stand below each other, as many as there is room for."""
    alike = [CustodyBar("agency-0", "item", (f"a-{n}",), START + n, None, "e") for n in range(5)]
    others = [
        CustodyBar("agency-0", "item", (f"b-{n}",), START + n * DAY, START + (n + 30) * DAY, "e") for n in range(1, 10)
    ]
    drawing = drawn(pictured(2, 60 * DAY, (*alike, *others)))
    assert drawing.bars[0].of.ids == ("a-0", "a-1", "a-2", "a-3", "a-4")
    assert len({bar.y for bar in drawing.bars}) == MOST_ROWS
    assert drawing.lanes[0].left_out == 10 - len(drawing.bars)
    for bar in drawing.bars:
        assert not [
            longer
            for longer in drawing.bars
            if longer is not bar and longer.y == bar.y and longer.x < bar.x2 < longer.x2
        ]


@pytest.mark.parametrize("seconds", [600, 3600, DAY, 9 * DAY, 70 * DAY, 900 * DAY])
def test_the_axis_has_round_times_of_beijing(seconds: int) -> None:
    """Few enough to be read, in their order, whatever time is shown."""
    ticks = drawn(pictured(2, seconds)).ticks
    assert 1 <= len(ticks) <= TICKS + 1
    assert [tick.x for tick in ticks] == sorted(tick.x for tick in ticks)
    assert ticks[0].label in ("03-02 00:00", "2026-03-02", "2026-03", "2026-04", "2026-07")


def test_texts_are_cut_to_their_room() -> None:
    """A wide letter takes the room of two; where there is none for a word, nothing is written."""
    assert fitted("phone", 200) == "phone"
    assert fitted("a very long description", 80).endswith("…")
    assert fitted("手机", 20) == ""
    assert len(fitted("涉案手机一部黑色", 70)) < len(fitted("abcdefghijklmno", 70))


def test_kin_stand_right_of_what_they_came_from() -> None:
    """However an item came of others; boxes do not cover each other."""
    pairs = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("e", "d"), ("a", "d")]
    graph = laid_out([Descent(parent, child, "split", "e", "2026-03-02T00:00:00Z") for parent, child in pairs])
    x = {box.item_id: box.x for box in graph.boxes}
    assert all(x[parent] + BOX < x[child] for parent, child in pairs)
    assert len({(box.x, box.y) for box in graph.boxes}) == 5
    for box in graph.boxes:
        assert not [lower for lower in graph.boxes if lower.x == box.x and 0 < lower.y - box.y < TALL]
    assert len(graph.lines) == len(pairs)
    assert laid_out([]).boxes == ()
