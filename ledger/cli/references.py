"""Events that another event cites: by id and payload digest."""

from __future__ import annotations

from ledger.cli.params import split_once
from ledger.cli.session import Session
from ledger.client.service import at
from ledger.core.encoding import canonical
from ledger.core.errors import IntegrityBroken
from ledger.core.events import decode_payload, digest_of


def event_ref(session: Session, text: str, *, option: str) -> dict[str, str]:
    """Parse ``EVENT_ID=DIGEST``; for an id alone, compute the digest from the event's payload.

    Raises IntegrityBroken if the service shows another event than the one asked for.
    """
    if "=" in text:
        event_id, digest = split_once(text, "=", option, "EVENT_ID or EVENT_ID=blake3:...")
        return {"event_id": event_id, "payload_digest": digest}
    data = canonical.encode(session.service.get(at("/api/v1/events/{}", text))["payload"])
    if decode_payload(data).event_id != text:
        raise IntegrityBroken(f"the service shows another event than {text}", field=option)
    return {"event_id": text, "payload_digest": digest_of(data)}
