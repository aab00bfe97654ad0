"""A service that lies to ``tally``: no lie is believed, and an honest service is not refused."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.cli.errors import Exit
from ledger.core.log.checkpoints import stated_checkpoint
from tests.campaigns.malicious_log.attacks import HISTORIES
from tests.campaigns.malicious_log.ground import Ground
from tests.campaigns.malicious_log.service import filler, receipt, written
from tests.testkit.faulty_service import Answer, Asked, faulty_service
from tests.testkit.tally import Tally


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    """Yield an honest service and its client."""
    grounds: list[Ground] = []

    def answer(asked: Asked) -> Answer:
        return grounds[0].hostile(asked)

    with faulty_service(answer) as service:
        grounds.append(Ground(Tally(tmp_path), random.Random(1), service.url))
        yield grounds[0]


def size_of(file: Path) -> int:
    return stated_checkpoint(file.read_text(encoding="utf-8")).size


def aged(file: Path) -> None:
    """Let it seem that the client looked a minute ago."""
    os.utime(file, (time.time() - 60, time.time() - 60))


def test_an_honest_service_is_believed(ground: Ground) -> None:
    """Whoever remembers the log, has a copy or a checkpoint of it, and writes, is not refused while all is well."""
    remembered = ground.has_seen()
    old = ground.folder / "old.checkpoint"
    old.write_text(ground.log.note(ground.size), encoding="utf-8")
    copy = ground.has_copy()
    event_id = ground.log.events[9].envelope.event_id
    ground.log.map_heads()
    ground.hostile.size = len(ground.log.events)
    for words in (
        ["log", "checkpoint"],
        ["log", "consistency", old],
        ["log", "save", copy],
        ["log", "entries"],
        ["log", "proof", "3", "--replace", "--output", ground.folder / "3.tlog-proof"],
        ["log", "proof", "3", "--cose", "--replace", "--output", ground.folder / "3.cose"],
        ["proof", "get", event_id, "--replace", "--output", ground.folder / "bundle.json"],
        ["proof", "get", event_id, "--cose", "--replace", "--output", ground.folder / "event.cose"],
        ["proof", "get", "--case", "case-1", "--replace", "--output", ground.folder / "case.json"],
        ["proof", "absence", "--case", "case-none", "--replace", "--output", ground.folder / "absence.json"],
        ["event", "submit", ground.submission()],
    ):
        assert ground.run(words) == 0, words
    assert size_of(remembered) == ground.hostile.size


def test_both_tree_heads_of_a_fork_are_kept(ground: Ground) -> None:
    """Two signed tree heads that contradict each other are evidence: both lie in a folder, and memory stays."""
    remembered = ground.has_seen()
    before = remembered.read_text(encoding="utf-8")
    HISTORIES["fork to another tree of the same size"](ground)
    done = ground.tally("--json", "log", "checkpoint", profile="victim")
    answer = json.loads(done.err)["error"]
    assert (done.status, answer["code"], remembered.read_text(encoding="utf-8")) == (
        Exit.REFUSED,
        "integrity_broken",
        before,
    )
    kept = sorted((ground.profile / "log" / "refused").iterdir())
    assert {size_of(file) for file in kept} == {ground.size}
    assert (len(kept), all(str(file) in answer["hint"] for file in kept)) == (2, True)


@pytest.mark.parametrize("history", ["fork to another tree of the same size", "fork to a larger tree", "rollback"])
def test_nothing_is_sent_into_another_history(ground: Ground, history: str) -> None:
    """A client that looks before it writes keeps its event, unsent."""
    ground.has_seen()
    HISTORIES[history](ground)
    entries = len(ground.hostile.log.events)
    file = ground.submission()
    assert ground.run(["event", "submit", file]) == Exit.REFUSED
    assert (file.exists(), len(ground.hostile.log.events)) == (True, entries)


def test_a_false_receipt_leaves_the_event_to_be_sent_again(ground: Ground) -> None:
    """What was answered by no receipt is kept; sent again to an honest service, it counts."""
    file = ground.submission()
    ground.spoil("submission", lambda answer: receipt(ground.log, 3))
    assert ground.run(["event", "submit", file]) == Exit.REFUSED
    assert file.exists()
    ground.hostile.spoiled.clear()
    assert ground.run(["event", "submit", file]) == 0


def test_receipts_wait_until_the_log_publishes_as_much(ground: Ground) -> None:
    """The tree head of a receipt is compared once the published one has grown to it, and then forgotten."""
    remembered = ground.has_seen(len(ground.log.events))
    waiting = ground.profile / "log" / "receipts"
    assert ground.run(["event", "submit", ground.submission()]) == 0
    assert [size_of(file) for file in waiting.iterdir()] == [len(ground.log.events)]
    assert ground.run(["log", "checkpoint"]) == 0
    assert len(list(waiting.iterdir())) == 1
    ground.hostile.size = len(filler(ground.log, 3, "more").events)
    assert ground.run(["log", "checkpoint"]) == 0
    assert (list(waiting.iterdir()), size_of(remembered)) == ([], ground.hostile.size)


def test_only_so_many_receipts_wait(ground: Ground) -> None:
    """A log that publishes nothing does not fill the client's disk; the first receipts are what it must continue."""
    ground.has_seen(len(ground.log.events))
    first = len(ground.log.events) + 1
    for _ in range(20):
        assert ground.run(["event", "submit", ground.submission()]) == 0
    sizes = sorted(size_of(file) for file in (ground.profile / "log" / "receipts").iterdir())
    assert (len(sizes), sizes[0], sizes[-1]) == (16, first, len(ground.log.events))


