"""Notices as their reader may see them now, what he chooses about them, and the address for his mail.

Mail depends on the key that gave the address: it is for that key alone, whatever other keys the officer has, and ends
with it. A link that confirms an address, or ends mail to it, carries what it is for under the service's key: nothing of
it is stored, and whoever edits the database can make the service send nothing to an address that nobody confirmed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from api.auth.reading import Reading
from api.services.parts import Parts
from api.services.service import Cursors
from ledger.config.settings import ADDRESS
from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import MalformedInput, NotFound, RuleRefused
from ledger.core.events.terms import Role
from ledger.core.messages import Message
from ledger.core.signing.authority import Grant
from ledger.i18n import Labels
from ledger.notices.noticing import COUNTED, NO_HANDOVER
from ledger.notices.topics import TOPICS, NoticeChoice, Topic, choices_of
from ledger.notices.wording import in_time, sentence
from ledger.store import cases, notices
from ledger.store.database import Connection
from ledger.store.notices import AddressLimits, NoticeFilter, NumberedNotice, Subscriber
from ledger.store.tables import NO_CASE
from ledger.timeline.sentences import names_by_id

MOST_UNREAD = 99  # counted; beyond that the bell shows only that there are more
LINK_HOLDS_S = 24 * 3600  # seconds for which an address can be confirmed
LIMITS = AddressLimits(of_officer=3, of_agency=100, sharing=5)  # links in a day, officers of one address
MOST_CHARACTERS = 254  # of an address (RFC 5321 4.5.3.1.3)
_CONFIRM, _CONFIRMED, _UNSUBSCRIBE = "confirm address", "confirmed address", "unsubscribe"  # scopes of what is sealed
_choices: Final = decoder_of(dict[Topic, NoticeChoice])
_positions: Final = decoder_of(dict[str, int])


class NoticeView(Struct, frozen=True):
    """A notice. ``page`` is that of the console on which it is worked; ``says`` names no person and no case.

    ``case_number`` is null where the reader sees the letter and not its case, and of what has no case. ``until`` is by
    when, the first instant that is too late; ``in_time`` says the last day in the reader's language, or where hours
    count the moment. ``is_open`` is whether it still waits, ``made_at`` in unix milliseconds.
    """

    number: int
    topic: str
    kind: str
    says: str
    case_id: str | None
    case_number: str | None
    until: str | None
    in_time: str | None
    made_at: int
    is_open: bool
    is_read: bool
    page: str


class NoticeSettings(Struct, frozen=True):
    """What the officer is told of, and where. ``confirmed`` is True once he has opened the link sent to the address.

    ``sends_mail`` is whether the ledger has a mail server, ``digest_hour`` that of daily mail in its time zone.
    """

    choices: dict[Topic, NoticeChoice]
    language: str
    address: str | None
    confirmed: bool
    sends_mail: bool
    digest_hour: int


class Unread(Struct, frozen=True):
    """How many notices the reader has not read, at most ``MOST_UNREAD`` + 1, and the number of the newest or 0."""

    count: int
    newest: int


def chosen(row: Subscriber, roles: Sequence[Role]) -> dict[Topic, NoticeChoice]:
    """Return what an officer of these roles is told of."""
    return choices_of(roles, _choices.decode(row.choices))


def in_browser(choices: Mapping[Topic, NoticeChoice], officer: str) -> NoticeFilter:
    """Return the filter of what appears in the browser."""
    return _filter([topic for topic, choice in choices.items() if choice.browser], officer)


def by_mail(row: Subscriber, roles: Sequence[Role], rhythm: str) -> NoticeFilter:
    """Return the filter of what waits to be mailed in this rhythm, without what is settled."""
    of_rhythm = [topic for topic, choice in chosen(row, roles).items() if choice.mail == rhythm]
    behind = _positions.decode(row.mailed)
    return msgspec.structs.replace(_filter(of_rhythm, row.officer), only_open=True, behind=behind)


def mailed(row: Subscriber, topics: Iterable[str], up_to: int) -> str:
    """Return the positions of the row's mail after everything ``up_to`` a number was mailed of these topics."""
    return msgspec.json.encode(_positions.decode(row.mailed) | dict.fromkeys(topics, up_to)).decode()


