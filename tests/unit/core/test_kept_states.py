"""States of cases as bytes: what is read is what was kept, and nothing else is taken for one."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from msgspec.structs import replace

from ledger.core.custody.kept_state import KEPT_FROM, decode_state, encode_state, is_kept, last_kept, state_format
from ledger.core.errors import MalformedInput
from ledger.core.events import case as acts
from ledger.core.messages import Message
from ledger.core.procedure.adoption import AdoptedVersion, Procedures
from tests.testkit.builders import POLICE, PROCURATORATE, clerk, refused
from tests.testkit.casework import detained, li_detained, person_id

STORY = li_detained().register("phone", "knife").offer("phone", to=PROCURATORATE).accept()
UNUSABLE = AdoptedVersion("blake3:" + "00" * 32, 7)
PROCEDURES = Procedures((*Procedures.of(STORY.book).versions, UNUSABLE))


def test_a_state_is_read_as_it_was_kept() -> None:
    """Every part of it, in its order and under its marks, and each clock with the row that it runs by."""
    kept = decode_state(encode_state(STORY.state), PROCEDURES)
    assert kept == STORY.state
    assert [*kept.clocks] == [*STORY.state.clocks]
    for clock in STORY.state.clocks.values():
        assert kept.clocks[clock.deadline_id].rule is clock.rule
    assert kept.items.marked("open") == STORY.state.items.marked("open")
    assert kept.handovers.marked("open") == STORY.state.handovers.marked("open")
    assert kept.clocks.marked("running") == STORY.state.clocks.marked("running")


def test_a_message_is_kept_as_its_english() -> None:
    """No text of a state is translated when it is read again."""
    state = replace(STORY.state, stage=Message("{word}", word="investigation"))
    assert decode_state(encode_state(state), PROCEDURES).stage == "investigation"


def test_long_cases_are_kept_at_each_eighth_to_quarter() -> None:
    """None of a short one; then no more is to be folded than a quarter of the case, and few are encoded."""
    lengths = [length for length in range(1, 20_001) if is_kept(replace(STORY.state, sequence=length - 1))]
    assert lengths[:6] == [KEPT_FROM, 320, 384, 448, 512, 640]
    for length, following in pairwise(lengths):
        assert length / 8 <= following - length <= length / 4
        assert last_kept(length) == last_kept(following - 1) == length
    assert last_kept(KEPT_FROM - 1) == 0


def test_what_a_split_gave_up_is_kept() -> None:
    """With its clocks, each by the row that it runs by."""
    case = detained("li").register("phone")
    split = {"person_ids": (person_id("li"),), "item_ids": ("phone",)}
    case.act(acts.CaseSplit(new_case_id="case-2", ground="another suspect", **split), clerk(POLICE))
    kept = decode_state(encode_state(case.state), PROCEDURES)
    assert kept == case.state
    (given_up,), (before,) = kept.splits.values(), case.state.splits.values()
    assert given_up.clocks
    assert [clock.rule for clock in given_up.clocks] == [clock.rule for clock in before.clocks]


SPOILED = {
    "no JSON": b"{",
    "of another type": b"[]",
    "a field missing": msgspec.json.encode(msgspec.json.decode(encode_state(STORY.state))[:-1]),
    "a clock of no procedure": encode_state(STORY.state).replace(STORY.book.digest.encode(), b"blake3:" + b"11" * 32),
}


@pytest.mark.parametrize("fault", SPOILED)
def test_nothing_else_is_taken_for_a_state(fault: str) -> None:
    """What is of another form, or whose clocks run by a row that no procedure has."""
    with refused("malformed_input", field="state", error=MalformedInput):
        decode_state(SPOILED[fault], PROCEDURES)


def test_another_form_has_another_name() -> None:
    """The name changes with the fields of what is kept."""
    assert state_format().startswith("blake3:")
