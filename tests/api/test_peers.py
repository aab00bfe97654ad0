"""Services on one machine over one database: each case is recorded by one of them, and nothing depends on it."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from api.services import peers as module
from api.services.peers import SUFFIX, Peers, kind_of
from ledger.core.errors import Conflict, MalformedInput, Unavailable
from tests.api.conftest import OFFICERS, SETTINGS, no_chain, serving_ledger
from tests.api.service import JSON, Served, listening_for, problem, until
from tests.testkit.builders import COURT, PROCURATORATE, SignedEvent, clerk
from tests.testkit.casework import Case, registration
from tests.testkit.ledgers import open_ledger

CASES = 12
LOG_ID = b"\x11" * 32


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder of sockets: the paths of those of pytest are too long for them."""
    with tempfile.TemporaryDirectory(prefix="tally-peers-") as path:
        yield Path(path)


@pytest.fixture
def apart(postgres_url: str, folder: Path) -> Iterator[list[Served]]:
    """Return two services over one database, which do not know of each other yet."""
    settings = SETTINGS.model_copy(update={"peers_folder": folder})
    with ExitStack() as stack:
        ledgers = [stack.enter_context(open_ledger(postgres_url)) for _ in range(2)]
        ledgers[0].found(*OFFICERS)
        ledgers[1].recording.authority()
        both = [stack.enter_context(serving_ledger(ledger, no_chain, settings)) for ledger in ledgers]
        for service in both:
            stack.callback(service.parts.peers.close)
        yield both


@pytest.fixture
def services(apart: list[Served]) -> Iterator[list[Served]]:
    """Return the two when they know of each other."""
    introduce(apart, lambda service, event: service.submit(event))
    yield apart
    # What one was passed goes on although the other has left it: its loop must not end meanwhile.
    until(lambda: not any(map(recording_for_others, apart)))


def introduce(services: Sequence[Served], submit: Callable[[Served, SignedEvent], object]) -> None:
    """Let them meet: the first submission of each begins to listen, the next looks for others."""
    for name in ("case-first", "case-second"):
        for service in services:
            submit(service, Case(name).open().last)
    until(lambda: all(len(service.parts.peers._members) == 2 for service in services))


def recording_for_others(service: Served) -> list[asyncio.Task[Any]]:
    """Return what the service still records of what others passed to it."""
    loop = service.parts.peers._loop
    assert loop is not None, "it has listened"
    own = module._Asked._answer.__qualname__
    return [task for task in asyncio.all_tasks(loop) if task.get_coro().__qualname__ == own]


def held(service: Served, cases: list[Case]) -> set[int]:
    """Return which cases this service has the states of."""
    lacks = service.parts.validator.states.lacks
    return {number for number, case in enumerate(cases) if not lacks(case.draft(registration("x"), clerk(COURT)).event)}


def test_each_case_is_recorded_by_one(services: list[Served]) -> None:
    """Wherever its events are posted, one service has the states of a case; receipts, repetitions and refusals are as
    if there were one service."""
    cases = [Case(f"case-{number}").open() for number in range(CASES)]
    for case in cases:
        services[0].record(case)
    for case in cases:
        services[1].record(case.register("phone"))
    own = [held(service, cases) for service in services]
    assert own[0] | own[1] == set(range(CASES))
    assert not own[0] & own[1]
    assert all(own)
    size = services[0].size()
    for case in cases:
        foreign = case.draft(registration("knife"), clerk(COURT))
        for service in services:
            problem(service.submit(foreign), 422, "not_a_party", "envelope.agency")
            assert service.submit(case.last).status_code == 200
    assert services[1].size() == size
    services[0].record(cases[0].offer("phone", to=PROCURATORATE))


def test_a_service_that_left_is_missed_by_nobody(services: list[Served]) -> None:
    """Its cases are recorded by the other, on what it wrote."""
    cases = [Case(f"case-{number}").open() for number in range(CASES)]
    for case in cases:
        services[1].record(case)
    services[0].parts.peers.close()
    for case in cases:
        services[1].record(case.register("phone"))
    assert held(services[1], cases) == set(range(CASES))


def test_one_that_cannot_write_is_passed_nothing(services: list[Served], folder: Path) -> None:
    """A service whose writer has stopped leaves, and the other records all."""
    services[0].ledger.sequencer.stop()
    for number in range(CASES):
        services[1].record(Case(f"case-{number}").open())
    last = Case("case-last").open().last
    until(lambda: services[0].submit(last) and len([*folder.glob(f"*{SUFFIX}")]) == 1)  # it finds out when it looks


