"""The documents say what is so."""

from __future__ import annotations

import re
import tomllib

import pytest
from pydantic_settings import BaseSettings

from ledger.config.settings import Settings, WitnessSettings
from ledger.witness.alarms import HALTING, PASSING, Health
from tests.testkit.machine import REPOSITORY

OPERATIONS = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
WITNESS = (REPOSITORY / "docs" / "witness.md").read_text(encoding="utf-8")


ARCHITECTURE = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
PAGES = (*REPOSITORY.glob("*.md"), *sorted((REPOSITORY / "docs").rglob("*.md")))
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
PATH = re.compile(r"`((?:api|contracts|docs|examples|ledger|scripts|tests)/[\w./-]*)`")
IN_CODE = re.compile(r"(?<![\w/.-])docs/[\w./*-]*\w")  # an address or a pattern of pages, in a comment or a text
DOTTED = re.compile(r"`((?:api|ledger|scripts|tests)(?:\.[A-Za-z_]\w*)+)(?:\(\))?`")
LONGEST_WAYS = {"An acceptance": 15, "A proof": 12, "A page": 12}  # files


def listed(page: str) -> dict[str, str]:
    """The settings that an operator's page lists, with their defaults as written."""
    table = page.split("<!-- settings -->")[1].split("<!-- /settings -->", maxsplit=1)[0]
    return dict(re.findall(r"^\| `(\w+)` \| (?:`([^`]*)`)? ?\|", table, re.MULTILINE))


@pytest.mark.parametrize(("page", "settings"), [(OPERATIONS, Settings), (WITNESS, WitnessSettings)])
def test_every_setting_is_listed_with_its_default(page: str, settings: type[BaseSettings]) -> None:
    """The operator's page lists each setting, no other, with the default that the code has."""
    defaults = {name: field.default for name, field in settings.model_fields.items()}
    spelled = {name: "" if value is None else str(value).replace("True", "true") for name, value in defaults.items()}
    assert listed(page) == spelled


def test_every_module_that_is_run_is_there() -> None:
    """Each module that the operator's pages run exists."""
    for module in re.findall(r"-m (scripts\.[\w.]+)`", OPERATIONS + WITNESS):
        assert (REPOSITORY / module.replace(".", "/")).with_suffix(".py").is_file(), module


def test_every_alarm_of_a_witness_is_explained() -> None:
    """Each kind of alarm and each state of health has its row on the page of whoever operates a witness."""
    rows = set(re.findall(r"^\| `(\w+)` \|", WITNESS, re.MULTILINE))
    assert {*HALTING, *PASSING, *Health} <= rows


def test_every_folder_of_tests_is_explained() -> None:
    """The table of tests says of each folder which fault it is there to find."""
    table = (REPOSITORY / "docs" / "testing.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"^\| `([\w/]+)`", table, re.MULTILINE))
    tests = REPOSITORY / "tests"
    folders = {str(path.parent.relative_to(tests)) for path in tests.rglob("test_*.py")}
    assert {folder for folder in folders if not {folder, folder.partition("/")[0]} & explained} == set()
    assert {folder for folder in explained if not (tests / folder).is_dir()} == set()


def test_every_path_in_the_documents_exists() -> None:
    """A file or folder of this repository that a document names in code exists."""
    named = [(page, path) for page in PAGES for path in PATH.findall(page.read_text(encoding="utf-8"))]
    missing = [f"{page.name}: {path}" for page, path in named if not (REPOSITORY / path).exists()]
    assert missing == []


def test_every_path_and_module_that_the_code_names_exists() -> None:
    """A page that code, comments or docstrings name, and a module, class or function in backticks, exist."""
    missing: list[str] = []
    for file in (file for tree in ("api", "ledger", "scripts", "tests") for file in (REPOSITORY / tree).rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        named = [*PATH.findall(text), *IN_CODE.findall(text)]
        missing += [f"{file.name}: {path}" for path in named if not is_there(path)]
        missing += [f"{file.name}: {name}" for name in DOTTED.findall(text) if not is_defined(name)]
    assert missing == []


def is_there(path: str) -> bool:
    """Whether a path of the repository leads anywhere; code names a decision by its number alone."""
    pattern = f"{path}-*.md" if re.fullmatch(r"docs/decisions/\d{4}", path) else path
    return (REPOSITORY / path).exists() or any(REPOSITORY.glob(pattern))


def is_defined(dotted: str) -> bool:
    """Whether a dotted name is that of a package or a module, or of what one defines at its top level."""
    module, _, name = dotted.rpartition(".")
    places = [(REPOSITORY / each.replace(".", "/")) for each in (dotted, module)]
    if places[0].is_dir() or places[0].with_suffix(".py").is_file():
        return True
    file = places[1] / "__init__.py" if places[1].is_dir() else places[1].with_suffix(".py")
    bound = rf"^(?:class |(?:async )?def )?{name}\b"
    return file.is_file() and re.search(bound, file.read_text(encoding="utf-8"), re.MULTILINE) is not None


def test_the_readme_links_every_page() -> None:
    """The README leads to each page of the documents; to decisions and formats, it leads by their folders."""
    pages = [page.relative_to(REPOSITORY) for page in PAGES if {"decisions", "protocol"}.isdisjoint(page.parts)]
    linked = {page for page in pages if f"({page.as_posix()})" in README}
    assert [page for page in pages if page.parts[0] == "docs" and page not in linked] == []


def test_the_ways_through_the_code_stay_short() -> None:
    """The architecture page tells an acceptance, a proof and a page in no more files than were agreed."""
    for title, most in LONGEST_WAYS.items():
        section = re.split(r"\n##+ ", ARCHITECTURE.split(f"\n### {title}\n")[1], maxsplit=1)[0]
        assert 1 < len(re.findall(r"^\| \d+ \| `", section, re.MULTILINE)) <= most, title


def test_the_architecture_page_has_the_layers_of_the_import_contracts() -> None:
    """The layers that the page draws are those of the contracts, in their order."""
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    for contract in contracts["contracts"]:
        if contract["type"] == "layers":
            layers = "\n".join(contract["layers"]).replace("(", "").replace(")", "")
            assert f"```text\n{layers}\n```" in ARCHITECTURE, contract["name"]
