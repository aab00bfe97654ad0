"""The matrix: each route for each role in relations to the case, allowed and denied; in all of them by a full run.

``tests/unit/core/test_visibility.py`` tries ``ledger.core.visibility``, which decides who sees a case, in every
relation: here it is shown that each route asks it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from io import BytesIO
from zipfile import ZipFile

import httpx
import msgspec
import pytest

from ledger.core.events import case as acts
from ledger.core.events.terms import Role
from tests.api.matrix import (
    ARCHIVED,
    GOVERNANCE,
    OWN,
    PUBLIC,
    READS,
    RELATIONS,
    ROLES,
    SIGNED,
    WEBHOOK,
    Relation,
    Row,
    World,
    covered,
    crossed,
    elsewhere,
    reader,
    sees,
)
from tests.api.service import Served, problem
from tests.testkit.builders import Officer
from tests.testkit.casework import Case


def ask(served: Served, row: Row, path: str, token: dict[str, str]) -> httpx.Response:
    method = row.operation.partition(" ")[0]
    headers = token | ({"content-type": "application/json"} if row.body is not None else {})
    return served.request(method, path, headers=headers, content=row.body)


def require_denied_as_absent(world: World, row: Row, path: str, officer: Officer) -> None:
    """Require 404, and that the whole response - status, headers, body - is that of what is not there."""
    token = world.served.token(officer)
    denied = ask(world.served, row, path, token)
    problem(denied, 404, "not_found", denied.json()["field"])
    require_same(denied, ask(world.served, row, elsewhere(path), token))


def require_same(denied: httpx.Response, absent: httpx.Response) -> None:
    """Require the same of both but for the ids that were asked for; of the length only what these make of it."""
    assert denied.status_code == absent.status_code
    assert elsewhere(denied.text) == elsewhere(absent.text)
    lengths = [int(answer.headers["content-length"]) - len(answer.content) for answer in (denied, absent)]
    assert lengths == [0, 0]
    assert steady(denied) == steady(absent)


def steady(answer: httpx.Response) -> list[tuple[str, str]]:
    """Return the headers, but for the time, the request's own number, and the length, which is the body's."""
    passing = ("date", "x-request-id", "content-length")
    return [(name, value) for name, value in answer.headers.items() if name not in passing]


NOTHING_DUE = "GET /api/v1/warnings"  # the world has none
UNSEEN = ("expired", "foreign")  # who asks of every address in each run


@pytest.mark.parametrize(
    "relation",
    [pytest.param(name, marks=() if name in UNSEEN else pytest.mark.extended) for name in RELATIONS],
)
def test_no_route_tells_whether_there_is_what_may_not_be_seen(world: World, relation: Relation) -> None:
    """Every operation of the document that takes an id, whatever its method: for a real id and for one that is none
    whoever may not see it gets the same response. What everybody may see, such as agencies and models, is left out."""
    document = world.served.get("/api/v1/openapi.json").json()
    others = ("lead_id", "recommendation_id", "dataset_id", "webhook_id")
    real = {name: world.names[name] for name in ("case_id", "item_id", "person_id", "handover_id", "event_id", *others)}
    asked = 0
    for path, operations in document["paths"].items():
        names = re.findall(r"{(\w+)}", path)
        if not names or not set(names) <= real.keys():
            continue
        for method in operations:
            for role in ROLES:
                officer = reader(relation, role)
                token = world.served.token(officer)
                address, nowhere = (path.format(**ids) for ids in (real, {k: elsewhere(v) for k, v in real.items()}))
                answer = world.served.request(method.upper(), address, headers=token)
                if answer.status_code != 404 or (sees(relation, role) and answer.json()["code"] != "not_found"):
                    continue
                require_same(answer, world.served.request(method.upper(), nowhere, headers=token))
                asked += 1
    assert asked > 10 or relation in ("own", "former", "jurisdiction")


def test_every_route_has_a_row(world: World) -> None:
    """Nobody adds a route without saying who may use it, and no row is left of one that is gone."""
    document = world.served.get("/api/v1/openapi.json").json()
    documented = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}
    assert covered() == documented


@pytest.mark.parametrize(("row", "relation", "roles"), crossed(READS))
def test_what_is_shown_of_a_case(world: World, row: Row, relation: Relation, roles: Sequence[Role]) -> None:
    """Whoever may see it is shown it, with exactly one record of the read; for all others it is not there."""
    for role in roles:
        officer, path = reader(relation, role), row.path(world)
        token, before = world.served.token(officer), world.served.reads()
        answer = ask(world.served, row, path, token)
        left = world.served.reads() - before
        may = row.may(relation, role)
        if role not in row.roles:
            problem(answer, 403, "role_missing")
            assert left == 0, officer
        elif row.key is not None:
            assert answer.status_code == 200, answer.text
            assert bool(answer.json()[row.key]) == may or row.label == NOTHING_DUE, officer
            assert left == 1 if answer.json()[row.key] and has_payload(row, relation) else left <= 1, officer
        elif may:
            assert answer.status_code == 200, (officer, answer.text)
            assert left == 1, officer
        else:
            require_denied_as_absent(world, row, path, officer)
            assert world.served.reads() == before, officer


def test_an_archive_is_for_whoever_may_see_the_case_and_each_part_is_recorded(world: World) -> None:
    """A whole ZIP with the papers; for all others there is no such case, and nothing is recorded.

    Papers of offers that were refused or recalled stand apart from those that count.
    """
    path, row = f"/api/v1/cases/{world.names['case_id']}/archive", Row(ARCHIVED)
    before = world.served.reads()
    for relation in RELATIONS:
        if not sees(relation, "clerk"):
            require_denied_as_absent(world, row, path, reader(relation, "clerk"))
    assert world.served.reads() == before
    answer = ask(world.served, row, path, world.served.token(reader("own", "clerk")))
    with ZipFile(BytesIO(answer.content)) as archive:
        papers = [name.split("/")[-2:] for name in archive.namelist() if "/Documents" in name]
    assert world.served.reads() - before > len(papers) > 1
    void = {name[:4] for folder, name in papers if folder == "Documents of offers that were refused or recalled"}
    came_to_nothing = [each.handover_id for each in world.case.state.handovers.values() if each.came_to_nothing]
    numbers = [
        f"{event.envelope.sequence:04}"
        for event in world.case.events
        if getattr(event.payload.body, "handover_id", None) in came_to_nothing
    ]
    assert len(void) >= len(came_to_nothing) == 2
    assert void <= {*numbers}
    assert void.isdisjoint(name[:4] for folder, name in papers if folder == "Documents")


def has_payload(row: Row, relation: Relation) -> bool:
    """Tell whether a look-up has something to tell: an agency's own cases; others only get their question back."""
    return not row.operation.endswith("look-up") or relation in ("own", "former")


