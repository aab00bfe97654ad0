"""What holds for every command: exit codes, one line about what went wrong, JSON, help, fast starts, mistakes."""

from __future__ import annotations

import inspect
import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec
import pytest
from click.testing import CliRunner

from ledger.cli.errors import MEANINGS, Exit, exit_of_error
from ledger.cli.main import COMMANDS, run, tally
from ledger.config.keys import KeyRefused
from ledger.config.secret_files import SecretRefused
from ledger.core.errors import (
    Conflict,
    IntegrityBroken,
    MalformedInput,
    NotFound,
    ProofRefused,
    RuleRefused,
    SignatureRefused,
    TallystickError,
    Unauthorized,
    Unavailable,
)
from tests.testkit.bundles import log_with
from tests.testkit.casework import Case
from tests.testkit.machine import REPOSITORY
from tests.testkit.tally import Tally, write_bundle, write_trust

HEAVY = (
    *("sqlmodel", "sqlalchemy", "fastapi", "pydantic", "httpx", "rich", "eth_account", "uvicorn"),
    *("cryptography", "rfc3161_client", "yaml", "duckdb", "pathlib", "urllib", "tempfile", "subprocess"),
)


EXAMPLES = REPOSITORY / "docs" / "examples"
BUNDLE, TRUST = EXAMPLES / "bundle.json", EXAMPLES / "trust.json"
TO_PSB = ("profile", "add", "p", "--url", "http://127.0.0.1:9")


