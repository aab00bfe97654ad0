"""Processes that validate what is submitted to cases: everything is answered as by a service without them."""

from __future__ import annotations

import asyncio
import pickle
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from api.services import validators as pool
from api.services.validators import ValidatorPool, Waiting
from ledger.core.errors import Unavailable
from ledger.recording import validation_process
from ledger.recording.validation_process import LENGTH, ValidationRequest, ValidatorSetup, frame_of
from ledger.store.append import ValidatedSubmission
from ledger.workers.pool import WorkFailed
from tests.api.conftest import SETTINGS, serving
from tests.api.service import Served, problem
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, START, SignedEvent, Writer, clerk, section
from tests.testkit.casework import Case, registration
from tests.testkit.ledgers import Ledger, open_founded, sqlite_url
from tests.unit.recording.stand import OPENED, resigned


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Return a service with two such processes."""
    settings = SETTINGS.model_copy(update={"validator_processes": 2})
    with serving(tmp_path_factory.mktemp("apart"), settings) as service:
        yield service
        service.parts.validators.close()


def submissions() -> list[bytes]:
    """What is accepted and what is refused for each kind of reason, of several cases and of an agency's stream."""
    case, second_case = (
        Case("case-one").open().register("phone").offer("phone", to=PROCURATORATE).accept(),
        Case("case-2"),
    )
    stranger = case.draft(registration("knife"), clerk(COURT))
    beside = case.draft(registration("knife"), clerk(POLICE), sequence=1, previous=case.events[0].event.leaf_hash)
    unsigned = replace(case.last.envelope, signature="0x" + "11" * 65)
    by_another = resigned(case.events[1], clerk(COURT), key_id=clerk(COURT).key_id)
    early = Writer("case", "case-early").write(OPENED, clerk(POLICE), signed_at=START - 24 * 3600)
    secret = Case("case-3").act(OPENED, clerk(POLICE), sections={"narrative": section()})
    forged = case.last.submission.replace(case.last.envelope.signature.encode(), unsigned.signature.encode())
    refused = [stranger.submission, beside.submission, forged, by_another.submission, early.submission, b"{}", b""]
    spaced = case.last.submission.replace(b'"stream":', b'"stream": ')
    own = Writer("agency", POLICE).write(registration("knife"), clerk(POLICE))
    return [
        *(event.submission for event in (*case.events, *second_case.open().events, *secret.events)),
        *(event.submission for event in case.events),  # again
        *refused,
        spaced,
        own.submission,
    ]


def outcome(answer: dict[str, Any]) -> tuple[Any, ...]:
    """What an answer comes to, without what differs from ledger to ledger: the log's keys and times."""
    receipt = answer.get("receipt", {})
    refusal = {name: value for name, value in answer.get("problem", {}).items() if name != "instance"}
    return answer["status"], receipt.get("event_id"), receipt.get("index"), receipt.get("flags"), refusal


def test_processes_answer_as_the_service_does(apart: Served, served: Served) -> None:
    """Receipts, repetitions and refusals are the same, one by one, in bulk, and recorded together."""
    for data in submissions():
        first, second = apart.submit(data), served.submit(data)
        assert first.status_code == second.status_code, (first.text, second.text)
        refusals = [
            {
                name: value
                for name, value in answer.json().items()
                if name in ("code", "field", "detail", "hint", "head")
            }
            for answer in (first, second)
        ]
        assert refusals[0] == refusals[1]
    lines = [data for data in submissions() if data]
    both = [service.post_lines(*lines).json()["results"] for service in (apart, served)]
    assert [outcome(answer) for answer in both[0]] == [outcome(answer) for answer in both[1]]
    story = Case("case-4").open().register("coat")
    refused = story.draft(registration("coat"), clerk(COURT))
    lines = [event.submission for event in (*story.events, refused)]
    for service in (apart, served):
        assert problem(service.post_together(*lines), 422, "not_a_party", "envelope.agency")["line"] == len(lines)
        assert service.post_together(*lines[:-1]).status_code == 201
    assert apart.size() == served.size()


def test_a_process_learns_what_the_registry_learns(apart: Served) -> None:
    """A key that was revoked after its process began signs nothing more."""
    court = Case("case-court").open(by=clerk(COURT))
    apart.record(court)
    apart.mirror(apart.ledger.changes.revoke(clerk(COURT)).bodies[-1])
    problem(apart.submit(court.register("paper", by=clerk(COURT)).last), 403, "key_revoked", "envelope.key_id")


def test_events_of_a_route_are_checked_against_their_address(apart: Served) -> None:
    """What is posted to the address of another handover is not recorded there."""
    case = apart.record(Case("case-5").open().register("phone").offer("phone", to=PROCURATORATE)).accept()
    path = f"/api/v1/cases/case-4/handovers/{case.last.payload.body.handover_id}/accept"
    problem(apart.submit(case.last, path), 400, "wrong_address", "envelope.stream.id")
    assert apart.submit(case.last, path.replace("case-4", "case-5")).status_code == 201


def test_another_process_takes_the_place_of_one_that_was_lost(apart: Served) -> None:
    """What waited for it was not recorded, and is recorded when it is submitted again."""
    story = apart.record(Case("case-6").open())
    apart.parts.validators.close()
    for _ in range(20):  # the loss may show while a submission waits
        answer = apart.submit(story.register("phone").last if len(story.events) == 1 else story.last)
        if answer.status_code == 201:
            break
        problem(answer, 503, "not_recorded")
    assert answer.status_code == 201


