"""Settings of a service: environment variables ``TALLYSTICK_*``, or the file ``settings.env`` in the data directory.

Those of a witness, which runs elsewhere, are ``TALLYSTICK_WITNESS_*``, or the same file in its own directory.
Only composition roots read them; everything else gets them as values. The identity of a ledger is in
``ledger.config.installation``.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dotenv.parser import parse_stream
from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, DotEnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from ledger.chain.anvil_package import anvil_pin
from ledger.config.secret_files import SecretRefused, read_secret
from ledger.core.errors import MalformedInput, NotFound
from ledger.core.messages import Message
from ledger.core.trust.trust_file import MAX_CONFIRMATIONS

PREFIX = "TALLYSTICK_"
WITNESS_PREFIX = "TALLYSTICK_WITNESS_"
_OF_CLIENTS = {f"{PREFIX}{name}" for name in ("CONFIG_DIR", "IDENTITY_KEY", "KEY_DIR", "LANG", "PROFILE", "TIME_ZONE")}
_NEARLY = 0.85  # as difflib counts: what runs a service has names of its own, as Kubernetes SERVICE_PORT
_LISTED = Message("docs/operations.md lists the settings.")
EMBEDDED = "embedded"
DEFAULT_DATA_DIR = Path("tallystick-data")
DEFAULT_WITNESS_DIR = Path("tallystick-witness")
_CHECKOUT = Path(__file__).resolve().parents[2]


def _plain_url(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError(Message("expected an http(s) URL"))
    return url.rstrip("/")


# As browsers take it in a field for addresses: https://html.spec.whatwg.org/#valid-e-mail-address, and with a dot.
ADDRESS = re.compile(
    r"[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
    r"(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)+"
)


def _mail_address(text: str) -> str:
    if not ADDRESS.fullmatch(text):
        raise ValueError(Message("expected an address such as ledger@example.org"))
    return text


MailAddress = Annotated[str, AfterValidator(_mail_address)]
PlainUrl = Annotated[str, AfterValidator(_plain_url)]
Port = Annotated[int, Field(ge=1, le=65535)]
Positive = Annotated[int, Field(ge=1)]
Finality = Annotated[int, Field(ge=0, le=MAX_CONFIRMATIONS)] | Literal["safe", "finalized"]


Kind = TypeVar("Kind", bound="KeyedSettings")

# A wrong one is not quoted: it may be a URL in which a password or a key stands.
URLS = re.compile(r"chain|(?:tile|evidence|backup)_store(?:_endpoint)?|.*_urls?")


class Locked(Protocol):
    """A directory whose keys may open with a passphrase that is stored beside them."""

    @property
    def passphrase(self) -> Path: ...


class _FileSource(DotEnvSettingsSource):
    """The file of settings, whose values are taken as they stand: a password may hold what names a variable."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        lines = _lines_of(self.env_file) if isinstance(self.env_file, Path) else ()
        return {name.lower(): value for name, value in lines}


class KeyedSettings(BaseSettings):
    """The settings of every process with keys of its own."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", validate_default=False, env_ignore_empty=True, hide_input_in_errors=True
    )

    key_passphrase: SecretStr | None = None  # of the service's keys; the file is the better place
    key_passphrase_file: Path | None = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        assert isinstance(dotenv_settings, DotEnvSettingsSource)
        return init_settings, env_settings, _FileSource(settings_cls, dotenv_settings.env_file), file_secret_settings

    def passphrase(self, where: Locked) -> str:
        """Return the passphrase of the service's keys: given, in the given file, or in the installation's own file.

        Raises SecretRefused if there is none, or if it is in a file that others may read.
        """
        if self.key_passphrase is not None:
            return self.key_passphrase.get_secret_value()
        if not self.knows_passphrase(where):
            raise SecretRefused(
                "the passphrase of the service's keys is not known",
                field="key_passphrase_file",
                hint=Message(
                    "Set {env_prefix}KEY_PASSPHRASE_FILE to a file of mode 0600.",
                    env_prefix=self.model_config["env_prefix"],
                ),
            )
        path = self.key_passphrase_file or where.passphrase
        return read_secret(path, field="key_passphrase_file").decode().rstrip("\r\n")

    def knows_passphrase(self, where: Locked) -> bool:
        """Return whether ``passphrase`` has a source: a setting, or the installation's file."""
        return self.key_passphrase is not None or self.key_passphrase_file is not None or where.passphrase.exists()


