"""Stories 7, 8 and 12: money and a car, a phone, a name that is erased."""

from __future__ import annotations

from ledger.core.events import Authority, case, handover, item, record
from ledger.core.events.supervision import LeadAssigned
from ledger.samples.case_telling import CaseTelling, digest, pieces, yuan
from ledger.samples.telling import Teller

GOODS, PHONE, ERASED = "sample-07-money-and-a-car", "sample-08-a-phone", "sample-12-erasure"
PROCEEDS = f"{GOODS}-proceeds"  # of the car
ACQUITTED = "样例癸 a name that is erased"


def money_and_a_car(teller: Teller) -> None:
    """Cash is split, the car stays in the depot and is sold early, the judgment says nothing of what it brought."""
    cash, car, account = (f"{GOODS}-{name}" for name in ("cash", "car", "account"))
    notes = (f"{GOODS}-notes-1", f"{GOODS}-notes-2")
    told = CaseTelling(teller, GOODS, days_ago=130).open("东公刑立字〔样例〕7号", "开设赌场 gambling house")
    told.register(cash, "现金 cash", "property", quantity=pieces(8), fungible=True, money=yuan(800))
    told.register(car, "小型轿车 car", "property", condition="可行驶 roadworthy", storage_location="depot, row 4")
    told.register(account, "银行账户 account", "property", account="6222-0417")
    told.say("police", item.ItemFrozen(item_id=account, frozen_until=told.last_day(136)))
    told.on(1).offer("depot-east", "property_transfer", car).accept(moves=False)
    parts = (
        item.ItemPart(item_id=notes[0], quantity=pieces(3), money=yuan(300)),
        item.ItemPart(item_id=notes[1], quantity=pieces(5), money=yuan(500)),
    )
    told.on(20).say("police", item.ItemSplit(item_id=cash, parts=parts))
    stays = [handover.OfferedItem(item_id=one, stays=True) for one in (car, account)]
    told.on(35).offer("procuratorate-east", "prosecution_review", *notes, *stays).accept()
    sale = (case.ItemDecision(item_id=car, disposal="sold_early"),)
    told.on(62).decide("other", "东检处〔样例〕7号", items=sale, decision_id="sale")
    told.say(
        "depot",
        item.ItemDisposalProposed(
            item_ids=(car,), disposal="sold_early", ground="贬值 loses value", decision_id="sale"
        ),
    )
    sold = item.ItemPart(item_id=PROCEEDS, quantity=pieces(1), money=yuan(52_000))
    told.say("depot-chief", item.ItemDisposed(cites=told.ref, disposed_at=told.now, proceeds=sold))
    stays = [handover.OfferedItem(item_id=one, stays=True) for one in (account, PROCEEDS)]
    told.on(90).offer("court-east", "public_prosecution", *notes, *stays).accept()
    ordered = {account: "forfeited", notes[0]: "returned_to_victim", notes[1]: "returned_to_victim"}
    lines = tuple(case.ItemDecision(item_id=name, disposal=end) for name, end in ordered.items())  # type: ignore[arg-type]
    told.on(121).decide("judgment", "（样例）东刑初7号", items=lines)


def judgment_supervised(teller: Teller) -> None:
    """The lead on what the judgment says nothing of, assigned."""
    lead = teller.lead("judgment-silent", case_id=GOODS, item_id=PROCEEDS)
    lead.say("prosecutor-chief", LeadAssigned(handler="j-0021", department="第四检察部 fourth department"))


def a_phone(teller: Teller) -> None:
    """Its image is collected by two, examined elsewhere, and comes back as another; counsel is told where."""
    phone, image = f"{PHONE}-phone", f"{PHONE}-image"
    told = (
        CaseTelling(teller, PHONE, days_ago=25)
        .open("东公刑立字〔样例〕8号", "网络诈骗 online fraud")
        .name("样例子 a suspect")
    )
    seized = item.Seizure(document_number="东公扣字〔样例〕8号", seized_at=told.now, officers=("p-0417", "p-0422"))
    where = {"narrative": {"text": "扣押地点保密 where it was found is confidential"}}
    told.say(
        "police",
        item.ItemRegistered(
            item_id=phone,
            item_kind="exhibit",
            description="手机 telephone",
            quantity=pieces(1),
            seal_number="FY-08-01",
            seizure=seized,
        ),
        sections=where,
    )
    how = item.Collection(
        collectors=("p-0417", "p-0422"),
        tool="写保护设备 write blocker",
        method="整机镜像 image of the whole medium",
        medium_item_id=phone,
    )
    sent, back = digest("image of the phone"), digest("image that came back")
    told.register(image, "手机镜像 image of the phone", "electronic_data", digests=(sent,), collection=how)
    told.on(3).offer("lab-east", "forensic_examination", phone, image, due_at=f"{told.last_day(20)}T09:00:00Z")
    match = handover.ReceivedItem(item_id=image, match_result="match", digests=(sent,))
    told.accept(moves=False, received=(match,))
    told.on(15).give_back(
        "handover-1", phone, image, purpose="return", reason_code="other", explanation="检验完毕 examined"
    )
    told.accept(received=(handover.ReceivedItem(item_id=image, match_result="mismatch", digests=(back,)),))
    given = record.DisclosureMade(
        recipient="辩护人 counsel of the suspect", events=(told.ref,), item_ids=(image,), withheld=("narrative",)
    )
    told.on(20).say("police", given)


def erasure(teller: Teller) -> None:
    """A person is named, acquitted, and the court has the name erased; whoever checks a proof still finds it intact."""
    told = (
        CaseTelling(teller, ERASED, days_ago=120)
        .open("东公刑立字〔样例〕12号", "诬告陷害 false accusation")
        .name(ACQUITTED)
    )
    named = told.ref
    told.on(20).offer("procuratorate-east", "prosecution_review", persons=(ACQUITTED,)).accept()
    told.on(45).decide("prosecuted", "东检刑诉〔样例〕12号", ACQUITTED)
    told.offer("court-east", "public_prosecution", persons=(ACQUITTED,)).accept()
    told.on(95).decide("judgment", "（样例）东刑初12号", ACQUITTED, served_at=told.now)
    told.on(106).decide("judgment_effective", "（样例）东刑初12号生效", ACQUITTED)
    ordered = Authority(authorization_type="court order", authorization_identifier="（样例）12号")
    told.on(110).say(
        "court-chief",
        record.SectionErased(concerns=named, label="person:1", ground="无罪判决生效 the acquittal is final"),
        authority=ordered,
    )
