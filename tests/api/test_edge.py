"""What holds for every request: ids, headers, rates, the log line, and silence about what went wrong inside."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import structlog

from api.app import create_app
from api.middleware import logs
from api.middleware.request_limits import RateLimit
from ledger.config.settings import Settings
from tests.api.conftest import serving
from tests.api.service import Served, problem
from tests.testkit.builders import COURT, POLICE, clerk
from tests.testkit.casework import Case
from tests.testkit.machine import REPOSITORY

CHANGING = ("x-request-id", "content-length", "set-cookie")  # a page may tell the time
ANSWERS = ["/healthz", "/api/v1/cases", "/nowhere", "/checkpoint", "/api/v1/agencies?limit=x", "/docs"]


@pytest.mark.parametrize("path", ANSWERS)
def test_every_answer_has_the_security_headers(shared: Served, path: str) -> None:
    """Answers and refusals alike; no server tells its name."""
    headers = shared.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-frame-options"] == "DENY"
    assert headers["content-security-policy"].startswith("default-src 'self'")
    assert headers["strict-transport-security"] == "max-age=31536000"
    assert "server" not in headers
    assert headers["cache-control"]


def test_head_is_answered_wherever_get_is(shared: Served) -> None:
    """The same status and headers as GET gives, and no body: for every operation that the document tells of."""
    paths = shared.get("/api/v1/openapi.json").json()["paths"]
    reads = [re.sub(r"\{[a-z_]+\}", "x", path) for path, operations in paths.items() if "get" in operations]
    assert len(reads) > 40
    for path in [*reads, "/", "/verify", "/console/", "/docs"]:
        get, head = (shared.request(method, path, headers=shared.token(clerk(POLICE))) for method in ("GET", "HEAD"))
        headers = {name: value for name, value in head.headers.items() if name not in CHANGING}
        assert (head.status_code, head.content) == (get.status_code, b""), path
        assert headers == {name: value for name, value in get.headers.items() if name not in CHANGING}, path


def test_head_of_what_is_only_posted_to_is_refused(shared: Served) -> None:
    """Where there is no GET there is no HEAD."""
    assert shared.request("HEAD", "/api/v1/chain/transactions").status_code == 405


def test_without_tls_nothing_is_promised_of_it(tmp_path: Path) -> None:
    """HSTS only where clients come over TLS."""
    with serving(tmp_path, Settings(public_url="http://127.0.0.1:8420")) as served:
        assert "strict-transport-security" not in served.get("/healthz").headers


def test_a_log_line_says_who_asked_for_what_under_the_id_of_the_request(shared: Served) -> None:
    """A plain id comes back. Method, path without the query, status, time, client: no token and no body."""
    answer = shared.request("GET", "/healthz", headers={"x-request-id": "ab-1.2_3"})
    assert answer.headers["x-request-id"] == "ab-1.2_3"
    assert shared.lines[-1]["id"] == "ab-1.2_3"
    shared.get("/api/v1/cases", clerk(POLICE), limit="7")
    line = shared.lines[-1]
    assert (line["method"], line["path"], line["status"]) == ("GET", "/api/v1/cases", 200)
    assert not any("Bearer" in str(value) or "limit" in str(value) for value in line.values())


@pytest.mark.parametrize("request_id", ["", "a b", "a" * 65, "<script>", "a\tb", "ä"])
def test_an_id_that_is_not_plain_is_replaced(shared: Served, request_id: str) -> None:
    """What could break a log line or a header is not repeated; no two requests get the same id."""
    answers = [shared.request("GET", "/healthz", headers={"x-request-id": request_id.encode()}) for _ in range(2)]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert request_id not in ids
    assert ids[0] != ids[1]
    assert all(re.fullmatch(r"[0-9a-f]{12}-[0-9a-f]+", each) for each in ids)


def test_a_log_line_stays_one_line(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """CR and LF in a field are written as JSON escapes, so that no field forges a line."""

    async def write() -> None:
        logs.request_log()("request", path='/a\r\n{"event":"forged"}', status=200)

    asyncio.run(write())
    (line,) = capfdbinary.readouterr().err.splitlines()
    assert json.loads(line)["path"] == '/a\r\n{"event":"forged"}'


LOGGING = """
import asyncio
from threading import Thread

import structlog

from api.middleware import logs
from ledger.store.activity import failure_of

logs.configure()

def fail():
    raise OSError("the disk is full")

def work():
    failure_of(fail, "step failed")
    structlog.get_logger().warning("after it")
    print("the thread goes on")

async def answer():
    logs.request_log()("request", status=200)
    await asyncio.sleep(0)

