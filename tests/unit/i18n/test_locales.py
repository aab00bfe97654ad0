"""Labels: every word of the protocol in both languages."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import get_args

import pytest
from babel.messages.catalog import Catalog

from api.routes.chain import AnchorView
from api.routes.deadlines import DeadlineView
from api.routes.log import FollowedView, LogStateView
from api.schemas.answers import AgencyView, CaseView, HandoverLine, HandoverView, ItemView, KeyView
from api.services.setup import Machine, StepState
from api.services.supervision_views import (
    LeadLine,
    LeadView,
    ModelLine,
    ModelView,
    RecommendationLine,
    RecommendationView,
)
from ledger.anchoring.anchors import WaitReason
from ledger.anchoring.worker import ChainWord
from ledger.audit.findings import STEPS as AUDIT_STEPS
from ledger.chain.journal import Purpose
from ledger.client.monitoring import Alarm
from ledger.core.custody.claimed_times import BREAK_KINDS
from ledger.core.custody.due_dates import Status
from ledger.core.custody.holds import ObstacleKind
from ledger.core.custody.spans import Subject
from ledger.core.custody.stocktakes import SCAN_RESULTS
from ledger.core.events import EVENT_TYPES, terms
from ledger.core.events.record import IncidentKind
from ledger.core.messages import slot_names
from ledger.core.procedure.deadlines import STEP_NAMES, Unit
from ledger.core.procedure.facts import STEP
from ledger.core.procedure.rulebook import RETENTION_ENDS
from ledger.core.procedure.zones import Zone
from ledger.core.supervision.anonymity import INSTEAD
from ledger.core.supervision.state import LeadStatus, RecommendationStatus
from ledger.core.verification.heads import ABSENCE_STEPS
from ledger.core.verification.stream import CASE_STEPS
from ledger.core.verification.verify import EVENT_STEPS, STEPS
from ledger.core.visibility import Sight
from ledger.evidence.bag import FileFault
from ledger.evidence.checking import STEPS as EVIDENCE_STEPS
from ledger.evidence.kept_evidence import FileState
from ledger.i18n import LANGUAGES, ZONE_IN_USE, Labels, audit_words, language_accepted, language_of
from ledger.procedures import shipped_rulebook
from ledger.store.clocks import Warned
from ledger.store.search import Kind
from ledger.supervision.correlation import NodeKind
from ledger.supervision.lead_verification import STEPS as LEAD_STEPS
from ledger.supervision.library.cards import DifferenceKind
from ledger.supervision.library.public.pages import OUTTURNS
from ledger.supervision.library.publishing import STEPS as MODEL_STEPS
from ledger.supervision.models.model_file import parse_model, shipped_model, shipped_titles
from ledger.supervision.view_catalogue import views
from ledger.timeline.case_history import NoteKind
from ledger.timeline.sentences import CLAUSES
from ledger.witness import alarms
from scripts import texts
from tests.testkit.machine import REPOSITORY
from tests.unit.audit.test_words import claimants, finding_words
from tests.unit.interchange.printing import paper_words
from tests.unit.supervision.test_public_library import public_words

VOCABULARIES: dict[str, tuple[str, ...]] = {
    "verdict": tuple(
        {**dict.fromkeys(terms.choices(terms.AuditVerdict)), **dict.fromkeys(terms.choices(terms.Verdict))}
    ),
    "incident": terms.choices(IncidentKind),
    "machine": get_args(Machine),
    "setup_state": get_args(StepState),
    "chain_purpose": tuple(Purpose),
    "step": (
        *AUDIT_STEPS,
        *CASE_STEPS,
        "versions",
        *dict((*STEPS, *EVENT_STEPS, *ABSENCE_STEPS, *EVIDENCE_STEPS, *LEAD_STEPS, *MODEL_STEPS)),
    ),
    "audit_finding": finding_words(),
    "audit_claimant": claimants(),
    "audit_value": audit_words.VALUES,
    "fault": get_args(FileFault),
    "file_state": get_args(FileState),
    "difference": get_args(DifferenceKind),
    "outturn": OUTTURNS,
    "public": public_words(),
    "library_place": ("title", "definition", "case_study"),
    "alarm": get_args(Alarm),
    "result": ("checked", "failed", "not_checked"),
    "statement": ("shown", "contradicted", "not_checked"),
    "event_type": tuple(EVENT_TYPES),
    "status": (
        "offered",
        "accepted",
        "partially_accepted",
        "refused",
        "recalled",
        "held",
        "checked_out",
        *("split", "merged", "left", "disposed"),
    ),
    "vocabulary": (*terms.TABLE_OF, STEP),
    "state": ("unanchored", "submitted", "mined", "confirmed", "stale", "invalid", *get_args(ChainWord)),
    "wait_reason": tuple(WaitReason),
    "health": tuple(alarms.Health),
    "witness_alarm": (*alarms.HALTING, *alarms.PASSING),
    "role": terms.choices(terms.Role),
    "deadline_status": terms.choices(Status),
    "seal_state": terms.choices(terms.SealState),
    "match_result": terms.choices(terms.MatchResult),
    "check_result": terms.choices(terms.CheckResult),
    "hold_scope": terms.choices(terms.HoldScope),
    "obstacle": get_args(ObstacleKind),
    "retention_end": RETENTION_ENDS,
    "severity": terms.choices(terms.Severity),
    "dismissal_reason": terms.choices(terms.DismissalReason),
    "lead_outcome": ("dismissed",),
    "trace": tuple(INSTEAD),
    "trace_instead": tuple(INSTEAD),
    "relation": ("has", "sealed_with", "has_digest", "handled_by"),
    "node_kind": get_args(NodeKind),
    "recheck_result": terms.choices(terms.RecheckResult),
    "counted_by": terms.choices(terms.CountedBy),
    "review_result": terms.choices(terms.ReviewResult),
    "lead_status": terms.choices(LeadStatus),
    "recommendation_status": terms.choices(RecommendationStatus),
    "word_kind": terms.choices(Kind),
    "discrepancy_kind": terms.choices(terms.DiscrepancyKind),
    "recorded_as": terms.choices(terms.RecordedAs),
    "change_in_count": terms.choices(terms.ChangeInCount),
    "unit": tuple(word for unit in terms.choices(Unit) for word in (unit, f"{unit}s")),
    "moment": ("day", "days", "hour"),
    "sentence": tuple(EVENT_TYPES),
    "clause": CLAUSES,
    "telling": (
        *("full_stop", "separator", "more", "item", "noted", "person", "nothing", "as_listed", "differs", "seal"),
        *("yes", "no", "not_there", "held_by", "event"),
    ),
    "scan_result": SCAN_RESULTS,
    "break": BREAK_KINDS,
    "subject": terms.choices(Subject),
    "note": terms.choices(NoteKind),
    "sight": terms.choices(Sight),
    "paper": paper_words(),
    "report": (
        *("title", "period", "jurisdiction", "business_line", "all", "log", "entries", "as_of"),
        *("note", "nothing", "events", "more"),
    ),
    "noun": (
        *("handover", "item", "person", "measure", "decision", "deadline", "discrepancy", "custody change", "officer"),
        *("events", "publications", "ledger", "service", "case", "log", "letter", "aspect", "point", "hold"),
        "stocktake",
    ),
    "column_type": tuple({column.kind for view in views().values() for column in view.columns.values()}),
    "counting": (*STEP_NAMES, "ends_with_day", "ends_with_hour"),
    texts.VERIFIER: tuple(sorted(texts.in_verifier())),
}


def test_every_word_has_a_chinese_label() -> None:
    """No word of a closed vocabulary is shown to a Chinese reader in English."""
    labels = Labels("zh-CN")
    words = [(vocabulary, word) for vocabulary, words in VOCABULARIES.items() for word in words]
    assert [each for each in words if labels.find(*each) is None] == []
    assert [each for each in words if labels.of(*each).isascii()] == []


def test_english_labels_are_the_words() -> None:
    """Where the English catalogue has no better one, the word itself is the label."""
    labels = Labels("en")
    assert labels.of("verdict", "not_yet_anchored") == "not yet anchored"
    assert labels.of("stage", "first_instance") == "first instance"
    assert labels.of("field", "from_agency") == "from"


def test_event_types_are_told_in_plain_english() -> None:
    """A heading says what happened: no reader meets the dots and underscores of the protocol."""
    for event_type in EVENT_TYPES:
        assert re.fullmatch("[a-z][a-z -]+", Labels("en").of("event_type", event_type)), event_type


def test_flags_clocks_and_extensions_are_labelled_by_the_rules() -> None:
    """By what the rules file says of each, in both languages; what it does not have is its name."""
    for rule in shipped_rulebook().flags:
        assert Labels("en").of_flag(rule.name) == rule.label["en"]
        assert Labels("zh-CN").of_flag(rule.name) == rule.label["zh"]
    assert Labels("en").of_flag("not_a_flag") == "not a flag"
    for rule in shipped_rulebook().clocks:
        assert Labels("en").of_clock(rule.name) == rule.label["en"]
        assert Labels("zh-CN").of_clock(rule.name) == rule.label["zh"]
    for rule in shipped_rulebook().clocks:
        for extension in rule.extensions:
            assert Labels("en").of_extension(rule.name, extension.name) == extension.label["en"]
            assert Labels("zh-CN").of_extension(rule.name, extension.name) == extension.label["zh"]
    assert Labels("zh-CN").of_extension("bail_limit", "some_day") == "some day"


def test_articles_are_called_in_chinese_as_chinese_readers_call_them() -> None:
    """Every article of the rules; one of a clerk, too, if its law is known, and else as he wrote it."""
    book = shipped_rulebook()
    extensions = [extension for rule in book.clocks for extension in rule.extensions]
    articles = {row.article for row in (*book.flags, *book.clocks, *extensions, *book.purposes.values())}
    for article in articles:
        assert Labels("en").of_article(article) == article
        assert not re.search("[A-Za-z{}]", Labels("zh-CN").of_article(article)), article
    assert Labels("zh-CN").of_article("CPL 149") == "刑事诉讼法第149条"
    assert Labels("zh-CN").of_article("Another Law 3") == "Another Law 3"


@pytest.mark.parametrize("article", ["{", "{0.__class__}", "{} 91", "CPL", "a clause of our own {number}"])
def test_an_article_that_nobody_knows_is_told_as_it_was_written(article: str) -> None:
    """What a signer typed is no template: it neither breaks the page nor is filled in."""
    assert Labels("zh-CN").of_article(article) == article


def test_catalogues_have_no_label_that_nothing_shows() -> None:
    """Vocabularies of the catalogues are those that exist: a label under a misspelled one would never be seen."""
    vocabularies = {*VOCABULARIES, "field", "message", "check", "paper_field", "alone"}
    vocabularies |= {"sentence_of_persons", "sentence_of_count", "refusal", "model_fault"}
    for language in LANGUAGES:
        assert catalogue(language).keys() <= vocabularies
        for vocabulary, words in VOCABULARIES.items():
            extra = catalogue(language).get(vocabulary, {}).keys() - set(words)
            beside_words = {"consistent", "split", "merged", "left", "signed", "counted", "ever", "handover", "unnamed"}
            assert extra <= beside_words, vocabulary


def test_fields_have_a_chinese_label_where_they_have_an_english_one() -> None:
    """Headings and messages are in both languages."""
    english, chinese = catalogue("en"), catalogue("zh-CN")
    for vocabulary in ("field", "message", "paper", "paper_field", "model_fault"):
        assert english[vocabulary].keys() <= chinese[vocabulary].keys()


VIEWS = (
    *(AgencyView, KeyView, CaseView, ItemView, HandoverView, HandoverLine, DeadlineView, Warned, AnchorView),
    *(
        alarms.Status,
        FollowedView,
        LogStateView,
        LeadLine,
        LeadView,
        ModelLine,
        ModelView,
        RecommendationLine,
        RecommendationView,
    ),
)


def test_every_field_that_is_shown_has_a_chinese_label() -> None:
    """What the service answers and the command line shows has no English heading for a Chinese reader."""
    shown = {field for view in VIEWS for field in view.__struct_fields__}
    assert shown - catalogue("zh-CN")["field"].keys() == set()


def test_what_a_lead_tells_has_a_chinese_label() -> None:
    """Each value that a shipped model's leads name, beside its sentence, has a heading in Chinese."""
    fields = catalogue("zh-CN")["field"].keys()
    for model_id in shipped_titles():
        lead = parse_model(shipped_model(model_id)).lead
        assert {*slot_names(lead.says.zh), *lead.key} - fields == set(), model_id


