"""Calls of an agency's admin to the registry, and decisions of the agencies: signed here, sent by the service.

The service prepares nonce, gas and fees. What it prepares is signed only if it is the same call to the trusted
contract.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from ledger.chain import contract
from ledger.chain.contract import Approval, ContractDomain, KeyRequest, decision_digest
from ledger.chain.transaction import Fees, PreparedTransaction, Transaction, sign
from ledger.client.service import ServiceClient
from ledger.client.session import ClientSession
from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import convert, decoder_of
from ledger.core.errors import Conflict, IntegrityBroken, MalformedInput, SignatureRefused, Unauthorized, Unavailable
from ledger.core.ethereum.contract_changes import CHANGE_KINDS, ROLE_BITS, ContractChange, adoption_of, profile_bytes
from ledger.core.events import registry
from ledger.core.events.registry import AgencyProfile, Name
from ledger.core.events.terms import AgencyId, AgencyKind, Blake3, Bytes32, Jurisdiction, KeyId, SafeInt, SignatureText
from ledger.core.messages import Message, Term
from ledger.core.signing.signatures import TransactionSigner, recover
from ledger.i18n import Labels
from ledger.recording.event_signing import SYSTEM_SOURCES

CHAIN = "/api/v1/chain"
TRANSACTIONS = "/api/v1/chain/transactions"


class ChainState(Struct, frozen=True):
    """Where the contracts are, how many decisions of a majority the registry has seen, and its quorum of witnesses."""

    chain_id: int
    registry: str
    decision_count: int
    quorum: int


def grant_key(
    session: ClientSession, request: KeyRequest, *, roles: Sequence[str], valid_from: int | None, valid_until: int
) -> dict[str, Any]:
    """Grant the key that was asked for, from now unless ``valid_from`` is given. Raises what the contract refuses."""
    begins = SYSTEM_SOURCES.now() if valid_from is None else valid_from
    if not begins < valid_until:
        raise MalformedInput("expected a time after the beginning of the grant", field="--until")
    call = contract.grant_key(
        request, roles=sum(ROLE_BITS[role] for role in set(roles)), valid_from=begins, valid_until=valid_until
    )
    return send_call(session, call)


def revoke_key(session: ClientSession, key_id: str) -> dict[str, Any]:
    """Revoke the key for good."""
    return send_call(session, contract.revoke_key(account_of(key_id)))


def propose_admin(session: ClientSession, account: str) -> dict[str, Any]:
    """Name the account that may become the admin of the caller's agency; the last one named counts.

    Raises Conflict for the admin of another agency, which the contract would let nobody accept.
    """
    call = contract.propose_admin(account_of(account, field="ACCOUNT"))
    agency = _admins(session).get(account)
    if agency is not None and account != session.signer.key_id:
        raise Conflict(
            "the account {account} is the admin of {agency} already",
            account=account,
            agency=agency,
            field="ACCOUNT",
            code="admin_taken",
            hint="An account administers one agency. Make another key: tally key new.",
        )
    return send_call(session, call)


def accept_admin(session: ClientSession, agency_id: str) -> dict[str, Any]:
    """Make the caller the admin of the agency that proposed it."""
    return send_call(session, contract.accept_admin(agency_of(agency_id)))


def _admins(session: ClientSession) -> dict[str, str]:
    """Return the agencies by the accounts of their admins, as the log has them."""
    return {row["admin"]: row["agency_id"] for row in session.service.pages("/api/v1/agencies", "agencies")}


def chain_state(session: ClientSession) -> ChainState:
    """Ask the service for the state of the contracts."""
    return convert(session.service.get(CHAIN), ChainState)


def send_call(session: ClientSession, call: bytes) -> dict[str, Any]:
    """Sign the call with the profile's key, send it, and return what became of the transaction.

    Raises Unavailable unless the chain has taken it.
    """
    sent = relay(session.service, session.signer, call, partial(require_trusted, session))
    if sent["state"] not in ("submitted", "mined", "confirmed"):
        raise Unavailable(
            "nothing has changed yet: the chain has not taken write {number}, which is {state}",
            number=sent["number"],
            state=Term("state", sent["state"]),
            code="not_taken",
            hint="See whether it counts by now: tally agency show. If not, do it again, or ask the operator.",
        )
    return sent


def relay(
    service: ServiceClient,
    signer: TransactionSigner,
    call: bytes,
    require_contract: Callable[[int, str], None] = lambda *_: None,
) -> dict[str, Any]:
    """Sign the call as the service prepares it, and return what became of the transaction.

    ``require_contract`` raises for a chain and a contract that are not to be called. Raises IntegrityBroken if the
    service prepared another call.
    """
    asked = msgspec.json.encode({"sender": signer.key_id, "call": "0x" + call.hex()})
    prepared = service.post(f"{TRANSACTIONS}/prepare", asked, PreparedTransaction)
    if prepared.data != "0x" + call.hex():
        raise IntegrityBroken("the service prepared another call than the one asked for", field="data")
    require_contract(prepared.chain_id, prepared.to)
    fees = Fees(prepared.max_fee, prepared.priority_fee)
    transaction = Transaction(
        chain_id=prepared.chain_id, nonce=prepared.nonce, to=prepared.to, data=call, gas=prepared.gas, fees=fees
    )
    raw = msgspec.json.encode({"raw": "0x" + sign(transaction, signer).raw.hex()})
    return service.post(TRANSACTIONS, raw, dict[str, Any])


def require_trusted(session: ClientSession, chain_id: int, registry: str) -> None:
    """Check that the profile's trust file, if there is one, names the registry. Raises IntegrityBroken."""
    trust = session.trust()
    if trust and (chain_id, registry) not in {(chain.chain_id, chain.registry) for chain in trust.chains}:
        raise IntegrityBroken("the trust file names another registry than {registry}", registry=registry, field="to")


