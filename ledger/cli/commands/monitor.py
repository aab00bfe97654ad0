"""``tally monitor``: what an agency's keys signed and what the registry changed since it last looked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click
import msgspec
from msgspec.structs import asdict

from ledger.cli.command import Command
from ledger.cli.errors import Exit
from ledger.cli.output import columns
from ledger.cli.session import Session
from ledger.core.errors import MalformedInput, Unavailable
from ledger.core.messages import Message, plain

if TYPE_CHECKING:
    from ledger.client.monitoring import KeyUse

COLUMNS = columns(
    *("index", "signed_at", "event_type", "stream.kind", "stream.id", "key_id", "officer", "content", "alarm:alarm")
)


@click.command("monitor", cls=Command)
@click.option("--agency", help="Whose keys, if not those of the profile's agency.")
@click.option("--follow", is_flag=True, help="Look again and again, until something is wrong or you interrupt it.")
@click.option("--every", type=click.FloatRange(min=0.1), default=10, show_default=True, help="Seconds between looks.")
def monitor_command(session: Session, agency: str | None, follow: bool, every: float) -> int:
    """Show each use of your agency's keys since you last looked, and each change of the registry that concerns it.

    These are the changes of your own keys, and all that concern every agency: quorum, submitters, procedures, agencies,
    their admins and their witnesses.

    Reads the public log as anybody can, and believes the service nothing: the log must continue the checkpoint of the
    last look. A key that the agency did not grant, one used after its revocation, a log that was rolled back or forked
    are alarms: the exit code is 1. How far you have looked is kept in the profile's folder once it was shown.
    """
    watched = agency or session.profile.agency
    if watched is None:
        raise MalformedInput("expected the id of the agency whose keys are watched", field="--agency")
    while True:
        try:
            alarms = _look(session, watched, one_by_one=follow)
        except Unavailable as error:
            if not follow:
                raise
            session.warn(error.text)
            alarms = 0
        if alarms or not follow:
            return Exit.REFUSED if alarms else Exit.OK
        time.sleep(every)


def _look(session: Session, agency: str, *, one_by_one: bool) -> int:
    """Watch what is new, print it and then keep the position; return the number of alarms."""
    from ledger.cli.proofs import trust_of_profile
    from ledger.client.monitoring import evidence_kept, read_position, watch_log, write_position
    from ledger.core.trust.trust_file import parse_trust
    from ledger.witness.source import LogSource

    trust = parse_trust(trust_of_profile(session))
    file = session.profiles.monitor(session.profile)
    before = after = read_position(file, trust)
    source = LogSource(session.profile.url)
    uses: list[dict[str, Any]] = []
    try:
        note = source.checkpoint()
        with evidence_kept(file, note):
            for step in watch_log(source, note, trust, agency, before):
                uses += (_row(session, use) for use in step.uses)
                after = step.position
    finally:
        source.close()
    alarms = [use for use in uses if use["alarm"] is not None]
    output = session.output
    summary = {"agency": agency, "since": before.followed.size, "size": after.followed.size, "alarms": len(alarms)}
    if session.json and one_by_one:
        for use in uses:
            output.line(use)
    elif session.json:
        output.data(summary | {"uses": uses})
    elif not one_by_one:
        output.record(summary)
        output.part("uses", uses, COLUMNS)
    elif uses:
        output.table(uses, COLUMNS)
    for alarm in alarms:
        session.output.warn(f"{alarm['index']}: {alarm['message']}")
    if after != before:
        write_position(file, after)
    return len(alarms)


def _row(session: Session, use: KeyUse) -> dict[str, Any]:
    """Return a use as programs get it; for people with what the registry changes, in a sentence."""
    from ledger.timeline.sentences import Narrator

    row: dict[str, Any] = msgspec.to_builtins(use, enc_hook=plain)
    if session.json or use.change is None:
        return row
    slots = asdict(use.change)
    del slots["number"]  # the registry's own count, which a reader would take for a number of what is set
    # By ids alone: names would be the service's word.
    sentence = Narrator(session.labels).words_of(use.event_type, None).sentence(slots)
    if use.quorum_before is not None:
        before = Message("{sentence} It was {quorum} before.", sentence=sentence, quorum=use.quorum_before)
        sentence = session.labels.translate(before)
    return row | {"content": sentence}
