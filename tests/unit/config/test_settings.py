"""Settings: where they come from, in which order, and how a wrong one is told."""

from __future__ import annotations

from pathlib import Path
from traceback import format_exception

import pytest

from ledger.chain.anvil_package import anvil_pin
from ledger.config import settings as settings_of_services
from ledger.config.installation import DataDirectory
from ledger.config.secret_files import SecretRefused, write_secret
from ledger.config.settings import installed_anvil, read_settings, read_witness_settings
from ledger.core.errors import MalformedInput, NotFound


def test_option_stands_above_variable_above_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An option is stronger than a variable, a variable than settings.env, the file than the default."""
    file = "TALLYSTICK_PORT=1001\nTALLYSTICK_HOST=::1\nTALLYSTICK_ANCHOR_INTERVAL_S=7\n"
    (tmp_path / "settings.env").write_text(file)
    monkeypatch.setenv("TALLYSTICK_PORT", "1002")
    monkeypatch.setenv("TALLYSTICK_HOST", "127.0.0.9")
    settings = read_settings(tmp_path, port=1003, host=None)
    assert (settings.port, settings.host, settings.anchor_interval_s) == (1003, "127.0.0.9", 7)
    assert settings.max_body_bytes == 1024 * 1024


def test_data_directory_comes_from_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TALLYSTICK_DATA_DIR names the data directory, and thereby the file that is read."""
    (tmp_path / "settings.env").write_text("TALLYSTICK_PORT=1001\n")
    monkeypatch.setenv("TALLYSTICK_DATA_DIR", str(tmp_path))
    settings = read_settings()
    assert (settings.data_dir, settings.port) == (tmp_path, 1001)


WRONG = (
    *("port=0", "port=http", "anchor_interval_s=-1", "max_page_entries=1001", "database_url=mysql://host/ledger"),
    *("chain=ws://node", "public_url=ledger.example", "timestamp_url=tsa.example", "timestamp_interval_s=0"),
    *("finality=latest", "finality=-1", "durable_copies=2"),
)


@pytest.mark.parametrize("setting", WRONG)
def test_wrong_setting_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    """A setting that cannot be is refused under its name, with where it may come from."""
    name, _, value = setting.partition("=")
    monkeypatch.setenv(f"TALLYSTICK_{name.upper()}", value)
    with pytest.raises(MalformedInput) as refused:
        read_settings(tmp_path)
    assert refused.value.field == name
    assert f"TALLYSTICK_{name.upper()}" in str(refused.value.hint)


SECRETS = (
    *("database_url=postgresql://reader:hunter2@host/ledger", "replica_urls=postgresql://reader:hunter2@host/ledger"),
    *("tile_store=s3://KEY:hunter2@bucket", "evidence_store=s3://KEY:hunter2@bucket"),
    *("backup_store=https://KEY:hunter2@host/b", "backup_store_endpoint=s3://KEY:hunter2@host"),
    "chain=htps://node.example/v3/hunter2",
)


@pytest.mark.parametrize("setting", SECRETS)
def test_wrong_url_is_not_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    """A URL that may hold a password or a key is in no part of the error, nor of what a traceback shows with it."""
    name, _, value = setting.partition("=")
    monkeypatch.setenv(f"TALLYSTICK_{name.upper()}", value)
    with pytest.raises(MalformedInput, match="expected") as refused:
        read_settings(tmp_path)
    assert refused.value.field == name
    assert "hunter2" not in "".join(format_exception(refused.value)) + str(vars(refused.value))


def test_other_wrong_setting_is_quoted(tmp_path: Path) -> None:
    """What cannot hold a secret is repeated, so that a slip is seen."""
    with pytest.raises(MalformedInput, match="not 'Atlantis'"):
        read_settings(tmp_path, time_zone="Atlantis")


def test_values_of_the_file_are_taken_as_they_stand(tmp_path: Path) -> None:
    """A password may hold what a shell would take for a variable."""
    (tmp_path / "settings.env").write_text("TALLYSTICK_SMTP_PASSWORD=pa${HOME}x\n")
    password = read_settings(tmp_path).smtp_password
    assert password is not None
    assert password.get_secret_value() == "pa${HOME}x"


NO_EFFECT = {
    "TALLYSTICK_PROT=1": ("TALLYSTICK_PROT", "Did you mean TALLYSTICK_PORT?"),
    "durable_copies=1": ("durable_copies", "Did you mean TALLYSTICK_DURABLE_COPIES?"),
    "TALLYSTICK_SWITCH_FOR_NOTHING=": ("TALLYSTICK_SWITCH_FOR_NOTHING", "docs/operations.md"),
    'TALLYSTICK_DATABASE_URL="postgresql+psycopg://u:pass@h/d': ("settings.env", "quotation mark"),
    "TALLYSTICK_DATA_DIR=elsewhere": ("data_dir", ""),
    "TALLYSTICK_HOST=": ("host", "Remove the line"),
    "TALLYSTICK_port=1002": ("port", "Remove the line"),
    "TALLYSTICK_DATABASE_URL": ("settings.env", "equals sign"),
}


