"""A running ledger and the chain it is linked to: contracts on an embedded node whose journal is the ledger's own."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

from ledger.anchoring.anchors import Anchorer
from ledger.anchoring.registry_mirror import RegistryMirror
from ledger.anchoring.state_proofs import StateProofs
from ledger.anchoring.worker import ChainConnection
from ledger.chain.chain_status import ChainStatusReader
from ledger.chain.contract import KeyRequest, grant_key, request_key, revoke_key
from ledger.chain.contract_clients import AnchorClient, RegistryClient
from ledger.chain.deploy import RegistryAgency, RegistryFounding, deploy
from ledger.chain.eth import BlockRef
from ledger.chain.journal import Deployment
from ledger.chain.node import EmbeddedNode
from ledger.chain.transaction import sign
from ledger.chain.writer import ChainWriter
from ledger.config.keys import LocalSigner
from ledger.core.ethereum.contract_changes import ROLE_BITS, profile_bytes
from ledger.core.log.policy import Policy, parse_policy
from ledger.store.chain_journal import DatabaseJournal
from ledger.witness.gathering.collector import CosignatureCollector
from ledger.witness.gathering.quorum import Gatherer
from ledger.witness.gathering.witnesses import Witness
from tests.testkit import machine
from tests.testkit.builders import COURT, KINDS, LOG_ID, POLICE, PROCURATORATE, Officer, profile
from tests.testkit.ledgers import LOG_SIGNER, Clock, Ledger, open_ledger, sqlite_url
from tests.testkit.witness_server import SmallWitness
from tests.unit.chain.builders import Key

SUBMITTER = Key("submitter")
AGENCIES = (POLICE, PROCURATORATE, COURT)


class Now(Clock):
    """The real time, moved by what the test adds: the service signs and anchors by it."""

    def __init__(self) -> None:
        super().__init__(0)

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000 + self.ms

    @property
    def seconds(self) -> int:
        return self() // 1000


def admin(agency: str) -> Key:
    """Return the key that manages the agency's keys on the chain."""
    return Key(f"admin of {agency}")


def small_witness(agency: str) -> SmallWitness:
    """Return the agency's witness, whose account the registry has where there is a quorum."""
    return SmallWitness(f"witness-{agency}", LOG_SIGNER.verifying_key, LOG_ID)


def founding(quorum: int = 0) -> RegistryFounding:
    agencies = tuple(
        RegistryAgency(
            agency,
            KINDS[agency],
            admin(agency).key_id,
            profile_bytes(profile(agency)),
            small_witness(agency).account.key_id if quorum else None,
        )
        for agency in AGENCIES
    )
    return RegistryFounding(LOG_ID, agencies, submitters=(SUBMITTER.key_id,), quorum=quorum, development=not quorum)


