"""Drawing: every node of a correlation has its place, none lies on another, and the start stands by itself."""

from __future__ import annotations

from itertools import combinations

from ledger.supervision.correlation import DRAWN_AT_MOST, HEIGHT, WIDTH, Correlation, Edge, GraphNode, Place, draw

START = GraphNode("case", "case-0")


def star(count: int) -> Correlation:
    """A case with so many items, each of which has a seal of its own."""
    items = [GraphNode("item", f"item-{number:03}") for number in range(count)]
    seals = [GraphNode("seal", f"seal-{number:03}") for number in range(count)]
    places = [Place(START, 0, count, True), *(Place(one, 1, 2, True) for one in items)]
    places += [Place(one, 2, 1, False) for one in seals]
    edges = [Edge(START, one, "has", ("blake3:0",)) for one in items]
    edges += [Edge(one, seal, "sealed_with", ("blake3:1",)) for one, seal in zip(items, reversed(seals), strict=True)]
    return Correlation(START, tuple(places), tuple(edges), False)


def test_no_node_lies_on_another() -> None:
    """Nor out of the picture; the column says how many steps away it is."""
    drawing = draw(star(7))
    for one, other in combinations(drawing.spots, 2):
        assert abs(one.x - other.x) >= WIDTH or abs(one.y - other.y) >= HEIGHT
    for spot in drawing.spots:
        assert 0 <= spot.x <= drawing.width - WIDTH
        assert 0 <= spot.y <= drawing.height - HEIGHT
    columns = {distance: {spot.x for spot in drawing.spots if spot.place.distance == distance} for distance in range(3)}
    assert [len(xs) for xs in columns.values()] == [1, 1, 1]
    assert sorted(x for xs in columns.values() for x in xs) == [x for xs in columns.values() for x in xs]


def test_lines_that_need_not_cross_do_not() -> None:
    """A seal stands at the height of the item that leads to it, whatever its number."""
    drawing = draw(star(5))
    tops = {spot.place.node: spot.y for spot in drawing.spots}
    for line in drawing.lines:
        if line.edge.relation == "sealed_with":
            assert tops[line.edge.a] == tops[line.edge.b]
            assert line.y1 == line.y2


def test_lines_end_at_the_boxes() -> None:
    """On the right side of the nearer one and the left side of the other."""
    drawing = draw(star(3))
    spots = {spot.place.node: spot for spot in drawing.spots}
    for line in drawing.lines:
        nearer, farther = sorted((spots[line.edge.a], spots[line.edge.b]), key=lambda spot: spot.x)
        assert (line.x1, line.x2) == (nearer.x + WIDTH, farther.x)


def test_what_is_too_much_is_counted() -> None:
    """The nearest are drawn."""
    drawing = draw(star(100))
    assert len(drawing.spots) == DRAWN_AT_MOST
    assert drawing.left_out == 201 - DRAWN_AT_MOST
    assert {spot.place.distance for spot in drawing.spots[:101]} == {0, 1}


def test_a_node_alone_is_a_picture() -> None:
    """And the same correlation gives the same one."""
    alone = Correlation(START, (Place(START, 0, 0, True),), (), False)
    assert len(draw(alone).spots) == 1
    assert draw(star(9)) == draw(star(9))
