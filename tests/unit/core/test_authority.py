"""Authority is what the mirrored changes of the registry say, counted by log index, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import IntegrityBroken, Unauthorized
from ledger.core.events import Envelope, case, record, registry
from ledger.core.signing import authority as authorities
from ledger.core.signing.authority import AdoptedProcedure, AuthorityState
from tests.testkit.builders import (
    COURT,
    LOG_ID,
    POLICE,
    SERVICE,
    START,
    Officer,
    Registry,
    auditor,
    authority_with,
    changed_in_every_way,
    clerk,
    envelope_of,
    event_of,
    key_id,
    payload_of,
    profile,
    refused,
    refused_at,
    sample_body,
    supervisor,
)

CLERK = clerk(POLICE)


def act_of(by: Officer = CLERK, *, signed_at: int = START + 30) -> Envelope:
    return event_of(case.CaseNumbered(case_number="7"), by, signed_at=signed_at).envelope


def judge(authority: AuthorityState, envelope: Envelope, index: int = 100) -> Any:
    return authorities.require_key(authority, envelope, index)


# -- the ledger's own keys and suites ----------------------------------------------------------------------------------


def test_a_suite_that_the_ledger_does_not_take_is_refused() -> None:
    """A good key signs nothing by a suite that the founding does not name."""
    authority = authority_with(CLERK)
    assert judge(authority, act_of()).suite == 1
    later_suite = replace(authority, service=replace(authority.service, suites=(2,)))
    with refused("suite_not_taken", field="envelope.suite", error=Unauthorized):
        judge(later_suite, act_of())


# -- when a key is good ------------------------------------------------------------------------------------------------


def test_a_key_is_good_from_the_entry_after_its_grant() -> None:
    """Granted at entry i, a key signs entry i + 1 and no earlier one."""
    mirror = Registry(first=40).admit(POLICE).grant(CLERK)
    granted = mirror.authority.grants[CLERK.key_id].granted
    assert granted == 41
    assert judge(mirror.authority, act_of(), granted + 1).key_id == CLERK.key_id
    for index in (0, granted - 1, granted):
        with refused("key_unknown", field="envelope.key_id", error=Unauthorized):
            judge(mirror.authority, act_of(), index)


def test_a_key_is_bad_from_the_entry_after_its_revocation() -> None:
    """Revoked at entry i, a key has signed what stands up to i and signs nothing from i + 1 on."""
    mirror = Registry(first=40).admit(POLICE).grant(CLERK).revoke(CLERK)
    revoked = mirror.authority.grants[CLERK.key_id].revoked
    assert revoked == 42
    assert judge(mirror.authority, act_of(), revoked)
    with refused("key_revoked", field="envelope.key_id", error=Unauthorized):
        judge(mirror.authority, act_of(), revoked + 1)


def test_a_grant_holds_from_its_first_second_to_before_its_last() -> None:
    """valid_from <= signed_at < valid_until; outside of it a key is refused by the time that was signed."""
    mirror = Registry().admit(POLICE).grant(CLERK, valid_from=1000, valid_until=2000)
    for signed_at in (1000, 1001, 1999):
        assert judge(mirror.authority, act_of(signed_at=signed_at))
    for signed_at in (0, 999, 2000, 2001):
        with refused("key_not_valid", field="envelope.signed_at", error=Unauthorized):
            judge(mirror.authority, act_of(signed_at=signed_at))
    with pytest.raises(Unauthorized) as caught:
        judge(mirror.authority, act_of(signed_at=2000))
    # Also where it is the reason that a token is over: to sign in with the same key leads nowhere.
    assert str(caught.value.hint).startswith("Act by a key that is granted for this")


def test_the_valid_grants_are_those_that_sign_now() -> None:
    """Of one agency, or of one officer of it: neither revoked, nor over, nor of the future."""
    boss, court_clerk = supervisor(POLICE), clerk(COURT)
    mirror = Registry().admit(POLICE).admit(COURT)
    for officer, since in ((CLERK, 1000), (boss, 2000), (court_clerk, 1000)):
        mirror.grant(officer, valid_from=since, valid_until=3000)

    def valid(at: int, officer: str | None = None) -> list[str]:
        return [grant.key_id for grant in mirror.authority.valid_grants(POLICE, at, officer)]

    assert valid(999) == valid(3000) == valid(1500, boss.officer_id) == []
    assert valid(1999) == valid(2000, CLERK.officer_id) == [CLERK.key_id]
    assert valid(2000) == [CLERK.key_id, boss.key_id]
    mirror.revoke(CLERK)
    assert valid(2000) == [boss.key_id]


def test_a_key_acts_as_it_was_granted() -> None:
    """For the agency that granted it and for no other, and by the signature suite that it was granted for."""
    court = clerk(COURT)
    forged = envelope_of(payload_of(case.CaseNumbered(case_number="7"), court), court, agency=POLICE)
    with refused("wrong_agency", field="envelope.agency", error=Unauthorized):
        judge(authority_with(CLERK, court), forged)
    mirror = Registry().admit(POLICE).grant(CLERK, suite=2)
    with refused("wrong_suite", field="envelope.suite", error=Unauthorized):
        judge(mirror.authority, act_of())


@pytest.mark.parametrize(
    ("body", "by", "accepted"),
    [
        (case.CaseNumbered(case_number="7"), clerk(POLICE), True),
        (case.CaseNumbered(case_number="7"), supervisor(POLICE), True),
        (case.CaseNumbered(case_number="7"), auditor(POLICE), False),
        (record.AuditRecorded(scope="all", size=0, verdict="intact"), auditor(POLICE), True),
        (record.AuditRecorded(scope="all", size=0, verdict="intact"), clerk(POLICE), False),
        (record.AuditRecorded(scope="all", size=0, verdict="intact"), Officer("b", POLICE, ("clerk", "auditor")), True),
        (sample_body("item.disposed", full=False), clerk(POLICE), False),
        (sample_body("item.disposed", full=False), supervisor(POLICE), True),
    ],
)
def test_an_act_takes_one_of_its_roles(body: Any, by: Officer, accepted: bool) -> None:
    """A key signs a type of event only if it was granted one of the roles of its row."""
    envelope = event_of(body, by).envelope
    if accepted:
        assert judge(authority_with(by), envelope).roles == by.roles
        return
    with refused("role_missing", field="envelope.key_id", error=Unauthorized):
        judge(authority_with(by), envelope)


def test_an_unknown_type_of_event_is_refused() -> None:
    """An entry of a type that this version does not know has no roles to be judged by."""
    with refused_at("envelope.event_type", match=r"case\.lost", error=Unauthorized):
        judge(authority_with(CLERK), replace(act_of(), event_type="case.lost"))


# -- the service's own key ---------------------------------------------------------------------------------------------


def mirror_act(by: Officer) -> Envelope:
    return event_of(Registry().add(registry.QuorumSet, quorum=0), by).envelope


def test_the_service_signs_mirrors_without_a_grant() -> None:
    """The key that the trust file names signs system entries from the first entry on, and has no grant."""
    assert judge(authorities.initial(LOG_ID, SERVICE.key_id), mirror_act(SERVICE), 0) is None


@pytest.mark.parametrize(
    ("by", "code"),
    [
        (clerk(POLICE), "service_only"),
        (Officer(SERVICE.officer_id, POLICE), "key_unknown"),
        (Officer("intruder", SERVICE.agency), "service_only"),
    ],
    ids=str,
)
def test_nobody_else_signs_for_the_service(by: Officer, code: str) -> None:
    """Another key, or another agency, is refused for a type that is the service's."""
    with refused(code, field="envelope.key_id", error=Unauthorized):
        judge(authority_with(clerk(POLICE)), mirror_act(by))


