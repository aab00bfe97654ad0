"""The page on paper is true: its commands do what it says, and its table is that of the forms."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pypdf import PdfReader

from ledger.i18n import Labels
from ledger.interchange.papers.forms import FORMS
from tests.testkit.machine import REPOSITORY, blocks, typed
from tests.unit.cli.world import World

PAGE = (REPOSITORY / "docs" / "paper.md").read_text(encoding="utf-8")


@pytest.mark.extended
def test_what_the_page_tells_to_type_works(world: World, tmp_path: Path) -> None:
    """One command after the other; every file that is named is there, and the certificate has its bundle inside."""
    typed(blocks(PAGE), tmp_path, world.tally.environment() | {"TALLYSTICK_PROFILE": "police"})
    named = set(re.findall(r"-o (\S+)", "".join(blocks(PAGE))))
    assert named | {"offer.json"} == {file.name for file in tmp_path.iterdir()}
    assert [file.name for file in (tmp_path / "papers").iterdir()] == ["0002-transfer_list.pdf"]
    attachments = PdfReader(tmp_path / "certificate.pdf").attachments
    assert attachments["coat-7.bundle.json"] == [(tmp_path / "coat-7.bundle.json").read_bytes()]
    assert "a coat" in PdfReader(tmp_path / "transfer-list.pdf").pages[0].extract_text()


def test_the_page_tells_every_form() -> None:
    """Each row of the table with its documents and their titles in Chinese, in the order of the code."""
    table = PAGE.split("<!-- forms -->")[1].split("<!-- /forms -->", maxsplit=1)[0]
    forms = []
    for events, documents, titles in re.findall(r"^\| (`.*?) \| (`.*?) \| (.*?) \|$", table, re.MULTILINE):
        names, labels = re.findall(r"`(\w+)`", documents), titles.split(", ")
        assert labels == [Labels("zh-CN").of("paper", f"title.{name}") for name in names]
        forms += [(event, name) for event in re.findall(r"`(\w+\.\w+)`", events) for name in names]
    assert forms == [(form.event_type, form.document) for form in FORMS]
