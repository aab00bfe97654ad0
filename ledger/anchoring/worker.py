"""The chain worker: connects to the chain, then mirrors the registry, anchors and stores state proofs, in steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Literal

from msgspec import Struct

from ledger.anchoring.anchors import Anchorer, WaitReason
from ledger.anchoring.registry_mirror import RegistryMirror
from ledger.anchoring.state_proofs import StateProofs
from ledger.chain.chain_status import ChainStatus, ChainStatusReader
from ledger.chain.contract_clients import RegistryClient
from ledger.chain.journal import Deployment
from ledger.chain.writer import ChainBackend
from ledger.core.errors import IntegrityBroken, TallystickError, Unavailable
from ledger.core.messages import Message
from ledger.core.trust.trust_file import TrustedChain
from ledger.loggers import get_logger
from ledger.store.activity import Activity, pause_after

FIRST_PAUSE_S = 2.0  # after a step that failed, doubled by each that follows
LONGEST_PAUSE_S = 60.0
LONGEST_WAIT_S = 10.0  # between steps: another process may have written

logger = get_logger(__name__)


class ChainConnection(Struct, frozen=True):
    """A connected chain: its deployment, the contracts as the trust file states them, and the parts that use them."""

    chain: ChainBackend
    deployment: Deployment
    contracts: TrustedChain
    mirror: RegistryMirror
    anchorer: Anchorer
    registry: RegistryClient
    states: StateProofs
    status_reader: ChainStatusReader


ChainWord = Literal["connecting", "connected", "faulty", "failed"]


class ChainWorkerState(Struct, frozen=True):
    """How the last step went.

    ``waits`` says why nothing was anchored, ``detail`` what is waited for. ``fault`` says in one sentence what is
    wrong, ``hint`` what to do about it; ``is_defect`` that the error was unexpected.
    """

    connected: bool = False
    waits: WaitReason | None = None
    fault: str | None = None
    is_defect: bool = False
    hint: str | None = None
    detail: str | None = None

    @property
    def word(self) -> ChainWord:
        """Return the state in one word: ``faulty`` may pass or be mended as the hint says, ``failed`` is a defect."""
        if self.is_defect:
            return "failed"
        if self.fault is not None:
            return "faulty"
        return "connected" if self.connected else "connecting"


@dataclass(eq=False, repr=False)
class ChainWorker:
    """Takes steps until it is stopped. ``halt`` is called when nothing may be written any more.

    The log and the chain's newest block are looked at every ``pause_s`` seconds, more seldom at rest; a step asks the
    chain much more, so it is taken if one of them is new, or after ``LONGEST_WAIT_S``.
    """

    connect: Callable[[], ChainConnection]
    halt: Callable[[TallystickError], object]
    activity: Activity
    pause_s: float
    _link: ChainConnection | None = field(default=None, init=False)
    _head: bytes | None = field(default=None, init=False)  # hash of the newest block before the last step
    state: ChainWorkerState = field(default_factory=ChainWorkerState, init=False)
    has_looked: Event = field(default_factory=Event, init=False)  # once the first step is over, however it went

    @property
    def link(self) -> ChainConnection:
        """Return the connected chain. Raises Unavailable while there is none."""
        if self._link is None:
            raise Unavailable(self.state.fault or "the chain is not connected yet", code="chain_unavailable")
        return self._link

    @property
    def chain_status(self) -> ChainStatus | None:
        """Return what the chain showed when it last answered, without asking it."""
        return self._link.status_reader.last if self._link else None

    @property
    def refusals(self) -> Mapping[int, str]:
        """Return by number of the write why the node takes none of these."""
        return self._link.chain.refusals if self._link else {}

    def run(self, stop: Event) -> None:
        """Take steps until ``stop`` is set; after each failure wait longer."""
        failures = 0
        while not stop.is_set():
            failures = 0 if self.try_step() else failures + 1
            self.has_looked.set()
            if failures:
                stop.wait(pause_after(failures, FIRST_PAUSE_S, LONGEST_PAUSE_S))
            else:
                self._wait(stop)

    def _wait(self, stop: Event) -> None:
        """Wait until there may be work: the chain has another block, the log was written, or an anchor waits."""
        due = time.monotonic() + LONGEST_WAIT_S
        while not self.activity.pause(stop, self.pause_s) and time.monotonic() < due:
            if self.activity.is_lively or self.state.waits is not WaitReason.NOTHING_NEW:
                return
            try:
                if self.link.chain.eth.head().hash != self._head:
                    return
            except Unavailable:  # the step reports it
                return

    def try_step(self) -> bool:
        """Take one step, keep a failure in ``state``, and return whether it succeeded."""
        try:
            self.step()
        except TallystickError as error:
            if isinstance(error, IntegrityBroken):
                logger.exception("chain and log contradict each other")
                self.halt(error)
            else:
                logger.warning("chain step failed", reason=error.for_operator, code=error.code, hint=error.hint)
            self.state = ChainWorkerState(self._link is not None, None, str(error), hint=error.hint)
            return False
        except Exception as error:
            logger.exception("chain step failed for a reason that nobody foresaw")
            fault = Message("the chain cannot be followed ({name})", name=type(error).__name__)
            self.state = ChainWorkerState(self._link is not None, None, fault, is_defect=True)
            return False
        return True

    def step(self) -> None:
        """Connect if needed, then mirror, anchor and store proofs. Raises what stands in the way."""
        # The order matters: an anchor requires the mirrored registry, and a state proof an anchor.
        link = self._link or self.connect()
        self._link = link
        self._head = link.chain.eth.head().hash  # before anything is read: what comes meanwhile is new afterwards
        final = link.chain.final_block()
        if link.status_reader.last is None:
            link.status_reader.step()  # what stands in the way of the rest must not keep the chain from being shown
        if final is not None and link.mirror.catch_up(final):
            link.status_reader.expire()
        outcome = link.anchorer.step()
        link.states.step(link.contracts)
        link.status_reader.step()
        waits = outcome if isinstance(outcome, WaitReason) else None
        self.state = ChainWorkerState(True, waits, detail=link.anchorer.detail)
