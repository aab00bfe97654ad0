"""The units for systemd are sound: systemd reads them, they start commands that there are, and may do little else."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.test_commands import parsed
from tests.testkit.machine import REPOSITORY

UNITS = sorted((REPOSITORY / "docs" / "examples" / "systemd").iterdir())
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
MOST_EXPOSED = 15  # tenths; of a service without any restriction it is 96
TALLY = "/opt/tallystick/bin/tally"

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="this machine has no systemd")


def analyzed(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True)


def test_systemd_finds_no_fault_in_the_units(tmp_path: Path) -> None:
    """Each word is known to it, and each unit that another one names is there; the program stands in its place."""
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8")
        (tmp_path / unit.name).write_text(text.replace(TALLY, str(Path(sys.executable).with_name("tally"))))
    done = analyzed("verify", "--recursive-errors=no", *(tmp_path / unit.name for unit in UNITS))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_a_unit_leaves_a_service_little_that_it_may_do(unit: Path) -> None:
    """Its exposure, as systemd counts it, is below the bound; that of the same unit without restrictions is not."""
    bound = ("security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager")
    done = analyzed(*bound, unit)
    assert done.returncode == 0, done.stdout[-200:]


def test_the_bound_finds_a_unit_without_restrictions(tmp_path: Path) -> None:
    """What the bound is held against: the same service with what it runs alone."""
    bare = tmp_path / "bare.service"
    text = SERVICES[0].read_text(encoding="utf-8")
    bare.write_text("".join(re.findall(r"^(?:\[.*\]|ExecStart=.*|User=.*)\n", text, re.MULTILINE)))
    done = analyzed("security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager", bare)
    assert done.returncode != 0


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_a_unit_starts_a_command_that_there_is(unit: Path) -> None:
    """With options of that command, from where the page on installing puts the program."""
    (line,) = re.findall(r"^ExecStart=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE)
    program, *words = shlex.split(line)
    assert program == TALLY
    parsed(words)
