"""Search: what is found by which text, by whom, at what cost; and that the words are those of the log."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from msgspec.structs import replace
from sqlalchemy import Column, delete, select, update

from ledger.core.encoding import canonical
from ledger.core.encoding.digests import blake3_text
from ledger.core.events import Authority, item
from ledger.core.events import case as acts
from ledger.core.events.record import Correction, RecordCorrected
from ledger.core.visibility import Reader
from ledger.recording.word_index import index_words
from ledger.store import search as search_of_store
from ledger.store import word_parts
from ledger.store.cases import sight
from ledger.store.search import NAMING, WITHIN, SearchPage, folded, is_searchable, place_in, search
from ledger.store.tables import ENTRIES, NAME_PARTS, SECTIONS, WORD_PARTS
from ledger.store.tables import WORDS as WORDS_TABLE
from ledger.store.word_parts import parts_of
from tests.testkit.builders import COURT, LAB, POLICE, PROCURATORATE, START, clerk, instant, section, supervisor
from tests.testkit.casework import Case, part, person_id, pieces, registration
from tests.testkit.ledgers import Ledger, open_founded
from tests.unit.audit.stand import findings_of
from tests.unit.store.plans import noted, plan

DIGEST = "sha256:" + "5a" * 32
NOW = instant(START + 3600)
GROUND = Authority("statute", "Personal Information Protection Law 47")
WORDS = {  # what is typed, and as what it is found
    "case-1": ["case"],
    "phone": ["item", "description"],
    "〔２０２６〕刑初0417号": ["case_number"],
    "(2026) 刑初": ["case_number"],
    "2026刑初04": ["case_number"],
    "seal-7": ["seal"],
    "SEAL-8": ["seal"],
    "E 12": ["exhibit"],
    DIGEST: ["digest"],
    "5a" * 32: ["digest"],
    "5a5a5a5a5a": ["digest"],
    person_id("li"): ["person"],
    "handover-1": ["handover"],
    clerk(POLICE).officer_id: ["officer"],
    # Any part of numbers and descriptions; two characters, where both are ideographs.
    "0417": ["case_number"],
    "［2026］刑初０４１７": ["case_number"],
    "刑初": ["case_number"],
    "【2026】": ["case_number", "document"],
    "黑色": ["description"],
    "华为 手机": ["description"],
    "盗窃": ["matter"],
    "行账": ["account"],
    "扣字〔2026〕12": ["document"],
    "公扣字（2026）第12号": ["document"],
}


OFFICERS = (*(clerk(agency) for agency in (POLICE, PROCURATORATE, COURT, LAB)), supervisor(PROCURATORATE))


def recorded(ledger: Ledger, case_id: str = "case-1", **clock: int) -> Ledger:
    """Record that case."""
    ledger.post_all(recorded_case(case_id, **clock).events)
    return ledger


def recorded_case(case_id: str = "case-1", **clock: int) -> Case:
    """A case with something of every kind; its first seal is broken since."""
    case = Case(case_id, **clock).open(case_number="〔2026〕刑初 0417号", case_type="入户盗窃").name("li")
    named = section("person:1", name="张三丰", address="青石巷九号")
    naming = acts.PersonNamed(person_id=person_id("li"), role="suspect", section="person:1")
    case.act(naming, sections={"person:1": named})
    description, account = "phone，黑色华为（手机）", "银行账号 6222"
    case.register("phone", seal_number="Seal-7", exhibit_number="E12", digests=(DIGEST,), description=description)
    case.register("money", description="存款", account=account)
    case.say(acts.DecisionRecorded, decision_id="decision-1", kind="case_filed", number="公扣字〔2026〕12号")
    case.say(item.ItemUnsealed, clerk(POLICE), item_id="phone", seal_number="Seal-7", ground="to look")
    case.say(item.ItemSealed, clerk(POLICE), item_id="phone", seal_number="Seal-8")
    case.offer("phone", "money", to=PROCURATORATE, persons=("li",)).accept()
    return case


@pytest.fixture
def ledger(each_database_url: str) -> Iterator[Ledger]:
    """A ledger of each kind of database with that case."""
    with open_founded(each_database_url, *OFFICERS, then=recorded) as opened:
        yield opened


def matches(ledger: Ledger, word: str, agency: str = POLICE, limit: int = 50) -> SearchPage:
    with ledger.database.read() as connection:
        return search(connection, Reader(agency, frozenset(), NOW), word, limit)


def test_every_word_of_a_case_finds_it(ledger: Ledger) -> None:
    """By each kind of word, in full or by its beginning, however it is spelled; the hit names item, event and case. To
    an agency that has no part in the case every word finds nothing, and its supervisor finds all."""
    for word, kinds in WORDS.items():
        hits = matches(ledger, word).hits
        assert [hit.kind for hit in hits] == kinds, word
        assert {hit.case_id for hit in hits} == {"case-1"}, word
    (hit,) = matches(ledger, DIGEST).hits
    assert (hit.item_id, hit.case_number, hit.stage) == ("phone", "〔2026〕刑初 0417号", "prosecution_review")
    (by_event,) = matches(ledger, hit.event_id).hits
    assert (by_event.kind, by_event.index) == ("event", hit.index)
    for word in WORDS:
        assert matches(ledger, word, COURT).hits == (), word
        assert matches(ledger, word, PROCURATORATE).hits != (), word
    with ledger.database.read() as connection:
        reader = Reader(COURT, frozenset((POLICE,)), NOW)
        assert [hit.kind for hit in search(connection, reader, "seal-7", 9).hits] == ["seal"]


def test_words_are_found_as_they_were_signed_and_as_they_were_corrected(ledger: Ledger) -> None:
    """Both find the item and the case under what they are called now, with the event that called them so. Accents do
    not count, whoever types them; descriptions and names keep their spaces."""
    case = Case("case-2").open(case_type="侵占").register("case-2-phone", description="黑色平板电脑")
    ledger.post_all(case.events)
    opened, registered = (event.event.ref for event in case.events)
    for ref, field, correct in ((registered, "description", "银色平板电脑"), (opened, "case_type", "职务侵占")):
        line = Correction(field=field, recorded="-", correct=correct)
        case.say(RecordCorrected, corrects=ref, corrections=(line,), ground="a slip of the pen")
    ledger.post_all(case.events[2:])
    of_item, of_case = (event.envelope.event_id for event in case.events[2:])
    for word in ("黑色平板", "银色平板"):
        (hit,) = matches(ledger, word).hits
        assert (hit.item_id, hit.description, hit.item_corrected_in) == ("case-2-phone", "银色平板电脑", of_item), word
    for word in ("侵占", "职务侵占"):
        hits = {(hit.kind, hit.item_id, hit.case_type, hit.case_corrected_in) for hit in matches(ledger, word).hits}
        assert hits == {("matter", None, "职务侵占", of_case)}, word
    description = "Telemóvel, ecrã partido, apreendido na rua"
    case = Case("lisbon").open(case_type="furto").name("joao").register("phone-2", description=description)
    naming = acts.PersonNamed(person_id=person_id("joao"), role="suspect", section="person:1")
    case.act(naming, sections={"person:1": section("person:1", name="João Conceição")})
    ledger.post_all(case.events)
    for word, signed in (
        ("telemovel", description),
        ("TELEMÓVEL, ecra", description),
        ("ecrã par", description),
        ("conceicao", "João Conceição"),
        ("joao", "João Conceição"),
        ("João", "João Conceição"),
        ("phone", "phone，黑色华为（手机）"),
    ):
        signed_words = [hit.word for hit in matches(ledger, word).hits if hit.kind in ("description", "name")]
        assert signed_words == [signed], word


def test_a_hit_shows_the_text_of_its_own_thing_and_all_of_it_is_searched(ledger: Ledger) -> None:
    """Not that of another thing in which the word stands too; of the longest that there can be, the end and what is
    between."""
    case = Case("case-2").open().register("phones", quantity=2)
    phone, cover = (
        item.ItemPart(item_id=item_id, description=text, quantity=pieces(1), seal_number=seal)
        for item_id, text, seal in (("handset", "Black phone with its cover", "F-10"), ("lid", "Cover", "F-1"))
    )
    case.say(item.ItemSplit, item_id="phones", parts=(phone, cover))
    ledger.post_all(case.events)
    for word, kind, expected in (("f-1", "seal", "F-1"), ("cover", "description", "Cover")):
        hits = [(hit.item_id, hit.word) for hit in matches(ledger, word).hits if hit.kind == kind]
        assert ("lid", expected) in hits, word
        assert ("lid", phone.description) not in hits, word
    text = "".join(f"第{number}册。" for number in range(1000))[:3990]
    case = Case("case-of-books").open().register("books", description=f"{text}末尾有批注")
    ledger.post_all(case.events)
    for word in ("批注", text[1000:1200], text[-200:]):
        assert {(hit.kind, hit.item_id) for hit in matches(ledger, word).hits} == {("description", "books")}, word


def test_an_exhibit_number_finds_the_parts_that_took_it_over(ledger: Ledger) -> None:
    """With what each came from; a part of a part, too, and what was merged of them; nothing of another case."""
    for case_id in ("case-2", "case-3"):
        goods = {"kind": "property", "quantity": 10, "exhibit_number": "E-71", "fungible": True}
        case = Case(case_id).open().register("pills", **goods)
        case.say(item.ItemSplit, item_id="pills", parts=(part("one", 4), part("two", 6, description="torn bag")))
        if case_id == "case-2":
            case.say(item.ItemSplit, item_id="two", parts=(part("three", 1), part("four", 5)))
            case.say(item.ItemMerged, item_ids=("one", "three"), whole=part("five", 5, description="bag"))
        ledger.post_all(case.events)
    hits = {hit.case_id: hit for hit in matches(ledger, "e-71").hits}
    assert {hit.item_id for hit in hits.values()} == {"pills"}
    parts = {part.item_id: (part.description, part.parents) for part in hits["case-2"].parts}
    assert parts == {
        "one": ("the pills", ("pills",)),
        "two": ("torn bag", ("pills",)),
        "three": ("torn bag", ("two",)),
        "four": ("torn bag", ("two",)),
        "five": ("bag", ("one", "three")),
    }
    assert [part.item_id for part in hits["case-3"].parts] == ["one", "two"]
    assert [hit.parts for hit in matches(ledger, "torn bag").hits] == [(), ()]


@pytest.mark.parametrize(
    ("text", "typed", "part"),
    [
        ("Telemóvel, ecrã partido", "ECRA par", "ecrã par"),
        ("公扣字〔2026〕第12号", "(2026)12", "2026〕第12"),
        ("Straße 7", "strasse", "Straße"),
        ("한국 전화", "국전", "국 전"),
        ("ｓｅａｌ 7", "seal 7", "ｓｅａｌ 7"),
        ("seal 7", "seal 8", None),
        ("扣字第12号", "扣字1", "扣字第1"),
        ("第8", "8", "8"),
    ],
)
def test_the_part_of_a_text_that_matches(text: str, typed: str, part: str | None) -> None:
    """It is shown as it was signed, however it was typed."""
    place = place_in(text, folded(typed))
    assert (place and text[slice(*place)]) == part


def pages(ledger: Ledger, agency: str, word: str, limit: int) -> list[SearchPage]:
    """Every page that the agency is given."""
    pages_read: list[SearchPage] = []
    with ledger.database.read() as connection:
        while not pages_read or pages_read[-1].following is not None:
            after = pages_read[-1].following if pages_read else None
            pages_read.append(search(connection, Reader(agency, frozenset(), NOW), word, limit, after))
    return pages_read


def test_pages_tell_of_nothing_unseen_and_follow_each_other(ledger: Ledger) -> None:
    """With and without hundreds of words of others' cases that begin likewise, a reader is given the same pages. Each
    hit comes once, ids first, however small they are: by beginnings, parts of words, and names."""
    mine = Case("mine").open(clerk(LAB), case_number="paper m 1")
    for number in ("paper m 2", "paper z 3"):
        mine.say(acts.CaseNumbered, clerk(LAB), case_number=number)
    ledger.post_all(mine.events)
    before = pages(ledger, LAB, "paper", 2)
    assert len(before) == 2
    theirs = Case("theirs", step=1).open(case_number="paper a")
    for number in range(300):
        theirs.say(acts.CaseNumbered, case_number=f"paper m 1{number}")
    ledger.post_all(theirs.events)
    assert pages(ledger, LAB, "paper", 2) == before
    for name, number in (("two", "2026刑初0418号"), ("case-1", "case-1")):
        ledger.post_all(Case(f"case-of-{name}").open(case_number=number).events)
    read = [page.hits for word in ("2026", "case-1") for page in pages(ledger, POLICE, word, 1)]
    assert [[f"{hit.kind} {hit.case_id}" for hit in hits] for hits in read] == [
        ["case_number case-1"],
        ["case_number case-of-two"],
        ["document case-1"],
        ["case case-1"],
        ["case_number case-of-case-1"],
    ]
    for number in ("a", "b", "c"):
        recorded(ledger, f"case-{number}", step=ord(number))
    for word in ("刑初", "phone", "2026", "张三"):
        (whole,) = pages(ledger, PROCURATORATE, word, 100)
        assert len(whole.hits) >= 4, word
        assert [hit for page in pages(ledger, PROCURATORATE, word, 1) for hit in page.hits] == list(whole.hits), word


def test_only_officers_are_remembered() -> None:
    """Each event names one; descriptions and digests hardly come again, and would take their place and much room."""
    search_of_store._officer_pieces.cache_clear()
    case = Case().open()
    case.act(replace(registration("phone"), description="甲" * 1000))
    events = [event.event for event in case.events]
    words = [row["kind"] for event in events for _, row in search_of_store.projections(event, 0, None)]
    assert {"officer", "description", "case_number"} <= set(words)
    assert search_of_store._officer_pieces.cache_info().currsize == len({event.officer for event in events})


@pytest.mark.parametrize("text", ["刑", "04", "a刑", "〔刑〕", "", "()"])
def test_too_short_to_be_searched_for(text: str) -> None:
    """One ideograph, or two characters that are not both ideographs, would be found everywhere."""
    assert not is_searchable(folded(text))


def test_names_are_found_by_those_who_may_read_them(ledger: Ledger) -> None:
    """Not by a former party, a supervisor or a stranger; not by what else is in the section; not among the words."""
    for name in ("张三", "三丰", "张三丰", " 张 三丰"):
        (hit,) = matches(ledger, name, PROCURATORATE).hits
        assert (hit.kind, hit.word, hit.case_id) == ("name", "张三丰", "case-1")
        for agency in (POLICE, COURT, LAB):
            assert matches(ledger, name, agency).hits == (), agency
    with ledger.database.read() as connection:
        supervising = Reader(COURT, frozenset((POLICE, PROCURATORATE)), NOW)
        assert search(connection, supervising, "张三丰", 9).hits == ()
        words = connection.execute(select(WORDS_TABLE.c.word)).scalars()
        assert not [word for word in words if "三丰" in word or "张三" in word]
    assert matches(ledger, "青石巷", PROCURATORATE).hits == ()


@pytest.mark.parametrize("indexed", [True, False], ids=["indexed", "not yet"])
def test_queries_that_go_by_indexes(sqlite: Ledger, indexed: bool) -> None:
    """However large the log, no table is gone through, whether the parts of the words are stored or not yet."""
    recorded(sqlite)
    if indexed:
        index_words(sqlite.database)
    tables = "words|sections|entries|items|cases|case_agencies|handovers|word_parts|name_parts"
    for word in ("5a5a5a5a5a", "刑初", "0417号"):
        with sqlite.database.read() as connection:
            with noted(connection) as statements:
                search(connection, Reader(POLICE, frozenset((PROCURATORATE, COURT)), NOW), word, 9)
            steps = plan(connection, statements)
        assert [step for step in steps if re.match(f"SCAN ({tables})( |$)", step)] == [], word
        joined = " ".join(steps).replace("log_index>? AND ", "")
        assert "SEARCH rarest USING PRIMARY KEY (part=? AND log_index<?)" in joined, word
        by_kind = r"SEARCH (words|entries) USING .*\((kind|stream_kind)=\?\)"
        assert [step for step in steps if re.match(by_kind, step)] == [], word


def test_where_very_much_has_the_parts_the_words_are_gone_through_in_portions(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page ends where enough was looked at, and says so; the pages together have what one without a bound has."""
    for number in range(8):
        recorded(ledger, f"case-{number + 10}", step=number)
    index_words(ledger.database)
    whole = matches(ledger, "行账", PROCURATORATE, 100)
    assert (len(whole.hits), whole.following, whole.is_cut) == (9, None, False)
    for name, value in (("MOST_ENTRIES", 3), ("MOST_CASES", 3)):
        monkeypatch.setattr(word_parts, name, value)
        monkeypatch.setattr(search_of_store, "PORTION", 7)
        monkeypatch.setattr(search_of_store, "MOST_PORTIONS", 2)
        for limit in (1, 5, 100):
            read = pages(ledger, PROCURATORATE, "行账", limit)
            assert [hit for page in read for hit in page.hits] == list(whole.hits)
            assert {page.is_cut for page in read} == {True, False}
        assert [hit for page in pages(ledger, LAB, "行账", 5) for hit in page.hits] == []
        monkeypatch.undo()


