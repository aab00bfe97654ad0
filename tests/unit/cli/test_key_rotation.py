"""``tally key rotate``: new keys for a service in the place of its old ones, of which nothing is thrown away."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from api.services.parts import Parts
from api.wiring import assemble, hold, open_parts
from ledger.cli.errors import Exit
from ledger.cli.key_files import Rotation
from ledger.config.installation import DataDirectory, Installation, load, require_own_keys
from ledger.config.keys import LocalSigner, opens, public_key
from ledger.config.secret_files import write_secret
from ledger.config.settings import read_settings
from ledger.core.errors import Conflict, IntegrityBroken, TallystickError, Unavailable
from ledger.core.events.record import HeadsMapped
from ledger.core.log.notes import SeedSigner
from ledger.core.signing.authority import EarlierServiceKey
from ledger.core.trust.trust_file import MAX_EARLIER, EarlierLogKey
from ledger.store import connections, log
from ledger.store.opening import open_database
from tests.testkit.builders import LOG_ID, refused
from tests.testkit.postgres import PostgresServer
from tests.testkit.tally import PASSPHRASE, Tally

NAMES = ("log", "service", "submitter")


@pytest.fixture
def where(tally: Tally, tmp_path: Path) -> DataDirectory:
    """Found a ledger that has never run."""
    return DataDirectory(tally.found(tmp_path / "ledger"))


def rotate(tally: Tally, where: DataDirectory, name: str, *words: str) -> Any:
    return tally.ok("key", "rotate", name, *key_options(tally, where), *words)


def key_options(tally: Tally, where: DataDirectory) -> tuple[str | Path, ...]:
    return ("--data-dir", where.path, "--light", "--passphrase-file", tally.passphrase_file)


def place(where: DataDirectory, name: str) -> Path:
    return where.keys.note_key(name) if name.startswith("log") else where.keys.keystore(name)


def earlier_keys(installation: Installation) -> list[str]:
    keys = [earlier.vkey for earlier in installation.earlier_log_keys]
    return keys + [earlier.key_id for earlier in installation.earlier_service_keys]


def named(installation: Installation, where: DataDirectory, name: str) -> str:
    """Give the key as files and installation name it, which must agree."""
    key = public_key(place(where, name))
    assert key == {"log": installation.log_key, "service": installation.service_key_id}.get(name, key)
    assert opens(place(where, name), PASSPHRASE)
    return key


@pytest.mark.parametrize("name", NAMES)
def test_new_key_takes_the_place_of_the_old(tally: Tally, where: DataDirectory, name: str) -> None:
    """Files and identity name the new one, the old one stays beside it. Doing so twice before the log grows leaves both
    keys of the log, since the one between may have signed its size, but one of the service: it has signed no entry."""
    before = named(load(where), where, name)
    first = rotate(tally, where, name)
    second = rotate(tally, where, name)
    installation = load(where)
    assert first["before"] == before
    assert (second["before"], named(installation, where, name)) == (first["key"], second["key"])
    assert len({before, first["key"], second["key"]}) == 3
    assert Path(first["kept"]).exists()
    assert Path(second["kept"]).exists()
    expected = {"log": [before, first["key"]], "service": [before], "submitter": []}
    assert earlier_keys(installation) == expected[name]
    assert not list(where.keys.path.glob("*-next*"))


@pytest.mark.parametrize("name", NAMES)
def test_key_that_does_not_open_is_replaced_where_it_is_said_to_be_lost(
    tally: Tally, where: DataDirectory, name: str
) -> None:
    """Without --lost nothing is changed; with it neither the old file nor its passphrase is needed."""
    before = named(load(where), where, name)
    place(where, name).unlink()
    identity = where.installation.read_bytes()
    assert tally("key", "rotate", name, *key_options(tally, where)).status == Exit.USAGE
    assert where.installation.read_bytes() == identity
    rotation = rotate(tally, where, name, "--lost")
    assert rotation["before"] == before
    assert named(load(where), where, name) == rotation["key"]


def test_lost_passphrase_is_replaced_with_the_keys_under_it(tally: Tally, where: DataDirectory, tmp_path: Path) -> None:
    """One after the other, all keys of the service come under a new passphrase; the old files stay, under the old."""
    file = tmp_path / "new-passphrase"
    write_secret(file, b"another passphrase, long enough", field="passphrase")
    for name in NAMES:
        words = ("--data-dir", where.path, "--light", "--lost", "--passphrase-file", file)
        rotation = tally.ok("key", "rotate", name, *words)
        kept = Path(rotation["kept"])
        assert opens(kept, PASSPHRASE)
        kept.rename(tmp_path / kept.name)
    require_own_keys(where, load(where))
    files = where.keys.files()
    assert [opens(key, "another passphrase, long enough") for key in files] == [True, True, True]


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("name", ["log", "service"])
def test_cut_short_the_same_command_goes_on(tally: Tally, where: DataDirectory, name: str, *, lost: bool) -> None:
    """The new key is named by the identity, but does not lie in its place yet: a service does not start, and names the
    command that puts it there, also where the old one is gone."""
    file = place(where, name)
    old = file.read_bytes()
    words = ("--lost",) if lost else ()
    rotation = rotate(tally, where, name, *words)
    file.rename(place(where, f"{name}-next"))
    if not lost:
        write_secret(file, old, field="key")
    refused = starting(tally, where)
    assert (refused.code, f"tally key rotate {name}" in str(refused.hint)) == ("key_refused", True)
    again = rotate(tally, where, name, *words)
    assert (again["key"], again["before"]) == (rotation["key"], rotation["before"])
    named(load(where), where, name)
    require_own_keys(where, load(where))


@pytest.mark.parametrize("name", ["log", "service"])
def test_keys_of_another_copy_than_the_identity_sign_nothing(tally: Tally, where: DataDirectory, name: str) -> None:
    """Keys that were restored from before a rotation are told from those of the identity before anything is signed; a
    rotation with --lost mends it, and what it replaces is the key of the identity."""
    old = place(where, name).read_bytes()
    rotate(tally, where, name)
    place(where, name).write_bytes(old)
    refused = starting(tally, where)
    assert (refused.code, "one and the same copy" in str(refused.hint)) == ("key_refused", True)
    rotate(tally, where, name, "--lost")
    installation = load(where)
    require_own_keys(where, installation)
    keys = [installation.log_key, installation.service_key_id, *earlier_keys(installation)]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("name", ["log", "service"])
def test_no_more_keys_of_before_than_a_trust_file_names(tally: Tally, where: DataDirectory, name: str) -> None:
    """One more is refused with the identity as it was, instead of a trust file that nobody can read."""
    installation = load(where)
    others = [bytes([number]) * 32 for number in range(1, MAX_EARLIER + 1)]
    log_keys = [SeedSigner.from_seed(installation.origin, seed).verifying_key.vkey() for seed in others]
    own_keys = [LocalSigner.from_private_key(seed).key_id for seed in others]
    full = replace(
        installation,
        earlier_log_keys=tuple(EarlierLogKey(key, end) for end, key in enumerate(log_keys)),
        earlier_service_keys=tuple(EarlierServiceKey(key, end) for end, key in enumerate(own_keys)),
    )
    rotation = Rotation(where, full, MAX_EARLIER, PASSPHRASE, light=True)
    with pytest.raises(Conflict, match=f"at most {MAX_EARLIER}"):
        rotation.log() if name == "log" else rotation.service()
    assert load(where) == installation
    assert not list(where.keys.path.glob("*-next*"))


@pytest.mark.parametrize("name", ["log", "service"])
def test_database_from_before_a_rotation_is_told(tally: Tally, where: DataDirectory, name: str) -> None:
    """A log that is shorter than when a key was replaced was rolled back: no service starts on it and no other key is
    made for it, since the new key would sign another history than the one that was acknowledged."""
    rotation = Rotation(where, load(where), 3, PASSPHRASE, light=True)
    rotation.log() if name == "log" else rotation.service()
    refused = starting(tally, where)
    assert refused.message == "the database has 0 entries, but the log had 3 when its keys were last replaced"
    assert "keys/ and installation.json" in str(refused.hint)
    for key in ("log", "service"):
        tally.refuses(Exit.REFUSED, refused.message, "key", "rotate", key, *key_options(tally, where))
    assert not list(where.keys.path.glob("*-next*"))


def starting(tally: Tally, where: DataDirectory) -> TallystickError:
    """Give what a service that starts is refused with."""
    settings = read_settings(where.path, key_passphrase_file=tally.passphrase_file)
    with pytest.raises(TallystickError) as caught, open_parts(settings):
        pass
    return caught.value


@pytest.fixture
def two(
    tally: Tally, tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[DataDirectory, DataDirectory]:
    """Found a ledger with two data directories on one PostgreSQL and one chain, which is away; its log has begun."""
    monkeypatch.setattr(connections, "PATIENCE_S", 0.5)
    monkeypatch.setattr(connections, "LOST_PATIENCE_S", 2.0)
    first = DataDirectory(tally.found(tmp_path / "first"))
    lines = f"TALLYSTICK_DATABASE_URL='{postgres_url}'\nTALLYSTICK_CHAIN='http://127.0.0.1:9'\n"
    write_secret(first.path / "settings.env", lines.encode(), field="settings")
    second = DataDirectory(shutil.copytree(first.path, tmp_path / "second"))
    with serving(tally, first) as parts, serving(tally, second):
        parts.system.append(HeadsMapped(root="0x" + "00" * 32))
    return first, second


@contextmanager
def serving(tally: Tally, where: DataDirectory, **settings: str) -> Iterator[Parts]:
    """Yield the parts of a service that records, and does nothing by itself."""
    parts, _ = assemble(read_settings(where.path, key_passphrase_file=tally.passphrase_file, **settings))
    with closing(parts.database):
        parts.sequencer.start()
        try:
            yield parts
        finally:
            parts.sequencer.stop()


@pytest.mark.parametrize("name", NAMES)
def test_no_key_is_replaced_while_a_service_of_another_directory_runs(
    tally: Tally, two: tuple[DataDirectory, DataDirectory], name: str
) -> None:
    """It would go on with the old keys. Nothing is changed; once it has ended the same command replaces the key."""
    first, second = two
    identity = first.installation.read_bytes()
    with serving(tally, second):
        tally.refuses(Exit.USAGE, "at work on this database", "key", "rotate", name, *key_options(tally, first))
    assert first.installation.read_bytes() == identity
    assert not list(first.keys.path.glob("*-next*"))
    rotate(tally, first, name)


@pytest.mark.parametrize("name", ["log", "service"])
def test_keys_that_were_replaced_from_another_directory_sign_nothing(
    tally: Tally, two: tuple[DataDirectory, DataDirectory], name: str
) -> None:
    """Neither does a service start with them, nor are they replaced a second time, which would give the log two keys at
    one size; copies of the new keys and of the identity mend it."""
    first, second = two
    key = rotate(tally, first, name)["key"]
    error = starting(tally, second)
    assert (error.code, key in error.message, "Copy keys/" in str(error.hint)) == ("key_refused", True, True)
    tally.refuses(Exit.USAGE, key, "key", "rotate", name, "--lost", *key_options(tally, second))
    for part in ("keys", "installation.json"):
        copy = shutil.copytree if part == "keys" else shutil.copy
        shutil.rmtree(second.keys.path) if part == "keys" else second.installation.unlink()
        copy(first.path / part, second.path / part)
    with serving(tally, second) as parts:
        assert parts.system.append(HeadsMapped(root="0x" + "00" * 32)).index == 1


def test_a_service_that_lost_its_lock_signs_nothing_by_keys_that_were_replaced(
    tally: Tally, two: tuple[DataDirectory, DataDirectory], postgres: PostgresServer
) -> None:
    """A restart of the database ends its lock, and a rotation finds nobody: no entry, checkpoint, receipt or proof is
    signed from then on, and the log is as the rotation left it."""
    first, second = two
    with serving(tally, second) as parts:
        postgres.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory'")
        rotate(tally, first, "log")
        with refused("keys_replaced", error=Unavailable):
            parts.system.append(HeadsMapped(root="0x" + "00" * 32))
        with refused("keys_replaced", error=IntegrityBroken):
            parts.publisher.publish(parts.database, parts.sequencer.clock())
        with parts.database.read() as connection:
            assert log.tree(connection).size == 1
            entry = log.entry(connection, 0)
        with refused("keys_replaced", error=IntegrityBroken):
            parts.publisher.stored_receipt(parts.database, entry)
        assert parts.sequencer.failure is not None


def test_a_lock_that_was_lost_is_taken_again(
    tally: Tally, two: tuple[DataDirectory, DataDirectory], postgres: PostgresServer
) -> None:
    """A service goes on where nobody else has it, and writes nothing more where somebody who works alone has."""
    first, second = two
    lose = "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory'"
    with serving(tally, first) as parts:
        postgres.execute(lose)
        hold(parts)
        with refused("database_in_use", field="database_url", error=Conflict), serving(tally, second, chain="embedded"):
            pass
        assert parts.sequencer.failure is None
        postgres.execute(lose)
        with serving(tally, second, chain="embedded"):
            hold(parts)
            assert parts.sequencer.failure is not None


def test_of_an_embedded_chain_one_service_runs(tally: Tally, two: tuple[DataDirectory, DataDirectory]) -> None:
    """A second one would follow a chain of its own, whichever data directory it has; once the first has ended it
    starts."""
    first, second = two
    with (
        serving(tally, first, chain="embedded"),
        refused("database_in_use", field="database_url", error=Conflict),
        serving(tally, second, chain="embedded"),
    ):
        pass
    with serving(tally, second, chain="embedded"):
        pass


def test_a_rotation_that_was_cut_off_behind_the_database_goes_on(
    tally: Tally, two: tuple[DataDirectory, DataDirectory]
) -> None:
    """The database has the new key, the identity not yet: no service starts, and the same command goes on."""
    first, _ = two
    identity = first.installation.read_bytes()
    rotation = rotate(tally, first, "log")
    place(first, "log").rename(place(first, "log-next"))
    Path(rotation["kept"]).rename(place(first, "log"))
    first.installation.write_bytes(identity)
    assert starting(tally, first).code == "key_refused"
    again = rotate(tally, first, "log")
    assert (again["key"], again["before"]) == (rotation["key"], rotation["before"])
    with serving(tally, first):
        pass


@pytest.mark.parametrize("other_first", [True, False])
def test_keys_that_replaced_those_of_the_database_are_taken(
    tally: Tally, two: tuple[DataDirectory, DataDirectory], other_first: bool
) -> None:
    """A database may be from before the rotation, and have all entries that the log had then: it takes the new keys,
    and from then on none of before."""
    first, second = two
    with serving(tally, first) as parts, parts.database.write() as connection:
        before = log.tree(connection).own_keys
    rotate(tally, first, "log" if other_first else "service")
    rotate(tally, first, "service" if other_first else "log")
    with (
        closing(open_database(read_settings(first.path).database_url or "")) as database,
        database.write() as connection,
    ):
        log.keep_own_keys(connection, database, str(before))
    with serving(tally, first) as parts, parts.database.read() as connection:
        assert log.tree(connection).own_keys == load(first).own_keys
    assert starting(tally, second).code == "key_refused"


def test_the_database_of_another_ledger_is_a_setting_to_mend(
    tally: Tally, where: DataDirectory, tmp_path: Path, free_port: int
) -> None:
    """A service does not start on it, no key is replaced by its size, and the operator is sent to the setting."""
    url = f"sqlite:///{tmp_path}/other.db"
    with closing(open_database(url)) as database:
        log.initialise(database, LOG_ID)
    words = ("Name the database of this ledger", "--data-dir", where.path, "--passphrase-file", tally.passphrase_file)
    tally.refuses(Exit.USAGE, words[0], "serve", *words[1:], "--port", str(free_port), "--database-url", url)
    write_secret(where.path / "settings.env", f"TALLYSTICK_DATABASE_URL='{url}'\n".encode(), field="settings")
    tally.refuses(Exit.USAGE, words[0], "key", "rotate", "log", *words[1:])
