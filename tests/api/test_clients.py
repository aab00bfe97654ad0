"""From which address a request comes, and how many connections there may be."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from api.console.cases import list_files
from api.middleware.clients import Connections, client_of, subscriber_of
from ledger.config.settings import Settings
from tests.api.conftest import serving
from tests.api.service import problem
from tests.testkit.builders import POLICE, clerk
from tests.testkit.casework import Case

PROXIES = (ip_network("127.0.0.1/32"), ip_network("10.0.0.0/8"), ip_network("fd00::/16"))

SEARCHES = ("search?q", "lists/search?q", "cases?person", "lists/cases?person")


def scope(peer: str | None, *forwarded: str) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", text.encode("latin-1")) for text in forwarded]
    return {"client": None if peer is None else (peer, 1), "headers": headers}


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.9", (), "203.0.113.9"),
        ("203.0.113.9", ("198.51.100.1",), "203.0.113.9"),  # it is no proxy of ours: its word counts for nothing
        ("127.0.0.1", (), "127.0.0.1"),
        ("127.0.0.1", ("198.51.100.1",), "198.51.100.1"),
        ("127.0.0.1", ("1.2.3.4, 198.51.100.1",), "198.51.100.1"),  # what stands before was sent by the client
        ("127.0.0.1", ("1.2.3.4, 198.51.100.1, 10.0.0.7",), "198.51.100.1"),
        ("127.0.0.1", ("1.2.3.4", "198.51.100.1"), "198.51.100.1"),
        ("127.0.0.1", ("198.51.100.1, nonsense",), "127.0.0.1"),
        ("127.0.0.1", ("nonsense, 10.0.0.7",), "10.0.0.7"),
        ("127.0.0.1", ("198.51.100.1:5678",), "198.51.100.1"),  # some gateways write the port, too
        ("127.0.0.1", ("[2001:db8::1]:5678",), "2001:db8::1"),
        ("127.0.0.1", ("[2001:db8::1]",), "2001:db8::1"),
        ("::ffff:127.0.0.1", ("2001:db8::1",), "2001:db8::1"),
        (None, ("198.51.100.1",), None),
    ],
)
def test_a_client_is_whom_our_proxy_names(peer: str | None, forwarded: tuple[str, ...], expected: str | None) -> None:
    """The last address that is none of our proxies'; what no proxy of ours wrote counts for nothing."""
    assert client_of(scope(peer, *forwarded), PROXIES) == expected


def test_an_ipv6_subscriber_is_one() -> None:
    """He has 2^64 addresses; an IPv4 address is one, however it is written."""
    assert subscriber_of("2001:db8:1:2:3:4:5:6") == subscriber_of("2001:db8:1:2::1") != subscriber_of("2001:db8:1:3::1")
    assert subscriber_of("::ffff:203.0.113.9") == subscriber_of("203.0.113.9") != subscriber_of("203.0.113.8")
    assert subscriber_of(None) == subscriber_of("unix") == ""


def test_each_client_behind_a_proxy_has_its_own_rate(tmp_path: Path) -> None:
    """One that asks too much is refused, the next one behind the same proxy is not; the log names them."""
    settings = Settings(max_requests_per_s=1, trusted_proxies="127.0.0.0/8")
    with serving(tmp_path, settings) as served:
        first, second = ({"x-forwarded-for": f"198.51.100.{number}"} for number in (1, 2))
        answers = [served.request("GET", "/healthz", headers=first) for _ in range(11)]
        assert [answer.status_code for answer in answers[:10]] == [200] * 10
        problem(answers[10], 429, "too_many_requests")
        assert served.request("GET", "/healthz", headers=second).status_code == 200
        assert served.lines[-1]["client"] == "198.51.100.2"


def test_a_batch_counts_by_its_lines(tmp_path: Path) -> None:
    """A thousand bad lines cost as much as a thousand bad requests: the second batch is refused unread."""
    with serving(tmp_path, Settings(max_requests_per_s=50)) as served:
        first, second = (served.post_lines(*[b"{}"] * 400) for _ in range(2))
        assert first.status_code == 200
        assert len(first.json()["results"]) == 400
        problem(second, 429, "too_many_requests")