def test_the_service_acts_in_no_case() -> None:
    """The service's key is not granted to any agency: it signs nothing that an officer signs."""
    with refused("role_missing", field="envelope.key_id", error=Unauthorized):
        judge(authority_with(CLERK), act_of(SERVICE))


def test_a_type_that_is_not_known_is_nobodys_to_sign() -> None:
    """A later release may know it."""
    with refused("unauthorized", field="envelope.event_type", error=Unauthorized):
        authorities.require_role("case.beamed_up", None)


# -- officers ----------------------------------------------------------------------------------------------------------


def test_the_officer_is_the_one_of_the_grant() -> None:
    """A key signs for the officer it was granted to; where there is no grant the officer is the service."""
    grant = authority_with(CLERK).grants[CLERK.key_id]
    for granted, by in ((grant, CLERK), (None, SERVICE)):
        authorities.require_officer(granted, by.officer_id)
        with refused("wrong_officer", field="payload.officer", error=Unauthorized):
            authorities.require_officer(granted, "somebody-else")


# -- the fold ----------------------------------------------------------------------------------------------------------


def test_before_the_first_change_the_registry_is_empty() -> None:
    """No change, no agency, no quorum; the chain is at block 0, and no entry of the log mirrors it yet."""
    state = authorities.initial(LOG_ID, SERVICE.key_id)
    assert (state.log_id, state.registry_hash, state.service.at(0)) == (LOG_ID, LOG_ID, SERVICE.key_id)
    assert (state.changes, state.last_block, state.last_index) == (0, 0, -1)
    assert (state.quorum, state.agencies, state.grants, state.submitters) == (0, {}, {}, frozenset())


