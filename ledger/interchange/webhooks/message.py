"""Messages as Standard Webhooks has them: an id, a time, and an HMAC-SHA256 over both and the body."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct
from standardwebhooks import Webhook as Signing


class Message(Struct, frozen=True):
    """``message_id`` is the same when the same body is sent again."""

    message_id: str
    body: bytes

    def headers(self, secret: str, at_s: int) -> dict[str, str]:
        """The headers of one attempt at ``at_s`` (unix seconds)."""
        at = datetime.fromtimestamp(at_s, UTC)
        return {
            "content-type": "application/json",
            "user-agent": "tallystick",
            "webhook-id": self.message_id,
            "webhook-timestamp": str(at_s),
            "webhook-signature": Signing(secret).sign(self.message_id, at, self.body.decode()),
        }


def secret_of(service_key: bytes, webhook_id: str) -> str:
    """A webhook's secret, ``whsec_`` and base64. It is derived, so that no database and no backup of one holds it."""
    derived = HKDF(SHA256(), 32, salt=None, info=b"tallystick webhook " + webhook_id.encode()).derive(service_key)
    return "whsec_" + b64encode(derived).decode()