def test_language_follows_the_environment() -> None:
    """Any Chinese locale gives Chinese, everything else English."""
    assert {language_of(tag) for tag in ("zh_CN.UTF-8", "zh_TW", "zh-CN")} == {"zh-CN"}
    assert {language_of(tag) for tag in ("en_GB.UTF-8", "C", None)} == {"en"}


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("zh", "zh-CN"),
        ("zh_TW", "zh-CN"),
        ("ZH-Hant-TW; Q=0.9, fr", "zh-CN"),
        ("de, zh-CN;q=0.9", "zh-CN"),
        ("fr-FR, zh;q=0.5, en;q=0.1", "zh-CN"),
        ("en;q=0.1, zh-CN", "zh-CN"),
        ("zh-CN;q=0.5,en", "en"),
        ("zh;q=0, en;q=0", "en"),
        ("zh;q=0", "en"),
        ("en-GB, zh-CN", "en"),
        ("zha, *", "en"),
        ("zh;q=high", "en"),
        ("", "en"),
        (None, "en"),
    ],
)
def test_language_follows_what_a_request_accepts(header: str | None, language: str) -> None:
    """The best weighted of the two languages, the first of two alike; what cannot be read does not count."""
    assert language_accepted(header) == language


@cache
def entries_of(locale: str) -> Catalog:
    """Return the catalogue as translators have it: reading it takes a second."""
    return texts.catalogue(locale)


