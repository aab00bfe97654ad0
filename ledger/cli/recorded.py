"""What the record has of an item, to compare evidence with: from a proof bundle, or from the service."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

from ledger.cli.proofs import is_case_bundle, trust_for, verify_whole_case
from ledger.cli.session import Session
from ledger.client.service import at
from ledger.core.errors import MalformedInput
from ledger.core.events.item import ItemExamined, ItemRegistered
from ledger.core.verification.bundle import verify_event
from ledger.core.verification.trust import Trust
from ledger.evidence.checking import RecordedDigests


def from_service(session: Session, item_id: str) -> RecordedDigests:
    """Return what the service says of an item now, without proof."""
    item = session.service.get(at("/api/v1/items/{}", item_id))
    return RecordedDigests(f"the service on item {item_id}", tuple(item.get("digests", ())), item_id=item_id)


def from_bundle(session: Session, data: bytes, trust_files: Iterable[BinaryIO], item_id: str | None) -> RecordedDigests:
    """Return what a bundle proves of an item: that of an event that registers or examines it, or that of a case.

    In the bundle of a case it is the item ``item_id``. Raises MalformedInput if the bundle does not concern the item.
    """
    trust = trust_for(session, data, trust_files)
    return _from_case(data, trust, item_id) if is_case_bundle(data) else _from_event(data, trust, item_id)


def _from_event(data: bytes, trust: Trust, item_id: str | None) -> RecordedDigests:
    verified = verify_event(data, trust)
    event = f"event {verified.envelope.event_id}"
    log_id, verdict = verified.bundle.log_id, verified.report.verdict
    if verified.payload is None:
        return RecordedDigests(event, (), verdict, item_id, log_id)
    body = verified.payload.body
    if not isinstance(body, ItemRegistered | ItemExamined) or item_id not in (None, body.item_id):
        raise MalformedInput(
            f"{event} is {verified.envelope.event_type}, and does not say what {item_id or 'an item'} is",
            field="--bundle",
            hint="Give the bundle of the event that registered or examined the item, or that of its case with --item.",
        )
    return RecordedDigests(event, body.digests, verdict, body.item_id, log_id)


def _from_case(data: bytes, trust: Trust, item_id: str | None) -> RecordedDigests:
    if item_id is None:
        raise MalformedInput("expected the item of the case that this is", field="--item")
    report = verify_whole_case(data, trust)
    source, log_id = f"item {item_id} of case {report.case_id}", f"0x{trust.log_id.hex()}"
    if report.state is None:
        return RecordedDigests(source, (), report.verdict, item_id, log_id)
    item = report.state.items.get(item_id)
    if item is None:
        raise MalformedInput(f"case {report.case_id} has no item {item_id}", field="--item")
    return RecordedDigests(source, item.digests, report.verdict, item_id, log_id)
