"""The specification says what is so: its generated parts are current.

That a stranger can check its example by it is shown by ``tests/e2e/browser_verifier``, whose verifier was written from
the document alone.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ledger.core.events import Envelope, Payload, Section
from ledger.core.verification import verify
from ledger.core.verification.stream import CASE_STEPS
from scripts.docs import protocol_examples, worked_deadlines
from scripts.docs import protocol_tables as tables
from tests.testkit.machine import REPOSITORY
from tests.testkit.published_vectors import VECTORS

PAGES = {page.name: page.read_text(encoding="utf-8") for page in sorted(protocol_examples.PROTOCOL.glob("*.md"))}
DOCUMENT = "".join(PAGES.values())
RULE = re.compile(r'(?:refuse\(\s*|code=)"([a-z_]+)"')
TYPES = re.compile(r"`\w+`\?? [\[{]?([A-Z][a-z]\w+)(?:: ([A-Z][a-z]\w+))?")
STEP = re.compile(r"^\*\*([0-9]+) ([a-z]+)", re.MULTILINE)
NOUN = re.compile(r'(?:look_up|require_known)\(\s*[a-z_.]+,\s[^"]+,\s"([a-z ]+)"')


def test_the_generated_parts_are_current() -> None:
    """Tables, worked examples and example files are those that types and code give now."""
    files = protocol_examples.generated()
    assert [path.name for path, data in files.items() if path.read_bytes() != data] == []


def test_every_part_stands_in_the_pages() -> None:
    """Each generated part has its markers, once, and no marker is without a part."""
    assert sorted(mark["part"] for mark in protocol_examples.MARKED.finditer(DOCUMENT)) == sorted(
        protocol_examples.PARTS
    )


def test_the_worked_deadlines_of_every_line_are_listed() -> None:
    """At least 120 in all, each with an article, a day or that there is none, and how it is counted."""
    lines = {line: worked_deadlines.rows(line) for line in (worked_deadlines.CRIMINAL, *worked_deadlines.BY_EXAMPLES)}
    assert all(lines.values())
    assert sum(map(len, lines.values())) >= 120
    assert [row for rows in lines.values() for row in rows if not (row.article and row.last and row.counted)] == []


def test_a_part_that_was_edited_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--check`` exits 1, names the page and no other file, and leaves it as it is."""
    for name, text in PAGES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    edited = tmp_path / "event.md"
    edited.write_text(PAGES["event.md"].replace("`sequence` SafeInt", "`sequence` Text", 1), encoding="utf-8")
    monkeypatch.setattr(protocol_examples, "ROOT", tmp_path)
    monkeypatch.setattr(protocol_examples, "PROTOCOL", tmp_path)
    assert protocol_examples.main(["--check"]) == 1
    assert capsys.readouterr().out == "differs: event.md\n"
    assert "`sequence` Text" in edited.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("part", "folder", "besides"),
    [
        ("refusals", "custody", set()),
        (
            "supervision refusals",
            "supervision",
            {"already_closed", "already_decided", "not_assigned", "not_decided"}
            # by rules that cases have, too
            | {"unknown_word", "one_correspondent", "before_its_start"}
            | {"unknown_procedure", "unknown_deadline", "deadline_ended", "unknown_extension"},
        ),
    ],
)
def test_every_refusal_is_listed(part: str, folder: str, besides: set[str]) -> None:
    """Each table of refusals has each rule that the folds of its subject refuse by, and none besides."""
    table = DOCUMENT.split(f"<!-- {part} -->")[1].split(f"<!-- /{part} -->")[0]
    listed = {name for line in table.splitlines()[3:] for name in re.findall(r"`([a-z_]+)`", line.split("|")[1])}
    sources = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "ledger/core" / folder).glob("*.py")]
    refused = {name for source in sources for name in RULE.findall(source)}
    looked_up = {f"unknown_{noun.replace(' ', '_')}" for source in sources for noun in NOUN.findall(source)}
    assert listed == (refused | looked_up | besides) - {"not_on_head"}


def test_every_type_that_a_field_has_is_told() -> None:
    """Whoever reads the tables finds each type that they name: a form, a vocabulary or a value of listed fields."""
    structs = " ".join(map(tables.fields_of, (Payload, Section, Envelope)))
    listed = f"{tables.values()}\n{tables.mirror()}\n{tables.parts()}"
    fields = f"{structs} {listed} {tables.bodies()}"
    named = {name for names in TYPES.findall(fields) for name in names if name}
    types = {
        *tables.WORDS,
        *tables.VOCABULARIES,
        *re.findall(r"^- \*\*(\w+)", listed, re.MULTILINE),
    }
    assert {"Stream", "Authority", "EventRef", "Blake3", "SectionLabel", "Purpose"} <= named
    assert named <= types


def test_each_vector_names_a_page() -> None:
    """Its reader finds there what is wrong."""
    assert {f"{vector['page']}.md" for vector in VECTORS} <= PAGES.keys()


def test_the_pages_on_integrity_are_short() -> None:
    """What a verifier of integrity needs to know is read in an hour: at most 45 KiB."""
    listed = re.findall(r"^\| \[[a-z ]+\]\(([a-z-]+\.md)\)", PAGES["README.md"], re.MULTILINE)
    assert len(listed) == 8
    assert sum(len(PAGES[page].encode()) for page in ("README.md", *listed)) <= 45 * 1024


def test_the_steps_are_those_of_the_verifiers() -> None:
    """The pages name each step, in the order in which it is performed: of a bundle, an event and a stream."""
    rows = [row for page in ("bundle.md", "case-bundle.md") for row in STEP.findall(PAGES[page])]
    of_bundle, of_event = ([name for name, _ in steps] for steps in (verify.STEPS, verify.EVENT_STEPS))
    of_streams = enumerate(CASE_STEPS, len(of_bundle) + 1)
    assert rows == [(str(number), name) for number, name in (*enumerate([*of_bundle, *of_event], 1), *of_streams)]
