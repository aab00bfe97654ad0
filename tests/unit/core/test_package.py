"""A procedure package is data: complete, read strictly, with one row in force at a time, and one digest."""

from __future__ import annotations

import pytest

from ledger.core.errors import MalformedInput, RuleRefused
from ledger.core.events import case, handover
from ledger.core.procedure import package
from ledger.core.procedure.faults import lacks_source
from ledger.core.procedure.package import (
    MAX_BYTES,
    canonical_form,
    decode_package,
    differences,
    positions,
    read_package,
)
from ledger.core.procedure.rulebook import Rulebook
from ledger.procedures import SHIPPED, shipped_package, shipped_rulebook
from tests.testkit.builders import refused, refused_at
from tests.testkit.casework import Case, person_id

FILES = shipped_package()
WORDS = FILES["procedure.toml"].decode()
ZONE = FILES["cn-common/zone.toml"]


def procedure_of(rows: str = "flags = []\n", words: str = WORDS) -> Rulebook:
    """Return the procedure with the words of the shipped one, and these rows."""
    return read_package({"procedure.toml": words.encode(), "rows.toml": rows.encode(), "zone.toml": ZONE})


def flag(since: str, until: str = "") -> str:
    ending = f'valid_until = "{until}"\n' if until else ""
    words = 'article = "a"\nlabel = { en = "late", zh = "迟" }\n'
    return f'[[flags]]\nname = "odd_time"\nvalid_from = "{since}"\n{ending}{words}'


@pytest.mark.parametrize(
    ("row", "place", "message"),
    [
        ('a = { label = { en = "Taken Back", zh = "甲" } }', "outcomes.b", "a is called 'taken  back' as well"),
        ('a = { label = { en = "x", zh = "乙\u200d" } }', "outcomes.b", "a is called"),
        ('a = { label = { en = "x\u200by", zh = "甲" } }', "outcomes.a.label", "that a reader sees"),
        ('a = { label = { en = "x\\ny", zh = "甲" } }', "outcomes.a.label", "that a reader sees"),
        (f'a = {{ label = {{ en = "{"x" * 201}", zh = "甲" }} }}', "outcomes.a.label", "at most 200"),
    ],
)
def test_words_are_told_apart_by_what_they_are_called(row: str, place: str, message: str) -> None:
    """Whoever signs a word reads its label: no two of a vocabulary read the same, and each is one line to be seen."""
    same_word = '\nb = { label = { en = "taken  back", zh = "乙" } }\n'
    with pytest.raises(MalformedInput, match=message) as caught:
        procedure_of(words=WORDS.replace("\n[outcomes]\n", f"\n[outcomes]\n{row}{same_word}"))
    assert (caught.value.field or "").endswith(place)


@pytest.mark.parametrize(
    ("day", "holds"), [("2025-12-31", False), ("2026-01-01", True), ("2026-02-28", True), ("2026-03-01", False)]
)
def test_a_row_holds_from_its_first_day_to_before_its_last(day: str, holds: bool) -> None:
    """valid_from <= day < valid_until."""
    assert ("odd_time" in procedure_of(flag("2026-01-01", "2026-03-01")).in_force(day)) == holds


def test_a_row_without_end_holds_on() -> None:
    """A rule that nothing has amended is in force on every later day; one that has no row is never."""
    book = procedure_of(flag("2026-01-01"))
    assert "odd_time" in book.in_force("2999-12-31")
    assert "backdated" not in book.in_force("2999-12-31")


