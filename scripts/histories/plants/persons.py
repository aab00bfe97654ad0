"""Breaches about persons, decisions and the time of stages: rules 1 to 4 and 8 to 10, and 17."""

from __future__ import annotations

from ledger.core.events.terms import Disposal
from ledger.core.procedure.legal_days import DAY
from scripts.histories.acts import later, line
from scripts.histories.life import Horizon
from scripts.histories.plants.catalogue import plant
from scripts.histories.sentence import Criminal


@plant(1, "no_ground", custody="a_month")
class NoGround(Criminal):
    """Detention is extended to thirty days, and no ground is recorded that would allow it."""

    def prolong(self) -> None:
        self.wait(1, 3)
        for measure_id in self.measures("detention"):
            self.extend(measure_id, later(self.life.state.measures[measure_id].until or "", 27), "CPL 91")
            self.life.plant(1, "no_ground", measure_id)
        self.wait_for_request(30)


@plant(1, "after_expiry", custody="a_week")
class ExtendedAfterExpiry(Criminal):
    """Detention is extended when it has run out already."""

    def prolong(self) -> None:
        self.until(5)
        for measure_id in self.measures("detention"):
            self.extend(measure_id, later(self.life.state.measures[measure_id].until or "", 4), "CPL 91")
            self.life.plant(1, "after_expiry", measure_id)
        self.wait_for_request(7)


@plant(2, "bail", custody="bail", days=800)
class BailNotLifted(Criminal):
    """Bail goes on after its twelve months."""

    def investigate(self) -> None:
        self.wait(390, 450)
        for measure_id in self.measures("bail"):
            self.life.plant(2, "bail", measure_id)


@plant(2, "surveillance", custody="surveillance")
class SurveillanceNotLifted(Criminal):
    """Residential surveillance goes on after its six months."""

    def investigate(self) -> None:
        self.wait(200, 260)
        for measure_id in self.measures("residential_surveillance"):
            self.life.plant(2, "surveillance", measure_id)


@plant(3, "not_transferred", days=850, custody="a_month", account=False)
class NotTransferred(Criminal):
    """Detained, bailed, free; the case is never transferred for prosecution, nor ended."""

    def live_through(self) -> None:
        self.begin()
        for measure_id in self.measures("arrest"):
            self.change(measure_id, "bail")
        self.until_limit_of_bail()
        for measure_id in self.measures():
            self.lift(measure_id)
        self.life.plant(3, "not_transferred", *self.persons)
        raise Horizon


@plant(4, "no_decision", route="withdrawn")
class EndedWithoutDecision(Criminal):
    """After detention the case is closed, and no decision says so."""

    def decide_withdrawal(self, disposals: dict[str, Disposal]) -> str | None:
        self.life.plant(4, "no_decision", *self.persons)
        return None


@plant(4, "no_document", route="withdrawn")
class WithdrawnWithoutDocument(Criminal):
    """The withdrawal is recorded, and no document of it."""

    def decide_withdrawal(self, disposals: dict[str, Disposal]) -> str | None:
        self.life.plant(4, "no_document", *self.persons)
        return self.decide("case_withdrawn", items=disposals, documented=False)


@plant(8, "third_return", returns=2, days=900)
class ThirdReturn(Criminal):
    """The review sends the case back a third time."""

    def returns(self) -> int:
        return 3

    def send_back(self, transferred: str, number: int) -> None:
        super().send_back(transferred, number)
        if number == 2:
            self.life.plant(8, "third_return", self.resubmits)


@plant(8, "late_resubmission", returns=1)
class LateResubmission(Criminal):
    """The supplementary investigation takes longer than a month."""

    def until_resubmission(self) -> None:
        last = self.life.last_day("supplementary_investigation")
        self.until(((last - self.life.today) // DAY if last else 31) + self.chance.randint(4, 20))

    def transfer_again(self) -> str:
        returned = self.resubmits
        sent = super().transfer_again()
        self.life.plant(8, "late_resubmission", returned, sent)
        return sent


@plant(8, "last_days", returns=1)
class ReturnedInLastDays(Criminal):
    """The case goes back when the review is all but over (以退代延)."""

    def send_back(self, transferred: str, number: int) -> None:
        last = self.life.last_day("prosecution_review")
        self.until((last - self.life.today) // DAY - self.chance.randint(0, 1) if last else 29)
        dossiers = [line(one.item_id) for one in self.live("dossier")]
        self.resubmits = self.give_back(transferred, "supplementary_investigation", dossiers)
        self.life.plant(8, "last_days", self.resubmits)
        self.accept(self.resubmits)
        self.restart_bail()
        self.serve_custody_changes(self.resubmits)


@plant(9, "papers_late")
class PapersLate(Criminal):
    """The execution papers go out later than ten days after the judgment took effect."""

    def until_papers(self, clock: str) -> None:
        last = self.life.last_day(clock)
        self.until(((last - self.life.today) // DAY if last else 10) + self.chance.randint(4, 30))
        self.life.plant(9, "papers_late", *self.persons)


@plant(9, "papers_missing")
class PapersMissing(Criminal):
    """No execution papers go out at all."""

    def imprison(self) -> None:
        self.life.plant(9, "papers_missing", *self.persons)
        raise Horizon


@plant(9, "no_intake")
class NoIntake(Criminal):
    """The prison never acknowledges the convict."""

    def take_in(self, sent: str) -> None:
        self.life.plant(9, "no_intake", sent, *self.persons)
        raise Horizon


@plant(10, "not_served", returns=0)
class CustodyChangeNotRequested(Criminal):
    """The procuratorate accepts the case and asks for no change of custody."""

    def serve_custody_changes(self, handover_id: str) -> None:
        if self.life.state.handovers[handover_id].purpose == "prosecution_review":
            self.life.plant(10, "not_served", handover_id, *self.locked_up())
            self.wait(5, 9)
        else:
            super().serve_custody_changes(handover_id)


@plant(10, "not_served", returns=0)
class CustodyChangeNotServed(Criminal):
    """The change of custody is asked for, and the detention house never serves it."""

    def serve_custody_changes(self, handover_id: str) -> None:
        accepted = self.life.state.handovers[handover_id]
        if accepted.purpose == "prosecution_review":
            asked = [self.request_custody_change(accepted, person) for person in self.locked_up()]
            self.life.plant(10, "not_served", handover_id, *asked, *self.locked_up())
            self.wait(5, 9)
        else:
            super().serve_custody_changes(handover_id)


@plant(10, "kept_for", appeal="upheld", account=False)
class KeptForCourtBelow(Criminal):
    """The file is before the upper court, the convict is kept for the court below to this day."""

    def serve_custody_changes(self, handover_id: str) -> None:
        if self.life.state.handovers[handover_id].purpose != "appeal":
            super().serve_custody_changes(handover_id)
            return
        self.life.plant(10, "kept_for", handover_id, *self.locked_up())
        raise Horizon


@plant(10, "old_holder", appeal="upheld", account=False)
class ClockAtCourtBelow(Criminal):
    """The file goes up without a judgment in the record: the time of the court below runs on."""

    def judge(self) -> None:
        self.within("first_instance", 5)

    def serve_custody_changes(self, handover_id: str) -> None:
        super().serve_custody_changes(handover_id)
        if self.life.state.handovers[handover_id].purpose == "appeal":
            self.life.plant(10, "old_holder", handover_id, *self.persons)
            raise Horizon


@plant(17, "pension", custody="a_week", suspects=1)
class Pensioner(Criminal):
    """The convict's pension is paid on while he is in prison."""

    def served(self) -> None:
        self.life.plant(17, "pension", *self.persons)
        super().served()