@pytest.mark.parametrize(("row", "relation", "roles"), crossed(OWN))
def test_what_is_of_one_s_own_agency_takes_a_role(
    world: World, row: Row, relation: Relation, roles: Sequence[Role]
) -> None:
    """Whatever the agency has to do with the case."""
    if row.body is not None:  # one webhook is not added twice
        row = replace(row, body=row.body.replace(b"NAME", f"{relation}-{len(roles)}".replace(" ", "-").encode()))
    for role in roles:
        officer = reader(relation, role)
        token, before = world.served.token(officer), world.served.reads()
        answer = ask(world.served, row, row.path(world), token)
        if role in row.roles:
            assert answer.status_code in (200, 201), answer.text
        else:
            problem(answer, 403, "role_missing")
        assert world.served.reads() - before == (1 if role in row.roles and row.records else 0), officer


@pytest.mark.parametrize(("row", "relation", "roles"), crossed(WEBHOOK))
def test_a_webhook_of_another_agency_is_not_there(
    world: World, row: Row, relation: Relation, roles: Sequence[Role]
) -> None:
    """Nobody but its own supervisors can try or remove it."""
    served = world.served
    chief = served.token(reader("former", "supervisor"))
    body = msgspec.json.encode({"url": f"https://nobody.invalid/{row.operation}/{relation}"})
    webhook_id = served.post("/api/v1/webhooks", body, **chief).json()["webhook_id"]
    path = row.path(world, webhook_id=webhook_id)
    for role in roles:
        officer = reader(relation, role)
        token, before = served.token(officer), world.served.reads()
        answer = ask(served, row, path, token)
        if role not in row.roles:
            problem(answer, 403, "role_missing")
        elif row.may(relation, role):
            assert answer.status_code == 200, answer.text
        else:
            problem(answer, 404, "not_found", "webhook_id")
        assert world.served.reads() - before == (1 if answer.status_code == 200 and row.records else 0)
    served.request("DELETE", f"/api/v1/webhooks/{webhook_id}", headers=chief)


@pytest.mark.parametrize(("row", "relation", "roles"), crossed(GOVERNANCE))
def test_governance_is_for_procuratorates_and_shows_their_jurisdiction(
    world: World, row: Row, relation: Relation, roles: Sequence[Role]
) -> None:
    """By role, then by kind of agency; another jurisdiction is shown nothing of the case. One record of each read."""
    for role in roles:
        officer = reader(relation, role)
        token, before = world.served.token(officer), world.served.reads()
        answer = ask(world.served, row, row.path(world), token)
        shown = 0
        if role not in row.roles:
            problem(answer, 403, "role_missing")
        elif relation not in ("jurisdiction", "other jurisdiction"):
            problem(answer, 403, "not_a_supervising_agency")
        elif relation == "jurisdiction":
            assert answer.status_code == 200, answer.text
            shown = 1
        else:
            assert answer.status_code in (200, 404), answer.text
            assert "phone" not in answer.text
            shown = int(answer.is_success)
        assert (world.served.reads() - before > 0) == bool(shown), officer


