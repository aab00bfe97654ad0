"""The stories of single cases: 1 to 9 and 12, and what the prosecution makes of what the service finds in them.

A story is a generator: it plays on to its next point and yields the point's name with the case. Whoever only wants the
case plays it to its end; a test looks in at the points, and may leave the story there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from ledger.core.events import Authority, handover, item, record
from ledger.core.events import case as case_events
from ledger.core.events.supervision import LeadAnswered, LeadAssigned, LeadClosed, LeadConfirmed
from ledger.core.events.terms import EventRef, Money
from ledger.samples.case_acts import digest, ordered, person_id, pieces, stays
from ledger.samples.player import Player, SampleCase, SampleLead
from ledger.samples.town import BY_PROFILE

Points = Iterator[tuple[str, SampleCase]]


class Story(NamedTuple):
    """A story of one case, which began so many days ago."""

    case_id: str
    days_ago: int
    acts: Callable[[SampleCase], Points]

    def points(self, player: Player) -> Points:
        """Play the story, from point to point."""
        return self.acts(player.case(self.case_id, days_ago=self.days_ago))

    def play(self, player: Player) -> None:
        """Play the story to its end."""
        for _ in self.points(player):
            pass


# -- 1 to 3: deliveries ------------------------------------------------------------------------------------------------

TWO = ("样例甲 the first of the sample", "样例乙 the second of the sample")


def _clean_run(case: SampleCase) -> Points:
    """Pass a case from police to corrections, with two defendants and twenty exhibits, nothing out of order."""
    exhibits = tuple(f"{case.stream.id}-exhibit-{number}" for number in range(1, 21))
    dossier = f"{case.stream.id}-dossier"
    case.open(case_number="东公刑立字〔样例〕1号", case_type="盗窃 theft").name(*TWO).assign("刑侦二队 second squad")
    for name in TWO:
        case.impose(name, "detention", ground="现场抓获 caught at the place")
    _take_in(case, *TWO)
    description = "侦查案卷 file of the investigation"
    case.register(dossier, kind="dossier", description=description, dossier=item.Dossier(volumes=2, pages=214))
    for number, exhibit in enumerate(exhibits, 1):
        case.register(exhibit, description=f"作案工具之{number} tool {number}", seal_number=f"FY-01-{number:02}")
    case.on(3).offer(to="procuratorate-east", purpose="arrest_approval", persons=TWO).accept()
    case.on(8).decide("arrest_approved", *TWO, by="prosecutor", number="东检批捕〔样例〕1号")
    for name in TWO:
        case.change("detention", "arrest", name, ground="批准逮捕 approved")
    _hear(case, *TWO)
    case.on(40).offer(dossier, *exhibits, to="procuratorate-east", persons=TWO).accept()
    for number, name in enumerate(TWO, 1):
        case.change_custody(name, f"换1-{number}")
    _inform(case, *TWO)
    case.on(65).decide("prosecuted", *TWO, number="东检刑诉〔样例〕1号")
    case.offer(dossier, *exhibits, to="court-east", purpose="public_prosecution", persons=TWO).accept()
    for number, name in enumerate(TWO, 1):
        case.change_custody(name, f"换2-{number}")
    _inform(case, *TWO, is_trial=True)
    judgment = {"number": "（样例）东刑初1号", "decision_id": "judgment"}
    case.on(110).decide("judgment", *TWO, served_at=case.moment, **judgment)
    case.on(121).decide("judgment_effective", *TWO, number="（样例）东刑初1号生效")
    proposal = {"item_ids": exhibits, "disposal": "destroyed", "ground": "作案工具 tools of the crime"}
    case.on(122).say(item.ItemDisposalProposed, decision_id="judgment", **proposal)
    case.say(item.ItemDisposed, "court-chief", cites=case.ref, disposed_at=case.moment)
    case.on(125).offer(dossier, to="corrections-east", purpose="execution", persons=TWO).accept()
    case.on(126).close(ground="已交付执行 sentence being served", decision_id="judgment")
    yield "closed", case


def _take_in(case: SampleCase, *names: str) -> None:
    """Record what the law wants within a day of a detention: the detention house, then as after an arrest."""
    case.decide("admitted_to_detention_house", *names, number="收押〔样例〕")
    _hear(case, *names)


def _hear(case: SampleCase, *names: str) -> None:
    """Record the interrogation and the family's notice, within a day of a detention or an arrest."""
    case.decide("interrogated", *names, number="讯问〔样例〕")
    case.decide("family_notified", *names, number="通知家属〔样例〕")