class Settings(KeyedSettings):
    """The settings of a service, created once. Units are in the names."""

    model_config = SettingsConfigDict(env_prefix=PREFIX)

    data_dir: Path = DEFAULT_DATA_DIR
    database_url: str | None = None  # SQLite in the data directory, unless postgresql+psycopg://...
    durable_copies: Annotated[int, Field(ge=1, le=16)] = 1  # servers that have on disk what is acknowledged
    replica_urls: str = ""  # of PostgreSQL's standbys, for reads of what never changes, separated by blanks
    replica_lag_s: Positive = 10  # behind the primary; one that lags more is not read
    host: str = "127.0.0.1"
    port: Port = 8420
    public_url: PlainUrl | None = None  # under which clients reach the service; sign-in is bound to it
    metrics_host: str = "127.0.0.1"
    metrics_port: Port | None = None  # where Prometheus reads metrics; nowhere unless set
    traces_url: PlainUrl | None = None  # of a collector of OpenTelemetry, for traces by OTLP over HTTP
    traces_share: Annotated[float, Field(ge=0, le=1)] = 1.0  # of the requests that are traced
    time_zone: str | None = None  # of lists, reports and times that are typed, unless that of the first procedure
    documentation: bool = True  # the page of the OpenAPI document; switch it off in production
    signer_url: str = "http://127.0.0.1:8546"  # where the console's pages find `tally signer` on their user's machine

    chain: str = EMBEDDED  # or the URL of any JSON-RPC node
    chain_id: Positive = 31337
    embedded_chain_port: Annotated[int, Field(ge=0, le=65535)] = (
        0  # on loopback, where witnesses beside it ask; 0 is any
    )
    anvil_binary: Path | None = None  # else beside the checkout, where `tally chain install` puts it, or on PATH
    finality: Finality | None = None  # overrides the founding's, in the trust file too: witnesses need the new one

    anchor_interval_s: Positive = 10  # at most one anchor in this time, none when idle
    checkpoint_interval_ms: Positive = 1000  # how often /checkpoint may advance

    timestamp_url: PlainUrl | None = None  # of an RFC 3161 authority that is asked to timestamp checkpoints
    timestamp_roots: Path | None = None  # PEM file with its root certificate; the trust file names it to verifiers
    supervision_interval_s: Positive = 60  # between two runs of all models over everything
    timestamp_interval_s: Positive = 3600  # at most one timestamp in this time, none when idle

    max_body_bytes: Positive = 1024 * 1024
    max_bulk_body_bytes: Positive = 16 * 1024 * 1024
    max_dataset_bytes: Positive = 64 * 1024 * 1024
    validator_processes: Annotated[int, Field(ge=0, le=64)] = 0  # that validate submissions beside the service itself
    peers_folder: Path | None = None  # of sockets, by which services on a machine that share PostgreSQL share cases
    worker_processes: Annotated[int, Field(ge=1, le=64)] = 2  # for work whose cost a request decides
    worker_memory_mb: Annotated[int, Field(ge=64)] = 256  # of one piece of such work
    worker_cpu_s: Positive = 4  # likewise
    model_memory_mb: Annotated[int, Field(ge=64)] = 1024  # of one run of a published model, in such a process
    model_cpu_s: Positive = 60  # likewise
    header_timeout_s: Positive = 10
    request_timeout_s: Positive = 30
    max_requests_per_s: Positive = 1000  # of one address; ten seconds' worth may come at once
    max_body_bytes_per_s: Positive = 16 * 1024 * 1024  # of one address, likewise
    max_events_per_s: Positive = 1000  # of one agency, likewise
    max_connections: Positive = 1000
    max_connections_per_address: Positive = 200
    trusted_proxies: str = ""  # networks whose word for whom they ask is taken: 127.0.0.1/32,fd00:20::/64
    max_page_entries: Annotated[int, Field(ge=1, le=1000)] = 1000
    token_lifetime_s: Annotated[int, Field(ge=60, le=3600)] = 900
    session_lifetime_s: Annotated[int, Field(ge=60, le=86_400)] = 36_000  # of a session in use, from signing in on
    provider_session_lifetime_s: Annotated[int, Field(ge=60, le=86_400)] = 28_800  # of one by an identity provider
    provider_timeout_s: Annotated[int, Field(ge=1, le=60)] = 10  # of each answer of an identity provider
    challenge_lifetime_s: Annotated[int, Field(ge=10, le=600)] = 120
    phone_lifetime_s: Annotated[int, Field(ge=60, le=36_000)] = 7_200  # of a phone that prepares an answer

    tile_store: str | None = None  # file:///FOLDER or s3://BUCKET/PREFIX, where others read checkpoint and tiles
    tile_store_url: PlainUrl | None = None  # under which others reach it; full tiles are redirected there
    tile_store_endpoint: PlainUrl | None = None  # of a storage that speaks S3, unless it is Amazon's
    tile_store_region: str = "us-east-1"
    tile_store_key_id: str | None = None
    tile_store_secret: SecretStr | None = None  # the file is the better place
    tile_store_secret_file: Path | None = None
    tile_store_roots: Path | None = None  # PEM file with the storage's root certificate, unless it is a public one

    backup_store: str | None = None  # file:///FOLDER or s3://BUCKET/PREFIX, where backups are kept
    backup_store_endpoint: PlainUrl | None = None  # of a storage that speaks S3, unless it is Amazon's
    backup_store_region: str = "us-east-1"
    backup_store_key_id: str | None = None
    backup_store_secret: SecretStr | None = None  # the file is the better place
    backup_store_secret_file: Path | None = None
    backup_store_roots: Path | None = None  # PEM file with the storage's root certificate, unless it is a public one
    backup_recipients: str = ""  # public keys that backups are encrypted to, separated by blanks
    backup_keep: Annotated[int, Field(ge=0)] = 30  # generations; 0 keeps all

    evidence_store: str | None = None  # file:///FOLDER or s3://BUCKET/PREFIX, where evidence files are kept
    evidence_store_endpoint: PlainUrl | None = None  # of a storage that speaks S3, unless it is Amazon's
    evidence_store_region: str = "us-east-1"
    evidence_store_key_id: str | None = None
    evidence_store_secret: SecretStr | None = None  # the file is the better place
    evidence_store_secret_file: Path | None = None
    evidence_store_roots: Path | None = None  # PEM file with the storage's root certificate, unless it is a public one
    max_evidence_bytes: Positive = 64 * 1024**3  # of one file
    max_evidence_bytes_of_agency: Positive = 4 * 1024**4  # of all files that officers of one agency put there

    smtp_host: str | None = None  # of the server that takes mail of notices; without it and mail_from none is sent
    smtp_port: Port = 587
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"  # tls from the first byte, mostly at port 465
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None  # the file is the better place
    smtp_password_file: Path | None = None
    smtp_roots: Path | None = None  # PEM file with the server's root certificate, unless it is a public one
    smtp_timeout_s: Annotated[int, Field(ge=1, le=20)] = 20  # of each answer; longer ones would outlive a claim on mail
    mail_from: MailAddress | None = None
    mail_domains: str = ""  # of which officers may give addresses, any if empty: court.gov.cn,police.gov.cn
    digest_hour: Annotated[int, Field(ge=0, le=23)] = 8  # of the ledger's time zone, at which daily mail is sent

    webhook_networks: str = ""  # that webhooks may reach though they are not public: 10.20.0.0/16,fd00:20::/32

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError("expected sqlite:///PATH or postgresql+psycopg://USER@HOST/DATABASE")
        return url

    @field_validator("durable_copies")
    @classmethod
    def _kept_copies(cls, copies: int, info: ValidationInfo) -> int:
        if copies > 1 and (info.data.get("database_url") or "sqlite:").startswith("sqlite:"):
            raise ValueError(Message("expected 1 on SQLite, or a database_url of PostgreSQL with standbys"))
        return copies

    @field_validator("replica_urls")
    @classmethod
    def _known_replicas(cls, urls: str) -> str:
        if not all(url.startswith("postgresql+psycopg://") for url in urls.split()):
            raise ValueError("expected postgresql+psycopg://USER@HOST/DATABASE, several separated by blanks")
        return urls

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str | None) -> str | None:
        try:
            return None if name is None else ZoneInfo(name).key
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("expected the name of a time zone, such as Europe/London") from error

    @field_validator("chain")
    @classmethod
    def _known_chain(cls, chain: str) -> str:
        if chain != EMBEDDED and not chain.startswith(("http://", "https://")):
            raise ValueError(f"expected '{EMBEDDED}' or the http(s) URL of a JSON-RPC node")
        return chain

    @field_validator("signer_url")
    @classmethod
    def _loopback_url(cls, url: str) -> str:
        if not re.fullmatch(r"http://127\.0\.0\.1:[0-9]{1,5}", url):
            raise ValueError("expected http://127.0.0.1:PORT")
        return url

    @field_validator("tile_store", "evidence_store", "backup_store")
    @classmethod
    def _known_store(cls, url: str | None) -> str | None:
        if url is not None and not re.fullmatch(r"file:///[^?#]+|s3://[a-z0-9][a-z0-9.-]{1,62}(?:/[^?#]*)?", url):
            raise ValueError("expected file:///FOLDER or s3://BUCKET/PREFIX")
        return url

    @field_validator("smtp_user")
    @classmethod
    def _protected_login(cls, user: str | None, info: ValidationInfo) -> str | None:
        if user is not None and info.data.get("smtp_security") == "none":
            raise ValueError("expected no user where smtp_security is none: others could read the password")
        return user

    @field_validator("webhook_networks", "trusted_proxies")
    @classmethod
    def _known_networks(cls, networks: str) -> str:
        try:
            _networks(networks)
        except ValueError as error:
            raise ValueError("expected networks such as 10.20.0.0/16, separated by commas") from error
        return networks

    @property
    def replicas(self) -> tuple[str, ...]:
        """Return the URLs of ``replica_urls``."""
        return tuple(self.replica_urls.split())

    @property
    def clock_urls(self) -> list[str]:
        """Return the URLs of chain and timestamp authority, whose answers tell what the time is elsewhere."""
        return [url for url in (self.timestamp_url, self.chain) if url and url != EMBEDDED]

    @property
    def sends_mail(self) -> bool:
        """Return whether a mail server and a sender are set."""
        return self.smtp_host is not None and self.mail_from is not None

    @property
    def allowed_mail_domains(self) -> frozenset[str]:
        """Return the domains of ``mail_domains``, in small letters."""
        return frozenset(part.strip().lower() for part in self.mail_domains.split(",") if part.strip())

    def allows_mail_to(self, address: str) -> bool:
        """Return whether the address is of an allowed domain."""
        allowed = self.allowed_mail_domains
        return not allowed or address.partition("@")[2].lower() in allowed

    def mail_password(self) -> str | None:
        """Return the password at the mail server: given, or in the given file. Raises SecretRefused."""
        return _secret(self.smtp_password, self.smtp_password_file, "smtp_password_file")

    def storage_secret(self, setting: Literal["tile_store", "evidence_store", "backup_store"]) -> str | None:
        """Return the secret of that storage's key id: given, or in the given file. Raises SecretRefused."""
        name = f"{setting}_secret"
        return _secret(getattr(self, name), getattr(self, f"{name}_file"), f"{name}_file")

    @property
    def receiving_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Return the networks of ``webhook_networks``."""
        return _networks(self.webhook_networks)

    @property
    def proxy_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Return the networks of ``trusted_proxies``."""
        return _networks(self.trusted_proxies)

    @property
    def url(self) -> str:
        """Return the URL under which clients reach the service."""
        return self.public_url or self.own_url

    @property
    def own_url(self) -> str:
        """Return the URL at which the service listens."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def anvil(self) -> Path:
        """Return the native Anvil executable of the embedded chain. Raises NotFound."""
        if self.anvil_binary is not None:
            binaries = [self.anvil_binary] if os.access(self.anvil_binary, os.X_OK) else []
        else:
            binaries = sorted(_CHECKOUT.glob("node_modules/@foundry-rs/anvil-*/bin/anvil"))
            with suppress(NotFound):  # for this kind of machine there is none
                binaries += filter(Path.exists, [installed_anvil(anvil_pin().version)])
            binaries += map(Path, filter(None, [shutil.which("anvil")]))
        if not binaries:
            raise NotFound(
                "there is no Anvil to run the embedded chain",
                field="anvil_binary",
                code="no_anvil",
                hint="Run tally chain install, or set TALLYSTICK_ANVIL_BINARY.",
            )
        return binaries[0]


def installed_anvil(version: str) -> Path:
    """Return where ``tally chain install`` puts the Anvil of a version for the user who runs it."""
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")  # noqa: PTH111 - never fails
    return Path(data, "tallystick", f"anvil-{version}", "anvil")


class WitnessSettings(KeyedSettings):
    """The settings of a witness: an agency's own process, with its own keys and database. Units are in the names."""

    model_config = SettingsConfigDict(env_prefix=WITNESS_PREFIX)

    data_dir: Path = DEFAULT_WITNESS_DIR
    trust: Path | None = None  # the trust file of the ledger
    log_url: PlainUrl = ""  # of the service whose log is followed
    rpc_url: PlainUrl = ""  # of a node of the chain, best one that the agency runs itself
    host: str = "127.0.0.1"
    port: Port = 8430
    metrics_host: str = "127.0.0.1"
    metrics_port: Port | None = None  # where Prometheus reads metrics; nowhere unless set

    finality: Finality | None = None  # overrides that of the trust file, which the ledger's service uses too

    look_interval_s: Positive = 5  # between two looks at log and chain
    reach_timeout_s: Positive = 20  # for following up to a checkpoint before it is co-signed
    log_timeout_s: Positive = 10  # of one answer of the log
    rpc_timeout_s: Positive = 10  # of one answer of the node
    mirror_lag_s: Positive = 900  # before a change of the registry that the log does not mirror is an alarm
    anchor_lag_s: Positive = 900  # before entries that are not anchored are an alarm
    silence_s: Positive = 60  # since the last good look before `tally witness status` says that nobody looks

    header_timeout_s: Positive = 10
    request_timeout_s: Positive = 30
    max_requests_per_s: Positive = 1000  # of one address; ten seconds' worth may come at once


