"""Items registered as a table: pasted, opened, with photographs; signed at once, and labelled."""

from __future__ import annotations

import io
import json
from hashlib import sha256
from pathlib import Path

import zxingcpp
from openpyxl import Workbook, load_workbook
from playwright.sync_api import Page, expect

from ledger.core.custody import CaseState
from ledger.i18n import Labels
from ledger.interchange.papers.labels import label_sheet, print_labels
from ledger.recording.event_signing import MAX_ACTS
from tests.api.console.desk import Office, barriers, drop
from tests.api.console.test_together import COUNT_CLICKS, clicks
from tests.testkit.builders import POLICE, PROCURATORATE, clerk
from tests.testkit.camera import pages_of
from tests.testkit.casework import Case

BLOCK = "序号\t物品名称\t数量（件）\t物证编号\t封条编号\n" + "\n".join(
    f"{number}\t手机{number}\t1部\tE-{number}\tF-{number}" for number in range(1, 21)
)
PHOTOGRAPHS = {f"e-{number}_front__jpg": b"photograph %d" % number for number in range(1, 31)}
LIST = ("名称", "数量", "单位", "物证编号", "照片")
CELL = '[name="new:{}:{}"]'


def listed(*rows: tuple[object, ...], headings: tuple[str, ...] = LIST) -> dict[str, object]:
    """Return a workbook as a browser is given it."""
    book = Workbook()
    for row in (headings, *rows):
        book.active.append(row)
    file = io.BytesIO()
    book.save(file)
    return {"name": "list.xlsx", "mimeType": "application/octet-stream", "buffer": file.getvalue()}


def paste(page: Page, cell: str, text: str) -> None:
    """Paste a text into a cell, as a spreadsheet puts it on the clipboard."""
    page.locator(cell).focus()
    page.locator(cell).evaluate(
        """(field, text) => {
          const clipboardData = new DataTransfer();
          clipboardData.setData("text/plain", text);
          field.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
        }""",
        text,
    )


def codes_of(state: CaseState) -> list[str]:
    """Return what a scanner reads on the labels of a case, on the roll, where each has a page."""
    sheet = label_sheet(state, "A-2026-30", Labels("en"), str, size="roll")
    return [code.text for page in pages_of(print_labels(sheet)) for code in zxingcpp.read_barcodes(page)]


def test_a_case_of_thirty_items_is_a_dozen_clicks(office: Office) -> None:
    """Twenty pasted, ten opened, a photograph each; one consent; labels whose codes the receiver's page takes."""
    desk = office.sit_down(clerk(POLICE))
    desk.context.add_init_script(COUNT_CLICKS)
    page = desk.sign_in()
    page.get_by_role("link", name="Open a case").first.click()
    page.locator("#case_number").fill("A-2026-30")
    page.locator("#case_type").fill("theft")
    paste(page, CELL.format(1, "description"), BLOCK)
    expect(page.locator(".new-item")).to_have_count(20)
    rows = [(f"刀{number}", "1", "把", f"E-{number}", f"e-{number}_front.jpg") for number in range(21, 31)]
    page.locator("[data-open]").set_input_files([listed(*rows)])  # type: ignore[list-item]
    expect(page.locator(".new-item")).to_have_count(30)
    drop(page.locator(".photographs"), **PHOTOGRAPHS, unknown__jpg=b"whose?")
    expect(page.locator(".table-outcome")).to_have_text("30 / 31 files belong to a row by their names.")
    page.get_by_label("Which row? unknown.jpg").select_option(label="Row 7 · 手机7")
    expect(page.locator(".new-item progress")).to_have_count(0)
    page.locator("#to_agency").select_option(PROCURATORATE)
    page.locator("#purpose").select_option("prosecution_review")
    page.locator("form[data-act] button:not([type])").click()
    expect(page.locator("#draft-title")).to_have_text("These 32 acts you sign together")
    desk.sign()
    assert clicks(page, desk.signer_page) <= 10
    case_id = page.url.partition("/cases/")[2].partition("?")[0]
    state = office.state(case_id)
    items = list(state.items.values())
    assert [item.description for item in items] == [f"手机{n}" for n in range(1, 21)] + [row[0] for row in rows]
    assert [item.exhibit_number for item in items] == [f"E-{number}" for number in range(1, 31)]
    assert items[29].digests[0] == f"sha256:{sha256(b'photograph 30').hexdigest()}"
    assert [len(item.digests) for item in items] == [2] * 6 + [4] + [2] * 23
    expect(page.get_by_role("heading", name="Labels for what was registered: 30")).to_be_visible()
    printed = page.request.get(f"{office.url}/console/cases/{case_id}/labels?size=a4-24&first=1&start=2")
    assert (printed.status, printed.headers["content-type"]) == (200, "application/pdf")
    codes = codes_of(state)
    assert codes == [item.item_id for item in items]
    receiver = office.at(clerk(PROCURATORATE), f"/cases/{case_id}/handovers/{next(iter(state.handovers))}").page
    receiver.locator("[data-scan]").fill(codes[4])
    receiver.keyboard.press("Enter")
    expect(receiver.locator(".lines > li.scanned")).to_contain_text("手机5")


