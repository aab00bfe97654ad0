"""The trust file of a ledger (``tallystick/trust@v1``): what a verifier has beforehand, and takes from no bundle.

It is canonical JSON, so that those who publish it can publish its digest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import MalformedInput, TallystickError
from ledger.core.events.terms import Bytes32, KeyId, Line, SafeInt, Suite
from ledger.core.log.checkpoints import parse_checkpoint
from ledger.core.log.notes import SignatureType, VerifyingKey, parse_note, parse_vkey, require_type
from ledger.core.log.policy import Policy, parse_policy
from ledger.core.signing.authority import EarlierServiceKey, ServiceKeys

MAX_ROOT_LENGTH = 12_288  # bytes: 16,384 characters of base64
MAX_TRUST_LENGTH = 16 * 1024 * 1024  # bytes
MAX_CONFIRMATIONS = 10_000
MAX_EARLIER = 16  # keys
Suites = Annotated[tuple[Suite, ...], Meta(min_length=1, max_length=16)]
Root = Annotated[bytes, Meta(min_length=1, max_length=MAX_ROOT_LENGTH)]  # base64 in the file

# When a block counts as final: under so many blocks, or when a node of the chain calls it so.
FinalityRule = Annotated[int, Meta(ge=0, le=MAX_CONFIRMATIONS)] | Literal["safe", "finalized"]

TRUST_FORMAT: Literal["tallystick/trust@v1"] = "tallystick/trust@v1"


class ChainHistory(Struct, frozen=True, forbid_unknown_fields=True):
    """One history of one chain: a chain id alone does not distinguish two embedded chains."""

    chain_id: SafeInt
    deployment_block_number: SafeInt
    deployment_block_hash: Bytes32


class TrustedBlock(Struct, frozen=True, forbid_unknown_fields=True):
    """A block of the chain that the verifier accepts as final, on whatever ground."""

    number: SafeInt
    hash: Bytes32


class TrustedChain(ChainHistory, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The ledger's contracts on one chain, and the rule by which service and witnesses accept its blocks as final.

    Code hashes are Keccak-256 of the deployed code.
    """

    registry: KeyId
    anchor: KeyId
    registry_code_hash: Bytes32
    anchor_code_hash: Bytes32
    finality: FinalityRule
    trusted_blocks: Annotated[tuple[TrustedBlock, ...], Meta(max_length=1024)] = ()

    @property
    def identity(self) -> ChainHistory:
        """Return the identity of the chain, without the contracts."""
        return ChainHistory(self.chain_id, self.deployment_block_number, self.deployment_block_hash)