def _filter(topics: list[Topic], officer: str) -> NoticeFilter:
    return NoticeFilter(officer, tuple(topics), of_others="due_of_others" in topics)


def unread(parts: Parts, reading: Reading) -> Unread:
    """Return what the reader has not read. Nothing is recorded as read: it is told only that there is something."""
    officer = reading.session.grant.officer
    with parts.database.read() as connection:
        row = notices.subscriber(connection, reading.agency, officer)
        # Every page asks, and whoever has read all gets his answer by one look at an index.
        if notices.last_number(connection, reading.agency) <= row.read_up_to:
            return Unread(0, 0)
        wanted = in_browser(chosen(row, reading.session.grant.roles), officer)
        behind = msgspec.structs.replace(wanted, after=row.read_up_to, only_open=True)
        return Unread(*notices.count_unread(connection, reading.reader, behind, MOST_UNREAD + 1))


def own_notices(
    connection: Connection, reading: Reading, labels: Labels, *, limit: int, below: int | None
) -> list[NoticeView]:
    """Return the reader's notices, the newest first, of numbers ``below``."""
    officer = reading.session.grant.officer
    row = notices.subscriber(connection, reading.agency, officer)
    wanted = in_browser(chosen(row, reading.session.grant.roles), officer)
    if below is not None:
        wanted = msgspec.structs.replace(wanted, up_to=below - 1)
    rows = notices.listed(connection, reading.reader, wanted, limit=limit, newest_first=True, read_up_to=row.read_up_to)
    return views(connection, reading, rows, labels)


def own_notice(connection: Connection, reading: Reading, labels: Labels, number: int) -> NoticeView:
    """Return one of the reader's notices, whatever he chose. Raises NotFound."""
    wanted = NoticeFilter(reading.session.grant.officer, TOPICS, of_others=True, after=number - 1, up_to=number)
    for row in notices.listed(connection, reading.reader, wanted, limit=1):
        return views(connection, reading, [row], labels)[0]
    raise NotFound("no notice {number} that you may see", number=number, field="number")


def views(connection: Connection, reading: Reading, rows: Sequence[NumberedNotice], labels: Labels) -> list[NoticeView]:
    """Return the notices as they are shown to the reader, in his language."""
    numbers = cases.numbers_of(connection, {row.case_id for row in rows} - {NO_CASE}, reading.reader)
    names = names_by_id(reading.authority.names, labels)
    return [
        NoticeView(
            number=row.number,
            topic=row.topic,
            kind=row.kind,
            says=labels.with_moments(labels.translate(sentence(row, names, labels.of_clock))),
            case_id=row.case_id or None,
            case_number=numbers.get(row.case_id),
            until=row.until,
            in_time=None if (by := in_time(row)) is None else labels.with_moments(labels.translate(by)),
            made_at=row.made_at,
            is_open=row.is_open,
            is_read=row.is_read,
            page=_page_of(row, reading.agency, sees_case=row.case_id in numbers),
        )
        for row in rows
    ]


def _page_of(row: NumberedNotice, agency: str, *, sees_case: bool) -> str:
    """Return the page on which it is worked, below the console's address."""
    of_case, thing = f"/cases/{row.case_id}", row.kind.partition(".")[0]
    match thing:
        case "discrepancy" if row.subject == NO_HANDOVER:
            return f"{of_case}/acts/resolve" if row.kind == COUNTED else of_case
        case "handover" | "discrepancy":
            return f"{of_case}/handovers/{row.subject}"
        case "lead" | "recommendation":
            return f"/{thing}s/{row.subject}"
        case "deadline" if row.case_id == NO_CASE:
            return f"/recommendations/{row.subject}"
        case "deadline" if sees_case:
            return f"{of_case}?tab=deadlines"
        # A time that runs for the agency itself since something was served on it has no letter of its own.
        case "deadline" if row.subject == agency:
            return "/letters"
        case "letter" | "deadline":
            return f"{of_case}/letters/{row.subject}"
    return of_case


