"""Metrics: what a service has done and how it stands, at a listener of its own, whatever becomes of its database."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from sqlalchemy import event

from api.middleware.exposition import MOST_SCRAPERS, exposing
from api.middleware.measuring import OTHER
from api.services import metrics
from api.services.metrics import ServiceMetrics
from ledger.backup.of_directory import LastBackup, remember
from ledger.cli.listening import listening_for_metrics
from ledger.config.installation import DataDirectory
from ledger.config.settings import Settings, WitnessSettings
from ledger.core.errors import MalformedInput
from ledger.core.events import Authority
from ledger.core.events.retention import RetentionSet
from tests.api.conftest import OFFICERS, no_chain, serving_ledger
from tests.api.service import Served
from tests.testkit.builders import POLICE, clerk, supervisor
from tests.testkit.casework import Case
from tests.testkit.ledgers import open_ledger
from tests.testkit.postgres import running_server

ORDER = Authority("court_order", "12/2026")


@contextmanager
def exposed(served: Served, **changes: Any) -> Iterator[str]:
    """The URL at which the metrics of this service are read."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        exposing(ServiceMetrics(replace(served.parts, **changes)), listener),
    ):
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/metrics"


def samples_at(url: str) -> list[Sample]:
    answer = httpx.get(url, trust_env=False, timeout=30)
    assert answer.status_code == 200
    return [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]


def samples(served: Served) -> list[Sample]:
    with exposed(served) as url:
        return samples_at(url)


def value(within: list[Sample], name: str, **labels: str) -> float | None:
    """The value of the one sample of this name and these labels."""
    values = [
        sample.value
        for sample in within
        if sample.name == f"tallystick_{name}" and labels.items() <= sample.labels.items()
    ]
    assert len(values) <= 1, (name, values)
    return values[0] if values else None


def test_nobody_serves_metrics_unasked() -> None:
    """Neither a service nor a witness; and only on this machine, unless set otherwise."""
    for settings in (Settings(), WitnessSettings()):
        assert (settings.metrics_port, settings.metrics_host) == (None, "127.0.0.1")


def test_submissions_are_counted_by_what_came_of_them(served: Served) -> None:
    """Alone, in bulk and together: what is new, what is repeated, and each refusal by its code."""
    before = value(samples(served), "batch_entries_sum")
    case = served.record(Case().open())
    served.submit(case.last)
    served.submit(b"{}")
    second, third = Case("case-2").open(), Case("case-3").open()
    served.post_lines(second.last.submission, b"{}", case.last.submission)
    served.post_together(third.last.submission)
    served.post_together(b"{}", third.last.submission)
    scrape = samples(served)
    assert value(scrape, "submissions_total", outcome="recorded") == 3
    assert value(scrape, "submissions_total", outcome="repeated") == 2
    assert value(scrape, "submissions_total", outcome="malformed_input") == 3
    assert value(scrape, "validation_seconds_count", request="event") == 3
    assert value(scrape, "validation_seconds_count", request="batch") == 3
    assert value(scrape, "batch_entries_sum") == 3 + before
    assert value(scrape, "queue_events") == 0


