"""Lists show what the rule lets see: each query that repeats ``can_see`` in SQL, over all relations and all roles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest

from ledger.core.events.letter import Outsider
from ledger.core.signing.authority import Agency
from ledger.core.visibility import Reader, Sides, assigned_lead, can_see, concerned, reader_of, sides_of
from ledger.store import cases, feed, supervision
from ledger.store.cases import Page
from ledger.store.database import Connection
from ledger.store.search import search
from ledger.supervision.views.snapshot import Views
from ledger.supervision.views.sources import LedgerViewSource
from tests.testkit.builders import (
    COURT,
    KINDS,
    NEIGHBOUR,
    POLICE,
    PROCURATORATE,
    UPPER,
    analyst,
    auditor,
    clerk,
    instant,
)
from tests.testkit.casework import Case
from tests.testkit.ledgers import Ledger, open_founded
from tests.testkit.supervision import ASSIGNER, Lead, Model, Recommendation, closed, transferred
from tests.unit.core.test_custody_admission import travelled

ROLES = ("clerk", "supervisor", "auditor", "analyst", "witness")
EVERYBODY = [*(clerk(name) for name in KINDS), ASSIGNER, auditor(PROCURATORATE), analyst(PROCURATORATE)]
PLENTY = 1000


class World(NamedTuple):
    """A ledger, and who stands how to each thing in it by its stream's id."""

    ledger: Ledger
    agencies: dict[str, Agency]
    cases: dict[str, Case]
    supervision: dict[str, Any]

    def reader(self, agency: str, role: str) -> Reader:
        now, officer = instant(self.ledger.clock.seconds), clerk(agency).officer_id
        return reader_of(agency, (role,), self.agencies, now=now, officer=officer)

    def visible(self, things: dict[str, Any], reader: Reader) -> set[str]:
        return {name for name, thing in things.items() if can_see(reader, self.sides(thing))}

    def sides(self, thing: Any) -> Sides:
        return sides_of(thing.state, [lead.state for lead in self.supervision.values() if isinstance(lead, Lead)])


def made_cases(now: int) -> dict[str, Case]:
    """Make one case that has been everywhere, and for each agency one that it opened, was offered, was offered until
    it was too late, refused, and accepted something of."""
    by_id = {"case-1": travelled()}
    for number, agency in enumerate(KINDS):
        opened = Case(f"own-{agency}").open(clerk(agency), case_number=f"number {agency}")
        by_id[opened.stream.id] = opened.register(f"{agency}-thing", by=clerk(agency))
        receiver = POLICE if agency != POLICE else COURT
        for word in ("open", "expired", "refused", "accepted"):
            case = (
                Case(f"{word}-{agency}", step=1).open(clerk(receiver)).register(f"{word}-{number}", by=clerk(receiver))
            )
            expires = {"expires_at": instant(now - 1)} if word == "expired" else {}
            case.offer(f"{word}-{number}", to=agency, purpose="loan", by=clerk(receiver), **expires)
            if word in ("refused", "accepted"):
                {"refused": case.refuse, "accepted": case.accept}[word](by=clerk(agency))
            by_id[case.stream.id] = case
    return by_id


CITED, OTHERS = (f"own-{COURT}", f"own-{NEIGHBOUR}", f"own-{POLICE}"), (f"own-{UPPER}",)
BANK = Outsider(kind="bank", name="East Bank")


def made_supervision() -> dict[str, Any]:
    """Make a model; leads that wait, that the police were told of, that went up, of which some cite cases and are
    somebody's or were; recommendations, one with a copy."""
    key: Callable[[str], dict[str, str]] = lambda name: {"case_id": "case-1", "item_id": name}  # noqa: E731
    writers = [
        Model(step=1).published(),
        Lead(key("raised"), step=1).raised(),
        Lead(key("told"), step=1).raised(cases=CITED).assigned(clerk(PROCURATORATE)),
        Lead(key("too"), step=1).raised(cases=CITED).assigned(clerk(PROCURATORATE)),
        Lead(key("again"), step=1).raised(cases=OTHERS).assigned(clerk(PROCURATORATE)).assigned(clerk(POLICE)),
        Lead(key("over"), step=1)
        .raised(cases=OTHERS)
        .assigned(clerk(PROCURATORATE))
        .confirmed()
        .act(closed("clue_to_police", to_agency=COURT), ASSIGNER),
        Lead(key("moved"), step=1).raised().act(transferred(UPPER), ASSIGNER),
        Recommendation(step=1).issued(by=ASSIGNER, leads=(Lead(key("told")).body.lead_id,)),
        Recommendation("copied", step=1).issued(by=ASSIGNER, to_outside=BANK, copies_to=(COURT,)),
    ]
    return {writer.stream.id: writer for writer in writers}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("visibility")
    with open_founded(f"sqlite:///{folder / 'ledger.sqlite'}", *EVERYBODY) as ledger:
        of_cases, of_supervision = made_cases(ledger.clock.seconds), made_supervision()
        for writer in (*of_cases.values(), *of_supervision.values()):
            for event in writer.events:
                ledger.post(event)
        yield World(ledger, ledger.recording.authority().agencies, of_cases, of_supervision)


def listed(connection: Connection, reader: Reader) -> dict[str, set[str]]:
    """Return the cases that each list tells the reader of."""
    page = Page(PLENTY)
    return {
        "cases": {row["case_id"] for row in cases.list_cases(connection, reader, page)},
        "cases of a stage": {
            row["case_id"]
            for stage in ("investigation", "prosecution_review")
            for row in cases.list_cases(connection, reader, page, stage=stage)
        },
        "items": {row["case_id"] for row in cases.list_items(connection, reader, page)},
        "search": {
            hit.case_id
            for word in ("case", "own-", "open-", "expired-", "refused-", "accepted-", "2026-0417", "number")
            for hit in search(connection, reader, word, PLENTY).hits
        },
    }


