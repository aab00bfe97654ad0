"""Forms: each event that prints, as each document that it prints as, with what that document is for."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest

from ledger.core.errors import NotFound
from ledger.core.events import EVENT_TYPES, record
from ledger.core.events import case as custody_change
from ledger.core.events.case import DecisionRecorded
from ledger.core.events.item import ItemDisposalProposed, Seizure
from ledger.core.events.terms import Money
from ledger.interchange.papers.forms import FORMS, PaperForm, form_of
from ledger.interchange.papers.lists import LISTS
from ledger.interchange.papers.paper_text import PaperLanguage
from ledger.interchange.papers.sheet import FactsBlock, ProseBlock, StampsBlock
from ledger.interchange.papers.typeset import typeset
from tests.testkit.builders import DETENTION, POLICE, PROCURATORATE, START, clerk, instant, section
from tests.testkit.casework import Case, detained, dispose, got, kept, person_id, proposed, stays
from tests.unit.interchange.printing import sheet_of
from tests.unit.interchange.test_typeset import text_of

OFFICERS = tuple(f"p-{number}" for number in range(7))
SEIZED = Seizure(
    document_number="扣〔2026〕19号", seized_at=instant(START - 60), officers=OFFICERS, holder=person_id("li")
)
FROM_LI = f"持有人{person_id('li')}"


def offer() -> Case:
    case = Case().open().name("li").register("phone", seal_number="S-42", seizure=SEIZED)
    case.register("vol", kind="dossier").register("cash", kind="property", money=Money(fen=1234500, currency="CNY"))
    return case.offer("phone", "vol", stays("cash"), to=PROCURATORATE, persons=("li",))


def accepted() -> Case:
    received = (got("phone", seal_number="S-42", seal_state="broken", digests=("sha256:" + "5a" * 32,)),)
    return offer().accept(received=received, not_accepted=(kept("vol", "binding_defective"),))


def seizure() -> Case:
    return Case().open().register("phone", seizure=SEIZED).register("image", kind="electronic_data", seizure=SEIZED)


def custody_asked() -> Case:
    case = detained("li").offer(to=PROCURATORATE, persons=("li",)).accept()
    return case.say(
        custody_change.CustodyChangeRequested,
        clerk(PROCURATORATE),
        custody_change_id="custody-1",
        handover_id=next(iter(case.state.handovers)),
        person_id=person_id("li"),
        detention_house=DETENTION,
        number="东检换〔2026〕3号",
    )


def custody_served() -> Case:
    case = custody_asked()
    served = {"custody_change_id": "custody-1", "served_at": instant(case.now)}
    return case.say(custody_change.CustodyChangeServed, clerk(DETENTION), **served)


def decision(**fields: object) -> Case:
    case = detained("li")
    decided = {"decision_id": "d-1", "kind": "arrest_approved", "number": "东检捕〔2026〕12号"}
    return case.say(DecisionRecorded, decided_at=instant(case.now), person_ids=(person_id("li"),), **decided | fields)


def disclosed() -> Case:
    case = Case().open().register("image", kind="electronic_data")
    given = {"item_ids": ("image",), "digests": ("sha256:" + "5a" * 32,), "withheld": ("person:1",)}
    return case.say(record.DisclosureMade, recipient="辩护律师 张某", **given)


MADE: dict[tuple[str, str], Callable[[], Case]] = {
    ("handover.offered", "transfer_list"): offer,
    ("handover.accepted", "acceptance_receipt"): accepted,
    ("handover.refused", "refusal_notice"): lambda: offer().refuse(explanation="第二册散页"),
    ("handover.returned", "return_notice"): lambda: accepted().give_back("phone", remedy="supplement"),
    ("custody_change.requested", "custody_change_certificate"): custody_asked,
    ("custody_change.served", "custody_change_certificate"): custody_served,
    ("custody_change.served", "service_receipt"): custody_served,
    ("decision.recorded", "service_receipt"): lambda: decision(served_at=instant(START + 600)),
    ("disclosure.made", "service_receipt"): disclosed,
    ("item.registered", "seizure_list"): seizure,
    ("item.disposal_proposed", "disposal_list"): lambda: proposed("coat", recipient="被害人王某"),
    ("item.disposed", "disposal_list"): lambda: dispose(proposed("coat")),
}
TOLD: dict[tuple[str, str], tuple[str, ...]] = {
    ("handover.offered", "transfer_list"): ("移送清单", "S-42", "3卷412页", "12345.00", "仅移交责任", "东区人民检察院"),
    ("handover.accepted", "acceptance_receipt"): ("接收回执", "未接收", "装订不合格", "破损", "5a5a", "差异"),
    ("handover.refused", "refusal_notice"): ("不予接收通知书", "装订不合格", "重新装订", "第二册散页"),
    ("handover.returned", "return_notice"): ("退回通知书", "材料不全", "补送", "退回补充侦查"),
    ("custody_change.requested", "custody_change_certificate"): ("换押证", "东检换〔2026〕3号", "东区看守所", "拘留"),
    ("custody_change.served", "custody_change_certificate"): ("换押证", "东区看守所", "送达、办理时间"),
    ("custody_change.served", "service_receipt"): ("送达回证", "送达人签名", "拒收事由及日期"),
    ("decision.recorded", "service_receipt"): ("送达回证", "批准逮捕", "东检捕〔2026〕12号", "见证人签名"),
    ("disclosure.made", "service_receipt"): ("送达回证", "辩护律师张某", "person:1", "5a5a"),
    ("item.registered", "seizure_list"): ("扣押清单", "扣〔2026〕19号", "p-6", "writeblocker", "sha256:", FROM_LI),
    ("item.disposal_proposed", "disposal_list"): ("涉案财物处置清单", "第一签", "销毁", "被害人王某"),
    ("item.disposed", "disposal_list"): ("涉案财物处置清单", "经第二签批准", "销毁"),
}


def test_every_form_is_tried() -> None:
    """The table has no document that no test prints, of event types and lists that exist."""
    assert {(form.event_type, form.document) for form in FORMS} == set(MADE) == set(TOLD)
    assert {form.event_type for form in FORMS} <= set(EVENT_TYPES)
    assert {part for form in FORMS for part in form.parts} == set(LISTS)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.event_type}-{form.document}")
def test_a_form_prints_what_it_is_for(form: PaperForm) -> None:
    """Title, what the document is to tell, and room for a seal; in every choice of languages."""
    key = form.event_type, form.document
    case = MADE[key]()
    text = "".join(text_of(typeset(sheet_of(case, kind=form.document))).split())
    for words in TOLD[key]:
        assert words in text, words
    assert "盖章处" in text
    assert "None" not in text
    for language in get_args(PaperLanguage):
        assert sheet_of(case, language, kind=form.document).title


def test_a_paper_that_was_not_served_has_no_receipt() -> None:
    """What the form needs must be stated: a decision without service, an item that nobody seized."""
    with pytest.raises(NotFound) as caught:
        form_of(decision().last.payload)
    assert caught.value.code == "no_paper"
    with pytest.raises(NotFound):
        form_of(Case().open().register("phone").last.payload)


def test_the_first_document_of_an_event_is_printed_unless_another_is_asked_for() -> None:
    """In the order of the table."""
    assert form_of(custody_served().last.payload).document == "custody_change_certificate"
    assert form_of(custody_served().last.payload, "service_receipt").by_hand


def test_a_proposal_says_what_it_proposes_with_ground_and_recipient() -> None:
    """All its items."""
    case = Case().open().register("coat", "hat", kind="property")
    given = {"item_ids": ("coat", "hat"), "disposal": "sold_early", "ground": "易腐烂变质"}
    text = str(sheet_of(case.say(ItemDisposalProposed, **given)))
    for words in ("the coat", "the hat", "先行变卖", "易腐烂变质"):
        assert words in text, words


# -- what is confidential ----------------------------------------------------------------------------------------------


def confidential() -> Case:
    case = Case().open(clerk(POLICE)).register("phone")
    return case.offer(
        "phone", to=PROCURATORATE, sections={"note": section("note", said="机密"), "gone": section("gone")}
    )


def blocks_of(**sections: object) -> str:
    sheet = sheet_of(confidential(), **sections)  # type: ignore[arg-type]
    blocks = [b for b in sheet.blocks if isinstance(b, FactsBlock | ProseBlock)]
    return str(blocks)


def test_confidential_sections_are_printed_for_readers_of_them_alone() -> None:
    """Field by field; an erased one is said to be erased; and others are told that there are some."""
    shown = blocks_of(sections={"note": section("note", said="机密"), "gone": None})
    assert "机密" in shown
    assert "该部分已依法删除" in shown
    hidden = blocks_of()
    assert "机密" not in hidden
    assert "另有保密部分未印出：gone, note" in hidden


def test_whoever_seals_stands_on_the_paper() -> None:
    """Sender and receiver of an offer; holder and witness of a seizure sign by hand."""
    (stamps,) = [block for block in sheet_of(offer()).blocks if isinstance(block, StampsBlock)]
    assert [stamp.party for stamp in stamps.stamps] == [("东区公安局",), ("东区人民检察院",)]
    (stamps,) = [block for block in sheet_of(seizure()).blocks if isinstance(block, StampsBlock)]
    assert [stamp.party for stamp in stamps.stamps] == [("东区公安局",), ("持有人",), ("见证人",)]
