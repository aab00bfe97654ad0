"""The menu: the groups of the console's pages, and which of them a reader sees."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final, NamedTuple

from api.auth.sessions import ReaderSession
from api.texts import later
from ledger.core.events.catalogue import HANDLING
from ledger.core.events.terms import AgencyKind
from ledger.core.procedure.jurisdiction import has_trait
from ledger.core.visibility import GOVERNING

EVERYBODY: Final = (*GOVERNING, "clerk", "witness")


class MenuLink(NamedTuple):
    """An entry for readers with one of the roles; ``at_procuratorates`` limits it to their officers."""

    path: str
    label: str
    roles: tuple[str, ...] = EVERYBODY
    at_procuratorates: bool = False
    is_public: bool = False


class MenuGroup(NamedTuple):
    """Entries of one kind of work."""

    label: str
    links: tuple[MenuLink, ...]


class Menu(NamedTuple):
    """The entries that one reader sees. ``current`` is the path of the entry that the page belongs to."""

    groups: tuple[MenuGroup, ...]
    current: str | None


MENU: Final = (
    MenuGroup(
        later("Handovers"),
        (
            MenuLink("/inbox", later("Inbox"), HANDLING),
            MenuLink("/outbox", later("Outbox"), HANDLING),
            MenuLink("/cases", later("Cases"), (*HANDLING, "auditor", "analyst")),
            MenuLink("/cases/new", later("New case"), HANDLING),
        ),
    ),
    MenuGroup(
        later("Look-up and audit"),
        (
            MenuLink("/search", later("Search"), (*GOVERNING, "clerk")),
            MenuLink("/audit", later("Audit"), ("auditor",)),
        ),
    ),
    MenuGroup(
        later("Supervision"),
        (
            MenuLink("/leads", later("Leads"), (*GOVERNING, "clerk")),
            MenuLink("/models", later("Models"), GOVERNING, at_procuratorates=True),
            MenuLink("/library", later("Library"), GOVERNING),
            MenuLink("/recommendations", later("Recommendations"), (*GOVERNING, "clerk")),
            MenuLink("/reports", later("Reports"), GOVERNING, at_procuratorates=True),
            MenuLink("/correlation", later("In common"), GOVERNING, at_procuratorates=True),
        ),
    ),
    MenuGroup(
        later("Operation"),
        (
            MenuLink("/operation", later("State of the service"), is_public=True),
            MenuLink("/agencies", later("Agencies and keys"), is_public=True),
        ),
    ),
    MenuGroup(later("Proofs"), (MenuLink("/verify", later("Verify"), is_public=True),)),
)


def menu_of(
    session: ReaderSession | None, kind: Callable[[str], AgencyKind | None], pages: Collection[str], here: str
) -> Menu:
    """Return the menu of the signed-in reader, or of a visitor.

    ``kind`` returns an agency's kind. ``pages`` are the paths that exist; ``here`` is the one that is shown.
    """

    def is_shown(link: MenuLink) -> bool:
        if link.path not in pages:
            return False
        if link.is_public or session is None:
            return link.is_public
        own_kind = kind(session.agency)
        of_kind = not link.at_procuratorates or (own_kind is not None and has_trait(own_kind, "supervises"))
        return of_kind and session.has_role(*link.roles)

    visible_groups = (MenuGroup(group.label, tuple(filter(is_shown, group.links))) for group in MENU)
    groups = tuple(group for group in visible_groups if group.links)
    enclosing = [link.path for group in groups for link in group.links if f"{here}/".startswith(f"{link.path}/")]
    return Menu(groups, max(enclosing, key=len, default=None))