# -- what the officer chooses ------------------------------------------------------------------------------------------


def settings_of(parts: Parts, reading: Reading) -> NoticeSettings:
    """Return what the reader chose."""
    with parts.database.read() as connection:
        row = notices.subscriber(connection, reading.agency, reading.session.grant.officer)
    return NoticeSettings(
        choices=chosen(row, reading.session.grant.roles),
        language=row.language,
        address=row.address if can_be_sent_to(parts, row) else None,
        confirmed=is_confirmed(Cursors(parts.token_key), row),
        sends_mail=parts.settings.sends_mail,
        digest_hour=parts.settings.digest_hour,
    )


def choose(parts: Parts, reading: Reading, choices: Mapping[Topic, NoticeChoice], language: str) -> None:
    """Store the reader's choices. Mail of a topic that was not mailed begins with what comes from now on.

    Of a topic that gets another rhythm, what waits goes out in that one.
    """
    officer = reading.session.grant.officer
    with parts.database.read() as connection:
        row = notices.subscriber(connection, reading.agency, officer)
        last = notices.position(connection).number
    roles = (grant_of(parts, row) or reading.session.grant).roles
    before, after = chosen(row, roles), choices_of(roles, choices)
    begun = [topic for topic, choice in after.items() if choice.mail != "none" and before[topic].mail == "none"]
    values: dict[str, Any] = {"choices": msgspec.json.encode(choices).decode(), "language": language}
    values["mailed"] = mailed(row, begun, last)
    if any(choice.mail != before[topic].mail for topic, choice in after.items()):
        values |= {"once_to": None, "daily_to": None}  # a message that was planned is another one now
    notices.keep(parts.database, reading.agency, officer, **values)


def give_address(parts: Parts, reading: Reading, address: str | None, language: str) -> None:
    """Store the address, to which a link is sent; without one, no mail is sent any more.

    Raises MalformedInput, RuleRefused if the ledger sends no mail, and Conflict where a limit is reached.
    """
    grant = reading.session.grant
    with parts.database.read() as connection:
        row = notices.subscriber(connection, grant.agency_id, grant.officer)
    if address is None:
        notices.end_mail(parts.database, row, last_message_at=parts.clock())
        return
    if not parts.settings.sends_mail:
        raise RuleRefused(
            "this ledger sends no mail",
            field="address",
            code="no_mail",
            hint="Whoever runs the ledger can set a mail server. The browser shows notices without one.",
        )
    local, _, domain = address.strip().partition("@")
    spelled = f"{local}@{domain.lower()}"
    if len(spelled) > MOST_CHARACTERS or not ADDRESS.fullmatch(spelled):
        raise MalformedInput("expected an address such as name@example.org", field="address")
    if not parts.settings.allows_mail_to(spelled):
        domains = ", ".join(sorted(parts.settings.allowed_mail_domains))
        raise MalformedInput("expected an address of {domains}", domains=domains, field="address")
    if (row.address, row.key_id) == (spelled, grant.key_id) and is_confirmed(Cursors(parts.token_key), row):
        return
    notices.ask_to_confirm(
        parts.database,
        grant.agency_id,
        grant.officer,
        address=spelled,
        key_id=grant.key_id,
        language=language,
        now_ms=parts.clock(),
        limits=LIMITS,
    )


