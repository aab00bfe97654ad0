"""Details of flags in the reader's words. The custody rules say them in English phrases, and those are recorded."""

from __future__ import annotations

import re
from collections.abc import Callable
from string import Formatter

from ledger.locales import Labels

# The rules' own phrases, the more particular first; a slot is a field, and its value is said as that field's.
TEMPLATES = (
    "signed {hours} hours after it happened",
    "received at {received_at}, before it was offered at {offered_at}",
    "answered at {occurred_at}, before it was received at {received_at}",
    "served at {served_at}, before it was decided at {decided_at}",
    "served at {served_at}, before it was requested at {requested_at}",
    "disposed at {disposed_at}, before it was proposed at {proposed_at}",
    "disposed at {disposed_at}, before it was decided at {decided_at}",
    "in effect at {effective_at}, before it was decided at {decided_at}",
    "due at {due_at}, before it was set at {occurred_at}",
    "until {until}, before it was set at {occurred_at}",
    "return no. {number} for supplementary investigation",
    "handover {handover_id} set {due_at}",
    "{officer} released and received",
    "{occurred_at}, after an act of {before_at}",
    "the case was closed",
    "item {item_id} was due at {due_at}",
    "item {item_id} is frozen until {day}",
    "item {item_id} was frozen until {day}",
    "item {item_id}: differs",
    "item {item_id}: quantity {found}, recorded {expected}",
    "item {item_id}: {disposal}, decided {decided}",
    "item {item_id}: {found}, recorded {expected}",
    "{person_id} is kept for {agency}",
    "{clock} is not extended by {article}",
    "{deadline_id} is set to {until}, the rules give it until {lawful}",
)
_PARTS = re.compile(r", (?=item |[0-9a-f]{32} is kept|(?:received|answered|served|disposed|in effect|due) at )")


def _pattern(template: str) -> re.Pattern[str]:
    pieces = Formatter().parse(template)
    return re.compile("".join(re.escape(text) + (f"(?P<{slot}>.+?)" if slot else "") for text, slot, _, _ in pieces))


_PATTERNS = {template: _pattern(template) for template in TEMPLATES}


def in_words(labels: Labels, detail: str, said: Callable[[str, str], str]) -> str:
    """The detail, phrase by phrase; one that is not of the rules stays as it is."""
    separator = labels.of("telling", "separator")
    return separator.join(_phrase(labels, part, said) for part in _PARTS.split(detail))


def _phrase(labels: Labels, phrase: str, said: Callable[[str, str], str]) -> str:
    for template, pattern in _PATTERNS.items():
        if match := pattern.fullmatch(phrase):
            shown = labels.find("flag_detail", template) or template
            return shown.format_map({slot: said(slot, value) for slot, value in match.groupdict().items()})
    return said("", phrase)
