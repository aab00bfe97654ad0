"""Pseudonyms by blinded evaluation through the API: who may ask, how much, and what is recorded of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from api.middleware.problems import Refused
from api.routes import pseudonyms as route
from ledger.config.installation import DataDirectory
from ledger.config.secret_files import write_secret
from ledger.config.settings import Settings
from ledger.interchange.imports.blinded import PseudonymAnswer, PseudonymKey, pseudonyms, request_of
from tests.api.conftest import serving
from tests.api.service import JSON, Served, problem
from tests.testkit.builders import (
    FAR_POLICE,
    NEIGHBOUR,
    POLICE,
    PROCURATORATE,
    UPPER,
    Officer,
    analyst,
    auditor,
    clerk,
    supervisor,
)

SEED, SECRET = b"\x07" * 32, b"\x01" * 32
PERSONS = [("310101199001011234",), ("310101199001011235",)]
OFFICERS = (
    *(clerk(agency) for agency in (POLICE, FAR_POLICE, PROCURATORATE)),
    *(supervisor(POLICE), auditor(POLICE)),
    *(analyst(agency) for agency in (PROCURATORATE, NEIGHBOUR, UPPER)),
)
PATH = f"/api/v1/pseudonyms/{PROCURATORATE}"


@pytest.fixture
def answering(tmp_path: Path) -> Iterator[Served]:
    """Return a service that has the key of the district's procuratorate."""
    settings = Settings(public_url="https://ledger.test", data_dir=tmp_path / "data")
    key = DataDirectory(settings.data_dir).pseudonym_key(PROCURATORATE)
    write_secret(key, SEED.hex().encode() + b"\n", field="key")
    with serving(tmp_path, settings, officers=OFFICERS) as service:
        yield service


def ask(served: Served, by: Officer, path: str = PATH, persons: Any = PERSONS) -> Any:
    body = msgspec.json.encode(request_of(persons, SECRET))
    return served.request("POST", path, content=body, headers=JSON | served.token(by))


def test_the_police_come_to_the_pseudonyms_of_the_procuratorate(answering: Served) -> None:
    """By elements alone, under the public key that everybody in line is told; how many it asked for is recorded, and
    nothing of whom."""
    public = answering.get(PATH, clerk(POLICE)).json()
    assert public == {"agency": PROCURATORATE, "public_key": PseudonymKey(SEED).public}
    answer = msgspec.json.decode(ask(answering, clerk(POLICE)).content, type=PseudonymAnswer)
    answers = pseudonyms(PERSONS, SECRET, answer, public_key=public["public_key"])
    assert answers == [PseudonymKey(SEED).pseudonym(identity) for identity in PERSONS]
    reads = answering.get("/api/v1/access", supervisor(POLICE)).json()["reads"]
    assert any("2 pseudonyms under the key of procuratorate-east" in str(read) for read in reads)


def test_who_is_not_in_line_may_not_ask(answering: Served) -> None:
    """Nor a role that registers no list; an agency whose key is not here is told so; what is no element is refused."""
    problem(ask(answering, clerk(FAR_POLICE)), 403, "outside_jurisdiction")
    problem(ask(answering, analyst(NEIGHBOUR)), 403, "outside_jurisdiction")
    problem(ask(answering, auditor(POLICE)), 403, "role_missing")
    problem(ask(answering, clerk(POLICE), f"/api/v1/pseudonyms/{UPPER}"), 404, "not_found", "agency_id")
    body = msgspec.json.encode({"elements": ["00" * 32]})
    headers = JSON | answering.token(clerk(POLICE))
    problem(answering.request("POST", PATH, content=body, headers=headers), 400, "malformed_input", "elements")
    assert ask(answering, analyst(UPPER)).status_code == 200


def test_an_agency_may_ask_for_so_many_a_day(answering: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who could ask without end could try all numbers."""
    monkeypatch.setattr(route, "MAX_A_DAY", 3)
    monkeypatch.setattr(route, "_asked_today", route.DailyCount())
    assert ask(answering, clerk(POLICE)).status_code == 200
    problem(ask(answering, clerk(POLICE)), 429, "too_many_requests")
    assert ask(answering, analyst(PROCURATORATE)).status_code == 200


def test_a_day_counts_whole_and_a_request_that_ends_late_counts_on_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests of many threads at once pass the limit by none; with the day all agencies begin anew."""

    class Limit(int):
        """A number that another thread may come between while it is compared."""

        def __lt__(self, number: int) -> bool:
            time.sleep(0)  # hands the interpreter over
            return int(self) < number

    monkeypatch.setattr(route, "MAX_A_DAY", Limit(100))
    count, passed = route.DailyCount(), list[int]()

    def ask_often() -> None:
        for _ in range(100):
            with suppress(Refused):
                count.add(POLICE, "2026-03-01", 1)
                passed.append(1)

    with ThreadPoolExecutor(8) as threads:
        for asking in [threads.submit(ask_often) for _ in range(8)]:
            asking.result()
    assert len(passed) == 100
    count.add(POLICE, "2026-03-02", 100)
    with pytest.raises(Refused):
        count.add(POLICE, "2026-03-01", 1)
    count.add(PROCURATORATE, "2026-03-02", 100)


@pytest.mark.parametrize("text", ["", "07" * 31, "no hex"])
def test_a_key_that_anybody_could_compute_is_not_used(answering: Served, text: str) -> None:
    """An empty file, a short or a spoiled one: neither an answer nor a public key comes of it, and no path is shown."""
    key = DataDirectory(answering.parts.settings.data_dir).pseudonym_key(PROCURATORATE)
    write_secret(key, text.encode(), field="key", replace=True)
    for refused in (ask(answering, clerk(POLICE)), answering.get(PATH, clerk(POLICE))):
        problem(refused, 503, "unavailable")
        assert str(key) not in refused.text
