"""Wording: what a notice says, in one sentence without the names of persons, things and cases.

The same sentence stands in the browser and in mail, which is read by others on its way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from ledger.core.messages import Message
from ledger.i18n import zone_in_use
from ledger.notices.topics import Topic
from ledger.store.notice_tables import Notice

# What happened, by the topic that it belongs to. Those of an event type are called as it is.
_SENTENCES: Final[Mapping[Topic, Mapping[str, Message]]] = {
    "offered": {
        "handover.offered": Message("{agency} makes an offer to your agency."),
        "handover.returned": Message("{agency} returns what your agency handed over."),
        "handover.recalled": Message("{agency} has recalled its offer to your agency."),
    },
    "answered": {
        "handover.accepted": Message("{agency} has accepted your agency's offer."),
        "handover.refused": Message("{agency} has refused your agency's offer."),
    },
    "assigned": {
        "case.assigned": Message("The case is assigned to you."),
        "lead.assigned": Message("A lead is assigned to you."),
    },
    "letter": {
        "letter.sent": Message("{agency} has sent your agency a letter."),
        "letter.answered": Message("{agency} has answered your agency's letter."),
    },
    "discrepancy": {
        "discrepancy.raised": Message("{agency} states a difference from what was handed over."),
        "discrepancy.counted": Message("{agency} has counted what lies in a room, and states a difference."),
        "discrepancy.claimed": Message("{agency} has counted a thing that your agency holds as surplus."),
        "discrepancy.resolved": Message("{agency} has signed a resolution of a difference."),
    },
    "lead": {
        "lead.notified": Message("A lead concerns your agency, which is asked for an answer."),
        "lead.transferred": Message("A lead is transferred to your agency."),
        "lead.answered": Message("A lead has been answered."),
    },
    "recommendation": {
        "recommendation.issued": Message("{agency} has issued a recommendation to your agency."),
        "recommendation.received": Message("{agency} has recorded the receipt of a recommendation."),
        "recommendation.objected": Message("{agency} objects to your agency's recommendation."),
        "recommendation.reviewed": Message("{agency} has reviewed its recommendation to your agency."),
        "recommendation.answered": Message("{agency} has replied to your agency's recommendation."),
        "recommendation.escalated": Message("{agency} has gone on with a recommendation that was not followed."),
        "recommendation.rechecked": Message("{agency} has checked what came of its recommendation."),
    },
}
_SENTENCE_OF: Final = {kind: text for texts in _SENTENCES.values() for kind, text in texts.items()}
TOPIC_OF: Final[Mapping[str, Topic]] = {
    "deadline": "due",
    **{kind: topic for topic, texts in _SENTENCES.items() for kind in texts},
}
_PASSED = Message("Overdue ({ends}): {clock}.")
_TO_COME = Message("{clock}: {ends}.")
TITLES: Final[Mapping[Topic, Message]] = {
    "offered": Message("Something is offered or returned to my agency, or recalled"),
    "answered": Message("My agency's offer is accepted or refused"),
    "assigned": Message("A case or a lead is assigned to me"),
    "due": Message("A deadline of mine, or of nobody in particular, is due in 7, 3 or 1 days or overdue"),
    "due_of_others": Message("A deadline that a colleague handles is due or overdue"),
    "letter": Message("A letter to my agency, or the answer to one of its own"),
    "discrepancy": Message("A difference is stated against my agency, or its resolution signed"),
    "lead": Message("A lead is transferred to my agency, concerns it, or is answered"),
    "recommendation": Message("A recommendation is issued to my agency, or something comes of one"),
}


def sentence(notice: Notice, name_of: Callable[[str], str], clock_of: Callable[[str], str]) -> Message:
    """Return what the notice says. ``name_of`` names agencies by their ids, ``clock_of`` clocks by their names."""
    if notice.kind != "deadline":
        return Message(_SENTENCE_OF[notice.kind].msgid, agency=name_of(notice.by_agency or ""))
    # The day, not how many are left: it is still right when the notice is read later.
    pattern, ends = _TO_COME if notice.days else _PASSED, in_time(notice) or ""
    return Message(pattern.msgid, ends=ends, clock=clock_of(notice.word or ""))


def in_time(notice: Notice) -> Message | None:
    """Return until when one can still act: the last day, or where hours count the moment, as ``Labels.with_moments``
    formats it. The last day of a clock is that of its procedure's zone, which need not be the zone in use.
    """
    if notice.until is None:
        return None
    is_of_clock = notice.kind == "deadline"
    day = notice.last_day if is_of_clock else zone_in_use().day_that_ends(datetime.fromisoformat(notice.until))
    if day is None:
        return Message("until {at}", at=notice.until)
    if notice.at_end == "not_before":  # the days off behind it are not all known
        return Message("last day not before {day}", day=day)
    return Message("last day {day}", day=day)
