"""The server on a real socket: slow, huge and contradictory requests end in time, and honest ones go on."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import Response, StreamingResponse

from api.middleware import server as servers
from api.middleware.clients import Connections
from ledger.config.settings import Settings
from tests.api.conftest import serving
from tests.api.service import Served, listening_at, listening_for
from tests.testkit.casework import Case
from tests.testkit.machine import free_port

HEADER_S = 1
BODY_S = 1
PATIENCE = 20  # seconds a test waits for the server's answer


class Listening:
    """A served application on a port."""

    def __init__(self, served: Served, port: int):
        self.served = served
        self.port = port

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def talk(self, *parts: bytes, pause_s: float = 0) -> bytes:
        """Send the parts, then read until the server closes; what is not answered raises TimeoutError."""
        with self.connect() as connection:
            for part in parts:
                try:
                    connection.sendall(part)
                except ConnectionError:
                    break
                time.sleep(pause_s)
            return read_all(connection)

    def is_well(self) -> bool:
        answer = httpx.get(f"http://127.0.0.1:{self.port}/healthz", trust_env=False, timeout=PATIENCE)
        return answer.status_code == 200


def read_all(connection: socket.socket) -> bytes:
    received = b""
    while True:
        try:
            part = connection.recv(65_536)
        except ConnectionError:
            return received
        if not part:
            return received
        received += part


def problem_in(answer: bytes) -> tuple[int, str]:
    """Return status and code of the last problem in what was received."""
    head, _, body = answer.rpartition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head, answer
    document = json.loads(body)
    assert document["hint"]
    return document["status"], document["code"]


@pytest.fixture(scope="module")
def listening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listening]:
    """Return a server with short deadlines."""
    settings = Settings(request_timeout_s=BODY_S, header_timeout_s=HEADER_S)
    with pytest.MonkeyPatch.context() as patch, serving(tmp_path_factory.mktemp("server"), settings) as served:
        patch.setattr(servers, "LINGER_S", 0.3)
        with listening_for(served, HEADER_S) as port:
            yield Listening(served, port)


def test_every_response_has_its_date(listening: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also the first one after a rest, in which the server did not look at the clock (RFC 9110 6.6.1)."""
    for now_s, date in ((0, "Thu, 01 Jan 1970 00:00:00 GMT"), (86_399, "Thu, 01 Jan 1970 23:59:59 GMT")):
        monkeypatch.setattr(servers, "time", SimpleNamespace(time=lambda now_s=now_s: now_s + 0.5))
        answer = httpx.get(f"http://127.0.0.1:{listening.port}/healthz", trust_env=False, timeout=PATIENCE)
        assert answer.headers.get_list("date") == [date]


def posting(*headers: str, path: str = "/api/v1/events") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: ledger.test", "Content-Type: application/json", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def test_events_go_over_one_kept_connection(listening: Listening) -> None:
    """Request after request, and no server tells its name."""
    case = Case().open().register("phone")
    with httpx.Client(base_url=f"http://127.0.0.1:{listening.port}", trust_env=False) as client:
        for event in case.events:
            answer = client.post(
                "/api/v1/events", content=event.submission, headers={"content-type": "application/json"}
            )
            assert answer.status_code == 201
            assert "server" not in answer.headers


