"""What is unlawful or unusual is recorded and flagged under its article, never refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.core.custody.flags import WATCHES
from ledger.core.events import case, item
from ledger.core.events.handover import NotAcceptedItem, OfferedItem
from ledger.core.events.record import DisclosureMade
from ledger.core.events.terms import Money, choices
from ledger.core.procedure.rulebook import FlagName, Rulebook
from ledger.procedures import shipped_rulebook
from tests.testkit.builders import (
    COURT,
    DETENTION,
    KINDS,
    POLICE,
    PROCURATORATE,
    START,
    Officer,
    clerk,
    instant,
    supervisor,
)
from tests.testkit.casework import AT, DAY, Case, dispose, holding, passed, person_id, pieces, stays
from tests.unit.core.test_package import procedure_of


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
    assert all(row.label.keys() == {"en", "zh"} and row.article for row in book.flags)


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
    assert detail(third, "returned_too_often") == "return no. 3 at this stage"
    assert third.state.handovers["handover-6"].is_open


def test_grounds_of_a_return_are_none_to_refuse_receipt() -> None:
    """A ground of substance sends a case back, and only by the purposes it is for; what is formal refuses receipt."""
    fits, unfit = (case_with_reason(by) for by in ("accomplice_omitted", "binding_defective"))
    assert (fits.flag_names(), case_with_reason("other").flag_names()) == ([], [])
    assert detail(unfit, "reason_unfit") == "binding_defective is no ground of supplementary_investigation"
    assert case_with_reason("accomplice_omitted", purpose="return").flag_names() == ["reason_unfit"]
    assert case_with_reason("binding_defective", purpose="return").flag_names() == []
    refused = holding("phone", "coat").offer("phone", "coat", to=PROCURATORATE).refuse(reason_code="facts_unclear")
    assert detail(refused, "reason_unfit") == "facts_unclear is no reason to refuse receipt"
    kept = tuple(NotAcceptedItem(item_id="coat", reason_code=code) for code in ("seal_broken",))
    offered = holding("phone", "coat").offer("phone", "coat", to=PROCURATORATE)
    assert offered.accept(not_accepted=kept).flag_names() == ["receipt_differs"]


def case_with_reason(code: str, purpose: str = "supplementary_investigation") -> Case:
    """Return a case that goes back for this reason."""
    return passed("file").give_back("file", purpose=purpose, reason_code=code)


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
    assert detail(written, "returned_too_often") == "return no. 3 at this stage"


def test_the_trial_has_returns_of_its_own() -> None:
    """After two returns of the review the court may adjourn twice for the same; its third is flagged."""
    written = returned(2).accept().offer("file", to=PROCURATORATE).accept()
    for flagged in ([], [], ["returned_too_often"]):
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


def test_what_was_before_a_case_was_taken_over_is_not_late() -> None:
    """Nobody could record it here in time; what happens from the signature of the take-over on is late as ever."""
    source = {"source_system": "PSB-ICMS", "source_key": "A-1", "as_of": instant(START)}
    signed = START + 30 * DAY
    written = Case().take_over(**source, occurred_at=instant(START), signed_at=signed)
    assert written.flag_names() == []
    written.register("phone", occurred_at=instant(START + DAY), signed_at=signed)
    assert written.flag_names() == []
    written.register("knife", occurred_at=instant(signed), signed_at=signed + 2 * DAY)
    assert written.flag_names() == ["late_entry"]


@pytest.mark.parametrize(
    ("late", "how"),
    [(86_400, None), (86_401, "24 hours"), (172_799, "47 hours"), (172_800, "2 days"), (352_799, "4 days 1 hours")],
)
def test_a_late_entry_is_flagged(late: int, how: str | None) -> None:
    """What is signed more than a day after it happened is recorded and flagged, and says after how many whole hours."""
    written = Case().open(occurred_at=instant(START), signed_at=START + late)
    if how is None:
        assert written.flag_names() == []
        return
    assert written.flag_names() == ["late_entry"]
    assert detail(written, "late_entry") == f"signed {how} after it happened"


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
label = {{ en = "late", zh = "迟" }}
"""


def book_of(*rows: str) -> Rulebook:
    """A procedure of these flags, with the words that are shipped."""
    return procedure_of("".join(rows))


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


FIVE_YUAN = Money(amount=500, currency="CNY")


