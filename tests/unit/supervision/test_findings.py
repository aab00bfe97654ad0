"""Findings: the same rows give the same bytes, in whatever order they come; a row that is no finding is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from random import Random
from typing import Any

import msgspec
import pytest

from ledger.core.errors import MalformedInput
from ledger.core.events.supervision import BilingualText
from ledger.procedures import shipped_rulebook
from ledger.supervision.models.definition import fill_text, text_of
from ledger.supervision.models.model_file import parse_model
from ledger.supervision.models.sql_guard import QueryRefused
from ledger.supervision.runs import findings
from ledger.supervision.runs.findings import find
from ledger.supervision.runs.query_session import Limits, QuerySession
from tests.unit.supervision.modelling import AS_OF, SOUND, changed, keys_found, with_condition, with_sql

ZONE = shipped_rulebook().zone

OFFER = {"status": "offered", "to_agency": "pro-east", "offered_at": datetime(2026, 3, 1, 2)}  # noqa: DTZ001 - as columns have it


# What the guide shows of the language.
TRUE = (
    'legal_day(row.offered_at) == "2026-03-01"',
    'days("2026-02-27", legal_day(row.offered_at)) == 2',
    "legal_day(row.answered_at) == null",
    "days(legal_day(row.answered_at), legal_day(as_of)) == null",
    'row.persons.exists(one, one == "p1")',
    '"p1" in row.persons',
    'as_of - row.offered_at > duration("24h")',
    'row.purpose in ["loan", "return"]',
    'row.to_agency.startsWith("pro-")',
    "row.items == 2",
    "row.moves_case",
    "size(row.evidence) == 1",
    "row.items % 2 == 0",
)


def offers(count: int) -> list[dict[str, Any]]:
    return [OFFER | {"case_id": f"c{n % 7}", "handover_id": f"h{n}", "evidence": [f"e{n}"]} for n in range(count)]


def test_findings_are_the_same_bytes_in_whatever_order_rows_come() -> None:
    """Leads are re-derived from them elsewhere."""
    model = parse_model(SOUND)
    encoded = set()
    for seed in range(5):
        rows = offers(40)
        Random(seed).shuffle(rows)
        with QuerySession.of_rows({"handovers": rows}) as session:
            encoded.add(msgspec.json.encode(find(model, {}, session, AS_OF)))
    assert len(encoded) == 1


def test_a_finding_holds_its_row_in_one_spelling() -> None:
    """Empty columns are left out, times are UTC, evidence is apart."""
    with QuerySession.of_rows({"handovers": offers(1)}) as session:
        (finding,) = find(parse_model(SOUND), {"days": "5"}, session, AS_OF)
    assert finding.values == {
        "case_id": "c0",
        "handover_id": "h0",
        "status": "offered",
        "to_agency": "pro-east",
        "offered_at": "2026-03-01T02:00:00Z",
    }
    assert (finding.case_id, finding.supervised, finding.evidence) == ("c0", "pro-east", ("e0",))
    assert finding.lead_id == "lead-" + finding.digest.removeprefix("blake3:")[:32]


def test_rows_of_one_key_are_one_finding_with_the_evidence_of_all() -> None:
    """A lead is raised once; what it rests on is whole."""
    text = with_sql("SELECT case_id, to_agency, handover_id AS last, evidence FROM handovers", key=["case_id"])
    rows = [OFFER | {"case_id": "c1", "handover_id": f"h{n}", "evidence": [f"e{n}", "e"]} for n in (3, 1, 2)]
    with QuerySession.of_rows({"handovers": rows}) as session:
        (finding,) = find(parse_model(text), {}, session, AS_OF)
    assert (finding.values["last"], finding.evidence) == ("h1", ("e", "e1", "e2", "e3"))


def test_a_finding_names_the_columns_of_its_words_in_which_its_rows_differ() -> None:
    """Of each finding, and counted; a column that its words do not say may differ."""
    text = with_sql("SELECT case_id, to_agency, handover_id AS last, evidence FROM handovers", key=["case_id"])
    text = text.replace("says: {zh: 线索, en: lead}", "says: {zh: '{case_id}', en: '{last}'}")
    with QuerySession.of_rows({"handovers": offers(9)}) as session:
        worded = find(parse_model(text), {}, session, AS_OF)
        silent = find(parse_model(text.replace("{last}", "{to_agency}")), {}, session, AS_OF)
    assert [finding.differing for finding in worded] == [("last",), ("last",), (), (), (), (), ()]
    assert findings.count_differing(worded) == {"last": 2}
    assert findings.count_differing(silent) == {}


def test_a_view_of_many_rows_is_gone_through_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A condition on each row finds every one of more rows than a session gives at once."""
    monkeypatch.setattr(findings, "ROWS_AT_ONCE", 1000)
    condition = "condition:\n  view: events\n  cel: row.sequence % 500 == 0\n"
    model = parse_model(with_condition(condition, key=["case_id", "sequence"], supervised="agency"))
    with QuerySession.of_rows({"events": []}, Limits(rows=1500)) as session:
        session._connection.execute(
            "INSERT INTO events (case_id, sequence, agency) "
            "SELECT 'c' || CAST(n // 10 AS VARCHAR), n, 'pro-east' FROM range(2001) AS numbers(n)"
        )
        keys = [finding.key["sequence"] for finding in find(model, {}, session, AS_OF)]
    assert sorted(map(int, keys)) == list(range(0, 2001, 500))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([OFFER | {"case_id": "c1", "handover_id": "h1", "to_agency": None}], "has nothing in its to_agency"),
        (
            [{"status": "offered", "offered_at": OFFER["offered_at"], "to_agency": "pro-east"}],
            "has nothing in its case_id",
        ),
    ],
)
def test_a_row_that_names_no_agency_or_nothing_is_no_finding(rows: list[dict[str, Any]], message: str) -> None:
    """Nobody could answer such a lead; it is not passed over in silence."""
    with pytest.raises(MalformedInput, match=message):
        keys_found(SOUND, {"handovers": rows})


