"""The investigation of a criminal case: filing, measures, what is taken, until the case is transferred."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from ledger.core.custody import Handover, Item
from ledger.core.events import case, handover, item
from ledger.core.events.terms import Money
from ledger.core.procedure.legal_days import DAY
from ledger.samples.case_acts import person_id, pieces
from scripts.histories.simulation import SimulatedCase

CASE_TYPES = ("theft", "fraud", "intentional injury", "dangerous driving", "drug trafficking", "illegal fundraising")
THINGS = ("knife", "mobile phone box", "ledger book", "bag of clothes", "bank card", "bottle")
GROUNDS = ("roaming", "repeated", "gang")


class Investigation(SimulatedCase):
    """A criminal case until it is transferred: filing, measures, arrest, the transfer, what is seized.

    Each method is a part of the case and keeps to the law; a plant overrides the one that it breaks.
    """

    freeze_days = (170, 180)  # at least, and at most

    @property
    def investigator(self) -> str:
        """Return the agency that investigates."""
        return self.city["commission" if self.plan.kind == "commission" else "police"]

    # -- filing --------------------------------------------------------------------------------------------------------

    def file(self) -> None:
        """Open the case, assign it and name who is in it."""
        self.open_criminal(self.investigator)
        handler = f"{self.investigator}-1"
        self.say(case.CaseAssigned, department="criminal investigation", handler=handler)
        self.name_suspects(self.plan.suspects)
        if self.plan.at_large:
            self.name(self.person("suspect at large"))
        if self.chance.random() < 0.5:
            self.name(self.person("victim"), role="victim")
        self.decide("case_filed")

    def open_criminal(self, agency: str, *, stage: str = "investigation") -> None:
        """Write the first event."""
        case_number = f"{self.today.year}-{self.case_id}"
        self.open(agency, case_number=case_number, case_type=self.chance.choice(CASE_TYPES), stage=stage)

    def name_suspects(self, count: int) -> None:
        """Name the suspects who are caught."""
        self.persons = tuple(self.person(f"suspect {number}") for number in range(count))
        self.name(*self.persons)

    def person(self, label: str) -> str:
        """Make the keyed digest of a person who is in this case."""
        return person_id(f"{label} of {self.case_id}")

    # -- measures ------------------------------------------------------------------------------------------------------

    def restrain(self) -> None:
        """Restrain all suspects as planned."""
        if self.plan.custody in ("bail", "surveillance"):
            for person in self.persons:
                self.impose(person, "bail" if self.plan.custody == "bail" else "residential_surveillance")
            return
        for person in self.persons:
            self.impose(person, "detention", until=(self.today + 3 * DAY).isoformat())
        for kind in ("admitted_to_detention_house", "interrogated", "family_notified"):
            self.decide(kind)
        self.prolong()
        self.request_arrest()

    def prolong(self) -> None:
        """Extend detention to a week, or to thirty days on a ground that the law names, before it expires."""
        days = {"a_week": 7, "arrest_refused": 7, "a_month": 30}.get(self.plan.custody, 3)
        if days > 3:
            self.wait(1, 3)
            ground = self.chance.choice(GROUNDS) if days == 30 else None
            for measure_id in self.measures("detention"):
                self.extend(measure_id, days - 3, "CPL 91", ground)
        self.wait_for_request()

    def wait_for_request(self) -> None:
        """Wait until arrest is requested: in time, now and then on the last day."""
        ends = [self.state.measures[measure_id].until or "" for measure_id in self.measures("detention")]
        left = max(0, (date.fromisoformat(min(ends)) - self.today).days)
        self.until(left if self.chance.random() < 0.3 else self.chance.randint(0, left))

    def request_arrest(self) -> None:
        """Send the dossier to the procuratorate, which decides within seven days: arrest, or bail if it is refused."""
        dossiers, procuratorate = self.ids_of("dossier"), self.city["procuratorate"]
        self.offer(*dossiers, to=procuratorate, purpose="arrest_approval", persons=self.persons).accept()
        self.within("arrest_decision", 2, 1)
        refused = self.plan.custody == "arrest_refused"
        self.decide("arrest_refused" if refused else "arrest_approved", by=procuratorate, served=True)
        self.replace("detention", "bail" if refused else "arrest")
        self.give_back(*dossiers, purpose="return", persons=self.persons, explanation="decided").accept()
        self.say(case.CaseStageEntered, stage="investigation")

    def prolong_arrest(self) -> None:
        """Extend arrest by a month in a complex case, and notify the detention house."""
        for measure_id in self.measures("arrest"):
            self.extend(measure_id, 85, "CPL 156", "complex")
            self.say(
                case.CustodyPeriodNotified,
                measure_id=measure_id,
                keeper=self.keeper,
                until=self.state.measures[measure_id].until,
                number=f"period-{self.case_id}",
                article="CPL 156",
            )

    def investigate(self) -> None:
        """Play what happens until the transfer."""
        self.wait(2, 6)
        if self.plan.phone:
            self.examine()
        if self.chance.random() < 0.3:
            self.look_again()
        if self.measures("arrest") and self.chance.random() < 0.2:
            self.wait(1, 10)
            self.prolong_arrest()

    # -- transfer ------------------------------------------------------------------------------------------------------

    def transfer(self) -> None:
        """Transfer the case to the procuratorate for prosecution."""
        if self.measures("arrest"):
            self.within("investigation_custody")
        else:
            self.wait(20, 90)
        has_time = self.days_left("investigation_custody", 4) > 3
        self.send_case(self.city["procuratorate"], "prosecution_review")
        if has_time and self.chance.random() < 0.05:
            self.refuse_once()
        event = self.last
        self.check().receive_case()
        # A slip of the pen on the sender's list is corrected now and then.
        if self.chance.random() < (0.6 if self.investigator in self.plan.correcting else 0.02):
            slip = {"field": "items[0].condition", "recorded": "good", "correct": "fair"}
            self.correct(event, self.investigator, "typing error", **slip)

    def send_case(self, to: str, purpose: str, **fields: Any) -> None:
        """Offer the suspects and all that is on the list."""
        self.offer(*self.transfer_list(), to=to, purpose=purpose, persons=self.persons, **fields)

    def refuse_once(self) -> None:
        """Refuse the binding; the offer that follows comes in time."""
        refused = self.sent.handover_id
        self.refuse(received_at=self.moment, due_at=self.in_days(3)).wait(0, 1)
        self.send_case(self.city["procuratorate"], "prosecution_review", follows=refused)

    def transfer_list(self) -> list[handover.OfferedItem]:
        """List all that the sender is responsible for. What lies elsewhere, or is frozen, stays there."""
        return [
            handover.OfferedItem(
                item_id=thing.item_id,
                stays=thing.holder != thing.responsible or bool(thing.frozen_until) or thing.description == "car",
            )
            for thing in self.live()
            if thing.responsible == self.state.responsible
        ]

    def receive_case(self) -> None:
        """Accept the case, notify the detention house, decide on bail anew, resolve what differed."""
        sent = self.sent
        self.accept(received=self.found(sent))
        self.move_persons()
        self.settle(sent.handover_id)

    def found(self, sent: Handover) -> tuple[handover.ReceivedItem, ...]:
        """Return what differs from the list: now and then the count of one exhibit, which opens a discrepancy."""
        if self.chance.random() >= self.differing(sent):
            return ()
        listed = [self.state.items[key] for key, listing in sent.items.items() if not listing.stays]
        several = [exhibit for exhibit in listed if exhibit.kind == "exhibit" and int(exhibit.quantity.value) > 1]
        return tuple(
            handover.ReceivedItem(
                item_id=exhibit.item_id, match_result="mismatch", quantity=pieces(int(exhibit.quantity.value) - 1)
            )
            for exhibit in several[:1]
        )

    def differing(self, sent: Handover) -> float:
        """Return how often a list of this sender is not what arrives."""
        return 0.9 if sent.from_agency in self.plan.careless else 0.02

    # -- an early end --------------------------------------------------------------------------------------------------

    def withdraw(self) -> None:
        """Withdraw the case, as there was no crime: lift all measures, return all items."""
        self.wait(20, 50)
        disposals = {thing.item_id: "returned_to_owner" for thing in self.live() if thing.kind != "dossier"}
        decision_id = self.decide_withdrawal(disposals)
        self.lift(*self.measures())
        self.dispose(disposals, decision_id)
        self.close(decision_id=decision_id)

    def decide_withdrawal(self, disposals: Mapping[str, str]) -> str | None:
        """Record the decision with its document; return its id."""
        return self.decide("case_withdrawn", disposals=disposals, served=True).decision

    def bail_out(self) -> None:
        """Bail whoever is arrested; at the end of bail and surveillance all are free: in time, or on the last day."""
        self.replace("arrest", "bail")
        self.within("bail_limit" if self.measures("bail") else "surveillance_limit", 100, 10)
        self.lift(*self.measures())

    # -- what is seized ------------------------------------------------------------------------------------------------

    def collect(self) -> None:
        """Compile the dossier and seize sealed exhibits, money, a car, an account, a phone with its data."""
        self.compile("dossier1")
        for number in range(1, self.plan.exhibits + 1):
            kind = self.chance.choice(THINGS)
            self.seize(f"exhibit{number}", kind, quantity=self.chance.randint(1, 12), sealed=True)
        if self.plan.cash:
            self.seize_cash()
        if self.plan.car:
            self.seize("car", "car", kind="property", storage_location="depot, lot 3")
        if self.plan.account:
            self.freeze_account()
        if self.plan.phone:
            self.seize_phone()
        if self.plan.exhibits > 3:
            self.store(self.id_of("exhibit4"))
        if self.chance.random() < 0.1:
            # A change of place is recorded two days after it: late, but in its order.
            self.say(item.ItemMoved, item_id=self.id_of("exhibit1"), storage_location="room 2", delay=2)

    def ids_of(self, kind: str) -> list[str]:
        """Return the ids of the items of this kind that somebody holds."""
        return [thing.item_id for thing in self.live(kind)]

    def compile(self, label: str) -> None:
        """Compile a further dossier."""
        volumes = self.chance.randint(1, 6)
        dossier = item.Dossier(volumes=volumes, pages=volumes * self.chance.randint(60, 180))
        self.register(self.id_of(label), kind="dossier", quantity=pieces(volumes, "volume"), dossier=dossier)

    def seize(self, label: str, description: str, *, sealed: bool = False, **fields: Any) -> str:
        """Seize an item; return its id."""
        seizure = item.Seizure(
            document_number=f"KY-{self.case_id}",
            seized_at=self.moment,
            officers=self.officers(1, 2),
            no_witness="at night; recorded",
        )
        defaults = {
            "exhibit_number": label,
            "condition": "good",
            "seal_number": self.seal_of(label) if sealed else None,
        }
        self.register(self.id_of(label), description=description, seizure=seizure, **(defaults | fields))
        return self.id_of(label)

    def officers(self, *numbers: int) -> tuple[str, ...]:
        """Return officers of the investigator."""
        return tuple(f"{self.investigator}-{number}" for number in numbers)

    def seize_cash(self) -> None:
        """Seize cash, counted, and split it into what belongs to the victim and the rest."""
        fen = self.chance.randint(2, 400) * 100_000
        whole = self.seize("cash", "cash", kind="property", fungible=True, **_money(fen))
        if self.chance.random() < 0.3:
            parts = tuple(item.ItemPart(item_id=self.id_of(label), **_money(fen // 2)) for label in ("cash1", "cash2"))
            self.say(item.ItemSplit, item_id=whole, parts=parts)

    def freeze_account(self) -> None:
        """Freeze a bank account: it stays with the bank, frozen for half a year at a time."""
        money = Money(amount=self.chance.randint(1, 900) * 10_000, currency="CNY")
        number = self.seal_of("account")
        account = self.seize("account", "bank account", kind="property", money=money, account=number)
        until = self.today + self.chance.randint(*self.freeze_days) * DAY
        self.say(item.ItemFrozen, item_id=account, frozen_until=until.isoformat())

    def seize_phone(self) -> None:
        """Seize a phone, and register the image that two officers took of it."""
        phone = self.seize("phone", "mobile phone", sealed=True)
        how = item.Collection(
            collectors=self.officers(1, 3),
            tool="write blocker",
            method="whole medium",
            medium_item_id=phone,
            no_witness="at night; recorded",
        )
        digests = (self.digest_of("image"),)
        self.register(self.id_of("image"), kind="electronic_data", digests=digests, collection=how)

    def store(self, item_id: str) -> None:
        """Put an item into the depot: it holds the item, the investigators stay responsible."""
        self.offer(item_id, to=self.city["depot"], purpose="property_transfer").accept()

    def lend_to_lab(self, item_id: str) -> None:
        """Send an item to the laboratory, which is to return it in time."""
        self.offer(item_id, to=self.city["lab"], purpose="forensic_examination", due_at=self.in_days(20)).accept()

    def examine(self) -> None:
        """Send the image to the laboratory, which examines it and returns it in time."""
        image = self.id_of("image")
        self.lend_to_lab(image)
        self.wait(2, 8)
        self.examined(self.state.items[image])
        self.give_back(image, purpose="return", explanation="examined").accept()

    def examined(self, image: Item) -> None:
        """Find what was recorded; where not, say so, and both sides resolve it."""
        if self.chance.random() < 0.97:
            self.compared(image, image.digests, "match")
            return
        self.compared(image, (self.digest_of("another image"),), "mismatch")
        sent = self.sent.handover_id
        subject = {"discrepancy_id": "image-differs", "handover_id": sent, "item_id": image.item_id, "kind": "digest"}
        differing = {"expected": "as recorded", "found": "another digest"}
        self.say(handover.DiscrepancyRaised, self.city["lab"], **subject, **differing)
        self.settle(sent)

    def compared(self, image: Item, digests: tuple[str, ...], result: str) -> None:
        """Record what the laboratory found."""
        compared = {"item_id": image.item_id, "match_result": result, "digests": digests}
        self.say(item.ItemExamined, self.city["lab"], method="hash comparison", **compared)

    def look_again(self) -> None:
        """Let an officer take an exhibit along and bring it back."""
        held = [exhibit.item_id for exhibit in self.live("exhibit") if exhibit.holder == self.state.responsible]
        if held:
            exhibit = self.chance.choice(held)
            self.take_along(exhibit, self.investigator)
            self.bring_back(exhibit)

    def take_along(self, item_id: str, agency: str) -> None:
        """Let an officer of the agency take an item along for a week."""
        officer = f"{agency}-2"
        why = {"ground": "identification", "due_at": self.in_days(7)}
        self.say(item.ItemCheckedOut, agency, item_id=item_id, to_officer=officer, **why)

    def bring_back(self, item_id: str) -> None:
        """Check the exhibit in: in time, and whole."""
        self.wait(1, 5)
        quantity = self.state.items[item_id].quantity
        self.say(item.ItemCheckedIn, item_id=item_id, quantity=quantity, match_result="match")

    def settle(self, sent: str) -> None:
        """Resolve what differed: both sides sign the same words."""
        for discrepancy in [*self.state.discrepancies.values()]:
            if discrepancy.handover_id == sent and not discrepancy.is_resolved:
                self.wait(0, 3)
                words = "counted twice by mistake"
                self.resolve(discrepancy.discrepancy_id, *discrepancy.parties, resolution=words)


def _money(fen: int) -> dict[str, Any]:
    return {"quantity": pieces(fen, "cny_fen"), "money": Money(amount=fen, currency="CNY")}
