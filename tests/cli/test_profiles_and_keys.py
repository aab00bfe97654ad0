"""`tally profile` and `tally key`: who acts, and what secrets lie where."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.cli.exits import Exit
from ledger.keys import open_keystore, open_note_key
from ledger.secret_files import write_secret
from tests.builders import LOG_ID
from tests.cli.tally import PASSPHRASE, Tally, write_trust

URL = "http://127.0.0.1:8420"


def test_new_key_opens_with_its_passphrase(tally: Tally) -> None:
    """The file is an officer's keystore of mode 0600 under the passphrase that was given; its id is told."""
    key_id = tally.new_key("police-clerk")
    path = tally.config / "keys" / "police-clerk.json"
    assert open_keystore(path, PASSPHRASE).key_id == key_id
    assert path.stat().st_mode & 0o777 == 0o600


def test_passphrase_from_a_variable(tally: Tally, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is named by the option gives the passphrase; an empty one is refused."""
    monkeypatch.setenv("OFFICER_PASSPHRASE", "from a variable")
    tally.ok("key", "new", "one", "--light", "--passphrase-env", "OFFICER_PASSPHRASE")
    assert open_keystore(tally.config / "keys" / "one.json", "from a variable")
    done = tally("key", "new", "two", "--light", "--passphrase-env", "NOT_SET")
    assert (done.status, "NOT_SET" in done.err) == (Exit.USAGE, True)


@pytest.mark.parametrize("mode", [0o644, 0o640])
def test_passphrase_file_that_others_may_read_is_refused(tally: Tally, mode: int) -> None:
    """An open passphrase file makes no key, and the message tells the command that mends it."""
    tally.passphrase_file.chmod(mode)
    done = tally("key", "new", "one", "--passphrase-file", tally.passphrase_file)
    assert done.status == Exit.USAGE
    assert f"chmod 600 {tally.passphrase_file}" in done.err
    assert not (tally.config / "keys").exists()


def test_passphrase_is_no_option_and_needs_a_terminal(tally: Tally) -> None:
    """There is no way to put a passphrase on the command line; without a terminal it must come from somewhere."""
    assert tally("key", "new", "one", "--passphrase", "open sesame").status == Exit.USAGE
    done = tally("key", "new", "one")
    assert (done.status, "--passphrase-file" in done.err) == (Exit.USAGE, True)


def test_passphrase_is_asked_for_twice_and_not_shown(tally: Tally) -> None:
    """At a terminal a new passphrase is asked for with confirmation, and is not echoed."""
    command = [str(Path(sys.executable).with_name("tally")), "key", "new", "one", "--light"]
    terminal, inner = pty.openpty()
    environment = {"PATH": os.environ["PATH"], **tally.environment()}
    with subprocess.Popen(
        command, stdin=inner, stdout=inner, stderr=inner, env=environment, start_new_session=True
    ) as process:
        os.close(inner)
        shown = answer_prompts(terminal, ["typed", "typed"])
        assert process.wait(60) == 0
    assert "typed" not in shown
    assert open_keystore(tally.config / "keys" / "one.json", "typed")


def answer_prompts(terminal: int, answers: list[str]) -> str:
    """What the program showed until it ended, answering each prompt (it ends in a colon and a blank)."""
    shown = ""
    while True:
        try:
            read = os.read(terminal, 1024).decode()
        except OSError:  # the other side is closed
            return shown
        shown += read
        if read.endswith(": ") and answers:
            os.write(terminal, f"{answers.pop(0)}\n".encode())


def test_key_is_never_overwritten(tally: Tally) -> None:
    """A name that is taken is refused; the key stays."""
    before = tally.new_key("police-clerk")
    done = tally("key", "new", "police-clerk", "--passphrase-file", tally.passphrase_file)
    assert done.status == Exit.USAGE
    assert tally.ok("key", "show", "police-clerk")["key_id"] == before


def test_note_keys_carry_their_names(tally: Tally) -> None:
    """A log's or witness's key is Ed25519 under its note name, and both kinds are listed."""
    given = ("--passphrase-file", tally.passphrase_file)
    log = tally.ok("key", "new", "log", "--log", "ledger.example/handovers", *given)
    witness = tally.ok("key", "new", "w1", "--witness", "witness.example/w1", *given)
    officer = tally.new_key("officer")
    assert log["vkey"].startswith("ledger.example/handovers+")
    assert open_note_key(Path(witness["file"]), PASSPHRASE).verifying_key.vkey() == witness["vkey"]
    listed = tally.ok("key", "list")
    assert [key["name"] for key in listed] == ["log", "officer", "w1"]
    assert tally.ok("key", "show", "officer")["key_id"] == officer
    assert tally("key", "new", "x", "--log", "a", "--witness", "b", *given).status == Exit.USAGE
    assert tally("key", "new", "x", "--log", "a name", *given).status == Exit.USAGE


def test_keys_in_a_folder_of_their_own(tally: Tally) -> None:
    """--key-dir makes and lists keys elsewhere."""
    elsewhere = tally.folder / "token"
    given = ("--passphrase-file", tally.passphrase_file, "--key-dir", elsewhere)
    tally.ok("key", "new", "one", "--light", *given)
    assert [key["name"] for key in tally.ok("key", "list", "--key-dir", elsewhere)] == ["one"]
    assert tally.ok("key", "list") == []


def test_profiles_live_side_by_side(tally: Tally) -> None:
    """Each profile keeps what it was told; several must be told apart, one alone is taken by itself."""
    tally.new_key("clerk")
    tally.add_profile("police", URL, "police-east", "p-0417", "clerk")
    assert tally.ok("profile", "show")["officer"] == "p-0417"
    tally.ok("profile", "add", "reader", "--url", f"{URL}/")
    assert [profile["name"] for profile in tally.ok("profile", "list")] == ["police", "reader"]
    done = tally("profile", "show")
    assert (done.status, "police, reader" in done.err) == (Exit.USAGE, True)
    assert tally.ok("profile", "show", profile="reader") == {"name": "reader", "url": URL}


def test_profile_is_chosen_by_a_variable_too(tally: Tally) -> None:
    """TALLYSTICK_PROFILE chooses; --profile is stronger."""
    for name in ("one", "two"):
        tally.ok("profile", "add", name, "--url", URL)
    program = Path(sys.executable).with_name("tally")

    def chosen(*arguments: str) -> str:
        environment = tally.environment() | {"TALLYSTICK_PROFILE": "two"}
        done = subprocess.run([program, *arguments, "profile", "show"], env=environment, capture_output=True, text=True)
        return done.stdout.split()[1]

    assert (chosen(), chosen("--profile", "one")) == ("two", "one")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("police", "--url", "ledger.example"), "--url"),
        (("police", "--url", "http://user:secret@ledger.example"), "--url"),
        (("../police", "--url", URL), "name"),
        (("police", "--url", URL, "--agency", "police-east"), "--officer"),
        (("police", "--url", URL, "--agency", "a", "--officer", "o", "--key", "none"), "--key"),
    ],
)
def test_profile_that_cannot_be_is_not_made(tally: Tally, arguments: tuple[str, ...], said: str) -> None:
    """A wrong URL, name, key or half an identity is refused under its option, and no profile is there."""
    done = tally("profile", "add", *arguments)
    assert (done.status, said in done.err) == (Exit.USAGE, True)
    assert tally.ok("profile", "list") == []


def test_profile_is_replaced_only_on_demand(tally: Tally) -> None:
    """A name that is taken is refused; with --replace the token of before goes."""
    tally.ok("profile", "add", "one", "--url", URL)
    token = tally.config / "profiles" / "one" / "token.json"
    write_secret(token, b"{}", field="token")
    assert tally("profile", "add", "one", "--url", "http://127.0.0.1:1").status == Exit.USAGE
    assert token.exists()
    tally.ok("profile", "add", "one", "--url", "http://127.0.0.1:1", "--replace")
    assert tally.ok("profile", "show")["url"] == "http://127.0.0.1:1"
    assert not token.exists()


def test_trust_file_pins_the_ledger(tally: Tally) -> None:
    """A profile made with a trust file signs for its ledger from the start."""
    trust = write_trust(tally.folder)
    made = tally.ok("profile", "add", "one", "--url", URL, "--trust", trust)
    assert made["log_id"] == "0x" + LOG_ID.hex()


def test_profile_is_removed_unless_events_wait(tally: Tally) -> None:
    """Events of unknown outcome keep a profile; without them it goes, and its key stays."""
    tally.new_key("clerk")
    tally.add_profile("police", URL, "police-east", "p-0417", "clerk")
    waiting = tally.config / "profiles" / "police" / "outbox" / "event.json"
    write_secret(waiting, b"{}", field="outbox")
    done = tally("profile", "remove", "police")
    assert (done.status, f"tally event submit {waiting}" in done.err) == (Exit.USAGE, True)
    waiting.unlink()
    assert tally("profile", "remove", "police").status == 0
    assert tally.ok("profile", "list") == []
    assert tally.ok("key", "show", "clerk")
    assert tally("profile", "show", "police").status == Exit.USAGE
