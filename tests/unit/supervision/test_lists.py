"""Registered lists in models: joined, grouped, on the list but in no case, in a case but not on the list, in templates,
CEL and SQL alike, each finding with the digests of the rows that it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest

from ledger.core.errors import MalformedInput
from ledger.core.procedure.zones import UNIVERSAL
from ledger.supervision.models.conditions import headings_of, query_of
from ledger.supervision.models.editing import draft
from ledger.supervision.models.filters import faults_of_cells
from ledger.supervision.models.model_file import ModelRefused, run_examples
from ledger.supervision.models.sql_guard import QueryRefused
from ledger.supervision.runs.findings import ModelFinding, find
from ledger.supervision.runs.query_session import QuerySession, SessionDataset, open_database, table_of
from ledger.supervision.view_catalogue import DATASET_COLUMNS, ListUse, views
from tests.unit.supervision.modelling import AS_OF, changed, model_of, with_condition

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
LISTS = """\
  tests:
    type: dataset
    default: alcohol-tests
    columns: {person: 人员, day: 检测日, mg: 含量, unit: 机关}
    meaning: {zh: 检测, en: tests}
  deaths: {type: dataset, default: deaths, columns: {person: 人员}, meaning: {zh: 死亡登记, en: deaths}}
  limit: {type: integer, default: 80, minimum: 0, maximum: 500, meaning: {zh: 界限, en: limit}}
