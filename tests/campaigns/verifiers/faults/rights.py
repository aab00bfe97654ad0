"""Faults of rights: entries that the log took in though they are false, and authority and revocation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from msgspec import structs

from ledger.core.events import Stream, registry
from scripts.docs.spoiled_signatures import SECP256K1_ORDER
from tests.campaigns.verifiers import changes
from tests.campaigns.verifiers.changes import put, relogged, resaid, resealed, resigned_as
from tests.campaigns.verifiers.faults.naming import (
    OTHER,
    Fits,
    anchored,
    called,
    entry,
    harmless,
    has,
    of_case,
    original,
    refused,
    simple,
)
from tests.campaigns.verifiers.worlds import Base, Tree
from tests.testkit.builders import COURT, LOG_ID, POLICE, PROCURATORATE, START, Officer, SignedEvent, clerk, signed

# -- entries -----------------------------------------------------------------------------------------------------------


def logged(name: str, make: Callable[[Base, SignedEvent], SignedEvent], *steps: int, of: Fits = of_case) -> None:
    """Record an event that a dishonest log took in, in place of the base's."""
    simple(name, lambda base: relogged(base, make(base, original(base))), *steps, of=of)


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


SIGNATURES: dict[str, Callable[[bytes], bytes]] = {
    "v 29": lambda s: s[:64] + b"\x1d",
    "r above n": lambda s: word(SECP256K1_ORDER + 5) + s[32:],
    "s above n": lambda s: s[:32] + word(SECP256K1_ORDER + 5) + s[64:],
    "signature of zeros": lambda s: bytes(65),
    "signature of ones": lambda s: b"\xff" * 64 + b"\x1b",
}
for _name, _change in SIGNATURES.items():
    logged(_name, lambda _, event, change=_change: replace(event, envelope=resigned_as(event, change)), 6)


def signed_by(event: SignedEvent, officer: Officer, log_id: bytes = LOG_ID) -> SignedEvent:
    return replace(event, envelope=signed(event.envelope, officer, log_id))


logged("signed by another's key", lambda _, event: signed_by(event, clerk(COURT)), 6)
logged("signed for another ledger", lambda _, event: signed_by(event, changes.officer_of(event), bytes(32)), 6)


def misplaced(base: Base, **fields: Any) -> Tree:
    """Return the bundle of a log with the base's event in another place, signed as such."""
    event = original(base)
    return relogged(base, resealed(event, event.payload, **fields))[0]


refused("agency stream of another agency", lambda b: misplaced(b, stream=Stream(kind="agency", id="another")), of_case)

# What its event type demands is no matter of integrity.
ERASURE = called("erasure")


def sound(name: str, make: Callable[[Base, SignedEvent], SignedEvent], of: Fits = of_case) -> None:
    """Record another event in place of the base's, with which integrity finds no fault."""
    harmless(
        name,
        lambda base: relogged(base, make(base, original(base))),
        of=lambda base: of(base) and anchored(base),  # as the log is that holds the other one
    )


BODIES: tuple[Any, ...] = ({}, {"toString": 1}, {"__proto__": {}}, {"item_id": ["x", None, True, -1]})
for _body in BODIES:
    sound(f"the body {_body}", lambda base, _, body=_body: resaid(base, body=body))
sound("no authority named", lambda base, _: resaid(base, authority=None), ERASURE)
logged("officer without the key", lambda base, _: resaid(base, officer="somebody-else"), 10)
logged("signed before the grant", lambda _, event: resealed(event, event.payload, signed_at=START - 86_401), 10)
logged(
    "signed after the grant",
    lambda _, event: resealed(event, event.payload, signed_at=START + 366 * 86_400),
    10,
    12,  # it is signed after it was in the log, too
)


def by_clerk(base: Base, _: SignedEvent) -> SignedEvent:
    """Let a clerk sign the erasure, which only a supervisor of the agency may."""
    officer = clerk(PROCURATORATE)
    event = resaid(base, officer=officer.officer_id)
    return signed_by(replace(event, envelope=structs.replace(event.envelope, key_id=officer.key_id)), officer)


sound("erasure by a clerk", by_clerk, ERASURE)
logged(
    "commitment to other sections",
    lambda base, _: resaid(base, confidential={"narrative": OTHER, "description": OTHER}),
    9,
    of=lambda base: of_case(base) and has(base, "sections"),
)


# -- rights ------------------------------------------------------------------------------------------------------------


def grant_of(base: Base) -> int:
    """Return the entry of the grant of the base's key."""
    return base.world.log.find(registry.KeyGranted, key_id=original(base).envelope.key_id)[0]


def admission_of(base: Base) -> int:
    return base.world.log.find(registry.AgencyAdmitted, agency=original(base).envelope.agency)[0]


def of_court(base: Base) -> int:
    """Return the entry of a grant by another agency."""
    return base.world.log.find(registry.KeyGranted, key_id=clerk(COURT).key_id)[0]


def edited_entry(name: str, index: Callable[[Base], int], path: tuple[str, ...], value: Any) -> None:
    """Edit what the event rests on: what does not hold counts as left out."""
    harmless(
        name,
        lambda base: put(base.tree, ("entries", base.place_of(index(base)), *path), value),
        "unverifiable",
        of=of_case,
    )


harmless("grant of another agency besides", lambda b: b.with_entry(entry(b, of_court(b))), of=of_case)
harmless(
    "grant of another agency instead",
    lambda b: replace(b, tree=b.without(grant_of(b))).with_entry(entry(b, of_court(b))),
    "unverifiable",
    of=of_case,
)
edited_entry("grant's envelope edited", grant_of, ("envelope", "signed_at"), 1)
edited_entry("grant signed by another", grant_of, ("envelope", "key_id"), clerk(COURT).key_id)
edited_entry("grant's payload edited", grant_of, ("payload", "salt"), "00" * 16)
edited_entry("admission's payload edited", admission_of, ("payload", "salt"), "00" * 16)


def revoked_and_anchored(base: Base) -> bool:
    return original(base).envelope.key_id == clerk(POLICE).key_id and has(base, "anchor")


# One that is shown and does not hold counts as hidden: the registry's slot tells of it.
SPOILED: dict[str, tuple[tuple[str, ...], Any]] = {
    "with another's signature": (("envelope", "key_id"), clerk(COURT).key_id),
    "of another payload": (("payload", "salt"), "00" * 16),
}
for _name, (_path, _value) in SPOILED.items():
    simple(
        f"revocation {_name}",
        lambda b, p=_path, v=_value: put(b.tree, ("entries", b.place_of(b.world.revocation), *p), v),
        11,
        of=revoked_and_anchored,
    )
simple("revocation left out", lambda b: b.without(b.world.revocation), 11, of=revoked_and_anchored)
