"""Anvil is taken by its digest alone, wherever it comes from, and only if it runs here."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from ledger.chain.anvil_package import AnvilPin, anvil_pin, anvil_version, install
from ledger.core.errors import IntegrityBroken, NotFound


def package(script: str) -> bytes:
    """Pack a script as an executable in the place where npm's package has it."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        member = tarfile.TarInfo("package/bin/anvil")
        member.size, member.mode = len(script), 0o755
        tar.addfile(member, io.BytesIO(script.encode()))
    return archive.getvalue()


def pin_of(packed: bytes) -> AnvilPin:
    return AnvilPin("@foundry-rs/anvil-linux-amd64", "1.7.1", hashlib.sha512(packed).digest())


SOUND = package("#!/bin/sh\necho anvil Version: 1.7.1\n")


def test_the_pin_is_that_of_the_packages_that_setup_installs(repository: Path) -> None:
    """For each kind of machine that a release may run on, in the version of package.json."""
    wanted = json.loads((repository / "package.json").read_text())["dependencies"]["@foundry-rs/anvil"]
    pins = {machine: anvil_pin("linux", machine) for machine in ("x86_64", "aarch64")}
    assert {pin.name for pin in pins.values()} == {f"@foundry-rs/anvil-linux-{kind}" for kind in ("amd64", "arm64")}
    assert {(pin.version, len(pin.sha512)) for pin in pins.values()} == {(wanted, 64)}
    with pytest.raises(NotFound, match="no package of Anvil for linux on riscv64"):
        anvil_pin("linux", "riscv64")


def test_the_pinned_package_is_unpacked(tmp_path: Path) -> None:
    """The executable is there under its name alone, and again in place of one that was spoiled."""
    binary = tmp_path / "new" / "anvil"
    install(SOUND, pin_of(SOUND), binary)
    binary.write_text("spoiled")
    assert anvil_version(binary) is None
    install(SOUND, pin_of(SOUND), binary)
    assert (anvil_version(binary), list(binary.parent.iterdir())) == ("1.7.1", [binary])


def test_a_package_of_another_digest_is_not_unpacked(tmp_path: Path) -> None:
    """One byte more is another package: nothing of it is written, and none of it runs."""
    with pytest.raises(IntegrityBroken, match=r"this is not @foundry-rs/anvil-linux-amd64 1\.7\.1"):
        install(SOUND + b"\0", pin_of(SOUND), tmp_path / "new" / "anvil")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("script", ["#!/bin/sh\nexit 1\n", "#!/no/such/loader\n", "#!/bin/sh\necho anvil 1.6.0\n"])
def test_an_executable_that_does_not_run_here_is_not_kept(tmp_path: Path, script: str) -> None:
    """It fails, needs what this machine has not, or says that it is another version: the one before stays."""
    binary, foreign_package = tmp_path / "anvil", package(script)
    install(SOUND, pin_of(SOUND), binary)
    with pytest.raises(NotFound, match="does not run on this machine"):
        install(foreign_package, pin_of(foreign_package), binary)
    assert (anvil_version(binary), list(tmp_path.iterdir())) == ("1.7.1", [binary])


@pytest.mark.parametrize(
    ("printed", "version"),
    [
        ("anvil Version: 1.7.1", "1.7.1"),
        ("anvil Version: 1.7.1-stable", "1.7.1"),
        ("anvil Version: 1.7.1-v1.7.1", "1.7.1"),
        ("anvil Version: 1.7.1-nightly", "1.7.1-nightly"),
        ("anvil 0.2.0 (abcdef 2024-01-01)", "0.2.0"),
        ("forge Version: 1.7.1", None),
    ],
)
def test_the_version_is_read_as_each_build_says_it(tmp_path: Path, printed: str, version: str | None) -> None:
    """A release by its number, however it was packed; what is no release is none."""
    binary = tmp_path / "anvil"
    binary.write_text(f"#!/bin/sh\necho '{printed}'\n")
    binary.chmod(0o755)
    assert anvil_version(binary) == version
