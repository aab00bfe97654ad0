"""Receivers of webhooks: which addresses may be sent to, and sending to one.

A URL is given by a client, so it must not lead into the operator's own network: the host is resolved here, every
address of it must be allowed, and the connection goes to one that was checked. Redirects are not followed,
and of an answer nothing but the status is read.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

import httpx
from msgspec import Struct

from ledger.core.errors import MalformedInput, TallystickError
from ledger.tls import tls_context

ANSWER_WITHIN_S = 15.0  # from the look-up of the host to the status
MAX_URL_LENGTH = 1000  # characters
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: leads to the IPv4 address in its last 32 bits
_UNICAST = IPv6Network("2000::/3")  # all assigned public IPv6; the rest is for hosts, links, sites and groups
_SPECIAL = (  # ranges of the IANA registries for special purposes that some Python's ``is_global`` lets through
    IPv4Network("192.88.99.0/24"),  # relays of 6to4
    IPv6Network("2001::/23"),  # protocols: Teredo, benchmarks, ORCHID
    IPv6Network("2001:db8::/32"),  # documents
    IPv6Network("2002::/16"),  # 6to4, to any IPv4 address
    IPv6Network("3fff::/20"),  # documents
)
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)  # RFC 5214: before the IPv4 address that it leads to

Address = IPv4Address | IPv6Address


class Undelivered(TallystickError):
    """A receiver that did not take a message; tells why, without what its operator keeps to himself."""

    code = "undelivered"


class Receivers(Struct, frozen=True):
    """Where may be sent to: public addresses over TLS, and the ``networks`` that the operator allows.

    In development anywhere, and without TLS.
    """

    development: bool
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    def require_url(self, url: str) -> httpx.URL:
        """Return the parsed URL. Raises MalformedInput for one that is refused whatever its host resolves to."""
        try:
            parsed = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise MalformedInput("not a URL: {error}", error=error, field="url") from error
        schemes = ("https", "http") if self.development else ("https",)
        if len(url) > MAX_URL_LENGTH or parsed.scheme not in schemes or not parsed.host:
            raise MalformedInput(
                "expected {schemes}://HOST/PATH of at most {limit} characters",
                schemes=schemes[0],
                limit=MAX_URL_LENGTH,
                field="url",
            )
        if parsed.userinfo or parsed.fragment:
            raise MalformedInput("expected a URL without user, password and fragment", field="url")
        try:
            address = ipaddress.ip_address(parsed.host)
        except ValueError:  # a name, whose addresses are checked when something is sent
            return parsed
        if not self.allows(address):
            raise MalformedInput("expected a public address, or one that the operator allows", field="url")
        return parsed

    def allows(self, address: Address) -> bool:
        """Return whether this address may be sent to, by whatever notation it is reached."""
        if self.development:
            return True
        if isinstance(address, IPv6Address):
            if address.scope_id:  # it is of one link, whatever its prefix says
                return False
            # The IPv4 address that it leads to, if it leads to one.
            inner = IPv4Address(int(address) & 0xFFFF_FFFF) if address in _NAT64 else address.ipv4_mapped
            address = inner or address
        return any(address in network for network in self.networks) or _is_public(address)

    async def addresses_of(self, host: str, port: int) -> list[Address]:
        """Return the addresses of the host, all of which must be allowed. Raises Undelivered."""
        try:
            entries = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise Undelivered("the host has no address") from error
        addresses = [ipaddress.ip_address(entry[4][0]) for entry in entries]
        if not all(map(self.allows, addresses)):
            raise Undelivered("the host leads to an address that is not public")
        return list(dict.fromkeys(addresses))


async def post(receivers: Receivers, url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """Return the status of the receiver's answer, a success. Raises Undelivered."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            status = await _send(receivers, url, body, headers)
    except TimeoutError as error:
        raise Undelivered("no answer within {answer_within_s:.0f} seconds", answer_within_s=ANSWER_WITHIN_S) from error
    except MalformedInput as error:
        raise Undelivered(error.text) from error
    except httpx.HTTPError as error:
        raise Undelivered("the connection failed: {error}", error=error or type(error).__name__) from error
    if not 200 <= status < 300:
        raise Undelivered("the receiver answered {status}, not 2xx", status=status)
    return status


async def _send(receivers: Receivers, url: str, body: bytes, headers: Mapping[str, str]) -> int:
    target = receivers.require_url(url)
    addresses = await receivers.addresses_of(target.host, target.port or {"https": 443, "http": 80}[target.scheme])
    # The connection goes to a checked address; certificate and request are for the host's name.
    named = {**headers, "host": target.netloc.decode("ascii")}
    timeout = httpx.Timeout(ANSWER_WITHIN_S, connect=ANSWER_WITHIN_S / len(addresses))
    async with httpx.AsyncClient(
        verify=tls_context(), timeout=timeout, trust_env=False, follow_redirects=False
    ) as client:
        for address in addresses:
            pinned = target.copy_with(host=str(address))
            request: dict[str, Any] = {"content": body, "headers": named, "extensions": {"sni_hostname": target.host}}
            try:
                async with client.stream("POST", pinned, **request) as answer:
                    return answer.status_code
            except (httpx.ConnectError, httpx.ConnectTimeout):  # nothing was sent: the next one may listen
                if address is addresses[-1]:
                    raise
    raise AssertionError("a look-up gives an address or fails")


def _is_public(address: Address) -> bool:
    if not address.is_global or address.is_multicast or any(address in network for network in _SPECIAL):
        return False
    if isinstance(address, IPv4Address):
        return True
    return address in _UNICAST and (int(address) >> 32) & 0xFFFF_FFFF not in _ISATAP
