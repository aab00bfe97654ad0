"""Messages: English that can be translated."""

from __future__ import annotations

import copy
import pickle

from ledger.core.messages import Message


def test_a_message_is_its_english_and_keeps_its_slots() -> None:
    """What prints or compares text needs to know nothing of it; without slots, braces are text."""
    message = Message("case {case_id} is {state!r}", case_id="c-1", state="closed")
    assert message == "case c-1 is 'closed'"
    assert (message.msgid, message.params) == ("case {case_id} is {state!r}", {"case_id": "c-1", "state": "closed"})
    assert Message("words = { a = 1 }") == "words = { a = 1 }"


def test_an_error_in_a_slot_stands_for_its_message() -> None:
    """An error that carries a message keeps its slots; of any other its text is taken."""
    error = OSError("away")
    assert Message("{error}", error=error).params["error"] == "away"
    error.text = Message("no {name}", name="item")  # type: ignore[attr-defined]
    outer = Message("line {line}: {error}", line=3, error=error)
    assert (outer, outer.params["error"].params) == ("line 3: no item", {"name": "item"})


def test_a_message_is_copied_and_goes_between_processes_whole() -> None:
    """A worker process raises what its parent translates."""
    message = Message("a {b}", b=Message("c"))
    for other in (copy.deepcopy(message), pickle.loads(pickle.dumps(message))):
        assert (other, other.msgid, other.params) == (message, message.msgid, message.params)
