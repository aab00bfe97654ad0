"""False entries that the log itself took in: the tree is true, the entry is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger.core.events import Stream
from tests.campaigns.verifiers import changes
from tests.campaigns.verifiers.faults.naming import OTHER, has, of_case, original, simple
from tests.campaigns.verifiers.worlds import Base, Tree
from tests.testkit.builders import COURT, LOG_ID, PROCURATORATE, START, clerk, signed


def logged_signature(name: str, change: Callable[[bytes], bytes]) -> None:
    def of(base: Base) -> tuple[Tree, bytes] | None:
        event = base.world.log.events[base.index]
        from dataclasses import replace

        return (
            changes.relogged(base, replace(event, envelope=changes.resigned_as(event, change)))
            if of_case(base)
            else None
        )

    simple(name, of, 3)


N = changes.SECP256K1_ORDER

logged_signature("high-s twin", changes.high_s)

logged_signature("v of 0 or 1", lambda s: s[:64] + bytes([s[64] - 27]))

logged_signature("v 29", lambda s: s[:64] + b"\x1d")

logged_signature("v of the other point", lambda s: s[:64] + bytes([55 - s[64]]))

logged_signature("r of zero", lambda s: bytes(32) + s[32:])

logged_signature("s of zero", lambda s: s[:32] + bytes(32) + s[64:])

logged_signature("r of n", lambda s: N.to_bytes(32, "big") + s[32:])

logged_signature("r above n", lambda s: (N + 5).to_bytes(32, "big") + s[32:])

logged_signature("s above n", lambda s: s[:32] + (N + 5).to_bytes(32, "big") + s[64:])

logged_signature("signature of zeros", lambda s: bytes(65))

logged_signature("signature of ones", lambda s: b"\xff" * 64 + b"\x1b")


def logged(name: str, make: Callable[[Base], Any], *steps: int, **changed: Any) -> None:
    """Record an event that a dishonest log took in; None where the base is not of its kind."""

    def of(base: Base) -> tuple[Tree, bytes] | None:
        event = make(base) if of_case(base) else None
        return None if event is None else changes.relogged(base, event, **changed)

    simple(name, of, *steps)


def signed_by(base: Base, officer: Any, log_id: bytes = LOG_ID) -> Any:
    from dataclasses import replace

    event = original(base)
    return replace(event, envelope=signed(event.envelope, officer, log_id))


logged("signed by another's key", lambda base: signed_by(base, clerk(COURT)), 3)

logged("signed for another ledger", lambda base: signed_by(base, changes.officer_of(original(base)), bytes(32)), 3)

SAID_TWICE: dict[str, Any] = {
    "event_id": "01940000-0000-7000-8000-00000000ffff",
    "stream": Stream(kind="case", id="case-77"),
    "sequence": 77,
    "previous": OTHER,
}

for _field, _value in SAID_TWICE.items():
    logged(
        f"envelope and payload differ in {_field}",
        lambda base, f=_field, v=_value: changes.resealed(original(base), original(base).payload, **{f: v}),
        4,
    )

logged(
    "digest of another payload", lambda b: changes.resealed(original(b), original(b).payload, payload_digest=OTHER), 4
)

logged("previous null above sequence 0", lambda base: changes.resaid(base, previous=None, sequence=5), 4)

logged("previous given at sequence 0", lambda base: changes.resaid(base, previous=OTHER, sequence=0), 4)

logged(
    "stream of a kind that has no place for it",
    lambda b: changes.resaid(b, stream=Stream(kind="supervision", id="m")),
    4,
)

logged("system stream of another name", lambda b: changes.resaid(b, stream=Stream(kind="system", id="mine")), 4)

logged(
    "agency stream of another agency",
    lambda base: changes.resaid(base, stream=Stream(kind="agency", id=COURT)) if base.name == "erasure" else None,
    4,
)

logged(
    "no authority named",
    lambda base: changes.resaid(base, authority=None) if base.name == "erasure" else None,
    4,
)

logged("officer without the key", lambda base: changes.resaid(base, officer="somebody-else"), 9)

logged(
    "signed before the grant", lambda b: changes.resealed(original(b), original(b).payload, signed_at=START - 86_401), 9
)

logged(
    "signed after the grant",
    lambda base: changes.resealed(original(base), original(base).payload, signed_at=START + 366 * 86_400),
    9,
    13,  # it is signed after it was in the log, too
)


def by_clerk(base: Base) -> Any:
    """Let a clerk sign the erasure, which only a supervisor of the agency may."""
    from dataclasses import replace

    if base.name != "erasure":
        return None
    officer = clerk(PROCURATORATE)
    event = changes.resaid(base, officer=officer.officer_id)
    return replace(event, envelope=signed(replace_key(event.envelope, officer), officer))


def replace_key(envelope: Any, officer: Any) -> Any:
    from msgspec.structs import replace

    return replace(envelope, key_id=officer.key_id)


logged("erasure by a clerk", by_clerk, 9)

logged(
    "commitment to other sections",
    lambda base: (
        changes.resaid(base, confidential={"narrative": OTHER, "description": OTHER}) if has(base, "sections") else None
    ),
    8,
)
