"""What a witness is alarmed by. A log line and a row of the database each; those that halt stop every signature.

Those that halt are about what the log has signed: it cannot be taken back, so they stand until a person clears them.
The others are about what is missing, late or dated wrongly. They end by themselves, but for an entry that came late:
that stands until a person has seen it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, get_args

import structlog

from ledger.core.following import FaultKind, LogFault
from ledger.store.witness import WitnessStore

PassingKind = Literal[
    "unreachable",
    "unreadable",
    "signed_in_future",
    "late_entry",
    "chain_unreachable",
    "chain_behind",
    "wrong_chain",
    "missing_anchor",
    "mirror_lag",
    "anchor_lag",
    "look_failed",
]
HALTING: tuple[str, ...] = get_args(FaultKind)
PASSING: tuple[str, ...] = get_args(PassingKind)

logger = structlog.get_logger(__name__)


class Alarms:
    """Raises and clears. ``clock`` gives unix milliseconds."""

    def __init__(self, store: WitnessStore, clock: Callable[[], int]):
        self._store = store
        self._clock = clock

    def halt(self, fault: LogFault, evidence: Mapping[str, str]) -> None:
        """The log has signed what it never should have: from now on nothing is signed here."""
        self._raise(fault.kind, fault.message, evidence, halts=True)

    def warn(self, kind: PassingKind, told: str) -> None:
        """Something is missing or late."""
        self._raise(kind, told, {}, halts=False)

    def passed(self, *kinds: PassingKind) -> None:
        """What these were about is in order."""
        for kind in kinds:
            for alarm in self._store.clear_kind(kind, self._clock()):
                logger.info("alarm passed", alarm=alarm.number, kind=alarm.kind)

    def _raise(self, kind: str, told: str, evidence: Mapping[str, str], *, halts: bool) -> None:
        alarm = self._store.raise_alarm(kind, halts=halts, told=told, evidence=evidence, now=self._clock())
        if alarm is not None:
            log = logger.error if halts else logger.warning
            log("alarm", alarm=alarm.number, kind=kind, halts=halts, told=told)
