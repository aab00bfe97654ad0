"""Story 11, import to governance: cases of a police file, a pension list, a model without SQL, and what came of it.

``TALLYSTICK_STORY_CASES`` says of how many cases the file is: 300 unless given, 5,000 as the story tells it.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.samples.governance import ADVICE, pension_lead
from tests.e2e.stories.town import Town

pytestmark = pytest.mark.extended

CASES = int(os.environ.get("TALLYSTICK_STORY_CASES", "300"))
OF_A_CASE = 3  # events: opened, named, imported
EVERY = 30  # of so many cases one is planted, and as many come close to it in each of two ways
HEADINGS = ("案件编号", "案由", "立案日期", "阶段", "嫌疑人", "证件号码")
MAPPING = """
name = "police-cases"
source_system = "our case system"
key = ["案件编号"]

[case]
case_number = "案件编号"
case_type = "案由"
business_line = { value = "criminal" }
procedure = { value = "cn-criminal" }
stage = { column = "阶段", words = { "侦查" = "investigation", "执行" = "execution" } }
opened_at = "立案日期"

[[persons]]
name = "嫌疑人"
role = { value = "suspect" }
identity = ["证件号码"]
"""
TEXT = "服刑人员领取养老金 a pension paid during a sentence"
MODEL, FIRST, SECOND = "paid-while-serving", "pensions-h1", "pensions-h2"


@pytest.fixture(scope="module")
def cities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Yield a ledger of its own: no other story counts so many cases."""
    folder = tmp_path_factory.mktemp("cities")
    with Town.founded(folder, supervision_interval_s=2, max_events_per_s=100_000) as town:
        yield town


class Office:
    """The police's import, in a folder of its own."""

    def __init__(self, cities: Town, folder: Path):
        self.cities = cities
        self.folder = folder
        self.file = written(folder / "cases.csv", HEADINGS, map(case_row, range(CASES)))
        self.mapping = folder / "mapping.toml"
        self.mapping.write_text(MAPPING, encoding="utf-8")
        self.key = folder / "identity.key"
        cities.ok("police", "import", "key", "--identity-key", self.key)

    def import_cases(self) -> None:
        """Import each row as one case (tests/unit/cli/test_import.py kills a run, and completes it)."""
        words = (
            "--mapping",
            self.mapping,
            "--identity-key",
            self.key,
            "--replace",
            "--report",
            self.folder / "report.json",
        )
        outcome = self.cities.ok("police", "import", "run", self.file, *words)
        assert sum(outcome["rows"].values()) == CASES
        self.cities.anchored()
        streams = [json.loads(entry)["stream"] for entry in self.cities.entries()]
        cases = [stream["id"] for stream in streams if stream["kind"] == "case"]
        assert (len(cases), len(set(cases))) == (CASES * OF_A_CASE, CASES)

    def person_ids(self, name: str, rows: list[tuple[str, str]]) -> Path:
        """Return a list of numbers and days, made over so that it names nobody."""
        plain = written(self.folder / f"{name}-plain.csv", ("证件号码", "发放日期"), rows)
        pseudonyms = self.folder / f"{name}.csv"
        words = ("--identity", "证件号码", "--identity-key", self.key, "-o", pseudonyms)
        report = self.cities.ok("police", "dataset", "pseudonyms", plain, *words)
        assert (report["rows"], report["left_out"]) == (len(rows), 0)
        assert rows[0][0] not in pseudonyms.read_text(encoding="utf-8")
        return pseudonyms


def written(path: Path, headings: tuple[str, ...], rows: Any) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([headings, *rows])
    return path


def case_row(number: int) -> tuple[str, ...]:
    """Every third person serves a sentence, since the first of March."""
    stage = "侦查" if number % 3 else "执行"
    return (f"A-2025-{number}", "盗窃", "2025-03-01", stage, f"样例{number}", paper(number))


def paper(number: int) -> str:
    return f"31010119700101{number:04}"


