"""Mail of notices: what is due for an officer, in the words of a notice and with a link, and nothing of its case.

It depends on the key that gave the address: nothing is sent that this key may not see, and nothing once it has ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any
from urllib.parse import quote

from blake3 import blake3
from msgspec.structs import replace

from api.auth.reading import Reading
from api.auth.sessions import ReaderSession
from api.services import notices as service
from api.services.notices import NoticeView
from api.services.parts import Parts
from api.services.service import Cursors
from api.texts import Texts
from ledger.config.settings import Settings
from ledger.core.messages import Message
from ledger.core.procedure.zones import Zone
from ledger.i18n import PROCEDURES_IN_USE, ZONE_IN_USE, Labels
from ledger.interchange.mail.smtp import MailServer
from ledger.store import notices
from ledger.store.notices import NumberedNotice, Subscriber

MOST = 50  # notices of one message
READ_AS = Message("notices by mail")


class NoticeMail:
    """Provides the messages that are sent. ``zone`` is that of the hour of daily mail."""

    def __init__(self, parts: Parts):
        self._parts = parts
        self._cursors = Cursors(parts.token_key)
        # What was looked at in vain, so that an officer for whom nothing is new costs one short question.
        self._in_vain: dict[tuple[str, str], tuple[Subscriber, int, int]] = {}

    def plan(self, row: Subscriber) -> Mapping[str, int] | None:
        """Return the end of the message that is due, as values of the row; None if nothing is due."""
        if row.former is not None:
            return {}
        if not service.can_be_sent_to(self._parts, row):
            return None
        if row.to_confirm is not None or row.once_to is not None or row.daily_to is not None:
            return {}
        if not service.is_confirmed(self._cursors, row):
            return None
        now_ms = self._parts.clock()
        boundary = last_digest(self._parts.zone(), self._parts.settings.digest_hour, now_ms)
        with self._parts.database.read() as connection:
            last = notices.last_number(connection, row.agency)
        looked_at = (row, last, boundary)
        if self._in_vain.get((row.agency, row.officer)) == looked_at:
            return None
        with self._parts.database.read() as connection:
            last_of_day = notices.last_number(connection, row.agency, made_until=boundary)
        reading = self._reading(row)
        for rhythm, up_to in (("once", last), ("daily", last_of_day)):
            due = self._due(row, reading, rhythm, up_to)
            if due:
                # The whole message, so that it is the same when it is sent again.
                return {f"{rhythm}_to": due[-1].number}
        self._in_vain[row.agency, row.officer] = looked_at
        return None

    def compose(self, row: Subscriber) -> tuple[EmailMessage | None, Mapping[str, Any]]:
        """Return the planned message, and the values of the row once it is sent; None if he may see nothing of it.

        Raises Unavailable if it cannot be recorded that it was read.
        """
        PROCEDURES_IN_USE.set(tuple(self._parts.validator.procedures_in_force()))
        ZONE_IN_USE.set(self._parts.zone)
        if row.former is not None:
            return self._last(row), {"former": None}
        if row.to_confirm is not None:
            return self._confirming(row), {"to_confirm": None}
        rhythm = "daily" if row.once_to is None else "once"
        last = (row.daily_to if rhythm == "daily" else row.once_to) or 0
        reading = self._reading(row) if service.is_confirmed(self._cursors, row) else None
        if reading is None:
            return None, {f"{rhythm}_to": None}
        due = self._due(row, reading, rhythm, last)
        # More may wait by now than one message holds: the next goes on behind the last that is in this one.
        end = due[-1].number if len(due) == MOST else last
        wanted = service.by_mail(row, reading.session.grant.roles, rhythm)
        progress = {"mailed": service.mailed(row, wanted.topics, end), f"{rhythm}_to": None}
        if not due:
            return None, progress
        with self._parts.database.read() as connection:
            shown = service.views(connection, reading, due, Labels(row.language))
        case_ids = {notice.case_id for notice in due if notice.case_id}
        if case_ids:
            reading.record(READ_AS, *sorted(case_ids))
        after = min(wanted.behind.get(topic, 0) for topic in wanted.topics)
        return self._telling(row, shown, rhythm, f"{rhythm}.{after}-{last}"), progress

    def _reading(self, row: Subscriber) -> Reading | None:
        """Return the officer as a reader by the key that gave the address; None if it is not valid now."""
        grant = service.grant_of(self._parts, row)
        return None if grant is None else Reading(self._parts, ReaderSession(grant), self._parts.authority())

    def _due(self, row: Subscriber, reading: Reading | None, rhythm: str, up_to: int) -> list[NumberedNotice]:
        """Return the first notices that the reader may be mailed in this rhythm, by their numbers."""
        if reading is None:
            return []
        wanted = replace(service.by_mail(row, reading.session.grant.roles, rhythm), up_to=up_to)
        if not wanted.topics:
            return []
        with self._parts.database.read() as connection:
            return notices.listed(connection, reading.reader, wanted, limit=MOST)

    # -- the messages --------------------------------------------------------------------------------------------------

    def _last(self, row: Subscriber) -> EmailMessage | None:
        """Return the message that a former address has; None if it was none, or if the operator no longer allows it."""
        address, texts = service.former_address(self._cursors, row), Texts(row.language)
        if address is None or not self._parts.settings.allows_mail_to(address):
            return None
        lines = (
            texts("From now on no notices of this ledger are sent to this address."),
            texts("If you did not ask for that, sign in and look where they are sent: {url}", url=self._settings_page),
        )
        # ``asked_since`` and ``asked`` number the changes of an officer's address.
        name = f"last.{row.asked_since}.{row.asked}"
        return self._message(replace(row, address=address), texts("No more notices"), "\n\n".join(lines), name)

    def _confirming(self, row: Subscriber) -> EmailMessage:
        texts, token = Texts(row.language), service.link_to_confirm(self._cursors, row)
        agency = Labels(row.language).in_language(self._parts.authority().names()[row.agency])
        lines = (
            texts("An officer of {agency} wants notices of this ledger to be sent to this address.", agency=agency),
            texts("If that is you, open this address within a day and confirm it:"),
            self._url(f"/notices/confirm?token={token}"),
            texts("If it is not you, do nothing: nothing else will be sent to you."),
        )
        subject = texts("Confirm this address for notices")
        return self._message(row, subject, "\n\n".join(lines), f"confirm.{row.to_confirm}")

    def _telling(self, row: Subscriber, shown: list[NoticeView], rhythm: str, name: str) -> EmailMessage:
        texts = Texts(row.language)
        blocks = [self._block(view) for view in shown]
        if rhythm == "once" and len(shown) == 1:
            subject = _headed(shown[0])
        else:
            subject = texts("Notices of this ledger: {count}", count=len(shown))
        token = service.link_to_unsubscribe(self._cursors, row)
        footer = "\n".join(
            (
                "-- ",
                texts("Mail can be read on its way, so no more than this is said here. Sign in to see the rest."),
                texts("Choose what is mailed: {url}", url=self._settings_page),
                texts("End all mail to this address: {url}", url=self._url(f"/notices/unsubscribe?token={token}")),
            )
        )
        message = self._message(row, subject, "\n\n".join((*blocks, footer)), name)
        # RFC 8058: a mail program ends the mail by one click, without anybody signing in.
        message["List-Unsubscribe"] = f"<{self._parts.settings.url}/api/v1/notices/unsubscribe?token={quote(token)}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        return message

    def _block(self, view: NoticeView) -> str:
        lines = [_headed(view)]
        if view.in_time is not None and view.kind != "deadline":  # the sentence about a deadline says it
            lines.append(view.in_time)
        return "\n".join((*lines, self._url(f"/notices/{view.number}")))

    def _message(self, row: Subscriber, subject: str, text: str, name: str) -> EmailMessage:
        settings, message = self._parts.settings, EmailMessage()
        assert settings.mail_from is not None, "mail is sent where a sender is set"
        message["From"] = f"Tallystick <{settings.mail_from}>"
        message["To"] = row.address
        message["Subject"] = " ".join(subject.split())
        message["Date"] = formatdate(self._parts.clock() / 1000)
        # Of the address, so that the same notices to another one are another message.
        whose = blake3(f"{row.agency} {row.officer} {row.address}".encode()).hexdigest(length=8)
        message["Message-ID"] = f"<{name}.{whose}@{settings.mail_from.partition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence is answered
        message["Content-Language"] = row.language
        message.set_content(f"{text}\n", cte="base64")
        return message

    @property
    def _settings_page(self) -> str:
        return self._url("/notices/settings")

    def _url(self, path: str) -> str:
        return f"{self._parts.settings.url}/console{path}"


def _headed(view: NoticeView) -> str:
    """Return the sentence with the number of the case before it; what is of supervision has none."""
    return view.says if view.case_number is None else f"{view.case_number}: {view.says}"


def forget_gone(parts: Parts) -> None:
    """Delete the addresses that ended keys gave, and all that is stored of officers who have no valid key."""
    authority, now_s = parts.authority(), parts.clock() // 1000
    with parts.database.read() as connection:
        everybody = [notices.subscriber(connection, *each) for each in notices.everybody(connection)]
    for row in everybody:
        if not authority.valid_grants(row.agency, now_s, row.officer):
            notices.forget(parts.database, row.agency, row.officer)
        elif row.address is not None and service.grant_of(parts, row) is None:
            notices.end_mail(parts.database, row)


def last_digest(zone: Zone, hour: int, now_ms: int) -> int:
    """Return the last moment (unix milliseconds) at which clocks of the zone showed the hour of daily mail.

    On a day that lacks the hour it is the start of the day.
    """
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    day = zone.day_of(now)
    for each in (day, day - timedelta(days=1)):
        at = next(iter(zone.moments(datetime.combine(each, time(hour)))), zone.start_of(each))
        if at <= now:
            return int(at.timestamp() * 1000)
    return int(zone.start_of(day).timestamp() * 1000)


def mail_server_of(settings: Settings) -> MailServer:
    """Return the mail server of the settings, which must name one."""
    assert settings.smtp_host is not None, "mail is sent where a server is set"
    return MailServer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=settings.smtp_security,
        user=settings.smtp_user,
        password=settings.mail_password,
        roots=settings.smtp_roots,
        timeout_s=settings.smtp_timeout_s,
    )
