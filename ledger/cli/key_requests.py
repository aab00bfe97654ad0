"""The request of a key's holder, as a file: his machine signs it, his agency's admin passes it on with the grant.

Without it an admin could have the key of another agency granted to his own, which would lock its holder out for good.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from ledger.chain.calls import ContractDomain, KeyRequest, key_request_digest, key_request_document, request_key
from ledger.cli.passphrase import Passphrase
from ledger.cli.session import Session
from ledger.client.decisions import read_file
from ledger.client.profiles import Profile
from ledger.client.registry import chain_state, require_trusted
from ledger.config.keys import Signer, keystore_key_id, open_keystore
from ledger.core.errors import IntegrityBroken, MalformedInput, SignatureRefused
from ledger.core.events.terms import AgencyId, Bytes32, KeyId, OfficerId, SafeInt
from ledger.core.signing.signatures import recover


class RequestFile(Struct, frozen=True, forbid_unknown_fields=True):
    """``signature`` is the key's, over ``ledger.chain.calls.key_request_digest`` (65 bytes, 0x-hex)."""

    log_id: Bytes32
    chain_id: SafeInt
    registry: KeyId
    agency: AgencyId
    officer: OfficerId
    key_id: KeyId
    signature: Annotated[str, Meta(pattern=r"^0x[0-9a-f]{130}$(?!\n)")]
    format: Literal["tallystick/key-request@v1"] = "tallystick/key-request@v1"

    @property
    def domain(self) -> ContractDomain:
        return ContractDomain(bytes.fromhex(self.log_id[2:]), self.chain_id, self.registry)


def request_own_key(session: Session) -> RequestFile:
    """Sign the request of the profile's key, for the agency and the officer of the profile."""
    agency, officer = _required_actor(session.profile)
    domain = registry_domain(session)
    return _request_file(domain, request_key(session.signer, domain, agency=agency, officer=officer))


def wallet_document(session: Session, key_id: str) -> dict[str, Any]:
    """Return the request of a key in a wallet as typed data for its ``eth_signTypedData_v4``."""
    agency, officer = _required_actor(session.profile)
    return key_request_document(registry_domain(session), agency=agency, officer=officer, key_id=key_id)


def request_wallet_key(session: Session, key_id: str, signature: str) -> RequestFile:
    """Make a request with a wallet's signature. Raises SignatureRefused if it is not this key's."""
    agency, officer = _required_actor(session.profile)
    request = KeyRequest(agency, officer, key_id, _signature_bytes(signature))
    _require_signed(registry_domain(session), request, field="--signature")
    return _request_file(registry_domain(session), request)


def read_request(session: Session, path: Path, officer: str | None) -> KeyRequest:
    """Read and verify the request in a file.

    Raises IntegrityBroken for the registry of another ledger, SignatureRefused if the key did not sign it,
    MalformedInput for another agency than the profile's or another officer than ``officer``.
    """
    file: RequestFile = read_file(path, RequestFile)
    if file.domain != registry_domain(session):
        raise IntegrityBroken(f"the request is for the registry {file.registry} of another ledger", field=str(path))
    request = KeyRequest(file.agency, file.officer, file.key_id, bytes.fromhex(file.signature[2:]))
    _require_signed(file.domain, request, field=str(path))
    if file.agency != _admins_agency(session):
        raise MalformedInput(
            f"the request is for {file.agency}, not for {_admins_agency(session)}",
            field=str(path),
            hint="A key's holder asks his own agency; its admin grants it.",
        )
    if officer not in (None, file.officer):
        raise MalformedInput(f"the request names the officer {file.officer}, not {officer}", field="--officer")
    return request


def request_key_here(session: Session, key_id: str, officer: str) -> KeyRequest:
    """Sign the request of a key that lies on this machine, where the admin does.

    Raises MalformedInput where no keystore here names it.
    """
    signer = _signer_here(session, key_id)
    return request_key(signer, registry_domain(session), agency=_admins_agency(session), officer=officer)


def registry_domain(session: Session) -> ContractDomain:
    """Return the signing domain of the ledger's registry. Raises IntegrityBroken if the trust file names another."""
    state = chain_state(session)
    require_trusted(session, state.chain_id, state.registry)
    return ContractDomain(session.log_id, state.chain_id, state.registry)


def _request_file(domain: ContractDomain, request: KeyRequest) -> RequestFile:
    return RequestFile(
        "0x" + domain.log_id.hex(),
        domain.chain_id,
        domain.contract,
        request.agency,
        request.officer,
        request.key_id,
        "0x" + request.proof.hex(),
    )


def _require_signed(domain: ContractDomain, request: KeyRequest, *, field: str) -> None:
    digest = key_request_digest(domain, agency=request.agency, officer=request.officer, key_id=request.key_id)
    if recover(digest, request.proof, field=field) != request.key_id:
        raise SignatureRefused(
            f"the request is not signed by the key {request.key_id}",
            field=field,
            hint="Ask the key's holder for it again: tally key request.",
        )


def _signature_bytes(signature: str) -> bytes:
    try:
        return bytes.fromhex(signature.removeprefix("0x"))
    except ValueError as error:
        raise MalformedInput("expected a signature, 0x and 130 hex digits", field="--signature") from error


def _required_actor(profile: Profile) -> tuple[str, str]:
    if profile.agency is None or profile.officer is None:
        raise MalformedInput(f"the profile {profile.name} names no agency and officer", field="--profile")
    return profile.agency, profile.officer


def _admins_agency(session: Session) -> str:
    """Return the agency that the profile acts for; the contract compares it with that of the account."""
    agency = session.profile.agency
    if agency is None:
        raise MalformedInput(f"the profile {session.profile.name} names no agency", field="--profile")
    return agency


def _signer_here(session: Session, key_id: str) -> Signer:
    """Open the key of this id in a keystore of this machine.

    The passphrase is read as a profile that uses the key says, or else as the admin's profile says.
    """
    profiles = [session.profile, *map(session.profiles.read, session.profiles.names())]
    directories = {profile.name: session.profiles.keys(profile) for profile in profiles}
    for path in (path for directory in directories.values() for path in directory.files()):
        if path.suffix == ".json" and keystore_key_id(path) == key_id:
            used_by = [
                profile
                for profile in profiles
                if profile.key == path.stem and directories[profile.name].path == path.parent
            ]
            return open_keystore(path, _passphrase([*used_by, session.profile]).read(of=f"the key {path.stem}"))
    raise MalformedInput(
        f"the key {key_id} is not on this machine",
        field="KEY",
        hint="Its holder signs a request on his own machine: tally key request -o FILE. Then: tally key grant FILE.",
    )


def _passphrase(profiles: list[Profile]) -> Passphrase:
    """Return where the first profile that names a passphrase has it; if none does, the user is asked."""
    for profile in profiles:
        if profile.passphrase_file or profile.passphrase_env:
            file = Path(profile.passphrase_file) if profile.passphrase_file else None
            return Passphrase(file, profile.passphrase_env)
    return Passphrase()
