"""How an audit reads the chain: the journal is replayed, a node is asked, or the chain is left out on purpose."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple, NoReturn, Protocol

from msgspec import Struct

from ledger.audit.entries import Ground
from ledger.audit.findings import AuditFinding, AuditFindings, finding, finding_of
from ledger.chain.contract_clients import AnchorRecord, ContractsAt
from ledger.chain.deploy import require_deployment
from ledger.chain.errors import ChainUnavailable
from ledger.chain.eth import BlockRef, Eth
from ledger.chain.journal import Deployment
from ledger.chain.node import replayed
from ledger.core.errors import NotFound, TallystickError, Unavailable
from ledger.core.events import decode_payload
from ledger.core.events.record import SectionErased
from ledger.core.events.registry import RegistryChange
from ledger.core.log.replay import MirroredChange
from ledger.core.messages import Message
from ledger.core.procedure.adoption import Procedures
from ledger.core.signing.authority import AuthorityState
from ledger.core.trust.trust_file import Trust
from ledger.recording.registry_view import LogRegistry, initial_state, replay
from ledger.store import audit as rows
from ledger.store import log
from ledger.store.chain_journal import DatabaseJournal, kept_deployment
from ledger.store.database import Connection, Database


class ContractView(Protocol):
    """The contracts at one final block."""

    def records(self) -> Iterable[AnchorRecord]:
        """Return all records of the anchor contract, in order, except the one it started with."""

    def head(self) -> AnchorRecord:
        """Return the last record, or the one it started with."""

    def registry(self) -> tuple[int, bytes]:
        """Return the number of the registry's changes, and its hash after them."""

    def changes(self, *, after: int, registry_hash: bytes, first_block: int) -> Iterable[RegistryChange]:
        """Return the registry's changes above number ``after``, as ``ContractsAt`` does."""


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

    def changes(self, **_place: object) -> tuple[RegistryChange, ...]:
        return ()


def replaying(
    database: Database, log_id: bytes, anvil: Callable[[], Path], live: Callable[[], Eth] | None = None
) -> Look:
    """Mine the embedded chain's journal again in an Anvil of its own, and compare the ``live`` node with it."""

    @contextmanager
    def look() -> Iterator[ContractView]:
        deployment = kept_deployment(database)
        with replayed(binary=anvil(), journal=DatabaseJournal(database)) as replay:
            if live is not None:
                replay.require_same(live(), deployment)
            if deployment is None:
                yield NoContracts(log_id)
            else:
                require_deployment(replay.eth, deployment)
                yield ContractsAt(replay.eth, deployment, replay.head)

    return look


class NodeContracts(NamedTuple):
    """A node, the deployment of the ledger's contracts on it, and its newest final block."""

    eth: Eth
    deployment: Deployment | None
    final: BlockRef | None


def asking(connect: Callable[[], NodeContracts]) -> Look:
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


class MirrorBreak(Struct, frozen=True):
    """The place where the mirror does not follow; ``last`` is the last index that does, -1 for none."""

    last: int
    finding: AuditFinding

    def is_explained_by(self, faulty: Collection[int]) -> bool:
        """Return whether a faulty or missing entry lies where the mirror breaks."""
        end = self.finding.index
        return any(self.last < index and (end is None or index <= end) for index in faulty)


class Mirror(Struct, frozen=True):
    """The authority of the log's mirror, None if that is broken, with its ``changes`` and the adopted procedures."""

    log_id: bytes
    authority: AuthorityState | None
    procedures: Procedures
    broken: MirrorBreak | None = None
    changes: tuple[MirroredChange, ...] = ()

    # 1
    def tell(self, findings: AuditFindings, faulty: Collection[int]) -> None:
        """Record the outcome of the steps "registry" and "authority"."""
        if self.authority is not None:
            findings.checked(
                "registry",
                Message("{changes} changes, each with its number and rolling hash", changes=self.authority.changes),
            )
            findings.checked(
                "authority", Message("{count} keys, each good where it was used", count=len(self.authority.grants))
            )
        if self.broken is not None:
            if not self.broken.is_explained_by(faulty):
                findings.add(self.broken.finding)
            why = Message("the registry's mirror is broken: {subject}", subject=self.broken.finding.what)
            findings.not_checked("registry", why, "unverifiable")
            findings.not_checked("authority", why, "unverifiable")


def read_mirror(connection: Connection, trust: Trust, procedures: Procedures) -> Mirror:
    """Replay the mirror entries; their number must be the tree's. ``procedures`` are in force before any is adopted."""
    initial = initial_state(trust.log_id, trust.service_keys, procedures)
    entries = log.registry_entries(connection)
    replayed: list[tuple[MirroredChange, LogRegistry]] = []
    try:
        # What was replayed before an error stays in the list.
        replayed.extend(replay(connection, initial, entries))
    except TallystickError as error:
        last = replayed[-1][0].index if replayed else -1
        procedures = replayed[-1][1].procedures if replayed else procedures
        broken = finding_of("registry", entries[len(replayed)].log_index, error)
        return Mirror(trust.log_id, None, procedures, MirrorBreak(last, broken))
    state = replayed[-1][1] if replayed else initial
    authority = state.authority
    expected = log.tree(connection).registry_changes
    if expected != authority.changes:
        differs = finding("registry", None, "registry_changes", authority.changes, expected)
        broken_at = entries[-1].log_index if entries else -1
        return Mirror(trust.log_id, None, procedures, MirrorBreak(broken_at, differs))
    return Mirror(trust.log_id, authority, state.procedures, None, tuple(mirrored for mirrored, _ in replayed))


def read_ground(connection: Connection, mirror: Mirror) -> Ground:
    """Return what entries are judged by."""
    erased: set[tuple[str, str, str]] = set()
    for entry in rows.of_type(connection, "section.erased"):
        try:
            body = decode_payload(entry.payload, entry.event_type).body
        except TallystickError:
            continue  # a finding of its own
        if isinstance(body, SectionErased):
            erased.add((body.concerns.event_id, body.concerns.payload_digest, body.label))
    return Ground(mirror.log_id, mirror.authority, frozenset(erased))
