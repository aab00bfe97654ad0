"""The workbench: a prosecutor who is no programmer writes a model by its form, tries it, and publishes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from api.console.shared.forms import PostedForm
from api.console.workbench.bench_form import BenchForm
from ledger.core.supervision import ModelState
from ledger.i18n import Labels
from ledger.store.supervision import LEADS
from ledger.supervision.models.editing import FORMS, draft
from ledger.supervision.models.model_file import parse_model, shipped_models
from ledger.supervision.models.yaml_document import read_document
from ledger.supervision.view_catalogue import views
from tests.api.console.desk import READ, Clerk, Office, axe_findings, office_in
from tests.api.console.prosecuting import MODEL, raise_leads
from tests.testkit.builders import PROCURATORATE, analyst, clerk

TEXTS = {
    "need.problem": ("手机随案移送不及时", "Things that were seized stay behind"),
    "need.expected_outcome": ("及时补送", "They follow at once"),
    "title": ("物品滞留", "Left behind"),
    "explanation": ("扣押物品未移送", "A seized thing that was not handed over"),
    "legal_basis[0]": ("刑事诉讼法第二百四十五条", "CPL art. 245"),
    "lead.says": ("案件 {case_id} 的 {item_id} 未移送", "{item_id} of case {case_id} stayed behind"),
    "checks[0].what": ("核对清单", "Compare the lists, item by item"),
    "checks[0].by": ("承办检察官", "handling prosecutor"),
}


WRITES = "DELETE FROM cases"  # is no question


@pytest.fixture(scope="module")
def prosecution(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Office]:
    """Yield an office with cases in which something was left behind."""
    with office_in(tmp_path_factory.mktemp("prosecution"), browser) as office:
        raise_leads(office, "case-1", "case-2")
        yield office


@pytest.fixture
def desk(prosecution: Office) -> Clerk:
    """Return the desk of the procuratorate's analyst."""
    return prosecution.at(analyst(PROCURATORATE))


def file_of(page: Page) -> str:
    """Return the YAML beside the form."""
    return page.locator("#definition").input_value()


def put(page: Page, place: str, text: str) -> None:
    """Type into a field and leave it; wait until the file has it."""
    field = page.locator(f"[id='{place}']")
    field.evaluate("field => field.closest('details')?.setAttribute('open', '')")
    field.fill(text)
    with page.expect_response("**/models/workbench/write"):
        field.dispatch_event("change")


def test_a_model_is_written_without_programming(desk: Clerk) -> None:
    """From a template by the form alone: the file follows, faults are told at their fields and lines and go as they
    are mended; examples run, hits on the record are shown, and the signed model is in the log."""
    page = desk.go("/models")
    page.get_by_label("Short name of the model").fill("left-behind")
    page.get_by_role("button", name="To the workbench").click()
    expect(page.locator(".faults li").first).to_contain_text("fill it in")
    expect(page.locator("[id='fault:title']")).to_contain_text("fill it in")
    expect(page.locator(".faults li [data-go='title']")).to_have_text("Name and kind · Title")
    for place, (zh, en) in TEXTS.items():
        put(page, f"{place}.zh", zh)
        put(page, f"{place}.en", en)
    put(page, "need.requested_by", "刑事检察部门")
    put(page, "parameters.grace_days.default", "90")
    expect(page.locator("[id='fault:parameters.grace_days.default']")).to_contain_text("expected 0 to 30")
    put(page, "parameters.grace_days.default", "2")
    expect(page.get_by_text("The file is sound.")).to_be_visible()
    model = parse_model(file_of(page))
    assert (model.title.zh, model.parameters["grace_days"].default) == ("物品滞留", 2)
    assert "# 移送事由" in file_of(page), "the author's comments stay"
    assert axe_findings(page) == []

    page.get_by_role("button", name="Run the examples").click()
    expect(page.locator("#tried .tag.good")).to_have_count(2)
    page.get_by_role("button", name="What would it find now?").click()
    expect(page.locator("#tried h3")).to_have_text("What it would find now: 2")
    page.locator("#tried tbody button").first.click()
    expect(page.locator("#tried .event").first).to_contain_text("registers the case-1-knife")

    page.locator("details.act > summary").click()
    page.get_by_role("button", name=READ).click()
    question = desk.sign()
    assert "publishes version 1 of the model left-behind" in question
    page.wait_for_url("**/library/left-behind?event=*")
    state = desk.office.supervision_state("model-left-behind", ModelState)
    assert state.newest.body.definition == model.definition


