"""The writer alone, as a process that can be killed: the service's own parts without HTTP and chain.

python -m scripts.campaigns.writer DATABASE_URL PUBLISH_EVERY_SECONDS

Reads ``<number> <submission>`` a line; answers each, in any order, with ``<number> receipt <JSON>`` once it is durable,
``<number> refused <code>`` or ``<number> unknown <code>``. Says ``ready`` once it can write.
"""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from api.middleware import logs
from api.wiring import now_ms
from ledger.core.encoding import canonical
from ledger.core.errors import Conflict, TallystickError, Unavailable
from ledger.recording.sequencer import Answer
from ledger.recording.validation import Duplicate
from ledger.store.database import Database, open_database
from ledger.store.log import initialise
from scripts.campaigns import casework


class Writer:
    """The parts over one database, and the way from a line to its answer."""

    def __init__(self, database: Database, publish_every_s: float):
        self._database = database
        self._publish_every_s = publish_every_s
        recording = casework.recording_over(database)
        self._validator, self._publisher = recording.validator, recording.publisher
        self._sequencer, self._system = recording.sequencer, recording.system
        self._out = threading.Lock()

    def run(self) -> None:
        """Until standard input ends."""
        self._sequencer.start()
        for change in casework.registry_changes():
            with suppress(Conflict):  # mirrored by an earlier run
                self._system.append(change)
        threading.Thread(target=self._publish, daemon=True).start()
        self._say("ready")
        with ThreadPoolExecutor(4) as judges:
            for line in sys.stdin.buffer:
                number, _, submission = line.rstrip(b"\n").partition(b" ")
                judges.submit(self._take, number.decode(), submission)
        self._sequencer.stop()
        self._database.close()

    def _take(self, number: str, submission: bytes) -> None:
        future: Future[Answer] = Future()
        try:
            judged = self._validator.validate(submission, now_ms() // 1000)
            if isinstance(judged, Duplicate):
                future.set_result(judged)
            else:
                future = self._sequencer.submit(judged)
        except TallystickError as error:
            future.set_exception(error)
        future.add_done_callback(lambda done: self._tell(number, done))

    def _tell(self, number: str, done: Future[Answer]) -> None:
        try:
            answer = done.result()
            if isinstance(answer, Duplicate):
                answer = self._publisher.stored_receipt(self._database, answer.entry)
            self._say(f"{number} receipt {canonical.encode(answer).decode()}")
        except TallystickError as error:
            word = "unknown" if isinstance(error, Unavailable) else "refused"
            self._say(f"{number} {word} {error.code}")

    def _say(self, line: str) -> None:
        with self._out:
            sys.stdout.buffer.write(line.encode() + b"\n")
            sys.stdout.buffer.flush()

    def _publish(self) -> None:
        while True:
            time.sleep(self._publish_every_s)
            try:
                self._publisher.publish(self._database, now_ms())
            except TallystickError as error:
                sys.stderr.write(f"not published: {error}\n")


def main(url: str, publish_every_s: str) -> None:
    logs.configure()
    database = open_database(url)
    initialise(database, casework.LOG_ID)
    Writer(database, float(publish_every_s)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
