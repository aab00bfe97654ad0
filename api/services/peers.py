"""Services on one machine that share a database pass submissions on, so that each case is recorded by one of them.

Who has recorded a case's last event has its state; any other process would first have to fold what it wrote. Each
service listens at a socket in a folder of theirs, and a case belongs to one of those that listen, by its id. Nothing
depends on that: whatever is not passed on, or is lost on the way, the service records itself, and the sequencer decides
about it as about any submission.
"""

from __future__ import annotations

import asyncio
import os
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, cast
from uuid import uuid4
from zlib import crc32

from blake3 import blake3

from api.services.validators import case_of
from ledger.core.errors import MalformedInput, TallystickError, Unavailable
from ledger.core.messages import Message
from ledger.loggers import get_logger
from ledger.recording.sequencer import MAX_WAITING
from ledger.recording.validation_process import frame_of, messages_of
from ledger.store.program_version import program_version

SCAN_S = 1.0  # seconds between two looks at who is in the folder
SUFFIX = ".sock"
KIND_LENGTH, OWN_LENGTH = 12, 19  # characters of a socket's name, before and behind its hyphen
MAX_PATH = 107  # bytes of a socket's path, as Linux has it
NEVER = float("inf")  # when a service that has left looks next, and when one that does not answer is asked again

Record: TypeAlias = Callable[[bytes], Awaitable[Any]]
# Of the receipt that the other service got, or None if nothing came of it: then it is to be recorded here.
Passed: TypeAlias = "asyncio.Future[Any]"
_CANNOT_RECORD = (0, None)  # the answer of a service that leaves, to a number that no submission has

logger = get_logger(__name__)


class Peers:
    """The services of the log at the sockets in ``folder``, this one among them; none without a folder.

    Those of another log or of another version of the program are left alone: what one of them makes of a submission is
    no answer, and its pickles are read by other positions.

    ``is_able`` tells whether this service would record a submission now. One that answers nothing for ``patience_s`` is
    left out until it answers, and one that could not record what it was passed for as long. To be used from one event
    loop at a time; ``close`` from any thread, which cuts off what ``leave`` has not awaited.

    Raises MalformedInput if the path of a socket in the folder is too long for the system, or if others may use the
    folder: whoever can write to it is believed.
    """

    def __init__(self, folder: Path | None, log_id: bytes, is_able: Callable[[], bool], patience_s: float):
        self._kind = kind_of(log_id)
        self._own = f"{self._kind}-{uuid4().hex[:OWN_LENGTH]}"
        self._folder = None if folder is None else _private(folder, f"{self._own}{SUFFIX}")
        self._is_able = is_able
        self._patience_s = patience_s
        self._members: dict[str, _Peer | None] = {}  # by name; this service is None
        self._look: asyncio.Task[None] | None = None
        self._next_look = 0.0
        self._server: asyncio.Server | None = None
        self._asking: set[_Asked] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def record(self, body: bytes, here: Record) -> Passed | None:
        """Return what comes of a posted submission elsewhere, or None if it is to be recorded here.

        ``here`` records what others pass on to this service.
        """
        if self._folder is None:
            return None
        loop = asyncio.get_running_loop()
        now = loop.time()
        if now >= self._next_look and (self._look is None or self._look.done()):
            self._next_look = now + SCAN_S
            self._look = loop.create_task(self._look_around(self._folder, here))
        names = sorted(name for name, peer in self._members.items() if peer is None or peer.left_out_until <= now)
        case_id = case_of(body) if len(names) > 1 else None
        if case_id is None:
            return None
        # Other bits than those by which the processes that validate share the cases of this service.
        peer = self._members[names[(crc32(case_id) >> 16) % len(names)]]
        return None if peer is None else peer.pass_on(body)

    async def leave(self) -> None:
        """Let others pass nothing on any more, and answer what they passed before, for as long as they wait for it."""
        self._next_look = NEVER
        if self._folder is not None:
            (self._folder / f"{self._own}{SUFFIX}").unlink(missing_ok=True)
        if self._server is not None:
            self._server.close()
        if leaving := [asyncio.ensure_future(asking.leave()) for asking in self._asking]:
            await asyncio.wait(leaving, timeout=self._patience_s)

    def close(self) -> None:
        """Leave the folder at once; whoever waits for this service records by itself."""
        if self._folder is not None:
            (self._folder / f"{self._own}{SUFFIX}").unlink(missing_ok=True)
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        self._next_look = NEVER
        if self._server is not None:
            self._server.close()
        for side in (*self._members.values(), *self._asking):
            if side is not None:
                side.abort()
        self._members.clear()

    def _meet(self, asking: _Asked) -> None:
        """Look with the next submission: a service that has come connects to all others."""
        if self._next_look != NEVER:
            self._next_look = 0.0
        self._asking.add(asking)
        asking.ended.add_done_callback(lambda _: self._asking.discard(asking))

    async def _look_around(self, folder: Path, here: Record) -> None:
        """Listen, and connect to those that have come to listen since."""
        loop, at = asyncio.get_running_loop(), folder / f"{self._own}{SUFFIX}"
        if self._server is not None and not at.exists():  # what cleans folders for temporary files has taken it
            logger.warning("the socket of this service was removed, and is made again", socket=str(at))
            self._server.close()
            self._server = None
        if self._server is None and self._is_able():
            _private(folder, at.name)
            self._loop = loop
            self._server = await loop.create_unix_server(lambda: _Asked(here, self._is_able, self._meet), str(at))
            self._members[self._own] = None
        if self._server is not None and not self._is_able():
            self.close()
            return
        for path in _sockets(folder, self._kind):
            if path.stem not in self._members and path.stem != self._own:
                leave = partial(self._members.pop, path.stem, None)
                make = partial(_Peer, leave, self._patience_s)
                try:
                    _, peer = await loop.create_unix_connection(make, str(path))
                except ConnectionRefusedError:  # its process has ended
                    path.unlink(missing_ok=True)
                except OSError as error:
                    logger.warning("a service beside this one cannot be reached", socket=str(path), reason=str(error))
                else:
                    self._members[path.stem] = peer


