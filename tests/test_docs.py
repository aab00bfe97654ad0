"""The documents say what is so."""

from __future__ import annotations

import re

from ledger.settings import Settings
from tests.machine import REPOSITORY

OPERATIONS = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")


def listed() -> dict[str, str]:
    """The settings that the operator's page lists, with their defaults as written."""
    table = OPERATIONS.split("<!-- settings -->")[1].split("<!-- /settings -->")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (?:`([^`]*)`)? ?\|", table, re.MULTILINE))


def test_every_setting_is_listed_with_its_default() -> None:
    """The operator's page lists each setting, no other, with the default that the code has."""
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    spelled = {name: "" if value is None else str(value).replace("True", "true") for name, value in defaults.items()}
    assert listed() == spelled


def test_every_command_of_the_tables_is_there() -> None:
    """Each script and module that the operator's page names exists."""
    for script in re.findall(r"`(scripts/\w+)`", OPERATIONS):
        assert (REPOSITORY / script).is_file(), script
    for module in re.findall(r"-m (scripts\.[\w.]+)`", OPERATIONS):
        assert (REPOSITORY / module.replace(".", "/")).with_suffix(".py").is_file(), module