@pytest.mark.parametrize("is_cut_off", [False, True])
def test_what_was_passed_on_is_answered_before_a_service_ends(apart: list[Served], is_cut_off: bool) -> None:
    """As requests under way are; if that is cut off, the other looks it up and answers with the receipt of it."""
    staying, ending = apart
    with ExitStack() as stack, ThreadPoolExecutor(CASES + 1) as threads:
        port = stack.enter_context(listening_for(staying))
        until_it_ends = stack.enter_context(ExitStack())
        ports = {staying: port, ending: until_it_ends.enter_context(listening_for(ending))}

        def submit(service: Served, event: SignedEvent) -> httpx.Response:
            url = f"http://127.0.0.1:{ports[service]}/api/v1/events"
            return httpx.post(url, content=event.submission, headers=JSON, trust_env=False, timeout=60)

        introduce(apart, submit)
        cases = [Case(f"case-{number}").open() for number in range(CASES)]
        for case in cases:
            submit(staying, case.last)
        passed = [cases[number].register("phone").last for number in held(ending, cases)]
        size = staying.size()
        with staying.parts.database.lock():  # whoever records waits
            answers = [threads.submit(submit, staying, event) for event in passed]
            until(lambda: len(recording_for_others(ending)) == len(passed))
            if is_cut_off:
                ending.parts.peers.close()
            end = threads.submit(until_it_ends.close)
            time.sleep(1)  # in which it would end
        end.result()
        statuses = {answer.result().status_code for answer in answers}
    assert staying.size() == size + len(passed)
    assert statuses == {200 if is_cut_off else 201}, "what the other has recorded is in the log already"


# -- without services --------------------------------------------------------------------------------------------------


def body_of(number: int) -> bytes:
    return Case(f"case-{number}").open().last.submission


async def met(*services: tuple[Peers, Any]) -> None:
    """Let these services find each other: what is of no case lets one look, and is passed on to nobody."""
    while any(len(peers._members) < len(services) for peers, _ in services):
        for peers, here in services:
            assert peers.record(b"{}", here) is None
        await asyncio.sleep(0.01)


async def _forget(_body: bytes) -> None:
    await asyncio.get_running_loop().create_future()


async def _refuse(_body: bytes) -> None:
    raise Conflict("no", code="refused")


async def _put_off(_body: bytes) -> None:
    raise Unavailable("nothing is written any more", code="writer_ended", retry_after=3600)


async def _fail(_body: bytes) -> None:
    raise ZeroDivisionError


async def _record(body: bytes) -> bytes:
    return body


def outcomes(folder: Path, here: Any, *, patience_s: float = 60) -> list[Any]:
    """Return what came of submissions that were passed on, an exception as it is."""

    async def passed_on() -> list[Any]:
        first, second = (Peers(folder, LOG_ID, lambda: True, patience_s) for _ in range(2))
        await met((first, _record), (second, here))
        passed = [answer for number in range(40) if (answer := first.record(body_of(number), _record)) is not None]
        answers = await asyncio.gather(*passed, return_exceptions=True)
        first.close()
        second.close()
        await asyncio.sleep(0.05)
        return answers

    return asyncio.run(passed_on())


def test_what_comes_back(folder: Path) -> None:
    """About half of the cases belong to the other; its refusals are raised here. What keeps it from recording is no
    refusal: then it is to be recorded here."""
    assert 8 < len(outcomes(folder, _record)) < 32
    assert {answer.code for answer in outcomes(folder, _refuse)} == {"refused"}
    assert set(outcomes(folder, _put_off)) == set(outcomes(folder, _fail)) == {None}


@pytest.mark.parametrize("with_folder", [False, True])
def test_a_socket_that_was_removed_is_made_again(folder: Path, with_folder: bool) -> None:
    """With the folder, if that is gone too: a service that comes later is met as before, and the log says what was."""

    def remove() -> None:
        for socket in folder.iterdir():
            socket.unlink()
        if with_folder:
            folder.rmdir()

    async def met_later() -> None:
        first, later = (Peers(folder, LOG_ID, lambda: True, 60) for _ in range(2))
        await met((first, _record))
        remove()
        first._next_look = 0.0
        await met((first, _record), (later, _record))
        for service in (first, later):
            service.close()
        await asyncio.sleep(0.05)

    with capture_logs() as logged:
        asyncio.run(asyncio.wait_for(met_later(), 30))
    assert not [*folder.iterdir()]
    assert [line["log_level"] for line in logged if "was removed" in line["event"]] == ["warning"]


def test_one_that_does_not_answer(folder: Path) -> None:
    """Nobody waits for it for ever: what it was passed is to be recorded here."""
    assert set(outcomes(folder, _forget, patience_s=0.2)) == {None}


def test_one_that_hangs_is_asked_again_when_it_answers(folder: Path) -> None:
    """Until then nothing more waits for it, though its socket would accept a new connection."""

    async def hung() -> None:
        awake = asyncio.Event()

        async def hanging(body: bytes) -> bytes:
            await awake.wait()
            return body

        first, second = (Peers(folder, LOG_ID, lambda: True, 0.2) for _ in range(2))
        await met((first, _record), (second, hanging))

        def shared() -> list[asyncio.Future[Any]]:
            return [answer for number in range(40) if (answer := first.record(body_of(number), _record)) is not None]

        assert set(await asyncio.gather(*shared())) == {None}
        first._next_look = 0.0
        assert shared() == []
        assert first._look is not None
        await first._look
        assert shared() == []
        awake.set()
        passed: list[Any] = []
        while not passed or None in passed:
            await asyncio.sleep(0.01)
            passed = await asyncio.gather(*shared())
        first.close()
        second.close()
        await asyncio.sleep(0.05)

    asyncio.run(hung())