@cache
def catalogue(language: str) -> dict[str, dict[str, str]]:
    """Return the labels of a language by vocabulary and word."""
    labels: dict[str, dict[str, str]] = {}
    for entry in entries_of(language.replace("-", "_")):
        if entry.context:
            labels.setdefault(entry.context, {})[entry.id] = entry.string
    return labels


def test_every_text_is_in_chinese_and_none_is_left_over() -> None:
    """Whoever reads Chinese reads no English; a text that went is not translated on. ``scripts/texts.py`` mends it."""
    entries = [entry for entry in entries_of("zh_CN") if entry.id and not entry.context]
    translations = {entry.id: "".join(entry.string) for entry in entries}
    messages = texts.messages()
    assert messages - translations.keys() == set()
    assert translations.keys() - messages == set()
    assert [text for text, chinese in translations.items() if chinese.isascii() and re.search("[a-z]{2} ", text)] == []


SOURCE = """
from api.elsewhere import AGAIN
class Lost(TallystickError): ...
LOST = "it is lost"
def lose(error):
    text = "there is nothing" if error else "there is little"
    error.hint = "Look for it."
    lock(error, message=LOST, hint="Stop it.")
    error.amended(hint=AGAIN)
    raise Lost(text) from Lost(LOST)
"""


def test_texts_are_read_where_a_name_stands_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A constant of this module or of another one, what a function bound, and any hint: each must be translated."""
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "lost.py").write_text(SOURCE, encoding="utf-8")
    (tmp_path / "api" / "elsewhere.py").write_text('AGAIN: str = "Ask again."\nLOST = "not said"', encoding="utf-8")
    monkeypatch.setattr(texts, "ROOT", tmp_path)
    assert {text for _, text in texts.in_code()} == {
        *("it is lost", "there is nothing", "there is little"),
        *("Look for it.", "Stop it.", "Ask again."),
    }


@pytest.mark.parametrize(
    "source", ['why = f"no {name}"\nraise TallystickError(why)', 'session.done(f"{name} is gone")']
)
def test_what_is_rendered_before_it_is_translated_is_refused(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sentence with values is a Message, also where a name stands for it."""
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "lost.py").write_text(source, encoding="utf-8")
    monkeypatch.setattr(texts, "ROOT", tmp_path)
    with pytest.raises(TypeError, match="write a Message"):
        list(texts.in_code())


