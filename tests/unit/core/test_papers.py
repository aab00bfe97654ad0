"""Papers as rows of a package: what is decoded, and each fault with file, line and key."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ledger.core.errors import MalformedInput
from ledger.core.procedure.package import canonical_form, decode_package, read_package
from ledger.core.procedure.paper_faults import faults_of_papers
from ledger.core.procedure.papers import LISTS, VALUES, ListRow, PaperCondition, slots_of_text
from ledger.core.procedure.rulebook import Rulebook
from ledger.procedures import books_that_ship, shipped_package
from tests.testkit.builders import refused_at

WORDS = '[paper_words]\nagency = { en = "By", zh = "机关" }\ndescription = { en = "Item", zh = "名称" }\n'
LABEL = '{ en = "A", zh = "甲" }'
ROW = f'[[papers]]\nname = "form"\nevent = "handover.offered"\ntitle = {LABEL}\n'  # lines 4 to 7


def package(rows: str) -> Rulebook:
    """Return the package ``evidence`` with other papers: the words, and these rows after them."""
    return read_package({**shipped_package("evidence"), "papers.toml": (WORDS + rows).encode()})


def test_what_a_part_leaves_out_is_as_on_the_paper() -> None:
    """What it states takes its place, even if that is nothing; a paper without parts is one sheet without a title."""
    part = f'fields = ["agency"]\nseals = ["agency"]\n[[papers.parts]]\ntitle = {LABEL}\nseals = []\n'
    (row,) = package(ROW + part).papers
    (sheet,) = row.sheets
    assert (sheet.title["en"], sheet.fields, sheet.seals, sheet.blanks) == ("A", ("agency",), (), ())
    (row,) = package(ROW).papers
    assert [sheet.title for sheet in row.sheets] == [{}]
    assert decode_package(canonical_form({**shipped_package("evidence")})).papers


def test_values_are_those_of_the_events_fields() -> None:
    """A value of cases is in no other stream; one of each event is in all."""
    assert VALUES["agency"].is_known_in("recommendation.issued")
    assert not VALUES["case_number"].is_known_in("recommendation.issued")
    assert VALUES["case_number"].is_known_in("case.opened")
    assert VALUES["problem"].is_known_in("recommendation.issued")
    assert not VALUES["problem"].is_known_in("case.opened")


def test_a_condition_tells_what_it_asks() -> None:
    """Only the keys that are given, and the conditions within it."""
    inner = PaperCondition(stage=("open",))
    condition = PaperCondition(purpose=("loan", "return"), unless=inner)
    assert dict(condition.asked) == {"purpose": ("loan", "return")}
    assert list(condition.parts) == [condition, inner]


def test_the_slots_of_a_text_are_names() -> None:
    """Two braces are one that is printed."""
    assert slots_of_text("{agency}: {{of}} {number}") == ("agency", "number")


CHANGE = ROW.replace("handover.offered", "measure.changed")
FAULTS = [
    ("papers[0].fields", ROW + 'fields = ["title_number"]\n'),
    (
        "papers[0].if.former_measure",
        ROW.replace("handover.offered", "measure.changed") + 'if = { former_measure = ["gone"] }\n',
    ),
    ("papers[0].event", ROW.replace("handover.offered", "key.granted")),
    ("papers[0].event", ROW.replace("handover.offered", "handover.given")),
    ("papers[0].title", ROW.replace(', zh = "甲"', "")),
    ("papers[0].replaces", ROW + 'replaces = ["other"]\n'),
    ("papers[0].number", ROW + 'number = "problem"\n'),
    ("papers[0].issuer", ROW + 'issuer = "purpose"\n'),
    ("papers[0].issuer", ROW + 'issuer = "nobody"\n'),
    ("papers[0].seals", ROW + 'seals = ["keeper"]\n'),
    ("papers[0].fields", ROW + 'fields = ["case_type"]\n'),
    ("papers[0].fields", ROW + f'fields = [{{ value = "nothing", label = {LABEL} }}]\n'),
    ("papers[0].fields", ROW + 'fields = [{ value = "agency", label = { en = "A" } }]\n'),
    ("papers[0].blanks", ROW + 'blanks = ["where"]\n'),
    ("papers[0].signs", ROW + 'signs = ["whoever"]\n'),
    ("papers[0].text", ROW + 'text = { en = "A" }\n'),
    ("papers[0].text.en", ROW + 'text = { en = "{agency.name}", zh = "甲" }\n'),
    ("papers[0].text.en", ROW + 'text = { en = "a { brace", zh = "甲" }\n'),
    ("papers[0].text.zh", ROW + 'text = { en = "A", zh = "{nothing}" }\n'),
    ("papers[0].if.kind", ROW + 'if = { kind = ["other"] }\n'),
    ("papers[0].if.purpose", ROW + 'if = { purpose = ["gift"] }\n'),
    ("papers[0].if.stage", ROW + 'if = { unless = { stage = ["dusk"] } }\n'),
    ("papers[0].if.by", ROW + 'if = { by = ["nobody"] }\n'),
    ("papers[0].if.has", ROW + 'if = { has = ["items", "problem"] }\n'),
    ("papers[0].lists[0].of", ROW + f'[[papers.lists]]\nof = "received"\ntitle = {LABEL}\n'),
    ("papers[0].lists[0].of", ROW + f'[[papers.lists]]\nof = "all"\ntitle = {LABEL}\n'),
    ("papers[0].lists[0]", ROW + f'[[papers.lists]]\nof = "items"\ntitle = {LABEL}\n'),
    ("papers[0].lists[0].title", ROW + '[[papers.lists]]\nof = "items"\ntitle = { en = "A" }\n'),
    (
        "papers[0].lists[0]",
        ROW + f'[[papers.lists]]\nof = "items"\ntitle = {LABEL}\ncolumns = ["description"]\nkinds = ["moon"]\n',
    ),
    ("papers[0].lists[0].columns", ROW + f'[[papers.lists]]\nof = "items"\ntitle = {LABEL}\ncolumns = ["result"]\n'),
    ("papers[0].parts[0].title", ROW + '[[papers.parts]]\ntitle = { zh = "甲" }\n'),
    ("papers[0].parts[0].seals", ROW + f'[[papers.parts]]\ntitle = {LABEL}\nseals = ["purpose"]\n'),
]


@pytest.mark.parametrize(("key", "rows"), FAULTS)
def test_a_fault_of_a_row_is_told_by_file_line_and_key(key: str, rows: str) -> None:
    """Values and words that there are not, labels that lack a language, and what the event does not have."""
    with pytest.raises(MalformedInput) as caught:
        package(rows)
    assert caught.value.field is not None
    file, line, place = caught.value.field.split(":")
    assert (file, place.strip()) == ("papers.toml", key)
    assert 4 <= int(line) <= 12


def test_a_word_of_papers_has_every_language() -> None:
    """A word without its Chinese is refused, as a label is."""
    words = {"papers.toml": b'[paper_words]\nagency = { en = "By" }\n'}
    with refused_at("papers.toml:2: paper_words.agency"):
        read_package(shipped_package("evidence") | words)


def test_letters_and_recommendations_answer_as_their_events_do() -> None:
    """The kind of a letter is a word of letters; what supervision signs is of no case."""
    letters = ROW.replace("handover.offered", "letter.sent") + 'if = { kind = ["no_letter"] }\n'
    with pytest.raises(MalformedInput, match="no_letter"):
        package(letters)
    advice = ROW.replace("handover.offered", "recommendation.issued") + 'if = { kind = ["no_advice"] }\n'
    with pytest.raises(MalformedInput, match="no_advice"):
        package(advice)
    advice = ROW.replace("handover.offered", "recommendation.issued") + 'if = { stage = ["open"] }\n'
    with pytest.raises(MalformedInput, match="nothing answers stage here"):
        package(advice)


def test_fields_of_kinds_are_values_of_what_states_them() -> None:
    """Under their own labels; a handover states none, and what no package calls so is no value."""
    fields = 'fields = ["make_and_model"]\n'
    assert package(ROW.replace("handover.offered", "item.registered") + fields).papers[0].fields == ("make_and_model",)
    with pytest.raises(MalformedInput, match="has no make_and_model"):
        package(ROW + fields)


@pytest.mark.parametrize("name", ["cn-criminal", "evidence", "ew-criminal"])
def test_the_packages_that_ship_have_papers(name: str) -> None:
    """Every list that the core knows is used by one of them at least."""
    assert books_that_ship()[name].papers


def test_every_list_is_printed_somewhere() -> None:
    """A list that no package prints could be anything."""
    rows = [row for book in books_that_ship().values() for row in book.papers]
    used = {listed.of for row in rows for sheet in row.sheets for listed in sheet.lists or ()}
    assert LISTS.keys() - used <= {"outline", "measures"}


def test_the_other_faults_of_a_row_are_told_too() -> None:
    """What cannot be looked at any further is left, and the rest of the package is."""
    book = package(f"{ROW}{ROW}")
    first, second = book.papers
    lists = tuple(ListRow(of=of, title={"en": "A", "zh": "甲"}) for of in ("all", "items"))
    text = {"en": "{", "zh": "{nothing}"}
    faulty = replace(book, papers=(replace(first, event="handover.given"), replace(second, lists=lists, text=text)))
    assert [path for path, _ in faults_of_papers(faulty)] == [
        ("papers", 0, "event"),
        ("papers", 1, "text", "en"),
        ("papers", 1, "text", "zh"),
        ("papers", 1, "lists", 0, "of"),
        ("papers", 1, "lists", 1),
    ]
