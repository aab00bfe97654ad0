"""Ledgers to be edited: a small one, and one of more entries than two tiles have."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from shutil import copytree

import pytest

from ledger.audit import whole
from tests.testkit.casework import Case
from tests.testkit.ledgers import Clock, open_ledger, sqlite_url
from tests.unit.audit.stand import Stand, Template


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """Made once; each test edits a copy."""
    folder = tmp_path_factory.mktemp("template")
    with open_ledger(sqlite_url(folder)) as ledger:
        Stand(ledger).fill()
    return Template(folder, ledger)


@pytest.fixture
def stand(tmp_path: Path, template: Template) -> Iterator[Stand]:
    """The ledger on SQLite."""
    copytree(template.folder, tmp_path, dirs_exist_ok=True)
    with open_ledger(sqlite_url(tmp_path), clock=Clock(template.ledger.clock.ms)) as ledger:
        ledger.changes, ledger.system_writer = deepcopy((template.ledger.changes, template.ledger.system_writer))
        yield Stand(ledger)


@pytest.fixture(scope="module")
def large_template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """More entries than two tiles have."""
    folder = tmp_path_factory.mktemp("large")
    with open_ledger(sqlite_url(folder)) as ledger:
        stand = Stand(ledger)
        stand.fill()
        for number in range(5):
            case = Case(f"bulk-{number}", step=1).open()
            for item in range(105):
                case.register(f"item-{number}-{item}")
            ledger.post_all(case.events)
        stand.publish()
    return Template(folder, ledger)


@pytest.fixture
def large(tmp_path: Path, large_template: Template, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    """A copy, checked in ranges of one tile."""
    monkeypatch.setattr(whole, "RANGE", 256)
    copytree(large_template.folder, tmp_path, dirs_exist_ok=True)
    with open_ledger(sqlite_url(tmp_path)) as ledger:
        yield Stand(ledger)