TEXTS = (
    "刑初",
    "phone",
    "2026",
    "张三",
    "三丰",
    "0417号",
    "银行账号",
    "行账",
    "入户盗窃",
    "〔2026〕12",
    "色华",
    "华为手机",
)


def test_what_is_found_is_the_same_before_and_after_the_index_has_come(ledger: Ledger) -> None:
    """By the index, by what stands behind it, by both, and by a loop over all words and sections."""
    for number in range(3):
        recorded(ledger, f"case-{number + 10}", step=number)
    behind = {(agency, text): found(ledger, text, agency) for agency in (POLICE, PROCURATORATE, LAB) for text in TEXTS}
    assert index_words(ledger.database) > 0
    assert index_words(ledger.database) == 0
    words = {agency: visible_words(ledger, agency) for agency in (POLICE, PROCURATORATE, LAB)}
    for (agency, text), hits in behind.items():
        assert found(ledger, text, agency) == hits, (agency, text)
        expected = {(kind, word) for kind, word in words[agency] if folded(text) in word}
        assert {(kind, folded(word)) for kind, word, _, _ in hits if kind in WITHIN} == expected, (agency, text)
    recorded(ledger, "case-20", step=20)
    for text in ("行账", "三丰"):
        found_in = {case_id for _, _, case_id, _ in found(ledger, text, PROCURATORATE)}
        assert found_in == {"case-1", "case-10", "case-11", "case-12", "case-20"}, text


