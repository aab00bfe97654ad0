"""Acts in the browser: every event type that an officer may sign in a case has a form that follows from its fields."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from html import unescape

import pytest
from playwright.sync_api import expect

from api.console.cases.case_acts import FROM_FIELDS, OWN_PAGES
from api.console.shared.forms import MOST_FIELDS, PostedForm
from ledger.acts import ACTS
from ledger.core.events import EVENT_TYPES, Authority
from ledger.core.events.case import MeasureImposed, PersonNamed
from ledger.core.events.record import Correction, ErasureProposed, RecordCorrected
from ledger.core.events.terms import Money
from ledger.procedures import shipped_rulebook
from ledger.recording.event_signing import MAX_ACTS
from ledger.store import log
from ledger.store.database import Connection
from tests.api.console.desk import READ, Office, axe_findings
from tests.api.console.pages import OWN, page_of, post
from tests.api.service import Served
from tests.testkit.builders import POLICE, PROCURATORATE, auditor, clerk, section, supervisor
from tests.testkit.casework import Case, offered, person_id, pieces

BOOK = shipped_rulebook()
LI, WANG = person_id("li"), person_id("wang")
NAMES = {LI: "Li Si", WANG: "Wang Wu"}


def full() -> Case:
    """Return a case with something of everything that acts are about."""
    case = Case().open()
    for who, name in NAMES.items():
        sections = {"person:1": section("person", name=name)}
        case.act(PersonNamed(person_id=who, role="suspect", section="person:1"), sections=sections)
    act = (
        case.register("phone", "knife")
        .register("banknotes", quantity=pieces(2))
        .say(
            MeasureImposed,
            measure_id="measure-1",
            person_id=LI,
            measure="detention",
            started_at="2026-03-02T01:30:00Z",
            ground="caught in the act",
        )
    )
    return act.decide("case_filed", "li")


@pytest.fixture(scope="module")
def acting(shared: Served) -> Served:
    """Return a service with such a case."""
    shared.record(full())
    return shared


# What a clerk fills in, by act; the rest stays as the form has it.
FORMS: dict[str, dict[str, str]] = {
    "case.numbered": {"case_number": "2026-9"},
    "case.assigned": {"department": "crime squad", "handler": "p-0099"},
    "case.stage_entered": {"stage": "investigation"},
    "case.linked": {"other_case_id": "case-2", "relation": "related"},
    "case.split": {"ground": "another deed", "item_ids": "phone"},
    "person.named": {"role": "victim", "section": "Zhao Liu"},
    "measure.imposed": {
        "person_id": WANG,
        "measure": "bail",
        "started_at": "2026-03-02T09:30",
        "ground": "ill",
        "until": "2026-06-01",
    },
    "measure.extended": {
        "measure_id": "measure-1",
        "until": "2026-03-09",
        "ground": "more accomplices",
        "article": "CPL 91",
    },
    "measure.lifted": {"measure_id": "measure-1", "ended_at": "2026-03-02T09:45", "ground": "released"},
    "decision.recorded": {"kind": "case_filed", "number": "2026-1", "decided_at": "2026-03-02T09:30", "person_ids": LI},
    "item.sealed": {"item_id": "phone", "seal_number": "S-1"},
    "item.examined": {"item_id": "phone", "method": "looked at", "match_result": "match"},
    "item.split": {
        "item_id": "banknotes",
        "parts.0.quantity": "1",
        "parts.0.quantity.unit": "piece",
        "parts.1.quantity": "1",
        "parts.1.quantity.unit": "piece",
    },
    "item.moved": {"item_id": "knife", "storage_location": "shelf 3"},
    "item.checked_out": {"item_id": "knife", "to_officer": "p-0099", "ground": "to show it to the witness"},
    "item.disposal_proposed": {"item_ids": "knife", "disposal": "destroyed", "ground": "dangerous"},
    "letter.sent": {
        "kind": "data_freeze_notice",
        "number": "2026-5",
        "sent_at": "2026-03-02T09:30",
        "to_outside.kind": "bank",
        "to_outside.name": "Bank of the East",
    },
    "record.late": {"happened_at": "2026-03-02T09:30", "ground": "the line was down"},
    "disclosure.made": {"recipient": "counsel of the accused", "item_ids": "phone"},
}


@pytest.mark.parametrize("language", ["en", "zh-CN"])
@pytest.mark.parametrize("event_type", FROM_FIELDS)
def test_every_act_has_a_form_in_both_languages(acting: Served, event_type: str, language: str) -> None:
    """The form is headed by the act's title and asks for each required field by a label."""
    officer = supervisor(POLICE)
    page = page_of(acting, officer, f"/cases/case-1/acts/{event_type}", **{"accept-language": language})
    assert page.status_code == 200
    assert f'/drafts/{event_type}"' in page.text
    title = str(ACTS[event_type].title).rstrip(".")
    assert (f"<h1>{title}</h1>" in unescape(page.text)) == (language == "en")
    labelled = set(re.findall(r'<label for="([^"]+)"', page.text))
    required = re.findall(r'<(?:input|select|textarea) id="([^"]+)" name="[^"]+"[^>]* required', page.text)
    assert {*required} <= labelled


