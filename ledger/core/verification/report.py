"""The report of a verification: numbered steps, the one verdict that follows from them, and two statements beside it.

The verdict is about *integrity* alone: bytes, signatures, log and chain. *Conformity* is to the custody rules;
*completeness* means that nothing of a stream was left out or followed. Neither changes the verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeVar

from msgspec import UNSET, Raw, Struct, UnsetType

from ledger.core.errors import IntegrityBroken, TallystickError
from ledger.core.events import Envelope, Payload
from ledger.core.events.terms import Verdict
from ledger.core.log.checkpoints import Checkpoint
from ledger.core.messages import Message, Term

R = TypeVar("R")

Result = Literal["checked", "failed", "not_checked"]

# Worst first: the worst of all steps is the verdict.
_SEVERITY: tuple[Verdict, ...] = ("tampered", "other_ledger", "unverifiable", "not_yet_anchored")


class CheckedStep(Struct, frozen=True, gc=False):
    """A step of a report. ``detail`` is what was compared, what differed, or why it was not checked.

    ``message`` is the detail packed, where it is kept to be shown in any language. ``verdict`` is the verdict of this
    step alone; it is ``intact`` for a step on conformity or completeness.
    """

    number: int
    name: str
    result: Result
    detail: str
    verdict: Verdict = "intact"
    message: dict[str, Any] | UnsetType = UNSET

    @property
    def text(self) -> str:
        """Return the detail as a message, if it is one."""
        return Message.unpacked(self.message) if isinstance(self.message, dict) else self.detail


class OtherLedger(IntegrityBroken):
    """A file is of another ledger than the trust file: it proves nothing here, and nothing in it contradicts itself."""

    code = "bundle_of_other_ledger"

    def __init__(self, text: str, /, *, hint: str | None = None, **more: Any):
        super().__init__(text, hint=hint or _NO_SIGN, **more)


_NO_SIGN = Message("That is no sign that somebody changed it, nor that nobody did.")


class NotChecked(Exception):
    """A step could not be checked; ``verdict`` is the verdict that follows from that.

    A check returns it if the input is missing, and raises it if an earlier step left nothing to go on with.
    """

    def __init__(self, why: str, /, verdict: Verdict = "unverifiable", **slots: object):
        self.why = Message(why, **slots) if slots or not isinstance(why, Message) else why
        super().__init__(self.why)
        self.verdict = verdict


# The verdicts that follow from failed steps, and what is raised where more than a step fails by them.
FAILED: dict[Verdict, type[IntegrityBroken]] = {"tampered": IntegrityBroken, "other_ledger": OtherLedger}

StepResult = str | NotChecked  # what a step compared, or why it could not be checked; a refusal is raised
Check = Callable[[R], StepResult]


Stated = Literal["shown", "contradicted", "not_checked"]
_STATED: dict[Result, Stated] = {"checked": "shown", "failed": "contradicted", "not_checked": "not_checked"}


class Statement(Struct, frozen=True):
    """The result on conformity or completeness; ``detail`` is the ground, or why it was not checked."""

    result: Stated
    detail: str


def statement_of(step: CheckedStep) -> Statement:
    """Return the statement that follows from a step on conformity or completeness."""
    return Statement(_STATED[step.result], step.detail)


def perform(number: int, name: str, check: Check[R], run: R) -> CheckedStep:
    """Run one check: it returns what it compared or that it could not be checked, and raises what it refuses."""
    try:
        result = check(run)
    except NotChecked as gap:
        result = gap.with_traceback(None)  # which would keep this frame alive, and so the whole run
    except TallystickError as error:
        # Only refusals are verdicts; any other exception is a bug and must surface.
        detail = Message("{error.field}: {error}", error=error) if error.field else error.text
        verdict: Verdict = "other_ledger" if isinstance(error, OtherLedger) else "tampered"
        return CheckedStep(number, name, "failed", detail, verdict)
    if isinstance(result, NotChecked):
        return CheckedStep(number, name, "not_checked", result.why, result.verdict)
    return CheckedStep(number, name, "checked", result)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict of the whole: the worst."""
    distinct = set(verdicts)
    return next((verdict for verdict in _SEVERITY if verdict in distinct), "intact")


class ProvenEvent(Struct, frozen=True):
    """The event that the bundle proves. Times are claims: ``occurred_at``, and ``signed_at`` in the envelope.

    ``index``, ``size`` and ``root`` are None if the proof does not hold; ``officer`` and ``occurred_at`` are None if
    the payload is withheld or is another.
    """

    envelope: Envelope
    officer: str | None = None
    occurred_at: str | None = None
    index: int | None = None
    size: int | None = None
    root: str | None = None


class AnchorBlock(Struct, frozen=True):
    """The block whose state proves the anchor, its time in unix seconds; ``trusted`` if step 4 was checked."""

    number: int
    hash: str
    timestamp: int
    trusted: bool


class ProvenRecord(Struct, frozen=True):
    """The record of the anchor contract that holds the tree head, with its block, by the state of a trusted block."""

    number: int
    block_number: int
    timestamp: int


class Report(Struct, frozen=True):
    """The result of a verification; ``verdict`` is about integrity.

    ``development``: the trust file is of a ledger whose anchors need no witness.
    """

    verdict: Verdict
    conformity: Statement
    completeness: Statement
    development: bool
    steps: tuple[CheckedStep, ...]

    @property
    def faults(self) -> tuple[CheckedStep, ...]:
        """Return the failed steps."""
        return tuple(step for step in self.steps if step.result == "failed")

    @property
    def refusals(self) -> tuple[CheckedStep, ...]:
        """Return what no proof of one's own ledger has: failed steps, and a tree head that its log did not sign."""
        return tuple(
            step
            for step in self.steps
            if step.result == "failed" or (step.name == "checkpoint" and step.result != "checked")
        )


class ProofReport(Report, frozen=True):
    """The result for one bundle.

    ``proven_time`` (unix seconds): the entry existed then, by a quorum of witnesses, a timestamp authority or a trusted
    block.
    """

    subject: ProvenEvent
    proven_time: int | None = None
    block: AnchorBlock | None = None
    record: ProvenRecord | None = None


def of_all(reports: Sequence[ProofReport], noun: str) -> StepResult:
    """Return the result for several bundles as one step: the worst verdict counts.

    ``noun`` names the bundles in the plural.
    """
    verdict = worst(report.verdict for report in reports)
    concerned = [number for number, report in enumerate(reports) if report.verdict == verdict]
    detail = Message(
        "{noun} {numbers}: {verdict}",
        noun=Term("noun", noun),
        numbers=in_ranges(concerned),
        verdict=Term("verdict", verdict),
    )
    if verdict in FAILED:
        raise FAILED[verdict](detail, field=noun)
    if verdict != "intact":
        return NotChecked(detail, verdict)
    return Message("{count} {noun}, each of them intact", count=len(reports), noun=Term("noun", noun))


def in_ranges(numbers: Iterable[int]) -> str:
    """Format rising numbers with consecutive ones as a range: ``3-7, 9``."""
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        first, _ = ranges.pop() if ranges and ranges[-1][1] == number - 1 else (number, number)
        ranges.append((first, number))
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def subject_of(
    envelope: Envelope, payload: Payload[Raw] | None, index: int | None, checkpoint: Checkpoint | None
) -> ProvenEvent:
    """Return the subject, as far as it was accepted."""
    claims = (payload.officer, payload.occurred_at) if payload else (None, None)
    place = (index, checkpoint.size, checkpoint.root.hex()) if checkpoint and index is not None else (None, None, None)
    return ProvenEvent(envelope, *claims, *place)
