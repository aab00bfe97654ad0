"""Each alarm, raised by a log or a chain that gives reason for it; what it does to signatures, and what passes."""

from __future__ import annotations

import resource
from collections.abc import Callable
from typing import NoReturn

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from ledger.core.errors import Conflict, ProofRefused
from ledger.core.log.checkpoints import sign_checkpoint
from ledger.core.log.notes import SeedSigner
from ledger.core.log.replay import LogFault, LogUnreadable, SignedInFuture
from ledger.core.log.tiles import encode_entry_bundle
from ledger.core.log.witness_protocol import AddCheckpoint
from ledger.core.signing.signatures import EARLIEST, LATEST
from ledger.store.witness import Halted, Moved
from ledger.witness.alarms import Health
from tests.testkit.builders import START, SignedEvent, clerk
from tests.testkit.bundles import LOG_SIGNER
from tests.testkit.casework import Case
from tests.testkit.ledger_with_chain import AGENCIES
from tests.unit.witness.cheating import Answer
from tests.unit.witness.stand import CLERK, OTHER_CLERK, Stand, begun, event_by, halted, halted_by_look

STRANGER = clerk(AGENCIES[2], 7)  # no key of his is granted


def evidence_of(stand: Stand) -> dict[str, str]:
    """Return the evidence of the one alarm that stands."""
    (alarm,) = stand.store.alarms()
    return dict(alarm.evidence)


def fork(stand: Stand, at: int, more: int) -> None:
    """From entry ``at`` on the log has another history, ``more`` entries longer."""
    old = len(stand.log.events)
    del stand.log.events[at:]
    for number in range(old - at + more):
        stand.log.add(event_by(OTHER_CLERK, f"case-fork-{number}"))


# -- what the log has signed -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [0, 1])
def test_a_fork_that_is_published(stand: Stand, more: int) -> None:
    """Another tree under the log's key, at the same size or a larger one."""
    size = begun(stand)
    fork(stand, size - 2, more)
    halted_by_look(stand, "fork")


@pytest.mark.parametrize(("kept", "added"), [(-1, 1), (-1, 4), (0, 3)])
def test_a_fork_that_is_only_submitted(stand: Stand, kept: int, added: int) -> None:
    """A split view: everybody sees the honest log, the witness is to sign another one, which forks off below what it
    has co-signed, or above."""
    size = begun(stand)
    forked_log = stand.log.copy()
    del forked_log.events[size + kept :]
    forked_log.add(*(event_by(OTHER_CLERK, f"case-fork-{number}") for number in range(added)))
    stand.open_cases(9, CLERK)
    with pytest.raises((Halted, Moved, ProofRefused)):
        stand.cosigner.add_checkpoint(AddCheckpoint(size, forked_log.proof(size), forked_log.note()))
    halted(stand, "fork")
    assert stand.status.cosigned_size == size


def test_a_rollback(stand: Stand) -> None:
    """The log publishes less than it did."""
    size = begun(stand)
    stand.log.published = size - 1
    halted_by_look(stand, "rollback")


def test_a_rollback_of_what_was_only_co_signed(stand: Stand) -> None:
    """The log was put back before the witness had looked at the checkpoint that it co-signed: it shows the entries
    behind the older one no more."""
    size = begun(stand)
    stand.open_cases(3, CLERK)
    stand.cosigner.add_checkpoint(stand.log.wish(size))
    del stand.log.events[size:]
    stand.log.published = size
    with pytest.raises(LogFault):
        stand.watch.look()
    assert (stand.kinds(), stand.status.health) == (["rollback"], Health.HALTED)
    with pytest.raises(Halted):
        stand.store.require_free()


