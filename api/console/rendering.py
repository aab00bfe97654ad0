"""Rendering: templates with the reader's language, who is signed in, and what every page shows around its matter."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from api.auth.sessions import Session
from api.console import abridging, moments
from api.console.advice import advice
from api.console.assets import address
from api.console.first_steps import Step, next_step
from api.console.menu import menu_of
from api.console.security import PATH, content_policy
from api.dependencies import Service
from api.texts import Texts
from ledger.core.errors import Unavailable
from ledger.core.events.terms import AgencyKind
from ledger.core.procedure.legal_days import SHANGHAI, with_readable_times
from ledger.i18n import LANGUAGES, Labels, audit_words, language_of
from ledger.i18n.messages import said
from ledger.supervision.wording import told_in
from ledger.timeline import Narrator, names_by_id
from ledger.timeline.sentences import Names

LANGUAGE_COOKIE = "tallystick-language"
_TEMPLATES = Path(__file__).parent / "templates"
_NAMES = {"en": "English", "zh-CN": "中文"}


def language(request: Request) -> str:
    """The language that the reader chose, else the browser's."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    return chosen if chosen in LANGUAGES else language_of(request.headers.get("accept-language"))


def page(
    request: Request,
    service: Service,
    template: str,
    session: Session | None = None,
    *,
    status: int = 200,
    connects: bool = True,
    **values: Any,
) -> Response:
    """The page or fragment, under the console's content policy; unless it ``connects`` its scripts ask nobody."""
    settings = service.parts.settings
    spoken = language(request)
    here = request.url.path.removeprefix(PATH)
    around = {
        "here": PATH + here + (f"?{request.url.query}" if request.url.query else ""),
        "root": PATH,
        "assets": address(),
        "pages": request.app.state.pages,
        "signer_url": settings.signer_url,
        "log_id": "0x" + service.parts.trust.trust.log_id.hex(),
        "development": service.parts.trust.trust.development,
        "session": session,
        "menu": menu_of(session, lambda agency: kind_of(service, agency), request.app.state.pages, here),
        "languages": _NAMES,
        "agency_name": names_of(service, Labels(spoken)),
        "url": settings.url,
        "next_step": lambda: _next_step(service, session),
        "samples_offered": request.app.state.loading.is_offered,
    }
    html = environment(spoken).get_template(template).render(**around, **values)
    headers = {
        "Content-Security-Policy": content_policy(settings.signer_url if connects else None),
        "Referrer-Policy": "same-origin",  # under "no-referrer" forms would be posted without their origin
        "Content-Language": spoken,
        "Vary": "Cookie, Accept-Language",
    }
    return HTMLResponse(html, status, headers)


def _next_step(service: Service, session: Session | None) -> Step | None:
    """None where the database does not answer: what there is to do about that, the page says itself."""
    try:
        return next_step(service, session)
    except Unavailable:
        return None


def names_of(service: Service, labels: Labels) -> Names:
    """Names agencies as the registry does."""
    return names_by_id(lambda: service.authority().names(), labels)


def narrator_of(service: Service, labels: Labels) -> Narrator:
    """Tells events with the agencies' names, in the reader's language."""
    return Narrator(labels, names_of(service, labels))


def kind_of(service: Service, agency_id: str) -> AgencyKind | None:
    """The agency's kind by the registry, None where it has none of this id."""
    found = service.authority().agencies.get(agency_id)
    return found.kind if found else None


@cache
def environment(spoken: str) -> Environment:
    """The templates in one language; everything that is put into them is escaped."""
    loader = FileSystemLoader(_TEMPLATES)
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    labels, texts = Labels(spoken), Texts(spoken)
    made.globals |= {"_": texts, "advice": advice, "label": labels.of, "labels": labels, "language": spoken}
    made.filters |= {"brief": abridging.brief, "in_brief": abridging.in_brief, "abridged": abridging.abridged}
    made.filters["moment"] = lambda given: moment(given, labels)
    made.filters["of_milliseconds"] = lambda given: datetime.fromtimestamp(given / 1000, UTC)
    made.filters |= {"instant": moments.instant, "bytes": moments.size, "ether": moments.ether}
    made.filters["span"] = lambda seconds: moments.span(seconds, texts)
    made.filters["of_audit"] = lambda text: with_readable_times(said(text, labels))
    made.filters["readable"] = with_readable_times
    made.filters["of_fault"] = lambda says: told_in(labels, says)
    made.filters["of_finding"] = lambda one: (
        audit_words.finding_told(labels, one.word, one.slots) if one.word else one.what
    )
    made.filters["found"] = lambda value: audit_words.value_told(labels, value)
    made.filters["day"] = labels.of("moment", "day").format
    return made


def moment(given: str | int | datetime | None, labels: Labels) -> str:
    """A time of the record in Beijing's, to the minute; a number is in unix seconds."""
    if given is None:
        return "—"
    at = datetime.fromtimestamp(given, SHANGHAI) if isinstance(given, int) else given
    return labels.moment(datetime.fromisoformat(at) if isinstance(at, str) else at)
