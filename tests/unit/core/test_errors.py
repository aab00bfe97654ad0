"""The errors: one tree, a stable code each, and what a caller needs to go on."""

from __future__ import annotations

import pickle

import pytest

from ledger.core import errors
from ledger.core.errors import TallystickError
from ledger.core.messages import Message

CODES = {
    errors.TallystickError: "error",
    errors.MalformedInput: "malformed_input",
    errors.SignatureRefused: "signature_refused",
    errors.Unauthorized: "unauthorized",
    errors.RuleRefused: "rule_refused",
    errors.Conflict: "conflict",
    errors.NotFound: "not_found",
    errors.ProofRefused: "proof_refused",
    errors.UnknownYear: "unknown_year",
    errors.IntegrityBroken: "integrity_broken",
    errors.Unavailable: "unavailable",
}


def test_the_tree_is_the_one_that_is_drawn() -> None:
    """Every error of the module stands in its drawing, under the one root, which catches no other fault."""
    classes = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)}
    assert classes == set(CODES)
    assert all(error.__name__ in (errors.__doc__ or "") for error in classes)
    assert all(issubclass(error, TallystickError) for error in classes)
    assert TallystickError.__bases__ == (Exception,)


@pytest.mark.parametrize(("error", "code"), CODES.items(), ids=lambda value: getattr(value, "__name__", value))
def test_an_error_tells_code_field_and_hint(error: type[TallystickError], code: str) -> None:
    """Each has its code, or a narrower one, one sentence for a person, and what it concerns."""
    raised = error("it is not so", field="payload.agency", hint="do otherwise")
    assert (raised.code, str(raised), raised.message) == (code, "it is not so", "it is not so")
    assert (raised.field, raised.hint) == ("payload.agency", "do otherwise")
    assert (error("it is not so").field, error("it is not so").hint) == (None, None)
    assert error("no {thing}", thing="item").text.params == {"thing": "item"}
    if error is not errors.IntegrityBroken:
        assert error("no", code="key_revoked").code == "key_revoked"


def test_errors_say_what_a_program_goes_on_with() -> None:
    """The head and next sequence of a stream that moved on, the entry that is broken, the seconds to wait: five unless
    told."""
    raised = errors.Conflict("not on the head", head="blake3:00", sequence=4)
    assert (raised.head, raised.sequence) == ("blake3:00", 4)
    assert (errors.Conflict("taken").head, errors.Conflict("taken").sequence) == (None, None)
    assert errors.IntegrityBroken("row edited", index=0).index == 0
    assert errors.IntegrityBroken("file cut").index is None
    assert str(errors.IntegrityBroken("entry {index} is cut", index=3)) == "entry 3 is cut"
    quoting = Message("{agency} is unknown", agency="{index} {x}")
    assert str(errors.IntegrityBroken(quoting, index=3)) == "{index} {x} is unknown"
    assert errors.Unavailable("chain down").retry_after == 5
    assert errors.Unavailable("busy", retry_after=30).retry_after == 30


def test_what_is_noted_beside_an_error_is_for_the_operator() -> None:
    """A client reads the message alone; whoever runs the part that failed reads the notes too."""
    raised = errors.Unavailable("no answer")
    assert raised.for_operator == "no answer"
    raised.add_note("FATAL: no such role")
    assert (raised.message, raised.for_operator) == ("no answer", "no answer: FATAL: no such role")


def test_a_caller_tells_what_the_user_calls_it() -> None:
    """A copy with another field or hint, the one that was raised as it was."""
    raised = errors.Conflict("taken", field="payload.item_id", hint="choose another", head="blake3:00")
    amended = raised.amended(field="--item")
    assert (amended.field, amended.hint, amended.message, amended.head) == (
        "--item",
        "choose another",
        "taken",
        "blake3:00",
    )
    assert (raised.field, raised.amended(hint="ask").hint) == ("payload.item_id", "ask")


def test_an_error_is_the_same_in_another_process() -> None:
    """Whatever its class asks for when it is raised, a copy has its text in every language, its parts and its notes."""
    raised = errors.Conflict("expected {next_sequence}", next_sequence=3, head="sha256:00", sequence=3, field="head")
    raised.add_note("of the driver")
    read = pickle.loads(pickle.dumps(raised))
    assert (type(read), vars(read), read.args) == (errors.Conflict, vars(raised), raised.args)
    assert read.text.params == raised.text.params
