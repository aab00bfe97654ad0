"""Decisions of the agencies' admins as files: one admin proposes, each approves on a machine of his own, anybody sends.

A proposal names the contract, the decision's number and the change; an approval is an admin's signature over just that.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from ledger.chain.calls import Approval, ContractDomain, decision_digest
from ledger.client.registry import ChainState, chain_state, decide, require_trusted
from ledger.client.session import ClientSession
from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import Conflict, IntegrityBroken, MalformedInput, SignatureRefused
from ledger.core.ethereum.contract_changes import CHANGE_KINDS, KIND_NUMBERS, ContractChange, profile_bytes
from ledger.core.events import registry
from ledger.core.events.registry import Name, Profile
from ledger.core.events.terms import AgencyId, AgencyKind, Bytes32, Jurisdiction, KeyId, SafeInt
from ledger.core.signing.signatures import recover
from ledger.i18n import Labels


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
            agency_kind=KIND_NUMBERS[self.kind],
            account=int(self.admin, 16),
            profile=profile_bytes(Profile(jurisdiction=self.jurisdiction, name=self.name)),
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


Decision = AdmitAgency | SetWitness | RemoveWitness | SetQuorum | AllowSubmitter | BarSubmitter


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

    def words(self, labels: Labels) -> str:
        """Describe the proposal in one sentence, with everything that is signed."""
        fields: dict[str, Any] = msgspec.to_builtins(self.decision)
        kind = fields.pop("decide")
        if isinstance(self.decision, AdmitAgency):
            fields["kind"] = labels.of("agency_kind", self.decision.kind)
            fields["name"] = f"{self.decision.name.zh} / {self.decision.name.en}"
        sentence = labels.of("message", f"decide.{kind}").format(**fields)
        where = {"number": self.number, "registry": self.registry, "chain_id": self.chain_id, "log_id": self.log_id}
        return f"{sentence} {labels.of('message', 'decide.where').format(**where)}"


class AdminApproval(Struct, frozen=True, forbid_unknown_fields=True):
    """An admin's signature under the proposal whose digest is ``signed`` (65 bytes, 0x-hex)."""

    decision: SafeInt
    admin: KeyId
    signed: Bytes32
    signature: Annotated[str, Meta(pattern=r"^0x[0-9a-f]{130}$(?!\n)")]
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
            f"the proposal is for the registry {proposal.registry} of another ledger", field="PROPOSAL"
        )
    if proposal.number != state.decision_count + 1:
        raise Conflict(
            f"the proposal is for decision {proposal.number}, the registry's next is {state.decision_count + 1}",
            field="PROPOSAL",
            code="decision_made",
            hint="Another decision was made meanwhile. Propose it anew, and gather the approvals again.",
        )
    return state


def approve(session: ClientSession, proposal: Proposal) -> AdminApproval:
    """Sign the proposal with the profile's key. The caller has shown it in words before."""
    digest = proposal.digest()
    signature = session.signer.sign(digest)
    return AdminApproval(proposal.number, session.signer.key_id, "0x" + digest.hex(), "0x" + signature.hex())


def send(session: ClientSession, proposal: Proposal, approvals: Sequence[AdminApproval]) -> dict[str, Any]:
    """Verify the approvals and send the decision with them. Raises what the contract refuses."""
    require_current(session, proposal)
    signed = [_verified(proposal, approval) for approval in approvals]
    return decide(session, proposal.decision.change(), signed)


def _verified(proposal: Proposal, approval: AdminApproval) -> Approval:
    signature = bytes.fromhex(approval.signature[2:])
    if recover(proposal.digest(), signature, field="--approval") != approval.admin:
        raise SignatureRefused(
            f"the approval of {approval.admin} is not for this proposal",
            field="--approval",
            hint="Ask for the approval again, of this very file.",
        )
    return Approval(approval.admin, signature)


def read_file(path: Path, kind: type[Any]) -> Any:
    """Read the proposal, approval or agency in a file. Raises MalformedInput, naming file and field."""
    try:
        return canonical.parse(path.read_bytes(), decoder_of(kind))
    except MalformedInput as error:
        raise MalformedInput(error.message, field=f"{path}: {error.field or ''}".rstrip(": ")) from error
