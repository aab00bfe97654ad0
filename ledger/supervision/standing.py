"""Standing: which models are run now, for whom and with which parameters; and how leads get into the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import structlog
from msgspec import Struct

from ledger import matters
from ledger.core.authority import Agency, Authority
from ledger.core.errors import Conflict, NotFound, RuleRefused
from ledger.core.event import Stream, decode_payload
from ledger.core.event.record import DatasetRegistered
from ledger.core.event.supervision import CitedDataset, LeadRaised
from ledger.core.event.terms import EventRef
from ledger.core.supervision import ModelState
from ledger.core.supervision.models import STREAM
from ledger.store import log, supervision
from ledger.store.cases import Page
from ledger.store.database import Connection, Database
from ledger.supervision.model.parse import parse_model
from ledger.supervision.model.refused import ModelRefused
from ledger.supervision.model.values import Model
from ledger.system import SystemStream

MODELS_AT_MOST: Final = 10_000

logger = structlog.get_logger(__name__)


class Standing(Struct, frozen=True):
    """A model as a procuratorate runs it: what it published, or what it adopted with parameters of its own."""

    model: Model
    procuratorate: str
    parameters: Mapping[str, str]


class Record:
    """The log, as supervision reads and writes it."""

    def __init__(self, database: Database, authority: Callable[[], Authority], system: SystemStream):
        self.authority = authority
        self._database = database
        self._system = system
        self._known: tuple[tuple[str, int], ...] = ()
        self._standing: list[Standing] = []

    def standing(self) -> list[Standing]:
        """The models that are published or adopted and not retired, read anew where one has changed."""
        with self._database.read() as connection:
            rows = supervision.list_models(connection, Page(MODELS_AT_MOST, None), retired=False)
            known = tuple((str(row["model_id"]), int(row["updated_index"])) for row in rows)
            if known != self._known:
                agencies = self.authority().agencies
                self._standing = [one for model_id, _ in known for one in _runs(connection, model_id, agencies)]
                self._known = known
        return self._standing

    def known(self, lead_ids: Iterable[str]) -> frozenset[str]:
        """Those of the leads that were raised."""
        with self._database.read() as connection:
            heads = log.heads(connection, [("supervision", lead_id) for lead_id in lead_ids])
        return frozenset(stream_id for _, stream_id in heads)

    def events(self, digests: Iterable[str]) -> tuple[EventRef, ...]:
        """The events of these payload digests, in the order of the log."""
        with self._database.read() as connection:
            entries = [log.entry_by_digest(connection, digest) for digest in digests]
        entries.sort(key=lambda entry: entry.log_index)
        return tuple(EventRef(event_id=entry.event_id, payload_digest=entry.payload_digest) for entry in entries)

    def dataset(self, dataset_id: str, rows: Iterable[str]) -> tuple[CitedDataset, ...]:
        """The citation of rows of a registered data set, which is the one that was registered last under its name."""
        with self._database.read() as connection:
            for entry in reversed(log.registered_datasets(connection)):
                body = decode_payload(entry.payload, entry.event_type).body
                if isinstance(body, DatasetRegistered) and body.dataset_id == dataset_id:
                    return (CitedDataset(dataset_id=dataset_id, digest=body.digest, rows=tuple(rows)),)
        raise NotFound(f"no data set {dataset_id} is registered", field="dataset_id")

    def put(self, lead: LeadRaised) -> bool:
        """Whether the lead is new: another process may have raised it meanwhile. Durable when this returns."""
        try:
            self._system.append(lead, Stream(kind="supervision", id=lead.lead_id))
        except (Conflict, RuleRefused) as error:
            if error.code in ("not_on_head", "raised_already"):
                return False
            raise
        return True


def _runs(connection: Connection, model_id: str, agencies: Mapping[str, Agency]) -> Iterator[Standing]:
    """Who runs the model: its publisher by its defaults, unless it adopted its own model with others."""
    state = matters.matter_of(connection, STREAM + model_id, agencies)
    assert isinstance(state, ModelState)
    wanted: dict[str, tuple[int, Mapping[str, str]]] = {state.publisher: (state.newest.body.version, {})}
    wanted |= {agency: (adoption.version, adoption.parameters) for agency, adoption in state.adoptions.items()}
    for agency, (version, parameters) in sorted(wanted.items()):
        definition = next(one.body.definition for one in state.versions if one.body.version == version)
        try:
            yield Standing(parse_model(definition), agency, parameters)
        except ModelRefused as error:
            logger.warning("a published model is not run", model=model_id, version=version, reason=error.for_operator)