@pytest.mark.parametrize("event_type", FORMS)
def test_a_form_that_is_filled_in_makes_a_draft(acting: Served, event_type: str) -> None:
    """What the clerk typed stands in the payload that he is to sign, with the id of what he brings in."""
    answer = post(acting, clerk(POLICE), f"/cases/case-1/drafts/{event_type}", FORMS[event_type])
    assert answer.status_code == 200, answer.text
    (payload,) = re.findall(r'data-payload="([^"]*)"', answer.text)
    body = json.loads(unescape(payload))["body"]
    plain = {name: text for name, text in FORMS[event_type].items() if name in body and isinstance(body[name], str)}
    times = {name for name in plain if name.endswith("_at")}
    assert {name: body[name] for name in plain.keys() - times - {"section"}} == {
        name: plain[name] for name in plain.keys() - times - {"section"}
    }
    if (own_id := ACTS[event_type].makes) is not None:
        assert body[own_id]


def test_parts_of_an_act_get_ids_of_their_own(acting: Served) -> None:
    """Each row of a list that brings in a thing names another one."""
    answer = post(acting, clerk(POLICE), "/cases/case-1/drafts/item.split", FORMS["item.split"])
    (payload,) = re.findall(r'data-payload="([^"]*)"', answer.text)
    parts = json.loads(unescape(payload))["body"]["parts"]
    assert [part["quantity"] for part in parts] == [{"unit": "piece", "value": "1"}] * 2
    assert len({part["item_id"] for part in parts}) == 2


def test_what_is_confidential_of_a_kind_is_signed_in_a_section(acting: Served) -> None:
    """What the procedure keeps confidential of the chosen kind leaves the payload; what other kinds ask is ignored."""
    kind, field = next(
        (word, name)
        for word, row in BOOK.decisions.items()
        for name in row.fields
        if BOOK.fields[name].confidential and BOOK.fields[name].type == "text"
    )
    plain_kind = next(word for word in BOOK.decisions if word != kind)
    form = {
        **FORMS["decision.recorded"],
        "kind": kind,
        f"particulars:{kind}:{field}": "wiretap",
        f"particulars:{plain_kind}:{field}": "none",
    }
    answer = post(acting, clerk(POLICE), "/cases/case-1/drafts/decision.recorded", form)
    assert answer.status_code == 200, answer.text
    payload, sections = (
        json.loads(unescape(*re.findall(rf'data-{part}="([^"]*)"', answer.text))) for part in ("payload", "sections")
    )
    assert [section["fields"] for section in sections.values()] == [{"value": "wiretap"}]
    assert payload["confidential"].keys() == sections.keys() == {field}
    assert "particulars" not in payload["body"]