class EarlierLogKey(Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """A former key of the log, for trees of at most ``until`` entries."""

    vkey: str = msgspec.field(name="key")
    until: SafeInt

    @cached_property
    def key(self) -> VerifyingKey:
        """Return the key. Raises MalformedInput."""
        return parse_vkey(self.vkey)


class Trust(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True, dict=True):
    """A trust file, in which each key has one role only (``parse_trust``).

    ``development``: the contracts were deployed for development, and no witness need have seen what is anchored.
    ``timestamp_roots`` are certificates (DER) under which RFC 3161 timestamps count; what is none, vouches for nothing.
    ``earlier_log_keys`` and ``earlier_service_keys`` are replaced keys, their ``until`` in order. ``suites`` are those
    of the signatures that the ledger takes.
    """

    format: Literal["tallystick/trust@v1"]
    log_id_text: Bytes32 = msgspec.field(name="log_id")
    origin: Line
    log_vkey: str = msgspec.field(name="log_key")
    service_key_id: KeyId
    policy_text: str = msgspec.field(name="witness_policy")
    development: bool
    chains: Annotated[tuple[TrustedChain, ...], Meta(max_length=64)]
    suites: Suites
    timestamp_roots: Annotated[tuple[Root, ...], Meta(max_length=16)] = ()
    earlier_log_keys: Annotated[tuple[EarlierLogKey, ...], Meta(max_length=MAX_EARLIER)] = ()
    earlier_service_keys: Annotated[tuple[EarlierServiceKey, ...], Meta(max_length=MAX_EARLIER)] = ()

    @cached_property
    def log_id(self) -> bytes:
        """Return the id of the ledger, 32 bytes."""
        return bytes.fromhex(self.log_id_text[2:])

    @cached_property
    def log_key(self) -> VerifyingKey:
        """Return the key of the log."""
        return parse_vkey(self.log_vkey)

    @cached_property
    def policy(self) -> Policy:
        """Return the policy by which witnesses count."""
        return parse_policy(self.policy_text)

    @cached_property
    def service_keys(self) -> ServiceKeys:
        """Return the ledger's own keys, by the index of the entry, and the suites that it takes."""
        return ServiceKeys(self.service_key_id, self.earlier_service_keys, self.suites)

    def log_key_of(self, note: str) -> VerifyingKey:
        """Return the key for a checkpoint's note: the current one, unless only an earlier one signed it.

        Raises MalformedInput if there are earlier keys and the note is not a checkpoint's.
        """
        if not self.earlier_log_keys:
            return self.log_key
        parsed = parse_note(note)
        signers = {(line.name, line.key_id) for line in parsed.signatures}
        return self.log_key_at(parse_checkpoint(parsed.text).size, lambda key: (key.name, key.key_id) in signers)

    def log_key_at(self, size: int, is_signer: Callable[[VerifyingKey], bool]) -> VerifyingKey:
        """Return the key for a tree of this size: the current one, unless only an earlier one signed it."""
        # An earlier key counts only for trees up to its last: it cannot sign a later one.
        earlier = (former.key for former in self.earlier_log_keys if size <= former.until)
        return next(filter(is_signer, (self.log_key, *earlier)), self.log_key)

    @property
    def tlog_policy(self) -> str:
        """Return the C2SP tlog-policy by which other programs accept checkpoints: this log under its witness policy."""
        return self.policy.text if self.policy.logs else f"log {self.log_key.vkey()}\n{self.policy.text}"

    def chain(self, identity: ChainHistory, anchor: str) -> TrustedChain | None:
        """Return the trusted chain of this identity with this anchor contract, or None."""
        return next((chain for chain in self.chains if (chain.identity, chain.anchor) == (identity, anchor)), None)

    def naming(self, chain: TrustedChain, blocks: Iterable[TrustedBlock]) -> Trust:
        """Return the trust with these blocks of the chain as trusted too, each replacing one of the same number."""
        named = {block.number: block for block in (*chain.trusted_blocks, *blocks)}
        updated = replace(chain, trusted_blocks=tuple(named[number] for number in sorted(named)))
        return replace(self, chains=tuple(updated if each == chain else each for each in self.chains))


def parse_trust(data: bytes) -> Trust:
    """Parse a trust file. Raises MalformedInput, which names the field."""
    if len(data) > MAX_TRUST_LENGTH:
        raise MalformedInput("expected at most {limit} bytes", limit=MAX_TRUST_LENGTH, field="trust")
    trust = canonical.decode(data, decoder_of(Trust), where="trust")
    require_consistent(trust)
    return trust


def require_consistent(trust: Trust) -> None:
    """Accept a trust file whose keys, policy and chains go together. Raises MalformedInput, which names the field."""
    log_keys = [_log_key(trust.log_vkey, trust.origin, "trust.log_key")]
    log_keys += [_log_key(former.vkey, trust.origin, "trust.earlier_log_keys") for former in trust.earlier_log_keys]
    try:
        policy = trust.policy
    except MalformedInput as error:
        raise MalformedInput("{error.field}: {error}", error=error, field="trust.witness_policy") from error
    # Other programs take the policy as it is: it must not name only other logs.
    if policy.logs and trust.log_key not in policy.logs:
        raise MalformedInput("the policy accepts other logs, not that of log_key", field="trust.witness_policy")
    if not trust.development and not policy.asks_for_witnesses:
        raise MalformedInput(
            "a policy without a quorum is for development only",
            field="trust.witness_policy",
            hint="Name the witnesses and the quorum, or take the trust file of a development ledger.",
        )
    require_no_own_witness(policy, *log_keys)
    if any(key.is_alike(former) for number, key in enumerate(log_keys) for former in log_keys[:number]):
        raise MalformedInput("a key of the log stands twice", field="trust.earlier_log_keys")
    # Two keys of the log may have the same `until`: a key may be replaced before the log grows, and has signed all the
    # same.
    log_ends = [key.until for key in trust.earlier_log_keys]
    if log_ends != sorted(log_ends):
        raise MalformedInput("expected no until below the one before", field="trust.earlier_log_keys")
    service_keys = (trust.service_key_id, *(key.key_id for key in trust.earlier_service_keys))
    if len(set(service_keys)) < len(service_keys):
        raise MalformedInput("a key of the ledger itself stands twice", field="trust.earlier_service_keys")
    require_rising([key.until for key in trust.earlier_service_keys], "trust.earlier_service_keys")
    require_rising(trust.suites, "trust.suites")
    contracts = [(chain.identity, chain.anchor) for chain in trust.chains]
    for number, chain in enumerate(trust.chains):
        accounts = (*service_keys, chain.registry, chain.anchor)
        if len(set(accounts)) < len(accounts):
            raise MalformedInput("service_key_id, registry and anchor are to differ", field=f"trust.chains[{number}]")
        # A second description of a contract would silently not count.
        if contracts[number] in contracts[:number]:
            raise MalformedInput("this anchor stands above: name each once", field=f"trust.chains[{number}]")


def require_rising(numbers: Sequence[int], field: str) -> None:
    """Accept numbers that stand once each, in order. Raises MalformedInput."""
    if list(numbers) != sorted(set(numbers)):
        raise MalformedInput("expected each number above the one before", field=field)


def require_no_own_witness(policy: Policy, *log_keys: VerifyingKey) -> None:
    """Accept a policy in which no witness has a key of the log itself, under any name. Raises MalformedInput."""
    for name, witness in policy.witnesses.items():
        if any(witness.is_alike(key) for key in log_keys):
            raise MalformedInput(
                "{name} has the log's own key: nobody witnesses himself", name=name, field="trust.witness_policy"
            )


def encode_trust(trust: Trust) -> bytes:
    """Encode the file as canonical bytes."""
    return canonical.encode(trust)


def _log_key(text: str, origin: str, field: str) -> VerifyingKey:
    try:
        key = parse_vkey(text)
        require_type(key, SignatureType.ED25519)
    except TallystickError as error:
        raise MalformedInput(error.text, field=field, hint=error.hint) from error
    if key.name != origin:
        raise MalformedInput("expected {origin}, the origin, as the key's name", origin=origin, field=field)
    return key
