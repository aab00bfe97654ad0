"""``tally import``: cases of an agency's own system come in, once, with their origin."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from msgspec import Struct

from ledger.cli.command import Group, output_option, signing
from ledger.cli.errors import Exit
from ledger.cli.output import columns
from ledger.cli.params import FILE, IN_FORCE, identity_key_option
from ledger.cli.session import Session
from ledger.core.messages import Message, plain
from ledger.procedures import books_that_ship

if TYPE_CHECKING:
    from ledger.interchange.imports.case_events import RowFault
    from ledger.interchange.imports.importing import PlannedRow, RejectsFile, RowResult

MAPPING = click.option(
    "--mapping", "mapping_file", type=FILE, required=True, help="What the columns mean: a TOML file."
)
WITH = click.option(
    "--with",
    "joined",
    multiple=True,
    metavar="NAME=PATH",
    help="Another file that the mapping joins, by its name there.",
)
SAME_NUMBER = click.option(
    "--same-number",
    "may_double",
    is_flag=True,
    help="Also rows whose case number another row, or another case of your agency, has.",
)
PLANNED = columns("row", "source_key", "case_number", "stage", "comes_to")
FAULTS = columns("row", "source_key", "column", "value", "reason")
ADDING = columns("row", "source_key", "persons", "items", "no_longer_named")
DIFFERENCES = columns("row", "source_key", "event_type", "field", "recorded", "correct")
SHOW = click.option(
    "--show", type=click.IntRange(0, 1000), default=20, show_default=True, help="How many rows to show."
)
FAULTS_SHOWN = 50


class ImportReport(Struct):
    """What an import came to; ``rows`` counts by what became of them."""

    file: str
    file_digest: str
    mapping: str
    source_system: str
    rows: dict[str, int]
    events: int
    seconds: float
    rejects: str | None


@click.group("import", cls=Group)
def import_group() -> None:
    """Cases out of another system: CSV, XLSX or JSON, by a mapping."""


@import_group.command("key")
@identity_key_option
def key(session: Session, key_file: Path | None) -> None:
    """Make the key that the agency's ids are derived with.

    One for the whole agency: whoever imports needs a copy of it. With another key, rows that are in already would be
    refused, and new ones would get other ids.
    """
    from ledger.cli.importing import key_path
    from ledger.interchange.imports.identity import make_key

    path = key_path(session, key_file)
    make_key(path)
    session.output.record({"file": str(path)})


@import_group.command("check")
@click.argument("file", type=FILE)
@MAPPING
@WITH
@IN_FORCE
@SAME_NUMBER
@SHOW
@output_option("--rejects", help_text="Write the rows with faults to this CSV file.", is_result=False)
def check(
    session: Session,
    /,
    *,
    file: Path,
    mapping_file: Path,
    joined: tuple[str, ...],
    in_force: bool,
    may_double: bool,
    show: int,
    rejects: Path | None,
) -> Exit:
    """Dry run: show what each row would become as a new case, and which have faults. Nothing is sent.

    What the ledger has of the rows, and in what they differ from it, is shown by 'tally import status'.

    No service is asked, unless it is to be by the procedures that your ledger has in force: those that ship come with
    their words and clocks.
    """
    from ledger.cli.files import bar, require_free
    from ledger.cli.importing import open_surveyed
    from ledger.interchange.imports.identity import passing_key
    from ledger.interchange.imports.importing import DRY_RUN_AGENCY, DryRun, RejectsFile
    from ledger.interchange.imports.mapping import read_mapping
    from ledger.interchange.imports.plan import Planner

    trial = _TrialSummary(show)
    if rejects is not None:
        require_free(session, rejects, "--rejects")
    procedures, key = session.procedures if in_force else books_that_ship(), passing_key(DRY_RUN_AGENCY)
    planner = Planner(read_mapping(mapping_file, procedures), key, procedures)
    with open_surveyed(session, file, planner, joined, may_double=may_double) as surveyed, ExitStack() as stack:
        listed = stack.enter_context(RejectsFile(rejects, _reason(session))) if rejects else None
        dry_run = DryRun(surveyed.planner, surveyed.survey, procedures)
        with bar(session, "checking", surveyed.survey.rows) as progress:
            for row in surveyed.source.table().rows():
                trial.add(dry_run.take(row), listed)
                progress.step()
        surveyed.source.require_same(surveyed.survey.digest)
    trial.print(session, surveyed.survey.digest)
    return Exit.REFUSED if trial.refused else Exit.OK


@import_group.command("run")
@click.argument("file", type=FILE)
@MAPPING
@WITH
@identity_key_option
@SAME_NUMBER
@output_option(
    "--report",
    help_text="Where the report goes; the rows with faults go beside it.",
    default="FILE.import.json, then FILE.import-2.json",
    is_result=False,
)
@click.option("--add", is_flag=True, help="Also rows that add persons or things beside those that they no longer name.")
@signing
def run(
    session: Session,
    /,
    *,
    file: Path,
    mapping_file: Path,
    joined: tuple[str, ...],
    key_file: Path | None,
    may_double: bool,
    report: Path | None,
    add: bool,
) -> Exit:
    """Import the rows of FILE: each becomes the events of its case, signed with your key once you agree.

    Run it again after an interruption, or with a newer file: rows that are in are left alone, half-imported ones are
    completed, and changed ones are corrected. Rows with faults are listed beside the report and do not stop the rest.
    """
    from ledger.cli.files import bar, opened_output, require_free
    from ledger.cli.importing import identity_key, make_importer, open_surveyed
    from ledger.interchange.imports.importing import RejectsFile
    from ledger.interchange.imports.mapping import read_mapping
    from ledger.interchange.imports.plan import Planner

    runs = (f"{file.name}.import{'' if number == 1 else f'-{number}'}.json" for number in count(1))
    free = (pair for pair in map(_with_rejects, map(Path, runs)) if not any(each.exists() for each in pair))
    report, rejects = _with_rejects(report) if report else next(free)
    for written in (report, rejects):
        require_free(session, written, "--report")
    key, refused = identity_key(session, key_file), RejectsFile(rejects, _reason(session))
    mapping = read_mapping(mapping_file, session.procedures)
    planner = Planner(mapping, key, session.procedures)
    with open_surveyed(session, file, planner, joined, may_double=may_double) as surveyed, refused as listed:
        asked = Message(
            "You sign the events that the {rows} rows of {file} become, as {officer}; "
            "'tally import check' shows them first.",
            rows=surveyed.survey.rows,
            file=file,
            officer=session.officer[1],
        )
        session.confirm([asked, f"  {surveyed.survey.digest}"])
        report_rows = ImportReport(
            str(file), surveyed.survey.digest, mapping.name, mapping.source_system, {}, 0, 0.0, None
        )
        try:
            with bar(session, "importing", surveyed.survey.rows) as progress:
                importer = make_importer(session, surveyed, may_add=add, may_double=may_double)
                for result in _counted(importer.run(surveyed.source), report_rows, listed):
                    progress.step(result.row)
        finally:
            with opened_output(session, report, option="--report") as opened:
                opened.write(msgspec.json.format(msgspec.json.encode(report_rows, enc_hook=plain), indent=2) + b"\n")
            session.output.record(msgspec.to_builtins(report_rows, enc_hook=plain))
    return Exit.REFUSED if "refused" in report_rows.rows else Exit.OK


@import_group.command("status")
@click.argument("file", type=FILE)
@MAPPING
@WITH
@identity_key_option
@SAME_NUMBER
@SHOW
def status(
    session: Session,
    /,
    *,
    file: Path,
    mapping_file: Path,
    joined: tuple[str, ...],
    key_file: Path | None,
    may_double: bool,
    show: int,
) -> None:
    """Say how many rows of FILE the ledger has, lacks, or has otherwise, and in what. Nothing is sent.

    Of changed rows each field is shown, as it is recorded and as the row has it; what is not recorded yet would be
    added. Rows that would be refused, or add persons or things beside those that they no longer name, are listed.
    """
    from ledger.cli.files import bar
    from ledger.cli.importing import identity_key, make_importer, open_surveyed
    from ledger.interchange.imports.mapping import read_mapping
    from ledger.interchange.imports.plan import Planner

    states: Counter[str] = Counter()
    adding: list[dict[str, Any]] = []
    differing: list[dict[str, Any]] = []
    faults: list[RowFault] = []
    changed = 0
    key = identity_key(session, key_file)
    planner = Planner(read_mapping(mapping_file, session.procedures), key, session.procedures)
    with (
        open_surveyed(session, file, planner, joined, may_double=may_double) as surveyed,
        bar(session, "looking_up", surveyed.survey.rows) as progress,
    ):
        for row in make_importer(session, surveyed, may_double=may_double).states(surveyed.source):
            states[row.state] += 1
            named = {"row": row.row, "source_key": row.source_key}
            if row.replaced is not None:
                adding.append(named | row.replaced._asdict())
            if row.differences and changed < show:
                changed += 1
                differing += (named | difference._asdict() for difference in row.differences)
            if row.fault is not None and len(faults) < FAULTS_SHOWN:
                faults.append(row.fault)
            progress.step()
    counted = {"file": str(file), "file_digest": surveyed.survey.digest, "rows": dict(states)}
    if session.json:
        refused = msgspec.to_builtins(faults, enc_hook=plain)
        session.output.data({**counted, "adding": adding, "differences": differing, "faults": refused})
        return
    in_words = [row | {"field": session.output.heading(row["field"])} for row in differing]
    parts = (("differences", in_words, DIFFERENCES), ("adding", adding, ADDING))
    session.output.parts((*parts, ("faults", _in_words(session, faults), FAULTS)))
    session.output.record(counted)


def _with_rejects(report: Path) -> tuple[Path, Path]:
    """Return the file of a report, and that of its rows with faults."""
    return report, report.with_name(f"{report.name.removesuffix('.json')}.rejects.csv")


def _in_words(session: Session, faults: Sequence[RowFault]) -> list[dict[str, Any]]:
    """Return faults as rows of a table, with their reasons in the user's language."""
    rows = msgspec.to_builtins(faults, enc_hook=plain)
    reasons = [session.labels.translate(fault.reason) for fault in faults]
    return [row | {"reason": reason} for row, reason in zip(rows, reasons, strict=True)]


