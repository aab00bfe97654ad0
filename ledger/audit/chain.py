"""How an audit reads the chain: the journal is replayed, a node is asked, or the chain is left out on purpose."""

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
        """Return all records of the anchor contract, in order, except the one it started with."""

    def head(self) -> AnchorRecord:
        """Return the last record, or the one it started with."""

    def registry(self) -> tuple[int, bytes]:
        """Return the number of the registry's changes, and its hash after them."""

    def changes(self, log_id: bytes, first_block: int) -> Iterable[RegistryChange]:
        """Return the registry's changes as the log mirrors them, the first of them in ``first_block``."""


# Entering it raises Unavailable or NotFound if the chain cannot be read, IntegrityBroken if the chain contradicts the
# journal or the deployment.
Look = Callable[[], AbstractContextManager[ContractView]]


class NoContracts(Struct, frozen=True):
    """The contracts before the first deployment: no record, no change."""

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
    """Mine the embedded chain's journal again in an Anvil of its own, and compare the ``live`` node with it."""

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
    """A node, the deployment of the ledger's contracts on it, and its newest final block."""

    eth: Eth
    deployment: Deployment | None
    final: BlockRef | None


def asking(connect: Callable[[], Node]) -> Look:
    """Read the contracts from a node at its newest final block."""

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
    """Leave the chain out, because the caller asked for an audit of the database only."""
    raise Unavailable(
        "database only, as asked: nothing was compared with the chain", hint="Audit without --database-only."
    )
