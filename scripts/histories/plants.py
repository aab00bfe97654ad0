"""Plants: courses that break one part of one rule of supervision each, and nothing else that they can help.

The order of the table decides, with the seed, which case becomes which plant.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from msgspec.structs import replace

from ledger.core.events import handover, item, record
from ledger.core.events.terms import Disposal
from ledger.core.procedure.legal_days import DAY, instant_text
from ledger.samples.case_acts import pieces
from scripts.histories.agencies import SimulatedOfficer
from scripts.histories.case_acts import later, line
from scripts.histories.courses import CriminalCourse, DataTwin, SealTwin, SupervisionCourse
from scripts.histories.simulation import CasePlan, EndOfHistory

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

    def prolong(self) -> None:
        self.wait(1, 3)
        for measure_id in self.measures("detention"):
            self.extend(measure_id, later(self.simulated.state.measures[measure_id].until or "", 27), "CPL 91")
            self.simulated.plant(1, "no_ground", measure_id)
        self.wait_for_request(30)


@plant(1, "after_expiry", custody="a_week")
class ExtendedAfterExpiry(CriminalCourse):
    """Detention is extended when it has run out already."""

    def prolong(self) -> None:
        self.until(5)
        for measure_id in self.measures("detention"):
            self.extend(measure_id, later(self.simulated.state.measures[measure_id].until or "", 4), "CPL 91")
            self.simulated.plant(1, "after_expiry", measure_id)
        self.wait_for_request(7)


@plant(2, "bail", custody="bail", days=800)
class BailNotLifted(CriminalCourse):
    """Bail goes on after its twelve months."""

    def investigate(self) -> None:
        self.wait(390, 450)
        for measure_id in self.measures("bail"):
            self.simulated.plant(2, "bail", measure_id)


@plant(2, "surveillance", custody="surveillance")
class SurveillanceNotLifted(CriminalCourse):
    """Residential surveillance goes on after its six months."""

    def investigate(self) -> None:
        self.wait(200, 260)
        for measure_id in self.measures("residential_surveillance"):
            self.simulated.plant(2, "surveillance", measure_id)


@plant(3, "not_transferred", days=850, custody="a_month", account=False)
class NotTransferred(CriminalCourse):
    """Detained, bailed, free; the case is never transferred for prosecution, nor ended."""

    def live_through(self) -> None:
        self.begin()
        for measure_id in self.measures("arrest"):
            self.change(measure_id, "bail")
        self.until_limit_of_bail()
        for measure_id in self.measures():
            self.lift(measure_id)
        self.simulated.plant(3, "not_transferred", *self.persons)
        raise EndOfHistory


@plant(4, "no_decision", route="withdrawn")
class EndedWithoutDecision(CriminalCourse):
    """After detention the case is closed, and no decision says so."""

    def decide_withdrawal(self, disposals: dict[str, Disposal]) -> str | None:
        self.simulated.plant(4, "no_decision", *self.persons)
        return None


@plant(4, "no_document", route="withdrawn")
class WithdrawnWithoutDocument(CriminalCourse):
    """The withdrawal is recorded, and no document of it."""

    def decide_withdrawal(self, disposals: dict[str, Disposal]) -> str | None:
        self.simulated.plant(4, "no_document", *self.persons)
        return self.decide("case_withdrawn", items=disposals, documented=False)


@plant(8, "third_return", returns=2, days=900)
class ThirdReturn(CriminalCourse):
    """The review sends the case back a third time."""

    def returns(self) -> int:
        return 3

    def send_back(self, transferred: str, number: int) -> None:
        super().send_back(transferred, number)
        if number == 2:
            self.simulated.plant(8, "third_return", self.resubmits)


@plant(8, "late_resubmission", returns=1)
class LateResubmission(CriminalCourse):
    """The supplementary investigation takes longer than a month."""

    def until_resubmission(self) -> None:
        last = self.simulated.last_day("supplementary_investigation")
        self.until(((last - self.simulated.today) // DAY if last else 31) + self.chance.randint(4, 20))

    def transfer_again(self) -> str:
        returned = self.resubmits
        sent = super().transfer_again()
        self.simulated.plant(8, "late_resubmission", returned, sent)
        return sent


@plant(8, "last_days", returns=1)
class ReturnedInLastDays(CriminalCourse):
    """The case goes back when the review is all but over (以退代延)."""

    def send_back(self, transferred: str, number: int) -> None:
        last = self.simulated.last_day("prosecution_review")
        self.until((last - self.simulated.today) // DAY - self.chance.randint(0, 1) if last else 29)
        dossiers = [line(dossier.item_id) for dossier in self.live("dossier")]
        self.resubmits = self.give_back(transferred, "supplementary_investigation", dossiers)
        self.simulated.plant(8, "last_days", self.resubmits)
        self.accept(self.resubmits)
        self.restart_bail()
        self.serve_custody_changes(self.resubmits)


@plant(9, "papers_late")
class PapersLate(CriminalCourse):
    """The execution papers go out later than ten days after the judgment took effect."""

    def until_papers(self, clock: str) -> None:
        last = self.simulated.last_day(clock)
        self.until(((last - self.simulated.today) // DAY if last else 10) + self.chance.randint(4, 30))
        self.simulated.plant(9, "papers_late", *self.persons)


@plant(9, "papers_missing")
class PapersMissing(CriminalCourse):
    """No execution papers go out at all."""

    def imprison(self) -> None:
        self.simulated.plant(9, "papers_missing", *self.persons)
        raise EndOfHistory


@plant(9, "no_intake")
class NoIntake(CriminalCourse):
    """The prison never acknowledges the convict."""

    def take_in(self, sent: str) -> None:
        self.simulated.plant(9, "no_intake", sent, *self.persons)
        raise EndOfHistory


@plant(10, "not_served", returns=0)
class CustodyChangeNotRequested(CriminalCourse):
    """The procuratorate accepts the case and asks for no change of custody."""

    def serve_custody_changes(self, handover_id: str) -> None:
        if self.simulated.state.handovers[handover_id].purpose == "prosecution_review":
            self.simulated.plant(10, "not_served", handover_id, *self.locked_up())
            self.wait(5, 9)
        else:
            super().serve_custody_changes(handover_id)


@plant(10, "not_served", returns=0)
class CustodyChangeNotServed(CriminalCourse):
    """The change of custody is asked for, and the detention house never serves it."""

    def serve_custody_changes(self, handover_id: str) -> None:
        accepted = self.simulated.state.handovers[handover_id]
        if accepted.purpose == "prosecution_review":
            asked = [self.request_custody_change(accepted, person) for person in self.locked_up()]
            self.simulated.plant(10, "not_served", handover_id, *asked, *self.locked_up())
            self.wait(5, 9)
        else:
            super().serve_custody_changes(handover_id)


@plant(10, "kept_for", appeal="upheld", account=False)
class KeptForCourtBelow(CriminalCourse):
    """The file is before the upper court, the convict is kept for the court below to this day."""

    def serve_custody_changes(self, handover_id: str) -> None:
        if self.simulated.state.handovers[handover_id].purpose != "appeal":
            super().serve_custody_changes(handover_id)
            return
        self.simulated.plant(10, "kept_for", handover_id, *self.locked_up())
        raise EndOfHistory


@plant(10, "old_holder", appeal="upheld", account=False)
class ClockAtCourtBelow(CriminalCourse):
    """The file goes up without a judgment in the record: the time of the court below runs on."""

    def judge(self) -> None:
        self.within("first_instance", 5)

    def serve_custody_changes(self, handover_id: str) -> None:
        super().serve_custody_changes(handover_id)
        if self.simulated.state.handovers[handover_id].purpose == "appeal":
            self.simulated.plant(10, "old_holder", handover_id, *self.persons)
            raise EndOfHistory


@plant(17, "pension", custody="a_week", suspects=1)
class Pensioner(CriminalCourse):
    """The convict's pension is paid on while he is in prison."""

    def served(self) -> None:
        self.simulated.plant(17, "pension", *self.persons)
        super().served()


