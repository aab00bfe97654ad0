"""Plants: courses that break one part of one rule of supervision each, and nothing else that they can help.

The order of the table decides, with the seed, which case becomes which plant.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, NamedTuple, Self, TypeVar

from msgspec.structs import replace

from ledger.core.custody import Handover, Item
from ledger.core.encoding.instants import instant_text
from ledger.core.events import handover, item
from ledger.core.procedure.legal_days import DAY
from ledger.samples.case_acts import pieces
from scripts.histories.courses import CriminalCourse, DataTwin, SealTwin, SupervisionCourse
from scripts.histories.simulation import DAY_S, CasePlan, EndOfHistory

C = TypeVar("C", bound=type[CriminalCourse])
PLANTS: list[Plant] = []


class Plant(NamedTuple):
    """``course`` breaks ``part`` of ``rule`` in a case that begins at least ``days`` before the history ends.

    ``needs`` are what its plan has to be like; ``twins`` break it together with the case after them.
    """

    rule: int
    part: str
    course: type[CriminalCourse]
    days: int
    needs: dict[str, Any]
    twins: bool

    def fitted(self, plan: CasePlan) -> CasePlan:
        """Return the plan as the course needs it: a plain criminal case that is tried, unless it says otherwise."""
        plain = {"kind": "criminal", "route": "judgment", "appeal": "none", "custody": "a_week", "at_large": False}
        return replace(plan, **(plain | self.needs))


def plant(rule: int, part: str, *, days: int = 700, twins: bool = False, **needs: Any) -> Callable[[C], C]:
    """Register the decorated course."""

    def enter(course: C) -> C:
        PLANTS.append(Plant(rule, part, course, days, needs, twins))
        return course

    return enter


@plant(1, "no_ground", custody="a_month")
class NoGround(CriminalCourse):
    """Detention is extended to thirty days, and no ground is recorded that would allow it."""

    extended_after, extension = 0, 27  # days; 0: one to three

    def prolong(self) -> None:
        self.until(self.extended_after or self.chance.randint(1, 3))
        for measure_id in self.measures("detention"):
            self.extend(measure_id, self.extension, "CPL 91")
            self.plant(measure_id)
        self.wait_for_request()


@plant(1, "after_expiry")
class ExtendedAfterExpiry(NoGround):
    """Detention is extended to a week when it has run out already."""

    extended_after, extension = 5, 4


@plant(2, "bail", custody="bail", days=800)
class BailNotLifted(CriminalCourse):
    """Bail goes on after its twelve months."""

    goes_on = (390, 450)  # days

    def investigate(self) -> None:
        self.wait(*self.goes_on)
        for measure_id in self.measures():
            self.plant(measure_id)


@plant(2, "surveillance", custody="surveillance")
class SurveillanceNotLifted(BailNotLifted):
    """Residential surveillance goes on after its six months."""

    goes_on = (200, 260)


@plant(3, "not_transferred", days=850, custody="a_month", account=False)
class NotTransferred(CriminalCourse):
    """Detained, bailed, free; the case is never transferred for prosecution, nor ended."""

    def live_through(self) -> None:
        self.begin()
        self.bail_out()
        self.plant(*self.persons)


@plant(4, "no_decision", route="withdrawn")
class EndedWithoutDecision(CriminalCourse):
    """After detention the case is closed, and no decision says so."""

    def decide_withdrawal(self, disposals: Mapping[str, str]) -> str | None:
        self.plant(*self.persons)
        return None


@plant(4, "no_document", route="withdrawn")
class WithdrawnWithoutDocument(CriminalCourse):
    """The withdrawal is recorded, and no document of it."""

    def decide_withdrawal(self, disposals: Mapping[str, str]) -> str | None:
        self.plant(*self.persons)
        return self.decide("case_withdrawn", disposals=disposals, documented=False).decision


@plant(8, "returned_too_often", returns=3, days=900)
class ThirdReturn(CriminalCourse):
    """The review sends the case back a third time."""

    def send_back(self, number: int) -> None:
        super().send_back(number)
        if number == 2:
            self.plant(self.sent.handover_id)


@plant(8, "late_resubmission", returns=1)
class LateResubmission(CriminalCourse):
    """The supplementary investigation takes longer than a month."""

    def until_resubmission(self) -> None:
        self.until(self.days_left("supplementary_investigation", 31) + self.chance.randint(4, 20))

    def resubmit(self, returned: str) -> None:
        super().resubmit(returned)
        self.plant(returned, self.sent.handover_id)


@plant(8, "last_days", returns=1)
class ReturnedInLastDays(CriminalCourse):
    """The case goes back when the review is all but over (以退代延)."""

    def send_back(self, number: int) -> None:
        self.until(self.days_left("prosecution_review", 29) - self.chance.randint(0, 1))
        self.return_case("supplementary_investigation")
        self.plant(self.sent.handover_id)


@plant(9, "papers_late")
class PapersLate(CriminalCourse):
    """The execution papers go out later than ten days after the judgment took effect."""

    def until_papers(self, clock: str) -> None:
        self.until(self.days_left(clock, 10) + self.chance.randint(4, 30))
        self.plant(*self.persons)


@plant(9, "papers_missing")
class PapersMissing(CriminalCourse):
    """No execution papers go out at all."""

    def imprison(self) -> None:
        self.plant(*self.persons)


@plant(9, "no_intake")
class NoIntake(CriminalCourse):
    """The prison never acknowledges the convict."""

    def take_in(self) -> None:
        self.plant(self.sent.handover_id, *self.persons)


@plant(10, "not_served", returns=0)
class CustodyChangeNotRequested(CriminalCourse):
    """The procuratorate accepts the case and asks for no change of custody."""

    def serve_custody_changes(self, accepted: Handover) -> None:
        if accepted.purpose != "prosecution_review":
            super().serve_custody_changes(accepted)
            return
        self.plant(accepted.handover_id, *self.asked(accepted), *self.locked_up())
        self.wait(5, 9)

    def asked(self, accepted: Handover) -> list[str]:
        """Ask for what is not served; return the ids of the changes."""
        return []


@plant(10, "not_served", returns=0)
class CustodyChangeNotServed(CustodyChangeNotRequested):
    """The change of custody is asked for, and the detention house never serves it."""

    def asked(self, accepted: Handover) -> list[str]:
        return self.ask_custody_changes(accepted)


@plant(10, "kept_for", appeal="upheld", account=False)
class KeptForCourtBelow(CriminalCourse):
    """The file is before the upper court, the convict is kept for the court below to this day."""

    def serve_custody_changes(self, accepted: Handover) -> None:
        if accepted.purpose == "appeal":
            self.plant(accepted.handover_id, *self.locked_up())
            raise EndOfHistory
        super().serve_custody_changes(accepted)


@plant(10, "old_holder", appeal="upheld", account=False)
class ClockAtCourtBelow(CriminalCourse):
    """The file goes up without a judgment in the record: the time of the court below runs on."""

    def judge(self) -> None:
        self.within("first_instance", 5)

    def serve_custody_changes(self, accepted: Handover) -> None:
        super().serve_custody_changes(accepted)
        if accepted.purpose == "appeal":
            self.plant(accepted.handover_id, *self.persons)
            raise EndOfHistory


@plant(17, "pension", suspects=1)
class Pensioner(CriminalCourse):
    """The convict's pension is paid on while he is in prison."""

    def served(self) -> None:
        self.plant(*self.persons)
        super().served()