def test_a_rollback_of_what_was_not_followed_yet(stand: Stand) -> None:
    """A checkpoint is remembered from when its signature was seen, though its entries could not be read."""
    size = begun(stand)
    stand.open_cases(3, CLERK)
    bundle = f"/tile/entries/000.p/{size + 3}"
    stand.log.lies[bundle] = 503
    stand.watch.try_look()
    assert (stand.kinds(), stand.status.published, stand.status.followed) == (["unreachable"], size + 3, size)
    published = stand.log.note()
    stand.log.published = size
    with pytest.raises(LogFault):
        stand.watch.look()
    assert stand.kinds() == ["rollback"]  # what the log serves now can be read again
    assert evidence_of(stand)["published"] == published


def test_a_fork_of_what_was_never_co_signed_has_two_notes(stand: Stand) -> None:
    """A log that shows its trees to this witness, and asks it for no signature, is bound by what it has published."""
    stand.open_cases(3, CLERK)
    stand.watch.look()
    size, honest = len(stand.log.events), stand.log.note()
    fork(stand, size - 2, 1)
    with pytest.raises(LogFault):
        stand.watch.look()
    evidence = evidence_of(stand)
    assert (evidence["cosigned"], evidence["followed"], evidence["checkpoint"]) == ("", honest, stand.log.note())


def test_a_lie_that_a_full_disk_does_not_take_halts_all_the_same(stand: Stand) -> None:
    """Its line is logged with the evidence at once, nothing is signed, and it is stored once there is room."""
    size = begun(stand)
    honest, stand.log.published = stand.log.note(), size - 1
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with capture_logs() as lines:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
        try:
            for _ in range(2):
                stand.watch.try_look()
            assert (stand.kinds(), stand.status.health) == ([], Health.HALTED)
            with pytest.raises(Halted, match="rollback"):
                stand.store.require_free()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    (line,) = [line for line in lines if line["event"] == "alarm"]
    assert (line["kind"], line["evidence"]["published"]) == ("rollback", honest)
    stand.log.published = size
    stand.watch.try_look()
    assert (stand.kinds(), evidence_of(stand)["published"]) == (["rollback"], honest)


def test_a_checkpoint_that_waits_for_its_quorum(stand: Stand) -> None:
    """/checkpoint may be older than what this witness has co-signed: others have yet to, and the entries are shown."""
    size = begun(stand)
    stand.open_cases(3, CLERK)
    stand.log.lies["/checkpoint"] = stand.log.note(size).encode()
    stand.cosigner.add_checkpoint(stand.log.wish(size))
    stand.watch.look()
    assert (stand.kinds(), stand.status.published, stand.status.followed) == ([], size, size + 3)


def test_a_look_that_another_overtakes(stand: Stand) -> None:
    """Looks are taken side by side; the answer that was given before another's is no rollback."""
    size = begun(stand)

    def answered_late() -> bytes:
        del stand.log.lies["/checkpoint"]
        stand.open_cases(3, CLERK)
        stand.watch.look()
        return stand.log.note(size).encode()

    stand.log.lies["/checkpoint"] = answered_late
    stand.watch.look()
    assert (stand.kinds(), stand.status.published) == ([], size + 3)


def with_gap() -> list[SignedEvent]:
    events = Case("case-gap").open(CLERK).name("zhang", by=CLERK).name("li", by=CLERK).events
    return [events[0], events[2]]


@pytest.mark.parametrize(
    ("kind", "events", "way"),
    [("unauthorised_key", lambda: [event_by(STRANGER, "case-stranger")], "submitted"), ("gap", with_gap, "looked at")],
)
def test_an_entry_that_should_not_be_there(
    stand: Stand, kind: str, events: Callable[[], list[SignedEvent]], way: str
) -> None:
    """The log has signed it, so it can be shown: the alarm names the entry, and what came before stays followed.
    tests/unit/core/test_replay.py has each such fault."""
    size = begun(stand)
    stand.log.add(event_by(CLERK, "case-good"), *events())
    act = stand.watch.look if way == "looked at" else lambda: stand.cosigner.add_checkpoint(stand.log.wish(size))
    with pytest.raises((LogFault, Halted)):
        act()
    halted(stand, kind)
    assert f"entry {len(stand.log.events) - 1}" in stand.store.alarms()[0].message
    assert stand.status.followed == size