def _inform(case: SampleCase, *names: str, is_trial: bool = False) -> None:
    """Record that the accused were told of their rights, at the review the victim too, within three days."""
    case.decide("rights_informed", *names, number="权利告知〔样例〕")
    if not is_trial:
        case.decide("victim_informed", number="被害人告知〔样例〕")


def _short_delivery(case: SampleCase) -> Points:
    """Accept eighteen of twenty: a seal is broken, nine are there where ten are listed. One side has signed."""
    exhibits = tuple(f"{case.stream.id}-exhibit-{number}" for number in range(1, 21))
    sealed, counted = exhibits[4], exhibits[11]
    case.open(case_number="东公刑立字〔样例〕2号", case_type="诈骗 fraud").name("样例丙 a suspect")
    for number, exhibit in enumerate(exhibits, 1):
        fields = {"description": f"涉案手机卡之{number} card {number}", "seal_number": f"FY-02-{number:02}"}
        case.register(exhibit, quantity=10 if exhibit == counted else 1, **fields)
    broken = handover.NotAcceptedItem(
        item_id=sealed, reason_code="seal_broken", seal_state="broken", explanation="封口一侧撕裂 torn on one side"
    )
    nine = handover.NotAcceptedItem(item_id=counted, reason_code="items_differ", quantity=pieces(9))
    case.on(9).offer(*exhibits, to="procuratorate-east").accept(not_accepted=(broken, nine))
    yield "delivered", case
    resealed = "封条在运输途中破损，重新封存 broken on the way, sealed again"
    case.on(10).resolve(f"handover-1/{sealed}", "prosecutor", "police", resolution=resealed)
    recounted = "第十张在物证室，双方重新清点 the tenth lay in our property room"
    case.resolve(f"handover-1/{counted}", "police", resolution=recounted)
    yield "signed by one side", case


def _bad_dossier(case: SampleCase) -> Points:
    """Refuse a file for its binding; it comes back after the day that was set, and waits for an answer."""
    dossier = f"{case.stream.id}-dossier"
    case.open(case_number="东公刑立字〔样例〕3号", case_type="故意伤害 assault").name("样例丁 a suspect")
    case.register(dossier, kind="dossier", description="侦查案卷 file", dossier=item.Dossier(volumes=3, pages=412))
    case.on(5).offer(dossier, to="procuratorate-east")
    case.refuse(explanation="第二册散页 volume two has come loose", due_at=f"{case.date_of(8)}T09:00:00Z")
    yield "refused", case
    case.on(13).offer(dossier, to="procuratorate-east", follows="handover-1")
    yield "back", case


# -- 4, 5, 6 and 9: persons and their time -----------------------------------------------------------------------------

SUSPECT = "样例戊 a suspect"
PAIR = ("样例己 a suspect", "样例庚 another suspect")
KEPT_PERSON = "样例辛 a suspect in custody"
DEFENDANT = "样例壬 a defendant"
ROUNDS = ((1, 26), (54, 79), (107, 130))  # days: the file is received, the file is returned


