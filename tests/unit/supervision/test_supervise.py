"""Supervise: published models raise leads by themselves, each once, for whom they are; a bad one stops no other."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ledger.core.events.supervision import LeadRaised
from ledger.store import log
from ledger.supervision.models.definition import Model
from ledger.supervision.models.model_file import parse_model
from ledger.supervision.runs import supervisor
from ledger.supervision.runs.findings import ModelFinding
from ledger.supervision.runs.supervisor import Supervisor
from tests.testkit.builders import FAR_POLICE, POLICE, PROCURATORATE, UPPER, analyst, clerk
from tests.testkit.casework import Case
from tests.testkit.supervision import Recommendation, adopted, assigned, confirmed, retired
from tests.unit.supervision.modelling import with_sql
from tests.unit.supervision.watched import NOW, THIRD_RETURN, Watched, sent_back, watched_ledger


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """A ledger of the test's own."""
    with watched_ledger(tmp_path) as made:
        yield made


def test_nothing_is_looked_at_before_a_model_is_published(watched: Watched) -> None:
    """An installation without models costs nothing, and has no views."""
    watched.post(sent_back("case-1", 3))
    assert watched.supervisor.step() == 0
    assert watched.supervisor.state.looked_at is None


def test_a_lead_cites_what_it_rests_on(watched: Watched) -> None:
    """The third return of one case, not the second of another: model, parameters, tree size, moment and events."""
    case = sent_back("case-1", 3)
    watched.post(case, sent_back("case-2", 2))
    watched.publish()
    assert watched.supervisor.step() == 1
    (lead,) = watched.leads()
    raised = lead.raised
    model = parse_model(THIRD_RETURN)
    assert (raised.model_id, raised.model_version, raised.model_digest) == ("third-return", 1, model.digest)
    assert (raised.parameters, raised.case_id) == ({"returns": "2"}, "case-1")
    assert raised.key == {"case_id": "case-1", "handover_id": "handover-6"}
    assert (raised.supervised, raised.procuratorate) == (POLICE, PROCURATORATE)
    returned, taken_back = case.events[-2], case.events[-1]
    assert [ref.payload_digest for ref in raised.events] == [returned.digest, taken_back.digest]
    assert raised.cited_count == 2
    assert raised.tree_size == watched.supervisor.state.size
    assert "handover-6" in raised.says.zh
    assert "handover-6" in raised.says.en
    assert [check.what.zh for check in raised.checks] == [check.what.zh for check in model.checks]
    assert lead.status == "raised"


def test_the_same_finding_is_raised_once(watched: Watched, tmp_path: Path) -> None:
    """By looking again, by a process that was started anew, by a new version of the model that finds the same."""
    watched.post(sent_back("case-1", 3))
    model = watched.publish()
    assert [watched.supervisor.step() for _ in range(3)] == [1, 0, 0]
    again = Supervisor(watched.supervisor.views, watched.supervisor.record, interval_s=1, clock=watched.ledger.clock)
    assert again.step() == 0
    second = THIRD_RETURN.replace("version: 1", "version: 2")
    model.published(definition=second, model_digest=parse_model(second).digest)
    watched.ledger.post(model.last)
    assert watched.supervisor.step() == 0
    assert len(watched.leads()) == 1


def test_events_that_come_in_are_looked_at_by_case(watched: Watched) -> None:
    """After everything was looked at, a case that changes is enough: no whole run is due for hours."""
    watched.publish()
    assert watched.supervisor.step() == 0
    looked_at = watched.supervisor.state.looked_at
    watched.ledger.clock.forward(60)
    watched.post(sent_back("case-1", 3))
    assert watched.supervisor.step() == 1
    assert watched.supervisor.state.looked_at == looked_at
    watched.post(sent_back("case-2", 2))
    assert watched.supervisor.step() == 0


def test_who_adopts_a_model_runs_it_in_its_own_jurisdiction_with_its_own_parameters(watched: Watched) -> None:
    """The city's prosecutors run it for the city; the procuratorate above, which lets one return pass, finds more,
    and what it finds goes to the city's."""
    watched.post(sent_back("case-1", 2))
    model = watched.publish()
    assert watched.supervisor.step() == 0
    digest = parse_model(THIRD_RETURN).digest
    model.act(adopted(1, model_digest=digest, parameters={"returns": "1"}), analyst(UPPER))
    watched.ledger.post(model.last)
    assert watched.supervisor.step() == 1
    (lead,) = watched.leads()
    assert (lead.raised.parameters, lead.procuratorate) == ({"returns": "1"}, PROCURATORATE)


def test_a_model_sees_what_the_procuratorate_sees_that_runs_it(watched: Watched) -> None:
    """A query that says of every case that the district's police must answer finds those of the district alone; where
    the procuratorate above adopts it, those of both districts."""
    asked = f"SELECT *, '{POLICE}' AS answers FROM cases"
    text = with_sql(asked, key=("case_id",), supervised="answers")
    watched.post(Case("case-1", start=NOW - 60, step=1).open())
    watched.post(Case("case-far", start=NOW - 60, step=1).open(by=clerk(FAR_POLICE)))
    model = watched.publish(text)
    assert watched.supervisor.step() == 1
    assert [lead.raised.case_id for lead in watched.leads()] == ["case-1"]
    model.act(adopted(1, model_digest=parse_model(text).digest, parameters={"days": "8"}), analyst(UPPER))
    watched.ledger.post(model.last)
    assert watched.supervisor.step() == 1
    assert {lead.raised.case_id for lead in watched.leads()} == {"case-1", "case-far"}


