"""Where pages lead: the addresses of a page's links, forms and parts, and which of them are dead."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from html.parser import HTMLParser
from typing import TypeVar
from urllib.parse import parse_qsl, urldefrag, urljoin, urlsplit

import httpx

from api.console.app import routes
from tests.api.console.matrix import OF_API, PAGES

ORIGIN = "https://ledger.test"
ALIVE = (200, 303)
FILLED_IN = (*ALIVE, 400)  # of a form, whose fields are not filled in here
OF_READERS = {row.route for row in PAGES}
DOCUMENT = "/documents/{document}"  # each has places of its own
R = TypeVar("R", bound=Hashable)


class Leads(HTMLParser):
    """Notes the addresses to which a page leads, those of forms apart, and the places in it to which others may."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.forms: set[str] = set()
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value for name, value in attrs if value}
        self.places |= {attributes["id"]} if "id" in attributes else set()
        addresses = {attributes[name] for name in ("href", "src", "hx-get") if name in attributes}
        if tag != "form":
            self.links |= addresses
        elif attributes.get("method", "get") == "get":
            self.forms |= addresses | ({attributes["action"]} if "action" in attributes else set())


def dead_links(pages: Iterable[tuple[R, str, str]], ask: Callable[[R, str], httpx.Response]) -> Iterator[str]:
    """Yield what leads nowhere: each route is tried once for each set of fields of its query, and place in its page.

    ``pages`` are who reads, the page's address and its text; ``ask`` answers to who reads what is below the origin. A
    page that is not alike for all is tried for each reader to whom a link to it is shown, anything else for the first.
    """
    tried = set[Hashable]()
    for reader, path, text in pages:
        leads = Leads(text)
        for link in sorted(leads.links | leads.forms):
            address, place = urldefrag(urljoin(ORIGIN + path, link))
            below = address.removeprefix(ORIGIN)
            route, fields = route_of(urlsplit(below).path), frozenset(dict(parse_qsl(urlsplit(below).query)))
            kind = (reader if route in OF_READERS else None, route, fields, place)
            if below == address or route in OF_API or kind in tried:  # the officer's own signer is elsewhere
                continue
            tried.add(kind)
            answer = ask(reader, below)
            if answer.status_code not in (FILLED_IN if link in leads.forms else ALIVE):
                yield f"{reader}: {path} leads to {below}: {answer.status_code}"
            elif place and answer.status_code == 200 and place not in Leads(answer.text).places:
                yield f"{reader}: {path} leads to {below}, which has no #{place}"


def route_of(path: str) -> str:
    """Return the console's route that answers the path; the path itself of a document, and where there is no route."""
    below = path.removeprefix("/console")
    names = (route.path for route in routes() if "GET" in route.methods and route.path_regex.match(below))
    return next((name for name in names if name != DOCUMENT), path)
