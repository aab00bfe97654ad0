"""The plan of a life: what will become of a case, drawn before it begins."""

from __future__ import annotations

from random import Random
from typing import Literal, TypeVar

from msgspec import Struct

T = TypeVar("T")

Kind = Literal["criminal", "commission", "referral", "civil", "administrative", "public_interest"]
Route = Literal["judgment", "not_prosecuted", "withdrawn", "waiting"]
Custody = Literal["three_days", "a_week", "a_month", "arrest_refused", "bail", "surveillance"]
Appeal = Literal["none", "upheld", "remanded"]

KINDS: dict[Kind, int] = {
    "criminal": 80,
    "commission": 4,
    "referral": 4,
    "civil": 4,
    "administrative": 4,
    "public_interest": 4,
}
ROUTES: dict[Route, int] = {"judgment": 76, "not_prosecuted": 12, "withdrawn": 8, "waiting": 4}
CUSTODIES: dict[Custody, int] = {
    "three_days": 20,
    "a_week": 25,
    "a_month": 20,
    "arrest_refused": 10,
    "bail": 20,
    "surveillance": 5,
}
APPEALS: dict[Appeal, int] = {"none": 80, "upheld": 14, "remanded": 6}
RETURNS = {0: 60, 1: 28, 2: 12}


class Plan(Struct, frozen=True):
    """``custody`` is how the suspects are restrained, ``returns`` how often the review sends the case back.

    ``at_large`` is a co-defendant who is not caught. What else is in the case: ``account`` a frozen one, ``car`` that
    stays in the depot, ``phone`` that goes to the laboratory, ``cash`` that is split. ``careless`` are agencies whose
    lists often differ from what arrives, ``correcting`` those that often correct them.
    """

    kind: Kind
    route: Route
    custody: Custody
    appeal: Appeal
    returns: int
    suspects: int
    exhibits: int
    at_large: bool
    account: bool
    car: bool
    phone: bool
    cash: bool
    summary: bool
    careless: tuple[str, ...] = ()
    correcting: tuple[str, ...] = ()


def drawn(chance: Random) -> Plan:
    """A plan by chance."""
    at_large = chance.random() < 0.05
    return Plan(
        kind=_one(chance, KINDS),
        route=_one(chance, ROUTES),
        custody=_one(chance, CUSTODIES),
        appeal=_one(chance, APPEALS),
        returns=_one(chance, RETURNS),
        suspects=_one(chance, {1: 70, 2: 22, 3: 8}),
        exhibits=chance.randint(1, 5),
        at_large=at_large,
        account=chance.random() < 0.3,
        car=chance.random() < 0.2,
        phone=chance.random() < 0.5,
        cash=chance.random() < 0.4,
        summary=not at_large and chance.random() < 0.25,
    )


def _one(chance: Random, shares: dict[T, int]) -> T:
    return chance.choices([*shares], [*shares.values()])[0]
