"""Supervision streams: what they are of, the head that an event stands on, and who is above whom."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.core.errors import Conflict
from ledger.core.supervision import SupervisionAct, SupervisionStep, advance, fold, subject_kind_of
from tests.testkit.builders import PROCURATORATE, analyst, refused
from tests.testkit.supervision import ASSIGNER, Lead, Stream, assigned, published


def test_streams_say_by_their_names_what_they_are_of() -> None:
    """Any other name is of nothing, and takes no event of anybody."""
    names = ("model-a", "lead-a", "recommendation-a", "pensions")
    assert [subject_kind_of(name) for name in names] == ["model", "lead", "recommendation", None]
    stream: Stream[Any] = Stream("pensions")
    with refused("wrong_stream", field="envelope.stream.id"):
        stream.act(published(), analyst(PROCURATORATE))


def test_an_event_stands_on_the_streams_head() -> None:
    """One that does not is a conflict, which tells the head to stand on."""
    lead = Lead().raised()
    late = lead.draft(assigned(), ASSIGNER)
    lead.assigned()
    with pytest.raises(Conflict) as lost:
        fold(lead.state, SupervisionAct(late.event, lead.agencies, lead.books))
    assert (lost.value.code, lost.value.head, lost.value.sequence) == ("not_on_head", lead.last.event.leaf_hash, 2)


def test_a_step_has_the_states_before_and_after_it() -> None:
    """What becomes of leads and models raises no flags: they have no clocks."""
    lead = Lead().raised()
    before, draft = lead.state, lead.draft(assigned(), ASSIGNER)
    step = advance(before, SupervisionAct(draft.event, lead.agencies, lead.books))
    assert step == SupervisionStep(before, lead.assigned().state)
