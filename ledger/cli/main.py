"""``tally``: the command line of the ledger. Every command ends here and gets its exit code."""

from __future__ import annotations

import gc

gc.set_threshold(50_000)  # new objects, before garbage is looked for: most commands are over by then

import errno
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module

import click
import msgspec

from ledger.acts import HEADINGS
from ledger.cli.command import Group, signing, without_extras
from ledger.cli.errors import MEANINGS, Exit, exit_of_error, in_one_line, next_step, refusal_message, usage_message
from ledger.cli.output import ZONE_OF_TYPED, printable_line
from ledger.cli.session import Session
from ledger.core.errors import TallystickError, Unavailable
from ledger.core.messages import Message, plain
from ledger.core.procedure.zones import Zone
from ledger.i18n import TABLES_IN_USE, ZONE_IN_USE, Labels, zone_in_use
from ledger.procedures import tables_that_ship

COMMANDS = {  # the module below ledger.cli.commands, and the function in it
    "init": ("installation", "init_command"),
    "serve": ("installation", "serve_command"),
    "chain": ("chain", "chain_group"),
    "backup": ("backup", "backup_group"),
    "sample": ("installation", "sample_group"),
    "signer": ("signer", "signer_command"),
    "doctor": ("installation", "doctor_command"),
    "profile": ("profile", "profile_group"),
    "key": ("key", "key_group"),
    "agency": ("agencies", "agency_group"),
    "registry": ("agencies", "registry_group"),
    "case": ("case", "case_group"),
    "search": ("reading", "search_command"),
    "person": ("persons", "person_group"),
    "measure": ("persons", "measure_group"),
    "custody": ("persons", "custody_group"),
    "deadline": ("deadline", "deadline_group"),
    "decision": ("case_records", "decision_group"),
    "letter": ("letter", "letter_group"),
    "item": ("item", "item_group"),
    "stocktake": ("stocktake", "stocktake_group"),
    "evidence": ("evidence", "evidence_group"),
    "handover": ("handover", "handover_group"),
    "discrepancy": ("case_records", "discrepancy_group"),
    "record": ("case_records", "record_group"),
    "event": ("reading", "event_group"),
    "section": ("case_records", "section_group"),
    "hold": ("retention", "hold_group"),
    "retention": ("retention", "retention_group"),
    "disclosure": ("case_records", "disclosure_group"),
    "import": ("import_", "import_group"),
    "dataset": ("analysis", "dataset_group"),
    "pseudonym": ("pseudonym", "pseudonym_group"),
    "procedure": ("procedure", "procedure_group"),
    "model": ("model", "model_group"),
    "library": ("library", "library_group"),
    "correlate": ("analysis", "correlate_command"),
    "report": ("analysis", "report_command"),
    "lead": ("lead", "lead_group"),
    "recommendation": ("recommendation", "recommendation_group"),
    "proof": ("proof", "proof_group"),
    "paper": ("reading", "paper_command"),
    "audit": ("audit", "audit_command"),
    "access": ("reading", "access_group"),
    "notice": ("notice", "notice_group"),
    "webhook": ("webhook", "webhook_group"),
    "log": ("log", "log_group"),
    "trust": ("trust", "trust_group"),
    "monitor": ("monitor", "monitor_command"),
    "anchor": ("log", "anchor_group"),
    "witness": ("witness", "witness_group"),
    "completion": ("installation", "completion_command"),
}
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
EXIT_CODES = "\b\nExit codes:\n" + "\n".join(f"  {code.value}  {meaning}" for code, meaning in MEANINGS.items())


class LazyGroup(Group):
    """The group of ``COMMANDS``, which are imported when they are used."""

    def headed(self, commands: Mapping[str, click.Command]) -> Iterable[tuple[str, Iterable[str]]]:  # noqa: ARG002
        """Return the headings with the names of the commands under each."""
        return HEADINGS

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, function = COMMANDS[cmd_name]
        with without_extras():
            command: click.Command = getattr(import_module(f"ledger.cli.commands.{module}"), function)
        return command


