"""What a bundle proves, with what its verified parts say: the ground of a certificate. Offline, as any verification."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import UNSET, Struct

from ledger.core.custody import Act, CaseState, fold
from ledger.core.encoding.decoding import decode_json
from ledger.core.errors import IntegrityBroken, TallystickError
from ledger.core.events import Payload, decode_envelope, decode_payload
from ledger.core.events.registry import AgencyAdmitted, Name
from ledger.core.events.terms import Verdict
from ledger.core.procedure.legal_days import unix_seconds
from ledger.core.procedure.rulebook import Rulebook
from ledger.core.verification.bundle import verify_bundle
from ledger.core.verification.bundle_format import (
    Anchor,
    decode_bundle,
    decode_case_bundle,
    read_anchor,
    read_authority,
    read_part,
)
from ledger.core.verification.case import RaisedFlag, verify_case
from ledger.core.verification.chain import ObservedBlock
from ledger.core.verification.report import Report, Statement, Step
from ledger.core.verification.trust import Trust
from ledger.i18n import Labels
from ledger.timeline import names_by_id
from ledger.timeline.sentences import Names


class CertifiedEvent(Struct, frozen=True):
    """An event with what its own verification says.

    ``payload`` is None where it was withheld; ``before`` and ``after`` are the case around it, None where the acts
    could not be followed.
    """

    report: Report
    payload: Payload | None
    before: CaseState | None = None
    after: CaseState | None = None


class Certified(Struct, frozen=True):
    """A bundle that holds: of one event, or of a case (``case_steps`` are then those of the case as a whole).

    ``names`` are those that agencies were admitted under, ``anchor`` where the last event's tree head is
    recorded, as far as the verification has proven it, ``flags`` what the rules say of a case.
    """

    name: str
    verdict: Verdict
    conformity: Statement
    completeness: Statement
    development: bool
    events: tuple[CertifiedEvent, ...]
    case_steps: tuple[Step, ...]
    names: dict[str, Name]
    anchor: Anchor | None
    flags: tuple[RaisedFlag, ...] = ()

    @property
    def last(self) -> CertifiedEvent:
        return self.events[-1]

    @property
    def state(self) -> CaseState | None:
        """The case after the last event, where every act could be followed."""
        return self.last.after

    @property
    def date(self) -> int:
        """Unix seconds of the last event, as its signer claims."""
        payload = self.last.payload
        if payload is None:
            return self.last.report.subject.signed_at
        return unix_seconds(payload.occurred_at)

    def name_of(self, labels: Labels) -> Names:
        """Gives the name of an agency by its id; the id where the bundle does not tell it."""
        return names_by_id(lambda: self.names, labels)


class _Format(Struct):
    """What a file claims to be, to choose by; nothing of it is believed."""

    format: str = ""


def certify(
    data: bytes,
    trust: Trust,
    book: Rulebook,
    *,
    entries: Iterable[bytes] | None = None,
    seen: Sequence[ObservedBlock] = (),
) -> Certified:
    """Verifies a bundle of either kind; arguments as in ``ledger.core.verification.case``.

    Raises MalformedInput for what is no bundle, and IntegrityBroken where it was tampered with: that is not certified.
    """
    if _format(data) == "tallystick/case-bundle@v1":
        return _certify_case(data, trust, book, entries, seen)
    report = verify_bundle(data, trust, observed=seen)
    _require_untampered(report.verdict, report.faults)
    parts = _Parts(data, report)
    event = CertifiedEvent(report, parts.payload)
    return Certified(
        report.subject.event_id,
        report.verdict,
        report.conformity,
        report.completeness,
        report.development,
        (event,),
        (),
        parts.names,
        parts.anchor,
    )


def _certify_case(
    data: bytes, trust: Trust, book: Rulebook, entries: Iterable[bytes] | None, seen: Sequence[ObservedBlock]
) -> Certified:
    report = verify_case(data, trust, book, entries=entries, observed=seen)
    faults = (*report.faults, *(fault for event in report.events for fault in event.faults))
    _require_untampered(report.verdict, faults)
    bundles = decode_case_bundle(data).events
    parts = [_Parts(bytes(event), of_event) for event, of_event in zip(bundles, report.events, strict=True)]
    names: dict[str, Name] = {}
    for part in parts:
        names |= part.names
    events = tuple(_followed(report.events, parts, book))
    return Certified(
        report.case_id,
        report.verdict,
        report.conformity,
        report.completeness,
        report.development,
        events,
        report.steps,
        names,
        parts[-1].anchor,
        report.flags,
    )


def _format(data: bytes) -> str:
    try:
        return decode_json(data, _Format).format
    except (msgspec.DecodeError, RecursionError):
        return ""  # the verifier says what is wrong with it


def _require_untampered(verdict: Verdict, faults: Sequence[Step]) -> None:
    if verdict == "tampered":
        fault = faults[0]
        raise IntegrityBroken(
            f"tampered bundles are not certified: step {fault.number}, {fault.name}: {fault.detail}",
            field="bundle",
            hint="See all steps with: tally proof check",
        )


class _Parts:
    """The parts of one event's bundle, once it was verified."""

    def __init__(self, data: bytes, report: Report):
        bundle = decode_bundle(data)
        self.envelope, _ = read_part(bundle.envelope, decode_envelope, "envelope")
        self.payload = None if bundle.payload is UNSET else read_part(bundle.payload, decode_payload, "payload")[0]
        is_granted = any(step.name == "authority" and step.result == "checked" for step in report.steps)
        shown = bundle.authority
        self.names = _admitted(bytes(shown)) if is_granted and shown is not UNSET else {}
        self.anchor = None if report.record is None or bundle.anchor is UNSET else read_anchor(bytes(bundle.anchor))


def _admitted(authority: bytes) -> dict[str, Name]:
    body = read_part(read_authority(authority).agency.payload, decode_payload, "authority")[0].body
    assert isinstance(body, AgencyAdmitted), "step 9 has read it"
    return {body.agency: body.profile.name}


def _followed(reports: Iterable[Report], parts: Iterable[_Parts], book: Rulebook) -> Iterable[CertifiedEvent]:
    """The events with the case around each, from the first on until one cannot be followed."""
    state: CaseState | None = None
    follows = True
    for report, part in zip(reports, parts, strict=True):
        before = state
        if part.payload is None:
            follows = False
        if follows and part.payload is not None:
            act = Act(part.payload, part.envelope.payload_digest, part.envelope.signed_at, book)
            try:
                state = fold(before, act).state
            except TallystickError:  # it rests on another case, which is not here
                follows = False
        yield CertifiedEvent(report, part.payload, before, state) if follows else CertifiedEvent(report, part.payload)
