"""The courses of cases: criminal ones from review to execution, those that begin elsewhere, and other kinds."""

from __future__ import annotations

from ledger.core.events import case, handover, item
from ledger.core.events.terms import BusinessLine, Disposal, Purpose
from ledger.samples.case_acts import pieces
from scripts.histories.case_acts import line
from scripts.histories.investigation import Investigation
from scripts.histories.simulation import CasePlan, SimulatedCase

SUPPLEMENT: Purpose = "supplementary_investigation"


class CriminalCourse(Investigation):
    """The whole course of a criminal case: investigation, review by the procuratorate, trial, execution."""

    def __init__(self, simulated: SimulatedCase, plan: CasePlan) -> None:
        super().__init__(simulated, plan)
        self.judgment = ""
        self.disposal_decided: dict[str, Disposal] = {}

    def review(self) -> bool:
        """Return the case as planned, then decide; return whether it goes to court."""
        transferred = self.transfer()
        for number in range(self.returns()):
            self.send_back(transferred, number)
            transferred = self.resubmit(number)
        self.within("prosecution_review", 5)
        if self.plan.route == "not_prosecuted":
            self.drop()
            return False
        self.decide("prosecuted", served=True)
        self.indict()
        return True

    def returns(self) -> int:
        """Return how often the case goes back: twice at most."""
        return self.plan.returns

    def send_back(self, transferred: str, number: int) -> None:
        """Send the case back to the investigators with its dossiers, long before the review would be over."""
        self.wait(6, 18)
        dossiers = [line(dossier.item_id) for dossier in self.live("dossier")]
        purpose = "supplementary_inquiry" if self.plan.kind == "commission" else SUPPLEMENT
        returned = self.give_back(transferred, purpose, dossiers)
        self.accept(returned)
        self.restart_bail()
        self.serve_custody_changes(returned)
        self.resubmits = returned

    def resubmit(self, number: int) -> str:
        """Resubmit within a month, with one more dossier; return the handover's id."""
        self.until_resubmission()
        self.compile(number + 2)
        return self.transfer_again()

    def until_resubmission(self) -> None:
        """Wait until the resubmission: in time, now and then on the last day."""
        self.within("supplementary_investigation", 5, 4)

    def transfer_again(self) -> str:
        """Transfer the case by the handover that follows the return; return its id."""
        sent = self.offer("prosecution_review", self.city.procuratorate, self.transfer_list(), follows=self.resubmits)
        self.check(sent)
        self.receive_case(sent)
        return sent

    def disposals(self) -> dict[str, Disposal]:
        """Decide what becomes of each item except the dossiers."""
        words: dict[str, Disposal] = {"exhibit": "destroyed", "property": "forfeited", "electronic_data": "archived"}
        live = self.live("exhibit", "property", "electronic_data")
        return {thing.item_id: self.chance.choice((words[thing.kind], "returned_to_owner")) for thing in live}

    def drop(self) -> None:
        """Decide not to prosecute: lift all measures, dispose of all items as decided."""
        disposals = self.disposals()
        decision_id = self.decide("not_prosecuted", items=disposals, served=True)
        for measure_id in self.measures():
            self.lift(measure_id)
        self.wait(0, 4)
        self.dispose(
            [thing for thing in self.live() if self.to_be_disposed(thing.item_id, disposals)], disposals, decision_id
        )
        self.end_review(decision_id)

    def to_be_disposed(self, item_id: str, disposals: dict[str, Disposal]) -> bool:
        """Return whether something was decided about the item."""
        return item_id in disposals

    def end_review(self, decision_id: str) -> None:
        """Close the case, most of the time."""
        if self.chance.random() < 0.7:
            self.close(decision_id)

    def indict(self) -> None:
        """Send persons and items to the court, which accepts within seven days."""
        self.wait(0, 2)
        sent = self.offer("public_prosecution", self.city.court, self.indictment_list())
        self.check(sent)
        self.until(self.chance.randint(0, 2))
        self.receive_case(sent)

    def indictment_list(self) -> list[handover.OfferedItem]:
        """List all that the procuratorate is responsible for."""
        return self.transfer_list()

    def try_case(self) -> None:
        """Judge the case, and follow its appeal."""
        if self.plan.summary:
            self.say(case.CaseStageEntered(stage="first_instance", procedure="summary"))
        self.judge()
        if self.plan.appeal != "none":
            self.appeal()
        if self.plan.appeal == "remanded":
            self.judge()
        self.take_effect()

    def judge(self) -> None:
        """Judge in time, with a disposal for every item that is there."""
        self.within("first_instance", 5)
        self.disposal_decided = self.judged(self.disposals())
        self.judgment = self.decide("judgment", items=self.disposal_decided, served=True)

    def judged(self, disposals: dict[str, Disposal]) -> dict[str, Disposal]:
        """Return the disposals that the judgment states."""
        return disposals

    def appeal(self) -> None:
        """Appeal within ten days, to the upper court within three; it is upheld or remanded."""
        self.wait(1, 8)
        self.decide("appealed")
        self.until(self.chance.randint(0, 2))
        sent = self.offer("appeal", self.city.upper_court, self.transfer_list())
        self.accept(sent)
        self.restart_bail()
        self.serve_custody_changes(sent)
        self.within("second_instance", 10)
        remanded = self.plan.appeal == "remanded"
        self.decide("remanded" if remanded else "ruling", served=True)
        self.send_down(sent, remanded)

    def send_down(self, sent: str, remanded: bool) -> None:
        """Send file and items back to the court below."""
        self.until(self.chance.randint(0, 2))
        own = [thing for thing in self.live() if thing.responsible == self.responsible]
        lines = [line(thing.item_id, stays=self.stays(thing.item_id)) for thing in own]
        back = self.give_back(sent, "remand" if remanded else "return", lines)
        self.accept(back)
        self.restart_bail()
        self.serve_custody_changes(back)

    def take_effect(self) -> None:
        """Let the judgment take effect after the time for an appeal, or at once after a ruling of the upper court."""
        if self.plan.appeal != "upheld":
            self.until(11)
        self.decide("judgment_effective", effective_at=self.simulated.moment)
        if not self.locked_up():
            self.decide("community_correction_ordered", effective_at=self.simulated.moment)

    def live_through(self) -> None:
        """Play the case from filing to execution."""
        self.begin()
        if self.plan.route == "withdrawn":
            self.withdraw()
            return
        if self.plan.route == "waiting":
            self.wait_long()
        if self.review():
            self.try_case()
            self.execute()

    def begin(self) -> None:
        """Play the case until it is ready to be transferred."""
        self.file()
        self.collect()
        self.restrain()
        self.investigate()

    def execute(self) -> None:
        """Dispose of the items as decided, then send out the papers."""
        self.wait(0, 3)
        decided = [thing for thing in self.live() if thing.item_id in self.disposal_decided]
        self.dispose(decided, self.disposal_decided, self.judgment)
        if self.locked_up():
            self.imprison()
        else:
            self.correct_in_community()

    def imprison(self) -> None:
        """Send the papers within ten days; intake follows within a month."""
        self.until_papers("execution_papers")
        self.decide("execution_notified", served=True)
        sent = self.offer("execution", self.city.prison, [line(self.compile_papers())])
        self.take_in(sent)

    def take_in(self, sent: str) -> None:
        """Let the prison acknowledge the convicts."""
        self.deliver(sent)
        self.wait(0, 4)
        self.accept(sent)
        self.decide("admitted_to_prison", self.city.prison)
        for measure_id in self.measures():
            self.lift(measure_id)
        self.served()

    def correct_in_community(self) -> None:
        """Notify within five days; papers and the convicts' report follow within ten."""
        self.decide("community_correction_notified")
        self.until_papers("community_correction_papers")
        sent = self.offer("community_correction", self.city.correction, [line(self.compile_papers())])
        self.report(sent)

    def report(self, sent: str) -> None:
        """Let the convicts report, and lift bail."""
        self.accept(sent)
        for measure_id in self.measures():
            self.lift(measure_id)
        self.served()

    def until_papers(self, clock: str) -> None:
        """Wait until the papers go out: in time, now and then on the last day."""
        last = self.simulated.last_day(clock)
        left = max(0, (last - self.simulated.today).days) if last else 0
        self.until(
            left
            if self.chance.random() < 0.15 and clock == "execution_papers"
            else min(left, self.chance.randint(0, 3))
        )

    def compile_papers(self) -> str:
        """Compile the papers of execution; return their id."""
        item_id = self.id_of("papers")
        body = item.ItemRegistered(
            item_id=item_id,
            item_kind="dossier",
            description="execution papers",
            quantity=pieces(1, "volume"),
            dossier=item.Dossier(volumes=1, pages=24),
        )
        self.say(body)
        return item_id

    def served(self) -> None:
        """End short sentences within the history."""
        if self.chance.random() < 0.3:
            self.wait(90, 400)
            self.close(self.judgment)


