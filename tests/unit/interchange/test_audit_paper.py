"""The report of an audit on paper: steps and findings in words, by which root, and the report inside."""

from __future__ import annotations

import io
import json

from pypdf import PdfReader

from ledger.audit import AuditReport
from ledger.audit.findings import AuditFinding, AuditFindings
from ledger.core.messages import Message
from ledger.interchange.papers.audit_paper import PRINTED, AuditPaperRequest, print_audit
from ledger.interchange.papers.paper_text import PaperLanguage
from tests.testkit.builders import START
from tests.testkit.bundles import TWO_OF_THREE, trust
from tests.unit.interchange.test_typeset import text_of

TRUST = trust(TWO_OF_THREE)
ROOT = bytes(range(32))


def report(findings: int) -> AuditReport:
    """Return a report of five entries with so many findings in the log's signatures, and steps that were left out."""
    kept = AuditFindings()
    kept.checked("entries", Message("{count} entries", count=5))
    fault = AuditFinding(
        "signatures", 3, "what", "the key of p-1", "none", "differs", {"of": "events", "name": "key_id"}
    )
    kept.add(*[fault] * findings)
    kept.stop(Message("a step before it stopped"))
    return kept.report(scope="case case-1", trust=trust(), size=5, root=ROOT)


def printed(of: AuditReport, language: PaperLanguage) -> tuple[str, bytes]:
    """Return the text of the paper, and the file that is attached to it."""
    verify_url = "https://ledger.test/verify"
    pdf = print_audit(AuditPaperRequest(of, TRUST, START, language, "audit-1", verify_url, case_number="2026-0417"))
    reader = PdfReader(io.BytesIO(pdf))
    ((name, (attached,)),) = reader.attachments.items()
    assert name == "audit-1.json"
    return text_of(pdf).replace("\n", ""), attached


def test_a_report_tells_findings_steps_and_root_in_each_language() -> None:
    """By the root and the ledger that it is about, and the trust file that it was made by, which may be another than
    the reader's; what was not compared stands beside the verdict."""
    of = report(1)
    for language, words in (
        ("en", ("Report of an audit", "tampered", "the key of p-1", "Not checked", "development ledger", "5 entries")),
        ("zh-CN", ("核查报告", "核查发现", "the key of p-1", "开发模式", "未核验")),
    ):
        text, attached = printed(of, language)  # type: ignore[arg-type]
        for word in (
            *words,
            of.root,
            of.trust_digest,
            f"0x{TRUST.log_id.hex()}",
            TRUST.log_key.vkey(),
            "case-1",
            "2026-0417",
        ):
            assert word.replace(" ", "") in text.replace(" ", ""), (language, word)
        assert json.loads(attached)["findings"][0]["index"] == 3


def test_what_is_not_printed_is_attached() -> None:
    """The paper says how many findings it leaves out."""
    text, attached = printed(report(PRINTED + 1), "en")
    assert f"The first {PRINTED} of {PRINTED + 1} findings".replace(" ", "") in text.replace(" ", "")
    assert len(json.loads(attached)["findings"]) == PRINTED + 1
