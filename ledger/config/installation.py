"""An installation: what ``tally init`` creates in a data directory and ``tally serve`` opens.

installation.json   identity of the ledger: log id, public keys, founding agencies; nothing secret
keys/log.pem        signs checkpoints (Ed25519)
keys/service.json   signs the service's own entries: registry mirror, seals, incidents
keys/submitter.json sends transactions to the chain
keys/token.key      signs access tokens
keys/backup.key     opens the manifests of backups that this machine made, and no chunk
tallystick.db       the log and its read models, unless a database URL is given
chain/              cache of the embedded node
trust.json          what a verifier needs; written once the contracts are deployed
witnesses.toml      the witnesses that are asked to co-sign, if any
identity_providers.toml  the providers by which officers sign in to read, if any
witness.policy      what trust.json asks of witnesses (tlog-policy), if it differs from the founding
procedures/         texts of procedure packages that the service publishes as it starts
trails/             what pictures of long cases go on from, a cache of the log
supervision/        the views that models query, a cache of the log
backup.json         the last generation of backups that was made at each place
service.lock        locked by the service that runs; empty
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from operator import attrgetter
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace as replace_fields

from ledger.config.keys import KeyDirectory, KeyRefused, create_keystore, create_note_key, public_key
from ledger.config.secret_files import make_private_folder, read_secret, write_secret
from ledger.config.settings import EMBEDDED, Settings
from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decode_json, decoder_of
from ledger.core.encoding.digests import blake3_text
from ledger.core.errors import Conflict, IntegrityBroken, MalformedInput, NotFound, TallystickError
from ledger.core.ethereum.contract_changes import profile_bytes
from ledger.core.events import SUITE_SECP256K1_EIP712
from ledger.core.events.registry import AgencyProfile, Name
from ledger.core.events.terms import AgencyId, AgencyKind, Blake3, Bytes32, Jurisdiction, KeyId
from ledger.core.log.notes import parse_vkey
from ledger.core.log.policy import NO_QUORUM, Policy, parse_policy, parse_witness_keys
from ledger.core.messages import Message
from ledger.core.signing.authority import SERVICE_AGENCY, EarlierServiceKey, ServiceKeys
from ledger.core.signing.signatures import SUITES
from ledger.core.trust.trust_file import (
    TRUST_FORMAT,
    EarlierLogKey,
    FinalityRule,
    Suites,
    Trust,
    require_no_own_witness,
    require_rising,
)

FORMAT = "tallystick/installation@v1"
WHOSE_KEY = "Whoever runs the witness has them: tally witness key prints them as verifier_keys."
MAX_PROFILE = 1024  # bytes, as the contract takes them
NO_PACKAGE = "blake3:" + "0" * 64
CONFIRMATIONS = 12  # blocks on top of a final one, if no rule is given
QUORUM_GROUP = "founding_witnesses"  # no agency's id: these have no underscore


class FoundingWitness(Struct, frozen=True, forbid_unknown_fields=True):
    """The keys of a witness.

    The contract knows its account. Verifiers know the keys of its co-signatures on the log's notes (C2SP
    tlog-cosignature, spelled ``<name>+<hash>+<key>``): one, or one of Ed25519 and one of ML-DSA-44. ``url`` is where
    the service reaches it at first; from then on ``witnesses.toml`` says so.
    """

    account: KeyId
    verifier_keys: tuple[str, ...]
    url: str | None = None


class FoundingAgency(Struct, frozen=True, forbid_unknown_fields=True):
    """A founding agency; ``admin`` manages its keys on the chain, ``witness`` co-signs checkpoints."""

    agency_id: AgencyId
    kind: AgencyKind
    admin: KeyId
    jurisdiction: Jurisdiction
    name: Name
    witness: FoundingWitness | None = None


class Founding(Struct, frozen=True, forbid_unknown_fields=True):
    """The founding of a ledger.

    ``procedures`` are the packages that it adopts, by their digests, in this order.
    ``development`` allows quorum 0, and every verdict says so; ``finality`` is the rule by which blocks of the
    anchoring chain are final. ``suites`` are those of the signatures that it takes.
    """

    agencies: Annotated[tuple[FoundingAgency, ...], Meta(min_length=1, max_length=64)]
    quorum: Annotated[int, Meta(ge=0, le=64)] = 0
    development: bool = False
    finality: FinalityRule = CONFIRMATIONS
    procedures: Annotated[tuple[Blake3, ...], Meta(max_length=64)] = ()
    suites: Suites = (SUITE_SECP256K1_EIP712,)


class Installation(Struct, frozen=True, forbid_unknown_fields=True):
    """The public identity of a ledger as it was created, with the keys that replaced others (``tally key rotate``).

    ``submitter`` is the account of the founding.
    """

    format: str
    log_id: Bytes32
    log_key: str
    service_key_id: KeyId
    submitter: KeyId
    founding: Founding
    earlier_log_keys: tuple[EarlierLogKey, ...] = ()
    earlier_service_keys: tuple[EarlierServiceKey, ...] = ()

    @property
    def service_keys(self) -> ServiceKeys:
        """Return the ledger's own keys, by the index of the entry."""
        return ServiceKeys(self.service_key_id, self.earlier_service_keys, self.founding.suites)

    @property
    def own_keys(self) -> str:
        """Return the keys of log and service that sign from now on, as the database has them."""
        return f"{self.log_key} {self.service_key_id}"

    @property
    def log_id_bytes(self) -> bytes:
        return bytes.fromhex(self.log_id[2:])

    @property
    def origin(self) -> str:
        return self.log_key.partition("+")[0]