def test_what_it_would_find_is_seen_before_a_text_is_written(prosecution: Office) -> None:
    """A clerk of the procuratorate begins with what he looks for: the page is short, the hits have names, and two
    clicks make the examples, in made-up names. Texts in one language suffice, and he publishes it himself."""
    desk = prosecution.at(clerk(PROCURATORATE))
    page = desk.go("/models/workbench?start=form&name=missing_in_next_handover&model_id=explored")
    assert page.evaluate("document.documentElement.scrollHeight <= 3 * innerHeight")
    page.get_by_role("button", name="What would it find now?").click()
    expect(page.locator("#tried h3")).to_have_text("What it would find now: 2")
    first = page.locator("#tried tbody tr").first
    expect(first).to_contain_text("2026-case-1")
    expect(first.locator("[title=case-1-knife]")).to_have_text("the case-1-knife")
    assert axe_findings(page) == []
    first.get_by_role("button", name="must be found").click()
    expect(page.locator("#definition")).to_have_value(re.compile(r"examples: \[.*raises: \[\{case_id: case1"))
    assert "knife" not in file_of(page)
    expect(page.locator("#tried h3")).to_have_text("What it would find now: 2")
    page.get_by_role("button", name="Run the examples").click()
    expect(page.locator("#tried .tag.good")).to_have_count(2)
    for place, (zh, _) in TEXTS.items():
        put(page, f"{place}.zh", zh)
    put(page, "need.requested_by", "刑事检察部门")
    put(page, "parameters.grace_days.default", "2")
    expect(page.get_by_text("The file is sound.")).to_be_visible()
    assert parse_model(file_of(page)).title.en == TEXTS["title"][0]
    page.locator("details.act > summary").click()
    page.get_by_role("button", name=READ).click()
    expect(page.locator("#draft")).to_contain_text("finds 2, too. Does one of them suffice?")
    assert "publishes version 1 of the model explored" in desk.sign()
    page.wait_for_url("**/library/explored?event=*")
    expect(page.get_by_role("heading", name="Why it is wanted")).to_be_visible()


def test_a_filter_offers_the_words_of_its_column(desk: Clerk) -> None:
    """By their labels; what is chosen stands in the file as one word or several, until another column is chosen."""
    page = desk.go("/models/workbench?start=form&name=missing_in_next_handover&model_id=filtered")
    page.locator("[id='condition.with.items:1:column']").select_option("kind")
    words = page.get_by_role("group", name="Value; several with commas 2")
    with page.expect_response("**/write"):
        words.get_by_label("electronic data", exact=True).check()
    words.get_by_label("exhibit", exact=True).check()
    expect(page.locator("#definition")).to_have_value(re.compile(r"items: \{seized: true, kind: \[\w+, \w+\]\}"))
    page.locator("[id='condition.with.items:1:column']").select_option("status")
    expect(page.locator("#definition")).to_have_value(re.compile(r'items: \{seized: true, status: ""\}'))
    expect(words.locator("input:checked")).to_have_count(0)


def test_form_and_file_follow_one_another(desk: Clerk) -> None:
    """A choice changes what may be chosen after it; a line of the file that was changed by hand stands in the form."""
    page = desk.go("/models/workbench?start=form&name=count_over&model_id=too-often")
    with page.expect_response("**/write"):
        page.locator("[id='condition.with.view']").select_option("items")
    expect(page.locator("[id='condition.with.per:item_id']")).to_be_visible()
    expect(page.locator("[id='fault:condition.with.where.status']")).to_be_empty()
    page.locator("[id='condition.with.where:0:operator']").select_option("not")
    expect(page.locator("#definition")).to_have_value(re.compile(r"where: \{status: \{not: refused\}\}"))
    page.locator("[id='condition.with.per:item_id']").check()
    expect(page.locator("#definition")).to_have_value(re.compile(r"per: \[case_id, (from_agency, )?item_id"))
    text = file_of(page).replace("severity: medium", "severity: high")
    page.locator("#definition").fill(text)
    with page.expect_response("**/read"):
        page.locator("#definition").dispatch_event("change")
    expect(page.locator("#severity")).to_have_value("high")


