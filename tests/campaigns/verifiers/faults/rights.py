"""Faults of rights: entries that the log took in though they are false, and authority and revocation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from msgspec import structs

from ledger.core.events import Stream, registry
from tests.campaigns.verifiers import changes
from tests.campaigns.verifiers.changes import SECP256K1_ORDER, put, relogged, resaid, resealed, resigned_as, without
from tests.campaigns.verifiers.faults.naming import (
    OTHER,
    SAID_TWICE,
    Changed,
    Fits,
    called,
    edited,
    evidence,
    harmless,
    has,
    of_case,
    original,
    other_tree_head,
    signed_by_stranger,
    simple,
)
from tests.campaigns.verifiers.worlds import Base
from tests.testkit.builders import COURT, LOG_ID, POLICE, PROCURATORATE, START, Event, Officer, clerk, signed
from tests.testkit.bundles import Log
from tests.testkit.casework import Case

# -- entries -----------------------------------------------------------------------------------------------------------


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


# -- rights ------------------------------------------------------------------------------------------------------------

GRANT, AGENCY = ("authority", "grant"), ("authority", "agency")
REVOCATION = ("authority", "revocation")
OF_COURT = 6  # the entry by which the court is admitted


def authorised(base: Base) -> bool:
    return has(base, "authority")


def granted_to(base: Base, officer: Officer) -> Any:
    index = base.world.log.find(registry.KeyGranted, key_id=officer.key_id)
    assert index is not None
    return evidence(base, index)


def of_court(base: Base) -> Any:
    changed = put(base.tree, GRANT, granted_to(base, clerk(COURT)))
    return put(changed, AGENCY, evidence(base, OF_COURT))


simple("authority without the admission", lambda b: without(b.tree, AGENCY), 9, of=authorised)
simple("grant of another agency", lambda b: put(b.tree, GRANT, granted_to(b, clerk(COURT))), 9, of=authorised)
simple("admission and grant of another agency", of_court, 9, of=authorised)
simple("admission of another agency", lambda b: put(b.tree, AGENCY, evidence(b, OF_COURT)), 9, of=authorised)
edited("grant's envelope edited", (*GRANT, "envelope", "signed_at"), 1, 9, of=authorised)
for _part in ("payload", "proof"):
    simple(
        f"grant with the {_part} of the admission",
        lambda b, part=_part: put(b.tree, (*GRANT, part), b.tree["authority"]["agency"][part]),
        9,
        of=authorised,
    )
edited("grant under another tree head", (*GRANT, "proof"), other_tree_head, 9, of=authorised)
harmless("grant with a stranger's line", lambda b: put(b.tree, (*GRANT, "proof"), signed_by_stranger), of=authorised)
simple("grant without a proof", lambda b: without(b.tree, (*GRANT, "proof")), 9, of=authorised)
simple("the entry itself as the grant", lambda b: put(b.tree, GRANT, evidence(b, b.index)), 9, of=authorised)


def registered_otherwise(name: str, arrange: Callable[[Log, Any], None], *steps: int) -> None:
    """Make a log whose registry says something else of the clerk of POLICE, who opens a case."""

    def of(base: Base) -> Changed:
        log, opening = Log(), Case().open().events[0]
        arrange(log, opening)
        world = base.world.holding(log)
        return world.bundle(log.events.index(opening)), world.trust_bytes

    if steps:
        simple(name, of, *steps, of=called("opened"))
    else:
        harmless(name, of, of=called("opened"))


def terms(**granted_as: Any) -> Callable[[Log, Any], None]:
    def arrange(log: Log, opening: Any) -> None:
        log.registry.admit(POLICE, PROCURATORATE).grant(clerk(POLICE), **granted_as)
        log.mirror()
        log.add(opening)

    return arrange


def late_grant(log: Log, opening: Any) -> None:
    log.registry.admit(POLICE)
    log.mirror()
    log.add(opening)
    log.registry.grant(clerk(POLICE))
    log.mirror()


def grant_first(log: Log, opening: Any) -> None:
    terms()(log, opening)
    log.events.reverse()
    log.events.append(log.events.pop(0))


registered_otherwise("grant for another officer", terms(officer="somebody-else"), 9)
registered_otherwise("grant of another suite", terms(suite=2), 9)
registered_otherwise("grant that begins later", terms(valid_from=START + 31), 9)
registered_otherwise("grant by an agency for another's officer", terms(agency=PROCURATORATE), 9)
registered_otherwise("grant to the second", terms(valid_from=START + 30, valid_until=START + 31))
registered_otherwise("grant above the entry", late_grant, 9)
registered_otherwise("admission above the grant", grant_first, 9)


def revoked_and_anchored(base: Base) -> bool:
    return has(base, *REVOCATION) and has(base, "anchor")


# One that is shown and does not hold counts as hidden: the registry's slot tells of it.
SPOILED: dict[str, tuple[tuple[str, ...], Any]] = {
    "with another's signature": (("envelope", "key_id"), clerk(COURT).key_id),
    "that is no evidence": ((), {}),
    "under another tree head": (("proof",), other_tree_head),
}
for _name, (_path, _value) in SPOILED.items():
    edited(f"revocation {_name}", (*REVOCATION, *_path), _value, 12, of=revoked_and_anchored)
harmless(
    "revocation with a stranger's line",
    lambda b: put(b.tree, (*REVOCATION, "proof"), signed_by_stranger),
    of=lambda base: has(base, *REVOCATION),
)
