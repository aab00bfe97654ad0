"""Clients: from which address a request comes, also through a reverse proxy, and how many connections there may be.

What a client says of itself counts for nothing: an address is taken from ``X-Forwarded-For`` only where a proxy that
the operator names has written it there.
"""

from __future__ import annotations

import resource
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, Protocol

from msgspec import Struct
from starlette.types import Scope

Network = IPv4Network | IPv6Network

SUBSCRIBER_BITS: Final = 64  # of an IPv6 address: whoever has one has all that begin alike
KEPT_BACK: Final = 256  # descriptors: for the database, the chain, worker processes, files that are served
WANTED_FILES: Final = 65_536


class ConnectionLimits(Struct, frozen=True):
    """Connections in all, and of one address; those of ``proxies`` are counted in all alone."""

    most: int = 1000
    most_of_address: int = 200
    proxies: tuple[Network, ...] = ()


class Connection(Protocol):
    """A connection that may be ended while it waits for a request."""

    def drop(self) -> None: ...


def client_of(scope: Scope, proxies: Sequence[Network]) -> str | None:
    """The address that a request comes from: the last one in ``X-Forwarded-For`` that is none of our proxies'."""
    client = scope["client"]
    if client is None:
        return None
    address: str = client[0]
    if not _is_within(address, proxies):
        return address
    forwarded = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for").decode("latin-1")
    for told in reversed(forwarded.split(",")):
        before = _parsed(told.strip())
        if before is None:
            break
        address = str(before)
        if not _is_within(address, proxies):
            break
    return address


def subscriber_of(address: str | None) -> str:
    """What an address is counted by: itself, of IPv6 its first 64 bits."""
    parsed = _parsed(address or "")
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((int(parsed) >> SUBSCRIBER_BITS << SUBSCRIBER_BITS, SUBSCRIBER_BITS)))
    return str(parsed) if parsed is not None else ""


class Connections:
    """The connections of one server. Where there is no room for one more, that which has waited longest without sending
    a whole request is dropped for it. Called from the event loop only."""

    def __init__(self, limits: ConnectionLimits):
        self._limits = limits
        self._most = min(limits.most, max(1, _open_files() - KEPT_BACK))
        self._address: dict[Connection, str] = {}
        self._count: Counter[str] = Counter()
        self._waiting: OrderedDict[Connection, None] = OrderedDict()  # those first that have waited longest

    def admit(self, connection: Connection, address: str | None) -> bool:
        """Whether there is room for it, or was made."""
        subscriber = subscriber_of(address)
        if not _is_within(address or "", self._limits.proxies):
            own = (other for other in self._waiting if self._address[other] == subscriber)
            if self._count[subscriber] >= self._limits.most_of_address and not self._dropped(own):
                return False
        if len(self._address) >= self._most and not self._dropped(self._waiting):
            return False
        self._address[connection] = subscriber
        self._count[subscriber] += 1
        self.wait(connection)
        return True

    def wait(self, connection: Connection) -> None:
        """It has nothing to do until its next request."""
        if connection in self._address:
            self._waiting[connection] = None

    def work(self, connection: Connection) -> None:
        """A whole request has come: it is not dropped until it is answered."""
        self._waiting.pop(connection, None)

    def leave(self, connection: Connection) -> None:
        """It is closed."""
        self._waiting.pop(connection, None)
        subscriber = self._address.pop(connection, None)
        if subscriber is not None:
            self._count[subscriber] -= 1
            if not self._count[subscriber]:
                del self._count[subscriber]

    def _dropped(self, candidates: Iterable[Connection]) -> bool:
        """Drops the first of them; False where there is none."""
        first = next(iter(candidates), None)
        if first is None:
            return False
        self.leave(first)
        first.drop()
        return True


def _open_files() -> int:
    """How many descriptors this process may have; as many as the system lets it, up to what is of use."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, WANTED_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return wanted if soft == resource.RLIM_INFINITY else soft


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """The address; an IPv4 one that is written as IPv6 is that IPv4 one."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _is_within(address: str, networks: Sequence[Network]) -> bool:
    if not networks:
        return False
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in networks)