@pytest.mark.parametrize("share", ["CAST('NaN' AS DOUBLE)", "1e308 * CAST(10 AS DOUBLE)"])
def test_a_value_that_no_lead_can_say_is_named_and_stops_no_other_row(share: str) -> None:
    """By its column; whose row it is, nobody reads."""
    share = f"CASE handover_id WHEN 'h1' THEN {share} ELSE 0.5 END AS share"
    text = with_sql(f"SELECT case_id, handover_id, to_agency, evidence, {share} FROM handovers")
    refused: list[findings.UnfitRow] = []
    with QuerySession.of_rows({"handovers": offers(3)}) as session:
        kept = find(parse_model(text), {}, session, AS_OF, refused=refused.append)
    assert [finding.key["handover_id"] for finding in kept] == ["h0", "h2"]
    (error,) = refused
    assert "the share of a row: infinity and NaN" in error.message
    assert "h1" not in error.message


@pytest.mark.parametrize(
    ("cel", "message", "hint"),
    [
        ("row.items > 3", "fails on a row", "Ask `row.items != null &&` before"),
        ("size(row.evidence)", "expected true or false", None),
        ("row.handover_id", "expected true or false", None),
        ("int(row.handover_id) == 1", "fails on a row", None),
    ],
)
def test_a_condition_that_is_neither_true_nor_false_is_refused(cel: str, message: str, hint: str | None) -> None:
    """With the row on which it failed, and what to ask before."""
    text = changed(
        ('row.status == "offered" && days(legal_day(row.offered_at), legal_day(as_of)) > parameters.days', cel)
    )
    with pytest.raises(QueryRefused, match=message) as refused:
        keys_found(text, {"handovers": offers(1)})
    assert "handover_id h0" in refused.value.message or hint
    assert hint is None or hint in (refused.value.hint or "")


def test_a_condition_knows_legal_days_lists_and_numbers() -> None:
    """What the guide says of the language is so."""
    cel = " && ".join(TRUE)
    text = with_condition(
        f"condition:\n  view: handovers\n  cel: |\n    {cel}\n", key=["handover_id"], supervised="to_agency"
    )
    row = offers(1)[0] | {"persons": ["p1"], "purpose": "loan", "items": 2, "moves_case": True}
    assert keys_found(text, {"handovers": [row]}) == [{"handover_id": "h0"}]


