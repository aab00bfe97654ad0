"""Which version of a procedure is in force: what an adoption changes, and what it leaves as it was."""

from __future__ import annotations

import pytest

from ledger.core.custody import Act, fold
from ledger.core.custody.fold import book_of
from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import MalformedInput
from ledger.core.events import case
from ledger.core.procedure.adoption import NOT_YET, Procedures, publication_of
from ledger.core.procedure.package import canonical_form, decode_package
from ledger.core.signing.authority import with_traits
from ledger.procedures import shipped_package
from tests.testkit.builders import POLICE, PROCURATORATE, Registry, clerk, refused
from tests.testkit.casework import Case, detained

FILES = shipped_package("cn-criminal")


def package_text(*changes: tuple[str, str], version: int = 1) -> bytes:
    """Return the canonical form of the shipped package with these changes of its files."""
    edits = [("version = 1\n", f"version = {version}\n"), *changes]
    files = {}
    for name, data in FILES.items():
        text = data.decode()
        for old, new in edits:
            text = text.replace(old, new)
        files[name] = text.encode()
    return canonical_form(files)


def adopted(*texts: bytes | None, at: int = 10) -> Procedures:
    """Return the procedures of a log that adopted these texts at ``at``, ``at + 10`` and so on."""
    procedures = Procedures()
    for number, text in enumerate(texts):
        procedures = procedures.adopt(blake3_text(text or b"lost"), at + 10 * number, text)
    return procedures


FIRST = package_text()
SECOND = package_text(('period = "3 d"', 'period = "5 d"'), version=2)


def test_a_version_is_in_force_after_its_adoption_until_the_next() -> None:
    """The entry that adopts is not judged by what it adopts, nor is any before it."""
    procedures = adopted(FIRST, SECOND)
    versions = {
        index: {name: book.procedure.version for name, book in procedures.at(index).items()}
        for index in (0, 10, 11, 20, 21, NOT_YET)
    }
    first, second = {"cn-criminal": 1}, {"cn-criminal": 2}
    assert versions == {0: {}, 10: {}, 11: first, 20: first, 21: second, NOT_YET: second}
    assert procedures.current == procedures.at(NOT_YET)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "no entry before its adoption has its text"),
        (b'{"procedure":{}}', "order"),
        (package_text(('period = "3 d"', 'period = "4 d"')), "version 1 is in force, and this is version 1"),
    ],
)
def test_an_unusable_version_is_kept_and_changes_nothing(text: bytes | None, reason: str) -> None:
    """No text, no package, no newer version, a word taken away: what was in force stays in force."""
    before = adopted(FIRST)
    digest = blake3_text(text or b"lost")
    procedures = before.adopt(digest, 20, text)
    unusable = procedures.versions[-1]
    assert (unusable.digest, unusable.index, unusable.book) == (digest, 20, None)
    assert reason in str(unusable.fault)
    assert procedures.current == before.current


def test_a_version_keeps_every_word_of_the_one_before() -> None:
    """A case that has the word would be left without its meaning; with one word more there is no fault."""
    more = package_text(("[remedies]\n", '[remedies]\nphone = { label = { en = "phone", zh = "电话" } }\n'), version=3)
    assert adopted(FIRST, more).versions[-1].fault is None
    less = adopted(more, package_text(version=4)).versions[-1]
    assert str(less.fault) == "the version in force has the word phone, which this one lacks"


def test_a_false_text_is_not_taken_for_what_was_adopted() -> None:
    """The service publishes texts, and the agencies adopt digests: another text than theirs is not in force."""
    procedures = Procedures().adopt(blake3_text(FIRST), 10, SECOND)
    assert (procedures.current, str(procedures.versions[-1].fault)) == (
        {},
        "the text that was published for it has another digest",
    )


def test_the_same_version_may_be_adopted_once_more() -> None:
    """The version stays in force, and nothing else changes."""
    assert adopted(FIRST, FIRST).current == adopted(FIRST).current


def test_kinds_of_agencies_have_the_traits_that_any_procedure_in_force_gives() -> None:
    """None before the first adoption; ``last_index`` tells of the newest one."""
    assert (Procedures().traits, Procedures().last_index) == ({}, -1)
    assert adopted(FIRST).traits == Procedures.of(decode_package(FIRST)).traits
    assert adopted(FIRST, None).last_index == 20


def test_agencies_have_the_traits_of_their_kinds_by_what_is_in_force() -> None:
    """Those that were admitted before the procedure was adopted, too; a kind that it does not know has none."""
    admitted = Registry().admit(POLICE, PROCURATORATE).authority
    none = with_traits(admitted, {})
    assert {agency.traits for agency in none.agencies.values()} == {frozenset()}
    mended = with_traits(none, adopted(FIRST).traits)
    assert mended.agencies == admitted.agencies
    assert mended.traits == adopted(FIRST).traits


def test_a_publication_says_what_its_text_says() -> None:
    """Id, version and digest are of the text."""
    body = publication_of(SECOND)
    assert (body.procedure, body.version, body.digest) == ("cn-criminal", 2, blake3_text(SECOND))
    with pytest.raises(MalformedInput):
        publication_of(b"{}")


def test_a_case_is_judged_by_its_own_procedure() -> None:
    """An opening names a procedure that has a version in force; what follows has none to name."""
    payload = Case().open().last.event
    assert book_of(None, payload, adopted(FIRST).current).procedure.id == "cn-criminal"
    with refused("unknown_procedure", field="payload.body.procedure"):
        book_of(None, payload, adopted(FIRST).at(3))
    opened = Case().open().name("li")
    assert book_of(opened.state, opened.last.event, adopted(FIRST, SECOND).current).procedure.version == 2
    with refused("not_opened", field="envelope.event_type"):
        book_of(None, opened.last.event, adopted(FIRST).current)


def test_what_is_split_off_stays_under_its_procedure() -> None:
    """A case of another procedure need not have the words of what comes to it."""
    opened = Case().open().name("li")
    opened.say(case.CaseSplit, new_case_id="case-2", person_ids=(), ground="another deed")
    with refused("other_procedure", field="payload.body.split_from"):
        Case("case-2", start=opened.now).open(
            procedure="evidence", split_from=opened.last.ref, source=opened.state, by=clerk(POLICE)
        )


def test_an_adoption_changes_no_state_of_acts_before_it() -> None:
    """The same log judged again: clocks that ran keep row and digest, later ones have the new row."""
    procedures = adopted(FIRST, SECOND, at=-1)
    early, late = detained("li"), detained("li")
    late.name("wang").impose("wang", "detention")
    by_index = [procedures.at(0)] * len(early.events) + [procedures.at(15)] * 2
    state, states = None, []
    for event, in_force in zip(late.events, by_index, strict=True):
        book = book_of(state, event.event, in_force)
        state = fold(state, Act(event.event, book)).state
        states.append(state)
    alone = adopted(FIRST, at=-1)
    before = None
    for event, expected in zip(late.events, states[: len(early.events)], strict=False):
        book = book_of(before, event.event, alone.current)
        before = fold(before, Act(event.event, book)).state
        assert before == expected
    clocks = [clock for clock in states[-1].clocks.values() if clock.name == "arrest_request"]
    assert [(clock.procedure, clock.period) for clock in clocks] == [
        (blake3_text(FIRST), "3 d"),
        (blake3_text(SECOND), "5 d"),
    ]
