"""Correlation: the graph around a node is that of a slow search over all pairs; its drawing has room for every node."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.core.errors import MalformedInput, NotFound
from ledger.supervision.correlation import (
    DRAWN_AT_MOST,
    FOLLOWED_AT_MOST,
    HEIGHT,
    WIDTH,
    Correlation,
    Edge,
    GraphNode,
    Place,
    correlate,
    draw,
    parse_node,
)
from ledger.supervision.runs.query_session import QuerySession

AS_OF = datetime(2026, 7, 1, tzinfo=UTC)


def digest(number: int) -> str:
    return f"blake3:{number:064x}"


def case(number: int) -> GraphNode:
    return GraphNode("case", f"case-{number}")


def item_row(number: int, item: str) -> dict[str, Any]:
    return {"case_id": f"case-{number}", "item_id": item, "evidence": [digest(number)]}


def sealed(number: int, item: str, seal: str) -> dict[str, Any]:
    return item_row(number, item) | {"seal_number": seal}


def handled(number: int, officer: str) -> dict[str, Any]:
    return {"case_id": f"case-{number}", "agency": "police-east", "officer": officer, "evidence": [digest(number)]}


def record(**rows: list[dict[str, Any]]) -> QuerySession:
    """Open a session on these rows, with an event of each case in them by an officer who has no other."""
    cases = dict.fromkeys(str(row["case_id"]) for view_rows in rows.values() for row in view_rows)
    own = [handled(int(case_id.removeprefix("case-")), f"of-{case_id}") for case_id in cases]
    return QuerySession.of_rows({**rows, "officers": [*rows.get("officers", ()), *own]})


def around(session: QuerySession, start: GraphNode, depth: int = 4) -> Correlation:
    return correlate(session, start, depth=depth, as_of=AS_OF)


def test_two_cases_with_one_seal_are_four_steps_apart() -> None:
    """The way between them names things, seal and the events that say so; the third case is out of it."""
    session = record(
        items=[item_row(1, "phone"), item_row(2, "knife"), item_row(3, "car")],
        seals=[sealed(1, "phone", "S-7"), sealed(2, "knife", "S-7"), sealed(3, "car", "S-8")],
    )
    correlation = around(session, case(1))
    assert correlation.cases() == ("case-1", "case-2")
    way = correlation.path_to(case(2))
    assert [(edge.a.name, edge.relation, edge.b.name) for edge in way] == [
        ("case:case-1", "has", "item:phone"),
        ("item:phone", "sealed_with", "seal:S-7"),
        ("item:knife", "sealed_with", "seal:S-7"),
        ("case:case-2", "has", "item:knife"),
    ]
    assert way[0].evidence == (digest(1),)
    assert not correlation.cut
    assert around(session, case(1), depth=3).cases() == ("case-1",)
    with pytest.raises(NotFound):
        correlation.path_to(case(3))


def test_a_busy_officer_is_counted_and_not_followed() -> None:
    """Whoever has handled more cases than are followed connects none of them, unless the search starts there."""
    busy = FOLLOWED_AT_MOST + 1
    session = record(officers=[handled(number, "p-1") for number in range(busy)])
    correlation = around(session, case(0))
    assert (correlation.cases(), correlation.cut) == (("case-0",), True)
    (officer,) = [place for place in correlation.places if place.node.id == "police-east/p-1"]
    assert (officer.neighbours, officer.followed) == (busy, False)
    assert len(around(session, GraphNode("officer", "police-east/p-1"), depth=1).cases()) == busy


LINKS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.sampled_from("ab")), max_size=12)


@settings(max_examples=12, deadline=None)
@given(links=LINKS, depth=st.integers(1, 4))
def test_what_is_found_is_what_a_slow_search_finds(links: list[tuple[int, int, str]], depth: int) -> None:
    """The nodes within so many steps, by the distances of a graph of all pairs."""
    import networkx

    seals = [sealed(number, f"item-{item}", f"S-{seal}") for number, item, seal in links]
    items = [item_row(number, f"item-{item}") for number, item, _ in links]
    session = record(items=[item_row(0, "item-0"), *items], seals=seals)
    slow: networkx.Graph[str] = networkx.Graph([("case:case-0", "item:item-0")])
    slow.add_edges_from((f"case:case-{number}", f"item:item-{item}") for number, item, _ in links)
    slow.add_edges_from((f"item:item-{item}", f"seal:S-{seal}") for _, item, seal in links)
    expected = networkx.single_source_shortest_path_length(slow, "case:case-0", cutoff=depth)
    correlation = around(session, case(0), depth)
    things = {place.node.name: place.distance for place in correlation.places if place.node.kind != "officer"}
    assert things == dict(expected)
    shown = {frozenset((edge.a.name, edge.b.name)) for edge in correlation.edges if edge.b.kind != "officer"}
    assert shown == {frozenset(edge) for edge in slow.subgraph(expected).edges}
    assert set(correlation.graph().nodes) >= set(expected)


def test_what_is_not_there_is_said() -> None:
    """A kind that is none, a node that the record has not, a depth that is none: each names its field."""
    session = QuerySession.of_rows({})
    with pytest.raises(MalformedInput, match="KIND:ID"):
        parse_node("name:somebody")
    with pytest.raises(NotFound):
        around(session, parse_node("case:case-1"))
    for depth in (0, 9):
        with pytest.raises(MalformedInput) as refused:
            around(session, case(1), depth)
        assert refused.value.field == "depth"


START = GraphNode("case", "case-0")


def star(count: int) -> Correlation:
    """Return the correlation of a case with so many items, each of which has a seal of its own."""
    items = [GraphNode("item", f"item-{number:03}") for number in range(count)]
    seals = [GraphNode("seal", f"seal-{number:03}") for number in range(count)]
    places = [Place(START, 0, count, True), *(Place(node, 1, 2, True) for node in items)]
    places += [Place(node, 2, 1, False) for node in seals]
    edges = [Edge(START, node, "has", ("blake3:0",)) for node in items]
    edges += [Edge(node, seal, "sealed_with", ("blake3:1",)) for node, seal in zip(items, reversed(seals), strict=True)]
    return Correlation(START, tuple(places), tuple(edges), False)


def test_a_drawing_has_room_for_every_node_and_crosses_no_lines() -> None:
    """No node lies on another or out of the picture; the column says how many steps away it is; a seal stands at the
    height of the item that leads to it, whatever its number; lines end at the sides of the boxes."""
    drawing = draw(star(7))
    for spot, second_spot in combinations(drawing.spots, 2):
        assert abs(spot.x - second_spot.x) >= WIDTH or abs(spot.y - second_spot.y) >= HEIGHT
    for spot in drawing.spots:
        assert 0 <= spot.x <= drawing.width - WIDTH
        assert 0 <= spot.y <= drawing.height - HEIGHT
    columns = {(spot.place.distance, spot.x) for spot in drawing.spots}
    assert [distance for distance, _ in sorted(columns, key=lambda column: column[1])] == [0, 1, 2]
    spots = {spot.place.node: spot for spot in drawing.spots}
    for line in drawing.lines:
        nearer, farther = sorted((spots[line.edge.a], spots[line.edge.b]), key=lambda spot: spot.x)
        assert (line.x1, line.x2) == (nearer.x + WIDTH, farther.x)
        assert line.edge.relation == "has" or (nearer.y, line.y1) == (farther.y, line.y2)


def test_what_is_too_much_is_counted() -> None:
    """The nearest nodes are drawn, and the number of those left out is given; a node alone is a picture, and always the
    same."""
    drawing = draw(star(100))
    assert len(drawing.spots) == DRAWN_AT_MOST
    assert drawing.left_out == 201 - DRAWN_AT_MOST
    assert {spot.place.distance for spot in drawing.spots[:101]} == {0, 1}
    alone = Correlation(START, (Place(START, 0, 0, True),), (), False)
    assert len(draw(alone).spots) == 1
    assert draw(star(9)) == draw(star(9))