@dataclass
class Linked:
    """A ledger, its chain, and the verbs between them."""

    ledger: Ledger
    chain: EmbeddedNode
    deployment: Deployment
    writer: ChainWriter
    journal: DatabaseJournal
    registry: RegistryClient
    anchors: AnchorClient
    clock: Now
    interval_s: int = 10
    witnesses: list[Witness] = field(default_factory=list)
    policy: Policy = field(default_factory=lambda: parse_policy("quorum none\n"))
    complete: Callable[[int], int] = lambda _anchored: 0
    prepare: Callable[[], None] = lambda: None

    @cached_property
    def gatherer(self) -> Gatherer:
        return Gatherer(lambda: tuple(self.witnesses), lambda: self.policy, self.collector.states)

    @cached_property
    def collector(self) -> CosignatureCollector:
        return CosignatureCollector(
            self.ledger.database,
            lambda: tuple(self.witnesses),
            policy=lambda: self.policy,
            halt=self.ledger.sequencer.halt,
            clock=self.ledger.clock,
        )

    @property
    def mirror(self) -> RegistryMirror:
        return RegistryMirror(self.ledger.database, self.ledger.registry, self.ledger.system, self.anchors.at, 0)

    @property
    def anchorer(self) -> Anchorer:
        return Anchorer(
            self.ledger.database,
            self.ledger.registry,
            self.journal,
            self.anchors,
            gatherer=self.gatherer,
            interval_s=self.interval_s,
            clock=lambda: self.clock.seconds,
            complete=self.complete,
            prepare=self.prepare,
        )

    @property
    def states(self) -> StateProofs:
        return StateProofs(self.ledger.database, self.journal, lambda: self.chain)

    @property
    def status_reader(self) -> ChainStatusReader:
        return ChainStatusReader(self.chain, self.anchors.at, self.writer.account, lambda: self.clock.seconds)

    @property
    def link(self) -> ChainConnection:
        """What a chain worker works on."""
        return ChainConnection(
            self.chain,
            self.deployment,
            self.deployment.trusted_chain(0),
            self.mirror,
            self.anchorer,
            self.registry,
            self.states,
            self.status_reader,
        )

    @property
    def final(self) -> BlockRef:
        return self.chain.final_block()

    def grant(self, officer: Officer) -> None:
        """Grant the officer's key on the chain, by his admin."""
        roles = sum(ROLE_BITS[role] for role in officer.roles)
        self.relay(officer.agency, grant_key(self.request(officer), roles=roles, valid_from=0, valid_until=2**40))

    def request(self, officer: Officer, *, agency: str | None = None) -> KeyRequest:
        """Return the officer's request that his key be granted, by his own agency or another."""
        domain = self.registry.domain(LOG_ID)
        signer = LocalSigner.from_private_key(officer.key.secret)
        return request_key(signer, domain, agency=agency or officer.agency, officer=officer.officer_id)

    def revoke(self, officer: Officer) -> None:
        self.relay(officer.agency, revoke_key(officer.key_id))

    def relay(self, agency: str, call: bytes) -> None:
        """Send a call of the agency's admin, and wait until it is mined."""
        key = admin(agency)
        self.registry.relay(sign(self.registry.prepare(key.key_id, call), key).raw)

    def publish(self) -> str | None:
        return self.ledger.publisher.publish(self.ledger.database, self.clock())


@contextmanager
def linked_ledger(folder: Path, *, quorum: int = 0) -> Iterator[Linked]:
    """Contracts deployed, nothing mirrored yet. In a folder that has a ledger already, that one is opened again."""
    if not (folder / "chain").exists():
        for path, content in _deployed(quorum).items():
            copy = folder / path
            copy.parent.mkdir(exist_ok=True)
            copy.touch(0o600)
            copy.write_bytes(content)
    with _linked(folder, quorum) as linked:
        yield linked


@cache
def _deployed(quorum: int) -> dict[str, bytes]:
    """Give the files of a ledger whose contracts are deployed, by their paths: to deploy takes longer than to copy."""
    with tempfile.TemporaryDirectory(prefix="tallystick-linked-") as folder:
        with _linked(Path(folder), quorum):
            pass
        files = (file for file in Path(folder).rglob("*") if file.is_file())
        return {str(file.relative_to(folder)): file.read_bytes() for file in files}


@contextmanager
def _linked(folder: Path, quorum: int) -> Iterator[Linked]:
    clock = Now()
    with open_ledger(sqlite_url(folder), clock=clock) as ledger:
        journal = DatabaseJournal(ledger.database)
        node = EmbeddedNode(binary=machine.native_binary("anvil"), directory=folder / "chain", journal=journal)
        node.start()
        try:
            writer = ChainWriter(chain=node, journal=journal, signer=SUBMITTER, clock=lambda: clock.seconds)
            deployment = deploy(writer, founding(quorum), timeout_seconds=30)
            registry = RegistryClient(address=deployment.registry, writer=writer)
            anchors = AnchorClient(deployment=deployment, writer=writer)
            yield Linked(ledger, node, deployment, writer, journal, registry, anchors, clock)
        finally:
            node.stop()
