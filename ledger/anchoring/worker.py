"""The chain worker: keeps log and chain together while the service runs.

Each step connects (deploys the contracts or finds them, and refuses a chain that is ahead), mirrors what is final in
the registry, anchors what is published, and stores what proves the anchors. If the chain does not answer, the step is
tried again; submissions are accepted meanwhile.

An unexpected error is a defect: it is logged in full and the service reports that it is not ready. What is recorded
stays sound without the chain, so the step is tried again then too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Literal

import structlog

from ledger.anchoring.anchors import Anchorer, WaitReason
from ledger.anchoring.registry_mirror import RegistryMirror
from ledger.anchoring.state_proofs import StateProofs
from ledger.chain.anchor import AnchorClient
from ledger.chain.backend import ChainBackend
from ledger.chain.deploy import Deployment
from ledger.chain.errors import ChainAhead
from ledger.chain.registry import RegistryClient
from ledger.chain.status import ChainStatus, ChainStatusReader
from ledger.core.errors import IntegrityBroken, TallystickError, Unavailable
from ledger.core.verification.trust import TrustedChain

FIRST_PAUSE = 1.0  # seconds after a step that failed
LONGEST_PAUSE = 60.0

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ChainConnection:
    """A connected chain: its deployment, the contracts as the trust file states them, and the parts that use them."""

    chain: ChainBackend
    deployment: Deployment
    contracts: TrustedChain
    mirror: RegistryMirror
    anchorer: Anchorer
    registry: RegistryClient
    anchors: AnchorClient
    states: StateProofs
    status_reader: ChainStatusReader


@dataclass(frozen=True, slots=True)
class ChainWorkerState:
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
    def word(self) -> Literal["connecting", "connected", "faulty", "failed"]:
        """Return the state in one word: ``faulty`` may pass or be mended as the hint says, ``failed`` is a defect."""
        if self.is_defect:
            return "failed"
        if self.fault is not None:
            return "faulty"
        return "connected" if self.connected else "connecting"


class ChainWorker:
    """Takes steps until it is stopped. ``halt`` is called when nothing may be written any more."""

    def __init__(self, connect: Callable[[], ChainConnection], halt: Callable[[TallystickError], None], pause_s: float):
        self._connect = connect
        self._halt = halt
        self._pause_s = pause_s
        self._link: ChainConnection | None = None
        self.state = ChainWorkerState()
        self.has_looked = Event()  # once the first step is over, however it went

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

    def run(self, stop: Event) -> None:
        """Take steps until ``stop`` is set; after each failure wait longer."""
        failures = 0
        while not stop.is_set():
            failures = 0 if self.try_step() else failures + 1
            self.has_looked.set()
            backoff = min(LONGEST_PAUSE, FIRST_PAUSE * 2**failures) if failures else self._pause_s
            stop.wait(backoff)

    def try_step(self) -> bool:
        """Take one step, keep a failure in ``state``, and return whether it succeeded."""
        try:
            self.step()
        except (ChainAhead, IntegrityBroken) as error:
            logger.exception("chain and log contradict each other")
            self._halt(error)
            self.state = ChainWorkerState(self._link is not None, None, str(error), hint=error.hint)
            return False
        except TallystickError as error:
            logger.warning("chain step failed", reason=error.for_operator, code=error.code, hint=error.hint)
            self.state = ChainWorkerState(self._link is not None, None, str(error), hint=error.hint)
            return False
        except Exception as error:
            logger.exception("chain step failed for a reason that nobody foresaw")
            fault = f"the chain cannot be followed ({type(error).__name__})"
            self.state = ChainWorkerState(self._link is not None, None, fault, is_defect=True)
            return False
        return True

    def step(self) -> None:
        """Connect if needed, then mirror, anchor and store proofs. Raises what stands in the way."""
        # The order matters: an anchor requires the mirrored registry, and a state proof an anchor.
        link = self._link or self._connect()
        self._link = link
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
