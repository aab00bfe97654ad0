"""The parts of a running ledger, put together once by ``create_app`` and handed to the routes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ledger.core.trust import Trust
from ledger.settings import Settings

from ledger.publish import Publisher
from ledger.record import Recorder, Registry
from ledger.sequence import Sequencer
from ledger.store.access import AccessLog
from ledger.store.database import Database


@dataclass(frozen=True, slots=True)
class Parts:
    """What a route may use. ``clock`` gives unix milliseconds."""

    settings: Settings
    trust: Trust
    database: Database
    registry: Registry
    recorder: Recorder
    sequencer: Sequencer
    publisher: Publisher
    access: AccessLog
    clock: Callable[[], int]