def test_what_an_event_says_is_corrected_by_choosing_it(acting: Served) -> None:
    """From an event's page the form offers what it says; what was recorded is taken from the event, never typed."""
    with acting.ledger.database.read() as connection:
        entries = log.stream(connection, "case", "case-1", event_type="item.registered")
    event = next(event for event in map(log.event_of, entries) if event.body.item_id == "phone")  # type: ignore[attr-defined]
    page = page_of(acting, clerk(POLICE), f"/cases/case-1/acts/record.corrected?of={event.event_id}").text
    assert '<option value="description">description: the phone</option>' in page
    assert 'name="corrections.0.recorded"' not in page
    form = {"corrects": event.event_id, "ground": "a slip of the pen"}
    form |= {"corrections.0.field": "description", "corrections.0.correct": "the white phone"}
    draft = post(acting, clerk(POLICE), "/cases/case-1/drafts/record.corrected", form).text
    assert "description: the phone → the white phone" in draft
    assert "corrects event “item registered · exhibit · the white phone (phone)”" in draft
    form["corrections.0.field"] = "quantity.value"
    chinese = {**OWN, "accept-language": "zh-CN"}
    refused = post(acting, clerk(POLICE), "/cases/case-1/drafts/record.corrected", form, chinese)
    assert (refused.status_code, 'data-field="payload.body.corrections[0].correct"' in refused.text) == (400, True)
    form["corrections.0.correct"] = "2"
    draft = post(acting, clerk(POLICE), "/cases/case-1/drafts/record.corrected", form, chinese).text
    assert "数量：1 → 2" in draft.replace(": 1", "：1")
    assert "数量（quantity.value）" in draft


def test_a_word_is_corrected_by_its_label(acting: Served) -> None:
    """Who corrects a role types what the page calls it; the event has its word."""
    with acting.ledger.database.read() as connection:
        (entry, *_) = log.stream(connection, "case", "case-1", event_type="person.named")
    form = {"corrects": entry.event_id, "ground": "a slip of the pen"}
    form |= {"corrections.0.field": "role", "corrections.0.correct": "被害人"}
    chinese = {**OWN, "accept-language": "zh-CN"}
    answer = post(acting, clerk(POLICE), "/cases/case-1/drafts/record.corrected", form, chinese)
    (payload,) = re.findall(r'data-payload="([^"]*)"', answer.text)
    assert json.loads(unescape(payload))["body"]["corrections"] == [
        {"field": "role", "recorded": "suspect", "correct": "victim"}
    ]


def test_an_erasure_is_proposed_by_choosing_what_it_erases(served: Served) -> None:
    """The form offers the sections that are kept, by what they are of; draft and task name them and the event so."""
    case = full()
    case.act(ErasureProposed(concerns=case.events[2].ref, label="person:1", ground="over"), clerk(POLICE))
    served.record(case)
    li, item = case.events[1].event, case.events[3].event
    page = page_of(served, clerk(POLICE), "/cases/case-1/acts/section.erasure_proposed").text
    options = [unescape(text) for text in re.findall(r'<option value="([^"]+)">', page)]
    assert options == [f"{event.event.event_id}/person:1" for event in case.events[2:0:-1]]
    of_li = f"“person named · suspect · Li Si” ({li.event_id})"
    assert f"name · {of_li}</option>" in page
    assert 'name="concerns"' not in page
    of_event = page_of(served, clerk(POLICE), f"/cases/case-1/acts/section.erasure_proposed?of={li.event_id}").text
    assert re.findall(r'<option value="([^"]+)">', of_event) == [f"{li.event_id}/person:1"]
    none = page_of(served, clerk(POLICE), f"/cases/case-1/acts/section.erasure_proposed?of={item.event_id}").text
    assert "there is none to choose from" in none
    form = {"chosen_section": f"{li.event_id}/person:1", "ground": "over"}
    draft = post(served, clerk(POLICE), "/cases/case-1/drafts/section.erasure_proposed", form)
    assert f"the confidential section name of event {of_li}" in draft.text
    assert "<dd>name (person:1)</dd>" in draft.text
    task = page_of(served, supervisor(POLICE), "/cases/case-1").text
    assert "the confidential section name of event “person named · suspect · Wang Wu”" in task
    for event, erases in ((li, True), (item, False)):
        text = page_of(served, clerk(POLICE), f"/cases/case-1/events/{event.event_id}").text
        assert (f"acts/section.erasure_proposed?of={event.event_id}" in text) == erases
    case.erase(case.events[2].ref, "person:1", supervisor(POLICE), authority=Authority("court_order", "12/2026"))
    served.record(case)
    erased = page_of(served, clerk(POLICE), f"/cases/case-1/events/{case.events[2].event.event_id}").text
    assert "Erased on authority: name</p>" in erased
    act = page_of(served, clerk(POLICE), f"/cases/case-1/events/{case.last.event.event_id}").text
    assert "<dd>name (person:1)</dd>" in act
    withheld = page_of(served, auditor(PROCURATORATE), f"/cases/case-1/events/{li.event_id}").text
    assert "for those who hold the case: name</p>" in withheld


