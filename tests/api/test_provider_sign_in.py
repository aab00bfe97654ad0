"""Sign-in by an agency's identity provider: by a real one, and against one that answers whatever an attacker wants."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from api.auth import provider_sign_in
from api.auth.identity_providers import FILE, ProviderFile, read_providers
from ledger.config.settings import Settings
from tests.api.conftest import serving
from tests.api.service import Served, listening_at, problem
from tests.testkit.builders import COURT, POLICE, clerk, refused_at, supervisor
from tests.testkit.casework import Case
from tests.testkit.identity_provider import running_provider
from tests.testkit.machine import free_port
from tests.testkit.timestamping import new_authority

OFFICER = clerk(POLICE)
CLIENT = "tallystick"
COOKIE = "__Secure-tallystick-provider"


@cache
def key(kid: str) -> RSAKey:
    """Return a key that whoever only collects these tests need not wait for."""
    return RSAKey.generate_key(2048, {"kid": kid}, private=True)


@dataclass
class Provider:
    """A provider that answers what the test wants: ``spoil`` changes the claims, ``sign`` makes the token of them."""

    issuer: str
    now: Callable[[], int]
    spoil: Callable[[dict[str, Any]], None] = lambda claims: None
    sign: Callable[[dict[str, Any]], str] = lambda claims: jwt.encode({"alg": "RS256", "kid": "k1"}, claims, key("k1"))
    metadata: dict[str, Any] = field(default_factory=dict)
    keys: list[dict[str, Any]] = field(default_factory=lambda: [key("k1").as_dict(private=False)])
    user: str = OFFICER.officer_id
    client: str = CLIENT
    asked: dict[str, str] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    key_fetches: int = 0
    token_status: int = 200
    answer: bytes | None = None

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._metadata),
                Route("/jwks", self._jwks),
                Route("/token", self._token, methods=["POST"]),
                Route("/away", lambda _: RedirectResponse("http://169.254.169.254/")),
            ]
        )

    def _metadata(self, _request: Request) -> Response:
        own = {name: f"{self.issuer}/{path}" for name, path in ENDPOINTS.items()}
        return JSONResponse({"issuer": self.issuer, **own, **self.metadata})

    def _jwks(self, _request: Request) -> Response:
        self.key_fetches += 1
        return JSONResponse({"keys": self.keys})

    async def _token(self, request: Request) -> Response:
        if self.answer is not None:
            return Response(self.answer, media_type="application/json")
        posted = parse_qs((await request.body()).decode())
        assert posted["grant_type"] == ["authorization_code"]
        now = self.now()
        claims = {
            "iss": self.issuer,
            "aud": self.client,
            "sub": "subject",
            "exp": now + 300,
            "iat": now,
            "auth_time": now,
            "nonce": self.asked["nonce"],
            "preferred_username": self.user,
        }
        self.spoil(claims)
        self.tokens.append(self.sign({name: value for name, value in claims.items() if value is not None}))
        return JSONResponse({"id_token": self.tokens[-1], "access_token": "x"}, status_code=self.token_status)


ENDPOINTS = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "jwks"}


@dataclass
class Office:
    """A service whose police and court sign in by providers of their own."""

    served: Served
    police: Provider
    court: Provider
    file: Path

    def begin(self, agency: str = POLICE, following: str = "/console/cases") -> tuple[dict[str, str], str]:
        """Begin at the agency's provider; return what it was asked, and the browser's cookie."""
        answer = self.served.request("GET", f"/console/sign-in/provider/{agency}", params={"next": following})
        assert answer.status_code == 303, answer.text
        asked = dict(httpx.URL(answer.headers["location"]).params)
        for provider in (self.police, self.court):
            provider.asked = asked
        return asked, answer.cookies[COOKIE]

    def back(self, query: dict[str, str], cookie: str | None, agency: str = POLICE) -> httpx.Response:
        """Come back from the provider with this query."""
        self.served.forget_cookies()
        headers = {"cookie": f"{COOKIE}={cookie}"} if cookie else {}
        return self.served.request("GET", f"/console/sign-in/provider/{agency}/return", params=query, headers=headers)

    def sign_in(self, agency: str = POLICE) -> httpx.Response:
        asked, cookie = self.begin(agency)
        return self.back({"code": "c", "state": asked["state"]}, cookie, agency)

    def read(self, answer: httpx.Response, path: str = "/console/cases", method: str = "GET") -> httpx.Response:
        """Ask for a page with the session that a sign-in gave."""
        assert answer.status_code == 200, answer.text
        headers = {
            "cookie": f"__Secure-tallystick={answer.cookies['__Secure-tallystick']}",
            "sec-fetch-site": "same-origin",
        }
        return self.served.request(method, path, headers=headers)


def row(agency: str, issuer: str, **more: Any) -> str:
    lines = {"agency": agency, "issuer": issuer, "client_id": CLIENT} | more
    return "[[providers]]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in lines.items())


@contextmanager
def hostile(now: Callable[[], int]) -> Iterator[Provider]:
    port = free_port()
    provider = Provider(f"http://127.0.0.1:{port}", now)
    with listening_at(port, provider.app()):
        yield provider


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Yield a service with two providers, each of its agency."""
    settings = Settings(public_url="https://ledger.test", data_dir=tmp_path, provider_timeout_s=2)
    with serving(tmp_path, settings) as served:
        clock = served.ledger.clock
        with hostile(lambda: clock.seconds) as police, hostile(lambda: clock.seconds) as court:
            file = tmp_path / FILE
            file.write_text(row(POLICE, police.issuer) + row(COURT, court.issuer))
            served.record(Case().open())
            yield Office(served, police, court, file)


