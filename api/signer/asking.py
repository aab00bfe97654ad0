"""Asking: one question at a time waits for the officer's word, in the terminal or on the signer's own page."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import click

from api.signer.question import Question
from ledger.core.errors import TallystickError

PATIENCE_S = 120  # seconds that a question waits


class AskedAlready(TallystickError):
    """Another question waits for the officer."""

    code = "question_waits"


class Declined(TallystickError):
    """The officer said no, or nothing."""

    code = "declined"


@dataclass(slots=True)
class Waiting:
    """A question that waits. ``since`` is in monotonic seconds."""

    question: Question
    answer: asyncio.Future[bool]
    number: str = field(default_factory=lambda: secrets.token_hex(8))
    since: float = field(default_factory=time.monotonic)

    @property
    def seconds_left(self) -> int:
        return max(0, int(PATIENCE_S - (time.monotonic() - self.since)))


class Counter:
    """Where questions are put. ``tell`` shows one where the officer looks; None where a page asks for it itself."""

    def __init__(self, tell: Callable[[Question], bool] | None = None):
        self._tell = tell
        self.waiting: Waiting | None = None

    async def ask(self, question: Question) -> None:
        """Returns once the officer has agreed. Raises Declined or AskedAlready."""
        async with self._only(question) as waiting:
            try:
                agreed = await asyncio.wait_for(self._answer(waiting), PATIENCE_S)
            except TimeoutError:
                raise Declined("nobody answered in time") from None
        if not agreed:
            raise Declined("the officer did not agree")

    def answer(self, number: str, agreed: bool) -> bool:
        """Whether this question still waited."""
        waiting = self.waiting
        if waiting is None or waiting.number != number or waiting.answer.done():
            return False
        waiting.answer.set_result(agreed)
        return True

    async def _answer(self, waiting: Waiting) -> bool:
        if self._tell is None:
            return await waiting.answer
        return await asyncio.to_thread(self._tell, waiting.question)

    @asynccontextmanager
    async def _only(self, question: Question) -> AsyncIterator[Waiting]:
        if self.waiting is not None:
            raise AskedAlready("another question waits for an answer")
        self.waiting = Waiting(question, asyncio.get_running_loop().create_future())
        try:
            yield self.waiting
        finally:
            self.waiting = None


def ask_in_terminal(prompt: str) -> Callable[[Question], bool]:
    """Shows a question in the terminal and asks ``prompt`` there; anything but an explicit yes is a no."""

    def ask(question: Question) -> bool:
        from ledger.cli.printable import printable  # noqa: PLC0415 - a page needs none

        lines = [question.sentence, *(f"  {label}: {value}" for label, value in question.particulars)]
        click.echo(printable("\n".join(["", *lines, ""])), nl=False, err=True)
        try:
            return click.confirm(prompt, default=False, err=True)
        except click.Abort:
            return False

    return ask
