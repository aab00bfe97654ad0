"""Templates: what their SQL finds is what a slow reading of their words finds, row by row."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.procedures import shipped_rulebook
from tests.unit.supervision.modelling import keys_found, with_condition

ZONE = shipped_rulebook().zone

Row = dict[str, Any]
START = datetime(2026, 3, 1, tzinfo=UTC)
CASES = st.sampled_from(["c1", "c2", "c3"])
ITEMS = st.sampled_from(["i1", "i2", "i3"])
AGENCIES = st.sampled_from(["psb-east", "pro-east", "court-east"])
MOMENTS = st.integers(0, 12 * 4).map(lambda steps: START + timedelta(hours=6 * steps))
NOWS = st.integers(0, 24).map(lambda days: START + timedelta(days=days, hours=3))
QUICK = settings(max_examples=20, deadline=None)


def rows(**columns: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Row]]:
    return st.lists(st.fixed_dictionaries(columns), max_size=6)


def unique(found_rows: list[Row], *columns: str) -> list[Row]:
    """One row for each value of the columns, as views have them."""
    return list({tuple(row[column] for column in columns): row for row in found_rows}.values())


def in_order(keys: set[tuple[str, ...]], *columns: str) -> list[dict[str, str]]:
    return [dict(zip(columns, key, strict=True)) for key in sorted(keys)]


@QUICK
@given(
    deadlines=rows(
        case_id=CASES,
        deadline_id=st.integers(0, 99).map(str),
        clock=st.sampled_from(["bail_limit", "surveillance_limit", "freeze"]),
        agency=AGENCIES,
        due_at=st.none() | MOMENTS,
        stopped_at=st.none() | MOMENTS,
        provisional=st.booleans(),
    ),
    now=NOWS,
    grace=st.integers(0, 5),
)
def test_exceeded_clock(deadlines: list[Row], now: datetime, grace: int) -> None:
    """A clock is exceeded when it ended, or still runs, at or after the first moment that is too late and the grace."""
    deadlines = unique(deadlines, "case_id", "deadline_id")
    late = {
        (row["case_id"], row["deadline_id"])
        for row in deadlines
        if row["clock"] in ("bail_limit", "surveillance_limit")
        and not row["provisional"]
        and row["due_at"] is not None
        and (row["stopped_at"] or now) >= row["due_at"] + timedelta(days=grace)
    }
    text = with_condition(
        "condition:\n  template: exceeded_clock\n  with:\n    clock: [bail_limit, surveillance_limit]\n"
        f"    grace_days: {grace}\n    where: {{provisional: false}}\n",
        key=["case_id", "deadline_id"],
        supervised="agency",
    )
    assert keys_found(text, {"deadlines": deadlines}, now) == in_order(late, "case_id", "deadline_id")


@QUICK
@given(
    items=rows(
        case_id=CASES,
        item_id=ITEMS,
        kind=st.sampled_from(["property", "dossier"]),
        status=st.sampled_from(["held", "split", "disposed", None]),
        seized_at=st.none() | MOMENTS,
        registered_at=MOMENTS,
        disposed_at=st.none() | MOMENTS,
    ),
    handovers=rows(
        case_id=CASES,
        handover_id=st.sampled_from(["h1", "h2", "h3"]),
        purpose=st.sampled_from(["prosecution_review", "loan"]),
        status=st.sampled_from(["accepted", "partially_accepted", "refused"]),
        from_agency=AGENCIES,
        offered_at=MOMENTS,
    ),
    listed=rows(
        case_id=CASES, item_id=ITEMS, purpose=st.sampled_from(["prosecution_review", "loan"]), offered_at=MOMENTS
    ),
    spans=rows(
        case_id=CASES,
        subject=st.sampled_from(["item", "case"]),
        subject_id=ITEMS,
        responsible=AGENCIES,
        since=MOMENTS,
        until=st.none() | MOMENTS,
    ),
    now=NOWS,
    grace=st.integers(0, 4),
)
def test_missing_in_next_handover(
    items: list[Row], handovers: list[Row], listed: list[Row], spans: list[Row], now: datetime, grace: int
) -> None:
    """An item is missing if its next handover is over its grace, nothing lists it, and the sender answered for it."""
    items = unique(items, "case_id", "item_id")
    handovers = unique(handovers, "case_id", "handover_id")

    def missing(item: Row) -> bool:
        first_record = min(moment for moment in (item["seized_at"], item["registered_at"]) if moment is not None)
        later = [
            sent
            for sent in handovers
            if sent["case_id"] == item["case_id"]
            and sent["purpose"] == "prosecution_review"
            and sent["status"] != "refused"
            and sent["offered_at"] >= first_record
        ]
        if not later or item["kind"] == "dossier" or item["status"] == "split":
            return False
        following = min(later, key=lambda sent: (sent["offered_at"], sent["handover_id"]))
        offered, last = following["offered_at"], ZONE.day_of(following["offered_at"]) + timedelta(days=grace)
        if (item["disposed_at"] is not None and item["disposed_at"] <= offered) or ZONE.day_of(now) <= last:
            return False
        if any(
            (line["case_id"], line["item_id"], line["purpose"])
            == (item["case_id"], item["item_id"], "prosecution_review")
            and ZONE.day_of(offered) <= ZONE.day_of(line["offered_at"]) <= last
            for line in listed
        ):
            return False
        return not any(
            (span["case_id"], span["subject"], span["subject_id"]) == (item["case_id"], "item", item["item_id"])
            and span["responsible"] != following["from_agency"]
            and span["since"] <= offered
            and (span["until"] is None or span["until"] > offered)
            for span in spans
        )

    text = with_condition(
        "condition:\n  template: missing_in_next_handover\n  with:\n    purpose: prosecution_review\n"
        f"    items: {{kind: {{not: dossier}}}}\n    grace_days: {grace}\n",
        key=["case_id", "item_id"],
        supervised="from_agency",
    )
    expected = {(item["case_id"], item["item_id"]) for item in items if missing(item)}
    given_rows = {"items": items, "handovers": handovers, "handover_items": listed, "custody_spans": spans}
    assert keys_found(text, given_rows, now) == in_order(expected, "case_id", "item_id")


@QUICK
@given(
    handovers=rows(
        case_id=CASES,
        to_agency=AGENCIES,
        status=st.sampled_from(["refused", "accepted", None]),
        reason_code=st.sampled_from(["binding_defective", "seal_broken", None]),
        offered_at=MOMENTS,
    ).flatmap(lambda few: st.just(few * 2)),
    now=NOWS,
    over=st.integers(0, 3),
    days=st.none() | st.integers(0, 9),
    distinct=st.booleans(),
)
def test_count_over(handovers: list[Row], now: datetime, over: int, days: int | None, distinct: bool) -> None:
    """What is counted are the rows of the filter, or their different values, in the last days where days are given."""
    groups: dict[str, list[Row]] = {}
    for row in handovers:
        in_time = days is None or now - timedelta(days=days) < row["offered_at"] <= now
        if row["status"] != "accepted" and in_time:
            groups.setdefault(row["to_agency"], []).append(row)

    def counted(group: list[Row]) -> int:
        return len({row["reason_code"] for row in group} - {None}) if distinct else len(group)

    expected = {(agency,) for agency, group in groups.items() if counted(group) > over}
    within = "" if days is None else f"    within_days: {days}\n"
    text = with_condition(
        "condition:\n  template: count_over\n  with:\n    view: handovers\n    where: {status: {not: accepted}}\n"
        f"    per: [to_agency]\n    over: {over}\n    time: offered_at\n{within}"
        + ("    distinct: reason_code\n" if distinct else ""),
        key=["to_agency"],
        supervised="to_agency",
    )
    assert keys_found(text, {"handovers": handovers}, now) == in_order(expected, "to_agency")


@QUICK
@given(
    seals=rows(
        case_id=CASES,
        item_id=ITEMS,
        seal_number=st.sampled_from(["1", "2", None]),
        agency=AGENCIES,
        recorded_at=MOMENTS,
    ),
    links=rows(case_id=CASES, other_case_id=CASES),
    unless_linked=st.booleans(),
    timed=st.booleans(),
)
def test_same_value_elsewhere(seals: list[Row], links: list[Row], unless_linked: bool, timed: bool) -> None:
    """Each two rows of one value in two cases, the later one first, unless a link joins the cases."""
    pairs = [(row["case_id"], row["other_case_id"]) for row in links] if unless_linked else []
    joined = {*pairs, *((column, row) for row, column in pairs)}

    def order(row: Row) -> tuple[Any, ...]:
        return (row["recorded_at"], row["case_id"]) if timed else (row["case_id"],)

    expected = {
        (later["case_id"], earlier["case_id"], later["seal_number"])
        for later, earlier in product(seals, seals)
        if later["seal_number"] is not None
        and later["seal_number"] == earlier["seal_number"]
        and later["case_id"] != earlier["case_id"]
        and order(later) > order(earlier)
        and (later["case_id"], earlier["case_id"]) not in joined
    }
    text = with_condition(
        "condition:\n  template: same_value_elsewhere\n  with:\n    view: seals\n    column: seal_number\n"
        f"    unless_linked: {str(unless_linked).lower()}\n" + ("    time: recorded_at\n" if timed else ""),
        key=["case_id", "other_case_id", "seal_number"],
        supervised="agency",
    )
    assert keys_found(text, {"seals": seals, "links": links}) == in_order(
        expected, "case_id", "other_case_id", "seal_number"
    )


@QUICK
@given(
    spans=rows(
        case_id=CASES,
        subject_id=st.sampled_from(["p1", "p2"]),
        stage=st.sampled_from(["execution", "first_instance"]),
        responsible=AGENCIES,
        since=MOMENTS,
        until=st.none() | MOMENTS,
    ),
    payments=rows(
        人员=st.sampled_from(["p1", "p2", None]),
        发放日=MOMENTS.map(lambda moment: moment.date().isoformat()) | st.just("not a day"),
        row_digest=st.integers(0, 99).map(str),
    ),
    now=NOWS,
)
def test_dataset_match(spans: list[Row], payments: list[Row], now: datetime) -> None:
    """A payment is matched by person, on a day from the first of the span until the day before its last."""
    expected = {
        (span["case_id"], span["subject_id"])
        for span, payment in product(spans, payments)
        if span["stage"] == "execution"
        and payment["人员"] == span["subject_id"]
        and payment["发放日"] != "not a day"
        and ZONE.day_of(span["since"]) <= date.fromisoformat(payment["发放日"]) <= ZONE.day_of(now)
        and (span["until"] is None or date.fromisoformat(payment["发放日"]) < ZONE.day_of(span["until"]))
    }
    text = with_condition(
        "condition:\n  template: dataset_match\n  with: {view: custody_spans, column: subject_id, dataset: $list,\n"
        "    where: {stage: execution}, header: 人员, day: 发放日, from: since, until: until}\n",
        key=["case_id", "subject_id"],
        supervised="responsible",
        parameters="  list: {type: dataset, default: x, meaning: {zh: 名册, en: list}}\n",
    )
    own = payments or [{"人员": None, "发放日": None, "row_digest": None}]
    given_rows = {"custody_spans": spans, "dataset_pay_2026": own}
    assert keys_found(text, given_rows, now, {"list": "pay-2026"}) == in_order(expected, "case_id", "subject_id")


@QUICK
@given(
    stages=rows(
        case_id=CASES,
        stage=st.sampled_from(["execution", "first_instance"]),
        entered_at=MOMENTS,
        left_at=st.none() | MOMENTS,
    ),
    payments=rows(
        person_id=st.sampled_from(["p1", "p2"]), paid_on=MOMENTS.map(lambda moment: moment.date().isoformat())
    ),
    now=NOWS,
    timed=st.booleans(),
)
def test_dataset_match_while_a_case_stands_at_a_stage(
    stages: list[Row], payments: list[Row], now: datetime, timed: bool
) -> None:
    """A row matches on a day on which the case stood there; without a day, if it ever did."""
    persons = [{"case_id": case, "person_id": "p1", "responsible": "prison-one"} for case in ("c1", "c2")]

    def fits(person: Row, payment: Row, stage: Row) -> bool:
        paid = date.fromisoformat(payment["paid_on"])
        meanwhile = ZONE.day_of(stage["entered_at"]) <= paid and (
            stage["left_at"] is None or paid < ZONE.day_of(stage["left_at"])
        )
        return (stage["case_id"], stage["stage"], payment["person_id"]) == (person["case_id"], "execution", "p1") and (
            not timed or (meanwhile and paid <= ZONE.day_of(now))
        )

    expected = {(stage["case_id"],) for stage in persons for fit in product(payments, stages) if fits(stage, *fit)}
    text = with_condition(
        "condition:\n  template: dataset_match\n  with: {view: persons, column: person_id, dataset: pensions,\n"
        "    header: person_id, stage: execution" + (", day: paid_on}\n" if timed else "}\n"),
        key=["case_id"],
        supervised="responsible",
    )
    own = payments or [{"person_id": None, "paid_on": None}]
    assert keys_found(text, {"persons": persons, "stages": stages, "dataset_pensions": own}, now) == in_order(
        expected, "case_id"
    )
