"""What phones prepare is kept for its officer alone, under digests of codes and tokens, and goes in time."""

from __future__ import annotations

from ledger.store import phones
from ledger.store.phones import PHONES, Prepared
from tests.testkit.builders import POLICE, PROCURATORATE, clerk
from tests.testkit.casework import holding
from tests.testkit.ledgers import Ledger
from tests.unit.store.plans import noted, plan

DESK = clerk(PROCURATORATE)
OFFICERS = (clerk(POLICE), DESK)
PLACE = ("case-1", "handover-1", DESK.key_id)
NOW = 1_000_000  # unix seconds; nothing here compares it with the clock of the ledger
ASKED = Prepared(*PLACE, DESK.agency, DESK.officer_id, ends_at=NOW + 300)


def kept(ledger: Ledger, now: int = NOW) -> Prepared | None:
    with ledger.database.read() as connection:
        return phones.of_offer(connection, *PLACE, now)


def test_a_phone_prepares_until_the_offer_is_answered(ledger: Ledger) -> None:
    """From the code to the forgetting; no code and no token stands in the database, and nothing is left in the end."""
    database, case = ledger.database, holding("phone").offer("phone", to=PROCURATORATE)
    for event in case.events:
        ledger.post(event)
    phones.show_code(database, ASKED, "CODE", NOW)
    assert phones.open_phone(database, "OTHER", "none", now=NOW, ends_at=NOW + 60) is None
    assert phones.open_phone(database, "CODE", "token", now=NOW, ends_at=NOW + 60) is not None
    assert phones.prepare(database, "token", "{}", NOW + 59, finished=True)
    assert not phones.prepare(database, "token", "{}", NOW + 60, finished=True)
    own = kept(ledger)
    assert own is not None
    assert (own.text, own.finished, own.revision, own.prepared_at) == ("{}", True, 1, NOW + 59)
    with database.read() as connection:
        (row,) = connection.execute(PHONES.select()).mappings().all()
        assert phones.of_officer(connection, DESK.key_id, NOW) == [own]
    assert {"CODE", "token"}.isdisjoint(row.values())
    phones.forget(database, NOW)
    assert kept(ledger) == own
    ledger.post(case.accept().events[-1])
    assert kept(ledger) is None
    phones.forget(database, NOW)
    with database.read() as connection:
        assert connection.execute(PHONES.select()).all() == []


def test_a_guess_of_a_code_does_not_wait_for_the_writer(sqlite: Ledger) -> None:
    """Anybody may try a code: what changes nothing must not hold up submissions."""
    with noted(sqlite.database.log) as statements:
        assert phones.open_phone(sqlite.database, "GUESS", "token", now=NOW, ends_at=NOW) is None
    assert [text.partition(" ")[0] for text in statements] == ["SELECT"]


def test_a_phone_costs_the_same_however_many_there_are(sqlite: Ledger) -> None:
    """What a phone's request asks for is found by an index."""
    with noted(sqlite.database.log) as statements:
        phones.prepare(sqlite.database, "token", "{}", NOW, finished=False)
        phones.show_code(sqlite.database, ASKED, "CODE", NOW)
        phones.open_phone(sqlite.database, "CODE", "token", now=NOW, ends_at=NOW)
    with sqlite.database.read() as connection:
        steps = plan(connection, statements)
    assert len(steps) >= len(statements)
    assert not [step for step in steps if step.startswith("SCAN")], steps
