"""The writer alone, as a process that can be killed: the service's own parts without HTTP and chain.

python -m scripts.campaigns.writer DATABASE_URL PUBLISH_EVERY_SECONDS

Once it can write it prints a port. Whoever connects there (``multiprocessing.connection``) sends one submission, or
several, one a line, that are recorded all or not at all, and gets the answer to the last once it is durable. The writer
ends by itself when its standard input does.
"""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing.connection import Connection, Listener

from api.middleware import logs
from api.services.parts import RecordingParts
from ledger.core.errors import TallystickError, Unavailable
from ledger.recording.clock import now_ms
from ledger.recording.sequencer import Accepted
from ledger.recording.sequencer import Answer as LoggedAnswer
from ledger.recording.validation import Duplicate
from scripts.campaigns.casework import recording_into
from scripts.campaigns.targets import Answer, Failed, Lost, Refused


def answer_of(recording: RecordingParts, submissions: bytes) -> Answer:
    """Judge submissions, wait until they are durable, and return the last one's receipt, or what is known instead."""
    try:
        futures: list[tuple[Accepted, Future[LoggedAnswer]]] = [
            (recording.validator.validate(line, now_ms() // 1000), Future()) for line in submissions.split(b"\n")
        ]
        recording.sequencer.queue_together(futures)
        answer = [future.result() for _, future in futures][-1]
        if isinstance(answer, Duplicate):
            answer = recording.publisher.stored_receipt(recording.database, answer.entry)
    except TallystickError as error:
        return Lost(error.code) if isinstance(error, Unavailable) else Refused(error.code)
    return answer


def serve(recording: RecordingParts, connection: Connection) -> None:
    with connection, suppress(EOFError, OSError):  # the client is gone
        submissions = connection.recv_bytes()
        try:
            answer = answer_of(recording, submissions)
        except Exception as error:  # noqa: BLE001 - a fault that the client is to count
            answer = Failed(f"{type(error).__name__}: {error}")
        connection.send(answer)


def accept(recording: RecordingParts, listener: Listener) -> None:
    while True:
        threading.Thread(target=serve, args=(recording, listener.accept()), daemon=True).start()


def publish(recording: RecordingParts, every_s: float) -> None:
    while True:
        time.sleep(every_s)
        try:
            recording.publisher.publish(recording.database, now_ms())
        except TallystickError as error:
            sys.stderr.write(f"not published: {error}\n")


def main(url: str, publish_every_s: str) -> None:
    logs.configure()
    with recording_into(url) as recording, Listener(("127.0.0.1", 0), backlog=64) as listener:
        threading.Thread(target=publish, args=(recording, float(publish_every_s)), daemon=True).start()
        threading.Thread(target=accept, args=(recording, listener), daemon=True).start()
        _, port = listener.address
        print(port, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
