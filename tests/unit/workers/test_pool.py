"""Worker processes end what takes too much, and agencies take turns at them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from datetime import datetime
from datetime import time as time_of_day
from io import BytesIO
from operator import getitem
from pathlib import Path
from threading import Event, Thread

import pytest
from openpyxl import Workbook

from ledger.core.errors import MalformedInput, TallystickError, Unavailable
from ledger.i18n import Labels
from ledger.interchange.imports.item_table import item_columns, table_of
from ledger.procedures import shipped_rulebook
from ledger.supervision.model_faults import ModelRefused
from ledger.supervision.models.model_file import parse_model
from ledger.workers.pool import TooCostly, WorkerPool, WorkFailed, WorkLimits
from ledger.workers.process import Ending, _ending_of
from ledger.workers.results import MOST_CHARACTERS
from ledger.workers.sandbox import Files
from tests.testkit.attacks import go_on_in_silence

SMALL = WorkLimits(memory_mb=64, cpu_s=1, seconds=30.0, result_bytes=1_000_000)


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    """Two workers with little loaded."""
    worker_pool = WorkerPool(2, SMALL, modules=("ledger.supervision.models.model_file",))
    yield worker_pool
    worker_pool.close()


def test_work_is_done_in_another_process(pool: WorkerPool) -> None:
    """What comes back is the function's value; each piece of work has a process of its own."""
    first, second = (pool.run(os.getpid, agency="east") for _ in range(2))
    assert len({first, second, os.getpid()}) == 3
    assert pool.run(sum, range(10), agency="east") == 45


@pytest.mark.parametrize(
    ("function", "argument", "expected"),
    [
        (bytearray, 500 * 1024 * 1024, "more than 64 MB of memory"),
        (sum, range(10**12), "more than 1 seconds of computing"),
        (bytes, 2_000_000, "more than 1000000 bytes"),
    ],
)
def test_what_takes_too_much_is_stopped(pool: WorkerPool, function: type, argument: object, expected: str) -> None:
    """Memory, computing and the size of the answer, each said with its limit and about the field; the next is done."""
    began = time.monotonic()
    with pytest.raises(TooCostly, match=expected) as refusal:
        pool.run(function, argument, agency="east", field="definition")
    assert (refusal.value.field, refusal.value.code) == ("definition", "too_costly")
    assert time.monotonic() - began < SMALL.seconds
    assert pool.run(len, "abc", agency="east") == 3


def test_what_a_request_asks_for_in_parts_takes_no_longer(pool: WorkerPool) -> None:
    """All its pieces of work together stay within the seconds of one, also where it leaves the worker to others."""
    limits = WorkLimits(memory_mb=64, cpu_s=2)
    with pool.turn("east") as first, pytest.raises(TooCostly):
        first.run(sum, range(10**12), limits=SMALL)
    with pool.turn("east", after=first) as rest:
        for _ in range(2):
            with pytest.raises(TooCostly, match="more than 2 seconds of computing"):
                rest.run(sum, range(10**12), limits=limits)
    assert rest.cpu_s < 2.5
    assert pool.run(len, "abc", agency="east") == 3


def test_a_file_that_is_made_may_be_as_large_as_any_result(pool: WorkerPool) -> None:
    """Bytes come back as they are: in another spelling they would take a third more."""
    assert pool.run(bytes, 1_000_000, agency="east") == bytes(1_000_000)


def test_a_file_grows_no_larger_than_it_may(pool: WorkerPool, tmp_path: Path) -> None:
    """The work is stopped, and the refusal says why; work that is to write nothing writes nothing."""
    target = tmp_path / "target"
    files = Files(write=(str(target),), most=1000)
    assert pool.run(Path.write_bytes, target, bytes(1000), agency="east", files=files) == 1000
    with pytest.raises(TooCostly, match="writes a file of more than 1000 bytes"):
        pool.run(Path.write_bytes, target, bytes(1001), agency="east", files=files)
    assert target.stat().st_size <= 1000
    target.write_bytes(b"")
    with pytest.raises(WorkFailed):  # no other request would help
        pool.run(Path.write_bytes, target, b"1", agency="east")
    assert target.stat().st_size == 0


def test_work_that_writes_without_leave_is_a_defect(pool: WorkerPool, tmp_path: Path) -> None:
    """Who asked for it can do nothing about it: nothing tells him to ask for less."""
    target = tmp_path / "target"
    with pytest.raises(WorkFailed) as failure:
        pool.run(Path.write_bytes, target, b"1", agency="east", files=Files(write=(str(target),)))
    assert "a file, which it may not" in failure.value.__notes__[0]
    assert pool.run(len, "abc", agency="east") == 3


def test_what_is_not_done_in_time_is_stopped_too(pool: WorkerPool) -> None:
    """A machine that is busy is no fault of the work. The time may be set for one piece of work."""
    with pytest.raises(Unavailable, match=r"not done within 0\.2 seconds"):
        pool.run(time.sleep, 60, agency="east", limits=WorkLimits(seconds=0.2))


def test_work_that_only_seems_to_have_ended_is_stopped_too(pool: WorkerPool) -> None:
    """It has closed its pipe and sleeps: without this, each such piece of work would take a worker for good."""
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"not done within 0\.5 seconds"):
        pool.run(go_on_in_silence, agency="east", limits=WorkLimits(seconds=0.5))
    assert time.monotonic() - began < SMALL.seconds
    assert pool.run(len, "abc", agency="east") == 3