class ReferralCourse(CriminalCourse):
    """An administrative agency refers what it found to be a crime (行刑衔接)."""

    def file(self) -> None:
        """Open the case at the agency, which hands it to the police, who file it."""
        self.open(self.city.administration)
        self.compile(0)
        referral = self.offer("administrative_referral", self.city.police, [line(self.id_of("dossier0"))], persons=())
        self.deliver(referral)
        self.wait(0, 2)
        self.accept(referral)
        self.say(case.CaseNumbered(case_number=f"P-{self.simulated.case_id}"))
        self.persons = (self.person("suspect 0"),)
        for person in self.persons:
            self.name(person, "suspect")
        self.decide("case_filed")


class CommissionCourse(CriminalCourse):
    """A supervision commission investigates; the procuratorate detains first and then decides (CPL 170)."""

    def begin(self) -> None:
        """Detain by the commission during the inquiry."""
        self.investigator = self.city.commission
        self.file()
        self.collect()
        for person in self.persons:
            self.impose("commission_detention", person)
        self.wait(30, 80)

    def transfer(self) -> str:
        """Transfer the case. Nobody is kept by a detention house before the procuratorate detains."""
        sent = self.offer("prosecution_review", self.city.procuratorate, self.transfer_list())
        self.check(sent)
        self.accept(sent)
        for measure_id in self.measures("commission_detention"):
            self.change(measure_id, "detention")
        for kind in ("admitted_to_detention_house", "family_notified"):
            self.decide(kind)
        self.serve_custody_changes(sent)
        self.wait(3, 8)
        self.decide("arrest_approved", served=True)
        for measure_id in self.measures("detention"):
            self.change(measure_id, "arrest")
        return sent


