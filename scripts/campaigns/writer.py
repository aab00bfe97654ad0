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

from api.middleware import logs
from api.wiring import make_recording_parts, now_ms
from ledger.core.encoding import canonical
from ledger.core.errors import Conflict, TallystickError, Unavailable
from ledger.recording.publisher import Receipt
from ledger.recording.sequencer import Answer
from ledger.recording.validation import Duplicate
from ledger.store.database import Database, open_database
from ledger.store.log import initialise
from ledger.supervision.library.publishing import ModelDefinitions
from scripts.campaigns import casework


class Writer:
    """The parts over one database, and the way from a line to its answer."""

    def __init__(self, database: Database, publish_every_s: float):
        self._database = database
        self._publish_every_s = publish_every_s
        recording = make_recording_parts(
            database,
            log_id=casework.LOG_ID,
            log_signer=casework.LOG_SIGNER,
            service_keys=casework.SERVICE.key_id,
            service_signer=casework.SERVICE,
            definitions=ModelDefinitions(),
            clock=now_ms,
        )
        self._validator, self._publisher = recording.validator, recording.publisher
        self._sequencer, self._system = recording.sequencer, recording.system
        self._out = threading.Lock()

    def run(self) -> None:
        """Until standard input ends."""
        self._sequencer.start()
        self._found()
        threading.Thread(target=self._publish, daemon=True).start()
        self._say("ready")
        with ThreadPoolExecutor(4) as judges:
            for line in sys.stdin.buffer:
                number, _, submission = line.rstrip(b"\n").partition(b" ")
                judges.submit(self._take, number.decode(), submission)
        self._sequencer.stop()
        self._database.close()

    def _found(self) -> None:
        for change in casework.registry_changes():
            try:
                self._system.append(change)
            except Conflict:  # mirrored by an earlier run
                continue

    def _take(self, number: str, submission: bytes) -> None:
        try:
            judged = self._validator.validate(submission, now_ms() // 1000)
        except TallystickError as error:
            self._refuse(number, error)
            return
        if isinstance(judged, Duplicate):
            self._receipt(number, judged)
            return
        self._sequencer.submit(judged).add_done_callback(lambda future: self._tell(number, future))

    def _tell(self, number: str, future: Future[Answer]) -> None:
        error = future.exception()
        if isinstance(error, TallystickError):
            self._refuse(number, error)
        else:
            self._receipt(number, future.result())

    def _receipt(self, number: str, answer: Answer) -> None:
        if isinstance(answer, Receipt):
            self._say(f"{number} receipt {canonical.encode(answer).decode()}")
            return
        try:
            stored = self._publisher.stored_receipt(self._database, answer.entry)
        except TallystickError as error:
            self._refuse(number, error)
        else:
            self._receipt(number, stored)

    def _refuse(self, number: str, error: TallystickError) -> None:
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
