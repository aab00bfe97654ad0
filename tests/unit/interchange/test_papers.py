"""Papers of the packages that ship: each is printed from a case that comes to it, with what its row asks for."""

from __future__ import annotations

from typing import get_args

import pytest
from msgspec.structs import replace

from ledger.core.errors import NotFound
from ledger.core.procedure.papers import NamedValue
from ledger.core.procedure.rulebook import Rulebook
from ledger.i18n import PROCEDURES_IN_USE
from ledger.interchange.papers.paper_text import PaperLanguage
from ledger.interchange.papers.printed_event import papers_of
from ledger.interchange.papers.sheet import FactsBlock, PartBlock, StampsBlock, TableBlock
from ledger.interchange.papers.typeset import typeset
from ledger.procedures import books_that_ship
from tests.testkit.builders import PROCURATORATE, section
from tests.testkit.casework import Case, person_id
from tests.unit.interchange.printing import blocks_of, printed, sheet_of, sheet_of_event
from tests.unit.interchange.stories_of_papers import (
    STORIES,
    custody_asked,
    custody_served,
    decision,
    frozen_data,
    offer,
    seizure,
    sent_back,
    to_police,
)
from tests.unit.interchange.test_typeset import text_of

EACH = [(package, *key) for package, stories in STORIES.items() for key in stories]


def book_in_use(package: str) -> Rulebook:
    """Return a package that ships, whose labels are looked up from now on."""
    book = books_that_ship()[package]
    PROCEDURES_IN_USE.set((book,))
    return book


@pytest.mark.parametrize("package", STORIES)
def test_every_row_is_tried(package: str) -> None:
    """No package has a paper that no story prints, but for those of supervision (test_paper.py)."""
    rows = {(row.event, row.name) for row in books_that_ship()[package].papers}
    assert {key for key in rows if not key[0].startswith("recommendation.")} == set(STORIES[package])


@pytest.mark.parametrize(("package", "event", "name"), EACH, ids=lambda part: part)
def test_a_paper_prints_what_it_is_for(package: str, event: str, name: str) -> None:
    """Title, parts, labels, places for a pen, seals, and what the story states; in every choice of languages."""
    book = book_in_use(package)
    story, expected = STORIES[package][event, name]
    case = story()
    (row,) = (row for row in papers_of(printed(case)) if row.name == name)
    text = "".join(text_of(typeset(sheet_of(case, name=name))).split())
    language = "zh" if "zh" in book.procedure.languages else "en"
    labels = [row.title, *(part.title for part in row.parts)]
    for sheet in row.sheets:
        labels += [book.paper_words[word] for word in (*(sheet.blanks or ()), *(sheet.signs or ()))]
        for value in sheet.fields or ():
            named = isinstance(value, NamedValue)
            if named or value != "case_numbers":
                own = value.label if isinstance(value, NamedValue) else book.paper_words.get(value)
                labels.append(own or book.fields[str(value)].label)
    for words in (*expected, *("".join(label[language].split()) for label in labels)):
        assert words in text, words
    assert "None" not in text
    assert not row.sheets[0].seals or "盖章处" in text
    for languages in get_args(PaperLanguage):
        assert sheet_of(case, languages, name=name).title


def names_of_papers(case: Case) -> list[str]:
    return [row.name for row in papers_of(printed(case))]


def test_two_rows_that_fit_print_two_papers() -> None:
    """A list each of dossier, evidence and property beside the paper that it is for; a decision in place of the notice
    of return."""
    lists = ["dossier_list", "exhibit_list", "property_list"]
    assert names_of_papers(offer()) == ["prosecution_opinion", *lists, "service_receipt"]
    assert names_of_papers(custody_served()) == ["custody_change_receipt", "service_receipt"]
    receipt = "service_receipt"
    supplemented = sent_back("supplementary_investigation")
    assert names_of_papers(supplemented) == ["supplementary_investigation_decision", receipt]
    assert names_of_papers(sent_back("return")) == ["return_notice", receipt]


def test_what_does_not_fit_prints_nothing() -> None:
    """A decision that was not served has no receipt; a notice to rectify is only the procuratorate's."""
    assert names_of_papers(decision()) == []
    with pytest.raises(NotFound) as caught:
        sheet_of(decision())
    assert caught.value.code == "no_paper"
    assert "handover.offered" in str(caught.value.hint)
    with pytest.raises(NotFound) as caught:
        sheet_of(offer(), name="seizure_list")
    assert "These print: prosecution_opinion, dossier_list" in str(caught.value.hint)
    assert "rectification_notice" in names_of_papers(to_police("rectification_notice"))
    assert names_of_papers(to_police("correction_opinion")) == []
    assert names_of_papers(frozen_data()) == ["data_freeze_notice"]
    assert names_of_papers(Case().open().register("vol", kind="dossier", obtained_from="archive")) == []