def test_every_fault_is_shown_at_its_cell(office: Office) -> None:
    """Those of a file at once, those that only the ledger finds with the draft; a mended cell is no fault any more."""
    office.record(Case().open())
    desk = office.at(clerk(POLICE), "/cases/case-1/items/new", language="zh-CN")
    page = desk.page
    rows = [("手机", "=1+1", "件", "E-1", None), (None, "x", "斗", "E-2", None), ("卷", "0.5", "件", "E-3", None)]
    page.locator("[data-open]").set_input_files([listed(*rows)])  # type: ignore[list-item]
    faulty = page.locator(".cells [aria-invalid]")
    expect(faulty).to_have_count(4)
    expect(page.locator(".new-item").first.locator(".fault")).to_have_text("公式：请粘贴其数值")
    assert barriers(page) == []
    page.locator(CELL.format(2, "quantity")).fill("1")
    page.locator(CELL.format(3, "quantity")).fill("1")
    page.locator(CELL.format(3, "unit")).select_option("piece")
    expect(faulty).to_have_count(1)
    read = page.locator("form[data-act] button:not([type])")
    read.click()
    faults = page.locator("#draft li[data-row]")
    expect(faults).to_contain_text(["第 2 行，描述 请填写", "第 3 行，数量"])
    faults.first.get_by_role("button").click()
    expect(page.locator(CELL.format(3, "description"))).to_be_focused()
    page.keyboard.type("刀")
    page.locator(CELL.format(3, "item_kind")).select_option("dossier")
    expect(page.locator('th[data-column="dossier.volumes"]')).to_be_visible()
    read.click()
    expect(faults).to_contain_text(["第 2 行，案卷卷数、页数 · 卷数", "第 3 行，数量"])
    expect(faulty).to_have_count(2)
    page.locator(CELL.format(3, "dossier.volumes")).fill("2")
    for text, amount, unit in (("2张", "2", "loose_sheet"), ("3瓶", "3", "bottle")):  # as it stands in lists
        page.locator(CELL.format(4, "quantity")).fill(text)
        page.locator(CELL.format(4, "quantity")).press("Tab")
        expect(page.locator(CELL.format(4, "quantity"))).to_have_value(amount)
        expect(page.locator(CELL.format(4, "unit"))).to_have_value(unit)
    read.click()
    expect(page.locator(".together > li")).to_have_count(3)
    desk.sign()
    assert [item.kind for item in office.state().items.values()] == ["exhibit", "dossier", "exhibit"]


