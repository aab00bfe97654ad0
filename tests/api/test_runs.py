"""Runs of models over the API: they see what the procuratorate of whoever asks sees, and nothing of others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledger.config.settings import Settings
from ledger.core.errors import RuleRefused
from ledger.core.events import Body, Stream
from ledger.core.events.letter import LetterSent
from ledger.i18n import Labels
from ledger.supervision.library.publishing import ModelDefinitions
from ledger.supervision.models.model_file import parse_model, shipped_model
from ledger.supervision.models.sql_guard import QueryRefused
from ledger.supervision.runs.export_runs import exported_session
from ledger.supervision.runs.query_session import LIMITS
from ledger.supervision.view_catalogue import views
from ledger.workers.pool import Turn, WorkerPool, WorkLimits
from tests.api.conftest import serving
from tests.api.console.pages import OWN, page_of, post
from tests.api.service import Served, problem
from tests.testkit.builders import (
    COURT,
    FAR_POLICE,
    LOG_ID,
    NEIGHBOUR,
    POLICE,
    PROCURATORATE,
    START,
    UPPER,
    Officer,
    Writer,
    analyst,
    clerk,
    event_id,
    event_of,
    instant,
    supervisor,
)
from tests.testkit.casework import Case, person_id
from tests.testkit.supervision import Model, assigned, closed, confirmed, dataset, published
from tests.unit.supervision.modelling import SOUND, with_condition, with_sql

OFFICERS = (
    *(clerk(agency) for agency in (POLICE, FAR_POLICE, COURT, PROCURATORATE)),
    clerk(PROCURATORATE, 2),
    *(supervisor(agency) for agency in (PROCURATORATE, POLICE)),
    *(analyst(agency) for agency in (PROCURATORATE, NEIGHBOUR, UPPER)),
)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """Serve procuratorates of two districts and of the city above; a case of the one, a case of the other."""
    settings = Settings(public_url="https://ledger.test", data_dir=tmp_path / "data")
    with serving(tmp_path, settings, officers=OFFICERS) as it:
        it.record(Case("case-east").open().name("li").register("phone"))
        it.record(Case("case-west").open(by=clerk(FAR_POLICE)).register("car", by=clerk(FAR_POLICE)))
        yield it


def listing(view: str, supervised: str) -> str:
    """Return a model that finds every row of a view and says that this agency has to answer for it."""
    key = next(iter(views()[view].columns))
    return with_sql(f"SELECT *, '{supervised}' AS answers FROM {view}", key=(key,), supervised="answers")


def run(served: Served, definition: str, by: Officer) -> Any:
    body = msgspec.json.encode({"definition": definition})
    return served.post("/api/v1/models/run", body, **served.token(by))


def raised_by(served: Served, by: Officer, text: str) -> Any:
    """Publish the model of the file and let it run once; return the line of the one lead that it raises."""
    model = parse_model(text)
    of_it = {"title": model.title, "business_line": model.business_line, "severity": model.severity}
    published = Model(model.model_id).published(by=by, definition=text, model_digest=model.digest, **of_it)
    answer = served.submit(published.last)
    assert answer.status_code == 201, answer.text
    assert served.parts.supervisor.step() == 1
    (line,) = served.get("/api/v1/leads", by).json()["leads"]
    return line


def keys(served: Served, definition: str, by: Officer) -> list[str]:
    """Return what the run finds, by the first value of its key."""
    return [next(iter(finding["key"].values())) for finding in run(served, definition, by).json()["findings"]]


def test_a_run_sees_the_cases_of_ones_own_jurisdiction(served: Served) -> None:
    """Whatever agency the model's author names as supervised: each district its own, the city both."""
    assert set(keys(served, listing("events", POLICE), analyst(PROCURATORATE))) == {"case-east"}
    assert set(keys(served, listing("events", FAR_POLICE), analyst(NEIGHBOUR))) == {"case-west"}
    assert set(keys(served, listing("cases", POLICE), analyst(UPPER))) == {"case-east", "case-west"}