def refused_page(answer: httpx.Response, status: int = 401) -> str:
    """Return the page of a refusal, by which nobody is signed in."""
    assert answer.status_code == status, answer.text
    assert "__Secure-tallystick" not in answer.cookies
    return answer.text


# What the page says, by the code of the refusal.
SAYS = {
    "id_token_refused": "ID token is refused",
    "sign_in_unknown": "no such sign-in waits",
    "sign_in_foreign": "begun in another browser",
    "provider_mixed_up": "another",
    "provider_answer": "the answer has no code",
    "provider_refused": "the provider refused it",
    "provider_code": "does not take the code",
    "provider_away": "cannot be asked now",
    "officer_unknown": "granted no key to this officer",
}


# -- by a real provider ------------------------------------------------------------------------------------------------


def test_an_officer_signs_in_by_a_real_provider(tmp_path: Path) -> None:
    """Authlib's server, with PKCE and the client's secret: the officer reads by his key's roles, and is recorded."""
    settings = Settings(public_url="https://ledger.test", data_dir=tmp_path)
    with running_provider() as provider, serving(tmp_path, settings) as served:
        served.record(Case().open())
        served.ledger.clock.ms = int(time.time() * 1000)  # the provider's clock is that of the machine
        secret = tmp_path / "secret"
        secret.write_text(provider.secret)
        secret.chmod(0o600)
        more = {"secret_file": str(secret), "client_id": provider.client_id}
        (tmp_path / FILE).write_text(row(POLICE, provider.issuer, **more))
        begun = served.request("GET", f"/console/sign-in/provider/{POLICE}")
        cookie = {"cookie": f"{COOKIE}={begun.cookies[COOKIE]}"}
        sent = httpx.post(begun.headers["location"], data={"user": OFFICER.officer_id})
        back = httpx.URL(sent.headers["location"])
        answer = served.request("GET", str(back), headers=cookie)
        assert answer.status_code == 200, answer.text
        headers = {"cookie": f"__Secure-tallystick={answer.cookies['__Secure-tallystick']}"}
        assert served.request("GET", "/console/cases", headers=headers).status_code == 200
        reads = served.get("/api/v1/access", supervisor(POLICE)).json()["reads"]
        assert (reads[0]["officer"], reads[0]["provider"]) == (OFFICER.officer_id, provider.issuer)
        # A code counts once, at the provider; a state counts once, here.
        assert (
            served.request("GET", str(back.copy_with(scheme="https", host="ledger.test")), headers=cookie).status_code
            == 401
        )


