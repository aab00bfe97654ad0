"""Procedures in the log: which of them judges an act that is recorded, and that an audit comes to the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.audit import audit_log, left_out
from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import Unavailable
from ledger.core.events.procedure import ProcedurePublished
from ledger.core.events.registry import ProcedureAdopted
from ledger.core.procedure.adoption import publication_of
from ledger.core.supervision import LeadState
from ledger.deadlines.upkeep import recount
from ledger.procedures import shipped_procedures
from ledger.recording.supervision_streams import supervision_state
from ledger.store import clocks, log
from tests.testkit.builders import POLICE, PROCURATORATE, clerk, refused, supervisor
from tests.testkit.bundles import trust
from tests.testkit.casework import Case
from tests.testkit.ledgers import LOG_SIGNER, Ledger, open_founded, sqlite_url
from tests.testkit.supervision import Lead, Recommendation, closed, delivered
from tests.unit.core.test_adoption import FIRST, SECOND, package_text

OFFICERS = (clerk(POLICE), clerk(PROCURATORATE))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger in which the first version is in force."""
    with open_founded(sqlite_url(tmp_path), *OFFICERS) as opened:
        yield opened


def adopt(ledger: Ledger, digest: str) -> int:
    """Mirror an adoption and return its index."""
    return ledger.mirror(ledger.changes.add(ProcedureAdopted, digest=digest)).index


def findings_of(ledger: Ledger) -> tuple[str, ...]:
    report = audit_log(
        ledger.database, trust(log_key=LOG_SIGNER.verifying_key), shipped_procedures(), look=left_out, processes=1
    )
    return tuple(finding.step for finding in report.findings)


def detentions(ledger: Ledger, case_id: str) -> list[tuple[str, str | None]]:
    """Return of each arrest request the digest of its procedure and its time."""
    state = ledger.validator.states.of_listed_case(case_id)
    return [(clock.procedure, clock.period) for clock in state.clocks.values() if clock.name == "arrest_request"]


def test_an_adopted_version_judges_what_comes_after_it(ledger: Ledger) -> None:
    """A clock that runs keeps its row; the audit folds the same log to the same lists."""
    written = Case().open().name("li", "wang").impose("li", "detention")
    ledger.post_all(written.events)
    before = ledger.validator.states.of_listed_case("case-1")
    ledger.put(publication_of(SECOND))
    adopt(ledger, blake3_text(SECOND))
    written.impose("wang", "detention")
    ledger.post(written.last)
    assert detentions(ledger, "case-1") == [(blake3_text(FIRST), "3 d"), (blake3_text(SECOND), "5 d")]
    with ledger.database.read() as connection:
        entries = log.stream(connection, "case", "case-1")
    *_, (_, _, again) = ledger.validator.states.follow(entries[:-1])
    assert again == before
    recount(ledger.database, ledger.validator)
    assert findings_of(ledger) == ()


def test_a_digest_without_its_text_is_adopted_and_changes_nothing(ledger: Ledger) -> None:
    """The log goes on; a text that comes later, or that is another one's, does not bring it into force."""
    false = publication_of(FIRST)
    ledger.put(ProcedurePublished(procedure=false.procedure, version=2, digest=blake3_text(SECOND), text=false.text))
    adopt(ledger, blake3_text(SECOND))
    ledger.put(publication_of(SECOND))
    written = Case().open().name("li").impose("li", "detention")
    ledger.post_all(written.events)
    assert detentions(ledger, "case-1") == [(blake3_text(FIRST), "3 d")]
    unusable = ledger.registry.procedures().versions[-1]
    assert (unusable.book, str(unusable.fault)) == (None, "no entry before its adoption has its text")
    assert findings_of(ledger) == ()


def test_an_act_that_was_judged_before_an_adoption_is_judged_again(ledger: Ledger) -> None:
    """The sequencer turns it away, and records it once it was judged by what is in force."""
    written = Case().open()
    judged = ledger.validator.validate(written.last.submission, ledger.clock.seconds)
    ledger.put(publication_of(SECOND))
    adopt(ledger, blake3_text(SECOND))
    with pytest.raises(Unavailable) as caught:
        ledger.sequencer.submit(judged).result(60)  # type: ignore[arg-type]  # it is new
    assert caught.value.code == "procedure_changed"
    ledger.post(written.last)


# A later version asks for a recommendation where a document was enough, and has another word.
OUTCOMES = package_text(
    ("[outcomes]\n", '[outcomes]\nwarned = { label = { en = "warned", zh = "警示" } }\n'),
    ('zh = "纠正违法" }, names_paper = true', 'zh = "纠正违法" }, needs_recommendation = true'),
    version=2,
)


def test_an_outcome_of_a_lead_is_judged_by_what_is_in_force_at_its_entry(ledger: Ledger) -> None:
    """What was closed before stays as it was, for readers and for the audit; a closing waits for no old verdict."""
    before, after = (Lead({"case_id": name}).raised().assigned().confirmed() for name in ("case-1", "case-2"))
    ledger.changes.grant(supervisor(PROCURATORATE))
    ledger.put(ledger.changes.bodies[-1])
    for event in (*before.act(closed(), clerk(PROCURATORATE)).events, *after.events):
        ledger.post(event)
    draft = after.draft(closed(), clerk(PROCURATORATE))
    judged = ledger.validator.validate(draft.submission, ledger.clock.seconds)
    ledger.put(publication_of(OUTCOMES))
    adopt(ledger, blake3_text(OUTCOMES))
    with pytest.raises(Unavailable) as caught:
        ledger.sequencer.submit(judged).result(60)  # type: ignore[arg-type]  # it is new
    assert caught.value.code == "procedure_changed"
    with refused("recommendation_missing", field="payload.body.recommendation_id"):
        ledger.post(draft)
    ledger.post(after.draft(closed("warned", document_number=None), clerk(PROCURATORATE)))
    with ledger.database.read() as connection:
        state = supervision_state(connection, before.stream.id, ledger.registry.authority.agencies)
    assert isinstance(state, LeadState)
    assert state.came_to == "rectification_notice"
    assert findings_of(ledger) == ()


def test_clocks_of_recommendations_are_counted_anew_with_the_others(ledger: Ledger) -> None:
    """Whatever the list has had of them; the audit finds the rows as they should be, and misses one that is gone."""
    ledger.changes.grant(supervisor(PROCURATORATE))
    ledger.put(ledger.changes.bodies[-1])
    for event in Recommendation().issued().act(delivered(), clerk(POLICE)).events:
        ledger.post(event)
    assert findings_of(ledger) == ()
    with ledger.database.write() as connection:
        clocks.replace_of_recommendations(connection, [])
    assert len(findings_of(ledger)) == 1
    with ledger.database.write() as connection:
        clocks.keep_counted_by(connection, ledger.database, "another calendar")
    assert recount(ledger.database, ledger.validator)
    assert findings_of(ledger) == ()