def account_of(key_id: str, *, field: str = "KEY_ID") -> str:
    """Check the form of a key id that was typed. Raises MalformedInput, naming the argument."""
    expected = Message("expected an address, 0x and 40 lower-case hex digits, not {key_id!r}", key_id=key_id[:100])
    return _of_form(key_id, KeyId, MalformedInput(expected, field=field))


def agency_of(agency_id: str) -> str:
    """Check the form of an agency's id that was typed. Raises MalformedInput, naming the argument."""
    expected = Message("expected the id of an agency, such as psb-east, not {agency_id!r}", agency_id=agency_id[:100])
    return _of_form(agency_id, AgencyId, MalformedInput(expected, field="AGENCY_ID", hint="See: tally agency list"))


def procedure_of(digest: str) -> str:
    """Check the form of a package's digest that was typed. Raises MalformedInput, naming the argument."""
    expected = Message(
        "expected the digest of a procedure package, blake3: and 64 lower-case hex digits, not {digest!r}",
        digest=digest[:100],
    )
    return _of_form(digest, Blake3, MalformedInput(expected, field="DIGEST", hint="See: tally procedure list"))


def _of_form(typed: str, form: Any, refusal: MalformedInput) -> str:
    try:
        return str(convert(typed, form))
    except msgspec.ValidationError as error:
        raise refusal from error


class AdmitAgency(Struct, frozen=True, forbid_unknown_fields=True, tag_field="decide", tag="admit_agency"):
    """Another agency joins, with the admin who will manage its keys."""

    agency_id: AgencyId
    kind: AgencyKind
    admin: KeyId
    jurisdiction: Jurisdiction
    name: Name

    def change(self) -> ContractChange:
        return ContractChange(
            CHANGE_KINDS[registry.AgencyAdmitted],
            self.agency_id,
            agency_kind=self.kind,
            account=int(self.admin, 16),
            profile=profile_bytes(AgencyProfile(jurisdiction=self.jurisdiction, name=self.name)),
        )


class SetWitness(Struct, frozen=True, forbid_unknown_fields=True, tag_field="decide", tag="set_witness"):
    """An agency's witness, in the place of the one before."""

    agency: AgencyId
    witness: KeyId

    def change(self) -> ContractChange:
        return ContractChange(CHANGE_KINDS[registry.WitnessSet], self.agency, account=int(self.witness, 16))


class RemoveWitness(Struct, frozen=True, forbid_unknown_fields=True, tag_field="decide", tag="remove_witness"):
    """An agency has no witness any more."""

    agency: AgencyId

    def change(self) -> ContractChange:
        return ContractChange(CHANGE_KINDS[registry.WitnessSet], self.agency)


class SetQuorum(Struct, frozen=True, forbid_unknown_fields=True, tag_field="decide", tag="set_quorum"):
    """How many agencies' witnesses must co-sign an anchor."""

    quorum: Annotated[int, Meta(ge=0, le=65535)]

    def change(self) -> ContractChange:
        return ContractChange(CHANGE_KINDS[registry.QuorumSet], quorum=self.quorum)


class AllowSubmitter(Struct, frozen=True, forbid_unknown_fields=True, tag_field="decide", tag="allow_submitter"):
    """An account may anchor."""

    submitter: KeyId

    def change(self) -> ContractChange:
        return ContractChange(CHANGE_KINDS[registry.SubmitterSet], account=int(self.submitter, 16), roles=1)


class BarSubmitter(Struct, frozen=True, forbid_unknown_fields=True, tag_field="decide", tag="bar_submitter"):
    """An account may not anchor any more."""

    submitter: KeyId

    def change(self) -> ContractChange:
        return ContractChange(CHANGE_KINDS[registry.SubmitterSet], account=int(self.submitter, 16))


class AdoptProcedure(Struct, frozen=True, forbid_unknown_fields=True, tag_field="decide", tag="adopt_procedure"):
    """The procedure package whose canonical form has this digest holds for acts from then on."""

    digest: Blake3

    def change(self) -> ContractChange:
        return adoption_of(self.digest)