def test_what_is_corrected_is_shown_corrected_wherever_it_is_named(served: Served) -> None:
    """In lists, the search by both words, and before the receiver of an offer, with a mark that leads to the event."""
    case = Case().open(case_type="thefd").register("phone")
    refs = [event.event.ref for event in case.events]
    for ref, field, correct in ((refs[1], "description", "a white tablet"), (refs[0], "case_type", "robbery")):
        line = Correction(field=field, recorded="as it was", correct=correct)
        case.say(RecordCorrected, corrects=ref, corrections=(line,), ground="a slip of the pen")
    served.record(case.offer("phone", to=PROCURATORATE))
    of_item, of_case = (
        f'class="corrected" href="/console/cases/case-1/events/{event.ref.event_id}"' for event in case.events[2:4]
    )
    pages = {
        clerk(POLICE): ("/cases/case-1", "/cases/case-1/items/phone", "/search?q=phone", "/search?q=white+tablet"),
        clerk(PROCURATORATE): ("/cases/case-1/handovers/handover-1",),
    }
    for officer, paths in pages.items():
        for path in paths:
            text = page_of(served, officer, path).text
            assert ("a white tablet" in text, of_item in text) == (True, True), path
    for officer, path in (
        (clerk(POLICE), "/cases"),
        (clerk(POLICE), "/search?q=thefd"),
        (clerk(PROCURATORATE), "/cases/case-1"),
    ):
        text = page_of(served, officer, path).text
        assert ("robbery" in text, of_case in text) == (True, True), path


def test_the_row_of_an_item_is_marked_whatever_of_its_registration_is_corrected(served: Served) -> None:
    """Of a quantity, too, which stands in the case as it is corrected; the mark leads to the correction."""
    case = Case().open().register("banknotes", quantity=pieces(2))
    line = Correction(field="quantity.value", recorded="2", correct="3")
    case.say(RecordCorrected, corrects=case.events[1].ref, corrections=(line,), ground="a slip of the pen")
    served.record(case)
    row = page_of(served, clerk(POLICE), "/cases/case-1").text.partition("/items/banknotes")[2].partition("</tr>")[0]
    assert f'class="corrected" href="/console/cases/case-1/events/{case.last.event.event_id}"' in row
    assert "3 pieces" in row


def test_what_a_form_lacks_is_named(acting: Served) -> None:
    """A required field that is empty is refused by its name, and an event that is not there as well."""
    refused = post(acting, clerk(POLICE), "/cases/case-1/drafts/item.sealed", {"item_id": "phone"})
    assert refused.status_code == 400
    assert "seal number is missing" in refused.text
    assert 'data-field="seal_number">seal number<' in refused.text
    lost = {"corrects": "01940000-0000-7000-8000-00000000ffff", "ground": "a slip of the pen"}
    assert post(acting, clerk(POLICE), "/cases/case-1/drafts/record.corrected", lost).status_code == 404


