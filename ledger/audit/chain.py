"""How an audit looks at the chain: the journal is replayed, a node is asked, or the chain is left out on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple, NoReturn, Protocol

from msgspec import Struct

from ledger.chain.anchor import AnchorRecord
from ledger.chain.deploy import Deployment, require_deployment
from ledger.chain.errors import ChainUnavailable
from ledger.chain.eth import BlockRef, Eth
from ledger.chain.node import CHAIN_ID
from ledger.chain.replay import replayed
from ledger.chain.view import ContractsAt
from ledger.core.errors import NotFound, Unavailable
from ledger.core.events.registry import RegistryChange
from ledger.store.database import Database
from ledger.store.deployment import kept_deployment
from ledger.store.journal import DatabaseJournal


class ContractView(Protocol):
    """The contracts at one final block."""

    def records(self) -> Iterable[AnchorRecord]:
        """All records of the anchor contract but the one it started with, in their order."""

    def head(self) -> AnchorRecord:
        """The last of them, or the one it started with."""

    def registry(self) -> tuple[int, bytes]:
        """The number of the registry's changes, and its hash after them."""

    def changes(self, log_id: bytes, first_block: int) -> Iterable[RegistryChange]:
        """The registry's changes as the log mirrors them, the first of them in ``first_block``."""


# Entered, it raises Unavailable or NotFound where the chain cannot be looked at, IntegrityBroken where it contradicts
# the journal or the deployment.
Look = Callable[[], AbstractContextManager[ContractView]]


class NoContracts(Struct, frozen=True):
    """What there is before the first deployment."""

    log_id: bytes

    def records(self) -> tuple[AnchorRecord, ...]:
        return ()

    def head(self) -> AnchorRecord:
        return AnchorRecord(0, b"", 0, 0, 0)

    def registry(self) -> tuple[int, bytes]:
        return 0, self.log_id

    def changes(self, _log_id: bytes, _first_block: int) -> tuple[RegistryChange, ...]:
        return ()


def replaying(
    database: Database, log_id: bytes, anvil: Callable[[], Path], live: Callable[[], Eth] | None = None
) -> Look:
    """Mines the journal of the embedded chain again in an Anvil of its own, and holds the ``live`` node against it."""

    @contextmanager
    def look() -> Iterator[ContractView]:
        deployment = kept_deployment(database)
        with replayed(binary=anvil(), journal=DatabaseJournal(database), chain_id=CHAIN_ID) as replay:
            if live is not None:
                replay.require_same(live(), deployment)
            if deployment is None:
                yield NoContracts(log_id)
            else:
                require_deployment(replay.eth, deployment)
                yield ContractsAt(replay.eth, deployment, replay.head)

    return look


class Node(NamedTuple):
    """A node, where the ledger's contracts stand on it, and its newest final block."""

    eth: Eth
    deployment: Deployment | None
    final: BlockRef | None


def asking(connect: Callable[[], Node]) -> Look:
    """Asks a node for the contracts at its newest final block."""

    @contextmanager
    def look() -> Iterator[ContractView]:
        eth, deployment, final = connect()
        if deployment is None:
            raise NotFound("the ledger has no contracts yet", hint="Start it, so that it deploys them: tally serve.")
        require_deployment(eth, deployment)
        if final is None:
            raise ChainUnavailable("the chain has no final block yet", hint="Audit again when it has.")
        yield ContractsAt(eth, deployment, final)

    return look


def left_out() -> NoReturn:
    """Looks at the database only, as whoever asks for the audit wants it."""
    raise Unavailable(
        "database only, as asked: nothing was compared with the chain", hint="Audit without --database-only."
    )