def _third_return(case: SampleCase) -> Points:
    """Return a file three times: two returns are lawful, the third is recorded."""
    dossier = f"{case.stream.id}-dossier"
    case.open(case_number="东公刑立字〔样例〕4号", case_type="合同诈骗 contract fraud").name(SUSPECT)
    case.register(dossier, kind="dossier", description="侦查案卷 file", dossier=item.Dossier(volumes=4, pages=530))
    explanation = "账目往来未查清 the accounts are not cleared up"
    for number, (received, returned) in enumerate(ROUNDS):
        follows = {"follows": f"handover-{2 * number}"} if number else {}
        case.on(received).offer(dossier, to="procuratorate-east", persons=(SUSPECT,), **follows).accept()
        _inform(case, SUSPECT)
        yield "received", case
        case.on(returned).give_back(dossier, persons=(SUSPECT,), remedy="supplement", explanation=explanation)
        yield "returned", case
        case.accept()
        yield "taken back", case


def _detained_then_bailed(case: SampleCase) -> Points:
    """Detain for thirty days without a ground, refuse the arrest on the seventh day, bail, and bail anew."""
    bailed, arrested = PAIR
    case.open(case_number="东公刑立字〔样例〕5号", case_type="寻衅滋事 affray").name(*PAIR)
    for name in PAIR:
        case.impose(name, "detention", ground="现场抓获 caught in the act")
    _take_in(case, *PAIR)
    case.assign("刑侦一队 first squad").on(2)
    until = {"until": case.date_of(30), "article": "CPL 91", "ground": "案情复杂 more time is needed"}
    case.say(case_events.MeasureExtended, measure_id="detention-1", **until)
    case.say(case_events.MeasureExtended, measure_id="detention-2", **until, qualifying_ground="gang")
    case.on(28).offer(to="procuratorate-east", purpose="arrest_approval", persons=PAIR).accept()
    # In the afternoon of the seventh day, which ends at midnight: in time.
    case.on(35, 16).decide("arrest_refused", bailed, by="prosecutor", number="东检不捕〔样例〕5号")
    case.decide("arrest_approved", arrested, by="prosecutor", number="东检批捕〔样例〕5号")
    case.change("detention", "bail", bailed, ground="不批准逮捕 arrest was refused")
    case.change("detention", "arrest", arrested, ground="批准逮捕 approved")
    _hear(case, arrested)
    case.on(92).offer(to="procuratorate-east", persons=PAIR).accept()
    case.change_custody(arrested, "换5")
    _inform(case, *PAIR)
    case.on(94).change("bail", "bail", bailed, new_measure_id="bail-1-anew", ground="重新取保候审 decided anew")
    yield "bailed anew", case


def _custody_of_a_person(case: SampleCase) -> Points:
    """Move the case on; the certificate is asked for and not served: the detention house can do it now."""
    case.open(case_number="东公刑立字〔样例〕6号", case_type="抢劫 robbery").name(KEPT_PERSON)
    case.impose(KEPT_PERSON, "arrest", ground="批准逮捕 approved")
    _hear(case, KEPT_PERSON)
    case.on(64).offer(to="procuratorate-east", persons=(KEPT_PERSON,)).accept()
    _inform(case, KEPT_PERSON)
    yield "accepted", case
    case.on(70).ask_custody_change(KEPT_PERSON, number="换6")
    yield "asked for", case


def _appeal_and_remand(case: SampleCase) -> Points:
    """Send the file up within three days; it comes back, and the first instance begins anew."""
    dossier = f"{case.stream.id}-dossier"
    opening = {"case_number": "东检刑诉受〔样例〕9号", "case_type": "交通肇事 traffic crime"}
    case.open("prosecutor", stage="prosecution_review", **opening).name(DEFENDANT, role="defendant")
    case.register(dossier, kind="dossier", description="诉讼案卷 file", dossier=item.Dossier(volumes=2, pages=180))
    persons = (DEFENDANT,)
    case.offer(dossier, to="court-east", purpose="public_prosecution", persons=persons).on(2).accept()
    _inform(case, DEFENDANT, is_trial=True)
    case.on(56).decide("judgment", DEFENDANT, number="（样例）东刑初9号", served_at=case.moment)
    case.on(64).decide("appealed", DEFENDANT, number="上诉状9号")
    case.on(67).offer(dossier, to="court-city", purpose="appeal", persons=persons).on(68).accept()
    case.on(119).decide("remanded", DEFENDANT, number="（样例）中刑终9号")
    case.on(120).offer(dossier, to="court-east", purpose="remand", persons=persons).on(121).accept()
    yield "back", case


