"""What is decided about a clock that runs: it is extended, rests, runs on, or starts anew."""

from __future__ import annotations

import pytest

from ledger.core.events import case, handover, record
from tests.testkit.builders import PROCURATORATE, instant, refused
from tests.testkit.casework import DAY, Case, detained


def test_an_extension_by_a_row_is_kept_with_its_ground() -> None:
    """The clock knows by which row, article and ground it was extended, and which events made it."""
    opened = detained("li").extend("arrest_request", "roaming_repeated_gang", qualifying_ground="gang")
    clock = opened.clock("arrest_request")
    assert [(e.name, e.qualifying_ground) for e in clock.extensions] == [("roaming_repeated_gang", "gang")]
    assert len(clock.events) == 2
    assert opened.flag_names() == []


def test_an_extension_that_no_row_has_needs_a_day_and_is_flagged() -> None:
    """What the law does not know cannot be counted without a day; with one it is recorded and flagged."""
    opened = detained("li")
    with refused("unknown_extension", field="payload.body.extension"):
        opened.extend("arrest_request", "because_we_can")
    opened.extend("arrest_request", "because_we_can", until="2026-03-04")
    assert opened.flag_names() == ["extension_without_basis"]
    assert opened.clock("arrest_request").extensions[0].name is None


def test_a_second_extension_of_one_row_is_flagged() -> None:
    """Four days more are given once."""
    opened = detained("li").extend("arrest_request", "special_circumstances")
    assert opened.flag_names() == []
    opened.extend("arrest_request", "special_circumstances")
    assert opened.flag_names() == ["extension_without_basis"]


@pytest.mark.parametrize(
    ("article", "until", "ground", "row", "flags"),
    [
        ("CPL 91", "2026-04-01", "roaming", "roaming_repeated_gang", []),
        ("CPL 91", "2026-04-01", None, "special_circumstances", ["term_beyond_law"]),
        ("CPL 1", "2026-03-04", None, None, ["extension_without_basis"]),
    ],
)
def test_a_measure_extended_extends_its_clock(
    article: str, until: str, ground: str | None, row: str | None, flags: list[str]
) -> None:
    """The decision on the measure names the article: by it the clock knows the row. Without one of its grounds thirty
    days go beyond what the law gives; on another article no row of the clock rests."""
    opened = detained("li")
    paper = {"article": article, "until": until, "qualifying_ground": ground}
    opened.say(case.MeasureExtended, measure_id="detention-li", ground="many places", **paper)
    assert (opened.clock("arrest_request").extensions[0].name, opened.flag_names()) == (row, flags)


def test_bail_decided_for_longer_than_the_law_is_flagged_at_once() -> None:
    """Twelve months are the limit, whatever the decision says."""
    opened = Case().open().name("li")
    opened.impose("li", "bail", until="2027-03-02")
    assert opened.flag_names() == []
    opened.impose("li", "bail", measure_id="bail-2", until="2027-03-03")
    assert opened.flag_names() == ["term_beyond_law"]


def test_a_clock_rests_once_at_a_time() -> None:
    """What does not rest is not resumed, and what rests is not suspended again."""
    opened = detained("li")
    with refused("not_suspended", field="payload.body.deadline_id"):
        opened.resume(opened.now)
    opened.suspend(1772500000)
    with refused("already_suspended", field="payload.body.deadline_id"):
        opened.suspend(1772500001)


def test_nothing_is_decided_for_the_time_before() -> None:
    """A rest begins after the start and ends after it began; a reset comes after the start; rests do not overlap."""
    opened = detained("li")
    start = opened.now
    with refused("before_its_start", field="payload.body.suspended_at"):
        opened.suspend(start - DAY)
    opened.suspend(start + 100)
    with refused("before_its_start", field="payload.body.resumed_at"):
        opened.resume(start + 99)
    opened.resume(start + 200)
    with refused("before_its_start", field="payload.body.suspended_at"):
        opened.suspend(start + 199)
    with refused("before_its_start", field="payload.body.reset_at"):
        opened.reset(start - DAY)


def test_of_several_rests_the_last_counts() -> None:
    """The next rest begins after the last one ended, ends after it began itself, and ends with the clock."""
    opened = detained("li")
    start = opened.now
    opened.suspend(start + 1).resume(start + 2)
    opened.suspend(start + 3)
    with refused("before_its_start", field="payload.body.resumed_at"):
        opened.resume(start + 2)
    opened.resume(start + 5)
    with refused("before_its_start", field="payload.body.suspended_at"):
        opened.suspend(start + 4)
    opened.suspend(start + 6).offer(to=PROCURATORATE, purpose="arrest_approval", persons=("li",))
    stopped = opened.clock("arrest_request")
    rests = [(instant(start + since), instant(start + until)) for since, until in ((1, 2), (3, 5))]
    assert [(p.since, p.until) for p in stopped.pauses] == [*rests, (instant(start + 6), stopped.stopped_at)]


def test_a_reset_starts_anew_without_extensions() -> None:
    """Another crime found: the whole time again, from then; what was given before is gone."""
    opened = detained("li").extend("arrest_request", "special_circumstances").suspend(1772500000)
    opened.reset(1772600000)
    anew = opened.clock("arrest_request")
    assert (anew.started_at, anew.extensions, anew.pauses) == (instant(1772600000), (), ())
    assert len(anew.events) == 4


def test_a_clock_that_ended_is_decided_about_no_more() -> None:
    """Neither is one that never was."""
    opened = detained("li").offer(to=PROCURATORATE, purpose="arrest_approval", persons=("li",))
    with refused("deadline_ended", field="payload.body.deadline_id"):
        opened.reset(opened.now)
    with refused("unknown_deadline", field="payload.body.deadline_id"):
        opened.extend("arrest_request", "special_circumstances", deadline_id="arrest_request/case/1")


def test_other_events_leave_the_clocks_alone() -> None:
    """What is no trigger changes no clock: the same object stays."""
    opened = detained("li")
    before = opened.state.clocks
    opened.say(record.RecordLate, happened_at=instant(opened.now - DAY))
    assert opened.state.clocks is before


def test_a_partial_answer_settles_the_whole_offer() -> None:
    """What was not accepted starts no clock; what was provisional is gone."""
    opened = Case().open().register("phone", "knife").offer("phone", "knife", to=PROCURATORATE)
    kept = handover.NotAcceptedItem(item_id="knife", reason_code="seal_broken")
    opened.accept(not_accepted=(kept,))
    reviews = [c for c in opened.state.clocks.values() if c.name == "prosecution_review"]
    assert [c.provisional for c in reviews] == [False]
