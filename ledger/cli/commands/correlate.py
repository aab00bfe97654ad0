"""``tally correlate``: what a case, a thing or a person has in common with others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ledger.cli.command import Command
from ledger.cli.printable import printable
from ledger.cli.session import Session, pass_session
from ledger.core.encoding.decoding import convert
from ledger.core.errors import Conflict

if TYPE_CHECKING:
    from rich.tree import Tree

    from ledger.i18n import Labels

COLOURS = {"case": "bold", "item": "", "seal": "yellow", "digest": "cyan", "officer": "magenta", "person": "green"}
SHORT = 20  # characters of a digest or pseudonym that people are shown


@click.command("correlate", cls=Command)
@click.argument("node", metavar="KIND:ID|CASE")
@click.option("--depth", type=click.IntRange(1, 8), default=4, show_default=True, help="Steps away from it.")
@click.option("--to", metavar="KIND:ID", help="Show the way to this one alone.")
@click.option("--graphml", type=click.Path(dir_okay=False, path_type=Path), help="Save the graph for other programs.")
@pass_session
def command(session: Session, node: str, depth: int, to: str | None, graphml: Path | None) -> None:
    """Show what KIND:ID has in common with others: case, item, seal, digest, officer or person.

    A case may be named by its id or number alone. Two cases with one seal are four steps apart. Persons are
    pseudonyms, never names. What very many share is counted and not followed.
    """
    correlation = session.service.get("/api/v1/correlation", depth=depth, to=to, **{"from": node})
    if graphml is not None:
        return _save(session, graphml, correlation)
    if session.json:
        return session.output.data(correlation)
    if to is not None:
        return _show_path(correlation["path"], session.labels)
    session.output.console.print(_tree(correlation, session.labels))
    if correlation["cut"]:
        session.output.warn(session.labels.of("message", "more_in_common"))
    return None


def _save(session: Session, path: Path, correlation: dict[str, Any]) -> None:
    import networkx

    from ledger.supervision.correlation import Correlation, Edge, Place, parse_node

    graph = Correlation(
        parse_node(correlation["start"]),
        convert(correlation["places"], tuple[Place, ...]),
        convert(correlation["edges"], tuple[Edge, ...]),
        correlation["cut"],
    ).graph()
    if path.exists():
        raise Conflict(f"{path} is there already", field="--graphml", hint="Name another file.")
    networkx.write_graphml(graph, path)
    session.output.record({"file": str(path), "nodes": len(graph.nodes), "edges": len(graph.edges)})


def _show_path(path: list[dict[str, Any]], labels: Labels) -> None:
    for edge in path:
        parts = (_name(edge["a"], labels), labels.of_relation(edge["relation"]), _name(edge["b"], labels))
        click.echo("  ".join(parts))


def _tree(correlation: dict[str, Any], labels: Labels) -> Tree:
    """Each node below the nearest one that leads to it."""
    from rich.text import Text
    from rich.tree import Tree

    places = {_key(place["node"]): place for place in correlation["places"]}
    near: dict[str, list[str]] = {}
    for edge in correlation["edges"]:
        a, b = _key(edge["a"]), _key(edge["b"])
        near.setdefault(a, []).append(b)
        near.setdefault(b, []).append(a)

    def drawn(name: str) -> Text:
        place = places[name]
        rest = "" if place["followed"] or place["distance"] == 0 else f"  ({place['neighbours']})"
        return Text(_name(place["node"], labels) + rest, style=COLOURS[place["node"]["kind"]])

    drawn_nodes = {correlation["start"]}
    root = Tree(drawn(correlation["start"]))
    waiting = [(correlation["start"], root)]
    for name, branch in waiting:
        for other in sorted(set(near.get(name, ())) - drawn_nodes):
            if places[other]["distance"] == places[name]["distance"] + 1:
                drawn_nodes.add(other)
                waiting.append((other, branch.add(drawn(other))))
    return root


def _key(node: dict[str, str]) -> str:
    return f"{node['kind']}:{node['id']}"


def _name(node: dict[str, str], labels: Labels) -> str:
    shown = (
        node["id"] if node["kind"] not in ("digest", "person") or len(node["id"]) <= SHORT else node["id"][:SHORT] + "…"
    )
    return printable(f"{labels.of('node_kind', node['kind'])} {shown}")
