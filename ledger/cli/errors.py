"""What stopped a command, in the user's language.

Errors are written in English where they are raised, for programs and for the log of a service.
"""

from __future__ import annotations

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
from ledger.i18n import Labels
from ledger.i18n.messages import said

_SIGNED = ("payload.", "envelope.")
# The hint by the kind of error, if the error has none of its own, or none that the catalogue translates.
_NEXT: dict[type[TallystickError], str] = {
    MalformedInput: "Mend what is named here, then run the command again.",
    Unauthorized: "Act by a profile that may: tally profile list",
    NotFound: "Check the ids; what you may not see looks as if it were not there.",
    Conflict: "Look at how the case stands now, then do it again: tally case show",
    RuleRefused: "Nothing was recorded: mend what is named here, then do it again.",
    IntegrityBroken: "Tell the operator of the ledger.",
    Unavailable: "Try again later.",
}


def usage_message(error: click.UsageError, labels: Labels) -> str:
    """Return what is wrong with the command line, and where its help is."""
    path = error.ctx.command_path if error.ctx else "tally"
    message = " ".join(error.format_message().split())
    if labels.language == "en":
        return f"{message.removesuffix('.')} (see {path} --help)"
    return f"{said(message, labels).removesuffix('。')}（{path} --help）"


def refusal_message(error: TallystickError, labels: Labels) -> str:
    """Return the message of an error, in Chinese behind the meaning of its code."""
    message = error.for_operator
    if labels.language == "en":
        return message
    meaning, detail = labels.find("refusal", error.code), said(message, labels)
    if meaning is None or meaning == detail or error.code in _ONLY_A_CLASS:
        return detail
    return f"{meaning}：{detail}"


def next_step(error: TallystickError, labels: Labels) -> str | None:
    """Return the hint of an error in the user's language, or the general hint for errors of its kind."""
    if labels.language == "en":
        return error.hint
    own = said(error.hint, labels) if error.hint else ""
    if own and own != error.hint:
        return own
    general = next((step for kind, step in _NEXT.items() if isinstance(error, kind)), None)
    return said(general, labels) + (f"（{error.hint}）" if error.hint else "") if general else error.hint


def in_one_line(labels: Labels, field: str | None, message: str, *, rule: str, hint: str | None) -> str:
    """Join the field, what is wrong with it, the name of the rule, and the hint into one line."""
    colon, bracketed, stop, between = (
        (": ", " ({})", ".", " ") if labels.language == "en" else ("：", "（{}）", "。", "")
    )
    named = bracketed.format(rule) if rule else ""
    text = colon.join(part for part in (_place(field, labels), message.removesuffix("。") + named) if part)
    return f"{text}{'' if text.endswith(('.', '?', '？')) else stop}{between + hint if hint else ''}"


def _place(field: str | None, labels: Labels) -> str | None:
    """Return an option as it is typed, and the label of a part of what is signed, which nobody types."""
    if field is None or not field.startswith(_SIGNED):
        return field
    return labels.of("field", field.rpartition(".")[2])


_ONLY_A_CLASS = frozenset({MalformedInput.code, NotFound.code, RuleRefused.code, TallystickError.code, Conflict.code})
