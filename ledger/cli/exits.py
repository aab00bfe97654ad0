"""Exit codes of ``tally``: what a script may rely on."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

from ledger.core.errors import MalformedInput, TallystickError, Unavailable

if TYPE_CHECKING:
    from ledger.core.events.terms import Verdict
    from ledger.core.verification.report import Statement


class Exit(IntEnum):
    """``FAULT`` is a defect of the program itself (EX_SOFTWARE), ``CUT_OFF`` a reader who went away; no verdicts."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    UNVERIFIABLE = 3
    NOT_YET_ANCHORED = 4
    UNREACHABLE = 5
    CONTRADICTED = 6
    FAULT = 70
    INTERRUPTED = 130
    CUT_OFF = 141


MEANINGS = {
    Exit.OK: "done, or intact",
    Exit.REFUSED: "tampered, or refused",
    Exit.USAGE: "bad usage: an option, a file, a setting or a key that cannot be",
    Exit.UNVERIFIABLE: "unverifiable: something that a check needs is missing",
    Exit.NOT_YET_ANCHORED: "not yet anchored: nothing is wrong, and the chain does not have it yet",
    Exit.UNREACHABLE: "the service or the chain is not reachable; an event that was sent is kept and can be sent again",
    Exit.CONTRADICTED: "intact, but the custody rules were not kept, or events of the case are left out",
}
EXIT_OF_VERDICT = {
    "intact": Exit.OK,
    "tampered": Exit.REFUSED,
    "unverifiable": Exit.UNVERIFIABLE,
    "not_yet_anchored": Exit.NOT_YET_ANCHORED,
}
_USAGE_CODES = frozenset({"secret_refused", "key_refused", "no_profile", "no_ledger", "no_anvil"})


class Verified(Protocol):
    """A verification's verdict, and the two statements beside it."""

    @property
    def verdict(self) -> Verdict: ...
    @property
    def conformity(self) -> Statement: ...
    @property
    def completeness(self) -> Statement: ...


def exit_of_report(report: Verified) -> Exit:
    """Return the exit code of a verification: that of its verdict, or CONTRADICTED if a statement contradicts it."""
    if report.verdict == "intact" and "contradicted" in {report.conformity.result, report.completeness.result}:
        return Exit.CONTRADICTED
    return EXIT_OF_VERDICT[report.verdict]


def exit_of_error(error: TallystickError) -> Exit:
    """Return the exit code of a command that ``error`` stopped."""
    if isinstance(error, Unavailable):
        return Exit.UNREACHABLE
    if isinstance(error, MalformedInput) or error.code in _USAGE_CODES:
        return Exit.USAGE
    return Exit.REFUSED