def test_front_line_staff_write_a_model_and_see_the_cases_of_a_lead_that_is_theirs(served: Served) -> None:
    """A clerk of the procuratorate runs, publishes, and works a lead on a case that his agency is no party to. He sees
    it from the assignment until the lead is closed, as somebody who looks on and for whom nothing in it waits; each
    read is recorded with the lead, and the police learn of supervision alone. A case of another jurisdiction, which a
    query named by a digest, is none of it."""
    by, colleague, case = clerk(PROCURATORATE), supervisor(PROCURATORATE), "/api/v1/cases/case-east"
    west = Case("case-west").open(by=clerk(FAR_POLICE)).last.digest
    asked = f"SELECT case_id, list_concat(evidence, ['{west}']) AS evidence, '{POLICE}' AS answers FROM cases"
    text = with_sql(asked, key=("case_id",), supervised="answers")
    text = text.replace("rows: {}, raises: [{", "rows: {cases: [{case_id: a}]}, raises: [{")
    assert keys(served, text, by) == ["case-east"]
    assert run(served, text, clerk(POLICE)).status_code == 403
    line = raised_by(served, by, text)
    raised = served.get(f"/api/v1/leads/{line['lead_id']}", by).json()["raised"]
    assert (len(raised["events"]), raised["cases"]) == (2, ["case-east"])
    problem(served.get(case, by), 404, "not_found", "case_id")

    def act(body: Body, officer: Officer) -> None:
        lead, now = served.get(f"/api/v1/leads/{line['lead_id']}", colleague).json(), served.ledger.clock.seconds
        place = {"stream": Stream(kind="supervision", id=line["lead_id"]), "sequence": lead["sequence"] + 1}
        named = {"event_id": event_id(type(body).__name__, now), "occurred_at": instant(now), "signed_at": now}
        event = event_of(body, officer, **place, **named, previous=lead["head"], log_id=LOG_ID)
        assert served.submit(event).status_code == 201

    act(assigned(handler=by.officer_id), colleague)
    assert served.get(case, by).json()["sight"] == "assigned"
    assert [row["case_id"] for row in served.get("/api/v1/cases", by).json()["cases"]] == ["case-east"]
    assert served.get("/api/v1/cases/case-east/proof", by).status_code == 200
    assert served.post(f"/api/v1/leads/{line['lead_id']}/kind", b"{}", **served.token(by)).json()["total"] == 1
    # What `tally lead verify` fetches: an event of a case beyond his agency is not his to see. The page says so.
    shown = [served.get(f"/api/v1/events/{ref['event_id']}", by).status_code for ref in raised["events"]]
    assert sorted(shown) == [200, 404]
    assert "is not shown to you" in post(served, by, f"/leads/{line['lead_id']}/rederive", {}).text
    problem(served.get(case, clerk(PROCURATORATE, 2)), 404, "not_found", "case_id")
    for officer, expected in ((colleague, line["lead_id"]), (supervisor(POLICE), None)):
        reads = served.get("/api/v1/access", officer, limit=1000).json()["reads"]
        of_case = [read for read in reads if read["agency"] == PROCURATORATE and read["case_id"] == "case-east"]
        assert {read["lead_id"] for read in of_case} == {None, expected}  # the run was by no lead
        assert of_case[-1]["officer"] == (by.officer_id if expected else None)
    letter = {"letter_id": "letter-1", "kind": "refusal_reasons_required", "number": "No. 7", "content": "why"}
    east = Case("case-east").open().name("li").register("phone")
    sent = LetterSent(**letter, to_agency=PROCURATORATE, sent_at=instant(east.now))  # type: ignore[arg-type]
    served.ledger.post(east.act(sent).last)
    page = page_of(served, by, "/cases/case-east").text
    assert "Nothing in this case waits for your agency now." in page
    assert "Record the receipt" not in page
    act(confirmed(), by)
    act(closed(), by)
    problem(served.get(case, by), 404, "not_found", "case_id")


def test_a_run_that_names_no_case_is_recorded_for_the_cases_that_it_rests_on(served: Served) -> None:
    """The case's agency learns that supervision read it. A case of another jurisdiction, which a query named by a
    digest, was not read."""
    by, west = analyst(PROCURATORATE), Case("case-west").open(by=clerk(FAR_POLICE)).last.digest
    asked = f"SELECT 'all' AS name, list_concat(evidence, ['{west}']) AS evidence, '{POLICE}' AS answers FROM cases"
    answer = run(served, with_sql(asked, key=("name",), supervised="answers"), by).json()
    assert [finding["case_id"] for finding in answer["findings"]] == [None]
    (read,) = served.get("/api/v1/access", supervisor(POLICE)).json()["reads"]
    assert (read["agency"], read["case_id"], read["officer"]) == (PROCURATORATE, "case-east", None)
    own = served.get("/api/v1/access", supervisor(PROCURATORATE)).json()["reads"]
    assert {each["case_id"] for each in own} - {None} == {"case-east"}