def test_a_refusal_names_things_and_fields_as_the_form_does(served: Served) -> None:
    """Items, handovers and cases by what is chosen in the form, fields by labels; no path, and no id by itself."""
    served.record(offered("phone").register("knife"))

    def refused(by: str, act: str, *, language: str = "en", **form: str) -> str:
        headers = {**OWN, "accept-language": language}
        answer = post(served, clerk(by), f"/cases/case-1/drafts/{act}", form, headers)
        assert answer.status_code in (400, 422), answer.text
        return unescape(answer.text)

    moved = {"item_id": "phone", "storage_location": "shelf 3"}
    taken = "item the phone (phone) stands in the open handover prosecution review · police-east → procuratorate-east"
    assert taken in refused(POLICE, "item.moved", **moved)
    assert "the phone（phone）" in refused(POLICE, "item.moved", language="zh-CN", **moved)
    text = refused(POLICE, "item.sealed", item_id="knife", seal_number="S" * 101)
    assert "expected at most 100 characters" in text
    assert 'data-field="seal_number">seal number<' in text
    assert (
        "expected an id of at most 64 characters"
        in refused(POLICE, "item.sealed", item_id="A B", seal_number="S").lower()
    )
    closing = refused(POLICE, "close", ground="settled")
    assert "handover prosecution review · police-east → procuratorate-east is not answered" in closing
    answer = {"handover_id": "handover-1", "received_at": "2026-03-02T09:45", "how:phone": "differs"}
    text = refused(PROCURATORATE, "accept", **answer, **{"quantity:phone": "many"})
    assert "the phone (phone): " in text
    assert 'data-thing="phone"' in text
    left = {"handover_id": "handover-1", "received_at": "2026-03-02T09:45", "how:phone": "refused", "reason:phone": ""}
    assert "reason is missing" in refused(PROCURATORATE, "accept", **left)


def test_a_sum_is_shown_where_it_is_received_and_stated_as_found(served: Served) -> None:
    """The form has the sum beside the count, and a field for another one, in the main unit."""
    case = Case().open().register("notes", kind="property", quantity=30, money=Money(amount=300_050, currency="CNY"))
    served.record(case.offer("notes", to=PROCURATORATE))
    page = unescape(page_of(served, clerk(PROCURATORATE), "/cases/case-1/handovers/handover-1").text)
    assert "30 pieces · 3000.50 CNY" in page
    answer = {"handover_id": "handover-1", "received_at": "2026-03-02T09:45", "how:notes": "differs"}
    drafted = post(served, clerk(PROCURATORATE), "/cases/case-1/drafts/accept", answer | {"money:notes": "2900"})
    assert "2900.00 CNY" in unescape(drafted.text)


def test_a_number_that_an_item_has_already_is_told(served: Served) -> None:
    """Before it is signed, of an exhibit and of a seal: a list that was sent twice is seen."""
    served.record(Case().open().register("phone", exhibit_number="E-1", seal_number="S-1"))
    coin = {"item_kind": "exhibit", "description": "a coin", "quantity": "1", "unit": "piece"}
    row = {f"new:1:{name}": value for name, value in coin.items()}
    warned = {"new:1:exhibit_number": "E-1"}, {"new:1:seal_number": "S-1"}, {"new:1:exhibit_number": "E-2"}
    texts = [post(served, clerk(POLICE), "/cases/case-1/drafts/register", row | each).text for each in warned]
    told_of = [("of this exhibit number" in text, "of this seal number" in text) for text in texts]
    assert told_of == [(True, False), (False, True), (False, False)]
    assert all("the phone (phone)" in text for text in texts[:2])


def test_a_form_asks_for_nothing_that_there_is_not(served: Served) -> None:
    """Of several addressees exactly one; what the case has none of is left out, or said where the act needs it."""
    served.record(offered("phone"))
    letter = page_of(served, clerk(POLICE), "/cases/case-1/acts/letter.sent").text
    assert letter.index("To whom") < letter.index('name="to_agency"') < letter.index('name="to_outside.name"')
    assert 'name="answers"' not in letter
    sent = {"kind": "file_reading_notice", "number": "2026-1", "sent_at": "2026-03-02T09:45"}
    for also in ({}, {"to_agency": PROCURATORATE, "to_outside.kind": "bank", "to_outside.name": "Bank of the East"}):
        refused = post(served, clerk(POLICE), "/cases/case-1/drafts/letter.sent", sent | also)
        assert "expected exactly one of these: to or to the person or to somebody outside" in refused.text
    lifting = page_of(served, clerk(POLICE), "/cases/case-1/acts/measure.lifted").text
    assert "there is none to choose from" in lifting
    assert 'name="measure_id"' not in lifting


