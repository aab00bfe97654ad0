"""Notices in tests of the service: derived at once, or put in as if they had been, and asked for by officers."""

from __future__ import annotations

from typing import Any

import msgspec

from api.auth.sessions import ReaderSession
from ledger.core.signing.authority import Grant
from ledger.notices.noticing import notice
from ledger.store import notices as stored
from tests.api.service import Served
from tests.testkit.builders import Officer


def noticed(served: Served) -> int:
    return notice(served.ledger.database, served.ledger.validator, served.ledger.clock())


def put(served: Served, *rows: stored.Notice) -> None:
    """Store notices as if they had been derived."""
    with served.ledger.database.read() as connection:
        before = stored.position(connection)
    assert stored.store(served.ledger.database, before, rows, before)


def ask(served: Served, by: Officer, path: str, **body: Any) -> Any:
    return served.post(f"/api/v1/notices{path}", msgspec.json.encode(body), **served.token(by))


def later(served: Served, seconds: int) -> None:
    """Let time pass, and who was signed in sign in again."""
    served.ledger.clock.forward(seconds)
    served.forget_tokens()


def session_of(officer: Officer) -> ReaderSession:
    return ReaderSession(Grant(officer.key_id, officer.agency, officer.officer_id, officer.roles, 1, 0, 2**40, 0))