def test_a_run_that_states_a_case_of_others_records_no_read_of_it(served: Served) -> None:
    """Nor does an example, or the page of the lead: the id stands in the query, and nothing of the case was read."""
    by, key = analyst(PROCURATORATE), {"case_id": "case-west"}
    stated = "CASE WHEN case_id = 'case-east' THEN 'case-west' ELSE case_id END AS case_id"
    text = with_sql(
        f"SELECT {stated}, evidence, '{POLICE}' AS answers FROM cases", key=("case_id",), supervised="answers"
    )
    text = text.replace("rows: {}, raises: [{", "rows: {cases: [{case_id: a}]}, raises: [{")
    assert run(served, text, by).json()["findings"][0]["key"] == key
    asked = {"definition": text.rstrip("\n"), "key": msgspec.json.encode(key).decode(), "verdict": "found"}
    post(served, by, "/models/workbench/example", asked)
    line = raised_by(served, by, text)
    assert page_of(served, by, f"/leads/{line['lead_id']}").status_code == 200
    own = served.get("/api/v1/access", supervisor(PROCURATORATE), limit=1000).json()["reads"]
    assert {each["case_id"] for each in own} - {None} == {"case-east"}


def test_the_words_of_a_lead_stand_as_they_were_signed(served: Served) -> None:
    """Wherever the console shows them: a time and a number are no names of things, of another case or its own, that
    have them as their ids. Beside what was seen, an item has its name where the column says that it is one."""
    served.record(Case("case-2").open().register("2025").register("3"))
    asked = (
        "SELECT case_id, item_id, 3 AS counted, TIMESTAMP '2025-03-10 01:00:00' AS at, evidence, "
        f"'{POLICE}' AS answers FROM items WHERE item_id <> '2025'"
    )
    says = (
        "{zh: 线索, en: lead}",
        "{zh: '{at} {counted} 日 {item_id}', en: 'at {at} within {counted} days {item_id}'}",
    )
    row = "rows: {items: [{case_id: a, item_id: a}]}"
    text = with_sql(asked, key=("case_id", "item_id"), supervised="answers").replace(*says)
    text = text.replace("rows: {}", row, 1)
    model = Model("unanswered").published(definition=text, model_digest=parse_model(text).digest)
    served.ledger.post(model.last)
    assert served.parts.supervisor.step() == 2
    by = analyst(PROCURATORATE)
    signed = {line["says"]["en"]: line["lead_id"] for line in served.get("/api/v1/leads", by).json()["leads"]}
    phone, three = (f"at 2025-03-10 09:00 +08:00 within 3 days {item_id}" for item_id in ("phone", "3"))
    assert signed.keys() == {phone, three}

    def words(path: str) -> str:
        return unescape(re.sub("<[^>]+>", "", page_of(served, by, path).text))

    for path in ("/leads", "/"):
        assert all(text in words(path) for text in signed), path
    for words_of_lead, named, unnamed in ((phone, "phone the phone", "the 3"), (three, "3 the 3", "the phone")):
        page = words(f"/leads/{signed[words_of_lead]}").partition("How it was found")
        assert words_of_lead in page[0]
        assert named in page[2].partition("What became of it")[0]
        assert unnamed not in (page[0] + page[2]).partition("What became of it")[0].replace(named, "").replace(
            f"the {POLICE}", ""
        )


# -- outside data ------------------------------------------------------------------------------------------------------


def give(served: Served, by: Officer, *, readable: bool = False, of: str = "li") -> None:
    """Register and give a list of two persons of this agency's, one of them of case-east."""
    data = f"who,paid_on,name\n{person_id(of)},2026-02-15,Li Si\nsomebody-else,2026-02-16,Wang Wu\n".encode()
    body = dataset(data, rows=2, readable=readable)
    served.submit(Writer("agency", by.agency).write(body, by, signed_at=served.ledger.clock.seconds))
    headers = {"content-type": "application/octet-stream"} | served.token(by)
    kept = served.request("POST", "/api/v1/datasets/pensions/file", content=data, headers=headers)
    assert kept.status_code == 200, kept.text


