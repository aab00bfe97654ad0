"""Units: a company that is accused has clocks and no custody, and says who speaks for it."""

from __future__ import annotations

from ledger.core.events import case
from ledger.core.events.case import MeasureTakenOver, PersonTakenOver
from tests.testkit.builders import PROCURATORATE, refused
from tests.testkit.casework import AT, Case, person_id
from tests.unit.core.test_custody_taken_over import taken_over

WORKS, LI = person_id("works"), person_id("li")


def accused(**fields: object) -> Case:
    """Return a case in which a unit and one of its people are suspects."""
    written = Case().open().name("li")
    return written.say(case.PersonNamed, person_id=WORKS, role="suspect_unit", **fields)


def test_nobody_locks_up_a_unit() -> None:
    """What locks up is refused, at once, by a change, taken over or as a person in custody; what does not is none."""
    written = accused()
    with refused("nobody_to_lock_up", field="payload.body.measure"):
        written.impose("works", "detention")
    written.impose("works", "bail")
    with refused("nobody_to_lock_up", field="payload.body.measure"):
        written.change("bail", "arrest", "works")
    with refused("nobody_to_lock_up", field="payload.body.person_id"):
        written.register("works-in-custody", kind="detainee", person_id=WORKS)
    unit = PersonTakenOver(person_id=WORKS, role="defendant_unit")
    held = MeasureTakenOver(measure_id="m", person_id=WORKS, measure="arrest", started_at=AT)
    assert taken_over(persons=(unit,)).state.persons[WORKS].is_unit
    with refused("nobody_to_lock_up", field="payload.body.measures[0].measure"):
        taken_over(persons=(unit,), measures=(held,))


def test_who_is_locked_up_is_no_unit() -> None:
    """A person in custody is not named anew as a unit."""
    written = accused().impose("li", "detention")
    with refused("nobody_to_lock_up", field="payload.body.role"):
        written.say(case.PersonNamed, person_id=LI, role="suspect_unit")


def test_a_unit_has_the_clocks_of_the_accused_as_at_liberty() -> None:
    """It goes with the case, and its review runs beside that of its people."""
    written = accused().register("file").offer("file", to=PROCURATORATE).accept()
    assert {
        clock.subject for clock in written.state.clocks.marked("running") if clock.name == "prosecution_review"
    } == {
        WORKS,
        LI,
    }
    assert written.state.persons[WORKS].kept_for is None


def test_a_role_keeps_what_was_stated_as_far_as_it_has_the_field() -> None:
    """A suspect unit that becomes a defendant keeps its particulars; a witness has none of them."""
    written = accused(particulars={"registration_number": "9131", "legal_representative": LI})
    written.say(case.PersonNamed, person_id=WORKS, role="defendant_unit", particulars={"litigation_representative": LI})
    stated = {"registration_number": "9131", "legal_representative": LI, "litigation_representative": LI}
    assert (written.state.persons[WORKS].particulars, written.flag_names()) == (stated, [])
    written.say(case.PersonNamed, person_id=WORKS, role="witness")
    assert (written.state.persons[WORKS].particulars, written.state.persons[WORKS].is_unit) == ({}, False)


def test_a_defendant_unit_says_who_speaks_for_it() -> None:
    """Without its legal and its litigation representative it is flagged, each with the article."""
    written = accused().say(case.PersonNamed, person_id=WORKS, role="defendant_unit")
    assert [flag.detail for flag in written.flags] == [
        "legal_representative (SPC interpretation 335), litigation_representative (SPC interpretation 335)"
    ]