@plant(5, "not_listed", exhibits=3)
class NotListed(CriminalCourse):
    """A seized thing is left off the list of the transfer, and stays with the investigators."""

    def transfer_list(self) -> list[handover.OfferedItem]:
        lines = super().transfer_list()
        return [
            listed
            for listed in lines
            if self.responsible != self.investigator or listed.item_id != self.id_of("exhibit2")
        ]

    def refuse_once(self, sent: str) -> str:
        return sent

    def transfer(self) -> str:
        sent = super().transfer()
        self.simulated.plant(5, "not_listed", self.id_of("exhibit2"))
        return sent


@plant(6, "indicted", exhibits=2)
class IndictedWithoutProperty(CriminalCourse):
    """The case goes to court, a necklace neither goes along nor is disposed of."""

    def collect(self) -> None:
        super().collect()
        self.seize("necklace", "property", "necklace")

    def indictment_list(self) -> list[handover.OfferedItem]:
        return [listed for listed in super().indictment_list() if listed.item_id != self.id_of("necklace")]

    def indict(self) -> None:
        super().indict()
        self.simulated.plant(6, "indicted", self.id_of("necklace"))

    def disposals(self) -> dict[str, Disposal]:
        return {key: value for key, value in super().disposals().items() if key != self.id_of("necklace")}


