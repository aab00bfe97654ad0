"""`tally profile` and `tally key`: who acts, and what secrets lie where."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.cli.errors import Exit
from ledger.config.keys import change_passphrase, open_keystore, open_note_key
from ledger.config.secret_files import write_secret
from ledger.core.log.notes import COSIGNING, SignatureType, parse_vkey
from ledger.witness.directory import WitnessDirectory, open_keys
from tests.testkit.builders import LOG_ID
from tests.testkit.tally import PASSPHRASE, Tally, write_trust

URL = "http://127.0.0.1:8420"


def test_passphrase_from_a_variable(tally: Tally, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is named by the option gives the passphrase; an empty one is refused. None can be put on the
    command line, and without a terminal it must come from somewhere. A name that is taken is refused; the key stays."""
    assert tally("key", "new", "one", "--passphrase", "open sesame").status == Exit.USAGE
    tally.refuses(Exit.USAGE, "--passphrase-file", "key", "new", "one")
    monkeypatch.setenv("OFFICER_PASSPHRASE", "from a variable")
    tally.ok("key", "new", "one", "--light", "--passphrase-env", "OFFICER_PASSPHRASE")
    assert tally("key", "new", "one", "--passphrase-env", "OFFICER_PASSPHRASE").status == Exit.USAGE
    assert open_keystore(tally.config / "keys" / "one.json", "from a variable")
    tally.refuses(Exit.USAGE, "NOT_SET", "key", "new", "two", "--light", "--passphrase-env", "NOT_SET")


def test_passphrase_file_that_others_may_read_is_refused(tally: Tally) -> None:
    """An open passphrase file makes no key, and the message tells the command that mends it."""
    tally.passphrase_file.chmod(0o640)
    done = tally("key", "new", "one", "--passphrase-file", tally.passphrase_file)
    assert done.status == Exit.USAGE
    assert f"chmod 600 {tally.passphrase_file}" in done.err
    assert not (tally.config / "keys").exists()


def test_passphrase_is_asked_for_twice_and_not_shown(tally: Tally) -> None:
    """At a terminal a new passphrase is asked for with confirmation, and is not echoed."""
    done = tally.at_terminal("key", "new", "one", "--light", answers=["typed", "typed"])
    assert (done.status, "typed" in done.err) == (0, False)
    assert open_keystore(tally.config / "keys" / "one.json", "typed")


def test_note_keys_carry_their_names(tally: Tally) -> None:
    """A log's or witness's key is Ed25519 under its note name, and both kinds are listed."""
    options = ("--light", "--passphrase-file", tally.passphrase_file)
    log = tally.ok("key", "new", "log", "--log", "ledger.example/handovers", *options)
    witness = tally.ok("key", "new", "w1", "--witness", "witness.example/w1", *options)
    officer = tally.new_key("officer")
    assert log["verifier_key"].startswith("ledger.example/handovers+")
    assert open_note_key(Path(witness["file"]), PASSPHRASE).verifying_key.vkey() == witness["verifier_key"]
    listed = tally.ok("key", "list")
    assert [key["name"] for key in listed] == ["log", "officer", "w1"]
    assert tally.ok("key", "show", "officer")["key_id"] == officer
    assert tally("key", "new", "x", "--log", "a", "--witness", "b", *options).status == Exit.USAGE
    assert tally("key", "new", "x", "--log", "a name", *options).status == Exit.USAGE


def test_keys_in_a_folder_of_their_own(tally: Tally) -> None:
    """--key-dir makes and lists keys elsewhere."""
    elsewhere = tally.folder / "token"
    options = ("--passphrase-file", tally.passphrase_file, "--key-dir", elsewhere)
    tally.ok("key", "new", "one", "--light", *options)
    assert [key["name"] for key in tally.ok("key", "list", "--key-dir", elsewhere)] == ["one"]
    assert tally.ok("key", "list") == []


def test_profiles_live_side_by_side(tally: Tally) -> None:
    """Each profile keeps what it was told; several must be told apart, one alone is taken by itself."""
    tally.new_key("clerk")
    tally.add_profile("police", URL, "police-east", "p-0417", "clerk")
    assert tally.ok("profile", "show")["officer"] == "p-0417"
    tally.ok("profile", "add", "reader", "--url", f"{URL}/")
    assert [profile["name"] for profile in tally.ok("profile", "list")] == ["police", "reader"]
    tally.refuses(Exit.USAGE, "police, reader", "profile", "show")
    assert tally.ok("profile", "show", profile="reader") == {"name": "reader", "url": URL}


