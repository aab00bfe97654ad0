"""The course of a case at the procuratorate: returns for supplementary investigation, indictment or none."""

from __future__ import annotations

from ledger.core.events import case, handover, item
from ledger.core.events.terms import BusinessLine, Disposal, Purpose
from ledger.samples.case_acts import pieces
from scripts.histories.case_acts import line
from scripts.histories.investigation import Investigation
from scripts.histories.simulation import Life, Plan

SUPPLEMENT: Purpose = "supplementary_investigation"


class Review(Investigation):
    """From the transfer until the case is before the court, or ended."""

    def review(self) -> bool:
        """Returns as planned, then the decision; whether the case goes to court."""
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
        """How often the case goes back: twice at most."""
        return self.plan.returns

    def send_back(self, transferred: str, number: int) -> None:
        """Back to the investigators with its dossiers, long before the review would be over."""
        self.wait(6, 18)
        dossiers = [line(one.item_id) for one in self.live("dossier")]
        purpose = "supplementary_inquiry" if self.plan.kind == "commission" else SUPPLEMENT
        returned = self.give_back(transferred, purpose, dossiers)
        self.accept(returned)
        self.restart_bail()
        self.serve_custody_changes(returned)
        self.resubmits = returned

    def resubmit(self, number: int) -> str:
        """Within a month, with a dossier more; the handover's id."""
        self.until_resubmission()
        self.compile(number + 2)
        return self.transfer_again()

    def until_resubmission(self) -> None:
        """In time, now and then on the last day."""
        self.within("supplementary_investigation", 5, 4)

    def transfer_again(self) -> str:
        """The handover that follows the return."""
        sent = self.offer("prosecution_review", self.city.procuratorate, self.transfer_list(), follows=self.resubmits)
        self.check(sent)
        self.receive_case(sent)
        return sent

    def disposals(self) -> dict[str, Disposal]:
        """What becomes of each thing but the dossiers."""
        words: dict[str, Disposal] = {"exhibit": "destroyed", "property": "forfeited", "electronic_data": "archived"}
        live = self.live("exhibit", "property", "electronic_data")
        return {one.item_id: self.chance.choice((words[one.kind], "returned_to_owner")) for one in live}

    def drop(self) -> None:
        """Non-prosecution: all are free, all things are disposed of as decided."""
        disposals = self.disposals()
        decision_id = self.decide("not_prosecuted", items=disposals, served=True)
        for measure_id in self.measures():
            self.lift(measure_id)
        self.wait(0, 4)
        self.dispose(
            [one for one in self.live() if self.to_be_disposed(one.item_id, disposals)], disposals, decision_id
        )
        self.end_review(decision_id)

    def to_be_disposed(self, item_id: str, disposals: dict[str, Disposal]) -> bool:
        """All of which something was decided."""
        return item_id in disposals

    def end_review(self, decision_id: str) -> None:
        """Closed, most of the time."""
        if self.chance.random() < 0.7:
            self.close(decision_id)

    def indict(self) -> None:
        """To the court with persons and things, which accepts within seven days."""
        self.wait(0, 2)
        sent = self.offer("public_prosecution", self.city.court, self.indictment_list())
        self.check(sent)
        self.until(self.chance.randint(0, 2))
        self.receive_case(sent)

    def indictment_list(self) -> list[handover.OfferedItem]:
        """All that the procuratorate answers for."""
        return self.transfer_list()


class Trial(Review):
    """From the court's acceptance until the judgment takes effect."""

    def __init__(self, life: Life, plan: Plan) -> None:
        super().__init__(life, plan)
        self.judgment = ""
        self.disposal_decided: dict[str, Disposal] = {}

    def try_case(self) -> None:
        """Judgment, and what an appeal makes of it."""
        if self.plan.summary:
            self.say(case.CaseStageEntered(stage="first_instance", procedure="summary"))
        self.judge()
        if self.plan.appeal != "none":
            self.appeal()
        if self.plan.appeal == "remanded":
            self.judge()
        self.take_effect()

    def judge(self) -> None:
        """In time; the judgment speaks of all things that are there."""
        self.within("first_instance", 5)
        self.disposal_decided = self.judged(self.disposals())
        self.judgment = self.decide("judgment", items=self.disposal_decided, served=True)

    def judged(self, disposals: dict[str, Disposal]) -> dict[str, Disposal]:
        """What the judgment says of things."""
        return disposals

    def appeal(self) -> None:
        """Appealed within ten days, to the upper court within three; upheld or remanded."""
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
        """File and things go back to the court below."""
        self.until(self.chance.randint(0, 2))
        own = [one for one in self.live() if one.responsible == self.responsible]
        lines = [line(one.item_id, stays=self.stays(one.item_id)) for one in own]
        back = self.give_back(sent, "remand" if remanded else "return", lines)
        self.accept(back)
        self.restart_bail()
        self.serve_custody_changes(back)

    def take_effect(self) -> None:
        """When the time for an appeal is over; at once after a ruling of the upper court."""
        if self.plan.appeal != "upheld":
            self.until(11)
        self.decide("judgment_effective", effective_at=self.life.moment)
        if not self.locked_up():
            self.decide("community_correction_ordered", effective_at=self.life.moment)