def test_requests_are_counted_by_route_and_no_id_is_told(served: Served) -> None:
    """By the templates of all kinds of routes; of an address at which nothing is, nothing is kept."""
    case = served.record(Case("case-secret-7").open())
    by = clerk("police-east")
    served.get("/api/v1/cases/case-secret-7", by)
    served.get("/console/cases/case-secret-7")
    served.get("/api/v1/events/nobody-knows")
    served.get("/api/v1/events")
    served.get("/nowhere/at-all")
    served.request("HEAD", "/healthz")
    served.request("BREW", "/healthz")
    served.post("/api/v1/cases/case-secret-7/handovers/h-9/accept", case.last.submission)
    scrape = samples(served)
    counted = {
        (sample.labels["method"], sample.labels["route"], sample.labels["status"]): sample.value
        for sample in scrape
        if sample.name == "tallystick_requests_total"
    }
    for key in (
        ("POST", "/api/v1/events", "201"),
        ("GET", "/api/v1/cases/{case_id}", "200"),
        ("GET", "/api/v1/events", "401"),
        ("GET", "/api/v1/events/{event_id}", "401"),
        ("POST", "/api/v1/cases/{case_id}/handovers/{handover_id}/accept", "400"),
        ("POST", "/api/v1/sign-in/token", "200"),
        ("GET", OTHER, "404"),
        ("HEAD", "/healthz", "200"),
        (OTHER, "/healthz", "405"),
    ):
        assert counted.get(key) == 1, (key, sorted(counted))
    assert any(route == "/console/cases/{case_id}" for _, route, _ in counted)
    labels = " ".join(word for sample in scrape for word in sample.labels.values())
    assert not re.search(r"secret|nobody|nowhere|h-9", labels)
    assert value(scrape, "refusals_total", code="wrong_address", status="400") == 1


def test_a_scrape_says_how_the_log_stands(served: Served) -> None:
    """Sizes are those of the API, and what follows the log is behind it by what it has not seen."""
    served.record(Case().open())
    size = served.publish()
    scrape = samples(served)
    assert value(scrape, "ready") == 1
    assert value(scrape, "database_state", state="ok") == 1
    assert value(scrape, "chain_state", state="connecting") == 1
    assert value(scrape, "log_entries") == value(scrape, "published_entries") == size
    assert value(scrape, "anchor_lag_entries") == size
    assert value(scrape, "follower_entries", follower="words") == 0
    assert value(scrape, "alarms", kind="writer_stopped") == 0
    served.ledger.sequencer.stop()
    scrape = samples(served)
    assert (value(scrape, "ready"), value(scrape, "part_working", part="sequencer")) == (0, 0)
    assert value(scrape, "alarms", kind="writer_stopped") == 1


def test_what_is_due_and_the_last_backup_are_told(served: Served, tmp_path: Path) -> None:
    """Cases and things apart; of backups that of the place in the settings, and the run that failed since."""
    case = Case().open().register("phone", "knife")
    for until, item_ids in (("2026-03-10", ("phone",)), ("2026-03-10", ()), ("2026-04-10", ("knife",))):
        case.say(RetentionSet, supervisor(POLICE), until=until, item_ids=item_ids, authority=ORDER)
    served.record(case)
    where = DataDirectory(tmp_path)
    remember(where, "file:///elsewhere", LastBackup(9, "blake3:99", 900))
    remember(where, "file:///mnt", LastBackup(2, "blake3:22", 700, failed=800))
    served.ledger.clock.forward(9 * 86400)
    settings = served.parts.settings.model_copy(update={"data_dir": tmp_path, "backup_store": "file:///mnt"})
    with exposed(served, settings=settings) as url:
        scrape = samples_at(url)
    assert [value(scrape, "retention_due", subject=subject) for subject in ("case", "item")] == [1, 1]
    of_backup = ("backup_configured", "backup_timestamp_seconds", "backup_failed_timestamp_seconds")
    assert [value(scrape, name) for name in of_backup] == [1, 700, 800]
    assert (value(scrape, "evidence_files"), value(scrape, "evidence_checks_waiting")) == (0, 0)


def test_a_scrape_wakes_nobody_and_does_not_grow_with_the_log(served: Served) -> None:
    """It writes nothing, and asks the database as often behind a hundred entries as behind one."""

    def statements() -> int:
        asked: list[str] = []

        def keep(*arguments: object) -> None:
            asked.append(str(arguments[2]))

        engine = served.ledger.database.log
        event.listen(engine, "before_cursor_execute", keep)
        try:
            assert value(samples(served), "ready") == 1
        finally:
            event.remove(engine, "before_cursor_execute", keep)
        return len(asked)

    served.record(Case("case-0").open())
    writes, few = served.ledger.database.activity.writes, statements()
    assert served.ledger.database.activity.writes == writes
    served.post_together(*(Case(f"case-{number}").open().last.submission for number in range(1, 100)))
    assert statements() == few


