"""Identity providers by which officers sign in to read: ``identity_providers.toml`` in the data directory.

::

    [[providers]]
    agency = "court-east"                        # whose officers it may vouch for, and nobody else's
    issuer = "https://id.court-east.example"     # as its ID tokens name it, character by character
    client_id = "tallystick"
    secret_file = "/etc/tallystick/court-east"   # of mode 0600; without it the client is a public one
    officer_claim = "employee_number"            # whose value is the officer, or a key of [providers.officers]
    domains = ["court-east.example"]             # of the verified address, any if it is left out
    acr = ["urn:example:mfa"]                    # of the sign-in, any if it is left out
    scopes = ["profile"]                         # beside openid
    roots = "/etc/tallystick/court-east.pem"     # its TLS root, unless it is a public one
    [providers.officers]                         # only these, if there are any
    u17 = "c-0017"

An issuer is that of one agency, and an agency has one: so a provider can vouch for nobody but its own officers.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import httpx
import msgspec
from msgspec import Meta, Struct, field

from ledger.config.secret_files import read_secret
from ledger.config.watched_file import WatchedFile
from ledger.core.encoding.decoding import convert, decode_toml
from ledger.core.errors import MalformedInput
from ledger.core.events.terms import AgencyId, OfficerId

FILE = "identity_providers.toml"
MAX_SECRET = 1024  # characters
_Text = Annotated[str, Meta(min_length=1, max_length=200)]


class IdentityProvider(Struct, frozen=True, forbid_unknown_fields=True):
    """A row of the file: the provider of one agency, which vouches for its officers."""

    agency: AgencyId
    issuer: Annotated[str, Meta(min_length=8, max_length=500)]
    client_id: _Text
    officer_claim: _Text = "preferred_username"
    secret_file: str | None = None
    domains: Annotated[tuple[_Text, ...], Meta(max_length=64)] = ()
    acr: Annotated[tuple[_Text, ...], Meta(max_length=16)] = ()
    scopes: Annotated[tuple[_Text, ...], Meta(max_length=16)] = ("profile",)
    roots: str | None = None
    officers: Annotated[dict[_Text, OfficerId], Meta(max_length=10_000)] = field(default_factory=dict)

    def secret(self) -> str | None:
        """Return the client's secret, None of a public client. Raises SecretRefused."""
        if self.secret_file is None:
            return None
        return read_secret(Path(self.secret_file), field="secret_file").decode().strip()[:MAX_SECRET]

    def names_officer(self, officer: str) -> bool:
        """Tell whether the provider may vouch for this officer: of a list, for who is in it alone."""
        return not self.officers or officer in self.officers.values()

    @property
    def host(self) -> str:
        """Return the host of the issuer, where its endpoints have to be."""
        return httpx.URL(self.issuer).host


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    providers: Annotated[tuple[IdentityProvider, ...], Meta(max_length=64)] = ()


def read_providers(text: str, *, development: bool) -> tuple[IdentityProvider, ...]:
    """Parse the text of the file; ``development`` allows http. Raises MalformedInput, naming the field."""
    try:
        file = convert(decode_toml(text, field=FILE), _File)
    except msgspec.ValidationError as error:
        raise MalformedInput(str(error), field=FILE) from error
    for number, provider in enumerate(file.providers):
        _require_issuer(provider.issuer, f"{FILE}: providers[{number}].issuer", development=development)
    for name in ("agency", "issuer"):
        values = [getattr(provider, name) for provider in file.providers]
        if len(set(values)) < len(values):
            raise MalformedInput("two providers have the same", field=f"{FILE}: {name}")
    return file.providers


def _require_issuer(issuer: str, where: str, *, development: bool) -> None:
    try:
        url = httpx.URL(issuer)
    except httpx.InvalidURL as error:
        raise MalformedInput("not a URL: {error}", error=error, field=where) from error
    schemes = ("https", "http") if development else ("https",)
    if url.scheme not in schemes or not url.host or url.query or url.fragment or url.userinfo:
        raise MalformedInput("expected the https URL of the issuer, as its tokens name it", field=where)


class ProviderFile(WatchedFile[IdentityProvider]):
    """The providers of the file: who is taken out of it ends, with every session that it vouched for.

    Nobody signs in by what cannot be read: an earlier provider may be what was taken out of it.
    """

    def __init__(self, path: Path | None, *, development: bool = False):
        warning = "the file of identity providers cannot be read, nobody signs in by one"
        super().__init__(path, partial(read_providers, development=development), keeps=False, warning=warning)

    def of_agency(self, agency: str) -> IdentityProvider | None:
        """Return the agency's provider."""
        return next((provider for provider in self() if provider.agency == agency), None)