def grant_of(parts: Parts, row: Subscriber) -> Grant | None:
    """Return the rights of the key that gave the address of the row; None if it is not valid now."""
    grant = parts.authority().grants.get(row.key_id or "")
    if grant is None or (grant.agency_id, grant.officer) != (row.agency, row.officer):
        return None
    return grant if grant.is_valid(parts.clock() // 1000) else None


def can_be_sent_to(parts: Parts, row: Subscriber) -> bool:
    """Return whether the operator allows the address of the row, and the key that gave it is valid now."""
    # The operator may have limited the domains since the address was confirmed.
    is_allowed = row.address is not None and parts.settings.allows_mail_to(row.address)
    return is_allowed and grant_of(parts, row) is not None


class _Link(Struct, frozen=True):
    """What a link is for; ``until`` (unix milliseconds) is when it ends, if it does."""

    agency: str
    officer: str
    address: str
    key_id: str
    until: int | None = None


_link: Final = decoder_of(_Link)


def link_to_confirm(cursors: Cursors, row: Subscriber) -> str:
    """Return the token of the link by which the address of the row is confirmed."""
    assert row.to_confirm is not None, "the officer has asked for it"
    return _sealed(cursors, _CONFIRM, row, row.to_confirm + 1000 * LINK_HOLDS_S)


def link_to_unsubscribe(cursors: Cursors, row: Subscriber) -> str:
    """Return the token of the link by which mail to the address of the row ends."""
    return _sealed(cursors, _UNSUBSCRIBE, row)


def is_confirmed(cursors: Cursors, row: Subscriber) -> bool:
    """Return whether the officer has confirmed the address of the row, and nobody has put in another, or a key."""
    return row.address is not None and row.confirmation == _sealed(cursors, _CONFIRMED, row)


def former_address(cursors: Cursors, row: Subscriber) -> str | None:
    """Return the confirmed address that mail went to before; None if it is the same, or if nobody confirmed it."""
    try:
        link = _opened(cursors, _CONFIRMED, row.former or "")
    except NotFound:
        return None
    is_own = (link.agency, link.officer) == (row.agency, row.officer)
    return link.address if is_own and link.address != row.address else None


def confirm(parts: Parts, token: str) -> str:
    """Confirm the address that a link was sent to, and return it. Raises NotFound for a link that no longer holds."""
    cursors = Cursors(parts.token_key)
    link = _opened(cursors, _CONFIRM, token)
    with parts.database.read() as connection:
        row = notices.subscriber(connection, link.agency, link.officer)
        last = notices.position(connection).number
    if (row.address, row.key_id) != (link.address, link.key_id) or (link.until or 0) < parts.clock():
        raise _over()
    if grant_of(parts, row) is None:
        raise _over()
    if not is_confirmed(cursors, row):
        begun = {"mailed": mailed(row, TOPICS, last), "once_to": None, "daily_to": None, "to_confirm": None}
        seal = _sealed(cursors, _CONFIRMED, row)
        # Another address may have been given since the row was read, and its link must still be sent.
        if notices.changed(parts.database, row, ("address", "key_id"), confirmation=seal, **begun) is None:
            raise _over()
    return link.address


def address_of_link(parts: Parts, token: str) -> str:
    """Return the address that a link to end mail was sent to. Raises NotFound."""
    return _opened(Cursors(parts.token_key), _UNSUBSCRIBE, token).address


def unsubscribe(parts: Parts, token: str) -> str:
    """Delete the address that a link was sent to, and return it. Raises NotFound."""
    link = _opened(Cursors(parts.token_key), _UNSUBSCRIBE, token)
    with parts.database.read() as connection:
        row = notices.subscriber(connection, link.agency, link.officer)
    if row.address == link.address and not notices.end_mail(parts.database, row):
        raise _over()
    return link.address


def _sealed(cursors: Cursors, scope: str, row: Subscriber, until: int | None = None) -> str:
    link = _Link(row.agency, row.officer, row.address or "", row.key_id or "", until)
    return cursors.seal(scope, msgspec.json.encode(link).decode())


def _opened(cursors: Cursors, scope: str, token: str) -> _Link:
    try:
        return _link.decode(cursors.open(scope, token))
    except (MalformedInput, msgspec.MsgspecError) as error:
        raise _over() from error


def _over() -> NotFound:
    return NotFound(
        "this link holds no longer, or it was cut short",
        field="token",
        hint="Sign in and give the address again; a new link is sent.",
    )


READ_AS = Message("notices")
