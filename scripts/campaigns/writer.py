"""The writer alone, as a process that can be killed: the service's own parts without HTTP and chain.

python -m scripts.campaigns.writer DATABASE_URL PUBLISH_EVERY_SECONDS

Once it can write it prints a port. Whoever connects there (``multiprocessing.connection``) sends one submission, and
gets its answer once it is durable. The writer ends by itself when its standard input does.
"""

from __future__ import annotations

import sys
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection, Listener

from api.middleware import logs
from api.services.parts import RecordingParts
from api.wiring import now_ms
from ledger.core.errors import TallystickError, Unavailable
from ledger.recording.validation import Duplicate
from scripts.campaigns.casework import recording_into
from scripts.campaigns.targets import Answer, Failed, Lost, Refused


def answer_of(recording: RecordingParts, submission: bytes) -> Answer:
    """Judge a submission, wait until it is durable, and return its receipt, or what is known instead."""
    try:
        judged = recording.validator.validate(submission, now_ms() // 1000)
        answer = judged if isinstance(judged, Duplicate) else recording.sequencer.submit(judged).result()
        if isinstance(answer, Duplicate):
            answer = recording.publisher.stored_receipt(recording.database, answer.entry)
    except TallystickError as error:
        return Lost(error.code) if isinstance(error, Unavailable) else Refused(error.code)
    return answer


def serve(recording: RecordingParts, connection: Connection) -> None:
    with connection, suppress(EOFError, OSError):  # the client is gone
        submission = connection.recv_bytes()
        try:
            answer = answer_of(recording, submission)
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
