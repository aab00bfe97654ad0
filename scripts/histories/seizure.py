"""What is seized in a criminal case: kept, examined and brought back, until the case is transferred."""

from __future__ import annotations

from ledger.core.events import handover, item
from ledger.core.events.terms import ItemKind, MatchResult, Money
from ledger.core.procedure.legal_days import DAY
from ledger.samples.case_telling import pieces
from scripts.histories.acts import Acts, later, line
from scripts.histories.life import Life
from scripts.histories.plan import Plan
from scripts.histories.world import clerk

THINGS = ("knife", "mobile phone box", "ledger book", "bag of clothes", "bank card", "bottle")


class Seizure(Acts):
    """Each method is a part of the life, and keeps to the law; a plant overrides the one that it breaks."""

    freeze_days = (170, 180)  # at least, and at most

    def __init__(self, life: Life, plan: Plan) -> None:
        super().__init__(life)
        self.plan = plan
        self.investigator = life.city.police

    def collect(self) -> None:
        """The dossier, and what was seized: sealed exhibits, money, a car, an account, a phone with its data."""
        self.compile(1)
        for number in range(1, self.plan.exhibits + 1):
            kind = self.chance.choice(THINGS)
            self.seize(f"exhibit{number}", "exhibit", kind, quantity=pieces(self.chance.randint(1, 12)), sealed=True)
        if self.plan.cash:
            self.seize_cash()
        if self.plan.car:
            self.seize("car", "property", "car", storage_location="depot, lot 3")
        if self.plan.account:
            self.freeze_account()
        if self.plan.phone:
            self.seize_phone()
        if self.plan.exhibits > 3:
            self.store(self.id_of("exhibit4"))
        if self.chance.random() < 0.1:
            self.move()

    def compile(self, number: int) -> None:
        """A further dossier."""
        volumes = self.chance.randint(1, 6)
        body = item.ItemRegistered(
            item_id=self.id_of(f"dossier{number}"),
            item_kind="dossier",
            description=f"dossier {number}",
            quantity=pieces(volumes, "volume"),
            dossier=item.Dossier(volumes=volumes, pages=volumes * self.chance.randint(60, 180)),
        )
        self.say(body)

    def seize(self, label: str, kind: ItemKind, description: str, *, sealed: bool = False, **fields: object) -> str:
        """A thing on the seizure list; its id."""
        item_id = self.id_of(label)
        seized_by = (clerk(self.investigator, 1).officer_id, clerk(self.investigator, 2).officer_id)
        body = item.ItemRegistered(
            item_id=item_id,
            item_kind=kind,
            description=description,
            exhibit_number=label,
            condition="good",
            seal_number=self.seal_of(label) if sealed else None,
            seizure=item.Seizure(
                document_number=f"KY-{self.life.case_id}", seized_at=self.life.moment, officers=seized_by
            ),
            **({"quantity": pieces(1)} | fields),  # type: ignore[arg-type]
        )
        self.say(body)
        return item_id

    def seal_of(self, label: str) -> str:
        """The seal that the thing is put under."""
        return self.seal_number(label)

    def seize_cash(self) -> None:
        """Counted, and split into what belongs to the victim and the rest."""
        fen = self.chance.randint(2, 400) * 100_000
        whole = self.seize(
            "cash", "property", "cash", fungible=True, quantity=pieces(fen, "fen"), money=Money(fen=fen, currency="CNY")
        )
        if self.chance.random() < 0.3:
            parts = tuple(
                item.ItemPart(
                    item_id=self.id_of(f"cash{number}"),
                    quantity=pieces(fen // 2, "fen"),
                    money=Money(fen=fen // 2, currency="CNY"),
                )
                for number in (1, 2)
            )
            self.say(item.ItemSplit(item_id=whole, parts=parts))

    def freeze_account(self) -> None:
        """A bank account: it stays with the bank, frozen for half a year at a time."""
        fen = self.chance.randint(1, 900) * 10_000
        account = self.seize(
            "account",
            "property",
            "bank account",
            money=Money(fen=fen, currency="CNY"),
            account=self.seal_number("account"),
        )
        until = later(self.life.today.isoformat(), self.chance.randint(*self.freeze_days))
        self.say(item.ItemFrozen(item_id=account, frozen_until=until))

    def seize_phone(self) -> None:
        """A phone, and the image that two officers took of it."""
        phone = self.seize("phone", "exhibit", "mobile phone", sealed=True)
        collectors = (clerk(self.investigator, 1).officer_id, clerk(self.investigator, 3).officer_id)
        body = item.ItemRegistered(
            item_id=self.id_of("image"),
            item_kind="electronic_data",
            description="image of the mobile phone",
            quantity=pieces(1),
            digests=(self.digest_of("image"),),
            collection=item.Collection(
                collectors=collectors, tool="write blocker", method="whole medium", medium_item_id=phone
            ),
        )
        self.say(body)

    def digest_of(self, label: str) -> str:
        """The digest of the data under this label."""
        return self.digest(label)

    def store(self, item_id: str) -> None:
        """Into the depot: it has the thing, the investigators answer for it."""
        self.accept(self.offer("property_transfer", self.city.depot, [line(item_id)], persons=()))

    def move(self) -> None:
        """A change of place, written down two days after it: late, but in its order."""
        body = item.ItemMoved(item_id=self.id_of("exhibit1"), storage_location="room 2")
        self.say(body, delay=2 * DAY)

    def examine(self) -> None:
        """The image goes to the laboratory, is examined, and comes back in time."""
        image = self.id_of("image")
        sent = self.offer("forensic_examination", self.city.lab, [line(image)], persons=(), due_days=20)
        self.accept(sent)
        self.wait(2, 8)
        self.examined(image, sent)
        self.accept(self.give_back(sent, "return", [line(image)], persons=(), reason="examined"))

    def examined(self, image: str, sent: str) -> None:
        """The laboratory finds what was recorded; where not, it says so, and both sides resolve it."""
        if self.chance.random() < 0.97:
            self.compared(image, self.life.state.items[image].digests, "match")
            return
        self.compared(image, (self.digest("another image"),), "mismatch")
        raised = handover.DiscrepancyRaised(
            discrepancy_id="image-differs",
            handover_id=sent,
            item_id=image,
            kind="digest",
            expected="as recorded",
            found="another digest",
        )
        self.say(raised, self.city.lab)
        self.settle(sent)

    def compared(self, image: str, digests: tuple[str, ...], result: MatchResult) -> None:
        """What the laboratory found."""
        body = item.ItemExamined(item_id=image, method="hash comparison", match_result=result, digests=digests)
        self.say(body, self.city.lab)

    def look_again(self) -> None:
        """An officer takes an exhibit along and brings it back."""
        held = [one for one in self.live("exhibit") if one.holder == self.responsible]
        if held:
            one = self.chance.choice(held)
            body = item.ItemCheckedOut(
                item_id=one.item_id, to_officer=f"{self.responsible}-2", ground="identification", due_at=self._in(7)
            )
            self.say(body)
            self.bring_back(one.item_id)

    def bring_back(self, item_id: str) -> None:
        """In time, and whole."""
        self.wait(1, 5)
        quantity = self.life.state.items[item_id].quantity
        self.say(item.ItemCheckedIn(item_id=item_id, quantity=quantity, match_result="match"))

    def settle(self, sent: str) -> None:
        """Both sides sign the same words under what differed."""
        for found in [*self.life.state.discrepancies.values()]:
            if found.handover_id == sent and not found.is_resolved:
                self.wait(0, 3)
                body = handover.DiscrepancyResolved(
                    discrepancy_id=found.discrepancy_id, resolution="counted twice by mistake"
                )
                for side in found.parties:
                    self.say(body, side)