def _secret(secret: SecretStr | None, file: Path | None, field: str) -> str | None:
    if secret is not None:
        return secret.get_secret_value()
    return None if file is None else read_secret(file, field=field).decode().rstrip("\r\n")


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def read_settings(data_dir: Path | None = None, **overrides: Any) -> Settings:
    """Read the settings for a data directory. ``overrides`` other than None come before environment and file.

    Raises MalformedInput, naming the setting and what was expected.
    """
    return _read(Settings, PREFIX, data_dir, DEFAULT_DATA_DIR, overrides)


def read_witness_settings(data_dir: Path | None = None, **overrides: Any) -> WitnessSettings:
    """Read the settings of a witness, from the same sources. Raises MalformedInput."""
    return _read(WitnessSettings, WITNESS_PREFIX, data_dir, DEFAULT_WITNESS_DIR, overrides)


def _read(kind: type[Kind], prefix: str, data_dir: Path | None, default: Path, overrides: dict[str, Any]) -> Kind:
    where = data_dir or Path(os.environ.get(f"{prefix}DATA_DIR") or default)
    file = where / "settings.env"
    _require_effect(kind, prefix, file)
    values: dict[str, Any] = {name: value for name, value in overrides.items() if value is not None}
    try:
        settings = kind(**values | {"data_dir": where, "_env_file": file})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).lower().removeprefix(prefix.lower())
        expected = Message(first["msg"].removeprefix("Value error, "))
        given_text = str(first["input"])[:100]
        is_url = URLS.fullmatch(name)
        raise MalformedInput(
            expected if is_url else Message("{expected}, not {given!r}", expected=expected, given=given_text),
            field=name,
            hint=Message(
                "It comes from an option, from the variable {prefix}{upper} or from the same in {file}.",
                prefix=prefix,
                upper=name.upper(),
                file=file,
            ),
        ) from error
    for name in kind.model_fields:
        secret = name.removesuffix("_file")
        if secret != name and None not in (getattr(settings, name), getattr(settings, secret)):
            raise MalformedInput(
                "expected one of the two, not both",
                field=f"{secret}, {name}",
                hint=Message(
                    "Remove {prefix}{upper} or {prefix}{upper}_FILE, from the environment or from {file}.",
                    prefix=prefix,
                    upper=secret.upper(),
                    file=file,
                ),
            )
    return settings