@plant(6, "not_prosecuted", route="not_prosecuted", car=True)
class DroppedWithProperty(CriminalCourse):
    """Nobody is prosecuted, and the car is not disposed of although that was decided."""

    def to_be_disposed(self, item_id: str, disposals: dict[str, Disposal]) -> bool:
        return item_id != self.id_of("car") and super().to_be_disposed(item_id, disposals)

    def end_review(self, decision_id: str) -> None:
        self.simulated.plant(6, "not_prosecuted", self.id_of("car"))


@plant(7, "silent", car=True)
class SilentJudgment(CriminalCourse):
    """The car reached the court, and the judgment says nothing of it."""

    def judged(self, disposals: dict[str, Disposal]) -> dict[str, Disposal]:
        return {key: value for key, value in disposals.items() if key != self.id_of("car")}

    def judge(self) -> None:
        super().judge()
        self.simulated.plant(7, "silent", self.id_of("car"))


@plant(11, "list", exhibits=2)
class OtherSealListed(CriminalCourse):
    """The transfer list names another seal than the record, and nobody takes notice."""

    def transfer_list(self) -> list[handover.OfferedItem]:
        lines = super().transfer_list()
        if self.responsible != self.investigator:
            return lines
        other = handover.OfferedItem(item_id=self.id_of("exhibit1"), seal_number=self.seal_number("another"))
        return [other if listed.item_id == other.item_id else listed for listed in lines]

    def differing(self, sent: str) -> float:
        return 0.0

    def refuse_once(self, sent: str) -> str:
        return sent

    def transfer(self) -> str:
        sent = super().transfer()
        self.simulated.plant(11, "list", sent, self.id_of("exhibit1"))
        return sent


@plant(11, "receipt", exhibits=2)
class ReceiptCorrected(CriminalCourse):
    """The receiver counts an exhibit as listed, corrects the count days later, and nobody records a discrepancy."""

    def found(self, sent: str) -> tuple[handover.ReceivedItem, ...]:
        item_id = self.id_of("exhibit1")
        if self.simulated.planted or item_id not in self.simulated.state.handovers[sent].items:
            return super().found(sent)
        return (
            handover.ReceivedItem(
                item_id=item_id, quantity=self.simulated.state.items[item_id].quantity, match_result="match"
            ),
        )

    def receive_case(self, sent: str) -> None:
        super().receive_case(sent)
        counted = None  # the receiver's half that counts the exhibit alone
        for event in (step.event for step in self.simulated.steps):
            half = event.payload.body
            if isinstance(half, handover.HandoverAccepted) and half.handover_id == sent:
                counted = event if [line.item_id for line in half.received] == [self.id_of("exhibit1")] else counted
        if counted is None or self.simulated.planted:
            return
        count = self.simulated.state.items[self.id_of("exhibit1")].quantity.value
        correction = record.Correction(field="received[0].quantity.value", recorded=count, correct="0")
        body = record.RecordCorrected(corrects=counted.ref, corrections=(correction,), ground="counted again")
        self.say(body, self.simulated.state.handovers[sent].to_agency)
        self.simulated.plant(11, "receipt", sent, self.id_of("exhibit1"))