def test_quantities_and_days_compare_in_a_condition() -> None:
    """Decimals are numbers, days are text that sorts by time."""
    text = with_condition(
        'condition:\n  view: items\n  cel: row.quantity > 2.4 && row.frozen_until < "2026-03-02"\n',
        key=["item_id"],
        supervised="holder",
    )
    rows = [
        {"item_id": "i1", "holder": "a", "quantity": Decimal("2.5"), "frozen_until": date(2026, 3, 1)},
        {"item_id": "i2", "holder": "a", "quantity": Decimal("2.4"), "frozen_until": date(2026, 3, 1)},
        {"item_id": "i3", "holder": "a", "quantity": Decimal("2.5"), "frozen_until": date(2026, 3, 2)},
    ]
    assert keys_found(text, {"items": rows}) == [{"item_id": "i1"}]


def test_the_size_of_a_text_is_its_number_of_characters() -> None:
    """However many bytes each takes, and however it is asked; of a list it is that of its elements."""
    asked = (
        *(
            "size(row.description) == 6",
            "row.description.size() == 6",
            "size('size(张三') == 7",
            "size(row.evidence) == 2",
        ),
        *("['张三', 'b'].exists(one, size(one) == 2)", "size(row.seal_number) == null"),
    )
    condition = f"condition:\n  view: items\n  cel: |\n    {' && '.join(asked)}\n"
    row = {"item_id": "i1", "holder": "a", "description": "东城分局扣押", "evidence": ["e1", "e2"]}
    assert keys_found(with_condition(condition, key=["item_id"], supervised="holder"), {"items": [row]})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (12, "12"),
        (Decimal("12.500000"), "12.5"),
        (Decimal("-0.000000"), "0"),
        (Decimal("1E+2"), "100"),
        (Decimal("12345678901234567890123456789012.12345678"), "12345678901234567890123456789012.12345678"),
        (Decimal("0.000000010000000000"), "0.00000001"),
        (2 / 3, "0.666667"),
        (1e-9, "0"),
        (datetime(2026, 3, 1, 2, tzinfo=UTC), "2026-03-01T02:00:00Z"),
        (datetime(2026, 3, 1, 2, 0, 0, 500000), "2026-03-01T02:00:00.500000Z"),  # noqa: DTZ001
        (date(2026, 3, 1), "2026-03-01"),
        (["b", "a"], '["b","a"]'),
    ],
)
def test_each_value_has_one_spelling(value: object, text: str) -> None:
    """The protocol's: RFC 3339, ISO 8601, shortest decimals."""
    assert text_of(value) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), datetime.max.replace(tzinfo=UTC), b"bytes", {"a": 1}])
def test_what_has_no_spelling_is_refused(value: object) -> None:
    """Values without a spelling in the protocol are refused, never guessed at."""
    with pytest.raises(MalformedInput):
        text_of(value)


def test_a_lead_says_its_text_with_times_of_the_zone() -> None:
    """Columns and parameters stand in their places, what is empty is a dash, a longer text is cut."""
    text = BilingualText(zh="{item_id} 于 {at}，{days} 日，{none}", en="{item_id} at {at}, {days} days, {none}")
    filled = fill_text(text, {"item_id": "i{days}", "at": "2026-03-01T16:30:00Z"}, {"days": 3}, ZONE)
    assert filled.zh == "i{days} 于 2026-03-02 00:30 +08:00，3 日，—"
    assert filled.en == "i{days} at 2026-03-02 00:30 +08:00, 3 days, —"
    assert len(fill_text(BilingualText(zh="{a}", en="{a}"), {"a": "x" * 5000}, {}, ZONE).en) == 4000


@pytest.mark.parametrize("at", ["9999-12-31T23:00:00Z", "9999-12-31T16:00:00.5Z", "2026-02-30T00:00:00Z"])
def test_a_time_that_the_zone_does_not_have_is_said_as_it_is(at: str) -> None:
    """Whatever a query or a data set gives: a model's finding is told, and no run fails."""
    assert fill_text(BilingualText(zh="{at}", en="{at}"), {"at": at}, {}, ZONE) == BilingualText(zh=at, en=at)
