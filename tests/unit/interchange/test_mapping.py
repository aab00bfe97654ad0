"""What is wrong in a mapping is told at its key, and what of a file it does not fit, by the column."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from ledger.core.errors import MalformedInput
from ledger.interchange.imports.mapping import parse_mapping, read_mapping
from ledger.interchange.imports.source_file import SourceFile, format_of, layout_of
from tests.testkit.machine import REPOSITORY
from tests.unit.interchange.files import csv_file
from tests.unit.interchange.planning import BOOKS, MAPPING, SMALL


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ('[[deadlines]]\nclock = { value = "patience" }\nstarted_at = "from"', "deadlines[0].clock.value"),
        ('[[deadlines]]\nclock = "measure"\nstarted_at = "from"', "deadlines[0].clock"),
        ('[[deadlines]]\nclock = { value = "bail_limit" }\nstarted_at = "from"\nperson = 2', "deadlines[0].person"),
        (
            '[items.seizure]\ndocument_number = "a"\nseized_at = "b"\nofficers = ["c"]\nwitness = 2',
            "items[0].seizure.witness",
        ),
        (
            '[items.collection]\ncollectors = ["a"]\ntool = "b"\nmethod = "c"\nmedium = 2',
            "items[0].collection.medium",
        ),
        ('[[files]]\nname = "others"\nkey = ["a", "b"]', "files[0]"),
        ('[[files]]\nname = "a"\nkey = ["a"]\n[[files]]\nname = "a"\nkey = ["b"]', "files[1]"),
    ],
)
def test_a_part_that_cannot_be_is_refused_by_its_key(part: str, field: str) -> None:
    """Before any row is read."""
    with pytest.raises(MalformedInput) as caught:
        parse_mapping((MAPPING + part).encode(), "m.toml", BOOKS)
    assert caught.value.field == f"m.toml: {field}"


PERSON = '[[persons]]\nname = "suspect"\nrole = { value = "suspect" }\n'
MEASURE = '[[measures]]\nmeasure = { value = "arrest" }\nstarted_at = "from"\nground = "why"\n'


@pytest.mark.parametrize(
    ("text", "field", "message", "hint"),
    [
        ("name = ", "m.toml", "not TOML", None),
        (SMALL.replace("case_type", "case_typ"), "m.toml: case", "unknown field `case_typ`", "case_type"),
        (SMALL.replace("key =", "keys ="), "m.toml", "unknown field `keys`", "key"),
        (SMALL.replace('key = ["number"]', "key = []"), "m.toml: key", "length >= 1", None),
        (SMALL + "encoding = 1", "m.toml: case", "unknown field `encoding`", None),
        ('encoding = "latin-1"\n' + SMALL, "m.toml: encoding", "latin-1", None),
        (SMALL.replace('"criminal"', '"crimnal"'), "m.toml: case.business_line.value", "expected one of", "criminal"),
        (
            SMALL.replace('"investigation"', '"first_instanc"'),
            "m.toml: case.stage.words.立案",
            "expected one of",
            "first_instance",
        ),
        (SMALL.replace('"investigation"', '"closed"'), "m.toml: case.stage.words.立案", "expected one of", None),
        (SMALL.replace('{ value = "criminal" }', '"line"'), "m.toml: case.business_line", "expected words", "criminal"),
        (
            SMALL.replace('{ value = "criminal" }', '{ value = "criminal", column = "x" }'),
            "m.toml: case.business_line",
            "either a column or a value",
            None,
        ),
        (SMALL.replace('"about"', "{ }"), "m.toml: case.case_type", "either a column or a value", None),
        (SMALL + MEASURE, "m.toml: measures[0].person", "no person of number 1", None),
        (SMALL + PERSON + MEASURE + "person = 2", "m.toml: measures[0].person", "no person of number 2", None),
        (
            SMALL + PERSON.replace('"suspect" }', '"susect" }'),
            "m.toml: persons[0].role.value",
            "expected one of",
            "suspect",
        ),
        (SMALL + PERSON + '[persons.detail]\nx = "y"', "m.toml: persons[0]", "unknown field `detail`", "details"),
    ],
)
def test_a_mapping_that_is_wrong_is_told_at_its_key(text: str, field: str, message: str, hint: str | None) -> None:
    """With the file, the path in it, what was expected, and the nearest word that there is."""
    with pytest.raises(MalformedInput) as refusal:
        parse_mapping(text.encode(), "m.toml", BOOKS)
    assert refusal.value.field == field
    assert message in refusal.value.message
    assert hint is None or hint in str(refusal.value.hint)


@pytest.mark.parametrize("name", ["police-case", "procuratorate-card", "court-filing"])
def test_the_shipped_mappings_are_sound(name: str) -> None:
    """They are read, and their samples have every column that they ask for."""
    mapping = read_mapping(REPOSITORY / "examples" / "import" / f"{name}.toml", BOOKS)
    (file,) = [path for path in (REPOSITORY / "examples" / "import").glob(f"{name}.*") if path.suffix != ".toml"]
    with SourceFile(file, layout_of(file, mapping)) as source:
        assert source.survey(mapping.columns(), lambda row: row.number, lambda _: None).rows > 1


@pytest.mark.parametrize("name", ["file.csv", "file.json"])
def test_a_column_that_is_not_there_is_told_with_the_nearest(tmp_path: Path, name: str) -> None:
    """By the key of the mapping that asks for it."""
    mapping = parse_mapping(SMALL.encode(), "m.toml", BOOKS)
    text = "number,abuot,stage\n1,2,3\n" if name.endswith("csv") else '[{"number": 1, "stage": 2}]'
    file = csv_file(tmp_path, text, name=name)
    with (
        SourceFile(file, layout_of(file, mapping)) as source,
        pytest.raises(MalformedInput, match="no column 'about'") as refusal,
    ):
        source.survey(mapping.columns(), lambda row: row.number, lambda _: None)
    assert refusal.value.field == "case.case_type"
    assert not name.endswith("csv") or "abuot" in str(refusal.value.hint)


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    """Which of them is meant is not guessed; one that nobody asks for may be there as often as it likes."""
    mapping = parse_mapping(SMALL.encode(), "m.toml", BOOKS)
    twice = pytest.raises(MalformedInput, match="is there twice")
    for headings, outcome in (("number,about,stage,x,x", nullcontext()), ("number,about,stage,about", twice)):
        file = csv_file(tmp_path, f"{headings}\n")
        with SourceFile(file, layout_of(file, mapping)) as source, outcome:  # type: ignore[attr-defined]
            source.survey(mapping.columns(), lambda row: row.number, lambda _: None)


def test_the_format_is_told_by_the_name_or_by_the_mapping(tmp_path: Path) -> None:
    """A name that tells none needs a mapping that does."""
    mapping = parse_mapping(('format = "json"\n' + SMALL).encode(), "m.toml", BOOKS)
    assert layout_of(tmp_path / "export.dat", mapping).format == "json"
    with pytest.raises(MalformedInput, match="format"):
        format_of(tmp_path / "export.dat")


def test_a_mapping_that_cannot_be_read_is_told_under_the_option(tmp_path: Path) -> None:
    """No file, or one that is far too long."""
    for path in (tmp_path / "none.toml", csv_file(tmp_path, "#" * 2_000_000, name="long.toml")):
        with pytest.raises(MalformedInput) as refusal:
            read_mapping(path, BOOKS)
        assert refusal.value.field == "--mapping"