@click.group(cls=LazyGroup, epilog=EXIT_CODES)
@signing
@click.version_option(package_name="tallystick", prog_name="tally", message="%(prog)s %(version)s")
def tally() -> None:
    """Case handovers and evidence between agencies: signed, logged, anchored, and checked offline."""


def main() -> int:
    """Run the console command."""
    status = run()
    gc.freeze()  # the process ends: to look for garbage once more would cost a proof check a tenth of its time
    return status


def run(arguments: Sequence[str] | None = None) -> int:
    """Run ``tally`` and return the exit code. An error is printed in one line on standard error."""
    session = Session()
    session.speak()
    ZONE_IN_USE.set(lambda: session.zone)
    TABLES_IN_USE.set(session.label_tables)
    ZONE_OF_TYPED.set(session.zone_of_typed)
    colour = False if os.environ.get("NO_COLOR") else None
    try:
        ended = tally.main(arguments, prog_name="tally", standalone_mode=False, obj=session, color=colour)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return Exit.USAGE
    except click.UsageError as error:
        return _complain(session, usage_message(error, _labels(session)))
    except click.ClickException as error:
        return _complain(session, error.format_message())
    except TallystickError as error:
        if isinstance(error, Unavailable):
            TABLES_IN_USE.set(tables_that_ship)  # those of the ledger would be asked from whom cannot be reached
        message, status = refusal_message(error, _labels(session)), exit_of_error(error)
        return _complain(session, message, code=error.code, status=status, error=error)
    except (click.Abort, KeyboardInterrupt):
        return Exit.INTERRUPTED
    except SystemExit:  # click's way out of a completion, and where nobody reads on
        if "_TALLY_COMPLETE" in os.environ:
            raise
        return Exit.CUT_OFF
    except OSError as error:
        if error.errno in NO_ROOM:
            cut_short = Message(
                "{error.strerror}: what was being written is cut short. Make room or name another place, "
                "remove it, and do the same again.",
                error=error,
            )
            return _complain(session, _labels(session).translate(cut_short), code="no_room")
        if error.filename is None:
            return _defect()
        message = Message("{error.filename}: {error.strerror}. Is the path right, and may you use it?", error=error)
        return _complain(session, _labels(session).translate(message))
    except Exception:  # noqa: BLE001 - a defect must not look like a verdict
        return _defect()
    return ended if isinstance(ended, int) else Exit.OK


def _defect() -> Exit:
    sys.excepthook(*sys.exc_info())
    sys.stderr.flush()  # from Python 3.13 on the hook leaves that to the end of the process
    return Exit.FAULT


def _labels(session: Session) -> Labels:
    """Return the labels for messages: programs, which ask for JSON, get English in every language."""
    return Labels("en") if session.json else session.labels


def _zone_of_messages(session: Session, error: TallystickError | None) -> Zone:
    """Return the zone of times in a message: the remembered one where the service does not answer."""
    if not isinstance(error, Unavailable):
        with suppress(TallystickError):
            return zone_in_use()
    return session.remembered_zone


def _complain(
    session: Session,
    message: str,
    *,
    code: str = "usage",
    status: Exit = Exit.USAGE,
    error: TallystickError | None = None,
) -> Exit:
    status = Exit(session.verdict or status)
    field, hint = (error.field, next_step(error, _labels(session))) if error else (None, None)
    if session.json:
        fields = {"code": code, "message": message, "field": field, "hint": hint, "exit": status}
        click.echo(msgspec.json.encode({"error": fields}, enc_hook=plain), err=True)
        return status
    line = in_one_line(
        session.labels,
        field,
        _zone_of_messages(session, error).with_readable_times(message),
        rule=code if status is Exit.REFUSED else "",
        hint=hint,
    )
    click.secho(printable_line(line), fg="red", err=True, color=False if os.environ.get("NO_COLOR") else None)
    return status


if __name__ == "__main__":
    sys.exit(main())
