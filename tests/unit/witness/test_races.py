"""Check and reply are one: no race and no kill between them takes a witness back."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from ledger.core.errors import Unavailable
from ledger.core.log.checkpoints import verify_cosignatures
from ledger.core.log.notes import VerifyingKey
from ledger.core.log.witness_protocol import AddCheckpoint
from ledger.store.witness import Moved
from tests.unit.witness.racing import Signed, Told, Wishes, race
from tests.unit.witness.stand import CLERK, NOTE_SIGNER, Stand

CLIENTS = 10
REQUESTS = 160


def asking(stand: Stand) -> Callable[[AddCheckpoint], Signed | Told | None]:
    def ask(asked: AddCheckpoint) -> Signed | Told | None:
        try:
            line = stand.cosigner.add_checkpoint(asked)
        except Moved as moved:
            return Told(moved.size)
        except Unavailable:
            return None
        (cosigned,) = verify_cosignatures(asked.note + line, [NOTE_SIGNER.verifying_key])
        return Signed(cosigned.timestamp)

    return ask


def test_clients_that_race_never_take_it_back(stand: Stand) -> None:
    """From every answer on all answers are of that size or a larger one, and of that time or a later one."""
    stand.open_cases(300, CLERK)
    stand.log.published = 0
    oath = race(asking(stand), Wishes(stand.log), clients=CLIENTS, requests=REQUESTS, seed=1)
    assert oath.faults == []
    assert oath.signed > REQUESTS // CLIENTS
    assert oath.refused > 0
    assert oath.signed + oath.refused + oath.unanswered == REQUESTS
    assert stand.status.cosigned_size == oath.size
    assert stand.kinds() == []


class Killing:
    """A signer that is killed when it is to sign: what it would sign is kept by then."""

    verifying_key: VerifyingKey = NOTE_SIGNER.verifying_key

    def sign(self, _message: bytes, /) -> bytes:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def killed(stand: Stand, prepare: Callable[[Stand], None], asked: AddCheckpoint) -> None:
    """A process of its own that is killed while it answers, by what ``prepare`` lays."""
    child = os.fork()
    if child == 0:
        stand.restart()
        prepare(stand)
        stand.cosigner.add_checkpoint(asked)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL
    stand.restart()


def before_the_signature(stand: Stand) -> None:
    stand.cosigner.note_signer = Killing()


def before_the_commit(stand: Stand) -> None:
    cosign = stand.store.cosign

    def cosign_and_die(*given: object) -> int:
        engine: Engine = stand.store._engine
        event.listen(engine, "commit", lambda _connection: os.kill(os.getpid(), signal.SIGKILL))
        return cosign(*given)  # type: ignore[arg-type]

    stand.store.cosign = cosign_and_die  # type: ignore[method-assign]


@pytest.mark.parametrize(("where", "is_kept"), [(before_the_signature, True), (before_the_commit, False)])
def test_a_kill_between_check_and_reply_takes_nothing_back(
    stand: Stand, where: Callable[[Stand], None], is_kept: bool
) -> None:
    """Kept or not, never both: what was kept is not stepped from again, and is signed for whoever asks anew."""
    stand.open_cases(20, CLERK)
    stand.cosigner.add_checkpoint(stand.log.wish(0, 10))
    killed(stand, where, stand.log.wish(10, 15))
    assert stand.status.cosigned_size == (15 if is_kept else 10)
    if is_kept:
        with pytest.raises(Moved) as moved:
            stand.cosigner.add_checkpoint(stand.log.wish(10, 12))
        assert moved.value.size == 15
        stand.cosigner.add_checkpoint(stand.log.wish(15, 15))
    stand.cosigner.add_checkpoint(stand.log.wish(stand.status.cosigned_size))
    assert stand.kinds() == []


def test_a_kill_between_two_steps_of_following_loses_nothing(stand: Stand) -> None:
    """What was kept goes on from where it was; the rest is followed again."""
    stand.open_cases(300, CLERK)

    def while_following(child: Stand) -> None:
        event.listen(child.store._engine, "commit", lambda _connection: os.kill(os.getpid(), signal.SIGKILL))

    killed(stand, while_following, stand.log.wish(0))
    assert (stand.status.followed, stand.status.cosigned_size) == (0, 0)
    stand.cosigner.add_checkpoint(stand.log.wish(0))
    assert stand.status.followed == len(stand.log.events)