def test_profile_is_chosen_by_a_variable_too(tally: Tally) -> None:
    """TALLYSTICK_PROFILE chooses; --profile is stronger."""
    for name in ("one", "two"):
        tally.ok("profile", "add", name, "--url", URL)

    def chosen(*arguments: str) -> str:
        done = tally.at_terminal(*arguments, "profile", "show", pipe_out=True, TALLYSTICK_PROFILE="two")
        return done.out.split()[1]

    assert (chosen(), chosen("--profile", "one")) == ("two", "one")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("police", "--url", "ledger.example"), "--url"),
        (("police", "--url", "http://user:secret@ledger.example"), "--url"),
        (("../police", "--url", URL), "name"),
        (("police", "--url", URL, "--agency", "police-east"), "--officer"),
        (("police", "--url", URL, "--agency", "a", "--officer", "o", "--key", "none"), "--key"),
    ],
)
def test_profile_that_cannot_be_is_not_made(tally: Tally, arguments: tuple[str, ...], message: str) -> None:
    """A wrong URL, name, key or half an identity is refused under its option, and no profile is there."""
    tally.refuses(Exit.USAGE, message, "profile", "add", *arguments)
    assert tally.ok("profile", "list") == []


def test_profile_is_replaced_only_on_demand(tally: Tally) -> None:
    """A name that is taken is refused; with --replace the token of before goes."""
    tally.ok("profile", "add", "one", "--url", URL)
    token = tally.config / "profiles" / "one" / "token.json"
    write_secret(token, b"{}", field="token")
    again = tally("profile", "add", "one", "--url", "http://127.0.0.1:1")
    assert (again.status, "or put this one in its place: --replace" in again.err) == (Exit.USAGE, True)
    assert token.exists()
    tally.ok("profile", "add", "one", "--url", "http://127.0.0.1:1", "--replace")
    assert tally.ok("profile", "show")["url"] == "http://127.0.0.1:1"
    assert not token.exists()
    pinned = tally.ok("profile", "add", "two", "--url", URL, "--trust", write_trust(tally.folder))
    assert pinned["log_id"] == "0x" + LOG_ID.hex(), "one with a trust file signs for its ledger from the start"


def test_profile_is_removed_unless_events_wait(tally: Tally) -> None:
    """Events of unknown outcome keep a profile; without them it goes, and its key stays."""
    tally.new_key("clerk")
    tally.add_profile("police", URL, "police-east", "p-0417", "clerk")
    waiting = tally.config / "profiles" / "police" / "outbox" / "event.json"
    write_secret(waiting, b"{}", field="outbox")
    tally.refuses(Exit.USAGE, f"tally event submit {waiting}", "profile", "remove", "police")
    waiting.unlink()
    assert tally("profile", "remove", "police").status == 0
    assert tally.ok("profile", "list") == []
    assert tally.ok("key", "show", "clerk")
    assert tally("profile", "show", "police").status == Exit.USAGE


def witness(tally: Tally) -> WitnessDirectory:
    """Make the keys of a witness, with their passphrase beside them."""
    where = WitnessDirectory(tally.folder / "witness")
    tally.ok("witness", "key", "witness.example/w1", "--data-dir", where.path, "--keep-passphrase", "--light")
    return where


def lone_key(tally: Tally) -> Path:
    tally.new_key("one")
    return tally.config / "keys" / "one.json"


def test_passphrase_of_a_key_is_changed(tally: Tally) -> None:
    """The new one opens the key; whoever still has a file with the old one is told its name."""
    key = lone_key(tally)
    new = tally.folder / "new"
    write_secret(new, b"another\n", field="passphrase")
    tally.add_profile("somebody", "http://127.0.0.1:1", "police-east", "p-1", "one")
    options = ("--passphrase-file", tally.passphrase_file, "--new-passphrase-file", new)
    done = tally("key", "passphrase", "one", "--light", *options)
    assert done.status == 0
    assert f"{tally.passphrase_file} still holds the passphrase of before" in done.err
    assert open_keystore(key, "another")
    done = tally("key", "passphrase", "one", "--light", *options)
    assert (done.status, done.err.count("still holds")) == (0, 1), "the same command again changes nothing"


def test_wrong_passphrase_changes_nothing(tally: Tally) -> None:
    """Neither the key nor what is kept beside it; nor does a name that no key has."""
    key = lone_key(tally)
    before = key.read_bytes()
    new = tally.folder / "new"
    write_secret(new, b"another\n", field="passphrase")
    done = tally("key", "passphrase", "one", "--light", "--passphrase-file", new, "--keep-passphrase")
    assert (done.status, "wrong passphrase" in done.err) == (Exit.USAGE, True)
    assert (key.read_bytes(), [file.name for file in key.parent.iterdir()]) == (before, ["one.json"])
    done = tally("key", "passphrase", "two", "--passphrase-file", new, "--new-passphrase-file", new)
    assert (done.status, "there is no key two" in done.err) == (Exit.USAGE, True)


