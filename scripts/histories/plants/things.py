"""Breaches about things: rules 5 to 7, 11, 15 and 16."""

from __future__ import annotations

from datetime import date

from ledger.core.events import handover, item, record
from ledger.core.events.terms import Disposal
from ledger.core.procedure.legal_days import DAY
from ledger.samples.case_telling import pieces
from scripts.histories.acts import line
from scripts.histories.otherwise import Other
from scripts.histories.plants.catalogue import plant
from scripts.histories.sentence import Criminal
from scripts.histories.twins import DataTwin, SealTwin


@plant(5, "not_listed", exhibits=3)
class NotListed(Criminal):
    """A seized thing is left off the list of the transfer, and stays with the investigators."""

    def transfer_list(self) -> list[handover.OfferedItem]:
        lines = super().transfer_list()
        return [one for one in lines if self.responsible != self.investigator or one.item_id != self.id_of("exhibit2")]

    def refuse_once(self, sent: str) -> str:
        return sent

    def transfer(self) -> str:
        sent = super().transfer()
        self.life.plant(5, "not_listed", self.id_of("exhibit2"))
        return sent


@plant(6, "indicted", exhibits=2)
class IndictedWithoutProperty(Criminal):
    """The case goes to court, a necklace neither goes along nor is disposed of."""

    def collect(self) -> None:
        super().collect()
        self.seize("necklace", "property", "necklace")

    def indictment_list(self) -> list[handover.OfferedItem]:
        return [one for one in super().indictment_list() if one.item_id != self.id_of("necklace")]

    def indict(self) -> None:
        super().indict()
        self.life.plant(6, "indicted", self.id_of("necklace"))

    def disposals(self) -> dict[str, Disposal]:
        return {key: value for key, value in super().disposals().items() if key != self.id_of("necklace")}


@plant(6, "not_prosecuted", route="not_prosecuted", car=True)
class DroppedWithProperty(Criminal):
    """Nobody is prosecuted, and the car is not disposed of although that was decided."""

    def to_be_disposed(self, item_id: str, disposals: dict[str, Disposal]) -> bool:
        return item_id != self.id_of("car") and super().to_be_disposed(item_id, disposals)

    def end_review(self, decision_id: str) -> None:
        self.life.plant(6, "not_prosecuted", self.id_of("car"))


@plant(7, "silent", car=True)
class SilentJudgment(Criminal):
    """The car reached the court, and the judgment says nothing of it."""

    def judged(self, disposals: dict[str, Disposal]) -> dict[str, Disposal]:
        return {key: value for key, value in disposals.items() if key != self.id_of("car")}

    def judge(self) -> None:
        super().judge()
        self.life.plant(7, "silent", self.id_of("car"))


@plant(11, "list", exhibits=2)
class OtherSealListed(Criminal):
    """The transfer list names another seal than the record, and nobody takes notice."""

    def transfer_list(self) -> list[handover.OfferedItem]:
        lines = super().transfer_list()
        if self.responsible != self.investigator:
            return lines
        other = handover.OfferedItem(item_id=self.id_of("exhibit1"), seal_number=self.seal_number("another"))
        return [other if one.item_id == other.item_id else one for one in lines]

    def differing(self, sent: str) -> float:
        return 0.0

    def refuse_once(self, sent: str) -> str:
        return sent

    def transfer(self) -> str:
        sent = super().transfer()
        self.life.plant(11, "list", sent, self.id_of("exhibit1"))
        return sent


@plant(11, "receipt", exhibits=2)
class ReceiptCorrected(Criminal):
    """The receiver counts an exhibit as listed, corrects the count days later, and nobody records a discrepancy."""

    def found(self, sent: str) -> tuple[handover.ReceivedItem, ...]:
        one = self.id_of("exhibit1")
        if self.life.planted or one not in self.life.state.handovers[sent].items:
            return super().found(sent)
        return (handover.ReceivedItem(item_id=one, quantity=self.life.state.items[one].quantity, match_result="match"),)

    def receive_case(self, sent: str) -> None:
        super().receive_case(sent)
        counted = next((step.entry for step in self.life.steps if self.is_counted(step.entry.payload.body, sent)), None)
        if counted is None or self.life.planted:
            return
        there = self.life.state.items[self.id_of("exhibit1")].quantity.value
        told = record.Correction(field="received[0].quantity.value", recorded=there, correct="0")
        body = record.RecordCorrected(corrects=counted.ref, corrections=(told,), ground="counted again")
        self.say(body, self.life.state.handovers[sent].to_agency)
        self.life.plant(11, "receipt", sent, self.id_of("exhibit1"))

    def is_counted(self, body: object, sent: str) -> bool:
        """Whether this is the receiver's half that counts the exhibit."""
        if not isinstance(body, handover.HandoverAccepted) or body.handover_id != sent:
            return False
        return [one.item_id for one in body.received] == [self.id_of("exhibit1")]


