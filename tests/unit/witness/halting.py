"""What a witness is like before and after an alarm."""

from __future__ import annotations

import pytest

from ledger.store.witness import Halted
from ledger.witness.status import Health
from tests.unit.witness.stand import CLERK, Stand


def halted(stand: Stand, kind: str) -> None:
    """One alarm of this kind stands, with evidence; nothing is signed, not even what was right before."""
    (alarm,) = stand.store.alarms()
    assert (alarm.kind, alarm.halts) == (kind, True)
    assert alarm.told
    assert alarm.evidence["checkpoint"]
    assert stand.status.health is Health.HALTED
    size = stand.status.cosigned_size
    with pytest.raises(Halted):
        stand.cosigner.add_checkpoint(stand.log.wish(size, size))
    if stand.status.cosigned_size:
        with pytest.raises(Halted):
            stand.cosigner.cosign_anchor(stand.wish_for_anchor(stand.status.cosigned_size))


def begun(stand: Stand, count: int = 5) -> int:
    """A log that was followed, co-signed and looked at; its size."""
    stand.open_cases(count, CLERK)
    stand.cosigner.add_checkpoint(stand.log.wish(stand.status.cosigned_size))
    stand.watch.look()
    assert stand.kinds() == []
    return len(stand.log.events)
