"""What a witness co-signs, and what it refuses to."""

from __future__ import annotations

import pytest

from ledger.core.checkpoint import verify_cosignatures
from ledger.core.signature import recover
from tests.witness.stand import ACCOUNT, CLERK, NOTE_SIGNER, Stand


def test_what_was_followed_is_cosigned(stand: Stand) -> None:
    """The line is a cosignature/v1 of the submitted note by the witness's key, at its clock's time."""
    stand.open_cases(5, CLERK)
    asked = stand.log.wish(0)
    line = stand.cosigner.add_checkpoint(asked)
    (cosigned,) = verify_cosignatures(asked.note + line, [NOTE_SIGNER.verifying_key])
    assert cosigned.timestamp == stand.clock() // 1000
    assert stand.status.followed == stand.status.cosigned_size == len(stand.log.events)
    assert stand.kinds() == []


def test_the_contract_takes_the_cosignature(stand: Stand) -> None:
    """The signature over size, root and registry hash is of the witness's account."""
    stand.open_cases(2, CLERK)
    stand.cosigner.add_checkpoint(stand.log.wish(0))
    asked = stand.wish_for_anchor()
    signed = stand.cosigner.cosign_anchor(asked)
    assert signed.account == ACCOUNT.key_id
    assert recover(stand.digest_of(asked), bytes.fromhex(signed.signature[2:])) == ACCOUNT.key_id


@pytest.mark.parametrize("size", [300, 700])
def test_a_long_log_is_followed_by_tiles(stand: Stand, size: int) -> None:
    """Full and partial tiles, step by step as the log grows, and once more after a restart."""
    stand.open_cases(size, CLERK)
    stand.watch.look()
    assert stand.status.followed == len(stand.log.events)
    stand.restart()
    stand.open_cases(10, CLERK)
    stand.watch.look()
    assert stand.status.followed == len(stand.log.events)
    assert stand.kinds() == []
