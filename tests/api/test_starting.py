"""What a service does before it serves anybody."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
import tomllib
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest
from structlog.testing import capture_logs

from api.chain_connector import TrustHolder
from api.wiring import BoundFile, assemble, open_parts
from ledger.anchoring.worker import ChainWorker
from ledger.cli.command import EXTRAS
from ledger.config.installation import DataDirectory
from ledger.config.keys import create_keystore
from ledger.config.secret_files import write_secret
from ledger.config.settings import Settings, read_settings
from ledger.core.errors import Conflict, NotFound
from ledger.core.log.witness_protocol import SIZE_MEDIA_TYPE
from ledger.core.trust.trust_file import parse_trust
from ledger.store import checkpoints, connections, log
from ledger.store.database import Database
from ledger.store.opening import open_database
from ledger.store.tables import TREE
from ledger.workers import sandbox
from ledger.workers.sandbox import Enforced
from tests.api.service import until
from tests.testkit import bundles
from tests.testkit.builders import refused
from tests.testkit.ledgers import lay_tables, open_ledger, sqlite_url
from tests.testkit.machine import REPOSITORY, free_port
from tests.testkit.timestamping import new_authority
from tests.testkit.witness_server import Reply, SmallWitness, serving
from tests.unit.cli.world import World
from tests.unit.config.test_installation import PASSPHRASE, mint

NEXT_DIGIT = bytes.maketrans(b"0123456789", b"1234567890")
STARTING = """
import sys
from ledger.cli.command import without_extras
with without_extras():
    import api.app, api.middleware.server, api.wiring
from ledger.config.keys import open_keystore
from ledger.store.opening import open_database
from pathlib import Path
open_keystore(Path(sys.argv[1]), "tally")
for url in sys.argv[2:]:
    open_database(url).close()
print(sys.getrecursionlimit(), *sys.modules)
"""


@pytest.fixture(scope="module")
def ran_once(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return a ledger that ran once: its agencies are mirrored, and its log is published."""
    world = World(tmp_path_factory.mktemp("ran"))
    world.found()
    with open_parts(read_settings(world.data, key_passphrase_file=world.tally.passphrase_file)) as parts:
        until(lambda: published_size(parts.database) > 0)
    return world


@pytest.fixture
def founded(tmp_path: Path, ran_once: World) -> Settings:
    """Return a copy of it for a test alone."""
    data = shutil.copytree(ran_once.data, tmp_path / "ledger")
    return read_settings(data, port=free_port(), key_passphrase_file=ran_once.tally.passphrase_file)


def published_size(database: Database) -> int:
    with database.read() as connection:
        published = checkpoints.last_published(connection)
    return published.size if published else 0


def test_a_service_starts_without_what_few_need(tmp_path: Path, postgres_url: str) -> None:
    """A service at rest takes no memory for heavy libraries, and starts without waiting for them: neither its modules,
    nor opening its keys and a database of either kind, import what pyproject.toml has for functions alone, or what
    libraries only try for. Nor do they raise the limit of recursion, as a part of some Ethereum packages does: deep
    JSON would kill the process."""
    linting = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    heavy = {*linting["flake8-tidy-imports"]["banned-module-level-imports"], *EXTRAS, "py_ecc"}
    keystore = tmp_path / "key.json"
    create_keystore(keystore, "tally", light=True)
    lay_tables(sqlite_url(tmp_path))
    words = [sys.executable, "-c", STARTING, keystore, sqlite_url(tmp_path), postgres_url]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    limit, *modules = done.stdout.split()
    assert (int(limit), heavy & set(modules)) == (1000, set())


