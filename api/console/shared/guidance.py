"""What a page tells its reader besides its content: the menu, the next step of a first use, advice after a refusal."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple

from api.auth.sessions import ReaderSession
from api.middleware.problems import HINTS, Problem
from api.services.service import Service
from api.services.setup import ASK_FOR_GRANT, GRANT, NEW_WITNESS, RUN_WITNESS, SIGN, Machine
from api.texts import later
from ledger.core.events.catalogue import HANDLING
from ledger.core.procedure.jurisdiction import may_supervise
from ledger.core.signing.authority import Agency, AuthorityState
from ledger.core.visibility import GOVERNING, MODELLING, SUPERVISORS
from ledger.store import growth

EVERYBODY: Final = (*GOVERNING, "clerk", "witness")


class MenuLink(NamedTuple):
    """An entry for readers with one of the roles; ``for_supervising`` limits it to their officers."""

    path: str
    label: str
    roles: tuple[str, ...] = EVERYBODY
    for_supervising: bool = False
    is_public: bool = False


class MenuGroup(NamedTuple):
    """Entries of one kind of work. One that is ``folded`` opens from its label, for who is signed in."""

    label: str
    links: tuple[MenuLink, ...]
    folded: bool = False


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
            MenuLink("/letters", later("Letters"), HANDLING),
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
            MenuLink("/models", later("Models"), MODELLING, for_supervising=True),
            MenuLink("/library", later("Library"), GOVERNING),
            MenuLink("/recommendations", later("Recommendations"), (*GOVERNING, "clerk")),
            MenuLink("/reports", later("Reports"), GOVERNING, for_supervising=True),
            MenuLink("/correlation", later("In common"), GOVERNING, for_supervising=True),
        ),
    ),
    MenuGroup(
        later("Proofs and operation"),
        (
            MenuLink("/verify", later("Verify"), is_public=True),
            MenuLink("/stocktakes", later("Stocktakes"), HANDLING),
            MenuLink("/operation", later("State of the service"), is_public=True),
            MenuLink("/agencies", later("Agencies and keys"), is_public=True),
            MenuLink("/setup", later("What is missing"), is_public=True),
            MenuLink("/documents", later("Documentation"), is_public=True),
            MenuLink("/retention", later("What is kept"), (*HANDLING, *SUPERVISORS)),
        ),
        folded=True,
    ),
)


def menu_of(session: ReaderSession | None, own: Agency | None, pages: Collection[str], here: str) -> Menu:
    """Return the menu of the signed-in reader, whose agency is ``own``, or of a visitor.

    ``pages`` are the paths that exist; ``here`` is the one that is shown.
    """
    supervises = own is not None and may_supervise(own)

    def is_shown(link: MenuLink) -> bool:
        if link.path not in pages:
            return False
        if link.is_public or session is None:
            return link.is_public
        return session.has_role(*link.roles) and (supervises or not link.for_supervising)

    visible_groups = (
        MenuGroup(group.label, tuple(filter(is_shown, group.links)), group.folded and session is not None)
        for group in MENU
    )
    groups = tuple(group for group in visible_groups if group.links)
    enclosing = [link.path for group in groups for link in group.links if f"{here}/".startswith(f"{link.path}/")]
    return Menu(groups, max(enclosing, key=len, default=None))


class NextStep(NamedTuple):
    """What is missing, what to do about it, and the commands and the page for it, if there are any.

    Without a machine a command is typed on the reader's own. Commands have fields of ``CommandValues``.
    """

    says: str
    how: str
    commands: tuple[tuple[Machine | None, str], ...] = ()
    path: str | None = None
    link: str | None = None


LACKING: Final = later("See what each agency lacks, and the command for each machine")
NO_AGENCY = NextStep(
    later("The log has no agency yet."),
    later("The founding agencies come into it by themselves once the chain answers. Nothing can be signed before."),
    path="/operation",
    link=later("See how it stands with the chain"),
)
NO_KEY = NextStep(
    later("No officer has a key yet."),
    later(
        "An officer makes his key on his own computer, and a file that asks for its grant. The admin of his agency "
        "grants it with the officer's role. Then the officer starts the signer, and signs in here."
    ),
    (*ASK_FOR_GRANT, *GRANT, *SIGN),
    "/setup",
    LACKING,
)
NO_CLERK = NextStep(
    later("Nobody in your agency can hand anything over yet."),
    later(
        "Its admin grants a key with the role clerk to each officer who is to open cases and hand over, and has asked:"
    ),
    GRANT,
    "/setup",
    LACKING,
)
NO_CASE = NextStep(
    later("Your agency has no case here yet."),
    later("Open one by hand, or import those of your own system. What others offer you appears in the inbox."),
    ((None, "tally import check FILE --mapping MAPPING"), (None, "tally import run FILE --mapping MAPPING")),
    "/cases/new",
    later("Open a case"),
)
NO_MODEL = NextStep(
    later("No supervision model is published yet, so no lead is raised."),
    later("Begin with a shipped model or a template, test it against its examples, and publish it:"),
    (
        (None, "tally model new MODEL_ID --from-template exceeded_clock"),
        (None, "tally model test MODEL_ID.yaml"),
        (None, "tally model publish MODEL_ID.yaml"),
    ),
    "/models",
    later("To the models"),
)
NO_LEAD = NextStep(
    later("Published models have found nothing yet."),
    later("The service runs them by itself as events come in, and over everything at times. See what one would find:"),
    ((None, "tally model run MODEL_ID.yaml"),),
    "/operation",
    later("See when they ran last"),
)
NOTHING_TO_AUDIT = NextStep(
    later("There is no case yet, so there is little to audit."),
    later("Agencies, keys and the log can be looked at already. Keep the trust file before the first case comes:"),
    ((None, "tally log trust --pin"),),
    "/agencies",
    later("Agencies and keys"),
)
NO_WITNESS = NextStep(
    later("No agency runs a witness yet: the operator of the log is watched by nobody."),
    later(
        "Your agency's operator makes the witness's keys, compares the digest of the trust file that was sent to him "
        "with that of other agencies, runs the witness, and tells its address to whoever runs the log:"
    ),
    (*NEW_WITNESS[:1], *RUN_WITNESS[:3]),
    "/setup",
    LACKING,
)


def next_step(service: Service, session: ReaderSession | None, authority: AuthorityState) -> NextStep | None:
    """Return the first thing that is missing and that this reader can do something about."""
    if not authority.agencies:
        return NO_AGENCY
    if session is None:
        return None if authority.grants else NO_KEY
    own_grants = (grant for grant in authority.grants.values() if grant.agency_id == session.agency)
    if session.has_role("supervisor") and not any("clerk" in g.roles and g.revoked is None for g in own_grants):
        return NO_CLERK
    with service.parts.database.read() as connection:
        if session.has_role("clerk") and not growth.has_case(connection, session.agency):
            return NO_CASE
        if session.has_role("analyst"):
            if not growth.has_model(connection):
                return NO_MODEL
            return None if growth.has_lead(connection) else NO_LEAD
        if session.has_role("auditor") and not growth.has_case(connection):
            return NOTHING_TO_AUDIT
    is_watched = service.parts.collector.states() or any(agency.witness for agency in authority.agencies.values())
    return NO_WITNESS if session.has_role("supervisor", "auditor") and not is_watched else None


_AGAIN = later("Wait a moment, then do the same again. What was signed counts once, however often it is sent.")
_SIGN_IN = later("Sign in again.")
_NEW_CODE = later("Have the desk show a new code on the page of the offer, and scan that one.")
_GRANT = later("Make a file with tally key request. The admin of your agency grants your key with it: tally key grant.")
_OPERATOR = later("Tell the operator of the ledger, and read the state of the service: here nothing can be done.")
_ANEW = later("Load the page again to see how the case stands now, then draft anew.")
_RELOAD = later("Load the page again, sign in anew, and try once more.")
_LISTED = later("Load the page again and choose from what it lists.")

BY_STATUS: Final = {
    400: later("Look at the field that is named, correct it, and send the form again."),
    401: _SIGN_IN,
    403: later("Your key or your role is not for this. Ask a colleague who has the role, or the admin of your agency."),
    404: later("Look at the address and the id. What you may not see looks as if it were not there."),
    408: _AGAIN,
    409: _ANEW,
    413: later("Send less at once."),
    422: later("Nothing was recorded. Change what stands in the way, then draft anew."),
    429: later("Wait a minute, then do the same again."),
    500: later("Tell the operator of the ledger what you did and when; the log of the service says more."),
    503: _AGAIN,
}
BY_CODE: Final = {
    "busy": _AGAIN,
    "stopping": _AGAIN,
    "writer_ended": _OPERATOR,
    "not_recorded": _AGAIN,
    "not_acknowledged": _AGAIN,
    "outcome_unknown": _AGAIN,
    "database_unavailable": _OPERATOR,
    "disk_failed": _OPERATOR,
    "disk_full": _OPERATOR,
    "database_damaged": _OPERATOR,
    "not_durable": _OPERATOR,
    "clock_set_forward": _OPERATOR,
    "clock_set_back": _OPERATOR,
    "clock_behind": _OPERATOR,
    "integrity_broken": _OPERATOR,
    "other_ledger": _OPERATOR,
    "chain_unavailable": later(
        "Read how it stands with the chain in the state of the service. Handovers go on meanwhile; try again later."
    ),
    "key_unknown": _GRANT,
    "key_not_valid": _GRANT,
    "key_revoked": later("Use another key of yours that is granted, or ask the admin of your agency for a new one."),
    "challenge_unknown": _SIGN_IN,
    **dict.fromkeys(("phone_ended", "phone_code_unknown"), _NEW_CODE),
    "too_many_phones": later("Sign one of the answers that wait, or end its phone: the inbox lists them."),
    "foreign_origin": later("Open the console by its own address and use the forms of its pages."),
    "foreign_sign_in": later("Open the console by the address that the signer was started for, and sign in there."),
    "sign_in_expired": later("Set this computer's clock right, then sign in again."),
    "signed_at_out_of_window": later("Set this computer's clock right, then sign again."),
    "signature_refused": later("Sign in with the key that you sign with, then draft anew."),
    "not_on_head": _ANEW,
    **dict.fromkeys(("event_id_taken", "payload_repeated"), _ANEW),
    "unknown_agency": _LISTED,
    "unknown_lead": _LISTED,
    "not_a_keeper": _LISTED,
    "unknown_recommendation": later("Issue the recommendation first, then close the lead with it."),
}


def advice(problem: Problem, language: str) -> str:
    """Return what to do next, in the English text that the catalogues translate.

    English readers get the ledger's own hint for the refusal if it is more specific than the one for its status, and
    not for the command line.
    """
    own = BY_CODE.get(problem.code)
    is_for_commands = "--" in problem.hint or "tally " in problem.hint
    if own is None and language == "en" and not is_for_commands and problem.hint not in HINTS.values():
        return problem.hint
    return own or BY_STATUS.get(problem.status, _RELOAD)
