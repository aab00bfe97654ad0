"""Follow: keeps log and chain together for as long as the service runs.

One step after the other: connect (deploy the contracts or find them, refuse a chain that is ahead), mirror what is
final in the registry, anchor what is published, keep what proves the anchors. A chain that does not answer is tried
again; submissions go on.
An error that nobody foresaw is a defect: it is logged whole and the service calls itself not ready. What is recorded
stays sound without the chain, so that is tried again too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Literal

import structlog

from ledger.anchoring.anchors import Anchorer, Waits
from ledger.anchoring.registry_mirror import Mirror
from ledger.anchoring.state_proofs import StateProofs
from ledger.chain.anchor import AnchorClient
from ledger.chain.backend import ChainBackend
from ledger.chain.deploy import Deployment
from ledger.chain.errors import ChainAhead
from ledger.chain.registry import RegistryClient
from ledger.chain.sighting import Lookout, Sighting
from ledger.core.errors import IntegrityBroken, TallystickError, Unavailable
from ledger.core.verification.trust import TrustedChain

FIRST_PAUSE = 1.0  # seconds after a step that failed
LONGEST_PAUSE = 60.0

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Link:
    """A chain that is connected: its contracts as they were deployed and as the trust file has them, and the verbs on
    them."""

    chain: ChainBackend
    deployment: Deployment
    contracts: TrustedChain
    mirror: Mirror
    anchorer: Anchorer
    registry: RegistryClient
    anchors: AnchorClient
    states: StateProofs
    lookout: Lookout


@dataclass(frozen=True, slots=True)
class FollowState:
    """How the last step went: ``waits`` says why nothing was anchored and ``told`` what exactly it waits for; ``fault``
    what is wrong, in one sentence, and ``hint`` what to do about it; ``is_defect`` that nobody foresaw it."""

    connected: bool = False
    waits: Waits | None = None
    fault: str | None = None
    is_defect: bool = False
    hint: str | None = None
    told: str | None = None

    @property
    def word(self) -> Literal["connecting", "connected", "faulty", "failed"]:
        """``faulty`` is what may pass or what a hint mends, ``failed`` a defect."""
        if self.is_defect:
            return "failed"
        if self.fault is not None:
            return "faulty"
        return "connected" if self.connected else "connecting"


class Follower:
    """Takes steps until it is stopped. ``halt`` is told when nothing may be written any more."""

    def __init__(self, connect: Callable[[], Link], halt: Callable[[TallystickError], None], pause_s: float):
        self._connect = connect
        self._halt = halt
        self._pause_s = pause_s
        self._link: Link | None = None
        self.state = FollowState()
        self.has_looked = Event()  # once the first step is over, however it went

    @property
    def link(self) -> Link:
        """The connected chain. Raises Unavailable while there is none."""
        if self._link is None:
            raise Unavailable(self.state.fault or "the chain is not connected yet", code="chain_unavailable")
        return self._link

    @property
    def sighting(self) -> Sighting | None:
        """What was seen of the chain when it last answered; nobody is asked for it."""
        return self._link.lookout.last if self._link else None

    def run(self, stop: Event) -> None:
        """Steps until ``stop`` is set; after a failure waits longer each time."""
        failures = 0
        while not stop.is_set():
            failures = 0 if self.try_step() else failures + 1
            self.has_looked.set()
            backoff = min(LONGEST_PAUSE, FIRST_PAUSE * 2**failures) if failures else self._pause_s
            stop.wait(backoff)

    def try_step(self) -> bool:
        """One step whose failure is kept in ``state``; whether it went well."""
        try:
            self.step()
        except (ChainAhead, IntegrityBroken) as error:
            logger.exception("chain and log contradict each other")
            self._halt(error)
            self.state = FollowState(self._link is not None, None, str(error), hint=error.hint)
            return False
        except TallystickError as error:
            logger.warning("chain step failed", reason=error.for_operator, code=error.code, hint=error.hint)
            self.state = FollowState(self._link is not None, None, str(error), hint=error.hint)
            return False
        except Exception as error:
            logger.exception("chain step failed for a reason that nobody foresaw")
            told = f"the chain cannot be followed ({type(error).__name__})"
            self.state = FollowState(self._link is not None, None, told, is_defect=True)
            return False
        return True

    def step(self) -> None:
        """Connects where needed, mirrors, anchors, keeps proofs. Raises what stands in the way."""
        link = self._link or self._connect()
        self._link = link
        final = link.chain.final_block()
        if link.lookout.last is None:
            link.lookout.step()  # what stands in the way of the rest must not keep the chain from being shown
        if final is not None and link.mirror.catch_up(final):
            link.lookout.expire()
        outcome = link.anchorer.step()
        link.states.step(link.contracts)
        link.lookout.step()
        waits = outcome if isinstance(outcome, Waits) else None
        self.state = FollowState(True, waits, told=link.anchorer.told)
