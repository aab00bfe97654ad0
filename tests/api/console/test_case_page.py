"""The page of a case: what it asks of the reader now, each with its form, and its parts as tabs, plain links."""

from __future__ import annotations

import re
from html import unescape

import pytest
from playwright.sync_api import Route, expect

from ledger.core.events import item, letter
from ledger.core.events.case import CaseClosed, CaseSplit, CustodyChangeRequested, MeasureExtended
from ledger.i18n import Labels
from tests.api.console.desk import READ, Office, barriers
from tests.api.console.pages import page_of
from tests.api.service import Served
from tests.testkit.builders import DETENTION, LAB, POLICE, PROCURATORATE, START, auditor, clerk, instant, supervisor
from tests.testkit.casework import AT, DAY, Case, detained, dispose, holding, li_detained, part, person_id, proposed

TABS = ("items", "persons", "handovers", "deadlines", "timeline", "documents")


def tasks_of(text: str) -> dict[str, str]:
    """Return what a page of a case asks for: the sentence of each task by the page of its form."""
    section = text.partition('class="card tasks"')[2].partition("<details")[0].partition("</section>")[0]
    links = re.findall(r'<a href="/console/cases/case-1/([^"]+)">([^<]*)</a>', section)
    return {unescape(path): unescape(sentence) for path, sentence in links}


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_each_rule_asks_its_agency_for_what_is_next(served: Served, language: str) -> None:
    """Offers, refusals, letters, second signatures and what is out too long are tasks of who can do them, in order."""
    case = proposed("knife").register("phone", "coat", "hat").offer("phone", to=PROCURATORATE)
    case.refuse(due_at=instant(START + 2 * DAY)).offer("coat", to=PROCURATORATE)
    case.say(item.ItemCheckedOut, item_id="hat", to_officer="p-9", ground="shown", due_at=instant(START + 1800))
    case.say(
        letter.LetterSent,
        letter_id="letter-1",
        kind="data_freeze_notice",
        number="2026-5",
        sent_at=AT,
        to_agency=PROCURATORATE,
        due_at=instant(START + DAY),
    )
    served.record(case)
    shown = {"accept-language": language}
    of_police = tasks_of(page_of(served, supervisor(POLICE), "/cases/case-1", **shown).text)
    proposal = next(iter(case.state.proposals.values()))
    assert of_police.keys() == {
        f"acts/item.disposed?of={proposal.event.event_id}",
        "acts/item.checked_in?of=hat",
        "offer?follows=handover-1",
    }
    assert f"acts/item.disposed?of={proposal.event.event_id}" not in tasks_of(
        page_of(served, clerk(POLICE), "/cases/case-1", **shown).text
    )
    of_receiver = tasks_of(page_of(served, clerk(PROCURATORATE), "/cases/case-1", **shown).text)
    assert of_receiver.keys() == {"handovers/handover-2", "letters/letter-1"}
    assert all("{" not in sentence for sentence in (*of_police.values(), *of_receiver.values()))
    form = page_of(served, supervisor(POLICE), "/cases/case-1/offer?follows=handover-1", **shown).text
    assert f'<option value="{PROCURATORATE}" selected' in form
    assert '<option value="handover-1" selected' in form
    read_only = page_of(served, auditor(POLICE), "/cases/case-1", **shown).text
    assert tasks_of(read_only) == {}
    assert ("A clerk or supervisor of your agency signs what is to be done." in read_only) == (language == "en")


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_what_is_split_off_is_a_task_until_it_is_taken_over(served: Served, language: str) -> None:
    """Of the agency that split it off, with the command, on the page of the case and on the start page."""
    old = detained("li").say(CaseSplit, new_case_id="case-2", ground="another deed", person_ids=(person_id("li"),))
    served.record(old)
    shown = {"accept-language": language}
    command = f"tally case open --case-id case-2 --split-from {old.last.event.event_id}"
    for by, path, is_asked in (
        (clerk(POLICE), "/cases/case-1", True),
        (clerk(POLICE), "/", True),
        (clerk(PROCURATORATE), "/", False),
    ):
        assert (command in page_of(served, by, path, **shown).text) == is_asked
    served.record(Case("case-2").open(source=old.state, split_from=old.last.ref))
    assert not any(command in page_of(served, clerk(POLICE), path, **shown).text for path in ("/cases/case-1", "/"))