class _Frames(ABC, asyncio.Protocol):
    """One side of a connection between two services: pickles, each preceded by its length."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._received = bytearray()
        self._outgoing: list[Any] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, which of uvloop is of no class of asyncio."""
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        """Take what the other side has sent."""
        self._received += data
        for messages in messages_of(self._received):
            self.take(messages)

    @abstractmethod
    def take(self, messages: list[Any]) -> None:
        """Take the messages of a frame."""

    def send(self, message: Any) -> None:
        """Send a message, in a frame with whatever the loop has ready."""
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outgoing.append(message)

    def _flush(self) -> None:
        messages, self._outgoing = self._outgoing, []
        if messages and self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame_of(messages))

    def end(self) -> None:
        """End the connection when all is sent."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()


class _Peer(_Frames):
    """Another service, which is asked to record.

    While it does not answer, the connection is kept: a new one would be accepted by the system, and prove nothing.
    """

    def __init__(self, leave: Callable[[], object], patience_s: float):
        super().__init__()
        self.left_out_until = 0.0  # the loop's time
        self._leave = leave
        self._patience_s = patience_s
        self._number = 0
        self._asked: dict[int, Passed] = {}
        self._patience: asyncio.TimerHandle | None = None  # while an answer is awaited

    def pass_on(self, body: bytes) -> Passed | None:
        """Return a future of the receipt; it raises the refusal, and is None where there is no answer."""
        if len(self._asked) >= MAX_WAITING:
            return None  # more would be turned away there: this service may have room
        answer: Passed = asyncio.get_running_loop().create_future()
        self._number += 1
        self._asked[self._number] = answer
        if self._patience is None:
            self._wait_on()
        self.send((self._number, body))
        return answer

    def take(self, messages: list[tuple[int, Any]]) -> None:
        """Take answers; those that nobody waits for any more tell that it answers again."""
        if self.left_out_until == NEVER:
            self.left_out_until = 0.0
        for number, outcome in messages:
            if outcome is None:  # the next would wait as long for nothing
                self.left_out_until = asyncio.get_running_loop().time() + self._patience_s
            answer = self._asked.pop(number, None)
            if answer is None or answer.done():
                continue
            if isinstance(outcome, TallystickError):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)
        self._wait_on()

    def _wait_on(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        if self._asked:
            self._patience = asyncio.get_running_loop().call_later(self._patience_s, self._lose_patience)

    def _lose_patience(self) -> None:
        self.left_out_until = NEVER
        self._give_up()

    def connection_lost(self, _reason: Exception | None) -> None:
        """Forget a service that has ended."""
        self._leave()
        self._give_up()

    def _give_up(self) -> None:
        """Leave what was not answered to this service: what is recorded twice gets one receipt."""
        if self._asked:
            logger.warning("a service beside this one does not answer", submissions=len(self._asked))
        for answer in self._asked.values():
            if not answer.done():
                answer.set_result(None)
        self._asked.clear()
        self._wait_on()


class _Asked(_Frames):
    """Another service, which asks this one to record."""

    def __init__(self, record: Record, is_able: Callable[[], bool], met: Callable[[_Asked], None]):
        super().__init__()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._met = met
        self._record = record
        self._is_able = is_able
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._met(self)

    def connection_lost(self, _reason: Exception | None) -> None:
        """Forget a service that has ended; what it has asked for is recorded all the same."""
        if not self.ended.done():
            self.ended.set_result(None)

    async def leave(self) -> None:
        """Be left out from now on, and end the connection once the other side has all answers."""
        self.send(_CANNOT_RECORD)
        while self._tasks:
            await asyncio.wait(self._tasks)
        self.end()
        await asyncio.shield(self.ended)  # whoever stops waiting ends the connection for nobody else

    def take(self, messages: list[tuple[int, bytes]]) -> None:
        """Record each submission, and answer when its outcome is certain."""
        if not self._is_able():  # its own service may be
            self.abort()
            return
        loop = asyncio.get_running_loop()
        for number, body in messages:
            task = loop.create_task(self._answer(number, body))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, number: int, body: bytes) -> None:
        outcome: Any = None  # the other is to record it: what kept this service from it concerns no client of that one
        try:
            outcome = await self._record(body)
        except Unavailable as fault:
            logger.info("what another service passed on was not recorded here", reason=fault.for_operator)
        except TallystickError as refusal:
            outcome = refusal
        except Exception:  # the border of the process: whatever it is, the other waits
            logger.exception("what another service passed on failed for a reason that nobody foresaw")
        self.send((number, outcome))


def _sockets(folder: Path, kind: str) -> list[Path]:
    return [*folder.glob(f"{kind}-*{SUFFIX}")]


def kind_of(log_id: bytes) -> str:
    """Return what the names of the sockets of the log's services begin with, for this version of the program."""
    return blake3(log_id + program_version().encode()).hexdigest(KIND_LENGTH // 2)


def _private(folder: Path, socket_name: str) -> Path:
    if len(os.fsencode(folder / socket_name)) > MAX_PATH:
        raise MalformedInput(
            "the path of the folder {folder} is too long for sockets",
            folder=folder,
            field="peers_folder",
            hint=Message("Name a folder whose path has at most {count} bytes.", count=MAX_PATH - len(socket_name) - 1),
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    state = folder.stat()
    if state.st_uid != os.geteuid() or state.st_mode & 0o077:
        raise MalformedInput(
            "others may use the folder {folder}",
            folder=folder,
            field="peers_folder",
            hint="Make it belong to the user who runs the service, with mode 0700.",
        )
    return folder
