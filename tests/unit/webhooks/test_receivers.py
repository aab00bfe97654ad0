"""Only what may be sent to is sent to; a receiver that misbehaves fails alone; a kill of the service loses nothing."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, ip_address, ip_network
from pathlib import Path
from threading import Event, Thread
from typing import Any

import msgspec
import pytest

from ledger.core.errors import MalformedInput
from ledger.interchange.webhooks import deliverer, receiver
from ledger.interchange.webhooks.receiver import Receivers, Undelivered, post
from tests.api.conftest import serving
from tests.api.service import Served
from tests.testkit import machine
from tests.testkit.builders import COURT, POLICE, refused, supervisor
from tests.testkit.casework import Case
from tests.testkit.ledgers import open_ledger, sqlite_url
from tests.unit.webhooks import sender
from tests.unit.webhooks.receiver import Receiver, receiving

PUBLIC = Receivers(development=False)
INTRANET = Receivers(development=False, networks=(ip_network("10.20.0.0/16"), ip_network("fd00:20::/32")))
ANYWHERE = Receivers(development=True)


NOT_PUBLIC = (  # the IANA registries for special purposes, as of RFC 6890 and later, with multicast and reserved space
    *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/29"),
    *("192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
    *("224.0.0.0/4", "240.0.0.0/4", "255.255.255.255/32"),
    *("::/128", "::1/128", "::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/32"),
    *("2001:2::/48", "2001:10::/28", "2001:20::/28", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16"),
    "fc00::/7",
    *("fe80::/10", "fec0::/10", "ff00::/8"),
)


def ends_of(network: str) -> list[str]:
    """Yield the first and last address of a network, and one between; of IPv4 by every notation that leads there."""
    parsed = ip_network(network)
    size = parsed.num_addresses
    ends = [parsed[number] for number in sorted({0, size // 3, size - 1})]
    if parsed.version == 6:
        return list(map(str, ends))
    forms = ("{}", "::ffff:{}", "64:ff9b::{}", "::{}", "2600::5efe:{}", "2600::200:5efe:{}")
    sixtofour = (str(IPv6Address(0x2002 << 112 | int(end) << 80)) for end in ends)
    return [*(form.format(end) for end in ends for form in forms), *sixtofour]


@pytest.mark.parametrize("network", NOT_PUBLIC)
def test_an_address_that_is_not_public_is_refused(network: str) -> None:
    """Loopback, private, shared, link-local (the metadata service among them), multicast, however they are spelled."""
    for address in ends_of(network):
        assert not PUBLIC.allows(ip_address(address)), address
        assert ANYWHERE.allows(ip_address(address))
        host = f"[{address}]" if ":" in address else address
        with refused("malformed_input", field="url", error=MalformedInput):
            PUBLIC.require_url(f"https://{host}/hook")


ALLOWED = {  # by anybody, and by an operator who names 10.20.0.0/16 and fd00:20::/32
    "8.8.8.8": (True, True),
    "2606:4700:4700::1111": (True, True),
    "::ffff:8.8.8.8": (True, True),
    "64:ff9b::8.8.8.8": (True, True),
    "10.20.3.4": (False, True),
    "::ffff:10.20.3.4": (False, True),
    "fd00:20::1": (False, True),
    "fe80::1%eth0": (False, False),
    "2606:4700:4700::1111%1": (False, False),
    "fd00:20::1%eth0": (False, False),
}


@pytest.mark.parametrize("address", ALLOWED)
def test_public_addresses_and_networks_of_the_operator_are_allowed(address: str) -> None:
    """Nothing else is asked of a public address. A zone names a link of this machine: neither a public prefix nor a
    network of the operator's makes it public."""
    parsed = ip_address(address)
    assert (PUBLIC.allows(parsed), INTRANET.allows(parsed)) == ALLOWED[address]


@pytest.mark.parametrize("rest", ["/hook", "/#part", "/" + "a" * 1000, ""])
@pytest.mark.parametrize("start", ["http://receiver.example", "https://user:word@receiver.example", "https://[::1", ""])
def test_what_is_no_url_to_send_to_is_refused(start: str, rest: str) -> None:
    """TLS, a host, no user, no fragment, no more than a line."""
    with refused("malformed_input", field="url", error=MalformedInput):
        PUBLIC.require_url(start + rest)


def deliver(receivers: Receivers, url: str) -> int:
    return asyncio.run(post(receivers, url, b"{}", {"content-type": "application/json"}))


def failure(receivers: Receivers, url: str) -> str:
    with pytest.raises(Undelivered) as caught:
        deliver(receivers, url)
    return caught.value.message


def test_a_host_that_leads_inside_is_not_sent_to() -> None:
    """The name is harmless, the address is not: nothing arrives, and the address is not told."""
    with receiving() as receiver:
        port = receiver.url.split(":")[2]
        reason = failure(PUBLIC, f"https://localhost:{port}")
        assert reason == "the host leads to an address that is not public"
        assert receiver.bodies == []


def test_a_host_without_an_address_fails() -> None:
    """A name that nobody has (RFC 6761)."""
    assert failure(ANYWHERE, "http://nobody.invalid/") == "the host has no address"


def test_the_receiver_sees_its_own_name() -> None:
    """The connection goes to the address that was looked at, the request to the host of the URL."""
    with receiving() as receiver:
        port = receiver.url.split(":")[2].partition("/")[0]
        assert deliver(ANYWHERE, f"http://localhost:{port}/hook") == 204
        assert receiver.request_headers[0]["host"] == f"localhost:{port}"


