"""Exports that the service makes, written to files of their own."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from ledger.cli.session import Session
from ledger.client.service import path_of
from ledger.core.messages import Message
from ledger.interchange.exports.case_archive import ArchivedFile, pieces_of, readable_name, with_files


def export_case(session: Session, case_id: str, file_format: str, *, bom: bool) -> bytes:
    """Fetch the export of one case."""
    path = path_of("/api/v1/cases/{}/export", case_id)
    query = {"format": file_format, "bom": "true" if bom else None, "lang": session.language}
    return session.service.fetch(path, **query)


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


def archive_case(session: Session, case_id: str, target: Path, folders: Sequence[Path]) -> dict[str, Any]:
    """Write the archive of a case, with the files below ``folders`` that the case has by their digests.

    Returns what was written beside the file's name. Raises as ``opened_output``.
    """
    from ledger.cli.files import opened_output

    path = path_of("/api/v1/cases/{}/archive", case_id)
    query = {"lang": session.language}
    with TemporaryFile(dir=target.parent) as fetched, opened_output(session, target) as archive:
        if not folders:
            session.service.download(path, archive, **query)
            return {"bytes": archive.tell()}
        session.service.download(path, fetched, **query)
        items = session.service.get(path_of("/api/v1/cases/{}", case_id))["items"]
        files, added = _below(folders), 0
        with zipfile.ZipFile(fetched) as received:
            own = list(_own_files(session, items, files))
            added = len(own)
            for piece in with_files(received, own):
                archive.write(piece)
        return {"bytes": archive.tell(), "files": added}


def _below(folders: Sequence[Path]) -> Iterator[Path]:
    for folder in folders:
        yield from sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else (folder,)


def _own_files(session: Session, items: Sequence[Mapping[str, Any]], files: Iterable[Path]) -> Iterator[ArchivedFile]:
    """Yield those of the files that are of an item, by a digest that the case states."""
    from ledger.cli.files import digests_of

    of_digest = {digest: item for item in items for digest in item["digests"]}
    folder = session.labels.translate(Message("Files"))
    for file in files:
        item = next((of_digest[each] for each in digests_of(file, session.output) if each in of_digest), None)
        if item is not None:
            name = f"{item['item_id']} {item['description']}"
            ending = f".{readable_name(file.suffix[1:])}" if file.suffix else ""
            yield ArchivedFile(folder, name, _read(file), name, ending=ending)


def _read(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        yield from pieces_of(opened)


def paper_of(session: Session, event_id: str, **query: str | None) -> bytes:
    """Fetch a paper of an event."""
    return session.service.fetch(path_of("/api/v1/events/{}/paper", event_id), **query)


def papers_of_case(session: Session, case_id: str, **query: str | None) -> Iterator[tuple[str, bytes]]:
    """Yield every paper that events of the case print, with a name for its file."""
    for paper in session.service.pages(path_of("/api/v1/cases/{}/papers", case_id), "papers"):
        if query.get("document") in (None, paper["document"]):
            pdf = paper_of(session, paper["event_id"], **query | {"document": paper["document"]})
            yield f"{paper['sequence']:04}-{paper['document']}.pdf", pdf
