"""Messages: English that can be translated."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import msgspec
import pytest

from ledger.core.errors import RuleRefused
from ledger.core.messages import MOST_ADDED, Message, Term, filled, joined, plain, spelled_out


def test_a_message_is_its_english_and_keeps_its_slots() -> None:
    """What prints or compares text needs to know nothing of it; without slots, braces are text."""
    message = Message("case {case_id} is {state!r}", case_id="c-1", state="closed")
    assert message == "case c-1 is 'closed'"
    assert (message.msgid, message.params) == ("case {case_id} is {state!r}", {"case_id": "c-1", "state": "closed"})
    assert Message("words = { a = 1 }") == "words = { a = 1 }"


def test_an_error_in_a_slot_stands_for_its_message() -> None:
    """An error of this package keeps its own slots; of any other its text is taken. An attribute's value is taken when
    the message is written, under the slot's whole name."""
    refusal = RuleRefused(Message("no {what}", what="item"))
    outer = Message("line {line}: {error}", line=3, error=refusal)
    assert outer == "line 3: no item"
    assert outer.params["error"] is refusal.text
    assert Message("{error}", error=OSError("away")).params["error"] == "away"
    message = Message("no {error.field!r} of {error}", error=RuleRefused("none", field="item"))
    assert (message, message.params) == ("no 'item' of none", {"error.field": "item", "error": "none"})


@pytest.mark.parametrize("message", [Message("a {b}", b=Message("c")), Term("role", "clerk")])
def test_a_message_is_copied_and_goes_between_processes_whole(message: Message) -> None:
    """A worker process raises what its parent translates."""
    for copied in (copy.deepcopy(message), pickle.loads(pickle.dumps(message))):
        assert (copied, copied.msgid, copied.params) == (message, message.msgid, message.params)
        assert copied.context == message.context


def test_a_message_is_kept_as_values_of_json() -> None:
    """What is recorded is shown in any language later; a slot that is no value of JSON is kept as text."""
    message = Message("{who} of {role} at {place}", who=Message("no {n}", n=1), role=Term("role", "clerk"), place=b"x")
    unpacked = Message.unpacked(msgspec.json.decode(msgspec.json.encode(message.packed())))
    assert (unpacked, unpacked.msgid) == (message, message.msgid)
    assert (unpacked.params["who"].msgid, unpacked.params["who"].params) == ("no {n}", {"n": 1})
    assert (unpacked.params["role"].context, unpacked.params["place"]) == ("role", "b'x'")


@pytest.mark.parametrize("msgid", ["no {case}", "{0}", "{who.__class__}", "{who:{0.__class__}}", "{who:>10000}", "{"])
def test_what_does_not_fit_its_slots_stays_unfilled(msgid: str) -> None:
    """A row that somebody edited is shown as it stands, and reaches into no value."""
    assert Message.unpacked({"id": msgid, "slots": {"who": "x"}}) == msgid


def test_no_text_grows_beyond_its_parts() -> None:
    """Before all of it is made: one of a few bytes that has a slot very often would take the memory of the service."""
    assert filled("{x} and {x!r:>4}", {"x": "a"}) == filled("{x} and {x!r:>4}", {"x": "a"}, 10) == "a and  'a'"
    with pytest.raises(ValueError, match="too long"):
        filled("{x} and {x!r:>4}", {"x": "a"}, 9)
    for most in (None, 20_000):
        with pytest.raises(ValueError, match="too long"):
            filled("{x}" * 100_000, {"x": "a" * 10_000_000}, most)
    assert filled("{n}, {n}", {"n": 10**1000}) == f"{10**1000}, {10**1000}"
    with pytest.raises(LookupError):
        filled("{y}", {"x": "a"}, 10)


def test_messages_that_somebody_packed_do_not_multiply() -> None:
    """One that has a slot twice, filled by such a one and so on, would be longer than any memory."""
    packed: dict[str, Any] = {"id": "{x}{x}", "slots": {"x": "y"}}
    for _ in range(60):
        packed = {"id": "{x}{x}", "slots": {"x": packed}}
    assert len(Message.unpacked(packed)) < 3 * MOST_ADDED
    words = [str(number) for number in range(20_000)]
    long = joined(words)
    assert isinstance(long, Message)
    assert Message.unpacked(long.packed()) == "; ".join(words)


def test_words_and_sentences_are_joined_by_messages() -> None:
    """Other languages join them by marks of their own."""
    assert joined(["a", "b", "c"]) == "a; b; c"
    assert [joined(["a", "b"], by=by) for by in (", ", " and ", " or ")] == ["a, b", "a and b", "a or b"]
    assert (joined(["a"]), joined([])) == ("a", "")
    assert isinstance(joined(["a", "b"]), Message)


def test_many_words_do_not_lie_deep() -> None:
    """What looks through a message goes down into it; a thousand words lie within ten of them."""
    words = [str(number) for number in range(1000)]
    message: str = joined(words, by=", ")
    assert message == ", ".join(words)
    depth = 0
    while isinstance(message, Message):
        message, depth = message.params["second"], depth + 1
    assert (message, depth) == ("999", 10)


def test_a_message_is_encoded_as_its_text() -> None:
    """msgspec asks for what it does not know; anything else stays unknown."""
    assert msgspec.json.encode([Message("a {b}", b=1)], enc_hook=plain) == b'["a 1"]'
    with pytest.raises(NotImplementedError):
        plain(object())


def test_what_a_reader_would_not_see_is_spelled_out() -> None:
    """Breaks, other control characters, changes of direction and what takes no room; letters and their joiners stay."""
    assert spelled_out("a\n\u2028\x1b[2J\u202eb\u200b\ufeffc") == r"a\n\u2028\x1b[2J\u202eb\u200b\ufeffc"
    assert spelled_out("戒指\u3000می\u200cخواهم") == "戒指\u3000می\u200cخواهم"
