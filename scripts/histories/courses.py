"""The courses of cases: criminal ones to the execution, those that begin elsewhere, and other kinds."""

from __future__ import annotations

from collections.abc import Mapping

from ledger.core.events import case, item
from scripts.histories.investigation import Investigation


class CriminalCourse(Investigation):
    """The whole course of a criminal case: investigation, review by the procuratorate, trial, execution."""

    def live_through(self) -> None:
        """Play the case from filing to execution."""
        self.begin()
        if self.plan.route == "withdrawn":
            self.withdraw()
            return
        if self.plan.route == "waiting":
            # Bail runs out; the transfer comes before two years are over.
            self.bail_out()
            self.wait(60, 200)
        if self.review():
            self.try_case()
            self.execute()

    def begin(self) -> None:
        """Play the case until it is ready to be transferred."""
        self.file()
        self.collect()
        self.restrain()
        self.investigate()

    def review(self) -> bool:
        """Return the case as planned, then decide; return whether it goes to court."""
        self.transfer()
        for number in range(self.plan.returns):
            self.send_back(number)
            # It comes back within a month, with one more dossier.
            self.until_resubmission()
            self.compile(f"dossier{number + 2}")
            self.resubmit(self.sent.handover_id)
        self.within("prosecution_review", 5)
        if self.plan.route == "not_prosecuted":
            self.drop()
            return False
        self.decide("prosecuted", served=True)
        self.indict()
        return True

    def send_back(self, number: int) -> None:
        """Send the case back to the investigators with its dossiers, long before the review would be over."""
        self.wait(6, 18)
        self.return_case("supplementary_inquiry" if self.plan.kind == "commission" else "supplementary_investigation")

    def return_case(self, purpose: str) -> None:
        """Return the dossiers and the suspects to the investigators, who accept them."""
        self.give_back(*self.ids_of("dossier"), purpose=purpose, persons=self.persons).accept().move_persons()

    def until_resubmission(self) -> None:
        """Wait until the resubmission: in time, now and then on the last day."""
        self.within("supplementary_investigation", 5, 4)

    def resubmit(self, returned: str) -> None:
        """Transfer the case again after it was returned."""
        self.send_case(self.city["procuratorate"], "prosecution_review", follows=returned)
        self.check().receive_case()

    def disposals(self) -> dict[str, str]:
        """Decide what becomes of each item except the dossiers."""
        ends = {"exhibit": "destroyed", "property": "forfeited", "electronic_data": "archived"}
        return {
            thing.item_id: self.chance.choice((ends[thing.kind], "returned_to_owner")) for thing in self.live(*ends)
        }

    def drop(self) -> None:
        """Decide not to prosecute: lift all measures, dispose of all items as decided; close the case, mostly."""
        disposals = self.disposals()
        decision_id = self.decide("not_prosecuted", disposals=disposals, served=True).decision
        self.lift(*self.measures())
        self.wait(0, 4)
        self.dispose_dropped(disposals, decision_id)
        if self.chance.random() < 0.7:
            self.close(decision_id=decision_id)

    def dispose_dropped(self, disposals: dict[str, str], decision_id: str) -> None:
        """Dispose of what was decided about."""
        self.dispose(disposals, decision_id)

    def indict(self) -> None:
        """Send persons and items to the court, which accepts within seven days."""
        self.wait(0, 2)
        self.send_case(self.city["court"], "public_prosecution")
        self.check().until(self.chance.randint(0, 2))
        self.receive_case()

    def try_case(self) -> None:
        """Judge the case, and follow its appeal, until the judgment takes effect."""
        if self.plan.summary:
            self.say(case.CaseStageEntered, stage="first_instance", trial="summary")
        self.judge()
        if self.plan.appeal != "none":
            self.appeal()
        if self.plan.appeal == "remanded":
            self.judge()
        if self.plan.appeal != "upheld":  # a ruling of the upper court takes effect at once
            self.until(11)
        self.decide("judgment_effective", effective_at=self.moment)
        if not self.locked_up():
            self.decide("community_correction_ordered", effective_at=self.moment)

    def judge(self) -> None:
        """Judge in time, with a disposal for every item that is there."""
        self.within("first_instance", 5)
        self.ordered = self.judged(self.disposals())
        self.judgment = self.decide("judgment", disposals=self.ordered, served=True).decision

    def judged(self, disposals: dict[str, str]) -> Mapping[str, str]:
        """Return the disposals that the judgment states."""
        return disposals

    def appeal(self) -> None:
        """Appeal within ten days, to the upper court within three; it is upheld or remanded."""
        self.wait(1, 8)
        self.decide("appealed")
        self.until(self.chance.randint(0, 2))
        self.send_case(self.city["upper_court"], "appeal")
        self.accept().move_persons()
        self.within("second_instance", 10)
        remanded = self.plan.appeal == "remanded"
        self.decide("remanded" if remanded else "ruling", served=True)
        self.until(self.chance.randint(0, 2))
        purpose = "remand" if remanded else "return"
        self.give_back(*self.transfer_list(), purpose=purpose, persons=self.persons).accept().move_persons()

    def execute(self) -> None:
        """Dispose of the items as decided, then send out the papers."""
        self.wait(0, 3)
        self.dispose(self.ordered, self.judgment)
        if self.locked_up():
            self.imprison()
        else:
            # The convicts report within ten days.
            self.decide("community_correction_notified")
            self.until_papers("community_correction_papers")
            self.send_papers("community_correction", self.city["correction"])
            self.accept().served()

    def send_papers(self, purpose: str, to: str) -> None:
        """Compile and send the papers of execution."""
        papers, dossier = self.id_of("papers"), item.Dossier(volumes=1, pages=24)
        self.register(papers, kind="dossier", description="execution papers", dossier=dossier)
        self.offer(papers, to=to, purpose=purpose, persons=self.persons)

    def until_papers(self, clock: str) -> None:
        """Wait until the papers go out: in time, now and then on the last day."""
        left = max(0, self.days_left(clock))
        is_last = self.chance.random() < 0.15 and clock == "execution_papers"
        self.until(left if is_last else min(left, self.chance.randint(0, 3)))

    def imprison(self) -> None:
        """Send the papers within ten days; intake follows within a month."""
        self.until_papers("execution_papers")
        self.decide("execution_notified", served=True)
        self.send_papers("execution", self.city["prison"])
        self.take_in()

    def take_in(self) -> None:
        """Let the prison acknowledge the convicts."""
        self.deliver().wait(0, 4)
        self.accept().decide("admitted_to_prison", by=self.city["prison"]).served()

    def served(self) -> None:
        """Lift the measures, and end short sentences within the history."""
        self.lift(*self.measures())
        if self.chance.random() < 0.3:
            self.wait(90, 400)
            self.close(decision_id=self.judgment)


