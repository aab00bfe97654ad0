"""What an audit says, in a reader's language: findings by words with slots, steps by the sentences they take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Final

from ledger.locales import Labels

FINDINGS: Final = (
    *("entry_missing", "entry_unreadable", "refused", "refused_at", "refused_by", "impossible", "differs", "section"),
    *(
        "flags",
        "place",
        "stream",
        "row",
        "tree_size",
        "registry_changes",
        "registry_differs",
        "recorded_before",
        "read",
    ),
    *("tile_differs", "tile_leaf", "tile_length", "tile_hash", "tiles", "other_entry", "size", "root_at", "root_unmet"),
    *("published_before", "transaction_hash", "anchor_number", "block_time", "no_checkpoint", "stamp_time"),
)
CLAIMANTS: Final = ("checkpoint", "journal", "contract", "stored_root", "timestamp")
VALUES: Final = (
    *("no such row", "a row", "a row that no event has made", "a row of no entry", "no such section", "erased"),
    *("none", "none outside of cases", "the log is smaller", "no such tile"),
)
STEPS: Final = (
    "{} changes, each with its number and rolling hash",
    "{} keys, each good where it was used",
    "the registry's mirror is broken: {}",
    "{} entries, none missing, each canonical and filed as its envelope says",
    "{} entries of case {}, each canonical and filed as its envelope says",
    "{} payloads with the digests that were signed, and their sections",
    "{} signatures",
    "the root at size {} follows from the entries, and every tile",
    "each entry is in the tree of size {}",
    "each event stands on the one before",
    "each act was possible, its flags are those of the rules",
    "what lists show is what the events come to",
    "each step was possible, by whom it belonged to",
    "{} published, signed by {}",
    "none is published yet",
    "the last one, of size {}",
    "{} records, {} changes of the registry",
    "none of {} entries is anchored for good yet",
    "{} of {} entries, {} came since the anchor",
    "{} records of reads",
    "shown by the audit of the whole log",
    "{} findings, the first at entry {}",
    "{} findings",
    "the audit failed; the service's own log says why",
)


def finding_told(labels: Labels, word: str, slots: Mapping[str, str]) -> str:
    """The sentence of a finding. ``by`` is who claims it, ``code`` that of a refusal, told beside its message."""
    filled = dict(slots)
    if "by" in slots:
        filled["by"] = labels.of("audit_claimant", slots["by"]).format_map(slots)
    if "code" in slots:
        filled["refusal"] = labels.of("refusal", slots["code"])
    return labels.of("audit_finding", word).format_map(filled)


def value_told(labels: Labels, value: str | None) -> str:
    """What was expected or found: a value as it is, or in words that there is none."""
    return "—" if value is None else labels.find("audit_value", value) or value


def step_told(labels: Labels, said: str) -> str:
    """What a step says; as it is where it quotes what no list foresees, such as a chain's fault."""
    for template, pattern in _patterns():
        found = pattern.fullmatch(said)
        if found is not None:
            parts = (step_told(labels, part) for part in found.groups())
            return (labels.find("audit_step", template) or template).format(*parts)
    return said


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    return [(one, re.compile("(.+?)".join(map(re.escape, one.split("{}"))), re.DOTALL)) for one in STEPS]