def test_passphrase_that_is_kept_beside_the_keys_is_replaced_with_them(tally: Tally) -> None:
    """All keys of a witness at once; one of them alone is refused, for the kept passphrase opens all."""
    where = witness(tally)
    old = where.passphrase.read_text().strip()
    done = tally("key", "passphrase", "note", "--key-dir", where.keys, "--keep-passphrase")
    assert (done.status, "Name no key, to change all of them." in done.err) == (Exit.USAGE, True)
    changed = tally.ok("key", "passphrase", "--key-dir", where.keys, "--keep-passphrase", "--light")
    assert [key["name"] for key in changed] == ["account", "note-ml-dsa-44", "note"]
    listed = tally("key", "passphrase", "--key-dir", where.keys, "--keep-passphrase", "--light").out
    assert changed[1]["verifier_key"] in listed
    new = where.passphrase.read_text().strip()
    assert (new != old, open_keys(where, new).account.key_id) == (True, changed[0]["key_id"])
    assert {file.name for file in where.keys.iterdir()} == {
        "account.json",
        "note.pem",
        "note-ml-dsa-44.pem",
        "passphrase",
    }
    assert {file.stat().st_mode & 0o777 for file in where.keys.iterdir()} == {0o600}


def test_a_witness_with_one_key_for_notes_gets_the_other(tally: Tally) -> None:
    """Under the same name and passphrase, with the account it has; a key of each kind at most."""
    folder = tally.folder / "witness"
    name = ("witness", "key", "witness.example/w1", "--data-dir", folder, "--light")
    first = tally.ok(*name, "--only", "ed25519", "--keep-passphrase")
    (ed25519,) = first["verifier_keys"]
    tally.refuses(Exit.USAGE, "this witness signs as witness.example/w1", *name[:2], "another.example/w1", *name[3:])
    tally.refuses(Exit.USAGE, "holds the keys of a witness already", *name, "--only", "ed25519")
    second = tally.ok(*name)
    assert (second["account"], second["verifier_keys"][0]) == (first["account"], ed25519)
    keys = [parse_vkey(vkey) for vkey in second["verifier_keys"]]
    assert [key.signature_type for key in keys] == list(COSIGNING)
    where = WitnessDirectory(folder)
    opened = open_keys(where, where.passphrase.read_text().strip())
    assert [signer.verifying_key for signer in opened.notes] == keys


def test_a_witness_becomes_a_mirror_under_another_name(tally: Tally) -> None:
    """C2SP tlog-mirror: a cosigner of its own, with a distinct name, here of ML-DSA-44."""
    folder = tally.folder / "witness"
    mirror = ("witness", "mirror", "witness.example/m1", "--data-dir", folder, "--light")
    tally.refuses(Exit.USAGE, "holds no witness", *mirror)
    tally.ok("witness", "key", "witness.example/w1", "--data-dir", folder, "--keep-passphrase", "--light")
    own_name = ("witness", "mirror", "witness.example/w1", *mirror[3:])
    tally.refuses(Exit.USAGE, "a mirror has a name of its own", *own_name)
    key = parse_vkey(tally.ok(*mirror)["verifier_key"])
    assert (key.name, key.signature_type) == ("witness.example/m1", SignatureType.SUBTREE_V1)
    tally.refuses(Exit.USAGE, "is a mirror already", *mirror)
    where = WitnessDirectory(folder)
    opened = open_keys(where, where.passphrase.read_text().strip())
    assert opened.mirror is not None
    assert opened.mirror.verifying_key == key
    assert key not in [signer.verifying_key for signer in opened.notes]


@pytest.mark.parametrize("changed", [0, 1, 3])
def test_change_that_was_cut_short_goes_on_with_the_passphrase_that_waits(tally: Tally, changed: int) -> None:
    """Killed before, between or after the keys, the new one is in a file; another one would lose the first keys."""
    where = witness(tally)
    write_secret(where.keys / "passphrase.new", b"minted then\n", field="passphrase")
    paths = [where.account_key, *where.note_keys.values()][:changed]
    change_passphrase(paths, where.passphrase.read_text().strip(), "minted then", light=True)
    second_folder = tally.folder / "other"
    write_secret(second_folder, b"another", field="passphrase")
    all_of_them = ("key", "passphrase", "--key-dir", where.keys, "--light")
    tally.refuses(Exit.USAGE, "an earlier change was cut short", *all_of_them, "--new-passphrase-file", second_folder)
    assert tally(*all_of_them, "--keep-passphrase").status == 0
    assert where.passphrase.read_text() == "minted then\n"
    assert open_keys(where, "minted then")