def test_no_text_cites_the_law_of_one_land() -> None:
    """What every land's paper, form and command show names no statute: the articles are the procedure package's."""
    of_one_land = re.compile(r"\barts?\. |\bCPL\b|\barticle \d{2}|《|诉讼法|第[一二三四五六七八九十百]{2,}条")
    entries = [entry for language in ("en", "zh_CN") for entry in entries_of(language)]
    shown = ("".join(text) for entry in entries for text in (entry.id, entry.string))
    assert [text for text in shown if of_one_land.search(text)] == []


def test_slots_are_the_same_in_both_languages() -> None:
    """A translation fills what the English fills, in whatever order; it may leave out what says nothing to a reader."""
    for entry in entries_of("zh_CN"):
        if entry.id and entry.context in (None, texts.VERIFIER):
            english, chinese = "".join(entry.id), "".join(entry.string)
            assert set(re.findall(r"{[\w.]*", chinese)) <= set(re.findall(r"{[\w.]*", english)), entry.id


def test_what_a_verification_step_compared_is_a_message() -> None:
    """Its result is shown to readers of either language: a step returns no sentence that is rendered already."""
    steps, untranslatable = 0, []
    for file in sorted((REPOSITORY / "ledger").rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        if not re.search(r"^from ledger\.core\.verification\.report import (.*|\([^)]*)StepResult", text, re.MULTILINE):
            continue
        for function in ast.walk(ast.parse(text)):
            returns = getattr(function, "returns", None)
            if isinstance(function, ast.FunctionDef) and getattr(returns, "id", "") == "StepResult":
                steps += 1
                answers = [node.value for node in ast.walk(function) if isinstance(node, ast.Return)]
                answers += [part for answer in answers if isinstance(answer, ast.BoolOp) for part in answer.values]
                finished = [answer for answer in answers if isinstance(answer, ast.JoinedStr | ast.Constant)]
                untranslatable += [f"{file.name}:{answer.lineno}" for answer in finished]
    assert steps > 20
    assert untranslatable == []


def test_times_in_a_text_are_shown_in_the_zone_in_use() -> None:
    """Whether with an offset, as in the text of a lead, or in UTC; days and what is no time stay as they are."""
    zone = Zone("Asia/Shanghai", {"1970-01-01T00:00:00Z": "+08:00"})
    token = ZONE_IN_USE.set(lambda: zone)
    try:
        shown = Labels("zh-CN").with_moments("自 2026-03-01 13:30 +00:00 起，至 2026-03-02T01:00:05Z；2026-03-03")
        assert shown == "自 2026年3月1日21:30 起，至 2026年3月2日09:00；2026-03-03"
        assert Labels("en").with_moments("2026-02-30 09:00 +08:00") == "2026-02-30 09:00 +08:00"
    finally:
        ZONE_IN_USE.reset(token)
