"""``tally procedure``: procedure packages, which are checked, tried out on their own examples, and compared here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from ledger.cli.command import Group, output_option
from ledger.cli.errors import Exit
from ledger.cli.output import Column, columns
from ledger.cli.session import Session
from ledger.client.service import path_of
from ledger.core.encoding.decoding import convert, decode_toml
from ledger.core.errors import MalformedInput
from ledger.core.messages import Message
from ledger.core.procedure.adoption import fault_after
from ledger.core.procedure.deadlines import parse_periods
from ledger.core.procedure.faults import lacks_source, rows_with_articles
from ledger.core.procedure.package import (
    INCLUDE,
    MAIN_FILE,
    MAX_BYTES,
    canonical_form,
    decode_package,
    differences,
    read_package,
)
from ledger.core.procedure.papers import PaperRow
from ledger.core.procedure.rulebook import ClockRule, Rulebook
from ledger.core.supervision.examples import faults_of_examples
from ledger.deadlines.working_days import arranged_days_off
from ledger.deadlines.zone_tables import zone_table
from ledger.procedures import SHARED, SHIPPED, folder_files, shipped_package

IN_LEDGER = columns("procedure", "version", "digest", "published", "adopted", "in_force", "fault")
CHANGED = columns("case_id", "part", "concerns", "before", "after")
LISTED = (
    *columns("procedure_id", "version", "title"),
    Column("valid_from", label="in_force_from"),
    *columns("languages", "clocks", "papers", "flags", "examples", "unconfirmed", "digest"),
)
CLOCKS = (
    *columns("clock", "label", "article", "per:noun", "periods"),
    Column("valid_from", label="in_force_from"),
    Column("source", label="source_of_row"),
)
PAPERS = columns("document", "title", "event:event_type", "article", "sheets")
UNCONFIRMED = (*columns("procedure_id"), Column("label", label="title"), *columns("article", "unconfirmed"))
UNSOURCED = columns("procedure_id", "part", "article")
TRIED = columns("procedure_id", "example", "result", "fault")
DIFFERING = columns("part", "before", "after")

PACKAGES = click.argument("packages", metavar="[FOLDER|NAME]...", nargs=-1, required=True)


@click.group("procedure", cls=Group)
def procedure_group() -> None:
    """Procedure packages: the words, clocks, flags and papers that a law or an institution decides, as data."""


@procedure_group.command("list")
@click.option("--ledger", is_flag=True, help="Those that your ledger has published and adopted, not those that ship.")
def list_packages(session: Session, *, ledger: bool) -> None:
    """List the packages that come with this version, or what a ledger has adopted.

    A row is unconfirmed where the package says what of it has to be looked up: 'tally procedure show' names each.
    """
    if ledger:
        session.output.table(session.service.get("/api/v1/procedures")["procedures"], IN_LEDGER)
        return
    summaries = [_summary(session, read_package(shipped_package(name))) for name in SHIPPED]
    session.output.table(summaries if session.json else list(map(_counted, summaries)), LISTED)


@procedure_group.command("show")
@click.argument("package", metavar="FOLDER|NAME")
def show(session: Session, package: str) -> None:
    """Show what a package has: its identity, its words, its clocks with their articles, and its papers.

    At the end stands what is unconfirmed: what of which row has to be looked up.
    """
    book = read_package(files_of(package))
    summary = _summary(session, book)
    words = {vocabulary: len(words) for vocabulary, words in book.vocabularies.items()}
    clocks = [
        {
            "clock": row.name,
            "label": session.labels.in_language(row.label),
            "article": row.article,
            "per": row.per,
            "periods": [base.period for base in row.bases],
            "valid_from": row.valid_from,
            "source": _source(book, row),
        }
        for row in book.clocks
    ]
    papers = [
        {
            "document": row.name,
            "title": session.labels.in_language(row.title),
            "event": row.event,
            "article": row.article,
            "sheets": len(row.sheets),
            "source": _source(book, row),
        }
        for row in book.papers
    ]
    if session.json:
        session.output.data(summary | {"words": words, "clocks": clocks, "papers": papers})
        return
    session.output.record(_counted(summary), LISTED)
    in_words = [
        row | {"periods": [session.labels.of_periods(*parse_periods(period)) for period in row["periods"]]}
        for row in clocks
    ]
    session.output.table(in_words, CLOCKS)
    for name, rows, shown in (("papers", papers, PAPERS), ("unconfirmed", summary["unconfirmed"], UNCONFIRMED[1:])):
        if rows:
            session.output.part(name, rows, shown)


@procedure_group.command("copy")
@click.argument("package", metavar="NAME")
@click.argument("folder", type=click.Path(path_type=Path))
def copy(session: Session, package: str, folder: Path) -> None:
    """Copy a package that comes with this version into a new folder, to write your own from it.

    What it includes stays where it is.
    """
    files = {name: data for name, data in files_of(package).items() if "/" not in name}
    if folder.exists():
        raise MalformedInput("{folder} is there already", folder=str(folder), field="folder", hint="Name a new folder.")
    staged = folder.with_name(f".{folder.name}.new")
    staged.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (staged / name).write_bytes(data)
    staged.rename(folder)
    session.output.done(Message("Copied to {folder}: {files}", folder=str(folder), files=", ".join(files)))


@procedure_group.command("check")
@PACKAGES
def check(session: Session, packages: Sequence[str]) -> int:
    """Check packages; report each fault with file, line, key and what was expected.

    What the package itself marks as not confirmed is listed, and what rests on an article whose text stands nowhere:
    they are no faults.
    """
    summaries, unsourced = [], []
    for _, book in _checked(session, packages):
        bare_rows = [
            {"procedure_id": book.procedure.id, "part": _listed(book, path), "article": row.article}
            for path, row in rows_with_articles(book)
            if lacks_source(row, book)
        ]
        summaries.append(_summary(session, book) | {"without_source": bare_rows})
        unsourced += bare_rows
    if session.json:
        session.output.data(summaries)
    else:
        unconfirmed = [row for summary in summaries for row in summary["unconfirmed"]]
        for listed, shown in ((list(map(_counted, summaries)), LISTED), (unconfirmed, UNCONFIRMED)):
            if listed:
                session.output.table(listed, shown)
        if unsourced:
            session.output.part("without_source", unsourced, UNSOURCED)
    return Exit.OK if len(summaries) == len(packages) else Exit.USAGE


@procedure_group.command("test")
@PACKAGES
def test(session: Session, packages: Sequence[str]) -> int:
    """Play the examples of packages: acts, and the states, flags and last days that they must come to."""
    rows, checked = [], list(_checked(session, packages))
    for _, book in checked:
        faults: dict[int, list[str]] = {}
        for path, fault in faults_of_examples(book):
            number = int(path[1]) if len(path) > 1 else -1
            faults.setdefault(number, []).append(session.output.labels.translate(fault))
        if -1 in faults:  # without any example
            rows.append({"procedure_id": book.procedure.id, "example": "-", "result": "failed", "fault": faults[-1]})
        for number, example in enumerate(book.examples):
            result = "failed" if number in faults else "passed"
            row = {"procedure_id": book.procedure.id, "example": example.name, "result": result}
            rows.append(row | {"fault": faults.get(number, [])})
    session.output.table(rows, TRIED, style_of=lambda row: "red" if row["result"] == "failed" else "")
    if len(checked) < len(packages):
        return Exit.USAGE
    return Exit.REFUSED if any(row["result"] == "failed" for row in rows) else Exit.OK


@procedure_group.command("diff")
@click.argument("before", metavar="FOLDER|NAME")
@click.argument("after", metavar="FOLDER|NAME")
def diff(session: Session, before: str, after: str) -> None:
    """Compare two packages part by part: what was added, removed or changed, by its key."""
    rows = [
        {"part": path, "before": old, "after": new} for path, old, new in differences(files_of(before), files_of(after))
    ]
    session.output.table(rows, DIFFERING)


@procedure_group.command("adopt")
@click.argument("package", metavar="FOLDER|NAME|DIGEST")
@output_option(default="-")
def adopt(session: Session, package: str, output: Path | None) -> None:
    """Publish a package unless the ledger has it, and propose to the agencies' admins to adopt it.

    The admins sign the proposal with 'tally registry approve'; once a majority has, 'tally registry send' puts it on
    the chain. Acts after that are judged by the package. See before what it would change: 'tally procedure impact'.
    A package that could not follow the version in force is refused, and one whose examples fail or that has none.
    """
    from ledger.cli.commands.agencies import propose_decision
    from ledger.client.registry import AdoptProcedure, procedure_of

    if package.startswith("blake3:"):
        digest = procedure_of(package)
        # A digest without its text would change nothing.
        _require_adoptable(session, decode_package(session.procedure_text(digest)))
    else:
        text = canonical_form(files_of(package))
        _require_adoptable(session, decode_package(text))
        body = msgspec.json.encode({"text": text.decode()})
        published = session.service.post("/api/v1/procedures", body, dict[str, Any])
        digest = str(published["digest"])
        session.output.note(Message("Published: {digest}", digest=digest))
    propose_decision(session, AdoptProcedure(digest), output)


def _require_adoptable(session: Session, book: Rulebook) -> None:
    """Refuse a package that could never be in force after the version that is, or that its examples do not bear out."""
    fault = fault_after(session.procedures.get(book.procedure.id), book)
    hint = "See which versions there are: tally procedure list --ledger"
    if fault is None:
        fault = next((fault for _, fault in faults_of_examples(book)), None)
        hint = "See all examples: tally procedure test"
    if fault is not None:
        raise MalformedInput(fault, field="package", hint=hint)


@procedure_group.command("impact")
@click.argument("package", metavar="FOLDER|NAME")
@click.argument("bundles", metavar="[CASE_BUNDLE]...", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--against", metavar="FOLDER|NAME", help="The version to compare with, unless the one in force.")
def show_impact(session: Session, package: str, bundles: Sequence[Path], against: str | None) -> int:
    """Show what cases would come to under a package: refusals, flags, stages and deadlines that differ.

    It is as if the package had been in force for all of their acts. The cases are those of the bundles, or else all of
    the procedure that you may see in the ledger of your profile. Nothing of them is verified: that is 'tally proof
    check'. An adoption itself changes nothing of the past: acts
    before it stay judged as they were.
    """
    from ledger.cli.files import bar
    from ledger.cli.procedure_impact import events_of, impact, kinds_of

    after = read_package(files_of(package))
    before = _compared_with(session, after.procedure.id, against, files=bool(bundles))
    cases = {}
    kinds: dict[str, str] = {}
    withheld = 0
    if bundles:
        texts_of_bundles: Iterator[bytes] = (path.read_bytes() for path in bundles)
        total = len(bundles)
    else:
        listed = [row["case_id"] for row in session.service.pages("/api/v1/cases", "cases")]
        texts_of_bundles = (
            session.service.fetch(path_of("/api/v1/cases/{}/proof", case_id), withhold="sections") for case_id in listed
        )
        total = len(listed)
    with bar(session, "cases read", total) as read:
        for data in texts_of_bundles:
            read.step()
            events = events_of(data)
            if events is None:
                withheld += 1
            elif getattr(events[0].body, "procedure", None) == after.procedure.id:
                cases[events[0].event.stream.id] = events
                kinds |= kinds_of(data)
    rows = []
    with bar(session, "cases judged", len(cases)) as judged:
        for differing in impact(cases, before, after, datetime.now(UTC), kinds):
            judged.step()
            rows += differing
    session.output.table([msgspec.structs.asdict(row) for row in rows], CHANGED)
    session.output.note(
        Message(
            "{count} cases of {procedure}, versions {before} and {after}: {changed} would come out otherwise",
            count=len(cases),
            procedure=after.procedure.id,
            before=before.procedure.version,
            after=after.procedure.version,
            changed=len({row.case_id for row in rows}),
        )
    )
    if fault := fault_after(before, after):
        session.warn(
            Message(
                "It cannot be adopted after version {version}: {fault}", version=before.procedure.version, fault=fault
            )
        )
    if withheld:
        session.output.note(Message("{count} cases were left out: a payload is withheld from you", count=withheld))
    return Exit.OK


def _compared_with(session: Session, procedure_id: str, against: str | None, *, files: bool) -> Rulebook:
    """Return the version that another one is compared with: the one named, or the one that is in force."""
    if against is not None:
        return read_package(files_of(against))
    if files:
        raise MalformedInput(
            "expected the version to compare with",
            field="--against",
            hint="Bundles are read without a ledger: name a folder, or a package of tally procedure list.",
        )
    return session.procedure_in_force(procedure_id, field="package")


@procedure_group.command("calendar")
@click.argument("country", metavar="COUNTRY")
@click.argument("years", metavar="FIRST-LAST")
def calendar(session: Session, country: str, years: str) -> None:
    """Print the days off of a country or a part of it (CN, GB-ENG ...) as the table of a package.

    Years of China that are not arranged yet are left out; elsewhere a year is unsure from two days before its first
    estimated day on. The table is part of the package, so that a last day never changes under one digest.
    """
    try:
        table = arranged_days_off(country, _years(years))
    except NotImplementedError as error:
        raise MalformedInput("no days off of {country} are known", country=country, field="country") from error
    if session.json:
        session.output.data(table)
        return
    for year, days in table.items():
        click.echo(f"[days_off.{year}]")
        for key in ("holidays", "make_up_days"):
            if listed := getattr(days, key):
                click.echo(f"{key} = {json.dumps(listed)}")
        if days.unsure_from:
            click.echo(f'unsure_from = "{days.unsure_from}"')
        click.echo()


@procedure_group.command("zone")
@click.argument("zone", metavar="ZONE")
@click.argument("years", metavar="[FIRST-LAST]", required=False)
def zone_offsets(session: Session, zone: str, years: str | None) -> None:
    """Print the offsets of a time zone (Europe/London, UTC ...) in some years as the table of a package.

    The table is part of the package, so that a new release of the time zone database never changes a last day under
    one digest. Begin with the year of the oldest act. After the last year, last days are shown as "not before".
    """
    if years is None and zone != "UTC":
        raise MalformedInput(
            "expected the years of the table",
            field="years",
            hint=Message("Such as: tally procedure zone {zone} 2020-2035", zone=zone),
        )
    table = zone_table(zone, _years(years or "1970"))
    if session.json:
        session.output.data(table)
        return
    click.echo("[zone]")
    click.echo(f'name = "{table.name}"')
    if table.until:
        click.echo(f'until = "{table.until}"')
    click.echo("\n[zone.offsets]")
    for since, offset in table.offsets.items():
        click.echo(f'"{since}" = "{offset}"')


def _years(text: str) -> range:
    """Return the years of a text such as ``2020-2026`` or ``2026``. Raises MalformedInput."""
    first, _, last = text.partition("-")
    # As many as databases and calendars may be asked for.
    if not (first.isdecimal() and (last or first).isdecimal() and 1900 <= int(first) <= int(last or first) <= 2200):
        raise MalformedInput("expected years such as 2020-2026, not {years}", years=text, field="years")
    return range(int(first), int(last or first) + 1)


def files_of(package: str) -> dict[str, bytes]:
    """Return the files of a package that ships, or that is in a folder. Raises MalformedInput."""
    if package in SHIPPED:
        return shipped_package(package)
    folder = Path(package)
    if not folder.is_dir():
        raise MalformedInput(
            "there is no package {package}",
            package=package,
            field="package",
            hint="Name a folder with a procedure.toml, or a package of tally procedure list.",
        )
    files = _files_in(folder)
    for included in _included(files, folder):
        if included in SHIPPED:
            shared = shipped_package(included)
        elif included in SHARED:
            shared = folder_files(included)
        elif (folder / included).is_dir():
            shared = _files_in(folder / included)
        else:
            raise MalformedInput(
                "there is no package {package}",
                package=included,
                field=f"{folder}/{MAIN_FILE}: {INCLUDE}",
                hint="Name a folder beside this file, or a package of tally procedure list.",
            )
        files |= {name if "/" in name else f"{included}/{name}": data for name, data in shared.items()}
    return files


def _files_in(folder: Path) -> dict[str, bytes]:
    files = {}
    for path in sorted(folder.glob("*.toml")):
        with path.open("rb") as file:
            files[path.name] = file.read(MAX_BYTES + 1)
        if len(files[path.name]) > MAX_BYTES:
            raise MalformedInput("it has more than {most} bytes", most=MAX_BYTES, field=str(path))
    return files


def _included(files: Mapping[str, bytes], folder: Path) -> tuple[str, ...]:
    """Return the folders and packages that the main file includes. Raises MalformedInput."""
    main = f"{folder}/{MAIN_FILE}"
    tables = decode_toml(files.get(MAIN_FILE, b""), field=main)
    try:
        return convert(tables.get(INCLUDE, []), tuple[str, ...])
    except msgspec.ValidationError as error:
        raise MalformedInput("expected names of folders or packages", field=f"{main}: {INCLUDE}") from error


def _checked(session: Session, packages: Sequence[str]) -> Iterator[tuple[str, Rulebook]]:
    """Yield the packages that are sound, and print the fault of each other one. Raises MalformedInput for none."""
    for name, files in [(name, files_of(name)) for name in packages]:
        try:
            yield name, read_package(files)
        except MalformedInput as fault:
            prefix = "" if name in SHIPPED else f"{name}/"
            session.output.warn(f"{prefix}{fault.field}: {session.output.labels.translate(fault.text)}")


def _listed(book: Rulebook, path: tuple[str | int, ...]) -> str:
    """Return how a row is listed: by its table and word, or by its name and first day or event."""
    table, place, *inner = path
    if isinstance(place, str):
        return ".".join(map(str, path))
    row = getattr(book, str(table))[place]
    part = f"{table}[{row.name} {row.event if table == 'papers' else row.valid_from}]"
    return f"{part}.{row.extensions[inner[1]].name}" if inner else part


def _source(book: Rulebook, row: ClockRule | PaperRow) -> str:
    """Return the text that a row rests on: what it states itself, else that of its law."""
    law = book.law_of(row.article)
    return row.source or (law.source if law else "")


def _summary(session: Session, book: Rulebook) -> dict[str, Any]:
    identity = book.procedure
    return {
        "procedure_id": identity.id,
        "version": identity.version,
        "title": session.labels.in_language(identity.title),
        "valid_from": identity.valid_from,
        "languages": list(identity.languages),
        "clocks": len(book.clocks),
        "papers": len(book.papers),
        "flags": len(book.flags),
        "examples": len(book.examples),
        "unconfirmed": [
            {
                "procedure_id": identity.id,
                "part": _listed(book, path),
                "label": session.labels.in_language(row.title if isinstance(row, PaperRow) else row.label),
                "article": row.article,
                "unconfirmed": session.labels.in_language(unconfirmed),
            }
            for path, row in rows_with_articles(book)
            if (unconfirmed := getattr(row, "unconfirmed", {}))
        ],
        "digest": book.digest,
    }


def _counted(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return a summary for people: how many rows are unconfirmed, in the place of the rows."""
    return {**summary, "unconfirmed": len(summary["unconfirmed"])}
