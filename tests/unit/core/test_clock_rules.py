"""Rows of clocks: what contradicts itself is refused before anything is counted by it."""

from __future__ import annotations

import pytest

from ledger.core.errors import MalformedInput
from ledger.core.procedure import rulebook
from ledger.core.procedure.deadlines import parse_periods
from ledger.core.procedure.legal_days import holds_on
from ledger.procedures import shipped_rulebook
from tests.testkit.builders import refused
from tests.unit.core.test_package import procedure_of

ROW = """
[[clocks]]
name = "review"
article = "CPL 172"
valid_from = "2018-10-26"
label = { en = "review", zh = "审查" }
per = "case"
starts = ["received.prosecution_review"]
"""
BACK = ROW.replace("received.prosecution_review", "decided.prosecuted")
BACK += 'counts_back = true\nbases = [{ period = "3 d" }]\n'
EXTENSION = """
[[clocks.extensions]]
name = "more"
article = "CPL 172"
label = { en = "more", zh = "更多" }
"""


def parse(rows: str) -> rulebook.Rulebook:
    return procedure_of("flags = []\n" + rows)


def test_every_clock_that_ships_can_start_be_counted_and_end() -> None:
    """The periods of all bases, and of all extensions that have one, can be parsed; what nothing stops would never be
    met."""
    for row in shipped_rulebook().clocks:
        texts = [base.period for base in row.bases]
        texts += [extension.adds or extension.to for extension in row.extensions if not extension.is_open]
        assert all(parse_periods(text) for text in texts)
    assert all(row.starts and row.stops for row in shipped_rulebook().clocks)


def test_a_trigger_finds_its_rows() -> None:
    """Provisional starts are starts too, and so are renewals."""
    early = 'provisional = ["offered.prosecution_review"]\nrenewals = ["freeze_renewed"]\n'
    book = parse(ROW + early + 'stops = ["decided.prosecuted"]\n')
    assert [row.name for row in book.started_by["received.prosecution_review"]] == ["review"]
    assert [row.name for row in book.started_by["offered.prosecution_review"]] == ["review"]
    assert [row.name for row in book.started_by["freeze_renewed"]] == ["review"]
    assert book.stopped_by == {"decided.prosecuted": frozenset(("review",))}
    assert "measure.arrest" in shipped_rulebook().triggers


