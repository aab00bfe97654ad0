"""Load: posts prepared bodies over keep-alive connections and prints what came back, as JSON.

python -m scripts.bench.load PORT[,PORT...] PATH CONTENT_TYPE CONNECTIONS < bodies

Connections go to the ports in turn. ``bodies`` are each preceded by their length as four bytes, high byte first. A
process of its own, in as little Python per request as can be: it must not be what is measured.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import cycle, islice
from typing import cast

import uvloop

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length: "


class Connection(asyncio.Protocol):
    """Posts one body after the other until there are none left."""

    def __init__(self, requests: Iterator[bytes], observations: Observations) -> None:
        self._requests = requests
        self._observations = observations
        self._transport: asyncio.WriteTransport | None = None
        self._received = b""
        self._sent_at = 0.0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._post_next()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head = self._received.find(_HEAD_END)
        if head < 0:
            return
        at = self._received.find(_LENGTH, 0, head) + len(_LENGTH)
        end = head + len(_HEAD_END) + int(self._received[at : self._received.index(b"\r", at)])
        if len(self._received) < end:
            return
        self._observations.statuses[self._received[9:12].decode()] += 1
        self._observations.latencies.append(time.perf_counter() - self._sent_at)
        self._received = self._received[end:]
        self._post_next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(exc or ConnectionError("the server closed the connection"))

    def _post_next(self) -> None:
        assert self._transport is not None
        request = next(self._requests, None)
        if request is None:
            self.ended.set_result(None)
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)


class Observations:
    """What the connections were answered, and how soon."""

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.latencies: list[float] = []

    def report(self, seconds: float) -> dict[str, object]:
        ordered = sorted(self.latencies) or [0.0]  # a warm-up of a small run has no requests
        return {
            "seconds": seconds,
            "requests": len(self.latencies),
            "statuses": dict(self.statuses),
            "p50_ms": 1000 * ordered[len(ordered) // 2],
            "p99_ms": 1000 * ordered[len(ordered) * 99 // 100],
        }


async def post_all(ports: list[int], requests: list[bytes], connections: int) -> dict[str, object]:
    """Post the requests to the loopback interface and wait for every answer."""
    observations, left = Observations(), iter(requests)
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    opened = [
        await loop.create_connection(lambda: Connection(left, observations), "127.0.0.1", port)
        for port in islice(cycle(ports), connections)
    ]
    await asyncio.gather(*(protocol.ended for _, protocol in opened))
    return observations.report(time.perf_counter() - began)


def request_of(path: str, content_type: str, body: bytes) -> bytes:
    """Return the bytes of one POST."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}"
    return head.encode() + _HEAD_END + body


def read_bodies(data: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(data):
        begin = start + 4
        start = begin + int.from_bytes(data[start:begin], "big")
        yield data[begin:start]


def main(ports: str, path: str, content_type: str, connections: str) -> None:
    requests = [request_of(path, content_type, body) for body in read_bodies(sys.stdin.buffer.read())]
    print(json.dumps(uvloop.run(post_all([*map(int, ports.split(","))], requests, int(connections)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
