"""Events: one definition each for request, signed payload and stored bytes.

``terms`` has the vocabulary, ``catalogue`` the table of event types, ``case``, ``item``, ``handover``, ``letter``,
``hold``, ``retention``, ``procedure``, ``record``, ``stocktake``, ``supervision`` and ``registry`` the bodies,
``payload`` the payload and envelope around a body, ``streams`` the order of events.
"""

from ledger.core.events import case as case
from ledger.core.events import handover as handover
from ledger.core.events import hold as hold
from ledger.core.events import item as item
from ledger.core.events import letter as letter
from ledger.core.events import procedure as procedure
from ledger.core.events import record as record
from ledger.core.events import registry as registry
from ledger.core.events import retention as retention
from ledger.core.events import stocktake as stocktake
from ledger.core.events import supervision as supervision
from ledger.core.events.catalogue import EVENT_TYPES as EVENT_TYPES
from ledger.core.events.catalogue import NAME_OF as NAME_OF
from ledger.core.events.catalogue import Body as Body
from ledger.core.events.catalogue import EventType as EventType
from ledger.core.events.payload import MAX_ENTRY_BYTES as MAX_ENTRY_BYTES
from ledger.core.events.payload import NO_KEY as NO_KEY
from ledger.core.events.payload import SUITE_SECP256K1_EIP712 as SUITE_SECP256K1_EIP712
from ledger.core.events.payload import SYSTEM_STREAM_ID as SYSTEM_STREAM_ID
from ledger.core.events.payload import UNSIGNED as UNSIGNED
from ledger.core.events.payload import Authority as Authority
from ledger.core.events.payload import Envelope as Envelope
from ledger.core.events.payload import Event as Event
from ledger.core.events.payload import Payload as Payload
from ledger.core.events.payload import Section as Section
from ledger.core.events.payload import Stream as Stream
from ledger.core.events.payload import Submission as Submission
from ledger.core.events.payload import Submitted as Submitted
from ledger.core.events.payload import decode_again as decode_again
from ledger.core.events.payload import decode_checked as decode_checked
from ledger.core.events.payload import decode_envelope as decode_envelope
from ledger.core.events.payload import decode_event as decode_event
from ledger.core.events.payload import decode_payload as decode_payload
from ledger.core.events.payload import decode_section as decode_section
from ledger.core.events.payload import decode_submission as decode_submission
from ledger.core.events.payload import encode_submission as encode_submission
from ledger.core.events.payload import entry_hash as entry_hash
from ledger.core.events.payload import make_event as make_event
from ledger.core.events.payload import require_digest as require_digest
from ledger.core.events.payload import require_kind as require_kind
from ledger.core.events.payload import require_place as require_place
from ledger.core.events.payload import type_of as type_of
from ledger.core.events.payload import unsigned_envelope as unsigned_envelope
