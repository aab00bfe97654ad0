"""The signer's questions in a terminal: one reader, one question, and no answer counts for another one."""

from __future__ import annotations

import asyncio
import os
import pty
import threading
from collections.abc import Iterator

import pytest

from api.signer import asking
from api.signer.asking import Declined, NotAnswered, OfficerPrompt, Terminal
from api.signer.question import SigningQuestion
from api.texts import Texts
from ledger.client.acts_in_words import ActInWords
from ledger.timeline.event_fields import EventField


@pytest.fixture
def keyboard() -> Iterator[tuple[int, Terminal]]:
    """Yield what types into the terminal, and the terminal."""
    ours, theirs = pty.openpty()
    yield ours, Terminal(Texts("en"), theirs)
    os.close(ours)


def question(sentence: str) -> SigningQuestion:
    return SigningQuestion("event", (ActInWords(sentence, ()),), lambda _: [])


async def asked(counter: OfficerPrompt, keyboard: int, sentence: str, typed: bytes) -> str:
    """Type once the question waits; return what came of it."""
    asking_it = asyncio.ensure_future(counter.ask(question(sentence)))
    await asyncio.sleep(0)  # it runs until it waits
    assert counter.waiting is not None
    os.write(keyboard, typed)
    try:
        await asking_it
    except (Declined, NotAnswered) as error:
        return str(error)
    return "agreed"


@pytest.mark.parametrize(
    ("typed", "outcome"),
    [
        (b"y\n", "agreed"),
        (b"YES\n", "agreed"),
        (b"n\n", "did not agree"),
        (b"\n", "did not agree"),
        (b"yy\n", "not agree"),
    ],
)
def test_a_line_answers_the_question(keyboard: tuple[int, Terminal], typed: bytes, outcome: str) -> None:
    """Yes is said in full or by its first letter; all else is a no."""
    ours, terminal = keyboard
    assert outcome in asyncio.run(asked(OfficerPrompt(terminal), ours, "this is offered", typed))


def test_no_value_writes_a_line_of_its_own(keyboard: tuple[int, Terminal], capsys: pytest.CaptureFixture[str]) -> None:
    """A text with line breaks stands in one line, in the question and in what was signed: it can forge neither."""
    forged = "sealed [y/N]: \n\n  Nothing else is signed.\nSign this? [y/N]: \u2028"
    act = ActInWords(forged, (EventField("condition", forged),), forged)
    forged_question = SigningQuestion("event", (act,), lambda _: [])
    keyboard[1].ask(forged_question, lambda _: None)
    keyboard[1].signed(forged_question)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 5
    assert all("Nothing else" in line for line in lines[1:])
    assert lines[4].startswith("Sign this? [y/N]: Signed: sealed")


def test_what_was_typed_for_one_question_answers_no_other(
    keyboard: tuple[int, Terminal], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody answers in time, then half an answer stands there: the next question takes its own, by the same reader."""
    ours, terminal = keyboard
    counter = OfficerPrompt(terminal)

    async def course() -> tuple[str, str]:
        monkeypatch.setattr(asking, "PATIENCE_S", 0.1)
        first = await asked(counter, ours, "the first", b"y")
        monkeypatch.setattr(asking, "PATIENCE_S", 60)
        return first, await asked(counter, ours, "the second", b"n\n")

    first, second = asyncio.run(course())
    assert (first, second) == ("nobody answered in time", "the officer did not agree")
    assert [thread.name for thread in threading.enumerate()].count("terminal") == 1
    shown = capsys.readouterr().err
    assert shown.index("the first") < shown.index("Nobody answered in time") < shown.index("the second")


def test_a_terminal_that_is_gone_is_a_no() -> None:
    """Also for a question that is asked after that."""
    reading, writing = os.pipe()
    terminal = Terminal(Texts("en"), reading)
    os.close(writing)
    for _ in range(2):
        with pytest.raises(Declined, match="did not agree"):
            asyncio.run(OfficerPrompt(terminal).ask(question("this is offered")))
    os.close(reading)