def test_what_another_agency_split_off_is_seen_to_wait_for_it(served: Served) -> None:
    """By who has the case now, on its start page too; who split it off goes on being asked, with the time that runs."""
    old = detained("li", "wang")
    old.say(CaseSplit, new_case_id="case-2", ground="another deed", person_ids=(person_id("li"),))
    split = old.last
    served.record(old.offer(to=PROCURATORATE, persons=("wang",)).accept())
    waits = "has not taken over what it split off for case case-2"
    for by, path, is_seen in (
        (clerk(PROCURATORATE), "/cases/case-1", True),
        (clerk(PROCURATORATE), "/", True),
        (clerk(POLICE), "/cases/case-1", False),
    ):
        assert (waits in page_of(served, by, path).text) == is_seen
    own = page_of(served, clerk(POLICE), "/cases/case-1").text
    assert next(iter(tasks_of(own))) == f"events/{split.event.event_id}"
    first, *_ = re.findall(r"<li>.*?</li>", own.partition('class="card tasks"')[2], re.DOTALL)
    assert "CPL 85" in first
    persons = page_of(served, clerk(POLICE), "/cases/case-1?tab=persons").text
    assert "split off for case case-2, which has not taken over yet" in persons
    form = page_of(served, clerk(POLICE), "/cases/case-1/acts/measure.lifted").text
    assert "detention-li" not in form
    served.record(old.say(CaseClosed, clerk(PROCURATORATE), ground="over"))
    assert [*tasks_of(page_of(served, clerk(POLICE), "/cases/case-1").text)] == [f"events/{split.event.event_id}"]


def test_a_case_of_which_all_is_split_off_is_to_be_closed_once_that_is_taken_over(served: Served) -> None:
    """The ledger would refuse it before."""
    old = Case("case-1").open().register("phone")
    old.say(CaseSplit, new_case_id="case-2", ground="another deed", item_ids=("phone",))
    served.record(old)
    assert "acts/close" not in tasks_of(page_of(served, clerk(POLICE), "/cases/case-1").text)
    served.record(Case("case-2").open(source=old.state, split_from=old.last.ref))
    assert "acts/close" in tasks_of(page_of(served, clerk(POLICE), "/cases/case-1").text)


def test_a_loan_that_came_back_leaves_nothing_to_complete(served: Served) -> None:
    """What is returned to be completed is a task, also of things alone; a loan's return is the end of the loan."""
    case = holding("phone", "knife").offer("phone", to=LAB, purpose="forensic_examination").accept()
    case.give_back("phone", purpose="return").accept()
    case.offer("knife", to=LAB, purpose="loan", due_at=instant(case.now + 86_400)).accept()
    case.give_back("knife", purpose="return").accept()
    served.record(case)
    returned, of_loan = [each.handover_id for each in case.state.handovers.values() if each.returns]
    tasks = tasks_of(page_of(served, clerk(POLICE), "/cases/case-1").text)
    assert f"offer?follows={returned}" in tasks
    assert f"offer?follows={of_loan}" not in tasks


def test_the_proceeds_of_a_sale_are_named_in_no_language(served: Served) -> None:
    """In the list of the items, for an offer, and in the pictures of descent and custody."""
    served.record(dispose(proposed("car", disposal="sold_early"), proceeds=part("money", 1, amount=4_000_000)))
    for path in ("?tab=items", "/offer", "/lineage", "/picture", "/items/money"):
        shown = page_of(served, clerk(POLICE), f"/cases/case-1{path}", **{"accept-language": "zh-CN"}).text
        assert "proceeds of" not in shown, path
        assert "the car → CNY" in shown, path