# -- 7, 8 and 12: things and names -------------------------------------------------------------------------------------

ACQUITTED = "样例癸 a name that is erased"


def goods(name: str) -> str:
    """Return the id of a thing of story 7: cash, car, account, notes-1, notes-2 or proceeds."""
    return f"sample-07-money-and-a-car-{name}"


def _money_and_a_car(case: SampleCase) -> Points:
    """Split cash, sell a car early that stays in the depot, and forget in the judgment what it brought."""
    cash, car, account, proceeds = map(goods, ("cash", "car", "account", "proceeds"))
    notes = (goods("notes-1"), goods("notes-2"))
    case.open(case_number="东公刑立字〔样例〕7号", case_type="开设赌场 gambling house")
    case.register(cash, kind="property", description="现金 cash", quantity=8, fungible=True, money=_yuan(800))
    where = {"condition": "可行驶 roadworthy", "storage_location": "depot, row 4"}
    case.register(car, kind="property", description="小型轿车 car", **where)
    case.register(account, kind="property", description="银行账户 account", account="6222-0417")
    # Its end is some days ahead of whoever loads the sample, so that the warning is there to be seen.
    case.say(item.ItemFrozen, item_id=account, frozen_until=case.date_of(136))
    case.on(1).offer(car, to="depot-east", purpose="property_transfer").accept()
    yield "seized", case
    parts = (
        item.ItemPart(item_id=notes[0], quantity=pieces(3), money=_yuan(300)),
        item.ItemPart(item_id=notes[1], quantity=pieces(5), money=_yuan(500)),
    )
    case.on(20).say(item.ItemSplit, item_id=cash, parts=parts)
    yield "split", case
    case.on(35).offer(*notes, stays(car), stays(account), to="procuratorate-east").accept()
    yield "passed on", case
    sale = ordered({car: "sold_early"})
    case.on(62).decide("other", number="东检处〔样例〕7号", items=sale, decision_id="sale")
    proposal = {"item_ids": (car,), "disposal": "sold_early", "ground": "贬值 loses value", "decision_id": "sale"}
    case.say(item.ItemDisposalProposed, "depot", **proposal)
    sold = item.ItemPart(item_id=proceeds, quantity=pieces(1), money=_yuan(52_000))
    case.say(item.ItemDisposed, "depot-chief", cites=case.ref, disposed_at=case.moment, proceeds=sold)
    yield "sold", case
    case.on(91).offer(*notes, stays(account), stays(proceeds), to="court-east", purpose="public_prosecution").accept()
    lines = ordered({account: "forfeited", notes[0]: "returned_to_victim", notes[1]: "returned_to_victim"})
    case.on(122).decide("judgment", number="（样例）东刑初7号", items=lines, decision_id="judgment")
    yield "judged", case


def _yuan(value: int) -> Money:
    return Money(amount=value * 100, currency="CNY")


WITHHELD = "扣押地点保密 where it was found is confidential"


