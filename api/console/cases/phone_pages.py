"""A phone that prepares the answer to an offer, for the desk that signs it: the desk's part, and the phone's own pages.

The phone's pages take the phone's token alone, which is of one offer and one officer; no other page takes it.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request
from markupsafe import Markup
from msgspec import Meta, Struct
from starlette.responses import RedirectResponse, Response

from api.auth.phone_access import PhoneToken, phone_ended
from api.auth.reading import Reading
from api.console.cases.case_pages import (
    PartRequest,
    PartRequested,
    book_of,
    findings,
    own_phone,
    require_offered,
    shown_handover,
)
from api.console.shared.access import SessionCookie, Visit, VisitOf, labels, page_router
from api.console.shared.formats import minute
from api.console.shared.rendering import PATH, page
from api.dependencies import ServiceOf, SlugPath, json_body, service_of
from api.services.service import Service
from ledger.core.custody import Handover
from ledger.core.encoding import canonical
from ledger.core.encoding.instants import unix_seconds
from ledger.core.errors import MalformedInput
from ledger.core.events.catalogue import HANDLING
from ledger.core.events.item import Digests
from ledger.core.messages import Message
from ledger.store import phones
from ledger.store.phones import Prepared

router = page_router()
PAGES = f"{PATH}/phone"
MAX_CODE = 1024  # bytes of a body
MAX_ANSWER = 256 * 1024
OF_ITEM = ("how", "seen", "quantity", "money", "seal_state", "seal_number", "condition", "remark")
OF_REFUSED_ITEM = ("reason", "explanation", "refused_quantity")
OF_FILE = ("digest", "photograph")


class TypedCode(Struct, frozen=True, forbid_unknown_fields=True):
    code: Annotated[str, Meta(min_length=1, max_length=64)]


class HashedFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file that the phone hashed, with the field of the form that it is in."""

    field: Annotated[str, Meta(max_length=200)]
    name: Annotated[str, Meta(max_length=255)]
    digests: Digests


