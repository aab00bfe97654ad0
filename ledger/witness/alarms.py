"""Alarms of a witness, each a log line and a row of the database, and its status.

Halting alarms stop every signature. They are about what the log has signed, which cannot be taken back, so they stay
open until a person clears them. The others are about what is missing, late or wrongly dated. They close by
themselves, except that of a late entry, which stays open until a person has looked at it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Literal, get_args

from msgspec import Struct

from ledger.core.errors import TallystickError
from ledger.core.log.replay import FaultKind, LogFault
from ledger.loggers import get_logger
from ledger.store.witness import WitnessStore

Silencing = Literal["unreachable", "chain_unreachable", "look_failed"]
Garbling = Literal["signed_in_future", "unreadable", "wrong_chain"]
Lagging = Literal["late_entry", "chain_behind", "missing_anchor", "mirror_lag", "anchor_lag"]
PassingKind = Silencing | Garbling | Lagging
HALTING: tuple[str, ...] = get_args(FaultKind)

logger = get_logger(__name__)


class Alarms:
    """Raises and clears alarms. ``clock`` gives unix milliseconds."""

    def __init__(self, store: WitnessStore, clock: Callable[[], int]):
        self._store = store
        self._clock = clock

    def halt(self, fault: LogFault, evidence: Mapping[str, str]) -> None:
        """Raise a halting alarm: the log has signed what it never should have, so nothing is signed here any more."""
        self._raise(fault.kind, fault.message, evidence, halts=True)

    def warn(self, kind: PassingKind, text: str) -> None:
        """Raise a passing alarm: something is missing or late."""
        self._raise(kind, text, {}, halts=False)

    def passed(self, *kinds: PassingKind) -> None:
        """Close alarms of these kinds: their cause is gone."""
        for kind in kinds:
            for alarm in self._store.clear_kind(kind, self._clock()):
                logger.info("alarm passed", alarm=alarm.number, kind=alarm.kind)

    def _raise(self, kind: str, text: str, evidence: Mapping[str, str], *, halts: bool) -> None:
        log = logger.error if halts else logger.warning
        is_known = kind in self._store.unstored
        try:
            alarm = self._store.raise_alarm(kind, halts=halts, text=text, evidence=evidence, now=self._clock())
        except TallystickError as error:
            if not is_known:  # its line is all that there is of it
                log(
                    "alarm",
                    alarm=None,
                    kind=kind,
                    halts=halts,
                    message=text,
                    evidence=dict(evidence),
                    unstored=error.for_operator,
                )
            raise
        if alarm is not None:
            log("alarm", alarm=alarm.number, kind=kind, halts=halts, message=text)


class Health(StrEnum):
    """The worst of the open alarms.

    ``halted``: nothing is signed; ``silent``: nobody looks, or nothing can be read; ``unreadable``: what is served is
    inconsistent; ``lagging``: something that should be on the chain is not.
    """

    WATCHING = "watching"
    LAGGING = "lagging"
    UNREADABLE = "unreadable"
    SILENT = "silent"
    HALTED = "halted"


class AlarmView(Struct, frozen=True):
    """An open alarm; ``raised_at`` in unix milliseconds."""

    number: int
    kind: str
    halts: bool
    message: str
    raised_at: int


class Status(Struct, frozen=True):
    """The state of a witness.

    ``followed`` and ``published`` are sizes; ``looked_at`` (unix ms) is when the log was last read without a fault,
    ``cosigned_at`` is in unix seconds.
    """

    health: Health
    origin: str
    log_id: str
    followed: int
    published: int
    looked_at: int
    cosigned_size: int
    cosigned_root: str
    cosigned_at: int
    anchored_size: int
    registry_changes: int
    alarms: list[AlarmView]

    def lines(self) -> str:
        """Format the status for people and simple programs: one ``name: value`` a line, and one line for each alarm."""
        plain = {
            "health": self.health.value,
            "log": self.origin,
            "followed": self.followed,
            "published": self.published,
            "cosigned": self.cosigned_size,
            "anchored": self.anchored_size,
            "looked_at": self.looked_at // 1000,
        }
        alarms = [f"alarm {alarm.number} {alarm.kind}: {alarm.message}" for alarm in self.alarms]
        return "\n".join([*(f"{name}: {value}" for name, value in plain.items()), *alarms, ""])


PASSING: dict[str, Health] = {
    **dict.fromkeys(get_args(Silencing), Health.SILENT),
    **dict.fromkeys(get_args(Garbling), Health.UNREADABLE),
    **dict.fromkeys(get_args(Lagging), Health.LAGGING),
}
_ORDER = list(Health)


def status_of(store: WitnessStore, *, now: int, silence_s: int) -> Status:
    """Return the status by the witness's database. ``now`` in unix milliseconds."""
    looked, latest, alarms = store.looked(), store.latest(), store.alarms()
    silent = [Health.SILENT] if now - looked.looked_at > silence_s * 1000 else []
    of_alarms = [Health.HALTED if alarm.halts else PASSING[alarm.kind] for alarm in alarms]
    of_alarms += [Health.HALTED for _ in store.unstored]
    return Status(
        health=max([Health.WATCHING, *silent, *of_alarms], key=_ORDER.index),
        origin=looked.origin,
        log_id="0x" + looked.log_id.hex(),
        followed=looked.size,
        published=looked.seen_size,
        looked_at=looked.looked_at,
        cosigned_size=latest.size,
        cosigned_root="0x" + latest.root.hex(),
        cosigned_at=latest.cosigned_at,
        anchored_size=looked.anchor.size,
        registry_changes=store.change_count(),
        alarms=[AlarmView(alarm.number, alarm.kind, alarm.halts, alarm.message, alarm.raised_at) for alarm in alarms],
    )