def _a_phone(case: SampleCase) -> Points:
    """Collect an image by two, have it examined, and get another one back; counsel gets what proves where."""
    phone, image = (f"{case.stream.id}-{name}" for name in ("phone", "image"))
    case.open(case_number="东公刑立字〔样例〕8号", case_type="网络诈骗 online fraud").name("样例子 a suspect")
    alone = "无适格见证人，已录像 nobody could witness it; recorded on video"
    officers = ("p-0417", "p-0422")
    seized = item.Seizure(
        document_number="东公扣字〔样例〕8号", seized_at=case.moment, officers=officers, no_witness=alone
    )
    where = {"narrative": {"text": WITHHELD}}
    case.register(phone, description="手机 telephone", seal_number="FY-08-01", seizure=seized, sections=where)
    yield "seized", case
    how = item.Collection(
        collectors=officers,
        tool="写保护设备 write blocker",
        method="整机镜像 image of the whole medium",
        medium_item_id=phone,
        no_witness=alone,
    )
    sent, back = digest("image of the phone"), digest("image that came back")
    description = "手机镜像 image of the phone"
    case.register(image, kind="electronic_data", description=description, digests=(sent,), collection=how)
    yield "collected", case
    due = f"{case.date_of(20)}T09:00:00Z"
    case.on(3).offer(phone, image, to="lab-east", purpose="forensic_examination", due_at=due)
    case.accept(received=(handover.ReceivedItem(item_id=image, match_result="match", digests=(sent,)),))
    yield "with the laboratory", case
    case.on(15).give_back(phone, image, purpose="return", explanation="检验完毕 examined")
    case.accept(received=(handover.ReceivedItem(item_id=image, match_result="mismatch", digests=(back,)),))
    yield "back", case
    counsel = {"recipient": "辩护人 counsel of the suspect", "item_ids": (image,), "withheld": ("narrative",)}
    case.on(20).say(record.DisclosureMade, events=(case.ref,), **counsel)
    yield "disclosed", case


def _erasure(case: SampleCase) -> Points:
    """Name a person who is acquitted, and have the name erased; whoever checks a proof still finds it intact."""
    case.open(case_number="东公刑立字〔样例〕12号", case_type="诬告陷害 false accusation").name(ACQUITTED)
    named: EventRef = case.ref
    case.on(20).offer(to="procuratorate-east", persons=(ACQUITTED,)).accept()
    _inform(case, ACQUITTED)
    case.on(45).decide("prosecuted", ACQUITTED, number="东检刑诉〔样例〕12号")
    case.offer(to="court-east", purpose="public_prosecution", persons=(ACQUITTED,)).accept()
    _inform(case, ACQUITTED, is_trial=True)
    case.on(95).decide("judgment", ACQUITTED, number="（样例）东刑初12号", served_at=case.moment)
    case.on(106).decide("judgment_effective", ACQUITTED, number="（样例）东刑初12号生效")
    yield "acquitted", case
    court = Authority(authorization_type="court order", authorization_identifier="（样例）12号")
    ground = "无罪判决生效 the acquittal is final"
    erasure = {"concerns": named, "label": "person:1", "ground": ground}
    case.on(110).say(record.ErasureProposed, "court", **erasure)
    case.say(record.SectionErased, "court-chief", cites=case.ref, authority=court, **erasure)
    yield "erased", case


CLEAN_RUN = Story("sample-01-clean-run", 150, _clean_run)
SHORT_DELIVERY = Story("sample-02-short-delivery", 12, _short_delivery)
BAD_DOSSIER = Story("sample-03-bad-dossier", 15, _bad_dossier)
THIRD_RETURN = Story("sample-04-third-return", 140, _third_return)
DETAINED_THEN_BAILED = Story("sample-05-detained-then-bailed", 110, _detained_then_bailed)
CUSTODY_OF_A_PERSON = Story("sample-06-custody-of-a-person", 73, _custody_of_a_person)
MONEY_AND_A_CAR = Story("sample-07-money-and-a-car", 130, _money_and_a_car)
A_PHONE = Story("sample-08-a-phone", 25, _a_phone)
APPEAL_AND_REMAND = Story("sample-09-appeal-and-remand", 140, _appeal_and_remand)
ERASURE = Story("sample-12-erasure", 120, _erasure)


# -- leads -------------------------------------------------------------------------------------------------------------


