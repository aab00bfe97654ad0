"""Verification of a bundle for a certificate: what it proves, with what its verified parts say. Offline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from ledger.core.custody import Act, CaseState, fold
from ledger.core.custody.fold import book_of
from ledger.core.encoding.instants import unix_seconds
from ledger.core.errors import IntegrityBroken, TallystickError
from ledger.core.events import Event
from ledger.core.events.registry import Name
from ledger.core.events.terms import Verdict
from ledger.core.procedure.adoption import NOT_YET, Procedures
from ledger.core.procedure.rulebook import Rulebook
from ledger.core.trust.trust_file import Trust
from ledger.core.verification.bundle import Anchor, decode_bundle
from ledger.core.verification.case import RaisedFlag, TimeLimits, judge_case, open_case
from ledger.core.verification.chain import ObservedBlock
from ledger.core.verification.heads import entries_beyond_map
from ledger.core.verification.report import CheckedStep, OtherLedger, ProofReport, Report, Statement
from ledger.core.verification.stream import VerifiedStream
from ledger.core.verification.verify import BundleVerification
from ledger.i18n import Labels
from ledger.timeline.sentences import Names, names_by_id

_SEE_STEPS = "See all steps with: tally proof check"


class CertifiedEvent(Struct, frozen=True):
    """An event with the report of its own verification.

    ``event`` is None if its payload was withheld; ``before`` and ``after`` are the case around it, None if the acts
    could not be followed.
    """

    report: ProofReport
    event: Event | None
    before: CaseState | None = None
    after: CaseState | None = None


class Certified(Struct, frozen=True):
    """A bundle that holds: of one event, or of a case (``case_steps`` are then those of the case as a whole).

    ``names`` are those that agencies were admitted under, ``anchor`` where the last event's tree head is recorded, as
    far as the verification has proven it, ``flags`` and ``time_limits`` what the rules say of a case, ``book`` the
    version of its procedure in force for its last act, ``beyond_map`` the number of entries after those up to which it
    is shown to be complete.
    """

    name: str
    verdict: Verdict
    conformity: Statement
    completeness: Statement
    development: bool
    events: tuple[CertifiedEvent, ...]
    names: dict[str, Name]
    anchor: Anchor | None
    case_steps: tuple[CheckedStep, ...] = ()
    flags: tuple[RaisedFlag, ...] = ()
    time_limits: TimeLimits | None = None
    book: Rulebook | None = None
    beyond_map: int = 0

    @property
    def last(self) -> CertifiedEvent:
        """Return the last event."""
        return self.events[-1]

    @property
    def state(self) -> CaseState | None:
        """Return the case after the last event, None if not every act could be followed."""
        return self.last.after

    @property
    def date(self) -> int:
        """Return the unix seconds of the last event, as its signer claims."""
        event = self.last.event
        return self.last.report.subject.envelope.signed_at if event is None else unix_seconds(event.occurred_at)

    def name_of(self, labels: Labels) -> Names:
        """Return a function from an agency's id to its name, or to the id if the bundle does not tell the name."""
        return names_by_id(lambda: self.names, labels)


def certify(
    data: bytes,
    trust: Trust,
    procedures: Procedures,
    *,
    entries: Iterable[bytes] | None = None,
    observed: Sequence[ObservedBlock] = (),
) -> Certified:
    """Verify a bundle of either kind; arguments as in ``ledger.core.verification.case``.

    Raises MalformedInput for what is no bundle, and IntegrityBroken for one that was tampered with, that is of another
    ledger, or whose tree head the log's key did not sign: that is not certified.
    """
    bundle = decode_bundle(data)
    if bundle.event is not None:
        verification = BundleVerification(bundle, trust, observed)
        verified = verification.event(bundle.require_event())
        _require_certifiable(verified.report.verdict, verified.report.refusals)
        event = CertifiedEvent(verified.report, verified.event)
        return _certified(verified.envelope.event_id, verified.report, verification, (event,))
    case = open_case(data, trust, entries=entries, observed=observed)
    report = judge_case(case, procedures)
    refusals = (*report.refusals, *(step for event in report.events for step in event.refusals))
    _require_certifiable(report.verdict, refusals)
    events = tuple(_follow(case, report.procedures))
    index, opening = report.events[-1].subject.index, case.events[0].event
    in_force = report.procedures.at(NOT_YET if index is None else index)
    book = in_force.get(getattr(opening.body, "procedure", "")) if opening else None
    of_case: dict[str, Any] = {name: getattr(report, name) for name in ("flags", "time_limits")}
    if entries is None and report.completeness.result == "shown":
        of_case["beyond_map"] = entries_beyond_map(case.verification)
    return _certified(report.case_id, report, case.verification, events, case_steps=report.steps, book=book, **of_case)


def _certified(
    name: str, report: Report, verification: BundleVerification, events: tuple[CertifiedEvent, ...], **of_case: Any
) -> Certified:
    anchor = verification.bundle.anchor
    return Certified(
        name=name,
        verdict=report.verdict,
        conformity=report.conformity,
        completeness=report.completeness,
        development=report.development,
        events=events,
        names={agency: body.profile.name for agency, body in verification.admissions().items()},
        # Without a proven record the anchor of the bundle is only claimed.
        anchor=None if verification.record is None else anchor,
        **of_case,
    )


def _require_certifiable(verdict: Verdict, refusals: Sequence[CheckedStep]) -> None:
    if verdict == "other_ledger":
        raise OtherLedger(
            "bundles of another ledger are not certified: {detail}", detail=refusals[0].detail, field="bundle"
        )
    if verdict == "tampered":
        raise IntegrityBroken(
            "tampered bundles are not certified: step {fault.number}, {fault.name}: {fault.detail}",
            fault=next(fault for fault in refusals if fault.verdict == verdict),
            field="bundle",
            hint=_SEE_STEPS,
        )
    unsigned = next((step for step in refusals if step.name == "checkpoint"), None)
    if unsigned is not None:  # the event is not shown to be in any log
        raise IntegrityBroken(
            "bundles without a tree head by the log's key are not certified: {detail}",
            detail=unsigned.detail,
            field="bundle",
            hint=_SEE_STEPS,
        )


def _follow(case: VerifiedStream, procedures: Procedures) -> Iterator[CertifiedEvent]:
    """Yield the events with the case around each, from the first on until one cannot be followed."""
    state: CaseState | None = None
    is_followed = True
    kinds = {agency: body.kind for agency, body in case.verification.admissions().items()}
    for event in case.events:
        before = state
        if event.event is None:
            is_followed = False
        elif is_followed:
            index = event.report.subject.index
            try:
                book = book_of(before, event.event, procedures.at(NOT_YET if index is None else index))
                state = fold(before, Act(event.event, book, kinds=kinds)).state
            except TallystickError:  # it rests on another case, which is not in the bundle
                is_followed = False
        around = (before, state) if is_followed else (None, None)
        yield CertifiedEvent(event.report, event.event, *around)
