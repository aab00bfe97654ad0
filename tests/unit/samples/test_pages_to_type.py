"""What pages of the documents tell to type works in a ledger to try things out in, with the sample loaded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.testkit.machine import REPOSITORY, blocks, typed
from tests.testkit.service import RunningService

pytestmark = [pytest.mark.extended, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Run the service of a town whose people have profiles, as docs/operations.md tells to set it up."""
    with closing(RunningService(tmp_path_factory.mktemp("town"), supervision_interval_s=2)) as service:
        pair = ("--data-dir", service.data)
        service.tally.ok("init", "--development", "--light", *pair, "--passphrase-file", service.tally.passphrase_file)
        service.start()
        service.tally.ok("sample", "load", *pair, "--url", service.url)
        service.tally.ok("sample", "profiles", *pair, "--url", service.url)
        yield service


def page_of(name: str) -> str:
    """Return the text of a page."""
    return (REPOSITORY / "docs" / name).read_text(encoding="utf-8")


def test_the_life_of_a_lead(town: RunningService, tmp_path: Path) -> None:
    """From the seizure that the case goes on without to the answer to the recommendation."""
    out = typed(blocks(page_of("supervision.md")), tmp_path, town.tally.environment())
    assert '"by_outcome": {\n      "recommendation": 1\n    }' in out
    assert "recommendation answered" in out


def test_papers_and_certificates(town: RunningService, tmp_path: Path) -> None:
    """Lists of a handover and a certificate, by the police, whose profile the page chooses."""
    environment = {**town.tally.environment(), "TALLYSTICK_PROFILE": "police"}
    typed(blocks(page_of("paper.md")), tmp_path, environment)
    assert {"transfer-list.pdf", "certificate.pdf"} <= {path.name for path in tmp_path.iterdir()}


def test_cases_are_imported(town: RunningService, tmp_path: Path) -> None:
    """The export and the mapping of the page, with its faulty row, which is corrected and imported again."""
    page = page_of("import.md")
    (tmp_path / "cases.csv").write_text(blocks(page, "csv")[0], encoding="utf-8")
    (tmp_path / "mapping.toml").write_text(blocks(page, "toml")[0], encoding="utf-8")
    environment = {**town.tally.environment(), "TALLYSTICK_PROFILE": "police"}
    out = typed(blocks(page), tmp_path, environment)
    assert "imported: 1" in out


def test_a_deadline_is_counted(town: RunningService, tmp_path: Path) -> None:
    """The last command prints what the page shows."""
    page = page_of("deadlines.md")
    (tmp_path / "name.txt").write_text("a name", encoding="utf-8")
    out = typed(blocks(page), tmp_path, town.tally.environment())
    assert all(line in out for line in blocks(page, "text")[0].splitlines())
