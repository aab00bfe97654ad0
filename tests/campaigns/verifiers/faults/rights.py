"""Faults of authority and revocation."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from tests.campaigns.verifiers import changes
from tests.campaigns.verifiers.changes import put, without, written
from tests.campaigns.verifiers.faults.naming import (
    Changed,
    Mutated,
    comes_to,
    evidence,
    fails,
    fault,
    harmless,
    has,
    of_case,
    original,
    other_tree_head,
    simple,
    strangers_line,
    twice,
)
from tests.campaigns.verifiers.worlds import Base, Tree
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, START, clerk, supervisor
from tests.testkit.bundles import Log


def granted(name: str, change: Callable[[Base], Tree | bytes | None], *steps: int) -> None:
    simple(name, lambda base: change(base) if has(base, "authority") else None, *steps)


GRANT, AGENCY = ("authority", "grant"), ("authority", "agency")

granted("authority null", lambda b: b.tree | {"authority": None}, 9)

granted("authority with an unknown field", lambda b: put(b.tree, ("authority", "more"), 1), 9)

granted("authority with a key twice", lambda b: twice(b, "authority"), 9)

granted("authority without the grant", lambda b: without(b.tree, GRANT), 9)

granted("authority without the admission", lambda b: without(b.tree, AGENCY), 9)

granted(
    "grant and admission swapped",
    lambda b: put(put(b.tree, GRANT, b.tree["authority"]["agency"]), AGENCY, b.tree["authority"]["grant"]),
    9,
)

granted("admission in place of the grant", lambda b: put(b.tree, GRANT, b.tree["authority"]["agency"]), 9)

granted("grant of another agency", lambda b: put(b.tree, GRANT, evidence(b, granted_to(b, clerk(COURT)))), 9)

granted(
    "admission and grant of another agency",
    lambda b: put(put(b.tree, GRANT, evidence(b, granted_to(b, clerk(COURT)))), AGENCY, evidence(b, 6)),
    9,
)

granted("grant of a colleague", lambda b: put(b.tree, GRANT, evidence(b, colleague(b))), 9)

granted("admission of another agency", lambda b: put(b.tree, AGENCY, evidence(b, 6)), 9)

granted("grant edited", lambda b: put(b.tree, (*GRANT, "payload", "body", "valid_until"), 2**52), 9)

granted("grant's envelope edited", lambda b: put(b.tree, (*GRANT, "envelope", "signed_at"), 1), 9)

granted(
    "grant with the payload of the admission",
    lambda b: put(b.tree, (*GRANT, "payload"), b.tree["authority"]["agency"]["payload"]),
    9,
)

granted(
    "grant with the proof of the admission",
    lambda b: put(b.tree, (*GRANT, "proof"), b.tree["authority"]["agency"]["proof"]),
    9,
)

granted("grant under another tree head", lambda b: put(b.tree, (*GRANT, "proof"), other_tree_head), 9)

harmless(
    "grant with a stranger's line",
    lambda b: put(b.tree, (*GRANT, "proof"), lambda p: p + strangers_line()) if has(b, "authority") else None,
)

granted("grant without a proof", lambda b: without(b.tree, (*GRANT, "proof")), 9)

granted("the entry itself as the grant", lambda b: put(b.tree, GRANT, evidence(b, b.index)), 9)


def granted_to(base: Base, officer: Any) -> int:
    from ledger.core.events import registry

    grant_event = base.world.log.find(registry.KeyGranted, key_id=officer.key_id)
    assert grant_event is not None
    return grant_event


def colleague(base: Base) -> int:
    officer = changes.officer_of(original(base))
    other = clerk(officer.agency) if officer == supervisor(officer.agency) else supervisor(officer.agency)
    return granted_to(base, other)


@fault("authority of an entry of the ledger itself")
def _service_authority(base: Base, chance: random.Random) -> Mutated | None:
    """Give a grant to a bundle that needs none: it is not looked at."""
    if of_case(base):
        return None
    other = base.world.bundle(base.world.index_of(0))["authority"]
    return comes_to(base.tree | {"authority": chance.choice([other, None, 7])}, base.verdict)


def registered_otherwise(name: str, arrange: Callable[[Log, Any], None], *steps: int, hide: bool = False) -> None:
    """Make a log whose registry says something else of the clerk of POLICE, who opens a case."""

    def of(base: Base) -> Changed:
        from tests.testkit.casework import Case

        if base.name != "opened":
            return None
        log, opening = Log(), Case().open().events[0]
        arrange(log, opening)
        world = base.world.holding(log)
        shown = world.bundle(log.events.index(opening))
        if hide:
            del shown["authority"]["revocation"]
        return shown, world.trust_bytes

    if steps:
        simple(name, of, *steps)
    else:
        harmless(name, of)


def terms(**granted_as: Any) -> Callable[[Log, Any], None]:
    def arrange(log: Log, opening: Any) -> None:
        log.registry.admit(POLICE, PROCURATORATE).grant(clerk(POLICE), **granted_as)
        log.mirror()
        log.add(opening)

    return arrange


registered_otherwise("grant for another role", terms(roles=("auditor",)), 9)

registered_otherwise("grant for another officer", terms(officer="somebody-else"), 9)

registered_otherwise("grant of another suite", terms(suite=2), 9)

registered_otherwise("grant that begins later", terms(valid_from=START + 31), 9)

registered_otherwise("grant that has ended", terms(valid_until=START + 30), 9)

registered_otherwise("grant by an agency for another's officer", terms(agency=PROCURATORATE), 9)

registered_otherwise("grant to the second", terms(valid_from=START + 30, valid_until=START + 31))


def late_grant(log: Log, opening: Any) -> None:
    log.registry.admit(POLICE)
    log.mirror()
    log.add(opening)
    log.registry.grant(clerk(POLICE))
    log.mirror()


def grant_first(log: Log, opening: Any) -> None:
    log.registry.admit(POLICE).grant(clerk(POLICE))
    log.mirror()
    log.events.reverse()
    log.add(opening)


def own_grant(log: Log, opening: Any) -> None:
    log.registry.admit(POLICE)
    log.mirror()
    log.registry.grant(clerk(POLICE))
    log.mirror(by=clerk(POLICE))
    log.add(opening)


def revoked(log: Log, opening: Any) -> None:
    log.registry.admit(POLICE).grant(clerk(POLICE)).revoke(clerk(POLICE))
    log.mirror()
    log.add(opening)


registered_otherwise("grant above the entry", late_grant, 9)

registered_otherwise("admission above the grant", grant_first, 9)

registered_otherwise("grant that the officer wrote himself", own_grant, 9)

registered_otherwise("revoked below the entry", revoked, 12)

registered_otherwise("revoked below the entry, and hidden", revoked, 12, hide=True)

REVOCATION = ("authority", "revocation")


@fault("revoked below the entry, in no block that anybody trusts")
def _revoked_unanchored(base: Base, chance: random.Random) -> Mutated | None:
    """Show a revocation that holds: it counts, whatever the chain says."""
    from tests.testkit.casework import Case

    if base.name != "opened":
        return None
    log, opening = Log(), Case().open().events[0]
    revoked(log, opening)
    return fails(base.world.holding(log).bundle(log.events.index(opening), anchored=False), 12)


def revocation(name: str, change: Callable[[Base], Tree | bytes]) -> None:
    """One that is shown and does not hold counts as hidden: the registry's slot tells of it."""
    simple(name, lambda base: change(base) if has(base, *REVOCATION) and has(base, "anchor") else None, 12)


