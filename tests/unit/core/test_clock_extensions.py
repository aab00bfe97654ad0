"""Extensions: in whatever order they come, for which base they are, and those whose length only a paper says."""

from __future__ import annotations

import pytest

from ledger.core.events import case
from ledger.core.procedure.clock_periods import lawful_last_day
from tests.testkit.builders import COURT, PROCURATORATE, clerk, refused
from tests.testkit.casework import Case, detained, person_id
from tests.unit.core.test_due import day, due


def lawful(into: Case, name: str) -> str:
    return str(lawful_last_day(into.clock(name), into.book.zone))


def tried() -> Case:
    """A person in custody is tried by the court, which accepted the prosecution on 2 March."""
    opened = Case().open(by=clerk(PROCURATORATE), stage="prosecution_review").name("li")
    opened.impose("li", "arrest")
    return opened.offer(to=COURT, purpose="public_prosecution").accept()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_thirty_days_in_all_are_thirty_whatever_came_first(order: tuple[int, int]) -> None:
    """Four days more, and thirty in all, come to thirty and not to thirty-four."""
    opened = detained("li")
    extensions = (("special_circumstances", {}), ("roaming_repeated_gang", {"qualifying_ground": "gang"}))
    for name, fields in (extensions[n] for n in order):
        opened.extend("arrest_request", name, **fields)
    assert lawful(opened, "arrest_request") == "2026-04-01"


def test_no_extension_is_for_a_base_that_it_does_not_name() -> None:
    """Twenty days are for a person at liberty: who is detained has seven, and the extension no basis."""
    locked_up = detained("li").offer(to=PROCURATORATE, purpose="arrest_approval", persons=("li",)).accept()
    with refused("unknown_extension", field="payload.body.extension"):
        locked_up.extend("arrest_decision", "complex_case")
    locked_up.extend("arrest_decision", "complex_case", until="2026-03-22")
    assert locked_up.flag_names() == ["extension_without_basis", "term_beyond_law"]
    assert lawful(locked_up, "arrest_decision") == "2026-03-09"
    free = Case().open().name("li").offer(to=PROCURATORATE, purpose="arrest_approval", persons=("li",)).accept()
    free.extend("arrest_decision", "complex_case")
    assert (free.flag_names(), lawful(free, "arrest_decision")) == ([], "2026-03-22")


def test_the_supreme_court_gives_what_it_decides() -> None:
    """Three months at most each time, after those of the upper court, as often as there is a paper for it."""
    opened = tried()
    fields = {"article": "SPC interpretation 210", "qualifying_ground": "supreme_court_approval"}
    opened.extend("first_instance", "supreme_court", **fields)
    assert opened.flag_names() == ["extension_without_basis"]
    opened = tried().extend("first_instance", "upper_court", article="CPL 208", qualifying_ground="civil_suit")
    for until, last_day in ((None, "2026-12-02"), (None, "2027-03-02"), ("2027-04-02", "2027-04-02")):
        opened.extend("first_instance", "supreme_court", until=until, **fields)
        assert opened.flag_names() == []
        deadline = due(opened, "first_instance")
        assert (deadline.last_day, deadline.beyond_law) == (day(last_day), False)


def test_how_long_an_open_extension_is_only_its_paper_says() -> None:
    """Without a day it is not known how long."""
    opened = Case().open().name("li").impose("li", "arrest")
    fields = {"article": "CPL 157", "qualifying_ground": "supreme_procuratorate_approval"}
    with refused("unknown_extension", field="payload.body.extension"):
        opened.extend("investigation_custody", "trial_postponed", **fields)
    opened.extend("investigation_custody", "trial_postponed", until="2027-03-02", **fields)
    assert due(opened, "investigation_custody").last_day == day("2027-03-02")


def test_the_detention_of_a_commissions_case_is_extended_with_its_measure() -> None:
    """Ten days and four more, by the decision on the measure itself."""
    opened = Case().open().name("li")
    opened.impose("li", "commission_detention")
    opened.change("commission_detention", "detention", "li")
    fields = {"measure_id": "detention-li", "until": "2026-03-16", "article": "CPL 170", "ground": "far away"}
    opened.say(case.MeasureExtended, **fields)
    assert (opened.flag_names(), lawful(opened, "commission_measure_decision")) == ([], "2026-03-16")


def test_the_procedure_decides_the_time_of_the_review_from_its_start() -> None:
    """Chosen on the third day, the fast track leaves ten days from the receipt; turned back, the month of it."""
    opened = detained("li").offer(to=PROCURATORATE, persons=("li",)).accept()
    received = opened.clock("prosecution_review").started_at
    for procedure, last_day in (("fast_track", "2026-03-12"), ("ordinary", "2026-04-02")):
        opened.say(case.CaseStageEntered, stage="prosecution_review", trial=procedure)
        assert lawful(opened, "prosecution_review") == last_day
        assert opened.clock("prosecution_review").started_at == received
    assert opened.clock("prosecution_review").subject == person_id("li")