# -- what a session may ------------------------------------------------------------------------------------------------


def test_the_session_reads_and_does_nothing_else(office: Office) -> None:
    """Pages open and say so; whatever would change something is refused, in the console and by the API."""
    answer = office.sign_in()
    assert 'url=/console/cases"' in answer.text
    page = office.read(answer)
    assert page.status_code == 200
    assert "you read, and sign nothing" in page.text
    assert office.read(answer, "/console/notices/read", "POST").status_code == 403
    token = {"authorization": f"Bearer {answer.cookies['__Secure-tallystick']}"}
    body = {"storage_location": "Room 3"}
    problem(office.served.request("POST", "/api/v1/stocktakes", json=body, headers=token), 403, "key_needed")
    assert office.served.request("GET", "/api/v1/cases", headers=token).status_code == 200
    in_address = {"access_token": token["authorization"].removeprefix("Bearer ")}
    assert office.served.request("GET", "/api/v1/cases", params=in_address).status_code in (400, 401)


def test_a_session_ends_with_key_provider_and_time(office: Office) -> None:
    """With the officer's key, with the provider's row, and with the time since he signed in at the provider."""
    answer = office.sign_in()
    token = {"authorization": f"Bearer {answer.cookies['__Secure-tallystick']}"}
    text = office.file.read_text()
    office.file.write_text(text.replace(office.police.issuer, "https://id.example"))
    problem(office.served.request("GET", "/api/v1/cases", headers=token), 401, "provider_gone")
    office.file.write_text(text)
    assert office.served.request("GET", "/api/v1/cases", headers=token).status_code == 200
    office.police.spoil = lambda claims: claims.update(auth_time=claims["iat"] - 28_800 + 30)
    late = office.sign_in()
    office.served.ledger.clock.forward(60)
    headers = {"authorization": f"Bearer {late.cookies['__Secure-tallystick']}"}
    problem(office.served.request("GET", "/api/v1/cases", headers=headers), 401, "token_expired")
    office.served.ledger.changes.revoke(OFFICER)
    office.served.mirror(office.served.ledger.changes.bodies[-1])
    problem(office.served.request("GET", "/api/v1/cases", headers=token), 401, "key_revoked")
    assert SAYS["officer_unknown"] in refused_page(office.sign_in(), 403)


def test_what_came_of_sign_ins_is_counted(office: Office) -> None:
    """Those that signed somebody in, and the others by the code of the refusal."""
    office.sign_in()
    office.police.user = "nobody"
    office.sign_in()
    office.back({"code": "c", "state": "unknown"}, None)
    outcomes = office.served.parts.measures.provider_sign_ins
    assert outcomes == {provider_sign_in.SIGNED_IN: 1, "officer_unknown": 1, "sign_in_unknown": 1}


def test_who_is_taken_out_of_the_list_reads_no_more(office: Office) -> None:
    """The list of officers counts for every session that stands, and not for sign-ins alone."""
    text = office.file.read_text()
    listed = row(POLICE, office.police.issuer)
    office.file.write_text(f'{listed}[providers.officers]\n"{OFFICER.officer_id}" = "{OFFICER.officer_id}"\n')
    answer = office.sign_in()
    token = {"authorization": f"Bearer {answer.cookies['__Secure-tallystick']}"}
    assert office.served.request("GET", "/api/v1/cases", headers=token).status_code == 200
    office.file.write_text(f'{listed}[providers.officers]\n"{OFFICER.officer_id}" = "somebody-else"\n')
    problem(office.served.request("GET", "/api/v1/cases", headers=token), 401, "provider_gone")
    office.file.write_text(text)
    assert office.served.request("GET", "/api/v1/cases", headers=token).status_code == 200