@plant(11, "examination", phone=True)
class ExaminedOtherwise(Criminal):
    """The laboratory has another digest than the record, and nobody raises a discrepancy."""

    def examined(self, image: str, sent: str) -> None:
        self.compared(image, (self.digest("another image"),), "mismatch")
        self.life.plant(11, "examination", image)


@plant(11, "checked_in_late", exhibits=2)
class BroughtBackLate(Criminal):
    """What an officer took along comes back after its time."""

    def investigate(self) -> None:
        self.look_again()
        super().investigate()

    def bring_back(self, item_id: str) -> None:
        if self.life.planted:
            super().bring_back(item_id)
            return
        self.until(8 + self.chance.randint(3, 6))
        self.say(item.ItemCheckedIn(item_id=item_id, match_result="match"))
        self.life.plant(11, "checked_in_late", item_id)


@plant(11, "checked_in_short", exhibits=2)
class BroughtBackShort(Criminal):
    """What an officer took along comes back with a piece less, and nobody raises a discrepancy."""

    def investigate(self) -> None:
        self.seize("bundle", "exhibit", "banknotes, counterfeit", quantity=pieces(40))
        body = item.ItemCheckedOut(
            item_id=self.id_of("bundle"), to_officer=f"{self.investigator}-2", ground="count", due_at=self._in(7)
        )
        self.say(body)
        self.wait(1, 4)
        self.say(item.ItemCheckedIn(item_id=self.id_of("bundle"), quantity=pieces(37)))
        self.life.plant(11, "checked_in_short", self.id_of("bundle"))
        super().investigate()


@plant(11, "loan_short", exhibits=2)
class LoanShort(Criminal):
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
        self.life.plant(11, "loan_short", back, bundle)
        super().investigate()


@plant(11, "loan_overdue", kind="civil", days=150)
class LoanOverdue(Other):
    """A borrowed file goes back after it was due."""

    def return_file(self, sent: str) -> None:
        self.until(45)
        file = self.id_of("dossier1")
        self.accept(self.give_back(sent, "return", [line(file)], persons=(), reason="studied"))
        self.life.plant(11, "loan_overdue", file)


@plant(15, "seal", twins=True)
class SealOfAnother(SealTwin):
    """A thing is under a seal that another case has."""

    def collect(self) -> None:
        super().collect()
        self.life.plant(15, "seal", self.shared)


@plant(15, "digest", twins=True, phone=True)
class DigestOfAnother(DataTwin):
    """Data of another case is passed off as this one's."""

    def examined(self, image: str, sent: str) -> None:
        self.compared(image, self.life.state.items[image].digests, "match")

    def collect(self) -> None:
        super().collect()
        self.life.plant(15, "digest", f"sha256:{self.shared}")


class ShortFreeze(Criminal):
    """The account is frozen for three weeks to begin with."""

    freeze_days = (20, 22)


@plant(16, "lapsed", account=True, returns=1)
class FreezeLapsed(ShortFreeze):
    """Nobody renews the freeze."""

    def renew(self, item_id: str, by: date) -> None:
        """Nothing is done."""

    def until_resubmission(self) -> None:
        super().until_resubmission()
        self.life.plant(16, "lapsed", self.id_of("account"))


@plant(16, "renewed_late", account=True, returns=1)
class FreezeRenewedLate(ShortFreeze):
    """The freeze is renewed when it has lapsed."""

    def renew(self, item_id: str, by: date) -> None:
        if self.life.planted:
            super().renew(item_id, by)
            return
        last = self.frozen_until(item_id)
        if last and by > last + 10 * DAY:
            self.life.on(last + 10 * DAY)
            self.renew_once(item_id)
            self.life.plant(16, "renewed_late", item_id)