@pytest.mark.parametrize(
    ("examined", "flagged"),
    [
        ({"match_result": "match"}, None),
        ({"match_result": "match", "quantity": pieces(1)}, None),
        ({"match_result": "match", "quantity": pieces(2)}, "item phone: quantity 2, recorded 1"),
        ({"match_result": "match", "money": FIVE_YUAN}, "item phone: sum 500 CNY, recorded as listed"),
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


def told(written: Case) -> list[tuple[str, str]]:
    return [(flag.name, flag.detail) for flag in written.flags]


def frozen(until: str = "2026-09-01") -> Case:
    """An account is frozen; the day is the second of March."""
    written = holding("account", "cash", kind="property")
    return written.say(item.ItemFrozen, item_id="account", frozen_until=until)


def decide(written: Case, *lines: tuple[str, str], kind: str = "other") -> Case:
    items = tuple(case.ItemDecision(item_id=item_id, disposal=disposal) for item_id, disposal in lines)
    paper: dict[str, Any] = {"decision_id": "decision-1", "kind": kind, "number": "1", "decided_at": AT}
    return written.say(case.DecisionRecorded, **paper, items=items)


# -- freezes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flag", "told_of_it", "in_force", "ignored"),
    [
        ("frozen_twice", "is frozen", "2026-03-02", "2026-03-01"),
        ("freeze_lapsed", "was frozen", "2026-03-01", "2026-03-02"),
        ("moved_while_frozen", "is frozen", "2026-09-01", "2026-03-01"),
    ],
)
def test_what_a_freeze_does_not_allow_is_flagged(flag: str, told_of_it: str, in_force: str, ignored: str) -> None:
    """To freeze again while one is in force, whose last day counts, to renew one that has lapsed, and what moves while
    it is frozen; an offer alone moves nothing."""
    for until, flagged in ((in_force, [(flag, f"item account {told_of_it} until {in_force}")]), (ignored, [])):
        written = frozen(until)
        if flag == "frozen_twice":
            written.say(item.ItemFrozen, item_id="account", frozen_until="2026-08-01")
        elif flag == "freeze_lapsed":
            written.say(item.ItemFreezeRenewed, item_id="account", frozen_until="2026-06-01")
        else:
            assert told(written.offer("account", "cash", to=PROCURATORATE)) == []
            written.accept()
        assert told(written) == flagged


def test_a_frozen_thing_that_stays_may_change_who_answers_for_it() -> None:
    """The case goes on, the account stays where it is."""
    assert told(frozen().offer(stays("account"), to=PROCURATORATE).accept()) == []


@pytest.mark.parametrize(
    ("decision", "names"), [("decision-1", []), (None, ["disposal_without_decision", "moved_while_frozen"])]
)
def test_a_frozen_thing_is_disposed_of_by_decision_only(decision: str | None, names: list[str]) -> None:
    """A decision ends the freeze; without one two flags are raised."""
    written = decide(frozen(), ("account", "forfeited"))
    proposal: dict[str, Any] = {"item_ids": ("account",), "disposal": "forfeited", "ground": "judgment"}
    written.say(item.ItemDisposalProposed, **proposal, decision_id=decision)
    assert [flag.name for flag in dispose(written).flags] == names


def test_a_decision_that_names_a_thing_without_its_disposal_orders_none() -> None:
    """It contradicts no disposal, and does not settle what becomes of the thing."""
    named = (case.ItemDecision(item_id="cash"),)
    paper: dict[str, Any] = {"decision_id": "decision-1", "number": "1", "decided_at": AT, "items": named}
    written = holding("cash", kind="property").say(case.DecisionRecorded, **paper, kind="judgment")
    assert told(written) == [("decision_silent", "cash")]
    proposal = {"item_ids": ("cash",), "disposal": "forfeited", "decision_id": "decision-1"}
    assert told(dispose(written.say(item.ItemDisposalProposed, **proposal))) == []


# -- kinds of agencies -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "to", "purpose", "flagged"),
    [
        (POLICE, PROCURATORATE, "prosecution_review", {}),
        (
            POLICE,
            COURT,
            "prosecution_review",
            {"receiver_of_another_kind": f"{COURT} is of the kind court, expected one of procuratorate"},
        ),
        (
            POLICE,
            COURT,
            "public_prosecution",
            {"sender_of_another_kind": f"{POLICE} is of the kind public_security, expected one of procuratorate"},
        ),
        (POLICE, COURT, "jurisdiction_transfer", {}),
        ("elsewhere", COURT, "public_prosecution", {}),
    ],
)
def test_an_offer_between_other_kinds_of_agencies_is_recorded_and_flagged(
    by: str, to: str, purpose: str, flagged: dict[str, str]
) -> None:
    """The sender and the receiver are told with their kinds and those that fit; a purpose that names no kinds goes
    between any, and of an agency whose kind is unknown nothing is said."""
    kinds = {agency: kind for agency, kind in KINDS.items() if by != "elsewhere" or agency != POLICE}
    written = Case(kinds=kinds).open().register("file", kind="dossier").offer("file", to=to, purpose=purpose)
    assert dict(told(written)) == flagged
    assert written.state.handovers["handover-1"].is_open


