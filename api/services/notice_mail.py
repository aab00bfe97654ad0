"""Mail of notices: what is due for an officer, in the words of a notice and with a link, and nothing of its case.

It depends on the officer's keys: who has none that is valid now gets nothing more, and his address is deleted.
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
from ledger.core.signing.authority import AuthorityState, Grant
from ledger.i18n import PROCEDURES_IN_USE, ZONE_IN_USE, Labels
from ledger.interchange.mail.smtp import MailServer
from ledger.store import notices
from ledger.store.notices import NoticeFilter, NumberedNotice, Subscriber

MOST = 50  # notices of one message
READ_AS = Message("notices by mail")


class NoticeMail:
    """Provides the messages that are sent. ``zone`` is that of the hour of daily mail."""

    def __init__(self, parts: Parts):
        self._parts = parts
        self._cursors = Cursors(parts.token_key)
        # What was looked at in vain, so that an officer for whom nothing is new costs no question to the database.
        self._in_vain: dict[tuple[str, str], tuple[Subscriber, int, int]] = {}

    def plan(self, row: Subscriber) -> Mapping[str, int] | None:
        """Return the end of the message that is due, as values of the row; None if nothing is due."""
        # The operator may have limited the domains since the address was confirmed.
        if row.address is None or not self._parts.settings.allows_mail_to(row.address):
            return None
        if row.to_confirm is not None or row.once_to is not None or row.daily_to is not None:
            return {}
        if not service.is_confirmed(self._cursors, row):
            return None
        now_ms = self._parts.clock()
        boundary = last_digest(self._parts.zone(), self._parts.settings.digest_hour, now_ms)
        with self._parts.database.read() as connection:
            last = notices.position(connection).number
        looked_at = (row, last, boundary)
        if self._in_vain.get((row.agency, row.officer)) == looked_at:
            return None
        readings = self._readings(row)
        for rhythm, behind in (("once", row.once_after), ("daily", row.daily_after)):
            made_by = boundary if rhythm == "daily" else None
            wanted = replace(self._filter(row, readings, rhythm), after=behind, up_to=last, made_by=made_by)
            due = self._due(readings, wanted)
            if due:
                # The whole message, so that it is the same when it is sent again.
                return {f"{rhythm}_to": max(number for number, _ in due)}
        self._in_vain[row.agency, row.officer] = looked_at
        return None

    def compose(self, row: Subscriber) -> tuple[EmailMessage | None, Mapping[str, Any]]:
        """Return the planned message, and the values of the row once it is sent; None if he may see nothing of it.

        Raises Unavailable if it cannot be recorded that it was read.
        """
        PROCEDURES_IN_USE.set(tuple(self._parts.validator.procedures_in_force()))
        ZONE_IN_USE.set(self._parts.zone)
        if row.to_confirm is not None:
            return self._confirming(row), {"to_confirm": None}
        rhythm = "daily" if row.once_to is None else "once"
        after, last = (row.daily_after, row.daily_to) if rhythm == "daily" else (row.once_after, row.once_to)
        progress = {f"{rhythm}_after": last, f"{rhythm}_to": None}
        readings = self._readings(row)
        if not readings or not service.is_confirmed(self._cursors, row):
            return None, progress
        wanted = replace(self._filter(row, readings, rhythm), after=after, up_to=last)
        due, labels = self._due(readings, wanted), Labels(row.language)
        if not due:
            return None, progress
        shown: list[NoticeView] = []
        with self._parts.database.read() as connection:
            for reading in readings:
                own = [notice for _, (notice, by) in due if by is reading]
                shown += service.views(connection, reading, own, labels)
        for reading in readings:
            own_ids = {notice.case_id for _, (notice, by) in due if by is reading and notice.case_id}
            if own_ids:
                reading.record(READ_AS, *sorted(own_ids))
        shown.sort(key=lambda view: view.number)
        return self._telling(row, shown, rhythm, f"{rhythm}.{after}-{last}"), progress

    def _readings(self, row: Subscriber) -> list[Reading]:
        """Return the officer as a reader by each of his keys that is valid now."""
        authority = self._parts.authority()
        grants = valid_grants(authority, row.agency, row.officer, self._parts.clock() // 1000)
        return [Reading(self._parts, ReaderSession(grant), authority) for grant in grants]

    def _filter(self, row: Subscriber, readings: list[Reading], rhythm: str) -> NoticeFilter:
        roles = {role for reading in readings for role in reading.session.grant.roles}
        return service.by_mail(service.chosen(row, sorted(roles)), row.officer, rhythm)

    def _due(self, readings: list[Reading], wanted: NoticeFilter) -> list[tuple[int, tuple[NumberedNotice, Reading]]]:
        """Return the first notices of the filter by their numbers, each with the reader by which he may see it."""
        due: dict[int, tuple[NumberedNotice, Reading]] = {}
        if not (readings and wanted.topics):
            return []
        with self._parts.database.read() as connection:
            for reading in readings:
                for notice in notices.listed(connection, reading.reader, wanted, limit=MOST):
                    due.setdefault(notice.number, (notice, reading))
        return sorted(due.items())[:MOST]

    # -- the messages --------------------------------------------------------------------------------------------------

    def _confirming(self, row: Subscriber) -> EmailMessage:
        texts, token = Texts(row.language), service.link_to_confirm(self._cursors, row)
        agency = Labels(row.language).told(self._parts.authority().names()[row.agency])
        lines = (
            texts("An officer of {agency} wants notices of this ledger to be sent to this address.", agency=agency),
            texts("If that is you, open this address within a day and confirm it:"),
            self._url(f"/notices/confirm?token={token}"),
            texts("If it is not you, do nothing: nothing else will be sent to you."),
        )
        subject = texts("Confirm this address for notices")
        return self._message(row, subject, "\n\n".join(lines), f"confirm.{row.to_confirm}")

    def _telling(self, row: Subscriber, shown: list[NoticeView], rhythm: str, name: str) -> EmailMessage:
        texts, labels = Texts(row.language), Labels(row.language)
        blocks = [self._block(view, texts, labels) for view in shown]
        if rhythm == "once" and len(shown) == 1:
            subject = _headed(shown[0])
        else:
            subject = texts("Notices of this ledger: {count}", count=len(shown))
        settings, token = self._url("/notices/settings"), service.link_to_unsubscribe(self._cursors, row)
        footer = "\n".join(
            (
                "-- ",
                texts("Mail can be read on its way, so no more than this is said here. Sign in to see the rest."),
                texts("Choose what is mailed: {url}", url=settings),
                texts("End all mail to this address: {url}", url=self._url(f"/notices/unsubscribe?token={token}")),
            )
        )
        message = self._message(row, subject, "\n\n".join((*blocks, footer)), name)
        # RFC 8058: a mail program ends the mail by one click, without anybody signing in.
        message["List-Unsubscribe"] = f"<{self._parts.settings.url}/api/v1/notices/unsubscribe?token={quote(token)}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        return message

    def _block(self, view: NoticeView, texts: Texts, labels: Labels) -> str:
        lines = [_headed(view)]
        if view.until is not None:
            lines.append(texts("Until {at}", at=labels.moment(datetime.fromisoformat(view.until))))
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

    def _url(self, path: str) -> str:
        return f"{self._parts.settings.url}/console{path}"


def _headed(view: NoticeView) -> str:
    """Return the sentence with the number of the case before it; what is of supervision has none."""
    return view.says if view.case_number is None else f"{view.case_number}: {view.says}"


def valid_grants(authority: AuthorityState, agency: str, officer: str, now_s: int) -> list[Grant]:
    """Return the grants of the officer's keys that are valid now."""
    return [
        grant
        for grant in authority.grants.values()
        if (grant.agency_id, grant.officer) == (agency, officer)
        and grant.revoked is None
        and grant.valid_from <= now_s < grant.valid_until
    ]


def forget_gone(parts: Parts) -> None:
    """Delete what is stored of officers who have no valid key: their choices, addresses, and what they read."""
    authority, now_s = parts.authority(), parts.clock() // 1000
    with parts.database.read() as connection:
        everybody = notices.everybody(connection)
    for agency, officer in everybody:
        if not valid_grants(authority, agency, officer, now_s):
            notices.forget(parts.database, agency, officer)


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
