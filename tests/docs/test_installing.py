"""The page on installing is true: a release that is built here does the main job where there is no clone."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.testkit.machine import REPOSITORY, blocks, environment, free_port, typed_at_home

PAGE = (REPOSITORY / "docs" / "operations" / "installing.md").read_text(encoding="utf-8")
WITHIN = 900  # seconds
# What a newcomer sees: the page with all that it loads, a document, and whether all of it is of the release.
LOOK = r"""
get() { curl -sSf --max-time 60 "http://127.0.0.1:8420$1"; }
for page in /console/sign-in /console/setup /console/verify /console/documents/operations--installing; do
  get "$page" > page.html
  grep -oE '(src|href)="/[^"#]*\.(js|css|svg|wasm)[^"]*"' page.html | cut -d'"' -f2 | sort -u > loads
  test -s loads
  while read -r file; do get "$file" > /dev/null && echo "loads $file"; done < loads
done
"""


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a release into a folder of its own, as the page says."""
    folder = tmp_path_factory.mktemp("release")
    hatchling = Path(sys.executable).with_name("hatchling")
    command = [hatchling, "build", "--target", "wheel", "--directory", folder]
    assert ".venv/bin/hatchling build --target wheel\n" in PAGE
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    shutil.copy(REPOSITORY / "requirements" / "runtime.txt", folder)
    return folder


def typed_elsewhere(commands: str, release: Path, home: Path) -> str:
    """Type the commands where the release's files are, with nothing of the clone on the path; return what they print.

    What pip, uv and npm are configured to ask is the user's, whose home this is not.
    """
    shutil.copytree(release, home, dirs_exist_ok=True)
    programs = home / "programs"
    programs.mkdir()
    (programs / "uv").symlink_to(Path(sys.executable).with_name("uv"))
    (programs / "python3").symlink_to(Path(sys.base_prefix, "bin", "python3"))
    own = {"PIP_CONFIG_FILE": "~/.config/pip/pip.conf", "NPM_CONFIG_USERCONFIG": "~/.npmrc"}
    configured = {name: str(Path(file).expanduser()) for name, file in own.items() if Path(file).expanduser().exists()}
    variables = {
        **configured,
        "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": "",
        "VIRTUAL_ENV": "",
        "LANG": "en_GB.UTF-8",
        "TALLYSTICK_PORT": (port := str(free_port())),
        "XDG_DATA_HOME": str(home / "data"),
        "UV_TOOL_BIN_DIR": str(home / "bin"),
        "UV_PYTHON": str(programs / "python3"),
    }
    return typed_at_home(commands.replace("8420", port), home, within_s=WITHIN, **configured | variables)


@pytest.mark.extended
@pytest.mark.timeout(WITHIN + 60)
def test_a_release_hands_a_case_over_and_proves_it(release: Path, tmp_path: Path) -> None:
    """Installed by pip with every digest compared: the page's blocks but the one by uv succeed in their order, in one
    shell. The proof that they end with is intact without the service. Every page that is looked at loads all its
    parts, and no code is read from the clone.
    """
    steps = [block for block in blocks(PAGE) if not block.startswith("uv ")]
    assert len(steps) == len(blocks(PAGE)) - 1
    place = next(number for number, block in enumerate(steps) if "kill $!" in block)
    steps[place:place] = ["python -c 'import api, contracts, ledger; print(api, contracts, ledger)'\n", LOOK]
    printed = typed_elsewhere("".join(steps), release, tmp_path)
    assert "verdict: intact" in printed
    assert str(REPOSITORY) not in printed
    assert re.search(r"^anvil +checked", printed, re.MULTILINE)
    assert len(re.findall("^loads ", printed, re.MULTILINE)) > 10


@pytest.mark.extended
@pytest.mark.timeout(WITHIN + 60)
def test_a_release_is_installed_by_uv(release: Path, tmp_path: Path) -> None:
    """The README's commands are those of the page; what they install has the versions of the pins."""
    (by_uv,) = [block for block in blocks(PAGE) if block.startswith("uv ")]
    (shown,) = [
        session
        for session in blocks((REPOSITORY / "README.md").read_text(encoding="utf-8"), "console")
        if "uv tool" in session
    ]
    for line in shown.splitlines():
        assert line.removeprefix("$ ") in PAGE, line
    look = 'export PATH="$HOME/bin:$PATH"\ntally --version\nuv pip freeze --python "$(uv tool dir)/tallystick"\n'
    printed = typed_elsewhere(by_uv + look, release, tmp_path)
    pins = set(re.findall(r"^[a-z0-9.-]+==[^ ;\n]+", (release / "runtime.txt").read_text(), re.MULTILINE))
    installed = set(re.findall(r"^[a-z0-9.-]+==\S+", printed, re.MULTILINE))
    assert "tally 0.1.0" in printed
    assert len(installed) > 50
    assert installed <= pins


def test_a_release_that_lacks_a_part_is_not_built(tmp_path: Path) -> None:
    """From sources where set-up did not run, hatchling refuses and says what to run."""
    for name in ("pyproject.toml", "README.md", "LICENSE", "package-lock.json"):
        shutil.copy(REPOSITORY / name, tmp_path)
    for name in ("ledger/i18n", "scripts"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(REPOSITORY / name)
    hatchling = Path(sys.executable).with_name("hatchling")
    command = [hatchling, "build", "--target", "wheel", "--directory", tmp_path / "dist"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert done.returncode != 0
    assert "api/console/vendor/htmx.min.js is not there: run scripts/setup, then build again" in done.stderr
