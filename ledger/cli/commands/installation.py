"""``tally init``, ``serve``, ``sample``, ``doctor``, ``completion``: a ledger of one's own, from nothing to running."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from click.shell_completion import get_completion_class

from ledger.cli.command import Command, Group, without_extras
from ledger.cli.diagnosis import diagnose
from ledger.cli.errors import Exit
from ledger.cli.files import bar
from ledger.cli.output import columns
from ledger.cli.params import DATA_DIR, FILE, LIGHT
from ledger.cli.passphrase import KEEP_PASSPHRASE, Passphrase, new_service_passphrase, passphrase_options
from ledger.cli.session import Session
from ledger.client.profiles import Profile
from ledger.config import installation as installations
from ledger.config.installation import DataDirectory, Founding, create, read_founding, witness_addresses
from ledger.config.secret_files import write_secret
from ledger.config.settings import DEFAULT_DATA_DIR, EMBEDDED, read_settings
from ledger.core.encoding.decoding import decode_toml
from ledger.core.errors import Conflict, MalformedInput
from ledger.core.messages import Message
from ledger.core.procedure.package import canonical_form, decode_package
from ledger.i18n import Labels
from ledger.procedures import IN_USE
from ledger.witness.gathering.witnesses import read_witnesses

if TYPE_CHECKING:
    from api.services.metrics import ServiceMetrics
    from api.services.parts import Parts


@click.command("init", cls=Command)
@click.option(
    "--founding",
    "file",
    type=FILE,
    help="JSON or TOML with the founding agencies; see below.",
)
@click.option(
    "--agency",
    "agencies",
    type=FILE,
    multiple=True,
    help="File of one that founds it, as 'tally agency prepare' wrote it; give it for each.",
)
@click.option(
    "--quorum",
    type=click.IntRange(0, 64),
    help="How many witnesses must co-sign; more than half of them, unless the founding says.",
)
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="TALLYSTICK_DATA_DIR",
    default=DEFAULT_DATA_DIR,
    help="Directory of the ledger.",
    show_default=True,
)
@click.option("--origin", help="The log's name in checkpoints, such as ledger.example/handovers.")
@click.option(
    "--procedure",
    "procedures",
    metavar="NAME|FOLDER",
    multiple=True,
    help="A package by which cases are judged, any number of times; evidence, unless the founding names one.",
)
@click.option("--development", is_flag=True, help="Allow quorum 0: every verdict says so.")
@KEEP_PASSPHRASE
@LIGHT
@passphrase_options
def init_command(
    session: Session,
    *,
    file: Path | None,
    agencies: tuple[Path, ...],
    quorum: int | None,
    data_dir: Path,
    origin: str | None,
    procedures: tuple[str, ...],
    development: bool,
    keep_passphrase: bool,
    light: bool,
    passphrase: Passphrase,
) -> None:
    """Mint a ledger: its id, the keys of log, service and submitter, and who founds it.

    FOUNDING lists agencies, each with agency_id, kind, admin (the address of its admin's key), jurisdiction and
    name {en, ...}; beside them quorum (of witnesses), development, finality (of the chain's blocks: how many on top of
    one make it final, 12 unless told, or safe, or finalized), suites (of the signatures that the ledger takes, 1 unless
    told) and procedures (digests of the packages to adopt). Make admin keys with 'tally key new'. A quorum takes
    agencies with a witness {account, verifier_keys, url}, as 'tally witness key' prints them. Agencies that each wrote
    a file by 'tally agency prepare' need no founding: name their files. The addresses of witnesses go into
    witnesses.toml.

    Without FOUNDING, --development founds a town of eleven agencies, to try things out: the keys of its people are kept
    in the data directory, and 'tally sample load' plays the sample with them; its procedure is cn-criminal.
    """
    from ledger.cli.commands.procedure import files_of

    directory = DataDirectory(data_dir)
    if directory.installation.exists():
        raise MalformedInput(
            "{data_dir} holds a ledger already", data_dir=data_dir, field="--data-dir", hint="Choose another one."
        )
    by_others = file is not None or bool(agencies)
    founding = (
        _founding(file, agencies, quorum, development=development)
        if by_others
        else _town(directory, development=development)
    )
    if not (procedures or founding.procedures):
        procedures = ("evidence",) if by_others else (IN_USE,)
    texts = [canonical_form(files_of(procedure)) for procedure in procedures]
    kinds = {kind for text in texts for kind in decode_package(text).kinds}
    for agency in founding.agencies:
        if texts and not founding.procedures and agency.kind not in kinds:
            session.warn(
                Message(
                    "No procedure of this ledger knows the kind {agency.kind} of {agency.agency_id}. It knows: {kinds}",
                    agency=agency,
                    kinds=", ".join(sorted(kinds)),
                )
            )
    secret = new_service_passphrase(directory.passphrase, passphrase, keep=keep_passphrase, of="the service's keys")
    addresses = witness_addresses(founding)
    witnesses = read_witnesses(addresses)
    if witnesses:  # before the ledger is there: an init that was cut off can be repeated until then
        write_secret(directory.witnesses, addresses.encode(), field="witnesses.toml", replace=True)
    installation = create(directory, founding, origin, secret, procedures=texts, light=light or keep_passphrase)
    adopted = ", ".join(procedures) or ", ".join(founding.procedures)
    fields = {name: getattr(installation, name) for name in ("log_id", "log_key", "service_key_id", "submitter")}
    fields |= {"development": founding.development, "procedures": adopted}
    session.output.record({"data_dir": str(data_dir)} | fields)
    session.output.done(Message("Next: {command}", command=f"tally serve --data-dir {data_dir}"))


def _town(directory: DataDirectory, *, development: bool) -> Founding:
    """Make the keys of a development town and return its founding."""
    from ledger.samples.town import TownKeys

    if not development:
        raise MalformedInput(
            "expected a file with the founding agencies",
            field="--founding",
            hint="To try things out, --development founds a town whose keys are kept in the data directory.",
        )
    return TownKeys.of(directory).make()


def _founding(file: Path | None, agencies: Sequence[Path], quorum: int | None, *, development: bool) -> Founding:
    """Read the founding from its file, the files of agencies, and the options. Raises MalformedInput."""
    hint = Message("A founding ends in .toml or .json; docs/tutorial.md begins with one.")
    own_hint = Message("The agency writes it by: tally agency prepare")
    tables = _tables(file, "--founding", hint) if file else {}
    options: dict[str, str] = {}  # by the field of the founding that each gives
    if isinstance(tables, dict):
        if agencies:
            named = tables.get("agencies", [])
            if not isinstance(named, list):
                raise MalformedInput("expected a list of agencies", field="--founding: agencies", hint=hint)
            own = [*named, *(_tables(path, f"--agency {path}", own_hint) for path in agencies)]
            options = {f"agencies[{number}]": f"--agency {path}" for number, path in enumerate(agencies, len(named))}
            witnessed = sum(isinstance(row, dict) and row.get("witness") is not None for row in own)
            tables = {"quorum": _majority(witnessed)} | tables | {"agencies": own}
        if quorum is not None:
            tables["quorum"] = quorum
            options["quorum"] = "--quorum"
        if development:
            tables["development"] = True
    try:
        return read_founding(msgspec.json.encode(tables))
    except MalformedInput as error:
        place = (error.field or "").removeprefix("founding.")
        first, _, rest = place.partition(".")
        if first in options:
            field = f"{options[first]}: {rest}" if rest else options[first]
            raise MalformedInput(error.text, field=field, hint=error.hint or (own_hint if rest else None)) from error
        if file is None:  # nothing else of it can be wrong than that the files do not make a founding together
            needed = Message("Each that has a witness puts it into its file: tally agency prepare --witness")
            raise MalformedInput(error.text, field="--agency", hint=error.hint or needed) from error
        valid = Message("docs/tutorial.md begins with a founding that is valid.")
        raise MalformedInput(error.text, field=f"--founding: {error.field}", hint=error.hint or valid) from error


def _majority(count: int) -> int:
    """Return the least number that is more than half, and 0 of none."""
    return count // 2 + 1 if count else 0


def _tables(file: Path, option: str, hint: Message) -> Any:
    """Read a file in TOML or JSON. Raises MalformedInput."""
    data = file.read_bytes()
    try:
        return decode_toml(data, field=option, hint=hint) if file.suffix == ".toml" else msgspec.json.decode(data)
    except (ValueError, RecursionError) as error:
        raise MalformedInput("{file} is not JSON: {error}", file=file, error=error, field=option, hint=hint) from error


@click.command("serve", cls=Command)
@DATA_DIR
@click.option("--host", help="Address to listen at [TALLYSTICK_HOST, else 127.0.0.1].")
@click.option("--port", type=int, help="Port to listen at [TALLYSTICK_PORT, else 8420].")
@click.option("--database-url", help="SQLite in the data directory, unless postgresql+psycopg://...")
@click.option("--chain", help="'embedded', or the URL of a JSON-RPC node.")
@passphrase_options
def serve_command(session: Session, /, *, data_dir: Path | None, passphrase: Passphrase, **options: str | None) -> None:
    """Run the service until it is interrupted.

    Every setting can also come from a variable TALLYSTICK_* or from settings.env in the data directory.
    """
    with without_extras():
        from api.middleware.server import make_server, save_memory

        save_memory()
        from api.app import create_app
        from api.middleware import logs
        from api.middleware.clients import Connections
        from api.wiring import open_parts
        from ledger.cli.listening import (
            exposing_metrics,
            listening,
            listening_for_metrics,
            private,
            process_lock,
            tracing,
        )

    settings = read_settings(data_dir, **options)
    directory = DataDirectory(settings.data_dir)
    installations.load(directory)
    private_directory = private(directory.path, keys=directory.keys.path, output=session.output)
    if passphrase.is_named or not settings.knows_passphrase(directory):
        secret = passphrase.read(of="the service's keys")
        settings = read_settings(data_dir, **options, key_passphrase=secret)
    # Services share a ledger that share a database server and a chain; of an embedded chain each would follow its own.
    shares = settings.database_url is not None and settings.chain != EMBEDDED
    lock = process_lock(
        directory.lock,
        shares=shares,
        message=Message("another service runs on the ledger in {directory.path}", directory=directory),
        hint="Work with that one, stop it, or name the directory of another ledger.",
    )
    port_hint = "Choose another, by --port or TALLYSTICK_PORT; the URL of the profiles has it too."
    logs.configure()  # before the parts are made, which write the first lines
    # Both ports first: a start that fails for one has no threads yet, which an interpreter that ends could abort.
    with (
        private_directory,
        lock,
        listening(settings.host, settings.port, field="--port", hint=port_hint) as listener,
        listening_for_metrics(settings) as metrics_listener,
        tracing(settings) as tracer,
        open_parts(settings) as parts,
        exposing_metrics(metrics_listener, lambda: _metrics_of(parts)),
    ):
        server = make_server(
            create_app(parts, tracer=tracer),
            host=settings.host,
            port=settings.port,
            header_timeout_s=settings.header_timeout_s,
            connections=Connections(
                most=settings.max_connections,
                most_of_address=settings.max_connections_per_address,
                proxies=settings.proxy_networks,
            ),
            requests=parts.measures.requests,
        )
        session.note(Message("serving {settings.data_dir} at {settings.url}", settings=settings))
        judge = parts.clock_judge
        assert judge is not None, "a service that records has one"
        judge.end = partial(setattr, server, "should_exit", True)
        server.run([listener])
        if judge.ended_by is not None:  # what supervises the service starts it again
            raise judge.ended_by


def _metrics_of(parts: Parts) -> ServiceMetrics:
    from api.services.metrics import ServiceMetrics

    return ServiceMetrics(parts)


URL = click.option("--url", help="URL of the ledger's service [as its settings have it].")


@click.group("sample", cls=Group)
def sample_group() -> None:
    """Sample data for a development ledger: the cases of twelve stories, and the people who played them."""


@sample_group.command("load")
@DATA_DIR
@URL
def load(session: Session, data_dir: Path | None, url: str | None) -> None:
    """Play the twelve stories into an empty development ledger whose service runs.

    Only a ledger founded by 'tally init --development' without a founding of its own has the keys for it. Cut short,
    the same command goes on; done, it changes nothing.
    """
    from ledger.client.sample_ledger import ServiceLedger
    from ledger.samples import load as loading

    settings = read_settings(data_dir)
    directory = DataDirectory(settings.data_dir)
    keys = loading.require_development(directory)
    ledger = ServiceLedger(url or settings.url, installations.load(directory).log_id_bytes, keys)
    with bar(session, "", len(loading.PARTS)) as parts:

        def show_progress(progress: loading.Progress) -> None:
            parts.reach(progress.done, doing=session.labels.in_language(progress.part) if progress.part else "")

        events = loading.load(directory, ledger, show_progress)
    session.output.record({"stories": 12, "events": events})
    session.output.done(Message("Next: {command}", command="tally sample profiles"))


@sample_group.command("profiles")
@DATA_DIR
@URL
@click.option("--replace", is_flag=True)
def profiles(session: Session, data_dir: Path | None, url: str | None, replace: bool) -> None:
    """Make a profile of each person of the town, so that you can act as any of them."""
    from ledger.samples.load import require_development
    from ledger.samples.town import PEOPLE

    settings = read_settings(data_dir)
    directory = DataDirectory(settings.data_dir.absolute())
    keys = require_development(directory)
    existing = {person.profile for person in PEOPLE} & set(session.profiles.names())
    if existing and not replace:
        raise Conflict(
            "there are profiles of these names: {existing}",
            existing=", ".join(sorted(existing)),
            field="--replace",
            hint="Put the town's people in their place by --replace, or set TALLYSTICK_CONFIG_DIR to another folder.",
        )
    town_profiles = [
        Profile(
            name=person.profile,
            url=url or settings.url,
            agency=person.agency,
            officer=person.officer,
            key=person.profile,
            log_id=installations.load(directory).log_id,
            key_dir=str(keys.directory.path),
            passphrase_file=str(keys.passphrase_file),
        )
        for person in PEOPLE
    ]
    for profile in town_profiles:
        session.profiles.write(profile, replace=replace)
        session.profiles.token(profile).unlink(missing_ok=True)
        session.profiles.trust(profile).unlink(missing_ok=True)
        if directory.trust.exists():  # the contracts are on the chain
            write_secret(session.profiles.trust(profile), directory.trust.read_bytes(), field="trust")
    rows = [
        msgspec.to_builtins(profile) | {"role": person.role}
        for profile, person in zip(town_profiles, PEOPLE, strict=True)
    ]
    session.output.table(rows, columns("name", "agency", "officer", "role"))


@click.command("doctor", cls=Command)
@DATA_DIR
def doctor_command(session: Session, data_dir: Path | None) -> int:
    """Look at this machine, the data directory, the keys, the chain and the service."""
    findings = diagnose(session, data_dir)
    labels = Labels("en") if session.output.json else session.output.labels  # programs are told in English
    rows = [
        finding._asdict() | {"detail": labels.translate(finding.detail), "mend": labels.translate(finding.mend)}
        for finding in findings
    ]
    session.output.table(rows, columns("check:check", "result:result", "detail", "mend"))
    return Exit.REFUSED if any(finding.result == "failed" for finding in findings) else Exit.OK


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(_session: Session, shell: str) -> None:
    """Print the completion script of a shell.

    bash: source <(tally completion bash); zsh: the same; fish: tally completion fish | source
    """
    completion = get_completion_class(shell)
    assert completion is not None
    click.echo(completion(click.get_current_context().find_root().command, {}, "tally", "_TALLY_COMPLETE").source())