def test_the_name_of_what_is_overdue_is_not_struck_through(served: Served) -> None:
    """In the picture it stands above its line, clear of the hatched part: else it would read as deleted."""
    served.record(detained("li"))
    served.ledger.clock.forward(10 * DAY)
    served.forget_tokens()
    shown = page_of(served, clerk(POLICE), "/cases/case-1/picture").text
    late = re.findall(
        r'<rect class="late" x="[0-9.]+" y="([0-9]+)"[^>]*height="([0-9]+)"/><text[^>]*y="([0-9]+)"', shown
    )
    assert late
    tops = sorted(int(top) for top, _, _ in late)
    for top, height, baseline in late:
        assert int(baseline) <= int(top) - 4, "descenders end above the hatched part"
        assert all(int(baseline) - 10 >= above + int(height) for above in tops if above < int(baseline))


def test_the_documents_of_a_case_are_its_decisions_and_letters_too(served: Served) -> None:
    """Each with its number; a letter leads to its page and names both sides, agency, person or somebody outside."""
    bank = letter.Outsider(kind="bank", name="城东银行")
    case = Case().open().name("li").decide("judgment", number="2026-77")
    for number, to in enumerate(({"to_agency": PROCURATORATE}, {"to_person": person_id("li")}, {"to_outside": bank})):
        named = {"letter_id": f"letter-{number}", "kind": "data_freeze_notice", "number": f"N-{number}", "sent_at": AT}
        case.say(letter.LetterSent, **named, **to)
    served.record(case)
    text = page_of(served, clerk(POLICE), "/cases/case-1?tab=documents").text
    section = re.sub("</?bdi>", "", text.partition("Decisions and letters</h3>")[2].partition("</ul>")[0])
    assert re.search(r"<li>[^<]* 2026-77 ·", section)
    links = re.findall(r'<a href="/console/cases/case-1/letters/(letter-\d)">[^<]* (N-\d)</a>([^<]*)<', section)
    assert [(letter_id, number) for letter_id, number, _ in links] == [(f"letter-{n}", f"N-{n}") for n in (2, 1, 0)]
    assert [
        side in sides for side, (_, _, sides) in zip(("城东银行", "person ", PROCURATORATE), links, strict=True)
    ] == [True] * 3
    assert page_of(served, clerk(POLICE), "/cases/case-1/parts/letters?first=1").text.count("<li>") == 2
    outside = page_of(served, clerk(POLICE), "/cases/case-1/letters/letter-2").text
    assert f"<dd>{Labels('en').of('outsider_kind', 'bank')}</dd>" in outside
    served.record(case.say(letter.LetterReceived, letter_id="letter-1", received_at=AT))
    assert "N-1 (letter-1) was received" in page_of(served, clerk(POLICE), "/cases/case-1?tab=timeline").text


def test_a_closed_case_asks_for_nothing(served: Served) -> None:
    """Neither a task nor a button stands on its page, whatever clock runs; one without items asks for its first."""
    case = Case().open()
    served.record(case)
    assert tasks_of(page_of(served, clerk(POLICE), "/cases/case-1").text).keys() == {"items/new"}
    served.record(case.close())
    text = page_of(served, clerk(POLICE), "/cases/case-1").text
    assert tasks_of(text) == {}
    assert "It asks for nothing any more." in text
    assert 'class="button' not in text.partition("<main")[2]


def test_who_keeps_a_person_serves_and_who_took_over_asks(served: Served) -> None:
    """A change of custody is one task, of the agency whose turn it is, with the clock that runs against it."""
    case = li_detained().offer(to=PROCURATORATE, persons=("li",)).accept()
    served.record(case)
    text = page_of(served, clerk(PROCURATORATE), "/cases/case-1").text
    assert f"acts/request-custody?of={person_id('li')}" in tasks_of(text)
    assert text.count("acts/request-custody") == 1
    case.say(
        CustodyChangeRequested,
        clerk(PROCURATORATE),
        custody_change_id="custody-1",
        handover_id="handover-1",
        person_id=person_id("li"),
        keeper=DETENTION,
        number="2026-11",
    )
    served.record(case)
    assert "acts/serve-custody?of=custody-1" in tasks_of(page_of(served, clerk(DETENTION), "/cases/case-1").text)


