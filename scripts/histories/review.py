"""The course of a case at the procuratorate: returns for supplementary investigation, indictment or none."""

from __future__ import annotations

from ledger.core.events import handover
from ledger.core.events.terms import Disposal, Purpose
from scripts.histories.acts import line
from scripts.histories.investigation import Investigation

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
