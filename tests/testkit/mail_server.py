"""A mail server on loopback: real SMTP over STARTTLS with a login, which keeps what it takes."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ledger.config.settings import Settings
from ledger.interchange.mail.smtp import Security
from tests.testkit.machine import free_port

USER, PASSWORD = "ledger", "the password of the mail server"


@dataclass
class Mailbox:
    """What came in, in its order. ``answer`` is the last answer to a message, unless it is empty."""

    port: int
    roots: Path
    security: Security = "starttls"
    answer: str = ""
    taken: list[EmailMessage] = field(default_factory=list)
    logins: list[bytes] = field(default_factory=list)

    async def handle_DATA(self, _server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802 - of aiosmtpd
        """Take a message; over TLS alone, and from who has logged in, where it has a login."""
        assert self.security != "starttls" or session.ssl is not None
        assert bool(session.authenticated) == (self.security == "starttls")
        if self.answer:
            return self.answer
        content = envelope.content
        assert isinstance(content, bytes)
        self.taken.append(message_from_bytes(content, policy=policy.default))  # type: ignore[arg-type]
        return "250 OK"

    def to(self, address: str) -> list[EmailMessage]:
        """Return the messages to an address."""
        return [message for message in self.taken if message["To"] == address]

    @property
    def smtp_settings(self) -> dict[str, Any]:
        """Return what the settings of a service say that sends by this server."""
        return {
            "smtp_host": "127.0.0.1",
            "smtp_port": self.port,
            "smtp_security": self.security,
            "smtp_user": USER if self.security == "starttls" else None,
            "smtp_password": PASSWORD,
            "smtp_roots": self.roots,
            "smtp_timeout_s": 10,
            "mail_from": "ledger@ledger.test",
        }

    def settings(self, **others: Any) -> Settings:
        """Return the settings of a service that sends by this server."""
        return Settings(**({"public_url": "https://ledger.test"} | self.smtp_settings | others))


def text_of(message: EmailMessage) -> str:
    """Return the text of a message."""
    content = message.get_content()
    assert isinstance(content, str)
    return content


@contextmanager
def mailbox_in(folder: Path, security: Security = "starttls") -> Iterator[Mailbox]:
    """Run a mail server until the block is left; its certificate is its own root."""
    certificate, key = folder / "mail.pem", folder / "mail.key"
    _make_certificate(certificate, key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    mailbox = Mailbox(free_port(), certificate, security)

    def login(_server: Any, _session: Any, _envelope: Any, _mechanism: str, attempt: LoginPassword) -> AuthResult:
        mailbox.logins.append(attempt.login)
        return AuthResult(
            success=(attempt.login, attempt.password) == (USER.encode(), PASSWORD.encode()), handled=False
        )

    controller = Controller(
        mailbox,
        hostname="127.0.0.1",
        port=mailbox.port,
        ssl_context=context if security == "tls" else None,
        tls_context=context if security == "starttls" else None,
        require_starttls=security == "starttls",
        auth_required=security == "starttls",
        authenticator=login,
    )
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()


def _make_certificate(certificate: Path, key: Path) -> None:
    private, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail server of the tests")])
    alternative = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(alternative, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key.write_bytes(private.private_bytes(*form))