class ReferralCourse(CriminalCourse):
    """An administrative agency refers what it found to be a crime (行刑正向衔接)."""

    def file(self) -> None:
        """Open the case at the agency, which hands it to the police, who file it."""
        self.open_criminal(self.city["administration"], stage="administrative_enforcement")
        self.compile("dossier0")
        self.offer(self.id_of("dossier0"), to=self.city["police"], purpose="administrative_referral")
        self.deliver().wait(0, 2)
        self.accept().say(case.CaseNumbered, case_number=f"P-{self.case_id}")
        self.name_suspects(1)
        self.decide("case_filed")


class CommissionCourse(CriminalCourse):
    """A supervision commission investigates; the procuratorate detains first and then decides (CPL 170)."""

    def begin(self) -> None:
        """Detain by the commission during the inquiry."""
        self.file()
        self.collect()
        for person in self.persons:
            self.impose(person, "commission_detention")
        self.wait(30, 80)

    def transfer(self) -> None:
        """Transfer the case. Nobody is kept by a detention house before the procuratorate detains."""
        self.send_case(self.city["procuratorate"], "prosecution_review")
        self.check().accept().replace("commission_detention", "detention")
        self.decide("admitted_to_detention_house").decide("family_notified").serve_custody_changes(self.sent)
        self.wait(3, 8)
        self.decide("arrest_approved", served=True).replace("detention", "arrest")


class SupervisionCourse(CriminalCourse):
    """Civil and administrative supervision and public interest: the procuratorate opens, borrows a file and answers."""

    def live_through(self) -> None:
        """Borrow the file from the court, or from the agency that acted, and return it in time."""
        civil = self.plan.kind == "civil"
        self.open(
            self.city["court" if civil else "administration"],
            case_number=f"S-{self.case_id}",
            case_type="supervision of a judgment" if civil else "supervision of an agency",
            business_line=self.plan.kind,
        )
        self.compile("dossier1")
        file, procuratorate = self.id_of("dossier1"), self.city["procuratorate"]
        self.offer(file, to=procuratorate, purpose="loan", due_at=self.in_days(30)).accept()
        # Copies are made and compared.
        self.wait(3, 20)
        counted = {"match_result": "match", "quantity": self.state.items[file].quantity}
        self.say(item.ItemExamined, procuratorate, item_id=file, method="page count", **counted)
        self.until_return()
        self.give_back(file, purpose="return", explanation="studied").accept()
        self.wait(10, 60)
        self.decide("other").close(decision_id=self.decision)

    def until_return(self) -> None:
        """Wait until the file goes back: before it is due, now and then on the last day."""
        left = self.days_left("loan_to_agency", 2) - 1
        self.until(left if self.chance.random() < 0.2 else min(left, self.chance.randint(1, 5)))


class SealTwin(CriminalCourse):
    """The seal of a thing is one that its twin has."""

    def seal_of(self, label: str) -> str:
        return self.shared if label == "exhibit1" else super().seal_of(label)


class DataTwin(CriminalCourse):
    """The data of an image are those that its twin has."""

    def digest_of(self, label: str) -> str:
        return f"sha256:{self.shared}" if label == "image" else super().digest_of(label)


class LinkedTwin(SealTwin, DataTwin):
    """Seal and data of a thing that is evidence in both cases, which are linked as the law wants it."""

    def begin(self) -> None:
        super().begin()
        self.say(case.CaseLinked, other_case_id=self.twin, relation="same_exhibit")
