"""A service for each test: real parts on a real SQLite file, no chain, called in process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from api.app import create_app
from api.services.parts import Parts
from api.services.webhooks import WebhookPages, receivers_of, webhook_secret
from api.wiring import make_parts
from ledger.anchoring.worker import ChainConnection
from ledger.config.installation import DataDirectory
from ledger.config.keys import create_keystore
from ledger.config.settings import Settings
from ledger.core.errors import Unavailable
from ledger.evidence.kept_evidence import open_kept_evidence
from ledger.interchange.webhooks.deliverer import Deliverer
from ledger.recording.public_store import public_store_of
from ledger.recording.uploading import TileUploader
from ledger.workers.pool import WorkerPool
from tests.api.service import Served
from tests.testkit import bundles
from tests.testkit.builders import Officer, auditor, clerk, supervisor
from tests.testkit.ledgers import LOG_SIGNER, Ledger, Untried, open_founded, sqlite_url

if TYPE_CHECKING:
    from tests.api.matrix import World

AGENCIES = ("police-east", "procuratorate-east", "court-east", "prison-north", "lab-east", "detention-east")


class Trusted:
    """The trust file of a ledger without a chain."""

    trust = bundles.trust(chains=(), log_key=LOG_SIGNER.verifying_key)


def no_chain() -> NoReturn:
    raise Unavailable("there is no chain here")


SETTINGS = Settings(public_url="https://ledger.test")
WORKERS = WorkerPool()  # of all services of these tests: it takes seconds to start one


OFFICERS = tuple(role(agency) for agency in AGENCIES for role in (clerk, supervisor, auditor))


@contextmanager
def serving(
    folder: Path,
    settings: Settings = SETTINGS,
    *,
    officers: Sequence[Officer] = OFFICERS,
    tries_models: bool = True,
    workers: WorkerPool = WORKERS,
) -> Iterator[Served]:
    """Serve a ledger that knows these officers: by default a clerk, a supervisor and an auditor of each agency."""
    definitions = None if tries_models else Untried()
    with (
        open_founded(sqlite_url(folder), *officers, definitions=definitions) as ledger,
        serving_ledger(ledger, no_chain, settings, workers, folder / "trails") as service,
    ):
        yield service


@contextmanager
def serving_ledger(
    ledger: Ledger,
    connect: Callable[[], ChainConnection],
    settings: Settings = SETTINGS,
    workers: WorkerPool = WORKERS,
    trails: Path | None = None,
) -> Iterator[Served]:
    """Serve this ledger and the chain that is connected by ``connect``."""
    parts = parts_of(ledger, connect, settings, workers, trails)
    lines: list[dict[str, object]] = []
    app = create_app(parts, write_log=lambda event, **fields: lines.append({"event": event, **fields}))
    with Served(ledger, parts, app, lines) as service:
        yield service


def parts_of(
    ledger: Ledger,
    connect: Callable[[], ChainConnection],
    settings: Settings = SETTINGS,
    workers: WorkerPool = WORKERS,
    trails: Path | None = None,
) -> Parts:
    """Return what routes and threads of a service work with."""
    store, uploader = public_store_of(settings), None
    if store is not None:
        uploader = TileUploader(ledger.database, store, trust=lambda: Trusted.trust, public_url=settings.tile_store_url)
    where = DataDirectory(settings.data_dir)
    if settings.evidence_store is not None and not where.keys.keystore("evidence").exists():
        create_keystore(where.keys.keystore("evidence"), "passphrase", light=True)
    return make_parts(
        ledger.recording,
        settings=settings,
        trust=Trusted(),
        witnesses=tuple,
        connect=connect,
        views=None,
        trails=trails,
        token_key=b"\x07" * 32,
        clock=ledger.clock,
        workers=workers,
        uploader=uploader,
        evidence=open_kept_evidence(settings, where, "passphrase", ledger.database, ledger.clock),
    )


def deliverer_of(parts: Parts, clock: Callable[[], int] | None = None) -> Deliverer:
    """Return what sends to webhooks beside the routes, moved by the test."""
    secret = partial(webhook_secret, parts)
    pages, receivers = WebhookPages(parts), receivers_of(parts)
    return Deliverer(parts.database, pages, receivers, secret=secret, clock=clock or parts.clock)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """Return a service of the test's own."""
    with serving(tmp_path) as service:
        yield service


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Return a service that the tests of a module share: none of them may change what another one sees."""
    with serving(tmp_path_factory.mktemp("shared")) as service:
        yield service


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return a case that everybody had to do with: none of the tests changes what another one sees of it."""
    from tests.api.matrix import made_world

    with made_world(tmp_path_factory.mktemp("world")) as world:
        yield world
