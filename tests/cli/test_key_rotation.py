"""``tally key rotate``: new keys for a service in the place of its old ones, of which nothing is thrown away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ledger.cli.exits import Exit
from ledger.installation import DataDirectory, Installation, load
from ledger.keys import keystore_key_id, note_key, open_keystore, open_note_key
from tests.cli.tally import PASSPHRASE, Tally

NAMES = ("log", "service", "submitter")


@pytest.fixture
def where(tally: Tally, tmp_path: Path) -> DataDirectory:
    """A ledger that has never run."""
    agency = {
        "agency_id": "police-east",
        "kind": "public_security",
        "admin": "0x" + "1c" * 20,
        "jurisdiction": "31/01",
        "name": {"en": "Police", "zh": "公安"},
    }
    file, made = tmp_path / "founding.json", DataDirectory(tmp_path / "ledger")
    file.write_text(json.dumps({"agencies": [agency], "development": True}), encoding="utf-8")
    words = ("init", "--founding", file, "--data-dir", made.path, "--light")
    tally.ok(*words, "--passphrase-file", tally.passphrase_file)
    return made


def rotate(tally: Tally, where: DataDirectory, name: str, *words: str) -> Any:
    given = ("--data-dir", where.path, "--light", "--passphrase-file", tally.passphrase_file)
    return tally.ok("key", "rotate", name, *given, *words)


def named(made: Installation, where: DataDirectory, name: str) -> str:
    """The key as files and installation name it, which must agree."""
    if name == "log":
        key = note_key(where.keys.note_key(name)).vkey()
        assert key == made.log_key
        open_note_key(where.keys.note_key(name), PASSPHRASE)
        return key
    key = keystore_key_id(where.keys.keystore(name))
    assert name == "submitter" or key == made.service_key_id
    open_keystore(where.keys.keystore(name), PASSPHRASE)
    return key


@pytest.mark.parametrize("name", NAMES)
def test_new_key_takes_the_place_of_the_old(tally: Tally, where: DataDirectory, name: str) -> None:
    """Files and identity name the new one, the old one stays beside it; doing so twice before the log grows leaves one
    key of before, since the one between has signed nothing."""
    before = named(load(where), where, name)
    first = rotate(tally, where, name)
    second = rotate(tally, where, name)
    made = load(where)
    assert first["before"] == before
    assert (second["before"], named(made, where, name)) == (first["key"], second["key"])
    assert len({before, first["key"], second["key"]}) == 3
    assert Path(first["kept"]).exists()
    assert Path(second["kept"]).exists()
    earlier = [one.key for one in made.earlier_log_keys] + [one.key_id for one in made.earlier_service_keys]
    assert earlier == ([] if name == "submitter" else [before])
    assert not list(where.keys.path.glob("*-next*"))


@pytest.mark.parametrize("name", NAMES)
def test_key_that_does_not_open_is_replaced_where_it_is_said_to_be_lost(
    tally: Tally, where: DataDirectory, name: str
) -> None:
    """Without --lost nothing is changed; with it neither the old file nor its passphrase is needed."""
    file = where.keys.note_key(name) if name == "log" else where.keys.keystore(name)
    before = named(load(where), where, name)
    file.unlink()
    words = ("--data-dir", where.path, "--light", "--passphrase-file", tally.passphrase_file)
    identity = where.installation.read_bytes()
    assert tally("key", "rotate", name, *words).status == Exit.USAGE
    assert where.installation.read_bytes() == identity
    made = rotate(tally, where, name, "--lost")
    assert made["before"] == before
    assert named(load(where), where, name) == made["key"]


@pytest.mark.parametrize("name", ["log", "service"])
def test_cut_short_the_same_command_goes_on(tally: Tally, where: DataDirectory, name: str) -> None:
    """The new key is named by the identity, but does not lie in its place yet: the next run puts it there."""
    file = where.keys.note_key(name) if name == "log" else where.keys.keystore(name)
    old = file.read_bytes()
    made = rotate(tally, where, name)
    file.rename(where.keys.note_key("log-next") if name == "log" else where.keys.keystore("service-next"))
    file.write_bytes(old)
    file.chmod(0o600)
    again = rotate(tally, where, name)
    assert (again["key"], again["before"]) == (made["key"], made["before"])
    named(load(where), where, name)