def test_what_is_offered_back_is_compared_with_its_own_purpose() -> None:
    """A file that the procuratorate gives back for more investigation goes where such a file goes."""
    written = Case(kinds=KINDS).open().register("file", kind="dossier").offer("file", to=PROCURATORATE).accept()
    assert told(written.give_back("file", purpose="supplementary_inquiry")) == [
        (
            "receiver_of_another_kind",
            f"{POLICE} is of the kind public_security, expected one of supervision_commission",
        )
    ]


def test_a_trait_stands_for_all_kinds_that_have_it() -> None:
    """A purpose may name what agencies do for others instead of their kinds."""
    book = shipped_rulebook()
    row = replace(book.purposes["loan"], receivers=("keeps_persons",))
    purposes = book.purposes | {"loan": row}
    written = Case(kinds=KINDS, book=replace(book, purposes=purposes)).open().register("file", kind="dossier")
    assert told(written.offer("file", to=COURT, purpose="loan")) == [
        ("receiver_of_another_kind", f"{COURT} is of the kind court, expected one of detention_house")
    ]
    assert told(written.recall().offer("file", to=DETENTION, purpose="loan")) == []


# -- officers who are alone --------------------------------------------------------------------------------------------


def taken_by(*officers: str, how: str, limit: int = 2) -> Case:
    """Register an item that these officers collected or seized, under rows with this limit."""
    parts: dict[str, Any] = {
        "collection": COLLECTED | {"collectors": officers, "no_witness": "-", "address": "203.0.113.7"},
        "seizure": SEIZED | {"officers": officers, "no_witness": "-"},
    }
    parts = {"collection": item.Collection(**parts["collection"]), "seizure": item.Seizure(**parts["seizure"])}
    book = shipped_rulebook()
    rows = tuple(replace(row, limit=limit) if row.name.startswith("single_") else row for row in book.flags)
    return Case(book=replace(book, flags=rows)).open().register("phone", **{how: parts[how]})


@pytest.mark.parametrize(("how", "flag"), [("collection", "single_collector"), ("seizure", "single_seizing_officer")])
def test_what_one_officer_takes_alone_is_recorded_and_flagged(how: str, flag: str) -> None:
    """Fewer than the row asks for are flagged by name; a row that asks for one raises nothing."""
    assert told(taken_by("p-1", how=how)) == [(flag, "p-1")]
    assert told(taken_by("p-1", "p-2", how=how, limit=3)) == [(flag, "p-1, p-2")]
    assert told(taken_by("p-1", "p-2", how=how)) == told(taken_by("p-1", how=how, limit=1)) == []


COLLECTED: dict[str, Any] = {"collectors": ("p-1", "p-2"), "tool": "reader", "method": "export"}
SEIZED: dict[str, Any] = {"document_number": "S-1", "seized_at": AT, "officers": ("p-1", "p-2")}


def test_what_nobody_witnessed_says_why() -> None:
    """A seizure or collection names its witness or why there was none; otherwise it is recorded and flagged."""
    for stated, flagged in (({}, True), ({"witness": person_id("wang")}, False), ({"no_witness": "at night"}, False)):
        seized = Case().open().register("phone", seizure=item.Seizure(**SEIZED, **stated))
        assert seized.flag_names() == ["seizure_unwitnessed"] * flagged
        collection = item.Collection(**COLLECTED, **stated, medium_not_taken="in use")
        collected = Case().open().register("image", kind="electronic_data", collection=collection)
        assert collected.flag_names() == ["collection_unwitnessed"] * flagged
    assert detail(seized.register("coat", seizure=item.Seizure(**SEIZED)), "seizure_unwitnessed") == (
        "item coat: neither a witness nor why there was none"
    )


