"""The operator's pages: the status of the service, refreshed by itself, and the journal of the chain."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api.auth.reading import Reading
from api.console.access import Visits, session_of
from api.console.alarms import alarms
from api.console.rendering import page
from api.console.standing import service_status
from api.dependencies import Service, ServiceOf
from ledger.chain.journal import ChainWrite
from ledger.chain.transaction import decode
from ledger.store.chain_journal import DatabaseJournal

WRITES = 50  # of the journal at a time

router = APIRouter()
Before = Annotated[int | None, Query(ge=1, lt=2**53)]


class JournalLine(NamedTuple):
    """A write of the journal with the maximum gas, and wei per gas, of its transaction."""

    write: ChainWrite
    gas: int
    fee: int


@router.get("/operation")
def operation(request: Request, service: ServiceOf, visitor: Visits) -> Response:
    """Show the public status; signed-in readers also see incidents, runs, imports and webhooks."""
    return _status_page(request, service, visitor, "operation.html")


@router.get("/operation/now")
def operation_now(request: Request, service: ServiceOf, visitor: Visits) -> Response:
    """Return the part of the page that is requested again and again."""
    return _status_page(request, service, visitor, "operation_now.html")


@router.get("/operation/journal")
def journal(request: Request, service: ServiceOf, visitor: Visits, before: Before = None) -> Response:
    """Show what was sent to the chain, the newest first."""
    writes = DatabaseJournal(service.parts.database).newest(WRITES, before)
    values: dict[str, Any] = {
        "lines": [_journal_line(write) for write in writes],
        "following": writes[-1].number if len(writes) == WRITES else None,
    }
    return page(request, service, "journal.html", session_of(visitor), **values)


def _status_page(request: Request, service: Service, visitor: Reading | None, template: str) -> Response:
    status = service_status(service, visitor)
    if visitor is not None and template == "operation.html":
        visitor.record("operation")
    return page(request, service, template, session_of(visitor), of=status, alarms=alarms(status))


def _journal_line(write: ChainWrite) -> JournalLine:
    transaction = decode(write.raw_transaction).transaction
    return JournalLine(write, transaction.gas, transaction.fees.max_fee)
