"""Advice: what the reader of a page should do after a refusal. The API's own hints are for programs."""

from __future__ import annotations

from typing import Final

from api.middleware.problems import HINTS, Problem
from api.texts import later

_AGAIN = later("Wait a moment, then do the same again. What was signed counts once, however often it is sent.")
_SIGN_IN = later("Sign in again.")
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
    "not_durable": _OPERATOR,
    "integrity_broken": _OPERATOR,
    "other_ledger": _OPERATOR,
    "chain_unavailable": later(
        "Read how it stands with the chain in the state of the service. Handovers go on meanwhile; try again later."
    ),
    "key_unknown": _GRANT,
    "key_not_valid": _GRANT,
    "key_revoked": later("Use another key of yours that is granted, or ask the admin of your agency for a new one."),
    "challenge_unknown": _SIGN_IN,
    "foreign_origin": later("Open the console by its own address and use the forms of its pages."),
    "foreign_sign_in": later("Open the console by the address that the signer was started for, and sign in there."),
    "sign_in_expired": later("Set this computer's clock right, then sign in again."),
    "signed_at_out_of_window": later("Set this computer's clock right, then sign again."),
    "signature_refused": later("Sign in with the key that you sign with, then draft anew."),
    "not_on_head": _ANEW,
    "event_id_taken": _ANEW,
    "unknown_agency": _LISTED,
    "unknown_lead": _LISTED,
    "not_a_detention_house": _LISTED,
    "unknown_recommendation": later("Issue the recommendation first, then close the lead with it."),
}


def advice(problem: Problem, language: str) -> str:
    """Return what to do next, in the English text that the catalogues translate.

    English readers get the ledger's own hint for the refusal if it is more specific than the one for its status.
    """
    own = BY_CODE.get(problem.code)
    if own is None and language == "en" and problem.hint not in HINTS.values():
        return problem.hint
    return own or BY_STATUS.get(problem.status, _RELOAD)
