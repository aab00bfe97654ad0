"""Stories 4, 5, 6 and 9: a third return, a detention without a ground, a custody change not served, a remand."""

from __future__ import annotations

from typing import Any

from ledger.core.events import case, item
from ledger.core.events.supervision import LeadAnswered, LeadAssigned, LeadClosed, LeadConfirmed
from ledger.samples.case_telling import CaseTelling, digest
from ledger.samples.deliveries import taken_in
from ledger.samples.telling import Teller

THIRD, BAILED, KEPT, REMANDED = (
    "sample-04-third-return",
    "sample-05-detained-then-bailed",
    "sample-06-custody-of-a-person",
    "sample-09-appeal-and-remand",
)
SUSPECT = "样例戊 a suspect"
PAIR = ("样例己 a suspect", "样例庚 another suspect")
KEPT_PERSON = "样例辛 a suspect in custody"
DEFENDANT = "样例壬 a defendant"


def third_return(teller: Teller) -> None:
    """Two returns are lawful, the third is recorded."""
    dossier = f"{THIRD}-dossier"
    told = (
        CaseTelling(teller, THIRD, days_ago=140).open("东公刑立字〔样例〕4号", "合同诈骗 contract fraud").name(SUSPECT)
    )
    told.register(dossier, "侦查卷宗 file", "dossier", dossier=item.Dossier(volumes=4, pages=530))
    for number, (received, returned) in enumerate(((1, 26), (54, 79), (107, 130)), 1):
        follows = {"follows": f"handover-{2 * number - 2}"} if number > 1 else {}
        told.on(received)
        told.offer("procuratorate-east", "prosecution_review", dossier, persons=(SUSPECT,), **follows).accept()
        told.on(returned).give_back(
            f"handover-{2 * number - 1}",
            dossier,
            persons=(SUSPECT,),
            remedy="supplement",
            explanation="账目往来未查清 the accounts are not cleared up",
        ).accept()


def third_return_supervised(teller: Teller) -> None:
    """The lead on it goes all the way to a rectification notice."""
    lead = teller.lead("third-return", case_id=THIRD, handover_id="handover-6")
    lead.say("prosecutor-chief", LeadAssigned(handler="j-0021", department="第二检察部 second department"))
    answer = "两次补充侦查均未查清银行流水，现已调取 the bank's records are here only now"
    lead.say("police", LeadAnswered(answer=answer, digests=(digest("退补提纲及补查报告"),)))
    found = "三次退补提纲相同，补查不到位 the three lists of what was missing are the same"
    lead.say("prosecutor", LeadConfirmed(finding=found, digests=(digest("三次退补提纲"), digest("补查重报卷"))))
    summary = "已制发纠正违法通知书 notice was given"
    lead.say(
        "prosecutor",
        LeadClosed(outcome="rectification_notice", document_number="东检纠〔样例〕4号", summary=summary),
    )


def detained_then_bailed(teller: Teller) -> None:
    """Thirty days without a ground, arrest refused on the seventh day, bail, and bail anew; the lead is answered."""
    one, other = PAIR
    told = CaseTelling(teller, BAILED, days_ago=80).open("东公刑立字〔样例〕5号", "寻衅滋事 affray").name(*PAIR)
    for number, name in enumerate(PAIR, 1):
        told.impose(f"detention-{number}", name, "detention", "现场抓获 caught in the act")
    taken_in(told, *PAIR)
    told.assign("刑侦一队 first squad").on(2)
    until: dict[str, Any] = {"until": told.last_day(30), "article": "CPL 91", "ground": "案情复杂 more time is needed"}
    told.say("police", case.MeasureExtended(measure_id="detention-1", **until))
    told.say("police", case.MeasureExtended(measure_id="detention-2", **until, qualifying_ground="gang"))
    told.on(28).offer("procuratorate-east", "arrest_approval", persons=PAIR).accept(moves=False)
    told.on(35).decide("arrest_refused", "东检不捕〔样例〕5号", one, by="prosecutor")
    told.decide("arrest_approved", "东检批捕〔样例〕5号", other, by="prosecutor")
    told.change("detention-1", "bail-1", "bail", "不批准逮捕 arrest was refused")
    told.change("detention-2", "arrest-2", "arrest", "批准逮捕 approved")
    told.on(60).offer("procuratorate-east", "prosecution_review", persons=PAIR).accept()
    told.change_custody(other, "换5")
    told.on(62).change("bail-1", "bail-1-anew", "bail", "重新取保候审 decided anew")


def detention_supervised(teller: Teller) -> None:
    """The lead on its missing ground is answered, and waits for a finding."""
    lead = teller.lead("detention-without-ground", case_id=BAILED, measure_id="detention-1")
    lead.say("prosecutor-chief", LeadAssigned(handler="j-0021", department="第一检察部 first department"))
    answer = "审批表未填事由，已说明情况 the form's ground was left blank"
    lead.say("police", LeadAnswered(answer=answer, digests=(digest("延长拘留审批表"),)))


def custody_of_a_person(teller: Teller) -> None:
    """The case has moved on, the certificate is asked for and not served: the detention house can do it now."""
    told = CaseTelling(teller, KEPT, days_ago=40).open("东公刑立字〔样例〕6号", "抢劫 robbery").name(KEPT_PERSON)
    told.impose("arrest-1", KEPT_PERSON, "arrest", "批准逮捕 approved")
    told.on(20).offer("procuratorate-east", "prosecution_review", persons=(KEPT_PERSON,)).accept()
    told.on(38).change_custody(KEPT_PERSON, "换6", served=False)


def appeal_and_remand(teller: Teller) -> None:
    """The file goes up within three days, comes back, and the first instance begins anew."""
    dossier = f"{REMANDED}-dossier"
    told = CaseTelling(teller, REMANDED, days_ago=140)
    told.by = "prosecutor"
    told.open("东检刑诉受〔样例〕9号", "交通肇事 traffic crime", stage="prosecution_review")
    told.name(DEFENDANT, role="defendant")
    told.register(dossier, "诉讼卷宗 file", "dossier", dossier=item.Dossier(volumes=2, pages=180))
    told.on(2).offer("court-east", "public_prosecution", dossier, persons=(DEFENDANT,)).accept()
    told.on(50).decide("judgment", "（样例）东刑初9号", DEFENDANT, served_at=told.now)
    told.on(58).decide("appealed", "上诉状9号", DEFENDANT)
    told.on(60).offer("court-city", "appeal", dossier, persons=(DEFENDANT,)).on(61).accept()
    told.on(110).decide("remanded", "（样例）中刑终9号", DEFENDANT)
    told.on(111).offer("court-east", "remand", dossier, persons=(DEFENDANT,)).on(112).accept()
