"""Kept states: the state of a long case in the middle of its stream, from which it is folded on after a start.

Who can write in the database must not thereby decide what the service admits. So a state has a code under a key of the
service that is not in the database; one without it is not used. Audits compare each with what the events lead to.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import cache
from hmac import compare_digest

from blake3 import blake3
from sqlalchemy import ColumnElement, Connection, LargeBinary, cast, select

from ledger.core.custody import CaseState
from ledger.core.custody.kept_state import encode_state, state_format
from ledger.core.encoding.digests import blake3_text
from ledger.store.database import Change, Row
from ledger.store.program_version import program_version
from ledger.store.tables import KEPT_STATES

MOST = 1 << 27  # bytes of a state that an audit unpacks
# SQLite keeps what it is given: text in a column of bytes must stop nobody.
_COLUMNS = [
    cast(column, LargeBinary).label(column.name) if isinstance(column.type, LargeBinary) else column
    for column in KEPT_STATES.columns
]
_LEVEL = 1  # of zlib: a state has much in it that repeats itself


def state_key_of(service_key: bytes) -> bytes:
    """Derive the key of kept states from the 32-byte seed of the service's token key."""
    return blake3(service_key, derive_key_context="tallystick kept states").digest()


def row_of_state(state: CaseState, key: bytes) -> Change:
    """Return the row that keeps a state in the place of an earlier one of its case. Requires ``is_kept(state)``."""
    packed, form = zlib.compress(encode_state(state), _LEVEL), kept_format()
    own = {"case_id": state.case_id, "sequence": state.sequence}
    return KEPT_STATES, {**own, "format": form, "state": packed, "mac": _code(form, packed, key)}


def kept_state(connection: Connection, case_id: str, key: bytes) -> bytes | None:
    """Return the bytes of the state that is kept of a case; None if there is none that this service has made."""
    row = connection.execute(select(*_COLUMNS).where(KEPT_STATES.c.case_id == case_id)).first()
    if row is None or not compare_digest(_code(str(row.format), row.state, key), row.mac):
        return None
    return zlib.decompress(row.state) if row.format == kept_format() else None


@cache
def kept_format() -> str:
    """Return what states are kept as by this program: other rules may have come to another state."""
    return f"{program_version()} {state_format()}"


def kept_rows(connection: Connection, of_cases: ColumnElement[bool]) -> Iterator[tuple[str, Row]]:
    """Yield the rows of these cases as an audit compares them.

    Each has its case's id. The code is left out, for who audits has no key. What has another form is not yielded: no
    service of this version uses it.
    """
    for row in connection.execute(select(*_COLUMNS).where(KEPT_STATES.c.format == kept_format(), of_cases)):
        yield row.case_id, row_to_compare(row.case_id, row.sequence, _unpacked(row.state))


def row_to_compare(case_id: str, sequence: int, state: bytes | None) -> Row:
    """Return what an audit compares of a row; ``state`` is None if it cannot be unpacked."""
    digest = "unreadable" if state is None else blake3_text(state)
    return {"case_id": case_id, "sequence": sequence, "state": digest}


def _unpacked(packed: bytes) -> bytes | None:
    """Return the unpacked bytes, at most MOST of them; None for what a service has not packed."""
    unpacking = zlib.decompressobj()
    try:
        state = unpacking.decompress(packed, MOST)
    except zlib.error:
        return None
    return state if unpacking.eof and not unpacking.unused_data else None


def _code(form: str, packed: bytes, key: bytes) -> bytes:
    return blake3(f"{form} ".encode() + packed, key=key).digest()
