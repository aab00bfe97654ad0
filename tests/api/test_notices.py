"""Notices: whom something is new for, what he may see of it when it is shown or sent, and mail that arrives once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import msgspec
import pytest

from api.auth.reading import Reading
from api.auth.sessions import ReaderSession
from api.services import notices
from api.services.notice_mail import NoticeMail, forget_gone, last_digest, mail_server_of
from api.services.notices import LIMITS
from ledger.core.errors import MalformedInput
from ledger.core.events import case as acts
from ledger.core.events import handover as halves
from ledger.core.events.letter import LetterSent
from ledger.core.signing.authority import Grant
from ledger.deadlines.upkeep import warn
from ledger.interchange.mail.sender import BETWEEN_MS, MailSender
from ledger.interchange.mail.smtp import Security, ServerAway
from ledger.notices.noticing import KEPT_MS, notice
from ledger.notices.topics import TOPICS
from ledger.store import cases, supervision
from ledger.store import notices as stored
from ledger.store.database import open_database
from ledger.store.notices import NoticeFilter
from tests.api.conftest import serving
from tests.api.console.pages import page_of, post
from tests.api.matrix import AGENCY, RELATIONS, ROLES, World, reader
from tests.api.service import Served, problem
from tests.testkit.builders import COURT, LAB, POLICE, PROCURATORATE, UPPER_COURT, Officer, analyst, clerk, supervisor
from tests.testkit.casework import Case
from tests.testkit.ledgers import Untried, assemble
from tests.testkit.mail_server import PASSWORD, Mailbox, mailbox_in, text_of
from tests.testkit.supervision import UPPER, Lead, Model, Recommendation, assigned, transferred

HOME = "clerk@procuratorate.example"
UNTIL = {"expires_at": "2026-03-09T01:00:00Z"}


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[Mailbox]:
    """Yield a mail server of the test's own."""
    with mailbox_in(tmp_path) as running:
        yield running


@pytest.fixture
def mailing(tmp_path: Path, mailbox: Mailbox) -> Iterator[Served]:
    """Yield a service that sends mail."""
    with serving(tmp_path, mailbox.settings()) as service:
        yield service


def noticed(served: Served) -> int:
    return notice(served.ledger.database, served.ledger.validator, served.ledger.clock())


def sender_of(served: Served, settings: Any = None) -> MailSender:
    parts = served.parts
    return MailSender(parts.database, NoticeMail(parts), mail_server_of(settings or parts.settings), clock=parts.clock)