class FirstList(CriminalCourse):
    """The investigators' list is not as it should be, and nobody refuses it for another reason."""

    def transfer_list(self) -> list[handover.OfferedItem]:
        lines = super().transfer_list()
        return self.listed(lines) if self.state.responsible == self.investigator else lines

    @abstractmethod
    def listed(self, lines: list[handover.OfferedItem]) -> list[handover.OfferedItem]:
        """Return the lines as the investigators write them."""

    def refuse_once(self) -> None:
        """Do nothing."""


@plant(5, "not_listed", exhibits=3)
class NotListed(FirstList):
    """A seized thing is left off the list of the transfer, and stays with the investigators."""

    def listed(self, lines: list[handover.OfferedItem]) -> list[handover.OfferedItem]:
        return [line for line in lines if line.item_id != self.id_of("exhibit2")]

    def transfer(self) -> None:
        super().transfer()
        self.plant(self.id_of("exhibit2"))


@plant(6, "indicted", exhibits=2)
class IndictedWithoutProperty(CriminalCourse):
    """The case goes to court, a necklace neither goes along nor is disposed of."""

    def collect(self) -> None:
        super().collect()
        self.seize("necklace", "necklace", kind="property")

    def transfer_list(self) -> list[handover.OfferedItem]:
        left = self.id_of("necklace") if self.state.responsible == self.city["procuratorate"] else ""
        return [line for line in super().transfer_list() if line.item_id != left]

    def indict(self) -> None:
        super().indict()
        self.plant(self.id_of("necklace"))

    def disposals(self) -> dict[str, str]:
        return {key: value for key, value in super().disposals().items() if key != self.id_of("necklace")}