def test_the_next_address_is_tried_where_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with an IPv6 address and an IPv4 one, of which only the second answers; with neither, it fails."""
    look_up = socket.getaddrinfo

    def of_both(host: str, port: int, *more: Any, **options: Any) -> list[Any]:
        hosts = ["::1", "127.0.0.1"] if host == "hook.test" else [host]
        return [entry for each in hosts for entry in look_up(each, port, *more, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", of_both)
    with receiving() as receiver:
        url = receiver.url.replace("127.0.0.1", "hook.test")
        assert deliver(ANYWHERE, url) == 204
        assert len(receiver.bodies) == 1
    assert failure(ANYWHERE, url).startswith("the connection failed")


def test_a_redirect_is_not_followed() -> None:
    """It is a failure like any answer but 2xx."""
    with receiving() as inside, receiving() as receiver:
        receiver.status, receiver.headers = 302, {"location": inside.url}
        assert failure(ANYWHERE, receiver.url) == "the receiver answered 302, not 2xx"
        assert inside.bodies == []


def test_a_closed_port_fails() -> None:
    """A delivery to a port on which nobody listens fails."""
    with receiving() as receiver:
        url = receiver.url
    assert failure(ANYWHERE, url).startswith("the connection failed")


@contextmanager
def trickling(first: bytes) -> Iterator[str]:
    """Start a server that sends ``first`` and then nothing for as long as it is listened to."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(first)
                while connection.recv(4096):
                    pass

        thread = Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        thread.join()


def test_a_receiver_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """However it keeps the connection open."""
    monkeypatch.setattr(receiver, "ANSWER_WITHIN_S", 0.3)
    with trickling(b"HTTP/1.1 200 OK\r\nX-") as url:
        assert failure(ANYWHERE, url).startswith("no answer within")


def test_of_an_answer_only_the_status_is_read() -> None:
    """A body without end costs nothing."""
    with trickling(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nxxxx") as url:
        assert deliver(ANYWHERE, url) == 200


# -- a service that is killed ------------------------------------------------------------------------------------------


@contextmanager
def killed(url: str, ahead_s: int = 0) -> Iterator[None]:
    """Start a process that delivers; kill it with SIGKILL when the block is left."""
    command = [sys.executable, "-m", "tests.unit.webhooks.sender", url, str(ahead_s)]
    process = subprocess.Popen(command, cwd=machine.REPOSITORY)
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def delivering(url: str, ahead_s: int = 0) -> Iterator[None]:
    """Deliver in a thread until the block is left."""
    stop = Event()
    with open_ledger(url) as ledger:
        thread = Thread(target=sender.deliver, args=(ledger, stop, ahead_s))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """Yield a service on a database that other processes deliver from."""
    with serving(tmp_path) as service:
        yield service


def add(served: Served, receiver: Receiver, agency: str = POLICE) -> None:
    token = served.token(supervisor(agency))
    assert served.post("/api/v1/webhooks", msgspec.json.encode({"url": receiver.url}), **token).status_code == 201


def test_what_was_under_way_is_sent_again(served: Served, tmp_path: Path) -> None:
    """The receiver had the first page, its answer came to nobody: it gets the page again, then the rest."""
    served.ledger.post_all(Case(step=1).open().register(*(f"item-{number}" for number in range(150))).events)
    with receiving() as receiver:
        receiver.gate.clear()
        add(served, receiver)
        with killed(sqlite_url(tmp_path)):
            machine.wait_until(lambda: len(receiver.bodies) == 1)
        receiver.gate.set()
        with delivering(sqlite_url(tmp_path), deliverer.CLAIM_MS // 1000):
            machine.wait_until(lambda: len(receiver.bodies) == 3)
        assert receiver.events() == [("case-1", n) for n in [*range(100), *range(151)]]
        ids = [headers["webhook-id"] for headers in receiver.request_headers]
        assert ids[0] == ids[1] != ids[2]


def test_of_two_services_one_sends(served: Served, tmp_path: Path) -> None:
    """Both look at the same database: nothing comes twice or out of order while both live."""
    case = Case(step=1).open().register(*(f"item-{number}" for number in range(350)))
    with receiving() as receiver:
        add(served, receiver)
        with delivering(sqlite_url(tmp_path)), delivering(sqlite_url(tmp_path)):
            for start in range(0, 351, 50):
                served.ledger.post_all(case.events[start : start + 50])
            machine.wait_until(lambda: len(receiver.events()) >= 351)
        assert receiver.events() == [("case-1", n) for n in range(351)]


def test_a_dead_receiver_holds_up_nobody(served: Served, tmp_path: Path) -> None:
    """While one receiver says nothing, events come in and another agency is told of its own."""
    with receiving() as dead, receiving() as alive:
        dead.gate.clear()
        add(served, dead)
        add(served, alive, COURT)
        case = Case(step=1).open().register("phone")
        served.record(case)
        with delivering(sqlite_url(tmp_path)):
            machine.wait_until(lambda: len(dead.bodies) == 1)
            served.record(case.offer("phone", to=COURT, purpose="jurisdiction_transfer"))
            machine.wait_until(lambda: len(alive.events()) == 3)
        assert len(dead.bodies) == 1
