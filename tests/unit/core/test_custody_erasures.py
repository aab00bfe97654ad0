"""Erasures: two officers of an agency that answers for the section, of what was proposed, and never under a hold."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from ledger.core.events import record
from tests.testkit.builders import COURT, LAB, POLICE, PROCURATORATE, clerk, section, supervisor
from tests.testkit.casework import (
    Case,
    Refusal,
    Refusals,
    each_refusal,
    holding,
    lent,
    passed,
    require_refusal,
    second_of,
)
from tests.unit.core.test_custody_holds import place


def named(written: Case) -> Case:
    """Record something in the case, with a confidential section."""
    return written.say(record.RecordLate, clerk(POLICE), sections={"narrative": section(), "note": section("note")})


def propose(written: Case, **fields: Any) -> record.SectionErased:
    """Let a supervisor propose the erasure of the last event's section; return the second signature of that."""
    body = record.ErasureProposed(concerns=written.last.ref, label="narrative", ground="over")
    written.act(replace(body, **fields), supervisor(POLICE))
    return second_of(written.last, body)


def test_two_officers_erase_a_section() -> None:
    """One proposes it, another signs second; the proposal is used up by that."""
    written = named(holding("phone"))
    body = record.ErasureProposed(concerns=written.last.ref, label="narrative", ground="over")
    written.act(body, clerk(POLICE))
    assert [each.label for each in written.state.erasures.values()] == ["narrative"]
    written.act(second_of(written.last, body), supervisor(POLICE))
    assert not written.state.erasures


def test_who_answers_for_the_case_erases_what_another_agency_signed() -> None:
    """The agency responsible for the case now, beside the one that signed the event."""
    written = named(passed("phone"))
    signed_by_police = written.last.ref
    for agency, label in ((PROCURATORATE, "narrative"), (POLICE, "note")):
        assert not written.erase(signed_by_police, label, supervisor(agency)).state.erasures


def passed_on() -> tuple[Case, record.SectionErased]:
    """Return a case that went to the court after the procuratorate had proposed to erase what the police signed."""
    written = named(passed("phone"))
    body = record.ErasureProposed(concerns=written.last.ref, label="narrative", ground="over")
    second = second_of(written.act(body, clerk(PROCURATORATE)).last, body)
    return written.offer("phone", to=COURT, by=clerk(PROCURATORATE), purpose="public_prosecution").accept(), second


def proposed(**fields: Any) -> tuple[Case, record.SectionErased]:
    written = named(passed("phone"))
    return written, propose(written, **fields)


PROPOSED, SECOND = proposed()
OF_NOTE, SECOND_OF_NOTE = proposed(label="note")
HELD, SECOND_OF_HELD = proposed()
PASSED_ON, SECOND_OF_PASSED_ON = passed_on()
REFUSALS: Refusals = {
    "proposed by who holds a thing alone": Refusal(
        "not_responsible agency", named(lent("phone")), lambda c: c.erase(c.last.ref, "narrative", supervisor(LAB))
    ),
    "by who answered for the case until then": Refusal(
        "not_responsible agency", PASSED_ON, lambda c: c.act(SECOND_OF_PASSED_ON, supervisor(PROCURATORATE))
    ),
    "by one officer": Refusal("one_signature officer", PROPOSED, lambda c: c.act(SECOND, supervisor(POLICE))),
    "of another section": Refusal(
        "unknown_proposal body.cites", OF_NOTE, lambda c: c.act(SECOND_OF_NOTE, clerk(POLICE))
    ),
    "without a proposal": Refusal(
        "unknown_proposal body.cites",
        PROPOSED,
        lambda c: c.act(replace(SECOND, cites=c.events[0].ref), clerk(POLICE)),
    ),
    "by another agency": Refusal(
        "unknown_proposal body.cites", PROPOSED, lambda c: c.act(SECOND, supervisor(PROCURATORATE))
    ),
    "proposed under a hold": Refusal("on_hold body.concerns", place(named(holding("phone"))), propose),
    "under a hold": Refusal(
        "on_hold body.concerns", place(HELD, by=COURT), lambda c: c.act(SECOND_OF_HELD, clerk(POLICE))
    ),
}


@each_refusal(REFUSALS)
def test_what_one_officer_would_erase_alone_is_refused(refusal: Refusal) -> None:
    """And what nobody has proposed, and what a hold covers."""
    require_refusal(refusal)