def every_command(
    group: click.Command = tally, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """List each command and group with its path."""
    yield path, group
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            yield from every_command(command, (*path, name))


def test_help_lists_commands_and_exit_codes(tally: Tally) -> None:
    """`tally --help` names every command and what each exit code means."""
    assert tally("--version").out.startswith("tally 0.")
    done = tally("--help")
    assert done.status == 0
    for name in COMMANDS:
        assert f"\n  {name} " in done.out
    for code, meaning in MEANINGS.items():
        assert f"{code.value}  {meaning}" in done.out


def test_every_command_explains_itself(tally: Tally) -> None:
    """Each command has a help text, and takes the options that all share."""
    for path, _ in every_command():
        done = tally(*path, "--help")
        assert done.status == 0, path
        assert done.out.startswith(f"Usage: {' '.join(('tally', *path))}")
        assert "--json" in done.out or "COMMAND [ARGS]" in done.out, path
        assert done.out.split("\n\n")[1].strip()[0].isupper(), path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("unheard-of",), "No such command 'unheard-of'"),
        (("case", "opne"), "Did you mean 'open'?"),
        (("--unheard-of",), "--unheard-of"),
        (("case", "open"), "--number"),
        (("case", "stage", "case-1", "no-stage"), "no-stage"),
        (("handover", "offer", "case-1", "court", "--purpose", "a gift"), "a gift"),
        (("item", "register", "case-1", "a bicycle", "--quantity", "many"), "--quantity"),
        (("item", "register", "case-1", "a bicycle", "--file", "/nowhere"), "--file"),
        (("measure", "lift", "case-1", "m-1", "--ground", "over", "--ended-at", "yesterday"), "--ended-at"),
        (("proof", "check", "/nowhere"), "FILE"),
        (("proof", "get"), "EVENT_ID"),
        (("case", "list"), "tally profile add"),
        (("serve", "--port", "99999999", "--data-dir", "/nowhere"), "port"),
        (("serve", "--data-dir", "/nowhere"), "tally init"),
        (("init",), "--founding"),
        (("case", "show"), "'CASE_ID' (see tally case show --help)"),
        (("--profile", "nobody", "case", "list"), "tally profile list"),
        (("key", "show", "nobody"), "tally key list"),
        (("proof", "check", TRUST, "--trust", BUNDLE), "--trust: expected a trust file, not one of the format"),
        (("proof", "check", TRUST, "--trust", TRUST), "FILE: expected a bundle file, not one of the format"),
        ((*TO_PSB, "--agency", "PSB", "--officer", "p-1", "--key", "k"), "--agency: Expected a slug"),
        (("init", "--founding", EXAMPLES / "../gas.md"), "is not JSON: "),
        (("init", "--founding", BUNDLE), "docs/tutorial.md begins with a founding that is valid."),
        (("init", "--development", "--keep-passphrase", "--data-dir", "/proc/none"), "Is the path right"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(tally: Tally, arguments: tuple[str | Path, ...], message: str) -> None:
    """What cannot be is told in one line on standard error that names it; nothing is on standard output."""
    done = tally(*arguments)
    assert (done.status, done.out) == (Exit.USAGE, "")
    assert message in done.err
    assert done.err.count("\n") == 1


def test_every_act_takes_what_its_event_says() -> None:
    """A command that records one event has a parameter for each field of the body that is required, and no others."""
    beside = {"occurred_at", "authority", "section", "files", "stays", "listed", "all_items"}
    beside |= {"outside", "place"}  # parts of one field
    acts = 0
    for path, command in every_command():
        act = inspect.unwrap(command.callback) if command.callback else None
        if act and act.__qualname__ == "add_act.<locals>.act":
            acts += 1
            around = inspect.getclosurevars(act).nonlocals
            fields = {field.name: field.required for field in msgspec.structs.fields(around["body"])}
            parameters = {parameter.name for parameter in command.params if parameter.expose_value} - beside
            assert parameters - {around["subject"]} <= fields.keys(), path
            assert {name for name, required in fields.items() if required} <= parameters, path
    assert acts > 30


def test_bad_usage_leaves_nothing_behind(tally: Tally) -> None:
    """A refused command makes no file."""
    before = sorted(tally.folder.rglob("*"))
    tally("case", "open", "--number", "A-1", "--type", "theft")
    tally("profile", "add", "police", "--url", "ftp://ledger")
    tally("key", "new", "UPPER", "--passphrase-file", tally.passphrase_file)
    assert sorted(tally.folder.rglob("*")) == before


def test_errors_are_json_where_json_is_asked_for(tally: Tally) -> None:
    """With --json the message is one JSON object on standard error, wherever the option stands."""
    for arguments in (("--json", "case", "list"), ("case", "--json", "list"), ("case", "list", "--json")):
        done = tally(*arguments)
        error = json.loads(done.err)["error"]
        assert error["exit"] == done.status == Exit.USAGE
        assert (error["code"], error["field"]) == ("malformed_input", "--profile")


def test_every_error_has_its_exit_code() -> None:
    """Usage is 2, out of reach is 5, every other refusal is 1."""
    usage, refused = (
        (MalformedInput, SecretRefused, KeyRefused),
        (SignatureRefused, Unauthorized, RuleRefused, Conflict),
    )
    expected = dict.fromkeys(usage, Exit.USAGE) | {Unavailable: Exit.UNREACHABLE}
    expected |= dict.fromkeys((*refused, NotFound, ProofRefused, IntegrityBroken, TallystickError), Exit.REFUSED)
    assert {error: exit_of_error(error("it is so")) for error in expected} == expected


def test_a_service_that_is_away_is_one_line(tally: Tally) -> None:
    """The message of it needs no time zone, which that service alone would know."""
    tally.ok("profile", "add", "reader", "--url", "http://127.0.0.1:1")
    shown = tally.at_terminal("--profile", "reader", "case", "list", TALLYSTICK_TIME_ZONE="").err
    assert "http://127.0.0.1:1 is not reachable" in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize(("wish", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_no_colour_where_none_is_wanted(tally: Tally, tmp_path: Path, wish: dict[str, str], coloured: bool) -> None:
    """On a terminal errors and verdicts have colours, unless NO_COLOR is set (no-color.org)."""
    log = log_with(Case())
    bundle, trust = write_bundle(tmp_path, log, len(log.events) - 1), write_trust(tmp_path)
    for arguments in (("key", "show", "nobody"), ("proof", "check", str(bundle), "--trust", str(trust))):
        shown = tally.at_terminal(*arguments, **wish).err
        assert ("\x1b[3" in shown) is coloured, shown


def test_no_reader_is_no_verdict(tally: Tally) -> None:
    """Where the output's reader goes away, as `head` does, the exit code is that of a broken pipe."""
    written = subprocess.run(
        ["/bin/bash", "-c", '"$0" -m ledger.cli.main --help | true; exit ${PIPESTATUS[0]}', sys.executable],
        env=tally.environment() | {"PYTHONPATH": str(REPOSITORY)},
        check=False,
        capture_output=True,
    )
    assert (written.returncode, written.stderr) == (Exit.CUT_OFF, b"")


def test_defect_is_no_verdict(tally: Tally, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that nobody foresaw ends with a code that no verdict has, and shows where it happened. Without a
    command, the help stands on standard error, as it is."""
    done = tally()
    assert (done.status, done.out, done.err) == (Exit.USAGE, "", tally("--help").out)
    monkeypatch.setattr("ledger.client.profiles.Profiles.names", lambda _self: 1 / 0)
    tally.refuses(Exit.FAULT, "ZeroDivisionError", "profile", "list")


def test_completion_completes(tally: Tally) -> None:
    """A shell that asks gets commands, words of a vocabulary, and the names of profiles, once it has the script."""
    for shell in ("bash", "zsh", "fish"):
        assert "_TALLY_COMPLETE" in tally("completion", shell).out
    tally.ok("profile", "add", "police-east", "--url", "http://127.0.0.1:1")

    def completed(words: str) -> str:
        asked = {"_TALLY_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()))}
        with CliRunner().isolation(env=tally.environment() | asked) as (out, *_), pytest.raises(SystemExit):
            run([])
        return out.getvalue().decode()

    assert "plain,handover" in completed("tally ")
    assert "plain,second_instance" in completed("tally case stage case-1 ")
    assert "plain,police-east" in completed("tally --profile ")


def test_commands_import_little(tally: Tally) -> None:
    """Checking a proof loads nothing of database, web, chain, validation or drawing, nor what others need for files;
    what signs an event nothing of database, web and chain, and what grants a key nothing of the database."""
    log = log_with(Case().open())
    bundle = write_bundle(tally.folder, log, len(log.events) - 1)
    arguments = ["proof", "check", str(bundle), "--trust", str(write_trust(tally.folder))]
    program = f"""
import sys
from ledger.cli.main import run
run({arguments!r})
print(*sys.modules, file=sys.stderr)
import ledger.cli.event_recorder
print(*sys.modules, file=sys.stderr)
import ledger.cli.key_files
print(*sys.modules, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "verdict: intact" in done.stdout
    checking, signing, granting = (
        {name.partition(".")[0] for name in line.split()} for line in done.stderr.splitlines()
    )
    assert not checking & set(HEAVY)
    assert not signing & {"sqlmodel", "sqlalchemy", "fastapi", "pydantic", "eth_account", "eth_utils", "rlp"}
    assert not granting & {"sqlmodel", "sqlalchemy", "fastapi", "eth_account"}


def test_a_setting_that_is_none_is_told_with_the_one_that_is_like_it(tally: Tally, tmp_path: Path) -> None:
    """A misspelled line of settings.env names the file and the nearest setting."""
    (tmp_path / "settings.env").write_text("TALLYSTICK_PROT=1\n")
    tally.refuses(2, "settings.env. Did you mean TALLYSTICK_PORT?", "serve", "--data-dir", tmp_path)


def test_a_full_disk_is_no_defect(tally: Tally, tmp_path: Path) -> None:
    """Where a file finds no room, the line says that it is cut short, and no trace of the program is shown."""
    tally.ok("key", "list")
    with files_of_at_most(512):
        done = tally("proof", "certificate", BUNDLE, "--trust", TRUST, "--output", tmp_path / "certificate.pdf")
    assert done.status == 2, done.err
    assert "what was being written is cut short. Make room or name another place" in done.err


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let nothing write files of more bytes than ``size``."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