revocation("revocation that is a grant", lambda b: put(b.tree, REVOCATION, b.tree["authority"]["grant"]))

revocation("revocation edited", lambda b: put(b.tree, (*REVOCATION, "payload", "body", "number"), 1))

revocation(
    "revocation with another's signature",
    lambda b: put(b.tree, (*REVOCATION, "envelope", "key_id"), clerk(COURT).key_id),
)

revocation("revocation that is no evidence", lambda b: put(b.tree, REVOCATION, {}))

revocation("revocation null", lambda b: put(b.tree, REVOCATION, None))

revocation("revocation with an unknown field", lambda b: put(b.tree, (*REVOCATION, "more"), 1))

revocation("revocation under another tree head", lambda b: put(b.tree, (*REVOCATION, "proof"), other_tree_head))

harmless(
    "revocation with a stranger's line",
    lambda b: put(b.tree, (*REVOCATION, "proof"), lambda p: p + strangers_line()) if has(b, *REVOCATION) else None,
)

revocation("revocation hidden", lambda b: without(b.tree, REVOCATION))


@fault("revocation with a key twice")
def _revocation_twice(base: Base, chance: random.Random) -> Mutated | None:
    if not has(base, *REVOCATION) or not has(base, "anchor"):
        return None
    text = written(base.tree)
    return fails(text.replace(b'"revocation": {"', b'"revocation": {"proof": "", "', 1), 12)


@fault("revocation of another key")
def _other_revocation(base: Base, chance: random.Random) -> Mutated | None:
    """Show the revocation of another clerk than the entry's: it does not hold, and is told."""
    if not has(base, "authority") or has(base, *REVOCATION):
        return None
    return comes_to(put(base.tree, REVOCATION, evidence(base, base.world.revocation)), base.verdict)


@fault("revocation that is nothing, of a key that was not revoked")
def _no_revocation(base: Base, chance: random.Random) -> Mutated | None:
    if not has(base, "authority") or has(base, *REVOCATION):
        return None
    return comes_to(put(base.tree, REVOCATION, chance.choice([None, 7, {}, [], "x"])), base.verdict)
