"""The supervisor: published models raise leads by themselves, each once, for whom they are; none is missed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from ledger.chain.journal import AnchoredHead, ChainWrite, WriteState
from ledger.core.errors import Unavailable
from ledger.core.events.case import CaseSplit
from ledger.core.events.supervision import LeadRaised
from ledger.i18n import Labels
from ledger.store import log
from ledger.store.chain_journal import DatabaseJournal
from ledger.supervision.models import definition
from ledger.supervision.models.model_file import parse_model
from ledger.supervision.runs import supervisor
from ledger.supervision.runs.export_runs import Export
from ledger.supervision.runs.findings import ModelFinding
from ledger.supervision.runs.supervisor import Supervisor
from ledger.supervision.views.snapshot import Anchors
from tests.testkit.builders import FAR_POLICE, POLICE, PROCURATORATE, UPPER, analyst, clerk
from tests.testkit.casework import Case, person_id
from tests.testkit.journals import anchor_write
from tests.testkit.supervision import Model, Recommendation, adopted, assigned, confirmed, retired
from tests.unit.supervision.modelling import with_sql
from tests.unit.supervision.supervised_ledger import (
    NOW,
    PENSIONS,
    THIRD_RETURN,
    Watched,
    pensioner,
    registered,
    sent_back,
    third_return_by,
    watched_ledger,
)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """Open a ledger of the test's own."""
    with watched_ledger(tmp_path) as opened:
        yield opened


def test_a_lead_cites_what_it_rests_on(watched: Watched) -> None:
    """The third return of one case, not the second of another: model, parameters, tree size, moment and events. Before
    a model is published nothing is looked at."""
    case = sent_back("case-1", 3)
    watched.post(case, sent_back("case-2", 2))
    assert (watched.supervisor.step(), watched.supervisor.state.looked_at) == (0, None), "no model, no views"
    watched.publish()
    assert watched.supervisor.step() == 1
    (lead,) = watched.leads()
    raised = lead.raised
    model = parse_model(THIRD_RETURN)
    assert (raised.model_id, raised.model_version, raised.model_digest) == ("third-return", 1, model.digest)
    assert (raised.parameters, raised.case_id) == ({"returns": "2"}, "case-1")
    assert raised.key == {"case_id": "case-1", "handover_id": "handover-6"}
    assert (raised.supervised, raised.supervising) == (POLICE, PROCURATORATE)
    returned, taken_back = case.events[-2], case.events[-1]
    assert [ref.payload_digest for ref in raised.events] == [returned.digest, taken_back.digest]
    assert raised.cited_count == 2
    assert raised.tree_size == watched.supervisor.state.size
    assert "handover-6" in raised.says.zh
    assert "handover-6" in raised.says.en
    assert [check.what.zh for check in raised.checks] == [check.what.zh for check in model.checks]
    assert lead.status == "raised"


def test_a_limit_of_whom_a_case_split_off_is_looked_at_in_it_until_another_takes_him_over(watched: Watched) -> None:
    """The views of the old case change with the event of the new one, and who looks at what is new looks at both."""
    views, old = watched.supervisor.views, Case("case-1", start=NOW - 3600, step=1).open().name("li")
    old.impose("li", "detention").say(CaseSplit, new_case_id="case-2", person_ids=(person_id("li"),))
    watched.post(old)
    limit, seen_at = "SELECT case_id, due_at FROM deadlines WHERE clock = 'arrest_request'", datetime.now(UTC)

    def rows() -> list[dict[str, Any]]:
        with views.session() as session:
            return session.rows(limit, {}, seen_at)

    before = views.refresh()
    (between,) = rows()
    assert between["case_id"] == "case-1"
    watched.post(Case("case-2", start=NOW - 600, step=1).open(source=old.state, split_from=old.last.ref))
    assert views.touched(before, views.refresh()) == {"case-1", "case-2"}
    assert rows() == [between | {"case_id": "case-2"}]


def test_the_same_finding_is_raised_once(watched: Watched, tmp_path: Path) -> None:
    """By looking again, by a process that was started anew, by a new version of the model that finds the same. It stays
    when the model is retired, which is run no more."""
    watched.post(sent_back("case-1", 3))
    model = watched.publish()
    assert [watched.supervisor.step() for _ in range(3)] == [1, 0, 0]
    again = Supervisor(watched.supervisor.views, watched.supervisor.record, interval_s=1, clock=watched.ledger.clock)
    assert again.step() == 0
    second = THIRD_RETURN.replace("version: 1", "version: 2")
    model.published(definition=second)
    watched.ledger.post(model.last)
    assert watched.supervisor.step() == 0
    model.act(retired(), analyst(PROCURATORATE))
    watched.ledger.post(model.last)
    watched.post(sent_back("case-2", 3))
    assert watched.supervisor.step() == 0
    assert len(watched.leads()) == 1