def found(ledger: Ledger, text: str, agency: str) -> list[tuple[str, str, str, int]]:
    return [(hit.kind, hit.word, hit.case_id, hit.index) for hit in matches(ledger, text, agency).hits]


def visible_words(ledger: Ledger, agency: str) -> set[tuple[str, str]]:
    """Kinds and words, of which any part is searched, of cases that the agency sees."""
    reader = Reader(agency, frozenset(), NOW)
    with ledger.database.read() as connection:
        rows = connection.execute(select(WORDS_TABLE)).all()
        case_ids = {row.case_id for row in rows}
        visible = {case_id for case_id in case_ids if sight(connection, case_id, reader) is not None}
    return {(row.kind, row.word) for row in rows if row.case_id in visible and row.kind in WITHIN}


def test_the_parts_of_an_erased_name_are_gone(ledger: Ledger) -> None:
    """With the section, in whatever order index and erasure come, and nothing of them is stored anywhere else; from the
    entry on that erases it, the name is found no longer."""
    for case_id, early in (("case-early", True), ("case-late", False)):
        case = recorded_case(case_id, step=61)
        naming = case.events[2]
        case.erase(naming.ref, "person:1", supervisor(PROCURATORATE), authority=GROUND)
        ledger.post_all(case.events[:-2])
        ledger.post(case.events[-2])
        if early:
            index_words(ledger.database)
        assert [hit.case_id for hit in matches(ledger, "张三丰", PROCURATORATE).hits] == ["case-1", case_id]
        ledger.post(case.last)
        assert [hit.case_id for hit in matches(ledger, "张三丰", PROCURATORATE).hits] == ["case-1"]
    index_words(ledger.database)
    with ledger.database.read() as connection:
        parts = [*connection.execute(select(NAME_PARTS.c.part, NAME_PARTS.c.log_index))]
        indices = connection.execute(select(ENTRIES.c.log_index).where(ENTRIES.c.event_type == NAMING)).scalars().all()
    assert sorted(part for part, _ in parts) == ["三丰", "张三", "张三丰"]
    assert {index for _, index in parts} < set(indices)
    assert [hit.case_id for hit in matches(ledger, "张三丰", PROCURATORATE).hits] == ["case-1"]


