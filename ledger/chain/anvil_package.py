"""The pinned Anvil as a package of npm: which one this machine needs, and how it is checked and unpacked.

The pin is that of ``package-lock.json``, which a release has beside this module. Wherever a package was fetched, it is
taken only if it has the SHA-512 of the pin.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import platform
import re
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import msgspec

from ledger.core.encoding.decoding import decode_json
from ledger.core.errors import IntegrityBroken, NotFound
from ledger.core.messages import Message

_LOCKS = (Path(__file__).with_name("package-lock.json"), Path(__file__).parents[2] / "package-lock.json")
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_MEMBER = "package/bin/anvil"
_VERSION = re.compile(r"^anvil (?:Version: )?(\S+?)(?:-stable|-v[0-9.]+)?(?:\s|$)")


class _Package(msgspec.Struct):
    version: str | None = None
    integrity: str | None = None


class _Lock(msgspec.Struct):
    packages: dict[str, _Package]


class AnvilPin(NamedTuple):
    """A package of npm by its name and version, and the SHA-512 of its file."""

    name: str
    version: str
    sha512: bytes


def anvil_pin(system: str = sys.platform, machine: str | None = None) -> AnvilPin:
    """Return the pin for a kind of machine, this one unless told. Raises NotFound where there is none for it."""
    machine = platform.machine() if machine is None else machine
    name = f"@foundry-rs/anvil-{system}-{_MACHINES.get(machine.lower(), machine)}"
    lock = next(file for file in _LOCKS if file.exists())
    package = decode_json(lock.read_bytes(), _Lock).packages.get(f"node_modules/{name}")
    if package is None or package.version is None or package.integrity is None:
        raise NotFound(
            "there is no package of Anvil for {system} on {machine}",
            system=system,
            machine=machine,
            code="no_anvil",
            hint="Build Anvil for it and set TALLYSTICK_ANVIL_BINARY, or use another chain by TALLYSTICK_CHAIN.",
        )
    algorithm, _, digest = package.integrity.partition("-")
    assert algorithm == "sha512"
    return AnvilPin(name, package.version, base64.b64decode(digest))


def anvil_version(binary: Path) -> str | None:
    """Return the version that an executable says it has, or None if it is no Anvil that runs here."""
    try:
        printed = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return None
    matched = _VERSION.match(printed)
    return matched and matched[1]


def install(package: bytes, pin: AnvilPin, binary: Path) -> None:
    """Unpack the executable to ``binary`` and see that it runs.

    Raises IntegrityBroken, with nothing written, if the package is not the pinned one, and NotFound, with nothing kept,
    if the executable does not run on this machine.
    """
    digest = hashlib.sha512(package).digest()
    if digest != pin.sha512:
        raise IntegrityBroken(
            "this is not {pin.name} {pin.version}: expected a file with SHA-512 {wanted}, not {digest}",
            pin=pin,
            wanted=pin.sha512.hex(),
            digest=digest.hex(),
            code="other_package",
            hint="Take the package from another registry, and ask who changed this one.",
        )
    binary.parent.mkdir(parents=True, exist_ok=True)
    fresh = binary.with_name(f".{binary.name}.{secrets.token_hex(4)}")
    try:
        import tarfile

        with tarfile.open(fileobj=io.BytesIO(package)) as archive, fresh.open("xb") as file:
            member = archive.extractfile(_MEMBER)
            assert member is not None  # the digest is that of a package that has it
            shutil.copyfileobj(member, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.chmod(0o755)
        if anvil_version(fresh) != pin.version:
            raise NotFound(
                "the Anvil of {pin.name} {pin.version} does not run on this machine",
                pin=pin,
                code="no_anvil",
                hint=Message("Build Anvil {pin.version} for it, and set TALLYSTICK_ANVIL_BINARY.", pin=pin),
            )
        fresh.replace(binary)
    finally:
        fresh.unlink(missing_ok=True)