def test_events_that_come_in_are_looked_at_by_case(watched: Watched) -> None:
    """After everything was looked at, a case that changes is enough: no whole run is due for hours. What somebody
    else's look brought into the views is still new to the supervisor."""
    watched.publish()
    assert watched.supervisor.step() == 0
    looked_at = watched.supervisor.state.looked_at
    watched.ledger.clock.forward(60)
    watched.post(sent_back("case-1", 3))
    watched.supervisor.views.refresh()
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
    assert (lead.raised.parameters, lead.supervising) == ({"returns": "1"}, PROCURATORATE)


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
    assert fault.supervising == PROCURATORATE
    assert str(fault.says) == "no agency supervises what a row has in its answers: nobody is told of it"


def test_a_bad_model_stops_no_other(watched: Watched) -> None:
    """One that fails when it is asked, and one that this release cannot read, are named with the reason; the others
    raise what they find."""
    asked = f"SELECT {COLUMNS}, CAST(purpose AS BIGINT) AS number FROM handovers WHERE return_number > $returns"
    text = "model: from-another-release\nversion: 1\n"
    unread = Model("from-another-release", start=NOW - 1700, step=1)
    watched.post(unread.published(definition=text))
    watched.publish(third_return_by(asked, model_id="broken"))
    watched.publish()
    watched.post(sent_back("case-1", 3))
    assert watched.supervisor.step() == 1
    assert set(faults(watched)) == {("broken", PROCURATORATE), ("from-another-release", PROCURATORATE)}
    assert "in line 1 of it at CAST(purpose AS BIGINT)" in faults(watched)["broken", PROCURATORATE]
    assert are_told_in_chinese(watched)


