"""``tally procedure``: procedure packages, which are checked, tried out on their own examples, and compared here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from ledger.cli.command import Group
from ledger.cli.errors import Exit
from ledger.cli.output import columns
from ledger.cli.session import Session
from ledger.core.custody.examples import faults_of_examples
from ledger.core.encoding.decoding import convert, decode_toml
from ledger.core.errors import MalformedInput
from ledger.core.messages import Message
from ledger.core.procedure.package import INCLUDE, MAIN_FILE, MAX_BYTES, differences, read_package
from ledger.core.procedure.rulebook import Rulebook
from ledger.deadlines.working_days import arranged_days_off
from ledger.procedures import SHARED, SHIPPED, shared_tables, shipped_package

LISTED = columns("procedure_id", "version", "title", "valid_from", "languages", "clocks", "flags", "examples", "digest")
CLOCKS = columns("clock", "label", "article", "per", "periods", "valid_from", "source", "unconfirmed")
UNCONFIRMED = columns("procedure_id", "part", "unconfirmed")
TRIED = columns("procedure_id", "example", "result", "fault")
DIFFERING = columns("part", "before", "after")

PACKAGES = click.argument("packages", metavar="[FOLDER|NAME]...", nargs=-1, required=True)


@click.group("procedure", cls=Group)
def procedure_group() -> None:
    """Procedure packages: the words, clocks, flags and papers that a law or an institution decides, as data."""


@procedure_group.command("list")
def list_packages(session: Session) -> None:
    """List the packages that come with this version."""
    session.output.table([_summary(session, read_package(shipped_package(name))) for name in SHIPPED], LISTED)


@procedure_group.command("show")
@click.argument("package", metavar="FOLDER|NAME")
def show(session: Session, package: str) -> None:
    """Show what a package has: its identity, its words, and its clocks with their articles."""
    book = read_package(files_of(package))
    words = {vocabulary: len(words) for vocabulary, words in book.vocabularies.items()}
    clocks = [
        {
            "clock": row.name,
            "label": _text(session, row.label),
            "article": row.article,
            "per": row.per,
            "periods": [base.period for base in row.bases],
            "valid_from": row.valid_from,
            "source": row.source,
            "unconfirmed": row.unconfirmed,
        }
        for row in book.clocks
    ]
    if session.json:
        session.output.data(_summary(session, book) | {"words": words, "clocks": clocks})
        return
    session.output.record(_summary(session, book), LISTED)
    session.output.table(clocks, CLOCKS)


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
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    session.output.done(Message("Copied to {folder}: {files}", folder=str(folder), files=", ".join(files)))


@procedure_group.command("check")
@PACKAGES
def check(session: Session, packages: Sequence[str]) -> int:
    """Check packages: a fault is told with file, line and key, and what was expected.

    What the package itself marks as not confirmed is listed; it is no fault.
    """
    books = [book for _, book in _checked(session, packages)]
    rows = [row for book in books for row in _unconfirmed(book)]
    if session.json:
        of = {book.procedure.id: [row for row in rows if row["procedure_id"] == book.procedure.id] for book in books}
        session.output.data([_summary(session, book) | {"unconfirmed": of[book.procedure.id]} for book in books])
    elif books:
        session.output.table([_summary(session, book) for book in books], LISTED)
    if rows and not session.json:
        session.output.table(rows, UNCONFIRMED)
    return Exit.OK if len(books) == len(packages) else Exit.USAGE


@procedure_group.command("test")
@PACKAGES
def test(session: Session, packages: Sequence[str]) -> int:
    """Play the examples of packages: acts, and the states, flags and last days that they must come to."""
    rows, checked = [], list(_checked(session, packages))
    for _, book in checked:
        faults: dict[int, list[str]] = {}
        for path, fault in faults_of_examples(book):
            faults.setdefault(int(path[1]), []).append(session.output.labels.translate(fault))
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


@procedure_group.command("calendar")
@click.argument("country", metavar="COUNTRY")
@click.argument("years", metavar="FIRST-LAST")
def calendar(session: Session, country: str, years: str) -> None:
    """Print the days off of a country or a part of it (CN, GB-ENG ...) as the table of a package.

    Years that are not arranged yet are left out. The table is part of the package, so that a last day never changes
    under one digest.
    """
    first, _, last = years.partition("-")
    if not (first.isdecimal() and (last or first).isdecimal()):
        raise MalformedInput("expected years such as 2020-2026, not {years}", years=years, field="years")
    try:
        table = arranged_days_off(country, range(int(first), int(last or first) + 1))
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
    for included in _included(files):
        if included in SHIPPED:
            shared = shipped_package(included)
        elif included in SHARED:
            shared = shared_tables(included)
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


def _included(files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Return the folders and packages that the main file includes. Raises MalformedInput."""
    tables = decode_toml(files.get(MAIN_FILE, b""), field=MAIN_FILE)
    try:
        return convert(tables.get(INCLUDE, []), tuple[str, ...])
    except msgspec.ValidationError as error:
        raise MalformedInput("expected names of folders or packages", field=f"{MAIN_FILE}: {INCLUDE}") from error


def _checked(session: Session, packages: Sequence[str]) -> Iterator[tuple[str, Rulebook]]:
    """Yield the packages that are sound, and print the fault of each other one. Raises MalformedInput for none."""
    for name, files in [(name, files_of(name)) for name in packages]:
        try:
            yield name, read_package(files)
        except MalformedInput as fault:
            prefix = "" if name in SHIPPED else f"{name}/"
            session.output.warn(f"{prefix}{fault.field}: {session.output.labels.translate(fault.text)}")


def _unconfirmed(book: Rulebook) -> Iterator[dict[str, str]]:
    """Yield the rows of which something still has to be looked up, by their names and first days."""
    parts: list[tuple[str, str]] = []
    for row in book.clocks:
        parts.append((f"clocks[{row.name} {row.valid_from}]", row.unconfirmed))
        parts += [(f"clocks[{row.name} {row.valid_from}].{more.name}", more.unconfirmed) for more in row.extensions]
    parts += [(f"flags[{flag.name} {flag.valid_from}]", flag.unconfirmed) for flag in book.flags]
    parts += [(f"purposes.{purpose}", row.unconfirmed) for purpose, row in book.purposes.items()]
    for part, unconfirmed in parts:
        if unconfirmed:
            yield {"procedure_id": book.procedure.id, "part": part, "unconfirmed": unconfirmed}


def _summary(session: Session, book: Rulebook) -> dict[str, Any]:
    identity = book.procedure
    return {
        "procedure_id": identity.id,
        "version": identity.version,
        "title": _text(session, identity.title),
        "valid_from": identity.valid_from,
        "languages": list(identity.languages),
        "clocks": len(book.clocks),
        "flags": len(book.flags),
        "examples": len(book.examples),
        "digest": book.digest,
    }


def _text(session: Session, label: dict[str, str]) -> str:
    """Return a label in the reader's language, else in the first that the package has."""
    return label.get(session.output.labels.suffix) or next(iter(label.values()))