def test_a_letter_that_a_clock_asks_for_is_about_its_person(served: Served) -> None:
    """The task leads to the form of that kind of letter, in which the person is ticked, of two the one it is of."""
    case = (
        li_detained()
        .name("wang")
        .say(MeasureExtended, measure_id="measure-1", until="2026-03-09", ground="accomplices", article="CPL 91")
    )
    served.record(case)
    path = f"acts/letter.sent?of={person_id('li')}&kind=custody_period_notice"
    assert path in map(unescape, tasks_of(page_of(served, clerk(POLICE), "/cases/case-1").text))
    form = page_of(served, clerk(POLICE), f"/cases/case-1/{path}").text
    assert re.findall(r'name="person_ids" value="(\w+)" checked', form) == [person_id("li")]


def test_the_page_leads_from_a_deadline_to_its_form_and_from_tab_to_tab(office: Office) -> None:
    """What ends first is on top and opens its form filled in; parts open without scripts; nobody is kept out of any."""
    office.record(li_detained().register("phone"))
    desk = office.at(clerk(POLICE), "/cases/case-1")
    page = desk.page
    first = page.locator(".tasks li").first
    expect(first).to_contain_text("until 11:00 tomorrow")
    page.get_by_role("link", name="notify the family of the detention").click()
    expect(page.locator("#kind")).to_have_value("family_notified")
    expect(page.locator(f"[value='{person_id('li')}']")).to_be_checked()
    page.locator("#number").fill("2026-7")
    page.get_by_role("button", name=READ).click()
    desk.sign()
    expect(page.get_by_role("link", name="notify the family of the detention")).to_have_count(0)
    for tab in TABS:
        page.get_by_role("navigation", name="Parts of the case").locator(f"[href*='tab={tab}']").click()
        expect(page.locator(f"section[aria-labelledby={tab}]")).to_be_visible()
        expect(page.locator(".tabs [aria-current]")).to_have_attribute("href", f"/console/cases/case-1?tab={tab}#parts")
        assert barriers(page) == [], tab
        page.set_viewport_size({"width": 1280, "height": 800})
    page = desk.go("/cases/case-1?tab=deadlines")
    expect(page.locator("section[aria-labelledby=deadlines] > .clocks")).not_to_contain_text("notify the family")
    ended = page.locator("details", has_text="Ended: 1")
    expect(ended.get_by_text("notify the family")).to_be_hidden()
    ended.locator("summary").first.click()
    expect(ended.get_by_text("notify the family")).to_be_visible()
    desk = office.at(clerk(POLICE), "/cases/case-1", language="zh-CN", viewport={"width": 390, "height": 800})
    page = desk.page
    expect(page.get_by_role("heading", name="待办事项")).to_be_visible()
    page.get_by_role("link", name="时间线").click()
    expect(page.locator(".timeline .sentence").first).to_be_visible()
    assert barriers(page) == []


def test_what_was_typed_is_not_lost(office: Office) -> None:
    """After a refusal, a reload and a look at another page it is still there; recorded or signed out, it is gone."""
    office.record(Case().open())
    desk = office.at(clerk(POLICE), "/cases/new")
    page = desk.page
    address = "/cases/case-1/acts/letter.sent"
    page = desk.go(address)
    page.locator("#number").fill("2026-5")
    page.locator("#kind").select_option("data_freeze_notice")
    page.locator("#sent_at").fill("2036-01-01T00:00")
    page.get_by_role("button", name=READ).click()
    expect(page.locator("#draft .blocked")).to_be_visible()
    desk.go("/cases")
    page = desk.go(address)
    expect(page.locator("#number")).to_have_value("2026-5")
    expect(page.locator("#kind")).to_have_value("data_freeze_notice")
    page.locator("#sent_at").fill("2026-03-02T09:30")
    page.locator("#to_agency").select_option(PROCURATORATE)
    page.get_by_role("button", name=READ).click()
    desk.sign()
    expect(desk.go(address).locator("#number")).to_have_value("")
    page.locator("#number").fill("2026-6")
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("sign-in"))
    assert page.evaluate("Object.keys(sessionStorage).filter((key) => key.includes('typed'))") == []


