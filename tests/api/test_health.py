"""Readiness: 503 where the service cannot do its work; what a driver said is for the operator alone."""

from __future__ import annotations

from concurrent.futures import Future
from threading import Event, Thread
from typing import NoReturn

import pytest
from structlog.testing import capture_logs

from ledger.core.errors import IntegrityBroken, Unavailable
from ledger.core.events.record import IncidentRecorded
from ledger.recording.clock import RecordingClock
from ledger.recording.sequencer import Answer
from tests.api.conftest import OFFICERS, no_chain, serving_ledger
from tests.api.service import Served, problem, until
from tests.campaigns.faults.commits import database_error, failing_commits, full_disk
from tests.testkit.casework import Case
from tests.testkit.ledgers import open_ledger
from tests.testkit.postgres import running_server

READY = {
    "ready": True,
    "database": "ok",
    "sequencer": "ok",
    "clock": "ok",
    "chain": "connecting",
    "witnesses": "ok",
    "loops": "ok",
    "waits": None,
    "detail": None,
    "fault": None,
    "hint": None,
    "chain_seen_s": None,
    "replicas": [],
}


class Ending(Future[Answer]):
    """A taker that ends the thread that answers it."""

    def set_result(self, result: Answer) -> NoReturn:
        raise SystemExit(f"instead of taking {type(result).__name__}")


def test_readiness_is_that_of_the_writer(served: Served) -> None:
    """200 while each part is well, and nothing is written for it; once the thread is gone, without a failure, what to
    do."""
    before = served.ledger.database.activity.writes
    answer = served.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, READY)
    assert served.ledger.database.activity.writes == before  # whoever asks again and again keeps nothing awake
    served.ledger.sequencer.stop()
    assert served.ledger.sequencer.failure is None
    answer = served.get("/readyz")
    failed = {"ready": False, "sequencer": "failed", "fault": "the writer has ended"}
    assert (answer.status_code, answer.json()) == (503, READY | failed | {"hint": answer.json()["hint"]})
    assert "Restart the service" in answer.json()["hint"]


def test_a_writer_that_has_stopped_says_why(served: Served) -> None:
    """With the reason's own hint."""
    served.ledger.sequencer.halt(IntegrityBroken("the log is another", hint="Restore the newest backup."))
    readiness = served.get("/readyz").json()
    reason = ("nothing is written any more: the log is another", "Restore the newest backup.")
    assert (readiness["sequencer"], readiness["fault"], readiness["hint"]) == ("failed", *reason)


def test_any_thread_that_has_ended_is_noticed(served: Served) -> None:
    """Whatever ended it: what it did is not done any more, so the service is not ready, and says which it is."""
    thread = Thread(target=lambda: None, name="notice")
    served.parts.loops.append(thread)
    thread.start()
    thread.join()
    answer = served.get("/readyz")
    failed = {"ready": False, "loops": "failed", "fault": "threads have ended: notice", "hint": answer.json()["hint"]}
    assert (answer.status_code, answer.json()) == (503, READY | failed)
    assert "Restart the service" in answer.json()["hint"]


def test_a_writer_that_is_ended_says_so(served: Served) -> None:
    """Whoever ends the writer's thread ends the writing: readiness falls, and each submission is told why."""
    judged = served.ledger.validator.validate(Case().open().last.submission, served.ledger.clock.seconds)
    taker = Ending()
    served.ledger.sequencer.queue(judged, taker)  # type: ignore[arg-type] - it is new, so no Duplicate
    with pytest.raises(Unavailable) as unknown:
        taker.result(60)
    assert unknown.value.code == "outcome_unknown"
    assert served.get("/readyz").json()["sequencer"] == "failed"
    problem(served.submit(Case("case-2").open().last), 503, "writer_ended")


def test_a_defect_in_following_the_chain_is_not_ready(served: Served) -> None:
    """503 until a step goes as foreseen; submissions are taken, since what they rest on is the log alone."""

    def defect() -> NoReturn:
        raise KeyError("parentHash")

    served.parts.chain_worker.connect = defect
    served.parts.chain_worker.try_step()
    answer = served.get("/readyz")
    fault = "the chain cannot be followed (KeyError)"
    assert (answer.status_code, answer.json()) == (503, READY | {"ready": False, "chain": "failed", "fault": fault})
    assert "parentHash" not in served.get("/api/v1/chain").text
    served.record(Case().open())