def test_an_event_may_come_in_pieces(listening: Listening) -> None:
    """Chunked, a few bytes at a time, within the deadline."""
    body = Case("case-pieces").open().last.submission
    chunks = [body[start : start + 200] for start in range(0, len(body), 200)]
    parts = [b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks]
    answer = listening.talk(posting("Transfer-Encoding: chunked", "Connection: close"), *parts, b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 201"), answer


def test_a_client_may_wait_to_be_told_to_go_on(listening: Listening) -> None:
    """The interim answer comes at once, though an answer's head otherwise waits for its body."""
    body = Case("case-continued").open().last.submission
    with listening.connect() as connection:
        connection.sendall(posting(f"Content-Length: {len(body)}", "Expect: 100-continue", "Connection: close"))
        assert connection.recv(65_536).startswith(b"HTTP/1.1 100")
        connection.sendall(body)
        assert read_all(connection).startswith(b"HTTP/1.1 201")


SLOW = {
    "headers byte by byte": (0.15, "headers_too_slow", [b"GET /healthz HTTP/1.1\r\n", *[b"X"] * 12]),
    "nothing": (0, "headers_too_slow", []),
    "a second request": (0, "headers_too_slow", [b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /healthz HT"]),
    "a body byte by byte": (0.2, "body_too_slow", [posting("Content-Length: 1000"), *[b"{"] * 8]),
}


@pytest.mark.parametrize(("pause_s", "code", "parts"), SLOW.values(), ids=SLOW)
def test_whoever_is_slow_is_cut_off(listening: Listening, pause_s: float, code: str, parts: list[bytes]) -> None:
    """408, then the connection is closed: a kept connection gets no more time for its next request than a new one."""
    assert problem_in(listening.talk(*parts, pause_s=pause_s)) == (408, code)
    assert listening.is_well()


@pytest.mark.parametrize("length", ["Content-Length: 134217728", "Transfer-Encoding: chunked"])
def test_a_huge_body_is_refused_as_it_comes(listening: Listening, length: str) -> None:
    """413 long before 128 MiB are in, whatever the header said."""
    piece = b" " * 65_536
    part = piece if "Length" in length else b"10000\r\n" + piece + b"\r\n"
    answer = listening.talk(posting(length), *[part] * 200)
    assert problem_in(answer) == (413, "body_too_large")
    assert listening.is_well()


def test_huge_headers_are_refused(listening: Listening) -> None:
    """More than 32 KiB of headers is no request."""
    answer = listening.talk(b"GET /healthz HTTP/1.1\r\n", *[b"X-A: " + b"a" * 1000 + b"\r\n"] * 100)
    assert problem_in(answer) == (431, "headers_too_large")


TWO_READINGS = {
    "CL+TE": posting("Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "two lengths": posting("Content-Length: 5", "Content-Length: 6") + b"hello!",
    "bad chunk": posting("Transfer-Encoding: chunked") + b"zz\r\nhello\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "method": b"BREW /pot HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("request_bytes", TWO_READINGS.values(), ids=TWO_READINGS)
def test_what_has_two_readings_is_refused(listening: Listening, request_bytes: bytes) -> None:
    """A length told in two ways, or no HTTP at all: 400, connection closed, nothing recorded."""
    size = listening.served.size()
    answer = listening.talk(request_bytes)
    assert answer.split(b" ", 2)[1] in (b"400", b"408"), answer
    assert len(re.findall(rb"HTTP/1\.1 [0-9]", answer)) == 1
    assert listening.served.size() == size
    assert listening.is_well()


def test_an_upgrade_is_not_followed(listening: Listening) -> None:
    """No second protocol behind the first."""
    answer = listening.talk(
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n\r\n"
    )
    assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 400"))
    assert listening.is_well()


def test_idle_and_slow_clients_do_not_hold_up_honest_ones(listening: Listening) -> None:
    """A hundred open connections that say half a request each, and an event gets its receipt."""
    idle = [listening.connect() for _ in range(100)]
    try:
        for connection in idle:
            connection.sendall(b"POST /api/v1/events HTTP/1.1\r\nContent-Le")
        event = Case("case-honest").open().last
        answer = httpx.post(
            f"http://127.0.0.1:{listening.port}/api/v1/events",
            content=event.submission,
            headers={"content-type": "application/json"},
            trust_env=False,
        )
        assert answer.status_code == 201
        assert all(problem_in(read_all(connection)) == (408, "headers_too_slow") for connection in idle)
    finally:
        for connection in idle:
            connection.close()


def test_a_flood_of_connections_locks_nobody_out(tmp_path: Path) -> None:
    """Of more than there is room for, those that have waited longest are dropped at once, long before their deadline;
    requests that have come whole are answered, and descriptors do not run out."""
    connections = Connections(most=20, most_of_address=20)
    with serving(tmp_path) as served, listening_for(served, 60, connections) as port:
        flood = [socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) for _ in range(60)]
        try:
            for connection in flood[-10:]:
                connection.sendall(posting("Content-Length: 1000") + b"{")  # a body that does not come is no request
            event = Case("case-flooded").open().last
            url = f"http://127.0.0.1:{port}/api/v1/events"
            kind = {"content-type": "application/json"}
            answer = httpx.post(url, content=event.submission, headers=kind, trust_env=False, timeout=PATIENCE)
            assert answer.status_code == 201
            assert all(read_all(connection) == b"" for connection in flood[:40])
        finally:
            for connection in flood:
                connection.close()


def asked(port: int) -> int:
    """Give the status of an answer to a request of another client."""
    return httpx.get(f"http://127.0.0.1:{port}/none", trust_env=False, timeout=PATIENCE).status_code


@pytest.mark.parametrize("pieces", [1, 64])
def test_clients_that_do_not_read_lock_nobody_out(monkeypatch: pytest.MonkeyPatch, pieces: int) -> None:
    """Who asks for much and takes none of it is dropped, also in the middle of an answer: others find room."""
    monkeypatch.setattr(servers, "STALLED_S", 0.3)
    size, app = 64_000_000, FastAPI()

    @app.get("/much")
    async def much() -> Response:
        return StreamingResponse(iter([b"x" * (size // pieces)] * pieces))

    with listening_at(free_port(), app, 60, Connections(most=2, most_of_address=2)) as port:
        greedy = [socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) for _ in range(2)]
        try:
            for connection in greedy:
                connection.sendall(b"GET /much HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            until = time.monotonic() + PATIENCE
            while asked(port) != 404:  # 503 while those two have all the room
                assert time.monotonic() < until
                time.sleep(0.05)
            assert all(len(read_all(connection)) < size for connection in greedy)
        finally:
            for connection in greedy:
                connection.close()


def test_a_client_that_goes_away_leaves_nothing_behind(listening: Listening) -> None:
    """Half a body, then nothing: no entry, no fault."""
    size = listening.served.size()
    with listening.connect() as connection:
        connection.sendall(posting("Content-Length: 1000") + b"{")
    assert listening.is_well()
    assert listening.served.size() == size
