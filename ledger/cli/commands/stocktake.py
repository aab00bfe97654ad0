"""``tally stocktake``: count a room or a shelf of your agency against the record."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from ledger.cli.command import Group, output_option
from ledger.cli.event_recorder import EventRecorder, make_body
from ledger.cli.output import Column, columns, printable_line
from ledger.cli.params import act_command, with_event_recorder
from ledger.cli.session import Session
from ledger.client.service import path_of
from ledger.core.encoding.decoding import convert
from ledger.core.errors import MalformedInput
from ledger.core.events import EVENT_TYPES, Stream
from ledger.recording.event_signing import StreamPosition

STOCKTAKES = "/api/v1/stocktakes"
AT_ONCE = 200  # codes of one request
OPEN = columns("stocktake_id", "storage_location", "number", "officer", "started_at")
RECORDED = columns(
    "stocktake_id", "storage_location", "number", "ended_at", "present", "differences", "unknown_codes", "event_id"
)
SUMMARY = columns(
    *("stocktake_id", "storage_location", "number", "officer", "started_at", "started_size", "tree_size"),
    *("counts.expected", "counts.scanned"),
)
SCANS = (
    Column("number", label="scan_number"),
    *columns("code", "result:scan_result", "officer", "scanned_at", "taken_back_by"),
)
LINES = columns("description", "item_id", "case_id", "seal_number", "storage_location")
CHANGES = columns("description", "item_id", "case_id", "change:change_in_count", "storage_location")
DIFFERENCES = columns("description", "item_id", "case_id", "kinds", "expected", "found")


@click.group("stocktake", cls=Group)
def stocktake_group() -> None:
    """Stocktakes: count what lies in a room against the record."""


@stocktake_group.command("open")
@click.argument("storage_location")
@click.option("--number")
def open_(session: Session, storage_location: str, number: str | None) -> None:
    """Open a stocktake of a room, or of a shelf of it.

    It counts every item that your agency holds and whose place of storage begins with STORAGE_LOCATION. It stays open
    until it is closed or abandoned; other officers of your agency may scan for it, too.
    """
    asked = {"storage_location": storage_location} | ({"number": number} if number else {})
    session.output.record(session.service.post(STOCKTAKES, msgspec.json.encode(asked), dict[str, Any]), OPEN)


@stocktake_group.command("scan")
@click.argument("stocktake_id")
@click.argument("codes", nargs=-1)
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="Codes, one a line; with - from standard input, each answered as it comes.",
)
@click.option("--seal-number", help="The seal that the thing bears, where one code is given.")
def scan(
    session: Session, *, stocktake_id: str, codes: tuple[str, ...], file: Path | None, seal_number: str | None
) -> None:
    """Scan codes, and see at once what each comes to.

    A code is an item's id as on its label, CASE/ITEM, or the number of a seal. In a file, the seal that the thing bears
    may stand behind its code, after a tab. A wrong scan is taken back by its number: 'tally stocktake take-back'.
    """
    if not codes and file is None:
        raise MalformedInput("expected codes, or a file of them", field="CODES, --file")
    if seal_number is not None and (len(codes) != 1 or file is not None):
        raise MalformedInput("a seal is read on one thing: give its code alone", field="--seal-number")
    typed = [{"code": code} | ({"seal_number": seal_number} if seal_number else {}) for code in codes]
    answers: list[dict[str, Any]] = []
    for scans in _parts(typed, file):
        asked = msgspec.json.encode({"scans": scans})
        answer = session.service.post(path_of(STOCKTAKES + "/{}/scans", stocktake_id), asked, dict[str, Any])
        answers += answer["scans"]
        if not session.json:
            for scanned in answer["scans"]:
                click.echo(printable_line(_in_words(session, scanned)))
    if session.json:
        session.output.data(answers)


def _parts(typed: list[dict[str, str]], file: Path | None) -> Iterator[list[dict[str, str]]]:
    """Yield the scans of one request after the other: of a file many at a time, of standard input each by itself."""
    if typed:
        yield typed
    if file is None:
        return
    try:
        if str(file) == "-":
            for line in sys.stdin:
                yield from ([scan] for scan in _scans_in([line]))
            return
        scans = list(_scans_in(file.read_text(encoding="utf-8").splitlines()))
    except UnicodeDecodeError as error:
        raise MalformedInput(
            "{file} is no text in UTF-8: {error.reason}", file=file, error=error, field="--file"
        ) from error
    for first in range(0, len(scans), AT_ONCE):
        yield scans[first : first + AT_ONCE]


def _scans_in(lines: Iterable[str]) -> Iterator[dict[str, str]]:
    for line in lines:
        code, _, seal_number = line.strip().partition("\t")
        if code:
            yield {"code": code.strip()} | ({"seal_number": seal_number.strip()} if seal_number.strip() else {})


def _in_words(session: Session, scanned: dict[str, Any]) -> str:
    """Return what a scan came to in one line."""
    item = scanned.get("item")
    number = f"#{scanned['number']} " if scanned["number"] is not None else ""
    line = f"{number}{scanned['code']}: {session.labels.of('scan_result', scanned['result'])}"
    if item is not None:
        line += f" · {session.labels.translate(item['description'])} · {item['case_id']}"
    if among := [f"{each['case_id']}/{each['item_id']}" for each in scanned.get("among", ())]:
        line += " · " + session.labels.translate(
            "Several things have this code. Nothing was counted: scan or type CASE/ITEM."
        )
        line += " " + ", ".join(among)
    for difference in scanned["differences"]:
        sides = session.output.sides(difference)
        line += f" · {session.labels.of('discrepancy_kind', difference['kind'])}: " + " → ".join(sides.values())
    return line


@stocktake_group.command("take-back")
@click.argument("stocktake_id")
@click.argument("number", type=click.IntRange(1))
def take_back(session: Session, stocktake_id: str, number: int) -> None:
    """Take a wrong scan back by its NUMBER: it counts no more, and stays in the list as taken back.

    Where the same thing was scanned again, that scan counts in its place.
    """
    answer = session.service.delete(path_of(STOCKTAKES + "/{}/scans/{}", stocktake_id, str(number)))
    session.output.record(answer if session.json else answer["scan"], None if session.json else SCANS)


@stocktake_group.command("show")
@click.argument("stocktake_id")
@click.option("--recorded", is_flag=True, help="Show a stocktake as it was recorded, not one that is open.")
def show(session: Session, stocktake_id: str, *, recorded: bool) -> None:
    """Show how the count compares with the record by now: what is missing, surplus or elsewhere."""
    if recorded:
        _show_recorded(session, session.service.get(path_of(STOCKTAKES + "/{}/recorded", stocktake_id)))
        return
    view = session.service.get(path_of(STOCKTAKES + "/{}", stocktake_id))
    if session.json:
        session.output.data(view)
        return
    session.output.record(view, SUMMARY)
    comparison = view["comparison"]
    differing = [
        count["item"] | {"kinds": [difference["kind"]], **session.output.sides(difference)}
        for count in comparison["differing"]
        for difference in count["differences"]
    ]
    unknown_codes = [{"code": code} for code in comparison["unknown_codes"]]
    session.output.parts(
        (
            ("differences", differing, DIFFERENCES),
            ("changed_since", [each["item"] | each for each in comparison["changed_since"]], CHANGES),
            ("present", comparison["present"], LINES),
            ("unknown_codes", unknown_codes, columns("code")),
            ("changed", view["changed"], columns("code", "first_result:scan_result", "result:scan_result")),
            ("scans", view["scans"], SCANS),
        )
    )


def _show_recorded(session: Session, answer: dict[str, Any]) -> None:
    """Show what was signed, with its differences in words, and which discrepancies that it names do not exist."""
    recorded = answer["stocktake"]
    if session.json:
        session.output.data(answer)
        return
    lists = ("present", "differences", "unknown_codes", "changed_since")
    session.output.record(recorded, columns(*(name for name in recorded if name not in lists)))
    called = {(item["case_id"], item["item_id"]): item["description"] for item in answer["descriptions"]}

    def lines(name: str) -> list[dict[str, Any]]:
        return [
            {"description": called.get((line["case_id"], line["item_id"]))} | line for line in recorded.get(name, ())
        ]

    differing = [line | {"kinds": [line["kind"]], **session.output.sides(line)} for line in lines("differences")]
    session.output.parts(
        (
            ("differences", differing, (*DIFFERENCES, *columns("discrepancy_id"))),
            ("changed_since", lines("changed_since"), CHANGES),
            ("present", lines("present"), LINES),
            ("unknown_codes", [{"code": code} for code in recorded.get("unknown_codes", ())], columns("code")),
            ("nonexistent", answer["nonexistent"], columns("case_id", "discrepancy_id")),
        )
    )


@stocktake_group.command("paper")
@click.argument("stocktake_id")
@output_option(default="STOCKTAKE_ID.pdf")
@click.option("--both", is_flag=True, help="In Chinese and English [in your language].")
def paper(session: Session, stocktake_id: str, *, output: Path | None, both: bool) -> None:
    """Print the report of a recorded stocktake as a PDF: what was counted, by whom, and what differs."""
    from ledger.cli.files import save
    from ledger.interchange.papers.paper_text import language_for

    language = "both" if both else language_for(session.language)
    printed = session.service.fetch(path_of(STOCKTAKES + "/{}/paper", stocktake_id), lang=language)
    save(session, output or Path(f"{stocktake_id}.pdf"), printed)


@stocktake_group.command("list")
@click.option("--recorded", is_flag=True, help="Those that were recorded, the newest first.")
def list_(session: Session, *, recorded: bool) -> None:
    """List the stocktakes of your agency that are open, or that were recorded."""
    if recorded:
        session.output.table(list(session.service.pages(STOCKTAKES + "/recorded", "stocktakes")), RECORDED)
        return
    session.output.table(session.service.get(STOCKTAKES)["stocktakes"], OPEN)


@stocktake_group.command("abandon")
@click.argument("stocktake_id")
def abandon(session: Session, stocktake_id: str) -> None:
    """Forget an open stocktake and its scans; nothing of it was recorded."""
    session.output.record(session.service.delete(path_of(STOCKTAKES + "/{}", stocktake_id)))


@act_command(stocktake_group, "stocktake.recorded")
@click.argument("stocktake_id")
@click.option("--counter", "counters", multiple=True, help="An officer who counted without scanning; may be repeated.")
@click.option("--remark")
@click.option(
    "--missing",
    multiple=True,
    metavar="CASE/ITEM",
    help="A thing that is not there although it came in by the record since the count began; may be repeated.",
)
@with_event_recorder
def close(recorder: EventRecorder, stocktake_id: str, missing: tuple[str, ...], **stated: Any) -> None:
    """Record what was counted.

    All of it is compared with the record as it is now, and recorded together or not at all: one question asks for all.
    What was not scanned is missing, except what came in by the record since the count began.
    """
    asked = {name: value for name, value in stated.items() if value}
    if missing:
        named = (text.rpartition("/") for text in missing)
        asked["missing"] = [{"case_id": case_id, "item_id": item_id} for case_id, _, item_id in named]
    answer = recorder.session.service.post(
        path_of(STOCKTAKES + "/{}/acts", stocktake_id), msgspec.json.encode(asked), dict[str, Any]
    )
    acts = [
        (
            make_body(EVENT_TYPES[act["event_type"]].body, **act["body"]),
            StreamPosition(convert(act["stream"], Stream), act["sequence"], act["previous"]),
        )
        for act in answer["acts"]
    ]
    recorder.record_all(acts)
