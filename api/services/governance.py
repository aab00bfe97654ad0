"""What an agency that supervises sees of all its jurisdiction: reports, graphs, and the data sets that models query."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from api.auth.reading import Reading
from api.services.service import Service
from ledger.core.errors import Unauthorized
from ledger.core.events.supervision import BilingualText
from ledger.core.messages import Message, plain
from ledger.core.procedure.jurisdiction import lies_within
from ledger.core.visibility import GOVERNING, MODELLING
from ledger.i18n import Labels
from ledger.store import cases, imports, supervision
from ledger.store.cases import Page
from ledger.store.database import Connection
from ledger.store.imports import RegisteredDataset
from ledger.supervision.correlation import GraphNode, node_called
from ledger.supervision.reports.presentation import Called, content_of, set_report, to_html
from ledger.supervision.reports.questions import ReportScope, SupervisionReport, make_report
from ledger.supervision.runs.datasets import current_registrations, rank_in_line
from ledger.supervision.view_catalogue import ViewQueries
from ledger.timeline.sentences import names_by_id


def node_named(service: Service, session: ViewQueries, text: str, as_of: datetime, *, field: str = "from") -> GraphNode:
    """Return the node of a reader's text: ``kind:id``, a case id, or a case number."""
    with service.parts.database.read() as connection:
        numbered = cases.with_number(connection, text)
    return node_called(session, text, numbered, as_of=as_of, field=field)


def called_in(service: Service, labels: Labels) -> Called:
    """Return the names of agencies by the registry, and of models by the titles of their newest versions."""

    def titles() -> dict[str, BilingualText]:
        with service.parts.database.read() as connection:
            return supervision.model_titles(connection)

    return Called(names_by_id(lambda: service.parts.authority().names(), labels), names_by_id(titles, labels))


def require_governing(reading: Reading, *, roles: tuple[str, ...] = GOVERNING) -> str:
    """Return the jurisdiction of the reader's supervising agency if the reader has a role that covers all of it.

    Raises Unauthorized.
    """
    reading.require_role(*roles)
    if not reading.of_supervising_agency:
        raise Unauthorized("this is for supervising agencies", code="not_a_supervising_agency")
    return reading.authority.agencies[reading.agency].profile.jurisdiction


def require_modelling(reading: Reading) -> str:
    """Return the jurisdiction of the reader's supervising agency if the reader may write and run models over it.

    Raises Unauthorized.
    """
    return require_governing(reading, roles=MODELLING)


def within_own(reading: Reading, jurisdiction: str | None) -> str:
    """Return the requested jurisdiction, or the reader's own. Raises Unauthorized for one that is not below its own."""
    own = require_governing(reading)
    if jurisdiction is not None and not lies_within(jurisdiction, own):
        raise Unauthorized(
            "your agency's jurisdiction is {own}", own=own, field="jurisdiction", code="outside_jurisdiction"
        )
    return jurisdiction or own


def report_on(service: Service, reading: Reading, scope: ReportScope) -> SupervisionReport:
    """Return the report on a period and a jurisdiction, and record the read."""
    views, now = service.parts.supervisor.views, datetime.fromisoformat(reading.reader.now)
    views.refresh()
    with views.session(jurisdiction=scope.jurisdiction, now=now) as session:
        report = make_report(session, scope, tree_size=session.size, as_of=now)
    reading.record(Message("report from {scope.since} to {scope.until}", scope=scope))
    return report


def report_file(
    service: Service, reading: Reading, labels: Labels, scope: ReportScope, file_format: Literal["json", "html", "pdf"]
) -> bytes:
    """Return the report as a file of this format."""
    with service.parts.workers.turn(reading.agency) as turn:
        report = report_on(service, reading, scope)
        if file_format == "json":
            return msgspec.json.encode(report, enc_hook=plain)
        called = called_in(service, labels)
        if file_format == "html":
            return to_html(report, labels, called).encode()
        return turn.run(set_report, content_of(report, labels, called))


def known_to_models(service: Service, reading: Reading) -> frozenset[str]:
    """Return the ids of the data sets that models of the reader's agency can query.

    Their registration must be by an agency in line with the reader's, and their file must have been given.
    """
    with service.parts.database.read() as connection:
        registered = datasets_in_line(connection, reading, Page(imports.MAX_DATASETS))
        kept = imports.kept_files(connection)
    return frozenset(dataset.body.dataset_id for dataset in registered if dataset.body.digest in kept)


def datasets_in_line(connection: Connection, reading: Reading, window: Page) -> list[RegisteredDataset]:
    """Return the registrations in force, of agencies in line with the reader's."""
    after = -1 if window.after is None else int(window.after)
    ranks = rank_in_line(reading.agency, reading.authority.agencies)
    counting = current_registrations(imports.every_dataset(connection), ranks).values()
    return sorted((dataset for dataset in counting if dataset.index > after), key=lambda dataset: dataset.index)[
        : window.limit
    ]