def test_data_without_its_medium_says_why_it_was_not_taken() -> None:
    """The medium, the address that it was taken from over a network, or the reason; otherwise it is flagged."""
    how = COLLECTED | {"no_witness": "recorded"}
    written = Case().open().register("phone")
    for number, stated in enumerate(
        ({"medium_item_id": "phone"}, {"address": "203.0.113.7"}, {"medium_not_taken": "it is abroad"})
    ):
        written.register(f"image-{number}", collection=item.Collection(**how, **stated))
        assert written.flag_names() == []
    written.register("image", kind="electronic_data", collection=item.Collection(**how))
    assert detail(written, "medium_not_taken") == "item image: neither its medium nor why that was not taken"


# -- decisions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "flagged"),
    [
        ((), []),
        ((("car", "forfeited"),), []),
        (
            (("car", "returned_to_owner"),),
            [("disposal_against_decision", "item car: forfeited, decided returned_to_owner")],
        ),
    ],
)
def test_a_disposal_other_than_decided_is_flagged(
    lines: tuple[tuple[str, str], ...], flagged: list[tuple[str, str]]
) -> None:
    """What the cited decision says of the item is held against what was done with it."""
    written = decide(holding("car", kind="property"), *lines)
    proposal: dict[str, Any] = {"item_ids": ("car",), "disposal": "forfeited", "ground": "judgment"}
    written.say(item.ItemDisposalProposed, **proposal, decision_id="decision-1")
    assert told(dispose(written, supervisor(POLICE))) == flagged


@pytest.mark.parametrize(
    ("kind", "lines", "flagged"),
    [
        ("judgment", (("car", "forfeited"),), [("decision_silent", "cash")]),
        ("judgment", (("car", "forfeited"), ("cash", "paid_to_treasury")), []),
        ("ruling", (), []),
    ],
)
def test_a_judgment_silent_on_property_is_flagged(
    kind: str, lines: tuple[tuple[str, str], ...], flagged: list[tuple[str, str]]
) -> None:
    """Exhibits need no word in a judgment, property does."""
    written = holding("car", "cash", kind="property").register("knife")
    assert told(decide(written, *lines, kind=kind)) == flagged


def test_an_audit_of_a_closed_case_is_no_act_in_it() -> None:
    """What is noted of a record that rests is not flagged; what is done in the case is."""
    written = holding("phone").close()
    disclosed: dict[str, Any] = {"recipient": "counsel of li", "item_ids": ("phone",)}
    assert told(written.say(DisclosureMade, clerk(POLICE), **disclosed)) == []
    moved = written.say(item.ItemMoved, clerk(POLICE), item_id="phone", storage_location="archive")
    assert told(moved) == [("act_after_closing", "the case was closed")]


# -- lists -------------------------------------------------------------------------------------------------------------


def test_a_list_that_names_another_seal_than_the_record_is_flagged() -> None:
    """Sealed anew without a record: the receiver takes it as listed, and the trace is there."""
    written = holding("phone", "knife", seal_number="S-1")
    lines = (OfferedItem(item_id="phone", seal_number="S-2"), OfferedItem(item_id="knife", seal_number="S-1"))
    assert told(written.offer(*lines, to=COURT, purpose="property_transfer")) == [
        ("list_differs", "item phone: seal S-2, recorded S-1")
    ]
    assert told(written.accept()) == []
    assert written.state.items["phone"].seal_number == "S-2"


def test_a_returned_thing_with_a_day_for_its_remedy_has_a_clock() -> None:
    """Whoever gets the thing back has until the day that the returner set, and meets it by offering again."""
    written = holding("file").offer("file", to=PROCURATORATE).accept()
    due = instant(written.now + 86400)
    written.give_back("file", purpose="return", remedy="supplement", due_at=due).accept()
    (clock,) = [remedy for remedy in written.state.clocks.values() if remedy.name == "remedy"]
    assert (clock.agency, clock.until, clock.is_running) == (POLICE, due, True)
    written.offer("file", to=PROCURATORATE, follows="handover-2")
    assert not written.state.clocks[clock.deadline_id].is_running


def test_what_goes_back_to_be_completed_has_an_outline() -> None:
    """A return by a purpose that supplements is flagged without one; another return needs none."""
    written = passed("file").give_back("file", outline=())
    assert detail(written, "outline_missing") == "handover handover-2 has no outline"
    assert passed("file").give_back("file", purpose="return").flag_names() == []
