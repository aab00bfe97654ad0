"""Print verification reports: numbered steps and the verdict, in colour. Drawn without rich, to start fast."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
from msgspec import to_builtins

from ledger.cli.output import columns_of, padded, printable_line, when
from ledger.core.encoding.decoding import convert
from ledger.core.messages import Message, plain
from ledger.i18n import zone_in_use

if TYPE_CHECKING:
    from ledger.cli.session import Session
    from ledger.core.custody import Flag
    from ledger.core.supervision.model_package import PackageReport
    from ledger.core.trust.trust_file import Trust
    from ledger.core.verification.case import ExceededLimit, TimeLimits
    from ledger.core.verification.heads import AbsenceReport
    from ledger.core.verification.report import CheckedStep, ProofReport, Statement
    from ledger.core.verification.stream import StreamReport
    from ledger.evidence.checking import EvidenceCheck
    from ledger.i18n import Labels
    from ledger.supervision.lead_verification import LeadReport
    from ledger.supervision.library.publishing import Usable

COLOURS = {
    "intact": "green",
    "continued": "yellow",
    "tampered": "red",
    "other_ledger": "red",
    "unverifiable": "yellow",
    "not_yet_anchored": "yellow",
    "checked": "green",
    "failed": "red",
    "not_checked": "yellow",
    "shown": "green",
    "contradicted": "red",
}


NOT_YET = Message(
    "A proof fetched within ten minutes of the recording has no anchor as a rule: fetch it again. If it has none then "
    "either, tell the operator ('tally anchor status' says what is waited for). If it has, step 4 says what helps."
)


def show_report(
    session: Session, report: ProofReport | StreamReport | AbsenceReport | LeadReport, trust: Trust | None = None
) -> None:
    """Print the report of a bundle or a lead, or as JSON, with the digest of the trust file that it was checked by."""
    beside = trusted_by(trust)
    if session.json:
        return session.output.data({name: getattr(report, name) for name in report.__struct_fields__} | beside)
    labels = session.labels
    _show_steps(labels, report.steps)
    show_trust(labels, beside)
    for line in _about(labels, report):
        click.echo(printable_line(line))
    return show_conclusion(labels, report)


def trusted_by(trust: Trust | None) -> dict[str, Any]:
    """Return what is told of the trust file of a check: its digest, and the blocks that this does not cover."""
    if trust is None:
        return {}
    from ledger.core.trust.trust_renewal import trust_digest, uncovered_blocks

    blocks = uncovered_blocks(trust)
    return {"trust_digest": trust_digest(trust)} | ({"trusted_blocks": blocks} if blocks else {})


def show_trust(labels: Labels, beside: Mapping[str, Any]) -> None:
    """Print what is told of a trust file."""
    for name, value in beside.items():
        click.echo(f"{labels.of('field', name)}: {value if isinstance(value, str) else ', '.join(value)}")


def show_package(session: Session, report: PackageReport, usable: Usable) -> None:
    """Print the report of a model package, and whether the model can be used."""
    if session.json:
        fields: dict[str, Any] = to_builtins(report, enc_hook=plain)
        del fields["published"]  # the texts, which 'tally library show' tells
        return session.output.data(
            fields | {"usable": usable.usable, "steps": [*fields["steps"], *to_builtins(usable.steps, enc_hook=plain)]}
        )
    labels = session.labels
    _show_steps(labels, [*report.steps, *usable.steps])
    for name in ("model_id", "version", "publisher"):
        click.echo(f"{labels.of('field', name)}: {printable_line(str(getattr(report, name)))}")
    show_conclusion(labels, report)
    if not usable.usable:
        click.secho(labels.of("message", "not_to_be_taken"), fg="red")
    return None


def show_conclusion(
    labels: Labels, report: ProofReport | StreamReport | AbsenceReport | LeadReport | EvidenceCheck
) -> None:
    """Print the verdict, and beside it whether the acts were possible, the rules kept, and anything left out."""
    _show_verdict(labels, report.verdict, report.steps, development=report.development)
    if report.verdict == "not_yet_anchored":
        click.secho(labels.translate(NOT_YET), dim=True)
    for name in ("conformity", "completeness"):
        statement: Statement | None = getattr(report, name, None)
        if statement is not None:
            outcome = click.style(labels.of("statement", statement.result), fg=COLOURS[statement.result])
            detail = printable_line(_in_words(statement.detail, labels))
            # What the rules forbid and the log has all the same is possible, and flagged.
            label = "acts_possible" if name == "conformity" and hasattr(report, "flags") else name
            click.echo(f"{labels.of('field', label)}: {outcome}: {detail}")
    if flags := getattr(report, "flags", ()):
        click.secho(
            labels.translate(Message("flags raised by the rules: {count}, as named above", count=len(flags))),
            fg="yellow",
        )
    limits: TimeLimits | None = getattr(report, "time_limits", None)
    if limits is not None and limits.late:
        text = Message("time limits that were not kept: {count}, as named above", count=len(limits.late))
        click.secho(labels.translate(text), fg="yellow")


def show_audit(session: Session, report: Mapping[str, Any]) -> None:
    """Print the report of an audit."""
    if session.json:
        session.output.data(report)
        return
    from ledger.core.verification.report import CheckedStep
    from ledger.i18n.audit_words import finding_text, value_text

    labels, steps = session.labels, convert(report["steps"], list[CheckedStep])
    _show_steps(labels, steps)
    for finding in report["findings"]:
        where = "" if finding["index"] is None else f"{labels.of('field', 'index')} {finding['index']}: "
        word = finding.get("word")
        # In English if the service gives it no code.
        text = finding_text(labels, word, finding["slots"]) if word else finding["what"]
        values = [finding.get(name) for name in ("expected", "found")]
        differs = " / ".join(value_text(labels, value) for value in values) if values[0] else ""
        click.secho(printable_line(f"{where}{text}" + (f" ({differs})" if differs else "")), fg="red")
    about, _, case_id = str(report["scope"]).partition(" ")
    scope = f"{labels.of('noun', about)} {case_id}".rstrip()
    click.echo(f"{labels.of('field', 'scope')}: {printable_line(scope)}")
    facts = {name: report[name] for name in ("size", "root", "anchored_up_to", "entries_since", "left_out")}
    facts |= {name: report[name] for name in ("log_id", "trust_digest") if report.get(name)}
    since = report.get("since")
    if since is not None:
        facts |= {"since_at": when(since["audited_at"]), "since_digest": since["digest"]}
        facts |= {"whole_at": when(since["whole_at"]), "share": f"{since['share']} / {since['shares']}"}
        facts |= {name: since[name] for name in ("entries_again", "entries_unread", "streams_unread")}
    if report.get("basis") is not None:
        facts["basis_digest"] = report["basis"]["digest"]
    for name, value in facts.items():
        click.echo(f"{session.labels.of('field', name)}: {printable_line(str(value))}")
    verdict, development = report["verdict"], bool(report["development"])
    # A worse verdict than ``continued`` says nothing about what was not read again.
    beside = ""
    if since is not None and verdict != "continued":
        beside = f" ({labels.of('field', 'entries_unread')}: {printable_line(str(since['entries_unread']))})"
    _show_verdict(session.labels, verdict, steps, development=development, beside=beside)


def _show_steps(labels: Labels, steps: Iterable[CheckedStep]) -> None:
    rows = [(step, labels.of("step", step.name), labels.of("result", step.result)) for step in steps]
    name_width = max(map(columns_of, (name for _, name, _ in rows)), default=0)
    result_width = max(map(columns_of, (result for _, _, result in rows)), default=0)
    for step, name, result in rows:
        marked = click.style(padded(result, result_width), fg=COLOURS[step.result])
        detail = printable_line(_in_words(step.text, labels))
        click.echo(f"{step.number:>2}  {padded(name, name_width)}  {marked}  {detail}")


def _about(labels: Labels, report: ProofReport | StreamReport | AbsenceReport | LeadReport) -> Iterable[str]:
    case_id = getattr(report, "case_id", None)
    if case_id is not None:
        events: Sequence[ProofReport] = getattr(report, "events", ())
        yield f"{labels.of('field', 'case_id')}: {case_id}"
        yield from _hidden_sections(labels, events)
        yield from _blocks(labels, events)
        # Of the first and of the last event, once if it is the same.
        proven = dict.fromkeys(_proven(labels, event) for event in (*events[:1], *events[-1:]))
        yield f"{labels.of('field', 'proven_time')}: {' – '.join(proven)}"
        for raised in getattr(report, "flags", ()):
            yield f"{raised.sequence}: {flag_in_words(labels, raised.flag)}"
        if (limits := getattr(report, "time_limits", None)) is not None:
            yield from (_late_in_words(labels, clock, limits.as_of) for clock in limits.late)
        return
    subject = getattr(report, "subject", None)
    if subject is None:
        return
    envelope = subject.envelope
    yield f"{labels.of('field', 'event_id')}: {envelope.event_id} ({labels.of('event_type', envelope.event_type)})"
    if subject.occurred_at is not None:
        yield f"{labels.of('field', 'claimed_time')}: {when(subject.occurred_at)}"
    yield from _blocks(labels, [report])
    yield f"{labels.of('field', 'proven_time')}: {_proven(labels, report)}"


def _proven(labels: Labels, report: object) -> str:
    proven = getattr(report, "proven_time", None)
    return labels.of("message", "none") if proven is None else when(proven)


def _hidden_sections(labels: Labels, events: Iterable[ProofReport]) -> Iterable[str]:
    """Yield which sections of which events of a case are not shown, and why: withheld, or erased by which entry."""
    from ledger.core.verification.report import in_ranges

    hidden: dict[str, list[int]] = {}
    for event in events:
        for step in event.steps:
            if step.name == "sections" and step.result == "not_checked":
                hidden.setdefault(_in_words(step.text, labels), []).append(event.subject.envelope.sequence)
    for why, sequences in hidden.items():
        yield f"{labels.of('step', 'sections')}: {labels.of('noun', 'events')} {in_ranges(sequences)}: {why}"


def _in_words(detail: str, labels: Labels) -> str:
    """Return a verifier's detail in the reader's language, with readable times."""
    return zone_in_use().with_readable_times(labels.translate(detail))


def flag_in_words(labels: Labels, flag: Flag) -> str:
    """Return a flag with its detail and article, in the reader's language."""
    from ledger.timeline.sentences import Narrator

    detail = zone_in_use().with_readable_times(Narrator(labels).detail(flag.detail))
    return f"{labels.of_flag(flag.name)}: {detail} ({labels.of_article(flag.article)})"


