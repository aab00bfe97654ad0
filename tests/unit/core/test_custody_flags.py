"""What is unlawful or unusual is recorded and flagged under its article, never refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ledger.core.custody.flags import WATCHES
from ledger.core.events import item
from ledger.core.events.terms import choices
from ledger.core.procedure.rulebook import FlagName, Rulebook, parse
from ledger.procedures import shipped_rulebook
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, START, Officer, clerk, instant, supervisor
from tests.testkit.casework import Case, pieces


def detail(written: Case, name: str) -> str:
    (flag,) = [flag for flag in written.flags if flag.name == name]
    assert flag.article == next(row.article for row in shipped_rulebook().flags if row.name == name)
    return flag.detail


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp())


def test_every_flag_is_watched_and_has_a_row() -> None:
    """The names of the data and of the code are the same, and every shipped row has words in both languages."""
    book = shipped_rulebook()
    assert set(WATCHES) == set(choices(FlagName)) == {row.name for row in book.flags}
    assert all(row.en and row.zh and row.article for row in book.flags)


def test_an_ordinary_way_raises_no_flag() -> None:
    """A case that is handled as it should be is not flagged at any step."""
    written = Case().open().register("phone").offer("phone", to=PROCURATORATE).accept()
    written.offer("phone", to=COURT, purpose="public_prosecution").accept().close()
    assert written.flags == ()


# -- returns -----------------------------------------------------------------------------------------------------------


def returned(times: int) -> Case:
    """The file goes back for supplementary investigation so many times, resubmitted each time but the last."""
    written = Case().open().register("file", kind="dossier").offer("file", to=PROCURATORATE).accept()
    for number in range(times):
        if number:
            written.accept().offer("file", to=PROCURATORATE).accept()
        written.give_back("file")
    return written


def test_a_third_return_is_recorded_and_flagged() -> None:
    """Two returns pass without a flag; the third is written down and says which it is."""
    assert returned(2).flag_names() == []
    third = returned(3)
    assert detail(third, "third_return") == "return no. 3 for supplementary investigation"
    assert third.state.handovers["handover-6"].is_open


def test_a_return_that_did_not_come_about_does_not_count() -> None:
    """Recalled and refused returns are no returns; a return for another purpose is none of this kind."""
    for undo in ("recall", "refuse"):
        written = returned(2)
        getattr(written, undo)()
        assert written.give_back("file", returns="handover-3").flag_names() == []
    written = returned(2)
    written.accept().offer("file", to=PROCURATORATE).accept().give_back("file", purpose="return")
    assert written.flag_names() == []


def test_supplementary_inquiry_counts_like_supplementary_investigation() -> None:
    """What goes back to a supervision commission goes back, whatever its name; so does what is offered back."""
    written = returned(1)
    for give_back in (
        lambda: written.give_back("file", purpose="supplementary_inquiry"),
        lambda: written.offer("file", to=POLICE, purpose="supplementary_inquiry"),
    ):
        assert written.flag_names() == []
        written.accept().offer("file", to=PROCURATORATE).accept()
        give_back()
    assert detail(written, "third_return") == "return no. 3 for supplementary investigation"


def test_the_trial_has_returns_of_its_own() -> None:
    """After two returns of the review the court may adjourn twice for the same; its third is flagged."""
    written = returned(2).accept().offer("file", to=PROCURATORATE).accept()
    for flagged in ([], [], ["third_return"]):
        written.offer("file", to=COURT, purpose="public_prosecution").accept().give_back("file")
        assert written.flag_names() == flagged
        written.accept()


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("name", ["remedy_overdue", "resubmission_overdue"])
def test_what_comes_back_after_its_day_is_flagged(name: str, after: int) -> None:
    """A refused handover, or a case returned for supplementary investigation, that comes back later than was set is
    accepted as it comes, and flagged by the article of the one or the other."""
    due = "2026-03-05T09:00:00Z"
    written = Case().open().register("file", kind="dossier").offer("file", to=PROCURATORATE)
    number = 1 if name == "remedy_overdue" else 2
    if number == 1:
        written.refuse(due_at=due)
    else:
        written.accept().give_back("file", due_at=due).accept()
    written.now = seconds(due) + after
    written.offer("file", to=PROCURATORATE, follows=f"handover-{number}")
    assert written.flag_names() == [name] * after
    if after:
        assert detail(written, name) == f"handover handover-{number} set {due}"


def test_without_a_day_nothing_is_overdue() -> None:
    """A refusal or return that set no day, a handover that was accepted, and one that follows none, bind nobody."""
    written = Case().open().register("file", kind="dossier").offer("file", to=PROCURATORATE).refuse()
    assert written.offer("file", to=PROCURATORATE, follows="handover-1").flag_names() == []
    assert written.accept().give_back("file").accept().offer("file", to=COURT, follows="handover-2").flags == ()
    assert written.recall().offer("file", to=PROCURATORATE, follows="handover-3").flag_names() == []


# -- officers and times ------------------------------------------------------------------------------------------------


def test_one_officer_on_both_sides_is_flagged() -> None:
    """An officer who serves two agencies' counters may release and receive; it is written down."""
    double = Officer(clerk(POLICE).officer_id, PROCURATORATE)
    written = Case().open().register("phone").offer("phone", to=PROCURATORATE).accept(by=double)
    assert detail(written, "same_officer_both_sides") == f"{double.officer_id} released and received"
    assert written.state.items["phone"].holder == PROCURATORATE