asyncio.run(answer())
thread = Thread(target=work)
thread.start()
thread.join()
"""


@pytest.mark.parametrize("log", ["/dev/full", "a pipe that nobody reads"])
def test_a_log_that_cannot_be_written_ends_no_thread(log: str) -> None:
    """What goes wrong when a disk is full is logged on that disk: the line is lost, and the loop that has it goes on,
    as does the answer to a request."""
    if log == "/dev/full":
        file = os.open(log, os.O_WRONLY)
    else:
        reader, file = os.pipe()
        os.close(reader)
    command = [sys.executable, "-c", LOGGING]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=file, cwd=REPOSITORY, timeout=60, check=False)
    os.close(file)
    assert done.stdout == b"the thread goes on\n"


def test_lines_of_packages_and_of_the_chain_are_json_too() -> None:
    """What is logged by the standard library's logging has time, level and logger, and is one line like the rest."""
    script = """
import logging

from api.middleware import logs

logs.configure()
logging.getLogger("ledger.chain.deploy").info("the chain takes no factory: %s", "no\\nroom")
logging.getLogger("httpx").info("nobody wants to read this")
try:
    raise OSError("away")
except OSError:
    logging.getLogger("a.package").log(35, "it is %s", "away", exc_info=True)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, cwd=REPOSITORY, timeout=60, check=True)
    first, second = map(json.loads, done.stderr.splitlines())
    assert {"timestamp", "level", "event", "logger"} == set(first)
    assert (first["level"], first["event"]) == ("info", "the chain takes no factory: no\nroom")
    assert (second["logger"], second["event"]) == ("a.package", "it is away")
    assert "OSError" in second["exception"]


def test_an_agency_has_its_own_measure(tmp_path: Path) -> None:
    """Counted once the signature holds: nobody uses up another agency's."""
    with serving(tmp_path, Settings(max_events_per_s=1)) as served:
        statuses = [served.submit(Case(f"case-{number}").open().last).status_code for number in range(40)]
        assert statuses[:10] == [201] * 10
        assert 429 in statuses  # not always the eleventh: a second that passes gives one back
        assert served.submit(Case("case-court").open(by=clerk("court-east")).last).status_code == 201


def test_an_agency_is_measured_line_by_line_in_bulk(tmp_path: Path) -> None:
    """What is over the measure is refused until it may come again, what is within it is recorded, once.

    Recorded events that anybody sends again keep their agency from nothing.
    """
    with serving(tmp_path, Settings(max_events_per_s=1)) as served:
        lines = [Case(f"case-{number}").open().last.submission for number in range(11)]
        results = served.post_lines(*lines).json()["results"]
        assert [line["status"] for line in results] == [201] * 10 + [429]
        assert results[-1]["problem"]["retry_after"] == 1
        again = served.post_lines(*lines[:10] * 3).json()["results"]
        assert [line["status"] for line in again] == [200] * 30, again[0]
        assert served.post_together(*lines[:10]).status_code == 200


def test_what_is_sent_again_beside_too_much_gives_back_what_it_took(tmp_path: Path) -> None:
    """Of recorded lines some find a token left and some do not: none of them keeps its agency from new events."""
    with serving(tmp_path, Settings(max_events_per_s=1)) as served:
        lines = [Case(f"case-{number}").open().last.submission for number in range(10)]
        for expected, sent in ((201, lines[:5]), (200, lines[:5] * 3), (201, lines[5:])):
            results = served.post_lines(*sent).json()["results"]
            assert {line["status"] for line in results} == {expected}


def test_what_is_refused_together_uses_up_no_agencys_measure(tmp_path: Path) -> None:
    """One agency is over its measure: another, whose events came with it, keeps all of its own."""
    with serving(tmp_path, Settings(max_events_per_s=1)) as served:
        courts = [Case(f"court-{number}").open(by=clerk(COURT)).last.submission for number in range(19)]
        served.post_lines(*courts[:10])
        police = [Case(f"case-{number}").open().last.submission for number in range(9)]
        problem(served.post_together(*police, *courts[10:]), 429, "too_many_requests")
        assert [line["status"] for line in served.post_lines(*police).json()["results"]] == [201] * 9


def test_a_bucket_fills_again() -> None:
    """Ten seconds' worth at once, then so much a second."""
    now = [0.0]
    limit = RateLimit(2, "things", lambda: now[0])
    limit.take("a", 20)
    with pytest.raises(Exception, match="at most 2 things a second; this counts as 3"):
        limit.take("a", 3)
    now[0] = 1.0
    limit.take("a", 2)
    limit.take("b", 20)


def test_what_nobody_foresaw_tells_nothing(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """500 with the request's id; neither message nor code of ours gets out."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError("secret detail")

    served.may_fail = True
    monkeypatch.setattr(served.parts.validator.__class__, "check_rules", fail)
    answer = served.submit(Case().open().last)
    problem(answer, 500, "internal_error")
    assert "secret" not in answer.text
    assert "Zero" not in answer.text
    monkeypatch.setattr("ledger.store.cases.list_cases", fail)
    answer = served.get("/api/v1/cases", clerk(POLICE))
    problem(answer, 500, "internal_error")
    assert "secret" not in answer.text


def test_a_traceback_shows_no_values(shared: Served, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Tokens and payloads are values of local variables: the log of ``create_app`` does not print those."""
    token = "".join(("very", "secret"))  # noqa: FLY002 - the source of this line must not hold the word
    before = structlog.get_config()
    structlog.reset_defaults()
    create_app(shared.parts)
    try:
        raise ZeroDivisionError(len(token))
    except ZeroDivisionError:
        structlog.get_logger("test").exception("failed")
    finally:
        structlog.configure(**before)
    line = json.loads(capfdbinary.readouterr().err)
    assert "ZeroDivisionError" in line["exception"]
    assert "very" + "secret" not in str(line)
    assert sys.exc_info() == (None, None, None)