def test_what_is_typed_meanwhile_is_not_lost(desk: Clerk) -> None:
    """The form is drawn anew after each field; who goes on typing keeps the place and the words."""
    page = desk.go("/models/workbench?start=form&name=exceeded_clock&model_id=too-late")
    page.locator("#part-need > summary").click()
    page.locator("[id='need.problem.zh']").click()
    page.keyboard.type("期限届满未移送", delay=5)
    page.keyboard.press("Tab")
    page.keyboard.type("Cases are handed over too late", delay=25)
    expect(page.locator("[id='need.problem.en']")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#definition")).to_have_value(re.compile("Cases are handed over too late"))
    assert "期限届满未移送" in file_of(page)


def test_a_press_that_leaves_a_field_comes_after_what_was_typed(desk: Clerk, tmp_path: Path) -> None:
    """Whoever types and presses a button at once gets the answer to what he typed, and it stays; a file has it, too. It
    is written when the button is let go, so that nothing moves away from under the pointer before."""
    page = desk.go("/models/workbench?start=shipped&name=list-differs&model_id=quick")
    statement = page.locator("[id='condition.sql']")
    sound = statement.input_value()
    statement.fill(WRITES)
    page.get_by_role("button", name="What would it find now?").hover()
    page.mouse.down()
    expect(statement).to_be_focused()
    page.mouse.up()
    expect(page.locator("#tried .blocked")).to_be_visible()
    expect(page.locator(".faults li").first).to_contain_text("What it looks for")
    page.locator("[id='condition.sql']").fill(sound)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as a file").click()
    saved.value.save_as(tmp_path / "quick.yaml")
    assert WRITES not in (tmp_path / "quick.yaml").read_text(encoding="utf-8")
    expect(page.get_by_text("The file is sound.")).to_be_visible()


def test_drafts_stay_in_the_browser_and_files_are_taken(desk: Clerk, tmp_path: Path) -> None:
    """Who leaves the page finds the draft again; a file is saved and opened."""
    page = desk.go("/models/workbench?start=form&name=count_over&model_id=too-often")
    put(page, "need.requested_by", "案件管理部门")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as a file").click()
    assert saved.value.suggested_filename == "too-often.yaml"
    saved.value.save_as(tmp_path / "too-often.yaml")
    desk.go("/models")
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("[id='need.requested_by']")).to_have_value("案件管理部门")
    second_file = tmp_path / "other.yaml"
    second_file.write_text((tmp_path / "too-often.yaml").read_text().replace("案件管理部门", "刑事检察部门"))
    desk.go("/models")
    page.locator("input[type=file]").set_input_files(second_file)
    expect(page.locator("[id='need.requested_by']")).to_have_value("刑事检察部门")


def test_the_next_version_and_a_lead_as_a_beginning(desk: Clerk) -> None:
    """The next version of a model of one's own has the next number; a lead's model comes under another id."""
    page = desk.go(f"/models/workbench?start=published&name={MODEL}")
    assert parse_model(file_of(page)).version == 2
    with desk.office.ledger.database.read() as connection:
        lead_id = connection.execute(LEADS.select()).first().lead_id  # type: ignore[union-attr]
    desk.go(f"/leads/{lead_id}")
    page.get_by_role("link", name="Find all of its kind").click()
    assert parse_model(file_of(page)).model_id == f"{MODEL}-own"
    page.get_by_role("button", name="What would it find now?").click()
    expect(page.locator("#tried h3")).to_have_text("What it would find now: 2")


def test_columns_are_told_by_the_view_they_come_from() -> None:
    """Two views may have a column of one name that means another thing in each."""
    form = BenchForm(read_document(draft("a", "missing_in_next_handover")).tree, Labels("en"))
    fields = {field.path: field for section in form.sections() for field in section.fields}
    labels = {choice.value: choice.label for choice in fields["lead.key"].choices}
    assert labels["kind"] == f"{views()['items'].columns['kind'].en} · kind"
    assert labels["from_agency"] == f"{views()['handovers'].columns['from_agency'].en} · from_agency"


def test_a_condition_says_what_its_list_must_allow() -> None:
    """The columns of what it finds are not listed above its fields, the rest of what it does is."""
    for language, required in (("en", "must be registered as readable"), ("zh-CN", "登记时须准许显示内容")):
        form = BenchForm(read_document(draft("a", "list_rows")).tree, Labels(language))
        (about,) = (section.about for section in form.sections() if section.name == "condition")
        assert required in about
        assert "row_digest" not in about


def test_a_form_that_nobody_touched_changes_nothing() -> None:
    """Of no shipped model and no draft: what it shows is what the file has."""
    for text in (*shipped_models().values(), *(draft("a", name) for name in FORMS)):
        form = BenchForm(read_document(text).tree, Labels("zh-CN"))
        assert form.changes(PostedForm(list(posted(form)))) == {}


def posted(form: BenchForm) -> Iterator[tuple[str, str]]:
    """Yield what a browser posts of the form as it stands."""
    fields = [field for section in form.sections() for field in section.fields]
    for field in (*fields, *(field for example in form.examples() for field in example.fields())):
        if field.languages:
            yield from ((f"{field.path}.zh", field.zh), (f"{field.path}.en", field.en))
        elif field.kind == "many":
            yield f"{field.path}:shown", "yes"
            yield from ((field.path, choice.value) for choice in field.choices if choice.value in field.values)
        elif field.kind == "filter" and not field.hint:
            yield f"{field.path}:shown", "yes"
            for number, row in enumerate(field.rows):
                names = zip(("column", "operator", "value"), row, strict=True)
                yield from ((f"{field.path}:{number}:{name}", text) for name, text in names)
        else:
            yield field.path, field.value
