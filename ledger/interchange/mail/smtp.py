"""The mail server: one connection for several messages, over TLS unless the settings say otherwise."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Literal

from msgspec import Struct

from ledger.core.errors import TallystickError

Security = Literal["starttls", "tls", "none"]


class Unsent(TallystickError):
    """A message that the mail server did not take; says why, as far as it is no secret."""

    code = "unsent"


class ServerAway(Unsent):
    """The mail server takes nothing now: it does not answer, or it refuses the login."""

    code = "mail_server_away"


class MailServer(Struct, frozen=True):
    """Where mail is handed in. ``password`` is read when it is needed; ``roots`` is a PEM file of the server's root."""

    host: str
    port: int
    security: Security
    user: str | None
    password: Callable[[], str | None]
    roots: Path | None
    timeout_s: int

    @contextmanager
    def connected(self) -> Iterator[MailConnection]:
        """Yield a connection, logged in. Raises ServerAway, and SecretRefused for a password that cannot be read."""
        password = self.password() if self.user is not None else None
        try:
            client = self._client()
            try:
                if self.security == "starttls":
                    client.starttls(context=self._tls())
                if self.user is not None:
                    client.login(self.user, password or "")
            except BaseException:
                client.close()
                raise
        except smtplib.SMTPAuthenticationError as error:
            # What the server answers may repeat the user's name, so only its number is shown.
            raise ServerAway("the mail server refuses the login ({status})", status=error.smtp_code) from error
        except (OSError, smtplib.SMTPException) as error:
            raise ServerAway("the mail server cannot be reached: {reason}", reason=_reason(error)) from error
        try:
            yield MailConnection(client)
        finally:
            try:
                client.quit()
            except (OSError, smtplib.SMTPException):
                client.close()

    def _client(self) -> smtplib.SMTP:
        if self.security == "tls":
            return smtplib.SMTP_SSL(self.host, self.port, timeout=self.timeout_s, context=self._tls())
        return smtplib.SMTP(self.host, self.port, timeout=self.timeout_s)

    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=None if self.roots is None else str(self.roots))


class MailConnection:
    """A connection to the mail server, for any number of messages."""

    def __init__(self, client: smtplib.SMTP):
        self._client = client

    def send(self, message: EmailMessage) -> None:
        """Hand the message in. Raises Unsent if it is refused, and ServerAway if the connection ends."""
        try:
            self._client.send_message(message)
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
            raise Unsent("the mail server refuses the message: {reason}", reason=_reason(error)) from error
        except (OSError, smtplib.SMTPException) as error:
            raise ServerAway("the connection to the mail server ended: {reason}", reason=_reason(error)) from error


def _reason(error: Exception) -> str:
    """Return why, without addresses: what a server answers mostly repeats them, so of an answer only its number."""
    match error:
        case smtplib.SMTPRecipientsRefused(recipients=recipients):
            return ", ".join(sorted({str(code) for code, _ in recipients.values()}))
        case smtplib.SMTPResponseException(smtp_code=code):
            return str(code)
    return str(error)[:200] or type(error).__name__