@plant(6, "not_prosecuted", route="not_prosecuted", car=True)
class DroppedWithProperty(CriminalCourse):
    """Nobody is prosecuted, and the car is not disposed of although that was decided."""

    def dispose_dropped(self, disposals: dict[str, str], decision_id: str) -> None:
        del disposals[self.id_of("car")]
        super().dispose_dropped(disposals, decision_id)
        self.plant(self.id_of("car"))
        raise EndOfHistory


@plant(7, "silent", car=True)
class SilentJudgment(CriminalCourse):
    """The car reached the court, and the judgment says nothing of it."""

    def judged(self, disposals: dict[str, str]) -> Mapping[str, str]:
        return {key: value for key, value in disposals.items() if key != self.id_of("car")}

    def judge(self) -> None:
        super().judge()
        self.plant(self.id_of("car"))


@plant(11, "list", exhibits=2)
class OtherSealListed(FirstList):
    """The transfer list names another seal than the record, and nobody takes notice."""

    def listed(self, lines: list[handover.OfferedItem]) -> list[handover.OfferedItem]:
        listed = handover.OfferedItem(item_id=self.id_of("exhibit1"), seal_number=self.seal_of("another"))
        return [listed if line.item_id == listed.item_id else line for line in lines]

    def differing(self, sent: Handover) -> float:
        return 0.0

    def transfer(self) -> None:
        super().transfer()
        self.plant(self.sent.handover_id, self.id_of("exhibit1"))


@plant(11, "receipt", exhibits=2)
class ReceiptCorrected(CriminalCourse):
    """The receiver counts an exhibit as listed, corrects the count days later, and nobody records a discrepancy."""

    def receive_case(self) -> None:
        if self.planted:
            super().receive_case()
            return
        exhibit = self.state.items[self.id_of("exhibit1")]
        counted = handover.ReceivedItem(item_id=exhibit.item_id, quantity=exhibit.quantity, match_result="match")
        sent = self.accept(received=(counted,)).sent
        half = self.last
        self.move_persons()
        correction = {"field": "received[0].quantity.value", "recorded": exhibit.quantity.value, "correct": "0"}
        self.correct(half, sent.to_agency, "counted again", **correction)
        self.plant(sent.handover_id, exhibit.item_id)


@plant(11, "examination", phone=True)
class ExaminedOtherwise(CriminalCourse):
    """The laboratory has another digest than the record, and nobody raises a discrepancy."""

    def examined(self, image: Item) -> None:
        self.compared(image, (self.digest_of("another image"),), "mismatch")
        self.plant(image.item_id)


@plant(11, "checked_in_late", exhibits=2)
class BroughtBackLate(CriminalCourse):
    """What an officer took along comes back after its time."""

    def investigate(self) -> None:
        self.look_again()
        super().investigate()

    def bring_back(self, item_id: str) -> None:
        if self.planted:
            super().bring_back(item_id)
            return
        self.until(8 + self.chance.randint(3, 6))
        self.say(item.ItemCheckedIn, item_id=item_id, match_result="match")
        self.plant(item_id)


@plant(11, "checked_in_short", exhibits=2)
class BroughtBackShort(CriminalCourse):
    """What an officer took along comes back with a piece less, and nobody raises a discrepancy."""

    def investigate(self) -> None:
        bundle = self.seize("bundle", "banknotes, counterfeit", quantity=40)
        self.count_short(bundle)
        super().investigate()

    def count_short(self, bundle: str) -> None:
        """Lose some of the bundle."""
        self.take_short(bundle, self.investigator)
        self.plant(bundle)

    def take_short(self, bundle: str, agency: str) -> None:
        """Let an officer of the agency take the bundle along and bring back less."""
        self.take_along(bundle, agency)
        self.wait(1, 4)
        self.say(item.ItemCheckedIn, agency, item_id=bundle, quantity=pieces(37))


@plant(11, "loan_short", exhibits=2)
class LoanShort(BroughtBackShort):
    """The laboratory loses some of what it was sent, and sends the rest back as if it were all."""

    def count_short(self, bundle: str) -> None:
        self.lend_to_lab(bundle)
        self.take_short(bundle, self.city["lab"])
        self.give_back(bundle, purpose="return", explanation="examined").accept()
        self.plant(self.sent.handover_id, bundle)