"""
TEST = {"检测日": "2026-02-01", "含量": "123.5", "机关": "东区公安分局"}
AGENCIES = [{"agency": "psb-east", "name_zh": "东区公安分局"}, {"agency": "psb-west", "name_zh": "西区公安分局"}]


def measured(person: str, row: str, **fields: str) -> dict[str, str]:
    return {**TEST, "人员": person, "row_digest": row, **fields}


ROWS: Rows = {
    "agencies": AGENCIES,
    "persons": [
        {"case_id": "c1", "person_id": "p1", "responsible": "psb-east", "named_at": AS_OF.replace(month=2)},
        {"case_id": "c2", "person_id": "p9", "responsible": "psb-east", "named_at": AS_OF.replace(month=2)},
    ],
    "dataset_alcohol_tests": [
        measured("p1", "r1"),
        measured("p2", "r2"),
        measured("p2", "r3", 检测日="2026-02-03"),
        measured("p3", "r4", 含量="79.9"),
        measured("p4", "r5", 含量="refused"),
        measured("p5", "r6", 机关="psb-west"),
        measured("p6", "r7", 检测日="2026-03-08"),
        measured("p7", "r8"),
    ],
    "dataset_deaths": [{"人员": "p7", "row_digest": "d1"}, {"人员": "p1", "row_digest": "d2"}],
}


def found(text: str, rows: Rows = ROWS, parameters: Mapping[str, object] | None = None) -> list[ModelFinding]:
    model = model_of(text)
    headings = headings_of(model.parameters, model.parameters_of(parameters or {}))
    with QuerySession.of_rows(rows, headings=headings) as session:
        return find(model, parameters or {}, session, AS_OF)


def listing(condition: str, key: Sequence[str] = ("person",), supervised: str = "supervised") -> str:
    return with_condition(f"condition:\n{condition}", key=key, supervised=supervised, parameters=LISTS)


NO_CASE = listing(
    "  template: list_rows\n"
    "  with: {dataset: $tests, header: person, answers: unit, view: persons, column: person_id,\n"
    "    listed: {mg: {over: $limit}}, day: day, days: 10,\n"
    "    lists: [{dataset: $deaths, header: person, equals: person, absent: true}]}\n"
)


def test_on_the_list_but_in_no_case() -> None:
    """Those above the limit who are in no case, not dead, after ten days: each row is cited by its digest, the agency
    is known by its name or its id, and a cell that is no number is above no limit."""
    p2, p5 = found(NO_CASE)
    assert (p2.key, p2.supervised, p2.values["counted"]) == ({"person": "p2"}, "psb-east", "2")
    assert (p2.values["first_day"], p2.values["last_day"]) == ("2026-02-01", "2026-02-03")
    assert p2.listed == {"alcohol-tests": ("r2", "r3"), "deaths": ()}
    assert (p5.key, p5.supervised) == ({"person": "p5"}, "psb-west")
    assert {finding.key["person"] for finding in found(NO_CASE, parameters={"limit": 70})} == {"p2", "p3", "p5"}


def test_an_agency_that_nobody_knows_keeps_the_row_from_being_passed_over() -> None:
    """The run is refused there, and names the row."""
    rows = {**ROWS, "agencies": AGENCIES[:1]}
    with pytest.raises(MalformedInput, match="a row has nothing in its supervised"):
        found(NO_CASE, rows)


def test_rows_of_a_list_are_grouped_and_counted() -> None:
    """Without a view no case is asked: which agency has tests of more than two different persons."""
    grouped = listing(
        "  template: list_rows\n  with: {dataset: $tests, header: person, answers: unit, per: [unit],\n"
        "    distinct: person, over: 2, listed: {person: {not: [p6, p7]}}}\n",
        key=("unit",),
    )
    (east,) = found(grouped)
    assert (east.key, east.values["counted"]) == ({"unit": "东区公安分局"}, "4")
    assert east.listed["alcohol-tests"] == ("r1", "r2", "r3", "r4", "r5")


def test_in_a_case_but_not_on_the_list() -> None:
    """The finding rests on no row, and names the list that it was not on."""
    absent = listing(
        "  template: case_not_listed\n  with: {view: persons, column: person_id, dataset: $tests, header: person}\n",
        key=("case_id", "person_id"),
        supervised="responsible",
    )
    (finding,) = found(absent)
    assert (finding.key["person_id"], finding.listed) == ("p9", {"alcohol-tests": ()})
    later = changed(("header: person}", "header: person, from: named_at, day: day}"), text=absent)
    assert [finding.key["person_id"] for finding in found(later)] == ["p1", "p9"], "a test before the case is none"
    waiting = changed(("header: person}", "header: person, from: named_at, days: 28}"), text=absent)
    assert found(waiting) == [], "they may still come"


def test_a_case_on_several_lists() -> None:
    """Only who is on each of them, or on the one and not on the other; rows of both are cited."""
    both = listing(
        "  template: dataset_match\n  with: {view: persons, column: person_id, dataset: $tests, header: person,\n"
        "    lists: [{dataset: $deaths, header: person, equals: person}]}\n",
        key=("case_id", "person_id"),
        supervised="responsible",
    )
    (finding,) = found(both)
    assert (finding.key["person_id"], finding.values["matched"]) == ("p1", "1")
    assert finding.listed == {"alcohol-tests": ("r1",), "deaths": ("d2",)}
    assert found(changed(("equals: person}", "equals: person, absent: true}"), text=both)) == []
    assert found(changed(("header: person,", "header: person, over: 1,"), text=both)) == []


@pytest.mark.parametrize("number", [10**20, Decimal("NaN"), Decimal("Infinity"), Decimal("1e15"), Decimal("1e-19")])
def test_a_number_that_no_cell_is_compared_as_is_wrong(number: int | Decimal) -> None:
    """DECIMAL(33,18) has none of them: told when the filter is checked, not when it runs."""
    assert [path for path, _ in faults_of_cells((), {"mg": {"over": number}}, {})] == [".mg"]
    assert not list(faults_of_cells((), {"mg": {"over": Decimal("-999999999999999.999999999999999999")}}, {}))


CEL = listing(
    "  view: list_tests\n  cel: >-\n    double(row.mg) >= 80.0 && count_in('persons', 'person_id', row.person) == 0\n"
    '    && count_in("list_deaths", "person", row.person) == 0\n',
    supervised="unit",
)


def test_cel_goes_through_a_list_and_counts_in_others() -> None:
    """A condition on one row of the list asks whether a case or another list has its value."""
    rows = {**ROWS, "dataset_alcohol_tests": [row for row in ROWS["dataset_alcohol_tests"] if row["含量"] != "refused"]}
    assert [finding.key["person"] for finding in found(CEL, rows)] == ["p2", "p5", "p6"]
    assert found(CEL, rows)[0].listed == {"alcohol-tests": ("r2", "r3"), "deaths": ()}
    of_cases = with_condition(
        "condition:\n  view: persons\n  cel: count_in('list_tests', 'person', row.person_id) > 0\n",
        key=("case_id", "person_id"),
        supervised="responsible",
        parameters=LISTS,
    )
    (finding,) = found(of_cases)
    assert (finding.key["person_id"], finding.listed["alcohol-tests"]) == ("p1", ("r1",))


def test_sql_joins_lists_and_views() -> None:
    """By the names of the parameters, whatever the lists are called here; what it lists it cites."""
    query = listing(
        "  scope: all\n  sql: |\n    SELECT t.person, a.agency AS supervised, t.listed, t.evidence\n"
        "    FROM list_tests t JOIN agencies a ON a.name_zh = t.unit ANTI JOIN persons p ON p.person_id = t.person\n"
        "    WHERE t.person NOT IN (SELECT person FROM list_deaths) AND TRY_CAST(t.mg AS DOUBLE) >= $limit\n"
    )
    rows = {**ROWS, "dataset_tests_2026": ROWS["dataset_alcohol_tests"]}
    p2, p6 = found(query, rows, {"tests": "tests-2026"})
    assert (p2.key["person"], p2.listed) == ("p2", {"deaths": (), "tests-2026": ("r2", "r3")})
    assert p6.key["person"] == "p6"
    false = changed(("t.listed,", "['others r1'] AS listed,"), text=query)
    with pytest.raises(MalformedInput, match="a row names in its listed no row of a list that was asked"):
        found(false, rows)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (("header: person,", "header: persn,"), "did you mean person"),
        (("listed: {mg:", "listed: {mgs:"), "did you mean mg"),
        (("{over: $limit}", "{over: much}"), "expected a number or a day after over"),
        (("{over: $limit}", "{over: 1000000000000000}"), "write 1000000000000000 in quotes"),
        (("{over: $limit}", "{not: [3, 1000000000000000]}"), "write 1000000000000000 in quotes"),
        (("{over: $limit}", "{above: 3}"), "expected one of not, over, under"),
        (("{over: $limit}", "{over: $tests}"), "parameter"),
        (("{mg: {over: $limit}}", "[]"), "expected columns of the list"),
        (("{mg: {over: $limit}}", "{mg: []}"), "value"),
        (("column: person_id,", ""), "missing"),
        (("answers: unit", "answers: $limit"), "parameter"),
        (("dataset: $deaths", "dataset: $limit"), "parameter"),
        (("equals: person,", "equals: who,"), "person"),
        (("header: person, equals", "header: who, equals"), "person"),
        (("absent: true", "absent: maybe"), "true or false"),
        (("absent: true", "without: true"), "absent"),
        (("equals: person, absent: true", "absent: true"), "missing"),
        (("lists: [{dataset: $deaths, header: person, equals: person, absent: true}]", "lists: []"), "at most 4"),
        (("answers: unit", "answers: unit, per: [row_digest]"), "column"),
        (("answers: unit", "answers: unit, per: person"), "in brackets"),
        (("columns: {person: 人员, day", "columns: {listed: 人员, day"), "meaning already"),
    ],
)
def test_what_is_wrong_with_lists_is_told(change: tuple[str, str], fault: str) -> None:
    """At its place in the file, with what was expected."""
    with pytest.raises(ModelRefused) as refused:
        model_of(changed(change, text=NO_CASE))
    assert fault in " ".join(each.message for each in refused.value.faults), refused.value.faults


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (("view: list_tests", "view: list_test"), "did you mean list_tests"),
        (("row.mg", "row.mgs"), "did you mean mg"),
        (("'persons', 'person_id', row.person)", "'persons', 'person_id', 'p1')"), "expected count_in"),
        (("'persons', 'person_id'", "'personnel', 'person_id'"), "persons"),
        (("'persons', 'person_id'", "'persons', 'person'"), "person_id"),
        (('"person", row.person)', '"person", row.who)'), "column"),
    ],
)
def test_what_is_wrong_with_a_condition_on_a_list_is_told(change: tuple[str, str], fault: str) -> None:
    """The nearest name of a list, a view or a column."""
    with pytest.raises(ModelRefused) as refused:
        model_of(changed(change, text=CEL))
    assert fault in " ".join(each.message for each in refused.value.faults), refused.value.faults


def test_cells_are_shown_where_the_registration_allows_it() -> None:
    """A list that may only be compared with is compared with, and no condition opens it that shows its cells."""
    connection = open_database()
    kinds = {"人员": "VARCHAR", "含量": "VARCHAR", **DATASET_COLUMNS}
    connection.execute("".join(table_of(name, view.kinds()) for name, view in views().items()))
    connection.execute(table_of("dataset_tests", kinds))
    connection.execute("INSERT INTO dataset_tests VALUES ('p1', '180', 'r1', ['blake3:1'])")
    datasets = {"dataset_tests": SessionDataset(False, "blake3:1", compared=("人员",), table="dataset_tests")}
    with QuerySession(connection, zone=UNIVERSAL, datasets=datasets) as session:
        columns = {"person": "人员"}
        assert session.open_lists({"list_tests": ListUse("tests", columns, shown=False)}) == ("blake3:1",)
        rows = session.rows("SELECT person, listed FROM list_tests", {}, AS_OF)
        assert rows == [{"person": "p1", "listed": ["tests r1"]}]
        for sql in ("SELECT * FROM dataset_tests", "SELECT * FROM main.dataset_tests", "SELECT * FROM list_deaths"):
            with pytest.raises(QueryRefused, match="there is no view"):
                session.rows(sql, {}, AS_OF)
        with pytest.raises(QueryRefused, match="may be compared with, and its cells are not shown"):
            session.open_lists({"list_tests": ListUse("tests", columns, shown=True)})
        both = {"person": "人员", "mg": "含量"}
        session.open_lists({"list_tests": ListUse("tests", both, shown=False, compared=frozenset({"person"}))})
        with pytest.raises(QueryRefused, match="column 含量 of the data set tests may be neither shown nor compared"):
            session.open_lists({"list_tests": ListUse("tests", both, shown=False, compared=frozenset(both))})
        with pytest.raises(QueryRefused, match="has no column 证件"):
            session.open_lists({"list_tests": ListUse("tests", {"person": "证件"}, shown=False)})
        session.open_lists({})
        with pytest.raises(QueryRefused, match="there is no view"):
            session.rows("SELECT * FROM list_tests", {}, AS_OF)


@pytest.mark.parametrize("form", ["dataset_match", "case_not_listed"])
@pytest.mark.parametrize(
    ("more", "shown"),
    [
        ("", set()),
        (", lists: [{dataset: $deaths, header: person, equals: person}]", set()),
        (", listed: {mg: {over: 80}}", {"list_tests"}),
        (", day: day", {"list_tests"}),
        (", lists: [{dataset: $deaths, header: person, equals: mg, listed: {person: p1}}]", {"list_deaths"}),
    ],
    ids=["compared", "joined", "filtered", "by_day", "further_filtered"],
)
def test_a_filter_on_the_cells_of_a_list_shows_them(form: str, more: str, shown: set[str]) -> None:
    """By bounds of the author's choice a cell is known after a few runs: so such a list must be a readable one. Every
    column that is compared is told, for a list of guesses that is joined tells a cell as well."""
    text = listing(
        f"  template: {form}\n  with: {{view: persons, column: person_id, dataset: $tests, header: person{more}}}\n",
        key=("case_id", "person_id"),
        supervised="responsible",
    )
    model = model_of(text)
    lists = query_of(model.condition, model.parameters, model.parameters_of({})).lists
    assert {name for name, use in lists.items() if use.shown} == shown
    compared = {name: set(use.compared) for name, use in lists.items()}
    assert compared["list_tests"] == {"person", *(["mg"] if "equals: mg" in more else [])}
    assert compared.get("list_deaths", {"person"}) == {"person"}


@pytest.mark.parametrize("form", ["dataset_match", "case_not_listed", "list_rows"])
def test_the_drafts_over_lists_are_models_but_for_their_texts(form: str) -> None:
    """Filled in, their examples come out as they say."""
    text = draft("mine", form).replace('""', '"x"')
    results = run_examples(model_of(text))
    assert results
    assert all(result.passed for result in results)
