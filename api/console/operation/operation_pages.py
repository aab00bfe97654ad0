"""The operator's pages: the status of the service, the journal of the chain, and the loading of sample data."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import RedirectResponse, Response

from api.console.shared.access import PublicVisit, PublicVisitOf, page_router
from api.console.shared.rendering import PATH
from api.services.parts import Parts
from api.services.service import Service
from api.services.service_status import alarms, days_of_log, service_status
from ledger.chain.transaction import decode
from ledger.config.installation import DataDirectory
from ledger.core.errors import Conflict, TallystickError
from ledger.core.messages import Message
from ledger.loggers import get_logger
from ledger.samples import load as loading
from ledger.samples.load import InsideLedger, Progress
from ledger.samples.town import PEOPLE
from ledger.store.chain_journal import DatabaseJournal
from ledger.supervision.runs.datasets import DatasetFiles

WRITES = 50  # of the journal at a time

router = page_router()
Before = Annotated[int | None, Query(ge=1, lt=2**53)]


@router.get("/operation")
def operation(visit: PublicVisitOf) -> Response:
    """Show the public status; signed-in readers also see incidents, runs, imports and webhooks."""
    return _status_page(visit, "operation/operation.html")


@router.get("/operation/now")
def operation_now(visit: PublicVisitOf) -> Response:
    """Return the part of the page that is requested again and again."""
    return _status_page(visit, "operation/operation_now.html")


@router.get("/operation/journal")
def journal(visit: PublicVisitOf, before: Before = None) -> Response:
    """Show what was sent to the chain, the newest first, with gas and fee of each transaction."""
    writes = DatabaseJournal(visit.service.parts.database).newest(WRITES, before)
    lines = [(write, decode(write.raw_transaction).transaction) for write in writes]
    following = writes[-1].number if len(writes) == WRITES else None
    return visit.page("operation/journal.html", lines=lines, following=following)


def _status_page(visit: PublicVisit, template: str) -> Response:
    parts = visit.service.parts
    status = service_status(parts, visit.visitor)
    if visit.visitor is not None and template == "operation/operation.html":
        visit.visitor.record(Message("state of the service"))
    return visit.page(
        template,
        of=status,
        log_days=days_of_log(parts, status.tree.size),
        alarms=alarms(status),
        settings=parts.settings,
        trust=parts.trust.trust,
    )


logger = get_logger(__name__)


class Loading:
    """The loading of sample data, once a service, in a thread of its own.

    ``fault`` is why it stopped before its end, and ``hint`` what to do about it.
    """

    def __init__(self, parts: Parts):
        self._parts = parts
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_town: bool | None = None
        self.progress: Progress | None = None
        self.fault: str | None = None
        self.hint: str | None = None

    @property
    def where(self) -> DataDirectory:
        return DataDirectory(self._parts.settings.data_dir)

    @property
    def runs(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def has_ended(self) -> bool:
        return self.progress is not None and self.progress.part is None

    def is_offered(self) -> bool:
        """Return whether this is an empty development ledger with the keys of the town, and loading has not begun."""
        if not self._parts.trust.trust.development or self.runs or self.has_ended or self._is_town is False:
            return False
        try:
            self._require()
        except TallystickError:
            return False
        return True

    def start(self) -> None:
        """Start, or continue after a fault, unless it is running already. Raises what ``load`` refuses."""
        with self._lock:
            if self.runs:
                return
            self._require()
            self.fault = self.hint = None
            self._thread = threading.Thread(target=self._run, name="samples", daemon=True)
            self._thread.start()

    def _require(self) -> None:
        self._is_town = False
        loading.require_development(self.where)
        self._is_town = True
        loading.require_empty(self.where, self._ledger())
        if self.fault is None and loading.is_begun(self.where):
            raise Conflict(
                "sample data was begun here already",
                code="not_empty",
                hint="Where it did not come to its end, go on with: tally sample load",
            )

    def _run(self) -> None:
        try:
            loading.load(self.where, self._ledger(), self._keep)
        except TallystickError as error:
            logger.warning("sample data not loaded", reason=error.for_operator)
            self.fault, self.hint = error.message, error.hint
        except Exception as error:
            logger.exception("sample data not loaded for a reason that nobody foresaw")
            self.fault = type(error).__name__

    def _keep(self, progress: Progress) -> None:
        self.progress = progress

    def _ledger(self) -> InsideLedger:
        parts = self._parts
        return InsideLedger(
            database=parts.database,
            validator=parts.validator,
            sequencer=parts.sequencer,
            authority=parts.authority,
            registry=lambda: parts.chain_worker.link.registry,
            files=DatasetFiles(parts.database),
            runs=lambda: parts.supervisor.state,
            clock=parts.clock,
        )


def loading_of(request: Request) -> Loading:
    """Return the loading of the service that this console shows."""
    service_loading: Loading = request.app.state.loading
    return service_loading


@router.post("/samples")
def load_samples(request: Request) -> Response:
    """Start loading. Refused unless this is an empty development ledger, whoever asks."""
    loading_of(request).start()
    return RedirectResponse(f"{PATH}/samples", 303)


@router.get("/samples")
def show_samples(visit: PublicVisitOf) -> Response:
    """Show the progress, and at the end as whom one may sign in."""
    return visit.page("operation/samples.html", **_values(visit.request, visit.service))


@router.get("/samples/now")
def samples_now(visit: PublicVisitOf) -> Response:
    """Return the part of the page that is requested again and again."""
    return visit.page("operation/samples_now.html", **_values(visit.request, visit.service))


def _values(request: Request, service: Service) -> dict[str, Any]:
    folder: Path = service.parts.settings.data_dir.absolute()
    return {"loading": loading_of(request), "of": len(loading.PARTS), "people": PEOPLE, "data_dir": folder}
