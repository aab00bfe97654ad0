"""What a command needs that runs a server: to be alone on files that nobody else reads, and a socket first of all."""

from __future__ import annotations

import errno
import fcntl
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.cli.output import Output
from ledger.config.secret_files import make_private, private_umask
from ledger.core.errors import MalformedInput
from ledger.core.messages import Message

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

    from api.middleware.tracing import RequestTracer
    from ledger.config.settings import Settings, WitnessSettings


@contextmanager
def process_lock(file: Path, *, message: str, hint: str, shares: bool = False) -> Iterator[None]:
    """Hold a lock on the file while the context lasts. Raises MalformedInput if another process holds it.

    Processes that set ``shares`` hold it together. The system releases the lock however the process ends.
    """
    with file.open("wb") as lock:
        try:
            fcntl.flock(lock, (fcntl.LOCK_SH if shares else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise MalformedInput(message, field="--data-dir", hint=hint) from error
        yield


@contextmanager
def private(folder: Path, *, keys: Path, output: Output) -> Iterator[None]:
    """Hold a data directory that is its owner's alone; tell what of it was open to others. Raises SecretRefused."""
    if opened := make_private(folder, keys=keys):
        count, example = len(opened), opened[0]
        output.warn(
            Message(
                "others could use {count} files and folders, {example} among them; now they are their owner's alone",
                count=count,
                example=example,
            )
        )
    with private_umask():
        yield


@contextmanager
def listening(host: str, port: int, *, field: str, hint: str) -> Iterator[socket.socket]:
    """Return a socket bound to the address. Raises MalformedInput if it cannot be bound."""
    try:
        family, kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            field = field.replace("port", "host")
            hint = Message("This machine has no such address: 127.0.0.1 is always there, 0.0.0.0 means all.")
        raise MalformedInput(
            "cannot listen at {host} port {port}: {error.strerror}",
            host=host,
            port=port,
            error=error,
            field=field,
            hint=hint,
        ) from error
    with listener:
        yield listener


@contextmanager
def listening_for_metrics(settings: Settings | WitnessSettings) -> Iterator[socket.socket | None]:
    """Return a socket bound where the settings say that metrics are read, if they do. Raises MalformedInput."""
    if settings.metrics_port is None:
        yield None
        return
    hint = Message("Choose another port for the metrics.")
    with listening(settings.metrics_host, settings.metrics_port, field="metrics_port", hint=hint) as listener:
        yield listener


@contextmanager
def exposing_metrics(listener: socket.socket | None, collector: Callable[[], Collector]) -> Iterator[None]:
    """Serve metrics at the socket, if there is one, until the block is left."""
    if listener is None:
        yield
        return
    from api.middleware.exposition import exposing

    with exposing(collector(), listener):
        yield


@contextmanager
def tracing(settings: Settings) -> Iterator[RequestTracer | None]:
    """Return what sends traces where the settings say, if they do. Raises MalformedInput if it is not installed."""
    if settings.traces_url is None:
        yield None
        return
    from api.middleware.tracing import RequestTracer

    tracer = RequestTracer(settings.traces_url, settings.traces_share)
    try:
        yield tracer
    finally:
        tracer.close()
