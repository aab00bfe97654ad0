"""What was read, in the reader's words: the log of reads says it in English, and that is recorded."""

from __future__ import annotations

from api.texts import Texts, later

# By what the record begins with; what follows fills the slot.
_PHRASES = {
    "search for": later("search for {rest}"),
    "event": later("event {rest}"),
    "proof of event": later("proof of event {rest}"),
    "certificate of event": later("certificate of event {rest}"),
    "paper of event": later("paper of event {rest}"),
    "handover": later("handover {rest}"),
    "item": later("item {rest}"),
    "history of item": later("history of item {rest}"),
    "history of person": later("history of person {rest}"),
    "lead": later("lead {rest}"),
    "draft of": later("draft of {rest}"),
    "export of the case as": later("export of the case as {rest}"),
    "run of the model": later("run of the model {rest}"),
}
_WHOLE = {
    "case": later("the case"),
    "head of the case": later("head of the case"),
    "timeline of the case": later("timeline of the case"),
    "picture of the case": later("picture of the case"),
    "lineage of the items": later("lineage of the items"),
    "chain of custody of the case": later("chain of custody of the case"),
    "events of the case": later("events of the case"),
    "deadlines of the case": later("deadlines of the case"),
    "proof of the case": later("proof of the case"),
    "audit of the case": later("audit of the case"),
    "report of an audit": later("report of an audit"),
    "log of reads": later("log of reads"),
    "start page": later("start page"),
    "inbox": later("inbox"),
    "outbox": later("outbox"),
    "feed of events": later("feed of events"),
    "list of cases": later("list of cases"),
    "list of items": later("list of items"),
    "list of handovers": later("list of handovers"),
    "list of deadlines": later("list of deadlines"),
    "list of warnings": later("list of warnings"),
    "list of imports": later("list of imports"),
    "look-up of imports": later("look-up of imports"),
    "warnings by webhook": later("warnings by webhook"),
    "cited events": later("cited events"),
}


def told(what: str, texts: Texts) -> str:
    """The record's words; as they are where no phrase is known."""
    if what in _WHOLE:
        return texts(_WHOLE[what])
    known = [start for start in _PHRASES if what.startswith(f"{start} ")]
    if not known:
        return what
    start = max(known, key=len)
    return texts(_PHRASES[start], rest=what.removeprefix(f"{start} "))
