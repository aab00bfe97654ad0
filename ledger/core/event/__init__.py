"""Events: what agencies say, in one definition for request, signed payload and stored bytes.

``terms`` has the words, ``catalogue`` the table of event types, ``case``, ``item``, ``handover``, ``custody_change``,
``deadline``, ``record`` and ``registry`` the bodies, ``payload`` what surrounds them.
"""

from ledger.core.event import case, custody_change, deadline, handover, item, record, registry
from ledger.core.event.catalogue import EVENT_TYPES, NAME_OF, Body, EventType
from ledger.core.event.payload import (
    MAX_ENTRY_BYTES,
    SYSTEM_STREAM_ID,
    VERSION,
    AnyPayload,
    Authority,
    Envelope,
    Payload,
    Section,
    Stream,
    Submission,
    Submitted,
    decode_envelope,
    decode_payload,
    decode_section,
    decode_submission,
    digest_of,
    encode_submission,
    make_payload,
    require_agreement,
    require_shape,
)

__all__ = [
    "EVENT_TYPES",
    "MAX_ENTRY_BYTES",
    "NAME_OF",
    "SYSTEM_STREAM_ID",
    "VERSION",
    "AnyPayload",
    "Authority",
    "Body",
    "Envelope",
    "EventType",
    "Payload",
    "Section",
    "Stream",
    "Submission",
    "Submitted",
    "case",
    "custody_change",
    "deadline",
    "decode_envelope",
    "decode_payload",
    "decode_section",
    "decode_submission",
    "digest_of",
    "encode_submission",
    "handover",
    "item",
    "make_payload",
    "record",
    "registry",
    "require_agreement",
    "require_shape",
]
