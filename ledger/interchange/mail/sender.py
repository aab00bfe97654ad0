"""The sender: hands the mail server what is due for each officer, one message at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import KW_ONLY, dataclass, field
from email.message import EmailMessage
from functools import partial
from threading import Event
from typing import Any, Protocol

import msgspec

from ledger.core.errors import TallystickError
from ledger.interchange.mail.smtp import MailConnection, MailServer, ServerAway, Unsent
from ledger.loggers import get_logger
from ledger.store import notices
from ledger.store.activity import failure_of, pause_after
from ledger.store.database import Database
from ledger.store.notices import Subscriber

LOOK_EVERY_S = 1.0  # seconds between looks at what is due
# Milliseconds; longer than a message takes, or a second process would send the same meanwhile. From connecting to the
# end of a message the server answers at most 14 times, each within ``smtp_timeout_s`` of the settings, at most 20.
CLAIM_MS = 300_000
BETWEEN_MS = 60_000  # milliseconds between two messages to one address: what comes in a flood comes in few messages
FIRST_PAUSE_S = 5  # seconds after a failure, doubled by each that follows
LONGEST_PAUSE_S = 3600
LAST_MESSAGES_TRIED = 4  # of a former address that the server refuses: what is due to the present one waits meanwhile

logger = get_logger(__name__)


class MailSource(Protocol):
    """Gives the messages."""

    def plan(self, row: Subscriber) -> Mapping[str, int] | None:
        """Return the end of the message that is due, as values of the row; None if nothing is due."""

    def compose(self, row: Subscriber) -> tuple[EmailMessage | None, Mapping[str, Any]]:
        """Return the planned message, and the values of the row once it is sent; None if he may see nothing of it.

        Records that it was read. Raises TallystickError if it must not be sent.
        """


@dataclass(eq=False, repr=False)
class MailSender:
    """Sends in a thread of its own. ``clock`` gives unix milliseconds."""

    database: Database
    source: MailSource
    server: MailServer
    _: KW_ONLY
    clock: Callable[[], int]
    failures: int = field(default=0, init=False)  # in a row, of the server
    resting_until: int = field(default=0, init=False)  # unix milliseconds

    def run(self, stop: Event) -> None:
        """Send until ``stop`` is set."""
        step = partial(failure_of, self.step, "mail cannot be looked at")
        self.database.activity.repeat(stop, lambda: step() is None, LOOK_EVERY_S)

    def step(self) -> None:
        """Send all that is due now, over one connection; rest for a while if the server takes nothing."""
        if self.clock() < self.resting_until:
            return
        with self.database.read() as connection:
            rows = notices.reachable(connection, self.clock())
        with ExitStack() as stack:
            connected: MailConnection | None = None
            for row in rows:
                claimed: Subscriber | None = row
                try:
                    planned = self.source.plan(row)
                    if planned is None:
                        continue
                    claimed = notices.changed(self.database, row, **planned, next_try_at=self.clock() + CLAIM_MS)
                    if claimed is None:  # another process was faster, or the officer has chosen anew
                        continue
                    # Before it is composed: that is recorded as a read, which nobody gets where the server is away.
                    connected = connected or stack.enter_context(self.server.connected())
                    message, progress = self.source.compose(claimed)
                    if message is not None:
                        connected.send(message)
                except TallystickError as error:
                    self._settle_failed(claimed or row, error)
                    if isinstance(error, ServerAway):  # it would take nothing for the others either
                        return
                except Exception:  # one row that cannot be sent must not hold up the others
                    logger.exception("mail failed for a reason that nobody foresaw", officer=row.officer)
                    self._settle_failed(claimed or row, Unsent("the message cannot be made"))
                else:
                    self._settle_sent(claimed, progress, was_sent=message is not None)

    def _settle_sent(self, claimed: Subscriber, progress: Mapping[str, Any], *, was_sent: bool) -> None:
        now = self.clock()
        sent = {"sent_at": now, "failures": 0, "last_error": None} if was_sent else {}
        pause = BETWEEN_MS if was_sent and claimed.former is None else 0
        notices.changed(self.database, claimed, **progress, **sent, next_try_at=now + pause)
        self.failures = 0

    def _settle_failed(self, claimed: Subscriber, error: TallystickError) -> None:
        now = self.clock()
        again_at = now + _pause_ms(claimed.failures + 1)
        reason = msgspec.json.encode(error.text.packed()).decode()  # for readers of any language
        is_away, failures = isinstance(error, ServerAway), claimed.failures + 1
        failed: dict[str, Any] = {"failures": failures, "last_error": reason, "next_try_at": again_at}
        if claimed.former is not None and not is_away and failures >= LAST_MESSAGES_TRIED:
            failed |= {"former": None, "failures": 0, "last_error": None}
        notices.changed(self.database, claimed, **failed)
        if is_away:
            self.failures += 1
            self.resting_until = now + _pause_ms(self.failures)
        logger.warning("mail failed", agency=claimed.agency, officer=claimed.officer, reason=error.for_operator)


def _pause_ms(failures: int) -> int:
    return int(1000 * pause_after(failures, FIRST_PAUSE_S, LONGEST_PAUSE_S))