def _reason(session: Session) -> Callable[[str], str]:
    """Return how reasons are written: in the language of the user, in English for programs."""
    return lambda reason: reason if session.json else session.labels.translate(reason)


def _counted(results: Iterator[RowResult], report: ImportReport, listed: RejectsFile) -> Iterator[RowResult]:
    """Yield the results, after counting each in the report and listing refused rows."""
    began = time.monotonic()
    for result in results:
        report.rows[result.became] = report.rows.get(result.became, 0) + 1
        report.events += result.events
        report.seconds = round(time.monotonic() - began, 1)
        if result.fault:
            listed.add(result.fault)
            report.rejects = str(listed.path)
        yield result


class _TrialSummary:
    """The outcome of a dry run: counts of all rows, and the first rows to show."""

    def __init__(self, show: int):
        self._show = show
        self._events: Counter[str] = Counter()
        self._planned: list[PlannedRow] = []
        self._faults: list[RowFault] = []
        self.good = self.refused = 0

    def add(self, outcome: PlannedRow | RowFault, listed: RejectsFile | None) -> None:
        from ledger.interchange.imports.importing import PlannedRow

        if isinstance(outcome, PlannedRow):
            self.good += 1
            self._events.update(outcome.events)
            if len(self._planned) < self._show:
                self._planned.append(outcome)
            return
        self.refused += 1
        if len(self._faults) < FAULTS_SHOWN:
            self._faults.append(outcome)
        if listed:
            listed.add(outcome)

    def print(self, session: Session, digest: str) -> None:
        output = session.output
        summary = {"file_digest": digest, "rows": {"good": self.good, "refused": self.refused}}
        planned, faults = msgspec.to_builtins((self._planned, self._faults), enc_hook=plain)
        if session.json:
            output.data({**summary, "events": dict(self._events), "planned": planned, "faults": faults})
            return
        planned = [row | {"comes_to": self._words(session, row["events"])} for row in planned]
        output.parts((("planned", planned, PLANNED), ("faults", _in_words(session, self._faults), FAULTS)))
        output.record({**summary, "comes_to": self._words(session, self._events)})

    @staticmethod
    def _words(session: Session, events: dict[str, int]) -> str:
        return ", ".join(f"{session.labels.of('event_type', name)} {count}" for name, count in events.items())