def test_one_that_could_not_record_is_left_out_for_a_while(folder: Path) -> None:
    """What it was passed waited for nothing; so nothing more is passed to it until as much time has gone by as one that
    hangs is given, and then it is asked again."""

    async def lost() -> None:
        first, second = (Peers(folder, LOG_ID, lambda: True, 0.5) for _ in range(2))
        tried: list[bytes] = []

        async def losing(body: bytes) -> None:
            tried.append(body)
            await _put_off(body)

        await met((first, _record), (second, losing))
        (peer,) = (peer for peer in first._members.values() if peer is not None)

        def shared() -> list[asyncio.Future[Any]]:
            return [answer for number in range(40) if (answer := first.record(body_of(number), _record)) is not None]

        assert set(await asyncio.gather(*shared())) == {None}
        assert shared() == []
        before = len(tried)
        loop = asyncio.get_running_loop()
        asked_again = asyncio.Event()
        loop.call_at(peer.left_out_until, asked_again.set)
        await asked_again.wait()
        assert set(await asyncio.gather(*shared())) == {None}
        assert len(tried) == 2 * before
        first.close()
        second.close()
        await asyncio.sleep(0.05)

    asyncio.run(lost())


def test_patience_begins_with_what_is_passed_on(folder: Path) -> None:
    """What was answered before takes nothing of it."""

    async def one_after_another() -> None:
        first, second = (Peers(folder, LOG_ID, lambda: True, 60) for _ in range(2))
        await met((first, _record), (second, _record))
        (peer,) = (peer for peer in first._members.values() if peer is not None)
        for _ in range(2):
            began = asyncio.get_running_loop().time()
            answer = peer.pass_on(b"{}")
            assert answer is not None
            assert peer._patience is not None
            assert peer._patience.when() >= began + 60
            assert await answer == b"{}"
            assert peer._patience is None
        first.close()
        second.close()
        await asyncio.sleep(0.05)

    asyncio.run(one_after_another())


def test_what_belongs_to_no_case_is_recorded_here(folder: Path) -> None:
    """So is everything where no folder is named, or nobody else is in it, and a socket of a process that has ended is
    taken away."""

    async def alone() -> None:
        left = folder / f"{kind_of(LOG_ID)}-gone{SUFFIX}"
        server = await asyncio.get_running_loop().create_unix_server(asyncio.Protocol, str(left))
        server.close()
        await server.wait_closed()
        left.touch()
        peers = Peers(folder, LOG_ID, lambda: True, 60)
        assert peers.record(body_of(1), _record) is None
        assert peers._look is not None
        await peers._look
        assert not left.exists()
        assert peers.record(b"{}", _record) is None
        peers.close()
        await asyncio.sleep(0.05)
        assert Peers(None, LOG_ID, lambda: True, 60).record(body_of(1), _record) is None

    asyncio.run(alone())


@pytest.mark.parametrize("differs", ["log", "program"])
def test_services_of_another_log_or_program_are_left_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, differs: str
) -> None:
    """In one folder, a submission goes to nobody whose answer would be no answer, and each has peers of its kind."""

    async def side_by_side() -> None:
        with monkeypatch.context() as patch:
            if differs == "program":
                patch.setattr(module, "program_version", lambda: "0.1.0+000000000000")
            others = [Peers(folder, LOG_ID if differs == "program" else b"\x22" * 32, lambda: True, 60) for _ in "12"]
        pair = [Peers(folder, LOG_ID, lambda: True, 60) for _ in "12"]
        await met(*((side, _record) for side in pair))
        await met(*((side, _refuse) for side in others))
        for side in (*pair, *others):
            side._next_look = 0.0
            side.record(body_of(0), _record)
            if side._look is not None:
                await side._look
            assert len(side._members) == 2
        bodies = [body_of(number) for number in range(40)]
        answers = [await answer for body in bodies if (answer := pair[0].record(body, _record)) is not None]
        assert answers
        assert {*answers} <= {*bodies}
        for side in (*pair, *others):
            side.close()
        await asyncio.sleep(0.05)

    asyncio.run(side_by_side())


def test_a_folder_that_others_may_use_is_refused(folder: Path) -> None:
    """Whoever can write to it would be believed."""
    folder.chmod(0o770)
    with pytest.raises(MalformedInput, match="others may use"):
        Peers(folder, LOG_ID, lambda: True, 60)


def test_a_folder_whose_path_is_too_long_is_refused(folder: Path) -> None:
    """A socket in the longest that is taken can be listened at."""

    async def listen(length: int) -> None:
        peers = Peers(folder / ("x" * (length - len(str(folder)) - 1)), LOG_ID, lambda: True, 60)
        peers.record(b"{}", _record)
        assert peers._look is not None
        await peers._look
        peers.close()
        await asyncio.sleep(0.05)

    asyncio.run(listen(69))
    with pytest.raises(MalformedInput, match="too long") as refused:
        asyncio.run(listen(70))
    assert refused.value.hint is not None
    assert "69" in refused.value.hint
