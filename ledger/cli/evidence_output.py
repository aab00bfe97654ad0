"""The output of ``tally evidence``: digests as they are computed, and the outcome of a check."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
import msgspec

from ledger.cli.output import Column
from ledger.cli.printable import printable_json, printable_line
from ledger.cli.report import COLOURS
from ledger.cli.session import Session
from ledger.i18n.messages import said

if TYPE_CHECKING:
    from ledger.evidence.bag import FileFinding
    from ledger.evidence.checking import EvidenceCheck
    from ledger.i18n import Labels

_COUNTED = re.compile(r"([0-9]+) (missing|extra|changed|no file|not listed|listed twice|unreadable)")


def show_digests(session: Session, rows: Iterable[Mapping[str, Any]]) -> None:
    """Print each row as soon as it is computed: a list in JSON, or a line for each digest as ``b3sum`` prints it."""
    if not session.json:
        for row in rows:
            for digest in row["digests"]:
                click.echo(f"{digest}  {printable_line(row['path'])}")
        return
    before = "["
    for row in rows:
        click.echo(f"{before}\n{printable_json(msgspec.json.encode(row).decode())}", nl=False)
        before = ","
    click.echo("[]" if before == "[" else "\n]")


def show_check(session: Session, checked: EvidenceCheck, findings: Sequence[FileFinding]) -> None:
    """Print the steps of a check, each file that is not as listed, and the verdict."""
    output, labels = session.output, session.labels
    fields = msgspec.to_builtins(checked)
    fields["bytes"] = fields.pop("size")
    if session.json:
        return output.data(fields | {"findings": findings})
    steps = [step | {"detail": _detail(labels, step["detail"])} for step in fields["steps"]]
    output.table(steps, [Column("number"), Column("name", "step"), Column("result", "result"), Column("detail")])
    show_findings(session, findings)
    output.record((fields["binding"] or {}) | {name: fields[name] for name in ("digests", "files", "bytes")})
    verdict = click.style(labels.of("verdict", checked.verdict), fg=COLOURS[checked.verdict], bold=True)
    return click.echo(f"{labels.of('field', 'verdict')}: {verdict}")


def _detail(labels: Labels, detail: str) -> str:
    """Return the detail of a step in the reader's language, with the faults that it counts."""
    text = said(detail, labels)
    if text == detail:
        return detail
    return _COUNTED.sub(lambda fault: f"{labels.of('fault', fault[2].replace(' ', '_'))} {fault[1]}", text)


def show_findings(session: Session, findings: Iterable[FileFinding]) -> None:
    """Print a line for each finding, in red."""
    for finding in findings:
        fault = session.labels.of("fault", finding.fault)
        detail = f" ({said(finding.detail, session.labels)})" if finding.detail else ""
        click.secho(printable_line(f"{fault}: {finding.path}{detail}"), fg="red")
