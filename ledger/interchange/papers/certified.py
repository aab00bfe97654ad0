"""Verification of a bundle for a certificate: what it proves, with what its verified parts say. Offline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from ledger.core.custody import Act, CaseState, fold
from ledger.core.custody.fold import book_of
from ledger.core.encoding.decoding import decode_json
from ledger.core.errors import IntegrityBroken, TallystickError
from ledger.core.events import Payload, decode_envelope, decode_payload
from ledger.core.events.registry import AgencyAdmitted, Name
from ledger.core.events.terms import Verdict
from ledger.core.procedure.adoption import NOT_YET, Procedures
from ledger.core.procedure.legal_days import unix_seconds
from ledger.core.verification.bundle import verify_bundle
from ledger.core.verification.bundle_format import (
    Anchor,
    decode_bundle,
    decode_case_bundle,
    read_anchor,
    read_authority,
    read_part,
)
from ledger.core.verification.case import CaseReport, RaisedFlag, verify_case
from ledger.core.verification.chain import ObservedBlock
from ledger.core.verification.report import CheckedStep, ProofReport, Statement
from ledger.core.verification.trust import Trust
from ledger.i18n import Labels
from ledger.timeline.sentences import Names, names_by_id


class CertifiedEvent(Struct, frozen=True):
    """An event with the report of its own verification.

    ``payload`` is None if it was withheld; ``before`` and ``after`` are the case around it, None if the acts could not
    be followed.
    """

    report: ProofReport
    payload: Payload | None
    before: CaseState | None = None
    after: CaseState | None = None


class Certified(Struct, frozen=True):
    """A bundle that holds: of one event, or of a case (``case_steps`` are then those of the case as a whole).

    ``names`` are those that agencies were admitted under, ``anchor`` where the last event's tree head is recorded, as
    far as the verification has proven it, ``flags`` what the rules say of a case, ``procedure`` the digest of the
    version that judged its last act.
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
    procedure: str | None = None

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
        payload = self.last.payload
        return self.last.report.subject.signed_at if payload is None else unix_seconds(payload.occurred_at)

    def name_of(self, labels: Labels) -> Names:
        """Return a function from an agency's id to its name, or to the id if the bundle does not tell the name."""
        return names_by_id(lambda: self.names, labels)


class _BundleFormat(Struct):
    """The format that a file claims to have. Nothing of it is believed."""

    format: str = ""


def certify(
    data: bytes,
    trust: Trust,
    procedures: Procedures,
    *,
    entries: Iterable[bytes] | None = None,
    observed: Sequence[ObservedBlock] = (),
) -> Certified:
    """Verify a bundle of either kind; arguments as in ``ledger.core.verification.case``.

    Raises MalformedInput for what is no bundle, and IntegrityBroken for one that was tampered with: that is not
    certified.
    """
    try:
        bundle_format = decode_json(data, _BundleFormat).format
    except (msgspec.DecodeError, RecursionError):
        bundle_format = ""  # the verifier says what is wrong with it
    if bundle_format != "tallystick/case-bundle@v1":
        report = verify_bundle(data, trust, observed=observed)
        _require_untampered(report.verdict, report.faults)
        parts = _VerifiedParts(data, report)
        event = CertifiedEvent(report, parts.payload)
        return _certified(report.subject.event_id, report, (event,), [parts])
    case_report = verify_case(data, trust, procedures, entries=entries, observed=observed)
    faults = (*case_report.faults, *(fault for event in case_report.events for fault in event.faults))
    _require_untampered(case_report.verdict, faults)
    bundles = decode_case_bundle(data).events
    all_parts = [
        _VerifiedParts(bytes(bundle), report) for bundle, report in zip(bundles, case_report.events, strict=True)
    ]
    events = tuple(_follow(case_report.events, all_parts, case_report.procedures))
    book, index = None, case_report.events[-1].subject.index
    if (state := case_report.state) is not None:
        book = case_report.procedures.at(NOT_YET if index is None else index).get(state.procedure)
    digest = book.digest if book else None
    of_case = {"case_steps": case_report.steps, "flags": case_report.flags, "procedure": digest}
    return _certified(case_report.case_id, case_report, events, all_parts, **of_case)


def _certified(
    name: str,
    report: ProofReport | CaseReport,
    events: tuple[CertifiedEvent, ...],
    parts: Sequence[_VerifiedParts],
    **of_case: Any,
) -> Certified:
    return Certified(
        name=name,
        verdict=report.verdict,
        conformity=report.conformity,
        completeness=report.completeness,
        development=report.development,
        events=events,
        names={agency: name for part in parts for agency, name in part.names.items()},
        anchor=parts[-1].anchor,
        **of_case,
    )


def _require_untampered(verdict: Verdict, faults: Sequence[CheckedStep]) -> None:
    if verdict == "tampered":
        fault = faults[0]
        raise IntegrityBroken(
            "tampered bundles are not certified: step {fault.number}, {fault.name}: {fault.detail}",
            fault=fault,
            field="bundle",
            hint="See all steps with: tally proof check",
        )


class _VerifiedParts:
    """The parts of one event's bundle, after its verification."""

    def __init__(self, data: bytes, report: ProofReport):
        bundle = decode_bundle(data)
        self.envelope, _ = read_part(bundle.envelope, decode_envelope, "envelope")
        self.payload = None if bundle.payload is UNSET else read_part(bundle.payload, decode_payload, "payload")[0]
        self.names: dict[str, Name] = {}
        self.kinds: dict[str, str] = {}
        if bundle.authority is not UNSET and any(
            step.name == "authority" and step.result == "checked" for step in report.steps
        ):
            admission = read_authority(bytes(bundle.authority)).agency.payload
            body = read_part(admission, decode_payload, "authority")[0].body
            assert isinstance(body, AgencyAdmitted), "step 9 has read it"
            self.names[body.agency], self.kinds[body.agency] = body.profile.name, body.kind
        # Without a proven record the anchor of the bundle is only claimed.
        self.anchor = None if report.record is None or bundle.anchor is UNSET else read_anchor(bytes(bundle.anchor))


def _follow(
    reports: Iterable[ProofReport], parts: Iterable[_VerifiedParts], procedures: Procedures
) -> Iterator[CertifiedEvent]:
    """Yield the events with the case around each, from the first on until one cannot be followed."""
    state: CaseState | None = None
    is_followed = True
    parts = tuple(parts)
    kinds = {agency: kind for part in parts for agency, kind in part.kinds.items()}
    for report, part in zip(reports, parts, strict=True):
        before = state
        if part.payload is None:
            is_followed = False
        elif is_followed:
            index = report.subject.index
            try:
                book = book_of(before, part.payload, procedures.at(NOT_YET if index is None else index))
                act = Act(part.payload, part.envelope.payload_digest, part.envelope.signed_at, book, kinds=kinds)
                state = fold(before, act).state
            except TallystickError:  # it rests on another case, which is not in the bundle
                is_followed = False
        around = (before, state) if is_followed else (None, None)
        yield CertifiedEvent(report, part.payload, *around)
