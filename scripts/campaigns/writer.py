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
from api.services.parts import RecordingParts
from api.wiring import now_ms
from ledger.core.encoding import canonical
from ledger.core.errors import TallystickError, Unavailable
from ledger.recording.sequencer import Answer
from ledger.recording.validation import Duplicate
from scripts.campaigns.casework import recording_into


class Writer:
    """The parts over one database, and the way from a line to its answer."""

    def __init__(self, recording: RecordingParts, publish_every_s: float):
        self._recording = recording
        self._publish_every_s = publish_every_s
        self._out = threading.Lock()

    def run(self) -> None:
        """Until standard input ends."""
        threading.Thread(target=self._publish, daemon=True).start()
        self._say("ready")
        with ThreadPoolExecutor(4) as judges:
            for line in sys.stdin.buffer:
                number, _, submission = line.rstrip(b"\n").partition(b" ")
                judges.submit(self._take, number.decode(), submission)

    def _take(self, number: str, submission: bytes) -> None:
        future: Future[Answer] = Future()
        try:
            judged = self._recording.validator.validate(submission, now_ms() // 1000)
            if isinstance(judged, Duplicate):
                future.set_result(judged)
            else:
                future = self._recording.sequencer.submit(judged)
        except TallystickError as error:
            future.set_exception(error)
        future.add_done_callback(lambda done: self._tell(number, done))

    def _tell(self, number: str, done: Future[Answer]) -> None:
        try:
            answer = done.result()
            if isinstance(answer, Duplicate):
                answer = self._recording.publisher.stored_receipt(self._recording.database, answer.entry)
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
                self._recording.publisher.publish(self._recording.database, now_ms())
            except TallystickError as error:
                sys.stderr.write(f"not published: {error}\n")


def main(url: str, publish_every_s: str) -> None:
    logs.configure()
    with recording_into(url) as recording:
        Writer(recording, float(publish_every_s)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
