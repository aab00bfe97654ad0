"""Connecting a service to its chain: the node, the contracts, what follows them, and the trust file that names them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial

from msgspec.structs import replace

from api.services.parts import Parts
from ledger.anchoring.anchors import Anchorer
from ledger.anchoring.registry_mirror import RegistryMirror
from ledger.anchoring.worker import ChainConnection
from ledger.chain.chain_status import ChainStatusReader
from ledger.chain.contract_clients import AnchorClient, RegistryClient
from ledger.chain.deploy import RegistryAgency, RegistryFounding, deploy, other_contracts, require_deployment
from ledger.chain.eth import Eth
from ledger.chain.journal import Deployment, Journal, Purpose
from ledger.chain.node import ChainIncident, EmbeddedNode
from ledger.chain.remote import RemoteChain
from ledger.chain.rpc import JsonRpc
from ledger.chain.writer import ChainBackend, ChainWriter
from ledger.config import installation as installations
from ledger.config.installation import DataDirectory, Installation
from ledger.config.secret_files import replace_file
from ledger.config.settings import EMBEDDED
from ledger.core.errors import MalformedInput, TallystickError
from ledger.core.ethereum.contract_changes import profile_bytes
from ledger.core.events.record import IncidentRecorded
from ledger.core.events.registry import AgencyProfile
from ledger.core.signing.signatures import TransactionSigner
from ledger.core.trust.trust_file import FinalityRule, TrustedChain, encode_trust, parse_trust
from ledger.loggers import get_logger
from ledger.recording.access_log_sealing import AccessLogSealer
from ledger.recording.head_maps import HeadMapKeeper
from ledger.recording.system_stream import SystemStream
from ledger.store.chain_journal import DatabaseJournal, keep_deployment, kept_deployment
from ledger.witness.gathering.quorum import Gatherer
from ledger.witness.gathering.witnesses import WitnessFile

logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Connector:
    """Connects the service to its chain each time it is called, and reuses what an earlier, failed call has set up."""

    parts: Parts
    directory: DataDirectory
    installation: Installation
    submitter: TransactionSigner
    witnesses: WitnessFile
    trust: TrustHolder
    started: list[EmbeddedNode] = field(default_factory=list)

    def __call__(self) -> ChainConnection:
        """Deploy the contracts if they are missing and return the connected chain.

        Raises Unavailable while the chain does not answer, ChainAhead if the database was rolled back, and
        IntegrityBroken if its log does not continue what the chain has, ChainMismatch on another chain.
        """
        parts, journal = self.parts, DatabaseJournal(self.parts.database)
        # The database decides: deploying a second time would begin another ledger.
        kept = kept_deployment(parts.database)
        chain: EmbeddedNode | RemoteChain
        if parts.settings.chain == EMBEDDED:
            chain = self._node(journal)
        else:
            chain = RemoteChain(
                eth=Eth(JsonRpc(parts.settings.chain)),
                chain_id=parts.settings.chain_id,
                journal=journal,
                finality=self.trust.finality,
                identity=kept.identity if kept else None,
            )
        writer = ChainWriter(chain=chain, journal=journal, signer=self.submitter, clock=now_s)
        if kept is not None:
            require_deployment(chain.eth, kept)
        deployment = kept or self._deploy(chain, writer)
        anchors = AnchorClient(deployment=deployment, writer=writer)
        # Before anything is anchored: a database restored from an old backup must not anchor a second history.
        anchors.require_not_ahead()
        link = self._link(chain, writer, anchors, deployment)
        link.anchorer.require_one_history()
        self.trust.deployed(link.contracts)
        return link

    def _deploy(self, chain: EmbeddedNode | RemoteChain, writer: ChainWriter) -> Deployment:
        """Deploy the contracts and record where."""
        deployment = deploy(writer, chain_founding(self.installation))
        keep_deployment(self.parts.database, deployment)
        if isinstance(chain, RemoteChain):
            chain.identity = deployment.identity  # from now on only this chain
        return deployment

    def close(self) -> None:
        """Stop the embedded node, if one was started."""
        for node in self.started:
            node.stop()

    def _link(
        self, chain: ChainBackend, writer: ChainWriter, anchors: AnchorClient, deployment: Deployment
    ) -> ChainConnection:
        parts = self.parts
        journal = DatabaseJournal(parts.database)
        maps = HeadMapKeeper(parts.database, parts.system)
        anchorer = Anchorer(
            parts.database,
            parts.registry,
            journal,
            anchors,
            gatherer=Gatherer(self.witnesses, lambda: self.trust.trust.policy, parts.collector.states),
            interval_s=parts.settings.anchor_interval_s,
            clock=now_s,
            others=other_contracts(chain.eth, deployment),
            complete=partial(complete_log, AccessLogSealer(parts.database, parts.access, parts.system), maps),
            prepare=maps.keep_up,
        )
        return ChainConnection(
            chain=chain,
            deployment=deployment,
            contracts=deployment.trusted_chain(self.trust.finality),
            mirror=RegistryMirror(parts.database, parts.registry, parts.system, anchors.at, founded_at(journal)),
            anchorer=anchorer,
            registry=RegistryClient(address=deployment.registry, writer=writer),
            states=parts.states,
            status_reader=ChainStatusReader(chain, anchors.at, writer.account, now_s),
        )

    def _node(self, journal: DatabaseJournal) -> EmbeddedNode:
        """Return the embedded node, started once."""
        if not self.started:
            node = EmbeddedNode(
                binary=self.parts.settings.anvil(),
                directory=self.directory.chain,
                journal=journal,
                port=self.parts.settings.embedded_chain_port,
                on_incident=lambda incident: record_incident(self.parts.system, incident),
            )
            node.start()
            self.started.append(node)
        return self.started[0]


class TrustHolder:
    """Holds the trust file, to which the contracts are added once they are deployed."""

    def __init__(
        self,
        directory: DataDirectory,
        installation: Installation,
        finality: FinalityRule,
        timestamp_roots: tuple[bytes, ...] = (),
    ):
        self._path = directory.trust
        self.finality = finality
        self.trust = installations.trust_of(directory, installation, timestamp_roots)

    def deployed(self, contracts: TrustedChain) -> None:
        """Add the chain and rewrite the trust file.

        Logs a warning if the file handed out before names another rule of finality.
        """
        try:
            chain = parse_trust(self._path.read_bytes()).chain(contracts.identity, contracts.anchor)
        except (FileNotFoundError, MalformedInput):
            chain = None
        if chain is not None and chain.finality != contracts.finality:
            logger.warning(
                "the finality of the trust file has changed: witnesses go by the old one until they have the new file",
                before=chain.finality,
                now=contracts.finality,
            )
        self.trust = replace(self.trust, chains=(contracts,))
        replace_file(self._path, encode_trust(self.trust))


def complete_log(sealer: AccessLogSealer, keeper: HeadMapKeeper, anchored: int) -> int:
    """Append what is to be in the log before the next anchor, after one of the size ``anchored``.

    Return the least size of a tree that has it all. Raises Unavailable.
    """
    # The map is last: it is of all entries before it.
    return max(sealer.before_anchor(anchored), keeper.before_anchor(anchored))


def founded_at(journal: Journal) -> int:
    """Return the block of the first deployment, which is the registry's.

    Returns 0, the start of the chain, if this journal holds no deployment.
    """
    blocks = (write.block_number for write in journal.writes() if write.purpose is Purpose.DEPLOYMENT)
    return next((block for block in blocks if block is not None), 0)


def chain_founding(installation: Installation) -> RegistryFounding:
    """Return the founding in the form that the registry's constructor takes."""
    founding = installation.founding
    agencies = tuple(
        RegistryAgency(
            agency_id=agency.agency_id,
            kind=agency.kind,
            admin=agency.admin,
            profile=profile_bytes(AgencyProfile(jurisdiction=agency.jurisdiction, name=agency.name)),
            witness=agency.witness.account if agency.witness else None,
        )
        for agency in founding.agencies
    )
    submitters = (installation.submitter,)
    return RegistryFounding(
        installation.log_id_bytes,
        agencies,
        submitters,
        founding.quorum,
        founding.development,
        founding.procedures,
    )


def record_incident(system: SystemStream, incident: ChainIncident) -> None:
    """Record an incident of the embedded node in the log.

    A log that cannot take it now must not stop the node, so the error is logged.
    """
    edited = incident.kind in ("node_edited", "dump_edited")
    body = IncidentRecorded(kind="chain_edited" if edited else "chain_rebuilt", description=incident.detail)
    try:
        system.append(body)
    except TallystickError:
        logger.exception("incident not recorded", kind=incident.kind)


def now_s() -> int:
    """Return this machine's clock in unix seconds."""
    return int(time.time())
