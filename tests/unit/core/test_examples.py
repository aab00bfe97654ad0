"""The examples of a package are played: what comes out otherwise than it says is a fault, by its place."""

from __future__ import annotations

import pytest

from ledger.core.procedure.package import read_package
from ledger.core.supervision.examples import faults_of_examples
from ledger.procedures import SHIPPED, shipped_package

FILES = {name: data for name, data in shipped_package().items() if not name.startswith("examples")}
OPENED = '\n[[examples.acts]]\nevent = "case.opened"\nby = "police"\nat = "2026-03-02 09:00"\n'
NAMED = (
    '\n[[examples.acts]]\nevent = "person.named"\nby = "police"\nat = "2026-03-02 09:10"\n'
    'body = { person_id = "@li", role = "suspect" }\n'
)
DETAINED = (
    '\n[[examples.acts]]\nevent = "measure.imposed"\nby = "police"\nat = "2026-03-02 10:00"\n'
    'body = { measure_id = "detention-1", person_id = "@li", measure = "detention" }\n'
)
HELD = OPENED + NAMED + DETAINED
REQUEST = '\n[[examples.deadlines]]\nclock = "arrest_request"\nsubject = "@li"\nas_of = "2026-03-03T01:00:00Z"\n'
ACCEPTED = (
    '\n[[examples.acts]]\nevent = "item.registered"\nby = "police"\nat = "2026-03-02 11:00"\n'
    'body = { item_id = "cash", item_kind = "property" }\n'
    '\n[[examples.acts]]\nevent = "item.disposal_proposed"\nby = "police"\nat = "2026-03-02 12:00"\n'
    'body = { item_ids = ["cash"], disposal = "returned_to_owner" }\n'
    '\n[[examples.acts]]\nevent = "item.disposed"\nby = "police"\nofficer = "police-2"\nat = "2026-03-02 13:00"\n'
    'body = { cites = "@3" }\nflags = ["disposal_without_decision"]\n'
)
ISSUED = (
    '\n[[examples.acts]]\nevent = "recommendation.issued"\nby = "head"\nat = "2026-03-02 09:00"\n'
    'body = { recommendation_id = "r-1", kind = "rectification", to_agency = "police", copies_to = ["court"] }\n'
)
RECEIVED = '\n[[examples.acts]]\nevent = "recommendation.received"\nby = "police"\nat = "2026-03-03 09:00"\n'
OF_IT = 'recommendation = "r-1"\n'
REPLY = '\n[[examples.deadlines]]\nclock = "reply_to_recommendation"\nsubject = "r-1"\nas_of = "2026-03-04 09:00"\n'


def faults(example: str) -> list[tuple[tuple[str | int, ...], str]]:
    """Return the faults of one example, named "it", with the shipped words, clocks and flags."""
    text = f'[[examples]]\nname = "it"\n{example}'.encode()
    book = read_package(FILES | {"examples.toml": text})
    return [(path, str(fault)) for path, fault in faults_of_examples(book)]


@pytest.mark.parametrize("name", SHIPPED)
def test_the_examples_of_what_ships_come_out(name: str) -> None:
    """Each package that ships has examples, and all of them hold."""
    book = read_package(shipped_package(name))
    assert book.examples
    assert list(faults_of_examples(book)) == []


@pytest.mark.parametrize(
    "example",
    [
        OPENED + 'stage = "investigation"\n',
        OPENED + 'refused = "unknown_word"\nbody = { stage = "grave" }\n',
        HELD + REQUEST + 'last_day = "2026-03-05"\nstatus = "running"\n',
        OPENED
        + NAMED
        + DETAINED
        + REQUEST.replace("arrest_request", "family_notice")
        + 'due_at = "2026-03-03 11:00"\n',
        OPENED + ACCEPTED,
        ISSUED + RECEIVED + OF_IT + REPLY + 'last_day = "2026-05-06"\n',
        OPENED + ISSUED + RECEIVED + OF_IT + RECEIVED + OF_IT + 'refused = "already_received"\n',
        'agencies = { head = "court" }\n' + ISSUED + 'refused = "not_a_supervising_agency"\n',
        'agencies = { head = "procuratorate", police = "public_security" }\n' + ISSUED,
    ],
)
def test_what_comes_out_as_it_says_is_no_fault(example: str) -> None:
    """Stages, refusals, last days, ends of hours, events that cite others, and recommendations.

    What is judged by the kind of an agency is judged only where the example says it.
    """
    assert faults(example) == []


@pytest.mark.parametrize(
    ("example", "path", "fault"),
    [
        (OPENED + 'stage = "execution"\n', (0, "acts", 0), "act 1: the stage is investigation, expected execution"),
        (OPENED + 'refused = "unknown_word"\n', (0, "acts", 0), "act 1: it is not refused"),
        (OPENED + 'flags = ["odd_time"]\n', (0, "acts", 0), "act 1: flagged as -, expected odd_time"),
        (
            OPENED + 'body = { stage = "grave" }\n',
            (0, "acts", 0),
            "act 1: refused as unknown_word (the procedure has no",
        ),
        (OPENED + "body = { stage = 1 }\n", (0, "acts", 0), "act 1: case.opened.stage: Expected `str`, got `int`"),
        (OPENED.replace("case.opened", "case.closet"), (0, "acts", 0), "act 1: event: there is no event case.closet"),
        (
            OPENED + ACCEPTED.replace("@3", "@9"),
            (0, "acts", 3),
            "act 4: item.disposed.cites: Expected `object`, got `str`",
        ),
        (
            OPENED + ACCEPTED.replace("@3", "@" + "9" * 5000),
            (0, "acts", 3),
            "act 4: item.disposed.cites: Expected `object`, got `str`",
        ),
        (NAMED, (0, "acts", 0), "act 1: refused as not_opened"),
        (
            HELD + REQUEST + 'last_day = "2026-03-06"\n',
            (0, "deadlines", 0),
            "last_day is 2026-03-05",
        ),
        (
            HELD + REQUEST + 'status = "met"\n',
            (0, "deadlines", 0),
            "status is running, expected met",
        ),
        (ISSUED + RECEIVED, (0, "acts", 1), "act 2: recommendation: recommendation.received names its recommendation"),
        (ISSUED + 'stage = "investigation"\n', (0, "acts", 0), "act 1: the stage is -, expected investigation"),
        (OPENED + REQUEST, (0, "deadlines", 0), "deadline 1: no clock arrest_request of @li; it has: -"),
        (OPENED + 'body = { stage = "x" }\nrefused = "unknown_word"\n' + REQUEST, (0, "deadlines", 0), "no clock"),
    ],
)
def test_what_comes_out_otherwise_is_a_fault(example: str, path: tuple[str | int, ...], fault: str) -> None:
    """With the place in the examples, what came out and what was expected."""
    ((place, message),) = faults(example)
    assert place == ("examples", *path)
    assert fault in message


def test_a_package_without_examples_is_at_fault() -> None:
    """Nobody has said what it comes to."""
    book = read_package(FILES)
    assert [(path, str(fault)[:21]) for path, fault in faults_of_examples(book)] == [
        (("examples",), "there are no examples")
    ]
