"""The table of forms: which event prints as which document, with which content.

Names are slots of the timeline's sentences. ``facts`` are printed in this order if they are stated; ``parts`` are lists
of ``ledger.interchange.papers.lists``; ``by_hand`` are left open for a pen; ``stamps`` are agencies of the event, or
persons who sign by hand.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ledger.core.errors import NotFound
from ledger.core.events import Payload
from ledger.core.messages import Message, Term

_BETWEEN = ("from_agency", "to_agency")
_OFFER = ("offered", "persons", "digests")


class PaperForm(NamedTuple):
    """One kind of document.

    ``number`` and ``issuer`` are fields of the event: the paper's number, and the agency in whose name it is written.
    ``needs`` is a field that the event must state.
    """

    document: str
    event_type: str
    number: str
    facts: tuple[str, ...]
    parts: tuple[str, ...] = ()
    stamps: tuple[str, ...] = _BETWEEN
    by_hand: tuple[str, ...] = ()
    needs: str | None = None
    issuer: str = "agency"

    @property
    def act(self) -> str:
        """Return the verb of its event type."""
        return self.event_type.partition(".")[2]


_SERVED_BY_HAND = ("served_where", "served_how", "received_by", "received_instead", "not_taken", "witnessed", "server")

FORMS: Final = (
    PaperForm(
        "transfer_list",
        "handover.offered",
        "handover_id",
        (*_BETWEEN, "purpose", "authority", "follows", "expires_at", "due_at"),
        _OFFER,
    ),
    PaperForm(
        "acceptance_receipt",
        "handover.accepted",
        "handover_id",
        (*_BETWEEN, "purpose", "received_at", "authority"),
        ("received", "differences", "persons", "found_digests"),
        ("to_agency", "from_agency"),
    ),
    PaperForm(
        "refusal_notice",
        "handover.refused",
        "handover_id",
        (*_BETWEEN, "purpose", "received_at", "reason_code", "explanation", "remedy", "due_at", "authority"),
        ("offered", "persons"),
        ("to_agency", "from_agency"),
    ),
    PaperForm(
        "return_notice",
        "handover.returned",
        "handover_id",
        (*_BETWEEN, "purpose", "returns", "reason_code", "explanation", "remedy", "due_at", "authority"),
        _OFFER,
    ),
    PaperForm(
        "custody_change_certificate",
        "custody_change.requested",
        "number",
        ("agency", "keeper", "handover_id", "purpose", "authority"),
        ("person",),
        ("agency", "keeper"),
    ),
    PaperForm(
        "custody_change_receipt",
        "custody_change.served",
        "custody_change_id",
        ("requested_by", "keeper", "handover_id", "served_at", "authority"),
        ("person",),
        ("agency", "requested_by"),
    ),
    PaperForm(
        "service_receipt",
        "custody_change.served",
        "custody_change_id",
        ("requested_by", "keeper", "served_at"),
        ("person",),
        ("requested_by", "keeper"),
        _SERVED_BY_HAND,
        issuer="requested_by",
    ),
    PaperForm(
        "service_receipt",
        "decision.recorded",
        "number",
        ("agency", "kind", "decided_at", "served_at", "effective_at", "authority"),
        ("persons_named",),
        ("agency", "recipient_party"),
        _SERVED_BY_HAND,
        needs="served_at",
    ),
    PaperForm(
        "service_receipt",
        "disclosure.made",
        "event_id",
        ("agency", "recipient", "withheld", "authority"),
        ("disclosed", "disclosed_digests"),
        ("agency", "recipient_party"),
        _SERVED_BY_HAND,
    ),
    PaperForm(
        "seizure_list",
        "item.registered",
        "document_number",
        ("agency", "seized_at", "officers", "authority"),
        ("seized", "digests", "collected", "present"),
        ("agency", "holder_party", "witness_party"),
        needs="seizure",
    ),
    PaperForm(
        "disposal_list",
        "item.disposal_proposed",
        "event_id",
        ("agency", "disposal", "ground", "decision_id", "recipient", "authority"),
        ("disposed",),
        ("agency",),
        ("proposed_by", "approved_by"),
    ),
    PaperForm(
        "disposal_list",
        "item.disposed",
        "event_id",
        ("agency", "disposal", "disposed_at", "decision_id", "proceeds", "authority"),
        ("disposed",),
        ("agency", "recipient_party"),
        ("proposed_by", "approved_by"),
    ),
)
DOCUMENTS: Final = tuple(dict.fromkeys(form.document for form in FORMS))


def forms_of(payload: Payload, document: str | None = None) -> list[PaperForm]:
    """Return the forms that an event prints by, the first one first: all, or those of this ``document``."""
    return [
        form
        for form in FORMS
        if form.event_type == payload.event_type
        and (form.needs is None or getattr(payload.body, form.needs) is not None)
        and document in (None, form.document)
    ]


def form_of(payload: Payload, document: str | None = None) -> PaperForm:
    """Return the form that an event prints by: of this document, or its first. Raises NotFound if there is none."""
    forms = forms_of(payload, document)
    if forms:
        return forms[0]
    others = [form.document for form in forms_of(payload)]
    kinds = dict.fromkeys(form.event_type for form in FORMS)
    raise NotFound(
        "{event_type}, as it stands here, prints as no {document}",
        event_type=Term("event_type", payload.event_type),
        document=document or "document",
        field="document" if document else "event_id",
        code="no_paper",
        hint=Message("These print: {documents}.", documents=", ".join(others or kinds)),
    )
