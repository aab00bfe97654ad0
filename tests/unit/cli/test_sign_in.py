"""Signing in: what is signed, what is kept, and what is never signed."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from ledger.client.service import Service
from ledger.client.sign_in import SignIn, require_own_message
from ledger.config.keys import LocalSigner
from ledger.core.errors import SignatureRefused, Unauthorized
from ledger.core.signing.signatures import personal_digest
from tests.testkit.builders import LOG_ID
from tests.testkit.faulty_service import Answer, Asked, FaultyService, faulty_service

PRIVATE_KEY = bytes(31) + b"\x07"
SIGNER = LocalSigner.from_private_key(PRIVATE_KEY)


def message(
    url: str,
    *,
    domain: str | None = None,
    address: str = SIGNER.key_id,
    uri: str | None = None,
    resources: str = f"\nResources:\n- urn:tallystick:0x{LOG_ID.hex()}",
) -> str:
    """Build a sign-in text of the service at ``url``."""
    domain = domain or url.partition("//")[2]
    return (
        f"{domain} wants you to sign in with your Ethereum account:\n{address}\n\nRead.\n\n"
        f"URI: {uri or url}\nVersion: 1\nChain ID: 31337\nNonce: abcdefgh\nIssued At: 2026-03-01T08:30:00Z{resources}"
    )


class Gate:
    """A service that shows one thing to whoever holds its newest token."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.text = ""

    def __call__(self, asked: Asked) -> Answer:
        if asked.path.endswith("/challenge"):
            return Answer(body=json.dumps({"nonce": "n", "message": self.text}).encode())
        if asked.path.endswith("/token"):
            self.tokens.append(f"token-{len(self.tokens)}")
            given = {"access_token": self.tokens[-1], "token_type": "Bearer", "expires_in": 900}
            return Answer(body=json.dumps(given).encode())
        held = asked.headers.get("Authorization", "").removeprefix("Bearer ")
        return Answer(body=b'{"shown":true}') if self.tokens[-1:] == [held] else Answer(401, b"{}")


def reader(faulty: FaultyService, folder: Path) -> Service:
    """Build a client that signs in with the tests' key."""
    return Service(faulty.url, SignIn(folder / "token.json", faulty.url, SIGNER.key_id, lambda: SIGNER, lambda: LOG_ID))


def test_digest_is_that_of_personal_sign() -> None:
    """A wallet's signature of the text (EIP-191) is the one given here, for ASCII and for Chinese."""
    for text in ("sign in", "登录", ""):
        wallet = Account.sign_message(encode_defunct(text=text), PRIVATE_KEY)
        assert SIGNER.sign(personal_digest(text)) == bytes(wallet.signature)


def test_signs_in_once_and_keeps_the_token(tmp_path: Path) -> None:
    """The first 401 signs in; the token lies in a file of mode 0600 and serves the next client too."""
    gate = Gate()
    with faulty_service(gate) as faulty:
        gate.text = message(faulty.url)
        for _ in range(2):
            with reader(faulty, tmp_path) as service:
                assert service.get("/api/v1/cases/case-1") == {"shown": True}
        signed = next(json.loads(asked.body) for asked in faulty.asked if asked.path.endswith("/token"))
    assert len(gate.tokens) == 1
    assert (tmp_path / "token.json").stat().st_mode & 0o777 == 0o600
    wallet = Account.sign_message(encode_defunct(text=gate.text), PRIVATE_KEY)
    assert signed["signature"] == "0x" + bytes(wallet.signature).hex()