def test_an_act_counts_once_whatever_comes_of_its_answer(office: Office) -> None:
    """What the service refuses because of itself is sent again; of an act whose answer was lost the ledger is asked,
    when its page is opened or its form signed again: what was recorded is shown, and not signed twice."""
    office.record(Case().open())
    desk = office.at(clerk(POLICE), "/cases/case-1/acts/letter.sent")
    page, events = desk.page, "**/api/v1/events"
    outcome, again = page.locator(".draft .outcome"), page.get_by_role("button", name="Send again")

    def refused_once(status: int, code: str | None) -> None:
        problem = {"status": status, "code": code, "detail": "too much to do"} if code else {}
        page.route(events, lambda route: route.fulfill(status=status, json=problem), times=1)

    def lose(route: Route) -> None:
        assert route.fetch().status == 201
        route.abort()

    ways = ("refused at first", "a reload", "another draft", "refused the second time")
    for by in ways:
        expect(desk.go("/cases/case-1/acts/letter.sent").locator("#number")).to_have_value("")
        page.locator("#number").fill(by)
        page.locator("#kind").select_option("data_freeze_notice")
        page.locator("#sent_at").fill("2026-03-02T09:30")
        page.locator("#to_agency").select_option(PROCURATORATE)
        page.get_by_role("button", name=READ).click()
        if by == "refused at first":
            refused_once(503, "clock_set_forward")
        else:
            page.route(events, lose, times=1)
        page.locator("[data-sign]").click()
        desk.agree()
        if by == "refused at first":
            expect(outcome).to_contain_text("cannot record anything now")
            expect(outcome).to_contain_text("too much to do")
            again.click()
        else:
            expect(outcome).to_contain_text("Send it again: it counts once")
        for status, code in ((503, "busy"), (429, None), (429, "too_many")) if by == "refused the second time" else ():
            refused_once(status, code)
            again.click()
            expect(outcome).to_contain_text("too much to do" if code else "Send it again: it counts once")
        if by == "a reload":
            page.reload()
        elif by != "refused at first":
            page.locator("#number").fill("another")
            page.get_by_role("button", name=READ).click()
            page.locator("[data-sign]").click()
        page.wait_for_url("**event=*")
    assert [letter.number for letter in office.state().letters.values()] == [*ways]


def test_a_second_case_of_one_number_warns(office: Office) -> None:
    """Before it is signed the draft names the case that has the number, to whoever sees that one."""
    office.record(Case().open())
    desk = office.at(clerk(POLICE), "/cases/new", language="zh-CN")
    for number, warned in (("2026-0417", 1), ("2026-0418", 0)):
        desk.page.locator("#case_number").fill(number)
        desk.page.locator("#case_type").fill("盗窃")
        desk.page.locator("[data-act] button").last.click()
        expect(desk.page.locator(".draft .sentence")).to_contain_text(number)
        expect(desk.page.locator(".draft .note.look", has_text="case-1")).to_have_count(warned)
    stranger = office.at(clerk(PROCURATORATE), "/cases/new")
    stranger.page.locator("#case_number").fill("2026-0417")
    stranger.page.locator("#case_type").fill("theft")
    stranger.page.get_by_role("button", name=READ).click()
    expect(stranger.page.locator(".draft .sentence")).to_be_visible()
    expect(stranger.page.locator(".draft .note.look")).to_have_count(0)


def test_tabs_work_without_scripts(office: Office) -> None:
    """A browser that runs none shows each part all the same, and more of a long one."""
    office.record(Case(step=1).open().register(*(f"item-{number:02}" for number in range(60))))
    desk = office.at(clerk(POLICE), "/cases/case-1", java_script_enabled=False)
    page = desk.page
    expect(page.get_by_role("table").get_by_role("row")).to_have_count(52)
    page.get_by_role("link", name="More: 50 of 60 are shown").click()
    expect(page.get_by_role("table").get_by_role("row")).to_have_count(11)
    page.get_by_role("link", name="Timeline").click()
    page.get_by_role("link", name="Earlier").click()
    expect(page.locator(".timeline > li")).to_have_count(11)
