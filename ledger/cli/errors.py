"""What stopped a command, in the language of whoever typed it.

Refusals are written in English where they are made, for programs and for the log of a service.
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
# What to do next where a refusal says nothing of its own, or nothing that the catalogue has.
_NEXT: dict[type[TallystickError], str] = {
    MalformedInput: "Mend what is named here, then run the command again.",
    Unauthorized: "Act by a profile that may: tally profile list",
    NotFound: "Check the ids; what you may not see looks as if it were not there.",
    Conflict: "Look at how the case stands now, then do it again: tally case show",
    RuleRefused: "Nothing was recorded: mend what is named here, then do it again.",
    IntegrityBroken: "Tell the operator of the ledger.",
    Unavailable: "Try again later.",
}


def of_usage(error: click.UsageError, labels: Labels) -> str:
    """What was wrong with the command line, and where its help is."""
    path = error.ctx.command_path if error.ctx else "tally"
    told = " ".join(error.format_message().split())
    if labels.language == "en":
        return f"{told.removesuffix('.')} (see {path} --help)"
    return f"{said(told, labels).removesuffix('。')}（{path} --help）"


def of_refusal(error: TallystickError, labels: Labels) -> str:
    """What an error says, after what its code means; in English its own words say it all."""
    told = error.for_operator
    if labels.language == "en":
        return told
    meaning, detail = labels.find("refusal", error.code), said(told, labels)
    if meaning is None or meaning == detail or error.code in _ONLY_A_CLASS:
        return detail
    return f"{meaning}：{detail}"


def next_step(error: TallystickError, labels: Labels) -> str | None:
    """What to do now: as the error says, in Chinese where the catalogue has it, else as is right for its kind."""
    if labels.language == "en":
        return error.hint
    own = said(error.hint, labels) if error.hint else ""
    if own and own != error.hint:
        return own
    general = next((told for kind, told in _NEXT.items() if isinstance(error, kind)), None)
    return said(general, labels) + (f"（{error.hint}）" if error.hint else "") if general else error.hint


def in_a_line(labels: Labels, field: str | None, message: str, *, rule: str, hint: str | None) -> str:
    """The field, what is wrong with it, the rule by its name, and what to do next."""
    colon, bracketed, stop, between = (
        (": ", " ({})", ".", " ") if labels.language == "en" else ("：", "（{}）", "。", "")
    )
    named = bracketed.format(rule) if rule else ""
    text = colon.join(part for part in (_place(field, labels), message.removesuffix("。") + named) if part)
    return f"{text}{'' if text.endswith(('.', '?', '？')) else stop}{between + hint if hint else ''}"


def _place(field: str | None, labels: Labels) -> str | None:
    """An option as it is typed; a part of what is signed, which nobody types, by its label."""
    if field is None or not field.startswith(_SIGNED):
        return field
    return labels.of("field", field.rpartition(".")[2])


_ONLY_A_CLASS = frozenset({MalformedInput.code, NotFound.code, RuleRefused.code, TallystickError.code, Conflict.code})
