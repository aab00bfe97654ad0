"""The errors of the ledger.

    TallystickError
    ├── MalformedInput            bytes or values that are not of the form asked for (names the field)
    ├── SignatureRefused          a signature that does not hold, or is outside its window
    ├── Unauthorized              a key or role without the right to do this at this index
    ├── RuleRefused               a custody rule that makes the act impossible (names the rule)
    ├── Conflict                  the act does not stand on its stream's head, or its id is taken
    ├── NotFound                  nothing is stored under this name
    ├── ProofRefused              a proof that does not lead to the root it claims
    ├── UnknownYear               a day of a year whose public holidays are not known (names the year)
    ├── IntegrityBroken           stored bytes that contradict what was signed, sequenced or anchored
    └── Unavailable               a part that is not reachable now; the outcome may be unknown

Each carries a stable ``code`` (for problem+json and exit codes), the ``field`` it concerns where there is one,
and a ``hint`` that tells what to do next.
"""

from __future__ import annotations

from typing import NoReturn


class TallystickError(ValueError):
    """Any refusal of this package; ``str(error)`` is one sentence for a person."""

    code = "error"

    def __init__(self, message: str, *, field: str | None = None, hint: str | None = None, code: str | None = None):
        super().__init__(message)
        self.message = message
        self.field = field
        self.hint = hint
        if code is not None:
            self.code = code

    @property
    def for_operator(self) -> str:
        """The message and what was noted beside it: for whoever runs the part that failed, never for its clients."""
        return ": ".join((self.message, *getattr(self, "__notes__", ())))


class MalformedInput(TallystickError):
    code = "malformed_input"


class SignatureRefused(TallystickError):
    code = "signature_refused"


class Unauthorized(TallystickError):
    code = "unauthorized"


class RuleRefused(TallystickError):
    """``code`` is the rule's name, as in ``ledger.core.custody``."""

    code = "rule_refused"


class Conflict(TallystickError):
    """``head`` is the digest that the stream stands on (None at sequence 0), ``sequence`` the next free one."""

    code = "conflict"

    def __init__(
        self,
        message: str,
        *,
        head: str | None = None,
        sequence: int | None = None,
        field: str | None = None,
        hint: str | None = None,
        code: str | None = None,
    ):
        super().__init__(message, field=field, hint=hint, code=code)
        self.head = head
        self.sequence = sequence


class NotFound(TallystickError):
    code = "not_found"


class ProofRefused(TallystickError):
    code = "proof_refused"


class UnknownYear(TallystickError):
    code = "unknown_year"


class IntegrityBroken(TallystickError):
    """``index`` is the log index of the first entry concerned, where one can be named."""

    code = "integrity_broken"

    def __init__(self, message: str, *, index: int | None = None, field: str | None = None, hint: str | None = None):
        super().__init__(message, field=field, hint=hint)
        self.index = index


class Unavailable(TallystickError):
    """``retry_after`` is in seconds."""

    code = "unavailable"

    def __init__(
        self,
        message: str,
        *,
        retry_after: int = 5,
        field: str | None = None,
        hint: str | None = None,
        code: str | None = None,
    ):
        super().__init__(message, field=field, hint=hint, code=code)
        self.retry_after = retry_after


def refuse(rule: str, message: str, *, field: str, hint: str | None = None) -> NoReturn:
    """Refuses an impossible act under the rule's name; ``field`` is a path within the payload."""
    raise RuleRefused(message, code=rule, field=f"payload.{field}", hint=hint)