def test_refusals_come_back_as_they_were_raised(pool: WorkerPool) -> None:
    """With class, field, hint and everything that they carry."""
    with pytest.raises(ModelRefused) as here:
        parse_model("model: 1\n")
    with pytest.raises(ModelRefused) as elsewhere:
        pool.run(parse_model, "model: 1\n", agency="east")
    assert str(elsewhere.value) == str(here.value)
    assert elsewhere.value.faults[0].message == here.value.faults[0].message
    assert (elsewhere.value.field, elsewhere.value.hint) == (here.value.field, here.value.hint)


def test_a_refusal_names_what_is_no_text(pool: WorkerPool) -> None:
    """A name in a model's file that an escape spells, and UTF-8 cannot, is refused like any other."""
    with pytest.raises(ModelRefused):
        pool.run(parse_model, '"\\ud800": 1\n', agency="east")


def test_every_kind_of_cell_comes_back(pool: WorkerPool) -> None:
    """A workbook has times of day beside days and moments, and cells that cannot be taken."""
    book, file = Workbook(), BytesIO()
    sheet = book.active
    assert sheet is not None
    values = (time_of_day(9, 30), datetime(2026, 2, 28, 9, 30), "=1+1", 0.5, True)  # noqa: DTZ001
    for row in (["Description", "Quantity"], *([f"item {number}", value] for number, value in enumerate(values))):
        sheet.append(row)
    book.save(file)
    columns = item_columns(shipped_rulebook(), Labels("en"))
    table = pool.run(table_of, file.getvalue(), columns, agency="east", limits=WorkLimits(memory_mb=256))
    assert table == table_of(file.getvalue(), columns)
    assert [row.cells.get("quantity") for row in table.rows] == ["09:30:00", "2026-02-28 09:30:00", None, "0.5", "true"]
    assert table.rows[2].faults[0].reason.msgid == "a formula: paste its value"


def test_a_defect_is_no_refusal(pool: WorkerPool) -> None:
    """An error that nobody foresaw comes with its traceback, and the worker goes on."""
    with pytest.raises(WorkFailed) as failure:
        pool.run(int, "no number", agency="east")
    assert "ValueError" in failure.value.__notes__[0]
    assert not isinstance(failure.value, TallystickError)
    assert pool.run(len, "abc", agency="east") == 3


def test_the_report_of_a_defect_is_not_endless(pool: WorkerPool) -> None:
    """It goes into the log, and the work decides what stands in it."""
    with pytest.raises(WorkFailed) as failure:
        pool.run(getitem, {}, "x" * 100_000, agency="east")
    assert len(failure.value.__notes__[0]) == MOST_CHARACTERS


def test_a_worker_that_was_killed_is_started_again(pool: WorkerPool) -> None:
    """Whoever had it is told to come again; nobody after that notices."""
    os.kill(pool.run(os.getppid, agency="east"), 9)
    for _ in range(3):
        try:
            assert pool.run(len, "abc", agency="east") == 3
        except Unavailable as error:
            assert error.code == "busy"  # noqa: PT017 - either is right, the first time
    assert pool.run(len, "abc", agency="east") == 3


def test_any_signal_is_an_ending() -> None:
    """Real-time signals too, of which Python names only the first and the last: the worker must not end by one."""
    by_limit = {signal.SIGXCPU: Ending.NO_TIME, signal.SIGXFSZ: Ending.LARGE_FILE}
    for number in signal.valid_signals():
        assert _ending_of(number) is by_limit.get(number, Ending.NO_MEMORY), number


def test_agencies_take_turns() -> None:
    """One that asks for much waits for itself: another's first piece of work comes before its third."""
    pool = WorkerPool(1, waiting=8, modules=())
    order: list[str] = []
    holds, may_end = Event(), Event()

    def hold() -> None:
        with pool.turn("west"):
            holds.set()
            may_end.wait(60)

    def ask(agency: str) -> None:
        with pool.turn(agency):
            order.append(agency)

    threads = [Thread(target=hold)]
    threads[0].start()
    assert holds.wait(60)
    for agency, present in (("east", 1), ("east", 2), ("east", 3), ("south", 1)):
        threads.append(Thread(target=ask, args=(agency,)))
        threads[-1].start()
        while pool._present.get(agency, 0) < present:
            time.sleep(0.001)
    may_end.set()
    for thread in threads:
        thread.join(60)
    assert order[:2] == ["east", "south"]
    assert sorted(order) == ["east"] * 3 + ["south"]
    assert not pool._present
    assert not pool._queues


def test_an_agency_that_asks_for_too_much_is_told_so() -> None:
    """At once, by a refusal that says when to come again; and so is who gets no turn in time. Others are not."""
    pool = WorkerPool(1, waiting=1, patience_s=0.05, modules=())
    with pool.turn("east"):
        with pytest.raises(Unavailable, match="east has 1 pieces of work") as many, pool.turn("east"):
            pass
        with pytest.raises(Unavailable, match="all workers of this service are busy") as late, pool.turn("west"):
            pass
    assert {many.value.code, late.value.code} == {"busy"}
    with pool.turn("west"):
        pass
    assert not isinstance(many.value, MalformedInput)
