"""Exports that the service makes, written to files of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from ledger.cli.session import Session
from ledger.client.service import at
from ledger.core.encoding import canonical
from ledger.core.errors import MalformedInput, TallystickError
from ledger.core.messages import Message


def export_case(session: Session, case_id: str, file_format: str, *, bom: bool) -> bytes:
    """Fetch the export of one case."""
    path = at("/api/v1/cases/{}/export", case_id)
    given = {"format": file_format, "bom": "true" if bom else None, "lang": session.language}
    return session.service.fetch(path, **given)


def export_all(session: Session) -> bytes:
    """Fetch every case that the officer may see, under a progress bar, and merge them into one OCEL log."""
    from ledger.cli.files import bar
    from ledger.interchange.exports import ocel

    cases = list(session.service.pages("/api/v1/cases", "cases", limit=1000))
    with bar(session, "exporting", len(cases)) as progress:
        files = []
        for case in cases:
            files.append(ocel.decode(export_case(session, case["case_id"], "ocel", bom=False)))
            progress.step()
    return ocel.encode(ocel.merged(files))


def paper_of(session: Session, event_id: str, **query: str | None) -> bytes:
    """Fetch a paper of an event."""
    return session.service.fetch(at("/api/v1/events/{}/paper", event_id), **query)


def papers_of_case(session: Session, case_id: str, **query: str | None) -> Iterator[tuple[str, bytes]]:
    """Yield every paper that events of the case print, with a name for its file."""
    for paper in session.service.pages(at("/api/v1/cases/{}/papers", case_id), "papers"):
        if query.get("document") in (None, paper["document"]):
            pdf = paper_of(session, paper["event_id"], **query | {"document": paper["document"]})
            yield f"{paper['sequence']:04}-{paper['document']}.pdf", pdf


def write(
    file: Path,
    data: bytes,
    *,
    refusal: type[TallystickError] = MalformedInput,
    hint: str = Message("Name another file."),
) -> None:
    """Write a new file. Raises ``refusal`` if there is one already, so that nothing is lost."""
    try:
        with file.open("xb") as opened:
            opened.write(data)
    except FileExistsError as error:
        raise refusal(Message("{file} is there already", file=file), field="--output", hint=hint) from error


def print_or_write(session: Session, value: msgspec.Struct, output: Path | None) -> None:
    """Print the value, or write it canonically to the file ``output`` and print its name."""
    if output is None:
        return session.output.data(value)
    output.write_bytes(canonical.encode(value) + b"\n")
    return session.output.record({"file": str(output)})
