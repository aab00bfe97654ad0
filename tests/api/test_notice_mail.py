"""Mail of notices: for the key that gave the address, confirmed by a link, and arriving once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from api.auth.reading import Reading
from api.services import notices
from api.services.notice_mail import MOST, NoticeMail, forget_gone, last_digest, mail_server_of
from api.services.notices import LIMITS
from ledger.core.errors import MalformedInput
from ledger.interchange.mail.sender import BETWEEN_MS, CLAIM_MS, MailSender
from ledger.interchange.mail.smtp import Security, ServerAway
from ledger.notices.topics import TOPICS
from ledger.store import notices as stored
from tests.api.conftest import serving
from tests.api.console.pages import page_of, post
from tests.api.noticing import ask, later, noticed, put, session_of
from tests.api.service import Served, problem
from tests.testkit.builders import LAB, POLICE, PROCURATORATE, Officer, clerk, supervisor
from tests.testkit.casework import Case
from tests.testkit.mail_server import PASSWORD, Mailbox, mailbox_in, text_of
from tests.unit.store.plans import noted as statements_on

HOME, ELSEWHERE = "clerk@procuratorate.example", "somebody@elsewhere.example"
UNTIL = {"expires_at": "2026-03-09T01:00:00Z"}


class OtherKey(Officer):
    """An officer with another of his keys."""

    @property
    def label(self) -> str:
        return f"another key of {super().label}"


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


def sender_of(served: Served, settings: Any = None) -> MailSender:
    parts = served.parts
    return MailSender(parts.database, NoticeMail(parts), mail_server_of(settings or parts.settings), clock=parts.clock)


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


def test_mail_is_for_the_key_that_gave_the_address(tmp_path: Path, mailbox: Mailbox) -> None:
    """What this key may see and no more, though the officer's other key sees more; with the key mail ends, though the
    other is valid. The address before has one last message, which does not say where notices go."""
    first, second = Officer("w", PROCURATORATE, ("auditor",)), OtherKey("w", PROCURATORATE)
    with serving(tmp_path, mailbox.settings(), officers=(clerk(POLICE), first, second)) as served:
        case = served.record(Case().open().register("phone"))
        # Only a role that supervises sees this case of another agency.
        row = stored.Notice(
            agency=PROCURATORATE, topic="assigned", kind="case.assigned", case_id="case-1", subject="case-1", made_at=1
        )
        confirmed(served, mailbox, first)
        put(served, row)
        sender_of(served).step()
        assert [message["To"] for message in mailbox.taken] == [HOME]
        served.ledger.clock.forward(60)
        assert ask(served, second, "/address", address=ELSEWHERE).json()["confirmed"] is False
        put(served, row)
        for _ in range(3):
            sender_of(served).step()
        _, last, link = mailbox.taken
        assert (last["To"], link["To"]) == (HOME, ELSEWHERE)
        assert "no notices of this ledger are sent to this address" in text_of(last)
        assert ELSEWHERE not in text_of(last)
        token = {"token": link_of(link, "confirm").partition("token=")[2]}
        assert post(served, None, "/notices/confirm", token).status_code == 200
        served.ledger.clock.forward(60)
        mailbox.taken.clear()
        put(served, row)
        sender_of(served).step()
        assert mailbox.taken == []
        served.record(case.offer("phone", to=PROCURATORATE, purpose="prosecution_review"))
        noticed(served)
        sender_of(served).step()
        assert [message["To"] for message in mailbox.taken] == [ELSEWHERE]
        served.mirror(served.ledger.changes.revoke(second).bodies[-1])
        served.record(case.recall())
        noticed(served)
        served.ledger.clock.forward(60)
        sender_of(served).step()
        assert len(mailbox.taken) == 1
        assert served.get("/api/v1/notices/settings", first).json()["address"] is None
        assert post(served, None, "/notices/confirm", token).status_code == 404
        forget_gone(served.parts)
        with served.ledger.database.read() as connection:
            assert stored.subscriber(connection, PROCURATORATE, "w").address is None
            assert stored.everybody(connection) == [(PROCURATORATE, "w")]


def test_who_ends_his_mail_has_one_last_message(mailing: Served, mailbox: Mailbox) -> None:
    """One that is refused is given up, so nobody waits for it; the link of a former address changes nothing."""
    by = clerk(LAB)
    confirmed(mailing, mailbox, by)
    with mailing.ledger.database.read() as connection:
        row = stored.subscriber(connection, LAB, by.officer_id)
    ask(mailing, by, "/address", address=None)
    assert stored.changed(mailing.ledger.database, row, ("address", "key_id"), confirmation="x") is None
    for _ in range(2):
        sender_of(mailing).step()
    assert [message["Subject"] for message in mailbox.taken] == ["No more notices"]
    confirmed(mailing, mailbox, by)
    mailbox.answer = "550 nobody"
    ask(mailing, by, "/address", address=None)
    for failing in (1, 1, 1, 0):
        sender_of(mailing).step()
        with mailing.ledger.database.read() as connection:
            assert stored.mail_state(connection).failing == failing
        mailing.ledger.clock.forward(40)
    mailbox.answer = ""
    sender_of(mailing).step()
    assert mailbox.taken == []


def test_a_row_that_cannot_be_read_stops_no_other_mail(mailing: Served, mailbox: Mailbox) -> None:
    """It counts as failed, and the others are sent to."""
    confirmed(mailing, mailbox, clerk(LAB))
    confirmed(mailing, mailbox, clerk(PROCURATORATE), ELSEWHERE)
    stored.keep(mailing.ledger.database, LAB, clerk(LAB).officer_id, choices="{", next_try_at=0)
    case = Case().open().register("phone", "knife").offer("phone", to=LAB, purpose="forensic_examination")
    mailing.record(case.offer("knife", to=PROCURATORATE, purpose="prosecution_review"))
    noticed(mailing)
    sender_of(mailing).step()
    assert [message["To"] for message in mailbox.taken] == [ELSEWHERE]
    with mailing.ledger.database.read() as connection:
        assert stored.mail_state(connection).failing == 1


def test_only_what_changes_begins_anew(mailing: Served, mailbox: Mailbox) -> None:
    """Who saves what he had loses nothing that waits; what was mailed at once is not mailed again once a day."""
    by, clock = clerk(LAB), mailing.ledger.clock
    confirmed(mailing, mailbox, by, offered="once")
    mailing.record(Case().open().register("phone").offer("phone", to=LAB, purpose="forensic_examination"))
    noticed(mailing)
    for rhythm, sent in (("once", 1), ("daily", 1)):
        wanted = {topic: {"browser": False, "mail": "none"} for topic in TOPICS}
        wanted["offered"] = {"browser": True, "mail": rhythm}
        assert ask(mailing, by, "/settings", choices=wanted).status_code == 200
        later(mailing, 60)
        sender_of(mailing).step()
        assert len(mailbox.taken) == sent
    clock.ms = last_digest(mailing.parts.zone(), 8, clock() + 86_400_000)
    sender_of(mailing).step()
    assert len(mailbox.taken) == 1


def test_what_waits_for_daily_mail_goes_out_at_once_if_that_is_chosen(mailing: Served, mailbox: Mailbox) -> None:
    """It comes once, and not again with the next daily mail; a topic that was not mailed begins with what comes."""
    by, clock = clerk(LAB), mailing.ledger.clock
    confirmed(mailing, mailbox, by, offered="daily")
    case = Case().open().register("phone").offer("phone", to=LAB, purpose="forensic_examination")
    mailing.record(case)
    letter = {"agency": LAB, "topic": "letter", "kind": "letter.sent", "case_id": "case-1", "subject": "letter-1"}
    noticed(mailing)
    put(mailing, stored.Notice(**letter, made_at=clock()))
    sender_of(mailing).step()
    assert mailbox.taken == []
    wanted = {topic: {"browser": True, "mail": "none"} for topic in TOPICS}
    wanted |= {topic: {"browser": True, "mail": "once"} for topic in ("offered", "letter")}
    later(mailing, 60)
    assert ask(mailing, by, "/settings", choices=wanted).status_code == 200
    sender_of(mailing).step()
    (message,) = mailbox.taken
    assert "/notices/1\n" in text_of(message)
    clock.ms = last_digest(mailing.parts.zone(), 8, clock() + 86_400_000)
    sender_of(mailing).step()
    assert len(mailbox.taken) == 1


def test_who_is_told_nothing_new_costs_one_short_question(tmp_path: Path, mailbox: Mailbox) -> None:
    """His notices are not looked through again, though others of his agency, or of his number elsewhere, wait too."""
    waiting = [Officer("w1", PROCURATORATE), Officer("w2", PROCURATORATE), Officer("w1", LAB)]
    with serving(tmp_path, mailbox.settings(), officers=(clerk(POLICE), *waiting)) as served:
        for number, officer in enumerate(waiting):
            confirmed(served, mailbox, officer, f"{number}@procuratorate.example")
        sender = sender_of(served)
        sender.step()
        with statements_on(served.ledger.database.log) as statements:
            sender.step()
        assert [text for text in statements if "FROM notices" in text] != []
        assert [text for text in statements if "notice_reads" in text] == []


def test_what_does_not_go_into_one_message_goes_into_the_next(mailing: Served, mailbox: Mailbox) -> None:
    """More may wait when a message is made than when it was planned."""
    confirmed(mailing, mailbox, clerk(LAB))
    mailing.record(Case().open().register("phone").offer("phone", to=LAB, purpose="forensic_examination"))
    row = stored.Notice(agency=LAB, topic="offered", kind="handover.recalled", case_id="case-1", subject="h", made_at=1)
    put(mailing, *[row] * (MOST + 10))
    stored.keep(mailing.ledger.database, LAB, clerk(LAB).officer_id, once_to=MOST + 10)
    for _ in range(3):
        sender_of(mailing).step()
        mailing.ledger.clock.forward(60)
    assert [message["Subject"] for message in mailbox.taken] == [
        f"Notices of this ledger: {count}" for count in (MOST, 10)
    ]


def test_no_claim_ends_before_its_message(mailbox: Mailbox) -> None:
    """From connecting to the end of a message a server answers at most fourteen times."""
    assert 14 * 1000 * mailbox.settings(smtp_timeout_s=20).smtp_timeout_s < CLAIM_MS
    with pytest.raises(ValueError, match="smtp_timeout_s"):
        mailbox.settings(smtp_timeout_s=21)


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
    assert "until 2026-03-09 09:00" in text
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
