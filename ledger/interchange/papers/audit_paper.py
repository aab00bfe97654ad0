"""The report of an audit as a paper: what was compared, what differs, by which log root; and what it does not say."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from msgspec import Struct, json

from ledger.audit import AuditReport
from ledger.audit.findings import AuditFinding
from ledger.core.encoding.instants import instant_text
from ledger.core.messages import plain
from ledger.core.trust.trust_file import Trust
from ledger.i18n import Labels
from ledger.i18n.audit_words import VERDICT_MEANS, finding_text, value_text
from ledger.interchange.papers.paper_text import PaperLanguage, PaperText, cell
from ledger.interchange.papers.sheet import (
    BLANK,
    Attachment,
    CheckLine,
    ChecksBlock,
    FactsBlock,
    LabelledValue,
    ProseBlock,
    Sheet,
    SheetBlock,
    Stamp,
    StampsBlock,
    Words,
    link,
)
from ledger.interchange.papers.typeset import typeset

PRINTED: Final = 500  # findings; the attached report has all
AUDIT_LIMITS: Final = ("audit_root", "audit_since", "claimed_times", "persons", "audit_machine")


class AuditPaperRequest(Struct, frozen=True):
    """A report, by whose trust file, when (unix seconds), and in which language.

    ``name`` is of the file: the audit's id, or the scope. ``verify_url`` is the page that the QR code leads to, and
    ``case_number`` that of the case that was audited, where it is known.
    """

    report: AuditReport
    trust: Trust
    made_at: int
    language: PaperLanguage
    name: str
    verify_url: str | None
    case_number: str | None = None


def print_audit(request: AuditPaperRequest) -> bytes:
    """Return the PDF/A-3b, with the report inside as ``tally audit --json`` has it. Raises what ``typeset`` raises."""
    attached = json.format(json.encode(request.report, enc_hook=plain), indent=2)
    return typeset(audit_paper(request), attached.decode())


def audit_paper(request: AuditPaperRequest) -> Sheet:
    """Return the paper; the report is to be attached to it."""
    report, trust = request.report, request.trust
    text = PaperText(request.language, lambda _labels: str)
    about, _, case_id = report.scope.partition(" ")
    number = request.case_number

    def named(labels: Labels) -> str:
        return case_id if number is None else labels.of("telling", "item").format(number, case_id)

    scope = text.each(lambda labels: f"{labels.of('noun', about)} {named(labels)}".rstrip())
    left = [(step.number, step.name) for step in report.steps if step.result == "not_checked"]
    return Sheet(
        layout="certificate",
        languages=text.languages,
        title=text.paper("title.audit"),
        issuer=(trust.origin,),
        number=scope,
        date=request.made_at,
        link=link(request.verify_url, trust.log_id_text, report.scope.replace(" ", "-"), report.root),
        link_text=text.paper("link"),
        verdict=text.paper("audit_verdict", verdict=text.of("verdict", report.verdict)),
        beside=(text.paper("unchecked", steps=text.steps(left)),) if left else (),
        blocks=tuple(_blocks(text, request, scope)),
        footer=text.paper("audit_footer", zone=text.zone()),
        reference=request.name,
        attachment=Attachment(f"{request.name}.json", "tallystick audit report: tally audit --json"),
    )


def _blocks(text: PaperText, request: AuditPaperRequest, scope: Words) -> Iterator[SheetBlock]:
    report, trust = request.report, request.trust
    yield ProseBlock(BLANK, (text.each(lambda labels: labels.translate(VERDICT_MEANS[report.verdict])),))
    count = len(report.findings) + report.left_out
    yield FactsBlock(
        text.paper("heading.audited"),
        (
            text.fact("scope", scope),
            text.fact("audited_at", text.moment(instant_text(request.made_at))),
            text.fact("size", (str(report.size),)),
            text.fact("root", (report.root,), exact=True),
            text.fact("anchored_up_to", (str(report.anchored_up_to),)),
            text.fact("entries_since", (str(report.entries_since),)),
            text.fact("findings", (str(count),)),
            *_since(text, report),
            text.fact("log_id", (trust.log_id_text,), exact=True),
            text.fact("log_key", (trust.log_key.vkey(),), exact=True),
            *([text.fact("trust_digest", (report.trust_digest,), exact=True)] if report.trust_digest else []),
        ),
        together=True,
    )
    yield from _findings(text, report)
    if count > PRINTED:
        yield ProseBlock(BLANK, (text.paper("audit_more", shown=str(PRINTED), count=str(count)),))
    yield ChecksBlock(text.paper("heading.audit_steps"), tuple(_lines(text, report)))
    limits = [text.paper(f"limit.{name}") for name in AUDIT_LIMITS]
    limits += [text.paper("limit.development")] if report.development else []
    yield ProseBlock(text.paper("heading.audit_limits"), tuple(limits), points=True)
    here, date = text.paper("stamp.here"), text.paper("stamp.date")
    yield StampsBlock((Stamp(text.paper("stamp.auditor"), here, (text.paper("stamp.officer"), date)),))


def _since(text: PaperText, report: AuditReport) -> Iterator[LabelledValue]:
    """Yield what the audit went on from and did not read again, and what a later one goes on from."""
    if (since := report.since) is not None:
        yield text.fact("since_at", text.moment(instant_text(since.audited_at)))
        yield text.fact("since_digest", (since.digest,), exact=True)
        yield text.fact("whole_at", text.moment(instant_text(since.whole_at)))
        yield text.fact("share", (f"{since.share} / {since.shares}",))
        for name in ("entries_again", "entries_unread", "streams_unread"):
            yield text.fact(name, (str(getattr(since, name)),))
    if report.basis is not None:
        yield text.fact("basis_digest", (report.basis.digest,), exact=True)


def _findings(text: PaperText, report: AuditReport) -> Iterator[SheetBlock]:
    """Yield what differs, with the entry of the log and what it should be."""
    rows = [
        (
            cell(("–" if finding.index is None else str(finding.index),)),
            cell(text.of("step", finding.step)),
            cell(text.each(partial(_finding_text, finding))),
            cell(text.each(partial(value_text, value=finding.expected))),
            cell(text.each(partial(value_text, value=finding.found))),
        )
        for finding in report.findings[:PRINTED]
    ]
    columns = {"log_index": 0.8, "step": 1.5, "audit_finding": 4, "expected": 2.4, "found": 2.4}
    yield from text.table("audit_findings", columns, rows)


def _finding_text(finding: AuditFinding, labels: Labels) -> str:
    return finding_text(labels, finding.word, finding.slots) if finding.word else finding.what


def _lines(text: PaperText, report: AuditReport) -> Iterator[CheckLine]:
    for step in report.steps:
        result = text.of("result", step.result)
        yield CheckLine(step.number, text.of("step", step.name), step.result, result, text.verifier(step.text), BLANK)