class SupervisionCourse(CriminalCourse):
    """Civil and administrative supervision and public interest: the procuratorate opens, borrows a file and answers."""

    def live_through(self) -> None:
        """Borrow the file from the court, or from the agency that acted, and return it in time."""
        line_of: dict[str, BusinessLine] = {
            "civil": "civil",
            "administrative": "administrative",
            "public_interest": "public_interest",
        }
        lender = self.city.court if self.plan.kind == "civil" else self.city.administration
        body = case.CaseOpened(
            case_number=f"S-{self.simulated.case_id}",
            case_type="supervision of a judgment" if self.plan.kind == "civil" else "supervision of an agency",
            business_line=line_of[self.plan.kind],
            stage="investigation",
        )
        self.say(body, lender)
        self.compile(1)
        file = line(self.id_of("dossier1"))
        sent = self.offer("loan", self.city.procuratorate, [file], persons=(), due_days=30)
        self.accept(sent)
        self.study()
        self.return_file(sent)
        self.wait(10, 60)
        self.close(self.decide("other"))

    def study(self) -> None:
        """Make copies and compare them."""
        self.wait(3, 20)
        body = item.ItemExamined(
            item_id=self.id_of("dossier1"),
            method="page count",
            match_result="match",
            quantity=self.simulated.state.items[self.id_of("dossier1")].quantity,
        )
        self.say(body, self.city.procuratorate)

    def return_file(self, sent: str) -> None:
        """Return the file before it is due, now and then on the last day."""
        due = self.simulated.last_day("loan_to_agency")
        left = (due - self.simulated.today).days - 1 if due else 1
        self.until(left if self.chance.random() < 0.2 else min(left, self.chance.randint(1, 5)))
        self.accept(self.give_back(sent, "return", [line(self.id_of("dossier1"))], persons=(), reason="studied"))


class Twin(CriminalCourse):
    """``shared`` (32 bytes of hex) is what it shares with its twin; both are set by the history."""

    shared = ""
    twin = ""


class SealTwin(Twin):
    """The seal of a thing is one that its twin has."""

    def seal_of(self, label: str) -> str:
        return self.shared if label == "exhibit1" else super().seal_of(label)


class DataTwin(Twin):
    """The data of an image are those that its twin has."""

    def digest_of(self, label: str) -> str:
        return f"sha256:{self.shared}" if label == "image" else super().digest_of(label)


class LinkedTwin(SealTwin, DataTwin):
    """Seal and data of a thing that is evidence in both cases, which are linked as the law wants it."""

    def begin(self) -> None:
        super().begin()
        self.say(case.CaseLinked(other_case_id=self.twin, relation="same_exhibit"))