@pytest.mark.parametrize("path", ["/api/v1/search?q=nobody", *(f"/console/{page}=nobody" for page in SEARCHES)])
def test_a_search_counts_by_what_it_looks_at(tmp_path: Path, path: str) -> None:
    """One that finds little looks at every stored name: it costs as much as a hundred requests."""
    with serving(tmp_path, Settings(public_url="https://ledger.test", max_requests_per_s=11)) as served:
        by = served.token(clerk(POLICE)) | served.cookie(clerk(POLICE))
        assert served.request("GET", path, headers=by).status_code == 200
        refused = served.request("GET", path, headers=by)
        assert (refused.status_code, "requests of one address" in refused.text) == (429, True)


def test_a_list_as_a_file_counts_by_its_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It costs what its pages would, which one page does not; one that is refused adds nothing to the log of reads."""
    monkeypatch.setattr(list_files, "ROWS", 1)
    with serving(tmp_path, Settings(public_url="https://ledger.test", max_requests_per_s=1)) as served:
        for number in range(20):
            served.ledger.post_all(Case(f"case-{number}").open().events)
        cookie = served.cookie(clerk(POLICE))
        for _ in range(4):  # so that a slow machine does not fill up again what was taken
            assert served.request("GET", "/console/cases", headers=cookie).status_code == 200
        reads = served.reads()
        assert served.request("GET", "/console/lists/cases", headers=cookie).status_code == 429
        assert served.reads() == reads


def test_bodies_count_by_their_bytes(tmp_path: Path) -> None:
    """Whoever sends much is refused as it comes, however few requests it is in, and told when to come again."""
    with serving(tmp_path, Settings(max_body_bytes_per_s=100_000)) as served:
        answers = [served.post("/api/v1/events", b" " * 700_000) for _ in range(2)]
        problem(answers[0], 400, "malformed_input")
        problem(answers[1], 429, "too_many_requests")
        assert 1 <= int(answers[1].headers["retry-after"]) <= 10
        assert served.get("/healthz").status_code == 200


class Fake:
    """A connection that remembers whether it was dropped."""

    def __init__(self) -> None:
        self.is_dropped = False

    def drop(self) -> None:
        self.is_dropped = True


def admitted(connections: Connections, address: str) -> Fake | None:
    connection = Fake()
    return connection if connections.admit(connection, address) else None


def test_a_full_house_drops_whoever_has_waited_longest() -> None:
    """Not who is being answered; where all are, the newcomer is refused. Who left makes room."""
    connections = Connections(most=3, most_of_address=9)
    first, second, third = (admitted(connections, f"198.51.100.{number}") for number in range(3))
    assert first
    assert second
    assert third
    connections.work(first)
    fourth = admitted(connections, "203.0.113.1")
    assert fourth
    assert [connection.is_dropped for connection in (first, second, third, fourth)] == [False, True, False, False]
    connections.work(third)
    connections.work(fourth)
    assert admitted(connections, "203.0.113.2") is None
    connections.wait(first)
    assert admitted(connections, "203.0.113.2")
    assert first.is_dropped
    connections.leave(third)
    assert admitted(connections, "203.0.113.3")


def test_one_address_does_not_fill_the_house() -> None:
    """Its own connections are dropped for its new ones, or it is refused; a proxy of ours has no such limit."""
    connections = Connections(most=100, most_of_address=2, proxies=PROXIES)
    neighbour = admitted(connections, "203.0.113.1")
    own = [admitted(connections, "198.51.100.1") for _ in range(3)]
    assert [connection is not None and connection.is_dropped for connection in own] == [True, False, False]
    assert neighbour is not None
    assert not neighbour.is_dropped
    for connection in own[1:]:
        assert connection is not None
        connections.work(connection)
    assert admitted(connections, "198.51.100.1") is None
    assert all(admitted(connections, "127.0.0.1") for _ in range(50))


def test_descriptors_are_kept_back_for_the_database() -> None:
    """Where the system gives few, there are fewer connections than the setting allows."""
    program = """
        import resource
        from api.middleware.clients import KEPT_BACK, Connections
        resource.setrlimit(resource.RLIMIT_NOFILE, (KEPT_BACK + 40, KEPT_BACK + 40))
        print(Connections(most=1000)._most)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)
    assert int(done.stdout) == 40
