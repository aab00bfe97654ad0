"""Cases that begin elsewhere, and cases of other business lines."""

from __future__ import annotations

from ledger.core.events import case, item
from ledger.core.events.terms import BusinessLine
from scripts.histories.acts import line
from scripts.histories.sentence import Criminal


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