@plant(11, "examination", phone=True)
class ExaminedOtherwise(CriminalCourse):
    """The laboratory has another digest than the record, and nobody raises a discrepancy."""

    def examined(self, image: str, sent: str) -> None:
        self.compared(image, (self.digest("another image"),), "mismatch")
        self.simulated.plant(11, "examination", image)


@plant(11, "checked_in_late", exhibits=2)
class BroughtBackLate(CriminalCourse):
    """What an officer took along comes back after its time."""

    def investigate(self) -> None:
        self.look_again()
        super().investigate()

    def bring_back(self, item_id: str) -> None:
        if self.simulated.planted:
            super().bring_back(item_id)
            return
        self.until(8 + self.chance.randint(3, 6))
        self.say(item.ItemCheckedIn(item_id=item_id, match_result="match"))
        self.simulated.plant(11, "checked_in_late", item_id)


@plant(11, "checked_in_short", exhibits=2)
class BroughtBackShort(CriminalCourse):
    """What an officer took along comes back with a piece less, and nobody raises a discrepancy."""

    def investigate(self) -> None:
        self.seize("bundle", "exhibit", "banknotes, counterfeit", quantity=pieces(40))
        body = item.ItemCheckedOut(
            item_id=self.id_of("bundle"), to_officer=f"{self.investigator}-2", ground="count", due_at=self._in(7)
        )
        self.say(body)
        self.wait(1, 4)
        self.say(item.ItemCheckedIn(item_id=self.id_of("bundle"), quantity=pieces(37)))
        self.simulated.plant(11, "checked_in_short", self.id_of("bundle"))
        super().investigate()


@plant(11, "loan_short", exhibits=2)
class LoanShort(CriminalCourse):
    """The laboratory loses some of what it was sent, and sends the rest back as if it were all."""

    def investigate(self) -> None:
        bundle = self.seize("bundle", "exhibit", "banknotes, counterfeit", quantity=pieces(40))
        sent = self.offer("forensic_examination", self.city.lab, [line(bundle)], persons=(), due_days=20)
        self.accept(sent)
        out = item.ItemCheckedOut(item_id=bundle, to_officer=f"{self.city.lab}-2", ground="count", due_at=self._in(7))
        self.say(out, self.city.lab)
        self.wait(1, 4)
        self.say(item.ItemCheckedIn(item_id=bundle, quantity=pieces(37)), self.city.lab)
        back = self.give_back(sent, "return", [line(bundle)], persons=(), reason="examined")
        self.accept(back)
        self.simulated.plant(11, "loan_short", back, bundle)
        super().investigate()


@plant(11, "loan_overdue", kind="civil", days=150)
class LoanOverdue(SupervisionCourse):
    """A borrowed file goes back after it was due."""

    def return_file(self, sent: str) -> None:
        self.until(45)
        file = self.id_of("dossier1")
        self.accept(self.give_back(sent, "return", [line(file)], persons=(), reason="studied"))
        self.simulated.plant(11, "loan_overdue", file)


@plant(15, "seal", twins=True)
class SealOfAnother(SealTwin):
    """A thing is under a seal that another case has."""

    def collect(self) -> None:
        super().collect()
        self.simulated.plant(15, "seal", self.shared)


@plant(15, "digest", twins=True, phone=True)
class DigestOfAnother(DataTwin):
    """Data of another case is passed off as this one's."""

    def examined(self, image: str, sent: str) -> None:
        self.compared(image, self.simulated.state.items[image].digests, "match")

    def collect(self) -> None:
        super().collect()
        self.simulated.plant(15, "digest", f"sha256:{self.shared}")


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
        self.simulated.plant(16, "lapsed", self.id_of("account"))


