"""Topics: what officers choose notices by, and what they get who have not chosen."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, Literal, get_args

from msgspec import Struct

from ledger.core.events.terms import Role

Topic = Literal[
    "offered", "answered", "assigned", "due", "due_of_others", "letter", "discrepancy", "lead", "recommendation"
]
TOPICS: Final[tuple[Topic, ...]] = get_args(Topic)
MailRhythm = Literal["none", "once", "daily"]


class NoticeChoice(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether notices of a topic appear in the browser, and how they are mailed."""

    browser: bool
    mail: MailRhythm


OFF: Final = NoticeChoice(browser=False, mail="none")
AT_ONCE: Final = NoticeChoice(browser=True, mail="once")
DAILY: Final = NoticeChoice(browser=True, mail="daily")
# What each role does by itself; of an officer with several roles the fuller choice counts.
_USUAL: Final[Mapping[Role, Mapping[Topic, NoticeChoice]]] = {
    "clerk": {
        "offered": AT_ONCE,
        "assigned": AT_ONCE,
        "answered": DAILY,
        "due": DAILY,
        "letter": DAILY,
        "discrepancy": DAILY,
        "recommendation": DAILY,
        "lead": DAILY,
    },
    "supervisor": {
        "due_of_others": DAILY,
        "discrepancy": DAILY,
        "lead": DAILY,
        "recommendation": AT_ONCE,
        "assigned": AT_ONCE,
        "due": DAILY,
        "letter": DAILY,
    },
    "auditor": {"assigned": AT_ONCE, "lead": DAILY, "recommendation": DAILY},
    "analyst": {"assigned": AT_ONCE, "lead": DAILY, "recommendation": DAILY},
    "witness": {},
}
_ORDER: Final = (OFF, DAILY, AT_ONCE)


def choices_of(roles: Collection[Role], own: Mapping[Topic, NoticeChoice]) -> dict[Topic, NoticeChoice]:
    """Return an officer's choice of each topic: his own, or else the usual one; mail only once he gave an address."""
    usual = {topic: [OFF, *(_USUAL[role].get(topic, OFF) for role in roles)] for topic in TOPICS}
    return {topic: max(choices, key=_ORDER.index) for topic, choices in usual.items()} | dict(own)