@pytest.mark.parametrize(
    ("rows", "place", "message"),
    [
        ("flags = [", "rows.toml", "not TOML"),
        ("", "procedure.toml: flags", "flags"),
        ("flags = []\ndigest = 'blake3:00'\n", "rows.toml:2: digest", "computed"),
        ("flags = []\norder = {}\n", "rows.toml:2: order", "computed"),
        ("flags = []\ncolour = 'red'\n", "rows.toml:2: colour", "colour"),
        ("flags = []\nlines = {}\n", "rows.toml", "stands in procedure.toml already"),
        ("flags = []\nclocks = [1.5]\n", "rows.toml: clocks[0]", "a whole number"),
        ("flags = []\nclocks = [2026-01-01]\n", "rows.toml: clocks[0]", "a whole number"),
        (
            flag("2026-01-01").replace("odd_time", "odd_tim"),
            "rows.toml:2: flags[0].name",
            "Expected one of returned_too_often, .* not 'odd_tim'",
        ),
        (flag("2026-01-01") + "colour = 'red'\n", "rows.toml:6: flags[0].colour", "colour"),
        (flag("2026-02-30"), "rows.toml:3: flags[0].valid_from", "calendar date.*for example 2026-03-01"),
        (flag("2026-01-01") + flag("2026-02-01"), "rows.toml:6: flags[1]", "2026-02-01"),
        (flag("2026-01-01", "2026-02-01") + flag("2026-01-31"), "rows.toml:7: flags[1]", "2026-01-31"),
        (flag("2026-01-01", "2026-01-01"), "rows.toml:1: flags[0]", "ends before it begins"),
        (
            'flags = []\n[days_off.2027]\nholidays = ["2026-01-01"]\n',
            "rows.toml:3: days_off.2027.holidays",
            "expected days of 2027",
        ),
        (
            'flags = []\n[days_off.2026]\nholidays = ["2026-12-06"]\nmake_up_days = ["2026-12-06"]\n',
            "rows.toml:4: days_off.2026.make_up_days",
            "2026-12-06 is among `holidays` too",
        ),
        (
            'flags = []\n[days_off.2026]\nholidays = []\nmake_up_days = ["2026-01-05"]\n',
            "rows.toml:4: days_off.2026.make_up_days",
            "2026-01-05 is no Saturday or Sunday",
        ),
        (
            flag("2026-01-01").replace("odd_time", "frozen_twice") + "limit = 2\n",
            "rows.toml:6: flags[0].limit",
            "no limit",
        ),
        (
            flag("2026-01-01").replace("odd_time", "late_entry"),
            "rows.toml:1: flags[0].limit",
            "by it the flag is raised",
        ),
        (
            flag("2026-01-01") + '[laws]\na = { valid_from = "2026-01-02" }\n',
            "rows.toml:3: flags[0].valid_from",
            "from 2026-01-02 on",
        ),
        (
            flag("2026-01-01").replace(', zh = "迟"', ""),
            "rows.toml:5: flags[0].label",
            "each of these languages: en, zh",
        ),
        (
            flag("2026-01-01") + 'unconfirmed = { en = "the article" }\n',
            "rows.toml:6: flags[0].unconfirmed",
            "each of these languages: en, zh",
        ),
        (
            flag("2026-01-01").replace('zh = "迟"', 'zh = " "'),
            "rows.toml:5: flags[0].label",
            "each of these languages: en, zh",
        ),
        (
            "flags = []\n[units.piece]\nlabel = { en = 'piece', zh = '件' }\nmany = { fr = 'pièces' }\n",
            "rows.toml:4: units.piece.many",
            "one or more of these languages: en, zh",
        ),
        (
            "flags = []\n[laws.CPP]\nnames = { en = 'article {}, no. {}' }\n",
            "rows.toml:3: laws.CPP.names.en",
            "expected {} at most once",
        ),
        ("flags = []\n[laws.CPP]\nnames = { en = 'article {n}' }\n", "rows.toml:3: laws.CPP.names.en", "at most once"),
        ("flags = []\n[laws.CPP]\nnames = { en = 'article { ' }\n", "rows.toml:3: laws.CPP.names.en", "at most once"),
    ],
)
def test_rows_that_are_not_whole_are_refused(rows: str, place: str, message: str) -> None:
    """Unreadable text, missing or unknown rows and rows that overlap are refused by file, line and key."""
    with refused_at(place, match=message):
        procedure_of(rows)


@pytest.mark.parametrize(
    ("old", "new", "key", "message"),
    [
        ('moves = "custody"', 'moves = "nothing"', "purposes.arrest_approval.moves", "nothing"),
        ("\nbail = ", "\nBail = ", "measures.Bail", "a word: a-z, 0-9 and underscores"),
        ("\nreturn = ", "\ngift = ", "purposes", "every procedure has the purpose return"),
        ("\nclosed = ", "\nended = ", "stages", "every procedure has the stage closed"),
        (
            '\nother = { label = { en = "other, see',
            '\nelse = { label = { en = "other, see',
            "reasons",
            "reason_code other",
        ),
        ("locks_up", "locks", "measures.detention.locks", "locks"),
        ('proceeds = "property"', 'proceeds = "gold"', "disposals.sold_early.proceeds", "no item_kind is called gold"),
        (
            "after = { commission_detention",
            "after = { prison",
            "measures.detention.after",
            "no measure is called prison",
        ),
        (
            'for = ["supplementary_investigation"',
            'for = ["divination"',
            "reasons.facts_unclear.for",
            "no purpose is called divination",
        ),
        ('stage = "execution"', 'stage = "grave"', "purposes.execution.stage", "no stage is called grave"),
        (
            'filing_review = "investigation"',
            'grave = "execution"',
            "decisions.case_filed.enters",
            "no stage is called grave",
        ),
        ('from = ["court"]', 'from = ["bank"]', "purposes.remand.from", "no agency_kind is called bank"),
        ('to = ["court"]', 'to = ["bank"]', "purposes.public_prosecution.to", "no agency_kind is called bank"),
        ('en = "bail", ', "en = 1, ", "measures.bail.label.en", "Expected `str`"),
        ('en = "bail", ', "", "measures.bail.label", "each of these languages"),
    ],
)
def test_words_that_are_not_whole_are_refused(old: str, new: str, key: str, message: str) -> None:
    """By the key that is wrong, in the file and on the line that has it."""
    assert old in WORDS
    with pytest.raises(MalformedInput, match=message) as caught:
        procedure_of(words=WORDS.replace(old, new))
    file, _, place = str(caught.value.field).partition(":")
    line, _, named = place.partition(": ")
    assert (file, named) == ("procedure.toml", key)
    text = WORDS.replace(old, new).splitlines()[int(line) - 1]
    assert text.startswith(key.split(".")[1] if "." in key else f"[{key}]")


