"""Calls of an agency's admin to the registry: built and signed here, sent through the service.

The service prepares nonce, gas and fees. What it prepares is signed only if it is the same call to the trusted
contract.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from ledger.chain import calls
from ledger.chain.calls import Approval, KeyRequest
from ledger.chain.transaction import Fees, Transaction, sign
from ledger.client.session import ClientSession
from ledger.core.encoding.decoding import convert
from ledger.core.errors import IntegrityBroken, MalformedInput
from ledger.core.ethereum.contract_changes import ROLE_BITS, ContractChange
from ledger.core.events.terms import AgencyId, KeyId
from ledger.core.verification.trust import parse_trust
from ledger.recording.signing import SYSTEM_SOURCES

CHAIN = "/api/v1/chain"
TRANSACTIONS = "/api/v1/chain/transactions"


class Prepared(Struct, frozen=True):
    """A transaction as the service would have it; fees in wei per gas."""

    chain_id: int
    nonce: int
    to: str
    data: str
    gas: int
    max_fee: int
    priority_fee: int | None = None


class ChainState(Struct, frozen=True):
    """Where the contracts are, and how many decisions of a majority the registry has seen."""

    chain_id: int
    registry: str
    decision_count: int


def grant_key(
    session: ClientSession, request: KeyRequest, *, roles: Sequence[str], valid_from: int | None, valid_until: int
) -> dict[str, Any]:
    """Grant the key that was asked for, from now unless ``valid_from`` is given. Raises what the contract refuses."""
    begins = SYSTEM_SOURCES.now() if valid_from is None else valid_from
    if not begins < valid_until:
        raise MalformedInput("expected a time after the beginning of the grant", field="--until")
    call = calls.grant_key(
        request,
        roles=sum(ROLE_BITS[role] for role in set(roles)),
        valid_from=begins,
        valid_until=valid_until,
    )
    return send_call(session, call)


def revoke_key(session: ClientSession, key_id: str) -> dict[str, Any]:
    """Revoke the key for good."""
    return send_call(session, calls.revoke_key(account_of(key_id)))


def propose_admin(session: ClientSession, account: str) -> dict[str, Any]:
    """Name the account that may become the admin of the caller's agency; the last one named counts."""
    return send_call(session, calls.propose_admin(account_of(account, field="ACCOUNT")))


def accept_admin(session: ClientSession, agency_id: str) -> dict[str, Any]:
    """Make the caller the admin of the agency that proposed it."""
    return send_call(session, calls.accept_admin(agency_of(agency_id)))


def decide(session: ClientSession, change: ContractChange, approvals: Sequence[Approval]) -> dict[str, Any]:
    """Send a change that a majority has approved."""
    return send_call(session, calls.decide(change, approvals))


def chain_state(session: ClientSession) -> ChainState:
    """Ask the service for the state of the contracts."""
    return convert(session.service.get(CHAIN), ChainState)


def send_call(session: ClientSession, call: bytes) -> dict[str, Any]:
    """Sign the call with the profile's key, send it, and return what became of the transaction."""
    asked = msgspec.json.encode({"sender": session.signer.key_id, "call": "0x" + call.hex()})
    prepared = session.service.post(f"{TRANSACTIONS}/prepare", asked, Prepared)
    _require_asked(session, prepared, call)
    transaction = Transaction(
        chain_id=prepared.chain_id,
        nonce=prepared.nonce,
        to=prepared.to,
        data=call,
        gas=prepared.gas,
        fees=Fees(prepared.max_fee, prepared.priority_fee),
    )
    signed = sign(transaction, session.signer)
    return session.service.post(TRANSACTIONS, msgspec.json.encode({"raw": "0x" + signed.raw.hex()}), dict[str, Any])


def _require_asked(session: ClientSession, prepared: Prepared, call: bytes) -> None:
    """Check that the service prepared this call, to the trusted contract. Raises IntegrityBroken."""
    if prepared.data != "0x" + call.hex():
        raise IntegrityBroken("the service prepared another call than the one asked for", field="data")
    require_trusted(session, prepared.chain_id, prepared.to)


def require_trusted(session: ClientSession, chain_id: int, registry: str) -> None:
    """Check that the profile's trust file, if there is one, names the registry. Raises IntegrityBroken."""
    file = session.profiles.trust(session.profile)
    if not file.exists():
        return
    trusted = {(chain.chain_id, chain.registry) for chain in parse_trust(file.read_bytes()).chains}
    if (chain_id, registry) not in trusted:
        raise IntegrityBroken(
            f"the service names the registry {registry} on chain {chain_id}; the trust file names others", field="to"
        )


def account_of(key_id: str, *, field: str = "KEY_ID") -> str:
    """Check the form of a key id that was typed. Raises MalformedInput, naming the argument."""
    try:
        return convert(key_id, KeyId)
    except msgspec.ValidationError as error:
        raise MalformedInput(
            f"expected an address, 0x and 40 lower-case hex digits, not {key_id[:100]!r}", field=field
        ) from error


def agency_of(agency_id: str) -> str:
    """Check the form of an agency's id that was typed. Raises MalformedInput, naming the argument."""
    try:
        return convert(agency_id, AgencyId)
    except msgspec.ValidationError as error:
        raise MalformedInput(
            f"expected the id of an agency, such as psb-east, not {agency_id[:100]!r}",
            field="AGENCY_ID",
            hint="See: tally agency list",
        ) from error
