"""Whom the console serves: every page for each role in relations to a case, in all of them by a full run."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, product

import httpx
import pytest

from api.console.app import routes
from api.console.shared.formats import minute
from api.console.shared.guidance import HANDLING
from tests.api.console.matrix import (
    OF_API,
    OF_EVIDENCE,
    OF_MAIL,
    OF_PHONE,
    OF_PROVIDER,
    OF_STOCKTAKE,
    POSTS,
    PUBLIC,
    ROWS,
    Row,
)
from tests.api.console.pages import page_of, post, text_of
from tests.api.matrix import RELATIONS, ROLES, Relation, Role, World, crossed, elsewhere, reader, sees
from tests.testkit.builders import Officer

COIN = {"item_kind": "exhibit", "description": "a coin", "quantity": "1", "unit": "piece"}


def test_every_route_has_a_row() -> None:
    """Nobody adds a page without saying who may see it, or a form without its being tried from another site."""
    all_routes = {(method, route.path) for route in routes() for method in route.methods}
    pages = {("GET", row.route) for row in ROWS} | {("GET", path) for path in PUBLIC}
    pages |= {("GET", path) for path in (*OF_API, *OF_EVIDENCE, *OF_MAIL, *OF_PHONE, *OF_PROVIDER, *OF_STOCKTAKE)}
    assert pages | {("POST", path) for path in POSTS} == all_routes


@pytest.mark.parametrize(("row", "relation", "roles"), crossed(ROWS))
def test_what_a_page_shows_of_a_case(world: World, row: Row, relation: Relation, roles: Sequence[Role]) -> None:
    """Whoever may see it is shown it, and the read is recorded; for all others it is not there."""
    for role in roles:
        officer, before = reader(relation, role), world.served.reads()
        answer = page_of(world.served, officer, row.address(world.names))
        left = world.served.reads() - before
        if row.refuses(relation, role):
            assert (answer.status_code, left) == (403, 0), officer
        elif not row.shows:
            assert answer.status_code == 200, (officer, answer.text)
        elif row.is_list:
            assert (answer.status_code, row.mark.format_map(world.names) in text_of(answer)) == (
                200,
                row.may(relation, role),
            ), officer
            assert left >= 1, officer
        elif row.may(relation, role):
            assert (answer.status_code, left >= 1) == (200, True), (officer, answer.text)
        else:
            assert (answer.status_code, left) == (404, 0), officer
            require_as_absent(world, row, officer, answer)


def require_as_absent(world: World, row: Row, officer: Officer, answer: httpx.Response) -> None:
    """Require that the page says what it says of a case that does not exist."""
    absent = page_of(world.served, officer, elsewhere(row.address(world.names)))
    assert absent.status_code == 404
    assert elsewhere(answer.text) == elsewhere(absent.text)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.label)
def test_pages_need_somebody_signed_in(world: World, row: Row) -> None:
    """Without a session, or with a token that is none, every page leads to the sign-in page and back."""
    answer = page_of(world.served, None, row.address(world.names))
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/console/sign-in?next=/console/")


@pytest.mark.parametrize("path", PUBLIC)
def test_what_is_for_anybody_takes_no_session(world: World, path: str) -> None:
    """And says nothing of anybody's cases."""
    answer = page_of(world.served, None, path.format_map(world.names))
    assert answer.status_code == 200
    assert "case-1" not in answer.text


@pytest.mark.parametrize("path", ["/inbox", "/cases/case-1"])
def test_what_was_just_recorded_is_told_its_signer_alone(world: World, path: str) -> None:
    """A page whose address names an event tells its sentence to no other officer: that would be a read unrecorded."""
    for relation, role in (*product(["former"], ROLES), *zip(RELATIONS, cycle(ROLES), strict=False)):
        answer = page_of(world.served, reader(relation, role), f"{path}?event={world.named}")
        is_told = 'class="done"' in answer.text
        assert is_told == ((relation, role) == ("former", "clerk")), (relation, role)


