"""Notices in the browser: the bell, the list, what the officer chooses, and the pages that links in mail lead to."""

from __future__ import annotations

from operator import attrgetter
from typing import Annotated, get_args

from fastapi import Path, Query
from starlette.responses import RedirectResponse, Response

from api.console.shared.access import PublicVisitOf, VisitOf, page_router
from api.console.shared.forms import FormOf, PostedForm
from api.console.shared.rendering import PATH, language
from api.dependencies import Following, ServiceOf
from api.services import notices
from api.services.service import PATTERN
from ledger.core.encoding.decoding import convert
from ledger.core.errors import MalformedInput
from ledger.notices.topics import TOPICS, MailRhythm, NoticeChoice, Topic
from ledger.notices.wording import TITLES
from ledger.store import notices as stored

ROWS = 50  # of the list on one page

router = page_router()
TokenQuery = Annotated[str, Query(pattern=PATTERN)]
SavedQuery = Annotated[bool, Query()]


@router.get("/notices")
def show_notices(visit: VisitOf, after: Following = None) -> Response:
    """Show what is new for the officer, the newest first."""
    position = visit.service.cursors.position("notices", after)
    with visit.service.parts.database.read() as connection:
        rows = notices.own_notices(
            connection, visit.reading, visit.labels, limit=ROWS, below=None if position is None else int(position)
        )
    visit.reading.record(notices.READ_AS, *dict.fromkeys(row.case_id for row in rows if row.case_id))
    following = visit.service.cursors.following("notices", rows, ROWS, attrgetter("number"))
    return visit.page("notices/notices.html", rows=rows, following=following)


@router.get("/notices/bell")
def bell(visit: PublicVisitOf) -> Response:
    """Return the bell of a page that is open; it does not keep a session alive, and without one it is empty."""
    return visit.page("shared/bell.html")


@router.get("/notices/settings")
def show_settings(visit: VisitOf, saved: SavedQuery = False) -> Response:
    """Show what the officer is told of, and where."""
    chosen = notices.settings_of(visit.service.parts, visit.reading)
    return visit.page("notices/settings.html", chosen=chosen, titles=TITLES, saved=saved)


@router.post("/notices/settings")
def choose(visit: VisitOf, form: FormOf) -> Response:
    """Store what the officer is told of."""
    choices = {topic: _choice(form, topic) for topic in TOPICS}
    notices.choose(visit.service.parts, visit.reading, choices, language(visit.request))
    return RedirectResponse(f"{PATH}/notices/settings?saved=true", 303)


def _choice(form: PostedForm, topic: Topic) -> NoticeChoice:
    mail = form.get(f"mail:{topic}") or "none"
    if mail not in get_args(MailRhythm):
        raise MalformedInput("expected one of {names}", names=", ".join(get_args(MailRhythm)), field=f"mail:{topic}")
    return convert({"browser": form.get(f"browser:{topic}") is not None, "mail": mail}, NoticeChoice)


@router.post("/notices/address")
def set_address(visit: VisitOf, form: FormOf) -> Response:
    """Store the address for mail, to which a link is sent; or end mail."""
    address = None if form.get("end") else form.get("address") or ""
    notices.give_address(visit.service.parts, visit.reading, address, language(visit.request))
    return RedirectResponse(f"{PATH}/notices/settings", 303)


@router.post("/notices/read")
def mark_read(visit: VisitOf) -> Response:
    """Mark every notice as read."""
    stored.read_all(visit.service.parts.database, visit.reading.agency, visit.reading.session.grant.officer)
    return RedirectResponse(f"{PATH}/notices", 303)


@router.get("/notices/confirm")
def show_confirmation(visit: PublicVisitOf, token: TokenQuery) -> Response:
    """Show the button that confirms an address: programs that only look into links confirm nothing."""
    return visit.page("notices/confirm.html", token=token, address=None)


@router.get("/notices/unsubscribe")
def show_end(visit: PublicVisitOf, service: ServiceOf, token: TokenQuery) -> Response:
    """Show the button that ends mail to an address."""
    address = notices.address_of_link(service.parts, token)
    return visit.page("notices/unsubscribe.html", token=token, address=address)


@router.post("/notices/confirm")
@router.post("/notices/unsubscribe")
def follow_link(visit: PublicVisitOf, service: ServiceOf, form: FormOf) -> Response:
    """Do what the link in a mail is for: confirm the address that it was sent to, or end mail to that address."""
    link = visit.request.url.path.rpartition("/")[2]
    do = notices.confirm if link == "confirm" else notices.unsubscribe
    return visit.page(f"notices/{link}.html", token=None, address=do(service.parts, form.get("token") or ""))


@router.get("/notices/{number}")
def open_notice(visit: VisitOf, number: Annotated[int, Path(ge=1, lt=2**53)]) -> Response:
    """Mark one notice as read and go to the page on which it is worked."""
    with visit.service.parts.database.read() as connection:
        notice = notices.own_notice(connection, visit.reading, visit.labels, number)
    of_reader = (visit.reading.agency, visit.reading.session.grant.officer)
    if not notice.is_read:
        stored.mark_read(visit.service.parts.database, *of_reader, [number])
    return RedirectResponse(f"{PATH}{notice.page}", 303)