def test_codes_of_one_provider_are_exchanged_a_few_at_once(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes when all turns are taken is told to try later, and nothing is asked; a turn ends with its exchange."""
    monkeypatch.setattr(provider_sign_in, "MOST_EXCHANGES", 0)
    assert SAYS["provider_away"] in refused_page(office.sign_in(COURT), 503)
    assert not office.court.tokens
    monkeypatch.setattr(provider_sign_in, "MOST_EXCHANGES", 1)
    office.police.token_status = 400
    assert SAYS["provider_code"] in refused_page(office.sign_in())
    office.police.token_status = 200
    for _ in range(2):
        assert office.sign_in().status_code == 200


def changed_by(changes: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    """Return what puts these claims into a token."""
    return lambda claims: claims.update(changes)


# -- attacks -----------------------------------------------------------------------------------------------------------


def segment(data: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()


def by_hmac(text: str) -> str:
    """Sign as an attacker does who takes the public key for a secret."""
    digest = hmac.digest(key("k1").as_pem(private=False), text.encode(), "sha256")
    return f"{text}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


SIGNERS: dict[str, Callable[[dict[str, Any]], str]] = {
    "no algorithm": lambda claims: f"{segment({'alg': 'none'})}.{segment(claims)}.",
    "HMAC by the public key": lambda claims: by_hmac(f"{segment({'alg': 'HS256', 'kid': 'k1'})}.{segment(claims)}"),
    "another key": lambda claims: jwt.encode({"alg": "RS256", "kid": "k1"}, claims, key("k2")),
    "a key that it does not have": lambda claims: jwt.encode({"alg": "RS256", "kid": "k2"}, claims, key("k2")),
    "no token": lambda claims: "x.y",
}
CLAIMS: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://id.example"},
    "another audience": {"aud": "somebody else"},
    "an audience besides": {"aud": [CLIENT, "somebody else"]},
    "another authorized party": {"azp": "somebody else"},
    "another nonce": {"nonce": "n"},
    "no nonce": {"nonce": None},
    "expired": {"exp": 1},
    "without an end": {"exp": None},
    "without a beginning": {"iat": None},
    "of the future": {"iat": 4_000_000_000},
    "not yet": {"nbf": 4_000_000_000},
    "a time that is no number": {"exp": "tomorrow"},
    "without the time of the sign-in": {"auth_time": None},
    "signed in long ago": {"auth_time": 1_000_000_000},
}


def test_a_token_that_the_provider_did_not_sign_is_refused(office: Office) -> None:
    """Neither unsigned, nor by HMAC with the public key, nor by a key that is not the provider's."""
    for number, (name, sign) in enumerate(SIGNERS.items(), 1):
        office.police.sign = sign
        assert SAYS["id_token_refused"] in refused_page(office.sign_in()), name
        assert len(office.police.tokens) == number, name


def test_a_token_that_is_not_for_this_sign_in_is_refused(office: Office) -> None:
    """Issuer, audience, times and nonce are each held against what was asked."""
    for name, changed in CLAIMS.items():
        office.police.spoil = changed_by(changed)
        assert SAYS["id_token_refused"] in refused_page(office.sign_in()), name
    office.police.spoil = changed_by({})
    assert office.sign_in().status_code == 200


def test_a_state_counts_once_in_the_browser_that_began(office: Office) -> None:
    """A made-up state, another browser's, one that was used, one that took too long, and one of another agency."""
    asked, cookie = office.begin()
    right = {"code": "c", "state": asked["state"]}
    assert SAYS["sign_in_unknown"] in refused_page(office.back({**right, "state": "x"}, cookie))
    assert SAYS["sign_in_foreign"] in refused_page(office.back(right, "another browser's"))
    assert SAYS["sign_in_unknown"] in refused_page(office.back(right, cookie))  # the attempt has used it up
    asked, cookie = office.begin()
    assert SAYS["sign_in_foreign"] in refused_page(office.back({**right, "state": asked["state"]}, None))
    asked, cookie = office.begin()
    assert SAYS["provider_mixed_up"] in refused_page(office.back({**right, "state": asked["state"]}, cookie, COURT))
    asked, cookie = office.begin()
    office.served.ledger.clock.forward(601)
    assert SAYS["sign_in_unknown"] in refused_page(office.back({**right, "state": asked["state"]}, cookie))
    assert not office.police.tokens


def test_answers_of_two_providers_are_not_mixed_up(office: Office) -> None:
    """The answer says whose it is; where the provider promises to say so, one that does not is refused."""
    asked, cookie = office.begin()
    foreign = {"code": "c", "state": asked["state"], "iss": office.court.issuer}
    assert SAYS["provider_mixed_up"] in refused_page(office.back(foreign, cookie))
    office.court.metadata = {"authorization_response_iss_parameter_supported": True}
    asked, cookie = office.begin(COURT)
    assert SAYS["provider_mixed_up"] in refused_page(office.back({"code": "c", "state": asked["state"]}, cookie, COURT))


def test_a_provider_vouches_for_its_own_agency_alone(office: Office) -> None:
    """The court's provider names an officer of the police, who has a key there: he is nobody at the court."""
    office.court.user = OFFICER.officer_id
    assert SAYS["officer_unknown"] in refused_page(office.sign_in(COURT), 403)
    office.court.user = "nobody-1"
    assert SAYS["officer_unknown"] in refused_page(office.sign_in(COURT), 403)
    office.court.user = clerk(COURT).officer_id
    assert office.read(office.sign_in(COURT)).status_code == 200


def test_tokens_in_the_address_are_not_taken(office: Office) -> None:
    """Only a code counts: a token that an answer brings itself, and a parameter that comes twice, do not."""
    asked, cookie = office.begin()
    answer = office.back({"state": asked["state"], "id_token": office.police.sign({}), "access_token": "x"}, cookie)
    assert SAYS["provider_answer"] in refused_page(answer)
    asked, cookie = office.begin()
    path = f"/console/sign-in/provider/{POLICE}/return?state={asked['state']}&code=a&code=b"
    headers = {"cookie": f"{COOKIE}={cookie}"}
    assert office.served.request("GET", path, headers=headers).status_code == 400
    asked, cookie = office.begin()
    assert SAYS["provider_refused"] in refused_page(
        office.back({"state": asked["state"], "error": "access_denied"}, cookie)
    )


METADATA: dict[str, dict[str, Any]] = {
    "another issuer": {"issuer": "https://id.example"},
    "an endpoint elsewhere": {"token_endpoint": "http://169.254.169.254/latest"},
    "keys elsewhere": {"jwks_uri": "https://id.example/jwks"},
    "keys behind a redirect": {"jwks_uri": "/away"},
    "no endpoint": {"token_endpoint": None},
}


@pytest.mark.parametrize("name", METADATA)
def test_a_provider_leads_nowhere_else(office: Office, name: str) -> None:
    """Its endpoints are on its issuer's own host, and redirects are not followed: nothing within is reached by it."""
    changed = METADATA[name]
    office.police.metadata = {
        key: f"{office.police.issuer}{value}" if str(value).startswith("/") else value for key, value in changed.items()
    }
    answer = office.served.request("GET", f"/console/sign-in/provider/{POLICE}")
    if answer.status_code == 303:
        office.police.asked = dict(httpx.URL(answer.headers["location"]).params)
        query = {"code": "c", "state": office.police.asked["state"]}
        answer = office.back(query, answer.cookies[COOKIE])
    assert SAYS["provider_away"] in refused_page(answer, 503)


def test_answers_are_bounded_and_codes_may_be_refused(office: Office) -> None:
    """An answer without end, one that is no JSON, and a code that was used already."""
    office.police.answer = b"x" * (256 * 1024 + 1)
    assert SAYS["provider_away"] in refused_page(office.sign_in(), 503)
    office.police.answer = b"[]"
    assert SAYS["provider_away"] in refused_page(office.sign_in(), 503)
    office.police.answer, office.police.token_status = None, 400
    assert SAYS["provider_code"] in refused_page(office.sign_in())


def test_new_keys_are_asked_for_once_a_minute(office: Office) -> None:
    """A token by a key that is not known has the keys asked for again, but not for each such token."""
    assert office.sign_in().status_code == 200
    office.police.sign = SIGNERS["a key that it does not have"]
    for _ in range(3):
        refused_page(office.sign_in())
    assert office.police.key_fetches == 1


def test_what_the_agency_demands_holds(office: Office) -> None:
    """How the officer signed in, of which domain his address is, and who stands for whom."""
    by_uid, u17 = {"officer_claim": "uid"}, f'[providers.officers]\nu17 = "{OFFICER.officer_id}"\n'
    strong, own = {"acr": ["urn:mfa"]}, {"domains": ["police.example"]}
    demands: tuple[tuple[dict[str, Any], str, dict[str, Any], bool], ...] = (
        (strong, "", {"acr": "urn:mfa"}, True),
        (strong, "", {"acr": "urn:password"}, False),
        (strong, "", {}, False),
        (own, "", {"email": "x@Police.example", "email_verified": True}, True),
        (own, "", {"email": "x@police.example", "email_verified": "true"}, False),
        (own, "", {"email": "x@evil.example", "email_verified": True}, False),
        (by_uid, u17, {"uid": "u17"}, True),
        (by_uid, u17, {"uid": OFFICER.officer_id}, False),
        (by_uid, "", {"uid": 17}, False),
    )
    for more, officers, claims, accepted in demands:
        office.file.write_text(row(POLICE, office.police.issuer, **more) + officers)
        office.police.spoil = changed_by(claims)
        assert (office.sign_in().status_code == 200) is accepted, claims


# -- the file ----------------------------------------------------------------------------------------------------------

FAULTS = {
    "an issuer over http": (row(POLICE, "http://id.example"), f"{FILE}: providers[0].issuer"),
    "an issuer with a query": (row(POLICE, "https://id.example?x=1"), f"{FILE}: providers[0].issuer"),
    "no URL": (row(POLICE, "https://id.example:port"), f"{FILE}: providers[0].issuer"),
    "two of one agency": (row(POLICE, "https://a.example") + row(POLICE, "https://b.example"), f"{FILE}: agency"),
    "one for two agencies": (row(POLICE, "https://a.example") + row(COURT, "https://a.example"), f"{FILE}: issuer"),
    "an unknown key": (row(POLICE, "https://a.example", clientid="x"), FILE),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_faulty_file_is_refused_by_its_field(name: str) -> None:
    """Each fault names its place; and nobody signs in by a file that cannot be read."""
    text, place = FAULTS[name]
    with refused_at(place):
        read_providers(text, development=False)


def test_a_root_that_was_replaced_is_trusted_from_then_on(tmp_path: Path) -> None:
    """Without a restart, and the one before is not trusted any more: a provider changes its authority with its key."""
    roots = tmp_path / "roots.pem"
    trusted: list[list[bytes]] = []
    for name in ("before", "after"):
        roots.write_bytes(new_authority(tmp_path / name).root_file.read_bytes())
        trusted.append(provider_sign_in._tls(str(roots)).get_ca_certs(binary_form=True))
    assert [len(certificates) for certificates in trusted] == [1, 1]
    assert trusted[0] != trusted[1]
    assert provider_sign_in._tls(str(roots)) is provider_sign_in._tls(str(roots))


def test_a_file_that_cannot_be_read_admits_nobody(tmp_path: Path) -> None:
    """Not even by what stood in it before; without a file there is no provider, and a right one counts again."""
    file = tmp_path / FILE
    providers = ProviderFile(file)
    assert providers() == ()
    file.write_text(row(POLICE, "https://a.example"))
    assert [provider.agency for provider in providers()] == [POLICE]
    file.write_text("[[providers")
    assert providers() == ()
    file.write_text(row(COURT, "https://a.example"))
    assert providers.of_agency(POLICE) is None
    assert [provider.agency for provider in providers()] == [COURT]
