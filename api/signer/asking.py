"""One question at a time waits for the officer's answer, in the terminal or on the signer's own page."""

from __future__ import annotations

import asyncio
import os
import secrets
import termios
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import click
from msgspec import Struct

from api.signer.question import SigningQuestion
from api.texts import Texts
from ledger.client.acts_in_words import ActInWords
from ledger.core.errors import TallystickError
from ledger.core.messages import spelled_out

PATIENCE_S = 120  # seconds that a question waits
SHOWN = 50  # of the questions that were agreed to, the last
YES = (b"y", b"yes")


class AskedAlready(TallystickError):
    """Another question waits for the officer."""

    code = "question_waits"


class Declined(TallystickError):
    """The officer said no."""

    code = "declined"


class NotAnswered(TallystickError):
    """The officer did not answer in time."""

    code = "not_answered"


class SignedActs(Struct, frozen=True):
    """What the officer agreed to and was signed at the time ``at``, in unix seconds."""

    at: int
    acts: tuple[ActInWords, ...]


@dataclass(slots=True)
class PendingQuestion:
    """A question that waits. ``since`` is in monotonic seconds."""

    question: SigningQuestion
    answer: asyncio.Future[bool]
    number: str = field(default_factory=lambda: secrets.token_hex(8))
    since: float = field(default_factory=time.monotonic)

    @property
    def seconds_left(self) -> int:
        return max(0, int(PATIENCE_S - (time.monotonic() - self.since)))


class Terminal:
    """Asks in a terminal, which one thread reads as long as the signer runs.

    A line answers the question that waits when the line comes. Anything but an explicit yes means no, as does the end
    of the input. Reads are unbuffered: a thread that still waits would hold the buffer's lock and keep the process from
    ending.
    """

    def __init__(self, texts: Texts, source: int):
        self._prompt, self._late = texts("Sign this?"), texts("Nobody answered in time; nothing was signed.")
        self._together, self._signed = texts("Sign all {count}?"), texts("Signed:")
        self._source = source
        self._heard: Callable[[bool], object] | None = None
        self._has_ended = False
        threading.Thread(target=self._read, name="terminal", daemon=True).start()

    def ask(self, question: SigningQuestion, heard: Callable[[bool], object]) -> None:
        """Show the question; the reading thread calls ``heard`` with the answer."""
        if os.isatty(self._source):
            termios.tcflush(self._source, termios.TCIFLUSH)  # what was typed before answers no question
        lines, count = [], len(question.acts)
        for number, act in enumerate(question.acts, 1):
            lines += ["", f"{number}. {act.sentence}" if count > 1 else act.sentence]
            lines += [act.source] if act.source else []
            lines += [f"  {label}: {value}" for label, value in act.particulars]
        prompt = self._together.format(count=count) if count > 1 else self._prompt
        click.echo("\n".join([*map(spelled_out, lines), f"{prompt} [y/N]: "]), nl=False, err=True)
        self._heard = heard
        if self._has_ended:
            heard(False)

    def signed(self, question: SigningQuestion) -> None:
        """Show what was signed, by the names that it was asked by."""
        for act in question.acts:
            click.echo(spelled_out(f"{self._signed} {act.sentence}"), err=True)

    def drop(self) -> None:
        """Withdraw the question: nothing typed from now on answers it."""
        self._heard = None
        click.echo(f"\n{self._late}", err=True)

    def _read(self) -> None:
        with suppress(OSError), open(self._source, "rb", buffering=0, closefd=False) as lines:  # a terminal was closed
            for line in lines:
                self._tell(line.strip().lower() in YES)
        self._has_ended = True
        self._tell(agreed=False)

    def _tell(self, agreed: bool) -> None:
        heard, self._heard = self._heard, None
        if heard is not None:
            heard(agreed)


class OfficerPrompt:
    """Puts questions to the officer: in the ``terminal``, or if that is None on a page that asks for them itself.

    ``signed`` is what was signed last, the newest first, ``count`` how often it was since the signer started.
    """

    def __init__(self, terminal: Terminal | None = None):
        self._terminal = terminal
        self.waiting: PendingQuestion | None = None
        self.signed: deque[SignedActs] = deque(maxlen=SHOWN)
        self.count = 0

    def note_signed(self, question: SigningQuestion) -> None:
        """Keep what was signed, to be looked at afterwards."""
        self.signed.appendleft(SignedActs(int(time.time()), question.acts))
        self.count += 1
        if self._terminal is not None:
            self._terminal.signed(question)

    async def ask(self, question: SigningQuestion) -> None:
        """Return once the officer has agreed. Raises Declined, NotAnswered or AskedAlready."""
        if self.waiting is not None:
            raise AskedAlready("another question waits for an answer")
        loop = asyncio.get_running_loop()
        self.waiting = waiting = PendingQuestion(question, loop.create_future())
        try:
            if self._terminal is not None:
                answer = partial(self.answer, waiting.number)
                self._terminal.ask(question, lambda agreed: loop.call_soon_threadsafe(answer, agreed))
            agreed = await asyncio.wait_for(waiting.answer, PATIENCE_S)
        except TimeoutError:
            if self._terminal is not None:
                self._terminal.drop()
            raise NotAnswered("nobody answered in time") from None
        finally:
            self.waiting = None
        if not agreed:
            raise Declined("the officer did not agree")

    def answer(self, number: str, agreed: bool) -> bool:
        """Answer the question; return whether it still waited."""
        waiting = self.waiting
        if waiting is None or waiting.number != number or waiting.answer.done():
            return False
        waiting.answer.set_result(agreed)
        return True