@plant(11, "loan_overdue", kind="civil", days=150)
class LoanOverdue(SupervisionCourse):
    """A borrowed file goes back after it was due."""

    def until_return(self) -> None:
        self.until(45)
        self.plant(self.id_of("dossier1"))


@plant(15, "seal", twins=True)
class SealOfAnother(SealTwin):
    """A thing is under a seal that another case has."""

    def collect(self) -> None:
        super().collect()
        self.plant(self.shared)


@plant(15, "digest", twins=True, phone=True)
class DigestOfAnother(DataTwin):
    """Data of another case is passed off as this one's."""

    def examined(self, image: Item) -> None:
        self.compared(image, image.digests, "match")

    def collect(self) -> None:
        super().collect()
        self.plant(f"sha256:{self.shared}")


class ShortFreeze(CriminalCourse):
    """The account is frozen for three weeks to begin with."""

    freeze_days = (20, 22)


@plant(16, "lapsed", account=True, returns=1)
class FreezeLapsed(ShortFreeze):
    """Nobody renews the freeze."""

    def renew(self, item_id: str, by: date) -> None:
        """Do nothing."""

    def until_resubmission(self) -> None:
        super().until_resubmission()
        self.plant(self.id_of("account"))


@plant(16, "renewed_late", account=True, returns=1)
class FreezeRenewedLate(ShortFreeze):
    """The freeze is renewed when it has lapsed."""

    def renew(self, item_id: str, by: date) -> None:
        if self.planted:
            super().renew(item_id, by)
            return
        last = self.frozen_until(item_id)
        if last and by > last + 10 * DAY:
            self.on(last + 10 * DAY)
            self.renew_once(item_id)
            self.plant(item_id)


class Stores(CriminalCourse):
    """An exhibit goes to the depot, which answers in a way of its own."""

    def store(self, item_id: str) -> None:
        """Store nothing but the first exhibit."""

    def collect(self) -> None:
        super().collect()
        self.offer(self.id_of("exhibit1"), to=self.city["depot"], purpose="property_transfer")
        self.plant(self.sent.handover_id, self.stored(self.sent))

    @abstractmethod
    def stored(self, sent: Handover) -> str:
        """Accept the exhibit; return what is amiss."""


@plant(12, "gap")
class Gap(Stores):
    """Nobody had the thing for weeks: it was released long before it was received."""

    def stored(self, sent: Handover) -> str:
        self.until(25)
        self.accept()
        return self.id_of("exhibit1")


@plant(12, "overlap")
class Overlap(Stores):
    """Two had the thing at a time: it was received before it was released, on the same day: a day before is refused."""

    def stored(self, sent: Handover) -> str:
        self.delivered[sent.handover_id] = instant_text(self.now - 2 * 3600)
        self.accept()
        return self.id_of("exhibit1")


@plant(12, "backdated")
class Backdated(CriminalCourse):
    """An act claims to lie before what was recorded before it."""

    def collect(self) -> None:
        super().collect()
        self.wait(8, 9)
        exhibit = self.id_of("exhibit1")
        self.say(item.ItemMoved, item_id=exhibit, storage_location="room 4")
        claimed = instant_text(self.now - 5 * DAY_S)
        self.say(item.ItemMoved, item_id=exhibit, storage_location="room 5", occurred_at=claimed)
        self.plant(self.last.event_id, claimed)


@plant(12, "same_officer")
class SameOfficer(Stores):
    """One officer serves two counters: he releases and receives."""

    def stored(self, sent: Handover) -> str:
        self.accept(officer=sent.offered_by)
        return sent.offered_by


@plant(12, "anchored_late", returns=1, custody="bail")
class RecordedLate(CriminalCourse):
    """The resubmission claims the last day of its month, and is recorded a week later."""

    def until_resubmission(self) -> None:
        self.until(self.days_left("supplementary_investigation", 28))

    def offer(self, *items: str | handover.OfferedItem, **fields: Any) -> Self:
        resubmits = "follows" in fields and self.state.handovers[fields["follows"]].is_accepted
        super().offer(*items, **fields, delay=7 if resubmits else 0)
        if resubmits:
            self.delivered[self.sent.handover_id] = self.sent.offered_at
            self.plant(self.sent.handover_id, self.last.event_id)
        return self


@plant(13, "unanswered", account=False, summary=False)
class Unanswered(CriminalCourse):
    """The court never answers the indictment."""

    def indict(self) -> None:
        self.send_case(self.city["court"], "public_prosecution")
        self.plant(self.sent.handover_id)
        raise EndOfHistory