class Criminal(Trial):
    """The whole course of a criminal case."""

    def live_through(self) -> None:
        """From filing to execution."""
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
        """Until the case is ready to be transferred."""
        self.file()
        self.collect()
        self.restrain()
        self.investigate()

    def execute(self) -> None:
        """What was decided of things is done, then the papers go out."""
        self.wait(0, 3)
        decided = [one for one in self.live() if one.item_id in self.disposal_decided]
        self.dispose(decided, self.disposal_decided, self.judgment)
        if self.locked_up():
            self.imprison()
        else:
            self.correct_in_community()

    def imprison(self) -> None:
        """Papers within ten days, intake within a month."""
        self.until_papers("execution_papers")
        self.decide("execution_notified", served=True)
        sent = self.offer("execution", self.city.prison, [line(self.compile_papers())])
        self.take_in(sent)

    def take_in(self, sent: str) -> None:
        """The prison's receipt."""
        self.deliver(sent)
        self.wait(0, 4)
        self.accept(sent)
        self.decide("admitted_to_prison", self.city.prison)
        for measure_id in self.measures():
            self.lift(measure_id)
        self.served()

    def correct_in_community(self) -> None:
        """Notice within five days, papers and report within ten."""
        self.decide("community_correction_notified")
        self.until_papers("community_correction_papers")
        sent = self.offer("community_correction", self.city.correction, [line(self.compile_papers())])
        self.report(sent)

    def report(self, sent: str) -> None:
        """The convicts report; bail is over."""
        self.accept(sent)
        for measure_id in self.measures():
            self.lift(measure_id)
        self.served()

    def until_papers(self, clock: str) -> None:
        """In time, now and then on the last day."""
        last = self.life.last_day(clock)
        left = max(0, (last - self.life.today).days) if last else 0
        self.until(
            left
            if self.chance.random() < 0.15 and clock == "execution_papers"
            else min(left, self.chance.randint(0, 3))
        )

    def compile_papers(self) -> str:
        """The papers of execution; their id."""
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
        """Short sentences end within the history."""
        if self.chance.random() < 0.3:
            self.wait(90, 400)
            self.close(self.judgment)


class Referral(Criminal):
    """An administrative agency refers what it found to be a crime (行刑衔接)."""

    def file(self) -> None:
        """The agency opens the case and hands it to the police, who file it."""
        self.open(self.city.administration)
        self.compile(0)
        found = self.offer("administrative_referral", self.city.police, [line(self.id_of("dossier0"))], persons=())
        self.deliver(found)
        self.wait(0, 2)
        self.accept(found)
        self.say(case.CaseNumbered(case_number=f"P-{self.life.case_id}"))
        self.persons = (self.person("suspect 0"),)
        for person in self.persons:
            self.name(person, "suspect")
        self.decide("case_filed")


class Commission(Criminal):
    """A supervision commission investigates; the procuratorate detains first and then decides (CPL 170)."""

    def begin(self) -> None:
        """Commission detention during the inquiry."""
        self.investigator = self.city.commission
        self.file()
        self.collect()
        for person in self.persons:
            self.impose("commission_detention", person)
        self.wait(30, 80)

    def transfer(self) -> str:
        """Nobody is kept by a detention house before the procuratorate detains."""
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


class Other(Criminal):
    """Civil and administrative supervision and public interest: the procuratorate opens, borrows a file and answers."""

    def live_through(self) -> None:
        """The file is lent by the court, or by the agency that acted, and goes back in time."""
        line_of: dict[str, BusinessLine] = {
            "civil": "civil",
            "administrative": "administrative",
            "public_interest": "public_interest",
        }
        lender = self.city.court if self.plan.kind == "civil" else self.city.administration
        body = case.CaseOpened(
            case_number=f"S-{self.life.case_id}",
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
        """Copies are made and compared."""
        self.wait(3, 20)
        body = item.ItemExamined(
            item_id=self.id_of("dossier1"),
            method="page count",
            match_result="match",
            quantity=self.life.state.items[self.id_of("dossier1")].quantity,
        )
        self.say(body, self.city.procuratorate)

    def return_file(self, sent: str) -> None:
        """Before it is due, now and then on the last day."""
        due = self.life.last_day("loan_to_agency")
        left = (due - self.life.today).days - 1 if due else 1
        self.until(left if self.chance.random() < 0.2 else min(left, self.chance.randint(1, 5)))
        self.accept(self.give_back(sent, "return", [line(self.id_of("dossier1"))], persons=(), reason="studied"))


class Twin(Criminal):
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