def test_cited_events_are_looked_up_together(acting: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """An act that cites ten events has the digest of each, and asks the database as often as one that cites one."""
    lookups: list[Sequence[str]] = []
    entries_by_event_id = log.entries_by_event_id

    def noted(connection: Connection, event_ids: Sequence[str]) -> dict[str, log.StoredEntry]:
        lookups.append(event_ids)
        return entries_by_event_id(connection, event_ids)

    monkeypatch.setattr(log, "entries_by_event_id", noted)
    page = page_of(acting, clerk(POLICE), "/cases/case-1/acts/disclosure.made").text
    offered = re.findall(r'name="events" value="([^"]+)"', page)[:10]
    counts = []
    for cited in (offered[:1], offered):
        lookups.clear()
        form = {"recipient": "counsel", "events": cited}
        answer = post(acting, clerk(POLICE), "/cases/case-1/drafts/disclosure.made", form)
        counts.append(len(lookups))
    (payload,) = re.findall(r'data-payload="([^"]*)"', answer.text)
    assert [cited["event_id"] for cited in json.loads(unescape(payload))["body"]["events"]] == offered
    assert len(offered) >= 5
    assert counts[0] == counts[1]


def test_the_menu_has_the_acts_of_the_readers_role(acting: Served) -> None:
    """A clerk is offered what a clerk signs, a supervisor what only he signs besides; an auditor is refused."""
    own = page_of(acting, clerk(POLICE), "/cases/case-1/acts").text
    above = page_of(acting, supervisor(POLICE), "/cases/case-1/acts").text
    assert "acts/item.sealed" in own
    assert "acts/section.erased" not in own
    assert "acts/section.erased" in above
    assert page_of(acting, auditor(POLICE), "/cases/case-1/acts").status_code == 403
    assert page_of(acting, clerk(POLICE), "/cases/case-1/acts/section.erased").status_code == 403


def test_decisions_are_listed_by_who_makes_them(acting: Served) -> None:
    """Those of the reader's kind of agency first, then those of any, then the others; none is missing."""
    form = unescape(page_of(acting, clerk(POLICE), "/cases/case-1/acts/decision.recorded").text)
    listed = form.partition('<select id="kind"')[2].partition("</select>")[0]
    groups = re.findall(r'<optgroup label="([^"]+)">', listed)
    assert groups[:2] == ["public security", "Of any agency"]
    assert len(groups) == len({*groups})
    assert "court" in groups[2:]
    own = listed.partition("</optgroup>")[0]
    assert ('value="case_filed"' in own, 'value="judgment"' in own) == (True, False)
    assert sorted(re.findall(r'<option value="(\w+)"', listed)) == sorted(BOOK.decisions)


def test_every_act_in_a_case_is_on_a_page() -> None:
    """An event type of cases that an officer signs has a form of its fields, or a page of its own."""
    of_cases = {name for name in ACTS if "case" in EVENT_TYPES[name].streams}
    assert {*FROM_FIELDS} | OWN_PAGES.keys() == of_cases


def test_persons_have_names_for_whoever_may_read_them(acting: Served) -> None:
    """The agency that holds the case reads names on its page, in forms and in sentences, and their digests small;
    whoever sees it by jurisdiction alone reads roles and digests."""
    page = page_of(acting, clerk(POLICE), "/cases/case-1?tab=persons").text
    assert f"suspect {NAMES[LI]}" in unescape(page)
    form = page_of(acting, clerk(POLICE), "/cases/case-1/acts/measure.imposed").text
    assert f'<option value="{WANG}">suspect · {NAMES[WANG]}</option>' in unescape(form)
    sentence = post(acting, clerk(POLICE), "/cases/case-1/drafts/measure.imposed", FORMS["measure.imposed"]).text
    assert NAMES[WANG] in re.findall(r'<p class="sentence">([^<]*)</p>', sentence)[0]
    page = page_of(acting, auditor(PROCURATORATE), "/cases/case-1?tab=persons").text
    assert f"suspect {LI[:12]}…" in unescape(page)
    assert NAMES[LI] not in page


def test_more_acts_than_one_consent_takes_are_refused_before_they_are_drafted(acting: Served) -> None:
    """Of items beside one another, and of offers of the inbox: no draft is made, of which each records a read."""
    before = acting.reads()
    coin = {"item_kind": "exhibit", "description": "a coin"}
    items = {f"new:{number}:{name}": text for number in range(MAX_ACTS + 1) for name, text in coin.items()}
    refused = post(acting, clerk(POLICE), "/cases/case-1/drafts/register", items)
    assert (refused.status_code, "at most 100 acts at once" in refused.text) == (400, True)
    assert acting.reads() <= before + 1, "of the case, not of each draft"
    before = acting.reads()
    picked = {"handover": [f"case-1/handover-{number}" for number in range(MAX_ACTS + 1)]}
    refused = acting.request(
        "POST", "/console/inbox/drafts", data=picked, headers={**acting.cookie(clerk(POLICE)), **OWN}
    )
    assert (refused.status_code, "at most 100 acts at once" in refused.text) == (400, True)
    assert acting.reads() == before


def test_what_all_rows_state_is_no_fault_of_a_row(acting: Served) -> None:
    """A time that is to come is refused by its own field, though a cell is to be mended too."""
    coins = [{"item_kind": "exhibit", "description": "a coin", "quantity": count} for count in ("1", "many")]
    rows = {f"new:{row}:{name}": text for row, cells in enumerate(coins, 1) for name, text in cells.items()}
    mended = post(acting, clerk(POLICE), "/cases/case-1/drafts/register", rows)
    assert re.findall(r'data-row="(\d)" data-path="(\w+)"', mended.text) == [("2", "quantity")]
    to_come = rows | {"occurred_at": "2030-01-01T09:00"}
    refused = post(acting, clerk(POLICE), "/cases/case-1/drafts/register", to_come)
    assert (refused.status_code, "when it is signed" in refused.text, "data-row" in refused.text) == (422, True, False)


def test_the_parts_of_a_form_are_taken_apart_in_one_pass() -> None:
    """In their order, by their numbers; as many as a form may have cost no more than its fields."""
    form = PostedForm([("new:2:a", "x"), ("new:1:a", "y"), ("newer:3:a", "z"), ("new:2:b:c", "w"), ("new:4", "v")])
    assert [part.below("") for part in form.parts("new")] == [{"a": "x", "b:c": "w"}, {"a": "y"}]
    long = PostedForm([(f"new:{number}:a", "x") for number in range(MOST_FIELDS)])
    begun = time.process_time()
    assert len(long.parts("new")) == MOST_FIELDS
    assert all(long.get(f"new:{number}:a") for number in range(MOST_FIELDS))
    assert time.process_time() - begun < 5, "a pass for each part takes minutes"


# Last: the event loop of the browser bars that of a service without one.
def test_a_person_is_named_and_bailed_in_the_browser(office: Office) -> None:
    """The name is signed in a confidential section, which the signer shows; the person can be chosen from then on."""
    office.record(Case().open())
    desk = office.at(clerk(POLICE), "/cases/case-1")
    desk.page.get_by_role("link", name="Record something else").click()
    assert axe_findings(desk.page) == []
    desk.page.get_by_role("link", name="Bring a person into a case, or a unit").click()
    assert axe_findings(desk.page) == []
    desk.page.get_by_label("Name").fill("Zhao Liu")
    desk.page.locator("#role").select_option("suspect")
    desk.page.get_by_role("button", name=READ).click()
    expect(desk.page.locator(".draft .sentence").first).to_contain_text("Zhao Liu")
    assert "brings Zhao Liu" in desk.sign()
    expect(desk.page.locator(".done")).to_contain_text("brings Zhao Liu")
    (person,) = office.state().persons.values()
    page = desk.go("/cases/case-1/acts/measure.imposed")
    page.locator("#person_id").select_option(person.person_id)
    page.locator("#measure").select_option("bail")
    page.get_by_label("Ground").fill("ill")
    page.get_by_role("button", name=READ).click()
    desk.sign()
    (measure,) = office.state().measures.values()
    assert (measure.person_id, measure.measure) == (person.person_id, "bail")
    expect(page.locator(".done")).to_contain_text("Recorded as entry")