def test_a_service_that_is_silent_on_its_log_does_not_stop_work(ground: Ground) -> None:
    """Where the checkpoint cannot be had the event is sent, and its receipt is checked."""
    remembered = ground.has_seen()

    def silent(asked: Asked) -> Answer:
        away = Answer(503, written({"code": "busy", "detail": "later"}), {"Retry-After": "0"})
        return away if asked.path == "/checkpoint" else type(ground.hostile).__call__(ground.hostile, asked)

    with faulty_service(silent) as service:
        profile = {"name": "victim", "url": service.url}
        (ground.profile / "profile.json").write_text(json.dumps(profile))
        assert ground.run(["event", "submit", ground.submission()]) == 0
    assert size_of(remembered) == ground.size


def test_without_a_trust_file_nothing_is_remembered(ground: Ground) -> None:
    """Whoever has pinned no key cannot tell what the log signed: receipts are checked for the rest, nothing is kept."""
    (ground.profile / "trust.json").unlink()
    assert ground.run(["event", "submit", ground.submission()]) == 0
    ground.spoil("submission", lambda answer: receipt(ground.log, 3))
    assert ground.run(["event", "submit", ground.submission()]) == Exit.REFUSED
    assert not (ground.profile / "log").exists()


def test_a_copy_that_failed_leaves_no_false_entries(ground: Ground) -> None:
    """What was fetched and did not lead to the signed root is gone, so that the next attempt fetches it anew."""
    copy = ground.folder / "copy"
    ground.spoil_bytes("entries", lambda body: body[:-1] + b"?")
    assert ground.run(["log", "save", copy]) == Exit.REFUSED
    assert [file for file in copy.rglob("*") if file.is_file()] == []
    ground.hostile.spoiled.clear()
    assert ground.run(["log", "save", copy]) == 0


def test_a_look_is_not_repeated_at_once(ground: Ground) -> None:
    """Between two events in a row the log is not asked again; after a while it is."""
    remembered = ground.has_seen(len(ground.log.events))
    asked: list[str] = []
    honest = ground.hostile.note
    ground.hostile.note = lambda size=None: (asked.append("note"), honest(size))[1]  # type: ignore[method-assign]
    for expected in (1, 1):
        assert ground.run(["event", "submit", ground.submission()]) == 0
        assert len(asked) == expected
    aged(remembered)
    assert ground.run(["event", "submit", ground.submission()]) == 0
    assert len(asked) == 2