class DataDirectory:
    """The paths of an installation's parts."""

    def __init__(self, path: Path):
        self.path = path
        self.installation = path / "installation.json"
        self.keys = KeyDirectory(path / "keys")
        self.token_key = path / "keys" / "token.key"
        self.passphrase = path / "keys" / "passphrase"
        self.database = path / "tallystick.db"
        self.chain = path / "chain"
        self.trust = path / "trust.json"
        self.witnesses = path / "witnesses.toml"
        self.identity_providers = path / "identity_providers.toml"
        self.policy = path / "witness.policy"
        self.views = path / "supervision" / "views.duckdb"
        self.trails = path / "trails"
        self.procedures = path / "procedures"
        self.lock = path / "service.lock"
        self.backup_key = path / "keys" / "backup.key"
        self.backups = path / "backup.json"

    def pseudonym_key(self, agency: str) -> Path:
        """Return where the key is that the service evaluates pseudonyms with for a supervising agency, if it does."""
        return self.path / "keys" / "pseudonyms" / f"{agency}.key"

    def procedure_text(self, digest: str) -> Path:
        """Return where the canonical form of a procedure package is kept."""
        return self.procedures / f"{digest.removeprefix('blake3:')}.json"


def kept_procedures(where: DataDirectory, digests: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Yield digest and text of those of the packages whose text is kept in the data directory."""
    for digest in digests:
        path = where.procedure_text(digest)
        if path.exists():
            yield digest, path.read_bytes()


def read_founding(data: bytes) -> Founding:
    """Parse the founding from JSON. Raises MalformedInput, naming the field."""
    founding = canonical.parse(data, decoder_of(Founding), where="founding")
    places = [(f"founding.agencies[{number}]", agency) for number, agency in enumerate(founding.agencies)]
    # An agency is named once, and an account is admin, or witness, of one agency.
    for field in ("agency_id", "admin", "witness.account"):
        values: set[str] = set()
        for place, agency in places:
            value = attrgetter(field)(agency) if agency.witness or "." not in field else None
            if value in values:
                raise MalformedInput("{value} stands here twice", value=value, field=f"{place}.{field}")
            if value is not None:
                values.add(value)
    for place, agency in places:
        _require_admissible(agency, place)
    witnesses = sum(agency.witness is not None for agency in founding.agencies)
    if founding.quorum > witnesses:
        raise MalformedInput(
            "expected a quorum of at most {witnesses}, the number of witnesses, not {founding.quorum}",
            witnesses=witnesses,
            founding=founding,
            field="founding.quorum",
        )
    if founding.quorum == 0 and not founding.development:
        raise MalformedInput("expected a quorum of 1 or more outside development", field="founding.quorum")
    for number, digest in enumerate(founding.procedures):
        if digest == NO_PACKAGE:
            field = f"founding.procedures[{number}]"
            raise MalformedInput("no package has the digest zero", field=field, hint="See: tally procedure list")
    require_rising(founding.suites, "founding.suites")
    if unknown := set(founding.suites) - SUITES.keys():
        raise MalformedInput(
            "this program has suites {supported}, not {unknown}",
            supported=", ".join(map(str, SUITES)),
            unknown=", ".join(map(str, sorted(unknown))),
            field="founding.suites",
        )
    if SUITE_SECP256K1_EIP712 not in founding.suites:
        raise MalformedInput("expected suite 1 among them: the ledger itself signs by it", field="founding.suites")
    _require_witnesses(founding, places)
    return founding


def _require_admissible(agency: FoundingAgency, place: str) -> None:
    """Accept an agency that can sign, and whose profile the registry keeps. Raises MalformedInput."""
    if agency.agency_id == SERVICE_AGENCY:  # what is signed as this is taken from the service's own key alone
        raise MalformedInput(
            "the ledger itself signs as {agency_id}", agency_id=agency.agency_id, field=f"{place}.agency_id"
        )
    length = len(profile_bytes(AgencyProfile(jurisdiction=agency.jurisdiction, name=agency.name)))
    if length > MAX_PROFILE:
        raise MalformedInput(
            "the registry keeps {limit} bytes of names and jurisdiction, not {length}",
            limit=MAX_PROFILE,
            length=length,
            field=f"{place}.name",
        )


def _require_witnesses(founding: Founding, places: Sequence[tuple[str, FoundingAgency]]) -> None:
    """Require witnesses with keys of their own, which the policy can name. Raises MalformedInput."""
    admins = {agency.admin for agency in founding.agencies}
    for place, agency in places:
        if agency.witness is None:
            continue
        if agency.witness.account in admins:
            raise MalformedInput(  # it would be no second party
                "{agency.witness.account} is the admin of an agency: a witness signs with a key of its own",
                agency=agency,
                field=f"{place}.witness.account",
            )
        try:
            parse_witness_keys(agency.witness.verifier_keys)
        except TallystickError as error:
            field = f"{place}.witness.verifier_keys"
            raise MalformedInput(error.text, field=field, hint=error.hint or WHOSE_KEY) from error
    try:
        witness_policy(founding)
    except MalformedInput as error:
        raise MalformedInput(
            "{error.field}: {error}", error=error, field="founding.agencies", hint=error.hint
        ) from error


def witness_policy(founding: Founding) -> Policy:
    """Return the policy for verifiers: as many founding witnesses as the contract asks for, each with all of its keys.

    Raises MalformedInput if the policy would name a key twice.
    """
    if founding.quorum == 0:
        return parse_policy(f"quorum {NO_QUORUM}\n")
    witnesses = {agency.agency_id: agency.witness for agency in founding.agencies if agency.witness is not None}
    lines: list[str] = []
    for agency_id, witness in witnesses.items():
        if len(witness.verifier_keys) == 1:
            lines.append(f"witness {agency_id} {witness.verifier_keys[0]}")
            continue
        names = [
            f"{agency_id}.{number}" for number in range(1, len(witness.verifier_keys) + 1)
        ]  # no agency's id: a dot
        lines += [f"witness {name} {vkey}" for name, vkey in zip(names, witness.verifier_keys, strict=True)]
        lines.append(f"group {agency_id} all {' '.join(names)}")
    group = f"group {QUORUM_GROUP} {founding.quorum} {' '.join(witnesses)}"
    return parse_policy("\n".join([*lines, group, f"quorum {QUORUM_GROUP}", ""]))


def witness_addresses(founding: Founding) -> str:
    """Return the text of ``witnesses.toml`` with those founding witnesses that say where they are reached."""
    lines = ["# The witnesses that are asked to co-sign. The service reads this file again whenever it changes.\n"]
    for agency in founding.agencies:
        if (witness := agency.witness) is not None and witness.url is not None:
            values: dict[str, str | Sequence[str]] = {
                "url": witness.url,
                "account": witness.account,
                "verifier_keys": witness.verifier_keys,
            }
            rows = [f"{name} = {_in_toml(value)}" for name, value in values.items()]
            lines.append("\n".join([f"# of {agency.agency_id}", "[[witnesses]]", *rows, ""]))
    return "\n".join(lines)


def _in_toml(value: str | Sequence[str]) -> str:
    """Return a string, or a list of strings, as TOML spells it.

    JSON does the same, but for pairs of surrogates, which TOML does not take, and U+007F, which it takes escaped only.
    """
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def policy_of(where: DataDirectory, installation: Installation) -> Policy:
    """Return what the trust file asks of witnesses: the operator's file if there is one, else the founding's policy.

    Raises MalformedInput if the file is no policy, or names a key of the log itself as a witness's.
    """
    if not where.policy.exists():
        return witness_policy(installation.founding)
    try:
        policy = parse_policy(where.policy.read_text(encoding="utf-8"))
        earlier = (former.key for former in installation.earlier_log_keys)
        require_no_own_witness(policy, parse_vkey(installation.log_key), *earlier)
    except (MalformedInput, UnicodeDecodeError) as error:
        reason = error.text if isinstance(error, MalformedInput) else "not UTF-8"
        raise MalformedInput(reason, field=where.policy.name) from error
    return policy


def trust_of(where: DataDirectory, installation: Installation, roots: tuple[bytes, ...] = ()) -> Trust:
    """Return the trust file of an installation without its chain. ``roots`` are certificates of timestamps."""
    return Trust(
        format=TRUST_FORMAT,
        log_id_text=installation.log_id,
        origin=installation.origin,
        log_vkey=installation.log_key,
        service_key_id=installation.service_key_id,
        policy_text=policy_of(where, installation).text,
        development=installation.founding.development,
        chains=(),
        earlier_log_keys=installation.earlier_log_keys,
        earlier_service_keys=installation.earlier_service_keys,
        suites=installation.founding.suites,
        timestamp_roots=roots,
    )


def finality_rule(founding: Founding, settings: Settings) -> FinalityRule:
    """Return the rule by which the service takes blocks of its chain for final.

    It is the founding's, unless a setting overrides it; the trust file names it to witnesses and verifiers. A block of
    the embedded chain is final at once.
    """
    if settings.chain == EMBEDDED:
        return 0
    return founding.finality if settings.finality is None else settings.finality


def create(
    where: DataDirectory,
    founding: Founding,
    origin: str | None,
    passphrase: str,
    *,
    procedures: Sequence[bytes] = (),
    light: bool = False,
) -> Installation:
    """Create a ledger: id, keys and identity. Raises Conflict, with nothing changed, if there is one already.

    ``procedures`` are canonical forms of packages that the founding adopts beside those that it names by digest. The
    identity is written last: without it there is no installation, and the same call starts over. ``light`` keys take
    little work to open: for tests and demonstrations.
    """
    digests = [blake3_text(text) for text in procedures]
    founding = replace_fields(founding, procedures=tuple(dict.fromkeys((*founding.procedures, *digests))))
    if where.installation.exists():
        raise Conflict("{where.path} holds a ledger already", where=where, field="data_dir", code="already_initialised")
    if where.database.exists() or _traces_of_log(where):
        raise Conflict(
            "{where.path} holds what is left of a ledger whose identity is missing",
            where=where,
            field="data_dir",
            code="identity_missing",
            hint=Message(
                "Restore {where.installation.name} and the keys of this ledger, or choose another directory.",
                where=where,
            ),
        )
    make_private_folder(where.keys.path)
    keystores = (where.keys.keystore("service"), where.keys.keystore("submitter"))
    for left_over in (where.keys.note_key("log"), *keystores, where.token_key):
        left_over.unlink(missing_ok=True)
    log_id = secrets.token_bytes(32)
    name = origin or f"tallystick.local/{log_id.hex()[:16]}"
    log_key = create_note_key(where.keys.note_key("log"), name, passphrase, light=light)
    service = create_keystore(where.keys.keystore("service"), passphrase, light=light)
    submitter = create_keystore(where.keys.keystore("submitter"), passphrase, light=light)
    write_secret(where.token_key, secrets.token_bytes(32).hex().encode(), field="token_key")
    make_private_folder(where.procedures)
    for digest, text in zip(digests, procedures, strict=True):
        where.procedure_text(digest).touch(0o600)
        where.procedure_text(digest).write_bytes(text)
    installation = Installation(FORMAT, "0x" + log_id.hex(), log_key.vkey(), service, submitter, founding)
    write(where, installation)
    return installation


def write(where: DataDirectory, installation: Installation, *, replace: bool = False) -> None:
    """Write the identity. Raises SecretRefused if there is one already, unless ``replace`` is set."""
    text = msgspec.json.format(msgspec.json.encode(installation), indent=2) + b"\n"
    write_secret(where.installation, text, field="data_dir", replace=replace)


def load(where: DataDirectory) -> Installation:
    """Read the identity. Raises NotFound if ``tally init`` did not run, MalformedInput if the file is broken."""
    try:
        data = where.installation.read_bytes()
    except FileNotFoundError as error:
        raise NotFound(
            "{where.path} holds no ledger", where=where, field="data_dir", code="no_ledger", hint="Run: tally init"
        ) from error
    installation = canonical.parse(data, decoder_of(Installation), where="installation")
    if installation.format != FORMAT:
        raise MalformedInput(
            "expected {format}, not {installation.format}",
            format=FORMAT,
            installation=installation,
            field="installation.format",
        )
    return installation


class _Generation(Struct):
    number: int


def database_url(stated: str | None, where: DataDirectory) -> str:
    """Return the address of this ledger's database: the ``stated`` one, else that of a file in its directory.

    Raises NotFound if that file is missing of a ledger that has begun a log: a new one would look like the ledger's.
    """
    from ledger.store.connections import file_of  # noqa: PLC0415 - most commands have no database

    url = stated or f"sqlite:///{where.database}"
    if (file := file_of(url)) and not file.exists():
        require_no_log(where)
    return url


def require_no_log(where: DataDirectory) -> None:
    """Require that this ledger has begun no log, so that an empty database may be that of its first start.

    Otherwise its key would sign a second history beside the one that others have seen. Raises NotFound.
    """
    if traces := _traces_of_log(where):
        raise NotFound(
            "the database of this ledger is not here: {trace} is of a log that has begun, and this one has none",
            trace=traces[0],
            field="database_url",
            code="database_missing",
            hint="Name the database of this ledger by database_url, or restore the newest backup: "
            "docs/operations/backup.md",
        )


def _traces_of_log(where: DataDirectory) -> list[Path]:
    """Return the files and folders of a data directory that are there once a log has begun, and not before."""
    traces = [where.trust] if where.trust.exists() else []
    if where.chain.is_dir() and any(where.chain.iterdir()):
        traces.append(where.chain)
    with suppress(FileNotFoundError, msgspec.DecodeError):
        # A run that failed is remembered under number 0, also before there was anything to back up.
        backups = decode_json(where.backups.read_bytes(), dict[str, _Generation])
        traces += [where.backups] if any(last.number for last in backups.values()) else []
    return traces


def require_own_keys(where: DataDirectory, installation: Installation) -> None:
    """Require that the key files hold the identity's keys: signatures of older keys are no longer valid.

    Raises KeyRefused if a rotation was interrupted, or if the files are older or newer than the identity.
    """
    named = {"log": installation.log_key, "service": installation.service_key_id}
    for name, expected in named.items():
        path = where.keys.note_key if name == "log" else where.keys.keystore
        file, following = path(name), path(f"{name}-next")
        if following.exists() and public_key(following) == expected:
            raise KeyRefused(
                "the rotation of the {name} key was cut short: the new key still lies in {following}",
                name=name,
                following=following,
                field="key",
                hint=Message(
                    "End it by the command that began it: tally key rotate {name} (--lost where the old key is lost).",
                    name=name,
                ),
            )
        if (held := public_key(file)) != expected:
            raise KeyRefused(
                "{file} is of the key {held}, but the ledger's {name} key is {expected}",
                file=file,
                held=held,
                name=name,
                expected=expected,
                field="key",
                hint="Restore keys/ and installation.json from one and the same copy.",
            )


def require_no_rollback(installation: Installation, size: int) -> None:
    """Require that the log of ``size`` entries has all those it had when its keys were last replaced.

    The new keys would sign another history in place of the missing one, and verifiers would believe it. Raises
    IntegrityBroken.
    """
    ends = [key.until for key in installation.earlier_log_keys]
    ends += [key.until for key in installation.earlier_service_keys]
    if size < (before := max(ends, default=0)):
        raise IntegrityBroken(
            "the database has {size} entries, but the log had {before} when its keys were last replaced",
            size=size,
            before=before,
            field="database_url",
            hint="The database was rolled back. Restore the newest backup; write nothing before. Where none is newer, "
            "restore keys/ and installation.json from before that rotation, too.",
        )


def require_newest_keys(installation: Installation, own_keys: str | None, *following: str) -> None:
    """Require that the keys which the database has are the identity's, or some that these have replaced.

    A rotation from another data directory has replaced the identity's keys otherwise, and what they sign is not valid
    any more. ``following`` are keys of a rotation that goes on here. Raises KeyRefused.
    """
    earlier_log_keys = (key.vkey for key in installation.earlier_log_keys)
    earlier_service_keys = (key.key_id for key in installation.earlier_service_keys)
    own = {installation.log_key, installation.service_key_id, *earlier_log_keys, *earlier_service_keys, *following}
    if own_keys is not None and (newer := [key for key in own_keys.split(" ") if key not in own]):
        raise KeyRefused(
            "the keys here were replaced: the ledger's key is {newer}",
            newer=newer[0],
            field="key",
            hint="Copy keys/ and installation.json from the data directory where tally key rotate was run, or restore "
            "both from a copy of since then. If a rotation was cut off here, end it by the same command.",
        )


def read_token_key(where: DataDirectory) -> bytes:
    """Return the 32-byte seed of the key that signs access tokens."""
    return bytes.fromhex(read_secret(where.token_key, field="token_key").decode())
