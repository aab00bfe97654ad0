"""Signing in: what is signed, what is kept, and what is never signed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from ledger.client.service import ServiceClient
from ledger.client.sign_in import SignIn, require_own_message
from ledger.config.keys import LocalSigner
from ledger.core.errors import SignatureRefused, Unauthorized
from ledger.core.signing.signatures import personal_digest
from tests.testkit.builders import LOG_ID
from tests.testkit.faulty_service import Answer, Asked, FaultyService, faulty_service, problem

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
            token = {"access_token": self.tokens[-1], "token_type": "Bearer", "expires_in": 900}
            return Answer(body=json.dumps(token).encode())
        held = asked.headers.get("Authorization", "").removeprefix("Bearer ")
        return Answer(body=b'{"shown":true}') if self.tokens[-1:] == [held] else problem(401)


def signed_in(url: str, folder: Path, key_id: str = SIGNER.key_id) -> SignIn:
    return SignIn(folder / "token.json", url, key_id, lambda: SIGNER, lambda: LOG_ID)


def ask(faulty: FaultyService, folder: Path) -> Any:
    """Ask as a client that signs in with the tests' key."""
    with ServiceClient(faulty.url, signed_in(faulty.url, folder)) as service:
        return service.get("/api/v1/cases/case-1")


@contextmanager
def gated(gate: Gate) -> Iterator[FaultyService]:
    """Serve by the gate, which challenges as the service that it is."""
    with faulty_service(gate) as faulty:
        gate.text = message(faulty.url)
        yield faulty


def test_digest_is_that_of_personal_sign() -> None:
    """A wallet's signature of the text (EIP-191) is the one given here, for ASCII and for Chinese."""
    for text in ("sign in", "登录"):
        wallet = Account.sign_message(encode_defunct(text=text), PRIVATE_KEY)
        assert SIGNER.sign(personal_digest(text)) == bytes(wallet.signature)


def test_signs_in_once_and_keeps_the_token(tmp_path: Path) -> None:
    """The first 401 signs in; the token lies in a file of mode 0600 and serves the next client too. One that the
    service does not take any more is replaced."""
    gate = Gate()
    with gated(gate) as faulty:
        assert [ask(faulty, tmp_path) for _ in range(2)] == [{"shown": True}] * 2
        signed = next(json.loads(asked.body) for asked in faulty.asked if asked.path.endswith("/token"))
        assert len(gate.tokens) == 1
        gate.tokens.append("another")
        assert ask(faulty, tmp_path) == {"shown": True}
    assert (tmp_path / "token.json").stat().st_mode & 0o777 == 0o600
    wallet = Account.sign_message(encode_defunct(text=gate.text), PRIVATE_KEY)
    assert signed["signature"] == "0x" + bytes(wallet.signature).hex()


def test_token_is_used_no_longer_than_it_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token near its end is not sent any more, nor ever to another URL or under another key; broken, it is none."""
    with gated(Gate()) as faulty:
        ask(faulty, tmp_path)
    assert signed_in("http://elsewhere", tmp_path).header() == {}
    assert signed_in(faulty.url, tmp_path, "0x" + "11" * 20).header() == {}
    now = time.time()
    for later, sent in ((600, True), (891, False)):
        monkeypatch.setattr("ledger.client.sign_in.time.time", lambda later=later: now + later)
        assert bool(signed_in(faulty.url, tmp_path).header()) is sent
    monkeypatch.undo()
    (tmp_path / "token.json").write_bytes(b"{")
    assert signed_in(faulty.url, tmp_path).header() == {}


def test_service_that_takes_no_token_is_not_asked_for_ever(tmp_path: Path) -> None:
    """A second 401 is the answer."""

    class Closed(Gate):
        def __call__(self, asked: Asked) -> Answer:
            return super().__call__(asked) if "sign-in" in asked.path else problem(401)

    gate = Closed()
    with gated(gate) as faulty, pytest.raises(Unauthorized, match="not to be"):
        ask(faulty, tmp_path)
    assert len(gate.tokens) == 1


URL = "http://ledger.example:8420"
OTHER_LEDGER = f"\n- urn:tallystick:0x{bytes(32).hex()}"


@pytest.mark.parametrize(
    "text",
    [
        *(message(URL, uri=uri) for uri in ("http://evil.example", "https://ledger.example:8420")),
        *(message(URL, resources=text) for text in ("", "\nResources:", f"\nResources:{OTHER_LEDGER}")),
        *(message(URL) + text for text in (OTHER_LEDGER, "\n", "\nURI: http://evil.example")),
        message(URL, domain="evil.example"),
        message(URL, address="0x" + "11" * 20),
        "I owe the bearer one thousand yuan",
        "",
    ],
)
def test_foreign_texts_are_not_signed(text: str) -> None:
    """Only a sign-in at the service that was called, for the key that signs, is signed."""
    with pytest.raises(SignatureRefused):
        require_own_message(text, URL, SIGNER.key_id, LOG_ID)


def test_own_text_is_signed_whatever_the_case_of_the_address() -> None:
    """The address stands in the mixed case of EIP-55 or in lower case; a path below the URL is the same service."""
    mixed = Account.from_key(PRIVATE_KEY).address
    require_own_message(message(URL, address=mixed), URL, SIGNER.key_id, LOG_ID)
    require_own_message(message(URL, uri=f"{URL}/"), URL, SIGNER.key_id, LOG_ID)


def test_nothing_is_signed_for_a_foreign_text(tmp_path: Path) -> None:
    """The key is not even opened for it."""
    gate = Gate()
    gate.text = message("http://evil.example")
    with faulty_service(gate) as faulty:
        sign_in = SignIn(
            tmp_path / "t", faulty.url, SIGNER.key_id, lambda: pytest.fail("opened the key"), lambda: LOG_ID
        )
        with ServiceClient(faulty.url, sign_in) as service, pytest.raises(SignatureRefused):
            service.get("/api/v1/cases/case-1")
    assert gate.tokens == []