def _require_effect(kind: type[KeyedSettings], prefix: str, file: Path) -> None:
    """Raise MalformedInput if a line of the file would set nothing, or a variable with nearly the name of a setting."""
    names = {f"{prefix}{name}".upper() for name in kind.model_fields}
    earlier: set[str] = set()
    for name, value in _lines_of(file):
        if name.upper() not in names:
            raise _no_setting(
                kind, prefix, name, Message("there is no such setting, but it stands in {file}", file=file)
            )
        own = name.lower().removeprefix(prefix.lower())
        if own == "data_dir":
            raise MalformedInput("the data directory is the one that {file} is in", file=file, field=own)
        if not value:
            raise MalformedInput(
                "expected a value in {file}",
                file=file,
                field=own,
                hint="Remove the line: the default holds without it.",
            )
        if own in earlier:
            raise MalformedInput(
                "it stands twice in {file}", file=file, field=own, hint="Remove the line that is not to hold."
            )
        earlier.add(own)
    others = (WITNESS_PREFIX,) if prefix == PREFIX else ()
    for name in map(str.upper, os.environ):
        if not name.startswith(prefix) or name.startswith(others) or name in names | _OF_CLIENTS:
            continue
        error = _no_setting(kind, prefix, name, Message("there is no such setting, but a variable of that name"))
        if error.hint != _LISTED:  # another one is none of ours
            raise error


