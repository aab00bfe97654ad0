"""Print the timeline of a case, item or person: events with their notes, and the state between them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

import click

from ledger.cli.output import Column, Output, columns, instant, printable, when
from ledger.cli.session import Session

# The colour of a note, by its kind; notes that only describe the state are dim.
COLOURS = {
    "met": "green",
    "resolved": "green",
    "missed": "red",
    "differs": "red",
    "flag": "yellow",
    "break": "magenta",
    "uncountable": "yellow",
}
STATE_FIELDS = (
    *("responsible", "holder", "location", "kept_for", "stage", "status"),
    *("checked_out_to", "quantity", "money", "condition", "seal_number"),
)


def show_steps(output: Output, steps: Iterable[Mapping[str, Any]]) -> None:
    """Print each event in its sentence: claimed time above, recorded and proven time and notes below."""
    if output.json:
        return output.data(steps)
    for step in steps:
        event_type = output.labels.of("event_type", step["event_type"])
        signer = f"{output.names(step['agency'])} {step['officer']}"
        head = f"{step['sequence']:>4}  {when(step['occurred_at'])}  {event_type}  {signer}"
        click.secho(printable(head), bold=True)
        click.echo(printable(f"      {step['sentence']}"))
        click.secho(printable(f"      {_times_of(output, step)}"), dim=True)
        for note in step["notes"]:
            colour = COLOURS.get(note["kind"])
            click.secho(printable(f"      {note['text']}"), fg=colour, dim=colour is None)
    return None


def _times_of(output: Output, step: Mapping[str, Any]) -> str:
    """Return when an event was recorded, how far it is anchored, and when it is proven to have existed."""
    labels = output.labels
    recorded = f"{labels.of('field', 'recorded_at')} {when(step['recorded_at'] // 1000)}"
    proven = f"{labels.of('field', 'proven_time')} {when(step['proven_at'])}" if step["proven_at"] else ""
    return "; ".join(filter(None, (recorded, labels.of("state", step["state"]), proven)))


def show_spans(output: Output, spans: Iterable[Mapping[str, Any]]) -> None:
    """Print the spans of each subject: from when to when, and its state meanwhile."""
    if output.json:
        return output.data(spans)
    labels = output.labels
    click.secho(f"\n{output.heading('spans')}", bold=True)
    for (subject, subject_id), of_one in groupby(spans, key=itemgetter("subject", "subject_id")):
        click.secho(printable(f"{labels.of('subject', subject)} {subject_id}"), bold=True)
        for span in of_one:
            until = _moment(span["until"]) if span["until"] else labels.of("message", "now")
            click.echo(printable(f"  {_moment(span['since'])} – {until}"))
            cells = ((name, output.cell(Column(name), span["standing"])) for name in STATE_FIELDS)
            state = "; ".join(f"{output.heading(name)} {text}" for name, text in cells if text)
            click.secho(printable(f"      {state}"), dim=True)
    return None


def _moment(moment: Mapping[str, Any]) -> str:
    return f"#{moment['sequence']} {when(moment['occurred_at'])}"


ON = click.option("--on", metavar="DAY|TIME", help="Who had custody then, on what authority, and in time?")
HELD = (
    *columns("held.since", "held.until", "holder", "responsible", "kept_for", "event_type"),
    Column("rests_on", label="authority"),
    *columns("in_time", "flags", "deadlines"),
)


def show_custody(session: Session, path: str, on: str | None) -> None:
    """Ask the ledger for the history of an item or a person, and print it, or who had custody ``on`` a day or time."""
    if on is not None and not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", on):
        on = instant(on, field="--on")
    history = session.service.get(path, lang=session.language, on=on)
    if session.json:
        session.output.data(history if on is None else history["answer"])
    elif on is None:
        _show_history(session.output, history)
    else:
        _show_answer(session.output, history["answer"])


def _show_answer(output: Output, answer: Mapping[str, Any]) -> None:
    """Print who had custody in sentences, then a table of it, and of where the chain of custody is open."""
    labels = output.labels
    click.secho(printable(answer["sentence"]), bold=True)
    rows = [
        {
            **{name: held[name] for name in ("holder", "responsible", "kept_for", "in_time")},
            "held": {"since": held["since"], "until": held["until"] or labels.of("message", "now")},
            "event_type": held["act"]["event_type"],
            "rests_on": [ground["text"] for ground in held["grounds"]],
            "flags": [labels.of_flag(flag["name"]) for flag in held["flags"]],
            "deadlines": [_ended(output, ended) for ended in held["deadlines"]],
        }
        for held in answer["holdings"]
    ]
    if rows:
        output.table(rows, HELD)
    for gap in answer["open"]:
        click.secho(printable(gap["text"]), fg=COLOURS["break"])


def _ended(output: Output, ended: Mapping[str, Any]) -> str:
    """Return a deadline that the act ended, and whether in time."""
    return f"{output.labels.of_clock(ended['clock'])}: {output.labels.of('deadline_status', ended['status'])}"


def _show_history(output: Output, history: Mapping[str, Any]) -> None:
    """Print the events that concern one item or person, then its states between them."""
    show_steps(output, history["steps"])
    show_spans(output, history["spans"])
    for case_id in history["came_from"]:
        output.note(f"{output.heading('came_from')}: {case_id}")
    if before := history["came_from_items"]:
        output.note(f"{output.heading('came_from_items')}: {', '.join(before)}")