# -- the operator ------------------------------------------------------------------------------------------------------


def test_the_operator_decides(stand: Stand) -> None:
    """Neither a restart nor a log that is honest again makes a halted witness sign. Cleared, it looks again: what is
    still wrong raises the alarm anew, what is right is signed."""
    size = begun(stand)
    stand.log.published = size - 1
    stand.watch.try_look()
    stand.log.published = size
    stand.restart()
    stand.watch.try_look()
    halted(stand, "rollback")
    stand.log.published = size - 1
    assert [alarm.number for alarm in stand.store.clear(1, "a proxy kept an old page", stand.clock())] == [1]
    assert stand.store.clear(1, "once more", stand.clock()) == []
    stand.watch.try_look()
    assert [alarm.number for alarm in stand.store.alarms()] == [2]
    stand.store.clear(2, "now it is gone", stand.clock())
    stand.log.published = size
    stand.watch.look()
    stand.cosigner.add_checkpoint(stand.log.wish(size))
    assert [alarm.because for alarm in stand.store.alarms(standing=False)] == [
        "a proxy kept an old page",
        "now it is gone",
    ]


def test_a_look_that_ends_by_a_defect(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log was read well, what comes after it was not: the witness says so until a whole look succeeds."""

    def defect(*_: object) -> NoReturn:
        raise KeyError("number")

    begun(stand)
    with monkeypatch.context() as patch:
        patch.setattr(stand.watch, "_compare", defect)
        stand.watch.try_look()
    assert (stand.kinds(), stand.status.health) == (["look_failed"], Health.SILENT)
    assert "KeyError" in stand.store.alarms()[0].message
    stand.watch.try_look()
    assert (stand.kinds(), stand.status.health) == ([], Health.WATCHING)


def test_a_witness_follows_one_log(stand: Stand) -> None:
    """A database of one log is refused for another."""
    stand.trust = replace(stand.trust, log_id_text="0x" + "05" * 32)
    with pytest.raises(Conflict) as refused:
        stand.restart()
    assert refused.value.code == "other_ledger"


# -- what only passes --------------------------------------------------------------------------------------------------


def test_a_log_that_is_silent(stand: Stand) -> None:
    """The alarm stands while nobody answers, and passes by itself; a witness that does not look is silent too."""
    begun(stand)
    for status in (302, 500, 503):
        stand.log.lies["/checkpoint"] = status
        stand.watch.try_look()
        assert (stand.kinds(), stand.status.health) == (["unreachable"], Health.SILENT), status
    assert len(stand.store.alarms(standing=False)) == 1, "the same alarm is raised once"
    del stand.log.lies["/checkpoint"]
    stand.watch.try_look()
    assert stand.kinds() == []
    assert stand.status.health is Health.WATCHING
    stand.clock.forward(61)  # without a look
    assert stand.status.health is Health.SILENT


def test_what_is_served_and_does_not_fit(stand: Stand) -> None:
    """It may be changed on the way: nothing is signed, and once it is right the witness goes on."""
    size = begun(stand)
    stand.open_cases(300, CLERK)
    entries = stand.log.entries()
    bundle = f"/tile/entries/001.p/{len(entries) - 256}"
    foreign_signer = SeedSigner.from_seed(LOG_SIGNER.verifying_key.name, b"\x09" * 32)
    lies: dict[str, tuple[str, Answer]] = {
        "no note": ("/checkpoint", b"hello\n"),
        "no text": ("/checkpoint", b"\xff\xfe\n"),
        "too long": ("/checkpoint", bytes(200_000)),
        "other key": ("/checkpoint", sign_checkpoint(stand.log.checkpoint(), foreign_signer).encode()),
        "withheld": (bundle, 404),
        "swapped": (bundle, encode_entry_bundle([*entries[257:], entries[256]])),
        "cut": (bundle, encode_entry_bundle(entries[256:])[:-1]),
        "tile": ("/tile/0/000", bytes(32 * 256)),
    }
    for name, (path, answer) in lies.items():
        stand.log.lies = {path: answer}
        with pytest.raises(LogUnreadable):
            stand.watch.look()
        assert (stand.kinds(), stand.status.health) == (["unreadable"], Health.UNREADABLE), name
        assert stand.status.followed == size, name
    stand.log.lies.clear()
    stand.watch.look()
    assert (stand.kinds(), stand.status.followed) == ([], len(entries))


# -- times of entries --------------------------------------------------------------------------------------------------


DAY = 86_400


def of_times(stand: Stand) -> list[str]:
    """The alarms about times of entries; days without an anchor are another."""
    return [kind for kind in stand.kinds() if kind in ("signed_in_future", "late_entry")]


def signed(case_id: str, at: int) -> Case:
    """The opening of a case, signed at this time (unix seconds)."""
    return Case(case_id, start=at - 30).open(CLERK)


def test_what_is_signed_in_the_future_is_not_cosigned_until_then(stand: Stand) -> None:
    """Later than the witness's clock and the tolerance: neither followed nor co-signed, told as an alarm that passes by
    itself, by the clock alone; at the tolerance it is taken."""
    size = begun(stand)
    now = stand.clock() // 1000
    stand.log.add(signed("case-at-the-tolerance", now + LATEST).last)
    stand.cosigner.add_checkpoint(stand.log.wish(size))
    stand.log.add(signed("case-of-tomorrow", now + DAY).last)
    with pytest.raises(SignedInFuture):
        stand.cosigner.add_checkpoint(stand.log.wish(size + 1))
    stand.watch.try_look()
    assert (of_times(stand), stand.status.health) == (["signed_in_future"], Health.UNREADABLE)
    assert (stand.status.followed, stand.status.cosigned_size) == (size + 1, size + 1)
    stand.clock.forward(DAY - LATEST)
    stand.watch.look()
    assert of_times(stand) == []
    stand.cosigner.add_checkpoint(stand.log.wish(size + 1))


def test_an_entry_that_came_late_is_told_and_cosigned(stand: Stand) -> None:
    """Between two looks an entry came whose signature is older than it may have waited: the alarm says which, and
    stands until a person has seen it; nothing halts. One that has waited as long as it may is no alarm."""
    size = begun(stand)
    stand.clock.forward(3 * DAY)
    stand.watch.look()
    now = stand.clock() // 1000
    stand.log.add(signed("case-in-time", now - EARLIEST - LATEST).last)
    stand.watch.look()
    assert of_times(stand) == []
    stand.log.add(signed("case-long-ago", now - EARLIEST - LATEST - 1).last)
    stand.watch.look()
    assert (of_times(stand), stand.status.health) == (["late_entry"], Health.LAGGING)
    (alarm,) = [late for late in stand.store.alarms() if late.kind == "late_entry"]
    assert f"entry {size + 1} of {CLERK.agency}" in alarm.message
    assert "24 h" in alarm.message
    stand.cosigner.add_checkpoint(stand.log.wish(size))
    stand.watch.look()
    assert of_times(stand) == ["late_entry"]
    stand.store.clear(alarm.number, "the agency was cut off", stand.clock())
    stand.watch.look()
    assert of_times(stand) == []


def test_a_witness_that_catches_up_takes_nothing_for_late(stand: Stand) -> None:
    """It was away for days, or begins with an old log: when entries came it cannot know."""
    size = begun(stand)
    stand.log.add(*(signed(f"case-of-day-{day}", START + day * DAY).last for day in range(1, 9)))
    stand.clock.forward(9 * DAY)
    stand.watch.look()
    assert (of_times(stand), stand.status.followed) == ([], size + 8)
    fresh = Stand(stand.linked, stand.log, stand.folder / "fresh")
    fresh.clock.forward(9 * DAY)
    fresh.watch.look()
    assert (of_times(fresh), fresh.status.followed) == ([], size + 8)
    fresh.close()