def test_what_is_counted_row_by_row_is_not_counted_with_each_scrape(served: Served) -> None:
    """Files, checks, what is to be deleted and what is due: once within minutes, and told each time."""
    asked: list[str] = []

    def keep(*arguments: object) -> None:
        asked.append(str(arguments[2]))

    tables = ("evidence_files", "file_checks", "files_to_delete")
    names = ("evidence_files", "evidence_checks_waiting", "evidence_files_to_delete")
    with exposed(served) as url:
        event.listen(served.ledger.database.log, "before_cursor_execute", keep)
        try:
            for is_first in (True, False):
                asked.clear()
                scrape = samples_at(url)
                assert [value(scrape, name) for name in names] == [0, 0, 0]
                counted = [any(table in statement for statement in asked) for table in tables]
                assert counted == [is_first] * len(tables)
        finally:
            event.remove(served.ledger.database.log, "before_cursor_execute", keep)


def test_a_database_that_is_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it refuses or hangs, a scrape ends in time, says so and gives what is known without it."""
    monkeypatch.setattr(metrics, "GATHER_S", 2.0)
    with (
        running_server() as server,
        server.fresh_database() as url,
        open_ledger(url) as ledger,
        serving_ledger(ledger.found(*OFFICERS), no_chain) as served,
        exposed(served) as scraped,
    ):
        served.record(Case().open())
        with frozen(server.process.pid):
            scrape = samples_at(scraped)
        assert value(scrape, "database_state", state="silent") == 1
        assert (value(scrape, "log_entries"), value(scrape, "status_read")) == (None, 0)
        assert value(scrape, "part_working", part="sequencer") == 1
        assert value(scrape, "submissions_total", outcome="recorded") == 1
        while value(samples_at(scraped), "database_state", state="ok") != 1:
            pass
        server.execute("ALTER SYSTEM SET fsync = off")
        server.execute("SELECT pg_reload_conf()")
        while value(scrape := samples_at(scraped), "database_state", state="not_durable") != 1:
            pass
        assert value(scrape, "ready") == 0
        server.execute("ALTER SYSTEM RESET fsync")
        server.execute("SELECT pg_reload_conf()")


def test_an_address_that_is_taken_is_refused(served: Served) -> None:
    """With the setting to change."""
    with exposed(served) as url:
        port = httpx.URL(url).port
        settings = served.parts.settings.model_copy(update={"metrics_port": port})
        with pytest.raises(MalformedInput, match="cannot listen") as refused, listening_for_metrics(settings):
            pass
        assert refused.value.field == "metrics_port"


def test_a_scraper_that_says_nothing_is_cut_off(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets the time for the headers of a request, and no thread waits for it meanwhile."""
    monkeypatch.setattr("api.middleware.exposition.HEADERS_S", 0.1)
    with exposed(served) as url:
        port = httpx.URL(url).port
        with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
            client.sendall(b"GET /metrics HTTP/1.1\r\n")
            assert client.makefile("rb").read().startswith(b"HTTP/1.1 408")


def test_scrapers_that_are_too_many_make_room(served: Served) -> None:
    """However many connections wait for nothing, the one that asks is answered."""
    with exposed(served) as url:
        port = httpx.URL(url).port
        idle = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(MOST_SCRAPERS)]
        assert value(samples_at(url), "ready") == 1
        with suppress(ConnectionResetError):
            assert idle[0].recv(1) == b""
        for client in idle:
            client.close()


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Keep a process and its children from doing anything until the block is left."""
    os.kill(pid, signal.SIGSTOP)  # first, so that it starts no more
    pids = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    try:
        for child in pids[1:]:
            os.kill(child, signal.SIGSTOP)
        yield
    finally:
        for each in pids:
            os.kill(each, signal.SIGCONT)