def test_a_defect_at_one_model_stops_no_other(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one model finds and nobody foresaw is told of it; what the others find is raised."""
    lead_of = supervisor.lead_of

    def defect(finding: ModelFinding, model: definition.Model, *arguments: Any, **options: Any) -> LeadRaised:
        if model.model_id == "broken":
            raise KeyError("defect")
        return lead_of(finding, model, *arguments, **options)

    monkeypatch.setattr(supervisor, "lead_of", defect)
    watched.publish(THIRD_RETURN.replace("model: third-return", "model: broken"))
    watched.publish()
    watched.post(sent_back("case-1", 3))
    assert watched.supervisor.step() == 1
    assert [(fault.model_id, fault.says) for fault in watched.supervisor.state.faults] == [
        ("broken", "the run failed by a defect of this service: its log has the traceback")
    ]


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


ENGLISH, CHINESE = Labels("en"), Labels("zh-CN")


COLUMNS = "case_id, handover_id, from_agency, to_agency, offered_at, return_number, evidence"


# -- others who bring the views up -------------------------------------------------------------------------------------


def test_a_lead_tells_the_tree_size_that_it_was_found_at(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the views that were asked, though they grew after the supervisor had refreshed them."""
    watched.publish()
    assert watched.supervisor.step() == 0
    watched.post(sent_back("case-1", 2))
    export = watched.supervisor.views.export

    def late(*args: Any, **kwargs: Any) -> AbstractContextManager[Export]:
        monkeypatch.undo()
        more = sent_back("case-1", 3).events[len(sent_back("case-1", 2).events) :]
        for event in more:
            watched.ledger.post(event)
        watched.supervisor.views.refresh()
        return export(*args, **kwargs)

    monkeypatch.setattr(watched.supervisor.views, "export", late)
    assert watched.supervisor.step() == 1
    (lead,) = watched.leads()
    with watched.ledger.database.read() as connection:
        indices = [log.entry_by_digest(connection, ref.payload_digest).log_index for ref in lead.raised.events]
    assert max(indices) < lead.raised.tree_size


# -- what a query says of itself ---------------------------------------------------------------------------------------


def test_sql_that_only_claims_to_look_at_one_case_raises_nothing_false(watched: Watched) -> None:
    """Over the cases that changed it finds something that it does not find over all: no lead. What another finds in
    the case and among all is raised at once."""
    asked = f"SELECT {COLUMNS} FROM handovers WHERE return_number > $returns"
    watched.post(sent_back("case-1", 1), sent_back("case-2", 1))
    watched.publish(third_return_by(f"{asked} AND (SELECT count(*) FROM cases) < 2", model_id="only-one"))
    assert watched.supervisor.step() == 0
    watched.post(sent_back("case-3", 3))
    assert (watched.supervisor.step(), watched.leads()) == (0, [])
    watched.publish(third_return_by(asked, model_id="third"))
    assert watched.supervisor.step() == 1
    watched.post(sent_back("case-4", 3))
    assert [watched.supervisor.step() for _ in range(2)] == [1, 0]


# -- one bad finding, one bad file -------------------------------------------------------------------------------------


def faults(watched: Watched, labels: Labels = ENGLISH) -> dict[tuple[str, str], str]:
    return {
        (fault.model_id, fault.supervising): labels.translate(fault.says) for fault in watched.supervisor.state.faults
    }


def are_told_in_chinese(watched: Watched) -> bool:
    return not any(text.isascii() for text in faults(watched, CHINESE).values())


BAD_ROWS = {  # by the model that finds them: a row that names no agency, and evidence that is no event
    "no-agency": ("CASE WHEN case_id = 'case-1' THEN NULL ELSE to_agency END", "evidence"),
    "no-event": ("to_agency", f"CASE WHEN case_id = 'case-1' THEN ['blake3:{'11' * 32}'] ELSE evidence END"),
}


def test_a_bad_finding_stops_no_other(watched: Watched) -> None:
    """The model raises what else it finds, and what is wrong is told until everything was looked at again."""
    watched.post(sent_back("case-1", 3), sent_back("case-2", 3))
    for model_id, (agency, evidence) in BAD_ROWS.items():
        columns = "case_id, handover_id, from_agency, offered_at, return_number"
        asked = f"SELECT {columns}, {agency} AS to_agency, {evidence} AS evidence FROM handovers"
        watched.publish(third_return_by(f"{asked} WHERE return_number > $returns", model_id=model_id))
    assert watched.supervisor.step() == 2
    of_cases = {(lead.raised.model_id, lead.raised.case_id) for lead in watched.leads()}
    assert of_cases == {(model_id, "case-2") for model_id in BAD_ROWS}
    assert set(faults(watched)) == {(model_id, PROCURATORATE) for model_id in BAD_ROWS}
    assert are_told_in_chinese(watched)
    watched.post(sent_back("case-3", 3))
    assert watched.supervisor.step() == 2
    assert {model_id for model_id, _ in faults(watched)} == {*BAD_ROWS}, "a look at other cases does not mend it"


def test_each_procuratorate_has_faults_of_its_own(watched: Watched) -> None:
    """That one runs the model with parameters that do not fail says nothing of the other's."""
    asked = f"SELECT {COLUMNS} FROM handovers WHERE return_number > $returns AND CASE WHEN $returns = 2 "
    asked += "THEN CAST(CASE case_id WHEN 'case-1' THEN purpose ELSE '1' END AS BIGINT) > 0 ELSE true END"
    watched.post(sent_back("case-1", 3))
    text = third_return_by(asked, model_id="strict")
    model = watched.publish(text)
    model.act(adopted(1, model_digest=parse_model(text).digest, parameters={"returns": "1"}), analyst(UPPER))
    watched.ledger.post(model.last)
    assert watched.supervisor.step() == 2
    assert set(faults(watched)) == {("strict", PROCURATORATE)}
    assert are_told_in_chinese(watched)


def test_while_nothing_can_be_read_or_written_nothing_is_lost(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That stands in the state, also what nobody foresaw; what was found then is raised as soon as it can be."""
    watched.publish()
    assert watched.supervisor.step() == 0
    watched.post(sent_back("case-1", 3))

    def failing(error: Exception) -> Callable[..., None]:
        def fail(*_: object) -> None:
            raise error

        return fail

    with monkeypatch.context() as patched:
        patched.setattr(watched.supervisor.record, "append", failing(Unavailable("it takes nothing", code="full")))
        watched.supervisor.try_step()
    assert faults(watched) == {("*", ""): "it takes nothing"}
    with monkeypatch.context() as patched:
        patched.setattr(watched.supervisor.views, "refresh", failing(KeyError("defect")))
        watched.supervisor.try_step()
    assert faults(watched) == {("*", ""): "the run failed by a defect of this service: its log has the traceback"}
    watched.supervisor.try_step()
    assert (len(watched.leads()), faults(watched)) == (1, {})


# -- whose data set ----------------------------------------------------------------------------------------------------


def test_a_lead_cites_the_data_set_that_was_asked(watched: Watched) -> None:
    """An id is that of the first agency in line with the procuratorate: another's registration under it is neither
    asked nor cited, be it earlier elsewhere or later here."""
    case, data = pensioner()
    second_data = b"person_id,paid_on\nnobody,2026-01-01\n"
    far = registered(watched, second_data, clerk(FAR_POLICE))
    ours = registered(watched, data, analyst(PROCURATORATE))
    theirs = registered(watched, second_data, clerk(POLICE))
    watched.post(case, far, ours, theirs)
    watched.publish(PENSIONS)
    assert watched.supervisor.step() == 1, faults(watched)
    (cited,) = watched.leads()[0].raised.datasets
    assert cited.digest == f"sha256:{sha256(data).hexdigest()}"


# -- anchors -----------------------------------------------------------------------------------------------------------


def anchor(
    watched: Watched, number: int, size: int, state: WriteState = WriteState.CONFIRMED, *, is_timed: bool = True
) -> ChainWrite:
    head = AnchoredHead(size, b"\x01" * 32, b"\x02" * 32)
    block_time = NOW + number if state is WriteState.CONFIRMED and is_timed else None
    write = anchor_write(number, head, state, timestamp=NOW + number, block_time=block_time)
    DatabaseJournal(watched.ledger.database).append(write)
    return write


def first_anchored(watched: Watched) -> list[int | None]:
    """Return in which anchor, by the number that its time tells, each event of the case was first."""
    watched.supervisor.views.refresh()
    with watched.supervisor.views.session() as session:
        at = datetime.fromtimestamp(NOW + 1000, UTC)
        rows = session.rows("SELECT anchored_at FROM events ORDER BY log_index", {}, at)
    moments = [row["anchored_at"] for row in rows]
    return [None if anchored is None else int(anchored.replace(tzinfo=UTC).timestamp()) - NOW for anchored in moments]


def read_anchors(watched: Watched) -> list[int]:
    """Collect the numbers of the anchors that the views read from here on."""
    numbers: list[int] = []
    source: Any = watched.supervisor.views._source
    anchors = source.anchors

    def read(after: int, end: int) -> Anchors:
        result: Anchors = anchors(after, end)
        numbers.extend(int(str(row[0])) for row in result.rows)
        return result

    source.anchors = read
    return numbers


@pytest.fixture
def sizes(watched: Watched) -> Callable[[int], int]:
    """Post a case of four events, and return the tree size after each."""
    case = Case("case-1", start=NOW - 3600, step=1).open().name("a", "b", "c")
    indices = [watched.ledger.post(event).index for event in case.events]
    return lambda number: indices[number - 1] + 1


def test_each_anchor_is_read_once(watched: Watched, sizes: Callable[[int], int]) -> None:
    """By number, and by no later look again; a process that was started anew has them in its file."""
    read = read_anchors(watched)
    anchor(watched, 1, sizes(1))
    anchor(watched, 2, sizes(3))
    assert first_anchored(watched) == [1, 2, 2, None]
    anchor(watched, 3, sizes(4))
    assert first_anchored(watched) == [1, 2, 2, 3]
    watched.supervisor.views.close()
    assert first_anchored(watched) == [1, 2, 2, 3]
    assert read == [1, 2, 3]


def test_times_that_are_not_fetched_yet_stop_no_supervision(watched: Watched, sizes: Callable[[int], int]) -> None:
    """Models are run; no event is told to be anchored later than it was; the times are taken when they are known."""
    writes = [
        anchor(watched, number, sizes(events), is_timed=number == 1) for number, events in ((1, 1), (2, 2), (3, 4))
    ]
    watched.publish()
    watched.post(sent_back("case-2", 3))
    watched.supervisor.try_step()
    assert (len(watched.leads()), faults(watched)) == (1, {})
    assert first_anchored(watched)[:4] == [1, None, None, None]
    for write in writes[1:]:
        DatabaseJournal(watched.ledger.database).update(replace(write, block_time=NOW + write.number))
    assert first_anchored(watched)[:4] == [1, 2, 3, 3]


def test_an_anchor_that_becomes_final_late_is_taken_in(watched: Watched, sizes: Callable[[int], int]) -> None:
    """Though one of a higher number was final before it: another key had sent that one."""
    late = anchor(watched, 1, sizes(2), WriteState.SUBMITTED)
    anchor(watched, 2, sizes(4))
    assert first_anchored(watched) == [2, 2, 2, 2]
    settled = replace(late, state=WriteState.CONFIRMED, block_number=3, block_hash=b"\x03" * 32, block_time=NOW + 1)
    DatabaseJournal(watched.ledger.database).update(settled)
    assert first_anchored(watched) == [1, 1, 2, 2]