# -- the process -------------------------------------------------------------------------------------------------------


def answers_to(setup: ValidatorSetup, request: ValidationRequest) -> list[Any]:
    """Ask one in a thread of this process."""
    ours, theirs = socket.socketpair()
    working = threading.Thread(target=validation_process.main, args=(theirs,))
    working.start()
    with ours, ours.makefile("rb") as answers:
        ours.sendall(frame_of(setup) + frame_of(request))
        (length,) = LENGTH.unpack(answers.read(LENGTH.size))
        answer: list[Any] = pickle.loads(answers.read(length))
        ours.shutdown(socket.SHUT_WR)
        working.join()
    return answer


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Return a ledger that knows clerks of the police and the court."""
    with open_founded(sqlite_url(tmp_path), clerk(POLICE), clerk(COURT)) as running:
        yield running


def setup_of(ledger: Ledger) -> ValidatorSetup:
    return ValidatorSetup(ledger.database.url, *ledger.registry.origin, ledger.validator.states.state_key)


def test_answers_to_a_request(ledger: Ledger) -> None:
    """Each submission has its answer: rows for the tables of this process, a refusal, or what nobody foresaw."""
    opened = Case().open().last
    foreign = Case("case-2").open().draft(registration("phone"), clerk(COURT))
    posted = [opened.submission, foreign.submission]
    request = ValidationRequest(ledger.registry.authority.changes, ledger.clock.seconds, posted)
    request.submissions.append(None)  # type: ignore[arg-type]
    accepted, refusal, fault = answers_to(setup_of(ledger), request)
    assert accepted == ledger.validator.validate(opened.submission, ledger.clock.seconds)
    assert refusal.code == "not_on_head"
    assert "AttributeError" in fault


def test_a_process_ends_with_its_service() -> None:
    """One whose service is gone before it began does nothing."""
    ours, theirs = socket.socketpair()
    ours.close()
    validation_process.main(theirs)


# -- without outcomes --------------------------------------------------------------------------------------------------


async def _asked(validators: ValidatorPool, event: SignedEvent) -> ValidatedSubmission:
    future = validators.validate(event.submission, START)
    assert future is not None
    outcome = await future
    assert isinstance(outcome, ValidatedSubmission)
    return outcome


@pytest.mark.parametrize("program", ["import sys; sys.exit(1)", "import time; time.sleep(600)"])
def test_no_outcome_comes_from_a_process_that_fails(
    program: str, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that ends at once, or does not answer in time: nothing was recorded, and that is what is said."""
    monkeypatch.setattr(pool, "COMMAND", ("-c", program))
    validators = ValidatorPool(setup_of(ledger), 1, lambda: 0, patience_s=0.2)
    with pytest.raises(Unavailable, match="not validated"):
        asyncio.run(_asked(validators, Case().open().last))
    validators.close()


def test_what_nobody_foresaw_is_no_refusal() -> None:
    """A fault of such a process fails the request as one of the service would, with the traceback for its operator."""

    async def answered() -> None:
        future = asyncio.get_running_loop().create_future()
        pool._resolve(future, validation_process.Fault("Traceback: a fault"))
        await future

    with pytest.raises(WorkFailed) as failure:
        asyncio.run(answered())
    assert failure.value.__notes__ == ["Traceback: a fault"]


def test_a_start_that_failed_does_not_last(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever went wrong, what waits is answered; for a moment nothing is started, then the next submission is."""
    validators = ValidatorPool(setup_of(ledger), 1, lambda: 0, patience_s=60)
    event = Case().open().last

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("can't start new thread")

    async def asked() -> ValidatedSubmission:
        with monkeypatch.context() as patched:
            patched.setattr(pool.subprocess, "Popen", fail)
            with pytest.raises(Unavailable, match="not validated"):
                await _asked(validators, event)
        with pytest.raises(Unavailable, match="not validated"):
            await _asked(validators, event)
        monkeypatch.setattr(validators._processes[0], "_not_before", 0.0)
        return await _asked(validators, event)

    assert asyncio.run(asked()).envelope == event.envelope
    validators.close()


def test_what_comes_alone_does_not_wait_for_a_bulk_request(ledger: Ledger) -> None:
    """Half of each frame is for either where both wait; each keeps its order."""
    process = pool._ValidatorProcess(setup_of(ledger), lambda: 0, 1)
    process._bulk.extend(Waiting(b"bulk %d" % number, 0, None) for number in range(100))  # type: ignore[arg-type]
    process._alone.extend(Waiting(b"%d" % number, 0, None) for number in range(40))  # type: ignore[arg-type]
    half = pool.FRAME // 2
    first, second = ([waiting.data for waiting in process._next_frame()] for _ in range(2))
    rest = [waiting.data for _ in range(140 // pool.FRAME) for waiting in process._next_frame()]
    bulk, alone = [b"bulk %d" % number for number in range(100)], [b"%d" % number for number in range(40)]
    assert first == alone[:half] + bulk[:half]
    assert second == alone[half : 2 * half] + bulk[half : 2 * half]
    sent = first + second + rest
    assert [data for data in sent if data in alone] == alone
    assert [data for data in sent if data in bulk] == bulk


def test_more_than_they_take_is_turned_away(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits is bounded, as at the sequencer."""
    monkeypatch.setattr(pool, "MAX_WAITING", 0)
    with pytest.raises(Unavailable, match="too many submissions"):
        asyncio.run(_asked(ValidatorPool(setup_of(ledger), 1, lambda: 0, 1), Case().open().last))