@plant(16, "renewed_late", account=True, returns=1)
class FreezeRenewedLate(ShortFreeze):
    """The freeze is renewed when it has lapsed."""

    def renew(self, item_id: str, by: date) -> None:
        if self.simulated.planted:
            super().renew(item_id, by)
            return
        last = self.frozen_until(item_id)
        if last and by > last + 10 * DAY:
            self.simulated.on(last + 10 * DAY)
            self.renew_once(item_id)
            self.simulated.plant(16, "renewed_late", item_id)


class Stores(CriminalCourse):
    """An exhibit goes to the depot, in a way of its own."""

    def store(self, item_id: str) -> None:
        """Store nothing but what ``stored`` stores."""

    def collect(self) -> None:
        super().collect()
        self.stored(self.id_of("exhibit1"))

    def stored(self, item_id: str) -> None:
        """Store the exhibit as the law wants it."""
        super().store(item_id)

    def send_to_depot(self, item_id: str) -> str:
        """Offer the exhibit to the depot; return the handover's id."""
        return self.offer("property_transfer", self.city.depot, [line(item_id)], persons=())


@plant(12, "gap")
class Gap(Stores):
    """Nobody had the thing for weeks: it was released long before it was received."""

    def stored(self, item_id: str) -> None:
        sent = self.send_to_depot(item_id)
        self.until(25)
        self.accept(sent)
        self.simulated.plant(12, "gap", sent, item_id)


@plant(12, "overlap")
class Overlap(Stores):
    """Two had the thing at a time: it was received before it was released, on the same day: a day before is refused."""

    def stored(self, item_id: str) -> None:
        sent = self.send_to_depot(item_id)
        self.delivered[sent] = _before(self.simulated.moment, timedelta(hours=2))
        self.accept(sent)
        self.simulated.plant(12, "overlap", sent, item_id)


@plant(12, "backdated")
class Backdated(CriminalCourse):
    """An act claims to lie before what was recorded before it."""

    def collect(self) -> None:
        super().collect()
        self.wait(8, 9)
        self.say(item.ItemMoved(item_id=self.id_of("exhibit1"), storage_location="room 4"))
        body = item.ItemMoved(item_id=self.id_of("exhibit1"), storage_location="room 5")
        claimed = _before(self.simulated.moment, 5 * DAY)
        event = self.simulated.act(body, self.clerk(self.responsible), occurred_at=claimed)
        self.simulated.plant(12, "backdated", event.payload.event_id, claimed)


@plant(12, "same_officer")
class SameOfficer(Stores):
    """One officer serves two counters: he releases and receives."""

    def stored(self, item_id: str) -> None:
        sent = self.send_to_depot(item_id)
        sender = self.simulated.state.handovers[sent].offered_by
        self.accept(sent, by=SimulatedOfficer(self.city.depot, sender))
        self.simulated.plant(12, "same_officer", sent, sender)


@plant(12, "anchored_late", returns=1, custody="bail")
class RecordedLate(CriminalCourse):
    """The resubmission claims the last day of its month, and is recorded a week later."""

    def until_resubmission(self) -> None:
        last = self.simulated.last_day("supplementary_investigation")
        self.until((last - self.simulated.today) // DAY if last else 28)

    def offer(self, *arguments, **options) -> str:  # type: ignore[no-untyped-def]
        if not self.resubmits or options.get("follows") != self.resubmits:
            return super().offer(*arguments, **options)
        sent = super().offer(*arguments, **options, delay=7 * DAY)
        self.delivered[sent] = self.simulated.state.handovers[sent].offered_at
        self.simulated.plant(12, "anchored_late", sent, self.simulated.last.payload.event_id)
        return sent


@plant(13, "unanswered", account=False, summary=False)
class Unanswered(CriminalCourse):
    """The court never answers the indictment."""

    def indict(self) -> None:
        sent = self.offer("public_prosecution", self.city.court, self.indictment_list())
        self.simulated.plant(13, "unanswered", sent)
        raise EndOfHistory


def _before(moment: str, by: timedelta) -> str:
    return instant_text(int((datetime.fromisoformat(moment) - by).timestamp()))
