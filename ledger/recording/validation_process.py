"""A process that validates the submissions of its share of the cases, so that more than one processor is used.

Python runs one thread of a process at a time, and most of what a submission costs needs nothing that is shared: its
decoding, the signature, the rules of its case, the rows that follow from it. A case belongs to one of these processes,
which keeps its state and so folds nothing that another has validated. What it accepts is written by the service, whose
sequencer checks what may have changed since, as of any submission.

Started by ``api.services.validators`` as ``python -m ledger.recording.validation_process`` with a socket as its
standard input, over which it gets frames and answers them.
"""

from __future__ import annotations

import gc
import io
import pickle
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Iterator
from typing import Any, NamedTuple, NewType

from ledger.core.errors import TallystickError
from ledger.core.procedure.adoption import Procedures
from ledger.core.signing.authority import ServiceKeys
from ledger.recording.case_states import GARBAGE_THRESHOLDS
from ledger.recording.registry_view import Registry
from ledger.recording.validation import Duplicate, Validator
from ledger.store import log
from ledger.store.append import ValidatedSubmission, pickled
from ledger.store.database import Database, attach

LENGTH = struct.Struct(">I")  # of the pickle that follows

Fault = NewType("Fault", str)  # the traceback of an error that nobody foresaw
Answer = ValidatedSubmission | Duplicate | TallystickError | Fault


class ValidatorSetup(NamedTuple):
    """The first frame: the database to read, the registry before its first change, the key of kept states."""

    database_url: str
    log_id: bytes
    service: ServiceKeys | str
    procedures: Procedures | None
    state_key: bytes | None


class ValidationRequest(NamedTuple):
    """A later frame: posted submissions of cases, to be validated in order as of ``now`` (unix seconds).

    ``changes`` is the version of the registry that the service knows: a process that has an older one reads on. What
    comes back is a list of an answer to each.
    """

    changes: int
    now: int
    submissions: list[bytes]


def frame_of(message: object) -> bytes:
    """Return a message as a frame."""
    data = pickled(message)
    return LENGTH.pack(len(data)) + data


def messages_of(received: bytearray) -> Iterator[Any]:
    """Yield the message of each whole frame at the front of what was ``received``, and remove it there."""
    while len(received) >= LENGTH.size:
        end = LENGTH.size + LENGTH.unpack_from(received)[0]
        if len(received) < end:
            return
        message = pickle.loads(received[LENGTH.size : end])  # noqa: S301 - of a process of this user
        del received[:end]
        yield message


def main(service: socket.socket) -> None:
    """Validate what comes over the socket until its other side is closed."""
    frames = service.makefile("rb")
    setup: ValidatorSetup | None = _next(frames)
    if setup is None:
        return
    database, registry = attach(setup.database_url), Registry(setup.log_id, setup.service, setup.procedures)
    validator = Validator(database, registry, state_key=setup.state_key)
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    request: ValidationRequest | None
    while (request := _next(frames)) is not None:
        service.sendall(frame_of(_answers(database, registry, validator, request)))


def _next(frames: io.BufferedReader) -> Any:
    """Return the next message, None once there is none."""
    length = frames.read(LENGTH.size)
    return pickle.loads(frames.read(*LENGTH.unpack(length))) if len(length) == LENGTH.size else None  # noqa: S301


def _answers(database: Database, registry: Registry, validator: Validator, request: ValidationRequest) -> list[Answer]:
    try:
        if registry.authority.changes < request.changes:
            with database.read() as connection:
                registry.at(connection, log.tree(connection).registry_changes)
    except TallystickError as refusal:  # the database does not answer: nothing can be said of any
        return [refusal] * len(request.submissions)
    return [_answer(outcome) for outcome in validator.validate_each(request.submissions, request.now)]


def _answer(outcome: ValidatedSubmission | Duplicate | Exception) -> Answer:
    """Return an outcome as it is passed on; of an error that nobody foresaw that is its traceback."""
    if isinstance(outcome, Exception) and not isinstance(outcome, TallystickError):
        return Fault("".join(traceback.format_exception(outcome)))
    return outcome


if __name__ == "__main__":
    # Whoever started it ends it by closing the socket: until then what is under way is answered.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.SIG_IGN)
    main(socket.socket(fileno=sys.stdin.fileno()))
