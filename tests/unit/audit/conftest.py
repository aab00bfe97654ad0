"""Ledgers to be edited: a small one, and one of more entries than two tiles have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from shutil import copytree
from types import SimpleNamespace

import pytest

from ledger.audit import whole, workers
from tests.testkit.casework import Case
from tests.testkit.forked import CONTEXT
from tests.testkit.ledgers import Clock, open_ledger, sqlite_url
from tests.unit.audit.stand import Stand, Template


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """Made once; each test edits a copy."""
    folder = tmp_path_factory.mktemp("template")
    with open_ledger(sqlite_url(folder)) as ledger:
        Stand(ledger).fill()
    return Template(folder, ledger)


@contextmanager
def copied(template: Template, folder: Path) -> Iterator[Stand]:
    """The ledger on SQLite, as it was left."""
    copytree(template.folder, folder, dirs_exist_ok=True)
    with open_ledger(sqlite_url(folder), clock=Clock(template.ledger.clock.ms)) as ledger:
        ledger.changes, ledger.system_writer = deepcopy((template.ledger.changes, template.ledger.system_writer))
        yield Stand(ledger)


@pytest.fixture
def stand(tmp_path: Path, template: Template) -> Iterator[Stand]:
    """A copy of the small one."""
    with copied(template, tmp_path) as stand:
        yield stand


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
    with copied(large_template, tmp_path) as stand:
        yield stand


@pytest.fixture
def forked_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fork the processes of an audit off one that has imported them; ``test_continuing`` has those of a service."""
    monkeypatch.setattr(workers, "multiprocessing", SimpleNamespace(get_context=lambda _: CONTEXT))
