"""Whether a clock that has jumped is right now, as after a pause of a virtual machine: others elsewhere tell the time.

The answers of chain, timestamp authority and witnesses are dated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

from ledger.core.errors import Unavailable
from ledger.loggers import get_logger
from ledger.recording.clock import RecordingClock

CLOCK_OFF_S: Final = 60  # seconds that a clock may differ from one elsewhere
ANSWER_S: Final = 5.0  # for an answer from elsewhere
UNDECIDED_S: Final = 300.0  # for which a clock that jumped is refused while nobody elsewhere tells the time

logger = get_logger(__name__)


def clocks_elsewhere(urls: Iterable[str | None]) -> dict[str, int]:
    """Return by how many seconds this machine's clock is ahead of the dates in the answers of others, by their hosts.

    Those that do not answer, and this machine itself, tell nothing.
    """
    ahead: dict[str, int] = {}
    for url in filter(None, urls):
        host = httpx.URL(url).host
        if host in {"localhost", "::1"} or host.startswith("127."):
            continue
        with suppress(httpx.HTTPError, KeyError, ValueError):
            with httpx.stream("GET", url, timeout=ANSWER_S, trust_env=False) as answer:  # its headers are enough
                date = parsedate_to_datetime(answer.headers["date"])
            ahead[host] = round(time.time() - date.timestamp())
    return ahead


@dataclass
class ClockJudge:
    """Decides about a clock that has jumped, by those of machines elsewhere, whose ``urls`` are asked.

    If all that answer have the new time, it is believed. If one has another, somebody must put the clock right. If
    nobody answers for ``UNDECIDED_S``, it calls ``end``, so that what supervises the service starts it again.
    """

    clock: RecordingClock
    urls: Callable[[], Iterable[str | None]]
    end: Callable[[], None] = lambda: None
    ended_by: Unavailable | None = None
    _undecided_since: float | None = field(default=None, init=False)

    def step(self) -> bool:
        """Look at the clock; return whether it is believed."""
        try:
            self.clock()
        except Unavailable as jump:
            return self._decide(jump, clocks_elsewhere(self.urls()))
        self._undecided_since = None
        return True

    def _decide(self, jump: Unavailable, ahead: dict[str, int]) -> bool:
        if ahead:
            is_right = all(abs(seconds) <= CLOCK_OFF_S for seconds in ahead.values())
            logger.warning("the clock jumped", reason=jump.message, believed=is_right, ahead_of=ahead)
            self._undecided_since = None
            if is_right:
                self.clock.believe()
            return is_right
        now = time.monotonic()
        if self._undecided_since is None:
            logger.warning("the clock jumped, and nobody elsewhere tells the time", reason=jump.message)
            self._undecided_since = now
        elif now - self._undecided_since > UNDECIDED_S and self.ended_by is None:
            logger.error("the service ends: nobody elsewhere tells whether its clock is right", reason=jump.message)
            self.ended_by = jump
            self.end()
        return False
