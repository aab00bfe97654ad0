"""``tally trust``: a new trust file in the place of an old one, signed by what the old one trusts."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ledger.cli.command import Group, output_option, signing
from ledger.cli.files import save
from ledger.cli.output import printable_line
from ledger.cli.params import DATA_DIR, FILE, WITNESS_DATA_DIR
from ledger.cli.passphrase import Passphrase, passphrase_options, read_service_passphrase
from ledger.cli.session import Session
from ledger.config.keys import note_key, open_note_key
from ledger.config.secret_files import replace_file
from ledger.core.errors import NotFound
from ledger.core.trust.trust_file import encode_trust, parse_trust

if TYPE_CHECKING:
    from ledger.config.installation import DataDirectory
    from ledger.core.log.notes import NoteSigner, VerifyingKey
    from ledger.core.trust.trust_file import Trust
    from ledger.core.trust.trust_renewal import Renewal

OUTPUT = output_option(required=True)
LOG_KEY_LOST = click.option("--log-key-lost", is_flag=True, help="The log's key is lost: the witnesses alone sign.")


@click.group("trust", cls=Group)
def trust_group() -> None:
    """Renew trust files: what the old one trusts, the log's key and witnesses, signs the new one."""


@trust_group.command("renew")
@click.argument("old", type=FILE)
@click.argument("new", type=FILE)
@DATA_DIR
@LOG_KEY_LOST
@OUTPUT
@passphrase_options
def renew(
    session: Session,
    *,
    old: Path,
    new: Path,
    data_dir: Path | None,
    log_key_lost: bool,
    output: Path,
    passphrase: Passphrase,
) -> None:
    """Put the trust file NEW in the place of OLD, signed by the log's key that OLD names.

    As the operator, in the ledger's data directory. Witnesses that OLD names co-sign what is written.
    """
    from ledger.config.installation import DataDirectory
    from ledger.config.settings import read_settings
    from ledger.core.trust import trust_renewal

    before = parse_trust(old.read_bytes())
    renewal = trust_renewal.renew(before, parse_trust(new.read_bytes()))
    if not log_key_lost:
        settings = read_settings(data_dir)
        where = DataDirectory(settings.data_dir)
        secret = read_service_passphrase(settings, where, passphrase)
        renewal = trust_renewal.sign_renewal(renewal, _log_signer(where, before.log_key, secret))
    _write(session, renewal, before, output)


@trust_group.command("cosign")
@click.argument("renewal", type=FILE)
@click.option("--trust", type=FILE, required=True, help="The ledger's trust file that is renewed.")
@WITNESS_DATA_DIR
@signing
@OUTPUT
@passphrase_options
def cosign(
    session: Session,
    *,
    renewal: Path,
    trust: Path,
    data_dir: Path | None,
    output: Path,
    passphrase: Passphrase,
) -> None:
    """Co-sign a renewal as a witness, after reading what it changes."""
    from ledger.config.settings import read_witness_settings
    from ledger.core.trust import trust_renewal
    from ledger.witness.directory import WitnessDirectory, open_keys

    before, asked = parse_trust(trust.read_bytes()), trust_renewal.parse_renewal(renewal.read_bytes())
    trust_renewal.require_renews(asked, before)
    _show(session, asked, before)
    session.confirm()
    settings = read_witness_settings(data_dir)
    where = WitnessDirectory(settings.data_dir)
    keys = open_keys(where, read_service_passphrase(settings, where, passphrase, of="the witness's keys"))
    now = int(time.time())
    for signer in (*keys.notes, *([keys.mirror] if keys.mirror else [])):
        asked = trust_renewal.cosign_renewal(asked, signer, now)
    _write(session, asked, before, output)


@trust_group.command("accept")
@click.argument("renewals", type=FILE, nargs=-1, required=True)
@click.option("--trust", type=FILE, help="The ledger's trust file to renew [that of the profile].")
@LOG_KEY_LOST
def accept(session: Session, /, *, renewals: tuple[Path, ...], trust: Path | None, log_key_lost: bool) -> None:
    """Put a new trust file in the place of an old one whose log key and quorum of witnesses have signed it.

    RENEWALS are copies of one renewal, each signed by some. The old file is kept beside: a proof from before that the
    new one does not cover is checked with it, or fetched anew.
    """
    from ledger.core.trust import trust_renewal

    file = trust or session.profiles.trust(session.profile)
    if not file.exists():
        raise NotFound("the profile has no trust file", field="--trust", hint="Get one: tally log trust --pin")
    before = parse_trust(file.read_bytes())
    renewal = trust_renewal.joined(trust_renewal.parse_renewal(path.read_bytes()) for path in renewals)
    consent = trust_renewal.verify_renewal(renewal, before, log_key_lost=log_key_lost)
    _show(session, renewal, before)
    kept = kept_beside(file, before)
    replace_file(file, encode_trust(trust_renewal.accepted(renewal, before)))
    signers = [before.log_key.name] * consent.by_log + [cosignature.witness.name for cosignature in consent.witnesses]
    session.output.record({"file": str(file), "kept": str(kept), "signed_by": list(dict.fromkeys(signers))})


def kept_beside(file: Path, trust: Trust) -> Path:
    """Copy the trust file beside itself before another one takes its place; return the copy, named by its digest."""
    from ledger.core.trust.trust_renewal import trust_digest

    kept = file.with_name(f"{file.stem}-{trust_digest(trust)[7:15]}{file.suffix}")
    shutil.copy2(file, kept)
    return kept


def _log_signer(where: DataDirectory, key: VerifyingKey, passphrase: str) -> NoteSigner:
    for path in where.keys.files():
        if path.suffix == ".pem" and note_key(path) == key:
            return open_note_key(path, passphrase)
    raise NotFound(
        "{where.keys.path} does not hold the log's key {vkey}",
        where=where,
        vkey=key.vkey(),
        field="--data-dir",
        hint="Name the ledger's data directory. If the key is lost: --log-key-lost, and witnesses alone sign.",
    )


def _write(session: Session, renewal: Renewal, old: Trust, output: Path) -> None:
    from ledger.core.trust.trust_renewal import encode_renewal

    _show(session, renewal, old)
    names = dict.fromkeys(line.name for line in renewal.note().signatures)  # two keys of a witness have one name
    save(session, output, encode_renewal(renewal), signed_by=list(names))


def _show(session: Session, renewal: Renewal, old: Trust) -> None:
    """Print what the renewal changes, field by field."""
    from ledger.core.trust.trust_renewal import changes

    for name, before, after in changes(renewal.trust, old):
        session.output.note(printable_line(f"{name}: {before} -> {after}"))