@pytest.mark.parametrize("line", NO_EFFECT)
def test_a_line_that_would_set_nothing_is_refused(tmp_path: Path, line: str) -> None:
    """A name without its prefix, of no setting, of the directory or that stands twice, one without a value, and a line
    that is no setting at all: named, and never quoted."""
    (tmp_path / "settings.env").write_text(f"# comment\n\n\nexport TALLYSTICK_PORT=1001 # comment\n\n{line}\n")
    field, hint = NO_EFFECT[line]
    with pytest.raises(MalformedInput) as refused:
        read_settings(tmp_path)
    assert refused.value.field == field
    assert hint in str(refused.value.hint)
    assert "pass" not in refused.value.text
    assert field != "settings.env" or "line 6 of" in refused.value.text


def test_a_file_of_settings_in_another_encoding_is_refused(tmp_path: Path) -> None:
    """What is no UTF-8 is told as a fault of the file, not of the program."""
    (tmp_path / "settings.env").write_bytes("TALLYSTICK_PORT=1 # Anschluß".encode("latin-1"))
    with pytest.raises(MalformedInput, match="no text in UTF-8"):
        read_settings(tmp_path)


def test_a_variable_that_would_set_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelled variable is refused; those of clients, of a witness beside it and of what runs it are not."""
    monkeypatch.setenv("TALLYSTICK_LANG", "zh")
    monkeypatch.setenv("TALLYSTICK_WITNESS_PROT", "1")
    monkeypatch.setenv("TALLYSTICK_SERVICE_HOST", "10.0.0.1")
    read_settings(tmp_path)
    with pytest.raises(MalformedInput) as refused:
        read_witness_settings(tmp_path)
    assert str(refused.value.hint) == "Did you mean TALLYSTICK_WITNESS_PORT?"
    monkeypatch.setenv("TALLYSTICK_PROT", "1")
    with pytest.raises(MalformedInput) as refused:
        read_settings(tmp_path)
    assert (refused.value.field, str(refused.value.hint)) == ("TALLYSTICK_PROT", "Did you mean TALLYSTICK_PORT?")


def test_url_is_what_clients_call(tmp_path: Path) -> None:
    """The public URL without its last slash, else host and port, an IPv6 address in brackets."""
    assert read_settings(tmp_path, public_url="https://ledger.example/").url == "https://ledger.example"
    assert read_settings(tmp_path, port=81).url == "http://127.0.0.1:81"
    assert read_settings(tmp_path, host="::1", port=81).url == "http://[::1]:81"


def test_passphrase_is_taken_from_the_first_place_that_has_it(tmp_path: Path) -> None:
    """Given itself, else in the given file, else in the installation's file; nowhere is refused with what to set."""
    where = DataDirectory(tmp_path)
    with pytest.raises(SecretRefused) as refused:
        read_settings(tmp_path).passphrase(where)
    assert "TALLYSTICK_KEY_PASSPHRASE_FILE" in str(refused.value.hint)
    write_secret(where.passphrase, b"own\n", field="passphrase")
    assert read_settings(tmp_path).passphrase(where) == "own"
    write_secret(tmp_path / "elsewhere", b"elsewhere\r\n", field="passphrase")
    settings = read_settings(tmp_path, key_passphrase_file=tmp_path / "elsewhere")
    assert settings.passphrase(where) == "elsewhere"
    assert read_settings(tmp_path, key_passphrase="given").passphrase(where) == "given"


def test_a_secret_is_not_given_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Itself and in a file, from whichever sources: nobody knows which of the two was meant. Both are named."""
    for prefix, read, secrets in (
        ("TALLYSTICK_", read_settings, ("key_passphrase", "tile_store_secret", "smtp_password")),
        ("TALLYSTICK_WITNESS_", read_witness_settings, ("key_passphrase",)),
    ):
        for name in secrets:
            with monkeypatch.context() as variables:
                variables.setenv(f"{prefix}{name}".upper(), "open sesame")
                read(tmp_path)
                (tmp_path / "settings.env").write_text(f"{prefix}{name.upper()}_FILE=/etc/secret\n")
                with pytest.raises(MalformedInput) as refused:
                    read(tmp_path)
            (tmp_path / "settings.env").unlink()
            assert refused.value.field == f"{name}, {name}_file"
            assert f"{prefix}{name}_FILE".upper() in str(refused.value.hint)
            assert "sesame" not in f"{refused.value.message} {refused.value.hint}"


def test_passphrase_is_not_shown(tmp_path: Path) -> None:
    """Neither the text of the settings nor their parts print the passphrase."""
    settings = read_settings(tmp_path, key_passphrase="open sesame")
    assert "sesame" not in f"{settings!r} {settings} {settings.key_passphrase!r}"


def test_anvil_is_found_or_said_to_be_missing(
    tmp_path: Path, anvil_binary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a setting it is the executable beside the checkout, then that of `tally chain install`, then one on the
    path; a wrong path is refused."""
    assert read_settings(tmp_path).anvil() == anvil_binary
    monkeypatch.setattr(settings_of_services, "_CHECKOUT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    with pytest.raises(NotFound) as caught:
        read_settings(tmp_path).anvil()
    assert "tally chain install" in str(caught.value.hint)
    (tmp_path / "anvil").touch(0o755)
    assert read_settings(tmp_path).anvil() == tmp_path / "anvil"
    installed = installed_anvil(anvil_pin().version)
    installed.parent.mkdir(parents=True)
    installed.touch(0o755)
    assert read_settings(tmp_path).anvil() == installed
    with pytest.raises(NotFound):
        read_settings(tmp_path, anvil_binary=tmp_path / "none").anvil()