def _late_in_words(labels: Labels, clock: ExceededLimit, as_of: str) -> str:
    """Return a time limit that was not kept, in the reader's language: until when it ran, and when it was met."""
    from ledger.timeline.sentences import Narrator

    until = Message(
        "time limit not kept: {clock}, {subject} ({article}): it ran until {due_at}, and was open at {as_of}"
    )
    if clock.stopped_at is not None:
        until = Message(
            "time limit not kept: {clock}, {subject} ({article}): it ran until {due_at}, and ended at {as_of}"
        )
    slots = {"clock": labels.of_clock(clock.clock), "subject": Narrator(labels).detail(clock.subject)}
    times = {"due_at": when(clock.due_at), "as_of": when(clock.stopped_at or as_of)}
    return labels.translate(Message(until, **slots, article=labels.of_article(clock.article), **times))


def _blocks(labels: Labels, reports: Iterable[Any]) -> Iterable[str]:
    """Yield the blocks by whose state anchors are proven, each once, with a warning about chains of one operator."""
    proven = dict.fromkeys(block for report in reports if (block := getattr(report, "block", None)) is not None)
    for block in proven:
        yield f"{labels.of('field', 'ends_in_block')}: {block.number} {block.hash}"
    if proven:
        yield labels.of("message", "one_operator")


def _show_verdict(
    labels: Labels, verdict: str, steps: Iterable[CheckedStep], *, development: bool, beside: str = ""
) -> None:
    """Print the verdict, what stands ``beside`` it and, if it is not the best, the first step that caused it."""
    outcome = click.style(labels.of("verdict", verdict), fg=COLOURS[verdict], bold=True)
    cause = None if verdict == "intact" else next((step for step in steps if step.verdict == verdict), None)
    reason = f": {labels.of('step', cause.name)}: {printable_line(_in_words(cause.text, labels))}" if cause else ""
    click.echo(f"{labels.of('field', 'verdict')}: {outcome}{beside}{reason}")
    if development:
        click.secho(labels.of("message", "development"), fg="yellow", file=sys.stdout)