class LeadStory(NamedTuple):
    """What becomes of a lead: who has it assigned and works on it, what each says, and how it is closed."""

    model_id: str
    key: Mapping[str, str]
    department: str
    answering: str  # profile of the agency that must answer
    answer: str
    material: str
    finding: str
    looked_at: tuple[str, ...]
    closing: Mapping[str, str]
    assigning: str = "prosecutor-chief"
    working: str = "prosecutor"

    def points(self, player: Player) -> Iterator[tuple[str, SampleLead]]:
        """Work on the lead, from point to point, once the service has raised it."""
        lead = player.lead(self.model_id, self.key, self.assigning)
        yield "raised", lead
        handler = BY_PROFILE[self.working].officer
        lead.write(LeadAssigned(handler=handler, department=self.department), self.assigning)
        yield "assigned", lead
        lead.write(LeadAnswered(answer=self.answer, digests=(digest(self.material),)), self.answering)
        yield "answered", lead
        digests = tuple(map(digest, self.looked_at))
        lead.write(LeadConfirmed(finding=self.finding, digests=digests), self.working)
        yield "confirmed", lead
        paper = self.closing.get("document_number")
        day, digests = (player.day(0).date().isoformat(), (digest(paper),)) if paper else (None, ())
        lead.write(LeadClosed(**self.closing, document_date=day, digests=digests), self.working)  # type: ignore[arg-type]
        yield "closed", lead

    def work(self, player: Player, *, until: str) -> SampleLead:
        """Work on the lead up to this point."""
        return next(lead for point, lead in self.points(player) if point == until)


def _noticed(document_number: str, summary: str) -> dict[str, str]:
    return {"outcome": "rectification_notice", "document_number": document_number, "summary": summary}


THIRD_RETURN_LEAD = LeadStory(
    model_id="third-return",
    key={"case_id": THIRD_RETURN.case_id, "handover_id": "handover-6"},
    department="第二检察部 second department",
    answering="police",
    answer="两次补充侦查均未查清银行流水，现已调取 the bank's records are here only now",
    material="退补提纲及补查报告",
    finding="三次退补提纲相同，补查不到位 the three lists of what was missing are the same",
    looked_at=("三次退补提纲", "补充侦查案卷"),
    closing=_noticed("东检纠〔样例〕4号", "已制发纠正违法通知书 notice was given"),
)
DETENTION_LEAD = LeadStory(
    model_id="detention-without-ground",
    key={"case_id": DETAINED_THEN_BAILED.case_id, "measure_id": "detention-1"},
    department="第一检察部 first department",
    answering="police",
    answer="审批表未填事由，已说明情况 the form's ground was left blank",
    material="延长拘留审批表",
    finding="卷内无法定事由 no ground of the three is recorded or found in the file",
    looked_at=("延长拘留审批表",),
    closing=_noticed("东检纠〔样例〕5号", "已制发纠正违法通知书 notice was given"),
)
CUSTODY_LEAD = LeadStory(  # of the procuratorate above: that of the district should have asked in time
    model_id="custody-change-not-served",
    key={
        "case_id": CUSTODY_OF_A_PERSON.case_id,
        "deadline_id": f"custody_change/{person_id(KEPT_PERSON)}/6",  # begun by the acceptance
    },
    department="刑事执行检察部 department for the execution of sentences",
    answering="prosecutor",
    answer="换押手续已办结 asked for and served; the time in custody is counted right again",
    material="换押证回执",
    finding="看守所登记已更正 the register of the detention house has it",
    looked_at=("看守所登记",),
    closing={"outcome": "no_further_action", "summary": "送达后消除 cleared by service"},
    assigning="prosecutor-chief-city",
    working="prosecutor-city",
)
JUDGMENT_LEAD = LeadStory(
    model_id="judgment-silent",
    key={"case_id": MONEY_AND_A_CAR.case_id, "item_id": goods("proceeds")},
    department="第四检察部 fourth department",
    answering="court",
    answer="判决附表漏列 the annex of the judgment leaves it out",
    material="判决附表",
    finding="判决、裁定均未处理 neither the judgment nor a ruling speaks of it",
    looked_at=("判决书", "判决附表"),
    closing=_noticed("东检纠〔样例〕7号", "法院补充裁定 the court supplements its judgment"),
)
