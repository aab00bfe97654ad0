"""Programs of others that tests hold ours against, each in an environment of its own, made on first use."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

from tests.testkit.machine import REPOSITORY


def program(environment: str, name: str) -> Path:
    """The executable ``name`` of ``requirements/<environment>.txt``."""
    return _folder(environment) / name


@cache
def _folder(environment: str) -> Path:
    done = subprocess.run([REPOSITORY / "scripts" / "programs", environment], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())
