"""Exports that the service makes, written to files of their own."""

from __future__ import annotations

from pathlib import Path

from ledger.cli.client import at
from ledger.cli.session import Session
from ledger.core.errors import MalformedInput


def export_case(session: Session, case_id: str, file_format: str, *, bom: bool) -> bytes:
    """The file of one case."""
    path = at("/api/v1/cases/{}/export", case_id)
    given = {"format": file_format, "bom": "true" if bom else None, "lang": session.language}
    return session.service.fetch(path, **given)


def export_all(session: Session) -> bytes:
    """One OCEL log of every case that may be seen, fetched case by case under a progress bar."""
    from ledger.cli.importing import bar
    from ledger.exchange import ocel

    cases = list(session.service.pages("/api/v1/cases", "cases", limit=1000))
    with bar(session, "exporting", len(cases)) as progress:
        files = []
        for case in cases:
            files.append(ocel.decode(export_case(session, case["case_id"], "ocel", bom=False)))
            progress.step()
    return ocel.encode(ocel.merged(files))


def write(file: Path, data: bytes) -> None:
    """To a new file, so that nothing is lost. Raises MalformedInput."""
    try:
        with file.open("xb") as opened:
            opened.write(data)
    except FileExistsError as error:
        raise MalformedInput(f"{file} is there already", field="--output", hint="Name another file.") from error
