"""Client addresses, also behind a reverse proxy, and limits on connections.

A client's own claims count for nothing: an address is taken from ``X-Forwarded-For`` only if a proxy named by the
operator has written it.
"""

from __future__ import annotations

import re
import resource
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, Protocol

from starlette.types import Scope

Network = IPv4Network | IPv6Network

SUBSCRIBER_BITS: Final = 64  # of an IPv6 address: a subscriber gets a whole /64 network
KEPT_ADDRESSES: Final = 10_000  # addresses whose subscriber is remembered: clients send many requests
KEPT_BACK: Final = 256  # descriptors reserved for the database, the chain, worker processes and served files
WANTED_FILES: Final = 65_536
_PORT: Final = re.compile(r"^(?:\[([^\]]*)\](?::\d+)?|([\d.]+):\d+)$")  # beside an address: some gateways write it


class Connection(Protocol):
    """A connection that can be closed while it waits for a request."""

    def drop(self) -> None: ...


def client_of(scope: Scope, proxies: Sequence[Network]) -> str | None:
    """Return the client's address: the last one in ``X-Forwarded-For`` that is not one of our proxies."""
    client = scope["client"]
    if client is None:
        return None
    address: str = client[0]
    if not _is_within(address, proxies):
        return address
    forwarded = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for").decode("latin-1")
    # Each proxy appends the address that it was called from, so only the tail is written by ours.
    for forwarded_address in reversed(forwarded.split(",")):
        parsed = _parsed(_PORT.sub(r"\1\2", forwarded_address.strip()))
        if parsed is None:
            break
        address = str(parsed)
        if not _is_within(address, proxies):
            break
    return address


def is_passed_on(scope: Scope, proxies: Sequence[Network]) -> bool:
    """Return whether one of our proxies has sent the request."""
    client = scope["client"]
    return client is not None and _is_within(client[0], proxies)


@lru_cache(maxsize=KEPT_ADDRESSES)
def subscriber_of(address: str | None) -> str:
    """Return what an address is counted by: itself, or the 64-bit network of an IPv6 address."""
    parsed = _parsed(address or "")
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((int(parsed) >> SUBSCRIBER_BITS << SUBSCRIBER_BITS, SUBSCRIBER_BITS)))
    return str(parsed) if parsed is not None else ""


class Connections:
    """The connections of one server, used from the event loop only: at most ``most``, and ``most_of_address`` of one
    address, unless it is one of the ``proxies``.

    If there is no room for another connection, the one that has waited longest without sending a whole request is
    dropped.
    """

    def __init__(self, most: int = 1000, most_of_address: int = 200, proxies: Sequence[Network] = ()):
        self._most = min(most, max(1, _open_files() - KEPT_BACK))
        self._most_of_address = most_of_address
        self._proxies = proxies
        self._address: dict[Connection, str] = {}
        self._count: Counter[str] = Counter()
        self._waiting: OrderedDict[Connection, None] = OrderedDict()  # longest waiting first

    def admit(self, connection: Connection, address: str | None) -> bool:
        """Add the connection and return True, or return False if there is no room and none could be made."""
        subscriber = subscriber_of(address)
        if not _is_within(address or "", self._proxies):
            own = (waiting for waiting in self._waiting if self._address[waiting] == subscriber)
            if self._count[subscriber] >= self._most_of_address and not self._dropped(own):
                return False
        if len(self._address) >= self._most and not self._dropped(self._waiting):
            return False
        self._address[connection] = subscriber
        self._count[subscriber] += 1
        self.wait(connection)
        return True

    def wait(self, connection: Connection) -> None:
        """Mark the connection as idle until its next request, so that it may be dropped."""
        if connection in self._address:
            self._waiting[connection] = None

    def work(self, connection: Connection) -> None:
        """Mark the connection as busy: a whole request has come, and it is not dropped until it is answered."""
        self._waiting.pop(connection, None)

    def leave(self, connection: Connection) -> None:
        """Forget a closed connection."""
        self._waiting.pop(connection, None)
        if connection in self._address:
            subscriber = self._address.pop(connection)
            self._count -= Counter([subscriber])  # which forgets those that have none left

    def _dropped(self, candidates: Iterable[Connection]) -> bool:
        """Drop the first of the candidates; return False if there is none."""
        first = next(iter(candidates), None)
        if first is None:
            return False
        self.leave(first)
        first.drop()
        return True


def _open_files() -> int:
    """Raise this process's limit of file descriptors as far as is useful and allowed, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, WANTED_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return wanted if soft == resource.RLIM_INFINITY else soft


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address, or None for other text. An IPv4-mapped IPv6 address becomes the IPv4 address."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _is_within(address: str, networks: Sequence[Network]) -> bool:
    parsed = _parsed(address) if networks else None
    return parsed is not None and any(parsed in network for network in networks)