def paid_in_the_first_half() -> list[tuple[str, str]]:
    """Planted: paid in June while serving. Close to it: paid while only suspected, and paid before the sentence."""
    rows = []
    for number in range(CASES):
        if number % EVERY in (0, 1):
            rows.append((paper(number), "2025-06-15"))
        elif number % EVERY == 3:
            rows.append((paper(number), "2025-02-15"))
    return rows + [(f"9{number:017}", "2025-06-15") for number in range(100)]


@pytest.mark.timeout(3600)
def test_from_a_police_file_to_a_second_city(cities: Town, tmp_path: Path) -> None:
    """Every case is there once; the model finds the planted ones and no others; a recommendation is
    issued, answered and checked again by what the model counts; the report says that it fell; another city adopts it.
    """
    office = Office(cities, tmp_path)
    office.import_cases()
    register(office, FIRST, paid_in_the_first_half(), "2025-01-01", "2025-06-30")
    publish(cities, tmp_path)
    planted = {f"A-2025-{number}" for number in range(0, CASES, EVERY)}
    leads = found_by_the_service(cities, len(planted))
    assert {case_number(cities, lead["case_id"]) for lead in leads} == planted
    before = counted(cities, tmp_path, FIRST)
    assert before["total"] == len(planted)
    recommend(cities, leads[:3])
    again = [(paper(0), "2025-10-15"), (paper(1), "2025-10-15"), *((f"8{n:017}", "2025-10-15") for n in range(100))]
    register(office, SECOND, again, "2025-07-01", "2025-12-31")
    after = counted(cities, tmp_path, SECOND)
    assert after["total"] == 1
    recheck(cities, before, after)
    report(cities, len(planted))
    adopt(cities, tmp_path)


def register(office: Office, dataset_id: str, rows: list[tuple[str, str]], since: str, until: str) -> None:
    """Register, as the analyst, what the police made over, and give it to the models."""
    file = office.person_ids(dataset_id, rows)
    source = ("--source", "social security bureau", "--legal-basis", "Social Insurance Law art. 88")
    period = ("--from", since, "--until", until, "--dataset-id", dataset_id, "--readable")
    office.cities.ok("analyst", "dataset", "register", file, *source, *period)
    kept = office.cities.ok("analyst", "dataset", "give", dataset_id, file)
    assert kept["rows"] == len(rows)


def publish(cities: Town, folder: Path) -> None:
    """Fill in a template as a form, without a query; check it, try it on its examples, publish it."""
    file, by = folder / "model.yaml", "analyst"
    drafted = cities.at_the_terminal(by, "model", "new", MODEL, "--from-template", "dataset_match", "-o", file)
    assert drafted.status == 0, drafted.err
    text = file.read_text(encoding="utf-8").replace('""', f'"{TEXT}"').replace("paid_on", "发放日期")
    assert "sql" not in text
    file.write_text(text.replace("my-list", FIRST).replace("my_list", FIRST.replace("-", "_")), encoding="utf-8")
    cities.ok(by, "model", "check", file)
    tried = cities.ok(by, "model", "test", file)
    assert [example["passed"] for example in tried] == [True, True]
    cities.ok(by, "model", "publish", file)


def found_by_the_service(cities: Town, expected: int) -> list[dict[str, Any]]:
    """Return what the service raised by itself, once it has looked at all that is there."""
    by = "prosecutor-chief"

    def leads() -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = cities.read("/api/v1/leads", by, model=MODEL, limit=1000)["leads"]
        return listed

    cities.until("the leads are raised", lambda: len(leads()) >= expected)
    looked = cities.read("/api/v1/supervision", by)["looked_at"]
    cities.until(
        "everything was looked at again", lambda: cities.read("/api/v1/supervision", by)["looked_at"] != looked
    )
    return leads()


def case_number(cities: Town, case_id: str) -> str:
    """Return the police's own number of a case."""
    return str(cities.read(f"/api/v1/cases/{case_id}", "analyst")["case_number"])


