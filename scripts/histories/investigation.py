"""The course of a criminal case until it is transferred: filing, measures, arrest, the transfer, what is seized."""

from __future__ import annotations

from datetime import date
from hashlib import sha256

from ledger.core.events import case, handover, item, record
from ledger.core.events.terms import Disposal, ItemKind, MatchResult, Money
from ledger.core.procedure.legal_days import DAY
from ledger.samples.case_acts import pieces
from scripts.histories.agencies import clerk
from scripts.histories.case_acts import CaseActs, later, line
from scripts.histories.simulation import CasePlan, SimulatedCase

CASE_TYPES = ("theft", "fraud", "intentional injury", "dangerous driving", "drug trafficking", "illegal fundraising")
THINGS = ("knife", "mobile phone box", "ledger book", "bag of clothes", "bank card", "bottle")


class Investigation(CaseActs):
    """Each method is a part of the case and keeps to the law; a plant overrides the one that it breaks."""

    freeze_days = (170, 180)  # at least, and at most

    def __init__(self, simulated: SimulatedCase, plan: CasePlan) -> None:
        super().__init__(simulated)
        self.plan = plan
        self.investigator = simulated.city.police
        self.resubmits = ""  # the handover that the next transfer follows

    # -- filing --------------------------------------------------------------------------------------------------------

    def file(self) -> None:
        """Open the case, assign it and name who is in it."""
        self.open(self.investigator)
        self.say(case.CaseAssigned(department="criminal investigation", handler=f"{self.investigator}-1"))
        self.persons = tuple(self.person(f"suspect {number}") for number in range(self.plan.suspects))
        for person in self.persons:
            self.name(person, "suspect")
        if self.plan.at_large:
            self.name(self.person("suspect at large"), "suspect")
        if self.chance.random() < 0.5:
            self.name(self.person("victim"), "victim")
        self.decide("case_filed")

    def open(self, agency: str) -> None:
        """Write the first event."""
        body = case.CaseOpened(
            case_number=f"{self.simulated.today.year}-{self.simulated.case_id}",
            case_type=self.chance.choice(CASE_TYPES),
            business_line="criminal",
            stage="investigation",
        )
        self.say(body, agency)

    def person(self, label: str) -> str:
        """Make the keyed digest of a person who is in this case."""
        return sha256(f"person {label} of {self.simulated.case_id}".encode()).hexdigest()[:32]

    def name(self, person: str, role: str) -> None:
        self.say(case.PersonNamed(person_id=person, role=role))  # type: ignore[arg-type]

    def correct(self, sent: str) -> None:
        """Correct a slip of the pen on the sender's list, now and then; the old entry stays."""
        if self.chance.random() >= (0.6 if self.investigator in self.plan.correcting else 0.02):
            return
        event = next(
            step.event for step in self.simulated.steps if getattr(step.event.payload.body, "handover_id", "") == sent
        )
        correction = record.Correction(field="items[0].condition", recorded="good", correct="fair")
        body = record.RecordCorrected(corrects=event.ref, corrections=(correction,), ground="typing error")
        self.say(body, self.investigator)

    # -- measures ------------------------------------------------------------------------------------------------------

    def restrain(self) -> None:
        """Restrain all suspects as planned."""
        if self.plan.custody in ("bail", "surveillance"):
            measure = "bail" if self.plan.custody == "bail" else "residential_surveillance"
            for person in self.persons:
                self.impose(measure, person)  # type: ignore[arg-type]
            return
        for person in self.persons:
            self.impose("detention", person, days=3)
        for kind in ("admitted_to_detention_house", "interrogated", "family_notified"):
            self.decide(kind)
        self.prolong()
        self.request_arrest()

    def prolong(self) -> None:
        """Extend detention to a week, or to thirty days on a ground that the law names, before it expires."""
        days = {"a_week": 7, "arrest_refused": 7, "a_month": 30}.get(self.plan.custody, 3)
        if days > 3:
            self.wait(1, 3)
            ground = self.chance.choice(("roaming", "repeated", "gang")) if days == 30 else None
            for measure_id in self.measures("detention"):
                until = later(self.simulated.state.measures[measure_id].until or "", days - 3)
                self.extend(measure_id, until, "CPL 91", ground)  # type: ignore[arg-type]
        self.wait_for_request(days)

    def wait_for_request(self, days: int) -> None:
        """Wait until arrest is requested: in time, now and then on the last day."""
        ends = [self.simulated.state.measures[measure_id].until or "" for measure_id in self.measures("detention")]
        left = max(0, (date.fromisoformat(min(ends)) - self.simulated.today) // DAY)
        self.until(left if self.chance.random() < 0.3 else self.chance.randint(0, left))

    def request_arrest(self) -> None:
        """Send the dossier to the procuratorate, which decides within seven days: arrest, or bail if it is refused."""
        dossier = [line(thing.item_id) for thing in self.live("dossier")]
        sent = self.offer("arrest_approval", self.city.procuratorate, dossier)
        self.accept(sent)
        self.within("arrest_decision", 2, 1)
        refused = self.plan.custody == "arrest_refused"
        self.decide("arrest_refused" if refused else "arrest_approved", self.city.procuratorate, served=True)
        for measure_id in self.measures("detention"):
            self.change(measure_id, "bail" if refused else "arrest")
        self.accept(self.give_back(sent, "return", dossier, reason="decided"))
        self.say(case.CaseStageEntered(stage="investigation"))

    def prolong_arrest(self) -> None:
        """Extend arrest by a month in a complex case, and notify the detention house."""
        for measure_id in self.measures("arrest"):
            began = self.simulated.state.measures[measure_id].started_at[:10]
            until = later(began, 85)
            self.extend(measure_id, until, "CPL 156", "complex")
            body = case.CustodyPeriodNotified(
                measure_id=measure_id,
                detention_house=self.city.detention_house,
                until=until,
                number=f"period-{self.simulated.case_id}",
                article="CPL 156",
            )
            self.say(body)

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

    def transfer(self) -> str:
        """Transfer the case to the procuratorate for prosecution; return the handover's id."""
        if self.measures("arrest"):
            self.within("investigation_custody")
        else:
            self.wait(20, 90)
        last = self.simulated.last_day("investigation_custody")
        has_time = last is None or last > self.simulated.today + 3 * DAY
        lines = self.transfer_list()
        sent = self.offer("prosecution_review", self.city.procuratorate, lines, persons=self.transferred_persons())
        if has_time and self.chance.random() < 0.05:
            sent = self.refuse_once(sent)
        self.check(sent)
        self.receive_case(sent)
        self.correct(sent)
        return sent

    def refuse_once(self, sent: str) -> str:
        """Refuse the binding; the offer that follows comes in time. Return its id."""
        body = handover.HandoverRefused(
            handover_id=sent,
            reason_code="binding_defective",
            remedy="rebind",
            explanation="volume two falls apart",
            received_at=self.simulated.moment,
            due_at=self._in(3),
        )
        self.say(body, self.city.procuratorate)
        self.wait(0, 1)
        lines = self.transfer_list()
        return self.offer(
            "prosecution_review", self.city.procuratorate, lines, persons=self.transferred_persons(), follows=sent
        )

    def transferred_persons(self) -> tuple[str, ...]:
        """Return who is on the list: all who are caught."""
        return self.persons

    def transfer_list(self) -> list[handover.OfferedItem]:
        """List all that the investigators are responsible for. What lies elsewhere, or is frozen, stays there."""
        own = [thing for thing in self.live() if thing.responsible == self.responsible]
        return [line(thing.item_id, stays=self.stays(thing.item_id)) for thing in own]

    def stays(self, item_id: str) -> bool:
        """Return whether only responsibility passes."""
        thing = self.simulated.state.items[item_id]
        return thing.holder != self.responsible or thing.frozen_until is not None or thing.description == "car"

    def check(self, sent: str) -> None:
        """Record the receiver's check, before the answer."""
        self.deliver(sent)
        offered = self.simulated.state.handovers[sent]
        matters = ("jurisdiction", "dossier_complete", "property_matches_list", "person_and_measure", "within_time")
        self.say(handover.HandoverChecked(handover_id=sent, **dict.fromkeys(matters, "passed")), offered.to_agency)  # type: ignore[arg-type]

    def receive_case(self, sent: str) -> None:
        """Accept the case, notify the detention house, decide on bail anew."""
        self.accept(sent, self.found(sent))
        self.restart_bail()
        self.serve_custody_changes(sent)
        self.settle(sent)

    def found(self, sent: str) -> tuple[handover.ReceivedItem, ...]:
        """Return what differs from the list: now and then the count of one exhibit, which opens a discrepancy."""
        if self.chance.random() >= self.differing(sent):
            return ()
        state = self.simulated.state
        listed = [state.items[key] for key, listing in state.handovers[sent].items.items() if not listing.stays]
        several = [exhibit for exhibit in listed if exhibit.kind == "exhibit" and int(exhibit.quantity.value) > 1]
        return tuple(
            handover.ReceivedItem(
                item_id=exhibit.item_id, match_result="mismatch", quantity=pieces(int(exhibit.quantity.value) - 1)
            )
            for exhibit in several[:1]
        )

    def differing(self, sent: str) -> float:
        """Return how often a list of this sender is not what arrives."""
        return 0.9 if self.simulated.state.handovers[sent].from_agency in self.plan.careless else 0.02

    # -- an early end --------------------------------------------------------------------------------------------------

    def withdraw(self) -> None:
        """Withdraw the case, as there was no crime: lift all measures, return all items."""
        self.wait(20, 50)
        disposals: dict[str, Disposal] = {
            thing.item_id: "returned_to_owner" for thing in self.live() if thing.kind not in ("dossier", "detainee")
        }
        decision_id = self.decide_withdrawal(disposals)
        for measure_id in self.measures():
            self.lift(measure_id)
        self.dispose([thing for thing in self.live() if thing.item_id in disposals], disposals, decision_id)
        self.close(decision_id)

    def decide_withdrawal(self, disposals: dict[str, Disposal]) -> str | None:
        """Record the decision with its document."""
        return self.decide("case_withdrawn", items=disposals, served=True)

    def close(self, decision_id: str | None) -> None:
        """Close the case."""
        self.say(case.CaseClosed(ground="ended by decision", decision_id=decision_id))

    def wait_long(self) -> None:
        """Go on after bail has run out; the transfer comes before two years are over."""
        for measure_id in self.measures("arrest"):
            self.change(measure_id, "bail")
        self.until_limit_of_bail()
        for measure_id in self.measures():
            self.lift(measure_id)
        self.wait(60, 200)

    def until_limit_of_bail(self) -> None:
        """Wait for the end of bail and surveillance: in time, now and then on the last day."""
        clock = "bail_limit" if self.measures("bail") else "surveillance_limit"
        self.within(clock, 100, 10)

    # -- what is seized ------------------------------------------------------------------------------------------------

    def collect(self) -> None:
        """Compile the dossier and seize sealed exhibits, money, a car, an account, a phone with its data."""
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
        """Compile a further dossier."""
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
        """Seize an item; return its id."""
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
                document_number=f"KY-{self.simulated.case_id}", seized_at=self.simulated.moment, officers=seized_by
            ),
            **({"quantity": pieces(1)} | fields),  # type: ignore[arg-type]
        )
        self.say(body)
        return item_id

    def seal_of(self, label: str) -> str:
        """Return the seal that the item is put under."""
        return self.seal_number(label)

    def seize_cash(self) -> None:
        """Seize cash, counted, and split it into what belongs to the victim and the rest."""
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
        """Freeze a bank account: it stays with the bank, frozen for half a year at a time."""
        fen = self.chance.randint(1, 900) * 10_000
        account = self.seize(
            "account",
            "property",
            "bank account",
            money=Money(fen=fen, currency="CNY"),
            account=self.seal_number("account"),
        )
        until = later(self.simulated.today.isoformat(), self.chance.randint(*self.freeze_days))
        self.say(item.ItemFrozen(item_id=account, frozen_until=until))

    def seize_phone(self) -> None:
        """Seize a phone, and register the image that two officers took of it."""
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
        """Return the digest of the data under this label."""
        return self.digest(label)

    def store(self, item_id: str) -> None:
        """Put an item into the depot: it holds the item, the investigators stay responsible."""
        self.accept(self.offer("property_transfer", self.city.depot, [line(item_id)], persons=()))

    def move(self) -> None:
        """Record a change of place two days after it: late, but in its order."""
        body = item.ItemMoved(item_id=self.id_of("exhibit1"), storage_location="room 2")
        self.say(body, delay=2 * DAY)

    def examine(self) -> None:
        """Send the image to the laboratory, which examines it and returns it in time."""
        image = self.id_of("image")
        sent = self.offer("forensic_examination", self.city.lab, [line(image)], persons=(), due_days=20)
        self.accept(sent)
        self.wait(2, 8)
        self.examined(image, sent)
        self.accept(self.give_back(sent, "return", [line(image)], persons=(), reason="examined"))

    def examined(self, image: str, sent: str) -> None:
        """Find what was recorded; where not, say so, and both sides resolve it."""
        if self.chance.random() < 0.97:
            self.compared(image, self.simulated.state.items[image].digests, "match")
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
        """Record what the laboratory found."""
        body = item.ItemExamined(item_id=image, method="hash comparison", match_result=result, digests=digests)
        self.say(body, self.city.lab)

    def look_again(self) -> None:
        """Let an officer take an exhibit along and bring it back."""
        held = [exhibit for exhibit in self.live("exhibit") if exhibit.holder == self.responsible]
        if held:
            exhibit = self.chance.choice(held)
            body = item.ItemCheckedOut(
                item_id=exhibit.item_id, to_officer=f"{self.responsible}-2", ground="identification", due_at=self._in(7)
            )
            self.say(body)
            self.bring_back(exhibit.item_id)

    def bring_back(self, item_id: str) -> None:
        """Check the exhibit in: in time, and whole."""
        self.wait(1, 5)
        quantity = self.simulated.state.items[item_id].quantity
        self.say(item.ItemCheckedIn(item_id=item_id, quantity=quantity, match_result="match"))

    def settle(self, sent: str) -> None:
        """Resolve what differed: both sides sign the same words."""
        for discrepancy in [*self.simulated.state.discrepancies.values()]:
            if discrepancy.handover_id == sent and not discrepancy.is_resolved:
                self.wait(0, 3)
                body = handover.DiscrepancyResolved(
                    discrepancy_id=discrepancy.discrepancy_id, resolution="counted twice by mistake"
                )
                for side in discrepancy.parties:
                    self.say(body, side)
