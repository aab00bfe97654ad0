"""Notices: what is new for the officer who asks, what he chooses, and the address for his mail."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from msgspec import Meta, Struct
from starlette.responses import RedirectResponse, Response

from api.dependencies import LabelsOf, PageOf, Reads, ServiceOf, json_body, json_response
from api.schemas.openapi import OF_A_BODY, Paged, Routes, answers
from api.services import notices
from api.services.notices import NoticeSettings, NoticeView
from api.services.service import PATTERN
from ledger.core.events.terms import SafeInt
from ledger.i18n import LANGUAGES
from ledger.notices.topics import TOPICS, NoticeChoice, Topic
from ledger.store import notices as stored

MAX_BODY = 16_384  # bytes
MOST_MARKED = 1000

router = Routes(400, 401, 403, 503, prefix="/api/v1/notices", tags=["notices"])
TokenQuery = Annotated[str, Query(pattern=PATTERN, description="of the link in the mail")]


class NoticesRead(Struct, frozen=True, forbid_unknown_fields=True):
    """The numbers of notices that were read; null for all that there are."""

    numbers: Annotated[tuple[SafeInt, ...], Meta(max_length=MOST_MARKED)] | None = None


# Of mail, by its tag.
MailLanguage = Annotated[str, Meta(pattern=f"^(?:{'|'.join(LANGUAGES)})$")]


class NoticeChoices(Struct, frozen=True, forbid_unknown_fields=True):
    """The officer's own choices, the usual ones of topics that are left out. ``language`` is that of mail."""

    choices: Annotated[dict[Topic, NoticeChoice], Meta(extra_json_schema={"propertyNames": {"enum": [*TOPICS]}})]
    language: MailLanguage = LANGUAGES[0]


class NoticeAddress(Struct, frozen=True, forbid_unknown_fields=True):
    """Where mail goes; null ends it. ``language`` is that of mail."""

    address: Annotated[str, Meta(max_length=notices.MOST_CHARACTERS)] | None
    language: MailLanguage = LANGUAGES[0]


class MailEnded(Struct, frozen=True):
    """The address to which nothing is sent any more."""

    address: str


@router.reads("", "List your notices", Paged("notices", NoticeView))
def list_notices(service: ServiceOf, reading: Reads, page: PageOf, labels: LabelsOf) -> Response:
    """List what is new for you, the newest first, as far as you may see it now."""
    position = page.position("notices")
    with service.parts.database.read() as connection:
        rows = notices.own_notices(
            connection, reading, labels, limit=page.limit, below=None if position is None else int(position)
        )
    if rows:
        reading.record(notices.READ_AS, *dict.fromkeys(row.case_id for row in rows if row.case_id))
    return page.response("notices", rows, lambda row: row.number)


ReadBody = Annotated[NoticesRead, json_body(NoticesRead, limit=MAX_BODY)]
ChoicesBody = Annotated[NoticeChoices, json_body(NoticeChoices, limit=MAX_BODY)]
AddressBody = Annotated[NoticeAddress, json_body(NoticeAddress, limit=MAX_BODY)]


@router.posts("/read", "Mark notices as read", NoticesRead, NoticesRead, *OF_A_BODY)
def mark_read(service: ServiceOf, reading: Reads, asked: ReadBody) -> Response:
    """Mark notices as read, or all that there are."""
    of_reader = (service.parts.database, reading.agency, reading.session.grant.officer)
    if asked.numbers is None:
        stored.read_all(*of_reader)
    else:
        stored.mark_read(*of_reader, asked.numbers)
    return json_response(asked)


@router.reads("/settings", "Show what you are told of", NoticeSettings)
def show_settings(service: ServiceOf, reading: Reads) -> Response:
    """Show your choice of each topic, and the address for mail."""
    return json_response(notices.settings_of(service.parts, reading))


@router.posts("/settings", "Choose what you are told of", NoticeChoices, NoticeSettings, *OF_A_BODY)
def choose(service: ServiceOf, reading: Reads, asked: ChoicesBody) -> Response:
    """Choose for each topic whether it appears in the browser, and whether it is mailed at once, daily, or not."""
    notices.choose(service.parts, reading, asked.choices, asked.language)
    return json_response(notices.settings_of(service.parts, reading))


@router.posts("/address", "Set the address for mail", NoticeAddress, NoticeSettings, 409, 422, *OF_A_BODY)
def set_address(service: ServiceOf, reading: Reads, asked: AddressBody) -> Response:
    """Set the address for your mail. A link is sent there; until it is opened, nothing else is."""
    notices.give_address(service.parts, reading, asked.address, asked.language)
    return json_response(notices.settings_of(service.parts, reading))


@router.get("/unsubscribe", include_in_schema=False)
def to_unsubscribe_page(token: TokenQuery) -> Response:
    """Redirect to the page on which the mail is ended, for mail programs without the one click."""
    return RedirectResponse(f"/console/notices/unsubscribe?token={token}", 303)


@router.post(
    "/unsubscribe", summary="End mail to an address", responses=answers(MailEnded, 400, 404, 503), openapi_extra={}
)
def unsubscribe(service: ServiceOf, token: TokenQuery) -> Response:
    """End mail by the one click of a mail program (RFC 8058). Needs no session: the link is for this address alone."""
    return json_response(MailEnded(notices.unsubscribe(service.parts, token)))
