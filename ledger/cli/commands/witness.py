"""``tally witness``: an agency's own process that follows the log and co-signs what it has followed."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from ledger.cli.command import Group, without_extras
from ledger.cli.errors import Exit
from ledger.cli.output import Column, columns
from ledger.cli.params import FILE, LIGHT, WITNESS_DATA_DIR
from ledger.cli.passphrase import (
    KEEP_PASSPHRASE,
    Passphrase,
    new_service_passphrase,
    passphrase_options,
    read_service_passphrase,
)
from ledger.cli.session import Session
from ledger.core.errors import MalformedInput, NotFound
from ledger.core.log.notes import COSIGNING, SignatureType
from ledger.core.messages import Message, Term, plain

if TYPE_CHECKING:
    from api.witness.app import RunningWitness
    from api.witness.metrics import WitnessMetrics
    from ledger.config.settings import WitnessSettings
    from ledger.store.witness import WitnessStore
    from ledger.witness.directory import WitnessDirectory

OF_HEALTH = {
    "watching": Exit.OK,
    "lagging": Exit.NOT_YET_ANCHORED,
    "unreadable": Exit.UNVERIFIABLE,
    "silent": Exit.UNREACHABLE,
    "halted": Exit.REFUSED,
}
LISTED = columns("number", "kind:witness_alarm", "halts", "message", "raised_at")
STATUS = (
    *columns("health", "origin", "log_id", "looked_at", "followed"),
    Column("published", label="published_size"),
    *columns("cosigned_size", "cosigned_root", "cosigned_at", "anchored_size", "registry_changes"),
)


@click.group("witness", cls=Group)
def witness_group() -> None:
    """Run a witness of your agency's own, which follows the log, co-signs what it has followed, and alarms."""


@witness_group.command("key")
@click.argument("name")
@click.option("--only", type=click.Choice(["ed25519", "ml-dsa-44"]), help="One kind of key for notes instead of both.")
@WITNESS_DATA_DIR
@KEEP_PASSPHRASE
@LIGHT
@passphrase_options
def key(
    session: Session,
    /,
    *,
    name: str,
    only: str | None,
    data_dir: Path | None,
    keep_passphrase: bool,
    light: bool,
    passphrase: Passphrase,
) -> None:
    """Make the keys of a witness: NAME stands on the notes that it co-signs, such as police-east.example/w1.

    A witness that has one of the two keys for notes gets the other. Tell the ledger's founders, or the admins who vote
    on witnesses, the account and the verifier keys that are printed.
    """
    from ledger.witness.directory import create_keys

    settings, where = _directory(data_dir)
    named = {None: COSIGNING, "ed25519": (SignatureType.COSIGNATURE_V1,), "ml-dsa-44": (SignatureType.SUBTREE_V1,)}
    kinds = named[only]
    if where.account_key.exists() and set(kinds) <= set(where.held_types):
        raise MalformedInput("{where.keys} holds the keys of a witness already", where=where, field="--data-dir")
    if where.held_types or where.account_key.exists():
        secret = read_service_passphrase(settings, where, passphrase, of="the witness's keys")
    else:
        secret = new_service_passphrase(where.passphrase, passphrase, keep=keep_passphrase, of="the witness")
        light = light or keep_passphrase
    verifier_keys, account = create_keys(where, name, secret, kinds, light=light)
    session.output.record({"account": account, "verifier_keys": list(verifier_keys), "data_dir": str(where.path)})


@witness_group.command("mirror")
@click.argument("name")
@WITNESS_DATA_DIR
@LIGHT
@passphrase_options
def mirror(session: Session, /, *, name: str, data_dir: Path | None, light: bool, passphrase: Passphrase) -> None:
    """Make the witness a mirror, which keeps and serves every entry and signs as NAME, such as police-east.example/m1.

    Tell the ledger's operator the verifier key that is printed. Start the witness again: it fetches what it lacks.
    """
    from ledger.witness.directory import create_mirror_key

    settings, where = _directory(data_dir)
    _require_witness(where)
    if where.mirror_key.exists():
        raise MalformedInput("the witness is a mirror already", field="--data-dir")
    secret = read_service_passphrase(settings, where, passphrase, of="the witness's keys")
    verifier_key = create_mirror_key(where, name, secret, light=light)
    session.output.record({"verifier_key": verifier_key, "data_dir": str(where.path)})


