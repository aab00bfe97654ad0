"""The trust file of a ledger (``tallystick/trust@v1``): what a verifier has beforehand, and takes from no bundle.

It is canonical JSON, so that those who publish it can publish its digest.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import MalformedInput, TallystickError
from ledger.core.events import SUITE_SECP256K1_EIP712
from ledger.core.events.terms import Bytes32, KeyId, Line, SafeInt, Suite
from ledger.core.log.checkpoints import parse_checkpoint
from ledger.core.log.notes import SignatureType, VerifyingKey, decode_base64, parse_note, parse_vkey, require_type
from ledger.core.log.policy import Policy, parse_policy
from ledger.core.signing.authority import EarlierServiceKey, ServiceKeys

MAX_ROOT_LENGTH = 16_384  # characters of base64
MAX_TRUST_LENGTH = 16 * 1024 * 1024  # bytes
MAX_CONFIRMATIONS = 10_000
MAX_EARLIER = 16  # keys
Suites = Annotated[tuple[Suite, ...], Meta(min_length=1, max_length=16)]
Base64Text = Annotated[str, Meta(min_length=1, max_length=MAX_ROOT_LENGTH)]

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


class TrustedChain(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The ledger's contracts on one chain, and the rule by which service and witnesses accept its blocks as final.

    Code hashes are Keccak-256 of the deployed code.
    """

    chain_id: SafeInt
    deployment_block_number: SafeInt
    deployment_block_hash: Bytes32
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


class EarlierLogKey(Struct, frozen=True):
    """A former key of the log, for trees of at most ``until`` entries."""

    key: VerifyingKey
    until: int


class Trust(Struct, frozen=True):
    """A parsed trust file, in which each key has one role only.

    ``development``: the contracts were deployed for development, and no witness need have seen what is anchored.
    ``timestamp_roots`` are certificates (DER) under which RFC 3161 timestamps count; what is none, vouches for nothing.
    ``earlier_log_keys`` and ``earlier_service_keys`` are replaced keys, their ``until`` in order. ``suites`` are those
    of the signatures that the ledger takes.
    """

    log_id: bytes
    log_key: VerifyingKey
    service_key_id: str
    policy: Policy
    development: bool
    chains: tuple[TrustedChain, ...]
    timestamp_roots: tuple[bytes, ...] = ()
    earlier_log_keys: tuple[EarlierLogKey, ...] = ()
    earlier_service_keys: tuple[EarlierServiceKey, ...] = ()
    suites: tuple[int, ...] = (SUITE_SECP256K1_EIP712,)

    @property
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
        if (self.log_key.name, self.log_key.key_id) in signers:
            return self.log_key
        # An earlier key counts only for trees up to its last: it cannot sign a later one.
        size = parse_checkpoint(parsed.text).size
        for earlier in self.earlier_log_keys:
            if size <= earlier.until and (earlier.key.name, earlier.key.key_id) in signers:
                return earlier.key
        return self.log_key

    @property
    def origin(self) -> str:
        """Return the origin of the log's checkpoints, which is the name of its key."""
        return self.log_key.name

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


class LogKeyLine(Struct, frozen=True, forbid_unknown_fields=True):
    """An ``EarlierLogKey`` as it is spelled in files."""

    key: str
    until: SafeInt


