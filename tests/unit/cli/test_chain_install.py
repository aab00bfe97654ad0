"""`tally chain install`: where the package of Anvil is asked for, and what is said where it cannot be had."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from ledger.chain.anvil_package import anvil_pin
from ledger.cli import npm
from ledger.cli.errors import Exit
from tests.testkit.machine import Quiet, listening
from tests.testkit.tally import Tally

PIN = anvil_pin()
PACKAGE = f"/{PIN.name}/-/anvil.tgz"


@contextmanager
def registry(asked: list[str], *, has: str = PIN.version) -> Iterator[str]:
    """Run a registry that has one version of the package, whose file is not the pinned one."""

    class Answers(Quiet, BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            host = f"http://{self.headers['Host']}"
            described = {"versions": {has: {"dist": {"tarball": host + PACKAGE}}}}
            answers = {f"/{PIN.name.replace('/', '%2F')}": json.dumps(described).encode(), PACKAGE: b"another file"}
            body = answers.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

    with listening(Answers) as url:
        yield url


@pytest.fixture(autouse=True)
def without_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a user's folder of the test's own, and a machine without npm that is configured to ask nobody."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for variable, value in {
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "PATH": str(programs),
        "NPM_CONFIG_USERCONFIG": str(tmp_path / "npmrc"),
    }.items():
        monkeypatch.setenv(variable, value)
    for variable in ("npm_config_registry", "NPM_CONFIG_REGISTRY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(npm, "OF_THE_SYSTEM", tmp_path / "none")


def test_a_package_that_is_not_the_pinned_one_is_refused(tally: Tally, tmp_path: Path) -> None:
    """From a registry that is named or configured, or a file: each was asked, and nothing is in the user's folder."""
    asked: list[str] = []
    foreign_package = tmp_path / "other.tgz"
    foreign_package.write_bytes(b"another file")
    with registry(asked) as url:
        tally.refuses(Exit.REFUSED, f"this is not {PIN.name} {PIN.version}", "chain", "install", "--registry", url)
        (tmp_path / "npmrc").write_text(f"registry=http://127.0.0.1:1/\n@foundry-rs:registry = {url}/\n")
        tally.refuses(Exit.REFUSED, "SHA-512", "chain", "install")
        tally.refuses(Exit.REFUSED, "SHA-512", "chain", "install", "--file", foreign_package)
    assert asked == [f"/{PIN.name.replace('/', '%2F')}", PACKAGE] * 2
    assert not (tmp_path / "data").exists()


def test_a_registry_that_has_it_not_is_told(tally: Tally) -> None:
    """Of another version alone, without the package, or away: each is said, with what else can be done."""
    with registry([], has="0.0.1") as url:
        tally.refuses(Exit.REFUSED, "--file", "chain", "install", "--registry", url)
        tally.refuses(Exit.REFUSED, f"has no {PIN.name}", "chain", "install", "--registry", f"{url}/elsewhere")
    tally.refuses(Exit.UNREACHABLE, "--file", "chain", "install", "--registry", "http://127.0.0.1:1")
    tally.refuses(Exit.USAGE, "http(s)", "chain", "install", "--registry", "file:///tmp")


def test_a_machine_without_a_registry_is_told_which_file_to_bring(tally: Tally) -> None:
    """With the command that makes the file elsewhere."""
    tally.refuses(Exit.USAGE, f"npm pack {PIN.name}@{PIN.version}", "chain", "install")


def test_the_users_npm_is_asked_first(tally: Tally, tmp_path: Path) -> None:
    """By the name and version of the pin, without the package's scripts; what it says is passed on."""
    program = tmp_path / "programs" / "npm"
    program.write_text('#!/bin/sh\necho "asked: $*" >&2\nexit 1\n')
    program.chmod(0o755)
    done = tally.refuses(Exit.UNREACHABLE, f"pack {PIN.name}@{PIN.version}", "chain", "install")
    assert "--ignore-scripts" in done.err
    program.write_text("#!/bin/sh\nprintf other > package.tgz\n")
    tally.refuses(Exit.REFUSED, "SHA-512", "chain", "install")


def test_what_is_installed_is_found_and_kept(tally: Tally, tmp_path: Path, anvil_binary: Path) -> None:
    """An Anvil of this version in the user's folder is kept, and nobody is asked again."""
    binary = tmp_path / "data" / "tallystick" / f"anvil-{PIN.version}" / "anvil"
    binary.parent.mkdir(parents=True)
    binary.symlink_to(anvil_binary)
    assert tally.ok("chain", "install") == {"version": PIN.version, "path": str(binary)}


def test_doctor_tells_an_anvil_of_another_version(tally: Tally, tmp_path: Path) -> None:
    """Its blocks could differ: the version that is needed is named, and what mends it."""
    foreign_anvil = tmp_path / "anvil"
    foreign_anvil.touch(0o755)
    (tmp_path / "ledger").mkdir(mode=0o700)
    for script, detail in (
        ("echo anvil Version: 0.3.0", f"0.3.0, {PIN.version} is needed"),
        ("exit 1", "does not run"),
    ):
        foreign_anvil.write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "ledger" / "settings.env").write_text(f"TALLYSTICK_ANVIL_BINARY={foreign_anvil}\n")
        findings = json.loads(tally("--json", "doctor", "--data-dir", tmp_path / "ledger").out)
        (finding,) = [each for each in findings if each["check"] == "anvil"]
        assert (finding["result"], detail in finding["detail"]) == ("failed", True)
        assert re.search("anvil_binary.*tally chain install", finding["mend"])
