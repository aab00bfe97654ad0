"""Several files that make one case, and files that change while they are read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ledger.core.errors import IntegrityBroken, MalformedInput
from ledger.interchange.imports.case_events import RowFault
from ledger.interchange.imports.importing import DryRun, PlannedRow
from ledger.interchange.imports.joined_files import JoinedSource
from ledger.interchange.imports.mapping import parse_mapping
from ledger.interchange.imports.plan import Planner
from ledger.interchange.imports.source_file import Layout, SourceFile
from tests.unit.interchange.files import csv_file
from tests.unit.interchange.planning import BOOKS, COLUMNS, FULL, KEY, surveyed

JOINED = """
name = "joined"
source_system = "cases"
key = ["number"]
[case]
case_number = "number"
case_type = "about"
business_line = { value = "criminal" }
stage = { value = "investigation" }
procedure = { value = "cn-criminal" }
[[persons]]
name = "suspects.0.name"
role = { value = "suspect" }
[[persons]]
name = "suspects.1.name"
role = { value = "suspect" }
[[files]]
name = "suspects"
key = ["case"]
"""


def joined(folder: Path, suspects: str, *, names: tuple[str, ...] = ("suspects",)) -> list[PlannedRow | RowFault]:
    """What comes of two cases with these rows of suspects."""
    mapping = parse_mapping(JOINED.encode(), "m.toml", BOOKS)
    planner = Planner(mapping, KEY, BOOKS)
    first = csv_file(folder, "number,about\nA-1,theft\nA-2,fraud\n")
    second = csv_file(folder, suspects, name="suspects.csv")
    with JoinedSource(first, mapping, dict.fromkeys(names, second)) as source:
        survey = source.survey(mapping.columns(), planner.fingerprint, lambda _: None)
        source.require_same(survey.digest)
        trial = DryRun(planner, survey, BOOKS)
        return [trial.take(row) for rows in source.batches(10) for row in rows]


def test_several_files_make_one_case(tmp_path: Path) -> None:
    """The rows of the second file belong to the case of their key, in their order."""
    first, second = joined(tmp_path, "case,name\nA-2,Li\nA-1,Zhang\nA-2,Wang\n")
    assert isinstance(first, PlannedRow)
    assert isinstance(second, PlannedRow)
    assert (first.events["person.named"], second.events["person.named"]) == (1, 2)


def test_rows_that_the_mapping_does_not_read_are_no_loss_unnoticed(tmp_path: Path) -> None:
    """Three suspects where it reads two, one of no case, one that cannot be read."""
    _, fault = joined(tmp_path, "case,name\nA-2,Li\nA-2,Wang\nA-2,Zhao\n")
    assert isinstance(fault, RowFault)
    assert "3" in fault.reason
    with pytest.raises(MalformedInput, match="the key 'A-3', which no row of the first file"):
        joined(tmp_path, "case,name\nA-3,Li\n")
    with pytest.raises(MalformedInput, match="suspects"):
        joined(tmp_path, f"case,name\nA-1,{'x' * 40_000}\n")


@pytest.mark.parametrize("names", [(), ("suspects", "others")])
def test_the_files_are_those_that_the_mapping_joins(tmp_path: Path, names: tuple[str, ...]) -> None:
    """One that is missing, and one too many."""
    with pytest.raises(MalformedInput) as caught:
        joined(tmp_path, "case,name\n", names=names)
    assert caught.value.field == "--with"


def test_each_of_several_files_is_a_part_of_the_digest(tmp_path: Path) -> None:
    """Another second file is another import, and one that changes while it is read stops it."""
    mapping = parse_mapping(JOINED.encode(), "m.toml", BOOKS)
    first = csv_file(tmp_path, "number,about\nA-1,theft\n")
    digests = set()
    for name in ("Li", "Wang"):
        second = csv_file(tmp_path, f"case,name\nA-1,{name}\n", name="suspects.csv")
        with JoinedSource(first, mapping, {"suspects": second}) as source:
            digests.add(source.digest())
            second.write_text("case,name\n")
            with pytest.raises(IntegrityBroken):
                source.require_unchanged()
    assert len(digests) == 2


def test_a_file_that_changes_while_it_is_read_stops_the_import(tmp_path: Path) -> None:
    """Rows are handed on only as long as the file is the one that was surveyed."""
    file = csv_file(tmp_path, COLUMNS + "\n" + "\n".join(f"A-{number},theft,,,,,,,,," for number in range(1500)) + "\n")
    with surveyed(file) as (source, _):
        parts = source.batches(100)
        next(parts)
        with file.open("r+b") as written:
            written.seek(30_000)
            written.write(b"X")
        with pytest.raises(IntegrityBroken, match="changed"):
            list(parts)


def test_a_link_that_is_turned_to_another_file_changes_nothing(tmp_path: Path) -> None:
    """The file that was opened is read to its end, whatever its name stands for by then."""
    first = csv_file(tmp_path, f"{COLUMNS}\n{FULL}\n", name="first.csv")
    second = csv_file(tmp_path, f"{COLUMNS}\n", name="second.csv")
    link = tmp_path / "link.csv"
    link.symlink_to(first)
    with surveyed(link) as (source, survey):
        link.unlink()
        link.symlink_to(second)
        assert sum(len(part) for part in source.batches(100)) == 1
        source.require_same(survey.digest)


def test_what_cannot_be_read_twice_is_refused(tmp_path: Path) -> None:
    """A pipe, a folder, or nothing at all."""
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path / "pipe.csv", tmp_path, tmp_path / "none.csv"):
        with pytest.raises(MalformedInput):
            SourceFile(path, Layout("csv"))


def test_a_change_with_its_time_set_back_is_found_at_the_end(tmp_path: Path) -> None:
    """The digest of the whole is looked at once more."""
    file = csv_file(tmp_path, f"{COLUMNS}\n{FULL}\n")
    with surveyed(file) as (source, survey):
        before = file.stat()
        file.write_bytes(file.read_bytes().replace(b"theft", b"fraud"))
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        with pytest.raises(IntegrityBroken):
            source.require_same(survey.digest)
