"""The clocks that ship give the time that the law gives: the table was written from the statutes, not the rules."""

from __future__ import annotations

import pytest

from ledger.core.procedure.faults import lacks_source, rows_with_articles
from ledger.core.procedure.package import read_package
from ledger.core.procedure.rulebook import ClockRule, FlagRule
from ledger.procedures import SHIPPED, shipped_package, shipped_rulebook

# Each clock with its article, its time (the first that fits) and what its time may be extended by: + adds, = comes to
# in all, "" is as long as the paper says.
LONGER_REVIEW = {"grave_complex_case": "+15 d", "fast_track_over_one_year": "=15 d"}
LAW: dict[str, tuple[str, list[str], dict[str, str]]] = {
    "detention_house_admission": ("CPL 85", ["24 h"], {}),
    "first_interrogation": ("CPL 86", ["24 h"], {}),
    "family_notice": ("CPL 85", ["24 h"], {"notice_exception": "", "notice_exception_procuratorate": ""}),
    "arrest_request": ("CPL 91", ["3 d"], {"special_circumstances": "+4 d", "roaming_repeated_gang": "=30 d"}),
    "arrest_decision": ("CPL 91", ["7 d", "15 d"], {"complex_case": "=20 d"}),
    "investigation_custody": (
        "CPL 156",
        ["2 m"],
        {"complex_case": "+1 m", "grave_complex_case": "+2 m", "ten_years_or_more": "+2 m", "trial_postponed": ""},
    ),
    "bail_limit": ("CPL 79", ["12 m"], {}),
    "surveillance_limit": ("CPL 79", ["6 m"], {}),
    "prosecution_review": ("CPL 172", ["10 d", "1 m"], LONGER_REVIEW),
    "prosecution_review_anew": ("CPL 172", ["10 d", "1 m"], LONGER_REVIEW),
    "supplementary_investigation": ("CPL 175", ["1 m"], {}),
    "commission_measure_decision": ("CPL 170", ["10 d"], {"special_circumstances": "+4 d"}),
    "court_acceptance": ("SPC interpretation 219", ["7 d"], {}),
    "first_instance": (
        "CPL 208",
        ["20 d", "10 d", "2 m"],
        {
            "at_latest_three_months": "=3 m",
            "upper_court": "=6 m",
            "supreme_court": "+3 m",
            "summary_over_three_years": "=1 m 15 d",
            "fast_track_over_one_year": "=15 d",
        },
    ),
    "appeal_against_judgment": ("CPL 230", ["10 d"], {}),
    "appeal_against_ruling": ("CPL 230", ["5 d"], {}),
    "file_to_upper_court": ("SPC interpretation 381", ["3 d"], {}),
    "second_instance": ("CPL 243", ["2 m"], {"high_court": "+2 m", "supreme_court": "+3 m"}),
    "execution_papers": ("CPL 264", ["10 d"], {}),
    "transfer_to_prison": ("Prison Law 31", ["1 m"], {}),
    "community_correction_notice": ("Community Correction Law 20", ["5 d"], {}),
    "community_correction_papers": ("Community Correction Law 20", ["10 d"], {}),
    "community_correction_report": ("Community Correction Law 21", ["10 d"], {}),
    "freeze": ("police rules 243", ["6 m", "2 y", "1 y", "2 y", "6 m"], {"major_case": "=1 y"}),
    "data_freeze": ("data evidence rules 39", ["6 m"], {}),
    "data_release_notice": ("electronic data rules 12", ["3 d"], {}),
    "custody_change": ("custody change notice", [], {}),
    "reply_to_recommendation": ("recommendation rules 19", ["2 m"], {}),
    "reply_to_public_interest_recommendation": ("public interest interpretation 21", ["15 d", "2 m"], {}),
}
SET_BY_A_PARTY = {"remedy", "answer", "loan", "loan_to_agency"}  # whose day a paper sets, not the law
OF_THE_ARCHIVE = {"retention_of_case", "retention_of_item"}  # defaults of the package, which its adopters set
RULES = {rule.name: rule for rule in shipped_rulebook().clocks if rule.valid_until is None}


def extended(rule: ClockRule) -> dict[str, str]:
    return {
        extension.name: f"+{extension.adds}" if extension.adds else f"={extension.to}" if extension.to else ""
        for extension in rule.extensions
    }


def test_every_clock_of_the_law_ships_with_its_source() -> None:
    """Beside those whose day a party or an archive sets: each says in which text it stands."""
    assert RULES.keys() >= LAW.keys() | SET_BY_A_PARTY
    assert {name for name, rule in RULES.items() if not rule.source} == SET_BY_A_PARTY | OF_THE_ARCHIVE


@pytest.mark.parametrize("name", SHIPPED)
def test_no_row_that_rests_on_law_lacks_its_source(name: str) -> None:
    """Each article is of a law with its text, or of practice; what a law says holds from the law's first day on."""
    book = read_package(shipped_package(name))
    assert [path for path, row in rows_with_articles(book) if lacks_source(row, book)] == []
    for path, row in rows_with_articles(book):
        law = book.law_of(row.article) if row.article else None
        if isinstance(row, FlagRule) and law is not None and not law.practice:
            assert row.source, path  # the words themselves: a flag accuses somebody
    assert {law for law, row in book.laws.items() if bool(row.source) == row.practice} == set()


@pytest.mark.parametrize("name", LAW)
def test_a_clock_gives_the_time_of_its_article(name: str) -> None:
    """By its base and by each extension; the day from which the article holds is stated."""
    rule, (article, periods, extensions) = RULES[name], LAW[name]
    assert (rule.article, [base.period for base in rule.bases], extended(rule)) == (article, periods, extensions)
    assert "2000-01-01" <= rule.valid_from <= "2026-11-01"


@pytest.mark.parametrize(
    ("name", "start", "stop"),
    [
        ("execution_papers", "effective.judgment_effective", "offered.execution"),
        ("transfer_to_prison", "served.execution_notified", "decided.admitted_to_prison"),
        (
            "community_correction_notice",
            "effective.community_correction_ordered",
            "decided.community_correction_notified",
        ),
        ("community_correction_papers", "effective.community_correction_ordered", "offered.community_correction"),
        ("community_correction_report", "effective.community_correction_ordered", "received.community_correction"),
        ("prosecution_review_anew", "received.jurisdiction_transfer", "offered.public_prosecution"),
        ("reply_to_recommendation", "recommendation_received.other", "recommendation_answered.other"),
        ("file_to_upper_court", "passed.appeal_against_judgment", "offered.appeal"),
    ],
)
def test_clocks_after_the_trial_run_from_act_to_act(name: str, start: str, stop: str) -> None:
    """What starts each, and what is done in time by it."""
    assert start in RULES[name].starts
    assert stop in RULES[name].stops