class PreparedAnswer(Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of an acceptance's form that differ from how it begins, as the phone's page names them."""

    fields: dict[Annotated[str, Meta(max_length=200)], bool | Annotated[str, Meta(max_length=4000)]]
    files: Annotated[tuple[HashedFile, ...], Meta(max_length=1000)]
    finished: bool


class PhoneVisit(Struct, frozen=True):
    """A phone's request for a page, in the name of the officer whose answer to an open offer it prepares."""

    visit: Visit
    token: str
    prepared: Prepared

    @property
    def handover(self) -> Handover:
        """Return the offer. Raises NotFound or Conflict if it can be answered no more."""
        return require_offered(self.visit, self.prepared.case_id, self.prepared.handover_id)

    def page(self, template: str, **values: Any) -> Response:
        """Return the page or fragment of this template, as one for nobody who is signed in."""
        unsigned = self.visit.reading.unsigned or {}
        request, service = self.visit.request, self.visit.service
        return page(request, service, template, unsigned=unsigned, prepared=self.prepared, **values)


def phone_visit(request: Request) -> PhoneVisit:
    """Return the phone's visit. Raises TokenRefused, Unauthorized, or what ``PhoneVisit.handover`` raises."""
    service = service_of(request)
    token = phone_cookie(service).token(request)
    if token is None:
        raise phone_ended()
    authority = service.parts.authority()
    prepared, session = service.phones.session(token, authority)
    visit = Visit(request, service, Reading(service.parts, session, authority), labels(request))
    visit.reading.unsigned = {}
    visit.reading.require_role(*HANDLING)
    phone = PhoneVisit(visit, token, prepared)
    _ = phone.handover
    return phone


PhoneVisitOf = Annotated[PhoneVisit, Depends(phone_visit)]


def phone_cookie(service: Service) -> SessionCookie:
    """Return the cookie that carries a phone's token, to the phone's pages alone."""
    return SessionCookie(service.parts.settings, "tallystick-phone", PAGES)


@router.post("/cases/{case_id}/handovers/{handover_id}/phone")
def show_code(visit: VisitOf, case_id: SlugPath, handover_id: SlugPath) -> Response:
    """Return a part of the page of an offer: a code for a phone, in the place of an earlier one and its phone."""
    import segno

    visit.reading.require_role(*HANDLING)
    require_offered(visit, case_id, handover_id)
    code = visit.service.phones.give_code(visit.reading.session, case_id, handover_id)
    url = visit.service.parts.settings.url
    address = f"{url}{PAGES}"
    drawn = segno.make(f"{address}#{code.text}", error="m", micro=False).svg_inline(scale=5, border=4, light="#fff")
    return visit.page(
        "cases/desk_phone.html",
        **own_phone(visit, case_id, handover_id),
        code=code,
        address=address,
        picture=Markup(drawn),  # noqa: S704 - drawn here
        is_secure=url.startswith("https://"),
    )


@router.get("/cases/{case_id}/handovers/{handover_id}/phone")
def phone_state(visit: VisitOf, case_id: SlugPath, handover_id: SlugPath) -> Response:
    """Return a part of the page of an offer: what the officer's own phone is doing. It is no use of his session."""
    values = own_phone(visit, case_id, handover_id)
    return page(visit.request, visit.service, "cases/phone_state.html", visit.reading, **values)


@router.post("/cases/{case_id}/handovers/{handover_id}/phone/end")
def end_phone(visit: VisitOf, case_id: SlugPath, handover_id: SlugPath) -> Response:
    """End the officer's own phone for the offer, and forget what it prepared; return the same part of the page."""
    phones.end(visit.service.parts.database, case_id, handover_id, visit.reading.session.grant.key_id)
    return visit.page("cases/desk_phone.html", **own_phone(visit, case_id, handover_id), code=None)


@router.get("/phone")
def open_page(request: Request, service: ServiceOf, left: bool = False) -> Response:
    """Show where a phone types the desk's code."""
    return page(request, service, "cases/open_phone.html", left=left)


@router.post("/phone")
def open_phone(service: ServiceOf, typed: Annotated[TypedCode, json_body(TypedCode, limit=MAX_CODE)]) -> Response:
    """Exchange the desk's code for the phone's cookie."""
    token: PhoneToken = service.phones.open(typed.code)
    response = Response(status_code=204)
    phone_cookie(service).set_on(response, token.text, token.expires_in)
    return response


@router.get("/phone/offer")
def offer_page(phone: PhoneVisitOf) -> Response:
    """Show the offer with what was prepared, and record the read, as one on a phone."""
    return phone.page(
        "cases/phone_offer.html",
        **_shown(phone),
        lines=PartRequest().of(list(phone.handover.items.values())),
        this_minute=minute(unix_seconds(phone.visit.reading.reader.now)),
    )


@router.get("/phone/lines")
def more_lines(phone: PhoneVisitOf, rest: PartRequested) -> Response:
    """Return a part of the phone's page: more of the sender's list."""
    lines = rest.of(list(phone.handover.items.values()))
    return phone.page("cases/handover_lines.html", **_shown(phone), lines=lines)


def _shown(phone: PhoneVisit) -> dict[str, Any]:
    prepared = phone.prepared
    read_as = Message("handover {handover_id}, on a phone", handover_id=prepared.handover_id)
    shown = shown_handover(phone.visit, prepared.case_id, prepared.handover_id, read_as)
    return {**shown, **findings(book_of(phone.visit, shown["state"])), "answering": PAGES}


@router.post("/phone/answer")
def keep_answer(
    phone: PhoneVisitOf, answer: Annotated[PreparedAnswer, json_body(PreparedAnswer, limit=MAX_ANSWER)]
) -> Response:
    """Keep what was prepared for the desk. Raises MalformedInput for a field that the offer's form does not have."""
    offer = phone.handover
    for name in (*answer.fields, *(file.field for file in answer.files)):
        if not is_of_form(name, offer):
            raise MalformedInput("the form of this offer has no field {name!r}", name=name[:80], field="fields")
    text = canonical.encode({"fields": answer.fields, "files": answer.files}).decode()
    phone.visit.service.phones.prepare(phone.token, text, finished=answer.finished)
    return Response(status_code=204)


def is_of_form(name: str, offer: Handover) -> bool:
    """Tell whether the acceptance's form has a field of this name, with the tick's value after a blank."""
    kind, _, thing = name.replace(" ", ":", 1).partition(":")
    if kind == "absent":
        return thing in offer.person_ids
    return name == "received_at" or (kind in (*OF_ITEM, *OF_REFUSED_ITEM, *OF_FILE) and thing in offer.items)


@router.post("/phone/leave")
def leave(phone: PhoneVisitOf) -> Response:
    """End the phone's access, which it asks for itself; what it prepared waits at the desk."""
    phone.visit.service.phones.leave(phone.token)
    response = RedirectResponse(f"{PAGES}?left=true", 303)
    phone_cookie(phone.visit.service).delete_from(response)
    return response
