"""A package of npm as a file: by the user's own npm, or from a registry.

Nobody here judges what comes: whoever asks has the digest of the package, and its version.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from ledger.core.errors import MalformedInput, NotFound, Unavailable
from ledger.core.messages import Message

if TYPE_CHECKING:
    import httpx

MOST_BYTES = 256 * 2**20  # of a package
WITHIN = 900.0  # seconds, for npm
ANSWER_WITHIN = 60.0  # seconds, for each piece that a registry sends
OF_THE_SYSTEM = Path("/etc/npmrc")
ELSEWHERE = Message("Name a registry by --registry, or bring the package's file from elsewhere: --file")
_ABBREVIATED = {"Accept": "application/vnd.npm.install-v1+json, application/json"}


def fetched_by_npm(npm: str, name: str, version: str) -> bytes:
    """Return the package's file as the user's npm fetches it, by the user's own registry, proxy and credentials.

    Raises Unavailable with what npm says.
    """
    with tempfile.TemporaryDirectory(prefix="tallystick-npm-") as folder:
        # There is no project here whose configuration npm would take for the user's, and it needs no home to write to.
        command = [npm, "pack", f"{name}@{version}", "--ignore-scripts", "--silent", "--cache", f"{folder}/cache"]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=WITHIN)
            words = " ".join((done.stderr or done.stdout).split())
        except subprocess.TimeoutExpired:
            words = f"not within {WITHIN:.0f} s"
        files = list(Path(folder).glob("*.tgz"))
        if not files:
            raise Unavailable(
                "npm does not fetch {name} {version}: {words}",
                name=name,
                version=version,
                words=words[-400:],
                hint=ELSEWHERE,
            )
        return files[0].read_bytes()


def fetched_from(registry: str, name: str, version: str) -> bytes:
    """Return the package's file from the registry at a URL. Raises MalformedInput, NotFound, Unavailable."""
    import httpx

    from ledger.tls import tls_context

    if not registry.startswith(("https://", "http://")):
        raise MalformedInput("expected an http(s) URL", field="--registry")
    # The system's certificates, among which an agency has those of its own mirror.
    with httpx.Client(verify=tls_context(), timeout=ANSWER_WITHIN, follow_redirects=True) as client:
        try:
            described = _received(client, f"{registry.rstrip('/')}/{quote(name, safe='@')}")
            address = None
            if described is not None:
                address = str(msgspec.json.decode(described)["versions"][version]["dist"]["tarball"])
            package = address and _received(client, address)
        except (httpx.HTTPError, httpx.InvalidURL, msgspec.DecodeError) as error:
            raise Unavailable(
                "the registry does not answer as one: {error}", error=error, field="--registry", hint=ELSEWHERE
            ) from error
        except (KeyError, TypeError):
            package = None
    if not package:
        raise NotFound(
            "the registry has no {name} {version}", name=name, version=version, field="--registry", hint=ELSEWHERE
        )
    return package


def _received(client: httpx.Client, url: str) -> bytes | None:
    """Return what is at the URL, or None where nothing is."""
    received = bytearray()
    with client.stream("GET", url, headers=_ABBREVIATED) as response:
        if response.status_code == 404:
            return None
        response.raise_for_status()
        for chunk in response.iter_bytes():
            received += chunk
            if len(received) > MOST_BYTES:
                raise MalformedInput("the registry sends more than a package has", field="--registry")
    return bytes(received)


def configured_registry(scope: str) -> str | None:
    """Return the URL of the registry that npm is configured to ask for packages of a scope such as ``@example``.

    That is what its variable says, or the file of the user or of the system, which npm need not be here to read.
    """
    for variable in ("npm_config_registry", "NPM_CONFIG_REGISTRY"):
        if configured := os.environ.get(variable):
            return configured
    own = os.environ.get("NPM_CONFIG_USERCONFIG") or os.path.expanduser("~/.npmrc")  # noqa: PTH111 - it never fails
    for file in (Path(own), OF_THE_SYSTEM):
        if file.is_file():
            lines = re.findall(r"^\s*([^\s=;#]+)\s*=\s*(\S+)\s*$", file.read_text(encoding="utf-8"), re.MULTILINE)
            settings = {name: os.path.expandvars(value.strip("\"'")) for name, value in lines}
            url: str | None = settings.get(f"{scope}:registry") or settings.get("registry")
            if url:
                return url
    return None
