"""False entries that the log itself took in: the tree is true, the entry is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from msgspec import structs

from ledger.core.events import Stream
from tests.campaigns.verifiers import changes
from tests.campaigns.verifiers.changes import SECP256K1_ORDER, relogged, resaid, resealed, resigned_as
from tests.campaigns.verifiers.faults.naming import OTHER, Fits, called, has, of_case, original, simple
from tests.campaigns.verifiers.worlds import Base
from tests.testkit.builders import COURT, LOG_ID, PROCURATORATE, START, Event, Officer, clerk, signed


def logged(name: str, make: Callable[[Base, Event], Event], *steps: int, of: Fits = of_case) -> None:
    """Record an event that a dishonest log took in, in place of the base's."""
    simple(name, lambda base: relogged(base, make(base, original(base))), *steps, of=of)


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


SIGNATURES: dict[str, Callable[[bytes], bytes]] = {
    "high-s twin": changes.high_s,
    "v of 0 or 1": lambda s: s[:64] + bytes([s[64] - 27]),
    "v 29": lambda s: s[:64] + b"\x1d",
    "v of the other point": lambda s: s[:64] + bytes([55 - s[64]]),
    "r of zero": lambda s: bytes(32) + s[32:],
    "s of zero": lambda s: s[:32] + bytes(32) + s[64:],
    "r of n": lambda s: word(SECP256K1_ORDER) + s[32:],
    "r above n": lambda s: word(SECP256K1_ORDER + 5) + s[32:],
    "s above n": lambda s: s[:32] + word(SECP256K1_ORDER + 5) + s[64:],
    "signature of zeros": lambda s: bytes(65),
    "signature of ones": lambda s: b"\xff" * 64 + b"\x1b",
}
for _name, _change in SIGNATURES.items():
    logged(_name, lambda _, event, change=_change: replace(event, envelope=resigned_as(event, change)), 3)


def signed_by(event: Event, officer: Officer, log_id: bytes = LOG_ID) -> Event:
    return replace(event, envelope=signed(event.envelope, officer, log_id))


logged("signed by another's key", lambda _, event: signed_by(event, clerk(COURT)), 3)
logged("signed for another ledger", lambda _, event: signed_by(event, changes.officer_of(event), bytes(32)), 3)

SAID_TWICE: dict[str, Any] = {
    "event_id": "01940000-0000-7000-8000-00000000ffff",
    "stream": Stream(kind="case", id="case-77"),
    "sequence": 77,
    "previous": OTHER,
    "payload_digest": OTHER,
}
for _field, _value in SAID_TWICE.items():
    logged(
        f"envelope and payload differ in {_field}",
        lambda _, event, f=_field, v=_value: resealed(event, event.payload, **{f: v}),
        4,
    )

IMPOSSIBLE: dict[str, dict[str, Any]] = {
    "previous null above sequence 0": {"previous": None, "sequence": 5},
    "previous given at sequence 0": {"previous": OTHER, "sequence": 0},
    "stream of a kind that has no place for it": {"stream": Stream(kind="supervision", id="m")},
    "system stream of another name": {"stream": Stream(kind="system", id="mine")},
}
for _name, _fields in IMPOSSIBLE.items():
    logged(_name, lambda base, _, fields=_fields: resaid(base, **fields), 4)

ERASURE = called("erasure")
other_agency = Stream(kind="agency", id=COURT)
logged("agency stream of another agency", lambda base, _: resaid(base, stream=other_agency), 4, of=ERASURE)
logged("no authority named", lambda base, _: resaid(base, authority=None), 4, of=ERASURE)
logged("officer without the key", lambda base, _: resaid(base, officer="somebody-else"), 9)
logged("signed before the grant", lambda _, event: resealed(event, event.payload, signed_at=START - 86_401), 9)
logged(
    "signed after the grant",
    lambda _, event: resealed(event, event.payload, signed_at=START + 366 * 86_400),
    9,
    13,  # it is signed after it was in the log, too
)


def by_clerk(base: Base, _: Event) -> Event:
    """Let a clerk sign the erasure, which only a supervisor of the agency may."""
    officer = clerk(PROCURATORATE)
    event = resaid(base, officer=officer.officer_id)
    return signed_by(replace(event, envelope=structs.replace(event.envelope, key_id=officer.key_id)), officer)


logged("erasure by a clerk", by_clerk, 9, of=ERASURE)
logged(
    "commitment to other sections",
    lambda base, _: resaid(base, confidential={"narrative": OTHER, "description": OTHER}),
    8,
    of=lambda base: of_case(base) and has(base, "sections"),
)
