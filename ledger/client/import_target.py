"""The service as the target of an import."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from ledger.client.exchange import ProblemDocument, error_of
from ledger.client.service import ServiceClient
from ledger.core.encoding import canonical
from ledger.core.errors import IntegrityBroken, MalformedInput, TallystickError
from ledger.core.events import decode_event
from ledger.interchange.imports.case_events import CaseEvent
from ledger.interchange.imports.importing import LookedUpRow
from ledger.interchange.imports.plan import Plan

LOOK_UP = "/api/v1/imports/look-up"
BATCH = "/api/v1/events/batch"
NDJSON = "application/x-ndjson"
PAGE = 1000  # events of an answer
GROUND = "comparison with the agency's own system"


class _FoundRows(Struct):
    rows: list[LookedUpRow]


class _Line(Struct):
    status: int
    problem: ProblemDocument | None = None


class _BatchAnswer(Struct):
    results: list[_Line]


class ImportTarget:
    """The service of a profile as a target of imports (``ledger.interchange.imports.importing.ImportLedger``)."""

    def __init__(self, service: ServiceClient):
        self._service = service

    def look_up(self, source_system: str, plans: Sequence[Plan]) -> Sequence[LookedUpRow]:
        """Return what the service has of each planned row. Raises IntegrityBroken for answers to other rows."""
        rows = [
            {"source_key": plan.source_key, "case_id": plan.case_id, "case_number": plan.case_number} for plan in plans
        ]
        asked = msgspec.json.encode({"source_system": source_system, "rows": rows})
        answers = self._service.post(LOOK_UP, asked, _FoundRows).rows
        if [(answer.source_key, answer.case_id) for answer in answers] != [
            (plan.source_key, plan.case_id) for plan in plans
        ]:
            raise IntegrityBroken("the service answered another question than the one asked", field="rows")
        return answers

    def events(self, case_id: str) -> Sequence[CaseEvent]:
        """Return the events of a case, each checked against its envelope. Raises IntegrityBroken."""
        pages = self._service.pages("/api/v1/events", "events", case_id=case_id, ground=GROUND, limit=PAGE)
        events = []
        for view in pages:
            try:
                event = decode_event(canonical.encode(view["envelope"]), canonical.encode(view["payload"]))
            except MalformedInput as error:
                raise IntegrityBroken("the service shows an event that is none: {error}", error=error) from error
            shown = view.get("sections")
            sections = None if shown is None else {name: part and part["fields"] for name, part in shown.items()}
            events.append(CaseEvent(event, sections))
        return events

    def submit(self, submissions: Sequence[bytes]) -> Sequence[TallystickError | None]:
        """Send signed submissions in one batch and return for each the error that refused it, or None."""
        answer = self._service.post(BATCH, b"\n".join(submissions), _BatchAnswer, content_type=NDJSON)
        if len(answer.results) != len(submissions):
            raise IntegrityBroken("the service did not answer each event", field="results")
        renamed = self._service.requests.renamed
        return [None if line.status < 300 else renamed(error_of(line.status, line.problem)) for line in answer.results]
