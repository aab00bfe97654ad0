"""The image of a release works: built without a registry of images, run without rights on a root it cannot write."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from ledger.core.encoding import canonical
from tests.testkit.builders import POLICE, founder
from tests.testkit.machine import REPOSITORY, environment, free_port, native_binary

PAGE = (REPOSITORY / "docs" / "operations" / "installing.md").read_text(encoding="utf-8")
# As the page has it.
CONFINED = ("--pull", "never", "--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges")
WITHIN = 900  # seconds
PODMAN = ("podman", "--runtime", "runc")  # crun refuses a machine that has control groups of both versions

pytestmark = [
    pytest.mark.extended,
    pytest.mark.timeout(WITHIN + 60),
    pytest.mark.skipif(os.geteuid() != 0, reason="Debian's packages are laid into a root by root"),
]


def podman(*words: str | Path) -> str:
    """Run podman and return what it prints."""
    done = subprocess.run([*PODMAN, *words], capture_output=True, text=True, timeout=WITHIN)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    """An image of the release that this checkout is, gone at the end."""
    for program in ("podman", "runc", "mmdebstrap"):
        assert shutil.which(program), f"{program} is not on this machine: apt-get install podman runc mmdebstrap"
    name = f"localhost/tallystick-test:{uuid4().hex}"
    done = subprocess.run(
        [REPOSITORY / "scripts" / "container", name], env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    yield name
    podman("image", "rm", "--force", name)


@contextmanager
def volume() -> Iterator[str]:
    name = f"tallystick-test-{uuid4().hex}"
    podman("volume", "create", name)
    try:
        yield name
    finally:
        podman("volume", "rm", "--force", name)


@contextmanager
def running(image: str, *words: str) -> Iterator[str]:
    """A container, ended as an operator would and removed at the end."""
    container = podman("run", "--detach", *CONFINED, *words, image)
    try:
        yield container
        assert podman("stop", "--time", "60", container)
        assert state(container)["ExitCode"] == 0, podman("logs", container)
    finally:
        podman("rm", "--force", container)


def state(container: str) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(podman("inspect", "--format", "json", container))[0]["State"]
    return shown


def until(holds: Callable[[], bool], container: str) -> None:
    deadline = time.monotonic() + 180
    while not holds():
        assert time.monotonic() < deadline, podman("logs", container)
        assert state(container)["Running"], podman("logs", container)
        time.sleep(0.5)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=30).is_success
    except httpx.TransportError:
        return False


def test_a_service_in_a_container_keeps_its_ledger_and_can_do_little_else(image: str, tmp_path: Path) -> None:
    """It is founded, becomes healthy and anchors; stopped and replaced by another container it has the same log. It
    is nobody's root, has no capability, and writes nowhere but in its volume."""
    assert " ".join(CONFINED) in PAGE
    file, port = tmp_path / "founding.json", free_port()
    file.write_bytes(canonical.encode({"agencies": [founder(POLICE)], "development": True}))
    url = f"http://127.0.0.1:{port}"
    with volume() as data:
        founding = ("--volume", f"{data}:/data", "--volume", f"{file}:/run/founding.json:ro")
        init = ("init", "--founding", "/run/founding.json", "--keep-passphrase", "--light")
        podman("run", "--rm", *CONFINED, *founding, image, *init)
        serving = ("--volume", f"{data}:/data", "--volume", f"{native_binary('anvil')}:/usr/local/bin/anvil:ro")
        serving += ("--publish", f"127.0.0.1:{port}:8420", "--env", "TALLYSTICK_ANCHOR_INTERVAL_S=1")
        with running(image, *serving) as container:
            until(lambda: answers(f"{url}/readyz"), container)
            podman("healthcheck", "run", container)
            until(lambda: int(log(url)["anchored"]["confirmed"]) > 0, container)
            size, root = log(url)["size"], httpx.get(f"{url}/checkpoint", trust_env=False).text
            status = Path(f"/proc/{state(container)['Pid']}/status").read_text()
            lines = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
            assert lines["Uid"].split() == ["10001"] * 4
            assert {int(lines[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")} == {0}
            assert lines["NoNewPrivs"] == "1"
            done = subprocess.run([*PODMAN, "exec", container, "touch", "/usr/own"], capture_output=True, text=True)
            assert "Read-only file system" in done.stderr
        with running(image, *serving) as container:
            until(lambda: answers(f"{url}/readyz"), container)
            assert log(url)["size"] >= size
            assert root.splitlines()[0] == httpx.get(f"{url}/checkpoint", trust_env=False).text.splitlines()[0]


def log(url: str) -> dict[str, Any]:
    shown: dict[str, Any] = httpx.get(f"{url}/api/v1/log", trust_env=False, timeout=30).json()
    return shown


def test_the_image_has_the_pins_and_no_address_of_a_registry(image: str) -> None:
    """Each package has the version of the pins; where the packages came from is not written in it."""
    listed = podman("run", "--rm", *CONFINED, "--entrypoint", "python3", image, "-c", LIST)
    pins = {
        line.split()[0].lower()
        for line in (REPOSITORY / "requirements" / "runtime.txt").read_text().splitlines()
        if "==" in line
    }
    ours, others = set(listed.split()) & {"tallystick==0.1.0"}, set(listed.split()) - {"tallystick==0.1.0"}
    assert ours
    assert len(others) > 50
    assert others <= pins
    look = "find /etc/apt /etc/pip.conf -type f -exec grep -l :// {} + 2> /dev/null; env | grep :// || true"
    assert podman("run", "--rm", *CONFINED, "--entrypoint", "sh", image, "-c", look) == ""


LIST = """
from importlib.metadata import distributions
import re
print(*(re.sub("[-_.]+", "-", each.name).lower() + "==" + each.version for each in distributions()))
"""