def _lines_of(file: Path) -> Iterator[tuple[str, str]]:
    """Yield name and value of each line. Raises MalformedInput for what is no setting."""
    try:
        with file.open(encoding="utf-8") as stream:
            lines = [line for line in parse_stream(stream) if line.error or line.key]
    except FileNotFoundError:
        return
    except UnicodeDecodeError as error:
        text = Message("{file} is no text in UTF-8: {error.reason}", file=file, error=error)
        raise MalformedInput(text, field="settings.env") from error
    for line in lines:
        if line.key is None or line.value is None:  # not quoted: it may be a secret
            blank = len(line.original.string) - len(line.original.string.lstrip())
            raise MalformedInput(
                "line {line} of {file} is not of the form NAME=VALUE",
                line=line.original.line + line.original.string.count("\n", 0, blank),
                file=file,
                field="settings.env",
                hint="Is a quotation mark or the equals sign missing? A comment begins with #.",
            )
        yield line.key, line.value


def _no_setting(kind: type[KeyedSettings], prefix: str, name: str, problem: Message) -> MalformedInput:
    own = name.lower().removeprefix(prefix.lower())
    near = [field for field in kind.model_fields if sorted(field) == sorted(own)]
    near += get_close_matches(own, kind.model_fields, 1, _NEARLY)
    hint = Message("Did you mean {near}?", near=f"{prefix}{near[0].upper()}") if near else _LISTED
    return MalformedInput(problem, field=name, hint=hint)