def test_more_than_one_consent_takes_goes_on_after_it(office: Office) -> None:
    """Said before; the rest waits in the window, and is there on the page of the case after the first part."""
    office.record(Case().open())
    desk = office.at(clerk(POLICE), "/cases/case-1/items/new")
    page = desk.page
    rows = [(f"coin {number}", 1, "piece", None, None) for number in range(MAX_ACTS + 3)]
    page.locator("[data-open]").set_input_files([listed(*rows)])  # type: ignore[list-item]
    expect(page.locator(".new-item")).to_have_count(MAX_ACTS)
    expect(page.locator(".table-outcome .warning")).to_contain_text("the other 3 come after them")
    page.reload()
    expect(page.locator(".new-item")).to_have_count(MAX_ACTS)
    expect(page.locator(".table-outcome .warning")).to_contain_text("the other 3 come after them")
    page.locator("form[data-act] button:not([type])").click()
    page.locator("[data-sign]").click()
    desk.agree()
    page.wait_for_url("**/items/new?event=*")
    expect(page.locator(".new-item")).to_have_count(3)
    expect(page.locator(CELL.format(1, "description"))).to_have_value(f"coin {MAX_ACTS}")
    page = desk.go("/cases/case-1/items/new")  # by the menu, which does not name what was recorded
    expect(page.locator(".new-item")).to_have_count(3)
    expect(page.locator(CELL.format(1, "description"))).to_have_value(f"coin {MAX_ACTS}")
    page.locator("form[data-act] button:not([type])").click()
    desk.sign()
    assert len(office.state().items) == MAX_ACTS + 3


def test_a_file_goes_to_the_row_that_was_chosen(office: Office) -> None:
    """Though rows above were left out since it was dropped; one that was itself left out gets none."""
    office.record(Case().open())
    desk = office.at(clerk(POLICE), "/cases/case-1/items/new")
    page = desk.page
    paste(page, CELL.format(1, "description"), "knife\t1\ncoat\t1\nphone\t1")
    expect(page.locator(".new-item")).to_have_count(3)
    drop(page.locator(".photographs"), whose__jpg=b"of the coat", nobodys__jpg=b"of the knife")
    page.get_by_role("button", name="Leave this item out").first.click()
    page.get_by_label("Which row? nobodys.jpg").select_option(label="Row 1 · knife")
    page.get_by_label("Which row? whose.jpg").select_option(label="Row 2 · coat")
    expect(page.locator(".new-item", has_text="whose.jpg").locator("[name$=description]")).to_have_value("coat")
    expect(page.locator(".new-item progress")).to_have_count(0)
    expect(page.get_by_label("Which row? nobodys.jpg")).to_have_value("")
    page.locator("form[data-act] button:not([type])").click()
    desk.sign()
    coat, phone = office.state().items.values()
    assert coat.digests[0] == f"sha256:{sha256(b'of the coat').hexdigest()}"
    assert (coat.description, phone.description, phone.digests) == ("coat", "phone", ())


def test_the_template_is_read_as_it_is_filled_in(office: Office, tmp_path: Path) -> None:
    """Its headings and choices are in the reader's language."""
    office.record(Case().open())
    desk = office.at(clerk(POLICE), "/cases/case-1/items/new", language="zh-CN")
    address, chinese = f"{office.url}/console/cases/case-1/items/new", {"accept-language": "zh-CN"}
    book = load_workbook(io.BytesIO(desk.page.request.get(f"{address}/template", headers=chinese).body()))
    sheet, choices = book.worksheets
    headings = [cell.value for cell in sheet[1]]
    assert headings[:4] == ["种类", "描述", "数量", "单位"]
    assert [cell.value for cell in choices["A"]][:3] == ["种类", "物证", "案卷"]
    assert len(sheet.data_validations.dataValidation) == choices.max_column
    for column, text in enumerate(("电子数据", "聊天记录", 2, "个文件"), 1):
        sheet.cell(2, column, text)
    book.save(tmp_path / "filled.xlsx")
    filled = (tmp_path / "filled.xlsx").read_bytes()
    answer = desk.page.request.post(f"{address}/table", data=filled, headers={"origin": office.url})
    (row,) = json.loads(answer.text())["rows"]
    assert row["cells"] == {"item_kind": "electronic_data", "description": "聊天记录", "quantity": "2", "unit": "file"}
    assert row["faults"].keys() == {"digests", "collection.collectors", "collection.tool", "collection.method"}