def test_the_registry_is_what_its_changes_say() -> None:
    """Each kind of change shows in the folded registry, and where it stands."""
    mirror = changed_in_every_way()
    state = mirror.authority
    assert (state.agencies[POLICE].index, state.agencies[COURT].index) == (7, 8)
    assert (state.agencies[POLICE].kind, state.agencies[POLICE].profile) == ("public_security", profile(POLICE))
    assert state.names() == {agency: profile(agency).name for agency in (POLICE, COURT)}
    assert state.kinds == {agency: state.agencies[agency].kind for agency in (POLICE, COURT)}
    assert state.agencies[POLICE].admin == key_id("new admin")
    assert (state.agencies[POLICE].witness, state.agencies[COURT].witness) == (None, key_id("court witness"))
    assert (state.quorum, state.submitters) == (1, frozenset({key_id("second submitter")}))
    assert state.procedures == (AdoptedProcedure(blake3_text(b"a package"), 16),)
    assert (state.changes, state.last_block, state.last_index) == (10, 10, 16)
    mirror.add(registry.WitnessSet, agency=COURT, witness=None)
    assert mirror.authority.agencies[COURT].witness is None


def test_procedures_are_kept_in_the_order_of_their_adoption() -> None:
    """A package adopted before is adopted again by the next change: so a ledger returns to it."""
    digests = [blake3_text(text) for text in (b"first", b"second", b"first")]
    mirror = Registry(first=3)
    for digest in digests:
        mirror.add(registry.ProcedureAdopted, digest=digest)
    assert mirror.authority.procedures == tuple(map(AdoptedProcedure, digests, (3, 4, 5)))


GRANTED = Registry().admit(POLICE, COURT).grant(CLERK)
REVOKED = Registry().admit(POLICE).grant(CLERK).revoke(CLERK)
IMPOSSIBLE: dict[str, tuple[Registry, Callable[[Registry], object], str]] = {
    "an agency admitted twice": (GRANTED, lambda r: r.admit(POLICE), "a second time"),
    "a grant by an agency never admitted": (Registry(), lambda r: r.grant(CLERK), "never admitted"),
    "a key granted twice": (GRANTED, lambda r: r.grant(CLERK), "a second time"),
    "a key granted again after its revocation": (REVOKED, lambda r: r.grant(CLERK), "a second time"),
    "an admin of an agency never admitted": (
        Registry(),
        lambda r: r.add(registry.AdminChanged, agency=POLICE, admin=key_id("a")),
        "never admitted",
    ),
    "a witness of an agency never admitted": (
        Registry(),
        lambda r: r.add(registry.WitnessSet, agency=POLICE, witness=key_id("w")),
        "never admitted",
    ),
    "a revocation of a key never granted": (Registry().admit(POLICE), lambda r: r.revoke(CLERK), "never granted by"),
    "a revocation by another agency": (
        GRANTED,
        lambda r: r.add(registry.KeyRevoked, agency=COURT, key_id=CLERK.key_id),
        "never granted by",
    ),
    "a second revocation": (REVOKED, lambda r: r.revoke(CLERK), "a second time"),
}


@pytest.mark.parametrize(("mirror", "act", "message"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_what_the_contract_refuses_is_no_mirror_of_it(
    mirror: Registry, act: Callable[[Registry], object], message: str
) -> None:
    """A change that the contract cannot have made breaks the fold at its index, though its hash is right."""
    with pytest.raises(IntegrityBroken, match=message) as caught:
        act(mirror)
    assert caught.value.index == len(mirror.bodies)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        *(({"number": number}, "expected change 2 of the registry") for number in (0, 1, 3)),
        ({"quorum": 1}, "expected the registry hash"),
    ],
)
def test_changes_are_counted_without_gap_and_chained(fields: dict[str, int], message: str) -> None:
    """A change under another number than the next, or whose hash does not follow, breaks the fold at its index."""
    mirror = Registry().admit(POLICE)
    change = Registry().admit(POLICE).add(registry.QuorumSet, quorum=2)
    with pytest.raises(IntegrityBroken, match=message) as caught:
        authorities.fold(mirror.authority, replace(change, **fields), 9)
    assert caught.value.index == 9