class _TrustFile(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    format: Literal["tallystick/trust@v1"]
    log_id: Bytes32
    origin: Line
    log_key: str
    service_key_id: KeyId
    witness_policy: str
    development: bool
    chains: Annotated[tuple[TrustedChain, ...], Meta(max_length=64)]
    suites: Suites
    timestamp_roots: Annotated[tuple[Base64Text, ...], Meta(max_length=16)] = ()
    earlier_log_keys: Annotated[tuple[LogKeyLine, ...], Meta(max_length=MAX_EARLIER)] = ()
    earlier_service_keys: Annotated[tuple[EarlierServiceKey, ...], Meta(max_length=MAX_EARLIER)] = ()


def parse_trust(data: bytes) -> Trust:
    """Parse a trust file. Raises MalformedInput, which names the field."""
    if len(data) > MAX_TRUST_LENGTH:
        raise MalformedInput("expected at most {limit} bytes", limit=MAX_TRUST_LENGTH, field="trust")
    file = canonical.decode(data, decoder_of(_TrustFile), where="trust")
    log_key = _log_key(file.log_key, file.origin, "trust.log_key")
    earlier = tuple(
        EarlierLogKey(_log_key(line.key, file.origin, "trust.earlier_log_keys"), line.until)
        for line in file.earlier_log_keys
    )
    try:
        policy = parse_policy(file.witness_policy)
    except MalformedInput as error:
        raise MalformedInput("{error.field}: {error}", error=error, field="trust.witness_policy") from error
    # Other programs take the policy as it is: it must not name only other logs.
    if policy.logs and log_key not in policy.logs:
        raise MalformedInput("the policy accepts other logs, not that of log_key", field="trust.witness_policy")
    _require_one_role_a_key(file, (log_key, *(former.key for former in earlier)), policy)
    # Two keys of the log may have the same `until`: a key may be replaced before the log grows, and has signed all the
    # same.
    log_ends = [key.until for key in file.earlier_log_keys]
    if log_ends != sorted(log_ends):
        raise MalformedInput("expected no until below the one before", field="trust.earlier_log_keys")
    service_ends = [key.until for key in file.earlier_service_keys]
    if service_ends != sorted(set(service_ends)):
        raise MalformedInput("expected each until above the one before", field="trust.earlier_service_keys")
    # A second description of a contract would silently not count.
    contracts = [(chain.identity, chain.anchor) for chain in file.chains]
    for number, contract in enumerate(contracts):
        if contract in contracts[:number]:
            raise MalformedInput("this anchor stands above: name each once", field=f"trust.chains[{number}]")
    if not file.development and not policy.asks_for_witnesses:
        raise MalformedInput(
            "a policy without a quorum is for development only",
            field="trust.witness_policy",
            hint="Name the witnesses and the quorum, or take the trust file of a development ledger.",
        )
    require_rising(file.suites, "trust.suites")
    log_id = bytes.fromhex(file.log_id[2:])
    roots = tuple(decode_base64(text, "trust.timestamp_roots") for text in file.timestamp_roots)
    own = file.service_key_id, policy, file.development, file.chains
    return Trust(log_id, log_key, *own, roots, earlier, file.earlier_service_keys, file.suites)


def require_rising(suites: tuple[int, ...], field: str) -> None:
    """Accept suites of signatures that stand once each, in order. Raises MalformedInput."""
    if list(suites) != sorted(set(suites)):
        raise MalformedInput("expected each suite above the one before", field=field)


def require_no_own_witness(policy: Policy, *log_keys: VerifyingKey) -> None:
    """Accept a policy in which no witness has a key of the log itself, under any name. Raises MalformedInput."""
    for name, witness in policy.witnesses.items():
        if any(witness.is_alike(key) for key in log_keys):
            raise MalformedInput(
                "{name} has the log's own key: nobody witnesses himself", name=name, field="trust.witness_policy"
            )


def _require_one_role_a_key(file: _TrustFile, log_keys: tuple[VerifyingKey, ...], policy: Policy) -> None:
    """Refuse a log that witnesses itself, and contracts at the ledger's own keys. Raises MalformedInput."""
    if any(key.is_alike(former) for number, key in enumerate(log_keys) for former in log_keys[:number]):
        raise MalformedInput("a key of the log stands twice", field="trust.earlier_log_keys")
    service_keys = (file.service_key_id, *(key.key_id for key in file.earlier_service_keys))
    if len(set(service_keys)) < len(service_keys):
        raise MalformedInput("a key of the ledger itself stands twice", field="trust.earlier_service_keys")
    require_no_own_witness(policy, *log_keys)
    for number, chain in enumerate(file.chains):
        accounts = (*service_keys, chain.registry, chain.anchor)
        if len(set(accounts)) < len(accounts):
            raise MalformedInput("service_key_id, registry and anchor are to differ", field=f"trust.chains[{number}]")


def encode_trust(trust: Trust) -> bytes:
    """Encode the file as canonical bytes."""
    return canonical.encode(
        _TrustFile(
            format=TRUST_FORMAT,
            log_id="0x" + trust.log_id.hex(),
            origin=trust.origin,
            log_key=trust.log_key.vkey(),
            service_key_id=trust.service_key_id,
            witness_policy=trust.policy.text,
            development=trust.development,
            chains=trust.chains,
            suites=trust.suites,
            timestamp_roots=tuple(b64encode(root).decode() for root in trust.timestamp_roots),
            earlier_log_keys=tuple(LogKeyLine(former.key.vkey(), former.until) for former in trust.earlier_log_keys),
            earlier_service_keys=trust.earlier_service_keys,
        )
    )


def _log_key(text: str, origin: str, field: str) -> VerifyingKey:
    try:
        key = parse_vkey(text)
        require_type(key, SignatureType.ED25519)
    except TallystickError as error:
        raise MalformedInput(error.text, field=field, hint=error.hint) from error
    if key.name != origin:
        raise MalformedInput("expected {origin}, the origin, as the key's name", origin=origin, field=field)
    return key
