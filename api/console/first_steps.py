"""First use: what a new installation needs next, depending on the reader, with the command for it."""

from __future__ import annotations

from typing import NamedTuple

from api.auth.sessions import ReaderSession
from api.dependencies import Service
from api.texts import later
from ledger.core.signing.authority import AuthorityState, Grant
from ledger.store import growth


class NextStep(NamedTuple):
    """What is missing, what to do about it, and the commands and the page for it, if there are any.

    ``{url}`` in a command is the service's.
    """

    says: str
    how: str
    commands: tuple[str, ...] = ()
    path: str | None = None
    link: str | None = None


GRANT = "tally key grant FILE --role clerk --until 2035-01-01"
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
    (
        "tally key new NAME",
        "tally profile add NAME --url {url} --agency AGENCY --officer SERVICE_NUMBER --key NAME",
        "tally --profile NAME key request -o FILE",
        GRANT,
        "tally --profile NAME signer",
    ),
)
NO_CLERK = NextStep(
    later("Nobody in your agency can hand anything over yet."),
    later(
        "Its admin grants a key with the role clerk to each officer who is to open cases and hand over, and has asked:"
    ),
    (GRANT,),
)
NO_CASE = NextStep(
    later("Your agency has no case here yet."),
    later("Open one by hand, or import those of your own system. What others offer you appears in the inbox."),
    ("tally import check FILE --mapping MAPPING", "tally import run FILE --mapping MAPPING"),
    "/cases/new",
    later("Open a case"),
)
NO_MODEL = NextStep(
    later("No supervision model is published yet, so no lead is raised."),
    later("Begin with a shipped model or a template, test it against its examples, and publish it:"),
    (
        "tally model new MODEL_ID --from-template exceeded_clock",
        "tally model test MODEL_ID.yaml",
        "tally model publish MODEL_ID.yaml",
    ),
    "/models",
    later("To the models"),
)
NO_LEAD = NextStep(
    later("Published models have found nothing yet."),
    later("The service runs them by itself as events come in, and over everything at times. See what one would find:"),
    ("tally model run MODEL_ID.yaml",),
    "/operation",
    later("See when they ran last"),
)
NOTHING_TO_AUDIT = NextStep(
    later("There is no case yet, so there is little to audit."),
    later("Agencies, keys and the log can be looked at already. Keep the trust file before the first case comes:"),
    ("tally log trust --pin",),
    "/agencies",
    later("Agencies and keys"),
)
NO_WITNESS = NextStep(
    later("No agency runs a witness yet: the operator of the log is watched by nobody."),
    later("Your agency's operator makes the witness's keys, runs it, and tells its address to whoever runs the log:"),
    ("tally witness key NAME --keep-passphrase", "tally witness run"),
    "/operation",
    later("See who is asked to co-sign"),
)


def next_step(service: Service, session: ReaderSession | None) -> NextStep | None:
    """Return the first thing that is missing and that this reader can do something about."""
    authority = service.authority()
    if not authority.agencies:
        return NO_AGENCY
    if session is None:
        return None if authority.grants else NO_KEY
    return _of_handling(service, authority, session) or _of_looking(service, authority, session)


def _of_handling(service: Service, authority: AuthorityState, session: ReaderSession) -> NextStep | None:
    has_clerk = any(_is_clerks(grant, session.agency) for grant in authority.grants.values())
    if session.has_role("supervisor") and not has_clerk:
        return NO_CLERK
    if session.has_role("clerk"):
        with service.parts.database.read() as connection:
            return None if growth.has_case(connection, session.agency) else NO_CASE
    return None


def _of_looking(service: Service, authority: AuthorityState, session: ReaderSession) -> NextStep | None:
    with service.parts.database.read() as connection:
        if session.has_role("analyst"):
            if not growth.has_model(connection):
                return NO_MODEL
            return None if growth.has_lead(connection) else NO_LEAD
        if session.has_role("auditor") and not growth.has_case(connection):
            return NOTHING_TO_AUDIT
    is_watched = service.parts.collector.states() or any(agency.witness for agency in authority.agencies.values())
    return NO_WITNESS if session.has_role("supervisor", "auditor") and not is_watched else None


def _is_clerks(grant: Grant, agency_id: str) -> bool:
    return grant.agency_id == agency_id and "clerk" in grant.roles and grant.revoked is None
