"""What stopped a command, in the user's language, and the exit code that programs get.

Errors are written in English where they are raised, for programs and for the log of a service.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

import click

from ledger.core.errors import (
    Conflict,
    IntegrityBroken,
    MalformedInput,
    NotFound,
    RuleRefused,
    TallystickError,
    Unauthorized,
    Unavailable,
)
from ledger.core.messages import Message
from ledger.i18n import Labels

if TYPE_CHECKING:
    from ledger.core.verification.report import Report
    from ledger.evidence.checking import EvidenceCheck
    from ledger.interchange.papers.certified import Certified


_SIGNED = ("payload.", "envelope.")
# The hint by the kind of error, if the error has none of its own.
_NEXT: dict[type[TallystickError], str] = {
    MalformedInput: Message("Mend what is named here, then run the command again."),
    Unauthorized: Message("Act by a profile that may: tally profile list"),
    NotFound: Message("Check the ids; what you may not see looks as if it were not there."),
    Conflict: Message("Look at how the case stands now, then do it again: tally case show"),
    RuleRefused: Message("Nothing was recorded: mend what is named here, then do it again."),
    IntegrityBroken: Message("Tell the operator of the ledger."),
    Unavailable: Message("Try again later."),
}


def usage_message(error: click.UsageError, labels: Labels) -> str:
    """Return what is wrong with the command line, and where its help is."""
    path = error.ctx.command_path if error.ctx else "tally"
    message = " ".join(error.format_message().split())
    if labels.language == "en":
        return f"{message.removesuffix('.')} (see {path} --help)"
    return f"{message.replace('。 ', '。').rstrip('.。')}（{path} --help）"


def refusal_message(error: TallystickError, labels: Labels) -> str:
    """Return the message of an error, in Chinese behind the meaning of its code."""
    if labels.language == "en":
        return error.for_operator
    meaning, detail = labels.find("refusal", error.code), "：".join((labels.translate(error.text), *error.notes))
    if meaning is None or meaning == detail or error.code in _ONLY_A_CLASS:
        return detail
    return f"{meaning}：{detail}"


def next_step(error: TallystickError, labels: Labels) -> str | None:
    """Return the hint of an error in the user's language, or the general hint for errors of its kind."""
    hint = error.hint or next((step for kind, step in _NEXT.items() if isinstance(error, kind)), None)
    return hint and labels.translate(hint)


def in_one_line(labels: Labels, field: str | None, message: str, *, rule: str, hint: str | None) -> str:
    """Join the field, what is wrong with it, the name of the rule, and the hint into one line."""
    colon, bracketed, stop, between = (
        (": ", " ({})", ".", " ") if labels.language == "en" else ("：", "（{}）", "。", "")
    )
    named = bracketed.format(rule) if rule else ""
    if field is not None and field.startswith(_SIGNED):  # a part of what is signed, which nobody types
        field = labels.of("field", field.rpartition(".")[2])
    text = colon.join(part for part in (field, message.removesuffix("。") + named) if part)
    return f"{text}{'' if text.endswith(('.', '?', '？')) else stop}{between + hint if hint else ''}"


_ONLY_A_CLASS = frozenset({MalformedInput.code, NotFound.code, RuleRefused.code, TallystickError.code, Conflict.code})


class Exit(IntEnum):
    """``FAULT`` is a defect of the program itself (EX_SOFTWARE), ``CUT_OFF`` a reader who went away; no verdicts."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    UNVERIFIABLE = 3
    NOT_YET_ANCHORED = 4
    UNREACHABLE = 5
    CONTRADICTED = 6
    CONTINUED = 7
    OTHER_LEDGER = 8
    FAULT = 70
    INTERRUPTED = 130
    CUT_OFF = 141


MEANINGS = {
    Exit.OK: "done, or intact",
    Exit.REFUSED: "tampered, or refused",
    Exit.USAGE: "bad usage: an option, a file, a setting or a key that cannot be",
    Exit.UNVERIFIABLE: "unverifiable: something that a check needs is missing",
    Exit.NOT_YET_ANCHORED: "not yet anchored: nothing shown is wrong, and no record on a chain that you trust is shown",
    Exit.UNREACHABLE: "the service or the chain is not reachable; an event that was sent is kept and can be sent again",
    Exit.CONTRADICTED: "intact, but an act was impossible under the custody rules, or events of the case are left out",
    Exit.CONTINUED: "nothing is wrong in what was read by an audit that goes on from an earlier one",
    Exit.OTHER_LEDGER: "of another ledger than the trust file: this proves nothing of that ledger, and accuses nobody",
}
EXIT_OF_VERDICT = {
    "intact": Exit.OK,
    "continued": Exit.CONTINUED,
    "tampered": Exit.REFUSED,
    "other_ledger": Exit.OTHER_LEDGER,
    "unverifiable": Exit.UNVERIFIABLE,
    "not_yet_anchored": Exit.NOT_YET_ANCHORED,
}
_USAGE_CODES = frozenset(
    {
        *("secret_refused", "key_refused", "no_profile", "no_ledger", "no_anvil", "other_ledger", "database_in_use"),
        "not_alike",
    }
)

_EXIT_OF_CODE = {"bundle_of_other_ledger": Exit.OTHER_LEDGER, "other_schema": Exit.UNVERIFIABLE}


def exit_of_report(report: Report | Certified | EvidenceCheck) -> Exit:
    """Return the exit code of a verification: that of its verdict, or CONTRADICTED if a statement contradicts it."""
    stated = (report.conformity, report.completeness)
    if report.verdict == "intact" and any(each and each.result == "contradicted" for each in stated):
        return Exit.CONTRADICTED
    return EXIT_OF_VERDICT[report.verdict]


def exit_of_error(error: TallystickError) -> Exit:
    """Return the exit code of a command that ``error`` stopped."""
    if isinstance(error, Unavailable):
        return Exit.UNREACHABLE
    if isinstance(error, MalformedInput) or error.code in _USAGE_CODES:
        return Exit.USAGE
    return _EXIT_OF_CODE.get(error.code, Exit.REFUSED)