def test_a_package_needs_its_main_file() -> None:
    """And at most so many bytes, since it becomes an entry of the log."""
    with refused_at("procedure.toml", match="has a file procedure.toml"):
        read_package({"rows.toml": b"flags = []\n"})
    with refused_at("procedure.toml", match="at most 524288 bytes"):
        procedure_of(f'flags = []\n[laws]\nlong = {{ source = "{"x" * MAX_BYTES}" }}\n')


def test_a_row_rests_on_the_law_of_its_article() -> None:
    """The article is the law itself, or has a number behind it; without a text of either, the row lacks its source."""
    laws = '[laws]\nrule = { source = "Rule book", valid_from = "2026-01-01" }\nhabit = { practice = true }\n'
    for article, lacks in {"rule 3": False, "rule": False, "habit": False, "custom 3": True, "": False}.items():
        book = procedure_of(flag("2026-01-01").replace('"a"', f'"{article}"') + laws)
        assert lacks_source(book.flags[0], book) == lacks, article
    stated = procedure_of(flag("2026-01-01") + 'source = "the text"\n')
    assert not lacks_source(stated.flags[0], stated)


def test_an_amendment_follows_on_the_day() -> None:
    """A row that begins on the day that another ends does not overlap it."""
    assert len(procedure_of(flag("2026-01-01", "2026-02-01") + flag("2026-02-01")).flags) == 2


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_package_is_one_procedure_in_both_forms(name: str) -> None:
    """Read from its files and from its canonical form, whose digest it has; other bytes of it are refused."""
    files = shipped_package(name)
    text = canonical_form(files)
    book, decoded = read_package(files), decode_package(text)
    assert decoded == book
    assert decoded.procedure.id == name
    assert [list(words) for words in decoded.vocabularies.values()] == [list(w) for w in book.vocabularies.values()]
    with pytest.raises(MalformedInput):
        decode_package(b" " + text)
    number = [row.name for row in book.flags].index("odd_time")
    with refused_at(f"flags[{number}].name"):
        decode_package(text.replace(b'"name":"odd_time"', b'"name":"late_entree"'))


def test_the_digest_is_of_what_the_files_say() -> None:
    """How the tables are spread over files, spaced and commented does not matter; any value does."""
    book = shipped_rulebook()
    spread = shipped_package("evidence")
    merged = b"\n".join(spread.values())
    assert read_package({"procedure.toml": b"# all in one file\n" + merged}).digest == read_package(spread).digest
    changed = FILES | {
        "procedure.toml": FILES["procedure.toml"].replace(b'zh = "\xe9\x80\xae\xe6\x8d\x95"', b'zh = "x"')
    }
    assert read_package(changed).digest != book.digest


def test_the_tables_are_what_the_files_say() -> None:
    """Labels are looked up by the names that the files have."""
    tables = shipped_rulebook().tables
    assert tables["procedure"]["id"] == "cn-criminal"
    assert tables["purposes"]["prosecution_review"]["label"]["zh"] == "移送审查起诉"
    assert {row["name"]: row["level"] for row in tables["flags"]}["late_entry"] == "noted"


def test_words_keep_their_order() -> None:
    """The canonical form states it: kinds of trial stand from the fastest to the slowest."""
    text = canonical_form(FILES)
    assert list(decode_package(text).trials) == list(shipped_rulebook().trials)
    quick, slow = b'"trials":["fast_track"', b'"trials":["fast_tack"'
    assert quick in text
    with refused_at("order", match="words of each table in their order"):
        decode_package(text.replace(quick, slow))
    with refused_at("order", match="words of each table in their order"):
        decode_package(text.replace(b'"order":{', b'"order":1,"orders":{'))


