"""The toolchain keeps its own promises: pins, set-up, gates and import borders."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

from tests.testkit.machine import native_binary

PIN = re.compile(
    r"^(?P<name>[a-z0-9.-]+)==(?P<version>\S+)(?P<hashes>( ;[^\n\\]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+)$",
    re.MULTILINE,
)


@pytest.fixture
def script(repository: Path, request: pytest.FixtureRequest) -> ModuleType:
    """Return the executable of scripts/ that the test names as its parameter, loaded as a module."""
    loader = SourceFileLoader(f"scripts_{request.param}", str(repository / "scripts" / request.param))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def pins(repository: Path, name: str) -> dict[str, str]:
    text = (repository / "requirements" / f"{name}.txt").read_text()
    return {match["name"]: match["version"] for match in PIN.finditer(text)}


def required(requirements: list[str | dict[str, str]]) -> set[str]:
    """Return the names, spelled as the pins spell them (PEP 503)."""
    names = [re.split(r"[\[<>=]", line)[0] for line in requirements if isinstance(line, str)]
    return {re.sub(r"[-_.]+", "-", name).lower() for name in names}


@pytest.mark.parametrize(
    "name", ["runtime", "dev", "mutation", "readers", "slither", "seaweedfs", "tlog-scales", "aics"]
)
def test_every_requirement_is_pinned_by_hash_and_names_no_address(repository: Path, name: str) -> None:
    """Each line of the requirements belongs to an exact version with hashes, or is a comment."""
    text = (repository / "requirements" / f"{name}.txt").read_text()
    unpinned = [line for line in PIN.sub("", text).splitlines() if line and not line.lstrip().startswith("#")]
    assert unpinned == []
    assert "://" not in text
    assert str(repository) not in text


def test_what_is_tested_is_what_is_run(repository: Path) -> None:
    """Every runtime pin stands in the development pins with the same version."""
    assert pins(repository, "runtime").items() <= pins(repository, "dev").items()


def test_every_declared_dependency_is_pinned(repository: Path) -> None:
    """pyproject.toml asks for nothing that the pins lack: the build backend belongs to both sets."""
    project = tomllib.loads((repository / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    runtime = required(project["project"]["dependencies"]) | required(groups["build"])
    assert runtime <= pins(repository, "runtime").keys()
    assert required(groups["dev"]) <= pins(repository, "dev").keys()


def test_node_packages_are_pinned_by_hash_and_name_no_address(repository: Path) -> None:
    """package-lock.json says of every package which bytes it has, of none where it lies."""
    packages = json.loads((repository / "package-lock.json").read_text())["packages"]
    installed = {name: entry for name, entry in packages.items() if name and not entry.get("inBundle")}
    assert [name for name, entry in installed.items() if "integrity" not in entry] == []
    assert [name for name, entry in packages.items() if "resolved" in entry] == []


@pytest.mark.parametrize("tool", ["anvil", "forge"])
def test_native_tools_run_though_no_install_script_ran(repository: Path, tool: str) -> None:
    """The native binary has the version that package.json pins."""
    package = json.loads((repository / "package.json").read_text())
    wanted = (package["dependencies"] | package["devDependencies"])[f"@foundry-rs/{tool}"]
    printed = subprocess.run([native_binary(tool), "--version"], check=True, capture_output=True, text=True).stdout
    assert wanted in printed


def test_second_setup_makes_nothing(repository: Path) -> None:
    """After a setup that succeeded, setup passes over every part."""
    command = [repository / "scripts" / "setup"]
    subprocess.run(command, check=True, capture_output=True)
    words = [line.split()[0] for line in subprocess.check_output(command, text=True).splitlines()]
    assert (set(words[:-1]), words[-1]) == ({"unchanged"}, "ready")


@pytest.mark.parametrize(("present", "missing", "package"), [([], "node", "nodejs"), (["node"], "npm", "npm")])
def test_setup_names_what_the_machine_lacks(
    repository: Path, tmp_path: Path, present: list[str], missing: str, package: str
) -> None:
    """Without Node or npm, setup fails before it changes anything and gives Debian's command."""
    for program in present:
        (tmp_path / program).symlink_to("/bin/true")
    outcome = subprocess.run(
        [sys.executable, repository / "scripts" / "setup"], env={"PATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert outcome.returncode == 1
    assert outcome.stdout.split("\n") == [f"   failed {missing} is not on PATH: apt-get install {package}", ""]


@pytest.mark.parametrize("script", ["setup"], indirect=True)
def test_part_is_made_again_when_its_source_or_product_changed(script: ModuleType, tmp_path: Path) -> None:
    """A part is passed over only while its product is there and its state is that of the stamp."""
    source, product = tmp_path / "source", tmp_path / "product"
    contents: list[str] = []

    def make() -> None:
        contents.append(source.read_text())
        product.touch()

    part = script.Part("part", product, tmp_path / "stamp", source.read_text, make)
    source.write_text("one")
    part.bring_up()
    part.bring_up()
    source.write_text("two")
    part.bring_up()
    product.unlink()
    part.bring_up()
    assert contents == ["one", "two", "two"]


@pytest.mark.parametrize("script", ["setup"], indirect=True)
def test_part_that_failed_is_not_taken_for_made(script: ModuleType, tmp_path: Path) -> None:
    """A failure while a part is made anew leaves no stamp, so the next setup tries again."""
    product, stamp = tmp_path / "product", tmp_path / "stamp"
    product.touch()
    stamp.write_text("old")
    part = script.Part("part", product, stamp, lambda: "new", lambda: script.run("false"))
    with pytest.raises(script.SetupFailed, match="`false` ended with 1"):
        part.bring_up()
    assert not stamp.exists()


@pytest.mark.parametrize("script", ["test"], indirect=True)
@pytest.mark.parametrize(
    ("gates", "code", "verdict"),
    [
        (
            {"first": ("false", "true"), "second": ("true", "false"), "third": ("echo reached",)},
            1,
            "2 of 3 gates failed: first, second\n",
        ),
        ({"only": ("echo reached",)}, 0, "every gate held\n"),
    ],
    ids=["some fail", "all hold"],
)
def test_every_gate_runs_and_any_failure_fails_the_whole(
    script: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    gates: dict[str, tuple[str, ...]],
    code: int,
    verdict: str,
) -> None:
    """A gate that fails, in its first command or its last, is named at the end and does not stop the next."""
    monkeypatch.setattr(script, "QUICK", tuple(script.Gate(name, commands) for name, commands in gates.items()))
    for variable in ("TMPDIR", "PYTHONDONTWRITEBYTECODE"):  # set and taken away for the gates: put back for other tests
        monkeypatch.setenv(variable, os.environ.get(variable, ""))
    assert script.main([]) == code
    printed = capfd.readouterr().out
    assert "\nreached\n" in printed
    assert printed.endswith(verdict)


BREACHES = {
    "ledger/core/breach.py": "import os",
    "ledger/chain/breach.py": "import ledger.store, sqlmodel",
    "ledger/store/breach.py": "import solcx",
    "ledger/audit/breach.py": "import api",
    "ledger/utils.py": "",
}
SOUND = {
    "ledger/core/encoding/sound.py": "import blake3, coincurve, hashlib, msgspec, sha3, nacl.bindings",
    "ledger/store/sound.py": "import sqlmodel, ledger.core",
    "ledger/chain/sound.py": "import solcx, ledger.core",
    "ledger/anchoring/sound.py": "import ledger.store, ledger.chain",
    "ledger/cli/sound.py": "import api, click",
}
BROKEN = {
    "The core is pure: it computes with these packages and nothing else",
    "Imports go one way, down to the core",
    "Within the core, what proves stands on what is proven",
    "Only ledger.store knows the database",
    "Only ledger.chain knows the chain and the compiler",
    "The ledger does not know the API; only the command line starts it",
}


@pytest.mark.parametrize(("modules", "broken"), [(BREACHES, BROKEN), (SOUND, set())], ids=["breaches", "sound"])
def test_import_across_a_border_is_caught(
    repository: Path, tmp_path: Path, modules: dict[str, str], broken: set[str]
) -> None:
    """An import against the architecture, or a module that has no place in it, breaks its contract; what the
    architecture allows breaks none. Tried with this code without a statement in it, and modules of one each."""
    unmatched = 'unmatched_ignore_imports_alerting = "none"\n'  # nothing imports what it may
    configuration = (repository / "pyproject.toml").read_text(encoding="utf-8").replace(unmatched, "")
    configuration = re.sub("^ignore_imports", f"{unmatched}ignore_imports", configuration, flags=re.MULTILINE)
    (tmp_path / "pyproject.toml").write_text(configuration, encoding="utf-8")
    for file in (file for package in ("api", "ledger") for file in (repository / package).rglob("*.py")):
        bare = tmp_path / file.relative_to(repository)
        bare.parent.mkdir(parents=True, exist_ok=True)
        bare.touch()
    for module, statement in modules.items():
        (tmp_path / module).write_text(f"{statement}\n")
    linter = Path(sys.executable).with_name("lint-imports")
    outcome = subprocess.run([linter, "--no-cache", "--no-logo"], cwd=tmp_path, capture_output=True, text=True)
    verdicts = dict(re.findall(r"^(.*) (KEPT|BROKEN)\b", outcome.stdout, re.MULTILINE))
    assert {name for name, verdict in verdicts.items() if verdict == "BROKEN"} == broken, outcome.stdout
    assert (outcome.returncode, len(verdicts) > len(BROKEN)) == (int(bool(broken)), True)
    for module in modules if broken else ():
        assert module.removesuffix(".py").replace("/", ".") in outcome.stdout


@pytest.mark.parametrize("script", ["setup"], indirect=True)
@pytest.mark.parametrize(
    ("version", "sentence"),
    [((3, 10, 13), "Python 3.11 or newer is needed"), ((3, 14, 0), "for which coincurve has no package yet")],
)
def test_a_python_that_is_not_supported_is_refused(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int], sentence: str
) -> None:
    """Too old or too new, set-up says so in a sentence and which to take, before it installs anything."""
    monkeypatch.setattr(script.sys, "version_info", version)
    with pytest.raises(script.SetupFailed, match=sentence):
        script.check_machine()


@pytest.mark.parametrize("script", ["setup"], indirect=True)
def test_set_up_and_the_package_name_the_same_pythons(script: ModuleType, repository: Path) -> None:
    """What set-up takes is what pyproject.toml says."""
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    oldest, newest = script.OLDEST_PYTHON, script.NEWEST_PYTHON
    assert project["requires-python"] == f">={oldest[0]}.{oldest[1]},<{newest[0]}.{newest[1] + 1}"


TESTS_IMPORTED = re.compile(r"^\s*(from|import) tests\b", re.MULTILINE)


def test_nothing_outside_the_tests_imports_them(repository: Path) -> None:
    """A command that needs the tests' builders lies in tests/campaigns, and is run by ``python -m``."""
    files = [
        file for folder in ("ledger", "api", "scripts", "contracts") for file in (repository / folder).rglob("*.py")
    ]
    assert len(files) > 300
    assert [str(file) for file in files if TESTS_IMPORTED.search(file.read_text(encoding="utf-8"))] == []