def test_witnesses_are_heard_before_the_chain_is_followed(founded: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Following the chain writes to the log, and one who has seen more of it must be heard first: a database that was
    rolled back gets no entry more, not of the service's own either."""
    with open_parts(founded) as parts:
        witness = SmallWitness("w1", parts.trust.trust.log_key, parts.trust.trust.log_id)
    order: list[str] = []
    follow = ChainWorker.run

    def ahead(_: str) -> Reply:
        time.sleep(0.5)
        order.append("heard")
        return Reply(409, b"1000\n", SIZE_MEDIA_TYPE)

    def followed(chain_worker: ChainWorker, stop: Event) -> None:
        order.append("followed")
        follow(chain_worker, stop)

    witness.spoil = ahead
    monkeypatch.setattr(ChainWorker, "run", followed)
    with serving(witness):
        (founded.data_dir / "witnesses.toml").write_text(witness.row(foreign=True), encoding="utf-8")
        with open_parts(founded) as parts:
            assert order[:2] == ["heard", "followed"]
            failure = parts.sequencer.failure
            assert failure is not None
            assert failure.code == "witness_ahead"


@pytest.mark.parametrize("parts", [Enforced(files=True, calls=True), Enforced(files=False, calls=True)])
def test_a_service_says_what_its_sandbox_lacks(
    founded: Settings, monkeypatch: pytest.MonkeyPatch, parts: Enforced
) -> None:
    """Once, when it starts; and it starts. Where nothing is lacking, nothing is said."""
    monkeypatch.setattr(sandbox, "enforced", lambda: parts)
    with capture_logs() as logged, open_parts(founded):
        pass
    lines = [line for line in logged if "sandbox" in line["event"]]
    assert [(line["log_level"], line["files"], line["calls"]) for line in lines] == [
        ("warning", *parts) for _ in range(not all(parts))
    ]


@pytest.mark.parametrize("behind_s", [3600, 0])
def test_a_service_says_that_its_clock_is_behind_the_log(founded: Settings, behind_s: int) -> None:
    """Once, when it starts; and it starts: what it records gets the time of the last entry."""
    last = time.time_ns() // 1_000_000 + behind_s * 1000
    file = DataDirectory(founded.data_dir).database
    with closing(open_database(f"sqlite:///{file}")) as database, database.lock() as connection:
        connection.execute(TREE.update().values(recorded_at=last))
    with capture_logs() as logged, open_parts(founded) as parts, parts.database.read() as connection:
        assert log.tree(connection).recorded_at >= last
    (seconds,) = [line["seconds"] for line in logged if "behind" in line["event"]] or [0]
    assert behind_s - 60 < seconds <= behind_s


@pytest.mark.parametrize("begun", [True, False])
def test_a_ledger_without_its_database_is_no_new_one(tmp_path: Path, each_empty_database_url: str, begun: bool) -> None:
    """A lost database, or a lost setting, must not let its key sign a second history: nothing is started, and no file
    is made that looks like the ledger's. A ledger that was never started starts with any empty database."""
    where, _ = mint(tmp_path / "data")
    write_secret(tmp_path / "passphrase", PASSPHRASE.encode(), field="passphrase")
    if begun:
        where.trust.write_bytes(b"what was handed out")
    for url in (None, each_empty_database_url):
        settings = read_settings(where.path, key_passphrase_file=tmp_path / "passphrase", database_url=url)
        if begun:
            with refused("database_missing", field="database_url", error=NotFound):
                assemble(settings)
        else:
            assemble(settings)[0].database.close()
            where.trust.write_bytes(b"from now on it has begun")
            assemble(settings)[0].database.close()
            where.trust.unlink()
    assert where.database.exists() != begun


def test_services_of_one_ledger_have_witnesses_and_policy_alike(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second one without the first one's witnesses would ask none whether the log was rolled back, and one by
    another policy would hand out what the others' does not allow: it starts once its files are those of the first."""
    monkeypatch.setattr(connections, "PATIENCE_S", 0.1)
    where, _ = mint(tmp_path / "first")
    write_secret(tmp_path / "passphrase", PASSPHRASE.encode(), field="passphrase")
    where.witnesses.write_text("# nobody yet\n", encoding="utf-8")
    copy = DataDirectory(shutil.copytree(where.path, tmp_path / "second"))
    common = {
        "database_url": postgres_url,
        "chain": "http://127.0.0.1:1",
        "key_passphrase_file": tmp_path / "passphrase",
    }
    first, second = (read_settings(directory.path, **common) for directory in (where, copy))
    with closing(assemble(first)[0].database):
        for file in (copy.witnesses, copy.policy, copy.token_key):
            whole = file.read_bytes() if file.exists() else None
            file.write_bytes(b"quorum none\n" if whole is None else whole.replace(b"n", b"m").translate(NEXT_DIGIT))
            with refused("not_alike", field=file.name, error=Conflict):
                assemble(second)
            file.unlink() if whole is None else file.write_bytes(whole)
        with refused("not_alike", field="finality", error=Conflict):
            assemble(read_settings(copy.path, finality=3, **common))
        assemble(second)[0].database.close()


def test_a_database_is_there_whatever_its_address_sets(tmp_path: Path) -> None:
    """The part of an address that sets how to connect is no part of the file's name."""
    where, _ = mint(tmp_path / "data")
    write_secret(tmp_path / "passphrase", PASSPHRASE.encode(), field="passphrase")
    url = f"{sqlite_url(tmp_path)}?timeout=9"
    settings = read_settings(where.path, key_passphrase_file=tmp_path / "passphrase", database_url=url)
    assemble(settings)[0].database.close()
    where.trust.write_bytes(b"from now on it has begun")
    assemble(settings)[0].database.close()


def test_the_trust_file_names_the_timestamp_authority(tmp_path: Path) -> None:
    """With the contracts and before them: verifiers get the root that the service goes by, and the contracts."""
    root = new_authority(tmp_path / "tsa").root
    where, minted = mint(tmp_path / "data")
    holder = TrustHolder(where, minted, bundles.CHAIN.finality, (root,))
    assert (holder.trust.timestamp_roots, holder.trust.chains) == ((root,), ())
    holder.deployed(bundles.CHAIN)
    written = parse_trust(where.trust.read_bytes())
    assert written == holder.trust
    assert (written.timestamp_roots, written.chains) == ((root,), (bundles.CHAIN,))


def test_services_of_one_database_keep_their_own_views(tmp_path: Path) -> None:
    """Each finds the digest that it left, whatever another one with a file of the same name has left since."""
    with open_ledger(sqlite_url(tmp_path)) as ledger:
        paths = [tmp_path / machine / "supervision" / "views.duckdb" for machine in ("first", "second")]
        for path in paths:
            BoundFile(ledger.database, path).keep(f"of {path.parent.parent.name}")
        for path in paths:
            assert BoundFile(ledger.database, path).last() == f"of {path.parent.parent.name}"
        for path in paths:
            path.with_suffix(".id").write_bytes(b"cut")
            assert BoundFile(ledger.database, path).last() is None
