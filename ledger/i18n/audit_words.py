"""The findings of an audit in the reader's language: sentences of the catalogues by their words, with slots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ledger.core.messages import Message
from ledger.i18n import Labels

VALUES: Final = (
    *("no such row", "a row", "a row that no event has made", "a row of no entry", "no such section", "erased"),
    *("none", "none outside of cases", "the log is smaller", "no such tile"),
)

VERDICT_MEANS: Final = {
    "intact": Message("Everything is as it was signed, and as the chain has it."),
    "continued": Message(
        "Nothing is wrong in what was read: what came since an earlier audit, and a part of what came before. The rest "
        "was not read again and is as that audit had it; below stands how much. Only an audit of everything says more."
    ),
    "tampered": Message(
        "Something was changed. The findings below say what and where. Keep the report, tell the other agencies, "
        "and do not write to this database."
    ),
    "not_yet_anchored": Message(
        "Nothing is wrong, but nothing of it is anchored for good yet: the chain proves nothing so far. Audit again "
        "when the next anchor is final, which is usual within ten minutes of the recording."
    ),
    "unverifiable": Message(
        "Something could not be looked at; the steps below say what is missing. Nothing is said to be whole that was "
        "not compared."
    ),
}


def finding_text(labels: Labels, word: str, slots: Mapping[str, Any]) -> str:
    """Return the sentence of a finding.

    ``by`` names the claimant. ``code`` is the code of a refusal, whose label precedes its message.
    """
    filled = {
        name: labels.translate(Message.unpacked(value)) if isinstance(value, Mapping) else value
        for name, value in slots.items()
    }
    if "by" in slots:
        filled["by"] = labels.of("audit_claimant", slots["by"]).format_map(filled)
    if "code" in slots:
        filled["refusal"] = labels.of("refusal", slots["code"])
    return labels.of("audit_finding", word).format_map(filled)


def value_text(labels: Labels, value: str | None) -> str:
    """Return an expected or found value as it is, or the words for a missing one."""
    return "—" if value is None else labels.find("audit_value", value) or value
