"""The ledger of the sample over HTTP: what the town's people would send from their own machines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ledger.chain.contract import ContractDomain
from ledger.client.log_copy import fetch_bundles
from ledger.client.registry import CHAIN, ChainState, relay
from ledger.client.service import ServiceClient, path_of
from ledger.client.sign_in import SignIn
from ledger.core.encoding.decoding import convert
from ledger.core.errors import NotFound
from ledger.core.events import Envelope, decode_envelope
from ledger.core.events.record import DatasetRegistered
from ledger.core.events.streams import StreamHead
from ledger.core.log.checkpoints import stated_checkpoint
from ledger.core.procedure.package import decode_package
from ledger.core.procedure.rulebook import Rulebook
from ledger.core.signing.signatures import TransactionSigner
from ledger.samples.player import LoggedEvent, ModelLook
from ledger.samples.town import AGENCIES, TownKeys

READER = "analyst"  # registers the data set


class ServiceLedger:
    """Implements ``ledger.samples.player.SampleLedger`` at the service of ``url``."""

    def __init__(self, url: str, log_id: bytes, keys: TownKeys):
        self.log_id = log_id
        self._url = url
        self._keys = keys
        self._services: dict[str, ServiceClient] = {}
        self._service = self._service_of(READER)

    def _service_of(self, profile: str) -> ServiceClient:
        """Return the service as the person of this profile signs in to it."""
        if profile not in self._services:
            token, keys = self._keys.directory.path / f"token-{profile}.json", self._keys
            reader = SignIn(token, self._url, keys.key_id(profile), lambda: keys.signer(profile), lambda: self.log_id)
            self._services[profile] = ServiceClient(self._url, reader)
        return self._services[profile]

    def entries(self) -> Iterator[Envelope]:
        size = stated_checkpoint(self._service.fetch("/checkpoint").decode()).size
        for bundle in fetch_bundles(self._service, size):
            yield from map(decode_envelope, bundle)

    def granted(self) -> frozenset[str]:
        paths = (path_of("/api/v1/agencies/{}/keys", agency.agency_id) for agency in AGENCIES)
        lists = (self._service.get(path)["keys"] for path in paths)
        return frozenset(key["key_id"] for keys in lists for key in keys)

    def registry_domain(self) -> ContractDomain:
        state = convert(self._service.get(CHAIN), ChainState)
        return ContractDomain(self.log_id, state.chain_id, state.registry)

    def procedure(self, procedure_id: str, /) -> Rulebook:
        listed = self._service.get("/api/v1/procedures")["procedures"]
        digest = next(row["digest"] for row in listed if row["in_force"] and row["procedure"] == procedure_id)
        return decode_package(self._service.get(path_of("/api/v1/procedures/{}", digest))["text"].encode())

    def relay(self, call: bytes, admin: TransactionSigner, /) -> None:
        relay(self._service, admin, call)

    def submit(self, submission: bytes, /) -> LoggedEvent:
        receipt = self._service.post("/api/v1/events", submission, dict[str, Any])
        return LoggedEvent(receipt["index"], receipt["leaf_hash"])

    def give(self, dataset: DatasetRegistered, data: bytes, /) -> None:
        path = path_of("/api/v1/datasets/{}/file", dataset.dataset_id)
        self._service.post(path, data, dict[str, Any], content_type="application/octet-stream")

    def lead(self, lead_id: str, reader: str, /) -> StreamHead | None:
        try:
            shown = self._service_of(reader).get(path_of("/api/v1/leads/{}", lead_id))
        except NotFound:
            return None
        return StreamHead(shown["sequence"], shown["head"])

    def model_look(self) -> ModelLook:
        shown = self._service.get("/api/v1/supervision")
        return ModelLook(shown["looked_at"], shown["took_ms"])