def test_the_parts_of_a_name_stay_that_another_section_has(ledger: Ledger) -> None:
    """An entry may have several sections with names: what one of them shares with the erased one is found by it."""
    case = Case("case-aka", step=61).open()
    sections = {"person:1": section("person:1", name="王小明明"), "note": section("note", name="小明")}
    naming = acts.PersonNamed(person_id=person_id("wang"), role="suspect", section="person:1")
    ref = case.act(naming, sections=sections).last.ref
    case.register("tablet").offer("tablet", to=PROCURATORATE, persons=("wang",)).accept()
    case.erase(ref, "person:1", supervisor(PROCURATORATE), authority=GROUND)
    ledger.post_all(case.events[:-2])
    ledger.post(case.events[-2])
    index_words(ledger.database)
    ledger.post(case.last)
    index_words(ledger.database)
    assert findings_of(ledger) == ()
    assert [hit.word for hit in matches(ledger, "小明", PROCURATORATE).hits] == ["小明"]
    with ledger.database.read() as connection:
        parts = {*connection.execute(select(NAME_PARTS.c.part)).scalars()}
    assert {"小明", "王小", "明明"} & parts == {"小明"}


def stored_parts(ledger: Ledger) -> list[tuple[str, int]]:
    with ledger.database.read() as connection:
        rows = (connection.execute(select(table.c.part, table.c.log_index)) for table in (WORD_PARTS, NAME_PARTS))
        return sorted((part, index) for some in rows for part, index in some)