@pytest.mark.parametrize(
    ("day", "seconds_before", "flagged"),
    [("2026-11-26", 1, True), ("2026-11-27", 60, False), ("2026-11-27", 61, True)],
    ids=["under the former row", "typed to the minute", "more than a minute before"],
)
def test_an_act_typed_to_the_minute_is_not_before_the_last(day: str, seconds_before: int, flagged: bool) -> None:
    """Whoever says ten o'clock of 10:00:59 claims no other order. Acts of former days keep their row."""
    now = seconds(f"{day}T02:10:00+00:00")
    written = Case().open(occurred_at=instant(now), signed_at=now)
    written.register("knife", occurred_at=instant(now - seconds_before), signed_at=now)
    assert written.flag_names() == (["backdated"] if flagged else [])


@pytest.mark.parametrize(("late", "hours"), [(86_400, None), (86_401, 24), (172_799, 47)])
def test_a_late_entry_is_flagged(late: int, hours: int | None) -> None:
    """What is signed more than a day after it happened is recorded and flagged, and says how many whole hours."""
    written = Case().open(occurred_at=instant(START), signed_at=START + late)
    if hours is None:
        assert written.flag_names() == []
        return
    assert written.flag_names() == ["late_entry"]
    assert detail(written, "late_entry") == f"signed {hours} hours after it happened"


def test_no_claim_of_a_day_escapes_the_ledgers_own_rules() -> None:
    """An act that claims a day before every statute is late and backdated all the same."""
    written = Case().open().register("phone", occurred_at="1001-01-01T00:00:00Z")
    assert written.flag_names() == ["backdated", "late_entry"]


# -- property and closing ----------------------------------------------------------------------------------------------


def test_closing_with_property_in_hand_is_flagged() -> None:
    """The undisposed property is named; exhibits, and property that is disposed of, are not."""
    written = Case().open().register("car", "boat", kind="property").register("knife")
    written.say(item.ItemDisposalProposed, item_ids=("boat",), disposal="destroyed")
    disposing = {"cites": written.last.ref, "disposed_at": "2026-03-02T02:00:00Z"}
    written.say(item.ItemDisposed, supervisor(POLICE), **disposing)
    assert detail(written.close(), "property_undisposed") == "car"


# -- rules in force ----------------------------------------------------------------------------------------------------

ROW = """
[[flags]]
name = "late_entry"
article = "{article}"
valid_from = "{since}"
{until}
limit = 60
en = "late"
zh = "迟"
"""


def book_of(*rows: str) -> Rulebook:
    """A rulebook of these flags, with the purposes that are shipped."""
    shipped = shipped_rulebook().purposes
    purposes = "".join(f'[purposes.{name}]\nmoves = "{row.moves}"\narticle = "x"\n' for name, row in shipped.items())
    return parse("".join(rows) + purposes)


def row(article: str, since: str, until: str | None = None) -> str:
    ending = f'valid_until = "{until}"' if until else ""
    return ROW.format(article=article, since=since, until=ending)


@pytest.mark.parametrize(
    ("happened", "article"),
    [
        ("2026-03-01T15:59:59Z", "old"),
        ("2026-03-01T16:00:00Z", "new"),
        ("2025-12-31T15:59:59Z", None),
        ("2025-12-31T16:00:00Z", "old"),
    ],
)
def test_the_row_of_the_day_counts(happened: str, article: str | None) -> None:
    """An act is judged by the row in force on its day in Shanghai, eight hours ahead of UTC."""
    book = book_of(row("old", "2026-01-01", "2026-03-02"), row("new", "2026-03-02"))
    written = Case(book=book).open(occurred_at=happened, signed_at=seconds(happened) + 61)
    assert [flag.article for flag in written.flags] == ([article] if article else [])


# -- examinations ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("examined", "flagged"),
    [
        ({"match_result": "match"}, None),
        ({"match_result": "match", "quantity": pieces(1)}, None),
        ({"match_result": "match", "quantity": pieces(2)}, "item phone: quantity 2, recorded 1"),
        ({"match_result": "mismatch"}, "item phone: differs"),
        ({"match_result": "mismatch", "finding": "another phone"}, "item phone: another phone"),
        ({"match_result": "not_checked", "digests": ("sha256:" + "ab" * 32,)}, "item phone: sha256:" + "ab" * 32),
    ],
)
def test_an_examination_that_finds_something_else_is_flagged(examined: dict[str, Any], flagged: str | None) -> None:
    """Another count or digest, or the examiner's word: each is told; what agrees is not."""
    written = Case().open().register("phone", kind="electronic_data")
    written.say(item.ItemExamined, item_id="phone", method="read out", **examined)
    assert [flag.detail for flag in written.flags] == ([flagged] if flagged else [])
    assert written.flag_names() == (["examination_differs"] if flagged else [])
