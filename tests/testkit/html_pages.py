"""Pages of the documentation: their blocks, and what they tell to type, typed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path


def blocks(page: str, language: str = "bash") -> list[str]:
    """Return the text of each block of this language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def typed(commands: Iterable[str], folder: Path, environment: Mapping[str, str]) -> str:
    """Return what the commands print, typed one after the other in the folder. None of them fails."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(commands)],
        cwd=folder,
        env={**environment, "PATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