def test_an_index_by_other_rules_is_made_anew(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after an upgrade by which texts have other parts: all is found at once, and an audit accuses nobody of what
    was stored before."""
    index_words(ledger.database)
    before = stored_parts(ledger)
    hits = {text: found(ledger, text, PROCURATORATE) for text in TEXTS}

    def other_parts(word: str) -> set[str]:
        return {part[::-1] for part in parts_of(word)}

    for module in (word_parts, search_of_store):
        monkeypatch.setattr(module, "parts_of", other_parts)
    monkeypatch.setattr(search_of_store, "PARTS_MARK", f"{search_of_store.PARTS_FORMAT} 99.0.0")
    monkeypatch.setattr(word_parts, "MOST_DELETED", 5)  # a transaction for some of the rows at a time
    assert findings_of(ledger) == ()
    assert {text: found(ledger, text, PROCURATORATE) for text in TEXTS} == hits
    assert index_words(ledger.database) > 0
    assert stored_parts(ledger) == sorted((part[::-1], index) for part, index in before)
    assert findings_of(ledger) == ()
    assert {text: found(ledger, text, PROCURATORATE) for text in TEXTS} == hits


@pytest.mark.parametrize(
    ("each_database_url", "older"),
    [("sqlite", "0 99.0.0"), ("sqlite", "1 9.0.0"), ("postgresql", "1"), ("sqlite", "no mark")],
    indirect=["each_database_url"],
)
def test_services_by_other_rules_do_not_delete_each_others_index(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, older: str
) -> None:
    """That of the newer rules stays as it is, the other one leaves it and finds all the same."""
    own = search_of_store.PARTS_MARK
    monkeypatch.setattr(search_of_store, "PARTS_MARK", older)
    assert index_words(ledger.database) > 0
    hits = {text: found(ledger, text, PROCURATORATE) for text in TEXTS[::4]}
    monkeypatch.setattr(search_of_store, "PARTS_MARK", own)
    assert index_words(ledger.database) > 0
    for mark in (older, own):
        monkeypatch.setattr(search_of_store, "PARTS_MARK", mark)
        assert index_words(ledger.database) == 0
        assert {text: found(ledger, text, PROCURATORATE) for text in TEXTS[::4]} == hits
    assert findings_of(ledger) == ()


def test_rules_that_change_have_another_number() -> None:
    """Which fields are searched is as with this format: raise it with the digest that is the new one's."""
    fields = [sorted(search_of_store._KINDS.items()), search_of_store.WITHIN, sorted(search_of_store.WITH_PARTS)]
    assert (search_of_store.PARTS_FORMAT, blake3_text(canonical.encode(fields))) == (
        2,
        "blake3:99eca1df7bdcfc927d66e27606dbceaac2bf47948b400e0c7510d68d524df394",
    )


@pytest.mark.parametrize(
    ("column", "index", "part"), [(ENTRIES.c.payload, 9, "盗窃"), (SECTIONS.c.data, 11, "三丰")], ids=str
)
def test_an_entry_that_cannot_be_read_is_indexed_once_it_can(
    ledger: Ledger, column: Column[bytes], index: int, part: str
) -> None:
    """The index goes no further than to it: whoever restores its bytes finds it, and an audit accuses nobody."""
    at_entry = column.table.c.log_index == index
    with ledger.database.write() as connection:
        stored = connection.execute(select(column).where(at_entry)).scalar_one()
        connection.execute(update(column.table).where(at_entry).values({column: b"{}"}))
    for _ in range(2):
        index_words(ledger.database)
        with ledger.database.read() as connection:
            assert word_parts.position(connection, search_of_store.PARTS_MARK) == index - 1
        assert all(before < index for _, before in stored_parts(ledger))
    assert [hit.kind for hit in matches(ledger, "行账").hits] == ["account"]
    with ledger.database.write() as connection:
        connection.execute(update(column.table).where(at_entry).values({column: stored}))
    index_words(ledger.database)
    assert findings_of(ledger) == ()
    assert (part, index) in stored_parts(ledger)


def test_an_audit_finds_parts_that_are_missing_and_names_that_should_be_gone(ledger: Ledger) -> None:
    """Whoever takes a row out of the index hides what it leads to; one of a name that is not there tells of it."""
    index_words(ledger.database)
    assert findings_of(ledger) == ()
    with ledger.database.write() as connection:
        removed = connection.execute(delete(WORD_PARTS).where(WORD_PARTS.c.part == "盗窃")).rowcount
        connection.execute(delete(NAME_PARTS).where(NAME_PARTS.c.part == "三丰"))
        connection.execute(NAME_PARTS.insert(), {"part": "李四", "log_index": 0})
    assert removed == 1
    findings = sorted((finding.step, finding.what) for finding in findings_of(ledger))
    # The name's entry is 11 here, that of the case 9.
    assert findings == [("models", "name_parts 三丰 11"), ("models", "word_parts 盗窃 9"), ("payloads", "name_parts")]
