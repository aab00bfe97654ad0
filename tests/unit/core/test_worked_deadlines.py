"""Deadlines of the law that were worked out by hand, each played through the acts that it arises from."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

import pytest
from msgspec import Struct
from msgspec.structs import replace

from ledger.core.custody import Act, fold
from ledger.core.custody.due_dates import Deadline, deadline
from ledger.core.encoding.decoding import convert
from ledger.core.encoding.instants import instant_text, unix_seconds
from ledger.core.events import Body, case, item, letter
from ledger.core.procedure.clock_periods import Clock
from ledger.procedures import shipped_rulebook
from scripts.docs import worked_deadlines
from tests.testkit.builders import COURT, PARALLEL, POLICE, PRISON, PROCURATORATE, UPPER_COURT, Officer, clerk
from tests.testkit.builders import KINDS as OF_THE_TESTS
from tests.testkit.casework import Case, person_id

ZONE = shipped_rulebook().zone

BOOK = shipped_rulebook()
COMMISSION = "commission-east"
KINDS = {**OF_THE_TESTS, COMMISSION: "supervision_commission"}
HOUR, DAY = 3600, 86400


class Worked(Struct, frozen=True, forbid_unknown_fields=True):
    """A row of the table; the keys are told at its head."""

    number: int
    article: str
    clock: str
    circumstances: str
    start: str
    count: str
    last_day: str | None = None
    due: str | None = None
    fact: str | None = None
    by: str | None = None
    held: bool = False
    not_before: bool = False
    measure: str | None = None
    letter: str | None = None
    item: str | None = None
    trial: str | None = None
    turned: str | None = None
    about: str | None = None
    grounds: tuple[str, ...] = ()
    before: tuple[tuple[str, ...], ...] = ()
    anew: str | None = None
    renewed: str | None = None
    effective: str | None = None
    decided: tuple[str, ...] = ()
    on: str | None = None
    extended_at: str | None = None
    rests: tuple[str, str, str] | None = None
    extensions: tuple[tuple[str, ...], ...] = ()


TABLE = convert(worked_deadlines.by_hand(), list[Worked])


def seconds(local: str) -> int:
    """The moment of a local time, in unix seconds."""
    return int(ZONE.moment(datetime.fromisoformat(local), field="at").timestamp())


class Played(Case):
    """A case in which everybody knows what kind of agency each is."""

    def act(self, body: Body, by: Officer | None = None, **fields: Any) -> Self:
        event = self.draft(body, by or clerk(self.state.responsible), **fields)
        self.current, self.flags = fold(self.current, Act(event.event, self.book, kinds=KINDS))
        self.events.append(event)
        self.now += self._step
        return self

    def ticking(self, name: str) -> Clock:
        """The latest clock of the name that has not been replaced."""
        return [clock for clock in self.state.clocks.values() if clock.name == name][-1]


# Which agencies a handover goes between, and the stage that the case has before it.
HANDOVERS: dict[str, tuple[str, str, str]] = {
    "prosecution_review": (POLICE, PROCURATORATE, "investigation"),
    "arrest_approval": (POLICE, PROCURATORATE, "investigation"),
    "supplementary_investigation": (PROCURATORATE, POLICE, "prosecution_review"),
    "jurisdiction_transfer": (PARALLEL, PROCURATORATE, "prosecution_review"),
    "public_prosecution": (PROCURATORATE, COURT, "prosecution_review"),
    "appeal": (COURT, UPPER_COURT, "first_instance"),
    "retrial_protest": (PROCURATORATE, COURT, "execution"),
    "sentence_change": (PRISON, COURT, "execution"),
    "compulsory_treatment": (PROCURATORATE, COURT, "prosecution_review"),
    "compulsory_treatment_opinion": (POLICE, PROCURATORATE, "investigation"),
    "reconsideration": (POLICE, PROCURATORATE, "investigation"),
    "review_by_upper": (POLICE, PROCURATORATE, "investigation"),
    "reverse_transfer": (PARALLEL, PROCURATORATE, "prosecution_review"),
    "administrative_referral": (PARALLEL, POLICE, "administrative_enforcement"),
}
STAGES = {"retrial": "retrial", "private_prosecution": "first_instance", "indictment_copy": "first_instance"}
STAGES |= dict.fromkeys(("file_to_upper_court", "death_sentence_report", "below_minimum_report"), "first_instance")


def opened(row: Worked, fact: str) -> Played:
    """The case two hours before the clock starts, at the agency that acts first."""
    act, _, word = fact.partition(".")
    sender, _, stage = HANDOVERS.get(word, (row.by or POLICE, "", "investigation"))
    stage = STAGES.get(row.clock, "first_instance" if row.clock.startswith("appeal") else stage)
    played = Played(start=seconds(row.start) - 2 * HOUR, book=BOOK)
    played.open(by=clerk(sender), stage=stage).name("li", by=clerk(sender))
    if row.letter is not None:
        played.name("victim", by=clerk(sender), role="victim")
    held = "arrest" if row.held and act != "measure" else row.measure
    if held is not None:
        played.impose("li", held, by=clerk(sender))
    return played


def start(played: Played, row: Worked, fact: str) -> None:
    """Let the fact happen that starts the clock."""
    act, _, word = fact.partition(".")
    at = instant_text(seconds(row.start))
    played.now = seconds(row.start)
    if row.letter is not None:
        write(played, row, fact, at)
    elif act in ("measure", "commission_case_received"):
        if act == "commission_case_received":
            played.now -= HOUR
            played.impose("li", "commission_detention")
            played.now = seconds(row.start)
            played.change("commission_detention", "detention", "li", started_at=at)
        else:
            played.impose("li", word, by=clerk(row.by or POLICE), started_at=at)
    elif act in ("decided", "served", "effective"):
        times = {"decided_at": at} | ({"served_at": at} if act == "served" else {})
        if row.effective is not None:
            times["effective_at"] = instant_text(seconds(row.effective))
        if row.item is not None:
            played.register("thing", kind=row.item, occurred_at=instant_text(played.now - HOUR))
        named = (case.ItemDecision(item_id="thing"),) if row.item else ()
        played.decide(word, "li", by=clerk(row.by or POLICE), grounds=row.grounds, items=named, **times)
    elif act in ("frozen", "seized"):
        seizure = item.Seizure(document_number="1", seized_at=at, officers=("officer-1", "officer-2"))
        seized = {"seizure": seizure} if act == "seized" else {}
        played.register("thing", kind=row.item, account="account-1", **seized)
        if act == "frozen":
            # A paper that sets a later day than the law gives no more time.
            played.say(item.ItemFrozen, item_id="thing", frozen_until="2099-12-31" if row.renewed else None)
    else:
        hand_over(played, row, word, at)


def write(played: Played, row: Worked, fact: str, at: str) -> None:
    """Let the letter come, to an agency, to a person, or filed by one; or the letter that serves a decision."""
    act, _, word = fact.partition(".")
    victim = person_id("victim")
    if row.item is not None:
        played.register("thing", kind=row.item, occurred_at=instant_text(played.now - HOUR))
    if row.letter == "file":
        played.say(letter.LetterFiled, letter_id="letter-1", kind=word, received_at=at, from_person=victim)
        return
    about: dict[str, Any] = {"item_ids": ("thing",)} if row.item else {"person_ids": (person_id("li"),)}
    if act == "served":
        played.decide(word, "li", decided_at=at)
        about = {"serves": [*played.state.decisions][-1]}
    receiver = "to_agency" if row.letter in KINDS else "to_person"
    to = row.letter if row.letter in KINDS else person_id(row.letter or "")
    kind = "paper_served" if act == "served" else word
    played.say(letter.LetterSent, letter_id="letter-1", kind=kind, sent_at=at, **{receiver: to}, **about)
    played.say(letter.LetterReceived, letter_id="letter-1", received_at=at)


def hand_over(played: Played, row: Worked, purpose: str, at: str) -> None:
    """Let the handover be offered, and accepted at once."""
    about = None
    if row.about is not None:
        played.now -= HOUR
        played.decide(row.about, "li")
        about = [*played.state.decisions][-1]
        played.now = seconds(row.start)
    _, receiver, _ = HANDOVERS[purpose]
    played.offer(to=receiver, purpose=purpose, persons=("li",), about=about)
    if row.clock not in ("court_acceptance", "compulsory_treatment_check"):
        played.now = seconds(row.start)
        played.accept(received_at=at, occurred_at=at)
    if row.trial is not None:
        played.say(case.CaseStageEntered, stage=played.state.stage, trial=row.trial)
    if row.turned is not None:
        played.now = seconds(row.turned)
        played.say(case.CaseStageEntered, stage=played.state.stage, trial="ordinary")


def extend(played: Played, row: Worked, extensions: tuple[tuple[str, ...], ...]) -> None:
    """Let each extension be decided before the time ends, on a ground that it asks for."""
    for name, *until in extensions:
        clock = played.ticking(row.on or row.clock)
        rule = next(each for each in clock.rule.extensions if each.name == name and each.of in (None, clock.period))
        fields: dict[str, Any] = {"until": until[0]} if until else {}
        if rule.grounds:
            fields["qualifying_ground"] = rule.grounds[0]
        played.say(case.DeadlineExtended, deadline_id=clock.deadline_id, extension=name, article=rule.article, **fields)
        assert played.flag_names() == [], (row.number, played.flags)


def play(row: Worked) -> tuple[Played, Clock]:
    """The case of a row with the clock as it is at the end of all acts."""
    rule = next(rule for rule in BOOK.clocks if rule.name == row.clock)
    fact = row.fact or rule.starts[0]
    if row.clock == "custody_change":
        fact = "received.prosecution_review"
    played = opened(row, fact)
    start(played, row, fact)
    for kind in row.decided:
        played.decide(kind, "li")
    if row.extended_at is not None:
        played.now = seconds(row.extended_at)
    extend(played, row, row.before)
    if row.anew is not None:
        played.now = seconds(row.anew) + DAY
        again = {"deadline_id": played.ticking(row.clock).deadline_id, "reset_at": instant_text(seconds(row.anew))}
        played.say(case.DeadlineReset, **again)
    if row.renewed is not None:
        played.now = seconds(row.renewed)
        played.say(item.ItemFreezeRenewed, item_id="thing", frozen_until=None)
    if row.rests is not None:
        since, until, ground = row.rests
        key = played.ticking(row.on or row.clock).deadline_id
        times = {"suspended_at": instant_text(seconds(since)), "excluded_for": ground}
        played.now = seconds(since)
        played.say(case.DeadlineSuspended, deadline_id=key, **times)
        played.now = seconds(until)
        played.say(case.DeadlineResumed, deadline_id=key, resumed_at=instant_text(seconds(until)))
    extend(played, row, row.extensions)
    return played, played.ticking(row.clock)


def counted(row: Worked) -> Deadline:
    played, clock = play(row)
    as_of = datetime.fromisoformat(instant_text(unix_seconds(clock.started_at) + 60))
    return deadline(played.state, replace(clock, stopped_at=None), played.book, as_of)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.number:03}-{row.clock}")
def test_a_deadline_is_what_was_worked_out(row: Worked) -> None:
    """Its last day, or the first moment too late, under the article that the table names."""
    actual = counted(row)
    assert actual.article == row.article
    assert (None if actual.last_day is None else actual.last_day.isoformat()) == row.last_day
    if row.due is not None:
        assert actual.due_at is not None
        assert actual.due_at.timestamp() == seconds(row.due)
    assert (actual.unknown is not None) == row.not_before
    if row.last_day is None and row.due is None:
        assert (actual.status, actual.due_at) == ("running", None)


def test_an_opinion_for_correction_burdens_the_court_alone() -> None:
    """No retrial falls due where somebody else gets one."""
    row = next(row for row in TABLE if row.clock == "correction_retrial")
    fact = "letter_received.correction_opinion"
    for receiver, clocks in ((COURT, 1), (POLICE, 0)):
        played = opened(row, fact)
        start(played, replace(row, letter=receiver), fact)
        assert len([clock for clock in played.state.clocks.values() if clock.name == row.clock]) == clocks


def test_the_table_is_large_enough() -> None:
    """There are 120 rows at least, and no number stands twice."""
    assert len({row.number for row in TABLE}) == len(TABLE) >= 120