def test_a_defect_in_asking_witnesses_is_not_ready(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 from a look that ended in a way that nobody foresaw until one that ended well; submissions are taken."""
    stop, collector = Event(), served.parts.collector
    asking = Thread(target=collector.run, args=(stop,))

    def defect() -> NoReturn:
        raise KeyError("vkey")

    try:
        with monkeypatch.context() as patch:
            patch.setattr(collector, "_due", defect)
            asking.start()
            until(lambda: collector.defect is not None)
            answer = served.get("/readyz")
            fault = "witnesses cannot be asked (KeyError)"
            readiness = READY | {"ready": False, "witnesses": "failed", "fault": fault}
            assert (answer.status_code, answer.json()) == (503, readiness)
            served.record(Case().open())
        until(lambda: collector.defect is None)
        assert served.get("/readyz").json() == READY
    finally:
        stop.set()
        asking.join()


def test_nothing_is_recorded_while_the_clock_is_set_forward(served: Served) -> None:
    """Single or in bulk; what the log has is answered, and the service goes on once the clock is right again."""
    clock = served.ledger.clock
    began_ms = clock.ms
    served.ledger.sequencer.clock = RecordingClock(lambda: clock.ms, lambda: began_ms)  # no time goes by
    case = Case(start=clock.seconds - 60).open()
    served.record(case)
    clock.forward(600)
    answer = served.get("/readyz")
    fault = "the clock of the service's machine was set forward by 600 s while the service ran"
    readiness = READY | {"ready": False, "clock": "failed", "fault": fault, "hint": answer.json()["hint"]}
    assert (answer.status_code, answer.json()) == (503, readiness)
    assert "restart" in readiness["hint"]
    case.register("disk")
    problem(served.submit(case.last), 503, "clock_set_forward")
    answers = served.post_lines(case.events[0].submission, case.last.submission).json()["results"]
    assert [each["status"] for each in answers] == [200, 503]
    assert served.submit(case.events[0]).status_code == 200
    with pytest.raises(Unavailable, match="forward"):
        served.ledger.system.append(IncidentRecorded(kind="other", description="of another time"))
    clock.forward(90_000)
    problem(served.submit(case.last), 503, "clock_set_forward")
    clock.forward(-90_600)
    assert served.get("/readyz").json() == READY
    assert served.submit(case.last).status_code == 201


def test_a_clock_that_was_set_back_is_named_and_not_the_officers(served: Served) -> None:
    """What right clocks sign is refused because of the service's clock, for the moment, and the service is not ready;
    after a start with such a clock, too, where nothing but the last entry shows it."""
    clock = served.ledger.clock
    began_ms = clock.ms
    case = Case(start=clock.seconds - 60).open()
    served.record(case)
    served.ledger.sequencer.clock = RecordingClock(lambda: clock.ms, lambda: began_ms)  # no time goes by
    clock.forward(-3600)
    case.register("disk")
    problem(served.submit(case.last), 503, "clock_set_back")
    answer = served.get("/readyz")
    assert (answer.status_code, answer.json()["clock"]) == (503, "failed")
    served.ledger.sequencer.clock = lambda: clock.ms
    refusal = problem(served.submit(case.last), 503, "clock_behind")
    assert "operator" in refusal["hint"]
    clock.forward(3600)
    assert served.submit(case.last).status_code == 201


def test_what_the_driver_said_is_logged_and_not_told(served: Served) -> None:
    """The problem is in our words; the operator reads the driver's in the log."""
    with capture_logs() as logged, failing_commits(served.ledger.database.log, "before", database_error()):
        answer = served.submit(Case().open().last)
    refusal = problem(answer, 503, "database_unavailable")
    assert refusal["detail"] == "the database does not answer"
    assert "injected" not in answer.text
    assert "injected" in next(line["reason"] for line in logged if line["event"] == "refused")


def test_a_full_disk_is_not_ready(served: Served) -> None:
    """Who submits and who watches is told what it is; ready once there is room, whether or not anybody submits."""
    case = Case().open().register(*(f"item-{number}" for number in range(40)))
    with full_disk(served.ledger.database.log):
        refusal = problem(served.post_together(*(event.submission for event in case.events)), 503, "disk_full")
        before = served.ledger.database.activity.writes
        assert "Make room" in refusal["hint"]
        for _ in range(2):
            answer = served.get("/readyz")
            failed = {"ready": False, "database": "failed", "fault": "the disk of the database is full"}
            assert (answer.status_code, answer.json()) == (503, READY | failed | {"hint": refusal["hint"]})
    assert served.get("/readyz").json() == READY
    assert served.ledger.database.activity.writes == before
    served.record(case)


def test_a_database_that_promises_less_than_was_declared_is_not_ready() -> None:
    """503 with the setting to mend, and 200 again once it is; submissions are refused for the same reason meanwhile."""
    with (
        running_server() as server,
        server.fresh_database() as url,
        open_ledger(url) as ledger,
        serving_ledger(ledger.found(*OFFICERS), no_chain) as served,
    ):
        assert served.get("/readyz").json() == READY
        server.execute("ALTER SYSTEM SET fsync = off")
        server.execute("SELECT pg_reload_conf()")
        until(lambda: served.get("/readyz").status_code == 503)
        readiness = served.get("/readyz").json()
        assert (readiness["database"], "fsync = on" in readiness["hint"]) == ("not_durable", True)
        problem(served.submit(Case().open().last), 503, "not_durable")
        server.execute("ALTER SYSTEM RESET fsync")
        server.execute("SELECT pg_reload_conf()")
        until(lambda: served.get("/readyz").json() == READY)
        served.record(Case().open())
