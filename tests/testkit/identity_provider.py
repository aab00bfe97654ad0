"""An OpenID provider for tests: Authlib's server, with PKCE, in a process of its own.

    python -m tests.testkit.identity_provider PORT CLIENT_ID SECRET

Whoever comes types who he is; nobody is asked for a password. Addresses and codes are kept in memory.
"""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from joserfc.jwk import RSAKey

from tests.testkit.machine import REPOSITORY, free_port

FORM = """<!doctype html><html lang="en"><head><title>Provider</title></head><body><main><h1>Provider</h1>
<form method="post"><label>Who are you? <input name="user" autofocus></label><button>Sign in</button></form></main>
</body></html>"""


@dataclass(frozen=True)
class RunningProvider:
    """A provider that runs, and the client that it knows."""

    issuer: str
    client_id: str
    secret: str


@contextmanager
def running_provider(client_id: str = "tallystick", secret: str = "a secret of the tests") -> Iterator[RunningProvider]:
    """Run a provider in a process of its own until the block is left."""
    port = free_port()
    command = [sys.executable, "-m", "tests.testkit.identity_provider", str(port), client_id, secret]
    issuer = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(600):
                assert process.poll() is None, "the provider did not start"
                try:
                    if httpx.get(f"{issuer}/.well-known/openid-configuration").status_code == 200:
                        break
                except httpx.TransportError:
                    time.sleep(0.05)
            yield RunningProvider(issuer, client_id, secret)
        finally:
            process.terminate()


@dataclass(frozen=True)
class Client:
    """The one client: it may come back to this machine alone."""

    client_id: str
    secret: str

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        return ""

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return "/console/sign-in/provider/" in redirect_uri

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == self.secret

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "client_secret_basic"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


@dataclass(frozen=True)
class Code:
    """An authorization code, with what it was asked for."""

    code: str
    user: str
    data: dict[str, str]
    made_at: int

    def get_redirect_uri(self) -> str:
        return self.data["redirect_uri"]

    def get_scope(self) -> str:
        return self.data["scope"]

    def get_nonce(self) -> str | None:
        return self.data.get("nonce")

    def get_auth_time(self) -> int:
        return self.made_at

    def get_acr(self) -> str:
        return "urn:test:password"

    def get_amr(self) -> list[str]:
        return ["pwd"]

    @property
    def code_challenge(self) -> str:
        return self.data["code_challenge"]

    @property
    def code_challenge_method(self) -> str:
        return self.data["code_challenge_method"]


def make_provider(issuer: str, client_id: str, secret: str) -> Any:
    """Return the provider as a WSGI application."""
    from authlib.integrations.flask_oauth2 import AuthorizationServer
    from authlib.oauth2.rfc6749 import grants
    from authlib.oauth2.rfc7636 import CodeChallenge
    from authlib.oidc.core import OpenIDCode, UserInfo
    from flask import Flask, request

    key = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig"}, private=True)

    codes: dict[str, Code] = {}

    class CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
        TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic",)

        def save_authorization_code(self, code: str, asked: Any) -> None:
            codes[code] = Code(code, str(asked.user), dict(request.args), int(time.time()))

        def query_authorization_code(self, code: str, client: Client) -> Code | None:
            return codes.get(code)

        def delete_authorization_code(self, authorization_code: Code) -> None:
            del codes[authorization_code.code]

        def authenticate_user(self, authorization_code: Code) -> str:
            return authorization_code.user

    class IdTokens(OpenIDCode):  # type: ignore[misc]
        def exists_nonce(self, nonce: str, asked: Any) -> bool:
            return False

        def resolve_client_private_key(self, client: Client) -> RSAKey:
            return key

        def get_client_claims(self, client: Client) -> dict[str, Any]:
            return {"iss": issuer, "aud": [client_id], "exp": int(time.time()) + 300}

        def get_encode_header(self, client: Client) -> dict[str, str]:
            return {"alg": "RS256", "kid": "k1"}

        def generate_user_info(self, user: str, scope: str) -> Any:
            address = {"email": f"{user}@police.example", "email_verified": True}
            return UserInfo(sub=f"subject of {user}", preferred_username=user, **address)

    app = Flask("provider")
    app.secret_key = secrets.token_bytes(16)
    server = AuthorizationServer(app, query_client=lambda _: Client(client_id, secret), save_token=lambda *_: None)
    server.register_grant(CodeGrant, [CodeChallenge(required=True), IdTokens(require_nonce=True)])

    @app.get("/.well-known/openid-configuration")
    def metadata() -> dict[str, Any]:
        return {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "jwks_uri": f"{issuer}/jwks",
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        }

    @app.get("/jwks")
    def jwks() -> dict[str, Any]:
        return {"keys": [key.as_dict(private=False)]}

    @app.get("/authorize")
    def ask() -> str:
        server.get_consent_grant(end_user=None)
        return FORM

    @app.post("/authorize")
    def authorize() -> Any:
        return server.create_authorization_response(grant_user=request.form["user"])

    @app.post("/token")
    def token() -> Any:
        return server.create_token_response()

    return app


def main() -> None:
    from werkzeug.serving import run_simple

    port, client_id, secret = sys.argv[1:]
    issuer = f"http://127.0.0.1:{port}"
    import os

    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # plain http on this machine alone
    run_simple("127.0.0.1", int(port), make_provider(issuer, client_id, secret), threaded=True)


if __name__ == "__main__":
    main()