# What a role changes is whether the jurisdiction is seen: a probe of each in every run, all of them in a full one.
EACH_ROLE = [pytest.param(role, marks=() if role in ("clerk", "auditor") else pytest.mark.extended) for role in ROLES]


@pytest.mark.parametrize("role", EACH_ROLE)
@pytest.mark.parametrize("agency", KINDS)
def test_lists_of_cases_are_what_the_rule_lets_see(world: World, agency: str, role: str) -> None:
    """Each agency stands in each relation to some case; whoever may not see it finds it in no list."""
    reader = world.reader(agency, role)
    expected = world.visible(world.cases, reader)
    assert expected, "everybody sees what it opened"
    with world.ledger.database.read() as connection:
        for name, case_ids in listed(connection, reader).items():
            assert case_ids == expected, name
        for case_id, case in world.cases.items():
            assert cases.sight(connection, case_id, reader) == can_see(reader, world.sides(case))
        from_outside = cases.seen_from_outside(connection, reader, world.cases)
    sights = {case_id: (can_see(reader, world.sides(case)), world.sides(case)) for case_id, case in world.cases.items()}
    expected_leads = {
        case_id: assigned_lead(reader, sides) if sight == "assigned" else None
        for case_id, (sight, sides) in sights.items()
        if sight not in ("party", "offered")
    }
    assert from_outside == expected_leads
    by_lead = {case_id for case_id, lead in from_outside.items() if lead is not None}
    assert by_lead == ({f"own-{COURT}", f"own-{POLICE}"} if agency == PROCURATORATE else set())


@pytest.mark.parametrize("role", EACH_ROLE)
@pytest.mark.parametrize("agency", KINDS)
def test_lists_of_supervision_are_what_the_rule_lets_see(world: World, agency: str, role: str) -> None:
    """Leads that wait, that were told, that moved, and recommendations."""
    reader = world.reader(agency, role)
    expected = world.visible(world.supervision, reader)
    with world.ledger.database.read() as connection:
        leads = supervision.list_leads(connection, reader, Page(PLENTY), supervision.LeadFilter())
        issued = supervision.list_recommendations(connection, reader, Page(PLENTY))
        models = supervision.list_models(connection, Page(PLENTY))
        named = supervision.leads_among(connection, reader, [name for name in world.supervision if "lead" in name])
        counted = supervision.count_leads(connection, reader, supervision.LeadFilter())
        for stream_id, writer in world.supervision.items():
            assert supervision.sight(connection, stream_id, reader) == can_see(reader, sides_of(writer.state))
    stream_ids = {row["lead_id"] for row in leads}
    assert (set(named), sum(counted.values())) == (stream_ids, len(stream_ids))
    stream_ids |= {f"recommendation-{row['recommendation_id']}" for row in issued}
    assert stream_ids | {f"model-{row['model_id']}" for row in models} == expected


def test_who_is_told_of_an_event_is_who_sees_it_but_by_jurisdiction(world: World) -> None:
    """The rows of the feed are those of the agencies that the rule tells, for each case and supervision stream."""
    with world.ledger.database.read() as connection:
        audience: dict[str, set[str]] = {}
        for agency in KINDS:
            after, steps = feed.Cursor(), [None]
            while steps:
                steps = feed.page(connection, agency, after, PLENTY)  # type: ignore[assignment]
                for step in steps:
                    audience.setdefault(step.entry.stream_id, set()).add(agency)  # type: ignore[attr-defined]
                    after = step.cursor  # type: ignore[attr-defined]
    for stream_id, thing in (world.cases | world.supervision).items():
        assert concerned(sides_of(thing.state)) <= audience[stream_id], stream_id


@pytest.fixture(scope="module")
def views(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Views]:
    """Return the views of models over this ledger."""
    ledger, validator = world.ledger, world.ledger.validator
    source = LedgerViewSource(ledger.database, validator.states, ledger.recording.authority)
    opened = Views(tmp_path_factory.mktemp("views") / "views", source)
    opened.refresh()
    yield opened
    opened.close()


@pytest.mark.parametrize("agency", [UPPER, NEIGHBOUR, POLICE, COURT])
def test_views_of_a_jurisdiction_are_what_the_rule_lets_its_auditors_see(
    world: World, views: Views, agency: str
) -> None:
    """Models, reports and correlation run over the cases that have a party in the jurisdiction, and its leads."""
    own, now = world.agencies[agency].profile.jurisdiction, datetime.fromtimestamp(world.ledger.clock.seconds, UTC)
    within = frozenset(
        name for name, candidate in world.agencies.items() if f"{candidate.profile.jurisdiction}/".startswith(f"{own}/")
    )
    reader = Reader("nobody", within, instant(world.ledger.clock.seconds))
    with views.session(jurisdiction=own, now=now) as session:
        ids = {
            view: {row[f"{view[:-1]}_id"] for row in session.rows(f"FROM {view}", {}, now)}
            for view in ("cases", "leads", "recommendations")
        }
        rows = [row for view in ("events", "officers", "items") for row in session.rows(f"FROM {view}", {}, now)]
    assert ids["cases"] == {row["case_id"] for row in rows} == world.visible(world.cases, reader)
    stream_ids = ids["leads"] | {f"recommendation-{name}" for name in ids["recommendations"]}
    assert stream_ids == {name for name in world.visible(world.supervision, reader) if not name.startswith("model-")}
