"""``tally profile``: who acts, for which agency, with which key, at which service."""

from __future__ import annotations

from pathlib import Path

import click
import httpx
import msgspec

from ledger.cli.command import Group
from ledger.cli.output import columns
from ledger.cli.session import Session
from ledger.client.profiles import Profile
from ledger.config.secret_files import write_secret
from ledger.core.encoding import canonical
from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import MalformedInput
from ledger.core.events.terms import AgencyId, OfficerId
from ledger.core.messages import Message
from ledger.core.trust.trust_file import parse_trust


@click.group("profile", cls=Group)
def profile_group() -> None:
    """Set who acts, and where: several clerks can work on one machine."""


@profile_group.command("add")
@click.argument("name")
@click.option("--url", required=True, help="URL of the ledger's service, such as http://127.0.0.1:8420.")
@click.option("--agency", help="Id of the agency, such as psb-east. Without it only what is public can be read.")
@click.option("--officer", help="Id of the officer within the agency, such as p-0417.")
@click.option("--key", help="Name of the officer's key, see 'tally key list'.")
@click.option("--key-dir", type=click.Path(path_type=Path), help="Folder of the keys [that of all profiles].")
@click.option("--passphrase-file", type=click.Path(path_type=Path), help="File of mode 0600 with the key's passphrase.")
@click.option("--passphrase-env", metavar="VARIABLE", help="Environment variable with the key's passphrase.")
@click.option(
    "--trust",
    type=click.Path(exists=True, path_type=Path),
    help="The ledger's trust file, by which proofs are checked.",
)
@click.option("--replace", is_flag=True)
def add(
    session: Session, /, *, name: str, url: str, trust: Path | None, replace: bool, **options: str | Path | None
) -> None:
    """Make a profile."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL()
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.query or parsed.userinfo:
        raise MalformedInput("expected a URL such as https://ledger.example, not {url!r}", url=url, field="--url")
    parts = {field: str(value) for field, value in options.items() if value is not None}
    for field in ("key_dir", "passphrase_file"):
        if field in parts:
            parts[field] = str(Path(parts[field]).absolute())
    if len({"agency", "officer", "key"} & parts.keys()) not in (0, 3):
        raise MalformedInput("expected all three or none", field="--agency, --officer, --key")
    for field, form in (("agency", AgencyId), ("officer", OfficerId)):
        if field in parts:
            canonical.parse(canonical.encode(parts[field]), decoder_of(form), where=f"--{field}")
    trusted = trust.read_bytes() if trust else None
    log_id = parse_trust(trusted).log_id_text if trusted else None
    profile = Profile(name=name, url=url.rstrip("/"), log_id=log_id, **parts)
    if profile.key is not None and not session.profiles.keys(profile).keystore(profile.key).exists():
        raise MalformedInput(
            "there is no key {profile.key}",
            profile=profile,
            field="--key",
            hint=Message("Make one: tally key new {profile.key}", profile=profile),
        )
    session.profiles.write(profile, replace=replace)
    session.profiles.token(profile).unlink(missing_ok=True)
    if trusted:
        write_secret(session.profiles.trust(profile), trusted, field="--trust", replace=True)
    session.output.record(msgspec.to_builtins(profile))


@profile_group.command("list")
def list_(session: Session) -> None:
    """List the profiles."""
    profiles = [msgspec.to_builtins(session.profiles.read(name)) for name in session.profiles.names()]
    session.output.table(profiles, columns("name", "agency", "officer", "key", "url"))


@profile_group.command("show")
@click.argument("name", required=False)
def show(session: Session, name: str | None) -> None:
    """Show a profile: the one named, else the one in use."""
    session.output.record(msgspec.to_builtins(session.profiles.read(name) if name else session.profile))


@profile_group.command("token")
def token(session: Session) -> None:
    """Sign in and print an access token, for curl and the OpenAPI page. Whoever has it reads as you, for a while."""
    if session.credentials is None:
        raise MalformedInput("this profile has no key to sign in with", field="--profile")
    access_token = session.credentials.token()
    if session.json:
        session.output.record({"access_token": access_token})
    else:
        click.echo(access_token)


@profile_group.command("remove")
@click.argument("name")
def remove(session: Session, name: str) -> None:
    """Forget a profile; its key stays."""
    session.profiles.remove(name)
    session.output.done(Message("profile {name} is gone", name=name))