def test_a_finding_for_whom_nobody_supervises_is_told(watched: Watched) -> None:
    """As what keeps a run from raising all that it finds; what it finds for others is raised."""
    asked = f"SELECT *, CASE case_id WHEN 'case-1' THEN '{POLICE}' ELSE 'elsewhere' END AS answers FROM cases"
    for case_id in ("case-1", "case-2"):
        watched.post(Case(case_id, start=NOW - 60, step=1).open())
    watched.publish(with_sql(asked, key=("case_id",), supervised="answers"))
    assert watched.supervisor.step() == 1
    (fault,) = watched.supervisor.state.faults
    assert fault.procuratorate == PROCURATORATE
    assert "no procuratorate supervises elsewhere" in str(fault.says)


def test_a_retired_model_is_not_run(watched: Watched) -> None:
    """What it raised before stays."""
    model = watched.publish()
    watched.post(sent_back("case-1", 3))
    assert watched.supervisor.step() == 1
    model.act(retired(), analyst(PROCURATORATE))
    watched.ledger.post(model.last)
    watched.post(sent_back("case-2", 3))
    assert watched.supervisor.step() == 0
    assert len(watched.leads()) == 1


def test_a_bad_model_stops_no_other(watched: Watched) -> None:
    """One that fails when it is asked is named with the reason; the others raise what they find."""
    head, _, rest = THIRD_RETURN.partition("condition:")
    _, _, tail = rest.partition("lead:")
    broken = """condition:
  scope: case
  sql: |
    SELECT case_id, handover_id, from_agency, to_agency, offered_at, return_number, evidence,
      CAST(purpose AS BIGINT) AS number
    FROM handovers WHERE return_number > $returns
lead:"""
    text = (head + broken + tail).replace("model: third-return", "model: broken")
    watched.publish(text)
    watched.publish()
    watched.post(sent_back("case-1", 3))
    assert watched.supervisor.step() == 1
    (fault,) = watched.supervisor.state.faults
    assert (fault.model_id, fault.procuratorate) == ("broken", PROCURATORATE)
    assert "Could not convert" in str(fault.says)


def test_a_failure_that_nobody_foresaw_is_told(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands in the state, and the next step is taken."""
    watched.publish()
    views = watched.supervisor.views

    def defect() -> None:
        raise KeyError("defect")

    with monkeypatch.context() as patched:
        patched.setattr(views, "refresh", defect)
        watched.supervisor.try_step()
    assert [(one.model_id, str(one.says)) for one in watched.supervisor.state.faults] == [("*", "KeyError")]
    watched.supervisor.try_step()
    assert watched.supervisor.state.faults == ()


def test_a_defect_at_one_model_stops_no_other(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one model finds and nobody foresaw is told of it; what the others find is raised."""
    lead_of = supervisor.lead_of

    def defect(finding: ModelFinding, model: Model, *arguments: Any, **options: Any) -> LeadRaised:
        if model.model_id == "broken":
            raise KeyError("defect")
        return lead_of(finding, model, *arguments, **options)

    monkeypatch.setattr(supervisor, "lead_of", defect)
    watched.publish(THIRD_RETURN.replace("model: third-return", "model: broken"))
    watched.publish()
    watched.post(sent_back("case-1", 3))
    assert watched.supervisor.step() == 1
    assert [(one.model_id, one.says) for one in watched.supervisor.state.faults] == [("broken", "KeyError")]


def test_a_lead_is_what_the_service_alone_may_sign(watched: Watched) -> None:
    """Nobody else's key raises one."""
    watched.post(sent_back("case-1", 3))
    watched.publish()
    watched.supervisor.step()
    with watched.ledger.database.read() as connection:
        entry = log.stream(connection, "supervision", watched.leads()[0].lead_id)[0]
    assert entry.agency == "ledger"
    assert LeadRaised.__struct_config__.frozen


def test_leads_and_recommendations_are_views_too(watched: Watched) -> None:
    """What became of them is asked like everything else, and told anew when it changes."""
    watched.post(sent_back("case-1", 3))
    watched.publish()
    watched.supervisor.step()
    (lead,) = watched.leads()

    def told(view: str) -> list[dict[str, Any]]:
        watched.supervisor.views.refresh()
        with watched.supervisor.views.session() as session:
            return session.rows(f"FROM {view}", {}, datetime.now(UTC))

    (row,) = told("leads")
    assert (row["lead_id"], row["status"], row["confirmed"]) == (lead.lead_id, "raised", None)
    watched.act_on(lead, assigned(), analyst(PROCURATORATE))
    watched.act_on(watched.leads()[0], confirmed(), analyst(PROCURATORATE))
    (row,) = told("leads")
    assert (row["status"], row["confirmed"], len(row["evidence"])) == ("confirmed", True, 3)
    issued = Recommendation(start=NOW - 30, step=1).issued(analyst(PROCURATORATE))
    watched.post(issued)
    (row,) = told("recommendations")
    assert (row["to_agency"], row["status"], row["count_before"]) == (POLICE, "issued", None)
