"""The pages on exports, importing and paper are true: their commands do what they say, and their tables are whole."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pypdf import PdfReader

from ledger.core.custody.claimed_times import BREAK_KINDS
from ledger.interchange.imports import mapping
from ledger.procedures import books_that_ship
from tests.testkit.machine import REPOSITORY, blocks, typed
from tests.unit.cli.world import World

EXPORTS, IMPORT, PAPER = (
    (REPOSITORY / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in ("exports", "import", "paper")
)


def type_page(world: World, page: str, folder: Path, **variables: str) -> tuple[str, set[str]]:
    """Type the commands of a page, one after the other; give what they print, and the files that they name."""
    out = typed(blocks(page), folder, world.tally.environment() | {"TALLYSTICK_PROFILE": "police"} | variables)
    return out, set(re.findall(r"-o (\S+)", "".join(blocks(page))))


@pytest.mark.extended
def test_what_the_page_on_exports_tells_to_type_works(world: World, tmp_path: Path) -> None:
    """Every file that is named is there."""
    out, named = type_page(world, EXPORTS, tmp_path)
    assert "seals a phone (theft-12-phone) with seal S-0042." in out
    assert {file.name for file in tmp_path.iterdir()} == named


@pytest.mark.extended
def test_what_the_page_on_importing_tells_to_type_works(world: World, tmp_path: Path) -> None:
    """File and mapping as shown: at the end all three rows are in."""
    (tmp_path / "cases.csv").write_text(blocks(IMPORT, "csv")[0], encoding="utf-8")
    (tmp_path / "mapping.toml").write_text(blocks(IMPORT, "toml")[0], encoding="utf-8")
    key = str(tmp_path / "identity.key")
    out, _ = type_page(world, IMPORT, tmp_path, TALLYSTICK_PROFILE="chief", TALLYSTICK_IDENTITY_KEY=key)
    report = json.loads((tmp_path / "cases.csv.import.json").read_bytes())
    assert report["rows"] == {"unchanged": 2, "imported": 1}
    for words in ("the calendar has no such day", "imported: 3", "social security bureau"):
        assert words in out


@pytest.mark.extended
def test_what_the_page_on_paper_tells_to_type_works(world: World, tmp_path: Path) -> None:
    """Every file that is named is there, and the certificate has its bundle inside."""
    _, named = type_page(world, PAPER, tmp_path)
    assert named | {"offer.json"} == {file.name for file in tmp_path.iterdir()}
    papers = {f"0002-{name}.pdf" for name in ("exhibit_list", "prosecution_opinion", "service_receipt")}
    assert {file.name for file in (tmp_path / "papers").iterdir()} == papers
    attachments = PdfReader(tmp_path / "certificate.pdf").attachments
    assert attachments["coat-7.bundle.json"] == [(tmp_path / "coat-7.bundle.json").read_bytes()]
    assert "a coat" in PdfReader(tmp_path / "transfer-list.pdf").pages[0].extract_text()


def test_the_page_tells_every_break() -> None:
    """Each kind has its row."""
    assert [kind for kind in BREAK_KINDS if f"| {kind} |" not in EXPORTS] == []


def test_the_page_tells_every_key_of_a_mapping() -> None:
    """Each key that a mapping may have stands on the page."""
    parts = ("Import", "Case", "Person", "Measure", "Item", "Seizure", "Decision")
    structs = [mapping.CellSource, *(getattr(mapping, f"{part}Mapping") for part in parts)]
    keys = {name for struct in structs for name in struct.__struct_fields__}
    assert {key for key in keys if not re.search(rf"\b{key}\b", IMPORT)} == set()


def test_the_page_tells_every_paper() -> None:
    """Each row of the packages in Chinese and English with its title, in the order of the package."""
    for package in ("cn-criminal", "evidence"):
        table = PAPER.split(f"<!-- papers {package} -->")[1].split("<!-- /papers -->", maxsplit=1)[0]
        rows = re.findall(r"^\| `(.*?)` \| `(.*?)` \| (.*?) \|$", table, re.MULTILINE)
        titles = [(row.event, row.name, row.title["zh"]) for row in books_that_ship()[package].papers]
        assert rows == titles