def test_a_supervised_agency_decides_nothing_that_models_compare_with(served: Served) -> None:
    """The procuratorate registers its own list under an id that the police have used before: its models use that one,
    and the run and the list of what they ask say whose it is."""
    give(served, clerk(POLICE))
    assert run(served, PAID, analyst(PROCURATORATE)).json()["datasets"] == {"pensions": POLICE}
    give(served, clerk(PROCURATORATE), of="nobody")
    answer = run(served, PAID, analyst(PROCURATORATE)).json()
    assert (answer["datasets"], answer["total"]) == ({"pensions": PROCURATORATE}, 0)
    assert [line["agency"] for line in for_models(served, analyst(PROCURATORATE)).json()["datasets"]] == [PROCURATORATE]
    assert run(served, PAID, analyst(UPPER)).json()["datasets"] == {"pensions": POLICE}


PAID = with_condition(
    "condition:\n  template: dataset_match\n"
    "  with: {view: persons, column: person_id, dataset: pensions, header: who}\n",
    key=("case_id", "person_id"),
    supervised="responsible",
)


def test_a_lead_on_the_list_of_another_agency_can_be_saved(served: Served) -> None:
    """The list is not everybody's to see: the file of the lead says that something it cites is hidden."""
    give(served, analyst(UPPER))
    by = analyst(PROCURATORATE)
    paid = "dataset_pensions: [{who: a, row_digest: r}]"
    rows = f"rows: {{persons: [{{case_id: a, person_id: a, responsible: b}}], {paid}}}, raises: [{{"
    text = PAID.replace("rows: {}, raises: [{", rows).replace("rows: {}", f"rows: {{{paid}}}")
    line = raised_by(served, by, text)
    for reader, hidden in ((by, 1), (analyst(UPPER), 0)):
        saved = served.get(f"/api/v1/leads/{line['lead_id']}/proof", reader)
        assert saved.status_code == 200, saved.text
        assert len(saved.json().get("hidden", ())) == hidden, reader


def test_a_data_set_is_compared_with_where_its_agency_stands_in_line(served: Served) -> None:
    """By the procuratorate of its district and the one above; next door it is as if there were none. Where the
    neighbours' police register the same id later, their procuratorate's models ask theirs, those of the district the
    first one."""
    give(served, clerk(POLICE))
    (finding,) = run(served, PAID, analyst(UPPER)).json()["findings"]
    assert (finding["case_id"], finding["values"]["matched"]) == ("case-east", "1")
    assert "Li Si" not in str(finding)
    problem(run(served, PAID, analyst(NEIGHBOUR)), 400, "query_refused", "dataset")
    give(served, clerk(FAR_POLICE))
    for by, agency, count in ((PROCURATORATE, POLICE, 1), (UPPER, POLICE, 1), (NEIGHBOUR, FAR_POLICE, 0)):
        (line,) = for_models(served, analyst(by)).json()["datasets"]
        assert (line["dataset_id"], line["agency"]) == ("pensions", agency)
        answer = run(served, PAID, analyst(by))
        assert answer.status_code == 200, answer.text
        assert len(answer.json()["findings"]) == count