Decision = AdmitAgency | SetWitness | RemoveWitness | SetQuorum | AllowSubmitter | BarSubmitter | AdoptProcedure


class Proposal(Struct, frozen=True, forbid_unknown_fields=True):
    """A decision for one registry. ``number`` is the decision's: the contract takes decisions in order."""

    log_id: Bytes32
    chain_id: SafeInt
    registry: KeyId
    number: SafeInt
    decision: Decision
    format: Literal["tallystick/proposal@v1"] = "tallystick/proposal@v1"

    def digest(self) -> bytes:
        """Return the digest (32 bytes) that an admin signs."""
        domain = ContractDomain(bytes.fromhex(self.log_id[2:]), self.chain_id, self.registry)
        return decision_digest(domain, self.number, self.decision.change())

    def words(self, labels: Labels, state: ChainState) -> str:
        """Describe the proposal in one sentence, with everything that is signed, and the quorum that it replaces."""
        fields: dict[str, Any] = {"quorum_now": state.quorum, **msgspec.to_builtins(self.decision)}
        kind = fields.pop("decide")
        if isinstance(self.decision, AdmitAgency):
            fields["kind"] = labels.of("agency_kind", self.decision.kind)
            fields["name"] = " / ".join(reversed(self.decision.name.values()))
        sentence = labels.of("message", f"decide.{kind}").format(**fields)
        where = {"number": self.number, "registry": self.registry, "chain_id": self.chain_id, "log_id": self.log_id}
        return f"{sentence} {labels.of('message', 'decide.where').format(**where)}"


class AdminApproval(Struct, frozen=True, forbid_unknown_fields=True):
    """An admin's signature under the proposal whose digest is ``signed`` (65 bytes, 0x-hex)."""

    decision: SafeInt
    admin: KeyId
    signed: Bytes32
    signature: SignatureText
    format: Literal["tallystick/approval@v1"] = "tallystick/approval@v1"


def propose(session: ClientSession, decision: Decision) -> Proposal:
    """Make a proposal of the decision as the registry's next one."""
    state = chain_state(session)
    require_trusted(session, state.chain_id, state.registry)
    log_id = "0x" + session.log_id.hex()
    return Proposal(log_id, state.chain_id, state.registry, state.decision_count + 1, decision)


def require_current(session: ClientSession, proposal: Proposal) -> ChainState:
    """Check that a proposal is for this ledger and is the registry's next decision, and return the chain's state.

    Raises IntegrityBroken for another ledger's proposal, Conflict if its number is not the next.
    """
    state = chain_state(session)
    require_trusted(session, proposal.chain_id, proposal.registry)
    here = ("0x" + session.log_id.hex(), state.chain_id, state.registry)
    if (proposal.log_id, proposal.chain_id, proposal.registry) != here:
        raise IntegrityBroken(
            "the proposal is for the registry {proposal.registry} of another ledger",
            proposal=proposal,
            field="PROPOSAL",
        )
    if proposal.number != state.decision_count + 1:
        raise Conflict(
            "the proposal is for decision {proposal.number}, which is not the next",
            proposal=proposal,
            field="PROPOSAL",
            code="decision_made",
            hint="Another decision was made meanwhile. Propose it anew, and gather the approvals again.",
        )
    return state


def approve(session: ClientSession, proposal: Proposal) -> AdminApproval:
    """Sign the proposal with the profile's key. The caller has shown it in words before.

    Raises Unauthorized if the key is no admin's, whose signature the contract would not count.
    """
    if session.signer.key_id not in _admins(session):
        raise Unauthorized(
            "the key {key_id} is not that of an agency's admin",
            key_id=session.signer.key_id,
            field="--profile",
            code="not_an_admin",
            hint="Sign with the key of an agency's admin: tally registry show names them.",
        )
    digest = proposal.digest()
    signature = session.signer.sign(digest)
    return AdminApproval(proposal.number, session.signer.key_id, "0x" + digest.hex(), "0x" + signature.hex())


def send(session: ClientSession, proposal: Proposal, approvals: Sequence[AdminApproval]) -> dict[str, Any]:
    """Verify the approvals and send the decision with them. Raises what the contract refuses."""
    require_current(session, proposal)
    signed = [Approval(approval.admin, bytes.fromhex(approval.signature[2:])) for approval in approvals]
    for approval in signed:
        if recover(proposal.digest(), approval.signature, field="--approval") != approval.admin:
            raise SignatureRefused(
                "the approval of {approval.admin} is not for this proposal",
                approval=approval,
                field="--approval",
                hint="Ask for the approval again, of this very file.",
            )
    return send_call(session, contract.decide(proposal.decision.change(), signed))


def read_file(path: Path, kind: type[Any]) -> Any:
    """Read the proposal, approval or agency in a file. Raises MalformedInput, naming file and field."""
    try:
        return canonical.parse(path.read_bytes(), decoder_of(kind))
    except MalformedInput as error:
        raise MalformedInput(error.text, field=f"{path}: {error.field or ''}".rstrip(": ")) from error