@witness_group.command("run")
@click.option("--trust", type=FILE, help="The ledger's trust file [trust.json in its directory].")
@click.option("--log", "log_url", metavar="URL", help="URL of the ledger's service, whose log is followed.")
@click.option("--rpc", "rpc_url", metavar="URL", help="URL of a node of the chain, best one of your agency.")
@click.option("--listen", metavar="HOST:PORT", help="Where the log's service reaches this witness.")
@click.option(
    "--finality", metavar="RULE", help="Instead of the trust file's: so many blocks on top, safe or finalized."
)
@WITNESS_DATA_DIR
@passphrase_options
def run(
    session: Session, /, *, listen: str | None, data_dir: Path | None, passphrase: Passphrase, **options: object
) -> None:
    """Run the witness until it is interrupted.

    Every setting can also come from a variable TALLYSTICK_WITNESS_* or from settings.env in its directory.
    """
    with without_extras():
        from api.middleware.server import make_server
        from api.witness.app import open_witness
        from ledger.cli.listening import exposing_metrics, listening, listening_for_metrics, private, process_lock

    host, port = _address(listen)
    options |= {"host": host, "port": port}
    settings, where = _directory(data_dir, **options)
    _require_witness(where)
    if passphrase.is_named or not settings.knows_passphrase(where):
        secret = passphrase.read(of="the witness's keys")
        settings, _ = _directory(data_dir, **options, key_passphrase=secret)
    message = Message("another process runs the witness in {where.path}", where=where)
    hint = "Stop it first: a witness is one process."
    with (
        private(where.path, keys=where.keys, output=session.output),
        process_lock(where.lock, message=message, hint=hint),
        listening(settings.host, settings.port, field="--listen", hint="Choose another port.") as listener,
        listening_for_metrics(settings) as metrics_listener,
        open_witness(settings) as witness,
        exposing_metrics(metrics_listener, lambda: _metrics_of(witness)),
    ):
        session.note(Message("witnessing {settings.log_url} at {settings.host}:{settings.port}", settings=settings))
        server = make_server(
            witness.app,
            host=settings.host,
            port=settings.port,
            header_timeout_s=settings.header_timeout_s,
            requests=witness.requests,
        )
        server.run([listener])


def _metrics_of(witness: RunningWitness) -> WitnessMetrics:
    from api.witness.metrics import WitnessMetrics

    return WitnessMetrics(witness.status, witness.requests)


@witness_group.command("status")
@WITNESS_DATA_DIR
def status(session: Session, /, *, data_dir: Path | None) -> int:
    """Say how far the witness has come and what alarms stand, from its database.

    Exit code 0: it watches and nothing is wrong. 1: it has halted. 3: what log or chain serve does not fit.
    4: an anchor is missing or late. 5: it does not look, or cannot.
    """
    from ledger.witness.alarms import status_of

    settings, store = _opened(data_dir)
    with closing(store):
        status = status_of(store, now=time.time_ns() // 1_000_000, silence_s=settings.silence_s)
    answer = msgspec.to_builtins(status, enc_hook=plain)
    if session.json:
        session.output.data(answer)
    else:
        # A time of 0 stands for what has not happened yet.
        happened = {name: value for name, value in answer.items() if value or not name.endswith("_at")}
        session.output.record(happened, STATUS)
        session.output.parts([("open_alarms", answer["alarms"], LISTED)])
    return OF_HEALTH[status.health]


@witness_group.command("alarms")
@click.option("--all", "every", is_flag=True, help="Those that were cleared or have passed, too.")
@WITNESS_DATA_DIR
def alarms(session: Session, /, *, every: bool, data_dir: Path | None) -> None:
    """List the alarms that stand. With --json, each with its evidence: texts that show it to others."""
    _, store = _opened(data_dir)
    with closing(store):
        alarms = [msgspec.to_builtins(alarm, enc_hook=plain) for alarm in store.alarms(standing=not every)]
    session.output.table(alarms, LISTED)


@witness_group.command("clear")
@click.argument("number", type=int)
@click.option("--because", required=True, help="What you have found out, for whoever asks later.")
@WITNESS_DATA_DIR
def clear(session: Session, /, *, number: int, because: str, data_dir: Path | None) -> None:
    """Decide on an alarm that has halted the witness: it looks again, and signs if what it finds is in order.

    Nothing is taken on trust by this: what is still wrong raises the alarm anew.
    """
    _, store = _opened(data_dir)
    with closing(store):
        cleared = store.clear(number, because, time.time_ns() // 1_000_000)
    if not cleared:
        raise NotFound("no alarm {number} stands", number=number, field="NUMBER", hint="See: tally witness alarms")
    kind = Term("witness_alarm", cleared[0].kind)
    session.output.done(Message("alarm {number} ({kind}) is cleared", number=number, kind=kind))


def _directory(data_dir: Path | None, **options: object) -> tuple[WitnessSettings, WitnessDirectory]:
    from ledger.config.settings import read_witness_settings
    from ledger.witness.directory import WitnessDirectory

    settings = read_witness_settings(data_dir, **options)
    return settings, WitnessDirectory(settings.data_dir)


def _require_witness(where: WitnessDirectory) -> None:
    if not where.held_types:
        raise MalformedInput(
            "{where.path} holds no witness", where=where, field="--data-dir", hint="Run: tally witness key"
        )


def _opened(data_dir: Path | None) -> tuple[WitnessSettings, WitnessStore]:
    from ledger.store.witness import WitnessStore

    settings, where = _directory(data_dir)
    if not where.database.exists():
        raise MalformedInput(
            "no witness has run in {where.path}", where=where, field="--data-dir", hint="Run: tally witness run"
        )
    return settings, WitnessStore.reopen(where.database)


def _address(listen: str | None) -> tuple[str | None, str | None]:
    if listen is None:
        return None, None
    host, separator, port = listen.rpartition(":")
    if not separator or not host:
        raise MalformedInput("expected HOST:PORT, not {listen!r}", listen=listen[:100], field="--listen")
    return host.strip("[]"), port
