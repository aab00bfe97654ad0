"""A first start with witnesses, as docs/operations.md tells it: what is typed ends in an anchor."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.docs.test_readme import stop_group
from tests.testkit.machine import REPOSITORY, blocks, free_port

WITHIN = 400  # seconds; keys of full strength take seconds to open on a busy machine
PORTS = ("8420", "8431", "8432", "8545")


@pytest.mark.extended
@pytest.mark.timeout(WITHIN + 30)
def test_a_first_start_with_witnesses_ends_in_an_anchor(tmp_path: Path) -> None:
    """Every bash block of the section, typed one after the other with the files that ship, and no setting beside them:
    two witnesses co-sign on the embedded chain, the log is anchored, doctor and status find nothing wrong."""
    page = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.split("### A first start with witnesses\n")[1].split("\n### ", maxsplit=1)[0]
    typed = "\n".join(blocks(section))
    assert "tally witness run" in typed
    ports = {port: str(free_port()) for port in PORTS}
    for port, free in ports.items():
        typed = typed.replace(port, free)
    typed = typed.replace("cp witnesses.toml ledger/", f"{_moved(ports)} && cp witnesses.toml ledger/")
    (tmp_path / "examples").symlink_to(REPOSITORY / "examples")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TALLYSTICK_")}
    path = f"{REPOSITORY / '.venv' / 'bin'}:{os.environ['PATH']}"
    with (tmp_path / "told").open("w+") as output:
        walk = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", typed],
            cwd=tmp_path,
            env=kept | {"HOME": str(tmp_path), "PATH": path},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = walk.wait(timeout=WITHIN)
        finally:
            stop_group(walk.pid)
        output.seek(0)
        assert status == 0, output.read()[-4000:]
        output.seek(0)
        assert "health: watching" in output.read()


def _moved(ports: dict[str, str]) -> str:
    """The witnesses of the file that ships, at ports that are free here."""
    return " && ".join(f"sed -i s/:{port}/:{free}/ witnesses.toml" for port, free in ports.items())
