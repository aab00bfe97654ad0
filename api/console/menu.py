"""The menu: what the console has, in groups, and which of it this reader is shown."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final, NamedTuple

from api.auth.reading import GOVERNING
from api.auth.sessions import Session
from api.texts import later
from ledger.core.events.catalogue import HANDLING
from ledger.core.events.terms import AgencyKind
from ledger.core.procedure.jurisdiction import has_trait

EVERYBODY: Final = (*GOVERNING, "clerk", "witness")


class Link(NamedTuple):
    """An entry, for whoever has one of the roles; ``at_procuratorates`` for those of such an agency alone."""

    path: str
    label: str
    roles: tuple[str, ...] = EVERYBODY
    at_procuratorates: bool = False
    is_public: bool = False


class Group(NamedTuple):
    """Entries of one kind of work."""

    label: str
    links: tuple[Link, ...]


class Menu(NamedTuple):
    """What one reader is shown; ``current`` is the path of the entry that the page belongs to."""

    groups: tuple[Group, ...]
    current: str | None


MENU: Final = (
    Group(
        later("Handovers"),
        (
            Link("/inbox", later("Inbox"), HANDLING),
            Link("/outbox", later("Outbox"), HANDLING),
            Link("/cases", later("Cases"), (*HANDLING, "auditor", "analyst")),
            Link("/cases/new", later("New case"), HANDLING),
        ),
    ),
    Group(
        later("Look-up and audit"),
        (
            Link("/search", later("Search"), (*GOVERNING, "clerk")),
            Link("/audit", later("Audit"), ("auditor",)),
        ),
    ),
    Group(
        later("Supervision"),
        (
            Link("/leads", later("Leads"), (*GOVERNING, "clerk")),
            Link("/models", later("Models"), GOVERNING, at_procuratorates=True),
            Link("/library", later("Library"), GOVERNING),
            Link("/recommendations", later("Recommendations"), (*GOVERNING, "clerk")),
            Link("/reports", later("Reports"), GOVERNING, at_procuratorates=True),
            Link("/correlation", later("In common"), GOVERNING, at_procuratorates=True),
        ),
    ),
    Group(
        later("Operation"),
        (
            Link("/operation", later("State of the service"), is_public=True),
            Link("/agencies", later("Agencies and keys"), is_public=True),
        ),
    ),
    Group(later("Proofs"), (Link("/verify", later("Verify"), is_public=True),)),
)


def menu_of(
    session: Session | None, kind: Callable[[str], AgencyKind | None], pages: Collection[str], here: str
) -> Menu:
    """The menu of whoever is signed in, or of nobody. ``kind`` gives that of an agency; ``pages`` are the paths that
    there are, ``here`` is the one that is shown."""

    def is_shown(link: Link) -> bool:
        if link.path not in pages:
            return False
        if link.is_public or session is None:
            return link.is_public
        own_kind = kind(session.agency)
        of_kind = not link.at_procuratorates or (own_kind is not None and has_trait(own_kind, "supervises"))
        return of_kind and session.has_role(*link.roles)

    shown = (Group(group.label, tuple(filter(is_shown, group.links))) for group in MENU)
    groups = tuple(group for group in shown if group.links)
    around = [link.path for group in groups for link in group.links if f"{here}/".startswith(f"{link.path}/")]
    return Menu(groups, max(around, key=len, default=None))
