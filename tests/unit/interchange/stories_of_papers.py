"""Small cases, each of which ends with an event that prints: by the event and the paper of the procedure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger.core.events import Authority, item, record
from ledger.core.events import case as events
from ledger.core.events.handover import OutlinePoint
from ledger.core.events.hold import HoldPlaced, HoldReleased
from ledger.core.events.item import Seizure
from ledger.core.events.letter import LetterReceived, LetterSent, Outsider
from ledger.core.events.retention import RetentionSet
from ledger.core.events.terms import Money
from ledger.procedures import books_that_ship
from tests.testkit.builders import (
    COURT,
    DETENTION,
    LAB,
    POLICE,
    PROCURATORATE,
    START,
    clerk,
    instant,
    section,
    supervisor,
)
from tests.testkit.casework import Case, detained, dispose, got, kept, person_id, proposed, stays

Story = Callable[[], Case]
OFFICERS = tuple(f"p-{number}" for number in range(7))
SEIZED = Seizure(
    document_number="扣〔2026〕19号",
    seized_at=instant(START - 60),
    officers=OFFICERS,
    holder=person_id("li"),
    place="东区码头3号库",
)
TOLD_APART = {"features": "银色，背面有划痕", "obtained_from": "李某住处", "exhibit_number": "物证1"}
OUTLINE = (
    OutlinePoint(text="调取银行流水", person_id=person_id("li")),
    OutlinePoint(text="查明手机来源", item_id="phone"),
)
BANK = Outsider(kind="bank", name="东区商业银行")


def seizure(item_id: str = "phone", kind: str = "exhibit", **fields: Any) -> Case:
    return Case().open().name("li").register(item_id, kind=kind, seizure=SEIZED, **fields)


def offer(**fields: Any) -> Case:
    written = detained("li").register("phone", seal_number="S-42", seizure=SEIZED, **TOLD_APART)
    written.register("vol", kind="dossier").register("image", kind="electronic_data")
    written.register("cash", kind="property", money=Money(amount=1234500, currency="CNY"))
    fields = {"number": "东公移〔2026〕8号"} | fields
    return written.offer("phone", "vol", "image", stays("cash"), to=PROCURATORATE, persons=("li",), **fields)


def arrest_asked() -> Case:
    written = detained("li").register("vol", kind="dossier")
    fields: dict[str, Any] = {"purpose": "arrest_approval", "number": "东公移〔2026〕8号"}
    return written.offer("vol", to=PROCURATORATE, persons=("li",), **fields)


def accepted() -> Case:
    phone = got("phone", seal_number="S-42", seal_state="broken", digests=("sha256:" + "5a" * 32,))
    less = got("cash", "mismatch", money=Money(amount=1234400, currency="CNY"))
    return offer().accept(received=(phone, less), not_accepted=(kept("vol", "binding_defective"),))


def sent_back(purpose: str) -> Case:
    accepted_case = offer().accept()
    fields: dict[str, Any] = {} if purpose == "return" else {"outline": OUTLINE, "reason_code": "facts_unclear"}
    return accepted_case.give_back("phone", persons=("li",), purpose=purpose, remedy="supplement", **fields)


def custody_asked() -> Case:
    case = detained("li").offer(to=PROCURATORATE, persons=("li",)).accept()
    return case.say(
        events.CustodyChangeRequested,
        clerk(PROCURATORATE),
        custody_change_id="custody-1",
        handover_id=next(iter(case.state.handovers)),
        person_id=person_id("li"),
        keeper=DETENTION,
        number="东检换〔2026〕3号",
        period_from="2026-03-02",
        until="2026-04-01",
        article="CPL 172",
    )


def custody_served() -> Case:
    case = custody_asked()
    served = {"custody_change_id": "custody-1", "served_at": instant(case.now)}
    return case.say(events.CustodyChangeServed, clerk(DETENTION), **served)


def period_notified() -> Case:
    case = detained("li")
    fields = {"keeper": DETENTION, "until": "2026-05-01", "number": "东公变〔2026〕5号", "article": "CPL 156"}
    return case.say(events.CustodyPeriodNotified, measure_id=next(iter(case.state.measures)), **fields)


def decision(**fields: object) -> Case:
    case = detained("li")
    decided = {"decision_id": "d-1", "kind": "arrest_approved", "number": "东检捕〔2026〕12号"}
    people = (person_id("li"),)
    return case.say(events.DecisionRecorded, decided_at=instant(case.now), person_ids=people, **decided | fields)


def disclosed() -> Case:
    case = Case().open().register("image", kind="electronic_data")
    fields = {"item_ids": ("image",), "digests": ("sha256:" + "5a" * 32,), "withheld": ("person:1",)}
    return case.say(record.DisclosureMade, recipient="辩护律师 张某", **fields)


def letter(kind: str, *, by: str = POLICE, case: Case | None = None, **fields: Any) -> Case:
    written = case or Case().open().name("li").register("phone", **TOLD_APART)
    fields = {"letter_id": "letter-1", "kind": kind, "number": "东函〔2026〕2号", "sent_at": written.moment} | fields
    return written.say(LetterSent, clerk(by), **fields)


def decision_served() -> Case:
    return letter("paper_served", case=decision(), to_person=person_id("li"), serves="d-1")


def letter_received() -> Case:
    case = decision_served()
    return case.say(LetterReceived, letter_id="letter-1", received_at=case.moment, service="direct")


def to_police(kind: str, **fields: Any) -> Case:
    return letter(kind, by=PROCURATORATE, case=offer().accept(), to_agency=POLICE, **fields)


def frozen() -> Case:
    case = Case().open().register("account", kind="account_funds", account="6222 0001", **TOLD_APART)
    return case.say(item.ItemFrozen, item_id="account", frozen_until="2026-08-31", number="东公冻〔2026〕4号")


def frozen_data() -> Case:
    case = Case().open().register("account", kind="data_at_provider", account="user-17", **TOLD_APART)
    return case.say(item.ItemFrozen, item_id="account", frozen_until="2026-08-31", number="东公冻〔2026〕5号")


def renewed(case: Case) -> Case:
    return case.say(item.ItemFreezeRenewed, item_id="account", frozen_until="2027-02-28", number="东公冻〔2026〕6号")


def unfrozen(case: Case) -> Case:
    return case.say(item.ItemUnfrozen, item_id="account", unfrozen_at=case.moment, ground="与案件无关")


def lifted(name: str = "detention") -> Case:
    case = Case().open().name("li").impose("li", name)
    measure_id = next(iter(case.state.measures))
    return case.say(events.MeasureLifted, measure_id=measure_id, ended_at=case.moment, ground="不应当拘留")


def measured(name: str) -> Case:
    return Case().open().name("li").impose("li", name, number="东公字〔2026〕6号", until="2026-03-30")


def detained_by_procuratorate() -> Case:
    opened = Case().open(by=clerk(PROCURATORATE)).name("li", by=clerk(PROCURATORATE))
    return opened.impose("li", "detention", by=clerk(PROCURATORATE))


def changed(name: str) -> Case:
    return detained("li").change("detention", name, "li", number="东公字〔2026〕7号")


def disposed(disposal: str) -> Case:
    return dispose(proposed("coat", disposal=disposal, recipient="被害人王某"))


DIGEST = f"sha256:{'ab' * 32}"
SIGNED = ("H-9", f"{POLICE}-c1", f"{POLICE}-s", "courtorder")
DESTROYED = (*SIGNED, DIGEST)
ERASED = (*SIGNED, "narrative", "blake3:")


def held(written: Case) -> Case:
    """Place a hold on the case and release it."""
    written.say(HoldPlaced, supervisor(POLICE), hold_id="hold-9", kind="legal_hold", number="H-9", scope="case")
    return written.say(HoldReleased, supervisor(POLICE), hold_id="hold-9")


ORDER = Authority(authorization_type="court order", authorization_identifier="12")


def destroyed(written: Case, item_id: str = "phone") -> Case:
    """Destroy a thing that was held once, and kept until a day."""
    held(written).say(RetentionSet, supervisor(POLICE), until="2026-03-02", item_ids=(item_id,))
    proposal = {"item_ids": (item_id,), "disposal": "destroyed", "ground": "kept long enough"}
    written.say(item.ItemDisposalProposed, clerk(POLICE), **proposal)
    return dispose(written, supervisor(POLICE), authority=ORDER)


def erased(written: Case) -> Case:
    """Erase a section of a closed case that was held once, on the order of a court."""
    event = written.say(item.ItemExamined, clerk(POLICE), item_id="phone", sections={"narrative": section()}).last.event
    held(written).say(events.CaseClosed, ground="over")
    order = {"erased_for": "court_order", "authority": ORDER}
    return written.erase(event.ref, "narrative", supervisor(POLICE), **order)


RECTIFIED = {
    "violation_by": "东区公安局",
    "violation_found": "讯问未同步录音录像",
    "violation_grounds": "违反刑事诉讼法第123条",
    "rectification_opinion": "补正或者作出说明",
}
CN_CRIMINAL: dict[tuple[str, str], tuple[Story, tuple[str, ...]]] = {
    ("handover.offered", "arrest_request"): (
        arrest_asked,
        ("提请批准逮捕书", "刑事诉讼法第87条", "刑事拘留", "涉嫌theft一案", "东公移〔2026〕8号"),
    ),
    ("handover.offered", "prosecution_opinion"): (
        offer,
        ("起诉意见书", "东区人民检察院", "移送审查起诉", "犯罪嫌疑人"),
    ),
    ("handover.offered", "dossier_list"): (offer, ("案卷材料移送清单", "共3卷412页", "移送单位")),
    ("handover.offered", "exhibit_list"): (
        offer,
        ("证据移送清单", "银色，背面有划痕", "李某住处", "S-42", "物证1", "sha256:"),
    ),
    ("handover.offered", "property_list"): (offer, ("涉案财物移交清单", "12345.00CNY", "仅移交保管责任", "保管人员")),
    ("handover.accepted", "acceptance_receipt"): (
        accepted,
        ("接收回执", "不予接收", "案卷装订不符合", "破损", "5a5a", "12345.00CNY", "12344.00CNY", "差异", "收案时间"),
    ),
    ("handover.refused", "refusal_notice"): (
        lambda: offer().refuse(explanation="第二册散页"),
        ("不予接收通知书", "案卷装订不符合要求", "重新装订", "第二册散页", "东公移〔2026〕8号"),
    ),
    ("handover.returned", "return_notice"): (
        lambda: sent_back("return"),
        ("退回通知书", "移送审查起诉", "补送材料", "thephone"),
    ),
    ("handover.returned", "supplementary_investigation_decision"): (
        lambda: sent_back("supplementary_investigation"),
        (
            "补充侦查决定书",
            "犯罪事实不清",
            "补充侦查提纲",
            "调取银行流水",
            "thephone（phone）：查明手机来源",
            "退回你单位补充侦查",
            "刑事诉讼法第175条",
        ),
    ),
    ("handover.returned", "supplementary_inquiry_decision"): (
        lambda: sent_back("supplementary_inquiry"),
        ("补充调查决定书", "退回你单位补充调查", "补充调查提纲", "调取银行流水", "刑事诉讼法第170条"),
    ),
    ("custody_change.requested", "custody_change_certificate"): (
        custody_asked,
        (
            *("换押证", "东检换〔2026〕3号", "东区看守所", "刑事拘留", "第一联", "第二联", "第三联", "回执"),
            *("原办案机关", "东区公安局", "2026年4月1日", "刑事诉讼法第172条", "96号通知"),
        ),
    ),
    ("custody_change.served", "custody_change_receipt"): (
        custody_served,
        ("换押回执", "东区看守所", "办理时间", "东检换〔2026〕3号", "2026年4月1日"),
    ),
    ("custody_change.served", "service_receipt"): (
        custody_served,
        ("送达回证", "送达机关东区人民检察院", "受送达人东区看守所", "送达人签名", "拒收事由及日期"),
    ),
    ("custody_period.notified", "custody_period_notice"): (
        period_notified,
        ("变更羁押期限通知书", "2026年5月1日", "刑事诉讼法第156条", "东公变〔2026〕5号", "第三联"),
    ),
    ("measure.imposed", "detention_warrant"): (lambda: measured("detention"), ("拘留证", "存根", "东公字〔2026〕6号")),
    ("measure.imposed", "detention_decision"): (detained_by_procuratorate, ("拘留决定书", "由公安机关执行")),
    ("measure.imposed", "arrest_warrant"): (lambda: measured("arrest"), ("逮捕证", "刑事诉讼法第93条")),
    ("measure.changed", "arrest_warrant"): (lambda: changed("arrest"), ("逮捕证", "东公字〔2026〕7号")),
    ("measure.imposed", "bail_decision"): (lambda: measured("bail"), ("取保候审决定书", "2026年3月30日")),
    ("measure.changed", "bail_decision"): (lambda: changed("bail"), ("取保候审决定书", "刑事诉讼法第67条")),
    ("measure.imposed", "surveillance_decision"): (
        lambda: measured("residential_surveillance"),
        ("监视居住决定书", "刑事诉讼法第74条"),
    ),
    ("measure.lifted", "release_notice"): (lifted, ("释放通知书", "不应当拘留")),
    ("measure.changed", "release_notice"): (
        lambda: changed("bail"),
        ("释放通知书", "原强制措施刑事拘留", "现变更为取保候审"),
    ),
    ("letter.sent", "service_receipt"): (decision_served, ("送达回证", "批准逮捕（东检捕〔2026〕12号）", "受送达人")),
    ("letter.received", "service_receipt"): (
        letter_received,
        ("送达回证", "送达机关东区公安局", "直接送达", "送达法律文书"),
    ),
    ("handover.offered", "service_receipt"): (
        offer,
        ("送达回证", "送达机关东区公安局", "受送达人东区人民检察院", "东公移〔2026〕8号"),
    ),
    ("handover.returned", "service_receipt"): (
        lambda: sent_back("return"),
        ("送达回证", "送达机关东区人民检察院", "受送达人东区公安局"),
    ),
    ("handover.refused", "service_receipt"): (
        lambda: offer().refuse(),
        ("送达回证", "送达机关东区人民检察院", "受送达人东区公安局"),
    ),
    ("custody_period.notified", "service_receipt"): (
        period_notified,
        ("送达回证", "受送达人东区看守所", "东公变〔2026〕5号"),
    ),
    ("decision.recorded", "service_receipt"): (
        lambda: decision(served_at=instant(START)),
        ("送达回证", "送达文书批准逮捕", "东检捕〔2026〕12号", "送达时间"),
    ),
    ("disclosure.made", "service_receipt"): (disclosed, ("送达回证", "辩护律师张某", "person:1", "5a5a")),
    ("item.registered", "seizure_list"): (
        lambda: seizure(**TOLD_APART).register("image", kind="electronic_data", seizure=SEIZED),
        (
            *("扣押清单", "扣〔2026〕19号", "p-6", "writeblocker", "sha256:", "东区码头3号库", "银色，背面有划痕"),
            *("交持有人", "交保管人员", "附卷", "李某住处"),
        ),
    ),
    ("item.registered", "sealing_list"): (
        lambda: seizure("house", "real_estate", storage_location="东区河街1号"),
        ("查封清单", "查封时间", "东区河街1号"),
    ),
    ("item.registered", "electronic_data_list"): (
        lambda: Case().open().register("image", kind="electronic_data"),
        ("电子数据提取固定清单", "collector-1", "sha256:"),
    ),
    ("item.registered", "evidence_list"): (
        lambda: Case().open().register("statement", **TOLD_APART),
        ("调取证据清单", "李某住处", "刑事诉讼法第54条"),
    ),
    ("letter.sent", "evidence_request"): (
        lambda: letter("evidence_request", to_outside=BANK, content="2025年全年交易流水", item_ids=("phone",)),
        ("调取证据通知书", "东区商业银行", "2025年全年交易流水", "存根", "回执"),
    ),
    ("item.frozen", "freeze_notice"): (
        frozen,
        ("协助冻结财产通知书", "2026年8月31日", "东公冻〔2026〕4号", "62220001"),
    ),
    ("item.unfrozen", "unfreeze_notice"): (
        lambda: unfrozen(frozen()),
        ("协助解除冻结财产通知书", "与案件无关", "62220001"),
    ),
    ("item.freeze_renewed", "freeze_renewal_notice"): (
        lambda: renewed(frozen()),
        ("协助继续冻结财产通知书", "2027年2月28日", "62220001"),
    ),
    ("item.frozen", "data_freeze_notice"): (
        frozen_data,
        ("协助冻结电子数据通知书", "2026年8月31日", "user-17", "第12条"),
    ),
    ("item.freeze_renewed", "data_freeze_renewal_notice"): (
        lambda: renewed(frozen_data()),
        ("协助继续冻结电子数据通知书", "2027年2月28日", "user-17"),
    ),
    ("item.unfrozen", "data_unfreeze_notice"): (
        lambda: unfrozen(frozen_data()),
        ("解除冻结电子数据通知书", "与案件无关", "user-17"),
    ),
    ("item.disposal_proposed", "disposal_proposal"): (
        lambda: proposed("coat", recipient="被害人王某"),
        ("涉案财物处理审批表", "第一签", "销毁", "被害人王某"),
    ),
    ("item.disposed", "give_back_list"): (
        lambda: disposed("returned_to_victim"),
        ("发还清单", "返还被害人", "被害人王某", "交领取人"),
    ),
    ("item.disposed", "disposal_list"): (lambda: disposed("forfeited"), ("涉案财物处理清单", "经第二签批准", "没收")),
    ("item.disposed", "destruction_list"): (
        lambda: destroyed(detained("li").register("coat", "phone", digests=(DIGEST,))),
        ("销毁清单", *DESTROYED, "监销人签名", "物品保管至指定日期", "2026年3月2日"),
    ),
    ("section.erased", "erasure_record"): (
        lambda: erased(detained("li").register("coat", "phone")),
        ("保密信息删除记录", *ERASED, "人民法院生效裁判", "已结案件材料保管期限"),
    ),
    ("letter.sent", "rectification_notice"): (
        lambda: to_police("rectification_notice", particulars=RECTIFIED),
        (
            *("纠正违法通知书", "东区公安局：", "违法的单位（人员）东区公安局", "发现的违法情况讯问未同步录音录像"),
            *("认定违法的理由和法律依据违反刑事诉讼法第123条", "纠正意见补正或者作出说明", "规则第552条"),
        ),
    ),
    ("letter.sent", "refusal_reasons_required"): (
        lambda: to_police("refusal_reasons_required"),
        ("要求说明不立案理由通知书", "刑事诉讼法第113条", "说明不立案的理由"),
    ),
    ("letter.sent", "filing_reasons_required"): (
        lambda: to_police("filing_reasons_required"),
        ("要求说明立案理由通知书", "规则第559条", "说明立案的理由"),
    ),
    ("letter.sent", "filing_notice"): (lambda: to_police("filing_notice"), ("通知立案书", "通知你单位立案")),
    ("letter.sent", "withdrawal_notice"): (lambda: to_police("withdrawal_notice"), ("通知撤销案件书", "撤销案件")),
}


def room(*, kind: str = "digital_device", **fields: Any) -> Case:
    """Return a case of the evidence room, with a telephone that was collected."""
    opened = Case(book=books_that_ship()["evidence"]).open(business_line="evidence", stage="open", procedure="evidence")
    seized = Seizure(document_number="C-1", seized_at=instant(START - 60), officers=("p-1", "p-2"), place="dock 3")
    return opened.register("phone", kind=kind, seizure=seized, features="serial 77", **fields)


def examined() -> Case:
    return room().say(item.ItemExamined, item_id="phone", method="image", match_result="match", finding="no data")


def sealed() -> Case:
    return room().say(item.ItemSealed, item_id="phone", seal_number="S-9")


def room_disposed() -> Case:
    proposal = room().say(item.ItemDisposalProposed, item_ids=("phone",), disposal="returned_to_owner", ground="done")
    return dispose(proposal, supervisor(POLICE))


def from_room(**fields: Any) -> Case:
    return room(**fields).offer("phone", to=LAB, purpose="examination")


def refused_by_lab() -> Case:
    return from_room().refuse(reason_code="seal_broken", remedy="repack", explanation="torn")


def back_from_lab() -> Case:
    return from_room().accept().give_back("phone", purpose="return", reason_code="finished", explanation="done")


EVIDENCE: dict[tuple[str, str], tuple[Story, tuple[str, ...]]] = {
    ("item.registered", "chain_of_custody"): (room, ("证据保管链登记表", "serial77", "dock3", "保管经过", "登记")),
    ("handover.offered", "transfer_list"): (from_room, ("移交清单", "送检", "serial77")),
    ("handover.accepted", "receipt"): (lambda: from_room().accept(), ("接收回执", "已接收")),
    ("handover.refused", "refusal"): (refused_by_lab, ("不予接收通知", "封条破损", "torn")),
    ("handover.returned", "return_list"): (back_from_lab, ("退还清单", "使用完毕归还", "送检")),
    ("item.sealed", "seal_record"): (sealed, ("封装记录", "S-9")),
    ("item.unsealed", "seal_record"): (
        lambda: sealed().say(item.ItemUnsealed, item_id="phone", seal_number="S-9", ground="to examine it"),
        ("启封记录", "toexamineit"),
    ),
    ("item.examined", "examination_record"): (examined, ("检验记录", "nodata", "image")),
    ("item.disposed", "disposal_record"): (room_disposed, ("发还、处置记录", "返还权利人")),
    ("item.disposed", "destruction_record"): (lambda: destroyed(room(digests=(DIGEST,))), ("销毁记录", *DESTROYED)),
    ("section.erased", "erasure_record"): (lambda: erased(room()), ("保密信息删除记录", *ERASED)),
}


def force() -> Case:
    """Return a case of a police force of England, with an exhibit that was seized."""
    opened = Case(book=books_that_ship()["ew-criminal"])
    opened.open(business_line="criminal", stage="investigation", procedure="ew-criminal").name("li")
    seized = Seizure(document_number="EX-1", seized_at=instant(START - 60), officers=("pc-1", "pc-2"), place="dock 3")
    return opened.register("phone", kind="digital_device", seizure=seized, features="serial 77")


def submitted(purpose: str, *, to: str = LAB) -> Case:
    return force().offer("phone", to=to, purpose=purpose, persons=("li",))


def given_back(purpose: str, reason: str) -> Case:
    sent = submitted("charging_advice", to=PROCURATORATE).accept()
    return sent.give_back("phone", purpose=purpose, reason_code=reason, explanation="find the receipt")


def force_disposed() -> Case:
    proposal = force().say(
        item.ItemDisposalProposed, item_ids=("phone",), disposal="returned_to_owner", ground="no longer needed"
    )
    return dispose(proposal, supervisor(POLICE))


EW_CRIMINAL: dict[tuple[str, str], tuple[Story, tuple[str, ...]]] = {
    ("handover.offered", "file_front_sheet"): (
        lambda: submitted("charging_advice", to=PROCURATORATE),
        ("Filefrontsheet", "chargingdecision", "thephone"),
    ),
    ("handover.offered", "laboratory_submission"): (
        lambda: submitted("forensic_submission"),
        ("Submissionforscientificexamination", "serial77", "Continuitysofar"),
    ),
    ("handover.offered", "movement_list"): (
        lambda: submitted("court_production", to=COURT),
        ("Movementofexhibits", "productionatcourt"),
    ),
    ("handover.accepted", "receipt"): (lambda: submitted("exhibit_transfer").accept(), ("Receipt", "已接收")),
    ("handover.refused", "refusal"): (
        lambda: submitted("exhibit_transfer").refuse(reason_code="seal_broken", remedy="reseal", explanation="torn"),
        ("notaccepted", "sealandlabelagain"),
    ),
    ("handover.returned", "action_plan"): (
        lambda: given_back("action_plan", "action_plan"),
        ("Actionplan", "findthereceipt"),
    ),
    ("handover.returned", "return_note"): (
        lambda: given_back("return", "examined"),
        ("Returnnote", "chargingdecision"),
    ),
    ("item.registered", "seizure_record"): (force, ("Recordofwhatwasseized", "PACEs.21", "dock3", "serial77")),
    ("measure.imposed", "bail_notice"): (
        lambda: force().impose("li", "pre_charge_bail", until="2026-05-01"),
        ("Noticeofbail", "PACEs.47"),
    ),
    ("item.disposed", "property_record"): (force_disposed, ("Recordofproperty", "returnedtoowner")),
    ("item.disposed", "destruction_record"): (
        lambda: destroyed(force().register("disk", kind="digital_device", digests=(DIGEST,)), "disk"),
        ("Recordofdestruction", *DESTROYED),
    ),
    ("section.erased", "erasure_record"): (lambda: erased(force()), ("Recordoftheerasure", *ERASED)),
}
STORIES = {"cn-criminal": CN_CRIMINAL, "evidence": EVIDENCE, "ew-criminal": EW_CRIMINAL}