def test_token_is_used_no_longer_than_it_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token near its end is not sent any more."""
    gate = Gate()
    with faulty_service(gate) as faulty:
        gate.text = message(faulty.url)
        with reader(faulty, tmp_path) as service:
            service.get("/api/v1/cases/case-1")
        sign_in = SignIn(tmp_path / "token.json", faulty.url, SIGNER.key_id, lambda: SIGNER, lambda: LOG_ID)
        now = time.time()
        for later, sent in ((600, True), (891, False)):
            monkeypatch.setattr("ledger.client.sign_in.time.time", lambda later=later: now + later)
            assert bool(sign_in.header()) is sent


def test_revoked_token_is_renewed(tmp_path: Path) -> None:
    """A token that the service does not take any more is replaced, once."""
    gate = Gate()
    with faulty_service(gate) as faulty:
        gate.text = message(faulty.url)
        with reader(faulty, tmp_path) as service:
            service.get("/api/v1/cases/case-1")
            gate.tokens.append("another")
            assert service.get("/api/v1/cases/case-1") == {"shown": True}


def test_service_that_takes_no_token_is_not_asked_for_ever(tmp_path: Path) -> None:
    """A second 401 is the answer."""

    class Closed(Gate):
        def __call__(self, asked: Asked) -> Answer:
            return super().__call__(asked) if "sign-in" in asked.path else Answer(401, b'{"detail":"no"}')

    gate = Closed()
    with faulty_service(gate) as faulty:
        gate.text = message(faulty.url)
        with reader(faulty, tmp_path) as service, pytest.raises(Unauthorized, match="no"):
            service.get("/api/v1/cases/case-1")
    assert len(gate.tokens) == 1


def test_token_goes_to_its_own_service_and_key_only(tmp_path: Path) -> None:
    """A stored token is not sent to another URL or under another key; a broken file is no token."""
    gate = Gate()
    with faulty_service(gate) as faulty:
        gate.text = message(faulty.url)
        with reader(faulty, tmp_path) as service:
            service.get("/api/v1/cases/case-1")
    file = tmp_path / "token.json"
    assert SignIn(file, faulty.url, SIGNER.key_id, lambda: SIGNER, lambda: LOG_ID).header()
    assert SignIn(file, "http://elsewhere", SIGNER.key_id, lambda: SIGNER, lambda: LOG_ID).header() == {}
    assert SignIn(file, faulty.url, "0x" + "11" * 20, lambda: SIGNER, lambda: LOG_ID).header() == {}
    file.write_bytes(b"{")
    assert SignIn(file, faulty.url, SIGNER.key_id, lambda: SIGNER, lambda: LOG_ID).header() == {}


@pytest.mark.parametrize(
    "text",
    [
        message("http://ledger.example:8420", domain="evil.example"),
        message("http://ledger.example:8420", address="0x" + "11" * 20),
        message("http://ledger.example:8420", uri="http://evil.example"),
        message("http://ledger.example:8420", uri="https://ledger.example:8420"),
        message("http://ledger.example:8420") + "\nURI: http://evil.example",
        message("http://ledger.example:8420", resources=""),
        message("http://ledger.example:8420", resources="\nResources:"),
        message("http://ledger.example:8420", resources=f"\nResources:\n- urn:tallystick:0x{bytes(32).hex()}"),
        message("http://ledger.example:8420") + f"\n- urn:tallystick:0x{bytes(32).hex()}",
        message("http://ledger.example:8420") + "\n",
        "I owe the bearer one thousand yuan",
        "",
    ],
)
def test_foreign_texts_are_not_signed(text: str) -> None:
    """Only a sign-in at the service that was called, for the key that signs, is signed."""
    with pytest.raises(SignatureRefused):
        require_own_message(text, "http://ledger.example:8420", SIGNER.key_id, LOG_ID)


def test_own_text_is_signed_whatever_the_case_of_the_address() -> None:
    """The address stands in the mixed case of EIP-55 or in lower case; a path below the URL is the same service."""
    url = "http://ledger.example:8420"
    mixed = Account.from_key(PRIVATE_KEY).address
    require_own_message(message(url, address=mixed), url, SIGNER.key_id, LOG_ID)
    require_own_message(message(url, uri=f"{url}/"), url, SIGNER.key_id, LOG_ID)


def test_nothing_is_signed_for_a_foreign_text(tmp_path: Path) -> None:
    """The key is not even opened for it."""
    gate = Gate()
    gate.text = message("http://evil.example")
    with faulty_service(gate) as faulty:
        sign_in = SignIn(
            tmp_path / "t", faulty.url, SIGNER.key_id, lambda: pytest.fail("opened the key"), lambda: LOG_ID
        )
        with Service(faulty.url, sign_in) as service, pytest.raises(SignatureRefused):
            service.get("/api/v1/cases/case-1")
    assert gate.tokens == []