def test_a_row_holds_from_its_day_on() -> None:
    """As clocks and flags do, by the day of the act."""
    case = custody_asked()
    rows = tuple(replace(row, valid_from="2026-03-03") for row in case.book.papers)
    later = replace(printed(case), book=replace(case.book, papers=rows))
    assert papers_of(later) == []
    rows = tuple(replace(row, valid_from="2026-03-02", valid_until="2026-03-03") for row in case.book.papers)
    assert papers_of(replace(printed(case), book=replace(case.book, papers=rows)))


def test_the_parts_of_a_paper_stand_each_by_itself() -> None:
    """The certificate of a change of custody: counterfoil, the sheet of the house, and the receipt that it seals."""
    parts = [block for block in sheet_of(custody_asked()).blocks if isinstance(block, PartBlock)]
    assert [part.is_first for part in parts] == [True, False, False]
    seals = [
        [stamp.party for block in part.blocks if isinstance(block, StampsBlock) for stamp in block.stamps]
        for part in parts
    ]
    assert seals == [[("东区人民检察院",)], [("东区人民检察院",)], [("东区看守所",)]]
    assert all(any(isinstance(block, FactsBlock) for block in part.blocks) for part in parts)


def test_whoever_serves_and_whoever_is_served_stand_on_the_receipt() -> None:
    """The house records that the certificate was served: the receipt is of the organ that asked for it."""
    receipt = sheet_of(custody_served(), name="service_receipt")
    assert receipt.issuer == ("东区人民检察院",)
    assert sheet_of(custody_served(), name="custody_change_receipt").issuer == ("东区看守所",)


def test_a_confidential_field_is_printed_for_whoever_may_read_its_section() -> None:
    """For others its place stays blank."""
    secret = {"violation_found": section(value="线人所称情况")}
    case = to_police("rectification_notice", sections=secret)
    field = replace(case.book.fields["violation_found"], confidential=True)
    book = replace(case.book, fields=case.book.fields | {"violation_found": field})
    for sections, stands in ((secret, True), (None, False)):
        event = replace(printed(case, sections=sections), book=book)
        blocks = [block for block in sheet_of_event(event).blocks if isinstance(block, FactsBlock)]
        assert ("线人所称情况" in str(blocks)) == stands


def test_persons_stand_by_name_where_the_reader_may_see_it() -> None:
    """Else by their role and number, in the order in which they were named: never by a digit of their pseudonym."""
    shown = str(sheet_of(offer(), persons={person_id("li"): "李某某"}).blocks)
    assert "李某某涉嫌theft一案" in shown
    assert person_id("li")[:8] not in shown
    hidden = str(sheet_of(offer()).blocks)
    assert "犯罪嫌疑人（1）" in hidden
    assert "suspect 1" in str(sheet_of(offer(), "en").blocks)
    assert person_id("li")[:8] not in hidden


def test_confidential_sections_are_printed_for_readers_of_them_alone() -> None:
    """Field by field; an erased one is said to be erased; and others are told that there are some."""
    sections = {"note": section("note", said="机密"), "gone": section("gone")}
    case = Case().open().register("phone").offer("phone", to=PROCURATORATE, sections=sections)
    shown = blocks_of(case, sections={"note": section("note", said="机密"), "gone": None})
    assert "机密" in shown
    assert "该部分已依法删除" in shown
    hidden = blocks_of(case)
    assert "机密" not in hidden
    assert "另有保密部分未印出：gone, note" in hidden


def test_a_seizure_list_has_everything_of_its_number() -> None:
    """What was registered under the number of the seizure up to the event, and nothing of another one."""
    case = seizure().register("coat").register("knife", seizure=seizure().events[-1].payload.body.seizure)
    text = str(sheet_of(case).blocks)
    assert "the phone" in text
    assert "the knife" in text
    assert "the coat" not in text.replace("registers the coat", "")


def test_what_is_not_stated_is_left_open() -> None:
    """In a sentence there is a line to write on; in a table the place is blank."""
    sheet = sheet_of(to_police("evidence_request"), name="evidence_request")
    assert "下列有关证据：＿＿＿＿。" in str(sheet.blocks)


def test_a_list_has_each_thing_though_its_other_columns_are_empty() -> None:
    """Whoever takes over by a printed list signs for all that was offered; in a list of digests are those with one."""
    case = Case().open().register("knife", seal_number=None).register("bicycle", seal_number="S-9")
    event = printed(case.offer("knife", "bicycle", to=PROCURATORATE))
    [row, *_] = [row for row in event.book.papers if row.name == "exhibit_list"]
    for column, expected in (("seal_number", 2), ("digests", 0)):
        listed = replace(row.lists[0], columns=("description", column))
        book = replace(event.book, papers=(replace(row, lists=(listed,)),))
        tables = [block for block in sheet_of_event(replace(event, book=book)).blocks if isinstance(block, TableBlock)]
        assert sum(len(table.rows) for table in tables) == expected