def listed(served: Served, by: Officer, **query: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = served.get("/api/v1/notices", by, **query).json()["notices"]
    return rows


def kinds(served: Served, by: Officer) -> list[str]:
    return [row["kind"] for row in listed(served, by)][::-1]


def ask(served: Served, by: Officer, path: str, **body: Any) -> Any:
    return served.post(f"/api/v1/notices{path}", msgspec.json.encode(body), **served.token(by))


def later(served: Served, seconds: int) -> None:
    """Let time pass, and who was signed in sign in again."""
    served.ledger.clock.forward(seconds)
    served.forget_tokens()


def link_of(message: EmailMessage, page: str) -> str:
    """Return the path of the link to this page of the console."""
    links = re.findall(rf"https://ledger\.test/console(/notices/{page}\?token=\S+)", text_of(message))
    assert len(links) == 1, text_of(message)
    return str(links[0])


def confirmed(served: Served, mailbox: Mailbox, by: Officer, address: str = HOME, **choice: str) -> None:
    """Let the officer give the address and open the link in the mail; ``choice`` is how topics are mailed to him."""
    if choice:
        wanted = {topic: {"browser": True, "mail": choice.get(topic, "none")} for topic in TOPICS}
        assert ask(served, by, "/settings", choices=wanted).status_code == 200
    assert ask(served, by, "/address", address=address).status_code == 200
    sender_of(served).step()
    _, _, token = link_of(mailbox.to(address)[-1], "confirm").partition("token=")
    assert post(served, None, "/notices/confirm", {"token": token}).status_code == 200
    mailbox.taken.clear()
    served.ledger.clock.forward(BETWEEN_MS // 1000)


# -- whom something is new for -----------------------------------------------------------------------------------------


def test_each_side_of_a_handover_is_told(served: Served) -> None:
    """What is offered, taken back, refused and accepted, with a difference that the acceptance states; each to the
    other side alone, by the number of the case, with the page on which it is worked."""
    case = Case().open().register("phone", "knife")
    case.offer("knife", to=LAB, purpose="forensic_examination").recall()
    case.offer("knife", to=LAB, purpose="forensic_examination").refuse()
    case.offer("phone", to=PROCURATORATE, purpose="prosecution_review", **UNTIL)
    served.record(case)
    assert noticed(served) == 5
    (row,) = listed(served, clerk(PROCURATORATE))
    assert (row["case_number"], row["until"], row["is_open"]) == (case.state.numbers[POLICE], UNTIL["expires_at"], True)
    assert row["page"] == f"/cases/case-1/handovers/{case.open_handover().handover_id}"
    assert PROCURATORATE not in row["says"]
    assert kinds(served, clerk(LAB)) == ["handover.offered", "handover.recalled", "handover.offered"]
    assert kinds(served, clerk(POLICE)) == ["handover.refused"]
    case.accept(received=(halves.ReceivedItem("phone", "mismatch", seal_state="broken"),))
    served.record(case)
    assert noticed(served) == 2
    assert kinds(served, clerk(POLICE))[1:] == ["handover.accepted", "discrepancy.raised"]
    assert not any(row["is_open"] for row in listed(served, clerk(PROCURATORATE)))


def test_letters_assignments_and_deadlines_reach_whom_they_concern(served: Served) -> None:
    """A letter its addressee, also one that sees nothing else of the case and so no number; an assignment and the
    warnings of a clock their officer, and a supervisor the deadlines that others handle."""
    case = Case().open().name("li").impose("li", "residential_surveillance").register("phone")
    case.say(acts.CaseAssigned, None, department="squad 2", handler=clerk(POLICE).officer_id)
    case.say(acts.CaseAssigned, supervisor(POLICE), department="squad 2", handler=clerk(POLICE).officer_id)
    case.say(LetterSent, None, letter_id="l-1", kind="file_reading_notice", to_agency=COURT, item_ids=("phone",))
    served.record(case)
    last = int(served.ledger.clock() + 181 * 86_400_000)
    assert warn(served.ledger.database, last, served.parts.zone()) == 1
    noticed(served)
    assert kinds(served, clerk(POLICE)) == ["case.assigned", "deadline"]  # by himself he is told of nothing
    assert kinds(served, supervisor(POLICE)) == ["deadline"]
    (row,) = listed(served, clerk(COURT))
    assert (row["kind"], row["case_number"], row["page"]) == ("letter.sent", None, "/cases/case-1/letters/l-1")
    assert "days left" in listed(served, clerk(POLICE))[0]["says"]


def test_leads_and_recommendations_reach_whom_they_concern(tmp_path: Path) -> None:
    """The officer to whom a lead is assigned and no other, the agency that it concerns, those that it goes to; the
    number of no case and the name of no agency is in what is said of it. A lead that has gone on is seen no more."""
    chief, worker = supervisor(PROCURATORATE), clerk(PROCURATORATE)
    people = (
        analyst(PROCURATORATE),
        chief,
        worker,
        clerk(PROCURATORATE, 2),
        clerk(POLICE),
        supervisor(POLICE),
        supervisor(UPPER),
    )
    with serving(tmp_path, officers=people, tries_models=False) as served:
        lead = Lead(step=1).raised().act(assigned(handler=worker.officer_id), chief)
        for stream in (Model(step=1).published(), lead, Recommendation(step=1).issued(chief)):
            for event in stream.events:
                served.ledger.post(event)
        noticed(served)
        assert kinds(served, worker) == ["lead.assigned"]
        assert kinds(served, clerk(PROCURATORATE, 2)) == []
        assert kinds(served, clerk(POLICE)) == ["lead.notified", "recommendation.issued"]
        assert [row["case_number"] for row in listed(served, clerk(POLICE))] == [None, None]
        assert POLICE not in listed(served, worker)[0]["says"]
        lead.act(transferred(UPPER), chief)
        served.ledger.post(lead.last)
        noticed(served)
        assert kinds(served, supervisor(UPPER)) == ["lead.transferred"]
        assert kinds(served, worker) == []


def test_a_killed_service_goes_on_where_it_was_and_two_store_nothing_twice(served: Served) -> None:
    """Position and notices are stored together: whatever was not committed is derived again, by whichever process."""
    case = served.record(Case().open().register("phone").offer("phone", to=LAB, purpose="forensic_examination"))
    database = open_database(served.ledger.database.url)
    second = assemble(database, served.ledger.clock, Untried())
    with database.read() as connection:
        before = stored.position(connection)
    assert noticed(served) == 1
    late = stored.Notice(agency=LAB, topic="offered", kind="handover.offered", subject="h", made_at=1)
    assert not stored.store(database, before, [late], before)  # derived from the same entries, and stored later
    served.record(case.recall())
    assert (notice(database, second.validator, 0), noticed(served)) == (1, 0)
    assert [row["number"] for row in listed(served, clerk(LAB))] == [2, 1]
    later(served, KEPT_MS // 1000 + 86_400)
    case.now = served.ledger.clock.seconds
    assert served.submit(case.offer("phone", to=LAB, purpose="forensic_examination").last).status_code == 201
    noticed(served)
    assert [row["number"] for row in listed(served, clerk(LAB))] == [
        3
    ]  # what is old is forgotten, no number comes again
    database.close()


def test_what_is_read_is_read_and_choices_are_kept(served: Served) -> None:
    """One notice by opening it, all at once; who wants none of a topic sees none; the bell counts the rest."""
    case = Case().open().register("phone", "knife")
    case.offer("phone", to=LAB, purpose="forensic_examination").offer("knife", to=LAB, purpose="forensic_examination")
    served.record(case)
    noticed(served)
    lab = clerk(LAB)
    assert 'data-count="2"' in page_of(served, lab, "/").text
    opened = page_of(served, lab, "/notices/1")
    assert (opened.status_code, opened.headers["location"]) == (303, "/console/cases/case-1/handovers/handover-1")
    assert [row["is_read"] for row in listed(served, lab)] == [False, True]
    assert 'data-count="1"' in page_of(served, lab, "/notices/bell").text
    assert ask(served, clerk(POLICE), "/read", numbers=[2]).status_code == 200  # another agency's: nothing is marked
    problem(ask(served, lab, "/read", numbers=[10**30]), 400, "malformed_input", "numbers[0]")
    assert [row["says"] for row in listed(served, lab, lang="zh-CN")] == [f"{POLICE}机关向本机关移送。"] * 2
    assert post(served, lab, "/notices/read", {}).status_code == 303
    assert [row["is_read"] for row in listed(served, lab)] == [True, True]
    assert 'data-count="0"' in page_of(served, lab, "/notices").text
    form = {"browser:answered": "on", "mail:offered": "daily"}
    assert post(served, lab, "/notices/settings", form).status_code == 303
    assert listed(served, lab) == []
    settings = served.get("/api/v1/notices/settings", lab).json()
    assert settings["choices"]["offered"] == {"browser": False, "mail": "daily"}
    assert (settings["sends_mail"], settings["address"]) == (False, None)
    problem(ask(served, lab, "/address", address=HOME), 422, "no_mail", "address")
    assert 'id="bell"' not in page_of(served, None, "/notices/bell").text


# Of each kind of subject one notice for the agency of each relation, as if it had been derived for it.
SUBJECTS = {
    "handover.accepted": ("answered", "case-1", "handover-1"),
    "discrepancy.raised": ("discrepancy", "case-1", "handover-1"),
    "case.assigned": ("assigned", "case-1", "case-1"),
    "deadline": ("due", "case-1", "letter-1"),
    "lead.answered": ("lead", "", Lead().body.lead_id),
    "recommendation.answered": ("recommendation", "", "phone"),
}


def session_of(officer: Officer) -> ReaderSession:
    return ReaderSession(Grant(officer.key_id, officer.agency, officer.officer_id, officer.roles, 1, 0, 2**40, 0))


def test_lists_ask_the_one_rule_of_visibility(world: World) -> None:
    """For each relation to a case, each role, and each kind of subject: a notice is listed if, by the rule, the reader
    sees the subject now, and of a clock of a letter also if the letter is to his agency; else it is not there."""
    database = world.served.ledger.database
    rows = [
        stored.Notice(agency=AGENCY[relation], topic=topic, kind=kind, case_id=case_id, subject=subject, made_at=1)
        for relation in RELATIONS
        for kind, (topic, case_id, subject) in SUBJECTS.items()
    ]
    with database.read() as connection:
        before = stored.position(connection)
    assert stored.store(database, before, rows, before)
    shown = hidden = 0
    for relation in RELATIONS:
        for role in ROLES:
            officer = reader(relation, role)
            reading = Reading(world.served.parts, session_of(officer), world.served.parts.authority())
            wanted = NoticeFilter(officer.officer_id, TOPICS, of_others=True)
            with database.read() as connection:
                listed_kinds = {row.kind for row in stored.listed(connection, reading.reader, wanted, limit=100)}
                sees_case = cases.sight(connection, "case-1", reading.reader) is not None
                to_it = officer.agency == UPPER_COURT
                of_matter = {
                    stream: supervision.sight(connection, stream, reading.reader) is not None
                    for stream in (Lead().body.lead_id, "recommendation-phone")
                }
                expected = {
                    "handover.accepted": sees_case,
                    "discrepancy.raised": sees_case,
                    "case.assigned": sees_case,
                    "deadline": sees_case or to_it,
                    "lead.answered": of_matter[Lead().body.lead_id],
                    "recommendation.answered": of_matter["recommendation-phone"],
                }
            assert listed_kinds == {kind for kind, may in expected.items() if may}, (relation, role)
            shown, hidden = shown + len(listed_kinds), hidden + len(expected) - len(listed_kinds)
    assert shown > 0 < hidden


# -- mail --------------------------------------------------------------------------------------------------------------


def test_an_address_is_sent_nothing_but_a_link_until_it_is_confirmed(mailing: Served, mailbox: Mailbox) -> None:
    """Opening the link confirms nothing, its button does; a link of another address or a day later holds no more."""
    case = mailing.record(Case().open().register("phone"))
    by = clerk(PROCURATORATE)
    assert ask(mailing, by, "/address", address=HOME).json()["confirmed"] is False
    mailing.record(case.offer("phone", to=PROCURATORATE, purpose="prosecution_review"))
    noticed(mailing)
    for _ in range(3):
        sender_of(mailing).step()
        later(mailing, 600)
    (first,) = mailbox.taken
    assert "case-1" not in text_of(first)
    assert first["List-Unsubscribe"] is None
    path = link_of(first, "confirm")
    assert page_of(mailing, None, path).status_code == 200
    assert mailing.get("/api/v1/notices/settings", by).json()["confirmed"] is False
    ask(mailing, by, "/address", address="other@procuratorate.example")
    token = {"token": path.partition("token=")[2]}
    assert post(mailing, None, "/notices/confirm", token).status_code == 404
    sender_of(mailing).step()
    token = {"token": link_of(mailbox.taken[-1], "confirm").partition("token=")[2]}
    later(mailing, 25 * 3600)
    assert post(mailing, None, "/notices/confirm", token).status_code == 404
    assert post(mailing, None, "/notices/confirm", {"token": "x" * 40}).status_code == 404


def test_links_are_limited(mailing: Served, mailbox: Mailbox) -> None:
    """Nobody fills a stranger's box."""
    by = clerk(POLICE)
    for number in range(LIMITS.of_officer):
        assert ask(mailing, by, "/address", address=f"a{number}@police.example").status_code == 200
    problem(ask(mailing, by, "/address", address="b@police.example"), 409, "too_many_links", "address")
    assert ask(mailing, by, "/address", address=None).json()["address"] is None
    problem(ask(mailing, by, "/address", address="b@police.example"), 409, "too_many_links", "address")
    for wrong in (
        "nobody",
        "a b@police.example",
        "a@police",
        "a@police.example\r\nBcc: b@c.example",
        "ä@police.example",
    ):
        problem(ask(mailing, supervisor(POLICE), "/address", address=wrong), 400, "malformed_input", "address")
    later(mailing, 86_400)
    assert ask(mailing, by, "/address", address="b@police.example").status_code == 200
    sender_of(mailing).step()
    assert [message["To"] for message in mailbox.taken] == ["b@police.example"]


def test_only_addresses_of_the_allowed_domains_are_sent_to(mailing: Served, mailbox: Mailbox) -> None:
    """No other can be given; one that was confirmed before the domains were limited gets nothing, and is not shown."""
    by = clerk(LAB)
    confirmed(mailing, mailbox, by)
    mailing.record(Case().open().register("phone").offer("phone", to=LAB, purpose="forensic_examination"))
    noticed(mailing)
    limited = replace(mailing.parts, settings=mailbox.settings(mail_domains="Lab.example, b.example"))
    reading = Reading(limited, session_of(by), limited.authority())
    assert notices.settings_of(limited, reading).address is None
    MailSender(limited.database, NoticeMail(limited), mail_server_of(limited.settings), clock=limited.clock).step()
    assert mailbox.taken == []
    sender_of(mailing).step()
    assert [message["To"] for message in mailbox.taken] == [HOME], "it waits for nothing but the domain"
    for address in ("clerk@a.lab.example", HOME):
        with pytest.raises(MalformedInput, match=r"b\.example, lab\.example"):
            notices.give_address(limited, reading, address, "en")
    notices.give_address(limited, reading, "clerk@LAB.example", "en")
    assert notices.settings_of(limited, reading).address == "clerk@lab.example"


def test_mail_says_little_and_is_for_who_may_see_it_when_it_is_sent(mailing: Served, mailbox: Mailbox) -> None:
    """At once: the number, what was done and by whom, until when and a link; no name of a person or thing. Nothing of
    what was taken back before, nothing to who has no key any more, whose address is deleted."""
    confirmed(mailing, mailbox, clerk(PROCURATORATE))
    case = Case().open().name("li").register("phone")
    case.offer("phone", to=PROCURATORATE, purpose="prosecution_review", persons=("li",), **UNTIL)
    mailing.record(case)
    noticed(mailing)
    before = mailing.reads()
    sender_of(mailing).step()
    (message,) = mailbox.taken
    text = text_of(message)
    assert message["Subject"].startswith(f"{case.state.numbers[POLICE]}: ")
    assert "https://ledger.test/console/notices/1" in text
    assert "Until 2026-03-09 09:00" in text
    assert not re.search(r"phone|\bli\b|prosecution|case-1|handover-1", text)
    assert mailing.reads() == before + 1
    mailing.record(case.recall())
    mailing.record(case.offer("phone", to=PROCURATORATE, purpose="prosecution_review").recall())
    noticed(mailing)
    mailing.ledger.clock.forward(120)
    sender_of(mailing).step()
    assert not any("makes an offer" in text_of(each) for each in mailbox.taken[1:])
    mailing.record(case.offer("phone", to=PROCURATORATE, purpose="prosecution_review"))
    noticed(mailing)
    mailing.mirror(mailing.ledger.changes.revoke(clerk(PROCURATORATE)).bodies[-1])
    mailbox.taken.clear()
    mailing.ledger.clock.forward(120)
    sender_of(mailing).step()
    assert mailbox.taken == []
    forget_gone(mailing.parts)
    with mailing.ledger.database.read() as connection:
        assert stored.everybody(connection) == []


def test_a_message_that_is_sent_again_is_the_same(mailing: Served, mailbox: Mailbox) -> None:
    """Killed between commit and sending, or between sending and settling: the next service sends what was planned,
    under its id, without what came since. A server that refuses is asked later and later, and nothing is lost."""
    confirmed(mailing, mailbox, clerk(LAB))
    case = Case().open().register("phone", "knife").offer("phone", to=LAB, purpose="forensic_examination")
    mailing.record(case)
    noticed(mailing)
    killed = sender_of(mailing)
    with mailing.ledger.database.read() as connection:
        (row,) = stored.reachable(connection, mailing.ledger.clock())
    planned = killed.source.plan(row)
    assert planned == {"once_to": 1}
    claimed = stored.changed(killed.database, row, **planned, next_try_at=mailing.ledger.clock() + 300_000)
    assert claimed is not None
    assert stored.changed(killed.database, row, **planned, next_try_at=1) is None  # a second process comes too late
    lost, _ = killed.source.compose(claimed)
    mailing.record(case.offer("knife", to=LAB, purpose="forensic_examination"))
    noticed(mailing)
    sender_of(mailing).step()
    assert mailbox.taken == []  # the claim stands
    mailing.ledger.clock.forward(301)
    mailbox.answer = "451 not now"
    pauses = []
    for _ in range(3):
        at = mailing.ledger.clock()
        sender_of(mailing).step()
        with mailing.ledger.database.read() as connection:
            waiting = stored.subscriber(connection, LAB, clerk(LAB).officer_id)
            state = stored.mail_state(connection)
        assert (state.failing, state.last_error) == (1, "the mail server refuses the message: 451")
        pauses.append((waiting.next_try_at - at) // 1000)
        mailing.ledger.clock.forward(pauses[-1])
    assert pauses == [5, 10, 20]
    mailbox.answer = ""
    sender_of(mailing).step()
    mailing.ledger.clock.forward(60)
    sender_of(mailing).step()
    sender_of(mailing).step()
    first, second = mailbox.taken
    assert lost is not None
    assert first["Message-ID"] == lost["Message-ID"] != second["Message-ID"]
    assert ("/notices/1" in text_of(first), "/notices/2" in text_of(first)) == (True, False)
    assert "/notices/2" in text_of(second)


def test_a_digest_comes_once_a_day_at_its_hour_in_the_zone_of_the_ledger(mailing: Served, mailbox: Mailbox) -> None:
    """What was made before the hour, in one message; what comes later waits for the next day; what a colleague has
    settled meanwhile is left out."""
    confirmed(mailing, mailbox, clerk(LAB), offered="daily")
    case = Case().open().register("phone", "knife", "coins")
    for item in ("phone", "knife"):
        case.offer(item, to=LAB, purpose="forensic_examination")
    mailing.record(case)
    noticed(mailing)
    zone, clock = mailing.parts.zone(), mailing.ledger.clock
    sender_of(mailing).step()
    assert mailbox.taken == []
    boundary = last_digest(zone, 8, clock() + 86_400_000)
    mailing.record(case.refuse("handover-1"))
    clock.ms = boundary - 1000
    sender_of(mailing).step()
    assert mailbox.taken == []
    clock.ms = boundary
    sender_of(mailing).step()
    sender_of(mailing).step()
    (digest,) = mailbox.taken
    assert digest["Subject"] == "Notices of this ledger: 1"
    assert ("/notices/1\n" in text_of(digest), "/notices/2\n" in text_of(digest)) == (False, True)
    clock.forward(3600)
    case.now = clock.seconds
    assert mailing.submit(case.offer("coins", to=LAB, purpose="forensic_examination").last).status_code == 201
    noticed(mailing)
    sender_of(mailing).step()
    clock.forward(22 * 3600 + 3599)
    sender_of(mailing).step()
    assert len(mailbox.taken) == 1
    clock.forward(2)
    sender_of(mailing).step()
    assert len(mailbox.taken) == 2


@pytest.mark.parametrize("way", ["one click", "page"])
def test_mail_ends_by_its_own_link(mailing: Served, mailbox: Mailbox, way: str) -> None:
    """By the one click of a mail program, or by the page; nobody signs in, and the address is deleted."""
    by = clerk(LAB)
    confirmed(mailing, mailbox, by)
    case = Case().open().register("phone").offer("phone", to=LAB, purpose="forensic_examination")
    mailing.record(case)
    noticed(mailing)
    sender_of(mailing).step()
    (message,) = mailbox.taken
    link = str(message["List-Unsubscribe"]).strip("<>").removeprefix("https://ledger.test")
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    if way == "one click":
        answer = mailing.request("POST", link, data={"List-Unsubscribe": "One-Click"})
        assert answer.json() == {"address": HOME}
    else:
        assert mailing.request("GET", link).headers["location"].startswith("/console/notices/unsubscribe?token=")
        path = link_of(message, "unsubscribe")
        assert HOME in page_of(mailing, None, path).text
        token = {"token": path.partition("token=")[2]}
        assert post(mailing, None, "/notices/unsubscribe", token).status_code == 200
    assert mailing.get("/api/v1/notices/settings", by).json()["address"] is None
    assert mailing.request("POST", link).status_code == 200
    problem(mailing.request("POST", link[:-4]), 404, "not_found", "token")


def test_an_address_that_was_put_into_the_database_gets_nothing(mailing: Served, mailbox: Mailbox) -> None:
    """The seal of the confirmation is of officer and address, under a key that no database has."""
    confirmed(mailing, mailbox, clerk(LAB))
    stored.keep(mailing.ledger.database, LAB, clerk(LAB).officer_id, address="thief@elsewhere.example")
    mailing.record(Case().open().register("phone").offer("phone", to=LAB, purpose="forensic_examination"))
    noticed(mailing)
    sender_of(mailing).step()
    assert mailbox.taken == []


def test_a_server_that_is_away_or_refuses_the_login_is_asked_later(
    mailing: Served, mailbox: Mailbox, capfd: pytest.CaptureFixture[str]
) -> None:
    """One attempt for all who wait; neither the password nor an address is in what is logged or kept."""
    confirmed(mailing, mailbox, clerk(LAB))
    mailing.record(Case().open().register("phone").offer("phone", to=LAB, purpose="forensic_examination"))
    noticed(mailing)
    refusing = sender_of(mailing, mailbox.settings(smtp_password="another"))
    refusing.step()
    tried = len(mailbox.logins)
    refusing.step()
    assert len(mailbox.logins) == tried > 1
    with mailing.ledger.database.read() as connection:
        state = stored.mail_state(connection)
    assert state.last_error == "the mail server refuses the login (535)"
    assert state.waiting_since is not None
    mailing.ledger.clock.forward(5)
    sender_of(mailing, mailbox.settings(smtp_roots=None)).step()
    with mailing.ledger.database.read() as connection:
        assert "certificate" in str(stored.mail_state(connection).last_error)
    mailing.ledger.clock.forward(10)
    sender_of(mailing).step()
    assert len(mailbox.taken) == 1
    logged = "".join(capfd.readouterr())
    assert not [secret for secret in (PASSWORD, "another", HOME) if secret in logged]


@pytest.mark.parametrize("security", ["starttls", "tls", "none"])
def test_a_server_is_reached_in_each_way(tmp_path: Path, security: Security) -> None:
    """Over TLS from the first byte or after a command, with a certificate that is checked; without it no login."""
    with mailbox_in(tmp_path, security) as mailbox:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "a@ledger.test", HOME, "A test"
        message.set_content("It arrives.")
        with mail_server_of(mailbox.settings()).connected() as connection:
            connection.send(message)
        assert [text_of(each).strip() for each in mailbox.taken] == ["It arrives."]
    with pytest.raises(ServerAway, match="cannot be reached"), mail_server_of(mailbox.settings()).connected():
        pass