def test_a_run_reads_the_lists_that_it_asks_alone(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list may take longer to read than any run: who asks for none of it does not wait."""
    work, run_in_turn = list[str](), Turn.run

    def noted(turn: Turn, function: Any, *arguments: Any, **options: Any) -> Any:
        work.append(function.__name__)
        return run_in_turn(turn, function, *arguments, **options)

    monkeypatch.setattr(Turn, "run", noted)
    give(served, clerk(POLICE))
    for text, reads in ((SOUND, []), (PAID, ["write_table"]), (PAID, [])):
        work.clear()
        assert run(served, text, analyst(PROCURATORATE)).status_code == 200
        assert work == ["parse_model", *reads, "found_in_export"]


def test_a_model_that_takes_too_much_is_refused_alike_everywhere(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever runs, publishes or edits it reads that it is the query, and what to do about it."""
    begin, by = Turn.__init__, analyst(PROCURATORATE)
    monkeypatch.setattr(Turn, "__init__", lambda turn, *of: begin(turn, *of[:2], WorkLimits().cpu_s))
    says = "the model's query takes too much: this takes more than 4 seconds of computing"
    hint = "Ask for less, or join on case_id."
    refused = problem(run(served, SOUND, by), 400, "too_costly", "condition")
    assert (refused["detail"], refused["hint"]) == (says, hint)
    for way in ("", "/examples", "/hits", "/read"):
        page = unescape(post(served, by, f"/models/workbench{way}", {"definition": SOUND}).text)
        assert (says in page, hint in page) == (True, True), way
    body = published(definition=SOUND)
    with pytest.raises(RuleRefused, match=says) as unfit:
        ModelDefinitions(served.parts.workers).require_publishable(body, PROCURATORATE, ())
    assert (unfit.value.code, str(unfit.value.hint)) == ("model_refused", hint)


def test_reading_and_running_a_model_share_the_seconds_of_computing(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading a file asks its query of no rows, which may take as long as the run: the run has what is left."""
    run_in_turn = Turn.run

    def dear(turn: Turn, *arguments: Any, **options: Any) -> Any:
        result = run_in_turn(turn, *arguments, **options)
        turn.cpu_s += WorkLimits().cpu_s
        return result

    monkeypatch.setattr(Turn, "run", dear)
    refused = problem(run(served, SOUND, analyst(PROCURATORATE)), 400, "too_costly", "condition")
    assert "more than 4 seconds of computing" in refused["detail"]


def test_what_keeps_a_model_from_being_run_is_told(served: Served) -> None:
    """In a sentence, by model and procuratorate."""
    model, text = Model("pension-in-execution"), shipped_model("pension-in-execution")
    served.ledger.post(model.published(definition=text, model_digest=parse_model(text).digest).last)
    served.parts.supervisor.step()
    (fault,) = served.get("/api/v1/supervision", analyst(PROCURATORATE)).json()["faults"]
    assert (fault["model_id"], fault["supervising"]) == ("pension-in-execution", PROCURATORATE)
    assert "the data set pensions is not registered" in fault["message"]


NUMBER_OF_TEXT = "SELECT case_id, item_id, holder,\n  CAST(description AS INTEGER) AS number, evidence FROM items"
ONLY_OF_7 = "SELECT *, CASE description WHEN '7' THEN holder END AS of_7 FROM items"
NO_EVENT = "SELECT case_id, item_id, holder, [description] AS evidence FROM items"
CEL = "condition:\n  view: items\n  cel: {}\n"
ALL_IN_ONE = "SELECT string_agg(description, ' | ' ORDER BY case_id) FROM items"
NUMBER_OF_ALL = f"SELECT * FROM items WHERE CAST(({ALL_IN_ONE}) AS INTEGER) >= 7"
# What each fails on where a description is another than 7, and what is said of that.
FAILING = (
    (
        with_sql(NUMBER_OF_TEXT, key=("item_id",), supervised="holder"),
        "fails on what rows hold (Conversion), in line 2 of it at CAST(description AS INTEGER)",
    ),
    (with_condition(CEL.format("int(row.description) > 0"), key=("item_id",), supervised="holder"), "what a row holds"),
    (
        with_condition(CEL.format("row.description == '7' || row.item_id"), key=("item_id",), supervised="holder"),
        "fails on what a row holds",
    ),
    (with_sql(ONLY_OF_7, key=("item_id",), supervised="of_7"), "a row has nothing in its of_7"),
    (
        with_sql(NUMBER_OF_ALL, key=("item_id",), supervised="holder"),
        "in line 1 of it at CAST((SELECT string_agg(description, ' | ' ORDER BY case_id)",
    ),
    (
        with_sql("SELECT * FROM items", key=("item_id",), supervised="description"),
        "no agency supervises what a row has in its description",
    ),
    (with_sql(NO_EVENT, key=("item_id",), supervised="holder"), "a row becomes no lead; the service's log says why"),
)


def test_what_a_run_fails_on_shows_no_row_to_anybody(served: Served) -> None:
    """Every officer reads where in the model it is, in whole sentences of his language, and no value of a case: a court
    that sees neither case nor thing learns nothing of them, by the API or the console. Who runs the model reads no
    more, by the API or in the workbench, and each of his runs is recorded though it failed."""
    row = f"{{case_id: a, item_id: a, holder: {POLICE}, description: '7', evidence: ['blake3:{'11' * 32}']}}"
    texts = [
        text.replace("rows: {}", f"rows: {{items: [{row}]}}", 1).replace("unanswered", f"failing-{number}", 1)
        for number, (text, _) in enumerate(FAILING)
    ]
    for number, text in enumerate(texts):
        model = Model(f"failing-{number}", start=START - number, step=1)
        served.ledger.post(model.published(definition=text, model_digest=parse_model(text).digest).last)
    served.parts.supervisor.step()
    by = clerk(COURT)
    problem(served.get("/api/v1/items/phone", by), 404, "not_found", "item_id")
    shown = {each["model_id"]: each["message"] for each in served.get("/api/v1/supervision", by).json()["faults"]}
    page = unescape(page_of(served, by, "/operation").text)
    for number, (_, expected) in enumerate(FAILING):
        assert expected in shown[f"failing-{number}"]
        assert shown[f"failing-{number}"] in page
    chinese = [Labels("zh-CN").translate(fault.says) for fault in served.parts.supervisor.state.faults]
    latin = {word for message in chinese for word in re.findall("[A-Za-z_0-9]+", message)}
    in_query = {*re.findall("[A-Za-z_0-9]+", f"{NUMBER_OF_TEXT} {NUMBER_OF_ALL}")}
    assert latin <= in_query | {"1", "2", "of_7", "Conversion"}
    for value in ("the phone", "the car", "case-east", "case-west"):
        assert value not in page
        assert value not in str(shown)
    by = analyst(PROCURATORATE)
    for number, (text, (_, expected)) in enumerate(zip(texts[:5], FAILING, strict=False)):
        detail = run(served, text, by).json()["detail"]
        hits = unescape(post(served, by, "/models/workbench/hits", {"definition": text.rstrip("\n")}).text)
        for shown_text in (detail, hits):
            assert expected in shown_text
            assert not {"the phone", "the car", "case-east", "case-west"} & {
                *re.findall("[a-z]+[ -][a-z]+", shown_text)
            }
        reads = served.get("/api/v1/access", supervisor(PROCURATORATE), limit=1000).json()["reads"]
        own = [read for read in reads if read["what"] == f"run of the model failing-{number}"]
        assert [(read["officer"], read["case_id"]) for read in own] == [(by.officer_id, None)] * 2


def for_models(served: Served, by: Officer) -> Any:
    return served.get("/api/v1/datasets", by, for_models="true")


def drafted(served: Served, by: Officer, language: str) -> str:
    """Return what the console shows whoever would publish the model, before anything is signed."""
    form = {"definition": shipped_model("pension-in-execution").rstrip("\n")}
    page = post(served, by, "/supervision/drafts/model.published", form, OWN | {"accept-language": language})
    assert page.status_code == 200, page.text
    return page.text


def test_whoever_publishes_is_told_first_that_a_data_set_is_missing(served: Served) -> None:
    """In the reader's language, and by what the service lists for models; no more once the file was given in line with
    the procuratorate. Next door it is missing still. Who runs no models is not shown what others registered."""
    missing = ("the data set pensions, with which", "数据集 pensions")
    assert for_models(served, analyst(PROCURATORATE)).json()["datasets"] == []
    for language, words in zip(("en", "zh-CN"), missing, strict=True):
        assert words in " ".join(drafted(served, analyst(PROCURATORATE), language).lower().split())
    give(served, clerk(POLICE))
    for by, count in ((PROCURATORATE, 1), (NEIGHBOUR, 0)):
        lines = for_models(served, analyst(by)).json()["datasets"]
        listed = [(line["dataset_id"], line["agency"], line["kept"]) for line in lines]
        assert listed == [("pensions", POLICE, True)] * count
        assert (missing[0] in drafted(served, analyst(by), "en").lower()) == (count == 0)
    problem(for_models(served, clerk(POLICE)), 403, "not_a_supervising_agency")
    first = served.get("/api/v1/datasets", analyst(PROCURATORATE), for_models="true", limit=1).json()
    after = served.get("/api/v1/datasets", analyst(PROCURATORATE), for_models="true", after=first["next"])
    assert (len(first["datasets"]), after.json()["datasets"]) == (1, [])


LIST = (
    "  pensions: {type: dataset, default: pensions, columns: {who: who, name: name}, meaning: {zh: 名册, en: list}}\n"
)
LISTED = "SELECT who AS case_id, name AS handover_id, 'police-east' AS to_agency, listed, evidence FROM list_pensions"
LISTING = with_sql(LISTED, parameters=LIST)


def test_no_run_lists_the_rows_of_a_data_set_that_is_for_comparison(served: Served) -> None:
    """Not even to the agency's own procuratorate, however the query of a model's author tries, and not bit by bit by
    filters on its cells."""
    give(served, clerk(POLICE))
    tries = (
        "SELECT who AS case_id, name AS handover_id, 'police-east' AS to_agency, evidence FROM dataset_pensions",
        "SELECT d.who AS case_id, name AS handover_id, 'police-east' AS to_agency, d.evidence "
        'FROM (WITH "dataset_pensions" AS (SELECT 1) FROM "dataset_pensions") x, main.dataset_pensions d',
        "SELECT who AS case_id, name AS handover_id, 'police-east' AS to_agency, d.evidence FROM dataset_pensions d "
        "WHERE EXISTS (WITH dataset_pensions AS (SELECT 1 AS one) SELECT one FROM dataset_pensions)",
    )
    searches = ("day: paid_on", "listed: {paid_on: {over: 2026-02-14}}", "listed: {name: Li Si}")
    searching = [PAID.replace("header: who", f"header: who, {search}") for search in searches]
    for text in (*map(with_sql, tries), LISTING, *searching):
        answer = run(served, text, analyst(PROCURATORATE))
        assert answer.status_code == 400, answer.text
        assert "Li Si" not in answer.text.replace(text, "")


def test_a_run_shows_what_the_registration_lets_be_shown(served: Served) -> None:
    """Each finding cites its row of the list by its digest."""
    give(served, clerk(POLICE), readable=True)
    answer = run(served, LISTING, analyst(PROCURATORATE))
    assert answer.status_code == 200, answer.text
    listed = answer.json()["findings"]
    assert sorted(finding["key"]["handover_id"] for finding in listed) == ["Li Si", "Wang Wu"]
    assert all(len(finding["listed"]["pensions"]) == 1 for finding in listed)


def test_a_run_elsewhere_sees_what_a_session_here_sees(served: Served) -> None:
    """The export that a worker is given has, of every view, the rows that the jurisdiction's session has; and a worker
    finds nothing else in it, not even by the tables that views are made of."""
    give(served, clerk(POLICE))
    here = served.parts.supervisor.views
    here.refresh()
    now = datetime.fromtimestamp(served.ledger.clock.seconds, UTC)
    agencies = served.parts.supervisor.record.authority().agencies
    for agency in (agencies[agency_id] for agency_id in (UPPER, PROCURATORATE, NEIGHBOUR)):
        jurisdiction = agency.profile.jurisdiction
        with here.session(jurisdiction=jurisdiction, now=now) as session, here.export(of=agency, now=now) as export:
            with exported_session(export, LIMITS) as elsewhere:
                for view in views():
                    sql = f"SELECT * FROM {view} ORDER BY ALL"
                    assert elsewhere.rows(sql, {}, now) == session.rows(sql, {}, now), view
                for sql in ("SELECT * FROM kept.cases", "SELECT * FROM kept_cases", "SELECT * FROM 'cases.arrow'"):
                    with pytest.raises(QueryRefused):
                        elsewhere.rows(sql, {}, now)
            folder = Path(export.folder)
        assert not folder.exists()


def test_one_worker_is_enough_for_a_run_with_a_new_data_set(tmp_path: Path) -> None:
    """The table of a data set that was just given is made by a worker too: nobody waits for one and holds the other."""
    settings = Settings(public_url="https://ledger.test", data_dir=tmp_path / "data")
    workers = WorkerPool(1, patience_s=5)
    with serving(tmp_path, settings, officers=OFFICERS, workers=workers) as served:
        served.record(Case("case-east").open().name("li"))
        give(served, clerk(POLICE))
        answer = run(served, PAID, analyst(PROCURATORATE))
    workers.close()
    assert answer.status_code == 200, answer.text
    assert [finding["case_id"] for finding in answer.json()["findings"]] == ["case-east"]
