"""Fixtures that every test may use."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from _pytest.unraisableexception import gc_collect_iterations_key
from hypothesis import Phase, settings
from xdist.scheduler import LoadFileScheduling

from api.middleware import logs
from ledger.cli.output import ZONE_OF_TYPED
from ledger.i18n import PROCEDURES_IN_USE, TABLES_IN_USE, ZONE_IN_USE, zone_in_use
from ledger.procedures import shipped_rulebook, tables_that_ship
from tests.testkit import machine
from tests.testkit.parsing import parse_packages_once
from tests.testkit.postgres import PostgresServer, running_server

if TYPE_CHECKING:
    from tests.testkit.object_storage import ObjectStorage

# Catalogues of texts that changed since scripts/setup compiled them; before a conftest below reads one.
for catalogue in (machine.REPOSITORY / "ledger" / "i18n" / "locale").rglob("*.po"):
    compiled = catalogue.with_suffix(".mo")
    if not compiled.exists() or compiled.stat().st_mtime < catalogue.stat().st_mtime:
        command = ("-m", "babel.messages.frontend", "compile", "--input-file", catalogue, "--output-file", compiled)
        subprocess.run([sys.executable, *command], check=True, capture_output=True)

parse_packages_once()

logs.configure()  # before a test captures them: the traceback of a default log prints every variable, for half a minute

settings.register_profile("suite", parent=settings.default, deadline=None)  # no test fails for being slow
settings.register_profile(  # the same few examples each time, and none made smaller
    "few",
    parent=settings.get_profile("suite"),
    derandomize=True,
    max_examples=20,
    phases=(Phase.explicit, Phase.generate),
)
settings.register_profile("long", parent=settings.get_profile("suite"), max_examples=2000)
settings.load_profile("suite")


# What takes longest, in this order, comes first; were it last, the other workers would wait for it.
LONGEST = ("test_readme.py", "stories", "cli", "test_sample_data.py", "witness", "console", "faults", "api")
# Folders whose tests share a service: on one worker, or each worker would start its own.
ON_ONE_WORKER = ("tests/e2e/stories", "tests/unit/cli")


class Folders(LoadFileScheduling):
    """Give a worker one file after the other, or a whole folder where its files share a service."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        folder = file.rpartition("/")[0]
        return folder if folder in ON_ONE_WORKER else file


@pytest.fixture(autouse=True)
def first_look() -> None:
    """Show and read times as a service does whose first procedure is the one that most tests use; label by none yet."""
    TABLES_IN_USE.set(tables_that_ship)
    PROCEDURES_IN_USE.set(())  # a command or a plan that ran in this process before has left its own
    ZONE_IN_USE.set(lambda: shipped_rulebook().zone)
    ZONE_OF_TYPED.set(zone_in_use)  # a command that ran in this process before has left that of its ledger


def pytest_configure(config: pytest.Config) -> None:
    """Look once for garbage at the end, not five times."""
    config.stash[gc_collect_iterations_key] = 1


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage among modules and tests, neither while they are loaded nor later: all of it stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Folders | None:
    """Stand in for ``--dist loadfile``."""
    return Folders(config, log) if config.getoption("dist") == "loadfile" else None


def rank(item: pytest.Item) -> int:
    """Where among the longest an item stands."""
    return min((LONGEST.index(part) for part in item.path.parts if part in LONGEST), default=len(LONGEST))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a test whose docstring does not say what must hold; the longest files come first."""
    items.sort(key=rank)
    tests = [item for item in items if type(item) is pytest.Function]
    silent = [item.nodeid for item in tests if len((item.obj.__doc__ or "").split()) < 5]
    if silent:
        raise pytest.UsageError("\n".join(["these tests do not say in five words or more what must hold:", *silent]))


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the root of the checkout."""
    return machine.REPOSITORY


@pytest.fixture
def free_port() -> int:
    """Return a loopback port for a server of this test; ``tests.testkit.machine.free_port`` gives more."""
    return machine.free_port()


@pytest.fixture(scope="session")
def anvil_binary() -> Path:
    """Return the native Anvil executable that ``scripts/setup`` installed."""
    return machine.native_binary("anvil")


@pytest.fixture(scope="session", autouse=True)
def laid_vectors() -> Path | None:
    """Return the folder of the shared public test vectors, and keep this machine's settings from the tests."""
    folder = machine.vectors_folder()
    for name in [name for name in os.environ if name.startswith("TALLYSTICK_")]:
        del os.environ[name]
    return folder


@pytest.fixture(scope="session")
def vectors(laid_vectors: Path | None) -> Path:
    """Return the folder of the shared public test vectors; skips the test where it was not laid out."""
    if laid_vectors is None:
        pytest.skip("no shared vectors here: set TALLYSTICK_VECTORS to their folder")
    return laid_vectors


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Return a PostgreSQL server of the test session's own."""
    with running_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer) -> Iterator[str]:
    """Return the name of a database that went through every migration, to be copied."""
    # Not loaded for tests/unit/core, which must load the core by itself.
    from ledger.store.opening import open_database

    with postgres.fresh_database() as url:
        open_database(url).close()
        yield url.rpartition("/")[2]


@pytest.fixture
def empty_postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """Return the SQLAlchemy URL of an empty database on a real PostgreSQL server."""
    with postgres.fresh_database() as url:
        yield url


@pytest.fixture
def postgres_url(postgres: PostgresServer, postgres_template: str) -> Iterator[str]:
    """Return the SQLAlchemy URL of a migrated database without rows on a real PostgreSQL server."""
    with postgres.fresh_database(postgres_template) as url:
        yield url


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStorage]:
    """A SeaweedFS of this module."""
    from tests.testkit.object_storage import running_storage

    with running_storage(tmp_path_factory.mktemp("storage")) as storage:
        yield storage


@pytest.fixture(params=["sqlite", "postgresql"])
def each_empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return an empty database of each kind that is supported, one after the other."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    url: str = request.getfixturevalue("empty_postgres_url")
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def each_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the smoke set: a migrated database of each kind that is supported, one after the other."""
    if request.param == "sqlite":
        from tests.testkit.ledgers import lay_tables, sqlite_url

        lay_tables(sqlite_url(tmp_path))
        yield sqlite_url(tmp_path)
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        with server.fresh_database(request.getfixturevalue("postgres_template")) as url:
            yield url
