"""The errors of the ledger.

    TallystickError
    ├── MalformedInput            bytes or values that are not of the form asked for (names the field)
    ├── SignatureRefused          a signature that does not hold, or is outside its window
    ├── Unauthorized              a key or role that may not do this at this index
    ├── RuleRefused               an act that a custody rule forbids (``code`` is the rule)
    ├── Conflict                  the event does not follow its stream's head, or its id is taken
    ├── NotFound                  nothing is stored under this name
    ├── ProofRefused              a proof that does not lead to the claimed root
    ├── UnknownYear               a day of a year whose public holidays are not in the calendar (names the year)
    ├── IntegrityBroken           stored bytes that contradict a signature, the log or an anchor
    └── Unavailable               a part that cannot be reached now; the outcome may be unknown

Each carries a stable ``code`` (for problem+json and exit codes), the ``field`` it concerns where there is one,
and a ``hint`` that tells what to do next.
"""

from __future__ import annotations

from typing import Any, NoReturn, Self, TypeVar

from ledger.core.messages import Message


class TallystickError(Exception):
    """Base of all errors of this package; ``str(error)`` is one sentence for a person.

    ``text`` is that sentence, which can be translated, ``message`` its English. It is given as a message, or as the
    English of one whose slots are filled by the further arguments: ``NotFound("no case {case_id}", case_id="c-1")``.
    """

    code = "error"
    # What an error carries is declared: a process that gets it from another one takes nothing else.
    text: Message
    message: str
    field: str | None
    hint: str | None

    def __init__(
        self,
        text: str,
        /,
        *,
        field: str | None = None,
        hint: str | None = None,
        code: str | None = None,
        **slots: object,
    ):
        self.text = Message(text, **slots) if slots or not isinstance(text, Message) else text
        self.message = str(self.text)
        super().__init__(self.message)
        self.field = field
        self.hint = Message(hint) if hint and not isinstance(hint, Message) else hint
        if code is not None:
            self.code = code

    def amended(self, *, field: str | None = None, hint: str | None = None) -> Self:
        """Return a copy with another field or hint, for a caller who knows what the user calls it, or can do."""
        error = _remade(type(self), self.args, vars(self))
        error.field, error.hint = field or self.field, hint or self.hint
        return error

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what a copy is made of, in this process or another, whatever a subclass asks for at first."""
        return _remade, (type(self), self.args, vars(self))

    @property
    def for_operator(self) -> str:
        """Return the message with its notes, for the operator of the part that failed; without any it is translatable.

        Notes may name addresses and internals: do not show them to clients.
        """
        return ": ".join((self.message, *self.notes)) if self.notes else self.text

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what was noted on the error on its way."""
        return tuple(getattr(self, "__notes__", ()))


E = TypeVar("E", bound=TallystickError)


def _remade(kind: type[E], arguments: tuple[Any, ...], fields: dict[str, Any]) -> E:
    error = kind.__new__(kind, *arguments)
    vars(error).update(fields)
    return error


class MalformedInput(TallystickError):
    """The input is not of the required form; ``field`` names the part."""

    code = "malformed_input"


class SignatureRefused(TallystickError):
    """A signature does not verify, or was made outside of its time window."""

    code = "signature_refused"


class Unauthorized(TallystickError):
    """The key or role may not do this at this index of the log."""

    code = "unauthorized"


class RuleRefused(TallystickError):
    """A custody rule forbids the act; ``code`` is the rule's name, as in ``ledger.core.custody``."""

    code = "rule_refused"


class Conflict(TallystickError):
    """The event does not follow the head of its stream, or its id is taken.

    ``head`` is the leaf hash of the stream's last entry (None if it has none), ``sequence`` the next free number.
    """

    code = "conflict"
    head: str | None
    sequence: int | None

    def __init__(self, text: str, /, *, head: str | None = None, sequence: int | None = None, **more: Any):
        super().__init__(text, **more)
        self.head = head
        self.sequence = sequence


class NotFound(TallystickError):
    """Nothing is stored under this name."""

    code = "not_found"


class ProofRefused(TallystickError):
    """A proof does not lead to the root that it claims."""

    code = "proof_refused"


class UnknownYear(TallystickError):
    """The calendar has no public holidays for the year of a day."""

    code = "unknown_year"


class IntegrityBroken(TallystickError):
    """Stored bytes contradict a signature, the log or an anchor.

    ``index`` is the first entry concerned, if any; a slot ``{index}`` of the text shows it.
    """

    code = "integrity_broken"
    index: int | None

    def __init__(self, text: str, /, *, index: int | None = None, **more: Any):
        is_template = "{index}" in text and not getattr(text, "params", None)  # a filled one may quote anything
        super().__init__(text, **more | ({"index": index} if is_template else {}))
        self.index = index


class Unavailable(TallystickError):
    """A part cannot be reached now; try again after ``retry_after`` seconds. The outcome may be unknown."""

    code = "unavailable"
    retry_after: int

    def __init__(self, text: str, /, *, retry_after: int = 5, **more: Any):
        super().__init__(text, **more)
        self.retry_after = retry_after


_OF_ENVELOPE = ("agency", "event_type", "sequence", "stream")


def refuse(rule: str, text: str, /, *, field: str, hint: str | None = None, **slots: object) -> NoReturn:
    """Raise the refusal of an act that the rule forbids; ``field`` is a path within the event's payload or envelope."""
    part = "envelope" if field.partition(".")[0] in _OF_ENVELOPE else "payload"
    raise RuleRefused(text, code=rule, field=f"{part}.{field}", hint=hint, **slots)
