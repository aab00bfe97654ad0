"""What is seized in a criminal case: kept, examined and brought back, until the case is transferred."""

from __future__ import annotations

from datetime import date
from hashlib import sha256

from ledger.core.events import case, handover, item, record
from ledger.core.events.terms import Date, Disposal, ItemKind, MatchResult, Money
from ledger.core.procedure.legal_days import DAY
from ledger.samples.case_acts import pieces
from scripts.histories.agencies import clerk
from scripts.histories.case_acts import Acts, later, line
from scripts.histories.simulation import Life, Plan

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


CASE_TYPES = ("theft", "fraud", "intentional injury", "dangerous driving", "drug trafficking", "illegal fundraising")


class Investigation(Seizure):
    """Each method is a part of the life, and keeps to the law; a plant overrides the one that it breaks."""

    def __init__(self, life: Life, plan: Plan) -> None:
        super().__init__(life, plan)
        self.resubmits = ""  # the handover that the next transfer follows

    # -- filing --------------------------------------------------------------------------------------------------------

    def file(self) -> None:
        """Opens the case, assigns it and names who is in it."""
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
        """The first event."""
        body = case.CaseOpened(
            case_number=f"{self.life.today.year}-{self.life.case_id}",
            case_type=self.chance.choice(CASE_TYPES),
            business_line="criminal",
            stage="investigation",
        )
        self.say(body, agency)

    def person(self, label: str) -> str:
        """The keyed digest of one who is in this case."""
        return sha256(f"person {label} of {self.life.case_id}".encode()).hexdigest()[:32]

    def name(self, person: str, role: str) -> None:
        self.say(case.PersonNamed(person_id=person, role=role))  # type: ignore[arg-type]

    def correct(self, sent: str) -> None:
        """Now and then the sender corrects a slip of the pen on its list; the old entry stays."""
        if self.chance.random() >= self.slipping(self.investigator):
            return
        entry = next(
            step.entry for step in self.life.steps if getattr(step.entry.payload.body, "handover_id", "") == sent
        )
        correction = record.Correction(field="items[0].condition", recorded="good", correct="fair")
        body = record.RecordCorrected(corrects=entry.ref, corrections=(correction,), ground="typing error")
        self.say(body, self.investigator)

    def slipping(self, sender: str) -> float:
        """How often this agency corrects its lists."""
        return 0.6 if sender in self.plan.correcting else 0.02

    # -- measures ------------------------------------------------------------------------------------------------------

    def restrain(self) -> None:
        """All suspects are restrained as planned."""
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
        """Detention is extended to a week, or to thirty days on a ground that the law names, before it expires."""
        days = {"a_week": 7, "arrest_refused": 7, "a_month": 30}.get(self.plan.custody, 3)
        if days > 3:
            self.wait(1, 3)
            ground = self.chance.choice(("roaming", "repeated", "gang")) if days == 30 else None
            for measure_id in self.measures("detention"):
                began = self.life.state.measures[measure_id].until
                self.extend(measure_id, self.prolonged(began, days), "CPL 91", ground)  # type: ignore[arg-type]
        self.wait_for_request(days)

    def prolonged(self, first_until: Date | None, days: int) -> Date:
        """The last day after the extension."""
        assert first_until is not None, "detention is decided for three days"
        return later(first_until, days - 3)

    def wait_for_request(self, days: int) -> None:
        """Until the day on which arrest is requested: in time, now and then on the last day."""
        ends = [self.life.state.measures[one].until or "" for one in self.measures("detention")]
        left = max(0, (date.fromisoformat(min(ends)) - self.life.today) // DAY)
        self.until(left if self.chance.random() < 0.3 else self.chance.randint(0, left))

    def request_arrest(self) -> None:
        """The dossier goes to the procuratorate and back; it decides within seven days."""
        dossier = [line(one.item_id) for one in self.live("dossier")]
        sent = self.offer("arrest_approval", self.city.procuratorate, dossier)
        self.accept(sent)
        self.within("arrest_decision", 2, 1)
        self.decide_arrest()
        self.accept(self.give_back(sent, "return", dossier, reason="decided"))
        self.say(case.CaseStageEntered(stage="investigation"))

    def decide_arrest(self) -> None:
        """Arrest, or bail where it is refused."""
        refused = self.plan.custody == "arrest_refused"
        self.decide("arrest_refused" if refused else "arrest_approved", self.city.procuratorate, served=True)
        for measure_id in self.measures("detention"):
            self.change(measure_id, "bail" if refused else "arrest")

    def prolong_arrest(self) -> None:
        """A month more in a complex case; the detention house is told."""
        for measure_id in self.measures("arrest"):
            began = self.life.state.measures[measure_id].started_at[:10]
            until = later(began, 85)
            self.extend(measure_id, until, "CPL 156", "complex")
            body = case.CustodyPeriodNotified(
                measure_id=measure_id,
                detention_house=self.city.detention_house,
                until=until,
                number=f"period-{self.life.case_id}",
                article="CPL 156",
            )
            self.say(body)

    def investigate(self) -> None:
        """What happens until the transfer."""
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
        """The case goes to the procuratorate for prosecution; the handover's id."""
        if self.measures("arrest"):
            self.within("investigation_custody")
        else:
            self.wait(20, 90)
        last = self.life.last_day("investigation_custody")
        has_time = last is None or last > self.life.today + 3 * DAY
        lines = self.transfer_list()
        sent = self.offer("prosecution_review", self.city.procuratorate, lines, persons=self.transferred_persons())
        if has_time and self.chance.random() < 0.05:
            sent = self.refuse_once(sent)
        self.check(sent)
        self.receive_case(sent)
        self.correct(sent)
        return sent

    def refuse_once(self, sent: str) -> str:
        """The binding is refused; the offer that follows comes in time. Its id."""
        body = handover.HandoverRefused(
            handover_id=sent,
            reason_code="binding_defective",
            remedy="rebind",
            explanation="volume two falls apart",
            received_at=self.life.moment,
            due_at=self._in(3),
        )
        self.say(body, self.city.procuratorate)
        self.wait(0, 1)
        lines = self.transfer_list()
        return self.offer(
            "prosecution_review", self.city.procuratorate, lines, persons=self.transferred_persons(), follows=sent
        )

    def transferred_persons(self) -> tuple[str, ...]:
        """Who is on the list: all who are caught."""
        return self.persons

    def transfer_list(self) -> list[handover.OfferedItem]:
        """All that the investigators answer for; what lies elsewhere, or is frozen, stays where it is."""
        own = [one for one in self.live() if one.responsible == self.responsible]
        return [line(one.item_id, stays=self.stays(one.item_id)) for one in own]

    def stays(self, item_id: str) -> bool:
        """Whether only responsibility passes."""
        one = self.life.state.items[item_id]
        return one.holder != self.responsible or one.frozen_until is not None or one.description == "car"

    def check(self, sent: str) -> None:
        """The receiver's check, before the answer."""
        self.deliver(sent)
        offered = self.life.state.handovers[sent]
        matters = ("jurisdiction", "dossier_complete", "property_matches_list", "person_and_measure", "within_time")
        self.say(handover.HandoverChecked(handover_id=sent, **dict.fromkeys(matters, "passed")), offered.to_agency)  # type: ignore[arg-type]

    def receive_case(self, sent: str) -> None:
        """Accepted, the detention house told, bail decided anew."""
        self.accept(sent, self.found(sent))
        self.restart_bail()
        self.serve_custody_changes(sent)
        self.settle(sent)

    def found(self, sent: str) -> tuple[handover.ReceivedItem, ...]:
        """What differs from the list: now and then the count of one exhibit, which opens a discrepancy."""
        return self.one_short(sent) if self.chance.random() < self.differing(sent) else ()

    def differing(self, sent: str) -> float:
        """How often a list of its sender is not what arrives."""
        return 0.9 if self.life.state.handovers[sent].from_agency in self.plan.careless else 0.02

    def one_short(self, sent: str) -> tuple[handover.ReceivedItem, ...]:
        """One piece less of an exhibit that moves."""
        state = self.life.state
        listed = [state.items[key] for key, told in state.handovers[sent].items.items() if not told.stays]
        several = [one for one in listed if one.kind == "exhibit" and int(one.quantity.value) > 1]
        return tuple(
            handover.ReceivedItem(
                item_id=one.item_id, match_result="mismatch", quantity=pieces(int(one.quantity.value) - 1)
            )
            for one in several[:1]
        )

    # -- an early end --------------------------------------------------------------------------------------------------

    def withdraw(self) -> None:
        """No crime: the case is withdrawn by a decision, all are free, all things go back."""
        self.wait(20, 50)
        disposals: dict[str, Disposal] = {
            one.item_id: "returned_to_owner" for one in self.live() if one.kind not in ("dossier", "detainee")
        }
        decision_id = self.decide_withdrawal(disposals)
        for measure_id in self.measures():
            self.lift(measure_id)
        self.dispose([one for one in self.live() if one.item_id in disposals], disposals, decision_id)
        self.close(decision_id)

    def decide_withdrawal(self, disposals: dict[str, Disposal]) -> str | None:
        """The decision with its document."""
        return self.decide("case_withdrawn", items=disposals, served=True)

    def close(self, decision_id: str | None) -> None:
        """The end."""
        self.say(case.CaseClosed(ground="ended by decision", decision_id=decision_id))

    def wait_long(self) -> None:
        """After bail has run out the investigation goes on; the transfer comes before two years are over."""
        for measure_id in self.measures("arrest"):
            self.change(measure_id, "bail")
        self.until_limit_of_bail()
        for measure_id in self.measures():
            self.lift(measure_id)
        self.wait(60, 200)

    def until_limit_of_bail(self) -> None:
        """Bail and surveillance end in time, now and then on the last day."""
        clock = "bail_limit" if self.measures("bail") else "surveillance_limit"
        self.within(clock, 100, 10)