@pytest.mark.parametrize("path", ["/cases/case-1/bundle", "/leads/{lead_id}/proof"])
def test_a_file_that_takes_seconds_is_made_in_a_turn(world: World, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """Whose agency has work enough here is refused it for now, and the read is not recorded."""
    pool, officer, before = world.served.parts.workers, reader("former", "clerk"), world.served.reads()
    monkeypatch.setattr(pool, "_waiting", 1)
    with pool.turn(officer.agency):
        answer = page_of(world.served, officer, path.format_map(world.names))
    assert (answer.status_code, world.served.reads()) == (503, before)
    assert page_of(world.served, officer, path.format_map(world.names)).status_code == 200


def test_a_code_leads_to_cases_that_one_may_see(world: World) -> None:
    """Typing the id of a case or item leads to what the pages show; what they do not show is searched for."""
    for relation, role in (*product(["jurisdiction"], ROLES), *zip(RELATIONS, cycle(ROLES), strict=False)):
        officer = reader(relation, role)
        for code in ("case-1", "PHONE"):
            place = "/console/cases/case-1" if sees(relation, role) else f"/console/search?q={code}"
            answer = post(world.served, officer, "/find", {"code": code})
            assert (answer.status_code, answer.headers["location"]) == (303, place), officer


@pytest.mark.parametrize("relation", ["own", "offered"])
def test_only_who_may_sign_is_given_a_form(world: World, relation: Relation) -> None:
    """Nobody fills in an acceptance or recall to be told at the end that his role does not sign it."""
    for role in ROLES:
        officer = reader(relation, role)
        handover = page_of(world.served, officer, f"/cases/case-1/handovers/{world.offer}").text
        cases = page_of(world.served, officer, "/cases?all=true").text
        signs = role in HANDLING
        assert ("data-act" in handover, 'href="/console/cases/new"' in cases) == (signs, signs), officer
        assert ("A clerk or supervisor of your agency signs" in handover) != signs, officer


def test_what_has_expired_cannot_be_answered(world: World) -> None:
    """The page says so and what to do; it has no form that the ledger would refuse."""
    text = page_of(
        world.served, reader("expired", "clerk"), f"/cases/case-1/handovers/{world.offered_to('expired')}"
    ).text
    assert "Ask the sender to recall it and to offer it again." in text
    assert "data-act" not in text


def test_what_is_chosen_twice_is_drafted_once(world: World) -> None:
    """An offer of the inbox, and a lead of the board."""
    accepted = {"handover": [f"case-1/{world.offer}"] * 2, "received_at": minute(world.served.ledger.clock.seconds)}
    dismissed = {
        "lead": [world.names["lead_id"]] * 2,
        "act": "lead.dismissed",
        "reason_code": "other",
        "ground": "none",
    }
    for officer, path, chosen in (
        (reader("offered", "clerk"), "/inbox/drafts", accepted),
        (reader("jurisdiction", "supervisor"), "/leads/drafts", dismissed),
    ):
        answer = post(world.served, officer, path, chosen)
        assert (answer.status_code, answer.text.count("data-payload=")) == (200, 1), answer.text


def test_what_is_refused_of_a_case_is_no_fault_of_each_row(world: World) -> None:
    """Who has no part in the case is told so once, however many items he would register."""
    coins = {f"new:{row}:{name}": text for row in (1, 2) for name, text in COIN.items()}
    answer = post(world.served, reader("offered", "clerk"), "/cases/case-1/drafts/register", coins)
    shown = answer.text
    assert (answer.status_code, shown.count("no part in the case"), "data-row" in shown) == (422, 1, False)


@pytest.mark.parametrize("relation", RELATIONS)
def test_drafts_are_made_of_what_one_may_see_and_sign(world: World, relation: Relation) -> None:
    """A case that one may not see is not there; what the role may not sign is not drafted."""
    for role in ROLES:
        officer = reader(relation, role)
        answer = post(
            world.served, officer, "/cases/case-1/drafts/recall", {"handover_id": world.offer, "ground": "error"}
        )
        if not sees(relation, role):
            assert answer.status_code == 404, officer
        elif role not in ("clerk", "supervisor"):
            assert (answer.status_code, "takes the role" in answer.text) == (403, True), officer
        else:
            is_drafted = answer.status_code == 200 and "data-payload" in answer.text
            assert is_drafted == (relation == "own"), (officer, answer.text)