@pytest.mark.parametrize(
    ("fault", "rows"),
    [
        ("no event triggers 'offered.lunch'", ROW + 'stops = ["offered.lunch"]\n'),
        ("no event triggers 'decided.presented': did you mean .*decided.", ROW + 'stops = ["decided.presented"]\n'),
        ("Expected a word: a-z, 0-9 and underscores", ROW.replace('name = "review"', 'name = "re-view"')),
        ("Expected a word: a-z, 0-9 and underscores", ROW.replace('name = "review"', 'name = ""')),
        ("no event triggers 'delivered'", ROW + 'provisional = ["delivered"]\n'),
        ("no event triggers 'renewed'", ROW + 'renewals = ["renewed"]\n'),
        ("both a clock in `rests` and why", ROW + 'rests = "review"\n'),
        ("both a clock in `rests` and why", ROW + 'rests_for = "travel"\n'),
        ("both a clock in `rests` and why", ROW + 'rests = "lunch"\nrests_for = "travel"\n'),
        ("a clock in `rests`", ROW + 'rests_at_most = "1 m"\n'),
        ("days, months or years", ROW + 'rests = "review"\nrests_for = "travel"\nrests_at_most = "24 h"\n'),
        ("no exclusion_ground is called lunch", ROW + 'exclusions = ["lunch"]\n'),
        ("expected days, as in '5 d'", ROW + EXTENSION + 'within_last = "1 m"\n'),
        ("no stage is called grave", ROW + 'starts_if = { stage = ["grave"] }\n'),
        ("no stage is called grave", ROW + 'starts_if = { unless = { stage = ["grave"] } }\n'),
        ("no agency_kind is called angels", ROW + 'starts_if = { by = ["angels"] }\n'),
        ("nothing answers grounds here", ROW + 'starts_if = { grounds = ["gang"] }\n'),
        (
            "nothing answers role here",
            ROW + 'bases = [{ period = "1 d", if = { role = ["victim"] } }, { period = "2 d" }]\n',
        ),
        ("nothing answers item_kind here", ROW + 'starts_if = { item_kind = ["exhibit"] }\n'),
        ("nothing answers to here", ROW + EXTENSION + 'if = { to = ["court"] }\n'),
        ("no event triggers", ROW.replace("received.prosecution_review", "lunch") + 'starts_if = { by = ["court"] }\n'),
        (
            "about the kind of trial or about the starting act",
            ROW + 'bases = [{ period = "1 d", if = { trial = ["summary"] } },'
            ' { period = "2 d", if = { by = ["court"] } }, { period = "3 d" }]\n',
        ),
        ("leave out its `if`", ROW + 'bases = [{ period = "1 m", if = { stage = ["execution"] } }]\n'),
        ("no qualifying_ground is called lunch", ROW + EXTENSION + 'adds = "1 d"\ngrounds = ["lunch"]\n'),
        ("no base is of 1 m", ROW + EXTENSION + 'of = "1 m"\n'),
        ("expected adds or to, not both", ROW + EXTENSION + 'adds = "1 m"\nto = "2 m"\n'),
        ("leave out `bases` or `prompt`", ROW + 'prompt = true\nbases = [{ period = "1 m" }]\n'),
        ("only hours, only working days", ROW + 'bases = [{ period = "1 m" }]\n' + EXTENSION + 'to = "24 h"\n'),
        ("only hours, only working days", ROW + 'bases = [{ period = "3 wd" }]\nmost = "1 m"\n'),
        ("days_off moves no end", ROW + 'bases = [{ period = "24 h" }]\ndays_off = "later"\n'),
        *(
            (f"{line.partition(' ')[0]} moves no end", BACK + line)
            for line in (
                'days_off = "earlier"\n',
                "start_counts = true\n",
                'month_end = "last_day"\n',
                'most = "1 d"\n',
            )
        ),
        ("a time in all counts from the start", ROW + EXTENSION + 'to = "2 m"\ncounts = "from_end"\n'),
        ("no extension of the clock is called other", ROW + EXTENSION + 'requires = "other"\n'),
        ("a label in each of these languages", ROW + 'at_end = { en = "it takes effect" }\n'),
        (
            "facts that start the clock",
            ROW + 'bases = [{ period = "1 m", if = { fact = ["frozen"] } }, { period = "2 m" }]\n',
        ),
        ("two rows of review are in force on 2018-10-26", ROW + ROW),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(fault: str, rows: str) -> None:
    """The error names the row and what is wrong with it."""
    with pytest.raises(MalformedInput, match=fault) as caught:
        parse(rows)
    assert str(caught.value.field).startswith(("rows.toml:", "rows.toml: clocks[0]"))


def test_a_period_in_words_is_refused() -> None:
    """Only numbers of h, d, wd, m and y are periods."""
    with refused("malformed_input", field="rows.toml:10: clocks[0].bases[0].period", error=MalformedInput):
        parse(ROW + 'bases = [{ period = "a month" }]\n')


def test_an_amended_row_starts_where_the_old_one_ends() -> None:
    """A clock of the old row keeps it."""
    old = ROW + 'valid_until = "2027-01-01"\nbases = [{ period = "1 m" }]\n'
    new = ROW.replace("2018-10-26", "2027-01-01") + 'bases = [{ period = "2 m" }]\n'
    book = parse(old + new)
    assert [row.valid_from for row in book.clocks if holds_on(row, "2026-12-31")] == ["2018-10-26"]
    assert [row.valid_from for row in book.clocks if holds_on(row, "2027-01-01")] == ["2027-01-01"]