def counted(cities: Town, folder: Path, dataset_id: str) -> dict[str, Any]:
    """Return what the model finds in a half-year, as a run over the ledger tells it."""
    words = ("model", "run", folder / "model.yaml", "--set", f"dataset={dataset_id}")
    result: dict[str, Any] = cities.ok("analyst", *words)
    return result


def recommend(cities: Town, leads: list[dict[str, Any]]) -> None:
    """Three leads are confirmed; what they have in common becomes a recommendation, which is answered."""
    keys = [cities.read(f"/api/v1/leads/{lead['lead_id']}", "prosecutor-chief")["raised"]["key"] for lead in leads]
    stories = [pension_lead(0)._replace(model_id=MODEL, key=key, answering="police") for key in keys]
    confirmed = [story.work(cities.player(), until="confirmed") for story in stories]
    named = [word for lead in confirmed for word in ("--lead", lead.lead_id)]
    texts = ("--problem", "pensions go on during a sentence", "--advice", "tell the bureau of each intake")
    numbers = ("--kind", "social_governance", "--number", "2025-11", "--recommendation-id", ADVICE, "--model", MODEL)
    cities.ok("prosecutor-chief", "recommendation", "issue", "psb-east", *numbers, *texts, *named)
    for story in stories:
        story.work(cities.player(), until="closed")
    reply = ("--answer", "payments were stopped", "--measure", "the register is compared each month")
    cities.ok("police", "recommendation", "receive", ADVICE, "--service", "direct")
    cities.ok("police", "recommendation", "answer", ADVICE, *reply)


def recheck(cities: Town, before: dict[str, Any], after: dict[str, Any]) -> None:
    """By what the model counted in both half-years."""
    halves = {"--before": (before, "2025-01-01", "2025-07-01"), "--after": (after, "2025-07-01", "2026-01-01")}
    words = [
        word
        for option, (result, since, until) in halves.items()
        for word in (option, str(result["total"]), since, until, str(result["tree_size"]))
    ]
    asked = ("recommendation", "recheck", ADVICE, "--result", "fell", "--model", MODEL)
    cities.ok("prosecutor-chief", *asked, *words)


def report(cities: Town, planted: int) -> None:
    """Check in the report what the model found and what became of it, before and after the recommendation."""
    period = ("--from", "2020-01-01", "--until", "2099-12-31")
    report = cities.ok("analyst", "report", *period)
    tables = {table["name"]: table for table in report["tables"]}
    (model,) = rows_of(tables["models"])
    assert (model["model_id"], model["raised"], model["confirmed"]) == (MODEL, planted, 3)
    (recommendation,) = rows_of(tables["recommendations"])
    assert (recommendation["count_before"], recommendation["count_after"]) == (planted, 1)
    assert recommendation["result"] == "fell"


def rows_of(table: dict[str, Any]) -> list[dict[str, Any]]:
    names = [column["name"] for column in table["columns"]]
    return [dict(zip(names, row["cells"], strict=True)) for row in table["rows"]]


def adopt(cities: Town, folder: Path) -> None:
    """Adopt the model in a second city: found in the library, its package verified, run on a list of its own."""
    west, package = "analyst-west", folder / "package.json"
    assert MODEL in {model["model_id"] for model in cities.ok(west, "library", "search", "pension")}
    cities.anchored()
    cities.ok(west, "library", "export", MODEL, "-o", package)
    trust = ("--trust", cities.trusting(package))
    assert cities.ok(west, "library", "verify", package, *trust)["verdict"] == "intact"
    cities.ok(west, "library", "import", package, *trust, "--set", f"dataset={SECOND}", "--note", "for the west")
    adopters = cities.ok("analyst", "library", "adopters", MODEL)["adopters"]
    own = {"name": "dataset", "value": SECOND, "default": FIRST}
    assert [adopter["parameters"] for adopter in adopters if adopter["agency"] == "procuratorate-west"] == [[own]]
