"""What the tests of sequencing have in common: who signs, and what they ask the log and its answers for."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

from msgspec.structs import replace

from ledger.core.errors import TallystickError
from ledger.core.events import case as acts
from ledger.recording.publisher import Receipt
from ledger.recording.sequencer import Answer
from ledger.store import log
from tests.testkit.builders import POLICE, PROCURATORATE, Officer, SignedEvent, clerk, signed
from tests.testkit.ledgers import Ledger

OFFICERS = (clerk(POLICE), clerk(POLICE, 2), clerk(PROCURATORATE))
OPENED = acts.CaseOpened(
    case_number="1", case_type="theft", business_line="criminal", stage="investigation", procedure="cn-criminal"
)


def resigned(event: SignedEvent, by: Officer, **fields: Any) -> SignedEvent:
    """The same payload under another signature."""
    return SignedEvent(signed(replace(event.envelope, **fields), by), event.payload, event.sections)


def entries_of(ledger: Ledger) -> list[bytes]:
    with ledger.database.read() as connection:
        return [entry.envelope for entry in log.entries(connection, 0, log.count_entries(connection))]


def refusal(future: Future[Answer]) -> TallystickError:
    error = future.exception(60)
    assert isinstance(error, TallystickError)
    return error


def size_of(receipt: Receipt) -> int:
    return int(receipt.proof.partition("ledger.test/tests\n")[2].partition("\n")[0])