def test_an_audit_of_everything_takes_an_auditor(world: World) -> None:
    """No other role, and no record of what was refused."""
    before = world.served.reads()
    for role in ROLES:
        if role != "auditor":
            problem(world.served.get("/api/v1/audit", reader("own", role)), 403, "role_missing")
    assert world.served.reads() == before


def test_without_a_token_nothing_is_shown(world: World) -> None:
    """Each route answers 401, the same whether there is anything or not, and no read is recorded."""
    before = world.served.reads()
    for row in (*READS, *OWN, *WEBHOOK, *GOVERNANCE):
        path = row.path(world)
        answer = ask(world.served, row, path, {})
        problem(answer, 401, "token_refused", "Authorization")
        assert ask(world.served, row, elsewhere(path), {}).content == answer.content, row.label
    assert world.served.reads() == before


@pytest.mark.parametrize(("operation", "path"), PUBLIC, ids=lambda value: str(value).partition("?")[0])
def test_what_has_no_payload_is_public(world: World, operation: str, path: str) -> None:
    """Without a token, and without a record of the read; there is no chain here to tell of, and so no head map."""
    before = world.served.reads()
    answer = world.served.get(path)
    assert answer.status_code == (503 if operation in ("GET /api/v1/chain", "GET /api/v1/log/absence") else 200)
    assert world.served.reads() == before


# -- what takes a signature --------------------------------------------------------------------------------------------


def act_for(operation: str, world: World, by: Officer) -> bytes:
    """Return what is posted to the address, on the case, signed by this officer."""
    case, now = copy(world.case), world.served.ledger.clock.seconds
    case.events = [*case.events]  # what is tried on the copy is no act of the case
    acts_of_case: dict[str, Callable[[], Case]] = {
        "handovers": lambda: case.offer("knife", to="court-west", purpose="property_transfer"),
        "accept": case.accept,
        "refuse": case.refuse,
        "recall": case.recall,
        "return": lambda: case.accept().give_back("phone"),
        "check": case.check,
    }
    word = operation.rpartition("/")[2]
    act = acts_of_case.get(word, lambda: case.say(acts.CaseAssigned, department="d", handler="h"))
    return world.case.draft(act().last.payload.body, by, signed_at=now).submission


ENTITLED: dict[str, tuple[Relation, ...]] = {
    "events": ("own", "former"),
    "batch": ("own", "former"),
    "handovers": ("own",),
    "accept": ("offered",),
    "refuse": ("offered",),
    "recall": ("own",),
    "return": (),
    "check": ("offered",),
}
ACTS = [operation for operation in SIGNED if operation.rpartition("/")[2] in ENTITLED]


@pytest.mark.parametrize(
    ("operation", "relation"),
    [
        pytest.param(operation, relation, marks=() if relation in ("own", "foreign") else pytest.mark.extended)
        for operation in ACTS
        for relation in RELATIONS
    ],
)
def test_a_signature_gives_the_right_of_its_signer_alone(world: World, operation: str, relation: Relation) -> None:
    """With the token of whoever may, and the signature of one who may not, nothing is recorded."""
    served, word = world.served, operation.rpartition("/")[2]
    path = operation.partition(" ")[2].format(case_id="case-1", handover_id=world.offer)
    entitled = served.token(reader("own", "clerk"))
    for role in ROLES:
        if relation in ENTITLED[word] and role in ("clerk", "supervisor"):
            continue
        size, before = served.size(), world.served.reads()
        body = act_for(operation, world, reader(relation, role))
        if word == "batch":
            answer = served.post_lines(body, **entitled)
            (result,) = answer.json()["results"]
            assert 400 <= result["status"] < 500, (relation, role, result)
        else:
            answer = served.post(path, body, **entitled)
            assert answer.status_code in (403, 409, 422), (relation, role, answer.text)
        assert (served.size(), world.served.reads()) == (size, before)


@pytest.mark.parametrize("role", ROLES)
def test_confidential_sections_by_role_and_relation(world: World, role: Role) -> None:
    """Whoever holds the case is shown them, and whoever the person is offered to; a former party on a ground alone."""
    for relation in RELATIONS:
        officer = reader(relation, role)
        for ground in (None, "request 12/2026"):
            query = {} if ground is None else {"ground": ground}
            answer = world.served.get(f"/api/v1/events/{world.named}", officer, **query)
            shown = "a name" in answer.text
            reads = relation in ("own", "offered")
            assert shown == (reads or (relation == "former" and ground is not None)), (relation, ground)
        assert ("a name" in world.served.get("/api/v1/events", officer).text) == reads, relation