def test_an_included_table_adds_to_the_own_one() -> None:
    """What the package says itself goes before; identity and examples of the other one are left out."""
    shared = (
        '[procedure]\nid = "other"\n[lines]\ncriminal = { label = { en = "x", zh = "x" } }\n'
        'tax = { label = { en = "tax", zh = "税" } }\n' + flag("2020-01-01", "2026-01-01")
    )
    main = {"procedure.toml": WORDS.encode(), "rows.toml": flag("2026-01-01").encode(), "zone.toml": ZONE}
    book = read_package(main | {"x/words.toml": shared.encode()})
    assert book.procedure.id == "cn-criminal"
    assert book.lines["tax"].label["en"] == "tax"
    assert book.lines["criminal"].label["en"] == "criminal"
    assert [row.valid_from for row in book.flags] == ["2026-01-01", "2020-01-01"]
    with refused_at("x/words.toml:11: flags[1].label", match="each of these languages"):
        read_package(main | {"x/words.toml": shared.replace(', zh = "迟"', "").encode()})
    with refused_at("x/words.toml: lines", match="something else than a table"):
        read_package(main | {"x/words.toml": b"lines = 1\n"})


def test_positions_are_the_callers_own() -> None:
    """What a test does to them reaches no other one."""
    package.positions("a = 1").clear()
    assert package.positions("a = 1") == {("a",): 1}


def test_positions_are_those_of_the_text() -> None:
    """Of tables, arrays of tables in one another, dotted and quoted keys."""
    text = '# first\na = 1\n[t]\n"k" = 2\n[[r]]\nx = 1\n[[r.s]]\ny = 1\n[[r]]\n[[r.s]]\n[[r.s]]\ny.z = 2\n'
    assert positions(text) == {
        ("a",): 2,
        ("t",): 3,
        ("t", "k"): 4,
        ("r", 0): 5,
        ("r", 0, "x"): 6,
        ("r", 0, "s", 0): 7,
        ("r", 0, "s", 0, "y"): 8,
        ("r", 1): 9,
        ("r", 1, "s", 0): 10,
        ("r", 1, "s", 1): 11,
        ("r", 1, "s", 1, "y", "z"): 12,
    }


def test_a_word_that_the_procedure_does_not_have_is_refused() -> None:
    """By its place in the event, with the words that there are; in parts of an event, too."""
    written = Case().open().name("li")
    fields = {"measure_id": "m", "person_id": person_id("li"), "started_at": "2026-03-02T01:00:00Z", "ground": "x"}
    with pytest.raises(RuleRefused, match="the procedure has no measure tagging") as caught:
        written.say(case.MeasureImposed, measure="tagging", **fields)
    assert (caught.value.code, caught.value.field) == ("unknown_word", "payload.body.measure")
    assert "residential_surveillance" in str(caught.value.hint)
    line = case.ItemDecision(item_id="phone", disposal="eaten")
    with refused("unknown_word", field="payload.body.items[0].disposal"):
        decided = {"decision_id": "d", "number": "1", "decided_at": "2026-03-02T01:00:00Z"}
        written.register("phone").say(case.DecisionRecorded, kind="judgment", items=(line,), **decided)
    with refused("unknown_word", field="payload.body.reason_code"):
        written.say(handover.HandoverRefused, handover_id="h", reason_code="mood", remedy="rebind", explanation="x")


def test_two_packages_differ_in_their_parts() -> None:
    """Rows are compared by name and first day: one that only stands elsewhere is no difference."""
    main, first, second = FILES["procedure.toml"], flag("2026-01-01"), flag("2025-01-01")
    before = {"procedure.toml": main, "rows.toml": (first + second).encode()}
    moved = {"procedure.toml": main, "rows.toml": (second + first).encode()}
    assert list(differences(before, moved)) == []
    words = WORDS.replace('zh = "逮捕"', 'zh = "捕"').replace("\ntravel = ", "\nvoyage = ")
    differing = {key: (old, new) for key, old, new in differences(before, moved | {"procedure.toml": words.encode()})}
    assert differing["measures.arrest.label.zh"] == ('"逮捕"', '"捕"')
    assert differing["exclusions.voyage.label.en"] == ("", '"travel"')
    assert differing["exclusions.travel.label.en"] == ('"travel"', "")
    assert len(differing) == 5
