"""Open offers come by what ends first in their case, page by page, on each database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledger.core.errors import MalformedInput
from ledger.store.clocks import OfferPosition, offer_position, open_offers, parse_offer_position
from tests.testkit.builders import LAB, POLICE, PROCURATORATE, START, clerk, instant
from tests.testkit.casework import Case
from tests.testkit.ledgers import Ledger, open_ledger

HOUR = 3600
NOW = instant(START + HOUR)


@pytest.fixture
def ledger(each_database_url: str) -> Iterator[Ledger]:
    with open_ledger(each_database_url) as opened:
        yield opened.found(*(clerk(agency) for agency in (POLICE, PROCURATORATE, LAB)))


def made_offer(number: int, to: str = PROCURATORATE, **fields: str) -> Case:
    case = Case(f"case-{number}").open().register(f"item-{number}")
    purpose = {"purpose": "forensic_examination"} if to == LAB else {}
    return case.offer(f"item-{number}", to=to, **purpose, **fields)  # type: ignore[arg-type]


def told(ledger: Ledger, agency: str = PROCURATORATE, box: str = "inbox", limit: int = 2) -> list[list[str]]:
    """The ids of the cases, page by page."""
    pages: list[list[str]] = []
    after: OfferPosition | None = None
    with ledger.database.read() as connection:
        while True:
            rows = open_offers(connection, agency, box, as_of=NOW, limit=limit, after=after)  # type: ignore[arg-type]
            if not rows:
                return pages
            pages.append([row["case_id"] for row in rows])
            after = parse_offer_position(str(offer_position(rows[-1])))


def test_what_ends_first_comes_first_on_the_first_page(ledger: Ledger) -> None:
    """Not what was offered last; what is answered is not in the box, and what has no end comes last."""
    ends = {1: 9, 2: 7, 3: 8, 4: 5, 5: 6}
    cases = [made_offer(number, expires_at=instant(START + hours * HOUR)) for number, hours in ends.items()]
    answered = made_offer(6, expires_at=instant(START + 2 * HOUR)).accept()
    elsewhere = made_offer(7, to=LAB, expires_at=instant(START + 2 * HOUR))
    ledger.post_all([event for case in (*cases, answered, elsewhere, made_offer(8)) for event in case.events])
    assert told(ledger) == [["case-4", "case-5"], ["case-2", "case-3"], ["case-1", "case-8"]]
    assert told(ledger, LAB) == [["case-7"]]
    assert told(ledger, POLICE, "outbox")[0] == ["case-7", "case-4"]


def test_a_place_that_no_page_has_named_is_refused() -> None:
    """By the field's name."""
    with pytest.raises(MalformedInput) as refused:
        parse_offer_position("3")
    assert refused.value.field == "after"
