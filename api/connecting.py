"""Connecting a ledger to its chain: the embedded node or any JSON-RPC, its contracts, and the verbs on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ledger.anchor import Anchorer
from ledger.chain.anchor import AnchorClient
from ledger.chain.backend import ChainBackend
from ledger.chain.deploy import Deployment, Founding, FoundingAgency, deploy, other_contracts, require_deployment
from ledger.chain.embedded import EmbeddedChain
from ledger.chain.eth import Eth
from ledger.chain.finality import finality_of
from ledger.chain.journal import Journal, Purpose
from ledger.chain.node import ChainIncident, EmbeddedNode
from ledger.chain.registry import RegistryClient
from ledger.chain.remote import RemoteChain
from ledger.chain.rpc import JsonRpc
from ledger.chain.sighting import Lookout
from ledger.chain.writer import ChainWriter
from ledger.core.contract_change import KIND_NUMBERS, profile_bytes
from ledger.core.event.registry import Profile
from ledger.core.trust import FinalityRule, TrustedChain
from ledger.cosign import Gatherer
from ledger.follow import Link
from ledger.installation import DataDirectory, Installation
from ledger.keys import Signer
from ledger.mirror import Mirror
from ledger.registry import Registry
from ledger.seal import Sealer
from ledger.settings import EMBEDDED, Settings
from ledger.state_proofs import StateProofs, trusted_chain
from ledger.store.database import Database
from ledger.store.deployment import keep_deployment, kept_deployment
from ledger.store.journal import DatabaseJournal
from ledger.system import SystemStream


@dataclass(frozen=True, slots=True)
class Connector:
    """Connects once it is called; called again after a failure, it finds what it made before.

    ``on_incident`` hears of what befell the embedded node, ``on_deployed`` where the contracts stand.
    """

    settings: Settings
    where: DataDirectory
    installation: Installation
    database: Database
    registry: Registry
    system: SystemStream
    submitter: Signer
    gatherer: Gatherer
    finality: FinalityRule
    sealer: Sealer
    clock: Callable[[], int]
    on_incident: Callable[[ChainIncident], None]
    on_deployed: Callable[[TrustedChain], None]
    started: list[EmbeddedNode]

    def __call__(self) -> Link:
        """Raises Unavailable while the chain does not answer, ChainAhead where the database was rolled back, and
        IntegrityBroken where its log does not continue what the chain has."""
        journal = DatabaseJournal(self.database)
        chain = self._embedded(journal) if self.settings.chain == EMBEDDED else self._remote(journal)
        writer = ChainWriter(chain=chain, journal=journal, signer=self.submitter, clock=self.clock)
        deployment = self._deployment(chain, writer)
        anchors = AnchorClient(address=deployment.anchor, writer=writer, journal=journal)
        anchors.require_not_ahead()
        link = self._link(chain, writer, anchors, deployment)
        link.anchorer.require_one_history()
        self.on_deployed(link.contracts)
        return link

    def _deployment(self, chain: EmbeddedChain | RemoteChain, writer: ChainWriter) -> Deployment:
        """The contracts where this database knows them to be, else made now. Raises ChainMismatch on another chain."""
        kept = kept_deployment(self.database)
        if kept is not None:
            require_deployment(chain.eth, kept)
            return kept
        deployment = deploy(writer, chain_founding(self.installation))
        keep_deployment(self.database, deployment)
        if isinstance(chain, RemoteChain):
            chain.pin(deployment.identity)
        return deployment

    def close(self) -> None:
        """Stops the embedded node, if one was started."""
        for node in self.started:
            node.stop()

    def _link(self, chain: ChainBackend, writer: ChainWriter, anchors: AnchorClient, deployment: Deployment) -> Link:
        registry_client = RegistryClient(address=deployment.registry, writer=writer)
        journal = DatabaseJournal(self.database)
        anchorer = Anchorer(
            self.database,
            self.registry,
            journal,
            anchors,
            registry_client,
            gatherer=self.gatherer,
            chain_id=chain.chain_id,
            eth=lambda: chain.eth,
            interval_s=self.settings.anchor_interval_s,
            clock=self.clock,
            others=other_contracts(chain.eth, deployment),
            seal=self.sealer.before_anchor,
        )
        return Link(
            chain=chain,
            deployment=deployment,
            contracts=trusted_chain(deployment, self.finality),
            mirror=Mirror(self.database, self.registry, self.system, registry_client, founded_at(journal)),
            anchorer=anchorer,
            registry=registry_client,
            anchors=anchors,
            states=StateProofs(self.database, journal, lambda: chain),
            lookout=Lookout(chain, registry_client, writer.account, self.clock),
        )

    def _embedded(self, journal: DatabaseJournal) -> EmbeddedChain:
        if not self.started:
            node = EmbeddedNode(
                binary=self.settings.anvil(),
                directory=self.where.chain,
                journal=journal,
                port=self.settings.embedded_chain_port,
                on_incident=self.on_incident,
            )
            node.start()
            self.started.append(node)
        return EmbeddedChain(self.started[0], journal)

    def _remote(self, journal: DatabaseJournal) -> RemoteChain:
        eth = Eth(JsonRpc(self.settings.chain))
        kept = kept_deployment(self.database)
        return RemoteChain(
            eth=eth,
            chain_id=self.settings.chain_id,
            journal=journal,
            finality=finality_of(self.finality),
            identity=kept.identity if kept else None,
        )


def founded_at(journal: Journal) -> int:
    """The block of the registry, the first contract deployed; 0, the whole chain, where another journal has it."""
    blocks = (write.block_number for write in journal.writes() if write.purpose is Purpose.DEPLOYMENT)
    return next((block for block in blocks if block is not None), 0)


def chain_founding(installation: Installation) -> Founding:
    """The founding as the registry's constructor takes it."""
    founding = installation.founding
    agencies = tuple(
        FoundingAgency(
            agency_id=agency.agency_id,
            kind=KIND_NUMBERS[agency.kind],
            admin=agency.admin,
            profile=profile_bytes(Profile(jurisdiction=agency.jurisdiction, name=agency.name)),
            witness=agency.witness.account if agency.witness else None,
        )
        for agency in founding.agencies
    )
    submitters = (installation.submitter,)
    return Founding(installation.log_id_bytes, agencies, submitters, founding.quorum, founding.development)
