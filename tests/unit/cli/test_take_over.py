"""``tally case take-over``: one case that was under way elsewhere, from a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ledger.cli.commands.case import read_taken_over
from ledger.core.encoding.digests import Algorithm, digest_by
from ledger.core.errors import MalformedInput
from tests.testkit.machine import REPOSITORY

FIELDS = {
    "case_number": "2026-57",
    "case_type": "theft",
    "business_line": "criminal",
    "stage": "prosecution_review",
    "procedure": "cn-criminal",
    "source_system": "cards",
    "source_key": "31-57",
    "deadlines": [{"clock": "prosecution_review", "started_at": "2026-03-31T16:00:00Z"}],
}


def test_the_case_of_the_import_page_is_read(tmp_path: Path) -> None:
    """The example of docs/import.md is taken over as it stands there."""
    page = (REPOSITORY / "docs" / "import.md").read_text()
    text = page.partition("## One case, typed in")[2].partition("```toml\n")[2].partition("```")[0]
    file = tmp_path / "case.toml"
    file.write_text(text)
    body = read_taken_over(file)
    assert (body.measures[0].measure, body.deadlines[0].clock) == ("arrest", "prosecution_review")


@pytest.mark.parametrize("suffix", [".json", ".toml"])
def test_a_statement_is_json_or_toml(tmp_path: Path, suffix: str) -> None:
    """With the digest of the file, unless it states the one of a source file."""
    file = tmp_path / f"case{suffix}"
    lines = [f'{name} = "{value}"' for name, value in FIELDS.items() if isinstance(value, str)]
    toml = "\n".join([*lines, "[[deadlines]]", *(f'{k} = "{v}"' for k, v in FIELDS["deadlines"][0].items())])  # type: ignore[union-attr, index]
    file.write_text(json.dumps(FIELDS) if suffix == ".json" else toml)
    body = read_taken_over(file)
    assert [line.clock for line in body.deadlines] == ["prosecution_review"]
    assert body.file_digest == str(digest_by(Algorithm.SHA256, file.read_bytes()))
    source = "sha256:" + "11" * 32
    file.write_text(
        json.dumps(FIELDS | {"file_digest": source}) if suffix == ".json" else f'file_digest = "{source}"\n' + toml
    )
    assert read_taken_over(file).file_digest == source


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (json.dumps(FIELDS | {"stage": 7}), "stage"),
        (json.dumps(FIELDS | {"deadlines": [{"clock": "bail_limit"}]}), "deadlines[0]"),
        ("[1]", ""),
        ("{", ""),
    ],
)
def test_a_fault_names_file_and_field(tmp_path: Path, text: str, field: str) -> None:
    """And what was expected there."""
    file = tmp_path / "case.json"
    file.write_text(text)
    with pytest.raises(MalformedInput) as caught:
        read_taken_over(file)
    assert (caught.value.field or "").startswith(f"{file}: {field}" if field else str(file))
